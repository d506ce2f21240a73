"""The minutes around the news: realised variance, jump tests, the daily rhythm of volatility, bar-level paths.

Sessions are rows and bars are columns, (..., D, J); a series of bars in order is (..., n). Bar returns are logarithmic
decimal fractions inside a session. NaN marks a bar without a trade: the next return carries the move, so an absent bar
is passed over, never read as zero. What cannot be said is NaN with a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, ndtr, ndtri

from .dist import normal_p
from .ohlc import Alternative, FloatArray, IntArray, LevelTest, TextArray, log_level_test, rank_p
from .ols import least_squares

MAX_EMPTY = 0.2  # a session with a larger share of empty bars takes no part in jump tests and rankings
THETA = (math.pi / 2) ** 2 + math.pi - 5


def mu(p: float) -> float:
    """E|Z|^p of a standard normal Z: 2^(p/2) Gamma((p+1)/2) / Gamma(1/2)."""
    return 2 ** (p / 2) * float(gamma((p + 1) / 2)) / math.sqrt(math.pi)


MU_1 = mu(1)

# ------------------------------------------------------------------------------------------------ variation


@dataclass(frozen=True, slots=True)
class Variation:
    """Realised variance, bipower variation and tripower quarticity of sessions (...), from n (...) bars each."""

    rv: FloatArray
    bv: FloatArray
    tp: FloatArray
    n: IntArray


def variation(r: ArrayLike, *, finite_sample: bool = True, starts: ArrayLike | None = None) -> Variation:
    """How much a session varied: in all, without its jumps, and how uncertain that second figure is.

    ::

        RV = sum r^2
        BV = mu_1^-2 (n/(n-1)) sum |r_j||r_{j-1}|
        TP = n mu_{4/3}^-3 (n/(n-2)) sum |r_j r_{j-1} r_{j-2}|^{4/3}

    Parameters
    ----------
    r : (..., J) bar returns; empty bars (NaN) are passed over and n counts the others
    finite_sample : the factors n/(n-1) and n/(n-2); without them the sums stand alone
    starts : (..., J) bool, bars at which a new stretch begins (after a halt). Products never reach across a start, and
        the factors become n over the number of products. The return over the halt belongs to no bar: leave it NaN.

    Returns
    -------
    Variation
        NaN where a measure has no term (BV below 2 bars, TP below 3).

    References
    ----------
    Barndorff-Nielsen and Shephard (2004), doi:10.1093/jjfinec/nbh001.

    Examples
    --------
    >>> v = variation([[0.01, -0.01, 0.01, -0.01]])
    >>> round(float(v.rv[0]), 6), round(float(v.bv[0] / v.rv[0]), 6), int(v.n[0])
    (0.0004, 1.570796, 4)
    """
    x = np.asarray(r, dtype=np.float64)
    stretch = None if starts is None else np.cumsum(np.broadcast_to(np.asarray(starts, dtype=bool), x.shape), axis=-1)
    traded, stretch, n = _traded_first(x, stretch)
    size = np.abs(traded)
    power = size * np.cbrt(size)
    pair = size[..., 1:] * size[..., :-1]
    triple = power[..., 2:] * power[..., 1:-1] * power[..., :-2]
    if stretch is None:
        pairs, triples = np.maximum(n - 1, 0), np.maximum(n - 2, 0)
    else:
        joined = (stretch[..., 1:] == stretch[..., :-1]) & (np.arange(1, x.shape[-1]) < n[..., None])
        thrice = joined[..., 1:] & joined[..., :-1]
        pair, triple = pair * joined, triple * thrice
        pairs, triples = joined.sum(axis=-1), thrice.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        two, three = (n / pairs, n / triples) if finite_sample else (1.0, 1.0)
        return Variation(
            rv=np.where(n > 0, (size**2).sum(axis=-1), np.nan),
            bv=np.where(pairs > 0, two * pair.sum(axis=-1) / MU_1**2, np.nan),
            tp=np.where(triples > 0, n * three * triple.sum(axis=-1) / mu(4 / 3) ** 3, np.nan),
            n=n,
        )


def _traded_first(x: FloatArray, label: IntArray | None = None) -> tuple[FloatArray, IntArray | None, IntArray]:
    """Bars with a trade moved to the front of each row in order, zeros behind; with their labels and their number."""
    there = np.isfinite(x)
    n = there.sum(axis=-1)
    if there.all():
        return x, label, n
    order = _traded_order(there)
    packed = np.take_along_axis(np.where(there, x, 0.0), order, axis=-1)
    return packed, None if label is None else np.take_along_axis(label, order, axis=-1), n


def _traded_order(there: NDArray[np.bool_]) -> IntArray:
    return np.argsort(~there, axis=-1, kind="stable")


# ------------------------------------------------------------------------------------------------ jumps by session


@dataclass(frozen=True, slots=True)
class BNS:
    """The Barndorff-Nielsen-Shephard jump test of sessions (...).

    p belongs to z_ratio (the default form), p_linear and p_log to the other two; all are upper tails of N(0,1). n is
    the number of bars used. reason is "" or says why a session has no answer.
    """

    rv: FloatArray
    bv: FloatArray
    tp: FloatArray
    z_ratio: FloatArray
    z_linear: FloatArray
    z_log: FloatArray
    p: FloatArray
    p_linear: FloatArray
    p_log: FloatArray
    n: IntArray
    reason: TextArray


def bns(
    r: ArrayLike,
    *,
    finite_sample: bool = True,
    bars: ArrayLike | None = None,
    max_empty: float = MAX_EMPTY,
    starts: ArrayLike | None = None,
) -> BNS:
    """Did the price jump during the session? Compares all variance with the variance that is not made of jumps.

    ::

        theta    = (pi/2)^2 + pi - 5
        z_ratio  = (1 - BV/RV) / sqrt((theta/n) max(1, TP/BV^2))           the form to use: right size at 66 bars
        z_linear = (RV - BV) / sqrt((theta/n) TP)
        z_log    = (ln RV - ln BV) / sqrt((theta/n) max(1, TP/BV^2))

    Parameters
    ----------
    r : (..., J) bar returns of sessions, overnight return not among them; NaN = empty bar
    finite_sample : factors of `variation`; False is the variant `nofs`
    bars : (...) bars the session should have (half days); J by default
    max_empty : a session with a larger share of empty bars is NaN with a reason
    starts : as in `variation`

    References
    ----------
    Barndorff-Nielsen and Shephard (2006), doi:10.1093/jjfinec/nbi022; forms of Huang and Tauchen (2005),
    doi:10.1093/jjfinec/nbi025.

    Examples
    --------
    >>> quiet = np.tile([0.001, -0.001], 33)
    >>> news = quiet.copy(); news[30] = 0.05
    >>> bool(bns([quiet, news]).p[1] < 1e-9)
    True
    """
    x = np.asarray(r, dtype=np.float64)
    v = variation(x, finite_sample=finite_sample, starts=starts)
    whole = np.broadcast_to(x.shape[-1] if bars is None else np.asarray(bars), v.n.shape)
    reason = np.select(
        [v.n == 0, _too_empty(v.n, whole, max_empty), ~(v.tp >= 0), v.rv == 0, ~(v.bv > 0)],
        ["no bars", "too many empty bars", "fewer than 3 bars in a row", "price did not move", "no two moves in a row"],
        default="",
    )
    out = reason != ""
    rv, bv, tp = (np.where(out, np.nan, a) for a in (v.rv, v.bv, v.tp))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = THETA / np.where(out, np.nan, v.n)
        noise = np.sqrt(unit * np.maximum(1.0, tp / bv**2))
        ratio, log = (1 - bv / rv) / noise, np.log(rv / bv) / noise
        linear = np.where(tp > 0, (rv - bv) / np.sqrt(unit * tp), np.nan)
    return BNS(
        rv=rv, bv=bv, tp=tp, z_ratio=ratio, z_linear=linear, z_log=log,
        p=ndtr(-ratio), p_linear=ndtr(-linear), p_log=ndtr(-log), n=v.n, reason=reason,
    )  # fmt: skip


def _too_empty(n: IntArray, whole: ArrayLike, max_empty: float) -> NDArray[np.bool_]:
    bars = np.asarray(whole)
    return bars - n > max_empty * bars


# ------------------------------------------------------------------------------------------------ jumps by bar


@dataclass(frozen=True, slots=True)
class LeeMykland:
    """The Lee-Mykland jump test of every bar; (..., n) for bars, (...) for series.

    statistic L = r/sigma (signed), xi its Gumbel form, p the chance that the largest |L| among n bars reaches this one.
    tested bars had a window before them; window is K; cn and sn are the Gumbel constants of n; p_max is the smallest p.
    """

    statistic: FloatArray
    sigma: FloatArray
    xi: FloatArray
    p: FloatArray
    n: IntArray
    tested: IntArray
    window: int
    cn: FloatArray
    sn: FloatArray
    p_max: FloatArray


def lee_mykland(r: ArrayLike, window: int) -> LeeMykland:
    """Which bars jumped? Each return is measured by the bipower volatility of the bars just before it.

    ::

        sigma_i^2 = (1/(K-2)) sum_{j=i-K+2}^{i-1} |r_j||r_{j-1}|       L_i = r_i / sigma_i
        xi_i = (|L_i| - C_n) / S_n,  p_i = 1 - exp(-exp(-xi_i));  a jump at level a where xi_i > -ln(-ln(1-a))

    The first K-1 bars are untested (NaN), so is a bar after a window without movement (sigma = 0). Divide by the daily
    rhythm first (`remove_diurnal`), or the open is flagged for being the open.

    Parameters
    ----------
    r : (..., n) bar returns in order, sessions one after another, without overnight returns; NaN = empty bar, passed
        over: neither in a window nor counted in n
    window : K, see `lee_mykland_window`

    References
    ----------
    Lee and Mykland (2008), doi:10.1093/rfs/hhm056.

    Examples
    --------
    >>> r = np.tile([0.001, -0.001], 200); r[350] = 0.02
    >>> lm = lee_mykland(r, 78)
    >>> int(np.nanargmax(lm.xi)), round(float(lm.statistic[350]), 6), int(lm.tested)
    (350, 20.0, 323)
    """
    if window < 3:
        raise ValueError(
            f"the window of Lee-Mykland is K = {window} bars; it needs at least 3 (see lee_mykland_window)"
        )
    x = np.asarray(r, dtype=np.float64)
    there = np.isfinite(x)
    traded, _, n = _traded_first(x)
    sigma = np.full(x.shape, np.nan)
    if x.shape[-1] >= window:
        size = np.abs(traded)
        sums = _trailing_sums(size[..., 1:] * size[..., :-1], window - 2)
        sigma[..., window - 1 :] = np.sqrt(sums[..., window - 3 : -1] / (window - 2))
    ratio = np.divide(traded, sigma, out=np.full(x.shape, np.nan), where=sigma > 0)
    if not there.all():
        order = _traded_order(there)
        sigma, ratio = (np.where(there, _put_back(a, order), np.nan) for a in (sigma, ratio))
    cn, sn = gumbel_constants(n)
    xi = (np.abs(ratio) - cn[..., None]) / sn[..., None]
    p = gumbel_p(xi)
    return LeeMykland(
        ratio, sigma, xi, p, n, np.isfinite(xi).sum(axis=-1), window, cn, sn,
        p_max=np.fmin.reduce(p, axis=-1, initial=np.nan),
    )  # fmt: skip


def _trailing_sums(q: FloatArray, width: int) -> FloatArray:
    """Sum of the last `width` values at every position, NaN before there are so many.

    A window is the end of one block and the beginning of the next: two running sums inside blocks, nothing is ever
    subtracted, so a jump long past leaves no rounding behind.
    """
    n = q.shape[-1]
    if n < width:
        return np.full(q.shape, np.nan)
    blocks = -(-n // width)
    padded = np.zeros((*q.shape[:-1], blocks * width))
    padded[..., :n] = q
    cut = padded.reshape(*q.shape[:-1], blocks, width)
    head = np.cumsum(cut, axis=-1).reshape(padded.shape)[..., :n]
    tail = np.cumsum(cut[..., ::-1], axis=-1)[..., ::-1]
    tail = np.where(np.arange(width) == 0, 0.0, tail).reshape(padded.shape)  # a whole block is all in its head
    out = np.full(q.shape, np.nan)
    out[..., width - 1 :] = head[..., width - 1 :] + tail[..., : n - width + 1]
    return out


def _put_back(packed: FloatArray, order: IntArray) -> FloatArray:
    out = np.empty_like(packed)
    np.put_along_axis(out, order, packed, axis=-1)
    return out


def lee_mykland_window(bars_per_session: float, minutes: float | None = None) -> int:
    """The window K: 270 for 5-minute bars, as the paper suggests, else ceil(sqrt(252 bars per session)).

    Examples
    --------
    >>> lee_mykland_window(78, minutes=5), lee_mykland_window(390), lee_mykland_window(7, minutes=60)
    (270, 314, 42)
    """
    if minutes == 5:
        return 270
    return max(3, math.ceil(math.sqrt(252 * bars_per_session)))


def gumbel_constants(n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """C_n and S_n of the largest of n absolute normal values in units of mu_1; NaN below n = 2.

    C_n = sqrt(2 ln n)/c - (ln pi + ln ln n)/(2 c sqrt(2 ln n)),  S_n = 1/(c sqrt(2 ln n)),  c = mu_1.

    Examples
    --------
    >>> cn, sn = gumbel_constants(1980)
    >>> round(float(cn), 9), round(float(sn), 9)
    (4.373273059, 0.321661939)
    """
    count = np.asarray(n, dtype=np.float64)
    log = np.log(np.where(count >= 2, count, np.nan))
    root = np.sqrt(2 * log)
    return root / MU_1 - (math.log(math.pi) + np.log(log)) / (2 * MU_1 * root), 1 / (MU_1 * root)


def gumbel_critical(alpha: float) -> float:
    """Critical value of xi at level alpha: -ln(-ln(1 - alpha)).

    Examples
    --------
    >>> round(gumbel_critical(0.01), 9)
    4.600149227
    """
    if not 0 < alpha < 1:
        raise ValueError(f"a level lies between 0 and 1, not {alpha}")
    return -math.log(-math.log1p(-alpha))


def gumbel_p(xi: ArrayLike) -> FloatArray:
    """Upper tail 1 - exp(-exp(-xi)) of the Gumbel law, exact where it is tiny."""
    with np.errstate(over="ignore"):
        return -np.expm1(-np.exp(-np.asarray(xi, dtype=np.float64)))


# ------------------------------------------------------------------------------------------------ the daily rhythm


@dataclass(frozen=True, slots=True)
class Diurnal:
    """The pattern of volatility over the day: f (..., J) with mean square 1, n (..., J) sessions behind each slot.

    reason (...) is "" or says why the whole pattern is NaN; a slot alone is NaN where too few sessions traded in it.
    """

    f: FloatArray
    n: IntArray
    reason: TextArray


def diurnal_rms(r: ArrayLike, *, min_sessions: int = 20) -> Diurnal:
    """How volatile each clock time is, by the root mean square over estimation sessions.

    v_j = sqrt(mean_d r_{d,j}^2), f_j = v_j / sqrt(mean_j v_j^2).

    Parameters
    ----------
    r : (..., D, J) bar returns of estimation sessions, NaN = empty bar
    min_sessions : fewer sessions with a trade give NaN and a reason; a slot needs half as many of its own

    References
    ----------
    Taylor and Xu (1997), doi:10.1016/S0927-5398(97)00010-8.

    Examples
    --------
    >>> f = diurnal_rms(np.tile([0.03, 0.01], (20, 1))).f
    >>> np.round(f, 6).tolist()
    [1.341641, 0.447214]
    """
    x = np.asarray(r, dtype=np.float64)
    there = np.isfinite(x)
    whole = bool(there.all())
    n = np.full((*x.shape[:-2], x.shape[-1]), x.shape[-2]) if whole else there.sum(axis=-2)
    size = x if whole else np.where(there, x, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        v = np.sqrt(np.einsum("...dj,...dj->...j", size, size) / n)
    return _pattern(v, n, there, min_sessions)


def diurnal_wsd(r: ArrayLike, *, min_sessions: int = 20, standardise: bool = False) -> Diurnal:
    """How volatile each clock time is, with jumps left out: the weighted standard deviation.

    Per slot, of its n values in order x_(1) <= ... <= x_(n), with h = floor(n/2) + 1::

        shorth_j = 0.7413 min_i (x_(i+h-1) - x_(i))                   shortest half, 0.7413 = 1/(2 Phi^-1(3/4))
        w_dj     = 1 if (r_dj / shorth_j)^2 <= 6.635 else 0           99% point of chi-squared(1)
        WSD_j    = sqrt(1.081 sum_d w_dj r_dj^2 / sum_d w_dj)         f_j = WSD_j / sqrt(mean_j WSD_j^2)

    A slot in which more than half of the returns are equal (a share that hardly trades) has no shortest half: NaN.

    Parameters
    ----------
    r, min_sessions : as in `diurnal_rms`
    standardise : divide each session by its own bipower volatility first, sqrt(BV/n), as the paper does; sessions
        without one are left out. Without it the returns are taken as they are, as in the RMS pattern.

    References
    ----------
    Boudt, Croux and Laurent (2011), doi:10.1016/j.jempfin.2010.11.005.

    Examples
    --------
    >>> r = np.linspace(-0.01, 0.01, 21)[:, None] * [3.0, 1.0]
    >>> r[20, 1] = 0.2
    >>> np.round(diurnal_wsd(r).f, 2).tolist()
    [1.35, 0.43]
    """
    x = np.asarray(r, dtype=np.float64)
    if standardise:
        day = variation(x)
        with np.errstate(invalid="ignore", divide="ignore"):
            x = x / np.where(day.bv > 0, np.sqrt(day.bv / day.n), np.nan)[..., None]
    there = np.isfinite(x)
    n = there.sum(axis=-2)
    shorth = _shortest_half(x, n)[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        near = there & (shorth > 0) & ((x / shorth) ** 2 <= 6.635)
        v = np.sqrt(1.081 * (np.where(near, x, 0.0) ** 2).sum(axis=-2) / near.sum(axis=-2))
    return _pattern(v, n, there, min_sessions)


def _shortest_half(x: FloatArray, n: IntArray) -> FloatArray:
    """0.7413 times the length of the shortest half of each column of x (..., D, J); infinite where there is none."""
    d = x.shape[-2]
    ordered = np.sort(np.where(np.isfinite(x), x, np.nan), axis=-2)
    first = np.arange(d)[:, None]
    last = first + n[..., None, :] // 2
    reach = np.take_along_axis(ordered, np.minimum(last, d - 1), axis=-2) - ordered
    inside = last < n[..., None, :]
    return np.where(inside, reach, np.inf).min(axis=-2, initial=np.inf) / (2 * float(ndtri(0.75)))


def _pattern(v: FloatArray, n: IntArray, there: NDArray[np.bool_], min_sessions: int) -> Diurnal:
    """Slot scales normalised to mean square 1 over the slots that have one."""
    sessions = there.any(axis=-1).sum(axis=-1)
    v = np.where(n >= max(1, math.ceil(min_sessions / 2)), v, np.nan)
    known = np.isfinite(v)
    square = np.where(known, v, 0.0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.sqrt(square.sum(axis=-1) / known.sum(axis=-1))
    few, flat, still = sessions < min_sessions, ~known.any(axis=-1), ~(level > 0)
    none = few | flat | still
    reason: TextArray = np.full(none.shape, "")
    if none.any():
        reason = np.select(
            [few, flat, still],
            ["fewer than the sessions needed for a daily pattern", "no clock time varies enough", "price did not move"],
            default="",
        )
    return Diurnal(v / np.where(none, np.nan, level)[..., None], n, reason)


def remove_diurnal(r: ArrayLike, f: ArrayLike) -> FloatArray:
    """Bar returns r (..., D, J) divided by the pattern f (..., J); NaN where the pattern is NaN or zero.

    Examples
    --------
    >>> remove_diurnal([[0.03, 0.01]], [1.5, 0.5]).tolist()
    [[0.02, 0.02]]
    """
    scale = np.asarray(f, dtype=np.float64)[..., None, :]
    return np.asarray(r, dtype=np.float64) / np.where(scale > 0, scale, np.nan)


# ------------------------------------------------------------------------------------------------ the day's level


def day_sigma(rv: ArrayLike, n_bars: ArrayLike, *, last: int = 20, least: int = 5) -> FloatArray:
    """The usual volatility of one bar before the event: sqrt(mean RV of the last 20 sessions / bars a session).

    Parameters
    ----------
    rv : (..., D) realised variance of pre-event sessions in order, NaN = absent
    n_bars : (...) bars of a session
    last, least : sessions looked back on, and how many of them must be there (else NaN)

    Examples
    --------
    >>> round(float(day_sigma(np.full(30, 0.0004), 4)), 12)
    0.01
    """
    recent = np.asarray(rv, dtype=np.float64)[..., -last:]
    there = np.isfinite(recent)
    m = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(m >= max(1, least), np.where(there, recent, 0.0).sum(axis=-1) / m, np.nan)
        return np.sqrt(mean / np.asarray(n_bars, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class HarForecast:
    """Tomorrow's realised variance (...), coef (..., 4) = const, day, week, month; n rows of the regression.

    floored (...) marks forecasts raised to the floor; reason (...) is "" or says why there is none.
    """

    forecast: FloatArray
    coef: FloatArray
    n: IntArray
    floored: NDArray[np.bool_]
    reason: TextArray


def har_forecast(rv: ArrayLike, *, floor: float = 0.01, least: int = 10) -> HarForecast:
    """Tomorrow's realised variance from the last day, week and month (least squares, then a floor).

    RV_t = b_0 + b_d RV_{t-1} + b_w mean(RV_{t-5..t-1}) + b_m mean(RV_{t-22..t-1}) + e_t. A forecast below `floor` times
    the mean RV (a straight line may cross zero) is raised to that.

    Parameters
    ----------
    rv : (..., D) realised variance in order; absent sessions (NaN) are passed over
    least : rows the regression needs, so 22 + least sessions in all

    References
    ----------
    Corsi (2009), doi:10.1093/jjfinec/nbp001.

    Examples
    --------
    >>> har_forecast(np.linspace(1e-4, 2e-4, 25)).reason.item()
    'fewer than 32 sessions'
    """
    x = np.atleast_1d(np.asarray(rv, dtype=np.float64))
    lead = x.shape[:-1]
    x = x.reshape(math.prod(lead), x.shape[-1])
    there = np.isfinite(x)
    used = there.sum(axis=-1)
    x = np.take_along_axis(np.where(there, x, np.nan), np.argsort(there, axis=-1, kind="stable"), axis=-1)
    x = np.pad(x, ((0, 0), (max(0, 23 - x.shape[-1]), 0)), constant_values=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.where(used > 0, np.nansum(x, axis=-1) / used, np.nan)
        past = _har_regressors(x / np.where(level > 0, level, np.nan)[:, None])
        now = x[:, 22:] / level[:, None]
    use = np.isfinite(now + past[:, :-1].sum(axis=-1))
    fit = least_squares(now, past[:, :-1], use)
    raw = (past[:, -1] * fit.coef).sum(axis=-1)
    reason = np.select(
        [used < 22 + least, ~(level > 0), ~fit.full_rank],
        [f"fewer than {22 + least} sessions", "price did not move", "day, week and month move as one"],
        default="",
    )
    good = reason == ""
    coef = fit.coef * np.stack([level, *(np.ones_like(level),) * 3], axis=-1)
    return HarForecast(
        forecast=np.where(good, np.maximum(raw, floor) * level, np.nan).reshape(lead),
        coef=np.where(good[:, None], coef, np.nan).reshape(*lead, 4),
        n=fit.m.reshape(lead),
        floored=(good & (raw < floor)).reshape(lead),
        reason=reason.reshape(lead),
    )


def _har_regressors(x: FloatArray) -> FloatArray:
    """(E, D - 21, 4): constant and the means of the last 1, 5 and 22 values, at each end of a month."""
    means = [np.lib.stride_tricks.sliding_window_view(x, k, axis=-1).mean(axis=-1)[:, 22 - k :] for k in (1, 5, 22)]
    return np.stack([np.ones_like(means[2]), *means], axis=-1)


# ------------------------------------------------------------------------------------------------ paths by bar


@dataclass(frozen=True, slots=True)
class BarPath:
    """Cumulative abnormal return from the first slot on; (E, L) one column a slot, the last one is the window.

    ar, sar the bars and their standardised form; car, sd, z, p_normal the sums; p_rank the headline, from m sessions at
    the same clock times, never below smallest_p; n the bars with a return so far.
    """

    ar: FloatArray
    sar: FloatArray
    car: FloatArray
    sd: FloatArray
    z: FloatArray
    p_normal: FloatArray
    p_rank: FloatArray
    m: IntArray
    smallest_p: FloatArray
    n: IntArray


def bar_path(
    event: ArrayLike,
    past: ArrayLike,
    sigma: ArrayLike,
    f: ArrayLike,
    *,
    first: int = 0,
    last: int | None = None,
    alternative: Alternative = "two-sided",
    max_empty: float = MAX_EMPTY,
) -> BarPath:
    """How far the share went by each bar, against the same clock times on its ordinary days.

    ::

        SAR_j  = AR_j / (sigma f_j)
        CAR_j  = sum of AR over slots first..j,   variance sum (sigma f)^2,   z = CAR / sd
        p_rank = (1 + #{|CAR_d| >= |CAR|}) / (m + 1)  over estimation sessions d, the same slots (headline)

    An empty bar adds nothing to sum and variance (the next bar carries its move). A past session with too many empty
    bars in the window is left out of the ranking.

    Parameters
    ----------
    event : (..., J) abnormal returns of the event session
    past : (..., m, J) those of the estimation sessions
    sigma : (...) level of one bar, `day_sigma` or sqrt(HAR forecast / bars)
    f : (..., J) daily pattern
    first, last : slots of the window, both included; to the end of the session by default

    Examples
    --------
    >>> path = bar_path([0.02, 0.01], [[0.001, 0.002], [-0.003, 0.001]], 0.002, [1.2, 0.8])
    >>> round(float(path.car[-1]), 4), round(float(path.p_rank[-1]), 4), int(path.m[-1])
    (0.03, 0.3333, 2)
    """
    now, before = np.asarray(event, dtype=np.float64), np.asarray(past, dtype=np.float64)
    slots = now.shape[-1]
    end = slots - 1 if last is None else last
    if not 0 <= first <= end < slots:
        raise ValueError(f"slots {first}..{end} do not lie within the {slots} bars of a session (counted from 0)")
    cut = slice(first, end + 1)
    now, before, shape = now[..., cut], before[..., cut], np.asarray(f, dtype=np.float64)[..., cut]
    scale = np.asarray(sigma, dtype=np.float64)[..., None] * np.where(shape > 0, shape, np.nan)
    car, n = _running(now)
    there = np.isfinite(now)
    sd = np.sqrt(np.cumsum(np.where(there, scale, 0.0) ** 2, axis=-1))
    sd = np.where(n > 0, sd, np.nan)
    ordinary, count = _running(before)
    thin = _too_empty(count[..., -1:], before.shape[-1], max_empty)
    ordinary = np.where(thin, np.nan, ordinary)
    p, m = rank_p(np.moveaxis(ordinary, -2, -1), car, alternative)
    with np.errstate(divide="ignore", invalid="ignore"):
        z, sar = np.where(sd > 0, car / sd, np.nan), np.where(scale > 0, now / scale, np.nan)
        smallest = np.where(m > 0, 1 / (m + 1), np.nan)
    return BarPath(now, sar, car, sd, z, normal_p(z, alternative), p, m, smallest, n)


def _running(x: FloatArray) -> tuple[FloatArray, IntArray]:
    """Running sum of what is there, NaN before the first value; and how many there were."""
    there = np.isfinite(x)
    n = np.cumsum(there, axis=-1)
    return np.where(n > 0, np.cumsum(np.where(there, x, 0.0), axis=-1), np.nan), n


def abnormal_volume(event: ArrayLike, past: ArrayLike, alternative: Alternative = "two-sided") -> LevelTest:
    """Was more traded than usual at this clock time? Log volume against the same slot of the estimation sessions.

    abnormal = ln V_0 - mean, z = abnormal / (sd sqrt(1 + 1/m)) ~ t(m - 1), rank p beside it, slot by slot.

    Parameters
    ----------
    event : (..., J) volume by slot (shares, lots or money, the same unit throughout); zero and NaN are absent
    past : (..., m, J) the same for the estimation sessions

    References
    ----------
    Log volume in event studies: Campbell and Wasley (1996), doi:10.1007/BF00245187.

    Examples
    --------
    >>> v = abnormal_volume([9000.0], [[1000.0], [1200.0], [900.0], [1100.0]], alternative="greater")
    >>> round(float(v.abnormal[0]), 3), float(v.p_rank[0])
    (2.154, 0.2)
    """
    usual = np.moveaxis(np.asarray(past, dtype=np.float64), -2, -1)
    return log_level_test(event, usual, alternative, "no volume in this slot of the event session")
