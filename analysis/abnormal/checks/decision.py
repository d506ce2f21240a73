"""The decision table: which one p is the headline, which tests must agree, which are shown but may not speak.

The row follows from the design alone (pairs, dates, history, window, correlation before the event, declared fields),
never from what happened in the event window: choosing the test by the outcome would be a pretest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..domain import Window

DESIGN_EFFECT = 1.25  # above it the firms share a shock and tests that assume independence are invalid


@dataclass(frozen=True, slots=True)
class Design:
    """What the decision table may look at.

    n pairs on `dates` distinct sessions; m the smallest number of estimation returns, l2 the largest number of event
    returns of a pair in the headline window; de the design effect; disjoint: windows of different dates never overlap.
    """

    n: int
    dates: int
    m: int
    l2: int
    window: Window
    de: float = 1.0
    n_eff: float = 1.0
    rbar_w: float = 0.0
    disjoint: bool = True
    selected: bool = False
    candidates: int = 0
    characteristics: bool = False
    intraday: bool = False
    thin_share: float = 0.0
    portfolio: bool = True

    @property
    def enough(self) -> bool:
        """M >= 20 L2: overlapping windows are numerous enough for an empirical headline."""
        return self.m >= 20 * self.l2

    @property
    def length(self) -> int:
        return self.window[1] - self.window[0] + 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; headline and robustness may still depend on the design (never on the outcome)."""

    id: str
    situation: str
    applies: Callable[[Design], bool]
    headline: Callable[[Design], str]
    robustness: Callable[[Design], tuple[str, ...]]
    shown: tuple[str, ...]
    greyed: tuple[str, ...]
    sentence: str


COMMON_SHOCK = ("t_xs", "patell", "bmp", "sign", "gen_sign", "wilcoxon", "sign_flip")


def _single_headline(d: Design) -> str:
    return "sq" if d.enough else "t_car"


def _single_votes(d: Design) -> tuple[str, ...]:
    other = "t_car" if d.enough else "sq"
    votes: tuple[str, ...] = ("placebo_time", other, "second_model")
    if d.length == 1:
        votes = (*votes, "sq_vol")
    if d.l2 > 1 and d.enough:
        votes = (*votes, "conformal")
    return votes


def _short_votes(d: Design) -> tuple[str, ...]:
    other = "t_car" if d.enough else "sq"
    return ("placebo_time", other, "model:market", "model:market_adjusted", "model:peers_ew", "placebo_space")


def _date_headline(d: Design) -> str:
    return "portfolio_sq" if d.enough else "portfolio_t"


def _date_votes(d: Design) -> tuple[str, ...]:
    other = "portfolio_t" if d.enough else "portfolio_sq"
    return ("portfolio_placebo", other, "kp_patell", "romano_wolf")


def _many_date_votes(d: Design) -> tuple[str, ...]:
    return ("kp_patell", "portfolio_placebo", "portfolio_t" if d.enough else "portfolio_sq")


def _few_dates_votes(d: Design) -> tuple[str, ...]:
    flips = ("sign_flip",) if d.n >= 6 else ()
    return (*flips, "t_xs", *(("bmp",) if d.enough else ()), "wilcoxon")


def _grouped_headline(d: Design) -> str:
    if d.enough:
        return "placebo_joint"
    return "date_t" if d.dates >= 3 else "none"


# First the declared rows, then the first match from the top.
ROWS: tuple[Row, ...] = (
    Row(
        "selected", "one pair, picked because of its move", lambda d: d.selected and d.n == 1,
        lambda d: "selection",
        lambda d: ("sq", "intraday_extreme") if d.window == (0, 0) else ("sq",),
        (), ("t_car",), "as the largest move among {candidates} firms it ranks {rank} of {of} comparable days",
    ),
    Row(
        "characteristics", "the question is about characteristics", lambda d: d.characteristics,
        lambda d: "sefcik_thompson" if d.dates == 1 else "HC3",
        lambda d: ("tsols", "wls") if d.dates == 1 else ("wls",),
        (), ("ols",), "the slope on the characteristic",
    ),
    Row(
        "intraday", "bars inside the session", lambda d: d.intraday,
        lambda d: "same_clock", lambda d: ("lee_mykland", "bns", "range_variance"),
        (), ("t_car",), "peak {peak}, closed {close}, gave back {give_back}",
    ),
    Row(
        "long_window", "long window, many pairs", lambda d: d.length > 20 and d.n >= 10,
        lambda d: "bhar_bootstrap", lambda d: ("calendar_time", "skew_hall", "wilcoxon"),
        (), ("t_xs",), "buy-and-hold over {length} sessions",
    ),
    Row(
        "single", "one pair, at least 60 estimation returns", lambda d: d.n == 1 and d.m >= 60,
        _single_headline, _single_votes, (), (), "ranks {rank} of {of} comparable windows",
    ),
    Row(
        "single_short", "one pair, 30 to 59 estimation returns", lambda d: d.n == 1,
        _single_headline, _short_votes, ("f_window",), ("f_window",),
        "with {m} days the smallest possible p is 1/{of}",
    ),
    Row(
        "one_date_few", "2 to 15 pairs on one date", lambda d: d.dates == 1 and d.n <= 15 and d.portfolio,
        _date_headline, _date_votes, ("joint_sq", "kp_bmp", "grank_raw"), (*COMMON_SHOCK, "grank_t"),
        "{n} firms but one shock: n_eff = {n_eff:.1f}",
    ),
    Row(
        "one_date_many", "more than 15 pairs on one date", lambda d: d.dates == 1 and d.portfolio,
        _date_headline, _many_date_votes, ("kp_bmp", "grank_t", "joint_sq"), COMMON_SHOCK,
        "{n} firms but one shock: n_eff = {n_eff:.1f}",
    ),
    Row(
        "two_dates", "two pairs on two dates", lambda d: d.n == 2 and d.dates == 2,
        lambda d: "none", lambda d: (), ("placebo_joint",), (), "two events: read them singly",
    ),
    Row(
        "many_dates_many", "more than 15 pairs on many dates, independent",
        lambda d: d.n > 15 and d.dates > 1 and d.de <= DESIGN_EFFECT,
        lambda d: "bmp", lambda d: ("grank_t", "corrado_zivney", "gen_sign", "wild"), (), ("cda",), "independent dates",
    ),
    Row(
        "many_dates_few", "3 to 15 pairs on many dates, independent",
        lambda d: d.n >= 3 and d.dates > 1 and d.de <= DESIGN_EFFECT,
        lambda d: "placebo_joint" if d.enough else "bmp", _few_dates_votes, (), ("patell", "grank_t"),
        "smallest possible sign-flip p is 2/2^{n}",
    ),
    Row(
        "grouped_dates", "2 to 14 dates with disjoint windows, several firms on some",
        lambda d: 2 <= d.dates <= 14 and d.disjoint and d.de > DESIGN_EFFECT,
        _grouped_headline, lambda d: (*(("date_t",) if d.enough else ()), "wild", "date_holm"),
        (), COMMON_SHOCK, "{dates} dates, {n} firms",
    ),
    Row(
        "other", "overlapping windows or many clustered dates", lambda d: True,
        lambda d: "kp_bmp", lambda d: ("calendar_time", "wild"), (), ("patell",), "{n} pairs on {dates} overlapping dates",
    ),
)  # fmt: skip


def row_of(design: Design) -> Row:
    """The first row of the table that the design meets."""
    return next(r for r in ROWS if r.applies(design))


def add_on_votes(design: Design, disp_p: float) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Tests the add-on rows make agree, tests they grey, and their sentence: event variance (N >= 8) and thin trading."""
    votes: tuple[str, ...] = ()
    greyed: tuple[str, ...] = ()
    said = []
    if design.n >= 8 and disp_p < 0.1:
        votes += ("bmp",) if design.de <= DESIGN_EFFECT else ("kp_bmp",)
        votes += ("grank_t",) if design.n > 15 else ()
        greyed += ("patell", "portfolio_t", "portfolio_sq", "corrado", "corrado_multi", "corrado_zivney")
        said.append("event_variance")
    if design.thin_share > 0.10:
        votes += (*(("corrado_zivney",) if design.n > 1 else ("sq",)), "model:dimson")
        said.append("thin_trading")
    return votes, greyed, " ".join(said)


def invalid_reason(test: str, design: Design) -> str:
    """Why the design itself breaks a test ("invalid"), or ""."""
    if test not in COMMON_SHOCK or design.n < 2:
        return ""
    if design.dates == 1:
        return "invalid: common shock (all pairs share one date)"
    if design.de > DESIGN_EFFECT:
        return f"invalid: common shock (design effect {design.de:.2f} > {DESIGN_EFFECT})"
    return ""
