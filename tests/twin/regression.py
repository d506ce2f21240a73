"""Sections 3.2 and 5: the same questions asked by regression."""

import math

import numpy as np
from scipy import stats

from .cross import cars, residual_matrix
from .models import finite_rows, intercept_and, ols
from .single import rank_p, t_two_sided, windows


def _answer(b, V, df):
    se = np.sqrt(np.diag(V))
    return dict(b=b, se=se, V=V, t=b / se, df=df, p=t_two_sided(b / se, df))


# ------------------------------------------------------------------------------------------------ cross-section (5.3)


def xs_regression(Z, y, cov="HC3", clusters=None):
    """OLS of y on Z with `ols`, HC0-HC3, or clustered CR0, CR1 standard errors."""
    n, k = Z.shape
    b, bread, u = ols(y, Z)
    h = [Z[i] @ bread @ Z[i] for i in range(n)]
    if cov == "ols":
        return _answer(b, bread * (u @ u) / (n - k), n - k)
    if cov in ("CR0", "CR1"):
        groups = sorted(set(clusters))
        G = len(groups)
        meat = np.zeros((k, k))
        for g in groups:
            score = sum(Z[i] * u[i] for i in range(n) if clusters[i] == g)
            meat += np.outer(score, score)
        factor = G / (G - 1) * (n - 1) / (n - k) if cov == "CR1" else 1.0
        return _answer(b, factor * bread @ meat @ bread, G - 1)
    weight = {
        "HC0": lambda i: 1.0,
        "HC1": lambda i: n / (n - k),
        "HC2": lambda i: 1 / (1 - h[i]),
        "HC3": lambda i: 1 / (1 - h[i]) ** 2,
    }[cov]
    meat = sum(np.outer(Z[i], Z[i]) * u[i] ** 2 * weight(i) for i in range(n))
    return _answer(b, bread @ meat @ bread, n - k)


def wls(Z, y, variances):
    """Weights 1/variance, scale = weighted RSS/(n-k)."""
    n, k = Z.shape
    root = 1 / np.sqrt(np.asarray(variances, float))
    b, bread, u = ols(y * root, Z * root[:, None])
    return _answer(b, bread * (u @ u) / (n - k), n - k)


def fgls(Z, y, variances):
    """Var = sigma_u^2 + s_i^2 c_i, sigma_u^2 = max(0, (sum u^2 - sum (1-h) s_i^2 c_i)/(n-k)), h and u from OLS."""
    n, k = Z.shape
    variances = np.asarray(variances, float)
    _, bread, u = ols(y, Z)
    h = np.array([Z[i] @ bread @ Z[i] for i in range(n)])
    sigma_u2 = max(0.0, (u @ u - sum((1 - h) * variances)) / (n - k))
    total = sigma_u2 + variances
    root = 1 / np.sqrt(total)
    b, bread, _ = ols(y * root, Z * root[:, None])
    return _answer(b, bread, n - k) | dict(sigma_u2=sigma_u2)


def sefcik_thompson(fits, Z):
    """d = W theta, W = (Z'Z)^-1 Z', Var(d) = c W Sigma W', df M-k (common date)."""
    W = np.linalg.inv(Z.T @ Z) @ Z.T
    _, Sigma = residual_matrix(fits)
    answer = _answer(W @ cars(fits), fits[0]["c"] * W @ Sigma @ W.T, fits[0]["df"])
    return answer | dict(delta=answer["b"])


def tsols(fits, Z, coefficient=1):
    """The same W applied to every estimation window: empirical p of |d_0| and z = d_0/sd(d_q)."""
    W = np.linalg.inv(Z.T @ Z) @ Z.T
    L = fits[0]["L2"]
    firms = [{q: total for q, total, _ in windows(f, L)} for f in fits]
    starts = [q for q in firms[0] if all(q in other for other in firms)]
    null = [(W @ np.array([firm[q] for firm in firms]))[coefficient] for q in starts]
    d = (W @ cars(fits))[coefficient]
    return dict(m=len(null), d=d, p=rank_p(abs(d), [abs(x) for x in null]), z=d / np.std(null, ddof=1))


# ------------------------------------------------------------------------------------------------ event days (5.1)


def event_dummies(y, X, est, ev):
    """y on X and one dummy per event row: gamma = AR, its covariance, and the Wald F that all are zero."""
    est, ev = list(est), list(ev)
    rows = finite_rows(est + ev, y, X)
    inside = [t for t in rows if t in ev]
    dummies = np.array([[1.0 if t == u else 0.0 for u in inside] for t in rows])
    design = np.hstack([X[rows], dummies])
    b, inverse, e = ols(y[rows], design)
    k = X.shape[1]
    df = len(rows) - design.shape[1]
    s2 = e @ e / df
    gamma, V = b[k:], s2 * inverse[k:, k:]
    one = np.ones(len(gamma))
    F = gamma @ np.linalg.inv(V) @ gamma / len(gamma)
    return dict(
        b=b[:k],
        gamma=gamma,
        se=np.sqrt(np.diag(V)),
        df=df,
        car=one @ gamma,
        car_se=math.sqrt(one @ V @ one),
        F=F,
        p_F=stats.f.sf(F, len(gamma), df),
    )


def window_dummy(y, X, est, ev):
    """ONE dummy equal to 1 over the whole window: not CAR/L2, the window rows help to estimate b."""
    rows = finite_rows(list(est) + list(ev), y, X)
    dummy = np.array([1.0 if t in list(ev) else 0.0 for t in rows])
    design = np.column_stack([X[rows], dummy])
    b, inverse, e = ols(y[rows], design)
    df = len(rows) - design.shape[1]
    return dict(gamma=b[-1], se=math.sqrt(e @ e / df * inverse[-1, -1]), df=df)


# ------------------------------------------------------------------------------------------------ calendar time (3.2)


def newey_west(y, X, lags):
    """HAC covariance with Bartlett weights 1 - j/(lags+1), no small-sample factor."""
    b, bread, u = ols(y, X)
    score = X * u[:, None]
    meat = score.T @ score
    for j in range(1, lags + 1):
        gamma = score[j:].T @ score[:-j]
        meat = meat + (1 - j / (lags + 1)) * (gamma + gamma.T)
    return _answer(b, bread @ meat @ bread, len(y) - X.shape[1])


def newey_west_lag(T):
    return math.floor(4 * (T / 100) ** (2 / 9))


def calendar_portfolio(R, tau0, H, min_firms=1):
    """(t, R_p, firms) on every session t with P_t = {i: tau0_i <= t < tau0_i + H} large enough."""
    out = []
    for t in range(len(R)):
        members = [i for i, q in enumerate(tau0) if q <= t < q + H and np.isfinite(R[t, i])]
        if len(members) >= max(1, min_firms):
            out.append((t, np.mean([R[t, i] for i in members]), members))
    return out


def calendar_time(R, F, tau0, H, rf=0.0, cov="ols", min_firms=1):
    """R_p - Rf on 1 and the factors; the intercept is the average abnormal return per session.

    `cov`: `ols`, `HC1`, `newey_west`, or `wls` with the number of firms as weight.
    """
    rows = calendar_portfolio(R, tau0, H, min_firms)
    t = [x[0] for x in rows]
    y = np.array([x[1] for x in rows]) - rf
    X = intercept_and(np.asarray(F)[t])
    if cov == "wls":
        answer = wls(X, y, [1 / len(x[2]) for x in rows])
    elif cov == "newey_west":
        answer = newey_west(y, X, newey_west_lag(len(y)))
    else:
        answer = xs_regression(X, y, cov)
    return answer | dict(n_days=len(y), alpha=answer["b"][0], alpha_se=answer["se"][0])


def calendar_time_standardized(R, expected, tau0, H, lookback=60):
    """Jaffe-Mandelker: portfolio AR over the sd of the same members' AR in the previous sessions; t = mean sqrt(T).

    `expected`: firm-level fitted returns on all sessions (T x N).
    """
    z = []
    for t, _, members in calendar_portfolio(R, tau0, H):
        ar = [np.mean([R[u, i] - expected[u, i] for i in members]) for u in range(t - lookback, t + 1)]
        z.append(ar[-1] / np.std(ar[:-1], ddof=1))
    return dict(stat=np.mean(z) * math.sqrt(len(z)), T=len(z))


# ------------------------------------------------------------------------------------------------ volume (4.12)


def log_turnover(turnover, variant="percent"):
    """ln(100 turnover + 0.000255), or ln(turnover + 0.000255) (`fraction`)."""
    return math.log((100 if variant == "percent" else 1) * turnover + 0.000255)


def prais_winsten(y, X):
    """AR(1) EGLS: rho = sum e_t e_{t-1} / sum e_{t-1}^2, rows quasi-differenced, the first one times sqrt(1-rho^2)."""
    _, _, e = ols(y, X)
    rho = sum(e[1:] * e[:-1]) / sum(e[:-1] ** 2)
    y2, X2 = y.copy(), X.copy()
    y2[1:], X2[1:] = y[1:] - rho * y[:-1], X[1:] - rho * X[:-1]
    y2[0], X2[0] = math.sqrt(1 - rho**2) * y[0], math.sqrt(1 - rho**2) * X[0]
    b, inverse, u = ols(y2, X2)
    df = len(y) - X.shape[1]
    return _answer(b, inverse * (u @ u) / df, df) | dict(rho=rho)
