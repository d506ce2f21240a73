"""The sentences of the report: each comes from a template with the numbers of a result in it.

Nothing here computes; numbers are rounded as `console` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..domain import Event
from ..result import StudyResult
from . import console
from .console import count, interval, is_number, listed, number, p_equals, p_value, percent, plural, window

DETECTED, FRAGILE, NOISE, CANNOT = (
    "effect detected", "fragile", "not distinguishable from noise", "cannot say",
)  # fmt: skip
TONES = {DETECTED: "detected", FRAGILE: "fragile", NOISE: "noise", CANNOT: "cannot"}

SENTENCES = {
    "kicker": "Event study, {pairs} on {days}",
    "kicker_none": "Event study, no pair could be studied",
    "naive": "The firm was picked because its price moved: the naive {naive} ({test}) becomes {adjusted} when that counts.",
    "naive_only": "The firm was picked because its price moved: the {naive} ({test}) forgets that.",
    "picked_many": "The firms were picked for their moves; for several firms there is no repair.",
    "votes_against": "Of the tests that must agree, {tests} {verb} not.",
    "no_votes": "No second test could speak: {reasons}.",
    "few_windows": "Only {n} comparable windows: no p below {least} was possible.",
    "inseparable": "{n} in the same session cannot be told apart from it: {titles}.",
    "interval_wide": "The interval {interval} holds effects from {low} to {high}.",
    "interval_open": "The interval {interval} has an open end: too few comparable windows for this level.",
    "signs_differ": "By {models} the estimate has the opposite sign.",
    "models_range": "By other specifications the estimate runs from {low} to {high}.",
    "excluded": "{n} left out, see {{@excluded}}.",
    "interval": "In {window} the {what} is {estimate}; effects from {low} to {high} are not rejected at {level} ({form}).",
    "interval_half": "In {window} the {what} is {estimate}; its interval has an open end ({form}).",
    "event_window": "In {window} the share returned {ret} where the model expected {expected}: abnormal {ar}.",
    "jump": "{ticker}: previous close {prev}, open {open} ({overnight}), {edge} {extreme} ({rise}), close {close} ({retreat}); "
    "in logarithms these steps add up to the day's {total}. At its {edge} the price stood {peak} from the close before",
    "jump_back": " and gave back {back} of that by the close",
    "jump_rank": "; among {n} estimation days {p} for an extreme of this size",
    "returns": "Returns are {kind}, in {currency} currency. Sessions without a trade are {thin}; a missing return is never "
    "zero.",
    "model": "{who} {model}, estimated on sessions {estimation}{benchmark}. {n} were used.",
    "mde": "With {level} tests an effect of {mde} would have been seen with 80% power; smaller ones could have gone unnoticed.",
    "design_effect": "The {n} pairs count for {n_eff} independent ones in {window} (average correlation of their residuals "
    "{rbar}, weighted by common sessions).",
    "headline": "The design alone decides which test is the headline; here it is {test}, with {p}{n}.",
    "headline_none": "The design alone decides which test is the headline; here none applies.",
    "votes": "Beside it {counted} {verb} a vote at twice the level; {agreed}.",
    "placebo": "On {n} earlier dates the same statistic was computed as though they were events ({{@placebo}}). Of these dates "
    "and the event, the share at least as far from zero as the event is {p}.",
    "not_applicable": "Not applicable: {tests}: {reason}.",
    "remark": "{tests} in {windows}: {reason}.",
    "nothing_excluded": "Nothing was left out: every pair asked for was studied.",
    "value": "At the close before each session the abnormal return is worth the amounts of {{@value}}, in the listing currency.",
}  # fmt: skip


def say(name: str, **words: Any) -> str:
    """The sentence of that name with its words in it."""
    return SENTENCES[name].format(**words)


# ------------------------------------------------------------------------------------------------ page one


def kicker(result: StudyResult) -> str:
    """What kind of study this is, in one line."""
    if result.pairs.empty:
        return say("kicker_none")
    days = sorted({console.day(s) for s in result.pairs["session"]})
    when = days[0] if len(days) == 1 else f"{len(days)} sessions, {days[0]} to {days[-1]}"
    return say("kicker", pairs=plural(len(result.pairs), "pair"), days=when)


def cells(result: StudyResult) -> list[dict[str, Any]]:
    """The headline in figures: estimate, interval, p, and the smallest effect that could have been seen."""
    v = result.verdict
    what = "CAR" if len(result.pairs) == 1 else "Average CAR"
    level = f"{100 * (1 - result.spec.level):g}%"
    least = f", smallest possible {p_value(v.smallest_p)}" if is_number(v.smallest_p) else ""
    named = "no test applies" if v.headline == "none" else v.headline
    among = f"{named}, n = {count(v.n)}{least}" if is_number(v.n) else named
    return [
        {"head": f"{what} {window(*v.window)}", "value": percent(v.estimate), "note": _models(result), "share": 1.0},
        {"head": f"{level} interval", "value": interval(*v.interval), "note": interval_form(result), "share": 1.45},
        {"head": "Headline p", "value": p_value(v.p), "note": among, "share": 1.15},
        {
            "head": "Smallest effect seen", "value": percent(v.mde, sign=False), "note": "with 80% power", "share": 0.95,
        },
    ]  # fmt: skip


def _models(result: StudyResult) -> str:
    if result.pairs.empty:
        return ""
    return f"by {listed(list(dict.fromkeys(result.pairs['model'])))}"


def interval_form(result: StudyResult) -> str:
    """How the interval of the verdict was made: that of the averages, or by ranks where it differs from them."""
    v = result.verdict
    if not any(is_number(e) for e in v.interval):
        return ""
    rows = in_window(result.caar, v.window)
    if not rows:
        return "t"
    ends = (float(rows[0]["ci_low"]), float(rows[0]["ci_high"]))
    same = np.allclose(ends, v.interval, rtol=1e-9, atol=0, equal_nan=True)
    return str(rows[0].get("interval") or "t") if same else "SQ inverted, by ranks"


def read_singly(result: StudyResult) -> list[str]:
    """Where two events are read singly: the sentence of each, which the verdict gives as its reasons."""
    return list(result.verdict.reasons[1:]) if result.verdict.row == "two_dates" else []


def against_head(result: StudyResult) -> str:
    """The words over the list of doubts."""
    return "What speaks against it" if result.verdict.label in (DETECTED, FRAGILE) else "What limits this answer"


def against(result: StudyResult, most: int = 6) -> list[str]:
    """What speaks against the headline, the weightiest first."""
    doubts = [
        *_picked(result), *_votes_against(result), *_few_windows(result), *_same_session(result), *_failed(result),
        *_opposite(result), *_left_out(result),
    ]  # fmt: skip
    return [console.clip(d, 230) for d in doubts[:most]]


def _picked(result: StudyResult) -> list[str]:
    """The firm was chosen because it moved."""
    if not (result.spec.selected_on_outcome or any(e.selected_on_outcome for e in result.events)):
        return []
    rows = in_window(result.car, result.verdict.window)
    if len(result.pairs) != 1 or not rows:
        return [say("picked_many")] if len(result.pairs) else []
    row = rows[0]
    enough = float(result.pairs["n_est"].iloc[0]) >= 20 * float(row["n_obs"])
    test, p = ("SQ", row["sq_p"]) if enough and is_number(row["sq_p"]) else ("t", row["p"])
    if not is_number(row["selection_p"]):
        return [say("naive_only", naive=p_equals(p), test=test)]
    return [say("naive", naive=p_equals(p), test=test, adjusted=p_equals(row["selection_p"]))]


def votes_of(result: StudyResult) -> list[dict[str, Any]]:
    """The robustness tests as plain rows, whether the result was just made or loaded."""
    out = []
    for name, vote in result.verdict.votes.items():
        fields = ("p", "sign", "counts", "agrees", "reason")
        known = vote if isinstance(vote, Mapping) else {f: getattr(vote, f) for f in fields}
        out.append({"test": name, **{f: known[f] for f in fields}})
    return out


def _votes_against(result: StudyResult) -> list[str]:
    votes = votes_of(result)
    if result.verdict.label == CANNOT or not votes:
        return []
    against = [f"{v['test']} ({p_equals(v['p'])})" for v in votes if v["counts"] and not v["agrees"]]
    if against:
        return [say("votes_against", tests=listed(against), verb="does" if len(against) == 1 else "do")]
    if not any(v["counts"] for v in votes):
        return [say("no_votes", reasons=listed([f"{v['test']}: {v['reason']}" for v in votes], most=2))]
    return []


def _few_windows(result: StudyResult) -> list[str]:
    v = result.verdict
    if is_number(v.n) and is_number(v.smallest_p) and v.n <= 50:
        return [say("few_windows", n=count(v.n), least=p_value(v.smallest_p))]
    return []


def _same_session(result: StudyResult) -> list[str]:
    frame = result.confounders
    if frame.empty:
        return []
    here = frame[frame["same_session"].astype(bool) & ~frame["same_story"].astype(bool)]
    titles = list(dict.fromkeys(str(t) for t in here["title"]))
    if not titles:
        return []
    what = plural(len(titles), "other catalogue event")
    return [
        say("inseparable", n=what[:1].upper() + what[1:], titles=listed([console.clip(t, 52) for t in titles], most=3))
    ]


def _failed(result: StudyResult) -> list[str]:
    """Failed checks in their first clause; what is said elsewhere on the page is not said twice."""
    frame = result.checks
    told = [r for r in frame.to_dict("records") if is_false(r["passed"]) and r["check"] != "confounders"]
    return [f"{first_clause(str(r['sentence']))}." for r in told]


def is_false(value: Any) -> bool:
    """Whether a flag of a frame says no; nothing and NaN say nothing."""
    return value is not None and value == value and not value


def first_clause(sentence: str) -> str:
    """The sentence up to its first semicolon or full stop, where that leaves something to read."""
    cut = min((at for mark in ("; ", ". ") if (at := sentence.find(mark, 30)) > 0), default=len(sentence))
    return sentence[:cut].rstrip(".")


def _opposite(result: StudyResult) -> list[str]:
    frame = result.robustness
    if "same_sign" not in frame or frame.empty:
        return []
    other = [str(w).removeprefix("model:") for w, s in zip(frame["what"], frame["same_sign"]) if is_false(s)]
    return [say("signs_differ", models=listed(other, most=4))] if other else []


def _left_out(result: StudyResult) -> list[str]:
    n = len(result.excluded)
    return [say("excluded", n=plural(n, "pair or day", "pairs or days"))] if n else []


# ------------------------------------------------------------------------------------------------ the event


def announced(event: Event) -> str:
    """When it happened, in the source's own clock."""
    if event.at is not None:
        zone = f" {event.timezone}" if event.timezone else ""
        return f"{event.at:%Y-%m-%d %H:%M}{zone} (known to the {event.precision})"
    hint = "" if event.session_hint in ("", "unknown") else f", {event.session_hint.replace('_', ' ')}"
    market = f" of {event.session_market}" if event.session_market else ""
    zone = f", {event.timezone}" if event.timezone else ""
    return f"{event.day}{zone}{hint}{market if hint else ''} (known to the day)"


def known_before(event: Event) -> str:
    """Whether the market could have known."""
    words = ["scheduled" if event.scheduled else "not scheduled"]
    words.append(
        {"no": "not anticipated", "partly": "partly anticipated", "yes": "anticipated"}.get(event.anticipated, "")
    )
    return ", ".join(w for w in words if w)


REACTIONS = {
    "closed": "market closed", "pre_open": "before the open", "lunch": "lunch break", "in_session": "in session",
    "after_close": "after the close", "date_only": "known by date only",
}  # fmt: skip


def reaction(name: Any) -> str:
    """What the exchange was doing when the news came."""
    return REACTIONS.get(str(name), str(name))


def first_sessions(result: StudyResult) -> list[str]:
    """Which session could react first, and why, once for each event and exchange."""
    if result.case is None:
        rows = result.pairs.to_dict("records")
        told = [
            f"{r['event_id']}: first session {console.day(r['session'])} ({reaction(r['reaction_class'])})"
            for r in rows
        ]
        return list(dict.fromkeys(told))
    return list(dict.fromkeys(a.sentence for a in result.case.alignments))


# ------------------------------------------------------------------------------------------------ data and model


def returns_sentence(result: StudyResult) -> str:
    """What kind of returns these are."""
    spec = result.spec
    treated = {
        "drop": "left out of the estimation", "lumped": "booked on the next trade", "uniform": "spread evenly over the gap",
        "trade_to_trade": "bridged from trade to trade",
    }  # fmt: skip
    return say("returns", kind=spec.returns, currency="the listing" if spec.currency == "local" else spec.currency,
               thin=treated.get(spec.thin, spec.thin))  # fmt: skip


def model_sentence(result: StudyResult) -> str:
    """Which model, on which sessions, against what."""
    spec, pairs = result.spec, result.pairs
    if pairs.empty:
        return ""
    models = list(dict.fromkeys(pairs["model"]))
    where = "from the first usable one on" if isinstance(spec.estimation, str) else window(*spec.estimation)
    basket = [spec.benchmark] if isinstance(spec.benchmark, str) else list(spec.benchmark or ())
    n = pairs["n_est"]
    used = count(n.min()) if n.min() == n.max() else f"{count(n.min())} to {count(n.max())}"
    return say(
        "model", who="The model is" if len(models) == 1 else "The models are", model=listed(models), estimation=where,
        benchmark=f", against {listed(basket)}" + (", equally weighted" if len(basket) > 1 else "") if basket else "",
        n=f"{used} {'returns' if spec.freq == '1d' else 'sessions of bars'}",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ estimates


def jump_sentence(row: Mapping[str, Any]) -> str:
    """The day in prices and log points; why not where there is no path."""
    if not is_number(row["total"]):
        return f"{row['ticker']}: {row['reason']}." if console.said(row["reason"]) else ""
    if not all(is_number(row[k]) for k in ("overnight", "rise", "retreat", "peak_gain")):
        return f"{row['ticker']}: {log_points(row['total'])} over the day; {console.said(row['reason']) or 'no intraday path'}."
    fell = row["direction"] < 0
    text = say(
        "jump", ticker=row["ticker"], prev=_price(row["prev_close"]), open=_price(row["open"]), edge="low" if fell else "peak",
        extreme=_price(row["low" if fell else "high"]), close=_price(row["close"]), overnight=log_points(row["overnight"]),
        rise=log_points(row["rise"]), retreat=log_points(row["retreat"]), total=log_points(row["total"]),
        peak=percent(row["peak_gain"]),
    )  # fmt: skip
    if is_number(row["give_back"]):
        text += say("jump_back", back=percent(row["give_back"], 0, sign=False))
    if is_number(row["rank_p"]):
        text += say("jump_rank", n=count(row["rank_n"]), p=p_equals(row["rank_p"]))
    return text + "."


def log_points(value: Any) -> str:
    """A log return in points of one hundredth."""
    return f"{100 * float(value):+.1f} log points" if is_number(value) else console.NONE


def _price(value: Any) -> str:
    return f"{float(value):,.6g}" if is_number(value) else console.NONE


def window_sentence(result: StudyResult) -> str:
    """What happened against what was expected in a one-session headline of one pair."""
    start, end = result.verdict.window
    if len(result.pairs) != 1 or start != end:
        return ""
    frame = result.abnormal_returns
    rows = frame[frame["offset"] == start].to_dict("records")
    if not rows or not is_number(rows[0]["ar"]):
        return ""
    r = rows[0]
    return say(
        "event_window",
        window=window(start, end),
        ret=percent(r["ret"]),
        expected=percent(r["expected"]),
        ar=percent(r["ar"]),
    )


def interval_sentence(result: StudyResult) -> str:
    """The headline estimate with the effects its interval holds."""
    v = result.verdict
    if not is_number(v.estimate):
        return ""
    words = {
        "window": window(*v.window), "what": "CAR" if len(result.pairs) == 1 else "average CAR", "estimate": percent(v.estimate),
        "form": interval_form(result), "level": f"{100 * result.spec.level:g}%",
    }  # fmt: skip
    low, high = v.interval
    if is_number(low) and is_number(high):
        return say("interval", low=percent(low), high=percent(high), **words)
    return say("interval_half", **words) if words["form"] else ""


def alpha_sentence(result: StudyResult) -> str:
    """An estimated trend and what it does, where there is one."""
    pairs = result.pairs
    if pairs.empty or "alpha" not in pairs or not pairs["alpha"].notna().any():
        return ""
    worst = pairs.sort_values("drift", ascending=False, kind="stable", na_position="last").iloc[0]
    if not is_number(worst["alpha"]) or worst["alpha"] == 0:
        return ""
    who = f" of {worst['ticker']}" if len(pairs) > 1 else ""
    ratio = f", {number(worst['drift'])} standard errors over the headline window" if is_number(worst["drift"]) else ""
    return (
        f"The estimated alpha{who} is {percent(worst['alpha'], 2)} a session{ratio}; market and mean models expect it to go on, "
        "the others do not."
    )


# ------------------------------------------------------------------------------------------------ tests


def headline_sentence(result: StudyResult) -> str:
    """The headline test and what it answered."""
    v = result.verdict
    if not is_number(v.p):
        return say("headline_none")
    among = f" among {count(v.n)} comparable values" if is_number(v.n) and is_number(v.smallest_p) else ""
    return say("headline", test=v.headline, p=p_equals(v.p), n=among)


def votes_sentence(result: StudyResult) -> str:
    """How many second tests had a vote and how they used it."""
    votes = votes_of(result)
    counted = [v for v in votes if v["counts"]]
    if not votes or not counted:
        return ""
    agree = sum(bool(v["agrees"]) for v in counted)
    told = "all agree" if agree == len(counted) else "none agrees" if agree == 0 else f"{agree} of {len(counted)} agree"
    return say("votes", counted=plural(len(counted), "test"), verb="has" if len(counted) == 1 else "have", agreed=told)


def grouped_reasons(frame: pd.DataFrame, headline: tuple[int, int]) -> tuple[list[str], list[str]]:
    """Not applicable tests by reason, and remarks on the others, by reason and windows."""
    absent: dict[str, list[str]] = {}
    remarks: dict[str, dict[str, list[str]]] = {}
    rows = [r for r in frame.to_dict("records") if console.said(r["reason"])]
    computed = {(r["test"], r["variant"]) for r in frame.to_dict("records") if is_number(r["p"])}
    for r in rows:
        reason = console.said(r["reason"]).rstrip(".").removeprefix(f"{r['test']} ")
        if r["status"] == "not_applicable" and not _has(computed, r["test"]):
            names = absent.setdefault(reason, [])
            if r["test"] not in names:
                names.append(str(r["test"]))
        else:
            names = remarks.setdefault(reason, {}).setdefault(str(r["test"]), [])
            said = window(r["window_start"], r["window_end"])
            if said not in names:
                names.append(said)
    told = [say("not_applicable", tests=listed(n, most=40), reason=why) for why, n in absent.items()]
    noted = []
    for why, tests in remarks.items():
        groups: dict[tuple[str, ...], list[str]] = {}
        for test, windows in tests.items():
            groups.setdefault(tuple(windows), []).append(test)
        noted += [
            say("remark", tests=listed(t, most=40), windows=listed(list(w)), reason=why) for w, t in groups.items()
        ]
    return told, noted


def _has(computed: set[tuple[Any, Any]], test: Any) -> bool:
    return any(t == test for t, _ in computed)


def placebo_sentence(p: Any, n: Any) -> str:
    """What the distribution of ordinary days says."""
    return say("placebo", n=count(n), p=p_equals(p)) if is_number(p) else ""


# ------------------------------------------------------------------------------------------------ power, clustering


def mde_sentence(result: StudyResult) -> str:
    """The smallest effect this study could have seen."""
    v = result.verdict
    return say("mde", level=f"{100 * result.spec.level:g}%", mde=percent(v.mde, sign=False)) if is_number(v.mde) else ""


def design_sentence(result: StudyResult) -> str:
    """How many independent pairs the pairs are worth."""
    rows = in_window(result.caar, result.verdict.window)
    if len(result.pairs) < 2 or not rows or not is_number(rows[0]["n_eff"]):
        return ""
    r = rows[0]
    return say("design_effect", n=count(r["n"]), n_eff=number(r["n_eff"], 1), window=window(*result.verdict.window),
               rbar=number(r["rbar_w"]))  # fmt: skip


# ------------------------------------------------------------------------------------------------ rows


def pair_labels(result: StudyResult) -> list[str]:
    """The shortest names that tell the pairs apart: share, event, or both."""
    shares, events = [str(t) for t in result.pairs["ticker"]], [str(e) for e in result.pairs["event_id"]]
    if len(set(shares)) == len(shares):
        return shares
    if len(set(shares)) == 1 and len(set(events)) == len(events):
        return events
    return [f"{t}, {e}" for t, e in zip(shares, events)]


def label_of(result: StudyResult, row: Mapping[Any, Any]) -> str:
    """The name of the pair a row of a frame is about."""
    for label, event, share in zip(pair_labels(result), result.pairs["event_id"], result.pairs["ticker"]):
        if (row["event_id"], row["ticker"]) == (event, share):
            return label
    return f"{row['ticker']}, {row['event_id']}"


def in_window(frame: pd.DataFrame, chosen: tuple[int, int]) -> list[dict[Any, Any]]:
    """Rows of one window as plain mappings."""
    if "window_start" not in frame:
        return []
    return frame[(frame["window_start"] == chosen[0]) & (frame["window_end"] == chosen[1])].to_dict("records")


def windows_of(result: StudyResult) -> list[tuple[int, int]]:
    """The study's windows, the headline first."""
    frame: Sequence[Any] = list(zip(result.caar["window_start"], result.caar["window_end"]))
    return [(int(a), int(b)) for a, b in frame] or [result.verdict.window]
