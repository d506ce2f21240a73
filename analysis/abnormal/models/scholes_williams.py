"""Scholes and Williams (1977): beta when the share and its market do not close at the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import assemble, design, estimation_columns, intercept, merged, no_regressor, usable_rows
from ._reasons import line_reasons

NAMES = ("alpha", "beta", "beta_lag", "beta_0", "beta_lead", "rho")
NOTES = {
    "scholes_williams": "h by the least-squares formula, an approximation; lags and leads need consecutive sessions: "
    "the model is not fitted again on rows taken out of their order"
}


class Line(NamedTuple):
    """alpha, beta, the three slopes, the market's autocorrelation, and the rows used, for every pair."""

    alpha: FloatArray
    beta: FloatArray
    lag: FloatArray
    now: FloatArray
    lead: FloatArray
    rho: FloatArray


def consecutive(use: BoolArray) -> BoolArray:
    """Rows whose session before and session after are estimation rows too."""
    out = np.zeros_like(use)
    out[:, 1:-1] = use[:, :-2] & use[:, 1:-1] & use[:, 2:]
    return out


def _mean(values: FloatArray, rows: BoolArray) -> FloatArray:
    return np.where(rows, values, 0.0).sum(axis=1) / rows.sum(axis=1)


def _covariance(a: FloatArray, b: FloatArray, rows: BoolArray) -> FloatArray:
    """Sum of cross products about the means of the rows."""
    da, db = a - _mean(a, rows)[:, None], b - _mean(b, rows)[:, None]
    return np.where(rows, da * db, 0.0).sum(axis=1)


def _slope(y: FloatArray, x: FloatArray, rows: BoolArray) -> FloatArray:
    return _covariance(y, x, rows) / _covariance(x, x, rows)


def _shifted(x: FloatArray, by: int) -> FloatArray:
    """x one column later (+1) or earlier (-1), NaN at the edge."""
    out = np.full_like(x, np.nan)
    if by > 0:
        out[:, :-1] = x[:, 1:]
    else:
        out[:, 1:] = x[:, :-1]
    return out


def scholes_williams_line(y: FloatArray, rm: FloatArray, use: BoolArray) -> Line:
    """The estimator of the paper from y, rm (E, R) on consecutive sessions; `use` are the estimation rows."""
    inner = consecutive(use)
    before, after = _shifted(rm, -1), _shifted(rm, +1)
    pairs = np.zeros_like(use)
    pairs[:, 1:] = use[:, 1:] & use[:, :-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        lag, now, lead = (_slope(y, x, inner) for x in (before, rm, after))
        rho = _covariance(rm, before, pairs) / np.sqrt(_covariance(rm, rm, pairs) * _covariance(before, before, pairs))
        beta = (lag + now + lead) / (1.0 + 2.0 * rho)
        alpha = _mean(y, inner) - beta * _mean(rm, inner)
    return Line(alpha, beta, lag, now, lead, rho)


@MODELS.add(
    "scholes_williams",
    reference="doi:10.1016/0304-405X(77)90041-1",
    formula="beta = (b_- + b_0 + b_+) / (1 + 2 rho_m), alpha = mean R - beta mean Rm over t = 2..M-1; df = (M - 2) - 2",
    assumes={"a stable beta", "an alpha that goes on", "consecutive sessions"},
    robust_to={"non-synchronous closes", "thin trading"},
    others="Eventus and the WRDS macro offer the same beta",
)
def scholes_williams(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market, allowing for closes that are not simultaneous.

    b_-, b_0, b_+ are the slopes of R_t on the market's return of the session before, the same and the next one, rho_m
    the market's first autocorrelation: beta = (b_- + b_0 + b_+) / (1 + 2 rho_m). Only sessions between two other
    estimation sessions are used (with no gap: all but the first and the last). s^2 = sum e^2 / (n - 2) over those n.
    """
    if not sample.names:
        return no_regressor(sample, "scholes_williams", "a benchmark; give benchmark=...")
    rm = sample.x[:, :, 0]
    x = design(intercept(sample), rm)
    every = usable_rows(sample, sample.y, x) & (sample.span == 1)
    use = consecutive(every)
    cols = estimation_columns(sample)
    y, rows = sample.y[:, cols], use[:, cols]
    line = scholes_williams_line(y, rm[:, cols], every[:, cols])
    plain = ols.least_squares(y, x[:, cols], rows)
    reason = line_reasons(sample, plain, y, rows, "scholes_williams")
    undefined = ~(1.0 + 2.0 * line.rho > 0)
    reason = merged(reason, undefined, "the benchmark's autocorrelation is -0.5 or less: beta is not defined")
    coef = np.stack([line.alpha, line.beta, line.lag, line.now, line.lead, line.rho], axis=1)
    expected = np.einsum("ewk,ek->ew", x, coef[:, :2])
    rss = np.sum(np.where(rows, y - expected[:, cols], 0.0) ** 2, axis=1)
    df = (plain.m - 2).astype(float)
    return assemble(
        sample, "scholes_williams", y=sample.y, expected=expected, use=use, x=x, g=plain.g, rss=rss, k=2,
        df=np.where(df > 0, df, np.nan), coef=coef, coef_names=NAMES, r2=ols.r_squared(rss, y, rows), fitted=True,
        reason=reason, notes=NOTES,
    )  # fmt: skip
