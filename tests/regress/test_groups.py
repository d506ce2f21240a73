"""Groups and their difference: portfolios on one date, Welch on independent ones, by hand."""

import numpy as np
import pandas as pd
import pytest
from regress_cases import case_of, clustered_events
from scipy import stats

from abnormal.errors import RequestError, UnknownName
from abnormal.inference._window import window_stats
from abnormal.regress.cross_section import regress_case
from abnormal.regress.groups import by_group
from twin import cross, public, single
from twin import models as twin_models

EXACT = {"rel": 1e-10}
SIDES = ["a", "a", "b", "b", "b", "a"]


def row(frame, group, window):
    found = frame[(frame["group"] == group) & (frame["window_start"] == window[0]) & (frame["window_end"] == window[1])]
    return found.iloc[0]


@pytest.fixture(scope="module")
def sided(public_clustered):
    return case_of(*public_clustered, clustered_events(side=SIDES))


def portfolio_fit(firms, window):
    data = public.clustered()
    ev = range(270 + window[0], 270 + window[1] + 1)
    return twin_models.market(data["ret"][:, firms].mean(axis=1), data["mkt"], data["est"], list(ev))


@pytest.mark.parametrize("window", [(-1, 3), (0, 0)])
def test_a_group_on_one_date_is_its_portfolio(sided, window):
    frame = by_group(sided, "side")
    for name in ("a", "b"):
        fit = portfolio_fit([i for i, s in enumerate(SIDES) if s == name], window)
        got = row(frame, name, window)
        assert got["caar"] == pytest.approx(fit["car"], **EXACT)
        assert got["se"] == pytest.approx(fit["car_se"], **EXACT)
        assert got["df"] == 238
        assert got["t_p"] == pytest.approx(single.t_two_sided(fit["car"] / fit["car_se"], 238), **EXACT)
        assert got["sq_p"] == pytest.approx(single.sq(fit)["p"], **EXACT)
        assert got["p"] == got["sq_p"]


@pytest.mark.parametrize("window", [(-1, 3), (0, 0)])
def test_the_difference_on_one_date_is_a_long_short_portfolio(sided, window):
    """Public data by hand: returns of a minus returns of b, one market model."""
    data = public.clustered()
    weights = np.array([1 / 3 if s == "a" else -1 / 3 for s in SIDES])
    ev = list(range(270 + window[0], 270 + window[1] + 1))
    fit = twin_models.market(data["ret"][:, :6] @ weights, data["mkt"], data["est"], ev)
    got = row(by_group(sided, "side"), "a - b", window)
    assert got["caar"] == pytest.approx(fit["car"], **EXACT)
    assert got["se"] == pytest.approx(fit["car_se"], **EXACT)
    assert got["t_p"] == pytest.approx(single.t_two_sided(fit["car"] / fit["car_se"], 238), **EXACT)
    assert got["sq_p"] == pytest.approx(single.sq(fit)["p"], **EXACT)
    assert (got["n"], got["dates"], got["status"]) == (6, 1, "ok")


def test_the_difference_is_the_slope_of_a_dummy(sided):
    got = row(by_group(sided, "side"), "a - b", (-1, 3))
    slope = regress_case(sided, "car ~ C(side, Treatment(reference='b'))")
    assert got["caar"] == pytest.approx(slope.coef[1], rel=1e-9)
    assert got["se"] == pytest.approx(slope.se[1], rel=1e-9)


def test_independent_dates_are_welch(twenty):
    data = pd.DataFrame({"ticker": [f"F{i}" for i in range(20)], "half": ["x"] * 8 + ["y"] * 12})
    frame = by_group(twenty, "half", data)
    car = window_stats(twenty.ar, (-1, 1)).car
    slow = stats.ttest_ind(car[:8], car[8:], equal_var=False)
    got = row(frame, "x - y", (-1, 1))
    assert got["statistic"] == pytest.approx(slow.statistic, **EXACT)
    assert got["p"] == pytest.approx(slow.pvalue, **EXACT)
    assert got["df"] == pytest.approx(slow.df, **EXACT)
    interval = slow.confidence_interval(0.95)
    assert (got["ci_low"], got["ci_high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)
    one = row(frame, "x", (-1, 1))
    slow_one = stats.ttest_1samp(car[:8], 0.0)
    assert (one["statistic"], one["p"]) == pytest.approx((slow_one.statistic, slow_one.pvalue), **EXACT)


def test_shared_dates_use_the_covariance_within_dates(two_dates):
    data = pd.DataFrame({"ticker": [f"F{i}" for i in range(6)], "side": SIDES})
    got = row(by_group(two_dates, "side", data), "a - b", (-1, 3))
    slope = regress_case(two_dates, "car ~ C(side, Treatment(reference='b'))", data=data, cov="sefcik_thompson")
    assert "within dates" in got["test"]
    assert (got["caar"], got["se"]) == pytest.approx((slope.coef[1], slope.se[1]), rel=1e-9)
    inside = row(by_group(two_dates, "side", data), "a", (-1, 3))
    assert "Kolari" in inside["test"]


def test_kolari_pynnonen_inflation_of_a_group(two_dates):
    data = pd.DataFrame({"ticker": [f"F{i}" for i in range(6)], "side": SIDES})
    got = row(by_group(two_dates, "side", data), "a", (-1, 3))
    rows = [i for i in range(12) if SIDES[i % 6] == "a"]
    car = window_stats(two_dates.ar, (-1, 3)).car[rows]
    from abnormal.inference._correlation import rbar_w

    r = rbar_w(two_dates.ar.take(rows), (-1, 3))
    plain = cross.t_xs(car)["stat"]
    assert got["statistic"] == pytest.approx(cross.kp_bmp(plain, r, 6)["stat"], **EXACT)


def test_windows_that_meet_leave_welch_marked_invalid(public_clustered):
    both = pd.concat([clustered_events(side=SIDES), clustered_events(row=272, event_id="late", side=SIDES)])
    case = case_of(*public_clustered, both)
    got = row(by_group(case, "side"), "a - b", (-1, 3))
    assert got["status"] == "invalid" and "windows meet" in got["reason"]
    assert np.isfinite(got["p"])


def test_groups_of_one_and_more_than_two(six, public_clustered):
    alone = by_group(six, "ticker")
    assert len(alone) == 12  # six firms, two windows, no difference
    assert alone["test"].unique().tolist() == ["t(M - k) of the pair"]
    assert alone["se"].to_numpy()[:6] == pytest.approx(window_stats(six.ar, (-1, 3)).se)
    events = clustered_events(range(2), side=["a", "b"])
    two = row(by_group(case_of(*public_clustered, events), "side"), "a - b", (-1, 3))
    assert two["status"] == "ok" and two["n"] == 2


def test_a_short_history_is_left_out_of_the_portfolio_and_named(public_clustered):
    ret, market = public_clustered
    events = clustered_events(range(8), row=225, side=["a", "a", "b", "b", "b", "a", "a", "b"])
    case = case_of(ret, market, events, estimation=(-200, -5), windows=[(0, 0)], min_obs=21)
    assert case.ar.m.min() == 21
    strict = case_of(ret, market, events, estimation=(-200, -5), windows=[(0, 0)], min_obs=21)
    got = row(by_group(strict, "side"), "a - b", (0, 0))
    assert got["n"] == 8
    fewer = case_of(ret, market, events[events["ticker"] != "F7"], estimation=(-200, -5), windows=[(0, 0)], min_obs=21)
    assert row(by_group(fewer, "side"), "a - b", (0, 0))["df"] > got["df"]


def test_reasons(six, twenty):
    with pytest.raises(UnknownName, match='did you mean "size"'):
        by_group(six, "sizes")
    with pytest.raises(RequestError, match="20 different values"):
        by_group(twenty, "size")
    data = pd.DataFrame({"ticker": ["F0", "F1", "F2"], "half": ["x", "y", "y"]})
    frame = by_group(twenty, "half", data)
    assert row(frame, "x - y", (-1, 1))["status"] == "not_applicable"
    assert "two pairs in each group" in row(frame, "x - y", (-1, 1))["reason"]
    assert len(frame.attrs["left_out"]) == 17


def test_order_of_pairs_changes_nothing(public_clustered, sided):
    turned = case_of(*public_clustered, clustered_events(side=SIDES).iloc[[5, 3, 1, 0, 2, 4]])
    a, b = by_group(sided, "side"), by_group(turned, "side")
    numbers = ["caar", "se", "p", "t_p", "sq_p"]
    assert b[numbers].to_numpy(float) == pytest.approx(a[numbers].to_numpy(float), rel=1e-9)
