"""The price store: bars come back as they went in, history is merged and never lost, damage and strangers are named."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from abnormal.domain import Bars
from abnormal.errors import BadData, DataMissing, NotInStore, RequestError, StoreBroken, UnknownName
from abnormal.inputs import barfile, locking, store
from abnormal.inputs.bundled import data_path
from abnormal.inputs.merge import joined_ranges, merge
from abnormal.inputs.providers.files import Returns
from abnormal.inputs.store import HeldPrices, PriceStore, folder_name, open_prices

YAHOO = {"source": "Yahoo Finance", "adjustment": "splits", "currency": "HKD", "exchange_timezone": "Asia/Hong_Kong"}


def bars(close, first="2026-01-05", ticker="9999.HK", meta=YAHOO, **more) -> Bars:
    close = np.asarray(close, dtype=float)
    time = np.busday_offset(np.datetime64(first), np.arange(close.size))
    columns = {"close": close, **{k: np.asarray(v, dtype=float) for k, v in more.items()}}
    return Bars(ticker, time, columns, "1d", meta)


def minutes(close, first="2026-01-05T01:30", ticker="9999.HK", step=5, **more) -> Bars:
    close = np.asarray(close, dtype=float)
    time = np.datetime64(first, "ns") + np.arange(close.size) * np.timedelta64(step, "m")
    return Bars(
        ticker, time, {"close": close, **{k: np.asarray(v, dtype=float) for k, v in more.items()}}, f"{step}m", YAHOO
    )


@pytest.fixture
def empty(tmp_path) -> PriceStore:
    return PriceStore(tmp_path / "store")


# ---------------------------------------------------------------------------------------------------- there and back


def test_bars_come_back_with_their_metadata(empty):
    given = bars([1.0, np.nan, 3.0], volume=[10, 0, np.nan], splits=[0, 2, 0])
    report = empty.write(given, covered=("2026-01-01", "2026-01-08"))
    assert (report.added, report.total, report.first, report.last) == (3, 3, "2026-01-05", "2026-01-07")
    found = empty.bars("9999.HK")
    for name in ("close", "volume", "splits"):
        np.testing.assert_array_equal(found.get(name), given.get(name))
    assert "open" not in found and found.time.tolist() == given.time.tolist() and found.freq == "1d"
    meta = empty.meta("9999.HK")
    assert (
        meta["source"] == "Yahoo Finance" and meta["covered"] == ["2026-01-01/2026-01-08"] and meta["currency"] == "HKD"
    )
    assert meta["sha256"] == report.digest == empty.digest("9999.HK") == barfile.content_digest(given)


def test_layout_is_one_file_a_frequency_and_ticker(empty):
    empty.write(bars([1.0]))
    empty.write(minutes([1.0, 2.0]))
    root = empty.path
    assert (root / "prices/interval=1d/ticker=9999.HK/bars.parquet").is_file()
    assert (root / "prices/interval=5m/ticker=9999.HK/bars.parquet").is_file()
    assert not list(root.rglob("*.tmp"))
    table = pd.read_parquet(root / "prices/interval=1d/ticker=9999.HK/bars.parquet")
    assert table["close"].tolist() == [1.0], "any tool can read it"


@pytest.mark.parametrize(
    "ticker", ["^GSPC", "BRK-B", "0700.HK", "EURUSD=X", "BTC-USD", "A/B", "..", "CON", "股票", "x."]
)
def test_every_ticker_has_a_safe_folder(empty, ticker):
    empty.write(bars([1.0, 2.0], ticker=ticker))
    assert ticker in empty.own_tickers()
    assert empty.bars(ticker).get("close").tolist() == [1, 2]
    files = list(empty.path.rglob("bars.parquet"))
    assert len(files) == 1 and files[0].parent.parent == empty.path / "prices" / "interval=1d"


@pytest.mark.parametrize("ticker", ["", " AAA", "A" * 100, "A\n"])
def test_what_is_no_ticker_is_refused(ticker):
    with pytest.raises(RequestError, match="not a ticker"):
        folder_name(ticker)


def test_windows_are_cut_at_both_ends(empty):
    empty.write(bars(np.arange(10.0)))
    for start, end in (("2026-01-07", "2026-01-09"), (dt.date(2026, 1, 7), np.datetime64("2026-01-09"))):
        assert empty.bars("9999.HK", start=start, end=end).get("close").tolist() == [2, 3, 4]
    assert len(empty.bars("9999.HK", start="2030-01-01")) == 0
    with pytest.raises(RequestError, match="not a date"):
        empty.bars("9999.HK", start="last week")


def test_windows_within_the_day_count_local_dates(empty):
    empty.write(minutes(np.arange(24 * 12 * 3.0), first="2026-01-04T00:00"))
    day = empty.bars("9999.HK", "5m", start="2026-01-05", end="2026-01-05")
    assert str(day.time[0])[:16] == "2026-01-04T16:00" and str(day.time[-1])[:16] == "2026-01-05T15:55"
    exact = empty.bars(
        "9999.HK", "5m", start="2026-01-05T09:30+08:00", end=dt.datetime(2026, 1, 5, 1, 40, tzinfo=dt.UTC)
    )
    assert len(exact) == 3


def test_long_series_are_cut_from_the_right_row_groups(empty):
    given = minutes(np.arange(50_000.0), step=1, first="2026-01-01T00:00")
    empty.write(given)
    for a, b in ((0, 10), (16_380, 16_390), (40_000, 49_999)):
        part = empty.bars("9999.HK", "1m", start=str(given.time[a]), end=str(given.time[b]))
        np.testing.assert_array_equal(part.get("close"), np.arange(a, b + 1))


def test_environment_names_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "mine"))
    assert PriceStore().path == tmp_path / "mine"
    monkeypatch.delenv("ABNORMAL_STORE")
    assert PriceStore().path.name == "abnormal"
    file = tmp_path / "file.csv"
    file.write_text("x")
    with pytest.raises(RequestError, match="a price store is a folder"):
        PriceStore(file)


# ---------------------------------------------------------------------------------------------------- bundled


def test_bundled_prices_stand_behind_the_users_own(empty):
    assert len(empty.tickers()) == 18 and empty.own_tickers() == []
    assert empty.bars("2513.HK", start="2026-06-15", end="2026-06-15").get("close").tolist() == [1457.0]
    empty.write(bars([5.0], ticker="2513.HK"))
    assert empty.bars("2513.HK").get("close").tolist() == [5.0] and empty.marks("2513.HK") == ()
    assert PriceStore.bundled_only().bars("2513.HK", end="2026-01-08").get("close").size == 1
    assert PriceStore(empty.path, bundled=False).tickers() == ["2513.HK"]
    with pytest.raises(RequestError, match="read only"):
        PriceStore.bundled_only().write(bars([1.0]))


def test_bundled_files_are_those_their_digests_name():
    rows = pd.read_csv(data_path("prices", "sources.csv"), dtype=str)
    readme = data_path("prices", "README.md").read_text(encoding="utf-8")
    for row in rows.itertuples():
        assert hashlib.sha256(data_path("prices", row.file).read_bytes()).hexdigest() == row.sha256
        assert row.sha256 in readme


def test_doubtful_bars_are_marked():
    told = store.marks("2513.HK")
    assert {(str(m.date), m.column) for m in told} >= {("2026-06-30", c) for c in ("open", "high", "low", "volume")}
    assert store.marks("AMD") == () and PriceStore.bundled_only().marks("0100.HK")


# ---------------------------------------------------------------------------------------------------- absent


def test_unknown_and_absent_tickers_differ(empty):
    with pytest.raises(UnknownName, match=r'"2513.HK".*abnormal fetch 2513.HL') as unknown:
        empty.bars("2513.HL")
    assert unknown.value.exit_code == 2
    with pytest.raises(NotInStore, match=r"abnormal fetch 2513\.HK --freq 5m") as absent:
        empty.bars("2513.HK", "5m")
    assert absent.value.exit_code == 3
    with pytest.raises(NotInStore):
        empty.digest("2513.HK", "5m")
    with pytest.raises(UnknownName, match="frequency"):
        empty.bars("2513.HK", "fortnightly")


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "footer", "text"])
def test_a_damaged_file_is_named(empty, harm):
    rng = np.random.default_rng(1)
    empty.write(bars(rng.random(3000), volume=rng.random(3000)))
    path = next(empty.path.rglob("bars.parquet"))
    raw = bytearray(path.read_bytes())
    if harm == "cut":
        raw = raw[: len(raw) // 2]
    elif harm == "flip":
        for k in range(2000, 2060):
            raw[k] ^= 0xFF
    elif harm == "empty":
        raw = bytearray()
    elif harm == "footer":
        raw[-60:-30] = b"\x00" * 30
    else:
        raw = bytearray(b"not parquet at all")
    path.write_bytes(raw)
    with pytest.raises(StoreBroken, match=r"ticker=9999\.HK.*bars\.parquet.*fetch or import") as error:
        empty.bars("9999.HK")
    assert error.value.exit_code == 3


def test_no_flipped_byte_goes_unnoticed(empty):
    rng = np.random.default_rng(5)
    given = bars(rng.random(200), volume=rng.random(200))
    empty.write(given)
    meta = empty.meta("9999.HK")
    path = next(empty.path.rglob("bars.parquet"))
    raw = path.read_bytes()
    broken = 0
    for k in rng.integers(0, len(raw), 250):
        path.write_bytes(raw[:k] + bytes([raw[k] ^ (1 << int(rng.integers(8)))]) + raw[k + 1 :])
        try:
            assert barfile.content_digest(empty.bars("9999.HK")) == meta["sha256"] and empty.meta("9999.HK") == meta
        except StoreBroken:
            broken += 1
    assert broken > 150, "most of a file is content"


def test_a_parquet_file_of_someone_else_is_named(empty):
    empty.write(bars([1.0]))
    path = next(empty.path.rglob("bars.parquet"))
    pd.DataFrame({"time": [1], "close": [2.0]}).to_parquet(path)
    with pytest.raises(StoreBroken, match="lacks the entries"):
        empty.meta("9999.HK")


# ---------------------------------------------------------------------------------------------------- merging


def test_new_bars_are_appended_and_old_ones_kept(empty):
    empty.write(bars([1, 2, 3, 4, 5]), covered=("2026-01-05", "2026-01-09"))
    report = empty.write(bars([4, 5, 6, 7], first="2026-01-08"), covered=("2026-01-08", "2026-01-13"))
    assert (report.added, report.same, report.kept, report.total) == (2, 2, 3, 7)
    assert not report.revised and report.rebased == 1.0
    assert empty.bars("9999.HK").get("close").tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert empty.meta("9999.HK")["covered"] == ["2026-01-05/2026-01-13"]
    again = empty.write(bars([4, 5, 6, 7], first="2026-01-08"))
    assert not again.changed and again.digest == report.digest


def test_revised_history_is_reported_and_put_on_record(empty):
    empty.write(bars([1, 2, 3], volume=[10, 20, 30]))
    report = empty.write(bars([1, 2.5, 3], volume=[10, 20, 31]))
    assert [str(r) for r in report.revised] == ["2026-01-06 close 2 -> 2.5", "2026-01-07 volume 30 -> 31"]
    assert empty.bars("9999.HK").get("close").tolist() == [1, 2.5, 3]
    assert "2026-01-06 close 2 -> 2.5" in empty.meta("9999.HK")["revisions"][0]
    assert "2 revised" in str(report)


def test_gaps_are_filled_and_values_are_not_lost_to_nan(empty):
    empty.write(bars([1, np.nan, 3]))
    report = empty.write(bars([np.nan, 2, 3]))
    assert report.filled == 1 and not report.revised
    assert empty.bars("9999.HK").get("close").tolist() == [1, 2, 3]


def test_a_dividend_readjusts_without_being_a_revision(empty):
    empty.write(bars([10, 10, 10, 10], adj_close=[10, 10, 10, 10]))
    new = bars([10, 10, 9], first="2026-01-07", adj_close=[9, 9, 9], dividends=[0, 0, 1])
    report = empty.write(new)
    assert not report.revised and report.readjusted == 4 and report.rebased == 1.0
    np.testing.assert_allclose(empty.bars("9999.HK").get("adj_close"), [9, 9, 9, 9, 9])
    assert empty.bars("9999.HK").get("close").tolist() == [10, 10, 10, 10, 9]
    assert "re-adjusted" in str(report)


def test_a_split_rebases_what_the_vendor_did_not_send_again(empty):
    empty.write(bars([100, 110, 120], volume=[5, 5, 5], open=[99, 109, 119], dividends=[0, 2, 0]))
    new = bars([12, 12.5], first="2026-01-07", volume=[50, 60], open=[11.9, 12.1], splits=[0, 10], dividends=[0, 0])
    report = empty.write(new)
    found = empty.bars("9999.HK")
    assert report.rebased == pytest.approx(0.1) and not report.revised and report.added == 1
    np.testing.assert_allclose(found.get("close"), [10, 11, 12, 12.5])
    np.testing.assert_allclose(found.get("open"), [9.9, 10.9, 11.9, 12.1])
    np.testing.assert_allclose(found.get("volume"), [50, 50, 50, 60])
    np.testing.assert_allclose(found.get("dividends")[1], 0.2)


def test_a_split_between_two_spells_of_minutes_is_seen_in_the_daily_bars(empty):
    empty.write(minutes([100.0, 101.0]))
    empty.write(bars([10, 10, 10], first="2026-01-07", splits=[0, 10, 0]))
    report = empty.write(minutes([10.2, 10.3], first="2026-02-05T01:30"))
    assert report.rebased == pytest.approx(0.1)
    np.testing.assert_allclose(empty.bars("9999.HK", "5m").get("close"), [10.0, 10.1, 10.2, 10.3])


def test_a_revision_of_one_bar_is_no_split():
    merged, report = merge(bars([100.0, 50.0]), bars([100.0, 25.0]))
    assert report.rebased == 1.0 and len(report.revised) == 1 and merged.get("close").tolist() == [100, 25]


def test_series_that_do_not_belong_together_are_refused(empty):
    empty.write(bars([1, 2]))
    for key, value in (("currency", "USD"), ("adjustment", "as traded")):
        with pytest.raises(BadData, match=f"{key} .*merge=False"):
            empty.write(bars([1, 2], meta={**YAHOO, key: value}))
    assert empty.write(bars([7.0], meta={**YAHOO, "currency": "USD"}), merge=False).total == 1
    assert empty.bars("9999.HK").get("close").tolist() == [7]


def test_sources_are_named_together(empty):
    empty.write(bars([1, 2]))
    empty.write(bars([3], first="2026-01-07", meta={}), source="my.csv")
    assert empty.meta("9999.HK")["source"] == "Yahoo Finance; my.csv"


def test_bars_out_of_order_or_ragged_are_not_written(empty):
    wrong = Bars("A", np.array(["2026-01-06", "2026-01-05"], "datetime64[D]"), {"close": np.ones(2)})
    with pytest.raises(ValueError, match="time order"):
        empty.write(wrong)
    with pytest.raises(BadData, match="no bars"):
        empty.write(bars([]))
    assert not empty.has("A")


def test_ranges_join():
    assert joined_ranges(["2026-01-05/2026-01-09", "2026-01-01/2026-01-04", "2026-01-07/2026-01-12"]) == [
        "2026-01-01/2026-01-12"
    ]


# ---------------------------------------------------------------------------------------------------- writers


def test_a_killed_writers_leftovers_are_swept_and_its_lock_is_free(empty):
    empty.write(bars([1.0]))
    folder = next(empty.path.rglob("bars.parquet")).parent
    (folder / ".bars.parquet.1.tmp").write_bytes(b"half")
    (folder / locking.LOCK_NAME).write_text("1")
    assert empty.write(bars([1, 2])).total == 2
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "bars.parquet"]


@pytest.mark.parametrize("kind", ["kernel", "by name"])
def test_the_second_writer_waits(tmp_path, kind):
    folder = tmp_path / "ticker=A"
    folder.mkdir()
    entered = threading.Event()

    def lock():
        return locking.writer_lock(folder) if kind == "kernel" else locking._lock_by_name(folder / "lock", 30.0)

    def second() -> None:
        with lock():
            entered.set()

    thread = threading.Thread(target=second)
    with lock():
        thread.start()
        assert not entered.wait(0.1), "the second writer must not enter while the first one writes"
    assert entered.wait(10)
    thread.join()


def test_a_writer_gives_up_with_a_name(tmp_path):
    held = locking.writer_lock(tmp_path / "t")
    late = locking.writer_lock(tmp_path / "t", wait=0.05)
    with held, pytest.raises(DataMissing, match=f"process {os.getpid()}"), late:
        raise AssertionError("the second writer must not enter")


def test_lock_by_name_of_a_dead_process_is_taken_away(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    held = tmp_path / "lock.pid"
    held.write_text(str(gone.pid))
    with locking._lock_by_name(tmp_path / "lock", 5.0):
        assert held.read_text() == str(os.getpid())
    assert not held.exists()


# ---------------------------------------------------------------------------------------------------- other sources


def test_open_prices_takes_what_users_have(empty, tmp_path, monkeypatch):
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "nothing"))
    frame = pd.DataFrame({"AAA": [1.0, 2.0]}, index=pd.to_datetime(["2026-06-11", "2026-06-12"]))
    frame.to_csv(tmp_path / "wide.csv")
    frame.to_parquet(tmp_path / "wide.parquet")
    series = {"AAA": frame["AAA"]}
    single = {"AAA": frame["AAA"].to_frame("close")}
    held = {"AAA": HeldPrices({"AAA": bars([1.0, 2.0], "2026-06-11")}, "x").bars("AAA")}
    for given in (frame, tmp_path / "wide.csv", str(tmp_path / "wide.parquet"), series, single, held):
        source = open_prices(given)
        assert source.tickers() == ["AAA"] and source.has("AAA") and source.own_dates
        assert source.bars("AAA", start="2026-06-12").get("close").tolist() == [2.0]
        assert source.dates().astype(str).tolist() == ["2026-06-11", "2026-06-12"]
        assert len(source.digest()) == 64 and source.describe()
    assert open_prices(Returns(frame)).bars("AAA").get("ret").tolist() == [1, 2]
    assert isinstance(open_prices(None), PriceStore) and not open_prices(None).own_dates
    assert open_prices("bundled").tickers() == open_prices(None).tickers()
    assert open_prices(empty) is empty
    (tmp_path / "new").mkdir()
    assert open_prices(tmp_path / "new").path == tmp_path / "new"


def test_open_prices_refuses_what_it_cannot_be(tmp_path):
    (tmp_path / "prices.csv").write_text("date,AAA\n2026-06-11,1\n")
    with pytest.raises(RequestError, match=r"not a price store.*prices\.csv"):
        open_prices(tmp_path)
    with pytest.raises(RequestError, match="no such folder or file"):
        open_prices(tmp_path / "stoer")
    with pytest.raises(BadData, match="DataFrame"):
        open_prices(42)
    with pytest.raises(BadData, match="holds no prices"):
        open_prices({})


def test_held_prices_name_the_nearest_and_the_frequency():
    source = open_prices({"2513.HK": bars([1.0])})
    with pytest.raises(UnknownName, match=r'did you mean "2513\.HK"'):
        source.bars("2513.HL")
    with pytest.raises(RequestError, match='freq="1d"'):
        source.bars("2513.HK", "5m")
    with pytest.raises(BadData, match="mixes bars"):
        open_prices({"A": bars([1.0]), "B": minutes([1.0, 2.0])})


def test_digests_follow_the_content_not_the_place(empty, tmp_path):
    given = bars([1.0, np.nan])
    empty.write(given)
    assert open_prices({"9999.HK": given}).digest("9999.HK") == empty.digest("9999.HK")
    other = PriceStore(tmp_path / "other")
    other.write(bars([1.0, 2.0]))
    assert other.digest("9999.HK") != empty.digest("9999.HK")
    assert empty.digest(["9999.HK", "AMD"]) == empty.digest(["AMD", "9999.HK"]) != empty.digest(["AMD"])


def test_nothing_heavy_is_loaded_to_open_a_store():
    code = (
        "import sys, abnormal.inputs.store as s; s.PriceStore('x', bundled=False).has('A'); "
        "print([m for m in ('pandas', 'pyarrow', 'yfinance', 'exchange_calendars', 'platformdirs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
