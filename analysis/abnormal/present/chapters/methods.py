"""How it was computed: the formulas of exactly the methods used, and everything needed to make the report again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...registry import Method
from ...result import plain
from .. import console
from ..citations import references_in, used_methods
from ..tables import Column, Table
from .blocks import Block, Chapter, Pages, chapter, facts, formula, heading, listing, table


def methods_chapter(pages: Pages) -> Chapter:
    """Notation, groundwork, then every model, test and check whose numbers stand in this report."""
    result = pages.result
    if result.pairs.empty:
        return chapter("Methods")
    used = used_methods(result)
    blocks: list[Block | None] = [{"type": "notation"}, *_ground(pages)]
    blocks += [heading("Models"), *(_method("models", m) for m in used.models)]
    blocks += [heading("Tests"), *(_method("tests", m) for m in used.tests)] if used.tests else []
    with_formula = [m for m in used.checks if m.formula]
    blocks += [heading("Diagnostics"), *(_method("checks", m) for m in with_formula)] if with_formula else []
    return chapter("Methods", blocks)


def _ground(pages: Pages) -> list[Block | None]:
    """What every study rests on."""
    result = pages.result
    out: list[Block | None] = [
        heading("Groundwork"),
        formula(
            "general",
            "abnormal_return",
            "The abnormal return is what happened less what was expected, and its error variance that of a forecast:",
        ),
        formula(
            "general",
            "car",
            "Over a window they add up, and the error of the estimated parameters is common to all its sessions:",
        ),
        formula("general", "scar", "Standardised, with the residual variance of the estimation window:"),
        formula("general", "interval", "Intervals of a pair are those of a prediction:"),
    ]
    if len(result.pairs) > 1:
        out.append(formula("general", "caar", "The average over pairs:"))
        out.append(
            formula(
                "general",
                "design_effect",
                "Pairs that share sessions count for fewer, by the mean correlation of their residuals:",
            )
        )
    if not result.jump.empty:
        out.append(
            formula(
                "general",
                "jump",
                "The day in logarithms, and the share of the extreme given back (for a fall with the low in place of the high):",
            )
        )
    if console.is_number(result.verdict.mde):
        out.append(
            formula(
                "general", "mde", "The smallest effect seen with 80% power follows from the noncentral t distribution:"
            )
        )
    if "value" in result.car and result.car["value"].notna().any():
        out.append(formula("general", "value", "Worth in money, at the close before each session:"))
    return out


def _method(group: str, method: Method) -> Block:
    """The name and question of a method, the paper it comes from, and its formula."""
    papers = references_in(method.reference)
    cited = "".join(f" {{cite:{r.key}}}" for r in papers) if papers else f" ({method.reference})"
    return formula(group, method.name, f"{{b:{method.name}}}{cited}: {method.title}", method.formula)


# ------------------------------------------------------------------------------------------------ appendix


def manifest_chapter(pages: Pages) -> Chapter:
    """Digests, versions, seed and specification: with them the report can be made again to the same bytes."""
    result = pages.result
    manifest = plain(dict(result.manifest))
    again = f"abnormal report {result.name}" if result.name else "study.report(path)"
    versions = ", ".join(f"{k} {v}" for k, v in (manifest.get("versions") or {}).items())
    head = facts(
        [
            ("Again", f"{again}, with the data and versions below, gives the same bytes."),
            ("Specification", str(manifest.get("spec_digest", ""))), ("Seed", str(manifest.get("seed", ""))),
            ("Versions", versions), ("Compatibility", str(manifest.get("compat") or "")),
        ]
    )  # fmt: skip
    settings = listing(list(_flat(plain(result.spec.to_dict()))))
    return chapter("How to make this report again", head, _digests(manifest), heading("Specification"), settings)


def _digests(manifest: Mapping[str, Any]) -> Block | None:
    columns = (
        Column("series", "Series"),
        Column("first", "First"),
        Column("last", "Last"),
        Column("sha256", "SHA-256 of its bars"),
    )
    rows = [
        (k, v.get("first", ""), v.get("last", ""), v.get("sha256", "")) for k, v in (manifest.get("data") or {}).items()
    ]
    rows += [(k, "", "", v) for k, v in (manifest.get("frames") or {}).items()]
    return table("digests", "The data by their digests.", Table("", columns, tuple(rows)), grow=["sha256"])


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The specification as dotted keys; empty ones are left out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif value not in (None, [], {}, ""):
        yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
