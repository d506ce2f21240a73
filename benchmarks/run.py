"""The batched kernel and the public path against a statsmodels loop and the machine: one JSON document on stdout.

    python benchmarks/run.py                         all workloads, medians of 5
    python benchmarks/run.py --repeats 1             quickly
    python benchmarks/run.py --write                 also into benchmarks/results/latest.json and docs/performance.md

CPU seconds of one process and one numerical thread; the statsmodels loop runs in the same process on fewer events and is
scaled an event. Events are invented, of fixed seed (panels.py): 1,000 securities, 2,520 sessions, 250 sessions to estimate
on and a window of 21. The battery is AR, CAR, t_xs, patell, bmp, kp_bmp, corrado_zivney, sign, gen_sign.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accuracy
import loops
import measure
import numpy as np
import panels
import where

from abnormal.kernel import draws
from abnormal.kernel.batch import Batch, Wanted, mean_correlation, run_batch
from abnormal.kernel.batch_dates import Model

HERE = Path(__file__).resolve().parent
RESULTS, BARS = HERE / "results" / "latest.json", HERE / "results" / "intraday.json"
PAGE = HERE.parent / "docs" / "performance.md"
FULL, NO_RANKS = Wanted(), Wanted(ranks=False)
SMALLER = 100_000  # events a study of a million is held against
LOOPED = 400  # events of the statsmodels loop at a time
TESTS = ("t_xs", "patell", "bmp", "kp_bmp", "corrado_zivney", "sign", "gen_sign")
FACTOR_SHOCKS = (0.0, 0.005, 0.01, 0.02)


def battery(
    returns: np.ndarray, model: Model, events: panels.Events, wanted: Wanted = FULL, threads: int = 1
) -> dict[str, float]:
    """Everything the loop gives, from the kernel."""
    found = run_batch(
        returns, model, events.security, events.position, estimation=panels.ESTIMATION, windows=[panels.WINDOW],
        wanted=wanted, threads=threads,
    )  # fmt: skip
    return statistics_of(found)


def statistics_of(found: Batch) -> dict[str, float]:
    car, scar, n = found.car[:, 0], found.scar[:, 0], found.order.size
    nan = float("nan")
    if n < 2:
        return dict.fromkeys(TESTS, nan)
    out = {
        "t_xs": t_of_mean(car),
        "patell": float(scar.sum() / math.sqrt(n * found.df / (found.df - 2))),
        "bmp": t_of_mean(scar),
    }
    wins = int((car > 0).sum())
    out["sign"] = float((wins - n / 2) / (math.sqrt(n) / 2))
    if found.up is not None:
        phat = int(found.up.sum()) / (n * found.m)
        out["gen_sign"] = float((wins - n * phat) / math.sqrt(n * phat * (1 - phat)))
    if found.ranks:
        sums, length = found.ranks[0].sums, panels.WINDOW[1] - panels.WINDOW[0] + 1
        d = (sums / (1 + sums.size) - n / 2) / math.sqrt(n)
        out["corrado_zivney"] = float(d[-length:].sum() / math.sqrt(d.dot(d) / d.size * length))
    if found.comoving is not None:
        rbar = mean_correlation(found.comoving, panels.WINDOW[1] - panels.WINDOW[0] + 1, n)
        out["kp_bmp"] = out["bmp"] * math.sqrt((1 - rbar) / (1 + (n - 1) * rbar))
    return out


def t_of_mean(x: np.ndarray) -> float:
    """Mean over its standard error."""
    mean = x.sum() / x.size
    around = x - mean
    return float(mean / math.sqrt(around.dot(around) / (x.size - 1) / x.size))


def per_event(times: dict[str, Any], events: int) -> dict[str, Any]:
    """Microseconds an event beside the seconds."""
    cost = {"us_event": 1e6 * times["cpu_s"] / events, "us_event_wall": 1e6 * times["wall_s"] / events}
    return {**times, **cost, "events_timed": events}


# ------------------------------------------------------------------------------------------------ workloads


def small_ones(data: panels.Panel, repeats: int) -> dict[str, Any]:
    """W1 one event, W2 30 firms on one date, W3 1,000 events: kernel and loop in turn, and the same statistics."""
    market = Model(data.market[None])
    out: dict[str, Any] = {}
    for name, events in (("W1", panels.one_date(1)), ("W2", panels.one_date(30)), ("W3", panels.events(1_000))):
        n = events.security.size
        part = panels.Events(events.security[:LOOPED], events.position[:LOOPED])
        again = min(max(20_000 // n, 1), 400)  # long enough for the clock

        def kernel(events: panels.Events = events, again: int = again) -> None:
            for _ in range(again):
                battery(data.returns, market, events)

        def loop(part: panels.Events = part) -> None:
            loops.statsmodels_loop(data.returns, data.market[None], part, correlation=False)

        times = measure.in_turn({"kernel": kernel, "statsmodels": loop}, repeats)
        row = {
            "events": n, "kernel": per_event(times["kernel"], n * again),
            "statsmodels": per_event(times["statsmodels"], part.security.size),
        }  # fmt: skip
        row["ratio"] = measure.times_faster(row["statsmodels"], row["kernel"])
        if n > 1:
            whole = measure.median_of(lambda e=events: loops.statsmodels_loop(data.returns, data.market[None], e), 1)
            row["statsmodels_with_kp"] = per_event(whole, n)
            row["ratio_with_kp"] = row["statsmodels_with_kp"]["us_event"] / row["kernel"]["us_event"]
            row["agreement"] = agreement(data, market, events)
        out[name] = row
    return out


def agreement(data: panels.Panel, model: Model, events: panels.Events) -> float:
    """Largest difference of a statistic between kernel and loop."""
    ours = battery(data.returns, model, events)
    theirs = loops.statsmodels_loop(data.returns, data.market[None], events)
    return max(abs(ours[k] - theirs[k]) for k in theirs)


def large_one(data: panels.Panel, repeats: int, count: int = 100_000) -> dict[str, Any]:
    """W4: with and without ranks, five factors, two workers, loop and yardsticks, all in turn."""
    events, market = panels.events(count), Model(data.market[None])
    part = panels.Events(events.security[:LOOPED], events.position[:LOOPED])
    rows = loops.rows_of(data.returns, panels.Events(events.security[:20_000], events.position[:20_000]))
    sizes = {"argsort": 20_000, "statsmodels": LOOPED, "statsmodels_5_factors": LOOPED}
    calls: dict[str, Callable[[], Any]] = {
        "battery": lambda: battery(data.returns, market, events),
        "argsort": lambda: loops.argsort_rows(rows),
        "statsmodels": lambda: loops.statsmodels_loop(data.returns, data.market[None], part, correlation=False),
        "without_ranks": lambda: battery(data.returns, market, events, NO_RANKS),
        "two_workers": lambda: battery(data.returns, market, events, FULL, 2),
        "five_factors": lambda: battery(data.returns, Model(data.factors), events),
        "five_factors_without_ranks": lambda: battery(data.returns, Model(data.factors), events, NO_RANKS),
        "statsmodels_5_factors": lambda: loops.statsmodels_loop(data.returns, data.factors, part, correlation=False),
        "touch": lambda: loops.touch_rows(data.returns, events),
    }
    times = measure.in_turn(calls, repeats)
    out: dict[str, Any] = {name: per_event(t, sizes.get(name, count)) for name, t in times.items()}
    out["events"] = count
    faster = measure.times_faster
    ratios = {
        "ratio": faster(out["statsmodels"], out["battery"]),
        "ratio_without_ranks": faster(out["statsmodels"], out["without_ranks"]),
        "ratio_five_factors": faster(out["statsmodels_5_factors"], out["five_factors"]),
        "ratio_five_factors_without_ranks": faster(out["statsmodels_5_factors"], out["five_factors_without_ranks"]),
        "times_argsort": faster(out["battery"], out["argsort"]),
        "times_touch": faster(out["battery"], out["touch"]),
        "speedup_two_workers": faster(out["battery"], out["two_workers"], "wall"),
    }
    out |= ratios
    out["steps_us_event"] = where.by_step(calls["battery"], count)
    return out


def many_workers(data: panels.Panel, repeats: int, count: int = 1_000_000) -> dict[str, Any]:
    """One worker and two on a million events, wall seconds."""
    events, market = panels.events(count), Model(data.market[None])
    calls: dict[str, Callable[[], Any]] = {
        "one": lambda: battery(data.returns, market, events),
        "two": lambda: battery(data.returns, market, events, FULL, 2),
    }  # fmt: skip
    times = {name: per_event(t, count) for name, t in measure.in_turn(calls, repeats).items()}
    return {**times, "events": count, "speedup": measure.times_faster(times["one"], times["two"], "wall")}


def placebo_dates(repeats: int) -> dict[str, Any]:
    """W6: placebo_time of 30 firms over 10,000 pseudo dates, through the test's own path."""
    from abnormal.domain import Tape
    from abnormal.inference.placebo import placebo_distribution
    from abnormal.replay import StudyReplay, Track

    data = panels.panel(30, 10_300, seed=7)
    tape = Tape(
        calendar="panel", time=np.datetime64("1985-01-01") + np.arange(10_300), units=tuple(f"F{i}" for i in range(30)),
        y=data.returns, event_y=data.returns, span=np.ones(data.returns.shape), usable=np.ones(data.returns.shape, bool),
        x=data.market[None, :, None], xid=np.zeros(30, np.int64), names=("market",),
    )  # fmt: skip
    day0 = 10_298
    counted = []

    def run() -> None:
        tracks = {i: Track(tape, i, day0, day0 - 260, "market", f"F{i}") for i in range(30)}
        replay = StudyReplay(tracks, panels.ESTIMATION[1], {})
        counted.append(sum(placebo_distribution(replay, i, (-1, 1), 30).values.size for i in range(30)))

    times = measure.median_of(run, repeats)
    return {**per_event(times, counted[0]), "dates": counted[0] // 30, "firms": 30}


def simulated(data: panels.Panel, repeats: int) -> dict[str, Any]:
    """W8: 250 samples of 50 securities on dates of their own, 4 shocks, 5 tests (Brown and Warner's design)."""
    rng = np.random.default_rng(8)
    tests = (draws.t_xs, draws.patell, draws.bmp, draws.gen_sign, draws.corrado_zivney)
    rates: dict[str, float] = {}

    def run() -> None:
        security = rng.integers(0, panels.SECURITIES, (250, 50))
        position = rng.integers(panels.FIRST, panels.LAST, (250, 50))
        est = position[:, :, None] + np.arange(panels.ESTIMATION[0], panels.ESTIMATION[1] + 1)
        at = position[:, :, None]
        drawn = draws.estimate(
            data.returns[security[:, :, None], est], data.market[est], data.returns[security[:, :, None], at],
            data.market[at], "market", np.arange(50),
        )  # fmt: skip
        for shock in FACTOR_SHOCKS:
            moved = drawn.with_effect(np.asarray(shock), 0)
            for test in tests:
                rates[f"{test.__name__} at {shock:g}"] = float(np.mean(test(moved) < 0.05))

    return {**measure.median_of(run, repeats), "samples": 250, "securities": 50, "shocks": 4, "tests": 5,
            "rejections": rates}  # fmt: skip


# ------------------------------------------------------------------------------------------------ public path


def public(count: int, per_pair: bool, repeats: int, threads: int = 1) -> dict[str, Any]:
    """ab.run on a frame of events and a `Returns` frame: CPU, and the peak above the input (in a process of its own)."""
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import run, json; "
        f"print(json.dumps(run.public_here({count}, {per_pair}, {repeats}, {threads})))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE)
    return json.loads(told.stdout.splitlines()[-1])


def public_here(count: int, per_pair: bool, repeats: int, threads: int) -> dict[str, Any]:
    """The same in this process."""
    import pandas as pd

    import abnormal as ab

    data, events = panels.panel(), panels.events(count)
    dates = pd.bdate_range("2010-01-04", periods=panels.SESSIONS)
    names = [f"S{i:04d}" for i in range(panels.SECURITIES)]
    returns = pd.DataFrame(data.returns.T, index=dates, columns=names)
    market = pd.Series(data.market, index=dates)
    rows = pd.DataFrame({"ticker": np.array(names)[events.security], "date": dates[events.position]})
    del data, events
    spec = ab.StudySpec(model="market", estimation=panels.ESTIMATION, windows=[panels.WINDOW], tests=TESTS)

    def study(table: pd.DataFrame) -> Any:
        return ab.run(
            table, ab.Returns(returns), spec, benchmark=market, catalogue=False, per_pair=per_pair, threads=threads
        )

    study(rows.head(3_000))  # imports
    before = measure.resident_mb()
    anew = measure.forget_peak()
    study(rows)
    peak = measure.peak_mb() - before if anew else float("nan")
    part = panels.events(LOOPED)
    again = panels.panel()
    loops.statsmodels_loop(again.returns, again.market[None], panels.events(3), correlation=False)  # imports
    calls: dict[str, Callable[[], Any]] = {
        "study": lambda: study(rows),
        "statsmodels": lambda: loops.statsmodels_loop(again.returns, again.market[None], part, correlation=False),
    }
    if count > SMALLER:
        calls["smaller"] = lambda: study(rows.head(SMALLER))
    times = measure.in_turn(calls, repeats)
    loop = per_event(times["statsmodels"], LOOPED)
    out = {**per_event(times["study"], count), "events": count, "per_pair": per_pair, "peak_mb_above_input": peak}
    if count > SMALLER:
        out["cost_against_smaller"] = 1 / measure.times_faster(per_event(times["smaller"], SMALLER), out)
    return {**out, "statsmodels_us_event": loop["us_event"], "ratio": measure.times_faster(loop, out)}


def start_up(repeats: int) -> dict[str, float]:
    """CPU seconds of fresh processes: bare Python, the import, the help page, and a first study from command to sentence."""
    cli = "import sys; from abnormal.cli import main; sys.argv = ['abnormal', *{args!r}]; main()"
    codes = {
        "python": "pass", "import abnormal": "import abnormal", "abnormal --help": cli.format(args=["--help"]),
        "first study": cli.format(args=["run", "anthropic_export_order"]),
    }  # fmt: skip
    return {name: measure.process_cpu(code, repeats) for name, code in codes.items()}


# ------------------------------------------------------------------------------------------------ goals


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every bound with what was measured; `at_least` or `at_most`."""
    w4, w5, pub = found["W4"], found["W5"], found["W4_public"]
    bounds = [
        ("W1", "one event in the kernel, ms", found["W1"]["kernel"]["us_event"] / 1e3, None, 1.0),
        ("W2", "30 firms on one date, times statsmodels", found["W2"]["ratio"], 20.0, None),
        ("W3", "1,000 events, times statsmodels", found["W3"]["ratio"], 35.0, None),
        ("W4", "100,000 events, times statsmodels", w4["ratio"], 55.0, None),
        ("W4", "battery in np.argsort of the same rows", w4["times_argsort"], None, 2.6),
        ("W4", "without the rank test, times statsmodels", w4["ratio_without_ranks"], 130.0, None),
        ("W4", "public path, times statsmodels", pub["ratio"], 35.0, None),
        ("W5", "1,000,000 events, cost of one against 100,000", w5["cost_against_smaller"], None, 1.25),
        ("W5", "peak memory above the input, MB", w5["peak_mb_above_input"], None, 150.0),
        ("W6", "placebo_time of 30 firms x 10,000 dates, s", found["W6"]["cpu_s"], None, 1.0),
        ("W8", "250 samples x 50 securities x 4 shocks x 5 tests, s", found["W8"]["cpu_s"], None, 0.5),
        ("factors", "five common factors, times statsmodels", w4["ratio_five_factors"], 75.0, None),
        ("factors", "the same without the rank test", w4["ratio_five_factors_without_ranks"], 75.0, None),
        ("threads", "two workers against one, 1,000,000 events, wall", found["workers"]["speedup"], 1.7, None),
        ("threads", "two workers against one, 100,000 events, wall", w4["speedup_two_workers"], 1.7, None),
        ("accuracy", "data sets on which a bound is missed", sum(not r["holds"] for r in found["accuracy"]), None, 0),
        ("start", "first study, CPU s", found["start"]["first study"], None, 2.0),
    ]  # fmt: skip
    return [
        {
            "workload": w, "what": what, "measured": float(value), "at_least": low, "at_most": high,
            "holds": bool((low is None or value >= low) and (high is None or value <= high)),
        }
        for w, what, value, low, high in bounds
    ]  # fmt: skip


def everything(repeats: int) -> dict[str, Any]:
    """All workloads, in the order of their size."""
    data = panels.panel()
    loops.statsmodels_loop(data.returns, data.market[None], panels.events(3), correlation=False)  # imports
    found: dict[str, Any] = {"machine": measure.machine(), "repeats": repeats, "accuracy": accuracy.table()}
    found |= small_ones(data, repeats)
    found["W4"] = large_one(data, repeats)
    found["workers"] = many_workers(data, max(1, repeats // 2))
    found["W4_public"] = public(100_000, True, repeats)
    found["W5"] = public(1_000_000, False, max(1, repeats // 2))
    found["W6"] = placebo_dates(repeats)
    found["W8"] = simulated(data, repeats)
    found["start"] = start_up(repeats)
    return {"goals": goals(found), **found}


def main() -> int:
    measure.with_one_thread()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="medians over so many runs")
    parser.add_argument("--write", action="store_true", help=f"keep them in {RESULTS.name} and in the docs")
    parser.add_argument("--page", action="store_true", help="write the docs page from the results that are kept")
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if options.page else everything(options.repeats)
    if options.write or options.page:
        from page import page

        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(found, json.loads(BARS.read_text())), encoding="utf-8")
    print(json.dumps(found, indent=1))
    return int(not all(g["holds"] for g in found["goals"]))


if __name__ == "__main__":
    raise SystemExit(main())
