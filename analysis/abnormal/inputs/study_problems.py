"""Everything that is wrong in a study file, said all at once, each problem at the key it is about.

Unknown and missing keys come from a pydantic model of the file, wrong values from the cleaners beside the fields of
`StudySpec` and `EventSelection`, and values that cannot stand together from their rules of conflict.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

from ..clean import Cleaner, path_text, text, wrong
from ..errors import SpecError, StudyFileError, UnknownName
from ..spec import FIELD_OF, KEYS, Conflict, conflicts_in_file
from .selection import EventSelection, selection_conflicts
from .toml_positions import Loc, key_positions

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMA = 1

# ------------------------------------------------------------------------------------------------- what a file may say


def heading(key: str, value: Any) -> str:
    """A title or question; it may be empty."""
    return "" if value == "" else text(key, value, "Did the order move the share?")


def _schema(key: str, value: Any) -> int:
    if type(value) is not int:
        raise wrong(key, value, "the number of the file format", SCHEMA)
    if value != SCHEMA:
        raise SpecError(f"{key}: {value} is not known; this version reads {SCHEMA}; type schema = {SCHEMA}")
    return value


ROOT: Mapping[str, Cleaner] = MappingProxyType({"schema": _schema, "title": heading, "question": heading})
EVENT_KEYS = {f.metadata["toml"]: f.metadata["clean"] for f in fields(EventSelection)}
FILE_KEYS: Mapping[str, Cleaner] = MappingProxyType(EVENT_KEYS | {"prices.source": path_text} | dict(KEYS))

# The sections in the order they are written, each with something to type.
SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "events": 'ids = ["us-order-anthropic"]',
        "prices": 'source = "bundled"',
        "benchmark": 'tickers = "^GSPC"',
        "model": 'name = "market"',
        "windows": "headline = [0, 0]",
        "returns": 'kind = "simple"',
        "inference": "level = 0.05",
        "confounders": 'treatment = "flag"',
        "robustness": 'models = ["mean"]',
        "regression": 'formula = "car ~ unlock_pct"',
        "specs": 'models = ["mean", "market"]',
        "power": "effects = [0.0, 0.02]",
    }
)
_REQUIRED = ("schema", "events", "regression.formula")
PATHS = ("events.file", "prices.source", "benchmark.factors")


class Problem(NamedTuple):
    """Something wrong at a key of a study file."""

    loc: Loc
    text: str

    @property
    def name(self) -> str:
        return ".".join(map(str, self.loc))

    @property
    def key(self) -> str:
        """Section and key, without the place inside a value."""
        return ".".join(map(str, self.loc[:2]))


class Places(Protocol):
    """Where the keys were written, and so how a problem with one is said."""

    def wrote(self, key: str) -> bool: ...

    def report(self, problems: Sequence[Problem]) -> str: ...


def syntax_error(source: str, label: str, error: ValueError) -> StudyFileError:
    """What tomllib says, as file:line:column with the line."""
    lines, message = source.split("\n"), str(error)
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    line, column = (int(found[1]), int(found[2])) if found and found[1] else (len(lines), len(lines[-1]) + 1)
    what = message[: found.start()] if found else message
    return StudyFileError(f"{label}:{line}:{column}: not valid TOML: {what}\n{_quoted(line, lines)}")


def _quoted(line: int, lines: Sequence[str]) -> str:
    return f"{line:>7} | {lines[line - 1]}"


class FilePlaces:
    """Keys written in a file: a problem is said as file:line:column with the line below it."""

    def __init__(self, label: str, source: str) -> None:
        self._label, self._source = label, source
        self._positions = key_positions(source)

    def wrote(self, key: str) -> bool:
        return tuple(key.split(".")) in self._positions

    def report(self, problems: Sequence[Problem]) -> str:
        lines = self._source.split("\n")
        said = []
        for problem in problems:
            line, column = self._line_and_column(problem.loc)
            head = f"{self._label}:{line}:{column}: {problem.name}: {problem.text}"
            said.append(((line, column), f"{head}\n{_quoted(line, lines)}"))
        return "\n".join(text_ for _, text_ in sorted(said, key=lambda s: s[0]))

    def _line_and_column(self, loc: Loc) -> tuple[int, int]:
        """Of the deepest part of `loc` that the file has."""
        found = [self._positions[loc[:n]] for n in range(len(loc), 0, -1) if loc[:n] in self._positions]
        at = found[0] if found else 0
        return self._source.count("\n", 0, at) + 1, at - self._source.rfind("\n", 0, at)


class SettingPlaces:
    """Keys set on the command line: a problem is said as ``--set key: ...``."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = set(keys)

    def wrote(self, key: str) -> bool:
        return key in self._keys

    def report(self, problems: Sequence[Problem]) -> str:
        return "\n".join(f"--set {p.name}: {p.text}" for p in problems)


def checked(document: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Checked values under their dotted keys; all that is wrong is one StudyFileError."""
    problems = _shape_problems(document)
    good = _good_values(document, {p.key for p in problems})
    clashes = _conflicts(good, {p.key for p in problems})
    problems += [Problem(_loc_of(c, document, places), c.text) for c in clashes]
    if problems:
        raise StudyFileError(places.report(problems))
    return good


def _good_values(document: Mapping[str, Any], broken: set[str]) -> dict[str, Any]:
    """Checked values of the keys that are right in themselves."""
    good = {key: document[key] for key in ROOT if key in document and key not in broken}
    for section, table in document.items():
        for name, value in table.items() if isinstance(table, Mapping) else ():
            key = f"{section}.{name}"
            if key in FILE_KEYS and key not in broken:
                good[key] = FILE_KEYS[key](key, value)
    if "regression.formula" not in good:
        good = {key: value for key, value in good.items() if not key.startswith("regression.")}
    return good


def _shape_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Unknown keys, missing keys, and values that are wrong in themselves."""
    from pydantic import ValidationError

    try:
        _file_model().model_validate(document)
    except ValidationError as error:
        return [Problem((*e["loc"], *e.get("ctx", {}).get("element", ())), _said(e["loc"], e)) for e in error.errors()]
    return []


@cache
def _file_model() -> type[BaseModel]:
    """The shape of a study file: sections and keys that exist, each value judged by the cleaner of its field."""
    from pydantic import create_model

    kinds: dict[str, Any] = {name: _judged(name, clean) for name, clean in ROOT.items()}
    for section in SECTIONS:
        inside = {key: clean for key, clean in FILE_KEYS.items() if key.startswith(f"{section}.")}
        judged = {key: _judged(key, clean) for key, clean in inside.items()}
        kinds[section] = create_model(f"Section_{section}", __config__={"extra": "forbid"}, **_aliased(judged))
    return create_model("StudyFile", __config__={"extra": "forbid"}, **_aliased(kinds))


def _aliased(kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Fields under names that cannot hide a method of pydantic's (a file has a key `schema`)."""
    from pydantic import Field

    leaf = {key: key.rpartition(".")[2] for key in kinds}
    return {
        f"{leaf[key]}_": (kind, Field(... if key in _REQUIRED else None, alias=leaf[key]))
        for key, kind in kinds.items()
    }


def _judged(key: str, clean: Cleaner) -> Any:
    from pydantic import PlainValidator
    from pydantic_core import PydanticCustomError

    def judge(value: Any) -> Any:
        try:
            return clean(key, value)
        except (SpecError, UnknownName) as error:
            element = _element(key, value, error)
            said = re.sub(rf"^{re.escape(key)}(\[\d+\]|\.\w+)?: ", "", str(error))
            raise PydanticCustomError("value", "{said}", {"said": said, "element": element}) from None

    return Annotated[Any, PlainValidator(judge)]


def _element(key: str, value: Any, error: Exception) -> Loc:
    """The place inside a value that an error is about, if it is about one: of a list, or of the options of a model."""
    if isinstance(error, UnknownName):
        items = value if isinstance(value, list) else []
        return tuple(i for i, v in enumerate(items) if f":{v}".endswith(f":{error.name}"))[:1]
    found = re.match(rf"{re.escape(key)}(?:\[(\d+)\]|\.(\w+)): ", str(error))
    if found is None:
        return ()
    return (int(found[1]),) if found[1] else (found[2],)


def _said(loc: Loc, error: Any) -> str:
    key = ".".join(map(str, loc))
    section = str(loc[0])
    if error["type"] == "extra_forbidden":
        near = nearest_key(key)
        return f"unknown key (did you mean {near}?)" if near else "unknown key"
    if error["type"] == "missing":
        below = SECTIONS.get(section, "schema = 1")
        return f"missing; type [{section}] and below it {below}" if key in SECTIONS else f"missing; type {below}"
    if key in SECTIONS:
        return f"expected a section of keys; type [{section}] and below it {SECTIONS[section]}"
    return str(error["msg"])


def nearest_key(key: str) -> str:
    """The key of a study file that was probably meant, or an empty string.

    Examples
    --------
    >>> nearest_key("model.nmae"), nearest_key("modle"), nearest_key("model.level")
    ('model.name', 'model', 'inference.level')
    """
    section, _, leaf = key.rpartition(".")
    leaves = {k: k.rpartition(".")[2] for k in FILE_KEYS} | {name: name for name in (*ROOT, *SECTIONS)}
    siblings = {name: k for k, name in leaves.items() if k.rpartition(".")[0] == section}
    if near := difflib.get_close_matches(leaf, siblings, n=1, cutoff=0.6):
        return siblings[near[0]]
    elsewhere = {name: k for k, name in reversed(leaves.items())} | {f: k for k, f in reversed(list(FIELD_OF.items()))}
    near = difflib.get_close_matches(leaf, elsewhere, n=1, cutoff=0.8)
    return elsewhere[near[0]] if near else ""


def _conflicts(good: Mapping[str, Any], broken: set[str]) -> list[Conflict]:
    """Values that cannot stand together, as far as what is broken in itself lets one see."""
    broken_fields = {f for key, f in FIELD_OF.items() if key in broken or key.partition(".")[0] in broken}
    spec_part = {k: v for k, v in good.items() if k in KEYS}
    own = {n: True if (k := f"events.{n}") in broken else good.get(k) for n in (f.name for f in fields(EventSelection))}
    about_events = [] if "events" in broken else selection_conflicts(own)
    return about_events + conflicts_in_file(spec_part, {name for name in broken_fields if "." not in name})


def _loc_of(conflict: Conflict, document: Mapping[str, Any], places: Places) -> Loc:
    """The first key of the conflict that was written here, else the first that the study has."""
    keys = [key for name in conflict.fields for key in _keys_of_field(name, conflict, document)]
    present = [key for key in keys if _has(document, key)]
    return tuple(([k for k in present if places.wrote(k)] or present or keys)[0].split("."))


def _keys_of_field(name: str, conflict: Conflict, document: Mapping[str, Any]) -> list[str]:
    if name != "windows":
        return [k for k, f in FIELD_OF.items() if f == name] or [name]
    headline = document.get("windows", {}).get("headline")
    is_headline = conflict.window == (tuple(headline) if isinstance(headline, list) else headline)
    return ["windows.headline", "windows.also"] if is_headline else ["windows.also", "windows.headline"]


def _has(document: Mapping[str, Any], key: str) -> bool:
    section, dot, name = key.partition(".")
    inside = document.get(section)
    return inside is not None and (not dot or (isinstance(inside, Mapping) and name in inside))
