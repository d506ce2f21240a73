"""Vasicek (1973): a beta pulled towards what the betas of its kind usually are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Refit, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import assemble, design, estimation_columns, intercept, merged, no_regressor, usable_rows
from ._options import keyed, number
from ._reasons import line_reasons

NO_PRIOR = 'a prior: options b0 and s0, or at least two peers to take them from; give options={"peers": [...]}'
FEW_PEERS = "fewer than two peers have enough returns for a prior; give options b0 and s0"


def peer_betas(sample: Sample) -> FloatArray:
    """Least-squares beta of every control share in the estimation window, (E, J), NaN with too few returns.

    Sessions the share itself did not trade count too: the prior is about the peers.
    """
    if sample.peers is None:
        return np.full((sample.size, 0), np.nan)
    cols = estimation_columns(sample)
    y = np.moveaxis(sample.peers[:, cols], 2, 1)
    e, j, rows = y.shape
    rm = np.broadcast_to(sample.x[:, None, cols, 0], y.shape).reshape(e * j, rows)
    single = np.broadcast_to((sample.span[:, None, cols] == 1), y.shape).reshape(e * j, rows)
    y = y.reshape(e * j, rows)
    fit = ols.least_squares(y, design(np.ones_like(rm), rm), np.isfinite(y) & np.isfinite(rm) & single)
    enough = fit.full_rank & (fit.m >= max(sample.min_obs, 3))
    return np.where(enough, fit.coef[:, 1], np.nan).reshape(e, j)


def prior(sample: Sample, options: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """b0 and s0 (E,): as given, else the mean and sd (ddof 1) of the peers' betas; NaN without either."""
    b0, s0 = number(options, "b0", "beta_prior"), number(options, "s0", "beta_prior", positive=True)
    if b0 is not None and s0 is not None:
        return np.full(sample.size, b0), np.full(sample.size, s0)
    betas = peer_betas(sample)
    known = np.isfinite(betas)
    n = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, betas, 0.0).sum(axis=1) / n
        sd = np.sqrt(np.sum(np.where(known, betas - mean[:, None], 0.0) ** 2, axis=1) / (n - 1))
    sd = np.where(n >= 2, sd, np.nan)
    return (mean if b0 is None else np.full(sample.size, b0)), (sd if s0 is None else np.full(sample.size, s0))


def shrunk(b: FloatArray, variance: FloatArray, b0: FloatArray, s0: FloatArray) -> tuple[FloatArray, FloatArray]:
    """beta_v = V (b / se_b^2 + b0 / s0^2) and V = 1 / (1 / se_b^2 + 1 / s0^2)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        v = 1.0 / (1.0 / variance + 1.0 / s0**2)
        return v * (b / variance + b0 / s0**2), v


def _slope_and_variance(fit: ols.Fit) -> tuple[FloatArray, FloatArray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return fit.coef[:, 1], fit.rss / (fit.m - 2) * fit.g[:, 1, 1]


def residuals_with(b0: float, s0: float) -> Refit:
    """The `refit` of the model at one prior: R - beta_v Rm, not centred."""

    def refit(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
        rm = x[:, :, 0]
        fit = ols.least_squares(y, design(np.ones_like(rm), rm), use)
        beta, _ = shrunk(*_slope_and_variance(fit), np.array([b0]), np.array([s0]))
        return np.where(use, y - beta[:, None] * rm, np.nan)

    return refit


@MODELS.add(
    "beta_prior",
    reference="doi:10.1111/j.1540-6261.1973.tb01452.x",
    formula="beta_v = V (b/se_b^2 + b0/s0^2), V = 1/(1/se_b^2 + 1/s0^2); c = L2 + (sum Rm)^2 V/s^2",
    assumes={"a beta like those of its peers", "no drift of its own in the event window"},
    robust_to={"a short history"},
    others="ours in this form",
)
def beta_prior(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model without alpha, its beta drawn towards the betas of the peers.

    beta_v weighs the share's own least-squares beta by 1 / se^2 and the prior mean b0 by 1 / s0^2;
    AR_t = R_t - beta_v Rm_t, s^2 = sum e^2 / (M - 1). `options["b0"]`, `options["s0"]`: mean and standard deviation of the
    prior; what is not given comes from the peers' betas in the same estimation window. coef also holds the least-squares
    alpha (not carried) and beta.
    """
    if not sample.names:
        return no_regressor(sample, "beta_prior", "a benchmark; give benchmark=...")
    b0, s0 = prior(sample, options)
    if sample.peers is None and not (np.isfinite(b0) & np.isfinite(s0)).all():
        return no_regressor(sample, "beta_prior", NO_PRIOR)
    rm, cols = sample.x[:, :, 0], estimation_columns(sample)
    x2 = design(intercept(sample), rm)
    use = usable_rows(sample, sample.y, x2)
    y, rows = sample.y[:, cols], use[:, cols]
    fit = ols.least_squares(y, x2[:, cols], rows)
    reason = line_reasons(sample, fit, y, rows, "beta_prior")
    reason = merged(reason, ~(np.isfinite(b0) & np.isfinite(s0)), FEW_PEERS)
    reason = merged(reason, ~(s0 > 0), "the peers' betas do not differ: their spread gives no prior")
    beta, v = shrunk(*_slope_and_variance(fit), b0, s0)
    rss = np.sum(np.where(rows, y - beta[:, None] * rm[:, cols], 0.0) ** 2, axis=1)
    df = np.where(fit.m > 1, fit.m - 1.0, np.nan)
    one = np.ptp(b0) == 0 and np.ptp(s0) == 0 if sample.size else False
    with np.errstate(invalid="ignore", divide="ignore"):
        g = (v / (rss / df))[:, None, None]
    priors = {i: (float(b0[i]), float(s0[i])) for i in range(sample.size) if not reason[i]}
    return assemble(
        sample, "beta_prior", y=sample.y, expected=beta[:, None] * rm, use=use, x=rm[:, :, None], g=g, rss=rss, k=1,
        df=df, coef=np.stack([fit.coef[:, 0], beta, fit.coef[:, 1]], axis=1), coef_names=("alpha", "beta", "beta_ols"),
        r2=ols.r_squared(fit.rss, y, rows), fitted=False, reason=reason,
        refit=residuals_with(float(b0[0]), float(s0[0])) if one else None, notes={"beta_prior": keyed(sample, priors)},
    )  # fmt: skip
