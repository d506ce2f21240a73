"""`abnormal init`: a study folder to start from, which runs offline as it is."""

from __future__ import annotations

from pathlib import Path

import click

from ..cli import DONE
from .common import Output, common_options

STUDY = """\
# A study: which events, which prices, what to do. `abnormal run {folder}` runs it.
# Keys left out have defaults. A wrong key or value is named with its line.
schema = 1
title = "MiniMax lock-up of July 2026"
question = "Did the share fall when early holders became free to sell?"

[events]
file = "events.csv"                     # one row a pair (event, ticker)

[prices]
source = "bundled"                      # or your own: "prices.csv" with date,ticker,close (open, high, low, volume ...),
                                        # or a store folder; left out: the store `abnormal fetch` fills, then bundled

[benchmark]
tickers = ["0700.HK", "9988.HK", "9888.HK"]    # one ticker, or several for an equal-weighted basket

[model]
name = "market_zero_alpha"              # `abnormal methods --kind model` lists them
estimation = [-90, -11]                 # sessions before the event the model is fitted on

[windows]
headline = [0, 0]                       # the verdict is about this window; set it before looking
also = [[-10, -1], [0, 1], [0, 10]]

[inference]
seed = 1
# selected_on_outcome = true            # if you picked the firm because its price moved: then also say from which ones
# candidates = ["0100.HK", "2513.HK"]

[robustness]
models = ["market", "market_adjusted", "mean"]
"""

EVENTS = """\
event_id,ticker,date,session_hint,kind,title,sources
minimax-lockup-2026,0100.HK,2026-07-09,pre_open,lockup_expiration,MiniMax six-month lock-up of early holders ends,https://www.nbd.com.cn/articles/2026-07-09/4464881.html
"""


@click.command("init", short_help="Make a study folder to start from.")
@click.argument("folder", metavar="DIR")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@common_options
def command(out: Output, folder: str, force: bool) -> int:
    """Make a study folder to start from: study.toml and events.csv, which run offline as they are.

    \b
    abnormal init my_study
    abnormal run my_study
    """
    from ..errors import RequestError
    from ..present.save import write_text

    where = Path(folder)
    files = {where / "study.toml": STUDY.format(folder=folder), where / "events.csv": EVENTS}
    there = [str(f) for f in files if f.exists()]
    if there and not force:
        raise RequestError(f"{' and '.join(there)} already there; choose another folder, or --force to overwrite")
    for file, text in files.items():
        write_text(file, text)
    follow = [f"abnormal run {folder}", f"abnormal audit {folder}"]
    if out.json:
        out.document({"files": [str(f) for f in files], "next": follow})
    elif not out.quiet:
        out.text("\n".join([*(f"written: {f}" for f in files), f"next: {follow[0]}"]))
    return DONE
