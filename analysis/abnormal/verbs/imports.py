"""`abnormal import`: a user's own bars from a file into the price store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..cli import DONE
from .common import Output, common_options, store_option


@click.command("import", short_help="Put bars from a file into the price store.")
@click.argument("file", metavar="FILE")
@click.option("--as", "ticker", metavar="TICKER", help="The ticker these bars are of.")
@click.option("--freq", metavar="FREQ", help="Length of a bar (default: found from the times).")
@click.option("--timezone", metavar="ZONE", help="Zone of times within the day that carry none, as Asia/Hong_Kong.")
@click.option("--currency", metavar="CODE", help="Currency of the prices, as HKD.")
@click.option("--source", metavar="TEXT", help="Where the bars come from (default: the name of the file).")
@click.option("--replace", "replace_", is_flag=True, help="Replace what the store holds instead of joining it.")
@store_option
@common_options
def command(
    out: Output, file: str, ticker: str | None, freq: str | None, timezone: str | None, currency: str | None,
    source: str | None, replace_: bool, folder: str | None,
) -> int:  # fmt: skip
    """Put bars from a CSV or Parquet file into the price store.

    FILE has a date column and close (or open, high, low, close, volume, dividends, splits ...). A file of several
    tickers is imported as it names them; then --as must be left out.

    \b
    abnormal import zhipu.csv --as 2513.HK
    """
    from ..inputs.providers.files import read_prices
    from ..inputs.store import PriceStore

    store = PriceStore(folder)
    found = read_prices(Path(file), ticker=ticker, timezone=timezone, freq=freq)
    bars = _named(found, ticker, file)
    reports = []
    for name, one in bars.items():
        meta = {**one.meta, **({"currency": currency} if currency else {})}
        for note in [n for n in str(meta.get("notes", "")).split("\n") if n]:
            out.note(f"{name}: {note}")
        reports.append(store.write(replace(one, ticker=name, meta=meta), source=source or "", merge=not replace_))
    if out.json:
        names = "ticker freq total added same kept filled readjusted rebased first last digest".split()
        out.document({"imported": [{n: getattr(r, n) for n in names} | {"revised": len(r.revised)} for r in reports]})
    elif not out.quiet:
        out.text("\n".join(map(str, reports)))
    return DONE


def _named(found: dict[str, Any], ticker: str | None, file: str) -> dict[str, Any]:
    """The bars under the tickers they will have; one that fits --as where that was given."""
    from ..errors import RequestError

    if ticker is None:
        if len(found) == 1 and next(iter(found)) == Path(file).name.split(".csv")[0].removesuffix(".parquet"):
            raise RequestError(f"{file} does not name its ticker; say it with --as TICKER")
        return found
    if ticker in found:
        return {ticker: found[ticker]}
    if len(found) == 1:
        return {ticker: next(iter(found.values()))}
    raise RequestError(f"{file} holds {', '.join(sorted(found)[:8])}, not {ticker}; leave --as out to import them all")
