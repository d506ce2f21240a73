"""Kolari and Pynnonen (2010): Patell and BMP corrected for firms that move together."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, TestOptions, TestResult, Window
from ..registry import TESTS
from ._correlation import correlation_of
from ._cross import by_normal, by_t, chosen, too_few, usable_rows
from .bmp import bmp_t
from .patell import patell_z

REFERENCE = "doi:10.1093/rfs/hhq072"
OTHERS = (
    "R EventStudy correlates residuals by relative day (`event`), which with different dates are different calendar days, and "
    "takes N from the first event day; eventstudy2 before 3.2 included the i = j terms"
)
NEGATIVE = "negative average correlation: 1 + (N - 1) rbar = {:.3g} is not positive"


def _alignment(form: str, opt: TestOptions) -> str:
    if form in ("calendar", "event"):
        return form if opt.variant else opt.rbar
    return opt.rbar


@TESTS.add(
    "kp_bmp",
    reference=REFERENCE,
    scope="cross",
    min_pairs=2,
    variants=("calendar", "event", "normal"),
    formula="t = t_bmp sqrt((1 - rbar) / (1 + (N - 1) rbar)) ~ t(N - 1)",
    assumes={"one average correlation describes all pairs"},
    robust_to={"cross-correlation", "event-induced variance"},
    others=OTHERS,
    check="public check value: 0.8130935614, rbar 0.1428019576, window [-1, +3]",
)
def kp_bmp(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """BMP with the N firms counted for what they are worth when they share shocks.

    t = t_bmp sqrt((1 - rbar) / (1 + (N - 1) rbar)) ~ t(N - 1). rbar is the mean pairwise correlation of estimation
    residuals on the same calendar session; where event dates differ each pair counts by the share of common event
    sessions (rbar_w). `event` aligns by relative day instead, `normal` refers to N(0, 1).
    """
    form = chosen("kp_bmp", opt, ("calendar", "event", "normal"))
    t, n = bmp_t(ar, window)
    if n < 2:
        return too_few("kp_bmp", ar, window, n, 2, form)
    if np.isnan(t):
        return TestResult.none("kp_bmp", window, "the standardised CARs do not differ (standard deviation 0)", form)
    align = _alignment(form, opt)
    r = correlation_of(ar, window, align)
    de = 1.0 + (n - 1) * r.value
    if not de > 1e-12:
        return TestResult.none("kp_bmp", window, NEGATIVE.format(de), form, rbar=r.value)
    t *= float(np.sqrt(max(1.0 - r.value, 0.0) / de))
    extra = {"rbar": r.value, "weighted": r.weighted, "flagged_pairs": r.flagged, "aligned": align}
    return (
        by_normal("kp_bmp", window, t, n, form, opt, **extra)
        if form == "normal"
        else by_t("kp_bmp", window, t, n - 1, n, form, opt, **extra)
    )


@TESTS.add(
    "kp_patell",
    reference=REFERENCE,
    scope="cross",
    min_pairs=2,
    variants=("calendar", "event"),
    formula="z = z_patell / sqrt(1 + (N - 1) rbar) ~ N(0, 1)",
    assumes={"no event-induced variance", "one average correlation describes all pairs"},
    robust_to={"cross-correlation"},
    others=OTHERS,
    check="public check value: 1.040093435, window [-1, +3]",
)
def kp_patell(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Patell's Z with its variance raised by the firms' average correlation.

    z = z_patell / sqrt(1 + (N - 1) rbar) ~ N(0, 1), rbar as in kp_bmp.
    """
    form = chosen("kp_patell", opt, ("calendar", "event"))
    n = usable_rows(ar, window).size
    if n < 2:
        return too_few("kp_patell", ar, window, n, 2, form)
    z, n, why = patell_z(ar, window, "full")
    if why:
        return TestResult.none("kp_patell", window, f"kp_patell {why}", form)
    align = _alignment(form, opt)
    r = correlation_of(ar, window, align)
    de = 1.0 + (n - 1) * r.value
    if not de > 1e-12:
        return TestResult.none("kp_patell", window, NEGATIVE.format(de), form, rbar=r.value)
    extra = {"rbar": r.value, "weighted": r.weighted, "flagged_pairs": r.flagged, "aligned": align}
    return by_normal("kp_patell", window, z / np.sqrt(de), n, form, opt, **extra)
