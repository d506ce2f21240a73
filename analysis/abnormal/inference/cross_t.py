"""The plain cross-sectional t test (Brown and Warner 1980)."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, TestOptions, TestResult, Window
from ..kernel import dist
from ..registry import TESTS
from ._window import window_stats


@TESTS.add(
    "t_xs",
    reference="doi:10.1016/0304-405X(80)90002-1",
    scope="cross",
    min_pairs=2,
    variants=("mean_car",),
    formula="t = mean(CAR) / (sd(CAR) / sqrt(N)) ~ t(N - 1)",
    assumes={"independent pairs"},
    robust_to={"event-induced variance"},
    others="R EventStudy takes sd(CAR) with missing AR as 0 and N from the current day",
)
def t_xs(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is the average CAR far from zero, measured by how much the firms differ?

    t = mean(CAR) / (sd(CAR) / sqrt(N)), ddof 1, t(N - 1).
    """
    car = window_stats(ar, window).car
    car = car[np.isfinite(car)]
    n = car.size
    if n < 2:
        return TestResult.none("t_xs", window, f"t_xs needs 2 pairs with a CAR, this study has {n}", opt.variant)
    sd = car.std(ddof=1)
    if not sd > 0:
        return TestResult.none("t_xs", window, "the CARs do not differ (standard deviation 0)", opt.variant)
    t = float(car.mean() / (sd / np.sqrt(n)))
    return TestResult("t_xs", window, t, float(dist.student_p(t, n - 1, opt.alternative)), n - 1, n, opt.variant)
