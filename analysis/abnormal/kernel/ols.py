"""Least squares for many pairs at once, rows masked, by QR or by the centred two-pass formulas; never by an inverse."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A residual sum of squares below this share of the sum of squares of y is rounding: the fit is exact, sigma unknown.
EXACT_FIT = 1e-26
# A pivot below this share of its column's length is rounding: the regressors are collinear.
COLLINEAR = 1e-11


class Fit(NamedTuple):
    """coef (E, k), g (E, k, k) = (X'X)^-1, rss (E,), m (E,) rows used, full_rank (E,)."""

    coef: Array
    g: Array
    rss: Array
    m: NDArray[np.int64]
    full_rank: Mask


def least_squares(y: Array, x: Array, use: Mask) -> Fit:
    """Fit y (E, R) on x (E, R, k) over the rows `use` (E, R), pair by pair.

    Rows outside `use` may hold anything, NaN included. A pair with collinear regressors or fewer rows than regressors has
    full_rank False and NaN estimates.
    """
    e, rows, k = x.shape
    m = use.sum(axis=1)
    if k == 0:
        rss = np.sum(np.where(use, y, 0.0) ** 2, axis=1)
        return Fit(np.zeros((e, 0)), np.zeros((e, 0, 0)), rss, m, np.ones(e, bool))
    xs = np.where(use[:, :, None], x, 0.0)
    ys = np.where(use, y, 0.0)
    if rows < k:
        nan = np.full((e, k), np.nan)
        return Fit(nan, np.full((e, k, k), np.nan), np.full(e, np.nan), m, np.zeros(e, bool))
    q, r = np.linalg.qr(xs)
    length = np.sqrt(np.einsum("erk,erk->ek", xs, xs))
    pivot = np.abs(np.einsum("ekk->ek", r))
    full = np.all(pivot > COLLINEAR * np.where(length > 0, length, 1.0), axis=1) & np.all(length > 0, axis=1) & (m >= k)
    eye = np.eye(k)
    safe = np.where(full[:, None, None], r, eye)
    qy = np.einsum("erk,er->ek", q, ys)
    coef = np.linalg.solve(safe, qy[:, :, None])[:, :, 0]
    # One step of refinement brings the residuals to the accuracy of the data.
    resid = ys - np.einsum("erk,ek->er", xs, coef)
    coef = coef + np.linalg.solve(safe, np.einsum("erk,er->ek", q, resid)[:, :, None])[:, :, 0]
    resid = ys - np.einsum("erk,ek->er", xs, coef)
    inverse = np.linalg.solve(safe, np.broadcast_to(eye, safe.shape))
    g = np.einsum("eij,ekj->eik", inverse, inverse)
    rss = np.einsum("er,er->e", resid, resid)
    bad = ~full
    return Fit(
        np.where(bad[:, None], np.nan, coef),
        np.where(bad[:, None, None], np.nan, g),
        np.where(bad, np.nan, rss),
        m,
        full,
    )


def residuals(y: Array, x: Array, coef: Array) -> Array:
    """y - x'coef on every row, NaN where y or a regressor is missing."""
    if x.shape[2] == 0:
        return y.copy()
    return y - np.einsum("erk,ek->er", x, coef)


def is_exact(rss: Array, y: Array, use: Mask) -> Mask:
    """Pairs whose residuals are nothing but rounding (a share equal to its benchmark, constant returns)."""
    return rss <= EXACT_FIT * np.sum(np.where(use, y, 0.0) ** 2, axis=1)


def r_squared(rss: Array, y: Array, use: Mask) -> Array:
    """1 - RSS / centred sum of squares; NaN where y does not vary."""
    m = use.sum(axis=1)
    ys = np.where(use, y, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = ys.sum(axis=1) / m
        tss = np.sum(np.where(use, y - mean[:, None], 0.0) ** 2, axis=1)
        return np.where(tss > 0, 1.0 - rss / tss, np.nan)
