"""Adjusting a family of p-values: every function maps p (m,) to adjusted p (m,); NaN entries are no members."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .dist import TIE

Array = NDArray[np.float64]


def _over_members(adjust: Callable[[Array], Array], p: Array) -> Array:
    p = np.asarray(p, float)
    out = np.full(p.shape, np.nan)
    member = np.isfinite(p)
    if member.any():
        out[member] = adjust(p[member])
    return out


def bonferroni(p: Array) -> Array:
    """min(1, m p): the chance of any false alarm stays below the level (Dunn 1961).

    >>> bonferroni([0.01, 0.6]).tolist()
    [0.02, 1.0]
    """
    return _over_members(lambda v: np.minimum(1.0, v.size * v), p)


def holm(p: Array) -> Array:
    """Step-down Bonferroni (Holm 1979): adj p_(j) = max_{l <= j} min(1, (m - l + 1) p_(l))."""
    return _over_members(_holm, p)


def _holm(p: Array) -> Array:
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, (p.size - np.arange(p.size)) * p[order])
    out = np.empty(p.size)
    out[order] = np.maximum.accumulate(steps)
    return out


def bh(p: Array) -> Array:
    """False discovery rate (Benjamini and Hochberg 1995): adj p_(j) = min_{l >= j} m p_(l) / l, at most 1."""
    return _over_members(lambda v: _step_up(v, 1.0), p)


def by(p: Array) -> Array:
    """Benjamini and Yekutieli (2001): `bh` times 1 + 1/2 + ... + 1/m, valid under any dependence."""
    return _over_members(lambda v: _step_up(v, float(np.sum(1.0 / np.arange(1, v.size + 1)))), p)


def _step_up(p: Array, factor: float) -> Array:
    order = np.argsort(p, kind="stable")
    steps = factor * p.size * p[order] / np.arange(1, p.size + 1)
    out = np.empty(p.size)
    out[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return out


def romano_wolf(observed: Array, null: Array) -> Array:
    """Step-down on maxima of joint null draws (Romano and Wolf 2005).

    observed (m,) and null (B, m) hold statistics that are large in absolute value when the hypothesis is wrong (give
    their absolute values, or signed ones for a one-sided family). In descending order of `observed`,
    p_(j) = (1 + #{b: max_{l >= j} null_b(l) >= observed_(j)}) / (B + 1), then the running maximum.
    """
    order = np.argsort(-observed, kind="stable")
    largest_left = np.maximum.accumulate(null[:, order][:, ::-1], axis=1)[:, ::-1]
    hits = np.sum(largest_left >= observed[order][None, :] - TIE, axis=0)
    out = np.empty(observed.size)
    out[order] = np.maximum.accumulate((1.0 + hits) / (null.shape[0] + 1.0))
    return out
