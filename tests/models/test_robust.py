"""Huber, Theil-Sen and least absolute deviations against statsmodels, scipy, brute force and the twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from model_cases import EST_COLUMNS, EVENT_COLUMNS, car_and_se, clustered_sample, run, sample_of
from scipy import stats

from abnormal.errors import SpecError
from abnormal.models import robust
from twin import models as twin
from twin import public

ROBUST = ("huber", "theil_sen", "lad")


def used(i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns, market and rows of firm i of the public set."""
    data = public.clustered()
    rows = np.array(twin.finite_rows(data["est"], data["ret"][:, i]))
    return data["ret"][:, i], data["mkt"], rows


def test_huber_public_value(golden) -> None:
    want = golden["clustered"]["other_models"]["huber"]
    ar = run("huber", clustered_sample([0]))
    np.testing.assert_allclose(ar.coef[0], want["b"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ar.sigma[0], want["scale"], rtol=0, atol=1e-10)


def test_huber_is_statsmodels_rlm() -> None:
    ar = run("huber", clustered_sample())
    for i in range(8):
        r, rm, rows = used(i)
        norm = sm.robust.norms.HuberT(1.345)
        fit = sm.RLM(r[rows], sm.add_constant(rm[rows]), M=norm).fit(scale_est="mad", maxiter=500, tol=1e-14)
        # RLM stops on its own criterion, hence 1e-7 and not 1e-12.
        np.testing.assert_allclose(ar.coef[i], fit.params, rtol=0, atol=1e-7)
        np.testing.assert_allclose(ar.sigma[i], fit.scale, rtol=0, atol=1e-7)


def test_theil_sen_public_value_and_scipy(golden) -> None:
    want = golden["clustered"]["other_models"]["theil_sen"]
    sample = clustered_sample()
    separate, joint = run("theil_sen", sample), run("theil_sen", sample, variant="median_residual")
    np.testing.assert_allclose(separate.coef[0], [want["alpha_sep"], want["beta"]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(joint.coef[0], [want["alpha_medres"], want["beta"]], rtol=0, atol=1e-12)
    for i in range(8):
        r, rm, rows = used(i)
        for ar, method in ((separate, "separate"), (joint, "joint")):
            slope, level, *_ = stats.theilslopes(r[rows], rm[rows], method=method)
            np.testing.assert_allclose(ar.coef[i], [level, slope], rtol=0, atol=1e-14)


def test_theil_sen_leaves_out_pairs_of_equal_market_returns() -> None:
    rng = np.random.default_rng(3)
    rm = np.round(0.01 * rng.standard_normal(300), 3)
    r = rm + 0.01 * rng.standard_normal(300)
    ar = run("theil_sen", sample_of(r[:, None], rm))
    est = np.arange(20, 260)
    slopes = [(r[j] - r[i]) / (rm[j] - rm[i]) for i, j in itertools.combinations(est, 2) if rm[i] != rm[j]]
    np.testing.assert_allclose(ar.coef[0, 1], np.median(slopes), atol=1e-14)


def test_theil_sen_uses_the_latest_rows_of_a_very_long_history(monkeypatch) -> None:
    monkeypatch.setattr(robust, "SLOPE_ROWS", 100)
    ar = run("theil_sen", clustered_sample([0]))
    r, rm, rows = used(0)
    slope, level, *_ = stats.theilslopes(r[rows[-100:]], rm[rows[-100:]])
    np.testing.assert_allclose(ar.coef[0], [level, slope], atol=1e-14)
    assert ar.m[0] == 100 and "latest 100" in ar.notes["theil_sen_rows"]


def test_lad_is_the_best_of_all_lines_through_two_points() -> None:
    """With two parameters some optimal line meets two observations: try them all."""
    r, rm, rows = used(7)
    y, x = r[rows], rm[rows]
    best = np.inf
    for i, j in itertools.combinations(range(y.size), 2):
        slope = (y[j] - y[i]) / (x[j] - x[i])
        best = min(best, np.abs(y - y[i] - slope * (x - x[i])).sum())
    ar = run("lad", clustered_sample([7]))
    np.testing.assert_allclose(np.abs(y - ar.coef[0, 0] - ar.coef[0, 1] * x).sum(), best, rtol=1e-14)


def test_lad_against_statsmodels_and_the_twin() -> None:
    ar = run("lad", clustered_sample())
    for i in (0, 3, 6):
        r, rm, rows = used(i)
        fit = sm.QuantReg(r[rows], sm.add_constant(rm[rows])).fit(q=0.5, p_tol=1e-10, max_iter=5000)
        # QuantReg iterates on smoothed weights and comes to rest near the vertex.
        np.testing.assert_allclose(ar.coef[i], fit.params, rtol=0, atol=2e-4)
        own = np.abs(r[rows] - ar.coef[i, 0] - ar.coef[i, 1] * rm[rows]).sum()
        assert own <= np.abs(fit.resid).sum() + 1e-12
        slow = twin.lad(r, rm, list(range(20, 260)), list(range(269, 274)))
        np.testing.assert_allclose(own, slow["absolute_sum"], rtol=1e-12)


@pytest.mark.parametrize("model", ROBUST)
def test_scale_and_variance(model: str) -> None:
    """sigma = median|e| / 0.6745, Var(CAR) = sigma^2 (L2 + u'(X'X)^-1 u) with the least-squares X."""
    data = public.clustered()
    ar = run(model, clustered_sample())
    car, se = car_and_se(ar)
    for i in range(8):
        slow = getattr(twin, model)(data["ret"][:, i], data["mkt"], data["est"], data["ev"])
        np.testing.assert_allclose(ar.sigma[i], slow["scale"], rtol=1e-8)
        np.testing.assert_allclose(car[i], slow["car"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(se[i], slow["car_se"], rtol=1e-8)
        assert ar.df[i] == ar.m[i] - 2


@pytest.mark.parametrize("model", ROBUST)
def test_one_wild_day_does_not_decide(model: str) -> None:
    data = public.clustered()
    wild = data["ret"][:, :1].copy()
    wild[100] += 0.6
    calm = run(model, clustered_sample([0]))
    shaken = run(model, sample_of(wild, data["mkt"]))
    least_squares = run("market", sample_of(wild, data["mkt"]))
    move = np.abs(shaken.coef - calm.coef)[0, 1]
    assert move < 0.05 < np.abs(least_squares.coef - run("market", clustered_sample([0])).coef)[0, 1]


@pytest.mark.parametrize("model", ROBUST)
def test_refit_with_event_rows_is_a_fit_of_those_rows(model: str) -> None:
    """Fitted again on estimation and event rows together it must equal the model estimated on them."""
    data = public.clustered()
    ar = run(model, clustered_sample([0]))
    rows = np.r_[np.arange(240), np.arange(249, 254)]
    again = ar.refit[model](ar.raw[:, rows], ar.x[:, rows], np.ones((1, rows.size), bool))
    joined = np.r_[np.arange(20, 260), np.arange(269, 274)]
    together = sample_of(
        data["ret"][joined][:, :1], data["mkt"][joined], position=244, estimation=(-244, 0), span=(0, 0)
    )
    # An estimation window that reaches the last row: residuals of a fit to all 245.
    assert together.est.all()
    np.testing.assert_allclose(again[0], run(model, together).ar[0], atol=1e-12)


def test_refit_on_part_of_the_rows_ignores_the_others() -> None:
    sample = clustered_sample([0])
    for model in ROBUST:
        ar = run(model, sample)
        y, x = ar.raw[:, EST_COLUMNS].copy(), ar.x[:, EST_COLUMNS]
        use = np.ones((1, 240), bool)
        use[0, :50] = False
        first = ar.refit[model](y, x, use)
        y[0, :50] = 99.0
        np.testing.assert_array_equal(ar.refit[model](y, x, use), first)
        assert np.isnan(first[0, :50]).all() and np.isfinite(first[0, 50:]).all()


@pytest.mark.parametrize("model", ROBUST)
def test_more_than_half_of_the_returns_on_the_line(model: str) -> None:
    """A stale share: most returns zero. The robust scale is zero and says nothing."""
    rng = np.random.default_rng(1)
    r = np.where(rng.random(300) < 0.7, 0.0, 0.02 * rng.standard_normal(300))
    ar = run(model, sample_of(r[:, None], 0.01 * rng.standard_normal(300)))
    assert "zero robust scale" in ar.reason[0]
    assert np.isnan(ar.ar[0]).all() and np.isnan(ar.sigma[0])


def test_an_unknown_variant_names_the_nearest() -> None:
    with pytest.raises(SpecError, match='did you mean "separate"'):
        run("theil_sen", clustered_sample([0]), variant="seperate")


def test_event_rows_are_forecasts() -> None:
    data = public.clustered()
    for model in ROBUST:
        ar = run(model, clustered_sample([0]))
        want = data["ret"][269:274, 0] - ar.coef[0, 0] - ar.coef[0, 1] * data["mkt"][269:274]
        np.testing.assert_allclose(ar.ar[0, EVENT_COLUMNS], want, atol=1e-15)
