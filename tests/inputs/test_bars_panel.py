"""Bars on the slots of an exchange: closures apart, gaps marked, halts split, ex-dates taken out, faults named."""

from __future__ import annotations

import numpy as np
import pytest

from abnormal.domain import Bars
from abnormal.errors import BadData, NotInStore, RequestError
from abnormal.inputs.bars_panel import on_slots, read_bars_for
from abnormal.inputs.calendars import session_calendar
from abnormal.inputs.providers.files import frame_to_bars
from abnormal.inputs.slots import KINDS, day_bars, neighbours, slot_grid, slot_returns
from abnormal.inputs.store import HeldPrices

HK, US = session_calendar("XHKG"), session_calendar("XNYS")


def random_walk(grid, seed=1, ticker="2513.HK", freq=None, **columns) -> Bars:
    """One bar for every bar of the grid, opens at the close before except after closures."""
    rng = np.random.default_rng(seed)
    n = grid.bars.starts.size
    close = 100 * np.exp(np.cumsum(0.002 * rng.standard_normal(n)))
    opens = np.append(100.0, close[:-1]) * np.exp(0.0005 * rng.standard_normal(n))
    made = {
        "open": opens, "high": np.maximum(opens, close) * 1.0005, "low": np.minimum(opens, close) * 0.9995, "close": close,
        "volume": np.round(np.exp(rng.normal(8, 0.3, n))),
    }  # fmt: skip
    minutes = grid.minutes if freq is None else freq
    return Bars(ticker, grid.bars.starts.copy(), made | columns, f"{minutes}m" if minutes < 60 else "1h")


def without(bars: Bars, rows) -> Bars:
    keep = np.ones(len(bars), bool)
    keep[rows] = False
    return Bars(bars.ticker, bars.time[keep], {k: v[keep] for k, v in bars.columns.items()}, bars.freq, bars.meta)


def moved(bars: Bars, shift: str | np.timedelta64) -> Bars:
    return Bars(bars.ticker, bars.time + np.timedelta64(shift), dict(bars.columns), bars.freq, bars.meta)


# ------------------------------------------------------------------------------------------------ the grid


def test_closures_are_slots_of_their_own():
    grid = slot_grid(HK, "2026-06-15", "2026-06-16", 60)
    assert [KINDS[k] for k in grid.kind] == ["overnight", *["bar"] * 3, "lunch", *["bar"] * 3]
    lunch = int(np.argmax(grid.kind == 2))
    assert str(grid.start[0, lunch])[11:16] == "04:00" and str(grid.end[0, lunch])[11:16] == "05:00"
    assert str(grid.start[1, 0])[:16] == "2026-06-15T08:00" and str(grid.end[1, 0])[:16] == "2026-06-16T01:30"
    assert [f"{c // 60}:{c % 60:02d}" for c in grid.clock[grid.is_bar]] == [
        "9:30",
        "10:30",
        "11:30",
        "13:00",
        "14:00",
        "15:00",
    ]
    assert grid.expected().tolist() == [6, 6]
    assert np.all(grid.start.ravel()[grid.place] == grid.bars.starts)


def test_half_days_lack_slots_and_the_closing_auction_is_one():
    grid = slot_grid(HK, "2026-02-13", "2026-02-20", 5)
    assert grid.expected().tolist() == [66, 30, 66]
    assert not grid.exists[1, np.argmax(grid.kind == 2)], "no lunch break on a half day"
    auction = slot_grid(HK, "2026-06-15", "2026-06-15", 5, closing_auction=True)
    assert auction.expected().tolist() == [67] and str(auction.end[0, -1])[11:16] == "08:10"


def test_the_clock_change_moves_utc_and_not_the_slot():
    grid = slot_grid(US, "2026-03-05", "2026-03-10", 30)
    starts = [str(t)[11:16] for t in grid.start[:, 1]]
    assert starts == ["14:30", "14:30", "13:30", "13:30"] and grid.slots == 14
    bars = random_walk(grid, ticker="NVDA")
    share = on_slots(bars, grid)
    assert share.notes == () and share.traded.all()
    assert np.isfinite(slot_returns(share, *share.levels())[1:]).all()


# ------------------------------------------------------------------------------------------------ returns


def test_slot_returns_add_up_to_the_price_path():
    grid = slot_grid(HK, "2026-06-15", "2026-06-18", 5)
    bars = random_walk(grid)
    share = on_slots(bars, grid)
    r = slot_returns(share, *share.levels())
    close, open_ = bars.get("close"), bars.get("open")
    assert np.isnan(r[0, 0]) and np.isfinite(r.ravel()[1:]).all()
    assert r[0, 1] == pytest.approx(np.log(close[0] / open_[0])), "the first bar runs from the open of the session"
    assert r[0, 2] == pytest.approx(np.log(close[1] / close[0]))
    lunch = int(np.argmax(grid.kind == 2))
    assert r[1, lunch] == pytest.approx(np.log(open_[66 + 30] / close[66 + 29]))
    assert r[1, lunch + 1] == pytest.approx(np.log(close[66 + 30] / open_[66 + 30]))
    assert r[1, 0] == pytest.approx(np.log(open_[66] / close[65]))
    assert np.nansum(r[1]) == pytest.approx(np.log(close[131] / close[65])), (
        "a session and its closures are the day's move"
    )
    day = day_bars(share)
    assert day.open[1] == open_[66] and day.close[1] == close[131] and day.before[1] == close[65]
    assert day.high[1] == bars.get("high")[66:132].max() and day.low[1] == bars.get("low")[66:132].min()
    assert day.volume[1] == bars.get("volume")[66:132].sum() and day.filled.tolist() == [66] * 4


def test_a_missing_bar_is_marked_and_the_next_one_carries_the_move():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 30)
    bars = random_walk(grid, ticker="NVDA")
    share = on_slots(without(bars, [4, 13]), grid)
    r = slot_returns(share, *share.levels())
    close, open_ = bars.get("close"), bars.get("open")
    assert np.isnan(r[0, 5]) and r[0, 6] == pytest.approx(np.log(close[5] / close[3]))
    assert np.isnan(r[1, 1]), "the first bar of the second session is missing"
    assert r[1, 0] == pytest.approx(np.log(open_[14] / close[12])), "the night ends at the first trade"
    assert r[1, 2] == pytest.approx(np.log(close[14] / open_[14]))
    assert share.traded.sum() == 24


def test_the_benchmark_is_measured_over_the_bars_the_share_traded_in():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 30)
    market = on_slots(without(random_walk(grid, 2, "SPY"), [6]), grid)
    share = on_slots(without(random_walk(grid, 1, "NVDA"), [4]), grid)
    levels = market.levels(carried=True)
    now = slot_returns(share, *levels)
    close = np.log(random_walk(grid, 2, "SPY").get("close"))
    assert now[0, 6] == pytest.approx(close[5] - close[3]) and np.isnan(now[0, 5])
    assert now[0, 7] == 0.0, "an empty bar of the market carries its price ..."
    assert now[0, 8] == pytest.approx(close[7] - close[5]), "... and the next one has the move"
    lag, lead = neighbours(share, *levels)
    assert lag[0, 6] == pytest.approx(close[3] - close[2]) and lead[0, 3] == pytest.approx(close[3] - close[2])
    assert np.isnan([lag[0, 1], lead[0, 13], lag[1, 0], lead[1, 0]]).all(), "nothing is looked up across a night"


def test_finer_bars_are_joined():
    fine, coarse = slot_grid(HK, "2026-06-15", "2026-06-16", 1), slot_grid(HK, "2026-06-15", "2026-06-16", 5)
    bars = random_walk(fine)
    joined = on_slots(without(bars, [0, 7]), coarse)
    c = bars.columns
    assert joined.open[0] == c["open"][1] and joined.close[0] == c["close"][4]
    assert joined.high[0] == c["high"][1:5].max() and joined.volume[0] == c["volume"][1:5].sum()
    assert joined.low[1] == np.delete(c["low"][5:10], 2).min() and joined.traded.all()
    source = HeldPrices({"2513.HK": bars}, "bars")
    assert read_bars_for(source, "2513.HK", "5m").freq == "1m"
    with pytest.raises(BadData, match="bars of 5m cannot make bars of 1 minutes"):
        on_slots(random_walk(coarse), fine)


def test_coarser_bars_than_asked_for_are_refused_with_the_line_to_type(tmp_path):
    from abnormal.inputs.store import PriceStore

    hours = HeldPrices({"2513.HK": random_walk(slot_grid(HK, "2026-06-15", "2026-06-16", 60))}, "the hours")
    with pytest.raises(RequestError, match='freq="1h"'):
        read_bars_for(hours, "2513.HK", "5m")
    with pytest.raises(NotInStore, match=r'abnormal fetch 2513.HK --freq 5m .*freq = "1d"'):
        read_bars_for(PriceStore(tmp_path), "2513.HK", "5m")


def test_a_silence_in_a_share_that_trades_is_a_halt():
    grid = slot_grid(HK, "2026-06-15", "2026-06-16", 5)
    bars = random_walk(grid)
    share = on_slots(without(bars, range(70, 80)), grid)
    assert np.flatnonzero(share.halted).tolist() == [80] and "halt" in share.notes[0]
    short = on_slots(without(bars, range(70, 72)), grid)
    thin = on_slots(without(bars, [*range(66, 130, 2), 81, 83, 85, 91, 93]), grid)
    assert not short.halted.any() and not thin.halted.any(), (
        "two empty bars, or a share that rarely trades, are no halt"
    )


def test_without_opens_the_night_takes_the_first_bar():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 60)
    bars = random_walk(grid, ticker="NVDA")
    share = on_slots(Bars("NVDA", bars.time, {"close": bars.get("close")}, "1h"), grid)
    r = slot_returns(share, *share.levels())
    assert np.isnan(r[1, 1]) and r[1, 0] == pytest.approx(np.log(bars.get("close")[7] / bars.get("close")[6]))
    assert any("no opens" in n for n in share.notes) and any("no volume" in n for n in share.notes)


# ------------------------------------------------------------------------------------------------ dividends and splits


def test_ex_dates_are_taken_out_of_the_night():
    grid = slot_grid(US, "2026-06-15", "2026-06-18", 60)
    bars = random_walk(grid, ticker="NVDA")
    plain = on_slots(bars, grid)
    close = day_bars(plain).close
    days = grid.sessions
    split_close = close / np.array([1, 1, 2.0, 2.0])
    columns = {k: v.copy() for k, v in bars.columns.items()}
    for name in ("open", "high", "low", "close"):
        columns[name][14:] /= 2
    daily = Bars(
        "NVDA", days, {"close": split_close, "dividends": np.array([0, 3.0, 0, 0]), "splits": np.array([0, 0, 2.0, 0])}
    )  # fmt: skip
    r0 = slot_returns(plain, *plain.levels())
    raw = on_slots(Bars("NVDA", bars.time, columns, "1h"), grid, daily)
    r = slot_returns(raw, *raw.levels())
    assert r[1, 0] - r0[1, 0] == pytest.approx(-np.log1p(-3.0 / close[0]))
    np.testing.assert_allclose(r[2:], r0[2:], atol=1e-12)
    assert "2026-06-16, 2026-06-17" in raw.notes[-1]
    adjusted = on_slots(bars, grid, daily)  # a vendor's bars without the jump: the split is in them already
    np.testing.assert_allclose(slot_returns(adjusted, *adjusted.levels())[2:], r0[2:], atol=1e-12)
    assert day_bars(raw).before[2] == pytest.approx(close[1] / 2)


# ------------------------------------------------------------------------------------------------ bad input


def test_bars_off_the_grid_are_left_out_and_named():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 5)
    bars = random_walk(grid, ticker="NVDA")
    time = bars.time.copy()
    time[[10, 20]] += np.timedelta64(2, "m")
    share = on_slots(Bars("NVDA", time, dict(bars.columns), "5m"), grid)
    assert share.notes == ("2 bars off the 5m grid (first 2026-06-15 14:22 UTC) left out",)
    assert np.flatnonzero(~share.traded).tolist() == [10, 20]
    with pytest.raises(BadData, match=r"156 of 156 bars do not start on the 5m grid of XNYS .*first 2026-06-15 13:32"):
        on_slots(moved(bars, np.timedelta64(2, "m")), grid)


def test_bars_outside_the_hours_are_left_out_and_named():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 30)
    bars = random_walk(grid, ticker="NVDA")
    late = Bars("NVDA", np.append(bars.time, bars.time[-1] + np.timedelta64(30, "m")),
                {k: np.append(v, v[-1]) for k, v in bars.columns.items()}, "30m")  # fmt: skip
    assert on_slots(late, grid).notes == ("1 bar outside the hours of XNYS (first 2026-06-16 20:00 UTC) left out",)


def test_exchange_time_written_as_utc_is_recognised():
    grid = slot_grid(HK, "2026-06-15", "2026-06-18", 5)
    local = moved(random_walk(grid), np.timedelta64(8, "h"))
    with pytest.raises(BadData, match="look like times of Asia/Hong_Kong written as UTC"):
        on_slots(local, slot_grid(HK, "2026-06-15", "2026-06-18", 5))
    with pytest.raises(BadData, match='calendar = "XHKG" now'):
        on_slots(random_walk(slot_grid(US, "2026-06-15", "2026-06-18", 5)), grid)


def test_exchange_time_without_a_zone_is_refused_by_the_reader():
    import pandas as pd

    frame = pd.DataFrame({"ts": ["2026-06-15 09:30", "2026-06-15 09:35"], "ticker": "2513.HK", "close": [1.0, 2.0]})
    with pytest.raises(BadData, match="no timezone"):
        frame_to_bars(frame)


def test_double_and_unsorted_bars_are_said():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 30)
    bars = random_walk(grid, ticker="NVDA")
    order = np.r_[3, 0:26, 5]
    mixed = Bars("NVDA", bars.time[order], {k: v[order] for k, v in bars.columns.items()}, "30m")
    mixed.columns["close"][-1] = 1.0
    share = on_slots(mixed, grid)
    np.testing.assert_array_equal(share.close, bars.get("close"))
    assert "sorted" in share.notes[0] and share.notes[1].startswith("2 bars (first 2026-06-15 15:00 UTC) came twice")
    told = Bars("NVDA", bars.time, dict(bars.columns), "30m", {"duplicates": "2026-06-15T15:00 differs"})
    assert "came twice" in on_slots(told, grid).notes[0]


def test_prices_that_cannot_be_are_left_out_and_named():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 30)
    bars = random_walk(grid, ticker="NVDA")
    columns = {k: v.copy() for k, v in bars.columns.items()}
    columns["close"][3], columns["high"][5] = -1.0, columns["low"][5] * 0.9
    share = on_slots(Bars("NVDA", bars.time, columns, "30m"), grid)
    assert not share.traded[3] and share.traded[5]
    assert share.high[5] == share.close[5]
    assert any("zero or less" in n for n in share.notes) and any("high below its low" in n for n in share.notes)


def test_flat_bars_without_volume_are_no_trades():
    grid = slot_grid(US, "2026-06-15", "2026-06-16", 30)
    bars = random_walk(grid, ticker="NVDA")
    columns = {k: v.copy() for k, v in bars.columns.items()}
    columns["volume"][[4, 8]] = 0
    for name in ("open", "high", "low", "close"):
        columns[name][4] = columns["close"][3]
    share = on_slots(Bars("NVDA", bars.time, columns, "30m"), grid)
    assert not share.traded[4] and share.traded[8], "a price that moved was traded, whatever the volume says"
    index = on_slots(Bars("^GSPC", bars.time, columns, "30m"), grid)
    assert index.traded.all()
