"""Mean correlation of estimation residuals over all pairs of events whose windows meet, without looking at most pairs.

rho_ij is the Pearson correlation of two events' residuals on the M - d sessions their estimation windows share, d
sessions being between their dates. For all i of date a and all j of date a + d the sum of rho_ij is one inner product,

    sum_ij rho_ij = <U_a, V_b> - (M - d) u_a v_b,
    U_a(t) = sum_i e_it / s_i,  u_a = sum_i m_i / s_i    (first d sessions of a left out),
    V_b(t) = sum_j e_jt / s_j,  v_b = sum_j m_j / s_j    (last d sessions of b left out),

m and s the mean and the length of the deviations of one event's residuals on the shared sessions. So a date costs two
matrix products, whatever the number of its pairs. Where dates have few events each, pairs are taken one by one instead.
Only the last few dates are kept. Every number depends on the events of its two dates alone, in whatever blocks they come.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from .batch_fit import Atom, Block

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MIN_COMMON = 30  # two events with fewer common sessions count as uncorrelated
# A trimmed sum of squares below this share of the whole is summed afresh: the difference would have lost digits.
LOST = 1e-3


class Trims(NamedTuple):
    """Residuals without their first (side 0) or last (side 1) d = 1..D sessions: 1/s and mean, each (2, D, n); d = 0 apart.

    whole (n,): 1/s over all M sessions, middle (n,): the mean there.
    """

    inverse: Array
    mean: Array
    whole: Array
    middle: Array


def trims(est: Array, rss: Array, total: Array, reach: int) -> Trims:
    """Means and lengths of residuals est (n, M) with up to `reach` sessions cut off either end."""
    n, m = est.shape
    middle = total / m
    whole = 1.0 / np.sqrt(rss - total * middle)
    ends = np.empty((2, reach, n))
    ends[0] = est[:, :reach].T
    ends[1] = est[:, : m - reach - 1 : -1].T
    left = np.arange(m - 1.0, m - reach - 1.0, -1.0)[None, :, None]
    square = np.cumsum(ends * ends, axis=1)
    mean = np.cumsum(ends, axis=1)
    np.subtract(total, mean, out=mean)
    mean /= left
    np.subtract(rss, square, out=square)
    doubtful = square < LOST * rss
    square -= left * mean * mean
    if doubtful.any():
        for side, d, i in np.argwhere(doubtful):
            rest = est[i, d + 1 :] if side == 0 else est[i, : m - d - 1]
            square[side, d, i] = np.sum((rest - rest.mean()) ** 2)
    np.sqrt(square, out=square)
    return Trims(np.divide(1.0, square, out=square), mean, whole, middle)


class Comovement(Protocol):
    """Takes blocks of events in the order of dates; `sums` (dates, reach + 1) fills as dates are complete.

    sums[b, d]: sum of rho over pairs of date b with the date d sessions before (d = 0: within the date).
    """

    sums: Array
    counts: Index

    def __init__(self, position: Index, m: int, reach: int) -> None: ...

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None: ...

    def corrected(self) -> Array: ...


class ByDate:
    """The inner products above. `position` (dates,) are sessions of the dates, ascending."""

    def __init__(self, position: Index, m: int, reach: int) -> None:
        self.position, self.m, self.reach = position, m, reach
        self.sums = np.zeros((position.size, reach + 1))
        self.counts = np.zeros(position.size, np.int64)
        self._small = np.zeros((position.size, 2, reach))  # u and v of every date
        self._row = m + reach
        self._slots = 3 * reach + 1
        # Slot p holds what earlier dates have to say to the date at session base + p, a row for each distance.
        self._ring = np.zeros((self._slots, reach, self._row))
        self._base = int(position[0]) if position.size else 0
        self._tail = np.zeros((reach + 1, m))
        self._count, self._centre, self._begun = 0, 0.0, False

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None:
        est = block.e[:, : self.m]
        t = trims(est, block.rss, block.total, self.reach)
        tails = np.concatenate([t.whole[None], t.inverse[1]])
        edge = [a.start for a in atoms if a.stop > a.start]
        small = np.add.reduceat(t.inverse * t.mean, edge, axis=2) if edge else np.empty((2, self.reach, 0))
        centre = np.add.reduceat(t.whole * t.middle, edge) if edge else np.empty(0)
        k = 0
        for atom in atoms:
            date = first_date + atom.date
            if not self._begun:
                self._begin(date)
            if atom.stop > atom.start:
                self._take(est[atom.start : atom.stop], t.inverse[0][:, atom.start : atom.stop],
                           tails[:, atom.start : atom.stop])  # fmt: skip
                self._small[date] += small[:, :, k]
                self._centre += centre[k]
                k += 1
            if atom.last:
                self._finish(date)

    def _begin(self, date: int) -> None:
        """Make room for what this date says to the `reach` sessions after it."""
        at = int(self.position[date]) - self._base
        if at + self.reach >= self._slots:
            keep = max(self._slots - at, 0)
            self._ring[:keep] = self._ring[self._slots - keep :].copy()
            self._ring[keep:] = 0.0
            self._base, at = int(self.position[date]), 0
        self._at, self._begun, self._count, self._centre = at, True, 0, 0.0
        if self.reach:
            ring = self._ring
            # Row d - 1 goes to slot at + d, shifted by d to the sessions of the date it speaks to.
            slot, row, item = ring.strides
            start = ring[at + 1, 0, self.reach - 1 :]
            self._head = as_strided(start, (self.reach, self.m), (slot + row - item, item))

    def _take(self, est: Array, heads: Array, tails: Array) -> None:
        if self._count == 0:
            np.matmul(tails, est, out=self._tail)
            if self.reach:
                np.matmul(heads, est, out=self._head)
        else:
            self._tail += tails @ est
            if self.reach:
                self._head += heads @ est
        self._count += est.shape[0]

    def _finish(self, date: int) -> None:
        self._begun = False
        if not self._count:
            return
        self.counts[date] = self._count
        whole = self._tail[0]
        self.sums[date, 0] = 0.5 * (whole @ whole - self.m * self._centre**2 - self._count)
        if self.reach:
            np.vecdot(self._ring[self._at, :, self.reach :], self._tail[1:], out=self.sums[date, 1:])

    def corrected(self) -> Array:
        """`sums` with the product of the means taken off: (dates, reach + 1)."""
        out = self.sums.copy()
        for d in range(1, self.reach + 1):
            before, here = apart(self.position, d)
            out[here, d] -= (self.m - d) * self._small[before, 0, d - 1] * self._small[here, 1, d - 1]
        return out


class ByPair:
    """The same sums pair by pair, for dates with few events. Rows of the last `reach` sessions are kept."""

    def __init__(self, position: Index, m: int, reach: int) -> None:
        self.position, self.m, self.reach = position, m, reach
        self.sums = np.zeros((position.size, reach + 1))
        self.counts = np.zeros(position.size, np.int64)
        self._est = np.empty((0, m))
        self._date = np.empty(0, np.int64)
        self._head = np.empty((2, reach, 0))  # 1/s and mean without the first d sessions
        self._self = np.empty((2, 0))

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None:
        est = block.e[:, : self.m]
        t = trims(est, block.rss, block.total, self.reach)
        date = np.repeat([first_date + a.date for a in atoms], [a.stop - a.start for a in atoms])
        tail = np.stack([t.inverse[1], t.mean[1]])
        np.add.at(self.counts, date, 1)
        self._forget(date)
        fresh = self._date.size
        self._est = np.concatenate([self._est, est])
        self._date = np.concatenate([self._date, date])
        self._head = np.concatenate([self._head, np.stack([t.inverse[0], t.mean[0]])], axis=2)
        self._self = np.concatenate([self._self, np.stack([t.whole, t.middle])], axis=1)
        self._within(fresh)
        for d in range(1, self.reach + 1):
            self._between(d, fresh, tail)

    def _forget(self, date: Index) -> None:
        if date.size and self._date.size:
            keep = self.position[self._date] >= self.position[date[0]] - self.reach
            self._est, self._date = self._est[keep], self._date[keep]
            self._head, self._self = self._head[:, :, keep], self._self[:, keep]

    def _within(self, fresh: int) -> None:
        """Pairs of one date: each new row with the rows of its date before it."""
        i, j = _meeting(self._date, self._date[fresh:], fresh)
        inverse, mean = self._self
        self._gather(i, j, 0, inverse[i] * inverse[j], mean[i] * mean[j])

    def _between(self, d: int, fresh: int, tail: Array) -> None:
        """Pairs d sessions apart, the later one among the new rows."""
        here = self._date[fresh:]
        before = np.searchsorted(self.position, self.position[here] - d)
        exists = self.position[before] == self.position[here] - d
        i, j = _meeting(self._date, np.where(exists, before, -1))
        head, last = self._head[:, d - 1, i], tail[:, d - 1, j]
        self._gather(i, j + fresh, d, head[0] * last[0], head[1] * last[1])

    def _gather(self, i: Index, j: Index, d: int, inverse: Array, means: Array) -> None:
        shared = self.m - d
        for s in range(0, i.size, PAIRS):
            part = slice(s, s + PAIRS)
            product = np.vecdot(self._est[i[part], d:], self._est[j[part], :shared])
            np.add.at(self.sums[:, d], self._date[j[part]], (product - shared * means[part]) * inverse[part])

    def corrected(self) -> Array:
        return self.sums


PAIRS = 1024  # pairs whose rows are held at once


def _meeting(dates: Index, wanted: Index, own: int | None = None) -> tuple[Index, Index]:
    """Rows (i, j): every i with dates[i] == wanted[j], j ascending, then i. With `own`, row j stands at own + j: i < it."""
    low = np.searchsorted(dates, wanted, side="left")
    high = np.searchsorted(dates, wanted, side="right")
    if own is not None:
        high = np.minimum(high, own + np.arange(wanted.size))
    count = np.maximum(high - low, 0)
    j = np.repeat(np.arange(wanted.size), count)
    start = np.cumsum(count) - count
    i = np.arange(j.size) - start[j] + low[j]
    return i, j


def apart(position: Index, d: int) -> tuple[Index, Index]:
    """Indices (a, b) of dates with position[b] - position[a] == d."""
    a = np.searchsorted(position, position - d)
    b = np.flatnonzero((a < position.size) & (position[np.minimum(a, position.size - 1)] == position - d))
    return a[b], b


def cheaper_by_pair(position: Index, count: Index, reach: int) -> bool:
    """Whether pairs one by one cost less than inner products of dates (measured: 0.3 us a pair, 15 us + 0.5 us an event)."""
    pairs = float(np.sum(count * (count - 1.0)) / 2)
    for d in range(1, reach + 1):
        a, b = apart(position, d)
        pairs += float(np.sum(count[a] * count[b].astype(float)))
    return 0.3 * pairs < 15.0 * position.size + 0.5 * float(count.sum())
