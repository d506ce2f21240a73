"""Which events of a catalogue a study is about."""

# ruff: noqa: RUF009 -- `keyed` is `dataclasses.field` with two facts about the field

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from ..clean import (
    choices,
    distinct,
    each,
    keyed,
    listing,
    optional,
    path_text,
    raise_all,
    settle,
    texts,
    tickers,
    wrong,
)
from ..domain import ROLES, STATUSES, Event, EventCatalog
from ..errors import EventError, SpecError
from ..spec import Conflict


def _date(key: str, value: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise wrong(key, value, "a date as YYYY-MM-DD", "2026-06-12") from None


def _pairs(key: str, value: Any) -> tuple[tuple[str, str], ...]:
    example = [["zhipu-lockup-2026", "2513.HK"]]
    given = listing(key, value, "[event id, ticker] pairs", example)
    return distinct(key, each(key, given, _pair))


def _pair(key: str, value: Any) -> tuple[str, str]:
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, str) and v.strip() for v in value):
        return str(value[0]), str(value[1])
    raise wrong(key, value, "a pair [event id, ticker]", ["zhipu-lockup-2026", "2513.HK"])


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Which events of a catalogue a study is about: by id, as pairs, or by what they are.

    Parameters
    ----------
    ids : tuple of str
        Events by id, whatever their status.
    pairs : tuple of (str, str)
        (event id, ticker), where each event has its own tickers. Stands alone.
    file : str, optional
        The user's own catalogue, as written; without further words all of its events. Default: the bundled catalogue.
    kind, tickers, roles : tuple of str
        Events of these kinds; pairs of these tickers (beside `ids` any ticker may be named) and of these roles.
    after, before : date, optional
        First and last day, both included.
    status : tuple of str
        Default: verified and quoted. Unverified events of the user's own file are left out by name, with the reason.

    Raises
    ------
    SpecError
        A value that is wrong, or words that cannot stand together.

    Examples
    --------
    >>> EventSelection(ids=["us-order-anthropic"], tickers="2513.HK").tickers
    ('2513.HK',)
    """

    ids: tuple[str, ...] = keyed("events.ids", partial(texts, what="event ids", example=("us-order-anthropic",)), ())
    pairs: tuple[tuple[str, str], ...] = keyed("events.pairs", _pairs, ())
    file: str | None = keyed("events.file", optional(path_text))
    kind: tuple[str, ...] = keyed("events.kind", partial(texts, what="kinds of event", example=("lockup",)), ())
    tickers: tuple[str, ...] = keyed("events.tickers", tickers, ())
    roles: tuple[str, ...] = keyed("events.roles", partial(choices, options=ROLES), ())
    after: dt.date | None = keyed("events.after", optional(_date))
    before: dt.date | None = keyed("events.before", optional(_date))
    status: tuple[str, ...] = keyed("events.status", partial(choices, options=STATUSES), ())

    def __post_init__(self) -> None:
        settle(self)
        clashes = selection_conflicts({f.name: getattr(self, f.name) for f in fields(self)})
        raise_all([SpecError(f"{c.fields[0]}: {c.text}") for c in clashes])

    def choose(self, catalog: EventCatalog) -> EventCatalog:
        """The selected part of `catalog`, which remembers the whole; one that leaves nothing is an EventError."""
        if self.pairs:
            return _as_pairs(catalog, self.pairs)
        chosen = catalog[self.ids] if self.ids else self._filtered(catalog)
        if self.tickers:
            chosen = chosen.only(*self.tickers) if self.ids else _cut_to(chosen, self.tickers)
        if self.roles:
            chosen = chosen.role(*self.roles)
        if not chosen.pairs:
            said = ", ".join(f"{f.name} = {v}" for f in fields(self) if (v := getattr(self, f.name)))
            raise EventError(f"no pair of event and ticker matches {said}; `abnormal events list` shows what there is")
        return chosen

    def _filtered(self, catalog: EventCatalog) -> EventCatalog:
        statuses = self.status or (("verified", "quoted") if self.file is None else STATUSES)
        chosen = catalog.status(*statuses).between(self.after, self.before)
        return chosen.kind(*self.kind) if self.kind else chosen


def _as_pairs(catalog: EventCatalog, pairs: Iterable[tuple[str, str]]) -> EventCatalog:
    wanted: dict[str, list[str]] = {}
    for event_id, ticker in pairs:
        wanted.setdefault(event_id, []).append(ticker)
    return _with_tickers(catalog[wanted], lambda event: wanted[event.id])


def _cut_to(catalog: EventCatalog, names: Sequence[str]) -> EventCatalog:
    """Events that name one of these tickers, with these tickers only."""
    naming = catalog.where(lambda e: any(k.ticker in names for k in e.tickers))
    return _with_tickers(naming, lambda event: [k.ticker for k in event.tickers if k.ticker in names])


def _with_tickers(catalog: EventCatalog, wanted: Callable[[Event], Sequence[str]]) -> EventCatalog:
    return replace(catalog, events=tuple(replace(e, tickers=tuple(map(e.link, wanted(e)))) for e in catalog))


def selection_conflicts(values: Mapping[str, Any]) -> list[Conflict]:
    """What cannot stand together in a selection, given as its fields."""
    said = [name for name, value in values.items() if value]
    if not said:
        said_ = 'says nothing; type ids = ["..."], pairs, file, or kind, tickers, after, before'
        return [Conflict(("events",), said_)]
    found = []
    filters = [n for n in ("kind", "after", "before", "status") if n in said]
    if "pairs" in said:
        found += _superfluous("pairs", "events and tickers", [n for n in said if n not in ("pairs", "file")])
    elif "ids" in said:
        found += _superfluous("ids", "the events", filters)
    days = [values[n] for n in ("after", "before") if isinstance(values[n], dt.date)]
    if days != sorted(days):
        said_ = f"{values['after']} is later than before = {values['before']}; exchange the two"
        found.append(Conflict(("events.after",), said_))
    return found


def _superfluous(key: str, what: str, others: Sequence[str]) -> list[Conflict]:
    keys = tuple(f"events.{n}" for n in (key, *others))
    return [Conflict(keys, f"{key} already name {what}; leave out {', '.join(others)}")] if others else []
