"""Placebo in space: other shares on the same day in the place of the studied ones (Abadie, Diamond and Hainmueller 2010)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, FloatArray, PairResult, Replay, TestOptions, TestResult, Ticker, Window
from ..kernel import dist
from ..registry import TESTS
from ._cross import chosen, has_one_date, usable_rows
from ._window import distinct_dates, estimation_block, window_stats
from .placebo import pair_result, placebo_answer, placebo_distribution

REFERENCE = "doi:10.1198/jasa.2009.ap08746"
FORMS = ("mspe_ratio", "gap_sum")
NO_DONORS = 'needs other shares: give options={"donors": ["A", "B", ...]}, or "panel" for all of a frame'
EXACT_SETS = 5000  # up to this many sets of donors all are counted


def gap_statistic(ar: AbnormalReturns, i: int, window: Window, form: str) -> float:
    """mean(post gap^2) / mean(pre gap^2), or |sum of post gaps| / pre-RMSE; NaN where the window is not whole."""
    cols = estimation_block(ar)
    before = ar.ar[i, cols][ar.est[i, cols]]
    after = ar.ar[i, ar.columns(window)]
    if not before.size or not np.isfinite(after).all() or not np.any(before != 0):
        return np.nan
    level = float(np.mean(before**2))
    return float(np.mean(after**2) / level) if form == "mspe_ratio" else float(abs(after.sum()) / np.sqrt(level))


class _There(NamedTuple):
    """Abnormal returns of the donors that could be estimated on the day of a pair, and their names."""

    returns: tuple[AbnormalReturns, ...]
    names: tuple[Ticker, ...]


def _donors_on(ar: AbnormalReturns, i: int, window: Window, replay: Replay) -> _There:
    """Every donor as if it were the treated share: same day, same estimation sessions, same model."""
    day = distinct_dates(ar)[i : i + 1]
    where = replay.limits(i)
    length = where.t1 - where.est_first + 1
    found, names = [], []
    for ticker in replay.donors:
        row = replay.rows_of(ticker, day)
        if row[0] < 0:
            continue
        other = replay.at(ticker, row, length, window)
        if not (other.reason and other.reason[0]):
            found.append(other)
            names.append(ticker)
    return _There(tuple(found), tuple(names))


@TESTS.add(
    "placebo_space",
    reference=REFERENCE,
    scope="space",
    variants=FORMS,
    formula="r = mean(post gap^2) / mean(pre gap^2); p = rank of the treated share's r among J + 1",
    assumes={"donors untouched by the event", "one share as likely to be hit as another"},
    robust_to={"a stormy day for the whole market"},
    others="the placebo test of synthetic controls (Synth, tidysynth)",
)
def placebo_space(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """How unusual is the share's move among other shares on the same day?

    Every donor is treated as if it had been hit, the studied share out of its pool. `mspe_ratio`: mean squared abnormal
    return of the window over that of the estimation rows; `gap_sum`: |CAR| over the root mean square. The smallest p with
    J donors is 1 / (J + 1); where that is not below twice the level the answer is shown without a vote.
    """
    form = chosen("placebo_space", opt, FORMS)
    out = []
    for i in range(ar.size):
        why = ar.reason[i] if ar.reason else ""
        if not why and (opt.replay is None or not opt.replay.donors):
            why = NO_DONORS
        if why or opt.replay is None:
            out.append(TestResult.none("placebo_space", window, why, form))
        else:
            out.append(_ranked_in_space(ar, i, window, form, opt, opt.replay))
    return pair_result("placebo_space", window, out)


def _ranked_in_space(
    ar: AbnormalReturns, i: int, window: Window, form: str, opt: TestOptions, replay: Replay
) -> TestResult:
    there = _donors_on(ar, i, window, replay)
    observed = gap_statistic(ar, i, window, form)
    values = np.array([gap_statistic(d, 0, window, form) for d in there.returns])
    have = np.isfinite(values)
    count = int(have.sum())
    if not count or not np.isfinite(observed):
        why = "no donor has a whole window that day" if np.isfinite(observed) else "the event has no statistic"
        return TestResult.none("placebo_space", window, why, form, n=float(count))
    p = float((1 + dist.count_at_least(values[have], observed)) / (count + 1))
    least = 1.0 / (count + 1)
    extra = {
        "min_p": least, "sign": float(np.sign(window_stats(ar, window).car[i])), "values": values[have],
        "donors": tuple(n for n, h in zip(there.names, have) if h), "observed": observed,
    }  # fmt: skip
    few = (
        f"{count} donors: the smallest possible p is 1/{count + 1}, too coarse to vote"
        if least >= 2 * opt.level
        else ""
    )
    status = "shown" if few else "ok"
    return TestResult("placebo_space", window, observed, p, np.nan, count, form, status, few, extra)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ time and space


@TESTS.add(
    "placebo_both",
    reference=REFERENCE,
    scope="space",
    variants=("time", "space"),
    formula="the real (firms, date) among all dates of the same firms, and among random sets of firms on the same date",
    assumes={"other firms untouched by the event"},
    robust_to={"fat tails", "cross-correlation"},
    others="ours",
)
def placebo_both(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Were these firms unusual for their own days, and for their day among other firms? Two answers, never one.

    `time`: the SCAR of the firm (or of the portfolio of one date) among its placebo dates. `space`: among sets of as many
    donors on the same date, all of them up to 5,000 sets and otherwise `draws` random ones; a set's SCAR is its mean CAR
    over s sqrt(c), s from the mean residuals of the set.
    """
    form = chosen("placebo_both", opt, ("time", "space"))
    rows = usable_rows(ar, window)
    if opt.replay is None or not rows.size or not has_one_date(ar, rows):
        return TestResult.none("placebo_both", window, "needs one firm, or several firms on one common date", form)
    if form == "time":
        unit = int(rows[0]) if rows.size == 1 else "portfolio"
        if unit == "portfolio" and opt.portfolio is None:
            return TestResult.none("placebo_both", window, "the firms of the date form no portfolio", form)
        found = placebo_distribution(opt.replay, unit, window, opt.min_obs)
        return placebo_answer("placebo_both", found, opt.replay, unit, window, replace(opt, variant=form))
    return _among_sets(ar, rows, window, opt, opt.replay)


class _Aligned(NamedTuple):
    """Residuals (J, M) on common estimation rows, CARs, variance multipliers and degrees of freedom (J,)."""

    e: FloatArray
    car: FloatArray
    c: FloatArray
    df: FloatArray

    def scar(self, members: np.ndarray) -> FloatArray:
        """SCAR of the equal-weighted portfolio of each set of rows (B, n)."""
        mean = self.e[members].mean(axis=1)
        df = self.df[members].mean(axis=1)
        s = np.sqrt(np.einsum("bm,bm->b", mean, mean) / df)
        return self.car[members].mean(axis=1) / (s * np.sqrt(self.c[members].mean(axis=1)))


def _among_sets(ar: AbnormalReturns, rows: np.ndarray, window: Window, opt: TestOptions, replay: Replay) -> TestResult:
    if not replay.donors:
        return TestResult.none("placebo_both", window, NO_DONORS, "space")
    there = _donors_on(ar, int(rows[0]), window, replay)
    whole = [d for d in there.returns if window_stats(d, window).full[0] and window_stats(d, window).usable[0]]
    size = rows.size
    if len(whole) < size + 1:
        why = f"{len(whole)} donors with a whole window that day; sets of {size} need more than {size}"
        return TestResult.none("placebo_both", window, why, "space")
    pool = _aligned(whole, window, opt.min_obs)
    own = _aligned([ar.take([i]) for i in rows], window, opt.min_obs)
    if pool is None or own is None:
        return TestResult.none("placebo_both", window, "too few estimation sessions in common", "space")
    observed = float(own.scar(np.arange(size)[None])[0])
    values = pool.scar(_sets(len(whole), size, opt))
    p = float((1 + dist.count_at_least(np.abs(values), abs(observed))) / (values.size + 1))
    extra = {"min_p": 1.0 / (values.size + 1), "values": values, "observed": observed, "donors": len(whole)}
    return TestResult("placebo_both", window, observed, p, np.nan, values.size, "space", extra=extra)


def _sets(pool: int, size: int, opt: TestOptions) -> np.ndarray:
    """Sets of `size` donors (B, size): every one, or random ones."""
    if comb(pool, size) <= EXACT_SETS:
        return np.array(list(combinations(range(pool), size)))
    rng = np.random.default_rng(opt.seed)
    return np.stack([rng.choice(pool, size, replace=False) for _ in range(opt.draws)])


def _aligned(members: list[AbnormalReturns], window: Window, min_obs: int) -> _Aligned | None:
    """The members on the sessions all of them were estimated on; None where those are too few."""
    day = [m.dates[0, estimation_block(m)][m.est[0, estimation_block(m)]] for m in members]
    common = day[0]
    for other in day[1:]:
        common = np.intersect1d(common, other)
    if common.size < min_obs:
        return None
    stats = [window_stats(m, window) for m in members]
    rows = [
        m.ar[0, estimation_block(m)][m.est[0, estimation_block(m)]][np.searchsorted(d, common)]
        for m, d in zip(members, day)
    ]
    spent = np.array([m.m[0] - m.df[0] for m in members])
    return _Aligned(
        np.stack(rows), np.array([s.car[0] for s in stats]), np.array([s.c[0] for s in stats]), common.size - spent
    )
