"""The price store: bars on disk with where they come from, and one door to every source of prices.

``prices/interval=1d/ticker=2513.HK/bars.parquet`` below the store's folder, one file a ticker and frequency. Bundled
prices are always visible behind it, read only. Nothing here opens a connection.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, unquote

import numpy as np

from ..domain import Bars, DateArray, Ticker
from ..errors import BadData, NotInStore, RequestError, UnknownName, did_you_mean
from .barfile import content_digest, cut, read_bars, read_meta, write_bars
from .held import FREQUENCIES, HeldPrices, all_times, few, frequency, joint_digest, structured
from .locking import writer_lock
from .merge import Revision, WriteReport, joined_ranges, merge, merged_meta

__all__ = [
    "FREQUENCIES", "HeldPrices", "Mark", "PriceSource", "PriceStore", "Revision", "WriteReport", "frequency", "marks",
    "open_prices",
]  # fmt: skip

ENVIRONMENT = "ABNORMAL_STORE"


class PriceSource(Protocol):
    """What a study needs of prices, wherever they lie.

    `own_dates` says that the dates of the prices themselves are the sessions (a frame or file), not an exchange's.
    """

    @property
    def own_dates(self) -> bool: ...

    def bars(self, ticker: Ticker, freq: str = "1d", start: Any = None, end: Any = None) -> Bars: ...

    def tickers(self, freq: str = "1d") -> list[Ticker]: ...

    def has(self, ticker: Ticker, freq: str = "1d") -> bool: ...

    def meta(self, ticker: Ticker, freq: str = "1d") -> Mapping[str, Any]: ...

    def dates(self, freq: str = "1d") -> DateArray: ...

    def describe(self) -> str: ...

    def digest(self, tickers: Ticker | Iterable[Ticker] | None = None, freq: str = "1d") -> str: ...


class Mark(NamedTuple):
    """One value of the bundled prices to distrust."""

    ticker: Ticker
    date: np.datetime64
    column: str
    what: str


# ---------------------------------------------------------------------------------------------------- the store


class PriceStore:
    """Bars on disk, in a folder of the user, with the bundled prices behind it.

    Parameters
    ----------
    path : the folder; left out: ``$ABNORMAL_STORE``, else the user's data folder. It is made by the first write.
    bundled : show the prices that come with the package, where the store itself has none of a ticker.

    Examples
    --------
    >>> store = PriceStore.bundled_only()
    >>> store.bars("2513.HK", start="2026-06-12", end="2026-06-15").get("close").tolist()
    [1097.0, 1457.0]
    """

    own_dates = False

    def __init__(self, path: str | os.PathLike[str] | None = None, bundled: bool = True) -> None:
        self._root: Path | None = default_folder() if path is None else Path(path).expanduser()
        if self._root is not None and self._root.exists() and not self._root.is_dir():
            raise RequestError(f"{self._root} is a file; a price store is a folder (open_prices reads files)")
        self._bundled = bundled

    @classmethod
    def bundled_only(cls) -> PriceStore:
        """The bundled prices alone, whatever the user's store holds."""
        store = cls.__new__(cls)
        store._root, store._bundled = None, True
        return store

    @property
    def path(self) -> Path | None:
        """The folder of the store (None: bundled prices alone)."""
        return self._root

    def __repr__(self) -> str:
        return f"PriceStore({str(self._root)!r})" if self._root is not None else "PriceStore.bundled_only()"

    # -- reading

    def bars(self, ticker: Ticker, freq: str = "1d", start: Any = None, end: Any = None) -> Bars:
        """Bars of a ticker from `start` to `end`, both included; the user's own before the bundled ones.

        Raises UnknownName (no such ticker anywhere), NotInStore (with the line that fetches it), StoreBroken.
        """
        freq = frequency(freq)
        path = self._file(ticker, freq)
        if path is not None:
            try:
                return read_bars(path, start, end)
            except FileNotFoundError:
                pass  # not ours: perhaps bundled
        held = self._bundled_bars.get(ticker) if freq == "1d" else None
        if held is None:
            raise self._absent(ticker, freq)
        return cut(held, start, end)

    def tickers(self, freq: str = "1d") -> list[Ticker]:
        """Tickers with bars of a frequency, in order."""
        freq = frequency(freq)
        found = set(self._bundled_bars) if freq == "1d" else set()
        return sorted(found | set(self.own_tickers(freq)))

    def own_tickers(self, freq: str = "1d") -> list[Ticker]:
        """Tickers the store's own folder holds, without the bundled ones."""
        folder = None if self._root is None else self._root / "prices" / f"interval={freq}"
        if folder is None or not folder.is_dir():
            return []
        named = [e.name for e in os.scandir(folder) if e.name.startswith("ticker=")]
        return sorted(unquote(n.removeprefix("ticker=")) for n in named if (folder / n / "bars.parquet").is_file())

    def has(self, ticker: Ticker, freq: str = "1d") -> bool:
        """Whether there are bars of this ticker and frequency."""
        freq = frequency(freq)
        path = self._file(ticker, freq)
        return (path is not None and path.is_file()) or (freq == "1d" and ticker in self._bundled_bars)

    def meta(self, ticker: Ticker, freq: str = "1d") -> dict[str, Any]:
        """Where the bars of a ticker come from: source, retrieved, adjustment, currency, sha256, notes, covered ..."""
        freq = frequency(freq)
        path = self._file(ticker, freq)
        if path is not None and path.is_file():
            return read_meta(path)
        held = self._bundled_bars.get(ticker) if freq == "1d" else None
        if held is None:
            raise self._absent(ticker, freq)
        return {"ticker": ticker, "freq": freq, **structured(held.meta), "sha256": content_digest(held)}

    def own_meta(self, ticker: Ticker, freq: str = "1d") -> dict[str, Any]:
        """Metadata of the bars in the store's own folder; empty where there are none, bundled ones or not."""
        path = self._file(ticker, frequency(freq))
        return read_meta(path) if path is not None and path.is_file() else {}

    def dates(self, freq: str = "1d") -> DateArray:
        """Every time at which any ticker has a bar."""
        return all_times(self.bars(t, freq) for t in self.tickers(freq))

    def digest(self, tickers: Ticker | Iterable[Ticker] | None = None, freq: str = "1d") -> str:
        """sha256 of the content of one ticker's bars; of several (None: all) the sha256 of their digests."""
        if isinstance(tickers, str):
            return str(self.meta(tickers, freq)["sha256"])
        names = self.tickers(freq) if tickers is None else sorted(set(tickers))
        return joint_digest({t: str(self.meta(t, freq)["sha256"]) for t in names})

    def describe(self) -> str:
        """One line for a manifest: where the prices lie."""
        if self._root is None:
            return "bundled prices"
        return f"price store {self._root}" + (", bundled prices behind it" if self._bundled else "")

    def marks(self, ticker: Ticker) -> tuple[Mark, ...]:
        """Values of the bundled prices of a ticker to distrust (none where the store's own bars answer)."""
        path = self._file(ticker, "1d")
        return () if path is not None and path.is_file() else marks(ticker)

    # -- writing

    def write(
        self, bars: Bars, source: str = "", merge: bool = True, covered: tuple[Any, Any] | None = None
    ) -> WriteReport:
        """Put bars into the store, joined to what is there (or in its place), and say what that changed.

        Parameters
        ----------
        source : where the bars come from; default ``bars.meta["source"]``.
        merge : keep stored bars the new ones do not contain; False replaces the whole series.
        covered : first and last date these bars answer for, so that a later fetch need not ask again.

        Raises BadData where the two do not go together (other currency, other adjustment), StoreBroken.
        """
        if self._root is None:
            raise RequestError("the bundled prices are read only; use PriceStore() or PriceStore(folder)")
        if len(bars) == 0:
            raise BadData(f"{bars.ticker}: there are no bars to store")
        path = self._file(bars.ticker, frequency(bars.freq))
        assert path is not None
        meta = _new_meta(bars, source, covered)
        with writer_lock(path.parent):
            old = read_bars(path) if merge and path.is_file() else None
            merged, report, meta = self._joined(path, old, bars, meta)
            digest = write_bars(path, merged, meta)
        shown = [str(merged.time[k].astype("datetime64[D]")) for k in (0, -1)]
        return replace(report, first=shown[0], last=shown[1], digest=digest)

    def _joined(
        self, path: Path, old: Bars | None, new: Bars, meta: dict[str, Any]
    ) -> tuple[Bars, WriteReport, dict[str, Any]]:
        if old is None:
            return new, WriteReport(new.ticker, new.freq, len(new), len(new)), meta
        was = read_meta(path)
        _require_same_kind(new.ticker, was, meta)
        merged, report = merge(old, new, self._splits_since(old))
        return merged, report, merged_meta(was, meta, report)

    def _splits_since(self, old: Bars) -> float:
        """Product of the splits after the last stored bar within the day, from the ticker's daily bars."""
        path = self._file(old.ticker, "1d")
        if old.freq == "1d" or len(old) == 0 or path is None or not path.is_file():
            return 1.0
        daily = read_bars(path, start=old.time[-1].astype("datetime64[D]") + 1)
        ratio = daily.get("splits")
        return float(np.prod(ratio[ratio > 0]))

    # -- inside

    def _file(self, ticker: Ticker, freq: str) -> Path | None:
        if self._root is None:
            return None
        return self._root / "prices" / f"interval={freq}" / f"ticker={folder_name(ticker)}" / "bars.parquet"

    @cached_property
    def _bundled_bars(self) -> dict[Ticker, Bars]:
        return bundled_bars() if self._bundled else {}

    def _absent(self, ticker: Ticker, freq: str) -> Exception:
        option = "" if freq == "1d" else f" --freq {freq}"
        line = f"abnormal fetch {ticker}{option}"
        elsewhere = any(self.has(ticker, f) for f in FREQUENCIES if f != freq)
        known = _table_tickers()
        if elsewhere or ticker in known:
            return NotInStore(ticker, line)
        names = sorted({*self.tickers(freq), *known})
        return UnknownName("ticker", ticker, names, f"If it is right, type: {line}")


def default_folder() -> Path:
    """``$ABNORMAL_STORE``, else the user's data folder."""
    given = os.environ.get(ENVIRONMENT)
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("abnormal", appauthor=False))


def folder_name(ticker: Ticker) -> str:
    """The ticker as part of a path on any system; odd signs as %XX. Raises RequestError where that cannot be."""
    if not ticker or len(ticker) > 64 or ticker != ticker.strip() or any(ord(c) < 32 for c in ticker):
        raise RequestError(f"{ticker!r} is not a ticker; give one such as 2513.HK, BRK-B or ^GSPC")
    safe = quote(ticker, safe="^-._")
    return safe[:-1] + "%2E" if safe.endswith(".") else safe


def _new_meta(bars: Bars, source: str, covered: tuple[Any, Any] | None) -> dict[str, Any]:
    meta = structured(bars.meta)
    meta["source"] = source or meta.get("source") or "not stated"
    meta.setdefault("retrieved", dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    if covered is not None:
        first, last = (np.datetime64(day, "D") for day in covered)
        meta["covered"] = joined_ranges([*meta.get("covered", []), f"{first}/{last}"])
    return meta


def _require_same_kind(ticker: Ticker, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in ("currency", "adjustment"):
        was, now = str(old.get(key, "")), str(new.get(key, ""))
        if was and now and was != now:
            raise BadData(
                f"{ticker}: the stored bars have {key} {was!r} (from {old.get('source')}), the new ones {now!r}; they do "
                "not make one series. Replace the stored ones (merge=False) or use another store"
            )


def _table_tickers() -> set[Ticker]:
    """Tickers of the bundled table of companies."""
    import csv

    from .bundled import data_path

    path = data_path("tickers.csv")
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["ticker"] for row in csv.DictReader(stream)}


# ---------------------------------------------------------------------------------------------------- bundled


def bundled_bars() -> dict[Ticker, Bars]:
    """The prices that come with the package, with source, licence and marks in their metadata."""
    import csv

    from .bundled import data_path
    from .providers.files import read_prices

    folder = data_path("prices")
    with (folder / "sources.csv").open(encoding="utf-8", newline="") as stream:
        sources = list(csv.DictReader(stream))
    doubts = _all_marks()
    out: dict[Ticker, Bars] = {}
    for row in sources:
        facts = {k: row[k] for k in ("source", "retrieved", "adjustment", "currency", "licence")} | {
            "file": row["file"]
        }
        for ticker, bars in read_prices(folder / row["file"]).items():
            told = [f"{m.date} {m.column}: {m.what}" for m in doubts if m.ticker == ticker]
            meta = {**bars.meta, **facts, **({"marks": "\n".join(told)} if told else {})}
            out[ticker] = replace(bars, meta=meta)
    return out


def marks(ticker: Ticker) -> tuple[Mark, ...]:
    """Values of the bundled prices of a ticker to distrust, from ``data/prices/marks.csv``."""
    return tuple(m for m in _all_marks() if m.ticker == ticker)


def _all_marks() -> list[Mark]:
    import csv

    from .bundled import data_path

    with data_path("prices", "marks.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [Mark(r["ticker"], np.datetime64(r["date"], "D"), r["column"], r["what"]) for r in rows]


# ---------------------------------------------------------------------------------------------------- other sources


def open_prices(source: Any = None) -> PriceSource:
    """One object with `.bars`, `.tickers`, `.has`, `.describe`, `.digest` for whatever a user calls prices.

    Parameters
    ----------
    source : None (the user's store), "bundled", a PriceStore, a store folder, a CSV or Parquet file, a pandas frame,
        `Returns` of one of these, or a dict of ticker -> bars, frame or series.

    Raises
    ------
    BadData, RequestError
        where it can be none of these.
    """
    if source is None:
        return PriceStore()
    if isinstance(source, PriceStore | HeldPrices):
        return source
    from .providers.files import Returns

    if isinstance(source, Returns):
        return _held(source.data, returns=True)
    if isinstance(source, str) and source == "bundled":
        return PriceStore.bundled_only()
    if isinstance(source, str | os.PathLike) and Path(source).expanduser().is_dir():
        return _store_folder(Path(source).expanduser())
    return _held(source, returns=False)


def _store_folder(folder: Path) -> PriceStore:
    if not (folder / "prices").is_dir() and any(folder.iterdir()):
        files = sorted(p.name for p in folder.iterdir() if p.suffix in (".csv", ".parquet"))
        hint = f"; did you mean {folder / files[0]}?" if files else ""
        raise RequestError(f"{folder} is not a price store (it has no folder prices){hint}")
    return PriceStore(folder)


def _held(source: Any, returns: bool) -> HeldPrices:
    from .providers.files import frame_to_bars, read_prices

    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if not path.exists() and not path.suffix:
            raise RequestError(f"{path}: no such folder or file{did_you_mean(path.name, _beside(path))}")
        return HeldPrices(read_prices(path, returns=returns), path.name)
    if isinstance(source, Mapping):
        return HeldPrices(_from_mapping(source, returns), "the dict of prices")
    return HeldPrices(frame_to_bars(source, returns), "the frame of returns" if returns else "the frame of prices")


def _beside(path: Path) -> list[str]:
    return [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []


def _from_mapping(source: Mapping[Any, Any], returns: bool) -> dict[Ticker, Bars]:
    """A dict of ticker -> Bars, frame or series."""
    import pandas as pd

    from .providers.files import frame_to_bars

    if source and all(isinstance(v, pd.Series) for v in source.values()):
        return frame_to_bars(pd.DataFrame(dict(source)), returns)
    out: dict[Ticker, Bars] = {}
    for ticker, value in source.items():
        if isinstance(value, Bars):
            out[str(ticker)] = replace(value, ticker=str(ticker))
            continue
        found = frame_to_bars(value, returns, ticker=str(ticker))
        if set(found) != {str(ticker)}:
            raise BadData(f"the frame given for {ticker} holds {few(sorted(found))}; one security a frame is expected")
        out.update(found)
    return out
