"""Rank tests over estimation and event rows: Corrado (1989), Corrado and Zivney (1992), cumulated ranks."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, TestOptions, TestResult, Window
from ..kernel import ranks
from ..registry import TESTS
from ._cross import EventTime, by_normal, chosen, event_time, residual_rows, too_few
from ._window import estimation_block, window_stats

S_FORMS = ("mean_square", "centred")
CZ = ("finite_rows", "all_rows", "centred", "cz_std")
NO_SPREAD = "the ranks cancel on every row (S = 0)"


def _ranked(ar: AbnormalReturns, window: Window, rows: EventTime) -> tuple[FloatArray, IntArray]:
    """Ranks (N, T) of every pair over its own rows, and n_i (N,)."""
    key = ("midranks", window)
    if key not in ar.cache:
        ar.cache[key] = ranks.midranks(rows.a)
    return ar.cache[key]


def _finish(
    test: str, window: Window, d: FloatArray, rows: EventTime, n: int, form: str, opt: TestOptions, **extra: object
) -> TestResult:
    """z = sum_window d_t / (S sqrt(L2)), S over all rows: root mean square, or `centred` standard deviation (T - 1)."""
    s = float(d.std(ddof=1) if form == "centred" else np.sqrt(np.mean(d * d)))
    if not s > 1e-12 * max(float(np.abs(d).max()), 1e-300):
        return TestResult.none(test, window, NO_SPREAD, form)
    z_day = d[-rows.length :] / s
    z = z_day.sum() / np.sqrt(rows.length)
    return by_normal(test, window, z, n, form, opt, z_day=z_day, offsets=rows.offsets, S=s, T=d.size, **extra)


def _complete(test: str, ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Corrado's test on the pairs without a missing row."""
    form = chosen(test, opt, S_FORMS)
    rows = event_time(ar, window)
    full = np.isfinite(rows.a).all(axis=1)
    n = int(full.sum())
    if n < 2:
        what = "no missing row (corrado_zivney allows them)" if rows.rows.size >= 2 else "a CAR"
        return too_few(test, ar, window, n, 2, form, what)
    k = _ranked(ar, window, rows)[0][full]
    d = (k - (k.shape[1] + 1) / 2.0).mean(axis=0)
    left_out = tuple(ar.ticker[i] for i in rows.rows[~full])
    return _finish(test, window, d, rows, n, form, opt, left_out=left_out)


@TESTS.add(
    "corrado",
    reference="doi:10.1016/0304-405X(89)90064-0",
    scope="cross",
    min_pairs=2,
    variants=S_FORMS,
    formula="z = sum_window d_t / (S sqrt(L2)), d_t = mean_i (K_it - (T + 1)/2), S^2 = mean_t d_t^2, ~ N(0, 1)",
    assumes={"complete rows", "no event-induced variance"},
    robust_to={"skewed returns", "outliers", "cross-correlation on a common date"},
    others="estudy2 the same with T = mean of n_i; R EventStudy centres and divides by T - 1 (`centred`), ranks by firm",
    check="public check value: S 38.24097718, z 2.593204305, day +1, six complete firms",
)
def corrado(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do the event days rank high (or low) among each firm's own days?

    K_it ranks firm i's T estimation and event rows; d_t = mean_i (K_it - (T + 1)/2), S = root mean square of d over all
    rows; z = d_t / S. A window of several sessions takes the sum of `corrado_multi`. Pairs with a missing row are left out
    and named; `centred` takes the standard deviation of d.
    """
    return _complete("corrado", ar, window, opt)


@TESTS.add(
    "corrado_multi",
    reference="doi:10.1016/0304-405X(93)90025-7",
    scope="cross",
    min_pairs=2,
    variants=S_FORMS,
    formula="z = sum_window d_t / (S sqrt(L2)) with Corrado's d_t and S, ~ N(0, 1)",
    assumes={"complete rows", "serially uncorrelated ranks", "no event-induced variance"},
    robust_to={"skewed returns", "outliers", "cross-correlation on a common date"},
    others="estudy2 `car_rank_test` takes a pooled mean rank; R EventStudy has no window form",
    check="public check value: 0.4424463567, window [-1, +3], six complete firms",
)
def corrado_multi(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Corrado's rank test summed over a window (Cowan 1992; Campbell and Wasley 1993).

    z = sum_{t in window} d_t / (S sqrt(L2)); one session: the day test.
    """
    return _complete("corrado_multi", ar, window, opt)


def _standardised(ar: AbnormalReturns, window: Window, rows: EventTime) -> FloatArray | None:
    """`cz_std`: e / s on estimation rows, SAR over that day's cross-sectional sd on event rows; None without spread."""
    sar = window_stats(ar, window).sar[rows.rows][:, rows.offsets - window[0]]
    have = np.isfinite(sar)
    count = have.sum(axis=0)
    if (count < 2).any():
        return None
    mean = np.where(have, sar, 0.0).sum(axis=0) / count
    sd = np.sqrt(np.sum(np.where(have, sar - mean, 0.0) ** 2, axis=0) / (count - 1))
    if not (sd > 1e-12).all():
        return None
    cols = estimation_block(ar)
    with np.errstate(invalid="ignore", divide="ignore"):
        quiet = residual_rows(ar, rows.rows) / (ar.sigma[rows.rows, None] * np.sqrt(ar.noise[rows.rows, cols]))
    return np.concatenate([quiet[:, np.isfinite(quiet).any(axis=0)], sar / sd], axis=1)


@TESTS.add(
    "corrado_zivney",
    reference="doi:10.2307/2331331",
    scope="cross",
    min_pairs=2,
    variants=CZ,
    formula="z = sum_window d_t / (S sqrt(L2)), d_t = sum_i (rank / (1 + n_i) - 1/2) / sqrt(N_t), ~ N(0, 1)",
    assumes={"serially uncorrelated ranks", "no event-induced variance (but see `cz_std`)"},
    robust_to={"missing returns", "thin trading", "skewed returns", "cross-correlation on a common date"},
    others="estudy2 `modified_rank_test` the same; R EventStudy divides by the row count with missing rows (`all_rows`)",
    check="public check value: 2.831826605 (day +1), 0.9695920215 (window [-1, +3])",
)
def corrado_zivney(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The rank test for firms with missing days; equals `corrado` on complete data.

    U_it = rank / (1 + n_i), n_i the firm's finite rows; d_t = sum_i (U_it - 1/2) / sqrt(N_t); S and z as in corrado.
    `cz_std` ranks e / s and, on event rows, SAR over its cross-sectional sd of the day, which tames event-induced variance
    (with few firms it over-rejects). `all_rows` divides by 1 + T, `centred` takes the standard deviation of d.
    """
    form = chosen("corrado_zivney", opt, CZ)
    rows = event_time(ar, window)
    n = rows.rows.size
    if n < 2:
        return too_few("corrado_zivney", ar, window, n, 2, form)
    if form == "cz_std":
        values = _standardised(ar, window, rows)
        if values is None:
            return TestResult.none(
                "corrado_zivney", window, "the SARs of a day do not differ (standard deviation 0)", form
            )
        k, count = ranks.midranks(values)
    else:
        k, count = _ranked(ar, window, rows)
    size = np.full(n, rows.a.shape[1], np.int64) if form == "all_rows" else count
    u = k / (1.0 + size[:, None]) - 0.5
    have = np.isfinite(u)
    d = np.where(have, u, 0.0).sum(axis=0) / np.sqrt(have.sum(axis=0))
    return _finish("corrado_zivney", window, d, rows, n, form, opt)


@TESTS.add(
    "cumrank_exact",
    reference="doi:10.1016/j.jempfin.2011.08.003",
    scope="cross",
    min_pairs=2,
    variants=("exact_variance",),
    formula="z = sum_i sum_window (U_it - 1/2) / sqrt(sum_i L2_i (T_i - L2_i) / (12 (T_i + 1))) ~ N(0, 1)",
    assumes={"independent pairs", "no event-induced variance"},
    robust_to={"serial correlation of ranks", "skewed returns", "missing returns"},
    others="Luoma and Pynnonen's family; in none of the packages read",
    check="public check value: 0.5908573991, window [-1, +3], six complete firms",
)
def cumrank_exact(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Ranks cumulated over the window, with the exact variance of drawing days without replacement.

    Var(sum of tau = L2_i scaled ranks out of T_i) = tau (T_i - tau) / (12 (T_i + 1)); firms are taken as independent.
    """
    form = chosen("cumrank_exact", opt, ("exact_variance",))
    rows = event_time(ar, window)
    n = rows.rows.size
    if n < 2:
        return too_few("cumrank_exact", ar, window, n, 2, form)
    k, count = _ranked(ar, window, rows)
    u = (k / (1.0 + count[:, None]) - 0.5)[:, -rows.length :]
    tau = np.isfinite(u).sum(axis=1)
    variance = np.sum(tau * (count - tau) / (12.0 * (count + 1.0)))
    return by_normal("cumrank_exact", window, np.nansum(u) / np.sqrt(variance), n, form, opt)
