"""The same study with one thing changed: which alternatives are shown, and that they are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from worlds import DATES, SPEC

ONE = SPEC.but(estimation=(-120, -11), windows=[(0, 1)])


def row(result: ab.StudyResult, what: str) -> pd.Series:
    return result.robustness.set_index("what").loc[what]


def whats(result: ab.StudyResult) -> list[str]:
    return list(result.robustness.what)


def test_every_row_is_the_study_with_that_change() -> None:
    ret, market = worlds.returns(3, 1, rho=0.3)
    spec = ONE.but(robustness={"models": ["huber"], "estimations": [[-80, -11]], "benchmarks": ["F02"]})
    result = worlds.run(ret, market, [300], spec)
    assert whats(result) == [
        "as specified", "model:market_adjusted", "model:huber", "estimation:(-80, -11)", "benchmark:F02", "model:mean",
        "contaminated estimation days removed",
    ]  # fmt: skip
    for what, other in {
        "model:huber": worlds.run(ret, market, [300], ONE.but(model="huber")),
        "estimation:(-80, -11)": worlds.run(ret, market, [300], ONE.but(estimation=(-80, -11))),
        "benchmark:F02": worlds.run(ret, ret[2], [300], ONE),
        "model:mean": worlds.run(ret, market, [300], ONE.but(model="mean")),
    }.items():
        assert row(result, what).car == pytest.approx(other.car.car[0], abs=1e-14), what
        assert row(result, what).p == pytest.approx(other.verdict.p, abs=1e-14), what


@pytest.mark.parametrize(
    ("model", "second"),
    [("market", "market_adjusted"), ("market_adjusted", "market"), ("capm", "market"), ("mean", "market_adjusted"),
     ("market_zero_alpha", "market_adjusted"), ("huber", "market_adjusted")],
)  # fmt: skip
def test_the_second_model(model: str, second: str) -> None:
    ret, market = worlds.returns(1, 1)
    result = worlds.run(ret, market, [300], ONE.but(model=model))
    assert f"model:{second}" in whats(result) and "second_model" in result.verdict.votes


def test_without_a_benchmark_there_is_no_second_model() -> None:
    ret, _ = worlds.returns(1, 1)
    result = ab.run(worlds.events([300]), ab.Returns(worlds.frame(ret)), ONE.but(model="mean"), catalogue=False)
    assert whats(result) == ["as specified", "contaminated estimation days removed"]
    assert "second_model" not in result.verdict.votes and np.isfinite(result.verdict.p)


def test_control_shares_are_shown_where_there_are_some() -> None:
    """Their mean always; a synthetic control with five of them in a long window or a stormy market, never counted."""
    ret, market = worlds.returns(7, 1, rho=0.3)
    few = worlds.run(ret, market, [300], ONE.but(options={"peers": ["F01", "F02"]}, windows=[(-5, 5)]))
    assert "model:peers_ew" in whats(few) and "model:synthetic_control" not in whats(few)
    peers = ONE.but(options={"peers": worlds.names(7)[1:]})
    market[300:302] = 0.001
    calm = worlds.run(ret, market, [300], peers)
    assert "model:peers_ew" in whats(calm) and "model:synthetic_control" not in whats(calm)
    long = worlds.run(ret, market, [300], peers.but(windows=[(-5, 5)]))
    assert "model:synthetic_control" in whats(long) and "model:synthetic_control" not in long.verdict.votes
    market[300] = 0.05
    assert "model:synthetic_control" in whats(worlds.run(ret, market, [300], peers))
    want = ret[0, 300:302].sum() - ret[1:, 300:302].mean(axis=0).sum()
    assert row(calm, "model:peers_ew").car == pytest.approx(want, abs=1e-14)


def test_a_synthetic_control_that_does_not_fit_gives_no_verdict() -> None:
    """Donors that say nothing about the share: the model refuses, and so does the verdict."""
    rng = np.random.default_rng(0)
    ret = 0.02 * rng.standard_normal((6, DATES.size))
    market = 0.01 * rng.standard_normal(DATES.size)
    spec = ONE.but(model="synthetic_control", options={"peers": worlds.names(6)[1:]})
    refused = worlds.run(ret, market, [300], spec)
    assert refused.verdict.label == "cannot say" and "the donors do not fit" in refused.verdict.sentence
    followed = ret.copy()
    followed[0] = ret[1:4].mean(axis=0) + 0.003 * rng.standard_normal(DATES.size)
    assert worlds.run(followed, market, [300], spec).verdict.label != "cannot say"


def test_an_alternative_that_cannot_be_estimated_says_so() -> None:
    ret, market = worlds.returns(1, 1)
    result = worlds.run(ret, market, [300], ONE.but(robustness={"models": ["ff3", "peers_reg"]}))
    for what in ("model:ff3", "model:peers_reg"):
        assert row(result, what).reason.startswith("could not be estimated: ") and np.isnan(row(result, what).car)
    assert "peers" in row(result, "model:peers_reg").reason
