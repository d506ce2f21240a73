"""Lee and Mykland (2008): which bar jumped?"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, FloatArray, PairResult, TestOptions, TestResult, Window
from ..kernel import realized
from ..registry import TESTS
from ._bars import NEEDS_BARS, PairBars, each, given


@TESTS.add(
    "lee_mykland",
    reference="doi:10.1093/rfs/hhm056",
    scope="intraday",
    variants=("periodic", "plain"),
    formula="xi_i = (|r_i|/(f_j sigma_i) - C_n)/S_n ~ Gumbel, sigma_i^2 the mean |r||r| of the bars before; p of the maximum",
    assumes={"volatility that hardly moves within K bars", "no microstructure noise worth the name"},
    robust_to={"volatility that differs from session to session", "the daily rhythm of volatility (periodic)"},
    others="yuima: K = floor(sqrt(252 n)), no pattern; R highfrequency: rBPCov of its own windows",
    check="public check value: K = 132, n = 1980, L 65.56335793, xi 190.2310392; periodic L 50.22787337, xi 142.5552569",
)
def lee_mykland(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Did a bar of the window jump? Each bar is measured by the bipower volatility of the bars just before it.

    `periodic` (default) divides by the daily pattern of the estimation sessions first, else the open is flagged for being
    the open; `plain` does not. p is that of the largest of all n bars of the series; nights, lunch breaks and the return
    over a halt are left out, sessions with more than 20% empty bars too. K is 270 for 5-minute bars, else
    ceil(sqrt(252 bars a session)).
    """
    form = opt.variant or "periodic"
    return each("lee_mykland", ar, window, form, given(opt, "bars"), NEEDS_BARS, partial(_answer, window, opt, form))


class BarJumps(NamedTuple):
    """The test of every bar by place: statistic, xi, p (D * S,), NaN where untested; n bars, window K; reason or ""."""

    statistic: FloatArray
    xi: FloatArray
    p: FloatArray
    n: int
    window: int
    cn: float
    sn: float
    reason: str = ""


def bar_jumps(bars: PairBars, form: str = "periodic") -> BarJumps:
    """Every bar of every session tested in one series; computed once."""
    if form not in bars.cache:
        bars.cache[form] = _bar_jumps(bars, form)
    return bars.cache[form]


def _bar_jumps(bars: PairBars, form: str) -> BarJumps:
    size = bars.r.size
    nan = np.full(size, np.nan)
    if form == "periodic" and bars.why_no_pattern:
        return BarJumps(nan, nan, nan, 0, 0, np.nan, np.nan, bars.why_no_pattern)
    shown = bars.exists & bars.is_bar
    usable = shown & np.isfinite(bars.r) & ~bars.halted
    empty = shown.sum(axis=1) - usable.sum(axis=1)
    dense = empty <= realized.MAX_EMPTY * shown.sum(axis=1)
    r = bars.r / np.where(bars.f > 0, bars.f, np.nan) if form == "periodic" else bars.r
    at = np.flatnonzero((usable & dense[:, None] & np.isfinite(r)).ravel())
    k = bars.lm_window or realized.lee_mykland_window(int(bars.is_bar.sum()), bars.minutes)
    if at.size < k:
        why = f"{at.size} bars in sessions with at most 20% empty ones; the window of the test is K = {k}"
        return BarJumps(nan, nan, nan, at.size, k, np.nan, np.nan, why)
    found = realized.lee_mykland(r.ravel()[at], k)
    out = []
    for values in (found.statistic, found.xi, found.p):
        full = nan.copy()
        full[at] = values
        out.append(full)
    return BarJumps(out[0], out[1], out[2], at.size, k, float(found.cn), float(found.sn))


def _answer(window: Window, opt: TestOptions, form: str, bars: PairBars) -> TestResult:
    span = bars.span(window)
    if span is None:
        return TestResult.none("lee_mykland", window, "the bars end before the window does", form)
    found = bar_jumps(bars, form)
    if found.reason:
        return TestResult.none("lee_mykland", window, found.reason, form)
    places = np.arange(*span)
    xi = found.xi[places]
    if not np.isfinite(xi).any():
        return TestResult.none(
            "lee_mykland", window, "no bar of the window could be tested (empty, or after no movement)", form
        )
    best = places[np.nanargmax(xi)]
    critical = realized.gumbel_critical(opt.level)
    extra = {
        "xi": float(found.xi[best]), "cn": found.cn, "sn": found.sn, "k": found.window, "bars_n": found.n,
        "offset": float(np.searchsorted(bars.places, best) - bars.origin), "sign": float(np.sign(found.statistic[best])),
        "jumps": float(np.sum(xi > critical)), "critical": critical,
    }  # fmt: skip
    return TestResult(
        "lee_mykland", window, float(found.statistic[best]), float(found.p[best]), np.nan, found.n, form, extra=extra
    )
