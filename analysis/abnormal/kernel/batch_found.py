"""What a batched event study gives back: numbers of every event, and sums that need no single one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


class RankSums(NamedTuple):
    """Sums of ranks over `n` complete events, by column: estimation sessions, then event sessions (M + L,)."""

    sums: Array
    n: int


class Comoving(NamedTuple):
    """rho[d]: sum of residual correlations over pairs of clean events d = 0..D sessions apart; pairs[d]: their number.

    Pairs with fewer than 30 common sessions count 0; `flagged[d]` says how many did.
    """

    rho: Array
    pairs: Array
    flagged: Array


class DaySums(NamedTuple):
    """Sums over the clean events for every offset from the first to the last of all windows, (L,) each.

    ar, ar2: abnormal returns and their squares; path, path2: the cumulative abnormal return, zero at the session before the
    first window begins, and its square.
    """

    ar: Array
    ar2: Array
    path: Array
    path2: Array


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What became of E events, in the order they were given; NaN where `clean` is False.

    clean (E,): inside the series, complete, not an exact fit (the others are for the pair-by-pair path). sigma, r2 (E,),
    coef (E, 1 + q), car, se (E, windows), up (E,) positive residuals, ar (E, L) abnormal returns from the first to the last
    offset of all windows. m estimation rows, df degrees of freedom, both the same for all. order (n,): the clean events
    by date and security, the order of all sums over events.
    """

    clean: Mask
    order: Index
    m: int
    df: int
    sigma: Array
    car: Array
    se: Array
    up: Index | None
    coef: Array | None
    r2: Array | None
    ar: Array | None
    days: DaySums | None
    ranks: tuple[RankSums, ...]
    comoving: Comoving | None

    @property
    def scar(self) -> Array:
        """(E, windows) CAR over its forecast error."""
        return self.car / self.se


@dataclass(frozen=True, slots=True)
class Wanted:
    """By-products that cost time or room: asked for where a test or a table needs them."""

    ranks: bool = True
    signs: bool = True
    comovement: bool = True
    coefficients: bool = True
    days: bool = False
    abnormal_returns: bool = False


def mean_correlation(found: Comoving, length: int, n: int) -> float:
    """rbar_w over all n (n - 1) / 2 pairs: each pair weighted by the share of event sessions it has in common.

    `length` is that of the event window; events further apart than it share nothing. One common date: the plain mean.
    """
    share = 1.0 - np.arange(length) / length
    return float(np.sum(found.rho[:length] * share) / (n * (n - 1) / 2)) if n > 1 else float("nan")
