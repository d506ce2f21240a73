"""A result as one XLSX workbook whose bytes depend on the result alone."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..result import FRAMES, StudyResult, plain, records, verdict_dict
from .tables import column_of

EPOCH = dt.datetime(1980, 1, 1)  # the earliest time a ZIP archive can hold; no clock enters the file
_FORMATS = {"percent": "0.00%", "share": "0.00%", "p": "0.0000", "number": "0.0000", "money": "#,##0"}
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WIDEST = 60


def workbook_bytes(result: StudyResult) -> bytes:
    """The workbook: verdict first, then a sheet for each frame, then spec and manifest."""
    from openpyxl import Workbook

    book = Workbook()
    book.properties.creator = "abnormal"
    book.properties.created = book.properties.modified = EPOCH
    _fill(book.active, "verdict", ("what", "value"), _verdict_rows(result))
    for name in FRAMES:
        frame = getattr(result, name)
        heads = list(frame.columns)
        _fill(book.create_sheet(), name, heads, ([row[h] for h in heads] for row in records(frame)))
    _fill(book.create_sheet(), "spec", ("key", "value"), _flat(plain(result.spec.to_dict())))
    _fill(book.create_sheet(), "manifest", ("key", "value"), _flat(plain(dict(result.manifest))))
    raw = io.BytesIO()
    book.save(raw)
    return _without_clock(raw.getvalue())


def _verdict_rows(result: StudyResult) -> list[tuple[str, Any]]:
    told = {"title": result.title, "question": result.question} | verdict_dict(result.verdict)
    told.pop("votes")
    told["interval_low"], told["interval_high"] = told.pop("interval")
    told["window_start"], told["window_end"] = told.pop("window")
    reasons = told.pop("reasons")
    rows = list(told.items()) + [(f"reason {i}", r) for i, r in enumerate(reasons, 1)]
    return rows + [(f"note {i}", n) for i, n in enumerate(result.notes, 1)]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as dotted keys; lists as one text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, ", ".join(map(str, value)) if isinstance(value, list) else value


def _fill(sheet: Any, title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet.title = title
    sheet.freeze_panes = "A2"
    widths = [len(h) for h in heads]
    for j, head in enumerate(heads, 1):
        _put(sheet, 1, j, head, "text").font = Font(bold=True)
    kinds = [column_of(h).kind for h in heads]
    for i, row in enumerate(rows, 2):
        for j, value in enumerate(row, 1):
            _put(sheet, i, j, value, kinds[j - 1])
            widths[j - 1] = max(widths[j - 1], min(len(str(value)) if isinstance(value, str) else 10, _WIDEST))
    for j, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(j)].width = width + 2


def _put(sheet: Any, i: int, j: int, value: Any, kind: str) -> Any:
    """One cell; a text stays a text even where it begins like a formula."""
    cell = sheet.cell(row=i, column=j)
    if isinstance(value, (list, dict)):
        value = str(value)
    if isinstance(value, str):
        cell.value = _FORBIDDEN.sub("", value)
        cell.data_type = "s"
    elif value is not None:
        cell.value = value
        if isinstance(value, float) and kind in _FORMATS:
            cell.number_format = _FORMATS[kind]
    return cell


def _without_clock(raw: bytes) -> bytes:
    """The archive with fixed times: openpyxl stamps the entries and the time of saving."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            body = old.read(item.filename)
            if item.filename == "docProps/core.xml":
                stamp = f"{EPOCH:%Y-%m-%dT%H:%M:%SZ}".encode()
                body = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, body)
            entry = zipfile.ZipInfo(item.filename, EPOCH.timetuple()[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            new.writestr(entry, body)
    return out.getvalue()
