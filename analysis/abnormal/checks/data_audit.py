"""Did the audit of the prices find anything inside the rows the study uses?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS

# Rules other checks speak of.
ELSEWHERE = {"marked": "doubtful_bars", "benchmark_kind": "return_basis", "thin_trading": "thin_trading"}
_SHOWN = 3


@CHECKS.add("data_audit", reference="doi:10.1111/j.1475-6803.2006.00189.x", order=17)
def data_audit(given: CheckInput) -> CheckResult:
    """No price of an event window is a fault or in doubt, and none of the estimation window is a fault (`abnormal audit`).

    Ince and Porter (2006) show what unscreened vendor prices do to a study: a handful of wrong ones outweigh the rest.
    Findings are named, never repaired.
    """
    if "findings" not in given.facts:
        return CheckResult("data_audit", None, "The prices were not audited; type: abnormal audit.")
    findings = [f for f in given.facts["findings"] if f.rule not in ELSEWHERE]
    inside = [f for f in findings if f.place in ("event", "estimation")]
    heavy = [f for f in inside if _is_heavy(f)]
    if heavy:
        return CheckResult("data_audit", False, f"Doubtful prices: {_listed(heavy)}. {_rest(findings, heavy)}".strip())
    if inside:
        return CheckResult("data_audit", None, f"Nothing in the prices is wrong; to know: {_listed(inside)}.")
    return CheckResult(
        "data_audit", True, f"The audit found nothing in the rows the study uses. {_rest(findings, [])}".strip()
    )


def _is_heavy(f: Any) -> bool:
    return f.weight == "fault" or (f.weight == "doubt" and f.place == "event")


def _listed(findings: Sequence[Any]) -> str:
    """The first few in words, faults and event windows before the others."""
    ordered = sorted(findings, key=lambda f: (f.weight != "fault", f.weight != "doubt", f.place != "event"))
    shown = [f"{f.ticker}{'' if f.date is None else f' {f.date}'}: {f.message} ({f.place} window)" for f in ordered]
    more = f"; {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return "; ".join(shown[:_SHOWN]) + more


def _rest(findings: Iterable[Any], named: Sequence[Any]) -> str:
    """How many more there are, and where to read them."""
    others = [f for f in findings if f not in named]
    return f"{len(others)} more of less weight or outside (abnormal audit lists them)." if others else ""
