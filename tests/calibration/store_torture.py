"""The store under violence: fetches killed with kill -9, readers during replacements, two writers on one ticker.

    python tests/calibration/store_torture.py [kills] [readers] [replacements]

prints what happened; the functions are also what the tests call with small numbers. Everything runs on 127.0.0.1 and in a
temporary folder. Children come from a fork server that has the libraries loaded, so that a kill hits the work and not the
import; POSIX only.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing as mp
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from abnormal.domain import Bars
from abnormal.errors import AbnormalError
from abnormal.inputs.fetching import fetch_into
from abnormal.inputs.locking import writer_lock
from abnormal.inputs.providers.yahoo import YahooProvider
from abnormal.inputs.store import PriceStore
from loopback import Book, ChartServer, LoopbackSession, weekdays

TICKERS = ("2513.HK", "0700.HK", "NVDA")
START = "2023-01-02"
FIRST_NOW = dt.datetime(2024, 6, 3, 23, 0, tzinfo=dt.UTC)


def forks():
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "pandas", "pyarrow.parquet", "yfinance", "curl_cffi.requests"])
    return context


def fetch_all(url: str, folder: str, cache: str, now: dt.datetime) -> None:
    """What a child does: one `fetch` of all tickers."""
    provider = YahooProvider(
        LoopbackSession(url), throttle=0, sleep=lambda s: None, now=lambda: now, cache_folder=cache
    )
    report = fetch_into(PriceStore(folder, bundled=False), TICKERS, START, provider=provider, now=lambda: now)
    sys.exit(report.exit_code)


# ---------------------------------------------------------------------------------------------------- kill -9


@dataclass
class Kills:
    """What was seen: runs killed, runs that ended by themselves, files read back, bars at the end."""

    killed: int = 0
    finished: int = 0
    checked: int = 0
    bars: int = 0
    leftovers: int = 0


def kill_fetches(rounds: int, seed: int = 1, longest: float = 0.5) -> Kills:
    """Fetch again and again, six days later each time, killed at a random moment; after each, every file must be whole.

    Raises AssertionError where a file is torn, a bar is lost or wrong, or the last, undisturbed run does not complete.
    """
    sessions = weekdays(START, "2032-12-31")
    books = {t: Book(t, sessions, seed=k) for k, t in enumerate(TICKERS)}
    rng, seen, had = random.Random(seed), Kills(), dict.fromkeys(TICKERS, 0)
    with tempfile.TemporaryDirectory() as folder, ChartServer(books.values(), FIRST_NOW) as server:
        store = PriceStore(Path(folder) / "store", bundled=False)
        cache = str(Path(folder) / "cache")
        undisturbed = forks().Process(target=fetch_all, args=(server.url, str(store.path), cache, server.now))
        undisturbed.start()
        undisturbed.join()
        for _ in range(rounds):
            server.now = server.now + dt.timedelta(days=6)
            child = forks().Process(target=fetch_all, args=(server.url, str(store.path), cache, server.now))
            child.start()
            child.join(rng.uniform(0.0, longest))
            child.kill()
            child.join()
            seen.killed += child.exitcode == -9
            seen.finished += child.exitcode == 0
            assert child.exitcode in (0, -9), f"a fetch ended with {child.exitcode}"
            seen.leftovers += len(list(Path(folder).rglob("*.tmp")))
            for ticker in TICKERS:
                seen.checked += _check(store, books[ticker], had)
        child = forks().Process(target=fetch_all, args=(server.url, str(store.path), cache, server.now))
        child.start()
        child.join()
        assert child.exitcode == 0, "the run after the kills must complete"
        for ticker in TICKERS:
            _check(store, books[ticker], had)
            expected = [d for d in sessions if d <= server.now.date()]
            assert store.bars(ticker).time.tolist() == expected, "the run after the kills must fill every gap"
        assert not list(Path(folder).rglob("*.tmp")), "leftovers of killed writers must be swept"
        seen.bars = sum(had.values())
    return seen


def _check(store: PriceStore, book: Book, had: dict[str, int]) -> int:
    """The stored bars of one ticker are whole, right, and not fewer than before."""
    if not store.has(book.symbol):
        assert had[book.symbol] == 0, f"the file of {book.symbol} is gone"
        return 0
    bars = store.bars(book.symbol)  # reading the whole file holds it against its digest
    truth = np.array([book.close[d] for d in bars.time.tolist()])
    np.testing.assert_allclose(bars.get("close"), truth)
    assert len(bars) >= had[book.symbol], f"{book.symbol} lost bars"
    had[book.symbol] = len(bars)
    return 1


# ---------------------------------------------------------------------------------------------------- readers


@dataclass
class Reads:
    """What was seen: reads, failures with their texts, replacements while reading."""

    reads: int = 0
    failures: tuple[str, ...] = ()
    replacements: int = 0


def _series(version: int, rows: int = 2500) -> Bars:
    """A series all of whose values tell its version, so that a mixture of two would show."""
    time_ = np.busday_offset(np.datetime64("2015-01-01"), np.arange(rows), roll="forward")
    return Bars("2513.HK", time_, {name: np.full(rows, float(version)) for name in ("open", "close", "volume")})


def read_on(folder: str, threads: int, stop, out) -> None:
    """What a reading child does: `threads` readers until told to stop."""
    counts, failures = [0] * threads, []

    def reader(k: int) -> None:
        store = PriceStore(folder, bundled=False)
        while True:
            try:
                bars = store.bars("2513.HK")
                versions = {float(bars.get(n).min()) for n in bars.columns} | {
                    float(bars.get(n).max()) for n in bars.columns
                }
                if len(bars) != 2500 or len(versions) != 1:
                    failures.append(f"a mixture: {len(bars)} rows, versions {sorted(versions)}")
            except (AbnormalError, OSError, ValueError) as error:
                failures.append(f"{type(error).__name__}: {error}")
            counts[k] += 1
            if stop.is_set():
                return
            time.sleep(0.02)

    crowd = [threading.Thread(target=reader, args=(k,)) for k in range(threads)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join()
    out.put((sum(counts), failures))


def read_during_replacements(readers: int = 300, replacements: int = 100, processes: int = 3) -> Reads:
    """Many readers of one ticker while its file is replaced again and again."""
    context = forks()
    with tempfile.TemporaryDirectory() as folder:
        store = PriceStore(folder, bundled=False)
        store.write(_series(0), merge=False)
        stop, out = context.Event(), context.Queue()
        crowd = [
            context.Process(target=read_on, args=(folder, readers // processes, stop, out)) for _ in range(processes)
        ]
        for child in crowd:
            child.start()
        for version in range(1, replacements + 1):
            store.write(_series(version), merge=False)
        stop.set()
        results = [out.get() for _ in crowd]
        for child in crowd:
            child.join()
    return Reads(sum(n for n, _ in results), tuple(f for _, fs in results for f in fs), replacements)


# ---------------------------------------------------------------------------------------------------- writers


def write_days(folder: str, offset: int, rounds: int) -> None:
    """What a writing child does: every other day of a series, one write a day."""
    store = PriceStore(folder, bundled=False)
    for k in range(rounds):
        day = np.datetime64("2020-01-01") + 2 * k + offset
        store.write(Bars("NVDA", np.array([day]), {"close": np.array([float(2 * k + offset)])}))


def two_writers(rounds: int = 50) -> int:
    """Two processes add different days to one ticker at the same time; gives the bars of both."""
    context = forks()
    with tempfile.TemporaryDirectory() as folder:
        writers = [context.Process(target=write_days, args=(folder, offset, rounds)) for offset in (0, 1)]
        for child in writers:
            child.start()
        for child in writers:
            child.join()
        assert [c.exitcode for c in writers] == [0, 0]
        bars = PriceStore(folder, bundled=False).bars("NVDA")
        assert bars.get("close").tolist() == list(range(2 * rounds)), "a write was lost"
        return len(bars)


def hold_lock(folder: str, held, release) -> None:
    """What a child does that is killed while it holds the writer's lock."""
    with writer_lock(Path(folder)):
        held.set()
        release.wait()


def lock_after_kill() -> float:
    """Seconds until the lock of a killed writer is free."""
    context = forks()
    with tempfile.TemporaryDirectory() as folder:
        held, release = context.Event(), context.Event()
        child = context.Process(target=hold_lock, args=(folder, held, release))
        child.start()
        held.wait()
        child.kill()
        child.join()
        began = time.perf_counter()
        with writer_lock(Path(folder), wait=10.0):
            return time.perf_counter() - began


def main(kills: int = 200, readers: int = 300, replacements: int = 100) -> None:
    began = time.perf_counter()
    seen = kill_fetches(kills)
    print(
        f"{kills} fetches: {seen.killed} killed, {seen.finished} were faster; {seen.checked} files read back whole, "
        f"{seen.leftovers} times a temporary file was left and later swept, {seen.bars} bars at the end"
    )
    reads = read_during_replacements(readers, replacements)
    print(f"{readers} readers, {reads.replacements} replacements: {reads.reads} reads, {len(reads.failures)} failed")
    for failure in reads.failures[:5]:
        print("   ", failure)
    print(f"two writers on one ticker: {two_writers()} bars of 100")
    print(f"lock of a killed writer free after {1000 * lock_after_kill():.1f} ms")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
