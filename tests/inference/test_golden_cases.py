"""Every golden folder of a test over many pairs: same numbers, and numbers copied faithfully."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import build
from abnormal.registry import TESTS

OWN = ("patell bmp kolari_pynnonen crude_dependence portfolio signs corrado grank wilcoxon skewness variance_tests "
       "resampling jackknife mvrm multiple toy_median_sign").split()  # fmt: skip
MINE = [t.name for t in TESTS if t.function.__module__.rsplit(".", 1)[-1] in OWN]
STUDIES = {
    "clustered": build.clustered,
    "clustered, firms 0 to 5": lambda: build.clustered(firms=build.COMPLETE),
    "clustered, mean model": lambda: build.clustered("mean"),
    "clustered, three factors": lambda: build.clustered("ff3"),
    "clustered, firms 0 to 5, market_zero_alpha": lambda: build.clustered("market_zero_alpha", build.COMPLETE),
    "dispersed": build.dispersed,
    "dispersed, first 4": lambda: build.dispersed(4),
    "ladder": build.ladder,
}


def read(name: str) -> dict:
    return json.loads((build.GOLDEN / name / "case.json").read_text())


def cases() -> list:
    folders = [Path(build.GOLDEN / name) for name in MINE]
    return [
        pytest.param(read(f.name), case, id=f"{f.name}-{i}")
        for f in folders
        if f.exists()
        for i, case in enumerate(read(f.name)["cases"])
    ]


def public_value(key: str):
    value = build.public()
    for part in key.split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def field(result, name: str):
    return result.extra[name[6:]] if name.startswith("extra.") else getattr(result, name)


def answer(test: str, case: dict) -> dict:
    study = STUDIES[case["data"]]()
    window = tuple(case["window"])
    if "via" in case:
        return {"se": block_bootstrap_se(study, window, case)}
    result = study.run(test, window, case["variant"], **case.get("options", {}))
    assert result.status == "ok", result.reason
    return {name: field(result, name) for name in case["expect"]}


def block_bootstrap_se(study, window, case) -> float:
    from abnormal.inference.crude_dependence import average_residuals

    module, name = case["via"].rsplit(".", 1)
    means = getattr(importlib.import_module(module), name)
    series = average_residuals(study.ar, window)
    return means(series, case["length"], case["draws"], np.random.default_rng(case["seed"])).std(ddof=1)


@pytest.mark.parametrize("golden, case", cases())
def test_value(golden, case):
    got = answer(golden["test"], case)
    for name, expected in case["expect"].items():
        if "key" in expected:
            assert expected["value"] == public_value(expected["key"]), "the copy differs from the public file"
        if isinstance(expected["value"], str):
            assert got[name] == expected["value"]
        else:
            np.testing.assert_allclose(got[name], expected["value"], rtol=0, atol=golden["tolerance"], err_msg=name)


@pytest.mark.parametrize("name", MINE)
def test_every_method_has_a_case_with_its_source(name):
    golden = read(name)
    assert golden["test"] == name
    assert golden["kind"] in ("golden_public", "external", "by hand")
    assert golden["source"] and golden["why_tolerance"] and golden["tolerance"] <= 1e-10
    assert golden["cases"] and all(case["expect"] for case in golden["cases"])


@pytest.mark.parametrize("name", MINE)
def test_registration_says_what_the_method_is(name):
    method = TESTS.get(name)
    assert method.reference.startswith("doi:10.")
    assert method.scope in ("cross", "date", "adjust") and method.min_pairs >= 2
    assert method.formula and method.others and method.check and method.variants
    assert method.summary.endswith((".", "?", ".)"))
    assert len(method.doc.splitlines()) > 1
