"""A result on disk: `result.json`, `manifest.json`, `tables/*.csv`, `figures/*.svg`.

The same result gives the same bytes. Every file appears whole or not at all: it is written under a temporary name beside
its place and moved there.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..result import FRAMES, StudyResult, plain

if TYPE_CHECKING:
    from .tables import Table


def save_result(result: StudyResult, folder: str | Path, figures: bool = True) -> Path:
    """Write a result into a folder (made where it does not exist) and give the folder back.

    Parameters
    ----------
    result : StudyResult
    folder : path
    figures : bool
        Also draw the figures the result has numbers for.

    Raises
    ------
    RequestError
        The folder cannot be written.

    Examples
    --------
    >>> import tempfile, abnormal as ab
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = save_result(ab.run("anthropic_export_order"), folder, figures=False)
    ...     ab.load_result(written).verdict.row
    'selected'
    """
    from .tables import frame_table

    where = Path(folder)
    write_text(where / "result.json", result.to_json(indent=1) + "\n")
    write_text(where / "manifest.json", json.dumps(plain(dict(result.manifest)), ensure_ascii=False, indent=1) + "\n")
    for name in FRAMES:
        write_csv(where / "tables" / f"{name}.csv", frame_table(getattr(result, name)))
    if figures:
        _write_figures(result, where / "figures")
    return where


def write_csv(path: Path, table: Table) -> Path:
    """A table as CSV in full precision."""
    from .tables import format_table

    return write_text(path, format_table(table, "csv"))


def write_text(path: Path, text: str) -> Path:
    """Text as UTF-8 with LF line ends, whole or not at all."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; its folder is made where it does not exist.

    Raises
    ------
    RequestError
        It cannot be written there (exit code 2 on the command line).
    """
    target = path.expanduser()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, content)
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
    return path


def _replace(target: Path, content: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------ figures

# Those that need no run of their own (a specification curve or a power study has its own verb).
FIGURES = ("car", "ar", "price", "jump", "placebo", "timeline", "fit", "scatter", "intraday", "forest")


def _write_figures(result: StudyResult, folder: Path) -> None:
    """Every figure the result has numbers for, as SVG; one of an older run that no longer applies goes."""
    for name in FIGURES:
        svg = _svg(result, name)
        if svg is None:
            (folder / f"{name}.svg").unlink(missing_ok=True)
        else:
            write_bytes(folder / f"{name}.svg", svg)


def _svg(result: StudyResult, name: str) -> bytes | None:
    """The figure; None where the result has no numbers for it."""
    from .theme import figure_bytes

    draw = getattr(result.plot, name, None)
    if draw is None:
        return None
    try:
        figure = draw().get_figure(root=True)
    except RequestError:
        return None
    return figure_bytes(figure, "svg")
