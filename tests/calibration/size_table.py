"""Size and power of every test on simulated studies: the designs of METHODS.md 7.3, and any panel of one's own.

python tests/calibration/size_table.py                       # writes results/size_table.json
python tests/calibration/size_table.py --prices my.csv       # the same questions on real returns, random firms and dates
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from abnormal.kernel import draws as batched

RESULTS = Path(__file__).parent / "results"
LEVEL = 0.05
CHUNK = 250

TESTS = {
    "t_xs": batched.t_xs, "patell": batched.patell, "bmp": batched.bmp, "kp_bmp": batched.kp_bmp,
    "kp_bmp_normal": batched.kp_bmp_normal, "kp_patell": batched.kp_patell, "portfolio_t": batched.portfolio_t,
    "portfolio_sq": batched.portfolio_sq_two_min, "gen_sign": batched.gen_sign, "corrado": batched.corrado_zivney,
    "grank_t": batched.grank_t, "grank_raw": batched.grank_raw, "mvrm_f": batched.mvrm_f,
}  # fmt: skip
# Beside the table: the forms the decision table uses today.
TODAY = {"portfolio_sq_abs": batched.portfolio_sq, "joint_sq": batched.joint_sq}


@dataclass(frozen=True)
class Design:
    """One column: N firms on one date, residual correlation rho, M estimation sessions, L sessions in the window."""

    n: int
    rho: float
    m: int = 250
    length: int = 1
    event_sd: float = 1.0
    effect: float = 0.0


DESIGNS = {
    "N=5 r=0": Design(5, 0.0),
    "N=5 r=.3": Design(5, 0.3),
    "N=5 r=.3 L2=5": Design(5, 0.3, length=5),
    "N=5 r=.3 M=60": Design(5, 0.3, m=60),
    "N=8 r=.3": Design(8, 0.3),
    "N=20 r=.1": Design(20, 0.1),
    "N=20 r=.3": Design(20, 0.3),
    "N=20 r=0 x2": Design(20, 0.0, event_sd=2.0),
    "N=20 r=.1 x2": Design(20, 0.1, event_sd=2.0),
    "N=50 r=.05": Design(50, 0.05),
    "pow N=5": Design(5, 0.3, effect=0.03),
    "pow N=20": Design(20, 0.1, effect=0.01),
}

# METHODS.md 7.3, in the order of DESIGNS.
PRINTED = {
    "t_xs": [.038, .157, .184, .164, .263, .228, .444, .046, .229, .268, .774, .583],
    "patell": [.057, .159, .185, .164, .228, .216, .389, .319, .520, .272, .870, .631],
    "bmp": [.042, .177, .203, .182, .281, .237, .453, .046, .239, .281, .753, .634],
    "kp_bmp": [.044, .054, .054, .056, .054, .056, .058, .046, .062, .061, .377, .274],
    "kp_bmp_normal": [.120, .117, .135, .126, .097, .066, .070, .067, .075, .066, .620, .322],
    "kp_patell": [.057, .050, .058, .054, .050, .050, .052, .318, .294, .056, .704, .300],
    "portfolio_t": [.052, .047, .054, .050, .052, .050, .051, .312, .283, .053, .623, .250],
    "portfolio_sq": [.052, .048, .057, .031, .049, .049, .048, .303, .277, .053, .600, .240],
    "gen_sign": [.059, .204, .224, .213, .309, .203, .420, .042, .209, .275, .762, .571],
    "corrado": [.043, .041, .053, .046, .046, .049, .049, .133, .128, .055, .593, .296],
    "grank_t": [.107, .118, .137, .121, .105, .066, .082, .065, .075, .065, .631, .325],
    "grank_raw": [.042, .040, .051, .046, .046, .048, .049, .133, .128, .054, .594, .295],
    "mvrm_f": [.087, .089, .065, .083, .089, .106, .109, .956, .960, .113, .513, .156],
}  # fmt: skip


def t5(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Student t with 5 degrees of freedom, unit variance."""
    return rng.standard_t(5, size=shape) / np.sqrt(5 / 3)


def simulated(design: Design, count: int, rng: np.random.Generator) -> batched.Draws:
    """`count` studies of one design: t5 errors with one common shock, sigma ~ U(1%, 3%), beta ~ U(.5, 1.5)."""
    total = design.m + design.length
    rm = 0.0003 + 0.01 * rng.standard_normal((count, total))
    sigma, beta = 0.01 + 0.02 * rng.random((count, design.n)), 0.5 + rng.random((count, design.n))
    shock = np.sqrt(design.rho) * t5(rng, count, 1, total) + np.sqrt(1 - design.rho) * t5(rng, count, design.n, total)
    shock[:, :, design.m :] *= design.event_sd
    y = beta[:, :, None] * rm[:, None, :] + sigma[:, :, None] * shock
    m = design.m
    drawn = batched.estimate(y[:, :, :m], rm[:, :m], y[:, :, m:], rm[:, m:])
    return drawn.with_effect(np.asarray(design.effect), 0) if design.effect else drawn


def rates(design: Design, reps: int, seed: int) -> dict[str, float]:
    """Share of studies each test rejects at 5%."""
    rng = np.random.default_rng(seed)
    hits: dict[str, float] = dict.fromkeys({**TESTS, **TODAY}, 0.0)
    for start in range(0, reps, CHUNK):
        drawn = simulated(design, min(CHUNK, reps - start), rng)
        for name, test in {**TESTS, **TODAY}.items():
            hits[name] += float(np.sum(test(drawn) < LEVEL))
    return {name: value / reps for name, value in hits.items()}


def tolerance(printed: float, reps: int) -> float:
    """max(0.03, four joint standard errors): both figures are simulated, the printed one with 4,000 replications."""
    variance = printed * (1 - printed)
    return max(0.03, 4 * float(np.sqrt(variance / reps + variance / 4000)))


def table(reps: int, seed: int) -> dict:
    columns = {}
    for k, (name, design) in enumerate(DESIGNS.items()):
        print(name, file=sys.stderr)
        columns[name] = rates(design, reps, seed + k)
    worst = max(
        abs(columns[name][test] - values[k]) / tolerance(values[k], reps)
        for test, values in PRINTED.items()
        for k, name in enumerate(DESIGNS)
    )
    return {
        "command": f"python tests/calibration/size_table.py --reps {reps} --seed {seed}", "reps": reps, "seed": seed,
        "level": LEVEL, "designs": {k: asdict(d) for k, d in DESIGNS.items()}, "rates": columns, "printed": PRINTED,
        "worst_difference_in_tolerances": worst,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ one's own panel

# (N, M, L, dates): METHODS.md 7.5; dates = N means every firm on a date of its own.
PANEL_DESIGNS = (
    (1, 30, 1, 1), (1, 60, 1, 1), (1, 60, 3, 1), (1, 60, 11, 1), (1, 60, 21, 1), (1, 120, 1, 1), (1, 120, 11, 1),
    (1, 250, 1, 1), (1, 250, 3, 1), (1, 250, 11, 1), (1, 250, 21, 1), (5, 250, 1, 1), (8, 250, 1, 1), (20, 250, 1, 1),
    (5, 250, 1, 5), (20, 250, 1, 20),
)  # fmt: skip
EFFECTS = (0.0, 0.01, 0.02, 0.03, 0.05)
GAP = 10


def panel_rates(
    returns: np.ndarray, market: np.ndarray, n: int, m: int, length: int, dates: int, reps: int, seed: int
) -> dict:
    """Rejection rates at 5% on real returns (S, T) for an effect of 0 to 5% on the first day: random firms and dates."""
    rng = np.random.default_rng(seed)
    have = np.isfinite(returns) & np.isfinite(market)
    whole = np.lib.stride_tricks.sliding_window_view(have, m + GAP + length, axis=1).all(axis=2)
    starts = np.flatnonzero(whole.sum(axis=0) >= (n if dates == 1 else 1))
    if n == 1:
        tests = batched.SINGLE | {"sq_two_min": batched.sq_two_min}
    else:
        tests = batched.ONE_DATE if dates == 1 else batched.MANY_DATES
    hits = {name: np.zeros(len(EFFECTS)) for name in tests}
    strict: dict[str, float] = dict.fromkeys(tests, 0.0)
    for first in range(0, reps, CHUNK):
        drawn = _drawn(returns, market, whole, starts, (min(CHUNK, reps - first), n, m, length, dates), rng)
        for j, effect in enumerate(EFFECTS):
            moved = drawn.with_effect(np.asarray(effect), 0)
            for name, test in tests.items():
                p = test(moved)
                hits[name][j] += float(np.sum(p < LEVEL - 1e-12))
                strict[name] += 0.0 if j else float(np.sum(p < 0.01 - 1e-12))
    return {
        "n": n, "m": m, "length": length, "dates": dates, "reps": reps, "effects": EFFECTS,
        "rates": {k: [round(float(x), 5) for x in v / reps] for k, v in hits.items()},
        "size_at_1_percent": {k: round(v / reps, 5) for k, v in strict.items()},
    }  # fmt: skip


def _drawn(
    returns: np.ndarray,
    market: np.ndarray,
    whole: np.ndarray,
    starts: np.ndarray,
    shape: tuple,
    rng: np.random.Generator,
) -> batched.Draws:
    """Random firms at one random start a draw, or each firm at its own."""
    size, n, m, length, dates = shape
    if dates == 1:
        when = np.repeat(starts[rng.integers(0, starts.size, (size, 1))], n, axis=1)
        firms = np.stack([rng.choice(np.flatnonzero(whole[:, t]), n, replace=False) for t in when[:, 0]])
    else:
        when = starts[rng.integers(0, starts.size, (size, n))]
        firms = np.array([[rng.choice(np.flatnonzero(whole[:, t])) for t in row] for row in when])
    est, event = when[:, :, None] + np.arange(m), when[:, :, None] + m + GAP + np.arange(length)
    y, event_y = returns[firms[:, :, None], est], returns[firms[:, :, None], event]
    if dates == 1:
        return batched.estimate(y, market[est[:, 0]], event_y, market[event[:, 0]])
    return batched.estimate(y, market[est], event_y, market[event], "market", np.arange(n))


def own_panel(path: str, benchmark: str, reps: int, seed: int) -> dict:
    """The questions of METHODS.md 7.5 asked of prices of one's own."""
    from abnormal.inputs.panel import build
    from abnormal.inputs.store import open_prices

    source = open_prices(path)
    tickers = [t for t in source.tickers() if t != benchmark]
    bars = {t: source.bars(t) for t in [*tickers, benchmark]}
    panel, _, _ = build([*tickers, benchmark], bars, source.dates(), "panel")
    returns, market = panel.returns[:-1], panel.returns[-1]
    e = returns - market
    e = e[:, np.isfinite(e).all(axis=0)]
    found = []
    for n, m, length, dates in PANEL_DESIGNS:
        if n <= len(tickers):
            print(f"N={n} M={m} L={length} dates={dates}", file=sys.stderr)
            found.append(panel_rates(returns, market, n, m, length, dates, reps if n == 1 else reps // 2, seed))
    return {
        "shares": len(tickers), "benchmark": benchmark, "sessions": int(panel.time.size),
        "first": str(panel.time[0]), "last": str(panel.time[-1]),
        "mean_correlation_of_market_adjusted_returns": round(float(batched.mean_correlation(e[None])[0]), 3),
        "designs": found,
    }  # fmt: skip


def keep(name: str, found: dict) -> None:
    """Put the rates of one panel into the kept file, beside those of others. It holds no price and no return."""
    file = RESULTS / "real_panels.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | {name: found}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prices", help="prices of one's own: CSV or Parquet; prints instead of keeping")
    parser.add_argument("--benchmark", default="^GSPC")
    parser.add_argument("--keep", nargs=2, metavar=("NAME", "TEXT"), help="keep the rates in results/real_panels.json")
    given = parser.parse_args()
    if given.prices:
        found = own_panel(given.prices, given.benchmark, given.reps, given.seed)
        if given.keep:
            name, text = given.keep
            command = (
                f"python tests/calibration/size_table.py --prices PANEL.csv --benchmark {given.benchmark} "
                f"--reps {given.reps} --seed {given.seed}"
            )
            keep(name, {"panel": text, "command": command} | found)
        else:
            print(json.dumps(found, indent=1))
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "size_table.json").write_text(json.dumps(table(given.reps, given.seed), indent=1) + "\n")


if __name__ == "__main__":
    main()
