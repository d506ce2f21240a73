"""Yahoo Finance through yfinance: the only file that opens a connection, and only inside `fetch`.

yfinance keeps one session, one cookie and one cache for the whole process, hides most errors and remembers failed answers.
So every call here runs under one lock, with a watched session that judges each answer of the chart service before yfinance
sees it (429, 5xx, HTML, half an answer, unknown ticker, Yahoo's own refusals), paces the requests, and hands every setting
back afterwards. Bars are taken as Yahoo sends them: closes and dividends in today's shares (split-adjusted), dividends
not taken out, rows without prices kept as NaN.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ...domain import Bars, DateArray, FloatArray, IntArray, Ticker
from ...errors import AbnormalError, DataMissing, FetchFailed, RateLimited, UnknownName
from ..barfile import bounds
from ..fetching import REQUEST_DAYS, Clock, FetchReport, Outcome, fetch_into, finished, minutes_of, reconcile, utc_now
from ..store import FREQUENCIES, frequency

__all__ = ["FetchReport", "Outcome", "YahooProvider", "adjust_intraday", "fetch_into", "finished", "reconcile"]

_CHART = "/v8/finance/chart/"
# 30-minute bars are asked for as 15-minute ones: Yahoo answers 30m with hours.
_ASKED_AS = {"30m": "15m"}
_COLUMNS = {
    "Open": "open", "High": "high", "Low": "low", "Close": "close", "Adj Close": "adj_close", "Volume": "volume",
    "Dividends": "dividends", "Stock Splits": "splits",
}  # fmt: skip
_LONGEST_WAIT = 120.0
_USUAL_WAIT = 900.0

# yfinance's session and cache are one for the process, whoever asks; so is this lock.
_ONE_AT_A_TIME = threading.RLock()


class YahooProvider:
    """Daily and intraday bars from Yahoo Finance.

    Parameters
    ----------
    session : a curl_cffi or requests Session; default: a new one that looks like a browser.
    throttle : seconds between two requests.
    retries : further attempts after a failure that may pass (429, 5xx, dropped connection, half an answer), after 2, 4, 8
        ... seconds or as long as Yahoo asks for.
    sleep, now : the clock, for tests.
    cache_folder : where yfinance keeps time zones and cookies; default: the user's cache folder.

    Raises (from `fetch`)
    ---------------------
    UnknownName (no such ticker), RateLimited (429 to the end), FetchFailed (no usable answer), DataMissing (Yahoo has no
    such bars, with its own words).
    """

    name = "Yahoo Finance"

    def __init__(
        self,
        session: Any = None,
        throttle: float = 0.5,
        retries: int = 4,
        sleep: Callable[[float], None] = time.sleep,
        now: Clock = utc_now,
        cache_folder: str | Path | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._session = session
        self._throttle, self._retries, self._timeout = throttle, retries, timeout
        self._sleep, self._now = sleep, now
        self._cache_folder = cache_folder
        self._last_request = -np.inf

    def fetch(self, ticker: Ticker, start: Any, end: Any, freq: str = "1d") -> Bars:
        """Bars from `start` to `end` (dates, both included); unfinished ones included, as Yahoo has them."""
        freq = frequency(freq)
        if freq not in FREQUENCIES:
            raise UnknownName("frequency of Yahoo", freq, FREQUENCIES, f"Known: {' '.join(FREQUENCIES)}")
        lo, hi = bounds(start, end, "1d", "")
        assert lo is not None and hi is not None
        parts = [self._answer(ticker, a, b, freq) for a, b in _pieces(lo, hi, REQUEST_DAYS.get(freq))]
        filled = [p for p in parts if p is not None]
        if not filled:
            raise DataMissing(f"{ticker}: Yahoo has no {freq} bars from {lo} to {hi}")
        return _joined(filled)

    def _answer(self, ticker: Ticker, start: np.datetime64, end: np.datetime64, freq: str) -> Bars | None:
        """One request, tried again while that may help; None where Yahoo knows the ticker but has no bars."""
        wait = 2.0
        for attempt in range(self._retries + 1):
            watch = _Watch(ticker, self._pace)
            try:
                return self._once(ticker, start, end, freq, watch)
            except FetchFailed as error:
                asked = watch.retry_after
                if attempt == self._retries or (asked or 0.0) > _LONGEST_WAIT:
                    raise self._final(error, ticker, attempt + 1, asked) from error
                self._sleep(max(wait, asked or 0.0))
                wait *= 2
        raise AssertionError("unreachable")

    def _final(self, error: FetchFailed, ticker: Ticker, attempts: int, asked: float | None) -> FetchFailed:
        tried = f"{attempts} attempt{'s' if attempts > 1 else ''}"
        if not isinstance(error, RateLimited):
            return FetchFailed(f"{error} ({tried}); try again later")
        when = self._now() + dt.timedelta(seconds=asked or _USUAL_WAIT)
        return RateLimited(f"{ticker}: Yahoo asks for patience (HTTP 429, {tried}); try again after {when:%Y-%m-%d %H:%M %Z}")

    def _pace(self) -> None:
        left = self._throttle - (time.monotonic() - self._last_request)
        if left > 0:
            self._sleep(left)
        self._last_request = time.monotonic()

    def _once(self, ticker: Ticker, start: np.datetime64, end: np.datetime64, freq: str, watch: _Watch) -> Bars | None:
        with _ONE_AT_A_TIME, _quiet(), self._yfinance() as yfinance:
            session = self._open_session()
            with _watched(session, watch):
                try:
                    frame = yfinance.Ticker(ticker, session=session).history(
                        start=str(start), end=str(end + 1), interval=_ASKED_AS.get(freq, freq), auto_adjust=False,
                        actions=True, keepna=True, prepost=freq != "1d", timeout=self._timeout,
                    )  # fmt: skip
                except AbnormalError:
                    raise
                except Exception as error:  # whatever yfinance, curl or the JSON parser make of it
                    if _means_no_bars(error, yfinance):
                        return None
                    raise _translated(error, ticker, yfinance) from error
            version = yfinance.__version__
        if frame.empty:
            return None
        return _bars(frame, ticker, freq, watch.facts, self._now(), version)

    def _open_session(self) -> Any:
        if self._session is None:
            self._session = _browser_session()
        return self._session

    @contextmanager
    def _yfinance(self) -> Iterator[Any]:
        """The library with our settings, and its own put back afterwards."""
        import yfinance
        from yfinance.data import YfData

        yfinance.set_tz_cache_location(str(self._folder()))
        hidden = yfinance.config.debug.hide_exceptions
        yfinance.config.debug.hide_exceptions = False
        YfData.cache_get.cache_clear()  # else an old or failed answer comes from memory
        try:
            yield yfinance
        finally:
            yfinance.config.debug.hide_exceptions = hidden

    def _folder(self) -> Path:
        if self._cache_folder is None:
            import platformdirs

            self._cache_folder = Path(platformdirs.user_cache_dir("abnormal", appauthor=False)) / "yfinance"
        folder = Path(self._cache_folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _pieces(lo: np.datetime64, hi: np.datetime64, most: int | None) -> Iterator[tuple[np.datetime64, np.datetime64]]:
    step = int((hi - lo).astype(int)) + 1 if most is None else most
    for k in range(0, int((hi - lo).astype(int)) + 1, max(step, 1)):
        yield lo + k, min(lo + k + step - 1, hi)


def _browser_session() -> Any:
    try:
        from curl_cffi import requests as curl
    except ImportError:
        import requests

        plain = requests.Session()
        plain.headers["User-Agent"] = "Mozilla/5.0"
        return plain
    return curl.Session(impersonate="chrome")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without yfinance's own deprecation noise and log lines; errors reach us as exceptions."""
    import pandas as pd

    noisy = (DeprecationWarning, FutureWarning, getattr(pd.errors, "Pandas4Warning", FutureWarning))
    logger = logging.getLogger("yfinance")
    disabled = logger.disabled
    with warnings.catch_warnings():
        with suppress(ImportError):
            import yfinance  # noqa: F401 - its import switches its warnings on again
        for category in noisy:
            warnings.filterwarnings("ignore", category=category, module=r"yfinance(\.|$)")
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = disabled


# ---------------------------------------------------------------------------------------------------- the watch


@dataclass(slots=True)
class _Facts:
    """What the last chart answer says besides the bars."""

    currency: str = ""
    timezone: str = ""
    first_trade: int | None = None
    after_hours: bool = False
    regular: list[tuple[int, int]] = field(default_factory=list)
    dividend_currencies: set[str] = field(default_factory=set)


class _Watch:
    """Judges every answer of the chart service before yfinance sees it."""

    def __init__(self, ticker: Ticker, pace: Callable[[], None]) -> None:
        self.ticker = ticker
        self.pace = pace
        self.facts = _Facts()
        self.retry_after: float | None = None

    def judge(self, response: Any) -> None:
        status = int(response.status_code)
        if status == 429:
            self.retry_after = _seconds(response.headers.get("Retry-After"))
            raise RateLimited(f"{self.ticker}: Yahoo answered 429, too many requests")
        if status >= 500:
            raise FetchFailed(f"{self.ticker}: Yahoo answered {status} (its server has trouble)")
        if status in (401, 403) or _is_consent(response):
            return  # yfinance renews its cookie and asks again
        chart = self._chart(response, status)
        if chart.get("error"):
            raise self._refusal(chart["error"])
        for result in chart.get("result") or []:
            self._require_whole(result)
            self.facts = _facts(result)

    def _chart(self, response: Any, status: int) -> dict[str, Any]:
        text = response.text
        if text.lstrip()[:1] == "<":
            raise FetchFailed(f"{self.ticker}: Yahoo answered with a web page instead of data (HTTP {status})")
        try:
            chart = json.loads(text)["chart"]
        except (ValueError, KeyError, TypeError) as error:
            raise FetchFailed(f"{self.ticker}: Yahoo's answer is cut off or no data (HTTP {status}: {text[:40]!r})") from error
        return dict(chart or {})

    def _refusal(self, error: dict[str, Any]) -> Exception:
        said = str(error.get("description") or error.get("code") or "no reason given")
        if error.get("code") == "Not Found":
            return UnknownName("ticker", self.ticker, hint=f"Yahoo says: {said}")
        if error.get("code") in ("Unauthorized", "Forbidden"):
            return FetchFailed(f"{self.ticker}: Yahoo refuses: {said}")
        return DataMissing(f"{self.ticker}: Yahoo says: {said}")

    def _require_whole(self, result: dict[str, Any]) -> None:
        """Every column as long as the times, else half of the answer is lost."""
        times = result.get("timestamp") or []
        blocks = result.get("indicators", {})
        columns = [*blocks.get("quote", []), *blocks.get("adjclose", [])]
        for block in columns if times else []:
            for name, values in (block or {}).items():
                if values is not None and len(values) != len(times):
                    raise FetchFailed(
                        f"{self.ticker}: Yahoo sent half an answer ({len(times)} times, {len(values)} values of {name})"
                    )


def _seconds(header: Any) -> float | None:
    """Retry-After as seconds, whether a number or a date."""
    if not header:
        return None
    with suppress(ValueError):
        return float(header)
    from email.utils import parsedate_to_datetime

    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(str(header)) - dt.datetime.now(dt.UTC)).total_seconds())
    return None


def _is_consent(response: Any) -> bool:
    return (urlsplit(str(response.url)).hostname or "").endswith("consent.yahoo.com")


def _facts(result: dict[str, Any]) -> _Facts:
    meta = result.get("meta") or {}
    paid = ((result.get("events") or {}).get("dividends") or {}).values()
    return _Facts(
        currency=str(meta.get("currency") or ""),
        timezone=str(meta.get("exchangeTimezoneName") or ""),
        first_trade=meta.get("firstTradeDate"),
        after_hours=bool(meta.get("hasPrePostMarketData")),
        regular=sorted(_periods(meta.get("tradingPeriods"))),
        dividend_currencies={str(d["currency"]) for d in paid if d.get("currency")},
    )


def _periods(periods: Any) -> Iterator[tuple[int, int]]:
    """Start and end of the regular sessions, however deep Yahoo nests them."""
    if isinstance(periods, dict):
        if "start" in periods and "end" in periods:
            yield int(periods["start"]), int(periods["end"])
        elif "regular" in periods:
            yield from _periods(periods["regular"])
    elif isinstance(periods, list):
        for period in periods:
            yield from _periods(period)


@contextmanager
def _watched(session: Any, watch: _Watch) -> Iterator[None]:
    """Let the watch see what this session receives, for the time of one call."""
    plain = session.request

    def request(method: str, url: str, *args: Any, **options: Any) -> Any:
        if not urlsplit(str(url)).path.startswith(_CHART):
            return plain(method, url, *args, **options)
        watch.pace()
        response = plain(method, url, *args, **options)
        watch.judge(response)
        return response

    session.request = request
    try:
        yield
    finally:
        del session.request


def _means_no_bars(error: Exception, yfinance: Any) -> bool:
    """Yahoo answered, knows the ticker, and has nothing in this range."""
    return isinstance(error, yfinance.exceptions.YFPricesMissingError) and not getattr(error, "yahoo_reason", None)


def _translated(error: Exception, ticker: Ticker, yfinance: Any) -> AbnormalError:
    """An error of yfinance or of the connection as one of ours."""
    if isinstance(error, yfinance.exceptions.YFRateLimitError):
        return RateLimited(f"{ticker}: Yahoo asks for patience (HTTP 429)")
    if isinstance(error, yfinance.exceptions.YFPricesMissingError):
        return DataMissing(f"{ticker}: Yahoo says: {error.yahoo_reason}")
    return FetchFailed(f"{ticker}: no usable answer from Yahoo ({_short(error)})")


def _short(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0].split(". See http")[0]
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__


# ---------------------------------------------------------------------------------------------------- frame -> bars


def _bars(frame: Any, ticker: Ticker, freq: str, facts: _Facts, now: dt.datetime, version: str) -> Bars:
    notes: list[str] = []
    columns = {ours: frame[theirs].to_numpy(dtype=float) for theirs, ours in _COLUMNS.items() if theirs in frame.columns}
    empty = np.isnan(columns["close"])
    columns["volume"] = np.where(empty & (columns["volume"] == 0), np.nan, columns["volume"])  # yfinance fills in zeros
    if freq == "1d":
        times = frame.index.tz_localize(None).to_numpy().astype("datetime64[D]")
    else:
        columns.pop("adj_close", None)  # a copy of the close
        times = frame.index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
        times, columns = _in_session(times, columns, facts, ticker, notes)
        if freq in _ASKED_AS:
            times, columns = _coarser(times, columns, minutes_of(freq), facts)
    if "Capital Gains" in frame.columns and (frame["Capital Gains"] > 0).any():
        notes.append("capital gains paid by the fund are not among the dividends")
    strange = facts.dividend_currencies - {facts.currency}
    if strange:
        notes.append(f"dividends are stated in {' and '.join(sorted(strange))}, prices in {facts.currency}")
    meta = {
        "source": YahooProvider.name,
        "library": f"yfinance {version}",
        "retrieved": now.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "adjustment": "splits",
        "currency": facts.currency,
        "exchange_timezone": facts.timezone,
        "listing_date": _first_day(facts),
        "notes": "\n".join(notes),
    }
    return Bars(ticker, times, columns, freq, {k: v for k, v in meta.items() if v})


def _first_day(facts: _Facts) -> str:
    from zoneinfo import ZoneInfo

    if facts.first_trade is None or not facts.timezone:
        return ""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=int(facts.first_trade))
    return str(moment.astimezone(ZoneInfo(facts.timezone)).date())


def _in_session(
    times: DateArray, columns: dict[str, FloatArray], facts: _Facts, ticker: Ticker, notes: list[str]
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
    times: DateArray, columns: dict[str, FloatArray], minutes: int, facts: _Facts
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


def _joined(parts: list[Bars]) -> Bars:
    """Answers to neighbouring requests as one series."""
    if len(parts) == 1:
        return parts[0]
    time, first = np.unique(np.concatenate([p.time for p in parts]), return_index=True)
    names = [n for n in _COLUMNS.values() if any(n in p for p in parts)]
    columns = {n: np.concatenate([p.get(n) for p in parts])[first] for n in names}
    notes = dict.fromkeys(n for p in parts for n in p.meta.get("notes", "").split("\n") if n)
    meta = {**parts[-1].meta, "notes": "\n".join(notes)}
    return Bars(parts[0].ticker, time, columns, parts[0].freq, {k: v for k, v in meta.items() if v})


# ---------------------------------------------------------------------------------------------------- adjustment


def adjust_intraday(bars: Bars, daily: Bars) -> Bars:
    """Bars within the day with dividends (and splits, where they are as traded) taken out of all earlier prices.

    Vendors give intraday bars unadjusted for dividends, so the return over the night before an ex-date is too low. Every
    price before ex-date x is multiplied by 1 - D_x / C_{x-1}, from the daily dividends and closes; volumes go with splits.

    Parameters
    ----------
    bars : intraday bars; their own dividends and splits columns are dropped, those of `daily` count.
    daily : daily bars of the same ticker with close, dividends and splits.
    """
    from ..fetching import local_dates

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
