"""Expected signs, other packages' conventions, weights and money."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from test_study_golden import DATES, SPEC, clustered_frames, pairs, row

SIX = [f"F{i}" for i in range(6)]


def signed_pairs(signs: list[int]) -> pd.DataFrame:
    return pairs(SIX, DATES[270]).assign(sign=signs)


def run(data: dict, events: pd.DataFrame, spec: ab.StudySpec = SPEC) -> ab.StudyResult:
    frame, market = clustered_frames(data)
    return ab.run(events, ab.Returns(frame), spec, benchmark=market, catalogue=False)


@pytest.mark.parametrize("model", ["market", "market_zero_alpha", "market_adjusted", "mean"])
def test_align_turns_each_firm_and_the_portfolio(clustered: dict, model: str) -> None:
    signs = [1, -1, 1, 1, -1, 1]
    spec = SPEC.but(model=model, windows=[(0, 0)])
    plain = run(clustered, pairs(SIX, DATES[270]), spec)
    turned = run(clustered, signed_pairs(signs), spec.but(align="expected_sign"))
    np.testing.assert_allclose(turned.car.car, np.array(signs) * plain.car.car, atol=1e-14)
    np.testing.assert_allclose(turned.car.se, plain.car.se, rtol=1e-12)
    np.testing.assert_allclose(turned.car.sq_p, plain.car.sq_p)
    np.testing.assert_allclose(turned.car.placebo_p, plain.car.placebo_p)
    # The portfolio of turned firms is the mean of the turned abnormal returns, day by day.
    whole, parts = turned.case.portfolio, plain.case.ar
    np.testing.assert_allclose(whole.ar[0], (np.array(signs)[:, None] * parts.ar).mean(axis=0), atol=1e-12)


def test_pairs_without_a_sign_are_left_out_with_a_reason(clustered: dict) -> None:
    result = run(clustered, signed_pairs([1, 0, 1, 1, -1, 1]), SPEC.but(align="expected_sign"))
    assert list(result.excluded.ticker) == ["F1"]
    assert "expected sign" in result.excluded.iloc[0].reason


def test_mixed_signs_warn(clustered: dict) -> None:
    with pytest.warns(ab.AbnormalWarning, match="mixes expected signs"):
        run(clustered, signed_pairs([1, -1, 1, 1, -1, 1]))


def test_compat_reproduces_other_conventions(clustered: dict, golden: dict) -> None:
    tests = golden["clustered"]["tests_market_model"]
    everyone = pairs([f"F{i}" for i in range(8)], DATES[270])
    ours = run(clustered, everyone)
    wrds = run(clustered, everyone, SPEC.but(compat="wrds"))
    rpkg = run(clustered, everyone, SPEC.but(compat="r_eventstudy"))
    est = run(clustered, everyone, SPEC.but(compat="est"))
    stata = run(clustered, everyone, SPEC.but(compat="estudy2"))
    assert row(ours.tests, test="patell", window_start=-1).statistic == pytest.approx(tests["patell_full"]["stat"])
    assert row(wrds.tests, test="patell", window_start=-1).statistic == pytest.approx(tests["patell_wrds"], abs=1e-10)
    assert row(est.tests, test="patell", window_start=-1).statistic == pytest.approx(
        tests["patell_sum_sar"]["stat"], abs=1e-10
    )
    assert row(rpkg.tests, test="bmp", window_start=-1).statistic == pytest.approx(tests["bmp_nofec"], abs=1e-10)
    assert row(rpkg.caar, window_start=-1).caar == pytest.approx(tests["caar_sum_aar"], abs=1e-12)
    assert row(ours.caar, window_start=-1).caar == pytest.approx(tests["caar_mean_car"], abs=1e-12)
    # estudy2 divides the squared residuals by M - 1: Patell shrinks by about sqrt((M - 2) / (M - 1)).
    assert row(stata.tests, test="patell", window_start=0).variant == "patell_sum"
    ratio = (
        row(stata.tests, test="t_xs", window_start=0).statistic / row(ours.tests, test="t_xs", window_start=0).statistic
    )
    assert ratio == pytest.approx(1.0)
    assert any("for comparison" in n for n in wrds.notes)
    assert wrds.manifest["compat"] == "wrds"


def test_precision_weights(clustered: dict, golden: dict) -> None:
    from abnormal.frames import precision_weighted

    result = run(clustered, pairs([f"F{i}" for i in range(8)], DATES[270]))
    want = golden["clustered"]["tests_market_model"]
    assert row(result.caar, window_start=-1).caar_weighted == pytest.approx(want["pw_caar_inv_var"], abs=1e-12)
    assert precision_weighted(result.case, (-1, 3), power=1.0) == pytest.approx(want["pw_caar_inv_sd"], abs=1e-12)


def test_buy_and_hold(clustered: dict, golden: dict) -> None:
    result = run(clustered, pairs(SIX, DATES[270]))
    want = golden["clustered"]["tests_market_model"]
    got = result.car[result.car.window_start == -1]
    np.testing.assert_allclose(got.bhar, want["bhar_vs_market"][:6], atol=1e-12)
    np.testing.assert_allclose(got.bhar_model, want["bhar_vs_model"][:6], atol=1e-12)


def test_money_is_abnormal_return_times_capital() -> None:
    study = ab.run("anthropic_export_order")
    day = row(study.car, window_start=0, window_end=0)
    capital = 445_843_090 * 1097.0  # shares in issue times the close before
    assert day.value == pytest.approx(day.car * capital, rel=1e-12)
    assert day.value_low == pytest.approx(day.ci_low * capital, rel=1e-12)
    assert day.value_high == pytest.approx(day.ci_high * capital, rel=1e-12)
    assert day.value_per_share == pytest.approx(day.car * 1097.0, rel=1e-12)
