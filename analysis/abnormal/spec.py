"""StudySpec: what to do, as plain values that check themselves, compare, hash and have a digest.

A spec knows no data: the same spec can be held against any events and prices. Each field states once, beside its
default, which key of a study file it is and which cleaner judges it, so that Python, study files and ``--set`` accept
the same values and say the same of wrong ones.
"""

# ruff: noqa: RUF009 -- `keyed` is `dataclasses.field` with two facts about the field

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np

from . import registry
from .clean import (
    Cleaner,
    as_int,
    choice,
    choices,
    distinct,
    each,
    flag,
    keyed,
    listing,
    optional,
    path_text,
    raise_all,
    real,
    settle,
    shown,
    text,
    texts,
    tickers,
    whole,
    wrong,
)  # fmt: skip
from .domain import STATUSES, Window
from .errors import SpecError, UnknownName, did_you_mean

Thin = Literal["drop", "lumped", "uniform", "trade_to_trade"]
Halt = Literal["shift", "keep"]
ReturnKind = Literal["simple", "log"]
Currency = Literal["local", "USD"]
Freq = Literal["1d", "1h", "30m", "15m", "5m", "2m", "1m"]
Alternative = Literal["two-sided", "greater", "less"]
Compat = Literal["estudy2", "r_eventstudy", "wrds", "est"]
Treatment = Literal["flag", "drop", "dummy", "split"]
Cov = Literal[
    "auto", "ols", "HC0", "HC1", "HC2", "HC3", "cluster", "wild", "wls", "fgls", "gls", "sefcik_thompson", "tsols"
]  # fmt: skip

EventWindow = Window | str  # offsets, or clock time such as "0min..120min" with an intraday freq
FALLBACK_HEADLINE: Window = (-1, 1)
DEFAULT_WINDOWS: tuple[Window, ...] = (FALLBACK_HEADLINE, (0, 0), (0, 1), (-5, 5), (-10, 10))
LAST_OF_ALL = -11  # where estimation="all" ends

# Parameters of a model, for the algebraic floor M > k + 4 (METHODS.md 1.2); models not named here count as 2.
_PARAMETERS = MappingProxyType(
    {"market_adjusted": 0, "peers_ew": 0, "mean": 1, "market_zero_alpha": 1, "market_industry": 3,
     "ff3": 4, "carhart4": 5, "ff5": 6, "ff6": 7}
)  # fmt: skip

# -------------------------------------------------------------------------------------------------- cleaners of a spec


def _basket(key: str, value: Any) -> str | tuple[str, ...]:
    """A ticker stays a ticker; a list of tickers is an equal-weighted basket."""
    if isinstance(value, str):
        return text(key, value, "0700.HK", "a ticker in quotes")
    found = tickers(key, value)
    if not found:
        raise wrong(key, value, "a ticker or a list of tickers (leave it out for none)", "^HSI")
    return found


def _baskets(key: str, value: Any) -> tuple[str | tuple[str, ...], ...]:
    given = (value,) if isinstance(value, str) else listing(key, value, "benchmarks", ["^HSI", ["0700.HK", "9988.HK"]])
    return distinct(key, each(key, given, _basket))


def _pair_of_offsets(value: Any) -> Window | None:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return None
    numbers = [as_int(v) for v in value]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        return None
    return numbers[0], numbers[1]


_CLOCK_WINDOW = re.compile(r"(-?\d+)min\.\.(-?\d+)min")


def window(key: str, value: Any) -> EventWindow:
    """An event window: two offsets a <= b, or minutes around the event as "0min..120min"."""
    expected = 'two whole numbers [a, b] with a <= b (or "0min..120min" with an intraday freq)'
    if isinstance(value, str):
        found = _CLOCK_WINDOW.fullmatch(value)
        if found is None or int(found[1]) >= int(found[2]):
            raise wrong(key, value, expected, "0min..120min")
        return str(value)
    pair = _pair_of_offsets(value)
    if pair is None or pair[0] > pair[1]:
        raise wrong(key, value, expected, sorted(pair) if pair else [0, 1])
    return pair


def windows(key: str, value: Any) -> tuple[EventWindow, ...]:
    """A list of event windows; one that is repeated is one window."""
    if isinstance(value, str) or _pair_of_offsets(value) is not None:
        raise wrong(key, value, "a list of windows", [value])
    given = listing(key, value, "windows", [[0, 0], [0, 1]])
    return tuple(dict.fromkeys(each(key, given, window)))


def _study_windows(key: str, value: Any) -> tuple[EventWindow, ...]:
    found = windows(key, value)
    if not found:
        raise wrong(key, value, "at least one window, the headline first", [[0, 0], [0, 1]])
    return found


def _estimation(key: str, value: Any) -> Window | Literal["all"]:
    if isinstance(value, str) and value == "all":
        return "all"
    pair = _pair_of_offsets(value)
    if pair is None or pair[0] >= pair[1]:
        raise wrong(key, value, 'two whole numbers [first, last] with first < last, or "all"', [-260, -11])
    return pair


def _estimations(key: str, value: Any) -> tuple[Window | Literal["all"], ...]:
    if isinstance(value, str) or _pair_of_offsets(value) is not None:
        value = (value,)
    return distinct(key, each(key, listing(key, value, "estimation windows", [[-120, -11]]), _estimation))


def _model(key: str, value: Any) -> str:
    name = text(key, value, "market", "the name of a model")
    known = registry.MODELS.names() if name != "auto" else []
    if known and name not in known:
        raise UnknownName("model", name, sorted({"auto", *known}), "`abnormal methods` lists them all")
    return name


def _models(key: str, value: Any) -> tuple[str, ...]:
    return each(key, texts(key, value, "models", ("market",)), _model)


def _test(key: str, value: str) -> str:
    name, colon, variant = value.partition(":")
    known = registry.TESTS.names()
    if known and name not in known:
        raise UnknownName("test", name, ["default", *known], "`abnormal methods` lists them all")
    if colon:
        variants = registry.TESTS.get(name).variants if known else ()
        if not variant or (known and variant not in variants):
            hint = f"{name} has " + (", ".join(variants) or "no variants")
            raise UnknownName(f"variant of test {name}", variant, variants, hint)
    return value


def _tests(key: str, value: Any) -> tuple[str, ...] | Literal["default"]:
    if isinstance(value, str) and value == "default":
        return "default"
    found = texts(key, value, 'test ids (or "default")', ("bmp", "patell:patell_sum"))
    if not found:
        raise wrong(key, value, 'test ids, or "default"', ["bmp"])
    return each(key, found, _test)


def _compat(key: str, value: Any) -> str:
    name = text(key, value, "wrds", "the name of a package")
    if name not in get_args(Compat):
        raise UnknownName("compat", name, get_args(Compat), "known are " + ", ".join(get_args(Compat)))
    return name


def _calendar(key: str, value: Any) -> str:
    name = value if isinstance(value, str) else ""
    if name in ("auto", "by source"):
        return "auto"
    if name == "panel" or re.fullmatch(r"[A-Z][A-Z0-9]{3}", name):
        return str(name)
    near = did_you_mean(name, ["auto", "panel", "XHKG", "XNYS"])
    raise SpecError(f'{key}: {shown(value)} given; expected "auto", "panel" or a MIC such as "XHKG"{near}')


def _effects(key: str, value: Any) -> tuple[float, ...]:
    given = listing(key, value, "effects as decimals", [0.0, 0.02])
    if not given:
        raise wrong(key, value, "at least one effect as a decimal", [0.0, 0.02])
    return distinct(key, each(key, given, partial(real, example=0.02, above=-10, below=10)))


# ------------------------------------------------------------------------------------------------- parts of a spec


class Options(Mapping[str, Any]):
    """Settings that only some models know, as a hashable mapping of plain values.

    Keys are identifiers; values are text, true/false, finite numbers, or lists of them (kept as tuples). Two are equal
    when they say the same with the same types. Whether a model knows an option is for the model to say.

    Examples
    --------
    >>> Options({"sigma": "s_zero"})["sigma"]
    's_zero'
    """

    __slots__ = ("_items", "_text")
    _items: dict[str, Any]
    _text: str

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        given = items or {}
        self._items = {k: _option(k, given[k]) for k in sorted(given, key=str)}
        self._text = json.dumps(self._items, sort_keys=True)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Options) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return repr(self._items)


def _option(name: Any, value: Any, nested: bool = False) -> Any:
    key = f"options.{name}"
    if not isinstance(name, str) or not name.isidentifier():
        raise SpecError(f'options: {shown(name)} given as a name; expected a word such as "sigma"')
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return float(value)
    if not nested and isinstance(value, list | tuple | np.ndarray):
        return tuple(_option(name, v, nested=True) for v in value)
    raise wrong(key, value, "text, a finite number, true/false or a list of them", "s_zero")


def _options(key: str, value: Any) -> Options:
    if isinstance(value, Options):
        return value
    if not isinstance(value, Mapping):
        raise wrong(key, value, "a table of options of the model", {"sigma": "s_zero"})
    try:
        return Options(value)
    except SpecError as error:  # say model.options.sigma where the study file does
        raise SpecError(f"{key}{str(error).removeprefix('options')}") from None


def _part(key: str, value: Any, kind: type[Any]) -> Any:
    """A part of the spec from itself, from a mapping of its fields, or from its first field."""
    if isinstance(value, kind):
        return value
    if value is None:
        return kind()
    if not isinstance(value, Mapping):
        return kind(value)
    known = [f.name for f in fields(kind)]
    for name in value:
        if name not in known:
            raise UnknownName("key", f"{key}.{name}", [f"{key}.{k}" for k in known])
    return kind(**value)


@dataclass(frozen=True, slots=True)
class Robustness:
    """Alternatives that are estimated beside the study and reported, never instead of it (METHODS.md 2.7).

    Parameters
    ----------
    models : tuple of str
        Names of further models.
    estimations : tuple of (int, int) or "all"
        Further estimation windows, in sessions.
    benchmarks : tuple of str or tuple of str
        Further benchmarks: a ticker, or a list of tickers for a basket.

    Examples
    --------
    >>> Robustness(models=["mean"], estimations=[[-120, -11]]).estimations
    ((-120, -11),)
    """

    models: tuple[str, ...] = keyed("robustness.models", _models, ())
    estimations: tuple[Window | Literal["all"], ...] = keyed("robustness.estimations", _estimations, ())
    benchmarks: tuple[str | tuple[str, ...], ...] = keyed("robustness.benchmarks", _baskets, ())

    def __post_init__(self) -> None:
        settle(self)

    def __bool__(self) -> bool:
        return bool(self.models or self.estimations or self.benchmarks)


@dataclass(frozen=True, slots=True)
class SpecGrid:
    """The axes of a specification curve; an empty axis stays at the study's own value.

    Parameters
    ----------
    models, estimations, benchmarks
        As in `Robustness`.
    windows : tuple of (int, int)
        Event windows.
    returns : tuple of {"simple", "log"}
        Kinds of return.

    Examples
    --------
    >>> SpecGrid(windows=[(0, 0), (0, 1)], returns=["simple", "log"]).windows
    ((0, 0), (0, 1))
    """

    models: tuple[str, ...] = keyed("specs.models", _models, ())
    estimations: tuple[Window | Literal["all"], ...] = keyed("specs.estimations", _estimations, ())
    benchmarks: tuple[str | tuple[str, ...], ...] = keyed("specs.benchmarks", _baskets, ())
    windows: tuple[EventWindow, ...] = keyed("specs.windows", windows, ())
    returns: tuple[ReturnKind, ...] = keyed("specs.returns", partial(choices, options=get_args(ReturnKind)), ())

    def __post_init__(self) -> None:
        settle(self)

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, slots=True)
class Regression:
    """A cross-sectional regression of abnormal returns on characteristics (METHODS.md 5.3).

    Parameters
    ----------
    formula : str
        For instance ``"car ~ unlock_pct + C(role)"``.
    window : (int, int), optional
        Window of the CAR on the left; None = the study's headline.
    cov : str
        How standard errors are made; ``"auto"`` follows the design (one date or many).

    Examples
    --------
    >>> Regression("car ~ unlock_pct", window=[0, 1]).window
    (0, 1)
    """

    formula: str = keyed("regression.formula", partial(text, example="car ~ unlock_pct", what="a formula in quotes"))
    window: EventWindow | None = keyed("regression.window", optional(window))
    cov: Cov = keyed("regression.cov", partial(choice, options=get_args(Cov)), "auto")

    def __post_init__(self) -> None:
        settle(self)


@dataclass(frozen=True, slots=True)
class Power:
    """A simulation of power and true size on the study's own data (METHODS.md 7.4).

    Parameters
    ----------
    effects : tuple of float
        Abnormal returns added to tau = 0, as decimals; 0 gives the true size.
    draws : int
        Number of pseudo events.
    tests : "default" or tuple of str
        Tests whose rejections are counted.

    Examples
    --------
    >>> Power(effects=[0, 0.02]).effects
    (0.0, 0.02)
    """

    effects: tuple[float, ...] = keyed("power.effects", _effects, (0.0, 0.005, 0.01, 0.02, 0.05))
    draws: int = keyed("power.draws", partial(whole, least=1, example=1000), 1000)
    tests: tuple[str, ...] | Literal["default"] = keyed("power.tests", _tests, "default")

    def __post_init__(self) -> None:
        settle(self)


_PARTS: Mapping[str, type[Any]] = MappingProxyType(
    {"robustness": Robustness, "specs": SpecGrid, "regression": Regression, "power": Power}
)

# ------------------------------------------------------------------------------------------------------- the spec


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StudySpec:
    """What an event study does: model, windows, returns, tests and their level, without any data.

    Frozen and hashable; lists become tuples; equal specs have equal hashes and digests. Offsets count sessions of the
    pair's exchange relative to tau = 0 and include both ends. Numbers in brackets are sections of METHODS.md.

    Parameters
    ----------
    model : str, default "auto"
        Model of expected returns (`abnormal methods` lists them). "auto" is ``market`` for a pair with at least 120
        estimation returns and ``market_zero_alpha`` below (1.7, 2).
    options : mapping, default {}
        Settings that only some models know, as ``{"sigma": "s_zero"}``; ``[model.options]`` in a study file (2). Also
        ``peers`` (control shares), ``donors`` (shares in the place of the studied ones: placebo in space, power; "panel" =
        all of a frame), ``primary`` and ``lines`` (which listed line of a company counts; "all"), ``placebo_match`` (placebo
        dates on which the market moved within so much of the event's) and ``placebo_quiet`` (without catalogue events).
    estimation : (int, int) or "all", default (-260, -11)
        First and last session of the estimation window. It must end before every window of the study begins. "all"
        runs from the first usable session to -11 (1.2).
    min_obs : int, default 30
        Estimation returns a pair must have. It can be lowered to k + 5, k the parameters of the model (1.2).
    skip_first : int, default 5
        Sessions after a listing that are left out of estimation; the listing day is the first of them (1.7).
    thin : {"drop", "lumped", "uniform", "trade_to_trade"}, default "drop"
        What becomes of returns over several sessions in the estimation window (1.5).
    halt : {"shift", "keep"}, default "shift"
        Whether tau = 0 moves to the session on which trading resumes (1.3).
    benchmark : str or tuple of str, optional
        A ticker, or tickers of an equal-weighted basket. Default None: the model has none, or a series goes to `run`.
    industry : str or tuple of str, optional
        A second benchmark, for ``industry`` and ``market_industry`` (2).
    factors : str, optional
        Path of a file of factor returns, as written; in a study file relative paths count from that file.
    windows : tuple of (int, int), default ((-1, 1), (0, 0), (0, 1), (-5, 5), (-10, 10))
        Event windows, the headline first. With an intraday `freq` they count bars, or are minutes around the event as
        ``"0min..120min"``. A window named twice is one window (1.2).
    headline_set : bool, optional
        Whether the headline was chosen by the user: then it stays; if not, a late or dateless event may widen it
        (1.3). Default None: True where `windows` is given.
    returns : {"simple", "log"}, optional
        Kind of return (decimals). Default None: "simple", and "log" with an intraday `freq` (1.4, 6.1).
    currency : {"local", "USD"}, default "local"
        Currency prices are converted to before returns are taken (1.4).
    calendar : str, default "auto"
        Whose sessions count: "auto" follows the source of prices (a store: the ticker's exchange; a file or frame: its
        own dates), "panel" the dates of the prices, or a MIC such as "XHKG" (1.3).
    freq : {"1d", "1h", "30m", "15m", "5m", "2m", "1m"}, default "1d"
        Length of a bar. Below "1d" estimation still counts sessions and windows count bars (6).
    closing_auction : bool, default False
        Whether minutes of the closing auction belong to the session (1.3).
    tests : "default" or tuple of str, default "default"
        Tests to compute; a variant as ``"patell:patell_sum"``. "default" is what the study's row of 9 needs (4, 9, 10).
    level : float, default 0.05
        Level of tests and intervals, between 0 and 1 (0, 4.0).
    alternative : {"two-sided", "greater", "less"}, default "two-sided"
        Side of the tests (0).
    seed : int, default 1
        Seed of every test that draws (0).
    draws : int, default 9999
        Draws of bootstrap and randomisation tests, B (0, 4.11).
    compat : {"estudy2", "r_eventstudy", "wrds", "est"}, optional
        Set variants in bulk to match another package; for comparison, never a recommendation (10).
    selected_on_outcome : bool, default False
        Whether the firm was picked because its price moved; the p is then adjusted for the choice (4.1, 9).
    candidates : tuple of str, default ()
        Tickers it was picked from (4.1).
    selected_sessions : int, default 1
        Sessions it was picked from (4.1).
    confounders : {"flag", "drop", "dummy", "split"}, default "flag"
        What becomes of other events near a pair (8.2).
    statuses : tuple of str, default ("verified", "quoted")
        Status of the catalogue events that count as confounders (8.1).
    exclude : tuple of str, default ()
        Ids of events that do not count as confounders (8.1).
    align : {"expected_sign"}, optional
        Multiply returns by the sign the event expects for the pair. Default None: leave them.
    robustness : Robustness, mapping or tuple of model names, default ()
        Alternatives reported beside the study (2.7).
    specs : SpecGrid or mapping, default ()
        Axes of the specification curve.
    regression : Regression, mapping or formula, optional
        Cross-sectional regression of the CARs (5.3). Default None: none.
    power : Power or mapping, default Power()
        Simulated power and size (7.4).

    Raises
    ------
    SpecError
        A value a field cannot take, or two that cannot stand together; says what was given, expected and what to type.
    UnknownName
        A model, test, variant or package that does not exist, with the nearest that do.

    Examples
    --------
    >>> spec = StudySpec(model="market", benchmark=["0700.HK", "9988.HK"], estimation=[-90, -11], windows=[[0, 0]])
    >>> spec.but(estimation="all").estimation, spec.headline
    ('all', (0, 0))
    >>> StudySpec().headline_set, StudySpec() == StudySpec.from_dict({})
    (False, True)
    """

    model: str = keyed("model.name", _model, "auto")
    options: Options = keyed("model.options", _options, Options())
    estimation: Window | Literal["all"] = keyed("model.estimation", _estimation, (-260, -11))
    min_obs: int = keyed("model.min_obs", partial(whole, least=5, example=30), 30)
    skip_first: int = keyed("model.skip_first", partial(whole, least=0, example=5), 5)
    thin: Thin = keyed("model.thin", partial(choice, options=get_args(Thin)), "drop")
    halt: Halt = keyed("model.halt", partial(choice, options=get_args(Halt)), "shift")
    benchmark: str | tuple[str, ...] | None = keyed("benchmark.tickers", optional(_basket))
    industry: str | tuple[str, ...] | None = keyed("benchmark.industry", optional(_basket))
    factors: str | None = keyed("benchmark.factors", optional(path_text))
    windows: tuple[EventWindow, ...] = keyed("", optional(_study_windows))
    headline_set: bool = keyed("", optional(flag))
    returns: ReturnKind = keyed("returns.kind", optional(partial(choice, options=get_args(ReturnKind))))
    currency: Currency = keyed("returns.currency", partial(choice, options=get_args(Currency)), "local")
    calendar: str = keyed("returns.calendar", _calendar, "auto")
    freq: Freq = keyed("returns.freq", partial(choice, options=get_args(Freq)), "1d")
    closing_auction: bool = keyed("returns.closing_auction", flag, False)
    tests: tuple[str, ...] | Literal["default"] = keyed("inference.tests", _tests, "default")
    level: float = keyed("inference.level", partial(real, above=0, below=1, example=0.05), 0.05)
    alternative: Alternative = keyed(
        "inference.alternative", partial(choice, options=get_args(Alternative)), "two-sided"
    )
    seed: int = keyed("inference.seed", partial(whole, least=0, example=1), 1)
    draws: int = keyed("inference.draws", partial(whole, least=1, example=9999), 9999)
    compat: Compat | None = keyed("inference.compat", optional(_compat))
    selected_on_outcome: bool = keyed("inference.selected_on_outcome", flag, False)
    candidates: tuple[str, ...] = keyed("inference.candidates", tickers, ())
    selected_sessions: int = keyed("inference.selected_sessions", partial(whole, least=1, example=1), 1)
    confounders: Treatment = keyed("confounders.treatment", partial(choice, options=get_args(Treatment)), "flag")
    statuses: tuple[str, ...] = keyed(
        "confounders.statuses", partial(choices, options=STATUSES), ("verified", "quoted")
    )
    exclude: tuple[str, ...] = keyed("confounders.exclude", partial(texts, what="event ids", example=("event-id",)), ())
    align: Literal["expected_sign"] | None = keyed(
        "events.align", optional(partial(choice, options=("expected_sign",), also=" (leave it out for none)"))
    )
    robustness: Robustness = keyed("robustness", partial(_part, kind=Robustness), Robustness())
    specs: SpecGrid = keyed("specs", partial(_part, kind=SpecGrid), SpecGrid())
    regression: Regression | None = keyed("regression", optional(partial(_part, kind=Regression)))
    power: Power = keyed("power", partial(_part, kind=Power), Power())

    def __post_init__(self) -> None:
        settle(self, by_name=True)
        filled = with_defaults({f.name: getattr(self, f.name) for f in fields(self)})
        for name in ("windows", "headline_set", "returns"):
            object.__setattr__(self, name, filled[name])
        raise_all([SpecError(f"{c.fields[0]}: {c.text}") for c in conflicts(filled)])

    @property
    def headline(self) -> EventWindow:
        """The first window: the one the verdict is about."""
        return self.windows[0]

    @property
    def offset_windows(self) -> tuple[Window, ...]:
        """The windows as pairs of offsets; clock windows are an error, for they need bars to become offsets."""
        for w in self.windows:
            if isinstance(w, str):
                raise SpecError(f"window {w!r} is clock time; it becomes offsets only on the bars of a session")
        return cast("tuple[Window, ...]", self.windows)

    @property
    def estimation_end(self) -> int:
        """Last offset of the estimation window."""
        return _last(self.estimation)

    def but(self, **changes: Any) -> StudySpec:
        """The same spec with some fields changed.

        Windows given here are set by the user. Changing `freq` takes `returns` along where it was that freq's default.

        Examples
        --------
        >>> StudySpec().but(freq="5m").returns
        'log'
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in changes:
            if name not in values:
                raise UnknownName("field of StudySpec", name, values)
        if "windows" in changes:
            values["headline_set"] = None
        if "freq" in changes and self.returns == _usual_returns(self.freq):
            values["returns"] = None
        return StudySpec(**(values | changes))

    def to_dict(self, defaults: bool = True) -> dict[str, dict[str, Any]]:
        """The spec as sections and keys of a study file, in plain lists and numbers.

        `defaults=False` leaves out whatever has its default value. What is None is always left out.
        """
        flat = spread(self)
        if not defaults:
            usual = spread(StudySpec(freq=self.freq))
            usual["returns.freq"] = "1d"
            set_by_user = ("windows.headline", "windows.also") if self.headline_set else ()
            flat = {k: v for k, v in flat.items() if k in set_by_user or k not in usual or usual[k] != v}
        sections: dict[str, dict[str, Any]] = {}
        for key, value in flat.items():
            section, name = key.split(".", 1)
            sections.setdefault(section, {})[name] = value
        return sections

    @classmethod
    def from_dict(cls, sections: Mapping[str, Mapping[str, Any]]) -> StudySpec:
        """The spec that sections and keys of a study file say; keys left out take their defaults."""
        flat: dict[str, Any] = {}
        for section, table in sections.items():
            if not isinstance(table, Mapping):
                raise wrong(section, table, "a section of keys", {})
            flat |= {f"{section}.{name}": value for name, value in table.items()}
        raise_all([UnknownName("key", key, KEYS) for key in flat if key not in KEYS])
        return cls(**gather(flat))

    @property
    def digest(self) -> str:
        """SHA-256 of what the spec says (64 hexadecimal digits), the same in every process and version of Python."""
        said = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(said.encode("ascii")).hexdigest()

    @property
    def short_digest(self) -> str:
        """The first 12 digits of the digest, for people."""
        return self.digest[:12]

    def __repr__(self) -> str:
        """Only what differs from the defaults; evaluates to an equal spec."""
        usual = StudySpec(freq=self.freq)
        said = [n for f in fields(self) if (n := f.name) not in ("freq", "windows", "headline_set")]
        changed = [n for n in said if getattr(self, n) != getattr(usual, n)]
        changed += ["freq"] if self.freq != "1d" else []
        if self.headline_set or self.windows != DEFAULT_WINDOWS:
            changed += ["windows"] if self.headline_set else ["windows", "headline_set"]
        return f"StudySpec({', '.join(f'{n}={getattr(self, n)!r}' for n in changed)})"


# ----------------------------------------------------------------------------------------- between fields and file keys


def _file_keys() -> dict[str, tuple[str, Cleaner]]:
    """Every key of a study file that belongs to the spec -> (field, with a dot for a part; cleaner)."""
    found: dict[str, tuple[str, Cleaner]] = {}
    for f in fields(StudySpec):
        if f.name in _PARTS:
            for part in fields(_PARTS[f.name]):
                found[part.metadata["toml"]] = (f"{f.name}.{part.name}", part.metadata["clean"])
        elif f.name == "windows":
            found |= {"windows.headline": ("windows", window), "windows.also": ("windows", windows)}
        elif f.metadata["toml"]:
            found[f.metadata["toml"]] = (f.name, f.metadata["clean"])
    return found


_FILE_KEYS = MappingProxyType(_file_keys())
KEYS: Mapping[str, Cleaner] = MappingProxyType({key: clean for key, (_, clean) in _FILE_KEYS.items()})
FIELD_OF: Mapping[str, str] = MappingProxyType({key: name for key, (name, _) in _FILE_KEYS.items()})


def gather(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values under keys of a study file as arguments of StudySpec.

    A headline without `also` is the only window; `also` without a headline leaves the headline unset.
    """
    found: dict[str, Any] = {}
    for key, value in flat.items():
        part, dot, name = FIELD_OF[key].partition(".")
        if dot:
            found.setdefault(part, {})[name] = value
        elif part != "windows":
            found[part] = value
    also = windows("windows.also", flat["windows.also"]) if "windows.also" in flat else ()
    if "windows.headline" in flat:
        found["windows"] = (window("windows.headline", flat["windows.headline"]), *also)
    elif "windows.also" in flat:
        found |= {"windows": (FALLBACK_HEADLINE, *also), "headline_set": False}
    return found


def spread(spec: StudySpec) -> dict[str, Any]:
    """The spec as plain values under keys of a study file, None left out: the opposite of `gather`."""
    flat: dict[str, Any] = {}
    for key, name in FIELD_OF.items():
        part, dot, rest = name.partition(".")
        value = getattr(spec, part)
        if dot and value is not None:
            value = getattr(value, rest)
        if key == "windows.headline":
            value = spec.headline if spec.headline_set else None
        elif key == "windows.also":
            value = spec.windows[1:] or (None if spec.headline_set else ())
        if value is not None:
            flat[key] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of a spec: those given, defaults for the others, and what depends on another field filled in."""
    filled: dict[str, Any] = {f.name: f.default for f in fields(StudySpec)} | dict(values)
    if filled["headline_set"] is None:
        filled["headline_set"] = filled["windows"] is not None
    if filled["windows"] is None:
        filled["windows"] = DEFAULT_WINDOWS
    if filled["returns"] is None:
        filled["returns"] = _usual_returns(filled["freq"])
    return filled


def _usual_returns(freq: str) -> ReturnKind:
    return "simple" if freq == "1d" else "log"


# ------------------------------------------------------------------------------------ values that cannot stand together


class Conflict(NamedTuple):
    """Fields (with a dot for a part) whose values cannot stand together, the one to change first, and why."""

    fields: tuple[str, ...]
    text: str
    window: EventWindow | None = None


def conflicts_in_file(flat: Mapping[str, Any], broken: Collection[str] = ()) -> list[Conflict]:
    """`conflicts` between cleaned values under keys of a study file."""
    values = gather(flat)
    for f in fields(StudySpec):
        if f.name in _PARTS and f.name in values:
            values[f.name] = f.metadata["clean"](f.name, values[f.name])
    return conflicts(with_defaults(values), broken)


def conflicts(values: Mapping[str, Any], broken: Collection[str] = ()) -> list[Conflict]:
    """What is wrong between cleaned fields; fields that are broken in themselves are left out."""
    found = [c for rule in _RULES for c in rule(values)]
    return [c for c in found if not {name.partition(".")[0] for name in c.fields} & set(broken)]


def _named(values: Mapping[str, Any], *names: str) -> Iterator[tuple[str, Any]]:
    """Each single value under these fields (dotted for parts), whether the field holds one or a tuple of many."""
    for name in names:
        part, dot, rest = name.partition(".")
        value = getattr(values[part], rest, None) if dot else values[part]
        if name in ("estimation", "regression.window"):
            value = () if value is None else (value,)
        yield from ((name, v) for v in value or ())


_WINDOW_FIELDS = ("windows", "specs.windows", "regression.window")
_ESTIMATION_FIELDS = ("estimation", "robustness.estimations", "specs.estimations")


def _clock_without_bars(values: Mapping[str, Any]) -> Iterator[Conflict]:
    for name, w in _named(values, *_WINDOW_FIELDS):
        if isinstance(w, str) and values["freq"] == "1d":
            text = f'"{w}" is clock time, which daily bars do not have'
            yield Conflict((name, "freq"), f'{text}; count sessions as [0, 1] or set freq = "5m"', w)


def _overlaps(values: Mapping[str, Any]) -> Iterator[Conflict]:
    """Estimation must end before every window begins; with bars inside a session, before the event's session."""
    for name, e in _named(values, *_ESTIMATION_FIELDS):
        if values["freq"] == "1d":
            yield from (c for other in _WINDOW_FIELDS for c in _overlap_with(values, name, e, other))
        elif _last(e) >= 0:
            yield Conflict((name, "freq"), f"{_said(e)} reaches into the event's session; end it at -1 or earlier")


def _overlap_with(
    values: Mapping[str, Any], name: str, estimation: Window | Literal["all"], other: str
) -> Iterator[Conflict]:
    starts = [w for _, w in _named(values, other) if not isinstance(w, str)]
    first, last = min(starts, default=None), _last(estimation)
    if first is not None and last >= first[0]:
        reach = f"estimation {_said(estimation)} ends at {last} and reaches into the window {_said(first)} of {other}"
        way_out = f"end it at {first[0] - 1} or earlier, or choose windows that begin at {last + 1} or later"
        yield Conflict((name, other, "freq"), f"{reach}; {way_out}", first)


def _too_short(values: Mapping[str, Any]) -> Iterator[Conflict]:
    for name, e in _named(values, *_ESTIMATION_FIELDS):
        if e != "all" and values["freq"] == "1d" and (size := e[1] - e[0] + 1) < values["min_obs"]:
            text = (
                f"estimation {_said(e)} has {size} sessions, fewer than min_obs = {values['min_obs']}; "
                f"begin at {e[1] - values['min_obs'] + 1} or earlier, or lower min_obs"
            )
            yield Conflict((name, "min_obs", "freq"), text)


def least_min_obs(model: str) -> int:
    """The least `min_obs` a model can take: its parameters and five (METHODS.md 1.2)."""
    return _PARAMETERS.get(model, 2) + 5


def _below_floor(values: Mapping[str, Any]) -> Iterator[Conflict]:
    least = least_min_obs(values["model"])
    if values["min_obs"] < least:
        text = (
            f'{values["min_obs"]} given; model "{values["model"]}" with {least - 5} parameters needs at least {least}'
        )
        yield Conflict(("min_obs", "model"), f"{text}; type min_obs = {least}")


def _unset_headline(values: Mapping[str, Any]) -> Iterator[Conflict]:
    if not values["headline_set"] and values["windows"][0] != FALLBACK_HEADLINE:
        text = f"False given with {values['windows'][0]} first; an unset headline is {FALLBACK_HEADLINE}"
        yield Conflict(("headline_set", "windows"), f"{text}; leave headline_set out")


_RULES = (_clock_without_bars, _overlaps, _too_short, _below_floor, _unset_headline)


def _last(estimation: Window | Literal["all"]) -> int:
    return LAST_OF_ALL if estimation == "all" else int(estimation[1])


def _said(estimation: Window | Literal["all"]) -> str:
    return '"all"' if estimation == "all" else f"[{estimation[0]}, {estimation[1]}]"


# -------------------------------------------------------------------------------------------------------------- presets

_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "brown_warner_1985": {"estimation": (-244, -6), "windows": ((-5, 5),)},
        "mackinlay_1997": {"estimation": (-270, -21), "windows": ((-20, 20),)},
        "wrds": {"estimation": (-116, -7), "windows": ((-1, 1),)},
        "eventstudy2": {"estimation": (-270, -21), "windows": ((-20, 20),), "min_obs": 30},
        "csestudy": {"estimation": (-200, -1), "windows": ((0, 0),)},
    }
)


def presets(name: str) -> StudySpec:
    """A published set-up of windows with the market model; change it with `.but` (METHODS.md 1.2).

    ``brown_warner_1985`` (estimation -244..-6, event -5..+5), ``mackinlay_1997`` (250 sessions, -20..+20), ``wrds``
    (the macro's example: 110 sessions, gap of 5, -1..+1), ``eventstudy2`` (-270..-21, -20..+20) and ``csestudy`` (200
    sessions up to -1, the event day).

    Raises
    ------
    UnknownName
        A preset that does not exist.

    Examples
    --------
    >>> presets("wrds").estimation
    (-116, -7)
    """
    if name not in _PRESETS:
        raise UnknownName("preset", name, _PRESETS, "known are " + ", ".join(_PRESETS))
    return StudySpec(model="market", **_PRESETS[name])
