"""Which bars of the store will the vendor soon not hand out any more?"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ..domain import Ticker
from .fetching import LOOKBACK_DAYS
from .store import FREQUENCIES, PriceStore

SOON = 14


@dataclass(frozen=True, slots=True)
class Expiring:
    """A series with days the store has not fetched and the vendor will drop: the last day answered for, days left.

    days_left is 0 or less where days have been lost already. line: what to type.
    """

    ticker: Ticker
    freq: str
    answered_until: dt.date
    days_left: int
    line: str


def about_to_expire(store: PriceStore, today: dt.date, within: int = SOON) -> list[Expiring]:
    """Series of bars whose next unfetched day falls out of the vendor's look-back within some days, most urgent first.

    Parameters
    ----------
    store : the user's own series are looked at, never the bundled ones.
    today : the day to judge from.
    within : days.

    Examples
    --------
    >>> about_to_expire(PriceStore.bundled_only(), dt.date(2026, 11, 22))
    []
    """
    found = []
    for freq in FREQUENCIES:
        lookback = LOOKBACK_DAYS.get(freq)
        for ticker in store.own_tickers(freq) if lookback is not None else ():
            last = _answered_until(store, ticker, freq)
            left = (last - today).days + 1 + (lookback or 0)
            if left <= within:
                found.append(Expiring(ticker, freq, last, left, f"abnormal fetch {ticker} --freq {freq}"))
    return sorted(found, key=lambda x: (x.days_left, x.ticker, x.freq))


def _answered_until(store: PriceStore, ticker: Ticker, freq: str) -> dt.date:
    """The last day a series answers for: the end of what was fetched, else its last bar."""
    covered = [str(r).partition("/")[2] for r in store.meta(ticker, freq).get("covered", [])]
    return dt.date.fromisoformat(max([*covered, str(store.bars(ticker, freq).time[-1])[:10]]))
