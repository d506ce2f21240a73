"""Stretches of dates shared among workers that write into the same arrays: processes forked on Linux, else threads.

A stretch is thousands of steps of some microseconds each, and threads of one interpreter spend as long handing its lock to
one another. A forked process sees everything that is there without a copy and begins within milliseconds; it does nothing
but arithmetic, sends back sums by date, and is gone. Which worker takes what changes no number.
"""

from __future__ import annotations

import mmap
import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Found = TypeVar("Found")
Stretch = tuple[int, int]


def forks() -> bool:
    """Whether workers are processes: where forking is safe for numerical libraries, and this process may have children."""
    free = not getattr(sys, "_is_gil_enabled", lambda: True)()  # an interpreter without the lock: threads do
    return sys.platform == "linux" and not free and not multiprocessing.current_process().daemon


def zeros(shape: tuple[int, ...], kind: DTypeLike, shared: bool) -> NDArray[Any]:
    """Zeros that forked workers write into as well where `shared`."""
    size = prod(shape) * np.dtype(kind).itemsize
    if not shared or not size:
        return np.zeros(shape, kind)
    return np.frombuffer(mmap.mmap(-1, size), kind).reshape(shape)


def carried_out(work: Callable[[int, int], Found], stretches: Sequence[Stretch]) -> list[Found]:
    """`work(*stretch)` for every stretch, a worker each; the first is done here."""
    if len(stretches) == 1:
        return [work(*stretches[0])]
    if forks():
        return _by_processes(work, stretches)
    with ThreadPoolExecutor(len(stretches)) as pool:
        return list(pool.map(lambda s: work(*s), stretches))


def _by_processes(work: Callable[[int, int], Found], stretches: Sequence[Stretch]) -> list[Found]:
    context = multiprocessing.get_context("fork")
    others = []
    try:
        for stretch in stretches[1:]:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_told, args=(there, work, stretch), daemon=True)
            with warnings.catch_warnings():
                # Python warns of locks other threads hold at this moment; the child takes none but those of malloc and
                # BLAS, which both see to forking.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            there.close()
            others.append((process, here, stretch))
        found = [work(*stretches[0])]
        return found + [_heard(here, process.pid, stretch) for process, here, stretch in others]
    finally:
        for process, here, _ in others:
            here.close()
            process.terminate()  # only one that is still at work notices: this one has failed or was interrupted
            process.join()


def _told(there: Connection, work: Callable[[int, int], Any], stretch: Stretch) -> None:
    """In the worker: send what the stretch came to, or why it came to nothing."""
    try:
        there.send((work(*stretch), None))
    except Exception:
        there.send((None, traceback.format_exc()))


def _heard(here: Connection, pid: int | None, stretch: Stretch) -> Any:
    try:
        found, trouble = here.recv()
    except EOFError:
        raise RuntimeError(
            f"worker {pid} for dates {stretch[0]} to {stretch[1]} ended without an answer (killed, or out of memory); "
            "with threads=1 everything stays in this process"
        ) from None
    if trouble is not None:
        raise RuntimeError(f"a worker failed on dates {stretch[0]} to {stretch[1]}:\n{trouble}")
    return found
