"""CSV and Parquet files -> `Table`: what stands in the file, column by column, with the place of every row."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import BadData, did_you_mean
from .columns import is_bar_shaped, role_of, roles_of, unnamed_column
from .frames import pandas_stamps, table_from_frame
from .parsing import MISSING, Stamps
from .table import Table

_HEAD = 1 << 16
_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {";": "semicolon", "\t": "tab", "|": "bar"}
_BINARY = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"SQLite format 3": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "a zstd archive; unpack it",
}


def table_from_path(path: Path) -> Table:
    """A CSV (plain or gzip) or Parquet file as a `Table`; the content decides, not the name."""
    head = _head(path)
    if head[:4] == b"PAR1":
        return _parquet_table(path)
    _refuse_other_formats(path, head)
    return _csv_table(path, head)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise BadData(f"{path} is a folder; a CSV or Parquet file was expected")
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else [])
        raise BadData(f"{path}: no such file{near}")
    try:
        with open_bytes(path) as stream:
            head = stream.read(_HEAD)
    except (OSError, EOFError) as error:
        raise BadData(f"{path}: cannot be read: {error}") from error
    if not head.strip():
        raise BadData(f"{path}: the file is empty; expected date, ticker and close")
    return head


def open_bytes(path: Path) -> IO[bytes]:
    """The file as a stream of bytes, unpacked where it is gzip."""
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _refuse_other_formats(path: Path, head: bytes) -> None:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise BadData(f"{path}: this is {what}")
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        raise BadData(f"{path}:1: this is HTML or XML, not a CSV (a web page saved instead of the data?)")
    if start.startswith((b"{", b"[")):
        raise BadData(f"{path}:1: this is JSON, not a CSV")
    if b"\x00" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise BadData(f"{path}: this is a binary file, not a CSV or Parquet file")


# ------------------------------------------------------------------------------------------------------- CSV


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a CSV is written: encoding, lines before the header, delimiter, column names."""

    encoding: str
    skip: int
    delimiter: str
    names: list[str]
    notes: tuple[str, ...]


def _csv_table(path: Path, head: bytes) -> Table:
    layout = _layout(path, head)
    if _is_vendor_pivot(layout):
        return _pivot_table(path, layout)
    wanted = _wanted(layout, path)
    typed = _typed(path, layout, wanted)
    if typed is None:
        return _text_table(path, layout, wanted)
    # Between commas a number has its point or is quoted; elsewhere a column read as numbers may have lost its commas.
    reread = None if layout.delimiter == "," else lambda: _text_table(path, layout, wanted)
    return _as_table(path, layout, typed, reread)


def _text_table(path: Path, layout: _Layout, wanted: list[str]) -> Table:
    """Every column as text. Row by row where something is wrong, so that its line can be named."""
    import pyarrow as pa

    try:
        arrow = _read(path, layout, wanted, wanted, [])
    except _UNREADABLE:
        broken: list[Any] = []
        try:
            arrow = _read(path, layout, wanted, wanted, broken, one_by_one=True)
        except _UNREADABLE as error:
            raise _unreadable(path, layout, broken, error) from error
    assert isinstance(arrow, pa.Table)
    return _as_table(path, layout, arrow, None)


def _typed(path: Path, layout: _Layout, wanted: list[str]) -> Any:
    """Numbers as numbers; a column that turns out not to hold numbers as text; None where the rows themselves are odd."""
    text = _text_columns(layout.names, wanted)
    while True:
        try:
            return _read(path, layout, wanted, text, [])
        except _UNREADABLE as error:
            column = re.search(r"In CSV column #(\d+)", str(error))
            name = layout.names[int(column[1])] if column else ""
            if name not in wanted or name in text:
                return None
            text = [*text, name]


def _layout(path: Path, head: bytes) -> _Layout:
    encoding, notes = _encoding(head)
    text = head.decode(encoding, errors="replace").lstrip("\ufeff")
    rows = text.splitlines()
    rows = rows[:-1] if len(head) == _HEAD and len(rows) > 1 else rows
    skip, delimiter, names = _header(path, rows)
    if skip:
        notes = (*notes, f"{skip} line{'s' if skip > 1 else ''} before the column names left out")
    if delimiter != ",":
        notes = (*notes, f"columns are separated by a {_DELIMITER_NAMES[delimiter]}")
    _refuse_headless(path, skip, names)
    return _Layout(encoding, skip, delimiter, names, notes)


def _encoding(head: bytes) -> tuple[str, tuple[str, ...]]:
    if head[:3] == b"\xef\xbb\xbf":
        return "utf-8", ("a byte order mark at the start was left out",)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", ("text is UTF-16",)
    try:
        # The last few bytes may be half a character.
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252", ("text is not UTF-8 and was read as Windows-1252",)
    return "utf-8", ()


def _header(path: Path, rows: list[str]) -> tuple[int, str, list[str]]:
    """The first line that can hold column names, and what separates them."""
    for i, row in enumerate(rows[:40]):
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        delimiter = max(_DELIMITERS, key=lambda d: len(_fields(row, d)))
        names = _fields(row, delimiter)
        following = next((r for r in rows[i + 1 :] if r.strip()), "")
        longer = len(_fields(following, delimiter)) > len(names) + 1
        if len(names) > 1 and (not longer or any(map(role_of, names))):
            return i, delimiter, names
    first = next(r for r in rows if r.strip())
    raise BadData(
        f"{path}:{rows.index(first) + 1}: {first[:60]!r} is one column only; expected names such as date,ticker,close "
        "separated by a comma, semicolon or tab"
    )


def _fields(row: str, delimiter: str) -> list[str]:
    return [f.strip().lstrip("\ufeff") for f in next(csv.reader([row], delimiter=delimiter))]


def _refuse_headless(path: Path, skip: int, names: list[str]) -> None:
    numeric = [n for n in names[1:] if re.fullmatch(r"[-+]?[\d.,]+(e[-+]?\d+)?", n, re.I)]
    if re.match(r"\d{4}[-/.]?\d{2}[-/.]?\d{2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", names[0]) and numeric:
        raise BadData(f"{path}:{skip + 1}: the first line holds data, not column names; add a line date,ticker,close")


def _wanted(layout: _Layout, path: Path) -> list[str]:
    """Names of the columns worth reading: all of a wide file, the known ones of rows of bars."""
    names = layout.names
    if not is_bar_shaped(names):
        named = [n for i, n in enumerate(names) if n or i == 0]
        if len(set(named)) != len(named):
            again = next(n for i, n in enumerate(named) if n in named[:i])
            raise BadData(f"{path}:{layout.skip + 1}: there are two columns called {again!r}")
        return named
    roles = roles_of(names, f"{path}:{layout.skip + 1}")
    first = [names[0]] if "date" not in roles and "time" not in roles else []
    return [*first, *(names[i] for i in sorted(roles.values()))]


def _text_columns(names: list[str], wanted: list[str]) -> list[str]:
    """Columns to read as text: dates and tickers; of a wide file the column of dates only (TS and DAY are tickers)."""
    if is_bar_shaped(names):
        known = [n for n in wanted if role_of(n) in ("date", "time", "ticker")]
        return known if any(role_of(n) in ("date", "time") for n in known) else [wanted[0], *known]
    by_name = [n for n in wanted if role_of(n) == "date"]
    return [wanted[0]] if not wanted[0] or not by_name or wanted[0] in by_name else by_name[:1]


_UNREADABLE = (ValueError, KeyError, EOFError, gzip.BadGzipFile)  # arrow's own errors are ValueError and KeyError


def _read(
    path: Path, layout: _Layout, wanted: list[str], text: list[str], broken: list[Any], one_by_one: bool = False
) -> Any:
    """The wanted columns as an arrow table, those in `text` as strings; rows of another length go to `broken`."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    def note_broken(row: Any) -> str:
        broken.append(row)
        return "error"

    with _plain_or_unpacked(path) as source:
        return pacsv.read_csv(
            source,
            pacsv.ReadOptions(
                use_threads=not one_by_one,
                encoding=layout.encoding,
                skip_rows=layout.skip + 1,
                # Our own spelling of the header; what is not wanted may be called anything, even twice.
                column_names=[n if n in wanted else f"\0{i}" for i, n in enumerate(layout.names)],
                block_size=1 << 22,
            ),
            pacsv.ParseOptions(delimiter=layout.delimiter, invalid_row_handler=note_broken),
            pacsv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(text, pa.string()),
                null_values=list(MISSING),
                strings_can_be_null=False,
            ),
        )


@contextmanager
def _plain_or_unpacked(path: Path) -> Iterator[Any]:
    """What arrow reads fastest: the file itself, or a stream that unpacks it."""
    import pyarrow as pa

    stream = open_bytes(path)
    if isinstance(stream, gzip.GzipFile):
        with stream:
            yield stream
        return
    stream.close()
    with pa.OSFile(str(path)) as file:
        yield file


def _unreadable(path: Path, layout: _Layout, broken: list[Any], error: Exception) -> BadData:
    if broken:
        row = broken[0]
        where = f"{path}:{_line_of_text(path, layout, row.text)}"
        counts = f"{row.actual_columns} columns where the header has {row.expected_columns}"
        return BadData(f"{where}: {counts}: {row.text[:60]!r}")
    if "UTF8" in str(error):
        return BadData(f"{path}: the text is not valid {layout.encoding}; save it as UTF-8 ({error})")
    return BadData(f"{path}: not readable as CSV: {error}")


def _line_of_text(path: Path, layout: _Layout, text: str) -> int:
    wanted = text.strip().encode(layout.encoding if layout.encoding != "utf-16" else "utf-8")
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip() == wanted:
                return number
    return 0


def _as_table(path: Path, layout: _Layout, arrow: Any, reread: Callable[[], Table] | None) -> Table:
    names = arrow.column_names
    shown = [n for n in layout.names if n and n not in names]
    notes = layout.notes + ((f"columns not used: {', '.join(shown)}",) if shown else ())
    return Table(
        name=path.name,
        names=list(names),
        values=[_value(arrow.column(i)) for i in range(arrow.num_columns)],
        where=lambda row: f"{path}:{_line_of_row(path, layout, row)}",
        delimiter=layout.delimiter,
        notes=notes,
        unnamed=unnamed_column(names),
        reread=reread,
    )


def _line_of_row(path: Path, layout: _Layout, row: int) -> int:
    """Line of a data row (-1: the header), counting the blank lines that the reader passes over."""
    if row < 0:
        return layout.skip + 1
    if layout.encoding == "utf-16":
        return layout.skip + 2 + row
    left = row + 1
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            if number <= layout.skip + 1 or not line.strip():
                continue
            left -= 1
            if left == 0:
                return number
    return layout.skip + 2 + row


def _value(column: Any) -> Any:
    """An arrow column as floats, stamps or text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return column
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _arrow_stamps(column)
    if pa.types.is_boolean(kind):
        return column.cast(pa.string())
    return column


def _arrow_stamps(column: Any) -> Stamps:
    import pandas as pd

    if getattr(column.type, "tz", None):
        return pandas_stamps(pd.Series(column.to_pandas()))
    wall = column.cast("timestamp[ns]").to_numpy().astype("datetime64[ns]")
    return Stamps(wall, np.full(wall.size, np.nan))


# ------------------------------------------------------------------------------- the header of a vendor's pivot


def _is_vendor_pivot(layout: _Layout) -> bool:
    """yfinance's download().to_csv(): a line of prices, a line of tickers, a line with "Date"."""
    return layout.names[0] in ("Price", "Ticker", "Attributes") and any(role_of(n) for n in layout.names[1:])


def _pivot_table(path: Path, layout: _Layout) -> Table:
    import pandas as pd

    try:
        with open_bytes(path) as stream:
            frame = pd.read_csv(
                stream, header=[0, 1], index_col=0, skiprows=layout.skip, sep=layout.delimiter, encoding=layout.encoding
            )
    except ValueError as error:  # pandas' ParserError is one
        raise BadData(f"{path}:{layout.skip + 1}: a table with prices over tickers, but: {error}") from error
    frame.index.name = "Date"
    table = table_from_frame(frame)
    notes = (*layout.notes, "a table with prices over tickers in its first lines was read as rows of bars")
    return replace(table, name=path.name, where=lambda row: f"{path}:{layout.skip + 4}", notes=notes)


# ----------------------------------------------------------------------------------------------------- Parquet


def _parquet_table(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        arrow = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"{path}: a damaged Parquet file: {error}") from error
    names = [str(n) for n in arrow.column_names]
    if is_bar_shaped(names):
        keep = [i for i, n in enumerate(names) if role_of(n) or n == "__index_level_0__"]
    else:
        keep = list(range(len(names)))
    unused = [n for i, n in enumerate(names) if i not in keep]
    kept = [names[i] for i in keep]
    index = kept.index("__index_level_0__") if "__index_level_0__" in kept else None
    if index is not None and is_bar_shaped(names) and any(role_of(n) == "date" for n in kept):
        del keep[index], kept[index]  # a row number beside the dates
        index = None
    return Table(
        name=path.name,
        names=kept,
        values=[_value(arrow.column(i)) for i in keep],
        where=lambda row: f"{path} row {row}" if row >= 0 else str(path),
        notes=(f"columns not used: {', '.join(unused)}",) if unused else (),
        unnamed=index,
    )
