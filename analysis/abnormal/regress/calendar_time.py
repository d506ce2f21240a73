"""Calendar-time portfolios (Jaffe 1974; Mandelker 1974; Fama 1998): long horizons, clustered dates, factor models.

A portfolio holds every firm for `horizon` sessions from its day 0; its return over the factors has an intercept that is the
average abnormal return per session, and standard errors that know nothing of pairs, only of sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ..domain import FloatArray, TestResult
from ..errors import RequestError, UnknownName
from ..kernel import dist, sandwich
from ..kernel.calendar_portfolio import CalendarPortfolio, calendar_portfolio
from ..models.factors import FACTORS
from ._setup import live_case
from .answer import RegressionResult

if TYPE_CHECKING:
    from ..case import Case

CalendarCov = Literal["ols", "HC1", "newey_west", "wls"]
COVS = ("ols", "HC1", "newey_west", "wls")
MODELS = ("market", "capm", *FACTORS)
LOOKBACK = 60


def calendar_time(
    study: Any,
    horizon: int | None = None,
    *,
    model: str = "market",
    cov: CalendarCov = "ols",
    lags: int | None = None,
    min_firms: int = 1,
    weights: Mapping[str, float] | pd.Series | None = None,
) -> RegressionResult:
    """Regress the return of a portfolio of recent event firms on the market or on factors.

    On session t the portfolio holds P_t = {pairs with day 0 <= t < day 0 + horizon}; R_p,t is their mean return (or
    weighted by `weights`), sessions with fewer than `min_firms` members are dropped. R_p - Rf on the factors: `alpha` is the
    average abnormal return per session, t(T - k).

    Parameters
    ----------
    study : StudyResult or Case
    horizon : int, optional
        Sessions each pair is held from its day 0. Default: the length of the headline window.
    model : {"market", "capm", "ff3", "carhart4", "ff5", "ff6"}
        `market`: raw returns on the benchmark; the others above the riskless rate, on MKT, SMB, HML, MOM, RMW, CMA of
        the study's factor file.
    cov : {"ols", "HC1", "newey_west", "wls"}
        `newey_west`: Bartlett weights, `lags` (default floor(4 (T/100)^(2/9))), no small-sample factor. `wls`: sessions
        weighted by their number of members.
    min_firms : int, default 1
        5 is usual for long horizons.
    weights : mapping or Series by ticker, optional
        For instance market values before the event. A pair without one is not held.

    Returns
    -------
    RegressionResult
        Coefficients `alpha`, then the factors; `facts` holds `sessions`, `mean_firms`, `first`, `last`.

    References
    ----------
    Fama (1998), doi:10.1016/S0304-405X(98)00026-9.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.calendar_time import calendar_time
    >>> calendar_time(ab.run("lockup_expirations_2026"), 10).names
    ('alpha', 'beta')
    """
    case = live_case(study)
    if cov not in COVS:
        raise UnknownName("cov", cov, COVS, f"one of {', '.join(COVS)}")
    if model not in MODELS:
        raise UnknownName("factor model", model, MODELS, f"one of {', '.join(MODELS)}")
    length = case.headline[1] - case.headline[0] + 1 if horizon is None else horizon
    if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 1:
        raise RequestError(f"horizon: {horizon!r} given; expected a number of sessions, for instance 20")
    text = f"R_p - Rf ~ {model}, {length} sessions from day 0"
    held = _held(case, int(length), model, weights)
    if isinstance(held, str):
        return RegressionResult.none(text, cov, (0, int(length) - 1), held)
    p = calendar_portfolio(held.day, held.y, held.x, min_firms, held.weight)
    z = np.column_stack([np.ones(p.y.size), p.x])
    why = _too_few(p, z, min_firms)
    if why:
        return RegressionResult.none(text, cov, (0, int(length) - 1), why, p.y.size)
    return _answer(case, p, z, ("alpha", *held.names), cov, lags, text, (0, int(length) - 1))


class _Held(NamedTuple):
    """One row a pair and session held: day (R,), y (R,), x (R, q) with names, weight (R,)."""

    day: np.ndarray
    y: FloatArray
    x: FloatArray
    weight: FloatArray
    names: tuple[str, ...]


def _held(case: Case, length: int, model: str, weights: Any) -> _Held | str:
    """Returns and factors of every pair over its holding period, or what is missing."""
    if case.size == 0:
        return case.excluded[0].reason if case.excluded else "the study has no pair"
    given = None if weights is None else {str(k): float(v) for k, v in dict(weights).items()}
    parts = []
    for i in range(case.size):
        tape, unit = case.recording(i).tape, case.unit(i)
        sign = _sign(case, i)
        rows = np.arange(case.day0[i], min(case.day0[i] + length, tape.time.size))
        columns = _columns(tape.names, model)
        if isinstance(columns, str):
            return columns
        names, at = columns
        x = tape.x[tape.xid[unit]][rows][:, at]
        y = tape.event_y[unit][rows]
        if model != "market" and tape.rf is not None:
            y = y - tape.rf[rows]
            if tape.names[at[0]] == "market":
                x = x - np.where(np.arange(len(at)) == 0, tape.rf[rows][:, None], 0.0)
        y, x = sign * y, sign * x
        held = 1.0 if given is None else given.get(case.pairs[i].ticker, np.nan)
        parts.append((tape.time[rows], y, x, np.full(rows.size, held)))
    day, ys, xs, weight = (np.concatenate(part) for part in zip(*parts))
    return _Held(day, ys, xs, weight, names)


def _sign(case: Case, i: int) -> float:
    """-1 where the study turns the pair's returns to the sign its event was expected to have."""
    return float(case.pairs[i].link.sign) if case.spec.align == "expected_sign" else 1.0


def _columns(available: tuple[str, ...], model: str) -> tuple[tuple[str, ...], list[int]] | str:
    """Names of the coefficients and columns of the tape they read, or what is missing."""
    if model == "market":
        return (("beta",), [0]) if available else "a calendar-time portfolio needs a benchmark; give benchmark=..."
    wanted = ("MKT",) if model == "capm" else FACTORS[model]
    missing = [n for n in wanted if n not in available and not (n == "MKT" and "market" in available)]
    if missing:
        return f"model {model!r} needs the factors {', '.join(missing)}; give factors=... (a French library file)"
    return wanted, [available.index(n if n in available else "market") for n in wanted]


def _too_few(p: CalendarPortfolio, z: FloatArray, min_firms: int) -> str:
    if p.y.size <= z.shape[1]:
        return (
            f"{p.y.size} sessions with at least {min_firms} firm(s) held; {z.shape[1]} coefficients need more. Lengthen the "
            "horizon or lower min_firms"
        )
    return "" if sandwich.full_rank(z) else "the factors cannot be told apart on the sessions held"


def _answer(
    case: Case, p: CalendarPortfolio, z: FloatArray, names: tuple[str, ...], cov: str, lags: int | None, text: str,
    window: tuple[int, int],
) -> RegressionResult:  # fmt: skip
    import statsmodels.api as sm

    y, x = pd.Series(p.y, name="R_p"), pd.DataFrame(z, columns=list(names))
    used = sandwich.newey_west_lag(p.y.size) if lags is None else lags
    if cov == "wls":
        fit = sm.WLS(y, x, weights=p.n.astype(float)).fit()
    elif cov == "newey_west":
        fit = sm.OLS(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": used, "use_correction": False}, use_t=True)
    else:
        fit = sm.OLS(y, x).fit(cov_type="HC1", use_t=True) if cov == "HC1" else sm.OLS(y, x).fit()
    coef, se = np.asarray(fit.params, float), np.asarray(fit.bse, float)
    df = float(p.y.size - z.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        t = coef / se
    facts = {"sessions": p.y.size, "mean_firms": float(p.n.mean()), "first": str(p.day[0]), "last": str(p.day[-1])}
    if cov == "newey_west":
        facts["lags"] = used
    note = f"{p.y.size} sessions from {p.day[0]} to {p.day[-1]}, {p.n.mean():.1f} firms held on average"
    return RegressionResult(
        text, cov, window, names, coef, se, t, np.asarray(dist.student_p(t, df, case.spec.alternative), float), df,
        p.y.size, f"t({df:g})", case.spec.level, case.spec.alternative, fit=fit, notes=(note,), facts=facts,
        title="Calendar-time portfolio",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ standardised form


def standardised_calendar_time(
    study: Any, horizon: int | None = None, *, lookback: int = LOOKBACK, min_firms: int = 1
) -> TestResult:
    """The Jaffe-Mandelker form: each session's portfolio abnormal return over its own recent standard deviation.

    CTAR_t = mean over P_t of R - E[R] with each firm's own model; divided by the standard deviation (ddof 1) of the mean
    abnormal return of the SAME members over the `lookback` sessions before; t = mean * sqrt(T), N(0, 1).

    Models whose expected return is alpha + beta Rm (market, market_zero_alpha, market_adjusted, mean, auto).

    References
    ----------
    Jaffe (1974), doi:10.1086/295655; Mandelker (1974), doi:10.1016/0304-405X(74)90012-9.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.calendar_time import standardised_calendar_time
    >>> standardised_calendar_time(ab.run("lockup_expirations_2026"), 5).status
    'ok'
    """
    case = live_case(study)
    length = case.headline[1] - case.headline[0] + 1 if horizon is None else int(horizon)
    window = (0, length - 1)
    name = "standardised_calendar_time"
    lines = _abnormal_lines(case)
    if isinstance(lines, str):
        return TestResult.none(name, window, lines)
    ar, start = lines
    z = []
    for t in range(ar.shape[1]):
        members = np.flatnonzero((start <= t) & (t < start + length) & np.isfinite(ar[:, t]))
        if members.size < max(1, min_firms) or t < lookback:
            continue
        past = ar[members, t - lookback : t].mean(axis=0)
        past = past[np.isfinite(past)]
        if past.size >= min(lookback, max(2, case.spec.min_obs)) and past.std(ddof=1) > 0:
            z.append(ar[members, t].mean() / past.std(ddof=1))
    if len(z) < 2:
        return TestResult.none(
            name, window, f"{len(z)} sessions have {lookback} sessions of history for all firms held"
        )
    value = float(np.mean(z) * np.sqrt(len(z)))
    p = float(dist.normal_p(value, case.spec.alternative))
    return TestResult(name, window, value, p, np.nan, case.size, extra={"sessions": len(z), "lookback": lookback})


def _abnormal_lines(case: Case) -> tuple[FloatArray, np.ndarray] | str:
    """Abnormal returns (E, T) of every pair on the whole session axis, and the row of its day 0; or why there are none."""
    if case.size == 0:
        return case.excluded[0].reason if case.excluded else "the study has no pair"
    if len(set(case.key)) > 1:
        return "needs one session axis; these firms trade on different exchanges"
    carried = {"market": (1.0, 1.0), "market_zero_alpha": (0.0, 1.0), "market_adjusted": (0.0, 1.0), "mean": (1.0, 0.0)}
    unknown = sorted(set(case.ar.model) - set(carried))
    if unknown:
        return f"model {unknown[0]!r} has no expected return outside the study's windows; use model='market'"
    tape = case.recording(0).tape
    out = []
    for i in range(case.size):
        unit = case.unit(i)
        coef = dict(zip(case.ar.coef_names, case.ar.coef[i]))
        with_alpha, with_beta = carried[case.ar.model[i]]
        expected = np.full(tape.time.size, with_alpha * coef.get("alpha", 0.0) if with_alpha else 0.0)
        if with_beta:
            expected = expected + _sign(case, i) * coef["beta"] * tape.x[tape.xid[unit]][:, 0]
        out.append(_sign(case, i) * tape.event_y[unit] - expected)
    return np.stack(out), case.day0
