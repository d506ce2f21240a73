"""Do the firms share a shock?"""

from __future__ import annotations

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS
from .decision import DESIGN_EFFECT


@CHECKS.add("clustering", reference="doi:10.1093/rfs/hhq072", order=2)
def clustering(given: CheckInput) -> CheckResult:
    """Design effect at most 1.25, so that tests which assume independent pairs may be read."""
    d = given.design
    if d.n < 2:
        return CheckResult("clustering", None, "One pair: nothing to average, nothing to correlate.")
    text = (
        f"{d.n} pairs on {d.dates} date(s): design effect {d.de:.2f}, {d.n_eff:.1f} effective pairs, "
        f"mean correlation {d.rbar_w:.3f}."
    )
    if d.dates == 1:
        return CheckResult(
            "clustering", False, text + " One date is one shock: tests across firms are shown as invalid."
        )
    if d.de > DESIGN_EFFECT:
        return CheckResult("clustering", False, text + " Tests that assume independent pairs are shown as invalid.")
    return CheckResult("clustering", True, text)
