"""Studies on bars from the outside: event bars, windows, paths, anatomy, bad input, files and the command line."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.domain import Bars, Sample
from abnormal.errors import BadData, NotInStore, RequestError, SpecError
from abnormal.inputs.calendars import session_calendar
from abnormal.inputs.lookback import about_to_expire
from abnormal.inputs.providers.synthetic import synthetic_bars
from abnormal.inputs.store import HeldPrices, PriceStore
from abnormal.intraday_place import as_bars
from abnormal.registry import MODELS
from twin import intraday as twin

US = session_calendar("XNYS").between("2026-04-06", "2026-05-20").sessions
HK = session_calendar("XHKG").between("2026-05-04", "2026-06-16").sessions
DAY, BARS = 25, 26  # the event session, and bars of 15 minutes a US session
SPEC = ab.StudySpec(freq="15m", benchmark="SPY", estimation=(-25, -1), windows=[(0, 7), (0, 0), (-4, -1)])


def us(effects=None, firms=("NVDA", "AMD"), freq="15m", **more):
    return synthetic_bars(list(firms), US, market="SPY", freq=freq, effects=effects, sigma=0.02, **more)


def at(when: str, ticker="NVDA", **attributes) -> pd.DataFrame:
    """One event at a local New York time of the event session."""
    time, zone = when, "America/New_York"
    return pd.DataFrame({
        "event_id": ["news"], "ticker": [ticker], "at": [f"{US[DAY]}T{time}-04:00"], "timezone": [zone],
        **{k: [v] for k, v in attributes.items()},
    })  # fmt: skip


def run(when="11:00:30", bars=None, spec=SPEC, effect=0.03, **more):
    if bars is None:
        bars = us({("NVDA", DAY * BARS + 6): effect} if effect else None)
    return ab.run(at(when, **more), HeldPrices(bars, "bars"), spec, catalogue=False)


@pytest.fixture(scope="module")
def study():
    return run()


# ------------------------------------------------------------------------------------------------ the whole way


def test_the_effect_of_one_bar_is_found_in_its_bar(study):
    assert (
        study.pairs["event_bar"][0] == pd.Timestamp("2026-05-11T15:00Z")
        and study.pairs["model"][0] == "intraday_market"
    )
    assert (study.verdict.row, study.verdict.headline, study.verdict.window) == ("intraday", "same_clock", (0, 7))
    rows = study.abnormal_returns.set_index("offset")
    without = run(effect=0).abnormal_returns.set_index("offset")
    assert rows.loc[0, "ar"] - without.loc[0, "ar"] == pytest.approx(np.log(1.03), abs=1e-3)
    assert rows.loc[1, "ar"] == pytest.approx(without.loc[1, "ar"], abs=1e-3)
    car = study.car.set_index(["window_start", "window_end"])
    assert car.loc[(0, 0), "car"] == pytest.approx(rows.loc[0, "ar"]) and car.loc[(0, 0), "clock_p"] == 1 / 26
    assert car.loc[(0, 7), "car"] == pytest.approx(rows.loc[0:7, "ar"].sum()) and car.loc[(0, 7), "closure"] == 0
    assert rows.loc[7, "cum_ar"] == pytest.approx(car.loc[(0, 7), "car"]) and rows.loc[-5:-1, "cum_ar"].iloc[-1] == 0
    assert car.loc[(0, 0), "clock_low"] < rows.loc[0, "ar"] < car.loc[(0, 0), "clock_high"]
    assert "15 minutes" not in study.verdict.sentence and "first 120 minutes" in study.verdict.sentence


def test_jump_bars_and_session_table(study):
    bars = study.intraday
    flagged = bars[bars["jump"]]
    assert flagged["offset"].tolist() == [0] and flagged["clock"].tolist() == ["11:00"]
    assert len(bars) == BARS + 1 and bars["kind"].tolist() == ["overnight", *["bar"] * BARS]
    assert bars["time"].is_monotonic_increasing and str(bars["time"].dt.tz) == "UTC"
    assert bars["path"].iloc[-1] == pytest.approx(bars["ret"].iloc[1:].sum())
    done = bars[bars["offset"] >= 0]
    assert done["p_rank"].between(1 / 26, 1).all() and bars.loc[bars["offset"] < 0, "p_rank"].isna().all()
    np.testing.assert_allclose(done["car"], done["ar"].cumsum(), atol=1e-12)
    np.testing.assert_allclose(done["sd"], np.sqrt((done["pattern"] ** 2).cumsum()), rtol=1e-12)
    days = study.sessions
    event = days[days["role"] == "event"].iloc[0]
    assert (days["role"] == "estimation").sum() == 25 and event["bns_p"] < 0.01 and event["jumps"] == 1
    assert event["bars"] == event["expected"] == BARS


def test_anatomy_of_the_session(study):
    row = study.jump.iloc[0]
    assert row["overnight"] + row["rise"] + row["retreat"] == pytest.approx(row["total"])
    assert row["session_return"] + row["overnight"] == pytest.approx(row["total"])
    assert row["event_bar"] == "2026-05-11T15:00:00+00:00" and row["event_clock"] == "11:00"
    assert row["minutes_to_half"] == 15 and row["jump_times"] == "11:00"
    assert 0 < row["first30_share"] < 0.5 and row["volume"] > 0
    bars = us({("NVDA", DAY * BARS + 6): 0.03})["NVDA"].columns
    day = slice(DAY * BARS, (DAY + 1) * BARS)
    top, before = bars["high"][day].max(), bars["close"][DAY * BARS - 1]
    assert row["peak_gain"] == pytest.approx(top / before - 1)
    for n in (1, 5):
        assert row[f"give_back_{n}"] == pytest.approx((top - bars["close"][(DAY + n + 1) * BARS - 1]) / (top - before))
    assert np.isnan(row["give_back_10"]), "the bars end before"


def test_result_goes_to_json_and_back(study, tmp_path):
    data = json.loads(study.to_json())
    assert data["intraday"][0]["time"].endswith("+00:00") and data["sessions"][0]["role"] == "estimation"
    assert {t["test"] for t in data["tests"]} >= {
        "same_clock",
        "lee_mykland",
        "bns",
        "range_variance",
        "abnormal_volume",
    }
    study.save(tmp_path / "out", figures=False)
    back = ab.load_result(tmp_path / "out")
    assert len(back.intraday) == len(study.intraday) and back.verdict.sentence == study.verdict.sentence
    assert repr(back).splitlines()[:3] == repr(study).splitlines()[:3]


def test_summary_speaks_of_bars(study):
    text = repr(study)
    assert (
        "same-clock p" in text and "event bar 2026-05-11 15:00 UTC (11:00 local)" in text and "jump bars 11:00" in text
    )
    assert "25 estimation sessions" in text


def test_a_study_file_and_the_command_line(tmp_path):
    from click.testing import CliRunner

    from abnormal.verbs.group import group

    frames = [
        pd.DataFrame({"ts": pd.DatetimeIndex(b.time).tz_localize("UTC"), "ticker": t, **b.columns})
        for t, b in us({("NVDA", DAY * BARS + 6): 0.03}).items()
    ]
    pd.concat(frames).to_parquet(tmp_path / "bars.parquet")
    at("11:00:30").to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "study.toml").write_text(
        'schema = 1\ntitle = "Bars"\n[events]\nfile = "events.csv"\n[prices]\nsource = "bars.parquet"\n'
        '[benchmark]\ntickers = "SPY"\n[returns]\nfreq = "15m"\n[model]\nestimation = [-25, -1]\n'
        '[windows]\nheadline = "0min..120min"\nalso = [[0, 0]]\n'
    )
    told = CliRunner().invoke(group, ["run", str(tmp_path / "study.toml"), "--json"])
    assert told.exit_code == 0, told.output
    data = json.loads(told.stdout)
    assert data["verdict"]["window"] == [0, 7] and data["verdict"]["headline"] == "same_clock"
    assert data["manifest"]["data"]["NVDA"]["freq"] == "15m"


# ------------------------------------------------------------------------------------------------ event bars, windows


@pytest.mark.parametrize("when, clock, kind, closed", [
    ("09:29:59", "09:30", "pre_open", True), ("09:30:00", "09:30", "in_session", False),
    ("09:44:59", "09:30", "in_session", False), ("09:45:00", "09:45", "in_session", False),
    ("15:59:59", "15:45", "in_session", False), ("03:00:00", "09:30", "pre_open", True),
])  # fmt: skip
def test_the_event_bar_is_the_first_that_ends_after_the_news(when, clock, kind, closed):
    bars = us({("NVDA", DAY * BARS): 0.05})
    result = run(when, bars)
    assert result.jump["event_clock"][0] == clock and result.pairs["reaction_class"][0] == kind
    car = result.car.iloc[1]
    assert bool(car["closure"] != 0) is closed, "the night counts where the news came in it"


def test_after_the_close_the_night_is_the_first_reaction():
    bars = us({("NVDA", (DAY + 1) * BARS): 0.10})
    result = run("16:00:00", bars)
    assert (
        str(result.pairs["session"][0])[:10] == str(US[DAY + 1]) and result.pairs["reaction_class"][0] == "after_close"
    )
    rows = result.abnormal_returns.set_index("offset")
    assert rows.loc[0, "closure_ar"] == pytest.approx(0.2 * np.log(1.1), abs=0.01), (
        "a fifth of the move comes overnight"
    )
    car = result.car.iloc[0]
    assert car["car"] == pytest.approx(rows.loc[0:7, "ar"].sum() + rows.loc[0, "closure_ar"])
    assert "the closure before it included" in result.verdict.sentence
    apart = run("16:00:00", bars, SPEC.but(options={"closures": "out"}))
    assert apart.car.iloc[0]["car"] == pytest.approx(rows.loc[0:7, "ar"].sum()) and apart.car.iloc[0]["closure"] == 0


def test_lunch_news_moves_to_the_afternoon_and_the_break_is_its_own_slot():
    bars = synthetic_bars(
        ["2513.HK"], HK, market="0700.HK", freq="5m", exchange="HK", effects={("2513.HK", 25 * 66 + 30): 0.04}
    )
    events = pd.DataFrame({"event_id": ["x"], "ticker": ["2513.HK"], "at": [f"{HK[25]}T12:30+08:00"]})
    spec = ab.StudySpec(freq="5m", benchmark="0700.HK", estimation=(-25, -1), windows=[(0, 5), (-3, 5)])
    result = ab.run(events, HeldPrices(bars, "bars"), spec, catalogue=False)
    assert result.pairs["reaction_class"][0] == "lunch" and result.jump["event_clock"][0] == "13:00"
    kinds = result.intraday["kind"].tolist()
    assert kinds.count("lunch") == 1 and kinds.index("lunch") == 31 and len(kinds) == 68
    lunch = result.intraday.iloc[31]
    assert lunch["offset"] == 0 and (lunch["end"] - lunch["time"]) == pd.Timedelta("1h")
    assert result.car["closure"].iloc[0] == pytest.approx(lunch["ar"]) and np.isfinite(lunch["p_rank"])
    before = ab.run(events.assign(at=f"{HK[25]}T11:54+08:00"), HeldPrices(bars, "bars"), spec, catalogue=False)
    assert before.jump["event_clock"][0] == "11:50"
    assert before.car["n_obs"].iloc[0] == 6 and before.car["closure"].iloc[0] == pytest.approx(lunch["ar"]), (
        "bars count, breaks do not"
    )


def test_windows_in_minutes_are_bars_from_the_event_bar():
    assert as_bars("0min..120min", 5) == (0, 23) and as_bars("0min..30min", 60) == (0, 0)
    assert as_bars("-15min..45min", 15) == (-1, 2) and as_bars((0, 4), 5) == (0, 4)
    clock = run(spec=SPEC.but(windows=["0min..120min", "-60min..0min"]))
    assert clock.car[["window_start", "window_end"]].values.tolist() == [[0, 7], [-4, -1]]
    assert any("minutes count trading time" in n for n in clock.notes)
    unset = run(spec=ab.StudySpec(freq="15m", benchmark="SPY", estimation=(-25, -1)))
    assert unset.verdict.window == (0, 7) and (0, 1) in list(zip(unset.car["window_start"], unset.car["window_end"]))


@pytest.mark.parametrize("attributes, more", [({"uncertainty_minutes": 20}, 2), ({"precision": "hour"}, 3)])
def test_an_uncertain_time_widens_the_window(attributes, more):
    result = run("11:05:00", **attributes)
    wide = (0, 7 + more)
    assert wide in list(zip(result.car["window_start"], result.car["window_end"]))
    assert "uncertain" in result.pairs["flags"][0] and result.verdict.window == (0, 7)
    assert not result.checks.set_index("check").loc["event_time", "passed"]
    free = run("11:05:00", spec=ab.StudySpec(freq="15m", benchmark="SPY", estimation=(-25, -1)), **attributes)
    assert free.verdict.window == wide, "a headline that was not set is the one that covers the uncertainty"


def test_an_impossible_uncertainty_is_an_error():
    with pytest.raises(RequestError, match="uncertainty_minutes is -5"):
        run(uncertainty_minutes=-5)


def test_windows_over_the_night_go_on_into_the_next_session():
    result = run("15:31:00", spec=SPEC.but(windows=[(0, 9)]))
    shown = result.intraday
    assert shown["kind"].tolist().count("overnight") == 2 and shown["session"].nunique() == 2
    later = shown[(shown["kind"] == "overnight") & (shown["offset"] == 2)].iloc[0]
    assert result.car["closure"].iloc[0] == pytest.approx(later["ar"]) and result.car["clock_m"].iloc[0] == 24
    assert shown["m"].dropna().unique().tolist() == [25, 24], "one session fewer reaches beyond its own close"


def test_cross_listed_shares_meet_on_one_utc_clock():
    sessions = np.intersect1d(HK, session_calendar("XNYS").between("2026-05-04", "2026-06-16").sessions)
    hk = synthetic_bars(["9988.HK"], sessions, market="0700.HK", freq="30m", exchange="HK", seed=3)
    ny = synthetic_bars(["BABA"], sessions, market="SPY", freq="30m", seed=4)
    source = HeldPrices({**hk, **ny}, "bars")
    events = pd.DataFrame(
        {"event_id": ["x", "x"], "ticker": ["9988.HK", "BABA"], "at": [f"{sessions[26]}T20:00+08:00"] * 2}
    )
    spec = ab.StudySpec(freq="30m", estimation=(-24, -1), windows=[(0, 3)])
    result = ab.run(events, source, spec, catalogue=False)
    first = result.intraday[(result.intraday["offset"] == 0) & (result.intraday["kind"] == "bar")].set_index("ticker")[
        "time"
    ]
    assert first["BABA"] == pd.Timestamp(f"{sessions[26]}T13:30Z") and first["9988.HK"] == pd.Timestamp(
        f"{sessions[27]}T01:30Z"
    )
    assert list(result.pairs["ticker"]) == ["9988.HK", "BABA"], "in the order they were asked for"
    assert result.verdict.headline == "same_clock" and "average" in repr(result).lower()
    assert result.pairs["model"].tolist() == ["raw", "raw"] and "no benchmark" in result.pairs["flags"][0]


# ------------------------------------------------------------------------------------------------ model, pattern


def bar_sample(r, market, est, event):
    """Sessions r, market (D, J) as one pair's sample; est and event are sessions."""
    d, j = r.shape
    x = twin.lag_now_lead(market)
    offsets = np.arange(-event * j, (d - event) * j)
    rows = np.repeat(np.isin(np.arange(d), est), j)
    return Sample(
        offsets=offsets, y=r.reshape(1, -1), x=market.reshape(1, -1, 1), names=("market",), span=np.ones((1, d * j)),
        est=rows[None, :], dates=np.full((1, d * j), np.datetime64("NaT")), estimation=(int(offsets[0]), -1), event_id=("e",),
        ticker=("T",), lead=x[:, 2].reshape(1, -1, 1), lag=x[:, 0].reshape(1, -1, 1),
    )  # fmt: skip


def test_the_bar_model_is_the_twin():
    rng = np.random.default_rng(2)
    market = 0.001 * rng.standard_normal((12, 20))
    r = 1.3 * market + 0.0005 * rng.standard_normal((12, 20))
    r[:, 1:] += 0.2 * market[:, :-1]
    sample = bar_sample(r, market, range(10), 11)
    ar = MODELS.get("intraday_market")(sample, {})
    x = twin.lag_now_lead(market)
    want = twin.intraday_market(r.ravel(), x, range(200), range(220, 240))
    np.testing.assert_allclose(ar.coef[0, 2:], want["b"], rtol=1e-10)
    assert ar.coef[0, 0] == 0 and ar.coef[0, 1] == pytest.approx(want["b"].sum(), rel=1e-10)
    assert (ar.m[0], ar.k[0], ar.df[0]) == (want["M"], 3, want["M"] - 3)
    e = (r.ravel() - np.nan_to_num(x) @ want["b"])[:200][np.isfinite(x[:200]).all(axis=1)]
    assert ar.sigma[0] == pytest.approx(np.sqrt(e @ e / (want["M"] - 3)), rel=1e-10)
    inside = slice(221, 239)
    np.testing.assert_allclose(ar.ar[0, inside], want["ar"][1:-1], atol=1e-15)
    np.testing.assert_allclose(
        ar.ar[0], r.ravel() - np.nan_to_num(x) @ want["b"], atol=1e-15
    )  # an edge has no neighbour
    with_alpha = MODELS.get("intraday_market")(sample, {"alpha": True})
    assert with_alpha.k[0] == 4 and with_alpha.coef[0, 0] != 0


def joined(samples):
    """Samples of one pair each as one of many."""
    stacked = {
        name: np.concatenate([getattr(s, name) for s in samples]) for name in ("y", "x", "span", "est", "dates", "lead", "lag")
    }  # fmt: skip
    many = tuple(str(i) for i in range(len(samples)))
    return replace(samples[0], **stacked, event_id=many, ticker=many)


def test_a_pair_has_the_same_numbers_whatever_pairs_are_beside_it():
    """Also beside pairs whose market does not move, hardly moves apart from its neighbour bars, or is missing."""
    rng = np.random.default_rng(5)
    samples = []
    for i in range(19):
        market = 0.001 * rng.standard_normal((12, 20))
        if i == 3:
            market[:] = 0.0
        if i == 11:
            market = 0.001 * np.cumsum(np.cumsum(rng.standard_normal((12, 20)), axis=1), axis=1)
        if i == 16:
            market[2:5] = np.nan
        samples.append(
            bar_sample(1.1 * np.nan_to_num(market) + 0.0005 * rng.standard_normal((12, 20)), market, range(10), 11)
        )
    model = MODELS.get("intraday_market")
    together = model(joined(samples), {})
    assert [bool(r) for r in together.reason] == [i == 3 for i in range(19)]
    for i, sample in enumerate(samples):
        alone = model(sample, {})
        for name in ("ar", "coef", "g", "sigma", "m", "r2", "est"):
            np.testing.assert_array_equal(getattr(together, name)[i], getattr(alone, name)[0], err_msg=f"{name} of {i}")


def test_the_bar_model_says_what_it_lacks():
    rng = np.random.default_rng(3)
    r = 0.001 * rng.standard_normal((12, 20))
    flat = MODELS.get("intraday_market")(bar_sample(r, np.zeros((12, 20)), range(10), 11), {})
    assert "collinear" in flat.reason[0] and np.isnan(flat.ar).all()
    short = MODELS.get("intraday_market")(bar_sample(r, r[::-1].copy(), range(1), 11), {})
    assert "18 returns" in short.reason[0]


def test_standardised_bars_have_the_size_of_one():
    result = run(effect=0)
    bars = result.case.bars[0]
    est = bars.ar[bars.est][:, bars.is_bar]
    scale = bars.scale[bars.is_bar]
    assert np.mean((est / scale) ** 2) == pytest.approx(
        25 / 20 * np.mean(est**2) / np.mean(est[-20:] ** 2) * 20 / 25, rel=0.2
    )
    sigma = np.sqrt((est[-20:] ** 2).sum(axis=1).mean() / BARS)
    assert result.pairs["sigma"][0] == pytest.approx(sigma, rel=1e-12)
    f = np.sqrt((est**2).mean(axis=0))
    np.testing.assert_allclose(scale, sigma * f / np.sqrt((f**2).mean()), rtol=1e-12)
    robust = run(spec=SPEC.but(options={"pattern": "wsd"}), effect=0)
    assert not np.allclose(robust.case.bars[0].scale[bars.is_bar], scale)
    har = run(spec=SPEC.but(options={"level": "har"}, estimation=(-25, -1)), effect=0)
    assert np.isnan(har.pairs["sigma"][0]), "HAR needs 32 sessions"
    with pytest.raises(SpecError, match="rms, wsd"):
        run(spec=SPEC.but(options={"pattern": "median"}))


def test_other_models_and_robustness():
    result = run(spec=SPEC.but(robustness={"models": ["mean"], "estimations": [(-25, -5)], "benchmarks": ["AMD"]}))
    what = result.robustness.set_index("what")
    assert {"as specified", "model:market_adjusted", "model:mean", "benchmark:AMD"} <= set(what.index)
    assert what["p"].between(1 / 26, 1).all() and what["same_sign"].all()
    assert run(spec=SPEC.but(model="market_adjusted")).pairs["model"][0] == "market_adjusted"


def test_expected_signs_turn_the_returns():
    events = at("11:00:30")
    events["sign"] = -1
    plain = run()
    turned = ab.run(
        events,
        HeldPrices(us({("NVDA", DAY * BARS + 6): 0.03}), "bars"),
        SPEC.but(align="expected_sign"),
        catalogue=False,
    )
    np.testing.assert_allclose(turned.car["car"], -plain.car["car"], rtol=1e-12)
    np.testing.assert_allclose(turned.car["clock_p"], plain.car["clock_p"])


def test_a_firm_picked_for_its_move_is_held_against_all_it_was_picked_from():
    spec = SPEC.but(selected_on_outcome=True, candidates=["NVDA", "AMD"])
    result = run(spec=spec)
    assert result.verdict.headline == "selection" and result.verdict.p == 1 / 26
    assert result.jump["selection_p"][0] == 1 / 26 and result.car["selection_p"].iloc[0] == 1 / 26
    alone = run(spec=SPEC.but(selected_on_outcome=True))
    assert alone.verdict.label == "cannot say" and "candidates" in alone.verdict.sentence


def test_tests_asked_for_and_tests_of_daily_returns():
    result = run(spec=SPEC.but(tests=["lee_mykland:plain", "patell"]))
    status = result.tests.groupby("test")["status"].first()
    assert status["lee_mykland"] == "ok" and status["patell"] == "not_applicable" and status["same_clock"] == "ok"
    assert "daily" in result.tests.set_index("test").loc["patell", "reason"].iloc[0]


# ------------------------------------------------------------------------------------------------ bad input


def dropped(bars: Bars, keep) -> Bars:
    return Bars(bars.ticker, bars.time[keep], {k: v[keep] for k, v in bars.columns.items()}, bars.freq, bars.meta)


def test_a_session_of_three_bars_is_not_estimated_on():
    bars = us({("NVDA", DAY * BARS + 6): 0.03})
    keep = np.ones(len(bars["NVDA"]), bool)
    keep[10 * BARS + 3 : 11 * BARS] = False
    result = run(bars={**bars, "NVDA": dropped(bars["NVDA"], keep)})
    assert f"session {US[10]}: 3 of 26 bars, not estimated on" in result.pairs["flags"][0]
    assert result.pairs["n_est"][0] == 24 and result.car["clock_m"].iloc[0] == 24
    day = result.sessions[result.sessions["bars"] == 3].iloc[0]
    assert day["reason"] == "too many empty bars" and day["role"] == ""


def test_bars_without_volume():
    bars = us({("NVDA", DAY * BARS + 6): 0.03})
    bare = {t: Bars(t, b.time, {k: v for k, v in b.columns.items() if k != "volume"}, b.freq) for t, b in bars.items()}
    result = run(bars=bare)
    volume = result.tests[result.tests["test"] == "abnormal_volume"]
    assert (volume["reason"] == "the bars have no volume").all() and result.intraday["volume"].isna().all()
    assert any("no volume" in n for n in result.notes) and result.car["clock_p"].iloc[1] == 1 / 26


def test_a_minute_study_on_a_share_with_a_third_of_its_bars_empty():
    rng = np.random.default_rng(5)
    bars = us(freq="1m")
    keep = rng.random(len(bars["NVDA"])) > 0.3
    spec = SPEC.but(freq="1m", windows=[(0, 119), (0, 0)])
    result = run(bars={**bars, "NVDA": dropped(bars["NVDA"], keep)}, spec=spec)
    assert "30% of the estimation bars are empty: jump tests do not apply" in result.pairs["flags"][0]
    head = result.tests[result.tests["window_end"] == 119].set_index("test")
    assert head.loc["bns", "reason"] == "too many empty bars" and "20% empty" in head.loc["lee_mykland", "reason"]
    assert head.loc["same_clock", "status"] == "ok" and head.loc["same_clock", "n"] == 25
    assert not result.checks.set_index("check").loc["empty_bars", "passed"]
    coarser = run(bars={**bars, "NVDA": dropped(bars["NVDA"], keep)}, spec=SPEC)
    assert "empty" not in coarser.pairs["flags"][0] and any("made of bars of 1m" in n for n in coarser.notes)


def test_a_halt_at_the_news_moves_bar_zero_to_the_resumption():
    bars = us({("NVDA", DAY * BARS + 12): 0.08})
    keep = np.ones(len(bars["NVDA"]), bool)
    keep[DAY * BARS + 6 : DAY * BARS + 12] = False
    result = run("11:05:00", bars={**bars, "NVDA": dropped(bars["NVDA"], keep)})
    assert result.jump["event_clock"][0] == "12:30" and "halted at the news" in result.pairs["flags"][0]
    assert result.abnormal_returns.set_index("offset").loc[0, "ar"] == pytest.approx(np.log(1.08), abs=0.03)
    kept = run("11:05:00", bars={**bars, "NVDA": dropped(bars["NVDA"], keep)}, spec=SPEC.but(halt="keep"))
    assert kept.jump["event_clock"][0] == "11:00" and "no trade in the event bar" in kept.pairs["flags"][0]
    assert kept.checks.set_index("check").loc["halts", "passed"] is not True


def test_events_beyond_the_bars_are_excluded_with_the_reason():
    late = pd.DataFrame(
        {"event_id": ["a", "b"], "ticker": ["NVDA", "NVDA"], "at": ["2026-07-01T11:00-04:00", "2026-03-02T11:00-05:00"]}
    )
    result = ab.run(late, HeldPrices(us(), "bars"), SPEC, catalogue=False)
    reasons = result.excluded.set_index("event_id")["reason"]
    assert "event after the last bar" in reasons["a"] and "event before the first bar" in reasons["b"]
    assert (
        result.verdict.label == "cannot say" and len(result.intraday) == 0 and json.loads(result.to_json())["car"] == []
    )
    assert "fetch NVDA --freq 15m" in result.excluded.set_index("event_id").loc["a", "remedy"]


def test_too_little_before_the_event_is_said():
    early = pd.DataFrame({"event_id": ["a"], "ticker": ["NVDA"], "at": [f"{US[0]}T11:00-04:00"]})
    result = ab.run(early, HeldPrices(us(), "bars"), SPEC, catalogue=False)
    assert "0 returns in 0 estimation sessions" in result.excluded["reason"][0]
    few = pd.DataFrame({"event_id": ["a"], "ticker": ["NVDA"], "at": [f"{US[8]}T11:00-04:00"]})
    result = ab.run(few, HeldPrices(us(), "bars"), SPEC, catalogue=False)
    assert result.verdict.label == "cannot say" and "8 comparable windows" in result.verdict.sentence
    assert "estimation window cut: 8 of 25" in result.pairs["flags"][0] and "daily pattern" in result.pairs["flags"][0]
    assert np.isnan(result.car["se"].iloc[0]) and result.car["clock_p"].iloc[0] >= 1 / 9


@pytest.mark.parametrize("change, words", [
    ({"returns": "simple"}, 'returns = "log"'), ({"currency": "USD"}, 'currency = "local"'),
    ({"calendar": "panel"}, "MIC"), ({"industry": "AMD"}, "industry"), ({"confounders": "drop"}, '"flag" or "dummy"'),
])  # fmt: skip
def test_what_bars_cannot_do_is_refused_with_what_to_type(change, words):
    with pytest.raises(RequestError, match=words):
        run(spec=SPEC.but(**change))


def test_daily_frames_and_daily_prices_are_refused():
    series = pd.Series([0.01, 0.02], index=pd.to_datetime(["2026-05-11", "2026-05-12"]))
    with pytest.raises(RequestError, match="name tickers whose bars"):
        ab.run(at("11:00"), HeldPrices(us(), "bars"), SPEC.but(benchmark=None), benchmark=series, catalogue=False)
    daily = synthetic_bars(["NVDA"], US, market="SPY")
    with pytest.raises(RequestError, match='freq="1d"'):
        ab.run(at("11:00"), HeldPrices(daily, "daily"), SPEC, catalogue=False)


def test_bars_that_do_not_exist_are_a_line_to_type(tmp_path):
    with pytest.raises(NotInStore, match="abnormal fetch NVDA --freq 15m"):
        ab.run(at("11:00"), PriceStore(tmp_path), SPEC, catalogue=False)


def test_times_of_the_exchange_written_as_utc():
    shifted = {t: Bars(t, b.time - np.timedelta64(4, "h"), dict(b.columns), b.freq) for t, b in us().items()}
    with pytest.raises(BadData, match="times of America/New_York written as UTC"):
        run(bars=shifted)


def test_daily_only_parts_say_that_they_are_for_daily_studies(study):
    for call in (study.specs, lambda: study.regress("car ~ 1"), lambda: study.by("role")):
        with pytest.raises(RequestError, match='freq="1d"'):
            call()


# ------------------------------------------------------------------------------------------------ many pairs, confounders


def test_many_pairs_are_studied_in_blocks_and_in_their_order(monkeypatch):
    from abnormal import intraday_case

    rng = np.random.default_rng(6)
    bars = us()
    days = rng.integers(21, 33, 12)
    events = pd.DataFrame({
        "event_id": [f"e{i}" for i in range(12)], "ticker": ["NVDA", "AMD"] * 6, "at": [f"{US[d]}T10:40-04:00" for d in days],
    })  # fmt: skip
    spec = SPEC.but(estimation=(-20, -1))
    whole = ab.run(events, HeldPrices(bars, "bars"), spec, catalogue=False)
    monkeypatch.setattr(intraday_case, "BLOCK", 1)
    single = ab.run(events, HeldPrices(bars, "bars"), spec, catalogue=False)
    pd.testing.assert_frame_equal(whole.car, single.car, rtol=1e-10)
    assert whole.pairs["event_id"].tolist() == events["event_id"].tolist()
    assert whole.caar["n"].iloc[0] == 12 and whole.caar["clock_m"].iloc[0] == 20
    assert whole.caar["caar"].iloc[0] == pytest.approx(whole.car[whole.car["window_end"] == 7]["car"].mean())


def test_other_news_of_the_session_is_named_and_can_be_left_out():
    rows = [
        {"event_id": "news", "ticker": "NVDA", "at": f"{US[DAY]}T11:00-04:00", "status": "verified"},
        {"event_id": "other", "ticker": "NVDA", "at": f"{US[DAY]}T14:00-04:00", "title": "A rival's news", "status": "verified"},
        {"event_id": "past", "ticker": "NVDA", "at": f"{US[DAY - 8]}T14:00-04:00", "title": "Old news", "status": "verified"},
    ]  # fmt: skip
    events = ab.load_events(pd.DataFrame(rows))
    prices = HeldPrices(us({("NVDA", DAY * BARS + 6): 0.03}), "bars")
    result = ab.run(events["news"], prices, SPEC)
    own = result.confounders[result.confounders["other_id"].isin(["other", "past"])]
    assert own["same_session"].tolist().count(True) == 1 and "A rival's news" in result.verdict.sentence
    assert own["in_estimation"].tolist().count(True) == 1
    without = ab.run(events["news"], prices, SPEC.but(confounders="dummy"))
    assert without.pairs["n_est"][0] <= result.pairs["n_est"][0] - 3


# ------------------------------------------------------------------------------------------------ activity in daily studies


def test_range_and_volume_tests_run_on_daily_bars_when_asked_for():
    daily = synthetic_bars(["NVDA"], 200, market="SPY", seed=2)
    row = 160
    for name, factor in (("high", 1.08), ("volume", 6.0)):
        daily["NVDA"].columns[name][row] *= factor
    events = pd.DataFrame({"ticker": ["NVDA"], "date": [str(daily["NVDA"].time[row])]})
    spec = ab.StudySpec(
        benchmark="SPY", estimation=(-120, -11), windows=[(0, 0), (0, 2)],
        tests=["t_car", "range_variance", "abnormal_volume", "abnormal_volume:sq", "same_clock"],
    )  # fmt: skip
    result = ab.run(events, HeldPrices(daily, "daily"), spec, catalogue=False)
    day = result.tests[result.tests["window_end"] == 0].set_index("test")
    assert day.loc["range_variance", "p"] < 0.01 and (day.loc["abnormal_volume", "p"] < 0.02).all()
    assert 'freq = "5m"' in day.loc["same_clock", "reason"]


# ------------------------------------------------------------------------------------------------ look-back


def test_what_is_about_to_fall_out_of_the_look_back(tmp_path):
    store = PriceStore(tmp_path)
    for bars in us().values():
        store.write(bars, "a vendor")
    last = dt.date.fromisoformat(str(US[-1]))
    assert about_to_expire(store, last + dt.timedelta(days=30)) == []
    soon = about_to_expire(store, last + dt.timedelta(days=50))
    assert [(x.ticker, x.days_left) for x in soon] == [("AMD", 11), ("NVDA", 11), ("SPY", 11)]
    assert soon[0].line == "abnormal fetch AMD --freq 15m" and soon[0].answered_until == last
    assert about_to_expire(store, last + dt.timedelta(days=61))[0].days_left == 0
