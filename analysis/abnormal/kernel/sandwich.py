"""One least-squares regression and the covariances of its coefficients: classical, robust, clustered, Newey-West.

Arrays: z (n, k) regressors, y (n,). Formulas as in statsmodels, without its import time; `tests` hold the two together.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Robust = Literal["HC0", "HC1", "HC2", "HC3"]

COLLINEAR = 1e-11  # a pivot below this share of its column's length is rounding
FULL_LEVERAGE = 1.0 - 1e-10  # a row with more leverage fits itself: its residual is 0 by construction


class Regression(NamedTuple):
    """coef (k,), bread (k, k) = (Z'Z)^-1, operator (k, n) with coef = operator @ y, resid (n,), hat (n,) leverages."""

    coef: Array
    bread: Array
    operator: Array
    resid: Array
    hat: Array

    @property
    def df(self) -> int:
        """n - k."""
        return int(self.resid.size - self.coef.size)


def full_rank(z: Array) -> bool:
    """Whether the columns of z (n, k) can be told apart."""
    n, k = z.shape
    if n < k or k == 0:
        return False
    length = np.sqrt(np.einsum("nk,nk->k", z, z))
    if not (length > 0).all():
        return False
    pivot = np.abs(np.diag(np.linalg.qr(z / length, mode="r")))
    return bool((pivot > COLLINEAR).all())


def least_squares(z: Array, y: Array, weights: Array | None = None) -> Regression:
    """Fit y on z, rows weighted by `weights` (n,) where given; z must have full rank.

    resid and hat are those of the weighted rows sqrt(w) y, sqrt(w) z; operator refers to y itself.
    """
    root = np.ones(y.size) if weights is None else np.sqrt(weights)
    zw, yw = z * root[:, None], y * root
    q, r = np.linalg.qr(zw)
    operator = np.linalg.solve(r, q.T)
    coef = operator @ yw
    # One step of refinement brings the residuals to the accuracy of the data.
    coef = coef + operator @ (yw - zw @ coef)
    inverse = np.linalg.solve(r, np.eye(z.shape[1]))
    return Regression(coef, inverse @ inverse.T, operator * root, yw - zw @ coef, np.einsum("nk,nk->n", q, q))


def scale(f: Regression) -> float:
    """Residual variance, RSS / (n - k)."""
    return float(f.resid @ f.resid / f.df)


def classical(f: Regression) -> Array:
    """s^2 (Z'Z)^-1."""
    return scale(f) * f.bread


def robust(f: Regression, z: Array, form: Robust = "HC3") -> Array:
    """(Z'Z)^-1 Z' diag(w u^2) Z (Z'Z)^-1; w = 1, n / (n - k), 1 / (1 - h), 1 / (1 - h)^2 for HC0 to HC3."""
    n = f.resid.size
    weight = {
        "HC0": np.ones(n),
        "HC1": np.full(n, n / f.df),
        "HC2": 1.0 / (1.0 - f.hat),
        "HC3": 1.0 / (1.0 - f.hat) ** 2,
    }[form]
    meat = (z * (weight * f.resid**2)[:, None]).T @ z
    return f.bread @ meat @ f.bread


def clustered(f: Regression, z: Array, group: Index, corrected: bool = True) -> Array:
    """CR1 (CR0 where not `corrected`): scores summed within groups 0..G-1; CR1 = CR0 G/(G-1) (n-1)/(n-k)."""
    score = z * f.resid[:, None]
    total = np.zeros((int(group.max()) + 1, z.shape[1]))
    np.add.at(total, group, score)
    v = f.bread @ (total.T @ total) @ f.bread
    g, n = total.shape[0], f.resid.size
    return v * g / (g - 1.0) * (n - 1.0) / f.df if corrected else v


def newey_west_lag(t: int) -> int:
    """floor(4 (T / 100)^(2/9))."""
    return int(np.floor(4.0 * (t / 100.0) ** (2.0 / 9.0)))


def newey_west(f: Regression, z: Array, lags: int) -> Array:
    """Bartlett weights 1 - j / (lags + 1), no small-sample factor; rows in time order."""
    score = z * f.resid[:, None]
    meat = score.T @ score
    for j in range(1, min(lags, score.shape[0] - 1) + 1):
        gamma = score[j:].T @ score[:-j]
        meat = meat + (1.0 - j / (lags + 1.0)) * (gamma + gamma.T)
    return f.bread @ meat @ f.bread
