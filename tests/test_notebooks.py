"""The notebooks: well-formed, stripped and without code of their own; executed, they finish and say what their text says."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SIZE_TABLE = Path("tests") / "calibration" / "results" / "size_table.json"
# A number in bold is a result the reader will remember; the code must print it.
BOLD = re.compile(r"\*\*([+-]?\d[\d.,]*%?)\*\*")

nbformat = pytest.importorskip("nbformat")


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_of(cell: Any) -> str:
    """The cell's Python, magics left out."""
    return "\n".join(line for line in cell.source.splitlines() if not line.startswith(("%", "!")))


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages a piece of code imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def printed(notebook: Any) -> str:
    """Everything the cells of an executed notebook printed or displayed as text."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts)


def bold_numbers(notebook: Any) -> list[str]:
    return [n for cell in notebook.cells if cell.cell_type == "markdown" for n in BOLD.findall(cell.source)]


def test_the_seven_are_there() -> None:
    assert [p.name[:2] for p in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in NOTEBOOKS if p.name not in listed] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_well_formed_and_stripped(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.language == notebook.metadata.language_info.name == "python"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert [cell.id for cell in notebook.cells if not cell.source.strip()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_imports_the_package_and_defines_nothing(path: Path) -> None:
    known = {"abnormal", "pandas", "numpy", "matplotlib", "pathlib", "tempfile", "zoneinfo", "json"}
    used: set[str] = set()
    for cell in read(path).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(code_of(cell))
        own = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert [node.lineno for node in ast.walk(tree) if isinstance(node, own)] == [], cell.source
        used |= imported(tree)
    assert "abnormal" in used
    assert used - known == set()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_tells_a_story(path: Path) -> None:
    """The question first, then the answer; what cannot be said at the end."""
    prose = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    assert prose[0].startswith(f"# {int(path.name[:2])}. ")
    assert "**Question.**" in prose[0] and "**Answer" in prose[0]
    assert any("limits" in text.lower() for text in prose[-2:])


def test_a_bold_number_is_found() -> None:
    cell = nbformat.v4.new_markdown_cell("moved **-17.0%** (p = **0.0275**), **not this**, **1.** nor 3")
    assert bold_numbers(nbformat.v4.new_notebook(cells=[cell])) == ["-17.0%", "0.0275", "1."]


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headless, in a copy of the folder with nothing in the user's store: finishes, saves figures, prints its bold numbers."""
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "store"))
    folder = tmp_path / "notebooks"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("figures", ".ipynb_checkpoints"))
    (tmp_path / SIZE_TABLE).parent.mkdir(parents=True)
    shutil.copy(ROOT / SIZE_TABLE, tmp_path / SIZE_TABLE)
    notebook = read(folder / path.name)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    figures = sorted((folder / "figures").glob(f"{path.name[:2]}_*.png"))
    assert figures and all(figure.stat().st_size > 5_000 for figure in figures)
    said = printed(notebook)
    assert [number for number in bold_numbers(notebook) if number not in said] == []
