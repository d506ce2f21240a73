"""What the audit knows of one ticker: its bars in order, the moves between trades, what is usual for them.

Everything a rule looks at is computed here once, from the same functions a study takes its returns from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..domain import Bars, BoolArray, DateArray, FloatArray, IntArray, Ticker
from .calendars import SessionCalendar
from .panel import return_basis, trade_returns, usable_price

PRICES = ("open", "high", "low", "close", "adj_close")
_MAD = 1.482602218505602  # of a normal distribution: median absolute deviation to standard deviation
_NEAR = 31  # moves on each side that say what is usual around a move
_STEP = 16
_VOLUME_BEFORE = 20
COPY_RUN = 20


class Twin(NamedTuple):
    """Another ticker whose returns are the same, from `first` to `last`, on `count` days that moved."""

    ticker: Ticker
    first: np.datetime64
    last: np.datetime64
    count: int  # type: ignore[assignment]


class Moves(NamedTuple):
    """Log returns between consecutive trades, all (n,): row of the bar they end in, row before, size, usual size.

    `usual` is a robust standard deviation: the larger of that of the whole series and of the moves around this one.
    """

    row: IntArray
    before: IntArray
    size: FloatArray
    usual: FloatArray


class Prints(NamedTuple):
    """Runs of bars (n,) whose price leaves its surroundings and comes back: first and last row, log distance."""

    first: IntArray
    last: IntArray
    size: FloatArray


@dataclass(frozen=True, eq=False)
class Evidence:
    """One ticker's bars as the rules see them: in strict time order, with double rows set aside.

    `against`: kinds of return (`kind_of`) of the shares this ticker is a benchmark for, empty where it is none.
    """

    bars: Bars
    calendar: SessionCalendar | None
    twins: tuple[Twin, ...]
    listed: np.datetime64 | None
    doubles: tuple[tuple[np.datetime64, bool], ...]
    unsorted: np.datetime64 | None
    against: frozenset[str] = frozenset()

    @property
    def time(self) -> DateArray:
        return self.bars.time

    @cached_property
    def days(self) -> DateArray:
        """(T,) the date on the exchange's clock that each bar belongs to."""
        if self.bars.freq == "1d" or self.calendar is None or not self.calendar.has_clock:
            return self.time.astype("datetime64[D]")
        at = np.minimum(np.searchsorted(self.calendar.day_ends, self.time, side="right"), len(self.calendar) - 1)
        inside = (self.calendar.day_starts[at] <= self.time) & (self.time < self.calendar.day_ends[at])
        return np.where(inside, self.calendar.sessions[at], self.time.astype("datetime64[D]"))

    @cached_property
    def session(self) -> IntArray:
        """(T,) position of each bar's session in the calendar, -1 where the exchange was shut (or there is no calendar)."""
        if self.calendar is None:
            return np.full(self.time.size, -1, np.int64)
        at = np.searchsorted(self.calendar.sessions, self.days)
        found = self.calendar.sessions[np.minimum(at, len(self.calendar) - 1)] == self.days
        return np.where(found, at, -1)

    @cached_property
    def price(self) -> FloatArray:
        """(T,) the close, or the adjusted close where it is the only one."""
        return self.bars.get("close") if "close" in self.bars else self.bars.get("adj_close")

    @cached_property
    def volume(self) -> FloatArray:
        """(T,) shares traded; all NaN where there are none to speak of (an index comes with zeros)."""
        volume = self.bars.get("volume")
        return volume if np.any(volume > 0) else np.full(volume.size, np.nan)

    @cached_property
    def traded(self) -> BoolArray:
        """(T,) bars that hold a trade."""
        return np.isfinite(self.bars.get("ret")) if "ret" in self.bars else usable_price(self.bars)[0]

    @cached_property
    def present(self) -> BoolArray:
        """(T,) bars that hold a price or a return at all."""
        return np.isfinite(self.bars.get("ret") if "ret" in self.bars else self.price)

    @cached_property
    def moves(self) -> Moves:
        """Moves as the study would take them (adjusted for what the bars say of dividends and splits)."""
        found = trade_returns(self.bars)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.log(found.gross)
        keep = np.isfinite(size)
        before = np.concatenate([found.row[:1], found.row[:-1]])
        return Moves(found.row[keep], before[keep], size[keep], usual_size(size[keep]))

    @cached_property
    def busy(self) -> FloatArray:
        """(T,) volume in units of the median of the 20 bars before; in shares or in money, whichever is less.

        A split multiplies the shares, a wrong price the money: only trading raises both.
        """
        price = np.where(self.price > 0, self.price, np.nan)
        with np.errstate(invalid="ignore"):
            return np.fmin(_relative(self.volume), _relative(self.volume * price))

    @cached_property
    def prints(self) -> dict[str, Prints]:
        """By column, prices that leave their surroundings for a few bars and come back."""
        return {c: _prints(self, self.bars.get(c)) for c in ("close", "adj_close") if c in self.bars}

    @cached_property
    def misprinted(self) -> BoolArray:
        """(T,) bars of such prices."""
        out = np.zeros(self.time.size, bool)
        for found in self.prints.values():
            for a, b in zip(found.first, found.last):
                out[a : b + 1] = True
        return out


def evidence(
    bars: Bars,
    calendar: SessionCalendar | None,
    twins: Iterable[Twin] = (),
    listed: np.datetime64 | None = None,
    against: Iterable[str] = (),
) -> Evidence:
    """Everything the rules look at for one ticker; rows out of order or double are put right for looking, and kept in mind."""
    doubles = [_double(line) for line in bars.meta.get("duplicates", "").split("\n") if line]
    late = bars.meta.get("unsorted")
    ordered, more, first_late = _in_order(bars)
    return Evidence(
        ordered, calendar, tuple(twins), listed, (*doubles, *more),
        np.datetime64(late) if late else first_late, frozenset(against),
    )  # fmt: skip


def _double(line: str) -> tuple[np.datetime64, bool]:
    when, _, word = line.partition(" ")
    return np.datetime64(when), word == "differs"


def _in_order(bars: Bars) -> tuple[Bars, list[tuple[np.datetime64, bool]], np.datetime64 | None]:
    """Bars in strict time order, times that came twice (and whether they say something else), first late time."""
    time = bars.time
    if time.size < 2 or (time[1:] > time[:-1]).all():
        return bars, [], None
    back = np.flatnonzero(time[1:] < time[:-1]) + 1
    order = np.argsort(time, kind="stable")
    sorted_time = time[order]
    again = np.flatnonzero(sorted_time[1:] == sorted_time[:-1]) + 1
    doubles = [(sorted_time[i], _differ(bars, order[i - 1], order[i])) for i in again]
    keep = np.delete(order, again)
    tidy = replace(bars, time=time[keep], columns={k: v[keep] for k, v in bars.columns.items()})
    return tidy, doubles, time[back[0]] if back.size else None


def _differ(bars: Bars, i: int, j: int) -> bool:
    return any(v[i] != v[j] and not (np.isnan(v[i]) and np.isnan(v[j])) for v in bars.columns.values())


# ------------------------------------------------------------------------------------------------ what is usual


def usual_size(size: FloatArray) -> FloatArray:
    """Robust standard deviation around each of the moves (n,): of the series or of the 63 moves around, the larger.

    Medians of absolute moves, so that one wild move does not hide itself; zero moves of thin shares are left out.
    """
    absolute = np.abs(size[size != 0])
    if absolute.size == 0:
        return np.zeros(size.size)
    whole = _MAD * float(np.median(absolute))
    if size.size <= 2 * _NEAR + 1:
        return np.full(size.size, whole)
    blocks = sliding_window_view(np.abs(size), 2 * _NEAR + 1)[::_STEP]
    near = _MAD * np.median(blocks, axis=1)
    centre = np.arange(near.size) * _STEP + _NEAR
    at = np.clip(np.searchsorted(centre, np.arange(size.size) + _STEP / 2) - 1, 0, near.size - 1)
    return np.maximum(whole, near[at])


def _relative(amount: FloatArray) -> FloatArray:
    """Amounts in units of the median of the 20 before them; NaN where there are fewer than 5."""
    out = np.full(amount.size, np.nan)
    known = np.flatnonzero(amount > 0)
    if known.size < 6:
        return out
    values = amount[known]
    padded = np.concatenate([np.full(_VOLUME_BEFORE, np.nan), values[:-1]])
    before = np.sort(sliding_window_view(padded, _VOLUME_BEFORE), axis=1)  # NaN last
    count = np.minimum(np.arange(values.size), _VOLUME_BEFORE)
    each = np.arange(values.size)
    low, high = before[each, np.maximum(count - 1, 0) // 2], before[each, count // 2]
    out[known] = np.where(count >= 5, values / ((low + high) / 2), np.nan)
    return out


# ------------------------------------------------------------------------------------------------ prints that revert

_HALF = 5  # bars on each side whose median is the level around a bar
_LONGEST = 3
_LEAST = np.log(1.5)
_BEYOND_TRADING = np.log(5.0)  # no volume makes a price go five times away and back within three bars
_BUSY = 2.0


def _prints(e: Evidence, column: FloatArray) -> Prints:
    """Runs of at most three bars far from the level around them, reached and left in one leap each.

    A price that stays where it went (a split, news) moves the level with it and is none.
    """
    rows = np.flatnonzero(e.traded & (column > 0))
    nothing = np.empty(0, np.int64)
    if rows.size < 2 * _HALF + 1:
        return Prints(nothing, nothing, np.empty(0))
    level = np.log(column[rows])
    step = np.diff(level)
    usual = np.concatenate([[0.0], usual_size(step)])
    usual[0] = usual[1]
    limit = np.maximum(10 * usual, _LEAST)
    if np.abs(step).max() < _LEAST:
        return Prints(nothing, nothing, np.empty(0))
    around = np.median(sliding_window_view(np.pad(level, _HALF, mode="reflect"), 2 * _HALF + 1), axis=1)
    away = level - around
    found = [
        run for run in runs(np.abs(away) > limit) if _comes_back(level, away, run) and not _busy(e, rows, away, run)
    ]
    first, last = (np.array([rows[run[k]] for run in found], np.int64) for k in (0, 1))
    return Prints(first, last, np.array([away[a : b + 1][np.argmax(np.abs(away[a : b + 1]))] for a, b in found]))


def runs(marked: BoolArray) -> list[tuple[int, int]]:
    """First and last position of every run of marked ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]


def _comes_back(level: FloatArray, away: FloatArray, run: tuple[int, int]) -> bool:
    a, b = run
    if b - a + 1 > _LONGEST or (a == 0 and b == level.size - 1):
        return False
    size = float(np.abs(away[a : b + 1]).min())
    there = abs(level[a] - level[a - 1]) if a > 0 else np.inf
    back = abs(level[b + 1] - level[b]) if b + 1 < level.size else np.inf
    if min(there, back) < 0.75 * size:
        return False
    if a == 0 or b + 1 == level.size:  # at an end one leap must do: only what no trading explains
        return size > _BEYOND_TRADING
    return bool(abs(level[b + 1] - level[a - 1]) < 0.25 * size)


def _busy(e: Evidence, rows: IntArray, away: FloatArray, run: tuple[int, int]) -> bool:
    """Whether volume says that this was trading after all."""
    a, b = run
    if np.abs(away[a : b + 1]).max() > _BEYOND_TRADING:
        return False
    busy = e.busy[rows[a : b + 1]]
    return bool(np.isfinite(busy).any() and np.nanmin(busy) >= _BUSY)


# ------------------------------------------------------------------------------------------------ copies


def copies(bars: Mapping[Ticker, Bars]) -> dict[Ticker, tuple[Twin, ...]]:
    """Tickers whose returns equal those of another one on at least 20 days on end that moved.

    Days are compared by a sorted list of (day, return) over all tickers, so that hundreds of series cost one sort;
    pairs that share many are then compared day by day. A series compared with itself under the same name is no copy.
    """
    series = {t: _day_returns(b) for t, b in bars.items()}
    found: dict[Ticker, list[Twin]] = {}
    for one, other in _suspects(series):
        twin = _same_run(series[one], series[other])
        if twin is not None:
            found.setdefault(one, []).append(Twin(other, *twin))
            found.setdefault(other, []).append(Twin(one, *twin))
    return {t: tuple(twins) for t, twins in found.items()}


def _day_returns(bars: Bars) -> tuple[DateArray, FloatArray]:
    """Times and simple returns between consecutive prices as they stand, days without a move left out."""
    time, value = bars.time, bars.get("ret")
    if "ret" not in bars:
        price = bars.get("close") if "close" in bars else bars.get("adj_close")
        good = np.flatnonzero(price > 0)
        time, value = time[good[1:]], price[good[1:]] / price[good[:-1]] - 1.0
    moved = np.isfinite(value) & (value != 0)
    return time[moved].astype("datetime64[ns]"), value[moved]


def _suspects(series: Mapping[Ticker, tuple[DateArray, FloatArray]]) -> list[tuple[Ticker, Ticker]]:
    """Pairs of tickers that share at least 20 equal (time, return)."""
    names = [t for t, (time, _) in series.items() if time.size >= COPY_RUN]
    if len(names) < 2:
        return []
    owner = np.concatenate([np.full(series[t][0].size, i) for i, t in enumerate(names)])
    time = np.concatenate([series[t][0] for t in names]).astype(np.int64)
    value = np.round(np.concatenate([series[t][1] for t in names]) * 1e6).astype(np.int64)
    order = np.lexsort((owner, value, time))
    owner, same = owner[order], np.zeros(order.size, bool)
    same[1:] = (time[order][1:] == time[order][:-1]) & (value[order][1:] == value[order][:-1])
    met: dict[tuple[int, int], int] = {}
    for start, stop in runs(same):
        members = owner[start - 1 : stop + 1].tolist()
        for i, a in enumerate(members):
            for b in members[i + 1 :]:
                met[a, b] = met.get((a, b), 0) + 1
    return [(names[a], names[b]) for (a, b), n in met.items() if n >= COPY_RUN and a != b]


def _same_run(
    one: tuple[DateArray, FloatArray], other: tuple[DateArray, FloatArray]
) -> tuple[np.datetime64, np.datetime64, int] | None:
    """The longest run of equal returns on the days both have, where it is long enough."""
    time, i, j = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    # Prices rounded to four decimals and scaled leave differences of about 1e-6.
    equal = np.abs(one[1][i] - other[1][j]) <= 2e-6
    count, a, b = max(((b - a + 1, a, b) for a, b in runs(equal)), default=(0, 0, 0))
    if count < COPY_RUN:
        return None
    return time[a], time[b], int(count)


# ------------------------------------------------------------------------------------------------ kind and thinness

TOTAL_RETURN_INDICES = ("^SP500TR", "^XNDX", "^GDAXI", "^MDAXI")


def kind_of(bars: Bars) -> str:
    """ "total" (dividends are in the return), "price" (they are not) or "given" (returns as such).

    An index is a price index whatever its columns are called, except the few that are computed with dividends.
    """
    if bars.ticker.startswith("^"):
        return "total" if bars.ticker.upper() in TOTAL_RETURN_INDICES else "price"
    basis = return_basis(bars)
    return basis if basis in ("price", "given") else "total"


@dataclass(frozen=True, slots=True)
class Thinness:
    """How much a share trades: sessions from its first to its last trade, and what share of them is empty.

    untraded: share of sessions without a trade (no bar, or zero volume); zero_volume: share of bars with zero volume;
    zero_returns: share of one-trade returns that are zero; mean_gap: average sessions from one trade to the next.
    """

    sessions: int
    untraded: float
    zero_volume: float
    zero_returns: float
    mean_gap: float


def thinness(bars: Bars, calendar: SessionCalendar | None = None) -> Thinness:
    """The thinness report of one ticker (Maynes and Rumsey 1993, Journal of Banking and Finance 17(1), 145-157).

    Without a calendar the dates of the bars are the sessions. NaN where the bars cannot tell (no trade, no volume).

    >>> day = np.arange("2026-01-05", "2026-01-10", dtype="datetime64[D]")
    >>> thinness(Bars("AAA", day, {"close": np.ones(5), "volume": np.array([1.0, 0, 2, 3, 1])})).untraded
    0.2
    """
    return thinness_of(evidence(bars, calendar))


def thinness_of(e: Evidence) -> Thinness:
    """`thinness` of a ticker already looked at."""
    rows, nan = np.flatnonzero(e.traded), float("nan")
    live = e.days[rows] if e.calendar is None else e.session[rows][e.session[rows] >= 0]
    if live.size == 0:
        return Thinness(0, nan, nan, nan, nan)
    used = live.size - int(np.count_nonzero(live[1:] == live[:-1]))
    if e.calendar is None:
        inside = e.days[(e.days >= live[0]) & (e.days <= live[-1])]
        sessions = inside.size - int(np.count_nonzero(inside[1:] == inside[:-1]))
    else:
        sessions = int(live[-1] - live[0]) + 1
    volume, size = e.volume, e.moves.size
    return Thinness(
        sessions,
        (sessions - used) / sessions,
        float(np.mean(volume[np.isfinite(volume)] == 0)) if np.isfinite(volume).any() else nan,
        float(np.mean(size == 0)) if size.size else nan,
        (sessions - 1) / (used - 1) if used > 1 else nan,
    )
