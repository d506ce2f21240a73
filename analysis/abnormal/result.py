"""StudyResult: what came out. Frames keyed alike in Python, JSON and CSV; it prints itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .domain import AbnormalReturns, EventCatalog, Verdict
from .errors import BadData, RequestError, UnknownName
from .spec import StudySpec

if TYPE_CHECKING:
    from .present.plots import Plots

SCHEMA_VERSION = 1
FRAMES = tuple(
    "pairs abnormal_returns car aar caar tests jump checks confounders excluded robustness intraday sessions".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class StudyResult:
    """The answer of one study: estimates with intervals, tests, checks and a verdict in a plain sentence.

    Frames (pandas): `pairs`, `abnormal_returns`, `car`, `aar`, `caar`, `tests`, `jump`, `checks`, `confounders`,
    `excluded`, `robustness`. `verdict` and `manifest` are objects. All returns are decimal fractions.

    Examples
    --------
    >>> import abnormal as ab
    >>> study = ab.run("anthropic_export_order")
    >>> study.verdict.row
    'selected'
    """

    title: str
    question: str
    name: str
    spec: StudySpec
    events: EventCatalog
    pairs: pd.DataFrame
    abnormal_returns: pd.DataFrame
    car: pd.DataFrame
    aar: pd.DataFrame
    caar: pd.DataFrame
    tests: pd.DataFrame
    jump: pd.DataFrame
    checks: pd.DataFrame
    confounders: pd.DataFrame
    excluded: pd.DataFrame
    robustness: pd.DataFrame
    verdict: Verdict
    manifest: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    placebo: Mapping[str, Any] = field(default_factory=dict)
    case: Any = None
    intraday: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row a slot, for studies that count bars
    sessions: pd.DataFrame = field(default_factory=pd.DataFrame)

    # -------------------------------------------------------------------------------------------- reading

    @property
    def headline(self) -> tuple[int, int]:
        """The window the verdict is about."""
        return self.verdict.window

    @property
    def waist(self) -> AbnormalReturns | None:
        """The abnormal returns as arrays (None in a result that was loaded from a folder)."""
        return None if self.case is None else self.case.ar

    def to_frame(self, name: str = "car") -> pd.DataFrame:
        """One of the frames by name, as a copy."""
        if name not in FRAMES:
            raise UnknownName("frame", name, FRAMES)
        return getattr(self, name).copy()

    def __repr__(self) -> str:
        from .present.summary import text_summary

        return text_summary(self)

    def _repr_html_(self) -> str:
        from .present.summary import html_summary

        return html_summary(self)

    # -------------------------------------------------------------------------------------------- writing

    def to_dict(self) -> dict[str, Any]:
        """Plain values of everything: `schema_version` first, frames as lists of objects, NaN as None."""
        out: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION, "name": self.name, "title": self.title, "question": self.question,
        }  # fmt: skip
        out |= {name: records(getattr(self, name)) for name in FRAMES}
        out["columns"] = {name: getattr(self, name).dtypes.astype(str).to_dict() for name in FRAMES}
        out["verdict"] = verdict_dict(self.verdict)
        out["notes"] = list(self.notes)
        out["spec"] = plain(self.spec.to_dict())
        out["manifest"] = plain(dict(self.manifest))
        return out

    def to_json(self, path: str | Path | None = None, indent: int | None = None) -> str:
        """The result as one JSON document (full precision, dates ISO, NaN null); written to `path` where one is given."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def to_latex(self, name: str = "car", **options: Any) -> str:
        """A frame as a booktabs table for a paper."""
        from .present.tables import latex_table

        return latex_table(self, name, **options)

    def to_excel(self, path: str | Path) -> Path:
        """All frames as one workbook, the verdict on its first sheet."""
        from .present.tables import write_workbook

        return write_workbook(self, path)

    def save(self, folder: str | Path, figures: bool = True) -> Path:
        """Write `result.json`, `tables/*.csv`, `figures/*.svg` and `manifest.json` into a folder."""
        from .present.save import save_result

        return save_result(self, folder, figures=figures)

    def report(self, path: str | Path, **options: Any) -> Path:
        """The PDF report."""
        from .present.report import write_report

        return write_report(self, path, **options)

    def cite(self) -> str:
        """BibTeX of the methods this study used."""
        from .present.citations import bibtex

        return bibtex(self)

    @property
    def plot(self) -> Plots:
        """Figures by name: `study.plot.car()`, `study.plot.placebo(ax=...)`."""
        from .present.plots import Plots

        return Plots(self)

    # -------------------------------------------------------------------------------------------- asking further

    def _live(self, what: str) -> Any:
        if self.case is None:
            raise RequestError(f"{what} needs the returns; this result was loaded from a folder: run the study again")
        if self.spec.freq != "1d":
            raise RequestError(f'{what} is for daily studies; this one counts bars: run it with freq="1d"')
        return self.case

    def by(self, column: str) -> pd.DataFrame:
        """Group results and, for two groups, the difference of their CAAR (`role`, `kind` or any characteristic)."""
        from .regress.groups import by_group

        return by_group(self._live("by()"), column)

    def specs(self) -> Any:
        """The specification curve of this study (see `specification_curve`)."""
        from .specs import curve_of

        return curve_of(self._live("specs()").request)

    def power(self, **options: Any) -> Any:
        """True size and power of each test for a study of this design (see `simulate_power`)."""
        from .power import power_of

        return power_of(self._live("power()").request, **options)

    def anticipation(self) -> pd.DataFrame:
        """Windows before, on and after scheduled events, leakage before policies: CAR, Holm p, abnormal volume.

        One row a pair and window, empty where no event of the study was scheduled, expected or a policy.
        """
        from .anticipation import COLUMNS, anticipation_of

        found = anticipation_of(self._live("anticipation()"))
        return pd.DataFrame(columns=COLUMNS) if found is None else found.frame

    def regress(self, formula: str, **options: Any) -> Any:
        """Regress CARs on characteristics: `study.regress("car ~ unlock_pct", window=(0, 1))`."""
        from .regress.cross_section import regress_case

        return regress_case(self._live("regress()"), formula, **options)


# ------------------------------------------------------------------------------------------------ plain values


def plain(value: Any) -> Any:
    """JSON-ready values: NaN and NaT None, dates ISO, numpy scalars and tuples plain."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, (np.datetime64, pd.Timestamp)):
        return None if pd.isna(value) else _iso(pd.Timestamp(value))
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return str(value) if not isinstance(value, str) else value


def _iso(stamp: pd.Timestamp) -> str:
    return stamp.date().isoformat() if stamp == stamp.normalize() and stamp.tz is None else stamp.isoformat()


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as objects of plain values."""
    columns = list(frame.columns)
    return [dict(zip(columns, map(plain, row))) for row in frame.itertuples(index=False, name=None)]


def verdict_dict(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain values; an unbounded interval end is null."""
    votes = {
        name: {"p": plain(v.p), "sign": v.sign, "counts": v.counts, "agrees": v.agrees, "reason": v.reason}
        for name, v in verdict.votes.items()
    }
    return {
        "label": verdict.label, "row": verdict.row, "headline": verdict.headline,
        "window": [verdict.window[0], verdict.window[1]], "p": plain(verdict.p), "n": plain(verdict.n),
        "smallest_p": plain(verdict.smallest_p), "estimate": plain(verdict.estimate),
        "interval": [plain(v) for v in verdict.interval], "mde": plain(verdict.mde), "sentence": verdict.sentence,
        "reasons": list(verdict.reasons), "votes": votes,
    }  # fmt: skip


def verdict_from(data: Mapping[str, Any]) -> Verdict:
    """The verdict read back from its plain values."""

    # An interval that ends nowhere is null; without an estimate there is no interval at all.
    far = float("nan") if data["estimate"] is None else float("inf")
    low, high = _number(data["interval"][0], -far), _number(data["interval"][1], far)
    votes = {name: SimpleNamespace(**{"test": name, **v, "p": _number(v["p"])}) for name, v in data["votes"].items()}
    return Verdict(
        data["label"], data["row"], data["headline"], (int(data["window"][0]), int(data["window"][1])),
        _number(data["p"]), _number(data["n"]), _number(data["smallest_p"]), _number(data["estimate"]), (low, high),
        _number(data["mde"]), data["sentence"], tuple(data["reasons"]), votes,
    )  # fmt: skip


def _number(value: Any, absent: float = float("nan")) -> float:
    return absent if value is None else float(value)


def load_result(folder: str | Path) -> StudyResult:
    """A result saved with `study.save(folder)`: all frames, verdict and manifest, without the returns behind them."""
    path = Path(folder)
    file = path if path.is_file() else path / "result.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(f"no result in {folder}: expected {file.name}; write one with study.save(folder)") from None
    except json.JSONDecodeError as error:
        raise BadData(f"{file}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from None
    if data.get("schema_version") != SCHEMA_VERSION:
        raise BadData(f"{file}: schema_version {data.get('schema_version')!r}; this version reads {SCHEMA_VERSION}")
    columns = data.get("columns", {})
    frames: dict[str, Any] = {name: _read_frame(data.get(name, []), columns.get(name)) for name in FRAMES}
    return StudyResult(
        title=data["title"], question=data["question"], name=data["name"], spec=StudySpec.from_dict(data["spec"]),
        events=EventCatalog(()), verdict=verdict_from(data["verdict"]), manifest=data["manifest"],
        notes=tuple(data["notes"]), **frames,
    )  # fmt: skip


DATE_COLUMNS = (
    "session", "est_first", "est_last", "placebo_first", "placebo_last", "event_bar", "time", "end",
)  # fmt: skip


def _read_frame(rows: list[dict[str, Any]], columns: Mapping[str, str] | None) -> pd.DataFrame:
    """A frame from its objects; `columns` says which it has, also without a row, and of what type."""
    frame = pd.DataFrame(rows, columns=None if columns is None else list(columns))
    for name in DATE_COLUMNS:
        if name in frame:
            frame[name] = pd.to_datetime(frame[name])
    plain_types = ("float", "int", "bool", "datetime64")
    return frame.astype({n: t for n, t in (columns or {}).items() if t.startswith(plain_types)})
