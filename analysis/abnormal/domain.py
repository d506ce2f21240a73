"""The nouns: events, bars, panels, samples, abnormal returns and what a test answers.

Arrays carry their shape in the name of their axis: `E` pairs (event, ticker), `W` row offsets of a pair (estimation
window, gap and event windows in one run), `L` offsets of one event window, `k` regressors, `S` securities, `T` sessions.
Returns are decimal fractions. All types are frozen: a verb returns a new value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import EventError, UnknownName

Ticker = str
Window = tuple[int, int]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
DateArray = NDArray[np.datetime64]

Status = Literal["verified", "quoted", "unverified"]
TestStatus = Literal["ok", "shown", "not_applicable", "invalid"]

PRECISIONS = ("minute", "hour", "session", "day", "week")
SESSION_HINTS = ("pre_open", "in_session", "intraday", "after_close", "post_close", "weekend", "unknown")
ROLES = ("target", "beneficiary", "supplier", "customer", "peer", "holder")
STATUSES = ("verified", "quoted", "unverified")
ANTICIPATED = ("no", "partly", "yes")

# ---------------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Link:
    """One ticker an event names: the role of the firm and the sign expected of its return (+1, -1, 0 = unknown)."""

    ticker: Ticker
    role: str = ""
    sign: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A dated, sourced market event.

    `at` is a zoned clock time; without it `date` (with `timezone`, empty = the exchange's own) says only the day.
    """

    id: str
    title: str = ""
    kind: str = ""
    at: dt.datetime | None = None
    date: dt.date | None = None
    timezone: str = ""
    precision: str = "day"
    session_hint: str = "unknown"
    session_market: str = ""
    scheduled: bool = False
    anticipated: str = "no"
    jurisdiction: str = ""
    cluster: str = ""
    market_wide: bool = False
    selected_on_outcome: bool = False
    tickers: tuple[Link, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    known_confounders: tuple[str, ...] = ()
    effective_date: dt.date | None = None
    date_end: dt.date | None = None
    sources: tuple[str, ...] = ()
    status: str = "unverified"
    confidence: str = ""
    notes: str = ""

    @property
    def day(self) -> dt.date:
        """The calendar date the event is filed under: that of `at` in its own zone, else `date`."""
        if self.at is not None:
            return self.at.date()
        if self.date is None:
            raise EventError(f"event {self.id!r} has neither `at` nor `date`; give one of them")
        return self.date

    def link(self, ticker: Ticker) -> Link:
        for link in self.tickers:
            if link.ticker == ticker:
                return link
        return Link(ticker)


@dataclass(frozen=True, slots=True)
class Pair:
    """The unit of analysis: one event and one ticker, known by its position in the study."""

    event: Event
    link: Link
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ticker(self) -> Ticker:
        return self.link.ticker

    @property
    def label(self) -> str:
        return f"{self.link.ticker} at {self.event.id}"


@dataclass(frozen=True, slots=True)
class EventCatalog:
    """Events in file order; every selection gives a new catalogue that remembers where it was cut from.

    Confounders and contaminated days are looked up in `whole`, never only in the selection.
    """

    events: tuple[Event, ...]
    source: str = ""
    parent: EventCatalog | None = None
    extras: Mapping[tuple[str, Ticker], Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    named: bool = False  # cut out by id: then the status does not matter

    @property
    def whole(self) -> EventCatalog:
        return self if self.parent is None else self.parent.whole

    @property
    def ids(self) -> list[str]:
        return [e.id for e in self.events]

    @property
    def pairs(self) -> list[Pair]:
        empty: Mapping[str, Any] = MappingProxyType({})
        return [Pair(e, k, self.extras.get((e.id, k.ticker), empty)) for e in self.events for k in e.tickers]

    def _cut(self, events: Iterable[Event], named: bool = False) -> EventCatalog:
        return EventCatalog(tuple(events), self.source, self, self.extras, named or self.named)

    def get(self, event_id: str) -> Event:
        for event in self.events:
            if event.id == event_id:
                return event
        raise UnknownName("event", event_id, self.ids, "`abnormal events list` shows all")

    def __getitem__(self, key: str | Iterable[str]) -> EventCatalog:
        names = [key] if isinstance(key, str) else list(key)
        return self._cut((self.get(n) for n in names), named=True)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __contains__(self, key: object) -> bool:
        return any(e.id == key for e in self.events)

    def where(self, test: Callable[[Event], bool]) -> EventCatalog:
        """Events for which `test(event)` is true."""
        return self._cut(e for e in self.events if test(e))

    def kind(self, *kinds: str) -> EventCatalog:
        """Events of these kinds; an unknown kind is an error with the nearest names."""
        known = {e.kind for e in self.whole.events}
        for k in kinds:
            if k not in known:
                raise UnknownName("event kind", k, sorted(known), f"There are {', '.join(sorted(known - {''}))}")
        return self.where(lambda e: e.kind in kinds)

    def status(self, *statuses: str) -> EventCatalog:
        return self.where(lambda e: e.status in statuses)

    def between(self, after: dt.date | str | None = None, before: dt.date | str | None = None) -> EventCatalog:
        """Events filed under a day in [after, before], both ends included."""
        lo = dt.date.fromisoformat(after) if isinstance(after, str) else after
        hi = dt.date.fromisoformat(before) if isinstance(before, str) else before
        return self.where(lambda e: (lo is None or e.day >= lo) and (hi is None or e.day <= hi))

    def only(self, *tickers: Ticker) -> EventCatalog:
        """The same events with these tickers only.

        A ticker the event does not name is added without role and sign, so that any share can be studied at any event.
        """
        return self._cut(replace(e, tickers=tuple(e.link(t) for t in tickers)) for e in self.events)

    def naming(self, ticker: Ticker) -> EventCatalog:
        """Events that name this ticker."""
        return self.where(lambda e: any(k.ticker == ticker for k in e.tickers))

    def role(self, *roles: str) -> EventCatalog:
        """The events' tickers of these roles only; events left without a ticker go."""
        cut = (replace(e, tickers=tuple(k for k in e.tickers if k.role in roles)) for e in self.events)
        return self._cut(e for e in cut if e.tickers)


# ---------------------------------------------------------------------------------------------------- prices

BAR_COLUMNS = ("open", "high", "low", "close", "prev_close", "adj_close", "volume", "turnover", "dividends", "splits")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Price bars of one ticker in time order.

    `time` is (T,) datetime64[D] for daily bars and datetime64[ns] bar starts in UTC for finer ones. `columns` maps the
    names of BAR_COLUMNS (each optional, `ret` for returns given as such) to (T,) float arrays, NaN = the source has none.
    """

    ticker: Ticker
    time: DateArray
    columns: Mapping[str, FloatArray]
    freq: str = "1d"
    meta: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return int(self.time.size)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def get(self, column: str) -> FloatArray:
        """The column, or all NaN where the source has none."""
        found = self.columns.get(column)
        return np.full(self.time.size, np.nan) if found is None else found


# Why a cell of a panel holds no return.
REASONS = {
    0: "",
    1: "before the first price",
    2: "after the last price",
    3: "no price on this session",
    4: "not traded (zero volume)",
    5: "first return after a gap (several sessions)",
    6: "listing day: the return against the offer price is not used",
    7: "price not usable",
    8: "return missing in the input",
}


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Returns of many securities on the session axis of one exchange, security-major.

    returns (S, T): one-session returns, NaN with a reason. multi (S, T): the return since the last trade wherever there
    was a trade (equal to `returns` when it was the session before), span (S, T): how many sessions it covers (0 = no
    trade). reason (S, T): code of REASONS. session (T,): number of the session a bar belongs to (daily: 0..T-1).
    """

    calendar: str
    time: DateArray
    tickers: tuple[Ticker, ...]
    returns: FloatArray
    multi: FloatArray
    span: NDArray[np.int16]
    reason: NDArray[np.uint8]
    kind: str = "simple"
    freq: str = "1d"
    session: IntArray | None = None
    listed: Mapping[Ticker, int] = field(default_factory=lambda: MappingProxyType({}))

    def row(self, ticker: Ticker) -> int:
        try:
            return self.tickers.index(ticker)
        except ValueError:
            raise UnknownName("ticker", ticker, self.tickers) from None


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Whole series of the units of a study on one session axis, before any window is cut.

    y (S, T): returns for estimation rows, by the thin-trading policy, NaN = none. event_y (S, T): returns for event rows,
    where the first return after a gap is kept. span (S, T): sessions covered. usable (S, T): rows that may be estimated on
    (listing days are not). x (B, T, q): named regressors; unit s reads x[xid[s]]. rf (T,). peers (P, T) control shares and
    peer_of (S, J) their rows for each unit. index_level (B, T): cumulated log benchmark, to compound over a gap.
    """

    calendar: str
    time: DateArray
    units: tuple[str, ...]
    y: FloatArray
    event_y: FloatArray
    span: FloatArray
    usable: BoolArray
    x: FloatArray
    xid: IntArray
    names: tuple[str, ...]
    rf: FloatArray | None = None
    peers: FloatArray | None = None
    peer_of: IntArray | None = None
    peer_names: tuple[str, ...] = ()
    kind: str = "simple"
    min_obs: int = 30
    leads: int = 0

    def first_usable(self, unit: int) -> int:
        """First row of the unit that may be estimated on, or T where there is none."""
        rows = np.flatnonzero(self.usable[unit] & np.isfinite(self.y[unit]))
        return int(rows[0]) if rows.size else int(self.time.size)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Returns and regressors cut to (pair x offset): what a model sees, and nothing else.

    offsets (W,) run from the first estimation offset over the gap to the end of the widest event window. y (E, W) is the
    return to be explained (NaN = none), x (E, W, q) the named regressors on the same rows (no intercept), span (E, W)
    the sessions a return covers, est (E, W) the rows that may be used for estimation, dates (E, W) the session dates.
    lead/lag (E, W, p): the first regressor p = 1, 2, ... sessions later/earlier, for models that need them. peers (E, W, J):
    returns of control shares. rf (E, W): the riskless rate where a model asks for excess returns. event_from: first offset
    of all event windows (None: right after the estimation window). peer_of (E, J): place of each control share's name in
    `peer_names` (None where all pairs have all of them, in that order).
    """

    offsets: IntArray
    y: FloatArray
    x: FloatArray
    names: tuple[str, ...]
    span: FloatArray
    est: BoolArray
    dates: DateArray
    estimation: Window
    event_id: tuple[str, ...]
    ticker: tuple[Ticker, ...]
    lead: FloatArray | None = None
    lag: FloatArray | None = None
    peers: FloatArray | None = None
    peer_names: tuple[str, ...] = ()
    rf: FloatArray | None = None
    min_obs: int = 30
    kind: str = "simple"
    event_from: int | None = None
    peer_of: IntArray | None = None

    @property
    def size(self) -> int:
        return int(self.y.shape[0])

    def take(self, rows: IntArray | list[int]) -> Sample:
        """The same sample for some pairs only."""
        i = np.asarray(rows, dtype=np.int64)

        def pick(a: Any) -> Any:
            return None if a is None else a[i]

        return replace(
            self, y=self.y[i], x=self.x[i], span=self.span[i], est=self.est[i], dates=self.dates[i],
            event_id=tuple(self.event_id[j] for j in i), ticker=tuple(self.ticker[j] for j in i),
            lead=pick(self.lead), lag=pick(self.lag), peers=pick(self.peers), rf=pick(self.rf),
            peer_of=pick(self.peer_of),
        )  # fmt: skip

    def column(self, name: str) -> FloatArray:
        """Regressor `name` as (E, W)."""
        return self.x[:, :, self.names.index(name)]


# ---------------------------------------------------------------------------------------------------- the waist

Refit = Callable[[FloatArray, FloatArray, BoolArray], FloatArray]
NoiseOf = Callable[[Window], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class AbnormalReturns:
    """The waist: what happened against what would have happened, for every pair. Tests see nothing else of a model.

    ar (E, W): return minus expected return on every row that has one: estimation residuals, gap and event rows alike.
    raw, expected (E, W). est (E, W): rows the model was fitted on. span (E, W): sessions a return covers.
    x (E, W, k), g (E, k, k): the forecast of a sum with weights w over rows has variance
    sigma^2 (sum w^2 noise + u' g u) with u = sum w x; g = (X'X)^-1 for least squares, zero where nothing was estimated.
    noise (E, W): error variance of a row in units of sigma^2 (the span; a GARCH ratio). fitted (E,): whether estimation
    residuals are in-sample least-squares residuals (then a sum over estimation rows has variance sum noise - u' g u).
    sigma, df, k, m (E,): residual standard deviation, degrees of freedom, parameters, estimation rows used.
    refit[model](y, x, use): residuals (E, R) of that model fitted to the rows `use` of y (E, R), x (E, R, k); a model that
    cannot be fitted again is absent. reason: per pair "" or why the model gave nothing (such pairs are all NaN).
    noise_of(window) gives `noise` for one event window where it depends on the day the window begins (GARCH forecasts).
    """

    model: tuple[str, ...]
    offsets: IntArray
    ar: FloatArray
    raw: FloatArray
    expected: FloatArray
    est: BoolArray
    span: FloatArray
    noise: FloatArray
    x: FloatArray
    g: FloatArray
    fitted: BoolArray
    sigma: FloatArray
    df: FloatArray
    k: IntArray
    m: IntArray
    coef: FloatArray
    coef_names: tuple[str, ...]
    r2: FloatArray
    dates: DateArray
    estimation: Window
    event_id: tuple[str, ...]
    ticker: tuple[Ticker, ...]
    market: FloatArray | None = None
    refit: Mapping[str, Refit] = field(default_factory=lambda: MappingProxyType({}))
    reason: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    noise_of: NoiseOf | None = None
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        return int(self.ar.shape[0])

    @property
    def first_event_column(self) -> int:
        """Column of the first offset after the estimation window."""
        return int(np.searchsorted(self.offsets, self.estimation[1], side="right"))

    def columns(self, window: Window) -> slice:
        """Columns of an event window, both ends included."""
        a = int(np.searchsorted(self.offsets, window[0]))
        b = int(np.searchsorted(self.offsets, window[1], side="right"))
        return slice(a, b)

    def noise_for(self, window: Window) -> FloatArray:
        """`noise` (E, W) as it stands for this event window."""
        return self.noise if self.noise_of is None else self.noise_of(window)

    def at(self, offset: int) -> int:
        return int(np.searchsorted(self.offsets, offset))

    def take(self, rows: IntArray | list[int] | NDArray[Any]) -> AbnormalReturns:
        """The same abnormal returns for some pairs only (positions)."""
        i = np.asarray(rows, dtype=np.int64)
        per_pair = ("ar raw expected est span noise x g fitted sigma df k m coef r2 dates").split()
        cut: dict[str, Any] = {name: getattr(self, name)[i] for name in per_pair}
        return replace(
            self, **cut, model=tuple(self.model[j] for j in i), event_id=tuple(self.event_id[j] for j in i),
            ticker=tuple(self.ticker[j] for j in i), market=None if self.market is None else self.market[i],
            reason=tuple(self.reason[j] for j in i) if self.reason else (), cache={},
            noise_of=None if self.noise_of is None else lambda window: self.noise_for(window)[i],
        )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class TestResult:
    """What one test of the cross-section (or of one pair) answers.

    status: `ok`; `shown` = printed without a vote; `not_applicable` = cannot be computed, see reason; `invalid` = the
    design breaks it, see reason. p is for the alternative asked for. `extra` holds named by-products.
    """

    __test__ = False

    test: str
    window: Window
    statistic: float = np.nan
    p: float = np.nan
    df: float = np.nan
    n: float = np.nan
    variant: str = ""
    status: TestStatus = "ok"
    reason: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def none(cls, test: str, window: Window, reason: str, variant: str = "", **extra: Any) -> TestResult:
        """An inapplicable test is an answer: NaN with its reason."""
        return cls(test, window, variant=variant, status="not_applicable", reason=reason, extra=extra)


@dataclass(frozen=True, slots=True)
class PairResult:
    """What one single-pair test answers for every pair: arrays over pairs, NaN with a reason where it cannot.

    `min_p` is the smallest p the test could have given (rank tests), `extra` further (E,) arrays.
    """

    test: str
    window: Window
    statistic: FloatArray
    p: FloatArray
    df: FloatArray
    n: FloatArray
    variant: str = ""
    reason: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def one(self, i: int = 0) -> TestResult:
        """The answer for pair i as a TestResult."""
        why = self.reason[i] if self.reason else ""
        extra = {
            k: (v[i] if isinstance(v, np.ndarray) and v.shape[:1] == self.p.shape else v) for k, v in self.extra.items()
        }
        return TestResult(
            self.test, self.window, float(self.statistic[i]), float(self.p[i]), float(self.df[i]), float(self.n[i]),
            self.variant, "not_applicable" if why else "ok", why, extra,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Can we believe it? True passed, False failed, None informs only; the sentence says what was seen and what to do."""

    check: str
    passed: bool | None
    sentence: str
    table: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class CheckInput:
    """What a check may look at: estimates, design and neighbours of a study, and a way to run it again.

    rerun(**changes) gives the AbnormalReturns of the same study with its spec changed (None where nothing is left);
    confounders, drift, contaminated, volatility, thin and marks are per pair, in the order of `labels`.
    """

    ar: AbnormalReturns
    portfolio: AbnormalReturns | None
    headline: Window
    windows: tuple[Window, ...]
    level: float
    labels: tuple[str, ...]
    flags: tuple[tuple[str, ...], ...]
    drift: FloatArray
    contaminated: IntArray
    volatility: FloatArray
    thin: FloatArray
    confounders: tuple[tuple[str, ...], ...]
    bases: Mapping[Ticker, str]
    benchmark: tuple[Ticker, ...]
    benchmark_named: tuple[str, ...]
    design: Any
    rerun: Callable[..., AbnormalReturns | None]
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Excluded:
    """A pair, day or test that was left out: at which stage, what, why, and what would bring it back."""

    stage: str
    what: str
    reason: str
    remedy: str = ""
    event_id: str = ""
    ticker: str = ""


Unit = int | str  # a pair by position, "portfolio", or the ticker of a candidate or donor


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows of a unit on its session axis: first usable one, first estimation session, T1 and day 0."""

    first: int
    est_first: int
    t1: int
    day0: int


class Replay(Protocol):
    """The study's offer to estimate again elsewhere: what placebo tests know of the rest of the program."""

    @property
    def candidates(self) -> tuple[Ticker, ...]: ...
    @property
    def donors(self) -> tuple[Ticker, ...]: ...
    @property
    def estimation_end(self) -> int: ...
    def limits(self, unit: Unit) -> Limits: ...
    def time(self, unit: Unit) -> DateArray: ...
    def ticker(self, unit: Unit) -> Ticker: ...
    def rows_of(self, unit: Unit, days: DateArray) -> IntArray:
        """Row of each day on the unit's own axis, -1 where it has none."""
        ...

    def at(self, unit: Unit, rows: IntArray, length: int, window: Window) -> AbnormalReturns:
        """Abnormal returns of the unit with day 0 at each of `rows`, the model fitted on `length` sessions before."""
        ...

    def scars(self, unit: Unit, rows: IntArray, length: int, window: Window) -> FloatArray:
        """SCAR of the unit at each of `rows` (n,), NaN where the window is not whole."""
        ...


@dataclass(frozen=True, slots=True)
class TestOptions:
    """What a test may ask of the study besides the abnormal returns.

    replay estimates again at pseudo dates (placebo tests, selection); portfolio is the equal-weighted portfolio of a common
    date as its own AbnormalReturns (None otherwise); `rbar` says how residuals are aligned.
    """

    __test__ = False

    variant: str = ""
    alternative: str = "two-sided"
    level: float = 0.05
    seed: int = 1
    draws: int = 9999
    min_obs: int = 30
    rbar: str = "calendar"
    portfolio: AbnormalReturns | None = None
    replay: Replay | None = None
    selected_sessions: int = 1
    study: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the numbers say of one session or window; it describes the session, never a cause."""

    label: str
    row: str
    headline: str
    window: Window
    p: float
    n: float
    smallest_p: float
    estimate: float
    interval: tuple[float, float]
    mde: float
    sentence: str
    reasons: tuple[str, ...] = ()
    votes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
