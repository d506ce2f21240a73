"""`abnormal methods`: the registry of models, tests and checks, as a list or one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE
from .common import Output, common_options

if TYPE_CHECKING:
    from ..registry import Method


@click.command("methods", short_help="Every model, test and check.")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(["model", "test", "check"]), help="Only models, tests or checks.")
@common_options
def command(out: Output, name: str | None, kind: str | None) -> int:
    """Every model, test and check: formula, paper, what it assumes. With NAME everything known of one.

    \b
    abnormal methods
    abnormal methods --kind model
    abnormal methods bmp
    """
    found = _named(name, kind) if name else _methods(kind)
    if out.json:
        out.document({"methods": [_record(m) for m in found]})
    elif name:
        out.text("\n\n".join("\n".join(_lines(m)) for m in found))
    elif out.quiet:
        out.text("\n".join(m.name for m in found))
    else:
        _list(out, found)
    return DONE


def _methods(kind: str | None) -> list[Method]:
    from ..registry import CHECKS, MODELS, TESTS

    return [m for registry in (MODELS, TESTS, CHECKS) if kind in (None, registry.kind) for m in registry]


def _named(name: str, kind: str | None) -> list[Method]:
    from ..errors import UnknownName

    known = _methods(kind)
    found = [m for m in known if m.name == name]
    if not found:
        raise UnknownName(kind or "method", name, [m.name for m in known], "`abnormal methods` lists them all")
    return found


def _record(method: Method) -> dict[str, Any]:
    return {
        "name": method.name, "kind": method.kind, "title": method.title, "formula": method.formula,
        "paper": method.reference, "assumptions": list(method.assumes), "robust_to": list(method.robust_to),
        "variants": list(method.variants), "others": method.others, "check": method.check, "scope": method.scope,
        "min_pairs": method.min_pairs, "description": method.doc,
    }  # fmt: skip


def _list(out: Output, methods: list[Method]) -> None:
    from ..present.tables import Column, Table

    for kind in dict.fromkeys(m.kind for m in methods):
        rows = tuple((m.name, m.title.rstrip("."), ", ".join(m.variants)) for m in methods if m.kind == kind)
        columns = (Column("name", f"{kind.capitalize()}s"), Column("title", "What"), Column("variants"))
        out.table(Table("", columns, rows))
        out.text("")
    out.note("abnormal methods NAME tells the formula, paper and assumptions of one")


def _lines(method: Method) -> list[str]:
    """Everything known of one method, as labelled lines."""
    import inspect

    from ..present import console

    lines = [f"{method.name} ({method.kind})", *console.wrap(method.title)]
    for head, text in (
        ("formula", method.formula), ("paper", method.reference), ("assumes", ", ".join(method.assumes)),
        ("robust to", ", ".join(method.robust_to)), ("variants", ", ".join(method.variants)),
        ("needs", console.plural(method.min_pairs, "pair") if method.kind == "test" and method.min_pairs > 1 else ""),
        ("elsewhere", method.others), ("checked by", method.check),
    ):  # fmt: skip
        lines += console.wrap(console.pad(head, 12) + text, indent=12) if text else []
    body = inspect.cleandoc(method.function.__doc__ or "").partition("\n")[2].strip("\n")
    return [*lines, "", body] if body else lines
