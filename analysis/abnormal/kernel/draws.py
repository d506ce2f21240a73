"""The whole battery on many simulated studies at once: D draws of N firms on one date, complete data.

Power simulations, size tables and Brown-Warner experiments ask the same tests thousands of times. The models and tests are
those of `models/` and `inference/`; the test-suite holds each against its registered twin.

Shapes: D draws, N firms, M estimation sessions, L event sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from . import dist
from .ranks import midranks

Array = NDArray[np.float64]
Test = Callable[["Draws"], Array]


class Draws(NamedTuple):
    """Estimates of D studies: residuals e (D, N, M), event abnormal returns ar (D, N, L), s (D, N), and per draw the
    multiplier c (D,) of the CAR variance, the day multipliers h (D, L), the sums of squares behind studentised runs
    q (D, M - L + 1), degrees of freedom nu and the estimation-row leverages lev (D, M). centred: sigma is taken about the
    mean residual (market_adjusted). kept: what depends on the residuals alone, shared by all effects."""

    e: Array
    ar: Array
    s: Array
    c: Array
    h: Array
    q: Array
    lev: Array
    nu: float
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
        return self.car / (self.s * np.sqrt(self.c)[:, None])

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


def estimate(y: Array, rm: Array, event_y: Array, event_rm: Array, model: str = "market") -> Draws:
    """Fit y (D, N, M) on rm (D, M) and forecast event_y (D, N, L) with event_rm (D, L).

    Models: market, market_zero_alpha, market_adjusted, mean.
    """
    m, length = y.shape[2], event_y.shape[2]
    mean = rm.mean(axis=1)
    xc = rm - mean[:, None]
    ssm = np.einsum("dm,dm->d", xc, xc)
    ex = event_rm - mean[:, None]
    if model in ("market", "market_zero_alpha"):
        beta = np.einsum("dnm,dm->dn", y, xc) / ssm[:, None]
        e = y - beta[:, :, None] * (xc if model == "market" else rm)[:, None, :]
        alpha = e.mean(axis=2) if model == "market" else np.zeros(beta.shape)
        e = e - alpha[:, :, None]
        ar = event_y - alpha[:, :, None] - beta[:, :, None] * (ex if model == "market" else event_rm)[:, None, :]
    elif model == "mean":
        alpha = y.mean(axis=2)
        e, ar = y - alpha[:, :, None], event_y - alpha[:, :, None]
    elif model == "market_adjusted":
        e, ar = y - rm[:, None, :], event_y - event_rm[:, None, :]
    else:
        raise ValueError(f"no batched form of model {model!r}")
    return _finish(e, ar, xc, ex, rm, event_rm, ssm, m, length, model)


def _finish(
    e: Array, ar: Array, xc: Array, ex: Array, rm: Array, event_rm: Array, ssm: Array, m: int, length: int, model: str
) -> Draws:
    """Variances of the model: residual, CAR, day, runs of residuals and leverage."""
    d = e.shape[0]
    runs = sliding_window_view(xc, length, axis=1).sum(axis=2)
    nu = {"market": m - 2.0, "market_zero_alpha": m - 1.0, "mean": m - 1.0, "market_adjusted": m - 1.0}[model]
    if model == "market":
        c = length + length**2 / m + ex.sum(axis=1) ** 2 / ssm
        h = 1 + 1 / m + ex**2 / ssm[:, None]
        q = length - length**2 / m - runs**2 / ssm[:, None]
        lev = 1 / m + xc**2 / ssm[:, None]
    elif model == "market_zero_alpha":
        c = length + event_rm.sum(axis=1) ** 2 / ssm
        h = 1 + event_rm**2 / ssm[:, None]
        q, lev = np.full(runs.shape, float(length)), np.zeros(xc.shape)
    elif model == "mean":
        c, h = np.full(d, length + length**2 / m), np.full((d, length), 1 + 1 / m)
        q, lev = np.full(runs.shape, length - length**2 / m), np.full(xc.shape, 1 / m)
    else:
        c, h = np.full(d, float(length)), np.ones((d, length))
        q, lev = np.full(runs.shape, float(length)), np.zeros(xc.shape)
    centred = e - e.mean(axis=2, keepdims=True) if model == "market_adjusted" else e
    s = np.sqrt(np.einsum("dnm,dnm->dn", centred, centred) / nu)
    return Draws(e, ar, s, c, h, q, lev, nu, model == "market_adjusted", {})


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


def mean_correlation(e: Array) -> Array:
    """Average off-diagonal Pearson correlation of the residuals of each draw, by the column-sum identity: (D,)."""
    n = e.shape[1]
    centred = e - e.mean(axis=2, keepdims=True)
    unit = centred / np.sqrt(np.einsum("dnm,dnm->dn", centred, centred))[:, :, None]
    total = unit.sum(axis=1)
    return (np.einsum("dm,dm->d", total, total) - n) / (n * (n - 1))


def _kp(d: Draws, t: Array, patell_form: bool) -> Array:
    r = d.once("rbar", lambda: mean_correlation(d.e))
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


# ------------------------------------------------------------------------------------------------ the date as unit


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
    return sums / (d.s[:, :1] * np.sqrt(d.q))


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
    t2 = np.einsum("di,di->d", theta, np.linalg.solve(_sigma(d), theta[:, :, None])[:, :, 0]) / d.c
    return dist.f_p((d.nu - n + 1) / (d.nu * n) * t2, n, d.nu - n + 1)


def joint_sq(d: Draws) -> Array:
    """p of joint_sq: the day's T2 among the T2 of all estimation days; one session and nu > 3N only."""
    n, length = d.n, d.ar.shape[2]
    if length != 1 or d.nu <= 3 * n:
        return np.full(d.e.shape[0], np.nan)
    now = np.einsum("di,di->d", d.car, np.linalg.solve(_sigma(d), d.car[:, :, None])[:, :, 0]) / d.c
    past = d.once("past_t2", lambda: _past_t2(d))
    return (1 + np.sum(past >= now[:, None] - dist.TIE * (1 + now[:, None]), axis=1)) / (past.shape[1] + 1)


def _past_t2(d: Draws) -> Array:
    """T2 of every estimation day with that day deleted, (D, M)."""
    values = np.einsum("dim,dim->dm", d.e, np.linalg.solve(_sigma(d), d.e)) / (1 - d.lev)
    return values * (d.nu - 1) / (d.nu - values)


SINGLE: dict[str, Test] = {"t_car": t_car, "sq": sq}
ONE_DATE: dict[str, Test] = {
    "t_xs": t_xs, "patell": patell, "bmp": bmp, "kp_bmp": kp_bmp, "kp_patell": kp_patell, "sign": sign,
    "gen_sign": gen_sign, "corrado_zivney": corrado_zivney, "grank_t": grank_t, "grank_raw": grank_raw,
    "portfolio_t": portfolio_t, "portfolio_sq": portfolio_sq, "mvrm_f": mvrm_f, "joint_sq": joint_sq,
}  # fmt: skip
