"""Variance recursions of the GARCH family at given parameters: filter, log-likelihood, forecasts."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["garch", "gjr", "egarch"]

MEAN_ABS_NORMAL = float(np.sqrt(2.0 / np.pi))


class Parameters(NamedTuple):
    """omega, a (size of the news), b (persistence), g (what bad news add)."""

    omega: float
    a: float
    b: float
    g: float = 0.0


def next_variance(kind: Kind, p: Parameters, e: Any, h: Any) -> Any:
    """h_{t+1} from the residual e_t and its variance h_t.

    garch: omega + a e^2 + b h; gjr: omega + (a + g 1[e < 0]) e^2 + b h;
    egarch: ln h_{t+1} = omega + a (|z| - sqrt(2/pi)) + g z + b ln h with z = e / sqrt(h).
    """
    if kind == "garch":
        return p.omega + p.a * e * e + p.b * h
    if kind == "gjr":
        return p.omega + (p.a + p.g * (e < 0)) * e * e + p.b * h
    z = e / np.sqrt(h)
    return np.exp(p.omega + p.a * (np.abs(z) - MEAN_ABS_NORMAL) + p.g * z + p.b * np.log(h))


def variances(kind: Kind, p: Parameters, e: Array, first: float) -> Array:
    """h_1 = `first`, h_2, ..., h_{n+1} for residuals e (n,); a missing residual leaves h as it is."""
    h = np.empty(e.size + 1)
    h[0] = first
    for t, x in enumerate(e):
        h[t + 1] = next_variance(kind, p, x, h[t]) if np.isfinite(x) else h[t]
    return h


def log_likelihood(e: Array, h: Array) -> float:
    """Normal log-likelihood -1/2 sum (ln 2 pi + ln h + e^2 / h) of residuals with variances h."""
    return float(-0.5 * np.sum(np.log(2.0 * np.pi) + np.log(h) + e * e / h))


def forecasts(kind: Literal["garch", "gjr"], p: Parameters, first: float, steps: int) -> Array:
    """Expected variances h_{n+1} = `first`, ..., h_{n+steps}: half of the squared news is bad news."""
    growth = p.a + p.b + (0.5 * p.g if kind == "gjr" else 0.0)
    h = np.empty(steps)
    level = first
    for j in range(steps):
        h[j] = level
        level = p.omega + growth * level
    return h


def simulated_forecasts(kind: Kind, p: Parameters, first: float, z: Array) -> Array:
    """Mean over paths of h_{n+1} = `first`, h_{n+2}, ... with standardised news z (paths, steps)."""
    h = np.full(z.shape[0], first)
    mean = np.empty(z.shape[1])
    for j in range(z.shape[1]):
        mean[j] = h.mean()
        h = next_variance(kind, p, z[:, j] * np.sqrt(h), h)
    return mean
