"""The day of the event from its open, high, low and close (M 6.2, 6.3), pair by pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .case import Case
from .domain import Bars, DateArray, FloatArray, Ticker
from .inputs.tapes import Recording
from .kernel import ohlc
from .kernel.dist import count_at_least


class Path(NamedTuple):
    """Daily prices of one share on its session axis, (T,) each, NaN where there is no trade; `before` is the close before."""

    before: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


def price_path(rec: Recording, ticker: Ticker) -> Path | None:
    """Open, high, low, close and the (dividend-adjusted) close before on the axis; None without a high and a low."""
    bars = rec.bars[ticker]
    if "high" not in bars or "low" not in bars or "close" not in bars:
        return None
    columns = [_spread(bars, name, rec.tape.time) for name in ("open", "high", "low", "close")]
    traded = np.isfinite(columns[3])
    held = np.where(traded, np.arange(traded.size), -1)
    last = np.maximum.accumulate(held)
    before = np.full(traded.size, np.nan)
    seen = last[:-1] >= 0
    before[1:][seen] = columns[3][last[:-1][seen]]
    stated = _spread(bars, "prev_close", rec.tape.time)
    # On the listing day the previous close is the offer price: no traded price, no path.
    first = int(np.argmax(traded)) if traded.any() else 0
    before = np.where(np.isfinite(stated) & (np.arange(traded.size) > first), stated, before)
    return Path(before, *columns)


def _spread(bars: Bars, name: str, axis: DateArray) -> FloatArray:
    out = np.full(axis.size, np.nan)
    at = np.searchsorted(axis, bars.time)
    ok = (at < axis.size) & (axis[np.minimum(at, axis.size - 1)] == bars.time)
    out[at[ok]] = bars.get(name)[ok]
    return out


def extremes(path: Path, direction: int) -> FloatArray:
    """ln(high / close before), or ln(low / close before) for a fall, on every session."""
    edge = path.low if direction < 0 else path.high
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(edge / path.before)


def jump_row(case: Case, i: int) -> dict[str, object] | None:
    """The day-0 anatomy of pair i, or None where only closes exist."""
    rec, pair = case.recording(i), case.pairs[i]
    path = price_path(rec, pair.ticker)
    row = int(case.day0[i])
    if path is None:
        return None
    day = ohlc.day_decomposition(path.before[row], path.open[row], path.high[row], path.low[row], path.close[row])
    direction = int(day.direction)
    est = estimation_rows(case, i)
    x = extremes(path, direction)
    with np.errstate(invalid="ignore", divide="ignore"):
        closes = np.log(path.close / path.before)
    rank = ohlc.extreme_statistic(x[est], x[row], closes[est], direction)
    selection = jump_selection(case, i, direction)
    return {
        "direction": direction,
        "prev_close": float(path.before[row]),
        "open": float(path.open[row]),
        "high": float(path.high[row]),
        "low": float(path.low[row]),
        "close": float(path.close[row]),
        "overnight": float(day.overnight),
        "rise": float(day.rise),
        "retreat": float(day.retreat),
        "total": float(day.total),
        "peak_gain": float(day.peak_gain),
        "give_back": float(day.give_back),
        "rank_p": float(rank.p_rank),
        "rank_n": int(rank.m),
        "robust_z": float(rank.robust_z),
        "reflection_p": float(rank.p_reflection),
        "selection_p": selection[0],
        "selection_n": selection[1],
        "reason": str(day.reason),
    }


def estimation_rows(case: Case, i: int) -> np.ndarray:
    """Tape rows of pair i's estimation sessions."""
    return case.day0[i] + case.ar.offsets[np.flatnonzero(case.ar.est[i])]


def jump_selection(case: Case, i: int, direction: int) -> tuple[float, float]:
    """The peak among the largest peaks of all candidates, each in units of its own median and MAD: p and number of days."""
    tickers = list(dict.fromkeys([case.pairs[i].ticker, *case.spec.candidates]))
    if not case.spec.candidates:
        return np.nan, np.nan
    rec, row = case.recording(i), int(case.day0[i])
    days = estimation_rows(case, i)
    columns, now = [], np.nan
    for ticker in tickers:
        path = price_path(rec, ticker) if ticker in rec.unit_of else None
        if path is None:
            return np.nan, np.nan
        x = direction * extremes(path, direction) if direction else extremes(path, 1)
        usable = rec.tape.usable[rec.unit_of[ticker]]
        past = np.where(usable[days], x[days], np.nan)
        middle = np.nanmedian(past)
        scale = ohlc.MAD_TO_SD * np.nanmedian(np.abs(past - middle))
        columns.append((past - middle) / scale)
        if ticker == case.pairs[i].ticker:
            now = (x[row] - middle) / scale
    largest = np.max(np.abs(np.stack(columns)), axis=0)
    largest = largest[np.isfinite(largest)]
    if not largest.size or not np.isfinite(now):
        return np.nan, float(largest.size)
    return float((1 + count_at_least(largest, abs(now))) / (largest.size + 1)), float(largest.size)
