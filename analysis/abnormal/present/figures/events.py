"""What else happened: the event among the other events of its days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import RequestError
from ...result import StudyResult
from .. import theme
from ..theme import EVENT, INK, MUTED, signed
from . import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 18
ROW, TITLE = 0.21, 78  # inches a line needs; columns of a title


def timeline(result: StudyResult, ax: Axes | None, *, pair: int | str | None = None, title: str | None = None) -> Axes:
    """The event and the catalogue's other events around it, by sessions before and after.

    Filled squares share the event's session and cannot be separated from it; hollow marks belong to the same story. Drawn
    is `distance` of `confounders`; events further away than the study's windows are counted only.

    Parameters
    ----------
    pair : position, ticker or event id, optional
        Default: the pair with most other events around it.
    """
    marks.need_pairs(result, "timeline")
    everyone = range(len(result.pairs)) if pair is None else [marks.position_of(result, pair)]
    own = max((result.pairs.iloc[i] for i in everyone), key=lambda row: len(_around(result, row)[0]))
    near, far = _around(result, own)
    if not near:
        raise RequestError("plot.timeline: the catalogue knows no other event inside the windows of this study")
    shown = near[:MOST]
    rows = sorted(
        [*shown, _itself(result, own)], key=lambda r: (r["distance"], not r.get("own", False), str(r["title"]))
    )
    if ax is None:
        words = theme.label_room((marks.clip(str(r["title"]), TITLE) for r in rows), 7.5)
        ax = theme.new_axis(
            height=0.9 + ROW * len(rows), left=0.15, right=min(words + 0.1, 4.4), **marks.headroom(title)
        )
    _marks(ax, rows[::-1])
    _frame(result, ax, rows, len(near) - len(shown), far)
    marks.title(ax, title, f"What else happened around {own['ticker']} and its event")
    return ax


def _around(result: StudyResult, own: Any) -> tuple[list[dict[str, Any]], int]:
    """Other events inside the windows, the nearest first, and how many lie further back."""
    frame = result.confounders
    mine = frame[(frame["event_id"] == own["event_id"]) & (frame["ticker"] == own["ticker"])].to_dict("records")
    offsets = result.aar["offset"]
    low, high = int(offsets.min()), int(offsets.max())
    near = [r for r in mine if low <= r["distance"] <= high]
    near.sort(key=lambda r: (not r["same_session"], abs(r["distance"]), str(r["title"])))
    return near, len(mine) - len(near)


def _itself(result: StudyResult, own: Any) -> dict[str, Any]:
    titles = {e.id: e.title for e in result.events}
    return {"title": titles.get(own["event_id"]) or own["event_id"], "distance": 0, "same_session": True, "own": True}


def _marks(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """One mark and one title a line; marks of a kind are drawn together."""
    kinds: dict[tuple[str, str, bool], list[tuple[float, int]]] = {}
    for y, row in enumerate(rows):
        own = row.get("own", False)
        color = EVENT if own else INK if row["same_session"] else MUTED
        marker = "D" if own else "s" if row["same_session"] else "o"
        kinds.setdefault((color, marker, bool(row.get("same_story", False))), []).append((row["distance"], y))
        ax.annotate(
            marks.clip(str(row["title"]), TITLE), (1.0, y), xycoords=("axes fraction", "data"), xytext=(8, 0),
            textcoords="offset points", va="center", fontsize=7.5, color=EVENT if own else INK, annotation_clip=False,
        )  # fmt: skip
    for (color, marker, hollow), points in kinds.items():
        x, at = zip(*points)
        fill = "white" if hollow else color
        ax.plot(
            x,
            at,
            ls="",
            marker=marker,
            ms=6 if marker == "D" else 5,
            mec=color,
            mew=1.1,
            mfc=fill,
            zorder=3,
            clip_on=False,
        )


def _frame(result: StudyResult, ax: Axes, rows: list[dict[str, Any]], more: int, far: int) -> None:
    offsets = result.aar["offset"]
    low, high = int(offsets.min()), int(offsets.max())
    marks.event_line(ax, at=0, label="")
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlim(low - 0.5, high + 0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    marks.whole_offsets(ax, [low, high])
    left = [f"{more} more of these days"] if more else []
    left += [f"{far} further back, in the estimation window"] if far else []
    extra = f"   (not drawn: {' and '.join(left)})" if left else ""
    ax.set_xlabel(signed(f"Sessions from the event{extra}"), x=0.0, ha="left")
