"""What an estimator of a cross-sectional regression is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, Excluded, FloatArray, IntArray, TestOptions, Window
from ..errors import AbnormalError


class CannotEstimate(AbnormalError):
    """An estimator's reason why these standard errors cannot be had; caught at once and printed as the answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """n pairs, k regressors.

    y (n,) outcomes, z (n, k) characteristics with `names`, ar the abnormal returns of these pairs in this order, variance
    (n,) forecast-error variances s^2 c, group (n,) clusters 0..G-1 and what they are (`grouped_by`). linear: y is the CAR
    itself. components: principal components of `gls`.
    """

    y: FloatArray
    z: FloatArray
    names: tuple[str, ...]
    ar: AbnormalReturns
    window: Window
    variance: FloatArray
    group: IntArray
    grouped_by: str
    opt: TestOptions
    linear: bool = True
    components: int | None = None
    left_out: tuple[Excluded, ...] = ()

    @property
    def n(self) -> int:
        return int(self.y.size)

    @property
    def k(self) -> int:
        return int(self.z.shape[1])

    @property
    def clusters(self) -> int:
        return int(self.group.max()) + 1 if self.n else 0

    def keep(self, rows: IntArray, y: FloatArray, left_out: tuple[Excluded, ...]) -> Setup:
        """The pairs at `rows` only, with outcomes `y`."""
        group = np.unique(self.group[rows], return_inverse=True)[1]
        return replace(
            self, y=y, z=self.z[rows], ar=self.ar.take(rows), variance=self.variance[rows], group=group,
            left_out=self.left_out + left_out,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """coef, se, statistic, p (k,), null distribution by name and df; `null`, `unit` as in RegressionResult."""

    setup: Setup
    coef: FloatArray
    se: FloatArray
    statistic: FloatArray
    p: FloatArray
    df: float
    distribution: str
    fit: Any
    null: FloatArray | None = None
    unit: FloatArray | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
