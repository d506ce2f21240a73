"""The specification curve: one declared family of models, estimation windows, event windows, returns and benchmarks.

Every specification is estimated; none is chosen. One joint p says how often a family this extreme occurs on ordinary
days: the median and the share of significant specifications are computed on the same placebo dates for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .battery import PER_PAIR_LIMIT, date_groups
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
    statistic and of the share of significant specifications, over `dates` placebo dates shared by all; with events on
    several dates over `draws` random choices of one placebo date for each. reason: what the joint p leaves out.
    """

    title: str
    frame: pd.DataFrame
    median: float
    median_p: float
    share: float
    share_p: float
    dates: int
    draws: int = 0
    reason: str = ""
    level: float = 0.05
    placebo: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        from .present.curves import specs_text

        return specs_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, `schema_version` first."""
        from .result import SCHEMA_VERSION, plain, records

        joint = {
            k: plain(getattr(self, k)) for k in ("median", "median_p", "share", "share_p", "dates", "draws", "reason")
        }
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
    cases = _cases(request, choices, progress)
    rows, nulls = [], []
    for choice in choices:
        other = cases[_key(choice)]
        rows.append(_row(choice, other, case))
        nulls.append(None if isinstance(other, str) else _null(other, choice.window))
    return _curve(request.title or request.name, rows, nulls, case)


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
    request: Request, choices: Sequence[_Choice], progress: Progress | None
) -> dict[tuple[Any, ...], Case | str]:
    """One case for each combination but the window, or why there is none."""
    wanted = {_key(c): c.changes for c in choices}
    out: dict[tuple[Any, ...], Case | str] = {}
    for done, (key, changes) in enumerate(wanted.items()):
        if progress is not None:
            progress("specifications", done, len(wanted))
        spans = tuple(dict.fromkeys(c.window for c in choices if _key(c) == key))
        out[key] = _built(request, changes, spans)
    return out


def _built(request: Request, changes: Mapping[str, Any], windows: tuple[Window, ...]) -> Case | str:
    try:
        other = build(request.but(**changes, windows=windows))
    except AbnormalError as error:
        return str(error)
    if other.size:
        return other
    return other.excluded[0].reason if other.excluded else "no pair is left"


# ------------------------------------------------------------------------------------------------ one specification


def _label(choice: _Choice, given: bool) -> str:
    a, b = choice.window
    bench = "+".join(members(choice.benchmark)) or ("benchmark as given" if given else "no benchmark")
    return f"{choice.model}, {choice.estimation}, [{a}, {b}], {choice.returns}, {bench}"


def _row(choice: _Choice, other: Case | str, own: Case) -> dict[str, Any]:
    row: dict[str, Any] = {
        "spec": _label(choice, own.request.given.benchmark is not None), "model": choice.model,
        "estimation": str(choice.estimation), "window_start": choice.window[0], "window_end": choice.window[1],
        "returns": choice.returns, "benchmark": "+".join(members(choice.benchmark)), "own": _is_own(choice, own),
        "reason": "",
    }  # fmt: skip
    if isinstance(other, str):
        return row | {"reason": other}
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


class _Group(NamedTuple):
    """Placebo values of one event date under one specification: dates (n,), SCARs there (n,), and the event's own."""

    days: np.ndarray
    values: FloatArray
    observed: float


def unit_of(case: Case) -> Unit | None:
    """The single unit a family can be permuted for: the pair, or the portfolio of one date."""
    if case.size == 1:
        return 0
    return "portfolio" if case.portfolio is not None else None


def _null(other: Case, window: Window) -> list[_Group] | None:
    """One group for each event date (the pair's or portfolio's SCAR, else the sum of its pairs'); None without dates."""
    unit = unit_of(other)
    if unit is None and other.size > PER_PAIR_LIMIT:
        return None
    units = [[unit]] if unit is not None else [list(map(int, rows)) for rows in date_groups(other)]
    groups = []
    for members_of_date in units:
        found = [placebo_distribution(other.replay, u, window, other.spec.min_obs) for u in members_of_date]
        if any(f.reason or not np.isfinite(f.observed) for f in found):
            return None
        parts = [_Group(other.replay.time(u)[f.rows], f.values, f.observed) for u, f in zip(members_of_date, found)]
        days, table = shared_dates(parts)
        groups.append(_Group(days, table.sum(axis=1), float(sum(p.observed for p in parts))))
    return groups


# ------------------------------------------------------------------------------------------------ the family's p


def _curve(title: str, rows: list[dict[str, Any]], nulls: list[list[_Group] | None], case: Case) -> SpecificationCurve:
    spec = case.spec
    frame = pd.DataFrame(rows, columns=COLUMNS)
    p = frame["p"].to_numpy(float)
    frame["holm"], frame["bh"] = holm(p), bh(p)
    joint: dict[str, Any] = {"median": np.nan, "median_p": np.nan, "share": np.nan, "share_p": np.nan, "dates": 0}
    # A specification that loses the pairs of a date has no share in draws over all dates.
    most = max((len(groups) for groups in nulls if groups is not None), default=0)
    nulls = [groups if groups is not None and len(groups) == most else None for groups in nulls]
    keep = [i for i, groups in enumerate(nulls) if groups is not None]
    placebo: dict[str, Any] = {}
    family = [groups for groups in nulls if groups is not None]
    if not family:
        reasons = ["no specification has placebo dates: the family has no joint p"]
    else:
        reasons = _left_out(len(nulls) - len(keep), case)
        observed, table, joint["dates"], days = _joint_null(family, case)
        joint["draws"] = table.shape[0] if days is None else 0
        if joint["dates"] < NOT_APPLICABLE:
            reasons = [
                f"{joint['dates']} placebo dates shared by {len(keep)} specifications; a joint p needs {NOT_APPLICABLE}"
            ]
        else:
            joint |= joint_p(observed, table, spec.level)
            frame.loc[keep, "romano_wolf"] = romano_wolf(np.abs(observed), np.abs(table))
            placebo = {"dates": days, "median": np.median(table, axis=1)}
    frame = frame.sort_values("estimate", kind="stable", na_position="last").reset_index(drop=True)
    return SpecificationCurve(
        title, frame, reason="; ".join(reasons), level=spec.level, placebo=placebo, **joint
    )  # fmt: skip


def _left_out(without: int, case: Case) -> list[str]:
    """What a reader of the joint p must know."""
    out = [f"{without} specifications without placebo dates are not in the joint p"] if without else []
    if case.spec.selected_on_outcome or any(p.event.selected_on_outcome for p in case.pairs):
        out.append(
            "the joint p forgets that the firm was picked for its move: see the selection-adjusted p of the study"
        )
    return out


def _joint_null(family: Sequence[list[_Group]], case: Case) -> tuple[FloatArray, FloatArray, int, np.ndarray | None]:
    """Statistics of the family (K,), its null (n, K), the placebo dates (the fewest of an event date), and which they are.

    One event date: its shared placebo dates. Several: one placebo position drawn for each of them, the real one among them,
    the same draw for all specifications.
    """
    by_date = [[groups[g] for groups in family] for g in range(len(family[0]))]
    tables = [shared_dates(groups) for groups in by_date]
    scale = 1.0 if len(by_date) == 1 else float(np.sqrt(case.size))
    observed = np.array([sum(g.observed for g in groups) for groups in family]) / scale
    fewest = min(days.size for days, _ in tables)
    if len(by_date) == 1 or not fewest:
        return observed, tables[0][1], fewest, tables[0][0]
    rng = np.random.default_rng(case.spec.seed)
    total = np.zeros((case.spec.draws, len(family)))
    for (_, values), groups in zip(tables, by_date):
        real = np.array([[g.observed for g in groups]])
        positions = np.concatenate([values, real])
        total += positions[rng.integers(0, positions.shape[0], size=case.spec.draws)]
    return observed, total / scale, fewest, None


def shared_dates(nulls: Sequence[_Group]) -> tuple[np.ndarray, FloatArray]:
    """Dates that all have, and the statistics there, (dates, members)."""
    common = nulls[0].days
    for other in nulls[1:]:
        common = np.intersect1d(common, other.days)
    columns = [g.values[np.searchsorted(g.days, common)] for g in nulls]
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
