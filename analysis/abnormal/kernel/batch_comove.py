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
    """Residuals without their first (side 0) or last (side 1) d = 1..D sessions: 1/s and mean (D, 2, n), row d - 1.

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
    cut = np.empty((reach, 4, n))  # sums over what is cut off: first sessions, last sessions, and their squares
    cut[:, 0] = est[:, :reach].T
    cut[:, 1] = est[:, : m - reach - 1 : -1].T
    np.multiply(cut[:, :2], cut[:, :2], out=cut[:, 2:])
    for d in range(1, reach):
        cut[d] += cut[d - 1]
    left = np.arange(m - 1.0, m - reach - 1.0, -1.0)[:, None, None]
    mean = np.subtract(total, cut[:, :2])
    mean /= left
    square = np.subtract(rss, cut[:, 2:])
    doubtful = np.argwhere(square[-1:] < LOST * rss) if reach else ()
    square -= np.multiply(mean, mean) * left
    for _, side, i in doubtful:
        _summed_afresh(square[:, side, i], est[i] if side == 0 else est[i, ::-1])
    np.sqrt(square, out=square)
    return Trims(np.divide(1.0, square, out=square), mean, whole, middle)


def _summed_afresh(square: Array, residuals: Array) -> None:
    """Sums of squared deviations without the first 1..D residuals, where subtraction would have lost digits."""
    for d in range(square.size):
        rest = residuals[d + 1 :]
        square[d] = np.sum((rest - rest.mean()) ** 2)


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
        self._small = np.zeros((position.size, reach, 2))  # u and v of every date
        self._near = np.stack([_has(position, d) for d in range(1, reach + 1)], axis=1) if reach else None
        # What earlier dates say to a session, in slot (session mod slots), a row for each distance. Row d - 1 begins d
        # sessions before the others, so that sessions of the two dates meet; what stands before and after stays zero.
        self._ring = np.zeros((reach + 1, reach, m + reach))
        self._found = np.empty((2 * reach + 1, m))
        self._centre = 0.0

    def add(self, block: Block, atoms: list[Atom], first_date: int) -> None:
        est = block.e[:, : self.m]
        t = trims(est, block.rss, block.total, self.reach)
        weights = np.concatenate([t.inverse[:, 0], t.whole[None], t.inverse[:, 1]])
        small = t.inverse * t.mean
        centre = t.whole * t.middle
        for start, stop, d, last in atoms:
            date = first_date + d
            if stop > start:
                self._take(date, est[start:stop], weights[:, start:stop])
                self._small[date] += small[:, :, start:stop].sum(axis=2)
                self._centre += float(centre[start:stop].sum())
            if last:
                self._finish(date)

    def _take(self, date: int, est: Array, weights: Array) -> None:
        """U, the plain sum and V of the date: one product, or several added in order where a date has many events."""
        if self.counts[date] == 0:
            np.matmul(weights, est, out=self._found)
        else:
            self._found += weights @ est
        self.counts[date] += est.shape[0]

    def _finish(self, date: int) -> None:
        reach, slots = self.reach, self.reach + 1
        at = int(self.position[date]) % slots
        if self.counts[date] == 0:
            self._found[...] = 0.0
        whole = self._found[reach]
        self.sums[date, 0] = 0.5 * (whole @ whole - self.m * self._centre**2 - self.counts[date])
        self._centre = 0.0
        if not reach:
            return
        inner = np.vecdot(self._ring[at, :, reach:], self._found[reach + 1 :])
        np.multiply(inner, self._near[date], out=self.sums[date, 1:])
        # Distance d goes to slot (at + d) mod slots: two runs of slots, before and after the end of the ring.
        first = slots - at - 1
        self._speak(0, first, at + 1)
        self._speak(first, reach, 0)

    def _speak(self, low: int, high: int, slot: int) -> None:
        """Put U for distances low + 1..high into consecutive slots, each shifted by its distance."""
        if high > low:
            step, row, item = self._ring.strides
            start = self._ring[slot, low, self.reach - 1 - low :]
            as_strided(start, (high - low, self.m), (step + row - item, item))[...] = self._found[low:high]

    def corrected(self) -> Array:
        """`sums` with the product of the means taken off: (dates, reach + 1)."""
        out = self.sums.copy()
        for d in range(1, self.reach + 1):
            before, here = apart(self.position, d)
            out[here, d] -= (self.m - d) * self._small[before, d - 1, 0] * self._small[here, d - 1, 1]
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
        tail = np.stack([t.inverse[:, 1], t.mean[:, 1]])
        np.add.at(self.counts, date, 1)
        self._forget(date)
        fresh = self._date.size
        self._est = np.concatenate([self._est, est])
        self._date = np.concatenate([self._date, date])
        self._head = np.concatenate([self._head, np.stack([t.inverse[:, 0], t.mean[:, 0]])], axis=2)
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


def _has(position: Index, d: int) -> Array:
    """1.0 for dates with another date d sessions before, else 0.0."""
    found = np.zeros(position.size)
    found[apart(position, d)[1]] = 1.0
    return found


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
