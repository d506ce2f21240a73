"""Study files: reading, writing, settings, and what is said of a wrong one, with file, line and column."""

from __future__ import annotations

import datetime as dt
import doctest
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from abnormal import registry
from abnormal.domain import Event, EventCatalog, Link
from abnormal.errors import EventError, SpecError, StudyFileError, UnknownName
from abnormal.inputs import selection, study_problems, studyfile, toml_positions
from abnormal.inputs.bundled import study_path
from abnormal.inputs.selection import EventSelection
from abnormal.inputs.studyfile import Study, bundled_studies, load_study, with_settings
from abnormal.inputs.toml_positions import key_positions
from abnormal.spec import StudySpec

BUNDLED = [
    "anthropic_export_order",
    "anthropic_order_reversal",
    "anthropic_order_two_labs",
    "chip_export_rules_2022",
    "lockup_expirations_2026",
]
REAL_MODELS = registry.MODELS
HEAD = 'schema = 1\n[events]\nids = ["e"]\n'


@pytest.fixture(scope="module", autouse=True)
def toy_registries():
    """Names that do not depend on which methods are installed."""
    models, tests = registry.Registry("model"), registry.Registry("test")
    for name in ("market", "market_adjusted", "market_zero_alpha", "mean"):
        models.add(name, reference="")(lambda: None)
    tests.add("patell", reference="", variants=("full", "patell_sum"))(lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MODELS", models)
        patch.setattr(registry, "TESTS", tests)
        yield


def read(tmp_path: Path, text: str) -> Study:
    file = tmp_path / "my.toml"
    file.write_bytes(text.encode())
    return Study.from_toml(file)


def complaint(tmp_path: Path, text: str) -> list[str]:
    """What is said of a wrong file, line by line, with the folder taken off."""
    with pytest.raises(StudyFileError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{tmp_path}{os.sep}", "").split("\n")


# ------------------------------------------------------------------------------------------------------ bundled studies


def test_the_bundled_studies_are_listed_with_their_titles():
    listed = bundled_studies()
    assert set(BUNDLED) <= {name for name, _ in listed}
    assert all(title and title == load_study(name).title for name, title in listed)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_study_asks_a_question_and_survives_being_written(name, tmp_path):
    study = load_study(name)
    assert study.question.endswith("?") and study.name == name and study.path == study_path(f"{name}.toml")
    assert study.price_source == "bundled" and study.spec.headline == (0, 0) and study.spec.headline_set
    copy = Study.from_toml(_written(study, tmp_path / "copy.toml"))
    assert copy == study and hash(copy) == hash(study) and copy.spec.digest == study.spec.digest
    assert copy.name == "copy"


def _written(study: Study, file: Path) -> Path:
    assert study.to_toml(file) == file.read_text(encoding="utf-8")
    return file


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_study_names_only_methods_that_exist(name, monkeypatch):
    monkeypatch.setattr(registry, "MODELS", REAL_MODELS)
    spec = load_study(name).spec
    assert {spec.model, *spec.robustness.models} <= {"auto", *REAL_MODELS.names()}


def test_the_main_study_is_the_one_printed_in_the_interface():
    study = load_study("anthropic_export_order")
    basket = ("0700.HK", "9988.HK", "9888.HK")
    assert study == Study(
        title="US order on Anthropic's models and Zhipu",
        question="Did the order move Zhipu's share price?",
        events=EventSelection(ids=("us-order-anthropic",), tickers=("2513.HK",)),
        prices="bundled",
        spec=StudySpec(
            model="market_zero_alpha",
            estimation=(-90, -11),
            benchmark=basket,
            windows=((0, 0), (0, 1), (0, 3), (-5, 5)),
            seed=1,
            selected_on_outcome=True,
            candidates=("2513.HK", "0100.HK", *basket),
            robustness={"models": ("market", "market_adjusted", "mean")},
        ),
    )


def test_the_other_bundled_studies_hold_what_their_names_say():
    labs, back = load_study("anthropic_order_two_labs"), load_study("anthropic_order_reversal")
    assert labs.events == EventSelection(ids=("us-order-anthropic",), tickers=("2513.HK", "0100.HK"))
    assert back.events == EventSelection(ids=("us-order-anthropic-lifted",), tickers=("2513.HK", "0100.HK"))
    assert labs.spec.benchmark == back.spec.benchmark == ("0700.HK", "9988.HK", "9888.HK")
    locks = load_study("lockup_expirations_2026")
    assert locks.events.pairs == (("zhipu-lockup-2026", "2513.HK"), ("minimax-lockup-2026", "0100.HK"))
    assert locks.spec.windows == ((0, 0), (-10, -1), (0, 1), (0, 10)) and locks.spec.estimation == (-100, -11)
    chips = load_study("chip_export_rules_2022")
    assert chips.events == EventSelection(ids=("nvda-a100-licence-2022", "bis-chip-rule-2022"), tickers=("AMD",))
    assert chips.spec.benchmark == "^GSPC" and chips.spec.estimation == (-260, -11)
    assert chips.spec.windows == ((0, 0), (0, 1), (-1, 1), (-5, 5))


# ------------------------------------------------------------------------------------------------------ finding a study


def test_a_bundled_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anthropic_export_order").mkdir()
    assert load_study("anthropic_export_order").title.endswith("Zhipu")


def test_a_path_or_a_folder_with_a_study_is_found(tmp_path):
    (tmp_path / "study.toml").write_text(HEAD)
    assert load_study(str(tmp_path / "study.toml")) == load_study(tmp_path) == Study(events={"ids": "e"})


def test_an_unknown_study_names_the_nearest(tmp_path):
    with pytest.raises(UnknownName, match=r'"anthropic_export_order".*run --list'):
        load_study("anthropic_export_ordr")
    (tmp_path / "mine.toml").write_text(HEAD)
    with pytest.raises(UnknownName, match=r"mine\.toml"):
        load_study(tmp_path / "mime.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StudyFileError, match=r"none\.toml: cannot be read: No such file"):
        Study.from_toml(tmp_path / "none.toml")
    with pytest.raises(StudyFileError, match="cannot be read"):
        Study.from_toml(tmp_path)


# --------------------------------------------------------------------------------------------------------- what is read


def test_keys_left_out_take_the_defaults_of_the_spec(tmp_path):
    study = read(tmp_path, HEAD)
    assert study.spec == StudySpec() and study.prices is None and study.title == "" and not study.spec.headline_set
    assert study.event_file is None and study.price_source is None and study.factor_file is None


def test_every_section_reaches_its_field(tmp_path):
    study = read(
        tmp_path,
        """schema = 1
[events]
kind = "lockup"
tickers = ["A", "B"]
roles = ["target"]
after = 2026-01-01
before = "2026-06-30"
status = ["quoted"]
align = "expected_sign"
[benchmark]
tickers = "^HSI"
industry = ["C", "D"]
factors = "ff.csv"
[model]
name = "market"
estimation = "all"
min_obs = 20
skip_first = 3
thin = "uniform"
halt = "keep"
[model.options]
sigma = "s_zero"
donors = ["E", "F"]
[windows]
also = [[0, 3]]
[returns]
kind = "log"
currency = "USD"
calendar = "XHKG"
closing_auction = true
[inference]
tests = ["patell:patell_sum"]
level = 0.1
alternative = "less"
seed = 7
draws = 99
compat = "est"
selected_sessions = 3
[confounders]
treatment = "drop"
statuses = ["verified"]
exclude = ["x"]
[robustness]
estimations = [[-60, -11]]
benchmarks = ["^HSI", ["A", "B"]]
[regression]
formula = "car ~ size"
window = [0, 1]
cov = "HC3"
[specs]
windows = [[0, 0], [0, 1]]
returns = ["simple", "log"]
[power]
effects = [0, 0.02]
draws = 200
tests = "patell"
""",
    )
    assert study.events == EventSelection(
        kind="lockup",
        tickers=("A", "B"),
        roles=("target",),
        after=dt.date(2026, 1, 1),
        before=dt.date(2026, 6, 30),
        status=("quoted",),
    )
    assert study.spec == StudySpec(
        align="expected_sign",
        benchmark="^HSI",
        industry=("C", "D"),
        factors="ff.csv",
        model="market",
        estimation="all",
        min_obs=20,
        skip_first=3,
        thin="uniform",
        halt="keep",
        options={"sigma": "s_zero", "donors": ("E", "F")},
        windows=((-1, 1), (0, 3)),
        headline_set=False,
        returns="log",
        currency="USD",
        calendar="XHKG",
        closing_auction=True,
        tests=("patell:patell_sum",),
        level=0.1,
        alternative="less",
        seed=7,
        draws=99,
        compat="est",
        selected_sessions=3,
        confounders="drop",
        statuses=("verified",),
        exclude=("x",),
        robustness={"estimations": ((-60, -11),), "benchmarks": ("^HSI", ("A", "B"))},
        regression={"formula": "car ~ size", "window": (0, 1), "cov": "HC3"},
        specs={"windows": ((0, 0), (0, 1)), "returns": ("simple", "log")},
        power={"effects": (0.0, 0.02), "draws": 200, "tests": ("patell",)},
    )
    assert Study.from_toml(_written(study, tmp_path / "again.toml")) == study


def test_relative_paths_count_from_the_study_file(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    text = 'schema = 1\n[events]\nfile = "mine.csv"\n[prices]\nsource = "p/q.csv"\n[benchmark]\nfactors = "/f.csv"\n'
    study = read(tmp_path, text)
    monkeypatch.chdir(elsewhere)
    assert study.event_file == tmp_path / "mine.csv" and study.price_source == tmp_path / "p" / "q.csv"
    assert study.factor_file == Path("/f.csv") and study.spec.factors == "/f.csv"
    assert Study(events=EventSelection(file="mine.csv")).event_file == Path("mine.csv")


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    file = tmp_path / "bom.toml"
    file.write_bytes(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode())
    assert Study.from_toml(file) == Study(events={"ids": ["e"]})


# ------------------------------------------------------------------------------ what is said of a wrong file, and where

ONE_PROBLEM = [
    ("schema = 2\n[events]\nids = ['e']\n", "1:1: schema: 2 is not known; this version reads 1; type schema = 1"),
    ("schema = '1'\n[events]\nids = ['e']\n",
     '1:1: schema: "1" given; expected the number of the file format; type schema = 1'),
    ("[events]\nids = ['e']\n", "1:1: schema: missing; type schema = 1"),
    ("schema = 1\n", '1:1: events: missing; type [events] and below it ids = ["us-order-anthropic"]'),
    ("title = 'x'\nschema = 1\n", '1:1: events: missing; type [events] and below it ids = ["us-order-anthropic"]'),
    (HEAD + "[model]\n  nmae = 'mean'\n", "5:3: model.nmae: unknown key (did you mean model.name?)"),
    (HEAD + "model.nmae = 'mean'\n",
     "4:1: events.model: unknown key (did you mean model.name?)"),
    (HEAD + "[modle]\nname = 'mean'\n", "4:1: modle: unknown key (did you mean model?)"),
    (HEAD + "[model]\nlevel = 0.1\n", "5:1: model.level: unknown key (did you mean inference.level?)"),
    (HEAD + "[confounders]\nconfounders = 'drop'\n",
     "5:1: confounders.confounders: unknown key (did you mean confounders.treatment?)"),
    (HEAD + "[zzz]\n", "4:1: zzz: unknown key"),
    ("schema = 1\ntitel = 'x'\n[events]\nids = ['e']\n", "2:1: titel: unknown key (did you mean title?)"),
    ("schema = 1\nmodel = 'mean'\n[events]\nids = ['e']\n",
     '2:1: model: expected a section of keys; type [model] and below it name = "market"'),
    (HEAD + "[[windows]]\nheadline = [0, 0]\n",
     "4:1: windows: expected a section of keys; type [windows] and below it headline = [0, 0]"),
    ("schema = 1\ntitle = 5\n[events]\nids = ['e']\n",
     '2:1: title: 5 given; expected text in quotes; type title = "Did the order move the share?"'),
    (HEAD + "[model]\nname = 'markt'\n",
     "5:1: model.name: unknown model 'markt' (did you mean \"market\"?). `abnormal methods` lists them all"),
    (HEAD + "[model]\nmin_obs = '30'\n",
     '5:1: model.min_obs: "30" given; expected a whole number of at least 5; type min_obs = 30'),
    (HEAD + "[model]\nmin_obs = 30.0\n",
     "5:1: model.min_obs: 30.0 given; expected a whole number of at least 5; type min_obs = 30"),
    (HEAD + "[model]\nmin_obs = 6\n",
     '5:1: model.min_obs: 6 given; model "auto" with 2 parameters needs at least 7; type min_obs = 7'),
    (HEAD + "[model.options]\nx = [[1]]\n",
     "5:1: model.options.x: [1] given; expected text, a finite number, true/false or a list of them; type x = "
     '"s_zero"'),
    (HEAD + "[windows]\nheadline = [1, 0]\n",
     '5:1: windows.headline: [1, 0] given; expected two whole numbers [a, b] with a <= b (or "0min..120min" with an '
     "intraday freq); type headline = [0, 1]"),
    (HEAD + "[windows]\nheadline = '0min..9min'\n",
     '5:1: windows.headline: "0min..9min" is clock time, which daily bars do not have; count sessions as [0, 1] or set '
     'freq = "5m"'),
    (HEAD + "[windows]\nheadline = [0, 0]\nalso = [[0, 1], 'x']\n",
     '6:17: windows.also.1: "x" given; expected two whole numbers [a, b] with a <= b (or "0min..120min" with an '
     'intraday freq); write "0min..120min"'),
    (HEAD + "[robustness]\nmodels = [\n  'mean',  # fine\n  'meen',\n]\n",
     "7:3: robustness.models.1: unknown model 'meen' (did you mean \"mean\"?). `abnormal methods` lists them all"),
    (HEAD + "[returns]\nfreq = '1D'\n",
     '5:1: returns.freq: "1D" given; expected one of "1d", "1h", "30m", "15m", "5m", "2m", "1m" (did you mean "1d"?)'),
    (HEAD + "[inference]\nlevel = 5\n",
     "5:1: inference.level: 5 given; expected a number between 0 and 1; type level = 0.05"),
    (HEAD + "[inference]\ntests = ['patell:patel_sum']\n",
     "5:10: inference.tests.0: unknown variant of test patell 'patel_sum' (did you mean \"patell_sum\"?). patell has "
     "full, patell_sum"),
    (HEAD + "[inference]\ncompat = 'wrd'\n",
     "5:1: inference.compat: unknown compat 'wrd' (did you mean \"wrds\"?). known are estudy2, "
     "r_eventstudy, wrds, est"),
    (HEAD + "[regression]\nwindow = [0, 1]\n", '4:1: regression.formula: missing; type formula = "car ~ unlock_pct"'),
    (HEAD + "[prices]\nsource = ''\n",
     '5:1: prices.source: "" given; expected a path in quotes; type source = "factors.csv"'),
    ("schema = 1\n[events]\nids = ['e', 700]\n",
     '3:13: events.ids.1: 700 given; expected text in quotes; write "us-order-anthropic"'),
    ("schema = 1\n[events]\npairs = [['e', 'T'], ['e']]\n",
     '3:22: events.pairs.1: ["e"] given; expected a pair [event id, ticker]; write ["zhipu-lockup-2026", "2513.HK"]'),
    ("schema = 1\n[events]\nkind = 'k'\nafter = '2026-13-08'\n",
     '4:1: events.after: "2026-13-08" given; expected a date as YYYY-MM-DD; type after = "2026-06-12"'),
    ("schema = 1\n[events]\nkind = 'k'\nroles = ['trget']\n",
     '4:10: events.roles.0: "trget" given; expected one of "target", "beneficiary", "supplier", "customer", "peer", '
     '"holder" (did you mean "target"?)'),
    ("schema = 1\n[events]\n",
     '2:1: events: says nothing; type ids = ["..."], pairs, file, or kind, tickers, after, before'),
    ("schema = 1\n[events]\nalign = 'expected_sign'\n",
     '2:1: events: says nothing; type ids = ["..."], pairs, file, or kind, tickers, after, before'),
    (HEAD + "kind = 'lockup'\n", "3:1: events.ids: ids already name the events; leave out kind"),
    (HEAD + "pairs = [['e', 'T']]\n", "4:1: events.pairs: pairs already name events and tickers; leave out ids"),
    ("schema = 1\n[events]\nafter = 2026-02-01\nbefore = 2026-01-01\n",
     "3:1: events.after: 2026-02-01 is later than before = 2026-01-01; exchange the two"),
    (HEAD + "[model]\nestimation = [-60, -6]\n",
     "5:1: model.estimation: estimation [-60, -6] ends at -6 and reaches into the window [-10, 10] of windows; end it "
     "at -11 or earlier, or choose windows that begin at -5 or later"),
    (HEAD + "[windows]\nheadline = [-20, 20]\n",
     "5:1: windows.headline: estimation [-260, -11] ends at -11 and reaches into the window [-20, 20] of windows; end "
     "it at -21 or earlier, or choose windows that begin at -10 or later"),
    (HEAD + "[windows]\nheadline = [0, 0]\nalso = [[-20, 20]]\n",
     "6:1: windows.also: estimation [-260, -11] ends at -11 and reaches into the window [-20, 20] of windows; end it "
     "at -21 or earlier, or choose windows that begin at -10 or later"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ONE_PROBLEM, ids=[said[:45] for _, said in ONE_PROBLEM])
def test_one_problem_is_said_with_file_line_column_and_the_line(tmp_path, text, said):
    lines = complaint(tmp_path, text)
    number = int(said.split(":")[0])
    assert lines == [f"my.toml:{said}", f"{number:>7} | {text.split(chr(10))[number - 1]}"]


def test_everything_wrong_in_a_file_is_said_at_once_in_the_order_of_the_lines(tmp_path):
    text = """schema = 3
titel = "x"
[events]
ids = ["e"]
kind = "lockup"
tickers = [
  "A",
  700,
]
[model]
nmae = "mean"
estimation = [-60, -6]
[windows]
headline = [0, 0]
also = [[-10, 5]]
[returns]
freq = "1D"
[power]
effects = [0.1, "x"]
"""
    lines = complaint(tmp_path, text)
    assert [line.split(": ")[:2] for line in lines[::2]] == [
        ["my.toml:1:1", "schema"],
        ["my.toml:2:1", "titel"],
        ["my.toml:4:1", "events.ids"],
        ["my.toml:8:3", "events.tickers.1"],
        ["my.toml:11:1", "model.nmae"],
        ["my.toml:17:1", "returns.freq"],
        ["my.toml:19:17", "power.effects.1"],
    ]
    # The overlap of line 12 waits for a freq that is known: whether windows count sessions depends on it.
    fixed = complaint(tmp_path, text.replace('"1D"', '"1d"'))
    assert any(line.startswith("my.toml:12:1: model.estimation: estimation [-60, -6] ends at -6") for line in fixed)
    assert lines[7] == "      8 |   700,"


SYNTAX = [
    ("schema = 1\n[events\n", "2:8: not valid TOML: ", "      2 | [events"),
    ("schema = 1\nx =\n", "2:4: not valid TOML: ", "      2 | x ="),
    ("schema = 1\n\nschema = 2\n", "3:11: not valid TOML: Cannot overwrite a value", "      3 | schema = 2"),
    ('schema = 1\ntitle = "x', "2:11: not valid TOML: Unterminated string", '      2 | title = "x'),
    ("schema = 1\n[model]\nname = (1)\n", "3:8: not valid TOML: Invalid value", "      3 | name = (1)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said", "line"), SYNTAX, ids=[s[1] for s in SYNTAX])
def test_broken_toml_is_said_with_file_line_and_column(tmp_path, text, said, line):
    lines = complaint(tmp_path, text)
    assert lines[0].startswith(f"my.toml:{said}") and lines[1:] == [line]


def test_a_file_that_is_not_utf8_is_said_with_its_place(tmp_path):
    file = tmp_path / "latin.toml"
    file.write_bytes(b"schema = 1\ntitle = 'caf\xe9'\n")
    with pytest.raises(StudyFileError, match=r"latin\.toml:2:13: not UTF-8 text; save the file as UTF-8"):
        Study.from_toml(file)


def test_an_error_shows_the_path_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text("schema = 2\n" + HEAD.partition("\n")[2])
    with pytest.raises(StudyFileError, match=r"^a\.toml:1:1: "):
        Study.from_toml("a.toml")


# ------------------------------------------------------------------------------------------------------------- settings


def test_settings_change_keys_of_the_file():
    study = load_study("anthropic_export_order")
    changed = with_settings(study, ["model.name=mean", "windows.headline=[0,1]", "inference.level = 0.1"])
    assert changed.spec == study.spec.but(model="mean", windows=[(0, 1), (0, 3), (-5, 5)], level=0.1)
    assert (changed.events, changed.title, changed.name, changed.path) == (
        study.events,
        study.title,
        study.name,
        study.path,
    )
    assert with_settings(study, []) == study


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("benchmark.tickers=^HSI", "benchmark", "^HSI"),
        ("benchmark.tickers=0700.HK", "benchmark", "0700.HK"),
        ('benchmark.tickers=["A","B"]', "benchmark", ("A", "B")),
        ("model.estimation=all", "estimation", "all"),
        ("inference.selected_on_outcome=false", "selected_on_outcome", False),
        ("inference.seed=7", "seed", 7),
        ("model.options.sigma=s_zero", "options", {"sigma": "s_zero"}),
        ("regression.formula=car ~ x", "regression", "car ~ x"),
    ],
)
def test_a_setting_is_read_as_toml_and_a_bare_word_as_text(setting, field, value):
    study = load_study("anthropic_export_order")
    assert with_settings(study, [setting]).spec == study.spec.but(**{field: value})


def test_paths_of_settings_count_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = with_settings(load_study("anthropic_export_order"), ["prices.source=mine.csv"])
    assert study.price_source == tmp_path / "mine.csv"
    assert with_settings(study, ["prices.source=bundled"]).price_source == "bundled"


SETTINGS = [
    ("model.nmae=mean", "--set model.nmae: unknown key (did you mean model.name?)"),
    ("level=0.1", "--set level: unknown key (did you mean inference.level?)"),
    ("model.name=markt", "--set model.name: unknown model 'markt' (did you mean \"market\"?). `abnormal methods` lists "
     "them all"),
    ("inference.seed=x", '--set inference.seed: "x" given; expected a whole number of at least 0; type seed = 1'),
    ("windows=3", "--set windows: expected a section of keys; type [windows] and below it headline = [0, 0]"),
    ("title.x=3", '--set title: {"x": 3} given; expected text in quotes; type title = "Did the order move the share?"'),
    ("windows.headline=[-50,0]", "--set windows.headline: estimation [-90, -11] ends at -11 and reaches into the "
     "window [-50, 0] of windows; end it at -51 or earlier, or choose windows that begin at -10 or later"),
    ("events.kind=lockup", "--set events.kind: ids already name the events; leave out kind"),
    ("model.name", "--set model.name: expected key=value; type for instance --set model.name=mean"),
    ("=mean", "--set =mean: expected key=value; type for instance --set model.name=mean"),
    ("windows.headline=[0,1", "--set windows.headline: [0,1 is not a TOML value; check quotes and brackets"),
    ("model.name='mean", "--set model.name: 'mean is not a TOML value; check quotes and brackets"),
    ("inference.seed=1\nx=2", "--set inference.seed: '1\\nx=2' holds more than one value; use --set once for each key"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), SETTINGS, ids=[s for s, _ in SETTINGS])
def test_a_wrong_setting_is_named_like_a_wrong_key_of_a_file(setting, said):
    with pytest.raises(StudyFileError) as caught:
        with_settings(load_study("anthropic_export_order"), [setting])
    assert str(caught.value) == said


def test_all_wrong_settings_are_said():
    with pytest.raises(StudyFileError) as caught:
        with_settings(load_study("anthropic_export_order"), ["model.nmae=mean", "inference.level=7"])
    assert sorted(line.split(": ")[0] for line in str(caught.value).split("\n")) == [
        "--set inference.level",
        "--set model.nmae",
    ]


# ------------------------------------------------------------------------------------------------------ choosing events


def event(name: str, day: str, *links: Link, kind: str = "rule", status: str = "verified") -> Event:
    return Event(name, kind=kind, date=dt.date.fromisoformat(day), tickers=links, status=status)


CATALOG = EventCatalog(
    (
        event("a", "2026-01-05", Link("X", "target", 1), Link("Y", "peer", -1)),
        event("b", "2026-02-05", Link("Y", "target", 1), kind="lockup"),
        event("c", "2026-03-05", Link("X", "holder", 0), kind="lockup", status="unverified"),
        event("d", "2026-04-05", Link("Z", "target", 1), kind="lockup", status="quoted"),
    )
)


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ({"ids": ["c", "a"]}, [("c", "X"), ("a", "X"), ("a", "Y")]),
        ({"ids": ["a"], "tickers": ["Y", "N"]}, [("a", "Y"), ("a", "N")]),
        ({"ids": ["a"], "roles": ["peer"]}, [("a", "Y")]),
        ({"pairs": [("b", "X"), ("a", "Y"), ("b", "Y")]}, [("b", "X"), ("b", "Y"), ("a", "Y")]),
        ({"kind": "lockup"}, [("b", "Y"), ("d", "Z")]),
        ({"kind": ["lockup"], "status": ["unverified"]}, [("c", "X")]),
        ({"tickers": "X"}, [("a", "X")]),
        ({"after": "2026-02-05"}, [("b", "Y"), ("d", "Z")]),
        ({"before": dt.date(2026, 2, 5), "roles": "target"}, [("a", "X"), ("b", "Y")]),
        ({"file": "own.csv"}, [("a", "X"), ("a", "Y"), ("b", "Y"), ("c", "X"), ("d", "Z")]),
        ({"file": "own.csv", "ids": ["b"]}, [("b", "Y")]),
    ],
)
def test_a_selection_cuts_a_catalogue_and_remembers_the_whole(words, pairs):
    chosen = EventSelection(**words).choose(CATALOG)
    assert [(p.event.id, p.ticker) for p in chosen.pairs] == pairs
    assert chosen.whole == CATALOG


def test_a_selected_ticker_keeps_its_role_and_an_added_one_has_none():
    chosen = EventSelection(pairs=[("a", "Y"), ("a", "N")]).choose(CATALOG)
    assert [p.link for p in chosen.pairs] == [Link("Y", "peer", -1), Link("N")]


def test_a_selection_that_leaves_nothing_or_names_nothing_known_is_an_error():
    with pytest.raises(EventError, match=r"no pair of event and ticker matches tickers = \('Q',\).*events list"):
        EventSelection(tickers=["Q"]).choose(CATALOG)
    with pytest.raises(UnknownName, match="unknown event 'aa'"):
        EventSelection(ids=["aa"]).choose(CATALOG)
    with pytest.raises(UnknownName, match='did you mean "lockup"'):
        EventSelection(kind="lokup").choose(CATALOG)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "events: says nothing"),
        ({"ids": ["a"], "status": ["quoted"]}, "events.ids: ids already name the events; leave out status"),
        ({"pairs": [("a", "X")], "roles": ["peer"]}, "events.pairs: pairs already name events and tickers"),
        ({"ids": [3]}, "events.ids[0]: 3 given"),
        ({"ids": ["a"], "tickers": ["X", "X"]}, 'events.tickers: "X" is named twice'),
        ({"after": dt.datetime(2026, 1, 1)}, "events.after: "),
    ],
)
def test_a_selection_made_in_python_is_judged_alike(words, said):
    with pytest.raises(SpecError) as caught:
        EventSelection(**words)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"events": 3}, "events: 3 given; expected an EventSelection"),
        ({"events": {"id": "a"}}, "events: "),
        ({"events": {"ids": "a"}, "spec": {}}, "spec: dict given; expected a StudySpec"),
        ({"events": {"ids": "a"}, "title": 3}, "title: 3 given"),
    ],
)
def test_a_study_made_in_python_is_judged_too(words, said):
    with pytest.raises(SpecError) as caught:
        Study(**words)
    assert str(caught.value).startswith(said)


# ----------------------------------------------------------------------------------------------- writing, and positions

words = st.text(min_size=1, max_size=8).filter(lambda t: t.strip() and not any(0xD800 <= ord(c) <= 0xDFFF for c in t))
names = st.lists(words, min_size=1, max_size=3, unique=True).map(tuple)
days = st.none() | st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1))
selections = (
    st.builds(EventSelection, ids=names, tickers=st.just(()) | names, file=st.none() | words)
    | st.builds(EventSelection, pairs=st.lists(st.tuples(words, words), min_size=1, max_size=3, unique=True))
    | st.builds(EventSelection, kind=names, after=days, roles=st.just(()) | st.just(("peer", "target")))
)
windows = st.lists(st.tuples(st.integers(-9, 0), st.integers(0, 9)), min_size=1, max_size=4)
specs = st.builds(
    StudySpec,
    model=st.sampled_from(["auto", "market", "mean"]),
    benchmark=st.none() | words | names,
    windows=st.none() | windows,
    level=st.floats(0.001, 0.999),
    freq=st.sampled_from(["1d", "5m"]),
    returns=st.none() | st.sampled_from(["simple", "log"]),
    candidates=names,
    align=st.none() | st.just("expected_sign"),
    options=st.dictionaries(
        st.sampled_from(["a", "b"]), words | st.booleans() | st.lists(st.integers(-9, 9)), max_size=2
    ),
    robustness=st.lists(st.sampled_from(["market", "mean"]), unique=True),
)
studies = st.builds(
    Study, events=selections, spec=specs, title=st.just("") | words, question=words, prices=st.none() | words
)


@settings(max_examples=150, deadline=None)
@given(studies)
def test_any_study_survives_being_written_and_read(tmp_path_factory, study):
    file = tmp_path_factory.mktemp("round", numbered=True) / "s.toml"
    study.to_toml(file)
    again = Study.from_toml(file)
    assert again == study and again.spec.digest == study.spec.digest
    assert again.to_toml() == study.to_toml()


def test_what_is_written_is_pleasant_to_read():
    assert (
        load_study("lockup_expirations_2026").to_toml()
        == """schema = 1
title = "Lock-up expirations of Zhipu and MiniMax, July 2026"
question = "Did the share price fall when early holders became free to sell?"

[events]
pairs = [["zhipu-lockup-2026", "2513.HK"], ["minimax-lockup-2026", "0100.HK"]]

[prices]
source = "bundled"

[benchmark]
tickers = ["0700.HK", "9988.HK", "9888.HK"]

[model]
name = "market_zero_alpha"
estimation = [-100, -11]

[windows]
headline = [0, 0]
also = [[-10, -1], [0, 1], [0, 10]]

[robustness]
models = ["market", "market_adjusted", "mean"]
"""
    )


def test_keys_are_found_in_untidy_toml():
    source = '''# a "comment" = [1]
top = """
fake = 1
[not.a.table]
"""   # still "top
"quoted key"."in parts" = 'a = b # c'
a . b = { x = [1, {y = 2}], "z" = """]}""" }
[t] # header
list = [
  1, # one
  "two ] # ,",
  [3, 4],
  { deep = "}" },
]
[ t . "s p" ]
k=1979-05-27 07:32:00
[[many]]
n = 1
[[many]]
n = 2
[many.sub]
m = """x\\""""
last = \'\'\'y\'\'\'\'
'''
    tomllib.loads(source)
    found = key_positions(source)
    lines = source.split("\n")

    def place(*loc: str | int) -> tuple[int, int]:
        at = found[loc]
        return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)

    assert place("top") == (2, 1) and ("fake",) not in found and ("not",) not in found
    assert place("quoted key") == (6, 1) and place("quoted key", "in parts") == (6, 14)
    assert place("a", "b") == (7, 5) and place("a", "b", "x", 1, "y") == (7, 20) and place("a", "b", "z") == (7, 29)
    assert place("t") == (8, 1) and place("t", "list") == (9, 1)
    assert [place("t", "list", i) for i in range(4)] == [(10, 3), (11, 3), (12, 3), (13, 3)]
    assert place("t", "list", 3, "deep") == (13, 5)
    assert place("t", "s p") == (15, 1) and place("t", "s p", "k") == (16, 1)
    assert place("many") == place("many", 0) == (17, 1) and place("many", 1) == (19, 1)
    assert place("many", 1, "n") == (20, 1) and place("many", 1, "sub", "m") == (22, 1)
    assert place("many", 1, "sub", "last") == (23, 1) and lines[22].startswith("last")


leaves = st.integers() | words | st.booleans() | st.lists(st.integers() | words, max_size=3)
tables = st.dictionaries(words, leaves, max_size=3)
documents = st.recursive(tables, lambda t: st.dictionaries(words, t | leaves, max_size=3), max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(documents)
def test_every_key_of_any_document_is_found_where_it_stands(document):
    source = tomli_w.dumps(document)
    found = key_positions(source)

    def check(table: dict, above: tuple[str, ...]) -> int:
        for name, value in table.items():
            at = found[(*above, name)]
            written = source[at : source.index("\n", at)]
            if written[0] == "[":
                assert tuple(_header(written))[: len(above) + 1] == (*above, name)
            else:
                assert next(iter(tomllib.loads(written.partition(" = ")[0] + " = 0"))) == name
            if isinstance(value, dict):
                check(value, (*above, name))
        return len(table)

    check(document, ())


def _header(line: str) -> list[str]:
    inner, path = tomllib.loads(line), []
    while inner:
        (name, inner), = inner.items()  # fmt: skip
        path.append(name)
        inner = inner[0] if isinstance(inner, list) else inner
    return path


# ---------------------------------------------------------------------------------------------------------------- house


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, abnormal.inputs.studyfile\n"
        "print([m for m in ('pandas', 'pydantic', 'tomli_w', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [studyfile, study_problems, selection, toml_positions], ids=lambda m: m.__name__)
def test_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0
