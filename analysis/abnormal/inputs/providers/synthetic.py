"""Made-up prices with an effect one knows, for tests, notebooks and power calculations. Seeded; no data needed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ...domain import Bars, DateArray, FloatArray, IntArray, Ticker
from ...errors import RequestError

Exchange = Literal["US", "HK"]

_ZONES = {"US": "America/New_York", "HK": "Asia/Hong_Kong"}
_CURRENCIES = {"US": "USD", "HK": "HKD"}
# Minutes after local midnight: morning and afternoon of an exchange.
_HOURS = {"US": ((570, 960),), "HK": ((570, 720), (780, 960))}


def synthetic_bars(
    firms: int | Sequence[Ticker] = 5,
    sessions: int | Sequence[Any] = 300,
    *,
    start: str = "2024-01-02",
    seed: int = 1,
    effects: Mapping[tuple[Ticker, int], float] | None = None,
    market: Ticker = "MARKET",
    beta: float | Sequence[float] = 1.0,
    alpha: float = 0.0,
    sigma: float = 0.02,
    market_sigma: float = 0.01,
    freq: str = "1d",
    exchange: Exchange = "US",
) -> dict[Ticker, Bars]:
    """Bars of a market and of firms that follow it: log return = alpha + beta market + sigma noise + effect.

    Parameters
    ----------
    firms : how many ("F1", "F2" ...), or their tickers.
    sessions : how many weekdays from `start`, or the dates themselves.
    effects : (ticker, position) -> extra simple return of that session (daily) or bar (intraday), e.g.
        ``{("F1", 250): 0.10}``; exact: the same seed without it gives returns that differ there and nowhere else.
    beta : one for all firms, or one each. alpha, sigma, market_sigma are per session, also for finer bars.
    freq : "1d" or a number of minutes, "5m", "1h"; a lunch break from 12:00 to 13:00 for `exchange` HK.

    Returns
    -------
    dict
        ticker -> `Bars` with open, high, low, close and volume; the market under its own name.

    Examples
    --------
    >>> with_effect = synthetic_bars(2, 50, effects={("F1", 40): 0.10})["F1"].get("close")
    >>> without = synthetic_bars(2, 50)["F1"].get("close")
    >>> round(float(with_effect[40] / without[40] - 1), 12), bool(with_effect[39] == without[39])
    (0.1, True)
    """
    names = [f"F{i + 1}" for i in range(firms)] if isinstance(firms, int) else list(firms)
    days = _days(sessions, start)
    time, session = _axis(days, freq, exchange)
    added = _effects(effects or {}, names, time.size)
    betas = np.broadcast_to(np.asarray(beta, dtype=float), (len(names),))
    rng = np.random.default_rng(seed)
    per_bar = 1.0 / np.sqrt(time.size / days.size)
    common = market_sigma * per_bar * rng.standard_normal(time.size)
    noise = sigma * per_bar * rng.standard_normal((len(names), time.size))
    shape = rng.random((len(names) + 1, 2, time.size))
    volume = np.round(np.exp(rng.normal(13.0, 0.4, (len(names) + 1, time.size))))
    returns = alpha * per_bar**2 + betas[:, None] * common + noise + np.log1p(added)
    meta = {
        "source": f"synthetic, seed {seed}", "currency": _CURRENCIES[exchange], "exchange_timezone": _ZONES[exchange],
    }  # fmt: skip
    out = {}
    for i, (name, logs) in enumerate(zip([market, *names], [common, *returns])):
        width = (market_sigma if i == 0 else sigma) * per_bar
        out[name] = Bars(name, time, _prices(logs, session, shape[i], width, volume[i]), freq, meta)
    return out


def _days(sessions: int | Sequence[Any], start: str) -> DateArray:
    if not isinstance(sessions, int):
        return np.asarray(sessions, dtype="datetime64[D]")
    first = np.busday_offset(np.datetime64(start, "D"), 0, roll="forward")
    return np.busday_offset(first, np.arange(sessions))


def _axis(days: DateArray, freq: str, exchange: Exchange) -> tuple[DateArray, IntArray]:
    """Times of the bars and the position of their session; bar starts in UTC within the day."""
    if freq == "1d":
        return days, np.arange(days.size)
    from ..fetching import minutes_of

    step = minutes_of(freq)
    minutes = np.concatenate([np.arange(a, b, step) for a, b in _HOURS[exchange]])
    times = np.concatenate([_midnight(day, _ZONES[exchange]) + minutes.astype("timedelta64[m]") for day in days])
    return times.astype("datetime64[ns]"), np.repeat(np.arange(days.size), minutes.size)


def _midnight(day: np.datetime64, zone: str) -> np.datetime64:
    """Local midnight in UTC; the clocks here change on Sundays only, so a trading day has one offset."""
    from zoneinfo import ZoneInfo

    date = day.astype("datetime64[D]").tolist()
    noon = dt.datetime(date.year, date.month, date.day, 12, tzinfo=ZoneInfo(zone))
    offset = noon.utcoffset()
    assert offset is not None
    return day.astype("datetime64[m]") - np.timedelta64(int(offset.total_seconds()) // 60, "m")


def _effects(effects: Mapping[tuple[Ticker, int], float], names: Sequence[Ticker], size: int) -> FloatArray:
    added = np.zeros((len(names), size))
    for (ticker, position), value in effects.items():
        if ticker not in names or not 0 <= position < size:
            raise RequestError(
                f"effect at {ticker!r}, position {position}: known are {', '.join(names)}, 0 to {size - 1}"
            )
        added[names.index(ticker), position] = value
    return added


def _prices(
    logs: FloatArray, session: IntArray, shape: FloatArray, width: float, volume: FloatArray
) -> dict[str, FloatArray]:
    """Open, high, low, close of a path: a fifth of each session's first move comes overnight, extremes lie outside."""
    close = 100.0 * np.exp(np.cumsum(logs))
    before = np.concatenate(([100.0], close[:-1]))
    overnight = np.where(np.diff(session, prepend=-1) > 0, 0.2, 0.0)
    opening = before * np.exp(overnight * logs)
    high = np.maximum(opening, close) * np.exp(width * shape[0])
    low = np.minimum(opening, close) * np.exp(-width * shape[1])
    return {"open": opening, "high": high, "low": low, "close": close, "volume": volume}
