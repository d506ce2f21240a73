"""A news text as items, paragraphs and sentences: HTML is read as text, side columns with their own time stand apart."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

_HTML = re.compile(r"<(?:!doctype|html|head|body|article|section|div|p|br|h[1-6]|ul|table|span|meta)\b", re.IGNORECASE)
_HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "title"})
_BLOCKS = frozenset(
    "address article aside blockquote body br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li main "
    "nav ol option p pre section table td th tr ul time".split()
)
_STAMPS = ("article:published_time", "datepublished", "date", "pubdate", "publishdate", "dc.date", "dc.date.issued")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and where it stands: number of its item and paragraph, and whether it is a heading."""

    text: str
    item: int
    paragraph: int
    heading: bool = False


@dataclass(frozen=True, slots=True)
class NewsText:
    """A news text taken apart. stated: the date of publication its own marks give. stamps: the time line of each item
    ("" for the main text)."""

    sentences: tuple[Sentence, ...]
    stamps: tuple[str, ...]
    stated: dt.date | None = None
    stated_words: str = ""


def read_news(text: str) -> NewsText:
    """Items, paragraphs and sentences of a plain or HTML news text.

    >>> [s.text for s in read_news("The U.S. issued an order. It took effect at once.").sentences]
    ['The U.S. issued an order.', 'It took effect at once.']
    """
    stated, words = None, ""
    if _HTML.search(text[:5000]):
        page = _Page()
        page.feed(text)
        page.close()
        text = "".join(page.parts)
        stated, words = _first_date(page.stamps)
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n+", text.replace("\r", "\n"))]
    paragraphs = [p for p in paragraphs if p]
    if stated is None:
        stated, words = _stated_in(paragraphs)
    return _taken_apart(paragraphs, stated, words)


class _Page(HTMLParser):
    """The words of a page, blocks on lines of their own, and what it says of its own date."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.stamps: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _HIDDEN:
            self._hidden.append(tag)
        if tag in _BLOCKS:
            self.parts.append("\n")
        name = (given.get("property") or given.get("name") or given.get("itemprop") or "").lower()
        if tag == "meta" and name in _STAMPS:
            self.stamps.append(given.get("content", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            while self._hidden and self._hidden.pop() != tag:
                pass
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data if data.strip() else " ")
        elif self._hidden[-1] == "script":
            self.stamps += re.findall(r'"datePublished"\s*:\s*"([^"]+)"', data)


def _first_date(stamps: list[str]) -> tuple[dt.date | None, str]:
    for stamp in stamps:
        found = re.match(r"(\d{4})-(\d{2})-(\d{2})", stamp.strip())
        if found:
            return _date(*map(int, found.groups())), stamp.strip()
    return None, ""


# ------------------------------------------------------------------------------------------------ what a text says of itself

_MONTHS = {m: i for i, m in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_FULL = re.compile(
    r"(?P<y>20\d\d)[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})|(?P<y2>20\d\d)年(?P<m2>\d{1,2})月(?P<d2>\d{1,2})日"
    r"|(?P<n3>[A-Z][a-z]{2})[a-z]*\.? (?P<d3>\d{1,2})(?:st|nd|rd|th)?, (?P<y3>20\d\d)"
    r"|(?P<d4>\d{1,2}) (?P<n4>[A-Z][a-z]{2})[a-z]*\.? (?P<y4>20\d\d)"
)
_LABEL = re.compile(
    r"(?:published|posted|updated|last updated|date|发布时间|发布日期|时间|日期|发布于)\b", re.IGNORECASE
)


def full_date(text: str) -> tuple[dt.date | None, str]:
    """The first date with its year that a text holds, and its words."""
    for found in _FULL.finditer(text):
        part = {k: v for k, v in found.groupdict().items() if v}
        year, day = (int(next(v for k, v in part.items() if k[0] == letter)) for letter in "yd")
        month = next((int(v) for k, v in part.items() if k[0] == "m"), 0)
        month = month or _MONTHS.get(next((v for k, v in part.items() if k[0] == "n"), "").lower(), 0)
        day_found = _date(year, month, day)
        if day_found is not None:
            return day_found, found[0]
    return None, ""


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _stated_in(paragraphs: list[str]) -> tuple[dt.date | None, str]:
    """The date in a line that is there to give it: `Published: June 18, 2026`, or the date alone."""
    for paragraph in paragraphs[:40]:
        if len(paragraph) > 80:
            continue
        day, words = full_date(paragraph)
        rest = paragraph.replace(words, "").strip(" ,|·-–—:") if words else paragraph
        if day is not None and (_LABEL.match(paragraph) or len(rest) <= 12):
            return day, paragraph
    return None, ""


# ------------------------------------------------------------------------------------------------ taking apart

_STAMP_LINE = re.compile(
    r"(?:20\d\d[-/.])?\d{1,2}[-/.]\d{1,2}(?:[-/.]20\d\d)?,? \d{1,2}:\d{2}(?::\d{2})?"
    r"|(?:20\d\d年)?\d{1,2}月\d{1,2}日 ?\d{1,2}:\d{2}"
)
_END = re.compile(
    r"[.!?]+[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9\u4e00-\u9fff])|[。！？]+[”’」』）]*|[;；]\s*(?=[\u4e00-\u9fff])"
)
_SHORT = re.compile(
    r"\b(?:[A-Z]|U\.S|U\.K|E\.U|D\.C|Mr|Mrs|Ms|Dr|St|Inc|Corp|Co|Ltd|Jr|Sr|No|vs|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
    r"|a\.m|p\.m|Gov|Sen|Rep|Gen|approx|est|etc|e\.g|i\.e)$"
)


def _taken_apart(paragraphs: list[str], stated: dt.date | None, words: str) -> NewsText:
    sentences: list[Sentence] = []
    stamps = [""]
    for number, paragraph in enumerate(paragraphs):
        if _STAMP_LINE.fullmatch(paragraph):
            stamps.append(paragraph)
            continue
        parts = list(_sentences(paragraph))
        heading = len(parts) == 1 and not re.search(r"[.!?。！？…][\"'”’)]*$", paragraph)
        sentences += [Sentence(part, len(stamps) - 1, number, heading) for part in parts]
    return NewsText(tuple(sentences), tuple(stamps), stated, words)


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(paragraph):
        before = paragraph[start : end.start()]
        if end[0].startswith(".") and _SHORT.search(before):
            continue
        yield paragraph[start : end.end()].strip()
        start = end.end()
    if paragraph[start:].strip():
        yield paragraph[start:].strip()
