"""What a column of a price file is called, and what it means here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...errors import BadData

# Names are compared in lower case without blanks and signs: "Adj Close", "adj_close" and "AdjClose" are one.
SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(
        ("date", "dates", "datetime", "timestamp", "ts", "tradedate", "tradingdate", "tradingday", "caldt",
         "bartime", "barstart", "dateandtime", "session", "日期", "交易日期"), "date"),
    **dict.fromkeys(("time", "bartimeofday", "clock"), "time"),
    **dict.fromkeys(
        ("ticker", "tickers", "symbol", "symbols", "ric", "code", "tscode", "secid", "permno", "isin", "gvkey",
         "security", "securityid", "instrument", "代码", "股票代码"), "ticker"),
    **dict.fromkeys(("open", "openprice", "openingprice", "pxopen", "开盘", "开盘价"), "open"),
    **dict.fromkeys(("high", "highprice", "pxhigh", "最高", "最高价"), "high"),
    **dict.fromkeys(("low", "lowprice", "pxlow", "最低", "最低价"), "low"),
    **dict.fromkeys(
        ("close", "closelast", "closeprice", "closingprice", "lastprice", "price", "prc", "pxlast",
         "收盘", "收盘价"), "close"),
    **dict.fromkeys(
        ("prevclose", "previousclose", "preclose", "pclose", "prevcloseprice", "昨收", "前收盘"), "prev_close"),
    **dict.fromkeys(
        ("adjclose", "adjustedclose", "closeadj", "adjcloseprice", "adjustedclosingprice", "adjprice", "adjprc"),
        "adj_close"),
    **dict.fromkeys(("adjopen", "openadj"), "adj_open"),
    **dict.fromkeys(("adjhigh", "highadj"), "adj_high"),
    **dict.fromkeys(("adjlow", "lowadj"), "adj_low"),
    **dict.fromkeys(("volume", "vol", "shares", "sharestraded", "成交量"), "volume"),
    **dict.fromkeys(("turnover", "amount", "tradedvalue", "成交额"), "turnover"),
    **dict.fromkeys(("dividends", "dividend", "divamount", "cashdividend"), "dividends"),
    **dict.fromkeys(("splits", "split", "stocksplits", "stocksplit", "splitratio"), "splits"),
    **dict.fromkeys(("ret", "return", "returns", "totalreturn", "dailyreturn"), "ret"),
}  # fmt: skip

VALUE_ROLES = (
    "open", "high", "low", "close", "prev_close", "adj_close", "adj_open", "adj_high", "adj_low",
    "volume", "turnover", "dividends", "splits", "ret",
)  # fmt: skip

# Columns that only bars have; a ticker may be called LOW or OPEN, none is called "adj close".
_TELLTALE = ("close", "adj_close", "ret")
_TICKER_COLUMN = ("ticker", "tickers", "symbol", "symbols", "permno", "isin", "ric")


def _key(name: object) -> str:
    return re.sub(r"[\W_]+", "", str(name).lower())


def role_of(name: object) -> str:
    """The meaning of a column name, "" where it has none for us.

    >>> role_of("Adj Close"), role_of("Close/Last"), role_of("remarks")
    ('adj_close', 'close', '')
    """
    return SYNONYMS.get(_key(name), "")


def is_bar_shaped(names: Iterable[object]) -> bool:
    """Rows of bars (with or without a ticker column) rather than one column a ticker.

    Tickers may look like column names (OPEN, LOW, CODE), so a few of those among many unknown names prove nothing.
    """
    names = list(names)
    if any(_key(n) in _TICKER_COLUMN for n in names):
        return True
    known = {r for r in map(role_of, names) if r and r not in ("date", "time")}
    strange = sum(1 for n in names if str(n).strip() and not role_of(n))
    return ("ticker" in known or any(r in known for r in _TELLTALE)) and strange <= 3 * len(known)


def roles_of(names: Iterable[object], place: str) -> dict[str, int]:
    """Position of the column for every role; in rows of bars two columns of one meaning are an error."""
    names = list(names)
    bars = is_bar_shaped(names)
    found: dict[str, int] = {}
    for i, name in enumerate(names):
        role = role_of(name)
        if role in found and bars:
            both = f"{names[found[role]]!r} and {name!r}"
            raise BadData(f"{place}: columns {both} both mean {role}; leave one of them out")
        if role:
            found.setdefault(role, i)
    return found


def unnamed_column(names: list[str]) -> int | None:
    """The first column where it has no name or one that says nothing, as a written index has."""
    return 0 if re.fullmatch(r"|index|unnamed: ?0|__index_level_0__", names[0].strip().lower()) else None
