"""Statistics that ask whether the residuals of many regressions behave: serial correlation, variance, tails, stability.

Residuals come packed: e (E, M) with the m (E,) values of each regression first, in time order, and zeros behind them. All
answers are (E,) arrays, NaN where a regression has too few rows. Tests hold every number against statsmodels.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

from . import dist, ols

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Packed(NamedTuple):
    """e (E, M) residuals, x (E, M, k) their regressors, mask (E, M) which cells hold one, m (E,) how many; row (E, M)
    column of the unpacked array each cell came from."""

    e: Array
    x: Array
    mask: Mask
    m: Index
    row: Index


class Stat(NamedTuple):
    """A statistic and its p, one of each a regression."""

    value: Array
    p: Array


def pack(residuals: Array, x: Array) -> Packed:
    """Push the finite residuals (E, W) and their regressors (E, W, k) to the left."""
    have = np.isfinite(residuals)
    order = np.argsort(~have, axis=1, kind="stable")
    m = have.sum(axis=1)
    width = int(m.max()) if m.size else 0
    order = order[:, :width]
    mask = np.take_along_axis(have, order, axis=1)
    e = np.where(mask, np.take_along_axis(residuals, order, axis=1), 0.0)
    xs = np.where(mask[:, :, None], np.take_along_axis(x, order[:, :, None], axis=1), 0.0)
    return Packed(e, xs, mask, m, order)


def _enough(value: Array, p: Array, ok: Mask) -> Stat:
    return Stat(np.where(ok, value, np.nan), np.where(ok, p, np.nan))


def _centred(d: Packed) -> Array:
    mean = d.e.sum(axis=1) / np.maximum(d.m, 1)
    return np.where(d.mask, d.e - mean[:, None], 0.0)


def durbin_watson(d: Packed) -> Stat:
    """sum (e_t - e_{t-1})^2 / sum e_t^2; near 2 without serial correlation.

    p from (DW - 2) sqrt(M) / 2 ~ N(0, 1), the large-sample form of 2 (1 - r_1).
    """
    both = d.mask[:, 1:]
    step = np.where(both, d.e[:, 1:] - d.e[:, :-1], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.einsum("em,em->e", step, step) / np.einsum("em,em->e", d.e, d.e)
    return _enough(value, dist.normal_p((value - 2.0) / 2.0 * np.sqrt(d.m)), d.m > 10)


def ljung_box(d: Packed, lags: int = 5) -> Stat:
    """Q = M (M + 2) sum_k r_k^2 / (M - k) over k = 1..lags, chi2(lags)."""
    c = _centred(d)
    total = np.einsum("em,em->e", c, c)
    q = np.zeros(d.m.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in range(1, lags + 1):
            r = np.einsum("em,em->e", c[:, k:], c[:, : max(c.shape[1] - k, 0)]) / total
            q += r * r / (d.m - k)
        q *= d.m * (d.m + 2.0)
    return _enough(q, dist.chi2_p(q, lags), d.m > 2 * lags)


def _r_squared_of(y: Array, x: Array, use: Mask) -> Array:
    """R2 of y (E, R) on x (E, R, k) with a constant, over the rows `use`; NaN where the regressors are collinear."""
    design = np.concatenate([np.ones((*y.shape, 1)), x], axis=2)
    # Regressors far below one would look collinear beside the constant; their scale changes no R2.
    size = np.sqrt(
        np.einsum("erk,erk->ek", np.where(use[:, :, None], design, 0.0), np.where(use[:, :, None], design, 0.0))
    )
    fit = ols.least_squares(y, design / np.where(size > 0, size, 1.0)[:, None, :], use)
    return ols.r_squared(fit.rss, y, use)


def arch_lm(d: Packed, lags: int = 5) -> Stat:
    """Engle's LM: (M - lags) R2 of e_t^2 on a constant and `lags` own lags, chi2(lags)."""
    width = d.e.shape[1]
    if width <= 2 * lags + 1:
        return _enough(np.zeros(d.m.size), np.zeros(d.m.size), np.zeros(d.m.size, bool))
    # Squares in units of their mean: the statistic knows no scale, the arithmetic does.
    square = d.e**2 / np.maximum(np.einsum("em,em->e", d.e, d.e) / np.maximum(d.m, 1), 1e-300)[:, None]
    past = np.stack([square[:, lags - k : width - k] for k in range(1, lags + 1)], axis=2)
    lm = (d.m - lags) * _r_squared_of(square[:, lags:], past, d.mask[:, lags:])
    return _enough(lm, dist.chi2_p(lm, lags), d.m > 2 * lags + 1)


def breusch_pagan(d: Packed) -> Stat:
    """Koenker's form: M R2 of e_t^2 on the regressors, chi2(number of them). x holds a constant first; NaN where alone."""
    q = d.x.shape[2] - 1
    if q < 1:
        nan = np.full(d.m.size, np.nan)
        return Stat(nan, nan)
    mean = np.maximum(np.einsum("em,em->e", d.e, d.e) / np.maximum(d.m, 1), 1e-300)
    lm = d.m * _r_squared_of(d.e**2 / mean[:, None], d.x[:, :, 1:], d.mask)
    return _enough(lm, dist.chi2_p(lm, q), d.m > q + 4)


def varying(d: Packed) -> Mask:
    """(E, k): regressors that are not constant over the rows of the regression."""
    low = np.where(d.mask[:, :, None], d.x, np.inf).min(axis=1, initial=np.inf)
    high = np.where(d.mask[:, :, None], d.x, -np.inf).max(axis=1, initial=-np.inf)
    return cast(Mask, high - low > 1e-12 * np.maximum(np.abs(high), np.abs(low)))


def jarque_bera(d: Packed) -> Stat:
    """M / 6 (S^2 + (K - 3)^2 / 4) from moments about the mean, chi2(2)."""
    c = _centred(d)
    with np.errstate(invalid="ignore", divide="ignore"):
        m2 = np.sum(c**2, axis=1) / d.m
        skew = np.sum(c**3, axis=1) / d.m / m2**1.5
        kurtosis = np.sum(c**4, axis=1) / d.m / m2**2
    value = d.m / 6.0 * (skew**2 + (kurtosis - 3.0) ** 2 / 4.0)
    return _enough(value, dist.chi2_p(value, 2), d.m > 10)


def kurtosis(d: Packed) -> Array:
    """Fourth moment over the squared second one; 3 under normality."""
    c = _centred(d)
    with np.errstate(invalid="ignore", divide="ignore"):
        return cast(Array, d.m * np.sum(c**4, axis=1) / np.sum(c**2, axis=1) ** 2)


def cusum(d: Packed) -> Stat:
    """Largest |sum of residuals so far| / (s sqrt(M)), s^2 = RSS / (M - k), against a Brownian bridge.

    Residuals are taken about their mean. Ploberger and Kramer (1992), doi:10.2307/2951597.
    """
    c = _centred(d)
    spent = d.x.shape[2]
    rss = np.einsum("em,em->e", c, c)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.abs(np.cumsum(c, axis=1)).max(axis=1, initial=0.0) / np.sqrt(rss / (d.m - spent) * d.m)
    return _enough(value, special.kolmogorov(value), d.m > spent + 10)


def chow(d: Packed) -> Stat:
    """F test that both halves of the rows have the same coefficients: ((RSS - RSS1 - RSS2) / k) / ((RSS1 + RSS2) / (M - 2k)).

    Residuals take the place of the returns: what the regressors x explain of them changes no sum of squares. The first
    half has floor(M / 2) rows. Chow (1960), doi:10.2307/1910133.
    """
    k = d.x.shape[2]
    place = np.arange(d.e.shape[1])[None, :]
    first = d.mask & (place < (d.m // 2)[:, None])
    rss = [ols.least_squares(d.e, d.x, use).rss for use in (d.mask, first, d.mask & ~first)]
    df2 = d.m - 2.0 * k
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (rss[0] - rss[1] - rss[2]) / k / ((rss[1] + rss[2]) / df2)
    ok = df2 > 5
    return _enough(value, dist.f_p(np.maximum(value, 0.0), k, np.where(ok, df2, np.nan)), ok)


class Leverage(NamedTuple):
    """The estimation day that pulls the fit most.

    at (E,) its cell, h (E,) its leverage x'(X'X)^-1 x, shift (E, k) the coefficients with that day minus without it,
    spread (E, k) their standard errors.
    """

    at: Index
    h: Array
    shift: Array
    spread: Array


def largest_leverage(d: Packed) -> Leverage:
    """Leverage of every row of x; dropping row t moves the coefficients by (X'X)^-1 x_t e_t / (1 - h_t)."""
    fit = ols.least_squares(d.e, d.x, d.mask)
    e = np.where(d.mask, d.e - np.einsum("emk,ek->em", d.x, fit.coef), 0.0)
    gx = np.einsum("eij,emj->emi", fit.g, d.x)
    h = np.where(d.mask, np.einsum("emi,emi->em", d.x, gx), -1.0)
    at = h.argmax(axis=1)
    rows = np.arange(d.m.size)
    top = h[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = gx[rows, at] * (e[rows, at] / (1.0 - top))[:, None]
        s2 = np.einsum("em,em->e", e, e) / (d.m - d.x.shape[2])
        spread = np.sqrt(np.einsum("ekk->ek", fit.g) * s2[:, None])
    return Leverage(at, np.where(d.m > d.x.shape[2] + 1, top, np.nan), shift, spread)
