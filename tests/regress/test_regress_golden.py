"""The golden folders of the regressions: same numbers, and numbers copied faithfully from the public file."""

import json

import numpy as np
import pytest

import build
from abnormal.regress.cross_section import regress_case
from abnormal.regress.dummies import event_dummies, window_dummy


def read(name):
    return json.loads((build.GOLDEN / name / "case.json").read_text())


def public_value(key):
    value = build.public()
    for part in key.split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def expectations(node):
    """Every {key, value} below a node."""
    if isinstance(node, dict):
        if "key" in node and "value" in node:
            yield node
        for inside in node.values():
            yield from expectations(inside)
    elif isinstance(node, list):
        for inside in node:
            yield from expectations(inside)


@pytest.mark.parametrize("name", ["calendar_time", "regress_cross_section", "regress_event_dummies"])
def test_copies_are_faithful(name):
    found = list(expectations(read(name)))
    assert found
    for e in found:
        assert e["value"] == public_value(e["key"])


CROSS = read("regress_cross_section")


@pytest.mark.parametrize("case", CROSS["cases"], ids=lambda c: c["cov"])
def test_cross_section(six, case):
    got = regress_case(six, "car ~ size", cov=case["cov"], cluster="industry" if "clusters" in case else None)
    for name, expected in case["expect"].items():
        field, _, part = name.partition(".")
        value = got.facts[part] if field == "facts" else getattr(got, field)
        value = value[int(part)] if part and field != "facts" else value
        assert value == pytest.approx(expected["value"], rel=CROSS["tolerance"], abs=1e-14), name


def test_dummies(six):
    golden = read("regress_event_dummies")
    expect, tolerance = golden["expect"], golden["tolerance"]
    found = event_dummies(six)
    firm, car, one = found["F0"], found.cars.iloc[0], window_dummy(six).iloc[0]
    got = {
        "gamma": firm.gamma, "se": np.sqrt(np.diag(firm.v)), "car": car["car"], "car_se": car["se"],
        "F": firm.wald().statistic, "p_F": firm.wald().p, "window_dummy": one["gamma"], "window_dummy_se": one["se"],
    }  # fmt: skip
    for name, expected in expect.items():
        assert got[name] == pytest.approx(expected["value"], rel=tolerance), name
