"""From what a user typed to a `Request`: names, paths and frames become nouns; nothing is estimated yet."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .case import Request
from .domain import EventCatalog, Excluded, Pair
from .errors import EventError, RequestError
from .inputs.events import load_events
from .inputs.store import open_prices
from .inputs.studyfile import Study, bundled_studies, load_study
from .inputs.tapes import Given
from .spec import StudySpec

_EVENT_FILES = (".yaml", ".yml", ".csv", ".parquet", ".pq")
LARGEST_RETURN = 0.2  # median absolute return of a series above which it cannot be one of decimal returns


def settle(
    events: Any,
    prices: Any = None,
    spec: StudySpec | None = None,
    *,
    benchmark: Any = None,
    industry: Any = None,
    factors: Any = None,
    catalogue: Any = None,
) -> Request:
    """The request behind `run(events, prices, spec)` or `run("study name")`."""
    study = _as_study(events, prices, spec)
    if study is not None:
        return _from_study(study, prices, spec, benchmark, industry, factors, catalogue)
    spec = StudySpec() if spec is None else spec
    chosen = load_events(events)
    given, spec = _given(benchmark, industry, factors, spec)
    pairs, excluded = _pairs(chosen)
    return Request(pairs, open_prices(prices), spec, given, _lookup(chosen, catalogue), excluded=excluded)


@lru_cache(maxsize=1)
def bundled_catalogue() -> EventCatalog:
    """The bundled catalogue, read once a process."""
    return load_events()


def _as_study(events: Any, prices: Any, spec: StudySpec | None) -> Study | None:
    if isinstance(events, Study):
        return events
    if isinstance(events, Path):
        return None if events.suffix.lower() in _EVENT_FILES else load_study(events)
    if not isinstance(events, str):
        return None
    if Path(events).suffix.lower() in _EVENT_FILES:
        return None
    named = {name for name, _ in bundled_studies()}
    if events in named or (prices is None and spec is None) or events.endswith(".toml"):
        return load_study(events)
    return None


def _from_study(
    study: Study, prices: Any, spec: StudySpec | None, benchmark: Any, industry: Any, factors: Any, catalogue: Any
) -> Request:
    base = study.path.parent if study.path is not None else Path()
    own = study.events.file
    catalog = bundled_catalogue() if own is None else load_events(base / own)
    chosen = study.events.choose(catalog)
    used = study.spec if spec is None else spec
    if used.factors is not None and not Path(used.factors).is_absolute() and (base / used.factors).exists():
        used = used.but(factors=str(base / used.factors))
    given, used = _given(benchmark, industry, factors, used)
    pairs, excluded = _pairs(chosen, named=bool(study.events.ids or study.events.pairs or study.events.status))
    return Request(
        pairs, open_prices(_source(study, prices, base)), used, given, _lookup(chosen, catalogue), study.title,
        study.question, study.name, excluded, searched=not (study.events.ids or study.events.pairs),
    )  # fmt: skip


def _source(study: Study, prices: Any, base: Path) -> Any:
    if prices is not None or study.prices is None:
        return prices
    if study.prices == "bundled":
        return "bundled"
    path = Path(study.prices).expanduser()
    return path if path.is_absolute() else base / path


def _lookup(chosen: EventCatalog, catalogue: Any) -> EventCatalog | None:
    """Where confounders are looked up: the whole the selection was cut from, with the bundled catalogue behind own rows."""
    if catalogue is False:
        return None
    if catalogue is not None and catalogue is not True:
        return load_events(catalogue).whole
    whole = chosen.whole
    bundled = bundled_catalogue()
    if whole.source == bundled.source:
        return whole
    known = {e.id for e in whole}
    extra = tuple(e for e in bundled if e.id not in known)
    return EventCatalog(whole.events + extra, f"{whole.source} + bundled", None, whole.extras)


def _pairs(chosen: EventCatalog, named: bool = False) -> tuple[tuple[Pair, ...], tuple[Excluded, ...]]:
    """The pairs to study; unverified records of a catalogue or file enter only when named by id."""
    asked = named or chosen.named or chosen.whole.source == "objects"
    pairs, excluded = [], []
    for pair in chosen.pairs:
        if not asked and pair.event.status not in ("verified", "quoted"):
            why = f"status {pair.event.status}: only verified and quoted events enter a study unless named by id"
            excluded.append(
                Excluded("events", pair.label, why, f'events["{pair.event.id}"]', pair.event.id, pair.ticker)
            )
        else:
            pairs.append(pair)
    if not pairs and not excluded:
        raise EventError("the events name no ticker; add one with .only('2513.HK') or a ticker column")
    return tuple(pairs), tuple(excluded)


# ------------------------------------------------------------------------------------------------ frames handed over


def _given(benchmark: Any, industry: Any, factors: Any, spec: StudySpec) -> tuple[Given, StudySpec]:
    """Benchmark, industry and factors given as frames; given as tickers they belong in the spec."""
    if isinstance(benchmark, (str, list, tuple)):
        spec, benchmark = spec.but(benchmark=benchmark), None
    if isinstance(industry, (str, list, tuple)):
        spec, industry = spec.but(industry=industry), None
    return Given(_series(benchmark, "benchmark"), _series(industry, "industry"), _factors(factors, spec)), spec


def _series(given: Any, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    if given is None:
        return None
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        if given.shape[1] != 1:
            raise RequestError(
                f"{name}: a frame with {given.shape[1]} columns given; expected one Series of decimal returns"
            )
        given = given.iloc[:, 0]
    if not isinstance(given, pd.Series):
        raise RequestError(
            f"{name}: {type(given).__name__} given; expected tickers or a Series of decimal returns by date"
        )
    index = pd.DatetimeIndex(pd.to_datetime(given.index))
    if index.tz is not None:
        index = index.tz_localize(None)
    if index.has_duplicates:
        raise RequestError(f"{name}: {index[index.duplicated()][0].date()} occurs twice; give one return a date")
    order = np.argsort(index.to_numpy())
    try:
        values = pd.to_numeric(given, errors="raise").to_numpy(float)
    except (ValueError, TypeError) as error:
        raise RequestError(f"{name}: {error}; expected a Series of decimal returns by date") from None
    _require_returns(values, name)
    return index.to_numpy()[order].astype("datetime64[D]"), values[order]


def _require_returns(values: np.ndarray, name: str) -> None:
    """A day moves a market by a hundredth or two: much larger numbers are prices or percent."""
    sizes = np.abs(values[np.isfinite(values)])
    size = float(np.median(sizes)) if sizes.size else 0.0
    if size > LARGEST_RETURN:
        what = "percent; divide by 100" if size < 20 else "prices; give series.pct_change()"
        raise RequestError(
            f"{name}: a median size of {size:.3g} given; expected decimal returns such as 0.012, not {what}"
        )


def _factors(given: Any, spec: StudySpec) -> Any:
    if given is None and spec.factors is None:
        return None
    from .inputs.factors import FactorTable, factor_frame, read_french

    if given is None:
        return read_french(spec.factors or "")
    if isinstance(given, FactorTable):
        return given
    if isinstance(given, (str, Path)):
        return read_french(given)
    if isinstance(given, (list, tuple)):  # the five factors and momentum are two files of the library
        return read_french(*given)
    return factor_frame(given)
