"""A result on one screen: the verdict first, then the numbers behind it and what speaks against them.

`sections` decides what is said, once; `text_summary` and `html_summary` set it for a terminal and for a notebook.
Nothing here computes, and no clock, path or address enters the text.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..domain import Verdict
from ..result import StudyResult
from . import bars_summary, console
from .console import count, interval, listed, number, p_equals, p_value, percent, plural
from .tables import Column, Table, format_table

NOISE, CANNOT = "not distinguishable from noise", "cannot say"
DRIFT_LIMIT = 0.5
ALPHA_SAID = 0.005  # alpha a session above which models differ visibly
PAIRS_SHOWN, WINDOWS_SHOWN, AVERAGES_SHOWN, TESTS_SHOWN, OTHERS_SHOWN, LINES_SHOWN = 8, 6, 4, 4, 5, 3
HEAD = 11  # columns of the words at the left margin

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the summary: a word at the margin with lines beside it, or a table, or both."""

    head: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    most: int = 0  # lines of text one of `lines` may take; 0 = as many as it needs

    def __bool__(self) -> bool:
        return bool(self.lines) or (self.table is not None and bool(self.table.rows))


def sections(result: StudyResult) -> list[Section]:
    """What is said of a result, in the order a reader needs it; parts without content are left out."""
    many = len(result.pairs) > 1
    parts = [
        _estimate(result),
        _sessions(result),
        _jump(result),
        Section("Inside", bars_summary.session_lines(result)),
        _pairs(result) if many else _windows(result),
        _averages(result) if many else Section(""),
        _tests(result) if many else Section(""),
        _models(result),
        _confounders(result),
        _excluded(result),
        _checks(result),
        _notes(result),
    ]
    return [p for p in parts if p]


# ------------------------------------------------------------------------------------------------ as text and html


def text_summary(result: StudyResult) -> str:
    """The summary as plain text of at most 100 columns, meant to fit a screen.

    Examples
    --------
    >>> import abnormal as ab
    >>> print(text_summary(ab.run("anthropic_export_order")).splitlines()[0])
    US order on Anthropic's models and Zhipu
    """
    lines = console.wrap(result.title)
    lines += console.wrap(result.question) if result.question else []
    lines += ["", *console.wrap(result.verdict.sentence), ""]
    for section in sections(result):
        if section.table is not None and lines[-1]:
            lines.append("")
        lines += _text_section(section)
        if section.table is not None:
            lines.append("")
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def _text_section(section: Section) -> list[str]:
    if section.table is not None:
        return [*format_table(section.table).splitlines(), *(ln for t in section.lines for ln in console.wrap(t))]
    out = []
    for i, line in enumerate(section.lines):
        head = console.pad(section.head if i == 0 else "", HEAD)
        wrapped = console.wrap(head + line, indent=HEAD)
        out += console.shortened(wrapped, section.most)
    return out


def html_summary(result: StudyResult) -> str:
    """The same content as small HTML for a notebook."""
    title = f"<h3>{html.escape(result.title)}</h3>" if result.title else ""
    question = f"<p><em>{html.escape(result.question)}</em></p>" if result.question else ""
    verdict = f"<p><strong>{html.escape(result.verdict.sentence)}</strong></p>"
    body = "".join(_html_section(s) for s in sections(result))
    return f'<div class="abnormal-summary">{title}{question}{verdict}{body}</div>'


def _html_section(section: Section) -> str:
    table = "" if section.table is None else format_table(section.table, "html")
    lines = "<br>".join(html.escape(line) for line in section.lines)
    head = f"<strong>{html.escape(section.head)}</strong> " if section.head and section.table is None else ""
    text = f"<p>{head}{lines}</p>" if lines else ""
    return table + text


# ------------------------------------------------------------------------------------------------ the headline


def _estimate(result: StudyResult) -> Section:
    """Estimate with its interval, headline test with its p, the naive p where the firm was picked, and the MDE."""
    v = result.verdict
    level = f"{100 * (1 - result.spec.level):g}%"
    lines = []
    if console.is_number(v.estimate):
        what = "CAR" if len(result.pairs) == 1 else f"average {'BHAR' if _held(v) else 'CAR'}"
        ends = f", {level} interval {interval(*v.interval)} ({_interval_form(result)})" if _bounded(v.interval) else ""
        lines.append(f"{what} {console.window(*v.window)} {percent(v.estimate)}{ends}; {_model_words(result)}")
    if console.is_number(v.p):
        of = f" among n = {count(v.n)}" if console.is_number(v.n) else ""
        least = f" (smallest possible {p_value(v.smallest_p)})" if console.is_number(v.smallest_p) else ""
        lines.append(f"headline test {v.headline}: {p_equals(v.p)}{of}{least}")
    lines += _naive(result)
    if v.label == CANNOT and console.is_number(v.mde):  # where it is noise the verdict's sentence says it
        lines.append(f"smallest effect this study would see with 80% power: {percent(v.mde, sign=False)}")
    elif v.label not in (NOISE, CANNOT):
        lines += v.reasons[1:3]
    return Section("Estimate", tuple(lines))


def _bounded(ends: tuple[float, float]) -> bool:
    return any(console.is_number(e) for e in ends)


def _held(verdict: Verdict) -> bool:
    """Whether the verdict is about buy-and-hold returns."""
    return verdict.headline.startswith("bhar")


def _interval_form(result: StudyResult) -> str:
    """The form of the verdict's interval: that of the averages, or by ranks where it differs from them."""
    if _held(result.verdict):
        return "t(N - 1) across buy-and-hold returns"
    row = _window_row(result.caar, result.verdict.window)
    if row is None:
        return "t"
    ends = (float(row["ci_low"]), float(row["ci_high"]))
    same = np.allclose(ends, result.verdict.interval, rtol=1e-9, atol=0, equal_nan=True)
    return str(row.get("interval") or "t") if same else "SQ inverted, by ranks"


def _window_row(frame: pd.DataFrame, window: tuple[int, int]) -> Row | None:
    if "window_start" not in frame:
        return None
    found = frame[(frame["window_start"] == window[0]) & (frame["window_end"] == window[1])]
    return None if found.empty else found.iloc[0].to_dict()


def _model_words(result: StudyResult) -> str:
    models = list(dict.fromkeys(result.pairs["model"]))
    n = result.pairs["n_est"]
    returns = count(n.min()) if n.min() == n.max() else f"{count(n.min())} to {count(n.max())}"
    of = "sessions" if bars_summary.of_bars(result) else "returns"
    return f"model {listed(models)} on {returns} estimation {of}"


def _naive(result: StudyResult) -> list[str]:
    """Where the firm was picked because it moved: the p that forgets it beside the one that does not."""
    if not _picked(result):
        return []
    row = _window_row(result.car, result.verdict.window)
    if row is None or len(result.pairs) != 1:
        return ["the firms were picked for their moves: every p is naive, and for several firms there is no repair"]
    name, naive = _naive_test(result, row)
    adjusted = row["selection_p"]
    if not console.is_number(adjusted):
        return [f"naive {p_equals(naive)} ({name}): it forgets that the firm was picked for its move"]
    picked = "when the pick of the firm for its move counts"
    return [f"naive {p_equals(naive)} ({name}) becomes {p_equals(adjusted)} {picked}"]


def _picked(result: StudyResult) -> bool:
    return result.spec.selected_on_outcome or any(e.selected_on_outcome for e in result.events)


def _naive_test(result: StudyResult, row: Row) -> tuple[str, Any]:
    """The single-pair test the design would have headlined: SQ with 20 estimation returns a session, else t."""
    enough = float(result.pairs["n_est"].iloc[0]) >= 20 * float(row["n_obs"])
    return ("SQ", row["sq_p"]) if enough and console.is_number(row["sq_p"]) else ("t", row["p"])


# ------------------------------------------------------------------------------------------------ session and jump


def _sessions(result: StudyResult) -> Section:
    """Which session could first react, and why."""
    pairs = result.pairs
    if pairs.empty:
        return Section("")
    if len(pairs) == 1:
        row = pairs.iloc[0]
        why = _why(result)
        return Section("Session", (f"{console.day(row['session'])} ({_class(row['reaction_class'])}){why}",))
    days = sorted({console.day(s) for s in pairs["session"]})
    when = days[0] if len(days) == 1 else f"{len(days)} dates, {days[0]} to {days[-1]}"
    classes = pairs["reaction_class"].value_counts(sort=False)
    told = listed([f"{count(n)} {_class(name)}" for name, n in sorted(classes.items())])
    return Section("Sessions", (f"{plural(len(pairs), 'pair')} on {when}; announced: {told}",))


_CLASSES = {
    "closed": "market closed", "pre_open": "before the open", "lunch": "lunch break", "in_session": "in session",
    "after_close": "after the close", "date_only": "known by date only",
}  # fmt: skip


def _class(name: Any) -> str:
    return _CLASSES.get(str(name), str(name))


def _why(result: StudyResult) -> str:
    if result.case is None or not result.case.alignments:
        return ""
    aligned = result.case.alignments[0]
    title = aligned.event.title or aligned.event.id
    return f": {aligned.sentence.removeprefix(f'{title}: ')}"


def _jump(result: StudyResult) -> Section:
    """overnight + rise + retreat = total, in log points that add up; the peak and what was given back of it."""
    if result.jump.empty or len(result.jump) > 3:
        return Section("")
    several = len(result.jump) > 1
    lines = [_jump_line(row, _close(result, row), several) for row in result.jump.to_dict("records")]
    return Section("Jump", tuple(line for line in lines if line))


def _jump_line(row: Row, closed: str, named: bool) -> str:
    who = f"{row['ticker']} " if named else ""
    if not console.is_number(row["total"]):
        return f"{who}{row['reason']}" if row["reason"] else ""
    overnight, rise, retreat, total = (f"{100 * float(row[k]):+.1f}" for k in ("overnight", "rise", "retreat", "total"))
    if not console.is_number(row["peak_gain"]):
        return f"{who}total {total} log points; {row['reason']}"
    edge, ran = ("low", "fall") if row["direction"] < 0 else ("peak", "rise")
    back = f", gave back {percent(row['give_back'], 0, sign=False)}" if console.is_number(row["give_back"]) else ""
    parts = f"{who}{overnight} overnight {rise} {ran} {retreat} retreat = {total}"
    if named:
        return f"{parts} (log); {edge} {percent(row['peak_gain'])}{back}"
    rank = f"; {edge} against those of other days {p_equals(row['rank_p'])}" if console.is_number(row["rank_p"]) else ""
    return f"{parts} log points; {edge} {percent(row['peak_gain'])}, closed {closed}{back}{rank}"


def _close(result: StudyResult, row: Row) -> str:
    """The simple return of the day itself."""
    frame = result.abnormal_returns
    same = (frame["event_id"] == row["event_id"]) & (frame["ticker"] == row["ticker"]) & (frame["offset"] == 0)
    found = frame.loc[same, "ret"]
    return percent(found.iloc[0]) if len(found) and result.spec.returns == "simple" else f"at {number(row['close'])}"


# ------------------------------------------------------------------------------------------------ windows, pairs, tests


def _windows(result: StudyResult) -> Section:
    """Every window of the one pair: estimate, interval and each single-pair p."""
    if bars_summary.of_bars(result):
        return Section("Windows", table=bars_summary.windows_table(result).first(WINDOWS_SHOWN, "window"))
    columns = [
        Column("window", "Window"), Column("car", "CAR", "percent"),
        Column("interval", f"{100 * (1 - result.spec.level):g}% interval (t)"), Column("p", "t p", "p"),
        Column("sq_p", "SQ p", "p"), Column("conformal_p", "conformal p", "p"), Column("placebo", "placebo p (n)"),
    ]  # fmt: skip
    selection = bool(result.car["selection_p"].notna().any()) if "selection_p" in result.car else False
    if selection:
        columns.append(Column("selection_p", "selection p", "p"))
    frame = result.car.to_dict("records")
    rows = [_window_cells(row, selection) for row in frame]
    table = Table("", tuple(columns), tuple(rows)).first(WINDOWS_SHOWN, "window")
    return Section("Windows", table=table)


def _window_cells(row: Row, selection: bool) -> tuple[Any, ...]:
    placebo = f"{p_value(row['placebo_p'])} ({count(row['placebo_n'])})"
    placebo = placebo if console.is_number(row["placebo_p"]) else console.NONE
    ends = interval(row["ci_low"], row["ci_high"])
    cells = (
        console.window(row["window_start"], row["window_end"]), row["car"], ends, row["p"], row["sq_p"],
        row["conformal_p"], placebo,
    )  # fmt: skip
    return (*cells, row["selection_p"]) if selection else cells


def _pairs(result: StudyResult) -> Section:
    """The headline window of the pairs, in their order."""
    window = result.verdict.window
    frame = result.car
    rows = frame[(frame["window_start"] == window[0]) & (frame["window_end"] == window[1])].to_dict("records")
    sessions = [console.day(s) for s in result.pairs["session"]]
    level = f"{100 * (1 - result.spec.level):g}%"
    columns = (
        Column("ticker", f"CAR {console.window(*window)}"), Column("event"), Column("session"),
        Column("car", "CAR", "percent"), Column("interval", f"{level} interval (t)"), Column("p", "t p", "p"),
        Column("sq_p", "SQ p", "p"), Column("placebo_p", "placebo p", "p"),
    )  # fmt: skip
    cells = [
        (r["ticker"], console.clip(str(r["event_id"]), 30), day, r["car"], interval(r["ci_low"], r["ci_high"]), r["p"],
         r["sq_p"], r["placebo_p"])
        for r, day in zip(rows, sessions)
    ]  # fmt: skip
    return Section("Pairs", table=Table("", columns, tuple(cells)).first(PAIRS_SHOWN, "pair"))


def _averages(result: StudyResult) -> Section:
    """Average CAR of every window."""
    if result.caar.empty:
        return Section("")
    columns = (
        Column("window", "Average"), Column("caar", "CAAR", "percent"),
        Column("interval", f"{100 * (1 - result.spec.level):g}% interval (t)"), Column("n", "pairs", "count"),
        Column("n_eff", "effective", "number", 1), Column("caar_weighted", "precision-weighted", "percent"),
    )  # fmt: skip
    rows = [
        (console.window(r["window_start"], r["window_end"]), r["caar"], interval(r["ci_low"], r["ci_high"]), r["n"],
         r["n_eff"], r["caar_weighted"])
        for r in result.caar.to_dict("records")
    ]  # fmt: skip
    return Section("Averages", table=Table("", columns, tuple(rows)).first(AVERAGES_SHOWN, "window"))


def _tests(result: StudyResult) -> Section:
    """p-values of the headline window: tests that vote, the others, then shown and invalid ones with their reason."""
    window, verdict = result.verdict.window, result.verdict
    frame = result.tests
    here = frame[(frame["window_start"] == window[0]) & (frame["window_end"] == window[1])]
    rows = [r for r in here.to_dict("records") if console.is_number(r["p"])]
    counted = [r for r in rows if r["status"] == "ok"]
    votes = [r for r in counted if r["test"] in verdict.votes and r["test"] != verdict.headline]
    others = [r for r in counted if r["test"] not in {*verdict.votes, verdict.headline}]
    lines = [
        f"{word}: {listed([_test_words(r) for r in group], most=TESTS_SHOWN)}"
        for word, group in (("votes", votes), ("others", others))
        if group
    ]
    return Section("Tests, p", tuple(lines + _greyed_lines([r for r in rows if r["status"] != "ok"])), most=1)


def _test_words(row: Row) -> str:
    return f"{row['test']} {p_value(row['p'])}"


def _greyed_lines(rows: Sequence[Row]) -> list[str]:
    """Tests without a vote, those of one reason together."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for r in sorted(rows, key=lambda r: r["status"] != "shown"):
        grouped.setdefault((r["status"], console.said(r["reason"])), []).append(_test_words(r))
    lines = []
    for (status, reason), names in grouped.items():
        why = reason.removeprefix("invalid: ").removeprefix("shown without a vote for ").partition(" (")[0]
        lines.append(f"{status} ({why}): {listed(names, most=TESTS_SHOWN)}")
    return lines


# ------------------------------------------------------------------------------------------------ other models


def _models(result: StudyResult) -> Section:
    """The same study by other models, and one sentence why they differ where an estimated trend is large."""
    frame = result.robustness
    if frame.empty:
        return Section("")
    heading = f"{'CAR' if len(result.pairs) == 1 else 'Average CAR'} {console.window(*result.verdict.window)}"
    columns = (
        Column("what", f"{heading} by"), Column("car", "estimate", "percent"), Column("interval", "interval (t)"),
        Column("p", kind="p"), Column("test"),
    )  # fmt: skip
    rows = [_model_cells(r, result) for r in frame.to_dict("records")]
    table = Table("", columns, tuple(rows)).first(OTHERS_SHOWN + 1, "specification")
    return Section("Models", tuple(_trend_sentence(result)), table)


def _model_cells(row: Row, result: StudyResult) -> tuple[Any, ...]:
    what = str(row["what"])
    if what == "as specified" and len(result.pairs):
        what = f"as specified ({listed(list(dict.fromkeys(result.pairs['model'])))})"
    if not console.is_number(row.get("car")):
        return (what, None, console.said(row.get("reason")), None, "")
    return (what.removeprefix("model:"), row["car"], interval(row["ci_low"], row["ci_high"]), row["p"], row["test"])


def _trend_sentence(result: StudyResult) -> list[str]:
    """Alpha a session and what it does; where it is large, why the models differ."""
    pairs = result.pairs
    if bars_summary.of_bars(result) or pairs.empty or "alpha" not in pairs or not pairs["alpha"].notna().any():
        return []
    worst = (
        pairs.iloc[int(np.nanargmax(pairs["drift"].to_numpy(float)))] if pairs["drift"].notna().any() else pairs.iloc[0]
    )
    alpha, ratio = worst["alpha"], worst["drift"]
    if not console.is_number(alpha):
        return []
    who = f" of {worst['ticker']}" if len(pairs) > 1 else ""
    told = f"Estimated alpha{who}: {percent(alpha, 2)} a session"
    large = console.is_number(ratio) and ratio > DRIFT_LIMIT
    if not large and abs(alpha) < ALPHA_SAID:
        return [told + "."]
    trend = f", an estimated trend ({number(ratio)} standard errors of the window)" if large else ""
    return [f"{told}{trend}: market and mean expect it to go on, the others do not."]


# ------------------------------------------------------------------------------------------------ cautions


def _confounders(result: StudyResult) -> Section:
    """Other events beside the study's own: the same session first; steps of the same story marked."""
    frame = result.confounders
    if frame.empty:
        return Section("")
    low = min(w[0] for w in _offset_windows(result))
    high = max(w[1] for w in _offset_windows(result))
    near = [r for r in frame.to_dict("records") if r["same_session"] or low <= r["distance"] <= high]
    in_estimation = frame[frame["in_estimation"].astype(bool)]["other_id"].nunique()
    near.sort(key=lambda r: (not r["same_session"], bool(r["same_story"]), abs(r["distance"])))
    lines = list(dict.fromkeys(_confounder_line(r) for r in near))
    left = len(lines) - LINES_SHOWN
    rest = [f"{left} more inside the windows"] if left > 0 else []
    rest += [f"{in_estimation} inside the estimation window"] if in_estimation else []
    told = [*lines[:LINES_SHOWN], *([f"and {', '.join(rest)} (see confounders)"] if rest else [])]
    return Section("Also then", tuple(told), most=1)


def _offset_windows(result: StudyResult) -> list[tuple[int, int]]:
    frame = result.caar
    return list(zip(frame["window_start"], frame["window_end"])) or [result.verdict.window]


def _confounder_line(row: Row) -> str:
    d = int(row["distance"])
    where = "same session" if row["same_session"] else f"{plural(abs(d), 'session')} {'after' if d > 0 else 'before'}"
    story = ", same story" if row["same_story"] else ""
    return f"{where}{story}: {row['title'] or row['other_id']}"


def _excluded(result: StudyResult) -> Section:
    lines = []
    for r in result.excluded.to_dict("records"):
        remedy = f"; {r['remedy']}" if console.said(r["remedy"]) else ""
        lines.append(f"{r['what']}: {str(r['reason']).rstrip('.')}{remedy}")
    return Section("Excluded", tuple(_some(lines, "excluded")), most=2)


def _some(lines: list[str], frame: str) -> list[str]:
    left = len(lines) - LINES_SHOWN
    return [*lines[:LINES_SHOWN], f"and {left} more (see {frame})"] if left > 0 else lines


SAID_ABOVE = ("confounders",)  # checks whose finding the summary already shows


def _checks(result: StudyResult) -> Section:
    """The checks that failed, each in its first clause; what stands above is not said twice."""
    failed = [r for r in result.checks.to_dict("records") if r["passed"] is not None and not r["passed"]]
    told = [r for r in failed if r["check"] not in SAID_ABOVE]
    lines = [f"{r['check']}: {_first_clause(str(r['sentence']))}" for r in told[:LINES_SHOWN]]
    rest = [str(r["check"]) for r in told[LINES_SHOWN:]]
    lines += [f"and {listed(rest)} (see checks)"] if rest else []
    return Section("Failed", tuple(lines), most=1 if len(result.pairs) > 1 else 2)


def _first_clause(sentence: str) -> str:
    """The sentence up to its first semicolon or full stop, where that leaves something to read."""
    cut = min((at for mark in ("; ", ". ") if (at := sentence.find(mark, 30)) > 0), default=len(sentence))
    return sentence[:cut].rstrip(".")


def _notes(result: StudyResult) -> Section:
    """Flags of the pair and notes of the study; a short history is said by its check."""
    flags = [f for text in result.pairs["flags"] for f in str(text).split("; ") if f] if len(result.pairs) == 1 else []
    kept = [f for f in dict.fromkeys(flags) if "short history" not in f]
    return Section("Notes", tuple(_some([*kept, *result.notes], "notes")), most=2)
