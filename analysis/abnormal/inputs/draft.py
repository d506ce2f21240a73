"""From a news text to proposed catalogue entries, each guess beside the words it rests on; the user edits and decides.

Nothing drafted is more than `unverified`, and what a text does not say stays empty: a date that cannot be told is left
out, not invented.
"""

from __future__ import annotations

import datetime as dt
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..domain import Event, EventCatalog
from ..errors import EventError, RequestError
from .draft_merge import add_beneficiaries, merged
from .draft_reading import all_seen
from .draft_seen import Guess, Reference, Seen, short
from .draft_text import read_news
from .event_yaml import event_yaml
from .tickers import TickerTable, load_tickers

__all__ = ["Draft", "Guess", "draft_events", "draft_file", "draft_record", "to_yaml", "write_drafts"]

MAX_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed event: the record (status unverified; without a date where the text gives none), the sentence it rests on,
    and a guess for every field that was read out of it."""

    event: Event
    quote: str
    guesses: tuple[Guess, ...] = ()


# ------------------------------------------------------------------------------------------------ the public verbs


def draft_events(
    text: str,
    published: dt.date | str | None = None,
    *,
    tickers: TickerTable | None = None,
    catalogue: EventCatalog | None = None,
) -> list[Draft]:
    """Catalogue entries a news text suggests, in the order of the text, all `unverified`.

    Parameters
    ----------
    text : plain text or HTML, English or Chinese
    published : day of publication, against which "on the 16th" or "last Friday" are read. Default: what the text says of
        itself; where it says nothing such dates stay open.
    tickers : table in which firms are looked up (default: the bundled one)
    catalogue : events to compare with; a draft says which record may already hold it

    Returns
    -------
    list of Draft. Moves of shares are drafted as `market_event` with `move_pct` (percent, negative for falls).

    Raises
    ------
    EventError for a `published` that is no date.

    Examples
    --------
    >>> news = "The White House issued an export control order against Anthropic on June 12, 2026."
    >>> [(d.event.kind, d.event.day.isoformat(), d.event.status) for d in draft_events(news)]
    [('export_control', '2026-06-12', 'unverified')]
    """
    news = read_news(text)
    table = load_tickers() if tickers is None else tickers
    reference = Reference.of(news, _as_date(published), text)
    events = merged(list(all_seen(news, reference, table)))
    add_beneficiaries(events, news, table)
    return _with_ids([_draft(seen, reference, catalogue) for seen in events])


def draft_file(
    path: str | Path,
    published: dt.date | str | None = None,
    *,
    tickers: TickerTable | None = None,
    catalogue: EventCatalog | None = None,
) -> list[Draft]:
    """`draft_events` of a file in UTF-8. Raises EventError naming the file (and line) where it cannot be read as such."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise EventError(f"no news text {str(path)!r}; give a file of plain text or HTML in UTF-8")
    if file.stat().st_size > MAX_BYTES:
        raise EventError(
            f"{file}: {file.stat().st_size / 1e6:.0f} MB is more than a news text; give one article a file"
        )
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw[: wrong.start].count(b"\n") + 1
        raise EventError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None
    return draft_events(text, published, tickers=tickers, catalogue=catalogue)


def to_yaml(drafts: Iterable[Draft]) -> str:
    """The drafts as a catalogue file to edit: every record under the sentence and the guesses it was read from.

    What was guessed stands in comments; `abnormal events check` says what is still missing.
    """
    parts = [_as_yaml(draft) for draft in drafts]
    head = "# Drafted from a news text. Check every line against the source, add sources, then: abnormal events check FILE\n"
    return "\n".join([head, *parts]) if parts else head + "# No event was recognised.\n[]\n"


def write_drafts(drafts: Iterable[Draft], path: str | Path) -> Path:
    """The drafts in a new file; one that exists is never overwritten (RequestError)."""
    file = Path(path).expanduser()
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(to_yaml(drafts))
    except FileExistsError:
        raise RequestError(f"{file} exists and is not overwritten; give another name") from None
    return file


def draft_record(draft: Draft) -> dict[str, Any]:
    """A draft as plain values ready for JSON: the fields of the event, `quote`, and `guesses`."""
    from .events import event_record

    placeholder = draft.event if _is_dated(draft.event) else replace(draft.event, date=dt.date(1, 1, 1))
    record = event_record(placeholder)
    if not _is_dated(draft.event):
        record |= {"day": None, "date": None}
    guesses = [{"field": g.field, "value": g.value, "quote": g.quote, "why": g.why} for g in draft.guesses]
    return record | {"quote": draft.quote, "guesses": guesses}


def _as_date(published: dt.date | str | None) -> dt.date | None:
    if isinstance(published, dt.datetime):
        return published.date()
    if published is None or isinstance(published, dt.date):
        return published
    try:
        return dt.date.fromisoformat(published)
    except ValueError:
        raise EventError(f"published: {published} is not a date; write YYYY-MM-DD") from None


# ------------------------------------------------------------------------------------------------ records


def _draft(seen: Seen, reference: Reference, catalogue: EventCatalog | None) -> Draft:
    date, published = seen.date, reference.days[seen.sentence.item]
    day = None if date is None else date.day
    timed = seen.clock is not None
    zone = seen.zone
    event = Event(
        id="", title=seen.title, kind=seen.kind, at=seen.clock, date=None if timed else day,
        timezone="" if day is None or (timed and not zone) else zone,
        precision=("minute" if seen.exact else "hour") if timed else "day" if date is None else date.precision,
        session_hint=date.hint if date is not None and not timed else "unknown",
        scheduled=seen.scheduled, anticipated=seen.anticipated, jurisdiction=seen.jurisdiction, tickers=seen.links,
        attributes=MappingProxyType(dict(seen.attributes)),
        date_end=None if date is None or day is None or date.precision == "week" else date.last,
        status="unverified", confidence="medium" if day is not None and seen.own_date else "low",
    )  # fmt: skip
    guesses = [Guess("kind", seen.kind, short(seen.sentence.text, 80), f"words of {seen.trigger.replace('_', ' ')}")]
    if date is not None:
        told = (
            date.why
            if published is None or day is None
            else f"{date.why}; publication {reference.whys[seen.sentence.item]}"
        )
        guesses.append(Guess("date", "" if day is None else str(day), date.words, told))
    if seen.zone and not timed:
        guesses.append(Guess("timezone", seen.zone, "", f"the clock of the government that acts ({seen.jurisdiction})"))
    guesses += [Guess("tickers", k.ticker, "", k.role or "named in the sentence") for k in seen.links]
    guesses += [Guess(name, str(value), "", "read from the sentence") for name, value in seen.attributes.items()]
    guesses += seen.notes
    guesses += _already_there(event, catalogue)
    return Draft(event, short(seen.sentence.text, 500), tuple(guesses))


def _already_there(event: Event, catalogue: EventCatalog | None) -> list[Guess]:
    """Records of the catalogue that may be this event: days apart, of the same kind and with a ticker or name in common,
    or of another kind but about the same product."""
    if catalogue is None or not _is_dated(event):
        return []
    reach = {"market_event": 1}.get(event.kind, 8 if event.precision == "week" else 3)
    names = {k.ticker for k in event.tickers}

    def alike(e: Event) -> bool:
        common = _names_in(event.title) & _names_in(e.title)
        if e.kind == event.kind:
            return bool(common or names & {k.ticker for k in e.tickers})
        return any(re.search(r"\d", name) for name in common)

    near = [e for e in catalogue if abs((e.day - event.day).days) <= reach and alike(e)]
    return [Guess("id", e.id, "", f"the catalogue may hold it already: {e.title} ({e.day})") for e in near[:3]]


def _names_in(title: str) -> set[str]:
    return set(re.findall(r"[A-Z][\w.-]*\w{3,}|[A-Z][\w-]*\d[\w.-]*", title))


def _is_dated(event: Event) -> bool:
    return event.at is not None or event.date is not None


def _with_ids(drafts: Sequence[Draft]) -> list[Draft]:
    """The same drafts with ids from title and day, each its own."""
    used: Counter[str] = Counter()
    out = []
    for draft in drafts:
        stem = _stem(draft.event)
        used[stem] += 1
        name = stem if used[stem] == 1 else f"{stem}-{used[stem]}"
        out.append(replace(draft, event=replace(draft.event, id=name)))
    return out


def _stem(event: Event) -> str:
    """Words of the title and the day; of a title in another script its kind and tickers instead."""
    text = event.title if event.title.isascii() else " ".join([event.kind, *(k.ticker for k in event.tickers[:2])])
    words = re.findall(r"[a-z0-9]+", re.sub(r"['’]|(?<=\d)\.(?=\d)", "", text.lower())) or ["event"]
    while len("-".join(words)) > 48:
        words.pop()
    return "-".join(words) + (f"-{event.day}" if _is_dated(event) else "")


# ------------------------------------------------------------------------------------------------ as YAML


def _as_yaml(draft: Draft) -> str:
    lines = _comment(f"“{draft.quote}”")
    for g in draft.guesses:
        value = g.value or ("open" if g.field == "date" else "")
        quote = f"“{g.quote}”" if g.quote and g.field != "kind" else ""
        said = " from ".join(part for part in (value, quote) if part)
        lines += _comment(f"  {g.field}: {said}" + (f" ({g.why})" if g.why else ""))
    return "\n".join(lines) + "\n" + event_yaml(draft.event)


def _comment(text: str) -> list[str]:
    indent = "# " + " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text.strip(), 116, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )
