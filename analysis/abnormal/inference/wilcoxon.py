"""Wilcoxon (1945): the signed-rank test on CARs."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import dist, ranks
from ..registry import TESTS
from ._cross import cars, chosen, too_few

EXACT_UP_TO = 25
VARIANTS = ("signed_rank", "normal")


def normal_z(k: FloatArray, w: float) -> float:
    """(W+ - mean) / sd with the tie correction, no continuity correction; k (n,) are the ranks of |x|."""
    n = k.size
    ties = np.unique(k, return_counts=True)[1].astype(float)
    variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - np.sum(ties**3 - ties) / 48.0
    return float((w - n * (n + 1.0) / 4.0) / np.sqrt(variance))


@TESTS.add(
    "wilcoxon",
    reference="doi:10.2307/3001968",
    scope="cross",
    min_pairs=2,
    variants=VARIANTS,
    formula="W+ = sum of the ranks of |CAR| of the positive CARs; exact p to n = 25, then z with tie correction",
    assumes={"independent pairs", "abnormal returns symmetric about zero"},
    robust_to={"outliers", "fat tails"},
    others="the WRDS port's test of this name is a two-sample rank sum; estudy2 mixes one- and two-sided quantiles",
    check="public check value: W 25, n 8, p 0.3828125, window [-1, +3]",
)
def wilcoxon(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do the larger moves point one way?

    Zeros dropped, |CAR| ranked with ties averaged, W+ the rank sum of the positive ones. Exact p by counting all sign
    patterns for n <= 25 (ties included), else z with tie correction and no continuity correction; `normal` always z.
    """
    form = chosen("wilcoxon", opt, VARIANTS)
    car, _ = cars(ar, window)
    x = car[car != 0]
    n = x.size
    if car.size < 2 or n < 2:
        return too_few("wilcoxon", ar, window, n, 2, form, "a nonzero CAR")
    k = ranks.midranks(np.abs(x)[None, :])[0][0]
    w = float(k[x > 0].sum())
    z = normal_z(k, w)
    p_normal = float(dist.normal_p(z, opt.alternative))
    exact = n <= EXACT_UP_TO and form != "normal"
    extra = {"z": z, "p_normal": p_normal, "exact": exact, "centre": n * (n + 1) / 4.0}
    if not exact:
        return TestResult("wilcoxon", window, w, p_normal, np.nan, n, form, extra=extra)
    low, high = ranks.signed_rank_tails(k, w)
    p = {"two-sided": min(1.0, 2.0 * min(low, high)), "greater": high, "less": low}[opt.alternative]
    return TestResult("wilcoxon", window, w, p, np.nan, n, form, extra={**extra, "min_p": 2.0 ** (1 - n)})
