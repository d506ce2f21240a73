"""500 news at minute bars: the package against a statsmodels loop and a pandas groupby, in CPU seconds of one run.

    python benchmarks/intraday.py                  the comparison, one JSON document
    python benchmarks/intraday.py --write          kept in benchmarks/results/intraday.json, for docs/performance.md as well
    python benchmarks/intraday.py --scan 100e6     that many minute rows, ticker by ticker out of a store, peak memory

Every contender gets the same bar returns of share and market (20 sessions to estimate on, the event session and four
after it) and gives back the same numbers: the market model of the bars with one lead and lag, the daily pattern and the
level of a usual bar, standardised abnormal returns, and the path of the cumulative abnormal return over five sessions with
its p at every bar among the same clock times of the estimation sessions. They are compared before they are timed.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import measure
import numpy as np

if TYPE_CHECKING:
    from abnormal.inference._bars import PairBars

BARS, BEFORE, AFTER = 390, 20, 5
DAYS = BEFORE + AFTER
LENGTH = AFTER * BARS
BLOCK = 16
RESULTS = Path(__file__).resolve().parent / "results" / "intraday.json"


class Data(NamedTuple):
    """Returns of share and market (E, D, J), with the market's bar before and after (NaN at the edges of a session)."""

    r: np.ndarray
    now: np.ndarray
    lag: np.ndarray
    lead: np.ndarray


class Answer(NamedTuple):
    """Slopes (E, 3), size of a usual bar (E, J), path (E, L) and its p (E, L)."""

    slopes: np.ndarray
    scale: np.ndarray
    path: np.ndarray
    p: np.ndarray


def made(events: int, seed: int = 1) -> Data:
    rng = np.random.default_rng(seed)
    shape = 1.0 + 0.8 * np.cos(np.linspace(0, 2 * np.pi, BARS))
    now = 0.0004 * shape * rng.standard_normal((events, DAYS, BARS))
    lag, lead = np.full_like(now, np.nan), np.full_like(now, np.nan)
    lag[:, :, 1:], lead[:, :, :-1] = now[:, :, :-1], now[:, :, 1:]
    r = 1.2 * now + 0.1 * np.nan_to_num(lag) + 0.0008 * shape * rng.standard_normal(now.shape)
    return Data(r, now, lag, lead)


# ------------------------------------------------------------------------------------------------ the package


def ours(data: Data) -> Answer:
    """The functions a study on bars is made of, in its blocks."""
    n = data.r.shape[0]
    out = Answer(np.empty((n, 3)), np.empty((n, BARS)), np.empty((n, LENGTH)), np.empty((n, LENGTH)))
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        _block(Data(*(a[part] for a in data)), Answer(*(a[part] for a in out)))
    return out


def _block(data: Data, out: Answer) -> None:
    """Model, daily pattern and paths of some events."""
    from abnormal.domain import Sample
    from abnormal.inference._bars import PairBars
    from abnormal.intraday_fit import standardised
    from abnormal.registry import MODELS

    e, size = data.r.shape[0], DAYS * BARS
    is_bar, exists, never = np.ones(BARS, bool), np.ones((DAYS, BARS), bool), np.zeros((DAYS, BARS), bool)
    est, places = np.arange(DAYS) < BEFORE, np.arange(size)
    sample = Sample(
        offsets=places - BEFORE * BARS, y=data.r.reshape(e, -1), x=data.now.reshape(e, -1, 1), names=("market",),
        span=np.broadcast_to(np.ones(1), (e, size)), est=np.broadcast_to(np.repeat(est, BARS), (e, size)),
        dates=np.broadcast_to(np.datetime64("NaT"), (e, size)), estimation=(-BEFORE * BARS, -1), event_id=("e",) * e,
        ticker=("T",) * e, lead=data.lead.reshape(e, -1, 1), lag=data.lag.reshape(e, -1, 1),
    )  # fmt: skip
    fit = MODELS.get("intraday_market")(sample, {})
    ar = fit.ar.reshape(e, DAYS, BARS)
    scales = standardised(ar, np.tile(est, (e, 1)), is_bar, np.broadcast_to(never, ar.shape), {})
    out.slopes[:], out.scale[:] = fit.coef[:, 2:], scales.sigma[:, None] * scales.f
    for i in range(e):
        bars = PairBars(
            data.r[i],
            ar[i],
            is_bar,
            exists,
            never,
            est,
            BEFORE,
            places,
            BEFORE * BARS,
            True,
            out.scale[i],
            scales.f[i],
            1,
        )
        out.path[i], out.p[i] = _path(bars)


def _path(bars: PairBars) -> tuple[np.ndarray, np.ndarray]:
    from abnormal.inference._bars import ClockSums, clock_sums
    from abnormal.inference.same_clock import path_p

    sums = clock_sums(bars, (0, LENGTH - 1))
    assert isinstance(sums, ClockSums)
    return sums.path, path_p(sums)


# ------------------------------------------------------------------------------------------------ a statsmodels loop


def statsmodels_loop(data: Data) -> Answer:
    """Event by event: OLS of statsmodels on a frame, the rest in numpy."""
    import pandas as pd
    import statsmodels.api as sm

    n = data.r.shape[0]
    out = Answer(np.empty((n, 3)), np.empty((n, BARS)), np.empty((n, LENGTH)), np.empty((n, LENGTH)))
    session = np.repeat(np.arange(DAYS), BARS)
    for i in range(n):
        frame = pd.DataFrame(
            {"session": session, "r": data.r[i].ravel(), "lag": data.lag[i].ravel(), "now": data.now[i].ravel(),
             "lead": data.lead[i].ravel()}
        )  # fmt: skip
        est = frame[frame["session"] < BEFORE]
        fit = sm.OLS(est["r"], est[["lag", "now", "lead"]], missing="drop").fit()
        ar = (frame["r"] - fit.predict(frame[["lag", "now", "lead"]].fillna(0.0))).to_numpy().reshape(DAYS, BARS)
        v = np.sqrt((ar[:BEFORE] ** 2).mean(axis=0))
        sigma = np.sqrt((ar[:BEFORE] ** 2).sum(axis=1).mean() / BARS)
        out.slopes[i] = fit.params.to_numpy()
        out.scale[i] = sigma * v / np.sqrt((v**2).mean())
        out.path[i] = np.cumsum(ar[BEFORE:].ravel())
        hits = np.zeros(LENGTH)
        starts = range(BEFORE - AFTER + 1)
        for d in starts:
            hits += np.abs(np.cumsum(ar[d : d + AFTER].ravel())) >= np.abs(out.path[i]) - 1e-12
        out.p[i] = (1 + hits) / (len(starts) + 1)
    return out


# ------------------------------------------------------------------------------------------------ a pandas groupby


def pandas_groupby(data: Data) -> Answer:
    """One long frame, a group for every event, every clock time of an event, and every bar of its path."""
    import pandas as pd

    n = data.r.shape[0]
    index = pd.MultiIndex.from_product([range(n), range(DAYS), range(BARS)], names=["event", "session", "slot"])
    frame = pd.DataFrame({name: getattr(data, name).ravel() for name in Data._fields}, index=index).reset_index()
    regressors = ["lag", "now", "lead"]

    def slopes(g: pd.DataFrame) -> pd.Series:
        rows = g[g["session"] < BEFORE].dropna()
        return pd.Series(np.linalg.lstsq(rows[regressors].to_numpy(), rows["r"].to_numpy(), rcond=None)[0], regressors)

    b = frame.groupby("event")[["session", "r", *regressors]].apply(slopes)
    filled = frame[regressors].fillna(0.0)
    frame["ar"] = frame["r"] - (filled * b.loc[frame["event"]].to_numpy()).sum(axis=1)
    past = frame[frame["session"] < BEFORE]
    v = past.groupby(["event", "slot"])["ar"].apply(lambda x: np.sqrt((x**2).mean()))
    f = v.groupby("event").transform(lambda x: x / np.sqrt((x**2).mean()))
    rv = past.groupby(["event", "session"])["ar"].apply(lambda x: (x**2).sum())
    sigma = rv.groupby("event").apply(lambda x: np.sqrt(x.mean() / BARS))
    windows = []
    for d in [*range(BEFORE - AFTER + 1), BEFORE]:
        part = frame[(frame["session"] >= d) & (frame["session"] < d + AFTER)]
        bar = (part["session"] - d) * BARS + part["slot"]
        windows.append(pd.DataFrame({"event": part["event"], "bar": bar, "start": d, "ar": part["ar"]}))
    paths = pd.concat(windows, ignore_index=True)
    paths["car"] = paths.groupby(["event", "start"])["ar"].cumsum()

    def rank(g: pd.DataFrame) -> float:
        own = g["start"] == BEFORE
        return (1 + (g.loc[~own, "car"].abs() >= abs(g.loc[own, "car"].iloc[0]) - 1e-12).sum()) / (1 + (~own).sum())

    p = paths.groupby(["event", "bar"])[["start", "car"]].apply(rank)
    own = paths.loc[paths["start"] == BEFORE, "car"].to_numpy().reshape(n, LENGTH)
    scale = (f * sigma.reindex(f.index, level="event")).to_numpy().reshape(n, BARS)
    return Answer(b.to_numpy(), scale, own, p.to_numpy().reshape(n, LENGTH))


# ------------------------------------------------------------------------------------------------ comparison


def same(a: Answer, b: Answer) -> None:
    for name in Answer._fields:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-12, err_msg=name)


def compare(events: int, groupby_events: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of CPU an event of each contender, and how many times the package's own."""
    small = made(4, seed=2)
    first = ours(small)
    same(first, statsmodels_loop(small))
    same(first, pandas_groupby(small))
    data = made(events)
    part = Data(*(a[:groupby_events] for a in data))
    times = measure.in_turn({"abnormal": lambda: ours(data), "statsmodels": lambda: statsmodels_loop(data)}, repeats)
    own, loop = ({**times[name], "events_timed": events} for name in ("abnormal", "statsmodels"))
    grouped = measure.timed(lambda: pandas_groupby(part))[0] / groupby_events
    return {
        "machine": measure.machine(), "events": events, "groupby_events": groupby_events, "repeats": repeats, "bars": BARS,
        "sessions_before": BEFORE, "sessions_after": AFTER, "abnormal_ms": 1e3 * own["cpu_s"] / events,
        "statsmodels_ms": 1e3 * loop["cpu_s"] / events, "groupby_ms": 1e3 * grouped,
        "times_statsmodels": measure.times_faster(loop, own), "times_groupby": grouped * events / own["cpu_s"],
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ one hundred million rows


def scan(rows: float) -> None:
    """Minute bars written into a store, then read back ticker by ticker and put on their grid; peak memory of the process."""
    from abnormal.domain import Bars
    from abnormal.inputs.bars_panel import on_slots
    from abnormal.inputs.calendars import session_calendar
    from abnormal.inputs.slots import slot_grid, slot_returns
    from abnormal.inputs.store import PriceStore

    calendar = session_calendar("XNYS")
    grid = slot_grid(calendar, "2022-01-03", "2025-12-31", 1)
    n = grid.bars.starts.size
    tickers = max(1, round(rows / n))
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        store = PriceStore(folder, bundled=False)
        for i in range(tickers):
            close = np.round(100 * np.exp(np.cumsum(0.0005 * rng.standard_normal(n))), 2)
            columns = {
                "open": np.append(100.0, close[:-1]),
                "close": close,
                "volume": rng.integers(100, 9000, n).astype(float),
            }
            store.write(Bars(f"T{i}", grid.bars.starts, columns, "1m"), "made up")
        size = sum(f.stat().st_size for f in Path(folder).rglob("*.parquet"))
        start, total, squares = time.process_time(), 0, 0.0
        for ticker in store.tickers("1m"):
            share = on_slots(store.bars(ticker, "1m"), grid)
            r = slot_returns(share, *share.levels())
            total += int(share.traded.sum())
            squares += float(np.nansum(r[:, grid.is_bar] ** 2))
        spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{total / 1e6:.1f} million minute rows of {tickers} tickers ({size / 1e6:.0f} MB on disk) scanned ticker by ticker"
    )
    print(f"  {spent:.1f} CPU seconds, {total / spent / 1e6:.2f} million rows a second, peak memory {peak:.0f} MB")
    print(f"  mean squared bar return {squares / total:.3e} (made with 2.5e-07)")


def main() -> None:
    measure.with_one_thread()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--groupby-events", type=int, default=10, help="events the slow groupby runs on (scaled up)")
    parser.add_argument("--repeats", type=int, default=5, help="turns of the package and the statsmodels loop")
    parser.add_argument("--write", action="store_true", help=f"keep the comparison in {RESULTS.name}")
    parser.add_argument("--scan", type=float, metavar="ROWS", help="scan this many minute rows instead")
    given = parser.parse_args()
    if given.scan:
        scan(given.scan)
    else:
        found = compare(given.events, given.groupby_events, given.repeats)
        if given.write:
            RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
