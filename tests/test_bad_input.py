"""What bad input gets inside a study: a pair is excluded with its reason, and the rest runs (INTERFACE section 6)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import abnormal as ab

DAYS = pd.bdate_range("2024-01-01", periods=320)
SPEC = ab.StudySpec(model="market", estimation=(-120, -11), windows=[(0, 0), (-1, 1)], draws=99)


@pytest.fixture
def returns() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    market = 0.01 * rng.standard_normal(DAYS.size)
    firms = {f"F{i}": 0.8 * market + 0.02 * rng.standard_normal(DAYS.size) for i in range(4)}
    return pd.DataFrame({"M": market, **firms}, index=DAYS)


def events(*rows: tuple[str, pd.Timestamp | str]) -> pd.DataFrame:
    dates = [d if isinstance(d, str) else d.date().isoformat() for _, d in rows]
    return pd.DataFrame(
        {"event_id": [f"e{i}" for i in range(len(rows))], "ticker": [t for t, _ in rows], "date": dates}
    )


def study(frame: pd.DataFrame, rows: pd.DataFrame, spec: ab.StudySpec = SPEC) -> ab.StudyResult:
    return ab.run(rows, ab.Returns(frame), spec.but(benchmark="M"), catalogue=False)


def reason_of(result: ab.StudyResult, ticker: str) -> str:
    found = result.excluded[result.excluded.ticker == ticker]
    assert len(found) == 1, result.excluded
    return str(found.iloc[0].reason)


def no_infinity(result: ab.StudyResult) -> None:
    for name in ("pairs", "car", "caar", "aar", "tests", "robustness"):
        values = getattr(result, name).select_dtypes("number").to_numpy(float)
        assert not np.isinf(values).any(), name
    silent = result.tests[result.tests.p.isna() & (result.tests.reason == "")]
    assert silent.empty, silent


def test_event_before_the_first_price_is_excluded_and_the_rest_runs(returns: pd.DataFrame) -> None:
    returns.loc[: DAYS[249], "F1"] = np.nan
    result = study(returns, events(("F0", DAYS[240]), ("F1", DAYS[240])))
    assert "before listing: first session" in reason_of(result, "F1")
    assert list(result.pairs.ticker) == ["F0"]


def test_event_after_the_last_price(returns: pd.DataFrame) -> None:
    returns.loc[DAYS[200] :, "F1"] = np.nan
    result = study(returns, events(("F0", DAYS[240]), ("F1", DAYS[240])))
    assert f"last session {DAYS[199].date()}" in reason_of(result, "F1")


def test_event_in_the_listing_week(returns: pd.DataFrame) -> None:
    returns.loc[: DAYS[238], "F1"] = np.nan
    result = study(returns, events(("F0", DAYS[240]), ("F1", DAYS[240])))
    assert "0 returns in (-120, -11)" in reason_of(result, "F1")
    assert "First traded" in reason_of(result, "F1")


def test_too_few_estimation_returns_says_how_many_and_what_would_run(returns: pd.DataFrame) -> None:
    returns.loc[: DAYS[207], "F1"] = np.nan
    result = study(returns, events(("F0", DAYS[240]), ("F1", DAYS[240])))
    row = result.excluded.iloc[0]
    assert "22 returns in (-120, -11); model 'market' needs 30" in row.reason
    assert "min_obs=22" in row.remedy and "market_adjusted" in row.remedy
    lowered = study(returns, events(("F1", DAYS[240])), SPEC.but(min_obs=20))
    assert list(lowered.pairs.n_est) == [22]
    assert "very short history" in lowered.pairs.iloc[0]["flags"]


def test_event_on_a_weekend_moves_forward_never_back(returns: pd.DataFrame) -> None:
    saturday = DAYS[240] + pd.Timedelta(days=(5 - DAYS[240].weekday()))
    result = study(returns, events(("F0", saturday)))
    session = pd.Timestamp(result.pairs.iloc[0].session)
    assert session == saturday + pd.Timedelta(days=2)


def test_benchmark_missing_on_some_sessions(returns: pd.DataFrame) -> None:
    returns.loc[DAYS[150:160], "M"] = np.nan
    result = study(returns, events(("F0", DAYS[240])))
    assert result.pairs.iloc[0].n_est == 100
    no_infinity(result)


def test_benchmark_missing_altogether_is_a_reason(returns: pd.DataFrame) -> None:
    returns["M"] = np.nan
    returns.loc[DAYS[0], "M"] = 0.0
    result = study(returns, events(("F0", DAYS[240])))
    assert result.pairs.empty
    assert result.verdict.label == "cannot say"
    assert "0 returns in" in reason_of(result, "F0")


def test_benchmark_is_the_share_itself(returns: pd.DataFrame) -> None:
    result = ab.run(events(("M", DAYS[240])), ab.Returns(returns), SPEC.but(benchmark="M"), catalogue=False)
    assert "benchmark is the share itself" in reason_of(result, "M")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda r: np.full(len(r), 0.001), "zero residual variance"),
        (lambda r: 0.001 + 1.5 * r["M"].to_numpy(), "zero residual variance"),
        (lambda r: r["M"].to_numpy(), "zero residual variance"),
    ],
    ids=["constant returns", "exact function of the market", "equal to the market"],
)
def test_nothing_left_to_explain(returns: pd.DataFrame, make, text: str) -> None:
    returns["F1"] = make(returns)
    result = study(returns, events(("F0", DAYS[240]), ("F1", DAYS[240])))
    assert text in reason_of(result, "F1")
    no_infinity(result)


def test_constant_benchmark(returns: pd.DataFrame) -> None:
    returns["M"] = 0.0
    result = study(returns, events(("F0", DAYS[240])))
    assert "collinear" in reason_of(result, "F0")


def test_one_event_has_reasons_for_every_cross_sectional_test(returns: pd.DataFrame) -> None:
    result = study(returns, events(("F0", DAYS[240])))
    cross = result.tests[result.tests.test.isin(["t_xs", "patell", "bmp", "kp_bmp", "corrado", "sign_flip"])]
    assert set(cross.status) == {"not_applicable"}
    assert cross.reason.str.len().min() > 10
    no_infinity(result)


def test_all_on_one_date_marks_what_the_design_breaks(returns: pd.DataFrame) -> None:
    result = study(returns, events(*((f"F{i}", DAYS[240]) for i in range(4))))
    broken = result.tests[
        result.tests.test.isin(["t_xs", "patell", "bmp", "sign", "gen_sign", "wilcoxon", "sign_flip"])
    ]
    assert set(broken.status) <= {"invalid", "not_applicable"}
    assert (broken[broken.status == "invalid"].reason.str.contains("common shock")).all()
    no_infinity(result)


def test_missing_day_zero_is_not_zero(returns: pd.DataFrame) -> None:
    returns.loc[DAYS[240], "F0"] = np.nan
    kept = study(returns, events(("F0", DAYS[240])), SPEC.but(halt="keep"))
    day = kept.car[kept.car.window_start == 0].iloc[0]
    assert np.isnan(day.car) and day.n_obs == 0
    window = kept.car[kept.car.window_start == -1].iloc[0]
    assert window.n_obs == 2
    assert "1 of 3 returns missing in (-1, 1)" in kept.pairs.iloc[0]["flags"]
    assert kept.verdict.label == "cannot say"


def test_halt_shifts_day_zero_to_the_resumption(returns: pd.DataFrame) -> None:
    prices = 100 * (1 + returns.fillna(0)).cumprod()
    prices.loc[DAYS[240:243], "F0"] = np.nan
    result = ab.run(events(("F0", DAYS[240])), prices, SPEC.but(benchmark="M"), catalogue=False)
    pair = result.pairs.iloc[0]
    assert pd.Timestamp(pair.session) == DAYS[243]
    assert "moved to the resumption" in pair["flags"] and "4-session return" in pair["flags"]
    first = result.abnormal_returns.query("offset == 0").iloc[0]
    whole = prices.F0[DAYS[243]] / prices.F0[DAYS[239]] - 1
    assert first.ret == pytest.approx(whole, abs=1e-12)


def test_window_beyond_the_data_is_said(returns: pd.DataFrame) -> None:
    result = study(returns, events(("F0", DAYS[319])))
    assert "1 of 3 returns missing in (-1, 1)" in result.pairs.iloc[0]["flags"]


def test_unknown_ticker_names_the_nearest(returns: pd.DataFrame) -> None:
    with pytest.raises(ab.AbnormalError, match=r"F0|F1|F2|F3") as caught:
        study(returns, events(("F9", DAYS[240])))
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]


def test_unknown_benchmark(returns: pd.DataFrame) -> None:
    with pytest.raises(ab.AbnormalError) as caught:
        ab.run(events(("F0", DAYS[240])), ab.Returns(returns), SPEC.but(benchmark="MM"), catalogue=False)
    assert "MM" in str(caught.value) and caught.value.exit_code == 2  # type: ignore[attr-defined]


def test_no_events_at_all(returns: pd.DataFrame) -> None:
    with pytest.raises(ab.AbnormalError):
        ab.run(pd.DataFrame({"ticker": [], "date": []}), ab.Returns(returns), SPEC, catalogue=False)


def test_clock_time_on_a_panel_needs_an_exchange(returns: pd.DataFrame) -> None:
    timed = pd.DataFrame({"event_id": ["e"], "ticker": ["F0"], "at": ["2024-12-02T10:00:00+08:00"]})
    with pytest.raises(ab.AbnormalError, match="calendar"):
        study(returns, timed)


def test_estimation_window_inside_an_event_window_is_an_error() -> None:
    with pytest.raises(ab.AbnormalError, match="estimation"):
        ab.StudySpec(estimation=(-100, -5), windows=[(-10, 10)])


def test_prices_without_dividends_are_called_price_returns(returns: pd.DataFrame) -> None:
    prices = 100 * (1 + returns).cumprod()
    result = ab.run(events(("F0", DAYS[240])), prices, SPEC.but(benchmark="M"), catalogue=False)
    assert any("price return" in n for n in result.notes)
