"""Studies on the public check data, up to their abnormal returns."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

from regress_cases import CHARACTERISTIC, case_of, clustered_events  # noqa: E402

import build  # noqa: E402


@pytest.fixture(scope="session")
def public_clustered():
    data = build.public()["clustered"]["data"]
    return build.matrix(data["ret"]).T, np.array(data["mkt"])


@pytest.fixture(scope="session")
def six(public_clustered):
    """The six complete firms on one date, with `size` and `industry`."""
    return case_of(*public_clustered, clustered_events())


@pytest.fixture(scope="session")
def eight(public_clustered):
    """All eight firms: one with gaps, one with 60 returns."""
    size = [*CHARACTERISTIC, 0.4, -0.7]
    return case_of(*public_clustered, clustered_events(range(8), size=size))


@pytest.fixture(scope="session")
def two_dates(public_clustered):
    """Six firms on two dates twelve sessions apart."""
    both = pd.concat([clustered_events(), clustered_events(row=282, event_id="late")])
    return case_of(*public_clustered, both, draws=499)


@pytest.fixture(scope="session")
def twenty():
    """The dispersed set: twenty firms on twenty dates."""
    data = build.public()["dispersed"]["data"]
    ret, market = build.matrix(data["ret"]).T, np.array(data["mkt"])
    events = {"ticker": [f"F{i}" for i in range(20)], "row": data["pos"], "size": np.linspace(-1, 1, 20) ** 3}
    return case_of(ret, market, events, estimation=(-220, -21), windows=[(-1, 1), (0, 4)])


@pytest.fixture(scope="session")
def golden_tests():
    return build.public()["clustered"]["tests_market_model"]
