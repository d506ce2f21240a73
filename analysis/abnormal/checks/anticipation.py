"""Was the event known, or felt, before its day?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS

TOLD = 3  # pairs told one by one; more are counted
EARLY = ("before", "leakage")


@CHECKS.add(
    "anticipation", reference="doi:10.1016/0304-405X(85)90016-8", order=4,
    formula="windows before, on and after the day, Holm over those of a pair; AR = (1 - pi) x effect",
)  # fmt: skip
def anticipation(given: CheckInput) -> CheckResult | None:
    """No abnormal move in the windows before a scheduled event or a policy, Holm over the windows of each pair.

    Scheduled: [-10, -1], [0, 1], [0, 10]; policy: leakage [-5, -1] beside the headline. Malatesta and Thompson (1985): a
    half-expected event moves the price by half; with the event's `anticipated_probability` pi the estimate is divided by
    1 - pi beside it, never instead.
    """
    found = given.facts.get("anticipation")
    if found is None:
        return None
    rows = found.frame.to_dict("records")
    early = [r for r in rows if r["which"] in EARLY and np.isfinite(r["holm"])]
    moved = [r for r in early if r["holm"] < given.level]
    said = [] if not early else [_lead(len(moved), len(early), given.level)]
    said += [_pair(group) for group in _by_pair(rows)] if len(_by_pair(rows)) <= TOLD else _counted(rows, given.level)
    said += [_supply(s) for s in found.supply[:TOLD]]
    said += [_scaled(r) for r in rows if np.isfinite(r["scaled"])][:TOLD]
    if found.partly and not any(np.isfinite(r["scaled"]) for r in rows):
        said.append(
            "Partly expected: the estimate is (1 - pi) x effect; give anticipated_probability to see it divided by 1 - pi"
        )
    passed = None if not early else not moved
    return CheckResult("anticipation", passed, " ".join(f"{s}." for s in said), rows)


def _lead(moved: int, of: int, level: float) -> str:
    if not moved:
        return "No abnormal move in the days before"
    windows = "the window" if of == 1 else f"{moved} of {of} windows"
    return (
        f"The price had moved before the day ({windows} with Holm p below {level:g}): part of the effect may lie there"
    )


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _by_pair(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in rows:
        groups.setdefault((r["event_id"], r["ticker"]), []).append(r)
    return list(groups.values())


def _pair(rows: Sequence[dict[str, Any]]) -> str:
    return f"{rows[0]['ticker']} at {rows[0]['event_id']}: {'; '.join(_window(r) for r in rows)}"


def _window(r: dict[str, Any]) -> str:
    name = f"{r['which']} ({r['window_start']}, {r['window_end']})"
    if not np.isfinite(r["p"]):
        return f"{name} cannot be tested ({r['reason'] or 'no p'})"
    text = f"{name} {100 * r['car']:+.1f}%, Holm {_p(r['holm'])}"
    if np.isfinite(r["volume"]):
        text += f", volume {np.exp(r['volume']):.1f} times the usual ({_p(r['volume_p'])})"
    return text


def _counted(rows: Sequence[dict[str, Any]], level: float) -> list[str]:
    """Many pairs: by kind of window, how many moved and the average."""
    out = []
    for which in dict.fromkeys(r["which"] for r in rows):
        part = [r for r in rows if r["which"] == which and np.isfinite(r["holm"])]
        if part:
            moved = sum(r["holm"] < level for r in part)
            mean = 100 * float(np.mean([r["car"] for r in part]))
            out.append(f"{which}: {moved} of {len(part)} pairs with Holm p below {level:g}, average {mean:+.1f}%")
    return out


def _supply(s: dict[str, Any]) -> str:
    parts = [
        f"{100 * s[k]:.1f}% of the {w}" for k, w in (("of_capital", "capital"), ("of_float", "float")) if s[k] == s[k]
    ]
    if np.isfinite(s["days_of_volume"]):
        parts.append(f"{s['days_of_volume']:.0f} days of usual volume to absorb")
    share = f" ({', '.join(parts)})" if parts else ""
    return f"{s['ticker']}: {s['shares_unlocked'] / 1e6:.1f} million shares came free{share}"


def _scaled(r: dict[str, Any]) -> str:
    pi = 1 - r["car"] / r["scaled"] if r["scaled"] else 0.0
    return (
        f"{r['ticker']}: expected with probability {pi:.2f} before the event, so {100 * r['car']:+.1f}% stands for "
        f"{100 * r['scaled']:+.1f}%"
    )
