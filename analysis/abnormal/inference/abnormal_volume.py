"""Abnormal trading: log turnover or volume against what was usual, with its memory from day to day."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, PairResult, TestOptions, TestResult, Window
from ..kernel import dist, ohlc
from ..registry import TESTS
from ._bars import DayActivity, PairBars, each, given

CONSTANT = 0.000255
FORMS = ("egls", "sq", "fraction", "shares", "naive")
NEEDS_VOLUME = "needs the volume of the share"
LEAST, MIN_WINDOWS = 20, 19
LARGEST_RHO = 0.99


def log_turnover(turnover: FloatArray | float, form: str = "percent") -> FloatArray:
    """ln(100 turnover + 0.000255); `fraction`: ln(turnover + 0.000255). No trading is NaN, not a number.

    Examples
    --------
    >>> round(float(log_turnover(0.01)), 9), round(float(log_turnover(0.01, "fraction")), 9)
    (0.000254967, -4.579989887)
    """
    t = np.asarray(turnover, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(np.where(t > 0, t, np.nan) * (1.0 if form == "fraction" else 100.0) + CONSTANT)


@TESTS.add(
    "abnormal_volume",
    reference="doi:10.1007/BF00245187",
    scope="activity",
    variants=FORMS,
    formula="v = ln(100 turnover + 0.000255) on 1 (and the market's v) by AR(1) EGLS; CAV / sd ~ t(M - k)",
    assumes={"log volume with AR(1) errors (egls)", "days like the estimation days (sq)"},
    robust_to={"the memory of volume from day to day"},
    others="EventStudyTools puts the constant on shares; `fraction` leaves out the factor 100; packages read use a naive t",
    check="turnover 0.01 gives v 0.000254967, `fraction` -4.579989887; a slow GLS twin with the full correlation matrix",
)
def abnormal_volume(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Was more traded than usual?

    Sessions: v is log turnover (log shares traded where the shares in issue are not known, or with `shares`), expected
    from its mean, or from the market's v where the benchmark has volume. `egls` (default): Prais-Winsten AR(1), the
    variance of a sum carries the memory; `sq`: the window's sum ranked among all sums of as many residuals before it;
    `naive`: no memory, for comparison, over-rejects. Bars: log volume of the window against the same clock time of the
    estimation sessions, t(m - 1) with the rank p beside it.
    """
    form = opt.variant or "egls"
    bars = given(opt, "bars")
    if bars is not None:
        return each("abnormal_volume", ar, window, form, bars, NEEDS_VOLUME, partial(_by_clock, window, opt, form))
    days = given(opt, "activity")
    return each("abnormal_volume", ar, window, form, days, NEEDS_VOLUME, partial(_by_day, window, opt, form))


# ------------------------------------------------------------------------------------------------ sessions


class Egls(NamedTuple):
    """AR(1) fit of v on x: coefficients b (k,), their covariance g (k, k) over s2, rho, innovation variance s2, m rows."""

    b: FloatArray
    g: FloatArray
    rho: float
    s2: float
    m: int


def prais_winsten(v: FloatArray, x: FloatArray, use: BoolArray, memory: bool = True) -> Egls:
    """Two-step EGLS with AR(1) errors of v (T,) on x (T, k) over the rows `use`; after a gap the series begins anew.

    rho = sum e_t e_{t-1} / sum e_{t-1}^2 of the least-squares residuals e; rows become v_t - rho v_{t-1}, the first of each
    run sqrt(1 - rho^2) v_t.
    """
    rows = np.flatnonzero(use)
    y, z = v[rows], x[rows]
    b = np.linalg.lstsq(z, y, rcond=None)[0]
    follows = np.append(False, np.diff(rows) == 1)
    e = y - z @ b
    past = e[:-1][follows[1:]]
    rho = float(past @ e[follows] / (past @ past)) if memory and past.size and past @ past > 0 else 0.0
    rho = min(max(rho, -LARGEST_RHO), LARGEST_RHO)
    first = np.sqrt(1.0 - rho**2)
    before = np.concatenate([np.zeros((1, z.shape[1])), z[:-1]])
    z1 = np.where(follows[:, None], z - rho * before, first * z)
    y1 = np.where(follows, y - rho * np.append(0.0, y[:-1]), first * y)
    b = np.linalg.lstsq(z1, y1, rcond=None)[0]
    e1 = y1 - z1 @ b
    triangle = np.linalg.qr(z1)[1]
    inverse = np.linalg.solve(triangle, np.eye(z1.shape[1]))
    return Egls(b, inverse @ inverse.T, rho, float(e1 @ e1 / max(rows.size - z.shape[1], 1)), rows.size)


def sum_variance(fit: Egls, x: FloatArray, rows: np.ndarray) -> float:
    """Variance of the sum of forecast errors over rows (L,) of x: memory inside the window, and the coefficients' own."""
    apart = np.abs(rows[:, None] - rows[None, :])
    inside = float(np.sum(fit.rho**apart)) / (1.0 - fit.rho**2)
    u = x[rows].sum(axis=0)
    return fit.s2 * (inside + float(u @ fit.g @ u))


def _by_day(window: Window, opt: TestOptions, form: str, day: DayActivity) -> TestResult:
    v, known = measure(day, form)
    x = np.ones((v.size, 1))
    if day.market is not None and np.isfinite(day.market[day.est]).sum() >= LEAST:
        x = np.column_stack([x, day.market])
    usable = np.isfinite(v) & np.isfinite(x).all(axis=1)
    est = usable & day.est
    rows = np.arange(day.event + window[0], day.event + window[1] + 1)
    if rows[0] < 0 or rows[-1] >= v.size or not usable[rows].any():
        return TestResult.none("abnormal_volume", window, "no volume in the window", form)
    if est.sum() < LEAST:
        why = f"{int(est.sum())} estimation sessions with volume; the test needs {LEAST}"
        return TestResult.none("abnormal_volume", window, why, form)
    fit = prais_winsten(v, x, est, memory=form != "naive")
    if not fit.s2 > 0:
        return TestResult.none("abnormal_volume", window, "volume does not vary over the estimation sessions", form)
    rows = rows[usable[rows]]
    cav = float(np.sum(v[rows] - x[rows] @ fit.b))
    extra = {"cav": cav, "rho": fit.rho, "turnover": float(known), "sign": float(np.sign(cav))}
    if form == "sq":
        return _ranked(window, opt, cav, np.where(est, v - x @ fit.b, np.nan), rows.size, extra)
    z = cav / np.sqrt(sum_variance(fit, x, rows))
    df = fit.m - x.shape[1]
    return TestResult(
        "abnormal_volume", window, z, float(dist.student_p(z, df, opt.alternative)), df, fit.m, form, extra=extra
    )


def measure(day: DayActivity, form: str) -> tuple[FloatArray, bool]:
    """v by session, and whether it is turnover (the shares in issue are known)."""
    known = form != "shares" and bool(np.isfinite(day.shares).any())
    with np.errstate(invalid="ignore", divide="ignore"):
        if known:
            return log_turnover(day.volume / day.shares, form), True
        return np.log(np.where(day.volume > 0, day.volume, np.nan)), False


def _ranked(
    window: Window, opt: TestOptions, cav: float, residuals: FloatArray, length: int, extra: dict[str, float]
) -> TestResult:
    """The window's sum among the sums of all runs of as many estimation residuals."""
    runs = np.lib.stride_tricks.sliding_window_view(residuals, length).sum(axis=1)
    runs = runs[np.isfinite(runs)]
    if runs.size < MIN_WINDOWS:
        why = f"{runs.size} comparable windows; the test needs {MIN_WINDOWS}"
        return TestResult.none("abnormal_volume", window, why, "sq")
    p = dist.empirical_p(runs, cav, opt.alternative)
    extra = extra | {"min_p": 1.0 / (runs.size + 1)}
    return TestResult("abnormal_volume", window, cav, p, np.nan, runs.size, "sq", extra=extra)


# ------------------------------------------------------------------------------------------------ bars


def _by_clock(window: Window, opt: TestOptions, form: str, bars: PairBars) -> TestResult:
    """Volume of the window's bars against the same bars of the estimation sessions."""
    span = bars.span(window)
    if bars.volume is None or span is None:
        why = "the bars have no volume" if bars.volume is None else "the bars end before the window does"
        return TestResult.none("abnormal_volume", window, why, form)
    first, end = span
    flat = np.nan_to_num(bars.volume).ravel()
    total = np.concatenate([[0.0], np.cumsum(flat)])
    rows = np.flatnonzero(bars.est)
    start = first - (bars.event - rows) * bars.slots
    inside = (start >= 0) & (start + end - first <= bars.event * bars.slots)
    start = start[inside]
    past = total[start + end - first] - total[start]
    found = ohlc.log_level_test(
        float(flat[first:end].sum()), past, opt.alternative, "no volume in the window"  # type: ignore[arg-type]
    )  # fmt: skip
    if str(found.reason):
        return TestResult.none("abnormal_volume", window, str(found.reason), form)
    extra = {"cav": float(found.abnormal), "p_rank": float(found.p_rank), "sign": float(np.sign(found.abnormal))}
    return TestResult(
        "abnormal_volume", window, float(found.z), float(found.p), float(found.df), float(found.m), form, extra=extra
    )
