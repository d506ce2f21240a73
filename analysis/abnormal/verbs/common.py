"""What every verb shares: its common options, and how it speaks on stdout and stderr."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE, FELL_SHORT
from .group import colour_wanted, say

if TYPE_CHECKING:
    from ..inputs.studyfile import Study
    from ..present.tables import Table

SCHEMA_VERSION = 1
UNLIMITED = 100_000
PATIENCE = 1.0  # seconds of silence before a progress bar appears

Progress = Callable[[str, int, int], None]


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json --quiet --verbose --strict on a verb; they reach it as one `Output` named `out`."""

    @wraps(function)
    def verb(*args: Any, as_json: bool, quiet: bool, verbose: bool, strict: bool, **options: Any) -> Any:
        return function(*args, out=Output(as_json, quiet, verbose, strict), **options)

    for option in (
        click.option("--strict", is_flag=True, help="Exit 1 where a check failed or something fell short."),
        click.option("--verbose", is_flag=True, help="Say on stderr what is being done."),
        click.option("--quiet", is_flag=True, help="Only the answer, in as few words as it has."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    ):
        verb = option(verb)
    return verb


settings_option = click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a key of the study file (repeatable)."
)

store_option = click.option(
    "--store", "folder", metavar="DIR", help="The store (default: $ABNORMAL_STORE, else the user's data folder)."
)


def _drawable(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.lower().endswith((".svg", ".pdf", ".png")):
        raise click.BadParameter(f"{value!r} given; a figure ends in .svg, .pdf or .png", context, option)
    return value


figure_option = click.option(
    "--figure", metavar="FILE", callback=_drawable, help="Also draw it: a file that ends in .svg, .pdf or .png."
)


def load_studies(names: Sequence[str], settings: Sequence[str] = (), one: bool = False) -> list[Study]:
    """Studies by name or path, with the keys --set changes; all are read before anything runs.

    `one`: several are a usage error (a figure shows one study).
    """
    from ..inputs.studyfile import load_study, with_settings

    if not names:
        raise click.UsageError("give a STUDY; `abnormal run --list` shows the bundled ones")
    if one and len(names) > 1:
        raise click.UsageError(f"--figure draws one study, {len(names)} given")
    studies = [load_study(name) for name in names]
    return [with_settings(study, settings) for study in studies] if settings else studies


def draw_figure(out: Output, name: str, settings: Sequence[str], plot: str, frame: Any, target: str) -> None:
    """Write a figure of a study's specification curve or power table, in the format the file name asks for."""
    from pathlib import Path

    from ..present.save import write_bytes
    from ..present.theme import figure_bytes
    from ..study import run

    path = Path(target)
    with out.progress() as progress:
        result = run(load_studies([name], settings)[0], progress=progress)
    axis = getattr(result.plot, plot)(frame=frame)
    write_bytes(path, figure_bytes(axis.get_figure(root=True), path.suffix.lstrip(".").lower()))
    out.note(f"written: {path}")


@dataclass(frozen=True, slots=True)
class Output:
    """Where a verb's words go: answers to stdout, everything else to stderr."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    strict: bool = False

    # ---------------------------------------------------------------------------------------- stdout

    def document(self, content: Mapping[str, Any]) -> None:
        """One JSON document, `schema_version` first."""
        whole = {"schema_version": SCHEMA_VERSION} | dict(content)
        readable = _can_write("智", sys.stdout)
        click.echo(json.dumps(whole, ensure_ascii=not readable, allow_nan=False, indent=2))

    def text(self, text: str) -> None:
        """Plain text; signs the terminal cannot show become question marks."""
        if not text.isascii() and not _can_write(text, sys.stdout):
            encoding = sys.stdout.encoding or "ascii"
            text = text.encode(encoding, "replace").decode(encoding)
        click.echo(text, color=colour_wanted(sys.stdout))

    def table(self, table: Table) -> None:
        """A table: by rich on a terminal; elsewhere as aligned text with nothing cut off."""
        from ..present.tables import format_table, rich_table

        if not colour_wanted(sys.stdout):
            room = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED
            self.text(format_table(table, width=room))
            return
        from rich.console import Console

        Console().print(rich_table(table))
        for note in table.notes:
            self.text(note)

    # ---------------------------------------------------------------------------------------- stderr

    def note(self, text: str) -> None:
        """Something worth knowing beside the answer."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """What is being done, with --verbose."""
        if self.verbose and not self.quiet:
            click.echo(text, err=True)

    def warning(self, text: str) -> None:
        """One line of warning; --quiet hushes it."""
        if not self.quiet:
            say("warning:", text, "yellow")

    def exit_code(self, shortfalls: list[str]) -> int:
        """1 where --strict was asked for and something fell short, said on stderr."""
        if not (self.strict and shortfalls):
            return DONE
        say("warning:", f"--strict: {'; '.join(shortfalls)}", "yellow")
        return FELL_SHORT

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A function told of every step: a bar on a terminal after a second, a line a stage with --verbose elsewhere."""
        if self.quiet or not (self.verbose or sys.stderr.isatty()):
            yield _silent
        elif colour_wanted(sys.stderr):
            with _Bar() as bar:
                yield bar.step
        else:
            yield _Lines(self).step if self.verbose else _silent


def _can_write(text: str, stream: Any) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _silent(what: str, done: int, total: int) -> None:
    """Nobody is watching."""


class _Lines:
    """One plain line for each stage: stages are told apart by their first word."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._stage = ""

    def step(self, what: str, done: int, total: int) -> None:
        stage = what.partition(" ")[0]
        if stage and stage != self._stage:
            self._stage = stage
            self._out.detail(f"{stage}: {total} steps" if " " in what else f"{what} ({done + 1} of {total})")


class _Bar:
    """A rich progress bar on stderr that appears once the work takes longer than a moment."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, what: str, done: int, total: int) -> None:
        if self._bar is None and time.monotonic() - self._begun < PATIENCE:
            return
        if self._bar is None:
            self._start()
        self._bar.update(self._task, description=what, completed=done, total=total)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("")
        self._bar.start()
