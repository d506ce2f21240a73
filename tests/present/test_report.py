"""The report: page one answers, every number of the headline is in it, the same bytes twice, and any study can be set."""

import dataclasses
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pdf_reading import pages_of
from run_once import bundled

import abnormal as ab
from abnormal.errors import RequestError, UnknownName
from abnormal.present import console, prose
from abnormal.present.chapters.blocks import minus, soft
from abnormal.present.report import report_bytes, report_data

STUDIES = (
    "anthropic_export_order", "anthropic_order_two_labs", "anthropic_order_reversal", "lockup_expirations_2026",
    "chip_export_rules_2022",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(single):
    return report_data(single)


@pytest.fixture(scope="module")
def pdf(data):
    return report_bytes(data)


def squeezed(text: str) -> str:
    return "".join(text.split())


def paragraphs(data) -> list[str]:
    """Every text of a report's data, tables and lists taken apart."""
    out: list[str] = []

    def walk(value):
        if isinstance(value, str):
            out.append(value)
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key not in ("figures", "bibliography"):
                    walk(inner)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                walk(inner)

    walk(data)
    return out


# ------------------------------------------------------------------------------------------------ bundled studies


def check_page_one(result, pdf):
    first = pages_of(pdf, 1)[0]
    verdict = result.verdict
    for words in (result.title, result.question, verdict.sentence, verdict.label[1:], prose.against_head(result)):
        assert squeezed(words) in first
    shown = [
        console.percent(verdict.estimate),
        console.percent(verdict.mde, sign=False),
        console.interval(*verdict.interval),
    ]
    shown += [console.p_value(verdict.p)] if np.isfinite(verdict.p) else []
    shown += [f"n={console.count(verdict.n)}"] if np.isfinite(verdict.n) else []
    assert all(squeezed(number) in first for number in shown)


def test_page_one_holds_question_verdict_and_every_headline_number(single, pdf):
    check_page_one(single, pdf)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("paper", ["a4", "us-letter"])
def test_page_one_of_every_bundled_study(name, paper, tmp_path):
    result = bundled(name)
    check_page_one(result, result.report(tmp_path / "report.pdf", paper=paper).read_bytes())


def test_it_is_tagged_archivable_and_has_bookmarks(pdf):
    assert b"/Marked true" in pdf and b"<pdfaid:part>2<" in pdf and b"<pdfaid:conformance>B<" in pdf
    assert b"/StructTreeRoot" in pdf and b"/Title(1 The event)" in pdf and b"/Lang(en)" in pdf


def test_every_window_every_test_and_every_check_is_in_it(single, pdf):
    pages = pages_of(pdf)
    text = "".join(pages)
    for row in single.car.to_dict("records"):
        assert squeezed(console.interval(row["ci_low"], row["ci_high"])) in text
    for test in set(single.tests.loc[single.tests["p"].notna(), "test"]):
        assert test in text
    for sentence in single.checks["sentence"]:
        assert squeezed(sentence) in text
    for title in single.confounders["title"]:
        assert squeezed(title) in text
    assert single.manifest["spec_digest"] in text
    assert text.count("Table1.") == 1 and "Figure1." in text and "References" in text
    assert all(f"{k}/{len(pages)}" in page for k, page in enumerate(pages, 1))


def test_chapters_of_a_single_pair_in_their_order(data):
    assert [c["title"] for c in data["chapters"]] == [
        "The event", "Prices", "The day", "Abnormal returns", "Tests", "Other events", "Clustering and power", "In money",
        "Can it be believed?", "What was left out", "Methods",
    ]  # fmt: skip
    assert set(data["figures"]) == {"front", "price", "jump", "fit", "bars", "specs", "placebo", "timeline"}


def test_every_figure_and_table_is_referred_to(data):
    words = " ".join(t for t in paragraphs(data) if "{@" in t)
    blocks = [b for part in ("chapters", "appendix") for c in data[part] for b in c["blocks"]]
    named = [b["id"] for b in blocks if b["type"] in ("figure", "table") and b["id"] != "digests"]
    assert len(named) > 12 and all(f"{{@{name}}}" in words for name in named)


def test_references_are_those_of_the_methods_used(single, data):
    from abnormal.present.citations import used_references

    assert data["bibliography"].count("@") == len(used_references(single))
    assert "Patell" not in data["bibliography"] and "Gelbach" in data["bibliography"]


# ------------------------------------------------------------------------------------------------ the same bytes


def test_same_bytes_in_another_process_with_other_settings(single, pdf, tmp_path):
    here = single.plot.save("car", tmp_path / "here.svg").read_bytes()
    code = (
        f"import abnormal as ab; study = ab.run('anthropic_export_order'); study.report({str(tmp_path / 'there.pdf')!r}); "
        f"study.plot.save('car', {str(tmp_path / 'there.svg')!r})"
    )
    other = {
        "PYTHONHASHSEED": "5",
        "TZ": "America/New_York",
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "1700000000",
        "MPLBACKEND": "pdf",
    }
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **other})
    assert (tmp_path / "there.pdf").read_bytes() == pdf
    assert (tmp_path / "there.svg").read_bytes() == here


def test_a_loaded_result_has_a_report_without_the_figures_that_need_prices(single, tmp_path):
    loaded = ab.load_result(single.save(tmp_path / "saved", figures=False))
    data = report_data(loaded)
    assert set(data["figures"]) == {"front", "jump", "bars", "specs", "timeline"}
    assert report_bytes(data).startswith(b"%PDF")


# ------------------------------------------------------------------------------------------------ extreme studies


def world(names, sessions=330, closes_only=False, seed=3):
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2024-01-01", periods=sessions)
    market = rng.normal(0, 0.01, sessions)
    parts = []
    for name in [*names, "MKT"]:
        moves = market if name == "MKT" else market + rng.normal(0, 0.02, sessions)
        close = 100 * np.cumprod(1 + moves)
        frame = pd.DataFrame({"date": days, "ticker": name, "close": close})
        if not closes_only:
            opened = np.r_[100.0, close[:-1]]
            high, low = np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996
            frame = frame.assign(open=opened, high=high, low=low, volume=1e6)
        parts.append(frame)
    return pd.concat(parts), days


def made(events, prices, **spec):
    defaults = {"model": "market", "benchmark": "MKT", "estimation": (-120, -11)}
    return ab.run(pd.DataFrame(events), prices, ab.StudySpec(**{**defaults, **spec}), catalogue=False)


def test_one_event_without_benchmark_on_us_letter(tmp_path):
    prices, days = world(["ONLY"], closes_only=True)
    events = {"ticker": ["ONLY"], "date": [str(days[300].date())]}
    result = made(events, prices, model="mean", benchmark=None, tests=["t_car"])
    pdf = result.report(tmp_path / "one.pdf", paper="us-letter").read_bytes()
    assert b"/MediaBox[0 0 612 792]" in pdf
    assert squeezed(result.verdict.sentence) in pages_of(pdf, 1)[0]


def test_many_events_show_the_first_and_say_where_the_others_are():
    check_many(45)


@pytest.mark.slow
def test_three_hundred_events():
    check_many(300)


def check_many(n):
    names = [f"FIRM{k:02d}" for k in range(60)]
    prices, days = world(names[:n])
    events = {
        "ticker": [names[k % 60] for k in range(n)], "date": [str(days[200 + k % 110].date()) for k in range(n)],
        "event_id": [f"event-{k:03d}" for k in range(n)],
    }  # fmt: skip
    result = made(events, prices, tests=["t_car", "t_xs"], windows=[(0, 0)])
    assert len(result.pairs) == n
    data = report_data(result)
    texts = paragraphs(data)
    assert f"The first 30 of {n} pairs; all of them in tables/car.csv." in texts
    assert f"The first 40 of {n} pairs; all of them in tables/pairs.csv." in texts
    assert len(pages_of(report_bytes(data))) < 20


def test_long_names_chinese_titles_negative_and_zero_windows(tmp_path):
    names = ["A" * 40, "THE-QUICK-BROWN-FOX-JUMPS-OVER-THE-LAZYDG", "x_y_z_0123456789_0123456789_0123456789_AB"]
    prices, days = world(names)
    events = {
        "ticker": names, "date": [str(days[290 + 7 * k].date()) for k in range(3)],
        "event_id": [f"an-event-with-a-name-of-forty-characters-{k}" for k in range(3)],
        "title": ["智谱开放 GLM-5.2 权重，市场反应如何？", "稀宇科技股份解禁", "ゼロ「株価」"],
    }  # fmt: skip
    result = made(events, prices, windows=[(-10, -1), (0, 0), (-3, 0)], tests=["t_car", "t_xs"])
    result = dataclasses.replace(result, title="智谱与稀宇：美国出口管制令之后的异常收益研究，一个很长的中文标题")
    pages = pages_of(result.report(tmp_path / "names.pdf").read_bytes(), 5)
    assert "智谱与稀宇：美国出口管制令之后的异常收益研究，一个很长的中文标题" in pages[0]
    text = "".join(pages)
    assert all(title in text for title in ("稀宇科技股份解禁", "ゼロ「株価」")) and "(-10,-1)" in text
    assert all(name in text for name in names)


def test_every_test_not_applicable():
    prices, days = world(["AAA"])
    result = made({"ticker": ["AAA"], "date": [str(days[300].date())]}, prices, tests=["bmp", "patell", "portfolio_t"])
    data = report_data(result)
    assert any(t.startswith("Not applicable: bmp") for t in paragraphs(data))
    assert report_bytes(data).startswith(b"%PDF")


@pytest.fixture(scope="module")
def nothing_left():
    """Pairs out of the panel, before the listing, with a constant price, and with too short a history."""
    prices, days = world(["AAA", "BBB"])
    prices = prices[~((prices["ticker"] == "BBB") & (prices["date"] < days[280]))]
    flat = (prices["ticker"] == "AAA") & (prices["date"] < days[306])
    prices.loc[flat, ["open", "high", "low", "close"]] = 100.0
    events = {
        "ticker": ["AAA", "AAA", "BBB", "BBB", "AAA"],
        "date": ["2019-01-07", str(days[310].date()), str(days[300].date()), str(days[200].date()), "2030-01-07"],
        "event_id": list("abcde"),
    }  # fmt: skip
    return made(events, prices, tests=["t_car"])


def test_no_pair_left_and_an_exclusion_for_every_reason(nothing_left):
    result = nothing_left
    assert result.pairs.empty and len(result.excluded) == 5
    data = report_data(result)
    assert data["figures"] == {} and data["front"]["label"] == "Cannot say"
    text = "".join(pages_of(report_bytes(data)))
    for reason in result.excluded["reason"]:
        assert squeezed(minus(reason).replace("−", "-")) in text


def test_handed_over_answers_have_their_own_parts(single):
    from abnormal.present.chapters.blocks import Pages
    from abnormal.present.chapters.tests import power_chapter, regression_chapter

    rates = pd.DataFrame({"test": ["sq", "sq"], "effect": [0.0, 0.2], "rate": [0.05, 0.81]})
    pages = Pages(single, {"power": rates, "regressions": (_regression(),)})
    blocks = power_chapter(pages).blocks
    assert [b["id"] for b in blocks if "id" in b] == ["power", "rates"] and "power" in pages.figures
    assert blocks[-1]["heads"] == ["Test", "+0.0%", "+20.0%"] and blocks[-1]["rows"] == [["sq", "5.0%", "81.0%"]]
    shown = regression_chapter(pages).blocks[0]
    assert shown["caption"] == "Regression: car ~ size; standard errors HC3; n = 9; window (0, 1)."
    assert shown["rows"] == [["size", "0.1000", "0.0400", "2.5000", "0.0410"]]
    assert regression_chapter(Pages(single)).blocks == ()


def _regression():
    frame = pd.DataFrame({"term": ["size"], "coef": [0.1], "se": [0.04], "t": [2.5], "p": [0.041]})
    facts = {"formula": "car ~ size", "cov": "HC3", "n": 9, "window": (0, 1), "reason": "", "status": "ok", "notes": ()}
    return SimpleNamespace(to_frame=lambda: frame, **facts)


# ------------------------------------------------------------------------------------------------ what is wrong


def test_a_missing_glyph_is_an_error_that_names_it(data):
    korean = data | {"front": data["front"] | {"question": "삼성전자?"}}
    with pytest.raises(RequestError, match=r"no bundled font has the character '삼' \(U\+C0BC\)"):
        report_bytes(korean)


def test_unknown_paper_and_a_place_that_cannot_be_written(nothing_left, tmp_path):
    with pytest.raises(UnknownName, match="unknown paper 'a3'"):
        nothing_left.report(tmp_path / "x.pdf", paper="a3")
    (tmp_path / "file").write_text("here")
    with pytest.raises(RequestError, match="choose another place"):
        nothing_left.report(tmp_path / "file" / "report.pdf")
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


# ------------------------------------------------------------------------------------------------ wording


def test_sentences_of_the_single_study(single):
    assert prose.kicker(single) == "Event study, 1 pair on 2026-06-15"
    assert (
        prose.window_sentence(single)
        == "In (0, 0) the share returned +32.8% where the model expected -0.5%: abnormal +33.3%."
    )
    assert prose.model_sentence(single) == (
        "The model is market_zero_alpha, estimated on sessions (-90, -11), against 0700.HK, 9988.HK and 9888.HK, equally "
        "weighted. 80 returns were used."
    )
    assert prose.interval_sentence(single) == (
        "In (0, 0) the CAR is +33.3%; effects from +3.2% to +63.4% are not rejected at 5% (SQ inverted, by ranks)."
    )
    assert prose.headline_sentence(single).endswith("here it is selection, with p = 0.150 among 39 comparable values.")
    assert prose.mde_sentence(single).startswith("With 5% tests an effect of 35.1% would have been seen with 80% power")
    jump = prose.jump_sentence(single.jump.iloc[0])
    assert jump.startswith(
        "2513.HK: previous close 1,097, open 1,261 (+13.9 log points), peak 1,620 (+25.1 log points), close"
    )
    assert jump.endswith(
        "At its peak the price stood +47.7% from the close before and gave back 31% of that by the close; among 80 estimation "
        "days p = 0.0123 for an extreme of this size."
    )


def test_doubts_name_the_pick_of_the_firm_first(single):
    doubts = prose.against(single)
    assert (
        doubts[0]
        == "The firm was picked because its price moved: the naive p = 0.0494 (SQ) becomes p = 0.150 when that counts."
    )
    assert doubts[1] == "Only 39 comparable windows: no p below 0.0250 was possible."
    assert len(doubts) <= 6 and all(len(d) <= 230 for d in doubts)


def test_a_test_that_does_not_agree_is_named(single):
    from abnormal.checks.verdict import Vote

    votes = {"sq": Vote("sq", 0.3, 1, True, False), "t_car": Vote("t_car", 0.01, 1, True, True)}
    verdict = dataclasses.replace(single.verdict, label="effect detected", votes=votes)
    result = dataclasses.replace(single, verdict=verdict)
    assert "Of the tests that must agree, sq (p = 0.300) does not." in prose.against(result)
    assert prose.against_head(result) == "What speaks against it"
    assert prose.votes_sentence(result) == "Beside it 2 tests have a vote at twice the level; 1 of 2 agree."


def test_not_applicable_tests_are_told_together_by_reason():
    rows = [(t, "", 0, 0, np.nan, "not_applicable", f"{t} needs 2 pairs") for t in ("bmp", "patell")]
    rows += [("sq", "abs", 0, 0, 0.04, "ok", ""), ("sq", "abs", 0, 9, np.nan, "not_applicable", "too short")]
    frame = pd.DataFrame(rows, columns=["test", "variant", "window_start", "window_end", "p", "status", "reason"])
    absent, remarks = prose.grouped_reasons(frame, (0, 0))
    assert absent == ["Not applicable: bmp and patell: needs 2 pairs."]
    assert remarks == ["sq in (0, 9): too short."]


def test_minus_signs_and_breaks():
    assert minus("from -2.1% to [-3, -.5] on 2026-06-15, GLM-5.2, us-order, a--b") == (
        "from −2.1% to [−3, −.5] on 2026-06-15, GLM-5.2, us-order, a--b"
    )
    assert (
        soft("short") == "short"
        and soft("words of a sentence stay as they are") == "words of a sentence stay as they are"
    )
    broken = soft("https://example.com/a-very-long/path")
    assert broken.replace("\u200b", "") == "https://example.com/a-very-long/path" and "\u200b" in broken
    assert max(map(len, soft("x" * 100).split("\u200b"))) <= 24
