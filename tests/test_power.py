"""Simulated size and power on the study's own panel: the draws, the rates and what is said of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from abnormal.case import build
from abnormal.errors import RequestError
from abnormal.power import _panel, _Spots, _structure, below, wrong_size
from abnormal.request import settle
from worlds import DATES, SPEC

EFFECTS = [0.0, 0.02]
SHORT = SPEC.but(estimation=(-80, -11), windows=[(0, 0)])


def power(
    firms: int, rows: list[int], spec: ab.StudySpec = SHORT, *, panel: int = 12, rho: float = 0.3, draws: int = 200,
    effects: list[float] = EFFECTS, full: bool = False, **more: object,
) -> ab.power.PowerTable:  # fmt: skip
    """Power of a study of `firms` firms on `rows`, drawn from a panel of `panel` shares."""
    ret, market = worlds.returns(panel, 7, rho)
    return ab.simulate_power(
        worlds.events(rows, range(firms)), ab.Returns(worlds.frame(ret)), spec.but(options={"donors": "panel"}, **more),
        benchmark=pd.Series(market, index=DATES), catalogue=False, effects=effects, draws=draws, full=full,
    )  # fmt: skip


def rate(table: ab.power.PowerTable, test: str, effect: float) -> float:
    frame = table.frame
    return float(frame[(frame.test == test) & (frame.effect == effect)].rate.iloc[0])


def test_same_seed_same_digits() -> None:
    a, b = power(5, [300] * 5), power(5, [300] * 5)
    pd.testing.assert_frame_equal(a.frame, b.frame, check_exact=True)
    assert a.to_dict() == b.to_dict()
    other = power(5, [300] * 5, seed=2)
    assert not a.frame.rate.equals(other.frame.rate)


@pytest.mark.parametrize(
    ("firms", "rows", "window"), [(1, [300], (0, 0)), (4, [300] * 4, (0, 2)), (6, [150, 150, 220, 220, 300, 300], (0, 0)),
                                  (5, [150, 190, 230, 270, 310], (-1, 1))],
)  # fmt: skip
def test_batched_rates_equal_the_registered_tests(firms: int, rows: list[int], window: tuple[int, int]) -> None:
    """The same draws asked of the registered tests one study at a time give the same rates to the last digit."""
    from abnormal.battery import design_of
    from abnormal.power import _batched, _batched_tests, _generic

    ret, market = worlds.returns(12, 7, 0.3)
    spec = SHORT.but(windows=[window], options={"donors": "panel"})
    request = settle(
        worlds.events(rows, range(firms)), ab.Returns(worlds.frame(ret)), spec,
        benchmark=pd.Series(market, index=DATES), catalogue=False,
    )  # fmt: skip
    case = build(request)
    design, panel = design_of(case, case.headline), _panel(case)
    tests = _batched_tests(case, design)
    fast = _batched(case, panel, tests, np.array(EFFECTS), 40, np.random.default_rng(1), None)
    named = [t for t in tests if t != "date_t"]
    slow_case = build(request.but(power={"tests": named}))
    slow = _generic(slow_case, design, _panel(slow_case), np.array(EFFECTS), 40, np.random.default_rng(1), False, None)
    assert len(named) >= 2
    for name in named:
        np.testing.assert_array_equal(fast.rates[name], slow.rates[name], err_msg=name)
    assert fast.different == slow.different


def test_rates_against_a_slow_loop() -> None:
    """t_car of one firm: the draws redone by hand."""
    table = power(1, [300], draws=150)
    ret, market = worlds.returns(12, 7, 0.3)
    request = settle(
        worlds.events([300]), ab.Returns(worlds.frame(ret)), SHORT.but(options={"donors": "panel"}),
        benchmark=pd.Series(market, index=DATES), catalogue=False,
    )  # fmt: skip
    case = build(request)
    panel = _panel(case)
    rng, hits = np.random.default_rng(1), np.zeros(2)
    spots = _Spots(panel, np.array([1]), (0, 0))
    for _ in range(150):
        (unit,), (row,) = spots.draw(_structure(case), rng)
        who = int(panel.tape.units[unit][1:])
        est = np.arange(row - 80, row - 10)
        x = np.column_stack([np.ones(70), market[est]])
        b = np.linalg.lstsq(x, ret[who, est], rcond=None)[0]
        e = ret[who, est] - x @ b
        z = np.array([1.0, market[row]])
        se = np.sqrt(e @ e / 68 * (1 + z @ np.linalg.inv(x.T @ x) @ z))
        from scipy import stats

        for j, effect in enumerate(EFFECTS):
            hits[j] += 2 * stats.t.sf(abs(ret[who, row] + effect - z @ b) / se, 68) < 0.05
    assert [rate(table, "t_car", e) for e in EFFECTS] == (hits / 150).tolist()


def test_draws_stay_away_from_the_event_and_are_complete() -> None:
    ret, market = worlds.returns(12, 7, 0.3)
    ret[3, 200] = np.nan
    request = settle(
        worlds.events([300] * 3), ab.Returns(worlds.frame(ret)), SHORT.but(options={"donors": "panel"}),
        benchmark=pd.Series(market, index=DATES), catalogue=False,
    )  # fmt: skip
    case = build(request)
    panel = _panel(case)
    assert not panel.good[:, 290:311].any() and panel.good[:, 289].all() and panel.good[:, 311].all()
    assert not panel.good[:, :80].any() and panel.good[0, 80]
    assert not panel.good[3, 200] and not panel.good[3, 211:281].any() and panel.good[3, 205]


def test_the_pattern_of_shared_dates_is_kept() -> None:
    rows = [150, 150, 220, 220, 220, 300]
    ret, market = worlds.returns(12, 7, 0.3)
    request = settle(
        worlds.events(rows), ab.Returns(worlds.frame(ret)), SHORT.but(windows=[(0, 4)], options={"donors": "panel"}),
        benchmark=pd.Series(market, index=DATES), catalogue=False,
    )  # fmt: skip
    case = build(request)
    structure = _structure(case)
    assert structure.tolist() == [0, 0, 1, 1, 1, 2]
    spots, rng = _Spots(_panel(case), np.bincount(structure), (0, 4)), np.random.default_rng(0)
    for _ in range(50):
        unit, row = spots.draw(structure, rng)
        days = [set(row[structure == g].tolist()) for g in range(3)]
        assert all(len(d) == 1 for d in days)
        when = sorted(d.pop() for d in days)
        assert np.diff(when).min() >= 5  # windows of different dates do not meet
        assert all(len(set(unit[structure == g])) == (structure == g).sum() for g in range(3))
    assert spots.crowded == 0


def test_size_and_power_are_what_theory_says() -> None:
    """Independent normal firms on one date: sizes near 5%, power near the noncentral t of the portfolio."""
    from abnormal.kernel.power import power_t

    table = power(5, [300] * 5, panel=40, rho=0.0, draws=1000)
    assert rate(table, "portfolio_t", 0.0) == pytest.approx(0.05, abs=0.03)
    assert rate(table, "kp_patell", 0.0) == pytest.approx(0.05, abs=0.03)
    se = 0.02 / np.sqrt(5) * np.sqrt(1 + 1 / 70)
    assert rate(table, "portfolio_t", 0.02) == pytest.approx(float(power_t(0.02, se, 68)), abs=0.06)


def test_wrong_sizes_are_named_but_not_for_the_luck_of_few_draws() -> None:
    table = power(10, [300] * 10, rho=0.6, draws=300)
    assert {"t_xs", "patell", "bmp"} <= set(table.wrong_size)
    assert "portfolio_t" not in table.wrong_size and "size wrong: do not compare its power" in repr(table)
    assert wrong_size(0.09, 0.05, 1000) and wrong_size(0.02, 0.05, 1000)
    assert not wrong_size(0.08, 0.05, 1000) and not wrong_size(0.03, 0.05, 1000) and not wrong_size(0.1, 0.05, 20)
    assert wrong_size(0.002, 0.01, 5000) and not wrong_size(0.012, 0.01, 5000)
    assert power(3, [300] * 3, effects=[0.02]).wrong_size == ()  # no effect of 0: nothing is known of the size


def test_ranks_are_compared_as_fractions() -> None:
    assert not below(4 / 80, 0.05) and below(3 / 80, 0.05)
    assert below(np.array([np.nan, 0.04]), 0.05).tolist() == [False, True]


def test_what_never_applies_is_named_and_few_draws_are_said() -> None:
    table = power(5, [300] * 5, SHORT.but(windows=[(0, 2)]))
    assert "joint_sq" not in set(table.frame.test)
    assert any(n == "not applicable here: joint_sq" for n in table.notes)
    small = power(1, [400], SHORT.but(estimation=(-330, -11)), panel=1, draws=500)
    said = next(n for n in small.notes if "different draws" in n)
    distinct = int(said.split()[1])
    assert 0 < distinct <= 420 - 330 - 20
    row = small.frame.iloc[1]
    assert row.se == pytest.approx(np.sqrt(row.rate * (1 - row.rate) / distinct))
    assert not any("different draws" in n for n in power(5, [300] * 5, draws=20).notes)


def test_chosen_tests_variants_and_alternatives() -> None:
    named = power(5, [300] * 5, draws=30, power={"tests": ["bmp", "patell:patell_sum"]})
    assert set(named.frame.test) == {"bmp", "patell:patell_sum"}
    up = power(5, [300] * 5, draws=60, alternative="greater", power={"tests": ["portfolio_t"]})
    two = power(5, [300] * 5, draws=60, power={"tests": ["portfolio_t"]})
    assert rate(up, "portfolio_t", 0.02) > rate(two, "portfolio_t", 0.02)


def test_full_adds_the_resampling_tests() -> None:
    table = power(4, [150, 200, 250, 300], draws=5, full=True)
    assert {"sign_flip", "wild", "placebo_joint", "bmp"} <= set(table.frame.test)
    one = power(4, [300] * 4, draws=5, full=True)
    assert {"romano_wolf", "hein_westfall"} <= set(one.frame.test)


def test_models_without_a_batched_form_are_simulated_one_by_one() -> None:
    table = power(2, [300, 300], SHORT.but(model="huber"), draws=10)
    assert {"portfolio_t", "kp_patell"} <= set(table.frame.test) and "huber" in table.design


def test_too_small_a_panel_says_what_to_type() -> None:
    ret, market = worlds.returns(3, 7)
    ret[0, :250] = ret[0, 345:] = np.nan
    with pytest.raises(RequestError, match=r'no session .* 3 firms .*options=\{"donors": "panel"\}'):
        ab.simulate_power(
            worlds.events([340] * 3), ab.Returns(worlds.frame(ret)), SHORT.but(estimation=(-85, -11)), draws=5,
            benchmark=pd.Series(market, index=DATES), catalogue=False,
        )  # fmt: skip


@pytest.mark.parametrize("wrong", [{"effects": []}, {"effects": [np.nan]}, {"draws": 0}])
def test_impossible_requests(wrong: dict) -> None:
    with pytest.raises(RequestError, match="give decimal returns"):
        power(1, [300], **wrong)


def test_an_empty_study_cannot_be_simulated() -> None:
    ret, market = worlds.returns(1)
    events = worlds.events([300]).assign(date="1999-01-04")
    with pytest.raises(RequestError, match="at least one pair"):
        ab.simulate_power(
            events, ab.Returns(worlds.frame(ret)), SHORT, benchmark=pd.Series(market, index=DATES), catalogue=False
        )


def test_bundled_study_by_name_and_its_document() -> None:
    table = ab.simulate_power("chip_export_rules_2022", draws=40, effects=[0.0, 0.05])
    document = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert next(iter(document)) == "schema_version"
    assert {"test", "effect", "rate", "se"} == set(document["power"][0]) and document["draws"] == 40
    assert table.mde > 0 and "with 80% power" in repr(table)
    study = ab.run("chip_export_rules_2022")
    pd.testing.assert_frame_equal(study.power(draws=40, effects=[0.0, 0.05]).frame, table.frame)


def test_progress_reaches_the_end() -> None:
    ret, market = worlds.returns(6, 7)
    seen: list[tuple[str, int, int]] = []
    ab.simulate_power(
        worlds.events([300] * 3), ab.Returns(worlds.frame(ret)), SHORT, draws=300, effects=EFFECTS,
        benchmark=pd.Series(market, index=DATES), catalogue=False, progress=lambda *s: seen.append(s),
    )  # fmt: skip
    steps = [done for what, done, total in seen if what == "power"]
    assert steps == sorted(steps) and all(total == 600 for *_, total in seen) and len(seen) == 4
