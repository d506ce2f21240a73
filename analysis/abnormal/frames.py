"""The tables of a result: every frame keyed by event_id and ticker (pairs), by offset or by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .battery import Answers, design_of, single_headline
from .case import Case
from .compat import conventions
from .confounding import Confounder, contaminated_rows
from .domain import CheckResult, Excluded, TestResult, Window
from .inference._window import two_sided_interval, window_stats
from .inference.sq import volatility_path
from .kernel import aggregate, dist

Frame = pd.DataFrame


def pairs_frame(case: Case, found: Sequence[Sequence[Confounder]]) -> Frame:
    """One row a pair: day 0, model estimates and flags."""
    rows = []
    ar = case.ar
    drift = drift_ratio(case, case.headline)
    for i, pair in enumerate(case.pairs):
        rec = case.recording(i)
        used = np.flatnonzero(ar.est[i])
        session = rec.tape.time
        row: dict[str, Any] = {
            "event_id": pair.event.id,
            "ticker": pair.ticker,
            "session": session[case.day0[i]],
            "reaction_class": case.alignments[i].reaction_class,
            "role": pair.link.role,
            "sign": pair.link.sign,
            "model": ar.model[i],
            "n_est": int(ar.m[i]),
            "est_first": session[case.day0[i] + ar.offsets[used[0]]],
            "est_last": session[case.day0[i] + ar.offsets[used[-1]]],
        }
        for j, name in enumerate(ar.coef_names):
            row[_coef_column(name)] = float(ar.coef[i, j])
        row |= {
            "sigma": float(ar.sigma[i]),
            "df": float(ar.df[i]),
            "r2": float(ar.r2[i]),
            "contam_est": contaminated_sessions(case, i, found[i]),
            "drift": float(drift[i]),
            "flags": "; ".join(case.flags[i]),
        }
        rows.append(row)
    columns = (
        "event_id ticker session reaction_class role sign model n_est est_first est_last alpha beta sigma df r2 "
        "contam_est drift flags"
    ).split()
    frame = Frame(rows, columns=None if rows else columns)
    for name in ("alpha", "beta"):
        if name not in frame:
            frame[name] = np.nan
    ordered = [c for c in columns if c in frame]
    return frame[[*ordered[:-1], *(c for c in frame if c not in columns), "flags"]]


def _coef_column(name: str) -> str:
    return name if name in ("alpha", "beta") else f"beta_{name}"


def drift_ratio(case: Case, window: Window) -> np.ndarray:
    """|alpha| L2 / se(CAR) per pair: above 0.5 an estimated trend rules the window."""
    ar = case.ar
    if "alpha" not in ar.coef_names:
        return np.full(ar.size, np.nan)
    w = window_stats(ar, window)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(ar.coef[:, ar.coef_names.index("alpha")]) * w.n / w.se


def contaminated_sessions(case: Case, i: int, found: Sequence[Confounder]) -> int:
    """Estimation sessions of pair i within one session of another catalogue event."""
    rows = case.day0[i] + case.ar.offsets[np.flatnonzero(case.ar.est[i])]
    return int(np.isin(rows, contaminated_rows(found)).sum())


def abnormal_returns_frame(case: Case) -> Frame:
    """One row a pair and offset from the first to the last offset of the windows.

    cum_ar, cum_low, cum_high: level of the cumulative path, zero at the close before the headline window begins, so that at
    its last offset it is the headline CAR (before it: minus what was still to come). but_for: the close expected from there.
    """
    ar = case.ar
    low, high = min(w[0] for w in case.windows), max(w[1] for w in case.windows)
    cols = ar.columns((low, high))
    offsets = ar.offsets[cols]
    e, l = ar.size, offsets.size
    se = ar.sigma[:, None] * np.sqrt(aggregate.day_variance(ar.noise[:, cols], ar.x[:, cols], ar.g))
    block = ar.ar[:, cols]
    se = np.where(np.isfinite(block), se, np.nan)
    ci = two_sided_interval(block, se, ar.df[:, None], case.spec.level)
    path = cumulative_path(case, low, high)
    return Frame(
        {
            "event_id": np.repeat(np.array([p.event.id for p in case.pairs], object), l),
            "ticker": np.repeat(np.array([p.ticker for p in case.pairs], object), l),
            "offset": np.tile(offsets, e),
            "session": ar.dates[:, cols].ravel(),
            "ret": ar.raw[:, cols].ravel(),
            "expected": ar.expected[:, cols].ravel(),
            "ar": block.ravel(),
            "se": se.ravel(),
            "ci_low": ci[0].ravel(),
            "ci_high": ci[1].ravel(),
            "cum_ar": path[0].ravel(),
            "cum_low": path[1].ravel(),
            "cum_high": path[2].ravel(),
            "but_for": but_for_closes(case, low, high).ravel(),
        }
    )


def path_windows(case: Case, low: int, high: int) -> list[tuple[Window | None, int]]:
    """For every offset the window whose sum is the path's level there, and the sign it enters with (None: level zero)."""
    start = case.headline[0]
    return [
        ((start, t), 1) if t >= start else (((t + 1, start - 1), -1) if t < start - 1 else (None, 1))
        for t in range(low, high + 1)
    ]


def cumulative_path(case: Case, low: int, high: int) -> np.ndarray:
    """Level of the cumulative abnormal return with its interval, (3, E, L); see `abnormal_returns_frame`."""
    ar, steps = case.ar, path_windows(case, low, high)
    out = np.zeros((3, ar.size, len(steps)))
    for j, (window, sign) in enumerate(steps):
        if window is not None:
            w = window_stats(ar, window)
            out[0, :, j] = sign * w.car
            out[1, :, j], out[2, :, j] = two_sided_interval(sign * w.car, w.se, ar.df, case.spec.level)
    return out


def but_for_closes(case: Case, low: int, high: int) -> np.ndarray:
    """Close before the headline window grown by the expected returns since, (E, L); NaN before it and without prices."""
    ar, start = case.ar, case.headline[0]
    out = np.full((ar.size, high - low + 1), np.nan)
    expected = ar.expected[:, ar.columns((start, high))]
    growth = np.exp(np.cumsum(expected, axis=1)) if case.spec.returns == "log" else np.cumprod(1.0 + expected, axis=1)
    for i in range(ar.size):
        if "close" in case.recording(i).bars[case.pairs[i].ticker]:
            out[i, start - low :] = closes_before(case, i, (start, start))[0] * growth[i]
    return out


def car_frame(case: Case, answers: Answers) -> Frame:
    """One row a pair and window: estimate, interval and every single-pair test."""
    parts = [_car_window(case, answers, w) for w in case.windows]
    frame = pd.concat(parts, ignore_index=True)
    order = np.concatenate([np.arange(case.size) * len(case.windows) + j for j in range(len(case.windows))])
    return frame.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _car_window(case: Case, answers: Answers, window: Window) -> Frame:
    ar = case.ar
    w = window_stats(ar, window)
    low, high = two_sided_interval(w.car, w.se, ar.df, case.spec.level)
    cols = ar.columns(window)
    expected = ar.expected[:, cols]
    raw = ar.raw[:, cols]
    if ar.market is not None:
        market = ar.market[:, cols]
        bhar_market = aggregate.buy_and_hold(raw, np.where(np.isfinite(raw), market, np.nan))
    else:
        bhar_market = np.full(ar.size, np.nan)
    nan = np.full(ar.size, np.nan)
    got = {t: answers.pair(t, window) for t in ("sq", "conformal", "placebo_time", "selection")}
    sq, placebo = got["sq"], got["placebo_time"]
    never = np.full(ar.size, np.datetime64("NaT", "D"))
    heads = single_headline(case, window).astype(object)
    if got["selection"] is not None and _selected(case):
        heads = np.where(np.isfinite(got["selection"].p), "selection", heads)
    return Frame(
        {
            "event_id": [p.event.id for p in case.pairs],
            "ticker": [p.ticker for p in case.pairs],
            "window_start": window[0],
            "window_end": window[1],
            "car": w.car,
            "se": w.se,
            "t": w.scar,
            "df": ar.df,
            "p": dist.student_p(w.scar, ar.df, case.spec.alternative),
            "ci_low": low,
            "ci_high": high,
            "sq_p": nan if sq is None else sq.p,
            "sq_form": "" if sq is None else sq.variant,
            "sq_m": nan if sq is None else sq.n,
            "headline_test": heads,
            "conformal_p": nan if got["conformal"] is None else got["conformal"].p,
            "placebo_p": nan if placebo is None else placebo.p,
            "placebo_n": nan if placebo is None else placebo.n,
            "placebo_first": never if placebo is None else placebo.extra["first"],
            "placebo_last": never if placebo is None else placebo.extra["last"],
            "selection_p": nan if got["selection"] is None else got["selection"].p,
            "bhar": bhar_market,
            "bhar_model": aggregate.buy_and_hold(raw, expected),
            **money(case, window),
            "n_obs": w.n,
        }
    )


def _selected(case: Case) -> bool:
    return case.spec.selected_on_outcome or any(p.event.selected_on_outcome for p in case.pairs)


def capital(case: Case, i: int, window: Window) -> np.ndarray:
    """Market value of pair i at the close before each session of the window, NaN where the share count is not known."""
    from .inputs.tickers import load_tickers

    pair = case.pairs[i]
    known = load_tickers().get(pair.ticker)
    shares = pair.event.attributes.get("shares_outstanding") or (known.shares_outstanding if known else None)
    length = window[1] - window[0] + 1
    if shares is None or "close" not in case.recording(i).bars[pair.ticker]:
        return np.full(length, np.nan)
    return float(shares) * closes_before(case, i, window)


def money(case: Case, window: Window) -> dict[str, np.ndarray]:
    """CAV = sum AR_t x market value at the close before, its interval, and the same for one share (listing currency).

    Standard errors multiply by the same constants: Var = sigma^2 (sum g^2 noise + u' G u) with u = sum g x, g the capital.
    """
    ar, cols = case.ar, case.ar.columns(window)
    names = ("value", "value_low", "value_high", "value_per_share")
    out = {n: np.full(case.size, np.nan) for n in names}
    noise = ar.noise_for(window)[:, cols]
    for i in range(case.size):
        g = capital(case, i, window)
        have = np.isfinite(ar.ar[i, cols])
        if not have.any() or not np.isfinite(g[have]).all():
            continue
        g, a = g[have], ar.ar[i, cols][have]
        u = g @ ar.x[i, cols][have]
        se = ar.sigma[i] * np.sqrt(np.sum(g**2 * noise[i, have]) + u @ ar.g[i] @ u)
        total = float(g @ a)
        low, high = two_sided_interval(np.array([total]), np.array([se]), ar.df[i : i + 1], case.spec.level)
        price = closes_before(case, i, window)[have]
        out["value"][i], out["value_low"][i], out["value_high"][i] = total, low[0], high[0]
        out["value_per_share"][i] = float(price @ a)
    return out


def closes_before(case: Case, i: int, window: Window) -> np.ndarray:
    """Close of the session before each offset of the window, the latest one where there was no trade."""
    from .jump import _spread

    rec, ticker = case.recording(i), case.pairs[i].ticker
    close = _spread(rec.bars[ticker], "close", rec.tape.time)
    held = np.maximum.accumulate(np.where(np.isfinite(close), np.arange(close.size), -1))
    rows = case.day0[i] + np.arange(window[0], window[1] + 1) - 1
    inside = (rows >= 0) & (rows < close.size)
    at = held[np.clip(rows, 0, close.size - 1)]
    return np.where(inside & (at >= 0), close[np.maximum(at, 0)], np.nan)


def aar_frame(case: Case) -> Frame:
    """One row an offset: the average abnormal return and its interval, and the level of the cumulative path of averages."""
    low, high = min(w[0] for w in case.windows), max(w[1] for w in case.windows)
    rows = []
    for offset, (path, sign) in zip(range(low, high + 1), path_windows(case, low, high)):
        n, mean, se, lo, hi, _ = average(case, (offset, offset))
        cum: tuple[float, ...] = (0.0, 0.0, 0.0)
        if path is not None:
            _, level, _, *ends, _ = average(case, path)
            cum = (sign * level, *sorted(sign * v for v in ends))
        rows.append((offset, n, mean, se, lo, hi, *cum))
    return Frame(rows, columns="offset n aar se ci_low ci_high cum_aar cum_low cum_high".split())


def average(case: Case, window: Window) -> tuple[int, float, float, float, float, str]:
    """Mean CAR of a window with the interval of M 4.0, and the form of the interval."""
    car = window_stats(case.ar, window)
    have = np.isfinite(car.car)
    n = int(have.sum())
    if n == 0:
        return 0, np.nan, np.nan, np.nan, np.nan, ""
    mean = float(car.car[have].mean())
    level = case.spec.level
    if case.size == 1:
        lo, hi = two_sided_interval(car.car, car.se, case.ar.df, level)
        return 1, mean, float(car.se[0]), float(lo[0]), float(hi[0]), "t(M - k) of the pair"
    if case.portfolio is not None:
        w = window_stats(case.portfolio, window)
        lo, hi = two_sided_interval(w.car, w.se, case.portfolio.df, level)
        return n, mean, float(w.se[0]), float(lo[0]), float(hi[0]), "t(M - k) of the portfolio"
    if n < 2:
        return n, mean, np.nan, np.nan, np.nan, ""
    se = float(car.car[have].std(ddof=1) / np.sqrt(n))
    design = design_of(case, window)
    form = "t(N - 1) across pairs"
    if design.de > 1.25 and design.rbar_w < 1:
        se *= float(np.sqrt((1 + (n - 1) * design.rbar_w) / (1 - design.rbar_w)))
        form = "t(N - 1) inflated for the correlation (Kolari and Pynnonen)"
    half = float(dist.student_quantile(1 - level / 2, n - 1)) * se
    return n, mean, se, mean - half, mean + half, form


def caar_frame(case: Case) -> Frame:
    """One row a window: the average CAR, its interval, the precision-weighted mean and the effective number of pairs."""
    rows = []
    for window in case.windows:
        n, mean, se, lo, hi, form = average(case, window)
        design = design_of(case, window)
        if conventions(case.spec.compat).caar == "sum_aar":
            mean = sum_of_averages(case, window)
        rows.append(
            {
                "window_start": window[0], "window_end": window[1], "n": n, "caar": mean, "se": se, "ci_low": lo,
                "ci_high": hi, "caar_weighted": precision_weighted(case, window),
                "caar_value_weighted": value_weighted(case, window), "rbar_w": design.rbar_w,
                "n_eff": design.n_eff, "interval": form,
            }
        )  # fmt: skip
    columns = "window_start window_end n caar se ci_low ci_high caar_weighted caar_value_weighted rbar_w n_eff interval".split()
    return Frame(rows, columns=columns)


def sum_of_averages(case: Case, window: Window) -> float:
    """CAAR as the sum of daily averages: equal to the mean CAR only where no cell is missing."""
    block = window_stats(case.ar, window).ar
    have = np.isfinite(block)
    n = have.sum(axis=0)
    return float(np.sum(np.where(n > 0, np.where(have, block, 0.0).sum(axis=0) / np.maximum(n, 1), 0.0)))


def value_weighted(case: Case, window: Window) -> float:
    """Mean CAR weighted by market value at the end of the estimation window; NaN where a share count is missing."""
    car = window_stats(case.ar, window).car
    caps = np.array(
        [capital(case, i, (case.ar.estimation[1] + 1, case.ar.estimation[1] + 1))[0] for i in range(case.size)]
    )
    if not (np.isfinite(caps) & np.isfinite(car)).all() or not car.size:
        return float("nan")
    return float(np.sum(caps * car) / caps.sum())


def precision_weighted(case: Case, window: Window, power: float = 2.0) -> float:
    """Mean CAR weighted by 1 / Var(CAR) (power 2, `inv_var`) or 1 / sd(CAR) (power 1, `inv_sd`)."""
    w = window_stats(case.ar, window)
    ok = np.isfinite(w.car) & (w.se > 0)
    if not ok.any():
        return float("nan")
    weight = 1.0 / w.se[ok] ** power
    return float(np.sum(weight * w.car[ok]) / weight.sum())


def tests_frame(results: Sequence[TestResult]) -> Frame:
    """One row a test, variant and window."""
    columns = "test variant window_start window_end statistic df p n status reason".split()
    rows = [
        (r.test, r.variant, r.window[0], r.window[1], r.statistic, r.df, r.p, r.n, r.status, r.reason) for r in results
    ]
    return Frame(rows, columns=columns)


def jump_frame(case: Case, rows: Mapping[int, Any]) -> Frame:
    """One row a pair with daily high and low."""
    keyed = [{"event_id": case.pairs[i].event.id, "ticker": case.pairs[i].ticker, **row} for i, row in rows.items()]
    columns = (
        "event_id ticker direction prev_close open high low close overnight rise retreat total peak_gain give_back "
        "rank_p rank_n robust_z reflection_p selection_p selection_n reason"
    ).split()
    return Frame(keyed, columns=columns)


def confounders_frame(case: Case, found: Sequence[Sequence[Confounder]]) -> Frame:
    """One row a pair and other event near it or inside its estimation window."""
    low, high = min(w[0] for w in case.windows), max(w[1] for w in case.windows)
    rows = []
    for pair, others in zip(case.pairs, found):
        for c in others:
            if not (low <= c.distance <= high or c.in_estimation):
                continue
            rows.append(
                {
                    "event_id": pair.event.id, "ticker": pair.ticker, "other_id": c.event.id,
                    "title": c.event.title or c.event.id,
                    "kind": c.event.kind, "distance": c.distance, "same_session": c.same_session,
                    "same_story": c.same_story, "in_estimation": c.in_estimation, "treatment": case.spec.confounders,
                }
            )  # fmt: skip
    columns = ("event_id ticker other_id title kind distance same_session same_story in_estimation treatment").split()
    return Frame(rows, columns=columns)


def excluded_frame(items: Sequence[Excluded]) -> Frame:
    """What was left out, at which stage, why, and what would bring it back."""
    columns = "stage what reason remedy event_id ticker".split()
    return Frame([(x.stage, x.what, x.reason, x.remedy, x.event_id, x.ticker) for x in items], columns=columns)


def checks_frame(results: Sequence[CheckResult]) -> Frame:
    """One row a check: passed (True, False, None = informs) and its sentence."""
    frame = Frame([(c.check, c.passed, c.sentence) for c in results], columns=["check", "passed", "sentence"])
    frame["passed"] = frame["passed"].astype(object)
    return frame


def volatility_ratio(case: Case, i: int) -> float:
    """sqrt(v_a / wbar) of pair i at the headline window: how stormy the days just before were."""
    v, level = volatility_path(case.ar, i, case.headline)
    return float(np.sqrt(v[-1] / level))
