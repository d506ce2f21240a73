"""Two results side by side: what changed, and why."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.errors import RequestError


def prices(bump: float = 0.0, sessions: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    days = pd.bdate_range("2025-01-02", periods=sessions)
    market = rng.normal(0, 0.01, sessions)
    frame = pd.DataFrame({"MKT": 100 * np.cumprod(1 + market)}, index=days)
    for name in ("AAA", "BBB"):
        moves = market + rng.normal(0, 0.02, sessions)
        moves[150] += bump
        frame[name] = 50 * np.cumprod(1 + moves)
    return frame.rename_axis("date")


SPEC = ab.StudySpec(model="market", benchmark="MKT", estimation=(-120, -11), windows=[(0, 0), (0, 1)], tests=["t_car"])


def study(events=("AAA",), spec: ab.StudySpec = SPEC, bump: float = 0.0) -> ab.StudyResult:
    day = str(prices().index[150].date())
    table = pd.DataFrame({"ticker": list(events), "date": day, "event_id": [f"news-{t}" for t in events]})
    return ab.run(table, prices(bump), spec, catalogue=False)


@pytest.fixture(scope="module")
def base():
    return study()


def test_a_result_is_the_same_as_itself(base):
    found = ab.compare(base, base)
    assert found.same and found.why == () and found.sentence == "The same numbers."
    assert (found.pairs["difference"] == 0).all() and len(found.pairs) == 2


def test_a_changed_model_is_named_and_every_car_set_side_by_side(base):
    other = study(spec=SPEC.but(model="mean"))
    found = ab.compare(base, other)
    assert not found.same
    assert [d.sentence for d in found.why if d.where == "spec"] == ["model.name: market -> mean"]
    np.testing.assert_allclose(found.to_frame()["left"], base.car["car"])
    np.testing.assert_allclose(found.to_frame()["right"], other.car["car"])
    np.testing.assert_allclose(found.pairs["difference"], other.car["car"].to_numpy() - base.car["car"].to_numpy())
    assert "model.name: market -> mean" in found.sentence


def test_other_prices_are_a_difference_of_data(base):
    found = ab.compare(base, study(bump=0.05))
    assert [(d.where, d.what) for d in found.why] == [("data", "bars of AAA")]
    moved = found.numbers.set_index("what").loc["estimate", "difference"]
    assert moved == pytest.approx(0.05, abs=0.005)


def test_an_added_pair_leaves_the_common_cars_alone(base):
    found = ab.compare(base, study(("AAA", "BBB")))
    assert not found.changed and not found.same
    assert [d.sentence for d in found.why if d.where == "events"] == ["BBB at news-BBB: only in the second (studied)"]
    assert found.sentence.startswith("Every CAR both have is the same. Estimate ")


def test_versions_and_exclusions_are_differences(base):
    older = dict(base.manifest) | {"versions": dict(base.manifest["versions"]) | {"numpy": "1.26.4"}}
    left_out = pd.DataFrame([("prices", "CCC at x", "no price", "", "x", "CCC")], columns=list(base.excluded.columns))
    other = dataclasses.replace(base, manifest=older, excluded=left_out)
    found = ab.compare(other, base)
    assert [d.where for d in found.why] == ["versions", "exclusions"]
    assert found.why[0].sentence == f"numpy: 1.26.4 -> {base.manifest['versions']['numpy']}"
    assert found.same  # an exclusion that is only on one side did not move a number


def test_a_change_without_a_known_cause_says_so(base):
    moved = dataclasses.replace(base, verdict=dataclasses.replace(base.verdict, estimate=base.verdict.estimate + 0.01))
    assert "look at the catalogue and the platform" in ab.compare(base, moved).sentence


def test_nothing_in_common(base):
    day = str(prices().index[160].date())
    other = ab.run(pd.DataFrame({"ticker": ["BBB"], "date": [day]}), prices(), SPEC, catalogue=False)
    assert ab.compare(base, other).sentence.startswith("No pair and window in common; estimate ")


def test_it_prints_itself_in_text_html_and_json(base):
    found = ab.compare(base, study(spec=SPEC.but(model="mean")))
    text = repr(found)
    assert "model.name  market" in text and "CAR of" in text and all(len(line) <= 100 for line in text.splitlines())
    assert found._repr_html_().startswith('<div class="abnormal-comparison"><p><strong>Estimate')
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert next(iter(told)) == "schema_version"
    assert told["why"] == [{"where": "spec", "what": "model.name", "left": "market", "right": "mean"}]


def test_saved_results_are_compared_by_their_folders(base, tmp_path):
    folder = base.save(tmp_path / "one", figures=False)
    assert ab.compare(folder, base).same
    with pytest.raises(RequestError, match="no result in"):
        ab.compare(tmp_path / "nowhere", base)
    with pytest.raises(RequestError, match="int given; expected a StudyResult"):
        ab.compare(base, 3)
