"""Correlations aligned by calendar session, against plain loops over pairs."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import build
from abnormal.inference import _correlation as correlation
from abnormal.inference._window import distinct_dates

RNG = np.random.default_rng


def slow_pairs(ar, align="calendar"):
    """{(i, j): (rho, common sessions)} by looping over pairs and days."""
    end = ar.first_event_column
    series = []
    for i in range(ar.size):
        keys = ar.dates[i, :end] if align == "calendar" else ar.offsets[:end]
        series.append({k: v for k, v, u in zip(keys.tolist(), ar.ar[i, :end], ar.est[i, :end], strict=True) if u})
    found = {}
    for i, j in itertools.combinations(range(ar.size), 2):
        both = sorted(set(series[i]) & set(series[j]))
        a, b = (np.array([s[k] for k in both]) for s in (series[i], series[j]))
        found[i, j] = (np.corrcoef(a, b)[0, 1] if len(both) >= 30 else 0.0, len(both))
    return found


def slow_share(ar, window):
    days = [set(row[~np.isnat(row)].tolist()) for row in ar.dates[:, ar.columns(window)]]
    length = window[1] - window[0] + 1
    return {(i, j): len(days[i] & days[j]) / length for i, j in itertools.combinations(range(ar.size), 2)}


def scattered(gaps=True, firms=9):
    ret, market = build.shares(RNG(1), firms, 260, common=0.02)
    if gaps:
        ret[RNG(2).random(ret.shape) < 0.05] = np.nan
    days = np.sort(RNG(3).integers(120, 250, firms))
    days[3], days[4] = days[2], days[2] + 1
    ret[np.arange(firms), days] = 0.01
    return build.study(ret, market, days, estimation=(-70, -11), span=(-5, 5)).ar


STUDIES = {
    "one date, complete": lambda: build.clustered(firms=build.COMPLETE).ar,
    "one date, gaps and a short history": lambda: build.clustered().ar,
    "many dates, gaps": scattered,
    "many dates, complete": lambda: scattered(gaps=False),
}


@pytest.mark.parametrize("block", [2, 4, 512])
@pytest.mark.parametrize("label", STUDIES)
@pytest.mark.parametrize("align", ["calendar", "event"])
def test_rbar_is_the_mean_over_pairs(label, align, block, monkeypatch):
    monkeypatch.setattr(correlation, "BLOCK", block)
    ar = replace(STUDIES[label](), cache={})
    pairs = slow_pairs(ar, align)
    np.testing.assert_allclose(correlation.rbar(ar, align=align), np.mean([r for r, _ in pairs.values()]), atol=1e-13)


@pytest.mark.parametrize("block", [2, 4, 512])
@pytest.mark.parametrize("label", STUDIES)
@pytest.mark.parametrize("window", [(0, 0), (-1, 1)])
def test_rbar_w_weights_pairs_by_common_event_sessions(label, window, block, monkeypatch):
    monkeypatch.setattr(correlation, "BLOCK", block)
    ar = replace(STUDIES[label](), cache={})
    pairs, share = slow_pairs(ar), slow_share(ar, window)
    expected = np.mean([pairs[k][0] * share[k] for k in pairs])
    np.testing.assert_allclose(correlation.rbar_w(ar, window), expected, atol=1e-13)


@pytest.mark.parametrize("block", [2, 512])
@pytest.mark.parametrize("label", STUDIES)
def test_design_effect_names_what_ties_the_firms(label, block, monkeypatch):
    monkeypatch.setattr(correlation, "BLOCK", block)
    ar = replace(STUDIES[label](), cache={})
    effect, pairs = correlation.design_effect(ar, (-1, 1)), slow_pairs(ar)
    best = max(pairs, key=lambda k: pairs[k][0])
    matrix = np.eye(ar.size)
    for (i, j), (rho, _) in pairs.items():
        matrix[i, j] = matrix[j, i] = rho
    counts = np.unique(distinct_dates(ar), return_counts=True)[1]
    assert effect.largest == pytest.approx(pairs[best][0], abs=1e-13)
    assert tuple(sorted(effect.largest_pair)) == best
    assert effect.first_share == pytest.approx(np.linalg.eigvalsh(matrix)[-1] / ar.size, abs=1e-10)
    assert effect.flagged == sum(n < 30 for _, n in pairs.values())
    assert effect.dates == counts.size and effect.hhi == pytest.approx(np.sum((counts / ar.size) ** 2))
    assert effect.de == pytest.approx(1 + (ar.size - 1) * effect.rbar_w)
    assert effect.n_eff == pytest.approx(min(ar.size, ar.size / effect.de))


def test_public_effective_number():
    golden = build.public()["clustered"]["tests_market_model"]
    effect = correlation.design_effect(build.clustered().ar, (-1, 3))
    assert effect.n_eff == pytest.approx(golden["n_eff"], abs=1e-10)


def test_negative_correlation_never_counts_for_more_than_the_pairs():
    ret, market = build.shares(RNG(5), 2, 140)
    ret[1] = 2 * ret[1].mean() - ret[0] + 0.001 * RNG(6).standard_normal(140)
    effect = correlation.design_effect(build.study(ret, market, 120, estimation=(-70, -6), span=(-1, 1)).ar, (-1, 1))
    assert effect.rbar < -0.9 and effect.n_eff == 2.0


def test_pairs_with_few_common_sessions_count_as_uncorrelated_and_are_flagged():
    ret, market = build.shares(RNG(7), 3, 160, common=0.03)
    ret[1, 70:110] = np.nan  # firm 1 and firm 2 share 25 of the 75 estimation rows
    ret[2, 45:70] = np.nan
    ar = build.study(ret, market, 120, estimation=(-75, -1), span=(0, 1)).ar
    found = correlation.correlation_of(ar, (0, 1))
    pairs = slow_pairs(ar)
    assert pairs[1, 2] == (0.0, 10) and found.flagged == 1
    assert found.value == pytest.approx((pairs[0, 1][0] + pairs[0, 2][0]) / 3, abs=1e-13)


def test_two_exchanges_meet_on_the_calendar_not_on_the_offset():
    """The second firm's exchange skips sessions: its rows stand on other days."""
    ret, market = build.shares(RNG(8), 2, 200, common=0.03)
    ar = build.study(ret, market, 150, estimation=(-100, -11), span=(-1, 1)).ar
    dates = ar.dates.copy()
    dates[1] = dates[1] - np.arange(ar.offsets.size)[::-1] // 9
    other = replace(ar, dates=dates, cache={})
    expected = slow_pairs(other)[0, 1][0]
    assert correlation.rbar(other) == pytest.approx(expected, abs=1e-13)
    assert correlation.rbar(other, align="event") == pytest.approx(correlation.rbar(ar), abs=1e-13)
    assert abs(correlation.rbar(other)) < 0.5 * correlation.rbar(ar)


def test_scan_is_kept_for_the_next_test():
    ar = replace(build.clustered().ar, cache={})
    correlation.design_effect(ar, (-1, 3))
    keys = set(ar.cache)
    correlation.correlation_of(ar, (-1, 3))
    assert set(ar.cache) == keys
