"""Yahoo Finance through yfinance: the only file that opens a connection, and only inside `fetch`.

yfinance keeps one session, one cookie and one cache for the whole process, hides most errors and remembers failed answers.
So every call here runs under one lock, with a watched session that judges each answer of the chart service before yfinance
sees it (429, 5xx, HTML, half an answer, unknown ticker, Yahoo's own refusals), paces the requests, and hands every setting
back afterwards. Bars are taken as Yahoo sends them: closes and dividends in today's shares (split-adjusted), dividends
not taken out, rows without prices kept as NaN.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...domain import Bars, Ticker
from ...errors import AbnormalError, DataMissing, FetchFailed, RateLimited, UnknownName
from ..adjusting import adjust_intraday
from ..barfile import bounds
from ..fetching import REQUEST_DAYS, Clock, FetchReport, Outcome, fetch_into, finished, reconcile, utc_now
from ..store import FREQUENCIES, frequency
from .yahoo_answers import Watch, watched
from .yahoo_bars import ASKED_AS, SOURCE, bars_from_frame, joined

__all__ = ["FetchReport", "Outcome", "YahooProvider", "adjust_intraday", "fetch_into", "finished", "reconcile"]

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

    name = SOURCE

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
        return joined(filled)

    def _answer(self, ticker: Ticker, start: np.datetime64, end: np.datetime64, freq: str) -> Bars | None:
        """One request, tried again while that may help; None where Yahoo knows the ticker but has no bars."""
        wait = 2.0
        for attempt in range(self._retries + 1):
            watch = Watch(ticker, self._pace)
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
        return RateLimited(
            f"{ticker}: Yahoo asks for patience (HTTP 429, {tried}); try again after {when:%Y-%m-%d %H:%M %Z}"
        )

    def _pace(self) -> None:
        left = self._throttle - (time.monotonic() - self._last_request)
        if left > 0:
            self._sleep(left)
        self._last_request = time.monotonic()

    def _once(self, ticker: Ticker, start: np.datetime64, end: np.datetime64, freq: str, watch: Watch) -> Bars | None:
        with _ONE_AT_A_TIME, _quiet(), self._yfinance() as yfinance:
            session = self._open_session()
            with watched(session, watch):
                try:
                    frame = yfinance.Ticker(ticker, session=session).history(
                        start=str(start), end=str(end + 1), interval=ASKED_AS.get(freq, freq), auto_adjust=False,
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
        return bars_from_frame(frame, ticker, freq, watch.facts, self._now(), version)

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
