"""Writes docs/methods/*.md from the registries: `python docs/make_methods.py` (or `--print tests` to look)."""

from __future__ import annotations

import argparse
from pathlib import Path

from abnormal.registry import CHECKS, MODELS, TESTS, Method, Registry

FOLDER = Path(__file__).parent / "methods"
PAGES: dict[str, tuple[str, Registry, str]] = {
    "models": ("Expected-return models", MODELS, "What would have happened otherwise?"),
    "tests": ("Tests", TESTS, "Is it different from zero?"),
    "checks": ("Checks", CHECKS, "Can we believe it?"),
}
SCOPES = {
    "pair": "Single pair",
    "cross": "Cross-section",
    "date": "Common date",
    "space": "Other shares",
    "adjust": "Several hypotheses at once",
    "intraday": "Inside the session",
    "activity": "Volume and range",
    "": "",
}


def link(reference: str) -> str:
    """A paper's DOI as a link."""
    doi = reference.removeprefix("doi:")
    return f"[doi:{doi}](https://doi.org/{doi})" if reference.startswith("doi:") else reference


def section(method: Method) -> str:
    """Everything the registry knows of one method."""
    lines = [f"### `{method.name}`", "", method.doc.replace("\n    ", "\n"), ""]
    facts = {
        "Formula": f"`{method.formula}`" if method.formula else "",
        "Paper": link(method.reference),
        "Assumes": ", ".join(method.assumes),
        "Robust to": ", ".join(method.robust_to),
        "Variants (the default first)": ", ".join(f"`{v}`" for v in method.variants),
        "Others compute it": method.others,
        "Check value": method.check,
        "Pairs needed": str(method.min_pairs) if method.kind == "test" and method.scope != "pair" else "",
        "Common date": "needed" if method.one_date else "",
    }
    lines += [f"- **{name}:** {value}" for name, value in facts.items() if value]
    return "\n".join([*lines, ""])


def page(name: str) -> str:
    """One page: all methods of a registry, grouped by scope."""
    title, registry, question = PAGES[name]
    out = [f"# {title}", "", f"{question} Written from the registry; `abnormal methods` prints the same.", ""]
    scopes = dict.fromkeys([s for s in SCOPES if any(m.scope == s for m in registry)])
    for scope in scopes:
        if SCOPES[scope]:
            out += [f"## {SCOPES[scope]}", ""]
        out += [section(m) for m in registry if m.scope == scope]
    return "\n".join(out).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", choices=PAGES, help="print one page instead of writing all")
    chosen = parser.parse_args().print
    if chosen:
        print(page(chosen))
        return
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main()
