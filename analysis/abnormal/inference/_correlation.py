"""How much do the firms of a study move together? Correlations of estimation residuals on the same calendar session.

Pairwise complete Pearson correlations are taken block by block of pairs sorted by date, as matrix products on the sessions
two blocks share: nothing is looped over pairs, and blocks far apart in time cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Window
from ..kernel.correlation import pairwise_complete
from ._cross import usable_rows
from ._window import distinct_dates, estimation_block

MIN_PAIR_OBS = 30  # a pair of firms with fewer common sessions counts as uncorrelated, and is flagged
BLOCK = 512
MATRIX_LIMIT = 2000  # up to this many pairs the whole correlation matrix is kept


class Correlation(NamedTuple):
    """value: mean over the N(N-1)/2 pairs; flagged: pairs with too few common sessions; weighted: by common event sessions."""

    value: float
    flagged: int
    weighted: bool


class DesignEffect(NamedTuple):
    """What clustering does to a study of n pairs.

    de = 1 + (n - 1) rbar_w, n_eff = n / de (at most n), largest: the largest pairwise correlation and whose it is,
    first_share: first principal component's share of the residual correlation matrix, dates: distinct event sessions,
    hhi = sum (n_d / n)^2, effective_dates = 1 / hhi, flagged: pairs with fewer than 30 common sessions.
    """

    n: int
    rbar: float
    rbar_w: float
    de: float
    n_eff: float
    largest: float
    largest_pair: tuple[int, int]
    first_share: float
    dates: int
    hhi: float
    effective_dates: float
    flagged: int


class _Residuals(NamedTuple):
    """e (N, M) residuals; day (N, M) number of their session on a common axis; ordered by first session."""

    e: FloatArray
    day: IntArray
    rows: IntArray


def _residuals(ar: AbnormalReturns, rows: IntArray, align: str) -> _Residuals:
    cols = estimation_block(ar)
    dates = ar.dates[rows, cols]
    if align == "calendar":
        order = np.argsort(dates[:, -1], kind="stable")
        rows, dates = rows[order], dates[order]
        # A session outside the panel has no date (NaT); its residual is NaN as well, so any number will do.
        axis = np.unique(dates)
        day = np.searchsorted(axis, dates).astype(np.int64)
    else:
        day = np.broadcast_to(np.arange(dates.shape[1], dtype=np.int64), dates.shape)
    e = np.where(ar.est[rows, cols], ar.ar[rows, cols], np.nan)
    with np.errstate(invalid="ignore"):
        count = np.isfinite(e).sum(axis=1, keepdims=True)
        e = e - np.nansum(e, axis=1, keepdims=True) / np.maximum(count, 1)
    return _Residuals(e, day, rows)


def _on_axis(r: _Residuals, of: slice, low: int, high: int) -> tuple[FloatArray, FloatArray]:
    """Residuals of a block on sessions low..high with zeros where there is none, and the mask of those there are."""
    e, day = r.e[of], r.day[of]
    inside = np.isfinite(e) & (day >= low) & (day <= high)
    values = np.zeros((e.shape[0], high - low + 1))
    mask = np.zeros_like(values)
    i, j = np.nonzero(inside)
    at = day[i, j] - low
    values[i, at] = e[i, j]
    mask[i, at] = 1.0
    return values, mask


def _unit(a: FloatArray) -> FloatArray:
    """Rows of a centred and scaled to length 1; NaN where a row does not vary."""
    d = a - a.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("nr,nr->n", d, d))
    return d / np.where(length > 1e-12, length, np.nan)[:, None]


def _blocks(
    r: _Residuals, wanted: Callable[[slice, slice], bool] = lambda a, b: True
) -> Iterator[tuple[slice, slice, FloatArray, BoolArray, BoolArray]]:
    """(rows a, rows b, rho, enough, i<j) for every wanted pair of blocks that shares sessions; rho is 0 where not `enough`."""
    size = r.e.shape[0]
    cuts = [slice(k, min(k + BLOCK, size)) for k in range(0, size, BLOCK)]
    have = np.isfinite(r.e)
    first = np.where(have, r.day, np.iinfo(np.int64).max).min(axis=1)
    last = np.where(have, r.day, -1).max(axis=1)
    for k, sa in enumerate(cuts):
        for sb in cuts[k:]:
            low, high = max(first[sa].min(), first[sb].min()), min(last[sa].max(), last[sb].max())
            if low > high or not wanted(sa, sb):
                continue
            a, wa = _on_axis(r, sa, int(low), int(high))
            b, wb = (a, wa) if sa == sb else _on_axis(r, sb, int(low), int(high))
            rho, n = pairwise_complete(a, wa, b, wb)
            enough = (n >= MIN_PAIR_OBS) & np.isfinite(rho)
            upper = np.arange(sa.start, sa.stop)[:, None] < np.arange(sb.start, sb.stop)[None, :]
            yield sa, sb, np.where(enough, rho, 0.0), enough, upper


def _common_sessions(ar: AbnormalReturns, rows_a: IntArray, rows_b: IntArray, window: Window) -> FloatArray:
    """Number of calendar sessions two event windows share, (Na, Nb)."""
    cols = ar.columns(window)
    a, b = ar.dates[rows_a, cols], ar.dates[rows_b, cols]
    axis = np.unique(np.concatenate([a.ravel(), b.ravel()]))
    axis = axis[~np.isnat(axis)]

    def indicator(dates: np.ndarray) -> FloatArray:
        out = np.zeros((dates.shape[0], axis.size + 1))
        at = np.where(np.isnat(dates), axis.size, np.searchsorted(axis, dates))
        np.put_along_axis(out, at, 1.0, axis=1)
        return out[:, :-1]

    return indicator(a) @ indicator(b).T


def _mean_of(ar: AbnormalReturns, rows: IntArray, align: str) -> Correlation:
    """rbar, of many pairs with complete rows on one axis from column sums without the matrix."""
    if rows.size > BLOCK:
        z = _complete_units(_residuals(ar, rows, align))
        if z is not None:
            return Correlation(_mean_from_columns(z), 0, False)
    found = _scan(ar, rows, align)
    return Correlation(found.mean, found.flagged, False)


def _complete_units(r: _Residuals) -> FloatArray | None:
    """Residuals centred and scaled to length 1 where all pairs have all rows of one axis, else None."""
    one_axis = r.e.shape[1] >= MIN_PAIR_OBS and bool((r.day == r.day[:1]).all())
    if not one_axis or not np.isfinite(r.e).all():
        return None
    z = _unit(r.e)
    return z if np.isfinite(z).all() else None


def _mean_from_columns(z: FloatArray) -> float:
    """(|sum z|^2 - N) / (N (N - 1)): the mean of all z_i'z_j, i < j."""
    n = z.shape[0]
    return (float(np.sum(z.sum(axis=0) ** 2)) - n) / (n * (n - 1.0))


class _Scan(NamedTuple):
    mean: float
    flagged: int
    largest: float
    largest_pair: tuple[int, int]
    first_share: float


def _scan(ar: AbnormalReturns, rows: IntArray, align: str) -> _Scan:
    key = ("correlation", align, rows.tobytes())
    if key not in ar.cache:
        ar.cache[key] = _scanned(ar, rows, align)
    return ar.cache[key]


def _scanned(ar: AbnormalReturns, rows: IntArray, align: str) -> _Scan:
    n = rows.size
    r = _residuals(ar, rows, align)
    z = _complete_units(r)
    if z is not None:
        return _scanned_complete(z, r.rows)
    matrix = np.eye(n) if n <= MATRIX_LIMIT else None
    back = np.searchsorted(rows, r.rows)
    total, counted, largest, who = 0.0, 0, -np.inf, (-1, -1)
    for sa, sb, rho, enough, upper in _blocks(r):
        use = enough & upper
        total += float(rho[use].sum())
        counted += int(use.sum())
        if use.any():
            flat = int(np.argmax(np.where(use, rho, -np.inf)))
            i, j = divmod(flat, rho.shape[1])
            if rho[i, j] > largest:
                largest, who = float(rho[i, j]), (int(r.rows[sa][i]), int(r.rows[sb][j]))
        if matrix is not None:
            block = np.where(use, rho, 0.0)
            matrix[np.ix_(back[sa], back[sb])] += block
            matrix[np.ix_(back[sb], back[sa])] += block.T
    pairs = n * (n - 1) // 2
    return _Scan(total / pairs, pairs - counted, largest if counted else np.nan, who, _first_share(matrix))


def _scanned_complete(z: FloatArray, rows: IntArray) -> _Scan:
    """The scan where every pair has every row: one matrix product, the first component from the smaller Gram matrix."""
    n, m = z.shape
    largest, who = -np.inf, (-1, -1)
    for start in range(0, n, BLOCK):
        rho = z[start : start + BLOCK] @ z[start:].T
        own = np.arange(min(BLOCK, n - start))
        rho[own, own] = -np.inf
        i, j = divmod(int(np.argmax(rho)), rho.shape[1])
        if rho[i, j] > largest:
            pair = sorted((int(rows[start + i]), int(rows[start + j])))
            largest, who = float(rho[i, j]), (pair[0], pair[1])
    gram = z @ z.T if n <= m else z.T @ z
    return _Scan(_mean_from_columns(z), 0, min(largest, 1.0), who, float(np.linalg.eigvalsh(gram)[-1] / n))


def rbar(ar: AbnormalReturns, rows: IntArray | None = None, align: str = "calendar") -> float:
    """Mean of the N(N-1)/2 pairwise correlations of estimation residuals (Kolari and Pynnonen 2010).

    Residuals are met on the same calendar session, pairwise complete; a pair with fewer than 30 common sessions counts 0.
    `align="event"` meets them on the same offset instead (for comparison with other programs).
    """
    rows = np.arange(ar.size) if rows is None else rows
    return _mean_of(ar, rows, align).value if rows.size > 1 else np.nan


def rbar_w(ar: AbnormalReturns, window: Window, rows: IntArray | None = None) -> float:
    """The same mean with each pair weighted by the share of calendar sessions its two event windows have in common.

    One common date: rbar. Disjoint windows: 0. This is what event statistics inherit of the firms' correlation.
    """
    rows = usable_rows(ar, window) if rows is None else rows
    return _weighted(ar, window, rows).value if rows.size > 1 else np.nan


def _weighted(ar: AbnormalReturns, window: Window, rows: IntArray) -> Correlation:
    key = ("rbar_w", window, rows.tobytes())
    if key not in ar.cache:
        event = ar.dates[rows, ar.columns(window)].astype(np.int64)
        if (event == event[:1]).all():
            return _mean_of(ar, rows, "calendar")._replace(weighted=True)
        r = _residuals(ar, rows, "calendar")
        length = window[1] - window[0] + 1
        total, flagged = 0.0, 0
        for sa, sb, rho, enough, upper in _blocks_meeting(ar, r, window):
            share = _common_sessions(ar, r.rows[sa], r.rows[sb], window) / length
            total += float((rho * share)[upper].sum())
            flagged += int((upper & ~enough & (share > 0)).sum())
        ar.cache[key] = Correlation(total / (rows.size * (rows.size - 1) / 2), flagged, True)
    return ar.cache[key]


def _blocks_meeting(
    ar: AbnormalReturns, r: _Residuals, window: Window
) -> Iterator[tuple[slice, slice, FloatArray, BoolArray, BoolArray]]:
    """Blocks of pairs some of whose event windows may meet."""
    cols = ar.columns(window)
    dates = ar.dates[r.rows, cols]
    first, last = np.nanmin(dates, axis=1), np.nanmax(dates, axis=1)
    return _blocks(r, lambda a, b: max(first[a].min(), first[b].min()) <= min(last[a].max(), last[b].max()))


def correlation_of(ar: AbnormalReturns, window: Window, align: str = "calendar") -> Correlation:
    """The correlation a Kolari-Pynnonen test uses: rbar on a common date, rbar_w where dates differ.

    `align="event"` gives the plain mean by relative day whatever the dates.
    """
    rows = usable_rows(ar, window)
    if align == "event" or np.unique(distinct_dates(ar)[rows]).size == 1:
        return _mean_of(ar, rows, align)
    return _weighted(ar, window, rows)


def design_effect(ar: AbnormalReturns, window: Window) -> DesignEffect:
    """How many independent pairs the study is worth, and what ties its firms together (METHODS.md 8.3)."""
    rows = usable_rows(ar, window)
    n = rows.size
    if n < 2:
        nan = np.nan
        return DesignEffect(n, nan, nan, 1.0, float(n), nan, (-1, -1), nan, n, 1.0 if n else nan, float(n), 0)
    found = _scan(ar, rows, "calendar")
    weighted = rbar_w(ar, window, rows)
    de = 1.0 + (n - 1) * weighted
    n_eff = min(float(n), n / de) if de > 0 else float(n)
    counts = np.unique(distinct_dates(ar)[rows], return_counts=True)[1]
    hhi = float(np.sum((counts / n) ** 2))
    return DesignEffect(
        n, found.mean, weighted, de, n_eff, found.largest, found.largest_pair, found.first_share, counts.size,
        hhi, 1.0 / hhi, found.flagged,
    )  # fmt: skip


def _first_share(matrix: FloatArray | None) -> float:
    """Largest eigenvalue over the trace; NaN where the matrix was too large to keep."""
    if matrix is None:
        return np.nan
    n = matrix.shape[0]
    if n > BLOCK:
        from scipy.sparse.linalg import ArpackNoConvergence, eigsh

        try:
            return float(eigsh(matrix, k=1, which="LA", v0=np.ones(n), return_eigenvectors=False)[0] / n)
        except ArpackNoConvergence:
            pass  # a flat spectrum: the whole one is needed to find its edge
    return float(np.linalg.eigvalsh(matrix)[-1] / n)
