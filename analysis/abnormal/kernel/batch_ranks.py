"""Column sums of ranks within rows, for millions of rows.

Corrado's tests need, for each day, the sum over events of that day's rank within its event; no single rank. The column
number is written into the lowest bits of each number, rows are sorted as they are (a vectorised sort of values, not of
indices), and the sorted low bits say which column holds which rank. Numbers that differ in those bits only come out as
neighbours; such rows are ranked again from the full numbers, ties averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def rank_sums(values: Array, keys: Index, columns: Index, weights: Array) -> Array:
    """Sum over the rows of values (n, L), all finite, of their ranks within the row (1 = smallest, ties averaged): (L,).

    keys (n, L) is room to work in, columns (n, L) the column numbers 0..L-1, weights (n, L) the ranks 1..L. Sums of
    ranks are halves of whole numbers: exact, whatever the order of the rows.
    """
    n, length = values.shape
    low = (1 << length.bit_length()) - 1
    # Adding zero turns -0.0 into 0.0, so that the two count as equal.
    np.add(values, 0.0, out=keys.view(np.float64))
    np.bitwise_and(keys, ~low, out=keys)
    np.bitwise_or(keys, columns, out=keys)
    keys.view(np.float64).sort(axis=1)
    flat = keys.reshape(-1)
    apart = np.bitwise_xor(flat[1:], flat[:-1]).view(np.uint64)
    close = np.flatnonzero(apart <= np.uint64(low))
    again = np.unique(close[(close + 1) % length != 0] // length)
    np.bitwise_and(keys, low, out=keys)
    sums = np.bincount(flat, weights.reshape(-1), length)
    if again.size:
        sums -= np.bincount(keys[again].reshape(-1), weights[again].reshape(-1), length)
        sums += midrank_sums(values[again])
    return sums


def midrank_sums(values: Array) -> Array:
    """The same from the numbers themselves, for rows with ties or near ties."""
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
    return np.bincount(order.reshape(-1), rank.reshape(-1), length)
