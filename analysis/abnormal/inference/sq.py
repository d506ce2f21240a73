"""Gelbach, Helland and Klick (2013): one event against the empirical distribution of what the model missed before it."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, PairResult, TestOptions, Window
from ..kernel import dist
from ..registry import TESTS
from ._window import estimation_block, raw_runs, studentised_runs, window_stats

MIN_WINDOWS = 19  # fewer comparable windows cannot give p <= 0.05
REFERENCE = "doi:10.1093/aler/aht007"


def sq_rule(ar: AbnormalReturns, window: Window) -> np.ndarray:
    """(E,) True where M >= 20 L2, so that SQ rather than t_car may be the headline."""
    w = window_stats(ar, window)
    return (ar.m >= 20 * w.n) & (w.n > 0)


def _tails(z: FloatArray, z0: float) -> tuple[float, float, float, int]:
    """p_low, p_up and the absolute p of z0 among the finite z, and their number."""
    z = z[np.isfinite(z)]
    m = z.size
    low = (1 + dist.count_at_least(-z, -z0)) / (m + 1)
    up = (1 + dist.count_at_least(z, z0)) / (m + 1)
    both = (1 + dist.count_at_least(np.abs(z), abs(z0))) / (m + 1)
    return float(low), float(up), float(both), m


def _reference(
    ar: AbnormalReturns, i: int, length: int, form: str, scar: float, car: float
) -> tuple[FloatArray, float]:
    """The comparison values and the event's own value of pair i, for one form of the test."""
    if form in ("abs_studentized", "studentized"):
        return studentised_runs(ar, i, length), scar
    runs = raw_runs(ar, i, length)
    return (runs[::length] if form == "blocks" else runs), car


@TESTS.add(
    "sq",
    reference=REFERENCE,
    scope="pair",
    variants=("abs_studentized", "two_min", "overlap", "blocks", "studentized"),
    formula="p = (1 + #{|z_q| >= |z_0|}) / (m + 1) over all windows q of L2 sessions of the estimation rows",
    assumes={"event day exchangeable with the estimation days"},
    robust_to={"fat tails"},
    others="none of the packages read has it; `two_min` is the paper's order-statistic rule",
)
def sq(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Where does the event rank among all comparable windows before it?

    z_q = sum_q e / sqrt(s^2 (L2 - u_q'(X'X)^-1 u_q)) over every run of L2 consecutive estimation sessions, z_0 = SCAR;
    p = (1 + #{|z_q| >= |z_0|}) / (m + 1). `two_min` and `overlap`: twice the smaller tail of raw sums; `blocks`: the same
    on non-overlapping sums; `studentized`: the same on z. Fewer than 19 windows: not applicable. Ties count.
    """
    form = opt.variant or "abs_studentized"
    w = window_stats(ar, window)
    e = ar.size
    out = {k: np.full(e, np.nan) for k in ("statistic", "p", "p_low", "p_up", "m", "min_p", "rank")}
    reason = list(w.reason)
    for i in map(int, np.flatnonzero(w.usable)):
        z, z0 = _reference(ar, i, int(w.n[i]), form, float(w.scar[i]), float(w.car[i]))
        low, up, both, m = _tails(z, z0)
        out["m"][i] = m
        if m < MIN_WINDOWS:
            reason[i] = (
                f"{m} comparable windows of {int(w.n[i])} sessions before the event; the test needs {MIN_WINDOWS}"
            )
            continue
        two = both if form == "abs_studentized" else min(1.0, 2.0 * min(low, up))
        out["statistic"][i] = z0
        out["p"][i] = {"two-sided": two, "greater": up, "less": low}[opt.alternative]
        out["p_low"][i], out["p_up"][i] = low, up
        out["min_p"][i] = (1.0 if form == "abs_studentized" or opt.alternative != "two-sided" else 2.0) / (m + 1)
        out["rank"][i] = round(both * (m + 1))
    extra = {k: out[k] for k in ("p_low", "p_up", "min_p", "rank")} | {"m_over_L2": out["m"] / np.maximum(w.n, 1)}
    return PairResult(
        "sq", window, out["statistic"], out["p"], np.full(e, np.nan), out["m"], form, tuple(reason), extra
    )


def sq_interval(
    ar: AbnormalReturns, window: Window, level: float, form: str = "abs_studentized"
) -> tuple[FloatArray, FloatArray]:
    """The effects SQ does not reject at `level`: (low, high), each (E,), unbounded where the windows are too few.

    `abs_studentized`: CAR -+ se z_(j), z_(j) the j-th largest |z_q|, j = floor(level (m + 1)). Otherwise
    [CAR - se q_{1-a/2}, CAR - se q_{a/2}] of the studentised windows.
    """
    w = window_stats(ar, window)
    low, high = np.full(ar.size, np.nan), np.full(ar.size, np.nan)
    for i in map(int, np.flatnonzero(w.usable)):
        z = studentised_runs(ar, i, int(w.n[i]))
        z = z[np.isfinite(z)]
        if z.size < MIN_WINDOWS:
            continue
        if form == "abs_studentized":
            # The small lift keeps 0.05 * 100 = 5.000000000000001 and its like on the right side of the floor.
            j = int(np.floor(level * (z.size + 1) + 1e-9))
            half = np.sort(np.abs(z))[::-1][j - 1] * w.se[i] if j >= 1 else np.inf
            low[i], high[i] = w.car[i] - half, w.car[i] + half
        else:
            q_low, q_high = np.quantile(z, [level / 2, 1 - level / 2])
            low[i], high[i] = w.car[i] - w.se[i] * q_high, w.car[i] - w.se[i] * q_low
    return low, high


def volatility_path(ar: AbnormalReturns, i: int, window: Window, form: str = "blend") -> tuple[FloatArray, float]:
    """Running variance v of pair i on every row up to the window's first, and its long-run level.

    `blend`: v_1 = wbar, v_{t+1} = .94 v_t + .06 min(e_t^2, (2.5 m)^2), m = median|e| / Phi^-1(.75). `ewma`: v_1 = mean(e^2),
    unclipped. A missing row leaves v as it is.
    """
    cols = estimation_block(ar)
    est = ar.est[i, cols]
    first = int(np.flatnonzero(est)[0])
    last = ar.at(window[0])
    e = ar.ar[i, : last + 1]
    w = e * e
    if form == "blend":
        scale = np.median(np.abs(ar.ar[i, cols][est])) / dist.normal_quantile(0.75)
        w = np.minimum(w, (2.5 * scale) ** 2)
    level = float(np.mean(w[cols][est]))
    v = np.full(last + 1, np.nan)
    v[first] = level
    for t in range(first, last):
        v[t + 1] = 0.94 * v[t] + 0.06 * w[t] if np.isfinite(w[t]) else v[t]
    return v, level


@TESTS.add(
    "sq_vol",
    reference=REFERENCE,
    scope="pair",
    variants=("blend", "ewma"),
    formula="|z_0| / g_a against |z_q| / g_q, g = sqrt((v + wbar) / 2), v an exponentially weighted variance",
    assumes={"volatility that moves slowly"},
    robust_to={"a calm estimation window before a stormy event"},
    others="ours",
)
def sq_vol(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """SQ with every window divided by the volatility of its time, for windows of at most 5 sessions.

    `blend` (default): p as in SQ `abs_studentized` on z / g with g_t = sqrt((v_t + wbar) / 2) at the window's first row;
    `extra["ratio"]` is sqrt(v_a / wbar). `ewma`: CAR / sqrt(v_a) against window sums / sqrt(v_start), windows starting at
    row 31 or later, twice the smaller tail.
    """
    form = opt.variant or "blend"
    w = window_stats(ar, window)
    e = ar.size
    p, stat, count, ratio = (np.full(e, np.nan) for _ in range(4))
    reason = list(w.reason)
    for i in map(int, np.flatnonzero(w.usable)):
        length = int(w.n[i])
        if length > 5:
            reason[i] = f"the window has {length} sessions; sq_vol is for at most 5"
            continue
        v, level = volatility_path(ar, i, window, form)
        ratio[i] = np.sqrt(v[-1] / level)
        z, z0 = _scaled(ar, i, length, v, level, form, float(w.scar[i]), float(w.car[i]))
        low, up, both, m = _tails(z, z0)
        count[i] = m
        if m < MIN_WINDOWS:
            reason[i] = f"{m} comparable windows before the event; the test needs {MIN_WINDOWS}"
            continue
        stat[i] = z0
        two = both if form == "blend" else min(1.0, 2.0 * min(low, up))
        p[i] = {"two-sided": two, "greater": up, "less": low}[opt.alternative]
    return PairResult("sq_vol", window, stat, p, np.full(e, np.nan), count, form, tuple(reason), {"ratio": ratio})


def _scaled(
    ar: AbnormalReturns, i: int, length: int, v: FloatArray, level: float, form: str, scar: float, car: float
) -> tuple[FloatArray, float]:
    starts = ar.first_event_column - length + 1
    if form == "blend":
        g = np.sqrt((v + level) / 2.0)
        return studentised_runs(ar, i, length) / g[:starts], scar / g[-1]
    runs = raw_runs(ar, i, length) / np.sqrt(v[:starts])
    first = int(np.flatnonzero(ar.est[i, estimation_block(ar)])[0])
    return runs[first + 30 :], car / np.sqrt(v[-1])
