"""The bundled catalogue, and event files and frames of every kind, good and bad, through the public functions."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pytest

from abnormal.domain import Event, EventCatalog, Link
from abnormal.errors import AbnormalWarning, EventError, RequestError, UnknownName
from abnormal.inputs.events import (
    KINDS,
    check_events,
    dump_yaml,
    event_record,
    load_events,
    near,
    to_frame,
    upcoming,
)
from abnormal.inputs.tickers import load_tickers

FIXTURES = Path(__file__).parent / "fixtures"
TODAY = dt.date(2026, 11, 22)


def write(folder: Path, text: str, name: str = "events.yaml", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def refusal(source: object) -> str:
    with pytest.raises(EventError) as caught:
        load_events(source)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    return str(caught.value)


RECORD = """\
- id: one
  title: something
  kind: earnings
  date: "2024-05-07"
  tickers:
    - {ticker: "0700.HK", role: target, sign: 1}
"""


# ------------------------------------------------------------------------------------------------ the bundled catalogue


@pytest.fixture(scope="module")
def catalog() -> EventCatalog:
    return load_events()


def test_bundled_catalogue_is_clean():
    assert check_events(today=TODAY) == []


def test_no_record_of_the_collection_is_lost(catalog):
    collected = (FIXTURES / "events_ids.txt").read_text(encoding="utf-8").split()
    assert len(collected) == 158
    assert set(collected) <= set(catalog.ids)
    assert len(catalog) == 181 == len(set(catalog.ids))


def test_catalogue_is_in_order_of_date(catalog):
    assert [e.day for e in catalog] == sorted(e.day for e in catalog)


def test_headline_event_is_as_documented(catalog):
    order = catalog.get("us-order-anthropic")
    assert order.at is not None and order.at.isoformat() == "2026-06-12T17:21:00-04:00"
    assert (order.date, order.precision, order.status, order.anticipated) == (None, "minute", "verified", "no")
    assert (order.kind, order.jurisdiction, order.cluster) == ("export_control", "US", "anthropic-models-2026")
    assert not order.selected_on_outcome and not order.market_wide and not order.scheduled
    assert order.link("2513.HK") == Link("2513.HK", "beneficiary", 1)
    assert order.link("0100.HK") == Link("0100.HK", "beneficiary", 1)


RENAMED = {
    "anthropic-export-directive-2026-06-12": "us-order-anthropic",
    "anthropic-controls-lifted-2026-06-30": "us-order-anthropic-lifted",
    "zhipu-glm52-coding-plan-2026-06-13": "glm-5-2-release",
    "zhipu-lockup-6m-2026-07-08": "zhipu-lockup-2026",
    "minimax-lockup-6m-2026-07-09": "minimax-lockup-2026",
    "nvda-a100-h100-licence-2022-08-31": "nvda-a100-licence-2022",
    "bis-advanced-computing-rule-2022-10-07": "bis-chip-rule-2022",
}


def test_ids_of_the_bundled_studies(catalog):
    assert set(RENAMED.values()) | {"amd-q3-warning-2022"} <= set(catalog.ids)
    assert not set(RENAMED) & set(catalog.ids)


def test_what_must_stand_beside_the_headline_events(catalog):
    def beside(event_id: str, ticker: str) -> set[str]:
        days = [(e, d) for e, d in near(catalog, catalog.get(event_id).day, ticker, days=3) if e.kind != "market_event"]
        return {e.id for e, _ in days if e.status in ("verified", "quoted")}

    june = beside("us-order-anthropic", "2513.HK")
    assert {"glm-5-2-release", "zhipu-jpmorgan-target-2026-06-15", "us-iran-framework-2026-06-14"} <= june
    assert "zhipu-15june-jump-2026-06-15" not in june
    assert "amd-q3-warning-2022" in beside("bis-chip-rule-2022", "AMD")
    assert "us-payrolls-2022-10-07" in beside("bis-chip-rule-2022", "^GSPC")
    assert "minimax-lockup-2026" in beside("zhipu-lockup-2026", "2513.HK")
    assert "zhipu-lockup-2026" in beside("minimax-lockup-2026", "0100.HK")


def test_counts_of_the_catalogue(catalog):
    frame = pd.DataFrame([event_record(e) for e in catalog])
    assert frame.status.value_counts().to_dict() == {"verified": 116, "unverified": 53, "quoted": 12}
    kinds = frame.kind.value_counts().to_dict()
    assert set(kinds) <= set(KINDS)
    assert (kinds["lockup_expiration"], kinds["market_event"], kinds["analyst_action"]) == (23, 5, 6)


def test_outcomes_are_told_from_treatments(catalog):
    assert set(catalog.kind("market_event").ids) == {
        "chip-selloff-2026-06-05",
        "chip-selloff-2026-06-23",
        "deepseek-selloff-2025-01-27",
        "zhipu-15june-jump-2026-06-15",
        "zhipu-hk1tn-2026-06-22",
    }


def test_market_wide_is_rare(catalog):
    assert {e.id for e in catalog if e.market_wide} == {
        "us-payrolls-2022-10-07",
        "liberation-day-2025-04-02",
        "tariff-pause-2025-04-09",
        "geneva-truce-2025-05-12",
        "trump-100pct-tariff-threat-2025-10-10",
        "scotus-ieepa-2026-02-20",
        "iran-war-2026-02-28",
        "chip-selloff-2026-06-05",
        "us-iran-framework-2026-06-14",
    }


def test_steps_of_one_story_share_a_cluster(catalog):
    steps: dict[str, list[str]] = {}
    for event in catalog:
        steps.setdefault(event.cluster, []).append(event.id)
    single = {name for name, ids in steps.items() if name and len(ids) < 2}
    assert single == set()
    assert {"us-order-anthropic", "us-order-anthropic-lifted", "anthropic-statement-2026-06-12"} <= set(
        steps["anthropic-models-2026"]
    )
    assert set(steps["zhipu-glm52-2026"]) == {"glm-5-2-release", "zhipu-glm52-open-weights-2026-06-16"}


def test_titles_are_short_and_every_record_says_where_from(catalog):
    for event in catalog:
        assert 5 < len(event.title) <= 80 and not event.title.endswith("."), event.id
        assert event.sources or event.status == "unverified", event.id
        assert event.confidence in ("high", "medium", "low"), event.id
        assert event.tickers and all(link.role and link.sign in (-1, 0, 1) for link in event.tickers), event.id


def test_records_named_in_texts_exist(catalog):
    id_like = re.compile(r"\(([a-z0-9]+(?:-[a-z0-9]+)+)(?:, ([a-z0-9]+(?:-[a-z0-9]+)+))?\)")
    named = {
        name
        for event in catalog
        for text in (*event.known_confounders, event.notes)
        for groups in id_like.findall(text)
        for name in groups
        if name.count("-") >= 2
    }
    assert len(named) > 30
    assert named <= set(catalog.ids)


def test_every_ticker_is_in_the_ticker_table(catalog):
    assert {link.ticker for event in catalog for link in event.tickers} <= set(load_tickers().tickers)


def test_reading_the_catalogue_needs_no_pandas():
    code = "import sys; from abnormal.inputs.events import load_events; load_events(); print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --------------------------------------------------------------------------------------------------------- YAML: values


def test_strings_stay_strings(tmp_path):
    path = write(
        tmp_path,
        """\
- id: 1e5
  title: 12:30
  kind: macro
  date: 2024-05-07
  jurisdiction: NO
  cluster: 0700
  anticipated: no
  scheduled: yes
  status: unverified
  notes: 0x10
  tickers:
    - {ticker: 0700, role: target, sign: +1}
  attributes: {code: 0700, odds: 1e5, when: 12:30, land: NO, n: 12, share_pct: 1.5, quoted: "7", big_pct: 1e2}
  known_confounders: [on, 1_000]
""",
    )
    event = load_events(path).events[0]
    assert (event.id, event.title, event.jurisdiction, event.cluster, event.notes) == (
        "1e5", "12:30", "NO", "0700", "0x10",
    )  # fmt: skip
    assert (event.anticipated, event.scheduled, event.date) == ("no", True, dt.date(2024, 5, 7))
    assert event.tickers == (Link("0700", "target", 1),)
    assert dict(event.attributes) == {
        "code": "0700", "odds": "1e5", "when": "12:30", "land": "NO", "n": 12, "share_pct": 1.5, "quoted": "7",
        "big_pct": 100.0,
    }  # fmt: skip
    assert event.known_confounders == ("on", "1_000")


def test_a_tag_constructs_nothing(tmp_path):
    path = write(tmp_path, RECORD.replace("something", "!!python/object/apply:os.system [echo]"))
    assert "expected one value, found a list" in refusal(path)


def test_further_keys_of_a_ticker_are_characteristics(tmp_path):
    text = RECORD.replace("sign: 1", "sign: 1, float_pct: 12.5, board: H")
    catalog = load_events(write(tmp_path, text))
    assert catalog.extras["one", "0700.HK"] == {"float_pct": 12.5, "board": "H"}
    assert catalog.pairs[0].extra["board"] == "H"


def test_empty_values_are_left_out(tmp_path):
    event = load_events(write(tmp_path, RECORD + "  notes: ~\n  cluster:\n  date_end: null\n")).events[0]
    assert (event.notes, event.cluster, event.date_end) == ("", "", None)


def test_a_list_may_sit_under_events_and_tickers_may_be_bare(tmp_path):
    text = 'events:\n  - {id: one, kind: ipo, date: "2024-05-07", tickers: [0700.HK, 9988.HK]}\n'
    assert [p.ticker for p in load_events(write(tmp_path, text)).pairs] == ["0700.HK", "9988.HK"]


def test_a_folder_is_one_catalogue(tmp_path):
    write(tmp_path, RECORD, "a.yaml")
    write(tmp_path, RECORD.replace("id: one", "id: two"), "b.yml")
    assert load_events(tmp_path).ids == ["one", "two"]
    write(tmp_path, RECORD, "c.yaml")
    assert "one: two records of the folder have this id" in refusal(tmp_path)
    assert next(p.message for p in check_events(tmp_path)).startswith("is taken by a record in")


# ------------------------------------------------------------------------------------------------------- YAML: findings

ONE_FAULT = [
    ('date: "2024-05-07"', "at: 2026-06-12T17:21:00", "2026-06-12T17:21:00 has no UTC offset; write 2026-06-12T17:21:00-04:00"),
    ('date: "2024-05-07"', 'at: "2026-06-12"', "`at` 2026-06-12 has no clock time; write it as `date`"),
    ('date: "2024-05-07"', "at: yesterday", "`at` yesterday is not a timestamp"),
    ('date: "2024-05-07"', "date: 2026-13-08", "`date` 2026-13-08 is not a date (month must be in 1..12); write YYYY-MM-DD"),
    ('date: "2024-05-07"', "date: 2026-02-30", "`date` 2026-02-30 is not a date (day is out of range for month)"),
    ('date: "2024-05-07"', "date: 12/06/2026", "`date` 12/06/2026 is not a date"),
    ('date: "2024-05-07"', "date: 2026-06-12T17:21:00-04:00", "is a timestamp; write it as `at`"),
    ('date: "2024-05-07"', 'date: "2024-05-07"\n  timezone: Mars/Olympus', "`timezone` Mars/Olympus is not a known time zone"),
    ('date: "2024-05-07"', 'date: "2024-05-07"\n  timezone: HKT', "write Asia/Hong_Kong"),
    ('date: "2024-05-07"', 'at: "2026-06-12T17:21:00-05:00"\n  timezone: America/New_York', "is not the time of Amer"),
    ('date: "2024-05-07"', 'at: "2026-03-08T02:30:00"\n  timezone: America/New_York', "is skipped or happens twice"),
    ('date: "2024-05-07"', 'at: "2026-06-13T05:21:00+08:00"\n  date: "2026-06-12"', "`date` 2026-06-12 is not the day of `at`"),
    ('date: "2024-05-07"', 'date: "2024-05-07"\n  date_end: "2024-05-06"', "`date_end` 2024-05-06 is before the date"),
    ('date: "2024-05-07"', 'date: "2024-05-07"\n  time: "17:21"', "`time` 17:21 has no `timezone`"),
    ('date: "2024-05-07"', "scheduled: false", "`date` is missing, and so is `at`"),
    ("kind: earnings", "kind: earning", '`kind` earning is not a known kind (did you mean "earnings"?)'),
    ("role: target", "role: traget", '`role` traget is not a known role (did you mean "target"'),
    ("sign: 1", "sign: 2", "`sign` 2 is not a sign; write -1, 0 or 1"),
    ("title: something", "titel: something", '`titel` is not a field of an event (did you mean "title"'),
    ("title: something", "category: x", "`category` is called `kind` here"),
    ("title: something", "status: verfied", '`status` verfied is not a known status (did you mean "verified"'),
    ("title: something", "precision: sesion", '`precision` sesion is not a known precision (did you mean "session"'),
    ("title: something", "session_hint: preopen", '`session_hint` preopen is not a known session hint (did you mean "pre_open"'),
    ("title: something", "session_market: HKEX2", "`session_market` HKEX2 is not an exchange code"),
    ("title: something", "confidence: hihg", '`confidence` hihg is not a known confidence (did you mean "high"'),
    ("title: something", "anticipated: perhaps", "`anticipated` perhaps is not a known answer; write one of no, partly, yes"),
    ("title: something", "scheduled: perhaps", "`scheduled` perhaps is neither true nor false"),
    ("title: something", "title: [a, b]", "`title` expected one value, found a list"),
    ("title: something", "kind: ipo", "`kind` is given twice in this record"),
    ("title: something", "attributes: {unlock_pct: half}", "`unlock_pct` half is not a number"),
    ("title: something", 'attributes: {value_hkd: "1,234"}', "`value_hkd` 1,234 is not a number, and the na"),
    ("title: something", "attributes: {status: 3}", "`status` is a field of the event and cannot be an attribute"),
    ("title: something", "attributes: 3", "`attributes` expected `name: value` pairs"),
    ("role: target", "rol: target", '`rol` is not a field of a ticker (did you mean "role"'),
    ("tickers:\n", 'tickers:\n    - {ticker: "0700.HK"}\n', "`ticker` 0700.HK is named twice by this event"),
    ("tickers:\n", "tickers:\n    - {role: peer}\n", "`ticker` is missing; every pair needs one"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), ONE_FAULT)
def test_a_fault_is_told_with_file_line_record_and_field(tmp_path, old, new, told):
    assert old in RECORD
    path = write(tmp_path, RECORD.replace(old, new, 1))
    said = refusal(path)
    assert told in said
    assert re.match(re.escape(str(path)) + r":\d+: one: `", said)
    assert next(p for p in check_events(path, TODAY) if p.severity == "error").event_id == "one"


def test_the_line_is_that_of_the_field(tmp_path):
    path = write(tmp_path, "# a comment\n\n" + RECORD.replace('"2024-05-07"', "2024-15-07"))
    assert refusal(path).startswith(f"{path}:6: one: `date` 2024-15-07")


def test_twenty_planted_faults_give_twenty_findings():
    problems = check_events(FIXTURES / "events_twenty_faults.yaml", TODAY)
    assert len(problems) == 20
    assert [p.line for p in problems] == sorted(p.line for p in problems)
    assert {p.event_id for p in problems} == {f"fault-{n:02d}" for n in (*range(1, 9), *range(10, 20))} | {""}
    assert sum(p.severity == "warning" for p in problems) == 4
    assert "and 15 more; `abnormal events check" in refusal(FIXTURES / "events_twenty_faults.yaml")


WARNED = [
    ('"0700.HK"', '"0700.HX"', "ticker", "unknown suffix"),
    ('"0700.HK"', "0700", "ticker", "a number without suffix"),
    ("title: something", "status: verified", "status", "verified without a source"),
    ("title: something", "status: quoted", "status", "quoted without a source"),
    ("title: something", "sources: [notes.txt]", "sources", "is not an http(s) address"),
    ("title: something", "precision: minute", "precision", "has only a date"),
    ("title: something", "session_market: XXXX", "session_market", "not among the exchanges"),
    ("  title: something\n", "", "title", "is missing"),
    ("  kind: earnings\n", "", "kind", "is missing"),
]


@pytest.mark.parametrize(("old", "new", "name", "told"), WARNED)
def test_doubts_are_listed_but_do_not_keep_a_file_from_loading(tmp_path, old, new, name, told):
    text = RECORD.replace(old, new, 1)
    path = write(tmp_path, text if "title" in text or name == "title" else text + "  title: something\n")
    assert len(load_events(path)) == 1
    assert [(p.severity, p.field) for p in check_events(path, TODAY)] == [("warning", name)]
    assert told in check_events(path, TODAY)[0].message


def test_a_future_event_must_be_scheduled_to_be_verified(tmp_path):
    text = RECORD.replace("2024-05-07", "2027-01-08") + "  status: verified\n  sources: [https://example.org/x]\n"
    path = write(tmp_path, text)
    assert [p.field for p in check_events(path, TODAY)] == ["scheduled"]
    assert check_events(path, dt.date(2027, 1, 8)) == []
    assert check_events(write(tmp_path, text + "  scheduled: true\n"), TODAY) == []


NOT_EVENTS = [
    ("", ":1: the file holds no event records"),
    ("# only a comment\n", ":1: the file holds no event records"),
    ("just a text\n", ":1: expected a list of event records"),
    ("- id: one\n  title: 'open\n", "not YAML"),
    ("- id: one\n\ttitle: x\n", ":2:"),
    ("- just a text\n", ":1: expected an event record"),
    ("- &a [*a]\n", ":1: expected an event record"),
    ("a: 1\n---\nb: 2\n", "not YAML: "),
]


@pytest.mark.parametrize(("text", "told"), NOT_EVENTS)
def test_a_file_that_is_no_catalogue(tmp_path, text, told):
    path = write(tmp_path, text)
    assert told in refusal(path)
    assert len(check_events(path)) == 1


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path):
    path = write(tmp_path, RECORD.replace("something", "智谱"), encoding="gb18030")
    assert refusal(path) == f"{path}:2: not UTF-8 text; save the file as UTF-8"
    assert (
        load_events(write(tmp_path, RECORD.replace("something", "智谱"), encoding="utf-8-sig")).events[0].title
        == "智谱"
    )


def test_a_missing_file_names_what_is_near(tmp_path):
    path = write(tmp_path, RECORD, "my_events.yaml")
    assert 'did you mean "my_events.yaml"' in refusal(path.with_name("my_event.yaml"))
    assert 'load_events()["us-order-anthropic"]' in refusal("us-order-anthropic")
    assert "events are read from .yaml" in refusal(write(tmp_path, RECORD, "events.docx"))


# ------------------------------------------------------------------------------------------------------------------ CSV


def csv_events(folder: Path, text: str, name: str = "events.csv", encoding: str = "utf-8") -> EventCatalog:
    return load_events(write(folder, text, name, encoding))


def test_csv_one_row_a_pair(tmp_path):
    catalog = csv_events(
        tmp_path,
        "event_id,ticker,date,role,sign,kind,title,sources,unlock_pct,board\n"
        "lock,2513.HK,2026-07-08,target,-1,lockup_expiration,Locks end,https://a.org/1;https://a.org/2,5.76,H\n"
        "lock,0100.HK,2026-07-08,peer,,,,,,\n"
        "other,0700.HK,2026-07-09,,,,,,48.9,0700\n",
    )
    lock, other = catalog
    assert (lock.id, lock.title, lock.kind, lock.date) == (
        "lock", "Locks end", "lockup_expiration", dt.date(2026, 7, 8),
    )  # fmt: skip
    assert lock.tickers == (Link("2513.HK", "target", -1), Link("0100.HK", "peer", 0))
    assert lock.sources == ("https://a.org/1", "https://a.org/2")
    assert (other.status, other.precision, other.timezone) == ("quoted", "day", "")
    assert catalog.extras["lock", "2513.HK"] == {"unlock_pct": 5.76, "board": "H"}
    assert catalog.extras["other", "0700.HK"] == {"unlock_pct": 48.9, "board": "0700"}
    assert pd.isna(catalog.extras["lock", "0100.HK"]["unlock_pct"])


def test_csv_timestamps_and_times(tmp_path):
    catalog = csv_events(
        tmp_path,
        "event_id,ticker,date,at,time,timezone,session_hint\n"
        "a,2513.HK,,2026-06-12T17:21:00-04:00,,,\n"
        "b,2513.HK,2026-06-12,,17:21,America/New_York,\n"
        "c,2513.HK,2026-06-12,,5:21 pm,America/New_York,\n"
        "d,2513.HK,2026-06-12T21:21:00Z,,,,\n"
        "e,2513.HK,2026-06-12,,,America/New_York,after_close\n"
        "f,2513.HK,,2026-06-12T21:21:00Z,,America/New_York,\n",
    )
    moments = [event.at for event in catalog if event.id != "e"]
    assert {m.astimezone(dt.UTC) for m in moments} == {dt.datetime(2026, 6, 12, 21, 21, tzinfo=dt.UTC)}
    assert catalog.get("f").at.isoformat() == "2026-06-12T17:21:00-04:00"
    assert {event.precision for event in catalog if event.at} == {"minute"}
    assert (catalog.get("e").at, catalog.get("e").session_hint) == (None, "after_close")


BAD_ROWS = [
    ("ticker,date\nAAPL,2026-13-08\n", ":2: AAPL-2026-13-08: `date` 2026-13-08 is not a date"),
    ("ticker,date\nAAPL,2026-06-12T17:21:00\n", ":2: AAPL-2026-06-12: `date` 2026-06-12T17:21:00 has no UTC offset"),
    ("ticker,at\nAAPL,2026-06-12 17:21\n", ":2: AAPL-2026-06-12: `at` 2026-06-12T17:21:00 has no UTC offset"),
    ("ticker,date,time\nAAPL,2026-06-12,17:21\n", ":2: AAPL-2026-06-12: `time` 17:21 has no `timezone`"),
    ("ticker,date,time,timezone\nAAPL,2026-06-12,25:21,UTC\n", "`time` 25:21 is not a clock time"),
    ("ticker,date,timezone\nAAPL,2026-06-12,EST\n", "EST is a short name, not a time zone; write America/New_York"),
    ("ticker,date\nAAPL,03/04/2026\n", "`date` 03/04/2026 can be read day first or month first; write 2026-04-03 or 2026-03-04"),
    ("ticker,date\nAAPL,13/04/2026\nAAPL,04/13/2026\n", ":3: `date` 04/13/2026 and 13/04/2026 on line 2"),
    ("ticker,date\nAAPL,31/12/26\n", ":2: AAPL-31/12/26: `date` 31/12/26 is not a date"),
    ("ticker,date\n,2026-06-12\n", ":2: "),
    ("ticker,date\nAAPL,\n", ":2: AAPL-None: `date` is missing"),
    ("ticker,date,role\nAAPL,2026-06-12,traget\n", '`role` traget is not a known role (did you mean "target"'),
    ("event_id,ticker,date\na,AAPL,2026-06-12\na,KO,2026-06-15\n", ":3: a: `date` 2026-06-15 differs from 2026-06-12"),
    ("event_id,ticker,date\na,AAPL,2026-06-12\na,AAPL,2026-06-12\n", ":3: a: `ticker` AAPL is named twice"),
    ("ticker,date,note\nAAPL,2026-06-12,one, two\n", ":2: 4 entries where the header has 3; quote entries that"),
    ("ticker,date,note\nAAPL,2026-06-12\n", ":2: 2 entries where the header has 3"),
    ("ticker,dates\nAAPL,2026-06-12\n", ':1: `date` is not among the columns, nor is `at` (did you mean "dates"?)'),
    ("firm,date\nAAPL,2026-06-12\n", ":1: `ticker` is not among the columns; found: firm, date"),
    ("ticker,date,date\nAAPL,2026-06-12,2026-06-12\n", ":1: two columns are called `date`"),
    ("ticker,date\n", ":1: the file has a header and no rows"),
    ("", ":1: the file is empty"),
    ("\n  \n", ":1: the file is empty"),
    ("<!DOCTYPE html>\n<html><body>429</body></html>\n", ":1: `ticker` is not among the columns"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD_ROWS)
def test_a_bad_table_is_refused_with_its_line(tmp_path, text, told):
    path = write(tmp_path, text, "events.csv")
    assert told in refusal(path)
    problems = check_events(path)
    assert problems and all(p.line >= 1 for p in problems)


def test_a_row_without_ticker_is_told(tmp_path):
    assert "`ticker` is missing; every pair needs one" in refusal(
        write(tmp_path, "ticker,date\n,2026-06-12\n", "e.csv")
    )


READABLE = [
    ("ticker;date\nAAPL;2026-06-12\n", "utf-8", "fields are separated by ';'"),
    ("ticker\tdate\nAAPL\t2026-06-12\n", "utf-8", "fields are separated by '\\t'"),
    ("ticker|date\nAAPL|2026-06-12\n", "utf-8-sig", "fields are separated by '|'"),
    ("ticker,date\nAAPL,46185\n", "utf-8", "Excel serial numbers"),
    ("ticker,date\nMSFT,13/06/2026\nAAPL,12/06/2026\n", "utf-8", "`date` was read day first, as line 2 requires"),
    ("ticker,date\nMSFT,6/13/2026\nAAPL,6/12/2026\n", "utf-8", "`date` was read month first, as line 2 requires"),
    ('ticker,date,size\nAAPL,2026-06-12,"1,234,567.5"\nMSFT,2026-06-15,3\n', "utf-8", "`size` was read with `.`"),
    ("ticker;date;size\nAAPL;2026-06-12;1.234.567,5\nMSFT;2026-06-15;2,5\n", "utf-8", "`size` was read with `,`"),
]


@pytest.mark.parametrize(("text", "encoding", "told"), READABLE)
def test_what_can_be_read_in_one_way_is_read_and_said(tmp_path, text, encoding, told):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        catalog = csv_events(tmp_path, text, encoding=encoding)
    assert {w.category for w in said} == {AbnormalWarning}
    assert any(told in str(w.message) for w in said)
    apple = catalog.naming("AAPL")
    assert apple.events[0].date == dt.date(2026, 6, 12)
    assert catalog.extras.get((apple.ids[0], "AAPL"), {"size": 1234567.5}) == {"size": 1234567.5}


@pytest.mark.parametrize(
    ("day", "encoding"),
    [
        ("2026-06-12", "utf-8-sig"), ("2026/06/12", "utf-8"), ("2026.6.12", "utf-8"), ("20260612", "utf-8"),
        ("12 Jun 2026", "utf-8"), ('"June 12, 2026"', "utf-8"), ("12-Jun-2026", "utf-8"), ("2026-06-12 00:00:00", "utf-8"),
        ("2026-06-12", "utf-16"),
    ],
)  # fmt: skip
def test_days_written_in_one_clear_way(tmp_path, day, encoding):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catalog = csv_events(tmp_path, f"Ticker, Date\nAAPL,{day}\n", encoding=encoding)
    assert catalog.events[0].date == dt.date(2026, 6, 12)


def test_a_fraction_or_a_thousand_is_refused(tmp_path):
    text = "ticker;date;size\nAAPL;2026-06-12;1,234\n"
    with pytest.raises(EventError, match=r":2: `size` 1,234 can be a fraction or a thousand"):
        csv_events(tmp_path, text)


def test_rows_without_id_get_stable_ones(tmp_path):
    text = "ticker,date\nAAPL,2026-06-12\nMSFT,2026-06-12\nAAPL,2026-06-12\n"
    first = csv_events(tmp_path, text)
    assert first.ids == ["AAPL-2026-06-12", "MSFT-2026-06-12", "AAPL-2026-06-12-2"]
    longer = csv_events(tmp_path, text.replace("ticker,date\n", "ticker,date\nKO,2026-06-11\n"))
    assert longer.ids[1:] == first.ids
    assert len(first.pairs) == 3


def test_a_mistyped_column_is_kept_and_pointed_out(tmp_path):
    path = write(tmp_path, "ticker,date,sesion_hint\nAAPL,2026-06-12,after_close\n", "events.csv")
    assert load_events(path).extras["AAPL-2026-06-12", "AAPL"] == {"sesion_hint": "after_close"}
    assert [(p.severity, p.field) for p in check_events(path)] == [("warning", "sesion_hint")]


def test_a_ticker_with_unknown_suffix_only_warns(tmp_path):
    path = write(tmp_path, "ticker,date\nAAPL.QQ,2026-06-12\n", "events.csv")
    assert len(load_events(path)) == 1
    assert [p.severity for p in check_events(path)] == ["warning"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04rest of a workbook", "an Excel workbook; save it as CSV"),
        (b"PAR1rest", "Parquet; name it .parquet"),
        (b"ticker,date\nAAPL,2026-06-12\n\x00\x00\n", ":3: not a CSV file (it holds binary data)"),
        ("ticker,date,note\nAAPL,2026-06-12,智谱\n".encode("gb18030"), ":2: not UTF-8 text"),
    ],
)
def test_what_is_no_csv_at_all(tmp_path, content, told):
    path = tmp_path / "events.csv"
    path.write_bytes(content)
    assert told in refusal(path)


def test_a_file_of_a_gigabyte_is_not_read(tmp_path):
    path = write(tmp_path, "ticker,date\n", "events.csv")
    os.truncate(path, 1_000_000_000)
    assert "1.0 GB is too large for a list of events" in refusal(path)


def test_parquet(tmp_path):
    frame = pd.DataFrame({"ticker": ["AAPL"], "date": pd.to_datetime(["2026-06-12"]), "size": [3.0]})
    path = tmp_path / "events.parquet"
    frame.to_parquet(path)
    catalog = load_events(path)
    assert (catalog.events[0].date, catalog.extras["AAPL-2026-06-12", "AAPL"]) == (dt.date(2026, 6, 12), {"size": 3.0})
    path.write_bytes(b"not parquet")
    assert "not a Parquet file" in refusal(path)


# ----------------------------------------------------------------------------------------------------------- DataFrames

JUNE = dt.date(2026, 6, 12)


@pytest.mark.parametrize(
    "days",
    [
        pd.to_datetime(["2026-06-12"]),
        pd.to_datetime(["2026-06-12"]).astype("datetime64[s]"),
        pd.Series(["2026-06-12"], dtype=object),
        pd.Series(["2026-06-12"], dtype="string"),
        pd.Series([JUNE], dtype=object),
        pd.Series([pd.Timestamp("2026-06-12")], dtype=object),
        pd.Series([20260612]),
        pd.to_datetime(["2026-06-12"]).tz_localize("Asia/Hong_Kong"),
    ],
)
def test_dates_of_any_dtype(days):
    frame = pd.DataFrame({"ticker": ["2513.HK"], "date": list(days) if isinstance(days, pd.Index) else days})
    catalog = load_events(frame)
    assert (catalog.events[0].day, catalog.events[0].at, catalog.ids) == (JUNE, None, ["2513.HK-2026-06-12"])


def test_zoned_midnights_are_days_of_their_zone_and_other_moments_are_times():
    days = pd.DataFrame({"ticker": ["A"], "date": pd.to_datetime(["2026-06-12"]).tz_localize("Asia/Tokyo")})
    assert load_events(days).events[0].timezone == "Asia/Tokyo"
    moments = pd.DataFrame(
        {"ticker": ["A"], "date": pd.to_datetime(["2026-06-12 17:21"]).tz_localize("America/New_York")}
    )
    event = load_events(moments).events[0]
    assert event.at is not None and event.at.isoformat() == "2026-06-12T17:21:00-04:00"
    assert (event.precision, event.date) == ("minute", None)


def test_naive_moments_are_refused_by_row():
    frame = pd.DataFrame({"ticker": ["A", "B"], "date": pd.to_datetime(["2026-06-12 00:00", "2026-06-12 17:21"])})
    assert refusal(frame).startswith("DataFrame row 1: B-2026-06-12: `date` 2026-06-12T17:21:00 has no UTC offset")
    assert load_events(frame.assign(timezone="America/New_York")).events[1].at.isoformat().endswith("17:21:00-04:00")


def test_frame_with_ids_times_and_characteristics():
    frame = pd.DataFrame(
        {
            "event_id": ["a", "a", "b"],
            "ticker": ["2513.HK", "0100.HK", "NVDA"],
            "date": ["2026-06-12", "2026-06-12", "2026-06-15"],
            "time": ["17:21", "17:21", None],
            "timezone": ["America/New_York", "America/New_York", None],
            "sign": [1.0, -1.0, None],
            "size": [1.5, None, 2.0],
            "group": ["x", None, "y"],
        }
    )
    catalog = load_events(frame)
    assert catalog.ids == ["a", "b"]
    assert catalog.events[0].at.isoformat() == "2026-06-12T17:21:00-04:00"
    assert [link.sign for link in catalog.events[0].tickers] == [1, -1]
    assert catalog.extras["a", "2513.HK"] == {"size": 1.5, "group": "x"}
    assert catalog.extras["a", "0100.HK"]["group"] == "" and pd.isna(catalog.extras["a", "0100.HK"]["size"])


def test_frame_index_may_hold_the_dates():
    index = pd.DatetimeIndex(["2026-06-12"])
    assert load_events(pd.DataFrame({"ticker": ["A"]}, index=index)).events[0].date == JUNE
    named = pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("A", JUNE)], names=["ticker", "date"]))
    assert load_events(named).pairs[0].ticker == "A"


def test_frames_that_are_no_events():
    assert "`ticker` is not among the columns" in refusal(pd.DataFrame({"date": ["2026-06-12"], "price": [1.0]}))
    assert "no rows" in refusal(pd.DataFrame({"ticker": [], "date": []}))
    assert "give a path, a DataFrame or Event objects" in refusal([1, 2])


def test_a_long_plain_frame_equals_the_same_rows_read_one_by_one():
    days = pd.bdate_range("2020-01-01", periods=500)
    frame = pd.DataFrame({"ticker": ["A", "2513.HK"] * 250, "date": days})
    slow = load_events(frame.assign(title=""))
    assert load_events(frame).events == slow.events
    assert load_events(frame).pairs[3].label == slow.pairs[3].label


def test_catalogues_and_events_pass_through(catalog):
    assert load_events(catalog) is catalog
    event = Event("x", date=JUNE)
    assert load_events([event]).events == (event,)


# -------------------------------------------------------------------------------------------------- looking and writing


def test_near_counts_calendar_days_and_keeps_what_concerns_the_ticker(catalog):
    found = near(catalog, "2026-06-15", "2513.HK", days=3)
    distances = {event.id: days for event, days in found}
    assert distances["us-order-anthropic"] == -3 and distances["glm-5-2-release"] == -2
    assert distances["zhipu-jpmorgan-target-2026-06-15"] == 0
    assert distances["us-sacks-statement-anthropic-2026-06-13"] == -1  # ends on the 14th
    assert [abs(d) for _, d in found] == sorted(abs(d) for _, d in found)
    assert "metax-lockup-6m-2026-06-17" not in distances
    assert "metax-lockup-6m-2026-06-17" in {e.id for e, _ in near(catalog, dt.date(2026, 6, 15), days=3)}
    assert {e.id for e, _ in near(catalog, "2025-04-02", "KO", days=0)} == {"liberation-day-2025-04-02"}


def test_near_refuses_what_it_does_not_know(catalog):
    with pytest.raises(UnknownName, match=r"2513\.HX.*2513\.HK"):
        near(catalog, "2026-06-15", "2513.HX")
    with pytest.raises(RequestError, match="2026-13-08 is not a date"):
        near(catalog, "2026-13-08")


def test_upcoming_is_what_lies_ahead(catalog):
    assert upcoming(catalog, TODAY).ids == [
        "moore-threads-lockup-12m-2026-12-07",
        "metax-lockup-12m-2026-12-17",
        "zhipu-lockup-12m-2027-01-08",
        "minimax-lockup-12m-2027-01-11",
    ]
    assert upcoming(catalog, "2027-01-11").ids == ["minimax-lockup-12m-2027-01-11"]
    assert upcoming(catalog, TODAY).whole is catalog
    assert all(event.day >= dt.date.today() for event in upcoming(catalog))


def test_to_frame_has_one_row_a_pair(catalog):
    frame = to_frame(catalog)
    assert len(frame) == len(catalog.pairs) == sum(len(e.tickers) for e in catalog)
    assert list(frame.columns[:17]) == [
        "id", "title", "kind", "day", "at", "timezone", "precision", "ticker", "role", "sign", "status", "confidence",
        "cluster", "market_wide", "scheduled", "anticipated", "jurisdiction",
    ]  # fmt: skip
    row = frame[(frame.id == "zhipu-lockup-2026") & (frame.ticker == "2513.HK")].iloc[0]
    assert (row.unlock_pct, row.role, row.sign, row.day) == (5.76, "target", -1, pd.Timestamp("2026-07-08"))
    assert frame.set_index("id").loc["us-order-anthropic", "at"].iloc[0] == "2026-06-12T17:21:00-04:00"
    lockups = frame[(frame.kind == "lockup_expiration") & (frame.role == "target")]
    assert lockups.unlock_pct.notna().sum() == 3


def test_to_frame_keeps_characteristics_and_events_without_ticker(tmp_path):
    text = "ticker,date,size\nAAPL,2026-06-12,2.5\n"
    frame = to_frame(csv_events(tmp_path, text))
    assert frame["size"].tolist() == [2.5]
    alone = to_frame(EventCatalog((Event("x", date=JUNE, market_wide=True),)))
    assert alone[["id", "ticker", "sign"]].to_numpy().tolist() == [["x", "", 0]]


def test_event_record_is_ready_for_json(catalog):
    records = [event_record(event) for event in catalog]
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    order = event_record(catalog.get("us-order-anthropic"))
    assert list(order)[:5] == ["id", "title", "kind", "day", "at"]
    assert (order["day"], order["at"], order["date"]) == ("2026-06-12", "2026-06-12T17:21:00-04:00", None)
    assert order["tickers"][0] == {"ticker": "2513.HK", "role": "beneficiary", "sign": 1}


def test_dump_and_load_give_the_same_catalogue(catalog, tmp_path):
    again = load_events(write(tmp_path, dump_yaml(catalog)))
    assert again.events == catalog.events
    assert dict(again.extras) == dict(catalog.extras)


NASTY = [
    "no", "NO", "on", "y", "~", "null", "true", "0700", "1e5", "12:30", "2024-05-07", "- a", "a: b", "a #b", "#a", "'", '"',
    "'quoted'", "a\nb", " a", "a ", "a  b", "", "{a}", "[a]", "&a", "*a", "!a", "%a", "@a", "`a`", "|", ">", "智谱", "=", "<<",
    "\\n", "tab\there", "a" * 300, "word " * 60 + "end", "long  double " * 30 + "x", ".5", "1_000", "0x10", "nul\x07l",
    "?", "? a", "-", "---", "...", "a:", ":a", "é", "\u2028", "\ufeffa", "🙂 smile", "https://a.org/b#c", "Inf", ".nan",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_any_text_survives_writing_and_reading(tmp_path, text):
    some, ticker = text or "x", text.strip() or "A"
    event = Event(
        id=f"id {text}", title=text, date=JUNE, cluster=text, notes=text, jurisdiction=text, sources=(some,),
        attributes=MappingProxyType({"a": some, "b": 5.0, "c": 7, "d": 1e-7, some: 1}), known_confounders=(some, "x"),
        tickers=(Link(ticker, "", 0), Link("KO", "peer", -1)), status="unverified",
    )  # fmt: skip
    catalog = EventCatalog((event,), extras={(event.id, ticker): {"k": some, "n": 0.1}})
    again = load_events(write(tmp_path, dump_yaml(catalog)))
    assert again.events == catalog.events
    assert dict(again.extras) == dict(catalog.extras)
