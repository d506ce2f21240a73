"""Is it different from ordinary days? The battery, the placebo dates, what could have been seen, regressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ...errors import AbnormalError
from .. import console, prose
from ..console import is_number, p_value, window
from ..tables import Column, Table, frame_table
from .blocks import Block, Chapter, Pages, bullets, chapter, figure, heading, para, see, table

WINDOWS = 5  # columns of p-values in the battery
MARKS = {"shown": " †", "invalid": " ‡"}


def tests_chapter(pages: Pages) -> Chapter:
    """Headline, votes, the whole battery with statuses and reasons, and the placebo distribution."""
    result = pages.result
    if result.tests.empty and result.pairs.empty:
        return chapter("Tests")
    absent, remarks = prose.grouped_reasons(result.tests, result.headline)
    reasons = [f"{r[:1].upper()}{r[1:].rstrip('.')}." for r in result.verdict.reasons]
    votes, battery = _votes(pages), _battery(pages)
    every = see("Every test that gave a number stands in {refs}, with its p in each window.", battery)
    voted = " ".join(t for t in (prose.headline_sentence(result), prose.votes_sentence(result)) if t)
    return chapter(
        "Tests", see(voted, votes), votes, para("Why the verdict reads as it does:") if reasons else None, bullets(reasons),
        heading("The battery"), every, battery, bullets(remarks), bullets(absent), _placebo(pages),
    )  # fmt: skip


def _votes(pages: Pages) -> Block | None:
    """The tests that must agree: p, direction, whether they may vote and whether they agree."""
    votes = prose.votes_of(pages.result)
    columns = (
        Column("test", "Test"), Column("p", "p", "p"), Column("way", "Direction"), Column("counts", "Votes", "flag"),
        Column("agrees", "Agrees", "flag"), Column("reason", "Why it has no vote"),
    )  # fmt: skip
    ways = {1: "up", -1: "down"}
    rows = tuple(
        (
            v["test"],
            v["p"],
            ways.get(v["sign"], ""),
            v["counts"],
            v["agrees"] if v["counts"] else None,
            console.said(v["reason"]),
        )
        for v in votes
    )
    tones = ["" if v["counts"] else "muted" for v in votes]
    return table(
        "votes", "The tests that must agree with the headline.", Table("", columns, rows), grow=["reason"], tones=tones
    )


# ------------------------------------------------------------------------------------------------ the battery


def _battery(pages: Pages) -> Block | None:
    """Every test that gave a number: its statistic in the headline window, and its p in every window."""
    result = pages.result
    windows = prose.windows_of(result)[:WINDOWS]
    columns = (
        Column("test", "Test"), Column("variant", "Variant"), Column("statistic", "Statistic", "number"),
        Column("df", "df", "count"), Column("n", "n", "count"),
        *(Column(f"p{j}", f"p {window(*w)}", "number") for j, w in enumerate(windows)), Column("status", "Status"),
    )  # fmt: skip
    rows, tones = [], []
    for test, variant, by_window in _ordered(result):
        head = by_window.get(result.headline)
        status = head["status"] if head else "not_applicable"
        cells = [_cell(by_window.get(w)) for w in windows]
        rows.append(
            (
                test,
                variant,
                *(head[k] if head else None for k in ("statistic", "df", "n")),
                *cells,
                str(status).replace("_", " "),
            )
        )
        tones.append("strong" if test == result.verdict.headline else "" if status == "ok" else "muted")
    notes = [
        "Statistic, df and n are those of the headline window; p by its alternative. † shown without a vote; ‡ invalid: the "
        "design breaks it; n/a: not applicable there."
    ]  # fmt: skip
    left = len(prose.windows_of(result)) - WINDOWS
    notes += [f"{left} more windows in tables/tests.csv."] if left > 0 else []
    caption = "The battery: every test that gave a number, the headline in bold."
    return table(
        "battery", caption, Table("", columns, tuple(rows), tuple(notes)), tones=tones, grow=["variant"], most=90
    )


def _ordered(result: Any) -> list[tuple[str, str, dict[tuple[int, int], Any]]]:
    """Tests with their rows by window: headline, votes, others, then those without a vote; without any number they go."""
    found: dict[tuple[str, str], dict[tuple[int, int], Any]] = {}
    for r in result.tests.to_dict("records"):
        found.setdefault((str(r["test"]), console.said(r["variant"])), {})[
            (int(r["window_start"]), int(r["window_end"]))
        ] = r
    votes = {v["test"] for v in prose.votes_of(result)}
    ranks = {"ok": 0, "shown": 2, "invalid": 3}

    def rank(item: tuple[tuple[str, str], dict[tuple[int, int], Any]]) -> tuple[int, int]:
        (test, _), rows = item
        status = rows.get(result.headline, {}).get("status", "not_applicable")
        return (0 if test == result.verdict.headline else 1 if test in votes else 2, ranks.get(str(status), 4))

    kept = [i for i in found.items() if any(is_number(r["p"]) for r in i[1].values())]
    return [(test, variant, rows) for (test, variant), rows in sorted(kept, key=rank)]


def _cell(row: Any) -> str:
    if row is None or not is_number(row["p"]):
        return console.NONE
    return p_value(row["p"]) + MARKS.get(str(row["status"]), "")


def _placebo(pages: Pages) -> list[Block | None]:
    result = pages.result
    if not pages.draw("placebo", result.plot.placebo, 2.6):
        return []
    p, n = _placebo_p(result)
    name = "the most extreme candidate" if result.verdict.headline == "selection" else "the statistic"
    caption = f"Distribution of {name} on earlier dates taken as events; the line is the event itself."
    return [
        heading("Against ordinary days"),
        para(prose.placebo_sentence(p, n)),
        figure("placebo", caption, caption, 86),
    ]


def _placebo_p(result: Any) -> tuple[Any, Any]:
    """The p and n of the distribution that is drawn."""
    head = result.verdict.headline
    wanted = [head] if head in ("selection", "portfolio_placebo", "placebo_time") else []
    wanted += ["portfolio_placebo", "placebo_time"]
    for test in wanted:
        rows = [r for r in prose.in_window(result.tests, result.headline) if r["test"] == test and is_number(r["p"])]
        if rows:
            return rows[0]["p"], rows[0]["n"]
    rows = prose.in_window(result.car, result.headline)
    return (rows[0]["placebo_p"], rows[0]["placebo_n"]) if rows else (None, None)


# ------------------------------------------------------------------------------------------------ power


def power_chapter(pages: Pages) -> Chapter:
    """Clustering, and the smallest effect that could have been seen; simulated power where it was asked for."""
    result = pages.result
    if result.pairs.empty:
        return chapter("Clustering and power")
    checks = {r["check"]: str(r["sentence"]) for r in result.checks.to_dict("records")}
    clustering = checks.get("clustering", "") if len(result.pairs) > 1 else ""
    answer = pages.extras.get("power")
    frame = getattr(answer, "frame", answer)
    drawn = frame is not None and pages.draw("power", result.plot.power, 2.8, frame=frame)
    caption = "Share of rejections by the true effect added to the event day, simulated on the study's own panel."
    shown, rates = figure("power", caption, caption, 86) if drawn else None, _power_table(frame)
    return chapter(
        "Clustering and power", para(clustering), para(prose.design_sentence(result)),
        see(prose.mde_sentence(result), shown, rates), shown, rates, bullets([str(n) for n in getattr(answer, "notes", ())]),
    )  # fmt: skip


def _power_table(frame: pd.DataFrame | None) -> Block | None:
    """Rejection rates: a row a test, a column an effect."""
    if frame is None or frame.empty:
        return None
    effects = sorted(frame["effect"].unique())
    columns = (Column("test", "Test"), *(Column(f"e{j}", console.percent(e), "share") for j, e in enumerate(effects)))
    rows = []
    for test, part in frame.groupby("test", sort=False):
        rates = dict(zip(part["effect"], part["rate"]))
        rows.append((test, *(rates.get(e) for e in effects)))
    return table("rates", "Share of rejections by test and true effect.", Table("", columns, tuple(rows)))


# ------------------------------------------------------------------------------------------------ regressions


def regression_chapter(pages: Pages) -> Chapter:
    """Regressions handed over, and the one the study file asks for."""
    result = pages.result
    answers = list(pages.extras.get("regressions") or ())
    said: list[Block | None] = []
    wanted = result.spec.regression
    if not answers and wanted is not None and result.case is not None:
        try:
            answers = [result.regress(wanted.formula, window=wanted.window, cov=wanted.cov)]
        except AbnormalError as error:
            said = [para(f"The regression {wanted.formula} could not be run: {error}")]
    blocks = [b for k, answer in enumerate(answers) for b in _regression(answer, k)]
    return chapter("Regressions", said, blocks)


def _regression(answer: Any, k: int) -> list[Block | None]:
    about = [f"{answer.formula}; standard errors {answer.cov}; n = {console.count(answer.n)}"]
    about += [f"window {window(*answer.window)}"] if answer.window is not None else []
    made = frame_table(
        answer.to_frame(),
        "",
        [c for c in ("term", "coef", "se", "t", "p", "ci_low", "ci_high") if c in answer.to_frame()],
    )
    columns = tuple(_plain_number(c) for c in made.columns)
    reason = f" {answer.status}: {answer.reason}." if answer.reason else ""
    notes = [f"{n[:1].upper()}{n[1:].rstrip('.')}." for n in answer.notes]
    if not made.rows:
        return [para(f"{answer.formula}:{reason or ' no coefficients.'}")]
    return [
        table(f"regression-{k + 1}", f"Regression: {'; '.join(about)}.{reason}", Table("", columns, made.rows)),
        bullets(notes),
    ]


def _plain_number(column: Column) -> Column:
    return (
        column
        if column.key in ("term", "p")
        else Column(column.key, {"ci_low": "low", "ci_high": "high"}.get(column.key, column.key), "number", 4)
    )


def given_regressions(answers: Sequence[Any] | Any | None) -> tuple[Any, ...]:
    """One regression or several, as a tuple."""
    if answers is None:
        return ()
    return tuple(answers) if isinstance(answers, (list, tuple)) else (answers,)
