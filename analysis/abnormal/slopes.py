"""A study that declares a regression asks about characteristics: the slope is its headline (M 9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case
from .domain import TestResult, Window
from .kernel.power import mde_t

COVS = ("sefcik_thompson", "tsols", "HC3", "wls")


def slope_answers(case: Case, window: Window) -> tuple[dict[str, TestResult], Any]:
    """The slope on the first characteristic under every covariance the row may ask for, and the headline regression."""
    from .regress.cross_section import regress_case

    asked = case.spec.regression
    if asked is None:
        return {}, None
    over = asked.window if isinstance(asked.window, tuple) else window
    fits = {cov: regress_case(case, asked.formula, window=over, cov=cov) for cov in COVS}
    return {cov: _answer(cov, fit, over) for cov, fit in fits.items()}, fits


def slope_name(fit: Any) -> str:
    """The first characteristic of a regression, its constant passed over; "" where it has none."""
    return next((n for n in fit.names if n != "Intercept"), "")


def _answer(cov: str, fit: Any, window: Window) -> TestResult:
    name = slope_name(fit)
    if fit.status == "not_applicable" or not name:
        return TestResult.none(cov, window, fit.reason or "no characteristic in the formula")
    i = fit.names.index(name)
    return TestResult(
        cov, window, float(fit.statistic[i]), float(fit.p[i]), float(fit.df), float(fit.n), "slope", fit.status, fit.reason,
        {"sign": float(np.sign(fit.coef[i])), "characteristic": name},
    )  # fmt: skip


def slope_estimate(fit: Any, level: float) -> tuple[float, tuple[float, float], float]:
    """The slope in decimal returns per unit, its interval, and the smallest slope with 80% power."""
    name = slope_name(fit)
    if not name:
        return float("nan"), (float("nan"), float("nan")), float("nan")
    low, high = fit.conf_int().loc[name]
    se = float(fit.bse[name])
    mde = float(mde_t(se, float(fit.df), level)) if np.isfinite(fit.df) and fit.df > 0 and se > 0 else float("nan")
    return float(fit.params[name]), (float(low), float(high)), mde
