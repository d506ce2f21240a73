"""The words of a PDF as the report writes them: pages in order, white space gone. Enough for tests, no more."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)\sendobj", re.S)
FONT, HEXED = re.compile(rb"/(\w+) [\d.]+ Tf"), re.compile(rb"<([0-9A-Fa-f]*)>")
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages_of(pdf: bytes, most: int | None = None) -> list[str]:
    """The text of the first pages without white space, glyphs read through the fonts' ToUnicode maps."""
    objects = {int(m[1]): m[2] for m in OBJECT.finditer(pdf)}
    pages = [objects[int(k)] for k in re.findall(rb"(\d+) 0 R", _between(_kids(objects), rb"/Kids[", rb"]"))]
    return [_page(objects, page) for page in pages[:most]]


def _kids(objects: dict[int, bytes]) -> bytes:
    return next(v for v in objects.values() if b"/Type/Pages" in v)


def _page(objects: dict[int, bytes], page: bytes) -> str:
    fonts = _fonts(objects, objects[_reference(page, rb"/Resources")])
    content = _stream(objects[_reference(page, rb"/Contents")])
    current: dict[int, str] = {}
    out = []
    for kind, value in _tokens(content):
        if kind == "font":
            current = fonts.get(value, {})
        else:
            out += [current.get(int.from_bytes(value[i : i + 2], "big"), "") for i in range(0, len(value), 2)]
    return re.sub(r"[\s\u200b]+", "", "".join(out))


def _tokens(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Fonts set and strings shown, in order; property lists (tags) are passed over."""
    at, inside = 0, 0  # inside: depth of property lists
    while at < len(content):
        if content.startswith(b"<<", at) or content.startswith(b">>", at):
            inside += 1 if content.startswith(b"<<", at) else -1
            at += 2
        elif found := FONT.match(content, at):
            yield "font", found[1]
            at = found.end()
        elif found := HEXED.match(content, at):
            if not inside:
                yield "text", bytes.fromhex(found[1].decode())
            at = found.end()
        elif content.startswith(b"(", at):
            end = _end_of_literal(content, at)
            if not inside:
                yield "text", _unescaped(content[at + 1 : end])
            at = end + 1
        else:
            at += 1


def _end_of_literal(content: bytes, start: int) -> int:
    """Position of the closing bracket; brackets inside a literal balance."""
    depth, at = 0, start
    while True:
        byte = content[at : at + 1]
        if byte == b"\\":
            at += 2
            continue
        depth += (byte == b"(") - (byte == b")")
        if depth == 0:
            return at
        at += 1


def _fonts(objects: dict[int, bytes], resources: bytes) -> dict[bytes, dict[int, str]]:
    listed = _between(resources, b"/Font<<", b">>")
    return {name: _unicode(objects, objects[int(k)]) for name, k in re.findall(rb"/(\w+) (\d+) 0 R", listed)}


def _unicode(objects: dict[int, bytes], font: bytes) -> dict[int, str]:
    if b"/ToUnicode" not in font:
        return {}
    cmap = _stream(objects[_reference(font, rb"/ToUnicode")])
    pairs = re.findall(rb"<([0-9A-Fa-f]{4})> <([0-9A-Fa-f]+)>\n", cmap)
    return {int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}


def _unescaped(literal: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        mark = found[1]
        return bytes([int(mark, 8)]) if mark.isdigit() else ESCAPES.get(mark, mark)

    return re.sub(rb"\\([0-7]{1,3}|.)", one, literal, flags=re.S)


def _stream(value: bytes) -> bytes:
    raw = value.split(b"stream", 1)[1].lstrip(b"\r\n").rsplit(b"endstream", 1)[0]
    return zlib.decompress(raw) if b"/FlateDecode" in value.split(b"stream", 1)[0] else raw


def _reference(value: bytes, key: bytes) -> int:
    found = re.search(key + rb" (\d+) 0 R", value)
    assert found is not None, key
    return int(found[1])


def _between(value: bytes, start: bytes, end: bytes) -> bytes:
    return value.split(start, 1)[1].split(end, 1)[0]
