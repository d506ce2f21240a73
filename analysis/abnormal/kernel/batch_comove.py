"""Mean correlation of estimation residuals over all pairs of events whose windows meet, without looking at most pairs.

rho_ij is the Pearson correlation of two events' residuals on the M - d sessions their estimation windows share, d
sessions being between their dates. For all i of date a and all j of date a + d the sum of rho_ij is one inner product,

    sum_ij rho_ij = <U_a, V_b> - (M - d) u_a v_b,
    U_a(t) = sum_i e_it / s_i,  u_a = sum_i m_i / s_i    (first d sessions of a left out),
    V_b(t) = sum_j e_jt / s_j,  v_b = sum_j m_j / s_j    (last d sessions of b left out),

m and s the mean and the length of the deviations of one event's residuals on the shared sessions. So a date costs one
matrix product, whatever the number of its pairs. Where dates have few events each, pairs are taken one by one instead.
Only the last few dates are kept. Every number depends on the events of its two dates alone, in whatever blocks they come.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .batch_fit import Atom, Block, dates_of

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MIN_COMMON = 30  # two events with fewer common sessions count as uncorrelated
# A trimmed sum of squares below this share of the whole is summed afresh: the difference would have lost digits.
LOST = 1e-3
PAIRS = 512  # pairs whose rows are held at once


class Trims(NamedTuple):
    """Residuals without their first (side 0) or last (side 1) d = 0..D sessions: (D + 1, 2, n) each.

    inverse: 1/s, s the length of what is left around its mean; sums: what is left summed up.
    """

    inverse: Array
    sums: Array


def trims(est: Array, rss: Array, total: Array, reach: int, fitted: bool) -> Trims:
    """Sums and lengths of residuals est (n, M) with up to `reach` sessions cut off either end.

    `fitted`: the residuals sum to zero, `total` need not be looked at.
    """
    n, m = est.shape
    sums, squares = np.zeros((reach + 1, 2, n)), np.zeros((reach + 1, 2, n))
    sums[1:, 0] = est[:, :reach].T
    sums[1:, 1] = est[:, : m - reach - 1 : -1].T
    np.multiply(sums, sums, out=squares)
    for part in (sums, squares):
        rows = list(part)
        for before, here in zip(rows[1:-1], rows[2:]):
            np.add(before, here, out=here)
    np.negative(sums, out=sums) if fitted else np.subtract(total, sums, out=sums)
    np.subtract(rss, squares, out=squares)
    doubtful = np.argwhere(squares[-1] < LOST * rss)
    around = np.multiply(sums, sums)
    around *= (1.0 / np.arange(m, m - reach - 1.0, -1.0))[:, None, None]
    squares -= around
    for side, i in doubtful:
        _summed_afresh(squares[:, side, i], est[i] if side == 0 else est[i, ::-1])
    np.sqrt(squares, out=squares)
    return Trims(np.divide(1.0, squares, out=squares), sums)


def _summed_afresh(square: Array, residuals: Array) -> None:
    """Sums of squared deviations without the first 0..D residuals, where subtraction would have lost digits."""
    for d in range(square.size):
        rest = residuals[d:]
        square[d] = np.sum((rest - rest.mean()) ** 2)


class Comovement(Protocol):
    """Takes blocks of events in the order of dates; `sums` (dates, reach + 1) fills as dates are complete.

    sums[b, d]: sum of rho over pairs of date b with the date d sessions before (d = 0: within the date). counts (dates,).
    """

    sums: Array
    counts: Index

    def __init__(self, position: Index, m: int, reach: int, fitted: bool) -> None: ...

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None: ...

    def corrected(self) -> Array: ...


class ByDate:
    """The inner products above. `position` (dates,) are sessions of the dates, ascending."""

    def __init__(self, position: Index, m: int, reach: int, fitted: bool) -> None:
        self.position, self.m, self.reach, self.fitted = position, m, reach, fitted
        self.sums = np.zeros((position.size, reach + 1))
        self.counts = np.zeros(position.size, np.int64)
        self._small = np.zeros((reach + 1, 2, position.size))  # sums behind u and v of every date
        self._near = near(position, reach)
        # What earlier dates say to a session, in slot (session mod slots), a row for each distance. Row d begins d
        # sessions before the others, so that sessions of the two dates meet; what stands before and after stays zero.
        self._ring = np.zeros((reach + 1, reach, m + reach))
        self._found = np.empty((reach + 1, 2, m))
        self._flat = self._found.reshape(2 * reach + 2, m)

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None:
        est = block.e[:, : self.m]
        inverse, sums = trims(est, block.rss, block.total, self.reach, self.fitted)
        weights = inverse.reshape(2 * self.reach + 2, -1)
        sums *= inverse
        filled = [a for a in atoms if a.stop > a.start]
        if filled:
            dates = np.array([first_date + a.date for a in filled])
            small = np.add.reduceat(sums, [a.start for a in filled], axis=2)
            np.add.at(self._small, (slice(None), slice(None), dates), small)
        for start, stop, d, last in atoms:
            date = first_date + d
            if stop > start:
                self._take(date, est[start:stop], weights[:, start:stop])
            if last:
                self._finish(date)

    def _take(self, date: int, est: Array, weights: Array) -> None:
        """U and V of the date, all distances: one product, or several added in order where a date has many events."""
        if self.counts[date] == 0:
            np.matmul(weights, est, out=self._flat)
        else:
            self._flat += weights @ est
        self.counts[date] += est.shape[0]

    def _finish(self, date: int) -> None:
        if self.counts[date] == 0:
            self._flat[...] = 0.0
        reach, slots = self.reach, self.reach + 1
        at = int(self.position[date]) % slots
        whole = self._flat[0]
        self.sums[date, 0] = np.dot(whole, whole)
        if reach:
            np.vecdot(self._ring[at, :, reach:], self._found[1:, 1], out=self.sums[date, 1:])
            # Distance d goes to slot (at + d) mod slots: two runs of slots, before and after the end of the ring.
            first = slots - at - 1
            self._speak(0, first, at + 1)
            self._speak(first, reach, 0)

    def _speak(self, low: int, high: int, slot: int) -> None:
        """Put U for distances low + 1..high into consecutive slots, each shifted by its distance."""
        if high > low:
            step, row, item = self._ring.strides
            begin = slot * step + low * row + (self.reach - 1 - low) * item
            there: Array = np.ndarray((high - low, self.m), float, self._ring, begin, (step + row - item, item))
            there[...] = self._found[low + 1 : high + 1, 0]

    def corrected(self) -> Array:
        """`sums` with the product of the means taken off: (dates, reach + 1)."""
        out = self.sums * self._near
        out[:, 0] = 0.5 * (out[:, 0] - self._small[0, 0] ** 2 / self.m - self.counts)
        for d in range(1, self.reach + 1):
            before, here = apart(self.position, d)
            out[here, d] -= self._small[d, 0, before] * self._small[d, 1, here] / (self.m - d)
        return out


class ByPair:
    """The same sums pair by pair, for dates with few events. Rows of the last `reach` sessions are kept."""

    def __init__(self, position: Index, m: int, reach: int, fitted: bool) -> None:
        self.position, self.m, self.reach, self.fitted = position, m, reach, fitted
        self.sums = np.zeros((position.size, reach + 1))
        self.counts = np.zeros(position.size, np.int64)
        self._est = np.empty((0, m))
        self._date = np.empty(0, np.int64)
        self._head = np.empty((2, reach + 1, 0))  # 1/s and sum without the first d sessions

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None:
        est = block.e[:, : self.m]
        inverse, sums = trims(est, block.rss, block.total, self.reach, self.fitted)
        date = dates_of(atoms) + first_date
        np.add.at(self.counts, date, 1)
        self._forget(date)
        fresh = self._date.size
        self._est = np.concatenate([self._est, est])
        self._date = np.concatenate([self._date, date])
        self._head = np.concatenate([self._head, np.stack([inverse[:, 0], sums[:, 0]])], axis=2)
        for d in range(self.reach + 1):
            self._pairs(d, fresh, inverse[d, 1], sums[d, 1])

    def _forget(self, date: Index) -> None:
        if date.size and self._date.size:
            keep = self.position[self._date] >= self.position[date[0]] - self.reach
            self._est, self._date, self._head = self._est[keep], self._date[keep], self._head[:, :, keep]

    def _pairs(self, d: int, fresh: int, inverse: Array, sums: Array) -> None:
        """Pairs d sessions apart, the later one among the new rows; on one date each row with those before it."""
        date = self._date[fresh:]
        wanted = self.position[date] - d
        before = np.searchsorted(self.position, wanted)
        i, j = _meeting(self._date, np.where(self.position[before] == wanted, before, -1), fresh if d == 0 else None)
        shared = self.m - d
        for s in range(0, i.size, PAIRS):
            a, b = i[s : s + PAIRS], j[s : s + PAIRS]
            product = np.vecdot(self._est[a, d:], self._est[b + fresh, :shared])
            rho = (product - self._head[1, d, a] * sums[b] / shared) * self._head[0, d, a] * inverse[b]
            np.add.at(self.sums[:, d], date[b], rho)

    def corrected(self) -> Array:
        """`sums`: nothing is left to take off."""
        return self.sums


def _meeting(dates: Index, wanted: Index, own: int | None) -> tuple[Index, Index]:
    """Rows (i, j): every i with dates[i] == wanted[j], by j, then i. Where row j stands at own + j itself: i before it."""
    low = np.searchsorted(dates, wanted, side="left")
    high = np.searchsorted(dates, wanted, side="right")
    if own is not None:
        high = np.minimum(high, own + np.arange(wanted.size))
    count = np.maximum(high - low, 0)
    j = np.repeat(np.arange(wanted.size), count)
    start = np.cumsum(count) - count
    return np.arange(j.size) - start[j] + low[j], j


def apart(position: Index, d: int) -> tuple[Index, Index]:
    """Indices (a, b) of dates with position[b] - position[a] == d."""
    a = np.searchsorted(position, position - d)
    b = np.flatnonzero(position[np.minimum(a, position.size - 1)] == position - d)
    return a[b], b


def near(position: Index, reach: int) -> Array:
    """(dates, reach + 1): 1.0 where there is a date d = 0..reach sessions before, else 0.0."""
    found = np.zeros((position.size, reach + 1))
    for d in range(reach + 1):
        found[apart(position, d)[1], d] = 1.0
    return found


def cheaper_by_pair(position: Index, count: Index, reach: int) -> bool:
    """Whether pairs one by one cost less than inner products of dates (measured: 0.3 us a pair, 15 us + 0.5 us an event)."""
    pairs = float(np.sum(count * (count - 1.0)) / 2)
    for d in range(1, reach + 1):
        a, b = apart(position, d)
        pairs += float(np.sum(count[a] * count[b].astype(float)))
    return 0.3 * pairs < 15.0 * position.size + 0.5 * float(count.sum())
