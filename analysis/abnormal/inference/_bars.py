"""What tests on bars and on trading activity read: a pair's sessions by slot, and its daily volume and range.

The study hands them over in `opt.study["bars"]` and `opt.study["activity"]`, one a pair; a study of daily closes has no
bars and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, PairResult, TestOptions, TestResult, Window

NEEDS_BARS = 'needs bars within the day: set freq = "5m" (or another length) where the prices have them'
LEAST_FILLED = 0.5  # a past session with fewer of the window's bars traded is not comparable


@dataclass(frozen=True, slots=True, eq=False)
class PairBars:
    """Sessions (D,) of one pair by slot (S,): bars in order, with the night and the lunch break as slots before theirs.

    r, ar (D, S): log return and abnormal return of the slot, NaN = no trade. is_bar (S,). exists (D, S): the session has
    the slot. halted (D, S): the bar ends a halt. est (D,): estimation sessions. event: row of the event session. places
    (n,): flat positions (row * S + slot) of the bars in time order; origin: index in it of bar 0. news_before: the news
    came before bar 0 began, so that a closure before it is part of the reaction. scale (S,): usual size of the abnormal
    return of a slot (sigma f for bars). f (S,): daily pattern of raw returns, NaN in closures. volume (D, S) or None.
    """

    r: FloatArray
    ar: FloatArray
    is_bar: BoolArray
    exists: BoolArray
    halted: BoolArray
    est: BoolArray
    event: int
    places: IntArray
    origin: int
    news_before: bool
    scale: FloatArray
    f: FloatArray
    minutes: int
    volume: FloatArray | None = None
    lm_window: int | None = None
    why_no_pattern: str = ""
    cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def slots(self) -> int:
        return int(self.is_bar.size)

    def span(self, window: Window) -> tuple[int, int] | None:
        """Flat positions [first, end) of a window of bars and of the closures that belong to it; None beyond the data.

        A closure belongs to the bar it leads into; one before bar 0 that ended before the news belongs to bar -1.
        """
        a, b = self.origin + window[0], self.origin + window[1]
        if a < 0 or b >= self.places.size:
            return None
        first, end = int(self.places[a]), int(self.places[b]) + 1
        if window[0] != 0 or self.news_before:
            while first % self.slots and not self.is_bar[first % self.slots - 1]:
                first -= 1
        if window[1] == -1 and not self.news_before:
            end = int(self.places[self.origin])
        return first, end

    def row_of(self, offset: int) -> int:
        """Session row of the bar at an offset."""
        return int(self.places[self.origin + offset]) // self.slots


class ClockSums(NamedTuple):
    """Cumulative abnormal returns over a window's slots: path (L,) of the event, past (m, L) of ordinary sessions.

    back (m,): how many sessions before the event each past one lies. n (L,): traded bars of the event so far. places (L,).
    """

    path: FloatArray
    past: FloatArray
    back: IntArray
    n: IntArray
    places: IntArray


def clock_sums(bars: PairBars, window: Window) -> ClockSums | str:
    """The event's path over a window and those of the estimation sessions over the same slots, or why there are none.

    A past window counts where all sessions it touches are estimation sessions and at least half of its bars were traded.
    """
    span = bars.span(window)
    if span is None:
        return f"the bars end before the window ({window[0]}, {window[1]}) does"
    first, end = span
    s, size = bars.slots, end - first
    total, count = _running(bars)
    path = total[first + 1 : end + 1] - total[first]
    rows = _past_rows(bars, first, end)
    start = first - (bars.event - rows) * s
    if count is None:
        n = np.arange(1, size + 1)
    else:
        n = count[first + 1 : end + 1] - count[first]
        if not n[-1]:
            return f"no trade in the window ({window[0]}, {window[1]})"
        path[n == 0] = np.nan
        wanted = max(1.0, LEAST_FILLED * float(np.count_nonzero(bars.exists.ravel()[first:end])))
        kept = (count[start + size] - count[start]) >= wanted
        rows, start = rows[kept], start[kept]
    return ClockSums(path, _past_sums(total, start, size), bars.event - rows, n, np.arange(first, end))


def _running(bars: PairBars) -> tuple[FloatArray, IntArray | None]:
    """Running sum of the abnormal returns over all slots in order from zero on, and how many there are (None: all)."""
    if "running" not in bars.cache:
        flat = bars.ar.ravel()
        total, count = np.empty(flat.size + 1), None
        total[0] = 0.0
        np.cumsum(flat, out=total[1:])
        if not np.isfinite(total[-1]):  # what is missing somewhere is missing to the end
            there = np.isfinite(flat)
            np.cumsum(np.where(there, flat, 0.0), out=total[1:])
            count = np.concatenate([[0], np.cumsum(there)])
        bars.cache["running"] = (total, count)
    return bars.cache["running"]


def _past_rows(bars: PairBars, first: int, end: int) -> IntArray:
    """Rows whose window, at the same slots, lies in estimation sessions only."""
    low, high = first // bars.slots - bars.event, (end - 1) // bars.slots - bars.event
    begin, stop = max(-low, 0), min(bars.est.size - max(high, 0), bars.event + min(low, 0) - high)
    if stop <= begin:
        return np.empty(0, np.int64)
    sessions = np.zeros(bars.est.size + 1, np.int64)
    bars.est.cumsum(out=sessions[1:])
    whole = sessions[begin + high + 1 : stop + high + 1] - sessions[begin + low : stop + low] == high - low + 1
    return begin + whole.nonzero()[0]


def _past_sums(total: FloatArray, start: IntArray, size: int) -> FloatArray:
    """Sums from each start over the next 1..size slots, (m, size)."""
    apart = start[1:] - start[:-1]
    if start.size < 2 or (apart != apart[0]).any():
        at = start[:, None] + np.arange(1, size + 1)
        return total[at] - total[start][:, None]
    item = total.itemsize
    shape, strides = (start.size, size + 1), (int(apart[0]) * item, item)
    view: FloatArray = np.ndarray(shape, total.dtype, total, int(start[0]) * item, strides)
    return view[:, 1:] - view[:, :1]


# ------------------------------------------------------------------------------------------------ activity


@dataclass(frozen=True, slots=True, eq=False)
class DayActivity:
    """Trading activity of one pair by session, (D,) each: high, low, volume (NaN = no trade), shares in issue, market.

    market: volume measure of the market, None = none. est (D,): estimation sessions. event: row of day 0. direction: +1 or
    -1, which way day 0 closed (0 unknown). bars: the study counts bars, so that its windows are not sessions.
    """

    high: FloatArray
    low: FloatArray
    volume: FloatArray
    shares: FloatArray
    market: FloatArray | None
    est: BoolArray
    event: int
    direction: int = 0
    bars: bool = False


Answer = Callable[[Any], TestResult]


def given(opt: TestOptions, name: str) -> Sequence[Any] | None:
    """What the study hands over under a name; a function is asked when first needed."""
    found = opt.study.get(name)
    return found() if callable(found) else found


def each(
    test: str,
    ar: AbnormalReturns,
    window: Window,
    variant: str,
    units: Sequence[Any] | None,
    missing: str,
    answer: Answer,
) -> PairResult:
    """One answer a pair as a PairResult; `missing` where the study has nothing for the test."""
    found = []
    for i in range(ar.size):
        unit = None if units is None else units[i]
        found.append(TestResult.none(test, window, missing, variant) if unit is None else answer(unit))
    names = dict.fromkeys(k for r in found for k in r.extra)
    extra = {k: np.array([_number(r.extra.get(k, np.nan)) for r in found], float) for k in names}
    column = {k: np.array([getattr(r, k) for r in found], float) for k in ("statistic", "p", "df", "n")}
    return PairResult(test, window, **column, variant=variant, reason=tuple(r.reason for r in found), extra=extra)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.number) else np.nan
