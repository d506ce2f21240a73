"""yfinance's frames -> bars: the regular session only, rows without prices kept, bars joined to longer ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ...domain import Bars, DateArray, FloatArray, IntArray, Ticker
from ...errors import AbnormalError
from ..fetching import minutes_of
from .yahoo_answers import Facts

SOURCE = "Yahoo Finance"
# 30-minute bars are asked for as 15-minute ones: Yahoo answers 30m with hours.
ASKED_AS = {"30m": "15m"}
_COLUMNS = {
    "Open": "open", "High": "high", "Low": "low", "Close": "close", "Adj Close": "adj_close", "Volume": "volume",
    "Dividends": "dividends", "Stock Splits": "splits",
}  # fmt: skip


def bars_from_frame(frame: Any, ticker: Ticker, freq: str, facts: Facts, now: dt.datetime, version: str) -> Bars:
    notes: list[str] = []
    columns = {
        ours: frame[theirs].to_numpy(dtype=float) for theirs, ours in _COLUMNS.items() if theirs in frame.columns
    }
    empty = np.isnan(columns["close"])
    columns["volume"] = np.where(empty & (columns["volume"] == 0), np.nan, columns["volume"])  # yfinance fills in zeros
    if freq == "1d":
        times = frame.index.tz_localize(None).to_numpy().astype("datetime64[D]")
    else:
        columns.pop("adj_close", None)  # a copy of the close
        times = frame.index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
        times, columns = _in_session(times, columns, facts, ticker, notes)
        if freq in ASKED_AS:
            times, columns = _coarser(times, columns, minutes_of(freq), facts)
    if "Capital Gains" in frame.columns and (frame["Capital Gains"] > 0).any():
        notes.append("capital gains paid by the fund are not among the dividends")
    strange = facts.dividend_currencies - {facts.currency}
    if strange:
        notes.append(f"dividends are stated in {' and '.join(sorted(strange))}, prices in {facts.currency}")
    meta = {
        "source": SOURCE,
        "library": f"yfinance {version}",
        "retrieved": now.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "adjustment": "splits",
        "currency": facts.currency,
        "exchange_timezone": facts.timezone,
        "listing_date": _first_day(facts),
        "notes": "\n".join(notes),
    }
    return Bars(ticker, times, columns, freq, {k: v for k, v in meta.items() if v})


def _first_day(facts: Facts) -> str:
    from zoneinfo import ZoneInfo

    if facts.first_trade is None or not facts.timezone:
        return ""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=int(facts.first_trade))
    return str(moment.astimezone(ZoneInfo(facts.timezone)).date())


def _in_session(
    times: DateArray, columns: dict[str, FloatArray], facts: Facts, ticker: Ticker, notes: list[str]
) -> tuple[DateArray, dict[str, FloatArray]]:
    """Bars of the regular session. Where a market has no trading after hours, bars at its close are the auction's."""
    periods = facts.regular or _calendar_periods(ticker, times)
    if not periods:
        notes.append("bars before and after the session could not be told apart")
        return times, columns
    starts, ends = np.array(periods, dtype=np.int64).T
    seconds = times.astype("datetime64[s]").astype(np.int64)
    at = np.searchsorted(starts, seconds, side="right") - 1
    auction = 0 if facts.after_hours else 10 * 60
    keep = (at >= 0) & (seconds < ends[at] + auction + (auction > 0))
    if not keep.all():
        notes.append(f"{int((~keep).sum())} bars outside the regular session left out")
    return times[keep], {k: v[keep] for k, v in columns.items()}


def _calendar_periods(ticker: Ticker, times: DateArray) -> list[tuple[int, int]]:
    from ..calendars import session_calendar
    from ..exchanges import exchange_of

    try:
        calendar = session_calendar(exchange_of(ticker))
    except AbnormalError:
        return []
    near = (calendar.closes >= times[0]) & (calendar.opens <= times[-1])
    seconds = [a[near].astype("datetime64[s]").astype(np.int64).tolist() for a in (calendar.opens, calendar.closes)]
    return list(zip(*seconds))


def _coarser(
    times: DateArray, columns: dict[str, FloatArray], minutes: int, facts: Facts
) -> tuple[DateArray, dict[str, FloatArray]]:
    """Bars joined to longer ones, counted from the opening of their session."""
    if times.size == 0:
        return times, columns
    seconds = times.astype("datetime64[s]").astype(np.int64)
    length = minutes * 60
    anchor = np.zeros_like(seconds)
    if facts.regular:
        starts = np.array([a for a, _ in facts.regular], dtype=np.int64)
        anchor = starts[np.maximum(np.searchsorted(starts, seconds, side="right") - 1, 0)]
    bar = anchor + (seconds - anchor) // length * length
    first = np.flatnonzero(np.diff(bar, prepend=bar[0] - 1))
    return bar[first].astype("datetime64[s]").astype("datetime64[ns]"), {
        name: _reduced(name, values, first) for name, values in columns.items()
    }


def _reduced(name: str, values: FloatArray, first: IntArray) -> FloatArray:
    """One value a longer bar: first, highest, lowest, last or sum of what is there; NaN where nothing is."""
    edges = np.append(first, values.size)
    if name == "high":
        return np.fmax.reduceat(values, first)
    if name == "low":
        return np.fmin.reduceat(values, first)
    groups = [values[a:b][np.isfinite(values[a:b])] for a, b in pairwise(edges)]
    pick: dict[str, Callable[[FloatArray], float]] = {
        "open": lambda g: g[0], "close": lambda g: g[-1], "splits": lambda g: float(np.prod(g[g > 0])) if (g > 0).any() else 0.0,
    }  # fmt: skip
    choose = pick.get(name, np.sum)
    return np.array([choose(g) if g.size else np.nan for g in groups])


def joined(parts: list[Bars]) -> Bars:
    """Answers to neighbouring requests as one series."""
    if len(parts) == 1:
        return parts[0]
    time, first = np.unique(np.concatenate([p.time for p in parts]), return_index=True)
    names = [n for n in _COLUMNS.values() if any(n in p for p in parts)]
    columns = {n: np.concatenate([p.get(n) for p in parts])[first] for n in names}
    notes = dict.fromkeys(n for p in parts for n in p.meta.get("notes", "").split("\n") if n)
    meta = {**parts[-1].meta, "notes": "\n".join(notes)}
    return Bars(parts[0].ticker, time, columns, parts[0].freq, {k: v for k, v in meta.items() if v})
