"""What the summary says of a study on bars: its windows by the same clock time, and what happened inside the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..result import StudyResult
from . import console
from .console import count, interval, listed, number, p_value, percent
from .tables import Column, Table

Row = Mapping[str, Any]


def of_bars(result: StudyResult) -> bool:
    """Whether the study counted bars within the day."""
    return result.spec.freq != "1d"


def windows_table(result: StudyResult) -> Table:
    """Every window of the one pair in bars: estimate, same-clock interval and p, normal theory beside it."""
    level = f"{100 * (1 - result.spec.level):g}%"
    columns = (
        Column("window", f"Bars of {result.spec.freq}"), Column("car", "CAR", "percent"),
        Column("closure", "of it closed", "percent"), Column("interval", f"{level} interval (same clock)"),
        Column("clock_p", "same-clock p (n)"), Column("p", "normal p", "p"), Column("n_obs", "bars", "count"),
    )  # fmt: skip
    return Table("", columns, tuple(_cells({str(k): v for k, v in r.items()}) for r in result.car.to_dict("records")))


def _cells(row: Row) -> tuple[Any, ...]:
    known = console.is_number(row["clock_p"])
    return (
        console.window(row["window_start"], row["window_end"]), row["car"], row["closure"] or None,
        interval(row["clock_low"], row["clock_high"]),
        f"{p_value(row['clock_p'])} ({count(row['clock_m'])})" if known else console.NONE, row["p"], row["n_obs"],
    )  # fmt: skip


def session_lines(result: StudyResult) -> tuple[str, ...]:
    """Event bar, speed, peak, give-back and jump bars of up to three pairs."""
    if not of_bars(result) or len(result.jump) > 3:
        return ()
    several = len(result.jump) > 1
    return tuple(_session_line({str(k): v for k, v in r.items()}, several) for r in result.jump.to_dict("records"))


def _session_line(row: Row, named: bool) -> str:
    parts = [f"event bar {str(row['event_bar'])[:16].replace('T', ' ')} UTC ({row['event_clock']} local)"]
    if console.is_number(row["minutes_to_half"]):
        at = (
            "at its first price"
            if row["minutes_to_half"] == 0
            else f"within {number(row['minutes_to_half'], 0)} minutes"
        )
        parts.append(f"half of the day's move {at}")
    if console.is_number(row["peak_move"]):
        parts.append(f"farthest {percent(row['peak_move'])} at {str(row['peak_time'])[11:16]} UTC")
    back = [(n, row.get(f"give_back_{n}")) for n in (1, 5, 10)]
    told = [f"{percent(v, 0, sign=False)} after {n}" for n, v in back if console.is_number(v)]
    if told:
        parts.append(f"given back {listed(told)} sessions")
    if console.is_number(row["first30_share"]):
        parts.append(f"{percent(row['first30_share'], 0, sign=False)} of the variance in its first 30 minutes")
    parts.append(f"jump bars {row['jump_times']}" if row["jump_times"] else "no jump bar")
    return (f"{row['ticker']} " if named else "") + "; ".join(parts)
