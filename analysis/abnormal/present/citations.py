"""References of exactly the methods a study used, from one BibTeX file keyed by DOI."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..registry import CHECKS, MODELS, TESTS, Method, Registry
from ..result import StudyResult
from . import console

FILE = Path(__file__).with_name("references.bib")
_DOI = re.compile(r"10\.\d{4,9}/[^\s,;]+")

# Columns of `car` that hold a test of the pair, and what it is called in the registry.
PAIR_COLUMNS = {
    "p": "t_car", "sq_p": "sq", "conformal_p": "conformal", "placebo_p": "placebo_time", "selection_p": "selection",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of the BibTeX file: its key, its DOI ("" = none), first author and year, and its text as it stands there."""

    key: str
    doi: str
    author: str
    year: str
    text: str


# ------------------------------------------------------------------------------------------------ the file


@cache
def references() -> dict[str, Reference]:
    """Every entry of the file by its key."""
    out = {}
    for raw in re.split(r"(?m)^(?=@)", FILE.read_text(encoding="utf-8"))[1:]:
        key = re.match(r"@\w+\{([^,]+),", raw)
        if key is None:
            raise ValueError(f"{FILE.name}: an entry without key: {raw[:60]!r}")
        doi, author, year = (
            _first(p, raw) for p in (r"doi = \{([^}]+)\}", r"author = \{([^,]+),", r"year = \{(\d+)\}")
        )
        out[key[1]] = Reference(key[1], doi, author, year, raw.strip())
    return out


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return "" if found is None else found[1]


@cache
def _by_doi() -> dict[str, Reference]:
    return {r.doi.lower(): r for r in references().values() if r.doi}


def dois_in(text: str) -> list[str]:
    """The DOIs a method names, in their order.

    Examples
    --------
    >>> dois_in("doi:10.2307/2490543; Cowan (1992), doi:10.1007/BF00939016.")
    ['10.2307/2490543', '10.1007/BF00939016']
    """
    return [found.rstrip(".") for found in _DOI.findall(text)]


def reference_of(doi: str) -> Reference | None:
    """The entry of a DOI, or None where the file has none."""
    return _by_doi().get(doi.lower())


def references_in(text: str) -> list[Reference]:
    """The papers a method names: by DOI, or by first author and year where the paper has no DOI.

    Examples
    --------
    >>> [r.key for r in references_in("Rinaudo and Saha (2014); doi:10.2307/2490543")]
    ['patell1976', 'rinaudo2014']
    """
    found = [reference_of(doi) for doi in dois_in(text)]
    named = [r for r in references().values() if not r.doi and r.author in text and r.year in text]
    return [r for r in found if r is not None] + named


# ------------------------------------------------------------------------------------------------ what a study used


@dataclass(frozen=True, slots=True)
class Used:
    """The methods whose numbers stand in a result, each kind in the order of its registry."""

    models: tuple[Method, ...]
    tests: tuple[Method, ...]
    checks: tuple[Method, ...]

    def __iter__(self) -> Any:
        return iter((*self.models, *self.tests, *self.checks))


def used_methods(result: StudyResult) -> Used:
    """Models that were estimated, tests that gave a p, checks that were decided; what was not applicable is not cited."""
    models = [*result.pairs["model"], *_alternative_models(result)]
    decided = (
        result.checks[[v is not None and v == v for v in result.checks["passed"]]]["check"]
        if len(result.checks)
        else ()
    )
    return Used(_known(MODELS, models), _known(TESTS, _tests(result)), _known(CHECKS, decided))


def _known(registry: Registry, names: Iterable[Any]) -> tuple[Method, ...]:
    wanted = {str(n) for n in names}
    return tuple(m for m in registry if m.name in wanted)


def _alternative_models(result: StudyResult) -> list[str]:
    frame = result.robustness
    if "what" not in frame:
        return []
    told = [str(w) for w, car in zip(frame["what"], frame["car"]) if console.is_number(car)]
    return [name for w in told if w.startswith("model:") for name in w.removeprefix("model:").split("+")]


def _tests(result: StudyResult) -> list[str]:
    tests, car = result.tests, result.car
    names = [str(t) for t, p in zip(tests["test"], tests["p"]) if console.is_number(p)]
    names += [test for column, test in PAIR_COLUMNS.items() if column in car and car[column].notna().any()]
    names += ["intraday_extreme"] if "rank_p" in result.jump and result.jump["rank_p"].notna().any() else []
    for name, vote in result.verdict.votes.items():
        p = vote["p"] if isinstance(vote, dict) else vote.p
        names += [name] if console.is_number(p) else []
    return names


def used_references(result: StudyResult) -> list[Reference]:
    """Each paper once, by its key."""
    found = {r.key: r for method in used_methods(result) for r in references_in(method.reference)}
    return [found[key] for key in sorted(found)]


def bibtex(result: StudyResult) -> str:
    """BibTeX of the papers behind the models, tests and checks whose numbers stand in the result.

    Examples
    --------
    >>> import abnormal as ab
    >>> entries = ab.run("anthropic_export_order").cite()
    >>> "Valid Inference in Single-Firm, Single-Event Studies" in entries, "Patell" in entries
    (True, False)
    """
    return "\n\n".join(r.text for r in used_references(result)) + "\n"
