"""Power and minimum detectable effects against published tables, scipy's noncentral t and simulation."""

from __future__ import annotations

import doctest
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from abnormal.kernel import power
from abnormal.kernel.power import (
    common_date_sd,
    mde_t,
    mde_z,
    power_t,
    power_z,
    size_ignoring_correlation,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden_public.json").read_text())["power"]
EFFECTS = np.array([0.005, 0.01, 0.015, 0.02])
SIDES = ("two-sided", "greater", "less")


def close(a, b, rtol=1e-10, atol=1e-13):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def slow_power_t(ratio, df, alpha, alternative="two-sided"):
    """The noncentral t of scipy.stats, tail by tail."""
    law = stats.nct(df, ratio)
    if alternative == "two-sided":
        c = stats.t.isf(alpha / 2, df)
        return law.sf(c) + stats.nct(df, -ratio).sf(c)
    c = stats.t.isf(alpha, df)
    return law.sf(c) if alternative == "greater" else stats.nct(df, -ratio).sf(c)


def quad_power_t(ratio, df, alpha):
    """The definition: a normal numerator over an independent chi, integrated on a fine grid."""
    s, weight = np.polynomial.legendre.leggauss(400)
    low, high = np.sqrt(stats.chi2.ppf(1e-18, df) / df), np.sqrt(stats.chi2.isf(1e-18, df) / df)
    s = low + (high - low) * (s + 1) / 2
    density = 2 * df * s * stats.chi2.pdf(df * s * s, df)
    c = stats.t.isf(alpha / 2, df)
    inside = stats.norm.sf(c * s - ratio) + stats.norm.cdf(-c * s - ratio)
    return float((high - low) / 2 * np.sum(weight * density * inside))


# ------------------------------------------------------------------------------------------------ published tables


@pytest.mark.parametrize(("name", "sd"), [("sd2", 0.02), ("sd4", 0.04)])
def test_table_of_campbell_lo_and_mackinlay(name, sd):
    firms = np.array([int(n) for n in GOLDEN["clm_table"]])
    expected = np.array([row[name] for row in GOLDEN["clm_table"].values()])
    close(power_z(EFFECTS, common_date_sd(sd, firms[:, None])), expected)


def test_table_of_campbell_lo_and_mackinlay_as_printed():
    printed = {
        1: [0.0572, 0.0791, 0.1165, 0.1701, 0.0518, 0.0572, 0.0663, 0.0791],
        5: [0.0865, 0.2010, 0.3888, 0.6088, 0.0590, 0.0865, 0.1336, 0.2010],
        20: [0.2010, 0.6088, 0.9184, 0.9940, 0.0865, 0.2010, 0.3888, 0.6088],
        100: [0.7054, 0.9988, 1.0000, 1.0000, 0.2395, 0.7054, 0.9633, 0.9988],
    }
    for n, row in printed.items():
        got = [*power_z(EFFECTS, 0.02 / math.sqrt(n)), *power_z(EFFECTS, 0.04 / math.sqrt(n))]
        assert np.round(got, 4).tolist() == row


def test_size_when_the_common_shock_is_ignored():
    for name, expected in GOLDEN["size_ignoring_rho"].items():
        n, rho = name.removeprefix("N").split("_r")
        for test in ("patell", "bmp"):
            close(size_ignoring_correlation(int(n), float(rho), test), expected[test])
    close(size_ignoring_correlation([1, 50], 0.0, "bmp"), 0.05)
    assert np.isnan(size_ignoring_correlation(10, -0.2))
    with pytest.raises(ValueError, match="corrado"):
        size_ignoring_correlation(5, 0.1, "corrado")


def test_small_samples_by_the_noncentral_t():
    firms = np.array([int(n) for n in GOLDEN["t_power_delta_half_sd"]])
    close(power_t(0.5, common_date_sd(1.0, firms), firms - 1), list(GOLDEN["t_power_delta_half_sd"].values()))
    printed = [0.0841070559, 0.14051669, 0.2931756065, 0.5645044184, 0.9338975813]
    close(power_t(0.5, 1 / np.sqrt([3, 5, 10, 20, 50]), [2, 4, 9, 19, 49]), printed, rtol=1e-9)


def test_minimum_detectable_effect_as_printed():
    close(mde_z(0.02), GOLDEN["mde_80_5pct_sd2_N1"])
    close(mde_z(0.02), 0.05603170436)


# ------------------------------------------------------------------------------------------------ twins


@pytest.mark.parametrize("alternative", SIDES)
@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01])
def test_power_t_equals_scipy_stats(alternative, alpha):
    df = np.array([1, 2, 4, 9, 29, 93, 248, 1000])
    for ratio in (0.0, 0.3, 1.0, 2.5, 4.0, 7.0):
        expected = [slow_power_t(ratio, d, alpha, alternative) for d in df]
        expected = np.nan_to_num(expected, nan=0.0)  # scipy gives NaN for a lower tail below 1e-14
        close(power_t(ratio, 1.0, df, alpha, alternative), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("df", [2, 5, 30, 248])
@pytest.mark.parametrize("ratio", [0.0, 0.7, 2.0, 5.0, 12.0])
def test_power_t_equals_its_definition(df, ratio):
    close(power_t(ratio, 1.0, df), quad_power_t(ratio, df, 0.05), rtol=1e-9, atol=1e-11)


def test_power_t_has_no_holes():
    """The noncentral t of scipy is NaN far out; a power never is."""
    ratio, df = np.meshgrid(np.linspace(-60, 60, 241), [1, 2, 3, 7, 25, 120, 1000, 50000])
    for alternative in SIDES:
        for alpha in (0.2, 0.05, 1e-4):
            p = power_t(ratio, 1.0, df, alpha, alternative)
            assert np.isfinite(p).all() and (p >= 0).all() and (p <= 1 + 1e-12).all()
    two = power_t(ratio, 1.0, df)
    close(two, two[:, ::-1])
    assert (np.diff(two[:, 120:], axis=1) > -1e-9).all()


@pytest.mark.parametrize("alternative", SIDES)
def test_mde_t_equals_a_root_of_scipy_stats(alternative):
    df = np.array([2, 5, 20, 93, 248])
    for alpha, target in ((0.05, 0.8), (0.01, 0.9), (0.1, 0.5)):
        side = "greater" if alternative == "less" else alternative
        expected = [brentq(lambda x: slow_power_t(x, d, alpha, side) - target, 0.5, 60, xtol=1e-13) for d in df]  # noqa: B023
        close(mde_t(0.03, df, alpha, target, alternative), 0.03 * np.array(expected), rtol=1e-9)


@pytest.mark.parametrize("alternative", SIDES)
def test_power_at_the_mde_is_the_power_asked_for(alternative):
    df, sd = np.array([[1], [3], [10], [60], [248], [math.inf]]), np.array([0.005, 0.02, 0.4])
    sign = -1 if alternative == "less" else 1
    for target in (0.3, 0.8, 0.99):
        effect = mde_t(sd, df, 0.05, target, alternative)
        assert effect.shape == (6, 3)
        close(power_t(sign * effect, sd, df, 0.05, alternative), target, rtol=1e-9)
    # one tail only, or a far tail too small to see
    close(power_z(sign * mde_z(sd, 0.05, 0.8, alternative), sd, 0.05, alternative), 0.8, rtol=2e-6)


def test_power_t_by_simulation():
    rng = np.random.default_rng(1)
    x = 0.015 + 0.02 * rng.standard_normal((20000, 6))
    t = x.mean(1) / (x.std(1, ddof=1) / math.sqrt(6))
    rate = np.mean(2 * stats.t.sf(np.abs(t), 5) < 0.05)
    expected = float(power_t(0.015, 0.02 / math.sqrt(6), 5))
    assert abs(rate - expected) < 4 * math.sqrt(expected * (1 - expected) / 20000)


# ------------------------------------------------------------------------------------------------ properties


def test_no_effect_is_seen_as_often_as_the_level_says():
    for alternative in SIDES:
        close(power_z(0.0, 0.02, 0.03, alternative), 0.03)
        close(power_t(0.0, 0.02, [1, 4, 100], 0.03, alternative), 0.03, rtol=1e-9)


def test_directions():
    assert power_z(0.05, 0.02, alternative="less") < 1e-4 < 0.79 < power_z(0.05, 0.02, alternative="greater")
    close(power_z(-0.05, 0.02, alternative="less"), power_z(0.05, 0.02, alternative="greater"))
    close(power_t(-0.05, 0.02, 7, alternative="less"), power_t(0.05, 0.02, 7, alternative="greater"))
    close(power_z(-0.03, 0.02), power_z(0.03, 0.02))


def test_t_needs_larger_effects_than_z_and_meets_it_at_the_end():
    effects = mde_t(1.0, [1, 2, 5, 20, 100, 1000])
    assert (np.diff(effects) < 0).all() and (effects > mde_z(1.0)).all()
    close(mde_t(1.0, math.inf), mde_z(1.0), rtol=5e-6)
    close(power_t(2.0, 1.0, math.inf), power_z(2.0, 1.0))
    close(power_t(2.0, 1.0, 9.9e6), power_z(2.0, 1.0), rtol=1e-6)


def test_scale_and_shape():
    close(mde_t(np.array([1e-9, 1.0, 1e9]), 10), mde_t(1.0, 10) * np.array([1e-9, 1.0, 1e9]))
    close(power_t(3, 2, 10), power_t(3e-6, 2e-6, 10))  # whole numbers too
    assert mde_t(np.ones((2, 3)), 5).shape == (2, 3) and mde_t(1.0, 5).shape == ()
    assert power_t(np.ones((4, 1)), 1.0, [3, 4]).shape == (4, 2) and mde_t(np.ones(0), 4).shape == (0,)


def test_what_cannot_be_said_is_nan():
    for sd in (0.0, -1.0, math.nan):
        assert np.isnan(power_z(0.01, sd)) and np.isnan(mde_z(sd)) and np.isnan(mde_t(sd, 5))
        assert np.isnan(power_t(0.01, sd, 5))
    for df in (0, -2, math.nan):
        assert np.isnan(power_t(0.01, 0.02, df)) and np.isnan(mde_t(0.02, df))
    assert np.isnan(mde_t([0.02, 0.02], [math.nan, 10])).tolist() == [True, False]


@pytest.mark.parametrize("call", [
    lambda: power_z(0.01, 0.02, 0.0),
    lambda: power_t(0.01, 0.02, 5, 1.0),
    lambda: mde_z(0.02, 0.05, 0.05),
    lambda: mde_t(0.02, 5, 0.05, 1.0),
    lambda: power_z(0.01, 0.02, alternative="both"),  # type: ignore[arg-type]
])  # fmt: skip
def test_impossible_requests_say_what_was_expected(call):
    with pytest.raises(ValueError, match=r"between|one of"):
        call()


def test_design_effect_of_a_common_date():
    close(common_date_sd(0.03, [1, 4, 9]), [0.03, 0.015, 0.01])
    close(common_date_sd(0.02, 8, 0.3), 0.02 * math.sqrt((1 + 7 * 0.3) / 8))
    close(common_date_sd(0.02, 50, 1.0), 0.02)  # identical firms are one firm
    assert np.isnan(common_date_sd(0.02, [0, 5], [0.0, -0.5])).all()
    close(common_date_sd(0.02, 5, -0.25), 0.0)
    rng = np.random.default_rng(2)
    firms = math.sqrt(0.3) * rng.standard_normal((20000, 1)) + math.sqrt(0.7) * rng.standard_normal((20000, 8))
    close(firms.mean(1).std(), common_date_sd(1.0, 8, 0.3), rtol=0.02)


def test_examples_in_the_docstrings():
    result = doctest.testmod(power)
    assert result.attempted == 6 and result.failed == 0
