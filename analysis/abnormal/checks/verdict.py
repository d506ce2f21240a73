"""The verdict: headline, votes, label and one plain sentence. It describes the session, never a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..domain import TestResult, Verdict
from .decision import Design, Row, add_on_votes, row_of

DETECTED, FRAGILE = "effect detected", "fragile"
NOISE, CANNOT = "not distinguishable from noise", "cannot say"
MIN_N, FEW_N = 19, 39  # an empirical headline below 19 says nothing; below 39 its n is printed

# Tests that rank the event among n comparable values, so that n matters.
EMPIRICAL = ("sq", "selection", "portfolio_sq", "placebo_time", "portfolio_placebo", "placebo_joint", "same_clock")


@dataclass(frozen=True, slots=True)
class Vote:
    """One robustness test: its p and direction, whether it may vote and whether it agrees with the headline."""

    test: str
    p: float
    sign: int
    counts: bool
    agrees: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentence needs to know besides the tests."""

    subject: str
    when: str
    estimate: float
    interval: tuple[float, float]
    mde: float
    level: float
    inseparable: tuple[str, ...] = ()
    disp_p: float = 1.0
    disp_factor: float = np.nan


def below(p: float, level: float) -> bool:
    """Strict comparison; p-values by ranks are fractions, so 4/80 is not below .05."""
    return bool(np.isfinite(p) and p < level - 1e-12)


def sign_of(result: TestResult) -> int:
    """Direction a test speaks for: its own statement, else the sign of its statistic."""
    stated = result.extra.get("sign")
    if stated is not None:
        return int(np.sign(stated))
    return int(np.sign(result.statistic)) if np.isfinite(result.statistic) else 0


def cast_vote(name: str, answer: TestResult | None, direction: int, level: float) -> Vote:
    """How one robustness test votes on the headline at twice the level."""
    if answer is None:
        return Vote(name, np.nan, 0, False, False, "not computed")
    if answer.status == "not_applicable" or not np.isfinite(answer.p):
        return Vote(name, np.nan, 0, False, False, answer.reason or "no value")
    sign = sign_of(answer)
    if answer.status != "ok":
        return Vote(name, answer.p, sign, False, False, answer.reason)
    return Vote(name, answer.p, sign, True, below(answer.p, 2 * level) and sign == direction)


def weigh(design: Design, answers: Mapping[str, TestResult], facts: Facts) -> Verdict:
    """Headline by the decision table, robustness votes, label, sentence and reasons in order of weight."""
    row = row_of(design)
    headline = row.headline(design)
    answer = answers.get(headline)
    window = design.window
    if headline == "none" or answer is None or answer.status == "not_applicable" or not np.isfinite(answer.p):
        why = row.sentence if headline == "none" else (answer.reason if answer else f"{headline} was not computed")
        return _cannot_say(row, headline, design, facts, why)
    smallest = float(answer.extra.get("min_p", np.nan))
    if headline in EMPIRICAL and answer.n < MIN_N:
        return _cannot_say(
            row, headline, design, facts, f"{int(answer.n)} comparable windows; a headline needs {MIN_N}"
        )
    direction = sign_of(answer)
    votes = [cast_vote(t, answers.get(t), direction, facts.level) for t in row.robustness(design)]
    extra, _, add_ons = add_on_votes(design, facts.disp_p)
    add_on = [cast_vote(t, answers.get(t), direction, facts.level) for t in extra if t != headline]
    label = _label(answer.p, votes, add_on, design, facts.level)
    reasons = _reasons(label, row, answer, headline, votes, add_on, add_ons, design, facts)
    sentence = _sentence(label, row, headline, answer, design, facts)
    return Verdict(
        label, row.id, headline, window, float(answer.p), float(answer.n), smallest, facts.estimate, facts.interval,
        facts.mde, sentence, reasons, {v.test: v for v in [*votes, *add_on]},
    )  # fmt: skip


def _label(p: float, votes: Sequence[Vote], add_on: Sequence[Vote], design: Design, level: float) -> str:
    if not below(p, level):
        return NOISE
    counted = [v for v in votes if v.counts]
    agreed = sum(v.agrees for v in counted)
    label = DETECTED if counted and 2 * agreed >= len(counted) else FRAGILE
    if label == DETECTED and any(v.counts and not v.agrees for v in add_on):
        label = FRAGILE
    if label == DETECTED and design.selected and design.n > 1:
        label = FRAGILE
    return label


def _cannot_say(row: Row, headline: str, design: Design, facts: Facts, why: str) -> Verdict:
    sentence = f"{facts.subject}, {facts.when}: cannot say. {_capital(why)}."
    return Verdict(
        CANNOT, row.id, headline, design.window, np.nan, np.nan, np.nan, facts.estimate, facts.interval, facts.mde,
        sentence + _inseparable(facts), (why,), {},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ wording

TEMPLATES = {
    DETECTED: "{subject} moved {estimate} beyond what its model expects, {when}: effect detected (p = {p}, {how}).",
    FRAGILE: "{subject} moved {estimate} beyond what its model expects, {when}: fragile. The headline test sees it "
    "(p = {p}, {how}), the others do not all agree.",
    NOISE: "{subject} moved {estimate} beyond what its model expects, {when}: not distinguishable from noise "
    "(p = {p}, {how}). An effect below {mde} could not have been seen.",
}


def percent(x: float, digits: int = 1) -> str:
    """A decimal return as a signed percentage."""
    return "n/a" if not np.isfinite(x) else f"{100 * x:+.{digits}f}%"


def show_p(p: float) -> str:
    """A p-value as printed."""
    return "n/a" if not np.isfinite(p) else (f"{p:.3f}" if p >= 0.0005 else f"{p:.1e}")


def _sentence(label: str, row: Row, headline: str, answer: TestResult, design: Design, facts: Facts) -> str:
    how = _how(row, headline, answer, design)
    text = TEMPLATES[label].format(
        subject=facts.subject, when=facts.when, estimate=percent(facts.estimate), p=show_p(answer.p), how=how,
        mde=percent(facts.mde).lstrip("+"),
    )  # fmt: skip
    if design.selected and design.n > 1:
        text += " The firms were chosen for their outcome; there is no repair for several firms."
    return text + _inseparable(facts)


def _how(row: Row, headline: str, answer: TestResult, design: Design) -> str:
    known: dict[str, Any] = {
        "n": design.n, "dates": design.dates, "m": design.m, "n_eff": design.n_eff, "length": design.length,
        "candidates": design.candidates, "rank": "?", "of": "?", "peak": "", "close": "", "give_back": "",
    }  # fmt: skip
    if headline in EMPIRICAL and np.isfinite(answer.n):
        known["of"] = int(answer.n) + 1
        known["rank"] = round(answer.p * (answer.n + 1))
    if headline == "t_car":
        return f"t = {answer.statistic:.2f} on {int(answer.df)} degrees of freedom"
    return row.sentence.format(**known)


def _inseparable(facts: Facts) -> str:
    if not facts.inseparable:
        return ""
    return f" It cannot be separated from {_listed(facts.inseparable)}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _reasons(
    label: str, row: Row, answer: TestResult, headline: str, votes: Sequence[Vote], add_on: Sequence[Vote], add_ons: str,
    design: Design, facts: Facts,
) -> tuple[str, ...]:  # fmt: skip
    """Why this label, in order of weight."""
    out = [f"headline {headline} by the row “{row.situation}”: p = {show_p(answer.p)}"]
    if headline in EMPIRICAL and answer.n < FEW_N:
        out.append(f"only {int(answer.n)} comparable windows: the smallest possible p is {show_p(1 / (answer.n + 1))}")
    counted = [v for v in votes if v.counts]
    if counted:
        agreeing = [v.test for v in counted if v.agrees]
        against = [f"{v.test} (p = {show_p(v.p)})" for v in counted if not v.agrees]
        text = f"{len(agreeing)} of {len(counted)} robustness tests agree at {2 * facts.level:g} with the same sign"
        out.append(text + (f"; not {_listed(against)}" if against else ""))
    else:
        out.append("no robustness test can vote: fragile at best")
    out += [f"{v.test} has no vote: {v.reason}" for v in votes if not v.counts and v.reason]
    if "event_variance" in add_ons:
        out.append(
            f"variance rose by factor {facts.disp_factor:.1f}: Patell, portfolio and rank tests may read volatility as effect"
        )
        out += [f"{v.test} does not agree (p = {show_p(v.p)})" for v in add_on if v.counts and not v.agrees]
    if "thin_trading" in add_ons:
        out.append(f"{100 * design.thin_share:.0f}% of days without trade")
    if label == NOISE and np.isfinite(facts.mde):
        out.append(f"smallest effect seen with 80% power: {percent(facts.mde).lstrip('+')}")
    return tuple(out)
