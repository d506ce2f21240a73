"""What else happened: catalogue events beside a pair's own, placed on the pair's own sessions (M 8.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .domain import DateArray, Event, EventCatalog, IntArray, Pair
from .errors import AbnormalError
from .inputs.sessions import align_many
from .inputs.tapes import Recording
from .spec import StudySpec

OUTCOME = "market_event"  # such records are outcomes, never confounders


@dataclass(frozen=True, slots=True)
class Confounder:
    """Another event on a pair's session axis: rows of its first and last possible session, and its distance to day 0."""

    event: Event
    row: int
    last_row: int
    distance: int
    same_session: bool
    same_story: bool
    in_estimation: bool


def rivals(pair: Pair, catalogue: EventCatalog | None, spec: StudySpec) -> list[Event]:
    """Catalogue events that may confound the pair: sourced, naming the ticker or market-wide, not outcomes, not itself."""
    if catalogue is None:
        return []
    return [
        e
        for e in catalogue.whole
        if e.id != pair.event.id
        and e.status in spec.statuses
        and e.kind != OUTCOME
        and e.id not in spec.exclude
        and (e.market_wide or any(k.ticker == pair.ticker for k in e.tickers))
    ]


def confounders_of(
    pair: Pair,
    catalogue: EventCatalog | None,
    rec: Recording,
    day0: int,
    estimation_rows: tuple[int, int],
    spec: StudySpec,
) -> list[Confounder]:
    """The pair's rival events that fall on its tape, in time order."""
    events = rivals(pair, catalogue, spec)
    if not events:
        return []
    key = rec.tape.calendar
    found = align_many(events, [key] * len(events), calendar=rec.calendar, errors="return")
    out = []
    for event, a in zip(events, found):
        if isinstance(a, AbnormalError):
            continue  # outside this calendar: it cannot have met the pair
        row, last = (_row(rec.tape.time, s) for s in (a.session, a.last))
        if row is None or last is None:
            continue
        story = bool(event.cluster) and event.cluster == pair.event.cluster
        meets = row <= day0 <= last
        inside = estimation_rows[0] <= row <= estimation_rows[1]
        out.append(Confounder(event, row, last, 0 if meets else row - day0, meets, story, inside))
    return sorted(out, key=lambda c: (c.row, c.event.id))


def _row(time: DateArray, session: np.datetime64) -> int | None:
    at = int(np.searchsorted(time, session))
    return at if at < time.size and time[at] == session else None


def contaminated_rows(found: Sequence[Confounder]) -> IntArray:
    """Rows within one session of a confounder inside the estimation window, each counted once."""
    rows = {c.row + d for c in found if c.in_estimation for d in (-1, 0, 1)}
    return np.array(sorted(rows), np.int64)
