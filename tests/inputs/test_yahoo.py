"""Yahoo through the real yfinance, against a server on 127.0.0.1: every fault, its error, and what the store keeps."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pytest

from abnormal.domain import Bars
from abnormal.errors import DataMissing, FetchFailed, RateLimited, RequestError, UnknownName
from abnormal.inputs.fetching import finished, missing_ranges, reconcile, sessions_between, settled_until
from abnormal.inputs.providers.yahoo import YahooProvider, adjust_intraday, fetch_into
from abnormal.inputs.store import PriceStore
from loopback import Book, ChartServer, LoopbackSession, weekdays

D = dt.date
HK_CLOSED = ("2026-06-19", "2026-07-01", "2026-10-01", "2026-10-19")
US_CLOSED = ("2026-06-19", "2026-07-03", "2026-09-07")
NOW = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.UTC)  # after the close in Hong Kong and New York


class Clock:
    """Time that moves only when told to, and remembers how long it was asked to sleep."""

    def __init__(self, now: dt.datetime) -> None:
        self.now, self.slept = now, []

    def __call__(self) -> dt.datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def waits(self) -> list[float]:
        """Pauses after failures, without the throttle's fractions of a second."""
        return [s for s in self.slept if s >= 1]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def zhipu() -> Book:
    sessions = weekdays("2026-06-01", "2026-11-20", HK_CLOSED)
    return Book("2513.HK", sessions, 1, dividends={D(2026, 9, 1): 2.0}, holes=[D(2026, 9, 10)])


@pytest.fixture
def nvidia() -> Book:
    return Book("NVDA", weekdays("2026-06-01", "2026-11-20", US_CLOSED), 2)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def server(zhipu, nvidia):
    with ChartServer([zhipu, nvidia], NOW) as running:
        yield running


@pytest.fixture
def yahoo(server, clock, cache) -> YahooProvider:
    return YahooProvider(LoopbackSession(server.url), sleep=clock.sleep, now=clock, cache_folder=cache)


@pytest.fixture
def store(tmp_path) -> PriceStore:
    return PriceStore(tmp_path / "store", bundled=False)


@pytest.fixture
def fetch(store, yahoo, clock):
    def run(tickers=("2513.HK",), start="2026-06-01", end=None, freq="1d", **options):
        return fetch_into(store, tickers, start, end, freq, yahoo, now=clock, **options)

    return run


# ---------------------------------------------------------------------------------------------------- good answers


def test_daily_bars_as_the_vendor_sends_them(yahoo, zhipu):
    bars = yahoo.fetch("2513.HK", "2026-06-01", "2026-11-20")
    assert bars.time.tolist() == zhipu.sessions
    hole = zhipu.sessions.index(D(2026, 9, 10))
    expected = np.array([np.nan if d in zhipu.holes else c for d, c in zhipu.close.items()])
    np.testing.assert_allclose(bars.get("close"), expected)
    assert np.isnan(bars.get("volume")[hole]), "a row without prices is kept, and has no volume either"
    ex = zhipu.sessions.index(D(2026, 9, 1))
    assert bars.get("dividends")[ex] == 2.0 and bars.get("dividends").sum() == 2.0
    ratio = bars.get("adj_close")[ex - 1] / bars.get("close")[ex - 1]
    assert ratio == pytest.approx(1 - 2.0 / zhipu.close[zhipu.sessions[ex - 1]])
    assert bars.meta["currency"] == "HKD" and bars.meta["exchange_timezone"] == "Asia/Hong_Kong"
    assert bars.meta["listing_date"] == "2026-06-01" and bars.meta["library"].startswith("yfinance ")
    assert bars.meta["adjustment"] == "splits" and bars.meta["retrieved"] == NOW.isoformat()


@pytest.mark.parametrize(("ticker", "freq", "count"), [
    ("2513.HK", "5m", 67), ("2513.HK", "1h", 7), ("2513.HK", "30m", 12),
    ("NVDA", "5m", 78), ("NVDA", "1h", 7), ("NVDA", "30m", 13),
])  # fmt: skip
def test_bars_within_the_day(yahoo, ticker, freq, count):
    bars = yahoo.fetch(ticker, "2026-11-19", "2026-11-20", freq)
    assert len(bars) == 2 * count and bars.freq == freq
    assert "adj_close" not in bars, "the vendor only repeats the close there"
    clock = [str(t)[11:16] for t in bars.time[:count]]
    if ticker == "2513.HK":
        assert clock[0] == "01:30" and clock[-1] == "08:00", "the bar of the closing auction, 16:00 local, survives"
        assert not any("04:00" <= c < "05:00" for c in clock), "nothing in the lunch break"
    else:
        assert clock[0] == "14:30" and clock[-1] < "21:00", "nothing before and after hours"
        assert "outside the regular session left out" in bars.meta["notes"]


def test_half_hours_are_made_of_quarters(yahoo):
    coarse = yahoo.fetch("NVDA", "2026-11-20", "2026-11-20", "30m")
    fine = yahoo.fetch("NVDA", "2026-11-20", "2026-11-20", "15m")
    pairs = fine.get("high").reshape(-1, 2)
    np.testing.assert_array_equal(coarse.get("high"), pairs.max(axis=1))
    np.testing.assert_array_equal(coarse.get("open"), fine.get("open")[::2])
    np.testing.assert_array_equal(coarse.get("close"), fine.get("close")[1::2])
    np.testing.assert_array_equal(coarse.get("volume"), fine.get("volume").reshape(-1, 2).sum(axis=1))


def test_minutes_are_asked_for_a_week_at_a_time(yahoo, server):
    bars = yahoo.fetch("NVDA", "2026-11-02", "2026-11-20", "1m")
    assert len(bars) == 15 * 390 and len(server.asked("NVDA")) == 3


def test_the_library_stays_quiet_and_gets_its_settings_back(yahoo, capfd):
    import yfinance

    yfinance.config.debug.hide_exceptions = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yahoo.fetch("NVDA", "2026-11-19", "2026-11-20")
        with pytest.raises(UnknownName):
            yahoo.fetch("NONE", "2026-11-19", "2026-11-20")
    assert yfinance.config.debug.hide_exceptions is True
    assert capfd.readouterr() == ("", "")


def test_a_changed_history_is_not_served_from_memory(yahoo, zhipu):
    before = yahoo.fetch("2513.HK", "2026-06-01", "2026-06-30").get("close")
    zhipu.close[D(2026, 6, 2)] *= 2
    after = yahoo.fetch("2513.HK", "2026-06-01", "2026-06-30").get("close")
    assert (before != after).sum() == 1


# ---------------------------------------------------------------------------------------------------- faults


FAULTS = {
    "429": (RateLimited, "asks for patience.*try again after 2026-11-20 22:15 UTC"),
    "502": (FetchFailed, "answered 502"),
    "html": (FetchFailed, "web page instead of data"),
    "half": (FetchFailed, "cut off"),
    "ragged": (FetchFailed, "half an answer.*values of close"),
    "torn": (FetchFailed, "no usable answer"),
    "drop": (FetchFailed, "no usable answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_waited_out(yahoo, server, clock, fault):
    server.fault["NVDA"] = [fault] * 3 if fault == "drop" else [fault]  # curl itself repeats a dropped request once
    assert len(yahoo.fetch("NVDA", "2026-11-09", "2026-11-20")) == 10
    assert clock.waits[:1] == [2.0]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_has_its_error(yahoo, server, clock, fault):
    kind, words = FAULTS[fault]
    server.fault["NVDA"] = [fault, "always"]
    with pytest.raises(kind, match=f"NVDA.*{words}") as error:
        yahoo.fetch("NVDA", "2026-11-09", "2026-11-20")
    assert error.value.exit_code == 3 and "5 attempts" in str(error.value)
    assert clock.waits == [2, 4, 8, 16]
    assert type(error.value) is kind
    server.fault["NVDA"] = []
    assert len(yahoo.fetch("NVDA", "2026-11-09", "2026-11-20")) == 10, "a failed answer is not remembered"


def test_retry_after_is_obeyed_and_long_waits_are_left_to_the_user(yahoo, server, clock):
    server.fault["NVDA"] = ["429:7"]
    yahoo.fetch("NVDA", "2026-11-09", "2026-11-20")
    assert clock.waits == [7]
    clock.slept.clear()
    server.fault["NVDA"] = ["429:3600", "always"]
    with pytest.raises(RateLimited, match=r"1 attempt.*try again after 2026-11-20 23:00 UTC"):
        yahoo.fetch("NVDA", "2026-11-09", "2026-11-20")
    assert clock.waits == []


def test_no_server_at_all(clock, cache):
    with ChartServer([]) as gone:
        session = LoopbackSession(gone.url)
    provider = YahooProvider(session, retries=0, sleep=clock.sleep, now=clock, cache_folder=cache)
    with pytest.raises(FetchFailed, match="no usable answer"):
        provider.fetch("NVDA", "2026-11-09", "2026-11-20")


def test_requests_are_spaced(yahoo, clock):
    yahoo.fetch("NVDA", "2026-11-19", "2026-11-20")
    yahoo.fetch("NVDA", "2026-11-18", "2026-11-20")
    assert clock.slept and all(0 < s <= 0.5 for s in clock.slept)


def test_unknown_ticker_and_what_the_vendor_no_longer_has(yahoo, server):
    with pytest.raises(UnknownName, match=r"'NONE'.*may be delisted") as unknown:
        yahoo.fetch("NONE", "2026-11-09", "2026-11-20")
    assert unknown.value.exit_code == 2
    assert len(server.log) == 1, "one request is enough to know"
    with pytest.raises(DataMissing, match=r"must be within the last 60 days"):
        yahoo.fetch("NVDA", "2026-06-01", "2026-11-20", "5m")
    with pytest.raises(DataMissing, match="no 1d bars from 2026-11-14 to 2026-11-15"):
        yahoo.fetch("NVDA", "2026-11-14", "2026-11-15")
    with pytest.raises(UnknownName, match="10m"):
        yahoo.fetch("NVDA", "2026-11-14", "2026-11-15", "10m")


# ---------------------------------------------------------------------------------------------------- into the store


def test_a_second_run_asks_for_nothing(fetch, server, store):
    report = fetch(["2513.HK", "NVDA"])
    assert [o.status for o in report.outcomes] == ["ok", "ok"] and report.exit_code == 0
    assert report["2513.HK"].notes == ("1 date with a bar without prices: 2026-09-10",)
    asked = len(server.log)
    again = fetch(["2513.HK", "NVDA"])
    assert [o.status for o in again.outcomes] == ["kept", "kept"] and len(server.log) == asked
    assert "nothing missing; 121 bars, 2026-06-01 to 2026-11-20" in str(again)


def test_only_what_is_missing_is_fetched(fetch, server, store, zhipu):
    fetch(start="2026-07-02", end="2026-08-31")
    fetch(start="2026-07-02", end="2026-09-30")
    fetch(start="2026-06-15", end="2026-09-30")
    edges = [(int(q["period1"]), int(q["period2"])) for q in server.asked("2513.HK")]
    spans = [tuple(dt.datetime.fromtimestamp(t, zhipu.tz).date() for t in edge) for edge in edges]
    assert spans == [
        (D(2026, 7, 2), D(2026, 9, 1)), (D(2026, 8, 25), D(2026, 10, 1)), (D(2026, 6, 15), D(2026, 7, 9)),
    ]  # fmt: skip
    assert store.bars("2513.HK").time.tolist() == [d for d in zhipu.sessions if D(2026, 6, 15) <= d <= D(2026, 9, 30)]


def test_an_unfinished_session_is_not_stored(fetch, server, store, clock, zhipu):
    clock.now = server.now = dt.datetime(2026, 11, 20, 5, 0, tzinfo=dt.UTC)  # 13:00 in Hong Kong
    report = fetch()
    assert store.bars("2513.HK").time[-1] == np.datetime64("2026-11-19") and report.exit_code == 0
    asked = len(server.log)
    assert fetch()["2513.HK"].status == "kept" and len(server.log) == asked, "nothing new before the close"
    clock.now = server.now = NOW
    assert fetch()["2513.HK"].added == 1
    assert store.bars("2513.HK").time[-1] == np.datetime64("2026-11-20")


def test_todays_minutes_are_asked_for_again(fetch, server, store, clock):
    clock.now = server.now = dt.datetime(2026, 11, 20, 3, 2, tzinfo=dt.UTC)
    fetch(start="2026-11-19", freq="5m")
    bars = store.bars("2513.HK", "5m")
    assert str(bars.time[-1])[11:16] == "02:55", "the bar from 03:00 is not over"
    clock.now = server.now = NOW
    assert fetch(start="2026-11-19", freq="5m")["2513.HK"].added == 67 - 18
    assert store.bars("2513.HK", "5m").time.size == 2 * 67


def test_one_tickers_failure_does_not_lose_the_others(fetch, server, store):
    server.fault["2513.HK"] = ["429", "always"]
    seen = []
    report = fetch(["2513.HK", "NONE", "NVDA"], progress=lambda *step: seen.append(step))
    assert [o.status for o in report.outcomes] == ["failed", "failed", "ok"]
    assert isinstance(report["2513.HK"].error, RateLimited) and isinstance(report["NONE"].error, UnknownName)
    assert report.exit_code == 3 and not store.has("2513.HK") and len(store.bars("NVDA")) == 122
    assert "kept: no bars" in str(report)
    assert seen == [(0, 3, "2513.HK"), (1, 3, "NONE"), (2, 3, "NVDA"), (3, 3, "")]


def test_after_three_refusals_the_rest_is_not_tried(fetch, server):
    names = ["A", "B", "C", "NVDA"]
    for name in names:
        server.fault[name] = ["429:3600", "always"]
    report = fetch(names)
    assert "NVDA was not tried" in report["NVDA"].reason and "try again after" in report["NVDA"].reason
    assert not server.asked("NVDA")


def test_a_failed_update_keeps_what_is_there(fetch, server, store):
    fetch(end="2026-10-30")
    before = store.digest("2513.HK")
    for fault in ("502", "half", "html", "429"):
        server.fault["2513.HK"] = [fault, "always"]
        outcome = fetch()["2513.HK"]
        assert outcome.status == "failed" and outcome.total == 106 and "2026-06-01 to 2026-10-30" in str(outcome)
        assert store.digest("2513.HK") == before
    server.fault.clear()
    assert fetch()["2513.HK"].added == 15


def test_half_a_history_is_asked_for_again(fetch, server, store, zhipu):
    zhipu.sent_until = D(2026, 7, 31)
    outcome = fetch(end="2026-08-31")["2513.HK"]
    assert (
        outcome.total == 43 and "21 dates without a bar although the exchange was open: 2026-08-03" in outcome.notes[0]
    )
    assert store.meta("2513.HK")["covered"] == ["2026-06-01/2026-08-02"]
    zhipu.sent_until = None
    assert fetch(end="2026-08-31")["2513.HK"].added == 21
    assert store.meta("2513.HK")["covered"] == ["2026-06-01/2026-08-31"]


def test_a_dividend_without_a_price_is_kept_but_not_taken_for_an_answer(fetch, store, zhipu):
    zhipu.sent_until = D(2026, 8, 31)
    fetch()
    bars = store.bars("2513.HK")
    assert (
        bars.time[-1] == np.datetime64("2026-09-01")
        and np.isnan(bars.get("close")[-1])
        and bars.get("dividends")[-1] == 2
    )
    zhipu.sent_until = None
    write = fetch()["2513.HK"].writes[0]
    assert write.filled >= 4 and not write.revised
    assert np.isfinite(store.bars("2513.HK").get("close")).sum() == 120


def test_a_history_that_changes_between_two_fetches(fetch, store, zhipu):
    fetch(end="2026-11-13")
    zhipu.close[D(2026, 11, 12)] *= 1.01
    zhipu.dividends[D(2026, 11, 17)] = 1.0
    outcome = fetch()["2513.HK"]
    write = outcome.writes[0]
    assert {r.time for r in write.revised} == {"2026-11-12"} and {r.column for r in write.revised} >= {"close"}
    assert write.readjusted > 100 and write.rebased == 1.0
    bars = store.bars("2513.HK")
    truth = np.array([zhipu.close[d] * zhipu.adjustment(d) for d in zhipu.sessions])
    priced = np.isfinite(bars.get("adj_close"))
    np.testing.assert_allclose(bars.get("adj_close")[priced], truth[priced], rtol=1e-9)


def test_a_split_between_two_fetches_rebases_the_store(fetch, store, zhipu):
    fetch(end="2026-11-13")
    zhipu.split(D(2026, 11, 17), 10)
    write = fetch()["2513.HK"].writes[0]
    assert write.rebased == pytest.approx(0.1) and not write.revised
    bars = store.bars("2513.HK")
    truth = np.array([zhipu.close[d] for d in zhipu.sessions])
    priced = np.isfinite(bars.get("close"))
    np.testing.assert_allclose(bars.get("close")[priced], truth[priced])
    assert bars.get("splits")[bars.time == np.datetime64("2026-11-17")].tolist() == [10]


def test_minutes_the_vendor_forgets_are_kept(fetch, server, store, clock, zhipu):
    fetch(start="2026-10-20", freq="5m")
    old = store.bars("2513.HK", "5m")
    later = weekdays("2026-11-23", "2027-02-17", ("2026-12-25", "2027-01-01"))
    zhipu.sessions += later
    zhipu.close.update(dict.fromkeys(later, 50.0))
    zhipu.volume.update(dict.fromkeys(later, 1.0))
    clock.now = server.now = NOW + dt.timedelta(days=89)
    outcome = fetch(start="2026-10-20", freq="5m")["2513.HK"]
    new = store.bars("2513.HK", "5m")
    np.testing.assert_array_equal(new.get("close")[: len(old)], old.get("close"))
    assert str(new.time[len(old)])[:10] == "2026-12-21", "what fell out of the look-back in between is gone for good"
    assert any("can no longer be had" in n for n in outcome.notes) and outcome.total == len(new) > len(old)


def test_ranges_beyond_the_look_back_are_refused_with_the_reason(fetch):
    outcome = fetch(start="2026-06-01", end="2026-06-30", freq="5m")["2513.HK"]
    assert outcome.status == "failed" and "keeps them for 60 days" in outcome.reason
    with pytest.raises(RequestError, match="is after end"):
        fetch(start="2026-07-01", end="2026-06-01")


# ---------------------------------------------------------------------------------------------------- small parts


def test_reconciliation_names_what_differs():
    days = np.array(["2026-06-15", "2026-06-17", "2026-06-19"], "datetime64[D]")
    bars = Bars("2513.HK", days, {"close": np.array([1.0, np.nan, 2.0])})
    found = reconcile(bars, sessions_between("2513.HK", "2026-06-12", "2026-06-22"))
    assert found.missing.astype(str).tolist() == ["2026-06-16", "2026-06-18", "2026-06-22"], "none before the first bar"
    assert found.surplus.astype(str).tolist() == ["2026-06-19"] and found.empty.astype(str).tolist() == ["2026-06-17"]
    assert len(found.notes()) == 3 and not found.clean


def test_when_a_session_is_settled():
    at = lambda day, hour, minute=0: dt.datetime(2026, 6, day, hour, minute, tzinfo=dt.UTC)  # noqa: E731
    assert str(settled_until("2513.HK", at(15, 8, 29))) == "2026-06-14"
    assert str(settled_until("2513.HK", at(15, 8, 30))) == "2026-06-15"
    assert str(settled_until("2513.HK", at(19, 5))) == "2026-06-19", "no session on that day, nothing to wait for"
    assert str(settled_until("EURUSD=X", at(15, 23))) == "2026-06-14"
    bars = Bars("EURUSD=X", np.array(["2026-06-14", "2026-06-15"], "datetime64[D]"), {"close": np.ones(2)})
    assert len(finished(bars, at(15, 23))) == 1


def test_missing_ranges():
    a, b = np.datetime64("2026-01-01"), np.datetime64("2026-01-31")
    covered = ["2026-01-05/2026-01-09", "2026-01-10/2026-01-12", "2026-01-20/2026-02-20"]
    assert [f"{x}/{y}" for x, y in missing_ranges(a, b, covered)] == ["2026-01-01/2026-01-04", "2026-01-13/2026-01-19"]
    assert missing_ranges(a, b, []) == [(a, b)] and missing_ranges(a, b, ["2025-01-01/2027-01-01"]) == []


def test_intraday_bars_lose_the_ex_date_gap():
    days = np.array(["2026-06-11", "2026-06-12", "2026-06-15"], "datetime64[D]")
    split = np.array([0, 0, 2.0])
    daily = Bars(
        "NVDA", days, {"close": np.array([100.0, 98, 49]), "dividends": np.array([0, 2.0, 0]), "splits": split}
    )
    times = np.array(["2026-06-11T19:00", "2026-06-12T14:00", "2026-06-15T14:00"], "datetime64[ns]")
    raw = Bars("NVDA", times, {"close": np.array([100.0, 98, 49]), "volume": np.ones(3), "dividends": np.ones(3)}, "1h")
    taken_out = adjust_intraday(raw, daily)
    np.testing.assert_allclose(taken_out.get("close"), [49.0, 49.0, 49.0])
    assert taken_out.get("volume").tolist() == [2, 2, 1] and "dividends" not in taken_out
    vendor = Bars("NVDA", times, {"close": np.array([50.0, 49.0, 49.0])}, "1h", {"adjustment": "splits"})
    columns = {"close": np.array([50.0, 49.0, 49.0]), "dividends": np.array([0, 1.0, 0]), "splits": split}
    in_new_shares = Bars("NVDA", days, columns, meta={"adjustment": "splits"})
    np.testing.assert_allclose(adjust_intraday(vendor, in_new_shares).get("close"), [49.0, 49.0, 49.0])
