"""One writer a folder: a lock that a killed process cannot leave behind."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import DataMissing

LOCK_NAME = ".lock"


@contextmanager
def writer_lock(folder: Path, wait: float = 60.0) -> Iterator[None]:
    """Be the only writer of a folder; another one waits. The lock of a killed writer is free at once.

    Raises DataMissing after `wait` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    try:
        import fcntl
    except ImportError:
        with _lock_by_name(path, wait):
            yield
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _until(lambda: _try_flock(fcntl, handle), path, wait)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)  # the kernel gives the lock back, here and when the process dies


def _try_flock(fcntl: Any, handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _until(attempt: Any, path: Path, wait: float) -> None:
    give_up = clock.monotonic() + wait
    pause = 0.001
    while not attempt():
        if clock.monotonic() > give_up:
            raise DataMissing(
                f"{path.parent} is being written by process {_holder(path)} for over {wait:g} s; try later"
            )
        clock.sleep(pause)
        pause = min(pause * 2, 0.05)


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "?"
    except OSError:
        return "?"


@contextmanager
def _lock_by_name(path: Path, wait: float) -> Iterator[None]:
    """For systems without flock: the file itself is the lock; that of a process that is gone is taken away."""
    held = path.with_name(f"{path.name}.pid")

    handles: list[int] = []

    def attempt() -> bool:
        try:
            handles.append(os.open(held, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            if _is_stale(held):
                # Windows refuses to delete a file that its owner has open, so a fresh lock cannot be taken away.
                with suppress(PermissionError):
                    held.unlink(missing_ok=True)
            return False
        os.write(handles[0], str(os.getpid()).encode())
        return True

    _until(attempt, held, wait)
    try:
        yield
    finally:
        os.close(handles[0])
        held.unlink(missing_ok=True)


def _is_stale(held: Path, empty_after: float = 5.0) -> bool:
    """Whether the process that wrote its number there is gone."""
    try:
        text, age = held.read_text().strip(), clock.time() - held.stat().st_mtime
    except OSError:
        return False
    if not text.isdigit():
        return age > empty_after
    return not _is_running(int(text))


def _is_running(pid: int) -> bool:
    if os.name == "nt":
        import ctypes

        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
        handle = kernel.OpenProcess(0x1000, False, pid)
        if handle:
            kernel.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
