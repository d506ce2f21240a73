"""Was the reaction larger where the exposure was larger? Event-day returns of many shares on exposure measures.

For a policy event that hits a whole market the comparison across firms is the evidence; how much the slope moves on
ordinary days, with the same firms and exposures, is the yardstick (Cohn, Johnson, Liu and Wardlaw 2023).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..domain import Excluded, Window
from ..errors import BadData, NotInStore, RequestError, UnknownName
from ..spec import StudySpec
from .answer import RegressionResult
from .cross_section import regress_case

KEYS = ("ticker", "date", "at", "event_id", "timezone", "time")


def exposure(
    prices: Any,
    exposures: pd.DataFrame | pd.Series,
    date: str | dt.date | dt.datetime | pd.Timestamp,
    *,
    formula: str | None = None,
    benchmark: Any = None,
    model: str | None = None,
    window: Window = (0, 0),
    estimation: Window = (-260, -11),
    cov: str = "tsols",
    min_obs: int = 30,
    level: float = 0.05,
    timezone: str = "",
    spec: StudySpec | None = None,
) -> RegressionResult:
    """Regress the returns of many shares around one date on measures of their exposure.

    d = W R_0 with W = (Z'Z)^-1 Z' on the event window, and the same W on every window before it: p = (1 + #{|d_q| >=
    |d_0|}) / (m + 1), standard error = the spread of the d_q. Whatever moves all shares alike is in the intercept. A
    benchmark, where given, takes each share's own beta out first.

    Parameters
    ----------
    prices : PriceStore, path, DataFrame or Returns
        As in `abnormal.run`.
    exposures : DataFrame or Series
        One row a share: `ticker` as a column or the index, every other column a measure (open-weight share, China revenue
        share, unlocked share of float, a 0/1 list).
    date : date or zoned time of the event
    formula : str, optional
        Default: `car ~` all measures.
    benchmark : ticker, list of tickers or Series, optional
    model : str, optional
        Expected returns. Default `market` with a benchmark, `mean` without.
    window, estimation : (int, int)
        Sessions of the reaction and of the comparison.
    cov : str, default "tsols"
        Any of `regress_case`; `sefcik_thompson` is the parametric twin.
    spec : StudySpec, optional
        Everything else a study may set; the arguments above win over it.

    Returns
    -------
    RegressionResult
        `beside` holds sefcik_thompson and the (invalid) plain errors; shares without prices, history or exposure are in
        `excluded` with their reason.

    References
    ----------
    Cohn, Johnson, Liu and Wardlaw (2023), doi:10.2139/ssrn.4296657.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from abnormal.regress.exposure import exposure
    >>> rng = np.random.default_rng(0)
    >>> days = pd.bdate_range("2025-01-01", periods=300)
    >>> names = [f"S{i}" for i in range(12)]
    >>> prices = pd.DataFrame(100 * np.cumprod(1 + 0.02 * rng.standard_normal((300, 12)), axis=0), days, names)
    >>> slope = exposure(prices, pd.Series(np.arange(12.0), names, name="share"), days[280])
    >>> slope.cov, slope.facts["m"]
    ('tsols', 250)
    """
    from ..case import build
    from ..request import settle

    table = _measures(exposures)
    used = _spec(spec, benchmark, model, window, estimation, min_obs, level)
    named = benchmark if isinstance(benchmark, (pd.Series, pd.DataFrame)) else None
    request = settle(_events(table, date, timezone), prices, used, benchmark=named, catalogue=False)
    here = tuple(p for p in request.pairs if request.source.has(p.ticker, used.freq))
    if not here:
        raise NotInStore(request.pairs[0].ticker, f"abnormal fetch {' '.join(p.ticker for p in request.pairs)}")
    absent = tuple(
        Excluded("prices", p.ticker, "no prices", _remedy(request.source, p.ticker), p.event.id, p.ticker)
        for p in request.pairs
        if p not in here
    )
    case = build(replace(request, pairs=here, excluded=request.excluded + absent))
    text = formula or "car ~ " + " + ".join(_quoted(c) for c in table.columns if c != "ticker")
    answer = regress_case(case, text, cov=cov, data=table, level=level)
    answer = answer.but(title="Exposure regression")
    if not answer.names or cov == "auto":
        return answer
    others = [regress_case(case, text, cov=c, data=table, level=level) for c in ("sefcik_thompson", "HC3") if c != cov]
    frames = [o.to_frame() for o in others if o.names]
    return answer.but(beside=pd.concat(frames, ignore_index=True) if frames else None)


def _remedy(source: Any, ticker: str) -> str:
    return "add it to the price input" if source.own_dates else f"abnormal fetch {ticker}"


def _measures(exposures: Any) -> pd.DataFrame:
    """One row a share with a `ticker` column."""
    if isinstance(exposures, pd.Series):
        exposures = exposures.to_frame(exposures.name or "exposure")
    if not isinstance(exposures, pd.DataFrame):
        raise RequestError(f"exposures: {type(exposures).__name__} given; expected a DataFrame or Series by ticker")
    table = exposures.copy()
    table.columns = [str(c) for c in table.columns]
    if "ticker" not in table:
        table = table.rename_axis("ticker").reset_index()
    table["ticker"] = [str(t).strip() for t in table["ticker"]]
    if table["ticker"].duplicated().any():
        twice = table["ticker"][table["ticker"].duplicated()].iloc[0]
        raise BadData(f"exposures: {twice} occurs twice; give one row a share")
    if len(table.columns) < 2:
        raise RequestError("exposures: no column besides ticker; give at least one measure")
    reserved = [c for c in table.columns if c in KEYS[1:]]
    if reserved:
        raise RequestError(f"exposures: a measure is called {reserved[0]!r}, which names an event; rename it")
    return table


def _events(table: pd.DataFrame, date: Any, timezone: str) -> pd.DataFrame:
    """The event as a table of pairs; a date with a clock time goes under `at`."""
    if isinstance(date, (dt.datetime, pd.Timestamp)):
        text = date.isoformat() if date.tzinfo is not None else str(date.date())
    else:
        text = str(date)
    column = "at" if ":" in text else "date"
    out = {"event_id": f"exposure-{text[:10]}", "ticker": list(table["ticker"]), column: text}
    return pd.DataFrame(out | ({"timezone": timezone} if timezone else {}))


def _spec(
    spec: StudySpec | None,
    benchmark: Any,
    model: str | None,
    window: Window,
    estimation: Window,
    min_obs: int,
    level: float,
) -> StudySpec:
    base = StudySpec() if spec is None else spec
    tickers: str | tuple[str, ...] | None = None
    if isinstance(benchmark, str):
        tickers = benchmark
    elif isinstance(benchmark, Sequence):
        tickers = tuple(benchmark)
    chosen = model or ("mean" if benchmark is None and base.benchmark is None else "market")
    changes: dict[str, Any] = {
        "model": chosen, "windows": [tuple(window)], "estimation": estimation, "min_obs": min_obs, "level": level,
    }  # fmt: skip
    return base.but(**changes, **({"benchmark": tickers} if tickers is not None else {}))


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"Q({name!r})"


def pre_event_slopes(answer: RegressionResult, term: str) -> np.ndarray:
    """|d_q| of one coefficient on every window before the event, for figures (`tsols` only)."""
    if term not in answer.names:
        raise UnknownName("coefficient", term, answer.names)
    if answer.null is None:
        raise RequestError(f"cov={answer.cov!r} keeps no slopes of earlier windows; use cov='tsols'")
    return np.asarray(answer.null[:, answer.names.index(term)], float)
