"""The tables of a study on bars: the same frames as for daily returns, keyed alike, and two of its own.

`intraday` has a row a slot (a bar, a night, a lunch break) around the event, `sessions` a row a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .confounding import Confounder, contaminated_rows
from .domain import TestResult, Window
from .inference._bars import ClockSums, PairBars, clock_sums
from .inference._window import two_sided_interval, window_stats
from .inference.bns import session_tests
from .inference.lee_mykland import BarJumps
from .inference.same_clock import half_width, path_p, pooled
from .inputs.slots import KINDS
from .intraday_anatomy import clock_of, jump_places
from .intraday_case import BarCase
from .kernel import dist, realized

Frame = pd.DataFrame
NAN = float("nan")


def pairs_frame(case: BarCase, found: Sequence[Sequence[Confounder]]) -> Frame:
    """One row a pair: event session and bar, model estimates, flags. n_est counts sessions, bars_est their bars."""
    rows = []
    ar = case.ar
    for i, pair in enumerate(case.pairs):
        rec, b, x = case.recording(i), case.bars[i], case.placed[i]
        sessions = rec.grid.sessions
        est = case.day0[i] + case.rel[b.est]
        row: dict[str, Any] = {
            "event_id": pair.event.id, "ticker": pair.ticker, "session": sessions[case.day0[i]],
            "event_bar": pd.Timestamp(rec.grid.bars.starts[x.bar], tz="UTC"),
            "reaction_class": case.alignments[i].reaction_class, "role": pair.link.role, "sign": pair.link.sign,
            "model": ar.model[i], "n_est": int(est.size), "est_first": sessions[est[0]], "est_last": sessions[est[-1]],
        }  # fmt: skip
        row |= {name: float(ar.coef[i, j]) for j, name in enumerate(ar.coef_names)}
        row |= {
            "sigma": float(ar.sigma[i]), "df": float(ar.df[i]), "r2": float(ar.r2[i]),
            "contam_est": int(np.isin(est, contaminated_rows(found[i])).sum()), "drift": NAN, "flags": "; ".join(case.flags[i]),
        }  # fmt: skip
        rows.append(row)
    columns = (
        "event_id ticker session event_bar reaction_class role sign model n_est est_first est_last alpha beta sigma df r2 "
        "contam_est drift flags"
    ).split()
    frame = Frame(rows, columns=None if rows else columns)
    for name in ("alpha", "beta"):
        if name not in frame:
            frame[name] = NAN
    return frame[[*columns[:-1], *(c for c in frame if c not in columns), "flags"]]


def abnormal_returns_frame(case: BarCase) -> Frame:
    """One row a pair and bar of the windows: `ar` is the bar's own, `closure_ar` that of the night or break before it.

    cum_ar runs over both from the start of the headline window on; before it: minus what was still to come.
    """
    parts = [_ar_rows(case, i) for i in range(case.size)]
    columns = "event_id ticker offset session time ret expected ar se ci_low ci_high closure_ar cum_ar cum_low cum_high but_for"
    return pd.concat(parts, ignore_index=True) if parts else Frame(columns=columns.split())


def _ar_rows(case: BarCase, i: int) -> Frame:
    b, ar = case.bars[i], case.ar
    rec, ticker = case.recording(i), case.pairs[i].ticker
    at = b.origin + ar.offsets
    ok = (at >= 0) & (at < b.places.size)
    place = b.places[np.clip(at, 0, b.places.size - 1)]
    own = np.where(ok, b.ar.ravel()[place], NAN)
    raw = np.where(ok, b.r.ravel()[place], NAN)
    se = np.where(np.isfinite(own), b.scale[place % b.slots], NAN)
    closure = ar.ar[i] - np.nan_to_num(own)
    closure = np.where(np.abs(closure) > 1e-15, closure, NAN)
    ci = _normal_interval(own, se, case.spec.level)
    cum = _cumulative(case, i)
    row = np.clip(case.day0[i] + case.rel[place // b.slots], 0, rec.grid.sessions.size - 1)
    before = _close_before(case, i)
    steps = np.where(np.isfinite(ar.expected[i]), ar.expected[i], 0.0)
    start = int(np.searchsorted(ar.offsets, case.headline[0]))
    but_for = np.full(ar.offsets.size, NAN)
    but_for[start:] = before * np.exp(np.cumsum(steps[start:]))
    return Frame(
        {
            "event_id": case.pairs[i].event.id, "ticker": ticker, "offset": ar.offsets,
            "session": np.where(ok, rec.grid.sessions[row], np.datetime64("NaT", "D")),
            "time": pd.DatetimeIndex(ar.dates[i]).tz_localize("UTC"), "ret": raw, "expected": raw - own, "ar": own, "se": se,
            "ci_low": ci[0], "ci_high": ci[1], "closure_ar": closure, "cum_ar": cum[0], "cum_low": cum[1],
            "cum_high": cum[2], "but_for": but_for,
        }
    )  # fmt: skip


def _normal_interval(centre: Any, se: Any, level: float) -> tuple[Any, Any]:
    half = dist.normal_quantile(1.0 - level / 2.0) * se
    return centre - half, centre + half


def _cumulative(case: BarCase, i: int) -> np.ndarray:
    """Level of the path (3, L): its sum since the headline window began, and its interval by the size of a usual bar."""
    level, width = _levels(case, i)
    half = dist.normal_quantile(1.0 - case.spec.level / 2.0) * np.sqrt(width)
    return np.stack([level, level - half, level + half])


def _levels(case: BarCase, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the path since the headline window began (before it: minus what was to come), and its variance, (L,) each."""
    ar = case.ar
    noise = ar.sigma[i] ** 2 * ar.noise[i]
    step = np.nan_to_num(ar.ar[i])
    at = int(np.searchsorted(ar.offsets, case.headline[0]))
    level, width = np.zeros(step.size), np.zeros(step.size)
    level[at:], width[at:] = np.cumsum(step[at:]), np.cumsum(noise[at:])
    if at:
        level[:at] = -np.append(np.cumsum(step[1:at][::-1])[::-1], 0.0)
        width[:at] = np.append(np.cumsum(noise[1:at][::-1])[::-1], 0.0)
    return level, width


def _close_before(case: BarCase, i: int) -> float:
    """Last price before the headline window."""
    share = case.recording(i).shares[case.pairs[i].ticker]
    first = case.placed[i].bar + case.headline[0]
    traded = np.flatnonzero(share.traded[: max(first, 0)])
    return float(share.close[traded[-1]]) if traded.size else NAN


# ------------------------------------------------------------------------------------------------ windows


def car_frame(case: BarCase, selection: Mapping[Window, TestResult]) -> Frame:
    """One row a pair and window: estimate, the same-clock p that heads it, and normal theory by the size of a usual bar.

    closure: the part of `car` that nights and lunch breaks contribute. clock_low, clock_high: the effects the same-clock
    test does not reject.
    """
    rows = [_car_row(case, i, w, selection.get(w)) for i in range(case.size) for w in case.windows]
    return Frame(rows, columns=list(_CAR_COLUMNS) if not rows else None)


_CAR_COLUMNS = (
    "event_id ticker window_start window_end car se t df p ci_low ci_high clock_p clock_m clock_low clock_high closure sq_p "
    "sq_form sq_m headline_test conformal_p placebo_p placebo_n placebo_first placebo_last selection_p bhar bhar_model value "
    "n_obs"
).split()


def _car_row(case: BarCase, i: int, window: Window, selection: TestResult | None) -> dict[str, Any]:
    w = window_stats(case.ar, window)
    car, se = float(w.car[i]), float(w.se[i])
    z = car / se if se > 0 else NAN
    low, high = _normal_interval(car, se, case.spec.level)
    found = clock_sums(case.bars[i], window)
    row: dict[str, Any] = dict.fromkeys(_CAR_COLUMNS, NAN)
    never = np.datetime64("NaT", "D")
    row |= {
        "event_id": case.pairs[i].event.id, "ticker": case.pairs[i].ticker, "window_start": window[0],
        "window_end": window[1], "car": car, "se": se, "t": z, "p": float(dist.normal_p(z, case.spec.alternative)),
        "ci_low": low, "ci_high": high, "closure": closure_part(case.bars[i], window), "sq_form": "",
        "headline_test": "same_clock", "placebo_first": never, "placebo_last": never,
        "n_obs": traded_bars(case.bars[i], window), "bhar": buy_and_hold(case, i, window),
    }  # fmt: skip
    if selection is not None:
        row["selection_p"] = selection.p
    if isinstance(found, ClockSums) and found.past.shape[0]:
        past = found.past[:, -1]
        half = half_width(past, case.spec.level)
        row |= {
            "clock_p": dist.empirical_p(past, float(found.path[-1]), case.spec.alternative), "clock_m": past.size,
            "clock_low": car - half, "clock_high": car + half,
        }  # fmt: skip
    return row


def closure_part(b: PairBars, window: Window) -> float:
    """Sum of the abnormal returns of the nights and lunch breaks in a window, 0 where it has none."""
    span = b.span(window)
    if span is None:
        return NAN
    place = np.arange(*span)
    closed = place[~b.is_bar[place % b.slots]]
    return float(np.nansum(b.ar.ravel()[closed]))


def traded_bars(b: PairBars, window: Window) -> int:
    span = b.span(window)
    if span is None:
        return 0
    place = np.arange(*span)
    return int(np.isfinite(b.ar.ravel()[place[b.is_bar[place % b.slots]]]).sum())


def buy_and_hold(case: BarCase, i: int, window: Window) -> float:
    """Simple return of the window less the simple return expected: exp(sum r) - exp(sum E r)."""
    cols = case.ar.columns(window)
    raw, expected = case.ar.raw[i, cols], case.ar.expected[i, cols]
    ok = np.isfinite(raw) & np.isfinite(expected)
    return float(np.expm1(raw[ok].sum()) - np.expm1(expected[ok].sum())) if ok.any() else NAN


def aar_frame(case: BarCase) -> Frame:
    """One row a bar: mean abnormal return of the pairs (a night or break before the bar included), its interval, its path."""
    ar, level = case.ar, case.spec.level
    paths = [_levels(case, i) for i in range(case.size)]
    sums, width = (np.array([p[k] for p in paths]).reshape(case.size, ar.offsets.size) for k in (0, 1))
    rows = []
    for j, offset in enumerate(ar.offsets.tolist()):
        here = np.isfinite(ar.ar[:, j])
        n, mean, se, low, high = _mean(ar.ar[here, j], (ar.sigma * np.sqrt(ar.noise[:, j]))[here], level)
        _, cum, _, c_low, c_high = _mean(sums[:, j], np.sqrt(width[:, j]), level)
        rows.append((offset, n, mean, se, low, high, cum, c_low, c_high))
    return Frame(rows, columns="offset n aar se ci_low ci_high cum_aar cum_low cum_high".split())


def _mean(values: Any, own_se: Any, level: float) -> tuple[int, float, float, float, float]:
    """Mean with its interval: t(N - 1) across pairs, the pair's own where it is alone."""
    n = int(values.size)
    if n == 0:
        return 0, NAN, NAN, NAN, NAN
    mean = float(values.mean())
    if n == 1:
        se = float(own_se[0]) if own_se.size == 1 else NAN
        low, high = _normal_interval(mean, se, level)
        return 1, mean, se, float(low), float(high)
    se = float(values.std(ddof=1) / np.sqrt(n))
    ends = two_sided_interval(np.array([mean]), np.array([se]), np.array([n - 1.0]), level)
    return n, mean, se, float(ends[0][0]), float(ends[1][0])


def caar_frame(case: BarCase, opt: Any) -> Frame:
    """One row a window: mean CAR with the interval of the same-clock test over the pairs' common sessions."""
    columns = (
        "window_start window_end n caar se ci_low ci_high caar_weighted rbar_w n_eff interval clock_p clock_m".split()
    )
    rows = []
    for window in case.windows if case.size else ():
        w = window_stats(case.ar, window)
        have = np.isfinite(w.car)
        if not have.any():
            rows.append(dict(zip(columns, (*window, 0, *[NAN] * 7, "", NAN, NAN))))
            continue
        units = [b for b, ok in zip(case.bars, have) if ok]
        found = pooled(units, window, opt)
        mean = float(w.car[have].mean())
        half, sd = found.extra.get("half", NAN), found.extra.get("sd", NAN)
        weight = np.where(have & (w.se > 0), 1.0 / np.where(w.se > 0, w.se, 1.0) ** 2, 0.0)
        weighted = float(np.sum(weight * np.where(have, w.car, 0.0)) / weight.sum()) if weight.sum() > 0 else NAN
        form = f"same clock time on {int(found.n)} sessions, by ranks" if np.isfinite(found.n) else ""
        rows.append({
            "window_start": window[0], "window_end": window[1], "n": int(have.sum()), "caar": mean, "se": sd,
            "ci_low": mean - half, "ci_high": mean + half, "caar_weighted": weighted, "rbar_w": NAN, "n_eff": NAN,
            "interval": form, "clock_p": found.p, "clock_m": found.n,
        })  # fmt: skip
    return Frame(rows, columns=columns)


# ------------------------------------------------------------------------------------------------ slots and sessions


INTRADAY_COLUMNS = (
    "event_id ticker offset kind session clock time end ret expected ar sar car sd z p_rank m path pattern volume volume_abn "
    "volume_p jump xi jump_p"
).split()


def intraday_frame(case: BarCase, jumps: Mapping[int, BarJumps]) -> Frame:
    """One row a pair and slot of the event session and of all windows, in time order, times in UTC.

    kind bar, overnight or lunch; a closure carries the offset of the bar it leads into. ar, sar = ar / (sigma f). car, sd, z
    and the same-clock p_rank (among m sessions) of the path since the headline window began. path: cumulative log return
    of the share in its session. pattern: size of a usual bar at that clock time. volume_abn: log volume above that
    of the same clock time, with its rank p. jump: Lee and Mykland at the level of the study.
    """
    parts = [_slot_rows(case, i, jumps[i]) for i in range(case.size)]
    return pd.concat(parts, ignore_index=True) if parts else Frame(columns=INTRADAY_COLUMNS)


def _slot_rows(case: BarCase, i: int, jumps: BarJumps) -> Frame:
    b, rec = case.bars[i], case.recording(i)
    places = _shown_places(case, i)
    row, slot = places // b.slots, places % b.slots
    at = case.day0[i] + case.rel[row]
    grid = rec.grid
    path = _path_columns(case, i, places)
    ar, r = b.ar.ravel()[places], b.r.ravel()[places]
    with np.errstate(invalid="ignore", divide="ignore"):
        sar = ar / b.scale[slot]
    start, end = grid.start[at, slot], grid.end[at, slot]
    volume = _volume_columns(b, places)
    flagged = np.isin(places, jump_places(case, i, jumps))
    return Frame(
        {
            "event_id": case.pairs[i].event.id, "ticker": case.pairs[i].ticker, "offset": _offsets(b, places),
            "kind": [KINDS[k] for k in grid.kind[slot]], "session": grid.sessions[at],
            "clock": [clock_of(grid, int(s)) for s in slot], "time": pd.DatetimeIndex(start).tz_localize("UTC"),
            "end": pd.DatetimeIndex(end).tz_localize("UTC"), "ret": r, "expected": r - ar, "ar": ar, "sar": sar, **path,
            "path": _session_path(b, places), "pattern": b.scale[slot], **volume, "jump": flagged,
            "xi": jumps.xi[places], "jump_p": jumps.p[places],
        }
    )[INTRADAY_COLUMNS]  # fmt: skip


def _shown_places(case: BarCase, i: int) -> np.ndarray:
    """Existing slots from the start of the event session, or of the widest window, to the end of both."""
    b = case.bars[i]
    low, high = min(w[0] for w in case.windows), max(w[1] for w in case.windows)
    first, last = b.event * b.slots, (b.event + 1) * b.slots
    inside = np.clip([b.origin + low, b.origin + high], 0, b.places.size - 1)
    first, last = min(first, int(b.places[inside[0]])), max(last, int(b.places[inside[1]]) + 1)
    places = np.arange(first, last)
    return places[b.exists.ravel()[places]]


def _offsets(b: PairBars, places: np.ndarray) -> np.ndarray:
    """Offset of each place; a closure carries that of the bar it leads into."""
    return np.searchsorted(b.places, places) - b.origin


def _session_path(b: PairBars, places: np.ndarray) -> np.ndarray:
    """Cumulative log return of each session since its open."""
    r = np.where(b.is_bar | (np.arange(b.slots) > 0), np.nan_to_num(b.r), 0.0)
    r[:, 0] = np.where(b.is_bar[0], r[:, 0], 0.0)  # the night is not part of the session
    return np.cumsum(r, axis=1).ravel()[places]


def _path_columns(case: BarCase, i: int, places: np.ndarray) -> dict[str, np.ndarray]:
    """car, sd, z, p_rank and m of the path from the headline window's first slot to each place after it.

    Session by session: a path that goes on into the next session is compared with past ones that did.
    """
    b, start = case.bars[i], case.headline[0]
    out = {name: np.full(places.size, NAN) for name in ("car", "sd", "z", "p_rank", "m")}
    first = b.span((start, start))
    if first is None:
        return out
    offset, row = _offsets(b, places), places // b.slots
    for session in np.unique(row[places >= first[0]]):
        bars = np.flatnonzero((row == session) & b.is_bar[places % b.slots] & (offset >= start))
        found = clock_sums(b, (start, int(offset[bars[-1]]))) if bars.size else ""
        if isinstance(found, str):
            continue
        mine = np.flatnonzero((row == session) & (places >= first[0]))
        at = places[mine] - found.places[0]
        scale = np.where(np.isfinite(b.ar.ravel()[found.places]), b.scale[found.places % b.slots], 0.0)
        sd = np.sqrt(np.cumsum(scale**2))[at]
        sd = np.where(sd > 0, sd, NAN)
        out["car"][mine], out["sd"][mine], out["z"][mine] = found.path[at], sd, found.path[at] / sd
        out["p_rank"][mine], out["m"][mine] = path_p(found, case.spec.alternative)[at], float(found.past.shape[0])
    return out


def _volume_columns(b: PairBars, places: np.ndarray) -> dict[str, np.ndarray]:
    """Volume, its log against the same clock time of the estimation sessions, and the rank p of that."""
    nan = np.full(places.size, NAN)
    if b.volume is None or not b.est.any():
        return {"volume": nan, "volume_abn": nan, "volume_p": nan}
    rows = np.unique(places // b.slots)
    past = b.volume[b.est]
    out = {"volume": b.volume.ravel()[places], "volume_abn": nan.copy(), "volume_p": nan.copy()}
    for row in rows:
        found = realized.abnormal_volume(b.volume[row], past)
        mine = places // b.slots == row
        out["volume_abn"][mine] = found.abnormal[places[mine] % b.slots]
        out["volume_p"][mine] = found.p_rank[places[mine] % b.slots]
    return out


SESSION_COLUMNS = (
    "event_id ticker offset session role bars expected open high low close overnight volume rv bv tp bns_z bns_p jumps reason"
).split()


def sessions_frame(case: BarCase, jumps: Mapping[int, BarJumps]) -> Frame:
    """One row a pair and session: how full it was, realised and bipower variance, the jump test of the day, jump bars."""
    parts = [_session_rows(case, i, jumps[i]) for i in range(case.size)]
    return pd.concat(parts, ignore_index=True) if parts else Frame(columns=SESSION_COLUMNS)


def _session_rows(case: BarCase, i: int, jumps: BarJumps) -> Frame:
    b, rec = case.bars[i], case.recording(i)
    at, here = case.rows(i)
    day = rec.days[case.pairs[i].ticker]
    test = session_tests(b)
    role = np.where(b.est, "estimation", "").astype(object)
    role[b.event] = "event"
    flagged = np.bincount(jump_places(case, i, jumps) // b.slots, minlength=b.est.size)
    night = b.r[:, 0] if not b.is_bar[0] else np.full(b.est.size, NAN)
    return Frame({
        "event_id": case.pairs[i].event.id, "ticker": case.pairs[i].ticker, "offset": case.rel[here],
        "session": rec.grid.sessions[at], "role": role[here], "bars": day.filled[at], "expected": rec.grid.expected()[at],
        "open": day.open[at], "high": day.high[at], "low": day.low[at], "close": day.close[at], "overnight": night[here],
        "volume": day.volume[at], "rv": test.rv[here], "bv": test.bv[here], "tp": test.tp[here],
        "bns_z": test.z_ratio[here], "bns_p": test.p[here], "jumps": flagged[here], "reason": test.reason[here],
    }, columns=SESSION_COLUMNS)  # fmt: skip


def jump_frame(case: BarCase, rows: Mapping[int, Mapping[str, object]]) -> Frame:
    """One row a pair: the anatomy of the event session from its bars."""
    keyed = [{"event_id": case.pairs[i].event.id, "ticker": case.pairs[i].ticker, **row} for i, row in rows.items()]
    columns = (
        "event_id ticker direction prev_close open high low close overnight rise retreat total peak_gain give_back "
        "rank_p rank_n robust_z reflection_p selection_p selection_n reason"
    ).split()
    return Frame(keyed, columns=None if keyed else columns)


def confounders_frame(case: BarCase, found: Sequence[Sequence[Confounder]]) -> Frame:
    """One row a pair and other event on a session of the windows or of the estimation."""
    columns = "event_id ticker other_id title kind distance same_session same_story in_estimation treatment".split()
    rows = []
    for i, (pair, others) in enumerate(zip(case.pairs, found)):
        b = case.bars[i]
        rows_in = [b.row_of(k) - b.event for w in case.windows for k in w if 0 <= b.origin + k < b.places.size]
        low, high = min(rows_in, default=0), max(rows_in, default=0)
        rows += [
            (pair.event.id, pair.ticker, c.event.id, c.event.title, c.event.kind, c.distance, c.same_session, c.same_story,
             c.in_estimation, case.spec.confounders)
            for c in others
            if low <= c.distance <= high or c.in_estimation
        ]  # fmt: skip
    return Frame(rows, columns=columns)
