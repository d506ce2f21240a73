"""The study again on other days: how placebo tests, power simulations and checks ask for fresh estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .domain import AbnormalReturns, DateArray, IntArray, Limits, Tape, Ticker, Unit, Window
from .inputs.sample import cut
from .registry import MODELS


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One unit that can be studied on any day: its tape, its row there, its day 0, first estimation row and model."""

    tape: Tape
    row: int
    day0: int
    est_first: int
    model: str
    ticker: Ticker
    sign: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class StudyReplay:
    """Estimates any unit of the study at any session of its axis with the study's own model and options."""

    tracks: Mapping[Unit, Track]
    estimation_end: int
    options: Mapping[str, object]
    candidates: tuple[Ticker, ...] = ()
    donors: tuple[Ticker, ...] = ()

    def limits(self, unit: Unit) -> Limits:
        t = self.tracks[unit]
        return Limits(t.tape.first_usable(t.row), t.est_first, t.day0 + self.estimation_end, t.day0)

    def time(self, unit: Unit) -> DateArray:
        return self.tracks[unit].tape.time

    def ticker(self, unit: Unit) -> Ticker:
        return self.tracks[unit].ticker

    def rows_of(self, unit: Unit, days: DateArray) -> IntArray:
        time = self.tracks[unit].tape.time
        at = np.searchsorted(time, days)
        found = (at < time.size) & (time[np.minimum(at, time.size - 1)] == days)
        return np.where(found, at, -1)

    def at(self, unit: Unit, rows: IntArray, length: int, window: Window) -> AbnormalReturns:
        """Abnormal returns with day 0 at each row, the model fitted on `length` sessions ending at the study's T1."""
        t = self.tracks[unit]
        end = self.estimation_end
        rows = np.asarray(rows, np.int64)
        sample = cut(
            t.tape,
            np.full(rows.size, t.row),
            rows,
            (end - length + 1, end),
            window,
            window[0],
            ("placebo",) * rows.size,
        )
        ar = MODELS.get(t.model)(sample, self.options)
        return ar if t.sign == 1.0 else replace(ar, ar=t.sign * ar.ar)
