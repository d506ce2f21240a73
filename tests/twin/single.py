"""Sections 4.0, 4.1 and 4.11: is one firm's abnormal return different from zero?"""

import itertools
import math

import numpy as np
from scipy import stats

from .models import NORMAL_Q75, finite_rows

TIE = 1e-12


def t_two_sided(t, df):
    return 2 * stats.t.sf(abs(t), df)


def normal_two_sided(z):
    return 2 * stats.norm.sf(abs(z))


def rank_p(observed, null, side="greater"):
    """(1 + #{null at least as extreme}) / (m + 1), ties counted."""
    if side == "greater":
        hits = sum(x >= observed - TIE for x in null)
    else:
        hits = sum(x <= observed + TIE for x in null)
    return (1 + hits) / (len(null) + 1)


# ------------------------------------------------------------------------------------------------ parametric


def t_ar(fit, j):
    """AR_t / S_t ~ t(nu) for the j-th event row."""
    t = fit["sar"][j]
    return dict(stat=t, df=fit["df"], p=t_two_sided(t, fit["df"]))


def car_se(fit, variant="fec_full"):
    """s sqrt(c); `fec_none`: s sqrt(L2); `fec_mean`: s sqrt(1 + 1/M) sqrt(L2)."""
    if variant == "fec_full":
        return fit["s"] * math.sqrt(fit["c"])
    if variant == "fec_none":
        return fit["s"] * math.sqrt(fit["L2"])
    if variant == "fec_mean":
        return fit["s"] * math.sqrt(1 + 1 / fit["M"]) * math.sqrt(fit["L2"])
    raise ValueError(variant)


def t_car(fit, variant="fec_full"):
    """CAR / se ~ t(nu)."""
    t = fit["car"] / car_se(fit, variant)
    return dict(stat=t, df=fit["df"], p=t_two_sided(t, fit["df"]))


def scar(fit, variant="full"):
    """`full`: CAR/sqrt(s2 c); `patell_sum`: sum SAR / sqrt(L2) (`fec_day`); `naive`: CAR/(s sqrt(L2))."""
    if variant == "full":
        return fit["car"] / car_se(fit)
    if variant in ("patell_sum", "fec_day"):
        return np.nansum(fit["sar"]) / math.sqrt(fit["L2"])
    if variant in ("naive", "fec_none"):
        return fit["car"] / car_se(fit, "fec_none")
    raise ValueError(variant)


def f_window(fit):
    """F = AR' (I + X*(X'X)^-1X*')^-1 AR / (L2 s2) ~ F(L2, nu)."""
    there = [j for j in range(len(fit["ev"])) if np.isfinite(fit["ar"][j])]
    ar = fit["ar"][there]
    F = ar @ np.linalg.inv(fit["ar_cov"][np.ix_(there, there)]) @ ar / (fit["L2"] * fit["s2"])
    return dict(stat=F, df1=fit["L2"], df2=fit["df"], p=stats.f.sf(F, fit["L2"], fit["df"]))


def serial_car_se(fit, max_lag=5):
    """s sqrt(c + 2 sum_{j<L2} (L2-j) rho_j): residual autocorrelations up to lag 5 (2.8, optional)."""
    e = fit["resid"][np.isfinite(fit["resid"])]
    extra = 0.0
    for j in range(1, min(fit["L2"] - 1, max_lag) + 1):
        rho = sum(e[j:] * e[:-j]) / sum(e * e)
        extra += 2 * (fit["L2"] - j) * rho
    return math.sqrt(fit["s2"] * (fit["c"] + extra))


def t_interval(fit, level=0.05):
    """CAR -+ t_{1-a/2, nu} s sqrt(c)."""
    half = stats.t.ppf(1 - level / 2, fit["df"]) * fit["car_se"]
    return fit["car"] - half, fit["car"] + half


# ------------------------------------------------------------------------------------------------ SQ


def windows(fit, L, step=1):
    """(start, sum of residuals, variance factor) of every run of L consecutive estimation rows without a gap."""
    est, e, cov = fit["est"], fit["resid"], fit["resid_cov"]
    out = []
    for q in range(0, len(e) - L + 1, step):
        run = range(q, q + L)
        if est[q + L - 1] - est[q] == L - 1 and all(np.isfinite(e[s]) for s in run):
            out.append((q, sum(e[s] for s in run), sum(cov[s, u] for s in run for u in run)))
    return out


def studentized_windows(fit, L):
    """z_q = sum e / sqrt(s2 (L2 - u'(X'X)^-1 u)) with the start row of each window."""
    return [(q, total / math.sqrt(fit["s2"] * v)) for q, total, v in windows(fit, L)]


def _two_min(observed, null, **more):
    p_low, p_up = rank_p(observed, null, "less"), rank_p(observed, null)
    return dict(m=len(null), p_low=p_low, p_up=p_up, p_two=min(1.0, 2 * min(p_low, p_up)), **more)


def sq(fit, form="abs_studentized"):
    """The event against the empirical distribution of what the model missed before it.

    `abs_studentized`: |z_0| among |z_q| (`p_abs`; p_low, p_up and p_two of the signed z with it); `studentized`:
    two_min on z; `two_min` = `overlap`: two_min on raw sums; `blocks`: raw sums that do not overlap.
    """
    L = fit["L2"]
    if form in ("abs_studentized", "studentized"):
        z0, z = fit["scar"], [x for _, x in studentized_windows(fit, L)]
        answer = _two_min(z0, z, p_abs=rank_p(abs(z0), [abs(x) for x in z]))
    elif form in ("two_min", "overlap"):
        answer = _two_min(fit["car"], [x[1] for x in windows(fit, L)])
    elif form == "blocks":
        answer = _two_min(fit["car"], [x[1] for x in windows(fit, L, step=L)])
    else:
        raise ValueError(form)
    answer["p"] = answer["p_abs"] if form == "abs_studentized" else answer["p_two"]
    answer["smallest_p"] = 1 / (answer["m"] + 1)
    answer["status"] = "ok" if answer["m"] >= 19 else "not_applicable"
    return answer


def sq_is_headline(M, L2):
    return M >= 20 * L2


def sq_interval(fit, level=0.05, form="abs_studentized"):
    """`abs_studentized`: CAR -+ se z_(j), j = floor(a (m+1)), exactly the effects with p > a; `two_min`: quantiles."""
    z = [x for _, x in studentized_windows(fit, fit["L2"])]
    if form == "two_min":
        low, high = np.quantile(z, [1 - level / 2, level / 2])
        return fit["car"] - fit["car_se"] * low, fit["car"] - fit["car_se"] * high
    j = math.floor(level * (len(z) + 1) + 1e-9)
    if j == 0:
        return -math.inf, math.inf
    half = fit["car_se"] * sorted((abs(x) for x in z), reverse=True)[j - 1]
    return fit["car"] - half, fit["car"] + half


# ------------------------------------------------------------------------------------------------ conformal


def block_sums(u, L):
    """S_j = |sum_{l<L} u_{(j+l) mod T}|, the windows running round the end."""
    T = len(u)
    return [abs(sum(u[(j + i) % T] for i in range(L))) for j in range(T)]


def conformal(y, model, est, ev, effect=0.0):
    """Refit on estimation AND event rows (gap left out) with the effect taken out; rank of the event block.

    `model(y, est, ev)` is any model with its regressors filled in; the effect is per window, taken off evenly.
    """
    there = finite_rows(ev, y)
    shifted = y.copy()
    for t in there:
        shifted[t] -= effect / len(there)
    u = model(shifted, list(est) + there, there)["resid"]
    u = u[np.isfinite(u)]
    T, L = len(u), len(there)
    S = block_sums(u, L)
    n_ge = sum(x >= S[T - L] - TIE for x in S)
    return dict(n_ge=n_ge, T=T, p=n_ge / T)


def conformal_interval(y, model, est, ev, level=0.05):
    """The hull of the effects with p > level, by the points where two block sums tie (a model linear in y only).

    u(effect) = u(0) - effect g, so S_j(effect) = |a_j - effect b_j| and the rank changes only where
    a_j - effect b_j = +-(a_M - effect b_M).
    """
    there = finite_rows(ev, y)
    L = len(there)

    def residuals(effect):
        shifted = y.copy()
        shifted[there] -= effect / L
        u = model(shifted, list(est) + there, there)["resid"]
        return u[np.isfinite(u)]

    u0, g = residuals(0.0), residuals(0.0) - residuals(1.0)
    if not np.allclose(residuals(2.0), u0 - 2 * g, atol=1e-9):
        raise ValueError("the model is not linear in y: use conformal() on a grid")
    T = len(u0)
    a = [sum(u0[(j + i) % T] for i in range(L)) for j in range(T)]
    b = [sum(g[(j + i) % T] for i in range(L)) for j in range(T)]
    aM, bM = a[T - L], b[T - L]

    def p(effect):
        limit = abs(aM - effect * bM)
        return sum(abs(a[j] - effect * b[j]) >= limit - 1e-11 for j in range(T)) / T

    pairs = [(s * a[j], s * b[j]) for j in range(T) for s in (1, -1)]
    roots = sorted((aM - x) / (bM - z) for x, z in pairs if abs(bM - z) > 1e-12)
    middles = [(x + z) / 2 for x, z in itertools.pairwise(roots)]
    far = 10 * (max(map(abs, roots)) + 1)
    kept = [x for x in roots + middles if p(x) > level]
    low = -math.inf if p(-far) > level else min(kept, default=math.nan)
    high = math.inf if p(far) > level else max(kept, default=math.nan)
    return low, high


# ------------------------------------------------------------------------------------------------ sq_vol


def blend_scale(fit, gap_ar):
    """v along estimation and gap rows and wbar: w = min(e^2, (2.5 m)^2), v <- .94 v + .06 w, started at wbar.

    `gap_ar` are the model's abnormal returns on the rows between the estimation window and the event window.
    Returns v at every estimation row and gap row and at row a (last), and wbar.
    """
    e = np.concatenate([fit["resid"], gap_ar])
    seen = fit["resid"][np.isfinite(fit["resid"])]
    m = np.median(np.abs(seen)) / NORMAL_Q75
    wbar = np.mean([min(x**2, (2.5 * m) ** 2) for x in seen])
    v = [wbar]
    for x in e:
        v.append(0.94 * v[-1] + 0.06 * min(x**2, (2.5 * m) ** 2) if np.isfinite(x) else v[-1])
    return np.array(v), wbar


def sq_vol(fit, gap_ar, form="blend"):
    """SQ with each window measured against the volatility at its start.

    `blend`: |z|/g, g = sqrt((v + wbar)/2), as `abs`; `ewma`: raw sums over sqrt(v), v the RiskMetrics filter of the
    raw squares started at their mean, windows from row 31 on, two_min.
    """
    L = fit["L2"]
    if form == "blend":
        v, wbar = blend_scale(fit, gap_ar)
        g = np.sqrt((v + wbar) / 2)
        null = [abs(z) / g[q] for q, z in studentized_windows(fit, L)]
        p = rank_p(abs(fit["scar"]) / g[-1], null)
        return dict(m=len(null), p_abs=p, ratio=math.sqrt(v[-1] / wbar))
    v = [np.nanmean(fit["resid"] ** 2)]
    for x in np.concatenate([fit["resid"], gap_ar]):
        v.append(0.94 * v[-1] + 0.06 * x**2 if np.isfinite(x) else v[-1])
    null = [total / math.sqrt(v[q]) for q, total, _ in windows(fit, L) if q >= 30]
    return _two_min(fit["car"] / math.sqrt(v[-1]), null)


# ------------------------------------------------------------------------------------------------ placebo dates


def pseudo_dates(y, first, T1, L1, gap, window, min_est):
    """Every row q whose window, gap and L1 estimation sessions fit between the first usable row and T1.

    A pseudo date needs its whole window and `min_est` returns among its L1 sessions.
    """
    a, b = window
    out = []
    for q in range(first, T1 + 1):
        ev = list(range(q + a, q + b + 1))
        est = list(range(q + a - gap - L1, q + a - gap))
        fits_in = est[0] >= first and ev[-1] <= T1
        if fits_in and len(finite_rows(ev, y)) == len(ev) and len(finite_rows(est, y)) >= min_est:
            out.append((q, est, ev))
    return out


def placebo_length(y, first, T0, T1, gap, window, min_est=30):
    """L1 = S where that leaves 39 pseudo dates, else max(min_est, S/2) if L2 <= S/20, else None (not applicable)."""
    S = T1 - T0 + 1
    L2 = window[1] - window[0] + 1
    if len(pseudo_dates(y, first, T1, S, gap, window, min_est)) >= 39:
        return S
    return max(min_est, S // 2) if L2 <= S / 20 else None


def placebo_time(y, model, tau0, first, T1, L1, gap, window, min_est=30):
    """The whole statistic on every pseudo date: T = SCAR, re-estimated with L1 sessions; p = (1 + #)/(n + 1)."""
    a, b = window
    ev = list(range(tau0 + a, tau0 + b + 1))
    scar_0 = model(y, list(range(tau0 + a - gap - L1, tau0 + a - gap)), ev)["scar"]
    dates = pseudo_dates(y, first, T1, L1, gap, window, min_est)
    scars = [model(y, est, rows)["scar"] for _, est, rows in dates]
    n = len(dates)
    return dict(
        scar_obs=scar_0,
        scars=scars,
        dates=[q for q, _, _ in dates],
        first=dates[0][0] if n else None,
        last=dates[-1][0] if n else None,
        n=n,
        p=rank_p(abs(scar_0), [abs(x) for x in scars]),
        status="not_applicable" if n < 19 else "shown" if n < 39 else "ok",
    )


def selection(observed, candidates, sessions=1):
    """Selection-adjusted p: |T_0| against the maximum over firms (and `sessions` consecutive placebo dates).

    `candidates`: matrix, rows placebo dates in time order, columns candidate firms (the target among them); dates on
    which a candidate lacks the statistic are left out.
    """
    complete = [row for row in candidates if np.all(np.isfinite(row))]
    by_date = [max(abs(x) for x in row) for row in complete]
    maxima = [max(by_date[q : q + sessions]) for q in range(len(by_date) - sessions + 1)]
    return dict(p=rank_p(abs(observed), maxima), n=len(maxima), J=candidates.shape[1])


def placebo_both(stat, firms, date, dates, firm_sets):
    """Two ranks of |stat(firms, date)|: among the placebo dates for these firms, and among firm sets on this date."""
    observed = abs(stat(firms, date))
    return dict(
        p_dates=rank_p(observed, [abs(stat(firms, q)) for q in dates]),
        p_sets=rank_p(observed, [abs(stat(other, date)) for other in firm_sets]),
    )


# ------------------------------------------------------------------------------------------------ one portfolio


def portfolio_returns(R, rows):
    """R_p = mean over all firms, only on sessions complete for all of them; NaN elsewhere."""
    out = np.full(len(R), np.nan)
    for t in rows:
        if np.all(np.isfinite(R[t])):
            out[t] = np.mean(R[t])
    return out


def portfolio_members(R, est, min_est):
    """Firms left when, as long as fewer than `min_est` complete rows remain, the one with the smallest M goes."""
    members = list(range(R.shape[1]))
    while len(finite_rows(est, R[:, members])) < min_est and len(members) > 1:
        members.remove(min(members, key=lambda i: len(finite_rows(est, R[:, i]))))
    return members
