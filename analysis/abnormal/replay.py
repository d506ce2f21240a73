"""The study again on other days: how placebo tests, power simulations and checks ask for fresh estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .domain import AbnormalReturns, BoolArray, DateArray, FloatArray, IntArray, Limits, Tape, Ticker, Unit, Window
from .inference._window import window_stats
from .inputs.sample import cut
from .kernel.batch import Wanted, run_batch
from .kernel.batch_dates import Model
from .registry import MODELS

SCARS_ONLY = Wanted(ranks=False, signs=False, comovement=False, coefficients=False)


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
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)

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

    def scars(self, unit: Unit, rows: IntArray, length: int, window: Window) -> FloatArray:
        """SCAR with day 0 at each row (n,), NaN where the window is not whole: thousands of days in one pass."""
        rows = np.asarray(rows, np.int64)
        out, done = self._batched_scars(unit, rows, (self.estimation_end - length + 1, self.estimation_end), window)
        if not done.all():
            w = window_stats(self.at(unit, rows[~done], length, window), window)
            out[~done] = np.where(w.full, w.scar, np.nan)
        return out

    def _batched_scars(
        self, unit: Unit, rows: IntArray, estimation: Window, window: Window
    ) -> tuple[FloatArray, BoolArray]:
        """SCARs of the rows around which every session has its own return, by the batched kernel, and which rows those are.

        Units with the same model, regressors and day 0 are asked for the same rows: they are taken together and kept.
        """
        t = self.tracks[unit]
        model = _kernel_model(t, self.options)
        least = 0 if model is None else max(t.tape.min_obs, model.k + 1)
        if model is None or window[0] <= estimation[1] or estimation[1] - estimation[0] + 1 < least:
            return np.full(rows.size, np.nan), np.zeros(rows.size, bool)
        key = (_alike(t), estimation, window, rows.tobytes())
        if key not in self.kept:
            group = [u for u, other in self.tracks.items() if _alike(other) == key[0]]
            series = np.stack([_whole_sessions(self.tracks[u]) for u in group])
            batch = run_batch(
                series, model, np.repeat(np.arange(len(group)), rows.size), np.tile(rows, len(group)),
                estimation=estimation, windows=[window], wanted=SCARS_ONLY,
            )  # fmt: skip
            scar, clean = batch.scar[:, 0].reshape(-1, rows.size), batch.clean.reshape(-1, rows.size)
            self.kept[key] = {u: (self.tracks[u].sign * scar[g], clean[g]) for g, u in enumerate(group)}
        scar, clean = self.kept[key][unit]
        return scar.copy(), clean


def _alike(t: Track) -> tuple[object, ...]:
    """What units share that can be estimated together: their tape, model, regressors and day 0."""
    return id(t.tape), t.model, int(t.tape.xid[t.row]), t.day0


def _whole_sessions(t: Track) -> FloatArray:
    """The unit's returns (T,) where estimation and event rows read one session's return alike, NaN elsewhere."""
    tape, r = t.tape, t.row
    plain = (tape.y[r] == tape.event_y[r]) & (tape.span[r] <= 1) & tape.usable[r]
    return np.where(plain, tape.y[r], np.nan)


def _kernel_model(track: Track, options: Mapping[str, object]) -> Model | None:
    """The track's model as the batched kernel knows it, or None."""
    tape, name = track.tape, track.model
    none = np.empty((0, tape.time.size))
    if name == "mean":
        return Model(none)
    if not tape.names:
        return None
    market = np.ascontiguousarray(tape.x[tape.xid[track.row], :, 0])
    if name in ("market", "market_zero_alpha"):
        return Model(market[None], carried=name == "market")
    if name == "market_adjusted" and options.get("sigma", "s_mean") == "s_mean":
        return Model(none, market, intercept=False, centred=True)
    return None
