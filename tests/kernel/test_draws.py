"""The batched battery of simulated studies against the registered tests, study by study."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

import build
from abnormal.domain import PairResult
from abnormal.kernel import draws as batched
from abnormal.registry import TESTS

MODELS = ("market", "market_zero_alpha", "market_adjusted", "mean")
SIZES = (2, 5, 8, 30)
LENGTHS = (1, 3)
DRAWS, M, GAP = 3, 120, 4

# name in kernel/draws.py -> (registered test, its variant)
TWINS = {name: (name, "") for name in batched.ONE_DATE} | {
    "kp_bmp_normal": ("kp_bmp", "normal"),
    "portfolio_sq_two_min": ("portfolio_sq", "two_min"),
}
SINGLE_TWINS = {"t_car": ("t_car", ""), "sq": ("sq", ""), "sq_two_min": ("sq", "two_min")}


@functools.cache
def data(n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns (D, N, T) and market (D, T) of draws with a common shock, unequal variances and some effect."""
    rng = np.random.default_rng(100 * n + length)
    days = M + GAP + length
    market = 0.0004 + 0.01 * rng.standard_normal((DRAWS, days))
    sd = 0.01 + 0.02 * rng.random((DRAWS, n))
    shock = 0.6 * rng.standard_t(5, (DRAWS, 1, days)) + 0.8 * rng.standard_t(5, (DRAWS, n, days))
    ret = (0.5 + rng.random((DRAWS, n)))[:, :, None] * market[:, None] + sd[:, :, None] * shock
    ret[:, :, M + GAP] += 0.01
    return ret, market


@functools.cache
def drawn(model: str, n: int, length: int) -> batched.Draws:
    ret, market = data(n, length)
    event = slice(M + GAP, M + GAP + length)
    return batched.estimate(ret[:, :, :M], market[:, :M], ret[:, :, event], market[:, event], model)


@functools.cache
def studies(model: str, n: int, length: int) -> list[build.Study]:
    ret, market = data(n, length)
    window = (0, length - 1)
    return [
        build.study(r, m, M + GAP, estimation=(-M - GAP, -GAP - 1), span=window, model=model)
        for r, m in zip(ret, market)
    ]


def registered(study: build.Study, test: str, variant: str, length: int) -> float:
    answer = study.run(test, (0, length - 1), variant)
    return float(answer.p[0] if isinstance(answer, PairResult) else answer.p)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_registered_test(name: str, model: str, n: int, length: int) -> None:
    test, variant = TWINS[name]
    got = getattr(batched, name)(drawn(model, n, length))
    want = [registered(s, test, variant, length) for s in studies(model, n, length)]
    assert got.shape == (DRAWS,)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SINGLE_TWINS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_registered_test_of_one_firm(name: str, model: str, length: int) -> None:
    test, variant = SINGLE_TWINS[name]
    got = getattr(batched, name)(drawn(model, 5, length))
    want = [registered(s, test, variant, length) for s in studies(model, 5, length)]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


# ------------------------------------------------------------------------------------------------ dates of their own

STRUCTURES = {
    "two firms on two dates": (0, 1),
    "two firms on one date": (0, 0),
    "six firms on four dates": (0, 0, 1, 2, 2, 3),
    "thirty firms on thirty dates": tuple(range(30)),
    "eighteen firms on six dates": tuple(np.repeat(range(6), 3)),
}


@functools.cache
def scattered(structure: str, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (D, N, T), market (D, T) and the event row of every firm, windows of different dates apart."""
    group = np.array(STRUCTURES[structure])
    rng = np.random.default_rng(len(structure) + length)
    where = M + GAP + 7 * group
    days = int(where.max()) + length
    market = 0.01 * rng.standard_normal((DRAWS, days))
    ret = market[:, None] + 0.02 * (
        0.5 * rng.standard_normal((DRAWS, 1, days)) + rng.standard_normal((DRAWS, group.size, days))
    )
    return ret, market, where


def apart(structure: str, model: str, length: int) -> batched.Draws:
    ret, market, where = scattered(structure, length)
    est = where[:, None] + np.arange(-M - GAP, -GAP)
    event = where[:, None] + np.arange(length)
    firm = np.arange(where.size)[:, None]
    return batched.estimate(
        ret[:, firm, est], market[:, est], ret[:, firm, event], market[:, event], model, np.array(STRUCTURES[structure])
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_registered_test_on_many_dates(model: str, structure: str, length: int) -> None:
    drawn = apart(structure, model, length)
    ret, market, where = scattered(structure, length)
    group = np.array(STRUCTURES[structure])
    for d in range(DRAWS):
        one = build.study(ret[d], market[d], where, estimation=(-M - GAP, -GAP - 1), span=(0, length - 1), model=model)
        for name, test in batched.MANY_DATES.items():
            if name != "date_t":
                want = registered(one, name, "", length)
                assert test(drawn)[d] == pytest.approx(want, abs=1e-10), name
        if group.max() > 0:
            cars = [drawn.car[d, group == g].mean() for g in range(group.max() + 1)]
            assert batched.date_t(drawn)[d] == pytest.approx(stats.ttest_1samp(cars, 0).pvalue, abs=1e-10)
    assert np.isnan(batched.date_t(drawn)).all() == (group.max() == 0)


@pytest.mark.parametrize("n", [3, 12, 25, 30])
def test_signed_ranks_equal_scipy(n: int) -> None:
    ret, market = np.random.default_rng(n).standard_normal((2, 40, n, 60)), np.zeros((40, 60))
    drawn = batched.estimate(
        ret[0, :, :, :50], market[:, :50], 0.3 + ret[0, :, :, 50:51], market[:, 50:51], "market_adjusted"
    )
    method = "exact" if n <= 25 else "asymptotic"
    want = [stats.wilcoxon(x, method=method, correction=False).pvalue for x in drawn.car]
    np.testing.assert_allclose(batched.wilcoxon(drawn), want, atol=1e-12)


def test_every_function_of_the_battery_has_a_twin() -> None:
    public = {
        name for name, f in vars(batched).items()
        if callable(f) and getattr(f, "__module__", "") == batched.__name__ and not name.startswith("_")
    } - {"Draws", "estimate", "mean_correlation", "_signed_rank_p"}  # fmt: skip
    assert public == {*TWINS, *SINGLE_TWINS, *batched.MANY_DATES}
    assert all(TESTS.get(test) for test, _ in {**TWINS, **SINGLE_TWINS}.values())


@pytest.mark.parametrize("model", MODELS)
def test_an_added_effect_is_the_study_with_that_effect(model: str) -> None:
    """with_effect moves one event session of every firm and leaves what depends on residuals alone."""
    ret, market = data(5, 3)
    moved = ret.copy()
    moved[:, :, M + GAP + 1] += 0.02
    plain = drawn(model, 5, 3)
    for name, test in batched.ONE_DATE.items():  # what is kept is shared by both
        test(plain)
        shifted = batched.ONE_DATE[name](plain.with_effect(np.asarray(0.02), 1))
        event = slice(M + GAP, M + GAP + 3)
        fresh = batched.estimate(moved[:, :, :M], market[:, :M], moved[:, :, event], market[:, event], model)
        np.testing.assert_allclose(shifted, batched.ONE_DATE[name](fresh), rtol=0, atol=1e-10)


def test_mean_correlation_is_the_mean_of_all_pairs() -> None:
    e = np.random.default_rng(0).standard_normal((2, 7, 50))
    slow = [np.corrcoef(x)[np.triu_indices(7, 1)].mean() for x in e]
    np.testing.assert_allclose(batched.mean_correlation(e), slow, atol=1e-13)


def test_ties_share_their_rank() -> None:
    """Returns rounded to a cent tie within and between residuals and event returns."""
    ret, market = data(8, 3)
    ret, flat = np.round(ret, 2), np.zeros_like(market)
    event = slice(M + GAP, M + GAP + 3)
    got = batched.estimate(ret[:, :, :M], flat[:, :M], ret[:, :, event], flat[:, event], "market_adjusted")
    for d in range(DRAWS):
        one = build.study(
            ret[d], flat[d], M + GAP, estimation=(-M - GAP, -GAP - 1), span=(0, 2), model="market_adjusted"
        )
        for name in ("corrado_zivney", "grank_raw", "gen_sign", "sign", "portfolio_sq"):
            want = registered(one, name, "", 3)
            assert batched.ONE_DATE[name](got)[d] == pytest.approx(want, abs=1e-10), name


def test_unknown_model_is_an_error() -> None:
    ret, market = data(2, 1)
    with pytest.raises(ValueError, match="no batched form of model 'ff3'"):
        batched.estimate(ret[:, :, :M], market[:, :M], ret[:, :, -1:], market[:, -1:], "ff3")
