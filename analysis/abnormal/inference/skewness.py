"""t tests that allow for skewed abnormal returns: Johnson (1978), Hall (1992), Lyon, Barber and Tsai (1999)."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import resample
from ..kernel.dist import TIE
from ..registry import TESTS
from ._cross import by_normal, by_t, cars, chosen, too_few

NO_SPREAD = "the CARs do not differ (standard deviation 0)"


def _moments(x: FloatArray) -> tuple[float, float, float]:
    """S = mean / sd, g = sum d^3 / (N sd^3) and g' = N / ((N-1)(N-2)) sum d^3 / sd^3; NaN where sd is 0."""
    n = x.size
    d = x - x.mean()
    sd = x.std(ddof=1)
    if not sd > 1e-12 * np.abs(x).max():
        return np.nan, np.nan, np.nan
    cubes = float(np.sum(d**3) / sd**3)
    return float(x.mean() / sd), cubes / n, cubes * n / ((n - 1.0) * (n - 2.0))


def skewness_in_errors(x: FloatArray) -> float:
    """Skewness g' of the values over its standard error under normality; 0 for fewer than 3 values or equal ones."""
    n = x.size
    if n < 3 or not np.isfinite(_moments(x)[2]):
        return 0.0
    error = np.sqrt(6.0 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    return float(_moments(x)[2] / error)


def johnson_t(x: FloatArray) -> float:
    """sqrt(N) (S + g S^2 / 3 + g / (6 N)) of the values x (N,)."""
    s, g, _ = _moments(x)
    return float(np.sqrt(x.size) * (s + g * s * s / 3.0 + g / (6.0 * x.size)))


def hall_t(x: FloatArray) -> float:
    """sqrt(N) (S + g' S^2 / 3 + g'^2 S^3 / 27 + g' / (6 N)) of the values x (N,)."""
    s, _, g = _moments(x)
    return float(np.sqrt(x.size) * (s + g * s * s / 3.0 + g * g * s**3 / 27.0 + g / (6.0 * x.size)))


@TESTS.add(
    "skew_johnson",
    reference="doi:10.1080/01621459.1978.10480051",
    scope="cross",
    min_pairs=3,
    variants=("johnson",),
    formula="t = sqrt(N) (S + g S^2 / 3 + g / (6 N)), S = mean / sd, g = sum d^3 / (N sd^3), roughly t(N - 1)",
    assumes={"independent pairs"},
    robust_to={"skewed returns", "event-induced variance"},
    others="R EventStudy has no skewness correction",
    check="public check value: g 0.2937358174, t 1.194594453, window [-1, +3]",
)
def skew_johnson(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The cross-sectional t with its numerator moved for skewness; t(N - 1) is a rough guide, better lbt_bootstrap.

    t = sqrt(N) (S + g S^2 / 3 + g / (6 N)) with S = mean(CAR) / sd(CAR), g = sum (CAR - mean)^3 / (N sd^3).
    """
    form = chosen("skew_johnson", opt, ("johnson",))
    x, _ = cars(ar, window)
    if x.size < 3:
        return too_few("skew_johnson", ar, window, x.size, 3, form)
    g = _moments(x)[1]
    if np.isnan(g):
        return TestResult.none("skew_johnson", window, NO_SPREAD, form)
    return by_t("skew_johnson", window, johnson_t(x), x.size - 1, x.size, form, opt, skewness=g)


@TESTS.add(
    "skew_hall",
    reference="doi:10.1111/j.2517-6161.1992.tb01876.x",
    scope="cross",
    min_pairs=3,
    variants=("hall",),
    formula="t = sqrt(N) (S + g' S^2 / 3 + g'^2 S^3 / 27 + g' / (6 N)) ~ N(0, 1)",
    assumes={"independent pairs"},
    robust_to={"skewed returns", "event-induced variance"},
    others="the skewness-corrected test of EventStudyTools",
    check="public check value: 1.228280384, window [-1, +3]",
)
def skew_hall(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Hall's transformation of the cross-sectional t, one-to-one where Johnson's is not.

    t = sqrt(N) (S + g' S^2 / 3 + g'^2 S^3 / 27 + g' / (6 N)) ~ N(0, 1), g' = N / ((N-1)(N-2)) sum (CAR - mean)^3 / sd^3.
    """
    form = chosen("skew_hall", opt, ("hall",))
    x, _ = cars(ar, window)
    if x.size < 3:
        return too_few("skew_hall", ar, window, x.size, 3, form)
    g = _moments(x)[2]
    if np.isnan(g):
        return TestResult.none("skew_hall", window, NO_SPREAD, form)
    return by_normal("skew_hall", window, hall_t(x), x.size, form, opt, skewness=g)


@TESTS.add(
    "lbt_bootstrap",
    reference="doi:10.1111/0022-1082.00101",
    scope="cross",
    min_pairs=3,
    variants=("johnson",),
    formula="Johnson's t against its own distribution in samples of size max(4, floor(N / 4)) around the mean",
    assumes={"independent pairs"},
    robust_to={"skewed returns", "long windows", "event-induced variance"},
    others="none of the packages read",
    check="public check value: quantiles -4.03120825, 2.289801848, 9982 of 9999 samples used, rng(0)",
)
def lbt_bootstrap(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Johnson's t referred to its bootstrap distribution, for skewed long-run abnormal returns.

    B samples of size nb = max(4, floor(N / 4)), `integers(0, N, size=(B, nb))`; t*_b with S_b = (mean_b - mean) / sd_b;
    samples without spread are discarded. Reject outside [q_low, q_high] (in `extra`, at the study's level); p is twice the
    smaller tail, (1 + #) / (B + 1).
    """
    form = chosen("lbt_bootstrap", opt, ("johnson",))
    x, _ = cars(ar, window)
    n = x.size
    if n < 3:
        return too_few("lbt_bootstrap", ar, window, n, 3, form)
    t = johnson_t(x)
    if np.isnan(t):
        return TestResult.none("lbt_bootstrap", window, NO_SPREAD, form)
    size = max(4, n // 4)
    rng = np.random.default_rng(opt.seed)
    stars = np.concatenate(
        [resample.skew_adjusted_t(x[rows], float(x.mean())) for rows in resample.blocks_of(rng, n, opt.draws, size)]
    )
    stars = stars[np.isfinite(stars)]
    if stars.size < 19:
        return TestResult.none("lbt_bootstrap", window, f"{stars.size} bootstrap samples with spread; needs 19", form)
    low = (1.0 + np.sum(stars <= t + TIE)) / (stars.size + 1.0)
    up = (1.0 + np.sum(stars >= t - TIE)) / (stars.size + 1.0)
    p = {"two-sided": min(1.0, 2.0 * min(low, up)), "greater": up, "less": low}[opt.alternative]
    q_low, q_high = np.quantile(stars, [opt.level / 2.0, 1.0 - opt.level / 2.0])
    extra = {"q_low": float(q_low), "q_high": float(q_high), "used": int(stars.size), "sample_size": size}
    return TestResult("lbt_bootstrap", window, t, float(p), np.nan, n, form, extra=extra)
