"""What every registered test over many pairs owes its reader, whatever its formula (a new file in inference/ inherits it)."""

import functools

import numpy as np
import pytest

import build
from abnormal.errors import UnknownName
from abnormal.inference._correlation import design_effect
from abnormal.registry import TESTS

METHODS = [t.name for t in TESTS if t.scope in ("cross", "date")]
FAMILIES = [t.name for t in TESTS if t.scope == "adjust"]
FORMS = [(t.name, v) for t in TESTS if t.scope in ("cross", "date", "adjust") for v in t.variants or ("",)]
DRAWS_BY_PAIR = {"wild", "lbt_bootstrap", "sign_flip"}  # the order of pairs changes which number a pair draws
WINDOWS = [(0, 0), (-1, 1)]
DAYS = 140


def returns(seed: int = 0, firms: int = 7, common: float = 0.01):
    return build.shares(np.random.default_rng(seed), firms, DAYS, common)


def one_date(ret, market, **options):
    return build.study(ret, market, 120, estimation=(-70, -6), span=(-1, 1), **options)


def many_dates(ret, market, **options):
    days = 90 + 6 * np.arange(ret.shape[0])
    return build.study(ret, market, days, estimation=(-70, -6), span=(-1, 1), **options)


DESIGNS = {"one date": one_date, "many dates": many_dates}


def run(study, name, window, variant="", **options):
    options = {"draws": 399} | options
    return study.run(name, window, variant, **options)


def sane(result):
    """A number with its p, or no number and the reason; never an infinity."""
    if result.status == "not_applicable":
        assert result.reason and np.isnan(result.statistic) and np.isnan(result.p)
        return False
    assert np.isfinite(result.statistic), result
    assert 0 <= result.p <= 1, result
    assert not result.reason or result.status in ("shown", "invalid")
    for value in result.extra.values():
        if isinstance(value, float):
            assert not np.isinf(value)
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert not np.isinf(value).any()
    return True


# ---------------------------------------------------------------------------------------------------- awkward studies


def _gap(ret):
    out = ret.copy()
    out[2, 120] = out[3, 119] = out[4, 60:66] = np.nan
    return out


def _ties(ret):
    return np.round(ret, 2)


def _with(ret, row, values):
    out = ret.copy()
    out[row] = values
    return out


AWKWARD = {
    "one pair": lambda r, m: one_date(r[:1], m),
    "two pairs": lambda r, m: one_date(r[:2], m),
    "two pairs, two dates": lambda r, m: many_dates(r[:2], m),
    "one date": one_date,
    "many dates": many_dates,
    "one firm six times": lambda r, m: build.study(
        r[:1], m, 90 + 8 * np.arange(6), unit=np.zeros(6, int), estimation=(-70, -6), span=(-1, 1)
    ),
    "one firm twice on one day": lambda r, m: build.study(
        r[:1], m, [120, 120], unit=[0, 0], estimation=(-70, -6), span=(-1, 1)
    ),
    "missing cells": lambda r, m: one_date(_gap(r), m),
    "missing cells, many dates": lambda r, m: many_dates(_gap(r), m),
    "one firm without event returns": lambda r, m: one_date(np.where(np.arange(DAYS) < 118, r, _with(r, 0, np.nan)), m),
    "nobody has event returns": lambda r, m: one_date(np.where(np.arange(DAYS) < 118, r, np.nan), m),
    "constant returns": lambda r, m: one_date(np.zeros_like(r), m),
    "constant returns, mean model": lambda r, m: one_date(np.full_like(r, 0.01), m, model="mean"),
    "one constant among others": lambda r, m: one_date(_with(r, 1, 0.0), m),
    "the benchmark itself": lambda r, m: one_date(_with(r, 1, m), m),
    "all exact functions of the market": lambda r, m: one_date(np.outer(1 + np.arange(7), m) + 0.001, m),
    "the same share seven times": lambda r, m: one_date(np.repeat(r[:1], 7, axis=0), m),
    "ties": lambda r, m: one_date(_ties(r), m),
    "ties, market-adjusted": lambda r, m: one_date(_ties(r), np.zeros_like(m), model="market_adjusted"),
    "zero event returns": lambda r, m: one_date(
        np.where(np.abs(np.arange(DAYS) - 120) < 2, 0.0, r), np.zeros_like(m), model="market_adjusted"
    ),
    "31 estimation rows": lambda r, m: build.study(r, m, 120, estimation=(-36, -6), span=(-1, 1)),
    "31 rows, many dates": lambda r, m: build.study(
        r, m, 90 + 6 * np.arange(7), estimation=(-36, -6), span=(-1, 1)
    ),
    "five rows": lambda r, m: build.study(r, m, 120, estimation=(-10, -6), span=(-1, 1), min_obs=3),
    "estimation before the first day": lambda r, m: build.study(r, m, 60, estimation=(-90, -6), span=(-1, 1)),
    "short histories": lambda r, m: one_date(np.where(np.arange(DAYS) < 55 + 8 * np.arange(7)[:, None], np.nan, r), m),
    "mixed models": lambda r, m: build.study(
        np.where(np.arange(DAYS) < 10 * np.arange(7)[:, None], np.nan, r), m, 135, estimation=(-130, -6), span=(-1, 1),
        model="auto",
    ),
    "zero alpha": lambda r, m: one_date(_gap(r), m, model="market_zero_alpha"),
    "market-adjusted with gaps": lambda r, m: one_date(_gap(r), m, model="market_adjusted"),
    "robust model with gaps": lambda r, m: one_date(_gap(r), m, model="huber"),
    "huge returns": lambda r, m: one_date(1e6 * r, m),
    "tiny returns": lambda r, m: one_date(1e-9 * r, 1e-9 * m),
}  # fmt: skip


@functools.cache
def awkward(label: str):
    return AWKWARD[label](*returns())


@pytest.mark.parametrize("label", AWKWARD)
def test_whole_battery_answers_or_says_why(label):
    study = awkward(label)
    for name, variant in FORMS:
        for window in WINDOWS:
            for alternative in ("two-sided", "greater"):
                sane(run(study, name, window, variant, alternative=alternative, draws=99))


@pytest.mark.parametrize("name", METHODS + FAMILIES)
def test_one_pair_is_not_applicable_with_a_reason(name):
    result = run(awkward("one pair"), name, (-1, 1))
    assert not sane(result)
    assert "1" in result.reason or "several" in result.reason


@pytest.mark.parametrize("label", ["constant returns", "all exact functions of the market"])
@pytest.mark.parametrize("name", METHODS)
def test_an_exact_fit_gives_no_number(name, label):
    assert not sane(run(awkward(label), name, (-1, 1)))


@pytest.mark.parametrize("name", METHODS)
def test_the_reason_of_the_pairs_is_passed_on(name):
    reason = run(awkward("all exact functions of the market"), name, (-1, 1)).reason
    assert "zero residual variance" in reason or name in ("t_xs", "portfolio_placebo", "calendar_time")


# ---------------------------------------------------------------------------------------------------- invariances


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("window", WINDOWS)
def test_negating_all_returns_mirrors_the_answer(name, design, window):
    ret, market = returns(1)
    plain, mirrored = DESIGNS[design](ret, market), DESIGNS[design](-ret, market)
    for variant in TESTS.get(name).variants:
        a, b = run(plain, name, window, variant), run(mirrored, name, window, variant)
        if not sane(a):
            assert not sane(b)
            continue
        np.testing.assert_allclose(a.p, b.p, rtol=0, atol=1e-9)
        centre = a.extra.get("centre", 0.0)
        odd = np.isclose(a.statistic - centre, centre - b.statistic, rtol=1e-9, atol=1e-12)
        even = np.isclose(a.statistic, b.statistic, rtol=1e-9)
        assert odd or even
        if odd and "alternative" not in a.extra:
            up = run(plain, name, window, variant, alternative="greater").p
            down = run(mirrored, name, window, variant, alternative="less").p
            np.testing.assert_allclose(up, down, rtol=0, atol=1e-9)
            other = run(plain, name, window, variant, alternative="less").p
            assert up + other >= 1 - 1e-9


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("design", DESIGNS)
def test_scaling_all_returns_changes_nothing(name, design):
    ret, market = returns(2)
    for variant in TESTS.get(name).variants:
        a = run(DESIGNS[design](ret, market), name, (-1, 1), variant)
        b = run(DESIGNS[design](3.7 * ret, 3.7 * market), name, (-1, 1), variant)
        if not sane(a):
            assert not sane(b)
            continue
        np.testing.assert_allclose(a.p, b.p, rtol=0, atol=1e-9)
        # A statistic in units of return (mean CAR) may carry the factor.
        assert np.isclose(b.statistic, a.statistic, rtol=1e-8) or np.isclose(b.statistic, 3.7 * a.statistic, rtol=1e-8)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("design", DESIGNS)
def test_order_of_pairs_is_irrelevant(name, design):
    ret, market = returns(3)
    order = np.random.default_rng(0).permutation(7)
    days = np.full(7, 120) if design == "one date" else 90 + 6 * np.arange(7)
    options = {"estimation": (-70, -6), "span": (-1, 1)}
    plain = build.study(ret, market, days, **options)
    shuffled = build.study(ret[order], market, days[order], tickers=[f"F{i}" for i in order], **options)
    for variant in TESTS.get(name).variants:
        a, b = run(plain, name, (-1, 1), variant, draws=999), run(shuffled, name, (-1, 1), variant, draws=999)
        if not sane(a):
            assert not sane(b)
            continue
        np.testing.assert_allclose(b.statistic, a.statistic, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(b.p, a.p, rtol=0, atol=0.08 if name in DRAWS_BY_PAIR else 1e-9)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_pair_without_event_returns_is_absent(name, design, window):
    ret, market = returns(4)
    day = 120 if design == "one date" else 90 + 6 * 6
    holed = ret.copy()
    holed[6, day - 1 : day + 2] = np.nan
    with_hole, without = DESIGNS[design](holed, market), DESIGNS[design](ret[:6], market)
    for variant in TESTS.get(name).variants:
        a, b = run(with_hole, name, window, variant), run(without, name, window, variant)
        if not sane(b):
            assert not sane(a)
            continue
        np.testing.assert_allclose([a.statistic, a.p, a.n], [b.statistic, b.p, b.n], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_gap_and_later_rows_do_not_matter(name):
    """No look-ahead: rows between estimation and event, and after the window, may hold anything."""
    ret, market = returns(5)
    changed = ret.copy()
    changed[:, 115:119] += 0.5
    changed[:, 122:] -= 0.5
    a, b = (run(one_date(r, market), name, (-1, 1)) for r in (ret, changed))
    np.testing.assert_equal((a.statistic, a.p), (b.statistic, b.p))


# ---------------------------------------------------------------------------------------------------- names, families


@pytest.mark.parametrize(
    "name", [n for n in METHODS + FAMILIES if n not in ("t_xs", "portfolio_placebo", "calendar_time")]
)
def test_unknown_variant_is_an_error_with_the_known_ones(name):
    first = TESTS.get(name).variants[0]
    with pytest.raises(UnknownName, match=f"(?s)did you mean.*{first}|{first}"):
        run(awkward("one date"), name, (-1, 1), first + "x")


def test_default_is_the_first_variant():
    study = awkward("one date")
    for name in METHODS + FAMILIES:
        plain = run(study, name, (0, 0))
        named = run(study, name, (0, 0), TESTS.get(name).variants[0])
        np.testing.assert_equal((plain.statistic, plain.p), (named.statistic, named.p))


@pytest.mark.parametrize("name", FAMILIES)
def test_family_names_firm_and_direction(name):
    ret, market = returns(6)
    ret[4, 119:122] -= 0.5
    for variant in TESTS.get(name).variants:
        result = run(one_date(ret, market), name, (-1, 1), variant)
        assert sane(result)
        assert (result.extra["firm"], result.extra["pair"], result.extra["sign"]) == ("F4", 4, -1)
        assert result.p == result.extra["adjusted"][4] == np.nanmin(result.extra["adjusted"])
        assert result.n == 7


def test_identical_firms_are_worth_one():
    effect = design_effect(awkward("the same share seven times").ar, (-1, 1))
    assert effect.n_eff == pytest.approx(1.0, abs=1e-12)
    assert effect.de == pytest.approx(7.0) and effect.largest == pytest.approx(1.0)
    assert effect.first_share == pytest.approx(1.0)


def test_one_firm_at_disjoint_times_is_worth_its_events():
    """Residuals of overlapping estimation windows correlate at nearly 1, event windows share nothing."""
    effect = design_effect(awkward("one firm six times").ar, (-1, 1))
    assert effect.rbar > 0.9 and effect.rbar_w == 0.0
    assert effect.n_eff == 6.0 and effect.dates == 6
