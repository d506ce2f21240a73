"""Made-up prices: the effect put in is the effect found, and the bars are possible ones."""

from __future__ import annotations

import numpy as np
import pytest

from abnormal.errors import RequestError
from abnormal.inputs.providers.synthetic import synthetic_bars


def returns(bars):
    close = bars.get("close")
    return np.diff(np.log(close))


def test_the_effect_is_there_and_nowhere_else():
    plain = synthetic_bars(3, 100, seed=4)
    moved = synthetic_bars(3, 100, seed=4, effects={("F2", 60): -0.25})
    np.testing.assert_array_equal(plain["F1"].get("close"), moved["F1"].get("close"))
    change = returns(moved["F2"]) - returns(plain["F2"])
    assert change[59] == pytest.approx(np.log(0.75), abs=1e-12)
    np.testing.assert_allclose(np.delete(change, 59), 0, atol=1e-12)


def test_beta_and_sigma_are_those_asked_for():
    bars = synthetic_bars(1, 5000, seed=2, beta=1.5, sigma=0.02, market_sigma=0.01)
    x, y = returns(bars["MARKET"]), returns(bars["F1"])
    slope, level = np.polyfit(x, y, 1)
    assert slope == pytest.approx(1.5, abs=0.1)
    assert np.std(y - slope * x - level) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("freq", "exchange"), [("1d", "US"), ("5m", "US"), ("30m", "HK"), ("1h", "HK")])
def test_bars_are_possible_and_seeded(freq, exchange):
    one = synthetic_bars(["2513.HK"], 5, freq=freq, exchange=exchange, seed=9)
    two = synthetic_bars(["2513.HK"], 5, freq=freq, exchange=exchange, seed=9)
    bars = one["2513.HK"]
    np.testing.assert_array_equal(bars.get("close"), two["2513.HK"].get("close"))
    assert (bars.get("high") >= np.maximum(bars.get("open"), bars.get("close"))).all()
    assert (bars.get("low") <= np.minimum(bars.get("open"), bars.get("close"))).all()
    assert (np.diff(bars.time.astype(np.int64)) > 0).all() and (bars.get("volume") > 0).all()


def test_hong_kong_has_a_lunch_break():
    time = synthetic_bars(1, ["2026-06-15"], freq="30m", exchange="HK")["F1"].time
    clock = [str(t)[11:16] for t in time + np.timedelta64(8, "h")]
    assert clock == ["09:30", "10:00", "10:30", "11:00", "11:30", "13:00", "13:30", "14:00", "14:30", "15:00", "15:30"]


def test_new_york_moves_with_its_clock():
    time = synthetic_bars(1, ["2026-01-15", "2026-06-15"], freq="1h")["F1"].time
    assert [str(time[0])[11:16], str(time[7])[11:16]] == ["14:30", "13:30"]


def test_an_effect_nobody_can_have_is_refused():
    with pytest.raises(RequestError, match="position 99"):
        synthetic_bars(1, 50, effects={("F1", 99): 0.1})
    with pytest.raises(RequestError, match="'X'"):
        synthetic_bars(1, 50, effects={("X", 9): 0.1})
