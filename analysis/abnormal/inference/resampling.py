"""Tests that redraw: sign flips, wild bootstrap, moving blocks, joint placebo windows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, TestOptions, TestResult, Window
from ..kernel import dist, resample
from ..registry import TESTS
from ._cross import by_t, cars, chosen, too_few, usable_rows
from ._runs import joint_runs
from ._window import distinct_dates, window_stats
from .crude_dependence import average_abnormal_returns, average_residuals

FLIP = ("mean", "t", "date")
WILD = ("event", "date", "firm")
WEBB_BELOW = 12
MIN_WINDOWS = 19
NO_SPREAD = "the CARs do not differ (standard deviation 0)"


def _hits(values: FloatArray, observed: float, alternative: str) -> int:
    """How many values are at least as extreme as the observed one, ties counted."""
    if alternative == "greater":
        return int(dist.count_at_least(values, observed))
    if alternative == "less":
        return int(dist.count_at_least(-values, -observed))
    return int(dist.count_at_least(np.abs(values), abs(observed)))


def _plain_t(x: FloatArray) -> float:
    """mean / (sd / sqrt(n)), NaN where the values do not differ."""
    sd = x.std(ddof=1)
    return float(x.mean() / (sd / np.sqrt(x.size))) if sd > 1e-12 * np.abs(x).max() else np.nan


@TESTS.add(
    "sign_flip",
    reference="doi:10.3982/ECTA13081",
    scope="cross",
    min_pairs=2,
    variants=FLIP,
    formula="p = share of the 2^N sign vectors whose |mean CAR| reaches the observed one (N <= 16), else B random ones",
    assumes={"independent pairs", "abnormal returns symmetric about zero"},
    robust_to={"fat tails", "event-induced variance", "few pairs"},
    others="scipy permutation_test(permutation_type='samples')",
    check="public check value: p 0.3046875, window [-1, +3]",
)
def sign_flip(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """How often would chance signs give as large an average?

    All 2^N sign vectors for N <= 16, the identity among them; otherwise B draws `integers(0, 2, size=(B, N)) * 2 - 1` and
    p = (1 + #) / (B + 1). Statistic mean(CAR) or `t`; their p are identical, since a flip changes no square. `date` flips
    whole event dates: with one date p = 1, no information. The smallest possible p is 2 / 2^N.
    """
    form = chosen("sign_flip", opt, FLIP)
    car, rows = cars(ar, window)
    n = car.size
    if n < 2:
        return too_few("sign_flip", ar, window, n, 2, form)
    units = _sums_by(car, np.unique(distinct_dates(ar)[rows], return_inverse=True)[1]) if form == "date" else car
    scale = float(np.abs(units).sum())
    if not scale > 0:
        return TestResult.none("sign_flip", window, "all CARs are zero", form)
    observed = float(units.sum() / scale)
    statistic = _plain_t(car) if form == "t" else float(car.mean())
    if np.isnan(statistic):
        return TestResult.none("sign_flip", window, NO_SPREAD, form)
    if units.size <= resample.EXACT_LIMIT:
        sums = resample.all_sign_sums(units / scale)
        p = _hits(sums, observed, opt.alternative) / sums.size
        least = (2.0 if opt.alternative == "two-sided" else 1.0) / sums.size
    else:
        rng = np.random.default_rng(opt.seed)
        draws = (signs @ (units / scale) for signs in resample.rademacher(rng, opt.draws, units.size))
        p = _resampled_p(draws, observed, opt)
        least = 1.0 / (opt.draws + 1)
    extra = {"min_p": least, "exact": units.size <= resample.EXACT_LIMIT, "units": units.size}
    return TestResult("sign_flip", window, statistic, p, np.nan, n, form, extra=extra)


def _resampled_p(draws: Iterable[FloatArray], observed: float, opt: TestOptions) -> float:
    return (1.0 + sum(_hits(block, observed, opt.alternative) for block in draws)) / (opt.draws + 1.0)


def _sums_by(values: FloatArray, group: IntArray) -> FloatArray:
    return np.asarray(np.bincount(group, weights=values), float)


@TESTS.add(
    "wild",
    reference="doi:10.1162/rest.90.3.414",
    scope="cross",
    min_pairs=2,
    variants=WILD,
    formula="CAR*_i = w_i CAR_i, t* = mean / (sd / sqrt(N)); p = (1 + #{|t*| >= |t|}) / (B + 1)",
    assumes={"independent pairs (`date`, `firm`: independent clusters)"},
    robust_to={"event-induced variance", "fat tails"},
    others="R EventStudy draws one weight per firm (`firm`), Rademacher or Mammen, B = 999",
    check="public check value: p 0.3128, rng(0), B = 9999, window [-1, +3]",
)
def wild(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The cross-sectional t against its own distribution when every CAR may have had either sign (wild bootstrap).

    The null is imposed: CAR* = w CAR. `event`: one Rademacher weight a pair, `integers(0, 2, size=(B, N)) * 2 - 1`. `date`
    and `firm`: one weight a cluster, in sorted order, Webb's six points (`integers(0, 6, size=(B, G))`) below 12 clusters.
    """
    form = chosen("wild", opt, WILD)
    car, rows = cars(ar, window)
    n = car.size
    if n < 2:
        return too_few("wild", ar, window, n, 2, form)
    t = _plain_t(car)
    if np.isnan(t):
        return TestResult.none("wild", window, NO_SPREAD, form)
    names = {"event": np.arange(n), "date": distinct_dates(ar)[rows], "firm": np.array(ar.ticker)[rows]}[form]
    labels, place = np.unique(names, return_inverse=True)
    if labels.size < 2:
        return TestResult.none("wild", window, f"one {form} is one weight: no information", form, clusters=1)
    few = form != "event" and labels.size < WEBB_BELOW
    rng = np.random.default_rng(opt.seed)
    weights = (resample.webb if few else resample.rademacher)(rng, opt.draws, labels.size)
    draws = (resample.student_t_rows(w[:, place] * car) for w in weights)
    p = _resampled_p(draws, t, opt)
    extra = {"clusters": labels.size, "weights": "webb" if few else "rademacher", "min_p": 1.0 / (opt.draws + 1)}
    return TestResult("wild", window, t, p, np.nan, n, form, extra=extra)


@TESTS.add(
    "block_bootstrap",
    reference="doi:10.1214/aos/1176347265",
    scope="cross",
    min_pairs=2,
    variants=("moving",),
    formula="t = sum_t AAR_t / (S sqrt(L2)), S = sqrt(M) se of the mean estimation AAR from moving blocks, ~ t(M - 1)",
    assumes={"no event-induced variance"},
    robust_to={"cross-correlation on a common date", "serial correlation"},
    others="none of the packages read; Newey-West gives a similar standard error",
    check="public check value: se 0.00091931693 (six complete firms, block length 5, rng(0), B = 999)",
)
def block_bootstrap(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The average abnormal return against its own history, serial correlation included.

    A_t = mean residual over the M estimation rows; moving blocks of l = max(1, round(M^(1/3))) rows,
    starts `integers(0, M - l + 1, size=(B, ceil(M / l)))`, give the standard error of mean(A_t); S = sqrt(M) se takes the place
    of S_A in `cda`: t = sum AAR_t / (S sqrt(L2)) ~ t(M - 1).
    """
    form = chosen("block_bootstrap", opt, ("moving",))
    n = usable_rows(ar, window).size
    if n < 2:
        return too_few("block_bootstrap", ar, window, n, 2, form)
    a = average_residuals(ar, window)
    a = a[np.isfinite(a)]
    length = resample.block_length(a.size)
    means = resample.moving_block_means(a, length, opt.draws, np.random.default_rng(opt.seed))
    se = float(means.std(ddof=1))
    if not se > 1e-12 * np.abs(a).max():
        return TestResult.none("block_bootstrap", window, "the average residual does not vary", form)
    aar = average_abnormal_returns(ar, window)
    aar = aar[np.isfinite(aar)]
    t = aar.sum() / (np.sqrt(a.size) * se * np.sqrt(aar.size))
    extra = {"se_mean": se, "length": length, "m": a.size, "draws": opt.draws}
    return by_t("block_bootstrap", window, t, a.size - 1, n, form, opt, **extra)


def joint_sums(ar: AbnormalReturns, window: Window, rows: IntArray) -> FloatArray:
    """Q of one date (m + 1,): sums over its firms of studentised runs on every window they share, the real one last."""
    null = joint_runs(ar, rows, window).sum(axis=1)
    return np.append(null, window_stats(ar, window).scar[rows].sum())


@TESTS.add(
    "placebo_joint",
    reference="doi:10.1093/aler/aht007",
    scope="cross",
    min_pairs=2,
    variants=("studentized",),
    formula="T_b = |sum over dates of one window sum each|; p = (1 + #{T_b >= T_0}) / (B + 1)",
    assumes={"event days exchangeable with the estimation days", "independent dates"},
    robust_to={"cross-correlation within a date", "fat tails", "few dates"},
    others="ours",
    check="public check value: T_0 17.09484982, p 0.0005 (twenty dates), rng(0), B = 9999, window [-1, +1]",
)
def placebo_joint(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Would random windows before the events, one for each date, have added up to as much?

    Q_g holds the studentised sums of all firms of date g at every window of their common estimation rows, and the real
    one. One position per date is drawn, dates in order, `integers(0, len(Q_g), size=B)` each; T_b = |sum|. What firms of
    one date share stays together. Needs 19 windows on every date.
    """
    form = chosen("placebo_joint", opt, ("studentized",))
    rows = usable_rows(ar, window)
    if rows.size < 2:
        return too_few("placebo_joint", ar, window, rows.size, 2, form)
    days, group = np.unique(distinct_dates(ar)[rows], return_inverse=True)
    sums = [joint_sums(ar, window, rows[group == g]) for g in range(days.size)]
    short = min(range(days.size), key=lambda g: sums[g].size)
    if sums[short].size <= MIN_WINDOWS:
        text = f"{sums[short].size - 1} common windows before {days[short]}; placebo_joint needs {MIN_WINDOWS}"
        return TestResult.none("placebo_joint", window, text, form)
    rng = np.random.default_rng(opt.seed)
    total = np.zeros(opt.draws)
    for q in sums:
        total += q[rng.integers(0, q.size, size=opt.draws)]
    observed = float(sum(q[-1] for q in sums))
    hits = _hits(total, observed, opt.alternative)
    positions = np.array([q.size for q in sums])
    statistic = abs(observed) if opt.alternative == "two-sided" else observed
    extra = {
        "T_0": abs(observed), "sign": int(np.sign(observed)), "n_ge": hits, "groups": days.size, "positions": positions,
        "min_p": max(1.0 / (opt.draws + 1), float(np.exp(-np.log(positions).sum()))),
    }  # fmt: skip
    p = (1.0 + hits) / (opt.draws + 1.0)
    return TestResult("placebo_joint", window, statistic, p, np.nan, rows.size, form, extra=extra)
