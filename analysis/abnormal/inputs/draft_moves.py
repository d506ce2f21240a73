"""Percentages by which a news text says that shares moved: size, sign, firm, day, and whether at the close."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..domain import Link
from .draft_dates import FoundDate, nearest
from .draft_events import is_supposed
from .draft_kinds import CLOSE_WORDS, DOWN, INTRADAY_WORDS, NOT_PRICES, PERCENT, SHARE_WORDS, UP
from .draft_seen import Seen, number
from .draft_text import Sentence
from .tickers import Match

_REACH = 60  # characters around a percentage that may say what it is of


def told_moves(sentence: Sentence, matches: Sequence[Match], dates: Sequence[FoundDate]) -> Iterator[Seen]:
    """Moves of shares a sentence tells of, each with its own words, date and firm."""
    text = sentence.text
    if not SHARE_WORDS.search(text) or not matches:
        return
    hits = list(PERCENT.finditer(text))
    for i, hit in enumerate(hits):
        next_one = hits[i + 1].start() if i + 1 < len(hits) else len(text)
        before = text[max(hits[i - 1].end() if i else 0, hit.start() - _REACH) : hit.start()]
        after = text[hit.end() : min(next_one, hit.end() + _REACH)]
        sign = _direction(before, after)
        if (
            sign == 0
            or NOT_PRICES.search(before[-40:])
            or re.match(r"\s*of\b", after)
            or is_supposed(text, hit.start())
        ):
            continue
        date = nearest([d for d in dates if d.start < next_one], hit.span(), text)
        yield _move(sentence, sign * number(hit["n"]), _mover(matches, hit.start()), date, _when_of_day(before, after))


def _direction(before: str, after: str) -> int:
    """+1 or -1 from the word nearest before a percentage, else right after it; 0 where none says."""
    marks = [(m.end(), 1) for m in UP.finditer(before)] + [(m.end(), -1) for m in DOWN.finditer(before)]
    if marks:
        return max(marks)[1]
    marks = [(m.start(), 1) for m in UP.finditer(after[:20])] + [(m.start(), -1) for m in DOWN.finditer(after[:20])]
    return min(marks)[1] if marks else 0


def _when_of_day(before: str, after: str) -> str:
    """Whether a move is one at the close or within the day, by the nearest word before it, else in the clause after it."""
    words = (("close", CLOSE_WORDS), ("intraday", INTRADAY_WORDS))
    marks = [(hit.start(), name) for name, pattern in words for hit in pattern.finditer(before)]
    if marks:
        return max(marks)[1]
    near = re.split(r"[,;，；。]|\band\b|\bwhile\b", after)[0]
    return next((name for name, pattern in words if pattern.search(near)), "")


def _mover(matches: Sequence[Match], at: int) -> Match:
    """The firm named last before a percentage, else the first of the sentence."""
    earlier = [m for m in matches if m.start < at]
    return earlier[-1] if earlier else matches[0]


def _move(sentence: Sentence, size: int | float, firm: Match, date: FoundDate | None, when: str) -> Seen:
    noun = "rise" if size > 0 else "fall"
    more = {"close": " at the close", "intraday": " within the day", "": ""}[when]
    return Seen(
        "move", "market_event", sentence, firm.alias, f"{size} {when}", f"{firm.alias} shares: {noun} of {abs(size):g}%{more}",
        links=(Link(firm.ticker, "target", 0),), date=date, own_date=date is not None,
        attributes={"move_pct": size} | ({"move_at": when} if when else {}),
    )  # fmt: skip
