"""How large an effect a test could have seen: power and the minimum detectable effect, normal and noncentral t.

Effects and standard deviations share a unit (decimal returns). `sd` is always that of the tested quantity itself: the
standard error of a CAR or of a CAAR, not the volatility of the share. All arguments broadcast.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

FloatArray = NDArray[np.float64]
Alternative = Literal["two-sided", "greater", "less"]
NORMAL_DF = 1e7  # beyond this Student's t is the normal law to seven digits


def power_z(delta: ArrayLike, sd: ArrayLike, alpha: float = 0.05, alternative: Alternative = "two-sided") -> FloatArray:
    """The chance that a normal test at level alpha sees an effect delta.

    With l = delta/sd: two-sided Phi(-z_{1-a/2} + l) + Phi(-z_{1-a/2} - l), greater Phi(-z_{1-a} + l), less
    Phi(-z_{1-a} - l). NaN where sd is not positive.

    References
    ----------
    MacKinlay (1997), Journal of Economic Literature 35:13-39; Campbell, Lo and MacKinlay (1997), table 4.2.

    Examples
    --------
    >>> [round(float(power_z(0.01, 0.02 / n**0.5)), 4) for n in (1, 10, 50)]
    [0.0791, 0.3526, 0.9424]
    """
    _check(alpha, alternative)
    return _power(_ratio(delta, sd), np.asarray(np.inf), alpha, alternative)


def power_t(
    delta: ArrayLike, sd: ArrayLike, df: ArrayLike, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> FloatArray:
    """The chance that a t test with df degrees of freedom sees an effect delta, by the noncentral t law.

    T ~ noncentral t(df, l), l = delta/sd; two-sided P(|T| > t_{1-a/2}). For the mean of N firms sd = s/sqrt(N) and
    df = N - 1; for the CAR of one firm sd = s sqrt(c) and df = M - k. NaN where sd or df is not positive.

    References
    ----------
    Johnson and Welch (1940), doi:10.1093/biomet/31.3-4.362.

    Examples
    --------
    >>> [round(float(power_t(0.5, 1 / n**0.5, n - 1)), 10) for n in (3, 10, 50)]
    [0.0841070559, 0.2931756065, 0.9338975813]
    """
    _check(alpha, alternative)
    return _power(_ratio(delta, sd), np.asarray(df, dtype=np.float64), alpha, alternative)


def mde_z(sd: ArrayLike, alpha: float = 0.05, power: float = 0.8, alternative: Alternative = "two-sided") -> FloatArray:
    """The smallest effect a normal test sees with the given power: (z_{1-a/2} + z_power) sd; one-sided z_{1-a}.

    The size of the effect, never negative. The far tail of the two-sided test is left out, as everybody does: at power
    0.8 it is below 1e-6.

    Examples
    --------
    >>> round(float(mde_z(0.02)), 11)
    0.05603170436
    """
    _check(alpha, alternative, power)
    scale = np.asarray(sd, dtype=np.float64)
    return np.where(scale > 0, scale, np.nan) * float(ndtri(power) - ndtri(_tail(alpha, alternative)))


def mde_t(
    sd: ArrayLike, df: ArrayLike, alpha: float = 0.05, power: float = 0.8, alternative: Alternative = "two-sided"
) -> FloatArray:
    """The smallest effect a t test sees with the given power, by the noncentral t law: the figure to print.

    Solves power_t(delta) = power for delta > 0 (both tails counted), once for each different df. "An effect below this
    could not have been seen" belongs beside every result that is not significant.

    Examples
    --------
    >>> [round(float(mde_t(0.02, df)), 6) for df in (2, 10, 248)]
    [0.11307, 0.062199, 0.05625]
    """
    _check(alpha, alternative, power)
    scale, freedom = np.broadcast_arrays(np.asarray(sd, dtype=np.float64), np.asarray(df, dtype=np.float64))
    different, which = np.unique(freedom, return_inverse=True)
    ratio = _ratio_for_power(different, alpha, power, alternative)[which].reshape(freedom.shape)
    return np.where(scale > 0, scale, np.nan) * ratio


def common_date_sd(sd: ArrayLike, n: ArrayLike, rbar: ArrayLike = 0.0) -> FloatArray:
    """Standard error of the average of n CARs of one date: sd sqrt((1 + (n-1) rbar)/n), n equal variances.

    rbar is the average pairwise correlation of the residuals; 1 + (n-1) rbar is the design effect. NaN where that is
    negative (no such correlation exists for n firms).

    References
    ----------
    Kolari and Pynnonen (2010), doi:10.1093/rfs/hhq072.

    Examples
    --------
    >>> round(float(common_date_sd(0.02, 8)), 6), round(float(common_date_sd(0.02, 8, 0.3)), 6)
    (0.007071, 0.01245)
    """
    scale, firms, corr = (np.asarray(a, dtype=np.float64) for a in (sd, n, rbar))
    effect = 1 + (firms - 1) * corr
    return scale * np.sqrt(np.where((firms >= 1) & (effect >= 0), effect, np.nan) / firms)


def size_ignoring_correlation(
    n: ArrayLike, rbar: ArrayLike, test: Literal["patell", "bmp"] = "patell", alpha: float = 0.05
) -> FloatArray:
    """How often a test that ignores the correlation of n firms on one date rejects when nothing happened.

    P(|N(0, v)| > z_{1-a/2}) with v = 1 + (n-1) rbar for Patell, (1 + (n-1) rbar)/(1 - rbar) for BMP, whose own
    denominator shrinks as well.

    References
    ----------
    Kolari and Pynnonen (2010), doi:10.1093/rfs/hhq072.

    Examples
    --------
    >>> round(float(size_ignoring_correlation(10, 0.3)), 4), round(float(size_ignoring_correlation(10, 0.3, "bmp")), 4)
    (0.3082, 0.3939)
    """
    _check(alpha, "two-sided")
    if test not in ("patell", "bmp"):
        raise ValueError(f"test is {test!r}; it is 'patell' or 'bmp'")
    firms, corr = np.asarray(n, dtype=np.float64), np.asarray(rbar, dtype=np.float64)
    v = (1 + (firms - 1) * corr) / (1 - corr if test == "bmp" else 1.0)
    return 2 * ndtr(ndtri(alpha / 2) / np.sqrt(np.where(v > 0, v, np.nan)))


# ------------------------------------------------------------------------------------------------ behind them


def _check(alpha: float, alternative: str, power: float | None = None) -> None:
    if alternative not in get_args(Alternative):
        raise ValueError(f"alternative is {alternative!r}; it is one of {', '.join(get_args(Alternative))}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; a level lies between 0 and 1, for instance 0.05")
    if power is not None and not alpha < power < 1:
        raise ValueError(f"power is {power}; it lies between alpha ({alpha}) and 1, for instance 0.8")


def _ratio(delta: ArrayLike, sd: ArrayLike) -> FloatArray:
    scale = np.asarray(sd, dtype=np.float64)
    return np.asarray(delta, dtype=np.float64) / np.where(scale > 0, scale, np.nan)


def _tail(alpha: float, alternative: str) -> float:
    return alpha / 2 if alternative == "two-sided" else alpha


def _power(ratio: FloatArray, df: FloatArray, alpha: float, alternative: str) -> FloatArray:
    critical = _critical(df, _tail(alpha, alternative))
    if alternative == "two-sided":
        return np.minimum(1.0, _beyond(df, ratio, critical) + _beyond(df, -ratio, critical))
    return _beyond(df, ratio if alternative == "greater" else -ratio, critical)


def _critical(df: FloatArray, tail: float) -> FloatArray:
    few = np.where((df > 0) & (df < NORMAL_DF), df, np.nan)
    return np.where(df >= NORMAL_DF, -ndtri(tail), -stdtrit(few, tail))


def _beyond(df: FloatArray, ratio: FloatArray, critical: FloatArray) -> FloatArray:
    """P(T > critical) of a noncentral t, critical > 0.

    By symmetry P(T(l) > c) = P(T(-l) < -c): the lower tail keeps the digits that 1 - P would lose. Where the effect
    points away from the tail and the probability is below about 1e-14, scipy answers NaN; the true value is then zero
    to all digits of a power.
    """
    few = np.where((df > 0) & (df < NORMAL_DF), df, np.nan)
    student = nctdtr(few, -ratio, -critical)
    vanished = np.isnan(student) & (ratio < 0) & np.isfinite(few)
    return np.where(df >= NORMAL_DF, ndtr(ratio - critical), np.where(vanished, 0.0, student))


def _ratio_for_power(df: FloatArray, alpha: float, power: float, alternative: str) -> FloatArray:
    """delta/sd at which the power is reached, by bisection; NaN where df is not positive."""
    side = "two-sided" if alternative == "two-sided" else "greater"
    low = np.zeros(df.shape)
    high = np.where(df > 0, _critical(df, _tail(alpha, side)) + max(0.0, float(ndtri(power))), np.nan)
    while (short := _power(high, df, alpha, side) < power).any():
        low, high = np.where(short, high, low), np.where(short, 2 * high, high)
    for _ in range(60):
        middle = 0.5 * (low + high)
        short = _power(middle, df, alpha, side) < power
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return 0.5 * (low + high)
