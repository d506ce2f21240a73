"""Drafting events from news: what is proposed, which words it rests on, and what is left open."""

import datetime as dt
from pathlib import Path

import pytest

from abnormal.domain import Event, EventCatalog, Link
from abnormal.errors import EventError, RequestError
from abnormal.inputs.draft import draft_events, draft_file, draft_record, to_yaml, write_drafts
from abnormal.inputs.draft_dates import find_clocks, find_dates, stamp_date
from abnormal.inputs.draft_text import read_news
from abnormal.inputs.events import check_events, load_events
from abnormal.inputs.tickers import TickerRow, TickerTable

FIXTURES = Path(__file__).parent / "fixtures"
FIRMS = TickerTable(
    (
        TickerRow("9701.HK", "Lanmu AI", "蓝木智能", ("Lanmu",)),
        TickerRow("9702.HK", "Northgate", "北门芯片", ("Northgate Chips",)),
        TickerRow("QUIL", "Quill AI"),
    )
)
WEDNESDAY = dt.date(2026, 6, 24)


def drafted(text, published=WEDNESDAY, **options):
    return draft_events(text, published, tickers=FIRMS, **options)


def only(text, published=WEDNESDAY):
    (draft,) = drafted(text, published)
    return draft.event


def kinds(drafts):
    return [d.event.kind for d in drafts]


def guess(draft, field):
    return next(g for g in draft.guesses if g.field == field)


# ------------------------------------------------------------------------------------------------ whole texts


@pytest.fixture(scope="module")
def column():
    return draft_file(FIXTURES / "draft_column.txt", "2026-06-26", tickers=FIRMS)


@pytest.fixture(scope="module")
def surge():
    return draft_file(FIXTURES / "draft_surge.txt", "2026-06-18", tickers=FIRMS)


def test_a_column_gives_its_events_and_those_of_its_side_column(column):
    assert kinds(column) == [
        "executive_action", "export_control", "executive_action", "lockup_expiration", "regulation",
    ]  # fmt: skip
    assert all(d.event.status == "unverified" for d in column)


def test_this_week_is_a_week_and_carries_to_the_next_sentence(column):
    delay, order = column[0].event, column[1].event
    assert "Quill-4" in delay.title and "DeepSeek" in order.title
    for event in (delay, order):
        assert (event.date, event.precision) == (dt.date(2026, 6, 22), "week")
        assert (event.timezone, event.jurisdiction, event.confidence) == ("America/New_York", "US", "low")
    assert guess(column[0], "date").quote == "this week"


def test_what_the_text_dates_only_as_before_stays_open(column):
    order = column[2]
    assert "voluntary inspection scheme" in order.event.title
    assert order.event.date is None and order.event.at is None
    assert guess(order, "date").quote == "had earlier"
    assert "open" in to_yaml([order])


def test_items_of_a_side_column_have_their_own_day(column):
    lockup, standard = column[3].event, column[4].event
    assert [(k.ticker, k.role, k.sign) for k in lockup.tickers] == [
        ("9701.HK", "target", -1),
        ("9702.HK", "target", -1),
    ]
    assert (lockup.date, lockup.precision, lockup.scheduled) == (dt.date(2026, 7, 6), "week", True)
    assert (standard.date, standard.timezone) == (dt.date(2026, 7, 5), "Asia/Shanghai")


def test_without_a_day_of_publication_only_what_has_its_own_is_dated():
    drafts = draft_file(FIXTURES / "draft_column.txt", tickers=FIRMS)
    assert [d.event.date for d in drafts[:3]] == [None, None, None]
    assert drafts[3].event.date is None  # 07/06 without a year
    assert "publication, whose date is not known" in guess(drafts[0], "date").why


def test_a_report_gives_order_release_and_both_moves(surge):
    assert kinds(surge) == ["export_control", "market_event", "market_event", "model_release"]
    order, up, close, release = (d.event for d in surge)
    assert (order.date, order.timezone) == (dt.date(2026, 6, 13), "America/New_York")
    assert (up.date, dict(up.attributes)) == (dt.date(2026, 6, 16), {"move_pct": 41, "move_at": "intraday"})
    assert (close.date, dict(close.attributes)) == (dt.date(2026, 6, 17), {"move_pct": 9, "move_at": "close"})
    assert (release.date, release.title) == (dt.date(2026, 6, 15), "Lanmu AI releases Lanmu-5.1")
    assert release.tickers == up.tickers == (Link("9701.HK", "target", 0),)


def test_who_is_said_to_benefit_is_a_beneficiary_of_the_order(surge):
    assert surge[0].event.tickers == (Link("9701.HK", "beneficiary", 1),)


def test_every_draft_quotes_its_sentence_and_says_how_it_was_read(surge):
    assert "export-ban guidance" in surge[0].quote
    date = guess(surge[0], "date")
    assert (date.value, date.quote) == ("2026-06-13", "on the 13th") and "2026-06-18" in date.why
    assert guess(surge[1], "move_pct").value == "41"
    assert any("made open source" in g.quote for g in surge[3].guesses if g.field == "also")


def test_a_chinese_page_reads_its_own_date_and_none_of_its_scripts():
    drafts = draft_file(FIXTURES / "draft_page.html", tickers=FIRMS)
    found = [(d.event.kind, d.event.day.isoformat(), [k.ticker for k in d.event.tickers]) for d in drafts]
    assert found == [
        ("regulation", "2026-03-16", []),
        ("market_event", "2026-03-17", ["9701.HK"]),
        ("market_event", "2026-03-17", ["9701.HK"]),
        ("export_control", "2026-03-13", []),
        ("lockup_expiration", "2026-03-30", ["9702.HK"]),
        ("model_release", "2026-03-17", ["9701.HK"]),
    ]
    moves = [dict(d.event.attributes) for d in drafts[1:3]]
    assert moves == [{"move_pct": 21.5, "move_at": "intraday"}, {"move_pct": 13, "move_at": "close"}]
    assert drafts[5].event.at.isoformat() == "2026-03-17T20:30:00+08:00"
    assert [d.event.id for d in drafts][1:3] == ["market-event-9701-hk-2026-03-17", "market-event-9701-hk-2026-03-17-2"]


# ------------------------------------------------------------------------------------------------ dates


@pytest.mark.parametrize(
    "words, day, last, precision",
    [
        ("2026-06-13", "2026-06-13", None, "day"),
        ("June 13, 2025", "2025-06-13", None, "day"),
        ("on 13 June", "2026-06-13", None, "day"),
        ("Sept. 5", "2026-09-05", None, "day"),
        ("Dec. 30", "2025-12-30", None, "day"),
        ("June 13-14", "2026-06-13", "2026-06-14", "day"),
        ("6月13日", "2026-06-13", None, "day"),
        ("2025年6月13日", "2025-06-13", None, "day"),
        ("13日", "2026-06-13", None, "day"),
        ("on the 16th", "2026-06-16", None, "day"),
        ("on the 30th", "2026-05-30", None, "day"),
        ("on the 31st", "2026-05-31", None, "day"),
        ("last Friday", "2026-06-19", None, "day"),
        ("on Friday", "2026-06-19", None, "day"),
        ("this Friday", "2026-06-26", None, "day"),
        ("next Monday", "2026-06-29", None, "day"),
        ("on Wednesday", "2026-06-24", None, "day"),
        ("last Wednesday", "2026-06-17", None, "day"),
        ("上周五", "2026-06-19", None, "day"),
        ("周一", "2026-06-22", None, "day"),
        ("yesterday", "2026-06-23", None, "day"),
        ("昨日", "2026-06-23", None, "day"),
        ("this week", "2026-06-22", "2026-06-28", "week"),
        ("last week", "2026-06-15", "2026-06-21", "week"),
        ("上周", "2026-06-15", "2026-06-21", "week"),
        ("over the weekend", "2026-06-20", "2026-06-21", "day"),
        ("earlier this month", "2026-06-01", "2026-06-24", "week"),
        ("last month", "2026-05-01", "2026-05-31", "week"),
        ("in March", "2026-03-01", "2026-03-31", "week"),
        ("in November", "2025-11-01", "2025-11-30", "week"),
        ("from Feb. last year", "2025-02-01", "2025-02-28", "week"),
    ],
)
def test_dates_are_read_against_publication(words, day, last, precision):
    (found,) = find_dates(f"It was decided {words}, they said.", WEDNESDAY)
    assert (str(found.day), found.last and str(found.last), found.precision) == (day, last, precision)
    assert found.why


@pytest.mark.parametrize(
    "words", ["the 119th Congress", "on the 20th floor", "on the 40th anniversary", "in May's view", "13%"]
)
def test_numbers_that_are_no_dates(words):
    assert not [d for d in find_dates(f"It met {words}.", WEDNESDAY) if d.precision == "day"]


def test_what_is_to_come_lies_ahead():
    assert find_dates("It expires on the 8th.", WEDNESDAY, ahead=True)[0].day == dt.date(2026, 7, 8)
    assert find_dates("It will end on Friday.", WEDNESDAY, ahead=True)[0].day == dt.date(2026, 6, 26)


@pytest.mark.parametrize(
    "words", ["on the 16th", "last Friday", "June 13", "this week", "昨日", "本周", "over the weekend"]
)
def test_without_publication_a_relative_date_is_found_and_open(words):
    (found,) = find_dates(f"It happened {words}.", None)
    assert found.day is None and found.why


@pytest.mark.parametrize(
    "words, clock, zone",
    [
        ("at 5:21 p.m. ET", "17:21", "America/New_York"),
        ("at 12 a.m. Eastern", "00:00", "America/New_York"),
        ("17:21 HKT", "17:21", "Asia/Hong_Kong"),
        ("北京时间13日凌晨5点21分", "05:21", "Asia/Shanghai"),
        ("北京时间晚上8点", "20:00", "Asia/Shanghai"),
    ],
)
def test_clock_times_that_name_their_zone(words, clock, zone):
    (found,) = find_clocks(f"It came {words}.")
    assert (found.time.isoformat("minutes"), found.zone) == (clock, zone)
    assert not list(find_clocks("It came at 5:21 p.m. and left at 17:30."))


@pytest.mark.parametrize(
    "stamp, published, year, day",
    [
        ("07/06, 04:26", dt.date(2026, 7, 7), None, "2026-07-06"),
        ("07/06, 04:26", None, 2026, "2026-07-06"),
        ("16/07, 04:26", None, 2026, "2026-07-16"),
        ("12/30, 04:26", dt.date(2026, 1, 2), None, "2025-12-30"),
        ("2026-07-06 04:26", None, None, "2026-07-06"),
        ("07月06日 03:00", None, 2026, "2026-07-06"),
    ],
)
def test_time_lines_of_items(stamp, published, year, day):
    assert str(stamp_date(stamp, published, year)) == day


# ------------------------------------------------------------------------------------------------ sentences


@pytest.mark.parametrize(
    "sentence, kind",
    [
        ("The Commerce Department added Northgate to the Entity List on June 22.", "entity_listing"),
        ("The White House announced tariffs of 25% on chips on June 22.", "tariff"),
        ("Chinese regulators opened an antitrust probe into Quill AI on June 22.", "counter_measure"),
        ("Lanmu AI will join the Hang Seng TECH Index on July 6.", "index_inclusion"),
        ("Lanmu AI placed 20 million new shares on June 22.", "equity_offering"),
        ("Northgate made its trading debut on June 22.", "ipo"),
        ("A broker raised its price target on Lanmu AI on June 22.", "analyst_action"),
        ("Northgate reported a net profit of HK$2 billion on June 22.", "earnings"),
        ("Quill AI was sued over its training data on June 22.", "litigation"),
        ("Lanmu AI open-sourced Lanmu-6 on June 22.", "model_release"),
        ("China's State Council issued rules on data on June 22.", "regulation"),
        ("The Dutch government announced subsidies for chip plants on June 22.", "industrial_policy"),
        ("A surprise rate cut came on June 22.", "macro"),
        ("Lanmu AI announced a share buyback on June 22.", "corporate_announcement"),
        ("A U.S. official said on June 22 that talks go on.", "government_statement"),
        ("美国商务部6月22日将北门芯片列入实体清单。", "entity_listing"),
        ("北门芯片6月22日宣布配售新股。", "equity_offering"),
        ("国家网信办6月22日约谈蓝木智能。", "counter_measure"),
    ],
)
def test_kinds_by_their_words(sentence, kind):
    event = only(sentence)
    assert event.kind == kind
    assert event.day in (dt.date(2026, 6, 22), dt.date(2026, 7, 6))


@pytest.mark.parametrize(
    "sentence",
    [
        "If the White House issued export controls, Lanmu AI might gain 40%.",
        "Export controls can disrupt the whole chain.",
        "The Dutch government has yet to revoke any export licence.",
        "The market share of Lanmu AI rose 40%, trading partners said.",
        "Lanmu AI's revenue rose 12% while its shares were suspended.",
        "80% of developers use open models, data released in March by a library shows.",
        "Open-source models from Lanmu AI are liked by many.",
        "",
    ],
)
def test_thoughts_and_figures_are_no_events(sentence):
    assert drafted(sentence) == []


@pytest.mark.parametrize(
    "sentence, moves",
    [
        ("Shares of Lanmu AI fell 11% on June 22.", [("9701.HK", -11)]),
        ("Lanmu AI shares closed 7.5% lower on June 22.", [("9701.HK", -7.5)]),
        (
            "On June 22 Lanmu AI stock jumped 20% while Northgate dropped as much as 4.2 percent.",
            [("9701.HK", 20), ("9702.HK", -4.2)],
        ),
        ("蓝木智能股价6月22日收跌8%。", [("9701.HK", -8)]),
    ],
)  # fmt: skip
def test_moves_of_shares_with_their_sign(sentence, moves):
    found = [(d.event.tickers[0].ticker, d.event.attributes["move_pct"]) for d in drafted(sentence)]
    assert found == moves
    assert {d.event.day for d in drafted(sentence)} == {dt.date(2026, 6, 22)}


def test_the_next_sentence_lends_its_clock_time():
    text = (
        "U.S. officials tightened export controls on chips on the 19th. They sent the order at 5:21 p.m. ET on Friday."
    )
    event = only(text)
    assert event.at.isoformat() == "2026-06-19T17:21:00-04:00" and event.precision == "minute"
    other_day = text.replace("on Friday", "on Monday")
    assert only(other_day).at is None and only(other_day).date == dt.date(2026, 6, 19)


def test_its_speaks_of_the_firm_before():
    event = only("Lanmu AI moved its head office. The lock-up on 31% of its shares expires on the 30th.")
    assert event.tickers == (Link("9701.HK", "target", -1),) and "Lanmu AI" in event.title
    assert (event.day, event.attributes["unlock_pct"]) == (dt.date(2026, 6, 30), 31)


def test_two_orders_on_two_days_are_two_events():
    text = (
        "The White House issued an export control order against DeepSeek on June 2.\n\n"
        "The White House issued an export control order against DeepSeek on June 20.\n\n"
        "The export control order against DeepSeek was announced on June 20."
    )
    assert [d.event.day.day for d in drafted(text)] == [2, 20]


def test_a_stated_day_of_publication_is_used_and_said():
    text = "Published: June 24, 2026\n\nLanmu AI released its Lanmu-7 model on Monday.\n"
    (draft,) = drafted(text, None)
    assert draft.event.day == dt.date(2026, 6, 22)
    assert "Published: June 24, 2026" in guess(draft, "date").why
    (given,) = drafted(text, "2026-06-17")
    assert given.event.day == dt.date(2026, 6, 15)
    with pytest.raises(EventError, match="published: June is not a date"):
        drafted(text, "June")


def test_sentences_survive_abbreviations_and_quotes():
    text = 'The U.S. Commerce Dept. met Mr. Li at 5 p.m. on Jan. 3. "It is over." He left. 完了。走了！'
    assert [s.text for s in read_news(text).sentences] == [
        "The U.S. Commerce Dept. met Mr. Li at 5 p.m. on Jan. 3.", '"It is over."', "He left.", "完了。", "走了！",
    ]  # fmt: skip


def test_the_catalogue_is_asked_whether_it_holds_the_event():
    known = Event("old", "US order on DeepSeek", "export_control", date=dt.date(2026, 6, 14))
    later = Event("later", "US order on DeepSeek", "export_control", date=dt.date(2026, 8, 1))
    (draft,) = drafted(
        "The White House issued an export control order against DeepSeek on June 13.",
        catalogue=EventCatalog((known, later)),
    )
    assert [g.value for g in draft.guesses if g.field == "id"] == ["old"]


# ------------------------------------------------------------------------------------------------ for the user to edit


def test_drafts_are_a_catalogue_the_user_can_finish(tmp_path, column, surge):
    path = write_drafts([*column, *surge], tmp_path / "drafts.yaml")
    problems = check_events(path, today=dt.date(2026, 11, 22))
    errors = [p for p in problems if p.severity == "error"]
    assert [(p.event_id, p.field) for p in errors] == [(column[2].event.id, "date")]
    text = path.read_text(encoding="utf-8")
    order = column[2].event.id
    path.write_text(text.replace(f"- id: {order}\n", f"- id: {order}\n  date: 2026-06-02\n"), encoding="utf-8")
    loaded = load_events(path)
    assert len(loaded) == 9 and {e.status for e in loaded} == {"unverified"}
    assert loaded.get(surge[0].event.id).day == dt.date(2026, 6, 13)


def test_nothing_is_overwritten(tmp_path, surge):
    path = tmp_path / "mine.yaml"
    path.write_text("- id: mine\n", encoding="utf-8")
    with pytest.raises(RequestError, match="not overwritten"):
        write_drafts(surge, path)
    assert path.read_text(encoding="utf-8") == "- id: mine\n"


def test_an_empty_text_says_so():
    assert "No event was recognised" in to_yaml([])


def test_records_for_json_hold_quote_and_guesses(column):
    record = draft_record(column[2])
    assert record["date"] is None and record["day"] is None and record["status"] == "unverified"
    assert "executive order" in record["quote"]
    assert {"field": "date", "value": "", "quote": "had earlier"}.items() <= record["guesses"][-1].items()
    assert draft_record(column[3])["day"] == "2026-07-06"


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(EventError, match="no news text"):
        draft_file(tmp_path / "none.txt")
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"good line\n" + "caf\xe9".encode("latin-1"))
    with pytest.raises(EventError, match=r"bad\.txt:2: not UTF-8"):
        draft_file(bad)
    marked = tmp_path / "bom.txt"
    marked.write_bytes("﻿Shares of Lanmu AI fell 11% on June 22, 2026.".encode())
    assert kinds(draft_file(marked, tickers=FIRMS)) == ["market_event"]
