"""Dividends and splits taken out of bars within the day, from the daily bars of the same ticker."""

from __future__ import annotations

import numpy as np

from ..domain import Bars, DateArray, FloatArray
from .fetching import local_dates


def adjust_intraday(bars: Bars, daily: Bars) -> Bars:
    """Bars within the day with dividends (and splits, where they are as traded) taken out of all earlier prices.

    Vendors give intraday bars unadjusted for dividends, so the return over the night before an ex-date is too low. Every
    price before ex-date x is multiplied by 1 - D_x / C_{x-1}, from the daily dividends and closes; volumes go with splits.

    Parameters
    ----------
    bars : intraday bars; their own dividends and splits columns are dropped, those of `daily` count.
    daily : daily bars of the same ticker with close, dividends and splits.
    """
    ex, cash = _dividend_factors(daily)
    split_dates, shares = _split_factors(bars, daily)
    day = local_dates(bars)
    price = _later_product(day, ex, cash) * _later_product(day, split_dates, shares)
    volume = 1.0 / _later_product(day, split_dates, shares)
    columns = {
        name: values * (volume if name == "volume" else price)
        for name, values in bars.columns.items()
        if name not in ("dividends", "splits")
    }
    return Bars(bars.ticker, bars.time, columns, bars.freq, {**bars.meta, "adjustment": "splits and dividends"})


def _dividend_factors(daily: Bars) -> tuple[DateArray, FloatArray]:
    """Ex-dates and 1 - D / last close before."""
    paid = daily.get("dividends")
    close = daily.get("close")
    rows = np.flatnonzero(paid > 0)
    before = _last_finite(close)[rows - 1]
    split = daily.get("splits")[rows]
    # As-traded dividends of a day with a split are in new shares, the close before in old ones.
    ratio = np.where((split > 0) & ("split" not in daily.meta.get("adjustment", "")), split, 1.0)
    good = (rows > 0) & np.isfinite(before)
    return daily.time[rows[good]], 1.0 - paid[rows[good]] * ratio[good] / before[good]


def _last_finite(values: FloatArray) -> FloatArray:
    at = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(values.size), 0))
    return values[at]


def _split_factors(bars: Bars, daily: Bars) -> tuple[DateArray, FloatArray]:
    """Split dates and 1 / ratio, for bars that are as traded; none for bars the vendor has adjusted."""
    ratio = daily.get("splits")
    rows = np.flatnonzero((ratio > 0) & (ratio != 1))
    if "split" in bars.meta.get("adjustment", ""):
        rows = rows[:0]
    return daily.time[rows], 1.0 / ratio[rows]


def _later_product(day: DateArray, dates: DateArray, factors: FloatArray) -> FloatArray:
    """Product of the factors of all dates after each day."""
    tail = np.append(np.cumprod(factors[::-1])[::-1], 1.0)
    return tail[np.searchsorted(dates, day, side="right")]
