"""The store under violence, in small; `-m slow` runs the full numbers (see tests/calibration/store_torture.py)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "calibration"))

import store_torture

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 and fork servers are POSIX")


def test_fetches_killed_at_random_moments_lose_nothing():
    seen = store_torture.kill_fetches(15, longest=0.3)
    assert seen.killed >= 3 and seen.checked == 45


def test_readers_never_see_half_a_file():
    reads = store_torture.read_during_replacements(readers=40, replacements=10, processes=1)
    assert reads.failures == () and reads.reads >= 40


def test_two_writers_lose_no_bar():
    assert store_torture.two_writers(12) == 24


def test_the_lock_of_a_killed_writer_is_free():
    store_torture.lock_after_kill()  # raises DataMissing after ten seconds


@pytest.mark.slow
def test_two_hundred_kills_three_hundred_readers():
    seen = store_torture.kill_fetches(200)
    assert seen.killed >= 50
    reads = store_torture.read_during_replacements(300, 100)
    assert reads.failures == () and reads.replacements == 100
    assert store_torture.two_writers(50) == 100
