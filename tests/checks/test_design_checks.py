"""Checks of the design: what ties the firms together, and whether the benchmark itself was hit."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from worlds import DATES, SPEC

ONE = SPEC.but(estimation=(-120, -11))


def sentence(result: ab.StudyResult, name: str) -> tuple[bool | None, str]:
    row = result.checks.set_index("check").loc[name]
    return row.passed, row.sentence


def test_clustering_prints_all_of_its_diagnosis() -> None:
    rows = [200, 200, 200, 260, 320]
    ret, market = worlds.returns(5, 3, rho=0.4)
    result = worlds.run(ret, market, rows, ONE)
    passed, text = sentence(result, "clustering")
    counts = np.array([3, 1, 1])
    hhi = float(np.sum((counts / 5) ** 2))
    assert f"HHI {hhi:.2f}, {1 / hhi:.1f} effective" in text and "5 pairs on 3 date(s)" in text
    residuals = {}
    for i, row in enumerate(rows):
        est = np.arange(row - 120, row - 10)
        x = np.column_stack([np.ones(110), market[est]])
        e = ret[i, est] - x @ np.linalg.lstsq(x, ret[i, est], rcond=None)[0]
        residuals[i] = pd.Series(e, index=est)
    matrix = pd.DataFrame(residuals).corr(min_periods=30).fillna(0).to_numpy()
    pairs = matrix[np.triu_indices(5, 1)]
    weighted = (matrix[0, 1] + matrix[0, 2] + matrix[1, 2]) / 10
    assert f"mean {pairs.mean():.3f}, weighted by common event sessions {weighted:.3f}" in text
    assert f"largest {pairs.max():.2f}" in text
    de = 1 + 4 * weighted
    assert f"design effect {de:.2f}, {min(5, 5 / de):.1f} effective pairs" in text
    assert re.search(r"first principal component holds \d+%", text)
    assert passed == (de <= 1.25)


def test_clustering_of_one_date_and_of_one_pair() -> None:
    ret, market = worlds.returns(3, rho=0.3)
    passed, text = sentence(worlds.run(ret, market, [300] * 3, ONE), "clustering")
    assert passed is False and "One date is one shock" in text and "HHI 1.00, 1.0 effective" in text
    assert sentence(worlds.run(ret, market, [300], ONE), "clustering")[0] is None


def slow_benchmark_p(market: np.ndarray, row: int, length: int) -> float:
    """SQ abs_studentized of the mean model on the benchmark itself."""
    est = market[row - 120 : row - 10]
    now = market[row : row + length].sum() - length * est.mean()
    past = np.array([est[k : k + length].sum() - length * est.mean() for k in range(111 - length)])
    z = np.abs(past) / np.sqrt(length - length**2 / 110)
    return (1 + np.sum(z >= abs(now) / np.sqrt(length + length**2 / 110) - 1e-12)) / (z.size + 1)


@pytest.mark.parametrize("length", [1, 3])
def test_the_benchmark_s_own_move_is_ranked(length: int) -> None:
    ret, market = worlds.returns(1, 1)
    for shock in (0.0, 0.03):
        market[300] += shock
        passed, text = sentence(worlds.run(ret, market, [300], ONE.but(windows=[(0, length - 1)])), "treated_benchmark")
        p = slow_benchmark_p(market, 300, length)
        assert f"SQ p = {p:.3f}" in text and passed == (p >= 0.1)
    assert passed is False and "without any benchmark the estimate is" in text and "Hold one that the event" in text


def test_many_windows_of_one_benchmark_are_one_family() -> None:
    """Ten dates: by chance one has p below .1; Holm asks what the smallest of ten means."""
    ret, market = worlds.returns(10, 1)
    rows = [150 + 20 * i for i in range(10)]
    passed, text = sentence(worlds.run(ret, market, rows, ONE), "treated_benchmark")
    p = sorted(slow_benchmark_p(market, r, 1) for r in rows)
    assert p[0] < 0.15 and passed is True
    assert f"SQ p = {min(1, 10 * p[0]):.3f} after Holm over 10 windows" in text


def test_an_outside_benchmark_beside_it_is_enough() -> None:
    ret, market = worlds.returns(2, 1)
    market[300] += 0.05
    spec = ONE.but(robustness={"benchmarks": ["F01"]})
    frame = worlds.frame(ret)
    result = ab.run(
        worlds.events([300]), ab.Returns(frame), spec, benchmark=pd.Series(market, index=DATES), catalogue=False
    )
    passed, text = sentence(result, "treated_benchmark")
    assert passed is False and "Hold one" not in text
    row = result.robustness.set_index("what")
    assert {"benchmark:F01", "model:mean"} <= set(row.index)
    own = worlds.run(ret, ret[1], [300], ONE).car.car[0]
    assert row.loc["benchmark:F01", "car"] == pytest.approx(own, abs=1e-12)


def test_leaving_out_pairs_events_and_firms() -> None:
    """Two firms on three events each: one event, or one firm, may carry what no single pair does."""
    ret, market = worlds.returns(2, 1)
    rows, firms = [200, 200, 250, 250, 300, 300], [0, 1] * 3
    for firm, row, move in zip(firms, rows, [0.3, 0.3, -0.1, -0.1, -0.1, -0.1]):
        ret[firm, row] += move
    result = worlds.run(ret, market, rows, ONE, firms=firms)
    passed, text = sentence(result, "leave_one_out")
    car = result.car.car.to_numpy()
    without = {f"e{r}": car[np.array(rows) != r].mean() for r in (200, 250, 300)}
    assert passed is False and np.mean(car) > 0 > without["e200"]
    assert f"Leaving one event out the average runs from {100 * without['e200']:+.2f}% (without e200)" in text
    firm = {f"F0{k}": car[np.array(firms) != k].mean() for k in (0, 1)}
    low = min(firm, key=firm.get)
    assert f"Leaving one firm out the average runs from {100 * firm[low]:+.2f}% (without {low})" in text
    alone = [np.delete(car, i).mean() for i in range(6)]
    assert f"Leaving one pair out the average runs from {100 * min(alone):+.2f}%" in text
    assert sentence(worlds.run(ret, market, [200], ONE), "leave_one_out")[0] is None


def test_repeated_events_of_one_firm_are_drawn_by_the_coarser_cluster() -> None:
    """Two firms with six overlapping events: two clusters of firms, not six of dates."""
    ret, market = worlds.returns(2, 1, rho=0.6)
    rows, firms = [200, 200, 202, 202, 204, 204], [0, 1] * 3
    result = worlds.run(ret, market, rows, ONE.but(windows=[(0, 4)]), firms=firms)
    assert result.verdict.row == "other"
    from abnormal.battery import _coarser

    assert _coarser(result.case) == "firm"
    spread = worlds.run(
        *worlds.returns(8, 1, rho=0.6), [200, 200, 202, 202, 204, 204, 206, 206], ONE.but(windows=[(0, 4)])
    )
    assert _coarser(spread.case) == "date"
