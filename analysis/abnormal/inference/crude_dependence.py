"""Brown and Warner (1980, 1985): the average abnormal return against its own history."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import dist
from ..registry import TESTS
from ._cross import by_normal, by_t, chosen, dates_differ, residual_rows, too_few, usable_rows
from ._window import estimation_block, window_stats

CDA = ("m1", "m2", "lamb", "normal")
NODEP = ("student", "normal")


def average_residuals(ar: AbnormalReturns, window: Window) -> FloatArray:
    """A_t (M,): mean estimation residual of the usable pairs row by row of event time; rows nobody has are NaN."""
    return mean_of_present(residual_rows(ar, usable_rows(ar, window)))


def average_abnormal_returns(ar: AbnormalReturns, window: Window) -> FloatArray:
    """AAR_t (L,): mean abnormal return of the usable pairs that have one, NaN where none has."""
    return mean_of_present(window_stats(ar, window).ar[usable_rows(ar, window)])


def mean_of_present(block: FloatArray) -> FloatArray:
    """Column means (R,) of block (n, R) over its finite entries."""
    have = np.isfinite(block)
    with np.errstate(invalid="ignore"):
        return np.where(have, block, 0.0).sum(axis=0) / np.where(have.any(axis=0), have.sum(axis=0), np.nan)


def _spread(a: FloatArray) -> tuple[float, int]:
    """Standard deviation (ddof 1) and number of the finite entries; NaN where they do not vary."""
    a = a[np.isfinite(a)]
    if a.size < 3:
        return np.nan, a.size
    sd = float(a.std(ddof=1))
    return (sd if sd > 1e-12 * np.abs(a).max() else np.nan), a.size


def _market_factor(ar: AbnormalReturns, window: Window, a: FloatArray) -> FloatArray | str:
    """1 + 1/M + (Rm_t - Rmbar)^2 / SSm by event day for Lamb's variance, or why there is none."""
    rows = usable_rows(ar, window)
    why = dates_differ(ar, rows)
    if why:
        return why
    if ar.market is None or not (ar.market[rows] == ar.market[rows[:1]])[:, : ar.columns(window).stop].all():
        return "needs one benchmark for all firms"
    use = np.isfinite(a)
    rm = ar.market[rows[0], estimation_block(ar)][use]
    if not np.ptp(rm) > 0:
        return "needs a benchmark that varies"
    deviation = ar.market[rows[0], ar.columns(window)] - rm.mean()
    return 1.0 + 1.0 / rm.size + deviation**2 / np.sum((rm - rm.mean()) ** 2)


@TESTS.add(
    "cda",
    reference="doi:10.1016/0304-405X(85)90042-X",
    scope="cross",
    min_pairs=2,
    variants=CDA,
    formula="t = sum_t AAR_t / (S_A sqrt(L2)), S_A = sd of the average residual over the estimation rows, ~ t(M - 1)",
    assumes={"no event-induced variance", "serially uncorrelated averages"},
    robust_to={"cross-correlation on a common date"},
    others="estudy2 uses M - 1 (`lamb`: times sqrt(1 + 1/M + (Rm_t - Rmbar)^2 / SSm)); EventStudyTools M - 2 (`m2`)",
    check="public check value: S 0.01250197072, t 1.086225783, window [-1, +3]",
)
def cda(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The average abnormal return over the spread of that same average before the event (crude dependence adjustment).

    S_A = sd_t(mean_i e_it), ddof 1; t = sum AAR_t / (S_A sqrt(L2)) ~ t(M - 1). `m2` divides by M - 2, `lamb` widens each
    day by its market move and sums the daily values over sqrt(L2) ~ N(0, 1), `normal` refers t to N(0, 1).
    """
    form = chosen("cda", opt, CDA)
    n = usable_rows(ar, window).size
    if n < 2:
        return too_few("cda", ar, window, n, 2, form)
    a = average_residuals(ar, window)
    sd, m = _spread(a)
    if np.isnan(sd):
        return TestResult.none("cda", window, "the average residual does not vary over the estimation window", form)
    if form == "m2":
        sd *= np.sqrt((m - 1.0) / (m - 2.0))
    aar = average_abnormal_returns(ar, window)
    daily = aar / sd
    if form == "lamb":
        factor = _market_factor(ar, window, a)
        if isinstance(factor, str):
            return TestResult.none("cda", window, f"cda:lamb {factor}", form)
        daily = daily / np.sqrt(factor)
    have = np.isfinite(daily)
    t = float(daily[have].sum() / np.sqrt(have.sum()))
    extra = {"sd": float(sd), "m": m, "t_day": daily}
    if form in ("lamb", "normal"):
        return by_normal("cda", window, t, n, form, opt, **extra)
    return by_t("cda", window, t, m - 1, n, form, opt, **extra)


@TESTS.add(
    "bw80_nodep",
    reference="doi:10.1016/0304-405X(80)90002-1",
    scope="cross",
    min_pairs=2,
    variants=NODEP,
    formula="t = mean(CAR) / (sqrt(sum s_i^2 L2_i) / N) ~ t(mean M - 1)",
    assumes={"independent pairs", "no event-induced variance"},
    others="estudy2 `brown_warner_1980` takes s with divisor M - 1",
    check="public check value: -0.8506052689, window [0, 0]",
)
def bw80_nodep(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The average abnormal return over the firms' own noise, taken as independent (no dependence adjustment).

    t = AAR / (sqrt(sum s_i^2) / N), for windows CAAR / (sqrt(sum s_i^2 L2_i) / N), ~ t(mean M - 1); `normal`: N(0, 1).
    """
    form = chosen("bw80_nodep", opt, NODEP)
    rows = usable_rows(ar, window)
    if rows.size < 2:
        return too_few("bw80_nodep", ar, window, rows.size, 2, form)
    w = window_stats(ar, window)
    se = np.sqrt(np.sum(ar.sigma[rows] ** 2 * w.n[rows])) / rows.size
    t = float(w.car[rows].mean() / se)
    df = float(ar.m[rows].mean()) - 1.0
    p = dist.normal_p(t, opt.alternative) if form == "normal" else dist.student_p(t, df, opt.alternative)
    return TestResult("bw80_nodep", window, t, float(p), np.nan if form == "normal" else df, rows.size, form)
