"""A test someone adds: one file like this one, one golden folder, and nothing else."""

from __future__ import annotations

import numpy as np

from abnormal.domain import AbnormalReturns, TestOptions, TestResult, Window
from abnormal.inference._cross import chosen, too_few
from abnormal.inference._window import window_stats
from abnormal.kernel import dist
from abnormal.registry import TESTS


@TESTS.add(
    "toy_median_sign",
    reference="doi:10.1080/01621459.1946.10501898",
    scope="cross",
    min_pairs=2,
    variants=("exact",),
    formula="w = #{SCAR > 0} among the nonzero ones; p = exact binomial(n, 1/2)",
    assumes={"independent pairs"},
    others="a sign test on CARs is `sign`",
    check="public data, 8 firms, [-1, +3]: w = 5, p = 0.7266",
)
def toy_median_sign(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is the median standardised CAR zero? (The sign test, on SCARs.)

    w = #{SCAR > 0} among the nonzero SCARs, exact binomial p.
    """
    form = chosen("toy_median_sign", opt, ("exact",))
    scar = window_stats(ar, window).scar
    scar = scar[np.isfinite(scar) & (scar != 0)]
    if scar.size < 2:
        return too_few("toy_median_sign", ar, window, scar.size, 2, form, "a nonzero SCAR")
    wins = int(np.sum(scar > 0))
    statistic = float((wins - scar.size / 2) / np.sqrt(scar.size / 4))
    p = dist.binomial_p(wins, scar.size, opt.alternative)
    return TestResult("toy_median_sign", window, statistic, p, np.nan, scar.size, form, extra={"w": wins})
