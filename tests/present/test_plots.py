"""Figures: what is drawn stands in a frame, an axis goes in and comes out, and what cannot be drawn says what to run."""

import dataclasses
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from run_once import bundled

import abnormal as ab
from abnormal.errors import RequestError, UnknownName
from abnormal.present import theme
from abnormal.present.plots import NAMES, Plots


@pytest.fixture(scope="module")
def two_dates():
    return bundled("lockup_expirations_2026")


def lines_of(axis: Axes) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata(), float) for line in axis.get_lines()]


def has_line(axis: Axes, values) -> bool:
    wanted = np.asarray(values, float)
    return any(y.shape == wanted.shape and np.allclose(y, wanted, atol=1e-12) for y in lines_of(axis))


def band_of(axis: Axes) -> np.ndarray:
    filled = [c for c in axis.collections if type(c).__name__ == "FillBetweenPolyCollection"]
    return filled[0].get_paths()[0].vertices


# ------------------------------------------------------------------------------------------------ all of them


def test_every_name_of_the_interface_is_a_method():
    assert list(NAMES) == "car ar price jump placebo specs power timeline fit scatter intraday forest".split()
    assert all(callable(getattr(Plots, name)) for name in NAMES)


def test_names_are_those_the_result_has_numbers_for(single):
    assert single.plot.names() == "car ar price jump placebo specs timeline fit forest".split()
    assert repr(single.plot).startswith("Plots(car, ar, price")


@pytest.mark.parametrize("name", "car ar price jump placebo specs timeline fit forest".split())
def test_axis_in_axis_out(single, name):
    mine = Figure().add_subplot()
    assert getattr(single.plot, name)(mine, title="Mine") is mine
    assert mine.get_title(loc="left") == "Mine"


def test_a_figure_of_its_own_is_known_to_no_window_system_and_shown_by_a_notebook(single):
    from matplotlib import pyplot

    axis = single.plot.car()
    assert pyplot.get_fignums() == []
    content, size = axis._repr_png_()
    assert content.startswith(b"\x89PNG") and size["width"] == int(96 * 6.3)


def test_settings_of_the_user_come_back(single):
    with matplotlib.rc_context({"font.size": 17.0, "axes.grid": False}):
        single.plot.car()
        assert matplotlib.rcParams["font.size"] == 17.0
        assert matplotlib.rcParams["axes.grid"] is False


# ------------------------------------------------------------------------------------------------ car and ar


def test_car_draws_the_path_of_the_pair_and_its_band(single):
    frame = single.abnormal_returns
    axis = single.plot.car()
    assert has_line(axis, frame["cum_ar"])
    inside = {round(v, 12) for v in band_of(axis)[:, 1]}
    assert {round(v, 12) for v in [*frame["cum_low"], *frame["cum_high"]]} <= inside


@pytest.mark.parametrize("study", ["single", "pair", "two_dates"])
def test_the_path_ends_the_headline_window_at_the_headline_estimate(study, request):
    result = request.getfixturevalue(study)
    start, end = result.headline
    for frame, keys in ((result.abnormal_returns, ["event_id", "ticker"]), (result.aar.assign(all=0), ["all"])):
        level = "cum_ar" if "cum_ar" in frame else "cum_aar"
        for _, rows in frame.groupby(keys):
            at = rows.set_index("offset")
            assert at.loc[start - 1, [level, "cum_low", "cum_high"]].eq(0).all()
            assert (at["cum_low"] <= at[level]).all() and (at[level] <= at["cum_high"]).all()
    ends = result.abnormal_returns.query("offset == @end")["cum_ar"].tolist()
    rows = result.car[(result.car["window_start"] == start) & (result.car["window_end"] == end)]
    np.testing.assert_allclose(ends, rows["car"], rtol=1e-12)
    np.testing.assert_allclose(
        result.abnormal_returns.query("offset == @end")[["cum_low", "cum_high"]],
        rows[["ci_low", "ci_high"]],
        rtol=1e-12,
    )
    average = result.aar.query("offset == @end").iloc[0]
    assert average["cum_aar"] == pytest.approx(result.caar["caar"].iloc[0], rel=1e-12)


def test_the_path_before_the_window_is_minus_what_was_still_to_come(single):
    rows = single.abnormal_returns.set_index("offset")
    for offset in (-5, -3):
        assert rows.loc[offset, "cum_ar"] == pytest.approx(-rows.loc[offset + 1 : -1, "ar"].sum(), rel=1e-12)


def test_but_for_is_the_close_before_grown_by_what_was_expected(single):
    rows = single.abnormal_returns.set_index("offset")
    close = single.jump["prev_close"].iloc[0]
    assert rows.loc[:-1, "but_for"].isna().all()
    assert rows.loc[2, "but_for"] == pytest.approx(close * np.prod(1 + rows.loc[0:2, "expected"]), rel=1e-12)


def test_a_common_date_draws_the_average_over_its_pairs(pair):
    axis = pair.plot.car()
    assert has_line(axis, pair.aar["cum_aar"])
    assert all(has_line(axis, rows["cum_ar"]) for _, rows in pair.abnormal_returns.groupby("ticker"))


def test_different_dates_draw_each_pair(two_dates):
    axis = two_dates.plot.car()
    assert not has_line(axis, two_dates.aar["cum_aar"])
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["2513.HK", "0100.HK"]


def test_chosen_pairs_and_groups(two_dates):
    axis = two_dates.plot.car(pairs=["0100.HK"])
    assert has_line(axis, two_dates.abnormal_returns.query("ticker == '0100.HK'")["cum_ar"])
    assert not has_line(axis, two_dates.abnormal_returns.query("ticker == '2513.HK'")["cum_ar"])
    grouped = two_dates.plot.car(by="ticker")
    assert [t.get_text() for t in grouped.get_legend().get_texts()] == ["2513.HK (1)", "0100.HK (1)"]


def test_lines_differ_by_more_than_colour(two_dates):
    styles = {
        (line.get_linestyle(), line.get_marker())
        for line in two_dates.plot.car().get_lines()
        if line.get_label()[0] != "_"
    }
    assert len(styles) == 2


def test_unknown_pairs_and_groups_are_named(two_dates):
    with pytest.raises(UnknownName, match=r"unknown pair '0700.HK'"):
        two_dates.plot.car(pairs=["0700.HK"])
    with pytest.raises(RequestError, match="this study has 2 pairs, 0 to 1"):
        two_dates.plot.car(pairs=[2])
    with pytest.raises(UnknownName, match=r"unknown column of pairs 'rol' \(did you mean \"role\"\?\)"):
        two_dates.plot.car(by="rol")


def test_ar_draws_bars_and_intervals_of_the_average(pair):
    axis = pair.plot.ar()
    np.testing.assert_allclose([p.get_height() for p in axis.patches[-len(pair.aar) :]], pair.aar["aar"], atol=1e-12)
    ends = np.array([s[:, 1] for c in axis.collections for s in c.get_segments()])
    np.testing.assert_allclose(ends, pair.aar[["ci_low", "ci_high"]], atol=1e-12)


def test_ar_of_one_pair_is_its_own(pair):
    rows = pair.abnormal_returns.query("ticker == '0100.HK'")
    axis = pair.plot.ar(pair="0100.HK")
    np.testing.assert_allclose([p.get_height() for p in axis.patches[-len(rows) :]], rows["ar"], atol=1e-12)


# ------------------------------------------------------------------------------------------------ prices


def test_price_draws_the_bars_of_the_study_and_the_but_for_line(single):
    axis = single.plot.price(before=3, after=2)
    bars = single.case.recording(0).bars["2513.HK"]
    day0 = int(np.flatnonzero(bars.time == np.datetime64("2026-06-15"))[0])
    drawn = {round(float(path.vertices[1][1]), 6) for c in axis.collections[:1] for path in c.get_paths()}
    bodies = {round(float(y), 6) for c in axis.collections[1:3] for path in c.get_paths() for y in path.vertices[:, 1]}
    assert {round(v, 6) for name in ("open", "close") for v in bars.get(name)[day0 - 3 : day0 + 3]} == bodies
    assert {round(v, 6) for v in bars.get("high")[day0 - 3 : day0 + 3]} <= drawn
    expected = single.abnormal_returns.query("0 <= offset <= 2")["but_for"].tolist()
    assert has_line(axis, [single.jump["prev_close"].iloc[0], *expected])


def test_jump_steps_add_up_to_the_total(single):
    row = single.jump.iloc[0]
    axis = single.plot.jump()
    heights = [p.get_height() for p in axis.patches]
    np.testing.assert_allclose(heights, [row["overnight"], row["rise"], row["retreat"], row["total"]], atol=1e-12)
    last = axis.patches[2]
    assert last.get_y() + last.get_height() == pytest.approx(row["total"])


def test_jump_of_a_fall_and_of_several_pairs(two_dates):
    axis = two_dates.plot.jump()
    assert [a.get_title(loc="left") for a in axis.figure.axes] == ["2513.HK", "0100.HK"]
    fell = two_dates.plot.jump(pair="0100.HK")
    assert (
        fell.patches[1].get_height() == pytest.approx(two_dates.jump["rise"].iloc[1])
        and fell.patches[1].get_height() < 0
    )


# ------------------------------------------------------------------------------------------------ tests and other choices


def test_placebo_draws_the_values_and_the_event(single, pair):
    values = single.placebo["selection:0"]
    axis = single.plot.placebo()
    rug = next(line for line in axis.get_lines() if line.get_marker() == "|")
    np.testing.assert_array_equal(rug.get_xdata(), values["values"])
    assert any(np.allclose(line.get_xdata(), values["observed"]) for line in axis.get_lines() if line is not rug)
    assert f"p = {single.car['selection_p'].iloc[0]:.3f}" in axis.texts[0].get_text()
    assert len(pair.placebo["portfolio_placebo"]["values"]) == sum(p.get_height() for p in pair.plot.placebo().patches)


def test_specs_of_the_study_are_its_alternatives(single):
    axis = single.plot.specs()
    drawn = np.sort(axis.collections[-1].get_offsets()[:, 0])
    np.testing.assert_allclose(drawn, np.sort(single.robustness["car"]), rtol=1e-12)


def test_a_long_curve_stands_over_the_grid_of_its_choices(single):
    n = 24
    frame = pd.DataFrame(
        {"spec": [f"s{k}" for k in range(n)], "estimate": np.linspace(-0.1, 0.2, n), "ci_low": -0.3, "ci_high": 0.3,
         "p": np.linspace(0, 1, n), "own": [k == 5 for k in range(n)], "model": ["market", "mean"] * 12, "returns": "simple"}
    )  # fmt: skip
    axis = single.plot.specs(frame=frame)
    grid = axis.child_axes[0]
    assert [t.get_text() for t in grid.get_yticklabels()] == ["model: market", "model: mean"]
    assert [t.get_text() for t in axis.texts] == ["study", "filled: p < 0.05"]


def test_power_draws_the_rates_of_each_test(single):
    frame = pd.DataFrame({"test": ["a", "a", "b", "b"], "effect": [0.0, 0.02] * 2, "rate": [0.05, 0.6, 0.04, 0.5]})
    axis = single.plot.power(frame=frame)
    assert has_line(axis, [0.05, 0.6]) and has_line(axis, [0.04, 0.5])


def test_forest_draws_every_pair_and_the_average(pair):
    axis = pair.plot.forest()
    rows = pair.car.query("window_start == 0 and window_end == 0")
    drawn = sorted(
        x for line in axis.get_lines() for x in line.get_xdata() if line.get_marker() not in ("", "None", None)
    )
    np.testing.assert_allclose(drawn, sorted([*rows["car"], pair.caar["caar"].iloc[0]]), rtol=1e-12)


def test_forest_says_how_many_it_leaves_out(pair):
    assert "the 1 smallest are not drawn" in pair.plot.forest(most=1).get_xlabel()
    with pytest.raises(RequestError, match=r"the study's windows are \(0, 0\), \(0, 1\), \(0, 3\) and \(-5, 5\)"):
        pair.plot.forest(window=(7, 9))


def test_timeline_draws_the_distances_inside_the_windows(single):
    axis = single.plot.timeline()
    near = single.confounders[single.confounders["distance"].between(-5, 5)]
    drawn = sorted(float(x) for line in axis.get_lines() if line.get_linestyle() == "None" for x in line.get_xdata())
    assert drawn == sorted([*near["distance"].astype(float), 0.0])
    assert f"{len(single.confounders) - len(near)} further back" in axis.get_xlabel()


def test_fit_draws_the_estimation_returns(single):
    waist = single.waist
    axis = single.plot.fit(part="scatter")
    assert has_line(axis, waist.raw[0][waist.est[0]])
    assert has_line(single.plot.fit(part="residuals"), waist.ar[0][waist.est[0]])


def test_scatter_draws_the_line_of_the_regression_handed_over(pair):
    axis = pair.plot.scatter(fit=SimpleNamespace(params={"Intercept": 0.1, "beta": -0.2}))
    betas = pair.pairs["beta"]
    assert has_line(axis, [0.1 - 0.2 * betas.min(), 0.1 - 0.2 * betas.max()])
    assert {t.get_text() for t in axis.texts} == {"2513.HK", "0100.HK"}


def test_scatter_takes_an_attribute_of_the_events(two_dates):
    with pytest.raises(UnknownName, match="unknown characteristic 'nothing'"):
        two_dates.plot.scatter(x="nothing")
    with pytest.raises(RequestError, match="name a characteristic"):
        two_dates.plot.scatter()


def test_intraday_draws_path_pattern_and_jumps(single):
    frame = pd.DataFrame(
        {"time": ["09:30", "09:35", "09:40"], "path": [0.0, 0.05, 0.04], "pattern": 0.01, "jump": [False, True, False]}
    )
    axis = single.plot.intraday(frame=frame, event_bar=1)
    assert has_line(axis, [0.0, 0.05, 0.04]) and has_line(axis, [0.05])


# ------------------------------------------------------------------------------------------------ what cannot be drawn


@pytest.mark.parametrize("name, run", [("power", "study.power()"), ("intraday", "same_clock")])
def test_a_figure_without_its_frame_says_what_to_run(single, name, run):
    with pytest.raises(RequestError) as told:
        getattr(single.plot, name)()
    assert run in str(told.value) and "columns" in str(told.value)


def test_a_frame_without_a_column_is_told_which(single):
    with pytest.raises(RequestError, match="no column rate; it needs test, effect, rate"):
        single.plot.power(frame=pd.DataFrame({"test": ["a"], "effect": [0.1]}))


def test_a_loaded_result_says_what_it_has_not(single, tmp_path):
    loaded = ab.load_result(single.save(tmp_path, figures=False))
    assert has_line(loaded.plot.car(), single.abnormal_returns["cum_ar"])
    for name in ("price", "placebo", "fit"):
        with pytest.raises(RequestError, match="run the study again"):
            getattr(loaded.plot, name)()


def test_a_study_without_pairs_draws_nothing(single):
    empty = dataclasses.replace(single, pairs=single.pairs.iloc[:0])
    with pytest.raises(RequestError, match="no pair could be studied"):
        empty.plot.car()


# ------------------------------------------------------------------------------------------------ files


def test_save_goes_by_the_suffix(single, tmp_path):
    for form, head in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        assert single.plot.save("ar", tmp_path / f"x.{form}").read_bytes().startswith(head)
    with pytest.raises(RequestError, match=r"give it one of .svg, .pdf, .png"):
        single.plot.save("ar", tmp_path / "x.doc")
    with pytest.raises(UnknownName, match="unknown figure 'bar'"):
        single.plot.save("bar", tmp_path / "x.svg")


def test_svg_has_no_clock_and_no_letters_of_the_machine(single):
    content = theme.figure_bytes(single.plot.car().figure, "svg")
    assert content == theme.figure_bytes(single.plot.car().figure, "svg")
    assert b"dc:date" not in content and b"<text" not in content


def test_a_character_without_glyph_is_named(single):
    axis = single.plot.ar(title="삼성")
    with pytest.raises(RequestError, match=r"HANGUL SYLLABLE SAM"):
        theme.figure_bytes(axis.figure, "svg")


def test_chinese_names_have_glyphs(single):
    assert theme.figure_bytes(single.plot.ar(title="智谱 稀宇 ゼロ −12.3% α").figure, "svg")


def test_percents_have_as_many_decimals_as_their_ticks():
    show = theme.Percents()
    show.set_locs([-0.025, 0.0, 0.025])
    assert [show(v) for v in (-0.025, 0.0, 0.025)] == ["−2.5%", "0%", "+2.5%"]
    show.set_locs([-0.1, 0.0])
    assert show(-0.1) == "−10%"
