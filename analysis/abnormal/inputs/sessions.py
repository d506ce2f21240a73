"""From the time of an announcement to the session, or bar, in which it could first be traded.

The rule: tau = 0 is the first session of the share's own exchange that closes after the news (strictly: news at the
close itself belongs to the next session). News known to the day only, or late in a session, leaves more than one
answer; the windows that cover all of them are named beside it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, overload
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..domain import BoolArray, DateArray, Event, IntArray, Window
from ..errors import AbnormalError, RequestError, UnknownName
from .bargrid import BarGrid, bar_grid, event_bar
from .calendars import (
    AUCTION_MINUTES,
    PANEL,
    SessionCalendar,
    ns,
    panel_calendar,
    reaching,
    require_clock,
    session_calendar,
    utc_ns,
    with_auction,
)  # fmt: skip
from .exchanges import calendar_mic, currency_of, exchange_of, timezone_of
from .moments import WHOLE_DAY_HINTS, Interval, check_words, event_interval, hint_of

__all__ = [
    "AUCTION_MINUTES", "CLASSES", "Alignment", "BarGrid", "Interval", "Placement", "SessionCalendar", "align",
    "align_many", "align_timestamps", "bar_grid", "classify", "currency_of", "event_bar", "event_interval",
    "exchange_of", "panel_calendar", "resume", "session_calendar", "timezone_of",
]  # fmt: skip

HaltPolicy = Literal["shift", "keep"]

CLASSES = ("closed", "pre_open", "lunch", "in_session", "after_close")

LATE = "late in session"
UNKNOWN_TIME = "event time unknown"
UNCERTAIN_HOUR = "event time known to the hour only"
IN_AUCTION = "in closing auction: the close of tau = -1 may hold part of the reaction"
HALF_DAY = "half day"
LATE_OPEN = "late open"

_CLOSED, _PRE_OPEN, _LUNCH, _IN_SESSION, _AFTER_CLOSE = range(5)
_MINUTE = 60_000_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


# ---------------------------------------------------------------------------------------------------- many timestamps


class Placement(NamedTuple):
    """Where timestamps (n,) fall: position of tau = 0 in the calendar, class, and the two cautions."""

    position: IntArray
    reaction_class: NDArray[np.str_]
    late: BoolArray
    in_auction: BoolArray


def classify(ts_utc: ArrayLike, calendar: SessionCalendar) -> tuple[IntArray, NDArray[np.uint8]]:
    """First session that closes after each timestamp, and what the exchange was doing at that moment.

    tau0 = first session s with c_s > ts (strict). The code indexes `CLASSES` and is read on the local date of ts:
    closed (no session on that date), pre_open, lunch, in_session, after_close.

    Parameters
    ----------
    ts_utc : (n,) datetime64, UTC
    calendar : SessionCalendar with a clock

    Returns
    -------
    position (n,) int64 in `calendar.sessions`, code (n,) uint8.

    Raises
    ------
    OutsideCalendar for a time the calendar cannot speak for; RequestError for a panel calendar or a missing time.

    >>> position, code = classify(np.array(["2026-06-12T21:21"], "datetime64[ns]"), session_calendar("XHKG"))
    >>> CLASSES[code[0]]
    'closed'
    """
    return _classify(utc_ns(ts_utc), calendar)


def _classify(ts: IntArray, calendar: SessionCalendar) -> tuple[IntArray, NDArray[np.uint8]]:
    require_clock(calendar)
    closes = ns(calendar.closes)
    at = np.searchsorted(closes, ts, side="right")
    beyond = (at == closes.size) | (ts < calendar.first_instant)
    if beyond.any():
        raise calendar.outside(f"{ts[beyond][0].astype('datetime64[ns]').astype('datetime64[s]')} UTC")
    # The local date of ts is that of tau0, that of the session before it (then it has closed), or of no session.
    code = np.full(ts.shape, _CLOSED, dtype=np.uint8)
    before = np.maximum(at - 1, 0)
    code[(at > 0) & (ts < ns(calendar.day_ends)[before])] = _AFTER_CLOSE
    today = ts >= ns(calendar.day_starts)[at]
    code[today] = _PRE_OPEN
    code[today & (ts >= ns(calendar.opens)[at])] = _IN_SESSION
    code[(ts >= ns(calendar.break_starts)[at]) & (ts < ns(calendar.break_ends)[at])] = _LUNCH
    return at.astype(np.int64), code


def align_timestamps(
    ts: ArrayLike,
    mic: str,
    *,
    calendar: SessionCalendar | None = None,
    closing_auction: bool = False,
    min_reaction_minutes: float = 30,
) -> Placement:
    """Reaction sessions of very many clock times (n,) at once: a million in a fraction of a second.

    `late`: less than `min_reaction_minutes` were left before the close of tau = 0. `in_auction`: the time fell into the
    closing auction after the close, whose price may hold part of the reaction. Errors as in `classify`.

    >>> placed = align_timestamps(np.array(["2026-06-18T07:59"], "datetime64[ns]"), "XHKG")
    >>> str(placed.reaction_class[0]), bool(placed.late[0])
    ('in_session', True)
    """
    moments = utc_ns(ts)
    base = calendar if calendar is not None else _default_calendar(mic, int(moments.max(initial=0)))
    effective = with_auction(base, closing_auction)
    at, code = _classify(moments, effective)
    late, in_auction = _cautions(moments, at, effective, closing_auction, min_reaction_minutes)
    return Placement(at, np.array(CLASSES)[code], late, in_auction)


def _cautions(
    ts: IntArray, at: IntArray, calendar: SessionCalendar, closing_auction: bool, min_reaction_minutes: float
) -> tuple[BoolArray, BoolArray]:
    """Late in tau0 (n,); inside the closing auction of the session before tau0 (n,)."""
    closes = ns(calendar.closes)
    late = closes[at] - ts < int(min_reaction_minutes * _MINUTE)
    auction = 0 if closing_auction else AUCTION_MINUTES.get(calendar.mic, 0) * _MINUTE
    in_auction = (at > 0) & (ts - closes[np.maximum(at - 1, 0)] < auction)
    return late, in_auction


def _default_calendar(mic: str, last_ns: int) -> SessionCalendar:
    if mic == PANEL:
        raise RequestError('calendar="panel" needs the dates of the panel: calendar=panel_calendar(dates)')
    return reaching(calendar_mic(mic), np.datetime64(last_ns, "ns").astype("datetime64[D]"))


# ---------------------------------------------------------------------------------------------------- one event


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """The session in which an event could first be traded on one exchange, and how sure that is.

    session, last: tau_lo = tau0 and tau_hi (equal when the time is known well enough), `position` and `last_position`
    are their places in `calendar`. reaction_class: one of `CLASSES`, or "date_only" where the day does not settle it.
    flags: cautions in plain words. extra_windows: windows that cover what the caution is about. first_ts, last_ts: the
    UTC interval of the news (equal for a clock time; NaT on a panel's own dates).
    """

    event: Event = field(repr=False)
    mic: str
    session: np.datetime64
    last: np.datetime64
    position: int
    last_position: int
    reaction_class: str
    flags: tuple[str, ...]
    extra_windows: tuple[Window, ...]
    first_ts: np.datetime64
    last_ts: np.datetime64
    calendar: SessionCalendar = field(repr=False)
    known: str = "minute"

    @property
    def sentence(self) -> str:
        """What was announced when, the local time of the exchange, and why that session."""
        return _sentence(self)


def align(
    event: Event,
    mic: str,
    *,
    calendar: SessionCalendar | None = None,
    closing_auction: bool = False,
    min_reaction_minutes: float = 30,
) -> Alignment:
    """Session of one exchange in which an event could first be traded.

    A clock time goes to the first session that closes after it. A date (in the event's zone, else the exchange's own,
    narrowed by its session hint) is an interval in UTC: tau0 is the session of its start; where its end belongs to a
    later one, n sessions on, the window (0, n) is added and the event flagged "event time unknown".

    Parameters
    ----------
    event : Event with `at` or `date`
    mic : exchange of the share (`exchange_of(ticker)`), or "panel"
    calendar : sessions to use instead of the exchange's own, for example `panel_calendar(dates)`
    closing_auction : whether sessions end with the closing auction where one is known (XHKG, 10 minutes)
    min_reaction_minutes : less time than this before the close flags "late in session" and adds (0, 1)

    Raises
    ------
    EventError for a naive time, an unknown zone, hint or precision; UnknownName for an unknown exchange;
    OutsideCalendar beyond the calendar; RequestError for a clock time on a panel calendar.

    >>> when = dt.datetime.fromisoformat("2026-06-12T17:21:00-04:00")
    >>> align(Event("order", at=when, precision="minute"), "XHKG").session
    np.datetime64('2026-06-15')
    """
    options: dict[str, Any] = {"closing_auction": closing_auction, "min_reaction_minutes": min_reaction_minutes}
    return align_many([event], [mic], calendar=calendar, **options)[0]


@overload
def align_many(
    events: Sequence[Event], mics: Sequence[str], *, calendar: SessionCalendar | None = ...,
    closing_auction: bool = ..., min_reaction_minutes: float = ..., errors: Literal["raise"] = ...,
) -> list[Alignment]: ...  # fmt: skip
@overload
def align_many(
    events: Sequence[Event], mics: Sequence[str], *, calendar: SessionCalendar | None = ...,
    closing_auction: bool = ..., min_reaction_minutes: float = ..., errors: Literal["return"],
) -> list[Alignment | AbnormalError]: ...  # fmt: skip
def align_many(
    events: Sequence[Event],
    mics: Sequence[str],
    *,
    calendar: SessionCalendar | None = None,
    closing_auction: bool = False,
    min_reaction_minutes: float = 30,
    errors: Literal["raise", "return"] = "raise",
) -> Any:
    """`align` for many pairs: events (n,) and the exchange of each (n,), all pairs of an exchange in one pass.

    With ``errors="return"`` a pair that cannot be placed holds its error instead of an Alignment, and the rest stands.
    """
    if len(events) != len(mics):
        raise RequestError(f"{len(events)} events but {len(mics)} exchanges; give one MIC for each event")
    answers: list[Alignment | AbnormalError | None] = [None] * len(events)
    by_mic: dict[str, list[int]] = {}
    for i, mic in enumerate(mics):
        by_mic.setdefault(mic, []).append(i)
    for mic, rows in by_mic.items():
        placed = _align_on([events[i] for i in rows], mic, calendar, closing_auction, min_reaction_minutes)
        for i, answer in zip(rows, placed, strict=True):
            if errors == "raise" and isinstance(answer, AbnormalError):
                raise answer
            answers[i] = answer
    return answers


def _align_on(
    events: Sequence[Event], mic: str, given: SessionCalendar | None, closing_auction: bool, min_reaction_minutes: float
) -> list[Alignment | AbnormalError]:
    """Alignments of many events on one exchange; what cannot be placed is answered by its error."""
    try:
        calendar = given if given is not None else _default_calendar(mic, _latest_ns(events))
    except AbnormalError as error:
        return [error] * len(events)
    if not calendar.has_clock:
        return [_attempt(_align_on_panel, event, calendar) for event in events]
    effective = with_auction(calendar, closing_auction)
    spans = [_attempt(_placeable, event, effective, closing_auction) for event in events]
    good = [i for i, span in enumerate(spans) if isinstance(span, Interval)]
    found = [spans[i] for i in good]
    first = np.array([s.first for s in found], dtype=np.int64)
    last = np.array([s.last for s in found], dtype=np.int64)
    lo, code = _classify(first, effective)
    hi, _ = _classify(last, effective)
    late, _ = _cautions(last, hi, effective, closing_auction, min_reaction_minutes)
    _, in_auction = _cautions(first, lo, effective, closing_auction, min_reaction_minutes)
    answers: list[Alignment | AbnormalError] = list(spans)
    for j, i in enumerate(good):
        cautions = (bool(late[j]), bool(in_auction[j]))
        answers[i] = _aligned(events[i], found[j], int(lo[j]), int(hi[j]), CLASSES[code[j]], cautions, effective)
    return answers


def _attempt(function: Any, *args: Any) -> Any:
    """What the function gives, or the error it raised on purpose."""
    try:
        return function(*args)
    except AbnormalError as error:
        return error


def _latest_ns(events: Iterable[Event]) -> int:
    """A time after which none of the events can have come out; 1970 where none is dated."""
    days = [e.day for e in events if e.at is not None or e.date is not None]
    last = max(days, default=dt.date(1970, 1, 1)) + dt.timedelta(days=9)
    return (last - dt.date(1970, 1, 1)).days * 1440 * _MINUTE


def _placeable(event: Event, calendar: SessionCalendar, closing_auction: bool) -> Interval:
    """The event's interval, or OutsideCalendar where one of its ends cannot be placed."""
    span = event_interval(event, calendar, closing_auction=closing_auction)
    if span.first < calendar.first_instant or span.last >= ns(calendar.closes)[-1]:
        raise calendar.outside(f"event {event.id!r} ({_long_date(event.day)})")
    return span


def _aligned(
    event: Event, span: Interval, lo: int, hi: int, name: str, cautions: tuple[bool, bool], calendar: SessionCalendar
) -> Alignment:
    timed = span.known in ("minute", "hour")
    late, in_auction = timed and cautions[0], timed and cautions[1]
    raised = {
        UNCERTAIN_HOUR: span.known == "hour",
        UNKNOWN_TIME: hi > lo,
        LATE: late,
        IN_AUCTION: in_auction,
        HALF_DAY: calendar.half_day[lo],
        LATE_OPEN: calendar.late_open[lo],
    }
    forward = hi - lo + int(late)
    windows = [(0, forward)] * (forward > 0) + [(-1, 0)] * in_auction
    return Alignment(
        event, calendar.mic, calendar.sessions[lo], calendar.sessions[hi], lo, hi, name if lo == hi else "date_only",
        span.notes + tuple(flag for flag, up in raised.items() if up), tuple(windows),
        np.datetime64(span.first, "ns"), np.datetime64(span.last, "ns"), calendar, span.known,
    )  # fmt: skip


def _align_on_panel(event: Event, calendar: SessionCalendar) -> Alignment:
    """On a panel's own dates a day is all there is: the date itself or, after the close, the next."""
    if event.at is not None:
        require_clock(calendar)
    check_words(event)
    day = np.datetime64(event.day, "D")
    on_day = bool(calendar.is_session([day])[0])
    waits = hint_of(event) == "after_close" and event.precision != "week" and on_day and not event.session_market
    first = day + int(waits)
    lo, hi = calendar.position([first, day + 6 if event.precision == "week" else first]).tolist()
    flags = (UNKNOWN_TIME,) * (hi > lo)
    if hint_of(event) not in WHOLE_DAY_HINTS and event.session_market:
        flags += (
            f'session hint not used: a panel has no clock of {event.session_market}; set calendar="XHKG" or the like',
        )
    name = "date_only" if hi > lo or (on_day and not waits) else "after_close" if waits else "closed"
    nat = np.datetime64("NaT", "ns")
    return Alignment(
        event, PANEL, calendar.sessions[lo], calendar.sessions[hi], lo, hi, name, flags,
        ((0, hi - lo),) * (hi > lo), nat, nat, calendar, "week" if event.precision == "week" else "day",
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- in words


def _sentence(a: Alignment) -> str:
    what = a.event.title or a.event.id
    told = (
        _panel_words(a) if not a.calendar.has_clock else _clock_words(a) if a.known == "minute" else _interval_words(a)
    )
    cautions = f" Caution: {'; '.join(a.flags)}." if a.flags else ""
    return f"{what}: {told}{cautions}"


def _clock_words(a: Alignment) -> str:
    at = a.event.at
    assert at is not None
    there = _local(a.first_ts, a.calendar.tz)
    same_clock = at.utcoffset() == there.utcoffset()
    here = "" if same_clock else f", which was {_long_time(there)} in {_city(a.calendar.tz)}"
    return (
        f"announced {_long_time(at)} {_zone_label(a.event)}{here}, {_circumstance(a)}; "
        f"the first session to close after it is {_long_date(a.session)}."
    )


def _circumstance(a: Alignment) -> str:
    i = a.position

    def clock(times: DateArray, at: int) -> str:
        return f"{_local(times[at], a.calendar.tz):%H:%M}"

    words = {
        "closed": lambda: f"a day without a session at {a.mic}",
        "pre_open": lambda: f"before {a.mic} opened at {clock(a.calendar.opens, i)}",
        "lunch": lambda: f"in the lunch break of {a.mic}, which ended at {clock(a.calendar.break_ends, i)}",
        "in_session": lambda: f"while {a.mic} was trading (close {clock(a.calendar.closes, i)})",
        "after_close": lambda: f"when {a.mic} had closed at {clock(a.calendar.closes, i - 1)}",
    }
    return words[a.reaction_class]()


def _interval_words(a: Alignment) -> str:
    first, last = (_local(t, a.calendar.tz) for t in (a.first_ts, a.last_ts))
    told = f"known to the {a.known} only, {_long_time(first)} to {_long_time(last)} in {_city(a.calendar.tz)}; "
    if a.last_position == a.position:
        return told + f"all of it belongs to the session of {_long_date(a.session)} at {a.mic}."
    return told + (
        f"the first session of {a.mic} to close after its beginning is {_long_date(a.session)}, after its end "
        f"{_long_date(a.last)}."
    )


def _panel_words(a: Alignment) -> str:
    moved = "" if a.session == np.datetime64(a.event.day, "D") else f", counted from {_long_date(a.session)}"
    return f"dated {_long_date(a.event.day)}{moved} (the panel's own dates are the sessions)."


def _local(ts: np.datetime64, tz: str) -> dt.datetime:
    return (_EPOCH + dt.timedelta(microseconds=int(ts.astype(np.int64)) // 1000)).astimezone(ZoneInfo(tz))


def _long_date(day: dt.date | np.datetime64) -> str:
    date: dt.date = day.astype("datetime64[D]").item() if isinstance(day, np.datetime64) else day
    return f"{date:%A} {date.day} {date:%B %Y}"


def _long_time(moment: dt.datetime) -> str:
    return f"{_long_date(moment)} {moment:%H:%M}"


def _city(tz: str) -> str:
    return tz.rpartition("/")[2].replace("_", " ")


def _zone_label(event: Event) -> str:
    """The city of the zone a time was given in, else its offset as UTC-04:00."""
    assert event.at is not None
    zone = getattr(event.at.tzinfo, "key", "")
    return _city(zone) if zone else f"UTC{event.at.isoformat()[-6:]}"


# ---------------------------------------------------------------------------------------------------- trading halts


def resume(
    position: ArrayLike, traded: ArrayLike, policy: HaltPolicy = "shift", row: ArrayLike | None = None
) -> IntArray:
    """Reaction session of a share that may have been halted: the first session with a trade at or after tau0.

    Parameters
    ----------
    position : (E,) positions of tau0 on the session axis
    traded : (T,) for one share, (E, T) a row for each pair, or (S, T) with `row`
    policy : "shift" moves tau0 to the resumption session, "keep" leaves it
    row : (E,) row of `traded` for each pair

    Returns
    -------
    (E,) int64; -1 where the share never traded again or tau0 lies outside the axis.

    >>> resume([1, 3], [True, False, False, True, False]).tolist()
    [3, 3]
    """
    at = np.atleast_1d(np.asarray(position, dtype=np.int64))
    if policy == "keep":
        return at.copy()
    if policy != "shift":
        raise UnknownName("halt policy", policy, ("shift", "keep"))
    open_ = np.atleast_2d(np.asarray(traded, dtype=bool))
    rows = np.zeros(at.size, np.int64) if open_.shape[0] == 1 else np.arange(at.size)
    if row is not None:
        rows = np.asarray(row, dtype=np.int64)
    elif open_.shape[0] not in (1, at.size):
        raise RequestError(f"{at.size} positions but {open_.shape[0]} rows of trades; say which with row=")
    size = open_.shape[1]
    later = np.where(open_, np.arange(size), size)
    later = np.minimum.accumulate(later[:, ::-1], axis=1)[:, ::-1]
    inside = (at >= 0) & (at < size)
    found = later[rows, np.where(inside, at, 0)]
    return np.where(inside & (found < size), found, -1)
