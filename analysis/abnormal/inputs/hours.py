"""Trading hours of an exchange on its own clock: stored tables, the library, and our corrections.

A table (`data/calendars/sessions_<MIC>.csv`, written by `make.py` from exchange_calendars) holds the rule and the days
that break it: hours from a date on, weekdays without a session, single days with hours of their own. Other exchanges
and dates are computed by the library. `data/calendars/overrides.csv` corrects both.
"""

from __future__ import annotations

import csv
import datetime as dt
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import DateArray, IntArray
from ..errors import BadData, OutsideCalendar, RequestError, UnknownName
from .bundled import data_path
from .exchanges import EXCHANGES, calendar_mic, known_mics, timezone_of

Day = dt.date | np.datetime64 | str

EARLIEST = np.datetime64("1990-01-01", "D")
HORIZON = np.datetime64("2027-12-31", "D")
OVERRIDE_KINDS = ("closed", "open", "late_open", "early_close")

OPEN, BREAK_START, BREAK_END, CLOSE = range(4)
_MINUTE = 60_000_000_000
# A rule of opening hours holds for at least this many sessions in a row; shorter runs are exceptions (half days).
_SHORTEST_RULE = 10


def as_day(value: Day) -> np.datetime64:
    """A date, ISO text or datetime64 as datetime64[D]."""
    return np.asarray([value], dtype="datetime64[D]")[0]


@dataclass(frozen=True, slots=True, eq=False)
class LocalHours:
    """Sessions with their hours on the local clock.

    sessions (T,) datetime64[D]; minutes (T, 4) int64 after local midnight: open, break start, break end, close (-1 =
    none); usual (T, 4): the hours that were the rule at the time; known: first and last day spoken for.
    """

    sessions: DateArray
    minutes: IntArray
    usual: IntArray
    known: tuple[np.datetime64, np.datetime64]


def usual_hours(minutes: IntArray) -> IntArray:
    """Hours (T, 4) that were the rule at each session: the last ones that held for ten sessions in a row."""
    changes = np.flatnonzero(np.any(np.diff(minutes, axis=0) != 0, axis=1)) + 1
    starts = np.concatenate(([0], changes))
    lengths = np.diff(np.concatenate((starts, [len(minutes)])))
    rule = np.where(lengths >= min(_SHORTEST_RULE, lengths.max()), np.arange(starts.size), -1)
    rule = np.maximum.accumulate(rule)
    rule[rule < 0] = rule[rule >= 0][0]
    return minutes[np.repeat(starts[rule], lengths)]


# ---------------------------------------------------------------------------------------------------- stored tables


def table_path(mic: str) -> Path:
    """Where the stored table of an exchange is, whether it exists or not."""
    return data_path("calendars", f"sessions_{mic}.csv")


def stored_mics() -> list[str]:
    """Exchanges whose sessions are stored and need no library."""
    return [e.mic for e in EXCHANGES if table_path(e.mic).is_file()]


def stored_hours(mic: str) -> LocalHours | None:
    """Sessions of the stored table before our corrections, or None where there is none."""
    path = table_path(mic)
    if mic not in known_mics() or not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as lines:
        return read_table(csv.DictReader(line for line in lines if not line.startswith("#")))


def read_table(rows: Iterable[dict[str, str]]) -> LocalHours:
    """Sessions from the rows of a stored table: weekdays less the closed ones, hours by rule and exception."""
    by_kind: dict[str, list[dict[str, str]]] = {
        kind: [] for kind in ("known_from", "known_to", "closed", "hours", "day")
    }
    for row in rows:
        by_kind[row["kind"]].append(row)
    dates = {kind: np.array([r["date"] for r in found], dtype="datetime64[D]") for kind, found in by_kind.items()}
    clock = {kind: np.array([_row_minutes(r) for r in by_kind[kind]]).reshape(-1, 4) for kind in ("hours", "day")}
    known = (dates["known_from"][0], dates["known_to"][0])
    days = np.arange(known[0], known[1] + 1)
    keep = np.is_busday(days)
    keep[np.searchsorted(days, dates["closed"])] = False
    keep[np.searchsorted(days, dates["day"])] = True
    sessions = days[keep & (days >= dates["hours"][0])]
    usual = clock["hours"][np.searchsorted(dates["hours"], sessions, side="right") - 1]
    minutes = usual.copy()
    minutes[np.searchsorted(sessions, dates["day"])] = clock["day"]
    return LocalHours(sessions, minutes, usual, known)


def table_rows(hours: LocalHours) -> list[list[str]]:
    """Rows `date, kind, open, break_start, break_end, close` from which `read_table` gives back the same hours."""
    sessions, usual = hours.sessions, hours.usual
    none = [""] * 4
    rows = [[str(hours.known[0]), "known_from", *none], [str(hours.known[1]), "known_to", *none]]
    changes = np.concatenate(([True], np.any(np.diff(usual, axis=0) != 0, axis=1)))
    rows += [[str(sessions[i]), "hours", *map(_clock, usual[i])] for i in np.flatnonzero(changes)]
    weekdays = np.arange(sessions[0], hours.known[1] + 1)
    closed = np.setdiff1d(weekdays[np.is_busday(weekdays)], sessions)
    rows += [[str(day), "closed", *none] for day in closed]
    odd = np.any(hours.minutes != usual, axis=1) | ~np.is_busday(sessions)
    rows += [[str(sessions[i]), "day", *map(_clock, hours.minutes[i])] for i in np.flatnonzero(odd)]
    return sorted(rows, key=lambda row: (row[0], row[1]))


def _row_minutes(row: dict[str, str]) -> list[int]:
    return [_minute(row[name]) for name in ("open", "break_start", "break_end", "close")]


def _minute(clock: str) -> int:
    """Minutes after midnight of "HH:MM"; -1 for an empty text."""
    return int(clock[:2]) * 60 + int(clock[3:5]) if clock else -1


def _clock(minute: int) -> str:
    return "" if minute < 0 else f"{minute // 60:02d}:{minute % 60:02d}"


# ---------------------------------------------------------------------------------------------------- the library


def library_hours(mic: str, start: Day | None = None, end: Day | None = None) -> LocalHours:
    """Sessions as exchange_calendars computes them, before our corrections (loads the library).

    Bounds left out are 1990 and 2027-12-31, or what the library records. Raises UnknownName, OutsideCalendar.
    """
    default = _library_calendar(mic)
    least, most = default.bound_min(), default.bound_max()
    lo = max(EARLIEST, _or_day(least, EARLIEST)) if start is None else as_day(start)
    hi = min(HORIZON, _or_day(most, HORIZON)) if end is None else as_day(end)
    try:
        found = _library_calendar(mic, start=str(lo), end=str(hi))
    except ValueError as error:
        raise OutsideCalendar(f"{mic} from {lo} to {hi}: exchange_calendars answers: {error}") from error
    sessions = found.sessions.to_numpy().astype("datetime64[D]")
    columns = ("open", "break_start", "break_end", "close")
    minutes = np.stack([_local_minutes(found.schedule[c], sessions, str(found.tz)) for c in columns], axis=1)
    if np.any(minutes[:, OPEN] < 0):
        raise RequestError(f"sessions of {mic} begin on the evening before; only exchanges that open by day are known")
    return LocalHours(sessions, minutes, usual_hours(minutes), (lo, hi))


def _library_calendar(mic: str, **bounds: str) -> Any:
    import exchange_calendars

    try:
        with (
            warnings.catch_warnings()
        ):  # what the library uses of pandas may go out of fashion; its users cannot help it
            warnings.simplefilter("ignore", DeprecationWarning)
            return exchange_calendars.get_calendar(mic, **bounds)
    except exchange_calendars.errors.InvalidCalendarName:
        names = exchange_calendars.get_calendar_names(include_aliases=False)
        hint = f"Known MICs: {' '.join(known_mics())} and all of exchange_calendars"
        raise UnknownName("exchange", mic, sorted({*names, *known_mics()}), hint) from None


def zone_of(mic: str) -> str:
    """IANA zone of any exchange we or the library know."""
    return timezone_of(mic) if mic in known_mics() else str(_library_calendar(mic).tz)


def _or_day(bound: Any, default: np.datetime64) -> np.datetime64:
    return default if bound is None else np.datetime64(bound.date(), "D")


def _local_minutes(utc: Any, sessions: DateArray, tz: str) -> IntArray:
    """Minutes after the session's midnight on the local clock; -1 where there is no time."""
    local = utc.dt.tz_convert(tz).dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    minutes = (local.astype(np.int64) - sessions.astype("datetime64[ns]").astype(np.int64)) // _MINUTE
    return np.where(np.isnat(local), -1, minutes)


# ---------------------------------------------------------------------------------------------------- corrections


@dataclass(frozen=True, slots=True)
class Override:
    """One correction: a day that was closed, opened late, closed early, or was a session after all."""

    mic: str
    date: np.datetime64
    kind: str
    minutes: tuple[int, ...]
    source: str
    note: str


@lru_cache(maxsize=1)
def overrides() -> tuple[Override, ...]:
    """The corrections of `data/calendars/overrides.csv`."""
    return read_overrides(data_path("calendars", "overrides.csv"))


def read_overrides(path: Path) -> tuple[Override, ...]:
    """Corrections from a CSV with columns mic, date, kind, time, source, note.

    kind: closed; late_open and early_close with the local time "13:30"; open (an extra session) with the usual hours or
    "09:30-16:00". Raises BadData naming line and field.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(_override(row, f"{path.name}:{number}") for number, row in enumerate(csv.DictReader(lines), 2))


def _override(row: dict[str, str], where: str) -> Override:
    kind, clock = row["kind"].strip(), row["time"].strip()
    if kind not in OVERRIDE_KINDS:
        raise BadData(f"{where}: kind {kind!r} is none of {', '.join(OVERRIDE_KINDS)}")
    if not row["source"].strip():
        raise BadData(f"{where}: a correction needs a source; write where the change was announced")
    wanted = {"closed": (0,), "open": (0, 2)}.get(kind, (1,))
    times = clock.split("-") if clock else []
    try:
        date = np.datetime64(dt.date.fromisoformat(row["date"].strip()), "D")
        parsed = [dt.time.fromisoformat(t.strip()) for t in times]
    except ValueError as error:
        raise BadData(f"{where}: {error}; write dates as 2023-09-01 and times as 13:30") from None
    if len(parsed) not in wanted:
        raise BadData(
            f"{where}: time {clock!r} does not go with kind {kind!r}; write 13:30 for a late open, else nothing"
        )
    minutes = tuple(t.hour * 60 + t.minute for t in parsed)
    return Override(calendar_mic(row["mic"].strip()), date, kind, minutes, row["source"], row["note"])


def with_overrides(hours: LocalHours, corrections: Sequence[Override]) -> LocalHours:
    """The hours after the corrections that fall on days the calendar speaks for."""
    for change in corrections:
        if hours.known[0] <= change.date <= hours.known[1]:
            hours = _corrected(hours, change)
    return hours


def _corrected(hours: LocalHours, change: Override) -> LocalHours:
    at = int(np.searchsorted(hours.sessions, change.date))
    present = at < hours.sessions.size and hours.sessions[at] == change.date
    if change.kind == "closed":
        return _without(hours, at) if present else hours
    if not present:
        hours = _with_session(hours, at, change.date)
    minutes = hours.minutes.copy()
    minutes[at] = _changed_hours(hours.minutes[at], change)
    return replace(hours, minutes=minutes)


def _without(hours: LocalHours, at: int) -> LocalHours:
    keep = np.arange(hours.sessions.size) != at
    return replace(hours, sessions=hours.sessions[keep], minutes=hours.minutes[keep], usual=hours.usual[keep])


def _with_session(hours: LocalHours, at: int, date: np.datetime64) -> LocalHours:
    rule = hours.usual[max(at - 1, 0)]
    sessions = np.insert(hours.sessions, at, date)
    minutes, usual = (np.insert(a, at, rule, axis=0) for a in (hours.minutes, hours.usual))
    return replace(hours, sessions=sessions, minutes=minutes, usual=usual)


def _changed_hours(now: IntArray, change: Override) -> IntArray:
    new = now.copy()
    if change.kind == "late_open":
        new[OPEN] = change.minutes[0]
    elif change.kind == "early_close":
        new[CLOSE] = change.minutes[0]
    elif change.minutes:
        new[[OPEN, CLOSE]] = change.minutes
    if new[BREAK_START] >= 0 and not (new[OPEN] < new[BREAK_START] and new[CLOSE] > new[BREAK_END]):
        # Only one half of the day is left: it has no break, and nothing trades in what was one.
        if new[OPEN] >= new[BREAK_START]:
            new[OPEN] = max(new[OPEN], new[BREAK_END])
        else:
            new[CLOSE] = min(new[CLOSE], new[BREAK_START])
        new[[BREAK_START, BREAK_END]] = -1
    if new[OPEN] >= new[CLOSE]:
        raise BadData(f"overrides.csv: {change.mic} {change.date} {change.kind} leaves no trading hours")
    return new
