"""Day 0 of every row on the panel's own dates, by the rules of one pair applied to whole columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..domain import BoolArray, DateArray, Excluded, IntArray, Tape
from ..inputs.calendars import panel_calendar
from ..placing import SAME_SESSION
from .asked import Codes, Rows

Why = Callable[[int], tuple[str, str]]


@dataclass(slots=True, eq=False)
class Placed:
    """Rows that have a day 0: their place in `rows`, their unit and tape column (n,), whether the date moved there (n,).

    flags: what a reader should know of single pairs, by place in `rows`. excluded: the rows that have none.
    """

    rows: Rows
    place: Codes
    unit: Codes
    day0: Codes
    moved: BoolArray
    flags: dict[int, list[str]] = field(default_factory=dict)
    excluded: list[Excluded] = field(default_factory=list)

    @property
    def size(self) -> int:
        return int(self.place.size)

    def keep(self, stay: BoolArray | IntArray) -> None:
        """Go on with some of the rows, or in another order."""
        self.place, self.unit = self.place[stay], self.unit[stay]
        self.day0, self.moved = self.day0[stay], self.moved[stay]

    def leave_out(self, gone: BoolArray, stage: str, why: Why) -> None:
        """Exclude rows, each with its reason and remedy."""
        if not gone.any():
            return
        for i in np.flatnonzero(gone):
            self.excluded.append(self.exclusion(int(i), stage, *why(int(i))))
        self.keep(~gone)

    def exclusion(self, i: int, stage: str, reason: str, remedy: str = "") -> Excluded:
        """The exclusion of the i-th of the rows that are left."""
        at = int(self.place[i])
        ticker, event = self.rows.names[self.unit[i]], self.rows.event_id(at)
        return Excluded(stage, f"{ticker} at {event}", reason, remedy, event, ticker)


def place(rows: Rows, tape: Tape, problem: Callable[[str], str], halt: str, by_date: bool) -> Placed:
    """Day 0 of every row: its date, else the next session; moved on to the resumption where the share was halted.

    `by_date`: the rows come out in the order of date and security, not as they were given.
    """
    time = tape.time
    n = rows.size
    out = Placed(rows, np.arange(n, dtype=np.int32), rows.code, np.empty(n, np.int32), np.empty(n, bool))
    day = rows.day
    calendar = panel_calendar(time)
    outside = (day < time[0]) | (day > time[-1])
    out.leave_out(outside, "sessions", lambda i: (str(calendar.outside(day[out.place[i]])), ""))
    out.day0 = np.searchsorted(time, day[out.place]).astype(np.int32)
    out.moved = time[out.day0] != day[out.place]
    known = [problem(t) for t in rows.names]
    bad = np.array([bool(w) for w in known])
    if bad.any():
        out.leave_out(bad[out.unit], "benchmark", lambda i: (known[out.unit[i]], "choose another benchmark"))
    _on_prices(out, tape)
    if halt == "shift":
        _resumed(out, tape)
    order = np.argsort(out.day0.astype(np.int64) * len(rows.names) + out.unit, kind="stable")
    if by_date:
        out.keep(order)
        order = np.arange(order.size)
    _one_a_session(out, order, time)
    return out


def _on_prices(out: Placed, tape: Tape) -> None:
    """Leave out rows before the first or after the last price of their share."""
    names, time = out.rows.names, tape.time
    traded = np.isfinite(tape.event_y)
    none = np.asarray(~traded.any(axis=1))
    first = np.maximum(traded.argmax(axis=1) - 1, 0)
    last = time.size - 1 - traded[:, ::-1].argmax(axis=1)

    def unpriced(i: int) -> tuple[str, str]:
        ticker = names[out.unit[i]]
        return f"no return of {ticker} at all", f"abnormal audit, or abnormal fetch {ticker}"

    def early(i: int) -> tuple[str, str]:
        return f"event before listing: first session {time[first[out.unit[i]]]}", ""

    def late(i: int) -> tuple[str, str]:
        unit = out.unit[i]
        return f"event after the last price: last session {time[last[unit]]}", f"abnormal fetch {names[unit]}"

    out.leave_out(none[out.unit], "prices", unpriced)
    out.leave_out(out.day0 < first[out.unit], "prices", early)
    out.leave_out(out.day0 > last[out.unit], "prices", late)


def _resumed(out: Placed, tape: Tape) -> None:
    """Move day 0 of halted shares to the session on which they traded again."""
    for i in np.flatnonzero(~np.isfinite(tape.event_y[out.unit, out.day0])):
        row = int(out.day0[i])
        later = row + int(np.argmax(np.isfinite(tape.event_y[out.unit[i], row:])))
        text = f"halted on {tape.time[row]}: day 0 moved to the resumption on {tape.time[later]}"
        out.flags.setdefault(int(out.place[i]), []).append(text)
        out.day0[i] = later


def _one_a_session(out: Placed, order: IntArray, time: DateArray) -> None:
    """Several events of one share in one session are one return: the first stays. `order`: by session and share."""
    unit, day0 = out.unit[order], out.day0[order]
    again = np.flatnonzero((unit[1:] == unit[:-1]) & (day0[1:] == day0[:-1])) + 1
    if not again.size:
        return
    first = np.arange(order.size)
    first[again] = 0
    owner = np.empty_like(first)
    owner[order] = order[np.maximum.accumulate(first)]

    def why(i: int) -> tuple[str, str]:
        own, day = out.rows.event_id(int(out.place[owner[i]])), time[out.day0[i]]
        text = f"the same session ({day}) of the same share as {own}: one return, one verdict that names both"
        return text, "study it alone"

    out.leave_out(owner != np.arange(owner.size), SAME_SESSION, why)
