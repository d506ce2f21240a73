"""Standard errors for pairs taken as independent, or independent between clusters (METHODS 5.3).

Each estimator takes a Setup and gives an Estimate around a statsmodels results object.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..domain import FloatArray
from ..kernel import dist, resample, sandwich
from ._setup import CannotEstimate, Estimate, Setup

WEBB_BELOW = 12
FULL = sandwich.FULL_LEVERAGE


def model(s: Setup, kind: str = "OLS", **options: Any) -> Any:
    """A statsmodels OLS, WLS or GLS with the characteristics' names."""
    import pandas as pd
    import statsmodels.api as sm

    z = pd.DataFrame(s.z, columns=list(s.names))
    y = pd.Series(s.y, name="y" if not s.linear else "car")
    return getattr(sm, kind)(y, z, **options)


def with_covariance(fit: Any, v: FloatArray, df: float, name: str) -> Any:
    """The statsmodels results with another covariance of the coefficients and its degrees of freedom."""
    from statsmodels.regression.linear_model import OLSResults, RegressionResultsWrapper

    own = OLSResults(fit.model, np.asarray(fit.params), fit.normalized_cov_params, scale=fit.scale, use_t=True)
    own.cov_type = name
    own.cov_params_default = v
    own.df_resid_inference = df
    return RegressionResultsWrapper(own)


def by_student(s: Setup, fit: Any, df: float, **more: Any) -> Estimate:
    """The coefficients over the fit's standard errors, referred to Student's t."""
    coef, se = np.asarray(fit.params, float), np.asarray(fit.bse, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = coef / se
    p = np.asarray(dist.student_p(t, df, s.opt.alternative), float)
    return Estimate(s, coef, se, t, p, float(df), f"t({df:g})", fit, **more)


def ols(s: Setup) -> Estimate:
    """s^2 (Z'Z)^-1, t(n - k)."""
    return by_student(s, model(s).fit(), s.n - s.k)


def heteroskedastic(s: Setup, form: str) -> Estimate:
    """HC0 to HC3, t(n - k)."""
    hat = sandwich.least_squares(s.z, s.y).hat
    if form in ("HC2", "HC3") and hat.max() > FULL:
        i = int(hat.argmax())
        raise CannotEstimate(
            f"{form} is undefined: {_label(s, i)} has leverage 1, a characteristic of its own fits it exactly; use HC1, or "
            "drop the characteristic"
        )
    return by_student(
        s, model(s).fit(cov_type=form, use_t=True), s.n - s.k, facts={"largest_leverage": float(hat.max())}
    )


def cluster(s: Setup) -> Estimate:
    """CR1 by the setup's clusters, t(G - 1)."""
    g = _enough_clusters(s)
    kwds = {"groups": s.group, "use_correction": True, "df_correction": True}
    fit = model(s).fit(cov_type="cluster", cov_kwds=kwds, use_t=True)
    notes = (f"{g} clusters ({s.grouped_by}): below 30 clustered standard errors are too small; use cov='wild'",)
    return by_student(s, fit, g - 1.0, facts={"clusters": g}, notes=notes if g < 30 else ())


def _enough_clusters(s: Setup) -> int:
    if s.clusters < 2:
        raise CannotEstimate(f"all pairs are one cluster ({s.grouped_by}); clustered standard errors need 2")
    return s.clusters


def wls(s: Setup) -> Estimate:
    """Weights 1 / Var(CAR_i), scale = weighted RSS / (n - k), t(n - k)."""
    _positive_variances(s)
    return by_student(s, model(s, "WLS", weights=1.0 / s.variance).fit(), s.n - s.k)


def fgls(s: Setup) -> Estimate:
    """Var(u_i) = sigma_u^2 + s_i^2 c_i; sigma_u^2 = max(0, (RSS - sum (1 - h_i) s_i^2 c_i) / (n - k)), t(n - k)."""
    _positive_variances(s)
    f = sandwich.least_squares(s.z, s.y)
    excess = max(0.0, float(f.resid @ f.resid - np.sum((1.0 - f.hat) * s.variance)) / f.df)
    fit = model(s, "WLS", weights=1.0 / (excess + s.variance)).fit(cov_type="fixed scale", use_t=True)
    return by_student(s, fit, s.n - s.k, facts={"sigma_u": float(np.sqrt(excess))})


def _positive_variances(s: Setup) -> None:
    bad = ~(s.variance > 0)
    if bad.any():
        raise CannotEstimate(f"{_label(s, int(bad.argmax()))} has no forecast-error variance to weight by")


def _label(s: Setup, i: int) -> str:
    return f"{s.ar.ticker[i]} at {s.ar.event_id[i]}"


def wild(s: Setup) -> Estimate:
    """Wild cluster bootstrap of the CR1 t with the null imposed, one coefficient at a time.

    For coefficient j: fit without it, u = its residuals; y* = fitted + w_g u with one weight a cluster (Rademacher;
    Webb's six points below 12 clusters); p = (1 + #{|t*| >= |t|}) / (B + 1). Draws `integers(0, 2 or 6, size=(B, G))` of a
    generator started afresh for every coefficient.
    """
    g = _enough_clusters(s)
    base = model(s).fit(cov_type="cluster", cov_kwds={"groups": s.group}, use_t=True)
    coef, se = np.asarray(base.params, float), np.asarray(base.bse, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = coef / se
    null = np.column_stack([_null_t(s, j, g) for j in range(s.k)])
    p = np.array([_resampled_p(null[:, j], t[j], s.opt.alternative) for j in range(s.k)])
    weights = "Webb" if g < WEBB_BELOW else "Rademacher"
    facts = {"clusters": g, "draws": s.opt.draws, "weights": weights, "min_p": 1.0 / (s.opt.draws + 1)}
    named = f"wild cluster bootstrap, {g} clusters ({s.grouped_by}), {weights} weights, B = {s.opt.draws}"
    return Estimate(s, coef, se, t, p, g - 1.0, named, base, np.abs(null), se, facts)


def _resampled_p(null: FloatArray, t: float, alternative: str) -> float:
    if not np.isfinite(t):
        return np.nan
    values, seen = {
        "greater": (null, t), "less": (-null, -t), "two-sided": (np.abs(null), abs(t)),
    }[alternative]  # fmt: skip
    return float((1 + dist.count_at_least(values, seen)) / (null.size + 1))


def _null_t(s: Setup, j: int, g: int) -> FloatArray:
    """t* (B,) of coefficient j in samples made without it.

    Coefficient and cluster scores of a sample are linear in its weights w (G,): what the other regressors explain drops
    out, so u, spread over its clusters, is projected once.
    """
    f = sandwich.least_squares(s.z, s.y)
    others = np.delete(s.z, j, axis=1)
    u = sandwich.least_squares(others, s.y).resid if others.shape[1] else s.y
    spread = np.zeros((s.n, g))
    spread[np.arange(s.n), s.group] = u
    coef = f.operator[j] @ spread
    resid = spread - s.z @ (f.operator @ spread)
    score = np.zeros((g, g))
    np.add.at(score, s.group, f.operator[j][:, None] * resid)
    factor = g / (g - 1.0) * (s.n - 1.0) / f.df
    rng = np.random.default_rng(s.opt.seed)
    out = []
    for w in (resample.webb if g < WEBB_BELOW else resample.rademacher)(rng, s.opt.draws, g):
        each = w @ score.T
        with np.errstate(invalid="ignore", divide="ignore"):
            out.append(w @ coef / np.sqrt(factor * np.einsum("bg,bg->b", each, each)))
    t = np.concatenate(out)
    return np.where(np.isfinite(t), t, np.inf)
