"""Rules on moves and on whole series: is a jump a trade, a split, a unit or a slip; is it this ticker's series at all?

What tells them apart: a slip comes back and nobody trades on it; a split stays, is a small ratio and was there at the
open; news stays and is traded on.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..domain import FloatArray
from ..errors import UnknownName
from .audit_evidence import Evidence, kind_of, runs
from .audit_rules import AS_IT_STANDS, Hit, Weight, at, number
from .exchanges import currency_of, exchange_of
from .panel import return_basis

EXTREME = 8.0  # robust standard deviations
BUSY = 2.0  # times the usual volume

# ------------------------------------------------------------------------------------------------ slips


def bad_print(e: Evidence) -> Iterator[Hit]:
    """A price far from those around it that is back within three bars, and no volume to speak for it.

    Far: ten robust standard deviations and half the price. News moves a price too, but then it stays or is traded on; what goes
    five times away and back within three bars is a slip at any volume. A high or low twice beyond open and close counts
    as well.
    """
    seen: dict[tuple[int, int], list[str]] = {}
    size: dict[tuple[int, int], float] = {}
    for name, found in e.prints.items():
        for a, b, away in zip(*found):
            seen.setdefault((int(a), int(b)), []).append(name)
            size[int(a), int(b)] = float(away)
    for (a, b), names in sorted(seen.items()):
        price = e.bars.get(names[0])
        text = f"{' and '.join(names)} {number(price[a])} is {_times(size[a, b])} the prices around it, which come back"
        yield Hit(e.time[a], e.time[b], text, f"{AS_IT_STANDS}, in the returns of this and the next session")
    yield from _wild_range(e)


def _times(size: float) -> str:
    factor = float(np.exp(abs(size)))
    shown = f"{factor:.2g}" if factor < 100 else f"{factor:,.0f}"
    return f"{shown} times" if size > 0 else f"1/{shown} of"


def _wild_range(e: Evidence) -> Iterator[Hit]:
    """Highs and lows twice (and twelve usual moves) beyond open and close."""
    if "high" not in e.bars or "low" not in e.bars or not e.moves.size.size:
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        body = np.stack([e.price, e.bars.get("open")])
        over = np.log(e.bars.get("high") / np.nanmax(np.where(np.isnan(body), -np.inf, body), axis=0))
        under = np.log(np.nanmin(np.where(np.isnan(body), np.inf, body), axis=0) / e.bars.get("low"))
    limit = max(np.log(2.0), 12 * float(np.median(e.moves.usual)))
    for name, beyond in (("high", over), ("low", under)):
        for i, day in at(e, (beyond > limit) & np.isfinite(beyond) & ~e.misprinted):
            text = f"{name} {number(e.bars.get(name)[i])} is {_times(beyond[i] if name == 'high' else -beyond[i])} open and close"
            yield Hit(day, day, text, "returns do not use it; ranges and the anatomy of the day are off")


# ------------------------------------------------------------------------------------------------ splits and units

_RATIOS = (*(Fraction(n) for n in (*range(2, 11), 12, 15, 16, 20, 25, 30, 40, 50, 100)), Fraction(3, 2), Fraction(5, 2))
# What one unit of a currency has been worth in US dollars turned round, with room; pence are a hundredth.
_PER_DOLLAR = {
    "HKD": (7.73, 7.87), "CNY": (6.2, 7.4), "JPY": (75.0, 165.0), "KRW": (1000.0, 1500.0), "TWD": (27.0, 34.0),
    "INR": (60.0, 95.0),
}  # fmt: skip
_MINOR_UNITS = {"GBP": (100.0, 100.0)}
_QUIET = 3.0
_SIDE = 5


class Leap(NamedTuple):
    """A move that stays and might be a split or a change of unit: its move, logs of close-to-close and overnight.

    proven: volume and open were there to speak against news, and did not.
    """

    move: int
    size: float
    overnight: float
    proven: bool


def unadjusted_split(e: Evidence) -> Iterator[Hit]:
    """A fall near 1/2, 1/3, 2/3 ... (or a rise near 2, 3, 10 ...) that was there at the open, stays, and drew no trading.

    The returns are those a study would use, so that a split the source adjusts for is not seen. Without volume and open
    nothing tells it from news: then only whole ratios count, met closely, and the finding is a doubt.
    """
    for leap, ratio in _splits(e):
        kind = _split_name(ratio, leap.size)
        day = e.time[e.moves.row[leap.move]]
        proof = "at the open already, on ordinary volume, and it stays" if leap.proven else "and it stays"
        sure = f"a {kind} the prices are not adjusted for"
        told = sure if leap.proven else f"{sure}, or news (no volume or no open to tell)"
        size = f"{np.expm1(leap.size):+.1%}"
        weight: Weight = "fault" if leap.proven else "doubt"
        yield Hit(day, day, f"{size}, {proof}: {told}", f"{AS_IT_STANDS}, as a return of {size}", weight)


def _split_name(ratio: Fraction, size: float) -> str:
    new, old = (ratio.numerator, ratio.denominator) if size < 0 else (ratio.denominator, ratio.numerator)
    return f"{new}:{old} {'split' if size < 0 else 'consolidation'}"


def currency_change(e: Evidence) -> Iterator[Hit]:
    """Prices change their unit (dollars for Hong Kong dollars, pence for pounds), or are stated in another than the exchange's.

    Told from a split by the ratio and by the number of shares traded, which a split multiplies.
    """
    for leap in _units(e):
        day = e.time[e.moves.row[leap.move]]
        text = f"the level becomes {_times(leap.size)} what it was, on as many shares: another currency or unit"
        yield Hit(day, day, text, f"{AS_IT_STANDS}, as a return of {np.expm1(leap.size):+.1%}")
    stated, own = e.bars.meta.get("currency", ""), _own_currency(e.bars.ticker)
    if stated and own and stated.upper() not in (own, "GBX" if own == "GBP" else own):
        yield Hit(
            None,
            None,
            f"prices are stated in {stated}; the share trades in {own}",
            "returns hold the exchange rate too",
        )


def _splits(e: Evidence) -> list[tuple[Leap, Fraction]]:
    units = {leap.move for leap in _units(e)}
    found = []
    for leap in _leaps(e):
        near = min(_RATIOS, key=lambda r: abs(abs(leap.overnight) - np.log(float(r))))
        whole = near.denominator == 1
        if leap.move not in units and _is_near(e, leap, near) and (whole or (leap.proven and leap.size < 0)):
            found.append((leap, near))
    return found


def _is_near(e: Evidence, leap: Leap, ratio: Fraction) -> bool:
    """Overnight (or close to close, where there is no open) within ordinary noise of the ratio."""
    usual, target = float(e.moves.usual[leap.move]), float(np.log(float(ratio)))
    tight = min(2.5 * usual, 0.06 if leap.proven or ratio > 2 else 0.03)
    there = abs(abs(leap.overnight) - target) < tight
    return there and abs(abs(leap.size) - target) < min(4 * usual, 0.12)


def _units(e: Evidence) -> list[Leap]:
    """Leaps whose size is an exchange rate of the ticker's own currency, on an unchanged number of shares."""
    own = _own_currency(e.bars.ticker)
    rates = [r for r in (_PER_DOLLAR.get(own), _MINOR_UNITS.get(own)) if r is not None]
    out = []
    for leap in _leaps(e):
        noise = min(2.5 * float(e.moves.usual[leap.move]), 0.06)
        size = abs(leap.overnight)
        known = any(np.log(low) - noise < size < np.log(high) + noise for low, high in rates)
        if known and abs(_shares_after(e, leap.move)) < np.log(2.5):
            out.append(leap)
    return out


def _leaps(e: Evidence) -> list[Leap]:
    """Moves of a third or more that were there at the open, stay, and happen on ordinary trading."""
    size, row, before = e.moves.size, e.moves.row, e.moves.before
    out = []
    level = np.cumsum(size)
    for k in np.flatnonzero(np.abs(size) > np.log(1.4)):
        if e.misprinted[row[k]] or e.misprinted[before[k]] or not _ordinary(e, int(row[k])):
            continue
        lead, trail = level[max(k - _SIDE, 0) : k], level[k : k + _SIDE]
        if lead.size and abs(np.median(trail) - np.median(lead) - size[k]) > 0.35 * abs(size[k]):
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            intraday = float(np.log(e.price[row[k]] / e.bars.get("open")[row[k]]))
        overnight = size[k] - intraday if np.isfinite(intraday) else size[k]
        proven = bool(np.isfinite(intraday) and np.isfinite(e.busy[row[k]]))
        out.append(Leap(int(k), float(size[k]), float(overnight), proven))
    return out


def _ordinary(e: Evidence, row: int) -> bool:
    return not e.busy[row] >= _QUIET


def _shares_after(e: Evidence, move: int) -> float:
    """Log of the median volume of the five trades from a move on against the five before; 0 where there is none."""
    rows = e.moves.row
    after, lead = e.volume[rows[move : move + _SIDE]], e.volume[rows[max(move - _SIDE, 0) : move]]
    if not (np.any(after > 0) and np.any(lead > 0)):
        return 0.0
    return float(np.log(np.median(after[after > 0]) / np.median(lead[lead > 0])))


def _own_currency(ticker: str) -> str:
    try:
        return currency_of(exchange_of(ticker))
    except UnknownName:
        return ""


# ------------------------------------------------------------------------------------------------ moves worth knowing


def extreme_return(e: Evidence) -> Iterator[Hit]:
    """A return beyond eight robust standard deviations; says whether volume confirms that it was traded.

    Usual is what the whole series or the 63 sessions around show, whichever is more, so that a stormy quarter is not
    all extreme. Slips, splits and the listing day have their own rules.
    """
    m = e.moves
    explained = e.misprinted[m.row] | e.misprinted[m.before]
    explained[[leap.move for leap in [*(s for s, _ in _splits(e)), *_units(e)]]] = True
    if e.listed is not None:
        explained |= e.days[m.row] <= e.listed
    spread = np.sqrt(np.maximum(_sessions_covered(e), 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        in_units = np.abs(m.size) / np.where(m.usual > 0, m.usual * spread, np.nan)
    for k in np.flatnonzero((in_units > EXTREME) & ~explained):
        row = int(m.row[k])
        text = f"return {np.expm1(m.size[k]):+.1%}, {in_units[k]:.0f} robust standard deviations; {_voice(e, row)}"
        yield Hit(e.time[row], e.time[row], text, AS_IT_STANDS)


def _sessions_covered(e: Evidence) -> FloatArray:
    """Sessions each move covers."""
    place = e.session
    if e.calendar is None or (place[e.moves.row] < 0).any():
        place = np.arange(e.time.size)
    return (place[e.moves.row] - place[e.moves.before]).astype(float)


def _voice(e: Evidence, row: int) -> str:
    """What volume says of a move."""
    busy, volume = e.busy[row], e.volume[row]
    if not np.isfinite(volume):
        return "no volume to judge it by"
    if not np.isfinite(busy):
        return f"{number(volume)} shares traded, too few bars before to compare"
    if busy >= BUSY:
        return f"volume confirms it ({number(volume)} shares, {busy:.1f} times the usual)"
    return f"volume does not confirm it ({number(volume)} shares, {busy:.1f} times the usual)"


def prev_close_break(e: Evidence) -> Iterator[Hit]:
    """The exchange's previous close differs from the last close: it was adjusted for a dividend or a split.

    Returns taken against it are right. A break upwards, or across missing sessions, asks for a look.
    """
    stated, rows = e.bars.get("prev_close"), np.flatnonzero(e.traded)
    if rows.size < 2 or "prev_close" not in e.bars:
        return
    last, now = e.price[rows[:-1]], stated[rows[1:]]
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.log(now / last)
    used = return_basis(e.bars) == "prev_close"
    effect = "the return is taken against prev_close" if used else "none: returns are taken from another column"
    for k in np.flatnonzero(np.abs(change) > 1e-4):
        row = int(rows[k + 1])
        why = _reason(e, row, int(rows[k]), change[k])
        text = f"prev_close {number(now[k])} against a last close of {number(last[k])}: {why}"
        yield Hit(e.time[row], e.time[row], text, effect)


def _reason(e: Evidence, row: int, before: int, change: float) -> str:
    near = min(_RATIOS, key=lambda r: abs(abs(change) - np.log(float(r))))
    if abs(abs(change) - np.log(float(near))) < 0.02:
        return f"a split or consolidation near {near}:1" if change < 0 else f"a consolidation near 1:{near}"
    if row - before > 1 or (e.session[before] >= 0 and e.session[row] - e.session[before] > 1):
        return "sessions between them are missing or were not traded"
    if change < 0:
        return f"a dividend of {number(round(e.price[before] * -np.expm1(change), 4))} ({-np.expm1(change):.2%})"
    return "upwards, which no dividend explains"


def stale_price(e: Evidence) -> Iterator[Hit]:
    """The same close five times on end or more although there was trading: a feed that stopped.

    Shares that often stay where they are (one tick is much of their price) need a longer run.
    """
    rows = np.flatnonzero(e.traded)
    if rows.size < 5 or "ret" in e.bars:
        return
    same = np.diff(e.price[rows]) == 0
    for a, last in runs(same):
        b = last + 1
        run = b - a + 1  # equal closes
        if run < 5:
            continue
        often = (np.count_nonzero(same) - (run - 1)) / max(same.size - (run - 1), 1)
        if same.size * often ** (run - 1) < 0.05:
            although = " although they were traded" if np.isfinite(e.volume[rows[a]]) else ""
            text = f"the close is {number(e.price[rows[a]])} on {run} bars on end{although}"
            yield Hit(e.time[rows[a]], e.time[rows[b]], text, "zero returns enter as they stand: too little variance")


# ------------------------------------------------------------------------------------------------ whole series


def copied_series(e: Evidence) -> Iterator[Hit]:
    """The returns equal those of another ticker on at least 20 days on end that moved: one of the two is a copy."""
    for twin in e.twins:
        text = f"equal to {twin.ticker} on {twin.count} days on end that moved: one of the two is a copy of the other"
        first, last = (t.astype(e.time.dtype) for t in (twin.first, twin.last))
        yield Hit(first, last, text, f"{AS_IT_STANDS}; abnormal returns of one against the other are zero")


def benchmark_kind(e: Evidence) -> Iterator[Hit]:
    """A benchmark of another kind than the share: a price index (without dividends) against total returns, or the reverse."""
    own = kind_of(e.bars)
    other = sorted(e.against - {own, "given"})
    if other and own != "given":
        words = {"price": "price returns (without dividends)", "total": "total returns"}
        text = f"{words[own]} as the benchmark of {words[other[0]]}"
        yield Hit(None, None, text, "abnormal returns on ex-dividend days are off by the dividend")
