"""`abnormal audit`: what is wrong with a study's prices, before any estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE
from .common import Output, common_options, load_studies, settings_option

if TYPE_CHECKING:
    from ..inputs.audit import Finding


@click.command("audit", short_help="What is wrong with a study's prices.")
@click.argument("studies", nargs=-1, metavar="STUDY...")
@click.option("--rules", "list_rules", is_flag=True, help="List what is looked for.")
@settings_option
@common_options
def command(out: Output, studies: tuple[str, ...], list_rules: bool, settings: tuple[str, ...]) -> int:
    """What is wrong with a study's prices, before any estimate: ticker, date, rule, and what it does to the study.

    Nothing is repaired. With --strict exit 1 where something cannot be (weight "fault").
    """
    if list_rules:
        return _rules(out)
    from ..inputs.audit import audit
    from ..request import settle

    asked = [settle(study) for study in load_studies(studies, settings)]
    findings = list(dict.fromkeys(f for request in asked for f in audit(request)))
    if out.json:
        out.document({"findings": [_record(f) for f in findings]})
    else:
        _say(out, findings)
    faults = sum(f.weight == "fault" for f in findings)
    return out.exit_code([f"{faults} faults in the prices"] if faults else [])


def _say(out: Output, findings: list[Finding]) -> None:
    from ..inputs.audit import counts
    from ..present import console

    if not out.quiet:
        for f in findings:
            out.text("\n".join(console.wrap(f"{f.weight}: {f}; {f.effect}", indent=6)))
    total = ", ".join(f"{n} {rule}" for rule, _, n in counts(findings))
    out.text(f"{console.plural(len(findings), 'finding')}: {total}" if findings else "nothing found")


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "ticker": finding.ticker, "date": None if finding.date is None else str(finding.date), "rule": finding.rule,
        "message": finding.message, "effect": finding.effect, "weight": finding.weight, "place": finding.place,
        "until": None if finding.until is None else str(finding.until),
    }  # fmt: skip


def _rules(out: Output) -> int:
    from ..inputs.audit import RULES
    from ..present.tables import Column, Table

    if out.json:
        out.document({"rules": [{"rule": r.id, "weight": r.weight, "description": r.doc} for r in RULES]})
    else:
        rows = tuple((r.id, r.weight, " ".join(r.doc.split())) for r in RULES)
        out.table(Table("", (Column("rule", "Rule"), Column("weight"), Column("what")), rows))
    return DONE
