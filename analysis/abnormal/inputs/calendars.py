"""Which sessions does an exchange have, and from when to when does each of them trade? All times in UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike

from ..domain import BoolArray, DateArray, IntArray
from ..errors import OutsideCalendar, RequestError
from .exchanges import calendar_mic
from .hours import (
    BREAK_END,
    BREAK_START,
    CLOSE,
    HORIZON,
    OPEN,
    Day,
    LocalHours,
    as_day,
    library_hours,
    overrides,
    stored_hours,
    with_overrides,
    zone_of,
)

Side = Literal["next", "previous", "exact"]
PANEL = "panel"
# Minutes after the close in which the closing auction may still strike the official price.
AUCTION_MINUTES = {"XHKG": 10}

_MINUTE = 60_000_000_000
_NAT = np.datetime64("NaT", "ns")


# ---------------------------------------------------------------------------------------------------- the calendar


@dataclass(frozen=True, slots=True, eq=False)
class SessionCalendar:
    """The sessions of one exchange in time order, with their hours in UTC.

    sessions (T,) datetime64[D] local dates; opens, closes, break_starts, break_ends (T,) datetime64[ns] UTC, NaT where
    there is no break; day_starts, day_ends (T,) datetime64[ns] UTC midnights around the local date; half_day (T,):
    closes earlier than usual, late_open (T,): opens later; known: first and last day the calendar can speak for.
    A panel calendar (`panel_calendar`) has no clock: mic "panel", no zone, all times NaT.
    """

    mic: str
    tz: str
    sessions: DateArray
    opens: DateArray
    closes: DateArray
    break_starts: DateArray
    break_ends: DateArray
    day_starts: DateArray = field(repr=False)
    day_ends: DateArray = field(repr=False)
    half_day: BoolArray = field(repr=False)
    late_open: BoolArray = field(repr=False)
    known: tuple[np.datetime64, np.datetime64]

    def __len__(self) -> int:
        return int(self.sessions.size)

    def __repr__(self) -> str:
        return f"SessionCalendar({self.mic}, {len(self)} sessions, {self.first} to {self.last})"

    @property
    def first(self) -> np.datetime64:
        """First session."""
        return self.sessions[0]

    @property
    def last(self) -> np.datetime64:
        """Last session."""
        return self.sessions[-1]

    @property
    def has_clock(self) -> bool:
        """Whether sessions have opening hours (a panel's own dates have none)."""
        return bool(self.tz)

    @property
    def first_instant(self) -> int:
        """Nanoseconds UTC of the midnight that begins the first day the calendar can speak for."""
        day = dt.date.fromisoformat(str(self.known[0]))
        return int(self.known[0].astype("datetime64[ns]").astype(np.int64)) - _offset(ZoneInfo(self.tz), day)

    def is_session(self, dates: ArrayLike) -> BoolArray:
        """Whether each date (n,) is a session; a date outside the calendar is an error, not a no."""
        days = self._inside(dates)
        found = np.minimum(np.searchsorted(self.sessions, days), len(self) - 1)
        return self.sessions[found] == days

    def position(self, dates: ArrayLike, side: Side = "next") -> IntArray:
        """Position of the session on each date (n,), or of the next / previous one where the date is none.

        `side="exact"` raises RequestError for a date without a session. Raises OutsideCalendar.
        """
        days = self._inside(dates)
        if side == "previous":
            found = np.searchsorted(self.sessions, days, side="right") - 1
        else:
            found = np.searchsorted(self.sessions, days, side="left")
        if side == "exact":
            self._require_sessions(days)
        if np.any((found < 0) | (found >= len(self))):
            raise self.outside(days[(found < 0) | (found >= len(self))][0])
        return np.asarray(found, dtype=np.int64)

    def offset(self, date: Day, k: int) -> np.datetime64:
        """The session k sessions after (before, if negative) the session `date`."""
        there = int(self.position(as_day(date), "exact")[0]) + k
        if not 0 <= there < len(self):
            raise OutsideCalendar(
                f"{k:+d} sessions from {as_day(date)} leaves the calendar of {self.mic} "
                f"({self.first} to {self.last}); take a shorter window"
            )
        return self.sessions[there]

    def between(self, start: Day | None, end: Day | None) -> SessionCalendar:
        """The same calendar cut to sessions in [start, end]."""
        lo = self.known[0] if start is None else max(as_day(start), self.known[0])
        hi = self.known[1] if end is None else min(as_day(end), self.known[1])
        keep = slice(*np.searchsorted(self.sessions, [lo, hi + 1]))
        if keep.start >= keep.stop:
            raise RequestError(f"{self.mic} has no session from {lo} to {hi}")
        return replace(self, **{name: getattr(self, name)[keep] for name in _ARRAYS}, known=(lo, hi))

    def outside(self, asked: Any) -> OutsideCalendar:
        """The error for a day or time this calendar cannot speak for."""
        lo, hi = self.known
        if self.mic == PANEL:
            return OutsideCalendar(f"{asked} lies outside the panel, whose dates run from {self.first} to {self.last}")
        return OutsideCalendar(
            f"{asked} lies outside the calendar of {self.mic}, known from {lo} to {hi} (last session {self.last}). "
            f"Install a newer exchange_calendars (pip install -U exchange-calendars) and ask it with "
            f'session_calendar("{self.mic}", start=..., end=...), or count the sessions of the price panel itself '
            f'with calendar="panel"'
        )

    def _inside(self, dates: ArrayLike) -> DateArray:
        days = np.atleast_1d(np.asarray(dates, dtype="datetime64[D]"))
        wrong = ~((days >= self.known[0]) & (days <= self.known[1]))
        if wrong.any():
            raise self.outside(days[wrong][0])
        return days

    def _require_sessions(self, days: DateArray) -> None:
        wrong = ~self.is_session(days)
        if wrong.any():
            day = days[wrong][0]
            near = self.sessions[np.clip(np.searchsorted(self.sessions, day) + np.array([-1, 0]), 0, len(self) - 1)]
            raise RequestError(f"{day} is not a session of {self.mic}; the nearest ones are {near[0]} and {near[1]}")


_ARRAYS = (
    "sessions", "opens", "closes", "break_starts", "break_ends", "day_starts", "day_ends", "half_day", "late_open",
)  # fmt: skip


def session_calendar(mic: str, start: Day | None = None, end: Day | None = None) -> SessionCalendar:
    """The sessions of an exchange with their hours in UTC, from `start` to `end` (both included; cached).

    Without bounds: from 1990 (Tokyo, Mumbai 1997, Shanghai December 1990) through 2027-12-31, or as far as holidays are
    recorded (Shanghai, Mumbai, Singapore: 2026-12-31). Stored tables answer without loading exchange_calendars; other
    exchanges and dates are computed by it. Corrections of `overrides.csv` are applied to both.

    Raises UnknownName for an unknown MIC, OutsideCalendar beyond what is known.

    >>> session_calendar("XHKG").offset("2026-06-15", 3)
    np.datetime64('2026-06-18')
    """
    bounds = (None if start is None else as_day(start), None if end is None else as_day(end))
    return _calendar(calendar_mic(mic), *bounds)


@lru_cache(maxsize=64)
def _calendar(mic: str, start: np.datetime64 | None, end: np.datetime64 | None) -> SessionCalendar:
    if start is None and end is None:
        stored = stored_hours(mic)
        return _in_utc(mic, library_hours(mic, None, None) if stored is None else stored)
    whole = _calendar(mic, None, None)
    if (start is None or start >= whole.known[0]) and (end is None or end <= whole.known[1]):
        return whole.between(start, end)
    first, last = whole.known
    try:
        hours = library_hours(mic, first if start is None else start, last if end is None else end)
    except OutsideCalendar as error:
        raise whole.outside(start if start is not None and start < first else end) from error
    return _in_utc(mic, hours)


def reaching(mic: str, day: np.datetime64) -> SessionCalendar:
    """The default calendar of an exchange, extended by the installed library where the stored table ends before `day`.

    Where the library knows no more either, the default one comes back and refuses what lies outside it.
    """
    calendar = session_calendar(mic)
    if min(day, HORIZON) <= calendar.known[1]:
        return calendar
    try:
        return session_calendar(mic, end=HORIZON)
    except OutsideCalendar:
        return calendar


def panel_calendar(dates: ArrayLike) -> SessionCalendar:
    """The panel's own dates (T,) as sessions, for ``calendar="panel"``: no clock times, only days."""
    days = np.unique(np.asarray(dates, dtype="datetime64[D]"))
    days = days[~np.isnat(days)]
    if days.size == 0:
        raise RequestError("a panel without dates has no calendar; give at least one dated row")
    never = np.full(days.size, _NAT)
    no = np.zeros(days.size, dtype=bool)
    return SessionCalendar(PANEL, "", days, never, never, never, never, never, never, no, no, (days[0], days[-1]))


def _in_utc(mic: str, hours: LocalHours) -> SessionCalendar:
    """Local hours, corrected by the overlay, as a calendar in UTC."""
    tz = zone_of(mic)
    right = with_overrides(hours, [o for o in overrides() if o.mic == mic])
    starts, ends, times = _utc(right.sessions, right.minutes, tz)
    arrays = {
        "sessions": right.sessions,
        "opens": times[:, OPEN],
        "closes": times[:, CLOSE],
        "break_starts": times[:, BREAK_START],
        "break_ends": times[:, BREAK_END],
        "day_starts": starts,
        "day_ends": ends,
        "half_day": right.minutes[:, CLOSE] < right.usual[:, CLOSE],
        "late_open": right.minutes[:, OPEN] > right.usual[:, OPEN],
    }
    frozen = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    for array in frozen.values():
        array.flags.writeable = False
    return SessionCalendar(mic=mic, tz=tz, **frozen, known=right.known)


def _utc(sessions: DateArray, minutes: IntArray, tz: str) -> tuple[DateArray, DateArray, DateArray]:
    """UTC start (T,) and end (T,) of each local date, and UTC times (T, 4) of its local minutes."""
    zone = ZoneInfo(tz)
    days = np.arange(sessions[0], sessions[-1] + 2)
    shift = np.array([_offset(zone, day) for day in days.tolist()])
    midnights = days.astype("datetime64[ns]").astype(np.int64) - shift
    at = np.searchsorted(days, sessions)
    times = midnights[at, None] + minutes * _MINUTE
    for row in np.flatnonzero(shift[at] != shift[at + 1]):  # the clock changes on a session day
        day = sessions[row].tolist()
        local = np.datetime64(day, "ns").astype(np.int64) + minutes[row] * _MINUTE
        times[row] = local - [_offset(zone, day, int(m)) for m in minutes[row]]
    utc = np.where(minutes < 0, _NAT, times.astype("datetime64[ns]"))
    return midnights[at].astype("datetime64[ns]"), midnights[at + 1].astype("datetime64[ns]"), utc


def _offset(zone: ZoneInfo, day: dt.date, minute: int = 0) -> int:
    """Nanoseconds local time is ahead of UTC."""
    shift = zone.utcoffset(dt.datetime(day.year, day.month, day.day, *divmod(max(minute, 0), 60)))
    assert shift is not None
    return int(shift.total_seconds()) * 1_000_000_000


# ---------------------------------------------------------------------------------------------------- clock times


def with_auction(calendar: SessionCalendar, closing_auction: bool = True) -> SessionCalendar:
    """The calendar whose sessions end with the closing auction, where asked for and where one is known."""
    minutes = AUCTION_MINUTES.get(calendar.mic, 0) if closing_auction else 0
    return replace(calendar, closes=calendar.closes + np.timedelta64(minutes, "m")) if minutes else calendar


def require_clock(calendar: SessionCalendar) -> None:
    """Raise RequestError for a calendar whose sessions have no hours."""
    if not calendar.has_clock:
        raise RequestError(
            'a clock time cannot be placed on the dates of a price panel; set calendar="XHKG" (or the MIC of the '
            "exchange the shares trade on)"
        )


def ns(times: DateArray) -> IntArray:
    """UTC times (n,) datetime64[ns] as nanoseconds since 1970."""
    return times.view(np.int64)


def utc_ns(ts: ArrayLike) -> IntArray:
    """Timestamps (n,) in UTC of any datetime64 unit as nanoseconds; RequestError for anything else or a missing one."""
    times = np.atleast_1d(np.asarray(ts))
    if times.dtype.kind != "M":
        raise RequestError(
            f"timestamps must be datetime64 in UTC, not {times.dtype}; a pandas column with a zone becomes that by "
            'column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()'
        )
    if np.isnat(times).any():
        raise RequestError(f"row {int(np.flatnonzero(np.isnat(times))[0])} has no timestamp; leave such rows out")
    return times.astype("datetime64[ns]").view(np.int64)
