"""Vasicek's beta against the twin and its limits; the rolling market model against the market model itself."""

from __future__ import annotations

import numpy as np
import pytest
from model_cases import EST_COLUMNS, EVENT_COLUMNS, car_and_se, clustered_sample, coefficient, run, sample_of, simulated
from scipy import stats

from abnormal.errors import SpecError
from twin import models as twin
from twin import public

EST_ROWS, EVENT_ROWS = list(range(20, 260)), list(range(269, 274))


# ---------------------------------------------------------------------------------------------- beta_prior


@pytest.mark.parametrize(("b0", "s0"), [(1.0, 0.3), (2.5, 0.05)])
def test_beta_prior_against_the_twin(b0: float, s0: float) -> None:
    data = public.clustered()
    ar = run("beta_prior", clustered_sample(), b0=b0, s0=s0)
    car, se = car_and_se(ar)
    for i in range(8):
        slow = twin.beta_prior(data["ret"][:, i], data["mkt"], EST_ROWS, EVENT_ROWS, b0, s0)
        np.testing.assert_allclose(coefficient(ar, "beta")[i], slow["b"][1], rtol=1e-12)
        np.testing.assert_allclose(coefficient(ar, "alpha")[i], slow["alpha_ols"], rtol=0, atol=1e-14)
        np.testing.assert_allclose(coefficient(ar, "beta_ols")[i], slow["beta_ols"], rtol=1e-12)
        np.testing.assert_allclose([car[i], se[i]], [slow["car"], slow["car_se"]], rtol=1e-11)
        assert (ar.k[i], ar.df[i], ar.fitted[i]) == (1, ar.m[i] - 1, False)


def test_a_vague_prior_leaves_the_beta_and_a_sharp_one_sets_it() -> None:
    sample = clustered_sample([7])
    vague, sharp = run("beta_prior", sample, b0=1.0, s0=1e6), run("beta_prior", sample, b0=1.0, s0=1e-9)
    plain = run("market_zero_alpha", sample)
    np.testing.assert_allclose(vague.ar[:, EVENT_COLUMNS], plain.ar[:, EVENT_COLUMNS], atol=1e-12)
    np.testing.assert_allclose(
        sharp.ar[:, EVENT_COLUMNS], run("market_adjusted", sample).ar[:, EVENT_COLUMNS], atol=1e-12
    )
    # Var(beta) is s^2_ols / SSm under a vague prior, of the fit with intercept, and nothing under a sharp one.
    s2 = run("market", sample).sigma[0] ** 2
    ssm = 1.0 / plain.g[0, 0, 0]
    np.testing.assert_allclose(vague.g[0, 0, 0] * vague.sigma[0] ** 2, s2 / ssm, rtol=1e-9)
    assert sharp.g[0, 0, 0] < 1e-12


def test_the_prior_comes_from_the_betas_of_the_peers() -> None:
    data = public.clustered()
    ar = run("beta_prior", clustered_sample([7], donors=range(6)))
    betas = [stats.linregress(data["mkt"][20:260], data["ret"][20:260, j]).slope for j in range(6)]
    b0, s0 = ar.notes["beta_prior"][("e0", "F0")]
    np.testing.assert_allclose([b0, s0], [np.mean(betas), np.std(betas, ddof=1)], rtol=1e-12)
    slow = twin.beta_prior(data["ret"][:, 7], data["mkt"], EST_ROWS, EVENT_ROWS, b0, s0)
    np.testing.assert_allclose(coefficient(ar, "beta")[0], slow["b"][1], rtol=1e-12)


def test_half_a_prior_is_completed_from_the_peers() -> None:
    sample = clustered_sample([7], donors=range(6))
    _, s0 = run("beta_prior", sample).notes["beta_prior"][("e0", "F0")]
    assert run("beta_prior", sample, b0=1.5).notes["beta_prior"][("e0", "F0")] == (1.5, s0)


def test_peers_with_too_few_returns_do_not_speak() -> None:
    data = public.clustered()
    donors = data["ret"][:, :3].copy()
    donors[:250, 2] = np.nan
    sample = sample_of(data["ret"][:, 7:], data["mkt"], peers=donors)
    two = sample_of(data["ret"][:, 7:], data["mkt"], peers=donors[:, :2])
    assert run("beta_prior", sample).notes == run("beta_prior", two).notes


@pytest.mark.parametrize(
    ("donors", "says"), [(None, "options b0 and s0"), ([1], "fewer than two peers"), ([1, 1], "do not differ")]
)
def test_no_prior_to_be_had(donors, says: str) -> None:
    ar = run("beta_prior", clustered_sample([7], donors=donors))
    assert says in ar.reason[0] and np.isnan(ar.ar).all()


@pytest.mark.parametrize("wrong", [{"s0": 0.0}, {"s0": -1.0}, {"b0": "one"}, {"b0": float("nan")}])
def test_an_impossible_prior_is_refused(wrong: dict) -> None:
    with pytest.raises(SpecError, match="expected a"):
        run("beta_prior", clustered_sample([7]), **({"b0": 1.0, "s0": 1.0} | wrong))


def test_beta_prior_refit_where_all_pairs_share_the_prior() -> None:
    ar = run("beta_prior", clustered_sample(), b0=1.0, s0=0.3)
    for i in range(8):
        part = slice(i, i + 1)
        again = ar.refit["beta_prior"](ar.raw[part, EST_COLUMNS], ar.x[part, EST_COLUMNS], ar.est[part, EST_COLUMNS])
        np.testing.assert_allclose(again[0], ar.ar[i, EST_COLUMNS], atol=1e-14)
    data = simulated()
    chosen = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    own = run("beta_prior", sample_of(data["ret"], data["market"], peers=data["peers"], peer_of=chosen))
    assert own.refit == {} and len(set(own.notes["beta_prior"].values())) == 4


# ---------------------------------------------------------------------------------------------- rolling


@pytest.mark.parametrize("window", [60, 120, 240, 1000])
def test_rolling_is_the_market_model_on_the_last_sessions(window: int) -> None:
    data = public.clustered()
    ar = run("rolling", clustered_sample(), window=window)
    car, se = car_and_se(ar)
    for i in range(8):
        slow = twin.rolling(data["ret"][:, i], data["mkt"], EST_ROWS, EVENT_ROWS, w=window)
        np.testing.assert_allclose([car[i], se[i]], [slow["car"], slow["car_se"]], rtol=1e-11)
        assert ar.m[i] == slow["M"]
    assert ar.model == ("rolling",) * 8 and set(ar.refit) == {"rolling"}


def test_rolling_takes_120_sessions_unless_told_otherwise() -> None:
    ar = run("rolling", clustered_sample([0]))
    assert ar.m[0] == 120
    assert np.isnan(ar.ar[0, :120]).all() and np.isfinite(ar.ar[0, 120:240]).all()


def test_a_rolling_window_shorter_than_the_minimum_is_a_reason() -> None:
    ar = run("rolling", clustered_sample([0]), window=20)
    assert ar.reason[0] == "20 returns in (-250, -11); model 'rolling' needs 30"
    with pytest.raises(SpecError, match="window = 2"):
        run("rolling", clustered_sample([0]), window=2)
