"""Section 7.1 and 7.2: power, the smallest effect that could be seen, and true sizes, all from exact theory."""

import math

from scipy import optimize, stats


def sd_caar(s_car, N, rbar=0.0):
    """s_CAR sqrt((1+(N-1)rbar)/N), equal variances and one date."""
    return s_car * math.sqrt((1 + (N - 1) * rbar) / N)


def power_z(effect, sd_test, level=0.05):
    """Phi(-z + l) + Phi(-z - l), l = effect/sd_test."""
    z, shift = stats.norm.ppf(1 - level / 2), effect / sd_test
    return stats.norm.cdf(-z + shift) + stats.norm.cdf(-z - shift)


def mde_z(sd_test, level=0.05, power=0.8):
    """(z_{1-a/2} + z_power) sd_test."""
    return (stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power)) * sd_test


def power_t(effect, se, df, level=0.05):
    """Two-sided t test, noncentral t with l = effect/se."""
    t, shift = stats.t.ppf(1 - level / 2, df), effect / se
    return stats.nct.sf(t, df, shift) + stats.nct.cdf(-t, df, shift)


def mde_t(se, df, level=0.05, power=0.8):
    """The effect at which power_t reaches `power`: doubled until it is passed, then the root."""
    high = se
    while power_t(high, se, df, level) < power:
        high *= 2
    return optimize.brentq(lambda x: power_t(x, se, df, level) - power, high / 1024, high, xtol=1e-14)


def clm_table(N, sd, effects=(0.005, 0.010, 0.015, 0.020)):
    """One row of Campbell-Lo-MacKinlay table 4.2: power of J1 at 5%."""
    return [power_z(e, sd / math.sqrt(N)) for e in effects]


def size_ignoring_rho(N, r):
    """P(|N(0, v)| > 1.96), v = 1+(N-1)r for Patell and (1+(N-1)r)/(1-r) for BMP."""
    z = stats.norm.ppf(0.975)
    v = 1 + (N - 1) * r
    return dict(patell=2 * stats.norm.sf(z / math.sqrt(v)), bmp=2 * stats.norm.sf(z / math.sqrt(v / (1 - r))))
