"""Writes docs/methods/*.md from the registries: `python docs/make_methods.py` (or `--print tests` to look)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from abnormal.checks import decision
from abnormal.checks.decision import AddOn, Design, Outcome, Row
from abnormal.registry import CHECKS, MODELS, TESTS, Method, Registry

FOLDER = Path(__file__).parent / "methods"
PAGES: dict[str, tuple[str, Registry, str]] = {
    "models": ("Expected-return models", MODELS, "What would have happened otherwise?"),
    "tests": ("Tests", TESTS, "Is it different from zero?"),
    "checks": ("Checks", CHECKS, "Can we believe it?"),
}
ALL = (*PAGES, "decision")
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


def plain(text: str) -> str:
    """Text in which Markdown sees no emphasis: asterisks outside of code are asterisks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else p.replace("*", "\\*") for p in parts)


def section(method: Method) -> str:
    """Everything the registry knows of one method."""
    lines = [f"### `{method.name}`", "", plain(method.doc.replace("\n    ", "\n")), ""]
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


# ------------------------------------------------------------------------------------------------ the decision table

HISTORIES = (700, 250, 60, 40, 9)  # estimation returns
SPANS = ((0, 0), (1, 1), (0, 4), (0, 24))
SIZES = ((1, 1), (2, 1), (5, 1), (20, 1), (2, 2), (5, 5), (8, 8), (20, 20), (8, 3), (8, 2))  # pairs, dates
# When a vote of a row is asked for, where it is not always.
WHEN = {
    "window (0, 0)": lambda d: d.window == (0, 0),
    "one session": lambda d: d.length == 1,
    "one date": lambda d: d.dates == 1,
    "several dates": lambda d: d.dates > 1,
    "2 dates": lambda d: d.dates == 2,
    "3 dates or more": lambda d: d.dates >= 3,
    "firms share a shock": lambda d: d.one_shock,
    "firms share no shock": lambda d: not d.one_shock,
    "M >= 20 L2": lambda d: d.enough,
    "M < 20 L2": lambda d: not d.enough,
    "several sessions, M >= 20 L2": lambda d: d.l2 > 1 and d.enough,
    "6 pairs or more": lambda d: d.n >= 6,
}


def designs() -> list[Design]:
    """Designs of every kind, many enough that each row of the table meets some."""
    found = []
    for (n, dates), m, window, de in product(SIZES, HISTORIES, SPANS, (1.0, 3.0)):
        shape = {"n": n, "dates": dates, "m": m, "l2": window[1] - window[0] + 1, "window": window}
        base = Design(**shape, de=de if n > 1 else 1.0)
        found += [base, replace(base, disjoint=False)]
        found += [replace(base, **{flag: True}) for flag in ("selected", "characteristics", "intraday")]
    return found


def meeting(row: Row) -> list[Design]:
    """The designs whose row this is."""
    return [d for d in designs() if decision.row_of(d) is row]


def names(tests: Iterable[str]) -> str:
    """Ids of tests as code, each once."""
    return ", ".join(f"`{t}`" for t in dict.fromkeys(tests)) or "-"


def _headlines(row: Row, enough: bool) -> str:
    """The headline of the row, with when where it has several."""
    met = [d for d in meeting(row) if d.enough is enough]
    said = [row.headline(d) for d in met]
    each = [f"{_code(t)}{_condition([x == t for x in said], met)}" for t in dict.fromkeys(said)]
    return " or ".join(each) or "-"


def _code(test: str) -> str:
    return "none" if test == "none" else f"`{test}`"


def _votes(row: Row) -> str:
    """Every test the row may ask for, with when."""
    met = meeting(row)
    found = dict.fromkeys(t for d in met for t in row.robustness(d))
    return ", ".join(f"`{t}`{_condition([t in row.robustness(d) for d in met], met)}" for t in found) or "-"


def _condition(asked: Sequence[bool], met: Sequence[Design]) -> str:
    """In words, for which of the designs something is so; empty where it is so for all."""
    if all(asked):
        return ""
    fits = (f" ({said})" for said, rule in WHEN.items() if [bool(rule(d)) for d in met] == list(asked))
    return next(fits, " (by the design)")


def overview() -> list[str]:
    """Situation and headline of every row, in the order in which they are tried."""
    out = ["| row | situation | headline where M >= 20 L2 | headline otherwise |", "|---|---|---|---|"]
    for row in decision.ROWS:
        long, short = _headlines(row, True), _headlines(row, False)
        out.append(f"| [{row.id}](#{row.id}) | {row.situation} | {long} | {short} |")
    return out


def row_section(row: Row) -> list[str]:
    """One row: who votes, who is shown, who is greyed, and what the verdict prints."""
    facts = {
        "Votes": _votes(row),
        "Shown without a vote": names(row.shown),
        "Shown as unfit": names(row.greyed),
        "The verdict says": f"*{re.sub(r'{.*?}', '…', row.sentence)}*",
    }
    lines = [f"- **{name}:** {value}" for name, value in facts.items() if value != "-"]
    return [f"### {row.id}", "", f"{row.situation[:1].upper()}{row.situation[1:]}.", "", *lines, ""]


def extras() -> list[tuple[str, AddOn]]:
    """Each add-on row with what brings it, from the table itself."""
    loud = Outcome(disp_p=0.01, disp_factor=2.0, skewness=3.0)
    many = Design(n=20, dates=20, m=250, l2=1, window=(0, 0), thin_share=0.2)
    when = {
        "event_variance": f"from 8 pairs on, where `disp_ratio` has p < {decision.DISPERSION_P:g} (3 to 7 pairs: only said)",
        "thin_trading": f"more than {100 * decision.THIN_SHARE:g}% of sessions without a trade",
        "skewed": f"from 10 independent pairs on, where the CARs are skewed by more than {decision.SKEWED:g} standard errors",
    }
    return [(when[a.id], a) for a in decision.add_ons(many, loud)]


def decision_page() -> str:
    """The decision table as the program holds it."""
    out = [
        "# The decision table", "",
        "Which p is the headline, which tests must agree, which are shown but may not speak. Written from "
        "`checks/decision.py`, which the program itself reads.", "",
        "The row follows from the **design** alone: pairs, dates, estimation returns (M), sessions in the window (L2), "
        "correlation before the event, and what the study declares. Never from what happened in the event window. "
        "The rows are tried from the top; the first that fits is the row.", "",
        *overview(), "",
        "M >= 20 L2 means: at least twenty estimation returns for each session of the window. Below that, overlapping "
        "windows are too few to rank among.", "",
        "## The label", "",
        "Headline p below the level, and at least half of the tests with a vote agree at twice the level with the same "
        "sign: **effect detected**. Headline p below the level without that: **fragile**. Headline p not below: **not "
        "distinguishable from noise**, with the smallest effect that could have been seen. Headline not applicable: "
        "**cannot say**. Comparisons are strict. A test that does not apply does not vote.", "",
        f"Firms that share a shock, all on one date or with a design effect above {decision.DESIGN_EFFECT:g}, make tests "
        "that take them as independent `invalid`: " + names((*decision.COMMON_SHOCK, *decision.ALSO_INDEPENDENT)) + ".", "",
        "## The rows", "",
        "A test never votes on itself. Not tests of their own are `second_model` and `model:...` (the headline's test under "
        "another model), `date_t` (a t over the portfolios of the dates), `date_holm` (each date's portfolio, smallest p by "
        "Holm) and `trade_to_trade:...` (a test on trade-to-trade returns).", "",
    ]  # fmt: skip
    for row in decision.ROWS:
        out += row_section(row)
    out += [
        "## Add-ons", "",
        "These look at the event window, so they never replace a headline. They can only ask for more agreement: one of "
        "their tests at twice the level or above turns \"effect detected\" into \"fragile\".", "",
        "| add-on | when | must agree as well | may not speak |", "|---|---|---|---|",
    ]  # fmt: skip
    out += [f"| {a.id} | {when} | {names(a.votes)} | {names(a.greyed)} |" for when, a in extras()]
    return "\n".join(out).rstrip() + "\n"


def written(name: str) -> str:
    """A page of the folder by its name."""
    return decision_page() if name == "decision" else page(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", choices=ALL, help="print one page instead of writing all")
    chosen = parser.parse_args().print
    if chosen:
        print(written(chosen))
        return
    FOLDER.mkdir(exist_ok=True)
    for name in ALL:
        (FOLDER / f"{name}.md").write_text(written(name), encoding="utf-8")


if __name__ == "__main__":
    main()
