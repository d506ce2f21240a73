"""Did something else happen in the same session?"""

from __future__ import annotations

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS


@CHECKS.add("confounders", reference="doi:10.1257/jel.35.1.13", order=1)
def confounders(given: CheckInput) -> CheckResult:
    """No other catalogue event of the share or the market falls in the event session."""
    named = list(dict.fromkeys(t for titles in given.confounders for t in titles))
    if not named:
        return CheckResult("confounders", True, "No other catalogue event falls in the event session.")
    return CheckResult(
        "confounders", False, f"In the same session: {'; '.join(named)}. Their effects cannot be told apart."
    )
