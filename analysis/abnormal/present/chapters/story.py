"""What happened: the event, the prices behind the study, the anatomy of the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...domain import Event
from .. import console, prose
from ..bars_summary import session_lines
from ..tables import Column, Table
from .blocks import Block, Chapter, Pages, bullets, chapter, facts, figure, heading, para, see, table

TOLD, SOURCES, FLAGS = 3, 12, 12  # events told in full, sources of each, flags listed


# ------------------------------------------------------------------------------------------------ the event


def event_chapter(pages: Pages) -> Chapter:
    """What happened, when, by which source, and which session could react first."""
    result = pages.result
    events = list(result.events)
    sessions = prose.first_sessions(result)
    blocks: list[Block | None] = []
    if len(events) > TOLD or not events:
        blocks += [_event_table(pages, events)]
        blocks += [bullets(sessions)] if len(sessions) <= TOLD else []
    else:
        for event in events:
            mine = [s for s in sessions if s.startswith(event.title or event.id)] if len(events) > 1 else sessions
            blocks += [heading(event.title or event.id)] if len(events) > 1 else []
            blocks += [_told(event, mine, pages)]
    flags = _flags(pages)
    blocks += [para("What the placing of the pairs on their sessions has to say:"), bullets(flags)] if flags else []
    return chapter("The event" if len(events) == 1 else "The events", blocks)


def _told(event: Event, sessions: Sequence[str], pages: Pages) -> Block | None:
    roles = [f"{k.ticker}: {k.role or 'no role'}{_sign(k.sign)}" for k in event.tickers]
    sources = list(event.sources[:SOURCES])
    more = len(event.sources) - len(sources)
    where = ", ".join(w for w in (event.kind.replace("_", " "), event.jurisdiction) if w)
    trust = ", ".join(w for w in (event.status, f"confidence {event.confidence}" if event.confidence else "") if w)
    return facts(
        [
            ("What", f"{event.title or event.id} ({event.id})"), ("Kind", where), ("Announced", prose.announced(event)),
            ("Known before", prose.known_before(event)), ("First session", " ".join(_after_title(event, s) for s in sessions)),
            ("Shares", "; ".join(roles)), ("Record", trust), ("Notes", event.notes),
            ("Sources", "\n".join([*sources, *([f"and {more} more"] if more > 0 else [])])),
        ]
    )  # fmt: skip


def _after_title(event: Event, sentence: str) -> str:
    told = sentence.removeprefix(f"{event.title or event.id}: ")
    return f"{told[:1].upper()}{told[1:]}"


def _sign(sign: int) -> str:
    return {1: ", a rise expected", -1: ", a fall expected"}.get(sign, "")


def _event_table(pages: Pages, events: Sequence[Event]) -> Block | None:
    """The pairs with their sessions, where there are too many events to tell."""
    result = pages.result
    titles = {e.id: e.title or e.id for e in events}
    columns = (
        Column("event", "Event"), Column("ticker", "Share"), Column("session", "Session 0", "date"), Column("class", "Announced"),
        Column("role", "Role"),
    )  # fmt: skip
    rows = tuple(
        (
            titles.get(r["event_id"], r["event_id"]),
            r["ticker"],
            r["session"],
            prose.reaction(r["reaction_class"]),
            r["role"],
        )
        for r in result.pairs.to_dict("records")
    )
    caption = "The pairs and the session each could first be traded in."
    return table("events", caption, Table("", columns, rows), grow=["event"], what="pair", file="pairs", breaks=True)


def _flags(pages: Pages) -> list[str]:
    """Flags of the pairs, those that are the same together."""
    told: dict[str, list[str]] = {}
    for row in pages.result.pairs.to_dict("records"):
        for flag in str(row["flags"]).split("; "):
            if flag:
                told.setdefault(flag, []).append(str(row["ticker"]))
    lines = [f"{console.listed(list(dict.fromkeys(who)), most=6)}: {flag}." for flag, who in told.items()]
    left = len(lines) - FLAGS
    return [*lines[:FLAGS], f"{left} more in the column flags of tables/pairs.csv."] if left > 0 else lines


# ------------------------------------------------------------------------------------------------ prices


BASES = {
    "prev_close": "close over the exchange's previous close", "adjusted": "close adjusted for splits and dividends",
    "adj_close": "adjusted close", "price": "close alone (no dividends)", "returns": "returns as given",
}  # fmt: skip


def data_chapter(pages: Pages) -> Chapter:
    """Which prices, from where, how they became returns, and what is doubtful about them."""
    result = pages.result
    drawn = len(result.pairs) > 0 and len(result.pairs) <= 4 and pages.draw("price", result.plot.price, 3.0)
    who = result.pairs["ticker"].iloc[0] if len(result.pairs) else ""
    caption = (
        f"Price of {who}: hollow candles closed above their open, filled ones below; grey bars are shares traded; the "
        "dashed line is what the model expected from the close before the headline window on."
    )
    series, shown = _series(pages), figure("price", caption, caption) if drawn else None
    return chapter("Prices", see(prose.returns_sentence(result), series, shown), series, bullets(_notes(pages)), shown)


def _notes(pages: Pages) -> list[str]:
    """Notes of the study; those that say the same of several series together."""
    told: dict[str, list[str]] = {}
    for note in pages.result.notes:
        who, colon, what = note.partition(": ")
        alone = not colon or " " in who
        told.setdefault(note if alone else what, []).append("" if alone else who)
    return [f"{console.listed(who, most=6)}: {what}" if who[0] else what for what, who in told.items()]


def _series(pages: Pages) -> Block | None:
    """The series behind the numbers, where each comes from and over which days it runs."""
    result = pages.result
    data: dict[str, Any] = dict(result.manifest.get("data", {}))
    studied, benchmark = set(result.pairs["ticker"]), result.spec.benchmark
    basket = {benchmark} if isinstance(benchmark, str) else set(benchmark or ())
    columns = (
        Column("ticker", "Series"), Column("use", "Use"), Column("first", "First"), Column("last", "Last"),
        Column("basis", "Return from"), Column("source", "Source, retrieved"),
    )  # fmt: skip
    rows = []
    for name, about in data.items():
        uses = [
            w
            for w, known in (("studied", studied), ("benchmark", basket), ("candidate", set(result.spec.candidates)))
            if name in known
        ]
        if "studied" in uses and "candidate" in uses:
            uses.remove("candidate")
        where = ", ".join(str(about[k]) for k in ("source", "retrieved") if about.get(k))
        basis = str(about.get("basis", ""))
        rows.append(
            (
                name,
                ", ".join(uses) or "named",
                about.get("first", ""),
                about.get("last", ""),
                BASES.get(basis, basis),
                where,
            )
        )
    order = {"studied": 0, "benchmark": 1}
    rows.sort(key=lambda r: order.get(str(r[1]).partition(",")[0], 2))
    caption = "The series behind the study."
    return table(
        "series",
        caption,
        Table("", columns, tuple(rows)),
        grow=["basis", "source:1.6"],
        what="series",
        file="manifest.json",
    )


# ------------------------------------------------------------------------------------------------ the day


JUMPS = 12


def jump_chapter(pages: Pages) -> Chapter:
    """How the day's move came about: overnight, to the extreme, and back."""
    result = pages.result
    if result.jump.empty:
        return chapter("The day")
    rows: list[Any] = result.jump.to_dict("records")
    several = len(rows) > 1
    drawn = len(rows) <= 3 and pages.draw("jump", result.plot.jump, ax=None)
    caption = "The day in steps that add up, in logarithms; hatched steps go down."
    shown = figure("jump", caption, caption, 100 if several else 78) if drawn else None
    listed = _jump_table(pages, rows) if several else None
    told = [prose.jump_sentence(r) for r in rows] if len(rows) <= 3 else [""]
    told += [f"{line[:1].upper()}{line[1:]}." for line in session_lines(result)]
    inside = _inside(pages)
    return chapter("The day", [para(t) for t in told[:-1]], see(told[-1], shown, inside, listed), shown, inside, listed)


def _inside(pages: Pages) -> Block | None:
    """The event session bar by bar, where the study counts bars."""
    if not pages.draw("intraday", pages.result.plot.intraday, 2.6):
        return None
    caption = (
        "The event session bar by bar: return since the open over the usual size of a bar at that time of day (grey); diamonds "
        "are jump bars."
    )
    return figure("intraday", caption, caption, 92)


def _jump_table(pages: Pages, rows: Sequence[Any]) -> Block | None:
    columns = (
        Column("pair", "Pair"), *(Column(k, k, "percent") for k in ("overnight", "rise", "retreat", "total")),
        Column("peak_gain", "peak", "percent"), Column("give_back", "given back", "share"), Column("rank_p", "rank p", "p"),
    )  # fmt: skip
    named = [{**r, "pair": prose.label_of(pages.result, r)} for r in rows]
    cells = tuple(tuple(r[c.key] for c in columns) for r in named)
    caption = "The day of each pair: steps in log returns, the extreme as a simple return, and its rank among estimation days."
    return table("jumps", caption, Table("", columns, cells), grow=["pair"], most=JUMPS, what="pair", file="jump")
