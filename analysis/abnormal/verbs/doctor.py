"""`abnormal doctor`: is everything in place? It looks at this machine only and opens no connection."""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click

from .common import Output, common_options

SOON = 14  # days before something runs out at which it is worth a word
_EXTRAS = {"models": ("arch", "linearmodels", "sklearn"), "panel": ("pyfixest",)}


class Finding(NamedTuple):
    """One check: True in order, False not, None for information."""

    check: str
    passed: bool | None
    sentence: str


@click.command("doctor", short_help="Is everything in place?")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Judge what is stale from this day.")
@common_options
def command(out: Output, today: dt.datetime | None) -> int:
    """Is everything in place? Versions, store, calendars, fonts, and what is stale or about to be lost.

    Looks at this machine only; no connection is opened. With --strict exit 1 where something is not in order.
    """
    found = list(examine(dt.date.today() if today is None else today.date()))
    if out.json:
        out.document({"checks": [f._asdict() for f in found]})
    else:
        _say(out, found)
    return out.exit_code([f.check for f in found if f.passed is False])


def _say(out: Output, found: list[Finding]) -> None:
    from ..present import console

    words = {True: "ok", False: "not ok", None: "note"}
    for f in found:
        if not out.quiet or f.passed is False:
            head = f"{words[f.passed]:<7}{f.check:<11}"
            out.text("\n".join(console.wrap(head + f.sentence, indent=len(head))))
    if out.quiet and all(f.passed is not False for f in found):
        out.text("ok")


def examine(today: dt.date) -> Iterator[Finding]:
    """All checks, in the order a user would ask."""
    looks: tuple[Callable[[dt.date], Iterator[Finding]], ...] = (
        _packages, _extras, _zones, _bundled, _store, _stale, _calendars, _fonts,
    )  # fmt: skip
    for look in looks:
        yield from look(today)


# ------------------------------------------------------------------------------------------------ the installation


def _packages(_: dt.date) -> Iterator[Finding]:
    """Installed versions against the floors the package declares."""
    import platform

    yield Finding("python", True, f"{platform.python_version()} on {platform.system()}")
    told, bad = [], []
    for name, floor in _floors():
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            bad.append(f"{name} is missing")
            continue
        told.append(f"{name} {have}")
        if _numbers(have) < _numbers(floor):
            bad.append(f"{name} {have} is older than {floor}")
    if bad:
        yield Finding("packages", False, f"{'; '.join(bad)}; install again: pip install --upgrade abnormal")
    else:
        yield Finding("packages", True, ", ".join(told))


def _floors() -> Iterator[tuple[str, str]]:
    """Name and least version of every package that is always needed."""
    for line in metadata.requires("abnormal") or []:
        found = re.match(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", line)
        if found and "extra ==" not in line:
            yield found[1], found[2] or "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _extras(_: dt.date) -> Iterator[Finding]:
    """What the optional packages would add."""
    absent = {e: [m for m in modules if find_spec(m) is None] for e, modules in _EXTRAS.items()}
    lines = [f'{", ".join(names)} not installed: pip install "abnormal[{e}]"' for e, names in absent.items() if names]
    yield Finding("extras", None if lines else True, "; ".join(lines) or "models and panel are installed")


def _zones(_: dt.date) -> Iterator[Finding]:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        for zone in ("Asia/Hong_Kong", "America/New_York"):
            ZoneInfo(zone)
    except ZoneInfoNotFoundError as error:
        yield Finding("time zones", False, f"{error}; install tzdata: pip install tzdata")
        return
    yield Finding("time zones", True, "known")


def _bundled(_: dt.date) -> Iterator[Finding]:
    """Bundled studies, events and prices are found and readable."""
    from ..errors import AbnormalError
    from ..inputs.events import load_events
    from ..inputs.store import PriceStore
    from ..inputs.studyfile import bundled_studies

    try:
        studies, events, tickers = bundled_studies(), load_events(), PriceStore.bundled_only().tickers()
    except (AbnormalError, OSError) as error:
        yield Finding("bundled", False, f"{error}; install the package again")
        return
    yield Finding("bundled", True, f"{len(studies)} studies, {len(events)} events, prices of {len(tickers)} tickers")


# ------------------------------------------------------------------------------------------------ the store


def _store(_: dt.date) -> Iterator[Finding]:
    """Where the price store is, whether it can be written, and what it holds."""
    from ..errors import AbnormalError
    from ..inputs.store import FREQUENCIES, PriceStore

    try:
        store = PriceStore()
    except AbnormalError as error:
        yield Finding("store", False, str(error))
        return
    folder = store.path
    if folder is None:
        return
    held = [f"{len(names)} tickers of {freq} bars" for freq in FREQUENCIES if (names := store.own_tickers(freq))]
    content = ", ".join(held) or "empty, bundled prices only"
    problem = _unwritable(folder)
    if problem:
        yield Finding("store", False, f"{folder}: {problem}; set ABNORMAL_STORE to a folder you can write")
    else:
        yield Finding("store", True, f"{folder} can be written; {content}")


def _unwritable(folder: Path) -> str:
    """Why a file cannot be made in the folder (or where it would be made), or ""."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return f"cannot be written ({error.strerror})" if os.path.isdir(place) else f"{place} is not a folder"


def _stale(today: dt.date) -> Iterator[Finding]:
    """Bars the vendor will soon not hand out any more, bars already lost, and series that ended long ago."""
    from ..errors import AbnormalError
    from ..inputs.fetching import LOOKBACK_DAYS
    from ..inputs.store import FREQUENCIES, PriceStore

    try:
        store = PriceStore()
    except AbnormalError:
        return  # said by the check of the store
    for freq in FREQUENCIES:
        late: dict[str, list[str]] = {}
        for ticker in store.own_tickers(freq):
            try:
                last = _answered_until(store, ticker, freq)
            except AbnormalError as error:
                yield Finding("store", False, str(error))
                continue
            word = _lateness((today - last).days, LOOKBACK_DAYS.get(freq))
            if word:
                late.setdefault(word, []).append(ticker)
        for word, tickers in late.items():
            line = f"abnormal fetch {' '.join(tickers[:5])}{'' if freq == '1d' else f' --freq {freq}'}"
            yield Finding("stale", None, f"{len(tickers)} series of {freq} bars {word}; type: {line}")


def _answered_until(store: object, ticker: str, freq: str) -> dt.date:
    """The last day a series answers for: the end of what was fetched, else its last bar."""
    from ..inputs.store import PriceStore

    assert isinstance(store, PriceStore)
    covered = [str(r).partition("/")[2] for r in store.meta(ticker, freq).get("covered", [])]
    last = max([*covered, str(store.bars(ticker, freq).time[-1])[:10]])
    return dt.date.fromisoformat(last)


def _lateness(age: int, lookback: int | None) -> str:
    if lookback is None:
        return "end more than a month ago" if age > 31 else ""
    if age > lookback:
        return f"have lost days: the vendor keeps {lookback}"
    return f"lose days within {SOON} days: the vendor keeps {lookback}" if age > lookback - SOON else ""


# ------------------------------------------------------------------------------------------------ calendars and fonts


def _calendars(today: dt.date) -> Iterator[Finding]:
    """How far each exchange calendar reaches, and how many corrections are laid over the library's."""
    from ..errors import AbnormalError
    from ..inputs.calendars import session_calendar
    from ..inputs.hours import overrides, stored_mics

    ends: dict[dt.date, list[str]] = {}
    for mic in stored_mics():
        try:
            known = session_calendar(mic).known[1]
        except AbnormalError as error:
            yield Finding("calendars", False, f"{mic}: {error}")
            continue
        ends.setdefault(dt.date.fromisoformat(str(known)), []).append(mic)
    reach = "; ".join(f"{', '.join(mics)} to {day}" for day, mics in sorted(ends.items()))
    over = [f"{', '.join(mics)} end on {day}" for day, mics in sorted(ends.items()) if (day - today).days < SOON]
    if over:
        yield Finding("calendars", False, f"{'; '.join(over)}; upgrade exchange_calendars and abnormal")
    else:
        yield Finding("calendars", True, f"{reach}; {len(overrides())} corrections of our own")


def _fonts(_: dt.date) -> Iterator[Finding]:
    """Whether the report can be set, Chinese names included."""
    if find_spec("typst") is None:
        yield Finding("fonts", False, "typst is missing, no PDF report; pip install typst")
        return
    from ..inputs.bundled import data_path

    folder = data_path("fonts")
    fonts = sorted(f.name for f in folder.iterdir() if f.suffix in (".otf", ".ttf", ".ttc")) if folder.is_dir() else []
    if fonts:
        yield Finding("fonts", True, f"typst with its own fonts, and {', '.join(fonts)} for Chinese names")
    else:
        yield Finding("fonts", None, "typst with its own fonts; no font for Chinese names comes with this installation")
