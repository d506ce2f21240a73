"""Rows of all tickers -> bars of each: one time axis, sorted, double times recorded, notes attached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from ...domain import Bars, BoolArray, DateArray, FloatArray, IntArray, Ticker
from ...errors import BadData, UnknownName
from .parsing import Stamps
from .table import Table

# ------------------------------------------------------------------------------------------------- times


def _axis(
    stamps: Stamps, names: list[Ticker], codes: IntArray, freq: str | None, table_where: Callable[[int], str]
) -> tuple[DateArray, str, tuple[str, ...]]:
    """The times of all rows as one axis: dates for daily bars, UTC bar starts for finer ones; and the frequency."""
    if freq == "1d" or (freq is None and _is_daily(stamps, codes)):
        dates, notes = _dates(stamps, names, codes)
        return dates, "1d", notes
    if not stamps.zoned:
        row = int(np.argmax(np.isnan(stamps.offset)))
        shown = str(stamps.wall[row].astype("datetime64[m]"))
        raise BadData(
            f"{table_where(row)}: time {shown!r} has no timezone; write {shown}+08:00 (or Z for UTC), "
            'or name the zone (timezone="Asia/Hong_Kong")'
        )
    utc = stamps.utc
    return utc, freq or _spacing(utc, codes, table_where), ()


def _is_daily(stamps: Stamps, codes: IntArray) -> bool:
    """All at midnight, or never two different times of one ticker on one written day."""
    if stamps.midnight:
        return True
    order = np.lexsort((stamps.wall, codes))
    wall, code = stamps.wall[order], codes[order]
    day = wall.astype("datetime64[D]")
    return not bool(((code[1:] == code[:-1]) & (day[1:] == day[:-1]) & (wall[1:] != wall[:-1])).any())


def _dates(stamps: Stamps, names: list[Ticker], codes: IntArray) -> tuple[DateArray, tuple[str, ...]]:
    """Session dates. A zoned stamp that is not midnight as written is read on the clock of the ticker's exchange."""
    dates = stamps.wall.astype("datetime64[D]")
    if stamps.midnight:
        return dates, ()
    if not stamps.zoned:
        return dates, ("the times of day of daily bars were left out",)
    return _exchange_dates(stamps, names, codes), ("daily bars with a time were dated on the clock of their exchange",)


def _exchange_dates(stamps: Stamps, names: list[Ticker], codes: IntArray) -> DateArray:
    import pandas as pd

    from ..exchanges import exchange_of, timezone_of

    dates = stamps.wall.astype("datetime64[D]")
    zones: dict[str, list[int]] = {}
    for code, name in enumerate(names):
        try:
            zones.setdefault(timezone_of(exchange_of(name)), []).append(code)
        except UnknownName:
            continue  # no exchange to ask: the date stays as it is written
    for zone, members in zones.items():
        rows = np.isin(codes, members)
        local = pd.DatetimeIndex(stamps.utc[rows]).tz_localize("UTC").tz_convert(zone).tz_localize(None)
        dates[rows] = local.to_numpy().astype("datetime64[D]")
    return dates


def _spacing(utc: DateArray, codes: IntArray, where: Callable[[int], str]) -> str:
    """The distance of bars, as the most frequent one: "5m", "1h"."""
    order = np.lexsort((utc, codes))
    step = np.diff(utc[order].astype(np.int64))
    step = step[(np.diff(codes[order]) == 0) & (step > 0)]
    if step.size == 0:
        raise BadData(f"{where(0)}: one bar a ticker does not tell how long a bar is; pass freq")
    values, counts = np.unique(step, return_counts=True)
    seconds = int(values[np.argmax(counts)]) / 1e9
    if seconds < 60 or seconds % 60 or seconds > 86400:
        raise BadData(f"{where(0)}: bars {seconds:g} seconds apart; whole minutes, hours or days are understood")
    return spacing_name(int(seconds) // 60)


def spacing_name(minutes: int) -> str:
    """ "5m", "1h", "1d" for a number of minutes."""
    return "1d" if minutes == 1440 else (f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m")


# ------------------------------------------------------------------------------------------------- splitting


def bars_of_rows(
    table: Table,
    stamps: Stamps,
    names: list[Ticker],
    codes: IntArray,
    columns: Mapping[str, FloatArray],
    freq: str | None,
    notes: tuple[str, ...],
) -> dict[Ticker, Bars]:
    """Rows of all tickers -> bars of each, sorted by time; double times keep their first row and are recorded."""
    time, found, said = _axis(stamps, names, codes, freq, table.where)
    common = (*notes, *stamps.notes, *said)
    order, late = _order(time, codes)
    time, codes = time[order], codes[order]
    columns = {k: (v[order] if order.size else v) for k, v in columns.items()}
    again = np.zeros(time.size, dtype=bool)
    again[1:] = (time[1:] == time[:-1]) & (codes[1:] == codes[:-1])
    twice = _twice(time, codes, columns, again)
    if again.any():
        keep = ~again
        time, codes, columns = time[keep], codes[keep], {k: v[keep] for k, v in columns.items()}
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    out = {}
    for a, b in pairwise(edges):
        code = int(codes[a])
        filled = {k: v[a:b] for k, v in columns.items() if not np.isnan(v[a:b]).all()}
        # A ticker of which only adjusted closes are known has no close; without any price the gap stays to be seen.
        shown = ("ret",) if "adj_close" in filled else ("close", "ret")
        kept = {k: v[a:b] for k, v in columns.items() if k in filled or k in shown}
        meta = _meta(table.name, (*common, *_percent(kept)), late.get(code, ""), twice.get(code, ()))
        if found == "1d" and _splits_already_in(kept):
            meta["adjustment"] = "splits"
        out[names[code]] = Bars(names[code], time[a:b], kept, found, meta)
    return out


def _percent(columns: Mapping[str, FloatArray]) -> tuple[str, ...]:
    """A word on returns that look like percent; they are taken as they are."""
    if "ret" not in columns:
        return ()
    sizes = np.abs(columns["ret"][np.isfinite(columns["ret"])][:100_000])
    if sizes.size < 5 or np.median(sizes) < 0.2:
        return ()
    return (f"returns have a median size of {np.median(sizes):.2g}; decimal fractions are expected (0.012, not 1.2)",)


def _splits_already_in(columns: Mapping[str, FloatArray]) -> bool:
    """Whether the closes run through the splits without a jump, as a vendor's split-adjusted closes do."""
    if "splits" not in columns or "close" not in columns:
        return False
    close, split = columns["close"], columns["splits"]
    on = np.flatnonzero((split[1:] > 0) & (split[1:] != 1) & (close[1:] > 0) & (close[:-1] > 0)) + 1
    if on.size == 0:
        return False
    step = np.log(close[on] / close[on - 1])
    return bool((np.abs(step) < np.abs(step + np.log(split[on]))).all())


def _order(time: DateArray, codes: IntArray) -> tuple[IntArray, dict[int, str]]:
    """Rows by ticker, then time (first come first within a time); and the first late row of every unsorted ticker."""
    # Numpy sorts 16-bit integers by radix, ten times faster.
    short = codes.astype(np.uint16) if codes.size and codes.max() < 65_536 else codes
    grouped = np.argsort(short, kind="stable")
    t, c = time[grouped], codes[grouped]
    back = (t[1:] < t[:-1]) & (c[1:] == c[:-1])
    late: dict[int, str] = {}
    for i in np.flatnonzero(back)[::-1] + 1 if back.sum() < 10_000 else _first_of_each(back, c):
        late[int(c[i])] = str(t[i])
    return (np.lexsort((time, codes)) if back.any() else grouped), late


def _first_of_each(back: BoolArray, codes: IntArray) -> IntArray:
    rows = np.flatnonzero(back) + 1
    return rows[np.unique(codes[rows], return_index=True)[1]]


def _twice(
    time: DateArray, codes: IntArray, columns: Mapping[str, FloatArray], again: BoolArray
) -> dict[int, tuple[str, ...]]:
    """Per ticker the times that came again, and whether the later row says something else."""
    if not again.any():
        return {}
    rows = np.flatnonzero(again)
    kept = np.maximum.accumulate(np.where(again, 0, np.arange(again.size)))[rows]
    other = np.zeros(rows.size, dtype=bool)
    for v in columns.values():
        other |= (v[rows] != v[kept]) & ~(np.isnan(v[rows]) & np.isnan(v[kept]))
    out: dict[int, list[str]] = {}
    for row, differs in zip(rows, other):
        out.setdefault(int(codes[row]), []).append(f"{time[row]} {'differs' if differs else 'same'}")
    return {code: tuple(found) for code, found in out.items()}


def _meta(name: str, notes: tuple[str, ...], late: str, twice: tuple[str, ...]) -> dict[str, str]:
    meta = {"source": name}
    if late:
        meta["unsorted"] = late
        notes = (*notes, f"rows were not in time order (first seen at {late}) and were sorted")
    if twice:
        meta["duplicates"] = "\n".join(twice)
    if notes:
        meta["notes"] = "\n".join(notes)
    return meta


# ------------------------------------------------------------------------------------------------- wide


def bars_of_columns(
    stamps: Stamps,
    tickers: tuple[Ticker, ...],
    values: FloatArray,
    name: str,
    returns: bool,
    freq: str | None,
    notes: tuple[str, ...],
    table: Table | None,
) -> dict[Ticker, Bars]:
    column = "ret" if returns else "close"
    codes = np.zeros(stamps.wall.size, dtype=np.int64)
    where = (lambda row: f"row {row} of the {name}") if table is None else table.where
    time, found, said = _axis(stamps, [tickers[0]], codes, freq, where)
    order, late = _order(time, codes)
    time, values = time[order], values[:, order]
    again = np.zeros(time.size, dtype=bool)
    again[1:] = time[1:] == time[:-1]
    common = (*notes, *stamps.notes, *said)
    common = (*common, *_percent({column: values.ravel()}))
    metas = [_meta(name, common, late.get(0, ""), ())] * len(tickers)
    if again.any():
        doubles = [_twice(time, codes, {column: v}, again)[0] for v in values]
        metas = [_meta(name, common, late.get(0, ""), found_twice) for found_twice in doubles]
        time, values = time[~again], values[:, ~again]
    return {t: Bars(t, time, {column: v}, found, m) for t, v, m in zip(tickers, values, metas)}
