"""The event study of very many events: residuals, CARs and what the tests need of them, streamed in blocks.

    order    events by date, then security: whatever order they came in, they are worked on in this one    batch_run.py
    dates    what the events of a date share: basis of the design, variance multiplier                     batch_dates.py
    blocks   gather rows, take the model off, sums                                                         batch_fit.py
    ranks    column sums of ranks                                                                          batch_ranks.py
    pairs    correlation sums over all pairs whose windows meet                                            batch_comove.py
    workers  stretches of dates for several processes or threads                                          batch_share.py
    result   numbers by event, sums over events                                                            batch_found.py

A block of events fits the second-level cache; workers take stretches of dates (batch_share.py). No number depends on
blocks, workers or the order of the events: rows are computed one by one or in products whose shape the data fix, sums of
ranks are exact, everything else is summed date by date in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batch_dates import Model, Window, layout
from .batch_fit import fitter
from .batch_found import Batch, Comoving, DaySums, RankSums, Wanted, mean_correlation
from .batch_run import CHUNK, Run

__all__ = [
    "Batch", "Comoving", "DaySums", "Model", "RankSums", "Wanted", "mean_correlation", "residual_rows", "run_batch",
]  # fmt: skip

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]


def run_batch(
    returns: Array,
    model: Model,
    security: Index,
    position: Index,
    *,
    estimation: Window,
    windows: Sequence[Window],
    wanted: Wanted | None = None,
    threads: int = 1,
    chunk: int = CHUNK,
) -> Batch:
    """Estimate and sum up very many events whose rows are complete.

    Parameters
    ----------
    returns : (S, T) decimal returns, security-major; NaN where there is none.
    model : regressors common to all securities, and what the forecast carries.
    security, position : (E,) row of `returns` and column of day 0.
    estimation, windows : offsets in sessions, both ends included; windows follow the estimation window.
    wanted : by-products; all but sums by day and single abnormal returns by default.
    threads, chunk : how many workers share the dates (forked processes on Linux, else threads), and how many events are
        held at once; no number depends on them.

    Raises
    ------
    ValueError
        where a window does not follow the estimation window.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> market = rng.normal(0, 0.01, 300)
    >>> returns = market + rng.normal(0, 0.02, (5, 300))
    >>> batch = run_batch(returns, Model(market[None]), np.arange(5), np.full(5, 280), estimation=(-250, -11),
    ...                   windows=[(-1, 1)])
    >>> batch.car.shape, batch.m, batch.df
    ((5, 1), 240, 238)
    """
    plan = layout(estimation, tuple(windows))
    fit = fitter(returns, model, plan)
    security, position = np.asarray(security), np.asarray(position)
    return Run.over(fit, security, position, wanted or Wanted(), max(int(chunk), 1)).carried_out(threads)


def residual_rows(
    returns: Array, model: Model, security: Index, position: Index, estimation: Window, windows: Sequence[Window]
) -> Array:
    """Estimation residuals (n, M) of events that `run_batch` found clean, a few at a time."""
    plan = layout(estimation, tuple(windows))
    fit = fitter(returns, model, plan)
    dates, row = np.unique(position, return_inverse=True)
    work = np.empty((len(position), plan.width))
    with np.errstate(invalid="ignore"):
        block = fit.block(security, position + plan.low, row, None, fit.tables(dates, by_date=False), work)
    return block.e[:, : plan.m]
