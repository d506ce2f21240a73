"""p-values under simulated independent normal errors and no effect are uniform (METHODS.md 11.3, property 6)."""

import functools

import numpy as np
import pytest
from scipy import stats

import build
from abnormal.domain import TestOptions as Options
from abnormal.registry import TESTS

REPLICATIONS, FIRMS = 2000, 30


@functools.cache
def null_pairs(pairs: int) -> build.Study:
    rng = np.random.default_rng(20240601)
    market = 0.01 * rng.standard_normal(75)
    ret = 0.02 * rng.standard_normal((pairs, 75)) + 1.1 * market
    return build.study(ret, market, 70, estimation=(-64, -5), span=(0, 1))


def ks(p) -> float:
    return stats.kstest(p, "uniform").pvalue


@pytest.mark.parametrize("name, window", [("t_car", (0, 0)), ("t_car", (0, 1)), ("sq", (0, 0))])
def test_single_pair(name, window):
    study = null_pairs(REPLICATIONS)
    assert ks(TESTS.get(name)(study.ar, window, Options()).p) > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("name", ["patell", "bmp", "t_xs", "corrado_zivney", "grank_raw", "wilcoxon", "kp_bmp"])
def test_thirty_pairs(name):
    ar = null_pairs(REPLICATIONS * FIRMS).ar
    test = TESTS.get(name)
    p = [test(ar.take(range(FIRMS * r, FIRMS * (r + 1))), (0, 0), Options()).p for r in range(REPLICATIONS)]
    assert ks(p) > 0.001
