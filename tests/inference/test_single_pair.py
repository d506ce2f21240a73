"""Single-pair tests against the public values and the slow readable twin, on public and random data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import build
from abnormal.domain import TestOptions
from abnormal.inference._window import two_sided_interval, window_stats
from abnormal.inference.conformal import conformal_interval
from abnormal.inference.sq import sq_interval, sq_rule
from abnormal.registry import TESTS
from twin import models as twin_models
from twin import single as twin

FORMS = ("abs_studentized", "two_min", "overlap", "blocks", "studentized")
WINDOWS = ((-1, 3), (0, 0), (1, 3))
EVENT = 270


def rows(window):
    return list(range(EVENT + window[0], EVENT + window[1] + 1))


@pytest.fixture(params=["market", "market_zero_alpha", "market_adjusted", "mean"])
def both(request, clustered):
    """(waist, twin fit of firm i and window) of the same model."""
    name = request.param
    ar = build.clustered(name).ar

    def fit(i, window):
        r, est = clustered["ret"][:, i], clustered["est"]
        if name == "mean":
            return twin_models.mean(r, est, rows(window))
        return getattr(twin_models, name)(r, clustered["mkt"], est, rows(window))

    return ar, fit


@pytest.mark.parametrize("window", WINDOWS)
def test_estimates_and_t(both, window):
    ar, fit = both
    w = window_stats(ar, window)
    got = TESTS.get("t_car")(ar, window, TestOptions(variant="full"))
    none = TESTS.get("t_car")(ar, window, TestOptions(variant="fec_none"))
    f = TESTS.get("f_window")(ar, window, TestOptions())
    low, high = two_sided_interval(w.car, w.se, ar.df, 0.05)
    for i in range(8):
        want = fit(i, window)
        assert w.car[i] == pytest.approx(want["car"], abs=1e-13)
        assert w.se[i] == pytest.approx(want["car_se"], rel=1e-12)
        assert got.statistic[i] == pytest.approx(twin.t_car(want)["stat"], rel=1e-11)
        assert got.p[i] == pytest.approx(twin.t_car(want)["p"], rel=1e-10)
        assert none.statistic[i] == pytest.approx(twin.t_car(want, "fec_none")["stat"], rel=1e-11)
        assert f.statistic[i] == pytest.approx(twin.f_window(want)["stat"], rel=1e-10)
        assert (low[i], high[i]) == pytest.approx(tuple(twin.t_interval(want)), rel=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", WINDOWS)
def test_sq_in_all_its_forms(both, window, form):
    ar, fit = both
    got = TESTS.get("sq")(ar, window, TestOptions(variant=form))
    for i in range(8):
        want = twin.sq(fit(i, window), form)
        if got.reason[i]:
            assert want["status"] == "not_applicable", got.reason[i]
            continue
        assert got.n[i] == want["m"]
        assert got.p[i] == pytest.approx(want["p"], abs=1e-13), (i, form)


@pytest.mark.parametrize("form", ["blend", "ewma"])
@pytest.mark.parametrize("window", WINDOWS)
def test_sq_vol(both, window, form, clustered):
    ar, fit = both
    got = TESTS.get("sq_vol")(ar, window, TestOptions(variant=form))
    # Firm 7 is listed late: its 31st row is counted from its first return, the twin counts from the window's.
    for i in range(8 if form == "blend" else 7):
        gap = ar.ar[i, ar.first_event_column : ar.at(window[0])]
        want = twin.sq_vol(fit(i, window), gap, form)
        if got.reason[i]:
            assert want["m"] < 19, got.reason[i]
            continue
        assert got.p[i] == pytest.approx(want["p_abs" if form == "blend" else "p_two"], abs=1e-13), (i, form)


@pytest.mark.parametrize("window", WINDOWS)
def test_conformal_and_its_interval(window, clustered):
    ar = build.clustered("market").ar
    got = TESTS.get("conformal")(ar, window, TestOptions())
    low, high = conformal_interval(ar, window, 0.05)
    x = np.column_stack([np.ones(300), clustered["mkt"]])

    def model(y, x_rows):
        b, *_ = np.linalg.lstsq(x_rows, y, rcond=None)
        return y - x_rows @ b

    for i in range(6):
        y, est, ev = clustered["ret"][:, i], clustered["est"], rows(window)
        joined = est + ev

        def residuals(theta, y=y, joined=joined, ev=ev):
            values = y[joined].copy()
            values[-len(ev) :] -= theta / len(ev)
            return model(values, x[joined])

        def p(theta, ev=ev):
            sums = twin.block_sums(residuals(theta), len(ev))
            return np.mean(sums >= sums[-len(ev)] - 1e-12)

        assert got.p[i] == pytest.approx(p(0.0), abs=1e-13)
        inside, outside = 1e-9 * (1 + abs(low[i])), 1e-6 * (1 + abs(low[i]))
        assert p(low[i] + inside) > 0.05 >= p(low[i] - outside)
        assert p(high[i] - inside) > 0.05 >= p(high[i] + outside)


def test_golden_values_of_the_default_forms(golden):
    tests = golden["clustered"]["tests_market_model"]
    ar = build.clustered("market").ar
    for window, name in (((0, 0), "day0"), ((-1, 3), "car")):
        assert TESTS.get("sq")(ar, window, TestOptions()).p[0] == tests[f"sq_studentized_firm0_{name}"]["p_abs"]
        assert TESTS.get("conformal")(ar, window, TestOptions()).p[0] == tests[f"conformal_firm0_{name}"]["p"]
        vol = TESTS.get("sq_vol")(ar, window, TestOptions())
        assert vol.p[0] == tests[f"sq_vol_blend_firm0_{name}"]["p_abs"]
        assert vol.extra["ratio"][0] == pytest.approx(tests[f"sq_vol_blend_firm0_{name}"]["ratio"], abs=1e-12)
    zero = build.clustered("market_zero_alpha").ar
    want = golden["clustered"]["tests_market_model"]["market_zero_alpha_firm0"]
    for window, name in (((0, 0), "0_0"), ((-1, 3), "m1_3")):
        assert TESTS.get("t_car")(zero, window, TestOptions()).statistic[0] == pytest.approx(want[name]["t"], abs=1e-12)
        assert TESTS.get("sq")(zero, window, TestOptions()).p[0] == want[name]["sq"]["p_abs"]
        assert TESTS.get("conformal")(zero, window, TestOptions()).p[0] == want[name]["conformal"]["p"]
        assert TESTS.get("sq_vol")(zero, window, TestOptions()).p[0] == want[name]["sq_vol_blend"]["p_abs"]


def test_sq_interval_holds_exactly_the_effects_not_rejected():
    """Moving the CAR by an effect inside the interval gives p > level, outside p <= level."""
    ar = build.clustered("market").ar
    w = window_stats(ar, (0, 0))
    low, high = sq_interval(ar, (0, 0), 0.05)
    for i in range(6):
        z = np.array([v for _, v in twin_pairs(ar, i)])
        for effect, kept in ((low[i] * 1.0000001, None), (high[i], None)):
            assert np.isfinite(effect), kept
        j = int(np.floor(0.05 * (z.size + 1) + 1e-9))
        edge = np.sort(np.abs(z))[::-1][j - 1]
        assert (low[i], high[i]) == pytest.approx((w.car[i] - edge * w.se[i], w.car[i] + edge * w.se[i]), rel=1e-12)
        for shift, rejected in ((0.999, False), (1.001, True)):
            shifted = abs(shift * edge)
            assert ((1 + np.sum(np.abs(z) >= shifted)) / (z.size + 1) <= 0.05) == rejected


def twin_pairs(ar, i):
    from abnormal.inference._window import studentised_runs

    z = studentised_runs(ar, i, 1)
    return [(k, v) for k, v in enumerate(z) if np.isfinite(v)]


def test_interval_is_unbounded_when_windows_are_too_few():
    rng = np.random.default_rng(0)
    short = build.study(0.02 * rng.standard_normal((1, 60)), 0.01 * rng.standard_normal(60), 50, estimation=(-40, -11),
                        span=(0, 0), min_obs=20)  # fmt: skip
    low, high = sq_interval(short.ar, (0, 0), 0.01)
    assert (low[0], high[0]) == (-np.inf, np.inf)


def test_the_rule_of_twenty():
    ar = build.clustered("market").ar
    assert sq_rule(ar, (-1, 3)).tolist() == [True] * 7 + [False]
    assert sq_rule(ar, (0, 0)).all()


def test_rank_tests_say_their_smallest_p():
    ar = build.clustered("market").ar
    got = TESTS.get("sq")(ar, (0, 0), TestOptions())
    np.testing.assert_allclose(got.extra["min_p"], 1 / (got.n + 1))


@pytest.mark.parametrize("test", ["t_car", "sq", "conformal", "sq_vol"])
def test_one_sided_alternatives(test):
    ar = build.clustered("market").ar
    up = TESTS.get(test)(ar, (0, 0), TestOptions(alternative="greater"))
    down = TESTS.get(test)(ar, (0, 0), TestOptions(alternative="less"))
    assert np.all(np.sign(up.p - down.p) == -np.sign(up.statistic))


def test_distances_between_placebo_windows_are_one_session():
    """Sums never bridge a gap: windows that touch a missing session do not exist."""
    ret = np.random.default_rng(1).standard_normal((1, 200)) * 0.01
    ret[0, 60] = np.nan
    ar = build.study(
        ret, np.random.default_rng(2).standard_normal(200) * 0.01, 150, estimation=(-120, -11), span=(0, 2)
    ).ar
    got = TESTS.get("sq")(ar, (0, 2), TestOptions())
    starts = [t for t in range(30, 138) if not t <= 60 <= t + 2]
    assert got.n[0] == len(starts)
    assert all(b - a in (1, 4) for a, b in pairwise(starts))
