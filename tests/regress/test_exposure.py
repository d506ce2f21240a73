"""Exposure regressions: what a slope is worth against the same slope on the days before."""

import numpy as np
import pandas as pd
import pytest

from abnormal import Returns, StudySpec
from abnormal.errors import BadData, NotInStore, RequestError, UnknownName
from abnormal.regress.exposure import exposure, pre_event_slopes

DAYS = pd.bdate_range("2024-01-01", periods=320)
NAMES = [f"S{i}" for i in range(15)]
EVENT = 300


def world(effect=0.0, seed=0):
    """Returns of fifteen shares with a market factor and a hidden factor that loads on the exposure."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0, 1, 15)
    market = 0.01 * rng.standard_normal(320)
    hidden = 0.015 * rng.standard_normal(320)
    ret = market[:, None] + np.outer(hidden, share) + 0.02 * rng.standard_normal((320, 15))
    ret[EVENT] += effect * share
    frame = pd.DataFrame(ret, index=DAYS, columns=NAMES)
    frame.index.name = "date"
    return frame, pd.Series(market, index=DAYS), pd.Series(share, NAMES, name="share")


def test_against_a_loop_over_days_by_hand():
    frame, _, share = world(0.05)
    got = exposure(Returns(frame), share, DAYS[EVENT])
    z = np.column_stack([np.ones(15), share])
    w = np.linalg.inv(z.T @ z) @ z.T
    est = frame.to_numpy()[EVENT - 260 : EVENT - 10]
    centred = est - est.mean(axis=0)
    null = np.array([w @ day for day in centred])
    d0 = w @ (frame.to_numpy()[EVENT] - est.mean(axis=0))
    assert got.coef == pytest.approx(d0, rel=1e-9)
    assert got.se == pytest.approx(null.std(axis=0, ddof=1), rel=1e-9)
    p = [(1 + np.sum(np.abs(null[:, j]) >= abs(d0[j]) - 1e-12)) / 251 for j in range(2)]
    assert got.p == pytest.approx(p, rel=1e-12)
    assert pre_event_slopes(got, "share") == pytest.approx(np.abs(null[:, 1]), rel=1e-8)
    assert got.facts["m"] == 250


def test_a_planted_effect_is_seen_and_none_is_not():
    for effect, seen in ((0.12, True), (0.0, False)):
        frame, market, share = world(effect, seed=5)
        got = exposure(Returns(frame), share, DAYS[EVENT], benchmark=market)
        assert (got.pvalues["share"] < 0.05) == seen
        assert got.status == "ok" and got.cov == "tsols"
        assert set(got.beside["cov"]) == {"sefcik_thompson", "HC3"}


def test_plain_errors_are_smaller_than_the_spread_over_days():
    frame, _, share = world(seed=1)
    got = exposure(Returns(frame), share, DAYS[EVENT])
    hc3 = got.beside[(got.beside["cov"] == "HC3") & (got.beside["term"] == "share")].iloc[0]
    assert hc3["status"] == "invalid"
    assert hc3["se"] < got.bse["share"]
    twin = got.beside[(got.beside["cov"] == "sefcik_thompson") & (got.beside["term"] == "share")].iloc[0]
    assert twin["se"] == pytest.approx(got.bse["share"], rel=0.02)


def test_a_benchmark_takes_the_betas_out():
    frame, market, share = world(0.05)
    raw = exposure(Returns(frame), share, DAYS[EVENT])
    adjusted = exposure(Returns(frame), share, DAYS[EVENT], benchmark=market)
    assert adjusted.se[0] < raw.se[0]
    priced = (1 + frame.assign(IDX=market)).cumprod() * 100
    by_ticker = exposure(priced, share, DAYS[EVENT], benchmark="IDX")
    assert by_ticker.coef == pytest.approx(adjusted.coef, rel=1e-8)


def test_forms_of_exposures_and_formulas():
    frame, _, share = world()
    columns = pd.DataFrame({"ticker": NAMES, "China share": share.to_numpy(), "open": np.arange(15) % 2})
    got = exposure(Returns(frame), columns, str(DAYS[EVENT].date()))
    assert got.names == ("Intercept", "Q('China share')", "open")
    chosen = exposure(Returns(frame), columns, DAYS[EVENT], formula="car ~ open", cov="sefcik_thompson")
    assert (chosen.names, chosen.cov) == (("Intercept", "open"), "sefcik_thompson")
    window = exposure(Returns(frame), share, DAYS[EVENT], window=(0, 2))
    assert window.window == (0, 2) and window.facts["m"] == 248
    spec = StudySpec(seed=7, alternative="greater")
    assert exposure(Returns(frame), share, DAYS[EVENT], spec=spec).alternative == "greater"
    with pytest.raises(RequestError, match="keeps no slopes"):
        pre_event_slopes(chosen, "open")
    with pytest.raises(UnknownName):
        pre_event_slopes(got, "closed")


def test_shares_without_prices_or_history_are_named():
    frame, _, share = world()
    late = frame.copy()
    late.loc[DAYS[:290], "S3"] = np.nan
    more = pd.concat([share, pd.Series({"NONE": 0.5}, name="share")])
    got = exposure(Returns(late), more, DAYS[EVENT])
    assert got.n == 14
    said = {x.ticker: x.reason for x in got.excluded}
    assert said["NONE"] == "no prices"
    assert "returns in (-260, -11)" in said["S3"] or "no return" in said["S3"]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([1, 2], RequestError, "list given"),
        (pd.DataFrame({"ticker": ["S0", "S0"], "x": [1, 2]}), BadData, "S0 occurs twice"),
        (pd.DataFrame({"ticker": ["S0"]}), RequestError, "no column besides ticker"),
        (pd.DataFrame({"ticker": ["S0"], "date": [1]}), RequestError, "names an event"),
        (pd.Series({"X": 1.0}, name="x"), NotInStore, "abnormal fetch X"),
    ],
)
def test_what_cannot_be_used(given, error, words):
    with pytest.raises(error, match=words):
        exposure(Returns(world()[0]), given, DAYS[EVENT])
