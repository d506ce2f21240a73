"""Study files: a question, its events, prices and spec in one TOML file <-> `Study`."""

# ruff: noqa: RUF009 -- `keyed` is `dataclasses.field` with two facts about the field

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..clean import keyed, optional, path_text, settle, wrong
from ..errors import SpecError, StudyFileError, UnknownName
from ..spec import KEYS, StudySpec, gather
from .bundled import study_path
from .selection import EventSelection
from .study_problems import (
    EVENT_KEYS,
    PATHS,
    SCHEMA,
    SECTIONS,
    FilePlaces,
    Places,
    SettingPlaces,
    checked,
    heading,
    syntax_error,
)  # fmt: skip

BUNDLED = "bundled"


def _spec(key: str, value: Any) -> StudySpec:
    if isinstance(value, StudySpec):
        return value
    raise SpecError(f"{key}: {type(value).__name__} given; expected a StudySpec; type spec=StudySpec(...)")


def _selection(key: str, value: Any) -> EventSelection:
    if isinstance(value, EventSelection):
        return value
    if isinstance(value, Mapping) and set(value) <= {f.name for f in fields(EventSelection)}:
        return EventSelection(**value)
    raise wrong(key, value, "an EventSelection or a mapping of its fields", {"ids": ["us-order-anthropic"]})


@dataclass(frozen=True, slots=True)
class Study:
    """A question with everything needed to answer it: events, prices and what to do.

    Parameters
    ----------
    events : EventSelection or mapping
        Which events, and which tickers.
    spec : StudySpec
        What to do.
    title, question : str
        In plain words.
    prices : str, optional
        ``"bundled"``, or a store folder, CSV or Parquet file, as written. Default: the user's store, then bundled.
    path : Path, optional
        The file it was read from; relative paths count from there. No part of equality.
    name : str
        Short name: the file's without ending. No part of equality.

    Examples
    --------
    >>> study = load_study("anthropic_export_order")
    >>> study.name, study.events.tickers, study.spec.headline
    ('anthropic_export_order', ('2513.HK',), (0, 0))
    """

    events: EventSelection = keyed("events", _selection)
    spec: StudySpec = keyed("spec", _spec, StudySpec())
    title: str = keyed("title", heading, "")
    question: str = keyed("question", heading, "")
    prices: str | None = keyed("prices.source", optional(path_text))
    path: Path | None = field(default=None, compare=False)
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        settle(self, by_name=True)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Study:
        """Read a study file.

        Raises
        ------
        StudyFileError
            Everything that is wrong in the file, each with file:line:column, the line and "did you mean".
        """
        file = Path(path)
        study = _read(_decoded(file), str(path))
        return replace(study, path=file, name=file.stem)

    def to_toml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The study as the text of a study file, written to `path` if one is given; reading it gives an equal study."""
        import tomli_w

        written = _compact(tomli_w.dumps(self.to_dict()))
        if path is not None:
            Path(path).write_text(written, encoding="utf-8")
        return written

    def to_dict(self) -> dict[str, Any]:
        """What a study file says, in its order, without what has its default value."""
        head = {"schema": SCHEMA, "title": self.title, "question": self.question}
        events = {f.name: _listed(v) for f in fields(self.events) if (v := getattr(self.events, f.name))}
        spec = self.spec.to_dict(defaults=False)
        sections = {"events": events | spec.pop("events", {}), "prices": {"source": self.prices} if self.prices else {}}
        ordered = {name: spec[name] for name in SECTIONS if name in spec}
        return {k: v for k, v in (head | sections | ordered).items() if v != "" and v != {}}

    def resolve(self, path: str) -> Path:
        """A path of the study as one that can be opened: relative ones count from the study file."""
        folder = self.path.parent if self.path is not None else Path()
        return folder / Path(path).expanduser()

    @property
    def event_file(self) -> Path | None:
        """The user's own catalogue, ready to open; None = the bundled one."""
        return None if self.events.file is None else self.resolve(self.events.file)

    @property
    def price_source(self) -> Path | str | None:
        """``"bundled"``, a path ready to open, or None = the user's store, then bundled."""
        return self.prices if self.prices in (None, BUNDLED) else self.resolve(self.prices)

    @property
    def factor_file(self) -> Path | None:
        """The factor file, ready to open."""
        return None if self.spec.factors is None else self.resolve(self.spec.factors)


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, tuple) else value


_ARRAY = re.compile(r"^([^\n=]+ = )\[\n((?: +[^\n]*\n)+)\]$", re.MULTILINE)


def _compact(toml: str) -> str:
    """Arrays on one line where they fit. (The writer breaks every array, and no string of its spans lines.)"""

    def joined(found: re.Match[str]) -> str:
        inner = " ".join(line.strip() for line in found[2].splitlines())
        line = f"{found[1]}[{inner}]".replace("[ ", "[").replace(", ]", "]").replace(",]", "]")
        return line if len(line) <= 110 and tomllib.loads(line) == tomllib.loads(found[0]) else found[0]

    return _ARRAY.sub(joined, toml)


# -------------------------------------------------------------------------------------------------- finding studies


def bundled_studies() -> list[tuple[str, str]]:
    """Name and title of each bundled study."""
    files = sorted(study_path().glob("*.toml"))
    return [(f.stem, tomllib.loads(_decoded(f)).get("title", "")) for f in files]


def load_study(name_or_path: str | os.PathLike[str]) -> Study:
    """A bundled study by its name, or any study by the path of its file (or of a folder with a ``study.toml``).

    A bare word that is the name of a bundled study means that study, whatever lies in the current folder.

    Raises
    ------
    UnknownName
        Neither a bundled study nor a file; names the nearest.
    StudyFileError
        A file that cannot be understood.

    Examples
    --------
    >>> load_study("chip_export_rules_2022").spec.benchmark
    '^GSPC'
    """
    names = [f.stem for f in study_path().glob("*.toml")]
    if str(name_or_path) in names:
        return Study.from_toml(study_path(f"{name_or_path}.toml"))
    file = Path(name_or_path)
    if file.is_dir():
        file = file / "study.toml"
    if file.is_file():
        return Study.from_toml(file)
    beside = sorted(str(f) for f in file.parent.glob("*.toml"))
    hint = "give the path of a study file or the name of a bundled study; `abnormal run --list` shows those"
    raise UnknownName("study", str(name_or_path), [*names, *beside], hint)


def _decoded(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise StudyFileError(
            f"{file}: cannot be read: {error.strerror or error}; give the path of a study file"
        ) from None
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line, column = raw.count(b"\n", 0, error.start) + 1, error.start - raw.rfind(b"\n", 0, error.start)
        raise StudyFileError(f"{file}:{line}:{column}: not UTF-8 text; save the file as UTF-8") from None


# ---------------------------------------------------------------------------------------------------- text and settings


def _read(source: str, label: str) -> Study:
    try:
        document = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise syntax_error(source, label, error) from None
    return _study(document, FilePlaces(label, source))


def _study(document: Mapping[str, Any], places: Places) -> Study:
    good = checked(document, places)
    own = {key.removeprefix("events."): good[key] for key in EVENT_KEYS if key in good}
    return Study(
        events=EventSelection(**own),
        spec=StudySpec(**gather({k: v for k, v in good.items() if k in KEYS})),
        title=good.get("title", ""),
        question=good.get("question", ""),
        prices=good.get("prices.source"),
    )


def with_settings(study: Study, settings: Iterable[str]) -> Study:
    """The study with keys of its file changed, each given as ``key=value``.

    Values are read as TOML; a bare word that is no TOML is text. Relative paths count from the current folder.

    Raises
    ------
    StudyFileError
        Everything that is wrong, each as ``--set key: ...``.

    Examples
    --------
    >>> study = load_study("anthropic_export_order")
    >>> with_settings(study, ["model.name=mean", "windows.headline=[0,1]"]).spec.headline
    (0, 1)
    """
    document = study.to_dict()
    changes = dict(_setting(s) for s in settings)
    for key, value in changes.items():
        _assign(document, key.split("."), value)
    return replace(_study(document, SettingPlaces(changes)), path=study.path, name=study.name)


def _setting(setting: str) -> tuple[str, Any]:
    key, equals, written = (part.strip() for part in setting.partition("="))
    if not equals or not key or not written:
        raise StudyFileError(f"--set {setting}: expected key=value; type for instance --set model.name=mean")
    try:
        parsed = tomllib.loads(f"value = {written}")
    except tomllib.TOMLDecodeError:
        if written[0] in "\"'[{":
            raise StudyFileError(f"--set {key}: {written} is not a TOML value; check quotes and brackets") from None
        parsed = {"value": written}
    if set(parsed) != {"value"}:
        raise StudyFileError(f"--set {key}: {written!r} holds more than one value; use --set once for each key")
    value = parsed["value"]
    if key in PATHS and isinstance(value, str) and value != BUNDLED:
        value = str(Path(value).expanduser().absolute())
    return key, value


def _assign(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *sections, name = path
    for section in sections:
        if not isinstance(document.get(section), dict):
            document[section] = {}
        document = document[section]
    document[name] = value
