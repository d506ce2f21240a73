"""docs/performance.md out of benchmarks/results/: every figure on the page is one of latest.json or intraday.json."""

from __future__ import annotations

from typing import Any

LOOP = "a loop of `statsmodels` OLS with the same battery"


def page(found: dict[str, Any], bars: dict[str, Any]) -> str:
    """The page as Markdown: the batched kernel and the public path, and studies on bars."""
    parts = [
        HEAD, _machine(found), "## The goals\n\n" + _goals(found["goals"]), _workloads(found), _steps(found), _accuracy(found),
        _start(found), _bars(bars), TAIL,
    ]  # fmt: skip
    return "\n\n".join(p.strip() for p in parts) + "\n"


HEAD = """
# Speed

An event study of 100,000 events takes about a second, one of a million less than ten, and neither gives up a digit: every
number is that of the pair-by-pair path, whatever the number of workers and the order of the rows.

`ab.run` hands over to this path by itself when the events are a table of plain rows (`ticker`, `date`, perhaps `event_id`)
with more than 2,000 of them, the prices are a frame or file with its own dates, the model is one of the linear ones and
the tests are among `t_car t_xs patell bmp kp_bmp kp_patell sign gen_sign corrado_zivney`. The tables have the same columns.
Rows with gaps, short histories or windows at the edge of the data go through sample and model as in a small study, so that
definitions are the same; that takes about a millisecond a pair. `study.notes` says how many did, and what a study of so
many pairs leaves out (confounders, day-0 anatomy, robustness).

```python
study = ab.run(events, ab.Returns(returns), spec, benchmark=market)                   # tables with a row a pair
study = ab.run(events, ab.Returns(returns), spec, benchmark=market, per_pair=False)   # sums only: little memory
study = ab.run(events, ab.Returns(returns), spec, benchmark=market, threads=2)        # the same numbers
```

All figures below are CPU seconds of one process with one numerical thread unless said otherwise, medians of runs taken in
turn; a ratio is the median of the ratios of each turn. On a machine whose memory others share, ratios move by a tenth and
more from run to run: what waits for memory slows down more than a loop of Python does. The events are invented, of fixed
seed: 1,000 securities, 2,520 sessions, 250 sessions to estimate on, a window of 21. The battery is AR, CAR, t_xs, patell,
bmp, kp_bmp, corrado_zivney, sign, gen_sign.
"""

TAIL = """
## How it is done

- **Events by date, then security.** Whatever depends on the date alone (the basis of the regressors, the multiplier of the
  CAR variance) is made once a date. Returns lie security-major: a row of 271 sessions is one stretch of memory.
- **Two passes over fresh rows, no prefix sums.** Prefix sums would be faster still, and lose residual variance when R2
  comes near 1 (2e-3 at 1 - 1e-10) or after a bad print (3e-6).
- **Ranks without indices.** The column number is written into the lowest bits of each number and the numbers themselves are
  sorted, which processors do in vectors; the sorted low bits say which column holds which rank. Rows in which two numbers
  agree in all other bits are ranked again from the full numbers, ties averaged. Rank sums are exact.
- **All pairs without looking at them.** The mean correlation of the residuals, aligned by calendar session and pairwise
  complete, comes to two matrix products a date, O(events x window) instead of O(events squared). With few events a date
  pairs are taken one by one.
- **Blocks that fit the second-level cache.** Memory grows with the number of events only by the few numbers kept of each.
- **Workers take stretches of dates.** `threads=2` forks a process on Linux, which sees the returns without a copy and writes
  into the same arrays; threads of one interpreter would spend their time handing its lock to one another (elsewhere they
  are what there is). No number depends on blocks, workers or the order of the rows: rows are computed one by one or in
  products whose shape the data fix, and sums over events are taken date by date in one order.

## Measuring it yourself

```
python benchmarks/run.py                # one JSON document; --repeats 1 for a quick look
python benchmarks/intraday.py           # minute bars; --scan 100e6 reads a hundred million of them
python benchmarks/accuracy.py           # digits against 80-bit arithmetic
python benchmarks/startup.py            # what the start of the program costs
```
"""


def _machine(found: dict[str, Any]) -> str:
    m = found["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    busy = ""
    if (m.get("load") or 0.0) > 1.5:
        busy = (
            f" The machine had other work to do ({m['load']:.1f} processes running or waiting on {m['cores']} cores), "
            "which makes times longer and a second worker useless; ratios suffer less."
        )
    return (
        f"*{m['processor']}, {m['cores']} cores, {m['system']}, Python {m['python']}, {versions}; "
        f"medians of {found['repeats']}.{busy}*"
    )


def _goals(goals: list[dict[str, Any]]) -> str:
    rows = ["| | what | measured | goal | |", "| --- | --- | ---: | ---: | --- |"]
    for g in goals:
        bound = f"at least {g['at_least']:g}" if g["at_least"] is not None else f"at most {g['at_most']:g}"
        rows.append(
            f"| {g['workload']} | {g['what']} | {_short(g['measured'])} | {bound} | {'yes' if g['holds'] else '**no**'} |"
        )
    return "\n".join(rows)


def _short(x: float) -> str:
    return f"{x:.3g}" if abs(x) < 100 else f"{x:.0f}"


def _workloads(found: dict[str, Any]) -> str:
    w4, rows = found["W4"], ["| events | what | us an event | times slower |", "| ---: | --- | ---: | ---: |"]
    for name in ("W1", "W2", "W3"):
        w = found[name]
        rows.append(f"| {w['events']:,} | the kernel | {_short(w['kernel']['us_event'])} | 1 |")
        rows.append(f"| | {LOOP}, kp_bmp left out | {_short(w['statsmodels']['us_event'])} | {_short(w['ratio'])} |")
        if "ratio_with_kp" in w:
            cost, ratio = w["statsmodels_with_kp"]["us_event"], w["ratio_with_kp"]
            rows.append(f"| | the same with kp_bmp (all pairs) | {_short(cost)} | {_short(ratio)} |")
    base = w4["battery"]["us_event"]
    named = {
        "battery": "the kernel, whole battery", "without_ranks": "without the rank test",
        "five_factors": "five factors instead of one", "five_factors_without_ranks": "five factors, without the rank test",
        "two_workers": "two workers (wall clock)", "statsmodels": LOOP,
        "statsmodels_5_factors": "the same loop, five factors", "argsort": "`np.argsort` of the rows alone",
        "touch": "reading every number once",
    }  # fmt: skip
    for name, label in named.items():
        cost = w4[name]["us_event_wall" if name == "two_workers" else "us_event"]
        count = f"{w4['events']:,}" if name == "battery" else ""
        rows.append(f"| {count} | {label} | {_short(cost)} | {_short(cost / base)} |")
    for name, label in (("W4_public", "`ab.run`, a row a pair in the tables"), ("W5", "`ab.run`, sums only")):
        w = found[name]
        memory = f"; peak {w['peak_mb_above_input']:.0f} MB above the input"
        rows.append(f"| {w['events']:,} | {label}{memory} | {_short(w['us_event'])} | {_short(w['us_event'] / base)} |")
    other = (
        f"`placebo_time` of {found['W6']['firms']} firms over {found['W6']['dates']:,} dates each: {found['W6']['cpu_s']:.2f} s. "
        f"{found['W8']['samples']} samples of {found['W8']['securities']} securities with {found['W8']['shocks']} shocks and "
        f"{found['W8']['tests']} tests (Brown and Warner's design): {found['W8']['cpu_s']:.2f} s."
    )
    return "## By size\n\n" + "\n".join(rows) + "\n\n" + other


def _steps(found: dict[str, Any]) -> str:
    steps = found["W4"]["steps_us_event"]
    total = sum(steps.values())
    rows = ["| step | us an event | share |", "| --- | ---: | ---: |"]
    rows += [f"| {name} | {cost:.2f} | {cost / total:.0%} |" for name, cost in steps.items()]
    return "## Where the time goes\n\n100,000 events, whole battery, with clocks around the steps:\n\n" + "\n".join(
        rows
    )


def _accuracy(found: dict[str, Any]) -> str:
    rows = [
        "| data | kernel: alpha | beta | s2 | statsmodels: alpha | beta | s2 | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in found["accuracy"]:
        figures = " | ".join(
            f"{row[who][what]:.1e}" for who in ("kernel", "statsmodels") for what in ("alpha", "beta", "s2")
        )
        rows.append(f"| {row['data']} | {figures} | {'holds' if row['holds'] else '**falls short**'} |")
    text = (
        "## Digits\n\nLargest relative errors against 80-bit arithmetic (alpha against the larger of itself and its standard "
        "error). The bound is 1e-12 on clean data and ten times the error of `statsmodels` elsewhere.\n\n"
    )
    return text + "\n".join(rows)


def _start(found: dict[str, Any]) -> str:
    rows = ["| a fresh process | CPU s |", "| --- | ---: |"]
    rows += [f"| {name} | {cost:.3f} |" for name, cost in found["start"].items()]
    return "## The start\n\n" + "\n".join(rows)


def _bars(found: dict[str, Any]) -> str:
    before, bars, after = found["sessions_before"], found["bars"], found["sessions_after"]
    return (
        f"## Minute bars\n\n{found['events']} events with {before} sessions of {bars} bars to estimate on and {after} for the "
        "window: market model with a lead and a lag, daily pattern, abnormal returns, and the path of the cumulative abnormal "
        f"return with its same-clock p at every bar. {found['abnormal_ms']:.2f} ms of CPU an event; a loop of `statsmodels` OLS "
        f"takes {_short(found['times_statsmodels'])} times that, a `groupby` of pandas {_short(found['times_groupby'])} times. "
        "All three give the same numbers."
    )
