"""What every test reads off the abnormal returns of one event window, computed once and kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Window
from ..kernel import aggregate, dist


class WindowStats(NamedTuple):
    """Per pair (E,): car, its multiplier c, se = sigma sqrt(c), scar = car / se, n rows with a return, full = none missing.

    sar (E, L): each day's abnormal return over its own forecast error. reason: "" or why a pair has no number here.
    """

    car: FloatArray
    c: FloatArray
    se: FloatArray
    scar: FloatArray
    n: IntArray
    full: BoolArray
    ar: FloatArray
    sar: FloatArray
    reason: tuple[str, ...]

    @property
    def usable(self) -> BoolArray:
        return np.isfinite(self.scar)


def window_stats(ar: AbnormalReturns, window: Window) -> WindowStats:
    """CAR, variance and standardised forms of every pair over `window` (offsets, both ends included)."""
    key = ("window", window)
    if key not in ar.cache:
        ar.cache[key] = _window_stats(ar, window)
    return ar.cache[key]


def _window_stats(ar: AbnormalReturns, window: Window) -> WindowStats:
    cols = ar.columns(window)
    block, x, noise = ar.ar[:, cols], ar.x[:, cols], ar.noise_for(window)[:, cols]
    car, c, n, _ = aggregate.window_sums(block, noise, x, ar.g)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = ar.sigma * np.sqrt(c)
        sar = block / (ar.sigma[:, None] * np.sqrt(aggregate.day_variance(noise, x, ar.g)))
        scar = car / se
    length = window[1] - window[0] + 1
    given = ar.reason or ("",) * ar.size
    reason = tuple(w or ("" if k else f"no return in the window ({window[0]}, {window[1]})") for w, k in zip(given, n))
    return WindowStats(car, c, se, scar, n, n == length, block, sar, reason)


def estimation_block(ar: AbnormalReturns) -> slice:
    """Columns of the estimation offsets."""
    return slice(0, ar.first_event_column)


def studentised_runs(ar: AbnormalReturns, i: int, length: int) -> FloatArray:
    """z_q: sums of pair i's estimation residuals over all runs of `length` sessions, each over its own standard deviation.

    In-sample least-squares residuals: sigma sqrt(sum noise - u' G u); otherwise sigma sqrt(sum noise). NaN where the run
    touches a gap.
    """
    from ..kernel.windows import run_sums

    cols = estimation_block(ar)
    e = np.where(ar.est[i, cols], ar.ar[i, cols], np.nan)
    noise = run_sums(ar.noise[i, cols], length)
    spread = noise
    if ar.fitted[i]:
        u = run_sums(ar.x[i, cols].T, length).T
        spread = noise - np.einsum("qi,ij,qj->q", u, ar.g[i], u)
    with np.errstate(invalid="ignore", divide="ignore"):
        return run_sums(e, length) / (ar.sigma[i] * np.sqrt(spread))


def raw_runs(ar: AbnormalReturns, i: int, length: int) -> FloatArray:
    """Sums of pair i's estimation residuals over all runs of `length` sessions, NaN where a run touches a gap."""
    from ..kernel.windows import run_sums

    cols = estimation_block(ar)
    return run_sums(np.where(ar.est[i, cols], ar.ar[i, cols], np.nan), length)


def refitted(ar: AbnormalReturns, i: int, columns: np.ndarray) -> FloatArray | None:
    """Residuals of pair i's model fitted afresh to `columns` (its rows there must be complete); None if it cannot be."""
    model = ar.model[i]
    if model not in ar.refit:
        return None
    k = int(ar.k[i])
    y = ar.raw[i, columns] - (ar.expected[i, columns] if k == 0 else 0.0)
    x = ar.x[i : i + 1, columns][:, :, :k]
    return ar.refit[model](y[None, :], x, np.ones((1, columns.size), bool))[0]


def distinct_dates(ar: AbnormalReturns) -> np.ndarray:
    """Day-0 session of every pair, (E,) datetime64[D]."""
    return ar.dates[:, ar.at(0)]


def two_sided_interval(
    center: FloatArray, se: FloatArray, df: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """center -+ t quantile times se; NaN where df is not positive."""
    half = dist.student_quantile(1.0 - level / 2.0, np.where(df > 0, df, np.nan)) * se
    return center - half, center + half
