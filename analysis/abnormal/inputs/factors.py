"""Factor returns: Kenneth French's library files as they come, plain CSV files and frames, always as decimal returns."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import DateArray, FloatArray
from ..errors import BadData, FetchFailed, RateLimited, UnknownName, did_you_mean

# Names of the papers, compared without blanks and signs.
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("mktrf", "mkt", "market", "rmrf", "mktminusrf", "marketrf", "exmkt", "mktexcess"), "MKT"),
    "smb": "SMB", "hml": "HML", "rmw": "RMW", "cma": "CMA",
    **dict.fromkeys(("mom", "umd", "wml", "pr1yr", "momentum"), "MOM"),
    **dict.fromkeys(("rf", "riskfree", "riskfreerate", "tbill"), "RF"),
}  # fmt: skip
MISSING = (-99.99, -999.0)
# A day's factor return has a median size of about 0.005, a month's of 0.03; in percent 0.5 and 3.
_SURELY_DECIMAL, _SURELY_PERCENT = 0.06, 0.15

_ROW = re.compile(r"\s*(\d{8}|\d{6}|\d{4}-\d{2}-\d{2})\s*,")
_YEAR_ROW = re.compile(r"\s*\d{4}\s*,")


@dataclass(frozen=True, slots=True, eq=False)
class FactorTable:
    """Factor returns as decimals.

    names: MKT (in excess of the riskless rate), SMB, HML, RMW, CMA, MOM or the file's own; dates (T,) datetime64[D], a
    month as its last day; values (T, k), NaN = missing; rf (T,) the riskless rate, None where the file has none; notes:
    what was done on reading.
    """

    names: tuple[str, ...]
    dates: DateArray
    values: FloatArray
    rf: FloatArray | None = None
    notes: tuple[str, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        return int(self.dates.size)

    def column(self, name: str) -> FloatArray:
        """Factor `name` as (T,); aliases such as Mkt-RF or UMD are understood. Raises UnknownName."""
        wanted = canonical(name)
        if wanted == "RF" and self.rf is not None:
            return self.rf
        if wanted not in self.names:
            raise UnknownName("factor", name, self.names, f"The table holds {', '.join(self.names)}")
        return self.values[:, self.names.index(wanted)]

    @property
    def digest(self) -> str:
        """sha256 of names, dates and values."""
        sha = hashlib.sha256("|".join(self.names).encode())
        rf = np.full(len(self), np.nan) if self.rf is None else self.rf
        for array in (self.dates.astype("datetime64[D]").astype(np.int64), self.values, rf):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def canonical(name: str) -> str:
    """The name used here for a factor: "Mkt-RF" -> "MKT", "UMD" -> "MOM"; unknown ones stay as they are."""
    return ALIASES.get(re.sub(r"[\W_]+", "", name.lower()), name.strip())


def read_french(*files: str | Path, percent: bool | None = None) -> FactorTable:
    """Factors from files of Kenneth French's library (zip or CSV, daily or monthly) or plain CSV files, joined by date.

    Parameters
    ----------
    files : paths, or the text of a file itself. Several are put side by side (the five factors and momentum).
    percent : whether the numbers are percent; left out: found by their size, and said in `notes`.

    Raises
    ------
    BadData
        naming file and line, or where a size could be either.

    Examples
    --------
    >>> table = read_french("made up\\n,Mkt-RF,SMB,RF\\n20260611,1.20,-0.40,0.01\\n20260612,-0.80,-99.99,0.01\\n")
    >>> table.names, table.values[:, 0].round(4).tolist(), bool(np.isnan(table.values[1, 1]))
    (('MKT', 'SMB'), [0.012, -0.008], True)
    """
    if not files:
        raise BadData("no factor file was given")
    return _side_by_side([_read_one(f, percent) for f in files])


def factor_frame(frame: Any) -> FactorTable:
    """Factors of a frame of decimal returns, dates in its index or a date column, one column a factor.

    Raises BadData where the numbers are plainly percent.
    """
    from .providers.files import wide_matrix

    dates, names, values = wide_matrix(frame)
    table = _table([str(n) for n in names], dates.astype("datetime64[D]"), values.T, (), "frame")
    size = _typical_size(table)
    if size > _SURELY_PERCENT:
        raise BadData(
            f"frame of factors: values have a median size of {size:.2g} and look like percent; give decimal returns "
            "(divide by 100), or the path of the library file"
        )
    return table


# ---------------------------------------------------------------------------------------------------- one file


def _read_one(file: str | Path, percent: bool | None) -> FactorTable:
    name, text = _text(file)
    block = _block(text, name)
    if block is None:
        table = _plain(file, name)
    else:
        table = block
    return _as_decimal(table, percent, name)


def _text(file: str | Path) -> tuple[str, str]:
    """Name and content; a string with a line break is the content itself."""
    if isinstance(file, str) and "\n" in file:
        return "factors", file
    path = Path(file).expanduser()
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else [])
        raise BadData(f"{path}: no such file{near}; get it from Kenneth French's data library")
    raw = path.read_bytes()
    if raw[:4] == b"PK\x03\x04":
        raw = _unzipped(path, raw)
    if not raw.strip():
        raise BadData(f"{path}: the file is empty")
    return str(path), raw.decode("utf-8-sig" if raw[:3] == b"\xef\xbb\xbf" else "latin-1")


def _unzipped(path: Path, raw: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inside = [n for n in archive.namelist() if n.lower().endswith((".csv", ".txt"))]
            if len(inside) != 1:
                raise BadData(
                    f"{path}: one CSV was expected in the archive, it holds {', '.join(archive.namelist()[:5])}"
                )
            return archive.read(inside[0])
    except (zipfile.BadZipFile, EOFError) as error:
        raise BadData(f"{path}: a damaged zip archive: {error}") from error


def _block(text: str, name: str) -> FactorTable | None:
    """The first block of daily or monthly rows under a line of names; None where there is no such block."""
    rows = text.splitlines()
    first = next((i for i, row in enumerate(rows) if _ROW.match(row)), None)
    if first is None or first == 0:
        return None
    width = len(rows[first].split(","))
    head = next((i for i in range(first - 1, -1, -1) if rows[i].strip()), None)
    if head is None or len(rows[head].split(",")) != width:
        raise BadData(f"{name}:{first + 1}: no line of {width} column names above the first row of numbers")
    last = next((i for i in range(first, len(rows)) if not _ROW.match(rows[i])), len(rows))
    names = [f.strip() for f in rows[head].split(",")][1:]
    values = _values(rows[first:last], width, name, first + 1)
    notes = [f"{head} lines above the column names passed over"] if head else []
    if any(_YEAR_ROW.match(row) for row in rows[last:]):
        notes.append("the block of annual returns was passed over")
    elif any(_ROW.match(row) for row in rows[last:]):
        notes.append("only the first block of the file was read")
    return _table(names, _dates(rows[first:last], name, first + 1), values, tuple(notes), name)


def _values(rows: Sequence[str], width: int, name: str, line: int) -> FloatArray:
    out = np.empty((len(rows), width - 1))
    for i, row in enumerate(rows):
        cells = row.split(",")[1:]
        try:
            if len(cells) != width - 1:
                raise ValueError(f"{len(cells) + 1} columns where {width} are named")
            out[i] = [float(c) if c.strip() else np.nan for c in cells]
        except ValueError as error:
            raise BadData(f"{name}:{line + i}: {error}: {row.strip()[:60]!r}") from error
    return out


def _dates(rows: Sequence[str], name: str, line: int) -> DateArray:
    from .providers.parsing import days

    written = [row.split(",", 1)[0].strip().replace("-", "") for row in rows]
    sizes = {len(w) for w in written}
    if len(sizes) > 1:
        odd = next(i for i, w in enumerate(written) if len(w) != len(written[0]))
        raise BadData(f"{name}:{line + odd}: date {written[odd]!r} among dates such as {written[0]!r}")
    number = np.array([int(w) for w in written])
    if sizes == {6}:
        dates = days(number // 100, number % 100, np.ones_like(number))
        dates = (dates.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    else:
        dates = days(number // 10_000, number // 100 % 100, number % 100)
    wrong = np.isnat(dates)
    wrong[1:] |= dates[1:] <= dates[:-1]
    if wrong.any():
        i = int(np.argmax(wrong))
        raise BadData(f"{name}:{line + i}: date {written[i]!r} does not exist or does not come after the one before")
    return dates


def _plain(file: str | Path, name: str) -> FactorTable:
    """A CSV written in some other way, read as price files are."""
    from .providers.files import read_prices

    if isinstance(file, str) and "\n" in file:
        raise BadData("factors: no rows of the kind 20260612,0.12,... were found under a line of names")
    bars = read_prices(file, returns=True)
    times = [b.time for b in bars.values()]
    if any(b.freq != "1d" for b in bars.values()) or any(not np.array_equal(t, times[0]) for t in times):
        raise BadData(f"{name}: one row a date with one column a factor was expected (date,Mkt-RF,SMB,...)")
    values = np.stack([b.get("ret") for b in bars.values()], axis=1)
    notes = tuple(
        n for n in next(iter(bars.values())).meta.get("notes", "").split("\n") if n and "median size" not in n
    )
    return _table(list(bars), times[0], values, notes, name)


# ---------------------------------------------------------------------------------------------------- tables


def _table(
    names: Sequence[str], dates: DateArray, values: FloatArray, notes: tuple[str, ...], source: str
) -> FactorTable:
    """Columns under the names used here, the riskless rate apart, codes for "missing" as NaN."""
    known = [canonical(n) for n in names]
    doubled = next((n for i, n in enumerate(known) if n in known[:i]), None)
    if doubled or "" in known:
        raise BadData(
            f"{source}: columns {', '.join(names)}: {'two mean ' + doubled if doubled else 'one has no name'}"
        )
    values = np.array(values, dtype=float)
    missing = np.isin(values, MISSING)
    values[missing] = np.nan
    if missing.any():
        notes = (*notes, f"{int(missing.sum())} values of -99.99 or -999 are missing")
    keep = [i for i, n in enumerate(known) if n != "RF"]
    if not keep:
        raise BadData(f"{source}: no factor beside the riskless rate")
    rf = values[:, known.index("RF")] if "RF" in known else None
    return FactorTable(tuple(known[i] for i in keep), dates, values[:, keep], rf, notes, source)


def _typical_size(table: FactorTable) -> float:
    """Median absolute return of the market, or of all factors where there is none."""
    column = table.values[:, table.names.index("MKT")] if "MKT" in table.names else table.values
    sizes = np.abs(column[np.isfinite(column)])
    return float(np.median(sizes)) if sizes.size else 0.0


def _as_decimal(table: FactorTable, percent: bool | None, name: str) -> FactorTable:
    size = _typical_size(table)
    if percent is None and _SURELY_DECIMAL < size < _SURELY_PERCENT:
        raise BadData(
            f"{name}: values of a median size of {size:.3g} may be percent or decimal; say percent=True or False"
        )
    is_percent = size >= _SURELY_PERCENT if percent is None else percent
    if not is_percent:
        return table
    rf = None if table.rf is None else table.rf / 100.0
    notes = ("numbers are percent and were divided by 100", *table.notes)
    return FactorTable(table.names, table.dates, table.values / 100.0, rf, notes, table.source)


def _side_by_side(tables: Sequence[FactorTable]) -> FactorTable:
    """Tables with different factors on the union of their dates; NaN where one of them has no row."""
    if len(tables) == 1:
        return tables[0]
    names = [n for t in tables for n in t.names]
    doubled = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if doubled:
        raise BadData(f"factor {doubled} is in two of the files: {', '.join(t.source for t in tables)}")
    dates = np.unique(np.concatenate([t.dates for t in tables]))
    values = np.full((dates.size, len(names)), np.nan)
    rf: FloatArray | None = None
    at = 0
    notes: list[str] = []
    for table in tables:
        rows = np.searchsorted(dates, table.dates)
        values[rows, at : at + len(table.names)] = table.values
        at += len(table.names)
        if rf is None and table.rf is not None:
            rf = np.full(dates.size, np.nan)
            rf[rows] = table.rf
        notes += [f"{Path(table.source).name}: {n}" for n in table.notes]
        if len(table) != dates.size:
            notes.append(f"{Path(table.source).name}: no rows on {dates.size - len(table)} dates of the other files")
    return FactorTable(tuple(names), dates, values, rf, tuple(notes), "; ".join(t.source for t in tables))


# ---------------------------------------------------------------------------------------------------- over the network

LIBRARY = "https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/ftp/"
# Files of the library under short names; MOM comes in a file of its own.
FILES: Mapping[str, str] = {
    "ff3": "F-F_Research_Data_Factors_daily", "ff3_monthly": "F-F_Research_Data_Factors",
    "ff5": "F-F_Research_Data_5_Factors_2x3_daily", "ff5_monthly": "F-F_Research_Data_5_Factors_2x3",
    "mom": "F-F_Momentum_Factor_daily", "mom_monthly": "F-F_Momentum_Factor",
}  # fmt: skip
_WAITS = (2.0, 8.0)  # seconds before the second and third attempt
_AFTER = "60"  # seconds to name where a 429 names none
_TIMEOUT = 30.0


def fetch_french(name_or_url: str, folder: str | Path, sleep: Callable[[float], None] = time.sleep) -> Path:
    """Fetch a file of Kenneth French's library into `folder` and give its path, ready for `read_french`.

    Only a file that reads as factors is kept; it takes the place of an older one in a single step. This opens a
    connection: nothing but `abnormal fetch --factors` calls it.

    Parameters
    ----------
    name_or_url : "ff3", "ff5", "mom" (daily), "ff3_monthly" ..., the name of a file of the library, or an address.
    folder : made where it does not exist.
    sleep : how to wait between two attempts.

    Raises
    ------
    UnknownName
        The library has no such file.
    RateLimited, FetchFailed
        What the server did, and when to try again; an older file is kept.
    """
    url, target = _address(name_or_url, Path(folder).expanduser())
    raw = _downloaded(url, name_or_url, sleep)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(raw)
        read_french(part)
        os.replace(part, target)
    except BadData as error:
        told = str(error).replace(str(part), url)
        raise FetchFailed(f"{url} did not deliver a file of factors ({told}); try again later") from None
    finally:
        part.unlink(missing_ok=True)
    return target


def _address(name: str, folder: Path) -> tuple[str, Path]:
    """Where a file is to be had, and where it goes."""
    if "://" in name:
        last = re.sub(r"[^\w.-]", "_", name.split("?")[0].rstrip("/").rsplit("/", 1)[-1]) or "factors.csv"
        return name, folder / last
    file = FILES.get(name.lower(), name).removesuffix("_CSV.zip").removesuffix("_CSV")
    if not re.fullmatch(r"[\w.-]+", file):
        raise UnknownName("factor file", name, FILES, f"Known are {', '.join(FILES)}, and every file of the library")
    return f"{LIBRARY}{file}_CSV.zip", folder / f"{file}_CSV.zip"


def _downloaded(url: str, name: str, sleep: Callable[[float], None]) -> bytes:
    """The bytes behind an address, asked for three times before giving up."""
    trouble: FetchFailed = FetchFailed(url)
    for wait in (*_WAITS, None):
        try:
            return _asked_once(url, name)
        except RateLimited:
            raise
        except FetchFailed as error:
            trouble = error
            if wait is not None:
                sleep(wait)
    raise trouble


def _asked_once(url: str, name: str) -> bytes:
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "abnormal (event studies)"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise UnknownName("factor file", name, FILES, f"{url} is not there") from None
        if error.code == 429:
            after = error.headers.get("Retry-After") or _AFTER
            raise RateLimited(f"{url} asks for patience (429): try again in {after} seconds") from None
        raise FetchFailed(f"{url} answered {error.code} ({error.reason}); try again later") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise FetchFailed(f"{url} could not be read: {why}; is the network up? Try again later") from None
