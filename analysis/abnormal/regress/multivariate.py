"""Many firms at once: the multivariate regression of one date, of several dates, and of firms with their own regressors.

The tests of one date are the registered ones (`mvrm_f`, `mvrm_mean`, `mvrm_gls`, `joint_sq`, `hein_westfall`); here they
stand together, with contrasts of the user's own, dates stacked (METHODS 5.2), and SUR where regressors differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..domain import FloatArray, IntArray, TestOptions, TestResult, Window
from ..errors import RequestError, UnknownName
from ..inference._date import DateSystem, _operator, date_system
from ..inference._window import distinct_dates, estimation_block, window_stats
from ..kernel import dist
from ..models._linear import least_squares_residuals
from ..registry import TESTS
from ._setup import CannotEstimate, live_case, window_of

if TYPE_CHECKING:
    from ..case import Case

Frame = pd.DataFrame
ONE_DATE = (
    "hein_westfall", "mvrm_f", "mvrm_f:chi2", "mvrm_f:equality", "mvrm_mean", "mvrm_gls", "mvrm_gls:uncorrected",
    "mvrm_gls:ledoit_wolf", "joint_sq",
)  # fmt: skip
TEST_COLUMNS = "test variant hypothesis statistic df1 df2 p n status reason".split()
HYPOTHESES = {
    "hein_westfall": "every effect is zero (bootstrap)", "mvrm_f": "every effect is zero",
    "mvrm_f:chi2": "every effect is zero (large sample)", "mvrm_f:equality": "all effects are equal",
    "mvrm_mean": "the mean effect is zero", "mvrm_gls": "the common effect is zero (GLS)",
    "mvrm_gls:uncorrected": "the common effect is zero (GLS, Sigma as if known)",
    "mvrm_gls:ledoit_wolf": "the common effect is zero (weights from a shrunk Sigma)",
    "joint_sq": "every effect is zero (rank of the day)",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class MultivariateResult:
    """Effects of several firms (and dates) with their joint covariance.

    theta (R,) effects in the order of `effects` (one row a firm and date), v (R, R) their covariance, df its degrees of
    freedom. `tests`: test, variant, hypothesis, statistic, df1, df2, p, n, status, reason. The headline of one date is
    `hein_westfall` (for one day `joint_sq` beside it): the F needs normal errors.
    """

    window: Window
    effects: Frame
    tests: Frame
    theta: FloatArray
    v: FloatArray
    df: float
    exact: bool = True
    notes: tuple[str, ...] = ()
    reason: str = ""
    facts: Mapping[str, Any] | None = None

    def linear(
        self, weights: Mapping[str, float] | Sequence[float] | FloatArray, alternative: str = "two-sided"
    ) -> TestResult:
        """t test that a weighted sum of effects is zero; weights (R,) or by ticker (one date)."""
        w = self._weights(weights)
        value, se = float(w @ self.theta), float(np.sqrt(w @ self.v @ w))
        if not se > 0:
            return TestResult.none("linear", self.window, "the weights are all zero, or the combination does not vary")
        p = float(dist.student_p(value / se, self.df, alternative))
        return TestResult(
            "linear", self.window, value / se, p, self.df, self.theta.size, extra={"estimate": value, "se": se}
        )

    def contrast(self, rows: FloatArray | Sequence[Sequence[float]]) -> TestResult:
        """F test that C theta = 0, C (q, R): F = (df - q + 1) / (df q) (C theta)'(C V C')^-1 (C theta) on one date.

        Effects of several dates share residuals of one Sigma: there T2 / q is referred to F(q, df), an approximation.
        """
        c = np.atleast_2d(np.asarray(rows, float))
        if c.shape[1] != self.theta.size:
            raise RequestError(f"contrast: {c.shape[1]} columns given; expected one an effect ({self.theta.size})")
        q = int(np.linalg.matrix_rank(c))
        if q < c.shape[0]:
            return TestResult.none("contrast", self.window, f"the {c.shape[0]} rows say only {q} different things")
        d = c @ self.theta
        t2 = float(d @ np.linalg.solve(c @ self.v @ c.T, d))
        df2 = self.df - q + 1.0 if self.exact else self.df
        if not df2 > 0:
            return TestResult.none("contrast", self.window, f"{q} contrasts against {self.df:g} degrees of freedom")
        f = t2 * df2 / (self.df * q) if self.exact else t2 / q
        p = float(dist.f_p(f, q, df2))
        return TestResult("contrast", self.window, f, p, df2, self.theta.size, extra={"df1": q, "T2": t2})

    def _weights(self, weights: Any) -> FloatArray:
        if not isinstance(weights, Mapping):
            w = np.asarray(weights, float)
            if w.shape != self.theta.shape:
                raise RequestError(f"weights: shape {w.shape} given; expected ({self.theta.size},)")
            return w
        tickers = list(self.effects["ticker"])
        for name in weights:
            if name not in tickers:
                raise UnknownName("ticker", name, tickers)
        return np.array([float(weights.get(t, 0.0)) for t in tickers])

    def __repr__(self) -> str:
        head = f"Multivariate regression, window ({self.window[0]}, {self.window[1]})"
        if self.reason:
            return f"{head}: {self.reason}\n"
        tables = [f.to_string(index=False, float_format=lambda v: f"{v:.6g}") for f in (self.effects, self.tests)]
        return "\n\n".join([head, *tables, *(f"{n}." for n in self.notes)]) + "\n"


def multivariate(study: Any, *, window: Window | None = None, tests: Sequence[str] = ONE_DATE) -> MultivariateResult:
    """All firms of a study in one multivariate regression: joint F, T2, mean and GLS effects, equality, bootstrap.

    One date: theta (N,) CARs, Var(theta) = c Sigma, every registered test of a common date in `tests`. Several dates with
    the same firms on each: one set of dummies a date, effects stacked, Var(vec Theta) = C x Sigma with C the dates'
    forecast covariance; tests that every effect is zero (Wilks with Rao's F; bootstrap of whole residual rows), that the
    mean effect is zero, and that the mean effects of the dates are equal.

    Parameters
    ----------
    study : StudyResult or Case
    window : (int, int), optional
        Default: the headline.
    tests : names of one-date tests, with `:variant`

    Returns
    -------
    MultivariateResult
        With `reason` set, and empty frames, where the firms are no system (one firm, different regressors: see `sur`).

    References
    ----------
    Schipper and Thompson (1983), doi:10.2307/2490940; Binder (1985), doi:10.2307/2490825; Hein and Westfall (2004),
    doi:10.1093/jjfinec/nbh018.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.multivariate import multivariate
    >>> joint = multivariate(ab.run("anthropic_order_two_labs"))
    >>> joint.linear({"2513.HK": 1, "0100.HK": -1}).df
    79.0
    """
    case = live_case(study)
    chosen = window_of(case, window)
    if case.size == 0:
        return _refused(chosen, case.excluded[0].reason if case.excluded else "the study has no pair")
    if np.unique(distinct_dates(case.ar)).size > 1:
        return _stacked(case, chosen)
    return _one_date(case, chosen, tests)


def _refused(window: Window, reason: str) -> MultivariateResult:
    none = np.empty(0)
    effects = Frame(columns="ticker session theta se t p".split())
    return MultivariateResult(
        window, effects, Frame(columns=TEST_COLUMNS), none, np.empty((0, 0)), np.nan, reason=reason
    )


def _options(case: Case, variant: str = "") -> TestOptions:
    return TestOptions(
        variant=variant, alternative=case.spec.alternative, level=case.spec.level, seed=case.spec.seed,
        draws=case.spec.draws, min_obs=case.spec.min_obs, portfolio=case.portfolio,
    )  # fmt: skip


def _one_date(case: Case, window: Window, tests: Sequence[str]) -> MultivariateResult:
    found = date_system("the system", case.ar, window, _options(case), "", joint=False)
    if not isinstance(found, DateSystem):
        return _refused(window, found.reason.removeprefix("the system "))
    rows = []
    for name in tests:
        test, _, variant = name.partition(":")
        method = TESTS.get(test)
        r = method(case.ar, window, _options(case, variant or method.default_variant))
        rows.append(_test_row(r, HYPOTHESES.get(name, method.title)))
    v = found.c * found.sigma
    notes = (f"left out: {', '.join(found.left_out)} (too few sessions in common)",) if found.left_out else ()
    return MultivariateResult(
        window, _effects(case, found.rows, found.theta, v, found.nu), Frame(rows, columns=TEST_COLUMNS), found.theta, v,
        found.nu, notes=notes, facts={"m": found.e.shape[0], "c": found.c},
    )  # fmt: skip


def _test_row(r: TestResult, hypothesis: str) -> dict[str, Any]:
    return {
        "test": r.test, "variant": r.variant, "hypothesis": hypothesis, "statistic": r.statistic,
        "df1": r.extra.get("df1", np.nan), "df2": r.df, "p": r.p, "n": r.n, "status": r.status, "reason": r.reason,
    }  # fmt: skip


def _effects(case: Case, rows: IntArray, theta: FloatArray, v: FloatArray, df: float) -> Frame:
    se = np.sqrt(np.diag(v))
    t = theta / se
    sessions = distinct_dates(case.ar)[rows]
    tickers = [case.ar.ticker[i] for i in rows]
    p = dist.student_p(t, df, case.spec.alternative)
    return Frame({"ticker": tickers, "session": sessions, "theta": theta, "se": se, "t": t, "p": p})


# ------------------------------------------------------------------------------------------------ several common dates


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """N firms on D dates: e (M, N), sigma (N, N), theta (D, N), c (D, D), x (M, k), fit (k, M), u (D, k), rows (D, N)."""

    e: FloatArray
    sigma: FloatArray
    theta: FloatArray
    c: FloatArray
    nu: float
    x: FloatArray
    fit: FloatArray
    u: FloatArray
    rows: IntArray
    cells: FloatArray


def _stacked(case: Case, window: Window) -> MultivariateResult:
    try:
        s = _stack(case, window)
    except CannotEstimate as why:
        return _refused(window, str(why))
    d, n = s.theta.shape
    v: FloatArray = np.asarray(np.kron(s.c, s.sigma), float)
    mean_v = s.c * s.sigma.sum() / n**2
    by_date = s.theta.mean(axis=1)
    rows = [_wilks(s), _stacked_bootstrap(s, case), _mean_row(s, by_date, mean_v), _equal_dates(s, by_date, mean_v)]
    notes = (f"{n} firms on {d} dates, one set of dummies a date, {s.e.shape[0]} estimation sessions in common",)
    return MultivariateResult(
        window, _effects(case, s.rows.ravel(), s.theta.ravel(), v, s.nu), Frame(rows, columns=TEST_COLUMNS),
        s.theta.ravel(), v, s.nu, exact=False, notes=notes, facts={"m": s.e.shape[0], "c": s.c},
    )  # fmt: skip


def _grid(case: Case, window: Window) -> IntArray:
    """Pairs (D, N) of the firms that have a whole window on every date, dates in order."""
    ar = case.ar
    if len(set(case.key)) > 1:
        raise CannotEstimate("needs one session axis; these firms trade on different exchanges")
    whole = window_stats(ar, window).full & np.isfinite(window_stats(ar, window).car)
    days = np.unique(case.day0)
    place = {(ar.ticker[i], int(case.day0[i])): i for i in range(ar.size) if whole[i]}
    firms = [t for t in dict.fromkeys(ar.ticker) if all((t, int(d)) in place for d in days)]
    if len(firms) < 2:
        raise CannotEstimate(
            f"stacking dates needs 2 firms that have an event on every one of the {days.size} dates; here: {len(firms)}"
        )
    return np.array([[place[(t, int(d))] for t in firms] for d in days], np.int64)


def _stack(case: Case, window: Window) -> _Stack:
    ar, rows = case.ar, _grid(case, window)
    first = int(rows[0, 0])
    k = int(ar.k[first])
    models = sorted({ar.model[i] for i in rows.ravel()})
    if len(models) > 1:
        raise CannotEstimate(f"needs one model for all firms; here: {', '.join(models)}")
    y, x = _common_rows(case, rows, window, k)
    fit = _operator(ar, first, x)
    if fit is None:
        raise CannotEstimate(f"cannot fit model {models[0]!r} again on the sessions all firms share")
    b = fit @ y
    e = y - x @ b
    nu = x.shape[0] - float(ar.m[first] - ar.df[first])
    if not nu > rows.shape[1]:
        raise CannotEstimate(f"{rows.shape[1]} firms against {nu:g} degrees of freedom: more firms than days")
    cols = ar.columns(window)
    event_x = ar.x[rows[:, 0], cols, :k]
    adjusted = ar.raw[:, cols] - (ar.expected[:, cols] if k == 0 else 0.0)
    u = event_x.sum(axis=1)
    theta = adjusted[rows].sum(axis=2) - np.einsum("dk,kn->dn", u, b)
    sessions = case.day0[rows[:, 0], None] + np.arange(window[0], window[1] + 1)[None, :]
    shared = np.array([[np.intersect1d(a, c).size for c in sessions] for a in sessions], float)
    about = e - e.mean(axis=0) if k == 0 else e
    return _Stack(
        e, about.T @ about / nu, theta, shared + u @ fit @ fit.T @ u.T, nu, x, fit, u, rows, sessions.astype(float)
    )  # fmt: skip


def _common_rows(case: Case, rows: IntArray, window: Window, k: int) -> tuple[FloatArray, FloatArray]:
    """Sessions that are estimation rows of every firm at some date and in no event window: y (M, N), x (M, k)."""
    ar = case.ar
    block = estimation_block(ar)
    event = {int(case.day0[i]) + o for i in rows[:, 0] for o in range(window[0], window[1] + 1)}
    seen: list[dict[int, int]] = []
    for j in range(rows.shape[1]):
        cells: dict[int, int] = {}
        for i in rows[:, j]:
            at = case.day0[i] + ar.offsets[block]
            cells |= {int(at[w]): int(i) * ar.offsets.size + int(w) for w in np.flatnonzero(ar.est[i, block])}
        seen.append(cells)
    place = sorted(set.intersection(*(set(c) for c in seen)) - event)
    if len(place) < case.spec.min_obs:
        raise CannotEstimate(
            f"{len(place)} estimation sessions in common outside all event windows; needs {case.spec.min_obs}"
        )
    flat = np.array([[c[r] for c in seen] for r in place])
    i, w = flat // ar.offsets.size, flat % ar.offsets.size
    x = ar.x[i, w][:, :, :k]
    if not (ar.noise[i, w] == 1.0).all():
        raise CannotEstimate("needs returns of one session each with constant variance")
    if k and np.abs(x - x[:, :1]).max() > 1e-12 * max(float(np.abs(x).max()), 1e-300):
        raise CannotEstimate("needs the same regressors for all firms; use sur")
    y = ar.raw[i, w] - (ar.expected[i, w] if k == 0 else 0.0)
    return y, x[:, 0]


def _wilks(s: _Stack) -> dict[str, Any]:
    """Wilks' Lambda that all D x N effects are zero, Rao's F (exact for one date or two)."""
    d, n = s.theta.shape
    base = s.nu * s.sigma
    hypothesis = s.theta.T @ np.linalg.solve(s.c, s.theta)
    ratio = np.linalg.slogdet(base)[1] - np.linalg.slogdet(base + hypothesis)[1]
    square = float(n * n + d * d - 5)
    root = float(np.sqrt((n * n * d * d - 4.0) / square)) if square > 0 else 1.0
    df1 = float(n * d)
    df2 = (s.nu + d - (n + d + 1) / 2.0) * root - (n * d - 2) / 2.0
    lam = float(np.exp(ratio / root))
    f = (1.0 - lam) / lam * df2 / df1
    return _row(
        "mvrm_f", "wilks", "every effect on every date is zero", f, df1, df2, float(dist.f_p(f, df1, df2)), n * d
    )


def _row(
    test: str, variant: str, hypothesis: str, f: float, df1: float, df2: float, p: float, n: int
) -> dict[str, Any]:
    values = (test, variant, hypothesis, f, df1, df2, p, n, "ok", "")
    return dict(zip(TEST_COLUMNS, values))


def _stack_t2(theta: FloatArray, sigma: FloatArray, c: FloatArray) -> float:
    return float(np.sum(np.linalg.solve(c, theta) * np.linalg.solve(sigma, theta.T).T))


def _stacked_bootstrap(s: _Stack, case: Case) -> dict[str, Any]:
    """Hein and Westfall's bootstrap of T2 = tr(C^-1 Theta Sigma^-1 Theta'): residual rows redrawn for all firms jointly.

    Draws `integers(0, M, size=(B, M + sessions))`: M rows onto the estimation rows, one for each distinct event session.
    """
    d, n = s.theta.shape
    m = s.e.shape[0]
    sessions, at = np.unique(s.cells, return_inverse=True)
    member = np.zeros((d, sessions.size))
    member[np.repeat(np.arange(d), s.cells.shape[1]), at.ravel()] = 1.0
    observed = _stack_t2(s.theta, s.sigma, s.c)
    rng = np.random.default_rng(case.spec.seed)
    hits = 0
    for _ in range(case.spec.draws):
        rows = rng.integers(0, m, size=m + sessions.size)
        e = s.e[rows[:m]]
        b = s.fit @ e
        resid = e - s.x @ b
        about = resid - resid.mean(axis=0) if s.x.shape[1] == 0 else resid
        theta = member @ s.e[rows[m:]] - s.u @ b
        hits += _stack_t2(theta, about.T @ about / s.nu, s.c) >= observed - dist.TIE
    p = (1.0 + hits) / (case.spec.draws + 1.0)
    return _row(
        "hein_westfall", "stacked", "every effect on every date is zero (bootstrap)", observed, np.nan, np.nan, p, n * d
    )


def _mean_row(s: _Stack, by_date: FloatArray, v: FloatArray) -> dict[str, Any]:
    d = by_date.size
    t = float(by_date.mean() / np.sqrt(v.sum() / d**2))
    return _row(
        "mvrm_mean", "stacked", "the mean effect is zero", t, np.nan, s.nu, float(dist.student_p(t, s.nu)), s.theta.size
    )


def _equal_dates(s: _Stack, by_date: FloatArray, v: FloatArray) -> dict[str, Any]:
    d = by_date.size
    contrast = np.column_stack([np.ones(d - 1), -np.eye(d - 1)])
    diff = contrast @ by_date
    f = float(diff @ np.linalg.solve(contrast @ v @ contrast.T, diff) / (d - 1))
    p = float(dist.f_p(f, d - 1, s.nu))
    return _row("mvrm_f", "equal_dates", "the mean effects of the dates are equal", f, d - 1.0, s.nu, p, s.theta.size)


# ------------------------------------------------------------------------------------------------ own regressors


def sur(study: Any, *, window: Window | None = None) -> MultivariateResult:
    """Seemingly unrelated regressions: one date, every firm with regressors of its own (extra `models`).

    linearmodels' SUR on the estimation rows all firms share; effects are forecast errors of the window, with
    Var(theta) = L2 Sigma + U Var(b) U'. Wald chi2(N) and F(N, M - k) that every effect is zero, t that the mean effect is.
    With the same regressors for all firms it is equation-by-equation least squares, and `multivariate` says more.

    References
    ----------
    Zellner (1962), doi:10.1080/01621459.1962.10480664.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.multivariate import sur
    >>> sur(ab.run("anthropic_export_order")).reason
    'needs 2 firms with a whole event window; here: 1'
    """
    case = live_case(study)
    chosen = window_of(case, window)
    try:
        return _sur(case, chosen)
    except CannotEstimate as why:
        return _refused(chosen, str(why))


def _sur(case: Case, window: Window) -> MultivariateResult:
    ar = case.ar
    w = window_stats(ar, window)
    rows = np.flatnonzero(w.full & np.isfinite(w.car))
    if rows.size < 2:
        raise CannotEstimate(f"needs 2 firms with a whole event window; here: {rows.size}")
    if np.unique(distinct_dates(ar)[rows]).size > 1 or len({case.key[i] for i in rows}) > 1:
        raise CannotEstimate("needs one common event date on one exchange")
    if any(ar.refit.get(ar.model[i]) is not least_squares_residuals or ar.k[i] == 0 for i in rows):
        raise CannotEstimate("needs models fitted by least squares (market, industry, peers_reg, factor models)")
    use = np.flatnonzero(ar.est[rows][:, estimation_block(ar)].all(axis=0))
    if use.size <= rows.size + int(ar.k[rows].max()):
        raise CannotEstimate(f"{use.size} sessions in common for {rows.size} firms: more firms than days")
    answer = _sur_fit(case, rows, use)
    k = ar.k[rows]
    sums = [ar.x[i, ar.columns(window), : ar.k[i]].sum(axis=0) for i in rows]
    u = np.zeros((rows.size, int(k.sum())))
    for j, (start, values) in enumerate(zip(np.concatenate([[0], np.cumsum(k)[:-1]]), sums)):
        u[j, start : start + values.size] = values
    params, cov = np.asarray(answer.params, float), np.asarray(answer.cov, float)
    length = window[1] - window[0] + 1
    theta = ar.raw[rows, ar.columns(window)].sum(axis=1) - u @ params
    # Without small-sample factor linearmodels divides by M; degrees of freedom are counted as everywhere else.
    df = float(use.size - k.max())
    v = (length * np.asarray(answer.sigma, float) + u @ cov @ u.T) * use.size / df
    wald = float(theta @ np.linalg.solve(v, theta))
    mean = float(theta.mean() / np.sqrt(v.sum() / theta.size**2))
    n = rows.size
    tests = [
        _row("sur_f", "f", "every effect is zero", wald / n, n, df, float(dist.f_p(wald / n, n, df)), n),
        _row("sur_f", "chi2", "every effect is zero (large sample)", wald, n, np.nan, float(dist.chi2_p(wald, n)), n),
        _row("sur_mean", "mean", "the mean effect is zero", mean, np.nan, df, float(dist.student_p(mean, df)), n),
    ]
    return MultivariateResult(
        window, _effects(case, rows, theta, v, df), Frame(tests, columns=TEST_COLUMNS), theta, v, df, exact=False,
        notes=("large-sample tests: Sigma is estimated, and with few sessions a firm they reject too often",),
        facts={"m": use.size},
    )  # fmt: skip


def _sur_fit(case: Case, rows: IntArray, use: IntArray) -> Any:
    try:
        from linearmodels.system import SUR
    except ImportError:
        raise CannotEstimate('needs linearmodels: pip install "abnormal[models]"') from None
    ar = case.ar
    equations = {
        f"{ar.ticker[i]}_{j}": {
            "dependent": pd.Series(ar.raw[i, use], name=f"y{j}"),
            "exog": Frame(ar.x[i, use, : ar.k[i]], columns=[f"x{q}" for q in range(ar.k[i])]),
        }
        for j, i in enumerate(rows)
    }
    try:
        return SUR(equations).fit(method="gls", cov_type="unadjusted", debiased=False)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise CannotEstimate(f"the system cannot be estimated: {str(error).splitlines()[0]}") from None
