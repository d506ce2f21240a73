"""What the price did: candles with volume and the but-for line, and the anatomy of the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import RequestError
from ...result import StudyResult
from .. import console, theme
from ..theme import BUT_FOR, ESTIMATE, EVENT, FAINT, INK, MUTED, signed
from . import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE_BY_SIDE = 3  # waterfalls drawn beside each other in a figure of their own
BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}


# ------------------------------------------------------------------------------------------------ candles


class Candles(NamedTuple):
    """Bars of one share by offset from day 0, (T,) each."""

    offset: np.ndarray
    session: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


def price(
    result: StudyResult, ax: Axes, *, pair: int | str = 0, before: int | None = None, after: int | None = None,
    title: str | None = None,
) -> Axes:  # fmt: skip
    """Price as candles with volume beneath, the event line, other events of those days and the but-for line.

    A hollow candle closed above its open, a filled one below. The but-for line is what the model expected from the close
    before the headline window on (`but_for` of `abnormal_returns`); prices and volume are those the study holds, so a result
    loaded from a folder cannot draw this.

    Parameters
    ----------
    pair : position, ticker or event id
    before, after : int, optional
        Sessions before and after the event; default a little more than the study's windows.
    """
    marks.need_pairs(result, "price")
    i = marks.position_of(result, pair)
    rows = marks.rows_of(result, i)
    first = int(rows["offset"].iloc[0]) - 10 if before is None else -before
    last = int(rows["offset"].iloc[-1]) if after is None else after
    candles = _candles(result, i, first, last)
    traded = _draw_volume(ax, candles)
    _draw_candles(ax, candles)
    marks.event_line(ax, label="")
    _draw_but_for(result, ax, rows, candles)
    _draw_others(result, ax, i, candles)
    _date_ticks(ax, candles, traded)
    ax.set_xlim(candles.offset[0] - 0.8, candles.offset[-1] + 0.8)
    ax.set_ylabel("Price")
    marks.title(
        ax,
        title,
        f"Price of {result.pairs['ticker'].iloc[i]} around session {console.day(result.pairs['session'].iloc[i])}",
    )
    return ax


def _candles(result: StudyResult, i: int, first: int, last: int) -> Candles:
    case = result._live("plot.price")
    recording, ticker = case.recording(i), case.pairs[i].ticker
    bars, axis = recording.bars[ticker], recording.tape.time
    if "close" not in bars:
        raise RequestError(f"plot.price: {ticker} has returns only, no prices to draw")
    rows = np.arange(max(case.day0[i] + first, 0), min(case.day0[i] + last + 1, axis.size))
    at = np.searchsorted(bars.time, axis[rows])
    found = (at < bars.time.size) & (bars.time[np.minimum(at, bars.time.size - 1)] == axis[rows])
    if not found.any():
        raise RequestError(
            f"plot.price: {ticker} has no price in the {rows.size} sessions asked for; widen before and after"
        )
    columns = {c: np.where(found, bars.get(c)[np.minimum(at, bars.time.size - 1)], np.nan) for c in Candles._fields[2:]}
    return Candles(rows - case.day0[i], axis[rows], **columns)


def _draw_candles(ax: Axes, c: Candles) -> None:
    """Open, high, low and close; a line of closes where that is all there is."""
    whole = np.isfinite(c.open) & np.isfinite(c.high) & np.isfinite(c.low) & np.isfinite(c.close)
    if not whole.any():
        ax.plot(c.offset, c.close, color=INK, lw=1.2, marker="o", ms=2.5, zorder=3)
        return
    ax.vlines(c.offset[whole], c.low[whole], c.high[whole], color=INK, lw=0.8, zorder=2.8)
    rose = c.close >= c.open
    for mask, fill in ((whole & rose, "white"), (whole & ~rose, INK)):
        _boxes(
            ax, c.offset[mask], c.open[mask], c.close[mask], facecolors=fill, edgecolors=INK, linewidths=0.8, zorder=3
        )


def _boxes(ax: Axes, at: np.ndarray, low: np.ndarray, high: np.ndarray, **style: Any) -> None:
    """Boxes of one width around each offset, as one collection."""
    from matplotlib.collections import PolyCollection

    left, right = at - 0.31, at + 0.31
    corners = np.stack([np.column_stack(xy) for xy in ((left, low), (left, high), (right, high), (right, low))], axis=1)
    ax.add_collection(PolyCollection(list(corners), **style), autolim=False)


def _draw_volume(ax: Axes, c: Candles) -> str:
    """Shares traded as grey bars in the lower fifth; what the largest one stands for, in words."""
    low, high = np.nanmin([np.nanmin(c.close), *_finite(c.low)]), np.nanmax([np.nanmax(c.close), *_finite(c.high)])
    room = (high - low) or max(abs(high), 1.0)
    traded = np.isfinite(c.volume).any() and np.nanmax(c.volume) > 0
    ax.set_ylim(low - (0.36 if traded else 0.08) * room, high + 0.12 * room)
    if not traded:
        return ""
    beneath = ax.twinx()
    _boxes(
        beneath, c.offset, np.zeros(c.volume.size), np.nan_to_num(c.volume), facecolors=FAINT, linewidths=0, zorder=1
    )
    beneath.set_ylim(0, 5.2 * np.nanmax(c.volume))
    beneath.set_yticks([])
    beneath.grid(False)
    for side in beneath.spines.values():
        side.set_visible(False)
    ax.set_zorder(beneath.get_zorder() + 1)
    ax.patch.set_visible(False)
    return f"; grey: shares traded, at most {_shares(np.nanmax(c.volume))}"


def _finite(values: np.ndarray) -> list[float]:
    return values[np.isfinite(values)].tolist()


def _shares(value: float) -> str:
    for unit, word in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:,.1f}{word}"
    return f"{value:,.0f}"


def _draw_but_for(result: StudyResult, ax: Axes, rows: Any, c: Candles) -> None:
    """What the model expected from the eve of the headline window on."""
    if "but_for" not in rows or not rows["but_for"].notna().any():
        return
    line = rows[rows["but_for"].notna() & rows["offset"].between(c.offset[0], c.offset[-1])]
    eve = result.headline[0] - 1
    held = c.close[c.offset == eve]
    x, y = line["offset"].tolist(), line["but_for"].tolist()
    if held.size and np.isfinite(held[0]):
        x, y = [eve, *x], [float(held[0]), *y]
    ax.plot(x, y, color=BUT_FOR, ls=(0, (5, 1.5)), lw=1.6, zorder=3.5)
    if x:
        ax.annotate("expected", (x[-1], y[-1]), xytext=(-2, -5), textcoords="offset points", ha="right", va="top",
                    fontsize=8, color=BUT_FOR, zorder=4, bbox=BOX)  # fmt: skip


def _draw_others(result: StudyResult, ax: Axes, i: int, c: Candles) -> None:
    """A small mark at the top for the event and for each session with other catalogue events."""
    frame, pair = result.confounders, result.pairs.iloc[i]
    known = frame[(frame["event_id"] == pair["event_id"]) & (frame["ticker"] == pair["ticker"])]
    days = sorted({int(d) for d in known["distance"] if c.offset[0] <= d <= c.offset[-1]})
    top = ax.get_ylim()[1]
    mine = ax.plot([0], [top], ls="", marker="v", ms=6, color=EVENT, clip_on=False, zorder=6, label="event")
    if days:
        theirs: dict[str, Any] = {"marker": "v", "ms": 4.5, "mfc": "white", "mec": MUTED, "mew": 0.9}
        mine += ax.plot(days, [top] * len(days), ls="", **theirs, clip_on=False, zorder=5, label="other events")
    ax.legend(handles=mine, loc="upper left", ncols=2, handletextpad=0.1, columnspacing=1.0, borderaxespad=0.1)


def _date_ticks(ax: Axes, c: Candles, traded: str) -> None:
    step = max(1, -(-c.offset.size // 8))
    chosen = [k for k in range(c.offset.size) if c.offset[k] % step == 0]
    ax.set_xticks(c.offset[chosen], [console.day(c.session[k])[5:] for k in chosen])
    ax.set_xlabel(f"Session, {console.day(c.session[0])} to {console.day(c.session[-1])}{traded}")


# ------------------------------------------------------------------------------------------------ the day


def jump(result: StudyResult, ax: Axes | None, *, pair: int | str | None = None, title: str | None = None) -> Axes:
    """The day's path in steps that add up: overnight, rise (or fall) to the extreme, retreat from it, total.

    Drawn are `overnight, rise, retreat, total` of `jump` (log returns); the words give the prices. Without `ax` and `pair`
    up to three pairs stand side by side, each under its ticker.
    """
    marks.need_pairs(result, "jump")
    days = [r for r in result.jump.to_dict("records") if console.is_number(r["total"])]
    if not days:
        raise RequestError("plot.jump needs daily open, high and low; these prices have closes only")
    if pair is not None:
        wanted = result.pairs.iloc[marks.position_of(result, pair)]
        days = [r for r in days if (r["event_id"], r["ticker"]) == (wanted["event_id"], wanted["ticker"])]
        if not days:
            raise RequestError(f"plot.jump: {wanted['ticker']} has no open, high and low for that day")
    if ax is not None or len(days) == 1:
        return _waterfall(theme.new_axis(bottom=0.56, **marks.headroom(title)) if ax is None else ax, days[0], title)
    axes = theme.new_axes(min(len(days), SIDE_BY_SIDE), height=3.0, bottom=0.34, gap=0.6)
    for one, row in zip(axes, days):
        _waterfall(one, row, marks.clip(str(row["ticker"]), 20), narrow=True)
        one.set_ylabel("Log return" if one is axes[0] else "")
    _same_height(axes)
    return axes[0]


def _same_height(axes: Sequence[Axes]) -> None:
    low, high = min(a.get_ylim()[0] for a in axes), max(a.get_ylim()[1] for a in axes)
    for a in axes:
        a.set_ylim(low, high)


def _waterfall(ax: Axes, row: Any, title: str | None, narrow: bool = False) -> Axes:
    edge = "low" if row["direction"] < 0 else "high"
    whole = console.is_number(row["overnight"]) and console.is_number(row["rise"])
    if whole:
        steps = [
            ("overnight", row["overnight"], "open"), ("fall" if row["direction"] < 0 else "rise", row["rise"], edge),
            ("retreat", row["retreat"], "close"),
        ]  # fmt: skip
    else:
        steps = []
    level, names, reached = 0.0, [], [0.0, float(row["total"])]
    for k, (name, size, edge_name) in enumerate(steps):
        ax.bar(k, size, 0.6, level, color=ESTIMATE if size >= 0 else "white", edgecolor=ESTIMATE,
               hatch=None if size >= 0 else "////", lw=0.9, zorder=3)  # fmt: skip
        level += float(size)
        ax.hlines(level, k - 0.3, k + 1.3, color=MUTED, lw=0.7, zorder=2)
        _value(ax, k, level, size)
        reached.append(level)
        names.append(f"{name}\n{edge_name} {row[edge_name]:,.6g}")
    ax.bar(len(steps), row["total"], 0.6, color=INK, zorder=3)
    _value(ax, len(steps), float(row["total"]), row["total"])
    names.append(f"total\nfrom {row['prev_close']:,.6g}" if not narrow else "total")
    marks.zero_line(ax)
    room = 0.15 * (max(reached) - min(reached) or 1.0)
    ax.set_ylim(min(reached) - (room if min(reached) < 0 else 0), max(reached) + (room if max(reached) > 0 else 0))
    ax.set_xticks(
        range(len(names)), [n.split("\n")[0] if narrow else n for n in names], fontsize=7.5 if narrow else None
    )
    theme.percent_axis(ax.yaxis)
    ax.set_ylabel("Log return since the close before")
    marks.title(ax, title, f"The day of {row['ticker']}: how the move came about")
    return ax


def _value(ax: Axes, x: float, y: float, value: float) -> None:
    """The size of a step beyond the end it reaches."""
    up = float(value) >= 0
    ax.annotate(
        signed(f"{100 * float(value):+.1f}"), (x, y), xytext=(0, 3 if up else -3), textcoords="offset points", ha="center",
        va="bottom" if up else "top", fontsize=8.5, zorder=4,
    )  # fmt: skip
