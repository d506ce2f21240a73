"""Page one: question, verdict, headline, one figure, and what speaks against it."""

from __future__ import annotations

from typing import Any

from .. import console, prose
from ..figures.marks import averaged
from .blocks import Pages, minus

HEIGHT = 4.2  # inches of the figure; the template makes it smaller where the words need the room


def front(pages: Pages) -> dict[str, Any]:
    """Everything on page one."""
    result, verdict = pages.result, pages.result.verdict
    return {
        "kicker": prose.kicker(result), "question": result.question,
        "label": verdict.label[:1].upper() + verdict.label[1:], "tone": prose.TONES.get(verdict.label, "noise"),
        "sentence": minus(verdict.sentence), "singly": [minus(s) for s in prose.read_singly(result)],
        "cells": [{k: minus(v) if isinstance(v, str) else v for k, v in c.items()} for c in prose.cells(result)],
        "figure": _figure(pages), "against_head": prose.against_head(result),
        "against": [minus(a) for a in prose.against(result)],
    }  # fmt: skip


def _figure(pages: Pages) -> dict[str, str]:
    """The cumulative path, with what its band and its zero are."""
    result = pages.result
    if not pages.draw("front", result.plot.car, HEIGHT):
        return {}
    level = f"{100 * (1 - result.spec.level):g}%"
    start = result.headline[0]
    who = "" if len(result.pairs) == 1 else ", average of the pairs," if averaged(result) else " of each pair"
    what = f"Cumulative abnormal return{who} with its {level} band"
    zero = f"zero at the close before {'session' if result.spec.freq == '1d' else 'bar'} {start}"
    window = console.window(*result.headline)
    return {
        "caption": minus(
            f"{what}; {zero}, so that it ends the headline window {window} (shaded) at the headline estimate."
        ),
        "alt": f"Line chart: {what}, {zero}.",
    }
