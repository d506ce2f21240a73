"""Where bundled data and studies live: inside the installed package, else in the checkout around it.

A wheel carries its own copy under `_bundled/`; an editable install has none there, so the checkout answers.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import DataMissing

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent.parent


def data_path(*parts: str) -> Path:
    """Path of a bundled data file or folder, e.g. ``data_path("events")``."""
    return _find("data", _CHECKOUT / "data", parts)


def study_path(*parts: str) -> Path:
    """Path of the bundled study folder, or of one file in it."""
    return _find("studies", _CHECKOUT / "analysis" / "studies", parts)


def _find(kind: str, checkout: Path, parts: tuple[str, ...]) -> Path:
    for folder in (_PACKAGE / "_bundled" / kind, checkout):
        if folder.is_dir():
            return folder.joinpath(*parts)
    raise DataMissing(f"the bundled {kind} are missing from this installation; install the package again")
