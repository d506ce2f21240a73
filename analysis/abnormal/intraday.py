"""A study on bars within the day, from the settled request to the result. `study.run_request` hands over here.

case       grid, event bar, sessions, model, daily pattern            intraday_case.py, intraday_place.py, intraday_fit.py
tests      same clock time, jumps, range, volume                      inference/
anatomy    gap against session, how fast, what was given back         intraday_anatomy.py
verdict    the decision table's row for bars                          checks/decision.py, checks/verdict.py
frames     the frames of daily studies, and `intraday`, `sessions`    intraday_frames.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import frames as daily_frames
from . import intraday_frames as frames
from .case import Progress, Request
from .checks.decision import Design
from .checks.verdict import Facts, percent, weigh
from .confounding import Confounder
from .domain import CheckResult, EventCatalog, PairResult, TestOptions, TestResult, Verdict, Window
from .errors import AbnormalError
from .inference._bars import ClockSums, DayActivity, clock_sums
from .inference._window import window_stats
from .inference.lee_mykland import bar_jumps
from .inference.same_clock import pooled
from .inputs.barfile import content_digest
from .intraday_anatomy import anatomy
from .intraday_case import BarCase, build_bars
from .intraday_fit import LEAST_SESSIONS, neighbours_of
from .kernel.dist import count_at_least
from .kernel.multiple import holm
from .kernel.power import mde_t
from .provenance import package_versions
from .registry import TESTS
from .result import StudyResult

DEFAULT_TESTS = ("same_clock", "lee_mykland", "bns", "range_variance", "abnormal_volume", "t_car")
OF_BARS = ("intraday", "activity")
LEAST_COMPARABLE = 19

Answers = dict[tuple[str, str, Window], TestResult]


def run_request(request: Request, progress: Progress | None = None) -> StudyResult:
    """Everything after the request is settled, for a study that counts bars."""
    case = build_bars(request, progress)
    around = [neighbours_of(x, case.recordings[x.key], case.spec, request.catalogue) for x in case.placed]
    jumps = {i: bar_jumps(b) for i, b in enumerate(case.bars)}
    rows = {i: anatomy(case, i, jumps[i]) for i in range(case.size)}
    opt = options(case, rows)
    answers = run_tests(case, opt)
    selection = {w: selected(case, w) for w in case.windows}
    if case.size == 1:
        rows[0] |= {"selection_p": selection[case.headline].p, "selection_n": selection[case.headline].n}
    others = alternatives(case, opt, progress)
    verdict = _verdict(case, answers, selection, rows, around, opt)
    listed = [*answers.values(), *(selection.values() if case.candidates else ())]
    return StudyResult(
        title=request.title or _title(case), question=request.question, name=request.name, spec=request.spec,
        events=EventCatalog(tuple({p.event.id: p.event for p in request.pairs}.values()), parent=request.catalogue),
        pairs=frames.pairs_frame(case, around), abnormal_returns=frames.abnormal_returns_frame(case),
        car=frames.car_frame(case, selection if case.candidates else {}), aar=frames.aar_frame(case),
        caar=frames.caar_frame(case, opt), tests=daily_frames.tests_frame(listed), jump=frames.jump_frame(case, rows),
        checks=daily_frames.checks_frame(_checks(case, around)), confounders=frames.confounders_frame(case, around),
        excluded=daily_frames.excluded_frame(case.excluded), robustness=_robustness_frame(case, others, opt),
        verdict=verdict, manifest=_manifest(case), notes=_notes(case), case=case,
        intraday=frames.intraday_frame(case, jumps), sessions=frames.sessions_frame(case, jumps),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ tests


def options(case: BarCase, rows: Mapping[int, Mapping[str, object]]) -> TestOptions:
    """What the study offers to its tests: sessions by slot and the activity of whole sessions."""
    spec = case.spec
    activity = [_activity(case, i, int(str(rows[i]["direction"]))) for i in range(case.size)] if rows else []
    return TestOptions(
        alternative=spec.alternative, level=spec.level, seed=spec.seed, draws=spec.draws, min_obs=spec.min_obs,
        study={"bars": case.bars, "activity": activity, "jump": rows},
    )  # fmt: skip


def _activity(case: BarCase, i: int, direction: int) -> DayActivity:
    at, here = case.rows(i)
    day = case.recording(i).days[case.pairs[i].ticker]
    nan = np.full(at.size, np.nan)
    return DayActivity(
        day.high[at], day.low[at], day.volume[at], nan, None, case.bars[i].est[here], int(np.flatnonzero(case.rel[here] == 0)[0]),
        direction, bars=True,
    )  # fmt: skip


def run_tests(case: BarCase, opt: TestOptions) -> Answers:
    """Every asked test over every window: of the one pair, or one answer for all of them."""
    out: Answers = {}
    if case.size == 0:
        return out
    for test, variant in _asked(case):
        method = TESTS.get(test)
        chosen = variant or method.default_variant
        for window in case.windows:
            if method.scope not in OF_BARS and test != "t_car":
                why = f'{test} is a test of daily returns; freq = "1d" runs it'
                out[(test, chosen, window)] = TestResult.none(test, window, why, chosen)
                continue
            if test == "same_clock":
                out[(test, chosen, window)] = pooled(list(case.bars), window, opt)
                continue
            found = method(case.ar, window, replace(opt, variant=chosen))
            out[(test, chosen, window)] = _shown(test, _one_for_all(found))
    return out


def _asked(case: BarCase) -> list[tuple[str, str]]:
    tests = case.spec.tests
    names = DEFAULT_TESTS if isinstance(tests, str) else tests
    return [(t.partition(":")[0], t.partition(":")[2]) for t in dict.fromkeys((*names, "same_clock"))]


def _one_for_all(found: PairResult) -> TestResult:
    """The answer of the one pair; of several the smallest p by Holm with that pair's direction."""
    if found.p.size == 1:
        return found.one(0)
    usable = np.flatnonzero(np.isfinite(found.p))
    if not usable.size:
        return found.one(0)
    adjusted = holm(found.p[usable])
    best = int(np.argmin(adjusted))
    one = found.one(int(usable[best]))
    return replace(one, p=float(adjusted[best]), n=float(usable.size), variant=f"{found.variant} holm")


def _shown(test: str, answer: TestResult) -> TestResult:
    if test != "t_car" or answer.status != "ok":
        return answer
    return replace(answer, status="shown", reason="shown without a vote: normal theory by the size of a usual bar")


def selected(case: BarCase, window: Window) -> TestResult:
    """The pair's move among the largest moves of all firms it was picked from, at the same clock time of each session."""
    if not case.candidates or case.size != 1:
        return TestResult.none(
            "selection", window, 'needs the firms it was picked from: give candidates=("A", "B", ...)'
        )
    units = {case.pairs[0].ticker: case.bars[0], **case.candidates}
    sums = {t: clock_sums(b, window) for t, b in units.items()}
    for ticker, found in sums.items():
        if isinstance(found, str) or found.past.shape[0] < 2:
            return TestResult.none(
                "selection", window, f"{ticker}: {found if isinstance(found, str) else 'too few sessions'}"
            )
    good = [s for s in sums.values() if isinstance(s, ClockSums)]
    common = good[0].back
    for s in good[1:]:
        common = np.intersect1d(common, s.back)
    sizes = [np.abs(s.past[np.isin(s.back, common), -1]) / s.past[:, -1].std(ddof=1) for s in good]
    largest = np.max(sizes, axis=0)
    if largest.size < LEAST_COMPARABLE:
        why = f"{largest.size} sessions shared by all candidates; needs {LEAST_COMPARABLE}"
        return TestResult.none("selection", window, why, n=float(largest.size))
    own = float(good[0].path[-1] / good[0].past[:, -1].std(ddof=1))
    p = float((1 + count_at_least(largest, abs(own))) / (largest.size + 1))
    return TestResult(
        "selection", window, own, p, np.nan, largest.size, "same_clock", extra={"min_p": 1.0 / (largest.size + 1)}
    )


# ------------------------------------------------------------------------------------------------ verdict


def _verdict(
    case: BarCase, answers: Answers, selection: Mapping[Window, TestResult], rows: Mapping[int, Mapping[str, Any]],
    around: Sequence[Sequence[Confounder]], opt: TestOptions,
) -> Verdict:  # fmt: skip
    window = case.headline
    nan = float("nan")
    if case.size == 0:
        why = case.excluded[0].reason if case.excluded else "no pair"
        sentence = f"Cannot say: no pair could be studied. {why[:1].upper()}{why[1:]}."
        reasons = tuple(f"{x.what}: {x.reason}" for x in case.excluded)
        return Verdict("cannot say", "none", "none", window, nan, 0.0, nan, nan, (nan, nan), nan, sentence, reasons)
    found = {t: r for (t, _, w), r in reversed(answers.items()) if w == window}
    found["selection"] = selection[window]
    words = _words(rows[0]) if case.size == 1 else {"peak": "n/a", "close": "n/a", "give_back": "n/a"}
    head = found["same_clock"]
    found["same_clock"] = replace(head, extra={**head.extra, "words": words})
    w = window_stats(case.ar, window)
    have = w.car[np.isfinite(w.car)]
    estimate = float(have.mean()) if have.size else nan
    half, sd = float(head.extra.get("half", nan)), float(head.extra.get("sd", nan))
    m = int(head.n) if np.isfinite(head.n) else 0
    days = {case.recording(i).grid.sessions[case.day0[i]] for i in range(case.size)}
    design = Design(
        n=case.size, dates=len(days), m=int(case.ar.m.min()), l2=int(max(w.n.max(), 1)), window=window, intraday=True,
        selected=case.spec.selected_on_outcome or any(p.event.selected_on_outcome for p in case.pairs),
        candidates=len(case.candidates) + 1, portfolio=False,
    )  # fmt: skip
    facts = Facts(
        subject=_subject(case), when=_when(case), estimate=estimate, interval=(estimate - half, estimate + half),
        mde=float(mde_t(sd, m - 1, opt.level)) if m > 2 else nan, level=opt.level, inseparable=_inseparable(around),
    )  # fmt: skip
    return weigh(design, found, facts)


def _words(row: Mapping[str, Any]) -> dict[str, str]:
    """Peak, close and give-back of the event session as its sentence says them."""
    back = row["give_back"]
    return {
        "peak": percent(float(row["peak_gain"])), "close": percent(float(np.expm1(row["total"]))),
        "give_back": percent(float(back), 0).lstrip("+") if np.isfinite(back) else "n/a",
    }  # fmt: skip


def _subject(case: BarCase) -> str:
    tickers = list(dict.fromkeys(p.ticker for p in case.pairs))
    return " and ".join(tickers) if len(tickers) <= 3 else f"the average of {case.size} pairs"


def _when(case: BarCase) -> str:
    a, b = case.headline
    days = sorted({str(case.recording(i).grid.sessions[case.day0[i]]) for i in range(case.size)})
    when = f"on {days[0]}" if len(days) == 1 else f"around {len(days)} dates"
    length = (b - a + 1) * case.minutes
    closed = any(frames.closure_part(u, case.headline) for u in case.bars)
    night = ", the closure before it included" if closed and a == 0 else ""
    said = f"the first {length} minutes after the news" if a == 0 else f"bars {a} to {b}"
    return f"{when}, {said}{night}"


def _inseparable(around: Sequence[Sequence[Confounder]]) -> tuple[str, ...]:
    titles = {
        c.event.cluster or c.event.id: c.event.title
        for found in around
        for c in found
        if c.same_session and not c.same_story
    }
    return tuple(titles.values())


def _title(case: BarCase) -> str:
    names = list(dict.fromkeys(p.event.title or p.event.id for p in case.request.pairs))
    return names[0] if len(names) == 1 else f"{len(names)} events"


# ------------------------------------------------------------------------------------------------ robustness


def alternatives(case: BarCase, opt: TestOptions, progress: Progress | None = None) -> dict[str, BarCase | str]:
    """The study built again with another model, estimation window or benchmark; why where that cannot be."""
    if case.size == 0:
        return {}
    spec = case.spec
    own = set(case.ar.model)
    models = [m for m in ("market_adjusted", *spec.robustness.models) if m not in own]
    wanted: dict[str, dict[str, Any]] = {
        f"model:{m}": {"model": m} for m in models if spec.benchmark is not None or m == "mean"
    }
    wanted |= {f"estimation:{e}": {"estimation": e} for e in spec.robustness.estimations}
    wanted |= {
        f"benchmark:{b if isinstance(b, str) else '+'.join(b)}": {"benchmark": b} for b in spec.robustness.benchmarks
    }
    out: dict[str, BarCase | str] = {}
    for done, (name, change) in enumerate(wanted.items()):
        if progress is not None:
            progress(f"robustness {name}", done, len(wanted))
        try:
            other = build_bars(case.request.but(**change, windows=case.windows))
            out[name] = other if other.size else (other.excluded[-1].reason if other.excluded else "no pair left")
        except AbnormalError as error:
            out[name] = str(error)
    return out


def _robustness_frame(case: BarCase, others: Mapping[str, BarCase | str], opt: TestOptions) -> Any:
    columns = "what car se p ci_low ci_high n_est sigma test same_sign reason".split()
    if case.size == 0:
        return frames.Frame(columns=columns)
    own = _robust_row("as specified", case, opt, 0.0)
    rows = [own]
    for name, other in others.items():
        if isinstance(other, str):
            rows.append({"what": name, "reason": other, "same_sign": None})
        else:
            rows.append(_robust_row(name, other, opt, float(own["car"])))
    return frames.Frame(rows, columns=columns)


def _robust_row(what: str, case: BarCase, opt: TestOptions, reference: float) -> dict[str, Any]:
    window = case.headline
    found = pooled(list(case.bars), window, opt)
    w = window_stats(case.ar, window)
    have = w.car[np.isfinite(w.car)]
    car = float(have.mean()) if have.size else float("nan")
    half = float(found.extra.get("half", np.nan))
    return {
        "what": what, "car": car, "se": found.extra.get("sd", np.nan), "p": found.p, "ci_low": car - half, "ci_high": car + half,
        "n_est": int(case.ar.m.min()), "sigma": float(case.ar.sigma[0]) if case.size == 1 else float("nan"),
        "test": "same_clock", "same_sign": bool(np.sign(car) == np.sign(reference)) if reference else True,
        "reason": found.reason,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ checks, notes, manifest


def _checks(case: BarCase, around: Sequence[Sequence[Confounder]]) -> list[CheckResult]:
    """What speaks against a study on bars: other news, empty bars, few sessions, an uncertain time, halts."""
    if case.size == 0:
        return []
    titles = _inseparable(around)
    text = f"In the same session: {'; '.join(titles)}. Bars may separate them where their times differ."
    out = [
        CheckResult("confounders", not titles, text if titles else "No other catalogued event in the event session.")
    ]
    empty = [_empty_share(case, i) for i in range(case.size)]
    worst = max(empty)
    said = f"{100 * worst:.1f}% of the estimation bars are empty" + (": use longer bars." if worst > 0.2 else ".")
    out.append(CheckResult("empty_bars", bool(worst <= 0.2), said))
    m = int(case.ar.m.min())
    said = f"{m} estimation sessions" + (
        f"; {LEAST_SESSIONS} are needed for a daily pattern." if m < LEAST_SESSIONS else "."
    )
    out.append(CheckResult("sessions", bool(m >= LEAST_SESSIONS), said))
    wide = max(x.uncertain for x in case.placed)
    said = f"The news may have come in any of {wide + 1} bars." if wide else "The event bar is known."
    out.append(CheckResult("event_time", wide == 0, said))
    halts = [p.label for i, p in enumerate(case.pairs) if case.bars[i].halted[case.bars[i].event].any()]
    text = f"Halted in the event session: {', '.join(halts)}." if halts else "No halt in the event session."
    out.append(CheckResult("halts", None if halts else True, text))
    return out


def _empty_share(case: BarCase, i: int) -> float:
    b = case.bars[i]
    shown = b.exists & b.is_bar & b.est[:, None]
    return float(1.0 - np.isfinite(b.r[shown]).mean()) if shown.any() else 0.0


def _notes(case: BarCase) -> tuple[str, ...]:
    out = list(case.notes)
    out += [f"window ({w[0]}, {w[1]}) added: {why}" for w, why in case.added_windows.items()]
    stated = [w for w in case.spec.windows if isinstance(w, str)]
    if stated:
        out.append(f"minutes count trading time from the start of the event bar: {', '.join(stated)}")
    return tuple(out)


def _manifest(case: BarCase) -> dict[str, Any]:
    """Digests of spec and bars, sources with retrieval time, package versions and the seed."""
    data = {}
    for rec in case.recordings.values():
        for ticker, bars in sorted(rec.bars.items()):
            known = {k: bars.meta[k] for k in ("source", "retrieved", "adjustment") if bars.meta.get(k)}
            ends = {"first": str(bars.time[0])[:10], "last": str(bars.time[-1])[:10]} if len(bars) else {}
            data[ticker] = {"sha256": content_digest(bars), "freq": bars.freq, **ends, **known}
    return {
        "spec_digest": case.spec.digest, "seed": case.spec.seed, "data": data, "frames": {}, "versions": package_versions(),
        "compat": case.spec.compat,
    }  # fmt: skip
