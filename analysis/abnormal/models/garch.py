"""Market models whose variance moves: GARCH (Bollerslev 1986), GJR (1993) and EGARCH (Nelson 1991)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..domain import AbnormalReturns, BoolArray, FloatArray, IntArray, Sample, Window
from ..kernel import garch as recursion
from ..kernel import ols
from ..registry import MODELS
from ._linear import assemble, design, estimation_columns, intercept, merged, no_regressor, usable_rows
from ._options import choice, first_event_offset, keyed, whole
from ._reasons import line_reasons

LEAST = 200  # fewer returns do not pin the variance parameters down
PATHS = 10_000
PERCENT = 100.0
SLACK = 1.0  # corner fits end a little below the constant variance they stand for
VARIANTS = ("forecast", "forecast_from_T1", "constant")
MISSING = 'the package arch; type: pip install "abnormal[models]"'
NOTE = (
    "variances are forecasts of the fitted process; the uncertainty of its parameters is ignored. A missing session is "
    "passed over. The model is not fitted again with the event rows"
)
PARAMETERS = {
    "garch": ("omega", "alpha[1]", "beta[1]"),
    "gjr": ("omega", "alpha[1]", "beta[1]", "gamma[1]"),
    "egarch": ("omega", "alpha[1]", "beta[1]", "gamma[1]"),
}
SHORT = {"omega": "omega", "alpha[1]": "a", "beta[1]": "b", "gamma[1]": "g"}


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """One fitted pair: alpha (decimal), beta, variance parameters in percent^2, nu (inf = normal), h of its rows."""

    alpha: float
    beta: float
    variance: recursion.Parameters
    nu: float
    h: FloatArray
    second_start: bool = False


def _starts(kind: recursion.Kind, y: FloatArray, rm: FloatArray, dist: str) -> list[FloatArray | None]:
    """Where the search begins: the package's own choice, then a persistent and a constant variance around least squares."""
    x = np.stack([np.ones(y.size), rm], axis=1)[None]
    line = ols.least_squares(y[None], x, np.ones((1, y.size), bool))
    level = line.rss[0] / y.size
    out: list[FloatArray | None] = [None]
    for news, persistence in ((0.1, 0.9), (0.0, 0.0)):
        if kind == "egarch":
            shape = [np.log(level) * (1.0 - persistence), news, 0.0, persistence]
        else:
            news = news / 2.0
            shape = [level * (1.0 - news - persistence), news, *([0.0] if kind == "gjr" else []), persistence]
        out.append(np.array([*line.coef[0], *shape, *([8.0] if dist == "t" else [])]))
    return out


def _constant_variance(y: FloatArray, rm: FloatArray) -> float:
    """Normal log-likelihood of the least-squares line with one variance: what any fitted process must reach."""
    x = np.stack([np.ones(y.size), rm], axis=1)[None]
    rss = ols.least_squares(y[None], x, np.ones((1, y.size), bool)).rss[0]
    return float(-0.5 * y.size * (np.log(2.0 * np.pi * rss / y.size) + 1.0))


def fit(kind: recursion.Kind, y: FloatArray, rm: FloatArray, dist: str) -> Process | str:
    """Maximum likelihood by package arch on decimal returns y, rm (n,); a sentence where it finds no optimum.

    The package's own starting values come first; where the search ends without converging, or below the likelihood of a
    constant variance, it begins again from two others.
    """
    from arch import arch_model

    y, rm = PERCENT * y, PERCENT * rm
    volatility: Literal["GARCH", "EGARCH"] = "EGARCH" if kind == "egarch" else "GARCH"
    law: Literal["normal", "t"] = "t" if dist == "t" else "normal"
    model = arch_model(
        y, x=rm[:, None], mean="LS", vol=volatility, p=1, o=0 if kind == "garch" else 1, q=1, dist=law, rescale=False
    )
    floor = _constant_variance(y, rm) - SLACK
    trouble = ""
    for attempt, start in enumerate(_starts(kind, y, rm, dist)):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                # Whether the search succeeded is read off its code and its likelihood.
                warnings.simplefilter("ignore")
                found = model.fit(disp="off", show_warning=False, starting_values=start)
        except (ValueError, np.linalg.LinAlgError) as error:
            trouble = trouble or f"the {kind} likelihood could not be maximised: {error}"
            continue
        if found.convergence_flag == 0 and found.loglikelihood >= floor:
            return _process(kind, found, attempt > 0)
        trouble = trouble or f"the {kind} likelihood has no maximum that could be found (code {found.convergence_flag})"
    return trouble


def _process(kind: recursion.Kind, found: Any, second_start: bool) -> Process:
    values = dict(zip(found.params.index, np.asarray(found.params, float)))
    variance = recursion.Parameters(**{SHORT[n]: values[n] for n in PARAMETERS[kind]})
    h = np.asarray(found.conditional_volatility, float) ** 2
    return Process(values["Const"] / PERCENT, values["x0"], variance, values.get("nu", np.inf), h, second_start)


def _filtered(kind: recursion.Kind, process: Process, e: FloatArray, use: BoolArray) -> FloatArray:
    """h (W,) in percent squared: as fitted on estimation rows, then one step ahead with realised residuals."""
    h = np.full(e.size, np.nan)
    h[use] = process.h
    last = int(np.flatnonzero(use)[-1])
    with np.errstate(over="ignore", invalid="ignore"):  # an explosive process is reported by its infinite forecast
        ahead = recursion.next_variance(kind, process.variance, e[last], process.h[-1])
        h[last + 1 :] = recursion.variances(kind, process.variance, e[last + 1 :], float(ahead))[:-1]
    return h


def _forecast(kind: recursion.Kind, process: Process, first: float, steps: int, seed: int) -> FloatArray:
    if kind != "egarch":
        return recursion.forecasts(kind, process.variance, first, steps)
    rng = np.random.default_rng(seed)
    nu = process.nu
    shape = (PATHS, steps)
    z = rng.standard_normal(shape) if np.isinf(nu) else rng.standard_t(nu, shape) * np.sqrt((nu - 2.0) / nu)
    with np.errstate(over="ignore", invalid="ignore"):
        return recursion.simulated_forecasts(kind, process.variance, first, z)


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Variances of every fitted pair: `h` (E, W) filtered, percent^2, and what a forecast from any row needs."""

    kind: recursion.Kind
    found: Mapping[int, Process]
    h: FloatArray
    sigma2: FloatArray
    span: FloatArray
    offsets: IntArray
    after: int
    from_t1: bool
    seed: int

    def noise(self, window: Window) -> FloatArray:
        """(E, W): filtered with realised residuals up to the row before the window, forecast from its first row on."""
        first = self.after if self.from_t1 else int(np.searchsorted(self.offsets, window[0]))
        first = max(first, self.after)
        steps = self.offsets.size - first
        out = np.where(np.isnan(self.h), 1.0, self.h / (PERCENT**2 * self.sigma2[:, None]))
        for i, process in self.found.items():
            if steps > 0:
                ahead = _forecast(self.kind, process, float(self.h[i, first]), steps, self.seed)
                out[i, first:] = ahead / (PERCENT**2 * self.sigma2[i])
        return out * self.span


def _fit_all(
    sample: Sample, model: recursion.Kind, use: BoolArray, dist: str, reason: list[str]
) -> tuple[dict[int, Process], list[str]]:
    """The process of every pair that has no reason yet, and the reasons with those of failed fits added."""
    rm, reason = sample.x[:, :, 0], list(reason)
    found: dict[int, Process] = {}
    for i in np.flatnonzero([not r for r in reason]):
        answer = fit(model, sample.y[i, use[i]], rm[i, use[i]], dist)
        if isinstance(answer, str):
            reason[i] = answer
        else:
            found[int(i)] = answer
    return found, reason


def _coefficients(
    model: recursion.Kind, size: int, found: Mapping[int, Process], dist: str
) -> tuple[FloatArray, tuple[str, ...]]:
    """alpha, beta and the variance parameters (percent units) as (E, p), with their names."""
    variance = tuple(SHORT[n] for n in PARAMETERS[model])
    names = ("alpha", "beta", *variance, *(("nu",) if dist == "t" else ()))
    coef = np.full((size, len(names)), np.nan)
    for i, p in found.items():
        values = [p.alpha, p.beta, *(getattr(p.variance, n) for n in variance), p.nu]
        coef[i] = values[: len(names)]
    return coef, names


def _too_few(sample: Sample, m: IntArray, model: str) -> list[str]:
    lo, hi = sample.estimation
    text = "{} returns in ({}, {}); model {!r} needs {}: lengthen the estimation window or use model 'market'"
    return [text.format(int(n), lo, hi, model, LEAST) if n < LEAST else "" for n in m]


def _arch_is_here() -> bool:
    try:
        import arch  # noqa: F401
    except ImportError:
        return False
    return True


def _market_with(sample: Sample, model: recursion.Kind, options: Mapping[str, Any]) -> AbnormalReturns:
    """R_t = alpha + beta Rm_t + eps_t with the variance process `model`."""
    variant = choice(options, "variant", VARIANTS, model)
    dist = choice(options, "dist", ("normal", "t"), model)
    seed = whole(options, "seed", 1, 0, model)
    first = first_event_offset(sample, options, model)
    if not sample.names:
        return no_regressor(sample, model, "a benchmark; give benchmark=...")
    if not _arch_is_here():
        return no_regressor(sample, model, MISSING)
    rm, cols = sample.x[:, :, 0], estimation_columns(sample)
    x = design(intercept(sample), rm)
    use = usable_rows(sample, sample.y, x) & (sample.span == 1)
    y, rows = sample.y[:, cols], use[:, cols]
    plain = ols.least_squares(y, x[:, cols], rows)
    few = _too_few(sample, plain.m, model)
    reason = [a or b for a, b in zip(few, line_reasons(sample, plain, y, rows, model))]
    found, reason = _fit_all(sample, model, use, dist, reason)
    coef, names = _coefficients(model, sample.size, found, dist)
    expected = coef[:, :1] * sample.span + coef[:, 1:2] * rm
    e = sample.y - expected
    rss = np.sum(np.where(rows, e[:, cols], 0.0) ** 2, axis=1)
    df = np.where(plain.m > 2, plain.m - 2.0, np.nan)
    h = np.full(e.shape, np.nan)
    for i, process in found.items():
        h[i] = _filtered(model, process, PERCENT * e[i] / np.sqrt(sample.span[i]), use[i])
    again = {i: "the search began a second time, from another start" for i, p in found.items() if p.second_start}
    from_t1 = variant == "forecast_from_T1"
    paths = Paths(model, found, h, rss / df, sample.span, sample.offsets, cols.stop, from_t1, seed)
    noise = sample.span if variant == "constant" else paths.noise((first, first))
    reason = merged(reason, ~np.all(np.isfinite(noise), axis=1), "the variance forecast is not finite")
    out = assemble(
        sample, model, y=sample.y, expected=expected, use=use, x=x, g=np.zeros((sample.size, 2, 2)), rss=rss, k=2,
        df=df, coef=coef, coef_names=names, r2=ols.r_squared(rss, y, rows), fitted=False, reason=reason, noise=noise,
        notes={model: NOTE, "second_start": keyed(sample, again)},
    )  # fmt: skip
    return out if variant == "constant" else replace(out, noise_of=paths.noise)


@MODELS.add(
    "garch",
    reference="doi:10.1016/0304-4076(86)90063-1",
    formula="h_t = omega + a eps_{t-1}^2 + b h_{t-1}; Var(CAR) = sum h_t; M >= 200",
    variants=VARIANTS,
    assumes={"a stable beta", "an alpha that goes on", "variance parameters known"},
    robust_to={"volatility that comes in clusters"},
    others="R EventStudy holds the fitted sigma constant (`constant`)",
)
def garch(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model with a variance that follows yesterday's surprises.

    R_t = alpha + beta Rm_t + eps_t, eps_t = sqrt(h_t) z_t, h_t = omega + a eps_{t-1}^2 + b h_{t-1}, by maximum
    likelihood (package arch, percent units: omega is in percent^2). `options["variant"]`: variances are filtered with
    realised residuals up to the session before a window and forecast inside it (`forecast`), forecast from the end of
    the estimation window (`forecast_from_T1`), or held at the residual variance (`constant`). `options["dist"]`: normal
    or t.
    """
    return _market_with(sample, "garch", options)


@MODELS.add(
    "gjr",
    reference="doi:10.1111/j.1540-6261.1993.tb05128.x",
    formula="h_t = omega + (a + g 1[eps_{t-1} < 0]) eps_{t-1}^2 + b h_{t-1}; Var(CAR) = sum h_t; M >= 200",
    variants=VARIANTS,
    assumes={"a stable beta", "an alpha that goes on", "variance parameters known"},
    robust_to={"volatility that comes in clusters", "bad news that shake more than good"},
    others="rugarch's gjrGARCH with another start value",
)
def gjr(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model with a variance that bad news raise more than good news (Glosten, Jagannathan and Runkle).

    As `garch`, with h_t = omega + (a + g 1[eps_{t-1} < 0]) eps_{t-1}^2 + b h_{t-1}.
    """
    return _market_with(sample, "gjr", options)


@MODELS.add(
    "egarch",
    reference="doi:10.2307/2938260",
    formula="ln h_t = omega + a (|z_{t-1}| - sqrt(2/pi)) + g z_{t-1} + b ln h_{t-1}; Var(CAR) = sum h_t; M >= 200",
    variants=VARIANTS,
    assumes={"a stable beta", "an alpha that goes on", "variance parameters known"},
    robust_to={"volatility that comes in clusters", "bad news that shake more than good"},
    others="rugarch's eGARCH with another start value",
)
def egarch(sample: Sample, options: Mapping[str, Any]) -> AbnormalReturns:
    """The market model with a variance that moves in logarithms, bad and good news apart.

    As `garch`, with ln h_t = omega + a (|z_{t-1}| - sqrt(2/pi)) + g z_{t-1} + b ln h_{t-1}. Forecasts beyond one
    session are means over 10,000 simulated paths, drawn from `options["seed"]` (default 1).
    """
    return _market_with(sample, "egarch", options)
