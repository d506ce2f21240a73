"""The blocks a chapter is made of: plain values that the template knows how to set."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import RequestError
from ...result import StudyResult
from .. import theme
from ..console import display_width, listed
from ..tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Block = dict[str, Any]
WHOLE = 24  # rows of a table that stays on one page
ONE_LINE = 22  # characters of a cell that need no second line
ROWS_SHOWN = 40  # rows of a table in the report; the files hold them all
_MINUS = re.compile(r"(?<![\w.\-])-(?=[\d.]*\d)")
_LONG = re.compile("[^\\s\u200b]{19,}")
_BREAKS = re.compile("([-_./=&?+,:;@])(?=[^\\s\u200b])")


@dataclass(slots=True)
class Pages:
    """What a report is made of while it is written: the result, answers handed over beside it, figures drawn so far (SVG)."""

    result: StudyResult
    extras: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    def draw(self, name: str, plot: Callable[..., Axes], height: float = 0.0, **options: Any) -> bool:
        """Draw a figure without title under an id; False where the result has no numbers for it.

        height: inches of a figure of one axis; 0 leaves the size to the figure.
        """
        try:
            if height:
                with theme.styled():
                    options["ax"] = theme.new_axis(height=height, top=theme.UNTITLED)
            axis = plot(title="", **options)
        except RequestError:
            return False
        figure = axis.get_figure(root=True)
        assert figure is not None
        self.figures[name] = theme.figure_bytes(figure, "svg").decode("utf-8")
        return True


@dataclass(frozen=True, slots=True)
class Chapter:
    """A title with its blocks; one without blocks is left out."""

    title: str
    blocks: tuple[Block, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "blocks": list(self.blocks)}


def chapter(title: str, *blocks: Block | Sequence[Block | None] | None) -> Chapter:
    """A chapter of the blocks that are there."""
    flat: list[Block] = []
    for block in blocks:
        many = [block] if block is None or isinstance(block, dict) else block
        flat += [b for b in many if b is not None]
    return Chapter(title, tuple(flat))


# ------------------------------------------------------------------------------------------------ blocks


def para(text: str) -> Block | None:
    """A paragraph; none where there is nothing to say."""
    return {"type": "p", "text": minus(text)} if text else None


def see(text: str, *blocks: Block | None) -> Block | None:
    """A paragraph that ends by pointing to figures and tables, those that are there; `{refs}` says where else."""
    names = [f"{{@{b['id']}}}" for b in blocks if b is not None]
    if "{refs}" in text:
        return para(text.replace("{refs}", listed(names))) if names else None
    return para(f"{text} See {listed(names)}.".strip() if names else text)


def heading(text: str) -> Block:
    return {"type": "h", "text": text}


def bullets(items: Sequence[str]) -> Block | None:
    return {"type": "ul", "items": [minus(i) for i in items]} if items else None


def facts(rows: Sequence[tuple[str, str]]) -> Block | None:
    """Words at the margin with what they stand for; empty ones are left out."""
    kept = [[what, soft(minus(words))] for what, words in rows if words]
    return {"type": "facts", "rows": kept} if kept else None


def listing(rows: Sequence[tuple[str, str]]) -> Block:
    return {"type": "listing", "rows": [[k, soft(v)] for k, v in rows]}


def figure(name: str, caption: str, alt: str, width: int = 100) -> Block:
    return {"type": "figure", "id": name, "caption": minus(caption), "alt": alt, "width": width}


def formula(group: str, name: str, text: str, plain: str = "") -> Block:
    return {"type": "formula", "group": group, "id": name, "text": minus(text), "plain": plain or name}


def table(
    name: str, caption: str, made: Table, *, grow: Sequence[str] = (), tones: Sequence[str] = (), most: int = ROWS_SHOWN,
    what: str = "row", file: str = "", breaks: bool = False,
) -> Block | None:  # fmt: skip
    """A table by its id; columns named in `grow` share the width, a share of 2 as `key:2`.

    Of more than `most` rows the first are shown, and where the others are is said. A table stays on one page unless it
    `breaks` or is longer than WHOLE rows.
    """
    if not made.rows:
        return None
    made = _without_empty(made)
    left = len(made.rows) - most
    notes = list(made.notes)
    if left > 0:
        whole = file if "." in file else f"tables/{file}.csv"
        many = what if what.endswith("s") else f"{what}s"
        notes.append(f"The first {most:,d} of {len(made.rows):,d} {many}; all of them in {whole}.")
    rows = [[soft(minus(c)) for c in row] for row in made.cells()[:most]]
    shares = _shares(made, rows, {k: float(v or 1) for k, _, v in (g.partition(":") for g in grow)})
    return {
        "type": "table", "id": name, "caption": minus(caption), "heads": [minus(h) for h in made.heads],
        "align": [c.align for c in made.columns], "grow": [shares.get(c.key, 0) for c in made.columns], "rows": rows,
        "breaks": breaks or len(rows) > WHOLE, "tones": list(tones)[: len(rows)] or [""] * len(rows),
        "notes": [minus(n) for n in notes],
    }  # fmt: skip


def _shares(made: Table, rows: Sequence[Sequence[str]], wanted: dict[str, float]) -> dict[str, float]:
    """Shares of the width: those wanted, and of columns whose words are too long to stand on one line."""
    out = dict(wanted)
    for j, column in enumerate(made.columns):
        longest = max(display_width(row[j]) for row in rows)
        if column.align == "left" and longest > ONE_LINE:
            out[column.key] = max(out.get(column.key, 0.0), min(longest / ONE_LINE, 2.0))
    return out


def _without_empty(made: Table) -> Table:
    """The table without columns that say nothing in any row."""
    kept = [j for j in range(len(made.columns)) if any(row[j] not in ("", None) for row in made.rows)]
    columns, rows = tuple(made.columns[j] for j in kept), tuple(tuple(row[j] for j in kept) for row in made.rows)
    return Table(made.title, columns, rows, made.notes)


# ------------------------------------------------------------------------------------------------ words


def minus(text: str) -> str:
    """A minus sign before a number; hyphens in words, dates and names stay.

    Examples
    --------
    >>> minus("-2.1% on 2026-06-15 for us-order at (-5, 5), GLM-5.2")
    '−2.1% on 2026-06-15 for us-order at (−5, 5), GLM-5.2'
    """
    return _MINUS.sub("−", text)


def soft(text: str) -> str:
    """Places where a long name or address may be broken: after its own marks, and inside very long runs."""

    def opened(found: re.Match[str]) -> str:
        pieces = _BREAKS.sub("\\1\u200b", found[0])
        return re.sub("[^\u200b]{24}(?=[^\u200b])", "\\g<0>\u200b", pieces)

    return _LONG.sub(opened, text)
