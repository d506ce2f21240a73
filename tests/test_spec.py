"""StudySpec: defaults, what it accepts and refuses, equality, digest, presets."""

from __future__ import annotations

import doctest
import json
import os
import pickle
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abnormal import clean, registry
from abnormal import spec as spec_module
from abnormal.errors import SpecError, UnknownName
from abnormal.spec import (
    DEFAULT_WINDOWS,
    FIELD_OF,
    Options,
    Power,
    Regression,
    Robustness,
    SpecGrid,
    StudySpec,
    presets,
)

MODELS = ["market", "market_adjusted", "market_zero_alpha", "mean", "ff3"]


@pytest.fixture(scope="module", autouse=True)
def toy_registries():
    """Names that do not depend on which methods are installed."""
    models, tests = registry.Registry("model"), registry.Registry("test")
    for name in MODELS:
        models.add(name, reference="")(lambda: None)
    tests.add("bmp", reference="")(lambda: None)
    tests.add("patell", reference="", variants=("full", "patell_sum"))(lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MODELS", models)
        patch.setattr(registry, "TESTS", tests)
        yield


# ------------------------------------------------------------------------------------------------------- what it holds


def test_defaults_are_those_of_the_table():
    spec = StudySpec()
    assert (spec.model, spec.estimation, spec.min_obs, spec.skip_first) == ("auto", (-260, -11), 30, 5)
    assert (spec.thin, spec.halt) == ("drop", "shift")
    assert (spec.benchmark, spec.industry, spec.factors, spec.compat, spec.align, spec.regression) == (None,) * 6
    assert spec.windows == ((-1, 1), (0, 0), (0, 1), (-5, 5), (-10, 10))
    assert (spec.returns, spec.currency, spec.calendar, spec.freq) == ("simple", "local", "auto", "1d")
    assert (spec.tests, spec.level, spec.alternative, spec.seed, spec.draws) == ("default", 0.05, "two-sided", 1, 9999)
    assert (spec.selected_on_outcome, spec.candidates, spec.selected_sessions) == (False, (), 1)
    assert (spec.confounders, spec.statuses, spec.exclude) == ("flag", ("verified", "quoted"), ())
    assert not spec.robustness and not spec.specs and not spec.options and not spec.closing_auction
    assert spec.power.effects == (0.0, 0.005, 0.01, 0.02, 0.05)
    assert spec.power.draws == 1000


def test_lists_and_arrays_become_tuples_and_plain_numbers():
    spec = StudySpec(
        model="market",
        benchmark=["0700.HK", "9988.HK"],
        estimation=np.array([-90, -11]),
        windows=[[0, 0], np.array([0, 1])],
        candidates=["A", "B"],
        min_obs=np.int64(40),
        level=np.float64(0.1),
        seed=np.int32(3),
        closing_auction=np.True_,
    )
    assert spec.estimation == (-90, -11) and all(type(v) is int for v in spec.estimation)
    assert spec.windows == ((0, 0), (0, 1)) and type(spec.windows[1][1]) is int
    assert spec.benchmark == ("0700.HK", "9988.HK") and spec.candidates == ("A", "B")
    assert (type(spec.min_obs), type(spec.level), type(spec.seed)) == (int, float, int)
    assert spec.closing_auction is True
    json.dumps(spec.to_dict())


def test_a_single_ticker_stays_text_and_a_basket_stays_a_basket():
    assert StudySpec(benchmark="^GSPC").benchmark == "^GSPC"
    assert StudySpec(benchmark=["^GSPC"]).benchmark == ("^GSPC",)
    assert StudySpec(candidates="AMD").candidates == ("AMD",)


def test_it_is_frozen_hashable_and_travels_between_processes():
    spec = StudySpec(model="mean", options={"a": [1, 2]}, robustness=["market"])
    with pytest.raises(FrozenInstanceError):
        spec.model = "market"
    same = StudySpec(model="mean", options={"a": (1, 2)}, robustness=Robustness(models=("market",)))
    assert spec == same and hash(spec) == hash(same) and spec.digest == same.digest
    copy = pickle.loads(pickle.dumps(spec))
    assert copy == spec and copy.digest == spec.digest
    assert {spec: 1}[same] == 1


def test_headline_set_says_whether_the_user_chose_the_headline():
    default = StudySpec()
    assert default.windows == DEFAULT_WINDOWS and default.headline_set is False and default.headline == (-1, 1)
    chosen = StudySpec(windows=list(DEFAULT_WINDOWS))
    assert chosen.headline_set is True and chosen.windows == default.windows
    assert chosen != default and chosen.digest != default.digest and hash(chosen) != hash(default)
    assert StudySpec.from_dict(default.to_dict()).headline_set is False
    assert StudySpec.from_dict(chosen.to_dict()).headline_set is True
    assert default.but(windows=[(0, 0)]).headline_set is True
    assert chosen.but(windows=None) == default
    assert chosen.but(level=0.1).headline_set is True and default.but(level=0.1).headline_set is False


def test_further_windows_without_a_headline_leave_it_unset():
    spec = StudySpec.from_dict({"windows": {"also": [[0, 3]]}})
    assert spec.windows == ((-1, 1), (0, 3)) and spec.headline_set is False
    assert StudySpec.from_dict({"windows": {"headline": [0, 3]}}).windows == ((0, 3),)
    assert StudySpec.from_dict(spec.to_dict(defaults=False)) == spec


def test_a_window_named_twice_is_one_window():
    assert StudySpec(windows=[(0, 1), (0, 0), (0, 1)]).windows == ((0, 1), (0, 0))


def test_returns_follow_the_frequency_unless_chosen():
    assert StudySpec(freq="5m").returns == "log"
    assert StudySpec(freq="5m", returns="simple").returns == "simple"
    assert StudySpec().but(freq="5m").returns == "log"
    assert StudySpec(freq="5m").but(freq="1d").returns == "simple"
    assert StudySpec(returns="log").but(freq="5m").but(freq="1d").returns == "simple"
    assert StudySpec(freq="5m", returns="simple").but(freq="1h").returns == "simple"
    kept = StudySpec(freq="5m", returns="simple")
    assert StudySpec.from_dict(kept.to_dict(defaults=False)) == kept


def test_clock_windows_belong_to_bars_inside_a_session():
    spec = StudySpec(freq="5m", estimation=(-60, -1), windows=["0min..120min", (0, 11)])
    assert spec.windows == ("0min..120min", (0, 11))
    assert StudySpec(freq="5m", windows=[(0, 11)]).offset_windows == ((0, 11),)
    with pytest.raises(SpecError, match="clock time"):
        _ = spec.offset_windows


def test_estimation_all_ends_at_minus_eleven():
    assert StudySpec(estimation="all").estimation_end == -11
    assert StudySpec(estimation=(-90, -12)).estimation_end == -12


def test_by_source_is_another_word_for_auto():
    assert StudySpec(calendar="by source") == StudySpec(calendar="auto")
    assert StudySpec(calendar="XHKG").calendar == "XHKG" and StudySpec(calendar="panel").calendar == "panel"


def test_but_changes_one_thing_and_names_the_nearest_field():
    spec = StudySpec(model="market")
    assert spec.but(model="mean").model == "mean" and spec.model == "market"
    assert spec.but() == spec
    with pytest.raises(UnknownName, match='"model"'):
        spec.but(modle="mean")


def test_parts_are_made_from_mappings_or_their_first_field():
    spec = StudySpec(
        robustness=("mean", "market"),
        specs={"windows": [(0, 0)], "returns": "log"},
        regression="car ~ size",
        power={"effects": [0, 0.1], "tests": ["bmp"]},
    )
    assert spec.robustness == Robustness(models=("mean", "market"))
    assert spec.specs == SpecGrid(windows=((0, 0),), returns=("log",)) and bool(spec.specs)
    assert spec.regression == Regression("car ~ size") and spec.regression.cov == "auto"
    assert spec.power == Power(effects=(0.0, 0.1), tests=("bmp",))
    assert Robustness(estimations=(-60, -11)).estimations == ((-60, -11),)
    assert Robustness(benchmarks=["^HSI", ["A", "B"]]).benchmarks == ("^HSI", ("A", "B"))


def test_options_are_equal_only_when_they_say_the_same_with_the_same_types():
    assert Options({"b": 1, "a": [1, 2]}) == Options({"a": (1, 2), "b": 1})
    assert len({Options({"a": 1}), Options({"a": 1.0}), Options({"a": True}), Options({"a": "1"})}) == 4
    assert Options({"a": np.float64(0.5)})["a"] == 0.5 and dict(Options()) == {}
    assert StudySpec(options={"a": 1}).digest != StudySpec(options={"a": 1.0}).digest


# ---------------------------------------------------------------------------------------------------- what it refuses

WRONG = [
    ({"model": 3}, SpecError, ["model: 3 given", "expected the name of a model", 'type model = "market"']),
    ({"model": "markt"}, UnknownName, ["unknown model 'markt'", 'did you mean "market"', "abnormal methods"]),
    ({"estimation": (-11, -260)}, SpecError, ["estimation: [-11, -260] given", "type estimation = [-260, -11]"]),
    ({"estimation": (-260.5, -11)}, SpecError, ["estimation: [-260.5, -11] given"]),
    ({"estimation": "most"}, SpecError, ['estimation: "most" given', 'or "all"']),
    ({"min_obs": "30"}, SpecError, ['min_obs: "30" given; expected a whole number of at least 5; type min_obs = 30']),
    ({"min_obs": 4}, SpecError, ["min_obs: 4 given", "at least 5"]),
    ({"min_obs": True}, SpecError, ["min_obs: true given"]),
    ({"min_obs": 6}, SpecError, ["min_obs: 6 given", 'model "auto" with 2 parameters needs at least 7']),
    ({"min_obs": 8, "model": "ff3"}, SpecError, ["needs at least 9", "type min_obs = 9"]),
    ({"skip_first": -1}, SpecError, ["skip_first: -1 given", "at least 0"]),
    ({"thin": "drp"}, SpecError, ['thin: "drp" given', '"drop", "lumped", "uniform", "trade_to_trade"', 'mean "drop"']),
    ({"halt": "stay"}, SpecError, ['halt: "stay" given', '"shift", "keep"']),
    ({"benchmark": []}, SpecError, ["benchmark: [] given", "leave it out for none"]),
    ({"benchmark": 700}, SpecError, ["benchmark: 700 given", "tickers"]),
    ({"benchmark": ["0700.HK", 9988]}, SpecError, ["benchmark[1]: 9988 given; expected text in quotes"]),
    ({"benchmark": ["A", "A"]}, SpecError, ['benchmark: "A" is named twice']),
    ({"benchmark": {"A"}}, SpecError, ["benchmark:", "expected a list of tickers"]),
    ({"factors": 3}, SpecError, ["factors: 3 given; expected a path in quotes"]),
    ({"windows": []}, SpecError, ["windows: [] given", "at least one window"]),
    ({"windows": (0, 1)}, SpecError, ["windows: [0, 1] given; expected a list of windows; type windows = [[0, 1]]"]),
    ({"windows": [(0, 0), (1, 0)]}, SpecError, ["windows[1]: [1, 0] given", "a <= b", "write [0, 1]"]),
    ({"windows": [(0, 1, 2)]}, SpecError, ["windows[0]: [0, 1, 2] given"]),
    ({"windows": [(0.0, 1)]}, SpecError, ["windows[0]: [0.0, 1] given"]),
    ({"windows": ["0min..120min"]}, SpecError, ["windows:", "daily bars do not have", 'freq = "5m"']),
    ({"windows": ["120min"], "freq": "5m"}, SpecError, ['windows[0]: "120min" given', "0min..120min"]),
    ({"windows": ["9min..3min"], "freq": "5m"}, SpecError, ['windows[0]: "9min..3min" given']),
    ({"headline_set": 1}, SpecError, ["headline_set: 1 given; expected true or false"]),
    ({"headline_set": False, "windows": [(0, 0)]}, SpecError, ["headline_set: False given with (0, 0) first"]),
    ({"returns": "logs"}, SpecError, ['returns: "logs" given', 'did you mean "log"']),
    ({"currency": "usd"}, SpecError, ['currency: "usd" given', 'did you mean "USD"']),
    ({"calendar": "panl"}, SpecError, ['calendar: "panl" given', "MIC", 'did you mean "panel"']),
    ({"freq": "1D"}, SpecError, ['freq: "1D" given', 'did you mean "1d"']),
    ({"tests": []}, SpecError, ["tests: [] given"]),
    ({"tests": ["bmp", "pattel"]}, UnknownName, ["unknown test 'pattel'", 'did you mean "patell"']),
    ({"tests": ["patell:patel_sum"]}, UnknownName, ["variant of test patell", 'did you mean "patell_sum"']),
    ({"tests": ["patell:"]}, UnknownName, ["variant of test patell", "full, patell_sum"]),
    ({"tests": ["bmp:full"]}, UnknownName, ["bmp has no variants"]),
    ({"level": 1}, SpecError, ["level: 1 given; expected a number between 0 and 1; type level = 0.05"]),
    ({"level": 0}, SpecError, ["level: 0 given"]),
    ({"level": float("nan")}, SpecError, ["level: NaN given"]),
    ({"level": "5%"}, SpecError, ['level: "5%" given']),
    ({"alternative": "two sided"}, SpecError, ['did you mean "two-sided"']),
    ({"seed": -1}, SpecError, ["seed: -1 given"]),
    ({"draws": 0}, SpecError, ["draws: 0 given"]),
    ({"compat": "wrd"}, UnknownName, ["unknown compat 'wrd'", 'did you mean "wrds"', "estudy2"]),
    ({"selected_on_outcome": "yes"}, SpecError, ['selected_on_outcome: "yes" given; expected true or false']),
    ({"candidates": [""]}, SpecError, ['candidates[0]: "" given']),
    ({"selected_sessions": 0}, SpecError, ["selected_sessions: 0 given", "at least 1"]),
    ({"confounders": "dropp"}, SpecError, ['confounders: "dropp" given', 'did you mean "drop"']),
    ({"statuses": ["verifed"]}, SpecError, ['statuses[0]: "verifed" given', 'did you mean "verified"']),
    ({"exclude": 5}, SpecError, ["exclude: 5 given; expected a list of event ids"]),
    ({"align": "sign"}, SpecError, ['align: "sign" given', '"expected_sign"']),
    ({"options": 3}, SpecError, ["options: 3 given", "a table of options"]),
    ({"options": {"a b": 1}}, SpecError, ['options: "a b" given as a name']),
    ({"options": {"a": float("inf")}}, SpecError, ["options.a:", "a finite number"]),
    ({"options": {"a": [[1]]}}, SpecError, ["options.a: [1] given"]),
    ({"options": {"a": None}}, SpecError, ["options.a: null given"]),
    ({"robustness": ["mean", "meen"]}, UnknownName, ["unknown model 'meen'", 'did you mean "mean"']),
    ({"robustness": {"modls": []}}, UnknownName, ["'robustness.modls'", "robustness.models"]),
    ({"robustness": {"estimations": [(-60, -11), (1, 0)]}}, SpecError, ["robustness.estimations[1]: [1, 0] given"]),
    ({"specs": {"returns": ["logs"]}}, SpecError, ['specs.returns[0]: "logs" given']),
    ({"regression": {"window": (0, 1)}}, SpecError, ["regression.formula: null given; expected a formula in quotes"]),
    ({"regression": {"formula": "car ~ x", "cov": "HC9"}}, SpecError, ['regression.cov: "HC9" given', '"HC3"']),
    ({"power": {"effects": []}}, SpecError, ["power.effects: [] given"]),
    ({"power": {"effects": [2.0, "x"]}}, SpecError, ['power.effects[1]: "x" given']),
    ({"power": {"draws": 0}}, SpecError, ["power.draws: 0 given"]),
]


@pytest.mark.parametrize(("values", "kind", "said"), WRONG, ids=[json.dumps(w[0], default=str) for w in WRONG])
def test_a_wrong_value_says_what_was_given_what_is_expected_and_what_to_type(values, kind, said):
    with pytest.raises(kind) as caught:
        StudySpec(**values)
    for part in said:
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_wrong_fields_are_said_at_once():
    with pytest.raises(SpecError) as caught:
        StudySpec(thin="drp", model="markt", level=2)
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 things are wrong:"
    assert [line.split(":")[0] for line in lines[1:]] == ["  - unknown model 'markt' (did you mean \"market\"?). "
        "`abnormal methods` lists them all", "  - thin", "  - level"]  # fmt: skip


OVERLAPS = [
    ({"estimation": (-60, -6)}, "estimation: ", "[-60, -6]", "[-10, 10] of windows", "end it at -11 or earlier"),
    ({"estimation": (-60, -11), "windows": [(0, 0), (-11, 1)]}, "estimation: ", "[-60, -11]", "[-11, 1]", "-12"),
    ({"estimation": "all", "windows": [(-20, 20)]}, "estimation: ", '"all" ends at -11', "[-20, 20]", "-21"),
    ({"robustness": {"estimations": [(-60, -1)]}}, "robustness.estimations: ", "[-60, -1]", "[-10, 10]", "-11"),
    ({"specs": {"windows": [(-30, 0)]}}, "estimation: ", "[-260, -11]", "[-30, 0] of specs.windows", "-31"),
    ({"regression": Regression("car ~ x", (-15, 0))}, "estimation: ", "[-260, -11]", "regression.window", "-16"),
    ({"specs": {"estimations": [(-60, -2)]}, "windows": [(-1, 1)], "regression": Regression("car ~ x", (-2, 1))},
     "specs.estimations: ", "[-60, -2]", "[-2, 1] of regression.window", "-3"),
    ({"freq": "5m", "estimation": (-60, 0)}, "estimation: ", "[-60, 0]", "the event's session", "-1 or earlier"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "start", "estimation", "window", "remedy"), OVERLAPS)
def test_estimation_must_end_before_every_window_begins(values, start, estimation, window, remedy):
    with pytest.raises(SpecError) as caught:
        StudySpec(**values)
    said = str(caught.value)
    assert said.startswith(start) and estimation in said and window in said and remedy in said


def test_estimation_may_end_on_the_session_before_the_first_window():
    assert StudySpec(estimation=(-90, -11), windows=[(-10, -1), (0, 0)]).estimation_end == -11
    with pytest.raises(SpecError):
        StudySpec(estimation=(-90, -10), windows=[(-10, -1), (0, 0)])


def test_an_estimation_window_must_be_able_to_hold_min_obs():
    with pytest.raises(SpecError, match="has 20 sessions, fewer than min_obs = 30; begin at -40 or earlier"):
        StudySpec(estimation=(-30, -11))
    assert StudySpec(estimation=(-40, -11)).min_obs == 30
    assert StudySpec(estimation=(-30, -11), min_obs=20).min_obs == 20
    assert StudySpec(estimation=(-5, -1), freq="5m").estimation == (-5, -1)


@pytest.mark.parametrize(("model", "floor"), [("market_adjusted", 5), ("mean", 6), ("market", 7), ("ff3", 9)])
def test_min_obs_goes_down_to_the_algebraic_floor(model, floor):
    assert StudySpec(model=model, min_obs=floor).min_obs == floor
    with pytest.raises(SpecError, match="min_obs"):
        StudySpec(model=model, min_obs=floor - 1)


def test_names_are_taken_on_trust_while_no_method_is_registered(monkeypatch):
    monkeypatch.setattr(registry, "MODELS", registry.Registry("model"))
    monkeypatch.setattr(registry, "TESTS", registry.Registry("test"))
    assert StudySpec(model="whatever", tests=["t:v"]).tests == ("t:v",)


# ------------------------------------------------------------------------------------------- dictionaries and digests


def test_sections_are_those_of_a_study_file():
    spec = StudySpec(
        model="market", benchmark="^GSPC", windows=[(0, 0), (0, 1)], align="expected_sign", options={"q": 1}
    )
    assert spec.to_dict(defaults=False) == {
        "model": {"name": "market", "options": {"q": 1}},
        "benchmark": {"tickers": "^GSPC"},
        "windows": {"headline": [0, 0], "also": [[0, 1]]},
        "events": {"align": "expected_sign"},
    }
    assert StudySpec().to_dict(defaults=False) == {}
    assert StudySpec().to_dict()["confounders"] == {
        "treatment": "flag",
        "statuses": ["verified", "quoted"],
        "exclude": [],
    }


def test_an_unknown_key_of_a_dictionary_names_the_nearest():
    with pytest.raises(UnknownName, match=r'"model\.name"'):
        StudySpec.from_dict({"model": {"nmae": "mean"}})
    with pytest.raises(SpecError, match="model: 3 given; expected a section of keys"):
        StudySpec.from_dict({"model": 3})


def test_every_field_is_documented_and_has_a_key_of_its_own():
    doc = StudySpec.__doc__ or ""
    parameters = doc[: doc.index("Raises")]
    for f in fields(StudySpec):
        assert re.search(rf"^    {f.name} : ", parameters, re.MULTILINE), f.name
        assert f.metadata["clean"] is not None
    covered = {name.partition(".")[0] for name in FIELD_OF.values()}
    assert covered == {f.name for f in fields(StudySpec)} - {"headline_set"}
    assert len(set(FIELD_OF)) == len(FIELD_OF)


tickers = st.text("ABC0^.é漢", min_size=1, max_size=4).filter(lambda t: t.strip())
some_tickers = st.lists(tickers, max_size=3, unique=True).map(tuple)
baskets = st.none() | tickers | st.lists(tickers, min_size=1, max_size=3, unique=True).map(tuple)
some_windows = st.lists(
    st.tuples(st.integers(-10, 5), st.integers(5, 20)), min_size=1, max_size=3, unique=True
).map(tuple)  # fmt: skip
estimations = st.tuples(st.integers(-300, -100), st.integers(-40, -11)) | st.just("all")
plain = (
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aé'\"\n\\", max_size=4)
)
option_tables = st.dictionaries(
    st.sampled_from(["sigma", "leads", "donors"]), plain | st.lists(plain, max_size=3).map(tuple), max_size=2
)
models = st.sampled_from(MODELS)


@st.composite
def specs(draw):
    optional = {
        "model": models,
        "options": option_tables,
        "estimation": estimations,
        "min_obs": st.integers(10, 60),
        "thin": st.sampled_from(["drop", "lumped", "uniform", "trade_to_trade"]),
        "benchmark": baskets,
        "factors": st.none() | st.just("ff.csv"),
        "windows": some_windows,
        "returns": st.sampled_from(["simple", "log"]),
        "freq": st.sampled_from(["1d", "5m"]),
        "tests": st.just("default") | st.just(("bmp", "patell:patell_sum")),
        "level": st.floats(0.001, 0.999),
        "seed": st.integers(0, 2**40),
        "compat": st.none() | st.just("wrds"),
        "selected_on_outcome": st.booleans(),
        "candidates": some_tickers,
        "exclude": some_tickers,
        "align": st.none() | st.just("expected_sign"),
        "robustness": st.builds(
            dict, models=st.lists(models, unique=True), estimations=st.lists(estimations, unique=True, max_size=2)
        ),
        "specs": st.builds(dict, windows=some_windows, benchmarks=st.lists(tickers, unique=True, max_size=2)),
        "regression": st.none() | st.builds(Regression, st.just("car ~ x"), st.none() | st.just((0, 1))),
        "power": st.builds(
            dict, effects=st.lists(st.floats(-1, 1), min_size=1, max_size=2, unique_by=lambda x: x + 0.0)
        ),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional)), max_size=8))
    return StudySpec(**{name: draw(optional[name]) for name in sorted(chosen)})


@settings(max_examples=120, deadline=None)
@given(specs())
def test_any_spec_survives_its_dictionaries_its_repr_and_json(spec):
    for defaults in (True, False):
        said = json.loads(json.dumps(spec.to_dict(defaults)))
        again = StudySpec.from_dict(said)
        assert again == spec and hash(again) == hash(spec) and again.digest == spec.digest
    assert eval(repr(spec), vars(spec_module)) == spec
    backwards = {f.name: getattr(spec, f.name) for f in reversed(fields(spec))}
    assert StudySpec(**backwards).digest == spec.digest


@settings(max_examples=60, deadline=None)
@given(specs(), specs())
def test_digests_are_equal_exactly_when_specs_are(one, other):
    assert (one == other) == (one.digest == other.digest)


def test_the_digest_is_the_same_in_every_process():
    code = (
        "from abnormal.spec import StudySpec\n"
        "s = StudySpec(benchmark=['A', '漢'], options={'b': 0.1, 'a': [1, True]}, level=0.1, exclude=['x'])\n"
        "print(s.digest, s.short_digest)"
    )
    said = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        said.add(run.stdout.strip())
    here = StudySpec(exclude=["x"], level=0.1, options={"a": (1, True), "b": 0.1}, benchmark=("A", "漢"))
    assert said == {f"{here.digest} {here.short_digest}"}
    assert re.fullmatch("[0-9a-f]{64}", here.digest) and here.digest.startswith(here.short_digest)


# -------------------------------------------------------------------------------------------------------------- presets


@pytest.mark.parametrize(
    ("name", "sessions", "gap", "window"),
    [
        ("brown_warner_1985", 239, 0, (-5, 5)),
        ("mackinlay_1997", 250, 0, (-20, 20)),
        ("wrds", 110, 5, (-1, 1)),
        ("eventstudy2", 250, 0, (-20, 20)),
        ("csestudy", 200, 0, (0, 0)),
    ],
)
def test_presets_have_the_published_lengths_and_gaps(name, sessions, gap, window):
    spec = presets(name)
    first, last = spec.estimation
    assert last - first + 1 == sessions
    assert spec.headline == window and spec.headline_set
    assert window[0] - last - 1 == gap
    assert spec.model == "market" and spec.compat is None


def test_brown_warner_reaches_from_244_to_6_before_the_event():
    assert presets("brown_warner_1985").estimation == (-244, -6)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UnknownName, match='did you mean "wrds"'):
        presets("wrdz")


@pytest.mark.parametrize("module", [spec_module, clean], ids=["spec", "clean"])
def test_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0
