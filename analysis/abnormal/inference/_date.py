"""Several firms on one date as one multivariate regression: residual matrix, joint effects and their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, TestOptions, TestResult, Window
from ..kernel import ols
from ._cross import keep_complete, one_date_rows
from ._window import estimation_block, window_stats


@dataclass(frozen=True, slots=True, eq=False)
class DateSystem:
    """N firms, M complete estimation rows, the same regressors for all.

    e (M, N) residuals; theta (N,) CARs; c: Var(theta) = c Sigma; sigma (N, N) = E'E / nu; x (M, k), fit (k, M) with
    coefficients = fit @ y; u (k,) summed event design; keep (M,) residual variance factor 1 - h; centred: Sigma is taken about
    the mean. rows: the pairs; left_out: tickers dropped for short histories or missing event returns.
    """

    e: FloatArray
    theta: FloatArray
    c: float
    nu: float
    sigma: FloatArray
    x: FloatArray
    fit: FloatArray
    u: FloatArray
    keep: FloatArray
    centred: bool
    rows: IntArray
    left_out: tuple[str, ...]

    @property
    def n(self) -> int:
        return int(self.theta.size)

    def solve(self, b: FloatArray) -> FloatArray:
        """Sigma^-1 b."""
        return np.asarray(np.linalg.solve(self.sigma, b), float)

    @property
    def t2(self) -> float:
        """theta' Sigma^-1 theta / c."""
        return float(self.theta @ self.solve(self.theta) / self.c)


def date_system(
    test: str, ar: AbnormalReturns, window: Window, opt: TestOptions, form: str, joint: bool = True
) -> DateSystem | TestResult:
    """The firms of one date as a system, or why they are none. `joint`: Sigma must be invertible with room (N <= nu / 3)."""
    key = ("date_system", window, opt.min_obs)
    if key not in ar.cache:
        ar.cache[key] = _built(ar, window, opt)
    found = ar.cache[key]
    refusal = one_date_rows(test, ar, window, _whole(ar, window), 2, form)
    if refusal is not None:
        return refusal
    if isinstance(found, str):
        return TestResult.none(test, window, f"{test} {found}", form)
    if joint and found.n > found.nu / 3.0:
        text = f"{test} needs N <= nu / 3; {found.n} firms against {found.nu:g} degrees of freedom"
        return TestResult.none(test, window, text, form)
    if joint and _singular(found.sigma):
        return TestResult.none(test, window, "singular residual covariance: some firms move exactly as others", form)
    return found


def _whole(ar: AbnormalReturns, window: Window) -> IntArray:
    w = window_stats(ar, window)
    return np.flatnonzero(w.usable & w.full)


def _singular(sigma: FloatArray) -> bool:
    scale = np.sqrt(np.diag(sigma))
    return bool(np.linalg.eigvalsh(sigma / np.outer(scale, scale))[0] < 1e-10)


def _built(ar: AbnormalReturns, window: Window, opt: TestOptions) -> DateSystem | str:
    whole = _whole(ar, window)
    if whole.size < 2:
        return "needs 2 firms with a whole event window"
    rows, dropped = keep_complete(ar, whole, opt.min_obs)
    if rows.size < 2:
        return f"needs 2 firms with {opt.min_obs} estimation rows in common"
    why = _not_shared(ar, window, rows)
    if why:
        return why
    missing = tuple(t for i, t in enumerate(ar.ticker) if i not in set(whole.tolist()))
    use = np.flatnonzero(ar.est[rows, estimation_block(ar)].all(axis=0))
    spent = float(ar.m[rows[0]] - ar.df[rows[0]])
    centred = bool(ar.k[rows[0]] == 0 and spent == 1)
    nu = use.size - spent
    if not nu > 0:
        return "has no degrees of freedom left"
    if (ar.m[rows] == use.size).all():
        parts = _as_fitted(ar, window, rows, use)
    else:
        parts = _fitted_again(ar, window, rows, use)
    if isinstance(parts, str):
        return parts
    e, theta, x, fit, u, c, keep = parts
    about = e - e.mean(axis=0) if centred else e
    sigma = about.T @ about / nu
    return DateSystem(e, theta, c, nu, sigma, x, fit, u, keep, centred, rows, missing + dropped)


def _not_shared(ar: AbnormalReturns, window: Window, rows: IntArray) -> str:
    """Why the firms cannot be one system with common regressors, or an empty string."""
    models = sorted({ar.model[i] for i in rows})
    if len(models) > 1:
        return f"needs one model for all firms; here: {', '.join(models)}"
    block = slice(0, ar.columns(window).stop)
    some: BoolArray = np.all(ar.est[rows, block], axis=0)
    some[ar.columns(window)] = True
    if not (ar.noise[rows, block][:, some] == 1.0).all():
        return "needs returns of one session each with constant variance"
    x = ar.x[rows, block][:, some]
    if x.shape[2] and not (np.abs(x - x[:1]) <= 1e-12 * np.abs(x[:1]).max()).all():
        return "needs the same regressors for all firms"
    return ""


Parts = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, float, FloatArray]


def _leverage(x: FloatArray, fit: FloatArray, in_sample: bool) -> FloatArray:
    """1 - h of every row for in-sample residuals, 1 otherwise."""
    g = fit @ fit.T
    return 1.0 - np.einsum("ri,ij,rj->r", x, g, x) if in_sample else np.ones(x.shape[0])


def _operator(ar: AbnormalReturns, i: int, x: FloatArray) -> FloatArray | None:
    """fit (k, M) of pair i's model on the rows x (M, k); None where its coefficients are not linear in the returns."""
    m, k = x.shape
    if k == 0:
        return np.zeros((0, m))
    refit = ar.refit.get(ar.model[i])
    if refit is None:
        return None

    def residuals(y: FloatArray) -> FloatArray:
        rows = y.shape[0]
        return refit(y, np.broadcast_to(x, (rows, m, k)), np.ones((rows, m), bool))

    a, b = np.cos(np.arange(m, dtype=float)), np.sin(np.arange(m, dtype=float) ** 2)
    ra, rb, both = residuals(np.stack([a, b, a + b]))
    if not np.allclose(ra + rb, both, rtol=0, atol=1e-9):
        return None
    least_squares = np.asarray(np.linalg.pinv(x), float)
    if np.allclose(ra, a - x @ (least_squares @ a), rtol=0, atol=1e-9):
        return least_squares
    # Residuals of unit returns are the columns of I - X fit, whatever linear rule the model has for its coefficients.
    unit = residuals(np.eye(m)).T
    return np.asarray(np.linalg.lstsq(x, np.eye(m) - unit, rcond=None)[0], float)


def _as_fitted(ar: AbnormalReturns, window: Window, rows: IntArray, use: IntArray) -> Parts | str:
    """The study's own residuals and CARs: every firm was fitted on exactly the common rows."""
    w = window_stats(ar, window)
    i = int(rows[0])
    k = int(ar.k[i])
    x, u = ar.x[i, use, :k], ar.x[i, ar.columns(window), :k].sum(axis=0)
    fit = _operator(ar, i, x)
    keep = np.ones(use.size)
    if ar.fitted[i] and k:
        keep = 1.0 - np.einsum("ri,ij,rj->r", x, ar.g[i, :k, :k], x)
    return (
        ar.ar[rows][:, use].T,
        w.car[rows],
        x,
        np.full((k, use.size), np.nan) if fit is None else fit,
        u,
        float(w.c[i]),
        keep,
    )


def _fitted_again(ar: AbnormalReturns, window: Window, rows: IntArray, use: IntArray) -> Parts | str:
    """All firms fitted afresh on the sessions they share."""
    i = int(rows[0])
    k = int(ar.k[i])
    cols = ar.columns(window)
    x, event_x = ar.x[i, use, :k], ar.x[i, cols, :k]
    fit = _operator(ar, i, x)
    if fit is None:
        return f"cannot fit model {ar.model[i]!r} again on the {use.size} sessions all firms share"
    if k and not _full_rank(x):
        return "has collinear regressors on the sessions all firms share"
    y = ar.raw[rows] - (ar.expected[rows] if k == 0 else 0.0)
    b = fit @ y[:, use].T
    e = y[:, use].T - x @ b
    theta = (y[:, cols].T - event_x @ b).sum(axis=0)
    u = event_x.sum(axis=0)
    c = float(event_x.shape[0] + u @ fit @ fit.T @ u)
    return e, theta, x, fit, u, c, _leverage(x, fit, bool(ar.fitted[i]))


def _full_rank(x: FloatArray) -> bool:
    mask: BoolArray = np.ones((1, x.shape[0]), bool)
    return bool(ols.least_squares(np.zeros((1, x.shape[0])), x[None], mask).full_rank[0])
