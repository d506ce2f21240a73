"""Sums of abnormal returns over an event window and their forecast-error variances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Sums(NamedTuple):
    """car (E,), c (E,) with Var(CAR) = sigma^2 c, n (E,) rows that had a return, u (E, k) summed design rows."""

    car: Array
    c: Array
    n: NDArray[np.int64]
    u: Array


def window_sums(ar: Array, noise: Array, x: Array, g: Array) -> Sums:
    """CAR and the multiplier c = sum noise + u' G u of its variance, over the rows that have a return.

    ar, noise (E, L), x (E, L, k), g (E, k, k). A pair without any return in the window has NaN.
    """
    have = np.isfinite(ar)
    n = have.sum(axis=1)
    car = np.where(have, ar, 0.0).sum(axis=1)
    u = np.where(have[:, :, None], x, 0.0).sum(axis=1)
    c = np.where(have, noise, 0.0).sum(axis=1) + np.einsum("ei,eij,ej->e", u, g, u)
    none = n == 0
    return Sums(np.where(none, np.nan, car), np.where(none, np.nan, c), n, u)


def day_variance(noise: Array, x: Array, g: Array) -> Array:
    """Forecast-error variance of each row in units of sigma^2: noise + x' G x, (E, L)."""
    return noise + np.einsum("eli,eij,elj->el", x, g, x)


def window_covariance(noise: Array, x: Array, g: Array) -> Array:
    """Full covariance of the window's abnormal returns in units of sigma^2: diag(noise) + X G X', (E, L, L)."""
    cov = np.einsum("eli,eij,emj->elm", x, g, x)
    idx = np.arange(noise.shape[1])
    cov[:, idx, idx] += noise
    return cov


def buy_and_hold(raw: Array, expected: Array) -> Array:
    """BHAR = prod(1 + R) - prod(1 + E) over the rows that have both, (E, L) -> (E,)."""
    have = np.isfinite(raw) & np.isfinite(expected)
    r = np.where(have, raw, 0.0)
    e = np.where(have, expected, 0.0)
    bhar = np.prod(1.0 + r, axis=1) - np.prod(1.0 + e, axis=1)
    return np.where(have.any(axis=1), bhar, np.nan)


def mean_and_se(values: Array) -> tuple[float, float, int]:
    """Mean of the finite values, its cross-sectional standard error (ddof 1), and how many there are."""
    v = values[np.isfinite(values)]
    if v.size == 0:
        return np.nan, np.nan, 0
    se = v.std(ddof=1) / np.sqrt(v.size) if v.size > 1 else np.nan
    return float(v.mean()), float(se), int(v.size)
