"""The market model of bars within the day: the benchmark's bar with one before and one after, no drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import assemble, estimation_columns, merged, no_regressor, short_reasons
from ._options import whole

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
    x, whole_rows = _rows(sample, q, bool(options.get("alpha", False)))
    k = x.shape[1]
    cols = estimation_columns(sample)
    use = sample.est & whole_rows & np.isfinite(sample.y)
    fit = _fitted(sample.y[:, cols], x[:, :, cols], use[:, cols])
    reason = short_reasons(sample, fit.m, k, "intraday_market")
    reason = merged(reason, ~fit.full_rank, "collinear regressors: the benchmark's bars do not vary")
    expected = (fit.coef[:, None, :] @ x)[:, 0, :]
    expected = np.where(np.isfinite(sample.x[:, :, 0]), expected, np.nan)
    df = np.where(fit.m > k, fit.m - k, np.nan).astype(float)
    out = assemble(
        sample, "intraday_market", y=sample.y, expected=expected, use=use, x=x.transpose(0, 2, 1), g=fit.g, rss=fit.rss,
        k=k, df=df, coef=_named(fit.coef, q, k), coef_names=_names(q, k),
        r2=ols.r_squared(fit.rss, sample.y[:, cols], use[:, cols]), fitted=True, reason=reason,
    )  # fmt: skip
    return _with_every_bar(out, sample.y - expected)


def _rows(sample: Sample, q: int, alpha: bool) -> tuple[FloatArray, BoolArray]:
    """Design (E, k, W) with nothing where a neighbour is missing, and the rows (E, W) that have all of them."""
    now = sample.x[:, :, 0]
    e, w = now.shape
    x = np.zeros((e, 2 * q + 1 + alpha, w))
    np.copyto(x[:, alpha + q], now)
    whole = np.isfinite(now)
    alone = np.ones((e, w), bool)
    for p in range(1, q + 1):
        assert sample.lag is not None and sample.lead is not None
        for place, side in ((q - p, sample.lag[:, :, p - 1]), (q + p, sample.lead[:, :, p - 1])):
            there = np.isfinite(side)
            np.copyto(x[:, alpha + place], side, where=there)
            whole &= there
            alone &= ~there
    if q:
        for p in range(1, q + 1):  # a closure: every slope meets the same return
            np.copyto(x[:, alpha + q - p], now, where=alone)
            np.copyto(x[:, alpha + q + p], now, where=alone)
    np.copyto(x, 0.0, where=~np.isfinite(now)[:, None, :])
    if alpha:
        x[:, 0] = np.where(alone, 0.0, 1.0) if q else 1.0
    return x, whole


def _fitted(y: FloatArray, x: FloatArray, use: BoolArray) -> ols.Fit:
    """Least squares of y (E, M) on x (E, k, M): cross products with a step of refinement, QR where they nearly depend."""
    seen = use.all(axis=1)
    x0 = x if seen.all() else np.where(use[:, None, :], x, 0.0)
    y0 = y if seen.all() else np.where(use, y, 0.0)
    turned = x0.transpose(0, 2, 1)
    cross = x0 @ turned
    length = np.sqrt(np.einsum("ekk->ek", cross))
    scale = np.where(length > 0, length, 1.0)
    values = np.linalg.eigvalsh(cross / scale[:, :, None] / scale[:, None, :])
    if not (values[:, 0] > DEPENDENT * values[:, -1]).all() or not (length > 0).all() or x.shape[2] < x.shape[1]:
        return ols.least_squares(y, x.transpose(0, 2, 1), use)
    coef = np.linalg.solve(cross, x0 @ y0[:, :, None])
    residual = y0[:, :, None] - turned @ coef
    coef = coef + np.linalg.solve(cross, x0 @ residual)
    residual = y0 - (turned @ coef)[:, :, 0]
    g = np.linalg.solve(cross, np.broadcast_to(np.eye(x.shape[1]), cross.shape))
    m = use.sum(axis=1)
    return ols.Fit(coef[:, :, 0], g, np.einsum("em,em->e", residual, residual), m, m >= x.shape[1])


def _names(q: int, k: int) -> tuple[str, ...]:
    before = tuple(f"lag{p}" for p in range(q, 0, -1))
    after = tuple(f"lead{p}" for p in range(1, q + 1))
    return ("alpha", "beta", *before, "same_bar", *after)


def _named(coef: FloatArray, q: int, k: int) -> FloatArray:
    """alpha (0 where it is not estimated), beta as the sum of the slopes, the slopes."""
    slopes = coef[:, k - 2 * q - 1 :]
    alpha = coef[:, :1] if k > 2 * q + 1 else np.zeros((coef.shape[0], 1))
    return np.concatenate([alpha, slopes.sum(axis=1, keepdims=True), slopes], axis=1)


def _with_every_bar(out: AbnormalReturns, ar: FloatArray) -> AbnormalReturns:
    """Bars the fit left out (edges of a session, closures) have abnormal returns too: same-clock tests need them."""
    failed = np.array([bool(r) for r in out.reason])
    return replace(out, ar=np.where(failed[:, None], np.nan, ar)) if ar.size else out
