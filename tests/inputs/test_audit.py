"""The audit: every fault a price file can hold is named by ticker, date and rule, and a clean file is met with silence."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from abnormal.checks.data_audit import data_audit
from abnormal.domain import Bars, Event, Link, Pair
from abnormal.errors import UnknownName
from abnormal.inputs.audit import RULES, Finding, audit, audit_bars, copies, counts, kind_of, rule, thinness
from abnormal.inputs.calendars import panel_calendar, session_calendar
from abnormal.inputs.providers.files import frame_to_bars
from abnormal.inputs.store import HeldPrices
from abnormal.spec import StudySpec

XHKG = session_calendar("XHKG")
SESSIONS = XHKG.between("2023-01-03", "2023-12-29").sessions
AT = 119  # the bar that is spoilt: 2023-06-30


def clean(ticker="0001.HK", seed=1, sessions=SESSIONS, **meta):
    """A year of bars nothing is wrong with: fat-tailed moves, ranges around them, volume that wanders."""
    rng = np.random.default_rng(seed)
    n = sessions.size
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_t(5, n) / np.sqrt(5 / 3)))
    before = np.concatenate([[50.0], close[:-1]])
    open_ = before * np.exp(0.005 * rng.normal(size=n))
    high = np.maximum(open_, close) * np.exp(np.abs(0.006 * rng.normal(size=n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(0.006 * rng.normal(size=n)))
    volume = np.round(1e6 * np.exp(0.4 * rng.normal(size=n)))
    columns = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    return Bars(ticker, sessions, columns, "1d", meta)


def spoilt(rows, bars=None, **columns):
    """The bars with these values at these rows."""
    bars = clean() if bars is None else bars
    new = {name: values.copy() for name, values in bars.columns.items()}
    for name, value in columns.items():
        new.setdefault(name, np.full(len(bars), np.nan))[rows] = value
    return dataclasses.replace(bars, columns=new)


def scaled(factor, before=AT, bars=None, shares=True):
    """Bars whose prices before a row are in another unit; `shares`: the number of shares changes the other way."""
    bars = clean() if bars is None else bars
    new = {name: values.copy() for name, values in bars.columns.items()}
    for name in ("open", "high", "low", "close"):
        if name in new:
            new[name][:before] *= factor
    if shares and "volume" in new:
        new["volume"][:before] /= factor
    return dataclasses.replace(bars, columns=new)


def only(bars, *names):
    return dataclasses.replace(bars, columns={name: bars.columns[name] for name in names})


def named(bars, wanted, **options):
    """Findings of one rule."""
    return [f for f in audit_bars(bars, XHKG, **options) if f.rule == wanted]


def one(bars, wanted, row=AT, **options):
    """The only finding of a rule, on the day of a row."""
    (found,) = named(bars, wanted, **options)
    assert (found.ticker, found.date) == (bars.ticker, bars.time[row])
    return found


# ------------------------------------------------------------------------------------------------ silence


def test_clean_bars_are_met_with_silence():
    """Forty clean years of bars give no fault, no doubt, and hardly a note."""
    found = [f for seed in range(40) for f in audit_bars(clean(seed=seed), XHKG)]
    assert not [f for f in found if f.weight != "note"]
    assert len(found) <= 4 and {f.rule for f in found} <= {"extreme_return"}


def test_rules_have_ids_of_their_own_and_say_what_they_see():
    assert len({r.id for r in RULES}) == len(RULES) >= 20
    assert all(len(r.doc) > 40 for r in RULES)
    assert rule("bad_print").weight == "fault"
    with pytest.raises(UnknownName, match="did you mean"):
        rule("bad_prints")


# ------------------------------------------------------------------------------------------------ one bar


@pytest.mark.parametrize("column, value", [("close", 0.0), ("close", -3.0), ("low", 0.0), ("open", -1.0)])
def test_price_of_zero_or_below(column, value):
    found = one(spoilt(AT, **{column: value}), "price_not_positive")
    assert column in found.message and f"{value:g}" in found.message and found.weight == "fault"
    assert ("no return" in found.effect) == (column == "close")


def test_high_below_low():
    bars = clean()
    swapped = spoilt(AT, high=bars.get("low")[AT] * 0.99, low=bars.get("high")[AT])
    assert one(swapped, "high_below_low").weight == "fault"


@pytest.mark.parametrize("side, factor", [("high", 0.97), ("low", 1.03)])
def test_close_outside_high_low(side, factor):
    bars = clean()
    close = bars.get("close")[AT]
    wide = spoilt(AT, high=close * 1.1, low=close * 0.9, open=close)
    found = one(spoilt(AT, wide, **{side: close * factor, "open": close * factor}), "close_outside_range")
    assert f"{close:.6g}" in found.message


def test_open_outside_high_low_and_what_rounding_does():
    bars = clean()
    assert one(spoilt(AT, open=bars.get("high")[AT] * 1.02), "open_outside_range").weight == "doubt"
    assert not named(spoilt(AT, open=bars.get("high")[AT] * (1 + 5e-6)), "open_outside_range")


def test_average_price_paid_outside_the_range_in_any_unit_of_turnover():
    bars = clean()
    paid = bars.get("volume") * (bars.get("high") + bars.get("low")) / 2
    for unit in (1.0, 1e3, 1e-4):
        whole = dataclasses.replace(bars, columns=dict(bars.columns) | {"turnover": paid / unit})
        assert not named(whole, "vwap_outside_range")
        assert one(spoilt(AT, whole, turnover=0.4 * paid[AT] / unit), "vwap_outside_range")


def test_returns_of_minus_one_hundred_percent():
    ret = 0.01 * np.random.default_rng(1).normal(size=SESSIONS.size)
    bars = Bars("R", SESSIONS, {"ret": ret})
    assert not audit_bars(bars, XHKG)
    assert one(spoilt(AT, bars, ret=-1.2), "impossible_return")


def test_no_bars_and_no_prices():
    empty = Bars("E", SESSIONS[:0], {"close": np.empty(0)})
    assert [f.rule for f in audit_bars(empty, XHKG)] == ["no_price"]
    assert [f.rule for f in audit_bars(Bars("N", SESSIONS, {"close": np.full(SESSIONS.size, np.nan)}), XHKG)] == [
        "no_price"
    ]


# ------------------------------------------------------------------------------------------------ dates


def test_duplicate_dates_and_rows_out_of_order():
    bars = clean()
    order = np.concatenate([np.arange(AT + 1), [AT], np.arange(AT + 1, len(bars))])
    twice = dataclasses.replace(bars, time=bars.time[order], columns={k: v[order] for k, v in bars.columns.items()})
    assert "same" in one(twice, "duplicate_date").message
    twice.columns["close"][AT + 1] *= 1.001
    assert "differ" in one(twice, "duplicate_date").message
    assert not named(twice, "unsorted")
    order = np.concatenate([np.arange(AT), [AT + 1, AT], np.arange(AT + 2, len(bars))])
    mixed = dataclasses.replace(bars, time=bars.time[order], columns={k: v[order] for k, v in bars.columns.items()})
    found = audit_bars(mixed, XHKG)
    assert [(f.rule, f.date) for f in found if f.weight == "note"][:1] == [("unsorted", bars.time[AT])]
    assert not [f for f in found if f.weight != "note"]


def test_duplicate_and_unsorted_rows_of_a_file_come_from_its_notes():
    bars = clean()
    frame = pd.DataFrame({"date": bars.time, "ticker": "X", "close": bars.get("close")})
    frame = pd.concat([frame.iloc[:50], frame.iloc[[49]].assign(close=1.0), frame.iloc[60:], frame.iloc[50:60]])
    read = frame_to_bars(frame)["X"]
    found = {f.rule: f for f in audit_bars(read, XHKG)}
    assert found["duplicate_date"].date == bars.time[49] and "differ" in found["duplicate_date"].message
    assert found["unsorted"].date == bars.time[50]


def test_gaps_against_the_exchange_calendar():
    bars = clean()
    keep = np.delete(np.arange(len(bars)), [AT, AT + 1, AT + 2, 200])
    holed = dataclasses.replace(bars, time=bars.time[keep], columns={k: v[keep] for k, v in bars.columns.items()})
    first, second = named(holed, "calendar_gap")
    assert (first.date, first.until) == (bars.time[AT], bars.time[AT + 2]) and "3 sessions" in first.message
    assert second.date == second.until == bars.time[200]
    (bare,) = named(spoilt(AT, close=np.nan), "calendar_gap")
    assert bare.date == bars.time[AT] and "rows without a price" in bare.message


def test_typhoon_days_are_no_sessions():
    """No bars on 1 and 8 September 2023, and no gap: the exchange was shut."""
    assert not np.isin(np.array(["2023-09-01", "2023-09-08"], "datetime64[D]"), SESSIONS).any()
    assert not named(clean(), "calendar_gap")


def test_bars_on_days_without_a_session():
    bars = clean()
    stray = np.array(["2023-09-01", "2023-06-10"], "datetime64[D]")  # a typhoon, a Saturday
    time = np.sort(np.concatenate([bars.time, stray]))
    at = np.searchsorted(bars.time, time).clip(0, len(bars) - 1)
    more = dataclasses.replace(bars, time=time, columns={k: v[at] for k, v in bars.columns.items()})
    found = named(more, "surplus_day")
    assert [str(f.date) for f in found] == ["2023-06-10", "2023-09-01"]
    assert "Saturday" in found[0].message and "left out" in found[0].effect
    alone = [f for f in audit_bars(more, None) if f.rule == "surplus_day"]
    assert [str(f.date) for f in alone] == ["2023-06-10"]


def test_panel_dates_are_the_sessions_where_nothing_else_is_known():
    bars = clean()
    panel = panel_calendar(np.concatenate([bars.time, np.array(["2023-09-01"], "datetime64[D]")]))
    gaps = [f for f in audit_bars(bars, panel) if f.rule == "calendar_gap"]
    assert [str(f.date) for f in gaps] == ["2023-09-01"]


def test_bars_before_the_listing():
    found = one(clean(), "before_listing", 0, listing_date="2023-06-30")
    assert "119 bars" in found.message and str(found.until) == "2023-06-29"
    assert one(clean(listing_date="2023-06-30"), "before_listing", 0)


# ------------------------------------------------------------------------------------------------ volume


def test_flat_bars_without_volume_name_the_half_day():
    bars = clean(sessions=XHKG.between("2023-07-03", "2024-06-28").sessions)
    eve = int(np.searchsorted(bars.time, np.datetime64("2024-02-09")))
    last = bars.get("close")[eve - 1]
    flat = dict.fromkeys(("open", "high", "low", "close"), last) | {"volume": 0.0}
    found = one(spoilt(eve, bars, **flat), "flat_zero_volume", eve)
    assert "half day" in found.message and "no return here" in found.effect
    ordinary = one(spoilt(AT, bars, **flat | dict.fromkeys(("open", "high", "low", "close"), 40.0)), "flat_zero_volume")
    assert "half day" not in ordinary.message
    assert not named(spoilt(eve, bars, **flat), "zero_volume")


def test_zero_and_missing_volume_of_neighbouring_bars_are_one_finding():
    rows = [AT, AT + 1, AT + 2]
    found = one(spoilt(rows, volume=0.0), "zero_volume")
    assert found.until == SESSIONS[AT + 2] and "3 bars" in found.message
    found = one(spoilt(rows, volume=np.nan), "missing_volume")
    assert "3 bars" in found.message and found.weight == "note"
    assert not named(only(clean(), "close"), "missing_volume")
    assert not named(spoilt(slice(None), volume=0.0), "zero_volume")  # an index: zero throughout says nothing


def test_thinness_report_and_its_rule():
    bars = spoilt(slice(0, None, 4), volume=0.0)
    report = thinness(bars, XHKG)
    assert report.sessions == len(bars) - 1  # the first bar is untraded: counted from the first trade on
    assert report.untraded == pytest.approx(np.mean(bars.get("volume")[1:] == 0))
    assert report.zero_volume == pytest.approx(np.mean(bars.get("volume") == 0))
    assert report.mean_gap == pytest.approx((len(bars) - 2) / (np.sum(bars.get("volume") > 0) - 1))
    assert 'thin="trade_to_trade"' in named(bars, "thin_trading")[0].effect
    assert not named(spoilt(slice(0, None, 12), volume=0.0), "thin_trading")
    assert thinness(clean()).untraded == 0.0
    assert np.isnan(thinness(Bars("N", SESSIONS, {"close": np.full(SESSIONS.size, np.nan)})).untraded)


def test_marked_values_are_told_once_a_day():
    marks = "2023-06-30 volume: left empty\n2023-06-30 high: patched\n2023-07-03 close: typed by hand"
    bars = spoilt(AT, clean(marks=marks), volume=np.nan)
    first, second = named(bars, "marked")
    assert first.message == "volume marked: left empty; high marked: patched"
    assert "close" in second.message and second.effect != first.effect
    assert not named(bars, "missing_volume")


# ------------------------------------------------------------------------------------------------ slips, splits, news


@pytest.mark.parametrize("factor", [1e4, 100.0, 10.0, 0.1, 1e-4])
def test_a_print_that_reverts_is_bad_whatever_the_volume(factor):
    close = clean().get("close")[AT]
    for volume in (1e6, 5e7):
        found = one(spoilt(AT, close=close * factor, volume=volume), "bad_print")
        assert found.weight == "fault" and "come back" in found.message
    assert not named(spoilt(AT, close=close * factor), "extreme_return")
    assert not named(spoilt(AT, close=close * factor), "unadjusted_split")


def test_a_price_of_ten_thousand():
    assert "10000" in one(spoilt(AT, close=1e4), "bad_print").message


def test_bad_prints_of_two_bars_and_in_the_adjusted_close():
    bars = clean()
    two = one(spoilt([AT, AT + 1], close=5.0 * bars.get("close")[AT]), "bad_print")
    assert two.until == bars.time[AT + 1]
    both = dataclasses.replace(bars, columns=dict(bars.columns) | {"adj_close": bars.get("close") * 0.9})
    assert "adj_close" in one(spoilt(AT, both, adj_close=1e4), "bad_print").message


def test_a_high_no_trade_can_have_made():
    bars = clean()
    assert "high" in one(spoilt(AT, high=30 * bars.get("close")[AT]), "bad_print").message
    assert "low" in one(spoilt(AT, low=0.03 * bars.get("close")[AT]), "bad_print").message
    assert not named(spoilt(AT, high=1.48 * bars.get("close")[AT]), "bad_print")  # a day that gave back 48%


def test_a_fall_of_47_percent_on_huge_volume_that_stays_is_news():
    """As after a lock-up: not a slip, not a split, but worth knowing; and volume says that it was traded."""
    bars = scaled(1 / 0.532, shares=False)
    bars = spoilt(AT, bars, volume=40e6, open=bars.get("close")[AT] * 1.2, high=bars.get("close")[AT] * 1.25)
    found = one(bars, "extreme_return")
    assert "volume confirms it (40,000,000 shares" in found.message and found.weight == "note"
    assert {f.rule for f in audit_bars(bars, XHKG)} == {"extreme_return"}


def test_a_squeeze_on_heavy_volume_is_traded_and_not_a_slip():
    bars = clean()
    up = bars.get("close")[AT] * 1.9
    squeeze = spoilt(AT, bars, close=up, high=up * 1.05, volume=30e6)
    assert not named(squeeze, "bad_print")
    assert named(spoilt(AT, bars, close=up, high=up * 1.05), "bad_print")


@pytest.mark.parametrize("ratio, kind", [(2, "2:1 split"), (3, "3:1 split"), (10, "10:1 split"), (1.5, "3:2 split")])
@pytest.mark.parametrize("shares", [True, False])
def test_a_split_the_prices_are_not_adjusted_for(ratio, kind, shares):
    found = one(scaled(ratio, shares=shares), "unadjusted_split")
    assert kind in found.message and found.weight == "fault"
    assert "on ordinary volume, and it stays" in found.message and "as a return of -" in found.effect
    assert not named(scaled(ratio, shares=shares), "extreme_return")


def test_a_consolidation_the_prices_are_not_adjusted_for():
    assert "1:10 consolidation" in one(scaled(0.1), "unadjusted_split").message


def test_a_split_in_closes_alone_is_a_doubt():
    found = one(only(scaled(2.0), "close"), "unadjusted_split")
    assert found.weight == "doubt" and "no open to tell" in found.message


def test_splits_the_bars_account_for_are_not_told():
    bars = scaled(2.0)
    ratio = np.zeros(len(bars))
    ratio[AT] = 2.0
    with_split = dataclasses.replace(bars, columns=dict(bars.columns) | {"splits": ratio})
    assert not named(with_split, "unadjusted_split")
    stated = np.concatenate([[50.0], bars.get("close")[:-1]])
    stated[AT] /= 2.0
    with_prev = dataclasses.replace(bars, columns=dict(bars.columns) | {"prev_close": stated})
    assert not named(with_prev, "unadjusted_split")
    assert "split" in one(with_prev, "prev_close_break").message


def test_a_change_of_currency_is_told_from_a_split_by_the_shares():
    assert one(scaled(7.8, shares=False), "currency_change").weight == "fault"
    assert not named(scaled(7.8, shares=False), "unadjusted_split")
    assert "1/7." in one(scaled(7.8, shares=False), "currency_change").message
    london = dataclasses.replace(scaled(0.01, shares=False), ticker="SHEL.L")
    assert one(london, "currency_change")


def test_a_currency_other_than_the_exchanges():
    (found,) = named(clean(currency="USD"), "currency_change")
    assert found.date is None and "USD" in found.message and "HKD" in found.message
    assert not named(clean(currency="HKD"), "currency_change")


def test_previous_close_chain_breaks():
    bars = clean()
    stated = np.concatenate([[45.0], bars.get("close")[:-1]])  # the first is an offer price and no break
    stated[AT] -= 0.6
    found = one(dataclasses.replace(bars, columns=dict(bars.columns) | {"prev_close": stated}), "prev_close_break")
    assert "a dividend of 0.6" in found.message and found.weight == "note"
    stated[AT] += 1.2
    found = one(dataclasses.replace(bars, columns=dict(bars.columns) | {"prev_close": stated}), "prev_close_break")
    assert "upwards" in found.message


def test_stale_prices():
    bars = clean()
    same = bars.get("close")[AT]
    rows = slice(AT, AT + 6)
    frozen = spoilt(rows, close=same, open=same, high=same * 1.01, low=same * 0.99)
    found = one(frozen, "stale_price")
    assert "6 bars" in found.message and found.until == bars.time[AT + 5]
    assert not named(spoilt(slice(AT, AT + 4), close=same), "stale_price")


def test_stale_prices_of_a_penny_share_are_ticks():
    rng = np.random.default_rng(3)
    close = 0.05 + 0.001 * np.cumsum(rng.choice([-1, 0, 0, 1], SESSIONS.size)).clip(-20, 60)
    bars = Bars("0002.HK", SESSIONS, {"close": close, "volume": np.full(SESSIONS.size, 1e6)})
    assert np.max(np.diff(np.flatnonzero(np.diff(close)))) >= 5  # there are runs of five equal closes
    assert not named(bars, "stale_price")


def test_what_is_extreme_follows_the_weather():
    """The same 12% move is told in a calm year and not in a storm."""
    calm = clean()
    stormy = np.diff(np.log(calm.get("close")), prepend=np.log(50.0))
    stormy[AT - 40 : AT + 40] *= 3
    for size, told in ((0.12, True), (0.12, False)):
        moves = np.diff(np.log(calm.get("close")), prepend=np.log(50.0)) / 2 if told else stormy.copy()
        moves[AT] = size
        bars = Bars("0003.HK", SESSIONS, {"close": 50 * np.exp(np.cumsum(moves)), "volume": calm.get("volume")})
        assert (bars.time[AT] in [f.date for f in named(bars, "extreme_return")]) is told


def test_the_listing_day_is_not_extreme():
    bars = scaled(0.4, before=1, shares=False)
    assert named(only(bars, "close"), "extreme_return") or named(only(bars, "close"), "unadjusted_split")
    assert not named(only(bars, "close"), "extreme_return", listing_date=str(bars.time[1]))


def test_intraday_bars_are_asked_what_they_can_answer():
    day = np.datetime64("2023-06-05T01:30", "ns")
    time = np.concatenate([day + np.timedelta64(d, "D") + np.arange(6) * np.timedelta64(1, "h") for d in (0, 1, 3, 4)])
    close = 10 * np.exp(np.cumsum(0.003 * np.random.default_rng(1).normal(size=time.size)))
    volume = np.where(np.arange(time.size) % 5 == 0, 0.0, 1e5)
    bars = Bars("0001.HK", time, {"close": close, "volume": volume}, "1h")
    found = audit_bars(bars, XHKG)
    assert [(f.rule, str(f.date)) for f in found] == [("calendar_gap", "2023-06-07")]
    spike = audit_bars(spoilt(9, bars, close=1e3), XHKG)
    assert [f.date for f in spike if f.rule == "bad_print"] == [time[9]]


# ------------------------------------------------------------------------------------------------ copies and kinds


def test_one_tickers_series_equal_to_anothers():
    real, other = clean("0001.HK", 1), clean("0002.HK", 2)
    copy = dataclasses.replace(real, ticker="0009.HK")
    (found,) = named(copy, "copied_series", all_bars=[real, other])
    assert "0001.HK" in found.message and found.date == SESSIONS[1] and found.weight == "fault"
    assert not named(other, "copied_series", all_bars={"0001.HK": real})
    scaled_copy = only(copy, "close")
    scaled_copy = spoilt(slice(None), scaled_copy, close=np.round(copy.get("close") * 3.7, 4))
    assert named(scaled_copy, "copied_series", all_bars=[real, other])


def test_a_copy_of_part_of_a_series_needs_twenty_days():
    real, other = clean("0001.HK", 1), clean("0002.HK", 2)

    def spliced(days):
        moves = np.diff(np.log(other.get("close")), prepend=np.log(50.0))
        moves[60 : 60 + days] = np.diff(np.log(real.get("close")))[59 : 59 + days]
        return spoilt(slice(None), only(other, "close"), close=50 * np.exp(np.cumsum(moves)))

    (found,) = named(spliced(20), "copied_series", all_bars=[real])
    assert "20 days" in found.message and (found.date, found.until) == (SESSIONS[60], SESSIONS[79])
    assert not named(spliced(19), "copied_series", all_bars=[real])


def test_shares_that_hardly_move_are_no_copies():
    still = {t: Bars(t, SESSIONS, {"close": np.full(SESSIONS.size, 5.0)}) for t in ("A", "B")}
    assert copies(still) == {}


def test_kinds_of_return_and_the_benchmark_of_another_kind():
    dividends = dataclasses.replace(clean(), columns=dict(clean().columns) | {"dividends": np.zeros(SESSIONS.size)})
    assert (kind_of(dividends), kind_of(clean())) == ("total", "price")
    index = dataclasses.replace(dividends, ticker="^GSPC")
    assert kind_of(index) == "price" and kind_of(dataclasses.replace(index, ticker="^SP500TR")) == "total"
    (found,) = named(clean(), "benchmark_kind", against=["total"])
    assert "without dividends" in found.message and found.date is None
    assert not named(clean(), "benchmark_kind", against=["price"])


# ------------------------------------------------------------------------------------------------ a study


def asked(bars, day="2023-11-15", **spec):
    """A request for one event and the first of the bars."""
    event = Event("news", date=pd.Timestamp(day).date(), tickers=(Link("0001.HK"),))
    source = HeldPrices({b.ticker: b for b in bars}, "the frame of prices")
    given = {"benchmark": "0002.HK", "estimation": (-100, -11), "windows": [(0, 0), (-5, 5)]} | spec
    return SimpleNamespace(pairs=(Pair(event, event.tickers[0]),), source=source, spec=StudySpec(**given), given=None)


DAY0 = int(np.searchsorted(SESSIONS, np.datetime64("2023-11-15")))


@pytest.mark.parametrize(
    "offset, place, words",
    [
        (0, "event", "in the event windows of 0001.HK at news (offset +0)"),
        (-6, "event", "(offset -6)"),  # the price before the window gives its first return
        (-8, "gap", "between estimation and event windows"),
        (-50, "estimation", "in the estimation window of 0001.HK at news (offset -50)"),
        (6, "outside", "outside the windows"),
        (-150, "outside", "outside the windows"),
    ],
)
def test_findings_say_which_window_they_touch(offset, place, words):
    (found,) = audit(asked([spoilt(DAY0 + offset, close=0.0), clean("0002.HK", 2)]))
    assert (found.rule, found.place) == ("price_not_positive", place)
    assert found.effect.startswith(words) or words in found.effect
    assert "no return" in found.effect


def test_benchmarks_and_candidates_are_audited_too_and_once():
    wrong = {t: spoilt(DAY0, clean(t, i), close=1e4) for i, t in enumerate(["0002.HK", "0003.HK", "0004.HK"], 2)}
    found = audit(asked([clean(), *wrong.values()], candidates=["0003.HK", "0002.HK"]))
    prints = [f for f in found if f.rule == "bad_print"]
    assert [f.ticker for f in prints] == ["0003.HK", "0002.HK"]  # the unused share is left alone
    assert "as its candidate" in prints[0].effect and "as its benchmark" in prints[1].effect


def test_a_copied_benchmark_is_seen_whatever_its_name():
    real = clean()
    found = audit(asked([real, dataclasses.replace(real, ticker="0002.HK")]))
    assert [(f.ticker, f.rule) for f in found] == [("0001.HK", "copied_series"), ("0002.HK", "copied_series")]
    assert all(f.place == "event" for f in found)


def test_a_file_whose_dates_are_plainly_the_exchanges_is_held_against_the_exchange():
    """Both tickers of the file lack a session: the file's own dates could not tell, the exchange's do."""
    keep = np.delete(np.arange(SESSIONS.size), DAY0 - 3)
    short = [
        dataclasses.replace(b, time=b.time[keep], columns={k: v[keep] for k, v in b.columns.items()})
        for b in (clean(), clean("0002.HK", 2))
    ]
    found = audit(asked(short))
    assert [(f.ticker, f.rule, f.date) for f in found] == [
        (t, "calendar_gap", SESSIONS[DAY0 - 3]) for t in ("0001.HK", "0002.HK")
    ]
    weekdays = np.arange("2023-01-02", "2023-12-30", dtype="datetime64[D]")
    weekdays = weekdays[np.is_busday(weekdays)]
    own = [clean(sessions=weekdays), clean("0002.HK", 2, sessions=weekdays)]
    assert not [f for f in audit(asked(own)) if f.rule in ("calendar_gap", "surplus_day")]


def test_bars_handed_over_are_not_read_again():
    bars = {b.ticker: b for b in (clean(), clean("0002.HK", 2))}
    request = asked(bars.values())
    request.source.bars = None  # would fail when called
    assert audit(request, bars=bars) == []


def test_an_event_outside_the_calendar_leaves_its_findings_outside():
    found = audit(asked([spoilt(AT, close=0.0), clean("0002.HK", 2)], day="1950-01-04"))
    assert [(f.rule, f.place) for f in found] == [("price_not_positive", "outside")]


def test_counts_put_faults_first():
    found = audit_bars(spoilt([5, 50], spoilt([90], volume=0.0), close=0.0), XHKG)
    assert counts(found) == [("price_not_positive", "fault", 2), ("zero_volume", "doubt", 1)]


# ------------------------------------------------------------------------------------------------ the check inside run


def finding(weight="doubt", place="event", rule_id="zero_volume"):
    return Finding("0001.HK", np.datetime64("2023-06-30"), rule_id, "zero volume", "", None, weight, place)


@pytest.mark.parametrize(
    "findings, passed",
    [
        ([], True),
        ([finding("fault", "outside")], True),
        ([finding("doubt", "estimation")], None),
        ([finding("note", "event")], None),
        ([finding("doubt", "event")], False),
        ([finding("fault", "estimation")], False),
        ([finding("doubt", "event", "marked")], True),
    ],
)
def test_the_check_weighs_findings_by_where_they_are(findings, passed):
    answer = data_audit(SimpleNamespace(facts={"findings": findings}))
    assert answer.passed is passed
    if passed is not True:
        assert "0001.HK 2023-06-30" in answer.sentence


def test_the_check_names_faults_first_and_counts_the_rest():
    many = (
        [finding("doubt", "event")] * 4 + [finding("fault", "estimation", "bad_print")] + [finding("note", "outside")]
    )
    sentence = data_audit(SimpleNamespace(facts={"findings": many})).sentence
    assert sentence.index("estimation window") < sentence.index("event window")
    assert "2 more" in sentence and "1 more of less weight" in sentence
    assert data_audit(SimpleNamespace(facts={})).passed is None
