"""Was the benchmark itself hit by the event?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..kernel.dist import count_at_least
from ..kernel.windows import run_sums
from ..registry import CHECKS


@CHECKS.add("treated_benchmark", reference="doi:10.1257/jel.35.1.13", order=15)
def treated_benchmark(given: CheckInput) -> CheckResult:
    """The benchmark is not named by the event, the event is not market-wide, and its own move is ordinary (SQ p >= 0.1)."""
    if given.ar.market is None:
        return CheckResult("treated_benchmark", None, "The model uses no benchmark.")
    p = benchmark_p(given)
    named = f"named by the event or market-wide: {', '.join(given.benchmark_named)}" if given.benchmark_named else ""
    unusual = f"its own move in the window is unusual (SQ p = {p:.3f})" if np.isfinite(p) and p < 0.1 else ""
    if not named and not unusual:
        return CheckResult("treated_benchmark", True, f"The benchmark moved as on ordinary days (SQ p = {p:.3f}).")
    mean = given.rerun(model="mean", windows=given.windows)
    text = (
        f"The benchmark may be treated: {'; '.join(x for x in (named, unusual) if x)}. It would hide part of the effect"
    )
    if mean is not None and mean.size:
        from ..inference._window import window_stats

        text += (
            f"; without any benchmark the estimate is {100 * np.nanmean(window_stats(mean, given.headline).car):+.1f}%"
        )
    return CheckResult("treated_benchmark", False, text + ".")


def benchmark_p(given: CheckInput) -> float:
    """SQ p of the first pair's benchmark over the headline window, around its estimation-window mean."""
    ar = given.ar
    if ar.market is None:
        return float("nan")
    cols = ar.columns(given.headline)
    est = np.where(ar.est[0, : ar.first_event_column], ar.market[0, : ar.first_event_column], np.nan)
    mean = np.nanmean(est)
    now = float(np.sum(ar.market[0, cols] - mean))
    past = run_sums(est - mean, cols.stop - cols.start)
    past = past[np.isfinite(past)]
    if past.size < 19 or not np.isfinite(now):
        return float("nan")
    return float((1 + count_at_least(np.abs(past), abs(now))) / (past.size + 1))
