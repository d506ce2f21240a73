"""How every figure looks and how it is written: style file, bundled font, colours, formats.

Figures are made without pyplot, so that nothing is left open and no window is wanted; SVG and PDF carry no clock, so that
the same result gives the same bytes in every process.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator

from ..errors import DataMissing, RequestError

HERE = Path(__file__).resolve().parent
FONT_FILE = "NotoSansCJKsc-subset.otf"
FONT_FAMILY = "Noto Sans CJK SC Subset"
MINUS = "−"

INK, MUTED, FAINT, SHADE = "#1a1a1a", "#6b6b6b", "#c9c9c9", "#efefef"
ESTIMATE, EVENT, BUT_FOR = "#0072B2", "#D55E00", "#009E73"


# What matplotlib would write into a file of its own accord and must not: clock and version.
FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}  # fmt: skip
UNTITLED = 0.1  # inches above an axis without title
MARGINS = {"left": 0.72, "right": 0.12, "bottom": 0.52, "top": 0.34}  # inches


class Mark(NamedTuple):
    """Colour, line and marker of one series: any one of the three tells it apart."""

    color: str
    line: Any
    marker: str


# Okabe and Ito's colours; neighbours differ in lightness, and no two share line and marker.
SERIES = (
    Mark("#0072B2", "-", "o"), Mark("#D55E00", (0, (5, 1.5)), "s"), Mark("#009E73", (0, (5, 1.5, 1, 1.5)), "^"),
    Mark("#000000", (0, (1.2, 1.2)), "D"), Mark("#CC79A7", (0, (8, 2)), "v"), Mark("#56B4E9", (0, (3, 1, 1, 1)), "P"),
    Mark("#E69F00", (0, (2, 1)), "X"),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------ style and font


def font_folder() -> Path:
    """The folder of the bundled font: inside an installed package, else in the checkout around it."""
    package = HERE.parent
    for folder in (package / "_bundled" / "data" / "fonts", package.parent.parent / "data" / "fonts"):
        if (folder / FONT_FILE).is_file():
            return folder
    raise DataMissing(f"the bundled font {FONT_FILE} is missing from this installation; install the package again")


# What a user's session decides, not the look of a figure.
NOT_LOOKS = (
    "backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.address", "webagg.port",
    "webagg.port_retries", "webagg.open_in_browser", "tk.window_focus", "savefig.directory", "date.epoch",
    "docstring.hardcopy", "figure.max_open_warning",
)  # fmt: skip


@cache
def _settings() -> Any:
    """The settings of the style file over matplotlib's own defaults, with the bundled font made known to matplotlib."""
    file = str(font_folder() / FONT_FILE)
    if all(entry.fname != file for entry in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(file)
    everything = matplotlib.rc_params_from_file(HERE / "abnormal.mplstyle", use_default_template=True)
    return {key: value for key, value in everything.items() if key not in NOT_LOOKS}


@contextmanager
def styled() -> Iterator[None]:
    """Everything drawn inside looks like the other figures; the user's own settings come back afterwards."""
    with matplotlib.rc_context(_settings()):
        yield


# ------------------------------------------------------------------------------------------------ figures


class Panel(Axes):
    """An axis that a notebook shows as the figure it stands in."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        figure = self.get_figure(root=True)
        assert figure is not None
        inches = figure.get_size_inches()
        return figure_bytes(figure, "png"), {"width": int(96 * inches[0]), "height": int(96 * inches[1])}


def new_axis(width: float = 6.3, height: float = 3.3, **margins: float) -> Axes:
    """One axis in a figure of its own, known to no window system.

    Margins in inches (left, right, bottom, top) default to those all figures share, so that their axes stand in line.
    """
    return new_axes(1, width, height, (), 0.0, **margins)[0]


def new_axes(
    count: int,
    width: float = 6.3,
    height: float = 3.3,
    ratios: Sequence[float] = (),
    gap: float = 0.62,
    **margins: float,
) -> list[Axes]:
    """Axes beside each other in a figure of their own, `gap` inches apart."""
    left, right, bottom, top = (margins.get(k, v) for k, v in MARGINS.items())
    shares = ratios or (1.0,) * count
    room = width - left - right - gap * (count - 1)
    figure, axes, at = Figure(figsize=(width, height)), [], left
    for share in shares:
        wide = room * share / sum(shares)
        box = (at / width, bottom / height, wide / width, (height - bottom - top) / height)
        axis = figure.add_axes(box, axes_class=Panel)
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.append(axis)
        at += wide + gap
    return axes


def label_room(texts: Iterable[str], size: float = 8.5) -> float:
    """Inches that the widest of some labels takes, with a gap to the axis."""
    widest = max((sum(map(_advance, text)) for text in texts), default=0.0)
    return widest * size / 72 + 0.14


@cache
def _advance(character: str) -> float:
    """Width of a character of the bundled font in units of its size."""
    font = font_manager.get_font(str(font_folder() / FONT_FILE))
    font.set_size(10, 72)
    return float(font.load_char(ord(character)).linearHoriAdvance) / 65536 / 10


def figure_bytes(figure: Figure, form: str = "svg") -> bytes:
    """The figure as SVG, PDF or PNG; the same numbers give the same bytes.

    Raises RequestError for another format, and for a character the bundled font does not have (named).
    """
    if form not in FORMATS:
        raise RequestError(f"figure format {form!r}; expected one of {', '.join(FORMATS)}")
    out = io.BytesIO()
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing")
        try:
            figure.savefig(out, format=form, metadata=FORMATS[form])
        except UserWarning as warning:
            raise RequestError(
                f"figure: the bundled font lacks a character ({warning}); write the name in another script"
            ) from None
    return out.getvalue()


# ------------------------------------------------------------------------------------------------ signs


def signed(text: str) -> str:
    """A text with real minus signs before its numbers."""
    return text.replace("-", MINUS) if any(c.isdigit() for c in text) else text


class Percents(Formatter):
    """Decimal returns as percentages, with as many decimals as the ticks of the axis need."""

    ticks: tuple[float, ...] = ()

    def set_locs(self, locs: Iterable[float]) -> None:
        self.ticks = tuple(locs)

    def __call__(self, value: float, position: int | None = None) -> str:
        digits = next((d for d in (0, 1, 2) if all(abs(100 * v - round(100 * v, d)) < 1e-6 for v in self.ticks)), 3)
        shown = round(100 * value, digits) + 0.0
        return signed(f"{shown:+.{digits}f}%") if shown else "0%"


def percent_axis(axis: Any) -> None:
    """Decimal returns along an axis read as percentages."""
    axis.set_major_formatter(Percents())
