"""Prices of a bulk study as one matrix: returns by security and session, regressors, and what is known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..domain import Bars, DateArray, FloatArray, Tape, Ticker
from ..errors import BadData, RequestError, UnknownName
from ..inputs.calendars import PANEL
from ..inputs.providers.files import Returns, wide_matrix
from ..inputs.store import HeldPrices, open_prices
from ..inputs.tapes import Given, Recording, record
from ..inputs.tickers import load_tickers
from ..spec import StudySpec


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Everything the lanes read.

    tape: series of the study's securities. whole (S, T): one-session returns that estimation and event rows agree on, NaN
    elsewhere; it is what the batched kernel sees. digests: sha256 of what was read, for the manifest.
    """

    tape: Tape
    whole: FloatArray
    recording: Recording
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A wide frame of returns as a price source: one security at a time where a benchmark is asked for."""

    time: DateArray
    names: tuple[Ticker, ...]
    values: FloatArray
    own_dates: bool = True
    _row: dict[Ticker, int] = field(default_factory=dict)

    def bars(self, ticker: Ticker, freq: str = "1d", start: Any = None, end: Any = None) -> Bars:
        if ticker not in self._row:
            raise UnknownName("ticker", ticker, self.names, f"the frame of returns holds {len(self.names)} tickers")
        return Bars(ticker, self.time, {"ret": self.values[self._row[ticker]]}, freq)

    def tickers(self, freq: str = "1d") -> list[Ticker]:
        return sorted(self.names)

    def has(self, ticker: Ticker, freq: str = "1d") -> bool:
        return ticker in self._row

    def meta(self, ticker: Ticker, freq: str = "1d") -> dict[str, Any]:
        return {"ticker": ticker, "freq": freq}

    def dates(self, freq: str = "1d") -> DateArray:
        return self.time

    def describe(self) -> str:
        return f"the frame of returns ({len(self.names)} tickers)"

    def digest(self, tickers: Any = None, freq: str = "1d") -> str:
        blob = hashlib.sha256(self.time.astype("<i8").tobytes())
        blob.update("\n".join(self.names).encode())
        blob.update(np.ascontiguousarray(self.values, "<f8").data)
        return blob.hexdigest()


def prices_of(prices: Any, names: tuple[Ticker, ...], spec: StudySpec, given: Given) -> Prices | None:
    """The series of the tickers `names`, in their order; None where the prices are no frame or file with its own dates."""
    matrix = _matrix(prices)
    if matrix is not None and all(t in matrix._row for t in names) and not _listed_inside(names, matrix.time):
        return _from_matrix(matrix, names, spec, given)
    source = open_prices(prices) if prices is not None else None
    if not isinstance(source, HeldPrices) or source.freq != "1d":
        return None
    found = record(PANEL, names, names, source, spec, given)
    if np.unique(found.tape.xid).size > 1:
        return None
    digest = source.digest(sorted(found.bars))
    return Prices(found.tape, _agreed(found.tape), found, {source.describe(): digest})


def _matrix(prices: Any) -> Matrix | None:
    """Returns given as a wide frame of numbers, or None."""
    import pandas as pd

    if not isinstance(prices, Returns) or not isinstance(prices.data, pd.DataFrame):
        return None
    try:
        time, names, values = wide_matrix(prices)
    except BadData:
        return None  # the usual reader says what is wrong
    if time.dtype != np.dtype("datetime64[D]"):
        return None
    return Matrix(time, names, values, _row={t: i for i, t in enumerate(names)})


def _listed_inside(names: tuple[Ticker, ...], time: DateArray) -> bool:
    """Whether the ticker table knows a listing date inside the data: its first sessions are then not estimated on."""
    table = load_tickers()
    known = [table.listing_date(t) for t in set(table.tickers) & set(names)]
    return any(d is not None and time[0] <= np.datetime64(d, "D") <= time[-1] for d in known)


def _from_matrix(matrix: Matrix, names: tuple[Ticker, ...], spec: StudySpec, given: Given) -> Prices:
    """The whole frame as a tape, without a copy a security: benchmark and factors are read as usual, through one of them."""
    found = record(PANEL, names[:1], names, matrix, spec, given)
    values, units = matrix.values, matrix.names
    tape = Tape(
        calendar=PANEL, time=matrix.time, units=units, y=values, event_y=values, span=np.broadcast_to(1.0, values.shape),
        usable=np.broadcast_to(np.True_, values.shape), x=found.tape.x[:1], xid=np.zeros(len(units), np.int64),
        names=found.tape.names, rf=found.tape.rf, kind=spec.returns, min_obs=spec.min_obs, leads=0,
    )  # fmt: skip
    return Prices(tape, values, found, {matrix.describe(): matrix.digest()})


def _agreed(tape: Tape) -> FloatArray:
    """Returns over one session, on usable rows, that estimation and event rows read alike."""
    same = (tape.y == tape.event_y) & (tape.span <= 1) & tape.usable
    return np.where(same, tape.y, np.nan)


def benchmark_problem(ticker: Ticker, spec: StudySpec, given: Given) -> str:
    """Why a share has no benchmark of its own here, or ""."""
    if given.benchmark is None and spec.benchmark in (ticker, (ticker,)):
        return f"the benchmark is the share itself ({ticker})"
    return ""


def regressors_of(prices: Prices, model: str) -> tuple[FloatArray, FloatArray | None] | None:
    """(regressors (q, T), series with coefficient 1 or None) of a model; None where what it needs was not given."""
    tape = prices.tape
    x = {name: np.ascontiguousarray(tape.x[0, :, j]) for j, name in enumerate(tape.names)}
    none = np.empty((0, tape.time.size))
    if model == "mean":
        return none, None
    if model in ("market", "market_zero_alpha", "market_adjusted"):
        first = next(iter(x.values()), None)
        if first is None:
            return None
        return (none, first) if model == "market_adjusted" else (first[None], None)
    return _factors(model, x, tape.rf)


def _factors(
    model: str, x: Mapping[str, FloatArray], rf: FloatArray | None
) -> tuple[FloatArray, FloatArray | None] | None:
    from ..models.factors import FACTORS

    if model == "factors":
        return (np.stack(list(x.values())), rf) if x else None
    excess = x.get("MKT")
    if excess is None and "market" in x:
        excess = x["market"] if rf is None else x["market"] - rf
    names = ("MKT",) if model == "capm" else FACTORS[model]
    columns = [excess if n == "MKT" else x.get(n) for n in names]
    if any(c is None for c in columns):
        return None
    return np.stack([c for c in columns if c is not None]), rf


def require_regressors(prices: Prices, model: str) -> tuple[FloatArray, FloatArray | None]:
    """The same, or the error that says what to give."""
    found = regressors_of(prices, model)
    if found is None:
        raise RequestError(f"model {model!r} needs a benchmark or factors; give benchmark=... or factors=...")
    return found
