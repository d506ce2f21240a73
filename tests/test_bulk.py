"""Very many pairs: the bulk path answers what the usual path answers, in the same tables, or hands the study back."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.bulk import run_bulk
from abnormal.request import settle
from abnormal.result import FRAMES, StudyResult
from abnormal.study import run_request

SECURITIES, SESSIONS, FIRST, LAST = 14, 330, 150, 318
DATES = pd.bdate_range("2015-01-05", periods=SESSIONS)
TESTS = (
    "t_car", "t_xs", "patell", "bmp", "kp_bmp", "kp_patell", "corrado_zivney", "sign", "gen_sign",
    "gen_sign:pooled", "patell:wrds", "bmp:fec_none", "corrado_zivney:centred",
)  # fmt: skip
SPEC = ab.StudySpec(
    model="market", benchmark="MKT", windows=[(-1, 1), (0, 0), (-3, 3)], tests=TESTS, estimation=(-130, -11)
)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path begins at 50 pairs, so that the usual one can still be held against it."""
    monkeypatch.setattr("abnormal.bulk.flow.LIMIT", 50)
    monkeypatch.setattr("abnormal.bulk.asked.DEFAULT_LIMIT", 70)


@functools.cache
def frame(gaps: bool) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    market, common = rng.normal(0, 0.01, SESSIONS), rng.normal(0, 0.006, SESSIONS)
    returns = (
        market * rng.uniform(0.5, 1.5, (SECURITIES, 1)) + common + 0.015 * rng.standard_t(4, (SECURITIES, SESSIONS))
    )
    if gaps:
        returns[3, 140:165] = np.nan  # a halt
        returns[7, ::37] = np.nan  # thin trading
        returns[5, :210] = np.nan  # listed late
        returns[9, 280:] = np.nan  # delisted
        returns[11] = 1.3 * market  # an exact fit
        returns[12, 120] = 5.0
        returns[13, 250:252] = np.nan
    out = pd.DataFrame(returns.T, index=DATES, columns=[f"S{i:02d}" for i in range(SECURITIES)])
    out["MKT"] = market
    return out


@functools.cache
def events(gaps: bool, count: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    cell = rng.choice(SECURITIES * (LAST - FIRST), count, replace=False)
    security, position = cell // (LAST - FIRST), FIRST + cell % (LAST - FIRST)
    out = pd.DataFrame({"ticker": [f"S{i:02d}" for i in security], "date": DATES[position]})
    if gaps:
        out.loc[5, "date"] = pd.Timestamp("2010-01-04")  # before the panel
        out.loc[6, "date"] = DATES[200] + pd.Timedelta(days=(5 - DATES[200].weekday()) % 7)  # a Saturday
        out.loc[7] = out.loc[8]  # the same twice
        out.loc[9, "date"] = pd.Timestamp("2030-01-04")
        out.loc[10] = ["S05", DATES[100]]  # before its listing
        out.loc[11] = ["S09", DATES[300]]  # after its last price
        out.loc[12] = ["S13", DATES[250]]  # halted on day 0
    return out


def usual(rows: Any, prices: Any, spec: ab.StudySpec, **given: Any) -> StudyResult:
    return run_request(settle(rows, prices, spec, catalogue=False, **given))


def bulk(rows: Any, prices: Any, spec: ab.StudySpec, **given: Any) -> StudyResult:
    found = run_bulk(rows, prices, spec, **given)
    assert found is not None
    return found


def equal_frames(a: pd.DataFrame, b: pd.DataFrame, name: str) -> None:
    """The same columns, keys and texts; numbers to 1e-10."""
    assert list(a.columns) == list(b.columns), name
    assert len(a) == len(b), name
    for column in a.columns:
        left, right = a[column].to_numpy(), b[column].to_numpy()
        if all(isinstance(v, (int, float, np.number)) for v in (*left[:1], *right[:1])) and left.dtype.kind in "fiu":
            np.testing.assert_allclose(
                left.astype(float), right.astype(float), rtol=1e-9, atol=1e-12, err_msg=f"{name}.{column}"
            )
        elif left.dtype.kind == "M" or right.dtype.kind == "M":
            same = pd.to_datetime(pd.Series(left)).to_numpy() == pd.to_datetime(pd.Series(right)).to_numpy()
            assert (same | (pd.isna(left) & pd.isna(right))).all(), f"{name}.{column}"
        else:
            assert [str(v) for v in left] == [str(v) for v in right], f"{name}.{column}"


NUMBERS = ("pairs", "car", "aar", "caar", "tests", "abnormal_returns")


@pytest.mark.parametrize(
    ("model", "gaps"), [("market", True), ("auto", False), ("mean", True), ("market_adjusted", True)]
)
def test_every_table_is_that_of_the_usual_path(model: str, gaps: bool) -> None:
    spec, prices = SPEC.but(model=model), ab.Returns(frame(gaps))
    a, b = bulk(events(gaps), prices, spec), usual(events(gaps), prices, spec)
    assert a.pairs["contam_est"].isna().all()  # not looked up is not none found
    for name in NUMBERS:
        skip = ["contam_est"] if name == "pairs" else []
        equal_frames(getattr(a, name).drop(columns=skip), getattr(b, name).drop(columns=skip), name)
    for name in FRAMES:
        assert list(getattr(a, name).columns) == list(getattr(b, name).columns), name
    keys = ["stage", "event_id"]
    equal_frames(
        a.excluded.sort_values(keys, ignore_index=True), b.excluded.sort_values(keys, ignore_index=True), "excluded"
    )
    assert bool(len(a.excluded)) == gaps
    for field in ("label", "row", "headline", "window"):
        assert getattr(a.verdict, field) == getattr(b.verdict, field)
    for field in ("p", "n", "estimate", "mde"):
        assert getattr(a.verdict, field) == pytest.approx(getattr(b.verdict, field), rel=1e-9)
    assert a.verdict.interval == pytest.approx(b.verdict.interval, rel=1e-9)
    assert a.verdict.sentence == b.verdict.sentence
    assert "90 pairs: 90" in a.notes[0] if not gaps else "pair by pair" in a.notes[0]


def test_factor_models_and_prices_as_a_frame() -> None:
    """Price levels go through the usual reader; factors are given as a frame, with a riskless rate."""
    rng = np.random.default_rng(5)
    factors = pd.DataFrame(rng.normal(0, 0.01, (SESSIONS, 3)), index=DATES, columns=["MKT", "SMB", "HML"])
    factors["RF"] = 1e-4
    levels = 100 * (1 + frame(True).fillna(0.0)).cumprod().where(frame(True).notna())
    spec = SPEC.but(
        model="ff3", benchmark=None, tests=("bmp", "kp_bmp", "corrado_zivney", "gen_sign"), windows=[(-1, 1)]
    )
    a, b = (f(events(True), levels, spec, factors=factors) for f in (bulk, usual))
    for name in ("pairs", "car", "caar", "tests", "aar", "abnormal_returns"):
        # Closes are not kept for so many pairs, catalogues not looked up.
        skip = {"abnormal_returns": ["but_for"], "pairs": ["contam_est"]}.get(name, [])
        equal_frames(getattr(a, name).drop(columns=skip), getattr(b, name).drop(columns=skip), name)


def test_run_hands_over_and_prints() -> None:
    study = ab.run(events(False), ab.Returns(frame(False)), SPEC, catalogue=False)
    assert study.case is None and "batched kernel" in study.notes[0]
    assert "kp_bmp" in repr(study)
    assert study.to_json()


def test_sums_alone_without_a_row_a_pair() -> None:
    prices = ab.Returns(frame(True))
    whole = bulk(events(True), prices, SPEC)
    sums = bulk(events(True), prices, SPEC, per_pair=False)
    for name in ("tests", "aar", "caar"):
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(sums, name))
    for name in ("pairs", "car", "abnormal_returns"):
        assert getattr(sums, name).empty and list(getattr(sums, name).columns) == list(getattr(whole, name).columns)
    assert any("per_pair=True" in note for note in sums.notes)


def test_workers_and_order_of_the_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abnormal.kernel.batch_run.WORTH_A_WORKER", 1)
    prices, rows = ab.Returns(frame(True)), events(True)
    known = bulk(rows, prices, SPEC)
    for name in ("tests", "aar", "caar"):
        pd.testing.assert_frame_equal(getattr(known, name), getattr(bulk(rows, prices, SPEC, threads=2), name))
    mixed = rows.sample(frac=1.0, random_state=1)
    other = bulk(mixed, prices, SPEC)
    for name in ("tests", "aar", "caar"):
        pd.testing.assert_frame_equal(getattr(known, name), getattr(other, name))
    by_pair = [f.car.set_index(["ticker", "event_id", "window_start"]).sort_index()["t"] for f in (known, other)]
    np.testing.assert_array_equal(by_pair[0].to_numpy(), by_pair[1].to_numpy())


def test_default_tests_of_very_many_pairs_are_said() -> None:
    prices = ab.Returns(frame(False))
    spec = SPEC.but(tests="default")
    study = bulk(events(False), prices, spec)
    assert set(study.tests["test"]) == {t.partition(":")[0] for t in TESTS}
    assert any("default battery" in note for note in study.notes)
    assert run_bulk(events(False, 60), prices, spec) is None  # fewer: the whole battery of the usual path


def test_rows_in_other_shapes(tmp_path: Path) -> None:
    """Dates as texts, ids given, a CSV file, columns by another name: the same study."""
    prices, rows = ab.Returns(frame(False)), events(False)
    known = bulk(rows, prices, SPEC)
    texts = rows.assign(date=rows["date"].dt.strftime("%Y-%m-%d")).rename(columns={"ticker": "Symbol"})
    named = rows.assign(event_id=[f"e{i}" for i in range(len(rows))])
    path = tmp_path / "events.csv"
    rows.to_csv(path, index=False)
    for given in (texts, named, path, str(path)):
        pd.testing.assert_frame_equal(bulk(given, prices, SPEC).tests, known.tests)
    assert bulk(named, prices, SPEC).pairs["event_id"].tolist()[:2] == ["e0", "e1"]
    assert known.pairs["event_id"].iloc[0] == f"{rows['ticker'].iloc[0]}-{rows['date'].iloc[0].date()}"


def _handed_back() -> list[Any]:
    rows = events(False)
    many = {
        "a test it does not know": (rows, SPEC.but(tests=("bmp", "grank_t"))),
        "a variant it does not know": (rows, SPEC.but(tests=("patell:patell_sum",))),
        "a model it does not know": (rows, SPEC.but(model="huber")),
        "an estimation window of all sessions": (rows, SPEC.but(estimation="all")),
        "dummies for confounders": (rows, SPEC.but(confounders="dummy")),
        "robustness asked for": (rows, SPEC.but(robustness=("mean",))),
        "few rows": (rows.head(40), SPEC),
        "one date": (rows.assign(date=DATES[200]), SPEC),
        "characteristics": (rows.assign(size=1.0), SPEC),
        "clock times": (rows.assign(date=rows["date"] + pd.Timedelta(hours=9)), SPEC),
        "a missing date": (rows.assign(date=rows["date"].where(rows.index > 0)), SPEC),
        "a missing ticker": (rows.assign(ticker=rows["ticker"].where(rows.index > 0)), SPEC),
        "days that differ within an event": (rows.assign(event_id="one"), SPEC),
        "two lines of one company": (rows.assign(ticker=np.where(rows.index % 2, "9988.HK", "BABA")), SPEC),
        "a catalogue": (ab.load_events(), SPEC),
    }
    return [pytest.param(*v, id=k) for k, v in many.items()]


@pytest.mark.parametrize(("rows", "spec"), _handed_back())
def test_what_it_cannot_answer_is_handed_back(rows: Any, spec: ab.StudySpec) -> None:
    assert run_bulk(rows, ab.Returns(frame(False)), spec) is None


def test_prices_without_their_own_dates_are_handed_back(tmp_path: Path) -> None:
    assert run_bulk(events(False), ab.PriceStore(tmp_path), SPEC) is None
    assert run_bulk(events(False), None, SPEC) is None
    assert run_bulk(events(False), ab.Returns(frame(False)), SPEC.but(benchmark=None)) is None  # no regressor


def test_a_benchmark_that_is_the_share_itself() -> None:
    prices = ab.Returns(frame(False))
    spec = SPEC.but(benchmark="S03", tests=("bmp", "kp_bmp"), windows=[(0, 0)])
    a, b = bulk(events(False), prices, spec), usual(events(False), prices, spec)
    assert (a.excluded["stage"] == "benchmark").all() and len(a.excluded)
    equal_frames(a.excluded, b.excluded, "excluded")
    equal_frames(a.tests, b.tests, "tests")


def test_a_basket_and_a_series_as_benchmark() -> None:
    prices = ab.Returns(frame(False))
    market = frame(False)["MKT"]
    series = bulk(events(False), prices, SPEC.but(benchmark=None), benchmark=market)
    pd.testing.assert_frame_equal(series.tests, bulk(events(False), prices, SPEC).tests)
    basket = SPEC.but(benchmark=("MKT",), tests=("bmp",), windows=[(0, 0)])
    equal_frames(bulk(events(False), prices, basket).tests, usual(events(False), prices, basket).tests, "tests")
