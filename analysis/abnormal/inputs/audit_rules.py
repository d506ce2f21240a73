"""Rules on single bars and their dates: can this bar be, is it a trade, is it on a session?

A rule is a function `Evidence -> hits`; its name is the id a finding carries, its docstring what the documentation
says. `audit.RULES` holds them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from ..domain import BoolArray
from .audit_evidence import PRICES, Evidence, runs, thinness_of

Weight = Literal["fault", "doubt", "note"]


class Hit(NamedTuple):
    """What a rule saw: from which day to which (None: the series as a whole), in words, and what a study does with it.

    weight: where it differs from that of the rule.
    """

    day: np.datetime64 | None
    until: np.datetime64 | None
    message: str
    effect: str
    weight: Weight | None = None


NO_RETURN = "the bar counts as not traded: no return here, and the next one covers several sessions"
AS_IT_STANDS = "nothing is repaired: the number enters as it stands"


def at(e: Evidence, rows: BoolArray) -> Iterator[tuple[int, np.datetime64]]:
    """Positions of the rows and the days they belong to."""
    for i in np.flatnonzero(rows):
        yield int(i), e.time[i]


def number(value: float) -> str:
    """A price or volume as a reader writes it."""
    return f"{value:,.0f}" if abs(value) >= 1e5 and float(value).is_integer() else f"{value:.6g}"


def bars_of(count: int) -> str:
    return "one bar" if count == 1 else f"{count} bars on end"


# ------------------------------------------------------------------------------------------------ prices of one bar


def no_price(e: Evidence) -> Iterator[Hit]:
    """The series holds no price at all: nothing can be studied with it."""
    if not e.traded.any():
        yield Hit(None, None, f"none of {len(e.bars)} bars holds a price that was traded at", "its pairs are excluded")


def price_not_positive(e: Evidence) -> Iterator[Hit]:
    """A price of zero or below cannot have been paid; vendors write it where they have none."""
    for name in PRICES:
        if name not in e.bars:
            continue
        values = e.bars.get(name)
        effect = NO_RETURN if name in ("close", "adj_close") else AS_IT_STANDS
        for a, b in runs(values <= 0):
            yield Hit(e.time[a], e.time[b], f"{name} is {number(values[a])} ({bars_of(b - a + 1)})", effect)


def impossible_return(e: Evidence) -> Iterator[Hit]:
    """A return of -100% or less: no price follows it. Percent taken for decimals often look like that."""
    values = e.bars.get("ret")
    for i, day in at(e, values <= -1):
        yield Hit(day, day, f"return {values[i]:g}; expected a decimal fraction above -1", AS_IT_STANDS)


def high_below_low(e: Evidence) -> Iterator[Hit]:
    """The highest price of a bar lies below its lowest: columns exchanged, or a row of another day."""
    high, low = e.bars.get("high"), e.bars.get("low")
    for i, day in at(e, high < low * (1 - _ROUNDING)):
        yield Hit(day, day, f"high {number(high[i])} below low {number(low[i])}", _RANGE)


def close_outside_range(e: Evidence) -> Iterator[Hit]:
    """The close lies outside the bar's own high and low: one of the three is wrong."""
    yield from _outside(e, "close", "the return uses the close as it stands; ranges and the anatomy of the day are off")


def open_outside_range(e: Evidence) -> Iterator[Hit]:
    """The open lies outside the bar's own high and low: one of the three is wrong."""
    yield from _outside(e, "open", _RANGE)


_ROUNDING = 1e-5
_RANGE = "returns do not use it; ranges and the anatomy of the day are off"


def _outside(e: Evidence, name: str, effect: str) -> Iterator[Hit]:
    price, high, low = e.bars.get(name), e.bars.get("high"), e.bars.get("low")
    wrong = (high >= low) & ((price > high * (1 + _ROUNDING)) | (price < low * (1 - _ROUNDING))) & (price > 0)
    for i, day in at(e, wrong):
        yield Hit(day, day, f"{name} {number(price[i])} outside low-high {number(low[i])} to {number(high[i])}", effect)


def vwap_outside_range(e: Evidence) -> Iterator[Hit]:
    """Turnover / volume, the average price paid, lies outside low-high: one of them is of another day or patched.

    The unit of turnover (thousands, millions) is taken from the whole series.
    """
    low, high, volume, turnover = (e.bars.get(c) for c in ("low", "high", "volume", "turnover"))
    with np.errstate(invalid="ignore", divide="ignore"):
        average = np.where((volume > 0) & (turnover > 0), turnover / volume, np.nan)
        ratio = average / np.where(e.price > 0, e.price, np.nan)
    if not np.isfinite(ratio).any():
        return
    unit = 10.0 ** np.round(np.log10(np.nanmedian(ratio)))
    average = average / unit
    for i, day in at(e, (average > high * 1.001) | (average < low * 0.999)):
        text = f"turnover / volume is {number(average[i])}, outside low-high {number(low[i])} to {number(high[i])}"
        yield Hit(day, day, text, "returns do not use it; abnormal volume of this session is doubtful")


# ------------------------------------------------------------------------------------------------ volume


def flat_zero_volume(e: Evidence) -> Iterator[Hit]:
    """Open, high, low and close are one price and nothing was traded: a bar carried forward, not a trade.

    Vendors write such bars for half days on which there was trading all the same; the close may then be wrong.
    """
    flat = _flat(e)
    half = _half_days(e)
    for a, b in runs(flat):
        named = [str(d) for d in e.days[a : b + 1][half[a : b + 1]]]
        day = ""
        if named:
            day = "; a half day" if a == b else f"; {len(named)} half day(s), first {named[0]}"
        text = f"flat at {number(e.price[a])} with zero volume ({bars_of(b - a + 1)}){day}"
        yield Hit(e.time[a], e.time[b], text, NO_RETURN)


def zero_volume(e: Evidence) -> Iterator[Hit]:
    """Nothing was traded, whatever the prices of the bar say: the price is carried forward or the volume is missing."""
    for a, b in runs((e.volume == 0) & ~_flat(e) & e.present):
        yield Hit(e.time[a], e.time[b], f"zero volume ({bars_of(b - a + 1)})", NO_RETURN)


def missing_volume(e: Evidence) -> Iterator[Hit]:
    """A price without volume in a series that has volume: a patched bar, or one from another source.

    Bars whose volume is marked as doubtful are left to `marked`.
    """
    told = [np.datetime64(when) for when, columns in _marks(e).items() if "volume" in columns]
    none = np.isnan(e.volume) & e.present & ~np.isin(e.days, np.array(told, "datetime64[D]"))
    for a, b in runs(none & np.isfinite(e.volume).any()):
        text = f"no volume ({bars_of(b - a + 1)}) in a series that has it"
        yield Hit(e.time[a], e.time[b], text, "the return stands; whether it was traded is not known")


_ENOUGH = 20  # sessions below which a share of them says little


def thin_trading(e: Evidence) -> Iterator[Hit]:
    """More than one session in ten without a trade: returns are stale and tests that expect daily ones mislead."""
    t = thinness_of(e)
    if t.sessions >= _ENOUGH and t.untraded > 0.1:
        text = (
            f"{t.untraded:.0%} of {t.sessions} sessions without a trade ({t.zero_volume:.0%} of the bars have zero volume, "
            f"{t.zero_returns:.0%} of the returns are zero, a trade every {t.mean_gap:.1f} sessions)"
        ).replace("(nan% of the bars have zero volume, ", "(")
        yield Hit(None, None, text, 'use thin="trade_to_trade" with the dimson model and read corrado_zivney')


def _flat(e: Evidence) -> BoolArray:
    open_, high, low = (e.bars.get(c) for c in ("open", "high", "low"))
    return (e.volume == 0) & (high == low) & (high == e.price) & (np.isnan(open_) | (open_ == e.price))


def _half_days(e: Evidence) -> BoolArray:
    if e.calendar is None:
        return np.zeros(e.time.size, bool)
    return (e.session >= 0) & e.calendar.half_day[e.session]


# ------------------------------------------------------------------------------------------------ dates


def duplicate_date(e: Evidence) -> Iterator[Hit]:
    """Two rows of one time: the first was kept. Where they differ one of them is wrong."""
    for day, differs in e.doubles:
        text = "two rows of this time that differ" if differs else "the same row twice"
        yield Hit(day, day, text, "the first row is used")


def unsorted(e: Evidence) -> Iterator[Hit]:
    """Rows out of time order: they were sorted, and the order of a file often tells that two were put together."""
    if e.unsorted is not None:
        yield Hit(e.unsorted, e.unsorted, "rows are not in time order; this one comes late", "none: rows are sorted")


def calendar_gap(e: Evidence) -> Iterator[Hit]:
    """A session of the exchange without a price between the first and the last one: a halt, or a hole in the source."""
    priced = e.session[e.present & (e.session >= 0)]
    if e.calendar is None or not priced.size:
        return
    have = np.zeros(int(priced[-1] - priced[0]) + 1, bool)
    have[priced - priced[0]] = True
    for part in runs(~have):
        a, b = (e.calendar.sessions[int(priced[0]) + k] for k in part)
        size = part[1] - part[0] + 1
        bare = " (rows without a price)" if np.isin(e.calendar.sessions[priced[0] + part[0]], e.days) else ""
        where = "this session" if size == 1 else f"{size} sessions on end"
        text = f"no price on {where}{bare}: halted, or missing in the source"
        yield Hit(a, b, text, "no return here; the next one covers several sessions")


def surplus_day(e: Evidence) -> Iterator[Hit]:
    """A bar on a day on which the exchange was shut: a stray row, or dates in another zone.

    Without hours of an exchange only bars on weekends are seen, where the other bars keep to weekdays.
    """
    effect = "the bar is left out of the returns"
    if e.calendar is not None and e.calendar.has_clock:
        lo, hi = e.calendar.known
        stray = (e.days >= lo) & (e.days <= hi) & (e.session < 0)
        known = f"{e.calendar.mic} had no session"
    else:
        weekend = (e.days.astype("datetime64[D]").astype(np.int64) + 3) % 7 >= 5
        stray = weekend & (np.mean(weekend) < 0.05) if weekend.size else weekend
        known, effect = "a weekend, while the other bars fall on weekdays", AS_IT_STANDS
    count = int(np.count_nonzero(stray))
    for _, day in at(e, stray):
        weekday = day.astype("datetime64[D]").tolist().strftime("%A")
        yield Hit(day, day, f"{weekday}: {known}" + (f" ({count} such bars)" if count > 1 else ""), effect)


def before_listing(e: Evidence) -> Iterator[Hit]:
    """Bars from before the day the share was listed: another company's series under the same ticker."""
    if e.listed is None:
        return
    early = np.flatnonzero((e.days < e.listed) & e.present)
    if early.size:
        text = f"{early.size} bars before the listing on {e.listed}"
        yield Hit(e.time[early[0]], e.time[early[-1]], text, "they may be another company's prices; " + AS_IT_STANDS)


def marked(e: Evidence) -> Iterator[Hit]:
    """A value its own source or keeper calls doubtful (data/prices/marks.csv for the bundled prices)."""
    for when, columns in _marks(e).items():
        day = np.datetime64(when)
        touched = {"close", "adj_close", "prev_close"} & set(columns)
        effect = AS_IT_STANDS if touched else "the close and the return stand"
        yield Hit(day, day, "; ".join(f"{column} marked: {words}" for column, words in columns.items()), effect)


def _marks(e: Evidence) -> dict[str, dict[str, str]]:
    """Words by day and column, from lines such as `2026-06-30 volume: left empty`."""
    told: dict[str, dict[str, str]] = {}
    for line in filter(None, e.bars.meta.get("marks", "").split("\n")):
        when, _, what = line.partition(" ")
        column, _, words = what.partition(": ")
        told.setdefault(when, {})[column] = words
    return told
