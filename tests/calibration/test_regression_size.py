"""True size of the regression's standard errors on one date: what is kept, and that a rerun gives it again."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import regression_size as size

KEPT = json.loads((size.RESULTS / "regression_size.json").read_text())


@pytest.mark.parametrize("design", list(size.DESIGNS))
@pytest.mark.parametrize("cov", ["sefcik_thompson", "tsols"])
def test_the_common_date_forms_keep_their_level(design, cov):
    for term in ("intercept", "slope"):
        assert KEPT["rates"][design][cov][term] == pytest.approx(0.05, abs=0.03), term


@pytest.mark.parametrize("design", list(size.DESIGNS))
@pytest.mark.parametrize("cov", size.PLAIN)
def test_plain_forms_fail(design, cov):
    rates = KEPT["rates"][design][cov]
    assert rates["intercept"] > 0.10
    if "r=.3" in design:
        assert rates["slope"] > 0.10


def test_the_kept_file_says_how_it_was_made():
    assert KEPT["command"].startswith("python tests/calibration/regression_size.py --reps 600")
    assert set(KEPT["rates"]) == set(size.DESIGNS)


def test_designs_have_the_correlation_they_name():
    for design in size.DESIGNS.values():
        lam = size.loadings(design)
        off = (lam.sum() ** 2 - (lam**2).sum()) / (design.n * (design.n - 1))
        assert off == pytest.approx(design.rho, abs=0.02)


@pytest.mark.calibration
def test_rerun():
    got = size.rates(size.DESIGNS["r=.3"], 60, 3)
    assert got["sefcik_thompson"]["slope"] < 0.15 < got["HC3"]["slope"] + 0.1
