"""The market model (Fama, Fisher, Jensen and Roll 1969; Sharpe 1963), with the intercept carried or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import (
    assemble,
    combine,
    design,
    estimation_columns,
    intercept,
    linear,
    merged,
    no_regressor,
    short_reasons,
    usable_rows,
)

AUTO_MIN = 120  # below this many estimation returns an estimated alpha is noise (M 1.7)


@MODELS.add(
    "market",
    reference="doi:10.2307/2525569",
    formula="E[R_t] = alpha + beta Rm_t; k = 2, df = M - 2",
    assumes={"a stable beta", "an alpha that goes on"},
)
def market(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market, average drift included.

    AR_t = R_t - alpha - beta Rm_t, alpha and beta by least squares over the estimation window.
    """
    if not sample.names:
        return no_regressor(sample, "market", "a benchmark; give benchmark=...")
    return linear(sample, "market", design(intercept(sample), sample.x[:, :, 0]), ("alpha", "beta"))


def zero_alpha_residuals(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
    """y - b x with the slope of a fit with intercept on `use`; residuals are not centred."""
    rm = x[:, :, 0]
    full = design(np.ones_like(rm), rm)
    fit = ols.least_squares(y, full, use)
    return np.where(use, y - fit.coef[:, 1:2] * rm, np.nan)


@MODELS.add(
    "market_zero_alpha",
    reference="doi:10.2307/2525569",
    formula="E[R_t] = beta Rm_t, beta from the fit with intercept; s^2 = sum e^2 / (M - 1); k = 1, df = M - 1",
    assumes={"no drift of its own in the event window"},
    robust_to={"an alpha estimated on a short history"},
)
def market_zero_alpha(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model without carrying the estimated drift into the event window.

    AR_t = R_t - beta Rm_t with the least-squares beta (fitted with an intercept). The drift stays in the residuals and
    counts as noise. Var(CAR) = s^2 (L2 + (sum Rm)^2 / SSm). Default below 120 estimation returns, where an estimated
    alpha is noise.
    """
    if not sample.names:
        return no_regressor(sample, "market_zero_alpha", "a benchmark; give benchmark=...")
    rm = sample.x[:, :, 0]
    x2 = design(intercept(sample), rm)
    use = usable_rows(sample, sample.y, x2)
    cols = estimation_columns(sample)
    y, u = sample.y[:, cols], use[:, cols]
    fit = ols.least_squares(y, x2[:, cols], u)
    beta = fit.coef[:, 1]
    e = np.where(u, y - beta[:, None] * rm[:, cols], 0.0)
    mean = np.where(u, rm[:, cols], 0.0).sum(axis=1) / np.maximum(fit.m, 1)
    ssm = np.sum(np.where(u, rm[:, cols] - mean[:, None], 0.0) ** 2, axis=1)
    reason = short_reasons(sample, fit.m, 2, "market_zero_alpha")
    reason = merged(reason, ~fit.full_rank, "collinear regressors: the benchmark does not vary")
    reason = merged(
        reason, ols.is_exact(fit.rss, y, u), "zero residual variance: the returns are an exact function of the model"
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        g = (1.0 / ssm)[:, None, None]
    return assemble(
        sample, "market_zero_alpha", y=sample.y, expected=beta[:, None] * rm, use=use, x=rm[:, :, None], g=g,
        rss=np.sum(e * e, axis=1), k=1, df=(fit.m - 1).astype(float), coef=fit.coef, coef_names=("alpha", "beta"),
        r2=ols.r_squared(fit.rss, y, u), fitted=False, reason=reason, refit=zero_alpha_residuals,
    )  # fmt: skip


@MODELS.add(
    "auto",
    reference="doi:10.2307/2525569",
    formula="market with M >= 120 estimation returns, market_zero_alpha below, pair by pair",
)
def auto(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model where the history is long enough for an alpha, without alpha where it is not."""
    if not sample.names:
        return no_regressor(sample, "market", "a benchmark; give benchmark=...")
    if sample.size == 0:
        return market(sample, options)
    m = usable_rows(sample, sample.y, sample.x[:, :, :1]).sum(axis=1)
    groups = [(np.flatnonzero(m >= AUTO_MIN), market), (np.flatnonzero(m < AUTO_MIN), market_zero_alpha)]
    parts = [(rows, model(sample.take(rows), options)) for rows, model in groups if rows.size]
    return parts[0][1] if len(parts) == 1 else combine(parts, sample.size)
