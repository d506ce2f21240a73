"""What happened inside the event session: gap against session, how fast, how far, what was given back, how much was traded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .domain import FloatArray, IntArray
from .inference.bns import session_test
from .inference.lee_mykland import BarJumps
from .inputs.slots import DayBars, SlotBars
from .intraday_case import BarCase
from .kernel import ohlc
from .kernel.realized import gumbel_critical

GIVEN_BACK = (1, 5, 10)  # sessions after the event
FIRST_MINUTES = 30


class Session(NamedTuple):
    """The event session of one pair: its row on the grid, the grid's bars it has (n,), share and daily bars."""

    row: int
    bars: IntArray
    share: SlotBars
    days: DayBars


def event_session(case: BarCase, i: int) -> Session:
    """Bars of pair i's event session."""
    rec = case.recording(i)
    row = int(case.day0[i])
    inside = np.flatnonzero(rec.grid.bars.session - rec.grid.bars.session[0] == row)
    ticker = case.pairs[i].ticker
    return Session(row, inside, rec.shares[ticker], rec.days[ticker])


def anatomy(case: BarCase, i: int, jumps: BarJumps) -> dict[str, object]:
    """The day-0 anatomy of pair i: the columns of daily studies, and what only bars can tell."""
    s = event_session(case, i)
    d = s.days
    day = ohlc.day_decomposition(d.before[s.row], d.open[s.row], d.high[s.row], d.low[s.row], d.close[s.row])
    direction = int(day.direction)
    est = case.day0[i] + case.rel[case.bars[i].est]
    edge = d.low if direction < 0 else d.high
    with np.errstate(invalid="ignore", divide="ignore"):
        extremes, closes = np.log(edge / d.before), np.log(d.close / d.before)
    rank = ohlc.extreme_statistic(extremes[est], extremes[s.row], closes[est], direction)
    total = float(day.total)
    row: dict[str, object] = {
        "direction": direction, "prev_close": float(d.before[s.row]), "open": float(d.open[s.row]),
        "high": float(d.high[s.row]), "low": float(d.low[s.row]), "close": float(d.close[s.row]),
        "overnight": float(day.overnight), "rise": float(day.rise), "retreat": float(day.retreat), "total": total,
        "peak_gain": float(day.peak_gain), "give_back": float(day.give_back), "rank_p": float(rank.p_rank),
        "rank_n": int(rank.m), "robust_z": float(rank.robust_z), "reflection_p": float(rank.p_reflection),
        "selection_p": np.nan, "selection_n": np.nan, "reason": str(day.reason),
        "session_return": total - float(day.overnight), "gap_share": float(day.overnight) / total if total else np.nan,
    }  # fmt: skip
    return row | speed(case, i, s) | afterwards(s, direction) | variation(case, i, s, jumps)


def speed(case: BarCase, i: int, s: Session) -> dict[str, object]:
    """Event bar, minutes to half of the move of the day, time and size of the farthest point after the news."""
    grid, x, b = s.share.grid, case.placed[i], case.bars[i]
    starts, ends = grid.bars.starts, grid.bars.ends
    out: dict[str, object] = {
        "event_bar": _utc(starts[x.bar]),
        "event_clock": clock_of(grid, int(grid.place[x.bar]) % grid.slots),
    }
    after = s.bars[s.bars >= x.bar]
    traded = after[s.share.traded[after]]
    before = _price_before(s, x.bar, b.news_before)
    nothing = {"minutes_to_half": np.nan, "peak_time": "", "peak_move": np.nan}
    if not traded.size or not before > 0:
        return out | nothing
    path = np.log(s.share.close[traded] / before)
    move = path[-1]
    opened = np.log(s.share.open[traded[0]] / before) if b.news_before else 0.0
    half = _minutes_to_half(path, opened, float(move), ends[traded], starts[x.bar], case.minutes)
    edge = s.share.low if move < 0 else s.share.high
    peak = traded[int(np.nanargmin(edge[traded]) if move < 0 else np.nanargmax(edge[traded]))]
    return out | {
        "minutes_to_half": half,
        "peak_time": _utc(starts[peak]),
        "peak_move": float(edge[peak] / before - 1.0),
    }


def _price_before(s: Session, bar: int, news_before: bool) -> float:
    """The price the news met: the last trade before the event bar, for a closure the close before (dividend taken out)."""
    earlier = s.bars[s.bars < bar]
    earlier = earlier[s.share.traded[earlier]]
    if earlier.size:
        return float(s.share.close[earlier[-1]])
    return float(s.days.before[s.row] if news_before else s.days.open[s.row])


def _minutes_to_half(
    path: FloatArray, opened: float, move: float, ends: Any, start: np.datetime64, minutes: int
) -> float:
    """Trading minutes from the start of the event bar to the end of the first bar at half of the move; 0 = at the open."""
    if not np.isfinite(move) or move == 0:
        return float("nan")
    if np.isfinite(opened) and opened / move >= 0.5:
        return 0.0
    k = int(np.argmax(path / move >= 0.5))
    return float((ends[k] - start) / np.timedelta64(1, "m"))


def afterwards(s: Session, direction: int) -> dict[str, object]:
    """Share of the peak of the event session that was given back by the close of 1, 5, 10 sessions later."""
    d, out = s.days, {}
    peak = d.low[s.row] if direction < 0 else d.high[s.row]
    start = d.before[s.row]
    beyond = (peak - start) * (-1 if direction < 0 else 1) > 0
    for n in GIVEN_BACK:
        at = s.row + n
        known = beyond and at < d.close.size and np.isfinite(d.close[at])
        basis = np.exp(s.share.worth[at] - s.share.worth[s.row]) if known else np.nan
        out[f"give_back_{n}"] = float((peak - d.close[at] * basis) / (peak - start)) if known else np.nan
    return dict(out)


def variation(case: BarCase, i: int, s: Session, jumps: BarJumps) -> dict[str, object]:
    """Realised variance of the event session, its first 30 minutes, its jumps."""
    b = case.bars[i]
    test = session_test(b, b.event)
    r, here = b.r[b.event], b.is_bar & b.exists[b.event]
    square = np.where(here & np.isfinite(r), r, 0.0) ** 2
    start = s.share.grid.start[s.row]
    soon = here & (start < start[here][0] + np.timedelta64(FIRST_MINUTES, "m")) if here.any() else here
    whole = float(square.sum())
    share = float(square[soon].sum()) / whole if whole > 0 and case.minutes <= FIRST_MINUTES else np.nan
    flagged = jump_places(case, i, jumps)
    event = flagged[flagged // b.slots == b.event] % b.slots
    return {
        "rv": whole, "bv": float(test.bv), "bns_z": float(test.z_ratio), "bns_p": float(test.p),
        f"first{FIRST_MINUTES}_share": share, "jump_bars": int(event.size),
        "jump_times": "; ".join(clock_of(s.share.grid, int(j)) for j in event), "volume": float(s.days.volume[s.row]),
    }  # fmt: skip


def jump_places(case: BarCase, i: int, jumps: BarJumps) -> IntArray:
    """Flat places of the bars that Lee and Mykland's test calls jumps at the level of the study."""
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(jumps.xi > gumbel_critical(case.spec.level))


def clock_of(grid: Any, slot: int) -> str:
    """Local clock time at which a slot's bar starts."""
    minute = int(grid.clock[slot])
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _utc(time: np.datetime64) -> str:
    return "" if np.isnat(time) else f"{time.astype('datetime64[s]')}+00:00"
