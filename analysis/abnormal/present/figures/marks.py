"""What figures share: the rows of one pair, names, the event line, zero, the headline window, titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import RequestError, UnknownName
from ...result import StudyResult
from .. import console
from ..theme import EVENT, INK, MUTED, SHADE, UNTITLED, percent_axis, signed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


# ------------------------------------------------------------------------------------------------ rows of a result


def need_pairs(result: StudyResult, what: str) -> None:
    """There is something to draw."""
    if result.pairs.empty:
        raise RequestError(f"plot.{what}: no pair could be studied; `study.excluded` says why")


def rows_of(result: StudyResult, i: int) -> pd.DataFrame:
    """Abnormal returns of pair i, offset by offset."""
    frame = result.abnormal_returns
    length = len(frame) // len(result.pairs)
    return frame.iloc[i * length : (i + 1) * length]


def position_of(result: StudyResult, pair: int | str) -> int:
    """Position of a pair given by position, ticker or event id."""
    if isinstance(pair, int):
        if not -len(result.pairs) <= pair < len(result.pairs):
            raise RequestError(
                f"pair {pair}: this study has {console.plural(len(result.pairs), 'pair')}, 0 to {len(result.pairs) - 1}"
            )
        return pair % len(result.pairs)
    for column in ("ticker", "event_id"):
        found = [i for i, v in enumerate(result.pairs[column]) if v == pair]
        if found:
            return found[0]
    raise UnknownName("pair", pair, [*result.pairs["ticker"], *result.pairs["event_id"]])


def pair_names(result: StudyResult) -> list[str]:
    """The shortest names that tell the pairs apart: ticker, event, or both."""
    tickers, events = list(result.pairs["ticker"]), list(result.pairs["event_id"])
    if len(set(tickers)) == len(tickers):
        return tickers
    if len(set(events)) == len(events) and len(set(tickers)) == 1:
        return [clip(e, 34) for e in events]
    return [f"{t}, {clip(e, 28)}" for t, e in zip(tickers, events)]


def one_session(result: StudyResult) -> str:
    """The session 0 all pairs share, or "" where they differ."""
    days = {console.day(s) for s in result.pairs["session"]}
    return days.pop() if len(days) == 1 else ""


AVERAGED = 5  # from so many pairs on an average is drawn even where their dates differ


def averaged(result: StudyResult) -> bool:
    """Whether an average of the pairs tells more than the pairs: one date, or enough of them."""
    n = len(result.pairs)
    return n > 1 and (bool(one_session(result)) or n >= AVERAGED)


def clip(text: str, width: int) -> str:
    """A text cut to a width; three full stops, for the ellipsis of a Chinese font stands in mid-air."""
    return console.clip(text, width).replace("…", "...")


def windowed(frame: pd.DataFrame, window: tuple[int, int]) -> pd.DataFrame:
    """Rows of one window."""
    return frame[(frame["window_start"] == window[0]) & (frame["window_end"] == window[1])]


# ------------------------------------------------------------------------------------------------ marks on an axis


def headroom(text: str | None) -> dict[str, float]:
    """The margin above an axis: less where no title is wanted."""
    return {"top": UNTITLED} if text == "" else {}


def title(ax: Axes, text: str | None, default: str) -> None:
    """The title asked for; None takes the default, "" none at all."""
    wanted = default if text is None else text
    if wanted:
        ax.set_title(wanted)


def event_line(ax: Axes, at: float = -0.5, label: str = "event") -> None:
    """A vertical line where the event meets the price: after the close of session -1, before that of session 0."""
    ax.axvline(at, color=EVENT, lw=1.1, ls=(0, (4, 2)), zorder=2.5)
    if label:
        ax.annotate(
            label, (at, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -2), textcoords="offset points", ha="left",
            va="top", fontsize=8, color=EVENT,
        )  # fmt: skip


def zero_line(ax: Axes, vertical: bool = False) -> None:
    """No effect."""
    (ax.axvline if vertical else ax.axhline)(0.0, color=INK, lw=0.8, zorder=1.5)


def shade(ax: Axes, low: float, high: float) -> None:
    """The headline window."""
    ax.axvspan(low, high, color=SHADE, lw=0, zorder=0.5)


def whole_offsets(ax: Axes, offsets: Sequence[int]) -> None:
    """Ticks at whole sessions, few enough to read."""
    low, high = min(offsets), max(offsets)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 250, 1000) if (high - low) / s <= 14 or s == 1000)
    ticks = [t for t in range(low - low % step, high + 1, step) if t >= low]
    ax.set_xticks(ticks, [signed(f"{t:+d}") if t else "0" for t in ticks])


def sessions_label(result: StudyResult) -> str:
    """What the offsets count, and which day is zero."""
    day = one_session(result)
    unit = "Sessions" if result.spec.freq == "1d" else f"Bars of {result.spec.freq}"
    return f"{unit} from the event (0 = {day})" if day else f"{unit} from each event"


def note(
    ax: Axes, text: str, x: float = 0.99, y: float = 0.02, ha: str = "right", va: str = "bottom", bbox: Any = None
) -> None:
    """A short grey remark inside the axis, placed in fractions of it."""
    ax.text(x, y, text, transform=ax.transAxes, fontsize=8, color=MUTED, ha=ha, va=va, bbox=bbox)


def percents(axis: Any) -> None:
    """Decimal returns along an axis as percentages."""
    percent_axis(axis)


def values_at_right(ax: Axes, at: Any, texts: Sequence[str], small: bool = False) -> None:
    """Figures in a column at the right edge, one a line."""
    for y, text in zip(at, texts):
        ax.annotate(
            text, (1.0, y), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=7 if small else 8.5, annotation_clip=False,
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ what was handed over


def given_frame(given: Any, name: str, columns: Sequence[str], run: str) -> pd.DataFrame:
    """The frame handed over (or the `frame` of an answer handed over), with the columns a figure needs.

    Raises RequestError where there is none (saying what to run) or where a column is missing (saying which).
    """
    data = getattr(given, "frame", given)
    if data is None:
        raise RequestError(
            f"plot.{name} draws a frame with columns {', '.join(columns)}: plot.{name}(frame=...); run {run}"
        )
    missing = [c for c in columns if c not in data]
    if missing:
        raise RequestError(f"plot.{name}: the frame has no column {', '.join(missing)}; it needs {', '.join(columns)}")
    if not len(data):
        raise RequestError(f"plot.{name}: the frame is empty; run {run}")
    return data


def windows_said(result: StudyResult) -> str:
    """The windows of a study, in words."""
    frame = result.caar
    return console.listed([console.window(a, b) for a, b in zip(frame["window_start"], frame["window_end"])])


def no_column(result: StudyResult, name: str) -> UnknownName:
    """The error for a column that `pairs` does not have."""
    return UnknownName("column of pairs", name, result.pairs.columns)
