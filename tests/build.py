"""Abnormal returns built from arrays for the tests: the public check data and small studies of one's own."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from abnormal.domain import AbnormalReturns, Sample, Tape, TestOptions, TestResult, Window
from abnormal.inputs.sample import cut, portfolio
from abnormal.registry import MODELS, TESTS

GOLDEN = Path(__file__).parent / "golden"
FIRST_DAY = np.datetime64("2020-01-01")


@functools.cache
def public() -> dict[str, Any]:
    """tests/golden/golden_public.json."""
    return json.loads((GOLDEN / "golden_public.json").read_text())


def matrix(rows: list[list[float | None]]) -> np.ndarray:
    """A list of rows with None for missing as (columns, rows): security-major."""
    return np.array([[np.nan if v is None else v for v in row] for row in rows], float).T.copy()


def tape_of(ret: np.ndarray, regressors: np.ndarray, names: tuple[str, ...] = ("market",), tickers: Any = None) -> Tape:
    """Returns (S, T) and regressors (T, q) as a tape on the panel's own days."""
    s, t = ret.shape
    names_of = tuple(f"F{i}" for i in range(s)) if tickers is None else tuple(tickers)
    return Tape(
        calendar="panel",
        time=FIRST_DAY + np.arange(t),
        units=names_of,
        y=ret,
        event_y=ret,
        span=np.where(np.isfinite(ret), 1.0, 0.0),
        usable=np.ones((s, t), bool),
        x=regressors[None],
        xid=np.zeros(s, np.int64),
        names=names,
    )


@dataclass(frozen=True)
class Study:
    """Abnormal returns and the portfolio of their common date (None where dates differ or there is one firm)."""

    ar: AbnormalReturns
    portfolio: AbnormalReturns | None
    sample: Sample

    def run(self, test: str, window: Window, variant: str = "", **options: Any) -> TestResult:
        opt = TestOptions(variant=variant, portfolio=self.portfolio, **options)
        return TESTS.get(test)(self.ar, window, opt)


def study(
    ret: np.ndarray,
    market: np.ndarray,
    position: Any,
    *,
    estimation: Window = (-250, -11),
    span: Window = (-1, 3),
    unit: Any = None,
    model: str = "market",
    tickers: Any = None,
    min_obs: int = 30,
    options: dict[str, Any] | None = None,
) -> Study:
    """Fit `model` to returns (S, T) around each position; `unit` says which firm each pair is (default: one pair a firm).

    `market` (T,) or (T, q) regressors.
    """
    regressors = market[:, None] if market.ndim == 1 else market
    names = ("market", "SMB", "HML")[: regressors.shape[1]]
    tape = replace(tape_of(ret, regressors, names, tickers), min_obs=min_obs)
    unit = np.arange(ret.shape[0]) if unit is None else np.asarray(unit)
    where = np.broadcast_to(np.asarray(position, np.int64), unit.shape)
    sample = cut(tape, unit, where, estimation, span, span[0], tuple(f"e{p}" for p in where))
    ar = MODELS.get(model)(sample, options or {})
    return Study(ar, _portfolio(sample, ar, span, model, options or {}), sample)


def _portfolio(
    sample: Sample, ar: AbnormalReturns, span: Window, model: str, options: dict[str, Any]
) -> AbnormalReturns | None:
    """The portfolio of the pairs with event returns, where they share a date and number two or more."""
    event = ar.ar[:, ar.columns(span)]
    whole = np.flatnonzero(np.isfinite(event).any(axis=1))
    days = sample.dates[whole, ar.at(0)]
    if whole.size < 2 or np.unique(days).size > 1:
        return None
    return MODELS.get(model)(portfolio(sample.take(whole))[0], options)


@functools.cache
def clustered(model: str = "market", firms: tuple[int, ...] = tuple(range(8))) -> Study:
    """The clustered public set: 8 firms, event row 270, estimation rows 20..259, windows up to [-1, +3]."""
    data = public()["clustered"]["data"]
    columns = ["mkt", "smb", "hml"] if model == "ff3" else ["mkt"]
    rf = data["rf"] if model == "ff3" else 0.0
    regressors = np.column_stack([np.array(data[c]) for c in columns])
    regressors[:, 0] -= rf
    ret = matrix(data["ret"])[list(firms)] - rf
    return study(ret, regressors, 270, model=model, tickers=[f"F{i}" for i in firms])


COMPLETE = tuple(range(6))


@functools.cache
def dispersed(pairs: int = 20) -> Study:
    """The dispersed public set: 20 firms on 20 dates, M = 200, windows up to [-1, +1]; the first `pairs` of them."""
    data = public()["dispersed"]["data"]
    ret = matrix(data["ret"])[:pairs]
    return study(ret, np.array(data["mkt"]), data["pos"][:pairs], estimation=(-220, -21), span=(-1, 1))


@functools.cache
def ladder() -> Study:
    """Two firms whose 30 estimation rows rank 1..30 and 30..1, event ranks 31 and 16 of 31 (market-adjusted, flat market)."""
    rising = 0.01 * (np.arange(1, 31) - 15.5)
    ret = np.array([np.append(rising, 0.20), np.append(rising[::-1], 0.0)])
    return study(ret, np.zeros(31), 30, estimation=(-30, -1), span=(0, 0), model="market_adjusted")


def shares(rng: np.random.Generator, firms: int, days: int, common: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Random returns (S, T) of firms with betas and a market (T,); `common` is the sd of a shock they share."""
    market = 0.01 * rng.standard_normal(days)
    sd = 0.01 + 0.02 * rng.random(firms)
    ret = np.outer(0.5 + rng.random(firms), market) + sd[:, None] * rng.standard_normal((firms, days))
    return ret + common * rng.standard_normal(days), market
