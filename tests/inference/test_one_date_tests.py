"""The multivariate regression of one date: identities, the bootstrap in slow motion, refits on shared sessions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import build
from abnormal.domain import TestOptions as Options
from abnormal.inference._date import DateSystem, date_system
from abnormal.inference._window import window_stats
from abnormal.inference.mvrm import ledoit_wolf
from abnormal.registry import TESTS

RNG = np.random.default_rng
WINDOW = (-1, 3)


def six(model="market"):
    return build.clustered(model, build.COMPLETE)


def system(study, window=WINDOW) -> DateSystem:
    found = date_system("mvrm_f", study.ar, window, Options(), "f")
    assert isinstance(found, DateSystem)
    return found


def test_equality_of_effects_by_contrasts():
    s = system(six())
    contrast = np.column_stack([-np.ones(5), np.eye(5)])
    d = contrast @ s.theta
    t2 = d @ np.linalg.inv(contrast @ s.sigma @ contrast.T) @ d / s.c
    f = (238 - 5 + 1) / (238 * 5) * t2
    result = six().run("mvrm_f", WINDOW, "equality")
    assert (result.statistic, result.extra["df1"], result.df) == pytest.approx((f, 5, 234), abs=1e-11)
    assert result.p == pytest.approx(stats.f.sf(f, 5, 234), abs=1e-13)


def test_equality_does_not_see_a_common_effect():
    ret, market = build.shares(RNG(1), 4, 160, 0.01)
    moved = ret.copy()
    moved[:, 140] += 0.1
    a, b = (
        build.study(r, market, 140, estimation=(-90, -11), span=(-1, 1)).run("mvrm_f", (0, 0), "equality")
        for r in (ret, moved)
    )
    assert a.statistic == pytest.approx(b.statistic, rel=1e-9)


def test_mvrm_is_the_wald_test_of_event_dummies():
    """One dummy a firm and day in a stacked regression with the residual covariance: theta and its covariance."""
    study = six()
    s = system(study, (0, 0))
    data = build.public()["clustered"]["data"]
    ret, rm = build.matrix(data["ret"])[:6], np.array(data["mkt"])
    rows = [*range(20, 260), 270]
    x = np.column_stack([np.ones(241), rm[rows], np.arange(241) == 240])
    b, *_ = np.linalg.lstsq(x, ret[:, rows].T, rcond=None)
    e = ret[:, rows].T - x @ b
    sigma = e.T @ e / (241 - 3)
    v = np.linalg.inv(x.T @ x)[2, 2] * sigma
    assert b[2] @ np.linalg.inv(v) @ b[2] == pytest.approx(s.t2, rel=1e-10)


def test_gls_variance_carries_the_price_of_estimating_sigma():
    study = six()
    plain, corrected = (study.run("mvrm_gls", WINDOW, v) for v in ("uncorrected", "corrected"))
    factor = 238 * 237 / (232 * 233)
    assert (corrected.extra["se"] / plain.extra["se"]) ** 2 == pytest.approx(factor, rel=1e-12)
    assert corrected.extra["weights"].sum() == pytest.approx(1.0) and corrected.df == 238


def test_shrunk_covariance_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.covariance")
    s = system(six())
    shrunk, weight = ledoit_wolf(s.e)
    external, external_weight = sklearn.ledoit_wolf(s.e, assume_centered=True)
    np.testing.assert_allclose(shrunk, external, rtol=1e-10)
    assert weight == pytest.approx(external_weight, rel=1e-10)
    result = six().run("mvrm_gls", WINDOW, "ledoit_wolf")
    w = np.linalg.solve(external, np.ones(6))
    w /= w.sum()
    assert result.statistic == pytest.approx(w @ s.theta / np.sqrt(s.c * w @ s.sigma @ w), rel=1e-10)
    assert result.extra["shrinkage"] == pytest.approx(weight)


@pytest.mark.parametrize("model, k", [("market", 2), ("mean", 1)])
def test_joint_sq_is_the_day_test_with_that_day_deleted(model, k):
    """T2_s = D_s (nu - 1) / (nu - D_s) equals the T2 of row s in a fit without it."""
    study = six(model)
    data = build.public()["clustered"]["data"]
    ret, rm = build.matrix(data["ret"])[:6], np.array(data["mkt"])
    rows = np.arange(20, 260)
    null = []
    for s in rows:
        rest = rows[rows != s]
        x = np.column_stack([np.ones(239), rm[rest]])[:, :k]
        at = np.array([1.0, rm[s]])[:k]
        b, *_ = np.linalg.lstsq(x, ret[:, rest].T, rcond=None)
        e = ret[:, rest].T - x @ b
        sigma = e.T @ e / (239 - k)
        theta = ret[:, s] - at @ b
        null.append(theta @ np.linalg.inv(sigma) @ theta / (1 + at @ np.linalg.inv(x.T @ x) @ at))
    result = study.run("joint_sq", (1, 1))
    expected = sum(v >= result.statistic - 1e-9 for v in null)
    assert result.extra["n_ge"] == expected and result.p == (1 + expected) / 241


def test_joint_sq_is_for_one_day_and_enough_rows():
    assert "one session" in six().run("joint_sq", WINDOW).reason
    ret, market = build.shares(RNG(2), 12, 60)
    study = build.study(ret, market, 50, estimation=(-40, -6), span=(-1, 1))
    for name in ("joint_sq", "mvrm_f", "mvrm_gls", "hein_westfall"):
        assert "N <= nu / 3" in study.run(name, (0, 0)).reason
    assert study.run("mvrm_mean", (0, 0)).status == "ok"


def slow_bootstrap(e, x, u, length, nu, c, draws, seed, coefficients, centred=False):
    """T2* draw by draw: redrawn rows stand on the real regressors, the model is fitted again."""
    m = e.shape[0]
    out = []
    for rows in RNG(seed).integers(0, m, size=(draws, m + length)):
        quiet, event = e[rows[:m]], e[rows[m:]]
        b = coefficients(quiet)
        r = quiet - x @ b
        r = r - r.mean(axis=0) if centred else r
        theta = event.sum(axis=0) - u @ b
        out.append(theta @ np.linalg.inv(r.T @ r / nu) @ theta / c)
    return np.array(out)


def slope_only(x):
    def fit(y):
        d = x[:, 0] - x[:, 0].mean()
        return (d @ y / (d @ d))[None, :]

    return fit


@pytest.mark.parametrize("model", ["market", "market_zero_alpha", "mean", "market_adjusted"])
def test_bootstrap_refits_the_model_of_the_study(model):
    study = six(model)
    s = system(study)
    fits = {
        "market": lambda y: np.linalg.lstsq(s.x, y, rcond=None)[0],
        "mean": lambda y: y.mean(axis=0, keepdims=True),
        "market_zero_alpha": slope_only(s.x) if s.x.shape[1] else None,
        "market_adjusted": lambda y: np.zeros((0, 6)),
    }
    null = slow_bootstrap(s.e, s.x, s.u, 5, s.nu, s.c, 99, 3, fits[model], s.centred)
    result = study.run("hein_westfall", WINDOW, seed=3, draws=99)
    assert result.extra["n_ge"] == np.sum(null >= s.t2 - 1e-12)
    assert s.centred == (model == "market_adjusted")


def test_bootstrap_of_many_firms_draws_the_same_rows():
    """More firms squared than rows: the memory plan must not change the draws."""
    ret, market = build.shares(RNG(4), 18, 160, 0.01)
    study = build.study(ret, market, 140, estimation=(-90, -11), span=(-1, 1))
    s = system(study, (-1, 1))
    null = slow_bootstrap(s.e, s.x, s.u, 3, s.nu, s.c, 60, 5, lambda y: np.linalg.lstsq(s.x, y, rcond=None)[0])
    result = study.run("hein_westfall", (-1, 1), seed=5, draws=60)
    assert result.extra["n_ge"] == np.sum(null >= s.t2 - 1e-12)
    from abnormal.kernel.resample import redrawn_t2

    fast = redrawn_t2(s.e, s.x, s.fit, s.u, 3, s.nu, s.c, 60, RNG(5), False)
    np.testing.assert_allclose(fast, null, rtol=1e-8)


@pytest.mark.parametrize("model", ["market", "mean", "market_zero_alpha", "market_adjusted"])
def test_firms_with_gaps_are_fitted_again_on_shared_sessions(model):
    """The answer equals that of a study whose missing sessions are missing for everybody."""
    ret, market = build.shares(RNG(6), 4, 200, 0.01)
    gaps, everybody = ret.copy(), ret.copy()
    gaps[1, [100, 120]] = gaps[2, 130:135] = np.nan
    everybody[:, [100, 120, *range(130, 135)]] = np.nan
    one, two = (
        build.study(r, market, 180, estimation=(-120, -11), span=(-1, 1), model=model) for r in (gaps, everybody)
    )
    for name in ("mvrm_f", "mvrm_mean", "mvrm_gls", "hein_westfall"):
        a, b = one.run(name, (-1, 1), draws=99), two.run(name, (-1, 1), draws=99)
        assert (a.statistic, a.p) == pytest.approx((b.statistic, b.p), rel=1e-9), name
    a, b = one.run("joint_sq", (0, 0)), two.run("joint_sq", (0, 0))
    assert (a.statistic, a.p) == pytest.approx((b.statistic, b.p), rel=1e-9)


def test_a_short_history_leaves_while_too_few_sessions_are_shared():
    ret, market = build.shares(RNG(7), 4, 200, 0.01)
    ret[3, :135] = np.nan
    ret[2, 110:160] = np.nan
    study = build.study(ret, market, 180, estimation=(-120, -11), span=(-1, 1))
    result = study.run("mvrm_f", (-1, 1))
    assert result.n == 3 and result.extra["left_out"] == ("F3",)
    alone = build.study(ret[:3], market, 180, estimation=(-120, -11), span=(-1, 1)).run("mvrm_f", (-1, 1))
    assert result.statistic == pytest.approx(alone.statistic, rel=1e-12)


def test_firms_that_move_as_one_cannot_be_told_apart():
    ret, market = build.shares(RNG(8), 3, 160)
    ret[2] = 0.5 * ret[0] + 0.5 * ret[1]
    study = build.study(ret, market, 140, estimation=(-90, -11), span=(-1, 1))
    for name in ("mvrm_f", "mvrm_gls", "joint_sq", "hein_westfall"):
        assert "singular" in study.run(name, (0, 0)).reason
    assert study.run("mvrm_mean", (0, 0)).status == "ok"


def test_joint_tests_want_one_model_one_benchmark_one_calendar():
    study = six()
    run = TESTS.get("mvrm_f")
    mixed = replace(study.ar, model=("market",) * 5 + ("mean",), cache={})
    assert "one model for all firms" in run(mixed, WINDOW, Options()).reason
    x = study.ar.x.copy()
    x[3, :, 1] *= 1.1
    assert "same regressors" in run(replace(study.ar, x=x, cache={}), WINDOW, Options()).reason
    noise = study.ar.noise.copy()
    noise[0, study.ar.columns((0, 0))] = 2.0
    assert "one session each" in run(replace(study.ar, noise=noise, cache={}), WINDOW, Options()).reason
    dates = study.ar.dates.copy()
    dates[2, :100] -= 1
    assert "different sessions" in run(replace(study.ar, dates=dates, cache={}), WINDOW, Options()).reason
    assert "one common event date" in build.dispersed().run("mvrm_f", (-1, 1)).reason


def test_a_model_that_is_not_linear_in_returns_has_no_bootstrap():
    result = six("huber").run("hein_westfall", WINDOW, draws=99)
    assert result.status == "not_applicable" and "cannot be fitted again" in result.reason
    assert six("huber").run("mvrm_mean", WINDOW).status == "ok"


def test_estimation_rows_before_the_panel_are_shared_by_all():
    ret, market = build.shares(RNG(9), 3, 120)
    study = build.study(ret, market, 100, estimation=(-150, -11), span=(-1, 1))
    assert np.isnat(study.ar.dates[:, 0]).all()
    assert study.run("mvrm_f", (0, 0)).status == "ok"
    assert window_stats(study.ar, (0, 0)).usable.all()
