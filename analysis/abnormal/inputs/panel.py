"""Bars -> returns on one session axis, NaN with a reason where there was no trade.

A missing return is never zero. The first return after a gap covers several sessions and is kept apart (`multi`, `span`),
so that the estimation window can leave it out and the event window can keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..domain import Bars, BoolArray, DateArray, FloatArray, IntArray, Panel, Ticker

BASES = {
    "total": "total return (raw close with dividends and splits)",
    "adjusted": "adjusted close",
    "prev_close": "close against the exchange's dividend-adjusted previous close",
    "price": "price return (close alone: dividends are missing)",
    "given": "returns as given",
}


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """Returns of one ticker at its own traded bars: row (n,) into the bars, gross (n,) = 1 + R since the previous trade.

    given (n,): the returns themselves where the input holds returns, to the last digit.
    """

    row: IntArray
    gross: FloatArray
    basis: str
    given: FloatArray | None = None


def usable_price(bars: Bars) -> tuple[BoolArray, BoolArray]:
    """Which bars hold a trade, and which hold a price that cannot be one (<= 0)."""
    price = bars.get("close") if "close" in bars else bars.get("adj_close")
    bad = np.isfinite(price) & (price <= 0)
    volume = bars.get("volume")
    # An index comes with zero volume throughout: that says nothing about trading.
    informative = bool(np.any(volume > 0))
    stale = informative & (volume == 0)
    return np.isfinite(price) & ~bad & ~stale, bad


def return_basis(bars: Bars) -> str:
    """Which columns the return is taken from: the first of these that exists."""
    if "ret" in bars:
        return "given"
    if "close" in bars and ("dividends" in bars or "splits" in bars):
        return "total"
    if "adj_close" in bars and np.isfinite(bars.get("adj_close")).any():
        return "adjusted"
    if "prev_close" in bars:
        return "prev_close"
    return "price"


def trade_returns(bars: Bars) -> Returns:
    """Gross returns between consecutive trades of one ticker, dividends and splits included where the bars have them."""
    basis = return_basis(bars)
    if basis == "given":
        ret = bars.get("ret")
        row = np.flatnonzero(np.isfinite(ret))
        return Returns(row, 1.0 + ret[row], basis, ret[row])
    traded, _ = usable_price(bars)
    if basis == "adjusted":
        traded &= bars.get("adj_close") > 0
    row = np.flatnonzero(traded)
    gross = np.full(row.size, np.nan)
    if row.size:
        gross[1:] = _gross(bars, row, basis)
    return Returns(row, gross, basis)


def _gross(bars: Bars, row: IntArray, basis: str) -> FloatArray:
    if basis == "adjusted":
        level = bars.get("adj_close")[row]
        return level[1:] / level[:-1]
    close = bars.get("close")[row]
    if basis == "prev_close":
        before = bars.get("prev_close")[row][1:]
        # Where the exchange gives no previous close the last traded close stands in.
        return close[1:] / np.where(np.isfinite(before) & (before > 0), before, close[:-1])
    if basis == "price":
        return close[1:] / close[:-1]
    return _total_gross(bars, row, close)


def _total_gross(bars: Bars, row: IntArray, close: FloatArray) -> FloatArray:
    """(P_t split_t + D_t) / P_{t-1}, dividends and splits of untraded bars carried to the next trade."""
    dividends = np.nan_to_num(bars.get("dividends"), nan=0.0)
    split = np.nan_to_num(bars.get("splits"), nan=0.0)
    already = "split" in bars.meta.get("adjustment", "")
    factor = np.ones(split.size) if already else np.where(split > 0, split, 1.0)
    starts = row[:-1] + 1
    paid = np.add.reduceat(np.append(dividends, 0.0), starts)[: starts.size] if starts.size else np.empty(0)
    shares = np.multiply.reduceat(np.append(factor, 1.0), starts)[: starts.size] if starts.size else np.empty(0)
    return (close[1:] * shares + paid) / close[:-1]


def build(
    tickers: Sequence[Ticker],
    bars: Mapping[Ticker, Bars],
    axis: DateArray,
    calendar: str,
    kind: str = "simple",
    session: IntArray | None = None,
    freq: str = "1d",
    rates: Mapping[Ticker, FloatArray] | None = None,
) -> tuple[Panel, dict[Ticker, str], dict[Ticker, DateArray]]:
    """Panel of `tickers` on the sessions `axis`, the basis of each one's return, and bars that fall on no session.

    rates: units of a share's currency for one of the study's, on the axis (T,), where prices are to be converted.
    """
    s, t = len(tickers), axis.size
    returns, multi = np.full((s, t), np.nan), np.full((s, t), np.nan)
    span = np.zeros((s, t), np.int16)
    reason = np.full((s, t), 3, np.uint8)
    bases: dict[Ticker, str] = {}
    surplus: dict[Ticker, DateArray] = {}
    for i, ticker in enumerate(tickers):
        one = bars[ticker]
        rate = None if rates is None else rates.get(ticker)
        bases[ticker], surplus[ticker] = _fill(one, axis, kind, returns[i], multi[i], span[i], reason[i], rate)
    panel = Panel(calendar, axis, tuple(tickers), returns, multi, span, reason, kind, freq, session)
    return panel, bases, surplus


def _fill(
    bars: Bars,
    axis: DateArray,
    kind: str,
    returns: FloatArray,
    multi: FloatArray,
    span: np.ndarray,
    reason: np.ndarray,
    rate: FloatArray | None,
) -> tuple[str, DateArray]:
    """Write one ticker's returns into its panel row."""
    at = np.searchsorted(axis, bars.time)
    on_axis = (at < axis.size) & (axis[np.minimum(at, max(axis.size - 1, 0))] == bars.time) if axis.size else at < 0
    found = trade_returns(bars)
    keep = on_axis[found.row]
    pos = at[found.row[keep]]
    gross = found.gross[keep]
    if rate is not None and pos.size:
        gross = gross * np.concatenate([[np.nan], rate[pos[:-1]] / rate[pos[1:]]])
    value = np.log(np.where(gross > 0, gross, np.nan)) if kind == "log" else gross - 1.0
    if found.given is not None:
        value = found.given[keep]
        step = np.ones(pos.size, np.int16)
    else:
        step = np.diff(pos, prepend=pos[:1]).astype(np.int16)
    _reasons(bars, at, on_axis, pos, axis.size, reason)
    multi[pos], span[pos] = value, step
    single = step == 1
    returns[pos[single]] = value[single]
    have = np.isfinite(value)
    reason[pos[have & single]] = 0
    reason[pos[have & ~single]] = 5
    if pos.size and not np.isfinite(value[0]):
        reason[pos[0]] = 1
        span[pos[0]] = 0
    return found.basis, bars.time[~on_axis]


def _reasons(bars: Bars, at: IntArray, on_axis: BoolArray, pos: IntArray, size: int, reason: np.ndarray) -> None:
    if "ret" in bars:
        reason[:] = 8
        return
    first, last = (int(pos[0]), int(pos[-1])) if pos.size else (size, -1)
    reason[:first] = 1
    reason[last + 1 :] = 2
    traded, bad = usable_price(bars)
    idle = on_axis & ~traded & np.isfinite(bars.get("close") if "close" in bars else bars.get("adj_close"))
    reason[at[idle]] = 4
    reason[at[on_axis & bad]] = 7


def thin_returns(panel: Panel, policy: str) -> tuple[FloatArray, np.ndarray]:
    """Returns for estimation rows and the sessions they cover, by the thin-trading policy (M 1.5).

    drop: multi-session returns are left out. lumped: sessions without trade count zero and the next return holds all.
    uniform: the multi-session return is spread evenly. trade_to_trade: it is kept with its length.
    """
    if policy == "trade_to_trade":
        return panel.multi, panel.span
    y = panel.returns.copy()
    span = np.where(np.isfinite(y), 1, 0)
    if policy in ("lumped", "uniform"):
        for s, t in np.argwhere((panel.span > 1) & np.isfinite(panel.multi)):
            n = int(panel.span[s, t])
            total = panel.multi[s, t]
            if policy == "lumped":
                y[s, t - n + 1 : t], y[s, t] = 0.0, total
            else:
                y[s, t - n + 1 : t + 1] = total / n if panel.kind == "log" else (1.0 + total) ** (1.0 / n) - 1.0
            span[s, t - n + 1 : t + 1] = 1
    return y, span


def basket(rows: FloatArray) -> FloatArray:
    """Equal-weighted mean of the members (J, T); a session on which one is missing has none: the set never changes."""
    return rows.mean(axis=0)
