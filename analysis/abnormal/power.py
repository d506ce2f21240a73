"""True size and power of each test for a study of this design, on the study's own panel (Brown and Warner's manner).

Random firms and dates are drawn from the panel, the study's date structure is kept, an effect is added to day 0, and every
test is asked. Size that is not the nominal one is said beside the power it buys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .battery import design_of
from .case import Case, Progress, Request, build
from .checks.decision import Design, row_of
from .confounding import rivals
from .domain import AbnormalReturns, FloatArray, IntArray, Tape, TestOptions, TestResult, Window
from .errors import AbnormalError, RequestError
from .inputs.sample import cut, portfolio
from .inputs.sessions import align_many
from .inputs.tapes import Recording
from .kernel import draws as batched
from .registry import MODELS, TESTS
from .request import settle
from .spec import StudySpec

BATCHED_MODELS = ("market", "market_zero_alpha", "market_adjusted", "mean")
RESAMPLING = ("sign_flip", "wild", "hein_westfall", "lbt_bootstrap", "placebo_joint", "romano_wolf")
NEEDS_SERIES = ("portfolio_placebo",)  # tests that estimate again at other dates
SIMULATED = ("cross", "date", "adjust")
OF_RESIDUALS = ("correlation", "rbar_w")  # kept values that an added effect does not touch
TRIES = 200  # attempts to place a date away from the others
FULL_DRAWS = 199
CHUNK = 250  # draws estimated together: bounds the memory
QUIET = 10  # sessions around an event that are left out
FEW_DATES = 20
FEW_DRAWS = 200  # fewer different draws than these are said


@dataclass(frozen=True, slots=True)
class PowerTable:
    """Rejection rates: frame has one row a test and effect (decimal return added to day 0), with its Monte Carlo error.

    wrong_size: tests whose size at no effect is outside 0.03 to 0.08 at nominal 0.05 (in proportion at other levels); their
    power must not be compared. mde: smallest effect with 80% power of the study's own headline estimate, by its formula.
    """

    title: str
    frame: pd.DataFrame
    draws: int
    design: str
    level: float
    wrong_size: tuple[str, ...]
    notes: tuple[str, ...]
    mde: float

    def __repr__(self) -> str:
        from .present.curves import power_text

        return power_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, `schema_version` first."""
        from .result import SCHEMA_VERSION, plain, records

        return {
            "schema_version": SCHEMA_VERSION, "title": self.title, "power": records(self.frame), "draws": self.draws,
            "design": self.design, "level": self.level, "wrong_size": list(self.wrong_size), "mde": plain(self.mde),
            "notes": list(self.notes),
        }  # fmt: skip


def simulate_power(
    events: Any, prices: Any = None, spec: StudySpec | None = None, *, effects: Sequence[float] | None = None,
    draws: int | None = None, full: bool = False, progress: Progress | None = None, **frames: Any,
) -> PowerTable:  # fmt: skip
    """How often would each test reject, for a study of this size, history and date structure, at each true effect?

    Takes what `run` takes. `effects` are decimal returns added to day 0 (default 0, 0.5, 1, 2, 5%), `draws` the number of
    random (firms, date) combinations, `full` adds the resampling tests (199 draws each). Same seed, same digits.

    Examples
    --------
    >>> import abnormal as ab
    >>> table = ab.simulate_power("chip_export_rules_2022", draws=50, effects=[0.0, 0.05])
    >>> sorted(set(table.frame.effect))
    [0.0, 0.05]
    """
    request = settle(events, prices, spec, **frames)
    return power_of(request, effects=effects, draws=draws, full=full, progress=progress)


def power_of(
    request: Request, *, effects: Sequence[float] | None = None, draws: int | None = None, full: bool = False,
    progress: Progress | None = None,
) -> PowerTable:  # fmt: skip
    """Power table of a settled request."""
    case = build(request)
    if case.size == 0:
        why = case.excluded[0].reason if case.excluded else "no pair"
        raise RequestError(f"power needs a study with at least one pair; this one has none ({why})")
    wanted = request.spec.power
    chosen = np.array(wanted.effects if effects is None else effects, float)
    count = wanted.draws if draws is None else draws
    if not chosen.size or not np.isfinite(chosen).all() or count < 1:
        raise RequestError(
            f"effects {chosen.tolist()}, draws {count}: give decimal returns such as 0.02 and one draw or more"
        )
    design = design_of(case, case.headline)
    panel = _panel(case)
    rng = np.random.default_rng(request.spec.seed)
    tests = _batched_tests(case, design)
    if tests and not full:
        found = _batched(case, panel, tests, chosen, count, rng, progress)
    else:
        found = _generic(case, design, panel, chosen, count, rng, full, progress)
    return _table(case, design, panel, found, chosen, count)


def _batched_tests(case: Case, design: Design) -> Mapping[str, batched.Test]:
    """The tests that can be asked of many draws at once; none where the study needs the registered ones."""
    asked = case.spec.power.tests
    own = set(case.ar.model)
    fits = len(own) == 1 and own <= set(BATCHED_MODELS) and case.spec.alternative == "two-sided"
    if not fits or not (design.dates == 1 or design.disjoint):
        return {}
    if design.dates == 1:
        known = batched.SINGLE if case.size == 1 else batched.ONE_DATE
    else:
        known = batched.MANY_DATES
    if isinstance(asked, str):
        return known
    return {t: known[t] for t in asked} if set(asked) <= set(known) else {}


# ------------------------------------------------------------------------------------------------ the panel


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """Shares and sessions pseudo events are drawn from: rows of the tape, estimation length, and good (share, row)."""

    tape: Tape
    model: str
    rows: IntArray
    estimation: Window
    good: np.ndarray
    notes: tuple[str, ...]

    @property
    def length(self) -> int:
        return self.estimation[1] - self.estimation[0] + 1


def _panel(case: Case) -> _Panel:
    rec = case.recordings[case.key[0]]
    tape, notes = rec.tape, []
    if len(set(case.key)) > 1:
        notes.append(f"the shares trade on several exchanges; pseudo events are drawn on {case.key[0]} only")
    end = case.ar.estimation[1]
    length = int(np.median(case.ar.m))
    rows = np.arange(len(tape.units))
    quiet = _quiet_rows(case, rec, everything=True)
    while True:
        estimation = (end - length + 1, end)
        good = _complete(tape, rows, estimation, case.headline) & quiet[None, :]
        if good.any(axis=0).sum() >= FEW_DATES:
            break
        if quiet.sum() < tape.time.size - 2 * QUIET - 1 and not _only_own(case, rec, quiet):
            notes.append("too few sessions are free of catalogue events: only the study's own dates are left out")
            quiet = _quiet_rows(case, rec, everything=False)
        elif length > case.spec.min_obs:
            length = max(case.spec.min_obs, length // 2)
            notes.append(f"the history is short: pseudo events are estimated on {length} sessions")
        else:
            break
    return _Panel(tape, case.ar.model[0], rows, estimation, good, tuple(notes))


def _only_own(case: Case, rec: Recording, quiet: np.ndarray) -> bool:
    return bool(np.array_equal(quiet, _quiet_rows(case, rec, everything=False)))


def _quiet_rows(case: Case, rec: Recording, everything: bool) -> np.ndarray:
    """Sessions more than 10 away from the study's own events and, if asked, from every catalogue event of its shares."""
    time = rec.tape.time
    hits = [int(r) for r, k in zip(case.day0, case.key) if k == rec.tape.calendar]
    if everything and case.request.catalogue is not None:
        events = {e.id: e for p in case.pairs for e in rivals(p, case.request.catalogue, case.spec)}
        found = align_many(
            list(events.values()), [rec.tape.calendar] * len(events), calendar=rec.calendar, errors="return"
        )
        hits += [int(np.searchsorted(time, a.session)) for a in found if not isinstance(a, AbnormalError)]
    quiet = np.ones(time.size, bool)
    for row in hits:
        quiet[max(row - QUIET, 0) : row + QUIET + 1] = False
    return quiet


def _complete(tape: Tape, rows: IntArray, estimation: Window, window: Window) -> np.ndarray:
    """(S, T) whether a pseudo event there has its whole estimation and event windows, regressors included."""
    have = np.isfinite(tape.event_y) & (tape.span <= 1)
    have &= np.isfinite(tape.x[tape.xid]).all(axis=2) if tape.x.shape[2] else True
    est = have & tape.usable & np.isfinite(tape.y)
    t = tape.time.size
    position = np.arange(t)

    def all_of(flags: np.ndarray, lo: int, hi: int) -> np.ndarray:
        total = np.concatenate([np.zeros((flags.shape[0], 1)), np.cumsum(flags, axis=1)], axis=1)
        first, last = position + lo, position + hi + 1
        inside = (first >= 0) & (last <= t)
        sums = total[:, np.clip(last, 0, t)] - total[:, np.clip(first, 0, t)]
        return inside[None, :] & (sums == hi - lo + 1)

    return (all_of(est, *estimation) & all_of(have, *window))[rows]


# ------------------------------------------------------------------------------------------------ batched


def _structure(case: Case) -> IntArray:
    """(E,) number of each pair's event date, in date order."""
    days = np.array([case.recording(i).tape.time[case.day0[i]] for i in range(case.size)])
    return np.unique(days, return_inverse=True)[1].astype(np.int64)


def _batched(
    case: Case, panel: _Panel, tests: Mapping[str, batched.Test], effects: FloatArray, count: int,
    rng: np.random.Generator, progress: Progress | None,
) -> _Simulated:  # fmt: skip
    """Rejection rates of the batched battery on random firms and dates with the study's pattern of shared dates."""
    structure = _structure(case)
    hits = {name: np.zeros(effects.size) for name in tests}
    usable = {name: np.zeros(effects.size) for name in tests}
    spots = _Spots(panel, np.bincount(structure), case.headline)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        places = [spots.draw(structure, rng) for _ in range(size)]
        drawn = _drawn(
            panel, np.stack([f for f, _ in places]), np.stack([w for _, w in places]), case.headline, structure
        )
        for j, effect in enumerate(effects):
            if progress is not None:
                progress("power", start * effects.size + size * j, count * effects.size)
            moved = drawn.with_effect(np.asarray(effect), max(-case.headline[0], 0))
            for name, test in tests.items():
                p = test(moved)
                hits[name][j] += np.sum(below(p, case.spec.level))
                usable[name][j] += np.sum(np.isfinite(p))
    return _Simulated(_rates(hits, usable), spots.notes(panel), len(spots.seen))


@dataclass(frozen=True, slots=True)
class _Simulated:
    """Rejection rates by test (one for each effect), what to know of them, and how many draws were different ones."""

    rates: dict[str, FloatArray]
    notes: list[str]
    different: int


def _rates(hits: dict[str, FloatArray], usable: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Share of answers that reject; NaN for a test that never answered."""
    with np.errstate(invalid="ignore"):
        return {name: np.where(usable[name] > 0, hits[name] / usable[name], np.nan) for name in hits}


def below(p: Any, level: float) -> Any:
    """Strictly below the level; p-values by ranks are fractions, so 4/80 is not below .05."""
    return np.asarray(p) < level - 1e-12


class _Spots:
    """Sessions of the panel with enough complete firms for each date of the study, and draws from them."""

    def __init__(self, panel: _Panel, sizes: IntArray, window: Window) -> None:
        firms = panel.good.sum(axis=0)
        self.panel, self.apart, self.crowded = panel, window[1] - window[0] + 1, 0
        self.seen: set[bytes] = set()
        self.drawn = 0
        self.enough = [np.flatnonzero(firms >= size) for size in sizes]
        self.firms = {int(t): np.flatnonzero(panel.good[:, t]) for t in np.flatnonzero(firms)}
        short = next((size for size, sessions in zip(sizes, self.enough) if not sessions.size), None)
        if short is not None:
            raise RequestError(
                f"no session of the panel has {short} firms with complete windows; power cannot be simulated. "
                'More shares to draw from: options={"donors": "panel"}, or a list of tickers'
            )

    def draw(self, structure: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Random rows of the tape and sessions of every pair; windows of different dates apart where there is room."""
        unit, row = np.empty(structure.size, np.int64), np.empty(structure.size, np.int64)
        taken: list[int] = []
        for g, sessions in enumerate(self.enough):
            when = self._free(sessions, taken, rng)
            taken.append(when)
            of = np.flatnonzero(structure == g)
            unit[of] = self.panel.rows[rng.choice(self.firms[when], of.size, replace=False)]
            row[of] = when
        self.drawn += 1
        self.seen.add(np.sort(unit * self.panel.tape.time.size + row).tobytes())
        return unit, row

    def _free(self, sessions: IntArray, taken: Sequence[int], rng: np.random.Generator) -> int:
        for _ in range(TRIES):
            when = int(sessions[rng.integers(0, sessions.size)])
            if all(abs(when - other) >= self.apart for other in taken):
                return when
        self.crowded += 1
        return when

    def notes(self, panel: _Panel) -> list[str]:
        """What was drawn from, and whether dates had to crowd."""
        out = [f"{min(s.size for s in self.enough)} sessions and {len(panel.rows)} shares to draw from"]
        if len(self.seen) < min(FEW_DRAWS, 0.9 * self.drawn):
            out.append(f"only {len(self.seen)} different draws of firms and dates: the rates are rough")
        if self.crowded:
            out.append(
                f"{self.crowded} dates drawn with windows that meet another's: the panel is short for so many dates"
            )
        return out


def _drawn(panel: _Panel, firms: IntArray, when: IntArray, window: Window, structure: IntArray) -> batched.Draws:
    """Estimates of draws of firms (D, N) at rows (D, N)."""
    tape, one_date = panel.tape, structure.max() == 0
    est = when[:, :, None] + np.arange(panel.estimation[0], panel.estimation[1] + 1)
    event = when[:, :, None] + np.arange(window[0], window[1] + 1)
    y, event_y = tape.y[firms[:, :, None], est], tape.event_y[firms[:, :, None], event]
    if one_date:  # the benchmark of the first firm serves all: on one date the study's shares have one
        firms, est, event = firms[:, :1], est[:, :1], event[:, :1]
    if not tape.x.shape[2]:
        return batched.estimate(y, np.zeros(est.shape), event_y, np.zeros(event.shape), "mean", structure)
    xid = tape.xid[firms][:, :, None]
    return batched.estimate(y, tape.x[xid, est, 0], event_y, tape.x[xid, event, 0], panel.model, structure)


# ------------------------------------------------------------------------------------------------ any design


def _generic(
    case: Case, design: Design, panel: _Panel, effects: FloatArray, count: int, rng: np.random.Generator, full: bool,
    progress: Progress | None,
) -> _Simulated:  # fmt: skip
    """Rejection rates of the registered tests themselves, study by study."""
    names = _generic_tests(case, design, full)
    hits = {name: np.zeros(effects.size) for name in names}
    usable = {name: np.zeros(effects.size) for name in names}
    structure = _structure(case)
    spots = _Spots(panel, np.bincount(structure), case.headline)
    for k in range(count):
        ar, joint = _pseudo_study(case, panel, *spots.draw(structure, rng))
        for j, effect in enumerate(effects):
            if progress is not None:
                progress("power", k * effects.size + j, count * effects.size)
            moved, moved_joint = _moved(ar, effect), None if joint is None else _moved(joint, effect)
            for name in names:
                p = _asked(name, moved, moved_joint, case)
                hits[name][j] += below(p, case.spec.level)
                usable[name][j] += np.isfinite(p)
            ar.cache.update((k, v) for k, v in moved.cache.items() if k[0] in OF_RESIDUALS)
    return _Simulated(_rates(hits, usable), spots.notes(panel), len(spots.seen))


def _generic_tests(case: Case, design: Design, full: bool) -> list[str]:
    """Tests to ask one study at a time: those of [power] tests, else the row's and the usual ones."""
    asked = case.spec.power.tests
    if not isinstance(asked, str):
        return list(asked)
    row = row_of(design)
    if design.n == 1:
        return ["t_car", "sq", *(("sq_vol", "conformal") if full else ())]
    base = [*(batched.ONE_DATE if design.dates == 1 else batched.MANY_DATES)]
    named = [row.headline(design), *row.robustness(design), *(RESAMPLING if full else ())]
    names = dict.fromkeys([*base, *named])
    return [t for t in names if t in TESTS and TESTS.get(t).scope in SIMULATED and t not in NEEDS_SERIES
            and (full or t not in RESAMPLING)]  # fmt: skip


def _pseudo_study(
    case: Case, panel: _Panel, unit: IntArray, row: IntArray
) -> tuple[AbnormalReturns, AbnormalReturns | None]:
    window = case.headline
    sample = cut(panel.tape, unit, row, panel.estimation, window, window[0], ("pseudo",) * unit.size)
    model = MODELS.get(panel.model)
    options = case.spec.options
    ar = model(sample, options)
    one_date = unit.size > 1 and np.unique(row).size == 1
    return ar, model(portfolio(sample)[0], options) if one_date else None


def _moved(ar: AbnormalReturns, effect: float) -> AbnormalReturns:
    """The effect added to day 0; what was computed from the residuals alone is kept."""
    values = ar.ar.copy()
    values[:, ar.at(0)] += effect
    return replace(ar, ar=values, cache={k: v for k, v in ar.cache.items() if k[0] in OF_RESIDUALS})


def _asked(name: str, ar: AbnormalReturns, joint: AbnormalReturns | None, case: Case) -> float:
    test, _, variant = name.partition(":")
    method, spec = TESTS.get(test), case.spec
    opt = TestOptions(
        variant=variant or method.default_variant, level=spec.level, seed=spec.seed, draws=FULL_DRAWS, portfolio=joint,
        alternative=spec.alternative, min_obs=spec.min_obs,
    )  # fmt: skip
    answer = method(ar, case.headline, opt)
    return float(answer.p if isinstance(answer, TestResult) else answer.p[0])


# ------------------------------------------------------------------------------------------------ the table


def _table(
    case: Case, design: Design, panel: _Panel, found: _Simulated, effects: FloatArray, count: int
) -> PowerTable:  # fmt: skip
    from .study import estimate_of

    answered = {name: r for name, r in found.rates.items() if np.isfinite(r).any()}
    silent = [name for name in found.rates if name not in answered]
    # Draws that come twice tell nothing new.
    worth = min(count, found.different)
    rows = [
        {"test": name, "effect": float(e), "rate": float(r), "se": float(np.sqrt(r * (1 - r) / worth))}
        for name, values in answered.items()
        for e, r in zip(effects, values)
    ]
    level = case.spec.level
    none = np.flatnonzero(effects == 0)
    size = {name: float(values[none[0]]) for name, values in answered.items() if none.size}
    wrong = tuple(n for n, r in size.items() if wrong_size(r, level, worth))
    notes = [*found.notes, *([f"not applicable here: {', '.join(silent)}"] if silent else [])]
    text = (
        f"N = {design.n} on {design.dates} date(s), {panel.length} estimation sessions, model {panel.model}, "
        f"window ({case.headline[0]}, {case.headline[1]})"
    )
    mde = estimate_of(case, case.headline)[2]
    title = case.request.title or case.request.name
    frame = pd.DataFrame(rows, columns=["test", "effect", "rate", "se"])
    return PowerTable(title, frame, count, text, level, wrong, (*panel.notes, *notes), mde)


def wrong_size(rate: float, level: float, count: int) -> bool:
    """Whether a rejection rate without effect is off: outside 0.6 to 1.6 levels, and not by the luck of few draws."""
    luck = 2 * float(np.sqrt(level * (1 - level) / count))
    return not 0.6 * level <= rate <= 1.6 * level and abs(rate - level) > luck
