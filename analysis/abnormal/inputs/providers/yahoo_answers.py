"""What Yahoo's chart service answers, judged before yfinance sees it: good, later, never, or half."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ...domain import Ticker
from ...errors import DataMissing, FetchFailed, RateLimited, UnknownName

_CHART = "/v8/finance/chart/"


@dataclass(slots=True)
class Facts:
    """What the last chart answer says besides the bars."""

    currency: str = ""
    timezone: str = ""
    first_trade: int | None = None
    after_hours: bool = False
    regular: list[tuple[int, int]] = field(default_factory=list)
    dividend_currencies: set[str] = field(default_factory=set)


class Watch:
    """Judges every answer of the chart service before yfinance sees it."""

    def __init__(self, ticker: Ticker, pace: Callable[[], None]) -> None:
        self.ticker = ticker
        self.pace = pace
        self.facts = Facts()
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
            raise FetchFailed(
                f"{self.ticker}: Yahoo's answer is cut off or no data (HTTP {status}: {text[:40]!r})"
            ) from error
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


def _facts(result: dict[str, Any]) -> Facts:
    meta = result.get("meta") or {}
    paid = ((result.get("events") or {}).get("dividends") or {}).values()
    return Facts(
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
def watched(session: Any, watch: Watch) -> Iterator[None]:
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
