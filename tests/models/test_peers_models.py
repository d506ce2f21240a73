"""Models on control shares: regression on the mean, ridge, synthetic control and donor factors."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from model_cases import (
    EST_COLUMNS,
    EVENT_COLUMNS,
    car_and_se,
    clustered_sample,
    run,
    sample_of,
    simulated,
    simulated_sample,
)
from scipy import optimize
from sklearn.linear_model import Ridge

from abnormal.errors import SpecError
from abnormal.kernel.simplex import KKT_TOLERANCE, kkt_gap, simplex_weights
from abnormal.models import synthetic_control as sc
from abnormal.models.gsynth import bai_ng_rank
from abnormal.models.peers import PENALTIES
from twin import models as twin
from twin import public

DONORS = range(1, 6)
EST_ROWS, EVENT_ROWS = list(range(20, 260)), list(range(269, 274))


@pytest.fixture(scope="module")
def treated():
    """Firm 0 of the public set with firms 1 to 5 as control shares."""
    return clustered_sample([0], donors=DONORS)


# ---------------------------------------------------------------------------------------------- weights on the simplex


def slsqp(y: np.ndarray, d: np.ndarray) -> np.ndarray:
    """A general constrained minimiser on the same problem, scaled to unit size."""
    j, size = d.shape[1], np.trace(d.T @ d)
    gram, target = d.T @ d / size, d.T @ y / size
    return optimize.minimize(
        lambda w: w @ gram @ w - 2 * w @ target, np.full(j, 1 / j), jac=lambda w: 2 * (gram @ w - target), method="SLSQP",
        bounds=[(0, 1)] * j, constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(j)},
        options={"ftol": 1e-15, "maxiter": 1000},
    ).x  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_weights_against_every_support_and_slsqp(seed: int) -> None:
    """With few donors all supports can be tried; the best one that is not negative is the answer."""
    rng = np.random.default_rng(seed)
    rows, j = int(rng.integers(6, 80)), int(rng.integers(1, 8))
    d = 0.02 * rng.standard_normal((rows, j)) + 0.01 * rng.standard_normal((rows, 1)) * rng.integers(0, 2)
    y = d @ (3.0 * rng.standard_normal(j)) * rng.integers(0, 2) + 0.02 * rng.standard_normal(rows)
    found = simplex_weights(y, d)
    best = min(
        np.inf if (w := _on(y, d, s)) is None else float(np.sum((y - d @ w) ** 2))
        for size in range(1, j + 1)
        for s in itertools.combinations(range(j), size)
    )
    np.testing.assert_allclose(found.sse, best, rtol=1e-10)
    assert found.optimal and found.kkt < KKT_TOLERANCE
    assert (found.w >= 0).all() and abs(found.w.sum() - 1) < 1e-14
    np.testing.assert_allclose(found.w, slsqp(y, d), atol=1e-4)


def _on(y: np.ndarray, d: np.ndarray, support: tuple[int, ...]) -> np.ndarray | None:
    """Sum-to-one least squares on a support by the bordered system, None where a weight is negative."""
    part = d[:, support]
    k = part.shape[1]
    system = np.block([[part.T @ part, np.ones((k, 1))], [np.ones((1, k)), np.zeros((1, 1))]])
    w = np.zeros(d.shape[1])
    w[list(support)] = np.linalg.lstsq(system, np.concatenate([part.T @ y, [1.0]]), rcond=None)[0][:k]
    return w if (w >= -1e-9).all() else None


def test_weights_with_more_donors_than_rows_and_with_twins_among_them() -> None:
    rng = np.random.default_rng(8)
    wide = 0.02 * rng.standard_normal((20, 60))
    y = 0.02 * rng.standard_normal(20)
    assert simplex_weights(y, wide).optimal
    d = 0.02 * rng.standard_normal((100, 4))
    doubled = np.column_stack([d, d])
    y = d @ [0.1, 0.2, 0.3, 0.4] + 0.001 * rng.standard_normal(100)
    one, two = simplex_weights(y, d), simplex_weights(y, doubled)
    np.testing.assert_allclose(two.sse, one.sse, rtol=1e-9)
    np.testing.assert_allclose(two.w[:4] + two.w[4:], one.w, atol=1e-9)


def test_the_check_sees_weights_that_are_not_optimal() -> None:
    rng = np.random.default_rng(8)
    d, y = 0.02 * rng.standard_normal((100, 4)), 0.02 * rng.standard_normal(100)
    best = simplex_weights(y, d).w
    assert kkt_gap(y, d, best) < 1e-12
    assert kkt_gap(y, d, np.full(4, 0.25)) > 1e-3
    assert kkt_gap(y, d, 1.01 * best) > 1e-3
    assert kkt_gap(y, d, np.zeros(4)) == np.inf
    np.testing.assert_allclose(kkt_gap(y, d, best), twin.kkt_gap(y, d, best), atol=1e-10)


# ---------------------------------------------------------------------------------------------- synthetic control


def test_synthetic_control_public_value(golden, treated) -> None:
    want = golden["clustered"]["other_models"]["synthetic_control_ret_firm0"]
    ar = run("synthetic_control", treated)
    np.testing.assert_allclose(ar.coef[0, 1:], want["w"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS], want["ar"], rtol=0, atol=1e-10)
    gap = ar.ar[0, EST_COLUMNS]
    np.testing.assert_allclose([gap @ gap, np.mean(gap**2)], [want["sse"], want["pre_mspe"]], rtol=0, atol=1e-10)
    fit = ar.notes["fit"][("e0", "F0")]
    np.testing.assert_allclose(fit["pre_rmse"], np.sqrt(want["pre_mspe"]), rtol=1e-9)
    assert fit["kkt"] < 1e-8 and 0.4 < fit["correlation"] < 1.0
    assert ar.coef_names == ("alpha", "P0", "P1", "P2", "P3", "P4")
    assert ar.notes["weights"][("e0", "F0")]["P3"] == ar.coef[0, 4]


@pytest.mark.parametrize("demeaned", [False, True])
def test_synthetic_control_against_the_twin(demeaned: bool, treated) -> None:
    data = public.clustered()
    ar = run("synthetic_control", treated, demeaned=demeaned)
    slow = twin.synthetic_control(data["ret"][:, 0], data["ret"][:, 1:6], EST_ROWS, EVENT_ROWS, demeaned)
    np.testing.assert_allclose(ar.coef[0, 1:], slow["w"], atol=1e-10)
    np.testing.assert_allclose(ar.sigma[0], slow["s"], rtol=1e-10)
    car, se = car_and_se(ar)
    np.testing.assert_allclose([car[0], se[0]], [slow["car"], slow["car_se"]], rtol=1e-9)
    assert ar.df[0] == 239 and not ar.fitted[0] and (("e0", "F0") in ar.notes["refuse_verdict"]) is not slow["usable"]


def test_level_fits_log_price_paths_and_still_compares_returns(treated) -> None:
    data = public.clustered()
    ar = run("synthetic_control", treated, variant="level")
    path = np.cumsum(np.log1p(data["ret"][20:260, :6]), axis=0)
    w = twin.simplex_weights(path[:, 0], path[:, 1:])
    np.testing.assert_allclose(ar.coef[0, 1:], w, atol=1e-9)
    want = data["ret"][269:274, 0] - data["ret"][269:274, 1:6] @ w
    np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS], want, atol=1e-10)


def test_level_refuses_a_price_that_goes_to_nothing() -> None:
    data = simulated()
    ret = data["ret"].copy()
    ret[100, 0] = -1.0
    sample = sample_of(ret, data["market"], peers=data["peers"])
    ar = run("synthetic_control", sample, variant="level")
    assert "-100%" in ar.reason[0] and ar.reason[1:] == ("", "", "")
    assert run("synthetic_control", sample).reason[0] == ""
    with np.errstate(all="raise"):
        rows = np.ones((1, 240), bool)
        again = ar.refit["synthetic_control"](ar.raw[:1, EST_COLUMNS], ar.x[:1, EST_COLUMNS], rows)
    assert np.isnan(again).all()


def test_donors_that_say_nothing_are_flagged() -> None:
    """Gaps as wide as the share itself: the fit is not better than no donor at all."""
    rng = np.random.default_rng(1)
    ret = 0.01 * rng.standard_normal((300, 1))
    peers = 0.03 * rng.standard_normal((300, 3))
    ar = run("synthetic_control", sample_of(ret, rng.standard_normal(300), peers=peers))
    assert ar.reason[0] == "" and "do not fit" in ar.notes["refuse_verdict"][("e0", "F0")]


@pytest.mark.parametrize("options", [{}, {"demeaned": True}, {"variant": "level"}])
def test_synthetic_control_refit(options: dict) -> None:
    sample = simulated_sample()
    ar = run("synthetic_control", sample, **options)
    est = np.ones((4, 240), bool)
    again = ar.refit["synthetic_control"](ar.raw[:, EST_COLUMNS], ar.x[:, EST_COLUMNS], est)
    np.testing.assert_allclose(again, ar.ar[:, EST_COLUMNS], atol=1e-12)
    assert (ar.k == 6).all() and not ar.g.any()
    rows = np.r_[0:240, 249:254]
    whole = ar.refit["synthetic_control"](ar.raw[:, rows], ar.x[:, rows], np.ones((4, 245), bool))
    assert np.isfinite(whole).all() and not np.allclose(whole[:, :240], again)


def test_s_zero_is_the_root_mean_square_gap(treated) -> None:
    ar = run("synthetic_control", treated, sigma="s_zero")
    np.testing.assert_allclose(ar.sigma[0], np.sqrt(np.mean(ar.ar[0, EST_COLUMNS] ** 2)), rtol=1e-14)
    assert ar.df[0] == 240


def test_placebo_in_space_from_the_samples_it_offers(treated) -> None:
    """Each donor in the place of the treated share, against the twin's ranks."""
    data = public.clustered()
    slow = twin.placebo_space(data["ret"][:, 0], data["ret"][:, 1:6], EST_ROWS, EVENT_ROWS)
    ar = run("synthetic_control", sc.donors_as_treated(treated))
    ratio = np.mean(ar.ar[:, EVENT_COLUMNS] ** 2, axis=1) / np.mean(ar.ar[:, EST_COLUMNS] ** 2, axis=1)
    np.testing.assert_allclose(ratio, slow["placebo"], rtol=1e-8)
    assert ar.ticker == ("P0", "P1", "P2", "P3", "P4")
    assert set(ar.notes["weights"][("e0", "P2")]) == {"P0", "P1", "P3", "P4"}


def test_wrong_options_are_refused(treated) -> None:
    with pytest.raises(SpecError, match="demeaned = 'yes'"):
        run("synthetic_control", treated, demeaned="yes")
    with pytest.raises(SpecError, match='did you mean "level"'):
        run("synthetic_control", treated, variant="levels")


# ---------------------------------------------------------------------------------------------- regression on the mean


def test_peers_reg_is_the_market_model_on_the_peer_mean(treated) -> None:
    data = public.clustered()
    ar = run("peers_reg", treated)
    slow = twin.peers_reg(data["ret"][:, 0], data["ret"][:, 1:6], EST_ROWS, EVENT_ROWS)
    np.testing.assert_allclose(ar.coef[0], slow["b"], atol=1e-13)
    car, se = car_and_se(ar)
    np.testing.assert_allclose([car[0], se[0]], [slow["car"], slow["car_se"]], rtol=1e-11)
    assert ar.k[0] == 2 and ar.fitted[0]
    again = ar.refit["peers_reg"](ar.raw[:, EST_COLUMNS], ar.x[:, EST_COLUMNS], ar.est[:, EST_COLUMNS])
    np.testing.assert_allclose(again, ar.ar[:, EST_COLUMNS], atol=1e-14)


@pytest.mark.parametrize("model", ["peers_reg", "peers_ridge", "synthetic_control", "gsynth"])
def test_a_return_over_two_sessions_meets_two_sessions_of_peers(model: str) -> None:
    """In logs: splitting the event return in two and giving it as one after a gap changes no sum."""
    data = simulated()
    ret = np.log1p(data["ret"][:, :1])
    peers, market = np.log1p(data["peers"]), np.log1p(data["market"])
    whole = run(model, sample_of(ret, market, peers=peers, kind="log"))
    gap, covered = ret.copy(), np.ones((300, 1))
    gap[271], gap[270], covered[270], covered[271] = ret[270] + ret[271], np.nan, 0.0, 2.0
    joined = run(model, sample_of(gap, market, peers=peers, sessions=covered, kind="log"))
    np.testing.assert_allclose(joined.ar[0, 251], whole.ar[0, 250:252].sum(), atol=1e-13)
    assert joined.noise[0, 251] == 2.0


# ---------------------------------------------------------------------------------------------- ridge


def test_ridge_against_the_twin() -> None:
    data = simulated(donors=12)
    ar = run("peers_ridge", simulated_sample(donors=12))
    for i in range(4):
        slow = twin.peers_ridge(data["ret"][:, i], data["peers"], EST_ROWS, EVENT_ROWS)
        assert ar.notes["penalty"][(f"e{i}", f"F{i}")] == pytest.approx(slow["alpha"])
        np.testing.assert_allclose(ar.ar[i, EST_COLUMNS], slow["resid"], atol=1e-12)
        np.testing.assert_allclose(ar.ar[i, EVENT_COLUMNS], slow["ar"], atol=1e-12)
        np.testing.assert_allclose(ar.sigma[i], slow["s"], rtol=1e-10)
        assert ar.df[i] == 239 and ar.k[i] == 0 and not ar.fitted[i]


def test_ridge_coefficients_are_those_of_scikit_learn() -> None:
    data = simulated(donors=12)
    ar = run("peers_ridge", simulated_sample(donors=12))
    d, y = data["peers"][20:260], data["ret"][20:260, 0]
    alpha = ar.notes["penalty"][("e0", "F0")]
    z = (d - d.mean(axis=0)) / d.std(axis=0)
    fit = Ridge(alpha=alpha).fit(z, y)
    slope = fit.coef_ / d.std(axis=0)
    np.testing.assert_allclose(ar.coef[0, 1:], slope, atol=1e-12)
    np.testing.assert_allclose(ar.coef[0, 0], fit.intercept_ - d.mean(axis=0) @ slope, atol=1e-14)


def test_ridge_chooses_the_penalty_with_the_smallest_block_error() -> None:
    data = simulated(donors=12)
    d, y = data["peers"][20:260], data["ret"][20:260, 1]
    z = (d - d.mean(axis=0)) / d.std(axis=0)
    error = []
    for alpha in PENALTIES:
        e = np.empty(240)
        for block in np.split(np.arange(240), 5):
            rest = np.setdiff1d(np.arange(240), block)
            e[block] = y[block] - Ridge(alpha=alpha).fit(z[rest], y[rest]).predict(z[block])
        error.append(np.mean(e**2))
    ar = run("peers_ridge", simulated_sample(donors=12))
    assert ar.notes["penalty"][("e1", "F1")] == PENALTIES[int(np.argmin(error))]


def test_ridge_is_not_fitted_again_and_says_so() -> None:
    ar = run("peers_ridge", simulated_sample())
    assert ar.refit == {} and "not fitted again" in ar.notes["peers_ridge"]


def test_ridge_without_its_package_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert all('pip install "abnormal[models]"' in r for r in run("peers_ridge", simulated_sample()).reason)


def test_ridge_of_a_share_that_is_one_of_its_peers() -> None:
    data = simulated()
    ar = run("peers_ridge", sample_of(data["peers"][:, :1], data["market"], peers=data["peers"]))
    assert "zero residual variance" in ar.reason[0]


# ---------------------------------------------------------------------------------------------- donor factors


def test_gsynth_against_the_twin() -> None:
    """The twin draws the factors from estimation rows and the rows of one window, gap left out."""
    data = simulated(donors=9)
    ar = run("gsynth", simulated_sample(donors=9), event_window=(-1, 3))
    car, se = car_and_se(ar)
    for i in range(4):
        slow = twin.gsynth(data["ret"][:, i], data["peers"], EST_ROWS, EVENT_ROWS)
        assert ar.notes["n_factors"][(f"e{i}", f"F{i}")] == slow["n_factors"] == ar.k[i] - 1
        np.testing.assert_allclose(ar.ar[i, EVENT_COLUMNS], slow["ar"], atol=1e-12)
        np.testing.assert_allclose([car[i], se[i]], [slow["car"], slow["car_se"]], rtol=1e-9)
        np.testing.assert_allclose(ar.ar[i, EST_COLUMNS], slow["resid"], atol=1e-12)


def test_gsynth_finds_the_number_of_factors_it_was_given() -> None:
    rng = np.random.default_rng(0)
    for r in (1, 3):
        z = rng.standard_normal((120, r)) @ rng.choice([-1.0, 1.0], (r, 50)) + 0.5 * rng.standard_normal((120, 50))
        z = (z - z.mean(axis=0)) / z.std(axis=0)
        assert bai_ng_rank(z, 8) == r == twin.bai_ng_rank(z)
    assert bai_ng_rank(z, 2) == 2


def test_gsynth_does_not_see_the_share_outside_its_estimation_rows() -> None:
    data = simulated(donors=9)
    other = data["ret"].copy()
    other[260:] += 0.1
    one = run("gsynth", sample_of(data["ret"], data["market"], peers=data["peers"]))
    two = run("gsynth", sample_of(other, data["market"], peers=data["peers"]))
    np.testing.assert_array_equal(one.coef, two.coef)


def test_gsynth_leaves_the_donors_gap_rows_out() -> None:
    data = simulated(donors=9)
    shaken = data["peers"].copy()
    shaken[261:269] += 0.2
    window = dict(event_window=(-1, 3))
    one = run("gsynth", sample_of(data["ret"], data["market"], peers=data["peers"]), **window)
    two = run("gsynth", sample_of(data["ret"], data["market"], peers=shaken), **window)
    np.testing.assert_array_equal(one.ar[:, EVENT_COLUMNS], two.ar[:, EVENT_COLUMNS])


def test_gsynth_pairs_with_different_numbers_of_factors_stand_side_by_side() -> None:
    data = simulated(donors=9)
    peers = np.column_stack([data["peers"], np.full((300, 4), np.nan)])
    chosen = [list(range(9)), [*range(5), *range(9, 13)], list(range(9)), [*range(4, 9), *range(9, 13)]]
    sample = sample_of(data["ret"], data["market"], peers=peers, peer_of=chosen)
    ar = run("gsynth", sample)
    assert len(set(ar.k.tolist())) > 1
    for i in range(4):
        alone = run("gsynth", sample.take([i]))
        k = int(ar.k[i])
        np.testing.assert_array_equal(ar.ar[i], alone.ar[0])
        np.testing.assert_array_equal(ar.coef[i, :k], alone.coef[0])
        assert np.isnan(ar.coef[i, k:]).all() and not ar.g[i, k:].any()
        again = ar.refit["gsynth"](ar.raw[i : i + 1, :240], ar.x[i : i + 1, :240, :k], ar.est[i : i + 1, :240])
        np.testing.assert_allclose(again[0], ar.ar[i, :240], atol=1e-13)


# ---------------------------------------------------------------------------------------------- donors with gaps


@pytest.mark.parametrize("model", ["peers_ridge", "synthetic_control", "gsynth"])
def test_donors_with_gaps_cost_rows_and_absent_ones_are_named(model: str) -> None:
    data = simulated(donors=6)
    peers = data["peers"].copy()
    peers[[50, 60, 270], 2] = np.nan
    peers[:265, 5] = np.nan
    ar = run(model, sample_of(data["ret"], data["market"], peers=peers))
    assert ar.reason == ("",) * 4
    assert (ar.m == 238).all() and np.isnan(ar.ar[:, 250]).all() and np.isfinite(ar.ar[:, 251]).all()
    assert "P5" in ar.notes["left_out"][("e0", "F0")]
    five = run(model, sample_of(data["ret"], data["market"], peers=peers[:, :5]))
    np.testing.assert_allclose(ar.ar[:, EVENT_COLUMNS], five.ar[:, EVENT_COLUMNS], atol=1e-13)


def test_synthetic_control_refit_does_not_take_an_absent_donor_for_cash() -> None:
    data = simulated(donors=6)
    peers = data["peers"].copy()
    peers[:265, 5] = np.nan
    ar = run("synthetic_control", sample_of(data["ret"], data["market"], peers=peers))
    again = ar.refit["synthetic_control"](ar.raw[:, EST_COLUMNS], ar.x[:, EST_COLUMNS], ar.est[:, EST_COLUMNS])
    np.testing.assert_allclose(again, ar.ar[:, EST_COLUMNS], atol=1e-13)


def test_a_short_donor_is_blamed_by_name() -> None:
    data = simulated(donors=3)
    peers = data["peers"].copy()
    peers[:240, 1] = np.nan
    ar = run("synthetic_control", sample_of(data["ret"], data["market"], peers=peers))
    assert ar.reason[0].startswith("20 returns in (-250, -11)") and ar.reason[0].endswith("P1 has 20")
