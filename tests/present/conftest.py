"""Results several files of this folder look at."""

from __future__ import annotations

import pytest
from run_once import bundled


@pytest.fixture(scope="module")
def single():
    return bundled("anthropic_export_order")


@pytest.fixture(scope="module")
def pair():
    return bundled("anthropic_order_two_labs")
