"""A declared regression makes the slope the headline: sefcik_thompson on one date, HC3 on many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from test_study_golden import DATES

FIRMS = [f"F{i:02d}" for i in range(12)]


def world(slope: float, one_date: bool, seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    days = DATES[:500]
    market = 0.01 * rng.standard_normal(days.size)
    exposure = np.linspace(-1, 1, len(FIRMS))
    where = np.full(len(FIRMS), 300) if one_date else 200 + 20 * np.arange(len(FIRMS))
    ret = market[:, None] + 0.015 * rng.standard_normal((days.size, len(FIRMS)))
    ret[where, np.arange(len(FIRMS))] += slope * exposure
    frame = pd.DataFrame(ret, index=days, columns=FIRMS).assign(M=market)
    events = pd.DataFrame(
        {"event_id": "e" if one_date else [f"e{i:02d}" for i in range(len(FIRMS))], "ticker": FIRMS,
         "date": [days[p].date().isoformat() for p in where], "exposure": exposure}
    )  # fmt: skip
    return frame, events


def run(slope: float, one_date: bool) -> ab.StudyResult:
    frame, events = world(slope, one_date)
    spec = ab.StudySpec(
        model="market", benchmark="M", estimation=(-150, -11), windows=[(0, 0)], draws=199,
        regression={"formula": "car ~ exposure"},
    )  # fmt: skip
    return ab.run(events, ab.Returns(frame), spec, catalogue=False)


@pytest.mark.parametrize(("one_date", "headline"), [(True, "sefcik_thompson"), (False, "HC3")])
def test_the_slope_is_the_headline(one_date: bool, headline: str) -> None:
    result = run(0.08, one_date)
    assert (result.verdict.row, result.verdict.headline) == ("characteristics", headline)
    fit = result.regress("car ~ exposure", cov=headline)
    assert result.verdict.p == pytest.approx(fit.pvalues["exposure"])
    assert result.verdict.estimate == pytest.approx(fit.params["exposure"]) == pytest.approx(0.08, abs=0.03)
    assert result.verdict.label == "effect detected"
    assert result.verdict.sentence.startswith("A share per unit of exposure moved +")


def test_no_slope_is_noise() -> None:
    result = run(0.0, True)
    assert result.verdict.label == "not distinguishable from noise"
    assert np.isfinite(result.verdict.mde)


def test_two_pairs_have_no_slope_and_say_so() -> None:
    frame, events = world(0.05, True)
    spec = ab.StudySpec(
        model="market",
        benchmark="M",
        estimation=(-150, -11),
        windows=[(0, 0)],
        regression={"formula": "car ~ exposure"},
    )
    result = ab.run(events.iloc[:2], ab.Returns(frame), spec, catalogue=False)
    assert result.verdict.label == "cannot say"
    assert result.verdict.reasons[0]
