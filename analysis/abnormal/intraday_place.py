"""The event bar of every pair: the first one that ends after the news; and the windows, in bars, that follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .domain import Excluded, IntArray, Pair, Window
from .errors import AbnormalError, OutsideCalendar, RequestError, SpecError
from .inputs.bar_tapes import BarRecording, calendar_of
from .inputs.bargrid import event_bar
from .inputs.fetching import minutes_of
from .inputs.sessions import Alignment, align_many
from .inputs.slots import SlotBars
from .placing import left_out
from .spec import StudySpec

AFTER = 10  # sessions after the event that are kept, to say what was given back


class Placed(NamedTuple):
    """A pair with its event bar on the grid of its exchange."""

    pair: Pair
    alignment: Alignment
    key: str
    bar: int  # index into the grid's bars
    news_before: bool  # the news came before that bar began
    uncertain: int  # further bars the news may have come in
    flags: tuple[str, ...]


# ------------------------------------------------------------------------------------------------ event bars


def place_all(
    pairs: Sequence[Pair], recordings: Mapping[str, BarRecording], spec: StudySpec
) -> tuple[list[Placed], list[Excluded]]:
    """Every pair with its event bar, and those that have none with the reason."""
    placed: list[Placed] = []
    excluded: list[Excluded] = []
    for pair in pairs:
        key = calendar_of(pair.ticker, spec)
        rec = recordings[key]
        found = align_many(
            [pair.event], [key], calendar=rec.calendar, closing_auction=spec.closing_auction, errors="return"
        )[0]  # fmt: skip
        answer = _placed(pair, found, key, rec, spec)
        if isinstance(answer, Placed):
            placed.append(answer)
        else:
            excluded.append(answer)
    return placed, excluded


def _placed(
    pair: Pair, aligned: Alignment | AbnormalError, key: str, rec: BarRecording, spec: StudySpec
) -> Placed | Excluded:
    if isinstance(aligned, RequestError):
        raise aligned
    if isinstance(aligned, AbnormalError):
        return left_out(pair, "sessions", str(aligned))
    share, grid = rec.shares[pair.ticker], rec.grid
    traded = np.flatnonzero(share.traded)
    if not traded.size:
        return left_out(
            pair, "prices", f"no bar of {pair.ticker} at all", f"abnormal fetch {pair.ticker} --freq {spec.freq}"
        )
    slack = uncertainty(pair)
    ends = grid.bars.ends
    try:
        bar, until = event_bar(np.array([aligned.first_ts - slack, aligned.last_ts + slack]), ends).tolist()
    except OutsideCalendar:
        bar = until = int(ends.size)
    if bar > traded[-1]:
        why = f"event after the last bar: {share.ticker} ends at {_minute(grid.bars.ends[traded[-1]])} UTC"
        return left_out(pair, "prices", why, f"abnormal fetch {pair.ticker} --freq {spec.freq}")
    if aligned.first_ts - slack < grid.bars.starts[traded[0]]:
        why = f"event before the first bar: {share.ticker} begins at {_minute(grid.bars.starts[traded[0]])} UTC"
        return left_out(
            pair, "prices", why, 'the vendor keeps bars for days or weeks only: study daily returns, freq = "1d"'
        )
    flags = [f for f in aligned.flags if "half day" in f or "hint" in f or "auction" in f]
    if until > bar:
        flags.append(f"event time uncertain by {until - bar} bars: a window that much longer was added")
    bar, news_before, flags = _resumed(bar, aligned, slack, share, spec, flags)
    return Placed(pair, aligned, key, bar, news_before, until - min(bar, until), tuple(flags))


def uncertainty(pair: Pair) -> np.timedelta64:
    """How many minutes the news may be off on either side (event attribute `uncertainty_minutes`)."""
    given = pair.event.attributes.get("uncertainty_minutes", pair.extra.get("uncertainty_minutes", 0)) or 0
    try:
        minutes = float(given)
    except (TypeError, ValueError):
        minutes = -1.0
    if not 0 <= minutes < 7 * 1440:
        raise RequestError(
            f"event {pair.event.id!r}: uncertainty_minutes is {given!r}; expected minutes from 0 to a week, such as 15"
        )
    return np.timedelta64(round(minutes * 60), "s").astype("timedelta64[ns]")


def _resumed(
    bar: int, aligned: Alignment, slack: np.timedelta64, share: SlotBars, spec: StudySpec, flags: list[str]
) -> tuple[int, bool, list[str]]:
    """Bar 0 where the share trades again after a halt; elsewhere the bar that contains the news."""
    grid = share.grid
    news_before = bool(aligned.first_ts - slack < grid.bars.starts[bar])
    if share.traded[bar]:
        return bar, news_before, flags
    after = np.flatnonzero(share.traded[bar:])
    if not after.size:
        return bar, news_before, [*flags, "no trade after the news"]
    resumed = bar + int(after[0])
    when = _minute(grid.bars.starts[resumed])
    halted = bool(share.halted[resumed]) or grid.bars.session[resumed] != grid.bars.session[bar]
    if halted and spec.halt == "shift":
        return resumed, True, [*flags, f"halted at the news: bar 0 moved to the resumption at {when} UTC"]
    return bar, news_before, [*flags, f"no trade in the event bar: the next one is at {when} UTC"]


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")


def row_of(x: Placed, recordings: Mapping[str, BarRecording]) -> int:
    """Row of the event session on the grid."""
    bars = recordings[x.key].grid.bars
    return int(bars.session[x.bar] - bars.session[0])


# ------------------------------------------------------------------------------------------------ windows and sessions


_CLOCK = re.compile(r"(-?\d+)min\.\.(-?\d+)min")


def as_bars(window: Window | str, minutes: int) -> Window:
    """A window in bars; minutes count trading time from the start of the event bar.

    Examples
    --------
    >>> as_bars("0min..120min", 5), as_bars("-30min..0min", 5)
    ((0, 23), (-6, -1))
    """
    if not isinstance(window, str):
        return window
    found = _CLOCK.fullmatch(window)
    if found is None:
        raise SpecError(f'window {window!r}; write minutes as "0min..120min"')
    return int(np.floor(int(found[1]) / minutes)), int(np.ceil(int(found[2]) / minutes)) - 1


def bar_windows(spec: StudySpec, placed: Sequence[Placed]) -> tuple[tuple[Window, ...], dict[Window, str]]:
    """Headline first, in bars; uncertain times add the window that covers all of them."""
    minutes = minutes_of(spec.freq)
    stated = list(dict.fromkeys(as_bars(w, minutes) for w in spec.windows))
    if not spec.headline_set:
        stated = [as_bars("0min..120min", minutes), (0, 0), as_bars("0min..30min", minutes)]
    a, b = stated[0]
    widest = max((x.uncertain for x in placed), default=0)
    if not widest or b < 0:
        return tuple(dict.fromkeys(stated)), {}
    wide = (a, b + widest)
    why = f"event time uncertain by {widest} bars"
    ordered = [*stated, wide] if spec.headline_set else [wide, *stated]
    return tuple(dict.fromkeys(ordered)), {wide: why}


def sessions_of(
    spec: StudySpec, placed: Sequence[Placed], recordings: Mapping[str, BarRecording], windows: Sequence[Window]
) -> IntArray:
    """Sessions every pair needs, counted from its event session: estimation, event, and those after it."""
    first = -max((row_of(x, recordings) for x in placed), default=0)
    if not isinstance(spec.estimation, str):
        first = max(first, spec.estimation[0])
    bars = min((int(recordings[x.key].grid.is_bar.sum()) for x in placed), default=1)
    far = max(w[1] for w in windows) // max(bars, 1) + 2
    back = -(-max(0, -min(w[0] for w in windows)) // max(bars, 1)) + 1
    return np.arange(min(first, -back), max(AFTER, far) + 1)
