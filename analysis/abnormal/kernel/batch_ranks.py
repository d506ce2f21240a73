"""Column sums of ranks within rows, for millions of rows.

Corrado's tests need, for each day, the sum over events of that day's rank within its event; no single rank. The column
number is written into the lowest bits of each number, rows are sorted as they are (a vectorised sort of values, not of
indices), and the sorted low bits say which column holds which rank. Numbers that differ in those bits only come out as
neighbours; such rows are ranked again from the full numbers, ties averaged.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]

ROWS = (
    64  # rows sorted together: numbers, room, columns and ranks leave most of the second-level cache to the residuals
)


class RankTally:
    """Adds up ranks over blocks of rows: the first `m` columns together with `event` columns, ties averaged.

    `sums` (M + L,) are halves of whole numbers, exact whatever the order of the rows; `n` counts the rows.
    """

    def __init__(self, m: int, event: slice, rows: int = ROWS) -> None:
        self.m, self.event, self.rows = m, event, min(rows, ROWS)
        self.length = m + event.stop - event.start
        self.sums, self.n = np.zeros(self.length), 0
        self._low = (1 << self.length.bit_length()) - 1
        self._columns, self._ranks = _numbered(self.rows, self.length)
        self._room = np.empty((2, self.rows * self.length), np.int64)

    def add(self, e: Array) -> None:
        """Rank the rows of e (n, W), all finite."""
        for start in range(0, e.shape[0], self.rows):
            self._rank(e[start : start + self.rows])
        self.n += e.shape[0]

    def _rank(self, e: Array) -> None:
        n, length, low = e.shape[0], self.length, self._low
        flat = self._room[0, : n * length]
        keys = flat.reshape(n, length)
        self._join(e, keys.view(np.float64))
        np.bitwise_and(flat, ~low, out=flat)
        np.bitwise_or(keys, self._columns[:n], out=keys)
        keys.view(np.float64).sort(axis=1)
        apart = np.bitwise_xor(flat[1:], flat[:-1], out=self._room[1, : flat.size - 1]).view(np.uint64)
        np.bitwise_and(flat, low, out=flat)
        self.sums += np.bincount(flat, self._ranks[:n].reshape(-1), length)
        if apart.min() <= low:
            close = np.flatnonzero(apart <= np.uint64(low))
            # The last column of a row and the first of the next are neighbours only in memory.
            again = np.unique(close[(close + 1) % length != 0] // length)
            self._rank_again(e[again], keys[again])

    def _join(self, e: Array, out: Array) -> None:
        """Estimation and event columns side by side; adding zero makes -0.0 equal to 0.0."""
        if self.event.start == self.m:
            np.add(e[:, : self.event.stop], 0.0, out=out)
        else:
            np.add(e[:, : self.m], 0.0, out=out[:, : self.m])
            np.add(e[:, self.event], 0.0, out=out[:, self.m :])

    def _rank_again(self, e: Array, columns: Index) -> None:
        """Take back the ranks of rows with ties or near ties and add those of the full numbers."""
        self.sums -= np.bincount(columns.reshape(-1), self._ranks[: len(columns)].reshape(-1), self.length)
        values = np.empty(columns.shape)
        self._join(e, values)
        self.sums += midrank_sums(values)


@lru_cache(maxsize=4)
def _numbered(rows: int, length: int) -> tuple[Index, Array]:
    """Number of the column, and rank after sorting, of every cell of some rows."""
    columns = np.tile(np.arange(length), (rows, 1))
    ranks: Array = columns.astype(np.float64) + 1.0
    columns.flags.writeable = ranks.flags.writeable = False
    return columns, ranks


def midrank_sums(values: Array) -> Array:
    """Sum over the rows of values (n, L) of their ranks within the row, ties averaged: (L,)."""
    n, length = values.shape
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    place = np.broadcast_to(np.arange(length), (n, length))
    starts = np.ones((n, length), bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones((n, length), bool)
    ends[:, :-1] = starts[:, 1:]
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, length - 1)[:, ::-1], axis=1)[:, ::-1]
    rank = (first + last) * 0.5 + 1.0
    sums: Array = np.bincount(order.reshape(-1), rank.reshape(-1), length).astype(float, copy=False)
    return sums
