"""Is it different from ordinary days? The placebo distribution, and what the tests could have seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...errors import RequestError
from ...result import StudyResult
from .. import console
from ..theme import EVENT, FAINT, INK, MUTED, SERIES, signed
from . import marks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {
    "placebo_time": "placebo dates",
    "selection": "largest of the candidates",
    "portfolio_placebo": "placebo dates of the portfolio",
}


def placebo(
    result: StudyResult, ax: Axes, *, of: str | None = None, pair: int | str = 0, bins: int | None = None,
    title: str | None = None,
) -> Axes:  # fmt: skip
    """Distribution of the statistic on ordinary days, with the event's own value.

    Drawn are the values of `study.placebo`: the standardised CAR of the headline window re-estimated at every pseudo date
    (for `selection`: of the most extreme candidate there). The p beside it is that of the tables.

    Parameters
    ----------
    of : {"selection", "portfolio_placebo", "placebo_time"}, optional
        Default: the headline where it is one of them, else the portfolio's, else the pair's.
    pair : position, ticker or event id
        Which pair's distribution, where there are several.
    """
    name, values = _distribution(result, of, pair)
    observed = float(values["observed"])
    data = np.asarray(values["values"], float)
    data = data[np.isfinite(data)]
    ax.hist(data, bins=bins or min(30, max(8, data.size // 3)), color=FAINT, edgecolor="white", lw=0.8, zorder=2)
    ax.plot(data, np.full(data.size, 0.0), ls="", marker="|", ms=7, mew=0.8, color=INK, clip_on=False, zorder=3)
    ax.axvline(observed, color=EVENT, lw=1.8, zorder=4)
    if result.spec.alternative == "two-sided" and name != "selection":  # selection: values are sizes already
        ax.axvline(-observed, color=EVENT, lw=1.0, ls=(0, (2, 2)), zorder=3.5)
    _label(result, ax, name, observed, data.size, pair)
    ax.set_xlabel(
        "Standardised cumulative abnormal return" + (", largest in absolute value" if name == "selection" else "")
    )
    ax.set_ylabel("Number of dates")
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    marks.title(ax, title, f"Against ordinary days: {NAMES[name]}")
    return ax


def _distribution(result: StudyResult, of: str | None, pair: int | str) -> tuple[str, Mapping[str, Any]]:
    """Name of the test and its values."""
    marks.need_pairs(result, "placebo")
    i = marks.position_of(result, pair)
    keys = {
        "selection": f"selection:{i}",
        "portfolio_placebo": "portfolio_placebo",
        "placebo_time": f"placebo_time:{i}",
    }
    if of is not None and of not in keys:
        raise RequestError(f"plot.placebo(of={of!r}): expected one of {', '.join(keys)}")
    first = (result.verdict.headline, "portfolio_placebo", "placebo_time")
    for name in [of] if of else [n for n in first if n in keys]:
        if name is not None and len(result.placebo.get(keys[name], {}).get("values", ())):
            return name, result.placebo[keys[name]]
    raise RequestError(f"plot.placebo: {_why_not(result)}")


def _why_not(result: StudyResult) -> str:
    if result.case is None:
        return "this result was loaded from a folder, without its placebo values: run the study again"
    found = result.tests[(result.tests["test"] == "placebo_time") & (result.tests["reason"] != "")]
    why = marks.windowed(found, result.headline)["reason"].tolist()
    return why[0] if why else 'no placebo test ran; put "placebo_time" into tests, or widen the stored history'


def _label(result: StudyResult, ax: Axes, name: str, observed: float, n: int, pair: int | str) -> None:
    p = _p_value(result, name, marks.position_of(result, pair))
    text = f"{console.p_equals(p)}\n{n} dates" if console.is_number(p) else f"{n} dates"
    right = observed < np.mean(ax.get_xlim())
    ax.annotate(
        signed(f"event {observed:+.2f}\n{text}"), (observed, 0.98), xycoords=("data", "axes fraction"),
        xytext=(6 if right else -6, 0), textcoords="offset points", ha="left" if right else "right", va="top",
        fontsize=8.5, color=EVENT, zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )  # fmt: skip


def _p_value(result: StudyResult, name: str, i: int) -> Any:
    """The p of the tables for that distribution."""
    if name == "portfolio_placebo":
        rows = marks.windowed(result.tests[result.tests["test"] == name], result.headline)["p"].tolist()
        return rows[0] if rows else None
    rows = marks.windowed(result.car, result.headline)[
        {"placebo_time": "placebo_p", "selection": "selection_p"}[name]
    ].tolist()
    return rows[i] if i < len(rows) else None


# ------------------------------------------------------------------------------------------------ power


def power(
    result: StudyResult,
    ax: Axes,
    *,
    frame: pd.DataFrame | None = None,
    tests: tuple[str, ...] = (),
    title: str | None = None,
) -> Axes:
    """How often each test sees an effect of a given size on the study's own data.

    Parameters
    ----------
    frame : DataFrame with columns `test`, `effect` (decimal return), `rate` (share of simulations that reject)
        What `abnormal power STUDY` answers.
    tests : tuple of str, optional
        Only these tests, in this order (default: those of the frame, at most seven).

    Raises
    ------
    RequestError
        There is no such frame: says what to run.
    """
    data = marks.given_frame(frame, "power", ("test", "effect", "rate"), "study.power() or `abnormal power STUDY`")
    names = list(tests) or list(dict.fromkeys(data["test"]))[: len(SERIES)]
    ax.axhline(0.8, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=1.5)
    ax.axhline(result.spec.level, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=1.5)
    for name, mark in zip(names, SERIES):
        rows = data[data["test"] == name].sort_values("effect")
        ax.plot(rows["effect"], rows["rate"], color=mark.color, ls=mark.line, marker=mark.marker, label=name, zorder=3)
    ax.set_ylim(0, 1.02)
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0%", "20%", "40%", "60%", "80%", "100%"])
    marks.percents(ax.xaxis)
    ax.set_xlabel("True effect added to the headline window")
    ax.set_ylabel("Share of rejections")
    ax.legend(loc="lower right")
    marks.title(ax, title, "What the tests could have seen")
    return ax
