"""`abnormal audit` on a study of two files and on a bundled one."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from abnormal.verbs.audit import command

STUDY = """\
schema = 1
title = "A made-up study"
[events]
file = "events.csv"
[prices]
source = "prices.csv"
[benchmark]
tickers = "BBB"
[model]
name = "market"
estimation = [-60, -11]
[windows]
headline = [0, 0]
also = [[-2, 2]]
"""


def asked(*args):
    """Exit code and output of the verb."""
    answer = CliRunner().invoke(command, list(args), standalone_mode=False)
    if answer.exception is not None:
        raise answer.exception
    return answer.return_value, answer.stdout


@pytest.fixture
def study(tmp_path):
    """A study of two files with a price of zero two sessions before day 0, and one outside its windows."""
    days = pd.bdate_range("2024-01-01", periods=100)
    rows = [
        {"date": d.date(), "ticker": t, "close": 20 + 0.3 * ((7 * i + 3 * k) % 11)}
        for k, t in enumerate(["AAA", "BBB"])
        for i, d in enumerate(days)
    ]
    frame = pd.DataFrame(rows)
    frame.loc[(frame.ticker == "AAA") & frame.date.isin([days[78].date(), days[95].date()]), "close"] = 0.0
    frame.to_csv(tmp_path / "prices.csv", index=False)
    (tmp_path / "events.csv").write_text(f"event_id,ticker,date\nnews,AAA,{days[80].date()}\n")
    (tmp_path / "study.toml").write_text(STUDY)
    return str(tmp_path / "study.toml"), [str(days[78].date()), str(days[95].date())]


def test_findings_are_told_with_what_they_do(study):
    path, (inside, outside) = study
    code, text = asked(path)
    words = " ".join(text.split())
    assert code == 0
    assert f"AAA {inside}: close is 0" in words and "in the event windows of AAA at news (offset -2)" in words
    assert f"AAA {outside}: close is 0" in words and "outside the windows" in words


def test_json_names_ticker_date_rule_and_message(study):
    path, days = study
    document = json.loads(asked(path, "--json")[1])
    found = document["findings"]
    assert next(iter(document)) == "schema_version"
    assert [(f["ticker"], f["date"], f["rule"]) for f in found] == [("AAA", d, "price_not_positive") for d in days]
    assert [f["place"] for f in found] == ["event", "outside"] and all(f["message"] and f["effect"] for f in found)


def test_strict_falls_short_of_a_fault_and_not_of_a_note(study):
    path, _ = study
    assert asked(path, "--strict")[0] == 1
    assert asked("anthropic_export_order", "--strict")[0] == 0


def test_the_bundled_study_has_nothing_but_two_ex_dividend_days_in_its_windows():
    found = json.loads(asked("anthropic_export_order", "--json")[1])["findings"]
    inside = [(f["ticker"], f["date"], f["rule"]) for f in found if f["place"] in ("event", "estimation")]
    assert inside == [("0700.HK", "2026-05-15", "prev_close_break"), ("9988.HK", "2026-06-10", "prev_close_break")]
