"""Tables as values, their written forms, and how numbers look."""

import csv
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.errors import RequestError, UnknownName
from abnormal.present import console
from abnormal.present.tables import (
    Column,
    Table,
    comparison_table,
    format_table,
    frame_table,
    latex_table,
    result_table,
    rich_table,
    write_workbook,
)
from abnormal.result import FRAMES


@pytest.fixture(scope="module")
def study():
    return ab.run("anthropic_order_two_labs")


@pytest.fixture
def table():
    columns = (Column("name", "Name"), Column("ar", "AR", "percent"), Column("p", kind="p"), Column("n", kind="count"))
    rows = (("a|b & 5%_x", -0.01234, 0.0000012, 3), ("智谱", np.nan, 0.5, None))
    return Table("Two rows", columns, rows, ("A note: 100% & more.",))


# ------------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.500"), (0.01234, "0.0123"), (0.001, "0.00100"), (0.00099, "<0.001"), (np.nan, "n/a")]
)
def test_p_values_have_three_significant_digits(value, shown):
    assert console.p_value(value) == shown


def test_percent_signs_every_return_and_has_no_minus_zero():
    assert [console.percent(v) for v in (0.3281, -0.021, 0.0, -0.0001, None)] == [
        "+32.8%",
        "-2.1%",
        "+0.0%",
        "+0.0%",
        "n/a",
    ]
    assert console.percent(-0.0001, sign=False) == "0.0%"


def test_unbounded_interval_is_said():
    assert console.interval(-np.inf, 0.1) == "[unbounded, +10.0%]"
    assert console.interval(np.nan, np.nan) == "n/a"


def test_wide_characters_take_two_columns():
    assert console.display_width("智谱 AI") == 7
    assert console.display_width(console.clip("智谱华章科技", 7)) <= 7
    lines = console.columns([["智谱", "1"], ["ab", "22"]], ["left", "right"])
    assert [console.display_width(line) for line in lines] == [8, 8]


def test_wrapping_keeps_p_and_its_value_together():
    text = "x" * 92 + " then p = 0.05 and more"
    assert console.wrap(text, 100) == ["x" * 92 + " then", "p = 0.05 and more"]
    chinese = console.wrap("智" * 80, 100)
    assert max(map(console.display_width, chinese)) <= 100 and "".join(chinese) == "智" * 80


def test_wrapping_loses_no_word():
    text = "the order of 12 June 2026 – 智谱 rose, p < 0.001, n = 39 – and closed " * 5
    assert " ".join(" ".join(console.wrap(text, 40, indent=4)).split()) == " ".join(text.split())


# ------------------------------------------------------------------------------------------------ written forms


def test_text_is_aligned_and_carries_title_and_notes(table):
    lines = format_table(table).splitlines()
    assert lines[0] == "Two rows" and lines[-1] == "A note: 100% & more."
    widths = {console.display_width(line) for line in lines[1:-1]}
    assert len(widths) == 1
    assert "-1.2%" in lines[2] and "<0.001" in lines[2] and "n/a" in lines[3]


def test_narrow_text_cuts_words_and_never_numbers():
    wide = Table("", (Column("a"), Column("p", kind="p")), (("x" * 200, 0.0123),))
    line = format_table(wide, width=40).splitlines()[1]
    assert console.display_width(line) <= 40 and line.endswith("0.0123") and "…" in line


def test_csv_keeps_full_precision_and_keys(table):
    rows = list(csv.reader(io.StringIO(format_table(table, "csv"))))
    assert rows[0] == ["name", "ar", "p", "n"]
    assert rows[1] == ["a|b & 5%_x", "-0.01234", "1.2e-06", "3"] and rows[2][1:] == ["", "0.5", ""]


def test_markdown_escapes_bars(table):
    lines = format_table(table, "markdown").splitlines()
    assert lines[3] == "|---|---:|---:|---:|"
    assert lines[4].startswith("| a\\|b & 5%_x |")


def test_html_escapes(table):
    text = format_table(table, "html")
    assert "a|b &amp; 5%_x" in text and "&lt;0.001" in text and text.count("<tr>") == 3


def test_latex_escapes_and_balances(table):
    text = format_table(table, "latex", label="tab:x", position="h")
    assert r"a|b \& 5\%\_x" in text and r"$-$1.2\%" in text and r"\textless{}0.001" in text
    assert r"\label{tab:x}" in text and r"\begin{table}[h]" in text
    assert text.count("{") == text.count("}")
    assert text.count(r"\\") == 3


def test_latex_brackets_and_stars_are_safe():
    cells = Table("", (Column("a"), Column("b")), (("[-1.20, 3.40]", "1.5**"),))
    assert r"{[$-$1.20, 3.40]} & 1.5$^{**}$ \\" in format_table(cells, "latex")


def test_typst_compiles_whatever_a_cell_says(table, study):
    typst = pytest.importorskip("typst")
    nasty = Table('A "title" #x', (Column("a"), Column("b")), (('#panic("x") \\', "$x_$ [*] @y // z"),))
    for one in (table, nasty, result_table(study, "confounders")):
        assert typst.compile(format_table(one, "typst").encode())[:4] == b"%PDF"


def test_rich_table_shows_brackets_as_they_are(table):
    from rich.console import Console

    out = io.StringIO()
    odd = Table("", (Column("[bold]"),), (("[red]x[/red]",),))
    Console(file=out, width=80).print(rich_table(odd))
    assert "[bold]" in out.getvalue() and "[red]x[/red]" in out.getvalue()


def test_unknown_form_and_option_are_said(table):
    with pytest.raises(UnknownName, match="latex"):
        format_table(table, "latx")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="csv"):
        format_table(table, "csv", width=3)


def test_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 values in a table of 1"):
        Table("", (Column("a"),), (("x", "y"),))


def test_first_says_how_many_more(table):
    cut = table.first(1, "pair")
    assert len(cut.rows) == 1 and cut.notes[0] == "and 1 more pair"
    assert table.first(2) is table


# ------------------------------------------------------------------------------------------------ out of a result


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("form", ["text", "markdown", "html", "latex", "csv"])
def test_every_frame_has_every_form(study, name, form):
    assert format_table(result_table(study, name), form)


def test_every_number_of_a_frame_survives_csv(study):
    back = pd.read_csv(io.StringIO(format_table(frame_table(study.car), "csv")))
    assert list(back.columns) == list(study.car.columns)
    for column in ("car", "se", "p", "sq_p", "placebo_p"):
        np.testing.assert_array_equal(back[column].to_numpy(float), study.car[column].to_numpy(float))


def test_publication_layout_puts_errors_below_estimates(study):
    table = result_table(study, "car")
    assert [c.title for c in table.columns][1:] == ["(0, 0)", "(0, 1)", "(0, 3)", "(-5, 5)"]
    row = study.car.iloc[0]
    assert table.rows[0][1] == f"{100 * row.car:.2f}" and table.rows[1][1] == f"({100 * row.se:.2f})"
    assert len(table.rows) == 2 * len(study.pairs)
    assert not any("*" in str(cell) for r in table.rows for cell in r)


def test_interval_layout_states_its_form(study):
    table = result_table(study, "caar", layout="interval")
    row = study.caar.iloc[0]
    assert table.rows[1][1] == f"[{100 * row.ci_low:.2f}, {100 * row.ci_high:.2f}]"
    assert row.interval in table.notes[0] and "95% intervals" in table.notes[0]
    assert table.rows[-1][0] == "Pairs"


def test_stars_only_when_asked_for_and_by_the_pairs_p(study):
    text = latex_table(study, "car", stars=True, label="tab:mine")
    assert r"\label{tab:mine}" in text and "two-sided t of each pair" in text
    stars = sum(p < limit for limit in (0.1, 0.05, 0.01) for p in [study.car.p.iloc[0]])
    assert f"{100 * study.car.car.iloc[0]:.2f}$^{{{'*' * stars}}}$" in text


def test_same_pair_twice_keeps_both_blocks(study):
    import dataclasses

    doubled = dataclasses.replace(study, car=pd.concat([study.car.iloc[:4], study.car.iloc[:4]], ignore_index=True))
    assert [r[0] for r in result_table(doubled, "car").rows if r[0]] == ["2513.HK, us-order-anthropic"] * 2


def test_wrong_frame_layout_and_column_are_said(study):
    with pytest.raises(UnknownName, match='did you mean "car"'):
        result_table(study, "cr")
    with pytest.raises(UnknownName, match="layout"):
        result_table(study, "car", layout="wide")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="long"):
        result_table(study, "tests", layout="se")
    with pytest.raises(UnknownName, match="column"):
        result_table(study, "tests", columns=["statstic"])


def test_comparison_says_what_each_verdict_says(study):
    table = comparison_table([study, study])
    assert len(table.rows) == 2
    assert table.rows[0][-1] == study.verdict.label and table.rows[0][6] == study.verdict.p


# ------------------------------------------------------------------------------------------------ workbook


def test_workbook_has_the_verdict_first_and_every_frame(study, tmp_path):
    from openpyxl import load_workbook

    path = write_workbook(study, tmp_path / "study.xlsx")
    book = load_workbook(path)
    assert book.sheetnames == ["verdict", *FRAMES, "spec", "manifest"]
    told = {row[0].value: row[1].value for row in book["verdict"].iter_rows()}
    assert told["sentence"] == study.verdict.sentence and told["estimate"] == pytest.approx(
        study.verdict.estimate, rel=1e-14
    )
    heads = [c.value for c in book["car"][1]]
    assert book["car"].cell(2, heads.index("car") + 1).value == pytest.approx(study.car.car.iloc[0], rel=1e-14)


def test_workbook_bytes_do_not_depend_on_the_clock(study, tmp_path, monkeypatch):
    first = write_workbook(study, tmp_path / "a.xlsx").read_bytes()
    import time

    later = time.localtime(time.time() + 86_400 * 40)
    monkeypatch.setattr(time, "localtime", lambda *_: later)
    assert write_workbook(study, tmp_path / "b.xlsx").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        assert {i.date_time[0] for i in archive.infolist()} == {1980}


def test_workbook_text_never_becomes_a_formula(study, tmp_path):
    import dataclasses

    from openpyxl import load_workbook

    odd = dataclasses.replace(study, question="=1+1\x07")
    book = load_workbook(write_workbook(odd, tmp_path / "odd.xlsx"))
    cell = next(row[1] for row in book["verdict"].iter_rows() if row[0].value == "question")
    assert cell.value == "=1+1" and cell.data_type == "s"


def test_spec_in_workbook_is_the_spec(study, tmp_path):
    from openpyxl import load_workbook

    book = load_workbook(write_workbook(study, tmp_path / "s.xlsx"))
    told = {row[0].value: row[1].value for row in book["spec"].iter_rows()}
    assert told["model.name"] == study.spec.model
    assert told["benchmark.tickers"] == ", ".join(study.spec.benchmark)
    assert json.loads(json.dumps(told["inference.level"])) == study.spec.level
