"""What is known of every pair of a study: event attributes, characteristics given beside, and the study's own estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import BadData, RequestError
from ._formula import OUTCOMES

if TYPE_CHECKING:
    from ..case import Case

KEYS = ("event_id", "ticker")
ESTIMATES = ("alpha", "beta", "sigma", "r2", "m")
FIELDS = ("kind", "jurisdiction", "scheduled", "anticipated", "market_wide", "cluster", "status")


def characteristics(case: Case, data: Any = None) -> pd.DataFrame:
    """One row a pair, in the order of the study; a later source wins over an earlier one.

    Event fields, role, sign and session; the study's estimates (alpha, beta, sigma, r2, m); the event's attributes; further
    columns of the events' table; `data`.
    """
    rows = [_facts(case, i) for i in range(case.size)]
    table = pd.DataFrame(rows, index=range(case.size))
    if table.empty:
        table = pd.DataFrame(columns=[*KEYS, *FIELDS, "role", "sign", *ESTIMATES], index=range(case.size))
    given = None if data is None else _keyed(data, case)
    if given is not None:
        keys, extra = given
        looked_up = _look_up(table, keys, extra)
        for name in looked_up:
            table[name] = looked_up[name]
    taken = [n for n in OUTCOMES if n in table]
    if taken:
        raise RequestError(f"a characteristic is called {taken[0]!r}, which is what the regression explains; rename it")
    return pd.DataFrame({name: as_numbers(table[name]) for name in table}, index=table.index)


def _facts(case: Case, i: int) -> dict[str, Any]:
    pair, ar = case.pairs[i], case.ar
    event = pair.event
    facts: dict[str, Any] = {
        "event_id": event.id,
        "ticker": pair.ticker,
        "role": pair.link.role,
        "sign": pair.link.sign,
    }
    facts |= {name: getattr(event, name) for name in FIELDS}
    facts["session"] = str(ar.dates[i, ar.at(0)])
    for j, name in enumerate(ar.coef_names):
        facts[name if name in ESTIMATES else f"beta_{name}"] = float(ar.coef[i, j])
    facts |= {"sigma": float(ar.sigma[i]), "r2": float(ar.r2[i]), "m": int(ar.m[i])}
    facts |= {k: v for k, v in event.attributes.items() if k not in KEYS}
    facts |= {k: v for k, v in pair.extra.items() if k not in KEYS}
    return facts


def as_numbers(column: pd.Series) -> pd.Series:
    """Numbers where every value present reads as one, truth values as 0 and 1, texts otherwise; nothing = missing."""
    values = column.astype(object).where(column.notna(), None)
    present = [v for v in values if v is not None and v != ""]
    if present and all(isinstance(v, (bool, np.bool_)) for v in present):
        return pd.Series([np.nan if v is None else float(v) for v in values], index=column.index, dtype=float)
    read = pd.to_numeric(pd.Series(present, dtype=object), errors="coerce")
    if present and read.notna().all():
        numbers = pd.Series(pd.to_numeric(values, errors="coerce"), index=column.index).astype(float)
        whole = numbers.notna().all() and (numbers == np.round(numbers)).all() and numbers.abs().max() < 2**53
        return numbers.astype(np.int64) if whole else numbers
    texts = [None if v is None or v == "" else str(v) for v in values]
    return pd.Series(texts, index=column.index, dtype=object)


def _keyed(data: Any, case: Case) -> tuple[tuple[str, ...], pd.DataFrame]:
    """The characteristics given by the user with the keys they come under, each key once."""
    if isinstance(data, pd.Series):
        data = data.to_frame(data.name or "value")
    if not isinstance(data, pd.DataFrame):
        raise RequestError(
            f"data: {type(data).__name__} given; expected a DataFrame with a column event_id and/or ticker "
            "and one column a characteristic"
        )
    frame = data.copy()
    frame.columns = [str(c) for c in frame.columns]
    keys = tuple(k for k in KEYS if k in frame.columns)
    if not keys:
        frame, keys = _index_as_key(frame, case)
    for key in keys:
        frame[key] = [str(v).strip() for v in frame[key]]
    twice = frame.duplicated(list(keys))
    if twice.any():
        row = frame.loc[twice, list(keys)].iloc[0]
        raise BadData(f"data: {' and '.join(f'{k} {row[k]}' for k in keys)} occurs twice; give one row each")
    return keys, frame


def _index_as_key(frame: pd.DataFrame, case: Case) -> tuple[pd.DataFrame, tuple[str, ...]]:
    named = [n for n in frame.index.names if n in KEYS]
    if named:
        return frame.reset_index(), tuple(k for k in KEYS if k in named)
    labels = {str(v) for v in frame.index}
    for key, own in (("ticker", {p.ticker for p in case.pairs}), ("event_id", {p.event.id for p in case.pairs})):
        if labels & own:
            return frame.rename_axis(key).reset_index(), (key,)
    raise RequestError("data: no column or index named event_id or ticker, and no index value is one of the study's")


def _look_up(table: pd.DataFrame, keys: tuple[str, ...], extra: pd.DataFrame) -> Mapping[str, list[Any]]:
    """Every further column of `extra` read for each pair, None where it has no row."""
    rows = {tuple(k): i for i, k in enumerate(extra[list(keys)].itertuples(index=False, name=None))}
    at = [rows.get(tuple(k)) for k in table[list(keys)].itertuples(index=False, name=None)]
    columns = [c for c in extra.columns if c not in KEYS]
    return {c: [None if i is None else extra[c].iloc[i] for i in at] for c in columns}
