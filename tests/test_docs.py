"""The pages keep their promises: examples run and print what they show, generated pages are in step, links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import matplotlib
import pytest

matplotlib.use("Agg")

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

pages_with_examples = importlib.import_module("make_outputs")

PAGES = sorted(p for p in DOCS.rglob("*.md"))
TEXT = {p: p.read_text(encoding="utf-8") for p in PAGES}


def name(path: Path) -> str:
    return str(path.relative_to(DOCS))


def has_examples(path: Path) -> bool:
    return any(b.runs for b in pages_with_examples.blocks(TEXT[path]))


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "store"))


# ------------------------------------------------------------------------------------------------ examples


@pytest.mark.parametrize("path", [p for p in pages_with_examples.pages() if has_examples(p)], ids=name)
@pytest.mark.filterwarnings("ignore::abnormal.AbnormalWarning")
def test_examples_run_and_print_what_the_page_shows(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    now = pages_with_examples.run_page(TEXT[path], folder)
    assert now == TEXT[path], f"run `python docs/make_outputs.py {path.relative_to(ROOT)}` and read the difference"


def commands() -> list[tuple[str, str]]:
    """Every `$ abnormal ...` of every page, those that only run elsewhere included."""
    found = []
    for path, text in TEXT.items():
        for block in pages_with_examples.blocks(text):
            if block.language == "console":
                found += [(name(path), c) for c in block.commands if re.search(r"(^|\s)abnormal\s", c)]
    return found


@pytest.mark.parametrize("command", sorted({c for _, c in commands()}))
def test_commands_exist_with_their_options(command: str) -> None:
    from abnormal.verbs.group import group

    words = shlex.split(re.split(r"\s(?:&&|\||>)\s", command)[0])
    words = words[words.index("abnormal") + 1 :]
    if words in (["--help"], ["--version"]):
        return
    verb: click.Command = group
    context = click.Context(group)
    while isinstance(verb, click.Group):
        found = verb.get_command(context, words.pop(0))
        assert found is not None, command
        verb, context = found, click.Context(found)
    verb.make_parser(context).parse_args(words)  # an unknown option or a missing value is an error


def test_most_commands_are_not_only_parsed() -> None:
    run = sum(len(b.commands) for t in TEXT.values() for b in pages_with_examples.blocks(t) if b.runs)
    assert run > 0.6 * len(commands())


def test_a_page_that_is_out_of_step_is_found(tmp_path: Path) -> None:
    page = "```python\nprint(1 + 1)\n```\n\n<!-- output -->\n```text\n3\n```\n"
    assert "```text\n2\n```" in pages_with_examples.run_page(page, tmp_path)
    wrong = "<!-- run exit=2 -->\n```console\n$ abnormal run --list\n```\n"
    with pytest.raises(RuntimeError, match="exit code 0, expected 2"):
        pages_with_examples.run_page(wrong, tmp_path)


# ------------------------------------------------------------------------------------------------ generated pages


@pytest.mark.parametrize("page", ["models", "tests", "checks", "decision"])
def test_methods_pages_are_those_of_the_registry(page: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(DOCS)!r}); import make_methods as m; sys.stdout.write(m.written({page!r}))"
    own = {k: v for k, v in os.environ.items() if k != "ABNORMAL_METHODS"}  # a process of its own: no toy methods
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=own, check=True).stdout
    assert made == TEXT[DOCS / "methods" / f"{page}.md"], "run `python docs/make_methods.py`"


def test_every_row_of_the_decision_table_is_met() -> None:
    import make_methods

    from abnormal.checks.decision import ROWS

    for row in ROWS:
        assert make_methods.meeting(row), f"no design of docs/make_methods.py leads to the row {row.id}"


def test_the_calibration_page_is_that_of_the_kept_results() -> None:
    import make_calibration

    assert make_calibration.page() == TEXT[make_calibration.PAGE], "run `python docs/make_calibration.py`"
    kept = json.loads((make_calibration.RESULTS / "size_table.json").read_text(encoding="utf-8"))
    assert all(f"`{test}`" in TEXT[make_calibration.PAGE] for test in kept["rates"]["N=5 r=.3"])


def test_the_page_of_study_files_is_that_of_the_spec() -> None:
    import make_study_file

    assert make_study_file.page() == TEXT[make_study_file.PAGE], "run `python docs/make_study_file.py`"
    assert all(meaning for _, meaning in make_study_file.keys().values())


def test_their_numbers_are_recomputed() -> None:
    import make_numbers

    assert make_numbers.with_tables(TEXT[make_numbers.PAGE]) == TEXT[make_numbers.PAGE], (
        "run `python docs/make_numbers.py`"
    )
    assert {m[2] for m in make_numbers.MARKS.finditer(TEXT[make_numbers.PAGE])} == set(make_numbers.TABLES)


def test_every_column_of_a_result_is_described() -> None:
    import abnormal as ab
    from abnormal.result import FRAMES

    described = set(re.findall(r"`(\w+)`", TEXT[DOCS / "reference" / "frames.md"]))
    for study in (ab.run("anthropic_export_order"), ab.run("anthropic_order_two_labs")):
        for frame in FRAMES:
            missing = set(study.to_frame(frame).columns) - described
            assert not missing, f"{frame}: {sorted(missing)}"


# ------------------------------------------------------------------------------------------------ links


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as the site makes them."""
    heads = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", TEXT[path], flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    plain = [re.sub(r"[^\w\s-]", "", h.replace("`", "")).strip().lower() for h in heads]
    return {re.sub(r"[\s-]+", "-", h) for h in plain}


def links() -> list[tuple[Path, str]]:
    text = {p: re.sub(r"^```.*?^```", "", t, flags=re.MULTILINE | re.DOTALL) for p, t in TEXT.items()}
    found = [(p, link) for p, t in text.items() for link in re.findall(r"\]\(([^)\s]+)\)", t)]
    return [(p, link) for p, link in found if not re.match(r"https?://", link)]


@pytest.mark.parametrize(("path", "link"), sorted(set(links())), ids=lambda x: x if isinstance(x, str) else name(x))
def test_links_lead_somewhere(path: Path, link: str) -> None:
    target, _, anchor = link.partition("#")
    page = (path.parent / target).resolve() if target else path
    assert page.exists(), f"{name(path)}: {link}"
    if anchor and page.suffix == ".md":
        assert anchor in anchors(page), f"{name(path)}: {link}; {sorted(anchors(page))}"


def test_pages_load_nothing_from_elsewhere() -> None:
    for path, text in TEXT.items():
        assert not re.search(r"!\[[^\]]*\]\(https?:|<(script|img|link|iframe)\b", text), name(path)
    for asset in (DOCS / "assets").iterdir():
        assert "http" not in asset.read_text(encoding="utf-8"), asset.name


def test_every_page_is_in_the_contents() -> None:
    import tomllib

    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    listed = set(re.findall(r"[\w/-]+\.md", json.dumps(site["nav"])))
    assert {name(p) for p in PAGES} <= listed
    assert listed - {name(p) for p in PAGES} <= {"performance.md"}  # written by the benchmarks
    assert site["theme"]["font"] is False


# ------------------------------------------------------------------------------------------------ docstrings

MODULES = (
    "abnormal, abnormal.spec, abnormal.specs, abnormal.study, abnormal.result, abnormal.power, abnormal.inputs.store, "
    "abnormal.inputs.events, abnormal.inputs.studyfile, abnormal.inputs.selection, abnormal.inputs.sessions, "
    "abnormal.inputs.providers.synthetic, abnormal.inputs.providers.files, abnormal.regress.cross_section, "
    "abnormal.regress.groups, abnormal.present.plots, abnormal.present.summary, abnormal.present.comparison"
).split(", ")


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.filterwarnings("ignore::abnormal.AbnormalWarning")
def test_examples_of_docstrings_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
    assert tried > 0 or module == "abnormal.inputs.providers.files"


# ------------------------------------------------------------------------------------------------ the site


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zensical") is None, reason='needs pip install -e ".[docs]"')
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    (tmp_path / "analysis").symlink_to(ROOT / "analysis")
    done = subprocess.run(["zensical", "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"', page.read_text(encoding="utf-8"))
        loaded += re.findall(
            r'<link\b[^>]*rel="(?:stylesheet|icon|preconnect)"[^>]*href="([^"]+)"', page.read_text("utf-8")
        )
        assert not [x for x in loaded if x.startswith(("http", "//"))], page
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    found = {item["location"].partition("#")[0] for item in index["items"]}
    assert {name(p).replace(".md", ".html") for p in PAGES} <= found
