"""The market model when a few returns must not decide it: Huber, Theil-Sen and least absolute deviations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Refit, Sample
from ..kernel import dist, ols
from ..registry import MODELS
from ._linear import (
    assemble,
    design,
    estimation_columns,
    intercept,
    merged,
    no_regressor,
    usable_rows,
)
from ._options import choice
from ._reasons import line_reasons

HUBER_C = 1.345  # 95% efficient at the normal distribution
STOP = 1e-12
MAX_STEPS = 1000
NO_SCALE = 1e-8  # share of the residuals' root mean square below which the scale is zero but for rounding
SLOPE_ROWS = 2000  # M (M - 1) / 2 slopes: beyond this the latest rows are used
MAD_TO_SD = float(dist.normal_quantile(0.75))

# A fitter turns y (E, R), x (E, R, 2) and the rows to use into (intercept, slope) per pair, NaN where it found none.
Fitter = Callable[[FloatArray, FloatArray, BoolArray], FloatArray]


def mad_scale(e: FloatArray, use: BoolArray) -> FloatArray:
    """median(|e|) / Phi^-1(0.75) over the rows used, (E,): the MAD about zero."""
    out = np.full(e.shape[0], np.nan)
    known = use & np.isfinite(e)
    some = np.any(known, axis=1)
    out[some] = np.nanmedian(np.where(known, np.abs(e), np.nan)[some], axis=1) / MAD_TO_SD
    return out


# ---------------------------------------------------------------------------------------------------- the three fits


def huber_line(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
    """Iteratively reweighted least squares with weights min(1, c / |u|), u = e / MAD, from least squares on."""
    coef = ols.least_squares(y, x, use).coef
    moving = np.flatnonzero(np.isfinite(coef).all(axis=1))
    for _ in range(MAX_STEPS):
        if not moving.size:
            return coef
        new = _huber_step(y[moving], x[moving], use[moving], coef[moving])
        change = np.abs(new - coef[moving]).max(axis=1)
        coef[moving] = new
        moving = moving[change >= STOP]
    coef[moving] = np.nan
    return coef


def _huber_step(y: FloatArray, x: FloatArray, use: BoolArray, coef: FloatArray) -> FloatArray:
    e = ols.residuals(y, x, coef)
    scale = mad_scale(e, use)
    with np.errstate(invalid="ignore", divide="ignore"):
        u = np.abs(e) / scale[:, None]
        root = np.where(use & (u > HUBER_C), np.sqrt(HUBER_C / u), 1.0)
    new = ols.least_squares(y * root, x * root[:, :, None], use).coef
    # Scale zero: the line goes through more than half of the points and stays there.
    return np.where((scale > 0)[:, None], new, coef)


def theil_sen_line(y: FloatArray, x: FloatArray, use: BoolArray, variant: str = "separate") -> FloatArray:
    """Median of all pairwise slopes, pair by pair; the intercept by `separate` medians or the median residual."""
    return np.array([_theil_sen_one(y[i, u], x[i, u, 1], variant) for i, u in enumerate(use)]).reshape(-1, 2)


def _theil_sen_one(y: FloatArray, rm: FloatArray, variant: str) -> FloatArray:
    i, j = np.triu_indices(y.size, 1)
    dx = rm[j] - rm[i]
    apart = dx != 0
    if not apart.any():
        return np.full(2, np.nan)
    slope = np.median((y[j] - y[i])[apart] / dx[apart])
    level = np.median(y) - slope * np.median(rm) if variant == "separate" else np.median(y - slope * rm)
    return np.array([level, slope])


def lad_line(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
    """The line with the smallest sum of absolute residuals, pair by pair, by linear programming."""
    return np.array([_lad_one(y[i, u], x[i, u]) for i, u in enumerate(use)]).reshape(-1, 2)


def _lad_one(y: FloatArray, x: FloatArray) -> FloatArray:
    """Dual programme: max y'd subject to X'd = 0, |d| <= 1; its price is the line, made exact on two rows it meets."""
    from scipy.optimize import linprog

    unit_y, unit_x = np.abs(y).max(initial=0.0), np.abs(x).max(axis=0, initial=0.0)
    if not unit_y > 0 or not (unit_x > 0).all():
        return np.full(2, np.nan)
    answer = linprog(
        -y / unit_y, A_eq=(x / unit_x).T, b_eq=np.zeros(2), bounds=(-1, 1), method="highs-ds",
        options={"dual_feasibility_tolerance": 1e-10, "primal_feasibility_tolerance": 1e-10},
    )  # fmt: skip
    if answer.status != 0:
        return np.full(2, np.nan)
    coef = -answer.eqlin.marginals * unit_y / unit_x
    return _through_two_rows(y, x, coef)


def _through_two_rows(y: FloatArray, x: FloatArray, coef: FloatArray) -> FloatArray:
    """The same line solved from the two rows it goes through, where that is no worse."""
    near = np.argsort(np.abs(y - x @ coef), kind="stable")
    first = near[0]
    others = [j for j in near[1:6] if abs(np.linalg.det(x[[first, j]])) > 1e-14]
    if not others:
        return coef
    exact = np.asarray(np.linalg.solve(x[[first, others[0]]], y[[first, others[0]]]), np.float64)
    return exact if np.abs(y - x @ exact).sum() <= np.abs(y - x @ coef).sum() else coef


# ---------------------------------------------------------------------------------------------------- the models


def residuals_of(line: Fitter) -> Refit:
    """The `refit` of a robust model: residuals of a fresh fit to the rows `use`."""

    def refit(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
        return np.where(use, ols.residuals(y, np.where(np.isfinite(x), x, 0.0), line(y, x, use)), np.nan)

    return refit


def robust(sample: Sample, model: str, line: Fitter, use: BoolArray, notes: Mapping[str, Any]) -> AbnormalReturns:
    """A line fitted by `line` to the rows `use`, with the MAD of its residuals as sigma and h by the OLS formula."""
    x = design(intercept(sample), sample.x[:, :, 0])
    cols = estimation_columns(sample)
    y, rows = sample.y[:, cols], use[:, cols]
    plain = ols.least_squares(y, x[:, cols], rows)
    reason = line_reasons(sample, plain, y, rows, model)
    good = np.flatnonzero([not r for r in reason])
    coef = np.full((sample.size, 2), np.nan)
    coef[good] = line(y[good], x[good][:, cols], rows[good])
    e = np.where(rows, ols.residuals(y, x[:, cols], coef), 0.0)
    scale = mad_scale(e, rows)
    reason = merged(reason, ~np.isfinite(coef).all(axis=1), f"model {model!r} did not converge")
    rss = np.sum(e * e, axis=1)
    stale = ~(scale > NO_SCALE * np.sqrt(rss / np.maximum(plain.m, 1)))
    reason = merged(reason, stale, "zero robust scale: the line goes through half of the returns or more")
    df = (plain.m - 2).astype(float)
    return assemble(
        sample, model, y=sample.y, expected=np.einsum("ewk,ek->ew", x, coef), use=use, x=x, g=plain.g, rss=rss, k=2,
        df=np.where(df > 0, df, np.nan), coef=coef, coef_names=("alpha", "beta"), r2=ols.r_squared(rss, y, rows),
        fitted=True, reason=reason, sigma=scale, refit=residuals_of(line),
        notes={model: "the forecast-error variance of a robust fit is taken by the least-squares formula", **notes},
    )  # fmt: skip


def _market_rows(sample: Sample) -> BoolArray:
    return usable_rows(sample, sample.y, sample.x[:, :, :1])


@MODELS.add(
    "huber",
    reference="doi:10.1214/aoms/1177703732",
    formula="IRLS, weights min(1, 1.345 / |u|), u = e / (median|e| / Phi^-1(.75)); k = 2, df = M - 2",
    assumes={"a stable beta", "an alpha that goes on"},
    robust_to={"outlying returns in the estimation window"},
    others="statsmodels RLM(HuberT(1.345), scale_est='mad') gives the same line",
)
def huber(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market, outlying days counted less.

    AR_t = R_t - alpha - beta Rm_t; days with a residual beyond 1.345 scales get weight 1.345 scale / |e|. The scale is
    median|e| / 0.6745, taken anew at every step; the fit starts at least squares and stops when no coefficient moves by
    1e-12. Var(AR) = scale^2 (1 + h).
    """
    if not sample.names:
        return no_regressor(sample, "huber", "a benchmark; give benchmark=...")
    return robust(sample, "huber", huber_line, _market_rows(sample), {})


@MODELS.add(
    "theil_sen",
    reference="doi:10.1080/01621459.1968.10480934",
    formula="beta = median of (y_j - y_i) / (x_j - x_i); alpha = median y - beta median x; k = 2, df = M - 2",
    variants=("separate", "median_residual"),
    assumes={"a stable beta", "an alpha that goes on"},
    robust_to={"up to 29% outlying returns in the estimation window"},
    others="scipy.stats.theilslopes(method='separate') is the default; 'joint' is `median_residual`",
)
def theil_sen(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market by the median of all pairwise slopes.

    AR_t = R_t - alpha - beta Rm_t. `options["variant"]`: `separate` (alpha = median R - beta median Rm, default) or
    `median_residual` (alpha = median of R - beta Rm). One-session returns only, the latest 2000 at most; sigma as in
    `huber`.
    """
    variant = choice(options, "variant", ("separate", "median_residual"), "theil_sen")
    if not sample.names:
        return no_regressor(sample, "theil_sen", "a benchmark; give benchmark=...")
    use = _market_rows(sample) & (sample.span == 1)
    later = np.cumsum(use[:, ::-1], axis=1)[:, ::-1]
    capped = {"theil_sen_rows": f"only the latest {SLOPE_ROWS} returns were used"} if (later > SLOPE_ROWS).any() else {}

    def line(y: FloatArray, x: FloatArray, rows: BoolArray) -> FloatArray:
        return theil_sen_line(y, x, rows, variant)

    return robust(sample, "theil_sen", line, use & (later <= SLOPE_ROWS), capped)


@MODELS.add(
    "lad",
    reference="doi:10.2307/1913643",
    formula="min sum |R_t - alpha - beta Rm_t|; k = 2, df = M - 2",
    assumes={"a stable beta", "an alpha that goes on"},
    robust_to={"outlying returns in the estimation window"},
    others="statsmodels QuantReg(q=0.5), which iterates to 1e-6",
)
def lad(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market by least absolute deviations (median regression).

    AR_t = R_t - alpha - beta Rm_t, the line that minimises sum |e|, by linear programming; sigma as in `huber`.
    """
    if not sample.names:
        return no_regressor(sample, "lad", "a benchmark; give benchmark=...")
    return robust(sample, "lad", lad_line, _market_rows(sample), {})
