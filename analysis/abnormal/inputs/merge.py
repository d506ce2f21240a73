"""Old bars and new bars of one ticker -> one series, and what the vendor changed in the meantime.

What the vendor no longer returns is kept. A split since the last fetch puts all older prices on a new basis; the kept bars
follow. A dividend since then changes adj_close backwards; that alone is not a revision and is called "re-adjusted".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..domain import BAR_COLUMNS, Bars, FloatArray, IntArray

LIST_KEYS = ("notes", "covered", "revisions", "duplicates", "marks")

_PRICES = ("open", "high", "low", "close", "prev_close", "adj_close", "dividends")
_SAME = 1e-6
_SAME_ADJUSTED = 1e-5
# A factor between old and new closes counts as a change of basis when it is this constant ...
_CONSTANT = 1e-4
# ... over this many bars, or when a split since then explains it.
_ENOUGH = 5
_KEPT_REVISIONS = 200


@dataclass(frozen=True, slots=True)
class Revision:
    """One value the vendor changed after the fact."""

    time: str
    column: str
    old: float
    new: float

    def __str__(self) -> str:
        return f"{self.time} {self.column} {self.old:.6g} -> {self.new:.6g}"


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a write did to the bars of one ticker.

    added: new bars; same: bars the vendor gave again unchanged; kept: stored bars the vendor did not give again; filled:
    values where there were none before; revised: changed values; readjusted: stored bars whose adj_close alone changed;
    rebased: factor by which a split moved older prices (1 = none).
    """

    ticker: str
    freq: str
    total: int
    added: int
    same: int = 0
    kept: int = 0
    filled: int = 0
    revised: tuple[Revision, ...] = ()
    readjusted: int = 0
    rebased: float = 1.0
    first: str = ""
    last: str = ""
    digest: str = ""
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.added or self.filled or self.revised or self.readjusted or self.rebased != 1.0)

    def __str__(self) -> str:
        return f"{self.ticker} {self.freq}: {', '.join(self._parts())}"

    def _parts(self) -> Iterator[str]:
        yield f"{self.added} bars added" if self.added else "nothing new"
        if self.rebased != 1.0:
            yield f"older prices x {self.rebased:.6g} (split)"
        if self.readjusted:
            yield f"{self.readjusted} re-adjusted (adj_close alone)"
        if self.filled:
            yield f"{self.filled} gaps filled"
        if self.revised:
            shown = "; ".join(map(str, self.revised[:3])) + (" ..." if len(self.revised) > 3 else "")
            yield f"{len(self.revised)} revised: {shown}"
        yield f"{self.total} in all, {self.first} to {self.last}"


def merge(old: Bars, new: Bars, later_splits: float = 1.0) -> tuple[Bars, WriteReport]:
    """One series of both, the new values winning, and the report.

    later_splits: product of split ratios after the last old bar, known from elsewhere; used where the two series do not
    overlap, so that nothing else can tell.
    """
    time = np.union1d(old.time, new.time)
    at_old, at_new = np.searchsorted(time, old.time), np.searchsorted(time, new.time)
    _, i, j = np.intersect1d(old.time, new.time, return_indices=True)
    notes: list[str] = []
    factor = _basis_change(old, new, i, j, later_splits, notes)
    older = _rebased(old, factor)
    shift, readjusted = _adjustment_change(older, new, i, j)
    columns: dict[str, FloatArray] = {}
    revised: list[Revision] = []
    filled = 0
    for name in _names(old, new):
        was, now = older.get(name) if name != "adj_close" else older.get(name) * shift, new.get(name)
        out = np.full(time.size, np.nan)
        out[at_old] = was
        changed, fresh = _differences(name, was[i], now[j])
        filled += int(fresh.sum()) if name in old else 0
        revised += [
            Revision(_shown(new, j[k]), name, float(was[i[k]]), float(now[j[k]])) for k in np.flatnonzero(changed)
        ]
        take = np.isfinite(now)
        take[j] = (changed | fresh)[...]  # an unchanged value stays to the last digit
        out[at_new[take]] = now[take]
        columns[name] = out
    report = WriteReport(
        ticker=new.ticker,
        freq=new.freq,
        total=time.size,
        added=int(new.time.size - j.size),
        same=int(j.size - len({r.time for r in revised})),
        kept=int(old.time.size - i.size),
        filled=filled,
        revised=tuple(sorted(revised, key=lambda r: (r.time, r.column))),
        readjusted=readjusted,
        rebased=factor,
        notes=tuple(notes),
    )
    return Bars(new.ticker, time, columns, new.freq, new.meta), report


def _names(old: Bars, new: Bars) -> list[str]:
    order = (*BAR_COLUMNS, "ret")
    both = set(old.columns) | set(new.columns)
    return [n for n in order if n in both] + sorted(both - set(order))


def _shown(bars: Bars, row: Any) -> str:
    return str(bars.time[row] if bars.freq == "1d" else bars.time[row].astype("datetime64[m]"))


def _basis_change(old: Bars, new: Bars, i: IntArray, j: IntArray, later_splits: float, notes: list[str]) -> float:
    """Factor that brings the old prices onto the basis of the new ones; 1 where nothing happened."""
    expected = 1.0 / (_splits_after(new, old.time[-1]) if len(old) else 1.0)
    name = "close" if "close" in old and "close" in new else "adj_close"
    a, b = old.get(name)[i], new.get(name)[j]
    usable = (a > 0) & (b > 0)
    if not usable.any():
        if "split" not in new.meta.get("adjustment", ""):
            return 1.0
        return expected if expected != 1.0 else 1.0 / later_splits
    if name == "adj_close":
        return 1.0  # without raw closes a dividend and a split look alike; see _adjustment_change
    ratio = b[usable] / a[usable]
    middle = float(np.median(ratio))
    constant = bool(np.abs(ratio / middle - 1).max() < _CONSTANT)
    if not constant or abs(middle - 1) < 1e-3:
        return 1.0
    if abs(middle / expected - 1) < 1e-3:
        notes.append(f"a split since the last fetch: older prices were multiplied by {expected:.6g}")
        return expected
    if usable.sum() < _ENOUGH:
        return 1.0
    notes.append(f"all {usable.sum()} closes given again are {middle:.6g} times the stored ones: older prices follow")
    return middle


def _splits_after(bars: Bars, moment: np.datetime64) -> float:
    ratio = bars.get("splits")[bars.time > moment]
    return float(np.prod(ratio[ratio > 0])) if ratio.size else 1.0


def _rebased(bars: Bars, factor: float) -> Bars:
    if factor == 1.0:
        return bars
    columns = {n: v * factor if n in _PRICES else (v / factor if n == "volume" else v) for n, v in bars.columns.items()}
    return Bars(bars.ticker, bars.time, columns, bars.freq, bars.meta)


def _adjustment_change(old: Bars, new: Bars, i: IntArray, j: IntArray) -> tuple[FloatArray, int]:
    """Factor (T_old,) that carries old adj_close to the new adjustment, and how many bars it changes.

    A dividend lowers every earlier adj_close by the same share, so a bar that was not given again takes the factor of
    the next one that was.
    """
    keep = np.ones(old.time.size)
    if "adj_close" not in old or "adj_close" not in new or i.size == 0:
        return keep, 0
    a, b = old.get("adj_close")[i], new.get("adj_close")[j]
    usable = (a > 0) & (b > 0) & _same_close(old, new, i, j)
    if not usable.any():
        return keep, 0
    ratio = b[usable] / a[usable]
    if np.abs(ratio - 1).max() < _SAME_ADJUSTED:
        return keep, 0
    known = i[usable]
    following = np.minimum(np.searchsorted(known, np.arange(old.time.size)), known.size - 1)
    factor = ratio[following]
    return factor, int((np.abs(factor - 1) >= _SAME_ADJUSTED).sum())


def _same_close(old: Bars, new: Bars, i: IntArray, j: IntArray) -> Any:
    if "close" not in old or "close" not in new:
        return np.ones(i.size, dtype=bool)
    a, b = old.get("close")[i], new.get("close")[j]
    return np.isclose(a, b, rtol=_SAME, atol=0.0)


def _differences(name: str, was: FloatArray, now: FloatArray) -> tuple[Any, Any]:
    """Rows with another value than before, and rows with a value where there was none. A value never becomes none."""
    tolerance = _SAME_ADJUSTED if name == "adj_close" else _SAME
    both = np.isfinite(was) & np.isfinite(now)
    with np.errstate(invalid="ignore"):
        changed = both & (np.abs(now - was) > tolerance * np.maximum(np.abs(was), 1e-12))
    return changed, np.isfinite(now) & ~np.isfinite(was)


def merged_meta(old: dict[str, Any], new: dict[str, Any], report: WriteReport) -> dict[str, Any]:
    """Metadata of the merged file: the new ones, lists joined, every source named, revisions on record."""
    out = {**old, **new}
    for key in LIST_KEYS:
        joined = list(dict.fromkeys([*old.get(key, []), *new.get(key, [])]))
        if joined:
            out[key] = joined
    out["covered"] = joined_ranges([*old.get("covered", []), *new.get("covered", [])])
    out["notes"] = list(dict.fromkeys([*out.get("notes", []), *report.notes]))
    when = str(new.get("retrieved", ""))[:10]
    history = [f"{when}: {r}" for r in report.revised]
    out["revisions"] = [*old.get("revisions", []), *history][-_KEPT_REVISIONS:]
    sources = [s for s in (str(old.get("source", "")), str(new.get("source", ""))) if s]
    out["source"] = "; ".join(dict.fromkeys(part for s in sources for part in s.split("; ")))
    return out


def joined_ranges(ranges: list[str]) -> list[str]:
    """Ranges "first/last" of dates (both included) without overlaps, in order.

    >>> joined_ranges(["2026-01-05/2026-01-09", "2026-01-01/2026-01-04", "2026-02-01/2026-02-02"])
    ['2026-01-01/2026-01-09', '2026-02-01/2026-02-02']
    """
    days = sorted(tuple(np.datetime64(edge, "D") for edge in text.split("/")) for text in ranges)
    out: list[list[np.datetime64]] = []
    for first, last in days:
        if out and first <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], last)
        else:
            out.append([first, last])
    return [f"{a}/{b}" for a, b in out]
