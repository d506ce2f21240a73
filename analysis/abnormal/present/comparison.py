"""Two results side by side, and why a number changed: specification, events, data and versions that differ."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import RequestError
from ..result import SCHEMA_VERSION, StudyResult, load_result, plain, records
from . import console
from .tables import Column, Table, format_table

KEYS = ["event_id", "ticker", "window_start", "window_end"]
SAME = 1e-12  # differences in decimal return below it are rounding
SHOWN = 12
ASIDE = ("source", "retrieved")  # told only where the bars themselves differ


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same: where (`spec`, `events`, `data`, `versions`, `exclusions`), what, and both values."""

    where: str
    what: str
    left: str
    right: str

    @property
    def sentence(self) -> str:
        """``model.name: market -> mean``"""
        if self.left and self.right:
            return f"{self.what}: {self.left} -> {self.right}"
        return f"{self.what}: only in the {'first' if self.left else 'second'} ({self.left or self.right})"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two results side by side; prints itself.

    numbers: what, left, right, difference (headline estimate, interval, p ...). pairs: CAR of every pair and window both
    have, with their difference. why: what differs between the two studies, the likeliest causes first.
    """

    left: str
    right: str
    numbers: pd.DataFrame
    pairs: pd.DataFrame
    why: tuple[Difference, ...]

    @property
    def changed(self) -> bool:
        """Whether a CAR that both have is not the same."""
        return any(not _zero(gap) for gap in self.pairs["difference"])

    @property
    def same(self) -> bool:
        """Whether estimate, p, number of pairs and every CAR are the same to rounding."""
        head = self.numbers.set_index("what")
        alike = (_zero(head.loc[k, "difference"]) for k in ("estimate", "p", "pairs"))
        return not self.changed and all(alike)

    @property
    def sentence(self) -> str:
        """Whether the numbers changed, and the first reasons."""
        estimate = self.numbers.set_index("what").loc["estimate"]
        moved = f"{console.percent(estimate['left'])} -> {console.percent(estimate['right'])}"
        causes = [d.sentence for d in self.why if d.where != "exclusions"]
        if self.pairs.empty:
            return f"No pair and window in common; estimate {moved}."
        if self.same:
            return f"The same numbers, although {console.listed(causes, most=4)}." if causes else "The same numbers."
        if not causes:
            return f"Estimate {moved}, with the same specification, data and versions: look at the catalogue and the platform."
        cars = "" if self.changed else "Every CAR both have is the same. "
        return f"{cars}Estimate {moved}. What differs: {console.listed(causes, most=4)}."

    def to_frame(self) -> pd.DataFrame:
        """The CARs both have, with their difference."""
        return self.pairs.copy()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, `schema_version` first."""
        why = [{"where": d.where, "what": d.what, "left": d.left, "right": d.right} for d in self.why]
        return {
            "schema_version": SCHEMA_VERSION, "left": self.left, "right": self.right, "same": self.same,
            "sentence": self.sentence, "numbers": records(self.numbers), "pairs": records(self.pairs), "why": why,
        }  # fmt: skip

    def tables(self) -> list[Table]:
        """Headline numbers, changed CARs and differences, as tables."""
        return [t for t in (_number_table(self), _pair_table(self), _why_table(self)) if t.rows]

    def __repr__(self) -> str:
        parts = ["\n".join(console.wrap(self.sentence)), *(format_table(t) for t in self.tables())]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        body = "".join(format_table(t, "html") for t in self.tables())
        return f'<div class="abnormal-comparison"><p><strong>{html.escape(self.sentence)}</strong></p>{body}</div>'


def compare(a: StudyResult | str | Path, b: StudyResult | str | Path) -> Comparison:
    """Two results side by side, and why a number changed.

    Parameters
    ----------
    a, b : StudyResult, or the folder of a saved one

    Raises
    ------
    RequestError
        Neither a result nor a folder that holds one.

    Examples
    --------
    >>> import abnormal as ab
    >>> study = ab.run("anthropic_export_order")
    >>> other = ab.run("anthropic_order_two_labs")
    >>> [d.sentence for d in ab.compare(study, other).why if d.where == "events"]
    ['0100.HK at us-order-anthropic: only in the second (studied)']
    """
    left, right = _result(a), _result(b)
    return Comparison(
        *_names(left, right), _numbers(left, right), _pairs(left, right), tuple(_differences(left, right))
    )


def _result(given: StudyResult | str | Path) -> StudyResult:
    if isinstance(given, StudyResult):
        return given
    if isinstance(given, (str, Path)):
        return load_result(given)
    raise RequestError(f"compare: {type(given).__name__} given; expected a StudyResult or the folder of a saved one")


def _names(left: StudyResult, right: StudyResult) -> tuple[str, str]:
    """What stands over the columns: the names of the studies, or which is which where they are the same."""
    one, other = (r.name or r.title or "study" for r in (left, right))
    return (one, other) if one != other else ("first", "second")


def _zero(difference: Any) -> bool:
    """No difference beyond rounding; two missing numbers do not differ."""
    return difference is None or (isinstance(difference, float) and abs(difference) <= SAME)


# ------------------------------------------------------------------------------------------------ numbers


def _numbers(left: StudyResult, right: StudyResult) -> pd.DataFrame:
    """What stands on the first lines of both."""
    rows = []
    for what, a, b in ((k, x, y) for (k, x), (_, y) in zip(_headline(left), _headline(right))):
        gap = (
            b - a
            if console.is_number(a) and console.is_number(b)
            else None
            if a is None and b is None
            else float("nan")
        )
        rows.append((what, a, b, gap))
    return pd.DataFrame(rows, columns=["what", "left", "right", "difference"], dtype=object)


def _headline(result: StudyResult) -> list[tuple[str, Any]]:
    v = result.verdict
    returns = result.pairs["n_est"] if "n_est" in result.pairs else pd.Series(dtype=float)
    return [
        ("verdict", v.label), ("window", console.window(*v.window)), ("estimate", _number(v.estimate)),
        ("interval low", _number(v.interval[0])), ("interval high", _number(v.interval[1])), ("test", v.headline),
        ("p", _number(v.p)), ("n", _number(v.n)), ("smallest effect", _number(v.mde)), ("pairs", float(len(result.pairs))),
        ("estimation returns", _number(returns.min()) if len(returns) else None),
        ("model", console.listed(list(dict.fromkeys(result.pairs["model"])))), ("left out", float(len(result.excluded))),
    ]  # fmt: skip


def _number(value: Any) -> float | None:
    return float(value) if console.is_number(value) else None


def _pairs(left: StudyResult, right: StudyResult) -> pd.DataFrame:
    """CARs of the pairs and windows both have, in the order of the first."""
    columns = [*KEYS, "left", "right", "difference"]
    if left.car.empty or right.car.empty:
        return pd.DataFrame(columns=columns)
    a, b = (_counted(r.car).rename(columns={"car": side}) for r, side in ((left, "left"), (right, "right")))
    both = a.merge(b, on=[*KEYS, "occurrence"], how="inner")
    gap = both["right"].astype(float) - both["left"].astype(float)
    both["difference"] = gap.where(both["left"].notna() | both["right"].notna(), 0.0)  # two missing CARs do not differ
    return both[columns]


def _counted(car: pd.DataFrame) -> pd.DataFrame:
    """Key columns and CAR; a pair that occurs twice is told apart by its occurrence."""
    frame = car[[*KEYS, "car"]].copy()
    frame["occurrence"] = frame.groupby(KEYS).cumcount()
    return frame


# ------------------------------------------------------------------------------------------------ why


def _differences(left: StudyResult, right: StudyResult) -> Iterator[Difference]:
    """Specification, events, data, versions, exclusions: in the order in which they usually explain a change."""
    a, b = plain(left.spec.to_dict()), plain(right.spec.to_dict())
    yield from _unlike("spec", dict(_flat(a)), dict(_flat(b)))
    yield from _unlike("events", _studied(left), _studied(right))
    yield from _data(left.manifest, right.manifest)
    yield from _unlike("versions", _versions(left.manifest), _versions(right.manifest))
    yield from _unlike("exclusions", _left_out(left), _left_out(right))


def _unlike(where: str, left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[Difference]:
    for what in dict.fromkeys([*left, *right]):
        a, b = left.get(what, ""), right.get(what, "")
        if a != b:
            yield Difference(where, what, a, b)


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """A nested specification as dotted keys; what is empty is not there."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif value not in (None, [], {}, ""):
        yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _studied(result: StudyResult) -> dict[str, str]:
    """Every pair, with its day 0 where both know one."""
    days = result.pairs.to_dict("records")
    sole = [f"{r['ticker']} at {r['event_id']}" for r in days]
    return {f"{label} (again)" if label in sole[:k] else label: "studied" for k, label in enumerate(sole)}


def _data(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    """Series whose bars differ, with what is known of both; series that only one has."""
    a, b = left.get("data") or {}, right.get("data") or {}
    for series in dict.fromkeys([*a, *b]):
        one, other = a.get(series), b.get(series)
        if one is None or other is None:
            yield Difference("data", series, "read" if one else "", "read" if other else "")
        elif one.get("sha256") != other.get("sha256"):
            yield Difference("data", f"bars of {series}", _told(one), _told(other))
        elif one.get("basis") != other.get("basis"):
            yield Difference("data", f"returns of {series}", str(one.get("basis", "")), str(other.get("basis", "")))
    for name in dict.fromkeys([*(left.get("frames") or {}), *(right.get("frames") or {})]):
        one, other = (side.get("frames") or {} for side in (left, right))
        if one.get(name) != other.get(name):
            yield Difference("data", f"{name} handed over", *(str(side.get(name, ""))[:12] for side in (one, other)))


def _told(series: Mapping[str, Any]) -> str:
    extra = [str(series[k]) for k in ASIDE if series.get(k)]
    return ", ".join(
        [f"{series.get('first', '')} to {series.get('last', '')}", str(series.get("sha256", ""))[:12], *extra]
    )


def _versions(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {str(k): str(v) for k, v in (manifest.get("versions") or {}).items()}


def _left_out(result: StudyResult) -> dict[str, str]:
    frame = result.excluded
    return {str(w): str(r) for w, r in zip(frame["what"], frame["reason"])} if len(frame) else {}


# ------------------------------------------------------------------------------------------------ tables

PERCENTS = ("estimate", "interval low", "interval high", "smallest effect")


def _number_table(c: Comparison) -> Table:
    columns = (
        Column("what", " "),
        Column("left", c.left),
        Column("right", c.right),
        Column("difference", "difference"),
    )
    rows = tuple(
        (r["what"], *(_shown(r["what"], r[k]) for k in ("left", "right")), _gap(r["what"], r["difference"]))
        for r in c.numbers.to_dict("records")
    )
    return Table("", columns, rows)


def _shown(what: str, value: Any) -> str:
    if value is None or value != value:
        return console.NONE
    if isinstance(value, str):
        return value
    if what in PERCENTS:
        return console.percent(value, 2)
    return console.p_value(value) if what == "p" else console.count(value)


def _gap(what: str, value: Any) -> str:
    """The difference where it is one; p-values are set side by side, not subtracted."""
    if not console.is_number(value) or what == "p" or abs(value) <= SAME:
        return ""
    return f"{100 * value:+.2f} points" if what in PERCENTS else f"{value:+,.6g}"


def _pair_table(c: Comparison) -> Table:
    """CARs that changed, the largest change first."""
    frame = c.pairs[[not _zero(gap) for gap in c.pairs["difference"]]]
    frame = frame.reindex(
        frame["difference"].abs().sort_values(ascending=False, kind="stable", na_position="first").index
    )
    columns = (
        Column("pair", "CAR of"), Column("window"), Column("left", c.left, "percent", 2), Column("right", c.right, "percent", 2),
        Column("difference", "points"),
    )  # fmt: skip
    rows = [
        (f"{r['ticker']}, {r['event_id']}", console.window(r["window_start"], r["window_end"]), r["left"], r["right"],
         f"{100 * r['difference']:+.2f}" if console.is_number(r["difference"]) else console.NONE)
        for r in frame.to_dict("records")
    ]  # fmt: skip
    return Table("", columns, tuple(rows)).first(SHOWN, "changed CAR")


def _why_table(c: Comparison) -> Table:
    columns = (Column("where", "Why"), Column("what", " "), Column("left", c.left), Column("right", c.right))
    return Table("", columns, tuple((d.where, d.what, d.left or "-", d.right or "-") for d in c.why)).first(
        SHOWN, "difference"
    )
