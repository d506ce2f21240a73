"""Scheduled events and policies: windows before, on and after the day, Holm over them, volume, supply, expectation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from abnormal.kernel.multiple import holm
from worlds import DATES, SPEC

LONG = SPEC.but(estimation=(-120, -11))


def study(columns: dict[str, Any], moves: dict[int, float], firms: int = 1, spec: ab.StudySpec = LONG,
          rows: list[int] | None = None, seed: int = 0) -> ab.StudyResult:  # fmt: skip
    """Prices and volumes of firms whose returns get `moves` (session -> return) added; events with more columns."""
    ret, market = worlds.returns(firms, seed)
    for day, move in moves.items():
        ret[:, day] += move
    price = 100 * np.cumprod(1 + ret, axis=1)
    volume = 1e6 * np.exp(0.3 * np.random.default_rng(seed).standard_normal(price.shape))
    volume[:, 300:302] *= 8
    long = pd.concat(
        pd.DataFrame({"date": DATES, "ticker": t, "close": p, "volume": v})
        for t, p, v in zip(worlds.names(firms), price, volume)
    )
    events = worlds.events([300] * firms if rows is None else rows, **columns)
    return ab.run(events, long, spec, benchmark=pd.Series(market, index=DATES), catalogue=False)


def check(result: ab.StudyResult) -> pd.Series:
    return result.checks.set_index("check").loc["anticipation"]


def test_a_scheduled_event_is_looked_at_before_on_and_after() -> None:
    result = study({"scheduled": True}, {296: 0.05, 297: 0.05, 300: 0.08})
    frame = result.anticipation().set_index("which")
    assert {w: (r.window_start, r.window_end) for w, r in frame.iterrows()} == {
        "before": (-10, -1), "on": (0, 1), "after": (0, 10)
    }  # fmt: skip
    spec = LONG.but(windows=[(0, 0), (-10, -1), (0, 1), (0, 10)])
    again = study({"scheduled": True}, {296: 0.05, 297: 0.05, 300: 0.08}, spec=spec)
    car = again.car.set_index(["window_start", "window_end"])
    for row in frame.itertuples():
        here = car.loc[(row.window_start, row.window_end)]
        assert row.car == here.car and row.se == here.se and row.test == here.headline_test
        assert row.p == (here.sq_p if row.test == "sq" else here.p)
    np.testing.assert_array_equal(frame.holm, holm(frame.p.to_numpy()))
    assert len(again.checks) == len(result.checks)


def test_a_move_before_the_day_fails_the_check() -> None:
    moved = check(study({"scheduled": True}, {296: 0.1, 297: 0.1, 298: 0.1}))
    assert moved.passed is False and moved.sentence.startswith("The price had moved before the day")
    quiet = check(study({"scheduled": True}, {300: 0.1}))
    assert quiet.passed is True and quiet.sentence.startswith("No abnormal move in the days before.")


def test_abnormal_volume_of_the_windows() -> None:
    frame = study({"scheduled": True}, {}).anticipation().set_index("which")
    assert np.exp(frame.loc["on", "volume"]) == pytest.approx(8, rel=0.4) and frame.loc["on", "volume_p"] < 0.001
    assert frame.loc["before", "volume_p"] > 0.05 and set(frame.volume_test) == {"abnormal_volume:shares"}
    only = study({"scheduled": True}, {}, spec=LONG.but(windows=[(0, 1)], tests=["abnormal_volume:shares"])).tests.iloc[
        0
    ]
    assert frame.loc["on", "volume_p"] == only.p
    assert "times the usual (p < 0.001)" in check(study({"scheduled": True}, {})).sentence


@pytest.mark.parametrize("kind", ["export_control", "tariff", "executive_action"])
def test_a_policy_is_looked_at_for_leakage_beside_the_headline(kind: str) -> None:
    result = study({"kind": kind}, {297: 0.25, 300: 0.1})
    frame = result.anticipation()
    assert list(zip(frame.which, frame.window_start, frame.window_end)) == [("leakage", -5, -1), ("headline", 0, 0)]
    assert frame.holm.to_list() == holm(frame.p.to_numpy()).tolist()
    assert check(result).passed is False
    # An expected event of any kind; a surprise of no policy kind has nothing to look for.
    assert len(study({"anticipated": "partly"}, {}).anticipation()) == 2
    assert "anticipation" not in set(study({"kind": "earnings"}, {}).checks.check)
    assert study({"kind": "earnings"}, {}).anticipation().empty


def test_windows_inside_the_estimation_are_left_out_with_a_reason() -> None:
    result = study({"scheduled": True}, {}, spec=LONG.but(estimation=(-120, -6)))
    frame = result.anticipation().set_index("which")
    assert np.isnan(frame.loc["before", "p"]) and "the estimation ends at -6" in frame.loc["before", "reason"]
    assert frame.loc[["on", "after"], "p"].notna().all()
    assert check(result).passed is None and "before (-10, -1) cannot be tested" in check(result).sentence


def test_supply_in_shares_of_capital_float_and_usual_volume() -> None:
    attributes = {"shares_unlocked": 3e6, "total_shares": 50e6, "free_float_shares": 12e6}
    sentence = check(study({"scheduled": True} | attributes, {})).sentence
    assert (
        "3.0 million shares came free (6.0% of the capital, 25.0% of the float, 3 days of usual volume to absorb)"
        in sentence
    )
    bundled = check(ab.run("lockup_expirations_2026")).sentence
    assert "25.7 million shares came free (5.8% of the capital" in bundled and "153.0 million" in bundled


def test_partly_expected_news_is_divided_only_when_the_user_says_by_what() -> None:
    plain = study({"anticipated": "partly"}, {300: 0.1})
    assert "the estimate is (1 - pi) x effect" in check(plain).sentence and plain.anticipation().scaled.isna().all()
    given = study({"anticipated": "partly", "anticipated_probability": 0.6}, {300: 0.1})
    row = given.anticipation().set_index("which").loc["headline"]
    assert row.scaled == pytest.approx(row.car / 0.4, rel=1e-12)
    assert (
        f"probability 0.60 before the event, so {100 * row.car:+.1f}% stands for {100 * row.car / 0.4:+.1f}%"
        in check(given).sentence
    )
    assert given.verdict.estimate == plain.verdict.estimate  # beside it, never instead
    for impossible in (1.0, -0.1, 2):
        odd = study({"anticipated": "partly", "anticipated_probability": impossible}, {})
        assert odd.anticipation().scaled.isna().all()


def test_many_pairs_are_counted() -> None:
    rows = [300] * 5
    sentence = check(study({"scheduled": True}, {297: 0.15}, firms=5, rows=rows)).sentence
    assert "before: " in sentence and " of 5 pairs with Holm p below 0.05, average +" in sentence
    many = study({"scheduled": True}, {}, firms=52, rows=[300] * 52)
    frame = many.anticipation()
    assert len(frame) == 156 and set(frame.test) == {"t_car"} and frame.volume.isna().all()


def test_headline_and_verdict_do_not_depend_on_it() -> None:
    plain, scheduled = study({}, {300: 0.1}), study({"scheduled": True}, {300: 0.1})
    assert plain.verdict == scheduled.verdict
    pd.testing.assert_frame_equal(plain.car, scheduled.car)
