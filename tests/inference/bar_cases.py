"""Sessions by slot for the tests on bars: the public bars, and simulated ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from abnormal.domain import AbnormalReturns, TestOptions, TestResult, Window
from abnormal.inference._bars import DayActivity, PairBars
from abnormal.kernel import realized
from abnormal.registry import TESTS
from twin import intraday as twin
from twin import public


def pair_bars(r: np.ndarray, event: int, est: slice, *, ar: np.ndarray | None = None, **more: Any) -> PairBars:
    """Bars r (D, J) without closures; bar 0 is the first of the event session."""
    d, j = r.shape
    chosen = np.zeros(d, bool)
    chosen[est] = True
    raw = realized.diurnal_rms(r[chosen])
    ar = r if ar is None else ar
    rv = np.nansum(ar[chosen] ** 2, axis=1)
    exists = np.ones((d, j), bool)
    bars = PairBars(
        r=r, ar=ar, is_bar=np.ones(j, bool), exists=exists, halted=np.zeros((d, j), bool), est=chosen, event=event,
        places=np.arange(d * j), origin=event * j, news_before=False,
        scale=float(realized.day_sigma(rv, j)) * realized.diurnal_rms(ar[chosen]).f, f=raw.f, minutes=5,
        why_no_pattern=str(raw.reason),
    )  # fmt: skip
    return replace(bars, **more) if more else bars


def public_bars(**more: Any) -> PairBars:
    """The public 30 sessions of 66 bars; the jump session is the event, the 25 before it are the estimation."""
    return pair_bars(public.intraday()["r"], 25, slice(0, 25), lm_window=132, **more)


def public_activity() -> DayActivity:
    data = public.intraday()
    days = twin.ohlc(data["r"], data["overnight"])
    column = {k: np.array([day[k] for day in days]) for k in ("high", "low")}
    est = np.arange(30) < 25
    nan = np.full(30, np.nan)
    return DayActivity(column["high"], column["low"], nan, nan, None, est, 25, 1)


def waist(n: int = 1) -> AbnormalReturns:
    """A waist of n pairs without numbers: tests on bars read the bars alone."""
    empty = np.empty((n, 0))
    one = np.full(n, np.nan)
    return AbnormalReturns(
        model=("raw",) * n, offsets=np.empty(0, np.int64), ar=empty, raw=empty, expected=empty, est=empty.astype(bool),
        span=empty, noise=empty, x=np.empty((n, 0, 0)), g=np.empty((n, 0, 0)), fitted=np.zeros(n, bool), sigma=one, df=one,
        k=np.zeros(n, np.int64), m=np.zeros(n, np.int64), coef=np.empty((n, 0)), coef_names=(), r2=one,
        dates=empty.astype("datetime64[D]"), estimation=(-20, -1), event_id=("e",) * n, ticker=("T",) * n,
    )  # fmt: skip


def run(
    test: str, window: Window, variant: str = "", bars: Any = None, activity: Any = None, **options: Any
) -> TestResult:
    """The registered test's answer for one pair."""
    study = {k: [v] for k, v in (("bars", bars), ("activity", activity)) if v is not None}
    method = TESTS.get(test)
    opt = TestOptions(variant=variant or method.default_variant, study=study, **options)
    return method(waist(), window, opt).one(0)
