"""Were the days just before the event stormier than the estimation window?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS

LIMIT = 1.2


@CHECKS.add("volatility", reference="doi:10.1093/aler/aht007", order=14)
def volatility(given: CheckInput) -> CheckResult:
    """Recent over usual volatility, sqrt(v_a / wbar), at most 1.2; above it SQ rejects 8 to 10% at nominal 5%."""
    if not np.isfinite(given.volatility).any():
        return CheckResult("volatility", None, "The volatility before the event could not be measured.")
    i = int(np.nanargmax(given.volatility))
    ratio = float(given.volatility[i])
    if ratio <= LIMIT:
        return CheckResult(
            "volatility", True, f"Volatility before the event was {ratio:.2f} times its estimation level."
        )
    text = (
        f"Volatility just before the event was {ratio:.2f} times its estimation level ({given.labels[i]}): on such days the "
        "empirical test rejects 8 to 10% at nominal 5%; sq_vol allows for it."
    )
    return CheckResult("volatility", False, text)
