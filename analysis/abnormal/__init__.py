"""Event studies of market events: dated policy news joined with share prices, tested honestly.

>>> import abnormal as ab
>>> study = ab.run("anthropic_export_order")
>>> study.verdict.row
'selected'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> module that holds it. Loaded on first use, so that `import abnormal` costs milliseconds.
_HOMES = {
    "AbnormalError": "errors",
    "AbnormalReturns": "domain",
    "AbnormalWarning": "errors",
    "Bars": "domain",
    "Event": "domain",
    "EventCatalog": "domain",
    "PriceStore": "inputs.store",
    "Returns": "inputs.providers.files",
    "Study": "inputs.studyfile",
    "StudyResult": "result",
    "StudySpec": "spec",
    "compare": "present.comparison",
    "load_events": "inputs.events",
    "load_result": "result",
    "presets": "spec",
    "run": "study",
    "simulate_power": "power",
    "specification_curve": "specs",
}

__all__ = [
    "AbnormalError",
    "AbnormalReturns",
    "AbnormalWarning",
    "Bars",
    "Event",
    "EventCatalog",
    "PriceStore",
    "Returns",
    "Study",
    "StudyResult",
    "StudySpec",
    "__version__",
    "compare",
    "load_events",
    "load_result",
    "presets",
    "run",
    "simulate_power",
    "specification_curve",
]

if TYPE_CHECKING:
    from .domain import AbnormalReturns, Bars, Event, EventCatalog
    from .errors import AbnormalError, AbnormalWarning
    from .inputs.events import load_events
    from .inputs.providers.files import Returns
    from .inputs.store import PriceStore
    from .inputs.studyfile import Study
    from .power import simulate_power
    from .present.comparison import compare
    from .result import StudyResult, load_result
    from .spec import StudySpec, presets
    from .specs import specification_curve
    from .study import run


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'abnormal' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"abnormal.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
