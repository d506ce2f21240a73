"""Where day 0 is and what counts as one unit: lines of one company, confounders, price limits, currency, halts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
import worlds
from abnormal.domain import Bars
from abnormal.errors import DataMissing, RequestError
from abnormal.inputs.calendars import session_calendar
from abnormal.inputs.store import PriceStore
from abnormal.kernel import ols
from abnormal.placing import limit_of, locked_sessions
from worlds import DATES, SPEC

LONG = ab.StudySpec(model="market", estimation=(-120, -11), windows=[(0, 0)], draws=199)


def sessions(mic: str, first: str, count: int) -> np.ndarray:
    days = session_calendar(mic).sessions
    at = int(np.searchsorted(days, np.datetime64(first)))
    return days[at : at + count]


def path(rng: np.random.Generator, count: int) -> np.ndarray:
    return 100 * np.cumprod(1 + 0.01 * rng.standard_normal(count))


# ------------------------------------------------------------------------------------------------ one company, one unit


@pytest.fixture
def two_markets(tmp_path: Path) -> PriceStore:
    """Alibaba in Hong Kong and as an ADR, each with the index of its market, 180 sessions of 2025."""
    store = PriceStore(tmp_path / "two_markets", bundled=False)
    rng = np.random.default_rng(0)
    for ticker, mic in (("9988.HK", "XHKG"), ("0700.HK", "XHKG"), ("BABA", "XNYS"), ("NVDA", "XNYS")):
        time = sessions(mic, "2025-01-02", 180)
        close = path(rng, time.size)
        meta = {"source": "made up", "currency": "HKD" if mic == "XHKG" else "USD"}
        store.write(Bars(ticker, time, {"close": close, "volume": np.full(time.size, 1e6)}, "1d", meta))
    return store


def two_lines(at: str, store: PriceStore, **options: object) -> ab.StudyResult:
    events = pd.DataFrame({"event_id": "news", "ticker": ["9988.HK", "BABA"], "at": at})
    spec = ab.StudySpec(model="mean", estimation=(-120, -11), windows=[(0, 0)], draws=199, options=options)
    return ab.run(events, store, spec, catalogue=False)


@pytest.mark.parametrize(
    ("at", "first"),
    [
        ("2025-08-15T17:00:00-04:00", "9988.HK"),  # after the US close: Hong Kong opens first
        ("2025-08-14T11:00:00-04:00", "BABA"),  # in the US session, Hong Kong asleep
        ("2025-08-14T10:00:00+08:00", "9988.HK"),  # in the Hong Kong session
        ("2025-08-14T17:00:00+08:00", "BABA"),  # after the Hong Kong close: New York opens first
    ],
)
def test_two_lines_of_one_company_are_one_unit(two_markets: PriceStore, at: str, first: str) -> None:
    result = two_lines(at, two_markets)
    assert list(result.pairs.ticker) == [first]
    gone = result.excluded.iloc[0]
    assert gone.stage == "units" and f"{first} trades first after the news" in gone.reason
    assert gone.ticker != first and "Alibaba" in gone.reason and 'options={"lines": "all"}' in gone.remedy
    assert result.verdict.row == "single"


def test_the_named_primary_line_or_every_line(two_markets: PriceStore) -> None:
    at = "2025-08-15T17:00:00-04:00"
    named = two_lines(at, two_markets, primary="BABA")
    assert list(named.pairs.ticker) == ["BABA"] and "is the primary line" in named.excluded.iloc[0].reason
    assert len(two_lines(at, two_markets, lines="all").pairs) == 2


def test_a_halted_line_does_not_trade_first(tmp_path: Path, two_markets: PriceStore) -> None:
    halted = PriceStore(tmp_path / "halted", bundled=False)
    for ticker in ("9988.HK", "BABA"):
        bars = two_markets.bars(ticker)
        keep = (bars.time < np.datetime64("2025-08-18")) | (bars.time > np.datetime64("2025-08-20"))
        cut = bars if ticker == "BABA" else Bars(ticker, bars.time[keep], {k: v[keep] for k, v in bars.columns.items()})
        halted.write(Bars(ticker, cut.time, cut.columns, "1d", {"source": "made up", "currency": "USD"}))
    assert list(two_lines("2025-08-15T17:00:00-04:00", halted).pairs.ticker) == ["BABA"]


def test_lines_of_different_events_stay() -> None:
    ret, market = worlds.returns(2)
    assert len(worlds.run(ret, market, [200, 300]).pairs) == 2


# ------------------------------------------------------------------------------------------------ confounders


def other_events(rows: list[int], firms: list[int], **columns: object) -> pd.DataFrame:
    table = worlds.events(rows, firms)
    table["event_id"] = [f"other{i}" for i in range(len(rows))]
    return table.assign(title=[f"Other news {i}" for i in range(len(rows))], **columns)


def confounded(firms: int, rows: list[int], others: pd.DataFrame, spec: ab.StudySpec, seed: int = 0) -> ab.StudyResult:
    from abnormal.inputs.events import load_events

    ret, market = worlds.returns(firms, seed)
    return ab.run(
        worlds.events(rows), ab.Returns(worlds.frame(ret)), spec, benchmark=pd.Series(market, index=DATES),
        catalogue=load_events(others),
    )  # fmt: skip


SPREAD = [150 + 20 * i for i in range(10)]


def test_drop_leaves_out_confounded_pairs_of_large_samples() -> None:
    others = other_events([150, 171, 190], [0, 1, 5])  # same session; next session; another firm's news
    result = confounded(10, SPREAD, others, LONG.but(confounders="drop"))
    assert list(result.excluded.ticker) == ["F00"] and len(result.pairs) == 9
    assert "confounded by other0" in result.excluded.iloc[0].reason and "flag" in result.excluded.iloc[0].remedy
    wide = confounded(10, SPREAD, others, LONG.but(confounders="drop", windows=[(-1, 1)]))
    assert set(wide.excluded.ticker) == {"F00", "F01"}
    flagged = confounded(10, SPREAD, others, LONG)
    assert len(flagged.pairs) == 10 and set(flagged.confounders.treatment) == {"flag"}


def test_drop_keeps_small_samples_and_shows_them_with_and_without() -> None:
    others = other_events([150], [0])
    result = confounded(4, SPREAD[:4], others, LONG.but(confounders="drop"))
    assert len(result.pairs) == 4 and result.excluded.empty
    row = result.robustness.set_index("what").loc["confounded pairs removed"]
    clean = confounded(4, SPREAD[:4], others, LONG)
    cars = clean.car.set_index("ticker").car
    assert row.car == pytest.approx(cars[["F01", "F02", "F03"]].mean(), abs=1e-15)


def test_dummy_is_the_same_as_leaving_contaminated_rows_out() -> None:
    """A dummy a contaminated session: coefficients and s are those without the rows, M smaller, the estimate shown anyway."""
    others = other_events([250, 260], [0, 0])
    flag = confounded(1, [300], others, LONG)
    dummy = confounded(1, [300], others, LONG.but(confounders="dummy"))
    assert flag.pairs.n_est[0] == 110 and flag.pairs.contam_est[0] == 6
    assert dummy.pairs.n_est[0] == 104 and dummy.pairs.contam_est[0] == 0
    assert set(dummy.confounders.treatment) == {"dummy"}
    ret, market = worlds.returns(1)
    rows = np.arange(180, 290)
    mask = np.isin(rows, [249, 250, 251, 259, 260, 261])
    dummies = (rows[:, None] == rows[mask][None, :]).astype(float)
    x = np.column_stack([np.ones(110), market[rows], dummies])
    coef, rss, *_ = np.linalg.lstsq(x, ret[0, rows], rcond=None)
    assert dummy.pairs[["alpha", "beta"]].iloc[0].to_list() == pytest.approx(coef[:2].tolist(), abs=1e-12)
    assert dummy.pairs.sigma[0] ** 2 == pytest.approx(float(rss[0]) / (110 - 8), rel=1e-10)
    # Kept by default, and shown without them beside it, without a vote.
    shown = flag.robustness.set_index("what").loc["contaminated estimation days removed"]
    assert shown.car == pytest.approx(dummy.car.car[0], abs=1e-15) and shown.n_est == 104
    assert "contaminated" not in " ".join(flag.verdict.votes)


def test_split_gives_the_later_event_its_sessions() -> None:
    """Two events of one share two sessions apart: the joint regression with a dummy a session, shared out by day 0."""
    ret, market = worlds.returns(1)
    table = worlds.events([300, 302], [0, 0])
    spec = LONG.but(windows=[(0, 4)], confounders="split")
    result = ab.run(
        table, ab.Returns(worlds.frame(ret)), spec, benchmark=pd.Series(market, index=DATES), catalogue=False
    )
    car = result.car.set_index("event_id")
    assert car.loc["e300", "n_obs"] == 2 and car.loc["e302", "n_obs"] == 5
    assert "belong to a later event of the share" in result.pairs.set_index("event_id").loc["e300", "flags"]
    # Joint regression over estimation rows and sessions 300..306 with a dummy for each of these.
    rows = np.concatenate([np.arange(180, 290), np.arange(300, 307)])
    dummies = (rows[:, None] == np.arange(300, 307)[None, :]).astype(float)
    x = np.column_stack([np.ones(rows.size), market[rows], dummies])
    own = ols.least_squares(ret[:1, rows], x[None], np.ones((1, rows.size), bool)).coef[0]
    assert car.loc["e300", "car"] == pytest.approx(own[2:4].sum(), abs=1e-12)
    # The later event is estimated on its own window, two sessions later.
    later = worlds.run(ret, market, [302], LONG.but(windows=[(0, 4)])).car.car[0]
    assert car.loc["e302", "car"] == pytest.approx(later, abs=1e-15)


def test_split_of_one_session_identifies_only_the_sum() -> None:
    others = other_events([300], [0])
    result = confounded(1, [300], others, LONG.but(confounders="split"))
    assert "only the sum is identified" in result.pairs["flags"][0]
    assert "cannot be separated from Other news 0" in result.verdict.sentence


def test_split_hands_over_to_catalogue_events_too() -> None:
    result = confounded(1, [300], other_events([303], [0]), LONG.but(confounders="split", windows=[(0, 4), (0, 0)]))
    car = result.car.set_index("window_end")
    assert car.loc[4, "n_obs"] == 3 and car.loc[0, "n_obs"] == 1


def test_outcomes_other_shares_and_unverified_records_do_not_confound() -> None:
    others = pd.concat(
        [
            other_events([300], [0], kind="market_event", event_id="outcome"),
            other_events([300], [1], event_id="elsewhere"),
            other_events([300], [0], status="unverified", event_id="rumour"),
            other_events([300], [1], market_wide=True, event_id="rates"),
        ]
    )
    result = confounded(1, [300], others, LONG)
    assert list(result.confounders.other_id) == ["rates"]
    excluded = confounded(1, [300], others, LONG.but(exclude=["rates"]))
    assert excluded.confounders.empty


# ------------------------------------------------------------------------------------------------ price limits


@pytest.mark.parametrize(
    ("key", "ticker", "limit"),
    [
        ("XSHG", "600519.SS", 0.10), ("XSHG", "688981.SS", 0.20), ("XSHG", "300750.SZ", 0.20), ("XSHG", "000001.SZ", 0.10),
        ("XKRX", "000660.KS", 0.30), ("XTAI", "2330.TW", 0.10), ("XHKG", "2513.HK", None), ("XNYS", "NVDA", None),
    ],
)  # fmt: skip
def test_limits_by_exchange_and_board(key: str, ticker: str, limit: float | None) -> None:
    assert limit_of(key, ticker) == limit


def test_run_of_locked_closes() -> None:
    assert locked_sessions(np.array([0.0999, 0.1001, 0.03, 0.1]), 0.10) == 2
    assert locked_sessions(np.array([0.0999, -0.1]), 0.10) == 1
    assert locked_sessions(np.array([0.05, 0.1]), 0.10) == 0
    assert locked_sessions(np.array([0.1, 0.1]), 0.10) == 2
    assert locked_sessions(np.array([0.1]), None) == 0 and locked_sessions(np.empty(0), 0.1) == 0


@pytest.fixture
def shanghai(tmp_path: Path) -> PriceStore:
    """A share that closes at the 10% limit on two sessions and 4% higher on the third."""
    rng = np.random.default_rng(1)
    time = sessions("XSHG", "2025-01-02", 180)
    at = int(np.searchsorted(time, np.datetime64("2025-08-18")))
    ret = 0.01 * rng.standard_normal(time.size)
    ret[at : at + 3] = [0.1, 0.0999, 0.04]
    store = PriceStore(tmp_path / "shanghai", bundled=False)
    meta = {"source": "made up", "currency": "CNY"}
    store.write(Bars("600519.SS", time, {"close": 100 * np.cumprod(1 + ret)}, "1d", meta))
    store.write(Bars("601398.SS", time, {"close": path(rng, time.size)}, "1d", meta))
    return store


@pytest.mark.parametrize("kind", ["simple", "log"])
def test_a_locked_close_widens_the_window_and_is_a_bound(shanghai: PriceStore, kind: str) -> None:
    events = pd.DataFrame({"event_id": ["news"], "ticker": ["600519.SS"], "date": ["2025-08-18"]})
    spec = ab.StudySpec(model="market", estimation=(-120, -11), benchmark="601398.SS", returns=kind, draws=199)
    result = ab.run(events, shanghai, spec, catalogue=False)
    assert "closed at the price limit for 2 session(s)" in result.pairs["flags"][0]
    assert result.verdict.window == (0, 2)  # to the first session that does not close at the limit
    stated = ab.run(events, shanghai, spec.but(windows=[(0, 0)]), catalogue=False)
    assert stated.verdict.window == (0, 0) and (2 in set(stated.car.window_end))
    assert any("window (0, 2) added: closed at the price limit" in n for n in stated.notes)


# ------------------------------------------------------------------------------------------------ currency


@pytest.fixture
def hong_kong(tmp_path: Path) -> PriceStore:
    rng = np.random.default_rng(2)
    time = sessions("XHKG", "2025-01-02", 180)
    store = PriceStore(tmp_path / "hong_kong", bundled=False)
    for ticker in ("9988.HK", "0700.HK"):
        store.write(Bars(ticker, time, {"close": path(rng, time.size)}, "1d", {"source": "made up", "currency": "HKD"}))
    rate = 7.8 * np.cumprod(1 + 0.001 * rng.standard_normal(time.size))
    keep = np.arange(time.size) % 7 != 3  # a day without a quote takes the latest before it
    store.write(Bars("HKD=X", time[keep], {"close": rate[keep]}, "1d", {"source": "made up"}))
    return store


def test_usd_returns_convert_share_and_benchmark(hong_kong: PriceStore) -> None:
    events = pd.DataFrame({"event_id": ["news"], "ticker": ["9988.HK"], "date": ["2025-08-18"]})
    spec = ab.StudySpec(model="market", estimation=(-120, -11), benchmark="0700.HK", windows=[(0, 1)], draws=199)
    local, usd = (ab.run(events, hong_kong, spec.but(currency=c), catalogue=False) for c in ("local", "USD"))
    time = hong_kong.bars("9988.HK").time
    quote = hong_kong.bars("HKD=X")
    rate = quote.get("close")[np.searchsorted(quote.time, time, side="right") - 1]
    prices = {t: hong_kong.bars(t).get("close") / rate for t in ("9988.HK", "0700.HK")}
    ret = {t: p[1:] / p[:-1] - 1 for t, p in prices.items()}
    day0 = int(np.searchsorted(time, np.datetime64("2025-08-18"))) - 1
    est, ev = slice(day0 - 120, day0 - 10), slice(day0, day0 + 2)
    x = np.column_stack([np.ones(110), ret["0700.HK"][est]])
    b = np.linalg.lstsq(x, ret["9988.HK"][est], rcond=None)[0]
    want = (ret["9988.HK"][ev] - b[0] - b[1] * ret["0700.HK"][ev]).sum()
    assert usd.car.car[0] == pytest.approx(want, abs=1e-12)
    assert usd.car.car[0] != pytest.approx(local.car.car[0], abs=1e-5)


def test_usd_needs_quotes_and_prices(two_markets: PriceStore, hong_kong: PriceStore) -> None:
    events = pd.DataFrame({"event_id": ["news"], "ticker": ["9988.HK"], "date": ["2025-08-18"]})
    spec = ab.StudySpec(model="mean", estimation=(-120, -11), windows=[(0, 0)], currency="USD")
    with pytest.raises(DataMissing, match="HKD=X"):
        ab.run(events, two_markets, spec, catalogue=False)
    ret, _ = worlds.returns(1)
    frame = worlds.frame(ret).rename(columns={"F00": "9988.HK"})
    mine = pd.DataFrame({"event_id": ["e"], "ticker": ["9988.HK"], "date": [DATES[300].date().isoformat()]})
    with pytest.raises(RequestError, match="returns cannot be converted"):
        ab.run(mine, ab.Returns(frame), spec, catalogue=False)


def test_us_shares_are_in_usd_already(two_markets: PriceStore) -> None:
    events = pd.DataFrame({"event_id": ["news"], "ticker": ["BABA"], "date": ["2025-08-18"]})
    spec = ab.StudySpec(model="mean", estimation=(-120, -11), windows=[(0, 0)], draws=199)
    one, two = (ab.run(events, two_markets, spec.but(currency=c), catalogue=False) for c in ("local", "USD"))
    assert one.car.car[0] == two.car.car[0]


# ------------------------------------------------------------------------------------------------ halts


def halted_prices() -> tuple[pd.DataFrame, pd.Series, np.ndarray, np.ndarray]:
    """A share without a trade on sessions 300 and 301, and its market."""
    ret, market = worlds.returns(1)
    price = 100 * np.cumprod(1 + ret[0])
    frame = pd.DataFrame({"F00": np.where(np.isin(np.arange(DATES.size), [300, 301]), np.nan, price)}, index=DATES)
    return frame, pd.Series(market, index=DATES), price, market


def test_day_0_moves_to_the_resumption() -> None:
    frame, series, price, market = halted_prices()
    result = ab.run(worlds.events([300]), frame, SPEC.but(windows=[(0, 0)]), benchmark=series, catalogue=False)
    assert result.pairs.session[0] == np.datetime64(DATES[302], "D")
    assert (
        "halted on" in result.pairs["flags"][0] and "3-session return in the event window" in result.pairs["flags"][0]
    )
    # The return over three sessions against alpha and market of three sessions.
    rows = np.arange(302 - 250, 302 - 10)
    ret = price[1:] / price[:-1] - 1
    good = rows[~np.isin(rows, [300, 301, 302])]
    b = np.linalg.lstsq(np.column_stack([np.ones(good.size), market[good]]), ret[good - 1], rcond=None)[0]
    over = price[302] / price[299] - 1
    compounded = np.prod(1 + market[300:303]) - 1
    assert result.car.car[0] == pytest.approx(over - 3 * b[0] - b[1] * compounded, abs=1e-12)


def test_halt_keep_counts_from_the_event_session() -> None:
    frame, series, *_ = halted_prices()
    spec = SPEC.but(windows=[(0, 3), (0, 0)], halt="keep")
    result = ab.run(worlds.events([300]), frame, spec, benchmark=series, catalogue=False)
    assert result.pairs.session[0] == np.datetime64(DATES[300], "D")
    car = result.car.set_index("window_end")
    assert car.loc[3, "n_obs"] == 2 and car.loc[0, "n_obs"] == 0 and np.isnan(car.loc[0, "car"])
    assert "2 of 4 returns missing in (0, 3)" in result.pairs["flags"][0]


def test_no_trade_after_the_event_is_an_exclusion() -> None:
    ret, market = worlds.returns(2)
    frame = worlds.frame(100 * np.cumprod(1 + ret, axis=1))
    frame.loc[DATES[300] :, "F00"] = np.nan
    result = ab.run(worlds.events([300, 300]), frame, SPEC, benchmark=pd.Series(market, index=DATES), catalogue=False)
    assert list(result.pairs.ticker) == ["F01"]
    assert "event after the last price" in result.excluded.iloc[0].reason
