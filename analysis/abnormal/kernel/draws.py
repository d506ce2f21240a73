"""The whole battery on many simulated studies at once: D draws of N firms, on one date or on dates of their own.

Power simulations, size tables and Brown-Warner experiments ask the same tests thousands of times. The models and tests are
those of `models/` and `inference/`; the test-suite holds each against its registered twin.

Shapes: D draws, N firms, M estimation sessions, L event sessions; K = 1 where all firms of a draw share the benchmark's
sessions (one date), else N. Data are complete.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from . import dist
from .ranks import midranks

Array = NDArray[np.float64]
Test = Callable[["Draws"], Array]
EXACT_UP_TO = 25  # pairs up to which rank sums are counted exactly


class Draws(NamedTuple):
    """Estimates of D studies: residuals e (D, N, M), event abnormal returns ar (D, N, L), s (D, N), and the multiplier
    c (D, K) of the CAR variance, the sums of squares behind studentised runs q (D, K, M - L + 1), degrees of freedom nu and
    the estimation-row leverages lev (D, K, M). group (N,): which firms share a date (their windows do not meet those of
    other dates). centred: sigma is taken about the mean residual (market_adjusted). kept: what depends on the residuals
    alone, shared by all effects."""

    e: Array
    ar: Array
    s: Array
    c: Array
    q: Array
    lev: Array
    nu: float
    group: NDArray[np.int64]
    centred: bool
    kept: dict[str, Array]

    @property
    def n(self) -> int:
        return int(self.e.shape[1])

    @property
    def car(self) -> Array:
        return self.ar.sum(axis=2)

    @property
    def scar(self) -> Array:
        return self.car / (self.s * np.sqrt(self.c))

    def once(self, name: str, compute: Callable[[], Array]) -> Array:
        """A value of the residuals, computed at first use."""
        if name not in self.kept:
            self.kept[name] = compute()
        return self.kept[name]

    def with_effect(self, delta: Array, offset: int) -> Draws:
        """The same studies with `delta` (broadcast to (D, N)) added to one event session."""
        ar = self.ar.copy()
        ar[:, :, offset] += delta
        return self._replace(ar=ar)


def estimate(
    y: Array, rm: Array, event_y: Array, event_rm: Array, model: str = "market", group: NDArray[np.int64] | None = None
) -> Draws:
    """Fit y (D, N, M) on rm and forecast event_y (D, N, L) with event_rm.

    One date: rm (D, M), event_rm (D, L). Dates of their own: rm (D, N, M), event_rm (D, N, L) and `group` (N,), equal for
    firms that share a date. Models: market, market_zero_alpha, market_adjusted, mean.
    """
    if rm.ndim == 2:
        rm, event_rm = rm[:, None, :], event_rm[:, None, :]
    m = y.shape[2]
    mean = rm.mean(axis=2, keepdims=True)
    xc, ex = rm - mean, event_rm - mean
    ssm = np.einsum("dkm,dkm->dk", xc, xc)
    if model in ("market", "market_zero_alpha"):
        beta = (np.einsum("dnm,dkm->dn", y, xc) if rm.shape[1] == 1 else np.einsum("dnm,dnm->dn", y, xc)) / ssm
        own = model == "market"
        e = y - beta[:, :, None] * (xc if own else rm)
        alpha = e.mean(axis=2, keepdims=True) if own else np.zeros((*beta.shape, 1))
        e = e - alpha
        ar = event_y - alpha - beta[:, :, None] * (ex if own else event_rm)
    elif model == "mean":
        alpha = y.mean(axis=2, keepdims=True)
        e, ar = y - alpha, event_y - alpha
    elif model == "market_adjusted":
        e, ar = y - rm, event_y - event_rm
    else:
        raise ValueError(f"no batched form of model {model!r}")
    nu = {"market": m - 2.0}.get(model, m - 1.0)
    centred = e - e.mean(axis=2, keepdims=True) if model == "market_adjusted" else e
    s = np.sqrt(np.einsum("dnm,dnm->dn", centred, centred) / nu)
    c, q, lev = _variances(xc, ex, event_rm, ssm, model)
    one = np.zeros(y.shape[1], np.int64)
    return Draws(e, ar, s, c, q, lev, nu, one if group is None else group, model == "market_adjusted", {})


def _variances(xc: Array, ex: Array, event_rm: Array, ssm: Array, model: str) -> tuple[Array, Array, Array]:
    """Multiplier of the CAR variance (D, K), sums of squares of runs (D, K, M - L + 1) and leverages (D, K, M)."""
    m, length = xc.shape[2], ex.shape[2]
    runs = sliding_window_view(xc, length, axis=2).sum(axis=3)
    if model == "market":
        return (
            length + length**2 / m + ex.sum(axis=2) ** 2 / ssm,
            length - length**2 / m - runs**2 / ssm[:, :, None],
            1 / m + xc**2 / ssm[:, :, None],
        )
    flat, none = np.full(runs.shape, float(length)), np.zeros(xc.shape)
    if model == "market_zero_alpha":
        return length + event_rm.sum(axis=2) ** 2 / ssm, flat, none
    if model == "mean":
        return np.full(ssm.shape, length + length**2 / m), flat - length**2 / m, none + 1 / m
    return np.full(ssm.shape, float(length)), flat, none


# ------------------------------------------------------------------------------------------------ firms as units


def _mean_t(x: Array) -> Array:
    n = x.shape[1]
    return x.mean(axis=1) / (x.std(axis=1, ddof=1) / np.sqrt(n))


def t_xs(d: Draws) -> Array:
    """p of the cross-sectional t."""
    return dist.student_p(_mean_t(d.car), d.n - 1)


def _patell_z(d: Draws) -> Array:
    return d.scar.sum(axis=1) / np.sqrt(d.n * d.nu / (d.nu - 2))


def patell(d: Draws) -> Array:
    """p of Patell's Z."""
    return dist.normal_p(_patell_z(d))


def bmp(d: Draws) -> Array:
    """p of BMP, t(N - 1)."""
    return dist.student_p(_mean_t(d.scar), d.n - 1)


def mean_correlation(e: Array, group: NDArray[np.int64] | None = None) -> Array:
    """Average off-diagonal Pearson correlation of the residuals of each draw, by the column-sum identity: (D,).

    With `group` (N,) pairs of different groups count as zero: their event windows share no session.
    """
    n = e.shape[1]
    centred = e - e.mean(axis=2, keepdims=True)
    unit = centred / np.sqrt(np.einsum("dnm,dnm->dn", centred, centred))[:, :, None]
    total = np.zeros(e.shape[0])
    for g in range(1 if group is None else int(group.max()) + 1):
        rows = unit if group is None else unit[:, group == g]
        sums = rows.sum(axis=1)
        total += np.einsum("dm,dm->d", sums, sums) - rows.shape[1]
    return total / (n * (n - 1))


def _kp(d: Draws, t: Array, patell_form: bool) -> Array:
    r = d.once("rbar", lambda: mean_correlation(d.e, d.group))
    spread = 1 + (d.n - 1) * r
    factor = (1.0 if patell_form else 1 - r) / np.where(spread > 0, spread, np.nan)
    return t * np.sqrt(factor)


def kp_bmp(d: Draws) -> Array:
    """p of the correlation-adjusted BMP, t(N - 1)."""
    return dist.student_p(_kp(d, _mean_t(d.scar), False), d.n - 1)


def kp_bmp_normal(d: Draws) -> Array:
    """p of the correlation-adjusted BMP against the normal (a variant, for comparison)."""
    return dist.normal_p(_kp(d, _mean_t(d.scar), False))


def kp_patell(d: Draws) -> Array:
    """p of the correlation-adjusted Patell Z."""
    return dist.normal_p(_kp(d, _patell_z(d), True))


def gen_sign(d: Draws) -> Array:
    """p of the generalised sign test."""
    phat = d.once("phat", lambda: np.mean(d.e > 0, axis=2).mean(axis=1))
    w = (d.car > 0).sum(axis=1)
    return dist.normal_p((w - d.n * phat) / np.sqrt(d.n * phat * (1 - phat)))


def sign(d: Draws) -> Array:
    """Exact binomial p of the sign test."""
    wins = (d.car > 0).sum(axis=1)
    n = (d.car != 0).sum(axis=1)
    return np.array([dist.binomial_p(int(w), int(k)) for w, k in zip(wins, n)])


def _residual_ranks(d: Draws) -> Array:
    """Ranks of every residual among its firm's own, (D, N, M)."""
    draws, n, m = d.e.shape
    return d.once("ranks", lambda: midranks(d.e.reshape(draws * n, m))[0].reshape(draws, n, m))


def _inserted(d: Draws, values: Array) -> tuple[Array, Array]:
    """Ranks once `values` (D, N, L) join each firm's residuals: column sums of the residuals' ranks over firms (D, M), and
    the ranks of the values (D, N, L). Ties share their average."""
    base = d.once("rank_sums", lambda: _residual_ranks(d).sum(axis=1))
    own = np.ones(values.shape)
    columns = base.copy()
    for l in range(values.shape[2]):
        v = values[:, :, l, None]
        above, level = d.e > v, d.e == v
        columns += above.sum(axis=1) + 0.5 * level.sum(axis=1)
        own[:, :, l] += d.e.shape[2] - above.sum(axis=2) - 0.5 * level.sum(axis=2)
        others = np.delete(values, l, axis=2)
        own[:, :, l] += (others < v).sum(axis=2) + 0.5 * (others == v).sum(axis=2)
    return columns, own


def corrado_zivney(d: Draws) -> Array:
    """p of the Corrado-Zivney rank test over the window."""
    n, m, length = d.n, d.e.shape[2], d.ar.shape[2]
    columns, own = _inserted(d, d.ar)
    ranks = np.concatenate([columns, own.sum(axis=1)], axis=1)
    column = (ranks / (m + length + 1) - 0.5 * n) / np.sqrt(n)
    spread = np.sqrt(np.mean(column**2, axis=1))
    return dist.normal_p(column[:, -length:].sum(axis=1) / (spread * np.sqrt(length)))


def _grank(d: Draws, value: Array) -> Array:
    """t of GRANK for one standardised window value per firm, against the ranks of its residuals."""
    columns, own = _inserted(d, (value * d.s)[:, :, None])
    t = d.e.shape[2] + 1
    mean = np.concatenate([columns, own.sum(axis=1)], axis=1) / ((t + 1) * d.n) - 0.5
    z = mean[:, -1] / np.sqrt(np.mean(mean**2, axis=1))
    return dist.student_p(z * np.sqrt((t - 2) / (t - 1 - z**2)), t - 2)


def grank_t(d: Draws) -> Array:
    """p of GRANK with re-standardised SCARs."""
    return _grank(d, d.scar / d.scar.std(axis=1, ddof=1, keepdims=True))


def grank_raw(d: Draws) -> Array:
    """p of GRANK without re-standardisation."""
    return _grank(d, d.scar)


@lru_cache(maxsize=64)
def _signed_rank_p(n: int) -> Array:
    """Two-sided p of every rank sum 0..n(n+1)/2 without ties: exact to n = 25, else by the normal."""
    top = n * (n + 1) // 2
    w = np.arange(top + 1)
    if n > EXACT_UP_TO:
        return np.asarray(dist.normal_p((w - top / 2) / np.sqrt(n * (n + 1) * (2 * n + 1) / 24)), float)
    counts = np.zeros(top + 1)
    counts[0] = 1.0
    for k in range(1, n + 1):
        counts[k:] += counts[: top + 1 - k].copy()
    low = np.cumsum(counts) / 2.0**n
    return np.minimum(1.0, 2 * np.minimum(low, low[::-1]))


def wilcoxon(d: Draws) -> Array:
    """p of the signed-rank test (values that tie or vanish do not occur in simulated data)."""
    k = midranks(np.abs(d.car))[0]
    return _signed_rank_p(d.n)[np.rint(np.where(d.car > 0, k, 0).sum(axis=1)).astype(int)]


# ------------------------------------------------------------------------------------------------ the date as unit


def date_t(d: Draws) -> Array:
    """p of t(G - 1) over the mean CARs of the dates; NaN with one date."""
    groups = int(d.group.max()) + 1
    if groups < 2:
        return np.full(d.e.shape[0], np.nan)
    cars = np.stack([d.car[:, d.group == g].mean(axis=1) for g in range(groups)], axis=1)
    return dist.student_p(_mean_t(cars), groups - 1)


def _portfolio(d: Draws) -> Draws:
    """The equal-weighted portfolio as studies of one firm."""
    e = d.once("portfolio", lambda: d.e.mean(axis=1, keepdims=True))
    about = e - e.mean(axis=2, keepdims=True) if d.centred else e
    s = np.sqrt(np.einsum("dnm,dnm->dn", about, about) / d.nu)
    return d._replace(e=e, ar=d.ar.mean(axis=1, keepdims=True), s=s, kept={})


def t_car(d: Draws) -> Array:
    """p of the single-firm t on the first firm."""
    return dist.student_p(d.scar[:, 0], d.nu)


def _runs(d: Draws) -> Array:
    """Studentised sums of the first firm's residuals over all runs of L sessions: (D, M - L + 1)."""
    length = d.ar.shape[2]
    sums = sliding_window_view(d.e[:, 0], length, axis=1).sum(axis=2)
    return sums / (d.s[:, :1] * np.sqrt(d.q[:, 0]))


def sq(d: Draws) -> Array:
    """p of SQ `abs_studentized` on the first firm."""
    z = np.abs(_runs(d))
    return (1 + dist.count_at_least(z, np.abs(d.scar[:, :1]))) / (z.shape[1] + 1)


def sq_two_min(d: Draws) -> Array:
    """p of SQ `two_min` on raw residual sums of the first firm (the form of the size table)."""
    length = d.ar.shape[2]
    sums = sliding_window_view(d.e[:, 0], length, axis=1).sum(axis=2)
    car, m = d.car[:, :1], sums.shape[1]
    low = (1 + dist.count_at_least(-sums, -car)) / (m + 1)
    high = (1 + dist.count_at_least(sums, car)) / (m + 1)
    return np.minimum(1.0, 2 * np.minimum(low, high))


def portfolio_t(d: Draws) -> Array:
    """p of t_car on the portfolio."""
    return t_car(_portfolio(d))


def portfolio_sq(d: Draws) -> Array:
    """p of SQ on the portfolio."""
    return sq(_portfolio(d))


def portfolio_sq_two_min(d: Draws) -> Array:
    """p of the raw two_min SQ on the portfolio."""
    return sq_two_min(_portfolio(d))


def _sigma(d: Draws) -> Array:
    about = d.e - d.e.mean(axis=2, keepdims=True) if d.centred else d.e
    return d.once("sigma", lambda: about @ about.transpose(0, 2, 1) / d.nu)


def mvrm_f(d: Draws) -> Array:
    """p of the multivariate F that every firm's CAR is zero; NaN where firms are more than a third of the days."""
    n = d.n
    if n > d.nu / 3:
        return np.full(d.e.shape[0], np.nan)
    theta = d.car
    t2 = np.einsum("di,di->d", theta, np.linalg.solve(_sigma(d), theta[:, :, None])[:, :, 0]) / d.c[:, 0]
    return dist.f_p((d.nu - n + 1) / (d.nu * n) * t2, n, d.nu - n + 1)


def joint_sq(d: Draws) -> Array:
    """p of joint_sq: the day's T2 among the T2 of all estimation days; one session and nu > 3N only."""
    n, length = d.n, d.ar.shape[2]
    if length != 1 or d.nu <= 3 * n:
        return np.full(d.e.shape[0], np.nan)
    now = np.einsum("di,di->d", d.car, np.linalg.solve(_sigma(d), d.car[:, :, None])[:, :, 0]) / d.c[:, 0]
    past = d.once("past_t2", lambda: _past_t2(d))
    return (1 + np.sum(past >= now[:, None] - dist.TIE * (1 + now[:, None]), axis=1)) / (past.shape[1] + 1)


def _past_t2(d: Draws) -> Array:
    """T2 of every estimation day with that day deleted, (D, M)."""
    values = np.einsum("dim,dim->dm", d.e, np.linalg.solve(_sigma(d), d.e)) / (1 - d.lev[:, 0])
    return values * (d.nu - 1) / (d.nu - values)


SINGLE: dict[str, Test] = {"t_car": t_car, "sq": sq}
ONE_DATE: dict[str, Test] = {
    "t_xs": t_xs, "patell": patell, "bmp": bmp, "kp_bmp": kp_bmp, "kp_patell": kp_patell, "sign": sign,
    "gen_sign": gen_sign, "corrado_zivney": corrado_zivney, "grank_t": grank_t, "grank_raw": grank_raw,
    "portfolio_t": portfolio_t, "portfolio_sq": portfolio_sq, "mvrm_f": mvrm_f, "joint_sq": joint_sq,
}  # fmt: skip
MANY_DATES: dict[str, Test] = {
    "t_xs": t_xs, "patell": patell, "bmp": bmp, "kp_bmp": kp_bmp, "kp_patell": kp_patell, "sign": sign,
    "gen_sign": gen_sign, "wilcoxon": wilcoxon, "corrado_zivney": corrado_zivney, "grank_t": grank_t,
    "grank_raw": grank_raw, "date_t": date_t,
}  # fmt: skip
