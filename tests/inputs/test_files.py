"""Prices from files and frames: what is accepted is said, what cannot be read names file, line and value."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abnormal.domain import Bars
from abnormal.errors import BadData
from abnormal.inputs.providers.files import Returns, duplicates, frame_to_bars, lines, read_prices, wide_matrix
from abnormal.inputs.store import bundled_bars

LONG = (
    "date,ticker,close,volume\n2026-06-11,AAA,10,100\n2026-06-12,AAA,11,200\n2026-06-11,BBB,20,5\n2026-06-12,BBB,21,6\n"
)


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str | bytes, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def said(bars: Bars) -> str:
    return " | ".join(lines(bars, "notes"))


# ---------------------------------------------------------------------------------------------------- plain files


def test_long_csv(csv):
    bars = read_prices(csv(LONG))
    assert sorted(bars) == ["AAA", "BBB"]
    assert bars["AAA"].freq == "1d" and bars["AAA"].time.dtype == "datetime64[D]"
    assert bars["AAA"].time.tolist() == [dt.date(2026, 6, 11), dt.date(2026, 6, 12)]
    assert bars["BBB"].get("close").tolist() == [20, 21]
    assert bars["BBB"].get("volume").tolist() == [5, 6]
    assert said(bars["AAA"]) == ""


def test_wide_csv_one_column_a_ticker(csv):
    bars = read_prices(csv("date,0700.HK,LOW\n2026-06-11,450,\n2026-06-12,451,231.5\n"))
    assert bars["0700.HK"].get("close").tolist() == [450, 451]
    assert np.isnan(bars["LOW"].get("close")[0]), "a missing price is NaN, not a missing row"
    assert len(bars["LOW"]) == 2


def test_wide_csv_with_an_unnamed_index(csv):
    assert read_prices(csv(",AAA,BBB\n2026-06-11,1,2\n2026-06-12,3,4\n"))["BBB"].get("close").tolist() == [2, 4]


def test_tickers_named_like_columns_do_not_mislead(csv):
    head = "date,TS,DAY,OPEN,LOW,CODE,MAX," + ",".join(f"T{i}" for i in range(30))
    row = ",".join(["2026-06-11", *(str(i) for i in range(36))])
    bars = read_prices(csv(f"{head}\n{row}\n"))
    assert len(bars) == 36
    assert bars["TS"].get("close").tolist() == [0] and bars["OPEN"].get("close").tolist() == [2]


def test_single_security_takes_the_name_of_the_file_and_says_so(csv):
    path = csv("Date,Open,High,Low,Close,Adj Close,Volume\n2026-06-11,1,2,0.5,1.5,1.4,10\n", "2513.HK.csv")
    bars = read_prices(path)["2513.HK"]
    assert bars.get("adj_close").tolist() == [1.4]
    assert "2513.HK" in said(bars)
    assert said(read_prices(path, ticker="X")["X"]) == ""


@pytest.mark.parametrize(
    ("name", "column"),
    [("Adj Close", "adj_close"), ("adj close", "adj_close"), ("AdjClose", "adj_close"), ("Adj. Close", "adj_close"),
     ("Close/Last", "close"), ("CLOSE", "close"), ("prc", "close"), ("Prev Close", "prev_close"), ("pre_close", "prev_close"),
     ("Return", "ret"), ("ret", "ret")],
)  # fmt: skip
def test_column_synonyms(csv, name, column):
    bars = read_prices(csv(f"Date,Symbol,{name}\n2026-06-11,AAA,0.5\n2026-06-12,AAA,0.25\n"))["AAA"]
    assert bars.get(column).tolist() == [0.5, 0.25]


def test_every_value_column_arrives(csv):
    text = (
        "Date,Ticker,Open,High,Low,Close,prev_close,Adj Close,Volume,Dividends,Stock Splits\n"
        "2026-06-11,AAA,1,2,3,4,5,6,7,8,9\n"
    )
    bars = read_prices(csv(text))["AAA"]
    wanted = ["open", "high", "low", "close", "prev_close", "adj_close", "volume", "dividends", "splits"]
    assert [float(bars.get(n)[0]) for n in wanted] == list(range(1, 10))


def test_unused_columns_are_named(csv):
    bars = read_prices(csv("date,ticker,close,rating,note\n2026-06-11,AAA,1,5,x\n"))["AAA"]
    assert "columns not used: rating, note" in said(bars)


def test_adjusted_prices_alone_make_a_bar_and_say_so(csv):
    bars = read_prices(csv("date,ticker,adj_open,adj_high,adj_low,adj_close\n2026-06-11,AAA,1,3,0.5,2\n"))["AAA"]
    assert [float(bars.get(n)[0]) for n in ("open", "high", "low", "close", "adj_close")] == [1, 3, 0.5, 2, 2]
    assert "adjusted prices" in said(bars)


def test_blanks_around_names_and_values(csv):
    bars = read_prices(csv("date, ticker, close\n2026-06-11, AAA, 10.5\n 2026-06-12 , AAA , 11\n"))["AAA"]
    assert bars.get("close").tolist() == [10.5, 11]


def test_leading_zeros_and_words_survive_as_tickers(csv):
    bars = read_prices(
        csv("date,ticker,close\n2026-06-11,0700,1\n2026-06-11,NO,2\n2026-06-11,NA,3\n2026-06-11,TRUE,4\n")
    )
    assert sorted(bars) == ["0700", "NA", "NO", "TRUE"]


def test_parquet_long_wide_and_with_an_index(tmp_path):
    long = pd.DataFrame({"date": pd.to_datetime(["2026-06-11", "2026-06-12"]), "ticker": "AAA", "close": [1.0, 2.0]})
    long.to_parquet(tmp_path / "long.parquet")
    long.pivot(index="date", columns="ticker", values="close").to_parquet(tmp_path / "wide.parquet")
    long.set_index(["date", "ticker"]).to_parquet(tmp_path / "index.parquet")
    for name in ("long", "wide", "index"):
        assert read_prices(tmp_path / f"{name}.parquet")["AAA"].get("close").tolist() == [1, 2], name


def test_gzip_is_read_whatever_its_name(csv):
    assert sorted(read_prices(csv(gzip.compress(LONG.encode()), "prices.csv.gz"))) == ["AAA", "BBB"]


def test_what_yfinance_download_writes(csv):
    text = "Price,Close,Close,Volume,Volume\nTicker,AAA,BBB,AAA,BBB\nDate,,,,\n2026-06-11,1,2,3,4\n2026-06-12,5,6,7,8\n"
    bars = read_prices(csv(text))
    assert bars["BBB"].get("close").tolist() == [2, 6] and bars["AAA"].get("volume").tolist() == [3, 7]


# ---------------------------------------------------------------------------------------------------- odd, but clear


def test_byte_order_mark(csv):
    bars = read_prices(csv(b"\xef\xbb\xbf" + LONG.encode()))
    assert "byte order mark" in said(bars["AAA"]) and len(bars) == 2


def test_utf16(csv):
    bars = read_prices(csv(LONG.encode("utf-16")))
    assert len(bars) == 2 and "UTF-16" in said(bars["AAA"])


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_other_delimiters_are_accepted_and_said(csv, delimiter, word):
    bars = read_prices(csv(LONG.replace(",", delimiter)))
    assert bars["BBB"].get("close").tolist() == [20, 21] and word in said(bars["BBB"])


def test_decimal_commas_with_semicolons(csv):
    text = "date;ticker;close;volume\n2026-06-11;AAA;1.097,50;1.234.567\n2026-06-12;AAA;12,5;1.000\n"
    bars = read_prices(csv(text))["AAA"]
    assert bars.get("close").tolist() == [1097.5, 12.5]
    assert bars.get("volume").tolist() == [1234567, 1000], "a dot is a thousands separator in the whole file"
    assert "decimal commas" in said(bars)


def test_thousands_separators(csv):
    bars = read_prices(csv('date,ticker,close,volume\n2026-06-11,AAA,"1,097.50","12,345,678"\n'))["AAA"]
    assert bars.get("close").tolist() == [1097.5] and bars.get("volume").tolist() == [12345678]
    assert "thousands" in said(bars)


def test_a_lone_comma_group_is_thousands_between_commas_but_doubtful_between_semicolons(csv):
    assert read_prices(csv('date,ticker,close\n2026-06-11,AAA,"1,097"\n'))["AAA"].get("close").tolist() == [1097]
    with pytest.raises(BadData, match=r"prices\.csv:2: close '1,097' may be 1\.097 or 1097"):
        read_prices(csv("date;ticker;close\n2026-06-11;AAA;1,097\n"))


def test_both_kinds_of_decimals_are_refused(csv):
    with pytest.raises(BadData, match="decimal comma"):
        read_prices(csv("date;ticker;close;open\n2026-06-11;AAA;12,5;12.75\n"))


def test_currency_signs_and_volume_letters(csv):
    bars = read_prices(
        csv("date,ticker,Close/Last,Volume\n06/15/2026,AAA,$123.45,1.2M\n06/16/2026,AAA,$124.00,900K\n")
    )["AAA"]
    assert bars.get("close").tolist() == [123.45, 124.0]
    assert bars.get("volume").tolist() == pytest.approx([1.2e6, 9e5])
    assert "currency" in said(bars) and "thousands" in said(bars)


def test_missing_marks_are_nan(csv):
    bars = read_prices(
        csv("date,ticker,close\n2026-06-11,AAA,NA\n2026-06-12,AAA,-\n2026-06-15,AAA,\n2026-06-16,AAA,3\n")
    )["AAA"]
    assert np.isnan(bars.get("close")[:3]).all() and bars.get("close")[3] == 3


@pytest.mark.parametrize(
    ("dates", "word"),
    [
        (("2026-06-11", "2026-06-12"), ""),
        (("2026/6/11", "2026/6/12"), ""),
        (("20260611", "20260612"), ""),
        (("11/06/2026", "13/06/2026"), "day/month"),
        (("06/11/2026", "06/13/2026"), "month/day"),
        (("11.06.2026", "12.06.2026"), "day.month"),
        (("46184", "46185"), "Excel"),
        (("11-Jun-2026", "12-Jun-2026"), "days"),
        (('"Jun 11, 2026"', '"Jun 12, 2026"'), "days"),
        (("2026-06-11 00:00:00", "2026-06-12 00:00:00"), ""),
        (("2026-06-11 00:00:00+08:00", "2026-06-12 00:00:00+08:00"), ""),
        (("2026-06-11T16:00:00", "2026-06-12T16:00:00"), "times of day"),
    ],
)
def test_dates_that_can_be_read_in_one_way(csv, dates, word):
    bars = read_prices(csv(f"date,ticker,close\n{dates[0]},AAA,1\n{dates[1]},AAA,2\n"))["AAA"]
    second = dt.date(2026, 6, 13) if "13" in dates[1] else dt.date(2026, 6, 12)
    assert bars.time.tolist() == [dt.date(2026, 6, 11), second] and bars.freq == "1d"
    assert word in said(bars)


def test_daily_stamps_in_utc_are_dated_by_the_exchange(csv):
    bars = read_prices(csv("date,ticker,close\n2026-06-10T16:00:00Z,2513.HK,1\n2026-06-11T04:00:00Z,NVDA,2\n"))
    assert bars["2513.HK"].time.tolist() == [dt.date(2026, 6, 11)], (
        "midnight in Hong Kong is 16:00 UTC of the day before"
    )
    assert bars["NVDA"].time.tolist() == [dt.date(2026, 6, 11)]
    assert "clock of their exchange" in said(bars["NVDA"])


def test_title_lines_and_comments_before_the_header(csv):
    bars = read_prices(csv("# made by hand\nHistorical prices\n\n" + LONG))
    assert bars["AAA"].get("close").tolist() == [10, 11] and "left out" in said(bars["AAA"])


def test_a_file_that_is_not_utf8_is_read_and_said(csv):
    bars = read_prices(csv("date,ticker,close,société\n2026-06-11,AAA,1,Nestlé\n".encode("cp1252")))["AAA"]
    assert "Windows-1252" in said(bars)


# ---------------------------------------------------------------------------------------------------- order, doubles


def test_unsorted_rows_are_sorted_and_said(csv):
    bars = read_prices(csv("date,ticker,close\n2026-06-12,AAA,2\n2026-06-11,AAA,1\n2026-06-11,BBB,3\n"))
    assert bars["AAA"].get("close").tolist() == [1, 2]
    assert bars["AAA"].meta["unsorted"] == "2026-06-11" and "unsorted" not in bars["BBB"].meta


def test_double_dates_keep_the_first_row_and_are_recorded(csv):
    bars = read_prices(
        csv("date,ticker,close\n2026-06-11,AAA,1\n2026-06-12,AAA,2\n2026-06-11,AAA,9\n2026-06-12,AAA,2\n")
    )["AAA"]
    assert bars.get("close").tolist() == [1, 2]
    assert duplicates(bars).tolist() == [dt.date(2026, 6, 11), dt.date(2026, 6, 12)]
    assert lines(bars, "duplicates") == ("2026-06-11 differs", "2026-06-12 same")


def test_prices_that_cannot_be_are_left_for_the_audit(csv):
    bars = read_prices(csv("date,ticker,close,high,low\n2026-06-11,AAA,0,1,2\n2026-06-12,AAA,-5,1e4,3\n"))["AAA"]
    assert bars.get("close").tolist() == [0, -5] and bars.get("high").tolist() == [1, 1e4]


def test_splits_already_in_the_closes_are_noticed(csv):
    head = "date,ticker,close,splits\n2026-06-11,AAA,100,0\n"
    assert read_prices(csv(head + "2026-06-12,AAA,101,10\n"))["AAA"].meta["adjustment"] == "splits"
    assert "adjustment" not in read_prices(csv(head + "2026-06-12,AAA,10.1,10\n"))["AAA"].meta


# ---------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date,ticker,close\n2026-06-11,AAA,1\n2026-13-08,AAA,2\n", r"prices\.csv:3: date '2026-13-08'"),
        ("date,ticker,close\n2026-06-11,AAA,1\n13/08/2026,AAA,2\n", r"prices\.csv:3: date '13/08/2026' .*YYYY-MM-DD"),
        ("date,ticker,close\n2026-02-30,AAA,1\n", r"prices\.csv:2: date '2026-02-30' does not exist"),
        ("date,ticker,close\n01/02/2026,AAA,1\n", r"prices\.csv:2: .*day/month or month/day"),
        ("date,ticker,close\n13/02/2026,AAA,1\n02/13/2026,AAA,1\n", r"prices\.csv:3: .*contradicts"),
        ("date,ticker,close\nyesterday,AAA,1\n", r"prices\.csv:2: date 'yesterday' is not understood"),
        ("date,ticker,close\n,AAA,1\n", r"prices\.csv:2: .*date"),
        ("date,ticker,close\n2026-06-11,,1\n", r"prices\.csv:2: has no ticker"),
        ("date,ticker,close\n2026-06-11,AAA,1\n\n2026-06-12,AAA,abc\n", r"prices\.csv:4: close 'abc' is not a number"),
        ("date,ticker,close\n2026-06-11,AAA,1,2,3\n", r"prices\.csv:2: 5 columns where the header has 3"),
        ("date,ticker,close\n2026-06-11,AAA\n", r"prices\.csv:2: 2 columns"),
        ("date,ticker,close\n", "no rows"),
        ("", "empty"),
        ("   \n\n", "empty"),
        ("<!DOCTYPE html><html></html>", "HTML"),
        ('{"chart": 1}', "JSON"),
        ("just some words\nand more of them\n", "one column only"),
        ("date,open,high,low\n2026-06-11,1,2,3\n", "hold no price"),
        ("when,ticker,close\n2026-06-11,AAA,1\n", "no date column"),
        ("date,ticker,close,Close\n2026-06-11,AAA,1,2\n", "both mean close"),
        ("date,AAA,AAA\n2026-06-11,1,2\n", "two columns called 'AAA'"),
        ("2026-06-11,10.5,11\n2026-06-12,10,11\n", "the first line holds data"),
        ("ts,ticker,close\n2026-06-15 09:30,AAA,1\n2026-06-15 09:35,AAA,2\n", r"prices\.csv:2: .*no timezone"),
        ("ts,ticker,close\n2026-06-15 25:30Z,AAA,1\n", r"prices\.csv:2: time .*does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_the_place(csv, text, words):
    with pytest.raises(BadData, match=words):
        read_prices(csv(text))


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"PK\x03\x04rest", "Excel"), (b"\x00\x01\x02binary", "binary"), (b"PAR1 but not really", "damaged Parquet"),
     (b"%PDF-1.7", "PDF"), (b"\x1f\x8bnot gzip at all", "cannot be read")],
)  # fmt: skip
def test_other_kinds_of_files_are_named(csv, raw, words):
    with pytest.raises(BadData, match=words):
        read_prices(csv(raw))


def test_a_missing_file_names_the_nearest(csv, tmp_path):
    csv(LONG)
    with pytest.raises(BadData, match=r"no such file.*prices\.csv"):
        read_prices(tmp_path / "price.csv")


def test_mangled_files_give_bars_or_bad_data(csv):
    seeds = (
        LONG,
        "Date;Symbol;Close\n11.06.2026;AAA;1.097,50\n12.06.2026;AAA;12,5\n",
        ",AAA,BBB\n2026-06-11,1,2\n2026-06-12,3,\n",
        "ts,ticker,close\n2026-06-15T09:30+08:00,A,1\n2026-06-15T09:35+08:00,A,2\n",
        "Price,Close,Close\nTicker,AAA,BBB\nDate,,\n2026-06-11,1,2\n",
    )
    rng = np.random.default_rng(11)
    scraps = [*'0123456789,;\t"\n.-/:A$%+ ', "\x00", "é", "inf", "1e400", "\n\n", "date", "close"]
    outcomes = {"bars": 0, "refused": 0}
    for _ in range(250):
        text = seeds[rng.integers(len(seeds))]
        for _ in range(rng.integers(1, 4)):
            at, until = sorted(rng.integers(0, len(text) + 1, 2))
            scrap = scraps[rng.integers(len(scraps))]
            text = (text[:at] + scrap + text[at:], text[:at] + text[min(until, at + 5) :])[rng.integers(2)] or "x"
        try:
            for one in read_prices(csv(text)).values():
                assert (one.time[1:] > one.time[:-1]).all()
            outcomes["bars"] += 1
        except BadData:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes


# ---------------------------------------------------------------------------------------------------- intraday


def test_intraday_files_are_utc_and_know_their_spacing(csv):
    rows = [f"2026-06-15T09:{m}+08:00,2513.HK,{m}" for m in (30, 35, 40)]
    text = "\n".join(["ts,ticker,close", *rows])
    bars = read_prices(csv(text))["2513.HK"]
    assert bars.freq == "5m" and bars.time.dtype == "datetime64[ns]"
    assert bars.time[0] == np.datetime64("2026-06-15T01:30")


def test_a_named_zone_reads_times_without_one(csv):
    path = csv("date,time,ticker,close\n2026-06-15,09:30,AAA,1\n2026-06-15,10:30,AAA,2\n")
    bars = read_prices(path, timezone="America/New_York")["AAA"]
    assert bars.freq == "1h" and bars.time[0] == np.datetime64("2026-06-15T13:30")
    with pytest.raises(BadData, match="timezone"):
        read_prices(path, timezone="America/Nowhere")


def test_bars_seconds_apart_are_refused(csv):
    with pytest.raises(BadData, match="10 seconds apart"):
        read_prices(csv("ts,ticker,close\n2026-06-15T09:30:00Z,AAA,1\n2026-06-15T09:30:10Z,AAA,2\n"))


# ---------------------------------------------------------------------------------------------------- frames


def long_frame() -> pd.DataFrame:
    rows = [("2026-06-12", "AAA", 2.0), ("2026-06-11", "AAA", 1.0), ("2026-06-11", "BBB", 3.0)]
    return pd.DataFrame(rows, columns=["date", "ticker", "close"])


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        lambda f: f.assign(date=pd.to_datetime(f["date"])),
        lambda f: f.assign(date=pd.to_datetime(f["date"]).dt.as_unit("ns")),
        lambda f: f.assign(date=pd.to_datetime(f["date"]).dt.tz_localize("Asia/Hong_Kong")),
        lambda f: f.assign(date=[dt.date.fromisoformat(d) for d in f["date"]]),
        lambda f: f.assign(date=pd.to_datetime(f["date"]).astype(object)),
        lambda f: f.assign(date=pd.PeriodIndex(f["date"], freq="D")),
        lambda f: f.assign(ticker=f["ticker"].astype("category"), close=f["close"].astype(object)),
        lambda f: f.assign(close=f["close"].astype("Float64"), date=f["date"].astype("string")),
        lambda f: f.assign(close=f["close"].astype(str), ticker=f["ticker"].astype(object)),
        lambda f: f.astype({"close": "float32", "date": object}),
        lambda f: f.set_index("date"),
        lambda f: f.set_index(["date", "ticker"]),
        lambda f: f.set_index(["ticker", "date"]),
        lambda f: f.rename(columns={"date": "Date", "ticker": "Symbol", "close": "Close/Last"}),
        lambda f: f.set_index(pd.Index([7, 5, 9])),
    ],
)
def test_long_frames_of_every_make(change):
    bars = frame_to_bars(change(long_frame()))
    assert bars["AAA"].time.tolist() == [dt.date(2026, 6, 11), dt.date(2026, 6, 12)]
    assert bars["AAA"].get("close").tolist() == [1, 2] and bars["BBB"].get("close").tolist() == [3]


@pytest.mark.parametrize(
    "index",
    [
        pd.DatetimeIndex(["2026-06-12", "2026-06-11"]),
        pd.DatetimeIndex(["2026-06-12", "2026-06-11"], tz="America/New_York"),
        pd.PeriodIndex(["2026-06-12", "2026-06-11"], freq="D"),
        pd.Index(["2026-06-12", "2026-06-11"], name="when"),
        pd.Index([dt.date(2026, 6, 12), dt.date(2026, 6, 11)]),
    ],
)
def test_wide_frames_of_every_make(index):
    frame = pd.DataFrame({"AAA": [2.0, 1.0], "TS": [4, 3]}, index=index)
    bars = frame_to_bars(frame)
    assert bars["AAA"].get("close").tolist() == [1, 2] and bars["TS"].get("close").tolist() == [3, 4]
    dates, tickers, values = wide_matrix(frame)
    assert dates.astype("datetime64[D]").tolist() == [dt.date(2026, 6, 11), dt.date(2026, 6, 12)]
    assert tickers == ("AAA", "TS") and values.tolist() == [[1, 2], [3, 4]]


def test_wide_frame_with_dates_in_a_column():
    bars = frame_to_bars(pd.DataFrame({"Date": ["2026-06-11", "2026-06-12"], "AAA": [1, 2]}))
    assert bars["AAA"].get("close").tolist() == [1, 2]


def test_frames_as_yfinance_returns_them():
    index = pd.DatetimeIndex(["2026-06-11", "2026-06-12"], name="Date")
    columns = pd.MultiIndex.from_product([["Close", "Volume"], ["AAA", "BBB"]], names=["Price", "Ticker"])
    frame = pd.DataFrame([[1.0, 2, 3, 4], [5, 6, 7, 8]], index=index, columns=columns)
    for one in (frame, frame.swaplevel(axis=1)):
        bars = frame_to_bars(one)
        assert bars["BBB"].get("close").tolist() == [2, 6] and bars["AAA"].get("volume").tolist() == [3, 7]


def test_a_wide_frame_with_a_double_date_keeps_the_first():
    frame = pd.DataFrame({"AAA": [1.0, 2, 3]}, index=pd.to_datetime(["2026-06-11", "2026-06-12", "2026-06-12"]))
    bars = frame_to_bars(frame)["AAA"]
    assert bars.get("close").tolist() == [1, 2] and lines(bars, "duplicates") == ("2026-06-12 differs",)
    with pytest.raises(BadData, match="2026-06-12 occurs twice"):
        wide_matrix(frame)


def test_returns_are_returns():
    frame = pd.DataFrame({"AAA": [0.01, np.nan, -0.02]}, index=pd.date_range("2026-06-10", periods=3))
    bars = frame_to_bars(Returns(frame))["AAA"]
    assert list(bars.columns) == ["ret"] and np.isnan(bars.get("ret")[1])
    long = frame.stack(future_stack=True).rename_axis(["date", "ticker"]).rename("ret").reset_index()
    assert frame_to_bars(long, returns=True)["AAA"].get("ret")[2] == -0.02


def test_returns_in_percent_are_pointed_at():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"AAA": rng.normal(0, 1.2, 50)}, index=pd.bdate_range("2026-01-01", periods=50))
    assert "decimal fractions are expected" in said(frame_to_bars(Returns(frame))["AAA"])
    assert said(frame_to_bars(Returns(frame / 100))["AAA"]) == ""


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"date": ["2026-06-11"], "close": [1.0]}), "no ticker column"),
        (pd.DataFrame(), "nothing in it"),
        (pd.DataFrame({"date": [], "ticker": [], "close": []}), "no rows"),
        (pd.DataFrame({"AAA": [1.0]}), "no date column"),
        (pd.DataFrame({"date": [None], "ticker": ["A"], "close": [1.0]}), "has no date"),
        ([1, 2, 3], "DataFrame"),
        (pd.DataFrame({"date": ["2026-06-11"], "ticker": ["A"], "close": ["x"]}), "row 0 of the frame: close 'x'"),
    ],
)
def test_frames_that_cannot_be_read(frame, words):
    with pytest.raises(BadData, match=words):
        frame_to_bars(frame)


def test_wide_frame_of_a_thousand_securities_shares_one_time_axis():
    names = [f"T{i}" for i in range(1000)]
    frame = pd.DataFrame(np.ones((50, 1000)), index=pd.bdate_range("2026-01-01", periods=50), columns=names)
    bars = frame_to_bars(frame)
    assert len(bars) == 1000
    assert len({id(b.time) for b in bars.values()}) == 1, "no work per security on the dates"


# ---------------------------------------------------------------------------------------------------- bundled


def test_bundled_prices_are_what_their_readme_says():
    bars = bundled_bars()
    assert len(bars) == 18 and sum(map(len, bars.values())) == 696 + 5187
    zhipu, amd = bars["2513.HK"], bars["AMD"]
    jump = zhipu.get("close") / zhipu.get("prev_close") - 1
    at = list(zhipu.time).index(np.datetime64("2026-06-15"))
    assert round(100 * jump[at], 1) == 32.8 and round(100 * (zhipu.get("high")[at] / 1097.0 - 1), 1) == 47.7
    returns = amd.get("adj_close")[1:] / amd.get("adj_close")[:-1] - 1
    assert round(100 * float(returns[list(amd.time).index(np.datetime64("2022-10-07")) - 1]), 2) == -13.87
    assert np.isnan(zhipu.get("volume")[list(zhipu.time).index(np.datetime64("2026-06-30"))])
    assert "2026-06-30 open" in zhipu.meta["marks"] and zhipu.meta["currency"] == "HKD"
