"""The ticker table: lookup, nearest names, and names found in texts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from abnormal.errors import BadData, UnknownName
from abnormal.inputs.exchanges import currency_of, exchange_of, known_mics
from abnormal.inputs.tickers import Match, TickerRow, TickerTable, load_tickers


@pytest.fixture(scope="module")
def table() -> TickerTable:
    return load_tickers()


def names(table: TickerTable, text: str) -> list[tuple[str, str]]:
    return [(found.ticker, found.alias) for found in table.match(text)]


# ------------------------------------------------------------------------------------------------------------ the table


def test_the_firms_of_the_bundled_prices_are_there(table):
    bundled = "2513.HK 0100.HK 0700.HK 9988.HK 9888.HK AAPL AMD GE HD JNJ JPM KO MSFT PG UNH WMT XOM ^GSPC"
    assert set(bundled.split()) <= set(table.tickers)
    assert len(table) == len(set(table.tickers)) == len(list(table))


def test_listing_dates_that_matter(table):
    assert table.listing_date("2513.HK") == dt.date(2026, 1, 8)
    assert table.listing_date("0100.HK") == dt.date(2026, 1, 9)
    assert table.listing_date("0700.HK") is None
    assert table.listing_date("nobody") is None


def test_a_row_holds_names_exchange_and_shares(table):
    zhipu = table["2513.HK"]
    assert (zhipu.name_zh, zhipu.exchange, zhipu.currency) == ("智谱", "XHKG", "HKD")
    assert (zhipu.shares_outstanding, zhipu.shares_as_of) == (445_843_090.0, dt.date(2026, 7, 8))
    assert {"Zhipu AI", "Zhipu", "智谱", "智譜", "Knowledge Atlas"} <= set(zhipu.names)
    assert table["0100.HK"].name == "MiniMax" and "稀宇" in table["0100.HK"].aliases


def test_exchange_and_currency_agree_with_the_suffix(table):
    for row in table:
        assert row.exchange in known_mics(), row.ticker
        assert row.currency == currency_of(exchange_of(row.ticker)) == currency_of(row.exchange), row.ticker


def test_dates_and_counts_have_a_source(table):
    for row in table:
        assert row.source.startswith("https://") or (row.listing_date is None and row.shares_outstanding is None)
        assert (row.shares_outstanding is None) == (row.shares_as_of is None), row.ticker


def test_an_unknown_ticker_names_the_nearest(table):
    with pytest.raises(UnknownName, match=r"unknown ticker '2513\.HX'.*2513\.HK") as caught:
        table["2513.HX"]
    assert caught.value.exit_code == 2
    assert table.get("2513.HX") is None and "2513.HX" not in table and "2513.HK" in table


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("2513.hk", "2513.HK"), ("700.HK", "0700.HK"), ("00700.HK", "0700.HK"), ("Zipu", "2513.HK"), ("zhipu ai", "2513.HK"),
        ("Tencnt", "0700.HK"), ("智谱", "2513.HK"), ("alibaba", "9988.HK"), ("nvidai", "NVDA"), (" NVDA ", "NVDA"),
    ],
)  # fmt: skip
def test_nearest_name_first(table, typed, first):
    assert table.nearest(typed)[0] == first


def test_nearest_finds_nothing_far_away_and_is_short(table):
    assert table.nearest("xyzzyxyzzy") == []
    assert len(table.nearest("A", n=2)) <= 2
    assert table.nearest("Alibaba")[:2] == ["9988.HK", "BABA"]


# ------------------------------------------------------------------------------------------------------ names in a text


def test_english_names_at_word_boundaries_in_any_case(table):
    assert names(table, "ZhipuAI, zhipu and ZHIPU AI rose; Zhipuish did not.") == [
        ("2513.HK", "ZhipuAI"), ("2513.HK", "Zhipu"), ("2513.HK", "Zhipu AI"),
    ]  # fmt: skip
    assert names(table, "MiniMax's model, Tencent-backed") == [("0100.HK", "MiniMax"), ("0700.HK", "Tencent")]
    assert names(table, "metaxylene nvidiaX prebaidu") == []


def test_chinese_names_anywhere_longest_first(table):
    assert names(table, "今日智谱大涨,腾讯控股和阿里巴巴下跌") == [
        ("2513.HK", "智谱"), ("0700.HK", "腾讯控股"), ("9988.HK", "阿里巴巴"),
    ]  # fmt: skip
    assert names(table, "商湯科技、智譜華章") == [("0020.HK", "商湯科技"), ("2513.HK", "智譜華章")]


def test_positions_are_those_of_the_text(table):
    text = "On Monday Knowledge\n  Atlas, or 智谱, gained."
    for found in table.match(text):
        assert text[found.start : found.end].split() == found.alias.split()
    assert [m.start for m in table.match(text)] == [10, 32]


def test_words_that_are_also_firms_need_their_capitals(table):
    assert names(table, "an apple in each arm, intel from an oracle; a micron of meta") == []
    assert names(table, "Apple, Arm, Intel, Oracle, Micron, META") == [
        ("AAPL", "Apple"), ("ARM", "Arm"), ("INTC", "Intel"), ("ORCL", "Oracle"), ("MU", "Micron"), ("META", "Meta"),
    ]  # fmt: skip


def test_tickers_themselves_are_found(table):
    assert names(table, "(02513.HK), 0100-HK, $MU and NVDA; 688256.SS; ^GSPC") == [
        ("2513.HK", "2513.HK"), ("0100.HK", "0100.HK"), ("MU", "MU"), ("NVDA", "NVDA"), ("688256.SS", "688256.SS"),
        ("^GSPC", "^GSPC"),
    ]  # fmt: skip
    assert names(table, "KO in HD, 12513.HK, 2513.HKD") == []


def test_a_name_of_several_lines_reports_all_of_them(table):
    assert table.match("Alibaba")[0] == Match("9988.HK", "Alibaba", 0, 7, ("BABA",))
    assert table.match("台积电")[0].others == ("TSM",)
    assert table.match("SMIC")[0][:2] == ("0981.HK", "SMIC") and table.match("SMIC")[0].others == ("688981.SS",)
    assert table.match("ASML")[0].others == ("ASML.AS",)
    assert table.match("Zhipu")[0].others == ()


def test_every_name_of_the_table_finds_its_own_row(table):
    for row in table:
        for name in row.names:
            found = table.match(f"x {name.rstrip('!')} x")
            assert any(row.ticker in (m.ticker, *m.others) for m in found), (row.ticker, name)


def test_an_empty_table_and_an_empty_text(table):
    assert TickerTable((TickerRow("A", "Alpha"),)).match("beta") == []
    assert table.match("") == []


# --------------------------------------------------------------------------------------------------------- bad tables


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\nAlpha\n", ":1: the header has no `ticker`"),
        ("ticker,name\nA,Alpha\nA,Alpha\n", ":3: A is listed twice"),
        ("ticker,name\n,Alpha\n", ":2: a row without ticker"),
        ("ticker,name,listing_date\nA,Alpha,2026-13-08\n", ":2: A: month must be in 1..12"),
        ('ticker,name,shares_outstanding\nA,Alpha,"1,000"\n', ":2: A: could not convert"),
    ],
)
def test_a_bad_table_names_file_and_line(tmp_path: Path, text, told):
    path = tmp_path / "tickers.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadData) as caught:
        load_tickers(path)
    assert str(caught.value).startswith(str(path)) and told in str(caught.value)


def test_a_table_of_ones_own(tmp_path: Path):
    path = tmp_path / "tickers.csv"
    path.write_text("ticker,name,aliases\n0001.HK,Alpha (H share),Alfa; Al!\n", encoding="utf-8-sig")
    table = load_tickers(path)
    assert table["0001.HK"].aliases == ("Alfa", "Al!")
    assert names(table, "alpha, ALFA, Al, al") == [("0001.HK", "Alpha"), ("0001.HK", "Alfa"), ("0001.HK", "Al")]
