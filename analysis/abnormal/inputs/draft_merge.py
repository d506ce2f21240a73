"""Sentences about the same event put together, and firms that other sentences add to it."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain import Link
from .draft_kinds import BENEFIT, TRIGGERS
from .draft_seen import Guess, Seen, short
from .draft_text import NewsText
from .tickers import TickerTable


def merged(seen: Sequence[Seen]) -> list[Seen]:
    """Sentences about the same event put together: the best dated one leads, the others lend it what it lacks."""
    groups: list[list[Seen]] = []
    for one in seen:
        home = next((g for g in groups if all(_same_event(one, other) for other in g)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return [_leader(group) for group in groups]


def _same_event(a: Seen, b: Seen) -> bool:
    if a.trigger != b.trigger:
        return False
    if a.trigger == "move":
        return a.what == b.what and a.links == b.links and _dates_agree(a, b)
    tickers = {k.ticker for k in a.links}, {k.ticker for k in b.links}
    if tickers[0] and tickers[1] and not (tickers[0] & tickers[1]):
        return False
    about = a.what == b.what or not a.what or not b.what or bool(tickers[0] & tickers[1])
    return about and _dates_agree(a, b)


def _dates_agree(a: Seen, b: Seen) -> bool:
    """Whether two dates can be of one event: one is missing or only assumed, or they are within a day or a span of each other."""
    if not (a.own_date and b.own_date) or a.day is None or b.day is None:
        return True
    first, second = (a, b) if a.day <= b.day else (b, a)
    last = (first.date.last if first.date is not None else None) or first.day
    return last is None or second.day is None or (second.day - last).days <= 1


def _leader(group: Sequence[Seen]) -> Seen:
    """The sentence that knows the day best, with what the others add."""
    best = min(group, key=_rank)
    for other in group:
        if other is not best:
            _lend(best, other)
    best.order = min(s.order for s in group)
    return best


def _rank(s: Seen) -> tuple[bool | int, ...]:
    words = s.date is not None and bool(s.date.words)
    return (
        s.day is None or not s.own_date,
        not s.own_date,
        not words,
        s.day is None,
        s.sentence.heading,
        not s.what,
        s.order,
    )


def _lend(best: Seen, other: Seen) -> None:
    have = {k.ticker for k in best.links}
    best.links += tuple(k for k in other.links if k.ticker not in have)
    best.what, best.who = best.what or other.what, best.who or other.who
    best.jurisdiction, best.zone = best.jurisdiction or other.jurisdiction, best.zone or other.zone
    best.attributes = other.attributes | best.attributes
    if best.clock is None and other.clock is not None and best.day == other.day:
        best.clock, best.exact, best.zone = other.clock, other.exact, other.zone
    best.notes.append(Guess("also", "", short(other.sentence.text, 200), "read as the same event"))


def add_beneficiaries(seen: Sequence[Seen], news: NewsText, table: TickerTable) -> None:
    """Firms that a sentence says benefit from an event of the text."""
    for sentence in news.sentences:
        benefit = BENEFIT.search(sentence.text)
        earlier = [m for m in table.match(sentence.text) if benefit and m.start < benefit.start()]
        if benefit is None or not earlier:
            continue
        for one in seen:
            pattern = next((t.pattern for t in TRIGGERS if t.name == one.trigger), None)
            if one.kind == "market_event" or pattern is None or not pattern.search(sentence.text, benefit.end()):
                continue
            firm = earlier[-1]
            if firm.ticker not in {k.ticker for k in one.links}:
                one.links += (Link(firm.ticker, "beneficiary", 1),)
                quote = short(sentence.text, 200)
                one.notes.append(
                    Guess("tickers", f"{firm.ticker} beneficiary", quote, f"{firm.alias} ... {benefit[0]}")
                )
