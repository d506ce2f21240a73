"""Are the prices what the study takes them for?"""

from __future__ import annotations

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS

TOTAL = ("total", "adjusted", "prev_close")


@CHECKS.add("return_basis", reference="doi:10.1257/jel.35.1.13", order=16)
def return_basis(given: CheckInput) -> CheckResult:
    """Share and benchmark returns are of one kind: both with dividends, or both without."""
    kinds = {t: ("total" if b in TOTAL else b) for t, b in given.bases.items()}
    if len(set(kinds.values())) <= 1:
        only = next(iter(kinds.values()), "total")
        if only == "price":
            return CheckResult("return_basis", None, "Price returns throughout: dividends are missing.")
        return CheckResult("return_basis", True, "Share and benchmark returns are of one kind.")
    price = [t for t, k in kinds.items() if k == "price"]
    text = f"Price return without dividends: {', '.join(price)}; the others include them. On ex-dates they differ."
    return CheckResult("return_basis", False, text)


@CHECKS.add("doubtful_bars", reference="doi:10.1257/jel.35.1.13", order=17)
def doubtful_bars(given: CheckInput) -> CheckResult:
    """No bar marked as doubtful lies inside the rows the study uses."""
    marks = given.facts.get("marks", ())
    if not marks:
        return CheckResult("doubtful_bars", True, "No bar marked as doubtful is used.")
    return CheckResult("doubtful_bars", False, f"Doubtful bars inside the study: {'; '.join(marks)}.")


@CHECKS.add("complete_windows", reference="doi:10.1257/jel.35.1.13", order=18)
def complete_windows(given: CheckInput) -> CheckResult:
    """Every event window has a return on every session."""
    gaps = [
        f"{label}: {flag}" for label, flags in zip(given.labels, given.flags) for flag in flags if "missing in" in flag
    ]
    if not gaps:
        return CheckResult("complete_windows", True, "Every event window is complete.")
    return CheckResult(
        "complete_windows", False, f"Missing returns: {'; '.join(gaps[:5])}" + (" ..." if len(gaps) > 5 else ".")
    )
