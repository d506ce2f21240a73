"""run(): the whole flow of a study in one page. Read this first.

request   what was asked: pairs, prices, spec                        request.py
case      day 0, series, sample, model -> AbnormalReturns (waist)    case.py
battery   every test over every window                               battery.py, inference/
checks    can it be believed?                                        checks/
verdict   one headline by the decision table, one sentence           checks/decision.py, checks/verdict.py
result    frames and verdict                                         frames.py, result.py
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import frames
from .anticipation import anticipation_of
from .battery import (
    Answers,
    buy_and_hold,
    by_rule,
    date_groups,
    design_of,
    headline_answers,
    judged,
    outcome_of,
    run_battery,
    thin_share,
)
from .case import Case, Progress, Request, build
from .checks.decision import Design, Outcome, row_of
from .checks.verdict import Facts, weigh
from .compat import COMPAT
from .confounding import Confounder, confounders_of
from .domain import AbnormalReturns, CheckInput, CheckResult, EventCatalog, Excluded, Verdict, Window
from .errors import AbnormalError, AbnormalWarning
from .inference._window import two_sided_interval, window_stats
from .inference.sq import sq_interval
from .inputs.audit import Finding, audit
from .inputs.store import marks
from .jump import estimation_rows, jump_row
from .kernel.aggregate import mean_and_se
from .kernel.power import mde_t
from .provenance import input_notes, manifest_of
from .registry import CHECKS
from .request import settle
from .result import StudyResult
from .robustness import alternative_cases, robustness_frame
from .slopes import slope_answers, slope_estimate, slope_name
from .spec import StudySpec


def run(
    events: Any,
    prices: Any = None,
    spec: StudySpec | None = None,
    *,
    benchmark: Any = None,
    industry: Any = None,
    factors: Any = None,
    catalogue: Any = None,
    progress: Progress | None = None,
    per_pair: bool = True,
    threads: int = 1,
) -> StudyResult:
    """Study events: from dated news and prices to tested abnormal returns and a verdict in a sentence.

    Parameters
    ----------
    events : str, path, DataFrame, EventCatalog or Study
        A bundled study's name or a study file (then nothing else is needed); an event file (YAML, CSV, Parquet); a
        DataFrame with `ticker` and `date`; a catalogue.
    prices : PriceStore, path, DataFrame or Returns, optional
        Default: the user's store with the bundled prices behind it.
    spec : StudySpec, optional
        What to do; default `StudySpec()`.
    benchmark, industry : ticker, list of tickers or Series of decimal returns, optional
    factors : path of a French library file, or DataFrame of decimal returns, optional
    catalogue : EventCatalog, path or False, optional
        Where confounders are looked up; False turns the look-up off.
    progress : callable(what, done, total), optional
    per_pair, threads : bool, int
        For studies of more than 2,000 pairs on a frame: whether tables with one row a pair are wanted, and how many workers
        share the work (processes forked for it on Linux, else threads; no number depends on it).

    Returns
    -------
    StudyResult

    Raises
    ------
    RequestError
        What was asked cannot be done as written (exit code 2 on the command line).
    DataMissing
        Prices are not at hand (exit code 3), with the line that fetches them.

    Examples
    --------
    >>> import abnormal as ab
    >>> study = ab.run("anthropic_export_order")
    >>> study.verdict.headline
    'selection'
    """
    if hasattr(events, "columns") or str(events).lower().endswith(".csv"):
        from .bulk import run_bulk

        found = run_bulk(events, prices, spec, benchmark, industry, factors, per_pair=per_pair, threads=threads)
        if found is not None:
            return found
    request = settle(events, prices, spec, benchmark=benchmark, industry=industry, factors=factors, catalogue=catalogue)
    return run_request(request, progress)


def run_request(request: Request, progress: Progress | None = None) -> StudyResult:
    """Everything after the request is settled."""
    if request.spec.freq != "1d":
        from .intraday import run_request as run_on_bars

        return run_on_bars(request, progress)
    case = build(request, progress)
    around = _neighbours(case)
    jump = _jumps(case)
    answers = run_battery(case, jump, progress)
    others = alternative_cases(case, design_of(case, case.headline), progress)
    results = judged(answers, case)
    design = design_of(case, case.headline)
    checks = _checks(case, around, design)
    verdict = _verdict(case, answers, design, others, around)
    return StudyResult(
        title=request.title or _title(case), question=request.question, name=request.name, spec=request.spec,
        events=_events(request), pairs=frames.pairs_frame(case, around),
        abnormal_returns=frames.abnormal_returns_frame(case), car=frames.car_frame(case, answers),
        aar=frames.aar_frame(case), caar=frames.caar_frame(case), tests=frames.tests_frame(results),
        jump=frames.jump_frame(case, jump), checks=frames.checks_frame(checks),
        confounders=frames.confounders_frame(case, around),
        excluded=frames.excluded_frame([*case.excluded, *_portfolio_exclusions(case)]),
        robustness=robustness_frame(case, others, around), verdict=verdict, manifest=manifest_of(case),
        notes=_notes(case, answers), placebo=_placebos(case, answers), case=case,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ neighbours and jump


def _neighbours(case: Case) -> list[list[Confounder]]:
    """The catalogue events near each pair or inside its estimation window."""
    out = []
    for i, pair in enumerate(case.pairs):
        rows = estimation_rows(case, i)
        span = (int(rows[0]), int(rows[-1]))
        out.append(confounders_of(pair, case.request.catalogue, case.recording(i), int(case.day0[i]), span, case.spec))
    return out


def _jumps(case: Case) -> dict[int, dict[str, object]]:
    """Day-0 anatomy of every pair that has daily highs and lows."""
    if case.spec.freq != "1d":
        return {}
    rows = {i: jump_row(case, i) for i in range(case.size)}
    return {i: row for i, row in rows.items() if row is not None}


def _portfolio_exclusions(case: Case) -> list[Excluded]:
    why = "too few complete sessions with it: the equal-weighted portfolio leaves it out"
    return [Excluded("portfolio", t, why, "", "", t) for t in case.portfolio_dropped]


# ------------------------------------------------------------------------------------------------ checks


def _checks(case: Case, around: Sequence[Sequence[Confounder]], design: Design) -> list[CheckResult]:
    """Every registered check, in the order of its weight."""
    if case.size == 0:
        return []
    given = check_input(case, around, design)
    results = [method(given) for method in sorted(CHECKS, key=lambda m: (m.order, m.name))]
    return [r for r in results if r is not None]


def check_input(case: Case, around: Sequence[Sequence[Confounder]], design: Design) -> CheckInput:
    """What the checks may look at."""

    def rerun(**changes: Any) -> AbnormalReturns | None:
        try:
            other = build(case.request.but(**changes))
        except AbnormalError:
            return None
        return other.ar if other.size else None

    rec = case.recording(0)
    members = rec.basket.get(case.pairs[0].ticker, ())
    return CheckInput(
        ar=case.ar, portfolio=case.portfolio, headline=case.headline, windows=case.windows, level=case.spec.level,
        labels=tuple(p.label for p in case.pairs), flags=case.flags,
        drift=frames.drift_ratio(case, case.headline),
        contaminated=np.array([frames.contaminated_sessions(case, i, c) for i, c in enumerate(around)], np.int64),
        volatility=np.array([frames.volatility_ratio(case, i) for i in range(case.size)]),
        thin=np.full(case.size, thin_share(case)),
        confounders=tuple(tuple(c.event.title for c in found if c.same_session) for found in around),
        bases=rec.bases, benchmark=members, benchmark_named=_treated_members(case, members),
        design=design, rerun=rerun,
        facts={"marks": _doubtful_bars(case), "findings": _findings(case), "anticipation": anticipation_of(case),
               "outside_benchmark": bool(case.spec.robustness.benchmarks)},
    )  # fmt: skip


def _findings(case: Case) -> tuple[Finding, ...]:
    """What the audit says of every series the study read."""
    return tuple(audit(case.request, bars={t: b for rec in case.recordings.values() for t, b in rec.bars.items()}))


def _treated_members(case: Case, members: Sequence[str]) -> tuple[str, ...]:
    """Benchmark members that an event of the study names, and market-wide events."""
    studied = {p.event.id for p in case.pairs}
    named = {k.ticker for e in _events(case.request).whole if e.id in studied for k in e.tickers}
    wide = [p.event.id for p in case.pairs if p.event.market_wide]
    return tuple([t for t in members if t in named] + wide)


def _doubtful_bars(case: Case) -> tuple[str, ...]:
    """Marked bars of the study's shares inside the rows it uses."""
    out = []
    for i, pair in enumerate(case.pairs):
        rec = case.recording(i)
        time = rec.tape.time
        first = time[max(int(case.day0[i] + case.ar.offsets[0]), 0)]
        last = time[min(int(case.day0[i] + case.ar.offsets[-1]), time.size - 1)]
        for mark in marks(pair.ticker) if not case.request.source.own_dates else ():
            if first <= np.datetime64(str(mark.date), "D") <= last:
                out.append(f"{pair.ticker} {mark.date} ({mark.column}): {mark.what}")
    return tuple(dict.fromkeys(out))


# ------------------------------------------------------------------------------------------------ verdict


def _verdict(
    case: Case, answers: Answers, design: Design, others: Mapping[str, Case | str],
    around: Sequence[Sequence[Confounder]],
) -> Verdict:  # fmt: skip
    window = case.headline
    if case.size == 0:
        why = case.excluded[0].reason if case.excluded else "no pair"
        sentence = f"Cannot say: no pair could be studied. {why[:1].upper()}{why[1:]}."
        nan = float("nan")
        return Verdict(
            "cannot say", "none", "none", window, nan, 0.0, nan, nan, (nan, nan), nan, sentence,
            tuple(f"{x.what}: {x.reason}" for x in case.excluded),
        )  # fmt: skip
    found = headline_answers(case, answers, window, others)
    bought = row_of(design).headline(design) == "bhar_bootstrap"
    estimate, interval, mde = held_estimate(case, window) if bought else estimate_of(case, window)
    subject = _subject(case)
    outcome = outcome_of(answers, case, window)
    if row_of(design).id == "characteristics":
        outcome = Outcome()  # that firms react unequally is the question here, not a caution
        slopes, fits = slope_answers(case, window)
        found |= slopes
        headline = fits[row_of(design).headline(design)]
        estimate, interval, mde = slope_estimate(headline, case.spec.level)
        subject = f"A share per unit of {slope_name(headline) or 'the characteristic'}"
    facts = Facts(
        subject=subject, when=_when(case), estimate=estimate, interval=interval, mde=mde, level=case.spec.level,
        inseparable=_inseparable(case, around), refused=_refused(case), outcome=outcome,
    )  # fmt: skip
    verdict = weigh(design, found, facts)
    if verdict.row == "two_dates":
        verdict = replace(verdict, reasons=(*verdict.reasons, *_read_singly(case)))
    return verdict


def _read_singly(case: Case) -> list[str]:
    """Two events on two dates are read singly: the verdict of each pair by its own row."""
    out = []
    for pair in case.pairs:
        alone = build(replace(case.request, pairs=(pair,), spec=case.spec.but(windows=case.windows)))
        if alone.size:
            answers = run_battery(alone, _jumps(alone))
            design = design_of(alone, alone.headline)
            others = alternative_cases(alone, design)
            out.append(_verdict(alone, answers, design, others, _neighbours(alone)).sentence)
    return out


def estimate_of(case: Case, window: Window) -> tuple[float, tuple[float, float], float]:
    """Headline estimate, its interval (of SQ where SQ is the headline) and the smallest effect with 80% power."""
    _, mean, se, low, high, _ = frames.average(case, window)
    unit = case.ar if case.size == 1 else case.portfolio
    level = case.spec.level
    if unit is not None and np.isfinite(se):
        w = window_stats(unit, window)
        rule = by_rule(case, window, "pair" if case.size == 1 else "portfolio")
        if rule is not None and rule.test == "sq":
            lo, hi = sq_interval(unit, window, level)
            low, high = float(lo[0]), float(hi[0])
        else:
            lo, hi = two_sided_interval(w.car, w.se, unit.df, level)
            low, high = float(lo[0]), float(hi[0])
        return mean, (low, high), float(mde_t(float(w.se[0]), float(unit.df[0]), level))
    mde = float(mde_t(se, case.size - 1, level)) if case.size > 1 and np.isfinite(se) else float("nan")
    return mean, (low, high), mde


def _refused(case: Case) -> str:
    """Why a model says that no verdict can stand on its fit (synthetic control: donors that do not follow the share)."""
    unit = case.ar if case.size == 1 else case.portfolio
    reasons = unit.notes.get("refuse_verdict", {}) if unit is not None else {}
    return next(iter(reasons.values()), "")


def held_estimate(case: Case, window: Window) -> tuple[float, tuple[float, float], float]:
    """Mean buy-and-hold abnormal return, its t(N - 1) interval across pairs and the smallest effect with 80% power."""
    held = buy_and_hold(case, window)
    mean, se, n = mean_and_se(held)
    if n < 2:
        return mean, (float("nan"), float("nan")), float("nan")
    low, high = two_sided_interval(np.array([mean]), np.array([se]), np.array([n - 1.0]), case.spec.level)
    return mean, (float(low[0]), float(high[0])), float(mde_t(se, n - 1, case.spec.level))


def _inseparable(case: Case, around: Sequence[Sequence[Confounder]]) -> tuple[str, ...]:
    """Titles of other events in the same session, each story once; none for an average over several dates."""
    if len(date_groups(case)) > 1:
        return ()
    own = {p.event.cluster or p.event.id for p in case.pairs}
    others = [c.event for found in around for c in found if c.same_session and not c.same_story]
    named: dict[str, str] = {}
    for event in (*others, *case.same_session):
        story = event.cluster or event.id
        if story not in own:
            named.setdefault(story, event.title or event.id)
    return tuple(named.values())


def _subject(case: Case) -> str:
    tickers = list(dict.fromkeys(p.ticker for p in case.pairs))
    if len(tickers) <= 3:
        return " and ".join(tickers)
    return f"the average of {case.size} pairs"


def _when(case: Case) -> str:
    a, b = case.headline
    dates = {str(case.recording(i).tape.time[case.day0[i]]) for i in range(case.size)}
    day = f"on {next(iter(dates))}" if len(dates) == 1 else f"around {len(dates)} dates"
    return day if (a, b) == (0, 0) else f"{day}, sessions {a} to {b}"


def _title(case: Case) -> str:
    ids = list(dict.fromkeys(p.event.title or p.event.id for p in case.request.pairs))
    return ids[0] if len(ids) == 1 else f"{len(ids)} events"


def _events(request: Request) -> EventCatalog:
    events = tuple({p.event.id: p.event for p in request.pairs}.values())
    return EventCatalog(events, parent=request.catalogue)


def _notes(case: Case, answers: Answers) -> tuple[str, ...]:
    """What a reader should know of the inputs and the battery."""
    notes = input_notes(case)
    if answers.skipped:
        notes.append(
            f"more than 50 pairs: {', '.join(answers.skipped)} of single pairs only when asked for (tests=...)"
        )
    signs = {p.link.sign for p in case.pairs} - {0}
    if len(signs) > 1 and case.spec.align is None:
        text = 'the study mixes expected signs: use align="expected_sign", or by("sign"); the plain average may cancel'
        warnings.warn(text, AbnormalWarning, stacklevel=2)
        notes.append(text)
    if case.spec.compat is not None:
        notes.append(f"for comparison, not recommended: {COMPAT[case.spec.compat].says}")
    notes += [f"window ({w[0]}, {w[1]}) added: {why}" for w, why in case.added_windows.items()]
    for rec in case.recordings.values():
        stray = ((t, d) for t, d in rec.surplus.items() if d.size)
        notes += [f"{t}: {d.size} bars on days that are no session, first {d[0]}" for t, d in stray]
    return tuple(notes)


def _placebos(case: Case, answers: Answers) -> dict[str, Any]:
    """Placebo distributions of the headline window, for figures: values, dates and the event's own."""
    out: dict[str, Any] = {}
    for test in ("placebo_time", "selection"):
        found = answers.pair(test, case.headline)
        if found is None:
            continue
        for i, answer in enumerate(found.extra["answers"]):
            if "values" in answer.extra:
                out[f"{test}:{i}"] = {k: answer.extra[k] for k in ("values", "dates", "observed")}
    joint = answers.of("portfolio_placebo", case.headline)
    if joint is not None and "values" in joint.extra:
        out["portfolio_placebo"] = {k: joint.extra[k] for k in ("values", "dates", "observed")}
    return out
