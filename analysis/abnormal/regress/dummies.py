"""Event days as dummies of one regression (Izan 1978; Karafiath 1988): abnormal returns, their sums and joint tests.

A dummy for one session takes that session out of the fit: its coefficient is the abnormal return, its standard error the
forecast error, and any sum of coefficients has its exact variance. Events of one firm whose windows overlap are estimated
together (METHODS 5.1, 8.2 `split`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..domain import Excluded, FloatArray, TestResult, Window
from ..errors import RequestError, UnknownName
from ..kernel import dist, sandwich
from ..models._linear import least_squares_residuals
from ._setup import live_case, window_of

if TYPE_CHECKING:
    from ..case import Case

Frame = pd.DataFrame
DummyCov = Literal["ols", "HC0", "HC1", "HC2", "HC3", "HAC"]
COVS = ("ols", "HC0", "HC1", "HC2", "HC3", "HAC")
MEANINGLESS = (
    "cov={cov!r} has no meaning for an event dummy on one day: that day's residual is 0 by construction, so its contribution "
    "to a robust variance is 0 and any effect looks certain. Use cov='ols' (the forecast error), or placebo_time and sq for "
    "inference without normality; robust errors are there for the other coefficients (.coefficients(cov={cov!r})) and for "
    "window_dummy over several days"
)


@dataclass(frozen=True, slots=True, eq=False)
class DummyRegression:
    """One firm's regression with a dummy for every session of its event windows.

    `fit` is the statsmodels results object; `gamma` (D,), `v` (D, D) the dummies' coefficients (= abnormal returns) and
    their covariance, `sessions` (D,) their dates, `events` the firm's events in order, `owner` (D,) the event each session
    is attributed to.
    """

    ticker: str
    model: str
    fit: Any
    names: tuple[str, ...]
    sessions: np.ndarray
    gamma: FloatArray
    v: FloatArray
    df: float
    owner: np.ndarray
    events: tuple[str, ...]

    def linear(
        self, weights: Sequence[float] | FloatArray | Mapping[str, float], alternative: str = "two-sided"
    ) -> TestResult:
        """t test that a weighted sum of the day effects is zero; weights (D,) in session order or by date ("2026-06-15")."""
        w = self._weights(weights)
        value, se = float(w @ self.gamma), float(np.sqrt(w @ self.v @ w))
        if not se > 0:
            return TestResult.none("linear", (0, 0), "the weights are all zero")
        p = float(dist.student_p(value / se, self.df, alternative))
        return TestResult(
            "linear", (0, 0), value / se, p, self.df, self.gamma.size, extra={"estimate": value, "se": se}
        )

    def wald(self, hypotheses: FloatArray | Sequence[Sequence[float]] | None = None) -> TestResult:
        """F test that all rows of `hypotheses` (q, D) times the day effects are zero; None: every effect is zero.

        For all sessions of one event this is `f_window`.
        """
        r = np.eye(self.gamma.size) if hypotheses is None else np.atleast_2d(np.asarray(hypotheses, float))
        if r.shape[1] != self.gamma.size:
            raise RequestError(f"hypotheses: {r.shape[1]} columns given; expected one a session ({self.gamma.size})")
        q = int(np.linalg.matrix_rank(r))
        if q < r.shape[0]:
            return TestResult.none("wald", (0, 0), f"the {r.shape[0]} hypotheses say only {q} different things")
        d = r @ self.gamma
        f = float(d @ np.linalg.solve(r @ self.v @ r.T, d) / q)
        return TestResult("wald", (0, 0), f, float(dist.f_p(f, q, self.df)), self.df, self.gamma.size, extra={"df1": q})

    def coefficients(self, cov: DummyCov = "ols", lags: int | None = None) -> Frame:
        """The other coefficients (alpha, beta, ...) with plain, robust or Newey-West standard errors."""
        _check_cov(cov)
        fit = _robust(self.fit, cov, lags)
        k = len(self.names)
        columns = {"coef": fit.params[:k], "se": fit.bse[:k], "t": fit.tvalues[:k], "p": fit.pvalues[:k]}
        return Frame({name: np.asarray(v, float) for name, v in columns.items()}, index=list(self.names))

    def _weights(self, weights: Any) -> FloatArray:
        days = [str(d) for d in self.sessions]
        if isinstance(weights, Mapping):
            for day in weights:
                if str(day) not in days:
                    raise UnknownName("session", day, days, f"dummies: {', '.join(days)}")
            return np.array([float(weights.get(d, 0.0)) for d in days])
        w = np.asarray(weights, float)
        if w.shape != self.gamma.shape:
            raise RequestError(f"weights: shape {w.shape} given; expected one a session: {', '.join(days)}")
        return w


@dataclass(frozen=True, slots=True, eq=False)
class EventDummies:
    """All firms' dummy regressions. `days`: one row a firm and session; `cars`: one row a firm and event."""

    window: Window
    firms: Mapping[str, DummyRegression]
    days: Frame
    cars: Frame
    excluded: tuple[Excluded, ...] = ()

    def __getitem__(self, ticker: str) -> DummyRegression:
        if ticker not in self.firms:
            raise UnknownName("ticker", ticker, self.firms)
        return self.firms[ticker]

    def __repr__(self) -> str:
        head = f"Event dummies, window ({self.window[0]}, {self.window[1]}), one regression a firm"
        said = [f"Left out: {x.what}: {x.reason}." for x in self.excluded]
        table = self.cars.to_string(index=False, float_format=lambda v: f"{v:.6g}") if len(self.cars) else ""
        return "\n".join([head, table, *said]).rstrip() + "\n"


def event_dummies(
    study: Any, *, window: Window | None = None, cov: DummyCov = "ols", level: float | None = None
) -> EventDummies:
    """Abnormal returns as coefficients: one dummy a session, all events of a firm in one regression.

    y = X b + sum_t gamma_t D_t + e over estimation and event rows. With one event a firm, gamma_t = AR_t with standard
    error s sqrt(1 + h_t), sum gamma = CAR with s sqrt(c), the Wald F is `f_window`, all to rounding. With several, the
    estimation rows are those of all its events, and where windows overlap `split_car` counts each session once: for the
    later event only from its day 0 on. Events with the same day 0 are one line: their sum is identified, not the parts.

    Parameters
    ----------
    study : StudyResult or Case
    window : (int, int), optional
        Default: the headline.
    cov : "ols"
        Robust and HAC errors are refused for dummies of one day; the message says why and what to use.

    Raises
    ------
    RequestError
        For any other `cov`.

    References
    ----------
    Karafiath (1988), doi:10.1111/j.1540-6288.1988.tb01274.x.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.dummies import event_dummies
    >>> study = ab.run("chip_export_rules_2022")
    >>> len(event_dummies(study, window=(0, 1)).days)
    4
    """
    case = live_case(study)
    chosen = window_of(case, window)
    _check_cov(cov)
    if cov != "ols":
        raise RequestError(MEANINGLESS.format(cov=cov))
    alpha = case.spec.level if level is None else level
    firms: dict[str, DummyRegression] = {}
    excluded: list[Excluded] = []
    days, cars = [], []
    for ticker, rows in _by_firm(case):
        found = _fitted(case, ticker, rows, chosen)
        if isinstance(found, str):
            excluded.append(Excluded("regression", ticker, found, "", "", ticker))
            continue
        firms[ticker] = found
        days.append(_days(found, alpha))
        cars += _cars(case, found, rows, chosen, alpha)
    frame = pd.concat(days, ignore_index=True) if days else Frame(columns=_DAY_COLUMNS)
    return EventDummies(chosen, firms, frame, Frame(cars, columns=None if cars else _CAR_COLUMNS), tuple(excluded))


_DAY_COLUMNS = "ticker session gamma se t df p ci_low ci_high event_id".split()
_CAR_COLUMNS = "event_id ticker car se t df p ci_low ci_high f f_p n_obs split_car split_se split_p shared".split()


def _check_cov(cov: str) -> None:
    if cov not in COVS:
        raise UnknownName("cov", cov, COVS, f"one of {', '.join(COVS)}")


def _by_firm(case: Case) -> Iterator[tuple[str, np.ndarray]]:
    """Each firm with the positions of its pairs in date order."""
    for ticker in dict.fromkeys(p.ticker for p in case.pairs):
        rows = np.array([i for i, p in enumerate(case.pairs) if p.ticker == ticker])
        yield ticker, rows[np.argsort(case.day0[rows], kind="stable")]


class _Rows:
    """Rows of one firm's regression on its session axis: y, x, and which of them are dummied."""

    def __init__(self, case: Case, rows: np.ndarray, window: Window) -> None:
        ar = case.ar
        k = int(ar.k[rows[0]])
        cols = ar.columns(window)
        event: dict[int, tuple] = {}
        normal: dict[int, tuple] = {}
        for i in rows:
            at = case.day0[i] + ar.offsets
            inside = np.arange(cols.start, cols.stop)
            chosen = ((normal, np.flatnonzero(ar.est[i])), (event, inside[np.isfinite(ar.ar[i, cols])]))
            for into, columns in chosen:
                for w in columns:
                    into[int(at[w])] = (ar.raw[i, w], ar.x[i, w, :k], ar.noise[i, w], ar.dates[i, w])
        place = sorted(normal | event)
        values = [event.get(r) or normal[r] for r in place]
        self.place = np.array(place, np.int64)
        self.y = np.array([v[0] for v in values], float)
        self.x = np.array([v[1] for v in values], float).reshape(len(values), k)
        self.noise = np.array([v[2] for v in values], float)
        self.dates = np.array([v[3] for v in values])
        self.dummied = np.array([r in event for r in place], bool)


def _fitted(case: Case, ticker: str, rows: np.ndarray, window: Window) -> DummyRegression | str:
    """The firm's regression, or why there is none."""
    ar = case.ar
    why = _not_least_squares(case, rows)
    if why:
        return why
    r = _Rows(case, rows, window)
    if not r.dummied.any():
        return f"no return in the window ({window[0]}, {window[1]})"
    if not (r.noise == 1.0).all():
        return "a return covers several sessions; dummy regressions need returns of one session each"
    days = np.flatnonzero(r.dummied)
    dummy = (np.arange(r.y.size)[:, None] == days[None, :]).astype(float)
    design = np.hstack([r.x, dummy])
    if not sandwich.full_rank(design) or design.shape[0] <= design.shape[1]:
        return f"{design.shape[1]} coefficients cannot be told apart on {design.shape[0]} sessions"
    k = r.x.shape[1]
    names = tuple(ar.coef_names[:k])
    fit = _ols(r.y, design, [*names, *(f"D[{d}]" for d in r.dates[days])])
    v = np.asarray(fit.cov_params(), float)[k:, k:]
    owner = _owners(case, rows, r.place[days], window)
    events = tuple(case.pairs[i].event.id for i in rows)
    gamma = np.asarray(fit.params, float)[k:]
    return DummyRegression(
        ticker, ar.model[rows[0]], fit, names, r.dates[days], gamma, v, float(fit.df_resid), owner, events
    )  # fmt: skip


def _not_least_squares(case: Case, rows: np.ndarray) -> str:
    ar = case.ar
    models = sorted({ar.model[i] for i in rows})
    if len(models) > 1:
        return f"its events use different models ({', '.join(models)}); choose one"
    if ar.refit.get(models[0]) is not least_squares_residuals or ar.k[rows[0]] == 0:
        return (
            f"model {models[0]!r} is no least-squares regression that carries all its coefficients into the window, so day "
            "dummies do not reproduce its abnormal returns; use model='market', 'mean', or a factor model"
        )
    return ""


def _ols(y: FloatArray, design: FloatArray, names: list[str]) -> Any:
    import statsmodels.api as sm

    return sm.OLS(pd.Series(y, name="return"), Frame(design, columns=names)).fit()


def _robust(fit: Any, cov: str, lags: int | None) -> Any:
    if cov == "ols":
        return fit
    if cov == "HAC":
        used = sandwich.newey_west_lag(int(fit.nobs)) if lags is None else lags
        return fit.get_robustcov_results("HAC", maxlags=used, use_correction=False, use_t=True)
    return fit.get_robustcov_results(cov, use_t=True)


def _owners(case: Case, rows: np.ndarray, place: np.ndarray, window: Window) -> np.ndarray:
    """The day-0 row of the event each dummied row is attributed to (METHODS 8.2 `split`).

    Of the events whose window holds the row, the latest whose day 0 has come; before any has, the earliest.
    """
    day0 = np.unique(case.day0[rows])
    out = np.empty(place.size, np.int64)
    for j, row in enumerate(place):
        near = day0[(row >= day0 + window[0]) & (row <= day0 + window[1])]
        come = near[near <= row]
        out[j] = come[-1] if come.size else near[0]
    return out


def _interval(value: FloatArray, se: FloatArray, df: float, level: float) -> tuple[FloatArray, FloatArray]:
    half = dist.student_quantile(1.0 - level / 2.0, df) * se
    return value - half, value + half


def _days(r: DummyRegression, level: float) -> Frame:
    se = np.sqrt(np.diag(r.v))
    low, high = _interval(r.gamma, se, r.df, level)
    t = r.gamma / se
    return Frame(
        {
            "ticker": r.ticker, "session": r.sessions, "gamma": r.gamma, "se": se, "t": t, "df": r.df,
            "p": dist.student_p(t, r.df), "ci_low": low, "ci_high": high,
        }
    )  # fmt: skip


def _cars(case: Case, r: DummyRegression, rows: np.ndarray, window: Window, level: float) -> list[dict[str, Any]]:
    """One row an event: its own window's sum, and the sum of the sessions attributed to it."""
    ar, out = case.ar, []
    for day0 in np.unique(case.day0[rows]):
        same = [int(i) for i in rows if case.day0[i] == day0]
        i = same[0]
        cols = ar.columns(window)
        dates = ar.dates[i, cols][np.isfinite(ar.ar[i, cols])]
        own = np.isin(r.sessions, dates).astype(float)
        if not own.any():
            continue
        whole = r.linear(own)
        joint = r.wald(np.eye(own.size)[own > 0])
        mine = ((r.owner == day0) & (own > 0)).astype(float)
        split = r.linear(mine)
        car, se = float(whole.extra["estimate"]), float(whole.extra["se"])
        low, high = _interval(np.array(car), np.array(se), r.df, level)
        out.append(
            {
                "event_id": " + ".join(case.pairs[j].event.id for j in same), "ticker": r.ticker, "car": car, "se": se,
                "t": whole.statistic, "df": r.df, "p": whole.p, "ci_low": float(low), "ci_high": float(high),
                "f": joint.statistic, "f_p": joint.p, "n_obs": int(own.sum()),
                "split_car": split.extra.get("estimate", np.nan), "split_se": split.extra.get("se", np.nan),
                "split_p": split.p, "shared": int(own.sum() - mine.sum()),
            }
        )  # fmt: skip
    return out


# ------------------------------------------------------------------------------------------------ one dummy for the window


def window_dummy(study: Any, *, window: Window | None = None, cov: DummyCov = "ols", lags: int | None = None) -> Frame:
    """The mean effect of a window as ONE dummy: close to CAR / L2, and never the CAR.

    y = X b + gamma D + e with D = 1 on every session of the window: those sessions help to estimate b, so gamma differs
    from CAR / L2 (both are given). Robust (`HC0`-`HC3`) and Newey-West (`HAC`, lag floor(4 (T/100)^(2/9))) errors are
    allowed for windows of two sessions or more.

    Returns
    -------
    DataFrame
        One row a pair: event_id, ticker, gamma, se, t, df, p, car_over_l2, n, reason.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.dummies import window_dummy
    >>> window_dummy(ab.run("chip_export_rules_2022"), window=(-5, 5)).columns[2]
    'gamma'
    """
    case = live_case(study)
    chosen = window_of(case, window)
    _check_cov(cov)
    if cov != "ols" and chosen[0] == chosen[1]:
        raise RequestError(MEANINGLESS.format(cov=cov))
    rows = [_window_dummy(case, i, chosen, cov, lags) for i in range(case.size)]
    return Frame(rows, columns="event_id ticker gamma se t df p car_over_l2 n reason".split())


def _window_dummy(case: Case, i: int, window: Window, cov: str, lags: int | None) -> dict[str, Any]:
    ar = case.ar
    out: dict[str, Any] = {"event_id": case.pairs[i].event.id, "ticker": case.pairs[i].ticker, "reason": ""}
    out |= dict.fromkeys(("gamma", "se", "t", "df", "p", "car_over_l2"), np.nan)
    why = _not_least_squares(case, np.array([i]))
    if why:
        return out | {"n": 0, "reason": why}
    r = _Rows(case, np.array([i]), window)
    design = np.column_stack([r.x, r.dummied.astype(float)])
    if not r.dummied.any() or not sandwich.full_rank(design):
        return out | {
            "n": r.y.size,
            "reason": f"no return in the window ({window[0]}, {window[1]}), or collinear regressors",
        }
    if cov != "ols" and r.dummied.sum() == 1:
        return out | {"n": r.y.size, "reason": "one return in the window: robust errors have no meaning for one day"}
    fit = _robust(_ols(r.y, design, [*ar.coef_names[: r.x.shape[1]], "window_dummy"]), cov, lags)
    gamma, se = float(np.asarray(fit.params)[-1]), float(np.asarray(fit.bse)[-1])
    df = float(r.y.size - design.shape[1])
    inside = ar.ar[i, ar.columns(window)]
    return out | {
        "gamma": gamma, "se": se, "t": gamma / se, "df": df, "p": float(dist.student_p(gamma / se, df)),
        "car_over_l2": float(np.nanmean(inside)), "n": r.y.size,
    }  # fmt: skip
