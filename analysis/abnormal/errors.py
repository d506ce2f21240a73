"""Every error and warning of the package, with the texts that tell a user what to type next.

::

    AbnormalError                      exit 4 unless a subclass says otherwise
    |- RequestError                    exit 2: the request is wrong
    |  |- UnknownName                  a ticker, event, model, test or key that does not exist
    |  |- EventError                   an event record that cannot be read
    |  |- SpecError                    a StudySpec field with an impossible value
    |  |- StudyFileError               file:line:column in a study file
    |  `- BadData                      a price, return or factor file that cannot be read
    |- DataMissing                     exit 3: the data are not here (yet)
    |  |- NotInStore                   with the `abnormal fetch` line to type
    |  |- FetchFailed                  the vendor did not deliver
    |  |  `- RateLimited               the vendor said: later
    |  `- OutsideCalendar              beyond what the exchange calendar knows
    `- StoreBroken                     a file in the price store is damaged

    AbnormalWarning                    something the reader of a result should know
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AbnormalError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 4


class RequestError(AbnormalError):
    """The request cannot be carried out as written."""

    exit_code = 2


class UnknownName(RequestError):
    """A name that is not known, with the nearest ones that are."""

    def __init__(self, kind: str, name: object, known: Iterable[str] = (), hint: str = "") -> None:
        self.kind, self.name = kind, name
        text = f"unknown {kind} {name!r}{did_you_mean(str(name), known)}"
        super().__init__(f"{text}. {hint}" if hint else text)


class EventError(RequestError):
    """An event record that cannot be read; names file, line and field where they are known."""


class SpecError(RequestError):
    """A field of StudySpec with an impossible value."""


class StudyFileError(RequestError):
    """A wrong key, value or type in a study file, as file:line:column."""


class BadData(RequestError):
    """A file or frame of prices, returns or factors that cannot be read."""


class DataMissing(AbnormalError):
    """The data needed are not at hand."""

    exit_code = 3


class NotInStore(DataMissing):
    """A known ticker without bars in the store, with the line that fetches them."""

    def __init__(self, ticker: str, hint: str = "") -> None:
        self.ticker = ticker
        super().__init__(f"no prices for {ticker} in the store; type: {hint or f'abnormal fetch {ticker}'}")


class FetchFailed(DataMissing):
    """The vendor did not deliver what was asked for."""


class RateLimited(FetchFailed):
    """The vendor asks for patience; says when to try again."""


class OutsideCalendar(DataMissing):
    """A time beyond the sessions the exchange calendar knows."""


class StoreBroken(AbnormalError):
    """A file in the price store that cannot be trusted."""

    exit_code = 3


class AbnormalWarning(UserWarning):
    """Something the reader of a result should know."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean "market"?)`, or an empty string when nothing is near."""
    pool = list(known)
    near = difflib.get_close_matches(name, pool, n=3, cutoff=0.6)
    if not near:
        lowered = {k.lower(): k for k in pool}
        near = [lowered[k] for k in difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.55)]
    if not near:
        return ""
    return " (did you mean " + " or ".join(f'"{n}"' for n in near) + "?)"
