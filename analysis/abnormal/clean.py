"""Cleaners: one value in, the checked value out, or an error that says what was given, what is expected, what to type.

A cleaner takes the key a value was given under and the value. A dataclass names the cleaner of each field beside its
default (`keyed`) and puts all of them to work when it is made (`settle`), so that every wrong field is said at once.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields
from functools import partial
from typing import Any, TypeVar

import numpy as np

from .errors import AbnormalError, SpecError, UnknownName, did_you_mean

Cleaner = Callable[[str, Any], Any]
T = TypeVar("T")


def wrong(key: str, value: Any, expected: str, example: Any) -> SpecError:
    """The error for a value a field cannot take: what was given, what is expected, what to type."""
    leaf = key.rsplit(".", 1)[-1]
    to_type = f"write {shown(example)}" if key.endswith("]") else f"type {leaf} = {shown(example)}"
    return SpecError(f"{key}: {shown(value)} given; expected {expected}; {to_type}")


def shown(value: Any) -> str:
    """A value as a study file would write it, cut when long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError):  # keys that are no text, or a value that holds itself
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def optional(clean: Cleaner) -> Cleaner:
    """The same cleaner, letting None through."""
    return lambda key, value: None if value is None else clean(key, value)


def text(key: str, value: Any, example: str = "text", what: str = "text in quotes") -> str:
    """A non-empty string."""
    if not isinstance(value, str) or not value.strip():
        raise wrong(key, value, what, example)
    return str(value)


def choice(key: str, value: Any, options: Sequence[str] = (), also: str = "") -> str:
    """One of a fixed set of words."""
    if isinstance(value, str) and value in options:
        return str(value)
    near = did_you_mean(value, options) if isinstance(value, str) else ""
    listed = ", ".join(f'"{o}"' for o in options)
    raise SpecError(f"{key}: {shown(value)} given; expected one of {listed}{also}{near}")


def flag(key: str, value: Any) -> bool:
    """True or False, nothing that merely counts as one."""
    if not isinstance(value, bool | np.bool_):
        raise wrong(key, value, "true or false", True)
    return bool(value)


def whole(key: str, value: Any, least: int = 0, example: int = 1) -> int:
    """A whole number that is not below `least`."""
    number = as_int(value)
    if number is None or number < least:
        raise wrong(key, value, f"a whole number of at least {least}", example)
    return number


def as_int(value: Any) -> int | None:
    """The value if it is a whole number (true and false are none), else None."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def real(key: str, value: Any, example: float, above: float = -math.inf, below: float = math.inf) -> float:
    """A number strictly between two others."""
    fits = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not fits or not above < value < below:
        bounds = "" if math.isinf(above) else f" between {above:g} and {below:g}"
        raise wrong(key, value, f"a number{bounds}", example)
    return float(value) + 0.0  # minus zero becomes zero: equal values must have equal digests


def listing(key: str, value: Any, what: str, example: Any) -> tuple[Any, ...]:
    """A list (tuple, array) as a tuple; text, mappings and unordered sets are not lists."""
    if isinstance(value, str | bytes | Mapping | set | frozenset) or not isinstance(value, Iterable):
        raise wrong(key, value, f"a list of {what}", example)
    return tuple(value)


def each(key: str, values: Iterable[Any], clean: Cleaner) -> tuple[Any, ...]:
    """Every value through a cleaner, which is told the place in the list as ``key[0]``, ``key[1]``, ..."""
    return tuple(clean(f"{key}[{i}]", value) for i, value in enumerate(values))


def distinct(key: str, values: tuple[T, ...]) -> tuple[T, ...]:
    """The same values, refusing a repeated one."""
    for i, value in enumerate(values):
        if value in values[:i]:
            raise SpecError(f"{key}: {shown(value)} is named twice; name it once")
    return values


def texts(key: str, value: Any, what: str = "names", example: Sequence[str] = ("name",)) -> tuple[str, ...]:
    """A list of distinct names; a single name counts as a list of one."""
    one = partial(text, example=example[0], what="text in quotes")
    if isinstance(value, str):
        return (one(key, value),)
    return distinct(key, each(key, listing(key, value, what, example), one))


def choices(key: str, value: Any, options: Sequence[str]) -> tuple[str, ...]:
    """A list of distinct words of a fixed set; a single word counts as a list of one."""
    one = partial(choice, options=options)
    return (one(key, value),) if isinstance(value, str) else each(key, texts(key, value, "words", options[:1]), one)


tickers = partial(texts, what="tickers", example=("0700.HK",))


def path_text(key: str, value: Any) -> str:
    """A path as text, as it was written."""
    return text(key, str(value) if hasattr(value, "__fspath__") else value, "factors.csv", "a path in quotes")


def keyed(toml: str, clean: Cleaner, default: Any = None) -> Any:
    """A dataclass field that knows its key in a study file and the cleaner that judges it."""
    return field(default=default, metadata={"toml": toml, "clean": clean})


def settle(holder: Any, by_name: bool = False) -> None:
    """Put every field of a frozen dataclass through its cleaner; all that is wrong is raised together.

    Errors name the key of the study file, or the field with `by_name`.
    """
    problems: list[AbnormalError] = []
    for f in fields(holder):
        if "clean" not in f.metadata:
            continue
        key = f.name if by_name else f.metadata["toml"]
        try:
            object.__setattr__(holder, f.name, f.metadata["clean"](key, getattr(holder, f.name)))
        except (SpecError, UnknownName) as problem:
            problems.append(problem)
    raise_all(problems)


def raise_all(problems: Sequence[AbnormalError]) -> None:
    """Raise the one problem as it is, several as one SpecError that lists them, none not at all."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise SpecError(f"{len(problems)} things are wrong:\n" + "\n".join(f"  - {p}" for p in problems))
