"""`study.plot`: every figure by its name, axis in and axis out.

Nothing is computed here: each number drawn stands in a frame of the result, in its placebo values or in the prices and
residuals the study holds. Without `ax` a figure of its own is made; `axis.figure` is it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..result import StudyResult
from . import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plots"]
NAMES = ("car", "ar", "price", "jump", "placebo", "specs", "power", "timeline", "fit", "scatter", "intraday", "forest")


class Plots:
    """Figures of one result."""

    def __init__(self, result: StudyResult) -> None:
        self.result = result

    def car(self, ax: Axes | None = None, **options: Any) -> Axes:
        from .figures.paths import car

        with theme.styled():
            return car(self.result, theme.new_axis() if ax is None else ax, **options)

    def ar(self, ax: Axes | None = None, **options: Any) -> Axes:
        from .figures.paths import ar

        with theme.styled():
            return ar(self.result, theme.new_axis() if ax is None else ax, **options)
