"""Maynes and Rumsey (1993): returns from trade to trade, for shares that do not trade every session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Sample
from ..kernel import ols
from ..registry import MODELS
from ._linear import assemble, design, estimation_columns, intercept, no_regressor, usable_rows
from ._reasons import line_reasons

IN_LOGS = "the n-session form adds up exactly in log returns; these are simple returns"


def traded_before(sample: Sample) -> BoolArray:
    """Rows whose previous trade, `span` sessions earlier, is an estimation row of the same pair."""
    columns = np.arange(sample.offsets.size)[None, :] - sample.span.astype(np.int64)
    return (columns >= 0) & np.take_along_axis(sample.est, np.maximum(columns, 0), axis=1)


def scaled(y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows divided by sqrt(n); n, the sessions covered, is the first column of the design."""
    root = np.sqrt(np.where(x[:, :, 0] > 0, x[:, :, 0], 1.0))
    return y / root, x / root[:, :, None]


def trade_to_trade_residuals(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
    """r - alpha n - beta rm of a fresh fit on the scaled rows `use`."""
    coef = ols.least_squares(*scaled(y, x), use).coef
    return np.where(use, ols.residuals(y, np.where(np.isfinite(x), x, 0.0), coef), np.nan)


@MODELS.add(
    "trade_to_trade",
    reference="doi:10.2139/ssrn.710982",
    formula="r_n / sqrt(n) on [sqrt(n), rm_n / sqrt(n)]; AR = r_n - alpha n - beta rm_n, S^2 = s^2 (n + x'(X'X)^-1 x)",
    assumes={"a stable beta", "variance in proportion to the sessions covered"},
    robust_to={"sessions without a trade"},
    others="Eventus offers it",
)
def trade_to_trade(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model on returns from one trade to the next, however many sessions apart.

    After Maynes and Rumsey (1993), Journal of Banking and Finance 17(1), 145-157; the reference given is Bartholdy,
    Olson and Peare (2007), who measure its size and power.

    A return over n sessions is set against the market compounded over the same n sessions and weighted by 1 / n, as its
    variance is n sigma^2. A row needs its previous trade inside the estimation window, so the first one gives none. Use
    it with thin="trade_to_trade", which keeps the returns over several sessions; log returns add up exactly.
    """
    if not sample.names:
        return no_regressor(sample, "trade_to_trade", "a benchmark; give benchmark=...")
    x = design(intercept(sample), sample.x[:, :, 0])
    use = usable_rows(sample, sample.y, x) & traded_before(sample)
    cols = estimation_columns(sample)
    y, xs = scaled(sample.y[:, cols], x[:, cols])
    rows = use[:, cols]
    fit = ols.least_squares(y, xs, rows)
    df = (fit.m - 2).astype(float)
    return assemble(
        sample, "trade_to_trade", y=sample.y, expected=np.einsum("ewk,ek->ew", x, fit.coef), use=use, x=x, g=fit.g,
        rss=fit.rss, k=2, df=np.where(df > 0, df, np.nan), coef=fit.coef, coef_names=("alpha", "beta"),
        r2=ols.r_squared(fit.rss, y, rows), fitted=True, noise=sample.span,
        reason=line_reasons(sample, fit, y, rows, "trade_to_trade"), refit=trade_to_trade_residuals,
        notes={} if sample.kind == "log" else {"trade_to_trade": IN_LOGS},
    )  # fmt: skip
