"""`abnormal specs`: the specification curve of a study."""

from __future__ import annotations

from typing import Any

import click

from ..cli import DONE
from .common import Output, common_options, draw_figure, figure_option, load_studies, settings_option


@click.command("specs", short_help="Specification curve.")
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@figure_option
@settings_option
@common_options
def command(out: Output, studies: tuple[str, ...], figure: str | None, settings: tuple[str, ...]) -> int:
    """The same study by every reasonable choice of model, estimation window, event window, returns and benchmark.

    The choices are those of [specs] in the study file; without it a default family.

    \b
    abnormal specs anthropic_export_order
    """
    from ..specs import specification_curve

    curves: list[Any] = []
    for study in load_studies(studies, settings, one=figure is not None):
        with out.progress() as progress:
            curves.append(specification_curve(study, progress=progress))
    if figure is not None:
        draw_figure(out, studies[0], settings, "specs", curves[0].frame, figure)
    if out.json:
        documents = [curve.to_dict() for curve in curves]
        out.document(documents[0] if len(documents) == 1 else {"studies": documents})
    else:
        out.text("\n\n".join(map(repr, curves)))
    return DONE
