"""Sections 4.9, 4.11 and 4.13: everything that draws, permutes or adjusts. `rng` is a numpy Generator."""

import itertools
import math

import numpy as np

from .cross import hotelling, skewness, t_xs
from .single import rank_p, studentized_windows

TIE = 1e-12
RADEMACHER = (-1.0, 1.0)
WEBB = (-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5))


def bootstrap_p(observed, null):
    """(1 + #{T* >= T})/(B + 1), ties counted."""
    return rank_p(observed, list(null))


# ------------------------------------------------------------------------------------------------ signs and weights


def sign_flip(x, statistic="mean", rng=None, B=9999):
    """|mean| or |t| over all 2^N sign vectors (N <= 16, the identity among them), else B random ones."""
    x = np.asarray(x, float)
    N = len(x)
    measure = (lambda v: abs(np.mean(v))) if statistic == "mean" else (lambda v: abs(t_xs(v)["stat"]))
    observed = measure(x)
    if N <= 16:
        every = [measure(x * np.array(s)) for s in itertools.product((-1, 1), repeat=N)]
        return dict(p=sum(v >= observed - TIE for v in every) / len(every), smallest_p=2 / 2**N)
    signs = rng.integers(0, 2, size=(B, N)) * 2 - 1
    return dict(p=bootstrap_p(observed, [measure(x * s) for s in signs]), smallest_p=1 / (B + 1))


def wild(x, rng, B=9999, clusters=None, weights="rademacher", statistic="t"):
    """CAR*_i = w_i CAR_i, null imposed, symmetric p of |t|; one weight a cluster where clusters (dates) are given.

    Clusters are taken in sorted order; Rademacher draws `integers(0, 2)*2-1`, Webb `integers(0, 6)` into the six
    points in ascending order. `statistic`: the plain t, or `cluster_t` (CR1 around the mean).
    """
    x = np.asarray(x, float)
    labels = list(range(len(x))) if clusters is None else sorted(set(clusters))
    place = [labels.index(c) for c in (range(len(x)) if clusters is None else clusters)]
    if weights == "rademacher":
        W = rng.integers(0, 2, size=(B, len(labels))) * 2 - 1
    else:
        W = np.array(WEBB)[rng.integers(0, 6, size=(B, len(labels)))]

    def t(v):
        return t_xs(v)["stat"] if statistic == "t" else cluster_t(v, place)

    observed = abs(t(x))
    null = []
    for w in W:
        value = abs(t(x * w[place]))
        null.append(math.inf if math.isnan(value) else value)
    return dict(stat=t(x), p=bootstrap_p(observed, null))


def cluster_t(x, place):
    """mean / sqrt(G/(G-1) sum_g (sum of deviations in g)^2)/N)."""
    G, N = len(set(place)), len(x)
    sums = [sum(x[i] - np.mean(x) for i in range(N) if place[i] == g) for g in set(place)]
    return np.mean(x) / (math.sqrt(G / (G - 1) * sum(s * s for s in sums)) / N)


def lbt_bootstrap(x, rng, B=9999, nb=None, level=0.05):
    """Skewness-adjusted t bootstrapped from samples of size nb; samples without spread are discarded."""
    x = np.asarray(x, float)
    N = len(x)
    nb = max(4, N // 4) if nb is None else nb
    stars = []
    for index in rng.integers(0, N, size=(B, nb)):
        sample = x[index]
        sd = np.std(sample, ddof=1)
        if np.all(sample == sample[0]) or sd == 0:
            continue
        S = (np.mean(sample) - np.mean(x)) / sd
        g, _ = skewness(sample)
        stars.append(math.sqrt(nb) * (S + g * S**2 / 3 + g / (6 * nb)))
    low, high = np.quantile(stars, [level / 2, 1 - level / 2])
    return dict(q_low=low, q_high=high, used=len(stars))


def block_bootstrap(series, rng, B=999, length=None):
    """Moving blocks: starts `integers(0, M-l+1, size=(B, ceil(M/l)))`; the B means and their sd."""
    series = np.asarray(series, float)
    M = len(series)
    length = max(1, round(M ** (1 / 3))) if length is None else length
    means = []
    for starts in rng.integers(0, M - length + 1, size=(B, math.ceil(M / length))):
        draw = np.concatenate([series[s : s + length] for s in starts])[:M]
        means.append(draw.mean())
    return dict(means=np.array(means), se=np.std(means, ddof=1))


# ------------------------------------------------------------------------------------------------ joint resampling


def hein_westfall(E, X, X_event, c, T2, rng, B, nu, model="ols"):
    """Rows of the residual matrix redrawn for all firms at once; T2 recomputed with the real X.

    Draws `integers(0, M, size=(B, M+L2))`: the first M rows of E on the estimation rows, the last L2 on the event
    rows. `model`: `ols` (X with its intercept), `zero_alpha` (slope refitted with intercept, residuals uncentred) or
    `none` (nothing to refit).
    """
    M, L = len(E), len(X_event)
    inverse = np.linalg.inv(X.T @ X)
    n_ge = 0
    for index in rng.integers(0, M, size=(B, M + L)):
        est, event = E[index[:M]], E[index[M:]]
        b = inverse @ (X.T @ est)
        if model == "zero_alpha":
            b[0] = 0.0
        if model == "none":
            b[:] = 0.0
        e = est - X @ b
        theta = (event - X_event @ b).sum(axis=0)
        if hotelling(theta, e.T @ e / nu, c) >= T2 - TIE:
            n_ge += 1
    return dict(n_ge=n_ge, p=(1 + n_ge) / (B + 1))


def group_sums(fits):
    """Q of one date: the studentized sums of all its firms at every window they share, the real one last."""
    L = fits[0]["L2"]
    by_firm = [{f["est"][q]: z for q, z in studentized_windows(f, L)} for f in fits]
    starts = [t for t in sorted(by_firm[0]) if all(t in other for other in by_firm)]
    return [sum(firm[t] for firm in by_firm) for t in starts] + [sum(f["scar"] for f in fits)]


def placebo_joint(groups, rng, B=9999):
    """One position per date, `integers(0, len(Q), size=B)` date by date; T = |sum over dates and firms|."""
    Q = [np.array(group_sums(fits)) for fits in groups]
    draws = [q[rng.integers(0, len(q), size=B)] for q in Q]
    observed = abs(sum(q[-1] for q in Q))
    null = np.abs(sum(draws))
    n_ge = int(sum(null >= observed - TIE))
    return dict(T_0=observed, groups=len(Q), positions=[len(q) for q in Q], B=B, n_ge=n_ge, p=(1 + n_ge) / (B + 1))


# ------------------------------------------------------------------------------------------------ multiplicity (4.13)


def bonferroni(p):
    return [min(1.0, len(p) * v) for v in p]


def holm(p):
    """adj p_(j) = max_{l<=j} min(1, (m-l+1) p_(l))."""
    m, order = len(p), np.argsort(p, kind="stable")
    out, running = [0.0] * m, 0.0
    for step, i in enumerate(order):
        running = max(running, min(1.0, (m - step) * p[i]))
        out[i] = running
    return out


def bh(p, factor=1.0):
    """adj p_(j) = min_{l>=j} m p_(l)/l."""
    m, order = len(p), np.argsort(p, kind="stable")
    out, running = [0.0] * m, 1.0
    for step in range(m - 1, -1, -1):
        running = min(running, factor * m * p[order[step]] / (step + 1))
        out[order[step]] = running
    return out


def by(p):
    """Benjamini-Yekutieli: BH times 1 + 1/2 + ... + 1/m."""
    return bh(p, factor=sum(1 / j for j in range(1, len(p) + 1)))


def romano_wolf(t, null):
    """|t| descending; p_(j) = (1 + #{b: max_{l>=j} |t*_b(l)| >= |t_(j)|})/(B+1), then the running maximum."""
    order = sorted(range(len(t)), key=lambda i: -abs(t[i]))
    out, running = [0.0] * len(t), 0.0
    for j, i in enumerate(order):
        maxima = [max(abs(row[k]) for k in order[j:]) for row in null]
        running = max(running, bootstrap_p(abs(t[i]), maxima))
        out[i] = running
    return out


# ------------------------------------------------------------------------------------------------ wild, regression


def wild_cluster(Z, y, clusters, coefficient, rng, B=9999):
    """CR1 t of one coefficient, null imposed, one weight a cluster (Webb under 12 clusters), symmetric p (5.3)."""
    from .regression import xs_regression

    labels = sorted(set(clusters))
    place = [labels.index(c) for c in clusters]
    others = [j for j in range(Z.shape[1]) if j != coefficient]
    fitted = Z[:, others] @ np.linalg.lstsq(Z[:, others], y, rcond=None)[0]
    u = y - fitted
    if len(labels) < 12:
        W = np.array(WEBB)[rng.integers(0, 6, size=(B, len(labels)))]
    else:
        W = rng.integers(0, 2, size=(B, len(labels))) * 2 - 1

    def t(values):
        answer = xs_regression(Z, values, "CR1", clusters)
        return answer["b"][coefficient] / answer["se"][coefficient]

    return dict(stat=t(y), p=bootstrap_p(abs(t(y)), [abs(t(fitted + u * w[place])) for w in W]))
