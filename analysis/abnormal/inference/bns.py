"""Barndorff-Nielsen and Shephard (2006): did the price jump during the event session?"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import numpy as np

from ..domain import AbnormalReturns, PairResult, TestOptions, TestResult, Window
from ..kernel import realized
from ..registry import TESTS
from ._bars import NEEDS_BARS, PairBars, each, given

FORMS = ("ratio", "linear", "log", "nofs")


@TESTS.add(
    "bns",
    reference="doi:10.1093/jjfinec/nbi022",
    scope="intraday",
    variants=FORMS,
    formula="z = (1 - BV/RV) / sqrt((theta/n) max(1, TP/BV^2)) ~ N(0,1), upper tail; theta = (pi/2)^2 + pi - 5",
    assumes={"many bars a session", "no jump in two bars running", "no microstructure noise worth the name"},
    robust_to={"volatility that differs from session to session"},
    others="R highfrequency: linear form by default, max = FALSE; yuima: standard, log or ratio; `nofs` leaves n/(n-1) out",
    check="public check value: jump day z_ratio 7.596457751, z_linear 61.9148198, z_log 18.16689071, nofs 7.613455312",
)
def bns(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Was part of the session's variance a jump? All variance against the variance that is not made of jumps.

    `ratio` (default) has the right size at 66 bars; `linear` and `log` are the other forms of Huang and Tauchen (2005),
    `nofs` is the ratio without finite-sample factors. The session is that of the window's first bar from bar 0 on; nights,
    lunch breaks and the return over a halt are no part of it; a session with more than 20% empty bars is not tested. The
    direction it votes for is that of the session's largest bar by the daily pattern.
    """

    return each(
        "bns", ar, window, opt.variant or "ratio", given(opt, "bars"), NEEDS_BARS, partial(_answer, window, opt)
    )


def session_tests(bars: PairBars, finite_sample: bool = True) -> realized.BNS:
    """The test of every session (D,) in all its forms; the return over a halt belongs to no bar and splits the session."""
    here = bars.is_bar
    halted = bars.halted[:, here]
    r = np.where(halted | ~bars.exists[:, here], np.nan, bars.r[:, here])
    return realized.bns(
        r, finite_sample=finite_sample, bars=bars.exists[:, here].sum(axis=1), starts=halted if halted.any() else None
    )


def session_test(bars: PairBars, row: int, finite_sample: bool = True) -> realized.BNS:
    """The test of one session."""
    one = replace(
        bars, r=bars.r[row : row + 1], halted=bars.halted[row : row + 1], exists=bars.exists[row : row + 1]
    )  # fmt: skip
    found = session_tests(one, finite_sample)
    return realized.BNS(**{f.name: getattr(found, f.name)[0] for f in fields(found)})


def _answer(window: Window, opt: TestOptions, bars: PairBars) -> TestResult:
    form = opt.variant or "ratio"
    if bars.span(window) is None:
        return TestResult.none("bns", window, "the bars end before the window does", form)
    row = bars.row_of(min(max(window[0], 0), window[1]))
    found = session_test(bars, row, finite_sample=form != "nofs")
    why = str(found.reason)
    if why:
        return TestResult.none("bns", window, why, form)
    z, p = {
        "ratio": (found.z_ratio, found.p), "nofs": (found.z_ratio, found.p), "linear": (found.z_linear, found.p_linear),
        "log": (found.z_log, found.p_log),
    }[form]  # fmt: skip
    extra = {"rv": float(found.rv), "bv": float(found.bv), "tp": float(found.tp), "sign": _direction(bars, row)}
    return TestResult("bns", window, float(z), float(p), np.nan, float(found.n), form, extra=extra)


def _direction(bars: PairBars, row: int) -> float:
    """Which way the largest bar of the session went, by the daily pattern where there is one."""
    size = bars.r[row] / np.where(bars.f > 0, bars.f, 1.0 if np.isnan(bars.f).all() else np.nan)
    size = np.where(bars.is_bar & np.isfinite(size), size, 0.0)
    return float(np.sign(size[np.argmax(np.abs(size))]))
