"""`study.plot`: every figure by its name, axis in and axis out.

Nothing is computed here: each number drawn stands in a frame of the result, in its placebo values, or in the prices and
residuals the study holds. Without `ax` a figure of its own is made (`axis.figure`), known to no window system; a notebook
shows it. What each figure takes and draws stands in `abnormal.present.figures`, one file a question.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, UnknownName
from ..result import StudyResult
from . import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NAMES", "Plots"]
NAMES = ("car", "ar", "price", "jump", "placebo", "specs", "power", "timeline", "fit", "scatter", "intraday", "forest")


class Plots:
    """Figures of one result: `study.plot.car()`, `study.plot.forest(by="role", ax=ax)`.

    Every figure takes `ax` and `title` ("" = none) besides its own options, and gives the axis back.

    Examples
    --------
    >>> import abnormal as ab
    >>> axis = ab.run("anthropic_export_order").plot.car()
    >>> axis.get_ylabel()
    'Cumulative abnormal return'
    """

    def __init__(self, result: StudyResult) -> None:
        self.result = result

    def __repr__(self) -> str:
        return f"Plots({', '.join(self.names())})"

    def names(self) -> list[str]:
        """The figures this result has numbers for."""
        out = []
        for name in NAMES:
            try:
                getattr(self, name)()
            except RequestError:
                continue
            out.append(name)
        return out

    def save(self, name: str, path: str | Path, **options: Any) -> Path:
        """Draw one figure into a file: SVG, PDF or PNG by its suffix. The same result gives the same bytes.

        Examples
        --------
        >>> import abnormal as ab
        >>> ab.run("anthropic_export_order").plot.save("car", "figure.svg")  # doctest: +SKIP
        """
        from .save import write_bytes

        if name not in NAMES:
            raise UnknownName("figure", name, NAMES)
        target = Path(path)
        form = target.suffix.removeprefix(".").lower()
        if form not in theme.FORMATS:
            raise RequestError(
                f"cannot draw into {target.name!r}; give it one of {', '.join('.' + f for f in theme.FORMATS)}"
            )
        figure = getattr(self, name)(**options).get_figure(root=True)
        return write_bytes(target, theme.figure_bytes(figure, form))

    def _axis(self, options: Mapping[str, Any]) -> Axes:
        from .figures.marks import headroom

        return theme.new_axis(**headroom(options.get("title")))

    def car(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Cumulative abnormal return with its interval band (`pairs`, `by`, `average`, `interval`)."""
        from .figures.paths import car

        with theme.styled():
            return car(self.result, self._axis(options) if ax is None else ax, **options)

    def ar(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Abnormal return of every session with its interval (`pair`)."""
        from .figures.paths import ar

        with theme.styled():
            return ar(self.result, self._axis(options) if ax is None else ax, **options)

    def price(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Candles, volume, event marks and the but-for line (`pair`, `before`, `after`)."""
        from .figures.prices import price

        with theme.styled():
            return price(self.result, self._axis(options) if ax is None else ax, **options)

    def jump(self, ax: Axes | None = None, **options: Any) -> Axes:
        """The day in steps: overnight, rise, retreat, total (`pair`)."""
        from .figures.prices import jump

        with theme.styled():
            return jump(self.result, ax, **options)

    def placebo(self, ax: Axes | None = None, **options: Any) -> Axes:
        """The event among ordinary days (`of`, `pair`, `bins`)."""
        from .figures.chance import placebo

        with theme.styled():
            return placebo(self.result, self._axis(options) if ax is None else ax, **options)

    def specs(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Specification curve (`frame`, `window`)."""
        from .figures.alternatives import specs

        with theme.styled():
            return specs(self.result, ax, **options)

    def power(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Power curves (`frame`, `tests`)."""
        from .figures.chance import power

        with theme.styled():
            return power(self.result, self._axis(options) if ax is None else ax, **options)

    def timeline(self, ax: Axes | None = None, **options: Any) -> Axes:
        """The event among other events (`pair`)."""
        from .figures.events import timeline

        with theme.styled():
            return timeline(self.result, ax, **options)

    def fit(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Estimation fit and residuals (`pair`, `part`)."""
        from .figures.model import fit

        with theme.styled():
            return fit(self.result, ax, **options)

    def scatter(self, ax: Axes | None = None, **options: Any) -> Axes:
        """CAR against a characteristic (`x`, `window`, `fit`, `labels`)."""
        from .figures.model import scatter

        with theme.styled():
            return scatter(self.result, self._axis(options) if ax is None else ax, **options)

    def intraday(self, ax: Axes | None = None, **options: Any) -> Axes:
        """The session bar by bar (`frame`, `event_bar`)."""
        from .figures.intraday import intraday

        with theme.styled():
            return intraday(self.result, self._axis(options) if ax is None else ax, **options)

    def forest(self, ax: Axes | None = None, **options: Any) -> Axes:
        """CAR of every pair with its interval (`window`, `by`, `sort`, `most`)."""
        from .figures.alternatives import forest

        with theme.styled():
            return forest(self.result, ax, **options)
