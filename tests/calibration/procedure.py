"""How often does the whole procedure cry wolf? The headline test chosen by the decision table, its votes and its label.

    python tests/calibration/procedure.py                     # writes results/procedure.json

Every replication is a study of its own: simulated returns without any effect, abnormal returns by the study's models, the row
of the table from the design, the row's tests with placebo dates and alternatives, the label. Nothing is batched: this is the
code a study runs. Errors are t with 5 degrees of freedom and one common shock (pairwise correlation rho), sigma ~ U(1%, 3%),
as in the size table. `event_sd` multiplies all errors of the event window: there is still no effect.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abnormal.battery import design_of, headline_answers, outcome_of, run_battery
from abnormal.case import Case, Request
from abnormal.checks.decision import READ_AS_EFFECT, row_of
from abnormal.checks.verdict import Facts, below, weigh
from abnormal.domain import Event, Link, Pair, Tape, Verdict
from abnormal.inputs.sample import cut, portfolio
from abnormal.inputs.tapes import Given, Recording
from abnormal.registry import MODELS, TESTS
from abnormal.replay import StudyReplay, Track
from abnormal.robustness import second_model
from abnormal.spec import StudySpec

RESULTS = Path(__file__).parent / "results"
LEVEL = 0.05
GAP = 10
HISTORY = 30  # sessions before the estimation window
FIRST_DAY = np.datetime64("2020-01-01")


@dataclass(frozen=True)
class Design:
    """N firms on `dates` dates `apart` sessions from each other (1 date: all together); M and L sessions; rho as above."""

    n: int
    dates: int = 1
    rho: float = 0.3
    m: int = 250
    length: int = 1
    event_sd: float = 1.0
    apart: int = 15

    @property
    def when(self) -> np.ndarray:
        """Day 0 of every firm, rows of the tape."""
        group = np.arange(self.n) % self.dates
        return HISTORY + self.m + GAP + np.sort(group) * self.apart

    @property
    def model(self) -> str:
        return "market" if self.m >= 120 else "market_zero_alpha"


NULL = {
    "N=1": Design(1),
    "N=1 L=5": Design(1, length=5),
    "N=1 L=21": Design(1, length=21),
    "N=1 M=60": Design(1, m=60),
    "N=1 M=60 L=5": Design(1, m=60, length=5),
    "N=1 M=40": Design(1, m=40),
    "N=5 r=0": Design(5, rho=0.0),
    "N=5 r=.3": Design(5),
    "N=5 r=.3 L=5": Design(5, length=5),
    "N=5 r=.3 M=60": Design(5, m=60),
    "N=8 r=.3": Design(8),
    "N=20 r=.1": Design(20, rho=0.1),
    "N=20 r=.3": Design(20),
    "N=50 r=.05": Design(50, rho=0.05),
    "N=5 on 5 dates": Design(5, dates=5),
    "N=5 on 5 dates M=60 L=5": Design(5, dates=5, m=60, length=5),
    "N=8 on 8 dates": Design(8, dates=8),
    "N=20 on 20 dates": Design(20, dates=20),
    "N=50 on 50 dates": Design(50, dates=50),
    "N=15 on 3 dates": Design(15, dates=3),
    "N=15 on 3 dates M=60 L=5": Design(15, dates=3, m=60, length=5),
    "N=20 on 10 dates L=5, overlapping": Design(20, dates=10, length=5, apart=2),
}
STORMY = {
    f"{name} x{factor:g}": Design(**(asdict(NULL[name]) | {"event_sd": factor}))
    for factor in (2**0.5, 2.0)
    for name in ("N=1", "N=5 r=.3", "N=8 r=.3", "N=20 r=.1", "N=50 r=.05", "N=8 on 8 dates", "N=20 on 20 dates",
                 "N=15 on 3 dates")
}  # fmt: skip
STORMY = {name.replace("x1.41421", "variance doubled").replace("x2", "sd doubled"): d for name, d in STORMY.items()}
STORMY |= {
    "N=1 M=60 sd doubled": Design(1, m=60, event_sd=2.0),
    "N=5 on 5 dates variance doubled": Design(5, dates=5, event_sd=2**0.5),
    "N=5 on 5 dates sd doubled": Design(5, dates=5, event_sd=2.0),
    "N=2 sd doubled": Design(2, event_sd=2.0),
}
DESIGNS = NULL | STORMY


def t5(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_t(5, size=shape) / np.sqrt(5 / 3)


def simulated(d: Design, rng: np.random.Generator) -> Tape:
    """Returns of the firms and of the market on one tape, the event windows with `event_sd` times the error."""
    when = d.when
    total = int(when.max()) + d.length
    rm = 0.0003 + 0.01 * rng.standard_normal(total)
    error = np.sqrt(d.rho) * t5(rng, total) + np.sqrt(1 - d.rho) * t5(rng, d.n, total)
    for i, row in enumerate(when):
        error[i, row : row + d.length] *= d.event_sd
    sigma, beta = 0.01 + 0.02 * rng.random((d.n, 1)), 0.5 + rng.random((d.n, 1))
    y = beta * rm + sigma * error
    return Tape(
        "panel", FIRST_DAY + np.arange(total), tuple(f"F{i}" for i in range(d.n)), y, y, np.ones(y.shape),
        np.ones(y.shape, bool), rm[None, :, None], np.zeros(d.n, np.int64), ("market",),
    )  # fmt: skip


def case_of(d: Design, tape: Tape, spec: StudySpec) -> Case:
    """The case a study of these series would have: the same sample, models, portfolio and tracks."""
    when, window = d.when, spec.offset_windows[0]
    pairs = tuple(Pair(Event(f"e{row}"), Link(t)) for row, t in zip(when, tape.units))
    rows = np.arange(d.n)
    sample = cut(tape, rows, when, spec.estimation, window, window[0], tuple(p.event.id for p in pairs))
    model = MODELS.get(spec.model)
    ar = model(sample, {})
    whole = model(portfolio(sample)[0], {}) if d.n > 1 and d.dates == 1 else None
    first = int(spec.estimation[0])
    tracks: dict = {i: Track(tape, i, int(when[i]), int(when[i]) + first, spec.model, tape.units[i]) for i in rows}
    if whole is not None:
        mean = tape.y.mean(axis=0)[None]
        joint = Tape("panel", tape.time, ("portfolio",), mean, mean, np.ones(mean.shape), np.ones(mean.shape, bool),
                     tape.x, np.zeros(1, np.int64), ("market",))  # fmt: skip
        tracks["portfolio"] = Track(joint, 0, int(when[0]), int(when[0]) + first, spec.model, "portfolio")
    unit_of = {t: i for i, t in enumerate(tape.units)}
    rec = Recording(tape, None, None, {}, unit_of, {}, {}, {}, {})  # type: ignore[arg-type]
    request = Request(pairs, None, spec, Given(), None)
    return Case(
        request=request, pairs=pairs, alignments=(), day0=when, recordings={"panel": rec}, key=("panel",) * d.n,
        windows=(window,), added_windows={}, sample=sample, ar=ar, portfolio=whole, portfolio_dropped=(),
        replay=StudyReplay(tracks, spec.estimation[1], {}), flags=((),) * d.n, excluded=(),
    )  # fmt: skip


ADD_ONS = ("disp_ratio", "bmp", "kp_bmp", "patell", "grank_t", "skew_hall", "wilcoxon")


def spec_of(d: Design) -> StudySpec:
    return StudySpec(model=d.model, estimation=(-d.m - GAP, -GAP - 1), windows=[(0, d.length - 1)], draws=499)


def judged_design(d: Design) -> Any:
    """What the decision table sees of one simulated study."""
    spec = spec_of(d)
    return design_of(case_of(d, simulated(d, np.random.default_rng(1)), spec), spec.offset_windows[0])


def judged(d: Design, rng: np.random.Generator) -> Verdict:
    """The verdict of one simulated study."""
    tape, spec = simulated(d, rng), spec_of(d)
    window = spec.offset_windows[0]
    case = case_of(d, tape, spec)
    design = design_of(case, window)
    row = row_of(design)
    asked = dict.fromkeys([row.headline(design), *row.robustness(design), *(ADD_ONS if d.n > 1 else ())])
    known = [t for t in asked if t in TESTS]
    case = case_of(d, tape, spec.but(tests=known))
    others = {
        name: case_of(d, tape, spec.but(model=model)) for name, model in alternatives(case, row.robustness(design))
    }
    answers = run_battery(case, {})
    facts = Facts("N firms", "on a day", 0.0, (0.0, 0.0), np.nan, LEVEL, outcome=outcome_of(answers, case, window))
    return weigh(design, headline_answers(case, answers, window, others), facts)


def alternatives(case: Case, votes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Names and models of the alternatives that vote."""
    found = [("second_model", second_model(case))] if "second_model" in votes else []
    return found + [(v, v.partition(":")[2]) for v in votes if v.startswith("model:") and "peers" not in v
                    and v.partition(":")[2] not in case.ar.model]  # fmt: skip


def rates(d: Design, reps: int, seed: int) -> dict:
    """Share of studies whose headline rejects at 5%, shares of the labels, and which rows and headlines were met."""
    rng = np.random.default_rng(seed)
    verdicts = [judged(d, rng) for _ in range(reps)]
    labels = [v.label for v in verdicts]
    count = {word: labels.count(word) / reps for word in sorted(set(labels))}
    rows = sorted({f"{v.row}: {v.headline}" for v in verdicts})
    return {"reject": sum(bool(below(v.p, LEVEL)) for v in verdicts) / reps, "labels": count, "rows": rows}


def table(reps: int, seed: int, known: dict) -> dict:
    found = {}
    for k, (name, design) in enumerate(DESIGNS.items()):
        print(name, file=sys.stderr)
        found[name] = known[name] if name in known else rates(design, reps, seed + k)
    return {
        "command": f"python tests/calibration/procedure.py --reps {reps} --seed {seed}", "reps": reps, "seed": seed,
        "level": LEVEL, "greyed_by_event_variance": list(READ_AS_EFFECT),
        "designs": {k: asdict(d) for k, d in DESIGNS.items()}, "found": found,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missing", action="store_true", help="only designs that are not in the kept file yet")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "procedure.json"
    known = json.loads(file.read_text())["found"] if given.missing else {}
    file.write_text(json.dumps(table(given.reps, given.seed, known), indent=1) + "\n")


if __name__ == "__main__":
    main()
