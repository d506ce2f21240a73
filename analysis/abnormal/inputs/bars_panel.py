"""Bars within the day, as a source gives them -> one security on the slots of its exchange.

Bars of the grid's length or finer are placed by their start in UTC. Nothing is repaired in silence: what lies outside the
hours or off the grid, comes twice or out of order, a halt, a dividend taken out of a night, is said in `notes`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..domain import Bars, BoolArray, FloatArray, IntArray, Ticker
from ..errors import BadData, DataMissing, NotInStore, RequestError
from .adjusting import adjust_intraday
from .calendars import ns
from .fetching import minutes_of
from .panel import usable_price
from .slots import SlotBars, SlotGrid, day_bars, session_rows, stretches
from .store import FREQUENCIES

HALT_MINUTES, HALT_BARS, HALT_TRADED = 15, 3, 0.9  # a silence this long in a session traded this well is a halt
MOSTLY = 0.5  # share of bars off the grid above which the file, not the bar, is at fault

_MINUTE = 60_000_000_000


# ------------------------------------------------------------------------------------------------ reading


def read_bars_for(source: Any, ticker: Ticker, freq: str, start: Any = None, end: Any = None) -> Bars:
    """Bars of the frequency asked for, else the coarsest finer ones that make them up. Raises as `source.bars` does."""
    if source.has(ticker, freq):
        return source.bars(ticker, freq, start, end)
    minutes = minutes_of(freq)
    finer = [
        f for f in FREQUENCIES if minutes_of(f) < minutes and minutes % minutes_of(f) == 0 and source.has(ticker, f)
    ]
    if finer:
        return source.bars(ticker, max(finer, key=minutes_of), start, end)
    if source.has(ticker, "1d") and not source.own_dates:
        line = f'abnormal fetch {ticker} --freq {freq}   (or study its daily bars: freq = "1d")'
        raise NotInStore(ticker, line)
    return source.bars(ticker, freq, start, end)


def daily_for(source: Any, ticker: Ticker) -> Bars | None:
    """Daily bars of the ticker that know its dividends or splits, where the source has them."""
    try:
        daily = source.bars(ticker, "1d") if source.has(ticker, "1d") else None
    except (DataMissing, RequestError):
        return None
    return daily if daily is not None and ("dividends" in daily or "splits" in daily) else None


def on_slots(bars: Bars, grid: SlotGrid, daily: Bars | None = None) -> SlotBars:
    """Put the bars of one security on the grid; finer ones are joined to the grid's.

    Parameters
    ----------
    bars : bar starts in UTC. Bars outside trading hours or between the grid's bars are left out and named.
    daily : daily bars of the ticker; their dividends and splits are taken out of the nights.

    Raises
    ------
    BadData
        Bars longer than the grid's, or most of which lie outside the hours of the exchange or between its bars.
    """
    notes: list[str] = []
    bars = _in_order(bars, notes)
    row, bar = _placed(bars, grid, notes)
    columns = _joined_up(bars, grid, row, bar, notes)
    traded = np.isfinite(columns["close"])
    index = np.arange(traded.size)
    last = np.append(-1, np.maximum.accumulate(np.where(traded, index, -1))[:-1]) if index.size else index
    stretch = stretches(grid)
    joined = traded & (last >= 0) & (stretch[np.maximum(last, 0)] == stretch)
    halted = _halts(grid, traded, joined, last)
    if halted.any():
        first = _stamp(grid.bars.starts[halted][0])
        notes.append(f"{int(halted.sum())} halt(s) inside a session (until {first}): the bars are split there")
    flat = np.zeros(grid.sessions.size)
    share = SlotBars(
        bars.ticker, grid, columns["open"], columns["high"], columns["low"], columns["close"], columns["volume"], last,
        joined, halted, flat,
    )  # fmt: skip
    worth = _worth(share, bars, daily, notes)
    return replace(share, worth=worth, notes=tuple(notes))


def _counted(n: int, first: np.datetime64, what: str = "") -> str:
    """ "3 bars off the grid (first 2026-06-15 01:32 UTC)"."""
    return f"{n} bar{'s'[: n > 1]}{what} (first {_stamp(first)})"


def _stamp(time: np.datetime64) -> str:
    return f"{str(time.astype('datetime64[m]')).replace('T', ' ')} UTC"


def _in_order(bars: Bars, notes: list[str]) -> Bars:
    """Bars in time order, the first of each time; what a reader sorted or dropped before is said again."""
    told = bars.meta.get("notes", "").split("\n")
    notes.extend(t for t in told if "not in time order" in t)
    doubles = [d for d in bars.meta.get("duplicates", "").split("\n") if d]
    if doubles:
        notes.append(f"{len(doubles)} bars came twice (first {doubles[0].split(' ')[0]}): the first of each was kept")
    if len(bars) < 2 or (bars.time[1:] > bars.time[:-1]).all():
        return bars
    order = np.argsort(bars.time, kind="stable")
    if (np.diff(order) < 0).any():
        notes.append("bars were not in time order and were sorted")
    time = bars.time[order]
    again = np.append(False, time[1:] == time[:-1])
    if again.any():
        notes.append(_counted(int(again.sum()), time[again][0]) + " came twice: the first of each was kept")
    keep = order[~again]
    return Bars(bars.ticker, bars.time[keep], {k: v[keep] for k, v in bars.columns.items()}, bars.freq, bars.meta)


def _placed(bars: Bars, grid: SlotGrid, notes: list[str]) -> tuple[IntArray, IntArray]:
    """Rows of the bars that lie on the grid, and the grid's bar of each."""
    step = minutes_of(bars.freq)
    if step > grid.minutes or grid.minutes % step:
        raise BadData(
            f'{bars.ticker}: bars of {bars.freq} cannot make bars of {grid.minutes} minutes; set freq = "{bars.freq}"'
        )
    starts, ends = ns(grid.bars.starts), ns(grid.bars.ends)
    time = bars.time.astype("datetime64[ns]").view(np.int64)
    within = np.flatnonzero(
        (time >= ns(grid.calendar.day_starts)[grid.bars.session[0]])
        & (time < ns(grid.calendar.day_ends)[grid.bars.session[-1]])
    )
    time = time[within]
    bar = np.searchsorted(starts, time, side="right") - 1
    at = np.maximum(bar, 0)
    open_ = (bar >= 0) & (time < ends[at])
    whole = open_ & ((time - starts[at]) % (step * _MINUTE) == 0)
    _told(bars, grid, time, open_, whole, notes)
    return within[whole], bar[whole]


def _told(bars: Bars, grid: SlotGrid, time: IntArray, open_: BoolArray, whole: BoolArray, notes: list[str]) -> None:
    """Say which bars are not used; refuse a series most of whose bars are not."""
    mic, n = grid.calendar.mic, max(time.size, 1)
    outside, between = ~open_, open_ & ~whole
    if outside.sum() > MOSTLY * n:
        first = _stamp(time[outside][0].astype("datetime64[ns]"))
        raise BadData(
            f"{bars.ticker}: {int(outside.sum())} of {time.size} bars lie outside the hours of {mic} (first {first}); "
            + _zone_hint(grid, time)
        )
    if between.sum() > MOSTLY * n:
        first = _stamp(time[between][0].astype("datetime64[ns]"))
        raise BadData(
            f"{bars.ticker}: {int(between.sum())} of {time.size} bars do not start on the {bars.freq} grid of {mic} (first "
            f"{first}; its session opens {_stamp(grid.bars.starts[0])}); give bars that start at the open, or finer ones"
        )
    for gone, what in ((outside, f" outside the hours of {mic}"), (between, f" off the {bars.freq} grid")):
        if gone.any():
            notes.append(_counted(int(gone.sum()), time[gone][0].astype("datetime64[ns]"), what) + " left out")


def _zone_hint(grid: SlotGrid, time: IntArray) -> str:
    """What to write where the times read well on the clock of the exchange."""
    calendar = grid.calendar
    at = np.clip(np.searchsorted(ns(calendar.day_starts), time, side="right") - 1, 0, len(calendar) - 1)
    ahead = calendar.sessions[at].astype("datetime64[ns]").view(np.int64) - ns(calendar.day_starts)[at]
    local = time - ahead
    bar = np.searchsorted(ns(grid.bars.starts), local, side="right") - 1
    fits = (bar >= 0) & (local < ns(grid.bars.ends)[np.maximum(bar, 0)])
    if fits.mean() > MOSTLY:
        return f"they look like times of {calendar.tz} written as UTC: write their offset, or give timezone={calendar.tz!r}"
    return f'give bar starts in UTC, or set calendar to the exchange they trade on (calendar = "{calendar.mic}" now)'


def _joined_up(bars: Bars, grid: SlotGrid, row: IntArray, bar: IntArray, notes: list[str]) -> dict[str, FloatArray]:
    """Open, high, low, close, volume (n,) of the grid's bars, from the traded ones among `row`."""
    traded, bad = usable_price(bars)
    if bad[row].any():
        notes.append(
            _counted(int(bad[row].sum()), bars.time[row][bad[row]][0], " with a price of zero or less") + " left out"
        )
    traded = traded | _moved(bars)
    use = traded[row]
    row, bar = row[use], bar[use]
    n = grid.bars.starts.size
    out = {name: np.full(n, np.nan) for name in ("open", "high", "low", "close", "volume")}
    if not row.size:
        return out
    edge = np.flatnonzero(np.diff(bar, prepend=-1))
    until = np.append(edge[1:], row.size) - 1
    at = bar[edge]
    price = {name: bars.get(name)[row] for name in out}
    if "close" not in bars:
        price["close"] = bars.get("adj_close")[row]
    wrong = price["high"] < price["low"] * (1 - 1e-9)
    if wrong.any():
        notes.append(
            _counted(int(wrong.sum()), bars.time[row][wrong][0], " with a high below its low") + ": neither is used"
        )
        price["high"][wrong] = price["low"][wrong] = np.nan
    price["open"] = np.where(price["open"] > 0, price["open"], np.nan)
    out["open"][at], out["close"][at] = price["open"][edge], price["close"][until]
    out["high"][at] = np.fmax.reduceat(np.fmax(price["high"], price["close"]), edge)
    out["low"][at] = np.fmin.reduceat(np.fmin(price["low"], price["close"]), edge)
    if "volume" in bars and np.any(bars.get("volume") > 0):
        out["volume"][at] = np.add.reduceat(np.nan_to_num(price["volume"]), edge)
    elif "volume" not in bars:
        notes.append("no volume: every bar with a price counts as traded, abnormal volume cannot be said")
    if np.isnan(out["open"][at]).all():
        notes.append("no opens: the first bar after a closure belongs to the closure's return")
    return out


def _moved(bars: Bars) -> BoolArray:
    """Bars without volume whose price moved all the same, and all priced bars of an index: vendors leave volumes out."""
    price = bars.get("close")
    real = np.isfinite(price) & (price > 0)
    return real & ((bars.get("high") > bars.get("low")) | bars.ticker.startswith("^"))


def _halts(grid: SlotGrid, traded: BoolArray, joined: BoolArray, last: IntArray) -> BoolArray:
    """Bars that end a long silence in a session that otherwise trades in nearly every bar."""
    row = session_rows(grid)
    silent = np.where(joined, np.arange(traded.size) - last - 1, 0)
    days = grid.sessions.size
    bars, filled = np.bincount(row, minlength=days), np.bincount(row, traded, minlength=days)
    others = bars[row] - silent
    long = (silent >= HALT_BARS) & (silent * grid.minutes >= HALT_MINUTES)
    return long & (filled[row] >= HALT_TRADED * np.maximum(others, 1))


def _worth(share: SlotBars, bars: Bars, daily: Bars | None, notes: list[str]) -> FloatArray:
    """(D,) log factor that takes the dividends and splits after each session out of its prices."""
    grid = share.grid
    days = grid.sessions.size
    if daily is None or not len(daily):
        return np.zeros(days)
    opens = grid.bars.starts[np.flatnonzero(np.diff(session_rows(grid), prepend=-1))]
    meta = dict(bars.meta) | {"exchange_timezone": grid.calendar.tz}
    if "split" not in meta.get("adjustment", "") and _splits_already_in(share, daily):
        meta["adjustment"] = "splits"
    ones = Bars(bars.ticker, opens, {"close": np.ones(days)}, bars.freq, meta)
    worth = np.log(adjust_intraday(ones, daily).get("close"))
    ex = np.flatnonzero(np.abs(np.diff(worth)) > 1e-12) + 1
    if ex.size:
        notes.append(
            f"dividends or splits of {', '.join(map(str, grid.sessions[ex][:3]))} taken out of the night before"
        )
    return worth


def _splits_already_in(share: SlotBars, daily: Bars) -> bool:
    """Whether the bars run through the splits without a jump, as a vendor's split-adjusted bars do."""
    ratio = daily.get("splits")
    at = np.flatnonzero((ratio > 0) & (ratio != 1))
    day = day_bars(share)
    row = np.searchsorted(share.grid.sessions, daily.time[at])
    known = (row < share.grid.sessions.size) & (row > 0)
    row, split = row[known], ratio[at[known]]
    known = share.grid.sessions[row] == daily.time[at[known]] if row.size else known
    step = np.log(day.open[row] / day.before[row])
    seen = np.isfinite(step)
    return bool(seen.any() and (np.abs(step[seen]) < np.abs(step[seen] + np.log(split[seen]))).all())
