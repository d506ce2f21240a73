"""From a request to abnormal returns: pairs, day 0, series, sample, model. `study.py` tells what follows.

A `Case` is everything a study knows before it asks a test. The same request with a changed spec gives another case:
robustness, placebo and power all go through `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .confounding import confounders_of, contaminated_rows
from .domain import (
    AbnormalReturns,
    Event,
    EventCatalog,
    Excluded,
    FloatArray,
    IntArray,
    Pair,
    Sample,
    Tape,
    Ticker,
    Unit,
    Window,
)
from .errors import RequestError
from .inputs.sample import cut, portfolio
from .inputs.sessions import Alignment
from .inputs.tapes import Given, Recording, calendar_key, members, record
from .placing import SAME_SESSION, Placed, left_out, limit_notes, place_all, positions
from .registry import MODELS
from .replay import StudyReplay, Track
from .spec import FALLBACK_HEADLINE, StudySpec, least_min_obs

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What the user asked for, resolved to nouns: nothing is read or estimated yet.

    `catalogue` is where confounders are looked up (None = nowhere). `searched`: the pairs were found by kind or date, not
    named; those without prices are then left out with the line that fetches them.
    """

    pairs: tuple[Pair, ...]
    source: Any
    spec: StudySpec
    given: Given
    catalogue: EventCatalog | None
    title: str = ""
    question: str = ""
    name: str = ""
    excluded: tuple[Excluded, ...] = ()
    searched: bool = False

    def but(self, **changes: Any) -> Request:
        """The same request with some fields of its spec changed; another benchmark takes the place of a given series."""
        other = changes.get("benchmark")
        given = self.given if other in (None, self.spec.benchmark) else replace(self.given, benchmark=None)
        return replace(self, spec=self.spec.but(**changes), given=given)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A request with its day 0s, series, windows and abnormal returns; arrays run over the pairs that stayed.

    day0 (E,) are rows of each pair's tape. `portfolio` is the equal-weighted portfolio where all pairs share one date.
    """

    request: Request
    pairs: tuple[Pair, ...]
    alignments: tuple[Alignment, ...]
    day0: IntArray
    recordings: Mapping[str, Recording]
    key: tuple[str, ...]
    windows: tuple[Window, ...]
    added_windows: Mapping[Window, str]
    sample: Sample
    ar: AbnormalReturns
    portfolio: AbnormalReturns | None
    portfolio_dropped: tuple[Ticker, ...]
    replay: StudyReplay
    flags: tuple[tuple[str, ...], ...]
    excluded: tuple[Excluded, ...]

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
    def same_session(self) -> tuple[Event, ...]:
        """Events left out because a share had another one of the study in the same session."""
        gone = {(x.event_id, x.ticker) for x in self.excluded if x.stage == SAME_SESSION}
        events = {p.event.id: p.event for p in self.request.pairs if (p.event.id, p.ticker) in gone}
        return tuple(events.values())

    def recording(self, i: int) -> Recording:
        """What was recorded for pair i's exchange."""
        return self.recordings[self.key[i]]

    def unit(self, i: int) -> int:
        """Row of pair i's share on its tape."""
        return self.recording(i).unit_of[self.pairs[i].ticker]


def build(request: Request, progress: Progress | None = None) -> Case:
    """Everything up to the abnormal returns of every pair that can be studied."""
    request = _with_prices(request)
    spec = request.spec
    recordings = _record_all(request)
    keys = [calendar_key(p.ticker, request.source, spec) for p in request.pairs]
    placed, unplaced = place_all(request.pairs, keys, recordings, spec, request.catalogue)
    limited, limit_windows = limit_notes(placed, recordings)
    windows, added = _windows(spec, [x.alignment for x in placed], limit_windows)
    excluded = [*request.excluded, *unplaced]
    if not placed:
        return _empty(request, recordings, windows, added, tuple(excluded))
    estimation = _estimation(spec, recordings, placed)
    sample = _cut_all(placed, recordings, estimation, windows)
    if spec.confounders == "dummy":
        sample = _without_contaminated(sample, request, placed, recordings)
    placed, sample, unsigned = _aligned_signs(placed, sample, spec)
    excluded += unsigned
    if not placed:
        return _empty(request, recordings, windows, added, tuple(excluded))
    ar = MODELS.get(spec.model)(sample, spec.options)
    keep, dropped = _estimated(placed, ar, recordings, spec)
    excluded += dropped
    if not keep:
        return _empty(request, recordings, windows, added, tuple(excluded))
    flags = _sample_flags(sample, ar, windows, estimation)
    flags = [[*x.flags, *([limited[i]] if i in limited else []), *flags[i]] for i, x in enumerate(placed)]
    if len(keep) < len(placed):
        placed, flags = [placed[i] for i in keep], [flags[i] for i in keep]
        sample, ar = sample.take(keep), ar.take(keep)
    whole, left, track = _portfolio(sample, ar, recordings, placed, spec)
    key, _, day0 = positions(placed)
    return Case(
        request=request,
        pairs=tuple(x.pair for x in placed),
        alignments=tuple(x.alignment for x in placed),
        day0=day0,
        recordings=recordings,
        key=key,
        windows=windows,
        added_windows=added,
        sample=sample,
        ar=ar,
        portfolio=whole,
        portfolio_dropped=left,
        replay=_replay(request, placed, recordings, sample, ar, track),
        flags=tuple(tuple(f) for f in flags),
        excluded=tuple(excluded),
    )


# ------------------------------------------------------------------------------------------------ series


def _with_prices(request: Request) -> Request:
    """The request without searched pairs that have no prices; untouched where all or none have them."""
    spec, source = request.spec, request.source
    here = [source.has(p.ticker, spec.freq) for p in request.pairs] if request.searched else []
    if all(here) or not any(here):
        return request
    fetch = "abnormal fetch " + " ".join(
        dict.fromkeys([*(p.ticker for p, h in zip(request.pairs, here) if not h), *members(spec.benchmark)])
    )
    gone = [left_out(p, "prices", "no prices in the store", fetch) for p, h in zip(request.pairs, here) if not h]
    kept = tuple(p for p, h in zip(request.pairs, here) if h)
    return replace(request, pairs=kept, excluded=(*request.excluded, *gone))


def _record_all(request: Request) -> dict[str, Recording]:
    """One recording for each exchange the study's shares and candidates trade on."""
    spec, source = request.spec, request.source
    study = list(dict.fromkeys(p.ticker for p in request.pairs))
    everyone = list(dict.fromkeys([*study, *spec.candidates, *donors_of(request)]))
    peers = members(spec.options.get("peers")) or (members(spec.benchmark) if _wants_peers(spec) else ())
    groups: dict[str, list[Ticker]] = {}
    for ticker in everyone:
        groups.setdefault(calendar_key(ticker, source, spec), []).append(ticker)
    return {
        key: record(key, units, study, source, spec, request.given, _clean_peers(peers, request.pairs, study))
        for key, units in groups.items()
    }


def _wants_peers(spec: StudySpec) -> bool:
    names = (spec.model, *spec.robustness.models)
    return any(n.startswith("peers") or n in ("synthetic_control", "gsynth", "beta_prior") for n in names)


def donors_of(request: Request) -> tuple[Ticker, ...]:
    """Shares that take the place of the studied ones in placebo tests: options["donors"], else the peers or candidates.

    "panel" stands for every share of the prices but the study's own and its benchmark's.
    """
    spec = request.spec
    study = list(dict.fromkeys(p.ticker for p in request.pairs))
    asked = spec.options.get("donors")
    if asked == "panel":
        market = {*members(spec.benchmark), *members(spec.industry)}
        chosen = tuple(t for t in request.source.tickers() if t not in market)
    else:
        chosen = members(asked) or members(spec.options.get("peers")) or spec.candidates
    return _clean_peers(chosen, request.pairs, study)


def _clean_peers(peers: Sequence[Ticker], pairs: Sequence[Pair], study: Sequence[Ticker]) -> tuple[Ticker, ...]:
    """Control shares: never the study's own, never one an event names as target or beneficiary."""
    hit = {k.ticker for p in pairs for k in p.event.tickers if k.role in ("target", "beneficiary")}
    return tuple(t for t in peers if t not in study and t not in hit)


# ------------------------------------------------------------------------------------------------ windows and rows


def _windows(
    spec: StudySpec, alignments: Sequence[Alignment], limits: Mapping[Window, str]
) -> tuple[tuple[Window, ...], dict[Window, str]]:
    """Headline first, then the study's other windows, then the wider ones for uncertain times and price limits."""
    extra: dict[Window, str] = dict(limits)
    for a in alignments:
        why = a.flags[0] if a.flags else ""
        for w in a.extra_windows:
            extra.setdefault(w, why)
    stated = list(spec.offset_windows)
    if not spec.headline_set:
        forward = [w for w in extra if w[0] == 0]
        head = max(forward, key=lambda w: w[1]) if forward else FALLBACK_HEADLINE
        stated = [head, *(w for w in stated if w != head)]
    ordered = list(dict.fromkeys([*stated, *extra]))
    return tuple(ordered), {w: why for w, why in extra.items() if w not in spec.windows}


def _estimation(spec: StudySpec, recordings: Mapping[str, Recording], placed: Sequence[Placed]) -> Window:
    """Offsets of the estimation window; "all" runs from the first usable session of any pair."""
    if not isinstance(spec.estimation, str):
        return spec.estimation
    return min(recordings[x.key].tape.first_usable(x.unit) - x.day0 for x in placed), spec.estimation_end


def _cut_all(
    placed: Sequence[Placed], recordings: Mapping[str, Recording], estimation: Window, windows: Sequence[Window]
) -> Sample:
    """The sample of all pairs, exchange by exchange, in the order of the pairs."""
    key, units, day0 = positions(placed)
    low, high = min(w[0] for w in windows), max(w[1] for w in windows)
    groups = [np.array([i for i, k in enumerate(key) if k == name]) for name in dict.fromkeys(key)]
    parts = []
    for rows in groups:
        tape = recordings[key[rows[0]]].tape
        ids = tuple(placed[i].pair.event.id for i in rows)
        parts.append(cut(tape, units[rows], day0[rows], estimation, (low, high), low, ids))
    sample = parts[0] if len(parts) == 1 else _joined(parts, groups)
    return _handed_over(sample, placed) if any(x.cut_at is not None for x in placed) else sample


def _handed_over(sample: Sample, placed: Sequence[Placed]) -> Sample:
    """Sessions that belong to a later event of the same share are taken from the earlier one (confounders="split")."""
    y = sample.y.copy()
    for i, x in enumerate(placed):
        if x.cut_at is not None:
            y[i, sample.offsets >= x.cut_at - x.day0] = np.nan
    return replace(sample, y=y)


def _without_contaminated(
    sample: Sample, request: Request, placed: Sequence[Placed], recordings: Mapping[str, Recording]
) -> Sample:
    """One dummy a contaminated session is the same as leaving its row out of the estimation (M 8.2)."""
    est = sample.est.copy()
    for i, x in enumerate(placed):
        used = np.flatnonzero(est[i])
        if not used.size:
            continue
        rows = x.day0 + sample.offsets
        span = (int(rows[used[0]]), int(rows[used[-1]]))
        found = confounders_of(x.pair, request.catalogue, recordings[x.key], x.day0, span, request.spec)
        est[i] &= ~np.isin(rows, contaminated_rows(found))
    return replace(sample, est=est)


def _aligned_signs(
    placed: list[Placed], sample: Sample, spec: StudySpec
) -> tuple[list[Placed], Sample, list[Excluded]]:
    """align="expected_sign": every series multiplied by the sign the event was expected to have; pairs without one go."""
    if spec.align is None:
        return placed, sample, []
    why = 'no expected sign: align="expected_sign" needs sign 1 or -1'
    gone = [left_out(x.pair, "events", why, "state a sign in the event") for x in placed if not x.pair.link.sign]
    keep = [i for i, x in enumerate(placed) if x.pair.link.sign]
    placed, sample = [placed[i] for i in keep], sample.take(keep)
    sign = np.array([x.pair.link.sign for x in placed], float)
    return placed, signed(sample, sign), gone


def signed(sample: Sample, sign: FloatArray) -> Sample:
    """Returns and regressors multiplied by `sign` (E,): abnormal returns change sign, betas do not."""

    def turn(a: Any) -> Any:
        return None if a is None else a * sign.reshape(-1, *([1] * (a.ndim - 1)))

    return replace(
        sample, y=turn(sample.y), x=turn(sample.x), lead=turn(sample.lead), lag=turn(sample.lag), peers=turn(sample.peers),
        rf=turn(sample.rf),
    )  # fmt: skip


def _joined(parts: Sequence[Sample], groups: Sequence[np.ndarray]) -> Sample:
    """Samples of several exchanges as one, pairs back in their order."""
    if len({p.names for p in parts}) > 1:
        raise RequestError("the exchanges of this study have different regressors; study them one at a time")
    back = np.argsort(np.concatenate(groups), kind="stable")
    arrays: dict[str, Any] = {}
    for name in ("y", "x", "span", "est", "dates", "lead", "lag", "rf"):
        values = [getattr(p, name) for p in parts]
        arrays[name] = None if any(v is None for v in values) else np.concatenate(values)[back]
    peers = [p.peers for p in parts]
    same = all(v is not None and v.shape[2] == peers[0].shape[2] for v in peers)  # type: ignore[union-attr]
    arrays["peers"] = np.concatenate([v for v in peers if v is not None])[back] if same else None
    ids = [v for p in parts for v in p.event_id]
    tickers = [v for p in parts for v in p.ticker]
    return replace(
        parts[0], **arrays, event_id=tuple(ids[i] for i in back), ticker=tuple(tickers[i] for i in back)
    )  # fmt: skip


def _estimated(
    placed: Sequence[Placed], ar: AbnormalReturns, recordings: Mapping[str, Recording], spec: StudySpec
) -> tuple[list[int], list[Excluded]]:
    """Positions of pairs the model could be estimated for, and the exclusions of the others."""
    keep, out = [], []
    for i, (x, why) in enumerate(zip(placed, ar.reason)):
        if not why:
            keep.append(i)
            continue
        tape = recordings[x.key].tape
        rows = np.flatnonzero(np.isfinite(tape.event_y[x.unit]))
        first = tape.time[max(int(rows[0]) - 1, 0)] if rows.size else "never"
        short = "returns in" in why
        remedy = _short_remedy(int(ar.m[i]), spec) if short else ""
        out.append(left_out(x.pair, "estimation", f"{why}. First traded {first}" if short else why, remedy))
    return keep, out


def _short_remedy(m: int, spec: StudySpec) -> str:
    """What would bring a pair with m estimation returns back: each of these runs as it is written."""
    plain = 'model="market_adjusted", which estimates no parameters'
    if m >= spec.min_obs:
        return f'use model="market" or {plain}'
    if m >= least_min_obs(spec.model):
        return f"set min_obs={m} (said in the output), with this model or with {plain}"
    if m >= least_min_obs("market_adjusted"):
        return f"set min_obs={m} (said in the output) with {plain}"
    return "study it later, when more sessions have passed"


def _sample_flags(
    sample: Sample, ar: AbnormalReturns, windows: Sequence[Window], estimation: Window
) -> list[list[str]]:
    """Short history, cut estimation windows, missing or multi-session returns in the event windows."""
    out: list[list[str]] = []
    wanted = estimation[1] - estimation[0] + 1
    for i in range(ar.size):
        flags = []
        m = int(ar.m[i])
        if m < 60:
            flags.append(f"very short history: {m} estimation returns")
        elif m < 100:
            flags.append(f"short history: {m} estimation returns")
        if m < wanted:
            flags.append(f"estimation window cut: {m} of {wanted} sessions have a usable return")
        for w in windows:
            cols = ar.columns(w)
            there, known = np.isfinite(ar.raw[i, cols]), np.isfinite(ar.ar[i, cols])
            missing, unexplained = int(np.sum(~there)), int(np.sum(there & ~known))
            if missing:
                flags.append(f"{missing} of {w[1] - w[0] + 1} returns missing in ({w[0]}, {w[1]})")
            if unexplained:
                flags.append(f"no benchmark on {unexplained} of {w[1] - w[0] + 1} sessions in ({w[0]}, {w[1]})")
        event = slice(ar.first_event_column, None)
        for n in ar.span[i, event][(ar.span[i, event] > 1) & np.isfinite(ar.ar[i, event])]:
            flags.append(f"{int(n)}-session return in the event window")
        out.append(flags)
    return out


# ------------------------------------------------------------------------------------------------ portfolio, replay


def _portfolio(
    sample: Sample, ar: AbnormalReturns, recordings: Mapping[str, Recording], placed: Sequence[Placed], spec: StudySpec
) -> tuple[AbnormalReturns | None, tuple[Ticker, ...], Track | None]:
    """The equal-weighted portfolio of a common date, the firms it leaves out, and its track for placebo dates."""
    # A firm without any event return has nothing to add to the mean.
    whole_rows = np.flatnonzero(np.isfinite(ar.ar[:, ar.first_event_column :]).any(axis=1))
    sample, placed = sample.take(whole_rows), [placed[int(i)] for i in whole_rows]
    key, units, day0 = positions(placed)
    common = sample.size > 1 and len(set(key)) == 1 and len(set(day0.tolist())) == 1
    if not common or len(set(units.tolist())) < sample.size:
        return None, (), None
    joint, dropped = portfolio(sample)
    sign = np.array([x.pair.link.sign if spec.align else 1 for x in placed], float)
    if spec.align and spec.model not in UNFITTED:
        # A slope is fitted anyway: the plain benchmark serves where signed ones would cancel.
        joint = replace(joint, x=sample.x[:1] * sign[0])
    whole = MODELS.get(spec.model)(joint, spec.options)
    if whole.reason and whole.reason[0]:
        return None, dropped, None
    kept = [i for i, t in enumerate(sample.ticker) if t not in dropped]
    tape = _portfolio_tape(recordings[key[0]].tape, units[kept], sign[kept], spec.model in UNFITTED)
    est_first = int(day0[0] + whole.offsets[np.flatnonzero(whole.est[0])[0]])
    return whole, dropped, Track(tape, 0, int(day0[0]), est_first, whole.model[0], "portfolio")


UNFITTED = ("market_adjusted", "peers_ew")  # models without a slope: the benchmark counts as it is


def _portfolio_tape(tape: Tape, i: IntArray, sign: FloatArray, unfitted: bool) -> Tape:
    """Mean (signed) return of the rows on the sessions complete for all of them."""
    if unfitted:
        tape = replace(tape, x=tape.x * sign.mean(), peers=None if tape.peers is None else tape.peers * sign.mean())
    turn = sign[:, None]
    return replace(
        tape, units=("portfolio",), y=(turn * tape.y[i]).mean(axis=0)[None],
        event_y=(turn * tape.event_y[i]).mean(axis=0)[None],
        span=tape.span[i].max(axis=0)[None], usable=np.all(tape.usable[i], axis=0, keepdims=True), xid=tape.xid[i[:1]],
        peer_of=None if tape.peer_of is None else tape.peer_of[i[:1]],
    )  # fmt: skip


def _replay(
    request: Request, placed: Sequence[Placed], recordings: Mapping[str, Recording], sample: Sample,
    ar: AbnormalReturns, whole: Track | None,
) -> StudyReplay:  # fmt: skip
    spec = request.spec
    tracks: dict[Unit, Track] = {}
    for i, x in enumerate(placed):
        first = int(x.day0 + ar.offsets[np.flatnonzero(ar.est[i])[0]])
        sign = float(x.pair.link.sign) if spec.align else 1.0
        tracks[i] = Track(recordings[x.key].tape, x.unit, x.day0, first, ar.model[i], x.pair.ticker, sign)
    if whole is not None:
        tracks["portfolio"] = whole
    donors = donors_of(request)
    for ticker in dict.fromkeys([*spec.candidates, *donors]):
        for rec in recordings.values():
            if ticker in rec.unit_of:
                row = rec.unit_of[ticker]
                tracks[ticker] = Track(_own_peers(rec.tape, row), row, 0, 0, ar.model[0], ticker)
    treated = {t for rec in recordings.values() for t in rec.problems}
    usable = tuple(t for t in donors if t in tracks and t not in treated)
    return StudyReplay(tracks, sample.estimation[1], spec.options, spec.candidates, usable)


def _own_peers(tape: Tape, unit: int) -> Tape:
    """The tape as a candidate sees it that is itself a control share: with the other control shares."""
    if tape.peer_of is None or (tape.peer_of[unit] >= 0).all():
        return tape
    others = tape.peer_of[unit][tape.peer_of[unit] >= 0]
    return replace(tape, peer_of=np.broadcast_to(others, (len(tape.units), others.size)))


def _empty(
    request: Request, recordings: Mapping[str, Recording], windows: tuple[Window, ...], added: Mapping[Window, str],
    excluded: tuple[Excluded, ...],
) -> Case:  # fmt: skip
    """A case from which every pair was excluded: it answers, with nothing but reasons."""
    spec = request.spec
    estimation = (-260, -11) if isinstance(spec.estimation, str) else spec.estimation
    low, high = min(w[0] for w in windows), max(w[1] for w in windows)
    tape = next(iter(recordings.values())).tape
    none = np.empty(0, np.int64)
    sample = cut(tape, none, none, estimation, (low, high), low, ())
    ar = MODELS.get("mean")(sample, {})
    replay = StudyReplay({}, estimation[1], spec.options, spec.candidates)
    return Case(
        request, (), (), none, recordings, (), windows, added, sample, ar, None, (), replay, (), excluded
    )  # fmt: skip
