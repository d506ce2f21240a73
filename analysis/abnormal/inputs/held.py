"""Prices and returns held in memory, with the same face as the price store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..domain import Bars, DateArray, Ticker
from ..errors import BadData, RequestError, UnknownName
from .barfile import content_digest, cut
from .merge import LIST_KEYS

FREQUENCIES = ("1d", "1h", "30m", "15m", "5m", "2m", "1m")


def frequency(freq: str) -> str:
    """The frequency as it names a folder: "60m" is "1h". Raises UnknownName."""
    name = {"60m": "1h", "1D": "1d", "d": "1d", "daily": "1d"}.get(freq, freq)
    if not re.fullmatch(r"[1-9]\d{0,2}[mhd]", name):
        raise UnknownName("frequency", freq, FREQUENCIES, f"Known: {' '.join(FREQUENCIES)}")
    return name


class HeldPrices:
    """Prices or returns held in memory: a frame, a file or a dict of bars, behind the same face as the store."""

    own_dates = True

    def __init__(self, bars: Mapping[Ticker, Bars], name: str) -> None:
        if not bars:
            raise BadData(f"{name} holds no prices; give at least one ticker with one dated price")
        self._bars = dict(bars)
        self._name = name
        found = {b.freq for b in self._bars.values()}
        if len(found) > 1:
            raise BadData(f"{name} mixes bars of {' and '.join(sorted(found))}; one frequency is needed")
        self.freq = next(iter(found))

    def __repr__(self) -> str:
        return f"HeldPrices({self._name}: {len(self._bars)} tickers, {self.freq})"

    def bars(self, ticker: Ticker, freq: str = "1d", start: Any = None, end: Any = None) -> Bars:
        """Bars of a ticker from `start` to `end`, both included. Raises UnknownName, RequestError (other frequency)."""
        self._require(freq)
        if ticker not in self._bars:
            raise UnknownName("ticker", ticker, self._bars, f"{self._name} holds {few(self.tickers(freq))}")
        return cut(self._bars[ticker], start, end)

    def tickers(self, freq: str = "1d") -> list[Ticker]:
        """Tickers held, in order."""
        return sorted(self._bars) if frequency(freq) == self.freq else []

    def has(self, ticker: Ticker, freq: str = "1d") -> bool:
        """Whether there are bars of this ticker and frequency."""
        return ticker in self._bars and frequency(freq) == self.freq

    def meta(self, ticker: Ticker, freq: str = "1d") -> dict[str, Any]:
        """Source, notes and digest of the bars of a ticker."""
        bars = self.bars(ticker, freq)
        return {"ticker": ticker, "freq": self.freq, **structured(bars.meta), "sha256": content_digest(bars)}

    def dates(self, freq: str = "1d") -> DateArray:
        """Every time at which any ticker has a bar."""
        self._require(freq)
        return all_times(self._bars.values())

    def digest(self, tickers: Ticker | Iterable[Ticker] | None = None, freq: str = "1d") -> str:
        """sha256 of the content of one ticker's bars; of several (None: all) the sha256 of their digests."""
        if isinstance(tickers, str):
            return content_digest(self.bars(tickers, freq))
        names = self.tickers(freq) if tickers is None else tickers
        return joint_digest({t: content_digest(self.bars(t, freq)) for t in names})

    def describe(self) -> str:
        """One line for a manifest: what was given."""
        return f"{self._name} ({len(self._bars)} tickers)"

    def _require(self, freq: str) -> None:
        if frequency(freq) != self.freq:
            raise RequestError(f'{self._name} holds {self.freq} bars and {freq} were asked for; set freq="{self.freq}"')


def few(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" ... ({len(names)} in all)" if len(names) > 8 else "")


def structured(meta: Mapping[str, str]) -> dict[str, Any]:
    """Metadata of bars with their lists as lists."""
    own = {"schema", "ticker", "freq", "sha256"}
    return {k: v.split("\n") if k in LIST_KEYS else v for k, v in meta.items() if k not in own and v}


def joint_digest(digests: Mapping[Ticker, str]) -> str:
    return hashlib.sha256("\n".join(f"{t} {d}" for t, d in sorted(digests.items())).encode()).hexdigest()


def all_times(series: Iterable[Bars]) -> DateArray:
    times = [b.time for b in series]
    return np.unique(np.concatenate(times)) if times else np.empty(0, "datetime64[D]")
