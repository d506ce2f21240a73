"""Writes tests/golden/calendar_time/case.json, tests/golden/regress_*/case.json and those of the residual diagnostics.

Run from the repository: `python tests/golden/make_regress_cases.py`. Values come from the public check file where it has
them, else from statsmodels on the same data; never from the package itself.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as sm

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from twin import public, regression  # noqa: E402

PUBLIC = "METHODS.md section 11, golden_public.json (independent reference implementation)"
STATSMODELS = f"statsmodels {version('statsmodels')}"


def write(name: str, content: dict[str, Any]) -> None:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "case.json").write_text(json.dumps(content, indent=1) + "\n")


def at(key: str) -> dict[str, Any]:
    value: Any = public.golden()
    for part in key.split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return {"key": key, "value": value}


def calendar_time() -> dict[str, Any]:
    key = "dispersed/tests_market_model/calendar_time_5"
    data = public.dispersed()
    rows = regression.calendar_portfolio(data["ret"], data["pos"], 5)
    y, n = np.array([r[1] for r in rows]), np.array([len(r[2]) for r in rows])
    x = sm.add_constant(data["mkt"][[r[0] for r in rows]])
    hac = {"maxlags": regression.newey_west_lag(len(rows)), "use_correction": False}
    fits = {
        "HC1": sm.OLS(y, x).fit(cov_type="HC1", use_t=True),
        "newey_west": sm.OLS(y, x).fit(cov_type="HAC", cov_kwds=hac, use_t=True),
    }
    plain = {"extra.alpha": at(f"{key}/alpha"), "extra.se": at(f"{key}/se"), "extra.beta": at(f"{key}/beta")}
    cases = [
        {"data": "dispersed", "window": [0, 4], "variant": "ols",
         "expect": plain | {"extra.sessions": at(f"{key}/n_days"), "df": {"value": 88, "source": "T - k"}}},
        {"data": "dispersed", "window": [0, 4], "variant": "wls",
         "expect": {"extra.alpha": at(f"{key}/wls_alpha"), "extra.se": at(f"{key}/wls_se")}},
    ]  # fmt: skip
    assert n.sum() == 100
    for variant, fit in fits.items():
        expect = {"statistic": fit.tvalues[0], "p": fit.pvalues[0], "extra.se": fit.bse[0]}
        named = {k: {"value": float(v), "source": STATSMODELS} for k, v in expect.items()}
        cases.append({"data": "dispersed", "window": [0, 4], "variant": variant, "expect": named})
    return {
        "test": "calendar_time", "kind": "golden_public", "source": f"{PUBLIC}; robust forms {STATSMODELS}",
        "script": "tests/golden/make_regress_cases.py", "tolerance": 1e-10, "why_tolerance": "closed form, rounding only",
        "cases": cases,
    }  # fmt: skip


def cross_section() -> dict[str, Any]:
    """All covariances of 5.3 on the six complete firms, the characteristic of the public file."""
    root = "clustered/tests_market_model"
    cases = [
        {"cov": cov, "expect": {"coef": at(f"{root}/xs_reg_6/b"), "se": at(f"{root}/xs_reg_6/{cov}")}}
        for cov in ("ols", "HC0", "HC1", "HC2", "HC3")
    ]
    cases += [
        {"cov": "cluster", "clusters": [0, 0, 1, 1, 2, 2], "expect": {"se": at(f"{root}/xs_reg_6/CR1")}},
        {"cov": "wls", "expect": {"coef": at(f"{root}/wls_6/b"), "se": at(f"{root}/wls_6/se")}},
        {"cov": "sefcik_thompson", "expect": {
            "coef": at(f"{root}/sefcik_thompson_6/delta"), "se": at(f"{root}/sefcik_thompson_6/se"),
            "statistic": at(f"{root}/sefcik_thompson_6/t"), "df": at(f"{root}/sefcik_thompson_6/df")}},
        {"cov": "tsols", "expect": {
            "facts.m": at(f"{root}/tsols_6/m"), "p.1": at(f"{root}/tsols_6/p_slope"),
            "statistic.1": at(f"{root}/tsols_6/z_slope")}},
    ]  # fmt: skip
    return {
        "method": "regress", "kind": "golden_public", "source": PUBLIC, "script": "tests/golden/make_regress_cases.py",
        "data": "clustered, firms 0 to 5, characteristic_6, window [-1, 3], market model", "tolerance": 1e-10,
        "why_tolerance": "closed form, rounding only", "characteristic": at(f"{root}/characteristic_6"), "cases": cases,
    }  # fmt: skip


def dummies() -> dict[str, Any]:
    root = "clustered/tests_market_model"
    return {
        "method": "event_dummies", "kind": "golden_public", "source": PUBLIC,
        "script": "tests/golden/make_regress_cases.py", "data": "clustered, firm 0, window [-1, 3], market model",
        "tolerance": 1e-10, "why_tolerance": "closed form, rounding only",
        "expect": {
            "gamma": at("clustered/market/0/ar"), "se": at("clustered/market/0/se"), "car": at("clustered/market/0/car"),
            "car_se": at("clustered/market/0/car_se"), "F": at(f"{root}/chow_F_firm0/F"), "p_F": at(f"{root}/chow_F_firm0/p"),
            "window_dummy": at(f"{root}/single_window_dummy_firm0/gamma"),
            "window_dummy_se": at(f"{root}/single_window_dummy_firm0/se"),
        },
    }  # fmt: skip


def diagnostics() -> dict[str, dict[str, Any]]:
    """Every diagnostic of the eight firms' market regressions, firm by firm, by statsmodels."""
    import warnings

    from statsmodels.stats import diagnostic, stattools

    warnings.simplefilter("ignore", FutureWarning)
    data = public.clustered()
    fits = []
    for i in range(8):
        y, x = data["ret"][data["est"], i], data["mkt"][data["est"]]
        have = np.isfinite(y)
        fits.append(sm.OLS(y[have], sm.add_constant(x[have])).fit())
    found: dict[str, list[dict[str, float]]] = {}
    for fit in fits:
        e, x = fit.resid, fit.model.exog
        box = diagnostic.acorr_ljungbox(e, lags=[5]).iloc[0]
        late = (np.arange(e.size) >= e.size // 2).astype(float)[:, None]
        split = sm.OLS(fit.model.endog, np.hstack([x, x * late])).fit().f_test(np.eye(4)[2:])
        path = diagnostic.breaks_cusumolsresid(e, ddof=2)
        pairs = {
            "ljung_box": (box.iloc[0], box.iloc[1]), "arch_lm": diagnostic.het_arch(e, nlags=5)[:2],
            "breusch_pagan": diagnostic.het_breuschpagan(e, x)[:2], "jarque_bera": stattools.jarque_bera(e)[:2],
        }  # fmt: skip
        for name, (value, p) in pairs.items():
            found.setdefault(name, []).append({"statistic": float(value), "p": float(p)})
        found.setdefault("durbin_watson", []).append({"statistic": float(stattools.durbin_watson(e))})
        stable = {"cusum": path[0], "cusum_p": path[1], "chow": split.fvalue, "chow_p": split.pvalue}
        found.setdefault("stability", []).append({k: float(v) for k, v in stable.items()})
        found.setdefault("largest_day", []).append({"h": float(fit.get_influence().hat_matrix_diag.max())})
    return {
        name: {
            "check": name, "evidence": "external", "source": STATSMODELS, "script": "tests/golden/make_regress_cases.py",
            "data": "clustered, all 8 firms, market model, window [-1, 3]", "tolerance": 1e-9,
            "why_tolerance": "tails of large statistics amplify rounding", "expect": rows,
        }
        for name, rows in found.items()
    }  # fmt: skip


if __name__ == "__main__":
    for name, content in diagnostics().items():
        write(name, content)
    write("calendar_time", calendar_time())
    write("regress_cross_section", cross_section())
    write("regress_event_dummies", dummies())
