"""Correlations of many series that share only some of their sessions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLAT = 1e-24  # a sum of squared deviations below this is no variation


def pairwise_complete(a: Array, there_a: Array, b: Array, there_b: Array) -> tuple[Array, Array]:
    """Correlation of every row of a with every row of b on the columns both have: rho, n (Na, Nb).

    a (Na, T), b (Nb, T) are zero where there_a, there_b (1 = there, 0 = not) say that nothing is; rho is NaN where a side
    does not vary on the common columns, n their number.
    """
    n = there_a @ there_b.T
    sa, sb = a @ there_b.T, there_a @ b.T
    with np.errstate(invalid="ignore", divide="ignore"):
        va = (a * a) @ there_b.T - sa * sa / n
        vb = there_a @ (b * b).T - sb * sb / n
        rho = (a @ b.T - sa * sb / n) / np.sqrt(va * vb)
        rho = np.where((va > FLAT) & (vb > FLAT), rho, np.nan)
    return np.clip(rho, -1.0, 1.0), n
