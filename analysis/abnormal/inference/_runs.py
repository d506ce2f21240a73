"""Sums over all runs of estimation rows for many pairs at once: the null values of the joint empirical tests."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, Window
from ..kernel.windows import run_sums
from ._window import estimation_block, window_stats


def studentised_runs(ar: AbnormalReturns, rows: IntArray, length: int) -> FloatArray:
    """z (n, Q): sums of residuals over every run of `length` sessions, each over its own standard deviation.

    sqrt(s^2 (sum noise - u'Gu)) for in-sample residuals, sqrt(s^2 sum noise) otherwise; NaN where a run touches a gap.
    """
    cols = estimation_block(ar)
    e = np.where(ar.est[rows, cols], ar.ar[rows, cols], np.nan)
    spread = run_sums(ar.noise[rows, cols], length)
    if ar.fitted[rows].any() and ar.x.shape[2]:
        u = run_sums(ar.x[rows, cols].transpose(0, 2, 1), length)
        own = np.einsum("niq,nij,njq->nq", u, ar.g[rows], u)
        spread = spread - np.where(ar.fitted[rows, None], own, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return run_sums(e, length) / (ar.sigma[rows, None] * np.sqrt(spread))


def raw_runs(ar: AbnormalReturns, rows: IntArray, length: int) -> FloatArray:
    """Sums of residuals (n, Q) over every run of `length` sessions; NaN where a run touches a gap."""
    cols = estimation_block(ar)
    return run_sums(np.where(ar.est[rows, cols], ar.ar[rows, cols], np.nan), length)


def joint_runs(ar: AbnormalReturns, rows: IntArray, window: Window, studentised: bool = True) -> FloatArray:
    """Null values (m, n) of several pairs at the same start rows, only where every pair has one.

    A pair with L2_i of L2 event rows is compared with runs of its own L2_i sessions.
    """
    w = window_stats(ar, window)
    full = window[1] - window[0] + 1
    starts = max(ar.first_event_column - full + 1, 0)
    out = np.full((rows.size, starts), np.nan)
    for length in np.unique(w.n[rows]):
        of = w.n[rows] == length
        make = studentised_runs if studentised else raw_runs
        out[of] = make(ar, rows[of], int(length))[:, :starts]
    return out[:, np.isfinite(out).all(axis=0)].T
