"""Inside the session: the path bar by bar, how large a bar usually is at that time of day, and which bars were jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...result import StudyResult
from ..theme import ESTIMATE, EVENT, FAINT, percent_axis
from . import marks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def intraday(
    result: StudyResult,
    ax: Axes,
    *,
    frame: pd.DataFrame | None = None,
    event_bar: int | None = None,
    title: str | None = None,
) -> Axes:
    """Cumulative return of the session bar by bar over the usual size of a bar at that time of day; jump bars marked.

    Parameters
    ----------
    frame : DataFrame with one row a bar
        Columns `time` (text or time stamp of the bar's start), `path` (cumulative log return of the session), `pattern`
        (usual absolute size of a bar at that time, decimal), `jump` (True where the bar is a jump).
    event_bar : int, optional
        Row of the first bar that ends after the announcement.

    Raises
    ------
    RequestError
        There is no such frame: says what to run.
    """
    if frame is None and len(result.intraday):
        frame, event_bar = _of_session(result)
    data = marks.given_frame(
        frame, "intraday", ("time", "path", "pattern", "jump"),
        'a study with freq="5m" (or another bar length) and the test same_clock',
    )  # fmt: skip
    x = np.arange(len(data))
    path, jump = data["path"].to_numpy(float), data["jump"].to_numpy(bool)
    ax.bar(x, data["pattern"], width=1.0, color=FAINT, lw=0, zorder=1)
    ax.bar(x, -data["pattern"], width=1.0, color=FAINT, lw=0, zorder=1)
    marks.zero_line(ax)
    ax.plot(x, path, color=ESTIMATE, lw=1.4, zorder=3)
    ax.plot(x[jump], path[jump], ls="", marker="D", ms=6, color=EVENT, zorder=4)
    if event_bar is not None:
        marks.event_line(ax, event_bar - 0.5)
    _clock(ax, data["time"].tolist())
    percent_axis(ax.yaxis)
    ax.set_xlabel("Time at the exchange")
    ax.set_ylabel("Cumulative return since the open")
    marks.note(ax, "grey: usual size of a bar at that time" + ("; diamonds: jump bars" if jump.any() else ""))
    marks.title(ax, title, "Inside the session")
    return ax


def _of_session(result: StudyResult) -> tuple[pd.DataFrame, int | None]:
    """Bars of the first pair's event session, and which of them is the event bar."""
    bars = result.intraday
    first = result.pairs.iloc[0]
    mine = (bars["event_id"] == first["event_id"]) & (bars["ticker"] == first["ticker"]) & (bars["kind"] == "bar")
    shown = bars[mine & (bars["session"] == first["session"])].reset_index(drop=True)
    at = np.flatnonzero(shown["offset"] == 0)
    return shown.assign(time=shown["clock"]), int(at[0]) if at.size else None


def _clock(ax: Axes, times: list[Any]) -> None:
    step = max(1, -(-len(times) // 8))
    at = list(range(0, len(times), step))
    ax.set_xticks(at, [_hour(times[k]) for k in at])
    ax.set_xlim(-0.8, len(times) - 0.2)


def _hour(value: Any) -> str:
    return (
        f"{value:%H:%M}" if hasattr(value, "strftime") else str(value)[-8:][:5] if len(str(value)) > 8 else str(value)
    )
