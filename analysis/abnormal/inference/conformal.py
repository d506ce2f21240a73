"""Chernozhukov, Wuthrich and Zhu (2021): conformal inference by moving blocks."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, PairResult, TestOptions, Window
from ..kernel.dist import TIE
from ..registry import TESTS
from ._window import estimation_block, refitted, window_stats


def _joined_rows(ar: AbnormalReturns, i: int, window: Window) -> tuple[np.ndarray, int]:
    """Columns of pair i's estimation and event rows in time order, the gap left out, and how many are event rows."""
    est = np.flatnonzero(ar.est[i, estimation_block(ar)])
    cols = ar.columns(window)
    event = np.arange(cols.start, cols.stop)[np.isfinite(ar.ar[i, cols])]
    return np.concatenate([est, event]), event.size


def _circular_sums(u: FloatArray, length: int) -> FloatArray:
    return np.stack([np.roll(u, -l) for l in range(length)]).sum(axis=0)


def _block_p(u: FloatArray, length: int, alternative: str = "two-sided") -> float:
    s = _circular_sums(u, length)
    s = np.abs(s) if alternative == "two-sided" else (s if alternative == "greater" else -s)
    return float(np.sum(s >= s[u.size - length] - TIE) / u.size)


@TESTS.add(
    "conformal",
    reference="doi:10.1080/01621459.2021.1920957",
    scope="pair",
    variants=("moving_block",),
    formula="p = #{j : S_j >= S_M} / T, S_j = |circular sum of L2 residuals of the model fitted to estimation AND event rows|",
    assumes={"exchangeable or stationary, weakly dependent errors"},
    robust_to={"any M and L2"},
    others="in no event-study package read",
)
def conformal(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Would the event window stand out if the model had been fitted as though nothing happened?

    The model is fitted to the T = M + L2 estimation and event rows together (no effect imposed, gap left out); the sum of
    residuals over the event is ranked among all T circular blocks of the same length. Exact for exchangeable errors at
    any M and L2; the smallest p is 1/T.
    """
    w = window_stats(ar, window)
    e = ar.size
    p, total, stat = np.full(e, np.nan), np.full(e, np.nan), np.full(e, np.nan)
    reason = list(w.reason)
    for i in map(int, np.flatnonzero(w.usable)):
        rows, length = _joined_rows(ar, i, window)
        u = refitted(ar, i, rows)
        if u is None:
            reason[i] = f"model {ar.model[i]!r} cannot be fitted again with the event rows"
            continue
        stat[i] = u[-length:].sum()
        total[i] = u.size
        p[i] = _block_p(u, length, opt.alternative)
    return PairResult(
        "conformal", window, stat, p, np.full(e, np.nan), total, "moving_block", tuple(reason), {"min_p": 1.0 / total}
    )


def conformal_interval(ar: AbnormalReturns, window: Window, level: float) -> tuple[FloatArray, FloatArray]:
    """Effects theta of the window (theta / L2 taken off each event row) with conformal p > level: (low, high) by inversion."""
    w = window_stats(ar, window)
    low, high = np.full(ar.size, np.nan), np.full(ar.size, np.nan)
    for i in map(int, np.flatnonzero(w.usable)):
        rows, length = _joined_rows(ar, i, window)
        u = refitted(ar, i, rows)
        if u is None:
            continue
        # Residuals are linear in y for least squares: u(theta) = u - theta * d, d the residuals of a unit effect.
        d = _unit_effect(ar, i, rows, length)
        low[i], high[i] = (_edge(u, d, length, level, sign, float(w.car[i]), float(w.se[i])) for sign in (-1.0, 1.0))
    return low, high


def _unit_effect(ar: AbnormalReturns, i: int, rows: np.ndarray, length: int) -> FloatArray:
    y = np.zeros((1, rows.size))
    y[0, -length:] = 1.0 / length
    k = int(ar.k[i])
    return ar.refit[ar.model[i]](y, ar.x[i : i + 1, rows][:, :, :k], np.ones((1, rows.size), bool))[0]


def _edge(u: FloatArray, d: FloatArray, length: int, level: float, sign: float, car: float, se: float) -> float:
    """Largest |theta - car| in direction `sign` that is not rejected, to 1e-10 of the standard error."""
    if level * u.size < 1:
        return sign * np.inf
    step = se
    far = car
    while _block_p(u - (far + sign * step) * d, length) > level:
        far += sign * step
        step *= 2.0
        if step > 1e6 * se:
            return sign * np.inf
    inside, outside = far, far + sign * step
    while abs(outside - inside) > 1e-10 * se:
        middle = 0.5 * (inside + outside)
        if _block_p(u - middle * d, length) > level:
            inside = middle
        else:
            outside = middle
    return inside
