"""A file or frame as columns, before anything is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...errors import BadData
from .parsing import Stamps


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A file or frame as columns: numbers (T,), text (T,) as arrow array, or stamps (T,); `where(row)` names a row."""

    name: str
    names: list[str]
    values: list[Any]
    where: Callable[[int], str]
    delimiter: str = ","
    notes: tuple[str, ...] = ()
    unnamed: int | None = None
    reread: Callable[[], Table] | None = field(default=None, repr=False)

    def fail(self, row: int, what: str) -> Any:
        raise BadData(f"{self.where(row)}: {what}")


def length_of(value: Any) -> int:
    """Rows of a column of any kind."""
    return int(value.wall.size) if isinstance(value, Stamps) else len(value)
