"""README keeps its promises: the two lines, the printed answer, the links, the Python example."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
sys.path.insert(0, str(ROOT / "docs"))


def test_the_two_lines() -> None:
    lines = re.search(r"<!-- two-lines -->(.*?)<!-- /two-lines -->", README, re.DOTALL)
    assert lines is not None
    commands = [x.split("#")[0].strip() for x in lines[1].splitlines() if x.startswith("pip install ")]
    assert commands == ["pip install -e . && abnormal run anthropic_export_order", 'pip install -e ".[dev]" && pytest']


def test_the_printed_answer_is_what_the_program_prints() -> None:
    from make_readme import with_output

    assert with_output(README) == README, "run `python docs/make_readme.py`"


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists(), link


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code[1], names)
    assert (tmp_path / "zhipu.pdf").stat().st_size > 10_000
