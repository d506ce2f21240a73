"""`abnormal specs` and `abnormal power`: what they print, write and refuse."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from abnormal.verbs.group import group

STUDY = "anthropic_export_order"
SMALL = ("--set", 'specs.models=["mean"]', "--set", "specs.windows=[[0, 0]]", "--set", 'specs.returns=["simple"]')
FEW = ("--draws", "30", "--effect", "0", "--effect", "0.3")


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "store"))


def call(*args):
    return CliRunner().invoke(group, [str(a) for a in args], catch_exceptions=False)


def test_specs_in_words_and_as_json() -> None:
    text = call("specs", STUDY, *SMALL)
    assert text.exit_code == 0 and "2 specifications" in text.stdout and "the study's own" in text.stdout
    told = json.loads(call("specs", STUDY, *SMALL, "--json").stdout)
    assert next(iter(told)) == "schema_version"
    assert [row["own"] for row in told["specs"]].count(True) == 1 and {"median_p", "share_p"} <= set(told["joint"])


def test_power_in_words_and_as_json() -> None:
    text = call("power", STUDY, *FEW)
    assert text.exit_code == 0 and "30 draws" in text.stdout and "with 80% power" in text.stdout
    told = json.loads(call("power", STUDY, *FEW, "--json").stdout)
    assert {(row["test"], row["effect"]) for row in told["power"]} == {
        ("sq", 0.0), ("sq", 0.3), ("t_car", 0.0), ("t_car", 0.3)
    }  # fmt: skip
    assert all(0 <= row["rate"] <= 1 for row in told["power"])
    assert call("power", STUDY, *FEW, "--json").stdout == call("power", STUDY, *FEW, "--json").stdout


@pytest.mark.parametrize(("verb", "args"), [("specs", SMALL), ("power", FEW)])
@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_figure(verb, args, ending, magic, tmp_path) -> None:
    target = tmp_path / f"curve.{ending}"
    done = call(verb, STUDY, *args, "--figure", target)
    assert done.exit_code == 0 and f"written: {target}" in done.stderr
    assert target.read_bytes().startswith(magic)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("power", STUDY, "--figure", "curve.txt"), "ends in .svg, .pdf or .png"),
        (("specs", STUDY, "chip_export_rules_2022", "--figure", "curve.svg"), "--figure draws one study, 2 given"),
        (("power", STUDY, "--draws", "0"), "--draws"),
        (("power", STUDY, "--set", "power.tests=['bpm']"), 'did you mean "bmp"'),
        (("specs", STUDY, "--set", "specs.models=['markt']"), 'did you mean "market"'),
        (("power", "nowhere"), "nowhere"),
    ],
)
def test_wrong_requests(args, said) -> None:
    done = call(*args)
    assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_strict_says_which_sizes_are_wrong() -> None:
    args = ("power", "anthropic_order_two_labs", "--draws", "60", "--effect", "0")
    assert call(*args).exit_code == 0
    strict = call(*args, "--strict")
    assert strict.exit_code == 1 and "size of" in strict.stderr


def test_progress_goes_to_stderr() -> None:
    done = call("power", STUDY, *FEW, "--verbose", "--json")
    json.loads(done.stdout)
    assert "power" in done.stderr
    assert call("specs", STUDY, *SMALL, "--quiet").stderr == ""
