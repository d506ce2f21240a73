"""Small made-up worlds for whole studies: returns with a known common shock, a market, and events on chosen rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import abnormal as ab

DATES = pd.bdate_range("2020-01-01", periods=420)
SPEC = ab.StudySpec(model="market", estimation=(-250, -11), windows=[(0, 0)], draws=499)


def returns(firms: int, seed: int = 0, rho: float = 0.0, sd: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Returns (S, T) with unit betas and residuals of pairwise correlation rho, and the market (T,)."""
    rng = np.random.default_rng(seed)
    days = DATES.size
    market = 0.01 * rng.standard_normal(days)
    shared, own = rng.standard_normal(days), rng.standard_normal((firms, days))
    return market + sd * (np.sqrt(rho) * shared + np.sqrt(1 - rho) * own), market


def names(firms: int) -> list[str]:
    return [f"F{i:02d}" for i in range(firms)]


def frame(values: np.ndarray) -> pd.DataFrame:
    """(S, T) values as a wide frame on DATES."""
    return pd.DataFrame(values.T, index=DATES, columns=names(values.shape[0]))


def events(rows: Sequence[int], firms: Sequence[int] | None = None, **columns: Any) -> pd.DataFrame:
    """One pair a row: firm i (or firms[i]) on session rows[i]; pairs of one row share one event."""
    who = range(len(rows)) if firms is None else firms
    table = {
        "event_id": [f"e{r}" for r in rows], "ticker": [f"F{i:02d}" for i in who],
        "date": [DATES[r].date().isoformat() for r in rows],
    }  # fmt: skip
    return pd.DataFrame(table | columns)


def run(
    values: np.ndarray, market: np.ndarray, rows: Sequence[int], spec: ab.StudySpec = SPEC, *,
    firms: Sequence[int] | None = None, **columns: Any,
) -> ab.StudyResult:  # fmt: skip
    """The whole study of `values` as returns, against `market`, without a catalogue."""
    return ab.run(
        events(rows, firms, **columns), ab.Returns(frame(values)), spec,
        benchmark=pd.Series(market, index=DATES), catalogue=False,
    )  # fmt: skip
