"""Dates and numbers as people write them: accepted where only one reading is possible, and said; else an error.

Every function works on whole columns. `fail(row, what)` is given by the reader of the file and raises `BadData` with
the file and line of that row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np

from ...domain import DateArray, FloatArray

Fail = Callable[[int, str], NoReturn]
Decimal = Literal[".", ","]

MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "none", "-", "--", ".", "n/a")

_TIME = r"(?:[T ]+(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)? ?(?P<ap>[AaPp][Mm])?)?"
_ZONE = r" ?(?P<z>Z|UTC|[+-]\d{2}:?\d{2})?"
_STYLES = {
    "iso": rf"^(?P<y>\d{{4}})-(?P<m>\d{{1,2}})-(?P<d>\d{{1,2}}){_TIME}{_ZONE}$",
    "year first": rf"^(?P<y>\d{{4}})[/.](?P<m>\d{{1,2}})[/.](?P<d>\d{{1,2}}){_TIME}{_ZONE}$",
    "compact": rf"^(?P<y>(?:19|20)\d{{2}})(?P<m>\d{{2}})(?P<d>\d{{2}}){_TIME}{_ZONE}$",
    "year last": rf"^(?P<a>\d{{1,2}})(?P<sep>[/.-])(?P<b>\d{{1,2}})[/.-](?P<y>\d{{4}}){_TIME}{_ZONE}$",
    "excel": r"^(?P<serial>[2-7]\d{4}(?:\.\d+)?)$",
    "epoch": r"^(?P<epoch>\d{10}|\d{13})(?:\.0)?$",
    "named": r"^(?P<text>[A-Za-z]{3,9} \d{1,2},? \d{4}|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4})$",
}
_NAMED_FORMATS = ("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d %b %Y", "%d-%B-%Y", "%d %B %Y")


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """Times as written: `wall` (T,) datetime64[ns], the clock of the file; `offset` (T,) minutes east of UTC or NaN."""

    wall: DateArray
    offset: FloatArray
    notes: tuple[str, ...] = ()

    @property
    def zoned(self) -> bool:
        return not bool(np.isnan(self.offset).any())

    @property
    def utc(self) -> DateArray:
        """The same moments in UTC; only for zoned stamps."""
        return self.wall - (self.offset * 60e9).astype("timedelta64[ns]")

    @property
    def midnight(self) -> bool:
        return bool((self.wall == self.wall.astype("datetime64[D]")).all())

    def take(self, codes: Any) -> Stamps:
        return Stamps(self.wall[codes], self.offset[codes], self.notes)


def stamps_from_text(text: Any, fail: Fail) -> Stamps:
    """Dates or times in a (T,) arrow array of strings, all written in the style of the first.

    ISO, 2026/6/12, 20260612, 12-Jun-2026, Excel serial numbers and epoch seconds are understood; 13/08/2026 and
    08/13/2026 where the column itself shows which part is the month.
    """
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pc.fill_null(text, ""))
    if len(text) == 0:
        return Stamps(np.empty(0, "datetime64[ns]"), np.empty(0))
    plain = _iso_days(text)
    if plain is not None:
        return Stamps(plain, np.full(len(plain), np.nan))
    style = _style_of(text[0].as_py(), fail)
    parts = pc.extract_regex(text, _STYLES[style])
    strange = np.asarray(pc.is_null(parts))
    if strange.any():
        i = int(np.argmax(strange))
        _fail_strange(i, text[i].as_py(), text[0].as_py(), fail)
    columns: dict[str, Any] = {
        parts.type[k].name: pc.struct_field(parts, k).to_numpy(zero_copy_only=False)
        for k in range(parts.type.num_fields)
    }
    if style == "excel":
        return _excel_stamps(columns["serial"].astype(float))
    if style == "epoch":
        return _epoch_stamps(columns["epoch"].astype(np.int64))
    if style == "named":
        return _named_stamps(columns["text"], fail)
    return _calendar_stamps(columns, text, fail)


def _iso_days(text: Any) -> DateArray | None:
    """The usual case, all YYYY-MM-DD, at the speed of a cast; None where it is not that (or not a date)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not bool(pc.all(pc.equal(pc.binary_length(text), 10)).as_py()):
        return None
    try:
        return pc.cast(text, pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[ns]")
    except pa.ArrowInvalid:
        return None


def _style_of(first: str, fail: Fail) -> str:
    import re

    for style, pattern in _STYLES.items():
        if re.match(pattern, first):
            return style
    fail(0, f"date {first!r} is not understood; write YYYY-MM-DD, for bars within a day 2026-06-15T09:30+08:00")


def _fail_strange(row: int, value: str, first: str, fail: Fail) -> NoReturn:
    if not value:
        fail(row, "has no date")
    fail(row, f"date {value!r} is not written like the first one, {first!r}; write every date as YYYY-MM-DD")


def _excel_stamps(serial: FloatArray) -> Stamps:
    seconds = np.round(serial * 86400.0).astype("timedelta64[s]")
    wall = (np.datetime64("1899-12-30T00:00:00") + seconds).astype("datetime64[ns]")
    note = "dates are Excel serial numbers (days since 1899-12-30)"
    return Stamps(wall, np.full(serial.size, np.nan), (note,))


def _epoch_stamps(number: Any) -> Stamps:
    milliseconds = np.where(number > 10**11, number, number * 1000)
    wall = milliseconds.astype("datetime64[ms]").astype("datetime64[ns]")
    return Stamps(wall, np.zeros(number.size), ("times are epoch seconds or milliseconds, read as UTC",))


def _named_stamps(text: Any, fail: Fail) -> Stamps:
    import pandas as pd

    series = pd.Series(text, dtype="object")
    best = None
    for layout in _NAMED_FORMATS:
        parsed = pd.to_datetime(series, format=layout, errors="coerce")
        if best is None or parsed.notna().sum() > best.notna().sum():
            best = parsed
    assert best is not None
    if best.isna().any():
        i = int(np.argmax(best.isna().to_numpy()))
        fail(i, f"date {text[i]!r} does not exist or is written in another language; write YYYY-MM-DD")
    wall = best.to_numpy().astype("datetime64[ns]")
    return Stamps(wall, np.full(wall.size, np.nan), (f"dates written like {text[0]!r} were read as days",))


def _calendar_stamps(columns: dict[str, Any], text: Any, fail: Fail) -> Stamps:
    notes: tuple[str, ...] = ()
    if "a" in columns:
        month, day, notes = _month_and_day(columns, text, fail)
    else:
        month, day = columns["m"].astype(np.int64), columns["d"].astype(np.int64)
    wall = days(columns["y"].astype(np.int64), month, day)
    if np.isnat(wall).any():
        i = int(np.argmax(np.isnat(wall)))
        fail(i, f"date {text[i].as_py()!r} does not exist; write YYYY-MM-DD")
    clock = _clock(columns, text, fail)
    return Stamps(wall.astype("datetime64[ns]") + clock, _offsets(columns["z"]), notes)


def days(year: Any, month: Any, day: Any) -> DateArray:
    """Calendar dates from integers; NaT where there is no such day."""
    good = (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + np.where(good, month, 1) - 1).astype("datetime64[M]")
    date = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    good &= date.astype("datetime64[M]") == months
    return np.where(good, date, np.datetime64("NaT"))


def _month_and_day(columns: dict[str, Any], text: Any, fail: Fail) -> tuple[Any, Any, tuple[str, ...]]:
    """Which of the two numbers is the month: shown by any number above 12, or by dots (always day.month.year)."""
    a, b = columns["a"].astype(np.int64), columns["b"].astype(np.int64)
    day_first, month_first = bool((a > 12).any()), bool((b > 12).any())
    if day_first and month_first:
        i = int(np.argmax((b > 12) if a[0] > 12 else (a > 12)))
        fail(i, f"date {text[i].as_py()!r} contradicts the order of day and month in other lines; write YYYY-MM-DD")
    if columns["sep"][0] == "." and not month_first:
        return b, a, (f"dates like {text[0].as_py()!r} were read as day.month.year",)
    if not day_first and not month_first:
        fail(0, f"date {text[0].as_py()!r} may be day/month or month/day, and no line tells which; write YYYY-MM-DD")
    witness = text[int(np.argmax(a > 12 if day_first else b > 12))].as_py()
    if day_first:
        return b, a, (f"dates were read as day/month/year, as {witness!r} shows",)
    return a, b, (f"dates were read as month/day/year, as {witness!r} shows",)


def _clock(columns: dict[str, Any], text: Any, fail: Fail) -> Any:
    """Time of day as timedelta64[ns]; zero where only a day is written."""
    written = columns["h"]
    has = (written != None) & (written != "")  # noqa: E711 - elementwise on an object array
    if not has.any():
        return np.zeros(len(written), "timedelta64[ns]")

    def whole(name: str) -> Any:
        column = columns[name]
        given = (column != None) & (column != "")  # noqa: E711
        return np.where(given, column, "0").astype(np.int64)

    hour, minute, second = whole("h"), whole("mi"), whole("s")
    half = np.char.lower(np.where(columns["ap"] == None, "", columns["ap"]).astype(str))  # noqa: E711
    hour = np.where(half == "pm", hour % 12 + 12, np.where(half == "am", hour % 12, hour))
    wrong = (hour > 23) | (minute > 59) | (second > 59)
    if wrong.any():
        i = int(np.argmax(wrong))
        fail(i, f"time {text[i].as_py()!r} does not exist")
    return ((hour * 60 + minute) * 60 + second).astype("timedelta64[s]").astype("timedelta64[ns]")


def _offsets(zone: Any) -> FloatArray:
    """Minutes east of UTC of each distinct zone text, NaN where none is written."""
    zone = np.where(zone == None, "", zone).astype(str)  # noqa: E711
    names, codes = np.unique(zone, return_inverse=True)
    return np.array([_minutes(name) for name in names])[codes]


def _minutes(zone: str) -> float:
    if not zone:
        return np.nan
    if zone in ("Z", "UTC"):
        return 0.0
    digits = zone[1:].replace(":", "")
    return (int(digits[:2]) * 60 + int(digits[2:])) * (-1.0 if zone[0] == "-" else 1.0)


# --------------------------------------------------------------------------------------------------- numbers

_SIGNS = r"(?i)(HK\$|US\$|[$€£¥'\x{00A0}\x{202F} ])"
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf)$"
_ENGLISH = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"
_CONTINENTAL = r"^[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?$"
_SHOWS_ENGLISH = r"\d,\d{3},\d{3}|,\d{3}\.|^[+-]?\d+\.(\d{1,2}|\d{4,})$"
_SHOWS_CONTINENTAL = r"\d\.\d{3}\.\d{3}|\.\d{3},|^[+-]?\d+,(\d{1,2}|\d{4,})$|^[+-]?\d{4,},\d+$|^[+-]?0,\d+$"


@dataclass(frozen=True, slots=True)
class NumberText:
    """A column of numbers as text, without signs of currency, percent or thousands letters."""

    digits: Any
    scale: Any
    notes: tuple[str, ...]


def decimal_mark(columns: dict[str, NumberText], delimiter: str, fail: Fail) -> Decimal:
    """The decimal mark that all columns of one file share, by what they show."""
    english = continental = doubtful = None
    for name, column in columns.items():
        english = english or _witness(column.digits, _SHOWS_ENGLISH, name)
        continental = continental or _witness(column.digits, _SHOWS_CONTINENTAL, name)
        doubtful = doubtful or _witness(column.digits, r"^[+-]?\d{1,3},\d{3}$", name)
    if english and continental:
        row, name, value = continental
        fail(row, f"{name} {value!r} has a decimal comma where {english[1]} has {english[2]!r}; use one kind of number")
    if continental:
        return ","
    if doubtful and not english and delimiter != ",":
        row, name, value = doubtful
        shown = value.replace(",", ".")
        fail(row, f"{name} {value!r} may be {shown} or {value.replace(',', '')}; write numbers with a decimal point")
    return "."


def _witness(text: Any, pattern: str, name: str) -> tuple[int, str, str] | None:
    import pyarrow.compute as pc

    hit = pc.index(pc.fill_null(pc.match_substring_regex(text, pattern), False), True).as_py()
    return None if hit < 0 else (hit, name, text[hit].as_py())


def number_text(text: Any, name: str) -> NumberText:
    """Strip what may stand around a number: currency signs, blanks, percent (returns only), K/M/B (volume only)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(text)
    text = pc.if_else(pc.is_in(text, value_set=pa.array(MISSING)), pa.scalar(None, text.type), text)
    notes: list[str] = []
    stripped = pc.replace_substring_regex(text, _SIGNS, "")
    if bool(pc.any(pc.not_equal(stripped, text)).as_py()):
        notes.append(f"{name}: currency signs or blanks in numbers were left out")
    scale = np.ones(len(text))
    if name == "ret":
        stripped, scale = _scaled(stripped, scale, {"%": 0.01}, notes, f"{name}: percent was divided by 100")
    if name == "volume":
        letters = {"K": 1e3, "M": 1e6, "B": 1e9, "k": 1e3, "m": 1e6}
        said = f"{name}: K, M, B were read as thousands, millions, billions"
        stripped, scale = _scaled(stripped, scale, letters, notes, said)
    return NumberText(stripped, scale, tuple(notes))


def _scaled(
    text: Any, scale: FloatArray, endings: dict[str, float], notes: list[str], note: str
) -> tuple[Any, FloatArray]:
    import pyarrow.compute as pc

    for ending, factor in endings.items():
        mask = np.asarray(pc.fill_null(pc.ends_with(text, ending), False))
        if mask.any():
            scale = np.where(mask, factor, scale)
            text = pc.if_else(mask, pc.utf8_slice_codeunits(text, 0, -1), text)
            if note not in notes:
                notes.append(note)
    return text, scale


def numbers_from_text(
    column: NumberText, name: str, decimal: Decimal, fail: Fail
) -> tuple[FloatArray, tuple[str, ...]]:
    """(T,) floats, NaN where the text says "none"; anything else that is not a number is an error."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text, notes = column.digits, list(column.notes)
    if decimal == ",":
        good = pc.match_substring_regex(text, _CONTINENTAL)
        if bool(pc.any(pc.match_substring(text, ",")).as_py()):
            notes.append(f"{name}: decimal commas")
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    else:
        grouped = pc.match_substring_regex(text, _ENGLISH)
        good = pc.or_(pc.match_substring_regex(text, _PLAIN), grouped)
        if bool(pc.any(grouped).as_py()):
            notes.append(f"{name}: commas are thousands separators")
            text = pc.replace_substring(text, ",", "")
    bad = np.asarray(pc.invert(pc.fill_null(good, True)))
    if bad.any():
        i = int(np.argmax(bad))
        fail(i, f"{name} {column.digits[i].as_py()!r} is not a number")
    values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=float) * column.scale, tuple(notes)
