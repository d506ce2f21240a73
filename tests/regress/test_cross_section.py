"""Cross-section of CARs on characteristics: public values, statsmodels, slow twins, and what a design forbids."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from regress_cases import CHARACTERISTIC, CLUSTERS, case_of, clustered_events

from abnormal.domain import TestOptions
from abnormal.errors import BadData, RequestError, UnknownName
from abnormal.inference._window import window_stats
from abnormal.regress._setup import Setup
from abnormal.regress.cross_section import ESTIMATORS, regress_case
from twin import models as twin_models
from twin import public
from twin import regression as twin

EXACT = {"rel": 1e-10, "abs": 1e-14}
Z = np.column_stack([np.ones(6), CHARACTERISTIC])


@pytest.fixture(scope="module")
def fits():
    data = public.clustered()
    return [twin_models.market(data["ret"][:, i], data["mkt"], data["est"], data["ev"]) for i in range(6)]


@pytest.fixture(scope="module")
def cars(six):
    return window_stats(six.ar, (-1, 3)).car


# ------------------------------------------------------------------------------------------------ public values


def test_coefficients_are_those_of_the_public_file(six, golden_tests):
    expected = golden_tests["xs_reg_6"]["b"]
    for cov in ("auto", "ols", "HC0", "HC1", "HC2", "HC3", "cluster", "wild", "sefcik_thompson", "tsols"):
        got = regress_case(six, "car ~ size", cov=cov, cluster="industry")
        assert got.coef == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("cov", ["ols", "HC0", "HC1", "HC2", "HC3"])
def test_plain_and_robust_errors(six, golden_tests, cov):
    assert regress_case(six, "car ~ size", cov=cov).se == pytest.approx(golden_tests["xs_reg_6"][cov], **EXACT)


def test_clustered_errors(six, golden_tests):
    got = regress_case(six, "car ~ size", cov="cluster", cluster="industry")
    assert got.se == pytest.approx(golden_tests["xs_reg_6"]["CR1"], **EXACT)
    assert got.df == 2


def test_sefcik_thompson(six, golden_tests):
    got, expected = regress_case(six, "car ~ size"), golden_tests["sefcik_thompson_6"]
    assert got.cov == "sefcik_thompson" and got.status == "ok"
    assert got.coef == pytest.approx(expected["delta"], **EXACT)
    assert got.se == pytest.approx(expected["se"], **EXACT)
    assert got.statistic == pytest.approx(expected["t"], **EXACT)
    assert got.df == expected["df"]


def test_tsols(six, golden_tests):
    got, expected = regress_case(six, "car ~ size", cov="tsols"), golden_tests["tsols_6"]
    assert got.facts["m"] == expected["m"]
    assert got.p[1] == pytest.approx(expected["p_slope"], **EXACT)
    assert got.statistic[1] == pytest.approx(expected["z_slope"], **EXACT)


def test_weighted(six, golden_tests):
    got, expected = regress_case(six, "car ~ size", cov="wls"), golden_tests["wls_6"]
    assert got.coef == pytest.approx(expected["b"], **EXACT)
    assert got.se == pytest.approx(expected["se"], **EXACT)


# ------------------------------------------------------------------------------------------------ twins


@pytest.mark.parametrize("cov", ["ols", "HC0", "HC1", "HC2", "HC3"])
def test_p_values_are_student_t_of_n_minus_k(six, cars, cov):
    got, slow = regress_case(six, "car ~ size", cov=cov), twin.xs_regression(Z, cars, cov)
    assert got.p == pytest.approx(slow["p"], **EXACT)
    assert got.df == 4


def test_fgls(six, cars, fits):
    got = regress_case(six, "car ~ size", cov="fgls")
    slow = twin.fgls(Z, cars, [f["car_se"] ** 2 for f in fits])
    assert got.coef == pytest.approx(slow["b"], **EXACT)
    assert got.se == pytest.approx(slow["se"], **EXACT)
    assert got.facts["sigma_u"] ** 2 == pytest.approx(slow["sigma_u2"], **EXACT)
    assert slow["sigma_u2"] > 0


def test_fgls_floors_the_excess_variance_at_zero():
    n = 12
    rng = np.random.default_rng(0)
    z = np.column_stack([np.ones(n), np.arange(n)])
    y, variances = 0.001 * rng.standard_normal(n), np.full(n, 1.0)
    got = ESTIMATORS["fgls"](setup_of(z, y, variances))
    assert got.facts["sigma_u"] == 0.0
    assert got.se == pytest.approx(twin.fgls(z, y, variances)["se"], **EXACT)


def setup_of(z, y, variances=None, group=None, draws=299):
    """A bare setup for estimators that read no abnormal returns."""
    import build

    n = y.size
    ar = build.dispersed().ar.take(np.arange(n) % 20)
    group = np.arange(n) if group is None else np.asarray(group)
    names = tuple(f"z{j}" for j in range(z.shape[1]))
    variance = np.ones(n) if variances is None else variances
    return Setup(y, z, names, ar, (-1, 1), variance, group, "group", TestOptions(seed=3, draws=draws))


def slow_wild(z, y, group, j, draws, seed):
    """p of |t| with the null imposed, one loop a draw, CR1 errors of the twin."""
    n = y.size
    g = max(group) + 1
    t = twin.xs_regression(z, y, "CR1", list(group))["t"][j]
    others = np.delete(z, j, axis=1)
    fitted = others @ np.linalg.lstsq(others, y, rcond=None)[0] if others.shape[1] else np.zeros(n)
    rng = np.random.default_rng(seed)
    points = [-np.sqrt(1.5), -1, -np.sqrt(0.5), np.sqrt(0.5), 1, np.sqrt(1.5)] if g < 12 else [-1, 1]
    hits = 0
    for row in rng.integers(0, len(points), size=(draws, g)):
        w = np.array([points[i] for i in row])[list(group)]
        star = twin.xs_regression(z, fitted + w * (y - fitted), "CR1", list(group))["t"][j]
        hits += abs(star) >= abs(t) - 1e-12
    return (1 + hits) / (draws + 1)


@pytest.mark.parametrize("clusters", [7, 14])
def test_wild_bootstrap_against_one_loop_a_draw(clusters):
    rng = np.random.default_rng(clusters)
    n = 28
    z = np.column_stack([np.ones(n), rng.standard_normal(n)])
    group = np.arange(n) % clusters
    y = 0.02 * rng.standard_normal(n) + 0.03 * rng.standard_normal(clusters)[group] + 0.01 * z[:, 1]
    got = ESTIMATORS["wild"](setup_of(z, y, group=group))
    for j in range(2):
        assert got.p[j] == pytest.approx(slow_wild(z, y, group, j, 299, 3), abs=1e-12)
    assert got.facts["weights"] == ("Webb" if clusters < 12 else "Rademacher")


def test_gls_with_all_components_is_textbook_gls(six, fits):
    got = regress_case(six, "car ~ size", cov="gls", components=6)
    from twin import cross

    _, sigma = cross.residual_matrix(fits)
    v = fits[0]["c"] * sigma
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(Z.T @ inverse @ Z)
    assert got.coef == pytest.approx(bread @ Z.T @ inverse @ cross.cars(fits), rel=1e-8)
    assert got.se == pytest.approx(np.sqrt(np.diag(bread)), rel=1e-8)


def test_gls_with_no_component_weights_by_own_variance(six, cars):
    got = regress_case(six, "car ~ size", cov="gls", components=0)
    slow = twin.wls(Z, cars, window_stats(six.ar, (-1, 3)).se ** 2)
    assert got.coef == pytest.approx(slow["b"], rel=1e-8)


def test_sefcik_thompson_of_the_mean_is_the_portfolio(six):
    alone = regress_case(six, "car ~ 1")
    whole = window_stats(six.portfolio, (-1, 3))
    assert alone.coef[0] == pytest.approx(whole.car[0], **EXACT)
    assert alone.se[0] == pytest.approx(whole.se[0], **EXACT)


def test_blocks_by_date_are_the_multivariate_covariance(two_dates):
    """A group mean over two dates by hand: W V W' with one block a date."""
    got = regress_case(two_dates, "car ~ size", cov="sefcik_thompson")
    z = np.column_stack([np.ones(12), np.tile(CHARACTERISTIC, 2)])
    w = np.linalg.inv(z.T @ z) @ z.T
    v = np.zeros((12, 12))
    for d in range(2):
        part = slice(6 * d, 6 * d + 6)
        one = regress_case(two_dates_cut(two_dates, part), "car ~ 0 + C(ticker)", cov="sefcik_thompson")
        assert one.status == "not_applicable"  # as many coefficients as firms
        stats = window_stats(two_dates.ar.take(np.arange(12)[part]), (-1, 3))
        e = two_dates.ar.ar[part][:, :240]
        nu = 238
        v[part, part] = stats.c[0] * (e @ e.T) / nu
    assert got.se == pytest.approx(np.sqrt(np.diag(w @ v @ w.T)), rel=1e-9)
    assert got.cov == "sefcik_thompson" and got.df == 238


def two_dates_cut(case, part):
    from dataclasses import replace

    rows = np.arange(12)[part]
    return replace(case, pairs=case.pairs[part], ar=case.ar.take(rows), day0=case.day0[part], key=case.key[part])


# ------------------------------------------------------------------------------------------------ which errors


def test_one_date_marks_plain_errors_invalid(six):
    for cov in ("ols", "HC0", "HC1", "HC2", "HC3", "cluster", "wild", "wls", "fgls"):
        got = regress_case(six, "car ~ size", cov=cov, cluster="industry" if cov in ("cluster", "wild") else None)
        assert got.status == "invalid"
        assert "share one date" in got.reason
        assert "sefcik_thompson" in got.reason
        assert np.isfinite(got.se).all()
        assert "INVALID" in repr(got)


def test_default_on_one_date_shows_the_others_beside(six):
    got = regress_case(six, "car ~ size")
    assert got.cov == "sefcik_thompson"
    assert set(got.beside["cov"]) == {"tsols", "HC3"}
    assert got.beside.set_index("cov").loc["HC3", "status"].unique() == ["invalid"]


def test_default_on_many_dates_is_hc3(twenty):
    got = regress_case(twenty, "car ~ size")
    assert (got.cov, got.status, got.df) == ("HC3", "ok", 18)


def test_default_from_250_pairs_is_hc1():
    rng = np.random.default_rng(0)
    market = 0.01 * rng.standard_normal(400)
    ret = market[:, None] + 0.02 * rng.standard_normal((400, 260))
    events = {"ticker": [f"F{i}" for i in range(260)], "row": 130 + np.arange(260), "size": rng.standard_normal(260)}
    case = case_of(ret, market, events, estimation=(-100, -11), windows=[(0, 0)])
    assert regress_case(case, "car ~ size").cov == "HC1"


def test_default_with_few_shared_dates_is_blocks_of_dates(two_dates):
    got = regress_case(two_dates, "car ~ size")
    assert (got.cov, got.status) == ("sefcik_thompson", "ok")
    assert "wild" in set(got.beside["cov"])


def shared_dates(public_clustered, dates, firms=6):
    ret, market = public_clustered
    rows = 120 + 14 * np.arange(dates)
    events = pd.concat([clustered_events(range(firms), row=r, event_id=f"e{r}") for r in rows])
    return case_of(ret, market, events, estimation=(-100, -11), windows=[(0, 1)], draws=99)


def test_default_with_more_shared_dates_is_the_wild_bootstrap_by_the_coarser_cluster(public_clustered):
    got = regress_case(shared_dates(public_clustered, 10), "car ~ size")
    assert got.cov == "wild"
    assert got.facts["clusters"] == 6  # six firms, ten dates: the firm is the coarser
    assert "firm" in got.distribution


def test_clusters_that_split_a_date_are_invalid_under_a_common_shock(public_clustered):
    case = shared_dates(public_clustered, 4)
    by_firm = regress_case(case, "car ~ size", cov="cluster", cluster="ticker")
    by_date = regress_case(case, "car ~ size", cov="cluster", cluster="date")
    assert by_firm.status == "invalid" and "design effect" in by_firm.reason
    assert by_date.status == "ok"


def test_one_firm_with_many_dates_has_no_clusters_and_gets_hc3(public_clustered):
    ret, market = public_clustered
    rows = 120 + 14 * np.arange(8)
    events = pd.DataFrame({"event_id": [f"e{r}" for r in rows], "ticker": "F0", "row": rows, "size": np.arange(8.0)})
    case = case_of(ret, market, events, estimation=(-100, -11), windows=[(0, 1)])
    got = regress_case(case, "car ~ size")
    assert (got.cov, got.status) == ("HC3", "ok")


def test_an_outcome_that_is_not_the_car_has_no_valid_errors_on_one_date(six):
    got = regress_case(six, "np.abs(car) ~ size")
    assert got.status == "invalid"
    assert "needs the CAR itself" in got.reason
    assert got.coef[1] == pytest.approx(np.polyfit(CHARACTERISTIC, np.abs(window_stats(six.ar, (-1, 3)).car), 1)[0])


# ------------------------------------------------------------------------------------------------ reasons, never tracebacks


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("car ~ size + I(2 * size)", "cannot be told apart"),
        ("car ~ C(ticker)", "6 coefficients need more than 6 pairs"),
        ("car ~ event_id", "is 'e' for all 6 pairs"),
        ("car ~ role", "no value of role"),
    ],
)
def test_designs_that_identify_nothing(six, formula, reason):
    got = regress_case(six, formula)
    assert got.status == "not_applicable"
    assert reason in got.reason
    assert got.to_frame().empty
    assert reason in repr(got)
    assert reason.split()[0] in got.summary().as_text()


def test_one_firm(public_clustered):
    case = case_of(*public_clustered, pd.DataFrame({"ticker": ["F0"], "row": [270], "size": [1.0]}))
    got = regress_case(case, "car ~ size")
    assert got.status == "not_applicable"
    assert "1 pair has" in got.reason


def test_no_firm_left(public_clustered):
    ret, market = public_clustered
    case = case_of(ret, market, pd.DataFrame({"ticker": ["F7"], "row": [205], "size": [1.0]}))
    assert case.size == 0
    got = regress_case(case, "car ~ size")
    assert got.status == "not_applicable"
    assert "no pair of the study could be estimated" in got.reason


def test_more_firms_than_days():
    rng = np.random.default_rng(0)
    market = 0.01 * rng.standard_normal(60)
    ret = market[:, None] + 0.02 * rng.standard_normal((60, 70))
    events = {"ticker": [f"F{i}" for i in range(70)], "row": 55, "size": rng.standard_normal(70)}
    case = case_of(ret, market, events, estimation=(-45, -6), windows=[(0, 0)])
    auto = regress_case(case, "car ~ size")
    assert (auto.cov, auto.status) == ("sefcik_thompson", "ok")
    assert regress_case(case, "car ~ size", cov="tsols").status == "ok"
    refused = regress_case(case, "car ~ size", cov="gls", components=60)
    assert refused.status == "not_applicable"
    assert "60 components need as many days before the event; there are 40" in refused.reason


def test_too_few_common_windows_for_tsols(eight):
    got = regress_case(eight, "car ~ size", cov="tsols", window=(-1, 3))
    assert got.status == "ok" and got.facts["m"] == 52  # runs of 60 sessions that miss firm 6's gap
    rng = np.random.default_rng(1)
    ret = 0.02 * rng.standard_normal((60, 4))
    case = case_of(ret, ret.mean(axis=1), {"ticker": ["F0", "F1", "F2", "F3"], "row": 50, "size": [1, 2, 4, 8]},
                   estimation=(-20, -6), windows=[(0, 3)], min_obs=7)  # fmt: skip
    short = regress_case(case, "car ~ size", cov="tsols")
    assert short.status == "not_applicable"
    assert "it needs 19" in short.reason and "Shortest history" in short.reason


def test_a_firm_of_its_own_has_leverage_one(six):
    given = pd.DataFrame({"ticker": [f"F{i}" for i in range(6)], "only": [1, 0, 0, 0, 0, 0], "w": range(6)})
    got = regress_case(six, "car ~ only + w", cov="HC3", data=given)
    assert got.status == "not_applicable"
    assert "F0 at e has leverage 1" in got.reason
    assert regress_case(six, "car ~ only + w", data=given).status == "ok"


def test_missing_characteristics_are_left_out_with_a_reason(six):
    given = pd.DataFrame({"ticker": ["F0", "F1", "F2", "F3", "F4"], "w": [1.0, 2.0, np.nan, 3.0, 5.0]})
    got = regress_case(six, "car ~ w", data=given)
    assert got.n == 4
    assert {x.ticker: x.reason for x in got.excluded} == {"F2": "no value of w", "F5": "no value of w"}
    assert "Left out: F2 at e: no value of w" in repr(got)


def test_an_expression_that_is_not_finite_is_left_out_with_a_reason(six):
    got = regress_case(six, "car ~ log(size)")
    assert got.n == 4
    assert all("not a finite number" in x.reason for x in got.excluded)
    assert [x.ticker for x in got.excluded] == ["F0", "F1"]


def test_pairs_that_fell_out_of_the_study_are_named(public_clustered):
    ret, market = public_clustered
    case = case_of(ret, market, clustered_events(range(8), row=210, size=np.arange(8.0)), estimation=(-150, -11))
    assert any(x.ticker == "F7" for x in regress_case(case, "car ~ size").excluded)


def test_short_histories_leave_the_common_date_system_with_a_reason(public_clustered):
    ret, market = public_clustered
    events = clustered_events(range(8), row=235, size=[*CHARACTERISTIC, 0.4, -0.7])
    case = case_of(ret, market, events, estimation=(-200, -5), windows=[(0, 0)], min_obs=30)
    got = regress_case(case, "car ~ size", cov="sefcik_thompson")
    assert got.status == "ok"
    assert case.ar.m[7] == 31
    tight = case_of(ret, market, events, estimation=(-200, -5), windows=[(0, 0)], min_obs=31)
    both = regress_case(tight, "car ~ size", cov="sefcik_thompson")
    assert both.n in (7, 8)


# ------------------------------------------------------------------------------------------------ formulas


@pytest.mark.parametrize(
    ("formula", "error", "words"),
    [
        ("car ~ siz", UnknownName, 'did you mean "size"'),
        ("car ~ foo(size)", UnknownName, "function"),
        ("car ~ np.linalg", UnknownName, "linalg"),
        ("car ~ __import__('os').system('true')", UnknownName, "__import__"),
        ("car ~ size.real", RequestError, "no place"),
        ("car ~ f'{size}'", RequestError, "plain text"),
        ("car ~ size ~ beta", RequestError, "two ~"),
        ("car ~ (size", RequestError, "cannot be read"),
        ("car ~ size +", RequestError, "cannot be evaluated"),
        ("car ~ `size`", RequestError, "no place"),
        ("", RequestError, "expected text"),
        ("car ~ ", RequestError, "nothing on one side"),
        ("car ~ car", RequestError, "right side"),
        ("size ~ beta", RequestError, "explains no abnormal return"),
        ("car ~ lambda: 1", UnknownName, "lambda"),
        ("car ~ Q('siz')", UnknownName, 'did you mean "size"'),
    ],
)
def test_what_is_no_formula(six, formula, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        regress_case(six, formula)


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("size", ("Intercept", "size")),
        ("~ size", ("Intercept", "size")),
        ("car ~ 0 + size", ("size",)),
        ("car ~ size + I(size**2)", ("Intercept", "size", "I(size ** 2)")),
        ("car ~ C(industry)", ("Intercept", "C(industry)[T.1]", "C(industry)[T.2]")),
        ("car ~ C(industry, Treatment(reference=2))",
         ("Intercept", "C(industry, Treatment(reference=2))[T.0]", "C(industry, Treatment(reference=2))[T.1]")),
        ("car ~ np.sqrt(size + 1)", ("Intercept", "np.sqrt(size + 1)")),
        ("car ~ size:beta", ("Intercept", "size:beta")),
        ("car ~ sigma", ("Intercept", "sigma")),
        ("scar ~ size", ("Intercept", "size")),
    ],
)  # fmt: skip
def test_formulas(six, formula, names):
    assert regress_case(six, formula).names == names


def test_estimates_are_characteristics_and_said_to_be_estimates(six):
    got = regress_case(six, "car ~ beta")
    slow = np.polyfit(six.ar.coef[:, 1], window_stats(six.ar, (-1, 3)).car, 1)
    assert got.coef[1] == pytest.approx(slow[0], rel=1e-9)
    assert any("generated regressor" in n for n in got.notes)
    assert any("Prabhala" in n for n in got.notes)


@pytest.mark.parametrize("form", ["columns", "index", "named_index", "both", "event"])
def test_characteristics_from_a_frame(two_dates, form):
    tickers = [f"F{i}" for i in range(6)]
    w = np.arange(6.0)
    frame = {
        "columns": pd.DataFrame({"ticker": tickers, "w": w}),
        "index": pd.DataFrame({"w": w}, index=tickers),
        "named_index": pd.DataFrame({"w": w}, index=pd.Index(tickers, name="ticker")),
        "both": pd.DataFrame({"event_id": ["e"] * 6 + ["late"] * 6, "ticker": tickers * 2, "w": [*w, *w]}),
        "event": pd.DataFrame({"event_id": ["e", "late"], "w": [1.0, 2.0]}),
    }[form]
    got = regress_case(two_dates, "car ~ w", data=frame, cov="ols")
    car = window_stats(two_dates.ar, (-1, 3)).car
    x = np.repeat([1.0, 2.0], 6) if form == "event" else np.tile(w, 2)
    assert got.coef[1] == pytest.approx(np.polyfit(x, car, 1)[0], rel=1e-8)


def test_a_frame_wins_over_the_events_and_texts_become_numbers(six):
    given = pd.DataFrame({"ticker": [f"F{i}" for i in range(6)], "size": ["1", "2", "3", "4", "5", "7"]})
    got = regress_case(six, "car ~ size", data=given)
    car = window_stats(six.ar, (-1, 3)).car
    assert got.coef[1] == pytest.approx(np.polyfit([1, 2, 3, 4, 5, 7], car, 1)[0], rel=1e-8)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ({"w": 1}, RequestError, "dict given"),
        (pd.DataFrame({"x": ["F0"], "w": [1]}), RequestError, "event_id or ticker"),
        (pd.DataFrame({"ticker": ["F0", "F0"], "w": [1, 2]}), BadData, "F0 occurs twice"),
        (pd.DataFrame({"ticker": ["F0"], "car": [1]}), RequestError, "rename it"),
    ],
)
def test_frames_that_cannot_be_used(six, data, error, words):
    with pytest.raises(error, match=words):
        regress_case(six, "car ~ size", data=data)


def test_names_that_do_not_exist(six):
    with pytest.raises(UnknownName, match='did you mean "HC3"'):
        regress_case(six, "car ~ size", cov="hc3")
    with pytest.raises(UnknownName, match="cluster column"):
        regress_case(six, "car ~ size", cluster="sector")
    with pytest.raises(RequestError, match="beyond the study's rows"):
        regress_case(six, "car ~ size", window=(0, 20))
    with pytest.raises(RequestError, match="two offsets"):
        regress_case(six, "car ~ size", window="0..1")


# ------------------------------------------------------------------------------------------------ as an object


def test_it_reads_like_statsmodels(six):
    got = regress_case(six, "car ~ size", cov="ols")
    assert list(got.params.index) == ["Intercept", "size"]
    assert got.params["size"] == got.fit.params["size"]
    assert got.bse["size"] == got.fit.bse["size"]
    assert got.pvalues["size"] == pytest.approx(got.fit.pvalues["size"], rel=1e-10)
    assert got.conf_int().to_numpy() == pytest.approx(got.fit.conf_int().to_numpy(), rel=1e-10)
    assert got.conf_int(0.1).to_numpy() == pytest.approx(got.fit.conf_int(0.1).to_numpy(), rel=1e-10)
    assert got.rsquared == got.fit.rsquared
    assert got.nobs == 6
    with pytest.raises(AttributeError, match="nonsense"):
        got.nonsense  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'rsquared': 1 pair"):
        got.but(fit=None, reason="1 pair").rsquared  # noqa: B018


def test_the_statsmodels_object_carries_our_covariance(six):
    got = regress_case(six, "car ~ size")
    assert np.asarray(got.fit.bse) == pytest.approx(got.se, **EXACT)
    assert np.asarray(got.fit.pvalues) == pytest.approx(got.p, rel=1e-9)
    assert float(np.squeeze(got.t_test("size = 0").tvalue)) == pytest.approx(got.statistic[1], rel=1e-9)


def test_rank_intervals_hold_exactly_the_effects_not_rejected(six):
    got = regress_case(six, "car ~ size", cov="tsols", level=0.2)
    low = got.conf_int().loc["size", "ci_low"]
    null = got.null[:, 1]
    inside, outside = got.coef[1] - (low + 1e-9), got.coef[1] - (low - 1e-9)
    share = [(1 + np.sum(null >= abs(d) - 1e-12)) / (null.size + 1) for d in (inside, outside)]
    assert share[0] > 0.2 - 1e-12 or share[0] >= share[1]
    assert share[1] <= 0.2
    assert np.isinf(got.conf_int(0.001).to_numpy()).all()


def test_zero_is_inside_the_interval_exactly_when_not_rejected(six, twenty):
    for case, cov in ((six, "sefcik_thompson"), (six, "tsols"), (twenty, "HC3"), (twenty, "wild")):
        got = regress_case(case, "car ~ size", cov=cov, draws=199)
        for level in (0.05, 0.3, 0.7):
            interval = got.conf_int(level).to_numpy()
            inside = (interval[:, 0] <= 0) & (interval[:, 1] >= 0)
            assert (inside == (got.p > level)).all(), (cov, level)


def test_saying_it(six):
    got = regress_case(six, "car ~ size")
    text = repr(got)
    assert "sefcik_thompson" in text and "t(238)" in text
    assert "Other standard errors: tsols" in text
    assert "0x" not in text
    table = got.summary()
    assert "size" in table.as_text() and "size" in table.as_latex() and "<table" in got._repr_html_()
    latex = got.to_latex(caption="CAR & size", label="tab:x")
    assert r"\begin{tabular}" in latex and r"sefcik\_thompson" in latex and r"CAR \& size" in latex


def test_plain_values(six):
    document = json.loads(json.dumps(regress_case(six, "car ~ size").to_dict(), allow_nan=False))
    assert document["coefficients"][1]["term"] == "size"
    empty = json.loads(json.dumps(regress_case(six, "car ~ C(ticker)").to_dict(), allow_nan=False))
    assert empty["coefficients"] == [] and "more than 6 pairs" in empty["reason"]


def test_it_survives_pickling(six):
    got = regress_case(six, "car ~ size")
    back = pickle.loads(pickle.dumps(got))
    assert back.se == pytest.approx(got.se)
    assert back.params.equals(got.params)


def test_it_is_reached_from_a_study(six):
    class Result:
        case = six

    assert regress_case(Result(), "car ~ size").coef == pytest.approx(regress_case(six, "car ~ size").coef)

    class Loaded:
        case = None

    with pytest.raises(RequestError, match="loaded from a folder"):
        regress_case(Loaded(), "car ~ size")


# ------------------------------------------------------------------------------------------------ invariance


@pytest.mark.parametrize("cov", ["ols", "HC3", "wls", "fgls", "sefcik_thompson", "tsols", "gls"])
def test_order_of_pairs_changes_nothing(public_clustered, six, cov):
    order = [4, 1, 5, 0, 3, 2]
    turned = case_of(*public_clustered, clustered_events().iloc[order])
    base, other = (regress_case(c, "car ~ size", cov=cov) for c in (six, turned))
    assert other.coef == pytest.approx(base.coef, rel=1e-9)
    assert other.se == pytest.approx(base.se, rel=1e-9)
    assert other.p == pytest.approx(base.p, rel=1e-9)


@pytest.mark.parametrize("cov", ["ols", "HC3", "wls", "fgls", "sefcik_thompson", "tsols", "gls"])
def test_scale_of_returns_and_sign_of_the_characteristic(public_clustered, six, cov):
    ret, market = public_clustered
    scaled = case_of(3 * ret, market, clustered_events(size=[-v for v in CHARACTERISTIC]))
    base, other = (regress_case(c, "car ~ size", cov=cov) for c in (six, scaled))
    assert other.coef == pytest.approx(base.coef * [3, -3], rel=1e-9)
    assert other.p == pytest.approx(base.p, rel=1e-7)


def test_alternatives_split_the_two_sided_p(public_clustered):
    p = {}
    for alternative in ("two-sided", "greater", "less"):
        case = case_of(*public_clustered, clustered_events(), alternative=alternative)
        p[alternative] = regress_case(case, "car ~ size").p
    assert p["greater"] + p["less"] == pytest.approx([1.0, 1.0])
    assert 2 * np.minimum(p["greater"], p["less"]) == pytest.approx(p["two-sided"])


def test_clusters_as_in_the_public_file_by_the_kernel(cars):
    slow = twin.xs_regression(Z, cars, "CR1", CLUSTERS)
    got = ESTIMATORS["cluster"](setup_of(Z, cars, group=CLUSTERS))
    assert got.se == pytest.approx(slow["se"], **EXACT)
    assert got.p == pytest.approx(slow["p"], **EXACT)
