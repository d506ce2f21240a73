"""Sessions by slot: the bars of an exchange's hours and the closures between them, and what a security did in each.

The slots of a session are its bars and the closures before them: the night, the lunch break. A closure's return is a slot
of its own and never part of a bar. A bar without a trade stays empty; the next traded bar carries the move since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..domain import BoolArray, DateArray, FloatArray, IntArray, Ticker
from .bargrid import BarGrid, bar_grid
from .calendars import SessionCalendar, ns

BAR, OVERNIGHT, LUNCH = 0, 1, 2
KINDS = ("bar", "overnight", "lunch")

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
    from_, until = start.reshape(days, -1), end.reshape(days, -1)
    _close_up(from_, until, kind, bars, row)
    return SlotGrid(calendar, int(minutes), sessions, kind, clocks, from_, until, bars, place)


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
    """One security on the bars of a grid, all (n,) in time order; NaN = no trade.

    open, high, low, close, volume as traded. last: the traded bar before, -1 = none; joined: traded, and no closure since
    `last`; halted: ends a halt (its return covers it). worth (D,): log factor that takes the dividends and splits after a
    session out of its prices. notes: what was left out.
    """

    ticker: Ticker
    grid: SlotGrid
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    last: IntArray
    joined: BoolArray
    halted: BoolArray
    worth: FloatArray
    notes: tuple[str, ...] = ()

    @property
    def traded(self) -> BoolArray:
        return np.isfinite(self.close)

    def cells(self, values: Any) -> Any:
        """(n,) values of bars as (D, S); NaN (False) in closures and where a session lacks the bar."""
        return spread(self.grid, values)

    def levels(self, carried: bool = False) -> tuple[FloatArray, FloatArray]:
        """Log price at the open and at the close of every bar, dividends and splits taken out.

        carried: an empty bar holds the last close of its session.
        """
        basis = self.worth[session_rows(self.grid)]
        with np.errstate(invalid="ignore", divide="ignore"):
            first, last = np.log(self.open) + basis, np.log(self.close) + basis
        if not carried:
            return first, last
        held = _held(self.traded, session_rows(self.grid))
        level = np.where(held >= 0, last[np.maximum(held, 0)], np.nan)
        before = np.where(held[np.maximum(np.arange(held.size) - 1, 0)] >= 0, np.append(np.nan, level[:-1]), np.nan)
        same = np.diff(session_rows(self.grid), prepend=-1) == 0
        return np.where(np.isfinite(first), first, np.where(same, before, np.nan)), level


def session_rows(grid: SlotGrid) -> IntArray:
    """(n,): row of the session each bar belongs to."""
    return grid.bars.session - grid.bars.session[0]


def spread(grid: SlotGrid, values: Any) -> Any:
    """(n,) values of bars as (D, S); NaN, or False, elsewhere."""
    given = np.asarray(values)
    size = grid.sessions.size * grid.slots
    out = np.zeros(size, bool) if given.dtype == bool else np.full(size, np.nan)
    out[grid.place] = given
    return out.reshape(grid.sessions.size, grid.slots)


def _held(traded: BoolArray, session: IntArray) -> IntArray:
    """(n,): the latest traded bar at or before each, within its session; -1 = none."""
    last = np.maximum.accumulate(np.where(traded, np.arange(traded.size), -1))
    return np.where((last >= 0) & (session[np.maximum(last, 0)] == session), last, -1)


def slot_returns(share: SlotBars, opens: FloatArray, closes: FloatArray) -> FloatArray:
    """Log returns (D, S) over the slots as the share traded them, from log levels (n,) of itself or of another series.

    A bar: since the last traded bar of its stretch, or from its open where it is the first. A closure: from the last trade
    before to the first open after it (to its close where there is no open). Slots without a trade of the share are NaN.
    """
    grid, last = share.grid, np.maximum(share.last, 0)
    first = share.traded & ~share.joined
    bar = np.where(share.joined, closes - closes[last], np.where(first, closes - opens, np.nan))
    out = spread(grid, bar)
    over = np.flatnonzero(first & (share.last >= 0))
    ends = np.where(np.isfinite(opens[over]), opens[over], closes[over])
    row = session_rows(grid)
    lunch = row[over] == row[share.last[over]]
    slot = np.where(lunch, int(np.argmax(grid.kind == LUNCH)), 0)
    out[row[over], slot] = ends - closes[share.last[over]]
    return out


def neighbours(share: SlotBars, opens: FloatArray, closes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return of a series (carried log levels (n,)) in the bar before and after each return of the share: (D, S) both.

    NaN at the edges of a stretch: nothing is looked up across a night or a lunch break.
    """
    same = np.append(False, stretches(share.grid)[1:] == stretches(share.grid)[:-1])
    step = np.where(same, closes - np.append(np.nan, closes[:-1]), closes - opens)
    lag = np.where(share.joined, step[np.maximum(share.last, 0)], np.nan)
    lead = np.where(share.traded & np.append(same[1:], False), np.append(step[1:], np.nan), np.nan)
    return spread(share.grid, lag), spread(share.grid, lead)


def stretches(grid: SlotGrid) -> IntArray:
    """(n,): number of the unbroken stretch of trading a bar belongs to."""
    row = session_rows(grid)
    new = np.diff(row, prepend=-1) > 0
    for slot in np.flatnonzero(grid.kind == LUNCH):
        new |= grid.place % grid.slots == slot + 1
    return np.cumsum(new)


@dataclass(frozen=True, slots=True, eq=False)
class DayBars:
    """Whole sessions of one security made of its bars, all (D,); NaN = no trade. before: the close before, ex-date taken out."""

    before: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    filled: IntArray


def day_bars(share: SlotBars) -> DayBars:
    """Open, high, low, close, volume and number of traded bars of every session."""
    grid = share.grid
    days = grid.sessions.size
    row = session_rows(grid)
    at = np.flatnonzero(share.traded)
    filled = np.bincount(row[at], minlength=days)
    have = filled > 0
    first = at[np.searchsorted(row[at], np.flatnonzero(have))]
    last = at[np.searchsorted(row[at], np.flatnonzero(have), side="right") - 1]
    out = {name: np.full(days, np.nan) for name in ("before", "open", "high", "low", "close", "volume")}
    out["open"][have], out["close"][have] = share.open[first], share.close[last]
    with np.errstate(invalid="ignore"):
        for name, extreme, series in (("high", np.fmax, share.high), ("low", np.fmin, share.low)):
            if at.size:
                out[name][have] = extreme.reduceat(series[at], np.searchsorted(row[at], np.flatnonzero(have)))
    sold = np.bincount(row[at], np.nan_to_num(share.volume[at]), minlength=days)
    out["volume"][have] = np.where(np.isfinite(share.volume).any(), sold[have], np.nan)
    rows = np.flatnonzero(have)
    basis = np.exp(share.worth[rows[:-1]] - share.worth[rows[1:]])
    out["before"][rows[1:]] = out["close"][rows[:-1]] * basis
    return DayBars(**out, filled=filled)
