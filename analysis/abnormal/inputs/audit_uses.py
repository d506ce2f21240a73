"""Which stretch of which series does a study use, and as what? So that a finding can say what it touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..domain import Bars, DateArray, Ticker, Window
from ..errors import AbnormalError, UnknownName
from .calendars import PANEL, SessionCalendar, panel_calendar, session_calendar
from .exchanges import exchange_of
from .sessions import Alignment, align_many
from .tapes import benchmark_of, calendar_key, members

Place = Literal["", "event", "estimation", "gap", "outside"]

_WORDS: Mapping[Place, str] = {
    "event": "in the event windows", "estimation": "in the estimation window",
    "gap": "between estimation and event windows", "outside": "outside the windows",
}  # fmt: skip
_SHOWN = 2


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One pair's stretch of a series: `role` is what the series is for the pair, `axis` its sessions, `row` day 0 on them.

    estimation and event are offsets, both ends included.
    """

    label: str
    role: str
    axis: DateArray
    row: int
    estimation: Window
    event: Window

    def day(self, offset: int) -> np.datetime64:
        """The session at an offset, or the nearest one the axis has."""
        return self.axis[min(max(self.row + offset, 0), self.axis.size - 1)]

    def offset(self, day: np.datetime64) -> int:
        """Offset of a day, or of the next session where it is none."""
        return int(np.searchsorted(self.axis, day.astype("datetime64[D]"))) - self.row


# ------------------------------------------------------------------------------------------------ which series


def used_tickers(asked: Any) -> dict[Ticker, tuple[Ticker, ...]]:
    """Every ticker a study reads, and the shares it is a benchmark of (empty for most)."""
    spec, given = asked.spec, getattr(asked, "given", None)
    shares = list(dict.fromkeys(p.ticker for p in asked.pairs))
    used: dict[Ticker, list[Ticker]] = {t: [] for t in [*shares, *spec.candidates, *_peers(asked)]}
    for name in ("benchmark", "industry"):
        if getattr(given, name, None) is not None:
            continue
        for share in shares:
            for ticker in benchmark_of(share, getattr(spec, name), shares):
                if share not in used.setdefault(ticker, []):
                    used[ticker].append(share)
    return {t: tuple(of) for t, of in used.items()}


def _peers(asked: Any) -> tuple[Ticker, ...]:
    return members(asked.spec.options.get("peers"))


# ------------------------------------------------------------------------------------------------ which sessions


def study_calendars(asked: Any, tickers: Iterable[Ticker]) -> dict[Ticker, SessionCalendar | None]:
    """The sessions each ticker's bars are held against.

    A frame or file is held against its own dates; against the exchange's where these plainly are the exchange's dates.
    """
    spec, source = asked.spec, asked.source
    if spec.calendar not in ("auto", PANEL):
        return dict.fromkeys(tickers, session_calendar(spec.calendar))
    if spec.calendar == "auto" and not source.own_dates:
        return {t: _exchange_calendar(t) for t in tickers}
    own = panel_calendar(source.dates(spec.freq))
    return {t: _plainly(_exchange_calendar(t), own) or own for t in tickers}


def _exchange_calendar(ticker: Ticker) -> SessionCalendar | None:
    try:
        return session_calendar(exchange_of(ticker))
    except UnknownName:
        return None


def _plainly(exchange: SessionCalendar | None, own: SessionCalendar) -> SessionCalendar | None:
    """The exchange's calendar where nearly all dates of the panel are its sessions, and the other way round."""
    if exchange is None:
        return None
    lo, hi = np.searchsorted(exchange.sessions, [own.first, own.last + 1])
    sessions = exchange.sessions[lo:hi]
    if sessions.size < 10:
        return None
    both = np.intersect1d(sessions, own.sessions).size
    return exchange if both >= 0.98 * own.sessions.size and both >= 0.9 * sessions.size else None


# ------------------------------------------------------------------------------------------------ which stretch


def uses_of(asked: Any, bars: Mapping[Ticker, Bars]) -> dict[Ticker, UseTable]:
    """For every ticker the stretches the study's pairs use of it; a pair that cannot be placed uses none."""
    spec, placed = asked.spec, _aligned(asked)
    shares = list(dict.fromkeys(p.ticker for p in asked.pairs))
    found: dict[Ticker, list[Use]] = {}
    for pair, alignment in zip(asked.pairs, placed):
        if alignment is None:
            continue
        others = {t: "candidate" for t in spec.candidates} | {t: "control share" for t in _peers(asked)}
        for name in ("industry", "benchmark"):
            others |= dict.fromkeys(benchmark_of(pair.ticker, getattr(spec, name), shares), name)
        use = _use(pair, alignment, spec, bars[pair.ticker])
        for ticker, role in (others | {pair.ticker: "share"}).items():
            found.setdefault(ticker, []).append(Use(use.label, role, use.axis, use.row, use.estimation, use.event))
    return {t: UseTable.of(uses) for t, uses in found.items()}


def _aligned(asked: Any) -> list[Alignment | None]:
    """Day 0 of every pair on its own exchange; None where it has none (the study then says why)."""
    spec, source = asked.spec, asked.source
    keys = [calendar_key(p.ticker, source, spec) for p in asked.pairs]
    out: list[Alignment | None] = [None] * len(keys)
    for key in dict.fromkeys(keys):
        rows = [i for i, k in enumerate(keys) if k == key]
        own = panel_calendar(source.dates(spec.freq)) if key == PANEL else None
        events = [asked.pairs[i].event for i in rows]
        answers = align_many(
            events, [key] * len(rows), calendar=own, closing_auction=spec.closing_auction, errors="return"
        )
        for i, answer in zip(rows, answers):
            out[i] = None if isinstance(answer, AbnormalError) else answer
    return out


def _use(pair: Any, alignment: Alignment, spec: Any, bars: Bars) -> Use:
    axis = alignment.calendar.sessions
    windows = [w for w in (*spec.windows, *alignment.extra_windows) if not isinstance(w, str)]
    if spec.freq != "1d" or not windows:
        windows = [(0, 1)]  # event windows count bars: the session of the news and the next one
    event = (min(w[0] for w in windows), max(w[1] for w in windows))
    estimation = spec.estimation
    if isinstance(estimation, str):
        first = bars.time[0].astype("datetime64[D]") if len(bars) else alignment.session
        estimation = (int(np.searchsorted(axis, first)) - alignment.position, spec.estimation_end)
    return Use(pair.label, "share", axis, alignment.position, estimation, event)


# ------------------------------------------------------------------------------------------------ which window


@dataclass(frozen=True, slots=True, eq=False)
class UseTable:
    """The uses of one series with the days their windows begin and end, (n,) each.

    A window begins one session early: a return needs the price before it.
    """

    uses: tuple[Use, ...]
    estimation: tuple[DateArray, DateArray]
    event: tuple[DateArray, DateArray]

    @classmethod
    def of(cls, uses: Sequence[Use]) -> UseTable:
        def days(window: str, end: int) -> DateArray:
            return np.array([u.day(getattr(u, window)[end] - (end == 0)) for u in uses], "datetime64[D]")

        return cls(
            tuple(uses), (days("estimation", 0), days("estimation", 1)), (days("event", 0), days("event", 1))
        )  # fmt: skip

    def place(self, first: np.datetime64 | None, last: np.datetime64 | None) -> tuple[Place, str]:
        """The weightiest part of the study that days from `first` to `last` fall into, and words for it."""
        if first is None:
            return "event", f"the whole series, {self._named(range(len(self.uses)), None)}"
        lo = first.astype("datetime64[D]")
        hi = lo if last is None else last.astype("datetime64[D]")
        in_event = (lo <= self.event[1]) & (hi >= self.event[0])
        in_estimation = (lo <= self.estimation[1]) & (hi >= self.estimation[0])
        in_gap = (lo <= self.event[1]) & (hi >= self.estimation[0])
        inside: tuple[tuple[Place, Any], ...] = (("event", in_event), ("estimation", in_estimation), ("gap", in_gap))
        for place, here in inside:
            if here.any():
                return place, f"{_WORDS[place]} of {self._named(np.flatnonzero(here), lo)}"
        return "outside", _WORDS["outside"]

    def _named(self, rows: Iterable[int], day: np.datetime64 | None) -> str:
        rows = list(rows)
        words = []
        for use in (self.uses[i] for i in rows[:_SHOWN]):
            role = "" if use.role == "share" else f", as its {use.role}"
            offset = "" if day is None else f" (offset {use.offset(day):+d}{role})"
            words.append(f"{use.label}{offset or (f' ({role[2:]})' if role else '')}")
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        return ", ".join(words) + more


def place_of(first: np.datetime64 | None, last: np.datetime64 | None, uses: UseTable | None) -> tuple[Place, str]:
    """Where days fall in a study, and words for it; a series no pair uses is outside."""
    return ("outside", "not used by any pair that could be placed") if uses is None else uses.place(first, last)
