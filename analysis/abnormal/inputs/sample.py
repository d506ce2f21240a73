"""Tape + positions -> Sample: the rows a model may see, and no others.

Day 0 of a pair is a position on the session axis; everything else is an offset from it.
"""

from __future__ import annotations

import numpy as np

from ..domain import FloatArray, IntArray, Sample, Tape, Window
from ..kernel.windows import rows_at, take_rows


def cut(
    tape: Tape,
    unit: IntArray,
    position: IntArray,
    estimation: Window,
    span: Window,
    event_from: int,
    event_id: tuple[str, ...],
    earliest: IntArray | None = None,
) -> Sample:
    """Rows of every pair from the first estimation offset to the end of the widest window.

    Parameters
    ----------
    unit, position : (E,) rows of the tape and day-0 columns.
    estimation : first and last estimation offset.
    span : first and last offset of all event windows together; `event_from` is the offset from which the first return
        after a gap is kept (it carries the reaction), before it the thin-trading policy applies.
    earliest : (E,) first column that may be estimated on (listing days lie before it).
    """
    offsets = np.arange(estimation[0], span[1] + 1)
    rows, inside = rows_at(position, offsets, tape.time.size)
    late = offsets[None, :] >= event_from
    y = np.where(late, take_rows(tape.event_y, unit, rows, inside), take_rows(tape.y, unit, rows, inside))
    covered = np.where(inside, tape.span[unit[:, None], rows], 0.0)
    covered = np.where(np.isfinite(y) & (covered < 1), 1.0, covered)
    x = np.where(inside[:, :, None], tape.x[tape.xid[unit][:, None], rows], np.nan)
    x = _compounded(tape, unit, rows, covered, late | (tape.y is tape.event_y), x)
    within = (offsets >= estimation[0]) & (offsets <= estimation[1])
    est = inside & within[None, :] & tape.usable[unit[:, None], rows] & np.isfinite(y)
    if earliest is not None:
        est &= rows >= earliest[:, None]
    dates = np.where(inside, tape.time[rows], np.datetime64("NaT"))
    return Sample(
        offsets=offsets,
        y=y,
        x=x,
        names=tape.names,
        span=np.where(covered > 0, covered, 1.0),
        est=est,
        dates=dates,
        estimation=estimation,
        event_id=event_id,
        ticker=tuple(tape.units[u] for u in unit),
        lead=_shifted(tape, unit, rows, inside, +1),
        lag=_shifted(tape, unit, rows, inside, -1),
        peers=_peers(tape, unit, rows, inside),
        peer_names=tape.peer_names,
        peer_of=None if tape.peer_of is None else tape.peer_of[unit],
        rf=None if tape.rf is None else np.where(inside, tape.rf[rows], np.nan),
        event_from=event_from,
        min_obs=tape.min_obs,
        kind=tape.kind,
    )


def _compounded(
    tape: Tape, unit: IntArray, rows: IntArray, covered: FloatArray, multi: np.ndarray, x: FloatArray
) -> FloatArray:
    """Regressors compounded over the sessions a return covers, where it covers more than one."""
    out = x
    for e, w in np.argwhere((covered > 1) & np.broadcast_to(multi, covered.shape)):
        n, last = int(covered[e, w]), int(rows[e, w])
        block = tape.x[tape.xid[unit[e]], max(last - n + 1, 0) : last + 1]
        out[e, w] = block.sum(axis=0) if tape.kind == "log" else np.prod(1.0 + block, axis=0) - 1.0
    return out


def _shifted(tape: Tape, unit: IntArray, rows: IntArray, inside: np.ndarray, sign: int) -> FloatArray | None:
    """The first regressor 1..leads sessions later (sign +1) or earlier (-1): (E, W, leads)."""
    if not tape.leads or not tape.names:
        return None
    out = np.full((*rows.shape, tape.leads), np.nan)
    series = tape.x[:, :, 0]
    for p in range(1, tape.leads + 1):
        shifted = rows + sign * p
        ok = inside & (shifted >= 0) & (shifted < tape.time.size)
        out[:, :, p - 1] = take_rows(series, tape.xid[unit], np.clip(shifted, 0, tape.time.size - 1), ok)
    return out


def _peers(tape: Tape, unit: IntArray, rows: IntArray, inside: np.ndarray) -> FloatArray | None:
    if tape.peers is None or tape.peer_of is None:
        return None
    chosen = tape.peer_of[unit]
    values = tape.peers[chosen[:, None, :], rows[:, :, None]]
    return np.where(inside[:, :, None], values, np.nan)


def portfolio(sample: Sample) -> tuple[Sample, tuple[str, ...]]:
    """The equal-weighted portfolio of a common date as a sample of one pair, and the firms it leaves out.

    Estimation rows are the sessions complete for every firm; while fewer than `min_obs` remain the firm with the fewest
    returns is left out. Event rows must be complete as well: never a mean over a changing set of firms.
    """
    keep = list(range(sample.size))
    dropped: list[str] = []
    while len(keep) > 1 and sample.est[keep].all(axis=0).sum() < sample.min_obs:
        fewest = min(keep, key=lambda i: (int(sample.est[i].sum()), -i))
        keep.remove(fewest)
        dropped.append(sample.ticker[fewest])
    part = sample.take(keep)
    est = np.asarray(part.est.all(axis=0))
    return (
        Sample(
            offsets=part.offsets,
            y=part.y.mean(axis=0)[None, :],
            x=part.x.mean(axis=0)[None],
            names=part.names,
            span=part.span.max(axis=0)[None, :],
            est=est[None, :],
            dates=part.dates[:1],
            estimation=part.estimation,
            event_id=part.event_id[:1],
            ticker=("portfolio",),
            lead=None if part.lead is None else part.lead[:1],
            lag=None if part.lag is None else part.lag[:1],
            peers=None if part.peers is None else part.peers[:1],
            peer_names=part.peer_names,
            peer_of=None if part.peer_of is None else part.peer_of[:1],
            event_from=part.event_from,
            rf=None if part.rf is None else part.rf[:1],
            min_obs=part.min_obs,
            kind=part.kind,
        ),
        tuple(dropped),
    )
