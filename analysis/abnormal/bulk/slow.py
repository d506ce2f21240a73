"""Pairs with gaps, short histories or windows at the edge of the data: sample, model and window sums as in a small study.

They are taken in blocks, in the order of date and security, so that their sums do not depend on anything else. Their
correlations are pairwise complete, with each other and with the complete rows whose event windows meet theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..case import _sample_flags, _short_remedy
from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Sample, Window
from ..inference._window import estimation_block, window_stats
from ..inputs.sample import cut
from ..kernel import aggregate, ranks
from ..kernel.batch import Batch, Wanted
from ..kernel.batch_dates import Model
from ..registry import MODELS
from ..spec import StudySpec
from .held import Prices
from .meetings import Meetings, path_windows
from .placed import Placed

BLOCK = 256  # pairs estimated together


@dataclass(slots=True, eq=False)
class SlowLane:
    """What became of the pairs of the slow lane: `place` (n,) among the placed ones, arrays as in `Kept`, and sums.

    refused (n,): no estimate; reasons by place. rank_d, rank_n by window: sums of U and numbers of pairs by column (M + L,).
    rho, flagged by window: overlap-weighted sum of the correlations that involve one of these pairs, and how many of those
    pairs of pairs had too few common sessions; the same sums for single offsets and for the windows of the cumulative path
    in rho_days (2, L). days (5, n, L):
    error of each abnormal return, level of the cumulative path (see `path_windows`) and its error, return and expected return.
    held (2, n, windows): buy-and-hold abnormal returns against market and model.
    """

    place: IntArray
    refused: BoolArray
    reasons: dict[int, tuple[str, str]]
    models: tuple[str, ...]
    model: list[str]
    coef_names: tuple[str, ...]
    coef: Mapping[str, FloatArray]
    m: IntArray
    df: FloatArray
    sigma: FloatArray
    r2: FloatArray
    est_first: IntArray
    est_last: IntArray
    up: IntArray
    seen: IntArray
    car: FloatArray
    se: FloatArray
    rows: IntArray
    ar: FloatArray
    days: FloatArray
    held: FloatArray
    rank_d: list[FloatArray] = field(default_factory=list)
    rank_n: list[FloatArray] = field(default_factory=list)
    rho: FloatArray = field(default_factory=lambda: np.empty(0))
    flagged: FloatArray = field(default_factory=lambda: np.empty(0))
    rho_days: FloatArray = field(default_factory=lambda: np.empty((2, 0)))
    thin_share: float = 0.0


def slow_lane(
    rest: IntArray, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...], wanted: Wanted,
    model: Model, batch: Batch,
) -> SlowLane:  # fmt: skip
    """Estimate the placed pairs `rest` one block after the other."""
    assert not isinstance(spec.estimation, str)
    key = placed.day0[rest].astype(np.int64) * len(placed.rows.names) + placed.unit[rest]
    place = rest[np.argsort(key, kind="stable")]
    lane = _empty(place, windows, spec)
    met = Meetings(placed, prices, windows, spec.estimation, model, batch)
    for start in range(0, place.size, BLOCK):
        at = slice(start, start + BLOCK)
        sample, ar = _estimate(place[at], placed, prices, spec, windows)
        told = _sample_flags(sample, ar, windows, ar.estimation)
        _keep(lane, at, ar, told, placed, prices, spec, windows)
        if wanted.ranks:
            _add_ranks(lane, ar, windows)
        met.add(place[at], ar, lane.ar[at])
    lane.rho, lane.flagged, lane.rho_days = met.sums()
    return lane


def _empty(place: IntArray, windows: tuple[Window, ...], spec: StudySpec) -> SlowLane:
    n, w = place.size, len(windows)
    lo, hi = spec.estimation if not isinstance(spec.estimation, str) else (0, -1)
    span = max(b for _, b in windows) - min(a for a, _ in windows) + 1
    nan, zero = np.full(n, np.nan), np.zeros(n, np.int64)
    columns = [hi - lo + 1 + b - a + 1 for a, b in windows]
    return SlowLane(
        place=place, refused=np.zeros(n, bool), reasons={}, models=(), model=[""] * n, coef_names=(), coef={},
        m=zero.copy(), df=nan.copy(), sigma=nan.copy(), r2=nan.copy(), est_first=zero.copy(), est_last=zero.copy(),
        up=zero.copy(), seen=zero.copy(), car=np.full((n, w), np.nan), se=np.full((n, w), np.nan),
        rows=np.zeros((n, w), np.int64), ar=np.full((n, span), np.nan), 
        days=np.full((5, n, span), np.nan), held=np.full((2, n, w), np.nan), rank_d=[np.zeros(c) for c in columns],
        rank_n=[np.zeros(c) for c in columns],
    )  # fmt: skip


def _estimate(
    place: IntArray, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...]
) -> tuple[Sample, AbnormalReturns]:
    assert not isinstance(spec.estimation, str)
    low, high = min(a for a, _ in windows), max(b for _, b in windows)
    ids = ("",) * place.size
    unit, day0 = (a[place].astype(np.int64) for a in (placed.unit, placed.day0))
    sample = cut(prices.tape, unit, day0, spec.estimation, (low, high), low, ids)
    return sample, MODELS.get(spec.model)(sample, spec.options)


def _keep(
    lane: SlowLane, at: slice, ar: AbnormalReturns, told: list[list[str]], placed: Placed, prices: Prices, spec: StudySpec,
    windows: tuple[Window, ...],
) -> None:  # fmt: skip
    """Write the estimates of a block, and why some pairs have none."""
    place, tape = lane.place[at], prices.tape
    low, high = min(a for a, _ in windows), max(b for _, b in windows)
    lane.models = tuple(dict.fromkeys([*lane.models, *ar.model]))
    lane.coef_names = tuple(dict.fromkeys([*lane.coef_names, *ar.coef_names]))
    lane.coef = {c: lane.coef.get(c, np.full(lane.place.size, np.nan)) for c in lane.coef_names}
    for j, name in enumerate(ar.coef_names):
        lane.coef[name][at] = ar.coef[:, j]
    lane.model[at] = ar.model
    lane.m[at], lane.df[at], lane.sigma[at], lane.r2[at] = ar.m, ar.df, ar.sigma, ar.r2
    span = ar.columns((low, high))
    lane.ar[at], lane.days[3, at], lane.days[4, at] = ar.ar[:, span], ar.raw[:, span], ar.expected[:, span]
    cols = estimation_block(ar)
    residuals = np.where(ar.est[:, cols], ar.ar[:, cols], np.nan)
    lane.up[at], lane.seen[at] = (residuals > 0).sum(axis=1), np.isfinite(residuals).sum(axis=1)
    for j, w in enumerate(windows):
        stats = window_stats(ar, w)
        lane.car[at, j], lane.se[at, j], lane.rows[at, j] = stats.car, stats.se, stats.n
        raw, expected = ar.raw[:, ar.columns(w)], ar.expected[:, ar.columns(w)]
        lane.held[1, at, j] = aggregate.buy_and_hold(raw, expected)
        if ar.market is not None:
            market = np.where(np.isfinite(raw), ar.market[:, ar.columns(w)], np.nan)
            lane.held[0, at, j] = aggregate.buy_and_hold(raw, market)
    for i, offset in enumerate(range(low, high + 1)):
        path, sign = path_windows(windows)[i]
        lane.days[0, at, i] = window_stats(ar, (offset, offset)).se
        lane.days[1, at, i] = 0.0 if path is None else sign * window_stats(ar, path).car
        lane.days[2, at, i] = 0.0 if path is None else window_stats(ar, path).se
    for k, i in enumerate(place):
        why = ar.reason[k]
        lane.refused[at.start + k] = bool(why)
        if why:
            lane.reasons[int(i)] = _refusal(why, int(ar.m[k]), int(placed.unit[i]), prices, spec)
            continue
        if told[k]:
            placed.flags.setdefault(int(placed.place[i]), []).extend(told[k])
        used = np.flatnonzero(ar.est[k])
        lane.est_first[at.start + k] = placed.day0[i] + ar.offsets[used[0]]
        lane.est_last[at.start + k] = placed.day0[i] + ar.offsets[used[-1]]
        stretch = tape.event_y[placed.unit[i], lane.est_first[at.start + k] : placed.day0[i] + ar.estimation[1] + 1]
        lane.thin_share = max(lane.thin_share, float(np.mean(~np.isfinite(stretch))))


def _refusal(why: str, m: int, unit: int, prices: Prices, spec: StudySpec) -> tuple[str, str]:
    """Why a pair has no estimate, and what would give it one."""
    if "returns in" not in why:
        return why, ""
    tape = prices.tape
    rows = np.flatnonzero(np.isfinite(tape.event_y[unit]))
    first = tape.time[max(int(rows[0]) - 1, 0)] if rows.size else "never"
    return f"{why}. First traded {first}", _short_remedy(m, spec)


def _add_ranks(lane: SlowLane, ar: AbnormalReturns, windows: tuple[Window, ...]) -> None:
    """Add every pair's scaled ranks to the sums of their columns."""
    for j, w in enumerate(windows):
        rows = np.flatnonzero(window_stats(ar, w).usable)
        cols = estimation_block(ar)
        residuals = np.where(ar.est[rows, cols], ar.ar[rows, cols], np.nan)
        values = np.concatenate([residuals, window_stats(ar, w).ar[rows]], axis=1)
        k, count = ranks.midranks(values)
        u = k / (1.0 + count[:, None]) - 0.5
        have = np.isfinite(u)
        lane.rank_d[j] += np.where(have, u, 0.0).sum(axis=0)
        lane.rank_n[j] += have.sum(axis=0)
