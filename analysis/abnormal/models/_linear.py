"""From a design matrix to AbnormalReturns: the path all least-squares models share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Refit, Sample
from ..kernel import ols


def estimation_columns(sample: Sample) -> slice:
    """Columns of the estimation offsets."""
    return slice(0, int(np.searchsorted(sample.offsets, sample.estimation[1], side="right")))


def usable_rows(sample: Sample, y: FloatArray, x: FloatArray) -> BoolArray:
    """Estimation rows where the return and every regressor are present."""
    return sample.est & np.isfinite(y) & np.isfinite(x).all(axis=2)


def intercept(sample: Sample) -> FloatArray:
    """The constant as (E, W): the number of sessions a return covers."""
    return sample.span


def design(*columns: FloatArray) -> FloatArray:
    """Stack (E, W) columns into a design (E, W, k)."""
    return np.stack(columns, axis=2)


def short_reasons(sample: Sample, m: np.ndarray, k: int, model: str) -> list[str]:
    """Why a pair has too few estimation returns, or ""."""
    need = max(sample.min_obs, k + 1)
    lo, hi = sample.estimation
    out = []
    for count in m:
        text = f"{int(count)} returns in ({lo}, {hi}); model {model!r} needs {need}" if count < need else ""
        out.append(text)
    return out


def merged(first: list[str], bad: np.ndarray, text: str) -> list[str]:
    """Add `text` where nothing is said yet and `bad` is true."""
    return [w or (text if b else "") for w, b in zip(first, bad)]


def assemble(
    sample: Sample,
    model: str,
    *,
    y: FloatArray,
    expected: FloatArray,
    use: BoolArray,
    x: FloatArray,
    g: FloatArray,
    rss: FloatArray,
    k: int,
    df: FloatArray,
    coef: FloatArray,
    coef_names: tuple[str, ...],
    r2: FloatArray,
    fitted: bool,
    reason: list[str],
    noise: FloatArray | None = None,
    sigma: FloatArray | None = None,
    refit: Refit | None = None,
    notes: Mapping[str, Any] | None = None,
) -> AbnormalReturns:
    """Put what a model found into the waist; pairs with a reason become NaN throughout."""
    m = use.sum(axis=1)
    cols = estimation_columns(sample)
    if sigma is None:
        exact = ols.is_exact(rss, y[:, cols], use[:, cols])
        reason = merged(
            reason, exact & (m > 0), "zero residual variance: the returns are an exact function of the model"
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            sigma = np.sqrt(rss / df)
    bad = np.array([bool(r) for r in reason])
    sigma = np.where(bad, np.nan, sigma)
    ar = np.where(bad[:, None], np.nan, y - expected)
    # A row of the estimation window that was not used (listing days, gaps) has no residual.
    before = sample.offsets[None, :] <= sample.estimation[1]
    ar = np.where(before & ~use, np.nan, ar)
    return AbnormalReturns(
        model=(model,) * sample.size,
        offsets=sample.offsets,
        ar=ar,
        raw=y,
        expected=expected,
        est=use,
        span=sample.span,
        noise=sample.span if noise is None else noise,
        x=np.where(np.isfinite(x), x, 0.0),
        g=np.where(bad[:, None, None], np.nan, g),
        fitted=np.full(sample.size, fitted),
        sigma=sigma,
        df=np.where(bad, np.nan, df),
        k=np.full(sample.size, k),
        m=m,
        coef=coef,
        coef_names=coef_names,
        r2=r2,
        dates=sample.dates,
        estimation=sample.estimation,
        event_id=sample.event_id,
        ticker=sample.ticker,
        market=sample.x[:, :, 0] if sample.names else None,
        refit={} if refit is None else {model: refit},
        reason=tuple(reason),
        notes=notes or {},
    )


def least_squares_residuals(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
    """Residuals of a fresh least-squares fit on `use`, on every row of it (the `refit` of linear models)."""
    fit = ols.least_squares(y, x, use)
    return np.where(use, ols.residuals(y, np.where(np.isfinite(x), x, 0.0), fit.coef), np.nan)


def linear(
    sample: Sample, model: str, x: FloatArray, names: tuple[str, ...], y: FloatArray | None = None
) -> AbnormalReturns:
    """Least squares of y on the design x over the estimation rows; AR = y - x'b with exact forecast-error variance."""
    y = sample.y if y is None else y
    k = x.shape[2]
    use = usable_rows(sample, y, x)
    cols = estimation_columns(sample)
    fit = ols.least_squares(y[:, cols], x[:, cols], use[:, cols])
    reason = short_reasons(sample, fit.m, k, model)
    reason = merged(reason, ~fit.full_rank, f"collinear regressors: {', '.join(names)} cannot be told apart")
    df = (fit.m - k).astype(float)
    return assemble(
        sample,
        model,
        y=y,
        expected=np.einsum("ewk,ek->ew", x, fit.coef),
        use=use,
        x=x,
        g=fit.g,
        rss=fit.rss,
        k=k,
        df=np.where(df > 0, df, np.nan),
        coef=fit.coef,
        coef_names=names,
        r2=ols.r_squared(fit.rss, y[:, cols], use[:, cols]),
        fitted=True,
        reason=reason,
        refit=least_squares_residuals,
    )


def no_regressor(sample: Sample, model: str, what: str) -> AbnormalReturns:
    """A model whose regressor was not given: every pair says so."""
    nan = np.full(sample.y.shape, np.nan)
    e = sample.size
    return assemble(
        sample, model, y=sample.y, expected=nan, use=np.zeros(sample.y.shape, bool), x=np.zeros((*nan.shape, 0)),
        g=np.zeros((e, 0, 0)), rss=np.full(e, np.nan), k=0, df=np.full(e, np.nan), coef=np.zeros((e, 0)), coef_names=(),
        r2=np.full(e, np.nan), fitted=False, reason=[f"model {model!r} needs {what}"] * e, sigma=np.full(e, np.nan),
    )  # fmt: skip


def combine(parts: list[tuple[np.ndarray, AbnormalReturns]], size: int) -> AbnormalReturns:
    """Join abnormal returns of several models, given as (positions, part), into one in the order of the pairs."""
    order = np.concatenate([p for p, _ in parts])
    back = np.empty(size, np.int64)
    back[order] = np.arange(order.size)
    k = max(a.x.shape[2] for _, a in parts)
    names = tuple(dict.fromkeys(n for _, a in parts for n in a.coef_names))
    first = parts[0][1]
    refit: dict[str, Refit] = {}
    for _, a in parts:
        refit.update(a.refit)

    def stack(name: str) -> np.ndarray:
        return np.concatenate([getattr(a, name) for _, a in parts])[back]

    def labels(name: str) -> tuple[str, ...]:
        flat = [v for _, a in parts for v in getattr(a, name)]
        return tuple(flat[i] for i in back)

    padded_x = np.concatenate([_pad(a.x, k, 2) for _, a in parts])[back]
    padded_g = np.concatenate([_pad(_pad(a.g, k, 1), k, 2) for _, a in parts])[back]
    coef = np.concatenate([_spread(a, names) for _, a in parts])[back]
    market = None if any(a.market is None for _, a in parts) else stack("market")
    return AbnormalReturns(
        model=labels("model"), offsets=first.offsets, ar=stack("ar"), raw=stack("raw"), expected=stack("expected"),
        est=stack("est"), span=stack("span"), noise=stack("noise"), x=padded_x, g=padded_g, fitted=stack("fitted"),
        sigma=stack("sigma"), df=stack("df"), k=stack("k"), m=stack("m"), coef=coef, coef_names=names, r2=stack("r2"),
        dates=stack("dates"), estimation=first.estimation, event_id=labels("event_id"), ticker=labels("ticker"),
        market=market, refit=refit, reason=labels("reason"), notes={k2: v for _, a in parts for k2, v in a.notes.items()},
    )  # fmt: skip


def _pad(a: np.ndarray, k: int, axis: int) -> np.ndarray:
    widths = [(0, 0)] * a.ndim
    widths[axis] = (0, k - a.shape[axis])
    return np.pad(a, widths)


def _spread(a: AbnormalReturns, names: tuple[str, ...]) -> np.ndarray:
    out = np.full((a.size, len(names)), np.nan)
    for j, name in enumerate(names):
        if name in a.coef_names:
            out[:, j] = a.coef[:, a.coef_names.index(name)]
    return out
