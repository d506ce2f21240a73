"""Why a line through returns and benchmark cannot be used, in the words all models share."""

from __future__ import annotations

from ..domain import BoolArray, FloatArray, Sample
from ..kernel import ols
from ._linear import merged, short_reasons

EXACT = "zero residual variance: the returns are an exact function of the model"
FLAT = "collinear regressors: the benchmark does not vary"


def line_reasons(sample: Sample, fit: ols.Fit, y: FloatArray, use: BoolArray, model: str) -> list[str]:
    """Too few returns, a benchmark that does not vary, or an exact fit; "" for a pair that can go on."""
    reason = short_reasons(sample, fit.m, fit.coef.shape[1], model)
    reason = merged(reason, ~fit.full_rank, FLAT)
    return merged(reason, ols.is_exact(fit.rss, y, use), EXACT)
