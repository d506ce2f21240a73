"""Where the time of a batched study goes: microseconds an event by step, by clocks around the kernel's own functions."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from abnormal.kernel import batch_comove, batch_fit, batch_ranks, batch_run

# Step -> (where the function is looked up, its name); a step inside another is taken off the outer one.
STEPS: dict[str, tuple[Any, str]] = {
    "what a date shares (basis, multipliers)": (batch_fit, "tables"),
    "gather rows, residuals, sums": (batch_fit.Fitter, "block"),
    "matrix products of the model": (batch_fit.Fitter, "_by_date"),
    "column sums of ranks": (batch_ranks.RankTally, "add"),
    "correlation: lengths of trimmed residuals": (batch_comove, "trims"),
    "correlation: products of dates": (batch_comove.ByDate, "add"),
    "signs, writing results down": (batch_run.Run, "_keep"),
    "order of the events, scattering back": (batch_run.Run, "carried_out"),
    "the stretch itself (blocks, loops)": (batch_run.Run, "_stretch"),
}
INSIDE = {
    "gather rows, residuals, sums": ("matrix products of the model",),
    "correlation: products of dates": ("correlation: lengths of trimmed residuals",),
    "the stretch itself (blocks, loops)": (
        "what a date shares (basis, multipliers)", "gather rows, residuals, sums", "column sums of ranks",
        "correlation: products of dates", "signs, writing results down",
    ),
    "order of the events, scattering back": ("the stretch itself (blocks, loops)",),
}  # fmt: skip


def clocked(function: Callable[..., Any], label: str, spent: dict[str, float]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            spent[label] = spent.get(label, 0.0) + time.perf_counter() - start

    return call


def by_step(run: Callable[[], Any], events: int) -> dict[str, float]:
    """Microseconds an event of each step of one run, innermost steps on their own."""
    spent: dict[str, float] = {}
    with ExitStack() as clocks:
        for label, (owner, name) in STEPS.items():
            clocks.enter_context(patch.object(owner, name, clocked(getattr(owner, name), label, spent)))
        run()
    alone = {k: v - sum(spent.get(i, 0.0) for i in INSIDE.get(k, ())) for k, v in spent.items()}
    return {label: 1e6 * alone.get(label, 0.0) / events for label in STEPS}
