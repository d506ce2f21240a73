"""From a request to abnormal returns by bar: what was read, event bars, sessions. `intraday.py` tells what follows.

What a pair's tests see is a `PairBars`: its sessions by slot, nights and lunch breaks as slots of their own. The same
request with a changed spec gives another case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from .case import Progress, Request
from .domain import AbnormalReturns, Excluded, IntArray, Link, Pair, Ticker, Window
from .errors import RequestError
from .inference._bars import PairBars
from .inputs.bar_tapes import BarRecording, calendar_of, record_bars
from .inputs.fetching import minutes_of
from .inputs.sessions import Alignment
from .intraday_fit import Fit, estimated, waist
from .intraday_place import Placed, bar_windows, place_all, row_of, sessions_of
from .spec import StudySpec

BLOCK = (
    160_000  # cells of sessions by slots worked on at once: few steps, and arrays that are not mapped anew each time
)


@dataclass(frozen=True, slots=True, eq=False)
class BarCase:
    """A request with its event bars, sessions by slot and abnormal returns; everything runs over the pairs that stayed.

    day0 (E,): row of the event session on the grid of the pair's exchange; rel (D,): sessions of every pair counted from
    its event session. `ar` counts bars: a night or lunch break is booked on the bar it leads into. coef: per pair.
    """

    request: Request
    pairs: tuple[Pair, ...]
    alignments: tuple[Alignment, ...]
    placed: tuple[Placed, ...]
    recordings: Mapping[str, BarRecording]
    key: tuple[str, ...]
    day0: IntArray
    rel: IntArray
    windows: tuple[Window, ...]
    added_windows: Mapping[Window, str]
    bars: tuple[PairBars, ...]
    ar: AbnormalReturns
    flags: tuple[tuple[str, ...], ...]
    excluded: tuple[Excluded, ...]
    notes: tuple[str, ...]
    candidates: Mapping[Ticker, PairBars] = field(default_factory=lambda: MappingProxyType({}))
    portfolio: None = None

    @property
    def headline(self) -> Window:
        return self.windows[0]

    @property
    def spec(self) -> StudySpec:
        return self.request.spec

    @property
    def size(self) -> int:
        return len(self.pairs)

    @property
    def minutes(self) -> int:
        return minutes_of(self.spec.freq)

    def recording(self, i: int) -> BarRecording:
        """What was recorded for pair i's exchange."""
        return self.recordings[self.key[i]]

    def rows(self, i: int) -> tuple[IntArray, IntArray]:
        """Rows of pair i's sessions on the grid, and the rows of its PairBars they stand in."""
        at = self.day0[i] + self.rel
        here = np.flatnonzero((at >= 0) & (at < self.recording(i).grid.sessions.size))
        return at[here], here


# ------------------------------------------------------------------------------------------------ the whole way


def build_bars(request: Request, progress: Progress | None = None) -> BarCase:
    """Everything up to the abnormal returns by bar of every pair that can be studied."""
    spec = request.spec
    _require_possible(request)
    chosen = _picked_from(request)
    everyone = [*request.pairs, *chosen]
    recordings = _record_all(request, everyone)
    placed, excluded = place_all(everyone, recordings, spec)
    windows, added = bar_windows(spec, [x for x in placed if not any(x.pair is p for p in chosen)])
    rel = sessions_of(spec, placed, recordings, windows)
    found: list[tuple[Placed, PairBars, Fit]] = []
    blocks = _blocks(placed, recordings, rel.size)
    for done, block in enumerate(blocks):
        if progress is not None:
            progress("bars", done, len(blocks))
        for x, answer in zip(block, estimated(block, recordings, rel, spec, windows, request.catalogue)):
            if isinstance(answer, Excluded):
                excluded.append(answer)
            else:
                found.append((x, *answer))
    picked = {id(p) for p in chosen}
    rivals = {x.pair.ticker: b for x, b, _ in found if id(x.pair) in picked}
    order = {id(p): k for k, p in enumerate(request.pairs)}
    kept = sorted((f for f in found if id(f[0].pair) in order), key=lambda f: order[id(f[0].pair)])
    placed = [x for x, _, _ in kept]
    unplaced = [x for x in excluded if x.what not in {p.label for p in chosen}]
    return BarCase(
        request=request,
        pairs=tuple(x.pair for x in placed),
        alignments=tuple(x.alignment for x in placed),
        placed=tuple(placed),
        recordings=recordings,
        key=tuple(x.key for x in placed),
        day0=np.array([row_of(x, recordings) for x in placed], np.int64),
        rel=rel,
        windows=windows,
        added_windows=added,
        bars=tuple(b for _, b, _ in kept),
        ar=waist([b for _, b, _ in kept], [f for _, _, f in kept], placed, recordings, rel, windows, spec),
        flags=tuple((*x.flags, *f.flags) for x, _, f in kept),
        excluded=(*request.excluded, *unplaced),
        notes=_notes(recordings, spec),
        candidates=rivals,
    )


def _require_possible(request: Request) -> None:
    """Bars within the day have no use for daily frames; say what to leave out."""
    spec, given = request.spec, request.given
    for what, there in (("benchmark", given.benchmark), ("industry", given.industry), ("factors", given.factors)):
        if there is not None:
            raise RequestError(
                f'{what} given as a daily series, the study counts bars (freq = "{spec.freq}"); name tickers whose bars '
                "are in the price source, or leave it out"
            )
    if spec.industry is not None:
        raise RequestError(
            'industry is not used with bars within the day; put its ticker into benchmark, or set freq = "1d"'
        )
    if spec.returns != "log":
        raise RequestError('bars within the day have log returns (they add up over a session); set returns = "log"')
    if spec.currency != "local":
        raise RequestError('bars within the day stay in their own currency; set currency = "local"')
    if spec.confounders in ("drop", "split"):
        raise RequestError(
            f'confounders = "{spec.confounders}" is for daily studies; bars separate events of one day: use "flag" or "dummy"'
        )
    if spec.calendar == "panel":
        raise RequestError('bars need the hours of an exchange; set calendar = "XHKG" (a MIC), or leave it out')


def _picked_from(request: Request) -> list[Pair]:
    """The firms a single pair was picked from, as pairs of the same event."""
    if len(request.pairs) != 1:
        return []
    only = request.pairs[0]
    return [Pair(only.event, Link(t)) for t in request.spec.candidates if t != only.ticker]


def _blocks(placed: Sequence[Placed], recordings: Mapping[str, BarRecording], days: int) -> list[list[Placed]]:
    """Pairs of one exchange, so many at a time that their cells fit the block."""
    out = []
    for key in dict.fromkeys(x.key for x in placed):
        mine = sorted((x for x in placed if x.key == key), key=lambda x: x.pair.ticker)  # returns are made once a share
        step = max(1, BLOCK // (days * recordings[key].grid.slots))
        out += [mine[k : k + step] for k in range(0, len(mine), step)]
    return out


# ------------------------------------------------------------------------------------------------ reading


def _record_all(request: Request, pairs: Sequence[Pair]) -> dict[str, BarRecording]:
    spec = request.spec
    study = list(dict.fromkeys(p.ticker for p in request.pairs))
    groups: dict[str, list[Ticker]] = {}
    for ticker in dict.fromkeys(p.ticker for p in pairs):
        groups.setdefault(calendar_of(ticker, spec), []).append(ticker)
    return {key: record_bars(key, units, study, request.source, spec) for key, units in groups.items()}


def _notes(recordings: Mapping[str, BarRecording], spec: StudySpec) -> tuple[str, ...]:
    """What was noticed while the bars were put on their grids."""
    out = [f"{t}: {note}" for rec in recordings.values() for t, share in rec.shares.items() for note in share.notes]
    finer = {t: b.freq for rec in recordings.values() for t, b in rec.bars.items() if b.freq != spec.freq}
    out += [f"{t}: bars of {spec.freq} made of bars of {freq}" for t, freq in finer.items()]
    return tuple(dict.fromkeys(out))
