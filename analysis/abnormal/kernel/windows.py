"""From session positions to rows: index arithmetic for many pairs at once, and sums over runs of consecutive rows."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def rows_at(position: NDArray[np.int64], offsets: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], Mask]:
    """Row index (E, W) of every offset around every position, and whether it lies inside 0..length-1."""
    rows = position[:, None] + offsets[None, :]
    inside = (rows >= 0) & (rows < length)
    return np.clip(rows, 0, max(length - 1, 0)), inside


def take_rows(series: Array, unit: NDArray[np.int64], rows: NDArray[np.int64], inside: Mask) -> Array:
    """series (S, T) read at (unit, rows): (E, W), NaN outside."""
    return np.where(inside, series[unit[:, None], rows], np.nan)


def run_sums(values: Array, length: int) -> Array:
    """Sums over every run of `length` consecutive columns: (..., R) -> (..., R - length + 1).

    A run that touches a NaN is NaN: sums never bridge a gap. Each sum is taken afresh, so nothing cancels.
    """
    if values.shape[-1] < length:
        return np.empty((*values.shape[:-1], 0))
    if length == 1:
        return values.copy()
    return sliding_window_view(values, length, axis=-1).sum(axis=-1)
