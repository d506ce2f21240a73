"""Does one pair carry the average?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..inference._window import window_stats
from ..registry import CHECKS


@CHECKS.add("leave_one_out", reference="doi:10.1257/jel.35.1.13", order=19)
def leave_one_out(given: CheckInput) -> CheckResult:
    """The average CAR keeps its sign whichever pair is left out."""
    car = window_stats(given.ar, given.headline).car
    have = np.flatnonzero(np.isfinite(car))
    if have.size < 2:
        return CheckResult("leave_one_out", None, "One pair: there is nothing to leave out.")
    total = car[have].sum()
    without = (total - car[have]) / (have.size - 1)
    low, high = int(np.argmin(without)), int(np.argmax(without))
    text = (
        f"Leaving one pair out the average runs from {100 * without[low]:+.2f}% (without {given.labels[have[low]]}) to "
        f"{100 * without[high]:+.2f}% (without {given.labels[have[high]]})."
    )
    return CheckResult("leave_one_out", bool(np.sign(without[low]) == np.sign(without[high])), text)
