"""One event: t tests on its abnormal return, and the joint F of all days of the window."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, PairResult, TestOptions, Window
from ..kernel import aggregate, dist
from ..registry import TESTS
from ._window import window_stats


@TESTS.add(
    "t_car",
    reference="doi:10.1257/jel.35.1.13",
    scope="pair",
    variants=("full", "fec_none"),
    formula="t = CAR / (s sqrt(c)), c = L2 + u'(X'X)^-1 u, ~ t(M - k)",
    assumes={"normal, independent errors of constant variance"},
    others="R EventStudy and LemaireJB divide by s sqrt(L2) (`fec_none`)",
)
def t_car(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """One firm's cumulative abnormal return over its own forecast error.

    t = CAR / (s sqrt(c)) ~ t(M - k), exact under normal iid errors. `fec_none` divides by s sqrt(L2) instead.
    """
    w = window_stats(ar, window)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = w.car / (ar.sigma * np.sqrt(w.n)) if opt.variant == "fec_none" else w.scar
    p = dist.student_p(t, ar.df, opt.alternative)
    return PairResult(
        "t_car", window, t, p, ar.df, ar.m.astype(float), opt.variant, w.reason, {"se": w.se, "car": w.car}
    )


@TESTS.add(
    "t_ar",
    reference="doi:10.1257/jel.35.1.13",
    scope="pair",
    variants=("full",),
    formula="t = AR_t / S_t, S_t^2 = s^2 (1 + x_t'(X'X)^-1 x_t), ~ t(M - k)",
    assumes={"normal, independent errors of constant variance"},
)
def t_ar(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """One firm's abnormal return of the window's largest day over that day's forecast error.

    For a window of one session this is the day test; for longer windows the day with the largest |AR / S| is reported
    with its own (unadjusted) p, and `offset` says which day it was.
    """
    w = window_stats(ar, window)
    size = np.where(np.isfinite(w.sar), np.abs(w.sar), -1.0)
    day = size.argmax(axis=1)
    t = w.sar[np.arange(ar.size), day]
    p = dist.student_p(t, ar.df, opt.alternative)
    return PairResult(
        "t_ar",
        window,
        t,
        p,
        ar.df,
        ar.m.astype(float),
        opt.variant,
        w.reason,
        {"offset": window[0] + day.astype(float)},
    )


@TESTS.add(
    "f_window",
    reference="doi:10.2307/1910133",
    scope="pair",
    variants=("full",),
    formula="F = AR' (I + X*(X'X)^-1X*')^-1 AR / (L2 s^2) ~ F(L2, M - k)",
    assumes={"normal, independent errors of constant variance"},
)
def f_window(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Are all abnormal returns of the window zero? (Chow's predictive test.)

    F = AR' V^-1 AR / (L2 s^2) with V = I + X*(X'X)^-1 X*'; sees reversals that cancel in the CAR. Equals the Wald F on one
    dummy a day.
    """
    w = window_stats(ar, window)
    cols = ar.columns(window)
    f = np.full(ar.size, np.nan)
    cov = aggregate.window_covariance(ar.noise_for(window)[:, cols], ar.x[:, cols], ar.g)
    for i in np.flatnonzero(w.usable):
        have = np.isfinite(w.ar[i])
        a = w.ar[i, have]
        f[i] = a @ np.linalg.solve(cov[i][np.ix_(have, have)], a) / (a.size * ar.sigma[i] ** 2)
    df1 = w.n.astype(float)
    p = dist.f_p(f, df1, ar.df)
    return PairResult("f_window", window, f, p, ar.df, ar.m.astype(float), opt.variant, w.reason, {"df1": df1})
