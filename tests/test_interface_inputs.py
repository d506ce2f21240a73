"""What INTERFACE promises of events, prices, benchmarks and factors handed over by a stranger."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import abnormal as ab
from abnormal.domain import Event, Link
from abnormal.errors import EventError, RequestError, UnknownName
from abnormal.inputs.events import check_events

DAYS = pd.bdate_range("2024-01-02", periods=220)
RNG = np.random.default_rng(7)
MARKET = 0.01 * RNG.standard_normal(DAYS.size)
RETURNS = pd.DataFrame(
    {t: MARKET + 0.02 * RNG.standard_normal(DAYS.size) for t in ("AAA", "BBB")} | {"MKT": MARKET}, index=DAYS
)
PRICES = 100 * (1 + RETURNS).cumprod()
SPEC = ab.StudySpec(model="market", benchmark="MKT", estimation=(-110, -11), windows=[(0, 0)], tests=["t_car", "sq"])
EVENT = pd.DataFrame({"ticker": ["AAA"], "date": [DAYS[160]]})


def long(prices, **columns):
    rows = prices.stack().rename("close").reset_index()
    return rows.set_axis(["date", "ticker", "close"], axis=1).assign(**columns)


# ------------------------------------------------------------------------------------------------ prices


def test_returns_given_as_such_pass_to_the_last_digit():
    given = RETURNS.round(5)
    study = ab.run(EVENT, ab.Returns(given), SPEC, catalogue=False)
    assert study.abnormal_returns.ret.tolist() == [given.AAA.iloc[160]]


def test_each_ticker_takes_the_first_price_it_has():
    adjusted = long(PRICES[["AAA"]]).rename(columns={"close": "adj_close"})
    both = pd.concat([adjusted, long(PRICES[["MKT"]])])
    study = ab.run(EVENT, both, SPEC, catalogue=False)
    reference = ab.run(EVENT, PRICES, SPEC, catalogue=False)
    assert study.car.car.tolist() == reference.car.car.tolist()
    assert study.manifest["data"]["AAA"]["basis"] == "adjusted"
    assert study.notes == ("MKT: price return (no dividends)",)


def test_what_was_read_in_an_unusual_way_is_said(tmp_path):
    PRICES.to_csv(tmp_path / "prices.csv", sep=";", index_label="date")
    study = ab.run(EVENT, tmp_path / "prices.csv", SPEC, catalogue=False)
    assert "prices: columns are separated by a semicolon" in study.notes
    assert study.notes[0] == "AAA, MKT: price return (no dividends)"


def test_returns_in_percent_are_said():
    study = ab.run(EVENT, ab.Returns(100 * RETURNS), SPEC, catalogue=False)
    assert any("decimal fractions are expected" in n for n in study.notes)


@pytest.mark.parametrize(
    "series, says", [(100 * RETURNS.MKT, "percent"), (PRICES.MKT, "prices; give series.pct_change")]
)
def test_a_benchmark_that_cannot_be_decimal_returns_is_refused(series, says):
    with pytest.raises(RequestError, match=says):
        ab.run(EVENT, PRICES, SPEC.but(benchmark=None), benchmark=series, catalogue=False)


def test_a_file_with_names_only_is_told_by_line(tmp_path):
    (tmp_path / "prices.csv").write_text("date,AAA,MKT\n")
    with pytest.raises(RequestError, match=r"prices\.csv:1: there are column names but no rows"):
        ab.run(EVENT, tmp_path / "prices.csv", SPEC, catalogue=False)


# ------------------------------------------------------------------------------------------------ factors


def french(columns):
    lines = ["made up", "", "," + ",".join(columns)]
    for day, row in zip(DAYS, np.column_stack(list(columns.values()))):
        lines.append(f"{day:%Y%m%d}," + ",".join(f"{100 * v:.6f}" for v in row))
    return "\n".join(lines) + "\n"


def test_a_library_file_in_percent_is_said_and_its_digest_kept(tmp_path):
    rf = np.full(DAYS.size, 0.0001)
    small = 0.005 * np.random.default_rng(1).standard_normal((DAYS.size, 3))
    three = {"Mkt-RF": MARKET - rf, "SMB": small[:, 0], "HML": small[:, 1], "RF": rf}
    (tmp_path / "three.csv").write_text(french(three))
    (tmp_path / "mom.csv").write_text(french({"Mom": small[:, 2]}))
    spec = SPEC.but(model="ff3", benchmark=None)
    study = ab.run(EVENT, PRICES, spec, factors=tmp_path / "three.csv", catalogue=False)
    assert "factors: numbers are percent and were divided by 100" in study.notes
    frame = pd.DataFrame(three, index=DAYS)
    other = ab.run(EVENT, PRICES, spec, factors=frame.assign(RF=0.0002), catalogue=False)
    assert study.manifest["frames"]["factors"] != other.manifest["frames"]["factors"]
    decimal = ab.run(EVENT, PRICES, spec, factors=frame, catalogue=False)
    assert study.car.car.iloc[0] == pytest.approx(decimal.car.car.iloc[0], abs=1e-7)
    four = ab.run(EVENT, PRICES, spec.but(model="carhart4"), factors=[tmp_path / "three.csv", tmp_path / "mom.csv"])
    assert np.isfinite(four.pairs.beta_MOM.iloc[0])


def test_a_missing_riskless_rate_is_said():
    study = ab.run(EVENT, PRICES, SPEC.but(model="capm"), catalogue=False)
    assert "capm: no riskless rate (RF) was given; it counts as zero" in study.notes
    assert not any("riskless" in n for n in ab.run(EVENT, PRICES, SPEC, catalogue=False).notes)


# ------------------------------------------------------------------------------------------------ events

RECORD = """\
- id: {id}
  title: made up
  kind: {kind}
  date: "{date}"
  tickers: [{{ticker: AAA, role: target, sign: 1}}]
"""


def catalogue(tmp_path, *records, name="events.yaml"):
    path = tmp_path / name
    path.write_text("".join(records), encoding="utf-8")
    return path


def record(id, kind="other", day=160, **more):
    return RECORD.format(id=id, kind=kind, date=DAYS[day].date()) + "".join(f"  {k}: {v}\n" for k, v in more.items())


def test_a_kind_of_ones_own_is_taken_and_a_slip_is_not(tmp_path):
    own = catalogue(tmp_path, record("one", kind="merger", sources='["https://example.org/x"]', status="quoted"))
    assert ab.load_events(own).kind("merger").ids == ["one"]
    (problem,) = check_events(own)
    assert (problem.severity, problem.field) == ("warning", "kind")
    frame = ab.load_events(pd.DataFrame({"ticker": ["AAA"], "date": ["2024-05-07"], "kind": ["merger"]}))
    assert frame.events[0].kind == "merger"
    with pytest.raises(EventError, match='did you mean "tariff"'):
        ab.load_events(catalogue(tmp_path, record("one", kind="tarif")))


def test_an_unknown_kind_names_those_there_are():
    with pytest.raises(UnknownName, match=r"There are .*lockup_expiration"):
        ab.load_events().kind("lockup")


def test_unverified_events_of_a_file_enter_only_by_name(tmp_path):
    path = catalogue(tmp_path, record("sure", status="verified"), record("unsure", day=180, status="unverified"))
    study = ab.run(path, PRICES, SPEC, catalogue=False)
    assert study.pairs.event_id.tolist() == ["sure"]
    (left,) = study.excluded.to_dict("records")
    assert (left["event_id"], left["remedy"]) == ("unsure", 'events["unsure"]')
    named = ab.run(ab.load_events(path)["unsure"], PRICES, SPEC, catalogue=False)
    assert named.pairs.event_id.tolist() == ["unsure"]
    (tmp_path / "study.toml").write_text(
        'schema = 1\n[events]\nfile = "events.yaml"\n[prices]\nsource = "prices.csv"\n[benchmark]\ntickers = "MKT"\n'
        "[model]\nestimation = [-110, -11]\n[windows]\nheadline = [0, 0]\n"
    )
    PRICES.to_csv(tmp_path / "prices.csv", index_label="date")
    assert ab.run(tmp_path / "study.toml").pairs.event_id.tolist() == ["sure"]


def test_what_an_author_states_without_a_status_counts(tmp_path):
    path = catalogue(tmp_path, record("one"))
    assert ab.load_events(path).events[0].status == "quoted"
    assert ab.run(path, PRICES, SPEC, catalogue=False).pairs.event_id.tolist() == ["one"]
    own = [Event("mine", date=DAYS[160].date(), tickers=(Link("AAA"),))]
    assert ab.run(own, PRICES, SPEC, catalogue=False).pairs.event_id.tolist() == ["mine"]


def test_one_event_has_one_date_and_the_error_says_the_way_out():
    two = pd.DataFrame({"event_id": ["x", "x"], "ticker": ["AAA", "BBB"], "date": DAYS[[150, 160]]})
    with pytest.raises(EventError, match="give each its own event_id"):
        ab.run(two, PRICES, SPEC)


def test_an_event_without_a_title_goes_by_its_id():
    beside = pd.DataFrame({"event_id": ["a", "b"], "ticker": ["AAA", "AAA"], "date": DAYS[[160, 161]]})
    study = ab.run(beside, PRICES, SPEC.but(windows=[(-1, 1)]))
    assert set(study.confounders.title[study.confounders.other_id.isin(["a", "b"])]) == {"a", "b"}


# ------------------------------------------------------------------------------------------------ short histories


@pytest.mark.parametrize("row, model", [(20, "market"), (17, "market"), (17, "ff5"), (12, "market")])
def test_the_remedy_of_a_short_history_works(row, model):
    factors = pd.DataFrame(
        0.005 * np.random.default_rng(2).standard_normal((DAYS.size, 5)),
        index=DAYS,
        columns=["SMB", "HML", "RMW", "CMA", "RF"],
    )
    given = {"factors": factors.assign(**{"Mkt-RF": MARKET}), "catalogue": False}
    event = EVENT.assign(date=DAYS[row])
    spec = SPEC.but(model=model, estimation=(-60, -11))
    study = ab.run(event, ab.Returns(RETURNS), spec, **given)
    (left,) = study.excluded.to_dict("records")
    m = row - 10
    assert left["reason"].startswith(f"{m} returns in (-60, -11); model '{model}' needs 30")
    if m < 5:
        assert "study it later" in left["remedy"]
        return
    assert f"min_obs={m}" in left["remedy"] and "market_adjusted" in left["remedy"]
    assert len(ab.run(event, ab.Returns(RETURNS), spec.but(model="market_adjusted", min_obs=m), **given).pairs) == 1
    if "with this model" in left["remedy"]:
        assert len(ab.run(event, ab.Returns(RETURNS), spec.but(min_obs=m), **given).pairs) == 1
    else:
        with pytest.raises(RequestError, match="min_obs"):
            spec.but(min_obs=m)


def test_placebo_joint_answers_with_the_size_of_the_sum():
    events = pd.DataFrame({"ticker": ["AAA", "BBB"] * 2, "date": DAYS[[150, 150, 170, 170]]})
    for sign in (1, -1):
        frame = RETURNS.copy()
        frame.iloc[[150, 170], :2] = sign * 0.03
        spec = SPEC.but(tests=["placebo_joint"], draws=199)
        (answer,) = ab.run(events, ab.Returns(frame), spec, catalogue=False).tests.to_dict("records")
        assert answer["statistic"] > 0
        (one,) = ab.run(events, ab.Returns(frame), spec.but(alternative="less"), catalogue=False).tests.to_dict(
            "records"
        )
        assert np.sign(one["statistic"]) == sign


def test_days_are_dates():
    assert ab.load_events(EVENT).events[0].date == dt.date(2024, 8, 13)


# ------------------------------------------------------------------------------------------------ gaps of the benchmark


def test_a_missing_benchmark_is_not_called_a_missing_return():
    series = RETURNS.MKT.drop(index=DAYS[160])
    spec = SPEC.but(benchmark=None, windows=[(0, 0), (-1, 1)])
    study = ab.run(EVENT, ab.Returns(RETURNS[["AAA"]]), spec, benchmark=series, catalogue=False)
    (flags,) = study.pairs["flags"]
    assert flags == "no benchmark on 1 of 1 sessions in (0, 0); no benchmark on 1 of 3 sessions in (-1, 1)"
    assert study.verdict.label == "cannot say"
    gone = RETURNS.copy()
    gone.loc[DAYS[160], "AAA"] = np.nan
    (flags,) = ab.run(EVENT, ab.Returns(gone), SPEC.but(halt="keep"), catalogue=False).pairs["flags"]
    assert flags == "1 of 1 returns missing in (0, 0)"


def test_a_column_nobody_states_is_no_group():
    with pytest.raises(RequestError, match="no pair of this study states one"):
        ab.run(EVENT, PRICES, SPEC, catalogue=False).by("kind")
