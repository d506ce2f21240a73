"""`abnormal power`: true size and power of the tests on the study's own data."""

from __future__ import annotations

from typing import Any

import click

from .common import Output, common_options, draw_figure, figure_option, load_studies, settings_option


@click.command("power", short_help="Power and true size of the tests.")
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@click.option("--effect", "effects", type=float, multiple=True, metavar="X", help="True effect, as 0.02 (repeatable).")
@click.option(
    "--draws", type=click.IntRange(min=1), metavar="N", help="Number of random events (default: of the study)."
)
@click.option("--full", is_flag=True, help="Also the resampling tests, which take longer.")
@figure_option
@settings_option
@common_options
def command(
    out: Output, studies: tuple[str, ...], effects: tuple[float, ...], draws: int | None, full: bool,
    figure: str | None, settings: tuple[str, ...],
) -> int:  # fmt: skip
    """How often would each test reject, for a study of this size and history, at each true effect?

    Effect 0 gives the true size. With --strict exit 1 where a test's size is not near the level asked for.

    \b
    abnormal power anthropic_export_order --effect 0 --effect 0.1 --draws 500
    """
    from ..power import simulate_power

    tables: list[Any] = []
    for study in load_studies(studies, settings, one=figure is not None):
        with out.progress() as progress:
            tables.append(simulate_power(study, effects=effects or None, draws=draws, full=full, progress=progress))
    if figure is not None:
        draw_figure(out, studies[0], settings, "power", tables[0].frame, figure)
    if out.json:
        documents = [table.to_dict() for table in tables]
        out.document(documents[0] if len(documents) == 1 else {"studies": documents})
    else:
        out.text("\n\n".join(map(repr, tables)))
    return out.exit_code([f"{t.title}: size of {', '.join(t.wrong_size)}" for t in tables if t.wrong_size])
