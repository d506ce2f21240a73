"""Section 2: what would the return have been? Every model answers with the same dict, the `fit`.

A model gets whole series and two lists of row numbers, `est` and `ev` (estimation and event rows, gaps included, in
time order); a row with a missing value is left out of the estimation and stays NaN in the answer.

Keys of a fit: `b` coefficients; `s2` residual variance; `M` rows used; `k` parameters; `df` degrees of freedom (nu);
`est`, `ev` the rows; `resid` residuals on all estimation rows; `ar` abnormal returns on all event rows;
`resid_cov`, `ar_cov` their covariance matrices divided by s2; `h` = diag(ar_cov) - 1; `S` standard error and `sar`
standardised value of each AR; `L2` event rows available; `car`, `c` = 1'ar_cov 1, `car_se`, `scar` = `full`;
`sigma_resid` the residuals that make up the covariance matrix of several firms (5.2).
"""

import itertools
import math

import numpy as np
from scipy import optimize, special

NORMAL_Q75 = special.ndtri(0.75)


# ------------------------------------------------------------------------------------------------ building blocks


def finite_rows(rows, *columns):
    """The rows on which every column (or every column of a matrix) has a number."""
    return [t for t in rows if all(np.all(np.isfinite(np.atleast_1d(c[t]))) for c in columns)]


def ols(y, X):
    """b = (X'X)^-1 X'y, the inverse itself, and the residuals."""
    inverse = np.linalg.inv(X.T @ X)
    b = inverse @ X.T @ y
    return b, inverse, y - X @ b


def intercept_and(x):
    """The regressor matrix [1, x]."""
    return np.column_stack([np.ones(len(x)), x])


def make_fit(est, ev, resid, ar, s2, M, k, resid_cov, ar_cov, **more):
    """Everything that follows from residuals, abnormal returns, s2 and the two covariance matrices (2.8)."""
    if s2 < 1e-28:  # zero residual variance: nothing can be standardised
        s2 = math.nan
    there = [j for j in range(len(ev)) if np.isfinite(ar[j])]
    car = sum(ar[j] for j in there) if there else math.nan
    c = sum(ar_cov[i, j] for i in there for j in there) if there else math.nan
    S = np.sqrt(s2 * np.diag(ar_cov))
    fit = dict(
        est=list(est),
        ev=list(ev),
        resid=resid,
        ar=ar,
        s2=s2,
        s=math.sqrt(s2),
        M=M,
        k=k,
        df=M - k,
        resid_cov=resid_cov,
        ar_cov=ar_cov,
        h=np.diag(ar_cov) - 1,
        S=S,
        sar=ar / S,
        L2=len(there),
        car=car,
        c=c,
        car_se=math.sqrt(s2 * c),
        scar=car / math.sqrt(s2 * c),
        sigma_resid=resid,
    )
    fit.update(more)
    return fit


def blank(n):
    return np.full(n, np.nan)


def predict_with(y, X, b, rows):
    """y - Xb on the rows, NaN where something is missing."""
    out = blank(len(rows))
    for j, t in enumerate(rows):
        if np.isfinite(y[t]) and np.all(np.isfinite(X[t])):
            out[j] = y[t] - X[t] @ b
    return out


def least_squares_covs(X, inverse, est, ev):
    """Cov(resid)/s2 = I - X(X'X)^-1X' on estimation rows, Cov(AR)/s2 = I + X*(X'X)^-1X*' on event rows."""
    resid_cov = np.eye(len(est)) - X[est] @ inverse @ X[est].T
    ar_cov = np.eye(len(ev)) + X[ev] @ inverse @ X[ev].T
    return resid_cov, ar_cov


def linear(y, X, est, ev):
    """Any linear model: OLS of y on X over the estimation rows, s2 = e'e/(M-k)."""
    est, ev = list(est), list(ev)
    used = finite_rows(est, y, X)
    b, inverse, e = ols(y[used], X[used])
    M, k = len(used), X.shape[1]
    covs = least_squares_covs(X, inverse, est, ev)
    resid, ar = predict_with(y, X, b, est), predict_with(y, X, b, ev)
    return make_fit(est, ev, resid, ar, e @ e / (M - k), M, k, *covs, b=b, XtX_inv=inverse)


def without_parameters(y, est, ev, sigma="s_mean"):
    """k = 0: the series itself is the residual and the abnormal return; sigma by `s_mean` (ddof 1) or `s_zero`."""
    est, ev = list(est), list(ev)
    used = finite_rows(est, y)
    M = len(used)
    mean = y[used].mean()
    s_mean2 = sum((y[t] - mean) ** 2 for t in used) / (M - 1)
    s_zero2 = sum(y[t] ** 2 for t in used) / M
    s2, df = (s_mean2, M - 1) if sigma == "s_mean" else (s_zero2, M)
    resid = y[est].copy()
    centred = resid - mean if sigma == "s_mean" else resid
    fit = make_fit(
        est, ev, resid, y[ev].copy(), s2, M, 0, np.eye(len(est)), np.eye(len(ev)), b=np.array([]), sigma_resid=centred
    )
    fit.update(df=df, s_mean=math.sqrt(s_mean2), s_zero=math.sqrt(s_zero2))
    return fit


# ------------------------------------------------------------------------------------------------ one-line models


def mean(r, est, ev):
    """Comparison-period mean."""
    return linear(r, np.ones((len(r), 1)), est, ev)


def market_adjusted(r, rm, est, ev, sigma="s_mean"):
    """AR = R - Rm."""
    return without_parameters(r - rm, est, ev, sigma)


def market(r, rm, est, ev):
    """R on 1 and Rm."""
    return linear(r, intercept_and(rm), est, ev)


def capm(r, rm, rf, est, ev):
    """R - Rf on 1 and Rm - Rf."""
    return linear(r - rf, intercept_and(rm - rf), est, ev)


def capm_zero(r, rm, rf, est, ev):
    """R - Rf on Rm - Rf without intercept."""
    return linear(r - rf, (rm - rf)[:, None], est, ev)


def factors(r, rf, F, est, ev):
    """R - Rf on 1 and the columns of F (already excess returns)."""
    return linear(r - rf, intercept_and(F), est, ev)


def ff3(r, rf, mkt_rf, smb, hml, est, ev):
    return factors(r, rf, np.column_stack([mkt_rf, smb, hml]), est, ev)


def carhart4(r, rf, mkt_rf, smb, hml, mom, est, ev):
    return factors(r, rf, np.column_stack([mkt_rf, smb, hml, mom]), est, ev)


def ff5(r, rf, mkt_rf, smb, hml, rmw, cma, est, ev):
    return factors(r, rf, np.column_stack([mkt_rf, smb, hml, rmw, cma]), est, ev)


def ff6(r, rf, mkt_rf, smb, hml, rmw, cma, mom, est, ev):
    return factors(r, rf, np.column_stack([mkt_rf, smb, hml, rmw, cma, mom]), est, ev)


def industry(r, rind, est, ev):
    return market(r, rind, est, ev)


def market_industry(r, rm, rind, est, ev):
    return linear(r, intercept_and(np.column_stack([rm, rind])), est, ev)


def leave_one_out_mean(R, i):
    """Equal-weighted index of all columns but i; NaN on a session where one of them is missing."""
    others = [j for j in range(R.shape[1]) if j != i]
    return np.array([np.mean([R[t, j] for j in others]) for t in range(len(R))])


def rolling(r, rm, est, ev, w=120):
    """`market` on the last w estimation rows (2.5 with T1 fixed)."""
    return market(r, rm, list(est)[-w:], ev)


# ------------------------------------------------------------------------------------------------ zero alpha, shrinkage


def _slope_only(r, rm, est, ev, beta, beta_var, **more):
    """e = R - beta Rm uncentred, s2 = e'e/(M-1), Cov(AR)/s2 = I + Rm Rm' Var(beta)/s2, pseudo windows: L2."""
    est, ev = list(est), list(ev)
    e = r - beta * rm
    used = finite_rows(est, e)
    M = len(used)
    s2 = sum(e[t] ** 2 for t in used) / (M - 1)
    ar_cov = np.eye(len(ev)) + np.outer(rm[ev], rm[ev]) * beta_var(s2)
    return make_fit(est, ev, e[est], e[ev], s2, M, 1, np.eye(len(est)), ar_cov, b=np.array([0.0, beta]), **more)


def market_zero_alpha(r, rm, est, ev):
    """OLS slope WITH intercept, the intercept not carried; c = L2 + (sum Rm)^2/SSm, t(M-1)."""
    used = finite_rows(est, r, rm)
    b, _, e = ols(r[used], intercept_and(rm[used]))
    ssm = sum((rm[t] - rm[used].mean()) ** 2 for t in used)
    r2 = 1 - e @ e / sum((r[t] - r[used].mean()) ** 2 for t in used)
    return _slope_only(r, rm, est, ev, b[1], lambda s2: 1 / ssm, alpha_ols=b[0], r2=r2)


def beta_prior(r, rm, est, ev, b0, s0):
    """Vasicek: beta_v = V (b/se_b^2 + b0/s0^2), V = 1/(1/se_b^2 + 1/s0^2), alpha = 0 (1.7)."""
    used = finite_rows(est, r, rm)
    b, inverse, e = ols(r[used], intercept_and(rm[used]))
    se_b2 = e @ e / (len(used) - 2) * inverse[1, 1]
    V = 1 / (1 / se_b2 + 1 / s0**2)
    beta_v = V * (b[1] / se_b2 + b0 / s0**2)
    return _slope_only(r, rm, est, ev, beta_v, lambda s2: V / s2, alpha_ols=b[0], beta_ols=b[1], V=V)


def drift(market_fit, fit):
    """|alpha| L2 / se(CAR): alpha of the `market` fit, se of the model in use; above 0.5 = estimated trend (1.7)."""
    return abs(market_fit["b"][0]) * fit["L2"] / fit["car_se"]


# ------------------------------------------------------------------------------------------------ robust


def _robust(r, rm, est, ev, b, scale, **more):
    X = intercept_and(rm)
    used = finite_rows(est, r, rm)
    inverse = np.linalg.inv(X[used].T @ X[used])
    covs = least_squares_covs(X, inverse, list(est), list(ev))
    resid, ar = predict_with(r, X, b, list(est)), predict_with(r, X, b, list(ev))
    return make_fit(est, ev, resid, ar, scale**2, len(used), 2, *covs, b=b, scale=scale, **more)


def mad_scale(e):
    """median(|e|) / Phi^-1(0.75), the MAD about zero."""
    return np.median(np.abs(e)) / NORMAL_Q75


def huber(r, rm, est, ev, c=1.345):
    """IRLS with weights min(1, c/|u|), u = e/scale, scale recomputed every time, from OLS until max|db| < 1e-12."""
    used = finite_rows(est, r, rm)
    y, X = r[used], intercept_and(rm[used])
    b, _, _ = ols(y, X)
    for _ in range(1000):
        u = (y - X @ b) / mad_scale(y - X @ b)
        w = np.array([min(1.0, c / abs(x)) if x != 0 else 1.0 for x in u])
        new = np.linalg.solve(X.T @ (X * w[:, None]), X.T @ (w * y))
        change = np.max(np.abs(new - b))
        b = new
        if change < 1e-12:
            break
    return _robust(r, rm, est, ev, b, mad_scale(y - X @ b))


def theil_sen(r, rm, est, ev, intercept="separate"):
    """Median of all pairwise slopes; alpha = median y - beta median x, or the median of y - beta x."""
    used = finite_rows(est, r, rm)
    y, x = r[used], rm[used]
    slopes = [(y[j] - y[i]) / (x[j] - x[i]) for i, j in itertools.combinations(range(len(x)), 2) if x[i] != x[j]]
    beta = np.median(slopes)
    alpha = np.median(y) - beta * np.median(x) if intercept == "separate" else np.median(y - beta * x)
    return _robust(r, rm, est, ev, np.array([alpha, beta]), mad_scale(y - alpha - beta * x))


def lad(r, rm, est, ev):
    """min sum |y - Xb| as a linear programme: y - Xb = u - v, u, v >= 0, minimise sum(u + v)."""
    used = finite_rows(est, r, rm)
    y, X = r[used], intercept_and(rm[used])
    n = len(y)
    cost = np.concatenate([np.zeros(2), np.ones(2 * n)])
    equations = np.hstack([X, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * n)
    answer = optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=bounds, method="highs")
    b = answer.x[:2]
    return _robust(r, rm, est, ev, b, mad_scale(y - X @ b), absolute_sum=np.abs(y - X @ b).sum())


# ------------------------------------------------------------------------------------------------ thin trading


def slope(y, x):
    return sum((x - x.mean()) * (y - y.mean())) / sum((x - x.mean()) ** 2)


def scholes_williams(r, rm, est, ev):
    """beta = (b_- + b_0 + b_+)/(1 + 2 rho) over estimation rows 2..M-1 (no gaps); s2 divisor (M-2)-2 (2.2)."""
    est, ev = list(est), list(ev)
    inner = est[1:-1]
    y = r[inner]
    lag, now, lead = (rm[[t + d for t in inner]] for d in (-1, 0, 1))
    slopes = [slope(y, x) for x in (lag, now, lead)]
    rho = np.corrcoef(rm[est[1:]], rm[est[:-1]])[0, 1]
    beta = sum(slopes) / (1 + 2 * rho)
    alpha = y.mean() - beta * now.mean()
    b = np.array([alpha, beta])
    X = intercept_and(rm)
    inverse = np.linalg.inv(X[inner].T @ X[inner])
    resid = predict_with(r, X, b, est)
    resid[0] = resid[-1] = np.nan
    e = resid[1:-1]
    covs = least_squares_covs(X, inverse, est, ev)
    more = dict(b=b, beta_lag=slopes[0], beta_0=slopes[1], beta_lead=slopes[2], rho_m=rho)
    return make_fit(est, ev, resid, predict_with(r, X, b, ev), e @ e / (len(inner) - 2), len(inner), 2, *covs, **more)


def dimson_regressors(rm, q=1):
    """Columns 1, Rm_{t-q}, ..., Rm_t, ..., Rm_{t+q}; NaN where the series ends."""
    T = len(rm)
    columns = [np.ones(T)]
    for d in range(-q, q + 1):
        columns.append(np.array([rm[t + d] if 0 <= t + d < T else np.nan for t in range(T)]))
    return np.column_stack(columns)


def dimson(r, rm, est, ev, q=1, variant="full"):
    """R on 1 and q lags, the present and q leads of Rm; `sum_beta` predicts with a + (sum of slopes) Rm_t (2.3)."""
    X = dimson_regressors(rm, q)
    fit = linear(r, X, est, ev)
    fit["beta"] = sum(fit["b"][1:])
    if variant == "full":
        return fit
    est, ev, b = list(est), list(ev), fit["b"]
    X_sum = np.column_stack([np.ones(len(rm))] + [rm] * (2 * q + 1))  # x*'b = a + beta_D Rm_t
    resid = np.where(np.isfinite(fit["resid"]), predict_with(r, X_sum, b, est), np.nan)
    ar_cov = np.eye(len(ev)) + X_sum[ev] @ fit["XtX_inv"] @ X_sum[ev].T
    s2 = np.nansum(resid**2) / (fit["M"] - fit["k"])
    ar = predict_with(r, X_sum, b, ev)
    return make_fit(est, ev, resid, ar, s2, fit["M"], fit["k"], fit["resid_cov"], ar_cov, b=b, beta=fit["beta"])


def multi_session_rows(log_p, log_pm, rows, first_allowed):
    """For each row with a trade and an earlier trade at or after `first_allowed`: (row, n, r_multi, rm_multi)."""
    out = []
    for t in rows:
        if not np.isfinite(log_p[t]):
            continue
        before = [q for q in range(first_allowed, t) if np.isfinite(log_p[q])]
        if before:
            q = before[-1]
            out.append((t, t - q, log_p[t] - log_p[q], log_pm[t] - log_pm[q]))
    return out


def trade_to_trade(log_p, log_pm, est, ev):
    """Log returns from trade to trade, OLS of r/sqrt(n) on [sqrt(n), rm/sqrt(n)]; S2 = s2 (n + x'(X'X)^-1 x) (1.5)."""
    est, ev = list(est), list(ev)
    rows = multi_session_rows(log_p, log_pm, est, est[0])
    n = np.array([x[1] for x in rows], float)
    X = np.column_stack([np.sqrt(n), [x[3] for x in rows] / np.sqrt(n)])
    y = np.array([x[2] for x in rows]) / np.sqrt(n)
    b, inverse, e = ols(y, X)
    resid = blank(len(est))
    resid_cov = np.full((len(est), len(est)), np.nan)
    place = [est.index(x[0]) for x in rows]
    resid[place] = e
    resid_cov[np.ix_(place, place)] = np.eye(len(e)) - X @ inverse @ X.T
    ar = blank(len(ev))
    ar_cov = np.full((len(ev), len(ev)), np.nan)
    ev_rows = multi_session_rows(log_p, log_pm, ev, 0)
    for i, (t, n_t, r_t, rm_t) in enumerate(ev_rows):
        ar[ev.index(t)] = r_t - b[0] * n_t - b[1] * rm_t
        for j, (u, n_u, _, rm_u) in enumerate(ev_rows):
            cross = np.array([n_t, rm_t]) @ inverse @ np.array([n_u, rm_u])
            ar_cov[ev.index(t), ev.index(u)] = cross + (n_t if i == j else 0)
    M = len(rows)
    n_sessions = np.array([x[1] for x in ev_rows])
    return make_fit(est, ev, resid, ar, e @ e / (M - 2), M, 2, resid_cov, ar_cov, b=b, XtX_inv=inverse, n=n_sessions)


# ------------------------------------------------------------------------------------------------ GARCH (percent)


def _news(model, e, omega, a, b, g, h):
    """h_{t+1} from e_t and h_t."""
    if model == "garch":
        return omega + a * e**2 + b * h
    if model == "gjr":
        return omega + (a + g * (e < 0)) * e**2 + b * h
    z = e / math.sqrt(h)
    return math.exp(omega + a * (abs(z) - math.sqrt(2 / math.pi)) + g * z + b * math.log(h))


def garch_filter(e, model, omega, a, b, g=0.0, h1=None):
    """h_1..h_n and h_{n+1} by the recursion of 2.4; h_1 = mean(e^2) unless given."""
    h = [np.mean(e**2) if h1 is None else h1]
    for x in e:
        h.append(_news(model, x, omega, a, b, g, h[-1]))
    return np.array(h)


def garch_loglik(e, model, omega, a, b, g=0.0, h1=None):
    """Normal log-likelihood sum -(ln 2pi + ln h + e^2/h)/2."""
    h = garch_filter(e, model, omega, a, b, g, h1)[:-1]
    return sum(-0.5 * (math.log(2 * math.pi) + math.log(h[t]) + e[t] ** 2 / h[t]) for t in range(len(e)))


def ewma_backcast(e):
    """The start of package `arch`: weights 0.94^i over the first min(75, n) squared residuals."""
    w = np.array([0.94**i for i in range(min(75, len(e)))])
    return sum(w * e[: len(w)] ** 2) / sum(w)


def garch_forecast(h_next, model, omega, a, b, g=0.0, steps=1):
    """h_{n+1}, ..., h_{n+steps}: E[e^2] = h, and half of it is negative news (no closed form for EGARCH)."""
    if model == "egarch" and steps > 1:
        raise ValueError("no analytic EGARCH forecast beyond one step")
    h = [h_next]
    for _ in range(steps - 1):
        h.append(omega + (a + (g / 2 if model == "gjr" else 0) + b) * h[-1])
    return np.array(h)


# ------------------------------------------------------------------------------------------------ peers and donors


def peers_ew(r, peers, est, ev, sigma="s_mean"):
    """AR = R - mean of the peers' R (NaN on a session where a peer is missing); k = 0."""
    return without_parameters(r - np.array([np.mean(row) for row in peers]), est, ev, sigma)


def peers_reg(r, peers, est, ev):
    """R on 1 and the peers' mean."""
    return market(r, np.array([np.mean(row) for row in peers]), est, ev)


def simplex_weights(y, D):
    """argmin |y - Dw|^2, w >= 0, sum w = 1: every support is tried, its equality-constrained solution kept if >= 0."""
    J = D.shape[1]
    if J > 12:
        return simplex_weights_slsqp(y, D)
    best, best_w = math.inf, None
    for size in range(1, J + 1):
        for support in itertools.combinations(range(J), size):
            w = np.zeros(J)
            w[list(support)] = _sum_to_one_least_squares(y, D[:, support])
            sse = sum((y - D @ w) ** 2)
            if np.all(w >= -1e-12) and sse < best:
                best, best_w = sse, w
    return best_w


def _sum_to_one_least_squares(y, D):
    """[2D'D 1; 1' 0][w; mu] = [2D'y; 1]."""
    J = D.shape[1]
    system = np.block([[2 * D.T @ D, np.ones((J, 1))], [np.ones((1, J)), np.zeros((1, 1))]])
    return np.linalg.solve(system, np.concatenate([2 * D.T @ y, [1.0]]))[:J]


def simplex_weights_slsqp(y, D):
    """The same by SLSQP, polished on the support it finds."""
    J = D.shape[1]
    unit = D.T @ D / np.trace(D.T @ D)
    target = D.T @ y / np.trace(D.T @ D)
    answer = optimize.minimize(
        lambda w: w @ unit @ w - 2 * w @ target,
        np.full(J, 1 / J),
        jac=lambda w: 2 * (unit @ w - target),
        bounds=[(0, 1)] * J,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(J)},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    support = [j for j in range(J) if answer.x[j] > 1e-6]
    w = np.zeros(J)
    w[support] = _sum_to_one_least_squares(y, D[:, support])
    return w


def kkt_gap(y, D, w):
    """How far w is from optimal: gradients must be equal where w > 0 and not smaller elsewhere (relative)."""
    gradient = -2 * D.T @ (y - D @ w)
    held = gradient[w > 1e-10]
    level = held.mean()
    violation = max(np.max(np.abs(held - level)), np.max(level - gradient), np.max(-w), abs(w.sum() - 1))
    return violation / np.max(np.abs(2 * D.T @ y))


def synthetic_control(r, donors, est, ev, demeaned=False):
    """gap = R - sum w_j R_j with simplex weights fitted on estimation rows; sigma as `market_adjusted` (2.6)."""
    used = finite_rows(est, r, donors)
    y, D = r[used], donors[used]
    shift_y, shift_D = (y.mean(), D.mean(axis=0)) if demeaned else (0.0, np.zeros(D.shape[1]))
    w = simplex_weights(y - shift_y, D - shift_D)
    gap = (r - shift_y) - (donors - shift_D) @ w
    fit = without_parameters(gap, est, ev)
    sse = sum(gap[used] ** 2)
    rmse = math.sqrt(sse / len(used))
    fit.update(b=w, w=w, sse=sse, pre_mspe=sse / len(used), pre_rmse=rmse)
    fit.update(kkt=kkt_gap(y - shift_y, D - shift_D, w), usable=rmse <= 0.95 * np.std(y, ddof=1))
    return fit


def placebo_space_statistic(fit, form="mspe"):
    """(mean post gap^2)/(mean pre gap^2), or |sum post gap| / pre-RMSE."""
    pre = np.nanmean(fit["resid"] ** 2)
    return np.nanmean(fit["ar"] ** 2) / pre if form == "mspe" else abs(np.nansum(fit["ar"])) / math.sqrt(pre)


def placebo_space(r, donors, est, ev, form="mspe"):
    """Rank of the treated firm among J+1 when each donor plays the treated one (the treated leaves the pool)."""
    observed = placebo_space_statistic(synthetic_control(r, donors, est, ev), form)
    J = donors.shape[1]
    placebo = []
    for j in range(J):
        others = [i for i in range(J) if i != j]
        placebo.append(placebo_space_statistic(synthetic_control(donors[:, j], donors[:, others], est, ev), form))
    p = (1 + sum(x >= observed - 1e-12 for x in placebo)) / (J + 1)
    return dict(stat=observed, placebo=placebo, p=p, smallest_p=1 / (J + 1))


def principal_factors(D, r):
    """The first r principal components of standardised columns, and what they leave (mean squared residual)."""
    Z = (D - D.mean(axis=0)) / D.std(axis=0)
    U, d, Vt = np.linalg.svd(Z, full_matrices=False)
    left = Z - (U[:, :r] * d[:r]) @ Vt[:r]
    return U[:, :r] * d[:r], np.mean(left**2)


def bai_ng_rank(D, r_max=8):
    """r in 1..min(r_max, J-1) with the smallest IC_p2 = ln V(r) + r (N+T)/(NT) ln min(N, T)."""
    T, N = D.shape
    penalty = (N + T) / (N * T) * math.log(min(N, T))
    scores = {r: math.log(principal_factors(D, r)[1]) + r * penalty for r in range(1, min(r_max, N - 1) + 1)}
    return min(scores, key=lambda r: scores[r])


def gsynth(r, donors, est, ev, r_max=8):
    """OLS of R on 1 and the principal components of the donors over estimation and event rows (2.6)."""
    rows = finite_rows(list(est) + list(ev), donors)
    n_factors = bai_ng_rank(donors[rows], r_max)
    F = np.full((len(r), n_factors), np.nan)
    F[rows] = principal_factors(donors[rows], n_factors)[0]
    fit = linear(r, intercept_and(F), est, ev)
    fit["n_factors"] = n_factors
    return fit


def ridge(y, Z, alpha):
    """Intercept not penalised: minimise |y - a - Zb|^2 + alpha |b|^2."""
    Zc = Z - Z.mean(axis=0)
    b = np.linalg.solve(Zc.T @ Zc + alpha * np.eye(Z.shape[1]), Zc.T @ (y - y.mean()))
    return np.concatenate([[y.mean() - Z.mean(axis=0) @ b], b])


def leave_block_out_residuals(y, Z, alpha, blocks):
    """Each block of rows predicted from all the others."""
    e = np.empty(len(y))
    for block in blocks:
        rest = [t for t in range(len(y)) if t not in set(block)]
        b = ridge(y[rest], Z[rest], alpha)
        e[block] = y[block] - b[0] - Z[block] @ b[1:]
    return e


ALPHAS = tuple(10.0**p for p in np.linspace(-3, 5, 33))


def peers_ridge(r, donors, est, ev, alphas=ALPHAS, n_blocks=5):
    """Ridge on standardised donors; penalty by contiguous blocks; residuals for the tests are leave-block-out."""
    est, ev = list(est), list(ev)
    used = finite_rows(est, r, donors)
    centre, spread = donors[used].mean(axis=0), donors[used].std(axis=0)
    Z = (donors - centre) / spread
    blocks = [list(x) for x in np.array_split(np.arange(len(used)), n_blocks)]
    left_out = {a: leave_block_out_residuals(r[used], Z[used], a, blocks) for a in alphas}
    alpha = min(alphas, key=lambda a: np.mean(left_out[a] ** 2))
    b = ridge(r[used], Z[used], alpha)
    e = blank(len(r))
    e[used] = left_out[alpha]
    gap = r - b[0] - Z @ b[1:]
    e[ev] = gap[ev]
    fit = without_parameters(e, est, ev)
    fit.update(b=b, alpha=alpha)
    return fit
