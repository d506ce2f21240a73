"""Synthetic control (Abadie, Diamond and Hainmueller 2010): the portfolio of peers that moved like the share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, Refit, Sample
from ..errors import SpecError
from ..kernel import ols
from ..kernel.simplex import KKT_TOLERANCE, Weights, simplex_weights
from ..registry import MODELS
from ._linear import assemble, estimation_columns, no_regressor
from ._options import choice, keyed
from ._peers import NO_PEERS, Donors, common_names, donor_names, donor_reasons, donors_of, has_peers, left_out

POOR_FIT = 0.95  # pre-event RMSE beyond this share of sd(R): the donors say next to nothing about the share


def has_path(y: FloatArray, d: FloatArray, kind: str) -> bool:
    """Whether every return leaves something: a simple return of -100% ends a log price path."""
    return kind == "log" or min(float(y.min()), float(d.min())) > -1.0


def log_path(r: FloatArray, kind: str) -> FloatArray:
    """Log price path over the rows used, from zero: (M,) or (M, J)."""
    return np.cumsum(r if kind == "log" else np.log1p(r), axis=0)


def fit_weights(y: FloatArray, d: FloatArray, variant: str, demeaned: bool, kind: str) -> tuple[Weights, float]:
    """Weights of the donors d (M, J) for the share y (M,), and the intercept (zero unless demeaned)."""
    target, donors = (log_path(y, kind), log_path(d, kind)) if variant == "level" else (y, d)
    if demeaned:
        target, donors = target - target.mean(), donors - donors.mean(axis=0)
    found = simplex_weights(target, donors)
    return found, float(y.mean() - d.mean(axis=0) @ found.w) if demeaned else 0.0


def residuals_of(variant: str, demeaned: bool, kind: str) -> Refit:
    """The `refit` of the model: gaps with weights fitted afresh to the rows `use`; columns of zeros are no donors."""

    def refit(y: FloatArray, x: FloatArray, use: BoolArray) -> FloatArray:
        out = np.full(y.shape, np.nan)
        for i, rows in enumerate(use):
            d = x[i, rows]
            d = d[:, np.any(d != 0, axis=0)]
            if rows.any() and d.shape[1] and (variant != "level" or has_path(y[i, rows], d, kind)):
                found, level = fit_weights(y[i, rows], d, variant, demeaned, kind)
                out[i, rows] = y[i, rows] - level - d @ found.w
        return out

    return refit


def _demeaned(options: Mapping[str, Any]) -> bool:
    given = options.get("demeaned", False)
    if not isinstance(given, bool):
        raise SpecError(f"model 'synthetic_control': demeaned = {given!r}; expected true or false")
    return given


def _fit_all(
    sample: Sample, donors: Donors, variant: str, demeaned: bool, reason: list[str]
) -> tuple[FloatArray, FloatArray, FloatArray, list[str]]:
    """Weights (E, J) with NaN for donors left out, intercepts and optimality gaps (E,), and the reasons completed."""
    w = np.full(donors.live.shape, np.nan)
    level, kkt = np.full(sample.size, np.nan), np.full(sample.size, np.nan)
    reason = list(reason)
    for i in np.flatnonzero([not r for r in reason]):
        rows, live = donors.use[i], donors.live[i]
        y, d = sample.y[i, rows], donors.r[i, rows][:, live]
        if variant == "level" and not has_path(y, d, sample.kind):
            reason[i] = "a return of -100% or less has no log price path"
            continue
        found, level[i] = fit_weights(y, d, variant, demeaned, sample.kind)
        w[i, live], kkt[i] = found.w, found.kkt
        if not found.optimal:
            reason[i] = (
                f"the donor weights miss the optimality conditions by {found.kkt:.1e} (limit {KKT_TOLERANCE:.0e})"
            )
    return w, level, kkt, reason


@MODELS.add(
    "synthetic_control",
    reference="doi:10.1198/jasa.2009.ap08746",
    formula="w = argmin sum (R_t - sum_j w_j R_jt)^2, w >= 0, sum w = 1; AR_t = R_t - sum_j w_j R_jt; df = M - 1",
    variants=("returns", "level"),
    assumes={"donors untouched by the event", "the share inside the range of its donors"},
    robust_to={"shocks to the whole sector", "a volatile market around the event"},
    others="`demeaned` is the form of Doudchenko and Imbens (2016) and of Ferman and Pinto (2021)",
)
def synthetic_control(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The share's return beyond that of the portfolio of peers that moved most like it before the event.

    Weights are not negative, sum to one and minimise the squared gap over the estimation rows, of returns (`returns`,
    default) or of log price paths from zero (`level`): `options["variant"]`. `options["demeaned"] = True` takes the
    means of the estimation window off both sides. Optimality conditions hold to 1e-8. sigma is the standard deviation of the
    gaps (`options["sigma"] = "s_zero"`: their root mean square, df M), Var(CAR) = sigma^2 L2, df M - 1. Where the
    pre-event RMSE exceeds 0.95 sd(R), `notes["refuse_verdict"]` says so.
    """
    variant = choice(options, "variant", ("returns", "level"), "synthetic_control")
    centred = choice(options, "sigma", ("s_mean", "s_zero"), "synthetic_control") == "s_mean"
    demeaned = _demeaned(options)
    if not has_peers(sample):
        return no_regressor(sample, "synthetic_control", NO_PEERS)
    donors, cols = donors_of(sample), estimation_columns(sample)
    y, use, m = sample.y, donors.use, donors.use.sum(axis=1)
    reason = donor_reasons(sample, donors, "synthetic_control")
    w, level, kkt, reason = _fit_all(sample, donors, variant, demeaned, reason)
    expected = level[:, None] * sample.span + np.einsum("ewj,ej->ew", donors.r, np.where(np.isnan(w), 0.0, w))
    gap = np.where(use, y - expected, 0.0)
    sse = np.einsum("ew,ew->e", gap, gap)
    mean = gap.sum(axis=1) / np.maximum(m, 1) if centred else np.zeros(sample.size)
    rss = np.sum(np.where(use, gap - mean[:, None], 0.0) ** 2, axis=1)
    df = (m - 1 if centred else m).astype(float)
    donor_count = donors.live.shape[1]
    return assemble(
        sample, "synthetic_control", y=y, expected=expected, use=use, x=donors.r,
        g=np.zeros((sample.size, donor_count, donor_count)), rss=rss, k=donor_count, df=np.where(df > 0, df, np.nan),
        coef=np.concatenate([level[:, None], w], axis=1), coef_names=("alpha", *common_names(sample)),
        r2=ols.r_squared(sse, y[:, cols], use[:, cols]), fitted=False, reason=reason,
        refit=residuals_of(variant, demeaned, sample.kind), notes=_notes(sample, donors, w, expected, sse, kkt, reason),
    )  # fmt: skip


def _notes(
    sample: Sample,
    donors: Donors,
    w: FloatArray,
    expected: FloatArray,
    sse: FloatArray,
    kkt: FloatArray,
    reason: list[str],
) -> dict[str, Any]:
    """Weights by donor, quality of the fit, and where a verdict must be refused; all by (event_id, ticker)."""
    fit, weights, refuse = {}, {}, {}
    for i in np.flatnonzero([not r for r in reason]):
        rows = donors.use[i]
        y, s = sample.y[i, rows], expected[i, rows]
        rmse, sd = float(np.sqrt(sse[i] / rows.sum())), float(y.std(ddof=1))
        varies = y.std() > 0 and s.std() > 0
        correlation = float(np.corrcoef(y, s)[0, 1]) if varies else np.nan
        fit[int(i)] = {"pre_rmse": rmse, "correlation": correlation, "kkt": float(kkt[i])}
        weights[int(i)] = dict(zip(donor_names(sample, int(i)), w[i].tolist()))
        if rmse > POOR_FIT * sd:
            refuse[int(i)] = (
                f"pre-event RMSE {rmse:.4f} exceeds {POOR_FIT} of the share's sd {sd:.4f}: the donors do not fit"
            )
    return {
        "weights": keyed(sample, weights),
        "fit": keyed(sample, fit),
        "refuse_verdict": keyed(sample, refuse),
        "left_out": left_out(sample, donors),
    }


def donors_as_treated(sample: Sample, i: int = 0) -> Sample:
    """Each control share of pair i in the share's place, the share itself out of the pool: a sample of J pairs.

    For placebo tests in space. The pool of each is the other J - 1 control shares.
    """
    if sample.peers is None:
        raise SpecError("a placebo in space needs " + NO_PEERS)
    part = sample.take([i])
    assert part.peers is not None
    r = part.peers[0]
    count = r.shape[1]
    within = (sample.offsets >= sample.estimation[0]) & (sample.offsets <= sample.estimation[1])
    pool = [[j for j in range(count) if j != k] for k in range(count)]
    names = donor_names(part, 0)
    repeated = part.take([0] * count)
    return replace(
        repeated, y=r.T.copy(), span=np.ones_like(repeated.span), est=within[None, :] & np.isfinite(r.T), ticker=names,
        peers=np.stack([r[:, chosen] for chosen in pool]), peer_names=names, peer_of=np.array(pool, np.int64),
    )  # fmt: skip
