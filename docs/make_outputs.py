"""Runs the examples of the pages and puts what they print beside them: `python docs/make_outputs.py [PAGE...]`.

What a page may hold, each page in an empty folder of its own, from top to bottom:

- a fenced block with ``title="name"`` is a file: it is written before the blocks below it run
- a ``python`` block runs, unless ``<!-- not run: why -->`` stands above it; names live on through the page
- a block under ``<!-- output -->`` holds what the ``python`` block before it printed
- a ``console`` block under ``<!-- run -->`` holds commands (``$ abnormal ...``) and what they print; ``<!-- run first=8 -->``
  keeps the first lines, ``<!-- run exit=2 -->`` is a command that fails so. Other ``console`` blocks are only parsed.

`tests/test_docs.py` holds the pages to it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
FOLDERS = ("tutorial", "how-to", "why", "reference")
SHOWN_FOLDER = "/home/you/study"  # in the place of the folder an example ran in
SETTINGS = {"COLUMNS": "100", "NO_COLOR": "1", "MPLBACKEND": "Agg"}
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block: the mark above it, its language, the file it is, its text and where that text stands."""

    mark: str
    language: str
    title: str
    body: str
    start: int
    end: int

    @property
    def runs(self) -> bool:
        """Whether running the page runs this block."""
        if self.language == "python":
            return not self.title and not self.mark.startswith("not run")
        return self.language == "console" and self.mark.startswith("run")

    @property
    def settings(self) -> dict[str, int]:
        """Numbers in the mark, as first=8 and exit=2."""
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.mark)}

    @property
    def commands(self) -> list[str]:
        """The lines after `$ `, continued lines joined."""
        text = self.body.replace("\\\n", " ")
        return [line[2:].strip() for line in text.splitlines() if line.startswith("$ ")]


def pages() -> list[Path]:
    """Every page with examples, in order."""
    found = [DOCS / "index.md", *(p for f in FOLDERS for p in sorted((DOCS / f).glob("*.md")))]
    return [p for p in found if p.exists()]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for m in FENCE.finditer(text):
        info = m["info"].strip()
        title = re.search(r'title="([^"]+)"', info)
        yield Block(
            m["mark"] or "", info.split(" ")[0] if info else "", title[1] if title else "", m["body"],
            m.start("body"), m.end("body"),
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ running a page


def run_page(text: str, folder: Path) -> str:
    """The page with the outputs its examples have now; `folder` is empty and becomes the working folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed, said, kept = "", list[str](), 0
    with _inside(folder):
        for block in blocks(text):
            new = block.body
            if block.title:
                (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.title).write_text(block.body, encoding="utf-8")
            elif block.mark == "output":
                new = printed
            elif block.runs and block.language == "python":
                printed = _python(block.body, names)
            elif block.runs:
                new = _console(block)
            said += [text[kept : block.start], new]
            kept = block.end
    return "".join(said).replace(str(folder), SHOWN_FOLDER) + text[kept:]


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Working folder and environment of the examples; both are put back."""
    before, place = dict(os.environ), Path.cwd()
    os.environ |= SETTINGS | {"ABNORMAL_STORE": str(folder / "store")}
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(place)
        os.environ.clear()
        os.environ |= before


def _python(code: str, names: dict[str, Any]) -> str:
    """What the code prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<example>", "exec"), names)
    return _tidy(out.getvalue())


def _console(block: Block) -> str:
    """The commands of a block, each with what it prints."""
    first, wanted = block.settings.get("first", 0), block.settings.get("exit", 0)
    lines = block.body.replace("\\\n", "\\\0").splitlines()
    out = []
    for shown in (line for line in lines if line.startswith("$ ")):
        code, text = _call(shown[2:].replace("\\\0", " "))
        if code != wanted:
            raise RuntimeError(f"{shown}: exit code {code}, expected {wanted}\n{text}")
        said = text.splitlines(keepends=True)
        out += [shown.replace("\\\0", "\\\n") + "\n", *said[: first or None]]
        if first and len(said) > first:
            out.append("...\n")
    return "".join(out)


def _call(command: str) -> tuple[int, str]:
    """Exit code of an `abnormal ...` command and what it prints (on stderr only where it fails)."""
    words = shlex.split(command)
    settings = dict(w.split("=", 1) for w in words if re.fullmatch(r"[A-Z_]+=.*", w))
    words = words[len(settings) :]
    if words[0] != "abnormal":
        raise RuntimeError(f"not a command of ours: {command}")
    if settings:  # a setting is read at the start of a process
        made = [sys.executable, "-m", "abnormal", *words[1:]]
        done = subprocess.run(made, capture_output=True, text=True, env=os.environ | settings, timeout=120)
        return done.returncode, _tidy(done.stdout if done.returncode == 0 else done.stderr)
    from click.testing import CliRunner

    from abnormal.verbs.group import group

    done = CliRunner().invoke(group, words[1:])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, _tidy(done.stdout if done.exit_code == 0 else done.output)


def _tidy(text: str) -> str:
    """No blanks at line ends, no empty lines at the end, one newline."""
    lines = [line.rstrip() for line in text.rstrip().splitlines()]
    return "".join(f"{line}\n" for line in lines)


def refreshed(path: Path) -> str:
    """The page as running it now would make it."""
    with tempfile.TemporaryDirectory() as folder:
        return run_page(path.read_text(encoding="utf-8"), Path(folder).resolve())


def main() -> None:
    named = [Path(p).resolve() for p in sys.argv[1:]]
    for path in named or pages():
        text = refreshed(path)
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")
            print(f"changed: {path.relative_to(DOCS)}")


if __name__ == "__main__":
    main()
