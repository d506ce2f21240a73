"""Did the event raise the variance? (Beaver 1968; Patell 1976; Brown and Forsythe 1974; our dispersion ratio.)

All but `disp_ratio` read a plain mean effect as variance as well.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from ..domain import AbnormalReturns, FloatArray, IntArray, TestOptions, TestResult, Window
from ..kernel import dist
from ..kernel.windows import run_sums
from ..registry import TESTS
from ._cross import UPPER, by_t, chosen, keep_complete, one_date_rows, too_few, usable_rows
from ._runs import joint_runs, studentised_runs
from ._window import window_stats

MIN_WINDOWS = 19
LOG_VAR = ("own_average", "raw", "normal")


def dispersion(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Q = sum w d^2, d = x - sum(w x) / sum(w), over the last axis: a shift common to all firms cancels."""
    centre = (x @ weight) / weight.sum()
    return ((x - centre[..., None]) ** 2) @ weight


@TESTS.add(
    "disp_ratio",
    reference="doi:10.1093/aler/aht007",
    scope="cross",
    min_pairs=3,
    one_date=True,
    variants=("studentized",),
    formula="Q = sum w d^2, d = CAR_i - sum(w CAR) / sum(w), w = 1 / s_i^2; p = (1 + #{Q_q >= Q}) / (m + 1)",
    assumes={"event day exchangeable with the estimation days", "one common date"},
    robust_to={"a common mean effect", "cross-correlation", "fat tails"},
    others="ours",
    check="public check value: Q 6.899827291, p 0.1434599156, ratio 1.60801804 (six complete firms), window [-1, +3]",
)
def disp_ratio(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do the firms' abnormal returns lie further apart than on other days? (The trigger for event-induced variance.)

    Q = sum w_i d_i^2 with d_i the firm's CAR less the precision-weighted mean, each over its own sqrt(c), against the same Q
    on all m estimation windows complete for all firms; upper tail. `extra["ratio_to_mean"]` is the factor by which
    the dispersion exceeds its average. Needs one date, three firms with whole windows, 19 windows.
    """
    form = chosen("disp_ratio", opt, ("studentized",))
    w = window_stats(ar, window)
    whole = np.flatnonzero(w.usable & w.full)
    refusal = one_date_rows("disp_ratio", ar, window, whole, 3, form)
    if refusal is not None:
        return refusal
    rows, left_out = keep_complete(ar, whole, opt.min_obs)
    z = joint_runs(ar, rows, window)
    if rows.size < 3 or z.shape[0] < MIN_WINDOWS:
        text = f"{z.shape[0]} windows complete for {rows.size} firms; disp_ratio needs {MIN_WINDOWS} and 3 firms"
        return TestResult.none("disp_ratio", window, text, form)
    weight = 1.0 / ar.sigma[rows] ** 2
    null = dispersion(z * ar.sigma[rows], weight)
    observed = float(dispersion(w.car[rows] / np.sqrt(w.c[rows]), weight))
    hits = int(dist.count_at_least(null, observed))
    extra = {
        "m": null.size,
        "n_ge": hits,
        "ratio_to_mean": observed / float(null.mean()),
        "left_out": left_out,
        **UPPER,
    }
    p = (1.0 + hits) / (null.size + 1.0)
    return TestResult("disp_ratio", window, observed, p, np.nan, rows.size, form, extra=extra)


def _own_average(ar: AbnormalReturns, rows: IntArray, lengths: IntArray) -> FloatArray:
    """Mean over a pair's estimation windows of ln(mean z^2), z studentised residuals; NaN without a window."""
    squares = studentised_runs(ar, rows, 1) ** 2
    out = np.full(rows.size, np.nan)
    for length in np.unique(lengths):
        of = lengths == length
        with np.errstate(divide="ignore"):
            q = np.log(run_sums(squares[of], int(length)) / length)
        have = np.isfinite(q)
        with np.errstate(invalid="ignore"):
            out[of] = np.where(have, q, 0.0).sum(axis=1) / np.where(have.any(axis=1), have.sum(axis=1), np.nan)
    return out


@TESTS.add(
    "log_var_ratio",
    reference="doi:10.2307/2490070",
    scope="cross",
    min_pairs=2,
    variants=LOG_VAR,
    formula="t of q_i = ln(mean_t SAR_it^2) less its average over the firm's own estimation windows, ~ t(N - 1)",
    assumes={"independent pairs", "no mean effect"},
    others="`raw` leaves the null mean of q in; `normal` takes off digamma(L/2) + ln 2 - ln L",
    check="public check value: raw t 1.43339642, window [-1, +3]",
)
def log_var_ratio(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is the firms' variance at the event above its usual level, firm by firm, in logs?

    q_i = ln(mean_t SAR_it^2); from each is taken the firm's average of the same statistic over its overlapping estimation
    windows (`own_average`), its mean under normal errors digamma(L2/2) + ln 2 - ln L2 (`normal`), or nothing (`raw`). Then
    a cross-sectional t ~ t(N - 1); positive means more variance (or a mean effect: it cannot tell).
    """
    form = chosen("log_var_ratio", opt, LOG_VAR)
    rows = usable_rows(ar, window)
    w = window_stats(ar, window)
    with np.errstate(divide="ignore"):
        q = np.log(np.nansum(w.sar[rows] ** 2, axis=1) / w.n[rows])
    if form == "own_average":
        q = q - _own_average(ar, rows, w.n[rows])
    elif form == "normal":
        length = w.n[rows].astype(float)
        q = q - (special.digamma(length / 2.0) + np.log(2.0) - np.log(length))
    keep = np.isfinite(q)
    left_out = tuple(ar.ticker[i] for i in rows[~keep])
    q, n = q[keep], int(keep.sum())
    if n < 2:
        return too_few("log_var_ratio", ar, window, n, 2, form, "a nonzero abnormal return")
    sd = q.std(ddof=1)
    if not sd > 1e-12 * np.abs(q).max():
        return TestResult.none("log_var_ratio", window, "the log variances do not differ (standard deviation 0)", form)
    t = q.mean() / (sd / np.sqrt(n))
    return by_t("log_var_ratio", window, t, n - 1, n, form, opt, left_out=left_out, even=True)


@TESTS.add(
    "beaver_u",
    reference="doi:10.2307/2490070",
    scope="cross",
    min_pairs=2,
    variants=("patell",),
    formula="z = sum (U_i (nu - 2) / nu - 1) / sqrt(sum 2 (nu - 1) / (nu - 4)), U = SCAR^2 ~ F(1, nu), upper tail N(0, 1)",
    assumes={"independent pairs", "normal errors", "no mean effect"},
    others="none of the packages read",
    check="public check value: mean U 0.8533317731, z -0.3078589575, window [0, 0]",
)
def beaver_u(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Are the squared abnormal returns larger than the firms' past noise implies?

    U_i = SAR_i^2 (a window: SCAR_i^2) ~ F(1, nu); z = sum (U (nu - 2) / nu - 1) / sqrt(sum 2 (nu - 1) / (nu - 4)), upper tail
    of N(0, 1). Needs nu > 4.
    """
    form = chosen("beaver_u", opt, ("patell",))
    rows = usable_rows(ar, window)
    n = rows.size
    if n < 2:
        return too_few("beaver_u", ar, window, n, 2, form)
    nu = ar.df[rows]
    if not (nu > 4).all():
        text = f"beaver_u needs more than 4 degrees of freedom; the shortest pair has {nu.min():g}"
        return TestResult.none("beaver_u", window, text, form)
    u = window_stats(ar, window).scar[rows] ** 2
    z = float(np.sum(u * (nu - 2.0) / nu - 1.0) / np.sqrt(np.sum(2.0 * (nu - 1.0) / (nu - 4.0))))
    p = float(dist.normal_p(z, "greater"))
    return TestResult("beaver_u", window, z, p, np.nan, n, form, extra={"mean_u": float(u.mean()), **UPPER})


def brown_forsythe(a: FloatArray, b: FloatArray) -> float:
    """F of a one-way analysis of variance on |value - median of its group|, two groups."""
    da, db = np.abs(a - np.median(a)), np.abs(b - np.median(b))
    n = a.size + b.size
    overall = (da.sum() + db.sum()) / n
    between = a.size * (da.mean() - overall) ** 2 + b.size * (db.mean() - overall) ** 2
    within = np.sum((da - da.mean()) ** 2) + np.sum((db - db.mean()) ** 2)
    return float(between / (within / (n - 2))) if within > 0 else np.nan


@TESTS.add(
    "levene_bf",
    reference="doi:10.1080/01621459.1974.10482955",
    scope="cross",
    min_pairs=2,
    variants=("median",),
    formula="F on |z - median| of pooled SARs against pooled studentised residuals ~ F(1, n - 2)",
    assumes={"independent pairs and days"},
    robust_to={"fat tails"},
    others="scipy.stats.levene(center='median') on the same two groups",
    check="no public value; equal to scipy.stats.levene in the tests",
)
def levene_bf(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do standardised abnormal returns scatter more (or less) in the event window than before it?

    Brown-Forsythe F on the distances from the median: SARs of all firms and event days against all studentised estimation
    residuals e / (s sqrt(1 - h)); F(1, n - 2). `extra["ratio"]` says which side scatters more.
    """
    form = chosen("levene_bf", opt, ("median",))
    rows = usable_rows(ar, window)
    if rows.size < 2:
        return too_few("levene_bf", ar, window, rows.size, 2, form)
    event = window_stats(ar, window).sar[rows]
    event = event[np.isfinite(event)]
    quiet = studentised_runs(ar, rows, 1)
    quiet = quiet[np.isfinite(quiet)]
    f = brown_forsythe(event, quiet)
    if np.isnan(f):
        return TestResult.none("levene_bf", window, "the distances from the median do not differ", form)
    df = event.size + quiet.size - 2
    ratio = np.abs(event - np.median(event)).mean() / np.abs(quiet - np.median(quiet)).mean()
    extra = {"df1": 1, "df2": df, "ratio": float(ratio), **UPPER}
    return TestResult("levene_bf", window, f, float(dist.f_p(f, 1.0, df)), df, rows.size, form, extra=extra)
