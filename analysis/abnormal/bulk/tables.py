"""The frames of a bulk study, column by column: the same names and order as those of a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..checks.decision import DESIGN_EFFECT, Design
from ..frames import jump_frame
from ..inference._window import two_sided_interval
from ..kernel import aggregate, dist
from ..kernel.batch_dates import layout, tables
from ..models.factors import FACTORS
from ..spec import StudySpec
from .answers import day_correlation
from .held import Prices
from .lanes import Lanes
from .meetings import path_windows

Frame = pd.DataFrame
ROWS_OF_DAYS = 200_000  # above so many rows the table of single abnormal returns is left out
BLOCK = 8192
EXCESS = ("capm", "factors", *FACTORS)  # models of returns above the riskless rate


def keys(lanes: Lanes) -> dict[str, Any]:
    """event_id and ticker of every pair, as texts."""
    placed = lanes.placed
    names = np.array(placed.rows.names, dtype=object)
    ticker: Any = pd.array(names, dtype="str").take(placed.unit)
    if placed.rows.ids is not None:
        ids: Any = pd.array(placed.rows.ids[placed.place], dtype="str")
    else:
        days, at = np.unique(placed.rows.day[placed.place], return_inverse=True)
        told: Any = pd.array("-" + np.datetime_as_string(days).astype(object), dtype="str")
        ids = ticker + told.take(at)
    return {"event_id": ids, "ticker": ticker}


def pairs_frame(lanes: Lanes, prices: Prices, named: Mapping[str, Any]) -> Frame:
    """One row a pair: day 0, model estimates and flags."""
    kept, placed, time = lanes.kept, lanes.placed, prices.tape.time
    alpha = kept.coef.get("alpha")
    with np.errstate(invalid="ignore", divide="ignore"):
        drift = np.nan if alpha is None else np.abs(alpha) * kept.rows[:, 0] / kept.se[:, 0]
    flags = np.full(placed.size, "", dtype=object)
    for i in np.flatnonzero(np.isin(placed.place, np.fromiter(placed.flags, np.int64, len(placed.flags)))):
        flags[i] = "; ".join(placed.flags[int(placed.place[i])])
    coef = {n if n in ("alpha", "beta") else f"beta_{n}": v for n, v in kept.coef.items()}
    return Frame(
        {
            **named,
            "session": time[placed.day0],
            "reaction_class": _chosen(("date_only", "closed"), placed.moved.astype(np.int64)),
            "role": _same("", placed.size),
            "sign": np.zeros(placed.size, np.int64),
            "model": _chosen(kept.models, kept.model),
            "n_est": kept.m,
            "est_first": time[kept.est_first],
            "est_last": time[kept.est_last],
            "alpha": coef.pop("alpha", np.full(placed.size, np.nan)),
            "beta": coef.pop("beta", np.full(placed.size, np.nan)),
            "sigma": kept.sigma,
            "df": kept.df,
            "r2": kept.r2,
            "contam_est": np.nan,  # no catalogue is looked up for so many pairs
            "drift": drift,
            **coef,
            "flags": pd.array(flags, dtype="str"),
        },
        index=pd.RangeIndex(placed.size),
    )


def _chosen(texts: Sequence[str], code: np.ndarray) -> Any:
    return pd.array(np.array(texts, dtype=object), dtype="str").take(code)


def _same(text: str, n: int) -> Any:
    return pd.array(np.array([text], dtype=object), dtype="str").take(np.zeros(n, np.int64))


def car_frame(lanes: Lanes, prices: Prices, spec: StudySpec, named: Mapping[str, Any]) -> Frame:
    """One row a pair and window: estimate and interval; the empirical tests of single pairs are not computed here."""
    parts = [_car_window(lanes, prices, spec, named, j) for j in range(len(lanes.windows))]
    if len(parts) == 1:
        return parts[0]
    frame = pd.concat(parts, ignore_index=True)
    n = lanes.placed.size
    order = np.arange(n)[:, None] + n * np.arange(len(parts))[None, :]
    return frame.take(order.ravel()).reset_index(drop=True)


def _car_window(lanes: Lanes, prices: Prices, spec: StudySpec, named: Mapping[str, Any], j: int) -> Frame:
    kept, (low, high) = lanes.kept, lanes.windows[j]
    car, se, df = kept.car[:, j], kept.se[:, j], kept.df
    with np.errstate(invalid="ignore", divide="ignore"):
        t = car / se
    lo, hi = two_sided_interval(car, se, _one_if_equal(df), spec.level)
    nan = np.full(car.size, np.nan)
    never = np.full(car.size, np.datetime64("NaT", "D"))
    held = _held(lanes, prices, j)
    rule = (kept.m >= 20 * kept.rows[:, j]) & (kept.rows[:, j] > 0)
    return Frame(
        {
            **named, "window_start": low, "window_end": high, "car": car, "se": se, "t": t, "df": df,
            "p": dist.student_p(t, _one_if_equal(df), spec.alternative), "ci_low": lo, "ci_high": hi, "sq_p": nan,
            "sq_form": _same("", car.size), "sq_m": nan, "headline_test": _chosen(("t_car", "sq"), rule.astype(np.int64)),
            "conformal_p": nan, "placebo_p": nan, "placebo_n": nan, "placebo_first": never, "placebo_last": never,
            "selection_p": nan, "bhar": held[0], "bhar_model": held[1], "value": nan, "value_low": nan, "value_high": nan,
            "value_per_share": nan, "n_obs": kept.rows[:, j],
        },
        index=pd.RangeIndex(car.size),
    )  # fmt: skip


def _one_if_equal(df: np.ndarray) -> np.ndarray:
    """One number where all are the same: its quantile is then found once."""
    return df[:1] if df.size and (df == df[0]).all() else df


def _held(lanes: Lanes, prices: Prices, j: int) -> tuple[np.ndarray, np.ndarray]:
    """Buy-and-hold abnormal returns of window j against the market and against the model, (n,) each."""
    window = lanes.windows[j]
    kept, placed, tape = lanes.kept, lanes.placed, prices.tape
    n = placed.size
    market, model = np.full(n, np.nan), np.full(n, np.nan)
    if kept.ar is None:
        return market, model
    low = min(a for a, _ in lanes.windows)
    columns = slice(window[0] - low, window[1] - low + 1)
    offsets = np.arange(window[0], window[1] + 1)
    x = tape.x[0, :, 0] if tape.names else None
    for start in range(0, n, BLOCK):
        at = slice(start, start + BLOCK)
        rows = placed.day0[at, None] + offsets
        inside = (rows >= 0) & (rows < tape.time.size)
        rows = np.clip(rows, 0, tape.time.size - 1)
        raw = np.where(inside, explained(lanes, prices, placed.unit[at, None], rows), np.nan)
        model[at] = aggregate.buy_and_hold(raw, raw - kept.ar[at, columns])
        if x is not None:
            market[at] = aggregate.buy_and_hold(raw, np.where(np.isfinite(raw), x[rows], np.nan))
    slow = np.flatnonzero(kept.slow_row >= 0)
    market[slow], model[slow] = lanes.slow.held[:, kept.slow_row[slow], j]
    return market, model


def abnormal_returns_frame(lanes: Lanes, prices: Prices, spec: StudySpec, named: Mapping[str, Any]) -> Frame:
    """One row a pair and offset from the first to the last offset of the windows; empty above `ROWS_OF_DAYS` rows."""
    kept, placed, tape = lanes.kept, lanes.placed, prices.tape
    low, high = min(a for a, _ in lanes.windows), max(b for _, b in lanes.windows)
    n, length = placed.size, high - low + 1
    if kept.ar is None or n * length > ROWS_OF_DAYS:
        return no_rows("abnormal_returns")
    rows = placed.day0[:, None] + np.arange(low, high + 1)
    inside = (rows >= 0) & (rows < tape.time.size)
    rows = np.clip(rows, 0, tape.time.size - 1)
    ret = np.where(inside, explained(lanes, prices, placed.unit[:, None], rows), np.nan)
    se, level, error = _day_errors(lanes, prices)
    expected = ret - kept.ar
    own = kept.slow_row[kept.slow_row >= 0]
    ret[kept.slow_row >= 0], expected[kept.slow_row >= 0] = lanes.slow.days[3:, own]
    df = _one_if_equal(kept.df)[:, None]
    ci, path = two_sided_interval(kept.ar, se, df, spec.level), two_sided_interval(level, error, df, spec.level)
    columns = {
        "offset": np.tile(np.arange(low, high + 1), n),
        "session": np.where(inside, tape.time[rows], np.datetime64("NaT", "D")).ravel(),
        "ret": ret.ravel(), "expected": expected.ravel(), "ar": kept.ar.ravel(), "se": se.ravel(),
        "ci_low": ci[0].ravel(), "ci_high": ci[1].ravel(), "cum_ar": level.ravel(), "cum_low": path[0].ravel(),
        "cum_high": path[1].ravel(), "but_for": np.nan,
    }  # fmt: skip
    again = np.repeat(np.arange(n), length)
    return Frame({**{name: texts.take(again) for name, texts in named.items()}, **columns})


def explained(lanes: Lanes, prices: Prices, unit: Any, rows: Any) -> Any:
    """Returns a model explains: above the riskless rate where the model is one of excess returns."""
    tape, found = prices.tape, prices.tape.event_y[unit, rows]
    excess = tape.rf is not None and lanes.kept.models[0] in EXCESS
    return found - tape.rf[rows] if excess and tape.rf is not None else found


def _day_errors(lanes: Lanes, prices: Prices) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Error of every abnormal return, level of the cumulative path and its error, (n, L) each."""
    kept, placed = lanes.kept, lanes.placed
    low, high = min(a for a, _ in lanes.windows), max(b for _, b in lanes.windows)
    assert kept.ar is not None
    paths = path_windows(lanes.windows)
    days = tuple((t, t) for t in range(low, high + 1))
    windows = (*days, *(w or (low, low) for w, _ in paths))
    plan = layout(lanes.estimation, windows)
    fast = kept.slow_row < 0
    date, row = np.unique(placed.day0[fast], return_inverse=True)
    c = np.sqrt(tables(lanes.model, plan, date).c)[row] * kept.sigma[fast, None]
    se, level, error = (np.full(kept.ar.shape, np.nan) for _ in range(3))
    se[fast], error[fast] = c[:, : len(days)], c[:, len(days) :]
    for i, (window, sign) in enumerate(paths):
        level[:, i] = 0.0
        if window is None:
            error[:, i] = 0.0
        else:
            level[:, i] = sign * kept.ar[:, window[0] - low : window[1] - low + 1].sum(axis=1)
    own = kept.slow_row[~fast]
    se[~fast], level[~fast], error[~fast] = lanes.slow.days[:3, own]
    return se, level, error


def aar_frame(lanes: Lanes, spec: StudySpec) -> Frame:
    """One row an offset: the average abnormal return and the level of the cumulative path, with intervals."""
    low, high = min(a for a, _ in lanes.windows), max(b for _, b in lanes.windows)
    sums = _day_sums(lanes)
    rows = []
    for i, (offset, (path, _)) in enumerate(zip(range(low, high + 1), path_windows(lanes.windows))):
        n, mean, se = _moments(sums[0][i], sums[1][i], sums[2][i])
        se = _inflated(n, se, day_correlation(lanes, i, 1, n, path=False))
        cum: tuple[float, ...] = (0.0, 0.0, 0.0)
        if path is not None:
            k, level, error = _moments(sums[3][i], sums[4][i], sums[5][i])
            error = _inflated(k, error, day_correlation(lanes, i, path[1] - path[0] + 1, k, path=True))
            cum = (level, *_interval(k, level, error, spec.level))
        rows.append((offset, n, mean, se, *_interval(n, mean, se, spec.level), *cum))
    return Frame(rows, columns="offset n aar se ci_low ci_high cum_aar cum_low cum_high".split())


def _day_sums(lanes: Lanes) -> tuple[np.ndarray, ...]:
    """(n, sum, sum of squares) of abnormal returns and of cumulative ones by offset, both lanes together."""
    fast, stay = lanes.batch.days, ~lanes.slow.refused
    n = int(lanes.batch.clean.sum())
    ar, path = lanes.slow.ar[stay], lanes.slow.days[1][stay]
    own = [v for x in (ar, path) for v in (np.isfinite(x).sum(axis=0), np.nansum(x, axis=0), np.nansum(x * x, axis=0))]
    if fast is None:
        return tuple(own)
    whole = (n, fast.ar, fast.ar2, n, fast.path, fast.path2)
    return tuple(a + b for a, b in zip(whole, own))


def _moments(n: float, total: float, squares: float) -> tuple[int, float, float]:
    """Number, mean and standard error of the mean."""
    k = int(n)
    if k == 0:
        return 0, np.nan, np.nan
    mean = float(total) / k
    if k < 2:
        return k, mean, np.nan
    return k, mean, float(np.sqrt(max(float(squares) - k * mean * mean, 0.0) / (k - 1) / k))


def _inflated(n: int, se: float, rho: float) -> float:
    """The standard error, larger where pairs of the same days move together (Kolari and Pynnonen)."""
    if n < 2 or not 1.0 + (n - 1) * rho > DESIGN_EFFECT or rho >= 1:
        return se
    return se * float(np.sqrt((1 + (n - 1) * rho) / (1 - rho)))


def _interval(n: int, mean: float, se: float, level: float) -> tuple[float, float]:
    """t(N - 1) interval of a mean."""
    if n < 2:
        return np.nan, np.nan
    half = float(dist.student_quantile(1 - level / 2, n - 1)) * se
    return mean - half, mean + half


def caar_frame(lanes: Lanes, spec: StudySpec, designs: Sequence[Design]) -> Frame:
    """One row a window: the average CAR, its interval, the precision-weighted mean and the effective number of pairs."""
    rows = []
    for j, (low, high) in enumerate(lanes.windows):
        design = designs[j]
        n, mean, se, lo, hi, form = average(lanes, spec, j, design)
        rows.append(
            {
                "window_start": low, "window_end": high, "n": n, "caar": mean, "se": se, "ci_low": lo, "ci_high": hi,
                "caar_weighted": _precision_weighted(lanes, j), "caar_value_weighted": np.nan, "rbar_w": design.rbar_w,
                "n_eff": design.n_eff, "interval": form,
            }
        )  # fmt: skip
    columns = "window_start window_end n caar se ci_low ci_high caar_weighted caar_value_weighted rbar_w n_eff interval".split()
    return Frame(rows, columns=columns)


def average(lanes: Lanes, spec: StudySpec, j: int, design: Design) -> tuple[int, float, float, float, float, str]:
    """Mean CAR of window j with its interval, and the form of the interval."""
    car = lanes.kept.car[lanes.kept.order, j]
    car = car[np.isfinite(car)]
    n = car.size
    if n < 2:
        return n, float(car.mean()) if n else np.nan, np.nan, np.nan, np.nan, ""
    mean, plain = float(car.mean()), float(car.std(ddof=1) / np.sqrt(n))
    se = _inflated(n, plain, design.rbar_w)
    form = "t(N - 1) across pairs" if se == plain else "t(N - 1) inflated for the correlation (Kolari and Pynnonen)"
    return n, mean, se, *_interval(n, mean, se, spec.level), form


def _precision_weighted(lanes: Lanes, j: int) -> float:
    """Mean CAR weighted by 1 / Var(CAR)."""
    car, se = lanes.kept.car[lanes.kept.order, j], lanes.kept.se[lanes.kept.order, j]
    ok = np.isfinite(car) & (se > 0)
    if not ok.any():
        return float("nan")
    weight = 1.0 / se[ok] ** 2
    return float(np.sum(weight * car[ok]) / weight.sum())


_COLUMNS = {
    "pairs": (
        "event_id ticker session reaction_class role sign model n_est est_first est_last alpha beta sigma df r2 contam_est "
        "drift flags"
    ),
    "car": (
        "event_id ticker window_start window_end car se t df p ci_low ci_high sq_p sq_form sq_m headline_test conformal_p "
        "placebo_p placebo_n placebo_first placebo_last selection_p bhar bhar_model value value_low value_high "
        "value_per_share n_obs"
    ),
    "abnormal_returns": (
        "event_id ticker offset session ret expected ar se ci_low ci_high cum_ar cum_low cum_high but_for"
    ),
    "confounders": (
        "event_id ticker other_id title kind distance same_session same_story in_estimation treatment"
    ),
    "robustness": "what car se p ci_low ci_high n_est sigma test same_sign reason",
}  # fmt: skip


def no_rows(frame: str) -> Frame:
    """An empty frame with the columns it has in any study."""
    if frame == "jump":
        return jump_frame(None, {})  # type: ignore[arg-type]
    return Frame(columns=_COLUMNS[frame].split())
