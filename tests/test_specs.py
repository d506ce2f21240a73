"""The specification curve: the whole declared family, the study's own marked, one joint p against a slow loop."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from abnormal.kernel import dist
from abnormal.kernel.multiple import bh, holm
from abnormal.specs import joint_p
from worlds import DATES, SPEC

GRID = {"models": ["market", "mean"], "estimations": [[-70, -11]], "windows": [[0, 0], [0, 2]], "returns": ["simple"]}
OWN = SPEC.but(estimation=(-110, -11), windows=[(0, 0)], specs=GRID)


def curve(
    ret: np.ndarray, market: np.ndarray, rows: list[int], spec: ab.StudySpec = OWN, prices: bool = False
) -> ab.specs.SpecificationCurve:
    given = worlds.frame(100 * np.cumprod(1 + ret, axis=1)) if prices else ab.Returns(worlds.frame(ret))
    return ab.specification_curve(
        worlds.events(rows), given, spec, benchmark=pd.Series(market, index=DATES), catalogue=False
    )


def jump(firms: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    ret, market = worlds.returns(firms, seed, rho=0.3)
    ret[:, 300] += 0.05
    return ret, market


def test_every_combination_once_and_the_study_s_own_marked() -> None:
    found = curve(*jump(), [300])
    frame = found.frame
    assert len(frame) == 2 * 2 * 2 and frame.spec.is_unique and frame.reason.eq("").all()
    own = frame[frame.own]
    assert len(own) == 1 and own.spec.iloc[0] == "market, (-110, -11), [0, 0], simple, benchmark as given"
    assert frame.estimate.is_monotonic_increasing
    study = worlds.run(*jump(), [300], OWN)
    assert own.estimate.iloc[0] == study.car.car[0] and own.p.iloc[0] == study.verdict.p
    assert list(own[["ci_low", "ci_high"]].iloc[0]) == list(study.car[["ci_low", "ci_high"]].iloc[0])
    np.testing.assert_allclose(frame.holm, holm(frame.p.to_numpy()))
    np.testing.assert_allclose(frame.bh, bh(frame.p.to_numpy()))


def slow_scar(ret: np.ndarray, market: np.ndarray, day: int, model: str, length: int, window: tuple[int, int]) -> float:
    """SCAR at one day, estimated on `length` sessions that end 11 before it, with plain least squares."""
    est = np.arange(day - 10 - length, day - 10)
    event = np.arange(day + window[0], day + window[1] + 1)
    x = np.column_stack([np.ones(length), *([market[est]] if model == "market" else [])])
    z = np.column_stack([np.ones(event.size), *([market[event]] if model == "market" else [])])
    b = np.linalg.lstsq(x, ret[est], rcond=None)[0]
    e = ret[est] - x @ b
    s2 = e @ e / (length - x.shape[1])
    u = z.sum(axis=0)
    return float((ret[event] - z @ b).sum() / np.sqrt(s2 * (event.size + u @ np.linalg.inv(x.T @ x) @ u)))


@pytest.mark.parametrize("firms", [1, 3])
def test_joint_p_and_romano_wolf_equal_a_slow_loop(firms: int) -> None:
    """The same pseudo dates for all specifications; at each the median SCAR and the share beyond 1.96 of the family."""
    ret, market = jump(firms)
    found = curve(ret, market, [300] * firms)
    y = ret[:firms].mean(axis=0)
    family = [(m, n, w) for m in ("market", "mean") for n in (100, 60) for w in ((0, 0), (0, 2))]
    # First and last pseudo date of each: the whole estimation window and the window itself lie between row 0 and T1.
    days = np.arange(100 + 10, 290 - 2)
    null = np.array([[slow_scar(y, market, d, *choice) for choice in family] for d in days])
    own = np.array([slow_scar(y, market, 300, *choice) for choice in family])
    medians = np.abs(np.median(null, axis=1))
    assert found.dates == days.size
    assert found.median == pytest.approx(np.median(own), rel=1e-9)
    assert found.median_p == (1 + np.sum(medians >= abs(np.median(own)) - 1e-12)) / (days.size + 1)
    share = np.mean(np.abs(own) > dist.normal_quantile(0.975))
    shares = np.mean(np.abs(null) > dist.normal_quantile(0.975), axis=1)
    assert found.share == share and found.share_p == (1 + np.sum(shares >= share - 1e-12)) / (days.size + 1)
    order = np.argsort(-np.abs(own), kind="stable")
    slow, running = {}, 0.0
    for j, k in enumerate(order):
        rest = np.abs(null)[:, order[j:]].max(axis=1)
        running = max(running, (1 + np.sum(rest >= abs(own[k]) - 1e-12)) / (days.size + 1))
        slow[family[k]] = running
    for row in found.frame.itertuples():
        n = int(row.estimation.split(",")[0][1:]) * -1 - 10
        assert row.romano_wolf == pytest.approx(slow[(row.model, n, (row.window_start, row.window_end))], abs=1e-15)


def test_joint_p_on_known_numbers() -> None:
    null = np.array([[0.1, 2.5], [3.0, 2.0], [0.0, 0.0], [-1.0, 1.0]])
    got = joint_p(np.array([2.0, 2.6]), null, 0.05)
    assert got == {"median": 2.3, "median_p": (1 + 1) / 5, "share": 1.0, "share_p": (1 + 1) / 5}


def test_events_on_several_dates_draw_one_placebo_date_each() -> None:
    ret, market = worlds.returns(3, seed=2)
    rows = [280, 310, 340]
    ret[np.arange(3), rows] += 0.05
    found, again = (curve(ret, market, rows, OWN.but(draws=999)) for _ in range(2))
    assert found.draws == 999 and found.median_p == again.median_p < 0.05
    pd.testing.assert_frame_equal(found.frame, again.frame)
    quiet = curve(*worlds.returns(3, seed=5), rows, OWN.but(draws=999))
    assert quiet.median_p > 0.1
    # Single pairs and dates as in the slow loop: sums of SCARs over sqrt(N).
    own = [slow_scar(ret[i], market, rows[i], "market", 100, (0, 0)) for i in range(3)]
    one = curve(
        ret,
        market,
        rows,
        OWN.but(
            draws=999,
            specs={"models": ["market"], "windows": [[0, 0]], "returns": ["simple"], "estimations": [[-110, -11]]},
        ),
    )
    assert len(one.frame) == 1 and one.median == pytest.approx(sum(own) / np.sqrt(3), rel=1e-9)


def test_a_benchmark_of_the_family_takes_the_place_of_a_given_series() -> None:
    ret, market = jump(3)
    spec = OWN.but(specs={"models": ["market"], "estimations": [[-110, -11]], "windows": [[0, 0]], "returns": ["simple"],
                          "benchmarks": ["F02"]})  # fmt: skip
    found = curve(ret, market, [300], spec)
    assert set(found.frame.benchmark) == {"", "F02"} and found.frame.own.sum() == 1
    other = found.frame[found.frame.benchmark == "F02"].iloc[0]
    assert other.estimate == pytest.approx(worlds.run(ret, ret[2], [300], spec).car.car[0], abs=1e-12)


def test_what_cannot_be_estimated_says_why() -> None:
    ret, market = jump()
    found = curve(ret, market, [300], OWN.but(specs=GRID | {"models": ["market", "ff3"]}))
    failed = found.frame[found.frame.reason != ""]
    assert set(failed.model) == {"ff3"} and failed.estimate.isna().all() and failed.p.isna().all()
    assert failed.reason.str.contains("SMB|factors").all()
    assert "specifications without placebo dates are not in the joint p" in found.reason


def test_without_history_there_is_no_joint_p() -> None:
    ret, market = jump()
    found = curve(ret, market, [52], OWN.but(estimation=(-50, -11), specs=GRID | {"estimations": [[-45, -11]]}))
    assert np.isnan(found.median_p) and found.reason
    assert found.frame.romano_wolf.isna().all() and found.frame.p.notna().all()


def test_a_pick_by_outcome_is_said() -> None:
    ret, market = jump(2)
    found = curve(ret, market, [300], OWN.but(selected_on_outcome=True, candidates=["F00", "F01"]))
    assert "picked for its move" in found.reason


def test_default_family_of_a_bundled_study() -> None:
    found = ab.specification_curve("anthropic_export_order")
    frame = found.frame
    assert frame.own.sum() == 1 and set(frame.model) == {"market_zero_alpha", "market", "market_adjusted", "mean"}
    assert set(frame.returns) == {"simple", "log"} and len(frame) == 32
    assert frame.estimate.notna().all() and np.isfinite(found.median_p)
    text = repr(found)
    assert "32 specifications" in text and "the study's own" in text and "joint p" in text
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert next(iter(document)) == "schema_version" and len(document["specs"]) == 32
    assert document["joint"]["median_p"] == found.median_p


def test_the_result_offers_its_curve() -> None:
    study = worlds.run(*jump(), [300], OWN)
    pd.testing.assert_frame_equal(study.specs().frame, curve(*jump(), [300]).frame)


def test_progress_is_told() -> None:
    seen: list[tuple[str, int, int]] = []
    ab.specification_curve(
        worlds.events([300]), ab.Returns(worlds.frame(jump()[0])), OWN, benchmark=pd.Series(jump()[1], index=DATES),
        catalogue=False, progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert [s[1:] for s in seen] == [(i, 4) for i in range(4)]
