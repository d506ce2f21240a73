"""The same clock time on ordinary days: how unusual is a move of this size between these two times of day?"""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, PairResult, TestOptions, TestResult, Window
from ..kernel.dist import TIE, empirical_p
from ..registry import TESTS
from ._bars import NEEDS_BARS, ClockSums, PairBars, clock_sums, each, given


@TESTS.add(
    "same_clock",
    reference="Rinaudo and Saha (2014), Journal of Financial Perspectives 2(2), 161-172",
    scope="intraday",
    variants=("abs",),
    formula="p = (1 + #{|CAR_d| >= |CAR|}) / (m + 1), CAR_d over the same slots j1..j2 of estimation session d = 1..m",
    assumes={"event session exchangeable with the estimation sessions but for the news"},
    robust_to={"the daily rhythm of volatility", "fat tails", "serial correlation inside a session"},
    others="R EventStudy has the idea in its intraday non-parametric routine",
    check="the slow twin; for two sessions out of three below, p = 2/4",
)
def same_clock(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Did the share ever go this far between these clock times on an ordinary day?

    The sum of abnormal returns over the window's slots is ranked among the sums over the same slots of the estimation
    sessions. A night or lunch break that the news fell into is one of the slots. p is never below 1/(m + 1).
    """
    return each(
        "same_clock", ar, window, "abs", given(opt, "bars"), NEEDS_BARS, lambda bars: _ranked([bars], window, opt)
    )


def pooled(units: list[PairBars], window: Window, opt: TestOptions) -> TestResult:
    """The mean CAR of several pairs among the means over the sessions that lie as far back for each: one p for all."""
    return _ranked(units, window, opt)


def _ranked(units: list[PairBars], window: Window, opt: TestOptions) -> TestResult:
    sums = [clock_sums(u, window) for u in units]
    bad = [s for s in sums if isinstance(s, str)]
    if bad:
        return TestResult.none("same_clock", window, bad[0], "abs")
    car, past = mean_sums([s for s in sums if isinstance(s, ClockSums)])
    m = past.size
    if not m:
        why = "no estimation session with the same slots (too few sessions, or more than half of the bars empty)"
        return TestResult.none("same_clock", window, why, "abs")
    p = empirical_p(past, car, opt.alternative)
    sd = float(past.std(ddof=1)) if m > 1 else np.nan
    extra = {"min_p": 1.0 / (m + 1), "car": car, "sd": sd, "half": half_width(past, opt.level), "sign": np.sign(car)}
    return TestResult("same_clock", window, car, p, np.nan, m, "abs", extra=extra)


def mean_sums(sums: list[ClockSums]) -> tuple[float, FloatArray]:
    """Mean CAR at the window's end, and the means of past sums over the sessions every pair has."""
    common = sums[0].back
    for s in sums[1:]:
        common = np.intersect1d(common, s.back)
    past = np.mean([s.past[np.isin(s.back, common), -1] for s in sums], axis=0)
    return float(np.mean([s.path[-1] for s in sums])), past


def half_width(past: FloatArray, level: float) -> float:
    """Half the interval of effects the test does not reject: the j-th largest |past|, j = floor(level (m + 1))."""
    j = int(np.floor(level * (past.size + 1) + 1e-9))
    return float(np.sort(np.abs(past))[::-1][j - 1]) if j >= 1 else float("inf")


def path_p(sums: ClockSums, alternative: str = "two-sided") -> FloatArray:
    """p of the path at every slot of the window so far, (L,)."""
    m = sums.past.shape[0]
    if not m:
        return np.full(sums.path.shape, np.nan)
    past, path = sums.past, sums.path
    if alternative == "two-sided":
        past, path = np.abs(past), np.abs(path)
    elif alternative == "less":
        past, path = -past, -path
    hits = np.add.reduce((past >= path - TIE).view(np.uint8), axis=0, dtype=np.uint8 if m < 256 else np.int64)
    p: FloatArray = (hits + 1.0) / (m + 1)
    p[~np.isfinite(sums.path)] = np.nan
    return p
