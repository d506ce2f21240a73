"""Patell, BMP, Kolari-Pynnonen, time-series tests and signs: identities, variants, reasons."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import build
from abnormal.domain import TestOptions as Options
from abnormal.inference._correlation import rbar, rbar_w
from abnormal.inference._window import window_stats
from abnormal.registry import TESTS

RNG = np.random.default_rng
WINDOW = (-1, 3)


def dated(seed=0, firms=6, spread=4, common=0.0):
    ret, market = build.shares(RNG(seed), firms, 200, common)
    days = 120 + spread * np.arange(firms)
    return build.study(ret, market, days, estimation=(-80, -11), span=(-1, 3))


def run(ar, name, window=WINDOW, variant="", **options):
    return TESTS.get(name)(ar, window, Options(variant=variant, **options))


@pytest.mark.parametrize("name", ["patell", "bmp"])
def test_one_session_makes_all_standardisations_equal(name):
    study = dated()
    full, by_day = (study.run(name, (1, 1), v).statistic for v in ("full", "patell_sum"))
    if name == "bmp":
        assert full == pytest.approx(by_day, abs=1e-12)
    else:  # the variances of the SARs are all equal here, so both sums agree
        assert full == pytest.approx(by_day, abs=1e-12)


def test_patell_variance_follows_the_degrees_of_freedom():
    """Three factors: nu = M - 4, while the hard-wired form takes M - 2."""
    study = build.clustered("ff3")
    w, m = window_stats(study.ar, WINDOW), study.ar.m.astype(float)
    for variant, k in (("full", 4), ("k2", 2)):
        expected = w.scar.sum() / np.sqrt(np.sum((m - k) / (m - k - 2)))
        assert study.run("patell", WINDOW, variant).statistic == pytest.approx(expected, abs=1e-12)


def test_patell_needs_more_than_two_degrees_of_freedom():
    ret, market = build.shares(RNG(1), 3, 60)
    study = build.study(ret, market, 50, estimation=(-14, -11), span=(-1, 1), min_obs=3)
    result = study.run("patell", (0, 0))
    assert result.status == "not_applicable" and "more than 2 degrees of freedom" in result.reason
    assert study.run("patell", (0, 0), "wrds").status == "ok"
    assert "more than 4" in study.run("beaver_u", (0, 0)).reason


def test_bmp_is_the_t_test_of_scars():
    study = dated(2)
    scar = window_stats(study.ar, WINDOW).scar
    result = study.run("bmp", WINDOW, alternative="greater")
    external = stats.ttest_1samp(scar, 0.0, alternative="greater")
    assert (result.statistic, result.p, result.df) == pytest.approx((external.statistic, external.pvalue, 5), abs=1e-12)
    normal = study.run("bmp", WINDOW, "normal")
    assert normal.p == pytest.approx(2 * stats.norm.sf(abs(external.statistic)), abs=1e-14) and np.isnan(normal.df)


@pytest.mark.parametrize("spread, weighted", [(0, False), (2, True), (30, True)])
def test_kolari_pynnonen_takes_rbar_on_one_date_and_rbar_w_otherwise(spread, weighted):
    ret, market = build.shares(RNG(3), 3, 260, 0.02)
    study = build.study(ret, market, 120 + spread * np.arange(3), estimation=(-80, -11), span=(-1, 3))
    r = rbar_w(study.ar, WINDOW) if weighted else rbar(study.ar)
    t, z = study.run("bmp", WINDOW).statistic, study.run("patell", WINDOW).statistic
    a, b = study.run("kp_bmp", WINDOW), study.run("kp_patell", WINDOW)
    assert a.statistic == pytest.approx(t * np.sqrt((1 - r) / (1 + 2 * r)), abs=1e-12) and a.df == 2
    assert b.statistic == pytest.approx(z / np.sqrt(1 + 2 * r), abs=1e-12)
    assert a.extra["weighted"] is weighted
    if spread == 30:
        assert a.statistic == t


def test_alignment_by_relative_day_is_an_option_and_a_variant():
    study = dated(4, common=0.03)
    r = rbar(study.ar, align="event")
    expected = study.run("bmp", WINDOW).statistic * np.sqrt((1 - r) / (1 + 5 * r))
    for result in (study.run("kp_bmp", WINDOW, "event"), study.run("kp_bmp", WINDOW, rbar="event")):
        assert result.statistic == pytest.approx(expected, abs=1e-12) and result.extra["aligned"] == "event"
    assert study.run("kp_bmp", WINDOW, "calendar", rbar="event").extra["aligned"] == "calendar"


def test_strongly_negative_correlation_has_no_adjustment():
    ret, market = build.shares(RNG(5), 1, 140)
    study = build.study(np.array([ret[0], -ret[0]]), market, 120, estimation=(-70, -6), span=(-1, 1))
    assert rbar(study.ar) == pytest.approx(-1.0)
    for name in ("kp_bmp", "kp_patell"):
        result = study.run(name, (-1, 1))
        assert result.status == "not_applicable" and "negative average correlation" in result.reason


def test_crude_dependence_by_hand():
    study = build.clustered()
    ar, end = study.ar, study.ar.first_event_column
    a = np.array([np.mean(col[np.isfinite(col)]) for col in ar.ar[:, :end][:, ar.est[:, :end].any(axis=0)].T])
    aar = np.nanmean(ar.ar[:, ar.columns(WINDOW)], axis=0)
    rm = ar.market[0]
    quiet, event = rm[:end][ar.est[:, :end].any(axis=0)], rm[ar.columns(WINDOW)]
    factor = np.sqrt(1 + 1 / 240 + (event - quiet.mean()) ** 2 / np.sum((quiet - quiet.mean()) ** 2))
    s = a.std(ddof=1)
    assert study.run("cda", WINDOW, "lamb").statistic == pytest.approx(
        np.sum(aar / (s * factor)) / np.sqrt(5), abs=1e-12
    )
    m2 = np.sqrt(np.sum((a - a.mean()) ** 2) / 238)
    assert study.run("cda", WINDOW, "m2").statistic == pytest.approx(aar.sum() / (m2 * np.sqrt(5)), abs=1e-12)
    plain = study.run("cda", WINDOW)
    assert plain.p == pytest.approx(2 * stats.t.sf(abs(plain.statistic), 239), abs=1e-14)
    assert study.run("cda", WINDOW, "normal").p == pytest.approx(2 * stats.norm.sf(abs(plain.statistic)), abs=1e-14)


def test_lamb_needs_one_market():
    result = build.dispersed().run("cda", (-1, 1), "lamb")
    assert result.status == "not_applicable" and "one common event date" in result.reason


def test_no_dependence_window_form():
    study = build.clustered()
    w = window_stats(study.ar, WINDOW)
    expected = w.car.mean() / (np.sqrt(np.sum(study.ar.sigma**2 * w.n)) / 8)
    result = study.run("bw80_nodep", WINDOW)
    assert result.statistic == pytest.approx(expected, abs=1e-12) and result.df == pytest.approx(study.ar.m.mean() - 1)
    assert study.run("bw80_nodep", WINDOW, "normal").p == pytest.approx(2 * stats.norm.sf(abs(expected)), abs=1e-14)


def test_portfolio_tests_need_a_common_date():
    for name in ("portfolio_t", "portfolio_sq"):
        assert "one common event date" in build.dispersed().run(name, (-1, 1)).reason


def test_portfolio_mean_equals_the_multivariate_mean():
    study = build.clustered(firms=build.COMPLETE)
    for window in ((0, 0), (-1, 3), (1, 2)):
        a, b = study.run("portfolio_t", window), study.run("mvrm_mean", window)
        assert (a.statistic, a.p, a.df) == pytest.approx((b.statistic, b.p, b.df), abs=1e-11)


def zero_car(study, rows):
    """The same study with the event returns of some pairs put on the model."""
    ar = study.ar.ar.copy()
    ar[rows, study.ar.columns(WINDOW)] = 0.0
    return replace(study.ar, ar=ar, cache={})


def test_zeros_in_sign_tests():
    study = build.clustered()
    ar = zero_car(study, [3])
    sign, kept = run(ar, "sign"), run(ar, "sign", variant="zeros_negative")
    assert (sign.n, sign.extra["positive"]) == (7, 5)
    assert sign.p == pytest.approx(stats.binomtest(5, 7).pvalue, abs=1e-14)
    assert (kept.n, kept.statistic) == (8, pytest.approx((5 - 4) / np.sqrt(2)))
    gen = run(ar, "gen_sign")
    phat = gen.extra["phat"]
    assert gen.statistic == pytest.approx((5 - 8 * phat) / np.sqrt(8 * phat * (1 - phat)))


def test_sign_alternatives_are_binomial_tails():
    study = build.dispersed()
    for alternative in ("greater", "less"):
        p = study.run("sign", (-1, 1), alternative=alternative).p
        assert p == pytest.approx(stats.binomtest(16, 20, alternative=alternative).pvalue, abs=1e-14)


def test_generalised_sign_shares_by_firm_not_by_event():
    ret, market = build.shares(RNG(9), 2, 200)
    study = build.study(ret, market, [110, 150, 150], unit=[0, 0, 1], estimation=(-60, -11), span=(-1, 1))
    e = study.ar.ar[:, : study.ar.first_event_column][:, :50]
    share = (e > 0).mean(axis=1)
    assert study.run("gen_sign", (-1, 1)).extra["phat"] == pytest.approx(share.mean())
    by_firm = study.run("gen_sign", (-1, 1), "by_firm").extra["phat"]
    assert by_firm == pytest.approx(((share[0] + share[1]) / 2 + share[2]) / 2)


def test_jackknife_of_a_mean_is_the_usual_standard_error():
    study = build.clustered()
    car = window_stats(study.ar, WINDOW).car
    result = study.run("jackknife", WINDOW)
    assert result.extra["se"] == pytest.approx(car.std(ddof=1) / np.sqrt(8), abs=1e-15)
    ts = [stats.ttest_1samp(np.delete(car, i), 0.0).statistic for i in range(8)]
    assert (result.extra["t_min"], result.extra["t_max"]) == pytest.approx((min(ts), max(ts)), abs=1e-10)
    assert result.extra["most"] == "F7" and result.extra["without_most"] == pytest.approx(np.delete(car, 7).mean())
