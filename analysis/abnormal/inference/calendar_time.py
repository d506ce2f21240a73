"""The calendar-time portfolio (Jaffe 1974; Mandelker 1974; Fama 1998): clustering in time made into the unit of analysis."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import sandwich
from ..kernel.calendar_portfolio import FORMS, CalendarPortfolio, calendar_portfolio, regressed
from ..registry import TESTS
from ._cross import by_t, cars, chosen, too_few

MARKET = "MKT"


@TESTS.add(
    "calendar_time",
    reference="doi:10.1016/S0304-405X(98)00026-9",
    scope="cross",
    min_pairs=2,
    variants=FORMS,
    formula="R_p,t = a + b Rm_t + e_t over the sessions in which some pair is in its window; t = a / se(a) ~ t(T - 2)",
    assumes={"portfolio errors independent over sessions (`newey_west` allows for serial correlation)"},
    robust_to={"cross-correlation", "overlapping windows", "few dates with many firms"},
    others="R EventStudy's CalendarTimePortfolioTest divides event-time averages by their own spread: not this",
    check="public check value: a 0.006885349236, se 0.002623774318, T 90 (twenty dates), window [0, +4]",
)
def calendar_time(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Does a portfolio that holds every share through its event window beat its market, session by session?

    On each session R_p is the mean return of the pairs whose window covers it (H = L2 sessions a pair); the intercept of
    R_p on the market is the average abnormal return per session, t(T - k). Returns above the riskless rate where the
    model uses it. `HC1`, `newey_west` and `wls` (weights: number of pairs) change the standard error.
    """
    form = chosen("calendar_time", opt, FORMS)
    n = cars(ar, window)[1].size
    if n < 2:
        return too_few("calendar_time", ar, window, n, 2, form)
    market = market_of(ar)
    if market is None:
        return TestResult.none("calendar_time", window, "calendar_time needs a benchmark; give benchmark=...", form)
    p = window_portfolio(ar, window, market)
    z = np.column_stack([np.ones(p.y.size), p.x])
    if p.y.size <= z.shape[1]:
        text = f"calendar_time needs more than {z.shape[1]} sessions; the windows cover {p.y.size}"
        return TestResult.none("calendar_time", window, text, form, sessions=p.y.size)
    if not sandwich.full_rank(z):
        return TestResult.none("calendar_time", window, "the benchmark does not vary over the windows", form)
    f, v = regressed(p, form)
    if not v[0, 0] > 1e-26 * float(p.y @ p.y):
        return TestResult.none("calendar_time", window, "zero residual variance of the portfolio", form)
    se = float(np.sqrt(v[0, 0]))
    extra = {"alpha": float(f.coef[0]), "se": se, "beta": float(f.coef[1]), "sessions": p.y.size}
    return by_t("calendar_time", window, float(f.coef[0]) / se, f.df, n, form, opt, **extra)


def market_of(ar: AbnormalReturns) -> FloatArray | None:
    """Market return (E, W) on the footing of the returns explained: in excess of the riskless rate where they are."""
    if MARKET in ar.coef_names:
        return ar.x[:, :, ar.coef_names.index(MARKET)]
    return ar.market


def window_portfolio(ar: AbnormalReturns, window: Window, market: FloatArray) -> CalendarPortfolio:
    """The portfolio of all pairs on the sessions of their windows."""
    cols = ar.columns(window)
    return calendar_portfolio(ar.dates[:, cols].ravel(), ar.raw[:, cols].ravel(), market[:, cols].reshape(-1, 1))
