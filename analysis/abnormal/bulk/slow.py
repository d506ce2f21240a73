"""Pairs with gaps, short histories or windows at the edge of the data: sample, model and window sums as in a small study.

They are taken in blocks, in the order of date and security, so that their sums do not depend on anything else. Their
correlations are pairwise complete, with each other and with the complete rows whose event windows meet theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..case import sample_flags, short_remedy
from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Window
from ..inference._cross import event_time
from ..inference._window import estimation_block, window_stats
from ..inputs.sample import cut
from ..kernel import ranks
from ..kernel.batch import Batch, Wanted, residual_rows
from ..kernel.batch_comove import MIN_COMMON
from ..kernel.batch_dates import Model
from ..registry import MODELS
from ..spec import StudySpec
from .held import Prices
from .placed import Placed

BLOCK = 256  # pairs estimated together


@dataclass(slots=True, eq=False)
class SlowLane:
    """What became of the pairs of the slow lane: `place` (n,) among the placed ones, arrays as in `Kept`, and sums.

    refused (n,): no estimate; reasons by place. rank_d, rank_n by window: sums of U and numbers of pairs by column (M + L,).
    rho, flagged by window: overlap-weighted sum of the correlations that involve one of these pairs, and how many of those
    pairs of pairs had too few common sessions; by_distance (D + 1,): unweighted sums by distance of the dates.
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
    flags: dict[int, list[str]] = field(default_factory=dict)
    rank_d: list[FloatArray] = field(default_factory=list)
    rank_n: list[FloatArray] = field(default_factory=list)
    rho: FloatArray = field(default_factory=lambda: np.empty(0))
    flagged: FloatArray = field(default_factory=lambda: np.empty(0))
    by_distance: FloatArray = field(default_factory=lambda: np.empty(0))
    thin_share: float = 0.0


def slow_lane(
    rest: IntArray, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...], wanted: Wanted,
    model: Model, batch: Batch,
) -> SlowLane:  # fmt: skip
    """Estimate the placed pairs `rest` one block after the other."""
    key = placed.day0[rest].astype(np.int64) * len(placed.rows.names) + placed.unit[rest]
    place = rest[np.argsort(key, kind="stable")]
    lane = _empty(place, windows, spec)
    met = _Meetings(lane, placed, prices, spec, windows, model, batch)
    for start in range(0, place.size, BLOCK):
        at = slice(start, start + BLOCK)
        ar = _estimate(place[at], placed, prices, spec, windows)
        _keep(lane, at, ar, placed, prices, spec, windows)
        if wanted.ranks:
            _add_ranks(lane, ar, windows)
        met.add(at, ar)
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
        rows=np.zeros((n, w), np.int64), ar=np.full((n, span), np.nan), rank_d=[np.zeros(c) for c in columns],
        rank_n=[np.zeros(c) for c in columns], rho=np.zeros(w), flagged=np.zeros(w),
        by_distance=np.zeros(max(b - a for a, b in windows) + 1),
    )  # fmt: skip


def _estimate(
    place: IntArray, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...]
) -> AbnormalReturns:
    assert not isinstance(spec.estimation, str)
    low, high = min(a for a, _ in windows), max(b for _, b in windows)
    ids = tuple(placed.rows.event_id(int(placed.place[i])) for i in place)
    sample = cut(prices.tape, placed.unit[place], placed.day0[place], spec.estimation, (low, high), low, ids)
    return MODELS.get(spec.model)(sample, spec.options)


def _keep(
    lane: SlowLane, at: slice, ar: AbnormalReturns, placed: Placed, prices: Prices, spec: StudySpec,
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
    lane.ar[at] = ar.ar[:, ar.columns((low, high))]
    cols = estimation_block(ar)
    residuals = np.where(ar.est[:, cols], ar.ar[:, cols], np.nan)
    lane.up[at], lane.seen[at] = (residuals > 0).sum(axis=1), np.isfinite(residuals).sum(axis=1)
    for j, w in enumerate(windows):
        stats = window_stats(ar, w)
        lane.car[at, j], lane.se[at, j], lane.rows[at, j] = stats.car, stats.se, stats.n
    told = sample_flags(ar, windows)
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
    return f"{why}. First traded {first}", short_remedy(m, spec)


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


class _Meetings:
    """Correlations of each slow pair with the slow ones before it and with all complete rows near it."""

    def __init__(
        self, lane: SlowLane, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...], model: Model,
        batch: Batch,
    ) -> None:  # fmt: skip
        self.lane, self.placed, self.prices, self.spec, self.windows = lane, placed, prices, spec, windows
        self.model, self.reach = model, max(b - a for a, b in windows)
        self.fast = batch.order  # complete rows by date
        self.fast_day = placed.day0[batch.order]
        self.before: list[tuple[IntArray, FloatArray, BoolArray]] = []

    def add(self, at: slice, ar: AbnormalReturns) -> None:
        """Meet a block with itself, with earlier slow blocks and with the complete rows around it."""
        assert not isinstance(self.spec.estimation, str)
        day = self.placed.day0[self.lane.place[at]]
        cols = estimation_block(ar)
        residuals = np.where(ar.est[:, cols] & np.isfinite(ar.ar[:, cols]), ar.ar[:, cols], np.nan)
        usable = np.stack([window_stats(ar, w).usable for w in self.windows], axis=1)
        self._meet(day, residuals, usable, day, residuals, usable, same=True)
        for old in self.before:
            self._meet(*old, day, residuals, usable)
        self.before = [b for b in [*self.before, (day, residuals, usable)] if b[0][-1] >= day[-1] - self.reach]
        low = int(np.searchsorted(self.fast_day, day[0] - self.reach))
        high = int(np.searchsorted(self.fast_day, day[-1] + self.reach, side="right"))
        for start in range(low, high, BLOCK):
            rows = self.fast[start : min(start + BLOCK, high)]
            near = self.placed.day0[rows]
            if near[-1] < day[0] - self.reach or near[0] > day[-1] + self.reach:
                continue
            complete = residual_rows(
                self.prices.whole, self.model, self.placed.unit[rows], near, self.spec.estimation, self.windows
            )
            self._meet(near, complete, np.ones((rows.size, len(self.windows)), bool), day, residuals, usable)

    def _meet(
        self, day_a: IntArray, a: FloatArray, usable_a: BoolArray, day_b: IntArray, b: FloatArray, usable_b: BoolArray,
        same: bool = False,
    ) -> None:  # fmt: skip
        """Add the correlations of all rows a with all rows b; of one block with itself each pair once."""
        apart = np.abs(day_a[:, None] - day_b[None, :])
        pairs = apart <= self.reach
        if same:
            pairs &= np.arange(day_a.size)[:, None] < np.arange(day_b.size)[None, :]
        if not pairs.any():
            return
        rho, n = pairwise(day_a, a, day_b, b)
        enough = (n >= MIN_COMMON) & np.isfinite(rho)
        rho = np.where(enough & pairs, rho, 0.0)
        self.lane.by_distance += np.bincount(apart[pairs], rho[pairs], self.reach + 1)
        last = self.prices.tape.time.size - 1
        for j, (low, high) in enumerate(self.windows):
            first = np.maximum(np.maximum(day_a[:, None], day_b[None, :]) + low, 0)
            stop = np.minimum(np.minimum(day_a[:, None], day_b[None, :]) + high, last)
            share = np.maximum(stop - first + 1, 0) / (high - low + 1)
            both = pairs & usable_a[:, j, None] & usable_b[None, :, j] & (share > 0)
            self.lane.rho[j] += float(np.sum((rho * share)[both]))
            self.lane.flagged[j] += float(np.sum(both & ~enough))


def pairwise(day_a: IntArray, a: FloatArray, day_b: IntArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pairwise complete correlations (na, nb) of residuals (n, M) that begin on different sessions, and common sessions.

    day: session on which each row's offsets count from; only differences matter.
    """
    low, high = int(min(day_a.min(), day_b.min())), int(max(day_a.max(), day_b.max()))
    width = high - low + a.shape[1]
    va, wa = _on_sessions(day_a - low, a, width)
    vb, wb = (va, wa) if b is a else _on_sessions(day_b - low, b, width)
    n = wa @ wb.T
    sa, sb = va @ wb.T, wa @ vb.T
    with np.errstate(invalid="ignore", divide="ignore"):
        aa = (va * va) @ wb.T - sa * sa / n
        bb = wa @ (vb * vb).T - sb * sb / n
        rho = (va @ vb.T - sa * sb / n) / np.sqrt(aa * bb)
        rho = np.where((aa > 1e-24) & (bb > 1e-24), rho, np.nan)
    return np.clip(rho, -1.0, 1.0), n


def _on_sessions(shift: IntArray, rows: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
    """Rows centred and put on common sessions, zero where there is none, and the mask of those there are."""
    have = np.isfinite(rows)
    count = np.maximum(have.sum(axis=1, keepdims=True), 1)
    centred = np.where(have, rows, 0.0)
    centred = np.where(have, centred - centred.sum(axis=1, keepdims=True) / count, 0.0)
    at = shift[:, None] + np.arange(rows.shape[1])
    values, mask = np.zeros((rows.shape[0], width)), np.zeros((rows.shape[0], width))
    np.put_along_axis(values, at, centred, axis=1)
    np.put_along_axis(mask, at, have.astype(float), axis=1)
    return values, mask
