"""The decision table: which one p is the headline, which tests must agree, which are shown but may not speak.

The row follows from the design alone (pairs, dates, history, window, correlation before the event, declared fields),
never from what happened in the event window: choosing the test by the outcome would be a pretest. The add-on rows, which
do look at the outcome, never replace a headline; they can only ask for more agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..domain import Window

DESIGN_EFFECT = 1.25  # above it the firms share a shock and tests that assume independence are invalid
DISPERSION_P = 0.10  # below it the spread of the firms at the event is larger than before it
THIN_SHARE = 0.10  # above this share of sessions without a trade the thin-trading tests must agree
SKEWED = 2.0  # skewness of the CARs beyond this many standard errors


@dataclass(frozen=True, slots=True)
class Design:
    """What the decision table may look at.

    n pairs on `dates` distinct sessions; m the smallest number of estimation returns (of the portfolio where there is one),
    l2 the largest number of event returns of a pair in the headline window; de the design effect; disjoint: windows of
    different dates never overlap; portfolio: the pairs of one date form one; benchmark: there is a market.
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
    benchmark: bool = True

    @property
    def enough(self) -> bool:
        """M >= 20 L2: overlapping windows are numerous enough for an empirical headline."""
        return self.m >= 20 * self.l2

    @property
    def length(self) -> int:
        return self.window[1] - self.window[0] + 1

    @property
    def one_shock(self) -> bool:
        """Whether the pairs share a shock, so that tests which take them as independent are invalid."""
        return self.n > 1 and (self.dates == 1 or self.de > DESIGN_EFFECT)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; headline and robustness may still depend on the design (never on the outcome).

    robustness: tests that must agree; shown: printed without a vote; greyed: printed as unfit for the row; sentence: what
    the verdict prints of the headline, filled with numbers of the design and of the answer.
    """

    id: str
    situation: str
    applies: Callable[[Design], bool]
    headline: Callable[[Design], str]
    robustness: Callable[[Design], tuple[str, ...]]
    shown: tuple[str, ...]
    greyed: tuple[str, ...]
    sentence: str


COMMON_SHOCK = ("t_xs", "patell", "bmp", "sign", "gen_sign", "wilcoxon", "sign_flip")
# Not named in the rule, but built on the same assumption.
ALSO_INDEPENDENT = (
    "bw80_nodep", "cumrank_exact", "grank_z", "skew_johnson", "skew_hall", "lbt_bootstrap", "jackknife", "log_var_ratio",
    "levene_bf", "beaver_u", "bhar_bootstrap", "bhar_hall", "bhar_wilcoxon",
)  # fmt: skip
COARSE = ("two_min", "blocks")  # forms of sq that a short history makes too coarse to speak
BY_CLUSTER = ("date", "firm")  # variants of sign_flip and wild that draw clusters, not pairs


def _single_headline(d: Design) -> str:
    return "sq" if d.enough else "t_car"


def _single_votes(d: Design) -> tuple[str, ...]:
    votes: tuple[str, ...] = ("placebo_time", "t_car" if d.enough else "sq")
    if d.benchmark:
        votes = (*votes, "second_model")
    if d.length == 1:
        votes = (*votes, "sq_vol")
    if d.l2 > 1 and d.enough:
        votes = (*votes, "conformal")
    return votes


def _short_votes(d: Design) -> tuple[str, ...]:
    models = ("model:market", "model:market_adjusted", "model:peers_ew") if d.benchmark else ("model:peers_ew",)
    return ("placebo_time", "t_car" if d.enough else "sq", *models, "placebo_space")


def _date_headline(d: Design) -> str:
    return "portfolio_sq" if d.enough else "portfolio_t"


def _date_votes(d: Design) -> tuple[str, ...]:
    return ("portfolio_placebo", "portfolio_t" if d.enough else "portfolio_sq", "kp_patell", "romano_wolf")


def _many_on_date_votes(d: Design) -> tuple[str, ...]:
    return ("kp_patell", "portfolio_placebo", "portfolio_t" if d.enough else "portfolio_sq")


def _few_dates_votes(d: Design) -> tuple[str, ...]:
    flips = ("sign_flip",) if d.n >= 6 else ()
    return (*flips, "t_xs", *(("bmp",) if d.enough else ()), "wilcoxon")


def _grouped_headline(d: Design) -> str:
    if d.enough:
        return "placebo_joint"
    return "date_t" if d.dates >= 3 else "none"


def _long_headline(d: Design) -> str:
    # The bootstrap draws pairs one by one; where they share a shock the calendar-time alpha is the one that stands.
    return "calendar_time" if d.one_shock else "bhar_bootstrap"


def _long_votes(d: Design) -> tuple[str, ...]:
    return ("bhar_bootstrap" if d.one_shock else "calendar_time", "bhar_hall", "bhar_wilcoxon")


RANKS = "ranks {rank} of {of} comparable windows"

# First the declared rows, then the first match from the top.
ROWS: tuple[Row, ...] = (
    Row(
        "selected", "one pair, picked for its move", lambda d: d.selected and d.n == 1,
        lambda d: "selection",
        lambda d: ("same_clock",) if d.intraday else ("sq", "intraday_extreme") if d.window == (0, 0) else ("sq",),
        (), ("t_car",), "as the largest move among {candidates} firms it ranks {rank} of {of} comparable days",
    ),
    Row(
        "long_window", "long window, many pairs", lambda d: d.length > 20 and d.n >= 10 and not d.intraday,
        _long_headline, _long_votes, (), ("t_xs",), "buy-and-hold over {length} sessions",
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
        "single", "one pair, at least 60 estimation returns", lambda d: d.n == 1 and d.m >= 60,
        _single_headline, _single_votes, (), (), RANKS,
    ),
    Row(
        "single_short", "one pair, fewer than 60 estimation returns", lambda d: d.n == 1,
        _single_headline, _short_votes, (), ("f_window",),
        RANKS + "; with {m} days the smallest possible p is 1/{of}",
    ),
    Row(
        "one_date_few", "2 to 15 pairs on one date", lambda d: d.dates == 1 and d.n <= 15 and d.portfolio,
        _date_headline, _date_votes, ("joint_sq", "kp_bmp", "grank_raw"), (*COMMON_SHOCK, "grank_t", "grank_z"),
        "{n} firms but one shock: n_eff = {n_eff:.1f}",
    ),
    Row(
        "one_date_many", "more than 15 pairs on one date", lambda d: d.dates == 1 and d.portfolio,
        _date_headline, _many_on_date_votes, ("kp_bmp", "grank_t", "joint_sq"), COMMON_SHOCK,
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
        lambda d: "placebo_joint" if d.enough else "bmp", _few_dates_votes, (), ("patell", "grank_t", "grank_z"),
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

CLUSTERED_WILD = ("grouped_dates", "other")  # rows in which `wild` draws dates


def row_of(design: Design) -> Row:
    """The first row of the table that the design meets."""
    return next(r for r in ROWS if r.applies(design))


# ------------------------------------------------------------------------------------------------ add-on rows


@dataclass(frozen=True, slots=True)
class AddOn:
    """An add-on row: tests that must agree as well, tests it greys with the reason, and what it prints."""

    id: str
    votes: tuple[str, ...]
    greyed: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the add-on rows look at in the event window: p and factor of disp_ratio, skewness in standard errors."""

    disp_p: float = 1.0
    disp_factor: float = float("nan")
    skewness: float = 0.0


READ_AS_EFFECT = ("patell", "portfolio_t", "portfolio_sq", "corrado", "corrado_multi", "corrado_zivney")


def add_ons(design: Design, outcome: Outcome) -> tuple[AddOn, ...]:
    """The add-on rows that apply: event-induced variance, thin trading, skewed CARs."""
    found = (_event_variance(design, outcome), _thin_trading(design), _skewed(design, outcome))
    return tuple(a for a in found if a is not None)


def _event_variance(d: Design, outcome: Outcome) -> AddOn | None:
    """From 8 pairs on with a vote; with 3 to 7 it is only said: unequal effects look the same there."""
    if d.n < 3 or not outcome.disp_p < DISPERSION_P:
        return None
    said = f"variance rose by factor {outcome.disp_factor:.1f}"
    if d.n < 8:
        return AddOn("event_variance", (), (), f"{said}; with {d.n} pairs this is said without a vote")
    votes = ("kp_bmp" if d.one_shock else "bmp", *(("grank_t",) if d.n > 15 else ()))
    return AddOn("event_variance", votes, READ_AS_EFFECT, f"{said}: may read volatility as effect")


def _thin_trading(d: Design) -> AddOn | None:
    if not d.thin_share > THIN_SHARE:
        return None
    rank = ("trade_to_trade:corrado_zivney",) if d.n > 1 else ()
    empirical = ("sq",) if d.n == 1 else (("portfolio_sq",) if d.dates == 1 and d.portfolio else ())
    model = ("model:dimson",) if d.benchmark else ()
    return AddOn(
        "thin_trading", (*rank, *model, *empirical), ("patell",), f"{100 * d.thin_share:.0f}% of days without trade"
    )


def _skewed(d: Design, outcome: Outcome) -> AddOn | None:
    """From 10 pairs on; a long window asks the same of buy-and-hold returns already."""
    if d.n < 10 or d.one_shock or not abs(outcome.skewness) > SKEWED or row_of(d).id == "long_window":
        return None
    text = f"the CARs are skewed ({outcome.skewness:+.1f} standard errors)"
    return AddOn("skewed", ("skew_hall", "wilcoxon"), ("t_xs",), text)


# ------------------------------------------------------------------------------------------------ statuses


def invalid_reason(test: str, design: Design, variant: str = "") -> str:
    """Why the design itself breaks a test ("invalid"), or ""."""
    pairwise = test in (*COMMON_SHOCK, *ALSO_INDEPENDENT) or test == "wild"
    if not pairwise or variant in BY_CLUSTER or not design.one_shock:
        return ""
    if design.dates == 1:
        return "invalid: common shock (all pairs share one date)"
    return f"invalid: common shock (design effect {design.de:.2f} > {DESIGN_EFFECT})"


def silent_reason(test: str, design: Design, outcome: Outcome, variant: str = "") -> str:
    """Why a test is printed without a vote in this row, or ""; a test that an add-on asks for speaks."""
    row, extra = row_of(design), add_ons(design, outcome)
    if test == row.headline(design):
        return ""
    why = next((a.why for a in extra if test in a.greyed), "")
    if why or test in {t for a in extra for t in a.votes}:
        return why
    coarse = test == "conformal" or (test == "sq" and variant in COARSE)
    if test in row.greyed or test in row.shown or (row.id == "single_short" and coarse and not design.enough):
        return f"shown without a vote for {row.situation}"
    return ""
