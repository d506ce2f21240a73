"""Factor models: CAPM (Sharpe 1964), Fama-French three, five and six factors, Carhart, industry and the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, FloatArray, Sample
from ..registry import MODELS
from ._linear import design, intercept, linear, no_regressor

FACTORS = {
    "ff3": ("MKT", "SMB", "HML"),
    "carhart4": ("MKT", "SMB", "HML", "MOM"),
    "ff5": ("MKT", "SMB", "HML", "RMW", "CMA"),
    "ff6": ("MKT", "SMB", "HML", "RMW", "CMA", "MOM"),
}


def excess(sample: Sample) -> FloatArray:
    """R - Rf (R itself where no riskless rate was given)."""
    return sample.y if sample.rf is None else sample.y - sample.span * sample.rf


def market_excess(sample: Sample) -> FloatArray | None:
    """MKT - Rf: the factor MKT (already in excess), else the benchmark minus Rf."""
    if "MKT" in sample.names:
        return sample.column("MKT")
    if "market" in sample.names:
        rm = sample.column("market")
        return rm if sample.rf is None else rm - sample.span * sample.rf
    return None


def _factor_model(sample: Sample, model: str, names: tuple[str, ...]) -> AbnormalReturns:
    rm = market_excess(sample)
    missing = [n for n in names if n != "MKT" and n not in sample.names] + (["MKT"] if rm is None else [])
    if missing or rm is None:
        return no_regressor(
            sample, model, f"the factors {', '.join(missing)}; give factors=... (a French library file)"
        )
    columns = [rm if n == "MKT" else sample.column(n) for n in names]
    return linear(sample, model, design(intercept(sample), *columns), ("alpha", *names), excess(sample))


@MODELS.add(
    "capm",
    reference="doi:10.1111/j.1540-6261.1964.tb02865.x",
    formula="E[R_t] - Rf_t = alpha + beta (Rm_t - Rf_t); k = 2, df = M - 2",
    variants=("capm", "capm_zero"),
)
def capm(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model in returns above the riskless rate, intercept free."""
    return _factor_model(sample, "capm", ("MKT",))


@MODELS.add(
    "capm_zero",
    reference="doi:10.1111/j.1540-6261.1964.tb02865.x",
    formula="E[R_t] - Rf_t = beta (Rm_t - Rf_t), no intercept; k = 1, df = M - 1",
)
def capm_zero(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The CAPM as the theory states it: no intercept in the fit or the forecast."""
    rm = market_excess(sample)
    if rm is None:
        return no_regressor(sample, "capm_zero", "a benchmark or the factor MKT")
    return linear(sample, "capm_zero", design(rm), ("MKT",), excess(sample))


@MODELS.add(
    "ff3",
    reference="doi:10.1016/0304-405X(93)90023-5",
    formula="E[R_t] - Rf_t = alpha + b MKT + s SMB + h HML; k = 4",
)
def ff3(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """Fama and French (1993): market, size and value."""
    return _factor_model(sample, "ff3", FACTORS["ff3"])


@MODELS.add(
    "carhart4",
    reference="doi:10.1111/j.1540-6261.1997.tb03808.x",
    formula="E[R_t] - Rf_t = alpha + b MKT + s SMB + h HML + m MOM; k = 5",
)
def carhart4(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """Carhart (1997): the three factors and momentum."""
    return _factor_model(sample, "carhart4", FACTORS["carhart4"])


@MODELS.add(
    "ff5",
    reference="doi:10.1016/j.jfineco.2014.10.010",
    formula="E[R_t] - Rf_t = alpha + b MKT + s SMB + h HML + r RMW + c CMA; k = 6",
)
def ff5(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """Fama and French (2015): market, size, value, profitability and investment."""
    return _factor_model(sample, "ff5", FACTORS["ff5"])


@MODELS.add(
    "ff6",
    reference="doi:10.1016/j.jfineco.2018.02.012",
    formula="E[R_t] - Rf_t = alpha + b MKT + s SMB + h HML + r RMW + c CMA + m MOM; k = 7",
)
def ff6(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """Fama and French (2018): the five factors and momentum."""
    return _factor_model(sample, "ff6", FACTORS["ff6"])


@MODELS.add(
    "factors",
    reference="doi:10.1257/jel.35.1.13",
    formula="E[R_t] = alpha + sum_j b_j F_jt over every factor given; returns in excess where the factors bring RF",
)
def factors(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """Any factor set of the user's own."""
    # With a factor file `market` is MKT + RF, and a benchmark beside the factors is not one of them.
    names = tuple(n for n in sample.names if n not in ("market", "industry")) or sample.names
    if not names:
        return no_regressor(sample, "factors", "factors=... (a DataFrame or a file)")
    columns = [np.asarray(sample.column(n)) for n in names]
    return linear(sample, "factors", design(intercept(sample), *columns), ("alpha", *names), excess(sample))


@MODELS.add(
    "industry",
    reference="doi:10.1257/jel.35.1.13",
    formula="E[R_t] = alpha + beta Rind_t; k = 2; the index must leave the firm itself out",
)
def industry(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its industry index."""
    if "industry" not in sample.names:
        return no_regressor(sample, "industry", "an industry index; give industry=...")
    return linear(sample, "industry", design(intercept(sample), sample.column("industry")), ("alpha", "industry"))


@MODELS.add(
    "market_industry",
    reference="doi:10.1257/jel.35.1.13",
    formula="E[R_t] = alpha + beta Rm_t + gamma Rind_t; k = 3",
)
def market_industry(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's usual relation with its market and its industry together."""
    if "industry" not in sample.names or "market" not in sample.names:
        return no_regressor(
            sample, "market_industry", "a benchmark and an industry index; give benchmark= and industry="
        )
    x = design(intercept(sample), sample.column("market"), sample.column("industry"))
    return linear(sample, "market_industry", x, ("alpha", "beta", "industry"))
