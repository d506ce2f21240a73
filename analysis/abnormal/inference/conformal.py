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
    """Smallest and largest effect theta (theta / L2 taken off each event row) with conformal p > level: (low, high).

    Residuals are linear in theta for models linear in y, so p changes only where two block sums tie in size; the hull of
    the ties with p > level is exact. Models that are not linear in y, and pairs without a refit, have NaN.
    """
    w = window_stats(ar, window)
    low, high = np.full(ar.size, np.nan), np.full(ar.size, np.nan)
    for i in map(int, np.flatnonzero(w.usable)):
        rows, length = _joined_rows(ar, i, window)
        u = refitted(ar, i, rows)
        if u is None or ar.model[i] in NOT_LINEAR:
            continue
        a, d = _circular_sums(u, length), _circular_sums(_unit_effect(ar, i, rows, length), length)
        low[i], high[i] = _hull(a, d, u.size - length, level)
    return low, high


# Models whose residuals are not linear in y.
NOT_LINEAR = ("huber", "theil_sen", "lad", "synthetic_control", "beta_prior")


def _unit_effect(ar: AbnormalReturns, i: int, rows: np.ndarray, length: int) -> FloatArray:
    """Residuals of the model fitted to an effect of one spread over the event rows and nothing else."""
    y = np.zeros((1, rows.size))
    y[0, -length:] = 1.0 / length
    k = int(ar.k[i])
    return ar.refit[ar.model[i]](y, ar.x[i : i + 1, rows][:, :, :k], np.ones((1, rows.size), bool))[0]


def _hull(a: FloatArray, d: FloatArray, event: int, level: float) -> tuple[float, float]:
    """Hull of {theta: #{j: |a_j - theta d_j| >= |a_e - theta d_e|} / T > level}; a bound may be infinite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ties = np.concatenate([(a[event] - a) / (d[event] - d), (a[event] + a) / (d[event] + d)])
    ties = np.unique(ties[np.isfinite(ties)])
    if not ties.size:
        return -np.inf, np.inf

    def p(theta: FloatArray) -> FloatArray:
        sums = np.abs(a[None, :] - theta[:, None] * d[None, :])
        scale = TIE * (1.0 + np.abs(theta))  # a tie is a tie after rounding, also far from zero
        return np.sum(sums >= sums[:, event : event + 1] - scale[:, None], axis=1) / a.size

    inside = ties[p(ties) > level]
    step = 1.0 + np.abs(ties).max()
    low_open, high_open = p(np.array([ties[0] - step, ties[-1] + step])) > level
    if not inside.size and not (low_open or high_open):
        return np.nan, np.nan
    low = -np.inf if low_open else float(inside[0])
    high = np.inf if high_open else float(inside[-1])
    return low, high
