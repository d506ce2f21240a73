"""How a method file makes itself known: one decorator, one folder scan.

A model, test or check is one function in one file of its folder. The decorator says what the method is called, which
paper it comes from and what it needs; listings, documentation, default batteries and the reasons for "not applicable"
all follow from that. A user's own method is a module of theirs: import it, or name it in ABNORMAL_METHODS.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .errors import UnknownName

OWN_METHODS = "ABNORMAL_METHODS"  # environment variable: modules of a user's own methods, imported with ours


@dataclass(frozen=True, slots=True)
class Method:
    """One registered method: its function and everything its decorator said."""

    name: str
    kind: str
    function: Callable[..., Any]
    title: str
    reference: str
    scope: str = ""
    variants: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    robust_to: tuple[str, ...] = ()
    min_pairs: int = 1
    one_date: bool = False
    formula: str = ""
    others: str = ""
    check: str = ""
    order: int = 0

    @property
    def default_variant(self) -> str:
        return self.variants[0] if self.variants else ""

    @property
    def doc(self) -> str:
        return (self.function.__doc__ or "").strip()

    @property
    def summary(self) -> str:
        return self.doc.splitlines()[0] if self.doc else self.title

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


class Registry:
    """The methods of one folder, found by importing every module in it once."""

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind = kind
        self._packages = packages
        self._methods: dict[str, Method] = {}
        self._scanned = False

    def add(self, name: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the decorated function under `name`; the facts are the fields of `Method`."""

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            known = self._methods.get(name)
            if known is not None and known.function.__qualname__ != function.__qualname__:
                raise ValueError(f"{self.kind} {name!r} is registered twice: {known.function} and {function}")
            order = facts.pop("order", len(self._methods))
            for key in ("variants", "assumes", "robust_to"):
                if key in facts:
                    facts[key] = tuple(facts[key]) if not isinstance(facts[key], set) else tuple(sorted(facts[key]))
            facts.setdefault("title", (function.__doc__ or name).strip().splitlines()[0])
            self._methods[name] = Method(name=name, kind=self.kind, function=function, order=order, **facts)
            return function

        return decorate

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for package in self._packages:
            module = importlib.import_module(package)
            for info in sorted(pkgutil.iter_modules(module.__path__), key=lambda i: i.name):
                if not info.name.startswith("_"):
                    importlib.import_module(f"{package}.{info.name}")
        for name in os.environ.get(OWN_METHODS, "").replace(",", " ").split():
            importlib.import_module(name)

    def discard(self, name: str) -> None:
        """Forget a method (for tests that register a toy one)."""
        self._methods.pop(name, None)

    def names(self) -> list[str]:
        self._scan()
        return sorted(self._methods)

    def get(self, name: str) -> Method:
        self._scan()
        try:
            return self._methods[name]
        except KeyError:
            raise UnknownName(self.kind, name, self._methods, "`abnormal methods` lists them all") from None

    def __contains__(self, name: object) -> bool:
        self._scan()
        return name in self._methods

    def __iter__(self) -> Iterator[Method]:
        self._scan()
        return iter(sorted(self._methods.values(), key=lambda m: m.name))

    def __len__(self) -> int:
        self._scan()
        return len(self._methods)


MODELS = Registry("model", "abnormal.models")
TESTS = Registry("test", "abnormal.inference")
CHECKS = Registry("check", "abnormal.checks")
