"""True size of every covariance of a cross-sectional regression when all firms share one date.

    python tests/calibration/regression_size.py                  # writes results/regression_size.json, about two minutes

Twenty firms, 200 estimation sessions, one event session, no effect. Residuals share a factor nobody sees, with an average
correlation of 0.1 or 0.3 between firms; its loading rises with the characteristic (large, or chip-making, or China-exposed
firms react to news more), which is when a slope is in danger. Rejections at 5% of: the intercept (no mean effect at a
characteristic of zero) and the slope.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import build
from abnormal.domain import TestOptions
from abnormal.inference._window import window_stats
from abnormal.regress._setup import CannotEstimate, Setup
from abnormal.regress.cross_section import ESTIMATORS

RESULTS = Path(__file__).parent / "results"
LEVEL = 0.05
WINDOW = (0, 0)
COVS = tuple(ESTIMATORS)
PLAIN = ("ols", "HC0", "HC1", "HC2", "HC3", "cluster", "wild", "wls", "fgls")


@dataclass(frozen=True)
class Design:
    """N firms on one date; rho the average residual correlation; tails `normal` or `t5`."""

    rho: float
    tails: str = "normal"
    n: int = 20
    m: int = 200
    tilt: float = 0.6
    industries: int = 5


DESIGNS = {
    "r=.1": Design(0.1), "r=.3": Design(0.3), "r=.1 t5": Design(0.1, "t5"), "r=.3 t5": Design(0.3, "t5"),
}  # fmt: skip


def shocks(rng: np.random.Generator, tails: str, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape) if tails == "normal" else rng.standard_t(5, shape) / np.sqrt(5 / 3)


def characteristic(design: Design) -> np.ndarray:
    """Evenly spread, mean 0 and standard deviation 1."""
    z = np.linspace(-1.0, 1.0, design.n)
    return z / z.std()


def loadings(design: Design) -> np.ndarray:
    """a (1 + tilt z) with the average of all products of two firms equal to rho; below 1, so that own risk remains."""
    raw = 1.0 + design.tilt * characteristic(design)
    off = (raw.sum() ** 2 - (raw**2).sum()) / (design.n * (design.n - 1))
    return np.minimum(raw * np.sqrt(design.rho / off), 0.97)


def drawn(design: Design, rng: np.random.Generator) -> Setup:
    """One study without effect, as the package sees it."""
    n, days = design.n, design.m + 11
    lam = loadings(design)
    market = 0.01 * shocks(rng, design.tails, days)
    noise = np.outer(lam, shocks(rng, design.tails, days))
    noise += np.sqrt(1 - lam**2)[:, None] * shocks(rng, design.tails, n, days)
    sd = 0.02 * (0.6 + 0.8 * rng.random(n))
    ret = np.outer(0.6 + 1.2 * rng.random(n), market) + sd[:, None] * noise
    study = build.study(ret, market, days - 1, estimation=(-design.m - 10, -11), span=WINDOW)
    w = window_stats(study.ar, WINDOW)
    z = np.column_stack([np.ones(n), characteristic(design)])
    group = np.arange(n) % design.industries
    opt = TestOptions(seed=1, draws=199)
    return Setup(w.car, z, ("Intercept", "z"), study.ar, WINDOW, w.se**2, group, "industry", opt, components=1)


def rates(design: Design, reps: int, seed: int) -> dict[str, dict[str, float]]:
    """Share of studies in which each covariance rejects at 5%."""
    rng = np.random.default_rng(seed)
    hits = {cov: np.zeros(2) for cov in COVS}
    for _ in range(reps):
        setup = drawn(design, rng)
        for cov, estimate in ESTIMATORS.items():
            try:
                hits[cov] += estimate(setup).p < LEVEL
            except CannotEstimate as why:
                raise SystemExit(f"{cov}: {why}") from None
    return {cov: {"intercept": float(h[0]) / reps, "slope": float(h[1]) / reps} for cov, h in hits.items()}


def table(reps: int, seed: int) -> dict:
    columns = {}
    for k, (name, design) in enumerate(DESIGNS.items()):
        print(name, file=sys.stderr)
        columns[name] = rates(design, reps, seed + k)
    return {
        "command": f"python tests/calibration/regression_size.py --reps {reps} --seed {seed}", "reps": reps, "seed": seed,
        "level": LEVEL, "designs": {k: asdict(d) for k, d in DESIGNS.items()}, "rates": columns,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "regression_size.json").write_text(json.dumps(table(given.reps, given.seed), indent=1) + "\n")


if __name__ == "__main__":
    main()
