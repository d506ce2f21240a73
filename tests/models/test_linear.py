"""Least-squares and parameter-free models against the public values, statsmodels and a slow twin."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from model_cases import EST_COLUMNS, EVENT_COLUMNS, car_and_se, clustered_sample, coefficient, run, sample_of

from twin import models as twin
from twin import public

FACTORS = ("MKT", "SMB", "HML", "RMW", "CMA", "MOM")
SETS = {
    "ff3": FACTORS[:3],
    "carhart4": ("MKT", "SMB", "HML", "MOM"),
    "ff5": FACTORS[:5],
    "ff6": FACTORS,
    "factors": FACTORS,
}


@pytest.fixture(scope="module")
def panel() -> dict[str, np.ndarray]:
    """Three shares on six factors, an industry index and a riskless rate; one share has gaps, one a short history."""
    rng = np.random.default_rng(11)
    f = 0.01 * rng.standard_normal((300, 6))
    rf = 0.0001 + 0.00002 * rng.random(300)
    industry = 0.8 * f[:, 0] + 0.01 * rng.standard_normal(300)
    load = rng.standard_normal((6, 3)) * 0.4 + np.array([1.0, 0, 0, 0, 0, 0])[:, None]
    ret = rf[:, None] + f @ load + 0.02 * rng.standard_t(5, (300, 3))
    ret[[40, 41, 90, 271], 1] = np.nan
    ret[:180, 2] = np.nan
    return dict(f=f, rf=rf, industry=industry, ret=ret)


def ols_oracle(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Coefficients, forecast errors and their standard errors (statsmodels) of one share on the rows of the public set."""
    est = np.arange(20, 260)
    est = est[np.isfinite(y[est]) & np.isfinite(x[est]).all(axis=1)]
    event = np.arange(269, 274)
    fit = sm.OLS(y[est], x[est]).fit()
    answer = fit.get_prediction(x[event])
    return fit.params, y[event] - answer.predicted_mean, answer.se_obs, fit.rsquared


def assert_like_statsmodels(ar, y: np.ndarray, x: np.ndarray) -> None:
    for i in range(ar.size):
        params, forecast_error, se, _ = ols_oracle(y[:, i], x)
        k = params.size
        np.testing.assert_allclose(ar.coef[i, :k], params, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(ar.ar[i, EVENT_COLUMNS], forecast_error, rtol=0, atol=1e-13)
        rows = ar.x[i, EVENT_COLUMNS]
        own = ar.sigma[i] * np.sqrt(ar.noise[i, EVENT_COLUMNS] + np.einsum("lk,kj,lj->l", rows, ar.g[i], rows))
        np.testing.assert_allclose(own, se, rtol=1e-12)
        assert ar.k[i] == k and ar.df[i] == ar.m[i] - k
        assert ar.fitted[i] and ar.reason[i] == ""


@pytest.mark.parametrize("model", ["mean", "market", "capm", "ff3"])
def test_public_values(model: str, golden) -> None:
    data = public.clustered()
    x = np.column_stack([data["mkt"] - (data["rf"] if model == "ff3" else 0.0), data["smb"], data["hml"]])
    names = ("MKT", "SMB", "HML") if model == "ff3" else ("market", "SMB", "HML")
    rf = data["rf"] if model in ("capm", "ff3") else None
    ar = run(model, sample_of(data["ret"], x, names, rf=rf))
    car, se = car_and_se(ar)
    for i, want in enumerate(golden["clustered"][model]):
        np.testing.assert_allclose(ar.coef[i], want["b"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(ar.sigma[i] ** 2, want["s2"], rtol=0, atol=1e-12)
        known = [v is not None for v in want["ar"]]
        np.testing.assert_allclose(ar.ar[i, EVENT_COLUMNS][known], np.array(want["ar"], float)[known], atol=1e-10)
        assert np.isnan(ar.ar[i, EVENT_COLUMNS][~np.array(known)]).all()
        np.testing.assert_allclose([car[i], se[i]], [want["car"], want["car_se"]], rtol=0, atol=1e-10)
        assert (ar.m[i], ar.k[i]) == (want["M"], want["k"])


def test_public_market_adjusted(golden) -> None:
    want = golden["clustered"]["market_adjusted"]
    for variant, df in (("s_mean", 239), ("s_zero", 240)):
        ar = run("market_adjusted", clustered_sample([0]), sigma=variant)
        np.testing.assert_allclose(ar.sigma[0], want[0][variant], rtol=0, atol=1e-10)
        np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS], want[0]["ar"], rtol=0, atol=1e-10)
        car, se = car_and_se(ar)
        np.testing.assert_allclose(car[0], want[0]["car"], atol=1e-10)
        np.testing.assert_allclose(se[0], want[0][variant] * np.sqrt(5), atol=1e-10)
        assert ar.df[0] == df and ar.k[0] == 0 and not ar.fitted[0]


def test_public_market_zero_alpha(golden) -> None:
    want = golden["clustered"]["tests_market_model"]["market_zero_alpha_firm0"]
    ar = run("market_zero_alpha", clustered_sample([0]))
    for window, key in (((0, 0), "0_0"), ((-1, 3), "m1_3")):
        car, se = car_and_se(ar, window)
        np.testing.assert_allclose([car[0], se[0]], [want[key]["car"], want[key]["se"]], rtol=0, atol=1e-10)
    assert ar.df[0] == 239 and ar.k[0] == 1
    np.testing.assert_allclose(coefficient(ar, "alpha")[0], golden["clustered"]["market"][0]["b"][0], atol=1e-12)


@pytest.mark.parametrize("model", SETS)
def test_factor_models_are_least_squares_in_excess_of_the_riskless_rate(model: str, panel) -> None:
    names = SETS[model]
    ar = run(model, sample_of(panel["ret"], panel["f"], FACTORS, rf=panel["rf"]))
    x = np.column_stack([np.ones(300), *(panel["f"][:, FACTORS.index(n)] for n in names)])
    assert ar.coef_names == ("alpha", *names)
    assert_like_statsmodels(ar, panel["ret"] - panel["rf"][:, None], x)


def test_capm_zero_has_no_intercept(panel) -> None:
    ar = run("capm_zero", sample_of(panel["ret"], panel["f"], FACTORS, rf=panel["rf"]))
    assert_like_statsmodels(ar, panel["ret"] - panel["rf"][:, None], panel["f"][:, :1])


def test_capm_takes_the_riskless_rate_off_the_benchmark(panel) -> None:
    rm = panel["f"][:, 0]
    ar = run("capm", sample_of(panel["ret"], rm, rf=panel["rf"]))
    x = np.column_stack([np.ones(300), rm - panel["rf"]])
    assert_like_statsmodels(ar, panel["ret"] - panel["rf"][:, None], x)


def test_industry_models(panel) -> None:
    sample = sample_of(panel["ret"], np.column_stack([panel["f"][:, 0], panel["industry"]]), ("market", "industry"))
    one = np.ones(300)
    assert_like_statsmodels(run("industry", sample), panel["ret"], np.column_stack([one, panel["industry"]]))
    both = np.column_stack([one, panel["f"][:, 0], panel["industry"]])
    assert_like_statsmodels(run("market_industry", sample), panel["ret"], both)


def test_a_missing_regressor_costs_its_rows_only(panel) -> None:
    f = panel["f"].copy()
    f[[30, 200], 1] = np.nan
    f[272, 2] = np.nan
    ar = run("ff3", sample_of(panel["ret"][:, :1], f, FACTORS, rf=panel["rf"]))
    assert ar.m[0] == 238 and np.isnan(ar.ar[0, EVENT_COLUMNS][3])
    keep = [t for t in range(20, 260) if t not in (30, 200)]
    x = np.column_stack([np.ones(300), f[:, :3]])
    fit = sm.OLS((panel["ret"][:, 0] - panel["rf"])[keep], x[keep]).fit()
    np.testing.assert_allclose(ar.coef[0], fit.params, atol=1e-13)
    np.testing.assert_allclose(ar.sigma[0], np.sqrt(fit.scale), rtol=1e-12)


def test_an_event_return_over_three_sessions_meets_three_sessions_of_market() -> None:
    """AR = R - 3 alpha - beta Rm over the three, S^2 = s^2 (3 + x'(X'X)^-1 x) with x = [3, Rm]."""
    data = public.clustered()
    ret, mkt = data["ret"][:, :1].copy(), data["mkt"]
    ret[[270, 271]] = np.nan
    covered = np.where(np.isfinite(ret), 1.0, 0.0)
    covered[272] = 3.0
    ar = run("market", sample_of(ret, mkt, sessions=covered))
    b, inverse, e = twin.ols(ret[20:260, 0], twin.intercept_and(mkt[20:260]))
    rm = np.prod(1.0 + mkt[270:273]) - 1.0
    x = np.array([3.0, rm])
    np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS][3], ret[272, 0] - x @ b, atol=1e-14)
    _, se = car_and_se(ar, (2, 2))
    np.testing.assert_allclose(se[0], np.sqrt(e @ e / 238 * (3.0 + x @ inverse @ x)), rtol=1e-12)


def test_auto_chooses_by_the_length_of_the_history() -> None:
    sample = clustered_sample()
    ar, long, short = run("auto", sample), run("market", sample), run("market_zero_alpha", sample)
    assert ar.model == ("market",) * 7 + ("market_zero_alpha",)
    np.testing.assert_array_equal(ar.ar[:7], long.ar[:7])
    np.testing.assert_array_equal(ar.ar[7], short.ar[7])
    assert list(ar.k) == [2] * 7 + [1]
    assert set(ar.refit) == {"market", "market_zero_alpha"}


def test_peers_ew_is_the_share_beyond_the_mean_of_its_peers() -> None:
    data = public.clustered()
    ar = run("peers_ew", clustered_sample([0], donors=range(1, 6)))
    fit = twin.peers_ew(data["ret"][:, 0], data["ret"][:, 1:6], data["est"], data["ev"])
    np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS], fit["ar"], atol=1e-15)
    np.testing.assert_allclose(ar.sigma[0], fit["s"], rtol=1e-12)
    assert ar.df[0] == 239


LINEAR = ("mean", "market", "market_zero_alpha", "capm", "industry", "market_industry", "factors")


@pytest.mark.parametrize("model", LINEAR)
def test_constant_returns_are_an_exact_fit(model: str, panel) -> None:
    x = np.column_stack([panel["f"][:, 0], panel["industry"]])
    ar = run(model, sample_of(np.full((300, 1), 0.001), x, ("market", "industry")))
    assert "zero residual variance" in ar.reason[0]
    assert np.isnan(ar.sigma[0]) and np.isnan(ar.ar[0]).all()


@pytest.mark.parametrize("model", ("market", "market_zero_alpha", "capm", "industry"))
def test_a_share_equal_to_its_benchmark(model: str, panel) -> None:
    rm = panel["f"][:, 0]
    ar = run(model, sample_of(rm[:, None], np.column_stack([rm, rm]), ("market", "industry")))
    assert "zero residual variance" in ar.reason[0]


@pytest.mark.parametrize("model", ("market", "market_zero_alpha", "capm", "market_industry", "factors"))
def test_regressors_that_cannot_be_told_apart(model: str, panel) -> None:
    x = np.column_stack([np.full(300, 0.002), np.full(300, 0.004)])
    ar = run(model, sample_of(panel["ret"][:, :1], x, ("market", "industry")))
    assert "collinear" in ar.reason[0] and np.isnan(ar.ar).all()


@pytest.mark.parametrize("model", ("market_adjusted", "peers_ew"))
def test_nothing_left_beyond_the_reference(model: str, panel) -> None:
    rm = panel["f"][:, 0]
    ar = run(model, sample_of(rm[:, None], rm, peers=np.column_stack([rm, rm])))
    assert "zero residual variance" in ar.reason[0]


@pytest.mark.parametrize(
    ("model", "asks_for"),
    [
        ("market", "benchmark"),
        ("market_zero_alpha", "benchmark"),
        ("market_adjusted", "benchmark"),
        ("auto", "benchmark"),
        ("capm_zero", "benchmark"),
        ("ff3", "SMB, HML, MKT"),
        ("ff6", "SMB, HML, RMW, CMA, MOM, MKT"),
        ("factors", "factors="),
        ("industry", "industry="),
        ("market_industry", "benchmark= and industry="),
        ("peers_ew", "peers"),
    ],
)
def test_a_model_without_its_regressor_says_what_to_give(model: str, asks_for: str, panel) -> None:
    ar = run(model, sample_of(panel["ret"], np.empty((300, 0)), ()))
    assert len(ar.reason) == 3 and all(asks_for in r for r in ar.reason)
    assert np.isnan(ar.ar).all()


def test_too_few_returns_say_how_many_there_are(panel) -> None:
    ret = panel["ret"].copy()
    ret[:235, 2] = np.nan
    ar = run("market", sample_of(ret, panel["f"][:, 0]))
    assert ar.reason == ("", "", "25 returns in (-250, -11); model 'market' needs 30")


def test_refit_on_the_estimation_rows_gives_the_residuals(panel) -> None:
    x = np.column_stack([panel["f"][:, 0], panel["industry"]])
    sample = sample_of(panel["ret"], x, ("market", "industry"))
    for model in ("mean", "market", "market_zero_alpha", "industry", "market_industry", "factors"):
        ar = run(model, sample)
        again = ar.refit[model](ar.raw[:, EST_COLUMNS], ar.x[:, EST_COLUMNS], ar.est[:, EST_COLUMNS])
        np.testing.assert_allclose(again, ar.ar[:, EST_COLUMNS], atol=1e-14)
