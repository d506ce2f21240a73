"""Event catalogues: files and frames -> `EventCatalog`, checked field by field, and back to text and tables."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ..domain import Event, EventCatalog, Ticker
from ..errors import AbnormalWarning, EventError, UnknownName, did_you_mean
from .bundled import data_path
from .event_fields import FRAME, KINDS, TICKER_FIELDS, Problem, RawEvent, Report, build_event, read_number, review
from .event_tables import MAX_BYTES, Table, frame_table, plain_events, read_csv, table_records
from .event_yaml import event_yaml, read_yaml

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KINDS", "Problem", "check_events", "dump_yaml", "event_record", "load_events", "near", "to_frame", "upcoming",
]  # fmt: skip

EventSource: TypeAlias = "str | Path | pd.DataFrame | EventCatalog | Iterable[Event] | None"
Extras = dict[tuple[str, Ticker], dict[str, Any]]
Parsed = tuple[list[tuple[RawEvent, Event]], Extras, list[str]]

_YAML = (".yaml", ".yml")
_CSV = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")


# ------------------------------------------------------------------------------------------------------------- loading


def load_events(source: EventSource = None) -> EventCatalog:
    """The events to study: the bundled catalogue, or your own from a file or a DataFrame.

    Parameters
    ----------
    source : path, DataFrame, EventCatalog, iterable of Event, or None
        None is the bundled catalogue in order of date. A path is a YAML file (or a folder of them) in the catalogue's
        schema, or a CSV or Parquet table with one row a pair; a DataFrame is such a table. Tables need `ticker` and
        `date` (or `at`); `event_id`, `time`, `timezone`, `session_hint`, `role`, `sign` and all other fields of an
        event may follow, and any further column becomes a characteristic of the pair, kept in `EventCatalog.extras`.
        An EventCatalog passes through.

    Returns
    -------
    EventCatalog
        Text stays text (0700, NO); a record in a table without `status` counts as quoted, since its author states it.

    Raises
    ------
    EventError
        Naming file, line, record, field, what was given and what was expected. `check_events` lists all at once.

    Warns
    -----
    AbnormalWarning
        Where something was read in the only way it can be read: another delimiter, Excel dates, separated thousands.

    Examples
    --------
    >>> load_events()["us-order-anthropic"].events[0].at.isoformat()
    '2026-06-12T17:21:00-04:00'
    """
    if isinstance(source, EventCatalog):
        return source
    if source is None:
        found = _from_folder(data_path("events"))
        return EventCatalog(tuple(sorted(found.events, key=lambda e: e.day)), "bundled", None, found.extras)
    if isinstance(source, (str, Path)):
        path = _existing(source)
        return _from_folder(path) if path.is_dir() else _from_file(path)
    if hasattr(source, "columns"):
        return _from_table(frame_table(source), FRAME)  # type: ignore[arg-type]
    return _from_objects(source)


def _existing(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.exists():
        return path
    bundled = load_events()
    hint = f'; it is a bundled event: load_events()["{source}"]' if str(source) in bundled else ""
    near_by = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise EventError(f"no event file {str(source)!r}{near_by}{hint}")


def _from_objects(source: Any) -> EventCatalog:
    events = tuple(source)
    strange = next((item for item in events if not isinstance(item, Event)), None)
    if strange is not None:
        raise EventError(f"cannot read events from {type(strange).__name__}; give a path, a DataFrame or Event objects")
    return EventCatalog(events, "objects")


def _from_folder(folder: Path) -> EventCatalog:
    paths = sorted(path for path in folder.iterdir() if path.suffix in _YAML)
    if not paths:
        raise EventError(f"no YAML files in {folder}")
    pairs, extras = [], {}
    for path in paths:
        report = Report(str(path))
        found, more, _ = _parse(path, report)
        _stop_at_errors(report)
        pairs += found
        extras.update(more)
    seen: dict[str, int] = {}
    for raw, event in pairs:
        if event.id in seen:
            raise EventError(f"{folder}: {event.id}: two records of the folder have this id (line {raw.line})")
        seen[event.id] = raw.line
    return EventCatalog(tuple(event for _, event in pairs), str(folder), None, MappingProxyType(extras))


def _from_file(path: Path) -> EventCatalog:
    report = Report(str(path))
    pairs, extras, said = _parse(path, report)
    _stop_at_errors(report)
    _tell(path, said)
    return EventCatalog(tuple(event for _, event in pairs), str(path), None, MappingProxyType(extras))


def _from_table(table: Table, file: str) -> EventCatalog:
    plain = plain_events(table)
    if plain is not None:
        return EventCatalog(tuple(plain), file)
    report = Report(file)
    pairs, extras = _build_table(table, report)
    _stop_at_errors(report)
    _tell(file, table.said)
    return EventCatalog(tuple(event for _, event in pairs), file, None, MappingProxyType(extras))


def _tell(file: object, said: list[str]) -> None:
    for sentence in said:
        warnings.warn(f"{file}: {sentence}", AbnormalWarning, stacklevel=4)


def _stop_at_errors(report: Report) -> None:
    if not report.errors:
        return
    others = len(report.errors) - 1
    more = f" (and {others} more; `abnormal events check {report.file}` lists them all)" if others else ""
    raise EventError(f"{report.errors[0]}{more}")


def _parse(path: Path, report: Report) -> Parsed:
    """Records of one file, built as far as they can be; what is wrong goes to `report`."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise EventError(f"{path}: {size / 1e9:.1f} GB is too large for a list of events; is it a file of prices?")
    suffix = path.suffix.lower()
    if suffix in _YAML:
        return (*_build_yaml(path, report), [])
    if suffix in _CSV:
        table = read_csv(path)
    elif suffix in _PARQUET:
        table = frame_table(_read_parquet(path))
    else:
        raise EventError(
            f"{path}: events are read from {', '.join((*_YAML, *_CSV, *_PARQUET))}, not {suffix or 'this'}"
        )
    return (*_build_table(table, report), table.said)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as wrong:
        raise EventError(f"{path}: not a Parquet file: {wrong}") from None


def _build_yaml(path: Path, report: Report) -> tuple[list[tuple[RawEvent, Event]], Extras]:
    pairs: list[tuple[RawEvent, Event]] = []
    lines: dict[str, int] = {}
    extras: Extras = {}
    for raw in read_yaml(path, report):
        if raw.id in lines:
            report.add(raw.line, raw.id, "id", f"is taken by the record on line {lines[raw.id]}")
        elif raw.id:
            lines[raw.id] = raw.line
        event = build_event(raw, report)
        extras.update(_further(raw, report))
        if event is not None:
            pairs.append((raw, event))
    return pairs, extras


def _further(raw: RawEvent, report: Report) -> Extras:
    """Characteristics of the pair: what a ticker's entry holds besides ticker, role and sign."""
    found: Extras = {}
    for cells in raw.tickers:
        names = [name for name in cells if name not in TICKER_FIELDS]
        if not names or "ticker" not in cells:
            continue
        found[raw.id, str(cells["ticker"].value)] = values = {}
        for name in names:
            try:
                values[name] = read_number(name, cells[name])
            except ValueError as wrong:
                report.add(cells[name].line, raw.id, name, str(wrong))
    return found


def _build_table(table: Table, report: Report) -> tuple[list[tuple[RawEvent, Event]], Extras]:
    records, extras = table_records(table, report)
    built = ((raw, build_event(raw, report)) for raw in records)
    return [(raw, event) for raw, event in built if event is not None], extras


# ------------------------------------------------------------------------------------------------------------ checking


def check_events(path: str | Path | None = None, today: dt.date | None = None) -> list[Problem]:
    """Everything that is wrong or doubtful in an event file, in the order of its lines.

    Errors keep the file from being loaded; warnings ask for a look: a verified or quoted record without a source, a
    source that is no address, a future event that is verified but not scheduled, a ticker whose suffix is unknown.
    None checks the bundled catalogue, a folder all its YAML files. `today` is the day "future" counts from.

    Examples
    --------
    >>> check_events()
    []
    """
    where = data_path("events") if path is None else _existing(path)
    files = sorted(p for p in where.iterdir() if p.suffix in _YAML) if where.is_dir() else [where]
    day = today or dt.date.today()
    problems: list[Problem] = []
    owner: dict[str, str] = {}
    for file in files:
        report = Report(str(file))
        for raw, event in _parse_all(file, report):
            review(raw, event, report, day)
            if owner.setdefault(event.id, str(file)) != str(file):
                report.add(raw.line, event.id, "id", f"is taken by a record in {owner[event.id]}")
        problems += sorted(report.problems, key=lambda p: p.line)
    return problems


def _parse_all(file: Path, report: Report) -> list[tuple[RawEvent, Event]]:
    try:
        return _parse(file, report)[0]
    except EventError as wrong:  # the file as a whole cannot be read
        text = str(wrong).removeprefix(f"{file}:")
        line, _, rest = text.partition(":")
        located = line.strip().isdigit()
        report.add(int(line) if located else 1, "", "", (rest if located else text).strip())
        return []


# ------------------------------------------------------------------------------------------------------------- looking


def near(
    catalog: EventCatalog, date: dt.date | str, ticker: Ticker | None = None, days: int = 10
) -> list[tuple[Event, int]]:
    """What else happened around a day: events within `days` calendar days, nearest first, with their distance.

    The distance is negative before the day, 0 on it (and inside the span of an event with `date_end`). With a ticker
    only events that name it and market-wide ones count.

    >>> [(e.id, d) for e, d in near(load_events(), "2022-10-07", "AMD", days=1)][:2]
    [('bis-chip-rule-2022', 0), ('us-payrolls-2022-10-07', 0)]
    """
    centre = _day(date)
    if ticker is not None:
        _must_be_named(catalog, ticker)
    found = [(event, _distance(event, centre)) for event in catalog if ticker is None or _concerns(event, ticker)]
    return sorted((pair for pair in found if abs(pair[1]) <= days), key=lambda pair: (abs(pair[1]), pair[0].day))


def _day(date: dt.date | str) -> dt.date:
    if isinstance(date, dt.datetime):
        return date.date()
    if isinstance(date, dt.date):
        return date
    try:
        return dt.date.fromisoformat(date)
    except ValueError:
        raise EventError(f"{date} is not a date; write YYYY-MM-DD") from None


def _must_be_named(catalog: EventCatalog, ticker: Ticker) -> None:
    from .tickers import load_tickers

    named = {link.ticker for event in catalog.whole for link in event.tickers}
    if ticker not in named and ticker not in load_tickers():
        raise UnknownName("ticker", ticker, named | set(load_tickers().tickers))


def _concerns(event: Event, ticker: Ticker) -> bool:
    return event.market_wide or any(link.ticker == ticker for link in event.tickers)


def _distance(event: Event, centre: dt.date) -> int:
    if event.date_end is not None and event.day <= centre <= event.date_end:
        return 0
    ends = [event.day] if event.date_end is None else [event.day, event.date_end]
    return min(((end - centre).days for end in ends), key=abs)


def upcoming(catalog: EventCatalog, today: dt.date | str | None = None) -> EventCatalog:
    """Events that lie ahead (today's included), soonest first."""
    day = dt.date.today() if today is None else _day(today)
    ahead = sorted((event for event in catalog if (event.date_end or event.day) >= day), key=lambda event: event.day)
    return EventCatalog(tuple(ahead), catalog.source, catalog, catalog.extras)


# --------------------------------------------------------------------------------------------------- out of a catalogue

_COLUMNS = (
    "id", "title", "kind", "day", "at", "timezone", "precision", "ticker", "role", "sign", "status", "confidence",
    "cluster", "market_wide", "scheduled", "anticipated", "jurisdiction",
)  # fmt: skip


def to_frame(catalog: EventCatalog) -> pd.DataFrame:
    """The catalogue as a table, one row a pair; attributes and characteristics are further columns.

    `day` is a datetime64, `at` the ISO time with its offset ("" where only the day is known). An event that names no
    ticker keeps one row with an empty `ticker`. Missing attributes are NaN.
    """
    import pandas as pd

    rows = [row for event in catalog for row in _frame_rows(event, catalog.extras)]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _COLUMNS))
    frame = pd.DataFrame(rows, columns=[*_COLUMNS, *names])
    frame["day"] = pd.to_datetime(frame["day"])
    return frame


def _frame_rows(event: Event, extras: Mapping[tuple[str, Ticker], Mapping[str, Any]]) -> list[dict[str, Any]]:
    at = "" if event.at is None else event.at.isoformat()
    base = {name: getattr(event, name) for name in _COLUMNS if hasattr(event, name)} | {"at": at}
    pairs = [(link.ticker, link.role, link.sign) for link in event.tickers] or [("", "", 0)]
    return [
        {**event.attributes, **extras.get((event.id, ticker), {}), **base, "ticker": ticker, "role": role, "sign": sign}
        for ticker, role, sign in pairs
    ]


def event_record(event: Event) -> dict[str, Any]:
    """All fields of an event as plain values in a fixed order, ready for JSON: dates as ISO texts, absent ones None."""
    return {
        "id": event.id, "title": event.title, "kind": event.kind, "day": event.day.isoformat(),
        "at": _iso(event.at), "date": _iso(event.date), "timezone": event.timezone, "precision": event.precision,
        "session_hint": event.session_hint, "session_market": event.session_market, "scheduled": event.scheduled,
        "anticipated": event.anticipated, "jurisdiction": event.jurisdiction, "cluster": event.cluster,
        "market_wide": event.market_wide, "selected_on_outcome": event.selected_on_outcome,
        "effective_date": _iso(event.effective_date), "date_end": _iso(event.date_end),
        "tickers": [{"ticker": link.ticker, "role": link.role, "sign": link.sign} for link in event.tickers],
        "attributes": dict(event.attributes), "known_confounders": list(event.known_confounders),
        "sources": list(event.sources), "status": event.status, "confidence": event.confidence, "notes": event.notes,
    }  # fmt: skip


def _iso(value: dt.date | dt.datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def dump_yaml(catalog: EventCatalog) -> str:
    """The catalogue in the YAML it can be loaded from again, without losing anything.

    >>> print(dump_yaml(load_events()["deepseek-v3-2024-12-26"]).splitlines()[0])
    - id: deepseek-v3-2024-12-26
    """
    by_event: dict[str, dict[str, dict[str, Any]]] = {}
    for (event_id, ticker), values in catalog.extras.items():
        known = {name: value for name, value in values.items() if value == value and value != ""}
        if known:
            by_event.setdefault(event_id, {})[ticker] = known
    return "\n".join(event_yaml(event, by_event.get(event.id)) for event in catalog)
