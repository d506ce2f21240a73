"""Market-adjusted and peer-adjusted returns: nothing is estimated for the forecast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Sample
from ..registry import MODELS
from ._linear import assemble, design, estimation_columns, no_regressor, short_reasons, usable_rows
from ._spans import compounded


def unfitted_residuals(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
    """Nothing is estimated, so a second fit changes nothing; y must already be the difference."""
    return np.where(use, y, np.nan)


def adjusted(sample: Sample, model: str, reference: FloatArray, options: Mapping[str, Any]) -> AbnormalReturns:
    """AR = R - reference, with the spread around the mean (`s_mean`) or around zero (`s_zero`)."""
    diff = sample.y - reference
    use = usable_rows(sample, sample.y, design(reference))
    cols = estimation_columns(sample)
    d, u = np.where(use[:, cols], diff[:, cols], 0.0), use[:, cols]
    m = u.sum(axis=1)
    centred = options.get("sigma", "s_mean") == "s_mean"
    mean = d.sum(axis=1) / np.maximum(m, 1) if centred else np.zeros(sample.size)
    rss = np.sum(np.where(u, diff[:, cols] - mean[:, None], 0.0) ** 2, axis=1)
    df = (m - 1 if centred else m).astype(float)
    return assemble(
        sample, model, y=sample.y, expected=reference, use=use, x=np.zeros((*diff.shape, 0)),
        g=np.zeros((sample.size, 0, 0)), rss=rss, k=0, df=np.where(df > 0, df, np.nan),
        coef=np.stack([d.sum(axis=1) / np.maximum(m, 1), np.ones(sample.size)], axis=1), coef_names=("alpha", "beta"),
        r2=np.full(sample.size, np.nan), fitted=False, reason=short_reasons(sample, m, 0, model),
        refit=unfitted_residuals,
    )  # fmt: skip


@MODELS.add(
    "market_adjusted",
    reference="doi:10.1016/0304-405X(80)90002-1",
    formula="E[R_t] = Rm_t; s = sd(R - Rm) (s_mean, df M - 1) or root mean square (s_zero, df M); k = 0",
    variants=("s_mean", "s_zero"),
    assumes={"a beta of one"},
)
def market_adjusted(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's return beyond its market's, nothing estimated.

    AR_t = R_t - Rm_t; Var(CAR) = s^2 L2. `options["sigma"]` chooses `s_mean` (default) or `s_zero`.
    """
    if not sample.names:
        return no_regressor(sample, "market_adjusted", "a benchmark; give benchmark=...")
    return adjusted(sample, "market_adjusted", sample.x[:, :, 0], options)


@MODELS.add(
    "peers_ew",
    reference="doi:10.1016/0304-405X(80)90002-1",
    formula="E[R_t] = mean return of the peers; sigma, df and c as market_adjusted; k = 0",
    assumes={"peers untouched by the event"},
)
def peers_ew(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's return beyond the average of its peers, nothing estimated.

    AR_t = R_t - mean_j R_jt over the control shares; a session on which a control share is missing is not used.
    """
    if sample.peers is None or sample.peers.shape[2] == 0:
        return no_regressor(sample, "peers_ew", 'peers; give options={"peers": [...]}')
    return adjusted(sample, "peers_ew", compounded(sample, sample.peers).mean(axis=2), options)
