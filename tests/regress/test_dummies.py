"""Event dummies: identities with the abnormal returns, several events of one firm, refusals."""

import numpy as np
import pandas as pd
import pytest
from regress_cases import case_of, clustered_events

from abnormal.domain import TestOptions
from abnormal.errors import RequestError, UnknownName
from abnormal.inference._window import window_stats
from abnormal.registry import TESTS
from abnormal.regress.dummies import event_dummies, window_dummy
from twin import regression as twin

ROUNDING = {"rel": 0, "abs": 1e-12}


@pytest.mark.parametrize("window", [(-1, 3), (0, 0), (0, 1)])
def test_coefficients_are_the_abnormal_returns(eight, window):
    """gamma = AR, se = S, sum = CAR with s sqrt(c), Wald F = f_window: to rounding, gaps and short histories included."""
    found = event_dummies(eight, window=window)
    w = window_stats(eight.ar, window)
    f = TESTS.get("f_window")(eight.ar, window, TestOptions(variant="full"))
    for i in range(8):
        firm = found[f"F{i}"]
        have = np.isfinite(w.ar[i])
        assert firm.gamma == pytest.approx(w.ar[i, have], **ROUNDING)
        assert np.sqrt(np.diag(firm.v)) == pytest.approx(w.ar[i, have] / w.sar[i, have], **ROUNDING)
        row = found.cars.iloc[i]
        assert row["car"] == pytest.approx(w.car[i], **ROUNDING)
        assert row["se"] == pytest.approx(w.se[i], **ROUNDING)
        assert row["f"] == pytest.approx(f.statistic[i], rel=1e-10)
        assert row["f_p"] == pytest.approx(f.p[i], rel=1e-9)
        assert row["df"] == eight.ar.df[i]
        assert firm.coefficients()["coef"].to_numpy() == pytest.approx(eight.ar.coef[i], **ROUNDING)


def test_public_values(six, golden_tests):
    found = event_dummies(six)
    assert found["F0"].wald().statistic == pytest.approx(golden_tests["chow_F_firm0"]["F"], rel=1e-10)
    assert found["F0"].wald().p == pytest.approx(golden_tests["chow_F_firm0"]["p"], rel=1e-9)
    one = window_dummy(six).iloc[0]
    expected = golden_tests["single_window_dummy_firm0"]
    assert one["gamma"] == pytest.approx(expected["gamma"], rel=1e-10)
    assert one["se"] == pytest.approx(expected["se"], rel=1e-10)
    assert one["car_over_l2"] == pytest.approx(expected["car_over_L"], rel=1e-10)
    assert abs(one["gamma"] - one["car_over_l2"]) > 1e-6


def test_linear_combinations_and_wald_tests_are_those_of_statsmodels(six):
    firm = event_dummies(six)["F0"]
    w = np.array([1.0, 0.0, -1.0, 0.5, 0.0])
    ours, k = firm.linear(w), len(firm.names)
    theirs = firm.fit.t_test(np.concatenate([np.zeros(k), w]))
    assert ours.statistic == pytest.approx(float(np.squeeze(theirs.tvalue)), rel=1e-10)
    assert ours.p == pytest.approx(float(np.squeeze(theirs.pvalue)), rel=1e-9)
    by_date = firm.linear({str(firm.sessions[0]): 1.0, str(firm.sessions[2]): -1.0, str(firm.sessions[3]): 0.5})
    assert by_date.statistic == pytest.approx(ours.statistic, rel=1e-12)
    rows = np.eye(5)[:2]
    joint, other = firm.wald(rows), firm.fit.f_test(np.hstack([np.zeros((2, k)), rows]))
    assert joint.statistic == pytest.approx(float(other.fvalue), rel=1e-10)
    assert joint.p == pytest.approx(float(other.pvalue), rel=1e-9)
    assert firm.linear(np.zeros(5)).status == "not_applicable"
    assert firm.wald([[1, 0, 0, 0, 0], [2, 0, 0, 0, 0]]).status == "not_applicable"
    with pytest.raises(UnknownName, match="session"):
        firm.linear({"2021-01-31": 1.0})
    with pytest.raises(RequestError, match="shape"):
        firm.linear([1.0, 2.0])
    with pytest.raises(RequestError, match="expected one a session"):
        firm.wald([[1.0, 2.0]])


@pytest.mark.parametrize("cov", ["HC0", "HC3", "HAC"])
def test_robust_errors_are_refused_for_days_and_allowed_for_slopes_and_windows(six, cov):
    with pytest.raises(RequestError, match="residual is 0 by construction"):
        event_dummies(six, cov=cov)
    with pytest.raises(RequestError, match="residual is 0 by construction"):
        window_dummy(six, window=(0, 0), cov=cov)
    slopes = event_dummies(six)["F0"].coefficients(cov)
    assert slopes["coef"].to_numpy() == pytest.approx(event_dummies(six)["F0"].coefficients()["coef"].to_numpy())
    assert (slopes["se"] > 0).all()
    whole = window_dummy(six, cov=cov)
    assert (whole["se"] > 0).all() and (whole["reason"] == "").all()


def test_newey_west_of_a_window_dummy(six):
    import statsmodels.api as sm

    case = six
    y, x = case.ar.raw[0], case.ar.market[0]
    rows = np.r_[np.flatnonzero(case.ar.est[0]), np.arange(case.ar.at(-1), case.ar.at(3) + 1)]
    d = (rows >= case.ar.at(-1)).astype(float)
    fit = sm.OLS(y[rows], np.column_stack([np.ones(rows.size), x[rows], d])).fit(
        cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False}, use_t=True
    )
    ours = window_dummy(case, cov="HAC").iloc[0]
    assert ours["se"] == pytest.approx(fit.bse[-1], rel=1e-10)
    assert ours["p"] == pytest.approx(fit.pvalues[-1], rel=1e-9)


# ------------------------------------------------------------------------------------------------ several events of a firm


def overlapping(public_clustered, first=262, second=265, window=(-1, 3)):
    events = pd.concat(
        [clustered_events([0], row=first, event_id="one"), clustered_events([0], row=second, event_id="two")]
    )
    return case_of(*public_clustered, events, windows=[window])


def test_events_of_one_firm_are_one_regression(public_clustered):
    """Joint dummies of both windows against a plain regression with one dummy a session."""
    case = overlapping(public_clustered)
    found = event_dummies(case)["F0"]
    ret, market = public_clustered
    est = sorted(set(range(12, 252)) | set(range(15, 255)))
    slow = twin.event_dummies(ret[:, 0], np.column_stack([np.ones(300), market]), est, range(261, 269))
    assert found.gamma == pytest.approx(slow["gamma"], **ROUNDING)
    assert np.sqrt(np.diag(found.v)) == pytest.approx(slow["se"], **ROUNDING)
    assert found.df == slow["df"]


def test_overlapping_windows_are_split_at_the_later_day_zero(public_clustered):
    case = overlapping(public_clustered)
    found = event_dummies(case)
    cars = found.cars.set_index("event_id")
    gamma = dict(zip(range(261, 269), found["F0"].gamma))
    # Sessions 261..265 and 264..268; day zeros 262 and 265: 264 belongs to the first, 265 to the second.
    assert cars.loc["one", "car"] == pytest.approx(sum(gamma[r] for r in range(261, 266)), **ROUNDING)
    assert cars.loc["one", "split_car"] == pytest.approx(sum(gamma[r] for r in range(261, 265)), **ROUNDING)
    assert cars.loc["two", "split_car"] == pytest.approx(sum(gamma[r] for r in range(265, 269)), **ROUNDING)
    assert cars["shared"].tolist() == [1, 1]
    whole = found["F0"].linear(np.ones(8))
    assert cars["split_car"].sum() == pytest.approx(whole.extra["estimate"], **ROUNDING)


def test_events_of_one_session_are_one_unit(public_clustered):
    case = overlapping(public_clustered, 265, 265)
    assert event_dummies(case).cars["event_id"].tolist() == ["one"]
    assert [x.event_id for x in case.excluded] == ["two"]


def test_an_event_inside_the_other_ones_estimation_window_is_dummied_out(public_clustered):
    case = overlapping(public_clustered, 150, 270)
    found = event_dummies(case)["F0"]
    ret, market = public_clustered
    est = [r for r in range(20, 260) if not 149 <= r <= 153] + []
    first = [r for r in range(0, 140) if np.isfinite(ret[r, 0])]
    rows = sorted(set(est) | set(first))
    slow = twin.event_dummies(
        ret[:, 0], np.column_stack([np.ones(300), market]), rows, [*range(149, 154), *range(269, 274)]
    )
    assert found.gamma == pytest.approx(slow["gamma"], **ROUNDING)


# ------------------------------------------------------------------------------------------------ reasons


@pytest.mark.parametrize("model", ["market_zero_alpha", "market_adjusted", "huber"])
def test_models_without_a_dummy_form_say_so(public_clustered, model):
    case = case_of(*public_clustered, clustered_events(), model=model)
    found = event_dummies(case)
    assert not found.firms
    assert all("no least-squares regression" in x.reason for x in found.excluded)
    assert "Left out: F0" in repr(found)
    assert window_dummy(case)["reason"].str.contains("no least-squares").all()


def test_names(six):
    with pytest.raises(UnknownName):
        event_dummies(six, cov="HC9")
    with pytest.raises(UnknownName):
        event_dummies(six)["F9"]
    with pytest.raises(RequestError, match="beyond the study's rows"):
        event_dummies(six, window=(0, 9))
    assert "one regression a firm" in repr(event_dummies(six))
