"""`abnormal fetch`: fill the price store from the vendor. With `run --fetch` the only way a connection is opened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cli import DONE
from .common import Output, Progress, common_options, store_option

if TYPE_CHECKING:
    from ..inputs.fetching import FetchReport, Outcome
    from ..inputs.store import PriceStore
    from ..inputs.studyfile import Study

_DATE = click.DateTime(["%Y-%m-%d"])
_CALENDAR_DAYS = 1.6  # calendar days a session takes, holidays included
_MARGIN = 10


@click.command("fetch", short_help="Fill the price store from Yahoo.")
@click.argument("what", nargs=-1, metavar="STUDY|TICKER...")
@click.option("--start", type=_DATE, metavar="DATE", help="First day (default: ten years back; what a STUDY needs).")
@click.option("--end", type=_DATE, metavar="DATE", help="Last day (default: the last finished session).")
@click.option("--freq", type=click.Choice(["1d", "1h", "30m", "15m", "5m", "2m", "1m"]), help="Length of a bar.")
@click.option("--factors", metavar="NAME|URL", multiple=True, help="Kenneth French file: ff3, ff5, mom (repeatable).")
@store_option
@common_options
def command(
    out: Output, what: tuple[str, ...], start: Any, end: Any, freq: str | None, factors: tuple[str, ...],
    folder: str | None,
) -> int:  # fmt: skip
    """Fill the price store from Yahoo through yfinance; what is there already is not asked for again.

    \b
    abnormal fetch 2513.HK 0700.HK --start 2026-01-01
    abnormal fetch anthropic_export_order
    abnormal fetch 2513.HK --freq 5m
    abnormal fetch --factors ff5 --factors mom
    """
    from ..inputs.store import PriceStore

    if not what and not factors:
        raise click.UsageError("Missing argument 'STUDY|TICKER...' (or --factors)")
    store = PriceStore(folder)
    tables = [_factor_file(name, store, out) for name in factors]
    first, last = start and start.date(), end and end.date()
    reports = []
    for tickers, lo, hi, own_freq in _wanted(what):
        reports.append(_fetch(store, tickers, first or lo, last or hi, freq or own_freq, out))
    _answer(reports, tables, out)
    return max((r.exit_code for r in reports), default=DONE)


def _factor_file(name: str, store: PriceStore, out: Output) -> dict[str, Any]:
    """One file of the library, put beside the prices of the store."""
    from ..inputs.factors import fetch_french, read_french

    assert store.path is not None
    out.detail(f"asking for {name}")
    path = fetch_french(name, store.path / "factors")
    table = read_french(path)
    first, last = str(table.dates[0]), str(table.dates[-1])
    return {
        "name": name,
        "path": str(path),
        "factors": list(table.names),
        "first": first,
        "last": last,
        "rows": len(table),
    }


def fetch_for(study: Study, out: Output) -> PriceStore:
    """Fetch what a study lacks and give the store it is then run on; raises where the vendor did not deliver."""
    store = _store_of(study)
    tickers, first, last = needs_of(study)
    report = _fetch(store, tickers, first, last, study.spec.freq, out)
    for outcome in report.outcomes:
        out.detail(str(outcome))
    for outcome in report.failed:
        if outcome.error is not None and not store.has(outcome.ticker, study.spec.freq):
            raise outcome.error
        out.warning(f"{outcome}; running on what is in the store")
    return store


def _store_of(study: Study) -> PriceStore:
    """The store a study reads; one that reads a file has nothing to fetch."""
    from ..errors import RequestError
    from ..inputs.store import PriceStore

    source = study.price_source
    if source in (None, "bundled"):
        return PriceStore()
    if Path(str(source)).is_file():
        raise RequestError(f"--fetch fills a price store, but this study reads {source}; leave --fetch out")
    return PriceStore(source)


def needs_of(study: Study) -> tuple[list[str], dt.date, dt.date]:
    """Tickers a study reads, and the days from its first estimation session to its last window."""
    from ..inputs.tapes import members
    from ..request import settle

    request = settle(study, prices="bundled")
    spec = request.spec
    named = [p.ticker for p in request.pairs]
    tickers = [*named, *members(spec.benchmark), *members(spec.industry), *spec.candidates]
    tickers += members(spec.options.get("peers"))
    for benchmark in spec.robustness.benchmarks:
        tickers += members(benchmark)
    days = [p.event.day for p in request.pairs]
    back = 2600 if isinstance(spec.estimation, str) else -spec.estimation[0]
    ahead = max((w[1] for w in spec.windows if not isinstance(w, str)), default=1)
    first = min(days) - dt.timedelta(days=int(back * _CALENDAR_DAYS) + _MARGIN)
    last = max(days) + dt.timedelta(days=int(ahead * _CALENDAR_DAYS) + _MARGIN)
    return list(dict.fromkeys(tickers)), first, last


Job = tuple[Sequence[str], dt.date | None, dt.date | None, str]


def _wanted(what: Iterable[str]) -> list[Job]:
    """Studies with the days they need, and all plain tickers as one job."""
    from ..inputs.studyfile import bundled_studies, load_study

    bundled = {name for name, _ in bundled_studies()}
    jobs: list[Job] = []
    plain: list[str] = []
    for item in what:
        if item in bundled or "/" in item or item.endswith(".toml"):
            study = load_study(item)
            tickers, first, last = needs_of(study)
            jobs.append((tickers, first, last, study.spec.freq))
        else:
            plain.append(item)
    return [*jobs, (plain, None, None, "1d")] if plain else jobs


def _fetch(
    store: PriceStore, tickers: Sequence[str], start: dt.date | None, end: dt.date | None, freq: str, out: Output
) -> FetchReport:
    from ..inputs.fetching import fetch_into

    with out.progress() as progress:
        return fetch_into(store, tickers, start, end, freq, progress=_told(progress))


def _told(progress: Progress) -> Any:
    return lambda done, total, ticker: progress(ticker, done, total)


def _answer(reports: Sequence[FetchReport], tables: Sequence[dict[str, Any]], out: Output) -> None:
    if out.json:
        fetched = [{"freq": r.freq} | _record(o) for r in reports for o in r.outcomes]
        out.document({"fetched": fetched} | ({"factors": tables} if tables else {}))
        return
    for t in tables:
        out.text(f"{t['path']}: {', '.join(t['factors'])}, {t['rows']} rows from {t['first']} to {t['last']}")
        out.note(f"  use it with --factors {t['path']}")
    for report in reports:
        for outcome in report.outcomes:
            if not out.quiet or outcome.status == "failed":
                out.text(str(outcome))
            for note in outcome.notes:
                out.note(f"  {note}")


def _record(outcome: Outcome) -> dict[str, Any]:
    names = ("ticker", "status", "reason", "added", "total", "first", "last")
    return {n: getattr(outcome, n) for n in names} | {"notes": list(outcome.notes)}
