"""What was known before the day: windows before, on and after a scheduled event, leakage before a policy, the supply.

The date of a lock-up's end is known for months, so the price may have moved before it; the surprise is the amount sold. A
policy may leak. The windows of a pair are one family and are read with Holm (METHODS.md 8.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from .activity import daily_activity
from .battery import PER_PAIR_LIMIT
from .case import Case, build
from .domain import Event, Pair, TestOptions, TestResult, Window
from .errors import AbnormalError
from .inference._bars import DayActivity
from .inference._window import window_stats
from .inference.sq import sq_rule
from .inputs.tickers import load_tickers
from .kernel.multiple import holm
from .registry import TESTS

BEFORE, ON, AFTER = (-10, -1), (0, 1), (0, 10)
LEAKAGE = (-5, -1)
POLICY = (
    "export_control", "entity_listing", "executive_action", "regulation", "tariff", "counter_measure", "industrial_policy",
    "government_statement",
)  # fmt: skip
COLUMNS = (
    "event_id ticker which window_start window_end car se test p holm volume volume_p volume_test scaled reason"
).split()


@dataclass(frozen=True, slots=True, eq=False)
class Anticipation:
    """frame: one row a pair and window; supply: by pair, what came to market against what there is and what is traded."""

    frame: pd.DataFrame
    supply: tuple[dict[str, Any], ...]
    partly: tuple[str, ...]


def anticipation_of(case: Case) -> Anticipation | None:
    """Windows around every scheduled or policy event of the study with Holm over each pair's; None where there is none."""
    chosen = {i: windows_of(p.event, case.headline) for i, p in enumerate(case.pairs)}
    chosen = {i: w for i, w in chosen.items() if w}
    if not chosen or case.spec.freq != "1d":
        return None
    fitting, whole = _spanning(case, chosen)
    many = len(chosen) > PER_PAIR_LIMIT
    tested = {w: _tested(whole, w, many) for w in fitting}
    activity = [] if many else daily_activity(whole)
    rows = [row for i, windows in chosen.items() for row in _pair_rows(whole, i, windows, tested, activity)]
    supply = tuple(s for s in (_supply(whole, i, activity[i]) for i in chosen if activity) if s)
    partly = tuple(p.label for p in case.pairs if p.event.anticipated == "partly")
    return Anticipation(pd.DataFrame(rows, columns=COLUMNS), supply, partly)


def windows_of(event: Event, headline: Window) -> dict[str, Window]:
    """Which windows an event asks for: before, on and after a known date; leakage and the headline for a policy."""
    if event.scheduled:
        return {"before": BEFORE, "on": ON, "after": AFTER}
    if event.kind in POLICY or event.anticipated != "no":
        return {"leakage": LEAKAGE, "headline": headline}
    return {}


def _spanning(case: Case, chosen: dict[int, dict[str, Window]]) -> tuple[set[Window], Case]:
    """Windows that begin after the estimation ends, and the case cut wide enough for them."""
    end = case.ar.estimation[1]
    wanted = dict.fromkeys(w for windows in chosen.values() for w in windows.values())
    fitting = {w for w in wanted if w[0] > end}
    low, high = min(w[0] for w in case.windows), max(w[1] for w in case.windows)
    if all(low <= w[0] and w[1] <= high for w in fitting):
        return fitting, case
    try:
        wide = build(case.request.but(windows=tuple(dict.fromkeys([*case.windows, *fitting]))))
    except AbnormalError:
        wide = case
    same = wide.size == case.size
    return (fitting, wide) if same else ({w for w in fitting if low <= w[0] and w[1] <= high}, case)


def _tested(case: Case, window: Window, many: bool) -> list[TestResult]:
    """sq where M >= 20 L2, else t_car, for every pair; of many pairs t_car alone."""
    opt = TestOptions(alternative=case.spec.alternative, level=case.spec.level)
    by_t, by_rank = TESTS.get("t_car")(case.ar, window, opt), None
    ranked = sq_rule(case.ar, window) & (not many)
    if ranked.any():
        by_rank = TESTS.get("sq")(case.ar, window, opt)
    return [(by_rank if by_rank is not None and r else by_t).one(i) for i, r in enumerate(ranked)]


def _pair_rows(
    case: Case,
    i: int,
    windows: dict[str, Window],
    tested: dict[Window, list[TestResult]],
    activity: Sequence[DayActivity],
) -> list[dict[str, Any]]:
    """The windows of one pair: estimate, the test of METHODS.md 4.1, Holm over them, abnormal volume."""
    pair = case.pairs[i]
    pi = _probability(pair)
    rows: list[dict[str, Any]] = []
    for which, window in windows.items():
        row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan) | {
            "event_id": pair.event.id, "ticker": pair.ticker, "which": which, "window_start": window[0],
            "window_end": window[1], "test": "", "volume_test": "", "reason": "",
        }  # fmt: skip
        rows.append(row)
        if window not in tested:
            row["reason"] = f"the estimation ends at {case.ar.estimation[1]}, inside the window"
            continue
        stats, answer = window_stats(case.ar, window), tested[window][i]
        row |= {
            "car": float(stats.car[i]), "se": float(stats.se[i]), "test": answer.test, "p": answer.p,
            "reason": answer.reason,
        }  # fmt: skip
        if activity:
            volume = _volume(case, i, window, activity[i])
            row |= {
                "volume": float(volume.extra.get("cav", np.nan)) / (window[1] - window[0] + 1), "volume_p": volume.p,
                "volume_test": f"{volume.test}:{volume.variant}",
            }  # fmt: skip
        if pi is not None and which in ("on", "headline"):
            row["scaled"] = row["car"] / (1 - pi)
    adjusted = holm(np.array([row["p"] for row in rows], float))
    for row, p in zip(rows, adjusted):
        row["holm"] = float(p)
    return rows


def _volume(case: Case, i: int, window: Window, day: DayActivity) -> TestResult:
    """Abnormal log volume of the window, shares traded: free float changes when a lock-up ends."""
    opt = TestOptions(variant="shares", level=case.spec.level, study={"activity": partial(list, [day])})
    return TESTS.get("abnormal_volume")(case.ar.take([i]), window, opt).one(0)


def _probability(pair: Pair) -> float | None:
    """The market's probability before the event, where the user gives it and it is one."""
    given = _stated(pair, "anticipated_probability")
    usable = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1
    return float(given) if usable and given is not None else None


# ------------------------------------------------------------------------------------------------ supply

IN_ISSUE = ("shares_outstanding", "total_shares")
FLOAT = ("free_float_shares", "float_shares", "free_float", "h_shares")


def _supply(case: Case, i: int, day: DayActivity) -> dict[str, Any] | None:
    """What an unlock brings to market: its share of the capital and of the float, days of usual volume to absorb it."""
    pair = case.pairs[i]
    unlocked = _number(pair, ("shares_unlocked",))
    if unlocked is None:
        return None
    known = load_tickers().get(pair.ticker)
    table = known.shares_outstanding if known is not None else None
    total = _number(pair, IN_ISSUE) or (float(table) if table else None)
    floating = _number(pair, FLOAT)
    usual = float(np.nanmean(day.volume[day.est])) if np.isfinite(day.volume[day.est]).any() else np.nan
    return {
        "event_id": pair.event.id, "ticker": pair.ticker, "shares_unlocked": unlocked,
        "of_capital": unlocked / total if total else np.nan, "of_float": unlocked / floating if floating else np.nan,
        "usual_volume": usual, "days_of_volume": unlocked / usual if usual > 0 else np.nan,
    }  # fmt: skip


def _stated(pair: Pair, name: str) -> Any:
    """An attribute of the event, or a further column of the user's table."""
    return pair.event.attributes.get(name, pair.extra.get(name))


def _number(pair: Pair, names: Sequence[str]) -> float | None:
    for name in names:
        value = _stated(pair, name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
    return None
