"""Placebo tests in space, in both, and on chosen dates: against slow loops of their own."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from abnormal.errors import SpecError
from abnormal.inputs.events import load_events
from abnormal.models.synthetic_control import donors_as_treated
from abnormal.registry import MODELS
from worlds import DATES, SPEC

ONE = SPEC.but(estimation=(-110, -11), windows=[(0, 2)])
EVENT, EST, WINDOW = 300, slice(190, 290), slice(300, 303)


def world(firms: int = 12, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    ret, market = worlds.returns(firms, seed, rho=0.2)
    ret[0, EVENT] += 0.06
    return ret, market


def fitted(y: np.ndarray, market: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the estimation rows and abnormal returns of the window, market model by hand."""
    x = np.column_stack([np.ones(100), market[EST]])
    b = np.linalg.lstsq(x, y[EST], rcond=None)[0]
    return y[EST] - x @ b, y[WINDOW] - b[0] - b[1] * market[WINDOW]


def run(ret: np.ndarray, market: np.ndarray, rows: list[int], spec: ab.StudySpec, **more) -> ab.StudyResult:
    return worlds.run(ret, market, rows, spec, **more)


def answer_of(result: ab.StudyResult, test: str, variant: str = "") -> pd.Series:
    frame = result.tests
    found = frame[(frame.test == test) & (frame.variant == variant if variant else True)]
    return found.iloc[0]


@pytest.mark.parametrize("form", ["mspe_ratio", "gap_sum"])
def test_space_ranks_the_share_among_the_donors_of_the_day(form: str) -> None:
    ret, market = world()
    spec = ONE.but(options={"donors": worlds.names(12)[1:]}, tests=[f"placebo_space:{form}"])
    row = answer_of(run(ret, market, [EVENT], spec), "placebo_space")
    slow = []
    for y in ret:
        e, a = fitted(y, market)
        slow.append(np.mean(a**2) / np.mean(e**2) if form == "mspe_ratio" else abs(a.sum()) / np.sqrt(np.mean(e**2)))
    assert row.statistic == pytest.approx(slow[0], rel=1e-10)
    assert row.p == pytest.approx(sum(s >= slow[0] - 1e-12 for s in slow) / 12, abs=1e-15)
    assert row.n == 11 and row.status == "ok"  # 1/12 is below 2 alpha


def test_few_donors_are_shown_without_a_vote() -> None:
    ret, market = world(10)
    spec = ONE.but(estimation=(-55, -11), options={"donors": worlds.names(10)[1:]})
    result = run(ret, market, [EVENT], spec)
    row = answer_of(result, "placebo_space")
    assert row.n == 9 and row.status == "shown" and "smallest possible p is 1/10" in row.reason
    assert result.verdict.row == "single_short" and not result.verdict.votes["placebo_space"].counts
    enough = run(*world(14), [EVENT], ONE.but(estimation=(-55, -11), options={"donors": worlds.names(14)[1:]}))
    vote = enough.verdict.votes["placebo_space"]
    assert vote.counts and vote.sign == 1


def test_without_donors_a_reason() -> None:
    row = answer_of(run(*world(2), [EVENT], ONE), "placebo_space")
    assert row.status == "not_applicable" and '"donors"' in row.reason


def test_the_whole_panel_and_who_is_never_a_donor() -> None:
    """The study's own shares, the benchmark and shares the event names as hit are no controls."""
    ret, market = world(6)
    frame = worlds.frame(ret).assign(M=market)
    spec = ONE.but(options={"donors": "panel"}, tests=["placebo_space"], benchmark="M")
    study = ab.run(worlds.events([EVENT]), ab.Returns(frame), spec, catalogue=False)
    assert study.case.replay.donors == tuple(worlds.names(6)[1:])
    named = worlds.events([EVENT, EVENT], [0, 1]).assign(role=["target", "beneficiary"])
    both = ab.run(named, ab.Returns(frame), spec, catalogue=False)
    assert both.case.replay.donors == tuple(worlds.names(6)[2:])


def test_candidates_serve_where_no_donors_are_named() -> None:
    ret, market = world(5)
    spec = ONE.but(selected_on_outcome=True, candidates=worlds.names(5))
    assert run(ret, market, [EVENT], spec).case.replay.donors == tuple(worlds.names(5)[1:])


def test_synthetic_controls_of_the_donors_leave_the_treated_share_out() -> None:
    ret, market = world(7)
    spec = ONE.but(model="synthetic_control", options={"peers": worlds.names(7)[1:]}, tests=["placebo_space"])
    result = run(ret, market, [EVENT], spec)
    sample = donors_as_treated(result.case.sample)
    assert "F00" not in sample.peer_names and sample.size == 6
    ar = MODELS.get("synthetic_control")(sample, {})
    slow = []
    for one, i in [(result.case.ar, 0), *((ar, j) for j in range(6))]:
        pre = one.ar[i][one.est[i]]
        post = one.ar[i, one.columns((0, 2))]
        slow.append(np.mean(post**2) / np.mean(pre**2))
    row = answer_of(result, "placebo_space")
    assert row.statistic == pytest.approx(slow[0], rel=1e-10)
    assert row.p == pytest.approx(sum(s >= slow[0] - 1e-12 for s in slow) / 7, abs=1e-15)


# ------------------------------------------------------------------------------------------------ both


def test_both_gives_two_answers() -> None:
    ret, market = world(9)
    ret[1, EVENT] += 0.06
    spec = SPEC.but(estimation=(-110, -11), windows=[(0, 2)], options={"donors": worlds.names(9)[2:]})
    result = run(ret, market, [EVENT, EVENT], spec)
    frame = result.tests.set_index(["test", "variant"])
    time, space = frame.loc[("placebo_both", "time")], frame.loc[("placebo_both", "space")]
    assert time.p == frame.loc[("portfolio_placebo", "scar"), "p"]

    def scar(pair: tuple[int, ...]) -> float:
        """The portfolio's SCAR by a market model of its own mean return: the same, as the benchmark is shared."""
        e, a = fitted(ret[list(pair)].mean(axis=0), market)
        s = np.sqrt(e @ e / 98)
        x = np.column_stack([np.ones(100), market[EST]])
        u = np.array([3.0, market[WINDOW].sum()])
        return float(a.sum() / (s * np.sqrt(3 + u @ np.linalg.inv(x.T @ x) @ u)))

    own = scar((0, 1))
    others = [scar(p) for p in combinations(range(2, 9), 2)]
    assert space.n == 21 and space.statistic == pytest.approx(own, rel=1e-10)
    assert space.p == pytest.approx((1 + sum(abs(o) >= abs(own) - 1e-12 for o in others)) / 22, abs=1e-15)


def test_both_of_one_firm_and_of_many_dates() -> None:
    ret, market = world(9)
    options = {"donors": worlds.names(9)[4:]}
    one = run(ret, market, [EVENT], ONE.but(options=options)).tests.set_index(["test", "variant"])
    assert one.loc[("placebo_both", "time"), "p"] == one.loc[("placebo_time", "scar"), "p"]
    assert one.loc[("placebo_both", "space"), "n"] == 5
    many = run(ret, market, [250, 300, 350], ONE.but(options=options)).tests
    assert set(many[many.test == "placebo_both"].status) == {"not_applicable"}


def test_random_sets_of_donors_have_the_study_s_seed() -> None:
    ret, market = worlds.returns(24, 8)
    spec = SPEC.but(options={"donors": worlds.names(24)[6:]}, tests=["placebo_both:space"], draws=99)
    a, b, c = (run(ret, market, [EVENT] * 6, spec.but(seed=s)).tests.p[0] for s in (1, 1, 2))
    assert a == b and run(ret, market, [EVENT] * 6, spec).tests.n[0] == 99  # 18 choose 6 are too many to count
    assert 0 < c <= 1


# ------------------------------------------------------------------------------------------------ chosen dates


def rows_of_dates(result: ab.StudyResult, dates: np.ndarray) -> np.ndarray:
    return np.searchsorted(DATES.to_numpy().astype("datetime64[D]"), dates)


@pytest.mark.parametrize("firms", [1, 3])
def test_dates_matched_on_the_market_s_move(firms: int) -> None:
    ret, market = world(3)
    market[EVENT] += 0.02
    ret[:, EVENT] += 0.02
    rows = [EVENT] * firms
    name = "placebo_time:0" if firms == 1 else "portfolio_placebo"
    free = run(ret, market, rows, SPEC.but(estimation=(-110, -11)))
    near = run(ret, market, rows, SPEC.but(estimation=(-110, -11), options={"placebo_match": 0.005}))
    all_rows = rows_of_dates(free, free.placebo[name]["dates"])
    keep = np.abs(market[all_rows] - market[EVENT]) <= 0.005
    assert 19 <= keep.sum() < all_rows.size
    np.testing.assert_array_equal(rows_of_dates(near, near.placebo[name]["dates"]), all_rows[keep])
    values = free.placebo[name]["values"][keep]
    want = (1 + np.sum(np.abs(values) >= abs(free.placebo[name]["observed"]) - 1e-12)) / (keep.sum() + 1)
    got = answer_of(near, "placebo_time" if firms == 1 else "portfolio_placebo")
    assert got.p == pytest.approx(want, abs=1e-15) and got.n == keep.sum()


def test_matched_is_a_variant_with_one_percent() -> None:
    ret, market = world(1)
    spec = SPEC.but(estimation=(-110, -11), tests=["placebo_time", "placebo_time:matched"])
    frame = run(ret, market, [EVENT], spec).tests.set_index("variant")
    wide = run(ret, market, [EVENT], spec.but(tests=["placebo_time"], options={"placebo_match": 0.01})).tests.iloc[0]
    assert frame.loc["matched", "n"] < frame.loc["scar", "n"]
    assert (frame.loc["matched", "p"], frame.loc["matched", "n"]) == (wide.p, wide.n)


def test_too_few_matched_dates_say_how_many() -> None:
    ret, market = world(1)
    market[EVENT] = 0.06
    row = answer_of(run(ret, market, [EVENT], SPEC.but(options={"placebo_match": 0.001})), "placebo_time")
    assert row.status == "not_applicable"
    assert "0 placebo dates" in row.reason and "on which the market moved within 0.001 of +0.0600" in row.reason


@pytest.mark.parametrize("wrong", [-0.01, 0, "0.01", True])
def test_a_wrong_width_is_an_error(wrong: object) -> None:
    with pytest.raises(SpecError, match=r"placebo_match.*expected a positive return"):
        run(*world(1), [EVENT], SPEC.but(options={"placebo_match": wrong}))


def test_news_days_may_be_left_out() -> None:
    """By default the null is ordinary days, news included; options={"placebo_quiet": True} leaves catalogue days out."""
    ret, market = world(1)
    others = worlds.events([120, 200, 220], [0, 0, 0])
    others["event_id"] = ["a", "b", "c"]
    spec = SPEC.but(estimation=(-110, -11), windows=[(0, 1)])

    def study(options: dict) -> ab.StudyResult:
        return ab.run(
            worlds.events([EVENT]), ab.Returns(worlds.frame(ret)), spec.but(options=options),
            benchmark=pd.Series(market, index=DATES), catalogue=load_events(others),
        )  # fmt: skip

    free, quiet = study({}), study({"placebo_quiet": True})
    all_rows = rows_of_dates(free, free.placebo["placebo_time:0"]["dates"])
    touched = {d + k for d in (120, 200, 220) for k in (-1, 0, 1)}
    keep = [r for r in all_rows if not {r, r + 1} & touched]
    assert list(rows_of_dates(quiet, quiet.placebo["placebo_time:0"]["dates"])) == keep
    assert all_rows.size - len(keep) == 4 * len([d for d in (120, 200, 220) if d - 2 >= all_rows[0]])
