"""Leave one event out: how far the average and its t hang on a single pair."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..registry import TESTS
from ._cross import by_t, cars, chosen, too_few


def leave_one_out_t(x: FloatArray) -> FloatArray:
    """Cross-sectional t of x (N,) without each of its entries, (N,); NaN where the others do not differ."""
    n = x.size
    d = x - x.mean()
    total = np.sum(d * d)
    left = total - d * d * n / (n - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (x.sum() - x) / (n - 1.0) / np.sqrt(left / (n - 2.0) / (n - 1.0))
    return np.where(left > 1e-14 * total, t, np.nan)


@TESTS.add(
    "jackknife",
    reference="doi:10.1093/biomet/61.1.1",
    scope="cross",
    min_pairs=3,
    variants=("mean_car",),
    formula="t = mean(CAR) / se_jack ~ t(N - 1); se_jack of a mean is sd / sqrt(N) exactly; range over leave-one-out samples",
    assumes={"independent pairs"},
    robust_to={"event-induced variance"},
    others="not the jackknife statistic of Giaccotto and Sfiridis (1996)",
    check="public check value: CAAR 0.01183889655 to 0.04390045156, t 0.5320851642 to 1.688575046, window [-1, +3]",
)
def jackknife(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Does the average hang on one pair?

    Every pair is left out in turn: `extra` holds the smallest and largest CAAR and t, which pair moves the CAAR most, and
    the jackknife standard error (equal to sd / sqrt(N)). The statistic is CAAR over that error ~ t(N - 1).
    """
    form = chosen("jackknife", opt, ("mean_car",))
    x, rows = cars(ar, window)
    n = x.size
    if n < 3:
        return too_few("jackknife", ar, window, n, 3, form)
    without = (x.sum() - x) / (n - 1.0)
    se = float(np.sqrt((n - 1.0) / n * np.sum((without - without.mean()) ** 2)))
    if not se > 1e-12 * np.abs(x).max():
        return TestResult.none("jackknife", window, "the CARs do not differ (standard deviation 0)", form)
    t = leave_one_out_t(x)
    t = t[np.isfinite(t)]
    most = int(np.argmax(np.abs(without - x.mean())))
    extra = {
        "se": se, "caar_min": float(without.min()), "caar_max": float(without.max()),
        "t_min": float(t.min()) if t.size else np.nan, "t_max": float(t.max()) if t.size else np.nan,
        "most": ar.ticker[rows[most]], "most_pair": int(rows[most]),
        "without_most": float(without[most]),
    }  # fmt: skip
    return by_t("jackknife", window, float(x.mean() / se), n - 1, n, form, opt, **extra)
