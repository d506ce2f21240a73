"""Writes docs/calibration.md from the kept results of the simulations: `python docs/make_calibration.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS.parent / "tests" / "calibration" / "results"
PAGE = DOCS / "calibration.md"
FINE = (0.03, 0.08)  # sizes outside are set in bold
SAME_DESIGN = {"pow N=5": "N=5 r=.3", "pow N=20": "N=20 r=.1"}  # the design of a power column without its effect


def read(name: str) -> dict[str, Any]:
    """A kept result."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def rate(x: float) -> str:
    """A rejection rate, bold where it is no fair size."""
    text = f"{x:.3f}".removeprefix("0")
    return text if FINE[0] <= x <= FINE[1] else f"**{text}**"


def table(head: str, columns: list[str], rows: Mapping[str, list[str]]) -> list[str]:
    """A Markdown table with one row a test."""
    out = [f"| {head} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return out + [f"| `{name}` | " + " | ".join(cells) + " |" for name, cells in rows.items()]


def by_test(
    rates: Mapping[str, Mapping[str, Any]], designs: list[str], cell: Callable[[str, str], str]
) -> dict[str, list[str]]:
    """One list of cells a test, in the order of the first design."""
    return {t: [cell(d, t) for d in designs] for t in rates[designs[0]]}


def size_part() -> list[str]:
    """Size and power of the tests of the average effect on one date."""
    found = read("size_table")
    rates, designs = found["rates"], found["designs"]
    plain = [d for d in designs if designs[d]["effect"] == 0]
    powered = [d for d in designs if designs[d]["effect"] != 0]

    def power(design: str, test: str) -> str:
        fair = FINE[0] <= rates[SAME_DESIGN[design]][test] <= FINE[1]
        return f"{rates[design][test]:.3f}".removeprefix("0") + ("" if fair else " †")

    effects = [f"{d.removeprefix('pow ')}, {100 * designs[d]['effect']:+g}%" for d in powered]
    return [
        f"## Tests on one date, {found['reps']} samples for each column", "",
        "Returns follow the market and one shock that all firms share (pairwise correlation r), with t5 tails and firm "
        "volatilities between 1% and 3%; N firms, M = 250 estimation returns, one session, unless the column says "
        "otherwise. `x2`: the event doubles all standard deviations. Share of samples in which a true null is rejected at 5%; "
        f"bold: outside {FINE[0]:g} to {FINE[1]:g}. The Monte Carlo standard error is 0.0034 at 0.05.", "",
        *table("size of", plain, by_test(rates, plain, lambda d, t: rate(rates[d][t]))), "",
        "`kp_bmp_normal` is Kolari and Pynnönen's test with normal critical values, `portfolio_sq` the raw two-sided form of the "
        "paper, `portfolio_sq_abs` the default form here. `joint_sq` is made for one session.", "",
        "Power. A † says that the test's size is wrong in the same design, so that its power means nothing.", "",
        *table("power of", effects, by_test(rates, powered, power)), "",
        f"Made by `{found['command']}`.", "",
    ]  # fmt: skip


def regression_part() -> list[str]:
    """Size of standard errors in a cross-section of abnormal returns on one date."""
    found = read("regression_size")
    rates, designs = found["rates"], list(found["designs"])

    def cell(design: str, cov: str) -> str:
        return rate(rates[design][cov]["slope"])

    return [
        f"## Regressions of abnormal returns on one date, {found['reps']} samples for each column", "",
        "How often a slope that is truly zero is called significant at 5%. Twenty firms in five industries, 200 estimation "
        "returns; the characteristic is related to how much a firm takes of the common shock (correlation r, normal or t5 "
        "tails).", "",
        *table("standard errors", designs, by_test(rates, designs, cell)), "",
        f"Made by `{found['command']}`.", "",
    ]  # fmt: skip


def page() -> str:
    """The whole page."""
    head = [
        "# Measured size and power", "",
        "How often each test cries wolf, and how often it finds what is there. Written from `tests/calibration/results/`, "
        "which hold the simulations and the commands that made them; `pytest -m calibration` repeats them. For your own "
        "study: [`abnormal power`](how-to/power.md).", "",
    ]  # fmt: skip
    return "\n".join([*head, *size_part(), *regression_part()]).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
