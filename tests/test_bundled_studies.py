"""The five bundled studies, offline: their answers, recomputed from the CSV files where that is easy."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import abnormal as ab

ROOT = Path(__file__).resolve().parent.parent
STUDIES = (
    "anthropic_export_order", "anthropic_order_two_labs", "anthropic_order_reversal", "lockup_expirations_2026",
    "chip_export_rules_2022",
)  # fmt: skip


@functools.cache
def study(name: str) -> ab.StudyResult:
    return ab.run(name)


@functools.cache
def hk() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "prices" / "hk_ai_2026.csv", parse_dates=["date"])


def hk_returns() -> pd.DataFrame:
    """close / prev_close - 1, the listing day (against the offer price) left out."""
    frame = hk().assign(ret=lambda d: d.close / d.prev_close - 1)
    wide = frame.pivot(index="date", columns="ticker", values="ret").sort_index()
    for ticker in ("2513.HK", "0100.HK"):
        wide.loc[wide[ticker].first_valid_index(), ticker] = np.nan
    return wide


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_runs_and_says_what_it_did(name: str) -> None:
    result = study(name)
    assert result.verdict.label in ("effect detected", "fragile", "not distinguishable from noise", "cannot say")
    assert result.excluded.empty
    assert not result.car.car.isna().any()
    missing = result.tests[result.tests.p.isna()]
    assert (missing.reason.str.len() > 0).all()
    text = str(result).lower()
    assert "cause" not in text.replace("because", "")


def test_the_order_is_tradable_on_monday() -> None:
    pair = study("anthropic_export_order").pairs.iloc[0]
    assert (str(pair.session)[:10], pair.reaction_class) == ("2026-06-15", "closed")


def test_the_jump_sums_exactly() -> None:
    day = study("anthropic_export_order").jump.iloc[0]
    assert day.overnight + day.rise + day.retreat == day.total
    assert day.peak_gain == pytest.approx(1620 / 1097 - 1)
    assert np.expm1(day.total) == pytest.approx(1457 / 1097 - 1)
    assert day.give_back == pytest.approx((1620 - 1457) / (1620 - 1097))
    assert day.rank_p == 1 / (day.rank_n + 1)  # the largest peak of all estimation sessions


def test_estimates_of_the_order_by_statsmodels() -> None:
    """Beta with intercept on 80 sessions, alpha not carried: recomputed from the CSV."""
    wide = hk_returns()
    market = wide[["0700.HK", "9988.HK", "9888.HK"]].mean(axis=1)
    own = wide["2513.HK"]
    day0 = wide.index.get_loc(pd.Timestamp("2026-06-15"))
    listed = wide.index.get_loc(pd.Timestamp("2026-01-08"))
    rows = [t for t in range(day0 - 90, day0 - 10) if t >= listed + 5]
    fit = sm.OLS(own.iloc[rows], sm.add_constant(market.iloc[rows])).fit()
    alpha, beta = fit.params
    e = own.iloc[rows] - beta * market.iloc[rows]
    s2 = float((e**2).sum() / (len(rows) - 1))
    ssm = float(((market.iloc[rows] - market.iloc[rows].mean()) ** 2).sum())
    car = own.iloc[day0] - beta * market.iloc[day0]
    se = np.sqrt(s2 * (1 + market.iloc[day0] ** 2 / ssm))
    result = study("anthropic_export_order")
    got = result.car[(result.car.window_start == 0) & (result.car.window_end == 0)].iloc[0]
    pair = result.pairs.iloc[0]
    assert pair.n_est == len(rows)
    assert (pair.alpha, pair.beta) == pytest.approx((alpha, beta), abs=1e-13)
    assert (got.car, got.se) == pytest.approx((car, se), abs=1e-13)
    z = np.abs(e / np.sqrt(s2))
    assert got.sq_p == pytest.approx((1 + np.sum(z >= abs(car / se))) / (len(rows) + 1))


def test_selection_stands_beside_the_naive_p() -> None:
    result = study("anthropic_export_order")
    day = result.car[(result.car.window_start == 0) & (result.car.window_end == 0)].iloc[0]
    assert result.verdict.row == "selected"
    assert result.verdict.headline == "selection" == day.headline_test
    assert result.verdict.p == day.selection_p > day.sq_p
    assert result.verdict.n >= 19 and result.verdict.smallest_p == pytest.approx(1 / (result.verdict.n + 1))
    assert "naive" in str(result)
    assert np.isfinite(result.verdict.mde) and result.verdict.mde > 0.25


def test_what_else_happened_is_named() -> None:
    result = study("anthropic_export_order")
    same = result.confounders[result.confounders.same_session & ~result.confounders.same_story]
    assert "glm-5-2-release" in set(same.other_id)
    assert "GLM-5.2" in result.verdict.sentence and "price target" in result.verdict.sentence
    rule = study("chip_export_rules_2022")
    own = rule.confounders[(rule.confounders.event_id == "bis-chip-rule-2022") & rule.confounders.same_session]
    assert "amd-q3-warning-2022" in set(own.other_id)
    assert any("AMD warns" in reason for reason in rule.verdict.reasons)


def test_amd_fell_as_reported_on_both_days() -> None:
    ret = study("chip_export_rules_2022").abnormal_returns.query("offset == 0").set_index("event_id").ret
    assert round(100 * ret["bis-chip-rule-2022"], 3) == -13.869
    assert round(100 * ret["nvda-a100-licence-2022"], 3) == -2.993


def test_amd_standard_errors_are_statsmodels_prediction_errors() -> None:
    frame = pd.read_csv(ROOT / "data" / "prices" / "us_large_2021_2022.csv", parse_dates=["date"])
    wide = frame.pivot(index="date", columns="ticker", values="adj_close").pct_change()
    result = study("chip_export_rules_2022")
    for _event, day in (("nvda-a100-licence-2022", "2022-09-01"), ("bis-chip-rule-2022", "2022-10-07")):
        day0 = wide.index.get_loc(pd.Timestamp(day))
        rows = slice(day0 - 260, day0 - 10)
        x = sm.add_constant(wide["^GSPC"])
        fit = sm.OLS(wide["AMD"].iloc[rows], x.iloc[rows]).fit()
        got = result.abnormal_returns.query("event_id == @_event").set_index("offset")
        for offset in (-1, 0, 1):
            at = fit.get_prediction(x.iloc[[day0 + offset]])
            assert got.se[offset] == pytest.approx(float(at.se_obs[0]), abs=1e-12)
            assert got.ar[offset] == pytest.approx(
                float(wide["AMD"].iloc[day0 + offset] - at.predicted_mean[0]), abs=1e-12
            )


def test_two_labs_share_one_shock() -> None:
    result = study("anthropic_order_two_labs")
    assert result.verdict.row == "one_date_few" and result.verdict.headline == "portfolio_sq"
    assert result.caar.n_eff.iloc[0] < 1.2
    assert set(result.tests[result.tests.test == "t_xs"].status) == {"invalid"}


def test_reversal_lands_after_the_holiday() -> None:
    result = study("anthropic_order_reversal")
    assert {str(s)[:10] for s in result.pairs.session} == {"2026-07-02"}
    assert result.verdict.estimate < 0


def test_lockups_are_read_singly() -> None:
    result = study("lockup_expirations_2026")
    assert result.verdict.row == "two_dates" and result.verdict.label == "cannot say"
    singles = [r for r in result.verdict.reasons if r.startswith(("2513.HK", "0100.HK"))]
    assert len(singles) == 2
    zhipu = result.confounders[result.confounders.ticker == "2513.HK"]
    assert "minimax-lockup-2026" in set(zhipu.other_id) or "zhipu-lockup-2026" in set(result.confounders.other_id)


def test_same_input_same_bytes() -> None:
    again = ab.run("anthropic_export_order")
    assert again.to_json() == study("anthropic_export_order").to_json()
    assert str(again) == str(study("anthropic_export_order"))
