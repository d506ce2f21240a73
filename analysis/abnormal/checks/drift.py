"""Would an estimated trend decide the answer?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..inference._window import window_stats
from ..registry import CHECKS

LIMIT = 0.5


@CHECKS.add("drift", reference="doi:10.1257/jel.35.1.13", order=11)
def drift(given: CheckInput) -> CheckResult:
    """|alpha| L2 / se(CAR) at most 0.5: above it the average return before the event is a large part of any estimate."""
    ratio = given.drift
    if not np.isfinite(ratio).any():
        return CheckResult("drift", None, "The model estimates no average drift.")
    if np.nanmax(ratio) <= LIMIT:
        return CheckResult(
            "drift", True, f"The drift before the event is small: |alpha| L2 / se is {np.nanmax(ratio):.2f}."
        )
    i = int(np.nanargmax(ratio))
    alpha = given.ar.coef[i, given.ar.coef_names.index("alpha")]
    with_alpha = given.rerun(model="market", windows=given.windows)
    without = given.rerun(model="market_zero_alpha", windows=given.windows)
    text = f"Estimated trend: {given.labels[i]} rose {100 * alpha:+.2f}% a session beyond its market before the event"
    if with_alpha is not None and without is not None and min(with_alpha.size, without.size) > i:
        both = [window_stats(a, given.headline).car[i] for a in (with_alpha, without)]
        text += f"; carrying that trend the estimate is {100 * both[0]:+.1f}%, without it {100 * both[1]:+.1f}%"
    return CheckResult("drift", False, text + f" (|alpha| L2 / se = {ratio[i]:.2f}, above {LIMIT}).")
