"""Event records in YAML: reading with line numbers, every scalar as text, and writing the same form back.

YAML 1.1 would read 0700 as 448, NO as false and 12:30 as 750. Here the document is only composed, never constructed:
each scalar stays the text that was typed, with its line, until the field it stands in says what it means.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ..domain import Event
from ..errors import EventError, did_you_mean
from .event_fields import LISTS, TICKER_FIELDS, Cell, RawEvent, Report

Node = Any  # yaml.Node, whose stubs say nothing of value types

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMPTY = frozenset({"", "~", "null"})


# ------------------------------------------------------------------------------------------------------------ reading


def read_yaml(path: Path, report: Report) -> Iterator[RawEvent]:
    """The records of a YAML file in file order; what cannot be a record is said in `report`."""
    root = _compose(path)
    if isinstance(root, yaml.MappingNode):
        root = _child(root, "events") or root
    if not isinstance(root, yaml.SequenceNode):
        raise EventError(
            f"{path}:{_line(root) if root else 1}: expected a list of event records, each starting `- id:`"
        )
    for node in root.value:
        if not isinstance(node, yaml.MappingNode):
            report.add(_line(node), "", "", "expected an event record (`- id: ...`), found a plain value")
            continue
        yield _record(node, report)


def _compose(path: Path) -> Node:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = path.read_bytes()[: wrong.start].count(b"\n") + 1
        raise EventError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise EventError(f"{where}: not YAML: {wrong.problem or wrong.context}") from None
    except yaml.YAMLError as wrong:
        raise EventError(f"{path}: not YAML: {wrong}") from None
    if root is None:
        raise EventError(f"{path}:1: the file holds no event records")
    return root


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: Node, name: str) -> Node | None:
    return next((value for key, value in node.value if key.value == name), None)


def _is_empty(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in _EMPTY


def _cell(node: Node) -> Cell:
    return Cell(node.value, _line(node), bool(node.style))


def _record(node: Node, report: Report) -> RawEvent:
    given = _child(node, "id")
    named = isinstance(given, yaml.ScalarNode) and not _is_empty(given)
    raw = RawEvent(given.value if named and given is not None else "", _line(node))
    if not raw.id:
        report.add(raw.line, "", "id", "is missing; every record starts `- id: some-name`")
    seen: set[str] = {"id"}
    for key, value in node.value:
        name = str(key.value)
        if name == "id" and value is given:
            continue
        if name in seen:
            report.add(_line(key), raw.id, name, "is given twice in this record")
            continue
        seen.add(name)
        if not _is_empty(value):
            _put(raw, name, value, report)
    return raw


def _put(raw: RawEvent, name: str, value: Node, report: Report) -> None:
    if name == "tickers":
        raw.tickers = list(_tickers(raw, value, report))
    elif name == "attributes":
        raw.attributes = _scalars(raw, name, value, report)
    elif name in LISTS:
        raw.lists[name] = list(_items(raw, name, value, report))
    elif isinstance(value, yaml.ScalarNode):
        raw.fields[name] = _cell(value)
    else:
        report.add(_line(value), raw.id, name, "expected one value, found a list or a mapping")


def _items(raw: RawEvent, name: str, value: Node, report: Report) -> Iterator[Cell]:
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    for node in nodes:
        if isinstance(node, yaml.ScalarNode):
            yield _cell(node)
        else:
            report.add(_line(node), raw.id, name, "expected a list of texts")


def _scalars(raw: RawEvent, name: str, value: Node, report: Report) -> dict[str, Cell]:
    if not isinstance(value, yaml.MappingNode):
        report.add(_line(value), raw.id, name, "expected `name: value` pairs")
        return {}
    cells: dict[str, Cell] = {}
    for key, node in value.value:
        inner = str(key.value)
        if inner in cells:
            report.add(_line(key), raw.id, inner, f"is given twice in `{name}`")
        elif not isinstance(node, yaml.ScalarNode):
            report.add(_line(node), raw.id, inner, "expected one value, found a list or a mapping")
        elif not _is_empty(node):
            cells[inner] = _cell(node)
    return cells


def _tickers(raw: RawEvent, value: Node, report: Report) -> Iterator[dict[str, Cell]]:
    """One mapping a ticker; a plain text stands for a ticker without role and sign."""
    for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
        if isinstance(node, yaml.ScalarNode):
            yield {"ticker": _cell(node)}
            continue
        if not isinstance(node, yaml.MappingNode):
            report.add(_line(node), raw.id, "tickers", 'expected {ticker: "2513.HK", role: target, sign: 1}')
            continue
        cells = _scalars(raw, "tickers", node, report)
        for name, cell in cells.items():
            near = "" if name in TICKER_FIELDS else did_you_mean(name, TICKER_FIELDS)
            if near:
                report.add(cell.line, raw.id, name, f"is not a field of a ticker{near}")
        yield cells


# ------------------------------------------------------------------------------------------------------------ writing

_WIDTH = 112
_ORDER = (
    "title", "kind", "at", "date", "timezone", "session_hint", "session_market", "precision", "effective_date",
    "date_end", "scheduled", "anticipated", "jurisdiction", "cluster", "market_wide", "selected_on_outcome", "tickers",
    "attributes", "known_confounders", "sources", "status", "confidence", "notes",
)  # fmt: skip
_ALWAYS = ("precision", "anticipated", "status")
_PLAIN = re.compile(r"[A-Za-z\u00c0-\u024f\u4e00-\u9fff][^:#{}\[\],&*?|<>=!%@`\"\\]*")
# Words and forms that some YAML reader takes for something else than text.
_TAKEN = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})


def event_yaml(event: Event, extras: dict[str, dict[str, Any]] | None = None) -> str:
    """One record as YAML, leaving out fields that hold their default; `extras` are characteristics by ticker."""
    lines = [f"- id: {_scalar(event.id)}"]
    for name in _ORDER:
        if name == "tickers":
            lines += _ticker_lines(event, extras or {})
        elif name == "attributes":
            lines += _block(name, [f"{_scalar(key)}: {_scalar(value)}" for key, value in event.attributes.items()])
        elif name in LISTS:
            lines += _block(name, [f"- {_scalar(item)}" for item in getattr(event, name)])
        else:
            lines += _field(event, name)
    return "\n".join(lines) + "\n"


def _block(name: str, entries: list[str]) -> list[str]:
    return [f"  {name}:", *(f"    {entry}" for entry in entries)] if entries else []


def _field(event: Event, name: str) -> list[str]:
    value = getattr(event, name)
    if name not in _ALWAYS and value in ("", None, False, "unknown"):
        return []
    if name == "notes":
        return _folded(name, value)
    if isinstance(value, bool):
        return [f"  {name}: {str(value).lower()}"]
    text = value if isinstance(value, str) else value.isoformat()
    return [f"  {name}: {_scalar(text)}"] if text else []


def _ticker_lines(event: Event, extras: dict[str, dict[str, Any]]) -> list[str]:
    entries = []
    for link in event.tickers:
        pairs: dict[str, Any] = {"role": link.role, "sign": link.sign, **extras.get(link.ticker, {})}
        shown = [f"ticker: {_quoted(link.ticker)}"]
        shown += [f"{_scalar(k)}: {_scalar(v)}" for k, v in pairs.items() if k != "role" or v]
        entries.append("- {" + ", ".join(shown) + "}")
    return _block("tickers", entries)


def _scalar(value: Any) -> str:
    """A value that every YAML reader gives back as it was: numbers bare, plain words bare, all else quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.isprintable() and text == text.strip() and text.lower() not in _TAKEN:
        return text
    if re.fullmatch(r"https?://[^\s#{}\[\],]+[^\s#{}\[\],:]", text):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Double quotes, with everything escaped that is not printed or that YAML takes for the end of a line."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in shown)


def _folded(name: str, text: str) -> list[str]:
    """Long text as a folded block, unless folding would change it."""
    wrapped = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    if len(text) + len(name) <= _WIDTH or text != " ".join(wrapped) or not text.isprintable():
        return [f"  {name}: {_scalar(text)}"]
    return [f"  {name}: >-", *(f"    {line}" for line in wrapped)]
