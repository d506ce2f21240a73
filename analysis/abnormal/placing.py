"""Where each pair's day 0 is, and which pairs cannot be placed: halts, several lines of one company, confounded pairs.

The session itself is decided in `inputs/sessions.py`; here it meets the share's own prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .confounding import confounders_of
from .domain import EventCatalog, Excluded, FloatArray, IntArray, Pair, Ticker, Window
from .errors import AbnormalError, RequestError
from .inputs.sessions import Alignment, align_many
from .inputs.tapes import Recording, members
from .spec import StudySpec

SAME_SESSION = "same session"  # stage of an exclusion: its event shares a session with one that stayed
SMALL = 10  # below this many pairs a confounded one is kept and shown with and without

# Daily price limits by exchange and board (M 8.5, from memory of the rule books); Hong Kong and the US have none.
LIMITS: tuple[tuple[str, Callable[[Ticker], bool], float], ...] = (
    ("XSHG", lambda t: t.startswith(("688", "300", "301")), 0.20),
    ("XSHG", lambda t: True, 0.10),
    ("XKRX", lambda t: True, 0.30),
    ("XTAI", lambda t: True, 0.10),
)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A pair with its exchange, the row of its share on the tape, its day-0 row, and what a reader should know."""

    pair: Pair
    alignment: Alignment
    key: str
    unit: int
    day0: int
    flags: tuple[str, ...]
    cut_at: int | None = None  # first row that belongs to a later event of the same share (confounders="split")


def left_out(pair: Pair, stage: str, reason: str, remedy: str = "") -> Excluded:
    """The exclusion of one pair."""
    return Excluded(stage, pair.label, reason, remedy, pair.event.id, pair.ticker)


def place_all(
    pairs: Sequence[Pair], keys: Sequence[str], recordings: Mapping[str, Recording], spec: StudySpec,
    catalogue: EventCatalog | None,
) -> tuple[list[Placed], list[Excluded]]:  # fmt: skip
    """Every pair with its day 0, and those that have none with the reason."""
    aligned = _aligned(pairs, keys, recordings, spec)
    found = [_placed(p, a, k, recordings[k], spec) for p, a, k in zip(pairs, aligned, keys)]
    placed = [x for x in found if isinstance(x, Placed)]
    excluded = [x for x in found if isinstance(x, Excluded)]
    for rule in (_one_line_per_company, _without_confounded, _split_windows, _one_verdict_a_session):
        placed, more = rule(placed, recordings, spec, catalogue)
        excluded += more
    return placed, excluded


def _aligned(
    pairs: Sequence[Pair], keys: Sequence[str], recordings: Mapping[str, Recording], spec: StudySpec
) -> list[Alignment | AbnormalError]:
    out: list[Any] = [None] * len(pairs)
    for key in dict.fromkeys(keys):
        rows = [i for i, k in enumerate(keys) if k == key]
        answers = align_many(
            [pairs[i].event for i in rows], [key] * len(rows), calendar=recordings[key].calendar,
            closing_auction=spec.closing_auction, errors="return",
        )  # fmt: skip
        for i, answer in zip(rows, answers):
            out[i] = answer
    return out


def _placed(
    pair: Pair, aligned: Alignment | AbnormalError, key: str, rec: Recording, spec: StudySpec
) -> Placed | Excluded:
    """Day 0 of one pair on its tape, moved to the resumption after a halt, or why there is none."""
    if isinstance(aligned, RequestError):
        raise aligned
    if isinstance(aligned, AbnormalError):
        return left_out(pair, "sessions", str(aligned))
    ticker, time = pair.ticker, rec.tape.time
    if ticker in rec.problems:
        return left_out(pair, "benchmark", rec.problems[ticker], "choose another benchmark")
    unit = rec.unit_of[ticker]
    rows = np.flatnonzero(np.isfinite(rec.tape.event_y[unit]))
    if not rows.size:
        return left_out(pair, "prices", f"no return of {ticker} at all", f"abnormal audit, or abnormal fetch {ticker}")
    first, last = time[max(int(rows[0]) - 1, 0)], time[rows[-1]]
    if aligned.session < first:
        return left_out(pair, "prices", f"event before listing: first session {first}")
    if aligned.session > last:
        why = f"event after the last price: last session {last}"
        return left_out(pair, "prices", why, f"abnormal fetch {ticker}")
    row = int(np.searchsorted(time, aligned.session))
    flags = list(aligned.flags)
    if spec.halt == "shift" and row not in set(rows.tolist()):
        resumed = int(rows[np.searchsorted(rows, row)])
        flags.append(f"halted on {time[row]}: day 0 moved to the resumption on {time[resumed]}")
        row = resumed
    return Placed(pair, aligned, key, unit, row, tuple(flags))


# ------------------------------------------------------------------------------------------------ what is one unit


def company_of(ticker: Ticker) -> str:
    """The company behind a listed line: its name without what stands in brackets, else the ticker itself."""
    from .inputs.tickers import load_tickers

    row = load_tickers().get(ticker)
    return ticker if row is None else row.name.partition(" (")[0]


def _one_line_per_company(
    placed: list[Placed], recordings: Mapping[str, Recording], spec: StudySpec, catalogue: EventCatalog | None
) -> tuple[list[Placed], list[Excluded]]:
    """Several lines of one company on one event are one unit: the named primary, else what trades first after the news.

    options["primary"] names primary lines, options["lines"] = "all" keeps every line.
    """
    if spec.options.get("lines") == "all":
        return placed, []
    primary = members(spec.options.get("primary"))
    groups: dict[tuple[str, str], list[Placed]] = {}
    for x in placed:
        groups.setdefault((x.pair.event.id, company_of(x.pair.ticker)), []).append(x)
    excluded, gone = [], set()
    for (_, company), lines in groups.items():
        if len({x.pair.ticker for x in lines}) < 2:
            continue
        keep = min(lines, key=lambda x: (x.pair.ticker not in primary, _first_close(x, recordings[x.key])))
        word = "is the primary line" if keep.pair.ticker in primary else "trades first after the news"
        for x in lines:
            if x.pair.ticker != keep.pair.ticker:
                why = f"second line of {company}: one company is one unit, {keep.pair.ticker} {word}"
                excluded.append(left_out(x.pair, "units", why, 'options={"lines": "all"} keeps every line'))
                gone.add(id(x))
    return [x for x in placed if id(x) not in gone], excluded


def _first_close(x: Placed, rec: Recording) -> np.datetime64:
    """Close of the pair's day 0 (after a halt: of the resumption) in UTC; its date where the calendar has no clock."""
    calendar, day = x.alignment.calendar, rec.tape.time[x.day0]
    if not calendar.has_clock:
        return day.astype("datetime64[ns]")
    return calendar.closes[np.searchsorted(calendar.sessions, day.astype("datetime64[D]"))]


# ------------------------------------------------------------------------------------------------ confounders


def _met_by(x: Placed, rec: Recording, spec: StudySpec, catalogue: EventCatalog | None) -> list[Any]:
    """Catalogue events of another story inside the pair's headline window."""
    a, b = spec.offset_windows[0]
    found = confounders_of(x.pair, catalogue, rec, x.day0, (0, -1), spec)
    return [c for c in found if not c.same_story and (c.same_session or a <= c.distance <= b)]


def _without_confounded(
    placed: list[Placed], recordings: Mapping[str, Recording], spec: StudySpec, catalogue: EventCatalog | None
) -> tuple[list[Placed], list[Excluded]]:
    """confounders="drop": pairs with another event in the headline window go, in samples of 10 and more."""
    if spec.confounders != "drop" or len(placed) < SMALL:
        return placed, []
    keep, excluded = [], []
    for x in placed:
        met = _met_by(x, recordings[x.key], spec, catalogue)
        if met:
            why = f"confounded by {', '.join(c.event.id for c in met)} in the headline window"
            excluded.append(left_out(x.pair, "confounders", why, 'confounders="flag" keeps it'))
        else:
            keep.append(x)
    return keep, excluded


def _split_windows(
    placed: list[Placed], recordings: Mapping[str, Recording], spec: StudySpec, catalogue: EventCatalog | None
) -> tuple[list[Placed], list[Excluded]]:
    """confounders="split": sessions belong to the later event of a share from its day 0 on."""
    if spec.confounders != "split":
        return placed, []
    last = max(w[1] for w in spec.offset_windows)
    out = []
    for x in placed:
        own = [y.day0 for y in placed if y is not x and (y.key, y.unit) == (x.key, x.unit)]
        other = [c.row for c in confounders_of(x.pair, catalogue, recordings[x.key], x.day0, (0, -1), spec)]
        later = [r for r in own + other if x.day0 < r <= x.day0 + last]
        if x.day0 in own + other:
            note = "another event in the same session: only the sum is identified"
            x = replace(x, flags=(*x.flags, note))
        if later:
            row = min(later)
            note = f"split: sessions from {recordings[x.key].tape.time[row]} belong to a later event of the share"
            x = replace(x, flags=(*x.flags, note), cut_at=row)
        out.append(x)
    return out, []


def _one_verdict_a_session(
    placed: list[Placed], recordings: Mapping[str, Recording], spec: StudySpec, catalogue: EventCatalog | None
) -> tuple[list[Placed], list[Excluded]]:
    """Several events of one share in one session are one return: the first stays, the verdict names the others."""
    first: dict[tuple[str, int, int], Placed] = {}
    keep, excluded = [], []
    for x in placed:
        own = first.setdefault((x.key, x.unit, x.day0), x)
        if own is x:
            keep.append(x)
            continue
        day = recordings[x.key].tape.time[x.day0]
        why = f"the same session ({day}) of the same share as {own.pair.event.id}: one return, one verdict that names both"
        excluded.append(left_out(x.pair, SAME_SESSION, why, "study it alone"))
    return keep, excluded


# ------------------------------------------------------------------------------------------------ price limits


def limit_of(key: str, ticker: Ticker) -> float | None:
    """The exchange's daily price limit for this share, or None."""
    return next((limit for mic, board, limit in LIMITS if mic == key and board(ticker)), None)


def locked_sessions(returns: FloatArray, limit: float | None) -> int:
    """How many sessions in a row, from day 0 on, closed at the limit in one direction."""
    if limit is None:
        return 0
    # Limit prices are rounded to a tick, so a locked close is a little inside the limit.
    locked = np.abs(returns) >= limit - 0.002
    same = np.sign(returns) == np.sign(returns[:1]) if returns.size else locked
    run = locked & same
    return int(run.size if run.all() else np.argmin(run))


def limit_notes(
    placed: Sequence[Placed], recordings: Mapping[str, Recording]
) -> tuple[dict[int, str], dict[Window, str]]:
    """Flags of pairs that closed at a price limit, and the windows that reach the first free close."""
    notes: dict[int, str] = {}
    windows: dict[Window, str] = {}
    for i, x in enumerate(placed):
        tape = recordings[x.key].tape
        after = tape.event_y[x.unit, x.day0 :]
        run = locked_sessions(np.expm1(after) if tape.kind == "log" else after, limit_of(x.key, x.pair.ticker))
        if run:
            notes[i] = f"closed at the price limit for {run} session(s): the abnormal return is a bound"
            windows.setdefault((0, run), notes[i])
    return notes, windows


def positions(placed: Sequence[Placed]) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """(exchange key, tape row, day-0 row) of every pair."""
    units = np.array([x.unit for x in placed], np.int64)
    return tuple(x.key for x in placed), units, np.array([x.day0 for x in placed], np.int64)
