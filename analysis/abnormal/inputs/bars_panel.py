"""Bars within the day -> sessions by slot: what was traded in each bar of the exchange's own hours, and what was not.

The slots of a session are its bars and the closures before them: the night, the lunch break. A closure's return is a slot
of its own and never part of a bar. A bar without a trade stays empty; the next traded bar carries the move since. A long
silence in a share that otherwise trades is a halt and splits the series. Nothing is repaired in silence: `notes` says what
was left out and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..domain import Bars, BoolArray, DateArray, FloatArray, IntArray, Ticker
from ..errors import BadData, NotInStore, RequestError, UnknownName
from .adjusting import adjust_intraday
from .bargrid import BarGrid, bar_grid
from .calendars import SessionCalendar, ns
from .fetching import minutes_of
from .panel import usable_price
from .store import FREQUENCIES

BAR, OVERNIGHT, LUNCH = 0, 1, 2
KINDS = ("bar", "overnight", "lunch")
HALT_MINUTES, HALT_BARS, HALT_TRADED = 15, 3, 0.9  # a silence this long in a session traded this well is a halt
MOSTLY = 0.5  # share of bars off the grid above which the file, not the bar, is at fault

_MINUTE = 60_000_000_000


# ------------------------------------------------------------------------------------------------ the grid


@dataclass(frozen=True, slots=True, eq=False)
class SlotGrid:
    """Sessions (D,) by slots (S,) of one exchange; kind (S,) of KINDS, clock (S,) minutes after local midnight.

    start, end (D, S) UTC, NaT where a session lacks the slot (half days); the slot of a closure runs from the last bar
    before it to the first one after it. place (n,) maps the exchange's bars in time order to places d * S + s.
    """

    calendar: SessionCalendar
    minutes: int
    sessions: DateArray
    kind: IntArray
    clock: IntArray
    start: DateArray
    end: DateArray
    bars: BarGrid
    place: IntArray

    @property
    def slots(self) -> int:
        return int(self.kind.size)

    @property
    def exists(self) -> BoolArray:
        """(D, S): the slot is there on that session."""
        return ~np.isnat(self.start)

    @property
    def is_bar(self) -> BoolArray:
        """(S,): the slot is a bar."""
        return self.kind == BAR

    def expected(self) -> IntArray:
        """(D,): bars each session should have."""
        return (self.exists & self.is_bar).sum(axis=1)


def slot_grid(
    calendar: SessionCalendar, first: Any, last: Any, minutes: int, closing_auction: bool = False
) -> SlotGrid:
    """Bars and closures of the sessions from `first` to `last` (dates, both included).

    Examples
    --------
    >>> from abnormal.inputs.calendars import session_calendar
    >>> grid = slot_grid(session_calendar("XHKG"), "2026-06-15", "2026-06-16", 60)
    >>> [KINDS[k] for k in grid.kind]
    ['overnight', 'bar', 'bar', 'bar', 'lunch', 'bar', 'bar', 'bar']
    """
    bars = bar_grid(calendar, first, last, minutes, closing_auction)
    row = bars.session - bars.session[0]
    days, n = int(row[-1]) + 1, int(bars.slot.max()) + 1
    sessions = calendar.sessions[bars.session[0] : bars.session[0] + days]
    midnight = ns(calendar.day_starts)[bars.session]
    clock = np.zeros(n, np.int64)
    clock[bars.slot] = (ns(bars.starts) - midnight) // _MINUTE
    lunch = _first_after_lunch(calendar, bars)
    # Closures stand before the bar they lead into.
    kind = np.concatenate([[OVERNIGHT], np.repeat(BAR, n)])
    clocks = np.concatenate([clock[:1], clock])
    of_bar = np.arange(1, n + 1)
    if lunch is not None:
        kind, clocks = np.insert(kind, 1 + lunch, LUNCH), np.insert(clocks, 1 + lunch, clock[lunch])
        of_bar = of_bar + (np.arange(n) >= lunch)
    place = row * kind.size + of_bar[bars.slot]
    start, end = (np.full(days * kind.size, np.datetime64("NaT", "ns")) for _ in range(2))
    start[place], end[place] = bars.starts, bars.ends
    start, end = start.reshape(days, -1), end.reshape(days, -1)
    _close_up(start, end, kind, bars, row)
    return SlotGrid(calendar, int(minutes), sessions, kind, clocks, start, end, bars, place)


def _first_after_lunch(calendar: SessionCalendar, bars: BarGrid) -> int | None:
    """Slot of the first bar after the lunch break; None where the exchange has none in these sessions."""
    back = calendar.break_ends[bars.session]
    after = np.flatnonzero(~np.isnat(back) & (bars.starts == back))
    return int(bars.slot[after[0]]) if after.size else None


def _close_up(start: DateArray, end: DateArray, kind: IntArray, bars: BarGrid, row: IntArray) -> None:
    """Start and end of the nights and lunch breaks, written in place."""
    first = np.flatnonzero(np.diff(row, prepend=-1))
    last = np.append(first[1:] - 1, row.size - 1)
    end[:, 0] = bars.starts[first]
    start[1:, 0] = bars.ends[last[:-1]]
    start[0, 0] = end[0, 0]
    for slot in np.flatnonzero(kind == LUNCH):
        have = ~np.isnat(start[:, slot + 1]) & ~np.isnat(end[:, slot - 1])
        start[have, slot], end[have, slot] = end[have, slot - 1], start[have, slot + 1]


# ------------------------------------------------------------------------------------------------ one security


@dataclass(frozen=True, slots=True, eq=False)
class SlotBars:
    """One security on a slot grid, all (D, S); NaN = no trade.

    ret: log return of the slot: a bar's since the last trade, from its open where the bar is the first of its stretch; a
    closure's from the last trade before it to the first open after it, dividends and splits taken out. halted: bars that
    end a halt (their return covers it). open, high, low, close, volume as traded; level_open, level: log prices carried
    through empty bars within a session, dividends and splits taken out. factor (D,): what prices of a session are worth
    on the basis of the last. notes: what was left out.
    """

    ticker: Ticker
    ret: FloatArray
    halted: BoolArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    level_open: FloatArray
    level: FloatArray
    before: FloatArray
    factor: FloatArray
    notes: tuple[str, ...]

    @property
    def traded(self) -> BoolArray:
        return np.isfinite(self.close)


def read_bars_for(source: Any, ticker: Ticker, freq: str, start: Any = None, end: Any = None) -> Bars:
    """Bars of the frequency asked for, or finer ones that make them up. Raises as `source.bars`."""
    if source.has(ticker, freq):
        return source.bars(ticker, freq, start, end)
    minutes = minutes_of(freq)
    for finer in reversed(FREQUENCIES):  # the coarsest of the finer ones last read is the cheapest
        if finer != "1d" and minutes_of(finer) < minutes and minutes % minutes_of(finer) == 0 and source.has(ticker, finer):
            best = finer
            for other in FREQUENCIES:
                size = minutes_of(other)
                if minutes_of(best) < size < minutes and minutes % size == 0 and source.has(ticker, other):
                    best = other
            return source.bars(ticker, best, start, end)
    if source.has(ticker, "1d"):
        raise NotInStore(ticker, f"abnormal fetch {ticker} --freq {freq} (daily bars are there: freq = \"1d\" runs)")
    return source.bars(ticker, freq, start, end)


def daily_for(source: Any, ticker: Ticker) -> Bars | None:
    """Daily bars of the ticker with dividends or splits, where the source has them."""
    try:
        daily = source.bars(ticker, "1d") if source.has(ticker, "1d") else None
    except (UnknownName, RequestError, NotInStore):
        return None
    return daily if daily is not None and ("dividends" in daily or "splits" in daily) else None


def on_slots(bars: Bars, grid: SlotGrid, daily: Bars | None = None) -> SlotBars:
    """Put the bars of one security on the grid, finer ones joined to the grid's; the returns of all slots.

    Parameters
    ----------
    bars : bar starts in UTC; bars outside trading hours or off the grid are left out and named.
    daily : daily bars of the ticker; their dividends and splits are taken out of the nights.

    Raises
    ------
    BadData
        Bars that are longer than the grid's, or most of which lie outside the hours of the exchange or between its bars.
    """
    notes: list[str] = _known_faults(bars)
    bars = _in_order(bars, notes)
    bar, inside = _placed(bars, grid, notes)
    open_, high, low, close, volume = _joined(bars, grid, bar, inside, notes)
    flat = _Flat(grid, open_, close)
    shape = (grid.sessions.size, grid.slots)
    factor = _basis_factors(bars, grid, daily, notes)
    ret, halted = flat.returns(factor)
    level_open, level, before = flat.levels(factor)

    def cells(values: FloatArray) -> FloatArray:
        out = np.full(shape[0] * shape[1], np.nan)
        out[grid.place] = values
        return out.reshape(shape)

    stopped = np.zeros(shape[0] * shape[1], bool)
    stopped[grid.place] = halted
    closures = cells(ret)
    flat.fill_closures(closures, factor)
    if halted.any():
        notes.append(f"{int(halted.sum())} halts inside a session split its bars, first {_when(grid.bars.starts[np.argmax(halted)])}")
    return SlotBars(
        bars.ticker, closures, stopped.reshape(shape), cells(open_), cells(high), cells(low), cells(close), cells(volume),
        cells(level_open), cells(level), cells(before), factor, tuple(notes),
    )  # fmt: skip
