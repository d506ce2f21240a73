"""pandas frames of every make -> `Table`: dates in a column or in the index, any dtype, pandas 2 and 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...domain import FloatArray, Ticker
from ...errors import BadData
from .columns import SYNONYMS, VALUE_ROLES, is_bar_shaped, role_of, unnamed_column
from .parsing import Stamps
from .table import Table


def wide_numeric(frame: Any) -> tuple[Stamps, tuple[Ticker, ...], FloatArray] | None:
    """A frame of numbers with dates in its index and one column a ticker, without a look at single cells; else None."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame) or not isinstance(frame.index, pd.DatetimeIndex) or frame.empty:
        return None
    if frame.columns.nlevels > 1 or not frame.columns.is_unique or is_bar_shaped(frame.columns):
        return None
    if not all(pd.api.types.is_numeric_dtype(t) for t in frame.dtypes) or frame.index.hasnans:
        return None
    if all(role_of(c) in VALUE_ROLES for c in frame.columns):
        return None
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    return pandas_stamps(frame.index.to_series()), tuple(str(c).strip() for c in frame.columns), values.T


def table_from_frame(frame: Any) -> Table:
    """A pandas frame (or what can become one) as a `Table`; dates may stand in a column or in the index."""
    import pandas as pd

    frame = _pandas(frame)
    if isinstance(frame.columns, pd.MultiIndex):
        frame = _stacked(frame)
    frame = _with_index_as_columns(frame)
    names = [str(c) for c in frame.columns]
    repeated = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) != len(names) else []
    if repeated:
        raise BadData(f"frame: there are two columns called {repeated[0]!r}")
    return Table(
        name="frame",
        names=names,
        values=[_series_value(frame.iloc[:, i]) for i in range(frame.shape[1])],
        where=lambda row: f"row {row} of the frame" if row >= 0 else "frame",
        unnamed=unnamed_column(names) if names else None,
    )


def _pandas(frame: Any) -> Any:
    import pandas as pd

    if isinstance(frame, pd.DataFrame):
        return frame
    if isinstance(frame, pd.Series):
        return frame.to_frame(frame.name if frame.name is not None else "close")
    if hasattr(frame, "to_pandas"):
        return frame.to_pandas()
    raise BadData(f"{type(frame).__name__} given; a pandas DataFrame, a CSV or a Parquet file was expected")


def _stacked(frame: Any) -> Any:
    """Columns of two levels (price, ticker), in either order, as rows of bars."""
    levels = range(frame.columns.nlevels)
    known = [sum(bool(role_of(v)) for v in set(frame.columns.get_level_values(k))) for k in levels]
    price = int(np.argmax(known))
    if frame.columns.nlevels != 2 or known[price] == 0:
        raise BadData("frame: columns of several levels are understood as (price, ticker) or (ticker, price) only")
    long = frame.stack(level=1 - price, future_stack=True)
    long.index = long.index.set_names(["date", "ticker"])
    long.columns.name = None
    return long.reset_index()


def _with_index_as_columns(frame: Any) -> Any:
    """The index as columns where it says something: dates, names, or any index beside columns without a date."""
    import pandas as pd

    index = frame.index
    if isinstance(index, pd.RangeIndex) and index.name is None:
        return frame
    dated = any(role_of(c) == "date" for c in frame.columns)
    # Beside one column a ticker a column TS or DAY is a ticker; only a plain row number gives way to it.
    if not is_bar_shaped(frame.columns) and not pd.api.types.is_integer_dtype(index.dtype):
        dated = False
    if index.nlevels == 1:
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        if dated and (index.name is None or role_of(index.name) in ("", "date")):
            return frame
        column = index.to_series(index=frame.index)
        return _inserted(frame, [(index.name if role_of(index.name) in ("date", "ticker", "time") else "date", column)])
    levels = [index.get_level_values(k).to_series(index=frame.index) for k in range(index.nlevels)]
    return _inserted(frame, [(_level_name(n, s), s) for n, s in zip(index.names, levels)])


def _level_name(name: Any, level: Any) -> str:
    import pandas as pd

    if name is not None and _known(name):
        return str(name)
    return "date" if pd.api.types.is_datetime64_any_dtype(level) else str(name or "ticker")


def _known(name: Any) -> bool:
    return role_of(name) in set(SYNONYMS.values())


def _inserted(frame: Any, columns: list[tuple[Any, Any]]) -> Any:
    import pandas as pd

    extra = pd.concat([s.rename(n).reset_index(drop=True) for n, s in columns], axis=1)
    return pd.concat([extra, frame.reset_index(drop=True)], axis=1)


def _series_value(series: Any) -> Any:
    """One pandas column as floats, stamps or text, whatever its dtype."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if pd.api.types.is_datetime64_any_dtype(series):
        return pandas_stamps(series)
    if isinstance(series.dtype, pd.PeriodDtype):
        return pandas_stamps(series.dt.to_timestamp())
    if pd.api.types.is_numeric_dtype(series):
        return series.to_numpy(dtype=float, na_value=np.nan)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in ("datetime", "datetime64", "date"):
        return _object_stamps(series)
    if kind in ("floating", "integer", "decimal", "mixed-integer-float", "empty"):
        return pd.to_numeric(series, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    try:
        return pa.array(series, type=pa.string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        text = series.astype(object).where(series.notna(), None)
        return pa.array([None if v is None else str(v) for v in text], type=pa.string())


def pandas_stamps(series: Any) -> Stamps:
    """A datetime64 column: the clock as written, and how far east of UTC it is where it has a zone."""
    if getattr(series.dt, "tz", None) is None:
        wall = series.to_numpy().astype("datetime64[ns]")
        return Stamps(wall, np.full(wall.size, np.nan))
    wall = series.dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    utc = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    return Stamps(wall, (wall - utc).astype("timedelta64[s]").astype(float) / 60.0)


def _object_stamps(series: Any) -> Stamps:
    """Dates, datetimes or Timestamps as Python objects, each perhaps with a zone of its own."""
    import datetime as dt

    import pandas as pd

    def parts(value: Any) -> tuple[Any, float]:
        if value is None or value is pd.NaT:
            return np.datetime64("NaT"), np.nan
        if not isinstance(value, dt.datetime):
            return np.datetime64(value, "ns"), np.nan
        shift = value.utcoffset()
        return np.datetime64(value.replace(tzinfo=None), "ns"), np.nan if shift is None else shift.total_seconds() / 60

    wall, offset = zip(*(parts(v) for v in series))
    return Stamps(np.array(wall, dtype="datetime64[ns]"), np.array(offset, dtype=float))
