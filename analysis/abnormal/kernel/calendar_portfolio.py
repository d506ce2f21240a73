"""The calendar-time portfolio: on every session the average return of the pairs that are in their holding period."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import sandwich
from .sandwich import Regression

Array = NDArray[np.float64]
FORMS = ("ols", "HC1", "newey_west", "wls")


class CalendarPortfolio(NamedTuple):
    """day (T,) sessions in order, y (T,) mean return of the members, x (T, q) their mean regressors, n (T,) how many."""

    day: NDArray[np.datetime64]
    y: Array
    x: Array
    n: NDArray[np.int64]


def calendar_portfolio(
    day: NDArray[np.datetime64], y: Array, x: Array, min_firms: int = 1, weight: Array | None = None
) -> CalendarPortfolio:
    """Average rows of one session; rows without a return or regressor are not members.

    day, y (R,), x (R, q): one row a pair and session of its holding period; weight (R,) for value-weighted means.
    Sessions with fewer than `min_firms` members are dropped.
    """
    w = np.ones(y.size) if weight is None else weight
    have = np.isfinite(y) & np.isfinite(x).all(axis=1) & np.isfinite(w) & (w > 0) & ~np.isnat(day)
    days, at = np.unique(day[have], return_inverse=True)
    n = np.bincount(at, minlength=days.size)
    total = np.bincount(at, weights=w[have], minlength=days.size)
    mean_y = np.bincount(at, weights=(w * y)[have], minlength=days.size) / total
    columns = [_sum_by_day((w * c)[have], at, days.size) / total for c in x.T]
    mean_x = np.stack(columns, axis=1) if columns else np.empty((days.size, 0))
    keep = n >= max(1, min_firms)
    return CalendarPortfolio(days[keep], mean_y[keep], mean_x[keep], n[keep].astype(np.int64))


def _sum_by_day(values: Array, at: NDArray[np.int64], size: int) -> Array:
    """Sums by session, exactly zero where long and short positions cancel to rounding."""
    total = np.bincount(at, weights=values, minlength=size)
    gross = np.bincount(at, weights=np.abs(values), minlength=size)
    return np.where(np.abs(total) <= 1e-13 * gross, 0.0, total)


def regressed(p: CalendarPortfolio, form: str = "ols") -> tuple[Regression, Array]:
    """The portfolio's return on a constant and its regressors, and the covariance of the coefficients.

    `ols`, `HC1`, `newey_west` (lag floor(4 (T/100)^(2/9))), or `wls` with the number of members as weight.
    """
    z = np.column_stack([np.ones(p.y.size), p.x])
    f = sandwich.least_squares(z, p.y, p.n.astype(float) if form == "wls" else None)
    if form == "HC1":
        return f, sandwich.robust(f, z, "HC1")
    if form == "newey_west":
        return f, sandwich.newey_west(f, z, sandwich.newey_west_lag(p.y.size))
    return f, sandwich.classical(f)
