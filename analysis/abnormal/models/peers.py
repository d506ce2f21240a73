"""Control shares as the benchmark: regression on their mean, and a ridge regression on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..domain import AbnormalReturns, FloatArray, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import assemble, design, estimation_columns, intercept, linear, merged, no_regressor
from ._options import keyed
from ._peers import NO_PEERS, common_names, donor_reasons, donors_of, has_peers, left_out
from ._reasons import EXACT
from ._spans import compounded

BLOCKS = 5
PENALTIES = tuple(float(10.0**p) for p in np.linspace(-3.0, 5.0, 33))
NOTHING_LEFT = 1e-9  # the penalty leaves a trace of a share that is one of its peers
NO_SKLEARN = 'the package scikit-learn; type: pip install "abnormal[models]"'


@MODELS.add(
    "peers_reg",
    reference="doi:10.2139/ssrn.3600432",
    formula="E[R_t] = alpha + beta mean_j R_jt over the peers; k = 2, df = M - 2",
    assumes={"peers untouched by the event", "a stable beta", "an alpha that goes on"},
    robust_to={"shocks to the whole sector"},
    others="a peer index in the manner of Baker and Gelbach (2020)",
)
def peers_reg(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with the average of its peers.

    AR_t = R_t - alpha - beta mean_j R_jt by least squares; a session on which a peer is missing is not used.
    """
    if sample.peers is None or not has_peers(sample):
        return no_regressor(sample, "peers_reg", NO_PEERS)
    mean = compounded(sample, sample.peers).mean(axis=2)
    return linear(sample, "peers_reg", design(intercept(sample), mean), ("alpha", "beta"))


class Ridge(NamedTuple):
    """Penalty, level, slopes (J,) on standardised donors, their centre and spread (J,), leave-block-out residuals."""

    penalty: float
    level: float
    slope: FloatArray
    centre: FloatArray
    spread: FloatArray
    left_out: FloatArray

    @property
    def raw_coefficients(self) -> FloatArray:
        """Level and slopes on returns that are not standardised, (1 + J,)."""
        slope = self.slope / self.spread
        return np.concatenate([[self.level - self.centre @ slope], slope])

    def expected(self, r: FloatArray, span: FloatArray) -> FloatArray:
        """Forecast for rows r (W, J) that cover `span` (W,) sessions."""
        return self.level * span + (r - span[:, None] * self.centre) / self.spread @ self.slope


def _fit(z: FloatArray, y: FloatArray, penalties: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Levels (P,) and slopes (P, J) of a ridge regression at each penalty, level free of it."""
    from sklearn.linear_model import Ridge as Estimator

    found = Estimator(alpha=penalties, solver="svd").fit(z, np.repeat(y[:, None], penalties.size, axis=1))
    return np.atleast_1d(found.intercept_), np.atleast_2d(found.coef_)


def ridge(y: FloatArray, r: FloatArray) -> Ridge:
    """Ridge of y (M,) on donors r (M, J) in time order; penalty by the error on 5 blocks left out in turn."""
    centre, spread = r.mean(axis=0), r.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z = (r - centre) / spread
    grid = np.array(PENALTIES)
    errors = np.empty((grid.size, y.size))
    for block in np.array_split(np.arange(y.size), BLOCKS):
        rest = np.setdiff1d(np.arange(y.size), block)
        level, slope = _fit(z[rest], y[rest], grid)
        errors[:, block] = y[block] - level[:, None] - slope @ z[block].T
    best = int(np.argmin(np.mean(errors**2, axis=1)))
    level, slope = _fit(z, y, grid[best : best + 1])
    return Ridge(float(grid[best]), float(level[0]), slope[0], centre, spread, errors[best])


def _sklearn_is_here() -> bool:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return False
    return True


@MODELS.add(
    "peers_ridge",
    reference="doi:10.2139/ssrn.3600432",
    formula="min |R - a - Z b|^2 + lambda |b|^2, Z standardised donors, lambda by 5 blocks; residuals leave-block-out",
    assumes={"peers untouched by the event", "ten peers or more"},
    robust_to={"shocks to the whole sector"},
    others="scikit-learn does the fit",
)
def peers_ridge(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's relation with each of many peers, shrunk so that no single one decides.

    Ridge regression on the standardised returns of all control shares (Baker and Gelbach 2020); the penalty (33 values
    from 1e-3 to 1e5) is the one with the smallest squared error on five contiguous blocks of the estimation rows, each
    left out in turn. Residuals of the estimation window are those leave-block-out errors, never in-sample ones; sigma
    is their standard deviation, Var(CAR) = sigma^2 L2, df M - 1.
    """
    if not has_peers(sample):
        return no_regressor(sample, "peers_ridge", NO_PEERS)
    if not _sklearn_is_here():
        return no_regressor(sample, "peers_ridge", NO_SKLEARN)
    donors, cols = donors_of(sample), estimation_columns(sample)
    y, use, m = sample.y, donors.use, donors.use.sum(axis=1)
    reason = donor_reasons(sample, donors, "peers_ridge", k=2 * BLOCKS)
    expected = np.full(y.shape, np.nan)
    coef = np.full((sample.size, 1 + donors.live.shape[1]), np.nan)
    penalty: dict[int, float] = {}
    for i in np.flatnonzero([not w for w in reason]):
        live = donors.live[i]
        fit = ridge(y[i, use[i]], donors.r[i, use[i]][:, live])
        expected[i] = fit.expected(donors.r[i][:, live], sample.span[i])
        expected[i, use[i]] = y[i, use[i]] - fit.left_out
        coef[i, np.concatenate([[True], live])] = fit.raw_coefficients
        penalty[int(i)] = fit.penalty
    e = np.where(use, y - expected, 0.0)
    mean = e.sum(axis=1) / np.maximum(m, 1)
    rss = np.sum(np.where(use, e - mean[:, None], 0.0) ** 2, axis=1)
    r2 = ols.r_squared(np.sum(e * e, axis=1), y[:, cols], use[:, cols])
    reason = merged(reason, ~(r2 < 1.0 - NOTHING_LEFT), EXACT)
    return assemble(
        sample, "peers_ridge", y=y, expected=expected, use=use, x=np.zeros((*y.shape, 0)),
        g=np.zeros((sample.size, 0, 0)), rss=rss, k=0, df=np.where(m > 1, m - 1.0, np.nan), coef=coef,
        coef_names=("alpha", *common_names(sample)), r2=r2, fitted=False, reason=reason,
        notes={
            "peers_ridge": "residuals are leave-block-out; the model is not fitted again with the event rows",
            "penalty": keyed(sample, penalty), "left_out": left_out(sample, donors),
        },
    )  # fmt: skip
