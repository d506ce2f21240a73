"""How a number, a date or a row of words looks: the one place where that is decided.

Plain text only: no colour, no clock, no terminal. Values keep full precision in frames, JSON and CSV; what is rounded
here is what people read.
"""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Literal

NONE = "n/a"
WIDTH = 100
NARROWEST = 12  # a column of words is not cut below this

Align = Literal["left", "right"]


# ------------------------------------------------------------------------------------------------ numbers


def is_number(value: Any) -> bool:
    """Whether there is a finite number to show."""
    if value is None or isinstance(value, str):
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def percent(value: Any, digits: int = 1, sign: bool = True) -> str:
    """A decimal return as a percentage.

    Examples
    --------
    >>> percent(0.3281), percent(-0.021, 2), percent(0.33, sign=False), percent(float("nan"))
    ('+32.8%', '-2.10%', '33.0%', 'n/a')
    """
    if not is_number(value):
        return NONE
    hundredfold = round(100 * float(value), digits) + 0.0  # adding 0.0 makes -0.0 an ordinary zero
    return f"{hundredfold:+.{digits}f}%" if sign else f"{hundredfold:.{digits}f}%"


def p_value(value: Any) -> str:
    """A p-value with three significant digits; below 0.001 only that (frames and JSON keep the number).

    Examples
    --------
    >>> p_value(0.5), p_value(0.01234), p_value(3e-7), p_value(None)
    ('0.500', '0.0123', '<0.001', 'n/a')
    """
    if not is_number(value):
        return NONE
    return "<0.001" if value < 0.001 else f"{float(value):#.3g}"


def p_equals(value: Any) -> str:
    """A p-value inside a sentence: ``p = 0.0123`` or ``p < 0.001``."""
    shown = p_value(value)
    return f"p < {shown[1:]}" if shown.startswith("<") else f"p = {shown}"


def number(value: Any, digits: int = 2) -> str:
    """A number with a fixed count of decimals."""
    return f"{float(value):,.{digits}f}" if is_number(value) else NONE


def count(value: Any) -> str:
    """A whole number; one that is not whole keeps a decimal."""
    if not is_number(value):
        return NONE
    return f"{int(value):,d}" if float(value) == int(value) else f"{float(value):,.1f}"


def money(value: Any) -> str:
    """An amount in millions or billions."""
    if not is_number(value):
        return NONE
    size = abs(float(value))
    unit, word = (1e9, "bn") if size >= 1e9 else (1e6, "m") if size >= 1e6 else (1.0, "")
    return f"{float(value) / unit:+,.1f}{word}"


def interval(low: Any, high: Any, digits: int = 1) -> str:
    """``[+8.6%, +55.1%]``; an unbounded end is said so.

    Examples
    --------
    >>> interval(0.086, 0.551), interval(float("-inf"), 0.1)
    ('[+8.6%, +55.1%]', '[unbounded, +10.0%]')
    """
    ends = [_end(v, digits) for v in (low, high)]
    return NONE if ends == [NONE, NONE] else f"[{ends[0]}, {ends[1]}]"


def _end(value: Any, digits: int) -> str:
    unbounded = value is not None and not isinstance(value, str) and math.isinf(value)
    return "unbounded" if unbounded else percent(value, digits)


def window(start: Any, end: Any) -> str:
    """``(0, 1)``"""
    return f"({int(start)}, {int(end)})"


def day(value: Any) -> str:
    """The date part of a date, timestamp or ISO text; "" where there is none."""
    text = "" if value is None else str(value)
    return "" if text in ("NaT", "nan", "None") else text[:10]


def said(value: Any) -> str:
    """A word or sentence as text; "" where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)


# ------------------------------------------------------------------------------------------------ words


def listed(items: Sequence[str], most: int = 8) -> str:
    """``a, b and c``; of very many the first ones and how many more.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(list("abcdef"), most=3)
    ('a, b and c', 'a, b, c and 3 more')
    """
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def plural(n: int, one: str, many: str = "") -> str:
    """``1 pair``, ``3 pairs``"""
    return f"{n:,d} {one if n == 1 else many or one + 's'}"


# ------------------------------------------------------------------------------------------------ widths and lines


def display_width(text: str) -> int:
    """Columns a text takes on a terminal: Chinese characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cell(c) for c in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int, align: Align = "left") -> str:
    """The text filled with spaces to a width in columns."""
    room = " " * max(width - display_width(text), 0)
    return room + text if align == "right" else text + room


def clip(text: str, width: int) -> str:
    """The text cut to a width in columns, with an ellipsis where something is left out."""
    if display_width(text) <= width:
        return text
    kept = ""
    for character in text:
        if display_width(kept) + _cell(character) > width - 1:
            break
        kept += character
    return kept.rstrip() + "…"


_GLUE = "\x1f"  # keeps "p = 0.05" on one line; a control character that no printed text contains


def wrap(text: str, width: int = WIDTH, indent: int = 0) -> list[str]:
    """Lines of at most `width` columns; those after the first are indented, and ``p = 0.05`` is never broken."""
    glued = re.sub(r"(?<=\S) ([=<]) (?=\S)", rf"{_GLUE}\1{_GLUE}", text)
    return [line.replace(_GLUE, " ") for line in _wrapped(glued, width, indent)]


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    if text.isascii():
        return textwrap.wrap(
            text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
    lines, line = [], ""
    for word in _breakable(text):
        if line.strip() and display_width(line) + display_width(word.rstrip()) > width:
            lines.append(line.rstrip())
            line = " " * indent
        line += word
    return [*lines, line.rstrip()] if line.strip() else lines


def shortened(lines: list[str], most: int, width: int = WIDTH) -> list[str]:
    """The first lines of a wrapped text, with an ellipsis where something is left out; 0 keeps all."""
    if not most or len(lines) <= most:
        return lines
    return [*lines[: most - 1], clip(lines[most - 1] + " " + lines[most].strip(), width)]


def _breakable(text: str) -> list[str]:
    """Words with the space after them; a wide character may be followed by a line end."""
    parts, word = [], ""
    for character in text:
        word += character
        if character == " " or _cell(character) == 2:
            parts.append(word)
            word = ""
    return [*parts, word] if word else parts


def columns(
    rows: Iterable[Sequence[str]], aligns: Sequence[Align], gap: int = 2, widths: Sequence[int] = ()
) -> list[str]:
    """Rows of cells as aligned lines; a column is as wide as its widest cell (or as `widths` says)."""
    cells = [list(row) for row in rows]
    if not cells:
        return []
    wide = list(widths) or [max(display_width(row[j]) for row in cells) for j in range(len(aligns))]
    lines = []
    for row in cells:
        filled = [pad(clip(cell, w), w, a) for cell, w, a in zip(row, wide, aligns)]
        lines.append((" " * gap).join(filled).rstrip())
    return lines


def fitted(rows: Sequence[Sequence[str]], room: int, gap: int = 2) -> list[int]:
    """Column widths that keep rows within `room` columns: the widest columns give way first."""
    wide = [max(display_width(row[j]) for row in rows) for j in range(len(rows[0]))]
    while sum(wide) + gap * (len(wide) - 1) > room and max(wide) > NARROWEST:
        wide[wide.index(max(wide))] -= 1
    return wide
