"""Scholes-Williams, Dimson and trade-to-trade returns against the public values and slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from model_cases import (
    EST_COLUMNS,
    EVENT_COLUMNS,
    car_and_se,
    clustered_sample,
    coefficient,
    hidden_path,
    run,
    sample_of,
)
from scipy import stats

from abnormal.errors import SpecError
from twin import models as twin
from twin import public

# ---------------------------------------------------------------------------------------------- Scholes-Williams


def test_scholes_williams_public_value(golden) -> None:
    want = golden["clustered"]["other_models"]["scholes_williams"]
    ar = run("scholes_williams", clustered_sample([0]))
    names = dict(alpha="alpha", beta="beta", beta_lag="beta_lag", beta_0="beta_0", beta_lead="beta_lead", rho="rho_m")
    for own, theirs in names.items():
        np.testing.assert_allclose(coefficient(ar, own)[0], want[theirs], rtol=0, atol=1e-10)


def test_scholes_williams_against_the_twin() -> None:
    data = public.clustered()
    ar = run("scholes_williams", clustered_sample(range(6)))
    car, se = car_and_se(ar)
    for i in range(6):
        slow = twin.scholes_williams(data["ret"][:, i], data["mkt"], data["est"], data["ev"])
        np.testing.assert_allclose(ar.sigma[i] ** 2, slow["s2"], rtol=1e-10)
        np.testing.assert_allclose([car[i], se[i]], [slow["car"], slow["car_se"]], rtol=0, atol=1e-12)
        np.testing.assert_allclose(ar.ar[i, EST_COLUMNS], slow["resid"], rtol=0, atol=1e-13)
        assert (ar.m[i], ar.df[i]) == (238, 236)


def test_scholes_williams_with_scipy_slopes_and_gaps() -> None:
    """Around a gap only sessions between two estimation sessions count."""
    data = public.clustered()
    r, rm = data["ret"][:, 6], data["mkt"]
    ar = run("scholes_williams", clustered_sample([6]))
    traded = {t for t in range(20, 260) if np.isfinite(r[t])}
    inner = np.array([t for t in sorted(traded) if t - 1 in traded and t + 1 in traded])
    follow = np.array([t for t in sorted(traded) if t - 1 in traded])
    slopes = [stats.linregress(rm[inner + d], r[inner]).slope for d in (-1, 0, 1)]
    rho = stats.pearsonr(rm[follow], rm[follow - 1]).statistic
    beta = sum(slopes) / (1 + 2 * rho)
    np.testing.assert_allclose(coefficient(ar, "beta")[0], beta, rtol=1e-12)
    np.testing.assert_allclose(coefficient(ar, "alpha")[0], r[inner].mean() - beta * rm[inner].mean(), atol=1e-15)
    assert ar.m[0] == inner.size == 228


def test_scholes_williams_without_a_defined_beta() -> None:
    """A market that swings back and forth has autocorrelation below -0.5."""
    rng = np.random.default_rng(2)
    rm = 0.01 * np.where(np.arange(300) % 2, 1.0, -1.0) + 0.001 * rng.standard_normal(300)
    ar = run("scholes_williams", sample_of(0.02 * rng.standard_normal((300, 1)), rm))
    assert "autocorrelation" in ar.reason[0] and np.isnan(ar.sigma[0])


def test_scholes_williams_is_not_fitted_again_and_says_so() -> None:
    ar = run("scholes_williams", clustered_sample([0]))
    assert ar.refit == {} and "not fitted again" in ar.notes["scholes_williams"]


# ---------------------------------------------------------------------------------------------- Dimson


def test_dimson_public_value(golden) -> None:
    want = golden["clustered"]["other_models"]["dimson_1"]
    ar = run("dimson", clustered_sample([0]))
    slopes = [coefficient(ar, n)[0] for n in ("alpha", "lag1", "same_day", "lead1")]
    np.testing.assert_allclose(slopes, want["coef"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(coefficient(ar, "beta")[0], want["beta"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ar.sigma[0] ** 2, want["s2"], rtol=0, atol=1e-12)
    assert ar.m[0] == 240  # lags and leads of the neighbouring sessions keep all rows


@pytest.mark.parametrize("q", [0, 1, 2])
@pytest.mark.parametrize("variant", ["full", "sum_beta"])
def test_dimson_against_the_twin(q: int, variant: str) -> None:
    data = public.clustered()
    ar = run("dimson", clustered_sample(range(6)), leads=q, variant=variant)
    car, se = car_and_se(ar)
    for i in range(6):
        slow = twin.dimson(data["ret"][:, i], data["mkt"], data["est"], data["ev"], q, variant)
        np.testing.assert_allclose(ar.sigma[i] ** 2, slow["s2"], rtol=1e-10)
        np.testing.assert_allclose([car[i], se[i]], [slow["car"], slow["car_se"]], rtol=0, atol=1e-12)
        np.testing.assert_allclose(ar.ar[i, EVENT_COLUMNS], slow["ar"], rtol=0, atol=1e-13)
        assert ar.k[i] == 2 + 2 * q and ar.df[i] == 240 - 2 - 2 * q
    assert ar.fitted.all() == (variant == "full")


def test_dimson_with_no_leads_is_the_market_model() -> None:
    sample = clustered_sample()
    np.testing.assert_allclose(run("dimson", sample, leads=0).ar, run("market", sample).ar, atol=1e-15)


@pytest.mark.parametrize("variant", ["full", "sum_beta"])
def test_dimson_refit_on_the_estimation_rows(variant: str) -> None:
    ar = run("dimson", clustered_sample(range(8)), variant=variant)
    again = ar.refit["dimson"](ar.raw[:, EST_COLUMNS], ar.x[:, EST_COLUMNS], ar.est[:, EST_COLUMNS])
    np.testing.assert_allclose(again, ar.ar[:, EST_COLUMNS], atol=1e-13)


def test_dimson_needs_its_leads_in_the_sample() -> None:
    ar = run("dimson", clustered_sample([0], leads=1), leads=2)
    assert "2 session(s) before and after" in ar.reason[0]
    with pytest.raises(SpecError, match="whole number of at least 0"):
        run("dimson", clustered_sample([0]), leads="two")


def test_dimson_sum_of_slopes_needs_no_market_after_the_last_session() -> None:
    """At the very end of the data the lead is missing: `full` has no abnormal return there, `sum_beta` has one."""
    data = public.clustered()
    sample = sample_of(data["ret"][:274, :1], data["mkt"][:274])
    assert np.isnan(run("dimson", sample).ar[0, -1])
    assert np.isfinite(run("dimson", sample, variant="sum_beta").ar[0, -1])


def test_dimson_adds_lags_and_leads_over_the_sessions_of_a_long_return() -> None:
    data = public.clustered()
    ret, rm = data["ret"][:, :1].copy(), data["mkt"]
    ret[[270, 271]] = np.nan
    covered = np.where(np.isfinite(ret), 1.0, 0.0)
    covered[272] = 3.0
    ar = run("dimson", sample_of(ret, rm, sessions=covered, kind="log"))
    b = twin.dimson(ret[:, 0], rm, data["est"], data["ev"])["b"]
    x = np.array([3.0, rm[269:272].sum(), rm[270:273].sum(), rm[271:274].sum()])
    np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS][3], ret[272, 0] - x @ b, atol=1e-14)


# ---------------------------------------------------------------------------------------------- trade to trade


def test_trade_to_trade_public_value(golden) -> None:
    want = golden["clustered"]["other_models"]["trade_to_trade_firm6"]
    _, rm, multi, covered = hidden_path()
    ar = run("trade_to_trade", sample_of(multi[:, None], rm, sessions=covered[:, None], kind="log"))
    np.testing.assert_allclose(ar.coef[0], want["b"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ar.sigma[0] ** 2, want["s2"], rtol=0, atol=1e-12)
    assert ar.m[0] == want["M"] and ar.notes == {}


def test_trade_to_trade_against_the_twin() -> None:
    path, rm, multi, covered = hidden_path()
    sample = sample_of(multi[:, None], rm, sessions=covered[:, None], kind="log")
    ar = run("trade_to_trade", sample)
    data = public.clustered()
    slow = twin.trade_to_trade(path, np.cumsum(rm), data["est"], data["ev"])
    car, se = car_and_se(ar)
    np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS], slow["ar"], rtol=0, atol=1e-12)
    np.testing.assert_allclose([car[0], se[0]], [slow["car"], slow["car_se"]], rtol=0, atol=1e-12)
    residuals = ar.ar[0, EST_COLUMNS] / np.sqrt(ar.span[0, EST_COLUMNS])
    np.testing.assert_allclose(residuals, slow["resid"], rtol=0, atol=1e-12)
    assert ar.noise[0, EVENT_COLUMNS][4] == 2.0  # the return after the hidden session covers two


def test_trade_to_trade_on_complete_data_is_the_market_model_less_its_first_row() -> None:
    data = public.clustered()
    ar = run("trade_to_trade", clustered_sample([0]))
    slow = twin.market(data["ret"][:, 0], data["mkt"], data["est"][1:], data["ev"])
    np.testing.assert_allclose(ar.coef[0], slow["b"], atol=1e-14)
    np.testing.assert_allclose(car_and_se(ar)[1][0], slow["car_se"], rtol=1e-12)
    assert ar.m[0] == 239 and "log returns" in ar.notes["trade_to_trade"]


def test_trade_to_trade_refit_weighs_by_the_sessions() -> None:
    _, rm, multi, covered = hidden_path()
    ar = run("trade_to_trade", sample_of(multi[:, None], rm, sessions=covered[:, None], kind="log"))
    again = ar.refit["trade_to_trade"](ar.raw[:, EST_COLUMNS], ar.x[:, EST_COLUMNS], ar.est[:, EST_COLUMNS])
    np.testing.assert_allclose(again, ar.ar[:, EST_COLUMNS], atol=1e-14)
    n = ar.span[0, EST_COLUMNS][ar.est[0, EST_COLUMNS]]
    assert sorted(set(n)) == [1.0, 2.0, 3.0]
