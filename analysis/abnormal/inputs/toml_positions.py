"""Where the keys of a TOML text stand, so that an error can name line and column."""

from __future__ import annotations

import re
import tomllib

from ..errors import StudyFileError

Loc = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[^,\]}#\n]*")
_KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)


def key_positions(source: str) -> dict[Loc, int]:
    """Where each section, key and array element of a valid TOML text stands, as character positions.

    Examples
    --------
    >>> key_positions("[model]\\nname = 'mean'")
    {('model',): 0, ('model', 'name'): 8}
    """
    return _Walk(source).found


class _Walk:
    """One pass over TOML that is known to be valid; `at` is the position reached."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0
        self.found: dict[Loc, int] = {}
        self.sizes: dict[Loc, int] = {}  # arrays of tables seen so far
        self._document()

    def _document(self) -> None:
        table: Loc = ()
        self._blank()
        while self.at < len(self.source):
            if self._here("["):
                table = self._header()
            else:
                self._key_value(table)
            self._blank()

    def _header(self) -> Loc:
        start, many = self.at, self._here("[[")
        self.at += 2 if many else 1
        parts = [part for part, _ in self._dotted_key()]
        self.at += 2 if many else 1
        loc: Loc = ()
        for part in parts[:-1]:
            self._note((*loc, part), start)
            loc = self._inside((*loc, part))
        loc = (*loc, parts[-1])
        if many:
            self.sizes[loc] = self.sizes.get(loc, -1) + 1
        self._note(loc, start)
        loc = self._inside(loc)
        self._note(loc, start)
        return loc

    def _inside(self, loc: Loc) -> Loc:
        return (*loc, self.sizes[loc]) if loc in self.sizes else loc

    def _key_value(self, table: Loc) -> None:
        loc = table
        for part, start in self._dotted_key():
            loc = (*loc, part)
            self._note(loc, start)
        self.at += 1  # the equals sign
        self._blank()
        self._value(loc)

    def _dotted_key(self) -> list[tuple[str, int]]:
        """Parts and where they begin; stands after the blanks that follow."""
        parts = []
        while True:
            self._blank()
            start, raw = self.at, self._take(_KEY)
            parts.append((raw if raw[0] not in "\"'" else next(iter(tomllib.loads(f"{raw}=0"))), start))
            self._blank()
            if not self._here("."):
                return parts
            self.at += 1

    def _value(self, loc: Loc) -> None:
        if self._here("[") or self._here("{"):
            self._members(loc, "]" if self._here("[") else "}")
        else:
            self._take(_STRING if self.source[self.at] in "\"'" else _BARE)

    def _members(self, loc: Loc, closing: str) -> None:
        self.at += 1
        count = 0
        self._blank()
        while not self._here(closing):
            if closing == "]":
                self._note((*loc, count), self.at)
                self._value((*loc, count))
            else:
                self._key_value(loc)
            count += 1
            self._blank()
            if self._here(","):
                self.at += 1
                self._blank()
        self.at += 1

    def _note(self, loc: Loc, at: int) -> None:
        self.found.setdefault(loc, at)

    def _here(self, mark: str) -> bool:
        return self.source.startswith(mark, self.at)

    def _blank(self) -> None:
        self._take(_BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.source, self.at)
        if found is None:
            raise StudyFileError(
                f"cannot follow the TOML at character {self.at}: {self.source[self.at : self.at + 40]!r}"
            )
        self.at = found.end()
        return found[0]
