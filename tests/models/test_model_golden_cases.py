"""Every daily model against the values kept in tests/golden/model_<id>/case.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from model_cases import EVENT_COLUMNS, SPAN, car_and_se, coefficient, golden_sample, run
from test_models_conformance import DAILY

FOLDER = Path(__file__).parents[1] / "golden"


def load(model: str) -> dict:
    return json.loads((FOLDER / f"model_{model}" / "case.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("model", DAILY)
def test_golden_case(model: str) -> None:
    case = load(model)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in case["input"]["options"].items()}
    ar = run(model, golden_sample(case["input"]), **options)
    assert ar.reason == ("",)
    car, se = car_and_se(ar, SPAN)
    window = ar.ar[0, EVENT_COLUMNS]
    day_se = [car_and_se(ar, (t, t))[1][0] for t in range(-1, 4)]
    own = {
        "sigma": ar.sigma[0],
        "df": ar.df[0],
        "m": ar.m[0],
        "car": car[0],
        "car_se": se[0],
        "ar": window,
        "ar_se": day_se,
    }
    for name, want in case["expected"].items():
        got = own[name] if name in own else coefficient(ar, name)[0]
        want = np.array(want, float)
        np.testing.assert_allclose(
            got, want, rtol=case["tolerance"], atol=min(case["tolerance"], 1e-6), err_msg=f"{model}: {name}"
        )


@pytest.mark.parametrize("model", DAILY)
def test_golden_case_says_where_it_comes_from(model: str) -> None:
    case = load(model)
    assert case["method"] == model and case["evidence"] in ("external", "by hand", "snapshot")
    assert case["source"] and case["tolerance_reason"] and case["tolerance"] <= 1e-4
    assert {"car", "car_se", "sigma", "ar"} <= case["expected"].keys()
    assert (FOLDER.parents[1] / case["script"]).is_file()
