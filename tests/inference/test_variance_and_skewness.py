"""Dispersion, log variance, Beaver, Brown-Forsythe and skewness against loops, scipy and hand calculation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

import build
from abnormal.domain import TestOptions as Options
from abnormal.inference._window import window_stats
from abnormal.inference.skewness import hall_t, johnson_t
from abnormal.registry import TESTS

RNG = np.random.default_rng
WINDOW = (-1, 3)


def studentised(ar, i):
    """e / (s sqrt(1 - h)) of pair i on its estimation rows, NaN elsewhere."""
    out = np.full(ar.first_event_column, np.nan)
    for s in range(ar.first_event_column):
        if ar.est[i, s]:
            out[s] = ar.ar[i, s] / (ar.sigma[i] * np.sqrt(1 - ar.x[i, s] @ ar.g[i] @ ar.x[i, s]))
    return out


def log_variances(ar, window, form):
    w, q = window_stats(ar, window), []
    for i in range(ar.size):
        sar = w.sar[i][np.isfinite(w.sar[i])]
        length = sar.size
        value = math.log(np.mean(sar**2))
        if form == "normal":
            value -= special.digamma(length / 2) + math.log(2) - math.log(length)
        elif form == "own_average":
            z = studentised(ar, i)
            runs = [z[s : s + length] for s in range(z.size - length + 1)]
            value -= np.mean([math.log(np.mean(r**2)) for r in runs if np.isfinite(r).all()])
        q.append(value)
    return q


@pytest.mark.parametrize("form", ["own_average", "raw", "normal"])
@pytest.mark.parametrize("window", [WINDOW, (0, 0)])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_log_variance_ratio(form, window, alternative):
    study = build.clustered()
    external = stats.ttest_1samp(log_variances(study.ar, window, form), 0.0, alternative=alternative)
    result = study.run("log_var_ratio", window, form, alternative=alternative)
    assert (result.statistic, result.p) == pytest.approx((external.statistic, external.pvalue), abs=1e-11)


def test_null_mean_of_the_log_variance():
    assert special.digamma(0.5) + math.log(2) == pytest.approx(-1.2704, abs=5e-5)


def test_zero_abnormal_return_has_no_logarithm():
    study = build.clustered()
    ar = study.ar.ar.copy()
    ar[2, study.ar.columns((0, 0))] = 0.0
    result = TESTS.get("log_var_ratio")(replace(study.ar, ar=ar, cache={}), (0, 0), Options())
    assert result.n == 7 and result.extra["left_out"] == ("F2",) and np.isfinite(result.statistic)


@pytest.mark.parametrize("window", [WINDOW, (2, 2)])
def test_brown_forsythe_equals_scipy(window):
    study = build.clustered()
    event = window_stats(study.ar, window).sar
    usable = np.isfinite(event).any(axis=1)
    quiet = np.concatenate([studentised(study.ar, i) for i in np.flatnonzero(usable)])
    external = stats.levene(event[np.isfinite(event)], quiet[np.isfinite(quiet)], center="median")
    result = study.run("levene_bf", window)
    assert (result.statistic, result.p) == pytest.approx((external.statistic, external.pvalue), abs=1e-11)


def test_beaver_window_form_is_the_day_form_of_the_scar():
    study = build.clustered()
    nu, u = study.ar.df, window_stats(study.ar, WINDOW).scar ** 2
    expected = np.sum(u * (nu - 2) / nu - 1) / np.sqrt(np.sum(2 * (nu - 1) / (nu - 4)))
    result = study.run("beaver_u", WINDOW, alternative="less")
    assert result.statistic == pytest.approx(expected, abs=1e-12)
    assert result.p == pytest.approx(stats.norm.sf(expected), abs=1e-14) and "upper tail" in result.extra["alternative"]


def slow_dispersion(x, w):
    centre = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
    return sum(b * (a - centre) ** 2 for a, b in zip(x, w, strict=True))


def test_dispersion_against_all_complete_windows():
    """Firm 6 lacks an event day and is left out; the others share the 60 rows of firm 7."""
    study = build.clustered()
    ar, w = study.ar, window_stats(study.ar, WINDOW)
    rows = [0, 1, 2, 3, 4, 5, 7]
    weight = [1 / ar.sigma[i] ** 2 for i in rows]
    observed = slow_dispersion([w.car[i] / np.sqrt(w.c[i]) for i in rows], weight)
    null = []
    for s in range(ar.first_event_column - 4):
        run = slice(s, s + 5)
        if not all(ar.est[i, run].all() for i in rows):
            continue
        values = []
        for i in rows:
            u = ar.x[i, run].sum(axis=0)
            values.append(ar.ar[i, run].sum() / np.sqrt(5 - u @ ar.g[i] @ u))
        null.append(slow_dispersion(values, weight))
    result = study.run("disp_ratio", WINDOW)
    assert result.statistic == pytest.approx(observed, rel=1e-12) and result.extra["m"] == len(null) == 56
    assert result.p == (1 + sum(q >= observed - 1e-12 for q in null)) / 57
    assert result.extra["ratio_to_mean"] == pytest.approx(observed / np.mean(null), rel=1e-12)


def test_dispersion_does_not_see_a_common_shift():
    ret, market = build.shares(RNG(1), 5, 160)
    shifted = ret.copy()
    shifted[:, 140] += 0.2
    a, b = (
        build.study(r, market, 140, estimation=(-90, -11), span=(-1, 1)).run("disp_ratio", (0, 0))
        for r in (ret, shifted)
    )
    assert a.statistic == pytest.approx(b.statistic, rel=1e-9) and a.p == b.p


def test_dispersion_sees_a_doubled_spread():
    ret, market = build.shares(RNG(2), 12, 160)
    ret[:, 140] *= 4
    result = build.study(ret, market, 140, estimation=(-90, -11), span=(-1, 1)).run("disp_ratio", (0, 0))
    assert result.p == 1 / 81 and result.extra["ratio_to_mean"] > 4


def test_dispersion_needs_one_date_and_three_firms():
    assert "one common event date" in build.dispersed().run("disp_ratio", (-1, 1)).reason
    assert "needs 3 pairs" in build.clustered(firms=(0, 1)).run("disp_ratio", WINDOW).reason


def test_three_cars_by_hand():
    """CARs 1, 2, 6%: mean 3%, deviations -2, -1, 3: sum of cubes 18, sd sqrt(7), S = 3 / sqrt(7)."""
    x = np.array([0.01, 0.02, 0.06])
    s, g = 3 / math.sqrt(7), 18 / (3 * 7**1.5)
    assert johnson_t(x) == pytest.approx(math.sqrt(3) * (s + g * s * s / 3 + g / 18), abs=1e-12)
    h = 3 / 2 * 18 / 7**1.5
    assert hall_t(x) == pytest.approx(math.sqrt(3) * (s + h * s**2 / 3 + h**2 * s**3 / 27 + h / 18), abs=1e-12)


def test_symmetric_cars_need_no_correction():
    x = np.array([-0.01, 0.01, 0.03, 0.05])
    t = stats.ttest_1samp(x, 0.0).statistic
    assert johnson_t(x) == pytest.approx(t, abs=1e-12) and hall_t(x) == pytest.approx(t, abs=1e-12)


def test_skewness_equals_scipy():
    x = window_stats(build.clustered().ar, WINDOW).car
    result = build.clustered().run("skew_hall", WINDOW)
    assert result.extra["skewness"] == pytest.approx(stats.skew(x, bias=False), abs=1e-12)


def slow_johnson(sample, centre):
    n, sd = sample.size, sample.std(ddof=1)
    s = (sample.mean() - centre) / sd
    g = np.sum((sample - sample.mean()) ** 3) / (n * sd**3)
    return np.sqrt(n) * (s + g * s * s / 3 + g / (6 * n))


@pytest.mark.parametrize("pairs, size", [(20, 5), (10, 4)])
def test_bootstrapped_skewness_t(pairs, size):
    study = build.dispersed(pairs)
    x = window_stats(study.ar, (-1, 1)).car
    stars = []
    for index in RNG(7).integers(0, pairs, size=(499, size)):
        if np.unique(index).size > 1:
            stars.append(slow_johnson(x[index], x.mean()))
    t = johnson_t(x)
    low, high = np.quantile(stars, [0.05, 0.95])
    result = study.run("lbt_bootstrap", (-1, 1), seed=7, draws=499, level=0.10)
    assert (result.extra["q_low"], result.extra["q_high"]) == pytest.approx((low, high), abs=1e-12)
    assert result.extra["used"] == len(stars)
    tails = [(1 + sum(s <= t for s in stars)) / (len(stars) + 1), (1 + sum(s >= t for s in stars)) / (len(stars) + 1)]
    assert result.p == pytest.approx(min(1, 2 * min(tails)))
