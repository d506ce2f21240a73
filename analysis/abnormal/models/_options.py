"""Reading `options`: a model takes what it knows, refuses an impossible value, and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain import Sample
from ..errors import SpecError, did_you_mean


def choice(options: Mapping[str, Any], key: str, allowed: tuple[str, ...], model: str) -> str:
    """The word given for `key`, the first allowed one where none was given."""
    given = options.get(key, allowed[0])
    if given not in allowed:
        known = ", ".join(f'"{a}"' for a in allowed)
        near = did_you_mean(str(given), allowed)
        raise SpecError(f"model {model!r}: {key} = {given!r}{near}; expected one of {known}")
    return str(given)


def whole(options: Mapping[str, Any], key: str, default: int, least: int, model: str) -> int:
    """The whole number given for `key`, at least `least`."""
    given = options.get(key, default)
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise SpecError(
            f"model {model!r}: {key} = {given!r}; expected a whole number of at least {least}, such as {default}"
        )
    return given


def number(options: Mapping[str, Any], key: str, model: str, *, positive: bool = False) -> float | None:
    """The finite number given for `key`, or None where none was given."""
    given = options.get(key)
    if given is None:
        return None
    ok = isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < float("inf")
    if not ok or (positive and given <= 0):
        raise SpecError(f"model {model!r}: {key} = {given!r}; expected a {'positive ' if positive else ''}number")
    return float(given)


def first_event_offset(sample: Sample, options: Mapping[str, Any], model: str) -> int:
    """Offset at which the event begins: of the window asked for, else of all windows, else right after estimation."""
    after = sample.estimation[1] + 1
    given = options.get("event_window")
    if given is None:
        return after if sample.event_from is None else max(sample.event_from, after)
    try:
        start, end = (int(v) for v in given)
    except (TypeError, ValueError):
        raise SpecError(f"model {model!r}: event_window = {given!r}; expected two offsets such as (-1, 1)") from None
    if start > end or start < after:
        raise SpecError(
            f"model {model!r}: event_window = {given!r}; expected first <= last, both after the estimation window "
            f"({sample.estimation[0]}, {sample.estimation[1]})"
        )
    return start


def keyed(sample: Sample, values: Mapping[int, Any]) -> dict[tuple[str, str], Any]:
    """Values by position turned into values by (event_id, ticker), as notes keep them."""
    return {(sample.event_id[i], sample.ticker[i]): v for i, v in values.items()}
