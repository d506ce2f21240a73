"""The anatomy of a day and variance from its range: check values, identities, mirrored falls and impossible prices."""

from __future__ import annotations

import doctest
import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from abnormal.kernel import ohlc
from abnormal.kernel.ohlc import (
    day_decomposition,
    extreme_statistic,
    garman_klass,
    parkinson,
    range_test,
    rank_p,
    rogers_satchell,
    yang_zhang,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden_public.json").read_text())["intraday"]
RESULTS, JUMP_DAY = GOLDEN["results"], GOLDEN["data"]["jump_day"]


def close(a, b, rtol=1e-10, atol=1e-14):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def daily_bars():
    """Daily prices of the published bar returns: 100 before the first session, bars compound from the open."""
    r, gap = np.array(GOLDEN["data"]["r"], dtype=float), np.array(GOLDEN["data"]["overnight"], dtype=float)
    steps = np.concatenate([gap[:, None], r], axis=1)
    path = np.exp(math.log(100) + np.cumsum(steps.ravel()).reshape(steps.shape))
    close_ = path[:, -1]
    return np.append(100.0, close_[:-1]), path[:, 0], path.max(axis=1), path.min(axis=1), close_


PREV, OPEN, HIGH, LOW, CLOSE = BARS = daily_bars()


def walks(seed, days, steps=78, scale=0.01):
    """Daily bars of random walks: prev close, open, high, low, close."""
    rng = np.random.default_rng(seed)
    path = 100 * np.exp(np.cumsum(scale * rng.standard_normal((days, steps)) / math.sqrt(steps), axis=1))
    return np.full(days, 100.0), path[:, 0], path.max(1), path.min(1), path[:, -1]


# ------------------------------------------------------------------------------------------------ decomposition


def test_decomposition_reproduces_the_published_values():
    prices = {k: RESULTS["ohlc_jump_day"][k] for k in ("prev_close", "open", "high", "low", "close")}
    close([b[JUMP_DAY] for b in BARS], list(prices.values()))
    day = day_decomposition(*prices.values())
    expected = RESULTS["decomposition"]
    close(
        [day.overnight, day.rise, day.retreat, day.total, day.give_back],
        [expected[k] for k in ("overnight", "open_to_high", "high_to_close", "close_to_close", "give_back_fraction")],
    )
    close([day.overnight, day.rise, day.retreat, day.total], [0.05846254, 0.21991434, -0.02502822, 0.25334866], 1e-8)
    close(day.give_back, 0.1017233626, rtol=5e-10)
    close(day.peak_gain, 173.97074727784596 / 131.69785030990178 - 1)
    assert (int(day.direction), str(day.reason)) == (1, "")


def test_decomposition_by_hand():
    day = day_decomposition([100, 100], [106, 98], [148, 99], [105, 80], [133, 88])
    close(day.peak_gain, [0.48, -0.20])
    close(day.give_back, [15 / 48, 8 / 20])
    close(day.overnight, np.log([1.06, 0.98]))
    close(day.rise, np.log([148 / 106, 80 / 98]))
    close(day.retreat, np.log([133 / 148, 88 / 80]))
    close(day.extreme, np.log([1.48, 0.80]))
    assert day.direction.tolist() == [1, -1]


def test_parts_sum_to_the_total_to_the_last_digit():
    bars = walks(1, 5000, scale=0.05)
    day = day_decomposition(*bars)
    assert (day.overnight + day.rise + day.retreat == day.total).all()
    assert np.abs(day.total - np.log(bars[4] / bars[0])).max() < 1e-15
    assert set(day.direction.tolist()) == {1, -1} and (day.reason == "").all()
    up = day.direction == 1
    assert (day.rise[up] >= 0).all() and (day.retreat[up] <= 0).all()
    assert (day.rise[~up] <= 0).all() and (day.retreat[~up] >= 0).all()


def test_a_fall_is_the_mirror_of_a_rise():
    """In logarithms a fall is the rise of the reciprocal price."""
    prev, first, high, low, last = walks(2, 500)
    day, mirror = (
        day_decomposition(prev, first, high, low, last),
        day_decomposition(*(1 / p for p in (prev, first, low, high, last))),
    )
    for name in ("overnight", "rise", "retreat", "total", "extreme"):
        close(getattr(day, name), -getattr(mirror, name), rtol=1e-9)
    assert (day.direction == -mirror.direction).all()


def test_unchanged_counts_as_a_rise_and_a_path_that_never_left_gives_nothing_back():
    day = day_decomposition([100, 100, 100], [99, 100, 101], [103, 100, 101], [98, 100, 99], [100, 100, 100])
    assert day.direction.tolist() == [1, 1, 1]
    close(day.give_back, [1.0, np.nan, 1.0])
    close(day.peak_gain, [0.03, 0.0, 0.01])
    assert np.abs(day.total).max() < 1e-15


def test_constant_price():
    day = day_decomposition(*np.full((5, 3), 50.0))
    for name in ("overnight", "rise", "retreat", "total", "peak_gain"):
        assert (getattr(day, name) == 0).all()
    assert np.isnan(day.give_back).all() and (day.direction == 1).all()


@pytest.mark.parametrize("missing", [np.nan, 0.0, -3.0, np.inf])
def test_missing_prices_are_nan_with_a_reason(missing):
    bars = np.tile([[100.0], [102.0], [110.0], [95.0], [105.0]], (1, 6))
    bars[4, 5] = 97.0  # a fall
    for column, row in enumerate((0, 1, 2, 3, 4, 3)):
        bars[row, column] = missing
    day = day_decomposition(*bars)
    assert day.reason.tolist() == ["no close before", "no open", "no high", "", "no close", "no low"]
    assert day.direction.tolist() == [0, 1, 1, 1, 0, -1]
    assert np.isnan(day.total).tolist() == [True, False, False, False, True, False]
    close(day.total[[1, 2, 3]], math.log(1.05))
    assert np.isnan(day.give_back).tolist() == [True, False, True, False, True, True]
    assert np.isnan(day.rise).tolist() == [True, True, True, False, True, True]


def test_impossible_bars_are_refused_and_rounding_is_not():
    day = day_decomposition([100, 100, 100], [102, 90, 102], [103, 101, 105 - 1e-5], [99, 96, 99], [105, 95, 105])
    assert day.reason.tolist() == ["high below open or close", "low above open or close", ""]
    assert np.isnan(day.rise[:2]).all() and np.isnan(day.peak_gain[:2]).all()
    close(day.total, np.log([1.05, 0.95, 1.05]))


def test_decomposition_of_whole_numbers_scalars_and_scale():
    one = day_decomposition(100, 106, 148, 105, 133)
    many = day_decomposition(*(np.array([[p, p]]) for p in (100, 106, 148, 105, 133)))
    scaled = day_decomposition(*(p * 1e-4 for p in (100, 106, 148, 105, 133)))
    for name in ("overnight", "rise", "retreat", "total", "extreme", "peak_gain", "give_back"):
        close(getattr(many, name), np.full((1, 2), getattr(one, name)))
        close(getattr(scaled, name), getattr(one, name), rtol=1e-12)


# ------------------------------------------------------------------------------------------------ extremes


def test_extreme_statistic_reproduces_the_published_values():
    x, returns = np.log(HIGH / PREV), np.log(CLOSE / PREV)
    got, expected = extreme_statistic(x[:JUMP_DAY], x[JUMP_DAY], returns[:JUMP_DAY]), RESULTS["high_excursion"]
    close(
        [got.x, got.m, got.p_rank, got.robust_z, got.sigma],
        [expected[k] for k in ("x", "m", "p_rank", "robust_z", "sigma_cc")],
    )
    close(got.p_reflection, expected["p_reflection"], rtol=1e-10, atol=0)
    close([got.x, got.robust_z, got.sigma], [0.27837688, 17.46288806, 0.03021963259], rtol=5e-10)
    close(got.p_reflection, 3.207e-20, rtol=2e-4, atol=0)
    assert got.p_rank == got.smallest_p == 1 / 26 and got.rank == 1
    close(day_decomposition(*BARS).extreme[JUMP_DAY], got.x)


def test_printed_example_of_a_48_percent_peak():
    x0 = math.log(1.48)
    close(x0, 0.392, rtol=2e-4)
    closes = 0.04 * np.array([1, -1] * 50) * math.sqrt(99 / 100)  # sample sd exactly 4%
    got = extreme_statistic(np.linspace(0, 0.1, 100), x0, closes)
    close(got.sigma, 0.04)
    close(got.p_reflection, 1.1e-22, rtol=0.05, atol=0)
    close(got.p_rank, 1 / 101)
    assert round(float(got.p_rank), 4) == 0.0099


def test_tails_beyond_every_float():
    closes = np.tile([0.01, -0.01], 20)
    got = extreme_statistic(np.linspace(0, 0.02, 40), np.array([0.3, 0.5, 3.0]), closes)
    assert got.p_reflection[0] > 0 and got.p_reflection[2] == 0
    u = np.array([0.3, 0.5, 3.0]) / got.sigma
    close(got.log_p_reflection, math.log(2) + stats.norm.logsf(u), rtol=1e-12)
    close(np.log(got.p_reflection[0]), got.log_p_reflection[0], rtol=1e-12)


def test_extreme_statistic_by_hand_with_gaps():
    x = [0.02, math.nan, 0.01, 0.05, 0.0, 0.03]
    kept = [v for v in x if not math.isnan(v)]
    got = extreme_statistic(x, 0.03, [0.01, math.nan, -0.02, 0.03, 0.0, 0.01])
    assert (int(got.m), float(got.p_rank), int(got.rank)) == (5, 0.5, 3)  # 0.05 and the tie 0.03
    middle = statistics.median(kept)
    mad = statistics.median(abs(v - middle) for v in kept)
    close(got.robust_z, (0.03 - middle) / (1.4826022185 * mad), rtol=1e-9)
    close(got.sigma, statistics.stdev([0.01, -0.02, 0.03, 0.0, 0.01]))
    close(got.p_reflection, 2 * stats.norm.sf(0.03 / got.sigma))


def test_falls_are_ranked_downwards():
    x, returns = walks(3, 60)[3], 0.01 * np.random.default_rng(4).standard_normal(60)
    x = np.log(x / 100)
    down, up = extreme_statistic(x, -0.2, returns, -1), extreme_statistic(-x, 0.2, returns, 1)
    for name in ("p_rank", "rank", "sigma", "p_reflection", "log_p_reflection", "smallest_p"):
        close(getattr(down, name), getattr(up, name))
    close(down.robust_z, -up.robust_z)
    assert down.rank == 1 and down.x == -0.2
    assert extreme_statistic(x, 0.1, returns, -1).p_reflection == 1


def test_extremes_of_many_pairs_at_once():
    x = np.abs(np.random.default_rng(5).standard_normal((4, 30))) * 0.02
    x[1, :5] = np.nan
    x[3] = np.nan
    x0, direction = np.array([0.01, 0.2, np.nan, 0.1]), np.array([1, 1, 1, -1])
    closes = 0.02 * np.random.default_rng(6).standard_normal((4, 30))
    got = extreme_statistic(x, x0, closes, direction)
    assert got.reason.tolist() == ["", "", "no extreme on the event session", "no estimation sessions"]
    assert np.isnan(got.p_rank).tolist() == [False, False, True, True] and got.m.tolist() == [30, 25, 30, 0]
    one = extreme_statistic(x[1], 0.2, closes[1])
    close([got.p_rank[1], got.robust_z[1], got.p_reflection[1]], [one.p_rank, one.robust_z, one.p_reflection])


def test_extremes_without_variation_or_closes():
    got = extreme_statistic(np.full(20, 0.01), 0.02, np.zeros(20))
    assert np.isnan(got.robust_z) and np.isnan(got.p_reflection) and got.p_rank == 1 / 21
    alone = extreme_statistic([0.01, 0.02, 0.04], 0.03)
    assert np.isnan(alone.sigma) and np.isnan(alone.p_reflection) and alone.p_rank == 0.5
    assert np.isnan(extreme_statistic([], 0.03).p_rank)


# ------------------------------------------------------------------------------------------------ ranks


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("form", ["abs", "min"])
def test_rank_p_counts(alternative, form):
    past = np.round(np.random.default_rng(7).standard_normal((50, 19)), 1)
    past[0, :4] = np.nan
    x0 = np.round(np.random.default_rng(8).standard_normal(50), 1)
    got, m = rank_p(past, x0, alternative, form)
    for i in range(50):
        x = [v for v in past[i] if not math.isnan(v)]
        upper = (1 + sum(v >= x0[i] - 1e-12 for v in x)) / (len(x) + 1)
        lower = (1 + sum(v <= x0[i] + 1e-12 for v in x)) / (len(x) + 1)
        both = (1 + sum(abs(v) >= abs(x0[i]) - 1e-12 for v in x)) / (len(x) + 1)
        two = both if form == "abs" else min(1, 2 * min(upper, lower))
        assert got[i] == pytest.approx({"greater": upper, "less": lower, "two-sided": two}[alternative], abs=1e-15)
        assert m[i] == len(x)


def test_ties_count_as_extreme():
    assert rank_p([0.1 + 0.2], 0.3, "greater")[0] == rank_p([0.3], 0.1 + 0.2, "greater")[0] == 1.0


# ------------------------------------------------------------------------------------------------ variance


def test_range_variances_reproduce_the_published_values():
    close(parkinson(HIGH, LOW), RESULTS["parkinson_var"])
    close(garman_klass(OPEN, HIGH, LOW, CLOSE), RESULTS["garman_klass_var"])
    close(rogers_satchell(OPEN, HIGH, LOW, CLOSE), RESULTS["rogers_satchell_var"])
    close(yang_zhang(*(p[:JUMP_DAY] for p in BARS)), RESULTS["yang_zhang_var_pre"])
    first = parkinson(HIGH, LOW)[0], garman_klass(OPEN, HIGH, LOW, CLOSE)[0], rogers_satchell(OPEN, HIGH, LOW, CLOSE)[0]
    close(first, [0.001536214319, 0.0008215404218, 0.0004615024753], rtol=5e-10)
    close(yang_zhang(*(p[:JUMP_DAY] for p in BARS)), 0.0008945632463, rtol=5e-10)


def test_range_test_reproduces_the_published_value():
    v = parkinson(HIGH, LOW)
    got = range_test(v[JUMP_DAY], v[:JUMP_DAY])
    close(got.z, RESULTS["parkinson_log_z"])
    close(got.z, 4.211550913, rtol=5e-10)
    close([got.p, got.df], [2 * stats.t.sf(4.211550913340806, 24), 24], rtol=1e-9)
    assert got.p_rank == got.smallest_p == 2 / 26
    assert range_test(v[JUMP_DAY], v[:JUMP_DAY], "greater").p_rank == 1 / 26
    close(range_test(v[JUMP_DAY], v[:JUMP_DAY], "less").p, stats.t.cdf(4.211550913340806, 24))


def test_range_variances_by_hand():
    o, h, lo, c, before = 100.0, 105.0, 95.0, 101.0, 99.0
    u, d, m = math.log(h / o), math.log(lo / o), math.log(c / o)
    close(parkinson(h, lo), (u - d) ** 2 / (4 * math.log(2)))
    close(garman_klass(o, h, lo, c), 0.5 * (u - d) ** 2 - (2 * math.log(2) - 1) * m**2)
    close(rogers_satchell(o, h, lo, c), u * (u - m) + d * (d - m))
    assert np.isnan(yang_zhang([before], [o], [h], [lo], [c]))


def test_yang_zhang_by_hand():
    bars = walks(9, 12)
    bars = (bars[0] * np.exp(0.01 * np.random.default_rng(10).standard_normal(12)), *bars[1:])
    prev, o, h, lo, c = (list(p) for p in bars)
    gap = [math.log(a / b) for a, b in zip(o, prev)]
    move = [math.log(a / b) for a, b in zip(c, o)]
    inner = [
        math.log(h[i] / c[i]) * math.log(h[i] / o[i]) + math.log(lo[i] / c[i]) * math.log(lo[i] / o[i])
        for i in range(12)
    ]
    k = 0.34 / (1.34 + 13 / 11)
    expected = statistics.variance(gap) + k * statistics.variance(move) + (1 - k) * statistics.mean(inner)
    close(yang_zhang(*bars), expected)
    holed = [np.insert(p, 4, np.nan if i == 2 else 100.0) for i, p in enumerate(bars)]
    close(yang_zhang(*holed), expected)  # a session without a high is left out whole
    close(yang_zhang(*(np.stack([p, p]) for p in bars)), [expected] * 2)


def test_range_variances_are_near_the_truth_and_do_not_depend_on_the_unit():
    prev, o, h, lo, c = walks(11, 4000, steps=2000, scale=0.02)
    for v in (parkinson(h, lo), garman_klass(o, h, lo, c), rogers_satchell(o, h, lo, c)):
        close(v.mean(), 0.02**2, rtol=0.08)
    close(parkinson(7 * h, 7 * lo), parkinson(h, lo), rtol=1e-9)
    close(yang_zhang(*(7 * p for p in (prev, o, h, lo, c))), yang_zhang(prev, o, h, lo, c), rtol=1e-9)
    steps = 1 + np.arange(20)
    trend = rogers_satchell(100 + 0 * steps, 100 + steps, 100 + 0 * steps, 100 + steps)
    assert np.abs(trend).max() == 0  # a straight climb has drift and no variance


def test_days_without_range():
    flat = np.full(4, 10.0)
    assert (parkinson(flat, flat) == 0).all() and (garman_klass(flat, flat, flat, flat) == 0).all()
    v = np.append(parkinson([11, 12, 13], [10, 10, 10]), 0.0)
    got = range_test(v[:1], v[None, 1:])
    assert got.m.tolist() == [2] and np.isfinite(got.z).all()
    assert "high = low" in str(range_test(0.0, [0.1, 0.2, 0.3]).reason) and np.isnan(range_test(0.0, [0.1, 0.2]).p)
    assert str(range_test(0.1, [0.2, 0.0]).reason) == "fewer than two past values"
    same = range_test(0.4, [0.3] * 7)
    assert str(same.reason) == "no variation in the past" and np.isnan(same.z) and same.p_rank == 0.25
    assert np.isnan(parkinson([1.0, np.nan, 0.0], [np.nan, 1.0, 1.0])).all()


def test_range_test_does_not_depend_on_the_unit():
    v = parkinson(*walks(12, 40)[2:4])
    close(range_test(v[0] * 9, v[1:] * 9).z, range_test(v[0], v[1:]).z, rtol=1e-9)


def test_examples_in_the_docstrings():
    result = doctest.testmod(ohlc)
    assert result.attempted > 10 and result.failed == 0
