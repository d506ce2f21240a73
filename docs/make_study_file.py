"""Writes docs/reference/study-file.md from `StudySpec` and its parts: `python docs/make_study_file.py`."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from abnormal.inputs.selection import EventSelection
from abnormal.spec import FIELD_OF, Power, Regression, Robustness, SpecGrid, StudySpec

PAGE = Path(__file__).resolve().parent / "reference" / "study-file.md"
PARTS = {"robustness": Robustness, "specs": SpecGrid, "regression": Regression, "power": Power}
FIRST = ("events", "prices", "benchmark", "model", "windows", "returns", "inference", "confounders")
HEAD = {
    "events": "Which events, and which shares",
    "prices": "Where prices come from",
    "benchmark": "What a share is measured against",
    "model": "What would have happened otherwise",
    "windows": "Which sessions count",
    "returns": "How returns are made",
    "inference": "How sure",
    "confounders": "Other events",
    "robustness": "Shown beside the study, never instead of it",
    "specs": "`abnormal specs`",
    "regression": "`abnormal regress`",
    "power": "`abnormal power`",
}
WINDOWS = {
    "windows.headline": ("(-1, 1), or wider for an event of unknown time", "The window the verdict is about."),
    "windows.also": ("(0, 0), (0, 1), (-5, 5), (-10, 10)", "Further windows."),
}
PLAINER = {
    "``": "`", "Default None:": "Left out:", "row of 9": "row of the decision table", "tau = 0": "session 0",
    "As in `Robustness`": "As in `[robustness]`", "; None = the study's headline": "; left out: the study's headline",
}  # fmt: skip
OTHER = {"prices.source": ("the store, then bundled", '`"bundled"`, a store folder, or a CSV or Parquet file.')}


def told(kind: type[Any]) -> dict[str, str]:
    """What the docstring says of each parameter, by name, without numbers of sections."""
    text = inspect.getdoc(kind) or ""
    part = text.partition("Parameters\n----------\n")[2]
    part = re.split(r"\n\n[A-Z][a-z]+\n-----", part)[0]
    out = {}
    for m in re.finditer(r"^(\w[\w, ]*?)(?: : ([^\n]*))?\n((?:    [^\n]*\n?)+)", part, re.MULTILINE):
        said = " ".join(line.strip() for line in m[3].splitlines())
        said = re.sub(r" \((?:METHODS\.md )?\d[\d., ]*\)", "", said)
        for old, new in PLAINER.items():
            said = said.replace(old, new)
        options = re.search(r"{(.+,.+)}", m[2] or "")
        said += f" One of {', '.join(f'`{x.strip()}`' for x in options[1].split(','))}." if options else ""
        out |= {name.strip(): said for name in m[1].split(",")}
    return out


def defaults(kind: type[Any]) -> dict[str, Any]:
    return {f.name: f.default for f in fields(kind)}


def shown(value: Any) -> str:
    """A default as a study file would have it."""
    if value is None or value in ((), {}) or (not isinstance(value, bool | int | float) and not value):
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(shown(v).strip("`") for v in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def keys() -> dict[str, tuple[str, str]]:
    """Every key of a study file with its default and what it means."""
    spec, usual = told(StudySpec), defaults(StudySpec)
    events = told(EventSelection)
    found = {f"events.{f.name}": (shown(f.default), events.get(f.name, "")) for f in fields(EventSelection)} | OTHER
    for key, name in FIELD_OF.items():
        part, dot, field = name.partition(".")
        if dot:
            kind = PARTS[part]
            meaning = told(kind).get(field) or told(Robustness)[field]
            found[key] = (shown(defaults(kind)[field]) if part != "regression" or field != "formula" else "-", meaning)
        else:
            found[key] = WINDOWS.get(key) or (shown(usual[name]), spec[name])
    return found


def page() -> str:
    """The whole page."""
    out = [
        "# Study files", "",
        "A study is a TOML file: `schema = 1`, a `title`, a `question`, and the sections below. Keys left out have their "
        "defaults; an unknown key or a wrong value is an error with file, line and column. Relative paths count from the "
        "file. On the command line `--set section.key=value` changes one key. Written from `StudySpec`.", "",
    ]  # fmt: skip
    all_keys = keys()
    sections = dict.fromkeys([*FIRST, *(k.partition(".")[0] for k in all_keys)])
    for section in sections:
        out += [f"## [{section}]", "", f"{HEAD[section]}.", "", "| key | default | meaning |", "|---|---|---|"]
        rows = {k: v for k, v in all_keys.items() if k.startswith(f"{section}.")}
        out += [f"| `{k.partition('.')[2]}` | {usual} | {meaning} |" for k, (usual, meaning) in rows.items()]
        out.append("")
    return "\n".join(out).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
