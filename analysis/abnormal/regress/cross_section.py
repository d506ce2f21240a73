"""Which firms reacted more? Regression of the CARs on characteristics, with standard errors the design allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from ..domain import AbnormalReturns, Excluded, IntArray, TestOptions, TestStatus, Window
from ..errors import UnknownName
from ..inference._correlation import design_effect
from ..inference._window import distinct_dates, window_stats
from ..kernel import aggregate, sandwich
from ..spec import Cov
from . import _common_date, _estimators
from ._characteristics import ESTIMATES, characteristics
from ._formula import Formula, build_design, read_formula
from ._setup import CannotEstimate, Estimate, Setup, live_case, window_of
from .answer import RegressionResult

if TYPE_CHECKING:
    from ..case import Case

DESIGN_EFFECT = 1.25
SMALL = 250  # below it HC3, above it HC1
WILD_BELOW = 30  # clusters
# With 5 clusters random signs give 16 different |t|: no bootstrap can reject at 5%.
FEW_CLUSTERS = 6

ESTIMATORS: Mapping[str, Callable[[Setup], Estimate]] = {
    "ols": _estimators.ols,
    "HC0": partial(_estimators.heteroskedastic, form="HC0"),
    "HC1": partial(_estimators.heteroskedastic, form="HC1"),
    "HC2": partial(_estimators.heteroskedastic, form="HC2"),
    "HC3": partial(_estimators.heteroskedastic, form="HC3"),
    "cluster": _estimators.cluster,
    "wild": _estimators.wild,
    "wls": _estimators.wls,
    "fgls": _estimators.fgls,
    "gls": _common_date.gls,
    "sefcik_thompson": _common_date.sefcik_thompson,
    "tsols": _common_date.tsols,
}
COMMON_DATE = ("gls", "sefcik_thompson", "tsols")
SELECTION_NOTE = (
    "coefficients describe the pairs that had the event; where firms choose whether and when, they need not describe others "
    "(Prabhala 1997)"
)


def regress_case(
    case: Case,
    formula: str,
    *,
    window: Window | None = None,
    cov: str = "auto",
    data: Any = None,
    cluster: str | None = None,
    level: float | None = None,
    draws: int | None = None,
    seed: int | None = None,
    components: int | None = None,
) -> RegressionResult:
    """Regress the CARs of a study on characteristics of its events and firms.

    CAR_i = z_i'd + u_i. On one common date the residuals of all firms share that day's omitted factors, so plain standard
    errors are far too small: the default there is `sefcik_thompson`, Var(d) = c W Sigma W' with W = (Z'Z)^-1 Z', t(M - k),
    and plain ones are marked `invalid`. With one pair a date it is HC3 (HC1 from 250 pairs), with shared dates or
    repeated firms clusters by the coarser of the two, as wild bootstrap below 30 clusters; below 6, where no bootstrap can
    reject at 5%, `sefcik_thompson` with one block a date.

    Parameters
    ----------
    case : Case or StudyResult
        The study (`study.regress(...)` hands its own).
    formula : str
        `"car ~ unlock_pct + C(role)"`; without `~` the outcome is `car`. Names: event attributes and fields, columns of the
        events' table, role, sign, the study's estimates (alpha, beta, sigma, r2, m), columns of `data`.
        `scar` and `bhar` are other outcomes.
    window : (int, int), optional
        Event window of the CAR, inside the windows of the study. Default: its headline.
    cov : {"auto", "sefcik_thompson", "tsols", "gls", "ols", "HC0".."HC3", "cluster", "wild", "wls", "fgls"}
    data : DataFrame, optional
        Further characteristics, keyed by `event_id` and/or `ticker`.
    cluster : str, optional
        Column that holds the clusters of `cluster` and `wild`.
    level, draws, seed : optional
        Default: those of the study.
    components : int, optional
        Principal components of `gls`.

    Returns
    -------
    RegressionResult
        Around a statsmodels results object; `status` and `reason` say whether the standard errors may be read.

    Raises
    ------
    UnknownName
        A name in the formula that no pair has.
    RequestError
        A formula that cannot be read, or a window outside those of the study.

    References
    ----------
    Sefcik and Thompson (1986), doi:10.2307/2490781; Cohn, Johnson, Liu and Wardlaw (2023), doi:10.2139/ssrn.4296657;
    Karafiath (1994), doi:10.2307/2331399; Cameron, Gelbach and Miller (2008), doi:10.1162/rest.90.3.414.

    Examples
    --------
    >>> import abnormal as ab
    >>> study = ab.run("anthropic_order_two_labs")
    >>> study.regress("car ~ beta").status
    'not_applicable'
    """
    case = live_case(case)
    chosen_window = window_of(case, window)
    _check_cov(cov)
    if case.size == 0:
        return _nothing(case, str(formula), cov, chosen_window)
    table = characteristics(case, data)
    read = read_formula(formula, table.columns)
    label, group_column = _grouping(cluster, table)
    frame, excluded = _complete(case, read, table, chosen_window)
    if not len(frame):
        why = excluded[0].reason if excluded else "the study has no pair"
        everyone = (*case.excluded, *excluded)
        return RegressionResult.none(read.text, cov, chosen_window, f"no pair is left: {why}", excluded=everyone)
    design = build_design(read, frame)
    for place in design.dropped:
        excluded.append(
            _left_out(case, int(frame.index[place]), "an expression of the formula is not a finite number there")
        )
    rows = frame.index.to_numpy(np.int64)[design.places]
    problem = _identified(design.z, design.names, read, frame.iloc[design.places])
    more: dict[str, Any] = {
        "excluded": (*case.excluded, *excluded),
        "level": case.spec.level if level is None else level,
    }
    if problem:
        return RegressionResult.none(read.text, cov, chosen_window, problem, rows.size, **more)
    ar = case.ar.take(rows)
    opt = TestOptions(
        alternative=case.spec.alternative, level=more["level"], seed=case.spec.seed if seed is None else seed,
        draws=case.spec.draws if draws is None else draws, min_obs=case.spec.min_obs,
    )  # fmt: skip
    group, grouped_by = _groups(ar, group_column, rows, label)
    setup = Setup(
        design.y, design.z, design.names, ar, chosen_window, window_stats(ar, chosen_window).se ** 2, group, grouped_by,
        opt, read.plain_car, components,
    )  # fmt: skip
    return _answered(setup, cov, read, more)


# ------------------------------------------------------------------------------------------------ what is asked


def _nothing(case: Case, formula: str, cov: str, window: Window) -> RegressionResult:
    why = case.excluded[0].reason if case.excluded else "the study has no pair"
    reason = f"no pair of the study could be estimated: {why}"
    return RegressionResult.none(formula, cov, window, reason, excluded=case.excluded)


def _check_cov(cov: str) -> None:
    if cov not in get_args(Cov):
        raise UnknownName("cov", cov, get_args(Cov), f"one of {', '.join(get_args(Cov))}")


def _grouping(cluster: str | None, table: pd.DataFrame) -> tuple[str, pd.Series | None]:
    if cluster is None:
        return "", None
    name = "session" if cluster == "date" else cluster
    if name not in table:
        raise UnknownName("cluster column", cluster, ["date", *table.columns])
    return cluster, table[name]


def _complete(case: Case, formula: Formula, table: pd.DataFrame, window: Window) -> tuple[pd.DataFrame, list[Excluded]]:
    """Rows with an outcome and every characteristic the formula names; the others with their reason."""
    w = window_stats(case.ar, window)
    frame = table.copy()
    frame["car"], frame["scar"] = w.car, w.scar
    cols = case.ar.columns(window)
    frame["bhar"] = aggregate.buy_and_hold(case.ar.raw[:, cols], case.ar.expected[:, cols])
    excluded: list[Excluded] = []
    keep = []
    for i in range(case.size):
        if not np.isfinite(w.car[i]):
            excluded.append(_left_out(case, i, w.reason[i] or f"no abnormal return in ({window[0]}, {window[1]})"))
            continue
        missing = [n for n in formula.names if pd.isna(frame[n].iloc[i])]
        if missing:
            excluded.append(
                _left_out(
                    case, i, f"no value of {' and '.join(missing)}", "give it as an event attribute or with data="
                )
            )
            continue
        keep.append(i)
    return frame.iloc[keep], excluded


def _left_out(case: Case, i: int, why: str, remedy: str = "") -> Excluded:
    pair = case.pairs[i]
    return Excluded("regression", pair.label, why, remedy, pair.event.id, pair.ticker)


def _identified(z: np.ndarray, names: tuple[str, ...], formula: Formula, frame: pd.DataFrame) -> str:
    """Why the coefficients cannot be told apart or estimated, or an empty string."""
    n = z.shape[0]
    constant = [c for c in formula.right_names if frame[c].nunique() < 2]
    if constant and n > 1:
        value = frame[constant[0]].iloc[0]
        return f"{constant[0]} is {value!r} for all {n} pairs: there is nothing to compare"
    if n <= z.shape[1]:
        which = "pair has" if n == 1 else "pairs have"
        return (
            f"{z.shape[1]} coefficients need more than {z.shape[1]} pairs; {n} {which} a CAR and every characteristic of "
            "the formula"
        )
    if not sandwich.full_rank(z):
        return f"singular design: {', '.join(names)} cannot be told apart on these {n} pairs"
    return ""


def _groups(ar: AbnormalReturns, given: pd.Series | None, rows: IntArray, label: str) -> tuple[IntArray, str]:
    """Clusters 0..G-1: the column asked for, else the coarser of event date and firm."""
    if given is not None:
        values = ["" if v is None else str(v) for v in given.iloc[rows]]
        return np.unique(values, return_inverse=True)[1], label
    by_date = np.unique(distinct_dates(ar), return_inverse=True)[1]
    by_firm = np.unique(np.array(ar.ticker), return_inverse=True)[1]
    if by_firm.max() < by_date.max():
        return by_firm, "firm"
    return by_date, "date"


# ------------------------------------------------------------------------------------------------ which standard errors


def automatic(s: Setup) -> tuple[str, ...]:
    """Standard errors by the design, best first (METHODS 5.3, 9)."""
    dates = np.unique(distinct_dates(s.ar)).size
    if dates == 1 and s.n > 1:
        return ("sefcik_thompson", "tsols", "HC3")
    if s.clusters < FEW_CLUSTERS and dates < s.n:
        return ("sefcik_thompson", "wild", "HC3")
    if FEW_CLUSTERS <= s.clusters < s.n:
        return ("cluster" if s.clusters >= WILD_BELOW else "wild", "HC3")
    return ("HC3" if s.n < SMALL else "HC1", "HC1")


def _beside(s: Setup, cov: str) -> tuple[str, ...]:
    """What is shown beside the automatic choice."""
    if np.unique(distinct_dates(s.ar)).size == 1:
        return ("tsols", "HC3")
    return ("sefcik_thompson", "wild", "wls") if s.clusters < s.n else ("wls",)


def _answered(setup: Setup, cov: str, formula: Formula, more: Mapping[str, Any]) -> RegressionResult:
    if cov != "auto":
        return _result(setup, cov, formula, more)
    tried: list[RegressionResult] = []
    for name in automatic(setup):
        answer = _result(setup, name, formula, more)
        if answer.status == "ok":
            break
        tried.append(answer)
    else:
        # Nothing the design allows can be computed: plain standard errors are printed as what they are.
        shown = next((a for a in tried if a.names), tried[0])
        why = "; ".join(f"{a.cov}: {a.reason}" for a in tried if a.status == "not_applicable")
        answer = shown.but(reason=f"{shown.reason}; {why}" if why and shown.reason else shown.reason or why)
        return answer
    others = [_result(setup, name, formula, more) for name in _beside(setup, answer.cov) if name != answer.cov]
    frames = [a.to_frame() for a in others if a.names]
    beside = pd.concat(frames, ignore_index=True) if frames else None
    notes = tuple(f"cov='{a.cov}' does not apply: {a.reason}" for a in tried)
    return answer.but(beside=beside, notes=answer.notes + notes)


def _result(s: Setup, cov: str, formula: Formula, more: Mapping[str, Any]) -> RegressionResult:
    """One regression with one kind of standard errors."""
    try:
        e = ESTIMATORS[cov](s)
    except CannotEstimate as why:
        return RegressionResult.none(formula.text, cov, s.window, str(why), s.n, **more)
    status, reason = validity(e.setup, cov)
    if not np.isfinite(e.se).all() and status == "ok":
        status, reason = "not_applicable", "a standard error is not defined: residuals vanish on some pairs"
    excluded = (*more["excluded"], *e.setup.left_out)
    return RegressionResult(
        formula.text, cov, s.window, e.setup.names, e.coef, e.se, e.statistic, e.p, e.df, e.setup.n, e.distribution,
        more["level"], s.opt.alternative, status, reason, e.fit, e.null, e.unit, e.notes + _notes(formula), excluded, e.facts,
        title="Cross-section of abnormal returns",
    )  # fmt: skip


def validity(s: Setup, cov: str) -> tuple[TestStatus, str]:
    """Whether the design lets these standard errors stand."""
    if cov in COMMON_DATE or s.n < 2:
        return "ok", ""
    dates = distinct_dates(s.ar)
    if np.unique(dates).size == 1:
        return "invalid", (
            f"all {s.n} pairs share one date, and what moved them together stays in the residuals (clustering by industry "
            "does not repair it); use cov='sefcik_thompson' or 'tsols'"
        )
    if cov in ("cluster", "wild") and _nested(dates, s.group):
        return "ok", ""
    effect = design_effect(s.ar, s.window)
    if effect.de > DESIGN_EFFECT:
        return "invalid", (
            f"common shock: {effect.dates} dates for {s.n} pairs, design effect {effect.de:.2f}; use cov='cluster' or 'wild' "
            "by date"
        )
    return "ok", ""


def _nested(dates: np.ndarray, group: IntArray) -> bool:
    """Whether every date lies within one cluster."""
    pairs = {(str(d), int(g)) for d, g in zip(dates, group)}
    return len(pairs) == np.unique(dates).size


def _notes(formula: Formula) -> tuple[str, ...]:
    estimates = [n for n in formula.right_names if n in ESTIMATES or n.startswith("beta_")]
    if not estimates:
        return (SELECTION_NOTE,)
    named = f"{', '.join(estimates)} is itself estimated: its coefficient is drawn towards zero (generated regressor)"
    return named, SELECTION_NOTE
