"""True size and power of each test for a study of this design, on the study's own panel (Brown and Warner's manner).

Random firms and dates are drawn from the panel, the study's date structure is kept, an effect is added to day 0, and every
test is asked. Size that is not the nominal one is said beside the power it buys.
"""

from __future__ import annotations

from collections.abc import Sequence
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
FULL_DRAWS = 199
CHUNK = 250  # draws estimated together: bounds the memory
QUIET = 10  # sessions around an event that are left out
FEW_DATES = 20


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
    design = design_of(case, case.headline)
    panel = _panel(case)
    rng = np.random.default_rng(request.spec.seed)
    if design.dates == 1 and set(case.ar.model) <= set(BATCHED_MODELS) and not full:
        rates, notes = _one_date(case, design, panel, chosen, count, rng, progress)
    else:
        rates, notes = _generic(case, design, panel, chosen, count, rng, full, progress)
    return _table(case, design, panel, rates, chosen, count, notes)


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


# ------------------------------------------------------------------------------------------------ one date, batched


def _one_date(
    case: Case, design: Design, panel: _Panel, effects: FloatArray, count: int, rng: np.random.Generator,
    progress: Progress | None,
) -> tuple[dict[str, FloatArray], list[str]]:  # fmt: skip
    """Rejection rates of the batched battery: all firms of a draw share one date."""
    n = case.size
    common = [np.flatnonzero(panel.good[:, t]) for t in range(panel.tape.time.size)]
    dates = np.array([t for t, firms in enumerate(common) if firms.size >= n], np.int64)
    if not dates.size:
        raise RequestError(f"no session of the panel has {n} firms with complete windows; power cannot be simulated")
    tests = batched.SINGLE if n == 1 else batched.ONE_DATE
    hits = {name: np.zeros(effects.size) for name in tests}
    usable = {name: np.zeros(effects.size) for name in tests}
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        when = dates[rng.integers(0, dates.size, size=size)]
        firms = np.stack([panel.rows[rng.choice(common[t], size=n, replace=False)] for t in when])
        drawn = _drawn(panel, firms, when, case.headline)
        for j, effect in enumerate(effects):
            if progress is not None:
                progress("power", start * effects.size + size * j, count * effects.size)
            moved = drawn.with_effect(np.asarray(effect), max(-case.headline[0], 0))
            for name, test in tests.items():
                p = test(moved)
                hits[name][j] += np.sum(p < case.spec.level)
                usable[name][j] += np.sum(np.isfinite(p))
    with np.errstate(invalid="ignore"):
        rates = {name: np.where(usable[name] > 0, hits[name] / usable[name], np.nan) for name in tests}
    return rates, [f"{dates.size} sessions and {len(panel.rows)} shares to draw from"]


def _drawn(panel: _Panel, firms: IntArray, when: IntArray, window: Window) -> batched.Draws:
    """Estimates of draws of firms (D, N) at rows (D,)."""
    tape = panel.tape
    est = when[:, None] + np.arange(panel.estimation[0], panel.estimation[1] + 1)
    event = when[:, None] + np.arange(window[0], window[1] + 1)
    y = tape.y[firms[:, :, None], est[:, None, :]]
    event_y = tape.event_y[firms[:, :, None], event[:, None, :]]
    if not tape.x.shape[2]:
        zero = np.zeros(est.shape), np.zeros(event.shape)
        return batched.estimate(y, zero[0], event_y, zero[1], "mean")
    # Firms of one draw share the benchmark of the first: on one date the study's shares do.
    xid = tape.xid[firms[:, 0]]
    rm, event_rm = tape.x[xid[:, None], est, 0], tape.x[xid[:, None], event, 0]
    return batched.estimate(y, rm, event_y, event_rm, panel.model)


# ------------------------------------------------------------------------------------------------ any design


def _generic(
    case: Case, design: Design, panel: _Panel, effects: FloatArray, count: int, rng: np.random.Generator, full: bool,
    progress: Progress | None,
) -> tuple[dict[str, FloatArray], list[str]]:  # fmt: skip
    """Rejection rates of the registered tests themselves, study by study."""
    structure = np.unique(np.array([str(case.recording(i).tape.time[case.day0[i]]) for i in range(case.size)]),
                          return_inverse=True)[1]  # fmt: skip
    names = _generic_tests(design, full)
    hits = {name: np.zeros(effects.size) for name in names}
    usable = {name: np.zeros(effects.size) for name in names}
    spots = np.argwhere(panel.good)
    if not spots.size:
        raise RequestError("no session of the panel has complete windows; power cannot be simulated")
    for k in range(count):
        unit, row = _structured_draw(panel, structure, rng)
        ar, joint = _pseudo_study(case, panel, unit, row)
        for j, effect in enumerate(effects):
            if progress is not None:
                progress("power", k * effects.size + j, count * effects.size)
            moved, moved_joint = _moved(ar, effect), None if joint is None else _moved(joint, effect)
            for name in names:
                p = _asked(name, moved, moved_joint, case)
                hits[name][j] += p < case.spec.level
                usable[name][j] += np.isfinite(p)
    with np.errstate(invalid="ignore"):
        rates = {name: np.where(usable[name] > 0, hits[name] / usable[name], np.nan) for name in names}
    return rates, [f"{len(spots)} (share, session) combinations to draw from"]


def _generic_tests(design: Design, full: bool) -> list[str]:
    row = row_of(design)
    base = ["t_xs", "patell", "bmp", "kp_bmp", "kp_patell", "gen_sign", "corrado_zivney", "grank_t", "grank_raw"]
    if design.n == 1:
        base = ["t_car", "sq"]
    elif design.dates == 1:
        base += ["portfolio_t", "portfolio_sq", "joint_sq"]
    named = [t for t in (row.headline(design), *row.robustness(design)) if t in TESTS and t not in RESAMPLING]
    named = [t for t in named if TESTS.get(t).scope in ("cross", "date")]
    return list(dict.fromkeys([*base, *named, *(RESAMPLING if full and design.n > 1 else ())]))


def _structured_draw(panel: _Panel, structure: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Random shares and sessions with the study's own pattern of shared dates."""
    unit, row = np.empty(structure.size, np.int64), np.empty(structure.size, np.int64)
    for date in range(int(structure.max()) + 1):
        members = np.flatnonzero(structure == date)
        enough = np.flatnonzero(panel.good.sum(axis=0) >= min(members.size, panel.good.shape[0]))
        if not enough.size:
            enough = np.flatnonzero(panel.good.any(axis=0))
        when = int(enough[rng.integers(0, enough.size)])
        firms = np.flatnonzero(panel.good[:, when])
        unit[members] = panel.rows[rng.choice(firms, size=members.size, replace=firms.size < members.size)]
        row[members] = when
    return unit, row


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
    values = ar.ar.copy()
    values[:, ar.at(0)] += effect
    return replace(ar, ar=values, cache={})


def _asked(name: str, ar: AbnormalReturns, joint: AbnormalReturns | None, case: Case) -> float:
    method = TESTS.get(name)
    opt = TestOptions(
        variant=method.default_variant, level=case.spec.level, seed=case.spec.seed, draws=FULL_DRAWS, portfolio=joint
    )
    answer = method(ar, case.headline, opt)
    return float(answer.p if isinstance(answer, TestResult) else answer.p[0])


# ------------------------------------------------------------------------------------------------ the table


def _table(
    case: Case, design: Design, panel: _Panel, rates: dict[str, FloatArray], effects: FloatArray, count: int,
    notes: list[str],
) -> PowerTable:  # fmt: skip
    from .study import estimate_of

    rows = [
        {"test": name, "effect": float(e), "rate": float(r), "se": float(np.sqrt(r * (1 - r) / count))}
        for name, values in rates.items()
        for e, r in zip(effects, values)
    ]
    level = case.spec.level
    size = {name: values[0] for name, values in rates.items() if effects.size and effects[0] == 0}
    wrong = tuple(n for n, r in size.items() if np.isfinite(r) and not 0.6 * level <= r <= 1.6 * level)
    text = (
        f"N = {design.n} on {design.dates} date(s), {panel.length} estimation sessions, model {panel.model}, "
        f"window ({case.headline[0]}, {case.headline[1]})"
    )
    mde = estimate_of(case, case.headline)[2]
    title = case.request.title or case.request.name
    frame = pd.DataFrame(rows, columns=["test", "effect", "rate", "se"])
    return PowerTable(title, frame, count, text, level, wrong, (*panel.notes, *notes), mde)
