"""Write the stored session tables `sessions_<MIC>.csv` from exchange_calendars (run after a new release of it).

    python data/calendars/make.py [MIC ...]      those exchanges, without arguments every one that is stored

Corrections are not written into the tables: overrides.csv is applied when a table is read.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import exchange_calendars

from abnormal.inputs.exchanges import EXCHANGES, timezone_of
from abnormal.inputs.hours import LocalHours, library_hours, table_rows

HERE = Path(__file__).resolve().parent
HEADER = ("date", "kind", "open", "break_start", "break_end", "close")
# Exchanges of the tickers most studies hold; the others are computed when they are asked for.
STORED = [
    "XNYS", "XHKG", "XSHG", "XTKS", "XKRX", "XTAI", "XLON", "XPAR", "XETR", "XAMS", "XSWX", "XTSE", "XASX", "XBOM",
]  # fmt: skip


def write_table(path: Path, mic: str, hours: LocalHours) -> None:
    """One table: `hours` hold from a date on, `day` on that day only, `closed` are weekdays without a session."""
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(f"# {mic}, local hours in {timezone_of(mic)}; exchange_calendars {exchange_calendars.__version__}\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(table_rows(hours))


def main() -> None:
    wanted = sys.argv[1:] or STORED
    unknown = set(wanted) - {e.mic for e in EXCHANGES}
    if unknown:
        sys.exit(f"no such exchange: {', '.join(sorted(unknown))}")
    for mic in wanted:
        path = HERE / f"sessions_{mic}.csv"
        write_table(path, mic, library_hours(mic))
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
