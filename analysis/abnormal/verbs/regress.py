"""`abnormal regress`: abnormal returns on characteristics of events and firms."""

from __future__ import annotations

from typing import Any

import click

from ..cli import DONE
from .common import Output, common_options, load_studies, settings_option


@click.command("regress", short_help="Regress abnormal returns on characteristics.")
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@click.option("--formula", metavar="TEXT", help='As "car ~ unlock_pct + C(role)" (default: [regression] of the study).')
@click.option("--window", nargs=2, type=int, metavar="A B", help="Window of the CAR (default: the headline).")
@click.option("--cov", metavar="NAME", help="How standard errors are made (default: by the design).")
@click.option("--cluster", metavar="COLUMN", help="Cluster standard errors by this column, or by date.")
@settings_option
@common_options
def command(
    out: Output, studies: tuple[str, ...], formula: str | None, window: tuple[int, int] | None, cov: str | None,
    cluster: str | None, settings: tuple[str, ...],
) -> int:  # fmt: skip
    """Regress the abnormal returns of a study on characteristics of its events and firms.

    \b
    abnormal regress my_study --formula "car ~ unlock_pct" --window 0 1
    """
    from ..study import run

    loaded = load_studies(studies, settings)
    plans = [_options(study.spec.regression, formula, window, cov, cluster) for study in loaded]
    answers = []
    for study, (text, options) in zip(loaded, plans):
        with out.progress() as progress:
            result = run(study, progress=progress)
        answers.append((study.name, result.regress(text, **options)))
    if out.json:
        out.document({"regressions": [{"study": name} | answer.to_dict() for name, answer in answers]})
        return DONE
    for name, answer in answers:
        out.text(f"{name}\n{answer}" if len(answers) > 1 else str(answer))
    return out.exit_code([f"{name}: {a.status}: {a.reason}" for name, a in answers if a.status != "ok"])


def _options(
    own: Any, formula: str | None, window: tuple[int, int] | None, cov: str | None, cluster: str | None
) -> tuple[str, dict[str, Any]]:
    """The formula and options: those of the command line over those of the study file."""
    text = formula or (own.formula if own is not None else "")
    if not text:
        raise click.UsageError('no formula: give --formula "car ~ unlock_pct", or [regression] in the study file')
    options: dict[str, Any] = {}
    if own is not None:
        options = {"cov": own.cov} | ({"window": own.window} if own.window is not None else {})
    given = {"window": window or None, "cov": cov, "cluster": cluster}
    return text, options | {name: value for name, value in given.items() if value is not None}
