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

GROUP = 8  # events worked on at once
WELL_APART = (
    0.1  # smallest pivot, the share of a regressor the others leave unexplained (in length); below it QR decides
)


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
    fit = _fitted(sample, q, bool(options.get("alpha", False)))
    k, expected, ar = fit.coef.shape[1], fit.expected, fit.ar
    reason = short_reasons(sample, fit.m, k, "intraday_market")
    reason = merged(reason, ~fit.full_rank, "collinear regressors: the benchmark's bars do not vary")
    reason = merged(reason, fit.exact, "zero residual variance: the returns are an exact function of the model")
    failed = np.array([bool(r) for r in reason])
    ar[failed] = np.nan
    df = np.where(fit.m > k, fit.m - k, np.nan).astype(float)
    with np.errstate(invalid="ignore"):
        sigma = np.where(failed, np.nan, np.sqrt(fit.rss / df))
    # Bars the fit left out (edges of a session, closures) have abnormal returns too: same-clock tests need them.
    return AbnormalReturns(
        model=("intraday_market",) * sample.size, offsets=sample.offsets, ar=ar, raw=sample.y, expected=expected, est=fit.use,
        span=sample.span, noise=sample.span, x=fit.z.transpose(0, 2, 1), g=np.where(failed[:, None, None], np.nan, fit.g),
        fitted=np.ones(sample.size, bool), sigma=sigma, df=np.where(failed, np.nan, df), k=np.full(sample.size, k), m=fit.m,
        coef=_named(fit.coef, q, k), coef_names=_names(q), r2=np.where(failed, np.nan, fit.r2), dates=sample.dates,
        estimation=sample.estimation, event_id=sample.event_id, ticker=sample.ticker, market=sample.x[:, :, 0],
        reason=tuple(reason),
    )  # fmt: skip


class _Fit(NamedTuple):
    """z (E, k, W) the design, use (E, W) rows estimated on, m (E,) how many; expected and ar (E, W).

    coef (E, k), g (E, k, k) = (X'X)^-1, full_rank (E,); rss, squares and sum of what was regressed (E,).
    """

    z: FloatArray
    use: BoolArray
    m: IntArray
    expected: FloatArray
    ar: FloatArray
    coef: FloatArray
    g: FloatArray
    full_rank: BoolArray
    rss: FloatArray
    squares: FloatArray
    total: FloatArray

    @property
    def r2(self) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = 1.0 - self.rss / (self.squares - self.total**2 / self.m)
        return np.where(np.isfinite(r2), r2, np.nan)

    @property
    def exact(self) -> BoolArray:
        return (self.rss <= ols.EXACT_FIT * self.squares) & (self.m > 0)


def _fitted(sample: Sample, q: int, alpha: bool) -> _Fit:
    """Least squares of the returns on the design, a few events at a time: what they need stays in the cache."""
    y, cols = sample.y, estimation_columns(sample)
    e, w = y.shape
    k = 2 * q + 1 + alpha
    z = np.empty((e, k + 1, w))  # the regressors and, for their products with it, the return
    fit = _Fit(
        z[:, :k], np.empty((e, w), bool), np.empty(e, np.int64), np.empty((e, w)), np.empty((e, w)), np.empty((e, k)),
        np.empty((e, k, k)), np.empty(e, bool), *np.empty((3, e)),
    )  # fmt: skip
    for first in range(0, e, GROUP):
        part = slice(first, min(first + GROUP, e))
        absent = _regressors(z[part], sample, part, alpha, fit.use[part])
        _fit_group(_Fit._make(values[part] for values in fit), y[part], z[part, :, cols], cols)
        fit.expected[part][absent] = fit.ar[part][absent] = np.nan
    return fit


def _fit_group(fit: _Fit, y: FloatArray, own: FloatArray, cols: slice) -> None:
    """Fill in the fit of a few events; own (e, k + 1, M) are their regressors in the estimation columns."""
    own[:, -1] = y[:, cols]
    event, row = unused = _places(~fit.use[:, cols])
    fit.m[:] = own.shape[2] - np.bincount(event, minlength=len(y))
    kept = own[event, :, row]
    own[event, :, row] = 0.0  # for the moment: a row without weight adds nothing to a product
    cross = _cross_products(own)
    fit.squares[:], fit.total[:] = cross[:, -1, -1], np.add.reduce(own[:, -1], axis=1)
    own[event, :, row] = kept
    _solve(fit, cross, y, cols)
    np.matmul(fit.coef[:, None, :], fit.z, out=fit.expected[:, None, :])
    np.subtract(y, fit.expected, out=fit.ar)
    residual = fit.ar[:, cols]
    aside, residual[unused] = residual[unused], 0.0
    np.vecdot(residual, residual, out=fit.rss)
    residual[unused] = aside


def _cross_products(rows: FloatArray) -> FloatArray:
    """Sums over M of all products of rows (e, K, M): (e, K, K)."""
    k = rows.shape[1]
    cross = np.empty((len(rows), k, k))
    for a in range(k):
        cross[:, a, : a + 1] = cross[:, : a + 1, a] = np.vecdot(rows[:, a : a + 1], rows[:, : a + 1])
    return cross


def _solve(fit: _Fit, cross: FloatArray, y: FloatArray, cols: slice) -> None:
    """Coefficients and (X'X)^-1 from cross products of regressors and, last, returns.

    They are as exact as QR where the regressors are nearly orthogonal, as those of bars are; elsewhere QR itself.
    """
    k = cross.shape[1] - 1
    within, against = cross[:, :k, :k], cross[:, :k, k:]
    unit = np.broadcast_to(np.eye(k), within.shape)
    well = _well_apart(within) & (fit.m >= k)
    solved = np.linalg.solve(np.where(well[:, None, None], within, unit), np.concatenate([against, unit], axis=2))
    fit.coef[:], fit.g[:], fit.full_rank[:] = solved[:, :, 0], solved[:, :, 1:], well
    rest = np.flatnonzero(~well)
    if rest.size:
        qr = ols.least_squares(y[rest, cols], fit.z[rest, :, cols].transpose(0, 2, 1), fit.use[rest, cols])
        fit.coef[rest], fit.g[rest], fit.full_rank[rest] = qr.coef, qr.g, qr.full_rank


def _well_apart(within: FloatArray) -> BoolArray:
    """Whether no regressor is nearly a combination of others: the pivots of their scaled cross products (e, k, k)."""
    length = np.sqrt(np.einsum("ekk->ek", within))
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = within / length[:, :, None] / length[:, None, :]
    sound = np.isfinite(scaled).all(axis=(1, 2))
    unit = np.eye(within.shape[1])
    if not sound.all():
        scaled[~sound] = unit
    try:
        lower = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:  # some regressors are one another's sum: find whose
        sound &= np.linalg.eigvalsh(scaled)[:, 0] > WELL_APART**4
        lower = np.linalg.cholesky(np.where(sound[:, None, None], scaled, unit))
    return sound & (np.einsum("ekk->ek", lower).min(axis=1) > WELL_APART)


def _regressors(own: FloatArray, sample: Sample, part: slice, alpha: bool, use: BoolArray) -> tuple[IntArray, IntArray]:
    """Fill in the regressors of some events, with nothing where a neighbour is missing, and which rows to use.

    A closure has no neighbours: every slope meets its one return. Answers events and rows without a return of the market.
    """
    slopes = own[:, int(alpha) : -1]
    q = slopes.shape[1] // 2
    columns = {q: sample.x[part, :, 0]}
    for p in range(1, q + 1):
        assert sample.lag is not None and sample.lead is not None
        columns |= {q - p: sample.lag[part, :, p - 1], q + p: sample.lead[part, :, p - 1]}
    whole = np.ones(use.shape, bool)
    for column, values in columns.items():
        own_column = slopes[:, column]
        own_column[...] = values
        whole &= np.isfinite(own_column)
    if alpha:
        own[:, 0] = 1.0
    np.isfinite(sample.y[part], out=use)
    use &= sample.est[part]
    use &= whole
    event, row = _places(~whole)  # few: edges of sessions, closures, bars without a trade
    found = slopes[event, :, row]
    there = np.isfinite(found)
    found[~there] = 0.0
    if q:
        # Without the nearest neighbours there are no farther ones.
        closure = there[:, q] & ~(there[:, q - 1] | there[:, q + 1])
        found[closure] = found[closure, q : q + 1]
        if alpha:
            own[event[closure], 0, row[closure]] = 0.0
    slopes[event, :, row] = found
    return event[~there[:, q]], row[~there[:, q]]


def _places(where: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of what is true (few); several times faster than `nonzero` on two axes."""
    event, row = np.divmod(np.flatnonzero(where), where.shape[1])
    return event, row


def _names(q: int) -> tuple[str, ...]:
    before = tuple(f"lag{p}" for p in range(q, 0, -1))
    after = tuple(f"lead{p}" for p in range(1, q + 1))
    return ("alpha", "beta", *before, "same_bar", *after)


def _named(coef: FloatArray, q: int, k: int) -> FloatArray:
    """alpha (0 where it is not estimated), beta as the sum of the slopes, the slopes."""
    slopes = coef[:, k - 2 * q - 1 :]
    alpha = coef[:, :1] if k > 2 * q + 1 else np.zeros((coef.shape[0], 1))
    return np.concatenate([alpha, slopes.sum(axis=1, keepdims=True), slopes], axis=1)
