"""The grid of intraday bars an exchange's sessions give, and the bar in which news could first be traded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..domain import DateArray, IntArray
from ..errors import OutsideCalendar, RequestError
from .calendars import AUCTION_MINUTES, SessionCalendar, ns, require_clock, utc_ns

_MINUTE = 60_000_000_000


class BarGrid(NamedTuple):
    """Bars of some sessions in time order, all (n,): start and end in UTC nanoseconds (a bar holds start <= ts < end),
    position of the session in the calendar, and slot: rank of the bar's local clock time, equal on all days."""

    starts: DateArray
    ends: DateArray
    session: IntArray
    slot: IntArray


def bar_grid(calendar: SessionCalendar, first: Any, last: Any, minutes: int, closing_auction: bool = False) -> BarGrid:
    """The regular grid of intraday bars from session `first` to session `last` (dates, both included).

    Bars start at the open and after the lunch break, never cross either, and the last one before a break or close is
    cut short. Half days and late opens give fewer bars, in the same slots as on other days. With `closing_auction` the
    auction, where one is known (XHKG), is one more bar of its own.

    >>> from abnormal.inputs.calendars import session_calendar
    >>> grid = bar_grid(session_calendar("XHKG"), "2026-06-15", "2026-06-15", 60)
    >>> grid.slot.tolist(), str(grid.ends[2])
    ([0, 1, 2, 3, 4, 5], '2026-06-15T04:00:00.000000000')
    """
    require_clock(calendar)
    if minutes != int(minutes) or minutes < 1:
        raise RequestError(f"bars of {minutes} minutes; give a whole number of at least 1")
    inside = calendar.position([first], "next")[0], calendar.position([last], "previous")[0] + 1
    from_, until, session = _segments(calendar, np.arange(*inside), closing_auction)
    step = np.where(from_ == ns(calendar.closes)[session], until - from_, int(minutes) * _MINUTE)  # one auction bar
    count = -(-(until - from_) // step)
    bar = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    starts = np.repeat(from_, count) + bar * np.repeat(step, count)
    ends = np.minimum(starts + np.repeat(step, count), np.repeat(until, count))
    of = np.repeat(session, count)
    _, slot = np.unique(starts - ns(calendar.day_starts)[of], return_inverse=True)
    return BarGrid(starts.view("datetime64[ns]"), ends.view("datetime64[ns]"), of, slot.astype(np.int64))


def _segments(calendar: SessionCalendar, at: IntArray, closing_auction: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Stretches of unbroken trading in time order: start and end in nanoseconds, position of the session, all (m,)."""
    opens, closes = ns(calendar.opens)[at], ns(calendar.closes)[at]
    has_break = ~np.isnat(calendar.break_starts[at])
    noon = np.where(has_break, ns(calendar.break_starts)[at], closes)
    again = np.where(has_break, ns(calendar.break_ends)[at], closes)
    auction = AUCTION_MINUTES.get(calendar.mic, 0) * _MINUTE if closing_auction else 0
    starts = np.stack((opens, again, closes), axis=1).ravel()
    ends = np.stack((noon, closes, closes + auction), axis=1).ravel()
    trading = ends > starts
    return starts[trading], ends[trading], np.repeat(at, 3)[trading]


def event_bar(ts: ArrayLike, ends: ArrayLike) -> IntArray:
    """First bar whose END is after each timestamp (n,), in a grid with bar ends (m,) in time order, all UTC.

    A bar holds its own start and not its end. News in the lunch break or at night goes to the next bar. Raises
    OutsideCalendar for a time after the last bar.

    >>> from abnormal.inputs.calendars import session_calendar
    >>> grid = bar_grid(session_calendar("XHKG"), "2026-06-15", "2026-06-15", 60)
    >>> event_bar(np.array(["2026-06-15T04:30"], "datetime64[ns]"), grid.ends).tolist()
    [3]
    """
    moments, stops = utc_ns(ts), utc_ns(ends)
    found = np.searchsorted(stops, moments, side="right")
    if np.any(found == stops.size):
        late = moments[found == stops.size][0].astype("datetime64[ns]")
        raise OutsideCalendar(f"{late} UTC lies after the last bar; take more sessions into the grid")
    return found.astype(np.int64)
