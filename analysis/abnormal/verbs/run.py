"""`abnormal run`: studies from names, files or options -> summaries, JSON, folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE, offered
from .common import Output, common_options, load_studies, settings_option
from .group import colour_wanted, tell

if TYPE_CHECKING:
    from ..inputs.studyfile import Study
    from ..result import StudyResult


@dataclass(frozen=True, slots=True)
class Asked:
    """One study to run, and prices handed over beside it (a file of returns)."""

    study: Study
    prices: Any = None


@click.command("run", short_help="Study events and print what came out.")
@click.argument("studies", nargs=-1, metavar="[STUDY]...")
@click.option("--list", "list_", is_flag=True, help="List the bundled studies.")
@click.option("--events", metavar="FILE", help="Event file (CSV, YAML, Parquet) instead of a STUDY.")
@click.option("--prices", metavar="FILE", help="Price file or store folder.")
@click.option("--returns", metavar="FILE", help="File of decimal returns instead of prices.")
@click.option("--benchmark", metavar="TICKER", multiple=True, help="Benchmark; repeat it for an equal-weighted basket.")
@click.option("--model", metavar="NAME", help="Model of expected returns (`abnormal methods`).")
@click.option("--estimation", nargs=2, type=int, metavar="A B", help="Estimation window in sessions, as -260 -11.")
@click.option("--window", "windows", nargs=2, type=int, metavar="A B", multiple=True, help="Window; first = headline.")
@click.option("--factors", metavar="FILE", help="Kenneth French library file of factor returns.")
@settings_option
@click.option("-o", "--output", metavar="DIR", help="Write result.json, tables, figures and manifest there.")
@click.option("--no-figures", is_flag=True, help="With -o: leave the figures out.")
@click.option("--report", is_flag=True, help="Also write the PDF report (into DIR, else here).")
@click.option("--fetch", is_flag=True, help="First fetch from Yahoo what is missing (opens a connection).")
@common_options
def command(
    out: Output, studies: tuple[str, ...], list_: bool, settings: tuple[str, ...], output: str | None,
    no_figures: bool, report: bool, fetch: bool, **given: Any,
) -> int:  # fmt: skip
    """Study events and print what came out.

    STUDY is the name of a bundled study, or the path of a study file or folder. Several studies are also set side by
    side. Without STUDY, --events and --prices (or --returns) say what to study.

    \b
    abnormal run anthropic_export_order
    abnormal run anthropic_export_order --model mean --window 0 3
    abnormal run --events my_events.csv --prices my_prices.csv --benchmark ^HSI
    """
    if list_:
        return _list(out)
    if report and not offered("report"):
        raise click.UsageError("--report: the report engine is not part of this installation")
    asked = _asked(studies, settings, given)
    places = _places(asked, output)
    results, codes = [], []
    for one, place in zip(asked, places):
        try:
            result = _run(one, fetch, out)
        except Exception as error:
            if len(asked) == 1:
                raise
            out.note(f"{_name(one)}:")
            codes.append(tell(error))
            continue
        results.append(result)
        _write(result, place, not no_figures, report, out)
    _print(results, len(asked), out)
    if output and len(results) > 1:
        _write_comparison(results, Path(output), out)
    return max([*codes, out.exit_code([s for r in results for s in shortfalls(r)])])


# ------------------------------------------------------------------------------------------------ what was asked for


def _asked(studies: Sequence[str], settings: Sequence[str], given: dict[str, Any]) -> list[Asked]:
    """Every study with the options laid over it, all read before any is run."""
    from ..inputs.providers.files import Returns
    from ..inputs.studyfile import with_settings

    if given["prices"] and given["returns"]:
        raise click.UsageError("--prices and --returns exclude each other: give one of them")
    if given["events"] and studies:
        raise click.UsageError("--events takes the place of a STUDY: give one of them")
    if not studies and not given["events"]:
        raise click.UsageError("nothing to run: give a STUDY (`abnormal run --list`), or --events and --prices")
    chosen = load_studies(studies) if studies else [_from_options(given["events"])]
    changed = [_with_options(study, given) for study in chosen]
    final = [with_settings(study, settings) if settings else study for study in changed]
    prices = Returns(given["returns"]) if given["returns"] else None
    return [Asked(study, prices) for study in final]


def _from_options(events: str) -> Study:
    """A study of all events of a file."""
    from ..inputs.selection import EventSelection
    from ..inputs.studyfile import Study

    path = Path(events).expanduser().absolute()
    return Study(events=EventSelection(file=str(path)), name=path.stem)


def _with_options(study: Study, given: dict[str, Any]) -> Study:
    """The study with what --model, --benchmark, --estimation, --window, --factors and --prices say."""
    changes: dict[str, Any] = {name: given[name] for name in ("model", "estimation") if given[name]}
    if given["benchmark"]:
        names = given["benchmark"]
        changes["benchmark"] = names[0] if len(names) == 1 else names
    if given["windows"]:
        changes["windows"] = given["windows"]
    if given["factors"]:
        changes["factors"] = str(Path(given["factors"]).expanduser().absolute())
    changed = replace(study, spec=study.spec.but(**changes)) if changes else study
    prices = given["prices"]
    if not prices:
        return changed
    return replace(changed, prices=prices if prices == "bundled" else str(Path(prices).expanduser().absolute()))


def _places(asked: Sequence[Asked], output: str | None) -> list[Path | None]:
    """The folder of each result: DIR itself for one study, DIR/name for several."""
    if not output:
        return [None] * len(asked)
    if len(asked) == 1:
        return [Path(output)]
    places: list[Path | None] = []
    for i, one in enumerate(asked):
        place = Path(output) / _name(one)
        places.append(place if place not in places else Path(output) / f"{_name(one)}-{i + 1}")
    return places


def _name(one: Asked) -> str:
    return one.study.name or "study"


# ------------------------------------------------------------------------------------------------ run, write, print


def _run(one: Asked, fetch: bool, out: Output) -> StudyResult:
    from ..study import run

    prices = one.prices
    if fetch:
        from .fetch import fetch_for

        prices = fetch_for(one.study, out)
    out.detail(f"running {_name(one)}")
    with out.progress() as progress:
        return run(one.study, prices, progress=progress)


def _write(result: StudyResult, place: Path | None, figures: bool, report: bool, out: Output) -> None:
    if place is not None:
        from ..present.save import save_result

        save_result(result, place, figures=figures)
        out.note(f"written: {place}")
    if report:
        target = place / "report.pdf" if place is not None else Path(f"{result.name or 'report'}.pdf")
        out.note(f"written: {result.report(target)}")


def _print(results: Sequence[StudyResult], asked: int, out: Output) -> None:
    if out.json:
        if asked == 1:
            out.document(results[0].to_dict())
        else:
            out.document({"studies": [r.to_dict() for r in results]})
        return
    if out.quiet:
        out.text("\n".join(r.verdict.sentence for r in results))
        return
    rule = "\n" + "-" * 100 + "\n"
    for i, result in enumerate(results):
        out.text(f"{rule}\n{styled(result)}" if i else styled(result))
    if len(results) > 1:
        from ..present.tables import comparison_table

        out.text(rule)
        out.table(comparison_table(results))


_COLOURS = {"effect detected": "green", "fragile": "yellow"}


def styled(result: StudyResult) -> str:
    """The summary; on a terminal with the title in bold and the label in colour."""
    import sys

    text = repr(result)
    if not colour_wanted(sys.stdout):
        return text
    title, newline, rest = text.partition("\n")
    label = result.verdict.label
    shown = click.style(label, fg=_COLOURS.get(label, "cyan"), bold=True)
    return click.style(title, bold=True) + newline + rest.replace(label, shown, 1)


def _write_comparison(results: Sequence[StudyResult], folder: Path, out: Output) -> None:
    from ..present.save import write_csv
    from ..present.tables import comparison_table

    out.note(f"written: {write_csv(folder / 'comparison.csv', comparison_table(results))}")


def shortfalls(result: StudyResult) -> list[str]:
    """What --strict counts: checks that failed and pairs that were excluded."""
    failed = [r["check"] for r in result.checks.to_dict("records") if r["passed"] is not None and not r["passed"]]
    pairs = [r["what"] for r in result.excluded.to_dict("records") if r["event_id"]]
    said = [f"{result.name or result.title}: checks failed: {', '.join(failed)}"] if failed else []
    return said + ([f"{result.name or result.title}: excluded: {', '.join(pairs)}"] if pairs else [])


def _list(out: Output) -> int:
    from ..inputs.studyfile import bundled_studies, load_study
    from ..present.tables import Column, Table

    rows = [(name, load_study(name)) for name, _ in bundled_studies()]
    if out.json:
        out.document({"studies": [{"name": n, "title": s.title, "question": s.question} for n, s in rows]})
    elif out.quiet:
        out.text("\n".join(name for name, _ in rows))
    else:
        cells = tuple((name, study.question or study.title) for name, study in rows)
        out.table(Table("", (Column("name", "Study"), Column("question", "Question")), cells))
    return DONE
