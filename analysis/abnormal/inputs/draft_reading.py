"""What the sentences of a news text tell: kinds of event by their words, firms, dates, and moves of shares."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from ..domain import Link
from .draft_dates import FoundDate, find_clocks, find_dates, is_ahead, stamp_date
from .draft_kinds import (
    BEFORE_THAT,
    CLOSE_WORDS,
    DOWN,
    INTRADAY_WORDS,
    NOT_PRICES,
    NOT_PRODUCTS,
    OFFICIALS,
    PERCENT,
    PRODUCT,
    SHARE_WORDS,
    SUPPOSED,
    TRIGGERS,
    UNLISTED,
    UP,
    Trigger,
)
from .draft_text import NewsText, Sentence
from .tickers import Match, TickerTable


@dataclass(frozen=True, slots=True)
class Guess:
    """One field of a draft: what was put there, the words it rests on, and how they were read."""

    field: str
    value: str
    quote: str
    why: str = ""


@dataclass(slots=True)
class Seen:
    """What one sentence tells of one event, before sentences about the same event are put together."""

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


# ------------------------------------------------------------------------------------------------ publication


@dataclass(frozen=True, slots=True)
class Reference:
    """The day every item of the text was published, as far as it is known, and how it is."""

    days: tuple[dt.date | None, ...]
    whys: tuple[str, ...]

    @classmethod
    def of(cls, news: NewsText, given: dt.date | None, text: str) -> Reference:
        main, why = given, "as given"
        if main is None and news.stated is not None:
            main, why = news.stated, f"from {news.stated_words!r}"
        if main is None:
            why = "not known"
        years = Counter(re.findall(r"(?<!\d)20[1-3]\d(?!\d)", text))
        year = main.year if main is not None else int(years.most_common(1)[0][0]) if years else None
        stamped = (stamp_date(s, main, year) for s in news.stamps[1:])
        return cls((main, *stamped), (why, *(f"from its time line {s!r}" for s in news.stamps[1:])))


# ------------------------------------------------------------------------------------------------ reading sentences


def all_seen(news: NewsText, reference: Reference, table: TickerTable) -> Iterator[Seen]:
    for number, sentence in enumerate(news.sentences):
        matches = table.match(sentence.text)
        published = reference.days[sentence.item]
        dates = find_dates(sentence.text, published, is_ahead(sentence.text))
        found = [*_moves(sentence, matches, dates), *_events(sentence, matches, dates)]
        for one in found:
            one.order = number
            if one.date is None and not one.notes:
                _date_from_context(one, news, number, reference)
            yield one


def _events(sentence: Sentence, matches: Sequence[Match], dates: Sequence[FoundDate]) -> Iterator[Seen]:
    text = sentence.text
    taken: list[tuple[int, int]] = []
    official = _official(text)
    for trigger in TRIGGERS:
        hit = trigger.pattern.search(text)
        if hit is None or any(hit.start() < b and hit.end() > a for a, b in taken):
            continue
        if (trigger.needs and not trigger.needs.search(text)) or (trigger.official and not official[0]):
            continue
        if trigger.name in ("company", "statement", "macro", "release", "standard") and taken:
            continue
        if _is_supposed(text, hit.start()):
            continue
        seen = _one_event(trigger, hit, sentence, matches, dates, official)
        if trigger.name == "release" and not (seen.who or seen.what):
            continue  # models in general
        taken.append(hit.span())
        yield seen


def _is_supposed(text: str, start: int) -> bool:
    """Whether the words of the same clause before a trigger say that it is only thought of."""
    clause = re.split(r"[,;:，；：]|\bwhile\b|\bafter\b|\bsince\b", text[:start])[-1]
    return bool(SUPPOSED.search(clause))


def _official(text: str) -> tuple[str, str, str]:
    """Jurisdiction, zone and name of the government a sentence names first."""
    hits = [(hit.start(), o) for o in OFFICIALS if (hit := o[3].search(text))]
    return min(hits)[1][:3] if hits else ("", "", "")


def _one_event(
    trigger: Trigger, hit: re.Match[str], sentence: Sentence, matches: Sequence[Match], dates: Sequence[FoundDate],
    official: tuple[str, str, str],
) -> Seen:  # fmt: skip
    text = sentence.text
    governed = trigger.official or trigger.kind in ("export_control", "executive_action", "entity_listing")
    jurisdiction, zone, name = official if governed else ("", "", "")
    firms = _firms_for(trigger, hit, matches)
    what = _object_of(trigger, hit, text, matches)
    who = name or (firms[0].alias if firms else _unlisted_before(text, hit.start()))
    links = tuple(dict.fromkeys(Link(m.ticker, trigger.role, trigger.sign) for m in firms))
    seen = Seen(
        trigger.name, trigger.kind, sentence, who, what, _title(trigger, hit, text, who, what, firms), jurisdiction, zone,
        links, _nearest(dates, hit.span(), text), True, scheduled=trigger.scheduled, anticipated=trigger.anticipated,
    )  # fmt: skip
    seen.own_date = seen.date is not None
    if trigger.kind == "lockup_expiration":
        seen.attributes |= _unlock_share(text)
    before = BEFORE_THAT.search(text)
    if seen.date is None and before:
        seen.notes.append(Guess("date", "", before[0], "before the day of publication; the text gives no day"))
    _add_clock(seen)
    return seen


def _firms_for(trigger: Trigger, hit: re.Match[str], matches: Sequence[Match]) -> list[Match]:
    """The listed firms an event is about: of a release the one before the verb, of the others all the sentence names."""
    if trigger.name != "release":
        return (
            []
            if trigger.kind in ("export_control", "executive_action", "tariff", "macro", "regulation")
            else list(matches)
        )
    before = [m for m in matches if m.start < hit.start()]
    return before[-1:]


def _object_of(trigger: Trigger, hit: re.Match[str], text: str, matches: Sequence[Match]) -> str:
    """What it is about: a product for a release, else the firm or lab named next to the trigger."""
    if trigger.name in ("release", "delay"):
        product = _product(text[hit.start() :]) or _product(text)
        if product:
            return product
    names = [(m.start(), m[0]) for m in UNLISTED.finditer(text)] + [(m.start, m.alias) for m in matches]
    after = sorted((start, name) for start, name in names if start >= hit.start())
    before = sorted((start, name) for start, name in names if start < hit.start())
    return after[0][1] if after else before[-1][1] if before else ""


def _product(text: str) -> str:
    for found in PRODUCT.finditer(text):
        if not NOT_PRODUCTS.match(found[0]):
            return found[0].strip()
    return ""


def _unlisted_before(text: str, start: int) -> str:
    names = [m[0] for m in UNLISTED.finditer(text) if m.start() < start]
    return names[-1] if names else ""


def _unlock_share(text: str) -> dict[str, Any]:
    found = re.search(
        r"(\d{1,2}(?:\.\d+)?)\s?(?:%|percent) of (?:its|the|their|all)? ?(?:\w+ ){0,2}(?:shares|capital|equity)", text
    )
    return {"unlock_pct": _number(found[1])} if found else {}


def _title(trigger: Trigger, hit: re.Match[str], text: str, who: str, what: str, firms: Sequence[Match]) -> str:
    names = list(dict.fromkeys(m.alias for m in firms))
    words = {
        "who": who, "what": what or "its product", "tail": _tail(text, hit),
        "firms": " and ".join(names[:3]) or what or "the firm",
        "hit": hit[0], "whom": next((v for k, v in hit.groupdict().items() if k.startswith("whom") and v), ""),
    }  # fmt: skip
    plain = " ".join(trigger.title.format(**words).split()).strip(" :")
    return short(plain[:1].upper() + plain[1:], 100)


def _tail(text: str, hit: re.Match[str]) -> str:
    """The words of a trigger and after it, to the end of the clause."""
    if re.search(r"[\u4e00-\u9fff]", text):
        return re.split(r"[，。；]", text[hit.start() :])[0]
    start = hit.end() if hit.re is _EXECUTIVE else text.rfind(". ", 0, hit.start()) + 1
    clause = re.split(r"[,;]|\.\s", text[start:])[0].strip()
    return " ".join(clause.split()[:12])


_EXECUTIVE = next(t.pattern for t in TRIGGERS if t.name == "executive_order")


# ------------------------------------------------------------------------------------------------ moves of shares


def _moves(sentence: Sentence, matches: Sequence[Match], dates: Sequence[FoundDate]) -> Iterator[Seen]:
    """Percentages by which shares moved; each with its own words, date and firm."""
    text = sentence.text
    if not SHARE_WORDS.search(text) or not matches:
        return
    hits = list(PERCENT.finditer(text))
    for i, hit in enumerate(hits):
        begin = max(hits[i - 1].end() if i else 0, hit.start() - 60)
        stop = min(hits[i + 1].start() if i + 1 < len(hits) else len(text), hit.end() + 60)
        before, after = text[begin : hit.start()], text[hit.end() : stop]
        sign = _direction(before, after)
        if (
            sign == 0
            or NOT_PRICES.search(before[-40:])
            or re.match(r"\s*of\b", after)
            or _is_supposed(text, hit.start())
        ):
            continue
        firm = _mover(matches, hit.start())
        clause_end = hits[i + 1].start() if i + 1 < len(hits) else len(text)
        date = _nearest([d for d in dates if d.start < clause_end], hit.span(), text)
        yield _move(sentence, hit, sign, firm, date, before + after[:25])


def _direction(before: str, after: str) -> int:
    """+1 or -1 from the word nearest before a percentage, else right after it; 0 where none says."""
    marks = [(m.end(), 1) for m in UP.finditer(before)] + [(m.end(), -1) for m in DOWN.finditer(before)]
    if marks:
        return max(marks)[1]
    marks = [(m.start(), 1) for m in UP.finditer(after[:20])] + [(m.start(), -1) for m in DOWN.finditer(after[:20])]
    return min(marks)[1] if marks else 0


def _mover(matches: Sequence[Match], at: int) -> Match:
    earlier = [m for m in matches if m.start < at]
    return earlier[-1] if earlier else matches[0]


def _move(sentence: Sentence, hit: re.Match[str], sign: int, firm: Match, date: FoundDate | None, words: str) -> Seen:
    size = sign * _number(hit["n"])
    close, intraday = CLOSE_WORDS.search(words), INTRADAY_WORDS.search(words)
    at = "close" if close and not (intraday and intraday.start() > close.start()) else "intraday" if intraday else ""
    verb = {1: "rises", -1: "falls"}[sign]
    more = {"close": " at the close", "intraday": " within the day", "": ""}[at]
    seen = Seen(
        "move", "market_event", sentence, firm.alias, f"{size}{at}", f"{firm.alias} shares: {verb[:-1]} of {abs(size):g}%{more}",
        links=(Link(firm.ticker, "target", 0),), date=date, own_date=date is not None,
        attributes={"move_pct": size} | ({"move_at": at} if at else {}),
    )  # fmt: skip
    return seen


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


# ------------------------------------------------------------------------------------------------ dates of what was seen


def _nearest(dates: Sequence[FoundDate], span: tuple[int, int], text: str) -> FoundDate | None:
    """The date nearest to the words of an event, those that follow preferred; of equals the more precise."""

    def distance(d: FoundDate) -> float:
        gap = d.start - span[1] if d.start >= span[1] else 1.5 * (span[0] - d.end) + 5
        crossed = text[min(span[0], d.start) : max(span[1], d.end)]
        return max(gap, 0) + 15 * len(re.findall(r"[,;，；]", crossed)) + (0 if d.precision == "day" else 40)

    return min(dates, key=distance, default=None)


def _date_from_context(seen: Seen, news: NewsText, number: int, reference: Reference) -> None:
    """Where a sentence has no date: the last one of its paragraph, else the day of the item it stands in."""
    here = news.sentences[number]
    published = reference.days[here.item]
    for back in range(number - 1, max(number - 4, -1), -1):
        other = news.sentences[back]
        if (other.item, other.paragraph) != (here.item, here.paragraph):
            break
        dates = find_dates(other.text, published, is_ahead(other.text))
        if dates:
            seen.date = dates[-1]._replace(why=f"taken from a sentence before: {dates[-1].why}")
            return
    if published is None:
        seen.notes.append(Guess("date", "", "", "the text gives no day; give the date of publication (--published)"))
        return
    ahead = seen.scheduled and seen.kind == "lockup_expiration"
    why = f"no day in the text: that of publication ({published})"
    seen.date = FoundDate(0, 0, "", published, None, "week" if ahead else "day", "unknown", why)


def _add_clock(seen: Seen) -> None:
    """A clock time of the sentence, where its day is known too."""
    clock = next(find_clocks(seen.sentence.text), None)
    if clock is None or seen.date is None or seen.date.day is None or seen.date.precision != "day" or seen.date.last:
        return
    seen.clock = dt.datetime.combine(seen.date.day, clock.time, ZoneInfo(clock.zone))
    seen.exact, seen.zone = clock.exact, clock.zone
    seen.notes.append(Guess("at", seen.clock.isoformat(), clock.words, "the clock time the sentence names"))


def short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 4].rsplit(" ", 1)[0] + " ..."
