"""Boehmer, Musumeci and Poulsen (1991): the standardised cross-sectional test."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, TestOptions, TestResult, Window
from ..registry import TESTS
from ._cross import by_normal, by_t, chosen, too_few
from .patell import standardised_cars

VARIANTS = ("full", "fec_none", "patell_sum", "normal")


def bmp_t(ar: AbnormalReturns, window: Window, form: str = "full") -> tuple[float, int]:
    """t = mean(SCAR) / (sd(SCAR) / sqrt(N)) and N; NaN where the SCARs do not differ or N < 2."""
    scar = standardised_cars(ar, window, form)
    scar = scar[np.isfinite(scar)]
    n = scar.size
    if n < 2:
        return np.nan, n
    sd = scar.std(ddof=1)
    return (float(scar.mean() / (sd / np.sqrt(n))) if sd > 1e-12 * np.abs(scar).max() else np.nan), n


@TESTS.add(
    "bmp",
    reference="doi:10.1016/0304-405X(91)90032-F",
    scope="cross",
    min_pairs=2,
    variants=VARIANTS,
    formula="t = mean(SCAR) / (sd(SCAR) / sqrt(N)), SCAR = CAR / sqrt(s^2 c), ~ t(N - 1)",
    assumes={"independent pairs"},
    robust_to={"event-induced variance", "firms of different volatility"},
    others=(
        "R EventStudy and the WRDS port divide by s sqrt(L2) (`fec_none`); estudy2 takes s with divisor M - 1; "
        "EventStudyTools and Eventus leave open whether normal (`normal`) or t"
    ),
    check="public check value: 1.241861001 (full), 1.248780476 (fec_none), window [-1, +3]",
)
def bmp(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Student's t on standardised CARs: the spread at the event is measured at the event.

    t = mean(SCAR) / (sd(SCAR) / sqrt(N)) ~ t(N - 1); `normal` refers it to N(0, 1), too small a p below 20 pairs.
    `fec_none` and `patell_sum` standardise by s sqrt(L2) and by the sum of daily SARs.
    """
    form = chosen("bmp", opt, VARIANTS)
    t, n = bmp_t(ar, window, form)
    if n < 2:
        return too_few("bmp", ar, window, n, 2, form)
    if np.isnan(t):
        return TestResult.none("bmp", window, "the standardised CARs do not differ (standard deviation 0)", form)
    if form == "normal":
        return by_normal("bmp", window, t, n, form, opt)
    return by_t("bmp", window, t, n - 1, n, form, opt)
