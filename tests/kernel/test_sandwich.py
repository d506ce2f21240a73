"""Covariances of one regression against statsmodels, and the calendar-time portfolio by hand."""

import numpy as np
import pytest

from abnormal.kernel import sandwich
from abnormal.kernel.calendar_portfolio import calendar_portfolio, regressed

EXACT = {"rel": 1e-10, "abs": 1e-18}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    n = 60
    z = np.column_stack([np.ones(n), rng.standard_normal(n), rng.standard_t(3, n)])
    y = z @ [0.01, 0.02, -0.01] + 0.02 * np.abs(z[:, 1]) * rng.standard_normal(n)
    return z, y, np.arange(n) // 6, 0.5 + rng.random(n)


@pytest.fixture(scope="module")
def fit(data):
    return sandwich.least_squares(data[0], data[1])


def theirs(data, **how):
    import statsmodels.api as sm

    return sm.OLS(data[1], data[0]).fit(**how)


def test_coefficients_residuals_and_leverage(data, fit):
    other = theirs(data)
    assert fit.coef == pytest.approx(other.params, **EXACT)
    assert fit.resid == pytest.approx(other.resid, rel=1e-9, abs=1e-15)
    assert fit.hat == pytest.approx(other.get_influence().hat_matrix_diag, **EXACT)
    assert fit.operator @ data[1] == pytest.approx(fit.coef, **EXACT)
    assert sandwich.classical(fit) == pytest.approx(other.cov_params(), **EXACT)


@pytest.mark.parametrize("form", ["HC0", "HC1", "HC2", "HC3"])
def test_heteroskedastic(data, fit, form):
    assert sandwich.robust(fit, data[0], form) == pytest.approx(theirs(data, cov_type=form).cov_params(), **EXACT)


@pytest.mark.parametrize("corrected", [True, False])
def test_clustered(data, fit, corrected):
    kwds = {"groups": data[2], "use_correction": corrected, "df_correction": True}
    other = theirs(data, cov_type="cluster", cov_kwds=kwds)
    assert sandwich.clustered(fit, data[0], data[2], corrected) == pytest.approx(other.cov_params(), **EXACT)


@pytest.mark.parametrize("lags", [0, 1, 3, 8])
def test_newey_west(data, fit, lags):
    other = theirs(data, cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert sandwich.newey_west(fit, data[0], lags) == pytest.approx(other.cov_params(), **EXACT)


def test_weighted(data):
    import statsmodels.api as sm

    z, y, _, w = data
    ours, other = sandwich.least_squares(z, y, w), sm.WLS(y, z, weights=w).fit()
    assert ours.coef == pytest.approx(other.params, **EXACT)
    assert sandwich.classical(ours) == pytest.approx(other.cov_params(), **EXACT)
    assert ours.operator @ y == pytest.approx(ours.coef, **EXACT)


def test_lag_rule():
    assert [sandwich.newey_west_lag(t) for t in (10, 90, 100, 250, 1000)] == [2, 3, 4, 4, 6]


def test_full_rank_does_not_depend_on_scale():
    z = np.column_stack([np.ones(9), np.arange(9.0), 1e-9 * np.arange(9.0) ** 2])
    assert sandwich.full_rank(z)
    assert not sandwich.full_rank(np.column_stack([z, z[:, 0] + z[:, 1]]))
    assert not sandwich.full_rank(np.column_stack([np.ones(9), np.zeros(9)]))
    assert not sandwich.full_rank(np.ones((1, 2)))


def test_portfolio_by_hand():
    day = np.array(["2026-01-05", "2026-01-06", "2026-01-06", "2026-01-07", "NaT"], "datetime64[D]")
    y = np.array([0.01, 0.02, 0.04, np.nan, 0.5])
    x = np.array([0.1, 0.2, 0.4, 0.3, 0.3])[:, None]
    p = calendar_portfolio(day, y, x)
    assert p.day.astype(str).tolist() == ["2026-01-05", "2026-01-06"]
    assert p.y == pytest.approx([0.01, 0.03])
    assert p.x[:, 0] == pytest.approx([0.1, 0.3])
    assert p.n.tolist() == [1, 2]
    assert calendar_portfolio(day, y, x, min_firms=2).n.tolist() == [2]
    weighted = calendar_portfolio(day, y, x, weight=np.array([1.0, 3.0, 1.0, 1.0, 1.0]))
    assert weighted.y == pytest.approx([0.01, 0.025])


def test_portfolio_regression_weights_sessions_by_members():
    rng = np.random.default_rng(0)
    day = np.datetime64("2026-01-05") + np.repeat(np.arange(30), np.arange(30) % 3 + 1)
    x = np.repeat(rng.standard_normal(30), np.arange(30) % 3 + 1)[:, None]
    y = 0.5 * x[:, 0] + rng.standard_normal(day.size)
    p = calendar_portfolio(day, y, x)
    f, v = regressed(p, "wls")
    import statsmodels.api as sm

    other = sm.WLS(p.y, np.column_stack([np.ones(30), p.x]), weights=p.n).fit()
    assert f.coef == pytest.approx(other.params, **EXACT)
    assert v == pytest.approx(other.cov_params(), **EXACT)
