"""The registered tests on what the lanes kept: a waist without rows, whose window sums are already there.

Tests that look at CARs, their errors and the correlation of the pairs are the registered ones. The two that look at every
row, gen_sign and corrado_zivney, are given here from the sums the lanes took of the rows, by the same formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from ..battery import _cautious
from ..checks.decision import CLUSTERED_WILD, Design, Outcome, invalid_reason, row_of, silent_reason
from ..domain import AbnormalReturns, FloatArray, IntArray, PairResult, TestOptions, TestResult, Window
from ..inference._correlation import Correlation
from ..inference._window import WindowStats
from ..inference.resampling import WEBB_BELOW
from ..inference.skewness import skewness_in_errors
from ..kernel import dist, resample
from ..kernel.batch import mean_correlation
from ..registry import TESTS
from ..spec import StudySpec
from .held import Prices
from .lanes import Lanes


class Names(Sequence[str]):
    """Texts by code: as long as the study, as large as the list of distinct ones."""

    def __init__(self, names: Sequence[str], code: IntArray) -> None:
        self._names, self._code = names, code

    def __len__(self) -> int:
        return int(self._code.size)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Names: ...
    def __getitem__(self, i: Any) -> Any:
        return Names(self._names, self._code[i]) if isinstance(i, slice) else self._names[self._code[i]]

    def __iter__(self) -> Iterator[str]:
        return (self._names[c] for c in self._code)


def rbar_w(lanes: Lanes, j: int) -> Correlation:
    """Overlap-weighted mean correlation of the pairs in window j, all of them and each pair once."""
    kept, (low, high) = lanes.kept, lanes.windows[j]
    n = int(np.isfinite(kept.car[:, j] / kept.se[:, j]).sum())
    if n < 2 or lanes.batch.comoving is None:
        return Correlation(float("nan"), 0, True)
    whole = lanes.batch.comoving
    length = high - low + 1
    fast = mean_correlation(whole, length, n)
    slow = float(lanes.slow.rho[j]) / (n * (n - 1) / 2)
    flagged = int(whole.flagged[:length].sum() + lanes.slow.flagged[j])
    return Correlation(fast + slow, flagged, True)


def day_correlation(lanes: Lanes, i: int, length: int, n: int, path: bool) -> float:
    """The same for the i-th offset alone, or for the window behind its level of the cumulative path; n pairs have it."""
    whole = lanes.batch.comoving
    if whole is None or n < 2:
        return float("nan")
    slow = float(lanes.slow.rho_days[int(path), i])
    return mean_correlation(whole, length, n) + slow / (n * (n - 1) / 2)


def condensed(lanes: Lanes, prices: Prices) -> AbnormalReturns:
    """A waist of n pairs without rows: sigma, df, dates, and the sums of every window where tests look for them."""
    kept, placed = lanes.kept, lanes.placed
    # Sums over pairs are taken in the order of date and security, whatever the order they came in.
    o = kept.order
    n = placed.size
    none = np.broadcast_to(np.nan, (n, 1))
    empty: tuple[str, ...] = ("",) * n
    ar = AbnormalReturns(
        model=Names(kept.models, kept.model[o]), offsets=np.zeros(1, np.int64), ar=none, raw=none, expected=none,  # type: ignore[arg-type]
        est=np.broadcast_to(False, (n, 1)), span=none, noise=none, x=np.zeros((n, 1, 0)), g=np.zeros((n, 0, 0)),
        fitted=np.ones(n, bool), sigma=kept.sigma[o], df=kept.df[o], k=np.broadcast_to(0, n), m=kept.m[o],
        coef=np.zeros((n, 0)), coef_names=(), r2=np.broadcast_to(np.nan, n), dates=prices.tape.time[placed.day0[o]][:, None],
        estimation=lanes.estimation, event_id=empty, ticker=Names(placed.rows.names, placed.unit[o]),  # type: ignore[arg-type]
        reason=empty,
    )  # fmt: skip
    for j, (low, high) in enumerate(lanes.windows):
        car, se, rows = kept.car[o, j], kept.se[o, j], kept.rows[o, j]
        with np.errstate(invalid="ignore", divide="ignore"):
            scar = car / se
        full = rows == high - low + 1
        why = tuple("" if k else f"no return in the window ({low}, {high})" for k in rows) if not full.all() else empty
        ar.cache["window", (low, high)] = WindowStats(car, none[:, 0], se, scar, rows, full, none, none, why)
        usable = np.flatnonzero(np.isfinite(scar))
        ar.cache["rbar_w", (low, high), usable.tobytes()] = rbar_w(lanes, j)
    return ar


def answer_all(
    ar: AbnormalReturns, lanes: Lanes, tests: Sequence[tuple[str, str]], spec: StudySpec
) -> dict[tuple[str, str, Window], TestResult]:
    """Every test over every window; tests of single pairs have their place in the car table."""
    opt = TestOptions(
        alternative=spec.alternative, level=spec.level, seed=spec.seed, draws=spec.draws, min_obs=spec.min_obs
    )
    out: dict[tuple[str, str, Window], TestResult] = {}
    single: dict[tuple[str, str, Window], TestResult] = {}
    for test, variant in tests:
        for j, window in enumerate(lanes.windows):
            asked = replace(opt, variant=variant)
            if test == "gen_sign":
                answer: Any = gen_sign(lanes, j, asked)
            elif test == "corrado_zivney":
                answer = corrado_zivney(lanes, j, asked)
            else:
                answer = TESTS.get(test)(ar, window, asked)
            if isinstance(answer, PairResult):
                why = f"{test} is a test of one pair: see the car table, a row for each pair"
                single[test, variant, window] = TestResult.none(test, window, why, variant)
            else:
                out[test, variant, window] = answer
    return out | single


def gen_sign(lanes: Lanes, j: int, opt: TestOptions) -> TestResult:
    """Cowan's generalised sign test from counts of positive residuals; `pooled` takes one share over all of them."""
    kept, window = lanes.kept, lanes.windows[j]
    car = kept.car[kept.order, j]
    usable = np.isfinite(car / kept.se[kept.order, j])
    n = int(usable.sum())
    if n < 2:
        return TestResult.none(
            "gen_sign", window, f"gen_sign needs 2 pairs with a CAR, this study has {n}", opt.variant
        )
    up, seen = (v[kept.order][usable].astype(float) for v in (kept.up, kept.seen))
    phat = float(up.sum() / seen.sum()) if opt.variant == "pooled" else float(np.mean(up / seen))
    if not 0 < phat < 1:
        return TestResult.none(
            "gen_sign", window, f"all estimation residuals have one sign (phat {phat:g})", opt.variant
        )
    wins = int((car[usable] > 0).sum())
    z = (wins - n * phat) / np.sqrt(n * phat * (1.0 - phat))
    extra = {"phat": phat, "positive": wins}
    p = float(dist.normal_p(z, opt.alternative))
    return TestResult("gen_sign", window, float(z), p, np.nan, n, opt.variant, extra=extra)


def corrado_zivney(lanes: Lanes, j: int, opt: TestOptions) -> TestResult:
    """Corrado and Zivney's rank test from the column sums of ranks."""
    (low, high), found = lanes.windows[j], lanes.batch.ranks[j]
    kept, slow = lanes.kept, lanes.slow
    n = int(np.isfinite(kept.car[:, j] / kept.se[:, j]).sum())
    if n < 2:
        why = f"corrado_zivney needs 2 pairs with a CAR, this study has {n}"
        return TestResult.none("corrado_zivney", (low, high), why, opt.variant)
    total = found.sums / (1.0 + found.sums.size) - found.n / 2.0 + slow.rank_d[j]
    count = found.n + slow.rank_n[j]
    some = count > 0
    d = total[some] / np.sqrt(count[some])
    length = int(some[-(high - low + 1) :].sum())
    s = float(d.std(ddof=1) if opt.variant == "centred" else np.sqrt(np.mean(d * d)))
    if not s > 1e-12 * max(float(np.abs(d).max()), 1e-300):
        return TestResult.none("corrado_zivney", (low, high), "the ranks cancel on every row (S = 0)", opt.variant)
    z_day: FloatArray = d[-length:] / s
    z = float(z_day.sum() / np.sqrt(length))
    extra = {"z_day": z_day, "S": s, "T": d.size}
    p = float(dist.normal_p(z, opt.alternative))
    return TestResult("corrado_zivney", (low, high), z, p, np.nan, n, opt.variant, extra=extra)


# ------------------------------------------------------------------------------------------------ design and status


def designs_of(lanes: Lanes, prices: Prices) -> list[Design]:
    """What the decision table may look at, for every window."""
    placed = lanes.placed
    days, securities = np.unique(placed.day0), np.unique(placed.unit).size
    return [_design(lanes, prices, j, days, securities) for j in range(len(lanes.windows))]


def _design(lanes: Lanes, prices: Prices, j: int, days: np.ndarray, securities: int) -> Design:
    kept, n, (low, high) = lanes.kept, lanes.placed.size, lanes.windows[j]
    found = rbar_w(lanes, j).value
    usable = int(np.isfinite(kept.car[:, j] / kept.se[:, j]).sum())
    de = 1.0 + (usable - 1) * found if usable > 1 else 1.0
    return Design(
        n=n, dates=days.size, m=int(kept.m.min()), l2=int(kept.rows[:, j].max()), window=(low, high), de=de,
        n_eff=min(float(usable), usable / de) if de > 0 else float(usable), rbar_w=found,
        disjoint=bool(days.size < 2 or np.diff(days).min() > high - low), candidates=securities,
        thin_share=lanes.thin_share, portfolio=False, benchmark=bool(prices.tape.names),
    )  # fmt: skip


def outcome_of(lanes: Lanes, j: int) -> Outcome:
    """Skewness of the CARs, which the add-on rows look at."""
    car = lanes.kept.car[lanes.kept.order, j]
    return Outcome(skewness=skewness_in_errors(car[np.isfinite(car)]))


def judged(answer: TestResult, design: Design, outcome: Outcome) -> TestResult:
    """The answer with the status the design gives it."""
    if answer.status != "ok":
        return answer
    why = invalid_reason(answer.test, design, answer.variant)
    if why:
        return replace(answer, status="invalid", reason=why)
    why = silent_reason(answer.test, design, outcome, answer.variant)
    return replace(answer, status="shown", reason=why) if why else answer


def for_verdict(
    results: Sequence[TestResult], lanes: Lanes, design: Design, outcome: Outcome, spec: StudySpec
) -> dict[str, TestResult]:
    """Answers of the headline window by name; of an adjusted test and the plain one the less significant counts."""
    out: dict[str, TestResult] = {}
    for r in results:
        if r.window == design.window:
            out.setdefault(r.test, r)
    for name, plain in (("kp_bmp", "bmp"), ("kp_patell", "patell")):
        if name in out:
            out[name] = _cautious(out[name], out.get(plain))
    row = row_of(design)
    if row.id in CLUSTERED_WILD:
        out["wild"] = judged(wild_by_date(lanes, spec), design, outcome)
    for name in row.robustness(design):
        if name not in out:
            out[name] = TestResult.none(name, design.window, "not among the tests of this study")
    return out


def wild_by_date(lanes: Lanes, spec: StudySpec) -> TestResult:
    """The wild bootstrap with one weight a date, from the sums of CARs and of their squares by date.

    The same draws as `wild:date`; a weight enters a date's sum as a whole, so no pair is drawn by itself.
    """
    kept, window = lanes.kept, lanes.windows[0]
    car = kept.car[kept.order, 0]
    have = np.isfinite(car)
    car, day = car[have], lanes.placed.day0[kept.order][have]
    labels, place = np.unique(day, return_inverse=True)
    n = car.size
    if n < 2 or labels.size < 2:
        return TestResult.none("wild", window, f"needs 2 dates, this study has {labels.size}", "date")
    sums, squares = np.bincount(place, car), np.bincount(place, car * car)
    t = float(car.mean() / (car.std(ddof=1) / np.sqrt(n)))
    draw = resample.webb if labels.size < WEBB_BELOW else resample.rademacher
    found = [
        _t_of_sums(w @ sums, (w * w) @ squares, n)
        for w in draw(np.random.default_rng(spec.seed), spec.draws, labels.size)
    ]
    p = dist.empirical_p(np.concatenate(found), t, spec.alternative)
    extra = {"clusters": labels.size, "min_p": 1.0 / (spec.draws + 1)}
    return TestResult("wild", window, t, p, np.nan, n, "date", extra=extra)


def _t_of_sums(total: FloatArray, squares: FloatArray, n: int) -> FloatArray:
    """t = mean / (sd / sqrt(n)) of n values by their sum and sum of squares."""
    mean = total / n
    return mean / np.sqrt((squares - n * mean * mean) / (n - 1) / n)
