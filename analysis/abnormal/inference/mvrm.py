"""One date, all firms at once: the multivariate regression model (Schipper and Thompson 1983; Binder 1985), its bootstrap
(Hein and Westfall 2004) and its rank version.
"""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import dist, resample
from ..registry import TESTS
from ._cross import UPPER, by_t, chosen
from ._date import DateSystem, date_system

REFERENCE = "doi:10.1023/A:1008295500105"
OTHERS = "in none of the packages read; statsmodels' multivariate least squares gives the same F"
ASSUMES = {"the same regressors for all firms", "one common date"}
F_FORMS = ("f", "chi2", "equality")
GLS_FORMS = ("corrected", "uncorrected", "ledoit_wolf")


@TESTS.add(
    "mvrm_f",
    reference=REFERENCE,
    scope="date",
    min_pairs=2,
    one_date=True,
    variants=F_FORMS,
    formula="T2 = theta' Sigma^-1 theta / c, F = (nu - N + 1) / (nu N) T2 ~ F(N, nu - N + 1)",
    assumes=ASSUMES | {"normal errors"},
    robust_to={"cross-correlation", "effects of different sign"},
    others=OTHERS,
    check="public check value: T2 9.081761467, F 1.481828026 (six complete firms), window [-1, +3]",
)
def mvrm_f(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is every firm's effect zero? (Sees moves that cancel in the mean.)

    T2 = theta' Sigma^-1 theta / c with theta the CARs, F = (nu - N + 1) / (nu N) T2 ~ F(N, nu - N + 1). `chi2` refers T2 to
    chi2(N) and over-rejects; `equality` tests that all effects are the same, by N - 1 contrasts. Fat tails make F reject
    too often: read hein_westfall or joint_sq. Refused for N > nu / 3.
    """
    form = chosen("mvrm_f", opt, F_FORMS)
    s = date_system("mvrm_f", ar, window, opt, form)
    if isinstance(s, TestResult):
        return s
    extra = {"T2": s.t2, "c": s.c, "nu": s.nu, "left_out": s.left_out, **UPPER}
    if form == "chi2":
        return TestResult("mvrm_f", window, s.t2, float(dist.chi2_p(s.t2, s.n)), s.n, s.n, form, extra=extra)
    t2, q = (_contrast_t2(s), s.n - 1) if form == "equality" else (s.t2, s.n)
    df2 = s.nu - q + 1.0
    f = df2 / (s.nu * q) * t2
    extra |= {"df1": q, "df2": df2}
    return TestResult("mvrm_f", window, f, float(dist.f_p(f, q, df2)), df2, s.n, form, extra=extra)


def _contrast_t2(s: DateSystem) -> float:
    """(C theta)' (C Sigma C')^-1 (C theta) / c for the contrasts of the first firm with each other one."""
    contrast = np.column_stack([np.ones(s.n - 1), -np.eye(s.n - 1)])
    d = contrast @ s.theta
    return float(d @ np.linalg.solve(contrast @ s.sigma @ contrast.T, d) / s.c)


@TESTS.add(
    "mvrm_mean",
    reference=REFERENCE,
    scope="date",
    min_pairs=2,
    one_date=True,
    variants=("mean",),
    formula="t = mean(theta) / sqrt(c 1'Sigma 1 / N^2) ~ t(nu)",
    assumes=ASSUMES | {"no event-induced variance"},
    robust_to={"cross-correlation"},
    others="identical to portfolio_t",
    check="public check value: 0.3146650432 (six complete firms), window [-1, +3]",
)
def mvrm_mean(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is the average effect zero, the firms' full covariance taken from before the event?

    t = mean(theta) / sqrt(c 1'Sigma 1 / N^2) ~ t(nu): the portfolio's t by another road.
    """
    form = chosen("mvrm_mean", opt, ("mean",))
    s = date_system("mvrm_mean", ar, window, opt, form, joint=False)
    if isinstance(s, TestResult):
        return s
    variance = s.sigma.sum() / s.n**2
    if not variance > 1e-24 * np.trace(s.sigma):
        return TestResult.none("mvrm_mean", window, "the firms' average residual does not vary", form)
    se = float(np.sqrt(s.c * variance))
    mean = float(s.theta.mean())
    return by_t("mvrm_mean", window, mean / se, s.nu, s.n, form, opt, caar=mean, se=se, left_out=s.left_out)


def ledoit_wolf(e: FloatArray) -> tuple[FloatArray, float]:
    """Covariance of e (M, N) shrunk towards mu I, and the weight of mu I (Ledoit and Wolf 2004).

    doi:10.1016/S0047-259X(03)00096-4. Residuals are taken as having mean zero, divisor M.
    """
    m, n = e.shape
    s = e.T @ e / m
    mu = np.trace(s) / n
    distance = np.sum((s - mu * np.eye(n)) ** 2)
    noise = (np.sum((e**2).T @ e**2) / m - np.sum(s**2)) / m
    weight = float(min(1.0, max(0.0, noise / distance))) if distance > 0 else 1.0
    return (1.0 - weight) * s + weight * mu * np.eye(n), weight


@TESTS.add(
    "mvrm_gls",
    reference=REFERENCE,
    scope="date",
    min_pairs=2,
    one_date=True,
    variants=GLS_FORMS,
    formula="theta_gls = w'theta, w = Sigma^-1 1 / (1'Sigma^-1 1), variance c / (1'Sigma^-1 1) nu (nu-1) / ((nu-N)(nu-N+1))",
    assumes=ASSUMES | {"one effect common to all firms", "no event-induced variance"},
    robust_to={"cross-correlation", "firms of different volatility"},
    others="the uncorrected form is anti-conservative because Sigma is estimated",
    check="public check value: theta 0.02262018428, uncorrected t 0.8412588934 (six complete firms), window [-1, +3]",
)
def mvrm_gls(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is the common effect zero, each firm weighted by how precisely it measures it?

    w = Sigma^-1 1 / (1'Sigma^-1 1), t = w'theta / se ~ t(nu), se^2 = c / (1'Sigma^-1 1). `corrected` multiplies the
    variance by nu (nu - 1) / ((nu - N)(nu - N + 1)), what the estimated Sigma costs; `uncorrected` does not; `ledoit_wolf`
    takes weights from a shrunk Sigma and the variance c w'Sigma w.
    """
    form = chosen("mvrm_gls", opt, GLS_FORMS)
    s = date_system("mvrm_gls", ar, window, opt, form)
    if isinstance(s, TestResult):
        return s
    one = np.ones(s.n)
    extra: dict[str, object] = {"left_out": s.left_out}
    if form == "ledoit_wolf":
        about = s.e - s.e.mean(axis=0) if s.centred else s.e
        shrunk, extra["shrinkage"] = ledoit_wolf(about)
        w = np.linalg.solve(shrunk, one)
        w = w / w.sum()
        variance = s.c * float(w @ s.sigma @ w)
    else:
        inverse = s.solve(one)
        w = inverse / inverse.sum()
        variance = s.c / float(inverse.sum())
        if form == "corrected":
            variance *= s.nu * (s.nu - 1.0) / ((s.nu - s.n) * (s.nu - s.n + 1.0))
    theta = float(w @ s.theta)
    se = float(np.sqrt(variance))
    return by_t("mvrm_gls", window, theta / se, s.nu, s.n, form, opt, caar=theta, se=se, weights=w, **extra)


@TESTS.add(
    "joint_sq",
    reference="doi:10.1093/aler/aht007",
    scope="date",
    min_pairs=2,
    one_date=True,
    variants=("t2",),
    formula="T2_s = D_s (nu - 1) / (nu - D_s), D_s = e_s'Sigma^-1 e_s / (1 - h_s); p = (1 + #{T2_s >= T2_0}) / (M + 1)",
    assumes=ASSUMES | {"event day exchangeable with the estimation days", "no event-induced variance"},
    robust_to={"cross-correlation", "fat tails", "effects of different sign"},
    others="ours",
    check="public check value: day +1 T2 27.55123414, p 0.02074688797 (six complete firms)",
)
def joint_sq(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Did any of the firms react? The day's joint distance from zero ranked among all days before it.

    T2_0 = theta' Sigma^-1 theta / c against T2_s of every estimation row with that row deleted; smallest p 1 / (M + 1).
    One-session windows and nu > 3 N only.
    """
    form = chosen("joint_sq", opt, ("t2",))
    s = date_system("joint_sq", ar, window, opt, form)
    if isinstance(s, TestResult):
        return s
    if window[0] != window[1]:
        return TestResult.none("joint_sq", window, "joint_sq is for windows of one session", form)
    if not s.nu > 3 * s.n:
        text = f"joint_sq needs nu > 3 N; nu = {s.nu:g}, N = {s.n}"
        return TestResult.none("joint_sq", window, text, form)
    d = np.einsum("sn,sn->s", s.e, s.solve(s.e.T).T) / s.keep
    null = np.where(d < s.nu, d * (s.nu - 1.0) / np.where(d < s.nu, s.nu - d, 1.0), np.inf)
    hits = int(dist.count_at_least(null, s.t2))
    m = null.size
    extra = {"m": m, "n_ge": hits, "min_p": 1.0 / (m + 1), "left_out": s.left_out, **UPPER}
    return TestResult("joint_sq", window, s.t2, (1.0 + hits) / (m + 1.0), np.nan, s.n, form, extra=extra)


@TESTS.add(
    "hein_westfall",
    reference="doi:10.1093/jjfinec/nbh018",
    scope="date",
    min_pairs=2,
    one_date=True,
    variants=("rows",),
    formula="p = (1 + #{T2*_b >= T2}) / (B + 1), T2* from whole rows of the residual matrix redrawn and refitted",
    assumes=ASSUMES | {"serially independent rows", "no event-induced variance"},
    robust_to={"cross-correlation", "fat tails", "effects of different sign"},
    others="in none of the packages read",
    check="public check value: p 0.199, rng(0), B = 999 (six complete firms), window [-1, +3]",
)
def hein_westfall(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Is every firm's effect zero? The F test's question with a bootstrap p, right under fat tails.

    Rows of the residual matrix are redrawn for all firms jointly, `integers(0, M, size=(B, M + L2))`: M onto the estimation
    rows, L2 onto the event rows; the model is refitted and T2* recomputed each time.
    """
    form = chosen("hein_westfall", opt, ("rows",))
    s = date_system("hein_westfall", ar, window, opt, form)
    if isinstance(s, TestResult):
        return s
    if not np.isfinite(s.fit).all():
        text = f"model {ar.model[int(s.rows[0])]!r} cannot be fitted again on redrawn rows"
        return TestResult.none("hein_westfall", window, text, form)
    length = window[1] - window[0] + 1
    null = resample.redrawn_t2(
        s.e, s.x, s.fit, s.u, length, s.nu, s.c, opt.draws, np.random.default_rng(opt.seed), s.centred
    )
    hits = int(dist.count_at_least(null, s.t2))
    extra = {"n_ge": hits, "draws": opt.draws, "min_p": 1.0 / (opt.draws + 1), "left_out": s.left_out, **UPPER}
    p = (1.0 + hits) / (opt.draws + 1.0)
    return TestResult("hein_westfall", window, s.t2, p, np.nan, s.n, form, extra=extra)
