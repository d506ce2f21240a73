"""`abnormal report`: the PDF of a study, or of a result that was written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE
from .common import Output, common_options, load_studies, settings_option

if TYPE_CHECKING:
    from ..result import StudyResult


def _curve(result: StudyResult) -> Any:
    """The specification curve of a study that was just run on daily prices; None where the returns are not at hand."""
    if result.case is None or result.spec.freq != "1d" or result.pairs.empty:
        return None
    return result.specs()


@click.command("report", short_help="Write the PDF report of a study.")
@click.argument("what", metavar="STUDY|DIR")
@click.option("-o", "--output", metavar="FILE", help="Where to (default: NAME.pdf here).")
@click.option("--paper", type=click.Choice(["a4", "us-letter"]), default="a4", show_default=True, help="Paper size.")
@settings_option
@common_options
def command(out: Output, what: str, output: str | None, paper: str, settings: tuple[str, ...]) -> int:
    """Write the PDF report of a study, or of a folder that `abnormal run -o` wrote.

    \b
    abnormal report anthropic_export_order -o report.pdf
    """
    from ..result import load_result
    from ..study import run

    saved = (Path(what) / "result.json").is_file()
    if saved and settings:
        raise click.UsageError(f"{what} holds a finished result; --set needs a STUDY")
    study = None if saved else load_studies([what], settings)[0]
    with out.progress() as progress:
        result = load_result(what) if study is None else run(study, progress=progress)
        target = result.report(Path(output or f"{result.name or 'report'}.pdf"), paper=paper, specs=_curve(result))
    if out.json:
        out.document({"report": str(target)})
    elif not out.quiet:
        out.text(str(target))
    return DONE
