"""Tail probabilities by survival functions, so that a p of 1e-22 is a number and not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
ALTERNATIVES = ("two-sided", "greater", "less")


def normal_p(z: Any, alternative: str = "two-sided") -> Any:
    """p-value of a standard normal statistic."""
    if alternative == "greater":
        return special.ndtr(-np.asarray(z))
    if alternative == "less":
        return special.ndtr(z)
    return 2.0 * special.ndtr(-np.abs(z))


def student_p(t: Any, df: Any, alternative: str = "two-sided") -> Any:
    """p-value of Student's t with df degrees of freedom (NaN where df <= 0)."""
    t, df = np.asarray(t, float), np.asarray(df, float)
    safe = np.where(df > 0, df, np.nan)
    if alternative == "greater":
        return special.stdtr(safe, -t)
    if alternative == "less":
        return special.stdtr(safe, t)
    return 2.0 * special.stdtr(safe, -np.abs(t))


def f_p(f: Any, df1: Any, df2: Any) -> Any:
    """Upper tail of the F distribution."""
    return special.fdtrc(df1, df2, f)


def chi2_p(x: Any, df: Any) -> Any:
    """Upper tail of the chi-squared distribution."""
    return special.chdtrc(df, x)


def student_quantile(p: Any, df: Any) -> Any:
    """Quantile of Student's t."""
    return special.stdtrit(df, p)


def normal_quantile(p: Any) -> Any:
    """Quantile of the standard normal."""
    return special.ndtri(p)


def binomial_p(wins: int, n: int, alternative: str = "two-sided") -> float:
    """Exact p of `wins` heads in n fair tosses; two-sided = twice the smaller tail, at most 1."""
    upper = float(special.bdtrc(wins - 1, n, 0.5)) if wins > 0 else 1.0
    lower = float(special.bdtr(wins, n, 0.5))
    if alternative == "greater":
        return upper
    if alternative == "less":
        return lower
    return min(1.0, 2.0 * min(upper, lower))


TIE = 1e-12  # values closer than this count as equal in every rank comparison


def count_at_least(values: Any, threshold: Any, axis: int = -1) -> Any:
    """How many finite `values` are >= threshold (ties within 1e-12 count)."""
    return np.sum(np.asarray(values) >= np.asarray(threshold) - TIE, axis=axis)


def empirical_p(values: Any, observed: float, alternative: str = "two-sided") -> float:
    """(1 + number of |values| >= |observed|) / (n + 1); one-sided on signed values."""
    v = np.asarray(values, float)
    v = v[np.isfinite(v)]
    if alternative == "greater":
        hits = count_at_least(v, observed)
    elif alternative == "less":
        hits = count_at_least(-v, -observed)
    else:
        hits = count_at_least(np.abs(v), abs(observed))
    return float((1 + hits) / (v.size + 1))
