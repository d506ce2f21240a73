"""The fields of an event record: what each may hold, and how its text becomes a value.

Whatever the record was written in (YAML, CSV, Parquet, a DataFrame), it arrives here as a `RawEvent`: cells that know
the line they stand on. `build_event` turns it into an `Event`, or tells a `Report` what is wrong, field by field.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from ..domain import ANTICIPATED, PRECISIONS, ROLES, SESSION_HINTS, STATUSES, Event, Link
from ..errors import UnknownName, did_you_mean
from .exchanges import exchange_of, known_mics

Severity = Literal["error", "warning"]

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "export_control": "licence requirements, bans, orders and their relief",
        "entity_listing": "additions to an entity, military-company or investment list",
        "counter_measure": "another government's answer: bans, probes, summonses, procurement rules",
        "tariff": "tariffs, exemptions, truces",
        "executive_action": "presidential orders, memoranda, action plans",
        "government_statement": "letters, memos and public accounts by officials or lawmakers",
        "regulation": "rules and standards that are not export controls",
        "industrial_policy": "subsidies and state programmes",
        "litigation": "court rulings and indictments",
        "model_release": "a new model, open weights or general access",
        "lockup_expiration": "locked shares become free",
        "equity_offering": "placings, convertible bonds, listing plans",
        "ipo": "first day of trading",
        "index_inclusion": "index and Stock Connect membership",
        "earnings": "results and profit warnings",
        "analyst_action": "coverage, ratings and price targets of brokers",
        "corporate_announcement": "anything else a company says or does",
        "macro": "news for the whole economy: releases, war and peace",
        "market_event": "an outcome (an index crash, a share's jump); never counted as a confounder",
        "other": "none of these",
    }
)
CONFIDENCES = ("high", "medium", "low")
TICKER_FIELDS = ("ticker", "role", "sign")

# Names other catalogues use for our fields.
RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "category": "kind", "type": "kind", "announced_at": "at", "timestamp": "at", "datetime": "at",
        "time_precision": "precision", "date_status": "status", "confounders": "known_confounders", "tz": "timezone",
        "direction": "sign", "name": "title", "source": "sources", "symbol": "ticker", "event": "event_id",
    }
)  # fmt: skip

# Short zone names people write; several of them mean a fixed offset or more than one zone.
_ZONE_HINTS = {
    "EST": "America/New_York", "EDT": "America/New_York", "ET": "America/New_York", "CST": "Asia/Shanghai",
    "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PT": "America/Los_Angeles", "HKT": "Asia/Hong_Kong",
    "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "SGT": "Asia/Singapore", "BST": "Europe/London", "MST": "America/Denver",
    "CET": "Europe/Paris", "CEST": "Europe/Paris", "IST": "Asia/Kolkata", "AEST": "Australia/Sydney",
}  # fmt: skip

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0+)?)?\s*([AaPp])?\.?(?:[Mm]\.?)?")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?")
_UNITS = frozenset({"pct", "hkd", "usd", "cny", "rmb", "eur", "bn", "mn"})


# ------------------------------------------------------------------------------------------- what was found, and where


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about an event file: where it stands, which field, what was given and what was expected.

    A `warning` asks for a look (a missing source); an `error` keeps the file from being loaded.
    """

    file: str
    line: int
    event_id: str
    field: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"{self.file} row {self.line}" if self.file == FRAME else f"{self.file}:{self.line}"
        parts = [where, f" {self.event_id}:" if self.event_id else "", f" `{self.field}`" if self.field else ""]
        return f"{parts[0]}:{parts[1]}{parts[2]} {self.message}"


FRAME = "DataFrame"


class Report:
    """Collects the findings of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.failed = 0

    def add(self, line: int, event_id: str, name: str, message: str, severity: Severity = "error") -> None:
        self.problems.append(Problem(self.file, line, event_id, name, message, severity))
        self.failed += severity == "error"

    @property
    def errors(self) -> list[Problem]:
        return [p for p in self.problems if p.severity == "error"]


class Cell(NamedTuple):
    """A value as it was written, the line it stands on, and whether quotes say that it is text."""

    value: Any
    line: int
    quoted: bool = False


@dataclass(slots=True)
class RawEvent:
    """An event record before its fields are read."""

    id: str
    line: int
    fields: dict[str, Cell] = field(default_factory=dict)
    tickers: list[dict[str, Cell]] = field(default_factory=list)
    lists: dict[str, list[Cell]] = field(default_factory=dict)
    attributes: dict[str, Cell] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------ one value at a time


def read_text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def read_day(value: Any) -> dt.date:
    """A calendar date written YYYY-MM-DD; a datetime object keeps its clock time."""
    if isinstance(value, dt.date):
        return value
    text = str(value)
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]", text):
        raise ValueError(f"{text} is a timestamp; write it as `at` with its UTC offset")
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError("not in the form YYYY-MM-DD")
        return dt.date.fromisoformat(text)
    except ValueError as wrong:
        raise ValueError(f"{text} is not a date ({wrong}); write YYYY-MM-DD") from None


def read_at(value: Any) -> dt.datetime:
    """An ISO timestamp; it may still lack its zone."""
    if isinstance(value, dt.datetime):
        return value
    text = str(value)
    if isinstance(value, dt.date) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError(f"{text} has no clock time; write it as `date`")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as wrong:
        raise ValueError(f"{text} is not a timestamp ({wrong}); write 2026-06-12T17:21:00-04:00") from None


def read_clock(value: Any) -> dt.time:
    """A clock time such as 17:21, 17:21:00 or 5:21 pm."""
    if isinstance(value, dt.time):
        return value
    if isinstance(value, float) and 0 <= value < 1:
        return (dt.datetime.min + dt.timedelta(seconds=round(value * 86400))).time()
    found = _CLOCK.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"{value} is not a clock time; write 17:21")
    hour, minute, second, half = int(found[1]), int(found[2]), int(found[3] or 0), (found[4] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(f"{value} is not a clock time; write 17:21")
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return dt.time(hour, minute, second)
    except ValueError as wrong:
        raise ValueError(f"{value} is not a clock time ({wrong}); write 17:21") from None


def read_zone(value: Any) -> str:
    """An IANA zone name."""
    name = str(value)
    hint = _ZONE_HINTS.get(name.upper())
    if hint is not None:
        raise ValueError(f"{name} is a short name, not a time zone; write {hint}")
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        near = did_you_mean(name, available_timezones())
        raise ValueError(f"{name} is not a known time zone{near}; write an IANA name such as Asia/Hong_Kong") from None
    return name


def read_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(str(value).lower())
    if found is None:
        raise ValueError(f"{value} is neither true nor false")
    return found


def read_sign(value: Any) -> int:
    """The expected sign of the return: -1, 0 (unknown) or 1."""
    try:
        sign = float(value)
    except (TypeError, ValueError):
        sign = math.nan
    if sign not in (-1.0, 0.0, 1.0):
        raise ValueError(f"{value} is not a sign; write -1, 0 or 1")
    return int(sign)


def read_market(value: Any) -> str:
    name = str(value)
    if not re.fullmatch(r"[A-Z][A-Z0-9]{3}", name):
        near = did_you_mean(name.upper(), known_mics())
        raise ValueError(f"{name} is not an exchange code{near}; write its MIC, such as XHKG")
    return name


def one_of(what: str, allowed: Iterable[str]) -> Callable[[Any], str]:
    """Reader of a word from a closed list."""
    words = tuple(allowed)

    def read(value: Any) -> str:
        word = str(value)
        if word not in words:
            told = did_you_mean(word, words) or f"; write one of {', '.join(words)}"
            raise ValueError(f"{word} is not a known {what}{told}")
        return word

    return read


def read_kind(value: Any) -> str:
    """A kind of the list, or a word of the user's own; one that is a slip of the pen is an error."""
    word = str(value).strip()
    slip = difflib.get_close_matches(word.lower(), KINDS, n=1, cutoff=0.85)
    if slip and word not in KINDS:
        raise ValueError(f'{word} is not a known kind (did you mean "{slip[0]}"?)')
    return word


def read_number(name: str, cell: Cell) -> int | float | str:
    """An attribute: a plain number becomes one, anything else stays text (0700, NO, 12:30)."""
    if isinstance(cell.value, (int, float)):
        return cell.value
    text = str(cell.value)
    if not cell.quoted and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if _UNITS.isdisjoint(name.split("_")):
        return text
    try:
        return float(text)
    except ValueError:
        plain = text.replace(",", "").rstrip("%")
        instead = f"; write {plain}" if _NUMBER.fullmatch(plain) else ""
        raise ValueError(f"{text} is not a number, and the name says it is one{instead}") from None


READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "title": read_text, "kind": read_kind, "at": read_at, "date": read_day, "time": read_clock,
        "timezone": read_zone, "precision": one_of("precision", PRECISIONS),
        "session_hint": one_of("session hint", SESSION_HINTS), "session_market": read_market,
        "scheduled": read_flag, "anticipated": one_of("answer", ANTICIPATED), "jurisdiction": read_text,
        "cluster": read_text, "market_wide": read_flag, "selected_on_outcome": read_flag,
        "effective_date": read_day, "date_end": read_day, "status": one_of("status", STATUSES),
        "confidence": one_of("confidence", CONFIDENCES), "notes": read_text,
    }
)  # fmt: skip
LISTS = ("sources", "known_confounders")
EVENT_FIELDS = ("id", *READERS, "tickers", "attributes", *LISTS)
_read_role = one_of("role", ROLES)


# ------------------------------------------------------------------------------------------------- one record at a time


def build_event(raw: RawEvent, report: Report) -> Event | None:
    """The event a record describes, or None after saying in `report` what keeps it from being one."""
    before = report.failed
    values = {**raw.defaults, **_read_fields(raw, report)}
    when = _when(raw, values, report)
    links = tuple(_read_link(cells, raw, report) for cells in raw.tickers)
    _check_tickers(raw, links, report)
    attributes = _read_attributes(raw, report)
    if report.failed > before:
        return None
    values |= when | {name: tuple(str(cell.value) for cell in raw.lists.get(name, ())) for name in LISTS}
    values.setdefault("precision", "day" if when["at"] is None else "minute")
    values.setdefault("status", "quoted")  # who writes a record down states it; unverified is a word one has to say
    return Event(id=raw.id, tickers=links, attributes=MappingProxyType(attributes), **values)


def unknown_field(name: str, known: Iterable[str]) -> str:
    """What to say of a field that does not exist."""
    if name in RENAMED:
        return f"is called `{RENAMED[name]}` here"
    names = tuple(known)
    return f"is not a field of an event{did_you_mean(name, names)}; the fields are {', '.join(names)}"


def _read_fields(raw: RawEvent, report: Report) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, cell in raw.fields.items():
        reader = READERS.get(name)
        if reader is None:
            report.add(cell.line, raw.id, name, unknown_field(name, EVENT_FIELDS))
            continue
        try:
            values[name] = reader(cell.value)
        except ValueError as wrong:
            report.add(cell.line, raw.id, name, str(wrong))
    return values


def _when(raw: RawEvent, values: dict[str, Any], report: Report) -> dict[str, Any]:
    """`at` in its zone, or `date`; takes both and `time` out of the values read so far."""
    at, date, clock = values.pop("at", None), values.pop("date", None), values.pop("time", None)
    zone = values.get("timezone", "")
    if isinstance(date, dt.datetime):
        at, date = at or date, None
    if "timezone" in raw.fields and not zone:  # unreadable, and said: nothing that needs it can be judged
        return {"at": at, "date": date}
    if clock is not None:
        at = _with_clock(raw, at, date, clock, zone, report)
    elif at is None and not any(name in raw.fields for name in ("at", "date")):
        report.add(raw.line, raw.id, "date", "is missing, and so is `at`; give one of them")
    if at is not None:
        at, date = _in_zone(raw, at, date, zone, report), None
    day = date if at is None else at.date()
    end = values.get("date_end")
    if day is not None and end is not None and end < day:
        report.add(raw.fields["date_end"].line, raw.id, "date_end", f"{end} is before the date, {day}")
    return {"at": at, "date": date}


def _with_clock(
    raw: RawEvent, at: dt.datetime | None, date: dt.date | None, clock: dt.time, zone: str, report: Report
) -> dt.datetime | None:
    """Day and clock time of two fields put together."""
    line = raw.fields["time"].line
    if at is not None:
        if at.time() != clock:
            report.add(line, raw.id, "time", f"{clock:%H:%M} is not the time of `at` ({at.isoformat()})")
        return at
    if not zone:
        report.add(line, raw.id, "time", f"{clock:%H:%M} has no `timezone`; add one, such as America/New_York")
        return None
    return None if date is None else dt.datetime.combine(date, clock)


def _in_zone(raw: RawEvent, at: dt.datetime, date: dt.date | None, zone: str, report: Report) -> dt.datetime | None:
    name = next(n for n in ("at", "time", "date") if n in raw.fields)
    try:
        at = _zoned(at, zone)
    except ValueError as wrong:
        report.add(raw.fields[name].line, raw.id, name, str(wrong))
        return None
    if date is not None and date != at.date():
        told = f"{date} is not the day of `at` ({at.isoformat()}); leave `date` out or correct one of them"
        report.add(raw.fields["date"].line, raw.id, "date", told)
    return at


def _zoned(at: dt.datetime, zone: str) -> dt.datetime:
    """`at` with the UTC offset of its zone; an offset of its own must agree with the zone."""
    shown = at.isoformat()
    if at.tzinfo is None and not zone:
        raise ValueError(f"{shown} has no UTC offset; write {shown}-04:00 (or +08:00 ...), or give date + timezone")
    if not zone:
        return at
    if at.tzinfo is None:
        return _localised(at, zone)
    expected = at.astimezone(ZoneInfo(zone)).utcoffset()
    if at.utcoffset() not in (expected, dt.timedelta(0)):
        local = at.astimezone(ZoneInfo(zone)).isoformat()
        raise ValueError(f"{shown} is not the time of {zone}; the same instant there is {local}")
    return at.astimezone(dt.timezone(expected or dt.timedelta(0)))


def _localised(at: dt.datetime, zone: str) -> dt.datetime:
    early, late = (at.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1))
    if early != late:
        raise ValueError(f"{at.isoformat()} is skipped or happens twice in {zone} (clock change); write its UTC offset")
    return at.replace(tzinfo=dt.timezone(early or dt.timedelta(0)))


def _read_link(cells: dict[str, Cell], raw: RawEvent, report: Report) -> Link:
    ticker, role, sign = cells.get("ticker"), cells.get("role"), cells.get("sign")
    read: dict[str, Any] = {"role": "", "sign": 0}
    for name, cell, reader in (("role", role, _read_role), ("sign", sign, read_sign)):
        if cell is None:
            continue
        try:
            read[name] = reader(cell.value)
        except ValueError as wrong:
            report.add(cell.line, raw.id, name, str(wrong))
    name = "" if ticker is None else str(ticker.value).strip()
    if not name:
        line = next(iter(cells.values())).line if cells else raw.line
        report.add(line, raw.id, "ticker", "is missing; every pair needs one")
    return Link(name, read["role"], read["sign"])


def _check_tickers(raw: RawEvent, links: tuple[Link, ...], report: Report) -> None:
    seen: set[str] = set()
    for link, cells in zip(links, raw.tickers, strict=True):
        if not link.ticker:
            continue
        line = cells["ticker"].line
        if link.ticker in seen:
            report.add(line, raw.id, "ticker", f"{link.ticker} is named twice by this event")
        seen.add(link.ticker)
        if link.ticker.isdigit():
            told = f"{link.ticker} is a number without suffix; Hong Kong writes 0700.HK, Shanghai 600745.SS"
            report.add(line, raw.id, "ticker", told, "warning")
        try:
            exchange_of(link.ticker)
        except UnknownName as unknown:
            report.add(line, raw.id, "ticker", f"{link.ticker}: {unknown}", "warning")


def _read_attributes(raw: RawEvent, report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in raw.attributes.items():
        if name in EVENT_FIELDS or name in TICKER_FIELDS:
            report.add(cell.line, raw.id, name, "is a field of the event and cannot be an attribute as well")
            continue
        try:
            found[name] = read_number(name, cell)
        except ValueError as wrong:
            report.add(cell.line, raw.id, name, str(wrong))
    return found


# ---------------------------------------------------------------------------------------------- worth a second look


def review(raw: RawEvent, event: Event, report: Report, today: dt.date) -> None:
    """Warnings about a record that can be read: sources, plausibility of a future date, a market nobody knows."""
    for cell in raw.lists.get("sources", ()):
        if not re.match(r"https?://[^\s/]+\.[^\s]+$", str(cell.value)):
            report.add(cell.line, raw.id, "sources", f"{cell.value} is not an http(s) address", "warning")
    if "status" in raw.fields and event.status in ("verified", "quoted") and not event.sources:
        told = f"{event.status} without a source; add one, or write unverified"
        report.add(raw.fields["status"].line, raw.id, "status", told, "warning")
    if event.day > today and event.status == "verified" and not event.scheduled:
        line = (raw.fields.get("at") or raw.fields["date"]).line
        told = f"{event.day} lies ahead, yet the record is verified and not `scheduled`"
        report.add(line, raw.id, "scheduled", told, "warning")
    for name in ("title", "kind"):
        if not raw.defaults and not getattr(event, name):  # a table may do without; a catalogue record may not
            report.add(raw.line, raw.id, name, "is missing", "warning")
    if event.kind and event.kind not in KINDS:
        told = f"{event.kind} is a kind of your own; the usual ones are {', '.join(KINDS)}"
        report.add(raw.fields["kind"].line, raw.id, "kind", told, "warning")
    if event.at is None and event.precision in ("minute", "hour"):
        told = f"{event.precision}, yet the record has only a date; give `at`, or write session, day or week"
        report.add(raw.fields["precision"].line, raw.id, "precision", told, "warning")
    if event.session_market and event.session_market not in known_mics():
        told = f"{event.session_market} is not among the exchanges known here: {', '.join(known_mics())}"
        report.add(raw.fields["session_market"].line, raw.id, "session_market", told, "warning")
    if not event.tickers and not event.market_wide:
        report.add(raw.line, raw.id, "tickers", "is empty, and the event is not `market_wide`", "warning")
