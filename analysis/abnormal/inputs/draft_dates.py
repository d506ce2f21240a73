"""Dates as news write them, read against the day of publication: "on the 16th", "last Friday", "this week", 6月13日.

Every date found says in words how it was read, for what a text leaves open is a guess.
"""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

DAY = dt.timedelta(days=1)


class FoundDate(NamedTuple):
    """A date expression text[start:end]: its day (None: cannot be told), the last day of a span, how well it is known.

    precision: "day" or "week"; hint: a session hint; zone: an IANA zone, "local" where the text says local time.
    """

    start: int
    end: int
    words: str
    day: dt.date | None
    last: dt.date | None = None
    precision: str = "day"
    hint: str = "unknown"
    why: str = ""


class Clock(NamedTuple):
    """A clock time text[start:end] with its zone, and whether its minutes are given."""

    start: int
    end: int
    words: str
    time: dt.time
    zone: str
    exact: bool


Read = tuple[dt.date | None, dt.date | None, str, str, str]  # day, last day, precision, hint, why
Reader = Callable[[re.Match[str], dt.date | None, bool], Read | None]

_MONTH_NAMES = "January February March April May June July August September October November December".split()
_MONTH = (
    r"(?P<month>" + "|".join(f"{m}|{m[:3]}\\.?" + ("|Sept\\.?" if m == "September" else "") for m in _MONTH_NAMES) + ")"
)
_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_WEEKDAY = "(?P<weekday>" + "|".join(_WEEKDAYS) + ")"
_ZH_DAYS = "一二三四五六日"
_NO_DATE_AFTER = (
    r"(?!\s*(?:century|floor|anniversary|birthday|congress|edition|amendment|straight|consecutive|attempt|"
    r"time\b|place))"
)
_FROM = "(?:[Oo]n|[Bb]y|[Ss]ince|[Ff]rom|[Uu]ntil|[Oo]f|[Ee]arly|[Ll]ate)"
_DAY_EN = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR_EN = r"(?:,? (?P<y>20\d\d))?"


def find_dates(text: str, published: dt.date | None, ahead: bool = False) -> list[FoundDate]:
    """Date expressions of a sentence in order; of overlapping ones the longest. `ahead`: the sentence speaks of what is to come.

    >>> [f"{d.words} = {d.day}" for d in find_dates("It rose on the 16th and fell last Friday.", dt.date(2026, 6, 24))]
    ['on the 16th = 2026-06-16', 'last Friday = 2026-06-19']
    """
    found: list[FoundDate] = []
    for pattern, reader in _COMPILED:
        for hit in pattern.finditer(text):
            read = reader(hit, published, ahead)
            if read is not None:
                day, last, precision, hint, why = read
                found.append(FoundDate(hit.start(), hit.end(), hit[0], day, last, precision, hint, why))
    found.sort(key=lambda d: (d.start - d.end, d.start))
    kept: list[FoundDate] = []
    for date in found:
        if all(date.end <= k.start or date.start >= k.end for k in kept):
            kept.append(date)
    return sorted(kept)


# ------------------------------------------------------------------------------------------------ readers


def _known(
    day: dt.date | None, why: str, last: dt.date | None = None, precision: str = "day", hint: str = "unknown"
) -> Read:
    return day, last, precision, hint, why


def _make(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _full(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    day = _make(int(hit["y"]), int(hit["m"]), int(hit["d"]))
    return None if day is None else _known(day, "given in full")


def _month_day(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    parts = hit.groupdict()
    month = int(parts["m"]) if parts.get("m") else _month_number(parts["month"])
    number, last = int(parts["d"]), int(parts["d2"]) if parts.get("d2") else None
    year = int(parts["y"]) if parts.get("y") else _nearest_year(month, number, published)
    if year is None:
        return _known(None, "the year is not in the text; give the date of publication")
    day = _make(year, month, number)
    if day is None:
        return None
    why = "given in full" if parts.get("y") else f"year of the date nearest to publication ({published})"
    return _known(day, why, None if last is None else _make(year, month, last))


def _month_number(name: str) -> int:
    return next(i for i, m in enumerate(_MONTH_NAMES, 1) if m.startswith(name.rstrip(".")[:3]))


def _nearest_year(month: int, day: int, published: dt.date | None) -> int | None:
    if published is None:
        return None
    options = [d for y in (published.year - 1, published.year, published.year + 1) if (d := _make(y, month, day))]
    return min(options, key=lambda d: abs((d - published).days)).year if options else None


def _ordinal(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    """A day without its month: the last one of that number up to publication, or the next one of what is to come."""
    number = int(hit["d"])
    if not 1 <= number <= 31:
        return None
    if published is None:
        return _known(None, f"day {number} of a month the text does not name; give the date of publication")
    step = 1 if ahead else -1
    year, month = published.year, published.month
    for _ in range(13):
        day = _make(year, month, number)
        if day is not None and (day >= published if ahead else day <= published):
            return _known(
                day, f"the {'next' if ahead else 'last'} day {number} {'from' if ahead else 'up to'} {published}"
            )
        month += step
        year, month = year + (month > 12) - (month < 1), (month - 1) % 12 + 1
    return None


def _weekday(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    word = (hit.groupdict().get("which") or "").strip().lower()
    number = _WEEKDAYS.index(hit["weekday"])
    if published is None:
        return _known(None, "a weekday; give the date of publication")
    back = (published.weekday() - number) % 7
    if word == "next" or (ahead and word in ("", "this", "coming")):
        day = published + DAY * ((number - published.weekday()) % 7 or 7)
    elif word == "this":
        day = published + DAY * (number - published.weekday())
    elif word == "last":
        day = published - DAY * (back or 7)
    else:
        day = published - DAY * back
    return _known(day, f"the {hit['weekday']} read against {published} ({published:%A})")


def _zh_weekday(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    if published is None:
        return _known(None, "a weekday; give the date of publication")
    number = _ZH_DAYS.index(hit["zh"].replace("天", "日"))
    monday = published - DAY * published.weekday()
    week = {"上": -1, "下": 1}.get((hit["which"] or "")[:1], 0)
    day = monday + DAY * (7 * week + number)
    if not hit["which"] and day > published and not ahead:
        day -= 7 * DAY
    return _known(day, f"weekday read against {published}")


_SHIFTS = {
    "today": 0, "yesterday": -1, "tomorrow": 1, "tonight": 0, "今日": 0, "今天": 0, "今早": 0, "今晨": 0, "昨日": -1, "昨天": -1,
    "昨晚": -1, "前天": -2, "明日": 1, "明天": 1,
}  # fmt: skip


def _relative_day(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    if published is None:
        return _known(None, "relative to publication, whose date is not known")
    return _known(published + DAY * _SHIFTS[hit[0].lower()], f"relative to publication on {published}")


def _relative_week(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    if published is None:
        return _known(None, "a week relative to publication, whose date is not known", precision="week")
    week = {"last": -1, "next": 1, "上": -1, "下": 1}.get((hit["which"] or "").lower(), 0)
    monday = published - DAY * published.weekday() + DAY * 7 * week
    return _known(monday, f"the week of {monday}, relative to publication on {published}", monday + DAY * 6, "week")


def _weekend(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    if published is None:
        return _known(None, "a weekend relative to publication, whose date is not known", hint="weekend")
    saturday = published + DAY * (5 - published.weekday())
    if saturday > published and not ahead:
        saturday -= DAY * 7
    return _known(saturday, f"the weekend before {published}", saturday + DAY, "day", "weekend")


def _relative_month(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    """A month known in words: its first day, with its last (or publication) as the end of the span."""
    if published is None:
        return _known(None, "a month relative to publication, whose date is not known", precision="week")
    back = (hit["which"] or "").lower() in ("last", "上")
    first = (published.replace(day=1) - DAY).replace(day=1) if back else published.replace(day=1)
    last = first.replace(day=monthrange(first.year, first.month)[1]) if back else published
    return _known(first, f"only the month is given; it ends {last}", last, "week")


def _bare_month(hit: re.Match[str], published: dt.date | None, ahead: bool) -> Read | None:
    month = _month_number(hit["month"])
    year = int(hit["y"]) if hit["y"] else None
    if year is None and published is not None:
        last_year = (hit["tail"] or hit["which"] or "").strip().lower().startswith("last")
        year = published.year - int(month > published.month or (last_year and hit["tail"] is not None))
        year += int(ahead and month < published.month) + int(ahead and month > published.month)
    if year is None:
        return _known(None, "a month without a year; give the date of publication", precision="week")
    first = dt.date(year, month, 1)
    return _known(first, "only the month is given", first.replace(day=monthrange(year, month)[1]), "week")


_PATTERNS: tuple[tuple[str, Reader], ...] = (
    (r"(?P<y>20\d\d)[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)", _full),
    (r"(?P<y>20\d\d)年(?P<m>\d{1,2})月(?P<d>\d{1,2})[日号]", _full),
    (rf"(?:on )?\b{_MONTH} {_DAY_EN}(?:[-–](?P<d2>\d{{1,2}}))?(?!\d){_YEAR_EN}\b", _month_day),
    (rf"(?:on )?(?:the )?\b{_DAY_EN}(?: of)? {_MONTH}\b{_YEAR_EN}", _month_day),
    (r"(?<!\d)(?P<m>\d{1,2})月(?P<d>\d{1,2})[日号]", _month_day),
    (r"(?:本月)?(?<![\d月])(?P<d>\d{1,2})[日号](?!均|内|线|元|店|楼)", _ordinal),
    (rf"\b{_FROM} the (?P<d>\d{{1,2}})(?:st|nd|rd|th)\b{_NO_DATE_AFTER}", _ordinal),
    (rf"\b(?:[Oo]n )?(?P<which>[Ll]ast |[Tt]his |[Nn]ext |[Cc]oming |[Pp]ast )?{_WEEKDAY}\b", _weekday),
    (r"(?P<which>本|这|上|下)?(?:周|星期|礼拜)(?P<zh>[一二三四五六日天])", _zh_weekday),
    (r"\b(?i:today|yesterday|tomorrow|tonight)\b|今日|今天|今早|今晨|昨日|昨天|昨晚|前天|明日|明天", _relative_day),
    (r"\b(?i:(?:earlier |later )?(?P<which>this|last|next) week)\b(?!end)", _relative_week),
    (r"(?P<which>本|这|上|下)周(?![一二三四五六日天末])", _relative_week),
    (r"\b(?i:(?:over|at|this|last|during) (?:the )?(?:past )?weekend)\b|(?:上|本)?周末", _weekend),
    (r"\b(?i:(?:earlier |later )?(?P<which>this|last) month)\b", _relative_month),
    (r"(?P<which>本|上)月(?!\d)", _relative_month),
    (
        rf"\b(?:in|since|of|from|to|for) (?P<which>last |early |late |mid-)?{_MONTH}{_YEAR_EN}"
        r"(?P<tail> last year| this year)?(?! \d)",
        _bare_month,
    ),
)
_COMPILED = tuple((re.compile(pattern), reader) for pattern, reader in _PATTERNS)

# ------------------------------------------------------------------------------------------------ clock times

_ZONES = {
    "ET": "America/New_York", "EDT": "America/New_York", "EST": "America/New_York", "EASTERN": "America/New_York",
    "PT": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PST": "America/Los_Angeles", "GMT": "UTC", "UTC": "UTC",
    "BST": "Europe/London", "HKT": "Asia/Hong_Kong", "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "SGT": "Asia/Singapore",
    "BEIJING": "Asia/Shanghai", "HONG KONG": "Asia/Hong_Kong", "NEW YORK": "America/New_York", "TOKYO": "Asia/Tokyo",
    "LONDON": "Europe/London", "北京时间": "Asia/Shanghai", "香港时间": "Asia/Hong_Kong", "美东时间": "America/New_York",
}  # fmt: skip
_CLOCK = re.compile(
    r"\b(?P<h>\d{1,2})(?:[:.](?P<min>\d{2}))?\s?(?P<half>[ap])\.?m\.?,? \(?(?P<zone>ET|EDT|EST|Eastern|PT|PDT|PST|GMT|UTC|BST|HKT"
    r"|JST|KST|SGT|Beijing|Hong Kong|New York|Tokyo|London)\b"
    r"|\b(?P<h2>\d{1,2}):(?P<min2>\d{2}) \(?(?P<zone2>ET|EDT|EST|GMT|UTC|BST|HKT|JST|KST|SGT|Beijing time|Hong Kong time)\b"
)
_ZH_CLOCK = re.compile(
    r"(?P<zone>北京时间|香港时间|美东时间)[^，。；,]{0,12}?(?P<part>凌晨|早上|上午|中午|下午|傍晚|晚间|晚上|深夜)?"
    r"(?P<h>\d{1,2})(?:[:：点时](?P<min>\d{1,2})?分?|点)"
)


def find_clocks(text: str) -> Iterator[Clock]:
    """Clock times that name their zone.

    >>> [(c.time.isoformat("minutes"), c.zone) for c in find_clocks("at 5:21 p.m. ET on Friday")]
    [('17:21', 'America/New_York')]
    """
    for hit in _CLOCK.finditer(text):
        hour, minute = int(hit["h"] or hit["h2"]), hit["min"] or hit["min2"]
        if hit["half"]:
            hour = hour % 12 + (12 if hit["half"] == "p" else 0)
        zone = (hit["zone"] or hit["zone2"]).upper().removesuffix(" TIME")
        yield from _clock(hit, hour, minute, _ZONES[zone])
    for hit in _ZH_CLOCK.finditer(text):
        late = hit["part"] in ("下午", "傍晚", "晚间", "晚上", "深夜")
        hour = int(hit["h"])
        yield from _clock(hit, hour + 12 if late and hour < 12 else hour, hit["min"], _ZONES[hit["zone"]])


def _clock(hit: re.Match[str], hour: int, minute: str | None, zone: str) -> Iterator[Clock]:
    if hour < 24 and int(minute or 0) < 60:
        yield Clock(hit.start(), hit.end(), hit[0], dt.time(hour, int(minute or 0)), zone, minute is not None)


def nearest(dates: Sequence[FoundDate], span: tuple[int, int], text: str) -> FoundDate | None:
    """The date nearest to the words text[span] of an event, those that follow preferred; of equals the more precise."""

    def distance(d: FoundDate) -> float:
        gap = d.start - span[1] if d.start >= span[1] else 1.5 * (span[0] - d.end) + 5
        crossed = text[min(span[0], d.start) : max(span[1], d.end)]
        return max(gap, 0) + 15 * len(re.findall(r"[,;，；]", crossed)) + (0 if d.precision == "day" else 40)

    return min(dates, key=distance, default=None)


def is_ahead(text: str) -> bool:
    """Whether a sentence speaks of what is to come."""
    return bool(
        re.search(r"\b(?:will|due|scheduled|upcoming|expires?\b|is set to|are set to|plans? to)\b|将|预计|即将", text)
    )


def stamp_date(stamp: str, published: dt.date | None, year: int | None) -> dt.date | None:
    """The date of a line such as `07/06, 04:26`: month first, or day first where only that can be."""
    parts = [int(n) for n in re.findall(r"\d+", stamp)]
    if len(parts) >= 3 and parts[0] > 1900:
        return _make(*parts[:3])
    if "月" not in stamp and len(parts) >= 3 and parts[2] > 1900:
        year = parts[2]
    years = [year] if year is not None else [] if published is None else [published.year, published.year - 1]
    for month, day in ((parts[0], parts[1]), (parts[1], parts[0])):
        options = [d for y in years for d in (_make(y, month, day),) if d]
        if options:
            return options[0] if published is None else min(options, key=lambda d: abs((d - published).days))
    return None
