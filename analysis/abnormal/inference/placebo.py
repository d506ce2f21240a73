"""Placebo dates: the whole study repeated on days when nothing is known to have happened.

Every statistic here is estimated afresh at each pseudo date through the `Replay` the study hands over.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, PairResult, Replay, TestOptions, TestResult, Unit, Window
from ..kernel import dist
from ..registry import TESTS
from ._window import window_stats

NOT_APPLICABLE, NO_VOTE = 19, 39  # fewer dates than these: no answer; an answer without a vote
REFERENCE = "doi:10.1016/0304-405X(80)90002-1"


TIME_FORMS = ("scar", "matched")
MATCH = 0.01  # `matched`: the market's move over the window within this of the event's


class Placebos(NamedTuple):
    """Statistic `values` (n,) at tape rows `rows` (n,), the event's own `observed`, the estimation length used."""

    values: FloatArray
    rows: IntArray
    observed: float
    length: int
    reason: str

    def only(self, keep: Any) -> Placebos:
        """The same with some dates left out."""
        return self._replace(values=self.values[keep], rows=self.rows[keep])


def scar_at(replay: Replay, unit: Unit, rows: IntArray, length: int, window: Window) -> FloatArray:
    """SCAR of the unit at each row, estimated afresh on `length` sessions; NaN where the window is not whole."""
    return replay.scars(unit, rows, length, window)


def admissible_rows(first: int, t1: int, gap_end: int, length: int, window: Window) -> IntArray:
    """Rows q whose estimation window of `length` sessions, gap and window fit between `first` and T1."""
    low = first + length - 1 - gap_end
    return np.arange(low, t1 - window[1] + 1)


def placebo_distribution(replay: Replay, unit: Unit, window: Window, min_obs: int) -> Placebos:
    """SCARs of one unit at every admissible pseudo date, by the length rule of M 4.11.

    L1 = S, the sessions from the first estimation session to T1, where that leaves 39 dates; otherwise max(min_obs, S / 2),
    allowed only for windows up to S / 20.
    """
    where = replay.limits(unit)
    s = where.t1 - where.est_first + 1
    if s < min_obs:
        return Placebos(np.empty(0), np.empty(0, np.int64), np.nan, 0, f"{s} sessions before the event")
    for length in (s, max(min_obs, s // 2)):
        if length < s and (window[1] - window[0] + 1) > s / 20:
            text = (
                f"{s} sessions of history are too few for a window of {window[1] - window[0] + 1} (at most {s // 20})"
            )
            return Placebos(np.empty(0), np.empty(0, np.int64), np.nan, length, text)
        rows = admissible_rows(where.first, where.t1, replay.estimation_end, length, window)
        if rows.size < (NO_VOTE if length == s and s // 2 >= min_obs else 1):
            continue
        values = scar_at(replay, unit, rows, length, window)
        have = np.isfinite(values)
        if have.sum() >= NO_VOTE or length < s or max(min_obs, s // 2) == s:
            own = window_stats(replay.at(unit, np.array([where.day0]), length, window), window).scar[0]
            return Placebos(values[have], rows[have], float(own), length, "")
    return Placebos(np.empty(0), np.empty(0, np.int64), np.nan, max(min_obs, s // 2), "no admissible placebo date")


def restricted(found: Placebos, replay: Replay, unit: Unit, window: Window, opt: TestOptions) -> tuple[Placebos, str]:
    """The placebo dates that are asked for, and what was asked: like the event in the market's move, free of news.

    options["placebo_match"] = x, or the variant `matched` (x = 0.01), keeps dates whose benchmark moved over the window
    within x of the event's; options["placebo_quiet"] = true leaves out windows that a catalogue event of the share or of
    the market touches.
    """
    said = []
    match = opt.study.get("placebo_match", MATCH if opt.variant == "matched" else None)
    if match is not None and found.rows.size:
        moves = market_moves(replay, unit, found.rows, found.length, window)
        own = market_moves(replay, unit, np.array([replay.limits(unit).day0]), found.length, window)[0]
        before = found.rows.size
        found = found.only(np.abs(moves - own) <= float(match) + dist.TIE)
        said.append(
            f"{found.rows.size} of {before} dates on which the market moved within {float(match):g} of {own:+.4f}"
        )
    news = opt.study.get("placebo_quiet", {}).get(unit)
    if news is not None and found.rows.size:
        before = found.rows.size
        days = found.rows[:, None] + np.arange(window[0], window[1] + 1)
        found = found.only(~np.isin(days, news).any(axis=1))
        said.append(f"{before - found.rows.size} dates with catalogue events left out")
    return found, "; ".join(said)


def market_moves(replay: Replay, unit: Unit, rows: IntArray, length: int, window: Window) -> FloatArray:
    """Summed benchmark return over the window at each row; NaN without a benchmark."""
    ar = replay.at(unit, rows, length, window)
    return np.full(rows.size, np.nan) if ar.market is None else ar.market[:, ar.columns(window)].sum(axis=1)


def placebo_answer(
    test: str, found: Placebos, replay: Replay, unit: Unit, window: Window, opt: TestOptions
) -> TestResult:
    """Rank the event among its placebo dates, those asked for."""
    found, asked = restricted(found, replay, unit, window, opt)
    n = found.values.size
    if found.reason or n < NOT_APPLICABLE or not np.isfinite(found.observed):
        why = found.reason or (
            f"{n} placebo dates{f' ({asked})' if asked else ''}; the test needs {NOT_APPLICABLE}"
            if n < NOT_APPLICABLE
            else "the event has no statistic"
        )
        return TestResult.none(test, window, why, opt.variant, n=float(n), length=found.length)
    p = dist.empirical_p(found.values, found.observed, opt.alternative)
    time = replay.time(unit)
    extra = {
        "first": time[found.rows[0]], "last": time[found.rows[-1]], "length": found.length, "min_p": 1.0 / (n + 1),
        "values": found.values, "dates": time[found.rows], "n_over_L2": n / (window[1] - window[0] + 1),
        "observed": found.observed, "restricted": asked,
    }  # fmt: skip
    status, reason = (
        ("ok", "") if n >= NO_VOTE else ("shown", f"{n} placebo dates: shown, does not vote below {NO_VOTE}")
    )
    return TestResult(test, window, found.observed, p, np.nan, n, opt.variant, status, reason, extra)  # type: ignore[arg-type]


def pair_result(test: str, window: Window, answers: list[TestResult]) -> PairResult:
    """Answers for single pairs as one PairResult; `extra["answers"]` keeps them whole."""
    blank = np.datetime64("NaT", "D")
    return PairResult(
        test, window, np.array([a.statistic for a in answers]), np.array([a.p for a in answers]),
        np.full(len(answers), np.nan), np.array([a.extra.get("n", a.n) for a in answers], float),
        answers[0].variant if answers else "", tuple(a.reason if a.status == "not_applicable" else "" for a in answers),
        {
            "answers": np.array(answers, object),
            "first": np.array([a.extra.get("first", blank) for a in answers], "datetime64[D]"),
            "last": np.array([a.extra.get("last", blank) for a in answers], "datetime64[D]"),
            "min_p": np.array([a.extra.get("min_p", np.nan) for a in answers], float),
        },
    )  # fmt: skip


@TESTS.add(
    "placebo_time",
    reference=REFERENCE,
    scope="pair",
    variants=TIME_FORMS,
    formula="p = (1 + #{|T_q| >= |T_0|}) / (n + 1) over pseudo dates q, the model estimated afresh at each",
    assumes={"ordinary days like the event's but for the event"},
    robust_to={"fat tails", "estimation error"},
    others="none of the packages read",
)
def placebo_time(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """How unusual is the event among all earlier days treated as if they were events?

    The whole statistic (SCAR) is estimated again at every pseudo date that fits before the event window. Fewer than 19
    dates: not applicable; fewer than 39: shown without a vote. The effective number of independent dates is n / L2. `matched`
    keeps the dates on which the market moved over the window within options["placebo_match"] (default 0.01) of the event's.
    """
    if opt.replay is None:
        answers = [TestResult.none("placebo_time", window, "needs whole return series, not only windows")] * ar.size
        return pair_result("placebo_time", window, answers)
    out = []
    for i in range(ar.size):
        if ar.reason and ar.reason[i]:
            out.append(TestResult.none("placebo_time", window, ar.reason[i]))
            continue
        found = placebo_distribution(opt.replay, i, window, opt.min_obs)
        out.append(placebo_answer("placebo_time", found, opt.replay, i, window, opt))
    return pair_result("placebo_time", window, out)


@TESTS.add(
    "portfolio_placebo",
    reference=REFERENCE,
    scope="date",
    one_date=True,
    variants=TIME_FORMS,
    formula="placebo_time on the equal-weighted portfolio of the firms of one date",
    robust_to={"cross-correlation", "fat tails"},
)
def portfolio_placebo(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """How unusual is the firms' joint move among all earlier days?"""
    if opt.replay is None or opt.portfolio is None:
        return TestResult.none("portfolio_placebo", window, "needs several firms on one common date")
    found = placebo_distribution(opt.replay, "portfolio", window, opt.min_obs)
    return placebo_answer("portfolio_placebo", found, opt.replay, "portfolio", window, opt)


def rolling_max(values: FloatArray, days: int) -> FloatArray:
    """Maximum over every `days` consecutive entries; NaN where one is missing."""
    if values.size < days:
        return np.empty(0)
    return np.lib.stride_tricks.sliding_window_view(values, days).max(axis=1)


@TESTS.add(
    "selection",
    reference="doi:10.1111/j.1468-0262.2005.00615.x",
    scope="pair",
    variants=("scar",),
    formula="p = (1 + #{max_j |T_jq| >= |T_0|}) / (n + 1), maximum over candidate firms (and D sessions) at each pseudo date",
    assumes={"the firm is the one that moved most among the candidates"},
    robust_to={"having picked the firm, and with selected_sessions the date, because it jumped"},
    others="none of the packages read",
)
def selection(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Was a jump this large to be expected of SOME candidate on an ordinary day?

    The event's |SCAR| is ranked among the maxima over all candidate firms on the placebo dates every candidate has. With
    `selected_sessions` D the maximum also runs over D consecutive sessions.
    """
    if opt.replay is None or not opt.replay.candidates:
        why = 'needs the firms it was picked from: give candidates=("A", "B", ...)'
        return pair_result("selection", window, [TestResult.none("selection", window, why)] * ar.size)
    return pair_result("selection", window, [_selected(ar, i, window, opt, opt.replay) for i in range(ar.size)])


def _selected(ar: AbnormalReturns, i: int, window: Window, opt: TestOptions, replay: Replay) -> TestResult:
    own = placebo_distribution(replay, i, window, opt.min_obs)
    if own.reason or not np.isfinite(own.observed):
        return TestResult.none("selection", window, own.reason or "the event has no statistic")
    days, largest = candidate_maxima(replay, i, own, window)
    if opt.selected_sessions > 1:
        largest, days = rolling_max(largest, opt.selected_sessions), days[opt.selected_sessions - 1 :]
        days, largest = days[np.isfinite(largest)], largest[np.isfinite(largest)]
    else:
        days, largest = days[np.isfinite(largest)], largest[np.isfinite(largest)]
    n = largest.size
    if n < NOT_APPLICABLE:
        why = f"{n} placebo dates shared by all candidates; needs {NOT_APPLICABLE}"
        return TestResult.none("selection", window, why, n=float(n))
    p = float((1 + dist.count_at_least(largest, abs(own.observed))) / (n + 1))
    extra = {
        "first": days[0], "last": days[-1], "min_p": 1.0 / (n + 1), "candidates": replay.candidates, "values": largest,
        "dates": days, "length": own.length, "observed": own.observed,
    }  # fmt: skip
    return TestResult("selection", window, own.observed, p, np.nan, n, opt.variant, "ok", "", extra)


def candidate_maxima(replay: Replay, i: int, own: Placebos, window: Window) -> tuple[np.ndarray, FloatArray]:
    """(dates, max over candidates of |SCAR|) on every admissible row of the target; NaN where a candidate has none."""
    where = replay.limits(i)
    rows = admissible_rows(where.first, where.t1, replay.estimation_end, own.length, window)
    days = replay.time(i)[rows]
    largest = np.full(rows.size, np.nan)
    largest[np.searchsorted(rows, own.rows)] = np.abs(own.values)
    for ticker in replay.candidates:
        if ticker == replay.ticker(i):
            continue
        there = replay.rows_of(ticker, days)
        values = np.full(rows.size, np.nan)
        ok = there >= 0
        if ok.any():
            values[ok] = np.abs(scar_at(replay, ticker, there[ok], own.length, window))
        largest = np.maximum(largest, values)
    return days, largest
