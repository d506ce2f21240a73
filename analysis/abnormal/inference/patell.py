"""Patell (1976): the sum of standardised abnormal returns."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..registry import TESTS
from ._cross import by_normal, chosen, too_few, usable_rows
from ._window import window_stats

VARIANTS = ("full", "patell_sum", "wrds", "k2")


def standardised_cars(ar: AbnormalReturns, window: Window, form: str) -> FloatArray:
    """SCAR of every pair (E,): `full` CAR / sqrt(s^2 c), `patell_sum` sum SAR / sqrt(L2_i), `fec_none` CAR / (s sqrt(L2_i))."""
    w = window_stats(ar, window)
    with np.errstate(invalid="ignore", divide="ignore"):
        if form == "patell_sum":
            return np.where(w.usable, np.nansum(w.sar, axis=1) / np.sqrt(w.n), np.nan)
        if form == "fec_none":
            return w.car / (ar.sigma * np.sqrt(w.n))
    return w.scar


def patell_z(ar: AbnormalReturns, window: Window, form: str) -> tuple[float, int, str]:
    """Z, the number of pairs, and a reason where there is no Z."""
    rows = usable_rows(ar, window)
    if form == "wrds":
        scar = standardised_cars(ar, window, "fec_none")[rows]
        return float(np.sqrt(rows.size) * scar.mean()), rows.size, ""
    nu = ar.m[rows] - 2.0 if form == "k2" else ar.df[rows]
    if not (nu > 2).all():
        bad = int(rows[np.flatnonzero(~(nu > 2))[0]])
        return np.nan, rows.size, f"needs more than 2 degrees of freedom; {ar.ticker[bad]} has {nu.min():g}"
    variance = nu / (nu - 2.0)
    if form == "patell_sum":
        parts = standardised_cars(ar, window, "patell_sum")[rows] / np.sqrt(variance)
        return float(parts.sum() / np.sqrt(rows.size)), rows.size, ""
    return float(window_stats(ar, window).scar[rows].sum() / np.sqrt(variance.sum())), rows.size, ""


@TESTS.add(
    "patell",
    reference="doi:10.2307/2490543",
    scope="cross",
    min_pairs=2,
    variants=VARIANTS,
    formula="Z = sum SCAR_i / sqrt(sum nu_i / (nu_i - 2)), nu = M - k, SCAR = CAR / sqrt(s^2 c), ~ N(0, 1)",
    assumes={"independent pairs", "no event-induced variance"},
    robust_to={"firms of different volatility"},
    others=(
        "R EventStudy and EventStudyTools: `patell_sum` (R counts a missing AR as 0 and rows with NaN in M); the WRDS port: "
        "`wrds`, neither forecast-error correction nor nu / (nu - 2); estudy2: days only, nu = M - 2 for every model (`k2`)"
    ),
    check="public check value: 1.470772183 (full), 1.513948493 (patell_sum), 1.516821515 (wrds), window [-1, +3]",
)
def patell(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Do the firms' abnormal returns add up to more than their own past noise allows?

    `full`: Z = sum SCAR_i / sqrt(sum nu_i / (nu_i - 2)) with SCAR = CAR / sqrt(s^2 c), c the full forecast-error
    multiplier. `patell_sum`: (1 / sqrt N) sum_i sum_t SAR_it / sqrt(L2_i nu_i / (nu_i - 2)). `wrds`:
    sqrt(N) mean(CAR / (s sqrt L2)). `k2`: `full` with nu = M - 2 whatever the model. N(0, 1).
    """
    form = chosen("patell", opt, VARIANTS)
    rows = usable_rows(ar, window)
    if rows.size < 2:
        return too_few("patell", ar, window, rows.size, 2, form)
    z, n, why = patell_z(ar, window, form)
    return (
        TestResult.none("patell", window, f"patell {why}", form)
        if why
        else by_normal("patell", window, z, n, form, opt)
    )
