"""What one sentence of a news text tells of one event, and the day the text itself counts from."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from ..domain import Link
from .draft_dates import FoundDate, find_clocks, stamp_date
from .draft_text import NewsText, Sentence


@dataclass(frozen=True, slots=True)
class Guess:
    """One field of a draft: what was put there, the words it rests on, and how they were read."""

    field: str
    value: str
    quote: str
    why: str = ""


@dataclass(slots=True)
class Seen:
    """What one sentence tells of one event, before sentences about the same event are put together.

    trigger: name of the trigger, or "move". what: the thing or the size that tells events of one kind apart. own_date: the
    sentence itself gives the date. order: position of the sentence.
    """

    trigger: str
    kind: str
    sentence: Sentence
    who: str
    what: str
    title: str
    jurisdiction: str = ""
    zone: str = ""
    links: tuple[Link, ...] = ()
    date: FoundDate | None = None
    own_date: bool = False
    clock: dt.datetime | None = None
    exact: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    scheduled: bool = False
    anticipated: str = "no"
    notes: list[Guess] = field(default_factory=list)
    order: int = 0

    @property
    def day(self) -> dt.date | None:
        """The day, where it can be told."""
        return None if self.date is None else self.date.day

    def set_clock(self, text: str) -> None:
        """The clock time a sentence names, where the day is known too."""
        clock = next(find_clocks(text), None)
        if clock is None or self.date is None or self.date.day is None:
            return
        if self.date.precision != "day" or self.date.last is not None:
            return
        self.clock = dt.datetime.combine(self.date.day, clock.time, ZoneInfo(clock.zone))
        self.exact, self.zone = clock.exact, clock.zone
        self.notes.append(Guess("at", self.clock.isoformat(), clock.words, "the clock time the text names"))


@dataclass(frozen=True, slots=True)
class Reference:
    """The day every item of the text was published, as far as it is known, and how it is."""

    days: tuple[dt.date | None, ...]
    whys: tuple[str, ...]

    @classmethod
    def of(cls, news: NewsText, given: dt.date | None, text: str) -> Reference:
        """From the day given, else from what the text says of itself; items with a time line have their own."""
        main, why = given, "as given"
        if main is None:
            main, why = news.stated, f"from {news.stated_words!r}" if news.stated else "not known"
        years = Counter(re.findall(r"(?<!\d)20[1-3]\d(?!\d)", text))
        year = None if main is not None or not years else int(years.most_common(1)[0][0])
        stamped = (stamp_date(s, main, year) for s in news.stamps[1:])
        return cls((main, *stamped), (why, *(f"from its time line {s!r}" for s in news.stamps[1:])))


def short(text: str, width: int) -> str:
    """A text cut at a word to a width."""
    return text if len(text) <= width else text[: width - 4].rsplit(" ", 1)[0] + " ..."


def number(text: str) -> int | float:
    """A whole number as one, anything else as a fraction."""
    value = float(text)
    return int(value) if value.is_integer() else value
