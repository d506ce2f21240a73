"""Is this a study for the bulk path? Events as plain rows, a model and tests it knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..domain import DateArray, Ticker
from ..inputs.tickers import load_tickers
from ..spec import StudySpec

Codes = NDArray[np.integer[Any]]  # four bytes each: with a million rows these columns are most of what is held

LIMIT = 2_000  # from more pairs on this path is asked
DEFAULT_LIMIT = 20_000  # from more pairs on tests="default" means the tests below: the others take hours

# Tests that need of each pair no more than the lanes keep, and the variants of which that is true.
TESTS_HERE: Mapping[str, tuple[str, ...]] = {
    "t_car": ("full",),
    "t_xs": ("mean_car",),
    "patell": ("full", "wrds", "k2"),
    "bmp": ("full", "fec_none", "normal"),
    "kp_bmp": ("calendar", "normal"),
    "kp_patell": ("calendar",),
    "sign": ("exact", "normal", "zeros_negative"),
    "gen_sign": ("mean", "pooled"),
    "corrado_zivney": ("finite_rows", "centred"),
}
MODELS_HERE = (
    "auto", "market", "market_zero_alpha", "mean", "market_adjusted", "capm", "ff3", "carhart4", "ff5", "ff6", "factors",
)  # fmt: skip
OPTIONS_HERE = ("sigma",)
_COLUMNS = {
    "event_id": "event_id", "id": "event_id", "ticker": "ticker", "symbol": "ticker", "date": "date", "event_date": "date",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Events as columns: ticker `names[code]` (n,) and day (n,) of every row; ids (n,) or None where they have none."""

    names: tuple[Ticker, ...]
    code: Codes
    day: DateArray
    ids: NDArray[np.object_] | None
    source: str

    @property
    def size(self) -> int:
        return int(self.code.size)

    def among(self, names: tuple[Ticker, ...]) -> Rows:
        """The same rows with the tickers counted as in `names`, which holds them all."""
        place = {t: i for i, t in enumerate(names)}
        code = np.array([place[t] for t in self.names], np.int32)[self.code]
        return Rows(names, code, self.day, self.ids, self.source)

    def event_id(self, i: int) -> str:
        """The id given, else ticker and day, numbered from the second row of both on."""
        if self.ids is not None:
            return str(self.ids[i])
        before = int(np.sum((self.code[:i] == self.code[i]) & (self.day[:i] == self.day[i])))
        return f"{self.names[self.code[i]]}-{self.day[i]}" + (f"-{before + 1}" if before else "")


def size_of(events: Any) -> int:
    """How many rows a frame has, or about how many a CSV file can have; 0 for anything else."""
    if hasattr(events, "columns") and hasattr(events, "iloc"):
        return len(events)
    if isinstance(events, str | os.PathLike) and str(events).lower().endswith(".csv"):
        path = Path(events).expanduser()
        return path.stat().st_size // 12 if path.is_file() else 0
    return 0


def answerable(spec: StudySpec, size: int) -> bool:
    """Whether model, tests and treatments of the spec are among those this path computes exactly."""
    plain = (
        spec.freq == "1d" and spec.currency == "local" and spec.calendar in ("auto", "panel") and spec.compat is None
        and spec.confounders == "flag" and spec.align is None and not spec.candidates and not spec.selected_on_outcome
        and not isinstance(spec.estimation, str) and not any(isinstance(w, str) for w in spec.windows)
        and not spec.robustness and spec.model in MODELS_HERE and all(k in OPTIONS_HERE for k in spec.options)
        and spec.options.get("sigma", "s_mean") == "s_mean"
    )  # fmt: skip
    return plain and bool(tests_of(spec, size))


def tests_of(spec: StudySpec, size: int) -> tuple[tuple[str, str], ...]:
    """(test, variant) this path computes; empty where one of the tests asked for is not among them."""
    if isinstance(spec.tests, str):
        return tuple((t, v[0]) for t, v in TESTS_HERE.items()) if size > DEFAULT_LIMIT else ()
    split = [t.partition(":") for t in spec.tests]
    wanted = [(t, v or TESTS_HERE.get(t, ("",))[0]) for t, _, v in split]
    return tuple(wanted) if all(v in TESTS_HERE.get(t, ()) for t, v in wanted) else ()


def rows_of(events: Any) -> Rows | None:
    """The events as columns, or None where they are more than plain rows of ticker and date (and id)."""
    import pandas as pd

    source = "DataFrame"
    if not isinstance(events, pd.DataFrame):
        source = str(events)
        found = _csv(Path(events).expanduser())
        if found is None:
            return None
        events = found
    columns = {_COLUMNS.get(str(c).strip().lower(), ""): c for c in events.columns}
    if "" in columns or len(columns) < events.shape[1] or not {"ticker", "date"} <= set(columns):
        return None
    day = _days(events[columns["date"]])
    tickers = _names(events[columns["ticker"]])
    if day is None or tickers is None:
        return None
    code, names = tickers
    ids = None
    if "event_id" in columns:
        ids = _texts(events[columns["event_id"]])
        if ids is None:
            return None
    rows = Rows(names, code, day, ids, source)
    return _grouped(rows) if _one_line_each(names) else None


def _csv(path: Path) -> Any:
    """A plain CSV file as a frame of texts, or None where the careful reader should look at it."""
    import pandas as pd

    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        header = [name.strip().lower() for name in stream.readline().split(",")]
    if not header or any(name not in _COLUMNS for name in header):
        return None
    try:
        return pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except (ValueError, UnicodeDecodeError):
        return None


def _days(column: Any) -> DateArray | None:
    """Plain days (n,), or None where an entry is missing, has a clock or a zone, or is not written YYYY-MM-DD."""
    import pandas as pd

    values = column
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "M":
        given = values.to_numpy()
    elif pd.api.types.is_string_dtype(values.dtype) or values.dtype == object:
        try:
            given = pd.to_datetime(values, format="%Y-%m-%d", errors="raise").to_numpy()
        except (ValueError, TypeError):
            return None
        if given.dtype.kind != "M":
            return None
    else:
        return None
    days = given.astype("datetime64[D]")
    return None if np.isnat(days).any() or not np.array_equal(days, given) else days


def _names(column: Any) -> tuple[Codes, tuple[Ticker, ...]] | None:
    """(codes (n,), distinct tickers), or None where one is missing or not a clean text."""
    import pandas as pd

    code, distinct = pd.factorize(column)
    names = list(distinct)
    if (code < 0).any() or not all(isinstance(t, str) and t and t == t.strip() for t in names):
        return None
    return code.astype(np.int32), tuple(str(t) for t in names)


def _texts(column: Any) -> NDArray[np.object_] | None:
    values = column.to_numpy(dtype=object)
    return values if all(type(v) is str and v.strip() for v in values) else None


def _grouped(rows: Rows) -> Rows | None:
    """Rows of one event id side by side, in the order of first appearance; None where their days differ."""
    import pandas as pd

    if rows.ids is None:
        return rows
    event, distinct = pd.factorize(rows.ids)
    if len(distinct) == rows.size:
        return rows
    order = np.argsort(event, kind="stable")
    day, event = rows.day[order], event[order]
    if ((np.diff(event) == 0) & (day[1:] != day[:-1])).any():
        return None
    return Rows(rows.names, rows.code[order], day, rows.ids[order], rows.source)


def _one_line_each(names: tuple[Ticker, ...]) -> bool:
    """No company of the ticker table has two of its lines here: which of them counts is for the usual path to say."""
    table = load_tickers()
    known = [table[t].name.partition(" (")[0] for t in set(table.tickers) & set(names)]
    return len(set(known)) == len(known)
