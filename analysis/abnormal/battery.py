"""Which tests a study runs, and what they answered: the default battery of M 9 over every window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .case import Case
from .checks.decision import Design, invalid_reason, row_of
from .compat import adopted, conventions
from .domain import AbnormalReturns, PairResult, TestOptions, TestResult, Window
from .inference._window import window_stats
from .inference.sq import sq_rule
from .inputs.sample import portfolio
from .kernel import dist
from .kernel.multiple import holm
from .registry import MODELS, TESTS

PAIR_TESTS = ("t_ar", "t_car", "f_window", "sq", "sq_vol", "conformal", "placebo_time", "selection", "intraday_extreme")
EMPIRICAL_PAIR_TESTS = ("sq", "sq_vol", "conformal", "placebo_time", "selection")
PER_PAIR_LIMIT = 50  # above it the empirical tests of single pairs run only when asked for
SCOPES = ("cross", "date", "adjust")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Results by (test, variant, window); single-pair tests keep one array over pairs."""

    pairs: Mapping[tuple[str, str, Window], PairResult]
    cross: Mapping[tuple[str, str, Window], TestResult]
    skipped: tuple[str, ...] = ()

    def pair(self, test: str, window: Window) -> PairResult | None:
        """The single-pair test in its default variant."""
        return next((r for (t, _, w), r in self.pairs.items() if t == test and w == window), None)

    def of(self, test: str, window: Window, variant: str | None = None) -> TestResult | None:
        """The cross-sectional test, first variant asked for."""
        return next(
            (r for (t, v, w), r in self.cross.items() if t == test and w == window and variant in (None, v)), None
        )


def asked_tests(case: Case) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """(test, variant) to run, and the ids the default battery leaves out for this many pairs."""
    tests = case.spec.tests
    if not isinstance(tests, str):
        return [(t.partition(":")[0], t.partition(":")[2]) for t in tests], ()
    many = case.size > PER_PAIR_LIMIT
    single = [t for t in PAIR_TESTS if not (many and t in EMPIRICAL_PAIR_TESTS)]
    cross = [m.name for m in TESTS if m.scope in SCOPES]
    return [(t, "") for t in [*single, *cross]], tuple(t for t in PAIR_TESTS if t not in single)


def options(case: Case, jump: Mapping[int, Any]) -> TestOptions:
    """What the study offers to its tests."""
    spec = case.spec
    return TestOptions(
        alternative=spec.alternative, level=spec.level, seed=spec.seed, draws=spec.draws, min_obs=spec.min_obs,
        portfolio=case.portfolio, replay=case.replay, selected_sessions=spec.selected_sessions,
        rbar=str(spec.options.get("rbar", conventions(spec.compat).rbar)), study={"jump": jump},
    )  # fmt: skip


def run_battery(
    case: Case, jump: Mapping[int, Any], progress: Callable[[str, int, int], None] | None = None
) -> Answers:
    """Every asked test over every window."""
    wanted, skipped = asked_tests(case)
    rules = conventions(case.spec.compat)
    ar = adopted(case.ar, rules)
    opt = options(case, jump)
    pairs: dict[tuple[str, str, Window], PairResult] = {}
    cross: dict[tuple[str, str, Window], TestResult] = {}
    total = len(wanted) * len(case.windows)
    done = 0
    for test, variant in wanted:
        method = TESTS.get(test)
        chosen = variant or rules.variants.get(test, "") or method.default_variant
        for window in case.windows:
            if progress is not None:
                progress(f"test {test}", done, total)
            done += 1
            answer = method(ar, window, replace(opt, variant=chosen))
            if isinstance(answer, PairResult):
                pairs[(test, chosen, window)] = answer
            else:
                cross[(test, chosen, window)] = answer
    return Answers(pairs, cross, skipped)


# ------------------------------------------------------------------------------------------------ dates as units


def date_groups(case: Case) -> list[np.ndarray]:
    """Positions of the pairs of each distinct event session, in date order."""
    days = np.array([case.recording(i).tape.time[case.day0[i]] for i in range(case.size)])
    return [np.flatnonzero(days == d) for d in np.unique(days)]


def date_portfolios(case: Case) -> list[AbnormalReturns]:
    """Abnormal returns of the equal-weighted portfolio of each date (the pair itself where it is alone)."""
    out = []
    for rows in date_groups(case):
        if rows.size == 1:
            out.append(case.ar.take(rows))
            continue
        joint, _ = portfolio(case.sample.take(rows))
        out.append(MODELS.get(case.spec.model)(joint, case.spec.options))
    return out


def date_answers(case: Case, window: Window) -> dict[str, TestResult]:
    """Tests with the date as the unit: t over date portfolios, t(G - 1), and per-date SQ with Holm."""
    units = [a for a in date_portfolios(case) if not (a.reason and a.reason[0])]
    g = len(units)
    if g < 2:
        why = f"needs 2 distinct dates, this study has {g}"
        return {t: TestResult.none(t, window, why) for t in ("date_t", "date_holm")}
    cars = np.array([window_stats(a, window).car[0] for a in units])
    t = float(cars.mean() / (cars.std(ddof=1) / np.sqrt(g)))
    p = float(dist.student_p(t, g - 1, case.spec.alternative))
    by_date = TestResult("date_t", window, t, p, g - 1, g, "portfolio")
    sq = [TESTS.get("sq")(a, window, TestOptions(alternative=case.spec.alternative)).one(0) for a in units]
    if any(not np.isfinite(r.p) for r in sq):
        why = next(r.reason for r in sq if not np.isfinite(r.p))
        return {"date_t": by_date, "date_holm": TestResult.none("date_holm", window, why)}
    adjusted = holm(np.array([r.p for r in sq]))
    i = int(np.argmin(adjusted))
    extra = {"adjusted": adjusted, "sign": np.sign(cars[i])}
    return {
        "date_t": by_date,
        "date_holm": TestResult("date_holm", window, sq[i].statistic, float(adjusted[i]), np.nan, g, "sq", extra=extra),
    }


# ------------------------------------------------------------------------------------------------ design


def design_of(case: Case, window: Window) -> Design:
    """What the decision table may look at for one window of this study."""
    spec, ar = case.spec, case.ar
    if case.size == 0:
        return Design(0, 0, 0, 0, window, portfolio=False)
    w = window_stats(ar, window)
    dates = np.array([case.recording(i).tape.time[case.day0[i]] for i in range(case.size)])
    distinct = np.unique(dates)
    de, n_eff, rbar_w = _dependence(case, window)
    used = case.portfolio if case.portfolio is not None else ar
    l2 = int(window_stats(used, window).n.max()) if used.size else 0
    candidates = len(dict.fromkeys([*(p.ticker for p in case.pairs), *spec.candidates]))
    return Design(
        n=case.size, dates=distinct.size, m=int(used.m.min()), l2=max(l2, int(w.n.max())), window=window, de=de, n_eff=n_eff,
        rbar_w=rbar_w, disjoint=_disjoint(case, window), intraday=spec.freq != "1d",
        selected=spec.selected_on_outcome or any(p.event.selected_on_outcome for p in case.pairs),
        candidates=candidates, thin_share=thin_share(case), portfolio=case.portfolio is not None,
    )  # fmt: skip


def _dependence(case: Case, window: Window) -> tuple[float, float, float]:
    """Design effect, effective number of pairs and overlap-weighted residual correlation (M 8.3)."""
    if case.size < 2:
        return 1.0, float(case.size), 0.0
    from .inference._correlation import design_effect

    found = design_effect(case.ar, window)
    return found.de, found.n_eff, found.rbar_w


def _disjoint(case: Case, window: Window) -> bool:
    """Whether the event windows of different dates never overlap."""
    for key in set(case.key):
        rows = np.unique(case.day0[[k == key for k in case.key]])
        if rows.size > 1 and np.diff(rows).min() <= window[1] - window[0]:
            return False
    return True


def thin_share(case: Case) -> float:
    """Largest share of estimation sessions without a trade over the pairs."""
    worst = 0.0
    for i in range(case.size):
        rec = case.recording(i)
        rows = np.flatnonzero(case.ar.est[i])
        if not rows.size:
            continue
        first = int(case.day0[i] + case.ar.offsets[rows[0]])
        last = int(case.day0[i] + case.ar.estimation[1])
        span = rec.tape.event_y[case.unit(i), first : last + 1]
        worst = max(worst, float(np.mean(~np.isfinite(span))))
    return worst


def judged(answers: Answers, case: Case) -> list[TestResult]:
    """Cross-sectional answers with the status the design gives them, and single-pair answers where there is one pair."""
    out: list[TestResult] = []
    for (test, _, window), result in answers.cross.items():
        out.append(_status(result, test, design_of(case, window)))
    if case.size == 1:
        out = [r.one(0) if test != "placebo_time" and test != "selection" else r.extra["answers"][0]
               for (test, _, _), r in answers.pairs.items()] + out  # fmt: skip
    elif not isinstance(case.spec.tests, str):
        for (test, variant, window), _ in answers.pairs.items():
            why = f"{test} is a test of one pair: see the car table, a row for each pair"
            out.append(TestResult.none(test, window, why, variant))
    return out


def _status(result: TestResult, test: str, design: Design) -> TestResult:
    if result.status != "ok":
        return result
    why = invalid_reason(test, design)
    if why:
        return replace(result, status="invalid", reason=why)
    row = row_of(design)
    if test in row.greyed or test in row.shown:
        return replace(result, status="shown", reason=f"shown without a vote for {row.situation}")
    return result


# ------------------------------------------------------------------------------------------------ for the verdict


def single_headline(case: Case, window: Window) -> np.ndarray:
    """Per pair the headline test of M 4.1: sq where M >= 20 L2, else t_car."""
    return np.where(sq_rule(case.ar, window), "sq", "t_car")


def by_rule(case: Case, window: Window, unit: str = "pair") -> TestResult | None:
    """The single-unit headline test (sq or t_car by the rule of M 4.1) of the pair or of the portfolio of a case."""
    ar = case.ar if unit == "pair" else case.portfolio
    if ar is None or ar.size == 0:
        return None
    name = "sq" if sq_rule(ar, window)[0] else "t_car"
    method = TESTS.get(name)
    opt = TestOptions(variant=method.default_variant, alternative=case.spec.alternative, level=case.spec.level)
    return method(ar, window, opt).one(0)


def headline_answers(
    case: Case, answers: Answers, window: Window, alternatives: Mapping[str, Case | None]
) -> dict[str, TestResult]:
    """Everything the decision table may ask for, by its name there."""
    out: dict[str, TestResult] = {r.test: r for r in judged(answers, case) if r.window == window}
    if case.size == 1:
        for name in ("placebo_time", "selection"):
            found = answers.pair(name, window)
            if found is not None:
                out[name] = found.extra["answers"][0]
    if 1 < len(date_groups(case)) < case.size:
        out |= date_answers(case, window)
        # With several firms on a date the date, not the firm, is drawn.
        out["wild"] = TESTS.get("wild")(case.ar, window, replace(options(case, {}), variant="date"))
    for name, other in alternatives.items():
        if other is None or other.size == 0:
            out[name] = TestResult.none(name, window, "the alternative model could not be estimated")
            continue
        found_rule = by_rule(other, window)
        if found_rule is not None:
            out[name] = found_rule
    return out
