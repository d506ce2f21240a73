"""Which bars are missing, and getting them: one ticker after the other, each one's failure its own.

A provider is anything with `fetch(ticker, start, end, freq) -> Bars`; the store remembers which dates a vendor has
answered for, so that a second run asks for nothing it has. Only whole sessions and finished bars are stored.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..domain import Bars, DateArray, Ticker
from ..errors import AbnormalError, DataMissing, FetchFailed, OutsideCalendar, RateLimited, RequestError, UnknownName
from .barfile import bounds
from .merge import WriteReport, joined_ranges
from .store import PriceStore, frequency

Clock = Callable[[], dt.datetime]
Progress = Callable[[int, int, str], None]

# How far back Yahoo hands out bars within the day, and how much in one request.
LOOKBACK_DAYS: Mapping[str, int] = {"1m": 30, "2m": 60, "5m": 60, "15m": 60, "30m": 60, "1h": 730}
REQUEST_DAYS: Mapping[str, int] = {"1m": 7}
DAILY_YEARS = 10
# A daily bar is final some time after the close: closing auctions, delayed quotes.
SETTLED_AFTER = np.timedelta64(30, "m")
# Stored bars asked for again, so that a changed history shows.
OVERLAP_DAYS = 7
GIVE_UP_AFTER = 3


class PriceProvider(Protocol):
    """A source of bars. `start` and `end` are dates, both included; raises errors of this package only."""

    def fetch(self, ticker: Ticker, start: Any, end: Any, freq: str = "1d") -> Bars: ...


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Bars held against the sessions of the exchange: missing (n,), surplus (n,) and empty (n,) dates."""

    missing: DateArray
    surplus: DateArray
    empty: DateArray

    @property
    def clean(self) -> bool:
        return not (self.missing.size or self.surplus.size or self.empty.size)

    def notes(self) -> tuple[str, ...]:
        """What differs, one sentence a kind."""
        told = (
            (self.missing, "without a bar although the exchange was open"),
            (self.surplus, "with a bar although the exchange was closed"),
            (self.empty, "with a bar without prices"),
        )
        return tuple(
            f"{days.size} date{'s'[: days.size > 1]} {what}: {_days(days)}" for days, what in told if days.size
        )


def _days(days: DateArray) -> str:
    return ", ".join(map(str, days[:5])) + (" ..." if days.size > 5 else "")


def reconcile(bars: Bars, expected: DateArray) -> Reconciliation:
    """Compare the dates of bars with the sessions expected from the first to the last of them.

    Parameters
    ----------
    expected : (T,) sessions of the exchange; those before the first bar are not missed (the share may not have traded).
    """
    empty_dates = np.empty(0, "datetime64[D]")
    if len(bars) == 0:
        return Reconciliation(np.asarray(expected, "datetime64[D]"), empty_dates, empty_dates)
    day = local_dates(bars)
    sessions = np.asarray(expected, "datetime64[D]")
    sessions = sessions[sessions >= day[0]]
    price = bars.get("close")
    have = np.unique(day)
    priced = np.unique(day[np.isfinite(price)])
    return Reconciliation(
        missing=np.setdiff1d(sessions, have), surplus=np.setdiff1d(have, sessions), empty=np.setdiff1d(have, priced)
    )


def local_dates(bars: Bars) -> DateArray:
    """Date of every bar on the clock of its exchange."""
    if bars.freq == "1d":
        return bars.time.astype("datetime64[D]")
    import pandas as pd

    zone = bars.meta.get("exchange_timezone") or exchange_zone(bars.ticker) or "UTC"
    local = pd.DatetimeIndex(bars.time).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return local.to_numpy().astype("datetime64[D]")


def exchange_zone(ticker: Ticker) -> str:
    """Zone of the exchange of a ticker, "" where there is none (currencies, unknown suffixes)."""
    from .exchanges import exchange_of, timezone_of

    try:
        return timezone_of(exchange_of(ticker))
    except UnknownName:
        return ""


def sessions_between(ticker: Ticker, start: Any, end: Any) -> DateArray | None:
    """Sessions of the exchange of a ticker, or None where no calendar can tell."""
    calendar = _calendar(ticker)
    if calendar is None:
        return None
    days = calendar.sessions
    if np.datetime64(end, "D") > calendar.known[1] or np.datetime64(start, "D") < calendar.known[0]:
        return None
    return days[(days >= np.datetime64(start, "D")) & (days <= np.datetime64(end, "D"))]


def _calendar(ticker: Ticker) -> Any:
    from .calendars import session_calendar
    from .exchanges import exchange_of

    try:
        return session_calendar(exchange_of(ticker))
    except (UnknownName, OutsideCalendar):
        return None


def settled_until(ticker: Ticker, now: dt.datetime) -> np.datetime64:
    """The last date all of whose trading is over (30 minutes after the close) on the exchange of a ticker."""
    from zoneinfo import ZoneInfo

    today = np.datetime64(now.astimezone(ZoneInfo(exchange_zone(ticker) or "UTC")).date(), "D")
    calendar = _calendar(ticker)
    if calendar is None or not calendar.known[0] <= today <= calendar.known[1]:
        return today - 1
    at = int(np.searchsorted(calendar.sessions, today))
    if at == len(calendar) or calendar.sessions[at] != today:
        return today
    moment = np.datetime64(now.astimezone(dt.UTC).replace(tzinfo=None), "ns")
    return today if moment >= calendar.closes[at] + SETTLED_AFTER else today - 1


def finished(bars: Bars, now: dt.datetime) -> Bars:
    """Without bars whose time is not over yet: today's session, the current five minutes."""
    if bars.freq == "1d":
        keep = bars.time <= settled_until(bars.ticker, now)
    else:
        moment = np.datetime64(now.astimezone(dt.UTC).replace(tzinfo=None), "ns")
        keep = bars.time + minutes_of(bars.freq) * np.timedelta64(1, "m") <= moment
    if keep.all():
        return bars
    left = f"{int((~keep).sum())} unfinished bar{'s' if (~keep).sum() > 1 else ''} left out"
    notes = "\n".join(filter(None, [bars.meta.get("notes", ""), left]))
    columns = {k: v[keep] for k, v in bars.columns.items()}
    return Bars(bars.ticker, bars.time[keep], columns, bars.freq, {**bars.meta, "notes": notes})


def minutes_of(freq: str) -> int:
    """Length of a bar in minutes: "5m" -> 5, "1h" -> 60, "1d" -> 1440."""
    name = frequency(freq)
    return int(name[:-1]) * {"m": 1, "h": 60, "d": 1440}[name[-1]]


# ---------------------------------------------------------------------------------------------------- what is missing


Range = tuple[np.datetime64, np.datetime64]


def missing_ranges(start: np.datetime64, end: np.datetime64, covered: Iterable[str]) -> list[Range]:
    """Parts of [start, end] (dates, both included) no vendor has answered for yet.

    >>> missing_ranges(np.datetime64("2026-01-01"), np.datetime64("2026-01-31"), ["2026-01-10/2026-01-31"])
    [(np.datetime64('2026-01-01'), np.datetime64('2026-01-09'))]
    """
    out: list[Range] = []
    at = start
    for text in joined_ranges(list(covered)):
        first, last = (np.datetime64(edge, "D") for edge in text.split("/"))
        if first > at:
            out.append((at, min(first - 1, end)))
        at = max(at, last + 1)
    if at <= end:
        out.append((at, end))
    return [(a, b) for a, b in out if a <= b]


def _requests(gaps: list[Range], first: np.datetime64 | None, last: np.datetime64 | None, freq: str) -> Iterator[Range]:
    """Gaps as requests: reaching into the stored bars by some days, and no longer than the vendor allows."""
    for a, b in gaps:
        lo, hi = a, b
        if first is not None and last is not None:
            lo = max(a - OVERLAP_DAYS, first) if first < a <= last + 1 + OVERLAP_DAYS else a
            hi = min(b + OVERLAP_DAYS, last) if first - 1 - OVERLAP_DAYS <= b < last else b
        most = REQUEST_DAYS.get(freq)
        if most is None:
            yield lo, hi
            continue
        for k in range(0, int((hi - lo).astype(int)) + 1, most):
            yield lo + k, min(lo + k + most - 1, hi)


# ---------------------------------------------------------------------------------------------------- fetching


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one ticker: "ok" (bars stored), "kept" (nothing was missing) or "failed" with the reason.

    total, first, last describe the bars in the store afterwards, also after a failure.
    """

    ticker: Ticker
    status: str
    reason: str = ""
    added: int = 0
    total: int = 0
    first: str = ""
    last: str = ""
    notes: tuple[str, ...] = ()
    writes: tuple[WriteReport, ...] = ()
    error: AbnormalError | None = None

    def __str__(self) -> str:
        held = f"{self.total} bars, {self.first} to {self.last}" if self.total else "no bars"
        text = {"ok": f"{self.added} new; {held}", "kept": f"nothing missing; {held}"}.get(
            self.status, f"failed: {self.reason} (kept: {held})"
        )
        return f"{self.ticker}: {text}"


@dataclass(frozen=True, slots=True)
class FetchReport:
    """Outcomes of all tickers, in the order asked for."""

    freq: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.status == "failed")

    @property
    def exit_code(self) -> int:
        """0 where every ticker is complete; 2 where only names were wrong; else 3."""
        codes = {o.error.exit_code if o.error else 3 for o in self.failed}
        return max(codes, default=0)

    def __getitem__(self, ticker: Ticker) -> Outcome:
        for outcome in self.outcomes:
            if outcome.ticker == ticker:
                return outcome
        raise UnknownName("ticker", ticker, [o.ticker for o in self.outcomes])

    def __str__(self) -> str:
        return "\n".join(map(str, self.outcomes))


def fetch_into(
    store: PriceStore,
    tickers: Iterable[Ticker],
    start: Any = None,
    end: Any = None,
    freq: str = "1d",
    provider: PriceProvider | None = None,
    progress: Progress | None = None,
    now: Clock = utc_now,
) -> FetchReport:
    """Fetch what the store lacks of some tickers, and say what became of each.

    Parameters
    ----------
    start, end : dates, both included. Left out: ten years (bars within the day: as far as the vendor goes), today.
    provider : where from; default `YahooProvider()`.
    progress : called as ``progress(done, total, ticker)`` before each ticker and once at the end.

    One ticker's failure does not lose the others; what was stored stays. After three tickers in a row on which the
    vendor asks for patience the rest is not tried.
    """
    if provider is None:
        from .providers.yahoo import YahooProvider

        provider = YahooProvider()
    names = list(dict.fromkeys(tickers))
    freq = frequency(freq)
    _require_order(start, end)
    outcomes: list[Outcome] = []
    for ticker in names:
        if progress:
            progress(len(outcomes), len(names), ticker)
        outcomes.append(
            _untried(store, ticker, freq, outcomes) or _fetch_one(store, ticker, start, end, freq, provider, now)
        )
    if progress:
        progress(len(names), len(names), "")
    return FetchReport(freq, tuple(outcomes))


def _require_order(start: Any, end: Any) -> None:
    lo, hi = bounds(start, end, "1d", "")
    if lo is not None and hi is not None and lo > hi:
        raise RequestError(f"start {lo} is after end {hi}")


def _untried(store: PriceStore, ticker: Ticker, freq: str, before: list[Outcome]) -> Outcome | None:
    """The outcome of a ticker that is not tried any more, because the vendor has said "later" too often."""
    last = [o.error for o in before[-GIVE_UP_AFTER:]]
    if len(last) < GIVE_UP_AFTER or not all(isinstance(e, RateLimited) for e in last):
        return None
    error = RateLimited(f"{ticker} was not tried: {last[-1]}")
    return _outcome(store, ticker, freq, "failed", str(error), error=error)


def _fetch_one(
    store: PriceStore, ticker: Ticker, start: Any, end: Any, freq: str, provider: PriceProvider, now: Clock
) -> Outcome:
    writes: list[WriteReport] = []
    notes: list[str] = []
    refused: DataMissing | None = None
    try:
        meta = store.own_meta(ticker, freq)
        lo, hi = _wanted(ticker, start, end, freq, now(), meta, notes)
        gaps = [g for g in missing_ranges(lo, hi, meta.get("covered", [])) if _may_hold_bars(ticker, g)]
        for a, b in _requests(gaps, *_stored_span(store, ticker, freq, meta), freq):
            try:
                writes += _one_request(store, ticker, a, b, freq, provider, now, notes)
            except FetchFailed:
                raise
            except DataMissing as error:  # nothing in this range; the next may hold bars
                refused = error
    except AbnormalError as error:
        return _outcome(store, ticker, freq, "failed", str(error), writes, notes, error)
    if refused is None and gaps and not writes and not meta:
        refused = DataMissing(f"{ticker}: the vendor has no {freq} bars from {lo} to {hi}")
    if refused is not None and not writes:
        return _outcome(store, ticker, freq, "failed", str(refused), writes, notes, refused)
    notes += [] if refused is None else [str(refused)]
    return _outcome(store, ticker, freq, "ok" if any(w.changed for w in writes) else "kept", "", writes, notes)


def _one_request(
    store: PriceStore, ticker: Ticker, a: Any, b: Any, freq: str, provider: PriceProvider, now: Clock, notes: list[str]
) -> list[WriteReport]:
    """Fetch, hold against the calendar, store; the range counts as answered as far as bars came and sessions are over."""
    bars = finished(provider.fetch(ticker, a, b, freq), now())
    if len(bars) == 0:
        return []
    until = min(b, settled_until(ticker, now()))
    expected = sessions_between(ticker, a, until)
    if expected is not None:
        found = reconcile(bars, expected)
        notes.extend(found.notes())
        priced = local_dates(bars)[np.isfinite(bars.get("close"))]
        late = expected[expected > priced[-1]] if priced.size else expected
        if late.size:
            until = late[0] - 1  # half an answer, or a share that no longer trades: ask again next time
    return [store.write(bars, covered=(a, until) if until >= a else None)]


def _wanted(
    ticker: Ticker, start: Any, end: Any, freq: str, now: dt.datetime, meta: Mapping[str, Any], notes: list[str]
) -> Range:
    """The dates to have: as asked, within what is over, what the vendor still gives, and since the listing."""
    over = settled_until(ticker, now) if freq == "1d" else np.datetime64(now.date(), "D")
    lo, hi = bounds(start, end, "1d", "")
    hi = over if hi is None else min(hi, over)
    oldest = over - LOOKBACK_DAYS[freq] + 1 if freq in LOOKBACK_DAYS else None
    if lo is None:
        lo = oldest if oldest is not None else over - int(DAILY_YEARS * 365.25)
    elif oldest is not None and lo < oldest:
        if hi < oldest:
            raise DataMissing(
                f"{ticker}: {freq} bars from {lo} to {hi} can no longer be had: the vendor keeps them for "
                f"{LOOKBACK_DAYS[freq]} days; coarser bars go back further"
            )
        notes.append(f"{freq} bars before {oldest} can no longer be had: the vendor keeps {LOOKBACK_DAYS[freq]} days")
        lo = oldest
    listed = str(meta.get("listing_date", ""))
    return max(lo, np.datetime64(listed, "D")) if listed else lo, hi


def _may_hold_bars(ticker: Ticker, gap: Range) -> bool:
    sessions = sessions_between(ticker, *gap)
    return sessions is None or sessions.size > 0


def _stored_span(
    store: PriceStore, ticker: Ticker, freq: str, meta: Mapping[str, Any]
) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    if not meta:
        return None, None
    bars = store.bars(ticker, freq)
    days = bars.time[[0, -1]].astype("datetime64[D]")
    return days[0], days[1]


def _outcome(
    store: PriceStore,
    ticker: Ticker,
    freq: str,
    status: str,
    reason: str,
    writes: Iterable[WriteReport] = (),
    notes: Iterable[str] = (),
    error: AbnormalError | None = None,
) -> Outcome:
    writes = tuple(writes)
    try:
        bars = store.bars(ticker, freq) if store.own_meta(ticker, freq) else None
    except AbnormalError as broken:
        bars, error, status, reason = None, error or broken, "failed", reason or str(broken)
    told = [*notes, *(n for w in writes for n in w.notes)]
    shown = ("", "") if bars is None else (str(bars.time[0])[:10], str(bars.time[-1])[:10])
    return Outcome(
        ticker, status, reason, sum(w.added for w in writes), 0 if bars is None else len(bars), *shown,
        notes=tuple(dict.fromkeys(told)), writes=writes, error=error,
    )  # fmt: skip
