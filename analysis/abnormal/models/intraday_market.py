"""The market model of bars within the day: the benchmark's bar with one before and one after, no drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import estimation_columns, merged, no_regressor, short_reasons
from ._options import whole

WELL_APART = 0.01
DEPENDENT = 1e-10  # smallest eigenvalue over the largest of the scaled cross products below which QR decides


@MODELS.add(
    "intraday_market",
    reference="doi:10.1016/0304-405X(79)90013-8",
    formula="r_{d,j} = b_-1 rm_{d,j-1} + b_0 rm_{d,j} + b_1 rm_{d,j+1} + e_{d,j}; k = 3, df = M - 3, alpha = 0",
    assumes={"a stable beta", "no drift inside the session", "a market the event does not move"},
    robust_to={"bars of share and market that do not end together"},
    others="Dimson's leads and lags on bars; packages read fit daily returns only",
    check="a slow least-squares twin on simulated bars",
)
def intraday_market(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """What the share's bar usually does when the market's bar, the one before and the one after, move.

    Least squares over the bars of the estimation sessions that have both neighbours; alpha is 0 unless
    `options["alpha"]` is true, `options["leads"]` (default 1) bars of the market stand on either side. At the edge of a
    session the neighbour that is not there counts nothing; over a closure (a night, a lunch break), which has no
    neighbours, the market's return of the same closure counts with the sum of the slopes.
    """
    q = whole(options, "leads", 1, 0, "intraday_market")
    if not sample.names:
        return no_regressor(sample, "intraday_market", "a benchmark with bars; give benchmark=...")
    if q and (sample.lead is None or sample.lag is None or min(sample.lead.shape[2], sample.lag.shape[2]) < q):
        return no_regressor(sample, "intraday_market", f"the benchmark's bars {q} before and after each bar")
    x, use = _rows(sample, q, bool(options.get("alpha", False)))
    k = x.shape[1]
    fit = _fitted(sample.y, x, use, estimation_columns(sample))
    reason = short_reasons(sample, fit.m, k, "intraday_market")
    reason = merged(reason, ~fit.full_rank, "collinear regressors: the benchmark's bars do not vary")
    reason = merged(reason, fit.exact, "zero residual variance: the returns are an exact function of the model")
    expected = (fit.coef[:, None, :] @ x)[:, 0, :]
    np.copyto(expected, np.nan, where=~np.isfinite(sample.x[:, :, 0]))
    failed = np.array([bool(r) for r in reason])
    ar = sample.y - expected
    ar[failed] = np.nan
    df = np.where(fit.m > k, fit.m - k, np.nan).astype(float)
    with np.errstate(invalid="ignore"):
        sigma = np.where(failed, np.nan, np.sqrt(fit.rss / df))
    # Bars the fit left out (edges of a session, closures) have abnormal returns too: same-clock tests need them.
    return AbnormalReturns(
        model=("intraday_market",) * sample.size, offsets=sample.offsets, ar=ar, raw=sample.y, expected=expected, est=use,
        span=sample.span, noise=sample.span, x=x.transpose(0, 2, 1), g=np.where(failed[:, None, None], np.nan, fit.g),
        fitted=np.ones(sample.size, bool), sigma=sigma, df=np.where(failed, np.nan, df), k=np.full(sample.size, k), m=fit.m,
        coef=_named(fit.coef, q, k), coef_names=_names(q), r2=np.where(failed, np.nan, fit.r2), dates=sample.dates,
        estimation=sample.estimation, event_id=sample.event_id, ticker=sample.ticker, market=sample.x[:, :, 0],
        reason=tuple(reason),
    )  # fmt: skip


def _rows(sample: Sample, q: int, alpha: bool) -> tuple[FloatArray, BoolArray]:
    """Design (E, k, W) with nothing where a neighbour is missing, and the rows (E, W) to estimate on.

    A closure has no neighbours: every slope meets its one return.
    """
    now = sample.x[:, :, 0]
    e, w = now.shape
    x = np.empty((e, 2 * q + 1 + alpha, w))
    slopes = x[:, int(alpha) :]
    slopes[:, q] = now
    for p in range(1, q + 1):
        assert sample.lag is not None and sample.lead is not None
        slopes[:, q - p], slopes[:, q + p] = sample.lag[:, :, p - 1], sample.lead[:, :, p - 1]
    there = np.isfinite(slopes)
    np.copyto(slopes, 0.0, where=~there)
    if alpha:
        x[:, 0] = 1.0
    if q:
        beside = there[:, q - 1] | there[:, q + 1]  # the nearest neighbours: without them there are no farther ones
        event, row = _places(there[:, q] & ~beside)
        slopes[event, :, row] = now[event, row][:, None]
        if alpha:
            x[event, 0, row] = 0.0
    return x, sample.est & there.all(axis=1) & np.isfinite(sample.y)


def _places(where: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of what is true (few); several times faster than `nonzero` on two axes."""
    event, row = np.divmod(np.flatnonzero(where), where.shape[1])
    return event, row


class _Fit(NamedTuple):
    """coef (E, k), g (E, k, k) = (X'X)^-1, rss, r2 (E,), m (E,) rows, full_rank and exact (E,)."""

    coef: FloatArray
    g: FloatArray
    rss: FloatArray
    r2: FloatArray
    m: IntArray
    full_rank: BoolArray
    exact: BoolArray


def _fitted(y: FloatArray, x: FloatArray, use: BoolArray, cols: slice) -> _Fit:
    """Least squares of y (E, W) on x (E, k, W) over the rows `use` of the estimation columns.

    Cross products, with a step of refinement unless the regressors are nearly orthogonal: as exact as QR where they are
    far from dependent; where they are not, QR itself.
    """
    chosen = use[:, cols]
    y0 = np.where(chosen, y[:, cols], 0.0)
    m = chosen.sum(axis=1)
    event, row = _places(~chosen)
    kept = x[event, :, row]
    x[event, :, row] = 0.0  # for the moment: a row without weight adds nothing to a cross product
    try:
        found = _cross_products(y0, x[:, :, cols], m)
    finally:
        x[event, :, row] = kept
    if found is None:
        fit = ols.least_squares(y[:, cols], x[:, :, cols].transpose(0, 2, 1), chosen)
        found = (fit.coef, fit.g, fit.rss, fit.full_rank)
    coef, g, rss, full = found
    total = np.einsum("em,em->e", y0, y0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1.0 - rss / (total - y0.sum(axis=1) ** 2 / m)
    return _Fit(coef, g, rss, np.where(np.isfinite(r2), r2, np.nan), m, full, (rss <= ols.EXACT_FIT * total) & (m > 0))


def _cross_products(
    y: FloatArray, x: FloatArray, m: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray] | None:
    """coef, (X'X)^-1, rss and whether all is well, or None where the regressors of a pair nearly depend."""
    k = x.shape[1]
    cross = np.empty((m.size, k, k))
    for a in range(k):
        for b in range(a + 1):
            cross[:, a, b] = cross[:, b, a] = np.einsum("em,em->e", x[:, a], x[:, b])
    length = np.sqrt(np.einsum("ekk->ek", cross))
    if (m < k).any() or not (length > 0).all():
        return None
    values = np.linalg.eigvalsh(cross / length[:, :, None] / length[:, None, :])
    if not (values[:, 0] > DEPENDENT * values[:, -1]).all():
        return None
    coef = np.linalg.solve(cross, _against(x, y))
    residual = y - (coef.transpose(0, 2, 1) @ x)[:, 0, :]
    if (values[:, 0] < WELL_APART * values[:, -1]).any():  # elsewhere the step would change nothing
        coef = coef + np.linalg.solve(cross, _against(x, residual))
        residual = y - (coef.transpose(0, 2, 1) @ x)[:, 0, :]
    g = np.linalg.solve(cross, np.broadcast_to(np.eye(k), cross.shape))
    rss = np.einsum("em,em->e", residual, residual)
    return np.asarray(coef[:, :, 0], np.float64), np.asarray(g, np.float64), rss, np.ones(m.size, bool)


def _against(x: FloatArray, y: FloatArray) -> FloatArray:
    """X'y as (E, k, 1)."""
    return np.stack([np.einsum("em,em->e", x[:, a], y) for a in range(x.shape[1])], axis=1)[:, :, None]


def _names(q: int) -> tuple[str, ...]:
    before = tuple(f"lag{p}" for p in range(q, 0, -1))
    after = tuple(f"lead{p}" for p in range(1, q + 1))
    return ("alpha", "beta", *before, "same_bar", *after)


def _named(coef: FloatArray, q: int, k: int) -> FloatArray:
    """alpha (0 where it is not estimated), beta as the sum of the slopes, the slopes."""
    slopes = coef[:, k - 2 * q - 1 :]
    alpha = coef[:, :1] if k > 2 * q + 1 else np.zeros((coef.shape[0], 1))
    return np.concatenate([alpha, slopes.sum(axis=1, keepdims=True), slopes], axis=1)
