"""Workers that share stretches: in order, into the same memory, and never silent when one of them fails."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from abnormal.kernel import batch_share

STRETCHES = [(0, 3), (3, 7), (7, 8)]
linux = pytest.mark.skipif(not batch_share.forks(), reason="workers are threads here")


@pytest.mark.parametrize("forked", [pytest.param(True, marks=linux), False])
def test_answers_come_in_order_and_arrays_are_shared(forked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_share, "forks", lambda: forked)
    cells = batch_share.zeros((8, 2), np.float64, forked)

    def work(first: int, stop: int) -> tuple[int, int]:
        cells[first:stop] = np.arange(first, stop)[:, None]
        return first, os.getpid()

    found = batch_share.carried_out(work, STRETCHES)
    assert [first for first, _ in found] == [0, 3, 7]
    np.testing.assert_array_equal(cells, np.arange(8.0)[:, None].repeat(2, axis=1))
    assert len({pid for _, pid in found}) == (3 if forked else 1)


def test_one_stretch_stays_here() -> None:
    assert batch_share.carried_out(lambda first, stop: os.getpid(), [(0, 5)]) == [os.getpid()]


@linux
def test_what_a_worker_raises_is_raised_here_with_its_traceback() -> None:
    def work(first: int, stop: int) -> int:
        if first == 3:
            raise ZeroDivisionError("in the middle")
        return first

    with pytest.raises(RuntimeError, match=r"dates 3 to 7(.|\n)*ZeroDivisionError: in the middle"):
        batch_share.carried_out(work, STRETCHES)


@linux
def test_a_worker_that_is_killed_is_an_error_that_says_what_to_do() -> None:
    def work(first: int, stop: int) -> int:
        if first == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return first

    with pytest.raises(RuntimeError, match=r"ended without an answer.*threads=1"):
        batch_share.carried_out(work, STRETCHES)


@linux
def test_an_error_here_leaves_no_worker_behind() -> None:
    def work(first: int, stop: int) -> int:
        if first == 0:
            raise KeyError("here")
        signal.pause()
        return first

    with pytest.raises(KeyError, match="here"):
        batch_share.carried_out(work, STRETCHES)
    with pytest.raises(ChildProcessError):  # every child has been waited for
        os.waitpid(-1, os.WNOHANG)


def test_empty_arrays_need_no_memory() -> None:
    assert batch_share.zeros((0, 4), np.float64, True).shape == (0, 4)
