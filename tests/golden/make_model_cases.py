"""Writes tests/golden/model_<id>/case.json: expected values of every daily model from programs that are not ours.

Run from the repository: `python tests/golden/make_model_cases.py`. Values come from the public check file where it has
them, else from statsmodels, scipy, arch or the slow twin in tests/twin; never from the package itself.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as sm
from arch import arch_model
from scipy import stats

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "models")]

from model_cases import hidden_path, public_regressor  # noqa: E402

from twin import models as twin  # noqa: E402
from twin import public  # noqa: E402

DATA = public.clustered()
EST, EV = list(range(20, 260)), list(range(269, 274))
RET, MKT, RF = DATA["ret"], DATA["mkt"], DATA["rf"]
ROUNDING = "closed form: rounding of two independent computations"
STATSMODELS = f"statsmodels {version('statsmodels')}"
TWIN = "tests/twin/models.py, a slow second implementation"
PUBLIC = "tests/golden/golden_public.json, clustered"


def given(firm: int = 0, regressors: tuple[str, ...] = ("market",), **more: Any) -> dict[str, Any]:
    base = {"data": "golden_public.json: clustered", "estimation": [-250, -11], "window": [-1, 3], "firm": firm}
    return base | {"regressors": list(regressors), "options": {}} | more


def of_twin(fit: dict[str, Any], **named: float) -> dict[str, Any]:
    """What a twin's fit says, with the coefficients named."""
    expected = {k: float(v) for k, v in named.items()}
    expected |= {"sigma": fit["s"], "car": fit["car"], "car_se": fit["car_se"], "df": fit["df"], "m": fit["M"]}
    return expected | {"ar": [float(v) for v in fit["ar"]]}


def least_squares(y: np.ndarray, x: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """statsmodels on the estimation rows; CAR and its error from t_test-free forecast algebra of the fit."""
    fit = sm.OLS(y[EST], x[EST]).fit()
    answer = fit.get_prediction(x[EV])
    u = x[EV].sum(axis=0)
    expected = dict(zip(names, map(float, fit.params)))
    expected |= {"sigma": float(np.sqrt(fit.scale)), "df": fit.df_resid, "m": int(fit.nobs)}
    expected |= {"ar": (y[EV] - answer.predicted_mean).tolist(), "ar_se": answer.se_obs.tolist()}
    expected["car"] = float(y[EV].sum() - u @ fit.params)
    expected["car_se"] = float(np.sqrt(fit.scale * len(EV) + u @ fit.cov_params() @ u))
    return expected


def case(
    evidence: str, source: str, expected: dict[str, Any], inputs: dict[str, Any], tolerance: float, reason: str
) -> dict:
    return {
        "evidence": evidence, "source": source, "script": "tests/golden/make_model_cases.py", "input": inputs,
        "expected": expected, "tolerance": tolerance, "tolerance_reason": reason,
    }  # fmt: skip


def linear_cases() -> dict[str, dict]:
    r, one = RET[:, 0], np.ones(300)
    factor_sets = {
        "ff3": ("MKT", "SMB", "HML"),
        "carhart4": ("MKT", "SMB", "HML", "MOM"),
        "ff5": ("MKT", "SMB", "HML", "RMW", "CMA"),
        "ff6": ("MKT", "SMB", "HML", "RMW", "CMA", "MOM"),
        "factors": ("MKT", "SMB", "HML"),
    }
    out = {
        "mean": (least_squares(r, one[:, None], ("alpha",)), given()),
        "market": (least_squares(r, np.column_stack([one, MKT]), ("alpha", "beta")), given()),
        "capm": (least_squares(r - RF, np.column_stack([one, MKT - RF]), ("alpha", "MKT")), given(riskless=True)),
        "capm_zero": (least_squares(r - RF, (MKT - RF)[:, None], ("MKT",)), given(riskless=True)),
    }
    for model, names in factor_sets.items():
        x = np.column_stack([one, *(public_regressor(n) for n in names)])
        out[model] = (least_squares(r - RF, x, ("alpha", *names)), given(regressors=names, riskless=True))
    industry = public_regressor("industry")
    names = ("market", "industry")
    out["industry"] = (
        least_squares(r, np.column_stack([one, industry]), ("alpha", "industry")),
        given(regressors=names),
    )
    both = np.column_stack([one, MKT, industry])
    out["market_industry"] = (least_squares(r, both, ("alpha", "beta", "industry")), given(regressors=names))
    source = f"{STATSMODELS} OLS(...).fit().get_prediction().se_obs"
    return {k: case("external", source, expected, inputs, 1e-10, ROUNDING) for k, (expected, inputs) in out.items()}


def one_factor_cases() -> dict[str, dict]:
    r = RET[:, 0]
    adjusted, zero = twin.market_adjusted(r, MKT, EST, EV), twin.market_zero_alpha(r, MKT, EST, EV)
    short = twin.market_zero_alpha(RET[:, 7], MKT, EST, EV)
    recent = twin.rolling(r, MKT, EST, EV)
    prior = twin.beta_prior(r, MKT, EST, EV, 1.2, 0.3)
    both = f"{PUBLIC} (the twin gives the same)"
    rows = {
        "market_adjusted": (of_twin(adjusted), given(), both),
        "market_zero_alpha": (of_twin(zero, alpha=zero["alpha_ols"], beta=zero["b"][1]), given(), both),
        "auto": (of_twin(short, alpha=short["alpha_ols"], beta=short["b"][1]), given(firm=7), TWIN),
        "rolling": (of_twin(recent, alpha=recent["b"][0], beta=recent["b"][1]), given(), TWIN),
        "beta_prior": (
            of_twin(prior, alpha=prior["alpha_ols"], beta=prior["b"][1], beta_ols=prior["beta_ols"]),
            given(options={"b0": 1.2, "s0": 0.3}),
            TWIN,
        ),
    }
    return {k: case("external", s, expected, inputs, 1e-10, ROUNDING) for k, (expected, inputs, s) in rows.items()}


def robust_cases() -> dict[str, dict]:
    r, public_models = RET[:, 0], public.golden()["clustered"]["other_models"]
    fits = {m: getattr(twin, m)(r, MKT, EST, EV) for m in ("huber", "theil_sen", "lad")}
    slope, level, *_ = stats.theilslopes(r[EST], MKT[EST])
    huber, lad = of_twin(fits["huber"]), of_twin(fits["lad"], alpha=fits["lad"]["b"][0], beta=fits["lad"]["b"][1])
    huber |= dict(zip(("alpha", "beta"), public_models["huber"]["b"])) | {"sigma": public_models["huber"]["scale"]}
    steps = "both iterate until no coefficient moves by 1e-12"
    vertex = "one vertex of a linear programme; the solvers stop at 1e-9"
    scipy_source = f"scipy {version('scipy')} theilslopes; {PUBLIC}"
    return {
        "huber": case("external", f"{PUBLIC}; standard errors: {TWIN}", huber, given(), 1e-9, steps),
        "theil_sen": case(
            "external", scipy_source, of_twin(fits["theil_sen"], alpha=level, beta=slope), given(), 1e-10, ROUNDING
        ),
        "lad": case("external", f"scipy {version('scipy')} linprog, primal form ({TWIN})", lad, given(), 1e-8, vertex),
    }


def thin_cases() -> dict[str, dict]:
    r, other = RET[:, 0], public.golden()["clustered"]["other_models"]
    sw, dimson = twin.scholes_williams(r, MKT, EST, EV), twin.dimson(r, MKT, EST, EV)
    path, rm, _, _ = hidden_path()
    trades = twin.trade_to_trade(path, np.cumsum(rm), EST, EV)
    want = other["scholes_williams"]
    slopes = {k: want[k] for k in ("alpha", "beta", "beta_lag", "beta_0", "beta_lead")} | {"rho": want["rho_m"]}
    terms = dict(zip(("alpha", "lag1", "same_day", "lead1"), other["dimson_1"]["coef"])) | {
        "beta": other["dimson_1"]["beta"]
    }
    line = dict(zip(("alpha", "beta"), other["trade_to_trade_firm6"]["b"]))
    source = f"{PUBLIC}; standard errors: {TWIN}"
    hidden = given(firm=6, prices="hidden path")
    return {
        "scholes_williams": case("external", source, of_twin(sw) | slopes, given(), 1e-10, ROUNDING),
        "dimson": case("external", source, of_twin(dimson) | terms, given(), 1e-10, ROUNDING),
        "trade_to_trade": case("external", source, of_twin(trades) | line, hidden, 1e-10, ROUNDING),
    }


def peer_cases() -> dict[str, dict]:
    r, d = RET[:, 0], RET[:, 1:6]
    inputs = given(donors=[1, 2, 3, 4, 5])
    mean, line, ridge = twin.peers_ew(r, d, EST, EV), twin.peers_reg(r, d, EST, EV), twin.peers_ridge(r, d, EST, EV)
    control, factors = twin.synthetic_control(r, d, EST, EV), twin.gsynth(r, d, EST, EV)
    weights = public.golden()["clustered"]["other_models"]["synthetic_control_ret_firm0"]["w"]
    named = {f"P{j}": w for j, w in enumerate(weights)}
    factor_inputs = inputs | {"options": {"event_window": [-1, 3]}}
    loadings = {"alpha": factors["b"][0]}
    return {
        "peers_ew": case("external", TWIN, of_twin(mean), inputs, 1e-10, ROUNDING),
        "peers_reg": case(
            "external", TWIN, of_twin(line, alpha=line["b"][0], beta=line["b"][1]), inputs, 1e-10, ROUNDING
        ),
        "peers_ridge": case("external", TWIN, of_twin(ridge), inputs, 1e-10, ROUNDING),
        "synthetic_control": case(
            "external", f"{PUBLIC}; sigma: {TWIN}", of_twin(control) | named, inputs, 1e-10, ROUNDING
        ),
        "gsynth": case("external", TWIN, of_twin(factors, **loadings), factor_inputs, 1e-10, ROUNDING),
    }


def garch_cases() -> dict[str, dict]:
    """Firm 3, where all three likelihoods have an interior maximum that the package's own start reaches."""
    out = {}
    y, x = 100 * RET[EST, 3], 100 * MKT[EST]
    for model, vol, order in (("garch", "GARCH", 0), ("gjr", "GARCH", 1), ("egarch", "EGARCH", 1)):
        fit = arch_model(y, x=x[:, None], mean="LS", vol=vol, p=1, o=order, q=1).fit(disp="off", show_warning=False)
        assert fit.convergence_flag == 0
        steps = 14
        draws = np.random.default_rng(1).standard_normal((10_000, steps))
        how = dict(method="simulation", simulations=10_000, rng=lambda size, z=draws: z) if model == "egarch" else {}
        h = fit.forecast(horizon=steps, x=np.zeros((1, 1, steps)), **how).residual_variance.to_numpy()[-1]
        alpha, beta = fit.params["Const"] / 100, fit.params["x0"]
        ar = RET[EV, 3] - alpha - beta * MKT[EV]
        e = fit.resid / 100
        expected = {
            "alpha": float(alpha),
            "beta": float(beta),
            "sigma": float(np.sqrt(e @ e / 238)),
            "m": 240,
            "df": 238.0,
        }
        expected |= {"ar": ar.tolist(), "car": float(ar.sum()), "car_se": float(np.sqrt(h[-5:].sum()) / 100)}
        inputs = given(firm=3, options={"variant": "forecast_from_T1"})
        why = "a numerical maximum: optimiser and library versions move the fifth digit"
        out[model] = case("external", f"arch {version('arch')}, fit and forecast from T1", expected, inputs, 1e-4, why)
    return out


def main() -> None:
    families = (linear_cases, one_factor_cases, robust_cases, thin_cases, peer_cases, garch_cases)
    for family in families:
        for model, found in family().items():
            folder = HERE / f"model_{model}"
            folder.mkdir(exist_ok=True)
            (folder / "case.json").write_text(json.dumps({"method": model} | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
