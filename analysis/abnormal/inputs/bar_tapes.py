"""Bars of shares and benchmarks -> one recording per exchange: every security on the exchange's own slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..domain import Bars, Ticker
from ..spec import StudySpec
from .bars_panel import daily_for, on_slots, read_bars_for
from .calendars import SessionCalendar, reaching
from .exchanges import calendar_mic, exchange_of
from .fetching import minutes_of
from .slots import DayBars, SlotBars, SlotGrid, day_bars, slot_grid
from .tapes import benchmark_of


@dataclass(frozen=True, slots=True, eq=False)
class BarRecording:
    """What was read for one exchange: its grid, the securities on it and the bars as they came."""

    key: str
    calendar: SessionCalendar
    grid: SlotGrid
    shares: Mapping[Ticker, SlotBars]
    days: Mapping[Ticker, DayBars]
    bars: Mapping[Ticker, Bars]
    basket: Mapping[Ticker, tuple[Ticker, ...]]


def calendar_of(ticker: Ticker, spec: StudySpec) -> str:
    """MIC of the exchange whose hours the ticker's bars follow."""
    return exchange_of(ticker) if spec.calendar == "auto" else calendar_mic(spec.calendar)


def record_bars(
    key: str, units: Sequence[Ticker], study: Sequence[Ticker], source: Any, spec: StudySpec
) -> BarRecording:
    """All bars the shares of one exchange and their benchmarks have, on one grid."""
    basket = {u: benchmark_of(u, spec.benchmark, study) for u in units}
    wanted = list(dict.fromkeys([*units, *(t for members in basket.values() for t in members)]))
    bars = {t: read_bars_for(source, t, spec.freq) for t in wanted}
    first = min(bars[u].time[0] for u in units).astype("datetime64[D]")
    last = max(bars[u].time[-1] for u in units).astype("datetime64[D]") + 1
    calendar = reaching(key, last)
    grid = slot_grid(
        calendar,
        max(first, calendar.known[0]),
        min(last, calendar.known[1]),
        minutes_of(spec.freq),
        spec.closing_auction,
    )
    shares = {t: on_slots(b, grid, daily_for(source, t)) for t, b in bars.items()}
    days = {u: day_bars(shares[u]) for u in units}
    return BarRecording(key, calendar, grid, shares, days, bars, basket)
