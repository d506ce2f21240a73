"""What happened against what was expected: cumulative path and daily abnormal returns with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ...errors import RequestError, UnknownName
from ...result import StudyResult
from .. import console
from ..theme import ESTIMATE, INK, MUTED, SERIES, Mark, percent_axis, signed
from . import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES, BANDS = 60, 3  # pairs drawn one by one at most, and how many of them with a band of their own
PATH = ("cum_ar", "cum_low", "cum_high")
AVERAGE_PATH = ("cum_aar", "cum_low", "cum_high")


def car(
    result: StudyResult, ax: Axes, *, pairs: Sequence[int | str] | None = None, by: str = "",
    average: bool | None = None, interval: bool = True, title: str | None = None,
) -> Axes:  # fmt: skip
    """Cumulative abnormal return around the event with its interval band and the event line.

    The level is zero at the close before the headline window begins, so that the path ends that window at the headline
    estimate; what lies before shows where the price came from. Drawn are `cum_ar, cum_low, cum_high` of
    `abnormal_returns`, for the average `cum_aar, cum_low, cum_high` of `aar`.

    Parameters
    ----------
    pairs : sequence of positions, tickers or event ids, optional
        Only these pairs, each with its own line (default: all).
    by : str
        A column of `pairs` (role, sign, ticker, event_id, model ...) whose values get a colour and line each.
    average : bool, optional
        Draw the average of all pairs; default where they share one session or number five and more.
    interval : bool
        Draw the interval band of the average, of the one pair, or of up to three pairs.
    title : str, optional
        None: a title that says what is seen; "": none.
    """
    marks.need_pairs(result, "car")
    _need(result.abnormal_returns, PATH)
    everyone = list(range(len(result.pairs)))
    chosen = [marks.position_of(result, p) for p in pairs] if pairs is not None else everyone
    mean = average if average is not None else pairs is None and not by and marks.averaged(result)
    offsets = result.aar["offset"].tolist()
    start, end = result.headline
    marks.shade(ax, start - 1, end)
    marks.zero_line(ax)
    if mean:
        _many(result, ax, chosen, interval)
    elif by:
        _grouped(result, ax, chosen, by)
    else:
        _each(result, ax, chosen, interval)
    marks.event_line(ax)
    _headline_words(result, ax, chosen, bool(mean))
    marks.whole_offsets(ax, [*offsets, min(start - 1, *offsets)])
    percent_axis(ax.yaxis)
    ax.set_xlabel(marks.sessions_label(result))
    ax.set_ylabel("Cumulative abnormal return")
    what = "average of all pairs" if mean else console.listed([marks.pair_names(result)[i] for i in chosen], most=3)
    marks.title(ax, title, f"Cumulative abnormal return: {what}")
    return ax


def ar(result: StudyResult, ax: Axes, *, pair: int | str | None = None, title: str | None = None) -> Axes:
    """Abnormal return of every session as a bar with its interval: average of the pairs, one pair, or a few beside each other.

    Drawn are `aar, ci_low, ci_high` of `aar`, for single pairs `ar, ci_low, ci_high` of `abnormal_returns`.

    Parameters
    ----------
    pair : position, ticker or event id, optional
        One pair. Default: the average where the pairs share one session or number five and more, else each pair.
    """
    marks.need_pairs(result, "ar")
    mean = pair is None and marks.averaged(result)
    chosen = list(range(len(result.pairs))) if pair is None else [marks.position_of(result, pair)]
    frames = [result.aar] if mean else [marks.rows_of(result, i) for i in chosen]
    value = "aar" if mean else "ar"
    _need(frames[0], (value, "ci_low", "ci_high"))
    start, end = result.headline
    marks.shade(ax, start - 0.5, end + 0.5)
    marks.zero_line(ax)
    names = marks.pair_names(result)
    for k, frame in enumerate(frames):
        _bars(ax, frame, value, k, len(frames), (start, end), "" if mean else marks.clip(names[chosen[k]], 28))
    if len(frames) > 1:
        ax.legend(loc="best")
    marks.whole_offsets(ax, frames[0]["offset"].tolist())
    percent_axis(ax.yaxis)
    ax.set_xlabel(marks.sessions_label(result))
    ax.set_ylabel("Average abnormal return" if mean else "Abnormal return")
    what = (
        f"average of {console.plural(len(result.pairs), 'pair')}"
        if mean
        else console.listed([names[i] for i in chosen])
    )
    marks.title(ax, title, f"Abnormal return by session: {what}")
    return ax


def _bars(ax: Axes, frame: pd.DataFrame, value: str, k: int, of: int, headline: tuple[int, int], label: str) -> None:
    """Bars of one series, the k-th of several beside each other; those of the headline window are darker."""
    width, mark = 0.66 / of, SERIES[k % len(SERIES)]
    x = frame["offset"] + (k - (of - 1) / 2) * width
    inside = frame["offset"].between(*headline)
    shades = [mark.color if now else f"{mark.color}70" for now in inside]
    hatch = None if k % 2 == 0 else "////"
    ax.bar(
        x, frame[value], width * 0.94, color=shades, hatch=hatch, edgecolor="white" if hatch else "none", lw=0, zorder=2
    )
    if label and of > 1:
        ax.bar(
            [x.iloc[0]],
            [0],
            width,
            color=mark.color,
            hatch=hatch,
            edgecolor="white" if hatch else "none",
            lw=0,
            label=label,
        )
    ax.vlines(x, frame["ci_low"], frame["ci_high"], color=INK, lw=1.0 if of == 1 else 0.7, zorder=3)


# ------------------------------------------------------------------------------------------------ lines


def _need(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [c for c in columns if c not in frame]
    if missing:
        raise RequestError(
            f"this result has no column {', '.join(missing)}; it was saved by an older version: run the study again"
        )


def _with_zero(result: StudyResult, frame: pd.DataFrame, columns: Sequence[str]) -> tuple[list[int], list[list[float]]]:
    """Offsets and levels, the zero before the headline window put in front where the frame begins after it."""
    offsets, values = frame["offset"].tolist(), [frame[c].tolist() for c in columns]
    eve = result.headline[0] - 1
    if offsets and offsets[0] > eve:
        return [eve, *offsets], [[0.0, *v] for v in values]
    return offsets, values


def _path(ax: Axes, x: Sequence[int], y: Sequence[float], mark: Mark, label: str = "", faint: bool = False) -> None:
    if faint:
        ax.plot(x, y, color=mark.color, lw=0.7, alpha=0.45, ls=mark.line, label=label, zorder=2)
    else:
        ax.plot(x, y, color=mark.color, ls=mark.line, marker=mark.marker, label=label, zorder=3)


def _band(ax: Axes, x: Sequence[int], low: Sequence[float], high: Sequence[float], mark: Mark) -> None:
    ax.fill_between(x, low, high, color=mark.color, alpha=0.16, lw=0, zorder=1)


def _many(result: StudyResult, ax: Axes, chosen: Sequence[int], interval: bool) -> None:
    """The average with its band over thin lines of the pairs."""
    for i in chosen[:LINES]:
        x, (y,) = _with_zero(result, marks.rows_of(result, i), PATH[:1])
        ax.plot(x, y, color=MUTED, lw=0.7, alpha=0.6, zorder=2)
    x, (mean, low, high) = _with_zero(result, result.aar, AVERAGE_PATH)
    if interval:
        _band(ax, x, low, high, SERIES[0])
    _path(ax, x, mean, SERIES[0])
    left = len(chosen) - LINES
    told = f"thin lines: {console.plural(min(len(chosen), LINES), 'pair')}" + (
        f", {left:,d} more not drawn" if left > 0 else ""
    )
    marks.note(ax, told)


def _each(result: StudyResult, ax: Axes, chosen: Sequence[int], interval: bool) -> None:
    names = marks.pair_names(result)
    for k, i in enumerate(chosen[:LINES]):
        mark = SERIES[k % len(SERIES)]
        x, (y, low, high) = _with_zero(result, marks.rows_of(result, i), PATH)
        if interval and len(chosen) <= BANDS:
            _band(ax, x, low, high, mark)
        _path(ax, x, y, mark, marks.clip(names[i], 28), faint=len(chosen) > len(SERIES))
    if 1 < len(chosen) <= len(SERIES):
        ax.legend(loc="best")


def _grouped(result: StudyResult, ax: Axes, chosen: Sequence[int], by: str) -> None:
    if by not in result.pairs:
        raise UnknownName("column of pairs", by, result.pairs.columns)
    values = [str(v) or "none" for v in result.pairs[by]]
    groups = list(dict.fromkeys(values[i] for i in chosen))
    if len(groups) > len(SERIES):
        raise RequestError(f"plot.car(by={by!r}): {len(groups)} groups; at most {len(SERIES)} can be told apart")
    for k, group in enumerate(groups):
        members = [i for i in chosen if values[i] == group]
        for j, i in enumerate(members[:LINES]):
            x, (y,) = _with_zero(result, marks.rows_of(result, i), PATH[:1])
            label = f"{group} ({len(members)})" if j == 0 else ""
            _path(ax, x, y, SERIES[k], label, faint=len(chosen) > 12)
    ax.legend(loc="best", title=by.replace("_", " "))


# ------------------------------------------------------------------------------------------------ words


def _headline_words(result: StudyResult, ax: Axes, chosen: Sequence[int], mean: bool) -> None:
    """The headline estimate beside the point it belongs to, where one path is the study's."""
    v = result.verdict
    if not console.is_number(v.estimate) or not (mean or len(result.pairs) == 1):
        return
    offsets = result.aar["offset"]
    late = v.window[1] > offsets.min() + 0.7 * (offsets.max() - offsets.min())  # no room for words at its right
    ax.annotate(
        signed(f"{console.percent(v.estimate)} in {console.window(*v.window)}"), (v.window[1], v.estimate),
        xytext=(-4, 12) if late else (7, -3), textcoords="offset points", fontsize=8.5, color=ESTIMATE,
        ha="right" if late else "left", va="top", zorder=5,
    )  # fmt: skip
