"""The verdict: headline, votes, label and one plain sentence. It describes the session, never a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..domain import TestResult, Verdict
from .decision import AddOn, Design, Outcome, Row, add_ons, row_of

DETECTED, FRAGILE = "effect detected", "fragile"
NOISE, CANNOT = "not distinguishable from noise", "cannot say"
MIN_N, FEW_N = 19, 39  # an empirical headline below 19 says nothing; below 39 its n is printed

# Tests that rank the event among n comparable values, so that n matters.
EMPIRICAL = ("sq", "selection", "portfolio_sq", "placebo_time", "portfolio_placebo", "same_clock")
BY_T = ("t_car", "portfolio_t")
FAR_TAIL = "the t-test's far tail is too thin: size 2 to 3% at 1%"
STORMY_DAY = "a stormy day without any effect looks the same"
# Measured (tests/calibration): with all errors of the day twice as large and no effect such designs say `effect detected`.
ALIKE = f"{STORMY_DAY}: where every error is twice as large as usual, designs of this kind reject in 25 to 30% of cases"
FEW_ON_A_DATE = 8  # from here on the spread across pairs tells a storm from an effect
NO_REPAIR = "chosen for its outcome; no repair for several firms"


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
    refused: str = ""  # why the model itself does not stand for a verdict
    outcome: Outcome = field(default_factory=Outcome)


def below(p: float, level: float) -> bool:
    """Strict comparison; p-values by ranks are fractions, so 4/80 is not below .05."""
    return bool(np.isfinite(p) and p < level - 1e-12)


def sign_of(result: TestResult) -> int:
    """Direction a test speaks for: its own statement, else the side of its null centre its statistic is on."""
    stated = result.extra.get("sign")
    if stated is not None:
        return int(np.sign(stated)) if np.isfinite(stated) else 0
    off = result.statistic - float(result.extra.get("centre", 0.0))
    return int(np.sign(off)) if np.isfinite(off) else 0


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
    why_not = facts.refused or _unanswered(row, headline, answer, design)
    if why_not or answer is None:
        return _cannot_say(row, headline, design, facts, why_not)
    direction = sign_of(answer)
    votes = [cast_vote(t, answers.get(t), direction, facts.level) for t in row.robustness(design)]
    extra = add_ons(design, facts.outcome)
    asked = dict.fromkeys(t for a in extra for t in a.votes if t != headline)
    add_on = [cast_vote(t, answers.get(t), direction, facts.level) for t in asked]
    label = _label(answer.p, votes, add_on, design, facts.level)
    reasons = _reasons(label, row, answer, headline, votes, add_on, extra, design, facts)
    reasons += _readings(answers, facts.level)
    sentence = _sentence(label, row, headline, answer, votes, add_on, design, facts)
    return Verdict(
        label, row.id, headline, design.window, float(answer.p), float(answer.n), float(answer.extra.get("min_p", np.nan)),
        facts.estimate, facts.interval, facts.mde, sentence, reasons, {v.test: v for v in [*votes, *add_on]},
    )  # fmt: skip


def _unanswered(row: Row, headline: str, answer: TestResult | None, design: Design) -> str:
    """Why there is no headline p, or ""."""
    if headline == "none":
        few = (
            f"{design.dates} dates with fewer than 20 estimation returns for each event session: no test can be trusted"
        )
        return row.sentence if row.id == "two_dates" else few
    if answer is None:
        return f"{headline} was not computed"
    if answer.status == "not_applicable" or not np.isfinite(answer.p):
        return answer.reason or f"{headline} has no value"
    if headline in EMPIRICAL and answer.n < MIN_N:
        return f"{int(answer.n)} comparable windows; a headline needs {MIN_N}"
    return ""


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
    "(p = {p}, {how}), {but}.",
    NOISE: "{subject} moved {estimate} beyond what its model expects, {when}: not distinguishable from noise "
    "(p = {p}, {how}).",
}


def percent(x: float, digits: int = 1) -> str:
    """A decimal return as a signed percentage."""
    return "n/a" if not np.isfinite(x) else f"{100 * x:+.{digits}f}%"


def show_p(p: float) -> str:
    """A p-value as printed."""
    return "n/a" if not np.isfinite(p) else (f"{p:.3f}" if p >= 0.0005 else f"{p:.1e}")


def _sentence(
    label: str, row: Row, headline: str, answer: TestResult, votes: Sequence[Vote], add_on: Sequence[Vote],
    design: Design, facts: Facts,
) -> str:  # fmt: skip
    text = TEMPLATES[label].format(
        subject=facts.subject, when=facts.when, estimate=percent(facts.estimate), p=show_p(answer.p),
        how=_how(row, headline, answer, design), but=_but(votes, add_on, design),
    )  # fmt: skip
    if label == NOISE and np.isfinite(facts.mde):
        text += f" An effect below {percent(facts.mde).lstrip('+')} could not have been seen."
    if design.selected and design.n > 1:
        text += " The firms were chosen for their outcome; there is no repair for several firms."
    return text + _inseparable(facts)


def _but(votes: Sequence[Vote], add_on: Sequence[Vote], design: Design) -> str:
    """What keeps a rejection from being more than fragile."""
    counted = [v for v in votes if v.counts]
    if not counted:
        return "no other test can vote"
    if 2 * sum(v.agrees for v in counted) < len(counted):
        return "most of the others do not agree"
    against = [v.test for v in add_on if v.counts and not v.agrees]
    if against:
        return f"not so {_listed(against)}"
    return "but a pick by outcome takes the meaning from p" if design.selected else "the others do not all agree"


def _how(row: Row, headline: str, answer: TestResult, design: Design) -> str:
    known: dict[str, Any] = {
        "n": design.n, "dates": design.dates, "m": design.m, "n_eff": design.n_eff, "length": design.length,
        "candidates": design.candidates, "rank": "?", "of": "?", "peak": "", "close": "", "give_back": "",
    }  # fmt: skip
    known |= answer.extra.get("words", {})
    if headline in EMPIRICAL and np.isfinite(answer.n):
        known["of"] = int(answer.n) + 1
        known["rank"] = round(answer.p * (answer.n + 1))
    text = row.sentence.format(**known)
    if headline in BY_T and row.id in ("single", "single_short"):
        return f"t = {answer.statistic:.2f} on {int(answer.df)} degrees of freedom"
    return text.replace("buy-and-hold", "calendar-time alpha") if headline == "calendar_time" else text


def _inseparable(facts: Facts) -> str:
    if not facts.inseparable:
        return ""
    return f" It cannot be separated from {_listed(facts.inseparable)}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _reasons(
    label: str, row: Row, answer: TestResult, headline: str, votes: Sequence[Vote], add_on: Sequence[Vote],
    extra: Sequence[AddOn], design: Design, facts: Facts,
) -> tuple[str, ...]:  # fmt: skip
    """Why this label, in order of weight."""
    out = [f"headline {headline} by the row “{row.situation}”: p = {show_p(answer.p)}"]
    if headline in EMPIRICAL and answer.n < FEW_N:
        out.append(f"only {int(answer.n)} comparable windows: the smallest possible p is {show_p(1 / (answer.n + 1))}")
    out += _vote_lines(votes, facts.level)
    for a in extra:
        out.append(a.why)
        said = [v for v in add_on if v.test in a.votes]
        out += [f"{v.test} does not agree (p = {show_p(v.p)})" for v in said if v.counts and not v.agrees]
        out += [f"{v.test} has no vote: {v.reason}" for v in said if not v.counts]
    if design.selected and design.n > 1:
        out.append(NO_REPAIR)
    if facts.inseparable and (design.n == 1 or design.dates == 1):
        out.append(f"the same session holds {_listed(facts.inseparable)}")
    if label == DETECTED and design.dates == 1 and design.n < FEW_ON_A_DATE:
        out.append(ALIKE)
    if headline in BY_T:
        out.append(FAR_TAIL)
    if label == NOISE and np.isfinite(facts.mde):
        out.append(f"smallest effect seen with 80% power: {percent(facts.mde).lstrip('+')}")
    return tuple(out)


def _vote_lines(votes: Sequence[Vote], level: float) -> list[str]:
    counted = [v for v in votes if v.counts]
    if not counted:
        out = ["no robustness test can vote: fragile at best"]
    else:
        against = [f"{v.test} (p = {show_p(v.p)})" for v in counted if not v.agrees]
        agreeing = len(counted) - len(against)
        text = f"{agreeing} of {len(counted)} robustness tests agree at {2 * level:g} with the same sign"
        out = [text + (f"; not {_listed(against)}" if against else "")]
    return out + [f"{v.test} has no vote: {v.reason}" for v in votes if not v.counts and v.reason]


# ------------------------------------------------------------------------------------------------ tests that disagree

# (rejects, does not, how to read it): METHODS.md 9, last paragraph.
READINGS: tuple[tuple[str, str, str], ...] = (
    ("bmp", "patell", "firms differ less than usual, as under a common shock: read the Kolari-Pynnonen tests"),
    ("patell", "bmp", "event-induced variance, or effects that differ between firms"),
    ("t_xs", "kp_bmp", "a common shock"),
    ("portfolio_t", "kp_bmp", "an effect in part of the firms, or a higher variance at the event: see joint_sq and the firms"),
    ("portfolio_t", "grank_raw", "outlier firms: see the leave-one-out check"),
    ("t_xs", "corrado_zivney", "outlier firms: see the leave-one-out check"),
    ("corrado_zivney", "t_xs", "a small effect in most firms"),
    ("grank_raw", "portfolio_t", "a small effect in most firms"),
    ("f_window", "t_car", "a reversal inside the window"),
    ("t_car", "sq", "fat tails"),
)  # fmt: skip


def _readings(answers: Mapping[str, TestResult], level: float) -> tuple[str, ...]:
    """What it means that one test rejects at the level and another does not even at twice the level."""
    out: dict[str, str] = {}
    for yes, no, meaning in READINGS:
        a, b = answers.get(yes), answers.get(no)
        if a is None or b is None or not (np.isfinite(a.p) and np.isfinite(b.p)):
            continue
        if below(a.p, level) and not below(b.p, 2 * level):
            out.setdefault(meaning, f"{yes} rejects (p = {show_p(a.p)}), {no} does not (p = {show_p(b.p)}): {meaning}")
    return tuple(out.values())
