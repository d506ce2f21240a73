"""How many digits are right: the kernel and statsmodels against arithmetic of extended precision, on clean and hard data.

    python benchmarks/accuracy.py

The reference solves the same least-squares problem in 80-bit numbers (np.longdouble), centred and in two passes. Errors are
relative for beta and s2; alpha, which may be as good as zero, is held against its own standard error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from panels import Case, stress_cases

from abnormal.kernel.batch import Wanted, run_batch
from abnormal.kernel.batch_dates import Model

WANTED = Wanted(ranks=False, signs=False, comovement=False)
CLEAN_LIMIT, STRESS_FACTOR = 1e-12, 10.0
NOTHING = 1e-15  # an error of statsmodels below this is rounding of its last step


class Fit(NamedTuple):
    alpha: float
    beta: float
    s2: float


def reference(case: Case) -> tuple[Fit, float]:
    """The fit in extended precision, and the standard error of alpha."""
    rows = slice(case.position + case.estimation[0], case.position + case.estimation[1] + 1)
    y, x = case.returns[rows].astype(np.longdouble), case.market[rows].astype(np.longdouble)
    xm, ym = x.mean(), y.mean()
    ssx = np.sum((x - xm) ** 2)
    beta = np.sum((x - xm) * (y - ym)) / ssx
    alpha = ym - beta * xm
    s2 = np.sum((y - alpha - beta * x) ** 2) / (y.size - 2)
    return Fit(float(alpha), float(beta), float(s2)), float(np.sqrt(s2 * (1 / y.size + xm**2 / ssx)))


def by_kernel(case: Case, dense: bool) -> Fit:
    """The kernel's fit: row by row, or as the matrix product that many events of one date get."""
    many = 8 if dense else 1
    found = run_batch(
        np.tile(case.returns, (many, 1)), Model(case.market[None]), np.arange(many), np.full(many, case.position),
        estimation=case.estimation, windows=[(0, 1)], wanted=WANTED,
    )  # fmt: skip
    assert found.clean.all() and found.coef is not None
    return Fit(float(found.coef[-1, 0]), float(found.coef[-1, 1]), float(found.sigma[-1] ** 2))


def by_statsmodels(case: Case) -> Fit:
    import statsmodels.api as sm

    rows = slice(case.position + case.estimation[0], case.position + case.estimation[1] + 1)
    fit = sm.OLS(case.returns[rows], sm.add_constant(case.market[rows])).fit()
    return Fit(float(fit.params[0]), float(fit.params[1]), float(fit.scale))


def errors(found: Fit, true: Fit, se_alpha: float) -> np.ndarray:
    """Errors of alpha (against the larger of itself and its standard error), beta and s2."""
    scale = (max(abs(true.alpha), se_alpha), abs(true.beta), true.s2)
    return np.array([abs(a - b) / s for a, b, s in zip(found, true, scale)])


def table() -> list[dict[str, object]]:
    """One row a kind of data: the largest errors of alpha, beta, s2 by kernel and statsmodels, and whether they hold."""
    worst: dict[str, dict[str, np.ndarray]] = {}
    for case in stress_cases():
        true, se = reference(case)
        found = {"rows": by_kernel(case, False), "products": by_kernel(case, True), "statsmodels": by_statsmodels(case)}
        for name, fit in found.items():
            here = worst.setdefault(case.name, {}).setdefault(name, np.zeros(3))
            np.maximum(here, errors(fit, true, se), out=here)
    out = []
    for name, by in worst.items():
        ours = np.maximum(by["rows"], by["products"])
        bound = np.full(3, CLEAN_LIMIT) if name == "clean" else STRESS_FACTOR * np.maximum(by["statsmodels"], NOTHING)
        out.append(
            {
                "data": name, "kernel": dict(zip(Fit._fields, map(float, ours))),
                "statsmodels": dict(zip(Fit._fields, map(float, by["statsmodels"]))), "holds": bool((ours <= bound).all()),
            }
        )  # fmt: skip
    return out


def main() -> int:
    print(f"{'data':<26}{'kernel alpha':>14}{'beta':>10}{'s2':>10}{'statsmodels alpha':>20}{'beta':>10}{'s2':>10}")
    rows = table()
    for row in rows:
        a, b = row["kernel"], row["statsmodels"]
        assert isinstance(a, dict) and isinstance(b, dict)
        print(
            f"{row['data']:<26}{a['alpha']:>14.1e}{a['beta']:>10.1e}{a['s2']:>10.1e}{b['alpha']:>20.1e}{b['beta']:>10.1e}"
            f"{b['s2']:>10.1e}  {'holds' if row['holds'] else 'FALLS SHORT'}"
        )
    return int(not all(row["holds"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
