"""The PDF report: chapters as data, one Typst template, PDF/A-2b with tags, the same bytes for the same result.

Nothing of the machine enters: bundled fonts only, no clock, no path. A character that no bundled font holds is an error.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import RequestError, UnknownName
from ..result import StudyResult
from . import console, theme
from .chapters import cautions, estimates, front, methods, story, tests
from .chapters.blocks import Chapter, Pages
from .citations import used_references
from .save import write_bytes

Paper = Literal["a4", "us-letter"]
TEMPLATES = Path(__file__).with_name("templates")
_MISSING = re.compile(r'the text `"(.+?)"` could not be displayed')


def write_report(
    result: StudyResult,
    path: str | Path,
    *,
    paper: Paper = "a4",
    specs: Any = None,
    power: Any = None,
    regressions: Any = None,
) -> Path:
    """Write the report of a study as PDF/A-2b and give its path back.

    Page one answers: question, verdict, headline with interval, one figure, what speaks against it. Then event, prices, the
    day, estimates, tests, other events, power, money, checks, exclusions, methods with formulas and references, and an
    appendix with everything needed to make it again.

    Parameters
    ----------
    result : StudyResult
        Just made or loaded; figures of prices and residuals need one just made.
    path : path
    paper : {"a4", "us-letter"}
    specs : SpecificationCurve or DataFrame, optional
        What `study.specs()` answers: its curve takes the place of the study's own alternatives.
    power : PowerTable or DataFrame, optional
        What `study.power()` answers.
    regressions : RegressionResult or list of them, optional
        Default: the one the study file asks for.

    Raises
    ------
    RequestError
        The file cannot be written, or a character has no glyph in the bundled fonts (named).
    UnknownName
        No such paper.

    Examples
    --------
    >>> import tempfile, abnormal as ab
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ab.run("anthropic_export_order").report(f"{folder}/report.pdf").stat().st_size > 50_000
    True
    """
    if paper not in get_args(Paper):
        raise UnknownName("paper", paper, get_args(Paper))
    extras = {"specs": specs, "power": power, "regressions": tests.given_regressions(regressions)}
    return write_bytes(Path(path), report_bytes(report_data(result, paper, extras)))


# ------------------------------------------------------------------------------------------------ data


def report_data(result: StudyResult, paper: str = "a4", extras: dict[str, Any] | None = None) -> dict[str, Any]:
    """Everything the template sets, as plain values."""
    pages = Pages(result, extras=extras or {})
    first = front.front(pages)
    chapters = [
        story.event_chapter(pages), story.data_chapter(pages), story.jump_chapter(pages), estimates.estimates_chapter(pages),
        tests.tests_chapter(pages), cautions.confounders_chapter(pages), tests.power_chapter(pages),
        tests.regression_chapter(pages), estimates.money_chapter(pages), cautions.checks_chapter(pages),
        cautions.exclusions_chapter(pages), methods.methods_chapter(pages),
    ]  # fmt: skip
    return {
        "paper": paper, "title": result.title, "running": console.clip(result.title, 90), "name": console.clip(result.name, 40),
        "author": "abnormal", "keywords": ["event study", "abnormal returns"], "made_by": f"abnormal {_version()}",
        "front": first, "chapters": _kept(chapters), "appendix": _kept([methods.manifest_chapter(pages)]),
        "bibliography": "\n\n".join(r.text for r in used_references(result)), "figures": pages.figures,
    }  # fmt: skip


def _kept(chapters: list[Chapter]) -> list[dict[str, Any]]:
    return [c.to_dict() for c in chapters if c.blocks]


def _version() -> str:
    try:
        return version("abnormal")
    except PackageNotFoundError:
        return ""


# ------------------------------------------------------------------------------------------------ pdf


def report_bytes(data: dict[str, Any]) -> bytes:
    """The PDF of a report's data."""
    import typst

    try:
        return typst.compile(
            str(TEMPLATES / "report.typ"), root=str(TEMPLATES), font_paths=[str(theme.font_folder())],
            ignore_system_fonts=True, pdf_standards=["a-2b"], timestamp=0,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        )  # fmt: skip
    except typst.TypstError as error:
        missing = _MISSING.search(str(error))
        if missing is None:
            raise
        raise RequestError(_without_glyph(missing[1])) from None


def _without_glyph(text: str) -> str:
    character = text[0]
    return (
        f"report: no bundled font has the character {character!r} (U+{ord(character):04X}); the fonts cover Latin, Greek, "
        "Cyrillic, Chinese and kana: write the name in those"
    )
