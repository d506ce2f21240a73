"""The arrows of the house: who may import whom (STYLE of the project), and what may load when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "analysis" / "abnormal"
MODULES = sorted(ROOT.rglob("*.py"))

NOUNS = {"domain", "spec", "errors", "registry", "clean"}
METHOD_ROOMS = {"models", "inference", "regress", "checks"}
STUDY_TIER = {
    "study", "case", "request", "replay", "battery", "frames", "robustness", "confounding", "jump", "provenance",
    "placing", "compat", "intraday", "intraday_case", "intraday_place", "intraday_fit", "intraday_frames",
    "intraday_anatomy", "activity", "anticipation", "slopes", "bulk", "specs", "power", "placebos",
}  # fmt: skip

# Room -> rooms of ours it may import at any level of a module.
MAY_IMPORT = {
    "kernel": {"kernel"},
    "nouns": {"nouns"},
    "inputs": {"inputs", "nouns", "kernel"},
    "models": {"models", "kernel", "nouns"},
    "inference": {"inference", "kernel", "nouns"},
    "regress": {"regress", "inference", "models", "kernel", "nouns", "study", "result"},
    "checks": {"checks", "inference", "kernel", "nouns"},
    # Thin methods of the result point back to present and regress, inside the call.
    "result": {"nouns", "present", "regress", "study"},
    "present": {"present", "result", "nouns"},
    # A result of the study tier prints itself through present, inside the call.
    "study": {"study", "present", "inputs", "models", "inference", "regress", "checks", "kernel", "nouns", "result"},
}
LIBRARIES = {
    "kernel": {"numpy", "scipy"},
    "nouns": {"numpy"},
}


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if first in NOUNS:
        return "nouns"
    if first in STUDY_TIER:
        return "study"
    return first


def imported(path: Path, top_level_only: bool = False, source: str | None = None) -> list[str]:
    """Absolute names of everything a module imports, type-checking blocks left out."""
    tree = ast.parse(path.read_text(encoding="utf-8") if source is None else source)
    package = ("abnormal", *path.relative_to(ROOT).with_suffix("").parts[:-1])
    names: list[str] = []

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            deeper = inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            if isinstance(child, ast.Import) and not (top_level_only and inside):
                names.extend(a.name for a in child.names)
            if isinstance(child, ast.ImportFrom) and not (top_level_only and inside):
                base = package[: len(package) - child.level + 1] if child.level else ()
                stem = ".".join([*base, *([child.module] if child.module else [])])
                names.extend([stem] if child.module else [f"{stem}.{a.name}" for a in child.names])
            visit(child, deeper)

    visit(tree, False)
    return names


def wrong_arrows(path: Path, source: str | None = None) -> list[str]:
    room = room_of(path)
    if room not in MAY_IMPORT:
        return []
    out = []
    for name in imported(path, source=source):
        parts = name.split(".")
        if parts[0] == "abnormal" and len(parts) > 1:
            there = room_of(ROOT / Path(*parts[1:]))
            if there not in MAY_IMPORT[room] and there != "__init__":
                out.append(f"{path.relative_to(ROOT)} ({room}) -> {name} ({there})")
        elif room in LIBRARIES and parts[0] not in LIBRARIES[room] and parts[0] not in sys.stdlib_module_names:
            out.append(f"{path.relative_to(ROOT)} ({room}) -> {name}")
    return out


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    assert wrong_arrows(path) == []


def test_a_wrong_arrow_is_named() -> None:
    kernel = ROOT / "kernel" / "ols.py"
    assert wrong_arrows(kernel, "from ..inputs.store import PriceStore") == [
        "kernel/ols.py (kernel) -> abnormal.inputs.store (inputs)"
    ]
    assert wrong_arrows(kernel, "import pandas as pd") == ["kernel/ols.py (kernel) -> pandas"]
    assert wrong_arrows(kernel, "import math, numpy\nfrom scipy import special") == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_load_inside_functions(path: Path) -> None:
    """scipy.stats, statsmodels, yfinance, matplotlib, arch and the like never load with a module."""
    heavy = {"statsmodels", "yfinance", "arch", "linearmodels", "pyfixest", "sklearn", "exchange_calendars", "typst"}
    allowed = {"matplotlib"} if room_of(path) == "present" else set()
    for name in imported(path, top_level_only=True):
        assert name != "scipy.stats" and not name.startswith("scipy.stats."), name
        assert name.split(".")[0] not in (heavy | {"matplotlib"}) - allowed, name


def test_only_the_provider_knows_the_vendor() -> None:
    users = [str(p.relative_to(ROOT)) for p in MODULES if any(n.split(".")[0] == "yfinance" for n in imported(p))]
    assert users == ["inputs/providers/yahoo.py"]


def test_import_abnormal_is_light() -> None:
    code = (
        "import sys, abnormal; heavy = {'numpy','pandas','scipy','statsmodels','matplotlib','yfinance',"
        "'exchange_calendars','pydantic','pyarrow'}; print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_public_names() -> None:
    import abnormal

    assert sorted(abnormal.__all__) == sorted([*abnormal._HOMES, "__version__"])
    with pytest.raises(AttributeError, match="has no attribute 'rnu'"):
        abnormal.rnu  # noqa: B018
