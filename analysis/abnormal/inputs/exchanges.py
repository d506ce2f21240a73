"""Which exchange does a ticker trade on, in which zone and currency does it live?

Tickers are written as Yahoo writes them: the suffix names the exchange, none means the United States. A market whose
sessions are those of another one (Shenzhen trades when Shanghai does) answers with the MIC of that calendar.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UnknownName


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange calendar: MIC, IANA zone, currency, ticker suffixes, index tickers, MICs that share its sessions."""

    mic: str
    timezone: str
    currency: str
    suffixes: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


# London's shares are quoted in pence by most vendors; the currency is GBP all the same.
EXCHANGES = (
    Exchange(
        "XNYS", "America/New_York", "USD", ("",),
        ("^GSPC", "^NDX", "^DJI", "^IXIC", "^RUT", "^SOX", "^VIX", "^NYA", "^OEX", "^SP500TR", "^XNDX"),
        ("XNAS", "XASE", "ARCX", "BATS"),
    ),
    Exchange("XHKG", "Asia/Hong_Kong", "HKD", (".HK",), ("^HSI", "^HSCE", "^HSTECH")),
    Exchange("XSHG", "Asia/Shanghai", "CNY", (".SS", ".SZ"), also=("XSHE",)),
    Exchange("XTKS", "Asia/Tokyo", "JPY", (".T",), ("^N225",)),
    Exchange("XKRX", "Asia/Seoul", "KRW", (".KS", ".KQ"), ("^KS11", "^KS200", "^KQ11"), ("XKOS",)),
    Exchange("XTAI", "Asia/Taipei", "TWD", (".TW", ".TWO"), ("^TWII", "^TWOII"), ("ROCO",)),
    Exchange("XLON", "Europe/London", "GBP", (".L",), ("^FTSE", "^FTMC")),
    Exchange("XPAR", "Europe/Paris", "EUR", (".PA",), ("^FCHI",)),
    Exchange("XETR", "Europe/Berlin", "EUR", (".DE",), ("^GDAXI", "^MDAXI", "^STOXX50E", "^STOXX")),
    Exchange("XAMS", "Europe/Amsterdam", "EUR", (".AS",), ("^AEX",)),
    Exchange("XSWX", "Europe/Zurich", "CHF", (".SW",), ("^SSMI",)),
    Exchange("XTSE", "America/Toronto", "CAD", (".TO", ".V"), ("^GSPTSE",), ("XTSX",)),
    Exchange("XASX", "Australia/Sydney", "AUD", (".AX",), ("^AXJO", "^AORD")),
    Exchange("XBOM", "Asia/Kolkata", "INR", (".NS", ".BO"), ("^NSEI", "^BSESN", "^NSEBANK"), ("XNSE",)),
    Exchange("XFRA", "Europe/Berlin", "EUR", (".F",)),
    Exchange("XMIL", "Europe/Rome", "EUR", (".MI",)),
    Exchange("XMAD", "Europe/Madrid", "EUR", (".MC",), ("^IBEX",)),
    Exchange("XBRU", "Europe/Brussels", "EUR", (".BR",), ("^BFX",)),
    Exchange("XSTO", "Europe/Stockholm", "SEK", (".ST",), ("^OMX",)),
    Exchange("XCSE", "Europe/Copenhagen", "DKK", (".CO",)),
    Exchange("XHEL", "Europe/Helsinki", "EUR", (".HE",)),
    Exchange("XOSL", "Europe/Oslo", "NOK", (".OL",)),
    Exchange("XSES", "Asia/Singapore", "SGD", (".SI",), ("^STI",)),
)  # fmt: skip

_BY_MIC = {mic: e for e in EXCHANGES for mic in (e.mic, *e.also)}
_BY_SUFFIX = {suffix: e for e in EXCHANGES for suffix in e.suffixes}
_BY_INDEX = {ticker: e for e in EXCHANGES for ticker in e.indices}


def exchange_of(ticker: str) -> str:
    """MIC of the exchange calendar a ticker follows, from its suffix (none = United States).

    Raises UnknownName for a suffix or an index that is not known.

    >>> exchange_of("2513.HK"), exchange_of("NVDA"), exchange_of("^HSI"), exchange_of("300750.SZ")
    ('XHKG', 'XNYS', 'XHKG', 'XSHG')
    """
    name = ticker.strip().upper()
    if name.startswith("^"):
        return _of_index(name)
    if not name or "=" in name:
        raise UnknownName("exchange of ticker", ticker, hint='It has no exchange sessions; set calendar="panel"')
    stem, dot, tail = name.rpartition(".")
    found = _BY_SUFFIX.get(f".{tail}" if dot else "")
    if found is None or (dot and not stem):
        raise UnknownName("suffix in ticker", ticker, hint=_suffix_hint(stem, tail))
    return found.mic


def _of_index(name: str) -> str:
    found = _BY_INDEX.get(name)
    if found is None:
        raise UnknownName("index", name, _BY_INDEX, f"Known: {' '.join(_BY_INDEX)}; or set calendar to a MIC")
    return found.mic


def _suffix_hint(stem: str, tail: str) -> str:
    known = " ".join(sorted(s for s in _BY_SUFFIX if s))
    share_class = f"; a US share class is written {stem}-{tail}" if stem.isalpha() and len(tail) == 1 else ""
    return f"Known: {known}, none = US{share_class}; or set calendar to a MIC"


def calendar_mic(mic: str) -> str:
    """MIC of the calendar whose sessions a market follows: XSHE -> XSHG, XNAS -> XNYS; others answer themselves."""
    found = _BY_MIC.get(mic)
    return mic if found is None else found.mic


def known_mics() -> list[str]:
    """Every MIC with a suffix, zone and currency on file."""
    return sorted(_BY_MIC)


def _exchange(mic: str) -> Exchange:
    try:
        return _BY_MIC[mic]
    except KeyError:
        raise UnknownName("exchange", mic, _BY_MIC, f"Known MICs: {' '.join(known_mics())}") from None


def timezone_of(mic: str) -> str:
    """IANA zone of an exchange: ``timezone_of("XHKG") == "Asia/Hong_Kong"``. Raises UnknownName."""
    return _exchange(mic).timezone


def currency_of(mic: str) -> str:
    """ISO currency an exchange trades in: ``currency_of("XHKG") == "HKD"``. Raises UnknownName."""
    return _exchange(mic).currency
