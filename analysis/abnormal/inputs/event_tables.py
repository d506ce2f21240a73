"""Event records in tables: CSV, Parquet and DataFrames, one row a pair (event, ticker).

A table needs `ticker` and a day (`date`, or `at` with its UTC offset). Other fields of an event may follow; any further
column is a characteristic of the pair. What can be read in one way only is read and said; the rest is refused.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..domain import Event, Link
from ..errors import EventError, did_you_mean
from .event_fields import FRAME, LISTS, READERS, TICKER_FIELDS, Cell, RawEvent, Report

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 100_000_000

# What tables call our fields.
_ALIASES = {
    "id": "event_id", "symbol": "ticker", "event_date": "date", "tz": "timezone", "time_zone": "timezone",
    "source": "sources", "announced_at": "at", "timestamp": "at", "datetime": "at", "direction": "sign",
}  # fmt: skip
_KNOWN = ("event_id", *TICKER_FIELDS, *READERS, *LISTS)
# A row in a table is its author's own statement: quoted, unless a column says otherwise.
_DEFAULTS: Mapping[str, Any] = MappingProxyType({"status": "quoted"})
_NONE: Mapping[str, Any] = MappingProxyType({})
_MISSING = frozenset({"", "nan", "NaN", "NA", "N/A", "NaT", "None", "null", "<NA>"})


@dataclass(slots=True)
class Table:
    """Columns by name, the line (or row) each entry stands on, and what had to be decided to read them."""

    columns: dict[str, list[Any]]
    lines: list[int]
    decimal_comma: bool = False
    said: list[str] = field(default_factory=list)


# ----------------------------------------------------------------------------------------------------- table -> records


def table_records(table: Table, report: Report) -> tuple[list[RawEvent], dict[tuple[str, str], dict[str, Any]]]:
    """Records in order of first appearance, and the further columns by (event id, ticker)."""
    _check_header(table, report)
    if report.errors:
        return [], {}
    _settle_dates(table, report)
    further = [name for name in table.columns if name not in _KNOWN]
    numbers = {name: _characteristic(name, table, report) for name in further}
    ids = _ids(table)
    records: dict[str, RawEvent] = {}
    extras: dict[tuple[str, str], dict[str, Any]] = {}
    for i, event_id in enumerate(ids):
        raw = records.get(event_id)
        if raw is None:
            raw = records[event_id] = RawEvent(event_id, table.lines[i], defaults=_DEFAULTS)
        _add_row(raw, table, i, report)
        if further:
            extras[event_id, _text(table.columns["ticker"][i])] = {name: numbers[name][i] for name in further}
    return list(records.values()), extras


def plain_events(table: Table) -> list[Event] | None:
    """Events of a clean table of tickers and days, one row an event, straight from its columns; None if it is not.

    Long lists (simulated dates, placebo draws) are of this form, and each row then costs a few microseconds.
    """
    if not {"ticker", "date"} <= set(table.columns) <= {"event_id", "ticker", "date"}:
        return None
    tickers, days = table.columns["ticker"], table.columns["date"]
    if not all(type(day) is dt.date for day in days) or not all(type(t) is str and t == t.strip() for t in tickers):
        return None
    ids = _ids(table)
    if len(set(ids)) < len(ids):
        return None
    links = {ticker: (Link(ticker),) for ticker in set(tickers)}
    return [
        Event(id=name, date=day, tickers=links[ticker], attributes=_NONE, **_DEFAULTS)
        for name, day, ticker in zip(ids, days, tickers, strict=True)
    ]


def _check_header(table: Table, report: Report) -> None:
    names = list(table.columns)
    first = table.lines[0] if table.lines and report.file == FRAME else 1
    for name, told in _missing_columns(names):
        report.add(first, "", name, told)
    for name in names:
        near = "" if name in _KNOWN or len(name) < 6 else did_you_mean(name, _KNOWN)
        if near and _close(name):
            told = f"is kept as a characteristic of the pair{near}"
            report.add(first, "", name, told, "warning")


def _missing_columns(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The columns a table of events cannot do without, and what to say of each."""
    if "ticker" not in names:
        yield "ticker", f"is not among the columns{_nearest_column('ticker', names)}"
    if "date" not in names and "at" not in names:
        yield "date", f"is not among the columns, nor is `at`{_nearest_column('date', names)}"


def _nearest_column(name: str, names: Sequence[str]) -> str:
    found = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{did_you_mean(name, names)}; found: {found or 'none'}"


def _close(name: str) -> bool:
    from difflib import get_close_matches

    return bool(get_close_matches(name, _KNOWN, n=1, cutoff=0.85))


def _add_row(raw: RawEvent, table: Table, i: int, report: Report) -> None:
    line = table.lines[i]
    pair: dict[str, Cell] = {}
    for name, values in table.columns.items():
        value = values[i]
        if value is None or name not in _KNOWN or name == "event_id":
            continue
        if name in TICKER_FIELDS:
            pair[name] = Cell(_text(value) if name == "ticker" else value, line)
        elif name in LISTS:
            raw.lists.setdefault(name, []).extend(_new_items(raw, name, value, line))
        else:
            _agree(raw, name, Cell(value, line), report)
    pair.setdefault("ticker", Cell("", line))
    raw.tickers.append(pair)


def _agree(raw: RawEvent, name: str, cell: Cell, report: Report) -> None:
    known = raw.fields.setdefault(name, cell)
    if known is not cell and known.value != cell.value:
        told = f"{cell.value} differs from {known.value} on line {known.line} of the same event; give each its own event_id"
        report.add(cell.line, raw.id, name, told)


def _new_items(raw: RawEvent, name: str, value: Any, line: int) -> Iterator[Cell]:
    """Entries of a list column, separated by `;` or `|`, that the event does not have yet."""
    have = {cell.value for cell in raw.lists.get(name, ())}
    for item in re.split(r"\s*[;|]\s*", _text(value)):
        if item and item not in have:
            have.add(item)
            yield Cell(item, line)


def _ids(table: Table) -> list[str]:
    """The ids given; a row without one is an event of its own, named after its ticker and day."""
    count = len(table.lines)
    given = table.columns.get("event_id") or [None] * count
    if None not in given:
        return [_text(value) for value in given]
    tickers, days = table.columns["ticker"], table.columns.get("date") or [None] * count
    stamps = table.columns.get("at") or [None] * count
    taken = {_text(value) for value in given if value is not None}
    ids = []
    for value, ticker, day, stamp in zip(given, tickers, days, stamps, strict=True):
        if value is None:
            value = _unused(f"{_text(ticker)}-{_text(stamp if day is None else day)[:10]}", taken)
        ids.append(_text(value))
    return ids


def _unused(name: str, taken: set[str]) -> str:
    candidate, n = name, 1
    while candidate in taken:
        n += 1
        candidate = f"{name}-{n}"
    taken.add(candidate)
    return candidate


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


# ------------------------------------------------------------------------------------------------------------- dates

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_COMPACT = re.compile(r"(19|20)\d{6}")
_SERIAL = re.compile(r"(\d{5})(?:\.0+)?")
_NAMED = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d-%B-%Y")
_EXCEL_DAY_ZERO = dt.date(1899, 12, 30)


def _settle_dates(table: Table, report: Report) -> None:
    """Turn the columns of days into dates, or datetimes where they hold a clock time; what stays text is unreadable."""
    for name in ("date", "date_end", "effective_date"):
        values = table.columns.get(name)
        if values is None or all(value is None or type(value) is dt.date for value in values):
            continue
        order = _day_month_order(name, values, table, report)
        table.columns[name] = [_settle(name, value, order, table) for value in values]


def _settle(name: str, value: Any, order: str, table: Table) -> Any:
    if isinstance(value, dt.datetime):
        # Midnight without a zone is how frames write a plain day.
        return value.date() if name != "date" or (value.time() == dt.time() and value.tzinfo is None) else value
    if value is None or isinstance(value, dt.date):
        return value
    text = _text(value)
    if name == "date" and re.match(r"\d{4}-\d{2}-\d{2}[T ]\d", text):
        stamp = _timestamp(text)
        return text if stamp is None else _settle(name, stamp, order, table)
    return _plain_date(text, order, table.said) or text


def _timestamp(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None  # told with its line when the record is read


def _plain_date(text: str, order: str, said: list[str]) -> dt.date | None:
    """The one day a text can mean, or None."""
    try:
        if found := _YEAR_FIRST.fullmatch(text):
            return dt.date(int(found[1]), int(found[3]), int(found[4]))
        if found := _YEAR_LAST.fullmatch(text):
            first, second = int(found[1]), int(found[3])
            month_first = order == "month" or (not order and second > 12)
            day, month = (second, first) if month_first else (first, second)
            return dt.date(int(found[4]), month, day)
        if _COMPACT.fullmatch(text):
            return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
    if (found := _SERIAL.fullmatch(text)) and 20_000 <= int(found[1]) <= 80_000:
        _say(said, "dates written as Excel serial numbers were read in the 1900 date system")
        return _EXCEL_DAY_ZERO + dt.timedelta(days=int(found[1]))
    return _named_month(text)


def _named_month(text: str) -> dt.date | None:
    words = " ".join(text.replace(",", " ").split())
    for form in _NAMED:
        try:
            return dt.datetime.strptime(words, form).date()
        except ValueError:
            continue
    return None


def _day_month_order(name: str, values: Iterable[Any], table: Table, report: Report) -> str:
    """Whether 03/04/2026 is day first or month first here: "day", "month", or "" when it does not matter.

    A component above 12 in the same column decides; without one, or with two that disagree, the line is refused.
    """
    decided: dict[str, tuple[int, str]] = {}
    open_cells: list[tuple[int, str]] = []
    for line, value in zip(table.lines, values, strict=True):
        found = _YEAR_LAST.fullmatch(_text(value)) if isinstance(value, str) else None
        if found is None or found[1] == found[3]:
            continue
        first, second = int(found[1]), int(found[3])
        if first > 12 or second > 12:
            decided.setdefault("day" if first > 12 else "month", (line, value))
        else:
            open_cells.append((line, value))
    if len(decided) == 2:
        (line, value), other = max(decided.values()), min(decided.values())
        told = f"{value} and {other[1]} on line {other[0]} put day and month in different order; write YYYY-MM-DD"
        report.add(line, "", name, told)
        return ""
    if open_cells and not decided:
        line, value = open_cells[0]
        report.add(line, "", name, f"{value} can be read day first or month first{_both_ways(value)}")
    for order, (line, _) in decided.items():
        _say(table.said, f"`{name}` was read {order} first, as line {line} requires")
    return next(iter(decided), "")


def _both_ways(value: str) -> str:
    found = _YEAR_LAST.fullmatch(_text(value))
    if found is None:
        return ""
    a, b, year = int(found[1]), int(found[3]), int(found[4])
    return f"; write {year}-{b:02d}-{a:02d} or {year}-{a:02d}-{b:02d}"


def _say(said: list[str], sentence: str) -> None:
    if sentence not in said:
        said.append(sentence)


# ---------------------------------------------------------------------------------------------------- characteristics

_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?")
_COMMA_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")


def _characteristic(name: str, table: Table, report: Report) -> list[Any]:
    """A further column: numbers where every entry is one, else texts (missing: NaN or an empty text)."""
    values = table.columns[name]
    given = [(line, value) for line, value in zip(table.lines, values, strict=True) if value is not None]
    if all(not isinstance(value, str) for _, value in given):
        return [float("nan") if value is None else value for value in values]
    texts = [_text(value) for _, value in given]
    if all(_PLAIN_NUMBER.fullmatch(text) and not re.fullmatch(r"0\d+", text) for text in texts):
        return [float("nan") if value is None else float(value) for value in values]
    style = _number_style(texts, table.decimal_comma)
    if style == "unclear":
        line, value = next(pair for pair in given if "," in _text(pair[1]) or "." in _text(pair[1]))
        report.add(line, "", name, f"{value} can be a fraction or a thousand; write it without separator")
    if style in ("", "unclear"):
        return ["" if value is None else _text(value) for value in values]
    _say(table.said, f"`{name}` was read with `{',' if style == 'comma' else '.'}` before the decimals")
    return [float("nan") if value is None else _separated(_text(value), style) for value in values]


def _number_style(texts: Sequence[str], decimal_comma: bool) -> str:
    """How separated numbers are written: "point" (1,234.5), "comma" (1.234,5), "unclear", or "" when they are texts."""
    point = all(_THOUSANDS.fullmatch(t) or _PLAIN_NUMBER.fullmatch(t) for t in texts)
    comma = all(_COMMA_NUMBER.fullmatch(t) or _COMMA_THOUSANDS.fullmatch(t) for t in texts)
    if point and comma and decimal_comma:
        return "unclear"
    if point:
        return "point"
    return "comma" if comma and decimal_comma else ""


def _separated(text: str, style: str) -> float:
    return float(text.replace(",", "") if style == "point" else text.replace(".", "").replace(",", "."))


# ------------------------------------------------------------------------------------------------------- CSV and frames


def read_csv(path: Path) -> Table:
    """A CSV file as a table of texts: UTF-8 (with or without its mark), comma, semicolon, tab or bar between fields."""
    text = _decoded(path)
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows = ((reader.line_num, row) for row in reader if any(entry.strip() for entry in row))
    try:
        first = next(rows, None)
        if first is None:
            raise EventError(f"{path}:1: the file is empty; it needs a header line with `ticker` and `date`")
        names = _names(first[1], path)
        for name, told in _missing_columns(names):
            raise EventError(f"{path}:1: `{name}` {told}")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        lines: list[int] = []
        for line, row in rows:
            if len(row) != len(names):
                hint = "; quote entries that contain the delimiter" if len(row) > len(names) else ""
                raise EventError(f"{path}:{line}: {len(row)} entries where the header has {len(names)}{hint}")
            lines.append(line)
            for name, entry in zip(names, row, strict=True):
                columns[name].append(None if entry.strip() in _MISSING else entry.strip())
    except csv.Error as wrong:
        raise EventError(f"{path}:{reader.line_num}: not a CSV file: {wrong}") from None
    if not lines:
        raise EventError(f"{path}:1: the file has a header and no rows")
    said = [] if delimiter == "," else [f"fields are separated by {delimiter!r}"]
    return Table(columns, lines, delimiter == ";", said)


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    if not raw.strip():
        raise EventError(f"{path}:1: the file is empty; it needs a header line with `ticker` and `date`")
    for mark, what in ((b"PK\x03\x04", "an Excel workbook; save it as CSV"), (b"PAR1", "Parquet; name it .parquet")):
        if raw.startswith(mark):
            raise EventError(f"{path}:1: not a CSV file but {what}")
    codec = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as wrong:
        line = raw[: wrong.start].count(b"\n") + 1
        raise EventError(f'{path}:{line}: not UTF-8 text; save the file as "CSV UTF-8"') from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise EventError(f"{path}:{line}: not a CSV file (it holds binary data)")
    return text


def _delimiter(text: str) -> str:
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t|", key=lambda mark: (header.count(mark), mark == ","))


def _names(header: Sequence[Any], path: object) -> list[str]:
    names = [_column_name(entry) for entry in header]
    for n, name in enumerate(names):
        if name in names[:n]:
            raise EventError(f"{path}:1: two columns are called `{name}`")
        if not name:
            raise EventError(f"{path}:1: column {n + 1} has no name")
    return names


def _column_name(entry: Any) -> str:
    """Fields in our spelling; a characteristic keeps the name its author gave it."""
    given = str(entry).strip()
    name = re.sub(r"[\s-]+", "_", given.lower())
    name = _ALIASES.get(name, name)
    return name if name in _KNOWN else given


def frame_table(frame: pd.DataFrame) -> Table:
    """A DataFrame as a table; rows are counted from 0. An index that carries dates or names joins the columns."""
    import pandas as pd

    if frame.empty:
        raise EventError("the DataFrame of events has no rows")
    if any(frame.index.names) or isinstance(frame.index, pd.DatetimeIndex):
        index = [str(name or "date") for name in frame.index.names]
        if not set(index) & set(frame.columns):
            frame = frame.reset_index(names=list[Hashable](index))
    names = _names(list(frame.columns), FRAME)
    columns: dict[str, list[Any]] = {name: _entries(frame.iloc[:, n]) for n, name in enumerate(names)}
    _split_zoned_dates(columns)
    return Table(columns, list(range(len(frame))))


def _entries(column: pd.Series) -> list[Any]:
    """Python values, None where the frame has none."""
    import numpy as np
    import pandas as pd

    gaps = column.isna().to_numpy()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        days = column.to_numpy().astype("datetime64[D]")
        if not gaps.any() and (days == column.to_numpy()).all():  # midnights without a zone are plain days
            return days.tolist()
    values: list[Any] = column.astype(object).tolist()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        values = [None if gap else value.to_pydatetime(warn=False) for value, gap in zip(values, gaps, strict=True)]
    elif pd.api.types.is_string_dtype(column.dtype) or column.dtype == object:
        values = [None if gap or _blank(value) else _as_python(value) for value, gap in zip(values, gaps, strict=True)]
    elif gaps.any():
        values = [None if gap else value for value, gap in zip(values, gaps, strict=True)]
    return values


def _blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _as_python(value: Any) -> Any:
    stamp = getattr(value, "to_pydatetime", None)
    return value if stamp is None else stamp(warn=False)


def _split_zoned_dates(columns: dict[str, list[Any]]) -> None:
    """Midnights of one zone in `date` are days of that zone, not moments."""
    dates = columns.get("date", [])
    zoned = [value for value in dates if isinstance(value, dt.datetime) and value.tzinfo is not None]
    if not zoned or len(zoned) < sum(value is not None for value in dates):
        return
    if any(value.time() != dt.time() for value in zoned):
        return
    where = zoned[0].tzinfo
    utc = "UTC" if zoned[0].utcoffset() == dt.timedelta(0) else None
    zone = getattr(where, "key", None) or getattr(where, "zone", None) or utc
    if zone is not None:
        columns["date"] = [None if value is None else value.date() for value in dates]
        columns.setdefault("timezone", [zone] * len(dates))
