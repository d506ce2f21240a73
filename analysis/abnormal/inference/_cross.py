"""What tests over many pairs share: which pairs can be used, one way to refuse, one way to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, TestOptions, TestResult, Window
from ..errors import UnknownName
from ..kernel import dist
from ._window import WindowStats, distinct_dates, estimation_block, window_stats

UPPER = {"alternative": "upper tail by nature; the alternative asked for does not apply"}


def chosen(test: str, opt: TestOptions, variants: Sequence[str]) -> str:
    """The variant asked for, or the first one; an unknown name is an error with the nearest known ones."""
    if not opt.variant:
        return variants[0]
    if opt.variant not in variants:
        raise UnknownName(f"variant of {test}", opt.variant, variants, f"{test} has: {', '.join(variants)}")
    return opt.variant


def usable_rows(ar: AbnormalReturns, window: Window) -> IntArray:
    """Positions of the pairs with a standardised CAR in the window."""
    return np.flatnonzero(window_stats(ar, window).usable)


def cars(ar: AbnormalReturns, window: Window) -> tuple[FloatArray, IntArray]:
    """CARs of the pairs that have one, and their positions."""
    car = window_stats(ar, window).car
    rows = np.flatnonzero(np.isfinite(car))
    return car[rows], rows


def with_values(ar: AbnormalReturns, window: Window, values: FloatArray) -> AbnormalReturns:
    """The same pairs with other values (E,) in place of their CARs: buy-and-hold returns for the tests on CARs alone."""
    return replace(ar, cache={("window", window): window_stats(ar, window)._replace(car=values)})


def first_reason(w: WindowStats) -> str:
    """Why the first pair without a number has none, in brackets, or nothing."""
    return next((f" ({why})" for why in w.reason if why), "")


def too_few(
    test: str, ar: AbnormalReturns, window: Window, have: int, need: int, form: str, what: str = "a CAR"
) -> TestResult:
    """`bmp needs 2 pairs with a CAR, this study has 1`, and why pairs are missing where one says so."""
    why = first_reason(window_stats(ar, window))
    return TestResult.none(test, window, f"{test} needs {need} pairs with {what}, this study has {have}{why}", form)


def by_t(
    test: str, window: Window, t: float, df: float, n: int, form: str, opt: TestOptions, **extra: Any
) -> TestResult:
    """A statistic referred to Student's t."""
    p = float(dist.student_p(t, df, opt.alternative))
    return TestResult(test, window, float(t), p, float(df), n, form, extra=extra)


def by_normal(test: str, window: Window, z: float, n: int, form: str, opt: TestOptions, **extra: Any) -> TestResult:
    """A statistic referred to the standard normal."""
    return TestResult(test, window, float(z), float(dist.normal_p(z, opt.alternative)), np.nan, n, form, extra=extra)


def has_one_date(ar: AbnormalReturns, rows: IntArray) -> bool:
    """Whether the pairs share one event session."""
    return np.unique(distinct_dates(ar)[rows]).size == 1


def dates_differ(ar: AbnormalReturns, rows: IntArray) -> str:
    """Why the pairs are not on one common session axis, or an empty string."""
    days = np.unique(distinct_dates(ar)[rows]).size
    if days > 1:
        return f"needs one common event date; these pairs have {days}"
    sessions = ar.dates[rows].astype(np.int64)  # days outside the panel (NaT) compare equal as numbers
    if not (sessions == sessions[:1]).all():
        return "needs one common session axis; these firms trade on different sessions"
    return ""


def one_date_rows(
    test: str, ar: AbnormalReturns, window: Window, rows: IntArray, need: int, form: str
) -> TestResult | None:
    """The refusal of a common-date test that lacks pairs or a common date, or None."""
    if rows.size < need:
        return too_few(test, ar, window, rows.size, need, form)
    why = dates_differ(ar, rows)
    return TestResult.none(test, window, f"{test} {why}", form) if why else None


def residual_rows(ar: AbnormalReturns, rows: IntArray) -> FloatArray:
    """Estimation residuals (E, M) of some pairs in event time, NaN where a row was not used."""
    cols = estimation_block(ar)
    return np.where(ar.est[rows, cols], ar.ar[rows, cols], np.nan)


def keep_complete(ar: AbnormalReturns, rows: IntArray, min_obs: int) -> tuple[IntArray, tuple[str, ...]]:
    """Pairs left when, while fewer than `min_obs` estimation rows are complete for all, the one with fewest rows goes.

    The same rule as for the portfolio of a common date; the second answer names who went.
    """
    cols = estimation_block(ar)
    est = ar.est[:, cols]
    keep, out = list(rows), []
    missing = (~est[rows]).sum(axis=0)
    while len(keep) > 1 and int((missing == 0).sum()) < min_obs:
        fewest = min(keep, key=lambda i: (int(est[i].sum()), -i))
        keep.remove(fewest)
        missing = missing - ~est[fewest]
        out.append(ar.ticker[fewest])
    return np.array(keep, np.int64), tuple(out)


class EventTime(NamedTuple):
    """a (N, T): estimation residuals then event abnormal returns of the usable pairs, rows nobody has left out.

    length: event rows among the T (they come last); rows: positions of the pairs; offsets (length,) of the event rows.
    """

    a: FloatArray
    length: int
    rows: IntArray
    offsets: IntArray


def event_time(ar: AbnormalReturns, window: Window) -> EventTime:
    """The rows that rank and sign tests look at, in event time."""
    key = ("event_time", window)
    if key not in ar.cache:
        rows = usable_rows(ar, window)
        event = window_stats(ar, window).ar[rows]
        a = np.concatenate([residual_rows(ar, rows), event], axis=1)
        some = np.isfinite(a).any(axis=0)
        inside = some[-event.shape[1] :]
        offsets = np.arange(window[0], window[1] + 1)[inside]
        ar.cache[key] = EventTime(a[:, some], int(inside.sum()), rows, offsets)
    return ar.cache[key]
