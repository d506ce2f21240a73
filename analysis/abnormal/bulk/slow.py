"""Pairs with gaps, short histories or windows at the edge of the data: sample, model and window sums as in a small study.

They are taken in blocks, in the order of date and security, so that their sums do not depend on anything else. Their
correlations are pairwise complete, with each other and with the complete rows whose event windows meet theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..case import _sample_flags, _short_remedy
from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Sample, Window
from ..inference._window import estimation_block, window_stats
from ..inputs.sample import cut
from ..kernel import aggregate, ranks
from ..kernel.batch import Batch, Wanted, residual_rows
from ..kernel.batch_comove import MIN_COMMON
from ..kernel.batch_dates import Model
from ..registry import MODELS
from ..spec import StudySpec
from .asked import Codes
from .held import Prices
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
    key = placed.day0[rest].astype(np.int64) * len(placed.rows.names) + placed.unit[rest]
    place = rest[np.argsort(key, kind="stable")]
    lane = _empty(place, windows, spec)
    met = _Meetings(lane, placed, prices, spec, windows, model, batch)
    for start in range(0, place.size, BLOCK):
        at = slice(start, start + BLOCK)
        sample, ar = _estimate(place[at], placed, prices, spec, windows)
        told = _sample_flags(sample, ar, windows, ar.estimation)
        _keep(lane, at, ar, told, placed, prices, spec, windows)
        if wanted.ranks:
            _add_ranks(lane, ar, windows)
        met.add(at, ar)
    return lane


def path_windows(windows: tuple[Window, ...]) -> list[tuple[Window | None, int]]:
    """For every offset of the span the window whose sum is the level of the cumulative path, and its sign (None: zero).

    The path is zero at the session before the first window begins, as in the tables of a small study.
    """
    low, high, start = min(a for a, _ in windows), max(b for _, b in windows), windows[0][0]
    return [
        ((start, t), 1) if t >= start else (((t + 1, start - 1), -1) if t < start - 1 else (None, 1))
        for t in range(low, high + 1)
    ]


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
        rho=np.zeros(w), flagged=np.zeros(w), rho_days=np.zeros((2, span)),
    )  # fmt: skip


def _estimate(
    place: IntArray, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...]
) -> tuple[Sample, AbnormalReturns]:
    assert not isinstance(spec.estimation, str)
    low, high = min(a for a, _ in windows), max(b for _, b in windows)
    ids = tuple(placed.rows.event_id(int(placed.place[i])) for i in place)
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


class _Rows(NamedTuple):
    """Rows that meet: day 0, residuals (n, M), and abnormal returns (n, L) over the span of all windows."""

    day: Codes
    residuals: FloatArray
    ar: FloatArray


class _Meetings:
    """Correlations of each slow pair with the slow ones before it and with all complete rows near it."""

    def __init__(
        self, lane: SlowLane, placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...], model: Model,
        batch: Batch,
    ) -> None:  # fmt: skip
        assert not isinstance(spec.estimation, str)
        self.lane, self.placed, self.prices, self.model = lane, placed, prices, model
        self.windows, self.estimation = windows, spec.estimation
        self.low, self.reach = min(a for a, _ in windows), max(b - a for a, b in windows)
        self.paths = [w for w, _ in path_windows(windows)]
        self.fast = batch.order  # complete rows by date
        self.fast_day = placed.day0[batch.order]
        self.before: list[_Rows] = []

    def add(self, at: slice, ar: AbnormalReturns) -> None:
        """Meet a block with itself, with earlier slow blocks and with the complete rows around it."""
        cols = estimation_block(ar)
        residuals = np.where(ar.est[:, cols] & np.isfinite(ar.ar[:, cols]), ar.ar[:, cols], np.nan)
        here = _Rows(self.placed.day0[self.lane.place[at]], residuals, self.lane.ar[at])
        self._meet(here, here)
        for old in self.before:
            self._meet(old, here)
        self.before = [b for b in [*self.before, here] if b.day[-1] >= here.day[-1] - self.reach]
        low, high = np.searchsorted(self.fast_day, [here.day[0] - self.reach, here.day[-1] + self.reach + 1])
        for start in range(int(low), int(high), BLOCK):
            rows = self.fast[start : min(start + BLOCK, int(high))]
            near, unit = self.placed.day0[rows], self.placed.unit[rows]
            complete = residual_rows(self.prices.whole, self.model, unit, near, self.estimation, self.windows)
            self._meet(_Rows(near, complete, np.zeros((rows.size, here.ar.shape[1]))), here)

    def _meet(self, a: _Rows, b: _Rows) -> None:
        """Add the correlations of all rows a with all rows b; of one block with itself each pair once."""
        pairs = np.abs(a.day[:, None] - b.day[None, :]) <= self.reach
        if a is b:
            pairs &= np.arange(a.day.size)[:, None] < np.arange(b.day.size)[None, :]
        if not pairs.any():
            return
        rho, n = pairwise(a.day, a.residuals, b.day, b.residuals)
        enough = (n >= MIN_COMMON) & np.isfinite(rho)
        rho = np.where(enough & pairs, rho, 0.0)
        for j, w in enumerate(self.windows):
            share = self._shared(a, b, w) * pairs
            self.lane.rho[j] += float(np.sum(rho * share))
            self.lane.flagged[j] += float(np.sum((share > 0) & ~enough))
        for i, path in enumerate(self.paths):
            offset = self.low + i
            self.lane.rho_days[0, i] += float(np.sum(rho * self._shared(a, b, (offset, offset))))
            self.lane.rho_days[1, i] += 0.0 if path is None else float(np.sum(rho * self._shared(a, b, path)))

    def _shared(self, a: _Rows, b: _Rows, window: Window) -> FloatArray:
        """Share of a window's sessions that two event windows have in common; 0 where a row has no return in it."""
        low, high = window
        last = self.prices.tape.time.size - 1
        first = np.maximum(np.maximum(a.day[:, None], b.day[None, :]) + low, 0)
        stop = np.minimum(np.minimum(a.day[:, None], b.day[None, :]) + high, last)
        columns = slice(low - self.low, high - self.low + 1)
        some_a, some_b = (np.asarray(np.isfinite(r.ar[:, columns]).any(axis=1)) for r in (a, b))
        share = np.maximum(stop - first + 1, 0) / (high - low + 1)
        return np.asarray(share * some_a[:, None] * some_b[None, :])


def pairwise(day_a: Codes, a: FloatArray, day_b: Codes, b: FloatArray) -> tuple[FloatArray, FloatArray]:
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


def _on_sessions(shift: Codes, rows: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
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
