"""Section 6: bars, ranges and jumps. Returns are log returns inside a session, one row a session."""

import math

import numpy as np
from scipy import special, stats

from .models import linear
from .single import rank_p, t_two_sided


def mu(p):
    """E|Z|^p = 2^{p/2} Gamma((p+1)/2)/Gamma(1/2)."""
    return 2 ** (p / 2) * special.gamma((p + 1) / 2) / special.gamma(0.5)


# ------------------------------------------------------------------------------------------------ paths (6.2)


def ohlc(r, overnight, start=100.0):
    """Open, high, low, close, previous close by session: open = prev close e^overnight, bars compound."""
    out, close = [], start
    for bars, gap in zip(r, overnight, strict=True):
        path = [close * math.exp(gap)]
        for x in bars:
            path.append(path[-1] * math.exp(x))
        out.append(dict(prev_close=close, open=path[0], high=max(path), low=min(path), close=path[-1]))
        close = path[-1]
    return out


def decomposition(day):
    """overnight + rise + retreat = total; a fall is read from the low."""
    C0, O, H, L, C = (day[x] for x in ("prev_close", "open", "high", "low", "close"))
    direction = 1 if C >= C0 else -1
    peak = H if direction == 1 else L
    beyond = peak > C0 if direction == 1 else peak < C0
    return dict(
        direction=direction,
        overnight=math.log(O / C0),
        rise=math.log(peak / O),
        retreat=math.log(C / peak),
        total=math.log(C / C0),
        peak_gain=peak / C0 - 1,
        give_back=(peak - C) / (peak - C0) if beyond else math.nan,
    )


def excursion(day, direction=1):
    """x = ln(H/C_{-1}), for a fall ln(L/C_{-1})."""
    return math.log(day["high" if direction == 1 else "low"] / day["prev_close"])


def intraday_extreme(x0, x, close_to_close, direction=1):
    """Rank p (headline), robust z, and the reflection floor 2(1 - Phi(x0/sigma)) (6.3)."""
    x, x0 = direction * np.asarray(x), direction * x0
    centre = np.median(x)
    mad = np.median(np.abs(x - centre))
    sigma = np.std(close_to_close, ddof=1)
    return dict(
        x=direction * x0,
        m=len(x),
        p_rank=rank_p(x0, list(x)),
        robust_z=(x0 - centre) / (1.4826022185 * mad),
        sigma_cc=sigma,
        p_reflection=reflection_p(x0, sigma),
    )


def reflection_p(x0, sigma):
    return 2 * stats.norm.sf(x0 / sigma)


# ------------------------------------------------------------------------------------------------ diurnal (6.4)


def diurnal_rms(r):
    """v_j = sqrt(mean_d r^2), f_j = v_j / sqrt(mean_j v_j^2)."""
    v = np.sqrt(np.nanmean(r**2, axis=0))
    return v / math.sqrt(np.mean(v**2))


def shortest_half(x):
    """Length of the shortest interval that holds floor(n/2)+1 of the values, times 0.7413."""
    x = np.sort(x)
    h = len(x) // 2 + 1
    return 0.7413 * min(x[i + h - 1] - x[i] for i in range(len(x) - h + 1))


CUT = stats.chi2.ppf(0.99, 1)  # 6.635


def wsd_pattern(r, weights="huber"):
    """Shortest-half scale by slot, then sd with weights in z = r/scale, scaled to mean square 1.

    Weights: `huber` min(1, CUT/z^2), `hard` 1[z^2 <= CUT]; the consistency factor 1.081 cancels in the scaling.
    """
    sd = []
    for column in r.T:
        z2 = (column / shortest_half(column)) ** 2
        if weights == "hard":
            w = np.array([1.0 if x <= CUT else 0.0 for x in z2])
        else:
            w = np.array([1.0 if x <= CUT else CUT / x for x in z2])
        sd.append(math.sqrt(1.081 * sum(w * column**2) / sum(w)))
    return np.array(sd) / math.sqrt(np.mean(np.square(sd)))


def realized_variance(bars):
    return sum(bars**2)


def day_sigma(rv, n_bars, lookback=20):
    """sqrt(mean of RV of the last 20 sessions / number of bars)."""
    return math.sqrt(np.mean(rv[-lookback:]) / n_bars)


def har_forecast(rv):
    """RV_{d+1} on 1, RV_d, mean of the last 5 and of the last 22: OLS, forecast for the next session."""
    rv = np.asarray(rv, float)

    def row(d):
        return [1.0, rv[d], np.mean(rv[d - 4 : d + 1]), np.mean(rv[d - 21 : d + 1])]

    X = np.array([row(d) for d in range(21, len(rv) - 1)])
    b = np.linalg.lstsq(X, rv[22:], rcond=None)[0]
    return float(np.array(row(len(rv) - 1)) @ b)


def lag_now_lead(rm):
    """[rm_{t-1}, rm_t, rm_{t+1}] inside each session (T sessions x n bars -> T*n rows), NaN at its edges."""
    rows = []
    for bars in rm:
        for j in range(len(bars)):
            rows.append([bars[j - 1] if j else np.nan, bars[j], bars[j + 1] if j + 1 < len(bars) else np.nan])
    return np.array(rows)


def intraday_market(r, X, est, ev):
    """Bar market model without intercept: OLS of the bar return on benchmark lag, present and lead."""
    return linear(r, X, est, ev)


def bar_sar(ar, sigma, f):
    """SAR = AR/(sigma_d f_j)."""
    return np.asarray(ar) / (sigma * np.asarray(f))


def bar_car(ar, sigma, f):
    """CAR over bars and its sd sqrt(sum (sigma_d f_j)^2)."""
    sd = math.sqrt(sum((sigma * x) ** 2 for x in f))
    return dict(car=sum(ar), se=sd, z=sum(ar) / sd)


def same_clock(ar_event, ar_estimation):
    """|CAR| of the event bars among the sums of the same slots on each estimation session."""
    sums = [sum(row) for row in ar_estimation]
    return dict(car=sum(ar_event), m=len(sums), p=rank_p(abs(sum(ar_event)), [abs(x) for x in sums]))


# ------------------------------------------------------------------------------------------------ ranges (6.5)


def parkinson(day):
    """(ln H/L)^2 / (4 ln 2)."""
    return math.log(day["high"] / day["low"]) ** 2 / (4 * math.log(2))


def garman_klass(day):
    """0.5 (ln H/L)^2 - (2 ln 2 - 1)(ln C/O)^2."""
    hl, co = math.log(day["high"] / day["low"]), math.log(day["close"] / day["open"])
    return 0.5 * hl**2 - (2 * math.log(2) - 1) * co**2


def rogers_satchell(day):
    """ln(H/C) ln(H/O) + ln(L/C) ln(L/O)."""
    O, H, L, C = (day[x] for x in ("open", "high", "low", "close"))
    return math.log(H / C) * math.log(H / O) + math.log(L / C) * math.log(L / O)


def yang_zhang(days):
    """V_o + k V_c + (1-k) V_rs, k = 0.34/(1.34 + (n+1)/(n-1))."""
    n = len(days)
    overnight = [math.log(d["open"] / d["prev_close"]) for d in days]
    intraday = [math.log(d["close"] / d["open"]) for d in days]
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    v_rs = np.mean([rogers_satchell(d) for d in days])
    return np.var(overnight, ddof=1) + k * np.var(intraday, ddof=1) + (1 - k) * v_rs


def range_variance(event_day, days):
    """z = (ln PK_0 - mean)/(sd sqrt(1+1/m)) ~ t(m-1), and the rank p."""
    x0 = math.log(parkinson(event_day))
    x = [math.log(parkinson(d)) for d in days]
    m = len(x)
    z = (x0 - np.mean(x)) / (np.std(x, ddof=1) * math.sqrt(1 + 1 / m))
    return dict(stat=z, df=m - 1, p=t_two_sided(z, m - 1), p_rank=rank_p(x0, x))


# ------------------------------------------------------------------------------------------------ jumps (6.6)


def bns(r, finite_sample=True):
    """RV, BV, TP and the ratio, linear and log forms of the Barndorff-Nielsen-Shephard test for one session."""
    n = len(r)
    a = np.abs(r)
    fs_bv, fs_tp = (n / (n - 1), n / (n - 2)) if finite_sample else (1.0, 1.0)
    RV = sum(a**2)
    BV = mu(1) ** -2 * fs_bv * sum(a[j] * a[j - 1] for j in range(1, n))
    TP = n * mu(4 / 3) ** -3 * fs_tp * sum((a[j] * a[j - 1] * a[j - 2]) ** (4 / 3) for j in range(2, n))
    theta = (math.pi / 2) ** 2 + math.pi - 5
    cap = max(1.0, TP / BV**2)
    z_ratio = (1 - BV / RV) / math.sqrt(theta / n * cap)
    return dict(
        RV=RV,
        BV=BV,
        TP=TP,
        z_ratio=z_ratio,
        p_ratio=stats.norm.sf(z_ratio),
        z_linear=(RV - BV) / math.sqrt(theta / n * TP),
        z_log=(math.log(RV) - math.log(BV)) / math.sqrt(theta / n * cap),
    )


def gumbel_threshold(level):
    """-ln(-ln(1-level))."""
    return -math.log(-math.log(1 - level))


def lee_mykland(r, K):
    """L_i = r_i/sigma_i, sigma_i^2 = (1/(K-2)) sum_{j=i-K+2}^{i-1} |r_j||r_{j-1}|; xi = (|L|-C_n)/S_n ~ Gumbel."""
    n = len(r)
    c = mu(1)
    root = math.sqrt(2 * math.log(n))
    C = root / c - (math.log(math.pi) + math.log(math.log(n))) / (2 * c * root)
    S = 1 / (c * root)
    L = np.full(n, np.nan)
    for i in range(K - 1, n):
        sigma2 = sum(abs(r[j]) * abs(r[j - 1]) for j in range(i - K + 2, i)) / (K - 2)
        L[i] = r[i] / math.sqrt(sigma2) if sigma2 > 0 else np.nan
    xi = (np.abs(L) - C) / S
    p = -np.expm1(-np.exp(-xi))
    return dict(Cn=C, Sn=S, L=L, xi=xi, p=p, n=n, K=K)
