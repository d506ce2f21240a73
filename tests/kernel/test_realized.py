"""Intraday measures against the published check values, slow readable twins and the identities they must keep."""

from __future__ import annotations

import doctest
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from abnormal.kernel import realized
from abnormal.kernel.realized import (
    abnormal_volume,
    bar_path,
    bns,
    day_sigma,
    diurnal_rms,
    diurnal_wsd,
    gumbel_constants,
    gumbel_critical,
    gumbel_p,
    har_forecast,
    lee_mykland,
    lee_mykland_window,
    mu,
    remove_diurnal,
    variation,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden_public.json").read_text())["intraday"]
R = np.array(GOLDEN["data"]["r"], dtype=float)  # 30 sessions of 66 bars
JUMP_DAY, JUMP_BAR = GOLDEN["data"]["jump_day"], GOLDEN["data"]["jump_bar"]
RESULTS = GOLDEN["results"]


def close(a, b, rtol=1e-10, atol=1e-14):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def minutes(seed, shape, scale=1e-3):
    return scale * np.random.default_rng(seed).standard_normal(shape)


# ------------------------------------------------------------------------------------------------ slow twins


def slow_bns(r, finite_sample=True):
    """The formulas as they are printed, one session, one bar at a time."""
    r = [x for x in r if not math.isnan(x)]
    n = len(r)
    rv = sum(x * x for x in r)
    bv = sum(abs(r[j]) * abs(r[j - 1]) for j in range(1, n)) / (2 / math.pi)
    mu43 = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(1 / 2)
    tp = n * sum(abs(r[j] * r[j - 1] * r[j - 2]) ** (4 / 3) for j in range(2, n)) / mu43**3
    if finite_sample:
        bv, tp = bv * n / (n - 1), tp * n / (n - 2)
    theta = (math.pi / 2) ** 2 + math.pi - 5
    noise = math.sqrt(theta / n * max(1, tp / bv**2))
    z = ((1 - bv / rv) / noise, (rv - bv) / math.sqrt(theta / n * tp), (math.log(rv) - math.log(bv)) / noise)
    return rv, bv, tp, *z


def slow_lee_mykland(r, k):
    """L_i by its definition; None where it is not tested."""
    out = []
    for i in range(1, len(r) + 1):  # the paper counts from 1
        if i < k:
            out.append(math.nan)
            continue
        total = math.fsum(abs(r[j - 1]) * abs(r[j - 2]) for j in range(i - k + 2, i))
        out.append(r[i - 1] / math.sqrt(total / (k - 2)) if total > 0 else math.nan)
    return np.array(out)


def slow_wsd(r):
    """Boudt, Croux and Laurent, one slot at a time."""
    scale = []
    for column in np.asarray(r).T:
        x = sorted(v for v in column if not math.isnan(v))
        n, h = len(x), len(x) // 2 + 1
        shorth = min(x[i + h - 1] - x[i] for i in range(n - h + 1)) / (2 * stats.norm.ppf(0.75))
        kept = [v for v in x if (v / shorth) ** 2 <= 6.635]
        scale.append(math.sqrt(1.081 * sum(v * v for v in kept) / len(kept)))
    return np.array(scale) / math.sqrt(np.mean(np.square(scale)))


def slow_har(rv):
    y, x = [], []
    for t in range(22, len(rv)):
        y.append(rv[t])
        x.append([1, rv[t - 1], np.mean(rv[t - 5 : t]), np.mean(rv[t - 22 : t])])
    b = np.linalg.lstsq(np.array(x), np.array(y), rcond=None)[0]
    return b @ [1, rv[-1], np.mean(rv[-5:]), np.mean(rv[-22:])], b


# ------------------------------------------------------------------------------------------------ published values


@pytest.mark.parametrize(("name", "day"), [("bns_jump_day", JUMP_DAY), ("bns_day0", 0)])
def test_bns_reproduces_the_published_values(name, day):
    plain, raw = bns(R), bns(R, finite_sample=False)
    got = {
        "RV": plain.rv, "BV": plain.bv, "TP": plain.tp, "z_ratio": plain.z_ratio, "p_ratio": plain.p,
        "z_linear": plain.z_linear, "z_log": plain.z_log,
        "z_ratio_nofs": raw.z_ratio, "BV_nofs": raw.bv, "TP_nofs": raw.tp,
    }  # fmt: skip
    assert set(RESULTS[name]) == set(got)
    for key, expected in RESULTS[name].items():
        close(got[key][day], expected)


def test_bns_printed_figures():
    b = bns(R)
    close(
        [b.rv[JUMP_DAY], b.bv[JUMP_DAY], b.tp[JUMP_DAY], b.z_ratio[JUMP_DAY], b.z_linear[JUMP_DAY], b.z_log[JUMP_DAY]],
        [0.03743563782, 0.004593056105, 3.049414415e-05, 7.596457751, 61.9148198, 18.16689071],
        rtol=5e-10,
    )
    close([b.z_ratio[0], bns(R, finite_sample=False).z_ratio[JUMP_DAY]], [-0.1101265615, 7.613455312], rtol=5e-10)
    assert (np.argmax(b.z_ratio), (b.p < 1e-6).sum()) == (JUMP_DAY, 1)


def test_diurnal_pattern_reproduces_the_published_values():
    f = diurnal_rms(R[:JUMP_DAY]).f
    close(f, RESULTS["diurnal_rms"])
    close(f[:6], [1.565929054, 1.12131568, 1.266374112, 1.220946141, 1.537006819, 1.289456565], rtol=5e-10)


def test_lee_mykland_reproduces_the_published_values():
    expected, at = RESULTS["lee_mykland"], JUMP_DAY * R.shape[1] + JUMP_BAR
    lm = lee_mykland(R.ravel(), expected["K"])
    close([lm.cn, lm.sn, lm.statistic[at], lm.xi[at]], [expected[k] for k in ("Cn", "Sn", "L_jump", "xi_jump")])
    close([4.373273059, 0.3216619387, 65.56335793, 190.2310392], [lm.cn, lm.sn, lm.statistic[at], lm.xi[at]], 5e-10)
    assert (int(lm.n), int(lm.tested)) == (expected["n"], 1980 - 131)
    assert (lm.xi > gumbel_critical(0.01)).sum() == expected["n_detect_1pct"]


def test_lee_mykland_after_the_daily_rhythm_is_removed():
    expected, at = RESULTS["lee_mykland_periodic"], JUMP_DAY * R.shape[1] + JUMP_BAR
    lm = lee_mykland(remove_diurnal(R, diurnal_rms(R[:JUMP_DAY]).f).ravel(), 132)
    close([lm.statistic[at], lm.xi[at]], [expected["L_jump"], expected["xi_jump"]])
    assert (lm.xi > gumbel_critical(0.01)).sum() == expected["n_detect_1pct"]


def test_gumbel_critical_value():
    close(gumbel_critical(0.01), RESULTS["lee_mykland"]["beta_star_1pct"])
    close(gumbel_critical(0.01), 4.600149227, rtol=5e-10)
    close(gumbel_p(gumbel_critical(0.05)), 0.05)
    with pytest.raises(ValueError, match="between 0 and 1"):
        gumbel_critical(1.0)


def test_a_tiny_p_does_not_vanish():
    """1 - exp(-exp(-190)) is exactly zero in floating point; the tail is exp(-190)."""
    at = JUMP_DAY * R.shape[1] + JUMP_BAR
    lm = lee_mykland(R.ravel(), 132)
    close(lm.p[at], math.exp(-lm.xi[at]), rtol=1e-12)
    assert 0 < lm.p_max == lm.p[at] < 1e-80
    close(gumbel_p(np.array([-3.0, 0.0, 3.0, 40.0])), stats.gumbel_r.sf([-3.0, 0.0, 3.0, 40.0]), rtol=1e-12)
    assert gumbel_p(-1e4) == 1


# ------------------------------------------------------------------------------------------------ twins


@pytest.mark.parametrize("finite_sample", [True, False])
def test_bns_equals_its_slow_twin(finite_sample):
    r = minutes(1, (12, 66))
    r[3, 30] = 0.05
    r[5, [0, 7, 8, 65]] = np.nan
    b = bns(r, finite_sample=finite_sample)
    twin = np.array([slow_bns(day, finite_sample) for day in r]).T
    for got, expected in zip((b.rv, b.bv, b.tp, b.z_ratio, b.z_linear, b.z_log), twin):
        close(got, expected, rtol=1e-11)
    for p, z in ((b.p, b.z_ratio), (b.p_linear, b.z_linear), (b.p_log, b.z_log)):
        close(p, stats.norm.sf(z), rtol=1e-12)
    assert b.n[5] == 62


@pytest.mark.parametrize("k", [3, 4, 10, 78, 132, 270])
def test_lee_mykland_equals_its_slow_twin(k):
    r = minutes(2, 600)
    r[150] = 50.0  # a jump 50,000 times a bar: a difference of running totals would lose the digits behind it
    r[400:402] = 0.0
    got = lee_mykland(r, k)
    expected = slow_lee_mykland(r.tolist(), k)
    close(got.statistic, expected, rtol=1e-12)
    assert np.isnan(got.statistic[: k - 1]).all() and np.isfinite(got.statistic[k - 1])


def test_window_longer_than_the_series_tests_nothing():
    lm = lee_mykland(minutes(3, (2, 40)), 41)
    assert np.isnan(lm.xi).all() and lm.tested.tolist() == [0, 0] and np.isnan(lm.p_max).all()
    assert np.isfinite(lee_mykland(minutes(3, (2, 40)), 40).xi[:, -1]).all()


def test_lee_mykland_passes_over_empty_bars():
    r = minutes(4, 500)
    gaps = np.array([0, 17, 18, 200, 499])
    holed = r.copy()
    holed[gaps] = np.nan
    full, got = lee_mykland(np.delete(r, gaps), 78), lee_mykland(holed, 78)
    kept = np.setdiff1d(np.arange(500), gaps)
    close(got.statistic[kept], full.statistic, rtol=1e-13)
    close(got.xi[kept], full.xi, rtol=1e-13)
    assert np.isnan(got.xi[gaps]).all() and int(got.n) == 495 and got.cn == full.cn


def test_lee_mykland_rows_do_not_mix():
    r = minutes(5, (3, 400))
    r[1, 50] = np.nan
    together = lee_mykland(r, 78)
    for i, row in enumerate(r):
        close(together.xi[i], lee_mykland(row, 78).xi)


@pytest.mark.parametrize("jump", [None, (3, 2)])
def test_wsd_equals_its_slow_twin(jump):
    r = minutes(6, (25, 9)) * np.linspace(2, 1, 9)
    if jump:
        r[jump] = 0.4
    r[7, 4] = r[8, 4] = np.nan
    got = diurnal_wsd(r)
    close(got.f, slow_wsd(r), rtol=1e-12)
    close(np.mean(got.f**2), 1)
    assert got.n.tolist() == [25] * 4 + [23] + [25] * 4


def test_wsd_after_dividing_by_the_bipower_volatility_of_the_session():
    r = minutes(7, (30, 20)) * np.exp(minutes(8, (30, 1), 0.8))
    scaled = np.array([day / math.sqrt(slow_bns(day)[1] / 20) for day in r])
    close(diurnal_wsd(r, standardise=True).f, slow_wsd(scaled), rtol=1e-11)


def test_wsd_is_not_moved_by_the_jump_that_moves_the_rms():
    r = minutes(9, (40, 12))
    jumped = r.copy()
    jumped[5, 3] = 0.1
    assert abs(diurnal_wsd(jumped).f[3] / diurnal_wsd(r).f[3] - 1) < 0.1
    assert diurnal_rms(jumped).f[3] / diurnal_rms(r).f[3] > 3


def test_har_equals_least_squares_by_hand():
    rng = np.random.default_rng(10)
    rv = 1e-4 * np.exp(np.cumsum(rng.standard_normal((3, 90)) * 0.2, axis=1))
    got = har_forecast(rv)
    for i in range(3):
        forecast, b = slow_har(rv[i])
        close(got.forecast[i], forecast, rtol=1e-9)
        close(got.coef[i], b, rtol=1e-7, atol=1e-12)
    assert got.n.tolist() == [68] * 3 and not got.floored.any() and got.reason.tolist() == [""] * 3


def test_har_recovers_an_exact_recursion():
    rv = list(1e-4 * np.exp(0.5 * np.random.default_rng(11).standard_normal(22)))
    for _ in range(40):
        rv.append(2e-5 + 0.3 * rv[-1] + 0.2 * np.mean(rv[-5:]) + 0.3 * np.mean(rv[-22:]))
    expected = 2e-5 + 0.3 * rv[-1] + 0.2 * np.mean(rv[-5:]) + 0.3 * np.mean(rv[-22:])
    got = har_forecast(rv)
    close(got.forecast, expected, rtol=1e-8)
    close(got.coef, [2e-5, 0.3, 0.2, 0.3], rtol=1e-4)
    close(har_forecast(np.array(rv) * 1e4).forecast, expected * 1e4, rtol=1e-8)


def test_har_says_why_it_cannot_forecast():
    short, still, same = (har_forecast(x) for x in (np.ones(31), np.zeros(60), np.full(60, 3e-4)))
    assert [str(h.reason) for h in (short, still, same)] == [
        "fewer than 32 sessions", "price did not move", "day, week and month move as one",
    ]  # fmt: skip
    assert all(np.isnan(h.forecast) for h in (short, still, same))
    assert str(har_forecast([]).reason) == "fewer than 32 sessions"


def test_har_passes_over_absent_sessions():
    rv = 1e-4 * np.exp(np.random.default_rng(12).standard_normal(80))
    holed = np.insert(rv, [0, 10, 50, 80], np.nan)
    close(har_forecast(holed).forecast, har_forecast(rv).forecast, rtol=1e-12)


def test_har_forecast_stays_positive():
    rv = np.abs(np.linspace(1, 0.001, 60)) ** 3 * 1e-4 + 1e-8 * np.random.default_rng(13).random(60)
    rv[-1] = 0.0
    got = har_forecast(rv, floor=0.05)
    assert got.forecast >= 0.05 * rv.mean() * (1 - 1e-12)
    assert bool(got.floored) and got.forecast == pytest.approx(0.05 * rv.mean())


# ------------------------------------------------------------------------------------------------ properties


def test_moments_of_the_normal_law():
    close(mu(1), math.sqrt(2 / math.pi))
    close(mu(2), 1)
    close(mu(4 / 3), stats.norm.expect(lambda z: abs(z) ** (4 / 3)), rtol=1e-7)


def test_jump_statistics_do_not_depend_on_the_unit():
    r = minutes(14, (8, 66))
    small, large = bns(r), bns(100 * r)
    close(large.rv, 1e4 * small.rv)
    for name in ("z_ratio", "z_linear", "z_log", "p"):
        close(getattr(large, name), getattr(small, name), rtol=1e-9)
    close(lee_mykland(100 * r.ravel(), 78).xi, lee_mykland(r.ravel(), 78).xi, rtol=1e-11)
    close(diurnal_wsd(100 * minutes(15, (20, 5))).f, diurnal_wsd(minutes(15, (20, 5))).f)
    close(lee_mykland(-r.ravel(), 78).statistic, -lee_mykland(r.ravel(), 78).statistic)


def test_whole_numbers_are_taken_as_returns():
    r = np.random.default_rng(16).integers(-5, 6, (25, 40))
    close(bns(r).z_ratio, bns(r.astype(float)).z_ratio)
    close(lee_mykland(r.ravel(), 30).xi, lee_mykland(r.astype(float).ravel(), 30).xi)
    close(diurnal_rms(r).f, diurnal_rms(r.astype(float)).f)


def test_any_leading_axes():
    r = minutes(17, (2, 3, 25, 30))
    b = bns(r)
    assert b.p.shape == (2, 3, 25)
    close(b.p[1, 2], bns(r[1, 2]).p)
    close(bns(r[0, 0, 0]).p, b.p[0, 0, 0])
    for pattern in (diurnal_rms, diurnal_wsd):
        close(pattern(r).f[1, 0], pattern(r[1, 0]).f)
    assert bns(np.empty((0, 66))).p.shape == (0,)


def test_sessions_without_an_answer_say_why():
    r = np.tile(minutes(18, 66), (7, 1))
    r[0] = np.nan  # never traded
    r[1, :14] = np.nan  # 14 of 66 empty
    r[2, :13] = np.nan  # 13 of 66 is below a fifth
    r[3] = 0.0  # constant price
    r[4] = 0.0
    r[4, 20] = 0.03  # one move only
    r[5] = np.nan
    r[5, :2] = 0.01
    b = bns(r)
    assert b.reason.tolist() == [
        "no bars", "too many empty bars", "", "price did not move", "no two moves in a row", "too many empty bars", "",
    ]  # fmt: skip
    assert np.isfinite(b.p).tolist() == [False, False, True, False, False, False, True]
    assert np.isnan(b.rv[[0, 1, 3, 4, 5]]).all()
    assert bns(r[1:2], max_empty=0.3).reason.tolist() == [""]


def test_half_day_is_not_a_day_of_empty_bars():
    r = minutes(19, (2, 66))
    r[1, 30:] = np.nan
    assert bns(r).reason.tolist() == ["", "too many empty bars"]
    b = bns(r, bars=[66, 30])
    assert b.reason.tolist() == ["", ""]
    close(b.z_ratio[1], slow_bns(r[1])[3])


@pytest.mark.parametrize("bars", [0, 1, 2])
def test_too_few_bars(bars):
    b = bns(np.full((1, bars), 0.01))
    assert np.isnan(b.p[0]) and b.reason[0] in {"no bars", "fewer than 3 bars in a row"}


def test_variation_of_a_single_bar():
    v = variation([[0.02]])
    assert v.rv[0] == pytest.approx(0.0004) and np.isnan(v.bv[0]) and np.isnan(v.tp[0]) and v.n[0] == 1
    assert np.isnan(variation([[np.nan]]).rv[0])


def test_a_halt_splits_the_session():
    r = minutes(20, 66)
    cut = r.copy()
    cut[40] = np.nan  # the return over the halt stands in no bar
    starts = np.zeros(66, bool)
    starts[40] = True  # the first bar of the new stretch is itself empty
    a, b = r[:40], r[41:]
    v = variation(cut, starts=starts)
    pairs = sum(abs(x[j] * x[j - 1]) for x in (a, b) for j in range(1, len(x)))
    close(v.bv, math.pi / 2 * 65 / 63 * pairs)
    triples = sum(abs(x[j] * x[j - 1] * x[j - 2]) ** (4 / 3) for x in (a, b) for j in range(2, len(x)))
    close(v.tp, 65 * 65 / 61 * triples / mu(4 / 3) ** 3)
    close(bns(r, starts=np.arange(66) == 0).z_ratio, bns(r).z_ratio)
    close(bns(cut, starts=starts).bv, v.bv)


def test_bars_after_a_standstill_are_not_tested():
    r = minutes(21, 400)
    r[100:200] = 0.0
    r[200] = 0.01
    lm = lee_mykland(r, 50)
    assert np.isnan(lm.xi[148:202]).all()  # no two moves in a row in the window before them
    assert np.isfinite(lm.xi[49:148]).all() and np.isfinite(lm.xi[202:]).all()
    still = lee_mykland(np.zeros(300), 50)
    assert np.isnan(still.p).all() and int(still.tested) == 0


def test_lee_mykland_window():
    assert [lee_mykland_window(66, 5), lee_mykland_window(390, 1), lee_mykland_window(0.01)] == [270, 314, 3]
    with pytest.raises(ValueError, match="at least 3"):
        lee_mykland(minutes(22, 50), 2)


def test_gumbel_constants_need_two_bars():
    cn, sn = gumbel_constants([0, 1, 2, 1000])
    assert np.isnan(cn[:2]).all() and np.isnan(sn[:2]).all() and np.isfinite(cn[2:]).all()


@pytest.mark.parametrize("pattern", [diurnal_rms, diurnal_wsd])
def test_patterns_need_sessions(pattern):
    short = pattern(minutes(23, (19, 10)))
    assert np.isnan(short.f).all() and "sessions" in str(short.reason)
    assert np.isfinite(pattern(minutes(23, (19, 10)), min_sessions=10).f).all()
    holidays = minutes(24, (25, 10))
    holidays[:6] = np.nan  # six rows without a trade are no sessions
    assert "sessions" in str(pattern(holidays).reason)


@pytest.mark.parametrize("pattern", [diurnal_rms, diurnal_wsd])
def test_a_slot_that_hardly_trades_has_no_pattern(pattern):
    r = minutes(25, (20, 6))
    r[:11, 2] = np.nan
    got = pattern(r)
    assert np.isnan(got.f).tolist() == [False, False, True, False, False, False] and got.n[2] == 9
    close(np.nanmean(got.f**2), 1)
    close(got.f[[0, 1, 3, 4, 5]], pattern(np.delete(r, 2, axis=1)).f)


def test_patterns_of_a_price_that_stands_still():
    assert "did not move" in str(diurnal_rms(np.zeros((20, 4))).reason)
    wsd = diurnal_wsd(np.zeros((20, 4)))
    assert np.isnan(wsd.f).all() and str(wsd.reason) == "no clock time varies enough"
    mostly = minutes(26, (21, 3))
    mostly[:11, 1] = 0.0
    assert np.isnan(diurnal_wsd(mostly).f).tolist() == [False, True, False]
    single = diurnal_rms([[0.01, 0.02]], min_sessions=1)
    close(single.f, np.array([1, 2]) / math.sqrt(2.5))


def test_pattern_is_flat_for_flat_volatility_and_finds_the_shape():
    shape = 1.6 - 2.8 * np.linspace(0, 1, 30) + 2.6 * np.linspace(0, 1, 30) ** 2
    r = minutes(27, (4000, 30)) * shape
    truth = shape / math.sqrt(np.mean(shape**2))
    close(diurnal_rms(r).f, truth, rtol=0.05)
    close(diurnal_wsd(r).f, truth, rtol=0.05)


def test_remove_diurnal_leaves_no_infinity():
    out = remove_diurnal([[0.01, 0.02, 0.03]], [0.5, 0.0, np.nan])
    assert out[0, 0] == 0.02 and np.isnan(out[0, 1:]).all()


def test_day_sigma_looks_back_twenty_sessions():
    rv = np.concatenate([np.full(10, 9.0), np.full(20, 4e-4)])
    close(day_sigma(rv, 4), 0.01)
    rv[-3] = np.nan
    close(day_sigma(rv, 4), 0.01)
    assert np.isnan(day_sigma(rv[:4], 4)) and np.isfinite(day_sigma(rv[:4], 4, least=4))
    close(day_sigma(np.stack([rv, 4 * rv]), [4, 4]), [0.01, 0.02])
    close(day_sigma(variation(R[:JUMP_DAY]).rv, 66), math.sqrt(np.mean((R[5:JUMP_DAY] ** 2).sum(1)) / 66))


# ------------------------------------------------------------------------------------------------ bar paths


def test_bar_path_by_hand():
    f = diurnal_rms(R[:JUMP_DAY]).f
    sigma = float(day_sigma(variation(R[:JUMP_DAY]).rv, 66))
    path = bar_path(R[JUMP_DAY], R[:JUMP_DAY], sigma, f, first=1, last=6)
    for j in range(1, 7):
        car = sum(R[JUMP_DAY, 1 : j + 1])
        sd = sigma * math.sqrt(sum(f[1 : j + 1] ** 2))
        hits = sum(abs(sum(R[d, 1 : j + 1])) >= abs(car) for d in range(JUMP_DAY))
        close([path.car[j - 1], path.sd[j - 1], path.z[j - 1]], [car, sd, car / sd], rtol=1e-12)
        close(path.p_rank[j - 1], (1 + hits) / 26)
        close(path.p_normal[j - 1], 2 * stats.norm.sf(abs(car / sd)), rtol=1e-9)
    close(path.sar, R[JUMP_DAY, 1:7] / (sigma * f[1:7]))
    assert path.p_rank[1] == 1 / 26 == path.smallest_p[1] and path.m.tolist() == [25] * 6


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_bar_paths_are_independent_of_each_other(alternative):
    event, past, f = minutes(28, (4, 20)), minutes(29, (4, 30, 20)), 0.5 + minutes(30, (4, 20), 0.05)
    sigma = np.array([1e-3, 2e-3, 1e-3, 3e-3])
    path = bar_path(event, past, sigma, f, first=2, alternative=alternative)
    assert path.car.shape == (4, 18)
    for i in range(4):
        one = bar_path(event[i], past[i], sigma[i], f[i], first=2, alternative=alternative)
        for name in ("car", "sd", "z", "p_normal", "p_rank"):
            close(getattr(path, name)[i], getattr(one, name))


def test_bar_path_alternatives_mirror():
    event, past = minutes(31, 8), minutes(32, (30, 8))
    up = bar_path(event, past, 1e-3, np.ones(8), alternative="greater")
    down = bar_path(-event, -past, 1e-3, np.ones(8), alternative="less")
    close(up.p_rank, down.p_rank)
    close(up.p_normal, down.p_normal)
    both = bar_path(event, past, 1e-3, np.ones(8))
    hits = (np.abs(np.cumsum(past, 1)) >= np.abs(np.cumsum(event))).sum(0)
    close(both.p_rank, (1 + hits) / 31)


def test_bar_path_with_empty_bars():
    event = np.array([np.nan, 0.01, np.nan, 0.02, 0.01])
    past = minutes(33, (6, 5))
    past[0, 0] = np.nan  # one of five: kept, and its path begins a bar later
    past[1, :2] = np.nan  # two of five: left out
    past[2] = np.nan
    path = bar_path(event, past, 0.01, np.ones(5))
    close(path.car, [np.nan, 0.01, 0.01, 0.03, 0.04])
    close(path.sd, [np.nan, 0.01, 0.01, 0.01 * 2**0.5, 0.01 * 3**0.5])
    assert path.n.tolist() == [0, 1, 1, 2, 3] and path.m.tolist() == [3, 4, 4, 4, 4]
    assert np.isnan(path.p_rank[0]) and np.isnan(path.sar[[0, 2]]).all()


def test_bar_path_without_pattern_or_past_is_nan_not_zero():
    path = bar_path(minutes(34, 4), np.empty((0, 4)), 1e-3, [1.0, np.nan, 0.0, 1.0])
    assert np.isfinite(path.car).all() and np.isnan(path.p_rank).all() and np.isnan(path.smallest_p).all()
    assert np.isfinite(path.z[0]) and np.isnan(path.z[1:]).all()
    assert np.isnan(bar_path(minutes(34, 4), np.zeros((3, 4)), np.nan, np.ones(4)).z).all()
    with pytest.raises(ValueError, match="4 bars"):
        bar_path(minutes(34, 4), np.zeros((3, 4)), 1e-3, np.ones(4), first=2, last=4)


def test_same_clock_time_p_is_uniform_under_the_null():
    r = minutes(35, (2000, 20, 6)) * [3.0, 2, 1, 1, 1, 2]
    p = bar_path(r[:, 0], r[:, 1:], 1e-3, np.ones(6), first=1, last=4).p_rank[:, -1]
    assert set(np.round(p * 20)) <= set(range(1, 21))
    counts = np.bincount(np.round(p * 20).astype(int), minlength=21)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3


# ------------------------------------------------------------------------------------------------ volume


def test_abnormal_volume_by_hand():
    past = np.exp(np.random.default_rng(36).standard_normal((15, 3)) * 0.5 + 10)
    event = np.array([9e5, 2e4, 1e2])
    got = abnormal_volume(event, past)
    logs = np.log(past)
    z = (np.log(event) - logs.mean(0)) / (logs.std(0, ddof=1) * math.sqrt(1 + 1 / 15))
    close(got.z, z, rtol=1e-11)
    close(got.p, 2 * stats.t.sf(np.abs(z), 14), rtol=1e-9)
    upper, lower = (1 + (past >= event).sum(0)) / 16, (1 + (past <= event).sum(0)) / 16
    close(got.p_rank, np.minimum(1, 2 * np.minimum(upper, lower)))
    close(abnormal_volume(event, past, "greater").p_rank, upper)
    close(abnormal_volume(event, past, "less").p, stats.t.cdf(z, 14), rtol=1e-9)


def test_abnormal_volume_of_slots_without_trade():
    past = np.array([[100, 0, 50], [200, 0, 50], [150, 0, 50], [0, 10, 50]])
    got = abnormal_volume(np.array([300, 10, 70]), past)
    assert got.m.tolist() == [3, 1, 4]
    assert got.reason.tolist() == ["", "fewer than two past values", "no variation in the past"]
    assert np.isfinite(got.z).tolist() == [True, False, False]
    silent = abnormal_volume([0], [[5], [6], [7]])
    assert np.isnan(silent.p[0]) and "no volume" in silent.reason[0]


def test_abnormal_volume_does_not_depend_on_the_unit():
    past = np.exp(np.random.default_rng(37).standard_normal((12, 4)) + 8)
    close(abnormal_volume(past[0] * 3, past * 7).abnormal, abnormal_volume(past[0] * 3 / 7, past).abnormal)


# ------------------------------------------------------------------------------------------------ null sizes


def null_sizes(reps, bars, seed):
    z = np.random.default_rng(seed).standard_normal((reps, bars))
    plain, raw = bns(z), bns(z, finite_sample=False)
    return [float((p < 0.05).mean()) for p in (plain.p, plain.p_linear, raw.p)]


def lee_mykland_size(reps, seed, batch=200):
    rng, hits = np.random.default_rng(seed), 0
    for _ in range(reps // batch):
        hits += int((lee_mykland(rng.standard_normal((batch, 1200)), 270).p_max < 0.05).sum())
    return hits / (reps // batch * batch)


def within(rate, expected, reps, published_reps):
    """Four standard errors of the difference between two simulated rates.

    The rates held against: iid normal, upper 5%, 66 bars ratio .056, linear .087, ratio without factors .072; 390 bars
    ratio .045 (from some 2,000 runs); largest of 931 tested bars, K = 270: .063 (from 400 runs).
    """
    return abs(rate - expected) < 4 * math.sqrt(expected * (1 - expected) * (1 / reps + 1 / published_reps))


def test_null_size_of_bns():
    ratio, linear, raw = null_sizes(4000, 66, 1)
    assert within(ratio, 0.056, 4000, 2000) and within(linear, 0.087, 4000, 2000) and within(raw, 0.072, 4000, 2000)
    assert within(null_sizes(1500, 390, 2)[0], 0.045, 1500, 2000)


def test_null_size_of_lee_mykland():
    assert within(lee_mykland_size(400, 3), 0.063, 400, 400)


@pytest.mark.slow
def test_null_sizes_in_full():
    """Large simulations: the ratio form is near 5%, the linear form and the form without factors reject too often."""
    ratio, linear, raw = null_sizes(40000, 66, 4)
    assert within(ratio, 0.056, 40000, 2000) and within(linear, 0.087, 40000, 2000) and within(raw, 0.072, 40000, 2000)
    assert ratio < 0.06 < raw < linear
    assert within(null_sizes(20000, 390, 5)[0], 0.045, 20000, 2000)
    assert within(lee_mykland_size(8000, 6), 0.063, 8000, 400)


def test_examples_in_the_docstrings():
    result = doctest.testmod(realized)
    assert result.attempted > 20 and result.failed == 0
