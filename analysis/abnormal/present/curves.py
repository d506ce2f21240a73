"""Specification curves and power tables as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def _percent(x: float) -> str:
    return "n/a" if not np.isfinite(x) else f"{100 * x:+.1f}%"


def specs_text(curve: Any) -> str:
    """A screen about a specification curve: the family, its joint p, the study's own place, the extremes."""
    frame = curve.frame
    have = frame[frame["estimate"].notna()]
    lines = [f"Specification curve: {curve.title}", ""]
    if have.empty:
        return "\n".join([*lines, "no specification could be estimated"])
    low, high, middle = have["estimate"].min(), have["estimate"].max(), have["estimate"].median()
    lines.append(
        f"{len(frame)} specifications: estimates from {_percent(low)} to {_percent(high)}, median {_percent(middle)}"
    )
    if np.isfinite(curve.median_p):
        over = f"{curve.draws} draws of placebo dates" if curve.draws else f"{curve.dates} shared placebo dates"
        lines.append(f"joint p of the median statistic {curve.median_p:.3f} over {over}")
        lines.append(
            f"{100 * curve.share:.0f}% beyond the normal critical value; joint p of that share {curve.share_p:.3f}"
        )
    if curve.reason:
        lines.append(f"note: {curve.reason}")
    own = have[have["own"]]
    lines += ["", *_rows("the study's own", own), *_rows("smallest", have.head(3)), *_rows("largest", have.tail(3))]
    failed = len(frame) - len(have)
    if failed:
        lines.append(f"{failed} specifications could not be estimated")
    return "\n".join(lines)


def _rows(title: str, part: pd.DataFrame) -> list[str]:
    out = [f"{title}:"] if len(part) else []
    for row in part.to_dict("records"):
        family = "" if pd.isna(row["romano_wolf"]) else f", Romano-Wolf {row['romano_wolf']:.3f}"
        interval = f"[{_percent(row['ci_low'])}, {_percent(row['ci_high'])}]"
        out.append(f"  {_percent(row['estimate']):>8} {interval:<20} p {row['p']:.3f}{family}  {row['spec']}")
    return out


def power_text(table: Any) -> str:
    """A screen about simulated size and power: one row a test, one column an effect."""
    frame = table.frame
    lines = [f"Size and power on the study's own panel: {table.title}", ""]
    lines.append(f"{table.draws} draws, {table.design}; share of samples rejected at {table.level:g}")
    wide = frame.pivot(index="test", columns="effect", values="rate")
    head = "".join(f"{_percent(e):>9}" for e in wide.columns)
    lines += ["", f"{'test':<18}{head}"]
    for name, rates in wide.iterrows():
        cells = "".join(f"{'n/a' if pd.isna(r) else f'{r:.3f}':>9}" for r in rates)
        mark = "" if name not in table.wrong_size else "  size wrong: do not compare its power"
        lines.append(f"{name!s:<18}{cells}{mark}")
    if np.isfinite(table.mde):
        lines += ["", f"by its formula the study's own estimate sees {_percent(table.mde).lstrip('+')} with 80% power"]
    lines += [f"note: {n}" for n in table.notes]
    return "\n".join(lines)
