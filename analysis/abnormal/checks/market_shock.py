"""Did the whole market lurch in the window?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS

LIMIT = 3.0


@CHECKS.add("market_shock", reference="doi:10.1257/jel.35.1.13", order=3)
def market_shock(given: CheckInput) -> CheckResult:
    """No session of the headline window with a benchmark move beyond 3 standard deviations of the estimation window."""
    ar = given.ar
    if ar.market is None:
        return CheckResult("market_shock", None, "The model uses no benchmark.")
    worst, where = 0.0, ""
    for i, label in enumerate(given.labels):
        est = ar.market[i, : ar.first_event_column][ar.est[i, : ar.first_event_column]]
        sd = est.std(ddof=1) if est.size > 1 else np.nan
        cols = ar.columns(given.headline)
        # A return over several sessions scatters with the square root of their number.
        z = (
            np.abs(ar.market[i, cols] - est.mean()) / (sd * np.sqrt(ar.span[i, cols]))
            if sd > 0
            else np.full(cols.stop - cols.start, np.nan)
        )
        if np.isfinite(z).any() and np.nanmax(z) > worst:
            k = int(np.nanargmax(z))
            worst, where = float(z[k]), f"{ar.dates[i, cols][k]} ({label})"
    if worst <= LIMIT:
        return CheckResult(
            "market_shock", True, f"The benchmark's largest move in the window is {worst:.1f} standard deviations."
        )
    text = f"The benchmark moved {worst:.1f} standard deviations on {where}: a market-wide shock shares the window."
    return CheckResult("market_shock", False, text)
