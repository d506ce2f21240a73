"""Did one group of firms react differently from another? Average effects by group and the difference of two groups.

On one date the difference is that of two portfolios, so what moved both groups cancels or stays in its variance; on
independent dates it is Welch's t.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..domain import AbnormalReturns, FloatArray, IntArray, TestOptions, Window
from ..errors import RequestError, UnknownName
from ..inference._correlation import design_effect
from ..inference._date import DateSystem, date_system
from ..inference._window import distinct_dates, estimation_block, window_stats
from ..kernel import dist
from ..kernel.windows import run_sums
from ._characteristics import characteristics
from ._common_date import car_covariance
from ._setup import CannotEstimate, Setup, live_case

if TYPE_CHECKING:
    from ..case import Case

Frame = pd.DataFrame
COLUMNS = (
    "group window_start window_end n dates caar se ci_low ci_high statistic df p t_p sq_p test status reason"
).split()
DESIGN_EFFECT = 1.25
MIN_WINDOWS = 19
MOST_GROUPS = 12


def by_group(study: Any, column: str, data: Any = None) -> Frame:
    """Average abnormal returns by group, and the difference of two groups' averages with the inference the dates allow.

    One row a group and window, then, for two groups, a row `A - B`. On one common date a group is its equal-weighted
    portfolio and the difference a long-short portfolio: t(M - k) of W'theta over sqrt(c W'Sigma W), and `sq_p`, its rank
    among all windows before the event, which is `p` where M >= 20 L2. On independent dates (design effect at most 1.25)
    groups have t(N - 1) and the difference Welch's t. Clustered dates with disjoint windows use the residual covariance
    within each date.

    Parameters
    ----------
    study : StudyResult or Case
    column : str
        `role`, `kind`, `sign`, any event attribute or column of the events' table, or a column of `data`.
    data : DataFrame, optional
        Further characteristics, keyed by `event_id` and/or `ticker`.

    Returns
    -------
    DataFrame
        group, window_start, window_end, n, dates, caar, se, ci_low, ci_high, statistic, df, p, t_p, sq_p, test, status, reason;
        `frame.attrs["left_out"]` names pairs without a group.

    References
    ----------
    Welch (1947), doi:10.1093/biomet/34.1-2.28; Schipper and Thompson (1983), doi:10.2307/2490940.

    Examples
    --------
    >>> import abnormal as ab
    >>> study = ab.run("anthropic_order_two_labs")
    >>> study.by("ticker")["group"].unique().tolist()
    ['0100.HK', '2513.HK', '0100.HK - 2513.HK']
    """
    case = live_case(study)
    table = characteristics(case, data)
    if column not in table:
        raise UnknownName("column", column, table.columns, "any characteristic of the study's events and firms")
    values = table[column]
    named = [i for i in range(case.size) if pd.notna(values.iloc[i]) and values.iloc[i] != ""]
    labels = sorted({values.iloc[i] for i in named})
    if len(labels) > MOST_GROUPS:
        raise RequestError(
            f"by({column!r}): {len(labels)} different values; group by something with at most {MOST_GROUPS}, or use "
            f'regress("car ~ {column}")'
        )
    if not labels:
        raise RequestError(f"by({column!r}): no pair of this study states one; add a column {column!r} to the events")
    groups = {str(g): np.array([i for i in named if values.iloc[i] == g], np.int64) for g in labels}
    rows = [_group_row(case, name, at, w) for w in case.windows for name, at in groups.items()]
    if len(groups) == 2:
        rows += [_difference_row(case, groups, w) for w in case.windows]
    frame = Frame(rows, columns=COLUMNS)
    frame.attrs["left_out"] = [case.pairs[i].label for i in range(case.size) if i not in set(named)]
    return frame


# ------------------------------------------------------------------------------------------------ rows


def _row(group: str, window: Window, n: int, dates: int, **found: Any) -> dict[str, Any]:
    out: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    start = {"group": group, "window_start": window[0], "window_end": window[1], "n": n, "dates": dates}
    return out | start | {"test": "", "status": "ok", "reason": ""} | found


def _none(group: str, window: Window, n: int, dates: int, reason: str, **found: Any) -> dict[str, Any]:
    return _row(group, window, n, dates, status="not_applicable", reason=reason, **found)


def _by_t(
    case: Case, value: float, se: float, df: float, test: str, sq_p: float = np.nan, sq: bool = False
) -> dict[str, Any]:
    half = float(dist.student_quantile(1.0 - case.spec.level / 2.0, df)) * se
    t = value / se if se > 0 else np.nan
    p = float(dist.student_p(t, df, case.spec.alternative))
    return {
        "caar": value, "se": se, "ci_low": value - half, "ci_high": value + half, "statistic": t, "df": df,
        "p": sq_p if sq else p, "t_p": p, "sq_p": sq_p, "test": f"{test}, rank of the portfolio" if sq else test,
    }  # fmt: skip


def _with_car(case: Case, at: IntArray, window: Window) -> IntArray:
    return at[np.isfinite(window_stats(case.ar, window).car[at])]


def _group_row(case: Case, name: str, at: IntArray, window: Window) -> dict[str, Any]:
    rows = _with_car(case, at, window)
    if rows.size == 0:
        return _none(name, window, 0, 0, f"no return in the window ({window[0]}, {window[1]})")
    dates = np.unique(distinct_dates(case.ar)[rows]).size
    car = window_stats(case.ar, window).car[rows]
    if rows.size == 1:
        se, df = float(window_stats(case.ar, window).se[rows[0]]), float(case.ar.df[rows[0]])
        return _row(name, window, 1, dates, **_by_t(case, float(car[0]), se, df, "t(M - k) of the pair"))
    if dates == 1:
        return _portfolio_row(case, name, rows, window, np.full(rows.size, 1.0 / rows.size), "portfolio t(M - k)")
    se = float(car.std(ddof=1) / np.sqrt(car.size))
    effect = design_effect(case.ar.take(rows), window)
    test = "t(N - 1) across pairs"
    if effect.de > DESIGN_EFFECT and effect.rbar_w < 1:
        se *= float(np.sqrt((1 + (rows.size - 1) * effect.rbar_w) / (1 - effect.rbar_w)))
        test = "t(N - 1) inflated for the correlation (Kolari and Pynnonen)"
    return _row(name, window, rows.size, dates, **_by_t(case, float(car.mean()), se, rows.size - 1.0, test))


def _difference_row(case: Case, groups: dict[str, IntArray], window: Window) -> dict[str, Any]:
    (a_name, a_at), (b_name, b_at) = groups.items()
    name = f"{a_name} - {b_name}"
    a, b = _with_car(case, a_at, window), _with_car(case, b_at, window)
    rows = np.concatenate([a, b])
    dates = int(np.unique(distinct_dates(case.ar)[rows]).size) if rows.size else 0
    if not a.size or not b.size:
        return _none(name, window, rows.size, dates, "a group has no return in the window")
    weights = np.concatenate([np.full(a.size, 1.0 / a.size), np.full(b.size, -1.0 / b.size)])
    if dates == 1:
        return _portfolio_row(case, name, rows, window, weights, "difference of two portfolios, t(M - k)")
    ar = case.ar.take(rows)
    effect = design_effect(ar, window)
    if effect.de <= DESIGN_EFFECT:
        return _welch(case, name, a, b, window, dates)
    return _clustered_difference(case, name, ar, weights, window, dates) or _welch(
        case,
        name,
        a,
        b,
        window,
        dates,
        f"common shock: design effect {effect.de:.2f} on {dates} dates whose windows meet",
    )


def _welch(
    case: Case, name: str, a: IntArray, b: IntArray, window: Window, dates: int, invalid: str = ""
) -> dict[str, Any]:
    """Difference of means with unequal variances, Satterthwaite's degrees of freedom."""
    car = window_stats(case.ar, window).car
    n = a.size + b.size
    value = float(car[a].mean() - car[b].mean())
    if a.size < 2 or b.size < 2:
        return _none(name, window, n, dates, "Welch's t needs two pairs in each group", caar=value)
    va, vb = car[a].var(ddof=1) / a.size, car[b].var(ddof=1) / b.size
    if not va + vb > 0:
        return _none(name, window, n, dates, "the CARs do not differ within the groups", caar=value)
    df = float((va + vb) ** 2 / (va**2 / (a.size - 1) + vb**2 / (b.size - 1)))
    found = _by_t(case, value, float(np.sqrt(va + vb)), df, "Welch t")
    return _row(name, window, n, dates, **found, **({"status": "invalid", "reason": invalid} if invalid else {}))


def _clustered_difference(
    case: Case, name: str, ar: AbnormalReturns, weights: FloatArray, window: Window, dates: int
) -> dict[str, Any] | None:
    """The difference with the residual covariance within each date; None where windows of dates meet."""
    w = window_stats(ar, window)
    setup = Setup(
        w.car, np.ones((ar.size, 1)), ("mean",), ar, window, w.se**2, np.arange(ar.size), "", _options(case)
    )  # fmt: skip
    try:
        cov = car_covariance(setup)
    except CannotEstimate:
        return None
    if cov.setup.n < ar.size:
        return None
    se = float(np.sqrt(weights @ cov.v @ weights))
    found = _by_t(case, float(weights @ cov.setup.y), se, cov.df, "difference of portfolios within dates, t(M - k)")
    return _row(name, window, ar.size, dates, **found)


# ------------------------------------------------------------------------------------------------ portfolios of one date


def _options(case: Case) -> TestOptions:
    return TestOptions(alternative=case.spec.alternative, level=case.spec.level, min_obs=case.spec.min_obs)


def _portfolio_row(
    case: Case, name: str, rows: IntArray, window: Window, weights: FloatArray, test: str
) -> dict[str, Any]:
    """A weighted portfolio of firms on one date: t and rank among the windows before the event."""
    ar = case.ar.take(rows)
    system = date_system("by", ar, window, _options(case), "", joint=False)
    if not isinstance(system, DateSystem):
        return _none(name, window, rows.size, 1, system.reason.removeprefix("by "))
    w = weights[system.rows]
    left, right = w > 0, w < 0
    if not left.any() or (weights < 0).any() != right.any():
        return _none(
            name, window, rows.size, 1, f"no firm of one group is left: too short are {', '.join(system.left_out)}"
        )
    w = np.where(left, w / w[left].sum(), np.where(right, w / -w[right].sum() if right.any() else 0.0, 0.0))
    variance = float(w @ system.sigma @ w)
    value = float(w @ system.theta)
    if not variance > 1e-24 * np.trace(system.sigma):
        return _none(name, window, system.n, 1, "the portfolio's residual does not vary", caar=value)
    se = float(np.sqrt(system.c * variance))
    sq_p, m = _portfolio_rank(ar, system, w, window, value / se, case.spec.alternative)
    use_rank = np.isfinite(sq_p) and m >= 20 * (window[1] - window[0] + 1)
    why = f"left out: {', '.join(system.left_out)} (too few sessions in common)" if system.left_out else ""
    return _row(name, window, system.n, 1, **_by_t(case, value, se, system.nu, test, sq_p, use_rank), reason=why)


def _portfolio_rank(
    ar: AbnormalReturns, system: DateSystem, w: FloatArray, window: Window, observed: float, alternative: str
) -> tuple[float, int]:
    """p of the portfolio's studentised CAR among all windows of its estimation rows, and the number of those rows."""
    use = ar.est[system.rows, estimation_block(ar)].all(axis=0)
    length = window[1] - window[0] + 1
    e = np.full(use.size, np.nan)
    e[use] = system.e @ w
    spread = np.full(use.size - length + 1, float(length))
    if ar.fitted[system.rows[0]] and system.x.shape[1]:
        x = np.zeros((use.size, system.x.shape[1]))
        x[use] = system.x
        u = run_sums(x.T, length)
        spread = spread - np.einsum("iq,ij,jq->q", u, system.fit @ system.fit.T, u)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = run_sums(e, length) / np.sqrt(float(w @ system.sigma @ w) * spread)
    z = z[np.isfinite(z)]
    if z.size < MIN_WINDOWS:
        return np.nan, int(use.sum())
    return dist.empirical_p(z, observed, alternative), int(use.sum())
