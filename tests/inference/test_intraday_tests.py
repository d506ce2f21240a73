"""Tests on bars and on activity through the registry: public values, the slow twin, size under no jump, reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bar_cases import pair_bars, public_activity, public_bars, run, waist

from abnormal.domain import TestOptions
from abnormal.inference import same_clock as clock
from abnormal.inference._bars import DayActivity, clock_sums
from abnormal.inference.abnormal_volume import log_turnover, prais_winsten, sum_variance
from abnormal.inference.lee_mykland import bar_jumps
from abnormal.kernel import realized
from abnormal.registry import TESTS
from twin import intraday as twin
from twin import public, regression

NAMES = ("bns", "lee_mykland", "same_clock", "abnormal_volume", "range_variance")
RESULTS = public.golden()["intraday"]["results"]
TOLERANCE = 1e-10


def near(value, expected):
    assert value == pytest.approx(expected, rel=TOLERANCE, abs=1e-18)


# ------------------------------------------------------------------------------------------------ public values


@pytest.mark.parametrize(
    "form, key", [("ratio", "z_ratio"), ("linear", "z_linear"), ("log", "z_log"), ("nofs", "z_ratio_nofs")]
)
def test_bns_of_the_public_jump_day_and_of_an_ordinary_one(form, key):
    jump = run("bns", (0, 65), form, public_bars())
    near(jump.statistic, RESULTS["bns_jump_day"][key])
    near(run("bns", (-25 * 66, -25 * 66), form, public_bars()).statistic, RESULTS["bns_day0"][key])
    if form == "ratio":
        near(jump.p, RESULTS["bns_jump_day"]["p_ratio"])
        near(jump.extra["rv"], RESULTS["bns_jump_day"]["RV"])
        near(jump.extra["bv"], RESULTS["bns_jump_day"]["BV"])
        near(jump.extra["tp"], RESULTS["bns_jump_day"]["TP"])
    assert jump.n == 66 and jump.extra["sign"] == 1


@pytest.mark.parametrize("form, key", [("plain", "lee_mykland"), ("periodic", "lee_mykland_periodic")])
def test_lee_mykland_of_the_public_bars(form, key):
    answer = run("lee_mykland", (0, 65), form, public_bars(), level=0.01)
    near(answer.statistic, RESULTS[key]["L_jump"])
    near(answer.extra["xi"], RESULTS[key]["xi_jump"])
    near(answer.extra["cn"], RESULTS["lee_mykland"]["Cn"])
    assert answer.extra["offset"] == public.intraday()["jump_bar"] and answer.extra["sign"] == 1
    assert answer.n == 1980 and answer.extra["k"] == 132
    found = bar_jumps(public_bars(), form)
    near(found.sn, RESULTS["lee_mykland"]["Sn"])
    critical = RESULTS["lee_mykland"]["beta_star_1pct"]
    near(answer.extra["critical"], critical)
    assert np.nansum(found.xi > critical) == RESULTS[key]["n_detect_1pct"]


def test_pattern_and_range_of_the_public_bars():
    np.testing.assert_allclose(public_bars().f, RESULTS["diurnal_rms"], rtol=TOLERANCE)
    answer = run("range_variance", (0, 0), activity=public_activity())
    near(answer.statistic, RESULTS["parkinson_log_z"])
    assert answer.n == 25 and answer.df == 24 and answer.extra["p_rank"] == 2 / 26
    assert run("range_variance", (0, 1), activity=public_activity()).status == "not_applicable"


def test_log_turnover_values_of_the_methods_page():
    assert float(log_turnover(0.01)) == pytest.approx(0.000254967, abs=5e-10)
    assert float(log_turnover(0.01, "fraction")) == pytest.approx(-4.579989887, abs=5e-10)
    assert np.isnan(log_turnover(np.array([0.0, -1.0, np.nan]))).all()


# ------------------------------------------------------------------------------------------------ same clock time


def simulated(seed: int, days: int = 40, bars: int = 12, event: int = 35) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.001 * (1 + np.cos(np.linspace(0, 6, bars))) * rng.standard_normal((days, bars))


@pytest.mark.parametrize("window", [(0, 0), (0, 5), (3, 8), (0, 11)])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_same_clock_is_the_twin_and_the_kernel(window, alternative):
    r = simulated(1)
    bars = pair_bars(r, 35, slice(5, 35))
    answer = run("same_clock", window, bars=bars, alternative=alternative)
    cut = slice(window[0], window[1] + 1)
    if alternative == "two-sided":
        want = twin.same_clock(r[35, cut], r[5:35, cut])
        assert (answer.p, answer.n) == (pytest.approx(want["p"], abs=1e-15), want["m"])
        assert answer.statistic == pytest.approx(want["car"], abs=1e-15)
    sums = clock_sums(bars, window)
    path = realized.bar_path(
        r[35], r[5:35], 0.001, np.ones(12), first=window[0], last=window[1], alternative=alternative
    )  # fmt: skip
    np.testing.assert_allclose(sums.path, path.car, atol=1e-15)
    np.testing.assert_allclose(clock.path_p(sums, alternative), path.p_rank, atol=1e-15)
    assert answer.p == pytest.approx(float(path.p_rank[-1]), abs=1e-15)


def test_a_window_over_two_sessions_is_compared_with_two_sessions():
    r = simulated(2)
    bars = pair_bars(r, 35, slice(5, 35))
    sums = clock_sums(bars, (6, 17))
    flat = r.ravel()
    want = [flat[d * 12 + 6 : d * 12 + 18].sum() for d in range(5, 34)]  # the last would reach into the event session
    np.testing.assert_allclose(sums.past[:, -1], want, atol=1e-15)
    assert sums.back.tolist() == list(range(30, 1, -1))


def test_empty_bars_add_nothing_and_empty_sessions_do_not_count():
    r = simulated(3)
    r[35, 2] = r[20, 1:12] = np.nan
    bars = pair_bars(r, 35, slice(5, 35))
    sums = clock_sums(bars, (0, 11))
    assert sums.past.shape[0] == 29 and 15 not in sums.back
    assert sums.path[-1] == pytest.approx(np.nansum(r[35]), abs=1e-15) and sums.n[-1] == 11
    r[35] = np.nan
    assert "no trade" in run("same_clock", (0, 11), bars=pair_bars(r, 35, slice(5, 35))).reason
    assert "end before the window" in run("same_clock", (0, 80), bars=pair_bars(r, 35, slice(5, 35))).reason


def with_night(news_before: bool):
    """Three slots a session: the night, then two bars."""
    r = np.tile([0.010, 0.001, -0.002], (30, 1)) * np.linspace(1, 2, 30)[:, None]
    is_bar = np.array([False, True, True])
    bars = pair_bars(r, 25, slice(0, 25))
    places = np.flatnonzero(np.tile(is_bar, 30))
    return replace(bars, is_bar=is_bar, places=places, origin=50, news_before=news_before)


def test_a_night_belongs_to_the_reaction_only_where_the_news_came_before_the_open():
    overnight, inside = with_night(True), with_night(False)
    scale = 1 + 25 / 29
    assert clock_sums(overnight, (0, 0)).path[-1] == pytest.approx(0.011 * scale)
    assert clock_sums(inside, (0, 0)).path[-1] == pytest.approx(0.001 * scale)
    assert clock_sums(inside, (0, 1)).path[-1] == pytest.approx(-0.001 * scale)
    for bars in (overnight, inside):
        whole, before, after = (clock_sums(bars, w).path[-1] for w in ((-2, 1), (-2, -1), (0, 1)))
        assert whole == pytest.approx(before + after), "a night is counted once, on one side of the news"
    np.testing.assert_array_equal(clock_sums(overnight, (2, 3)).places, clock_sums(inside, (2, 3)).places)


def test_the_interval_holds_what_the_test_does_not_reject():
    rng = np.random.default_rng(4)
    past = rng.standard_normal(59)
    half = clock.half_width(past, 0.05)
    for effect, rejected in ((half * 0.999, False), (half * 1.001, True)):
        p = (1 + np.sum(np.abs(past) >= effect)) / 60
        assert p == pytest.approx(0.05) if rejected else p > 0.05
    assert clock.half_width(past[:18], 0.05) == np.inf


def test_several_pairs_are_ranked_by_their_mean_over_common_sessions():
    one, two = (pair_bars(simulated(s), 35, slice(5, 35)) for s in (5, 6))
    short = pair_bars(simulated(6), 35, slice(15, 35))
    answer = clock.pooled([one, short], (0, 5), TestOptions())
    assert answer.n == 20
    mean = (one.r[15:35, :6].sum(axis=1) + two.r[15:35, :6].sum(axis=1)) / 2
    now = (one.r[35, :6].sum() + two.r[35, :6].sum()) / 2
    assert answer.p == (1 + np.sum(np.abs(mean) >= abs(now))) / 21


# ------------------------------------------------------------------------------------------------ jumps


def test_the_open_is_not_a_jump_for_being_the_open():
    rng = np.random.default_rng(7)
    shape = np.array([6.0] + [1.0] * 77)
    r = 0.001 * shape * rng.standard_normal((40, 78))
    bars = pair_bars(r, 35, slice(0, 35))
    opens = np.arange(40) * 78
    critical = realized.gumbel_critical(0.05)
    plain, periodic = (bar_jumps(bars, form) for form in ("plain", "periodic"))
    assert np.nansum(plain.xi[opens] > critical) >= 10
    assert np.nansum(periodic.xi > critical) == 0


def test_halts_and_thin_sessions_take_no_part_in_jump_tests():
    r = simulated(8, bars=78)
    r[35, 40] = 0.2
    halted = np.zeros(r.shape, bool)
    halted[35, 40] = True
    assert run("lee_mykland", (0, 77), bars=pair_bars(r, 35, slice(5, 35))).p < 1e-6
    assert run("bns", (0, 77), bars=pair_bars(r, 35, slice(5, 35))).p < 1e-6
    split = pair_bars(r, 35, slice(5, 35), halted=halted)
    assert run("lee_mykland", (0, 77), bars=split).p > 0.5 and run("bns", (0, 77), bars=split).p > 0.01
    r[35, 10:30] = np.nan
    thin = pair_bars(r, 35, slice(5, 35))
    assert run("bns", (0, 77), bars=thin).reason == "too many empty bars"
    assert "no bar of the window" in run("lee_mykland", (0, 77), bars=thin).reason
    few = pair_bars(simulated(9, days=12), 10, slice(0, 10))
    assert "daily pattern" in run("lee_mykland", (0, 5), bars=few).reason
    assert "K = 270" in run("lee_mykland", (0, 5), "plain", bars=few).reason


def test_size_without_jumps():
    """66 normal bars: the ratio rejects 5.6% at 5%, linear 8.7%; Lee-Mykland about 6% in 931 bars with K = 270 (M 6.6)."""
    rng = np.random.default_rng(11)
    r = rng.standard_normal((4000, 66))
    found = realized.bns(r)
    assert abs(np.mean(found.p < 0.05) - 0.056) < 0.011
    assert abs(np.mean(found.p_linear < 0.05) - 0.087) < 0.014
    hits = realized.lee_mykland(rng.standard_normal((300, 1200)), 270).p_max < 0.05
    assert abs(hits.mean() - 0.063) < 3 * 0.014


# ------------------------------------------------------------------------------------------------ activity


def activity(v: np.ndarray, event: int, market: np.ndarray | None = None, shares: float = np.nan) -> DayActivity:
    nan = np.full(v.size, np.nan)
    est = np.arange(v.size) < event - 10
    return DayActivity(nan, nan, np.exp(v), np.full(v.size, shares), market, est, event)


def ar1(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    e = rng.standard_normal(n)
    out = np.empty(n)
    out[0] = e[0] / np.sqrt(1 - rho**2)
    for t in range(1, n):
        out[t] = rho * out[t - 1] + e[t]
    return out


def test_egls_is_generalised_least_squares_with_the_full_correlation_matrix():
    rng = np.random.default_rng(12)
    n = 80
    x = np.column_stack([np.ones(n), rng.standard_normal(n)])
    v = x @ [13.0, 0.7] + 0.3 * ar1(rng, n, 0.6)
    use = np.ones(n, bool)
    fit = prais_winsten(v, x, use)
    other = regression.prais_winsten(v, x)
    np.testing.assert_allclose(fit.b, other["b"], rtol=1e-9)
    omega = fit.rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / (1 - fit.rho**2)
    weight = np.linalg.inv(omega)
    want = np.linalg.solve(x.T @ weight @ x, x.T @ weight @ v)
    np.testing.assert_allclose(fit.b, want, rtol=1e-10)
    np.testing.assert_allclose(fit.g, np.linalg.inv(x.T @ weight @ x), rtol=1e-9)
    e = v - x @ want
    assert fit.s2 == pytest.approx(e @ weight @ e / (n - 2), rel=1e-9)
    rows = np.array([10, 11, 12])
    u = x[rows].sum(axis=0)
    far = fit.s2 * (omega[np.ix_(rows, rows)].sum() + u @ fit.g @ u)
    assert sum_variance(fit, x, rows) == pytest.approx(far, rel=1e-12)


def test_egls_begins_anew_after_a_gap():
    rng = np.random.default_rng(13)
    v, x = 10 + ar1(rng, 90, 0.5), np.ones((90, 1))
    use = np.ones(90, bool)
    use[40:45] = False
    fit = prais_winsten(v, x, use)
    rows = np.flatnonzero(use)
    omega = np.where(
        (rows[:, None] < 42) == (rows[None, :] < 42), fit.rho ** np.abs(rows[:, None] - rows[None, :]), 0.0
    ) / (1 - fit.rho**2)  # fmt: skip
    weight = np.linalg.inv(omega)
    one = np.ones(rows.size)
    assert fit.b[0] == pytest.approx((one @ weight @ v[use]) / (one @ weight @ one), rel=1e-10)


def test_memory_of_volume_is_in_the_variance_of_a_sum():
    """Without it a five-session test rejects far too often; EGLS and ranks keep near the level."""
    rng = np.random.default_rng(14)
    hits = {"egls": 0, "naive": 0, "sq": 0}
    for _ in range(300):
        v = 13 + 0.4 * ar1(rng, 150, 0.6)
        for form in hits:
            hits[form] += run("abnormal_volume", (0, 4), form, activity=activity(v, 130)).p < 0.05
    assert hits["naive"] > 50 and hits["egls"] < 35 and hits["sq"] < 35


def test_turnover_where_the_shares_are_known_and_the_market_where_it_has_volume():
    rng = np.random.default_rng(15)
    market = rng.standard_normal(150)
    v = 13 + 0.8 * market + 0.2 * rng.standard_normal(150)
    v[130] += 1.0
    known = run("abnormal_volume", (0, 0), activity=activity(v, 130, market, shares=1e9))
    plain = run("abnormal_volume", (0, 0), "shares", activity=activity(v, 130, market))
    alone = run("abnormal_volume", (0, 0), activity=activity(v, 130))
    assert known.extra["turnover"] == 1 and plain.extra["turnover"] == 0
    assert known.p < 0.01 and plain.p < 0.01 and alone.statistic < plain.statistic
    assert known.extra["cav"] == pytest.approx(1.0, abs=0.5)
    assert known.df == 118 and alone.df == 119


def test_volume_of_bars_is_compared_at_the_same_clock_time():
    rng = np.random.default_rng(16)
    usual = np.exp(rng.normal([9, 7, 7, 8], 0.2, (30, 4)))
    usual[25] *= [1, 5, 5, 1]
    bars = pair_bars(simulated(17, days=30, bars=4, event=25), 25, slice(0, 25), volume=usual)
    middle, first = run("abnormal_volume", (1, 2), bars=bars), run("abnormal_volume", (0, 0), bars=bars)
    assert middle.p < 1e-4 and middle.extra["p_rank"] == 2 / 26 and first.p > 0.05
    assert middle.extra["cav"] == pytest.approx(np.log(5), abs=0.3)
    without = replace(bars, volume=None)
    assert run("abnormal_volume", (1, 2), bars=without).reason == "the bars have no volume"


def test_too_little_volume_is_said():
    v = np.full(60, np.nan)
    v[20:] = 13.0
    assert (
        "no volume in the window" in run("abnormal_volume", (0, 0), activity=activity(np.full(60, np.nan), 50)).reason
    )
    assert "estimation sessions with volume" in run("abnormal_volume", (0, 0), activity=activity(v[:35], 30)).reason
    assert "does not vary" in run("abnormal_volume", (0, 0), activity=activity(v, 55)).reason
    assert "no such session" in run("range_variance", (40, 40), activity=activity(v, 55)).reason


# ------------------------------------------------------------------------------------------------ registration


@pytest.mark.parametrize("name", NAMES)
def test_a_study_without_bars_says_what_to_type(name):
    method = TESTS.get(name)
    answer = method(waist(2), (0, 0), TestOptions(variant=method.default_variant))
    assert np.isnan(answer.p).all() and len(answer.reason) == 2
    assert ("freq" in answer.reason[0]) is (method.scope == "intraday") and answer.reason[0]


@pytest.mark.parametrize("name", NAMES)
def test_registration_says_what_the_method_is(name):
    method = TESTS.get(name)
    assert method.reference and method.formula and method.assumes and method.others and method.check and method.variants
    assert len(method.doc.splitlines()) > 2 and method.summary.endswith(("?", "."))
