"""A stand-in on 127.0.0.1 for the one Yahoo endpoint that prices come from, /v8/finance/chart/{symbol}.

`ChartServer(books)` serves `Book`s of made-up prices from a thread; `.log` holds the chart requests seen. Faults are
scripted per symbol and used up one a request: ``server.fault["2513.HK"] = ["429", "502"]``; a list ending in "always"
repeats the fault before it. Times before `now` only are served.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import threading
import urllib.parse
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from curl_cffi import requests as curl

VALID_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
STEP = {"1m": 60, "2m": 120, "5m": 300, "15m": 900, "60m": 3600, "1h": 3600, "1d": 86400}
LOOKBACK_DAYS = {"1m": 30, "2m": 60, "5m": 60, "15m": 60, "60m": 730, "1h": 730}
MARKETS: Mapping[str, Mapping[str, Any]] = {
    "HK": {
        "tz": "Asia/Hong_Kong", "currency": "HKD", "name": "HKG", "hours": (("09:30", "12:00"), ("13:00", "16:00")),
        "auction": True, "after_hours": False,
    },
    "US": {
        "tz": "America/New_York", "currency": "USD", "name": "NMS", "hours": (("09:30", "16:00"),),
        "auction": False, "after_hours": True,
    },
}  # fmt: skip


def weekdays(first: str, last: str, closed: Iterable[str] = ()) -> list[dt.date]:
    """Dates from Monday to Friday, both ends included."""
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    return [d for d in days[np.is_busday(days)].tolist() if d.isoformat() not in set(closed)]


class Book:
    """Made-up prices of one symbol: closes in today's shares, dividends, splits (numerator, denominator), holes."""

    def __init__(
        self,
        symbol: str,
        sessions: Iterable[dt.date],
        seed: int = 0,
        dividends: Mapping[dt.date, float] | None = None,
        splits: Mapping[dt.date, tuple[int, int]] | None = None,
        holes: Iterable[dt.date] = (),
    ) -> None:
        self.symbol, self.sessions = symbol, list(sessions)
        self.market = MARKETS["HK" if symbol.endswith(".HK") else "US"]
        self.tz = ZoneInfo(self.market["tz"])
        steps = np.random.default_rng(seed).normal(0, 0.02, len(self.sessions))
        self.close = dict(zip(self.sessions, 100.0 * np.exp(np.cumsum(steps))))
        self.volume = dict.fromkeys(self.sessions, 1_000_000.0)
        self.dividends, self.splits, self.holes = dict(dividends or {}), dict(splits or {}), set(holes)
        self.sent_until: dt.date | None = None  # later sessions are silently left out

    def at(self, day: dt.date, clock: str) -> int:
        hour, minute = map(int, clock.split(":"))
        return int(dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.tz).timestamp())

    def opening(self, day: dt.date) -> int:
        return self.at(day, self.market["hours"][0][0])

    def closing(self, day: dt.date) -> int:
        return self.at(day, self.market["hours"][-1][1])

    def adjustment(self, day: dt.date) -> float:
        """Product of 1 - dividend / close before, over later ex-dates."""
        factor = 1.0
        for ex, amount in self.dividends.items():
            if ex > day:
                factor *= 1 - amount / self.close[[s for s in self.sessions if s < ex][-1]]
        return factor

    def split(self, ex: dt.date, numerator: int, denominator: int = 1) -> None:
        """A split on `ex`: every earlier close moves to the new shares, as the vendor does it."""
        ratio = numerator / denominator
        self.splits[ex] = (numerator, denominator)
        self.close = {d: c / ratio if d < ex else c for d, c in self.close.items()}
        self.volume = {d: v * ratio if d < ex else v for d, v in self.volume.items()}
        self.dividends = {d: x / ratio if d < ex else x for d, x in self.dividends.items()}


def chart(book: Book, query: Mapping[str, str], now: int) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to one chart request."""
    interval = query.get("interval", "1d")
    end = min(int(query.get("period2", now)), now)
    start = int(query.get("period1", now - 86400 * {"1d": 1, "5d": 7}.get(query.get("range", ""), 31)))
    refusal = _refusal(interval, start, end, now)
    if refusal:
        return 422, {"chart": {"result": None, "error": {"code": "Unprocessable Entity", "description": refusal}}}
    rows = _daily_rows(book, start, end) if interval == "1d" else _bar_rows(book, query, start, end)
    times = [row[0] for row in rows]
    columns = {name: [row[k] for row in rows] for k, name in enumerate(("open", "high", "low", "close", "volume"), 1)}
    indicators: dict[str, Any] = {"quote": [columns if times else {}]}
    if interval == "1d" and times:
        indicators["adjclose"] = [{"adjclose": [row[6] for row in rows]}]
    result: dict[str, Any] = {"meta": _meta(book, interval, now, start, end, query), "indicators": indicators}
    if times:
        result["timestamp"] = times
    events = _events(book, start, end)
    if events and times:
        result["events"] = events
    return 200, {"chart": {"result": [result], "error": None}}


def _refusal(interval: str, start: int, end: int, now: int) -> str:
    allowed = LOOKBACK_DAYS.get(interval)
    asked = f"{interval} data not available for startTime={start} and endTime={end}."
    if allowed is not None and start < now - (allowed + 1) * 86400:
        return f"{asked} The requested range must be within the last {allowed} days."
    if interval == "1m" and end - start > 8 * 86400:
        return f"{asked} Only 8 days worth of 1m granularity data are allowed to be fetched per request."
    return ""


def _daily_rows(book: Book, start: int, end: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for day in _served(book, start, end):
        stamp, close = book.opening(day), book.close[day]
        if not start <= stamp < end:
            continue
        if day in book.holes:
            rows.append((stamp, None, None, None, None, None, None))
        else:
            prices = (close * 0.99, close * 1.02, close * 0.98, close)
            rows.append((stamp, *prices, book.volume[day], close * book.adjustment(day)))
    return rows


def _served(book: Book, start: int, end: int) -> list[dt.date]:
    return [
        d for d in book.sessions
        if book.closing(d) >= start and book.opening(d) < end and (book.sent_until is None or d <= book.sent_until)
    ]  # fmt: skip


def _bar_rows(book: Book, query: Mapping[str, str], start: int, end: int) -> list[tuple[Any, ...]]:
    step = STEP[query["interval"]]
    rows: list[tuple[Any, ...]] = []
    for day in _served(book, start, end):
        spans = [(book.at(day, a), book.at(day, b)) for a, b in book.market["hours"]]
        if book.market["after_hours"] and query.get("includePrePost", "").lower() == "true":
            spans = [(book.at(day, "08:00"), spans[0][0]), *spans, (spans[-1][1], book.at(day, "18:00"))]
        for a, b in spans:
            rows += [_bar(book, day, t) for t in range(a, b, step) if start <= t < end]
        if book.market["auction"] and start <= book.closing(day) < end:
            close = book.close[day]
            rows.append((book.closing(day), close, close, close, close, 0))
    return rows


def _bar(book: Book, day: dt.date, stamp: int) -> tuple[Any, ...]:
    if day in book.holes:
        return (stamp, None, None, None, None, None)
    price = book.close[day] * (1 + 0.002 * np.sin(stamp / 977.0))
    return (stamp, price, price * 1.001, price * 0.999, price * 1.0002, 1000)


def _meta(book: Book, interval: str, now: int, start: int, end: int, query: Mapping[str, str]) -> dict[str, Any]:
    last = book.sessions[-1]
    offset = int(dt.datetime.fromtimestamp(now, book.tz).utcoffset().total_seconds())  # type: ignore[union-attr]

    def period(day: dt.date) -> dict[str, Any]:
        return {"timezone": "local", "start": book.opening(day), "end": book.closing(day), "gmtoffset": offset}

    meta: dict[str, Any] = {
        "currency": book.market["currency"], "symbol": book.symbol, "exchangeName": book.market["name"],
        "instrumentType": "EQUITY", "firstTradeDate": book.opening(book.sessions[0]), "regularMarketTime": book.closing(last),
        "hasPrePostMarketData": book.market["after_hours"], "gmtoffset": offset, "timezone": "local",
        "exchangeTimezoneName": book.market["tz"], "regularMarketPrice": book.close[last], "priceHint": 3,
        "currentTradingPeriod": {"pre": period(last), "regular": period(last), "post": period(last)},
        "dataGranularity": interval, "range": query.get("range", ""), "validRanges": VALID_RANGES,
    }  # fmt: skip
    if interval != "1d":
        regular = [[period(d)] for d in _served(book, start, end)]
        after = query.get("includePrePost", "").lower() == "true"
        meta["tradingPeriods"] = {"pre": regular, "regular": regular, "post": regular} if after else regular
    return meta


def _events(book: Book, start: int, end: int) -> dict[str, Any]:
    paid = {d: x for d, x in book.dividends.items() if start <= book.opening(d) < end}
    split = {d: x for d, x in book.splits.items() if start <= book.opening(d) < end}
    events: dict[str, Any] = {}
    if paid:
        events["dividends"] = {str(book.opening(d)): {"amount": x, "date": book.opening(d)} for d, x in paid.items()}
    if split:
        events["splits"] = {
            str(book.opening(d)): {"date": book.opening(d), "numerator": n, "denominator": m, "splitRatio": f"{n}:{m}"}
            for d, (n, m) in split.items()
        }
    return events


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed or hang up are part of the tests; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class ChartServer:
    """Serves books on a free port of 127.0.0.1 until the `with` block ends."""

    def __init__(self, books: Iterable[Book], now: dt.datetime | None = None) -> None:
        self.books = {b.symbol: b for b in books}
        self.log: list[tuple[str, dict[str, str]]] = []
        self.fault: dict[str, list[str]] = {}
        self.now = now
        self.httpd = _Server(("127.0.0.1", 0), _handler(self))
        self.httpd.daemon_threads = True
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.httpd.server_address[1]}"

    def __enter__(self) -> ChartServer:
        return self

    def __exit__(self, *unused: object) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()

    def asked(self, symbol: str) -> list[dict[str, str]]:
        """Queries for the bars of a symbol (the look-ups of its time zone left out)."""
        return [q for s, q in self.log if s == symbol and "period1" in q]

    def next_fault(self, symbol: str) -> str:
        script = self.fault.get(symbol) or [""]
        if script[-1] == "always":
            return script[0]
        return script.pop(0)

    def answer(self, symbol: str, query: dict[str, str]) -> tuple[int, Any]:
        if symbol not in self.books:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return 404, {"chart": {"result": None, "error": error}}
        now = self.now or dt.datetime.now(dt.UTC)
        return chart(self.books[symbol], query, int(now.timestamp()))


def _handler(server: ChartServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer

        def log_message(self, *unused: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            if url.path.endswith("/getcrumb"):
                return self._send(200, b"crumb", "text/plain")
            if not url.path.startswith("/v8/finance/chart/"):
                return self._send(404, b"not served", "text/plain")
            symbol = urllib.parse.unquote(url.path.rsplit("/", 1)[1])
            query = dict(urllib.parse.parse_qsl(url.query))
            server.log.append((symbol, query))
            self._reply(symbol, query, server.next_fault(symbol))

        def _reply(self, symbol: str, query: dict[str, str], fault: str) -> None:
            kind, _, detail = fault.partition(":")
            if kind == "429":
                return self._send(429, b"Too Many Requests", "text/plain", {"Retry-After": detail} if detail else {})
            if kind == "502":
                return self._send(502, b"<html>Will be right back</html>", "text/html")
            if kind == "html":
                return self._send(200, b"<html>please agree</html>", "text/html")
            if kind == "drop":
                self.close_connection = True
                return self.connection.close()
            status, body = server.answer(symbol, query)
            if kind == "ragged":
                quote = body["chart"]["result"][0]["indicators"]["quote"][0]
                quote["close"] = quote["close"][: len(quote["close"]) // 2] if quote else []
            raw = json.dumps(body).encode()
            if kind == "half":
                return self._send(status, raw[: len(raw) // 2])
            if kind == "torn":
                self.close_connection = True
                self._send(status, raw[: len(raw) // 2], length=len(raw))
                return self.connection.close()
            return self._send(status, raw)

        def _send(
            self, status: int, body: bytes, kind: str = "application/json",
            extra: Mapping[str, str] | None = None, length: int = -1,
        ) -> None:  # fmt: skip
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body) if length < 0 else length))
                for name, value in (extra or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client was killed

    return Handler


class LoopbackSession(curl.Session):
    """A session yfinance accepts that sends every yahoo.com address to the loopback server; other hosts are refused."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base.rstrip("/")

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        parts = urllib.parse.urlsplit(url)
        if parts.hostname != "127.0.0.1":
            if not (parts.hostname or "").endswith("yahoo.com"):
                raise RuntimeError(f"a test may not ask {parts.hostname}")
            url = self._base + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().request(method, url, *args, **options)
