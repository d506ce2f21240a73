"""run_bulk(): the flow of a study of very many pairs, from rows and a matrix to the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..checks.decision import Design, Outcome
from ..checks.verdict import Facts, weigh
from ..domain import CheckResult, EventCatalog, TestResult, Verdict
from ..frames import checks_frame, excluded_frame, tests_frame
from ..kernel.power import mde_t
from ..provenance import package_versions
from ..request import _given
from ..result import StudyResult
from ..spec import StudySpec
from .answers import answer_all, condensed, designs_of, for_verdict, judged, outcome_of
from .asked import LIMIT, Rows, answerable, rows_of, size_of, tests_of
from .held import Prices, benchmark_problem, prices_of, regressors_of
from .lanes import Lanes, kernel_model, run_lanes
from .placed import place
from .tables import (
    ROWS_OF_DAYS,
    aar_frame,
    abnormal_returns_frame,
    average,
    caar_frame,
    car_frame,
    keys,
    no_rows,
    pairs_frame,
)


def run_bulk(
    events: Any, prices: Any, spec: StudySpec | None = None, benchmark: Any = None, industry: Any = None, factors: Any = None,
    *, per_pair: bool = True, threads: int = 1,
) -> StudyResult | None:  # fmt: skip
    """The study of very many pairs, or None where the usual path has to answer.

    Parameters
    ----------
    events : DataFrame or CSV path
        Rows of `ticker` and `date` (and `event_id`), more than `LIMIT` of them.
    prices : Returns, DataFrame or file
        One column a security, with its own dates; long frames too.
    spec, benchmark, industry, factors
        As in `run`; model and tests among those of `asked.py`.
    per_pair : bool, default True
        False leaves out the tables with one row a pair: only sums are kept, and a million pairs fit in little room.
    threads : int, default 1
        Stretches of dates are shared among so many workers (on Linux processes forked for the purpose, elsewhere threads);
        no number depends on it. A worker pays from 5,000 pairs on.
    """
    size = size_of(events)
    spec = StudySpec() if spec is None else spec
    if size <= LIMIT or not answerable(spec, size):
        return None
    rows = rows_of(events)
    if rows is None or rows.size <= LIMIT or np.unique(rows.day).size < 2:
        return None
    given, spec = _given(benchmark, industry, factors, spec)
    tests = tests_of(spec, rows.size)
    held = prices_of(prices, rows.names, spec, given) if tests else None
    if held is None or regressors_of(held, _needs(spec)) is None:
        return None
    return _study(rows.among(held.tape.units), held, spec, given, tests, per_pair, threads)


def _needs(spec: StudySpec) -> str:
    return "market" if spec.model == "auto" else spec.model


def _study(
    rows: Rows,
    prices: Prices,
    spec: StudySpec,
    given: Any,
    tests: Sequence[tuple[str, str]],
    per_pair: bool,
    threads: int,
) -> StudyResult | None:
    placed = place(rows, prices.tape, lambda t: benchmark_problem(t, spec, given), spec.halt, not per_pair)
    if np.unique(placed.day0).size < 2:
        return None
    windows = spec.offset_windows
    lanes = run_lanes(placed, prices, spec, windows, tuple(t for t, _ in tests), per_pair, threads)
    if placed.size < 2:
        return None
    ar = condensed(lanes, prices)
    answers = answer_all(ar, lanes, tests, spec)
    designs = designs_of(lanes, prices)
    known = {w: (designs[j], outcome_of(lanes, j)) for j, w in enumerate(windows)}
    results = [judged(r, *known[r.window]) for r in answers.values()]
    named = keys(lanes) if per_pair else {}
    daily = abnormal_returns_frame(lanes, prices, spec, named) if per_pair else no_rows("abnormal_returns")
    return StudyResult(
        title=f"{placed.size + len(placed.excluded)} events", question="", name="", spec=spec,
        events=EventCatalog((), rows.source), pairs=pairs_frame(lanes, prices, named) if per_pair else no_rows("pairs"),
        abnormal_returns=daily, car=car_frame(lanes, prices, spec, named) if per_pair else no_rows("car"),
        aar=aar_frame(lanes, spec), caar=caar_frame(lanes, spec, designs), tests=tests_frame(results),
        jump=no_rows("jump"), checks=checks_frame(_checks(lanes, designs[0])), confounders=no_rows("confounders"),
        excluded=excluded_frame(placed.excluded), robustness=no_rows("robustness"),
        verdict=_verdict(lanes, spec, results, *known[windows[0]]), manifest=_manifest(rows, prices, spec, given),
        notes=_notes(lanes, prices, spec, per_pair, daily), case=None,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ verdict and checks


def _verdict(lanes: Lanes, spec: StudySpec, results: Sequence[TestResult], design: Design, outcome: Outcome) -> Verdict:
    n, mean, se, low, high, _ = average(lanes, spec, 0, design)
    window = lanes.windows[0]
    when = f"around {design.dates} dates" + ("" if window == (0, 0) else f", sessions {window[0]} to {window[1]}")
    mde = float(mde_t(se, n - 1, spec.level)) if n > 1 and np.isfinite(se) else float("nan")
    facts = Facts(
        subject=f"the average of {lanes.placed.size} pairs", when=when, estimate=mean, interval=(low, high), mde=mde,
        level=spec.level, outcome=outcome,
    )  # fmt: skip
    return weigh(design, for_verdict(results, lanes, design, outcome, spec), facts)


def _checks(lanes: Lanes, design: Design) -> list[CheckResult]:
    """What can be said of the study without a look at single pairs: do they share a shock, are windows complete?"""
    text = (
        f"{design.n} pairs on {design.dates} dates: design effect {design.de:.2f}, {design.n_eff:.1f} effective pairs, mean "
        f"correlation {design.rbar_w:.4f}."
    )
    if design.one_shock:
        text += " Tests that assume independent pairs are shown as invalid."
    short = [int(np.sum(lanes.kept.rows[:, j] < b - a + 1)) for j, (a, b) in enumerate(lanes.windows)]
    told = (
        f"Returns are missing in event windows of {max(short)} pairs."
        if max(short)
        else "Every event window is complete."
    )
    return [
        CheckResult("clustering", not design.one_shock, text), CheckResult("complete_windows", not max(short), told)
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------ what goes with it


def _manifest(rows: Rows, prices: Prices, spec: StudySpec, given: Any) -> dict[str, Any]:
    blob = hashlib.sha256("\n".join(rows.names).encode())
    blob.update(rows.code.astype("<i4").tobytes())
    blob.update(rows.day.astype("<i4").tobytes())
    frames = {"events": blob.hexdigest()}
    for name in ("benchmark", "industry"):
        series = getattr(given, name, None)
        if series is not None:
            own = series[0].astype("datetime64[D]").astype("<i8").tobytes() + np.asarray(series[1], "<f8").tobytes()
            frames[name] = hashlib.sha256(own).hexdigest()
    return {
        "spec_digest": spec.digest, "seed": spec.seed, "data": {n: {"sha256": d} for n, d in prices.digests.items()},
        "frames": frames, "versions": package_versions(), "compat": spec.compat,
    }  # fmt: skip


def _notes(lanes: Lanes, prices: Prices, spec: StudySpec, per_pair: bool, daily: pd.DataFrame) -> tuple[str, ...]:
    """What a reader should know: how it was computed, and what a study of so many pairs leaves out."""
    n, slow = lanes.placed.size, int((lanes.kept.slow_row >= 0).sum())
    notes = [f"{n} pairs: {n - slow} complete ones by the batched kernel, {slow} pair by pair"]
    basis = dict.fromkeys(prices.recording.bases.values())
    if "price" in basis:
        notes.append("price return (no dividends)")
    left_out = ["confounders, contam_est", "jump", "robustness", "placebo, conformal and SQ columns"]
    if not per_pair:
        left_out += ["pairs, car, abnormal_returns (per_pair=True keeps them)"]
    elif daily.empty:
        left_out.append(f"abnormal_returns (more than {ROWS_OF_DAYS} rows)")
    notes.append(f"more than {LIMIT} pairs: not computed are {', '.join(left_out)}")
    if isinstance(spec.tests, str):
        notes.append(
            "of the default battery only the tests of the tests table; name others in tests=(...) for fewer pairs"
        )
    model, _ = kernel_model(prices, spec)
    if spec.model == "auto":
        notes.append(f"model of complete rows: {model}")
    return tuple(notes)
