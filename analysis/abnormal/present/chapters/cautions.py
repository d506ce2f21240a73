"""Can we believe it? Other events, checks, exclusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import console, prose
from ..tables import Column, Table
from .blocks import Block, Chapter, Pages, chapter, figure, para, see, table


def confounders_chapter(pages: Pages) -> Chapter:
    """What else happened in the windows, and inside the estimation window."""
    result = pages.result
    frame = result.confounders
    if frame.empty:
        return chapter("Other events")
    offsets = result.aar["offset"]
    low, high = int(offsets.min()), int(offsets.max())
    rows = _merged(frame.to_dict("records"))
    near = [r for r in rows if low <= r["distance"] <= high or r["same_session"]]
    far = [r for r in rows if r not in near]
    treatment = str(frame["treatment"].iloc[0])
    told = {
        "flag": "They are kept and named.", "drop": "Pairs they touch are left out where there are ten or more.",
        "dummy": "Sessions near them are left out of the estimation.", "split": "Overlapping windows are split.",
    }.get(treatment, "")  # fmt: skip
    drawn = len(result.pairs) <= 4 and pages.draw("timeline", result.plot.timeline, ax=None)
    caption = (
        "The event among the catalogue's other events: squares share its session and cannot be told apart from it, hollow "
        "marks are steps of the same story."
    )
    counted = console.plural(len(near), "other catalogue event")
    intro = f"{counted} inside the windows, {len(far)} inside the estimation window. {told}"
    several = len(result.pairs) > 1
    shown = (
        figure("timeline", caption, caption) if drawn else None,
        _table("confounders", "Other events inside the windows.", near, several),
        _table("contamination", "Other events inside the estimation window.", far, several),
    )
    return chapter("Other events", see(intro, *shown), shown)


def _merged(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """One row an event and distance, with the shares it concerns."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for r in rows:
        key = (r["other_id"], r["distance"])
        kept = found.setdefault(key, {**r, "tickers": []})
        kept["tickers"].append(str(r["ticker"]))
        kept["same_session"] = kept["same_session"] or r["same_session"]
    out = sorted(found.values(), key=lambda r: (r["distance"], str(r["title"])))
    return [{**r, "tickers": console.listed(list(dict.fromkeys(r["tickers"])), most=3)} for r in out]


def _table(name: str, caption: str, rows: Sequence[Any], several: bool) -> Block | None:
    columns = (
        Column("distance", "Sessions", "count"), Column("title", "Event"), Column("kind", "Kind"),
        *([Column("tickers", "Shares")] if several else []), Column("where", "Where"),
    )  # fmt: skip
    cells = tuple(
        tuple(
            {**r, "title": r["title"] or r["other_id"], "kind": str(r["kind"]).replace("_", " "), "where": _where(r)}[
                c.key
            ]
            for c in columns
        )
        for r in rows
    )
    tones = [
        "strong" if r["same_session"] and not r["same_story"] else "muted" if r["same_story"] else "" for r in rows
    ]
    notes = ("Bold: in the same session and of another story. Grey: a step of the same story.",) if any(tones) else ()
    return table(
        name,
        caption,
        Table("", columns, cells, notes),
        grow=["title"],
        tones=tones,
        what="event",
        file="confounders",
        breaks=True,
    )


def _where(row: Any) -> str:
    words = ["same session"] if row["same_session"] else []
    words += ["same story"] if row["same_story"] else []
    words += ["estimation"] if row["in_estimation"] and not row["same_session"] else []
    return ", ".join(words)


# ------------------------------------------------------------------------------------------------ checks


def checks_chapter(pages: Pages) -> Chapter:
    """Every check with its sentence; those that failed first."""
    frame = pages.result.checks
    if frame.empty:
        return chapter("Can it be believed?")
    order: dict[bool | None, int] = {False: 0, None: 1, True: 2}
    rows = sorted(frame.to_dict("records"), key=lambda r: order[_passed(r)])
    columns = (Column("check", "Check"), Column("passed", "Passed"), Column("sentence", "What was seen"))
    words = {True: "yes", False: "no", None: "–"}
    cells = tuple((str(r["check"]).replace("_", " "), words[_passed(r)], str(r["sentence"])) for r in rows)
    tones = ["lead" if _passed(r) is False else "" for r in rows]
    failed = sum(_passed(r) is False for r in rows)
    decided = sum(_passed(r) is not None for r in rows)
    intro = f"{failed} of {decided} checks failed." if failed else f"All {decided} checks passed."
    made = Table("", columns, cells, ("–: informs only.",))
    block = table(
        "checks", "The checks, failed ones first.", made, grow=["sentence"], tones=tones, most=60, breaks=True
    )
    return chapter("Can it be believed?", see(intro, block), block)


def _passed(row: Any) -> bool | None:
    value = row["passed"]
    return None if value is None or value != value else bool(value)


# ------------------------------------------------------------------------------------------------ exclusions


def exclusions_chapter(pages: Pages) -> Chapter:
    """What was left out, why, and what would bring it back."""
    frame = pages.result.excluded
    if frame.empty:
        return chapter("What was left out", para(prose.say("nothing_excluded")))
    columns = (
        Column("stage", "Stage"),
        Column("what", "What"),
        Column("reason", "Why"),
        Column("remedy", "What would bring it back"),
    )
    rows = tuple(tuple(console.said(r[c.key]) for c in columns) for r in frame.to_dict("records"))
    made = Table("", columns, rows)
    shown = table(
        "excluded",
        "Left out, at which stage and why.",
        made,
        grow=["what", "reason:1.7", "remedy:1.2"],
        file="excluded",
        breaks=True,
    )
    return chapter("What was left out", see("", shown), shown)
