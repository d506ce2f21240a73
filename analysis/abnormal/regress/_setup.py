"""What an estimator of a cross-sectional regression is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..domain import AbnormalReturns, Excluded, FloatArray, IntArray, TestOptions, Window
from ..errors import AbnormalError, RequestError

if TYPE_CHECKING:
    from ..case import Case


def live_case(study: Any) -> Case:
    """The case behind a study's result, or the case itself."""
    case = getattr(study, "case", study)
    if case is None:
        raise RequestError("a regression needs the returns; this result was loaded from a folder: run the study again")
    return case


def window_of(case: Case, window: Window | None) -> Window:
    """The window asked for, or the headline; it must lie inside the rows the study cut out."""
    if window is None:
        return case.headline
    pair = tuple(window) if not isinstance(window, str) else ()
    if len(pair) != 2 or not all(isinstance(v, (int, np.integer)) for v in pair) or pair[0] > pair[1]:
        raise RequestError(f"window: {window!r} given; expected two offsets (a, b) with a <= b, for instance (0, 1)")
    a, b = int(pair[0]), int(pair[1])
    low, high = min(w[0] for w in case.windows), max(w[1] for w in case.windows)
    if a <= case.ar.estimation[1] or b > high:
        raise RequestError(
            f"window ({a}, {b}) reaches beyond the study's rows ({low} to {high}); add it: "
            f"spec.but(windows=[..., ({a}, {b})])"
        )
    return a, b


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
