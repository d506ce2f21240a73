"""CPU and wall seconds of a call, and the memory it takes above what is there before it."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def with_one_thread() -> None:
    """Start this program anew where numerical libraries may use several threads: they read that once, when they load."""
    if any(os.environ.get(name) != "1" for name in THREADS):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(THREADS, "1"))


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def median_of(call: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Medians over repeated calls, and the fastest one."""
    found = [timed(call) for _ in range(repeats)]
    return {
        "cpu_s": statistics.median(c for c, _ in found), "wall_s": statistics.median(w for _, w in found),
        "cpu_min_s": min(c for c, _ in found), "repeats": repeats,
    }  # fmt: skip


def in_turn(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, Any]]:
    """Medians of several calls taken in turn, so that a slow minute of the machine meets all of them."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            found[name].append(timed(call))
    return {
        name: {
            "cpu_s": statistics.median(c for c, _ in times), "wall_s": statistics.median(w for _, w in times),
            "cpu_min_s": min(c for c, _ in times), "repeats": repeats, "cpu_each_s": [c for c, _ in times],
            "wall_each_s": [w for _, w in times],
        }
        for name, times in found.items()
    }  # fmt: skip


def times_faster(slow: dict[str, Any], fast: dict[str, Any], clock: str = "cpu") -> float:
    """Median over turns of slow over fast, each an event: both met the same state of the machine."""
    per_event = [[s / one["events_timed"] for s in one[f"{clock}_each_s"]] for one in (slow, fast)]
    return statistics.median(a / b for a, b in zip(*per_event, strict=True))


# ------------------------------------------------------------------------------------------------ memory


def resident_mb() -> float:
    """Memory held now, in MB (Linux; elsewhere the peak so far)."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def forget_peak() -> bool:
    """Start the peak anew (Linux); False where that cannot be done."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_mb() -> float:
    """Largest memory held since `forget_peak`, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


# ------------------------------------------------------------------------------------------------ processes and machine


def process_cpu(code: str, repeats: int, cwd: str | None = None) -> float:
    """Median CPU seconds, user and system, of a fresh Python that runs `code`."""
    import resource

    found = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=cwd)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(found)


def machine(packages: Sequence[str] = ("abnormal", "numpy", "scipy", "pandas", "statsmodels")) -> dict[str, Any]:
    """What the figures were taken on: no host name, no path."""
    import numpy as np

    return {
        "system": f"{platform.system()} {platform.machine()}", "processor": _processor(), "cores": os.cpu_count(),
        "python": platform.python_version(), "versions": {name: version(name) for name in packages},
        "simd": _simd(np), "blas_threads": 1, "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }  # fmt: skip


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _simd(np: Any) -> list[str]:
    return list(np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", []))
