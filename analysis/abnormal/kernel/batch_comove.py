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

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .batch_dates import stretches
from .batch_fit import Block, Pieces

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]

MIN_COMMON = 30  # two events with fewer common sessions count as uncorrelated
# A trimmed sum of squares below this share of the whole is summed afresh: the difference would have lost digits.
LOST = 1e-3


class Trims(NamedTuple):
    """Residuals without their first (side 0) or last (side 1) d = 0..D sessions: (2, D + 1, n) each.

    inverse: 1/s, s the length of what is left around its mean; sums: what is left summed up, both sides with the same sign,
    which is all a product of two of them needs.
    """

    inverse: Array
    sums: Array


def trims(est: Array, rss: Array, total: Array, reach: int, fitted: bool) -> Trims:
    """Sums and lengths of residuals est (n, M) with up to `reach` sessions cut off either end.

    `fitted`: the residuals sum to zero, `total` need not be looked at.
    """
    n, m = est.shape
    # Cut off so far, the first sessions (side 0) and the last (side 1), and the squares of what is left.
    sums, squares = np.empty((2, 2, reach + 1, n))
    sums[:, 0] = 0.0
    if reach:
        sums[0, 1:] = est[:, :reach].T
        sums[1, 1:] = est[:, : m - reach - 1 : -1].T
    np.multiply(sums, sums, out=squares)
    squares[:, 0] = rss
    for before, here in pairwise(list(sums.swapaxes(0, 1)[1:])):
        np.add(before, here, out=here)
    for before, here in pairwise(list(squares.swapaxes(0, 1))):
        np.subtract(before, here, out=here)
    if not fitted:  # else what is left is minus what was cut off
        np.subtract(total, sums, out=sums)
    around = np.multiply(sums, sums)
    around *= (1.0 / np.arange(m, m - reach - 1.0, -1.0))[:, None]
    squares -= around
    doubtful = squares[:, -1] < LOST * rss  # the longest cut leaves least
    if doubtful.any():
        for side, i in np.argwhere(doubtful):
            _summed_afresh(squares[side, :, i], est[i] if side == 0 else est[i, ::-1])
    np.sqrt(squares, out=squares)
    return Trims(np.divide(1.0, squares, out=squares), sums)


def _summed_afresh(square: Array, residuals: Array) -> None:
    """Sums of squared deviations without the first 0..D residuals, where subtraction would have lost digits."""
    for d in range(square.size):
        rest = residuals[d:]
        square[d] = np.sum((rest - rest.mean()) ** 2)


class Slot(NamedTuple):
    """Where U and V of a date go, one below the other, all distances; U for distance 0 alone; and who is met at distances d.

    before: distances, U of the dates so far before (from where the sessions of both are common), and V to meet them.
    """

    own: Array
    whole: Array
    before: tuple[tuple[slice, Array, Array], ...]


def _slots(reach: int, m: int) -> list[Slot]:
    """Slots for the last D + 1 dates, session mod (D + 2); V stands in the slot after, whose date is too long ago.

    Row d of a slot is U without the first d sessions; columns from m on stay zero.
    """
    rows, around = reach + 1, reach + 2
    said = np.zeros(((around + 1) * rows, m + reach))
    row, item = said.strides
    step = rows * row
    slots = []
    for slot in range(around):
        first, before = slot * rows, []
        # Distances 1..slot stand in the slots below this one, the others at the upper end; none in the slot after.
        for low, high, where in ((1, min(slot, reach), slot - 1), (slot + 1, reach, around - 1)):
            if high >= low:
                view: Array = np.ndarray(
                    (high - low + 1, m), float, said, where * step + low * (row + item), (row + item - step, item)
                )
                before.append((slice(low, high + 1), view, said[first + rows + low : first + rows + high + 1, :m]))
        slots.append(Slot(said[first : first + 2 * rows, :m], said[first, :m], tuple(before)))
    return slots


class ByDate:
    """The inner products above. `position` (dates,) are sessions of the dates, ascending.

    U and V of a date, all distances, are one matrix product. Blocks come in the order of dates. corrected()[b, d]: sum of
    rho over pairs of date b with the date d sessions before (d = 0: within the date); counts (dates,): events.
    """

    def __init__(self, position: Index, m: int, reach: int, fitted: bool) -> None:
        self.position, self.m, self.reach, self.fitted = position, m, reach, fitted
        self.sums = np.zeros((position.size, reach + 1))
        self.counts = np.zeros(position.size, np.int64)
        self._small: list[tuple[Index, Array]] = []  # sums behind u and v, block by block
        slots = _slots(reach, m)
        self._slots = [slots[i] for i in (position % len(slots)).tolist()]  # by date
        self._here = 0  # events of the date under way

    def add(self, block: Block, pieces: Pieces, first_date: int) -> None:
        est = block.e[:, : self.m]
        inverse, sums = trims(est, block.rss, block.total, self.reach, self.fitted)
        weights = inverse.reshape(2 * self.reach + 2, -1)
        for start, stop, d, last in pieces.each():
            slot = self._slots[first_date + d]
            if stop > start:
                self._say(slot.own, est[start:stop], weights[:, start:stop])
            if last:
                self._finish(first_date + d, slot)
        starts, dates = pieces.filled()
        if starts.size:
            small = np.add.reduceat(np.multiply(sums, inverse, out=sums), starts, axis=2)
            self._small.append((dates + first_date, small))

    def _say(self, own: Array, est: Array, weights: Array) -> None:
        """U and V of the date: one product, or several added in order where a date has many events."""
        if self._here:
            own += weights @ est
        else:
            np.matmul(weights, est, out=own)
        self._here += len(est)

    def _finish(self, date: int, slot: Slot) -> None:
        """What the date's events have in common with each other and with those of the dates before."""
        if not self._here:
            slot.own[...] = 0.0
        self.counts[date], self._here = self._here, 0
        found = self.sums[date]
        found[0] = slot.whole.dot(slot.whole)
        for distances, before, v in slot.before:
            np.vecdot(before, v, out=found[distances])

    def corrected(self) -> Array:
        """`sums` with the product of the means taken off: (dates, reach + 1)."""
        small = np.zeros((2, self.reach + 1, self.position.size))
        for dates, part in self._small:
            np.add.at(small, (slice(None), slice(None), dates), part)  # type: ignore[arg-type]
        if not self.reach:
            return 0.5 * (self.sums - small[0, 0, :, None] ** 2 / self.m - self.counts[:, None])
        before, distance = near(self.position, self.reach), np.arange(self.reach + 1)
        means = small[0, distance, before] * small[1].T / (self.m - distance)
        out = np.where(before >= 0, self.sums - means, 0.0)
        out[:, 0] = 0.5 * (out[:, 0] - self.counts)
        return out


class ByPair:
    """The same sums pair by pair, for dates with few events. Rows of the last `reach` sessions are kept.

    A row is kept turned, session t in column t mod (M + reach), zero elsewhere: any two rows whose dates are at most
    `reach` apart then meet session by session, and a row meets the one n places before it without being copied.
    """

    def __init__(self, position: Index, m: int, reach: int, fitted: bool) -> None:
        self.position, self.m, self.reach, self.fitted = position, m, reach, fitted
        self.sums = np.zeros((position.size, reach + 1))
        self.counts = np.zeros(position.size, np.int64)
        self._date = np.empty(0, np.int64)
        self._twice = np.empty((0, 2 * (m + reach)))  # rows on their way to being turned, of the events in `_date`
        self._head = np.empty((2, reach + 1, 0))  # 1/s and sum without the first d sessions

    def add(self, block: Block, pieces: Pieces, first_date: int) -> None:
        est = block.e[:, : self.m]
        inverse, sums = trims(est, block.rss, block.total, self.reach, self.fitted)
        date = pieces.dates() + first_date
        if not date.size:
            return
        np.add.at(self.counts, date, 1)
        keep = int(np.searchsorted(self.position[self._date], int(self.position[date[0]]) - self.reach))
        fresh = self._date.size - keep
        self._date = np.concatenate([self._date[keep:], date])
        self._head = np.concatenate([self._head[:, :, keep:], np.stack([inverse[0], sums[0]])], axis=2)
        session = self.position[self._date]
        self._meet(self._turned(est, keep, session), session, fresh, inverse[1], sums[1])

    def _turned(self, est: Array, keep: int, session: Index) -> Array:
        """The rows from `keep` on and residuals (n, M), in a circle of M + reach columns that begins at session mod them."""
        fresh, size, around = session.size - len(est), session.size, self.m + self.reach
        before = self._twice[keep : keep + fresh].copy()
        if len(self._twice) < size:
            self._twice = np.zeros((size, 2 * around))
        self._twice[:fresh] = before
        self._twice[fresh:size, : self.m] = self._twice[fresh:size, around : around + self.m] = est
        return stretches(self._twice, around)[np.arange(size), -session % around]

    def _meet(self, turned: Array, session: Index, fresh: int, inverse: Array, sums: Array) -> None:
        """Every new row with all rows before it that are at most `reach` sessions earlier."""
        own = np.arange(fresh, session.size)
        behind = own - np.searchsorted(session, session[own] - self.reach)
        most = int(behind.max())
        if most == 0:
            return
        products = np.zeros((most, own.size))
        for n in range(1, most + 1):
            late = max(fresh, n)
            np.vecdot(turned[late - n : session.size - n], turned[late:], out=products[n - 1, late - fresh :])
        k, n = np.nonzero(np.arange(most) < behind[:, None])  # type: ignore[assignment]  # row by row, so that sums do not depend on blocks
        i, j = own[k] - n - 1, own[k]
        d = session[j] - session[i]
        rho = (products[n, k] - self._head[1, d, i] * sums[d, k] / (self.m - d)) * self._head[0, d, i] * inverse[d, k]
        np.add.at(self.sums, (self._date[j], d), rho)

    def corrected(self) -> Array:
        """`sums`: nothing is left to take off."""
        return self.sums


Comovement = ByDate | ByPair


def near(position: Index, reach: int) -> Index:
    """(dates, reach + 1): place of the date d = 0..reach sessions before each date, -1 where there is none."""
    first = int(position[0]) if position.size else 0
    place = np.full(int(np.ptp(position)) + reach + 1 if position.size else reach + 1, -1)
    place[position - first + reach] = np.arange(position.size)
    return place[(position - first + reach)[:, None] - np.arange(reach + 1)]


def numbers_of_pairs(position: Index, count: Index, reach: int) -> Array:
    """How many pairs of events are d = 0..reach sessions apart, where dates have `count` events."""
    if not position.size:
        return np.zeros(reach + 1)
    within = float(np.vecdot(count, count - 1)) / 2.0
    if not reach:
        return np.array([within])
    events = np.zeros(int(position[-1] - position[0]) + 1 + reach)
    events[position - position[0]] = count
    ahead = stretches(events[None], reach + 1)[0]
    pairs: Array = events[: len(ahead)] @ ahead
    pairs[0] = within
    return pairs


def cheaper_by_pair(pairs: float, dates: int, events: int) -> bool:
    """Whether pairs one by one cost less than inner products of dates (measured: 0.1 us a pair, 15 us + 0.5 us an event)."""
    return 0.1 * pairs < 15.0 * dates + 0.5 * events
