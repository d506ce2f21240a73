"""Random signs, redrawn rows and moving blocks. Every function takes its generator; the order of draws is fixed.

Long draws are taken in blocks of rows; a generator gives the same numbers in blocks as in one piece, so a seed means the
same result whatever the block size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .windows import run_sums

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CELLS = 2_000_000  # numbers held at once
WEBB: Array = np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)])
EXACT_LIMIT = 16  # up to this many units all sign vectors are enumerated


def blocks_of(rng: Generator, high: int, draws: int, width: int, cells: int = 0) -> Iterator[Index]:
    """`integers(0, high, size=(draws, width))` in blocks of rows; `cells` numbers are held for each row (default width)."""
    step = max(1, CELLS // max(width, cells, 1))
    for start in range(0, draws, step):
        yield rng.integers(0, high, size=(min(step, draws - start), width))


def rademacher(rng: Generator, draws: int, width: int) -> Iterator[Array]:
    """Blocks of signs -1, +1: `integers(0, 2) * 2 - 1`."""
    for block in blocks_of(rng, 2, draws, width):
        yield np.asarray(block * 2 - 1, float)


def webb(rng: Generator, draws: int, width: int) -> Iterator[Array]:
    """Blocks of Webb's six-point weights: `integers(0, 6)` into the points in ascending order (doi:10.1111/caje.12661)."""
    for block in blocks_of(rng, 6, draws, width):
        yield np.asarray(WEBB[block], float)


def all_sign_sums(x: Array) -> Array:
    """Sum of x (n,) under each of the 2^n sign vectors, (2^n,), in no particular order."""
    sums = np.zeros(1)
    for v in x:
        sums = np.concatenate([sums - v, sums + v])
    return sums


def student_t_rows(values: Array) -> Array:
    """t = mean / (sd / sqrt(n)) of every row of values (B, n); rows that do not vary give +-inf (0 where all are 0)."""
    n = values.shape[1]
    mean = values.mean(axis=1)
    deviation = values - mean[:, None]
    var = np.einsum("bn,bn->b", deviation, deviation) / (n - 1)
    flat = var <= 1e-24 * np.einsum("bn,bn->b", values, values) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / np.sqrt(var / n)
    return np.where(flat, np.where(mean == 0.0, 0.0, np.copysign(np.inf, mean)), t)


def skew_adjusted_t(samples: Array, centre: float) -> Array:
    """sqrt(n) (S + g S^2 / 3 + g / (6 n)) of every row of samples (B, n), S = (mean - centre) / sd; NaN without spread."""
    n = samples.shape[1]
    mean = samples.mean(axis=1)
    d = samples - mean[:, None]
    spread = np.ptp(samples, axis=1) > 0
    sd = np.sqrt(np.einsum("bn,bn->b", d, d) / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (mean - centre) / sd
        g = np.einsum("bn,bn,bn->b", d, d, d) / (n * sd**3)
        t = np.sqrt(n) * (s + g * s * s / 3.0 + g / (6.0 * n))
    return np.where(spread, t, np.nan)


def block_length(m: int) -> int:
    """Default length of a moving block: max(1, round(m^(1/3)))."""
    return max(1, round(m ** (1.0 / 3.0)))


def moving_block_means(series: Array, length: int, draws: int, rng: Generator) -> Array:
    """Means of `draws` series of the same size, put together from moving blocks of `length` (Kunsch 1989).

    series (M,), no gaps; starts are `integers(0, M - length + 1, size=(draws, ceil(M / length)))`, the last block is cut.
    """
    m = series.size
    whole, rest = divmod(m, length)
    full = run_sums(series, length)
    tail = run_sums(series, rest) if rest else None
    means = []
    for starts in blocks_of(rng, m - length + 1, draws, whole + (rest > 0)):
        total = full[starts[:, :whole]].sum(axis=1)
        means.append(total if tail is None else total + tail[starts[:, whole]])
    return np.concatenate(means) / m


def redrawn_t2(
    e: Array,
    x: Array,
    fit: Array,
    u: Array,
    length: int,
    nu: float,
    c: float,
    draws: int,
    rng: Generator,
    centred: bool,
) -> Array:
    """T2 of `draws` studies whose rows are redrawn from the residuals of all firms jointly (Hein and Westfall 2004).

    e (M, N) residuals, x (M, k) design, fit (k, M) with coefficients = fit @ y, u (k,) summed design of the event rows.
    Draws `integers(0, M, size=(draws, M + length))`: the first M rows stand on the estimation rows, the others on the
    event rows. Sigma* = E*'E* / nu of the refitted residuals (about their mean if `centred`), T2 = theta'Sigma*^-1 theta / c.
    """
    m, n = e.shape
    pairs = (e[:, :, None] * e[:, None, :]).reshape(m, n * n)
    xx = x.T @ x
    projects = bool(np.allclose(xx @ fit, x.T, rtol=1e-9, atol=1e-12))  # least squares: fit = (X'X)^-1 X'
    out = []
    for rows in blocks_of(rng, m, draws, m + length, n * n):
        est, event = rows[:, :m], rows[:, m:]
        redrawn = (_tally(est, m, np.ones(m)) @ pairs).reshape(-1, n, n)
        theta = _tally(event, m, np.ones(length)) @ e
        if x.shape[1]:
            b = np.stack([_tally(est, m, f) @ e for f in fit], axis=1)  # (draws, k, n)
            xe = xx @ b if projects else np.stack([_tally(est, m, column) @ e for column in x.T], axis=1)
            cross = b.transpose(0, 2, 1) @ xe
            redrawn = redrawn - cross
            if not projects:
                redrawn = redrawn - cross.transpose(0, 2, 1) + b.transpose(0, 2, 1) @ xx @ b
            theta = theta - np.einsum("k,bkn->bn", u, b)
        if centred:
            mean = _tally(est, m, np.ones(m)) @ e / m
            redrawn = redrawn - m * mean[:, :, None] * mean[:, None, :]
        solved = np.linalg.solve(redrawn / nu, theta[:, :, None])[:, :, 0]
        out.append(np.einsum("bn,bn->b", theta, solved) / c)
    return np.concatenate(out)


def _tally(rows: Index, m: int, weights: Array) -> Array:
    """How often (by weight of the position) each of m rows was drawn: rows (B, R), weights (R,) -> (B, m)."""
    b, r = rows.shape
    flat = (rows + m * np.arange(b)[:, None]).ravel()
    counts = np.bincount(flat, weights=np.broadcast_to(weights, (b, r)).ravel(), minlength=b * m)
    return np.asarray(counts, float).reshape(b, m)
