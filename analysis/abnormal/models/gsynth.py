"""Factors drawn from the donors themselves (Xu 2017; Goldsmith-Pinkham and Lyu 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, FloatArray, IntArray, Sample
from ..registry import MODELS
from ._linear import combine, design, intercept, linear, no_regressor
from ._options import first_event_offset, keyed, whole
from ._peers import NO_PEERS, Donors, donor_names, donors_of, has_peers

MOST = 8
NOTE = "factors are drawn from the donors over estimation and event rows; the share's own event rows are not used"


def bai_ng_rank(z: FloatArray, most: int) -> int:
    """Number of factors 1..most with the smallest IC_p2 = ln V(r) + r (N + T)/(N T) ln min(N, T) of z (T, N)."""
    t, n = z.shape
    d = np.linalg.svd(z, compute_uv=False)
    left = (np.sum(d * d) - np.cumsum(d * d)) / (t * n)
    r = np.arange(1, min(most, n - 1, t - 1) + 1)
    # What is left of a complete fit is rounding; its logarithm only has to be very small.
    v = np.maximum(left[r - 1], np.finfo(float).tiny)
    return int(r[np.argmin(np.log(v) + r * (n + t) / (n * t) * np.log(min(n, t)))])


def donor_factors(r: FloatArray, span: FloatArray, single: FloatArray, most: int) -> FloatArray:
    """Principal components (W, k) of standardised donors: drawn from `single` (T, N), read off r (W, N)."""
    centre, spread = single.mean(axis=0), single.std(axis=0)
    z = (single - centre) / spread
    count = bai_ng_rank(z, most)
    axes = np.linalg.svd(z, full_matrices=False)[2][:count]
    largest = np.argmax(np.abs(axes), axis=1)
    axes = axes * np.sign(axes[np.arange(count), largest])[:, None]
    return (r - span[:, None] * centre) / spread @ axes.T


def _pool(sample: Sample, donors: Donors, i: int, rows: np.ndarray) -> np.ndarray:
    """Donors of pair i that vary over the rows on which all of them have a return."""
    assert sample.peers is not None
    live = np.flatnonzero(donors.live[i])
    seen = sample.peers[i][np.ix_(rows, live)]
    complete = seen[np.isfinite(seen).all(axis=1)]
    return live[np.ptp(complete, axis=0) > 0] if complete.size else live[:0]


def _factors_of(
    sample: Sample, donors: Donors, rows: np.ndarray, most: int
) -> tuple[FloatArray, IntArray, dict[int, str]]:
    """Factors (E, W, most), zero beyond each pair's own number (E,), and which donors do not vary, by position."""
    assert sample.peers is not None
    e, w = sample.y.shape
    out, count = np.zeros((e, w, most)), np.zeros(e, np.int64)
    still: dict[int, str] = {}
    for i in range(e):
        pool = _pool(sample, donors, i, rows)
        gone = [donor_names(sample, i)[j] for j in np.setdiff1d(np.arange(donors.live.shape[1]), pool)]
        if gone:
            still[i] = "no return, or one that never varies: " + ", ".join(gone)
        if pool.size < 2:
            continue
        single = sample.peers[i][np.ix_(rows, pool)]
        single = single[np.isfinite(single).all(axis=1)]
        if single.shape[0] < 3:
            continue
        found = donor_factors(donors.r[i][:, pool], sample.span[i], single, most)
        count[i] = found.shape[1]
        out[i, :, : count[i]] = found
    return out, count, still


@MODELS.add(
    "gsynth",
    reference="doi:10.1017/pan.2016.2",
    formula="R_t on 1 and r principal components of the donors, r <= 8 by Bai-Ng IC_p2; k = 1 + r, df = M - k",
    assumes={"donors untouched by the event", "five donors or more", "stable loadings"},
    robust_to={"shocks to the whole sector", "a volatile market around the event"},
    others="R gsynth chooses r by cross-validation",
)
def gsynth(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with the common movements of its donors, as many as the data ask for.

    Principal components of the donors' standardised returns over estimation and event rows, their number by the
    information criterion IC_p2 of Bai and Ng (2002), at most `options["factors"]` (default 8); the share's loadings by
    least squares on the estimation rows, with the exact forecast error. Gap rows are not used.
    """
    most = whole(options, "factors", MOST, 1, "gsynth")
    first = first_event_offset(sample, options, "gsynth")
    if not has_peers(sample):
        return no_regressor(sample, "gsynth", NO_PEERS)
    donors = donors_of(sample)
    rows = np.flatnonzero((sample.offsets <= sample.estimation[1]) | (sample.offsets >= first))
    factors, count, still = _factors_of(sample, donors, rows, most)
    parts = []
    for r in sorted(set(count.tolist()) or {0}, reverse=True):
        chosen = np.flatnonzero(count == r)
        part = sample.take(chosen)
        if r == 0:
            parts.append((chosen, no_regressor(part, "gsynth", "two donors or more whose returns vary")))
            continue
        columns = [factors[chosen, :, j] for j in range(r)]
        x = design(intercept(part), *columns)
        parts.append((chosen, linear(part, "gsynth", x, ("alpha", *(f"factor{j + 1}" for j in range(r))))))
    out = parts[0][1] if len(parts) == 1 else combine(parts, sample.size)
    used = {i: int(n) for i, n in enumerate(count) if n}
    return replace(out, notes={"gsynth": NOTE, "n_factors": keyed(sample, used), "left_out": keyed(sample, still)})
