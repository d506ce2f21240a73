"""Is there enough history before the event?"""

from __future__ import annotations

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS


@CHECKS.add("short_history", reference="doi:10.1257/jel.35.1.13", order=10)
def short_history(given: CheckInput) -> CheckResult:
    """At least 100 estimation returns for every pair; below 60 the answer is coarse."""
    few = [(label, int(m)) for label, m in zip(given.labels, given.ar.m) if m < 100]
    if not few:
        return CheckResult(
            "short_history", True, f"Every pair has at least {int(given.ar.m.min())} estimation returns."
        )
    worst, count = min(few, key=lambda x: x[1])
    word = "very short" if count < 60 else "short"
    text = (
        f"{len(few)} of {len(given.labels)} pairs have fewer than 100 estimation returns ({worst}: {count}, {word}); "
        f"the smallest p an empirical test can give there is about 1/{count + 1}."
    )
    return CheckResult("short_history", False, text)
