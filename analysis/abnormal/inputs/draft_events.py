"""Sentences that tell of an event by their words: its kind, who did it, what it is about, what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..domain import Link
from .draft_dates import FoundDate, nearest
from .draft_kinds import (
    BACK_TO_OFFICIAL,
    BEFORE_THAT,
    NOT_PRODUCTS,
    OFFICIALS,
    PRODUCT,
    SUPPOSED,
    TRIGGERS,
    UNLISTED,
    Trigger,
)
from .draft_seen import Guess, Seen, number, short
from .draft_text import Sentence
from .tickers import Match

# Read only where no other kind was found in the sentence.
_LAST_RESORT = frozenset({"company", "statement", "macro", "release", "standard"})
# Kinds that are about a state or everyone: the firms a sentence names are not their targets.
_NOT_OF_FIRMS = frozenset(
    {"export_control", "executive_action", "tariff", "macro", "regulation", "government_statement"}
)
_OF_A_GOVERNMENT = frozenset({"export_control", "executive_action", "entity_listing"})


def told_events(
    sentence: Sentence, matches: Sequence[Match], dates: Sequence[FoundDate], before: str = ""
) -> Iterator[Seen]:
    """The events a sentence tells of by its words; `before` is the sentence that "it" or "the government" speaks of."""
    text = sentence.text
    taken: list[tuple[int, int]] = []
    official = _official(text)
    if not official[0] and BACK_TO_OFFICIAL.search(text):
        official = _official(before)
    for trigger in TRIGGERS:
        hit = trigger.pattern.search(text)
        if hit is None or any(hit.start() < b and hit.end() > a for a, b in taken):
            continue
        if (trigger.needs and not trigger.needs.search(text)) or (trigger.official and not official[0]):
            continue
        if (trigger.name in _LAST_RESORT and taken) or is_supposed(text, hit.start()):
            continue
        seen = _seen(trigger, hit, sentence, matches, dates, official)
        if trigger.name == "release" and not (seen.who or seen.what):
            continue  # models in general
        taken.append(hit.span())
        yield seen


def is_supposed(text: str, start: int) -> bool:
    """Whether the words of the same clause before a trigger say that it is only thought of."""
    clause = re.split(r"[,;:，；：]|\bwhile\b|\bafter\b|\bsince\b", text[:start])[-1]
    return bool(SUPPOSED.search(clause))


def _official(text: str) -> tuple[str, str, str]:
    """Jurisdiction, zone and name of the government a sentence names first."""
    hits = [(hit.start(), o) for o in OFFICIALS if (hit := o[3].search(text))]
    return min(hits)[1][:3] if hits else ("", "", "")


def _seen(
    trigger: Trigger, hit: re.Match[str], sentence: Sentence, matches: Sequence[Match], dates: Sequence[FoundDate],
    official: tuple[str, str, str],
) -> Seen:  # fmt: skip
    text = sentence.text
    jurisdiction, zone, name = official if trigger.official or trigger.kind in _OF_A_GOVERNMENT else ("", "", "")
    firms = _firms(trigger, hit, matches)
    what = _object(trigger, hit, text, matches)
    who = name or (firms[0].alias if firms else _unlisted_before(text, hit.start()))
    date = nearest(dates, hit.span(), text)
    seen = Seen(
        trigger.name, trigger.kind, sentence, who, what, _title(trigger, hit, text, who, what, firms, dates), jurisdiction,
        zone, tuple(dict.fromkeys(Link(m.ticker, trigger.role, trigger.sign) for m in firms)), date, date is not None,
        scheduled=trigger.scheduled, anticipated=trigger.anticipated,
    )  # fmt: skip
    if trigger.name == "lockup":
        seen.attributes |= _unlock_share(text)
    before = BEFORE_THAT.search(text)
    if date is None and before:
        seen.notes.append(Guess("date", "", before[0], "before the day of publication; the text gives no day"))
    seen.set_clock(text)
    return seen


# ------------------------------------------------------------------------------------------------ who and what


def _firms(trigger: Trigger, hit: re.Match[str], matches: Sequence[Match]) -> list[Match]:
    """The listed firms an event is about: of a release the one before the verb, of the others all the sentence names."""
    if trigger.kind in _NOT_OF_FIRMS:
        return []
    if trigger.name != "release":
        return list(matches)
    return [m for m in matches if m.start < hit.start()][-1:]


def _object(trigger: Trigger, hit: re.Match[str], text: str, matches: Sequence[Match]) -> str:
    """What it is about: a product for a release, else the firm or lab named next to the trigger."""
    if trigger.name in ("release", "delay"):
        return _product(text[hit.start() :]) or _product(text)
    names = [(m.start(), m[0]) for m in UNLISTED.finditer(text)] + [(m.start, m.alias) for m in matches]
    after = sorted((start, name) for start, name in names if start >= hit.start())
    before = sorted((start, name) for start, name in names if start < hit.start())
    return after[0][1] if after else before[-1][1] if before else ""


def _product(text: str) -> str:
    names = (found[0].strip() for found in PRODUCT.finditer(text))
    return next((name for name in names if not NOT_PRODUCTS.match(name)), "")


def _unlisted_before(text: str, start: int) -> str:
    names = [m[0] for m in UNLISTED.finditer(text) if m.start() < start]
    return names[-1] if names else ""


def _unlock_share(text: str) -> dict[str, Any]:
    pattern = r"(\d{1,2}(?:\.\d+)?)\s?(?:%|percent) of (?:its|the|their|all)? ?(?:\w+ ){0,2}(?:shares|capital|equity)"
    found = re.search(pattern, text)
    return {"unlock_pct": number(found[1])} if found else {}


# ------------------------------------------------------------------------------------------------ titles


def _title(
    trigger: Trigger, hit: re.Match[str], text: str, who: str, what: str, firms: Sequence[Match],
    dates: Sequence[FoundDate],
) -> str:  # fmt: skip
    names = list(dict.fromkeys(m.alias for m in firms))
    words = {
        "who": who, "what": what, "tail": _tail(trigger, hit, text, dates), "hit": hit[0],
        "firms": " and ".join(names[:3]) or what or "the firm",
        "whom": next((v for k, v in hit.groupdict().items() if k.startswith("whom") and v), ""),
    }  # fmt: skip
    form = trigger.rest if trigger.rest and not what else trigger.title
    plain = " ".join(form.format(**words).split()).strip(" :")
    return short(plain[:1].upper() + plain[1:], 100)


def _tail(trigger: Trigger, hit: re.Match[str], text: str, dates: Sequence[FoundDate]) -> str:
    """The words of a trigger and after it, to the end of the clause or the next date; of the vaguer kinds the whole clause."""
    start = hit.start()
    if trigger.name in ("company", "statement", "litigation", "macro") and text.isascii():
        start = max((m.end() for m in re.finditer(r"[,;] ", text[: hit.start()])), default=0)
    if trigger.name == "executive_order":
        start = hit.end()
    stop = min((d.start for d in dates if d.start > hit.end()), default=len(text))
    clause = re.split(r"[,;，。；]|\.\s", text[start:stop])[0].strip(" .")
    return " ".join(clause.split()[:14])
