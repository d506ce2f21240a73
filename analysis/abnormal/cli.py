"""The `abnormal` command: the table of verbs, its help, and the door to them.

Help and version need nothing but this table: click is imported when a verb is called, and a verb's module with it.
Results go to stdout; progress, warnings and errors to stderr. Exit codes: 0 done; 1 ran, but with `--strict` something
fell short; 2 the request is wrong; 3 data missing or rate limited; 4 our bug; 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from . import __version__

DONE, FELL_SHORT, WRONG_REQUEST, OUR_BUG, INTERRUPTED = 0, 1, 2, 4, 130


class Verb(NamedTuple):
    """A line of the table: what the verb does, its module in `verbs/`, and the engine without which it is not offered."""

    help: str
    module: str
    needs: str = ""


VERBS = {
    "run": Verb("Study events: run one or more studies and print what came out.", "run"),
    "report": Verb("Write the PDF report of a study.", "report", "abnormal.present.report"),
    "regress": Verb("Regress abnormal returns on characteristics of the events.", "regress"),
    "specs": Verb("Specification curve: the same study by every reasonable choice.", "specs"),
    "power": Verb("Power and true size of the tests on the study's own data.", "power"),
    "events": Verb("Look at the event catalogue, check your own, see what else happened.", "events"),
    "fetch": Verb("Fill the price store from Yahoo; opens a connection.", "fetch"),
    "import": Verb("Put bars from a CSV or Parquet file into the price store.", "imports"),
    "audit": Verb("What is wrong with a study's prices, before any estimate.", "audit"),
    "methods": Verb("Every model, test and check: formula, paper, assumptions.", "methods"),
    "init": Verb("Make a study folder to start from.", "init"),
    "doctor": Verb("Is everything in place? Versions, store, calendars, fonts.", "doctor"),
}


def offered(name: str) -> bool:
    """Whether there is such a verb and the engine behind it is part of this installation."""
    verb = VERBS.get(name)
    if verb is None or not verb.needs:
        return verb is not None
    from importlib.util import find_spec

    return all(find_spec(module) is not None for module in (verb.needs, f"abnormal.verbs.{verb.module}"))


def help_text() -> str:
    """What `abnormal --help` prints."""
    verbs = "\n".join(f"  {name:<8} {verb.help}" for name, verb in VERBS.items() if offered(name))
    return f"""\
Usage: abnormal VERB [OPTIONS] [ARGUMENTS]

  Event studies of market events: dated policy news joined with share prices, tested honestly.

  abnormal run anthropic_export_order    a first study, on bundled prices
  abnormal run --list                    the bundled studies
  abnormal VERB --help                   what a verb takes

Verbs:
{verbs}

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with the documented code."""
    given = sys.argv[1:] if args is None else args
    if given in (["--help"], ["-h"]):
        print(help_text())
    elif given == ["--version"]:
        print(f"abnormal {__version__}")
    else:
        from .verbs.group import group

        group.main(given)
