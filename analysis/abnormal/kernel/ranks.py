"""Ranks of many rows at once, ties averaged, and the exact distribution of a signed-rank sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Count = NDArray[np.int64]


def midranks(values: Array) -> tuple[Array, Count]:
    """Rank of every finite entry within its row, 1 = smallest, ties sharing their average rank.

    values (E, R), NaN = absent. Answers ranks (E, R), NaN where a value is absent, and n (E,), how many were ranked.

    >>> import numpy as np
    >>> midranks(np.array([[3.0, 1.0, np.nan, 3.0]]))[0].tolist()
    [[2.5, 1.0, nan, 2.5]]
    """
    have = np.isfinite(values)
    order = np.argsort(values, axis=1)  # NaN sorts last
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, values.shape[1] + 1.0)[None, :], axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    tied = ordered[:, 1:] == ordered[:, :-1]
    for i in np.flatnonzero(tied.any(axis=1)):
        ranks[i, order[i]] = _averaged(tied[i])
    ranks[~have] = np.nan
    return ranks, have.sum(axis=1)


def _averaged(tied: NDArray[np.bool_]) -> Array:
    """Ranks 1..R of a sorted row, averaged over its runs of equal values."""
    run = np.concatenate([[0], np.cumsum(~tied)])
    return (np.bincount(run, weights=np.arange(1.0, run.size + 1.0)) / np.bincount(run))[run]


def signed_rank_tails(ranks: Array, w: float) -> tuple[float, float]:
    """P(W+ <= w) and P(W+ >= w) when every rank is positive or negative with probability one half, by counting.

    Exact for tied (half) ranks too; meant for at most 25 ranks. ranks (n,).
    """
    step = np.rint(2.0 * ranks).astype(np.int64)
    ways = np.zeros(int(step.sum()) + 1)
    ways[0] = 1.0
    for s in step:
        shifted = np.zeros_like(ways)
        shifted[s:] = ways[: ways.size - s]
        ways += shifted
    at = round(2.0 * w)
    total = 2.0**step.size
    return float(ways[: at + 1].sum() / total), float(ways[at:].sum() / total)
