"""The same study with one thing changed: other models, estimation windows, benchmarks, contaminated days removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .battery import by_rule
from .case import Case, Progress, build
from .checks.decision import Design, Outcome, add_ons, row_of
from .confounding import Confounder, confounders_of
from .domain import TestResult, Window
from .errors import AbnormalError
from .frames import average
from .kernel import dist
from .placing import SMALL

FACTOR_MODELS = (
    "market",
    "capm",
    "capm_zero",
    "ff3",
    "carhart4",
    "ff5",
    "ff6",
    "factors",
    "industry",
    "market_industry",
)


def second_model(case: Case) -> str:
    """The model that votes beside the study's own: market_adjusted; market beside that one and beside factor models."""
    own = set(case.ar.model)
    factors = own <= set(FACTOR_MODELS) - {"market"}
    return "market" if own == {"market_adjusted"} or factors else "market_adjusted"


def changes_of(case: Case, design: Design) -> dict[str, dict[str, Any]]:
    """Name -> changed fields of every alternative: those that vote, then those the study asks for."""
    spec = case.spec
    wanted: dict[str, dict[str, Any]] = {}
    votes = row_of(design).robustness(design) if case.size else ()
    votes += tuple(t for a in add_ons(design, Outcome()) for t in a.votes)
    for name in votes:
        model = name.removeprefix("model:")
        if model != name and model not in case.ar.model and (model != "peers_ew" or case.sample.peers is not None):
            wanted[name] = {"model": model}
        elif name.startswith("trade_to_trade:"):
            wanted[name] = {"thin": "trade_to_trade"}
    if case.sample.names and f"model:{second_model(case)}" not in wanted:
        wanted = {"second_model": {"model": second_model(case)}, **wanted}
    for model in (*_peer_models(case), *spec.robustness.models):
        if all(c.get("model") != model for c in wanted.values()):
            wanted[f"model:{model}"] = {"model": model}
    for window in spec.robustness.estimations:
        wanted[f"estimation:{window}"] = {"estimation": window}
    for benchmark in spec.robustness.benchmarks:
        label = benchmark if isinstance(benchmark, str) else "+".join(benchmark)
        wanted[f"benchmark:{label}"] = {"benchmark": benchmark}
    if not any(c.get("model") == "mean" for c in wanted.values()) and "mean" not in case.ar.model:
        wanted["model:mean"] = {"model": "mean"}
    return wanted


CLEAN_DONORS, LONG_WINDOW, STORM = 5, 10, 2.0


def _peer_models(case: Case) -> tuple[str, ...]:
    """Models on control shares that are shown where there are some: their mean always; a synthetic control with 5 of them for
    windows of more than 10 sessions, or where the benchmark's variance around the event is more than twice the usual."""
    peers = case.sample.peers
    if peers is None or not peers.shape[2]:
        return ()
    long = case.headline[1] - case.headline[0] + 1 > LONG_WINDOW
    synthetic = peers.shape[2] >= CLEAN_DONORS and (long or _stormy(case))
    wanted = ("peers_ew", *(("synthetic_control",) if synthetic else ()))
    return tuple(m for m in wanted if m not in case.ar.model)


def _stormy(case: Case) -> bool:
    """Whether the benchmark's mean square in any pair's headline window exceeds twice its estimation variance."""
    ar = case.ar
    if ar.market is None:
        return False
    for i in range(ar.size):
        usual, now = ar.market[i][ar.est[i]], ar.market[i, ar.columns(case.headline)]
        now = now[np.isfinite(now)]
        if now.size and usual.size > 1 and np.mean((now - usual.mean()) ** 2) > STORM * usual.var(ddof=1):
            return True
    return False


def alternative_cases(case: Case, design: Design, progress: Progress | None = None) -> dict[str, Case | str]:
    """The study built again with each change, or why it could not be estimated."""
    if case.size == 0:
        return {}
    out: dict[str, Case | str] = {}
    wanted = changes_of(case, design)
    for done, (name, change) in enumerate(wanted.items()):
        if progress is not None:
            progress(f"robustness {name}", done, len(wanted))
        out[name] = _changed(case, change)
    out["without_contaminated"] = _changed(case, {"confounders": "dummy"})
    if case.spec.confounders == "drop" and case.size < SMALL:
        out["without_confounded"] = _without_confounded(case)
    return out


def _without_confounded(case: Case) -> Case | str:
    """A small sample keeps its confounded pairs and shows the estimate without them (M 8.2)."""
    clean = []
    for i, pair in enumerate(case.pairs):
        found = confounders_of(pair, case.request.catalogue, case.recording(i), int(case.day0[i]), (0, -1), case.spec)
        a, b = case.headline
        if not any(not c.same_story and (c.same_session or a <= c.distance <= b) for c in found):
            clean.append(pair)
    if not clean:
        return "every pair is confounded"
    return case if len(clean) == case.size else build(replace(case.request, pairs=tuple(clean)))


def _changed(case: Case, change: Mapping[str, Any]) -> Case | str:
    """The study with a change of its spec, or why there is none."""
    try:
        other = build(case.request.but(**change, windows=case.windows))
    except AbnormalError as error:
        return str(error)
    if other.size:
        return other
    return other.excluded[0].reason if other.excluded else "no pair is left"


def robustness_frame(
    case: Case, others: Mapping[str, Case | str], around: Sequence[Sequence[Confounder]]
) -> pd.DataFrame:
    """One row an alternative: the headline window's estimate, se, p and whether it has the study's sign."""
    columns = "what car se p ci_low ci_high n_est sigma test same_sign reason".split()
    if case.size == 0:
        return pd.DataFrame(columns=columns)
    window = case.headline
    own = _row("as specified", case, window, 0.0)
    rows = [own]
    for name, other in others.items():
        if isinstance(other, str):
            what = f"model:{second_model(case)}" if name == "second_model" else _label(name, case)
            rows.append({"what": what, "reason": f"could not be estimated: {other}", "same_sign": None})
            continue
        rows.append(_row(_label(name, other), other, window, float(own["car"])))
    return pd.DataFrame(rows, columns=columns)


def _label(name: str, case: Case) -> str:
    if name == "second_model":
        return f"model:{'+'.join(dict.fromkeys(case.ar.model))}"
    spoken = {
        "trade_to_trade:corrado_zivney": "returns from trade to trade",
        "without_contaminated": "contaminated estimation days removed",
        "without_confounded": "confounded pairs removed",
    }
    return spoken.get(name, name)


def unit_result(case: Case, window: Window) -> TestResult | None:
    """The rule-of-4.1 test of the single pair or of the portfolio of one date; None where there is neither."""
    if case.size == 1:
        return by_rule(case, window)
    return by_rule(case, window, "portfolio") if case.portfolio is not None else None


def _row(what: str, case: Case, window: Window, reference: float) -> dict[str, Any]:
    n, mean, se, low, high, _ = average(case, window)
    tested = unit_result(case, window)
    if tested is None:
        p = float(dist.student_p(mean / se, n - 1, case.spec.alternative)) if n > 1 and se > 0 else float("nan")
        name = "t across pairs"
    else:
        p, name = tested.p, tested.test
    same: bool | None = bool(np.sign(mean) == np.sign(reference)) if reference else True
    return {
        "what": what, "car": mean, "se": se, "p": p, "ci_low": low, "ci_high": high, "n_est": int(case.ar.m.min()),
        "sigma": float(case.ar.sigma[0]) if case.size == 1 else float("nan"), "test": name, "same_sign": same,
        "reason": "",
    }  # fmt: skip
