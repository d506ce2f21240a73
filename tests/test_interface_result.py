"""A saved result read back says, shows and saves the same as the one that was computed."""

import json

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.errors import RequestError
from abnormal.result import FRAMES

DAYS = pd.bdate_range("2024-01-02", periods=200)


def made_up(seed=5):
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_normal(DAYS.size)
    shares = {t: market + 0.02 * rng.standard_normal(DAYS.size) for t in ("AAA", "BBB", "CCC")}
    return ab.Returns(pd.DataFrame({**shares, "MKT": market}, index=DAYS))


SPEC = ab.StudySpec(model="market", benchmark="MKT", estimation=(-110, -11), windows=[(0, 0), (-1, 1)], draws=99)
STUDIES = {
    "one pair": pd.DataFrame({"ticker": ["AAA"], "date": [DAYS[150]]}),
    "one date": pd.DataFrame({"ticker": ["AAA", "BBB", "CCC"], "date": [DAYS[150]] * 3}),
    "many dates": pd.DataFrame({"ticker": ["AAA", "BBB", "CCC", "AAA"], "date": DAYS[[130, 140, 150, 160]]}),
    "nothing left": pd.DataFrame({"ticker": ["AAA"], "date": [DAYS[20]]}),
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_loaded_result_is_the_saved_one(name, tmp_path):
    study = ab.run(STUDIES[name], made_up(), SPEC, catalogue=False)
    study.save(tmp_path / "once", figures=False)
    loaded = ab.load_result(tmp_path / "once")
    assert repr(loaded).splitlines()[-1] == repr(study).splitlines()[-1]
    for frame in FRAMES:
        ours, theirs = getattr(study, frame), getattr(loaded, frame)
        assert list(map(str, theirs.columns)) == list(map(str, ours.columns)), frame
        if len(ours):
            pd.testing.assert_frame_equal(theirs, ours, check_dtype=True)
    assert set(loaded.verdict.votes) == set(study.verdict.votes)
    for test, vote in study.verdict.votes.items():
        again = loaded.verdict.votes[test]
        assert (again.test, again.sign, again.counts, again.agrees, again.reason) == (
            vote.test, vote.sign, vote.counts, vote.agrees, vote.reason,
        )  # fmt: skip
        assert again.p == vote.p or np.isnan([again.p, vote.p]).all()
    assert loaded.verdict.interval == study.verdict.interval or name == "nothing left"
    loaded.save(tmp_path / "twice", figures=False)
    first, second = (json.loads((tmp_path / f / "result.json").read_text("utf-8")) for f in ("once", "twice"))
    assert {k: v for k, v in first.items() if k != "columns"} == {k: v for k, v in second.items() if k != "columns"}


def test_an_interval_without_end_comes_back_without_end(tmp_path):
    short = SPEC.but(estimation=(-35, -11), min_obs=20, model="mean", level=0.01, windows=[(0, 0)])
    study = ab.run(STUDIES["one pair"], made_up(), short, catalogue=False)
    assert study.verdict.interval == (-np.inf, np.inf)
    assert json.loads(study.to_json())["verdict"]["interval"] == [None, None]
    study.save(tmp_path, figures=False)
    assert ab.load_result(tmp_path).verdict.interval == (-np.inf, np.inf)


def test_json_document_begins_with_its_version_and_matches_the_frames():
    study = ab.run(STUDIES["one date"], made_up(), SPEC, catalogue=False)
    told = json.loads(study.to_json())
    assert next(iter(told)) == "schema_version"
    for frame in FRAMES:
        ours = getattr(study, frame)
        assert list(told["columns"][frame]) == [str(c) for c in ours.columns]
        for row, (_, mine) in zip(told[frame], ours.iterrows(), strict=True):
            assert list(row) == list(ours.columns)
            for column, value in row.items():
                if isinstance(mine[column], float):
                    assert value == mine[column] if np.isfinite(mine[column]) else value is None
    assert told["car"][0]["placebo_first"] is None or told["car"][0]["placebo_first"][:4] == "2024"


def test_a_folder_without_a_result_is_told_what_was_expected(tmp_path):
    with pytest.raises(RequestError, match=r"expected result\.json"):
        ab.load_result(tmp_path / "nothing")
