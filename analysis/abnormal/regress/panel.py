"""Difference in differences for what is a panel: volume, volatility, spreads of treated and control shares around an event.

Estimates come from pyfixest (extra `panel`); the inference a single date allows, the coefficient's rank among the same
coefficient on earlier dates, needs nothing beside numpy. Not for day-0 returns: there the time effect is simply the
equal-weighted market (METHODS 5.4).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..domain import FloatArray, TestResult, TestStatus, Window
from ..errors import BadData, RequestError, UnknownName
from ..kernel import dist, ohlc
from ._setup import CannotEstimate, live_case

if TYPE_CHECKING:
    from ..case import Case

Frame = pd.DataFrame
Estimator = Literal["twfe", "did2s", "lpdid"]
ESTIMATORS = ("twfe", "did2s", "lpdid")
OUTCOMES = ("log_volume", "log_variance", "abs_return", "spread")
MIN_PLACEBOS = 19
INSTALL = 'panel regressions need pyfixest: pip install "abnormal[panel]"'


@dataclass(frozen=True, slots=True, eq=False)
class PanelResult:
    """A difference-in-differences estimate.

    att with se, t, p, df and interval by clustered errors; `effects`: one row a period relative to treatment (period, coef,
    se, t, p, ci_low, ci_high), -1 left out; leads_p: F test that all leads are zero; placebo: the coefficient's rank among
    earlier dates. status `invalid` where one date leaves nothing to cluster on: read placebo then.
    """

    outcome: str
    estimator: str
    att: float
    se: float
    df: float
    p: float
    ci: tuple[float, float]
    effects: Frame
    leads_p: float
    placebo: TestResult
    n_obs: int
    n_treated: int
    n_control: int
    n_dates: int
    status: TestStatus = "ok"
    reason: str = ""
    notes: tuple[str, ...] = ()
    fit: Any = None

    def to_frame(self) -> Frame:
        """One row: outcome, estimator, att, se, df, p, ci, placebo p and n, leads p, counts, status, reason."""
        row = {
            "outcome": self.outcome, "estimator": self.estimator, "att": self.att, "se": self.se, "df": self.df, "p": self.p,
            "ci_low": self.ci[0], "ci_high": self.ci[1], "placebo_p": self.placebo.p, "placebo_n": self.placebo.n,
            "leads_p": self.leads_p, "n_obs": self.n_obs, "n_treated": self.n_treated, "n_control": self.n_control,
            "n_dates": self.n_dates, "status": self.status, "reason": self.reason,
        }  # fmt: skip
        return Frame([row])

    def __repr__(self) -> str:
        lines = [
            f"Difference in differences of {self.outcome} ({self.estimator})",
            f"{self.n_treated} treated and {self.n_control} control units, {self.n_dates} date(s), {self.n_obs} observations",
        ]
        if np.isfinite(self.att):
            lines.append(
                f"effect {self.att:.6g}, se {self.se:.4g}, p {self.p:.4g}, interval [{self.ci[0]:.6g}, {self.ci[1]:.6g}]"
            )
        if np.isfinite(self.placebo.p):
            lines.append(f"placebo dates: p {self.placebo.p:.4g} among {int(self.placebo.n)} earlier dates")
        elif self.placebo.reason:
            lines.append(f"placebo dates: {self.placebo.reason}")
        if np.isfinite(self.leads_p):
            lines.append(f"leads all zero: p {self.leads_p:.4g}")
        if self.reason:
            lines.append(f"{'INVALID: ' if self.status == 'invalid' else ''}{self.reason}")
        return "\n".join([*lines, *self.notes]) + "\n"


def panel_event_study(
    data: pd.DataFrame,
    outcome: str,
    *,
    unit: str = "ticker",
    time: str = "session",
    treated_from: str = "treated_from",
    window: Window = (-5, 5),
    estimator: Estimator = "twfe",
    cluster: str | None = None,
    covariates: Sequence[str] = (),
    alternative: str = "two-sided",
    level: float = 0.05,
) -> PanelResult:
    """Effect of treatment on a panel outcome, with leads and lags, against shares not (yet) treated.

    y_ut = a_u + b_t + att D_ut + e_ut (`twfe`), Gardner's two steps (`did2s`, unbiased with several dates and unequal
    effects) or local projections (`lpdid`). Leads and lags come from one dummy a period relative to treatment, ends binned,
    -1 left out; the leads are tested jointly. Standard errors are clustered by `cluster` (default: unit); with one date
    every treated unit shares that date's shock, no clustering repairs it, and `placebo` is the inference.

    Parameters
    ----------
    data : DataFrame
        One row a unit and time; `treated_from` holds the first treated time of a unit, missing = never treated.
    outcome : str
        Column to explain.
    window : (int, int)
        Periods before and after treatment, in units of `time`: rows used by the placebo, ends of the leads and lags.

    Returns
    -------
    PanelResult
        Status `not_applicable` with the reason where nothing identifies an effect or pyfixest is not installed.

    References
    ----------
    Gardner (2022), doi:10.48550/arXiv.2207.05943; Conley and Taber (2011), doi:10.1162/REST_a_00049; Sun and Abraham (2021),
    doi:10.1016/j.jeconom.2020.09.006.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from abnormal.regress.panel import panel_event_study
    >>> rng = np.random.default_rng(0)
    >>> rows = [(f"S{u}", t, 60 if u < 3 else np.nan, rng.standard_normal() + 2 * (u < 3 and t >= 60))
    ...         for u in range(9) for t in range(70)]
    >>> data = pd.DataFrame(rows, columns=["ticker", "session", "treated_from", "y"])
    >>> round(panel_event_study(data, "y").placebo.p, 3)
    0.02
    """
    if estimator not in ESTIMATORS:
        raise UnknownName("estimator", estimator, ESTIMATORS, f"one of {', '.join(ESTIMATORS)}")
    if window[0] >= 0 or window[1] < 0:
        raise RequestError(f"window: {window} given; expected periods before and after treatment, for instance (-5, 5)")
    panel = _panel(data, outcome, unit, time, treated_from, cluster, covariates)
    counts = _counts(panel)
    placebo = placebo_did(panel, "y", unit="u", time="t", treated_from="g", window=window, alternative=alternative)
    nothing = PanelResult(
        outcome, estimator, np.nan, np.nan, np.nan, np.nan, (np.nan, np.nan), Frame(), np.nan, placebo, *counts
    )
    try:
        _identified(panel)
        found = _estimated(panel, estimator, covariates, window, level)
    except CannotEstimate as why:
        return replace(nothing, status="not_applicable", reason=str(why))
    status, reason = _validity(panel)
    notes = (
        ("`twfe` mixes effects of different dates; hold estimator='did2s' beside it",)
        if _mixes(panel, estimator)
        else ()
    )
    return PanelResult(
        outcome, estimator, *found[:4], found[4], found[5], found[6], placebo, *counts, status, reason, notes, found[7]
    )


# ------------------------------------------------------------------------------------------------ the panel


def _panel(
    data: Any, outcome: str, unit: str, time: str, treated_from: str, cluster: str | None, covariates: Sequence[str]
) -> Frame:
    """Columns u, t (1, 2, ... in time order), g (first treated t, 0 = not inside the data), y, c and the covariates."""
    if not isinstance(data, pd.DataFrame):
        raise RequestError(f"data: {type(data).__name__} given; expected a DataFrame with one row a unit and time")
    wanted = [unit, time, treated_from, outcome, *covariates, *([cluster] if cluster else [])]
    for name in wanted:
        if name not in data:
            raise UnknownName("column", name, map(str, data.columns))
    cut = data[list(dict.fromkeys(wanted))].copy()
    cut = cut[pd.to_numeric(cut[outcome], errors="coerce").notna()]
    if cut.duplicated([unit, time]).any():
        row = cut[cut.duplicated([unit, time])].iloc[0]
        raise BadData(f"data: {row[unit]} has two rows for {row[time]}; give one row a unit and time")
    if cut.groupby(unit)[treated_from].nunique(dropna=True).gt(1).any():
        raise BadData(f"data: {treated_from} changes within a unit; give the first treated time of each unit")
    times = np.sort(cut[time].unique())
    out = Frame({"u": cut[unit].astype(str).to_numpy(), "t": np.searchsorted(times, cut[time].to_numpy()) + 1})
    first = cut[treated_from]
    never = first.isna().to_numpy()
    start = np.searchsorted(times, first.where(~never, times[0]).to_numpy()) + 1
    out["g"] = np.where(never | (start > times.size), 0, start)
    out["y"] = pd.to_numeric(cut[outcome]).to_numpy(float)
    out["c"] = out["u"] if cluster is None else cut[cluster].astype(str).to_numpy()
    for name in covariates:
        out[str(name)] = pd.to_numeric(cut[name], errors="coerce").to_numpy(float)
    return out


def _counts(panel: Frame) -> tuple[int, int, int, int]:
    """Observations, treated units, control units, treatment dates inside the data."""
    first = panel.groupby("u")["g"].first()
    dates = first[first > 0].nunique()
    return len(panel), int((first > 0).sum()), int((first == 0).sum()), int(dates)


def _identified(panel: Frame) -> None:
    n, treated, control, dates = _counts(panel)
    if n == 0 or treated == 0:
        raise CannotEstimate("no unit is treated inside the data")
    if control == 0 and dates == 1:
        raise CannotEstimate(
            "every unit is treated on the same date: without controls nothing separates the event from the day"
        )
    first = panel.groupby("u")["g"].first()
    start = panel.groupby("u")["t"].min()
    if (first[first > 0] <= start[first > 0]).all():
        raise CannotEstimate("no treated unit has a row before its treatment")


def _validity(panel: Frame) -> tuple[TestStatus, str]:
    if _counts(panel)[3] == 1:
        return "invalid", (
            "one treatment date is one cluster in time, and clustered standard errors do not see its shock; read the placebo "
            "dates"
        )
    return "ok", ""


def _mixes(panel: Frame, estimator: str) -> bool:
    return estimator == "twfe" and _counts(panel)[3] > 1


# ------------------------------------------------------------------------------------------------ pyfixest

Found = tuple[float, float, float, float, tuple[float, float], Frame, float, Any]


def _estimated(panel: Frame, estimator: str, covariates: Sequence[str], window: Window, level: float) -> Found:
    """att, se, df, p, interval, effects, leads p and the pyfixest fit."""
    try:
        import pyfixest
    except ImportError:
        raise CannotEstimate(INSTALL) from None
    xfml = " + ".join(f"`{c}`" if not str(c).isidentifier() else str(c) for c in covariates) or None
    clusters = panel["c"].nunique()
    df = float(clusters - 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notices of pyfixest and pandas to each other
            if estimator == "lpdid":
                fit = pyfixest.lpdid(panel, "y", "u", "t", "g", vcov={"CRV1": "c"}, att=True, xfml=xfml)
            else:
                fit = pyfixest.event_study(
                    panel, "y", "u", "t", "g", xfml=xfml, cluster="c", estimator=estimator, att=True
                )
            tidy = fit.tidy()
            effects, leads_p = _leads_and_lags(pyfixest, panel, xfml, window, level, df)
    except (ValueError, KeyError, np.linalg.LinAlgError, AssertionError) as error:
        raise CannotEstimate(
            f"pyfixest cannot estimate this panel: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None
    att, se = float(tidy["Estimate"].iloc[0]), float(tidy["Std. Error"].iloc[0])
    half = float(dist.student_quantile(1.0 - level / 2.0, df)) * se
    return att, se, df, float(dist.student_p(att / se, df)), (att - half, att + half), effects, leads_p, fit


def _leads_and_lags(
    pyfixest: Any, panel: Frame, xfml: str | None, window: Window, level: float, df: float
) -> tuple[Frame, float]:
    """One dummy a period relative to treatment, ends binned, -1 left out; and the F test of the leads."""
    rel = np.where(panel["g"] > 0, np.clip(panel["t"] - panel["g"], *window), -1)
    frame = panel.assign(rel=rel)
    extra = f" + {xfml}" if xfml else ""
    fit = pyfixest.feols(f"y ~ i(rel, ref=-1){extra} | u + t", frame, vcov={"CRV1": "c"})
    tidy = fit.tidy()
    names = [str(n) for n in tidy.index]
    keep = [i for i, n in enumerate(names) if n.startswith("rel::")]
    period = np.array([int(float(names[i].removeprefix("rel::"))) for i in keep])
    coef, se = tidy["Estimate"].to_numpy(float)[keep], tidy["Std. Error"].to_numpy(float)[keep]
    half = float(dist.student_quantile(1.0 - level / 2.0, df)) * se
    with np.errstate(invalid="ignore", divide="ignore"):
        t = coef / se
    effects = Frame(
        {
            "period": period,
            "coef": coef,
            "se": se,
            "t": t,
            "p": dist.student_p(t, df),
            "ci_low": coef - half,
            "ci_high": coef + half,
        }
    ).sort_values("period", ignore_index=True)
    leads = [i for i, q in zip(keep, period) if q < -1]
    return effects, _joint_p(
        tidy["Estimate"].to_numpy(float)[leads], np.asarray(fit._vcov, float)[np.ix_(leads, leads)], df
    )


def _joint_p(b: FloatArray, v: FloatArray, df: float) -> float:
    """p of F = b'V^-1 b / q ~ F(q, df); NaN where fewer clusters than leads make V singular."""
    q = b.size
    if q == 0 or q > df or np.linalg.matrix_rank(v) < q:
        return float("nan")
    return float(dist.f_p(float(b @ np.linalg.solve(v, b) / q), q, df))


# ------------------------------------------------------------------------------------------------ placebo dates


def placebo_did(
    data: pd.DataFrame,
    outcome: str,
    *,
    unit: str = "ticker",
    time: str = "session",
    treated_from: str = "treated_from",
    window: Window = (-5, 5),
    alternative: str = "two-sided",
) -> TestResult:
    """The difference in differences ranked among the same difference on earlier dates: `placebo_time` on the coefficient.

    delta = mean over treated of (mean y after - mean y before) minus the same over controls, on rows window[0]..window[1]
    around the date; equal to the two-way fixed-effects coefficient on a balanced panel. The same delta at every earlier
    date whose window ends before the first treatment: p = (1 + #{|delta_q| >= |delta_0|}) / (n + 1), n < 19 not
    applicable. One treatment date; controls are units never treated.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from abnormal.regress.panel import placebo_did
    >>> rows = [(u, t, 60 if u == "A" else np.nan, np.sin(t * (1 + len(u)))) for u in ("A", "BB", "CCC") for t in range(70)]
    >>> test = placebo_did(pd.DataFrame(rows, columns=["ticker", "session", "treated_from", "y"]), "y")
    >>> int(test.n)
    50
    """
    panel = (
        data
        if list(data.columns[:5]) == ["u", "t", "g", "y", "c"]
        else _panel(data, outcome, unit, time, treated_from, None, ())
    )
    first = panel.groupby("u")["g"].first()
    dates = sorted(first[first > 0].unique())
    name = "placebo_did"
    if len(dates) != 1:
        return TestResult.none(name, window, f"{len(dates)} treatment dates; the placebo needs one")
    treated, control = list(first[first > 0].index), list(first[first == 0].index)
    if not control:
        return TestResult.none(name, window, "no unit is never treated")
    wide = panel.pivot(index="t", columns="u", values="y").reindex(range(1, int(panel["t"].max()) + 1))
    y_t, y_c = wide[treated].to_numpy(float), wide[control].to_numpy(float)
    day0 = int(dates[0]) - 1
    last = day0 - window[1] - 1
    pseudo = np.arange(-window[0], last + 1)
    observed = _delta(y_t, y_c, day0, window)
    values = np.array([_delta(y_t, y_c, int(q), window) for q in pseudo], float)
    values = values[np.isfinite(values)]
    if not np.isfinite(observed):
        return TestResult.none(name, window, f"no complete rows {window[0]} to {window[1]} around the treatment date")
    if values.size < MIN_PLACEBOS:
        return TestResult.none(name, window, f"{values.size} earlier dates with a whole window; needs {MIN_PLACEBOS}")
    p = dist.empirical_p(values, observed, alternative)
    extra = {"delta": observed, "values": values, "min_p": 1.0 / (values.size + 1)}
    return TestResult(name, window, observed, p, np.nan, values.size, extra=extra)


def _delta(y_t: FloatArray, y_c: FloatArray, day0: int, window: Window) -> float:
    """Difference in differences around row day0; NaN where a group has no unit with rows on both sides."""
    low, high = day0 + window[0], day0 + window[1] + 1
    if low < 0 or high > y_t.shape[0]:
        return float("nan")
    change = []
    for y in (y_t, y_c):
        before, after = y[low:day0], y[day0:high]
        whole = np.isfinite(before).any(axis=0) & np.isfinite(after).any(axis=0)
        if not whole.any():
            return float("nan")
        change.append(float(np.mean(np.nanmean(after[:, whole], axis=0) - np.nanmean(before[:, whole], axis=0))))
    return change[0] - change[1]


# ------------------------------------------------------------------------------------------------ from a study


def activity_panel(study: Any, outcome: str = "log_volume", *, controls: Sequence[str] = ()) -> Frame:
    """A study's shares and control shares as a panel of trading activity: ticker, session, treated_from and the outcome.

    `log_volume`: ln(volume), sessions without trade missing. `log_variance`: ln of Parkinson's range variance.
    `abs_return`: |close / close before - 1|. `spread`: Corwin and Schultz's estimate of the bid-ask spread from two days'
    highs and lows (negative estimates kept). Controls default to the members of the benchmark.

    References
    ----------
    Parkinson (1980), doi:10.1086/296071; Corwin and Schultz (2012), doi:10.1111/j.1540-6261.2012.01729.x.

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.panel import activity_panel
    >>> sorted(activity_panel(ab.run("anthropic_export_order"))["ticker"].unique())
    ['0700.HK', '2513.HK', '9888.HK', '9988.HK']
    """
    case = live_case(study)
    if outcome not in OUTCOMES:
        raise UnknownName("outcome", outcome, OUTCOMES, f"one of {', '.join(OUTCOMES)}")
    if case.size == 0:
        raise RequestError(f"the study has no pair: {case.excluded[0].reason if case.excluded else 'none was given'}")
    rec = case.recording(0)
    first: dict[str, Any] = {}
    for i, pair in enumerate(case.pairs):
        day = case.recording(i).tape.time[case.day0[i]]
        first[pair.ticker] = min(first.get(pair.ticker, day), day)
    members = tuple(controls) or tuple(rec.basket.get(case.pairs[0].ticker, ()))
    if not members:
        raise RequestError("no control shares: give controls=[...], or a benchmark whose members serve as controls")
    parts = []
    for ticker in dict.fromkeys([*first, *members]):
        bars = rec.bars.get(ticker) or case.request.source.bars(ticker, case.spec.freq)
        values = _activity(bars, outcome)
        parts.append(
            Frame(
                {
                    "ticker": ticker,
                    "session": bars.time,
                    "treated_from": first.get(ticker, np.datetime64("NaT")),
                    outcome: values,
                }
            )
        )
    panel = pd.concat(parts, ignore_index=True)
    if panel[outcome].isna().all():
        raise RequestError(
            f"the prices hold no {'volume' if outcome == 'log_volume' else 'highs and lows'} to make {outcome} of"
        )
    return panel.dropna(subset=[outcome]).reset_index(drop=True)


def _activity(bars: Any, outcome: str) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        if outcome == "log_volume":
            volume = bars.get("volume")
            return np.where(volume > 0, np.log(volume), np.nan)
        if outcome == "log_variance":
            variance = ohlc.parkinson(bars.get("high"), bars.get("low"))
            return np.where(variance > 0, np.log(variance), np.nan)
        if outcome == "abs_return":
            close = bars.get("close") if "close" in bars else bars.get("adj_close")
            return np.concatenate([[np.nan], np.abs(close[1:] / close[:-1] - 1.0)])
        return corwin_schultz(bars.get("high"), bars.get("low"), bars.get("close"))


def corwin_schultz(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Spread (T,) as a share of the price from the ranges of a session and the one before it, moved for overnight gaps.

    beta = ln(H1/L1)^2 + ln(H2/L2)^2, gamma = ln(max H / min L)^2, alpha = (sqrt(2 beta) - sqrt(beta)) / (3 - 2 sqrt 2) -
    sqrt(gamma / (3 - 2 sqrt 2)), S = 2 (e^alpha - 1) / (1 + e^alpha). doi:10.1111/j.1540-6261.2012.01729.x
    """
    h, low2 = high[1:], low[1:]
    # A gap over the last close is no spread: the second day is moved back to touch it.
    gap = np.maximum(low2 - close[:-1], 0.0) + np.minimum(h - close[:-1], 0.0)
    h, low2 = h - gap, low2 - gap
    beta = np.log(high[:-1] / low[:-1]) ** 2 + np.log(h / low2) ** 2
    gamma = np.log(np.maximum(high[:-1], h) / np.minimum(low[:-1], low2)) ** 2
    k = 3.0 - 2.0 * np.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / k - np.sqrt(gamma / k)
    return np.concatenate([[np.nan], 2.0 * np.expm1(alpha) / (1.0 + np.exp(alpha))])


def did_activity(
    study: Any, outcome: str = "log_volume", *, controls: Sequence[str] = (), **options: Any
) -> PanelResult:
    """`panel_event_study` on `activity_panel`: did trading in the study's shares change against the control shares?

    Examples
    --------
    >>> import abnormal as ab
    >>> from abnormal.regress.panel import did_activity
    >>> did_activity(ab.run("anthropic_export_order")).n_control
    3
    """
    case: Case = live_case(study)
    chosen = {"level": case.spec.level, "alternative": case.spec.alternative} | options
    return panel_event_study(activity_panel(case, outcome, controls=controls), outcome, **chosen)
