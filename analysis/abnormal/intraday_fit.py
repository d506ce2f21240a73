"""From bars to abnormal returns: the model, the daily pattern and the level of a usual bar, for blocks of pairs at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .confounding import Confounder, confounders_of, contaminated_rows
from .domain import AbnormalReturns, BoolArray, EventCatalog, Excluded, FloatArray, IntArray, Sample, Ticker, Window
from .errors import SpecError
from .inference._bars import PairBars
from .inputs.bar_tapes import BarRecording
from .inputs.slots import SlotBars, SlotGrid, neighbours, slot_returns
from .intraday_place import Placed, row_of
from .kernel import realized
from .models._linear import assemble
from .placing import left_out
from .registry import MODELS
from .spec import StudySpec

LEAST_FILLED = 0.5  # a session with fewer of its bars traded is no estimation session
LEAST_SESSIONS = 20  # for a daily pattern
RAW = "raw"


# ------------------------------------------------------------------------------------------------ estimation


class Fit(NamedTuple):
    """What the model said of one pair: name, coefficients, degrees of freedom, rows, R2, level of a bar, flags."""

    model: str
    coef: Mapping[str, float]
    sigma: float
    df: float
    m: int
    r2: float
    raw: FloatArray
    expected: FloatArray
    sessions: int
    flags: tuple[str, ...]


class _Cells(NamedTuple):
    """Returns of share and market by pair, session and slot, (E, D, S) each."""

    r: FloatArray
    now: FloatArray
    lag: FloatArray
    lead: FloatArray


def estimated(
    block: Sequence[Placed], recordings: Mapping[str, BarRecording], rel: IntArray, spec: StudySpec,
    windows: Sequence[Window], catalogue: EventCatalog | None,
) -> list[tuple[PairBars, Fit] | Excluded]:  # fmt: skip
    """Abnormal returns and daily pattern of the pairs of a block, all at once."""
    rec = recordings[block[0].key]
    grid = rec.grid
    rows = np.array([row_of(x, recordings) for x in block])[:, None] + rel
    inside = (rows >= 0) & (rows < grid.sessions.size)
    rows = np.where(inside, rows, 0)
    cells = _cells(block, rec, rows, inside, spec)
    est, thin = _estimation_sessions(block, rec, rows, inside, rel, spec, catalogue)
    halted = _taken(
        [rec.shares[x.pair.ticker].cells(rec.shares[x.pair.ticker].halted) for x in block], rows, inside, False
    )
    fit = _modelled(block, grid, cells, est & inside, halted, rel, spec)
    sign = np.array([x.pair.link.sign if spec.align else 1 for x in block], float)[:, None, None]
    ar, r = fit.ar.reshape(cells.r.shape) * sign, cells.r * sign
    scales = standardised(ar, est, grid.is_bar, halted, spec.options)
    raw = raw_pattern(r, est, grid.is_bar, halted, spec.options)
    out: list[tuple[PairBars, Fit] | Excluded] = []
    for i, x in enumerate(block):
        if fit.reason and fit.reason[i]:
            out.append(left_out(x.pair, "estimation", _reason(fit.reason[i], est[i]), _remedy(spec)))
            continue
        if spec.align and not x.pair.link.sign:
            why = 'no expected sign: align="expected_sign" needs sign 1 or -1'
            out.append(left_out(x.pair, "events", why, "state a sign in the event"))
            continue
        share = rec.shares[x.pair.ticker]
        bars = _pair_bars(x, share, rows[i], inside[i], r[i], ar[i], halted[i], est[i], rel, scales, raw[i], i, spec)
        coef = {name: float(fit.coef[i, j]) for j, name in enumerate(fit.coef_names)}
        flags = (*_cut_flags(est[i], spec, rel), *thin[i], *_pair_flags(bars, windows))
        if not rec.basket[x.pair.ticker]:
            flags = ("no benchmark: raw bar returns", *flags)
        out.append((bars, Fit(
            fit.model[i], coef, float(scales.sigma[i]), float(fit.df[i]), int(fit.m[i]), float(fit.r2[i]), r[i],
            r[i] - ar[i], int(est[i].sum()), flags,
        )))  # fmt: skip
    return out


def _cells(block: Sequence[Placed], rec: BarRecording, rows: IntArray, inside: BoolArray, spec: StudySpec) -> _Cells:
    """Returns of the shares and of their benchmarks over the slots the shares traded in."""
    made: dict[Ticker, tuple[FloatArray, ...]] = {}
    for ticker in dict.fromkeys(x.pair.ticker for x in block):
        share = rec.shares[ticker]
        own = slot_returns(share, *share.levels())
        members = rec.basket[ticker]
        if not members:
            nothing = np.full_like(own, np.nan)
            made[ticker] = (own, nothing, nothing, nothing)
            continue
        levels = [rec.shares[t].levels(carried=True) for t in members]
        opens, closes = (np.mean([pair[k] for pair in levels], axis=0) for k in (0, 1))
        made[ticker] = (own, slot_returns(share, opens, closes), *neighbours(share, opens, closes))
    parts = (_taken([made[x.pair.ticker][k] for x in block], rows, inside, np.nan) for k in range(4))
    return _Cells(*parts)


def _taken(series: Sequence[Any], rows: IntArray, inside: BoolArray, absent: Any) -> Any:
    """Sessions (E, D, S) of each pair's series (sessions, S)."""
    out = np.stack([s[rows[i]] for i, s in enumerate(series)])
    out[~inside] = absent
    return out


def _estimation_sessions(
    block: Sequence[Placed], rec: BarRecording, rows: IntArray, inside: BoolArray, rel: IntArray, spec: StudySpec,
    catalogue: EventCatalog | None,
) -> tuple[BoolArray, list[tuple[str, ...]]]:  # fmt: skip
    """(E, D) sessions to estimate on, and per pair what was left out of them."""
    low, high = (-10_000, spec.estimation_end) if isinstance(spec.estimation, str) else spec.estimation
    within = (rel >= low) & (rel <= high)
    est = inside & within[None, :]
    flags: list[tuple[str, ...]] = []
    expected = rec.grid.expected()
    for i, x in enumerate(block):
        filled, wanted = rec.days[x.pair.ticker].filled[rows[i]], expected[rows[i]]
        sparse = est[i] & (filled < LEAST_FILLED * wanted)
        est[i] &= ~sparse
        first = _first_estimable(x.pair.ticker, rec, spec)
        est[i] &= rec.grid.sessions[rows[i]] >= first
        said = [f"session {rec.grid.sessions[rows[i, d]]}: {filled[d]} of {wanted[d]} bars, not estimated on"
                for d in np.flatnonzero(sparse & (filled > 0))[:3]]  # fmt: skip
        if spec.confounders == "dummy":
            hit = np.isin(rows[i], contaminated_rows(neighbours_of(x, rec, spec, catalogue)))
            est[i] &= ~hit
        flags.append(tuple(said))
    return est, flags


def neighbours_of(x: Placed, rec: BarRecording, spec: StudySpec, catalogue: EventCatalog | None) -> list[Confounder]:
    """Catalogue events on the sessions of the pair's exchange (none where there is no catalogue)."""
    if catalogue is None:
        return []
    axis: Any = SimpleNamespace(tape=SimpleNamespace(calendar=rec.key, time=rec.grid.sessions), calendar=rec.calendar)
    row = int(rec.grid.bars.session[x.bar] - rec.grid.bars.session[0])
    low, high = (-row, spec.estimation_end) if isinstance(spec.estimation, str) else spec.estimation
    return confounders_of(x.pair, catalogue, axis, row, (row + low, row + high), spec)


def _first_estimable(ticker: Ticker, rec: BarRecording, spec: StudySpec) -> np.datetime64:
    """The first session after a listing that counts."""
    from .inputs.tickers import load_tickers

    stated = rec.bars[ticker].meta.get("listing_date") or load_tickers().listing_date(ticker)
    sessions = rec.grid.sessions
    if stated is None or np.datetime64(stated, "D") < sessions[0]:
        return sessions[0]
    return sessions[
        min(int(np.searchsorted(sessions, np.datetime64(stated, "D"))) + spec.skip_first, sessions.size - 1)
    ]


def _modelled(
    block: Sequence[Placed],
    grid: SlotGrid,
    cells: _Cells,
    est: BoolArray,
    halted: BoolArray,
    rel: IntArray,
    spec: StudySpec,
) -> AbnormalReturns:
    """The model on the block's bars as one sample: sessions one after another, estimation rows first."""
    e, d, s = cells.r.shape
    shape = (e, d * s)
    last = spec.estimation_end
    before = int(np.searchsorted(rel, last, side="right"))
    offsets = np.arange(-before * s, (d - before) * s)
    fitted = est[:, :, None] & grid.is_bar & ~halted & np.isfinite(cells.r)
    with_market = bool(np.isfinite(cells.now).any())
    market = cells.now.reshape(*shape, 1) if with_market else np.empty((*shape, 0))
    sample = Sample(
        offsets=offsets, y=cells.r.reshape(shape), x=market, names=("market",) if with_market else (),
        span=np.broadcast_to(np.ones(1), shape), est=fitted.reshape(shape),
        dates=np.broadcast_to(np.datetime64("NaT", "ns"), shape),
        estimation=(int(offsets[0]), -1), event_id=tuple(x.pair.event.id for x in block),
        ticker=tuple(x.pair.ticker for x in block), lead=cells.lead.reshape(*shape, 1), lag=cells.lag.reshape(*shape, 1),
        min_obs=spec.min_obs, kind="log",
    )  # fmt: skip
    model = spec.model
    if model == "auto":
        model = "intraday_market" if with_market else RAW
    return _raw(sample) if model == RAW else MODELS.get(model)(sample, spec.options)


def _raw(sample: Sample) -> AbnormalReturns:
    """No benchmark and no drift: the bar's return is what is abnormal."""
    m = sample.est.sum(axis=1)
    rss = np.where(sample.est, sample.y, 0.0)
    e = sample.size
    out = assemble(
        sample, RAW, y=sample.y, expected=np.zeros_like(sample.y), use=sample.est, x=np.empty((*sample.y.shape, 0)),
        g=np.empty((e, 0, 0)), rss=np.einsum("ew,ew->e", rss, rss), k=0, df=np.maximum(m, 1).astype(float),
        coef=np.empty((e, 0)), coef_names=(), r2=np.full(e, np.nan), fitted=False,
        reason=[_too_few(int(n), sample.min_obs) for n in m],
    )  # fmt: skip
    failed = np.array([bool(r) for r in out.reason])
    return replace(out, ar=np.where(failed[:, None], np.nan, sample.y))


def _too_few(n: int, needed: int) -> str:
    return f"{n} bar returns in the estimation sessions; {needed} are needed" if n < needed else ""


def _reason(why: str, est: BoolArray) -> str:
    said = re.sub(r"in \(-?\d+, -?\d+\)", f"in {int(est.sum())} estimation sessions", why)
    return said


def _remedy(spec: StudySpec) -> str:
    return "shorten or move the estimation window, fetch more sessions, or lower min_obs"


# ------------------------------------------------------------------------------------------------ pattern and level


class Scales(NamedTuple):
    """sigma (E,) of a usual bar, pattern f (E, J), size of a closure (E, C), and why there is no pattern (E,)."""

    sigma: FloatArray
    f: FloatArray
    closure: FloatArray
    reason: tuple[str, ...]


def standardised(
    ar: FloatArray, est: BoolArray, is_bar: BoolArray, halted: BoolArray, options: Mapping[str, Any]
) -> Scales:
    """The daily pattern and the day's level before the event, from the estimation sessions (E, D, S) of abnormal returns.

    options: pattern "rms" or "wsd"; level "rv20" (root of the mean realised variance of the last 20 sessions a bar) or
    "har"; pattern_sessions, how many sessions a pattern needs.
    """
    level = _word(options, "level", ("rv20", "har"))
    bars = _estimation_bars(ar, est, is_bar, halted)
    found = _shape(bars, options)
    rv = np.vecdot(bars, bars)
    if not np.isfinite(rv).all():
        there = np.isfinite(bars)
        size = np.where(there, bars, 0.0)
        rv = np.where(there.any(axis=2), np.vecdot(size, size), np.nan)
        rv = np.take_along_axis(rv, np.argsort(np.isfinite(rv), axis=1, kind="stable"), axis=1)  # absent sessions first
    j = int(is_bar.sum())
    sigma = np.sqrt(realized.har_forecast(rv).forecast / j) if level == "har" else realized.day_sigma(rv, j)
    closed = np.where(est[:, :, None], ar[:, :, ~is_bar], np.nan)
    there = np.isfinite(closed)
    with np.errstate(invalid="ignore", divide="ignore"):
        closure = np.sqrt((np.where(there, closed, 0.0) ** 2).sum(axis=1) / there.sum(axis=1))
    reason = tuple(str(w) for w in np.atleast_1d(found.reason))
    return Scales(np.atleast_1d(sigma), found.f[:, is_bar], closure, reason)


def raw_pattern(
    r: FloatArray, est: BoolArray, is_bar: BoolArray, halted: BoolArray, options: Mapping[str, Any]
) -> FloatArray:
    """The daily pattern (E, J) of the returns themselves, for tests of jumps in the price."""
    return _shape(_estimation_bars(r, est, is_bar, halted), options).f[:, is_bar]


def _estimation_bars(values: FloatArray, est: BoolArray, is_bar: BoolArray, halted: BoolArray) -> FloatArray:
    """Bars of the estimation sessions and the ones between them, NaN elsewhere and over halts."""
    days = np.flatnonzero(est.any(axis=0))
    cut = slice(int(days[0]), int(days[-1]) + 1) if days.size else slice(0, 0)
    counts = est[:, cut, None] & is_bar & ~halted[:, cut]
    return values[:, cut] if counts.all() else np.where(counts, values[:, cut], np.nan)


def _shape(bars: FloatArray, options: Mapping[str, Any]) -> realized.Diurnal:
    pattern = _word(options, "pattern", ("rms", "wsd"))
    least = int(options.get("pattern_sessions", LEAST_SESSIONS))
    return {"rms": realized.diurnal_rms, "wsd": realized.diurnal_wsd}[pattern](bars, min_sessions=least)


def _word(options: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    given = options.get(key, allowed[0])
    if given not in allowed:
        raise SpecError(f"model.options.{key} = {given!r}; expected one of {', '.join(allowed)}")
    return str(given)


def _pair_bars(
    x: Placed, share: SlotBars, rows: IntArray, inside: BoolArray, r: FloatArray, ar: FloatArray, halted: BoolArray,
    est: BoolArray, rel: IntArray, scales: Scales, raw: FloatArray, i: int, spec: StudySpec,
) -> PairBars:  # fmt: skip
    grid = share.grid
    s = grid.slots
    exists = grid.exists[rows] & inside[:, None]
    places = np.flatnonzero((exists & grid.is_bar).ravel())
    event = int(np.flatnonzero(rel == 0)[0])
    own = int(grid.place[x.bar]) % s + event * s
    scale, f = np.full(s, np.nan), np.full(s, np.nan)
    scale[grid.is_bar], scale[~grid.is_bar] = scales.sigma[i] * scales.f[i], scales.closure[i]
    f[grid.is_bar] = raw
    volume = share.cells(share.volume)[rows]
    volume[~inside] = np.nan
    window = spec.options.get("lm_window")
    before = x.news_before and spec.options.get("closures", "in") != "out"
    return PairBars(
        r=r, ar=ar, is_bar=grid.is_bar, exists=exists, halted=halted, est=est, event=event, places=places,
        origin=int(np.searchsorted(places, own)), news_before=before, scale=scale, f=f, minutes=grid.minutes,
        volume=volume if np.isfinite(share.volume).any() else None, lm_window=None if window is None else int(window),
        why_no_pattern=scales.reason[i],
    )  # fmt: skip


def _cut_flags(est: BoolArray, spec: StudySpec, rel: IntArray) -> list[str]:
    n = int(est.sum())
    out = []
    if not isinstance(spec.estimation, str):
        wanted = spec.estimation[1] - spec.estimation[0] + 1
        if n < wanted:
            out.append(f"estimation window cut: {n} of {wanted} sessions have bars")
    if n < LEAST_SESSIONS:
        out.append(f"{n} estimation sessions: no p by rank can be below {1 / (n + 1):.3f}")
    return out


def _pair_flags(bars: PairBars, windows: Sequence[Window]) -> list[str]:
    out = []
    shown = bars.exists & bars.is_bar & bars.est[:, None]
    empty = 1.0 - np.isfinite(bars.r[shown]).mean() if shown.any() else 0.0
    if empty > realized.MAX_EMPTY:
        out.append(
            f"{100 * empty:.0f}% of the estimation bars are empty: jump tests do not apply and ranks are coarse; use longer "
            "bars (freq)"
        )
    if bars.why_no_pattern:
        out.append(f"{bars.why_no_pattern}: bars are not standardised")
    lost = int((np.isfinite(bars.r[bars.event]) & ~np.isfinite(bars.ar[bars.event])).sum())
    if lost:
        out.append(f"{lost} slots of the event session have no bar of the benchmark: no abnormal return there")
    here = bars.exists[bars.event] & bars.is_bar
    traded = int(np.isfinite(bars.r[bars.event, here]).sum())
    if traded < (1 - realized.MAX_EMPTY) * here.sum():
        out.append(f"event session: {traded} of {int(here.sum())} bars were traded")
    return out


# ------------------------------------------------------------------------------------------------ the waist


def waist(
    bars: Sequence[PairBars], fits: Sequence[Fit], placed: Sequence[Placed], recordings: Mapping[str, BarRecording],
    rel: IntArray, windows: Sequence[Window], spec: StudySpec,
) -> AbnormalReturns:  # fmt: skip
    """Abnormal returns of the bars around the event: sigma f_j as their size, nothing estimated left in the variance."""
    low, high = min(w[0] for w in windows), max(w[1] for w in windows)
    offsets = np.arange(low, high + 1)
    e, n = len(bars), offsets.size
    ar, raw, expected, noise = (np.full((e, n), np.nan) for _ in range(4))
    dates = np.full((e, n), np.datetime64("NaT", "ns"))
    names = tuple(dict.fromkeys(k for f in fits for k in f.coef))
    for i, (b, f, x) in enumerate(zip(bars, fits, placed)):
        cut = _columns(b, offsets)
        if cut is None:
            continue
        have, first = cut
        ar[i, have] = summed(b.ar, first, b)
        raw[i, have], expected[i, have] = summed(f.raw, first, b), summed(f.expected, first, b)
        variance = np.where(np.isfinite(b.ar), b.scale**2, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            noise[i, have] = summed(variance, first, b) / f.sigma**2
        dates[i, have] = bar_times(b, x, recordings, offsets[have])
    sigma = np.array([np.nan if b.why_no_pattern else f.sigma for b, f in zip(bars, fits)])
    coef = np.array([[f.coef.get(k, np.nan) for k in names] for f in fits]).reshape(e, len(names))
    m = np.array([f.sessions for f in fits], np.int64)
    return AbnormalReturns(
        model=tuple(f.model for f in fits), offsets=offsets, ar=ar, raw=raw, expected=expected, est=np.zeros((e, n), bool),
        span=np.ones((e, n)), noise=np.where(np.isfinite(noise), noise, 0.0), x=np.zeros((e, n, 0)), g=np.zeros((e, 0, 0)),
        fitted=np.zeros(e, bool), sigma=sigma, df=np.array([f.df for f in fits]),
        k=np.array([len(f.coef) for f in fits], np.int64),
        m=m, coef=coef, coef_names=names, r2=np.array([f.r2 for f in fits]), dates=dates,
        estimation=(int(rel[0]), spec.estimation_end), event_id=tuple(x.pair.event.id for x in placed),
        ticker=tuple(x.pair.ticker for x in placed), reason=("",) * e,
    )  # fmt: skip


def _columns(b: PairBars, offsets: IntArray) -> tuple[BoolArray, IntArray] | None:
    """Offsets that exist for the pair, and the first flat position of each, the end appended."""
    at = b.origin + offsets
    have = (at >= 0) & (at < b.places.size)
    if not have.any():
        return None
    low, high = int(offsets[have][0]), int(offsets[have][-1])
    first = b.places[at[have]].copy()
    first[1:] = b.places[at[have][1:] - 1] + 1
    whole = b.span((low, high))
    assert whole is not None
    first[0] = whole[0]
    if low < 0 <= high and not b.news_before:  # a closure that ended before the news belongs to the bar before
        first[-low] = b.places[b.origin]
    return have, np.append(first, whole[1])


def summed(values: FloatArray, first: IntArray, b: PairBars) -> FloatArray:
    """Sums of (D, S) values over the slots of each bar and the closures before it; NaN where there is none."""
    flat = values.ravel()[first[0] : first[-1]]
    there = np.isfinite(flat)
    at = first[:-1] - first[0]
    total = np.add.reduceat(np.where(there, flat, 0.0), at)
    return np.where(np.add.reduceat(there.astype(np.int64), at) > 0, total, np.nan)


def bar_times(b: PairBars, x: Placed, recordings: Mapping[str, BarRecording], offsets: IntArray) -> Any:
    """UTC start of the bars at some offsets."""
    starts = recordings[x.key].grid.bars.starts
    at = x.bar + offsets
    ok = (at >= 0) & (at < starts.size)
    return np.where(ok, starts[np.clip(at, 0, starts.size - 1)], np.datetime64("NaT", "ns"))
