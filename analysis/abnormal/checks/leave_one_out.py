"""Does one pair carry the average?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..domain import CheckInput, CheckResult, FloatArray
from ..inference._window import window_stats
from ..registry import CHECKS


@CHECKS.add("leave_one_out", reference="doi:10.1257/jel.35.1.13", order=19)
def leave_one_out(given: CheckInput) -> CheckResult:
    """The average CAR keeps its sign whichever pair, event or firm is left out."""
    car = window_stats(given.ar, given.headline).car
    have = np.flatnonzero(np.isfinite(car))
    if have.size < 2:
        return CheckResult("leave_one_out", None, "One pair: there is nothing to leave out.")
    found = [_range(car[have], [given.labels[i] for i in have], "pair")]
    for kind, names in (("event", given.ar.event_id), ("firm", given.ar.ticker)):
        mine = [names[i] for i in have]
        if 1 < len(set(mine)) < have.size:
            found.append(_range(car[have], mine, kind))
    text = " ".join(f.sentence for f in found)
    return CheckResult("leave_one_out", all(np.sign(f.low) == np.sign(f.high) for f in found), text)


class _Range(NamedTuple):
    low: float
    high: float
    sentence: str


def _range(car: FloatArray, names: list[str], kind: str) -> _Range:
    """Smallest and largest average with all pairs of one name left out."""
    labels, group = np.unique(names, return_inverse=True)
    sums, counts = np.bincount(group, weights=car), np.bincount(group)
    without = (car.sum() - sums) / (car.size - counts)
    low, high = int(np.argmin(without)), int(np.argmax(without))
    text = (
        f"Leaving one {kind} out the average runs from {100 * without[low]:+.2f}% (without {labels[low]}) to "
        f"{100 * without[high]:+.2f}% (without {labels[high]})."
    )
    return _Range(float(without[low]), float(without[high]), text)
