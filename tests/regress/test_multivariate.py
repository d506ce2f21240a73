"""Many firms in one regression: public values, contrasts, stacked dates, own regressors."""

import numpy as np
import pandas as pd
import pytest
from regress_cases import case_of, clustered_events
from scipy import stats

from abnormal.errors import RequestError, UnknownName
from abnormal.inference._window import window_stats
from abnormal.regress.dummies import event_dummies
from abnormal.regress.multivariate import multivariate, sur

EXACT = {"rel": 1e-10}


@pytest.fixture(scope="module")
def joint(six):
    return multivariate(six)


def test_public_values(joint, golden_tests):
    tests = joint.tests.set_index(["test", "variant"])
    expected = golden_tests["mvrm_6"]
    f = tests.loc[("mvrm_f", "f")]
    assert f["statistic"] == pytest.approx(expected["F"], **EXACT)
    assert (f["df1"], f["df2"]) == (expected["df1"], expected["df2"])
    assert f["p"] == pytest.approx(expected["p_F"], **EXACT)
    assert tests.loc[("mvrm_f", "chi2"), "p"] == pytest.approx(expected["p_chi2"], **EXACT)
    assert tests.loc[("mvrm_mean", "mean"), "statistic"] == pytest.approx(expected["t_mean"], **EXACT)
    assert tests.loc[("mvrm_gls", "uncorrected"), "statistic"] == pytest.approx(expected["t_gls"], **EXACT)
    assert tests.loc[("hein_westfall", "rows"), "p"] == golden_tests["hein_westfall_6_rng1_B9999"]["p"]


def test_one_day_has_the_rank_form(six, golden_tests):
    tests = multivariate(six, window=(0, 0)).tests.set_index("test")
    assert tests.loc["joint_sq", "p"] == pytest.approx(golden_tests["joint_sq_6"]["tau0"]["p"], **EXACT)


def test_contrasts_and_combinations(joint, six):
    n = joint.theta.size
    every = joint.contrast(np.eye(n))
    table = joint.tests.set_index(["test", "variant"])["statistic"]
    assert every.statistic == pytest.approx(table[("mvrm_f", "f")], **EXACT)
    equal = joint.contrast(np.column_stack([np.ones(n - 1), -np.eye(n - 1)]))
    assert equal.statistic == pytest.approx(table[("mvrm_f", "equality")], **EXACT)
    assert joint.linear(np.full(n, 1 / n)).statistic == pytest.approx(table[("mvrm_mean", "mean")], **EXACT)
    one = joint.linear({"F4": 1.0})
    assert one.statistic == pytest.approx(window_stats(six.ar, (-1, 3)).scar[4], **EXACT)
    assert joint.contrast([[0, 0, 0, 0, 1, 0]]).statistic == pytest.approx(one.statistic**2, **EXACT)
    assert joint.linear(np.zeros(n)).status == "not_applicable"
    assert joint.contrast([[1, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]).status == "not_applicable"
    with pytest.raises(UnknownName):
        joint.linear({"F9": 1.0})
    with pytest.raises(RequestError):
        joint.contrast([[1.0, 2.0]])
    assert "mvrm_f" in repr(joint)


# ------------------------------------------------------------------------------------------------ several dates


def test_stacked_effects_are_those_of_the_dummies(two_dates):
    stacked, dummies = multivariate(two_dates), event_dummies(two_dates)
    cars = dummies.cars.set_index(["ticker", "event_id"])
    ids = ["e"] * 6 + ["late"] * 6
    for row, event in zip(stacked.effects.itertuples(), ids):
        assert row.theta == pytest.approx(cars.loc[(row.ticker, event), "car"], abs=1e-12)
        assert row.se == pytest.approx(cars.loc[(row.ticker, event), "se"], abs=1e-12)


def test_stacked_covariance_is_a_kronecker_product(two_dates):
    s = multivariate(two_dates)
    c = np.asarray(s.facts["c"])
    sigma = s.v[:6, :6] / c[0, 0]
    assert s.v == pytest.approx(np.kron(c, sigma), rel=1e-10)
    mean = s.tests[s.tests["test"] == "mvrm_mean"].iloc[0]
    one = np.full(12, 1 / 12)
    assert mean["statistic"] == pytest.approx(one @ s.theta / np.sqrt(one @ s.v @ one), **EXACT)
    first, second = np.repeat([1 / 6, 0], 6), np.repeat([0, 1 / 6], 6)
    equal = s.tests[s.tests["variant"] == "equal_dates"].iloc[0]
    t = s.linear(first - second)
    assert equal["statistic"] == pytest.approx(t.statistic**2, **EXACT)
    assert equal["p"] == pytest.approx(t.p, rel=1e-9)


def test_stacked_wilks_against_statsmodels(two_dates):
    """The same hypothesis as a multivariate linear model with one dummy a session, both windows at once."""
    from statsmodels.multivariate.multivariate_ols import MultivariateLS

    case = multivariate(two_dates, window=(0, 0))
    ar, day0 = two_dates.ar, np.unique(two_dates.day0)
    rows = {}
    for i in range(12):
        at = two_dates.day0[i] + ar.offsets
        for w in np.flatnonzero(ar.est[i]):
            rows.setdefault(int(at[w]), {})[ar.ticker[i]] = (ar.raw[i, w], ar.market[i, w])
        w = ar.at(0)
        rows.setdefault(int(two_dates.day0[i]), {})[ar.ticker[i]] = (ar.raw[i, w], ar.market[i, w])
    keep = sorted(r for r in rows if len(rows[r]) == 6)
    names = [f"F{i}" for i in range(6)]
    y = np.array([[rows[r][n][0] for n in names] for r in keep])
    x = np.array([[1.0, rows[r]["F0"][1], *(float(r == d) for d in day0)] for r in keep])
    fit = MultivariateLS(y, x).fit()
    table = fit.mv_test([("both", np.eye(4)[2:])]).results["both"]["stat"]
    wilks = case.tests[case.tests["variant"] == "wilks"].iloc[0]
    assert wilks["statistic"] == pytest.approx(float(table.loc["Wilks' lambda", "F Value"]), rel=1e-8)
    assert (wilks["df1"], wilks["df2"]) == (table.loc["Wilks' lambda", "Num DF"], table.loc["Wilks' lambda", "Den DF"])
    assert wilks["p"] == pytest.approx(float(table.loc["Wilks' lambda", "Pr > F"]), rel=1e-7)


def test_stacked_bootstrap_is_near_the_wilks_p_and_repeats(two_dates):
    a, b = (multivariate(two_dates).tests.set_index("test")["p"] for _ in range(2))
    assert a["hein_westfall"] == b["hein_westfall"]
    assert a["hein_westfall"] == pytest.approx(a["mvrm_f"].iloc[0], abs=0.08)


def test_stacked_sees_a_planted_effect(public_clustered):
    ret, market = public_clustered
    hit = ret.copy()
    hit[282, :3] += 0.12
    events = pd.concat([clustered_events(), clustered_events(row=282, event_id="late")])
    case = case_of(hit, market, events, windows=[(0, 0)], draws=199)
    p = multivariate(case).tests.set_index("variant")["p"]
    assert p["wilks"] < 0.001
    assert p["stacked"].iloc[0] <= 0.02


# ------------------------------------------------------------------------------------------------ own regressors


def test_sur_with_equal_regressors_is_least_squares(six, joint):
    got = sur(six)
    assert got.theta == pytest.approx(joint.theta, rel=1e-9)
    assert got.v == pytest.approx(joint.v, rel=1e-9)
    chi2 = got.tests[got.tests["variant"] == "chi2"].iloc[0]
    assert chi2["p"] == pytest.approx(joint.tests.set_index("variant").loc["chi2", "p"], rel=1e-8)


def own_regressors(n=4, rho=0.8, seed=0):
    """A case whose firms have an industry index each, by hand: ar.x is rewritten and refitted."""
    from dataclasses import replace

    rng = np.random.default_rng(seed)
    t = 300
    market = 0.01 * rng.standard_normal(t)
    own = 0.01 * rng.standard_normal((t, n))
    shared = rng.standard_normal((t, 1))
    e = 0.02 * (np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.standard_normal((t, n)))
    ret = market[:, None] + own + e
    case = case_of(ret, market, {"ticker": [f"F{i}" for i in range(n)], "row": 270}, windows=[(0, 1)])
    at = case.day0[0] + case.ar.offsets
    x = np.concatenate([case.ar.x, own[at].T[:, :, None]], axis=2)
    ar = replace(case.ar, x=x, k=case.ar.k + 1, cache={}, g=np.pad(case.ar.g, ((0, 0), (0, 1), (0, 1))))
    return replace(case, ar=ar), ret[at], x


def test_sur_with_own_regressors_against_two_step_gls_by_hand():
    case, ret, x = own_regressors()
    got = sur(case)
    use = np.flatnonzero(case.ar.est[0])
    n, m = 4, use.size
    e = np.empty((m, n))
    for i in range(n):
        b = np.linalg.lstsq(x[i, use], ret[use, i], rcond=None)[0]
        e[:, i] = ret[use, i] - x[i, use] @ b
    sigma = e.T @ e / m
    inverse = np.linalg.inv(sigma)
    big = np.zeros((n * m, 3 * n))
    for i in range(n):
        big[i * m : (i + 1) * m, 3 * i : 3 * i + 3] = x[i, use]
    w = np.kron(inverse, np.eye(m))
    bread = np.linalg.inv(big.T @ w @ big)
    b = bread @ big.T @ w @ ret[use].T.ravel()
    cols = case.ar.columns((0, 1))
    u = np.zeros((n, 3 * n))
    for i in range(n):
        u[i, 3 * i : 3 * i + 3] = x[i, cols].sum(axis=0)
    assert got.theta == pytest.approx(ret[cols].sum(axis=0) - u @ b, rel=1e-8)
    f = got.tests.iloc[0]
    assert f["p"] == pytest.approx(stats.f.sf(f["statistic"], n, m - 3))
    assert multivariate(case).reason == "needs the same regressors for all firms"


# ------------------------------------------------------------------------------------------------ reasons


def test_reasons(six, twenty, public_clustered, monkeypatch):
    one = case_of(*public_clustered, clustered_events([0]))
    assert "2 firms" in multivariate(one).reason or "2 pairs" in multivariate(one).reason
    assert "here: 1" in sur(one).reason
    assert "stacking dates needs 2 firms" in multivariate(twenty).reason
    assert "one common event date" in sur(twenty).reason
    zero = case_of(*public_clustered, clustered_events(), model="market_adjusted")
    assert "least squares" in sur(zero).reason
    assert repr(multivariate(one)).startswith("Multivariate regression")
    monkeypatch.setitem(__import__("sys").modules, "linearmodels.system", None)
    assert 'pip install "abnormal[models]"' in sur(six).reason


def test_more_firms_than_days():
    rng = np.random.default_rng(0)
    market = 0.01 * rng.standard_normal(60)
    ret = market[:, None] + 0.02 * rng.standard_normal((60, 50))
    case = case_of(
        ret, market, {"ticker": [f"F{i}" for i in range(50)], "row": 55}, estimation=(-45, -6), windows=[(0, 0)]
    )
    tests = multivariate(case).tests.set_index(["test", "variant"])
    assert tests.loc[("mvrm_f", "f"), "status"] == "not_applicable"
    assert "N <= nu / 3" in tests.loc[("mvrm_f", "f"), "reason"]
    assert tests.loc[("mvrm_mean", "mean"), "status"] == "ok"
    assert "more firms than days" in sur(case).reason
