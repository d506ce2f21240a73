"""Least squares with weights that are not negative and sum to one, by an active set, checked by its KKT conditions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KKT_TOLERANCE = 1e-8  # relative to the length of the returns times that of the longest donor
ENTER = 1e-13  # a donor whose gradient is lower by less than this share cannot improve the fit


class Weights(NamedTuple):
    """w (J,), sum of squared gaps, and how far w is from satisfying the optimality conditions (relative)."""

    w: Array
    sse: float
    kkt: float

    @property
    def optimal(self) -> bool:
        return self.kkt <= KKT_TOLERANCE


def simplex_weights(y: Array, d: Array) -> Weights:
    """argmin |y - D w|^2 subject to w >= 0, sum w = 1, for y (R,) and donors D (R, J).

    Starts at the best single donor. While some donor outside the support would lower the sum of squares it enters; the
    least-squares solution on the support is taken, or approached until a weight reaches zero and its donor leaves. Each
    round lowers the sum of squares, so no support comes back and the search ends.
    """
    donors = d.shape[1]
    start = int(np.argmin(np.sum((y[:, None] - d) ** 2, axis=0)))
    w = np.zeros(donors)
    w[start] = 1.0
    support = [start]
    size = _scale(y, d)
    for _ in range(10 * donors + 100):
        gain = _reduced_gradient(y, d, w, support)
        gain[support] = 0.0
        entering = int(np.argmin(gain))
        if gain[entering] >= -ENTER * size:
            break
        w, support, moved = _enter(y, d, w, support, entering)
        if not moved:
            break
    gap = y - d @ w
    return Weights(w, float(gap @ gap), kkt_gap(y, d, w))


def kkt_gap(y: Array, d: Array, w: Array) -> float:
    """Largest violation of the conditions: equal gradients where w > 0, none lower elsewhere, w >= 0, sum w = 1."""
    support = np.flatnonzero(w > 0)
    if not support.size:
        return np.inf
    slope = _reduced_gradient(y, d, w, list(support)) / _scale(y, d)
    uneven = float(np.abs(slope[support]).max())
    return max(uneven, float(-slope.min()), float(-w.min()), abs(float(w.sum()) - 1.0))


def _scale(y: Array, d: Array) -> float:
    longest = float(np.sqrt(np.sum(d * d, axis=0)).max())
    size = max(float(np.sqrt(y @ y)), longest) * longest
    return size if size > 0 else 1.0


def _reduced_gradient(y: Array, d: Array, w: Array, support: list[int]) -> Array:
    """Gradient of the half sum of squares, less its weighted mean over the support (the price of the sum)."""
    gradient = -(d.T @ (y - d @ w))
    return gradient - gradient[support] @ w[support] / w[support].sum()


def _on_support(y: Array, d: Array, support: list[int]) -> Array:
    """Weights on the support with sum one and free signs that fit best: donors are measured from the first."""
    base = d[:, support[0]]
    rest = np.linalg.lstsq(d[:, support[1:]] - base[:, None], y - base, rcond=None)[0]
    return np.concatenate([[1.0 - rest.sum()], rest])


def _enter(y: Array, d: Array, w: Array, support: list[int], entering: int) -> tuple[Array, list[int], bool]:
    """One donor in, as many out as needed; False where the newcomer would leave at once."""
    support = [*support, entering]
    current = w[support]
    while True:
        target = _on_support(y, d, support)
        if (target > 0).all():
            break
        falling = target <= 0
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(falling, current / (current - target), np.inf)
        step = float(share.min())
        if step == 0.0:
            return w, [j for j in support if j != entering], False
        current = current + step * (target - current)
        stay = [j for j in range(len(support)) if share[j] > step]
        support, current = [support[j] for j in stay], current[stay]
    out = np.zeros_like(w)
    out[support] = target
    return out, support, True
