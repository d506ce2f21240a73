"""One Parquet file of bars: written whole or not at all, one writer at a time, damage noticed on reading.

A file is written under a temporary name beside its place, flushed to the disk, read back, and moved over the old one in
one step; readers see the old bars or the new ones. Pages carry checksums. The metadata travel as JSON in the footer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import time as clock
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import Bars, DateArray
from ..errors import RequestError, StoreBroken

SCHEMA = 1
_KEY = b"abnormal"
_KEY_DIGEST = b"abnormal sha256"
_ROWS_PER_GROUP = 16_384


def content_digest(bars: Bars) -> str:
    """sha256 of ticker, frequency, times and columns; equal bars have equal digests, whatever file they lie in."""
    sha = hashlib.sha256(f"{bars.ticker}|{bars.freq}|{len(bars)}".encode())
    sha.update(np.ascontiguousarray(bars.time).astype(np.int64).tobytes())
    for name in sorted(bars.columns):
        values = np.asarray(bars.columns[name], dtype=np.float64) + 0.0  # one kind of zero
        values[np.isnan(values)] = np.nan  # and of NaN
        sha.update(name.encode())
        sha.update(values.tobytes())
    return sha.hexdigest()


# ---------------------------------------------------------------------------------------------------- writing


def write_bars(path: Path, bars: Bars, meta: Mapping[str, Any]) -> str:
    """Put bars in place of the file `path` in one step; gives the digest of their content.

    The caller holds the writer's lock of the folder.
    """
    _check(bars)
    digest = content_digest(bars)
    full = {**meta, "schema": SCHEMA, "ticker": bars.ticker, "freq": bars.freq, "sha256": digest}
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(".*.tmp"):
        left.unlink(missing_ok=True)  # of a writer that was killed: nobody else can hold the lock now
    scratch = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        _dump(scratch, bars, full)
        if content_digest(read_bars(scratch)) != digest:
            raise StoreBroken(f"{scratch}: what was written does not read back; check the disk, nothing was changed")
        _replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return digest


def _check(bars: Bars) -> None:
    if len(bars) > 1 and not (bars.time[1:] > bars.time[:-1]).all():
        raise ValueError(f"bars of {bars.ticker} are not in strict time order")
    for name, values in bars.columns.items():
        if values.shape != bars.time.shape:
            raise ValueError(f"column {name} of {bars.ticker} has {values.shape}, its times {bars.time.shape}")


def _dump(path: Path, bars: Bars, meta: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    unit = pa.date32() if bars.freq == "1d" else pa.timestamp("ns", tz="UTC")
    times = bars.time.astype("datetime64[D]" if bars.freq == "1d" else "datetime64[ns]")
    time_column = pa.array(times) if bars.freq == "1d" else pa.array(times.astype(np.int64)).cast(unit)
    arrays = [time_column, *(pa.array(np.asarray(v, dtype=float)) for v in bars.columns.values())]
    fields = [pa.field("time", unit), *(pa.field(n, pa.float64()) for n in bars.columns)]
    text = json.dumps(meta, ensure_ascii=False, sort_keys=True, default=str).encode()
    facts = {_KEY: text, _KEY_DIGEST: hashlib.sha256(text).hexdigest().encode()}
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=facts))
    with path.open("wb") as stream:
        pq.write_table(
            table, stream, compression="zstd", row_group_size=_ROWS_PER_GROUP, write_page_checksum=True, version="2.6"
        )
        stream.flush()
        os.fsync(stream.fileno())


def _replace(scratch: Path, path: Path) -> None:
    """Move over the old file; where a reader's open file forbids that for a moment (Windows), try again."""
    for pause in (0.01, 0.05, 0.2, 0.5, 1.0):
        try:
            os.replace(scratch, path)
            return
        except PermissionError:
            clock.sleep(pause)
    os.replace(scratch, path)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---------------------------------------------------------------------------------------------------- reading


def read_meta(path: Path) -> dict[str, Any]:
    """The metadata of a file of bars, from its footer alone."""
    with _opened(path) as file:
        return _meta(file, path)


def read_bars(path: Path, start: Any = None, end: Any = None) -> Bars:
    """Bars from `start` to `end`, both included; only the row groups that hold them are read.

    start, end : dates (whole days on the clock of the exchange), UTC times for bars within the day, or None.
    Raises StoreBroken naming the file where it cannot be trusted.
    """
    bounds(start, end, "1d", "")  # a date that cannot be read is the caller's mistake, not damage
    with _opened(path) as file:
        meta = _meta(file, path)
        freq = str(meta["freq"])
        lo, hi = bounds(start, end, freq, str(meta.get("exchange_timezone", "")))
        groups = _groups(file, lo, hi)
        table = file.read_row_groups(groups, use_threads=False)
        columns = {n: np.asarray(table.column(n).to_numpy()) for n in table.column_names if n != "time"}
        bars = Bars(str(meta["ticker"]), _times(table.column("time"), freq), columns, freq, flat_meta(meta))
        if len(groups) == file.num_row_groups and content_digest(bars) != meta["sha256"]:
            raise ValueError("its bars do not match their digest")
    return _part(bars, lo, hi)


def _part(bars: Bars, lo: np.datetime64 | None, hi: np.datetime64 | None) -> Bars:
    a = 0 if lo is None else int(np.searchsorted(bars.time, lo, side="left"))
    b = len(bars) if hi is None else int(np.searchsorted(bars.time, hi, side="right"))
    return Bars(bars.ticker, bars.time[a:b], {k: v[a:b] for k, v in bars.columns.items()}, bars.freq, bars.meta)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # An open map keeps the old content readable while a writer replaces the file; Windows would forbid that.
        source = pa.memory_map(str(path)) if os.name == "posix" else pa.BufferReader(path.read_bytes())
        with source, pq.ParquetFile(source, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise StoreBroken(
            f"{path} is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            "delete the file and fetch or import the ticker again"
        ) from error


def _meta(file: Any, path: Path) -> dict[str, Any]:
    facts = file.schema_arrow.metadata or {}
    raw = facts.get(_KEY)
    if raw is None:
        raise ValueError("its footer lacks the entries of a price store")
    if facts.get(_KEY_DIGEST) != hashlib.sha256(raw).hexdigest().encode():
        raise ValueError("its metadata do not match their digest")
    meta: dict[str, Any] = json.loads(raw)
    if int(meta.get("schema", 0)) > SCHEMA:
        raise StoreBroken(f"{path} was written by a newer version of abnormal (schema {meta['schema']}); upgrade")
    return meta


def _groups(file: Any, lo: np.datetime64 | None, hi: np.datetime64 | None) -> list[int]:
    """Row groups whose times reach into [lo, hi]."""
    count = file.num_row_groups
    if count <= 1 or (lo is None and hi is None):
        return list(range(count))
    found = []
    for i in range(count):
        span = file.metadata.row_group(i).column(0).statistics
        if span is None or not span.has_min_max:
            found.append(i)
            continue
        first, last = _moment(span.min), _moment(span.max)
        if (hi is None or first <= hi) and (lo is None or last >= lo):
            found.append(i)
    return found


def _moment(value: Any) -> np.datetime64:
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    return np.datetime64(value, "ns")


def _times(column: Any, freq: str) -> DateArray:
    import pyarrow as pa

    if freq == "1d":
        return column.cast(pa.int32()).to_numpy().astype("datetime64[D]")
    return column.cast(pa.int64()).to_numpy().astype("datetime64[ns]")


def cut(bars: Bars, start: Any = None, end: Any = None) -> Bars:
    """The same bars from `start` to `end`, both included."""
    if start is None and end is None:
        return bars
    return _part(bars, *bounds(start, end, bars.freq, bars.meta.get("exchange_timezone", "")))


def bounds(start: Any, end: Any, freq: str, timezone: str) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """`start` and `end` as times of the bars: dates for daily bars, else UTC (a date is a day of the exchange's zone)."""
    lo = None if start is None else _bound(start, freq, timezone, last=False)
    hi = None if end is None else _bound(end, freq, timezone, last=True)
    return lo, hi


def _bound(value: Any, freq: str, timezone: str, last: bool) -> np.datetime64:
    try:
        return _edge(value, freq, timezone, last)
    except (ValueError, TypeError) as error:
        raise RequestError(f"{value!r} is not a date; write YYYY-MM-DD") from error


def _edge(value: Any, freq: str, timezone: str, last: bool) -> np.datetime64:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = np.datetime64(value.astimezone(dt.UTC).replace(tzinfo=None), "ns")
    elif isinstance(value, str) and len(value) > 10:
        return _edge(dt.datetime.fromisoformat(value), freq, timezone, last)
    elif isinstance(value, str | dt.date) and not isinstance(value, dt.datetime):
        value = np.datetime64(value, "D")
    moment = np.datetime64(value)
    if freq == "1d":
        return moment.astype("datetime64[D]")
    if np.datetime_data(moment.dtype)[0] != "D":
        return moment.astype("datetime64[ns]")
    edge = _local_midnight(moment + (1 if last else 0), timezone)
    return edge - np.timedelta64(1, "ns") if last else edge


def _local_midnight(day: np.datetime64, timezone: str) -> np.datetime64:
    """Midnight of a date in a zone, in UTC."""
    from zoneinfo import ZoneInfo

    date: dt.date = day.astype("datetime64[D]").tolist()
    local = dt.datetime(date.year, date.month, date.day, tzinfo=ZoneInfo(timezone or "UTC"))
    return np.datetime64(local.astimezone(dt.UTC).replace(tzinfo=None), "ns")


def flat_meta(meta: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as text, lists one item a line, as `Bars.meta` holds them."""
    flat = {
        k: "\n".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for k, v in meta.items() if v is not None
    }
    return {k: v for k, v in flat.items() if v}
