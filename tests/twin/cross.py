"""Sections 3, 4.2 to 4.7, 4.9, 4.10, 5.2 and 8.3: many firms. Every function reads a list of fits (see models.py)."""

import itertools
import math

import numpy as np
from scipy import special, stats

from .single import normal_two_sided, rank_p, scar, studentized_windows, t_two_sided, windows

# ------------------------------------------------------------------------------------------------ aggregation (3)


def cars(fits):
    return np.array([f["car"] for f in fits])


def scars(fits, variant="full"):
    return np.array([scar(f, variant) for f in fits])


def day(fits, j, key="ar"):
    """The j-th event row of every firm that has it."""
    values = np.array([f[key][j] for f in fits])
    return values[np.isfinite(values)]


def aar(fits):
    """(1/N_t) sum_i AR_it for each event row."""
    return np.array([np.mean(day(fits, j)) for j in range(len(fits[0]["ev"]))])


def caar(fits, variant="mean_car"):
    """`mean_car`: mean of the CARs; `sum_aar`: sum of the AARs."""
    return np.mean(cars(fits)) if variant == "mean_car" else np.sum(aar(fits))


def pw_weights(fits, how):
    """`inv_var`: 1/Var(CAR); `inv_sd`: 1/sd(CAR); `equal`; scaled to sum 1."""
    power = {"inv_var": 2, "inv_sd": 1, "equal": 0}[how]
    w = np.array([1 / f["car_se"] ** power for f in fits])
    return w / w.sum()


def weighted_caar(fits, w):
    """sum w_i CAR_i, w scaled to sum 1 (precision weights, or market values before the event window)."""
    w = np.asarray(w, float) / np.sum(w)
    return sum(w[i] * fits[i]["car"] for i in range(len(fits)))


def weighted_caar_se(fits, w, dates="independent"):
    """sqrt(w'Vw): independent events; one `common` date (V_ij = sigma_ij c); `overlap` (sigma_ij x common sessions)."""
    w = np.asarray(w, float) / np.sum(w)
    N = len(fits)
    total = 0.0
    for i, j in itertools.product(range(N), range(N)):
        if i == j:
            v = fits[i]["s2"] * fits[i]["c"]
        elif dates == "independent":
            v = 0.0
        elif dates == "common":
            v = residual_covariance(fits[i], fits[j]) * fits[i]["c"]
        else:
            v = residual_covariance(fits[i], fits[j]) * len(set(fits[i]["ev"]) & set(fits[j]["ev"]))
        total += w[i] * w[j] * v
    return math.sqrt(total)


def residual_covariance(f, g):
    """e_i'e_j/(M-k) over common calendar sessions, M the number of them (centred where the sigma is)."""
    x, y = common_residuals(f, g, "sigma_resid")
    return x @ y / (len(x) - (f["M"] - f["df"]))


def bhar(returns, expected):
    """prod(1+R) - prod(1+E) over the rows where both are known."""
    gross = expected_gross = 1.0
    for R, E in zip(returns, expected, strict=True):
        if np.isfinite(R) and np.isfinite(E):
            gross *= 1 + R
            expected_gross *= 1 + E
    return gross - expected_gross


def abnormal_value(ar, mcap_before):
    """sum AR_t x market value at the previous close."""
    return sum(a * m for a, m in zip(ar, mcap_before, strict=True) if np.isfinite(a))


# ------------------------------------------------------------------------------------------------ t, Patell, BMP, KP


def t_xs(x):
    """mean / (sd/sqrt(N)) ~ t(N-1)."""
    x = np.asarray(x, float)
    N = len(x)
    if N < 2 or np.std(x, ddof=1) == 0:
        return dict(stat=math.nan, df=N - 1, p=math.nan)
    t = np.mean(x) / (np.std(x, ddof=1) / math.sqrt(N))
    return dict(stat=t, df=N - 1, p=t_two_sided(t, N - 1))


def patell(fits, variant="full"):
    """Z = sum SCAR / sqrt(sum nu/(nu-2)); `patell_sum`; `wrds`: sqrt(N) mean of the naive SCARs."""
    if variant == "wrds":
        z = math.sqrt(len(fits)) * np.mean(scars(fits, "naive"))
    elif variant == "full":
        z = sum(scars(fits)) / math.sqrt(sum(f["df"] / (f["df"] - 2) for f in fits))
    elif variant == "patell_sum":
        parts = [np.nansum(f["sar"]) / math.sqrt(f["L2"] * f["df"] / (f["df"] - 2)) for f in fits]
        z = sum(parts) / math.sqrt(len(fits))
    else:
        raise ValueError(variant)
    return dict(stat=z, p=normal_two_sided(z))


def patell_day(fits, j):
    """Z_t = sum SAR_it / sqrt(sum nu/(nu-2)) over the firms with a return on the day."""
    there = [f for f in fits if np.isfinite(f["sar"][j])]
    z = sum(f["sar"][j] for f in there) / math.sqrt(sum(f["df"] / (f["df"] - 2) for f in there))
    return dict(stat=z, p=normal_two_sided(z))


def bmp(fits, variant="full"):
    """t_xs of the SCARs (`full`, `patell_sum`, or `fec_none`)."""
    return t_xs(scars(fits, variant))


def bmp_day(fits, j):
    return t_xs(day(fits, j, "sar"))


def common_residuals(f, g, key="resid"):
    """Residuals of two fits on the calendar sessions both have."""
    ours = dict(zip(f["est"], f[key], strict=True))
    theirs = dict(zip(g["est"], g[key], strict=True))
    rows = [t for t in ours if t in theirs and np.isfinite(ours[t]) and np.isfinite(theirs[t])]
    return np.array([ours[t] for t in rows]), np.array([theirs[t] for t in rows])


def pair_correlation(f, g, min_pair_obs=30):
    """Pearson correlation over common calendar sessions; 0 below `min_pair_obs`."""
    x, y = common_residuals(f, g)
    return np.corrcoef(x, y)[0, 1] if len(x) >= min_pair_obs else 0.0


def rbar(fits, min_pair_obs=30):
    """Average of the N(N-1)/2 correlations."""
    return np.mean([pair_correlation(f, g, min_pair_obs) for f, g in itertools.combinations(fits, 2)])


def rbar_w(fits, min_pair_obs=30):
    """The same, each correlation times the share of common event sessions."""
    parts = []
    for f, g in itertools.combinations(fits, 2):
        share = len(set(f["ev"]) & set(g["ev"])) / len(f["ev"])
        parts.append(pair_correlation(f, g, min_pair_obs) * share if share else 0.0)
    return np.mean(parts)


def kp_bmp(t_bmp, r, N):
    """t_bmp sqrt((1-r)/(1+(N-1)r)) ~ t(N-1)."""
    if 1 + (N - 1) * r <= 0:
        return dict(stat=math.nan, df=N - 1, p=math.nan)
    t = t_bmp * math.sqrt((1 - r) / (1 + (N - 1) * r))
    return dict(stat=t, df=N - 1, p=t_two_sided(t, N - 1))


def kp_patell(z_patell, r, N):
    """z_patell sqrt(1/(1+(N-1)r)) ~ N(0,1)."""
    if 1 + (N - 1) * r <= 0:
        return dict(stat=math.nan, p=math.nan)
    z = z_patell * math.sqrt(1 / (1 + (N - 1) * r))
    return dict(stat=z, p=normal_two_sided(z))


def design_effect(r, N):
    return 1 + (N - 1) * r


def n_eff(r, N):
    """N / DE, never above N (8.3)."""
    return min(float(N), N / design_effect(r, N))


def effective_dates(dates):
    """HHI = sum (n_d/N)^2 and 1/HHI."""
    counts = [dates.count(d) for d in set(dates)]
    hhi = sum((n / len(dates)) ** 2 for n in counts)
    return dict(n_dates=len(counts), hhi=hhi, effective=1 / hhi)


def correlation_matrix(fits, min_pair_obs=30):
    N = len(fits)
    C = np.eye(N)
    for i, j in itertools.combinations(range(N), 2):
        C[i, j] = C[j, i] = pair_correlation(fits[i], fits[j], min_pair_obs)
    return C


def first_component_share(C):
    """Largest eigenvalue of the residual correlation matrix over its trace."""
    return np.linalg.eigvalsh(C)[-1] / np.trace(C)


def caar_interval(fits, level=0.05, r_w=0.0):
    """Average over dates (4.0): CAAR -+ t(N-1) sd/sqrt(N), times the KP inflation when DE > 1.25."""
    x, N = cars(fits), len(fits)
    half = stats.t.ppf(1 - level / 2, N - 1) * np.std(x, ddof=1) / math.sqrt(N)
    if design_effect(r_w, N) > 1.25:
        half *= math.sqrt((1 + (N - 1) * r_w) / (1 - r_w))
    return np.mean(x) - half, np.mean(x) + half


# ------------------------------------------------------------------------------------------------ time series (4.6)


def mean_residuals(fits):
    """A_t = mean over firms of e_it, row by row of the estimation window (rows nobody has are left out)."""
    E = np.array([f["resid"] for f in fits])
    return np.array([np.mean(col[np.isfinite(col)]) for col in E.T if np.any(np.isfinite(col))])


def cda(fits, divisor="M-1"):
    """AAR_t / sd(A_t), sum AAR / (sd sqrt(L2)) ~ t(M-1); divisor M-1 or M-2."""
    A = mean_residuals(fits)
    M = len(A)
    S = math.sqrt(sum((A - A.mean()) ** 2) / (M - 1 if divisor == "M-1" else M - 2))
    a = aar(fits)
    t = sum(a) / (S * math.sqrt(len(a)))
    return dict(sd=S, t_day=[x / S for x in a], t_caar=t, df=M - 1, p=t_two_sided(t, M - 1))


def cda_lamb(fits, rm):
    """AAR_t / (S_A sqrt(1 + 1/M + (Rm_t - Rmbar)^2/SSm)), N(0,1) by day; one common date."""
    est, ev = fits[0]["est"], fits[0]["ev"]
    S, M = cda(fits)["sd"], len(est)
    mean = rm[est].mean()
    ssm = sum((rm[est] - mean) ** 2)
    a = aar(fits)
    return [a[j] / (S * math.sqrt(1 + 1 / M + (rm[t] - mean) ** 2 / ssm)) for j, t in enumerate(ev)]


def bw80_nodep(fits, j):
    """AAR_t / (sqrt(sum s_i^2)/N) ~ t(mean M - 1)."""
    there = [f for f in fits if np.isfinite(f["ar"][j])]
    N = len(there)
    z = np.mean([f["ar"][j] for f in there]) / (math.sqrt(sum(f["s2"] for f in there)) / N)
    df = np.mean([f["M"] for f in there]) - 1
    return dict(stat=z, df=df, p=t_two_sided(z, df))


# ------------------------------------------------------------------------------------------------ signs (4.7)


def sign(x):
    """z = (w - n/2)/(sqrt(n)/2) without the zeros, and the exact binomial p."""
    x = [v for v in x if v != 0]
    n, w = len(x), sum(v > 0 for v in x)
    z = (w - n / 2) / (math.sqrt(n) / 2)
    extreme = max(w, n - w)
    tail = sum(math.comb(n, j) for j in range(extreme, n + 1)) / 2**n
    return dict(stat=z, p=normal_two_sided(z), w=w, n=n, p_exact=min(1.0, 2 * tail))


def gen_sign(x, fits, variant="mean"):
    """Cowan: phat from estimation residuals, z = (w - N phat)/sqrt(N phat (1-phat))."""
    shares = [(sum(f["resid"][np.isfinite(f["resid"])] > 0), f["M"]) for f in fits]
    if variant == "mean":
        phat = np.mean([up / M for up, M in shares])
    else:  # pooled
        phat = sum(up for up, _ in shares) / sum(M for _, M in shares)
    N, w = len(x), sum(v > 0 for v in x)
    z = (w - N * phat) / math.sqrt(N * phat * (1 - phat))
    return dict(stat=z, p=normal_two_sided(z), phat=phat, w=w, n=N)


# ------------------------------------------------------------------------------------------------ skewness (4.9)


def skewness(x):
    """g = sum (x-xbar)^3/(N sd^3) and g' = N/((N-1)(N-2)) sum (x-xbar)^3/sd^3, sd with ddof 1."""
    x = np.asarray(x, float)
    N, sd = len(x), np.std(x, ddof=1)
    cubes = sum((x - x.mean()) ** 3) / sd**3
    return cubes / N, cubes * N / ((N - 1) * (N - 2))


def skew_johnson(x):
    """sqrt(N)(S + g S^2/3 + g/(6N)), S = mean/sd."""
    x = np.asarray(x, float)
    N, S = len(x), np.mean(x) / np.std(x, ddof=1)
    g, _ = skewness(x)
    return dict(gamma=g, stat=math.sqrt(N) * (S + g * S**2 / 3 + g / (6 * N)))


def skew_hall(x):
    """sqrt(N)(S + g'S^2/3 + g'^2 S^3/27 + g'/(6N)) ~ N(0,1)."""
    x = np.asarray(x, float)
    N, S = len(x), np.mean(x) / np.std(x, ddof=1)
    _, g = skewness(x)
    z = math.sqrt(N) * (S + g * S**2 / 3 + g**2 * S**3 / 27 + g / (6 * N))
    return dict(gamma=g, stat=z, p=normal_two_sided(z))


# ------------------------------------------------------------------------------------------------ variance (4.10)


def dispersion(x, s2):
    """Q = sum w d^2, d = x - sum(w x)/sum(w), w = 1/s2."""
    w = [1 / v for v in s2]
    centre = sum(wi * xi for wi, xi in zip(w, x, strict=True)) / sum(w)
    return sum(wi * (xi - centre) ** 2 for wi, xi in zip(w, x, strict=True))


def disp_ratio(fits):
    """Q of CAR/sqrt(c) against Q of every estimation window's sum/sqrt(its own c); upper tail (common date)."""
    s2 = [f["s2"] for f in fits]
    L = fits[0]["L2"]
    observed = dispersion([f["car"] / math.sqrt(f["c"]) for f in fits], s2)
    by_firm = [{q: total / math.sqrt(v) for q, total, v in windows(f, L)} for f in fits]
    starts = [q for q in by_firm[0] if all(q in other for other in by_firm)]
    null = [dispersion([firm[q] for firm in by_firm], s2) for q in starts]
    n_ge = sum(x >= observed - 1e-12 for x in null)
    return dict(Q=observed, n_ge=n_ge, m=len(null), p=rank_p(observed, null), ratio_to_mean=observed / np.mean(null))


def log_var(fit):
    """q = ln(mean SAR^2) over the event rows."""
    return math.log(np.nanmean(fit["sar"] ** 2))


def log_var_null_mean(L):
    """E ln(chi2_L / L) = digamma(L/2) + ln 2 - ln L."""
    return special.digamma(L / 2) + math.log(2) - math.log(L)


def log_var_estimation_mean(fit):
    """The firm's average of ln(mean z^2) over its overlapping estimation windows, z = e/(s sqrt(1-h))."""
    z2 = (fit["resid"] / np.sqrt(fit["s2"] * np.diag(fit["resid_cov"]))) ** 2
    L = fit["L2"]
    return np.mean([math.log(np.mean(z2[q : q + L])) for q, _, _ in windows(fit, L)])


def log_var_ratio(fits, centre="estimation"):
    """Cross-sectional t of q_i less its null mean: `raw`, `normal` (constant) or `estimation` (default)."""
    q = [log_var(f) for f in fits]
    if centre == "normal":
        q = [x - log_var_null_mean(f["L2"]) for x, f in zip(q, fits, strict=True)]
    elif centre == "estimation":
        q = [x - log_var_estimation_mean(f) for x, f in zip(q, fits, strict=True)]
    return t_xs(q)


def beaver_u(fits, j):
    """U = SAR^2; z = sum(U (nu-2)/nu - 1)/sqrt(sum 2(nu-1)/(nu-4)), upper tail."""
    there = [f for f in fits if np.isfinite(f["sar"][j])]
    U = [f["sar"][j] ** 2 for f in there]
    top = sum(u * (f["df"] - 2) / f["df"] - 1 for u, f in zip(U, there, strict=True))
    z = top / math.sqrt(sum(2 * (f["df"] - 1) / (f["df"] - 4) for f in there))
    return dict(mean_U=np.mean(U), stat=z, p_upper=stats.norm.sf(z))


def brown_forsythe(x, y):
    """Two groups: one-way F on |value - median of its group|."""
    groups = [np.abs(np.asarray(g) - np.median(g)) for g in (x, y)]
    n = sum(len(g) for g in groups)
    overall = np.mean(np.concatenate(groups))
    between = sum(len(g) * (g.mean() - overall) ** 2 for g in groups)
    within = sum(sum((g - g.mean()) ** 2) for g in groups) / (n - 2)
    return dict(stat=between / within, df1=1, df2=n - 2, p=stats.f.sf(between / within, 1, n - 2))


def levene_bf(fits):
    """Event SARs of all firms against all studentized estimation residuals."""
    event = np.concatenate([f["sar"][np.isfinite(f["sar"])] for f in fits])
    quiet = []
    for f in fits:
        z = f["resid"] / np.sqrt(f["s2"] * np.diag(f["resid_cov"]))
        quiet.append(z[np.isfinite(z)])
    return brown_forsythe(event, np.concatenate(quiet))


# ------------------------------------------------------------------------------------------------ influence (4.14)


def jackknife(x):
    """Leave-one-out means and t's; the jackknife se of the mean equals sd/sqrt(N)."""
    x = np.asarray(x, float)
    N = len(x)
    without = [np.delete(x, i) for i in range(N)]
    means = np.array([np.mean(v) for v in without])
    t = [t_xs(v)["stat"] for v in without]
    se = math.sqrt((N - 1) / N * sum((means - means.mean()) ** 2))
    return dict(min=min(means), max=max(means), se=se, t_min=min(t), t_max=max(t))


# ------------------------------------------------------------------------------------------------ joint tests (5.2)


def residual_matrix(fits):
    """E (M x N) of the residuals that make up Sigma, and Sigma = E'E/nu; complete rows, one common date."""
    E = np.column_stack([f["sigma_resid"] for f in fits])
    return E, E.T @ E / fits[0]["df"]


def hotelling(theta, Sigma, c):
    """T2 = theta' Sigma^-1 theta / c."""
    return theta @ np.linalg.inv(Sigma) @ theta / c


def mvrm(fits):
    """Schipper-Thompson: F that every effect is zero, its chi2 form, the mean, and the GLS mean."""
    N, nu, c = len(fits), fits[0]["df"], fits[0]["c"]
    _, Sigma = residual_matrix(fits)
    theta, one = cars(fits), np.ones(N)
    T2 = hotelling(theta, Sigma, c)
    F = (nu - N + 1) / (nu * N) * T2
    t_mean = (one @ theta / N) / math.sqrt(c * (one @ Sigma @ one) / N**2)
    inverse = np.linalg.inv(Sigma)
    gls = one @ inverse @ theta / (one @ inverse @ one)
    se = math.sqrt(c / (one @ inverse @ one))
    corrected = se * math.sqrt(gls_variance_factor(nu, N))
    return dict(
        T2=T2,
        F=F,
        df1=N,
        df2=nu - N + 1,
        p_F=stats.f.sf(F, N, nu - N + 1),
        p_chi2=stats.chi2.sf(T2, N),
        t_mean=t_mean,
        df_mean=nu,
        gls=gls,
        gls_se=se,
        t_gls=gls / se,
        gls_se_corrected=corrected,
        t_gls_corrected=gls / corrected,
        weights=inverse @ one / (one @ inverse @ one),
        usable=nu / 3 >= N,
    )


def gls_variance_factor(nu, N):
    """nu (nu-1) / ((nu-N)(nu-N+1)): what the estimated Sigma costs."""
    return nu * (nu - 1) / ((nu - N) * (nu - N + 1))


def mvrm_equality(fits):
    """Equality of effects: contrasts C, F = (nu-q+1)/(nu q) (C theta)'(C Sigma C')^-1 (C theta)/c, q = N-1."""
    N, nu, c = len(fits), fits[0]["df"], fits[0]["c"]
    _, Sigma = residual_matrix(fits)
    C = np.column_stack([np.ones(N - 1), -np.eye(N - 1)])
    x, q = C @ cars(fits), N - 1
    F = (nu - q + 1) / (nu * q) * (x @ np.linalg.inv(C @ Sigma @ C.T) @ x) / c
    return dict(F=F, df1=q, df2=nu - q + 1, p=stats.f.sf(F, q, nu - q + 1))


def joint_sq(fits):
    """T2 of the event day against T2_s = D_s (nu-1)/(nu-D_s), D_s = e_s'Sigma^-1 e_s/(1-h_ss); L2 = 1, nu > 3N."""
    nu, N = fits[0]["df"], len(fits)
    _, Sigma = residual_matrix(fits)
    inverse = np.linalg.inv(Sigma)
    T2_0 = cars(fits) @ inverse @ cars(fits) / fits[0]["c"]
    keep = np.diag(fits[0]["resid_cov"])  # 1 - h_ss
    null = []
    for s in range(len(fits[0]["est"])):
        e = np.array([f["resid"][s] for f in fits])
        D = e @ inverse @ e / keep[s]
        null.append(D * (nu - 1) / (nu - D))
    n_ge = sum(x >= T2_0 - 1e-12 for x in null)
    applies = fits[0]["L2"] == 1 and nu > 3 * N
    return dict(T2=T2_0, n_ge=n_ge, m=len(null), p=rank_p(T2_0, null), null=null, applies=applies)


def per_firm_null(fits, form="studentized"):
    """Matrix (windows x firms) of the null statistics for Romano-Wolf (4.13): z_q, or raw sum / sd(CAR)."""
    L = fits[0]["L2"]
    if form == "studentized":
        firms = [dict(studentized_windows(f, L)) for f in fits]
    else:
        firms = [{q: total / f["car_se"] for q, total, _ in windows(f, L)} for f in fits]
    starts = [q for q in firms[0] if all(q in other for other in firms)]
    return np.array([[firm[q] for firm in firms] for q in starts])


def mikkelson_partch(rm_est, rm_ev):
    """c = L + L^2/M + (sum_ev Rm - L Rmbar)^2/SSm, one factor."""
    L, M = len(rm_ev), len(rm_est)
    ssm = sum((rm_est - rm_est.mean()) ** 2)
    return L + L**2 / M + (sum(rm_ev) - L * rm_est.mean()) ** 2 / ssm
