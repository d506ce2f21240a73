"""Do the residuals of the estimation regressions behave as the t and F tests suppose?

Seven questions, each over all pairs at once: a check fails where the smallest p of the pairs, times their number (Holm), is
below the level of the study. Its sentence says which pair, and what to read instead. Residuals of models with a variance
of their own (GARCH, several sessions in one return) are divided by it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..domain import BoolArray, CheckInput, CheckResult, FloatArray, IntArray
from ..inference._window import window_stats
from ..kernel import diagnostics as diag
from ..kernel.diagnostics import Packed, Stat
from ..registry import CHECKS

LAGS = 5
CAR_SHIFT = 0.5  # a day that moves the headline CAR by more than half its standard error rules it
BETA_SHIFT = 1.0  # or a coefficient by more than its standard error

DW_REFERENCE = "doi:10.1093/biomet/38.1-2.159"
LB_REFERENCE = "doi:10.1093/biomet/65.2.297"
ARCH_REFERENCE = "doi:10.2307/1912773"
BP_REFERENCE = "doi:10.1016/0304-4076(81)90062-2"
JB_REFERENCE = "doi:10.1016/0165-1765(80)90024-5"
CUSUM_REFERENCE = "doi:10.2307/2951597"
LEVERAGE_REFERENCE = "doi:10.1002/0471725153"

EMPIRICAL = "sq and placebo_time, which count instead of assuming"


class _Group(NamedTuple):
    """Pairs whose regressions have the same shape: their positions, and residuals packed with a constant first in x."""

    rows: IntArray
    packed: Packed
    varying: BoolArray


def _groups(given: CheckInput) -> list[_Group]:
    key = "diagnostics"
    if key not in given.ar.cache:
        given.ar.cache[key] = list(_packed_groups(given))
    return given.ar.cache[key]


def _packed_groups(given: CheckInput) -> Iterator[_Group]:
    ar = given.ar
    cols = slice(0, ar.first_event_column)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.sqrt(ar.noise[:, cols])
        e = np.where(ar.est[:, cols], ar.ar[:, cols] / own, np.nan)
        x = np.where(ar.est[:, cols, None], ar.x[:, cols] / own[:, :, None], 0.0)
    all_pairs = diag.pack(e, x)
    varying = diag.varying(all_pairs)
    for pattern in np.unique(varying, axis=0):
        rows = np.flatnonzero((varying == pattern).all(axis=1) & (all_pairs.m > 0))
        if rows.size:
            one = np.where(all_pairs.mask[rows], 1.0, 0.0)[:, :, None]
            design = np.concatenate([one, all_pairs.x[rows][:, :, pattern]], axis=2)
            cut = Packed(all_pairs.e[rows], design, all_pairs.mask[rows], all_pairs.m[rows], all_pairs.row[rows])
            yield _Group(rows, cut, pattern)


def _over_groups(given: CheckInput, statistic: Callable[[Packed], Stat]) -> Stat:
    """The statistic of every pair, in the order of the pairs."""
    value, p = np.full(given.ar.size, np.nan), np.full(given.ar.size, np.nan)
    for group in _groups(given):
        value[group.rows], p[group.rows] = statistic(group.packed)
    return Stat(value, p)


def _worst(stat: Stat) -> tuple[int, float, int]:
    """The pair with the smallest p, that p times the number of pairs (at most 1), and that number; -1 where none has one."""
    have = np.isfinite(stat.p)
    if not have.any():
        return -1, np.nan, 0
    i = int(np.nanargmin(stat.p))
    return i, float(min(1.0, stat.p[i] * have.sum())), int(have.sum())


def _p(p: float) -> str:
    return f"p = {p:.3g}" if p > 0 else "p < 1e-300"


def _answer(
    check: str, given: CheckInput, stat: Stat, fine: str, trouble: str, instead: str, symbol: str
) -> CheckResult:
    """Passed or failed at the study's level, with one sentence."""
    i, p, n = _worst(stat)
    if i < 0:
        return CheckResult(check, None, f"{fine.split(':')[0]}: too few estimation returns to ask.")
    table = [
        {"pair": label, "statistic": float(v), "p": float(q)} for label, v, q in zip(given.labels, stat.value, stat.p)
    ]
    found = f"{symbol} = {stat.value[i]:.2f}, {_p(p)}" + (f" after Holm over {n} pairs" if n > 1 else "")
    if p >= given.level:
        return CheckResult(check, True, f"{fine} ({found}).", table)
    where = f" for {given.labels[i]}" if n > 1 else ""
    return CheckResult(check, False, f"{trouble}{where} ({found}): {instead}.", table)


@CHECKS.add("durbin_watson", reference=DW_REFERENCE, order=50, formula="DW = sum (e_t - e_{t-1})^2 / sum e_t^2")
def durbin_watson(given: CheckInput) -> CheckResult:
    """One day's residual does not lean on the day before (Durbin-Watson near 2)."""
    return _answer(
        "durbin_watson", given, _over_groups(given, diag.durbin_watson),
        "First-order serial correlation: none to be seen",
        "One day's residual leans on the day before",
        f"the error bars of windows are off; read {EMPIRICAL}, or model='dimson' where trading is thin", "DW",
    )  # fmt: skip


@CHECKS.add("ljung_box", reference=LB_REFERENCE, order=51, formula="Q = M (M + 2) sum_{k<=5} r_k^2 / (M - k) ~ chi2(5)")
def ljung_box(given: CheckInput) -> CheckResult:
    """Residuals are uncorrelated over five sessions (Ljung-Box)."""
    return _answer(
        "ljung_box", given, _over_groups(given, lambda d: diag.ljung_box(d, LAGS)),
        "Serial correlation over five sessions: none to be seen",
        "Residuals are serially correlated over five sessions",
        f"t_car of windows takes days as independent; read {EMPIRICAL}, or block_bootstrap for averages", "Q(5)",
    )  # fmt: skip


@CHECKS.add("arch_lm", reference=ARCH_REFERENCE, order=52, formula="LM = (M - 5) R2 of e_t^2 on its 5 lags ~ chi2(5)")
def arch_lm(given: CheckInput) -> CheckResult:
    """Quiet and stormy days do not come in runs (Engle's ARCH-LM with five lags)."""
    return _answer(
        "arch_lm", given, _over_groups(given, lambda d: diag.arch_lm(d, LAGS)),
        "Runs of stormy days: none to be seen",
        "Stormy days come in runs",
        "one variance for all days is too simple; read sq_vol, or model='garch'", "LM(5)",
    )  # fmt: skip


@CHECKS.add(
    "breusch_pagan", reference=BP_REFERENCE, order=53, formula="LM = M R2 of e_t^2 on the regressors ~ chi2(k - 1)"
)
def breusch_pagan(given: CheckInput) -> CheckResult:
    """The spread of residuals does not depend on what the market does (Breusch-Pagan, Koenker's form)."""
    stat = _over_groups(given, diag.breusch_pagan)
    if not np.isfinite(stat.p).any():
        return CheckResult("breusch_pagan", None, "The model has no regressor that could move the variance.")
    return _answer(
        "breusch_pagan", given, stat,
        "Variance that follows the market: none to be seen",
        "Residuals spread with the market's moves",
        f"s is too small on days of large market moves; read {EMPIRICAL}, or model='garch'", "LM",
    )  # fmt: skip


@CHECKS.add("jarque_bera", reference=JB_REFERENCE, order=54, formula="JB = M / 6 (S^2 + (K - 3)^2 / 4) ~ chi2(2)")
def jarque_bera(given: CheckInput) -> CheckResult:
    """Residuals have the tails of a normal distribution (Jarque-Bera)."""
    return _answer(
        "jarque_bera", given, _over_groups(given, diag.jarque_bera),
        "Fat tails or skewness: none to be seen",
        "Residuals are not normal",
        f"t, F and Patell p-values are off in the tails; read {EMPIRICAL}, and rank tests for averages", "JB",
    )  # fmt: skip


@CHECKS.add(
    "stability",
    reference=CUSUM_REFERENCE,
    order=55,
    formula="CUSUM of residuals against a Brownian bridge; Chow F of the first against the second half",
)
def stability(given: CheckInput) -> CheckResult:
    """The regression is the same in the first and the second half of the estimation window (CUSUM and Chow)."""
    path, halves = _over_groups(given, diag.cusum), _over_groups(given, diag.chow)
    # Two questions of every pair: Holm counts both.
    both = Stat(np.concatenate([path.value, halves.value]), np.concatenate([path.p, halves.p]))
    i, p, n = _worst(both)
    if i < 0:
        return CheckResult("stability", None, "Stability: too few estimation returns to ask.")
    which, pair = divmod(i, given.ar.size)
    name = ("CUSUM", "Chow F")[which]
    found = f"{name} = {both.value[i]:.2f}, {_p(p)} after Holm over {n} tests"
    table = [
        {"pair": label, "cusum": float(path.value[j]), "cusum_p": float(path.p[j]), "chow": float(halves.value[j]),
         "chow_p": float(halves.p[j])}
        for j, label in enumerate(given.labels)
    ]  # fmt: skip
    if p >= given.level:
        return CheckResult("stability", True, f"The estimation regression is stable over its window ({found}).", table)
    what = ("average level", "coefficients")[which]
    text = (
        f"The {what} of {given.labels[pair]} changed inside the estimation window ({found}): take a shorter estimation "
        "window or model='rolling', and hold model='market_adjusted' beside it."
    )
    return CheckResult("stability", False, text, table)


@CHECKS.add(
    "largest_day",
    reference=LEVERAGE_REFERENCE,
    order=56,
    formula="h = x_t'(X'X)^-1 x_t; without the day b moves by (X'X)^-1 x_t e_t / (1 - h)",
)
def largest_day(given: CheckInput) -> CheckResult:
    """No single estimation day carries the fit: without the one of largest leverage the answer stays."""
    rows = [r for group in _groups(given) if group.packed.x.shape[2] > 1 for r in _pulls(given, group)]
    if not rows:
        return CheckResult("largest_day", None, "The model estimates no slope that one day could carry.")
    worst = max(rows, key=lambda r: max(r["car_shift"] / CAR_SHIFT, r["beta_shift"] / BETA_SHIFT))
    day = (
        f"The day of largest leverage for {worst['pair']} is {worst['date']} (h = {worst['h']:.2f}, average "
        f"{worst['usual']:.2f}); without it a slope moves by {worst['beta_shift']:.2f} and the CAR by "
        f"{worst['car_shift']:.2f} standard errors"
    )
    if worst["car_shift"] <= CAR_SHIFT and worst["beta_shift"] <= BETA_SHIFT:
        return CheckResult("largest_day", True, f"{day}.", rows)
    return CheckResult("largest_day", False, f"{day}: one day carries the fit; use model='huber' or 'theil_sen'.", rows)


def _pulls(given: CheckInput, group: _Group) -> list[dict[str, Any]]:
    """What the day of largest leverage of every pair does to its slopes and its headline CAR, in standard errors."""
    ar, rows = given.ar, group.rows
    pull = diag.largest_leverage(group.packed)
    se = window_stats(ar, given.headline).se[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        car_shift = np.abs(np.einsum("ek,ek->e", _event_design(given, group), pull.shift)) / se
        beta_shift = np.abs(pull.shift[:, 1:] / pull.spread[:, 1:]).max(axis=1)
    day = ar.dates[rows, group.packed.row[np.arange(rows.size), pull.at]]
    usual = group.packed.x.shape[2] / np.maximum(group.packed.m, 1)
    names = ("pair", "date", "h", "usual", "car_shift", "beta_shift")
    values = ([given.labels[i] for i in rows], day.astype(str), pull.h, usual, car_shift, beta_shift)
    table = [dict(zip(names, row)) for row in zip(*values)]
    return [r for r in table if np.isfinite([r["h"], r["car_shift"], r["beta_shift"]]).all()]


def _event_design(given: CheckInput, group: _Group) -> FloatArray:
    """Summed regressors of the headline window (E, k); no constant where the model carries none into the window."""
    ar, rows = given.ar, group.rows
    cols = ar.columns(given.headline)
    have = np.isfinite(ar.ar[rows, cols])
    x = np.where(have[:, :, None], ar.x[rows, cols], 0.0).sum(axis=1)
    fixed = ar.x[rows][:, : ar.first_event_column][:, :, ~group.varying]
    carried = (fixed != 0.0).any(axis=(1, 2)) if fixed.shape[2] else np.zeros(rows.size, bool)
    return np.column_stack([np.where(carried, have.sum(axis=1), 0.0), x[:, group.varying]])
