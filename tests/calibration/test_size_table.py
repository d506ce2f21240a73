"""The size table of METHODS.md 7.3: the kept file agrees with the printed figures, and a rerun agrees with both."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import size_table as table

KEPT = json.loads((table.RESULTS / "size_table.json").read_text())


@pytest.mark.parametrize("test", list(table.PRINTED))
def test_kept_result_agrees_with_the_printed_table(test: str) -> None:
    for k, name in enumerate(table.DESIGNS):
        printed = table.PRINTED[test][k]
        assert KEPT["rates"][name][test] == pytest.approx(printed, abs=table.tolerance(printed, KEPT["reps"])), name


def test_kept_result_says_how_it_was_made() -> None:
    assert KEPT["command"].startswith("python tests/calibration/size_table.py --reps 4000")


@pytest.mark.calibration
@pytest.mark.parametrize("name", list(table.DESIGNS))
def test_rerun(name: str) -> None:
    k = list(table.DESIGNS).index(name)
    got = table.rates(table.DESIGNS[name], 4000, KEPT["seed"] + k)
    assert got == pytest.approx(KEPT["rates"][name], abs=1e-12)
