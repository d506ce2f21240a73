"""Was the benchmark itself hit by the event?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult, FloatArray
from ..inference._window import window_stats
from ..kernel.dist import count_at_least
from ..kernel.multiple import holm
from ..kernel.windows import run_sums
from ..registry import CHECKS

LIMIT = 0.1
MIN_WINDOWS = 19


@CHECKS.add("treated_benchmark", reference="doi:10.1257/jel.35.1.13", order=15)
def treated_benchmark(given: CheckInput) -> CheckResult:
    """The benchmark is not named by the event, the event is not market-wide, and its own move is ordinary (SQ p >= 0.1)."""
    if given.ar.market is None:
        return CheckResult("treated_benchmark", None, "The model uses no benchmark.")
    p, of = benchmark_p(given)
    found = f"SQ p = {p:.3f}" + (f" after Holm over {of} windows" if of > 1 else "")
    named = f"named by the event or market-wide: {', '.join(given.benchmark_named)}" if given.benchmark_named else ""
    unusual = f"its own move in the window is unusual ({found})" if np.isfinite(p) and p < LIMIT else ""
    if not named and not unusual:
        return CheckResult("treated_benchmark", True, f"The benchmark moved as on ordinary days ({found}).")
    mean = given.rerun(model="mean", windows=given.windows)
    text = (
        f"The benchmark may be treated: {'; '.join(x for x in (named, unusual) if x)}. It would hide part of the effect"
    )
    if mean is not None and mean.size:
        text += (
            f"; without any benchmark the estimate is {100 * np.nanmean(window_stats(mean, given.headline).car):+.1f}%"
        )
    if not given.facts.get("outside_benchmark"):
        text += ". Hold one that the event does not move beside it (robustness benchmarks)"
    return CheckResult("treated_benchmark", False, text + ".")


def benchmark_p(given: CheckInput) -> tuple[float, int]:
    """SQ p of the benchmark over the headline window by the mean model, smallest by Holm over distinct event windows.

    Sums of the benchmark's returns about their estimation mean, studentised: a sum of estimation rows has variance
    s^2 (L - L^2 / M), that of the event window s^2 (L + L^2 / M). Also the number of windows asked.
    """
    ar = given.ar
    if ar.market is None:
        return float("nan"), 0
    seen: dict[bytes, float] = {}
    for i in range(ar.size):
        cols = ar.columns(given.headline)
        est = np.where(ar.est[i, : ar.first_event_column], ar.market[i, : ar.first_event_column], np.nan)
        key = ar.dates[i, cols].tobytes() + ar.market[i, cols].tobytes()
        if key not in seen:
            seen[key] = _sq_about_mean(est, ar.market[i, cols])
    p = holm(np.array([v for v in seen.values() if np.isfinite(v)]))
    return (float(p.min()), p.size) if p.size else (float("nan"), 0)


def _sq_about_mean(est: FloatArray, event: FloatArray) -> float:
    """p of the event rows' sum among the sums of as many estimation rows, both about the estimation mean; NaN below 19."""
    m, length = np.isfinite(est).sum(), event.size
    mean = np.nanmean(est) if m else np.nan
    past = run_sums(est - mean, length)
    past = past[np.isfinite(past)]
    now = float(np.sum(event - mean))
    if past.size < MIN_WINDOWS or not np.isfinite(now) or length >= m:
        return float("nan")
    past = past / np.sqrt(length - length**2 / m)
    now /= float(np.sqrt(length + length**2 / m))
    return float((1 + count_at_least(np.abs(past), abs(now))) / (past.size + 1))
