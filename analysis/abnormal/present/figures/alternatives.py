"""By other choices and firm by firm: specification curve and forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import RequestError
from ...result import StudyResult
from .. import console, theme
from ..theme import ESTIMATE, INK, MUTED, SERIES, signed
from . import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LISTED = 16  # specifications up to here are named line by line, above it they are a curve over a grid of choices
CHOICES = ("model", "estimation", "window", "returns", "benchmark")
FIRMS, NAME = 40, 44  # pairs drawn; columns of a name
ROW, LINE, CURVE = 0.24, 0.14, 2.4  # inches of a line of a list, a line of the grid, and a curve


def specs(
    result: StudyResult, ax: Axes | None, *, frame: Any = None, window: tuple[int, int] | None = None,
    title: str | None = None,
) -> Axes:  # fmt: skip
    """The estimate by every specification, sorted, with intervals; filled where its p is below the study's level.

    Parameters
    ----------
    frame : SpecificationCurve or DataFrame, optional
        Columns `spec` (its name), `estimate`, `ci_low`, `ci_high`, `p`; optional `own` (the study's own choice) and the
        choices `model, estimation, window_start, window_end, returns, benchmark`, which become a grid beneath a long curve.
        What `ab.specification_curve(study)` answers. Default: the alternatives of the `robustness` frame.
    window : (int, int), optional
        Only specifications of this window.

    Raises
    ------
    RequestError
        Nothing to draw: says what to run.
    """
    data = _specifications(result, frame)
    if window is not None:
        if "window_start" not in data:
            raise RequestError("plot.specs(window=...): this frame has no columns window_start, window_end")
        data = marks.windowed(data, window)
    data = data[data["estimate"].notna()].sort_values("estimate", kind="stable").reset_index(drop=True)
    if data.empty:
        raise RequestError("plot.specs: no specification could be estimated")
    if ax is None:
        ax = _room_for(data, title)
    if len(data) <= LISTED:
        _listed(result, ax, data)
    else:
        _curve(result, ax, data)
    n = console.plural(len(data), "specification")
    marks.title(ax, title, f"The same question by {n}")
    return ax


def _specifications(result: StudyResult, frame: Any) -> pd.DataFrame:
    if frame is not None:
        return marks.given_frame(
            frame, "specs", ("spec", "estimate", "ci_low", "ci_high", "p"), "`abnormal specs STUDY`"
        )
    if len(result.robustness) < 2:
        raise RequestError(
            "plot.specs: this study has no alternative specification; run ab.specification_curve(study) or `abnormal specs "
            "STUDY` and hand its answer over as frame=..., or list models under [robustness]"
        )
    frame = result.robustness.rename(columns={"what": "spec", "car": "estimate"})
    frame["own"] = frame["spec"] == "as specified"
    frame["spec"] = [str(s).removeprefix("model:") for s in frame["spec"]]
    return frame


def _room_for(data: pd.DataFrame, title: str | None) -> Axes:
    """An axis with room for the names beside a list, or for the grid beneath a curve."""
    n, above = len(data), marks.headroom(title)
    if n <= LISTED:
        return theme.new_axis(height=0.9 + ROW * n, left=theme.label_room(_names(data)), right=0.6, **above)
    rows = _choice_rows(data)
    words = theme.label_room((_choice_name(c, v) for c, v, _ in rows), 7)
    return theme.new_axis(
        height=CURVE + 0.5 + LINE * len(rows), left=max(words, 0.72), bottom=0.16 + LINE * len(rows), **above
    )


def _colours(result: StudyResult, data: pd.DataFrame) -> list[str]:
    return [ESTIMATE if console.is_number(p) and p < result.spec.level else "white" for p in data["p"]]


def _own(data: pd.DataFrame) -> list[bool]:
    return [bool(v) for v in data["own"]] if "own" in data else [False] * len(data)


def _listed(result: StudyResult, ax: Axes, data: pd.DataFrame) -> None:
    """One line each: name, interval, estimate in figures."""
    y = np.arange(len(data))
    own = _own(data)
    marks.zero_line(ax, vertical=True)
    ax.hlines(y, data["ci_low"], data["ci_high"], color=[INK if k else ESTIMATE for k in own], lw=1.4, zorder=2)
    ax.scatter(data["estimate"], y, s=[46 if k else 30 for k in own], c=_colours(result, data),
               edgecolors=[INK if k else ESTIMATE for k in own], marker="o", lw=1.2, zorder=3)  # fmt: skip
    ax.set_yticks(y, _names(data))
    marks.values_at_right(ax, y, [signed(console.percent(v)) for v in data["estimate"]])
    _horizontal(ax, len(data), result)


def _names(data: pd.DataFrame) -> list[str]:
    """Names of the specifications, the study's own marked."""
    rows = _choice_rows(data)
    told = [str(s) for s in data["spec"]]
    if rows:  # only what they differ by
        told = [", ".join(value for _, value, members in rows if k in members) for k in range(len(data))]
    own = ["  (study)" if k and s != "as specified" else "" for s, k in zip(told, _own(data))]
    return [f"{marks.clip(s, 46)}{mark}" for s, mark in zip(told, own)]


def _horizontal(ax: Axes, rows: int, result: StudyResult) -> None:
    ax.set_ylim(-0.7, rows - 0.3)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    ax.spines["left"].set_visible(False)
    marks.percents(ax.xaxis)
    level = f"{100 * (1 - result.spec.level):g}%"
    ax.set_xlabel(f"Estimate with {level} interval (t); filled: p < {result.spec.level:g}")


def _curve(result: StudyResult, ax: Axes, data: pd.DataFrame) -> None:
    """Sorted estimates over a grid of the choices each was made with."""
    x = np.arange(len(data))
    marks.zero_line(ax)
    ax.vlines(x, data["ci_low"], data["ci_high"], color="#9ecae1", lw=max(0.4, min(2.0, 160 / len(data))), zorder=1)
    size = max(6.0, min(26.0, 1600 / len(data)))
    ax.scatter(x, data["estimate"], s=size, c=_colours(result, data), edgecolors=ESTIMATE, lw=0.8, zorder=3)
    for k in np.flatnonzero(_own(data)):
        ax.scatter([x[k]], [data["estimate"].iloc[k]], s=60, marker="D", c=INK, zorder=4)
        ax.annotate(
            "study",
            (x[k], data["estimate"].iloc[k]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    ax.set_xticks([])
    ax.set_xlim(-1, len(data))
    marks.percents(ax.yaxis)
    ax.set_ylabel("Estimate")
    marks.note(ax, f"filled: p < {result.spec.level:g}")
    _grid(ax, data)


def _grid(ax: Axes, data: pd.DataFrame) -> None:
    """Which choice each specification was made with: one row a choice, one mark a specification."""
    rows = _choice_rows(data)
    if not rows:
        return
    height = LINE * len(rows) / CURVE
    beneath = ax.inset_axes((0, -height - 0.03, 1, height))
    for k, (_, _, members) in enumerate(rows):
        beneath.plot(members, [k] * len(members), ls="", marker="|", ms=5, mew=0.9, color=INK)
    beneath.set_yticks(range(len(rows)), [_choice_name(choice, value) for choice, value, _ in rows], fontsize=7)
    beneath.set_ylim(len(rows) - 0.4, -0.6)
    beneath.set_xlim(ax.get_xlim())
    beneath.set_xticks([])
    beneath.grid(True, axis="y")
    for side in beneath.spines.values():
        side.set_visible(False)


def _choice_name(choice: str, value: str) -> str:
    return f"{choice}: {marks.clip(value, 30)}"


def _choice_rows(data: pd.DataFrame) -> list[tuple[str, str, list[int]]]:
    """(choice, value, positions), only choices that differ."""
    known = data.copy()
    if "window_start" in known:
        known["window"] = [console.window(a, b) for a, b in zip(known["window_start"], known["window_end"])]
    out = []
    for choice in CHOICES:
        if choice in known and known[choice].nunique() > 1:
            for value in dict.fromkeys(map(str, known[choice])):
                out.append((choice, value, [k for k, v in enumerate(known[choice]) if str(v) == value]))
    return out


# ------------------------------------------------------------------------------------------------ firm by firm


def forest(
    result: StudyResult, ax: Axes | None, *, window: tuple[int, int] | None = None, by: str = "", sort: bool = True,
    most: int = FIRMS, title: str | None = None,
) -> Axes:  # fmt: skip
    """CAR of every pair with its interval, and the average beneath.

    Drawn are `car, ci_low, ci_high` of `car` and `caar, ci_low, ci_high` of `caar` for one window (default: the headline).

    Parameters
    ----------
    by : str
        A column of `pairs` whose values get a colour and marker each.
    sort : bool
        By estimate; otherwise in the order of the study.
    most : int
        At most so many pairs, the largest in absolute value; how many are left out is said.
    """
    marks.need_pairs(result, "forest")
    chosen = result.headline if window is None else window
    rows = marks.windowed(result.car, chosen).reset_index(drop=True)
    if rows.empty:
        raise RequestError(f"plot.forest(window={chosen}): the study's windows are {marks.windows_said(result)}")
    rows["name"], rows["group"] = marks.pair_names(result), _groups(result, by)
    rows = rows[rows["car"].notna()]
    left = max(len(rows) - most, 0)
    if left:
        rows = rows.loc[rows["car"].abs().sort_values(ascending=False).index[:most]].sort_index()
    if sort:
        rows = rows.sort_values("car", kind="stable")
    mean = marks.windowed(result.caar, chosen)
    known = len(mean) > 0 and console.is_number(mean["ci_low"].iloc[0])
    drawn = mean.iloc[0] if known and marks.averaged(result) else None
    if ax is None:
        lines, words = len(rows) + (drawn is not None), [*(marks.clip(n, NAME) for n in rows["name"]), "average of 000"]
        each, size = (ROW, 8.5) if len(rows) <= 20 else (0.17, 7.0)
        ax = theme.new_axis(
            height=0.95 + each * lines, left=theme.label_room(words, size), right=0.6, **marks.headroom(title)
        )
    _firms(ax, rows, by, 1 if drawn is not None else 0)
    if drawn is not None:
        _average(ax, drawn, len(result.pairs))
    _horizontal(ax, len(rows) + (drawn is not None), result)
    level = f"{100 * (1 - result.spec.level):g}%"
    more = f"; the {left:,d} smallest are not drawn" if left else ""
    ax.set_xlabel(f"CAR {signed(console.window(*chosen))} with {level} interval (t){more}")
    marks.title(ax, title, "Cumulative abnormal return of each pair")
    return ax


def _groups(result: StudyResult, by: str) -> Sequence[str]:
    if not by:
        return [""] * len(result.pairs)
    if by not in result.pairs:
        raise marks.no_column(result, by)
    return [str(v) or "none" for v in result.pairs[by]]


def _firms(ax: Axes, rows: pd.DataFrame, by: str, first: int) -> None:
    y = np.arange(len(rows)) + first
    groups = list(dict.fromkeys(rows["group"]))
    marks.zero_line(ax, vertical=True)
    for k, group in enumerate(groups):
        mark, at = SERIES[k % len(SERIES)], (rows["group"] == group).to_numpy()
        ax.hlines(y[at], rows["ci_low"][at], rows["ci_high"][at], color=mark.color, lw=1.2, zorder=2)
        ax.plot(rows["car"][at], y[at], ls="", marker=mark.marker, color=mark.color, ms=5, label=group, zorder=3)
    ax.set_yticks(y, [marks.clip(n, NAME) for n in rows["name"]], fontsize=8.5 if len(rows) <= 20 else 7)
    marks.values_at_right(ax, y, [signed(console.percent(v)) for v in rows["car"]], small=len(rows) > 20)
    if by:
        ax.legend(title=by.replace("_", " "), loc="lower right")


def _average(ax: Axes, row: Any, n: int) -> None:
    ax.hlines([0], row["ci_low"], row["ci_high"], color=INK, lw=2.0, zorder=2)
    ax.plot([row["caar"]], [0], ls="", marker="D", ms=7, color=INK, zorder=3)
    ax.set_yticks([0, *ax.get_yticks()], [f"average of {n}", *(t.get_text() for t in ax.get_yticklabels())])
    marks.values_at_right(ax, [0], [signed(console.percent(row["caar"]))])
    ax.axhline(0.5, color=MUTED, lw=0.5)
