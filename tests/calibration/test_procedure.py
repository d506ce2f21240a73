"""The whole procedure under the null: the kept rates are what the documentation promises, and a rerun agrees with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import procedure

from abnormal.checks.verdict import DETECTED, FRAGILE, STORMY_DAY, Facts, weigh
from abnormal.domain import TestResult

KEPT = json.loads((procedure.RESULTS / "procedure.json").read_text())
FOUND = KEPT["found"]


def test_kept_result_says_how_it_was_made() -> None:
    assert KEPT["command"] == "python tests/calibration/procedure.py --reps 1000 --seed 1" and KEPT["reps"] == 1000
    assert list(FOUND) == list(procedure.DESIGNS)
    assert {(d["n"], d["dates"]) for d in KEPT["designs"].values()} >= {
        (n, k) for n in (5, 8, 20, 50) for k in (1, n)
    } | {(1, 1)}  # fmt: skip


@pytest.mark.parametrize("name", procedure.NULL)
def test_size_of_the_headline_the_table_chooses(name: str) -> None:
    """Between 3% and 8% at nominal 5% without an effect, one date and many, whatever row was met."""
    assert 0.03 <= FOUND[name]["reject"] <= 0.08
    assert FOUND[name]["labels"].get(DETECTED, 0.0) <= FOUND[name]["reject"]
    assert sum(FOUND[name]["labels"].values()) == pytest.approx(1.0)


ALIKE = [name for name, d in procedure.STORMY.items() if d.n < 8 and d.dates == 1 and d.event_sd == 2]


@pytest.mark.parametrize("name", procedure.STORMY)
def test_a_stormy_day_without_an_effect(name: str) -> None:
    """Variance doubled: at most 15% are called detected. Standard deviation doubled (four times the variance): at most
    15% too, but for one date with fewer than 8 pairs, where no test can tell storm from effect and the verdict says so."""
    share = FOUND[name]["labels"].get(DETECTED, 0.0)
    assert share <= (0.35 if name in ALIKE else 0.15)
    if name in ALIKE:
        assert share > 0.15


def test_where_storm_and_effect_look_alike_the_verdict_says_so() -> None:
    assert {procedure.STORMY[name].n for name in ALIKE} == {1, 2, 5}
    one = procedure.judged_design(procedure.STORMY["N=1 sd doubled"])
    verdict = weigh(one, _agreeing("sq", "placebo_time", "t_car", "second_model", "sq_vol"), FACTS)
    assert verdict.label == DETECTED and any(STORMY_DAY in r for r in verdict.reasons)
    eight = procedure.judged_design(procedure.STORMY["N=8 r=.3 sd doubled"])
    verdict = weigh(
        eight, _agreeing("portfolio_sq", "portfolio_placebo", "portfolio_t", "kp_patell", "romano_wolf"), FACTS
    )
    assert verdict.label == DETECTED and not any(STORMY_DAY in r for r in verdict.reasons)


FACTS = Facts("N firms", "on a day", 0.02, (0.01, 0.03), 0.01, procedure.LEVEL)


def _agreeing(*tests: str) -> dict[str, TestResult]:
    return {t: TestResult(t, (0, 0), 3.0, 0.004, np.nan, 240) for t in tests}


def test_every_row_that_can_be_simulated_was_met() -> None:
    met = {row.partition(":")[0] for f in FOUND.values() for row in f["rows"]}
    assert met >= {"single", "single_short", "one_date_few", "one_date_many", "many_dates_few", "many_dates_many",
                   "grouped_dates", "other"}  # fmt: skip
    assert {r for f in FOUND.values() for r in f["rows"]} >= {
        "single: t_car", "many_dates_few: bmp", "grouped_dates: date_t"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["N=1 M=40", "N=5 on 5 dates M=60 L=5", "N=5 r=.3"])
def test_one_replication_is_a_study_of_its_own(name: str) -> None:
    """The simulated case and a study of the same returns through the public door give one verdict."""
    import pandas as pd

    import abnormal as ab

    d = procedure.DESIGNS[name]
    verdict = procedure.judged(d, np.random.default_rng(3))
    tape = procedure.simulated(d, np.random.default_rng(3))
    days = pd.DatetimeIndex(tape.time)
    events = pd.DataFrame(
        {
            "event_id": [f"e{r}" for r in d.when],
            "ticker": tape.units,
            "date": [days[r].date().isoformat() for r in d.when],
        }
    )
    spec = ab.StudySpec(
        model=d.model, estimation=(-d.m - procedure.GAP, -procedure.GAP - 1), windows=[(0, d.length - 1)], draws=499
    )
    study = ab.run(
        events, ab.Returns(pd.DataFrame(tape.y.T, index=days, columns=list(tape.units))), spec,
        benchmark=pd.Series(tape.x[0, :, 0], index=days), catalogue=False,
    )  # fmt: skip
    assert (study.verdict.row, study.verdict.headline, study.verdict.label) == (
        verdict.row,
        verdict.headline,
        verdict.label,
    )
    assert study.verdict.p == pytest.approx(verdict.p, abs=1e-12)
    votes = {t: (v.p, v.counts, v.agrees) for t, v in verdict.votes.items()}
    for test, (p, counts, agrees) in votes.items():
        own = study.verdict.votes[test]
        assert (own.counts, own.agrees) == (counts, agrees), test
        assert own.p == pytest.approx(p, abs=1e-12, nan_ok=True), test


@pytest.mark.calibration
@pytest.mark.parametrize("name", list(procedure.DESIGNS))
def test_rerun(name: str) -> None:
    """Other draws of the same design: rates within four joint standard errors of the kept ones."""
    got = procedure.rates(procedure.DESIGNS[name], 400, 1000)
    for word, kept, new in [
        ("reject", FOUND[name]["reject"], got["reject"]),
        *((w, FOUND[name]["labels"].get(w, 0.0), got["labels"].get(w, 0.0)) for w in (DETECTED, FRAGILE)),
    ]:
        share = (1000 * kept + 400 * new) / 1400
        error = 4 * np.sqrt(max(share * (1 - share), 0.002) * (1 / 1000 + 1 / 400))
        assert abs(kept - new) <= error, word
