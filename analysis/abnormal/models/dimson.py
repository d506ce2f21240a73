"""Dimson (1979): the market model with leads and lags of the market, for shares that trade rarely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Refit, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import design, estimation_columns, intercept, linear, no_regressor
from ._options import choice, whole
from ._spans import compounded

LOOK_AHEAD = "the leads read the benchmark's returns of up to {q} session(s) after each row, the event window included"


def dimson_design(sample: Sample, q: int) -> FloatArray | None:
    """Columns 1, Rm_{t-q}, ..., Rm_t, ..., Rm_{t+q} as (E, W, 2 + 2q); None where the sample holds too few leads."""
    if sample.lead is None or sample.lag is None or min(sample.lead.shape[2], sample.lag.shape[2]) < q:
        return None
    lead, lag = compounded(sample, sample.lead), compounded(sample, sample.lag)
    before = [lag[:, :, p - 1] for p in range(q, 0, -1)]
    after = [lead[:, :, p - 1] for p in range(1, q + 1)]
    return design(intercept(sample), *before, sample.x[:, :, 0], *after)


def _slopes(q: int) -> tuple[str, ...]:
    before = [f"lag{p}" for p in range(q, 0, -1)]
    after = [f"lead{p}" for p in range(1, q + 1)]
    return ("alpha", *before, "same_day", *after)


def _to_same_day(q: int) -> FloatArray:
    """Matrix B with B b = (alpha, 0.., sum of the slopes, 0..): all slopes moved onto the market of the same day."""
    k = 2 + 2 * q
    b = np.zeros((k, k))
    b[0, 0] = 1.0
    b[1 + q, 1:] = 1.0
    return b


def _sum_beta_residuals(q: int) -> Refit:
    def refit(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
        coef = ols.least_squares(y, x, use).coef @ _to_same_day(q).T
        return np.where(use, ols.residuals(y, np.where(np.isfinite(x), x, 0.0), coef), np.nan)

    return refit


@MODELS.add(
    "dimson",
    reference="doi:10.1016/0304-405X(79)90013-8",
    formula="R_t on 1, Rm_{t-q}, ..., Rm_{t+q}; beta = sum of the slopes; k = 2 + 2q, df = M - k",
    variants=("full", "sum_beta"),
    assumes={"a stable beta", "an alpha that goes on", "a market the event does not move"},
    robust_to={"non-synchronous closes", "thin trading"},
    others="without the Fowler-Rorke re-weighting",
)
def dimson(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's relation with its market of the sessions before, of the same one and of the next ones.

    `options["variant"]`: `full` (default), AR_t = R_t - x_t'b with all 2 + 2q terms and the exact forecast error, or
    `sum_beta`, AR_t = R_t - a - beta Rm_t. `options["leads"]` is q (default 1). Leads at the end of the estimation
    window read the market's returns after it: allowed, as the market is not the share, but flagged.
    """
    variant = choice(options, "variant", ("full", "sum_beta"), "dimson")
    q = whole(options, "leads", 1, 0, "dimson")
    if not sample.names:
        return no_regressor(sample, "dimson", "a benchmark; give benchmark=...")
    x = dimson_design(sample, q)
    if x is None:
        return no_regressor(sample, "dimson", f"the benchmark {q} session(s) before and after each row")
    fit = linear(sample, "dimson", x, _slopes(q))
    beta = fit.coef[:, 1:].sum(axis=1)
    coef = np.insert(fit.coef, 1, beta, axis=1)
    notes = {"dimson": LOOK_AHEAD.format(q=q)}
    fit = replace(fit, coef=coef, coef_names=("alpha", "beta", *_slopes(q)[1:]), notes=notes)
    return fit if variant == "full" else _with_sum_of_slopes(fit, sample, q)


def _with_sum_of_slopes(fit: AbnormalReturns, sample: Sample, q: int) -> AbnormalReturns:
    """The same fit, read as AR_t = R_t - a - beta Rm_t with s^2 = sum e^2 / (M - k)."""
    expected = fit.coef[:, :1] * sample.span + fit.coef[:, 1:2] * sample.x[:, :, 0]
    estimation = sample.offsets[None, :] <= sample.estimation[1]
    left_out = (estimation & ~fit.est) | np.isnan(fit.sigma)[:, None]
    ar = np.where(left_out, np.nan, sample.y - expected)
    rss = np.where(fit.est, ar, 0.0)
    rss = np.einsum("ew,ew->e", rss, rss)
    move = _to_same_day(q)
    cols = estimation_columns(sample)
    return replace(
        fit, ar=ar, expected=expected, g=move @ fit.g @ move.T, sigma=np.sqrt(rss / fit.df),
        r2=ols.r_squared(rss, sample.y[:, cols], fit.est[:, cols]), fitted=np.zeros(fit.size, bool),
        refit={"dimson": _sum_beta_residuals(q)},
    )  # fmt: skip
