"""Everything the sentences of a news text tell, with what a sentence leaves to the ones before it: day, firm, clock time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from ..domain import Link
from .draft_dates import FoundDate, find_dates, is_ahead, nearest
from .draft_events import told_events
from .draft_kinds import BACK_TO_ACT, BACK_TO_FIRM, TRIGGERS
from .draft_moves import told_moves
from .draft_seen import Guess, Reference, Seen
from .draft_text import NewsText, Sentence
from .tickers import Match, TickerTable

_BACK = 3  # sentences of the paragraph that "its" or a missing date may look back to
_ABOUT_FIRMS = frozenset(
    {"lockup_expiration", "index_inclusion", "equity_offering", "ipo", "analyst_action", "earnings"}
)


def all_seen(news: NewsText, reference: Reference, table: TickerTable) -> Iterator[Seen]:
    """What every sentence tells, in the order of the text."""
    named = [table.match(s.text) for s in news.sentences]
    last: list[Seen] = []
    for i, sentence in enumerate(news.sentences):
        published = reference.days[sentence.item]
        dates = find_dates(sentence.text, published, is_ahead(sentence.text))
        before = _before(news.sentences, i)
        last_words = news.sentences[before[0]].text if before else ""
        found = [*told_moves(sentence, named[i], dates), *told_events(sentence, named[i], dates, last_words)]
        for one in found:
            one.order = i
            if one.date is None and not one.notes:
                _date_from(before, news, one, published)
            if not one.links and one.kind in _ABOUT_FIRMS:
                _firm_from(before, named, one)
        if not found and last and i - last[-1].order == 1 and last[-1].order in before:
            _lend_time(last[-1], sentence, dates)
        yield from found
        last = found or last


def _before(sentences: Sequence[Sentence], i: int) -> list[int]:
    """Positions of the sentences before one in its paragraph, the nearest first."""
    here = (sentences[i].item, sentences[i].paragraph)
    return [k for k in range(i - 1, max(i - 1 - _BACK, -1), -1) if (sentences[k].item, sentences[k].paragraph) == here]


def _firm_from(before: Sequence[int], named: Sequence[Sequence[Match]], seen: Seen) -> None:
    """The firm that "its" or "the company" speaks of: the last one named before in the paragraph."""
    word = BACK_TO_FIRM.search(seen.sentence.text)
    firm = next((named[k][-1] for k in before if named[k]), None)
    if word is None or firm is None:
        return
    trigger = next(t for t in TRIGGERS if t.name == seen.trigger)
    seen.links = (Link(firm.ticker, trigger.role, trigger.sign),)
    seen.title = seen.title.replace("the firm", firm.alias)
    seen.notes.append(Guess("tickers", firm.ticker, word[0], f"read as {firm.alias}, named in a sentence before"))


def _date_from(before: Sequence[int], news: NewsText, seen: Seen, published: dt.date | None) -> None:
    """Where a sentence has no date: the last one of its paragraph that is not to come, else the day of its item."""
    for k in before:
        text = news.sentences[k].text
        ahead = is_ahead(text)
        dates = [d for d in find_dates(text, published, ahead) if ahead is False or is_ahead(seen.sentence.text)]
        dates = [d for d in dates if d.day is None or published is None or d.day <= published or seen.scheduled]
        if dates:
            seen.date = dates[-1]._replace(why=f"taken from a sentence before: {dates[-1].why}")
            return
    if published is None:
        seen.notes.append(Guess("date", "", "", "the text gives no day; give the date of publication (--published)"))
        return
    precision = "week" if seen.kind == "lockup_expiration" else "day"
    seen.date = FoundDate(
        0, 0, "", published, None, precision, "unknown", f"no day in the text: {published}, its publication"
    )


def _lend_time(seen: Seen, sentence: Sentence, dates: Sequence[FoundDate]) -> None:
    """The day and clock time that the next sentence gives for "the order", "the decision", where its day is no other one."""
    date = nearest(dates, (0, 0), sentence.text)
    if date is None or date.day is None or not BACK_TO_ACT.search(sentence.text):
        return
    if seen.day is None or not seen.own_date:
        seen.date, seen.own_date = date, True
    if seen.day == date.day:
        seen.set_clock(sentence.text)
