"""Brown and Warner (1980): the comparison-period mean return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain import AbnormalReturns, Sample
from ..registry import MODELS
from ._linear import design, intercept, linear


@MODELS.add(
    "mean",
    reference="doi:10.1016/0304-405X(80)90002-1",
    formula="E[R_t] = mean of R over the estimation window; k = 1, df = M - 1",
    assumes={"a constant expected return"},
)
def mean(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's own average return before the event.

    AR_t = R_t - Rbar; Var(CAR) = s^2 (L2 + L2^2 / M).
    """
    return linear(sample, "mean", design(intercept(sample)), ("alpha",))
