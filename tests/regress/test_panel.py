"""Difference in differences: by hand, by pyfixest, by placebo dates, and without pyfixest."""

import sys

import numpy as np
import pandas as pd
import pytest

from abnormal.errors import BadData, RequestError, UnknownName
from abnormal.regress.panel import (
    OUTCOMES,
    activity_panel,
    corwin_schultz,
    did_activity,
    panel_event_study,
    placebo_did,
)


def panel(effect=1.0, first=60, periods=70, treated=3, units=9, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    rows = [
        (f"S{u}", t, first if u < treated else np.nan, u + np.sin(t) + noise * rng.standard_normal()
         + effect * (u < treated and t >= first))
        for u in range(units)
        for t in range(periods)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["ticker", "session", "treated_from", "y"])


# ------------------------------------------------------------------------------------------------ placebo dates


def test_the_placebo_is_a_difference_of_four_means():
    data = panel()
    got = placebo_did(data, "y")
    wide = data.pivot(index="session", columns="ticker", values="y").to_numpy()

    def delta(day):
        change = wide[day : day + 6].mean(axis=0) - wide[day - 5 : day].mean(axis=0)
        return change[:3].mean() - change[3:].mean()

    null = np.array([delta(q) for q in range(5, 55)])
    assert got.statistic == pytest.approx(delta(60), rel=1e-12)
    assert got.extra["values"] == pytest.approx(null, rel=1e-9, abs=1e-12)
    assert got.p == (1 + np.sum(np.abs(null) >= abs(delta(60)))) / 51


def test_the_placebo_statistic_is_the_two_way_coefficient_on_its_rows():
    pytest.importorskip("pyfixest")
    data = panel()
    cut = data[(data["session"] >= 55) & (data["session"] <= 65)]
    assert panel_event_study(cut, "y").att == pytest.approx(placebo_did(data, "y").statistic, rel=1e-8)


def test_placebo_size_and_power():
    p = [placebo_did(panel(0.0, seed=s), "y").p for s in range(25)]
    assert np.mean(np.array(p) <= 0.1) <= 0.3
    assert placebo_did(panel(3.0), "y").p == pytest.approx(1 / 51)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (panel(first=15), "5 earlier dates|needs 19"),
        (panel(treated=9), "no unit is never treated"),
        (pd.concat([panel(treated=3), panel(treated=3, first=50).replace({"ticker": {"S0": "T0"}}).query("ticker == 'T0'")]),
         "2 treatment dates"),
    ],
)  # fmt: skip
def test_when_there_is_no_placebo(data, reason):
    got = placebo_did(data, "y")
    assert got.status == "not_applicable"
    assert any(r in got.reason for r in reason.split("|"))


# ------------------------------------------------------------------------------------------------ pyfixest


def test_one_date_is_invalid_and_points_to_the_placebo():
    pytest.importorskip("pyfixest")
    got = panel_event_study(panel(), "y")
    assert got.status == "invalid" and "one cluster in time" in got.reason
    assert got.att == pytest.approx(1.0, abs=0.6)
    assert got.placebo.n == 50
    assert "placebo dates" in repr(got) and "INVALID" in repr(got)
    assert got.effects["period"].tolist() == [-5, -4, -3, -2, 0, 1, 2, 3, 4, 5]
    assert got.to_frame().loc[0, "n_obs"] == 630


def test_two_way_estimate_against_demeaned_least_squares():
    pytest.importorskip("pyfixest")
    data = panel()
    got = panel_event_study(data, "y")
    d = ((data["treated_from"].notna()) & (data["session"] >= 60)).astype(float)

    def within(v):
        v = pd.Series(np.asarray(v, float))
        return v - v.groupby(data["ticker"]).transform("mean") - v.groupby(data["session"]).transform("mean") + v.mean()

    x, y = within(d), within(data["y"])
    assert got.att == pytest.approx(float(x @ y / (x @ x)), rel=1e-8)


def test_leads_are_tested_jointly():
    pytest.importorskip("pyfixest")
    flat = panel_event_study(panel(units=30, treated=12), "y", window=(-3, 2))
    rising = panel(units=30, treated=12)
    early = rising["treated_from"].notna() & rising["session"].between(57, 58)
    rising.loc[early, "y"] += 3.0
    assert flat.leads_p > 0.01
    assert panel_event_study(rising, "y", window=(-3, 2)).leads_p < 1e-4


def test_staggered_dates_are_valid_and_two_way_is_questioned():
    pytest.importorskip("pyfixest")
    data = panel(units=12, treated=4)
    later = data["ticker"].isin(["S4", "S5", "S6"])
    data.loc[later, "treated_from"] = 40
    data.loc[later & (data["session"] >= 40), "y"] += 1.0
    for estimator in ("twfe", "did2s", "lpdid"):
        got = panel_event_study(data, "y", estimator=estimator, window=(-4, 4))
        assert got.status == "ok" and got.n_dates == 2
        assert got.att == pytest.approx(1.0, abs=0.5)
        assert bool(got.notes) == (estimator == "twfe")


def test_without_pyfixest_the_placebo_still_answers(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyfixest", None)
    got = panel_event_study(panel(3.0), "y")
    assert got.status == "not_applicable"
    assert 'pip install "abnormal[panel]"' in got.reason
    assert got.placebo.p == pytest.approx(1 / 51)


# ------------------------------------------------------------------------------------------------ reasons and bad input


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (panel(treated=9), "every unit is treated on the same date"),
        (panel(treated=0), "no unit is treated"),
        (panel(first=900), "no unit is treated"),
        (panel(first=0), "before its treatment"),
    ],
)
def test_panels_that_identify_nothing(data, reason):
    got = panel_event_study(data, "y")
    assert got.status == "not_applicable" and reason in got.reason


def test_bad_panels():
    data = panel()
    with pytest.raises(UnknownName, match="column"):
        panel_event_study(data, "z")
    with pytest.raises(UnknownName, match="estimator"):
        panel_event_study(data, "y", estimator="ols")
    with pytest.raises(RequestError, match="periods before and after"):
        panel_event_study(data, "y", window=(0, 5))
    with pytest.raises(RequestError, match="expected a DataFrame"):
        panel_event_study([1], "y")
    with pytest.raises(BadData, match="two rows"):
        panel_event_study(pd.concat([data, data.iloc[:1]]), "y")
    changing = data.copy()
    changing.loc[0, "treated_from"] = 30
    with pytest.raises(BadData, match="changes within a unit"):
        panel_event_study(changing, "y")


# ------------------------------------------------------------------------------------------------ from a study


@pytest.fixture(scope="module")
def zhipu():
    from abnormal.case import build
    from abnormal.request import settle

    return build(settle("anthropic_export_order"))


def test_a_study_gives_its_panel(zhipu):
    for outcome in OUTCOMES:
        frame = activity_panel(zhipu, outcome)
        assert set(frame["ticker"]) == {"2513.HK", "0700.HK", "9988.HK", "9888.HK"}
        assert frame["treated_from"].notna().groupby(frame["ticker"]).all()["2513.HK"]
        assert np.isfinite(frame[outcome]).all()
    got = did_activity(zhipu, "log_volume", window=(-10, 5))
    assert got.placebo.status == "ok" and got.placebo.n > 50
    assert got.n_treated == 1 and got.n_control == 3


def test_controls_by_name_and_what_is_missing(zhipu):
    assert set(activity_panel(zhipu, controls=["0700.HK"])["ticker"]) == {"2513.HK", "0700.HK"}
    with pytest.raises(UnknownName):
        activity_panel(zhipu, "turnover")


def test_spread_by_hand():
    """Two days with the same range and no gap: beta = 2 r^2, gamma = r^2, alpha = r (2 - sqrt 2 - 1) / k + ..."""
    high, low, close = np.array([102.0, 102.0]), np.array([100.0, 100.0]), np.array([101.0, 101.0])
    r = np.log(1.02)
    k = 3 - 2 * np.sqrt(2)
    alpha = (2 * r - np.sqrt(2) * r) / k - r / np.sqrt(k)
    assert corwin_schultz(high, low, close)[1] == pytest.approx(2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha)))
    gap = corwin_schultz(np.array([102.0, 112.0]), np.array([100.0, 110.0]), close)
    back = corwin_schultz(np.array([102.0, 103.0]), np.array([100.0, 101.0]), close)  # 110 - 101 moved back
    assert gap[1] == pytest.approx(back[1], rel=1e-12)
