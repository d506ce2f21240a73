"""`abnormal audit`: everything noticed in the prices of a study, and what it does to it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE
from .common import Output, common_options

if TYPE_CHECKING:
    from ..case import Request
    from ..inputs.audit import Finding

WIDTH = 100
FEW = 12  # findings of one rule that are shown in full


@click.command("audit", short_help="What is wrong with a study's prices, before any estimate.")
@click.argument("study", required=False)
@click.option("--prices", metavar="FILE", help="Price file or store folder instead of the study's own.")
@click.option("--all", "everything", is_flag=True, help="Show every finding, also those outside the study's windows.")
@click.option("--rules", "list_rules", is_flag=True, help="List what is looked for, and why.")
@common_options
def command(out: Output, study: str | None, prices: str | None, everything: bool, list_rules: bool) -> int:
    """What is wrong with a study's prices, before any estimate.

    STUDY is the name of a bundled study, or the path of a study file. Nothing is repaired: every finding names ticker,
    date and rule, and says what the study does with it.

    \b
    abnormal audit anthropic_export_order
    abnormal audit my_study.toml --all
    abnormal audit --rules
    """
    if list_rules:
        return _rules(out)
    if study is None:
        raise click.UsageError("nothing to audit: give a STUDY (`abnormal run --list`)")
    from ..inputs.audit import audit
    from ..request import settle

    request = settle(study, prices)
    found = audit(request)
    if out.json:
        out.document({"study": request.name, "findings": [_record(f) for f in found]})
    elif out.quiet:
        out.text("\n".join(map(str, found)) if found else "nothing found")
    else:
        out.text(_page(request, found, everything))
    return out.exit_code([str(f) for f in found if f.weight != "note" and f.place in ("event", "estimation")])


def _record(f: Finding) -> dict[str, Any]:
    return {
        "ticker": f.ticker, "date": _iso(f.date), "until": _iso(f.until), "rule": f.rule, "message": f.message,
        "effect": f.effect, "weight": f.weight, "place": f.place,
    }  # fmt: skip


def _iso(day: Any) -> str | None:
    return None if day is None else str(day)


# ------------------------------------------------------------------------------------------------ as text


def _page(request: Request, found: Sequence[Finding], everything: bool) -> str:
    from ..inputs.audit import counts
    from ..inputs.audit_uses import used_tickers

    inside = [f for f in found if f.place in ("event", "estimation")]
    shown = found if everything else inside
    lines = [
        request.title or request.name or "Audit",
        f"prices: {request.source.describe()}; {len(used_tickers(request))} tickers",
    ]
    heads = (("fault", "Cannot be right"), ("doubt", "To be looked at"), ("note", "To know"))
    for weight, head in heads:
        some = [f for f in shown if f.weight == weight]
        if some:
            lines += ["", f"{head} ({len(some)})", *_entries(some, everything)]
    if not shown:
        lines += ["", "Nothing found." if not found else "Nothing found in the windows of the study."]
    rest = [] if everything else [f for f in found if f not in inside]
    if rest:
        lines += ["", _folded(f"Outside the windows: {_counted(counts(rest))}. --all shows them.", "")]
    return "\n".join(lines)


def _entries(found: Sequence[Finding], everything: bool) -> list[str]:
    """Findings in words; of a rule that fired often the first ones and how many more."""
    lines: list[str] = []
    left: dict[str, int] = {}
    seen: dict[str, int] = {}
    for f in found:
        seen[f.rule] = seen.get(f.rule, 0) + 1
        if not everything and seen[f.rule] > FEW:
            left[f.rule] = left.get(f.rule, 0) + 1
            continue
        lines += [_folded(f"{f}", "  "), _folded(f.effect, "      ")]
    return lines + [f"  and {n} more of {rule}" for rule, n in left.items()]


def _folded(text: str, indent: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def _counted(totals: Sequence[tuple[str, str, int]]) -> str:
    return ", ".join(f"{rule} {n}" for rule, _, n in totals)


def _rules(out: Output) -> int:
    from ..inputs.audit import RULES

    if out.json:
        out.document({"rules": [{"rule": r.id, "weight": r.weight, "doc": r.doc} for r in RULES]})
    elif out.quiet:
        out.text("\n".join(r.id for r in RULES))
    else:
        out.text("\n".join(f"{r.id} ({r.weight})\n{_folded(r.doc, '    ')}" for r in RULES))
    return DONE
