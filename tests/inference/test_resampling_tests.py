"""Sign flips, wild bootstrap, moving blocks and joint placebo windows against loops with the same draws."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import build
from abnormal.domain import TestOptions as Options
from abnormal.inference._window import distinct_dates, window_stats
from abnormal.inference.crude_dependence import average_residuals
from abnormal.kernel import resample
from abnormal.registry import TESTS

RNG = np.random.default_rng
WINDOW = (-1, 3)
WEBB = [-np.sqrt(1.5), -1, -np.sqrt(0.5), np.sqrt(0.5), 1, np.sqrt(1.5)]


def with_cars(values, days=None):
    """A study whose CARs at offset 0 are the given values (market-adjusted, flat market), all on one day or on `days`."""
    values = np.asarray(values, float)
    days = np.full(values.size, 40) if days is None else np.asarray(days)
    ret = 0.01 * RNG(4).standard_normal((values.size, 60))
    ret[np.arange(values.size), days] = values
    return build.study(ret, np.zeros(60), days, estimation=(-35, -1), span=(0, 0), model="market_adjusted")


@pytest.mark.parametrize("high", [2, 6, 8, 240])
def test_drawing_in_blocks_gives_the_same_numbers(high, monkeypatch):
    whole = RNG(3).integers(0, high, size=(57, 7))
    monkeypatch.setattr(resample, "CELLS", 40)
    parts = list(resample.blocks_of(RNG(3), high, 57, 7))
    assert len(parts) > 5
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("n", [3, 8, 12])
def test_exact_sign_flip_equals_scipy(n, alternative):
    x = 0.02 + 0.05 * RNG(n).standard_normal(n)
    external = stats.permutation_test(
        (x,), lambda v, axis: np.abs(v.mean(axis=axis)) if alternative == "two-sided" else v.mean(axis=axis),
        permutation_type="samples", alternative="greater" if alternative == "two-sided" else alternative, n_resamples=2**n,
    )  # fmt: skip
    for variant in ("mean", "t"):
        result = with_cars(x).run("sign_flip", (0, 0), variant, alternative=alternative)
        assert result.p == pytest.approx(external.pvalue, abs=1e-14)
        assert result.extra["min_p"] == (2 if alternative == "two-sided" else 1) / 2**n
    assert result.statistic == pytest.approx(stats.ttest_1samp(x, 0).statistic, abs=1e-12)


def test_three_cars_by_hand():
    """1, 2 and 6%: only all plus and all minus reach 9% in sum: 2 of 8."""
    assert with_cars([0.01, 0.02, 0.06]).run("sign_flip", (0, 0)).p == 0.25


def test_many_pairs_are_drawn_in_the_stated_order():
    x = 0.01 + 0.05 * RNG(1).standard_normal(17)
    signs = RNG(5).integers(0, 2, size=(499, 17)) * 2 - 1
    means = np.array([np.mean(s * x) for s in signs])
    study = with_cars(x)
    assert study.run("sign_flip", (0, 0), seed=5, draws=499).p == (1 + np.sum(abs(means) >= abs(x.mean()))) / 500
    assert (
        study.run("sign_flip", (0, 0), seed=5, draws=499, alternative="less").p == (1 + np.sum(means <= x.mean())) / 500
    )


def test_flipping_dates():
    x, days = np.array([0.01, 0.03, -0.02, 0.04, 0.05]), [40, 40, 45, 50, 50]
    sums = [0.04, -0.02, 0.09]
    every = [abs(np.dot(sums, s)) for s in itertools.product((-1, 1), repeat=3)]
    result = with_cars(x, days).run("sign_flip", (0, 0), "date")
    assert result.p == np.mean([v >= 0.11 - 1e-12 for v in every]) and result.extra["units"] == 3
    one = with_cars(x).run("sign_flip", (0, 0), "date")
    assert one.p == 1.0 and one.extra["min_p"] == 1.0


def slow_t(v):
    return np.mean(v) / (np.std(v, ddof=1) / np.sqrt(v.size))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("variant, groups", [("event", 8), ("date", 4), ("firm", 8)])
def test_wild_bootstrap(variant, groups, alternative):
    days = [40, 40, 45, 45, 50, 50, 55, 55]
    x = 0.01 + 0.05 * RNG(2).standard_normal(8)
    study = with_cars(x, days)
    place = np.repeat(np.arange(4), 2) if variant == "date" else np.arange(8)
    rng = RNG(9)
    weights = (
        rng.integers(0, 2, size=(299, 8)) * 2 - 1
        if variant == "event"
        else np.take(WEBB, rng.integers(0, 6, size=(299, groups)))
    )
    stars = np.array([slow_t(w[place] * x) for w in weights])
    t = slow_t(x)
    hits = {"two-sided": abs(stars) >= abs(t) - 1e-12, "greater": stars >= t - 1e-12, "less": stars <= t + 1e-12}
    result = study.run("wild", (0, 0), variant, seed=9, draws=299, alternative=alternative)
    assert result.p == (1 + hits[alternative].sum()) / 300 and result.statistic == pytest.approx(t, abs=1e-12)
    assert result.extra["clusters"] == groups and result.extra["weights"] == (
        "rademacher" if variant == "event" else "webb"
    )


def test_twelve_dates_take_signs_instead_of_six_points():
    x, days = 0.05 * RNG(3).standard_normal(12), 36 + 2 * np.arange(12)
    assert with_cars(x, days).run("wild", (0, 0), "date", draws=99).extra["weights"] == "rademacher"


def test_one_firm_or_one_date_carries_no_information_for_clusters():
    study = with_cars([0.01, 0.02, 0.05])
    assert "no information" in study.run("wild", (0, 0), "date").reason
    ar = replace(study.ar, ticker=("A", "A", "A"), cache={})
    assert "no information" in TESTS.get("wild")(ar, (0, 0), Options(variant="firm")).reason


def test_equal_cars_under_equal_weights_count_as_extreme():
    """Rows whose weighted CARs coincide have no spread: an infinite t, not a missing one."""
    t = resample.student_t_rows(np.array([[0.1, 0.1, 0.1], [-0.3, -0.3, -0.3], [0.1, 0.2, 0.3], [0.0, 0.0, 0.0]]))
    assert t[0] == np.inf and t[1] == -np.inf and t[2] == pytest.approx(slow_t(np.array([0.1, 0.2, 0.3]))) and t[3] == 0


@pytest.mark.parametrize("length, size", [(5, 240), (6, 240), (7, 100), (1, 30), (30, 30)])
def test_moving_blocks(length, size):
    series = RNG(1).standard_normal(size)
    count = -(-size // length)
    means = []
    for starts in RNG(2).integers(0, size - length + 1, size=(99, count)):
        means.append(np.concatenate([series[s : s + length] for s in starts])[:size].mean())
    np.testing.assert_allclose(resample.moving_block_means(series, length, 99, RNG(2)), means, atol=1e-13)


def test_block_bootstrap_replaces_the_spread_of_cda():
    study = build.clustered(firms=build.COMPLETE)
    a = average_residuals(study.ar, WINDOW)
    se = resample.moving_block_means(a, 6, 999, RNG(4)).std(ddof=1)  # 6 = round(240 ** (1 / 3))
    aar = study.ar.ar[:, study.ar.columns(WINDOW)].mean(axis=0)
    result = study.run("block_bootstrap", WINDOW, seed=4, draws=999)
    assert result.extra["length"] == 6 and result.extra["se_mean"] == pytest.approx(se, rel=1e-12)
    assert result.statistic == pytest.approx(aar.sum() / (np.sqrt(240) * se * np.sqrt(5)), rel=1e-12)
    independent = study.run("cda", WINDOW).statistic
    assert result.statistic == pytest.approx(independent, rel=0.35)
    assert result.p == pytest.approx(2 * stats.t.sf(abs(result.statistic), 239))


def group_values(ar, rows, window):
    """Sums over the firms of one date of their studentised runs on shared windows, and the real one, by loops."""
    length, w = window[1] - window[0] + 1, window_stats(ar, window)
    out = []
    for s in range(ar.first_event_column - length + 1):
        total = 0.0
        for i in rows:
            run = slice(s, s + int(w.n[i]))
            if not ar.est[i, run].all():
                total = np.nan
                break
            u = ar.x[i, run].sum(axis=0)
            total += ar.ar[i, run].sum() / (ar.sigma[i] * np.sqrt(w.n[i] - u @ ar.g[i] @ u))
        if np.isfinite(total):
            out.append(total)
    return np.array([*out, w.scar[rows].sum()])


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_joint_placebo_keeps_the_firms_of_a_date_together(alternative):
    ret, market = build.shares(RNG(6), 7, 220, common=0.01)
    ret[RNG(7).random(ret.shape) < 0.01] = np.nan
    days = np.array([150, 120, 150, 180, 120, 150, 180])
    ret[np.arange(7), days] = 0.02
    study = build.study(ret, market, days, estimation=(-90, -11), span=(-1, 1))
    ar = study.ar
    dates = distinct_dates(ar)
    groups = [np.flatnonzero(dates == d) for d in np.unique(dates)]
    values = [group_values(ar, rows, (-1, 1)) for rows in groups]
    rng = RNG(8)
    null = sum(q[rng.integers(0, q.size, size=499)] for q in values)
    observed = sum(q[-1] for q in values)
    hits = {"two-sided": abs(null) >= abs(observed), "greater": null >= observed, "less": null <= observed}[alternative]
    result = study.run("placebo_joint", (-1, 1), seed=8, draws=499, alternative=alternative)
    assert result.extra["positions"].tolist() == [q.size for q in values] and result.extra["groups"] == 3
    assert result.statistic == pytest.approx(observed, abs=1e-12) and result.p == (1 + hits.sum()) / 500


def test_joint_placebo_needs_windows_on_every_date():
    ret, market = build.shares(RNG(9), 2, 140)
    ret[1, :105] = np.nan
    ret[0, 60:] = np.nan
    ret[0, 119:122] = 0.01
    study = build.study(ret, market, 120, estimation=(-100, -2), span=(-1, 1), min_obs=10)
    result = study.run("placebo_joint", (-1, 1))
    assert result.status == "not_applicable" and "0 common windows before" in result.reason
