"""What do the events of one date share? Basis of the design, forecast multipliers, and how a line is read off the basis.

All linear models of a common set of regressors are one: with the columns of a basis that is orthonormal over the
estimation rows, coefficients are `a = Y B`, residuals `Y - a B'`, and the variance of a sum over event rows is
`sigma^2 (L2 + |sum of the basis rows|^2)`. The basis depends on the date alone, so it is made once for all its events.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Window = tuple[int, int]

# Regressors whose spread is below this share of their length are collinear with the constant (or each other): such dates
# are left to the pair-by-pair path, which decides with a rank-revealing factorisation.
NEARLY_COLLINEAR = 1e-6
WELL_APART = (
    0.1  # a pivot (share of a column's length not explained by the others) above this loses no digit worth having
)


def stretches(series: Array, width: int) -> Array:
    """Every run of `width` columns of a contiguous series (S, T) as a view (S, T - width + 1, width)."""
    s, t = series.shape
    if t < width:
        return np.empty((s, 0, width))
    row, item = series.strides
    return np.ndarray((s, t - width + 1, width), float, series, 0, (row, item, item))


class Layout(NamedTuple):
    """Where things stand in a row of `width` consecutive sessions that begins `low` sessions from day 0.

    The first `m` columns are the estimation window; `events` are the columns of each event window.
    """

    low: int
    m: int
    width: int
    events: tuple[slice, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(s.stop - s.start for s in self.events)

    @property
    def span(self) -> slice:
        """Columns from the first to the last of all event windows."""
        return slice(min(s.start for s in self.events), max(s.stop for s in self.events))

    @property
    def reach(self) -> int:
        """How many sessions apart two events may be and still share an event session."""
        return max(self.lengths) - 1


def layout(estimation: Window, windows: tuple[Window, ...]) -> Layout:
    """Columns of the estimation window (offsets, both ends included) and of event windows that follow it."""
    low, m = estimation[0], estimation[1] - estimation[0] + 1
    if any(a <= estimation[1] or b < a for a, b in windows):
        raise ValueError(f"event windows {windows} must follow the estimation window {estimation}")
    width = max([m, *(b - low + 1 for _, b in windows)])
    return Layout(low, m, width, tuple(slice(a - low, b - low + 1) for a, b in windows))


class Model(NamedTuple):
    """Which linear model: regressors (q, T), a series known to enter with coefficient 1, and what is carried forward.

    `intercept`: a constant is fitted. `carried`: it enters the forecast (market_zero_alpha fits but does not carry it).
    `centred`: residuals are measured from their own mean for sigma although none was fitted (market-adjusted, s_mean).
    """

    regressors: Array
    offset: Array | None = None
    intercept: bool = True
    carried: bool = True
    centred: bool = False

    @property
    def k(self) -> int:
        """Columns of the basis."""
        return int(self.intercept) + self.regressors.shape[0]

    @property
    def fitted(self) -> bool:
        """Whether residuals are those of the fit, so that they sum to zero."""
        return self.intercept and self.carried

    @property
    def lost(self) -> int:
        """Degrees of freedom of sigma lost: the parameters carried, or the mean it is measured from."""
        return 1 if self.centred else self.k - int(self.intercept and not self.carried)

    @property
    def named(self) -> int:
        """Coefficients reported: intercept and slopes (a model that fits nothing reports mean and slope 1)."""
        return 1 + self.regressors.shape[0] if self.intercept else 2


class Tables(NamedTuple):
    """Per date (D first): basis (D, k, W), offset (D, W) or None, mean and inverse scale of the regressors, c (D, windows).

    The constant's column may be left out of the basis.
    slope (D, q, q): regression coefficients from basis coefficients, b = a[1:] @ slope; mean (D, q) of the regressors.
    spread (D,): sum of squared deviations of a single regressor (0 where there are several or none). ok (D,).
    """

    basis: Array
    offset: Array | None
    mean: Array
    slope: Array
    c: Array
    ok: Mask


def tables(model: Model, plan: Layout, position: Index, constant: bool = True) -> Tables:
    """Everything the events with day 0 at each of `position` (D,) share; their rows must lie inside the series.

    `constant`: with a column for the intercept, for which rows of a matrix product have use.
    """
    d, q, m, first = position.size, model.regressors.shape[0], plan.m, int(model.intercept and constant)
    start = position + plan.low
    offset = None if model.offset is None else stretches(model.offset[None], plan.width)[0, start]
    basis = np.empty((d, first + q, plan.width))
    basis[:, :first] = m**-0.5
    mean, slope, ok = np.zeros((d, q)), np.zeros((d, q, q)), np.ones(d, bool)
    if q:
        x = np.ascontiguousarray(stretches(model.regressors, plan.width)[:, start].swapaxes(0, 1))
        if model.intercept:
            mean = _centred(x, m)
        length = np.vecdot(x[:, :, :m], x[:, :, :m])
        far = (m * mean**2 > length).any(axis=1)
        if far.any():  # rounding has left something in the mean of a series far from zero
            again = x[far]
            mean[far] += _centred(again, m)
            x[far], length[far] = again, np.vecdot(again[:, :, :m], again[:, :, :m])
        # An infinite length is not below itself; comparisons with NaN are False.
        ok = ((length > NEARLY_COLLINEAR**2 * (length + m * mean**2)) & (length < np.inf)).all(axis=1)
        slope, ok = _orthonormal(x, m, np.sqrt(length), ok, basis[:, first:])
    return Tables(basis, offset, mean, slope, _multipliers(model, plan, basis[:, first:], mean, slope), ok)


def _centred(x: Array, m: int) -> Array:
    """Take the means (D, q) over the first m columns off x (D, q, W), in place."""
    mean = np.vecdot(x[:, :, :m], _ones(m)) / m
    x -= mean[:, :, None]
    return mean


@cache
def _ones(m: int) -> Array:
    return np.ones(m)


def _orthonormal(x: Array, m: int, size: Array, ok: Mask, basis: Array) -> tuple[Array, Mask]:
    """Write a `basis` that is orthonormal over the first m sessions, made of x (D, q, W) with columns of length `size`.

    Answers the map back (D, q, q) and where there is one. One regressor is divided by its length. Several go through the
    Cholesky factor of their correlations; where those are strong a second time, which leaves them orthogonal to rounding.
    """
    q = x.shape[1]
    scale = 1.0 / np.where(ok[:, None], size, np.nan)
    if q == 1:
        np.multiply(x, scale[:, :, None], out=basis)
        return scale[:, :, None], ok
    back, pivot = _divisor(x, m, scale, ok)
    np.matmul(back, x, out=basis)
    ok = ok & (pivot > NEARLY_COLLINEAR)
    again = np.flatnonzero(ok & (pivot < WELL_APART))
    if again.size:
        part = basis[again]
        twice, _ = _divisor(part, m, np.ones((again.size, q)), np.ones(again.size, bool))
        basis[again], back[again] = twice @ part, twice @ back[again]
    return back, ok


def _divisor(x: Array, m: int, scale: Array, ok: Mask) -> tuple[Array, Array]:
    """What makes x (D, q, W) orthonormal over its first m columns, (D, q, q), and the smallest pivot (D,).

    It is the inverse of the Cholesky factor of scaled x x'. A date whose factor does not exist has pivot 0 and the scale.
    """
    gram = x[:, :, :m] @ x[:, :, :m].swapaxes(1, 2)
    gram *= scale[:, :, None]
    gram *= scale[:, None, :]
    eye = np.eye(x.shape[1])
    sound = ok & np.isfinite(gram).all(axis=(1, 2))
    gram[~sound] = eye
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:  # some date's regressors are one another's sum: find which
        sound &= np.linalg.eigvalsh(gram)[:, 0] > NEARLY_COLLINEAR**2
        gram[~sound] = eye
        lower = np.linalg.cholesky(gram)
    back = np.linalg.inv(lower)
    back *= scale[:, None, :]
    return back, np.where(sound, np.einsum("dqq->dq", lower).min(axis=1), 0.0)


def _multipliers(model: Model, plan: Layout, basis: Array, mean: Array, slope: Array) -> Array:
    """c (D, windows): Var(CAR) = sigma^2 c, c = L2 + |sum over the event rows of what the forecast uses|^2.

    basis (D, q, W) of the regressors; an intercept that is carried adds L2^2 / M.
    """
    out = np.empty((basis.shape[0], len(plan.events)))
    for j, (columns, length) in enumerate(zip(plan.events, plan.lengths)):
        u = np.add.reduce(basis[:, :, columns], axis=2)
        if model.intercept and not model.carried:
            # The forecast is b x, not a + b x: the sum of x itself over the length of its deviations.
            u += length * np.einsum("dq,drq->dr", mean, slope)
        out[:, j] = length + (length**2 / plan.m if model.fitted else 0.0)
        if u.shape[1]:
            out[:, j] += np.vecdot(u, u)
    return out


def coefficients(model: Model, m: int, a: Array, total: Array, mean: Array, slope: Array) -> Array:
    """(n, 1 + q): intercept and slopes from basis coefficients a (n, k), with mean (n, q) and slope (n, q, q) of the dates.

    A model that fits nothing has the mean residual and the slope 1 it assumes; total (n,) is the sum of residuals.
    """
    if not model.intercept:
        return np.stack([total / m, np.ones(total.size)], axis=1)
    out = np.empty(a.shape)
    b = out[:, 1:]
    b[...] = a[:, 1:] * slope[:, 0] if slope.shape[1] == 1 else np.einsum("nr,nrq->nq", a[:, 1:], slope)
    np.subtract(a[:, 0] * m**-0.5, np.vecdot(b, mean), out=out[:, 0])
    return out


def explained(model: Model, m: int, a: Array, rss: Array, total: Array) -> Array:
    """R2 of the fit with intercept (n,); NaN where nothing is fitted."""
    if not model.intercept:
        return np.full(rss.size, np.nan)
    left = rss - total**2 / m
    return 1.0 - left / (left + np.vecdot(a[:, 1:], a[:, 1:]))
