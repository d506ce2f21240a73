"""What the kernel is held against: a loop over events with statsmodels, and two yardsticks of the machine itself."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from panels import ESTIMATION, ROW, WINDOW, Events
from scipy import special

Array = NDArray[np.float64]
M = ESTIMATION[1] - ESTIMATION[0] + 1
LENGTH = WINDOW[1] - WINDOW[0] + 1
KP_LIMIT = 5_000  # above it the matrix of all pairs does not fit


def statsmodels_loop(
    returns: Array, regressors: Array, events: Events, *, ranks: bool = True, correlation: bool = True
) -> dict[str, float]:
    """One OLS an event, then the battery: t_xs, patell, bmp, kp_bmp, sign, gen_sign, corrado_zivney.

    As one writes it with statsmodels: add_constant, OLS, fit, predict, residuals, forecast variance of the CAR from the
    covariance of the parameters, ranks by scipy. regressors (q, T). kp_bmp takes the correlations of all pairs on common
    sessions.
    """
    import statsmodels.api as sm
    from scipy.stats import rankdata

    n, k = events.security.size, regressors.shape[0] + 1
    car, scar, up = np.empty(n), np.empty(n), np.empty(n)
    d = np.zeros(M + LENGTH)
    residuals = np.empty((n, M)) if correlation else np.empty((0, M))
    for i, (s, p) in enumerate(zip(events.security, events.position)):
        est = slice(p + ESTIMATION[0], p + ESTIMATION[1] + 1)
        event = slice(p + WINDOW[0], p + WINDOW[1] + 1)
        fit = sm.OLS(returns[s, est], sm.add_constant(regressors[:, est].T)).fit()
        there = sm.add_constant(regressors[:, event].T)
        ar = returns[s, event] - fit.predict(there)
        u = there.sum(axis=0)
        variance = fit.scale * LENGTH + u @ fit.cov_params() @ u
        car[i] = ar.sum()
        scar[i] = car[i] / np.sqrt(variance)
        up[i] = np.mean(fit.resid > 0)
        if ranks:
            d += rankdata(np.concatenate([fit.resid, ar])) / (M + LENGTH + 1) - 0.5
        if correlation:
            residuals[i] = fit.resid
    out = _battery(car, scar, up, M - k)
    if ranks:
        d /= np.sqrt(n)
        out["corrado_zivney"] = float(d[M:].sum() / np.sqrt(np.mean(d * d)) / np.sqrt(LENGTH))
    if correlation:
        rbar = all_pairs(residuals, events.position)
        out["kp_bmp"] = out["bmp"] * float(np.sqrt((1 - rbar) / (1 + (n - 1) * rbar)))
    return out


def _battery(car: Array, scar: Array, up: Array, nu: int) -> dict[str, float]:
    """Statistics that need no single row; p-values are taken too, as a study would."""
    n = car.size
    if n < 2:
        return {"t_xs": np.nan, "patell": np.nan, "bmp": np.nan, "sign": np.nan, "gen_sign": np.nan}
    phat, wins = up.mean(), int((car > 0).sum())
    out = {
        "t_xs": float(car.mean() / (car.std(ddof=1) / np.sqrt(n))),
        "patell": float(scar.sum() / np.sqrt(n * nu / (nu - 2))),
        "bmp": float(scar.mean() / (scar.std(ddof=1) / np.sqrt(n))),
        "sign": float((wins - n / 2) / (np.sqrt(n) / 2)),
        "gen_sign": float((wins - n * phat) / np.sqrt(n * phat * (1 - phat))),
    }
    special.ndtr(-np.abs(list(out.values())))
    return out


def all_pairs(residuals: Array, position: NDArray[np.int64]) -> float:
    """Overlap-weighted mean of all pairwise complete correlations, as five products of (pairs x sessions) matrices."""
    n = position.size
    sessions = int(np.ptp(position)) + M
    values, mask = np.zeros((n, sessions)), np.zeros((n, sessions))
    at = (position - position.min())[:, None] + np.arange(M)
    np.put_along_axis(values, at, residuals - residuals.mean(axis=1, keepdims=True), axis=1)
    np.put_along_axis(mask, at, 1.0, axis=1)
    common, total = mask @ mask.T, values @ mask.T
    squares = (values * values) @ mask.T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = squares - total**2 / common
        rho = (values @ values.T - total * total.T / common) / np.sqrt(spread * spread.T)
    share = np.maximum(0.0, 1.0 - np.abs(position[:, None] - position[None, :]) / LENGTH)
    weighted = np.where(common >= 30, np.nan_to_num(rho), 0.0) * share
    return float(np.triu(weighted, 1).sum() / (n * (n - 1) / 2))


# ------------------------------------------------------------------------------------------------ yardsticks


def rows_of(returns: Array, events: Events) -> Array:
    """The whole rows (E, 271) of some events."""
    return sliding_window_view(returns, ROW, axis=1)[events.security, events.position + ESTIMATION[0]]


def argsort_rows(rows: Array, chunk: int = 256) -> int:
    """np.argsort of every row: below this a full battery with rank test cannot come by indices."""
    return sum(int(np.argsort(rows[i : i + chunk], axis=1)[0, 0]) for i in range(0, len(rows), chunk))


def touch_rows(returns: Array, events: Events, chunk: int = 256) -> float:
    """Read every number of every event once: below this nothing can be."""
    rows = sliding_window_view(returns, ROW, axis=1)
    first = events.position + ESTIMATION[0]
    ones, total = np.ones(ROW), 0.0
    for i in range(0, events.security.size, chunk):
        total += float(np.vecdot(rows[events.security[i : i + chunk], first[i : i + chunk]], ones).sum())
    return total
