"""What a daily bar tells of the hours inside it: the anatomy of a jump, extremes of the path, variance from the range.

Prices are arrays of any common shape, one element a session; statistics run along the last axis. Returns are
logarithmic decimal fractions. A missing or impossible price gives NaN and a reason, never a zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from .dist import TIE, student_p

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.str_]
Alternative = Literal["two-sided", "greater", "less"]

MAD_TO_SD = 1 / float(ndtri(0.75))  # 1.4826022185
PRICE_NOISE = 1e-6  # relative; vendors round open, high, low and close separately

# ------------------------------------------------------------------------------------------------ one day


@dataclass(frozen=True, slots=True)
class DayMove:
    """One day's return cut at the open and at the extreme of the day (arrays of the shape of the prices).

    overnight + rise + retreat == total, all logarithmic. extreme = overnight + rise. peak_gain and give_back are simple
    fractions. direction is +1 (unchanged counts as a rise), -1 for a fall, 0 where a close is missing; for a fall the
    low takes the place of the high. reason is "" or says which price was missing or impossible.
    """

    overnight: FloatArray
    rise: FloatArray
    retreat: FloatArray
    total: FloatArray
    extreme: FloatArray
    peak_gain: FloatArray
    give_back: FloatArray
    direction: IntArray
    reason: TextArray


def day_decomposition(
    prev_close: ArrayLike, open_: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike
) -> DayMove:
    """How much of a day's move came overnight, how far it ran inside the session and what was given back.

    With E = H on a day that closed up or unchanged, E = L on a day that closed down, and C' the close before::

        overnight = ln(O/C')   rise = ln(E/O)   retreat = ln(C/E)   total = overnight + rise + retreat = ln(C/C')
        peak_gain = E/C' - 1   give_back = (E - C)/(E - C')         NaN where the path never left C' in that direction

    The peak is the extreme of a path: compare it with other days' extremes (`extreme_statistic`), never with the
    standard deviation of close-to-close returns.

    Parameters
    ----------
    prev_close, open_, high, low, close : array_like, one common shape
        Prices in one currency, all adjusted alike. Zero, negative and infinite prices count as missing.

    Returns
    -------
    DayMove
        Where only the open or the extreme is missing, total is still ln(C/C'). A high (low) beyond rounding below
        (above) open or close is refused: rise, retreat, extreme, peak_gain and give_back are NaN with the reason.

    Examples
    --------
    >>> day = day_decomposition(100.0, 106.0, 148.0, 105.0, 133.0)
    >>> round(float(day.peak_gain), 2), round(float(day.give_back), 4), int(day.direction)
    (0.48, 0.3125, 1)
    >>> float(day.overnight + day.rise + day.retreat - day.total)
    0.0
    """
    before, first, top, bottom, last = np.broadcast_arrays(*(_price(p) for p in (prev_close, open_, high, low, close)))
    direction = np.where(np.isfinite(last - before), np.where(last >= before, 1, -1), 0)
    up = direction >= 0
    peak = np.where(up, top, bottom)
    wrong = np.where(
        up, top < np.fmax(first, last) * (1 - PRICE_NOISE), bottom > np.fmin(first, last) * (1 + PRICE_NOISE)
    )
    peak = np.where(wrong, np.nan, peak)
    overnight, rise, retreat = np.log(first / before), np.log(peak / first), np.log(last / peak)
    parts = overnight + rise + retreat
    left = np.where(up, peak > before, peak < before)
    with np.errstate(invalid="ignore", divide="ignore"):
        give_back = np.where(left, (peak - last) / (peak - before), np.nan)
    known = direction != 0
    return DayMove(
        overnight=overnight,
        rise=np.where(known, rise, np.nan),
        retreat=np.where(known, retreat, np.nan),
        total=np.where(np.isfinite(parts), parts, np.log(last / before)),
        extreme=np.where(known, np.log(peak / before), np.nan),
        peak_gain=np.where(known, peak / before - 1, np.nan),
        give_back=np.where(known, give_back, np.nan),
        direction=direction.astype(np.int64),
        reason=_day_reason(before, first, peak, last, wrong, up),
    )


def _price(value: ArrayLike) -> FloatArray:
    price = np.asarray(value, dtype=np.float64)
    return np.where(np.isfinite(price) & (price > 0), price, np.nan)


def _day_reason(
    before: FloatArray,
    first: FloatArray,
    peak: FloatArray,
    last: FloatArray,
    wrong: NDArray[np.bool_],
    up: NDArray[np.bool_],
) -> TextArray:
    return np.select(
        [np.isnan(before), np.isnan(last), wrong & up, wrong, np.isnan(first), np.isnan(peak) & up, np.isnan(peak)],
        [
            "no close before",
            "no close",
            "high below open or close",
            "low above open or close",
            "no open",
            "no high",
            "no low",
        ],
        default="",
    )


# ------------------------------------------------------------------------------------------------ ranks


def rank_p(
    past: ArrayLike, x0: ArrayLike, alternative: Alternative = "two-sided", form: Literal["abs", "min"] = "abs"
) -> tuple[FloatArray, IntArray]:
    """The share of past values at least as extreme as today's, today counted in.

    p = (1 + #{x_d >= x_0}) / (m + 1). Two-sided: `abs` counts |x_d| >= |x_0| (returns, which scatter around zero),
    `min` doubles the smaller tail (levels such as a log range). Values nearer than 1e-12 tie and count as extreme.

    Parameters
    ----------
    past : (..., m) values of estimation sessions, NaN = absent
    x0 : (...) values to place

    Returns
    -------
    p : (...) NaN where x0 is NaN or nothing is known of the past
    m : (...) past values used; no p can be below 1/(m+1), or 2/(m+1) with `min`

    Examples
    --------
    >>> p, m = rank_p([0.01, -0.03, 0.02], 0.04)
    >>> float(p), int(m)
    (0.25, 3)
    """
    x = np.asarray(past, dtype=np.float64)
    now = np.asarray(x0, dtype=np.float64)
    m = np.isfinite(x).sum(axis=-1)
    if alternative == "two-sided" and form == "abs":
        return _upper_rank(np.abs(x), np.abs(now), m), m
    upper, lower = _upper_rank(x, now, m), _upper_rank(-x, -now, m)
    if alternative == "two-sided":
        return np.minimum(1.0, 2 * np.minimum(upper, lower)), m
    return (upper if alternative == "greater" else lower), m


def _upper_rank(x: FloatArray, now: FloatArray, m: IntArray) -> FloatArray:
    beyond = (x >= now[..., None] - TIE).sum(axis=-1)
    return np.where(np.isfinite(now) & (m > 0), (1 + beyond) / (m + 1), np.nan)


# ------------------------------------------------------------------------------------------------ extremes


@dataclass(frozen=True, slots=True)
class Extreme:
    """How unusual the farthest point of a day's path is (arrays of the shape of x0).

    p_rank is the headline, from m sessions, never below smallest_p; rank 1 = the farthest of m + 1 sessions.
    p_reflection is what a driftless normal path with the close-to-close sigma would say: a floor, far too small for
    real shares; log_p_reflection is its logarithm, for values no float holds. reason is "" or why p_rank is NaN.
    """

    x: FloatArray
    p_rank: FloatArray
    rank: FloatArray
    m: IntArray
    smallest_p: FloatArray
    robust_z: FloatArray
    sigma: FloatArray
    p_reflection: FloatArray
    log_p_reflection: FloatArray
    reason: TextArray


def extreme_statistic(
    past: ArrayLike, x0: ArrayLike, close_to_close: ArrayLike | None = None, direction: ArrayLike = 1
) -> Extreme:
    """Is the day's peak far even for a peak? Intraday extremes are ranked among other days' extremes.

    x_d = ln(H_d/C_{d-1}) for a rise, ln(L_d/C_{d-1}) for a fall (direction -1, ranked downwards), over sessions 1..m::

        p_rank       = (1 + #{x_d >= x_0}) / (m + 1)
        robust_z     = (x_0 - median) / (1.4826022185 MAD)
        p_reflection = 2 (1 - Phi(x_0/sigma)),  sigma = sd of close-to-close log returns (ddof 1)

    Parameters
    ----------
    past : (..., m) extremes of the estimation sessions, NaN = absent
    x0 : (...) extreme of the event session
    close_to_close : (..., m) log returns of the same sessions, for the reflection benchmark
    direction : (...) +1 or -1, as `day_decomposition` gives it

    References
    ----------
    The reflection principle for the maximum of a Brownian path: Feller (1951), doi:10.1214/aoms/1177729589.

    Examples
    --------
    >>> e = extreme_statistic([0.01, 0.03, 0.02, 0.00], 0.28, [0.01, -0.02, 0.02, -0.01])
    >>> float(e.p_rank), float(e.smallest_p), int(e.rank)
    (0.2, 0.2, 1)
    """
    sign = np.where(np.asarray(direction) < 0, -1.0, 1.0)
    x, now = np.asarray(past, dtype=np.float64), np.asarray(x0, dtype=np.float64)
    ahead, here = x * sign[..., None], now * sign
    p, m = rank_p(ahead, here, "greater")
    middle = _median(ahead)
    spread = MAD_TO_SD * _median(np.abs(ahead - middle[..., None]))
    sigma = np.full(here.shape, np.nan) if close_to_close is None else _moments(close_to_close)[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        robust = np.where(spread > 0, sign * (here - middle) / spread, np.nan)
        u = np.where(sigma > 0, here / sigma, np.nan)
    return Extreme(
        x=now,
        p_rank=p,
        rank=np.round(p * (m + 1)),
        m=m,
        smallest_p=np.where(m > 0, 1 / (m + 1), np.nan),
        robust_z=robust,
        sigma=sigma,
        p_reflection=np.minimum(1.0, 2 * ndtr(-u)),
        log_p_reflection=np.minimum(0.0, math.log(2) + log_ndtr(-u)),
        reason=np.select([np.isnan(here), m == 0], ["no extreme on the event session", "no estimation sessions"], ""),
    )


def _median(x: FloatArray) -> FloatArray:
    """Median along the last axis of what is finite; NaN where nothing is."""
    n = np.isfinite(x).sum(axis=-1)
    if x.shape[-1] == 0:
        return np.full(n.shape, np.nan)
    ordered = np.sort(np.where(np.isfinite(x), x, np.nan), axis=-1)
    pick = [np.take_along_axis(ordered, np.maximum(i, 0)[..., None], -1)[..., 0] for i in ((n - 1) // 2, n // 2)]
    return np.where(n > 0, 0.5 * (pick[0] + pick[1]), np.nan)


def _moments(values: ArrayLike, axis: int = -1) -> tuple[IntArray, FloatArray, FloatArray]:
    """Count, mean and standard deviation (ddof 1) of what is finite."""
    x = np.asarray(values, dtype=np.float64)
    there = np.isfinite(x)
    n = there.sum(axis=axis)
    # measured from the largest value: equal values then have a spread of exactly zero
    anchor = np.where(there, x, -np.inf).max(axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(there, x - anchor, 0.0)
        centre = shift.sum(axis=axis, keepdims=True) / np.expand_dims(n, axis)
        mean = np.where(n > 0, np.squeeze(anchor + centre, axis=axis), np.nan)
        away = np.where(there, shift - centre, 0.0)
        sd = np.where(n > 1, np.sqrt((away**2).sum(axis=axis) / (n - 1)), np.nan)
    return n, mean, sd


# ------------------------------------------------------------------------------------------------ variance


def parkinson(high: ArrayLike, low: ArrayLike) -> FloatArray:
    """A day's variance from its range alone: (ln H/L)^2 / (4 ln 2). The overnight move is not in it.

    Parkinson (1980), doi:10.1086/296071. Zero where H = L.

    Examples
    --------
    >>> round(float(parkinson(105.0, 95.0)), 8)
    0.00361276
    """
    return np.log(_price(high) / _price(low)) ** 2 / (4 * math.log(2))


def garman_klass(open_: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> FloatArray:
    """A day's variance from all four prices: 0.5 (ln H/L)^2 - (2 ln 2 - 1)(ln C/O)^2. No drift, no overnight move.

    Garman and Klass (1980), doi:10.1086/296072.

    Examples
    --------
    >>> round(float(garman_klass(100.0, 105.0, 95.0, 101.0)), 8)
    0.0049701
    """
    move = np.log(_price(close) / _price(open_))
    return 0.5 * np.log(_price(high) / _price(low)) ** 2 - (2 * math.log(2) - 1) * move**2


def rogers_satchell(open_: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> FloatArray:
    """A day's variance that a trend does not inflate: ln(H/C) ln(H/O) + ln(L/C) ln(L/O). No overnight move.

    Rogers and Satchell (1991), doi:10.1214/aoap/1177005835.

    Examples
    --------
    >>> round(float(rogers_satchell(100.0, 105.0, 95.0, 101.0)), 8)
    0.00503639
    """
    o, h, lo, c = (_price(p) for p in (open_, high, low, close))
    return np.log(h / c) * np.log(h / o) + np.log(lo / c) * np.log(lo / o)


def yang_zhang(
    prev_close: ArrayLike, open_: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike
) -> FloatArray:
    """Daily variance over n sessions with the overnight move in it; neither drift nor gaps bias it.

    V = V_o + k V_c + (1 - k) V_rs along the last axis, V_o = var(ln O/C'), V_c = var(ln C/O) (ddof 1), V_rs the mean of
    Rogers-Satchell, k = 0.34 / (1.34 + (n+1)/(n-1)). Sessions with a missing price are left out; NaN below two.

    Yang and Zhang (2000), doi:10.1086/209650.

    Examples
    --------
    >>> v = yang_zhang([100, 101, 99], [100, 100, 100], [102, 103, 101], [99, 98, 99], [101, 99, 100])
    >>> round(float(v), 8)
    0.00070062
    """
    before, o, c = _price(prev_close), _price(open_), _price(close)
    whole = np.log(o / before), np.log(c / o), rogers_satchell(open_, high, low, close)
    usable = np.isfinite(whole[0] + whole[1] + whole[2])
    gap, move, inner = (_moments(np.where(usable, part, np.nan)) for part in whole)
    n = gap[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        k = np.where(n > 1, 0.34 / (1.34 + (n + 1) / (n - 1)), np.nan)
    return gap[2] ** 2 + k * move[2] ** 2 + (1 - k) * inner[1]


@dataclass(frozen=True, slots=True)
class LevelTest:
    """One value of a positive measure against its own past, in logarithms (arrays of the shape of the value).

    x the log value, mean and sd of the m past ones, abnormal = x - mean, z ~ t(df) with its p, p_rank from the same
    sessions beside it. reason is "" or says why there is no answer.
    """

    x: FloatArray
    mean: FloatArray
    sd: FloatArray
    abnormal: FloatArray
    z: FloatArray
    df: FloatArray
    p: FloatArray
    p_rank: FloatArray
    m: IntArray
    smallest_p: FloatArray
    reason: TextArray


def range_test(variance0: ArrayLike, past: ArrayLike, alternative: Alternative = "two-sided") -> LevelTest:
    """Was the day's range wider than the share's usual range? The logarithm of a range is near normal.

    z = (ln V_0 - mean) / (sd sqrt(1 + 1/m)) ~ t(m - 1), ddof 1, over the logarithms of the past values.

    Parameters
    ----------
    variance0 : (...) Parkinson (or another range) variance of the event session
    past : (..., m) the same for the estimation sessions; zero (high = low) and NaN are absent

    References
    ----------
    Near-normality of the log range: Alizadeh, Brandt and Diebold (2002), doi:10.1111/1540-6261.00454.

    Examples
    --------
    >>> t = range_test(0.02, [0.001, 0.002, 0.0015, 0.0012])
    >>> round(float(t.z), 3), int(t.df), float(t.smallest_p)
    (8.008, 3, 0.4)
    """
    return log_level_test(variance0, past, alternative, "no range on the event session (high = low, or no trade)")


def log_level_test(value: ArrayLike, past: ArrayLike, alternative: Alternative, absent: str) -> LevelTest:
    """The predictive t test of one log value against its past, with its rank; `absent` explains a missing value."""
    x, before = _log(value), _log(past)
    m, mean, sd = _moments(before)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(sd > 0, (x - mean) / (sd * np.sqrt(1 + 1 / m)), np.nan)
    df = np.where(m > 1, m - 1.0, np.nan)
    ranked, _ = rank_p(before, x, alternative, "min")
    sides = 2 if alternative == "two-sided" else 1
    return LevelTest(
        x=x,
        mean=mean,
        sd=sd,
        abnormal=x - mean,
        z=z,
        df=df,
        p=student_p(z, df, alternative),
        p_rank=ranked,
        m=m,
        smallest_p=np.where(m > 0, np.minimum(1.0, sides / (m + 1)), np.nan),
        reason=np.select(
            [np.isnan(x), m < 2, ~(sd > 0)], [absent, "fewer than two past values", "no variation in the past"], ""
        ),
    )


def _log(value: ArrayLike) -> FloatArray:
    return np.log(_price(value))
