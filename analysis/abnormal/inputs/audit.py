"""What is wrong with the prices of a study, before any estimate: every finding with ticker, date, rule and effect.

Nothing is repaired. `RULES` lists what is looked for; `audit_bars` looks at one ticker, `audit` at every ticker a study
uses and says whether a finding falls into one of its windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..domain import Bars, Ticker
from . import audit_moves as moves
from . import audit_rules as rules
from .audit_evidence import Evidence, Thinness, Twin, copies, evidence, kind_of, thinness
from .audit_rules import Hit, Weight
from .audit_uses import Place, UseTable, place_of, study_calendars, used_tickers, uses_of
from .calendars import SessionCalendar

__all__ = [
    "RULES", "Evidence", "Finding", "Rule", "Thinness", "audit", "audit_bars", "copies", "counts", "kind_of",
    "rule", "thinness",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed in the prices of one ticker.

    date: the bar or session it begins at (datetime64; None: the series as a whole), until: where it ends. rule: its id in
    `RULES`. effect: what a study does with it. weight: `fault` (cannot be), `doubt` (should be looked at), `note` (good to
    know). place: the part of the study it falls into ("event", "estimation", "gap", "outside"), "" without a study.
    """

    ticker: Ticker
    date: np.datetime64 | None
    rule: str
    message: str
    effect: str
    until: np.datetime64 | None = None
    weight: Weight = "doubt"
    place: Place = ""

    def __str__(self) -> str:
        when = "" if self.date is None else f" {self.date}"
        span = f" to {self.until}" if self.until is not None and self.until != self.date else ""
        return f"{self.ticker}{when}{span}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing the audit looks for. weight as in `Finding`; daily: only looked for in daily bars."""

    look: Callable[[Evidence], Iterable[Hit]]
    weight: Weight
    daily: bool = False

    @property
    def id(self) -> str:
        return self.look.__name__

    @property
    def doc(self) -> str:
        """What it sees and why, as running text."""
        return " ".join((self.look.__doc__ or "").split())


RULES: tuple[Rule, ...] = (
    Rule(rules.no_price, "fault"),
    Rule(rules.price_not_positive, "fault"),
    Rule(rules.impossible_return, "fault"),
    Rule(rules.high_below_low, "fault"),
    Rule(rules.close_outside_range, "fault"),
    Rule(rules.open_outside_range, "doubt"),
    Rule(rules.vwap_outside_range, "doubt", daily=True),
    Rule(rules.duplicate_date, "fault"),
    Rule(rules.unsorted, "note"),
    Rule(rules.calendar_gap, "doubt"),
    Rule(rules.surplus_day, "doubt"),
    Rule(rules.before_listing, "fault"),
    Rule(rules.flat_zero_volume, "doubt", daily=True),
    Rule(rules.zero_volume, "doubt", daily=True),
    Rule(rules.missing_volume, "note", daily=True),
    Rule(rules.thin_trading, "doubt", daily=True),
    Rule(rules.marked, "doubt"),
    Rule(moves.bad_print, "fault"),
    Rule(moves.unadjusted_split, "fault", daily=True),
    Rule(moves.currency_change, "fault", daily=True),
    Rule(moves.extreme_return, "note", daily=True),
    Rule(moves.prev_close_break, "note", daily=True),
    Rule(moves.stale_price, "doubt", daily=True),
    Rule(moves.copied_series, "fault"),
    Rule(moves.benchmark_kind, "doubt"),
)
_ORDER: Mapping[str, int] = {r.id: i for i, r in enumerate(RULES)}
WEIGHTS: tuple[Weight, ...] = ("fault", "doubt", "note")


def rule(name: str) -> Rule:
    """The rule of an id; UnknownName with the nearest ids."""
    from ..errors import UnknownName

    if name not in _ORDER:
        raise UnknownName("audit rule", name, _ORDER, "`abnormal audit --rules` lists them")
    return RULES[_ORDER[name]]


# ------------------------------------------------------------------------------------------------ one ticker


def audit_bars(
    bars: Bars,
    calendar: SessionCalendar | None = None,
    *,
    all_bars: Mapping[Ticker, Bars] | Iterable[Bars] = (),
    listing_date: Any = None,
    against: Iterable[str] = (),
) -> list[Finding]:
    """Everything noticed in the bars of one ticker, in order of time.

    Parameters
    ----------
    bars : bars of one ticker, as read: in any order, with double rows
    calendar : sessions they should have (None: nothing is said about gaps; an exchange's, or `panel_calendar(dates)`)
    all_bars : bars of other tickers, to find copies among
    listing_date : first day of trading (default: what the metadata of the bars say)
    against : kinds of return ("total", "price") of the shares this ticker is a benchmark for

    Examples
    --------
    >>> day = np.arange("2026-01-05", "2026-01-09", dtype="datetime64[D]")
    >>> found = audit_bars(Bars("AAA", day, {"close": np.array([10.0, 11, -1, 12])}))
    >>> [(str(f.date), f.rule) for f in found]
    [('2026-01-07', 'price_not_positive')]
    """
    others = all_bars if isinstance(all_bars, Mapping) else {b.ticker: b for b in all_bars}
    twins = copies({**others, bars.ticker: bars}).get(bars.ticker, ()) if others else ()
    listed = listing_date or bars.meta.get("listing_date") or None
    return _findings(bars, calendar, twins, listed, against)


def _findings(
    bars: Bars, calendar: SessionCalendar | None, twins: Iterable[Twin], listed: Any, against: Iterable[str]
) -> list[Finding]:
    first_day = None if listed is None else np.datetime64(listed, "D")
    seen = evidence(bars, calendar, twins, first_day, against)
    if not len(seen.bars):
        return [Finding(bars.ticker, None, "no_price", "there are no bars", "its pairs are excluded", None, "fault")]
    found = [
        Finding(bars.ticker, hit.day, r.id, hit.message, hit.effect, hit.until, hit.weight or r.weight)
        for r in RULES
        if bars.freq == "1d" or not r.daily
        for hit in r.look(seen)
    ]
    return sorted(found, key=_by_time)


def _by_time(f: Finding) -> tuple[np.datetime64, int]:
    start = np.datetime64("0001-01-01") if f.date is None else f.date
    return start.astype("datetime64[s]"), _ORDER[f.rule]


# ------------------------------------------------------------------------------------------------ a study


def audit(asked: Any, *, bars: Mapping[Ticker, Bars] | None = None) -> list[Finding]:
    """Everything noticed in the prices of a study: its shares, benchmarks, candidates and control shares.

    Parameters
    ----------
    asked : what was asked for, with `pairs`, `source` and `spec` (the request a study name or file is settled to)
    bars : bars that were read already, by ticker; the others are read from the source

    Returns
    -------
    Findings ticker by ticker in order of time. `place` and `effect` say which window of which pair each falls into.

    Raises
    ------
    NotInStore, UnknownName where a ticker has no prices; nothing is estimated.
    """
    freq = asked.spec.freq
    at_hand = dict(bars or {})
    tickers = used_tickers(asked)
    at_hand |= {t: asked.source.bars(t, freq) for t in tickers if t not in at_hand}
    calendars = study_calendars(asked, tickers)
    uses = uses_of(asked, at_hand)
    twins = copies({t: at_hand[t] for t in tickers})
    found: list[Finding] = []
    for ticker, kinds in tickers.items():
        against = {kind_of(at_hand[t]) for t in kinds}
        listed = _listed(ticker, at_hand[ticker])
        own = _findings(at_hand[ticker], calendars[ticker], twins.get(ticker, ()), listed, against)
        found += [_placed(f, uses.get(ticker)) for f in own]
    return found


def _listed(ticker: Ticker, bars: Bars) -> Any:
    from .tickers import load_tickers

    return bars.meta.get("listing_date") or load_tickers().listing_date(ticker)


def _placed(f: Finding, uses: UseTable | None) -> Finding:
    place, where = place_of(f.date, f.until, uses)
    return Finding(f.ticker, f.date, f.rule, f.message, f"{where}: {f.effect}", f.until, f.weight, place)


def counts(findings: Iterable[Finding]) -> list[tuple[str, Weight, int]]:
    """How many findings of each rule: (rule, weight, number), faults first."""
    total = Counter(f.rule for f in findings)
    return [(r.id, r.weight, total[r.id]) for w in WEIGHTS for r in RULES if r.weight == w and total[r.id]]
