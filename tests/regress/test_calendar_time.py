"""Calendar-time portfolios: the registered test, the long-horizon regression, the standardised form."""

import json

import numpy as np
import pandas as pd
import pytest
from regress_cases import case_of, clustered_events

import build
from abnormal import Returns, StudySpec
from abnormal.case import build as build_case
from abnormal.errors import RequestError, UnknownName
from abnormal.registry import TESTS
from abnormal.regress.calendar_time import calendar_time, standardised_calendar_time
from abnormal.request import settle
from twin import public
from twin import regression as twin

EXACT = {"rel": 1e-10}
GOLDEN = json.loads((build.GOLDEN / "calendar_time" / "case.json").read_text())


def dispersed(window=(0, 4)):
    data = build.public()["dispersed"]["data"]
    return build.study(
        build.matrix(data["ret"]), np.array(data["mkt"]), data["pos"], estimation=(-220, -21), span=window
    )  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: c["variant"])
def test_golden(case):
    got = dispersed().run("calendar_time", tuple(case["window"]), case["variant"])
    assert got.status == "ok"
    for name, expected in case["expect"].items():
        value = got.extra[name[6:]] if name.startswith("extra.") else getattr(got, name)
        assert value == pytest.approx(expected["value"], rel=GOLDEN["tolerance"]), name


def test_public_values(twenty):
    expected = build.public()["dispersed"]["tests_market_model"]["calendar_time_5"]
    got = calendar_time(twenty, 5)
    assert got.n == expected["n_days"]
    assert got.coef == pytest.approx([expected["alpha"], expected["beta"]], **EXACT)
    assert got.se[0] == pytest.approx(expected["se"], **EXACT)
    weighted = calendar_time(twenty, 5, cov="wls")
    assert weighted.coef[0] == pytest.approx(expected["wls_alpha"], **EXACT)
    assert weighted.se[0] == pytest.approx(expected["wls_se"], **EXACT)


@pytest.mark.parametrize("cov", ["ols", "HC1", "newey_west", "wls"])
def test_against_the_slow_twin(twenty, cov):
    data = public.dispersed()
    slow = twin.calendar_time(data["ret"], data["mkt"], data["pos"], 5, cov=cov)
    got = calendar_time(twenty, 5, cov=cov)
    assert got.coef == pytest.approx(slow["b"], **EXACT)
    assert got.se == pytest.approx(slow["se"], **EXACT)
    assert got.p == pytest.approx(slow["p"], **EXACT)
    test = dispersed().run("calendar_time", (0, 4), cov)
    assert (test.statistic, test.p) == pytest.approx((slow["t"][0], slow["p"][0]), **EXACT)


def test_the_registered_test_holds_each_pair_through_its_own_window():
    """(-1, +3) is the portfolio of day 0 one session earlier."""
    data = public.dispersed()
    slow = twin.calendar_time(data["ret"], data["mkt"], [p - 1 for p in data["pos"]], 5)
    got = dispersed((-1, 3)).run("calendar_time", (-1, 3))
    assert got.statistic == pytest.approx(slow["t"][0], **EXACT)


def test_min_firms_and_weights(twenty):
    data = public.dispersed()
    slow = twin.calendar_time(data["ret"], data["mkt"], data["pos"], 60, min_firms=5)
    got = calendar_time(twenty, 60, min_firms=5)
    assert got.n == slow["n_days"] and got.coef == pytest.approx(slow["b"], **EXACT)
    equal = calendar_time(twenty, 60, weights=dict.fromkeys((f"F{i}" for i in range(20)), 7.0))
    assert equal.coef == pytest.approx(calendar_time(twenty, 60).coef, **EXACT)
    one = calendar_time(twenty, 60, weights=pd.Series({"F3": 1.0}))
    assert one.n == 60 and one.facts["mean_firms"] == 1.0


@pytest.mark.parametrize(("model", "names"), [("capm", ["MKT"]), ("ff3", ["MKT", "SMB", "HML"])])
def test_factor_models_are_regressions_of_excess_returns(model, names):
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    t, n = 400, 6
    days = pd.bdate_range("2020-01-01", periods=t)
    factors = pd.DataFrame(0.01 * rng.standard_normal((t, 3)), index=days, columns=["MKT", "SMB", "HML"])
    factors["RF"] = 0.0001 + 0.00005 * rng.random(t)
    ret = factors.to_numpy()[:, :3] @ rng.standard_normal((3, n)) + 0.02 * rng.standard_normal((t, n))
    frame = pd.DataFrame(ret, index=days, columns=[f"F{i}" for i in range(n)])
    frame.index.name = "date"
    place = [260, 265, 300, 310, 320, 350]
    events = pd.DataFrame({"ticker": frame.columns, "date": days[place]})
    spec = StudySpec(model="ff3", estimation=(-250, -11), windows=[(0, 0)])
    case = build_case(settle(events, Returns(frame), spec, factors=factors, catalogue=False))
    got = calendar_time(case, 20, model=model)
    rows = {}
    for i, p in enumerate(place):
        for s in range(p, p + 20):
            rows.setdefault(s, []).append(ret[s, i])
    keep = sorted(rows)
    y = np.array([np.mean(rows[s]) for s in keep]) - factors["RF"].to_numpy()[keep]
    fit = sm.OLS(y, sm.add_constant(factors[names].to_numpy()[keep])).fit()
    assert got.names == ("alpha", *names)
    assert got.coef == pytest.approx(fit.params, rel=1e-9)
    assert got.se == pytest.approx(fit.bse, rel=1e-9)
    assert calendar_time(case, 20, model="ff6").reason.startswith("model 'ff6' needs the factors RMW, CMA, MOM")
    test = TESTS.get("calendar_time")
    from abnormal.domain import TestOptions

    one_day = calendar_time(case, 1, model="capm")
    assert test(case.ar, (0, 0), TestOptions(variant="ols")).statistic == pytest.approx(one_day.statistic[0], rel=1e-9)


def test_standardised_form_against_the_twin(twenty):
    data = public.dispersed()
    expected = np.column_stack([twenty.ar.coef[i, 0] + twenty.ar.coef[i, 1] * data["mkt"] for i in range(20)])
    slow = twin.calendar_time_standardized(data["ret"], expected, data["pos"], 5)
    got = standardised_calendar_time(twenty, 5)
    assert got.statistic == pytest.approx(slow["stat"], **EXACT)
    assert got.extra["sessions"] == slow["T"]


def test_expected_signs_turn_the_portfolio(public_clustered):
    events = clustered_events(sign=[1, -1, 1, 1, 1, -1])
    plain = case_of(*public_clustered, clustered_events())
    turned = case_of(*public_clustered, events, align="expected_sign")
    ret, market = public_clustered
    sign = np.array([1, -1, 1, 1, 1, -1])
    x = (sign * market[270:280, None]).mean(axis=1)
    y = (sign * ret[270:280, :6]).mean(axis=1)
    slow = twin.xs_regression(np.column_stack([np.ones(10), x]), y, "ols")
    assert calendar_time(turned, 10).coef == pytest.approx(slow["b"], rel=1e-8)
    balanced = case_of(*public_clustered, clustered_events(sign=[1, -1, 1, -1, 1, -1]), align="expected_sign")
    assert "cannot be told apart" in calendar_time(balanced, 10).reason
    assert calendar_time(plain, 10).coef[0] != pytest.approx(slow["b"][0], rel=1e-3)


def test_what_is_said_when_it_cannot_be_done(twenty, six, public_clustered):
    few = calendar_time(six, 1)
    assert few.status == "not_applicable" and "need more" in few.reason
    assert "min_firms" in calendar_time(twenty, 5, min_firms=9).reason
    no_market = case_of(public_clustered[0], None, clustered_events(), model="mean")
    assert "needs a benchmark" in calendar_time(no_market, 10).reason
    assert dispersed().run("calendar_time", (0, 0)).status == "ok"
    one = build.clustered(firms=(0,)).run("calendar_time", (-1, 3))
    assert one.status == "not_applicable" and "needs 2 pairs" in one.reason
    day = build.clustered(firms=build.COMPLETE).run("calendar_time", (0, 1))
    assert day.status == "not_applicable" and "the windows cover 2" in day.reason
    with pytest.raises(UnknownName):
        calendar_time(twenty, 5, model="ff4")
    with pytest.raises(UnknownName):
        calendar_time(twenty, 5, cov="HC3")
    with pytest.raises(RequestError, match="number of sessions"):
        calendar_time(twenty, 0)
    with pytest.raises(UnknownName, match="did you mean"):
        dispersed().run("calendar_time", (0, 4), "newey-west")
    lasso = case_of(*public_clustered, clustered_events(), model="huber")
    assert "model='market'" in standardised_calendar_time(lasso, 5).reason


def test_size_under_overlapping_clustered_events():
    """Sixty pairs on four dates with residual correlation .3: rejections near 5% where a t over pairs has far more."""
    rng = np.random.default_rng(3)
    hits = np.zeros(2)
    reps = 80
    for _ in range(reps):
        market = 0.01 * rng.standard_normal(300)
        e = 0.02 * (np.sqrt(0.3) * rng.standard_normal(300) + np.sqrt(0.7) * rng.standard_normal((15, 300)))
        where = np.repeat([200, 215, 230, 245], 15)
        study = build.study(
            market + e, market, where, estimation=(-150, -11), span=(0, 9), unit=np.tile(np.arange(15), 4)
        )
        hits += [study.run(t, (0, 9)).p < 0.05 for t in ("calendar_time", "t_xs")]
    calendar, plain = hits / reps
    assert 0.005 <= calendar <= 0.11
    assert plain > 0.3
