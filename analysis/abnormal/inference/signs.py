"""Tests on signs: binomial, Cowan's generalised sign, Corrado and Zivney's sign test."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import dist
from ..registry import TESTS
from ._cross import by_normal, cars, chosen, event_time, residual_rows, too_few, usable_rows
from ._window import window_stats

SIGN = ("exact", "normal", "zeros_negative")
GEN_SIGN = ("mean", "pooled", "by_firm")


@TESTS.add(
    "sign",
    reference="doi:10.1007/BF00939016",
    scope="cross",
    min_pairs=2,
    variants=SIGN,
    formula="exact binomial p of w = #{CAR > 0} among n nonzero CARs; z = (w - n/2) / (sqrt(n) / 2)",
    assumes={"independent pairs", "a median abnormal return of zero"},
    robust_to={"outliers", "event-induced variance"},
    others="R EventStudy counts a zero as negative and keeps it in n (`zeros_negative`)",
    check="public check value: w 5 of 8, z 0.7071067812, p 0.7265625, window [-1, +3]",
)
def sign(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do more firms rise than a fair coin would have?

    Zeros are left out; w = #{CAR > 0} of n, exact binomial p (twice the smaller tail), z = (w - n/2) / (sqrt(n)/2) as the
    statistic. `normal` gives the p of z, `zeros_negative` keeps zeros as negative.
    """
    form = chosen("sign", opt, SIGN)
    car, _ = cars(ar, window)
    x = car if form == "zeros_negative" else car[car != 0]
    n = x.size
    if car.size < 2 or n < 2:
        return too_few("sign", ar, window, n, 2, form, "a nonzero CAR")
    wins = int((x > 0).sum())
    z = (wins - n / 2.0) / (np.sqrt(n) / 2.0)
    p_normal = float(dist.normal_p(z, opt.alternative))
    p = p_normal if form == "normal" else dist.binomial_p(wins, n, opt.alternative)
    extra = {"positive": wins, "p_normal": p_normal, "min_p": 2.0 ** (1 - n)}
    return TestResult("sign", window, float(z), p, np.nan, n, form, extra=extra)


@TESTS.add(
    "gen_sign",
    reference="doi:10.1007/BF00939016",
    scope="cross",
    min_pairs=2,
    variants=GEN_SIGN,
    formula="z = (w - N phat) / sqrt(N phat (1 - phat)), phat = mean_i share of positive residuals, ~ N(0, 1)",
    assumes={"independent pairs"},
    robust_to={"skewed returns", "event-induced variance"},
    others="estudy2 pools all residuals (`pooled`); R EventStudy averages by firm rather than by event (`by_firm`)",
    check="public check value: phat 0.5062676554, z 0.6717043442 (mean), 0.6680679482 (pooled), window [-1, +3]",
)
def gen_sign(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do more firms rise than usually do on a day without the event?

    phat is the average over pairs of the share of positive estimation residuals; w = #{CAR > 0}, zeros count as not
    positive; z = (w - N phat) / sqrt(N phat (1 - phat)). `pooled`: one share over all residuals; `by_firm`: average over
    tickers.
    """
    form = chosen("gen_sign", opt, GEN_SIGN)
    rows = usable_rows(ar, window)
    n = rows.size
    if n < 2:
        return too_few("gen_sign", ar, window, n, 2, form)
    e = residual_rows(ar, rows)
    up, seen = (e > 0).sum(axis=1).astype(float), np.isfinite(e).sum(axis=1).astype(float)
    if form == "by_firm":
        firm = np.unique(np.array(ar.ticker)[rows], return_inverse=True)[1]
        up, seen = np.bincount(firm, up), np.bincount(firm, seen)
    phat = float(up.sum() / seen.sum()) if form == "pooled" else float(np.mean(up / seen))
    if not 0 < phat < 1:
        return TestResult.none("gen_sign", window, f"all estimation residuals have one sign (phat {phat:g})", form)
    wins = int((window_stats(ar, window).car[rows] > 0).sum())
    z = (wins - n * phat) / np.sqrt(n * phat * (1.0 - phat))
    return by_normal("gen_sign", window, z, n, form, opt, phat=phat, positive=wins)


def _medians(a: FloatArray) -> FloatArray:
    """Median of the finite entries of every row (every row has some)."""
    ordered = np.sort(a, axis=1)  # NaN sorts last
    n = np.isfinite(a).sum(axis=1)
    i = np.arange(a.shape[0])
    return 0.5 * (ordered[i, (n - 1) // 2] + ordered[i, n // 2])


@TESTS.add(
    "cz_sign",
    reference="doi:10.2307/2331331",
    scope="cross",
    min_pairs=2,
    variants=("median",),
    formula="d_t = sum_i sign(A_it - median_i) / sqrt(N_t), S^2 = mean_t d_t^2, z = sum_window d_t / (S sqrt(L2)) ~ N(0, 1)",
    assumes={"serially uncorrelated signs"},
    robust_to={"skewed returns", "cross-correlation on a common date", "missing returns"},
    others="in none of the packages read in this form",
    check="public check value: z 2.188801336, day +1",
)
def cz_sign(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do the firms lie on one side of their own medians more than on other days?

    G_it = sign(A_it - median_i) over estimation and event rows; d_t = sum_i G_it / sqrt(N_t), S = root mean square of d
    over all T rows; z = sum over the window of d_t / (S sqrt(L2)) ~ N(0, 1).
    """
    form = chosen("cz_sign", opt, ("median",))
    rows = event_time(ar, window)
    if rows.rows.size < 2:
        return too_few("cz_sign", ar, window, rows.rows.size, 2, form)
    g = np.sign(rows.a - _medians(rows.a)[:, None])
    have = np.isfinite(g)
    d = np.where(have, g, 0.0).sum(axis=0) / np.sqrt(have.sum(axis=0))
    s = float(np.sqrt(np.mean(d * d)))
    if not s > 0:
        return TestResult.none("cz_sign", window, "the signs cancel on every row (S = 0)", form)
    z_day = d[-rows.length :] / s
    z = z_day.sum() / np.sqrt(rows.length)
    return by_normal("cz_sign", window, z, rows.rows.size, form, opt, z_day=z_day, S=s, T=d.size)
