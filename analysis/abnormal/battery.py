"""Which tests a study runs, and what they answered: the default battery of M 9 over every window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from .activity import daily_activity
from .case import Case
from .checks.decision import CLUSTERED_WILD, Design, Outcome, invalid_reason, row_of, silent_reason
from .compat import adopted, conventions
from .confounding import confounders_of, contaminated_rows
from .domain import AbnormalReturns, FloatArray, PairResult, TestOptions, TestResult, Window
from .errors import SpecError
from .inference._cross import cars, with_values
from .inference._window import window_stats
from .inference.skewness import skewness_in_errors
from .inference.sq import sq_rule
from .inputs.sample import portfolio
from .kernel import aggregate, dist
from .kernel.multiple import holm
from .registry import MODELS, TESTS

PAIR_TESTS = (
    "t_ar", "t_car", "f_window", "sq", "sq_vol", "conformal", "placebo_time", "placebo_space", "selection", "intraday_extreme",
)  # fmt: skip
EMPIRICAL_PAIR_TESTS = ("sq", "sq_vol", "conformal", "placebo_time", "placebo_space", "selection")
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
    both = [("placebo_both", v) for v in TESTS.get("placebo_both").variants if case.replay.donors and not many]
    return [(t, "") for t in [*single, *cross]] + both, tuple(t for t in PAIR_TESTS if t not in single)


def options(case: Case, jump: Mapping[int, Any]) -> TestOptions:
    """What the study offers to its tests."""
    spec = case.spec
    return TestOptions(
        alternative=spec.alternative, level=spec.level, seed=spec.seed, draws=spec.draws, min_obs=spec.min_obs,
        portfolio=case.portfolio, replay=case.replay, selected_sessions=spec.selected_sessions,
        rbar=str(spec.options.get("rbar", conventions(spec.compat).rbar)),
        study={"jump": jump, "activity": partial(daily_activity, case), **_placebo_wishes(case)},
    )  # fmt: skip


def _placebo_wishes(case: Case) -> dict[str, Any]:
    """What the study asks of its placebo dates: a market move like the event's, no catalogue events."""
    wishes: dict[str, Any] = {}
    if "placebo_match" in case.spec.options:
        wishes["placebo_match"] = _width(case.spec.options["placebo_match"])
    if case.spec.options.get("placebo_quiet"):
        rows: dict[Any, np.ndarray] = {i: news_rows(case, i) for i in range(case.size)}
        if case.portfolio is not None:
            rows["portfolio"] = np.unique(np.concatenate(list(rows.values())))
        wishes["placebo_quiet"] = rows
    return wishes


def _width(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SpecError(f"options.placebo_match: {value!r} given; expected a positive return such as 0.01")
    return float(value)


def news_rows(case: Case, i: int) -> np.ndarray:
    """Tape rows within one session of a catalogue event of pair i's share or of the market."""
    far = case.recording(i).tape.time.size
    found = confounders_of(
        case.pairs[i], case.request.catalogue, case.recording(i), int(case.day0[i]), (0, far), case.spec
    )
    return contaminated_rows(found)


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
    dates = np.array([case.recording(i).tape.time[case.day0[i]] for i in range(case.size)])
    distinct = np.unique(dates)
    de, n_eff, rbar_w = _dependence(case, window)
    # On one date the portfolio is what is tested: its rows count.
    used = case.portfolio if case.portfolio is not None else ar
    candidates = len(dict.fromkeys([*(p.ticker for p in case.pairs), *spec.candidates]))
    return Design(
        n=case.size, dates=distinct.size, m=int(used.m.min()), l2=int(window_stats(used, window).n.max()), window=window,
        de=de, n_eff=n_eff, rbar_w=rbar_w, disjoint=_disjoint(case, window), intraday=spec.freq != "1d",
        selected=spec.selected_on_outcome or any(p.event.selected_on_outcome for p in case.pairs),
        candidates=candidates, thin_share=thin_share(case), portfolio=case.portfolio is not None,
        benchmark=bool(case.sample.names), characteristics=spec.regression is not None and case.size > 1,
    )  # fmt: skip


def outcome_of(answers: Answers, case: Case, window: Window) -> Outcome:
    """What the add-on rows look at in the event window."""
    disp = answers.of("disp_ratio", window)
    skewness = skewness_in_errors(cars(case.ar, window)[0])
    if disp is None or disp.status == "not_applicable":
        return Outcome(skewness=skewness)
    return Outcome(disp.p, float(disp.extra.get("ratio_to_mean", np.nan)), skewness)


def _dependence(case: Case, window: Window) -> tuple[float, float, float]:
    """Design effect, effective number of pairs and overlap-weighted residual correlation (M 8.3)."""
    if case.size < 2:
        return 1.0, float(case.size), 0.0
    from .inference._correlation import design_effect

    found = design_effect(case.ar, window)
    return found.de, found.n_eff, found.rbar_w


def _disjoint(case: Case, window: Window) -> bool:
    """Whether the event windows of different dates never share a calendar session, whatever exchange they are on."""
    days = case.ar.dates[:, case.ar.columns(window)]
    event = case.ar.dates[:, case.ar.at(0)]
    owner: dict[Any, Any] = {}
    for own, sessions in zip(event, days):
        for session in sessions[~np.isnat(sessions)]:
            if owner.setdefault(session, own) != own:
                return False
    return True


def thin_share(case: Case) -> float:
    """Largest share of estimation sessions without a trade over the pairs."""
    if "thin_share" not in case.ar.cache:
        case.ar.cache["thin_share"] = _thin_share(case)
    return float(case.ar.cache["thin_share"])


def _thin_share(case: Case) -> float:
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
    known = {w: (design_of(case, w), outcome_of(answers, case, w)) for w in case.windows}
    out: list[TestResult] = []
    if case.size == 1:
        out += [_status(_single(r), *known[w]) for (_, _, w), r in answers.pairs.items()]
    out += [_status(r, *known[w]) for (_, _, w), r in answers.cross.items()]
    if case.size > 1 and not isinstance(case.spec.tests, str):
        for (test, variant, window), _ in answers.pairs.items():
            why = f"{test} is a test of one pair: see the car table, a row for each pair"
            out.append(TestResult.none(test, window, why, variant))
    return out


def _single(answer: PairResult) -> TestResult:
    """The answer of the only pair; placebo tests keep theirs whole."""
    return answer.extra["answers"][0] if "answers" in answer.extra else answer.one(0)


def _status(result: TestResult, design: Design, outcome: Outcome) -> TestResult:
    if result.status != "ok":
        return result
    why = invalid_reason(result.test, design, result.variant)
    if why:
        return replace(result, status="invalid", reason=why)
    why = silent_reason(result.test, design, outcome, result.variant)
    return replace(result, status="shown", reason=why) if why else result


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
    case: Case, answers: Answers, window: Window, alternatives: Mapping[str, Case | str]
) -> dict[str, TestResult]:
    """Everything the decision table may ask for, by its name there."""
    design, outcome = design_of(case, window), outcome_of(answers, case, window)
    row = row_of(design)
    out: dict[str, TestResult] = {}
    for r in judged(answers, case):
        if r.window == window:
            out.setdefault(r.test, r)
    for name, plain in (("kp_bmp", "bmp"), ("kp_patell", "patell")):
        if name in out:
            out[name] = _cautious(out[name], answers.of(plain, window))
    extra: dict[str, TestResult] = {}
    if 1 < len(date_groups(case)) < case.size:
        extra |= date_answers(case, window)
    if row.id in CLUSTERED_WILD:
        # What pairs of one date, or events of one firm, share must be drawn together.
        extra["wild"] = TESTS.get("wild")(case.ar, window, replace(options(case, {}), variant=_coarser(case)))
    if row.id == "long_window":
        extra |= buy_and_hold_answers(case, window)
    for name, other in alternatives.items():
        found = _alternative(name, other, window, row.headline(design))
        if found is not None:
            extra[name] = found
    out |= {name: _status(r, design, outcome) for name, r in extra.items()}
    for name in row.robustness(design):
        if name not in out:
            out[name] = TestResult.none(name, window, _missing(name, case))
    return out


def _coarser(case: Case) -> str:
    """The clusters to draw: dates, or firms where there are fewer of them (repeated events of a firm)."""
    return "firm" if len({p.ticker for p in case.pairs}) < len(date_groups(case)) else "date"


def _missing(name: str, case: Case) -> str:
    """Why a robustness test of the row was not asked."""
    model = name.removeprefix("model:")
    if model in case.ar.model:
        return "it is the study's own model"
    if model.startswith("peers") and case.sample.peers is None:
        return 'no control shares: give options={"peers": [...]}'
    return "not among the tests of this study" if name == model else "not computed"


def _cautious(adjusted: TestResult, plain: TestResult | None) -> TestResult:
    """With a negative average correlation the adjustment only strengthens: the less significant of the two counts."""
    if plain is None or not adjusted.extra.get("rbar", 0.0) < 0 or not plain.p > adjusted.p:
        return adjusted
    return replace(adjusted, statistic=plain.statistic, p=plain.p)


def _alternative(name: str, other: Case | str, window: Window, headline: str) -> TestResult | None:
    """What an alternative says: the test of its single unit, else the row's headline test, on its abnormal returns."""
    if isinstance(other, str):
        return TestResult.none(name, window, f"could not be estimated: {other}")
    asked = name.partition(":")[2] if name.startswith("trade_to_trade:") else ""
    if not asked:
        unit = by_rule(other, window) if other.size == 1 else by_rule(other, window, "portfolio")
        if unit is not None:
            return unit
    test = asked or headline
    if test not in TESTS:
        return None
    method = TESTS.get(test)
    return method(other.ar, window, replace(options(other, {}), variant=method.default_variant))


def buy_and_hold_answers(case: Case, window: Window) -> dict[str, TestResult]:
    """Skewness-allowing tests on buy-and-hold abnormal returns: the bootstrap, Hall's t and the signed ranks."""
    held = with_values(case.ar, window, buy_and_hold(case, window))
    opt = replace(options(case, {}), variant="")
    named = {"bhar_bootstrap": "lbt_bootstrap", "bhar_hall": "skew_hall", "bhar_wilcoxon": "wilcoxon"}
    return {name: replace(TESTS.get(test)(held, window, opt), test=name) for name, test in named.items()}


def buy_and_hold(case: Case, window: Window) -> FloatArray:
    """BHAR of every pair (E,): against its market where there is one, else against its model."""
    ar, cols = case.ar, case.ar.columns(window)
    raw = ar.raw[:, cols]
    expected = ar.expected[:, cols] if ar.market is None else np.where(np.isfinite(raw), ar.market[:, cols], np.nan)
    if case.spec.returns == "log":
        raw, expected = np.expm1(raw), np.expm1(expected)
    return aggregate.buy_and_hold(raw, expected)
