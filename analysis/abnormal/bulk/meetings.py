"""Correlations that involve a pair of the slow lane: pairwise complete, on calendar sessions, each pair of pairs once.

Rows whose event windows are whole share with each other what the distance of their dates says; the sums of their
correlations by distance are enough for every window. The few others are taken window by window.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Window
from ..inference._window import estimation_block
from ..kernel.batch import Batch, Model, residual_rows
from ..kernel.batch_comove import MIN_COMMON
from ..kernel.correlation import pairwise_complete
from .asked import Codes
from .held import Prices
from .placed import Placed

BLOCK = 256  # rows that meet at a time


def path_windows(windows: tuple[Window, ...]) -> list[tuple[Window | None, int]]:
    """For every offset of the span the window whose sum is the level of the cumulative path, and its sign (None: zero).

    The path is zero at the session before the first window begins, as in the tables of a small study.
    """
    low, high, start = min(a for a, _ in windows), max(b for _, b in windows), windows[0][0]
    return [
        ((start, t), 1) if t >= start else (((t + 1, start - 1), -1) if t < start - 1 else (None, 1))
        for t in range(low, high + 1)
    ]


class _Rows(NamedTuple):
    """Rows that meet: day 0, residuals (n, M), which offsets of the span have a return (n, L), and whether all have."""

    day: Codes
    residuals: FloatArray
    have: BoolArray
    whole: BoolArray

    def only(self, keep: BoolArray) -> _Rows:
        return _Rows(self.day[keep], self.residuals[keep], self.have[keep], self.whole[keep])


class Meetings:
    """Takes blocks of slow pairs in the order of dates; each meets the ones before it and all complete rows near it."""

    def __init__(
        self,
        placed: Placed,
        prices: Prices,
        windows: tuple[Window, ...],
        estimation: Window,
        model: Model,
        batch: Batch,
    ) -> None:
        self.placed, self.prices, self.model, self.estimation, self.windows = placed, prices, model, estimation, windows
        self.low, self.reach = min(a for a, _ in windows), max(b - a for a, b in windows)
        self.length = max(b for _, b in windows) - self.low + 1
        self.paths = [w for w, _ in path_windows(windows)]
        self.fast = batch.order  # complete rows by date
        self.fast_day = placed.day0[batch.order]
        self.before: list[_Rows] = []
        # Whole rows: sums and numbers of pairs with too few common sessions by distance. Others: weighted, by window.
        self.rho, self.few = np.zeros(self.reach + 1), np.zeros(self.reach + 1)
        self.rho_of, self.few_of = np.zeros(len(windows)), np.zeros(len(windows))
        self.rho_days = np.zeros((2, self.length))

    def add(self, place: IntArray, ar: AbnormalReturns, event: FloatArray) -> None:
        """Meet a block of slow pairs with itself, with earlier ones and with the complete rows around it."""
        cols = estimation_block(ar)
        residuals = np.where(ar.est[:, cols] & np.isfinite(ar.ar[:, cols]), ar.ar[:, cols], np.nan)
        day, have = self.placed.day0[place], np.isfinite(event)
        here = _Rows(day, residuals, have, np.asarray(have.all(axis=1)))
        self._meet(here, here)
        for old in self.before:
            self._meet(old, here)
        self.before = [b for b in [*self.before, here] if b.day[-1] >= day[-1] - self.reach]
        low, high = np.searchsorted(self.fast_day, [day[0] - self.reach, day[-1] + self.reach + 1])
        for start in range(int(low), int(high), BLOCK):
            rows = self.fast[start : min(start + BLOCK, int(high))]
            near = self.placed.day0[rows]
            close = here.only((day >= near[0] - self.reach) & (day <= near[-1] + self.reach))
            if close.day.size:
                self._meet(self._complete(rows), close)

    def _complete(self, rows: Codes) -> _Rows:
        day, unit, n = self.placed.day0[rows], self.placed.unit[rows], rows.size
        found = residual_rows(self.prices.whole, self.model, unit, day, self.estimation, self.windows)
        return _Rows(day, found, np.ones((n, self.length), bool), np.ones(n, bool))

    def _meet(self, a: _Rows, b: _Rows) -> None:
        """Add the correlations of all rows a with all rows b; of one block with itself each pair once."""
        apart = np.abs(a.day[:, None].astype(np.int64) - b.day[None, :])
        pairs = apart <= self.reach
        if a is b:
            pairs &= np.arange(a.day.size)[:, None] < np.arange(b.day.size)[None, :]
        if not pairs.any():
            return
        rho, n = pairwise(a.day, a.residuals, b.day, b.residuals)
        enough = (n >= MIN_COMMON) & np.isfinite(rho)
        rho = np.where(enough, rho, 0.0)
        whole = pairs & a.whole[:, None] & b.whole[None, :]
        self.rho += np.bincount(apart[whole], rho[whole], self.reach + 1)
        self.few += np.bincount(apart[whole & ~enough], minlength=self.reach + 1)
        if a.whole.all() and b.whole.all():
            return
        i, j = np.nonzero(pairs & ~whole)
        self._one_by_one(a, b, i, j, rho[i, j], enough[i, j])

    def _one_by_one(self, a: _Rows, b: _Rows, i: IntArray, j: IntArray, rho: FloatArray, enough: BoolArray) -> None:
        """Pairs (i, j) of which one has no return on some session of its windows."""
        apart = np.abs(a.day[i].astype(np.int64) - b.day[j])

        def weighted(window: Window) -> tuple[float, float]:
            near = np.flatnonzero(apart <= window[1] - window[0])
            share = self._shared(a, b, i[near], j[near], window)
            return float(np.sum(rho[near] * share)), float(np.sum((share > 0) & ~enough[near]))

        for k, w in enumerate(self.windows):
            found = weighted(w)
            self.rho_of[k] += found[0]
            self.few_of[k] += found[1]
        for k, path in enumerate(self.paths):
            self.rho_days[0, k] += weighted((self.low + k, self.low + k))[0]
            self.rho_days[1, k] += 0.0 if path is None else weighted(path)[0]

    def _shared(self, a: _Rows, b: _Rows, i: IntArray, j: IntArray, window: Window) -> FloatArray:
        """Share of a window's sessions that two event windows have in common; 0 where a row has no return in it."""
        low, high = window
        late, early = np.maximum(a.day[i], b.day[j]), np.minimum(a.day[i], b.day[j])
        common = np.minimum(early + high, self.prices.tape.time.size - 1) - np.maximum(late + low, 0) + 1
        columns = slice(low - self.low, high - self.low + 1)
        some_a, some_b = (np.asarray(r.have[:, columns].any(axis=1)) for r in (a, b))
        both = some_a[i] & some_b[j]
        return np.maximum(common, 0) / (high - low + 1) * both

    def sums(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(windows,) weighted sums, (windows,) flagged, (2, L) the sums for single offsets and for the path's windows."""
        d = np.arange(self.reach + 1)

        def weighted(window: Window | None) -> float:
            length = 0 if window is None else window[1] - window[0] + 1
            return float(np.sum(self.rho * np.maximum(1.0 - d / length, 0.0))) if length else 0.0

        rho = self.rho_of + [weighted(w) for w in self.windows]
        few = self.few_of + [float(self.few[: b - a + 1].sum()) for a, b in self.windows]
        days = self.rho_days + np.array([[weighted((0, 0))] * self.length, [weighted(p) for p in self.paths]])
        return rho, few, days


def pairwise(day_a: Codes, a: FloatArray, day_b: Codes, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pairwise complete correlations (na, nb) of residuals (n, M) that begin on different sessions, and common sessions.

    day: session on which each row's offsets count from; only differences matter.
    """
    low, high = int(min(day_a.min(), day_b.min())), int(max(day_a.max(), day_b.max()))
    width = high - low + a.shape[1]
    va, wa = _on_sessions(day_a - low, a, width)
    vb, wb = (va, wa) if b is a else _on_sessions(day_b - low, b, width)
    return pairwise_complete(va, wa, vb, wb)


def _on_sessions(shift: Codes, rows: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
    """Rows centred and put on common sessions, zero where there is none, and the mask of those there are."""
    have = np.isfinite(rows)
    count = np.maximum(have.sum(axis=1, keepdims=True), 1)
    centred = np.where(have, rows, 0.0)
    centred = np.where(have, centred - centred.sum(axis=1, keepdims=True) / count, 0.0)
    at = shift[:, None] + np.arange(rows.shape[1])
    values, mask = np.zeros((rows.shape[0], width)), np.zeros((rows.shape[0], width))
    np.put_along_axis(values, at, centred, axis=1)
    np.put_along_axis(mask, at, have.astype(float), axis=1)
    return values, mask
