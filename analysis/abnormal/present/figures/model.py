"""Does the model fit, and what explains the abnormal returns? Estimation fit, residuals, cross-section scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...errors import RequestError, UnknownName
from ...result import StudyResult
from .. import console, theme
from ..theme import ESTIMATE, EVENT, INK, MUTED, percent_axis, signed
from . import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Part = Literal["scatter", "residuals"]
BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def fit(
    result: StudyResult, ax: Axes | None, *, pair: int | str = 0, part: Part | None = None, title: str | None = None
) -> Axes:
    """The estimation window: returns against the benchmark with the fitted line, and the residuals in time.

    The event's own sessions (the headline window) are marked. Estimation returns and residuals are those the study holds
    (`study.waist`), so a result loaded from a folder cannot draw this; slope, intercept and sigma are those of `pairs`.

    Parameters
    ----------
    part : {"scatter", "residuals"}, optional
        One of the two; default both side by side, or the scatter on the axis given.
    """
    marks.need_pairs(result, "fit")
    if part not in (None, "scatter", "residuals"):
        raise UnknownName("part of plot.fit", part, ("scatter", "residuals"))
    i = marks.position_of(result, pair)
    waist = result._live("plot.fit").ar
    has_market = waist.market is not None
    if ax is None and part is None and has_market:
        left, right = theme.new_axes(2, 6.3, 2.7, (1, 1.25), 0.8, **marks.headroom(title))
        _scatter(result, left, i)
        _residuals(result, right, i)
        marks.title(left, title, f"Estimation of {result.pairs['ticker'].iloc[i]}")
        return left
    ax = theme.new_axis(**marks.headroom(title)) if ax is None else ax
    if part == "residuals" or not has_market:
        _residuals(result, ax, i)
    else:
        _scatter(result, ax, i)
    marks.title(ax, title, f"Estimation of {result.pairs['ticker'].iloc[i]}")
    return ax


def _scatter(result: StudyResult, ax: Axes, i: int) -> None:
    waist, row = result._live("plot.fit").ar, result.pairs.iloc[i]
    est = waist.est[i]
    market, raw = waist.market[i], waist.raw[i]
    head = waist.columns(result.headline)
    ax.plot(market[est], raw[est], ls="", marker="o", ms=3, color=ESTIMATE, alpha=0.65, zorder=2)
    ax.plot(market[head], raw[head], ls="", marker="D", ms=6, color=EVENT, zorder=4)
    expected = waist.expected[i]
    known = np.isfinite(expected) & np.isfinite(market) & (est | _inside(waist, head))
    if known.any() and row["model"] in ("market", "market_zero_alpha", "capm", "market_adjusted"):
        ends = [int(np.flatnonzero(known)[k]) for k in (np.argmin(market[known]), np.argmax(market[known]))]
        ax.plot(market[ends], expected[ends], color=INK, lw=1.2, zorder=3)
    percent_axis(ax.xaxis)
    percent_axis(ax.yaxis)
    ax.set_xlabel("Benchmark return")
    ax.set_ylabel("Return")
    words = [f"R² {row['r2']:.2f}"] if console.is_number(row["r2"]) else []
    words += [f"β {row['beta']:.2f}"] if console.is_number(row["beta"]) else []
    if words:
        marks.note(ax, signed(", ".join(words)), bbox=BOX)


def _inside(waist: Any, columns: slice) -> np.ndarray:
    out = np.zeros(waist.offsets.size, bool)
    out[columns] = True
    return out


def _residuals(result: StudyResult, ax: Axes, i: int) -> None:
    waist, row = result._live("plot.fit").ar, result.pairs.iloc[i]
    est, head = waist.est[i], waist.columns(result.headline)
    sigma = float(row["sigma"])
    marks.zero_line(ax)
    for k in (-2, 2):
        ax.axhline(k * sigma, color=MUTED, lw=0.8, ls=(0, (3, 2)), zorder=1.5)
    ax.vlines(waist.offsets[est], 0, waist.ar[i, est], color=ESTIMATE, lw=0.9, zorder=2)
    ax.plot(waist.offsets[est], waist.ar[i, est], ls="", marker="o", ms=2.2, color=ESTIMATE, zorder=2.5)
    ax.plot(waist.offsets[head], waist.ar[i, head], ls="", marker="D", ms=6, color=EVENT, zorder=4)
    percent_axis(ax.yaxis)
    ax.set_xlabel("Sessions from the event")
    ax.set_ylabel("Residual")
    marks.note(ax, signed("dashed: 2 residual sd"), x=0.01, y=0.02, ha="left", bbox=BOX)


# ------------------------------------------------------------------------------------------------ cross-section


def scatter(
    result: StudyResult, ax: Axes, *, x: str = "", window: tuple[int, int] | None = None, fit: Any = None,
    labels: bool | None = None, title: str | None = None,
) -> Axes:  # fmt: skip
    """CAR of every pair against one characteristic, with labels and, where a regression is handed over, its line.

    Parameters
    ----------
    x : str
        A column of `pairs` (beta, sigma, sign ...), an attribute of the events or a further column of the events' table.
        Default: the characteristic of `fit`.
    window : (int, int), optional
        Default the headline.
    fit : result of `study.regress("car ~ x")`, optional
        Anything with `params`: the line its intercept and slope give is drawn, nothing is estimated here.
    labels : bool, optional
        Names beside the points; default for up to 25 pairs.
    """
    marks.need_pairs(result, "scatter")
    params = None if fit is None else dict(fit.params)
    name = x or _regressor(params)
    chosen = result.headline if window is None else window
    rows = marks.windowed(result.car, chosen)
    if rows.empty:
        raise RequestError(f"plot.scatter(window={chosen}): the study's windows are {marks.windows_said(result)}")
    across = _characteristic(result, name)
    car = rows["car"].to_numpy(float)
    have = np.isfinite(across) & np.isfinite(car)
    if not have.any():
        raise RequestError(f"plot.scatter(x={name!r}): no pair has both a CAR and a number for it")
    marks.zero_line(ax)
    ax.vlines(across[have], rows["ci_low"][have], rows["ci_high"][have], color="#9ecae1", lw=0.9, zorder=1)
    ax.plot(across[have], car[have], ls="", marker="o", ms=5, color=ESTIMATE, zorder=3)
    if params is not None:
        ends = np.array([across[have].min(), across[have].max()])
        slope = params.get(name)
        if slope is None:
            raise RequestError(
                f"plot.scatter: the regression has no coefficient of {name!r}; it has {', '.join(params)}"
            )
        ax.plot(ends, params.get("Intercept", params.get("const", 0.0)) + slope * ends, color=INK, lw=1.3, zorder=2)
    if labels or (labels is None and have.sum() <= 25):
        for text, a, b in zip(np.array(marks.pair_names(result))[have], across[have], car[have]):
            ax.annotate(
                marks.clip(text, 24), (a, b), xytext=(4, 3), textcoords="offset points", fontsize=7.5, color=MUTED
            )
    ax.margins(x=0.12)
    percent_axis(ax.yaxis)
    ax.set_xlabel(name.replace("_", " "))
    ax.set_ylabel(signed(f"CAR {console.window(*chosen)}"))
    marks.title(ax, title, f"Abnormal return and {name.replace('_', ' ')}")
    return ax


def _regressor(params: dict[str, float] | None) -> str:
    names = [n for n in params or {} if n not in ("Intercept", "const")]
    if len(names) != 1:
        raise RequestError(
            'plot.scatter: name a characteristic, e.g. x="beta", or hand over fit=study.regress("car ~ beta")'
        )
    return names[0]


def _characteristic(result: StudyResult, name: str) -> np.ndarray:
    """One number a pair, NaN where it has none."""
    if name in result.pairs:
        found = result.pairs[name].tolist()
    else:
        pairs = result._live(f"plot.scatter(x={name!r})").pairs
        known = [{**p.event.attributes, **p.extra} for p in pairs]
        if not any(name in k for k in known):
            raise UnknownName(
                "characteristic", name, [*result.pairs.columns, *dict.fromkeys(n for k in known for n in k)]
            )
        found = [k.get(name) for k in known]
    return np.array([float(v) if console.is_number(v) else np.nan for v in found])
