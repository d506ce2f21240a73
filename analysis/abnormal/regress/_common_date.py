"""Standard errors for pairs that share a date: how much would this slope have moved on the days before?

W = (Z'Z)^-1 Z' turns abnormal returns into coefficients; what all firms share is in the residual matrix of the estimation
window, so the spread of W e_t over those days is the standard error, whatever the firms' correlation (METHODS 5.3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..domain import Excluded, FloatArray, IntArray, TestResult
from ..inference._date import date_system
from ..inference._runs import joint_runs
from ..inference._window import distinct_dates, window_stats
from ..kernel import dist, sandwich
from ._estimators import by_student, model, with_covariance
from ._setup import CannotEstimate, Estimate, Setup

MIN_WINDOWS = 19
DEFAULT_COMPONENTS = 100


class Covariance(NamedTuple):
    """The setup of the pairs that stay, v (n, n) of their CARs, its degrees of freedom, the estimation rows behind it."""

    setup: Setup
    v: FloatArray
    df: float
    m: int


def car_covariance(s: Setup) -> Covariance:
    """Var(CAR) = c Sigma on one date; with several dates one block each, provided their windows do not meet."""
    if not s.linear:
        raise CannotEstimate("needs the CAR itself on the left side of the formula")
    dates = distinct_dates(s.ar)
    days = np.unique(dates)
    if days.size > 1 and _windows_meet(s):
        raise CannotEstimate("event windows of different dates share sessions; cluster by date instead")
    blocks = [_block(s, np.flatnonzero(dates == d)) for d in days]
    rows = np.concatenate([b.rows for b in blocks])
    order = np.argsort(rows, kind="stable")
    v = np.zeros((rows.size, rows.size))
    at = 0
    for b in blocks:
        v[at : at + b.rows.size, at : at + b.rows.size] = b.v
        at += b.rows.size
    y = np.concatenate([b.theta for b in blocks])[order]
    left_out = tuple(x for b in blocks for x in b.left_out)
    kept = s.keep(rows[order], y, left_out) if left_out or not np.array_equal(y, s.y) else s
    return Covariance(kept, v[np.ix_(order, order)], min(b.df for b in blocks), min(b.m for b in blocks))


class _Block(NamedTuple):
    rows: IntArray
    theta: FloatArray
    v: FloatArray
    df: float
    m: int
    left_out: tuple[Excluded, ...]


def _windows_meet(s: Setup) -> bool:
    """Whether windows of different dates share a session."""
    days = s.ar.dates[:, s.ar.columns(s.window)]
    distinct = np.unique(days, axis=0)
    flat = distinct[~np.isnat(distinct)]
    return bool(np.unique(flat).size < flat.size)


def _block(s: Setup, rows: IntArray) -> _Block:
    """CARs and covariance of the pairs of one date."""
    if rows.size == 1:
        i = int(rows[0])
        return _Block(rows, s.y[rows], s.variance[rows][:, None], float(s.ar.df[i]), int(s.ar.m[i]), ())
    part = s.ar.take(rows)
    system = date_system("this covariance", part, s.window, s.opt, "", joint=False)
    if isinstance(system, TestResult):
        raise CannotEstimate(system.reason.removeprefix("this covariance "))
    gone = np.setdiff1d(np.arange(rows.size), system.rows)
    left_out = tuple(_left_out(s, int(rows[i]), f"too few sessions in common with the other firms ({int(part.m[i])} of its "
                                                "own), or a return missing in the window") for i in gone)  # fmt: skip
    return _Block(
        rows[system.rows], system.theta, system.c * system.sigma, float(system.nu), int(system.e.shape[0]), left_out
    )  # fmt: skip


def _left_out(s: Setup, i: int, why: str) -> Excluded:
    what = f"{s.ar.ticker[i]} at {s.ar.event_id[i]}"
    return Excluded("regression", what, why, "", s.ar.event_id[i], s.ar.ticker[i])


def _still_identified(s: Setup) -> None:
    if not sandwich.full_rank(s.z) or s.n <= s.k:
        raise CannotEstimate(f"{s.n} pairs are left, on which {s.k} coefficients cannot be told apart")


def sefcik_thompson(s: Setup) -> Estimate:
    """Sefcik and Thompson (1986): d = W theta, Var(d) = c W Sigma W', t(M - k)."""
    cov = car_covariance(s)
    _still_identified(cov.setup)
    w = sandwich.least_squares(cov.setup.z, cov.setup.y).operator
    variance = w @ cov.v @ w.T
    fit = with_covariance(model(cov.setup).fit(), variance, cov.df, "sefcik_thompson")
    return by_student(cov.setup, fit, cov.df, facts={"m": cov.m})


def tsols(s: Setup) -> Estimate:
    """Cohn, Johnson, Liu and Wardlaw (2023): the same W on every window before the event.

    d_q = W e_q over all m runs of estimation residuals; p = (1 + #{|d_q| >= |d_0|}) / (m + 1), z = d_0 / sd(d_q).
    """
    if not s.linear:
        raise CannotEstimate("needs the CAR itself on the left side of the formula")
    if np.unique(distinct_dates(s.ar)).size > 1:
        raise CannotEstimate("needs one common date; these pairs have several")
    rows = np.arange(s.n)
    if not (s.ar.dates == s.ar.dates[:1]).all():
        raise CannotEstimate("needs one common session axis; these firms trade on different sessions")
    null_cars = joint_runs(s.ar, rows, s.window, studentised=False)
    m = null_cars.shape[0]
    if m < MIN_WINDOWS:
        i = int(np.argmin(s.ar.m))
        raise CannotEstimate(
            f"{m} windows before the event on which every firm has its returns; it needs {MIN_WINDOWS}. Shortest history: "
            f"{s.ar.ticker[i]} with {int(s.ar.m[i])} returns"
        )
    f = sandwich.least_squares(s.z, s.y)
    null = null_cars @ f.operator.T
    spread = null.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = f.coef / spread
    p = np.array([dist.empirical_p(null[:, j], float(f.coef[j]), s.opt.alternative) for j in range(s.k)])
    fit = with_covariance(model(s).fit(), np.cov(null, rowvar=False, ddof=1).reshape(s.k, s.k), np.inf, "tsols")
    longest = int(window_stats(s.ar, s.window).n.max())
    facts = {"m": m, "m_over_L2": m / longest, "min_p": 1.0 / (m + 1)}
    named = f"rank among {m} windows before the event (smallest p {1.0 / (m + 1):.3g})"
    return Estimate(s, f.coef, spread, z, p, np.nan, named, fit, np.abs(null), np.ones(s.k), facts)


def gls(s: Setup) -> Estimate:
    """Generalised least squares with Var(CAR) = c Sigma, Sigma = principal components plus a diagonal, t(M - k).

    The leading components of the residual covariance keep what the firms share, the diagonal what is their own, so that
    the matrix can be inverted with more firms than days. Default: n / 4 components, at most 100.
    """
    cov = car_covariance(s)
    kept = cov.setup
    _still_identified(kept)
    q = max(1, min(DEFAULT_COMPONENTS, kept.n // 4)) if kept.components is None else kept.components
    if not 0 <= q <= kept.n:
        raise CannotEstimate(f"{q} components of {kept.n} firms; choose 0 to {kept.n}")
    if q > cov.m:
        raise CannotEstimate(f"{q} components need as many days before the event; there are {cov.m}")
    sigma = factor_covariance(cov.v, q)
    if np.linalg.eigvalsh(sigma)[0] <= 1e-12 * np.trace(sigma) / kept.n:
        raise CannotEstimate("singular residual covariance: some firms move exactly as others")
    base = model(kept, "GLS", sigma=sigma).fit()
    bread = np.linalg.inv(kept.z.T @ np.linalg.solve(sigma, kept.z))
    fit = with_covariance(base, bread, cov.df, "gls")
    return by_student(kept, fit, cov.df, facts={"components": q, "m": cov.m})


def factor_covariance(v: FloatArray, components: int) -> FloatArray:
    """P Lambda P' of the leading components, with the diagonal of v itself."""
    values, vectors = np.linalg.eigh(v)
    lead = vectors[:, values.size - components :]
    common = (lead * values[values.size - components :]) @ lead.T
    out = common.copy()
    np.fill_diagonal(out, np.diag(v))
    return out
