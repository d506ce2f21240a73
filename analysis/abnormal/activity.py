"""Trading activity of the pairs of a daily study: range and volume by session, for the tests that ask for it."""

from __future__ import annotations

import numpy as np

from .case import Case
from .domain import FloatArray
from .inference._bars import DayActivity
from .jump import _spread, estimation_rows


def daily_activity(case: Case) -> list[DayActivity]:
    """One `DayActivity` a pair, on the session axis of its exchange."""
    return [_of_pair(case, i) for i in range(case.size)]


def _of_pair(case: Case, i: int) -> DayActivity:
    rec, pair = case.recording(i), case.pairs[i]
    time, bars = rec.tape.time, rec.bars[pair.ticker]
    close = _spread(bars, "close", time)
    day0 = int(case.day0[i])
    before = close[:day0][np.isfinite(close[:day0])]
    known = before.size and np.isfinite(close[day0])
    direction = (1 if close[day0] >= before[-1] else -1) if known else 0
    est = np.zeros(time.size, bool)
    est[estimation_rows(case, i)] = True
    volume = _spread(bars, "volume", time)
    return DayActivity(
        _spread(bars, "high", time), _spread(bars, "low", time), np.where(volume > 0, volume, np.nan),
        np.full(time.size, _shares(case, i)), _market_volume(case, i), est, day0, direction,
    )  # fmt: skip


def _shares(case: Case, i: int) -> float:
    """Shares in issue: the event's own figure, else the ticker table's; NaN where neither knows them."""
    from .inputs.tickers import load_tickers

    pair = case.pairs[i]
    row = load_tickers().get(pair.ticker)
    stated = pair.event.attributes.get("shares_outstanding") or (row.shares_outstanding if row else None)
    return float(stated) if stated else float("nan")


def _market_volume(case: Case, i: int) -> FloatArray | None:
    """Log volume of the benchmark: the mean over its members; None where one of them has no volume or trades elsewhere."""
    rec = case.recording(i)
    members = rec.basket.get(case.pairs[i].ticker, ())
    found = []
    for ticker in members:
        bars = rec.bars.get(ticker)
        if (
            bars is None
            or ticker not in rec.panel.tickers
            or "volume" not in bars
            or not np.any(bars.get("volume") > 0)
        ):
            return None
        volume = _spread(bars, "volume", rec.tape.time)
        found.append(np.log(np.where(volume > 0, volume, np.nan)))
    return np.mean(found, axis=0) if found else None
