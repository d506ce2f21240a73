"""When did it happen? What an event record says of its time, as an interval in UTC."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from ..domain import PRECISIONS, SESSION_HINTS, Event
from ..errors import EventError, UnknownName, did_you_mean
from .calendars import SessionCalendar, ns, reaching, with_auction
from .exchanges import calendar_mic

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
WHOLE_DAY_HINTS = ("weekend", "unknown")


class Interval(NamedTuple):
    """The UTC instants, in nanoseconds and both included, between which the news can have come out."""

    first: int
    last: int
    known: str  # "minute", "hour", "day" or "week": how well the time is known
    notes: tuple[str, ...] = ()


def event_interval(event: Event, calendar: SessionCalendar, *, closing_auction: bool = False) -> Interval:
    """The UTC instants between which the news can have come out, for a pair whose exchange has this calendar.

    A clock time is one instant (its hour with precision "hour", seven days on with "week"). A date is its day in the
    event's zone (empty = the exchange's own), seven days with precision "week", or the part of it that the session hint
    names on the calendar of `session_market` (default: this one): pre_open [00:00, open), in_session [open, close),
    after_close [close, 24:00). A hint for a day on which that market is closed is not used, and noted.

    Raises EventError, UnknownName, OutsideCalendar.
    """
    check_words(event)
    if event.at is not None:
        return _clock_interval(event)
    hint = hint_of(event)
    if event.precision == "week":
        note = () if hint in WHOLE_DAY_HINTS else ("session hint not used: only the week is known",)
        return _days(event, event.timezone or calendar.tz, 7, "week", note)
    if hint in WHOLE_DAY_HINTS:
        return _days(event, event.timezone or calendar.tz, 1, "day")
    return _hinted_interval(event, hint, _hint_calendar(event, calendar, closing_auction))


def _clock_interval(event: Event) -> Interval:
    at = event.at
    assert at is not None
    if at.utcoffset() is None:
        raise EventError(
            f"event {event.id!r}: field `at` is {at.isoformat()}, a time without a zone; write its offset, for example "
            f'at: "{at.isoformat()}-04:00" for New York in summer, or give `date` and `timezone` instead'
        )
    if event.precision == "hour":
        hour = at.replace(minute=0, second=0, microsecond=0)
        return Interval(_instant(hour), _instant(hour + dt.timedelta(hours=1)) - 1, "hour")
    if event.precision == "week":
        return Interval(_instant(at), _instant(at + dt.timedelta(days=7)) - 1, "week")
    return Interval(_instant(at), _instant(at), "minute")


def _days(event: Event, tz: str, count: int, known: str, notes: tuple[str, ...] = ()) -> Interval:
    """Whole days of the zone, from the event's date."""
    zone = _zone(event, tz)
    start, end = (dt.datetime.combine(event.day + dt.timedelta(days=n), dt.time(), zone) for n in (0, count))
    return Interval(_instant(start), _instant(end) - 1, known, notes)


def _hint_calendar(event: Event, calendar: SessionCalendar, closing_auction: bool) -> SessionCalendar:
    if not event.session_market or calendar_mic(event.session_market) == calendar.mic:
        return calendar
    try:
        market = reaching(calendar_mic(event.session_market), np.datetime64(event.day, "D"))
    except UnknownName as error:
        raise EventError(f"event {event.id!r}: field `session_market`: {error}") from error
    return with_auction(market, closing_auction)


def _hinted_interval(event: Event, hint: str, market: SessionCalendar) -> Interval:
    day = np.datetime64(event.day, "D")
    if not market.is_session([day])[0]:
        note = f"session hint not used: {day} is not a session of {market.mic}"
        return _days(event, event.timezone or market.tz, 1, "day", (note,))
    i = int(market.position([day])[0])
    start, end = {
        "pre_open": (market.day_starts, market.opens),
        "in_session": (market.opens, market.closes),
        "after_close": (market.closes, market.day_ends),
    }[hint]
    return Interval(int(ns(start)[i]), int(ns(end)[i]) - 1, "day")


def hint_of(event: Event) -> str:
    """The session hint under one name each: intraday is in_session, post_close is after_close."""
    return {"intraday": "in_session", "post_close": "after_close", "": "unknown"}.get(
        event.session_hint, event.session_hint
    )


def check_words(event: Event) -> None:
    """Raise EventError for a hint, precision or zone that is no such thing."""
    for name, value, known in (
        ("session_hint", event.session_hint or "unknown", SESSION_HINTS),
        ("precision", event.precision, PRECISIONS),
    ):
        if value not in known:
            near = did_you_mean(str(value), known)
            raise EventError(f"event {event.id!r}: {name} {value!r} is none of {', '.join(known)}{near}")
    if event.timezone:
        _zone(event, event.timezone)


def _zone(event: Event, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        raise EventError(
            f"event {event.id!r}: field `timezone` is {name!r}, not a zone{near}; write one such as America/New_York"
        ) from None


def _instant(moment: dt.datetime) -> int:
    """Nanoseconds since 1970 in UTC, exact to the microsecond."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1) * 1000
