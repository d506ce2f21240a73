"""Sections 4.7 (cz_sign) and 4.8: rank and sign tests over estimation and event rows together."""

import itertools
import math

import numpy as np

from .single import normal_two_sided, t_two_sided


def average_ranks(x):
    """1 = smallest, ties share their average rank, NaN stays NaN."""
    out = np.full(len(x), np.nan)
    seen = [v for v in x if np.isfinite(v)]
    for t, v in enumerate(x):
        if np.isfinite(v):
            below, equal = sum(u < v for u in seen), sum(u == v for u in seen)
            out[t] = below + (equal + 1) / 2
    return out


def event_time_matrix(fits):
    """(A, L): estimation residuals stacked on event ARs, rows in event time, one column a firm; L event rows.

    Rows on which no firm has a number are left out (T counts the others); event rows stay last.
    """
    A = np.column_stack([np.concatenate([f["resid"], f["ar"]]) for f in fits])
    n_est = len(fits[0]["resid"])
    keep = [t for t in range(len(A)) if np.any(np.isfinite(A[t]))]
    return A[keep], sum(t >= n_est for t in keep)


def standardized_matrix(fits):
    """`cz_std`: e_is/s_i on estimation rows, SAR_it / sd over firms of that day's SAR on event rows."""
    est = np.column_stack([f["resid"] / f["s"] for f in fits])
    sar = np.column_stack([f["sar"] for f in fits])
    ev = np.array([row / np.std(row[np.isfinite(row)], ddof=1) for row in sar])
    A = np.vstack([est, ev])
    keep = [t for t in range(len(A)) if np.any(np.isfinite(A[t]))]
    return A[keep], sum(t >= len(est) for t in keep)


def _from_daily(d, L):
    """S over all T rows (divisor T, not re-centred), z by event day, and the window sum / (S sqrt(L))."""
    T = len(d)
    S = math.sqrt(sum(x * x for x in d) / T)
    z = sum(d[-L:]) / (S * math.sqrt(L))
    return dict(S=S, z_day=[x / S for x in d[-L:]], z_multi=z, p_multi=normal_two_sided(z), T=T)


def corrado(A, L):
    """Complete data: d_t = mean_i (K_it - (T+1)/2). `z_multi` is corrado_multi."""
    if not np.all(np.isfinite(A)):
        raise ValueError("corrado needs complete data")
    K = np.column_stack([average_ranks(column) for column in A.T])
    T = len(A)
    return _from_daily([np.mean(row - (T + 1) / 2) for row in K], L)


def corrado_zivney(A, L):
    """U = rank/(1+n_i); d_t = (1/sqrt(N_t)) sum_i (U_it - 1/2); missing values allowed."""
    U = np.column_stack([average_ranks(column) / (1 + np.sum(np.isfinite(column))) for column in A.T])
    d = []
    for row in U:
        there = row[np.isfinite(row)]
        d.append(sum(there - 0.5) / math.sqrt(len(there)))
    return _from_daily(d, L)


def cz_sign(A, L):
    """G = sign(A - median of the firm); d_t = (1/sqrt(N_t)) sum_i G_it."""
    G = A - np.array([np.median(column[np.isfinite(column)]) for column in A.T])
    d = []
    for row in G:
        there = row[np.isfinite(row)]
        d.append(sum(np.sign(there)) / math.sqrt(len(there)))
    return _from_daily(d, L)


def cumrank_exact(A, L):
    """sum_i sum_{t in window} (U_it - 1/2)/N over sqrt(L(T-L)/(12(T+1))/N): exact without-replacement variance."""
    T, N = A.shape
    U = np.column_stack([average_ranks(column) / (1 + T) for column in A.T])
    z = np.sum(U[-L:] - 0.5) / N / math.sqrt(L * (T - L) / (12 * (T + 1)) / N)
    return dict(stat=z, p=normal_two_sided(z))


def grank(fits, raw=False, studentized=False):
    """Kolari-Pynnonen: T = M+1 values a firm, its estimation SARs and one value for the window.

    Window value SCAR/sd_cs(SCAR), or SCAR itself with `raw` (grank_raw); estimation SAR e/s, or e/(s sqrt(1-h)).
    Answers t (grank_t), z (grank_z) and Z.
    """
    N = len(fits)
    scar = np.array([f["scar"] for f in fits])
    last = scar if raw else scar / np.std(scar, ddof=1)
    columns = []
    for f, window_value in zip(fits, last, strict=True):
        keep = np.diag(f["resid_cov"]) if studentized else 1.0
        columns.append(np.concatenate([f["resid"] / (f["s"] * np.sqrt(keep)), [window_value]]))
    U, T_i = [], []
    for column in columns:
        n = int(np.sum(np.isfinite(column)))
        U.append(average_ranks(column) / (n + 1) - 0.5)
        T_i.append(n)
    rows = [row[np.isfinite(row)] for row in np.column_stack(U)]
    rows = [row for row in rows if len(row)]
    T = len(rows)
    S = math.sqrt(sum(len(row) / N * np.mean(row) ** 2 for row in rows) / T)
    U0 = np.mean(rows[-1])
    Z = U0 / S
    t = Z * math.sqrt((T - 2) / (T - 1 - Z**2))
    z = U0 / math.sqrt(sum((n - 1) / (n + 1) for n in T_i) / (12 * N**2))
    return dict(Z=Z, t=t, df=T - 2, p_t=t_two_sided(t, T - 2), z=z, p_z=normal_two_sided(z), T=T)


def signed_rank_distribution(ranks):
    """All 2^n values of W+ with their counts, built rank by rank (ranks doubled: ties give halves)."""
    counts = {0: 1}
    for r in ranks:
        step = round(2 * r)
        new = dict(counts)
        for w, n in counts.items():
            new[w + step] = new.get(w + step, 0) + n
        counts = new
    return counts


def wilcoxon(x):
    """Signed rank: zeros dropped, average ranks of |x|; exact p for n <= 25, z with tie correction otherwise."""
    x = np.array([v for v in x if v != 0])
    n = len(x)
    ranks = average_ranks(np.abs(x))
    W = sum(ranks[x > 0])
    ties = [sum(ranks == r) for r in set(ranks)]
    variance = n * (n + 1) * (2 * n + 1) / 24 - sum(t**3 - t for t in ties) / 48
    z = (W - n * (n + 1) / 4) / math.sqrt(variance)
    answer = dict(W=W, n=n, z=z, p_z=normal_two_sided(z), p_exact=math.nan)
    if n <= 25:
        counts = signed_rank_distribution(ranks)
        low = sum(c for w, c in counts.items() if w <= round(2 * W))
        high = sum(c for w, c in counts.items() if w >= round(2 * W))
        answer["p_exact"] = min(1.0, 2 * min(low, high) / 2**n)
    return answer


def wilcoxon_by_enumeration(x):
    """The exact p from all sign vectors, for small n."""
    x = np.array([v for v in x if v != 0])
    ranks = average_ranks(np.abs(x))
    W = sum(ranks[x > 0])
    every = [ranks @ np.array(signs) for signs in itertools.product((0, 1), repeat=len(x))]
    low, high = np.mean([w <= W for w in every]), np.mean([w >= W for w in every])
    return min(1.0, 2 * min(low, high))
