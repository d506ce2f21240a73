"""Complete rows go through the batched kernel, all others through sample and model as in a small study; one account of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..domain import BoolArray, FloatArray, IntArray, Window
from ..kernel.batch import Batch, Wanted, run_batch
from ..kernel.batch_dates import Model
from ..models.factors import FACTORS
from ..models.market import AUTO_MIN
from ..spec import StudySpec
from .held import Prices, require_regressors
from .placed import Placed
from .slow import SlowLane, slow_lane


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is kept of each of n pairs, in their order: estimates, and per window CAR, its error and rows.

    model (n,) names by `models`; est_first, est_last (n,) tape columns of the first and last estimation row; up, seen (n,)
    positive and all residuals; coef by name; ar (n, L) over the span of all windows (None where not wanted).
    order (n,): by date and security, in which sums over pairs are taken. slow_row (n,): row in the slow lane, -1 for others.
    """

    models: tuple[str, ...]
    model: IntArray
    m: IntArray
    df: FloatArray
    sigma: FloatArray
    r2: FloatArray
    coef: Mapping[str, FloatArray]
    est_first: IntArray
    est_last: IntArray
    up: IntArray
    seen: IntArray
    car: FloatArray
    se: FloatArray
    rows: IntArray
    order: IntArray | slice
    ar: FloatArray | None
    slow_row: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """Both lanes of a study: the pairs that stayed, what is kept of them, and sums that no pair has alone."""

    placed: Placed
    kept: Kept
    batch: Batch
    slow: SlowLane
    windows: tuple[Window, ...]
    estimation: Window
    model: Model

    @property
    def thin_share(self) -> float:
        """Largest share of estimation sessions without a trade; complete rows have none."""
        return self.slow.thin_share


def kernel_model(prices: Prices, spec: StudySpec) -> tuple[str, Model]:
    """The model complete rows get, by name and as the kernel knows it."""
    assert not isinstance(spec.estimation, str)
    m = spec.estimation[1] - spec.estimation[0] + 1
    name = spec.model
    if name == "auto":
        name = "market" if m >= AUTO_MIN else "market_zero_alpha"
    regressors, offset = require_regressors(prices, name)
    if name == "market_adjusted":
        return name, Model(regressors, offset, intercept=False, centred=True)
    return name, Model(regressors, offset, carried=name != "market_zero_alpha")


def run_lanes(
    placed: Placed, prices: Prices, spec: StudySpec, windows: tuple[Window, ...], tests: tuple[str, ...], per_pair: bool,
    threads: int,
) -> Lanes:  # fmt: skip
    """Estimate every placed pair; those without an estimate are excluded with the reason."""
    assert not isinstance(spec.estimation, str)
    name, model = kernel_model(prices, spec)
    m = spec.estimation[1] - spec.estimation[0] + 1
    short = m < max(spec.min_obs, model.k + 1)
    whole = np.full_like(prices.whole, np.nan) if short else prices.whole
    wanted = Wanted(
        ranks="corrado_zivney" in tests, signs="gen_sign" in tests, comovement=True, coefficients=per_pair, days=True,
        abnormal_returns=per_pair,
    )  # fmt: skip
    batch = run_batch(
        whole,
        model,
        placed.unit,
        placed.day0,
        estimation=spec.estimation,
        windows=windows,
        wanted=wanted,
        threads=threads,
    )
    rest = np.flatnonzero(~batch.clean)
    slow = slow_lane(rest, placed, prices, spec, windows, wanted, model, batch)
    stay = np.ones(placed.size, bool)
    stay[slow.place[slow.refused]] = False
    kept = _kept(placed, spec, windows, name, prices.tape.names, batch, slow, per_pair)
    for i in np.flatnonzero(~stay):
        why, remedy = slow.reasons[int(i)]
        placed.excluded.append(placed.exclusion(int(i), "estimation", why, remedy))
    if not stay.all():
        kept = _taken(kept, stay)
        placed.keep(stay)
    return Lanes(placed, kept, batch, slow, windows, spec.estimation, model)


def _kept(
    placed: Placed, spec: StudySpec, windows: tuple[Window, ...], name: str, factors: tuple[str, ...], batch: Batch,
    slow: SlowLane, per_pair: bool,
) -> Kept:  # fmt: skip
    """The numbers of both lanes side by side; the slow ones written over the places the kernel left empty."""
    n, at = placed.size, slow.place
    models = tuple(dict.fromkeys([name, *slow.models]))
    lo, hi = spec.estimation if not isinstance(spec.estimation, str) else (0, 0)
    named = {}
    if per_pair and batch.coef is not None:
        names = tuple(dict.fromkeys([*coefficient_names(name, factors), *slow.coef_names]))
        table = np.full((n, len(names)), np.nan)
        table[:, : batch.coef.shape[1]] = batch.coef
        for j, coef in enumerate(names):
            table[at, j] = slow.coef.get(coef, np.nan)
        named = {coef: table[:, j] for j, coef in enumerate(names)}

    def filled(values: np.ndarray | float | None, own: np.ndarray) -> np.ndarray:
        """Numbers of complete rows with those of the slow lane written in; one number for all stays one number."""
        given = np.broadcast_to(np.nan if values is None else values, n)
        if not at.size:
            return given
        out = given.astype(own.dtype)
        out[at] = own
        return out

    car, se, ar = batch.car, batch.se, batch.ar
    lengths = np.array([b - a + 1 for a, b in windows])
    rows = np.broadcast_to(lengths, (n, lengths.size))
    if at.size:
        car[at], se[at], rows = slow.car, slow.se, rows.copy()
        rows[at] = slow.rows
        if ar is not None:
            ar[at] = slow.ar
    slow_row = np.broadcast_to(-1, n) if not at.size else np.full(n, -1)
    if at.size:
        slow_row[at] = np.arange(at.size)
    return Kept(
        models=models, model=filled(0, np.array([models.index(v) for v in slow.model], np.int64)), m=filled(batch.m, slow.m),
        df=filled(batch.df, slow.df), sigma=filled(batch.sigma, slow.sigma), r2=filled(batch.r2, slow.r2), coef=named,
        est_first=filled(placed.day0 + lo if per_pair else 0, slow.est_first),
        est_last=filled(placed.day0 + hi if per_pair else 0, slow.est_last),
        up=filled(0 if batch.up is None else batch.up, slow.up), seen=filled(batch.m, slow.seen), car=car, se=se, rows=rows,
        order=_by_date(placed), ar=ar, slow_row=slow_row,
    )  # fmt: skip


def _by_date(placed: Placed) -> IntArray | slice:
    """The order of date and security, in which sums over pairs are taken."""
    key = placed.day0.astype(np.int64) * len(placed.rows.names) + placed.unit
    return slice(None) if (key[1:] > key[:-1]).all() else np.argsort(key, kind="stable")


def coefficient_names(model: str, factors: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the coefficients of a model that fits complete rows, as the model itself calls them."""
    if model in ("market", "market_zero_alpha", "market_adjusted"):
        return ("alpha", "beta")
    return ("alpha", *({"mean": (), "capm": ("MKT",), "factors": factors} | FACTORS)[model])


def _taken(kept: Kept, stay: BoolArray) -> Kept:
    """The same for the pairs that stay."""
    order = kept.order
    if not isinstance(order, slice):
        order = (np.cumsum(stay) - 1)[order[stay[order]]]
    parts = {
        n: getattr(kept, n)[stay]
        for n in (
            "model",
            "m",
            "df",
            "sigma",
            "r2",
            "est_first",
            "est_last",
            "up",
            "seen",
            "car",
            "se",
            "rows",
            "slow_row",
        )
    }
    coef = {n: v[stay] for n, v in kept.coef.items()}
    ar = None if kept.ar is None else kept.ar[stay]
    return Kept(models=kept.models, coef=coef, order=order, ar=ar, **parts)
