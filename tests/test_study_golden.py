"""The public data of METHODS.md through the public path: frames in, StudyResult out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import abnormal as ab

DATES = pd.bdate_range("2020-01-01", periods=600)


def clustered_frames(data: dict) -> tuple[pd.DataFrame, pd.Series]:
    ret = np.asarray(data["ret"], float)
    days = DATES[: ret.shape[0]]
    frame = pd.DataFrame(ret, index=days, columns=[f"F{i}" for i in range(ret.shape[1])])
    return frame, pd.Series(np.asarray(data["mkt"], float), index=days)


def pairs(firms: list[str], day: pd.Timestamp) -> pd.DataFrame:
    return pd.DataFrame({"event_id": "e", "ticker": firms, "date": day.date().isoformat()})


SPEC = ab.StudySpec(model="market", estimation=(-250, -11), windows=[(-1, 3), (0, 0)], draws=999)


@pytest.fixture
def firm0(clustered: dict) -> ab.StudyResult:
    frame, market = clustered_frames(clustered)
    return ab.run(pairs(["F0"], DATES[270]), ab.Returns(frame), SPEC, benchmark=market, catalogue=False)


@pytest.fixture
def eight(clustered: dict) -> ab.StudyResult:
    frame, market = clustered_frames(clustered)
    spec = SPEC.but(windows=[(-1, 3), (0, 0)])
    return ab.run(pairs(list(frame), DATES[270]), ab.Returns(frame), spec, benchmark=market, catalogue=False)


def row(frame: pd.DataFrame, **keys: object) -> pd.Series:
    found = frame
    for name, value in keys.items():
        found = found[found[name] == value]
    assert len(found) == 1, (keys, len(found))
    return found.iloc[0]


def test_one_firm_estimates(firm0: ab.StudyResult, golden: dict) -> None:
    want = golden["clustered"]["market"][0]
    got = row(firm0.car, window_start=-1, window_end=3)
    assert got.car == pytest.approx(want["car"], abs=1e-12)
    assert got.se == pytest.approx(want["car_se"], abs=1e-12)
    assert got.t == pytest.approx(want["scar"], abs=1e-11)
    assert got.p == pytest.approx(want["p_car"], abs=1e-12)
    pair = firm0.pairs.iloc[0]
    assert (pair.alpha, pair.beta) == pytest.approx(tuple(want["b"]), abs=1e-12)
    assert pair.sigma**2 == pytest.approx(want["s2"], abs=1e-14)
    assert pair.n_est == 240


def test_one_firm_empirical_tests(firm0: ab.StudyResult, golden: dict) -> None:
    tests = golden["clustered"]["tests_market_model"]
    window = row(firm0.car, window_start=-1, window_end=3)
    day = row(firm0.car, window_start=0, window_end=0)
    assert window.sq_p == pytest.approx(tests["sq_studentized_firm0_car"]["p_abs"], abs=1e-12)
    assert day.sq_p == pytest.approx(tests["sq_studentized_firm0_day0"]["p_abs"], abs=1e-12)
    assert window.conformal_p == pytest.approx(tests["conformal_firm0_car"]["p"], abs=1e-12)
    assert day.conformal_p == pytest.approx(tests["conformal_firm0_day0"]["p"], abs=1e-12)


def test_placebo_time_reestimates_on_120_days(firm0: ab.StudyResult, golden: dict) -> None:
    """250 days before the event leave 7 pseudo dates, so L1 = S / 2 = 120 or 125: the rule, then the printed value."""
    from abnormal.inference.placebo import admissible_rows, scar_at
    from abnormal.kernel.dist import empirical_p

    want = golden["clustered"]["tests_market_model"]["placebo_time_firm0"]
    replay = firm0.case.replay
    rows = admissible_rows(0, 259, -11, 120, (-1, 3))
    assert (rows[0], rows[-1], rows.size) == (want["first"], want["last"], want["n"])
    own = scar_at(replay, 0, np.array([270]), 120, (-1, 3))[0]
    assert own == pytest.approx(want["scar_obs"], abs=1e-12)
    assert empirical_p(scar_at(replay, 0, rows, 120, (-1, 3)), own) == pytest.approx(want["p"], abs=1e-12)


def test_placebo_length_rule(clustered: dict) -> None:
    """S = 240 sessions leave too few dates at full length, so L1 = 120; the public set gives the printed p."""
    frame, market = clustered_frames(clustered)
    spec = SPEC.but(estimation=(-250, -11))
    study = ab.run(pairs(["F0"], DATES[270]), ab.Returns(frame), spec, benchmark=market, catalogue=False)
    got = row(study.car, window_start=-1, window_end=3)
    assert got.placebo_n == 127
    assert got.placebo_p == pytest.approx(0.28125, abs=1e-12)
    assert pd.Timestamp(got.placebo_first) == DATES[130]
    assert pd.Timestamp(got.placebo_last) == DATES[256]


def test_cross_section(eight: ab.StudyResult, golden: dict) -> None:
    tests = golden["clustered"]["tests_market_model"]
    got = row(eight.tests, test="t_xs", variant="mean_car", window_start=-1)
    assert got.statistic == pytest.approx(tests["xs_t_car"]["stat"], abs=1e-11)
    assert got.status == "invalid"
    assert "common shock" in got.reason
    assert row(eight.caar, window_start=-1).caar == pytest.approx(tests["caar_mean_car"], abs=1e-12)
    assert row(eight.caar, window_start=-1).n_eff == pytest.approx(tests["n_eff"], abs=1e-9)
    kp = row(eight.tests, test="kp_patell", window_start=-1)
    assert kp.statistic == pytest.approx(tests["kp_patell"], abs=1e-10)


def test_portfolio_of_six(clustered: dict, golden: dict) -> None:
    frame, market = clustered_frames(clustered)
    six = [f"F{i}" for i in range(6)]
    study = ab.run(pairs(six, DATES[270]), ab.Returns(frame), SPEC, benchmark=market, catalogue=False)
    tests = golden["clustered"]["tests_market_model"]
    got = row(study.tests, test="portfolio_sq", window_start=-1)
    assert got.p == pytest.approx(tests["sq_studentized_port6_car"]["p_abs"], abs=1e-12)
    t = row(study.tests, test="portfolio_t", window_start=-1)
    assert t.statistic == pytest.approx(tests["portfolio_6"]["t"], abs=1e-11)
    joint = row(study.tests, test="joint_sq", window_start=0)
    assert joint.p == pytest.approx(tests["joint_sq_6"]["tau0"]["p"], abs=1e-12)
    assert study.verdict.row == "one_date_few"
    assert study.verdict.headline == "portfolio_sq"
    assert study.verdict.p == pytest.approx(got.p)


def test_dispersed_dates(dispersed: dict, golden: dict) -> None:
    ret = np.asarray(dispersed["ret"], float)
    frame = pd.DataFrame(ret, index=DATES, columns=[f"F{i:02d}" for i in range(ret.shape[1])])
    market = pd.Series(np.asarray(dispersed["mkt"], float), index=DATES)
    events = pd.DataFrame(
        {
            "event_id": [f"e{i:02d}" for i in range(len(dispersed["pos"]))],
            "ticker": list(frame),
            "date": [DATES[p].date().isoformat() for p in dispersed["pos"]],
        }
    )
    spec = ab.StudySpec(model="market", estimation=(-220, -21), windows=[(-1, 1)], draws=999)
    study = ab.run(events, ab.Returns(frame), spec, benchmark=market, catalogue=False)
    tests = golden["dispersed"]["tests_market_model"]
    assert row(study.tests, test="bmp", window_start=-1).statistic == pytest.approx(tests["bmp"]["stat"], abs=1e-10)
    assert row(study.tests, test="patell", window_start=-1).statistic == pytest.approx(
        tests["patell_full"]["stat"], abs=1e-10
    )
    assert row(study.caar, window_start=-1).rbar_w == pytest.approx(tests["rbar_overlap_weighted"], abs=1e-12)
    assert study.verdict.row == "many_dates_many"
    assert study.verdict.headline == "bmp"


def test_event_order_and_names_change_nothing(clustered: dict) -> None:
    frame, market = clustered_frames(clustered)
    six = [f"F{i}" for i in range(6)]
    one = ab.run(pairs(six, DATES[270]), ab.Returns(frame), SPEC, benchmark=market, catalogue=False)
    two = ab.run(pairs(six[::-1], DATES[270]), ab.Returns(frame[six[::-1]]), SPEC, benchmark=market, catalogue=False)
    assert one.verdict.p == pytest.approx(two.verdict.p)
    a, b = (s.car.sort_values(["ticker", "window_start"])["car"].to_numpy() for s in (one, two))
    np.testing.assert_allclose(a, b, atol=1e-15)


def test_no_look_ahead(clustered: dict) -> None:
    """Changing anything after the window, or in the gap, changes nothing before the verdict but what says so."""
    frame, market = clustered_frames(clustered)
    changed = frame.copy()
    changed.iloc[274:] = 0.5
    changed.iloc[260:269] = -0.2
    spec = SPEC.but(windows=[(-1, 3)])
    one = ab.run(pairs(["F0"], DATES[270]), ab.Returns(frame), spec, benchmark=market, catalogue=False)
    two = ab.run(pairs(["F0"], DATES[270]), ab.Returns(changed), spec, benchmark=market, catalogue=False)
    cols = ["car", "se", "t", "p", "ci_low", "ci_high", "sq_p", "conformal_p", "placebo_p"]
    pd.testing.assert_frame_equal(one.car[cols], two.car[cols], check_exact=True)
