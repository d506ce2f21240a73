"""Prices, benchmark and factors -> one `Tape` per exchange: whole series of every share on its own session axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..domain import Bars, BoolArray, DateArray, FloatArray, IntArray, Panel, Tape, Ticker
from ..errors import BadData, NotInStore, RequestError
from ..spec import StudySpec
from . import panel as panels
from .calendars import PANEL, SessionCalendar, panel_calendar, session_calendar
from .exchanges import currency_of, exchange_of

if TYPE_CHECKING:
    from .factors import FactorTable

PriceSource = Any  # what inputs.store.open_prices returns


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Benchmark, industry and factor frames handed over as such (decimal returns), instead of tickers."""

    benchmark: tuple[DateArray, FloatArray] | None = None
    industry: tuple[DateArray, FloatArray] | None = None
    factors: FactorTable | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What was read for one exchange: the tape, its panel and bars, and what was noticed on the way.

    unit_of maps a ticker to its row of the tape. basket: the tickers each unit's benchmark was made of.
    """

    tape: Tape
    panel: Panel
    calendar: SessionCalendar
    bars: Mapping[Ticker, Bars]
    unit_of: Mapping[Ticker, int]
    bases: Mapping[Ticker, str]
    basket: Mapping[Ticker, tuple[Ticker, ...]]
    surplus: Mapping[Ticker, DateArray]
    listed: Mapping[Ticker, int]
    problems: Mapping[Ticker, str] = field(default_factory=lambda: MappingProxyType({}))


def calendar_key(ticker: Ticker, source: PriceSource, spec: StudySpec) -> str:
    """Name of the calendar a ticker's sessions are counted on: a MIC, or `panel` for a frame's own dates."""
    if spec.calendar == "auto":
        return PANEL if source.own_dates else exchange_of(ticker)
    return spec.calendar


def members(names: str | Sequence[str] | None) -> tuple[Ticker, ...]:
    """Tickers of a benchmark as a tuple, whether one, several or none were given."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def benchmark_of(unit: Ticker, names: str | Sequence[str] | None, study: Iterable[Ticker]) -> tuple[Ticker, ...]:
    """Members of the benchmark for one share: a basket leaves out the share itself and the study's own shares."""
    if names is None or isinstance(names, str):
        return members(names)
    own = {unit, *study}
    return tuple(t for t in names if t not in own)


def record(
    key: str,
    units: Sequence[Ticker],
    study: Sequence[Ticker],
    source: PriceSource,
    spec: StudySpec,
    given: Given,
    peers: Sequence[Ticker] = (),
) -> Recording:
    """Read and align everything the `units` (study shares and candidates) of one exchange need."""
    wanted = _wanted_tickers(units, study, spec, given, peers)
    bars = {t: source.bars(t, spec.freq) for t in wanted}
    local = [t for t in wanted if t in units or calendar_key(t, source, spec) == key]
    calendar, axis = _axis(key, [bars[t] for t in local], source)
    rates = _rates(local, bars, source, axis) if spec.currency == "USD" else None
    panel, bases, surplus = panels.build(local, bars, axis, key, spec.returns, freq=spec.freq, rates=rates)
    foreign = {t: _asynchronous(bars[t], t, calendar, axis, spec.returns) for t in wanted if t not in local}
    series = {t: panel.returns[panel.row(t)] for t in local} | foreign
    names, x, xid, basket, problems = _regressors(units, study, spec, given, series, calendar, axis)
    rows = np.array([panel.row(t) for t in units], np.int64)
    thin, thin_span = panels.thin_returns(panel, spec.thin)
    listed = _listing_rows(units, bars, axis)
    peer_rows, peer_of, peer_names = _peer_rows(units, peers, series)
    tape = Tape(
        calendar=key,
        time=axis,
        units=tuple(units),
        y=thin[rows],
        event_y=panel.multi[rows],
        span=np.maximum(panel.span[rows], thin_span[rows]).astype(float),
        usable=_usable(len(units), axis.size, units, listed, spec.skip_first),
        x=x,
        xid=xid,
        names=names,
        rf=_riskless(given.factors, calendar, axis),
        peers=peer_rows,
        peer_of=peer_of,
        peer_names=peer_names,
        kind=spec.returns,
        min_obs=spec.min_obs,
        leads=int(spec.options.get("leads", 1)),
    )
    unit_of = {t: i for i, t in enumerate(units)}
    return Recording(tape, panel, calendar, bars, unit_of, bases, basket, surplus, listed, problems)


def _wanted_tickers(
    units: Sequence[Ticker], study: Sequence[Ticker], spec: StudySpec, given: Given, peers: Sequence[Ticker]
) -> list[Ticker]:
    wanted = dict.fromkeys(units)
    for unit in units:
        if given.benchmark is None:
            wanted |= dict.fromkeys(benchmark_of(unit, spec.benchmark, study))
        if given.industry is None:
            wanted |= dict.fromkeys(benchmark_of(unit, spec.industry, study))
    return list(wanted | dict.fromkeys(peers))


def _axis(key: str, bars: Sequence[Bars], source: PriceSource) -> tuple[SessionCalendar, DateArray]:
    """Sessions from the first to the last bar of the shares on this exchange."""
    if key == PANEL:
        calendar = panel_calendar(source.dates())
        return calendar, calendar.sessions
    filled = [b.time for b in bars if len(b)]
    if not filled:
        raise BadData("the price input holds no bars; give at least one dated price")
    first = min(t[0] for t in filled).astype("datetime64[D]")
    last = max(t[-1] for t in filled).astype("datetime64[D]")
    calendar = session_calendar(key)
    lo, hi = np.searchsorted(calendar.sessions, [first, last + 1])
    return calendar, calendar.sessions[lo:hi]


def _rates(
    tickers: Sequence[Ticker], bars: Mapping[Ticker, Bars], source: PriceSource, axis: DateArray
) -> dict[Ticker, FloatArray]:
    """Units of each share's currency for one US dollar on the axis, the latest quote on or before each session."""
    out: dict[Ticker, FloatArray] = {}
    quotes: dict[str, FloatArray] = {}
    for ticker in tickers:
        currency = bars[ticker].meta.get("currency") or currency_of(exchange_of(ticker))
        if currency == "USD":
            continue
        if "ret" in bars[ticker]:
            raise RequestError(f'{ticker}: returns cannot be converted; give prices, or currency="local"')
        if currency not in quotes:
            if not source.own_dates and not source.has(f"{currency}=X", "1d"):
                raise NotInStore(f"{currency}=X")
            quotes[currency] = _latest_quote(source.bars(f"{currency}=X", "1d"), axis)
        out[ticker] = quotes[currency]
    return out


def _latest_quote(quote: Bars, axis: DateArray) -> FloatArray:
    price = quote.get("close") if "close" in quote else quote.get("adj_close")
    have = np.flatnonzero(np.isfinite(price) & (price > 0))
    at = np.searchsorted(quote.time[have], axis, side="right") - 1
    return np.where(at >= 0, price[have[np.maximum(at, 0)]], np.nan) if have.size else np.full(axis.size, np.nan)


def _asynchronous(bars: Bars, ticker: Ticker, calendar: SessionCalendar, axis: DateArray, kind: str) -> FloatArray:
    """Return of a share traded elsewhere between its latest closes that precede each local close."""
    if not calendar.has_clock:
        raise RequestError(
            f'{ticker} trades on other sessions; set calendar="XHKG" (a MIC) so that closes can be compared'
        )
    there = session_calendar(exchange_of(ticker))
    found = panels.trade_returns(bars)
    days = bars.time[found.row]
    at = np.searchsorted(there.sessions, days)
    known = (at < len(there)) & (there.sessions[np.minimum(at, len(there) - 1)] == days)
    logs = np.log(found.gross)
    logs[:1] = 0.0
    return _between_closes(there.closes[at[known]], np.cumsum(logs)[known], _local_closes(calendar, axis), kind)


def _local_closes(calendar: SessionCalendar, axis: DateArray) -> DateArray:
    return calendar.closes[np.searchsorted(calendar.sessions, axis)]


def _between_closes(closes: DateArray, level: FloatArray, local: DateArray, kind: str) -> FloatArray:
    """Change of a log level between the latest close at or before each local close; NaN where there is no new one."""
    last = np.searchsorted(closes, local, side="right") - 1
    out = np.full(local.size, np.nan)
    fresh = (last[1:] > last[:-1]) & (last[:-1] >= 0)
    change = level[last[1:]] - level[np.maximum(last[:-1], 0)]
    out[1:][fresh] = change[fresh] if kind == "log" else np.expm1(change[fresh])
    return out


def _regressors(
    units: Sequence[Ticker],
    study: Sequence[Ticker],
    spec: StudySpec,
    given: Given,
    series: Mapping[Ticker, FloatArray],
    calendar: SessionCalendar,
    axis: DateArray,
) -> tuple[tuple[str, ...], FloatArray, IntArray, dict[Ticker, tuple[Ticker, ...]], dict[Ticker, str]]:
    """Regressor names and values (B, T, q), one set for each distinct benchmark, and which set each unit reads."""
    factor_names, factor_columns = _factor_columns(given.factors, calendar, axis)
    sets: dict[tuple, FloatArray] = {}
    names: tuple[str, ...] = ()
    xid = np.zeros(len(units), np.int64)
    basket: dict[Ticker, tuple[Ticker, ...]] = {}
    problems: dict[Ticker, str] = {}
    for i, unit in enumerate(units):
        market = benchmark_of(unit, spec.benchmark, study)
        industry = benchmark_of(unit, spec.industry, study)
        basket[unit] = market
        if spec.benchmark is not None and given.benchmark is None and not market:
            problems[unit] = "the benchmark basket holds only the study's own shares"
        if market == (unit,):
            problems[unit] = f"the benchmark is the share itself ({unit})"
        columns: dict[str, FloatArray] = {}
        if given.benchmark is not None:
            columns["market"] = _on_axis(given.benchmark, axis)
        elif market:
            columns["market"] = panels.basket(np.stack([series[t] for t in market]))
        if given.industry is not None:
            columns["industry"] = _on_axis(given.industry, axis)
        elif industry:
            columns["industry"] = panels.basket(np.stack([series[t] for t in industry]))
        if "market" not in columns and "MKT" in factor_names and given.factors is not None:
            rf = _riskless(given.factors, calendar, axis)
            mkt = factor_columns[factor_names.index("MKT")]
            columns["market"] = mkt if rf is None else mkt + rf
        names = (*columns, *factor_names)
        stack = [*columns.values(), *factor_columns]
        key = (market, industry)
        if key not in sets:
            sets[key] = np.stack(stack, axis=1) if stack else np.empty((axis.size, 0))
        xid[i] = list(sets).index(key)
    return names, np.stack(list(sets.values())), xid, basket, problems


def _on_axis(given: tuple[DateArray, FloatArray], axis: DateArray) -> FloatArray:
    """A dated series read on the axis, NaN where it has no value."""
    dates, values = given
    at = np.searchsorted(dates, axis)
    ok = (
        (at < dates.size) & (dates[np.minimum(at, dates.size - 1)] == axis) if dates.size else np.zeros(axis.size, bool)
    )
    return np.where(ok, values[np.minimum(at, max(dates.size - 1, 0))], np.nan)


def _factor_columns(
    table: FactorTable | None, calendar: SessionCalendar, axis: DateArray
) -> tuple[tuple[str, ...], list[FloatArray]]:
    if table is None:
        return (), []
    columns = [_factor_on_axis(table.dates, table.values[:, j], calendar, axis) for j in range(len(table.names))]
    return tuple(table.names), columns


def _factor_on_axis(dates: DateArray, values: FloatArray, calendar: SessionCalendar, axis: DateArray) -> FloatArray:
    """US factor returns on the local axis: same date in New York or on a panel, else between the latest closes."""
    if not calendar.has_clock or calendar.tz == "America/New_York":
        return _on_axis((dates, values), axis)
    there = session_calendar("XNYS")
    at = np.searchsorted(there.sessions, dates)
    known = (at < len(there)) & np.isfinite(values)
    level = np.cumsum(np.log1p(values[known]))
    return _between_closes(there.closes[at[known]], level, _local_closes(calendar, axis), "simple")


def _riskless(table: FactorTable | None, calendar: SessionCalendar, axis: DateArray) -> FloatArray | None:
    if table is None or table.rf is None:
        return None
    if not calendar.has_clock or calendar.tz == "America/New_York":
        return _on_axis((table.dates, table.rf), axis)
    # The riskless rate of the latest US day on or before the local date.
    at = np.searchsorted(table.dates, axis, side="right") - 1
    return np.where(at >= 0, table.rf[np.maximum(at, 0)], np.nan)


def _listing_rows(units: Sequence[Ticker], bars: Mapping[Ticker, Bars], axis: DateArray) -> dict[Ticker, int]:
    """Row of the listing session of every unit whose listing date lies inside its data."""
    from .tickers import load_tickers

    table = load_tickers()
    out: dict[Ticker, int] = {}
    for unit in units:
        stated = bars[unit].meta.get("listing_date") or table.listing_date(unit)
        time = bars[unit].time
        if stated is None or not time.size:
            continue
        day = np.datetime64(stated, "D")
        if time[0].astype("datetime64[D]") <= day <= time[-1].astype("datetime64[D]"):
            out[unit] = int(np.searchsorted(axis, day))
    return out


def _usable(s: int, t: int, units: Sequence[Ticker], listed: Mapping[Ticker, int], skip_first: int) -> BoolArray:
    usable = np.ones((s, t), bool)
    for i, unit in enumerate(units):
        if unit in listed:
            usable[i, : listed[unit] + skip_first] = False
    return usable


def _peer_rows(
    units: Sequence[Ticker], peers: Sequence[Ticker], series: Mapping[Ticker, FloatArray]
) -> tuple[FloatArray | None, IntArray | None, tuple[str, ...]]:
    """Control shares (P, T) and, for each unit, the rows of those that are not the unit itself (-1 fills up)."""
    if not peers:
        return None, None, ()
    rows = np.stack([series[t] for t in peers])
    choices = [[j for j, p in enumerate(peers) if p != u] for u in units]
    width = max(len(c) for c in choices)
    return rows, np.array([c + [-1] * (width - len(c)) for c in choices], np.int64), tuple(peers)
