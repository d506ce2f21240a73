"""What a result says on one screen: verdict first, every part a reader needs, nothing that changes by itself."""

import dataclasses
import functools
import re

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.domain import Verdict
from abnormal.present import console
from abnormal.present.summary import html_summary, sections, text_summary

NAN = float("nan")


@functools.cache
def studied(name):
    return ab.run(name)


@pytest.fixture
def single():
    return studied("anthropic_export_order")


@pytest.fixture
def two():
    return studied("anthropic_order_two_labs")


def with_verdict(study, **changes):
    return dataclasses.replace(study, verdict=dataclasses.replace(study.verdict, **changes))


def line_with(text, word):
    return next(line for line in text.splitlines() if word in line)


# ------------------------------------------------------------------------------------------------ shape


@pytest.mark.parametrize("name", ["anthropic_export_order", "anthropic_order_two_labs", "chip_export_rules_2022"])
def test_fits_a_screen(name):
    lines = text_summary(studied(name)).splitlines()
    assert len(lines) <= 50
    assert max(map(console.display_width, lines)) <= console.WIDTH
    assert not any(line != line.rstrip() for line in lines)


def test_begins_with_title_question_and_verdict(single):
    text = text_summary(single)
    head, verdict = text.split("\n\n")[:2]
    assert head.splitlines() == [single.title, single.question]
    assert " ".join(verdict.split()) == single.verdict.sentence


def test_is_plain_and_the_same_every_time(single):
    text = text_summary(single)
    assert text == text_summary(ab.run("anthropic_export_order")) == repr(single)
    assert "\x1b" not in text and "0x" not in text and "/" + "tmp" not in text


# ------------------------------------------------------------------------------------------------ one pair


def test_estimate_has_interval_its_form_and_the_model(single):
    v, text = single.verdict, " ".join(text_summary(single).split())
    assert (
        f"CAR (0, 0) {console.percent(v.estimate)}, 95% interval {console.interval(*v.interval)} (SQ inverted" in text
    )
    assert f"model {single.pairs.model.iloc[0]} on {single.pairs.n_est.iloc[0]} estimation returns" in text


def test_naive_p_stands_beside_the_adjusted_one(single):
    row = single.car.iloc[0]
    line = line_with(text_summary(single), "naive")
    assert console.p_equals(row.sq_p) in line and console.p_equals(row.selection_p) in line


def test_headline_test_with_n_and_smallest_p(single):
    v = single.verdict
    line = line_with(text_summary(single), "headline test")
    for part in (v.headline, console.p_equals(v.p), f"n = {int(v.n)}", console.p_value(v.smallest_p)):
        assert part in line


def test_smallest_effect_is_named_when_nothing_was_found(single):
    assert single.verdict.label == "not distinguishable from noise"
    assert console.percent(single.verdict.mde, sign=False) in text_summary(single)


def test_session_says_why(single):
    text = " ".join(text_summary(single).split())
    assert "Session 2026-06-15 (market closed): announced Friday 12 June 2026 17:21" in text
    assert "the first session to close after it is Monday 15 June 2026" in text


def test_jump_parts_are_those_of_the_frame(single):
    row = single.jump.iloc[0]
    text = " ".join(text_summary(single).split())
    parts = [f"{100 * row[k]:+.1f}" for k in ("overnight", "rise", "retreat", "total")]
    assert "Jump {} overnight {} rise {} retreat = {} log points".format(*parts) in text
    ret = single.abnormal_returns.query("offset == 0").ret.iloc[0]
    assert f"peak +47.7%, closed {console.percent(ret)}" in text and console.percent(ret) == "+32.8%"


def test_every_window_has_its_row(single):
    text = text_summary(single)
    for row in single.car.itertuples():
        line = line_with(text, f"({row.window_start}, {row.window_end})   ") if row.window_start == 0 else ""
        if row.window_start == 0:
            assert (
                console.percent(row.car) in line
                and console.p_value(row.p) in line
                and console.p_value(row.sq_p) in line
            )


def test_models_stand_side_by_side_and_the_trend_is_explained(single):
    text = text_summary(single)
    for row in single.robustness.itertuples():
        line = next(ln for ln in text.splitlines() if re.match(rf"{row.what.removeprefix('model:')}( \(| {{2,}})", ln))
        assert console.percent(row.car) in line and console.p_value(row.p) in line
    alpha = single.pairs.alpha.iloc[0]
    assert f"Estimated alpha: {console.percent(alpha, 2)} a session: market and mean expect it to go on" in text


def test_small_alpha_is_only_stated(single):
    pairs = single.pairs.assign(alpha=0.0001, drift=0.01)
    text = text_summary(dataclasses.replace(single, pairs=pairs))
    assert "Estimated alpha: +0.01% a session." in text and "expect it to go on" not in text


def test_large_drift_is_called_an_estimated_trend(single):
    text = text_summary(dataclasses.replace(single, pairs=single.pairs.assign(drift=0.8)))
    assert "an estimated trend (0.80 standard errors of the window)" in text


def test_same_session_comes_first_and_same_story_last(single):
    lines = next(s for s in sections(single) if s.head == "Also then").lines
    assert lines[0].startswith("same session: ") and "glm" in lines[0].lower()
    story = single.confounders.query("same_session and same_story").title.tolist()
    assert story and not any(title in lines[0] for title in story)


def test_same_story_is_marked(single):
    only = single.confounders[single.confounders.same_story.astype(bool)]
    text = text_summary(dataclasses.replace(single, confounders=only))
    assert re.search(r"same session, same story: ", text)


def test_failed_checks_are_named_but_confounders_not_twice(single):
    failed = {r.check for r in single.checks.itertuples() if r.passed is False}
    lines = " ".join(next(s for s in sections(single) if s.head == "Failed").lines)
    assert failed - {"confounders"} and all(name in lines for name in failed - {"confounders"})
    assert "confounders:" not in lines


def test_detected_effect_gives_its_reasons_and_no_smallest_effect(single):
    text = text_summary(
        with_verdict(
            single, label="effect detected", sentence="It moved: effect detected.", reasons=("a", "2 of 3 agree", "b")
        )
    )
    assert "2 of 3 agree" in text and "80% power" not in text


def test_exclusions_come_with_reason_and_remedy(single):
    excluded = pd.DataFrame(
        [("estimation", "9999.HK at x", "21 returns in (-90, -11)", "set min_obs=21", "x", "9999.HK")] * 5,
        columns=single.excluded.columns,
    )
    lines = next(s for s in sections(dataclasses.replace(single, excluded=excluded)) if s.head == "Excluded").lines
    assert lines[0] == "9999.HK at x: 21 returns in (-90, -11); set min_obs=21"
    assert lines[-1] == "and 2 more (see excluded)"


# ------------------------------------------------------------------------------------------------ several pairs


def test_pairs_averages_and_tests_of_one_date(two):
    text = text_summary(two)
    for row in two.pairs.itertuples():
        assert any(line.startswith(row.ticker) and row.event_id in line for line in text.splitlines())
    assert console.percent(two.caar.caar.iloc[0]) in line_with(text, "(0, 0)   ")
    assert "Tests, p" in text and "votes: " in text


def test_tests_that_count_come_before_shown_and_invalid_ones(two):
    lines = next(s for s in sections(two) if s.head == "Tests, p").lines
    kinds = [line.partition(" ")[0].rstrip(":") for line in lines]
    assert kinds[:2] == ["votes", "others"] and kinds[2:] == sorted(kinds[2:], reverse=True)
    assert {"shown", "invalid"} == set(kinds[2:])
    invalid = next(line for line in lines if line.startswith("invalid (common shock): "))
    named = re.findall(r"(\w+) (?:<0|0)\.\d", invalid.partition(": ")[2])
    assert named and set(named) <= set(two.tests.query("status == 'invalid'").test)


def test_many_pairs_show_eight_and_say_how_many_more(two):
    n = 300
    pairs = pd.concat([two.pairs.iloc[:1]] * n, ignore_index=True).assign(event_id=[f"event-{i}" for i in range(n)])
    car = pd.concat([two.car[two.car.ticker == "2513.HK"]] * n, ignore_index=True)
    many = dataclasses.replace(two, pairs=pairs, car=car, jump=pd.concat([two.jump] * 150, ignore_index=True))
    text = text_summary(many)
    assert "and 292 more pairs" in text
    assert len(text.splitlines()) <= 56
    assert "Jump" not in text


# ------------------------------------------------------------------------------------------------ nothing to say


def empty(study, name):
    return getattr(study, name).iloc[:0]


def test_study_without_any_pair_says_why(single):
    excluded = pd.DataFrame(
        [("prices", "2513.HK at x", "event before listing: first session 2026-01-08", "", "x", "2513.HK")],
        columns=single.excluded.columns,
    )
    frames = {
        n: empty(single, n)
        for n in "pairs abnormal_returns car aar caar tests jump checks confounders robustness".split()
    }
    verdict = Verdict(
        "cannot say",
        "none",
        "none",
        (0, 0),
        NAN,
        0.0,
        NAN,
        NAN,
        (NAN, NAN),
        NAN,
        "Cannot say: no pair could be studied.",
    )
    text = text_summary(dataclasses.replace(single, **frames, excluded=excluded, verdict=verdict, case=None, notes=()))
    assert "Cannot say: no pair could be studied." in text
    assert "event before listing: first session 2026-01-08" in text


def test_missing_numbers_are_said_not_zero(single):
    numbers = ["sq_p", "conformal_p", "placebo_p", "selection_p", "ci_low", "ci_high"]
    blank = single.car.assign(**{name: np.nan for name in numbers})
    text = text_summary(dataclasses.replace(single, car=blank))
    line = line_with(text, "(0, 1)   ")
    assert line.count("n/a") >= 3 and " 0.0" not in line.partition("%")[2].replace(
        console.p_value(single.car.p.iloc[1]), ""
    )


def test_chinese_title_keeps_its_width(single):
    text = text_summary(dataclasses.replace(single, title="智谱" * 60, question=""))
    assert max(console.display_width(line) for line in text.splitlines()) <= console.WIDTH


# ------------------------------------------------------------------------------------------------ html


def test_html_says_the_same_and_is_escaped(single):
    odd = dataclasses.replace(single, title="A <b> & c")
    text = html_summary(odd)
    assert "<h3>A &lt;b&gt; &amp; c</h3>" in text
    assert single.verdict.sentence.replace("'", "&#x27;") in text
    assert text.count("<table") == text.count("</table>") == 2
    for row in single.car.itertuples():
        assert console.percent(row.car) in text
    assert single._repr_html_() == html_summary(single)
