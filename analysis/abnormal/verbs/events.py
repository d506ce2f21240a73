"""`abnormal events`: the catalogue on the command line - list, show, check, near, upcoming, draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE, WRONG_REQUEST
from .common import Output, common_options

if TYPE_CHECKING:
    from ..domain import Event, EventCatalog
    from ..present.tables import Table

_FILE = click.option("--file", "source", metavar="FILE", help="Your own event file instead of the bundled catalogue.")
_DATE = click.DateTime(["%Y-%m-%d"])


@click.group("events", short_help="The event catalogue.", no_args_is_help=True)
def command() -> None:
    """The event catalogue: dated, sourced market events.

    \b
    abnormal events list --kind lockup_expiration --ticker 2513.HK
    abnormal events show us-order-anthropic
    abnormal events near 2026-06-15 --ticker 2513.HK
    abnormal events check my_events.csv
    abnormal events draft article.txt --published 2026-06-15 -o drafts.yaml
    """


@command.command("list", short_help="Events by kind, ticker, date and status.")
@click.option("--kind", metavar="KIND", multiple=True, help="Only this kind (repeatable).")
@click.option("--ticker", metavar="TICKER", multiple=True, help="Only events that name it (repeatable).")
@click.option("--after", type=_DATE, metavar="DATE", help="From this day on.")
@click.option("--before", type=_DATE, metavar="DATE", help="Up to this day.")
@click.option("--status", type=click.Choice(["verified", "quoted", "unverified"]), multiple=True)
@_FILE
@common_options
def list_(
    out: Output, kind: tuple[str, ...], ticker: tuple[str, ...], after: Any, before: Any, status: tuple[str, ...],
    source: str | None,
) -> int:  # fmt: skip
    """Events of the catalogue, in the order of their dates."""
    chosen = _catalogue(source).between(after and after.date(), before and before.date())
    if kind:
        chosen = chosen.kind(*kind)
    if status:
        chosen = chosen.status(*status)
    if ticker:
        _require_named(chosen.whole, ticker)
        chosen = chosen.where(lambda e: any(link.ticker in ticker for link in e.tickers))
    return _answer(out, chosen, "no event matches; `abnormal events list` shows all")


@command.command("show", short_help="Everything recorded of an event.")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_FILE
@common_options
def show(out: Output, ids: tuple[str, ...], source: str | None) -> int:
    """Everything recorded of an event, and the session in which each of its tickers could first react."""
    catalogue = _catalogue(source)
    events = [catalogue.get(i) for i in ids]
    if out.json:
        out.document({"events": [_record(e) | {"sessions": _sessions(e)} for e in events]})
        return DONE
    out.text("\n\n".join("\n".join(_lines(e)) for e in events))
    return DONE


@command.command("check", short_help="What is wrong or doubtful in an event file.")
@click.argument("file", required=False, metavar="[FILE]")
@common_options
def check(out: Output, file: str | None) -> int:
    """Everything wrong or doubtful in an event file (default: the bundled catalogue), by line and field.

    Exit 2 where a record cannot be read; with --strict exit 1 where one only asks for a look.
    """
    from ..inputs.events import check_events

    problems = check_events(file)
    errors = [p for p in problems if p.severity == "error"]
    if out.json:
        keys = ("file", "line", "event_id", "field", "message", "severity")
        out.document({"problems": [{k: getattr(p, k) for k in keys} for p in problems]})
    elif problems and not out.quiet:
        out.text("\n".join(map(str, problems)))
    doubts = len(problems) - len(errors)
    out.note(f"{len(errors)} errors, {doubts} warnings" if problems else "no problems found")
    if errors:
        return WRONG_REQUEST
    return out.exit_code([f"{doubts} records ask for a look"] if doubts else [])


@command.command("near", short_help="What else happened around a date.")
@click.argument("date", type=_DATE)
@click.option("--ticker", metavar="TICKER", help="Events that name it, and market-wide ones.")
@click.option("--days", type=click.IntRange(min=0), default=10, show_default=True, help="Calendar days to each side.")
@_FILE
@common_options
def near(out: Output, date: Any, ticker: str | None, days: int, source: str | None) -> int:
    """What else happened around a date, nearest first."""
    from ..inputs.events import near as events_near

    found = events_near(_catalogue(source), date.date(), ticker, days)
    if out.json:
        out.document({"events": [_record(e) | {"distance_days": d} for e, d in found]})
    elif out.quiet:
        out.text("\n".join(e.id for e, _ in found))
    elif found:
        out.table(_table([e for e, _ in found], [d for _, d in found]))
    else:
        out.note(f"nothing in the catalogue within {days} days of {date:%Y-%m-%d}")
    return DONE


@command.command("upcoming", short_help="Events that lie ahead.")
@click.option("--ticker", metavar="TICKER", multiple=True, help="Only events that name it (repeatable).")
@click.option("--today", type=_DATE, metavar="DATE", help="Count from this day.")
@_FILE
@common_options
def upcoming(out: Output, ticker: tuple[str, ...], today: Any, source: str | None) -> int:
    """Events that lie ahead, soonest first."""
    from ..inputs.events import upcoming as events_upcoming

    ahead = events_upcoming(_catalogue(source), today and today.date())
    if ticker:
        _require_named(ahead.whole, ticker)
        ahead = ahead.where(lambda e: any(link.ticker in ticker for link in e.tickers))
    return _answer(out, ahead, "nothing lies ahead in the catalogue")


@command.command("draft", short_help="Propose entries from a news text.")
@click.argument("file", metavar="FILE")
@click.option("--published", type=_DATE, metavar="DATE", help="Day of publication, for `last Friday` and the like.")
@click.option("-o", "--output", metavar="FILE", help="Write the entries there (default: stdout).")
@common_options
def draft(out: Output, file: str, published: Any, output: str | None) -> int:
    """Propose catalogue entries from a news text (plain or HTML), each guess beside the words it rests on.

    All are unverified: check every line against the source, add sources, then `abnormal events check`.
    """
    from ..inputs.draft import draft_file, draft_record, to_yaml, write_drafts
    from ..result import plain

    drafts = draft_file(file, published and published.date(), catalogue=_catalogue(None))
    if output:
        out.note(f"written: {write_drafts(drafts, output)}")
    if out.json:
        out.document({"events": [plain(draft_record(d)) for d in drafts]})
    elif not output:
        out.text(to_yaml(drafts).rstrip("\n"))
    return out.exit_code([] if drafts else ["no event was recognised"])


# ------------------------------------------------------------------------------------------------ reading


def _catalogue(source: str | None) -> EventCatalog:
    from ..inputs.events import load_events

    return load_events(source)


def _require_named(whole: EventCatalog, tickers: Iterable[str]) -> None:
    """A ticker no event names is more likely a slip than a question."""
    from ..errors import UnknownName

    known = sorted({link.ticker for event in whole for link in event.tickers})
    for ticker in tickers:
        if ticker not in known:
            raise UnknownName("ticker", ticker, known, "no event of the catalogue names it")


def _sessions(event: Event) -> list[dict[str, Any]]:
    """For each ticker the session that could first react, its class, and why; or why there is none."""
    from ..errors import AbnormalError
    from ..inputs.exchanges import exchange_of
    from ..inputs.sessions import align

    found = []
    for link in event.tickers:
        told: dict[str, Any] = {"ticker": link.ticker, "exchange": None, "session": None, "reaction_class": None}
        try:
            aligned = align(event, exchange_of(link.ticker))
        except AbnormalError as error:
            found.append(told | {"why": str(error)})
            continue
        found.append(
            told | {"exchange": aligned.mic, "session": str(aligned.session), "reaction_class": aligned.reaction_class,
                    "why": aligned.sentence}
        )  # fmt: skip
    return found


# ------------------------------------------------------------------------------------------------ saying


def _answer(out: Output, catalogue: EventCatalog, nothing: str) -> int:
    events = list(catalogue)
    if out.json:
        out.document({"events": [_record(e) for e in events]})
    elif out.quiet:
        out.text("\n".join(e.id for e in events))
    elif events:
        out.table(_table(events))
        out.note(f"{len(events)} of {len(catalogue.whole)} events")
    else:
        out.note(nothing)
    return DONE


def _record(event: Event) -> dict[str, Any]:
    from ..inputs.events import event_record
    from ..result import plain

    return plain(event_record(event))


def _table(events: Sequence[Event], distances: Sequence[int] = ()) -> Table:
    from ..present.tables import Column, Table

    columns = [Column("day", kind="date"), Column("id"), Column("kind"), Column("tickers"), Column("title")]
    rows: list[tuple[Any, ...]] = [(e.day, e.id, e.kind, _tickers(e), e.title) for e in events]
    if distances:
        columns.insert(0, Column("days", kind="count"))
        rows = [(f"{d:+d}" if d else "0", *row) for d, row in zip(distances, rows)]
    return Table("", tuple(columns), tuple(rows))


def _tickers(event: Event) -> str:
    names = [link.ticker for link in event.tickers] or (["(market-wide)"] if event.market_wide else [])
    return " ".join(names[:3]) + (f" +{len(names) - 3}" if len(names) > 3 else "")


def _lines(event: Event) -> list[str]:
    """An event as labelled lines, fields without content left out."""
    from ..present import console

    def labelled(head: str, text: Any) -> list[str]:
        return console.wrap(console.pad(head, 14) + str(text), indent=14) if text not in ("", None, ()) else []

    lines = [event.title or event.id, *labelled("id", event.id), *labelled("kind", event.kind)]
    lines += labelled("when", _when(event))
    for head, text in (
        ("effective", event.effective_date), ("until", event.date_end), ("jurisdiction", event.jurisdiction),
        ("story", event.cluster), ("status", event.status),
        ("confidence", event.confidence), ("expected", _expected(event)),
    ):  # fmt: skip
        lines += labelled(head, text)
    for link, told in zip(event.tickers, _sessions(event)):
        sign = {1: ", expected up", -1: ", expected down"}.get(link.sign, "")
        first = f"first session {told['session']} ({told['reaction_class']})" if told["session"] else told["why"]
        lines += labelled("ticker", f"{link.ticker} {link.role}{sign}".rstrip() + f"; {first}")
    lines += labelled("attributes", "; ".join(f"{name} = {value}" for name, value in event.attributes.items()))
    for item in event.known_confounders:
        lines += labelled("confounder", item)
    lines += [console.pad("source", 14) + address for address in event.sources]
    return lines + labelled("notes", event.notes)


def _when(event: Event) -> str:
    """The time with its zone, or the day, and how well it is known."""
    at = event.day.isoformat() if event.at is None else event.at.isoformat(sep=" ")
    hint = "" if event.session_hint == "unknown" else f", {event.session_hint.replace('_', ' ')} {event.session_market}"
    return f"{at} {event.timezone}".rstrip() + f" (known to the {event.precision}{hint.rstrip()})"


def _expected(event: Event) -> str:
    words = ["scheduled"] if event.scheduled else []
    words += [] if event.anticipated == "no" else [f"anticipated: {event.anticipated}"]
    words += ["market-wide"] if event.market_wide else []
    return ", ".join(words + (["the record exists because the price moved"] if event.selected_on_outcome else []))
