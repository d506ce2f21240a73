"""The market model on a short, recent window: a beta of today rather than of the whole year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..domain import AbnormalReturns, Sample
from ..registry import MODELS
from ._linear import design, intercept, linear, no_regressor
from ._options import whole


@MODELS.add(
    "rolling",
    reference="doi:10.2307/2525569",
    formula="market on the last w estimation sessions (w = 120); k = 2, df = M - 2",
    assumes={"a beta stable over the last w sessions", "an alpha that goes on"},
    robust_to={"a beta that has moved since"},
    others="with the estimation window fixed it equals `market` with M = w",
)
def rolling(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market over the last sessions before the event only.

    Least squares on the last `options["window"]` sessions (default 120) of the estimation window; event sessions never
    enter. A window longer than the history uses what there is.
    """
    window = whole(options, "window", 120, 3, "rolling")
    if not sample.names:
        return no_regressor(sample, "rolling", "a benchmark; give benchmark=...")
    recent = sample.offsets > sample.estimation[1] - window
    late = replace(sample, est=sample.est & recent[None, :])
    return linear(late, "rolling", design(intercept(sample), sample.x[:, :, 0]), ("alpha", "beta"))
