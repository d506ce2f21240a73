"""The specification curve: one declared family of models, estimation windows, event windows, returns and benchmarks.

Every specification is estimated; none is chosen. One joint p says how often a family this extreme occurs on ordinary
days: the median and the share of significant specifications are computed on the same placebo dates for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from .case import Case, Progress, Request, build
from .domain import FloatArray, Unit, Window
from .errors import AbnormalError
from .frames import average
from .inference.placebo import NOT_APPLICABLE, placebo_distribution
from .inputs.tapes import members
from .kernel import dist
from .kernel.multiple import bh, holm, romano_wolf
from .request import settle
from .robustness import unit_result
from .spec import StudySpec

COLUMNS = (
    "spec model estimation window_start window_end returns benchmark estimate se ci_low ci_high p holm bh romano_wolf "
    "t n_est own reason"
).split()


@dataclass(frozen=True, slots=True)
class SpecificationCurve:
    """All specifications, sorted by estimate, and the joint p-values of the family.

    frame: one row a specification (decimal returns; `own` marks the study's). median_p, share_p: joint p of the median
    statistic and of the share of significant specifications, over `dates` placebo dates shared by all.
    """

    title: str
    frame: pd.DataFrame
    median: float
    median_p: float
    share: float
    share_p: float
    dates: int
    reason: str = ""
    level: float = 0.05
    placebo: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        from .present.curves import specs_text

        return specs_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, `schema_version` first."""
        from .result import SCHEMA_VERSION, plain, records

        joint = {k: plain(getattr(self, k)) for k in ("median", "median_p", "share", "share_p", "dates", "reason")}
        return {"schema_version": SCHEMA_VERSION, "title": self.title, "specs": records(self.frame), "joint": joint}


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """One specification: what is changed, its label, and its window."""

    model: str
    estimation: Any
    returns: str
    benchmark: Any
    window: Window

    @property
    def changes(self) -> dict[str, Any]:
        return {
            "model": self.model, "estimation": self.estimation, "returns": self.returns, "benchmark": self.benchmark
        }  # fmt: skip


def specification_curve(
    events: Any, prices: Any = None, spec: StudySpec | None = None, *, progress: Progress | None = None, **frames: Any
) -> SpecificationCurve:
    """Every reasonable way to run the study, and how often a family this extreme occurs on ordinary days.

    Takes what `run` takes. The family is `spec.specs` (models, estimations, windows, returns, benchmarks) or a default one.

    Examples
    --------
    >>> import abnormal as ab
    >>> curve = ab.specification_curve("anthropic_export_order")
    >>> int(curve.frame.own.sum())
    1
    """
    return curve_of(settle(events, prices, spec, **frames), progress)


def curve_of(request: Request, progress: Progress | None = None) -> SpecificationCurve:
    """The specification curve of a settled request."""
    case = build(request)
    choices = family_of(case)
    cases = _cases(request, choices, case.windows, progress)
    rows, nulls = [], []
    for choice in choices:
        other = cases[_key(choice)]
        rows.append(_row(choice, other, case))
        nulls.append(None if other is None else _null(other, choice.window))
    return _curve(request.title or request.name, rows, nulls, case.spec)


# ------------------------------------------------------------------------------------------------ the family


def family_of(case: Case) -> list[_Choice]:
    """The declared family: every combination of the listed values, the study's own first in each list."""
    spec, grid = case.spec, case.spec.specs
    own = _own_model(case)
    models = grid.models or ("market", "market_zero_alpha", "market_adjusted", "mean")
    if not case.sample.names:
        models = ("mean",)
    estimations = grid.estimations or _shorter(case)
    windows = tuple(w for w in (grid.windows or case.windows) if not isinstance(w, str))
    returns = grid.returns or ("simple", "log")
    benchmarks: Sequence[Any] = grid.benchmarks or ()
    lists = (
        dict.fromkeys([own, *models]), dict.fromkeys([_own_estimation(case), *estimations]),
        dict.fromkeys([spec.returns, *returns]), dict.fromkeys([spec.benchmark, *benchmarks]),
        dict.fromkeys([case.headline, *windows]),
    )  # fmt: skip
    return [_Choice(m, e, r, b, w) for m, e, r, b, w in product(*lists)]


def _own_model(case: Case) -> str:
    found = dict.fromkeys(case.ar.model)
    return next(iter(found)) if len(found) == 1 else case.spec.model


def _own_estimation(case: Case) -> Any:
    return case.spec.estimation


def _shorter(case: Case) -> tuple[Window, ...]:
    """Half the estimation window, ending where it ends, where that leaves enough returns."""
    lo, hi = case.ar.estimation
    half = (lo + (hi - lo + 1) // 2, hi)
    enough = half[1] - half[0] + 1 >= max(2 * case.spec.min_obs, 40)
    return (half,) if enough else ()


def _key(choice: _Choice) -> tuple[Any, ...]:
    return (choice.model, choice.estimation, choice.returns, choice.benchmark)


def _cases(
    request: Request, choices: Sequence[_Choice], windows: Sequence[Window], progress: Progress | None
) -> dict[tuple[Any, ...], Case | None]:
    """One case for each combination but the window; None where it cannot be estimated."""
    wanted = {_key(c): c.changes for c in choices}
    spans = tuple(dict.fromkeys([*windows, *(c.window for c in choices)]))
    out: dict[tuple[Any, ...], Case | None] = {}
    for done, (key, changes) in enumerate(wanted.items()):
        if progress is not None:
            progress("specifications", done, len(wanted))
        try:
            other = build(request.but(**changes, windows=spans))
        except AbnormalError:
            out[key] = None
            continue
        out[key] = other if other.size else None
    return out


# ------------------------------------------------------------------------------------------------ one specification


def _label(choice: _Choice) -> str:
    a, b = choice.window
    bench = "+".join(members(choice.benchmark)) or "no benchmark"
    return f"{choice.model}, {choice.estimation}, [{a}, {b}], {choice.returns}, {bench}"


def _row(choice: _Choice, other: Case | None, own: Case) -> dict[str, Any]:
    row: dict[str, Any] = {
        "spec": _label(choice), "model": choice.model, "estimation": str(choice.estimation),
        "window_start": choice.window[0], "window_end": choice.window[1], "returns": choice.returns,
        "benchmark": "+".join(members(choice.benchmark)), "own": _is_own(choice, own), "reason": "",
    }  # fmt: skip
    if other is None:
        return row | {"reason": "could not be estimated"}
    _, mean, se, low, high, _ = average(other, choice.window)
    tested = unit_result(other, choice.window)
    t = mean / se if se and np.isfinite(se) and se > 0 else float("nan")
    p = tested.p if tested is not None else float(dist.student_p(t, other.size - 1, other.spec.alternative))
    return row | {
        "estimate": mean, "se": se, "ci_low": low, "ci_high": high, "p": p, "t": t, "n_est": int(other.ar.m.min()),
    }  # fmt: skip


def _is_own(choice: _Choice, own: Case) -> bool:
    spec = own.spec
    same = (choice.estimation, choice.returns, choice.benchmark) == (spec.estimation, spec.returns, spec.benchmark)
    return same and choice.model == _own_model(own) and choice.window == own.headline


def unit_of(case: Case) -> Unit | None:
    """The single unit a family can be permuted for: the pair, or the portfolio of one date."""
    if case.size == 1:
        return 0
    return "portfolio" if case.portfolio is not None else None


def _null(case: Case, window: Window) -> tuple[np.ndarray, FloatArray, float] | None:
    """(dates, SCAR at each, the event's own) of one specification, or None where it has no placebo dates."""
    unit = unit_of(case)
    if unit is None:
        return None
    found = placebo_distribution(case.replay, unit, window, case.spec.min_obs)
    if found.reason or not np.isfinite(found.observed):
        return None
    return case.replay.time(unit)[found.rows], found.values, found.observed


# ------------------------------------------------------------------------------------------------ the family's p


def _curve(title: str, rows: list[dict[str, Any]], nulls: list[Any], spec: StudySpec) -> SpecificationCurve:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    p = frame["p"].to_numpy(float)
    frame["holm"], frame["bh"] = holm(p), bh(p)
    keep = [i for i, x in enumerate(nulls) if x is not None]
    joint: dict[str, Any] = {"median": np.nan, "median_p": np.nan, "share": np.nan, "share_p": np.nan, "dates": 0}
    reason, placebo = "", {}
    if not keep:
        reason = "no specification has placebo dates: the family has no joint p"
    else:
        days, table = shared_dates([nulls[i] for i in keep])
        observed = np.array([nulls[i][2] for i in keep])
        joint["dates"] = int(days.size)
        if days.size < NOT_APPLICABLE:
            reason = f"{days.size} placebo dates shared by {len(keep)} specifications; a joint p needs {NOT_APPLICABLE}"
        else:
            joint |= joint_p(observed, table, spec.level)
            frame.loc[keep, "romano_wolf"] = romano_wolf(np.abs(observed), np.abs(table))
            placebo = {"dates": days, "median": np.median(table, axis=1)}
            left = len(nulls) - len(keep)
            reason = f"{left} specifications without placebo dates are not in the joint p" if left else ""
    frame = frame.sort_values("estimate", kind="stable", na_position="last").reset_index(drop=True)
    return SpecificationCurve(title, frame, reason=reason, level=spec.level, placebo=placebo, **joint)


def shared_dates(nulls: Sequence[tuple[np.ndarray, FloatArray, float]]) -> tuple[np.ndarray, FloatArray]:
    """Dates every specification has, and the statistics there, (dates, specifications)."""
    common = nulls[0][0]
    for days, _, _ in nulls[1:]:
        common = np.intersect1d(common, days)
    columns = [values[np.searchsorted(days, common)] for days, values, _ in nulls]
    return common, np.stack(columns, axis=1)


def joint_p(observed: FloatArray, null: FloatArray, level: float) -> dict[str, float]:
    """Joint p of the median statistic and of the share significant, by the family's values on placebo dates.

    observed (K,), null (n, K): the same statistic (SCAR) of every specification. p = (1 + #{T_q >= T_0}) / (n + 1) with
    T = |median over the family| and with T = share of |SCAR| beyond the normal critical value.
    """
    critical = float(dist.normal_quantile(1 - level / 2))
    median, medians = float(np.median(observed)), np.median(null, axis=1)
    share, shares = float(np.mean(np.abs(observed) > critical)), np.mean(np.abs(null) > critical, axis=1)
    n = null.shape[0]
    return {
        "median": median,
        "median_p": float((1 + dist.count_at_least(np.abs(medians), abs(median))) / (n + 1)),
        "share": share,
        "share_p": float((1 + dist.count_at_least(shares, share)) / (n + 1)),
    }
