"""Do the firms share a shock?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..inference._correlation import design_effect
from ..registry import CHECKS
from .decision import DESIGN_EFFECT


@CHECKS.add("clustering", reference="doi:10.1093/rfs/hhq072", order=2)
def clustering(given: CheckInput) -> CheckResult:
    """Design effect at most 1.25, so that tests which assume independent pairs may be read."""
    d = given.design
    if d.n < 2:
        return CheckResult("clustering", None, "One pair: nothing to average, nothing to correlate.")
    text = f"{d.n} pairs on {d.dates} date(s): design effect {d.de:.2f}, {d.n_eff:.1f} effective pairs. {_dependence(given)}"
    if d.dates == 1:
        return CheckResult(
            "clustering", False, text + " One date is one shock: tests across firms are shown as invalid."
        )
    if d.de > DESIGN_EFFECT:
        return CheckResult("clustering", False, text + " Tests that assume independent pairs are shown as invalid.")
    return CheckResult("clustering", True, text)


def _dependence(given: CheckInput) -> str:
    """Concentration of the dates and what ties the residuals together (METHODS.md 8.3)."""
    e = design_effect(given.ar, given.headline)
    text = f"Dates: HHI {e.hhi:.2f}, {e.effective_dates:.1f} effective."
    if np.isfinite(e.rbar):
        text += f" Residual correlation: mean {e.rbar:.3f}, weighted by common event sessions {e.rbar_w:.3f}"
    if np.isfinite(e.largest):
        i, j = e.largest_pair
        text += f", largest {e.largest:.2f} ({given.labels[i]} with {given.labels[j]})"
    if np.isfinite(e.first_share):
        text += f"; the first principal component holds {100 * e.first_share:.0f}%"
    return text + "."
