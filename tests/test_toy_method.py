"""Adding a test touches one source file and one golden folder: registry, battery, CLI, docs and conformance find it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENV = os.environ | {"ABNORMAL_METHODS": "toy_median_sign", "PYTHONPATH": str(HERE / "toy")}
NAME = "toy_median_sign"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=ENV, cwd=HERE.parent, timeout=300
    )


def test_the_command_line_lists_it() -> None:
    out = run("-m", "abnormal", "methods", NAME, "--json")
    assert out.returncode == 0, out.stderr
    (method,) = json.loads(out.stdout)["methods"]
    assert (method["name"], method["kind"], method["variants"]) == (NAME, "test", ["exact"])


def test_a_study_runs_it_unasked() -> None:
    code = (
        "import abnormal as ab; s = ab.run('anthropic_order_two_labs');"
        f"r = s.tests[s.tests.test == '{NAME}']; print(len(r), sorted(set(r.status)))"
    )
    out = run("-c", code)
    assert out.stdout.split(maxsplit=1)[0] == "4", out.stderr
    assert "ok" in out.stdout


def test_the_methods_page_shows_it() -> None:
    out = run("docs/make_methods.py", "--print", "tests")
    assert f"### `{NAME}`" in out.stdout, out.stderr
    assert "10.1080/01621459.1946.10501898" in out.stdout


def test_conformance_and_golden_values_are_inherited() -> None:
    out = run(
        "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", NAME, "tests/inference/test_conformance.py",
        "tests/inference/test_golden_cases.py",
    )  # fmt: skip
    assert out.returncode == 0, out.stdout + out.stderr
    passed = int(next(w for w in out.stdout.replace("\n", " ").split() if w.isdigit()))
    assert "passed" in out.stdout and "failed" not in out.stdout
    assert passed >= 10, out.stdout
