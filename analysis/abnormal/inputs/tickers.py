"""The ticker table: who is who, where and since when a share trades, and which names a text may call it by."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..domain import Ticker
from ..errors import BadData, UnknownName
from .bundled import data_path

__all__ = ["Match", "TickerRow", "TickerTable", "load_tickers"]


@dataclass(frozen=True, slots=True)
class TickerRow:
    """One listed share or index. `exchange` is the MIC of the listing; dates and share counts only where sourced.

    An alias that ends in `!` is matched as written or in capitals, never in lower case (Arm, not arm).
    """

    ticker: Ticker
    name: str
    name_zh: str = ""
    aliases: tuple[str, ...] = ()
    exchange: str = ""
    currency: str = ""
    listing_date: dt.date | None = None
    sector: str = ""
    shares_outstanding: float | None = None
    shares_as_of: dt.date | None = None
    source: str = ""

    @property
    def names(self) -> Iterator[str]:
        """Every name of the firm: English, Chinese, aliases; what stands in brackets is not part of a name."""
        for name in (re.sub(r"\s*\(.*\)", "", self.name), self.name_zh, *self.aliases):
            if name:
                yield name


class Match(NamedTuple):
    """A name found in a text: text[start:end] reads `alias`, which stands for `ticker`.

    `others` are further listings or firms the same name may mean (Alibaba: 9988.HK, and BABA besides).
    """

    ticker: Ticker
    alias: str
    start: int
    end: int
    others: tuple[Ticker, ...] = ()


@dataclass(frozen=True, slots=True)
class TickerTable:
    """Known tickers in the order of the file; of several lines of one firm the first is its home listing."""

    rows: tuple[TickerRow, ...]
    _by_ticker: dict[Ticker, TickerRow] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_ticker", {row.ticker: row for row in self.rows})

    @property
    def tickers(self) -> list[Ticker]:
        return [row.ticker for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[TickerRow]:
        return iter(self.rows)

    def __contains__(self, ticker: object) -> bool:
        return ticker in self._by_ticker

    def __getitem__(self, ticker: Ticker) -> TickerRow:
        """The row of a ticker; UnknownName with the nearest tickers where there is none."""
        found = self._by_ticker.get(ticker)
        if found is None:
            near = self.nearest(ticker)
            raise UnknownName("ticker", ticker, hint=f"Nearest: {', '.join(near)}" if near else "")
        return found

    def get(self, ticker: Ticker) -> TickerRow | None:
        """The row of a ticker, or None."""
        return self._by_ticker.get(ticker)

    def listing_date(self, ticker: Ticker) -> dt.date | None:
        """First day of trading, where a source gives it."""
        row = self.get(ticker)
        return None if row is None else row.listing_date

    def nearest(self, name: str, n: int = 5) -> list[Ticker]:
        """Tickers whose ticker or name is nearest to what was typed, best first.

        >>> load_tickers().nearest("Zipu")[0]
        '2513.HK'
        """
        owners = _names(self.rows)
        wanted = name.strip().casefold()
        close = get_close_matches(wanted, list(owners), n=3 * n, cutoff=0.6)
        found = [ticker for key in dict.fromkeys([wanted, *close]) for ticker in owners.get(key, ())]
        return list(dict.fromkeys(found))[:n]

    def match(self, text: str) -> list[Match]:
        """Firms a text names, in order of appearance; of overlapping names the longest wins.

        English names are found at word boundaries in any case, Chinese names anywhere, tickers with their suffix, after
        a `$` or in four capitals or more. A name that several tickers share is reported for the first, with `others`.

        >>> [(m.ticker, m.alias) for m in load_tickers().match("智谱大涨, MiniMax fell")]
        [('2513.HK', '智谱'), ('0100.HK', 'MiniMax')]
        """
        pattern, owners = _matcher(self.rows)
        found = []
        for hit in pattern.finditer(text):
            alias, tickers = _owners_of(hit.group(), owners)
            found.append(Match(tickers[0], alias, hit.start(), hit.end(), tickers[1:]))
        return found


# ------------------------------------------------------------------------------------------------------------- reading

_COLUMNS = (
    "ticker", "name", "name_zh", "aliases", "exchange", "currency", "listing_date", "sector", "shares_outstanding",
    "shares_as_of", "source",
)  # fmt: skip


def load_tickers(path: str | Path | None = None) -> TickerTable:
    """The bundled ticker table, or one in the same columns from `path`.

    Raises BadData, naming file and line, for a missing column, a ticker given twice, or an unreadable date or number.

    >>> load_tickers()["2513.HK"].listing_date.isoformat()
    '2026-01-08'
    """
    return _bundled_table() if path is None else _read(Path(path))


@lru_cache(maxsize=1)
def _bundled_table() -> TickerTable:
    return _read(data_path("tickers.csv"))


def _read(path: Path) -> TickerTable:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS[:2] if name not in (reader.fieldnames or ())]
        if missing:
            raise BadData(f"{path}:1: the header has no `{missing[0]}`; a ticker table has {', '.join(_COLUMNS)}")
        rows: dict[str, TickerRow] = {}
        for record in reader:
            row = _row({key: (value or "").strip() for key, value in record.items() if key}, path, reader.line_num)
            if row.ticker in rows:
                raise BadData(f"{path}:{reader.line_num}: {row.ticker} is listed twice")
            rows[row.ticker] = row
    return TickerTable(tuple(rows.values()))


def _row(record: dict[str, str], path: Path, line: int) -> TickerRow:
    if not record.get("ticker"):
        raise BadData(f"{path}:{line}: a row without ticker")
    values: dict[str, Any] = {name: record.get(name, "") for name in _COLUMNS}
    values["aliases"] = tuple(name.strip() for name in values["aliases"].split(";") if name.strip())
    try:
        for name in ("listing_date", "shares_as_of"):
            values[name] = dt.date.fromisoformat(values[name]) if values[name] else None
        shares = values["shares_outstanding"]
        values["shares_outstanding"] = float(shares) if shares else None
    except ValueError as wrong:
        raise BadData(
            f"{path}:{line}: {record['ticker']}: {wrong}; dates are YYYY-MM-DD, counts plain numbers"
        ) from None
    return TickerRow(**values)


# ------------------------------------------------------------------------------------------------------------ matching

Rows = tuple[TickerRow, ...]
Owners = dict[str, tuple[str, tuple[Ticker, ...]]]


@lru_cache(maxsize=8)
def _names(rows: Rows) -> dict[str, list[Ticker]]:
    """Tickers by everything they are called, in lower case."""
    found: dict[str, list[Ticker]] = {}
    for row in rows:
        for name in (row.ticker, *row.names):
            owners = found.setdefault(name.rstrip("!").casefold(), [])
            owners += [] if row.ticker in owners else [row.ticker]
    return found


@lru_cache(maxsize=8)
def _matcher(rows: Rows) -> tuple[re.Pattern[str], Owners]:
    """One pattern for all names, longest first, and who owns what it finds."""
    exact = {name[:-1] for row in rows for name in row.names if name.endswith("!")}
    owners: Owners = {}
    for row in rows:
        for name in row.names:
            alias = name.rstrip("!")
            for key in [alias, alias.upper()] if alias in exact else [alias.casefold()]:
                _own(owners, key, alias, row.ticker)
        for code in _codes(row.ticker):
            _own(owners, code, row.ticker, row.ticker)
    keys = sorted(owners, key=len, reverse=True)
    any_case = {alias.casefold() for alias, _ in owners.values()} - {alias.casefold() for alias in exact}
    return re.compile("|".join(_piece(key, key in any_case) for key in keys)), owners


def _own(owners: Owners, key: str, alias: str, ticker: Ticker) -> None:
    shown, tickers = owners.get(key, (alias, ()))
    owners[key] = (shown, tickers if ticker in tickers else (*tickers, ticker))


def _codes(ticker: Ticker) -> Sequence[str]:
    """The ways a text writes a ticker itself."""
    stem, dot, suffix = ticker.partition(".")
    if dot:
        stems = {stem, stem.zfill(5)} if suffix == "HK" else {stem}
        return [f"{s}{mark}{suffix}" for s in sorted(stems) for mark in ".-"]
    return [f"${ticker}"] + ([ticker] if len(ticker) >= 4 or ticker.startswith("^") else [])


def _piece(key: str, any_case: bool) -> str:
    body = r"\s+".join(re.escape(word) for word in key.split(" "))
    left = r"(?<![A-Za-z0-9])" if re.match(r"[A-Za-z0-9$^]", key) else ""
    right = r"(?![A-Za-z0-9])" if re.search(r"[A-Za-z0-9]$", key) else ""
    return f"{left}(?i:{body}){right}" if any_case else f"{left}{body}{right}"


def _owners_of(found: str, owners: Owners) -> tuple[str, tuple[Ticker, ...]]:
    key = " ".join(found.split())
    hits = [owners[k] for k in dict.fromkeys((key, key.casefold())) if k in owners]
    return hits[0][0], tuple(dict.fromkeys(ticker for _, tickers in hits for ticker in tickers))
