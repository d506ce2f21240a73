"""Prices and returns from a user's files and frames: CSV, Parquet, pandas; long or wide; as bars.

A file is read once, column by column, into a `Table`; dates and numbers written in an unusual way are accepted where
only one reading is possible, and the bars say so in ``meta["notes"]``. Prices are never repaired here: a price of
zero, a double date, a gap go on to the audit, which names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...domain import Bars, DateArray, FloatArray, IntArray, Ticker
from ...errors import BadData
from .columns import VALUE_ROLES, is_bar_shaped, role_of, roles_of
from .frames import table_from_frame, wide_numeric
from .parsing import Stamps, decimal_mark, number_text, numbers_from_text, stamps_from_text
from .reading import table_from_path
from .rows import bars_of_columns, bars_of_rows
from .table import Table, length_of

_ADJUSTED_AS = {"adj_open": "open", "adj_high": "high", "adj_low": "low"}


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """Says that a frame or file holds returns already (decimal fractions), not prices.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"AAA": [0.01, -0.02]}, index=pd.to_datetime(["2026-06-11", "2026-06-12"]))
    >>> float(frame_to_bars(Returns(frame))["AAA"].get("ret")[0])
    0.01
    """

    data: Any


# ------------------------------------------------------------------------------------------------- public reading


def read_prices(
    path: str | Path,
    *,
    returns: bool = False,
    ticker: Ticker | None = None,
    timezone: str | None = None,
    freq: str | None = None,
) -> dict[Ticker, Bars]:
    """Bars of every ticker in a CSV or Parquet file, long (`date, ticker, close ...`) or wide (one column a ticker).

    Parameters
    ----------
    path : a file; a byte order mark, `;` or tab as delimiter, decimal commas, thousands separators, Excel dates and
        gzip are accepted where they can be read in one way only, and said in ``meta["notes"]``.
    returns : the values are returns already (column `ret`).
    ticker : the name for a file of one security without a ticker column (default: the name of the file).
    timezone : zone of times within the day that carry none, such as "Asia/Hong_Kong".
    freq : "1d", "5m" ...; found from the times when left out.

    Raises
    ------
    BadData
        naming file, line and value.
    """
    file = Path(path)
    name = ticker or file.name.split(".csv")[0].removesuffix(".parquet")
    return _bars(table_from_path(file), returns, name, timezone, freq, ticker is None)


def frame_to_bars(
    frame: Any,
    returns: bool = False,
    *,
    ticker: Ticker | None = None,
    timezone: str | None = None,
    freq: str | None = None,
) -> dict[Ticker, Bars]:
    """Bars of every ticker in a frame, long or wide, dates in a column or in the index (pandas 2.3 and 3).

    The options are those of `read_prices`. A `Returns` may be given instead of ``returns=True``.
    """
    if isinstance(frame, Returns):
        frame, returns = frame.data, True
    fast = wide_numeric(frame) if timezone is None and ticker is None else None
    if fast is not None and (freq in (None, "1d") and fast[0].midnight):
        return bars_of_columns(*fast, "frame", returns, freq, (), None)
    return _bars(table_from_frame(frame), returns, ticker or "", timezone, freq, False)


def wide_matrix(frame: Any) -> tuple[DateArray, tuple[Ticker, ...], FloatArray]:
    """A wide frame as (dates (T,), tickers, values (S, T)), sorted by date, without a pass over its cells.

    Raises BadData where the frame is not wide, or has a date twice.
    """
    if isinstance(frame, Returns):
        frame = frame.data
    fast = wide_numeric(frame)
    if fast is None:
        table = table_from_frame(frame)
        roles = roles_of(table.names, table.name)
        if is_bar_shaped(table.names):
            raise BadData(f"{table.name}: this is a long frame (rows of bars); one column a ticker was expected")
        fast = _wide_parts(table, roles, None)
    stamps, tickers, values = fast
    time = stamps.wall.astype("datetime64[D]") if stamps.midnight else (stamps.utc if stamps.zoned else stamps.wall)
    order = np.argsort(time, kind="stable")
    time = time[order]
    if time.size > 1 and (time[1:] == time[:-1]).any():
        twice = time[1:][time[1:] == time[:-1]][0]
        raise BadData(f"frame: date {twice} occurs twice; one row a date is needed")
    return time, tickers, np.ascontiguousarray(values[:, order])


def lines(bars: Bars, key: str) -> tuple[str, ...]:
    """A list kept in the metadata of bars (`notes`, `duplicates`, `marks`), one item a line."""
    text = bars.meta.get(key, "")
    return tuple(text.split("\n")) if text else ()


def duplicates(bars: Bars) -> DateArray:
    """Times that occurred again in the source; the first row of each was kept."""
    unit = "datetime64[D]" if bars.freq == "1d" else "datetime64[ns]"
    return np.array([line.split(" ")[0] for line in lines(bars, "duplicates")], dtype=unit)


# ------------------------------------------------------------------------------------------------- table -> bars


def _bars(
    table: Table, returns: bool, name: str, timezone: str | None, freq: str | None, named_by_file: bool
) -> dict[Ticker, Bars]:
    roles = roles_of(table.names, table.name)
    _require_rows(table)
    if not is_bar_shaped(table.names):
        if not returns and not _looks_wide(table):
            raise BadData(
                f"{table.where(-1)}: columns {', '.join(map(repr, table.names))} hold no price; expected close or "
                "adj_close (with date and ticker), or one column a ticker"
            )
        return bars_of_columns(*_wide_parts(table, roles, timezone), table.name, returns, freq, table.notes, table)
    notes = list(table.notes)
    stamps = _stamps(table, roles, timezone)
    names, codes = _tickers(table, roles, name, named_by_file, notes)
    columns = _columns(table, roles, returns, notes)
    return bars_of_rows(table, stamps, names, codes, columns, freq, tuple(notes))


def _require_rows(table: Table) -> None:
    if not table.values or not table.names:
        raise BadData(f"{table.where(-1)}: there is nothing in it; expected date, ticker and close")
    if all(length_of(v) == 0 for v in table.values):
        raise BadData(f"{table.where(-1)}: there are column names but no rows")


def _looks_wide(table: Table) -> bool:
    """Open, high, low alone are bars without a close; with any other name beside them they are tickers."""
    rest = [role_of(n) for i, n in enumerate(table.names) if n.strip() and i != table.unnamed]
    rest = [role for role in rest if role not in ("date", "time")]
    return not rest or "" in rest


def _date_column(table: Table, roles: Mapping[str, int]) -> int:
    """Where the dates are: by name in rows of bars; in a wide table by what is held (TS and DAY are tickers)."""
    stamped = [i for i, v in enumerate(table.values) if isinstance(v, Stamps)]
    first = [] if table.unnamed is None else [table.unnamed]
    if is_bar_shaped(table.names):
        candidates = [*(roles[r] for r in ("date", "time") if r in roles), *first, *stamped]
    else:
        named = [i for i, n in enumerate(table.names) if role_of(n) == "date"]
        written = [i for i in (*first, *named) if not isinstance(table.values[i], np.ndarray)]
        candidates = [*stamped, *written, *first, *named]
    if not candidates:
        shown = ", ".join(map(repr, table.names[:12]))
        raise BadData(
            f"{table.where(-1)}: no date column among {shown}; expected one called date (ts for bars within the day)"
        )
    return candidates[0]


def _stamps(table: Table, roles: Mapping[str, int], timezone: str | None) -> Stamps:
    at = _date_column(table, roles)
    value = table.values[at]
    if "time" in roles and roles["time"] != at:
        value = _joined(value, table.values[roles["time"]], table)
    if not isinstance(value, Stamps):
        value = _parsed_stamps(table, value)
    if np.isnat(value.wall).any():
        table.fail(int(np.argmax(np.isnat(value.wall))), "has no date")
    return _with_zone(value, timezone) if timezone else value


def _joined(date: Any, time: Any, table: Table) -> Any:
    """Date and clock time from two columns, as one text column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(date, Stamps):
        date = pa.array(np.datetime_as_string(date.wall.astype("datetime64[D]")))
    if isinstance(time, (Stamps, np.ndarray)) or isinstance(date, np.ndarray):
        raise BadData(f"{table.where(-1)}: date and time stand in two columns; write the time as text, 09:30")
    return pc.binary_join_element_wise(_flat(date).cast(pa.string()), _flat(time).cast(pa.string()), " ")


def _parsed_stamps(table: Table, value: Any) -> Stamps:
    import pyarrow as pa

    if isinstance(value, np.ndarray):
        value = _integers_as_text(table, value)
    coded = _flat(value)
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    codes = np.asarray(coded.indices.fill_null(-1), dtype=np.int64)
    if (codes < 0).any():
        table.fail(int(np.argmax(codes < 0)), "has no date")

    def fail(unique: int, what: str) -> Any:
        table.fail(int(np.argmax(codes == unique)), what)

    return stamps_from_text(coded.dictionary.cast(pa.string()), fail).take(codes)


def _integers_as_text(table: Table, value: FloatArray) -> Any:
    import pyarrow as pa

    if np.isnan(value).any():
        table.fail(int(np.argmax(np.isnan(value))), "has no date")
    whole = value == np.floor(value)
    return pa.array(value.astype(np.int64).astype(str) if whole.all() else [repr(float(v)) for v in value])


def _with_zone(stamps: Stamps, timezone: str) -> Stamps:
    """Stamps without a zone read on the clock of `timezone`; zoned ones as they are."""
    import pandas as pd

    if stamps.zoned or stamps.midnight:
        return stamps
    try:
        local = pd.DatetimeIndex(stamps.wall).tz_localize(timezone)
    except Exception as error:
        raise BadData(f"timezone {timezone!r} does not fit the times of the file: {error}") from error
    utc = local.tz_convert(None).to_numpy().astype("datetime64[ns]")
    offset = (stamps.wall - utc).astype("timedelta64[m]").astype(float)
    return Stamps(stamps.wall, offset, (*stamps.notes, f"times without a zone were read as {timezone}"))


def _tickers(
    table: Table, roles: Mapping[str, int], name: str, named_by_file: bool, notes: list[str]
) -> tuple[list[Ticker], IntArray]:
    """Names and (T,) codes of the ticker column; a file of one security may do without it."""
    if "ticker" not in roles:
        if not name:
            raise BadData(f"{table.name}: no ticker column; add one, or use one column a ticker")
        if named_by_file:
            notes.append(f"no ticker column: {name!r}, the name of the file, is taken as the ticker")
        return [name], np.zeros(length_of(table.values[0]), dtype=np.int64)
    value = table.values[roles["ticker"]]
    if isinstance(value, np.ndarray):
        value = _integers_as_text(table, value)
    coded = _flat(value)
    coded = coded if hasattr(coded, "dictionary") else coded.dictionary_encode()
    raw = [str(t).strip() for t in coded.dictionary.to_pylist()]
    codes = np.asarray(coded.indices.fill_null(-1), dtype=np.int64)
    empty = (codes < 0) | np.array([t == "" for t in raw] or [True])[codes]
    if empty.any():
        table.fail(int(np.argmax(empty)), "has no ticker")
    names, where = np.unique(raw, return_inverse=True)
    return [str(n) for n in names], where.astype(np.int64)[codes]


def _flat(value: Any) -> Any:
    import pyarrow as pa

    if isinstance(value, pa.ChunkedArray):
        value = value.unify_dictionaries() if pa.types.is_dictionary(value.type) else value
        value = value.combine_chunks()
    return value


def _columns(table: Table, roles: Mapping[str, int], returns: bool, notes: list[str]) -> dict[str, FloatArray]:
    """The value columns of a long table as floats, under the names of `Bars`."""
    used = {role: i for role, i in roles.items() if role in VALUE_ROLES}
    used = _adjusted_only(used, notes)
    if returns:
        used = _return_column(table, used, notes)
    ignored = [n for i, n in enumerate(table.names) if n and i not in {*used.values(), *_keys(table, roles)}]
    if ignored:
        notes.append(f"columns not used: {', '.join(ignored)}")
    return _numbers(table, used, notes)


def _keys(table: Table, roles: Mapping[str, int]) -> list[int]:
    keys = [roles[r] for r in ("date", "time", "ticker") if r in roles]
    return keys + ([table.unnamed] if table.unnamed is not None else [])


def _adjusted_only(used: dict[str, int], notes: list[str]) -> dict[str, int]:
    """Where only adjusted open, high, low exist they stand for the bar, with adj_close as its close."""
    adjusted = [role for role in _ADJUSTED_AS if role in used]
    plain = {role: i for role, i in used.items() if role not in _ADJUSTED_AS}
    if adjusted and "adj_close" in used and not {"open", "high", "low", "close"} & set(used):
        plain.update({_ADJUSTED_AS[role]: used[role] for role in adjusted})
        plain["close"] = used["adj_close"]
        notes.append("open, high, low and close are the adjusted prices of the source; it has no others")
    return plain


def _return_column(table: Table, used: dict[str, int], notes: list[str]) -> dict[str, int]:
    if "ret" in used:
        return {"ret": used["ret"], **({"volume": used["volume"]} if "volume" in used else {})}
    if set(used) == {"close"}:
        return {"ret": used["close"]}
    raise BadData(f"{table.name}: returns were announced, but there is no column called ret (or return)")


def _numbers(table: Table, used: Mapping[str, int], notes: list[str]) -> dict[str, FloatArray]:
    """Numeric columns as they are; once one needs reading as text, all are read as text, so that they agree."""
    if table.reread is not None and any(not isinstance(table.values[i], np.ndarray) for i in used.values()):
        table = table.reread()
    text = {}
    for role, i in used.items():
        if isinstance(table.values[i], Stamps):
            raise BadData(f"{table.where(-1)}: column {table.names[i]!r} holds dates where numbers were expected")
        if not isinstance(table.values[i], np.ndarray):
            text[role] = number_text(_as_string(table.values[i]), role)
    mark = decimal_mark(text, table.delimiter, table.fail)
    pointed = [r for r, i in used.items() if mark == "," and r not in text and _has_fractions(table.values[i])]
    if pointed:
        raise BadData(
            f"{table.name}: {next(iter(text))} has decimal commas, {pointed[0]} decimal points; use one of them"
        )
    out: dict[str, FloatArray] = {}
    for role, i in used.items():
        if role in text:
            out[role], said = numbers_from_text(text[role], role, mark, table.fail)
            notes.extend(said)
        else:
            out[role] = table.values[i]
    return out


def _has_fractions(values: FloatArray) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite != np.floor(finite)).any())


def _as_string(value: Any) -> Any:
    import pyarrow as pa

    return _flat(value).cast(pa.string())


# ------------------------------------------------------------------------------------------------- wide


def _wide_parts(
    table: Table, roles: Mapping[str, int], timezone: str | None
) -> tuple[Stamps, tuple[Ticker, ...], FloatArray]:
    """Stamps, tickers and values (S, T) of a table with one column a ticker."""
    at = _date_column(table, roles)
    stamps = _stamps(table, {"date": at}, timezone)
    used = {n.strip(): i for i, n in enumerate(table.names) if i != at and n.strip()}
    names = [n for i, n in enumerate(table.names) if i != at and n.strip()]
    if len(used) != len(names):
        again = next(n for i, n in enumerate(names) if n.strip() in {m.strip() for m in names[:i]})
        raise BadData(f"{table.where(-1)}: there are two columns called {again!r}; one column a ticker is expected")
    if not used:
        raise BadData(f"{table.where(-1)}: there is a date column and nothing else; expected prices beside it")
    notes: list[str] = []
    columns = _numbers(table, used, notes)
    said = tuple(dict.fromkeys(note.split(": ", 1)[-1] for note in notes))
    return replace(stamps, notes=(*stamps.notes, *said)), tuple(columns), np.stack(list(columns.values()))
