"""Kolari and Pynnonen (2011): generalised rank tests, the whole window as one value among the days."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, TestOptions, TestResult, Window
from ..kernel import ranks
from ..registry import TESTS
from ._cross import by_normal, by_t, chosen, residual_rows, too_few, usable_rows
from ._window import estimation_block, window_stats

REFERENCE = "doi:10.1016/j.jempfin.2011.08.003"
OTHERS = (
    "the WRDS port has z only, ranks by sort order without ties and divides by the sd of SCAR / sqrt(L2); eventstudy2 and "
    "EventStudyTools have T and Z"
)
SMALL_N = "re-standardising by the cross-sectional sd of few firms over-rejects (10-14% at N = 5 to 8): use grank_raw to N = 15"


class _Generalised(NamedTuple):
    """ubar (T,) mean scaled rank by row, the window last; n_t (T,) firms on the row; size (n,) values ranked per firm."""

    ubar: FloatArray
    n_t: IntArray
    size: IntArray


def _generalised(
    ar: AbnormalReturns, window: Window, rows: IntArray, last: FloatArray, studentised: bool
) -> _Generalised:
    cols = estimation_block(ar)
    factor = ar.noise[rows, cols]  # 1 but for returns of several sessions and models with moving variance
    if studentised:
        x = ar.x[rows, cols]
        h = np.einsum("nri,nij,nrj->nr", x, ar.g[rows], x)
        factor = factor - np.where(ar.fitted[rows, None], h, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        e = residual_rows(ar, rows) / (ar.sigma[rows, None] * np.sqrt(factor))
    values = np.concatenate([e, last[:, None]], axis=1)
    k, size = ranks.midranks(values)
    u = k / (size[:, None] + 1.0) - 0.5
    have = np.isfinite(u)
    n_t = have.sum(axis=0)
    some = n_t > 0
    ubar = np.where(have, u, 0.0).sum(axis=0)[some] / n_t[some]
    return _Generalised(ubar, n_t[some], size)


def _window_values(ar: AbnormalReturns, window: Window, rows: IntArray, restandardise: bool) -> FloatArray | None:
    """SCAR of every pair, over its cross-sectional sd if asked; None where that sd is zero."""
    scar = window_stats(ar, window).scar[rows]
    if not restandardise:
        return scar
    sd = scar.std(ddof=1)
    return scar / sd if sd > 1e-12 * np.abs(scar).max() else None


def _grank(
    test: str, ar: AbnormalReturns, window: Window, opt: TestOptions, variants: tuple[str, ...], restandardise: bool
) -> TestResult:
    form = chosen(test, opt, variants)
    rows = usable_rows(ar, window)
    n = rows.size
    if n < 2:
        return too_few(test, ar, window, n, 2, form)
    last = _window_values(ar, window, rows, restandardise)
    if last is None:
        return TestResult.none(test, window, "the standardised CARs do not differ (standard deviation 0)", form)
    g = _generalised(ar, window, rows, last, form == "studentized")
    t_rows, u0 = g.ubar.size, float(g.ubar[-1])
    caution = {"caution": SMALL_N} if restandardise and n <= 15 else {}
    if test == "grank_z":
        z = u0 / np.sqrt(np.sum((g.size - 1.0) / (g.size + 1.0)) / (12.0 * n * n))
        return by_normal(test, window, z, n, form, opt, T=t_rows, **caution)
    s = float(np.sqrt(np.mean(g.n_t / n * g.ubar**2)))
    if not s > 1e-15:
        return TestResult.none(test, window, "the ranks cancel on every row (S = 0)", form)
    z = u0 / s
    left = t_rows - 1.0 - z * z
    if not left > 0:
        return TestResult.none(test, window, "the window's rank is all there is (T - 1 - Z^2 is not positive)", form)
    t = z * np.sqrt((t_rows - 2.0) / left)
    return by_t(test, window, t, t_rows - 2, n, form, opt, Z=z, T=t_rows, **caution)


@TESTS.add(
    "grank_t",
    reference=REFERENCE,
    scope="cross",
    min_pairs=2,
    variants=("grank", "studentized"),
    formula="Z = Ubar_0 / S_U, t = Z sqrt((T - 2) / (T - 1 - Z^2)) ~ t(T - 2); the window value is SCAR / sd_cs(SCAR)",
    assumes={"more than 15 pairs (below: grank_raw)"},
    robust_to={"event-induced variance", "skewed returns", "serial correlation", "cross-correlation on a common date"},
    others=OTHERS,
    check="public check value: 0.7483737346, window [-1, +3]; studentized 0.7520573648",
)
def grank_t(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Does the whole window rank high among the firms' single days?

    Each firm ranks T = M + 1 values: e / s on its estimation rows and SCAR* = SCAR / sd_cs(SCAR) for the window.
    U = rank / (T + 1) - 1/2, Ubar_t its mean over firms, S_U^2 = mean_t (n_t / N) Ubar_t^2, Z = Ubar_0 / S_U,
    t = Z sqrt((T - 2) / (T - 1 - Z^2)) ~ t(T - 2). `studentized` takes e / (s sqrt(1 - h)).
    """
    return _grank("grank_t", ar, window, opt, ("grank", "studentized"), True)


@TESTS.add(
    "grank_z",
    reference=REFERENCE,
    scope="cross",
    min_pairs=2,
    variants=("grank", "studentized"),
    formula="z = Ubar_0 / sqrt(sum_i (T_i - 1) / (T_i + 1) / (12 N^2)) ~ N(0, 1)",
    assumes={"independent pairs", "more than 15 pairs"},
    robust_to={"event-induced variance", "skewed returns", "serial correlation"},
    others=OTHERS,
    check="public check value: 1.045812447, window [-1, +3]",
)
def grank_z(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The generalised rank test for independent firms, its variance known instead of measured.

    z = Ubar_0 / sqrt(sum_i (T_i - 1) / (T_i + 1) / (12 N^2)) ~ N(0, 1), Ubar_0 as in grank_t.
    """
    return _grank("grank_z", ar, window, opt, ("grank", "studentized"), True)


@TESTS.add(
    "grank_raw",
    reference=REFERENCE,
    scope="cross",
    min_pairs=2,
    variants=("grank_raw", "studentized"),
    formula="as grank_t with SCAR itself as the window value, ~ t(T - 2)",
    assumes={"no event-induced variance"},
    robust_to={"few firms", "skewed returns", "serial correlation", "cross-correlation on a common date"},
    others="our name; the published test re-standardises",
    check="no public value; compared with a slow twin in the tests",
)
def grank_raw(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The generalised rank test without re-standardising, for up to 15 firms.

    As grank_t, the window value being SCAR_i itself: right size with few firms, but it reads event-induced variance.
    """
    return _grank("grank_raw", ar, window, opt, ("grank_raw", "studentized"), False)
