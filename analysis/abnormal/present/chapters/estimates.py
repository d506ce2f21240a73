"""How much: model, abnormal returns, cumulative abnormal returns by window and by model, worth in money."""

from __future__ import annotations

from typing import Any

from .. import console, prose
from ..console import interval, window
from ..tables import Column, Table
from .blocks import Block, Chapter, Pages, chapter, figure, heading, para, see, table

PAIRS_SHOWN, SESSIONS_SHOWN = 30, 45


def estimates_chapter(pages: Pages) -> Chapter:
    """Model, session by session, by window, by other specifications."""
    result = pages.result
    if result.pairs.empty:
        return chapter("Abnormal returns")
    fitted = (_models(pages), _fit(pages))
    daily = (_bars(pages), _sessions(pages))
    unit = "session" if result.spec.freq == "1d" else "bar"
    plainly = (
        f"Each {unit} stands in {{refs}}."
        if len(result.pairs) == 1
        else f"The averages of each {unit} stand in {{refs}}."
    )
    told = prose.window_sentence(result) or plainly
    windows = (_windows(pages), _pairs(pages), _forest(pages))
    others = (_others(pages), _curve(pages))
    return chapter(
        "Abnormal returns", see(prose.model_sentence(result), *fitted), fitted,
        heading("Session by session" if result.spec.freq == "1d" else "Bar by bar"), see(told, *daily), daily,
        heading("By window"), see(prose.interval_sentence(result), *windows), windows,
        heading("By other specifications"), see(prose.alpha_sentence(result), *others), others,
    )  # fmt: skip


def _level(pages: Pages) -> str:
    return f"{100 * (1 - pages.result.spec.level):g}%"


# ------------------------------------------------------------------------------------------------ the model


def _models(pages: Pages) -> Block | None:
    frame = pages.result.pairs
    betas = [c for c in frame if c == "beta" or str(c).startswith("beta_")]
    columns = (
        Column("pair", "Pair"), Column("model", "Model"), Column("n_est", "M", "count"),
        Column("est_first", "First", "date"), Column("est_last", "Last", "date"), Column("alpha", "alpha", "percent", 2),
        *(Column(str(b), str(b).removeprefix("beta_"), "number") for b in betas), Column("sigma", "sigma", "share"),
        Column("r2", "R²", "number"), Column("contam_est", "near other events", "count"),
    )  # fmt: skip
    named = zip(frame.to_dict("records"), prose.pair_labels(pages.result))
    rows = tuple(tuple({**r, "pair": label}[c.key] for c in columns) for r, label in named)
    note = "M: returns the model was estimated on; alpha is the one of the fit with intercept, whether carried or not."
    caption = "The model of each pair."
    made = Table("", columns, rows, (note,))
    return table("model", caption, made, grow=["pair"], most=PAIRS_SHOWN, what="pair", file="pairs")


def _fit(pages: Pages) -> Block | None:
    result = pages.result
    if len(result.pairs) > 2 or not pages.draw("fit", result.plot.fit, ax=None):
        return None
    who = result.pairs["ticker"].iloc[0]
    both = "returns against the benchmark with the fitted line, and residuals in time"
    drawn = both if result.case is not None and result.case.ar.market is not None else "residuals in time"
    caption = f"Estimation of {who}: {drawn}; diamonds are the sessions of the headline window."
    return figure("fit", caption, caption)


# ------------------------------------------------------------------------------------------------ sessions


def _bars(pages: Pages) -> Block | None:
    result = pages.result
    if not pages.draw("bars", result.plot.ar, 2.6):
        return None
    caption = f"Abnormal return of each session with its {_level(pages)} interval; the headline window is shaded."
    return figure("bars", caption, caption, 92)


def _sessions(pages: Pages) -> Block | None:
    """Session by session: of the one pair, else the averages."""
    result = pages.result
    one = len(result.pairs) == 1
    level = f"{_level(pages)} interval"
    daily = result.spec.freq == "1d"
    unit, moment = ("Session", Column("session", "Date", "date")) if daily else ("Bar", Column("time", "Start, UTC"))
    columns: tuple[Column, ...]
    if one:
        columns = (
            Column("offset", unit, "count"), moment, Column("ret", "Return", "percent"),
            Column("expected", "Expected", "percent"), Column("ar", "AR", "percent"), Column("se", "s.e.", "share"),
            Column("interval", level), Column("cum_ar", "Cumulative", "percent"), Column("cum", level),
        )  # fmt: skip
        frame = result.abnormal_returns
    else:
        columns = (
            Column("offset", unit, "count"), Column("n", "Pairs", "count"), Column("aar", "AAR", "percent"),
            Column("se", "s.e.", "share"), Column("interval", level), Column("cum_aar", "Cumulative", "percent"),
            Column("cum", level),
        )  # fmt: skip
        frame = result.aar
    rows = []
    for r in frame.to_dict("records"):
        known = {**r, "interval": interval(r["ci_low"], r["ci_high"]), "cum": _path_interval(r)}
        known["time"] = str(r.get("time", ""))[:16].replace("T", " ")
        rows.append(tuple(known.get(c.key) for c in columns))
    start, end = result.headline
    tones = ["strong" if start <= int(r["offset"]) <= end else "" for r in frame.to_dict("records")]
    each = unit.lower()
    caption = (
        f"Abnormal returns {'of the pair' if one else 'on average'}, {each} by {each}; the headline window in bold."
    )
    note = f"Cumulative: level of the path, zero at the close before {each} {start}."
    return table("sessions", caption, Table("", columns, tuple(rows), (note,)), tones=tones, most=SESSIONS_SHOWN, what="session",
                 file="abnormal_returns" if one else "aar")  # fmt: skip


def _path_interval(row: Any) -> str:
    low, high = row.get("cum_low"), row.get("cum_high")
    return "" if low == high == 0.0 else interval(low, high)


# ------------------------------------------------------------------------------------------------ windows


def _windows(pages: Pages) -> Block | None:
    """Every window: of the one pair with each test's p, else the averages."""
    return _single_windows(pages) if len(pages.result.pairs) == 1 else _average_windows(pages)


def _single_windows(pages: Pages) -> Block | None:
    result = pages.result
    frame = result.car
    columns = [
        Column("window", "Window"), Column("car", "CAR", "percent"), Column("se", "s.e.", "share"),
        Column("interval", f"{_level(pages)} interval"), Column("t", "t", "number"), Column("p", "t p", "p"),
        Column("clock_p", "same-clock p", "p"), Column("sq_p", "SQ p", "p"), Column("conformal_p", "conformal p", "p"),
        Column("placebo_p", "placebo p", "p"), Column("placebo_n", "n", "count"), Column("selection_p", "selection p", "p"),
        Column("bhar", "BHAR", "percent"),
    ]  # fmt: skip
    told = {c.key for c in columns if c.key in frame and frame[c.key].notna().any()} | {"window", "interval"}
    told -= set() if "placebo_p" in told else {"placebo_n"}
    kept = tuple(c for c in columns if c.key in told)
    rows, tones = [], []
    for r in frame.to_dict("records"):
        known = {
            **r,
            "window": window(r["window_start"], r["window_end"]),
            "interval": interval(r["ci_low"], r["ci_high"]),
        }
        rows.append(tuple(known[c.key] for c in kept))
        tones.append("strong" if (r["window_start"], r["window_end"]) == result.headline else "")
    caption = (
        "Cumulative abnormal return by window, with the p of every test of a single pair; the headline window in bold."
    )
    note = "Intervals: prediction error of the pair, t(M − k). BHAR: buy-and-hold return less the benchmark's."
    return table("windows", caption, Table("", kept, tuple(rows), (note,)), tones=tones)


def _average_windows(pages: Pages) -> Block | None:
    result = pages.result
    columns = (
        Column("window", "Window"), Column("n", "Pairs", "count"), Column("caar", "CAAR", "percent"),
        Column("se", "s.e.", "share"), Column("ends", f"{_level(pages)} interval"),
        Column("caar_weighted", "weighted", "percent"),
        Column("n_eff", "effective", "number", 1), Column("rbar_w", "r̄", "number"), Column("form", "Interval from"),
    )  # fmt: skip
    rows, tones = [], []
    for r in result.caar.to_dict("records"):
        known = {**r, "window": window(r["window_start"], r["window_end"]), "ends": interval(r["ci_low"], r["ci_high"]),
                 "form": console.said(r.get("interval"))}  # fmt: skip
        rows.append(tuple(known[c.key] for c in columns))
        tones.append("strong" if (r["window_start"], r["window_end"]) == result.headline else "")
    caption = "Average cumulative abnormal return by window; the headline window in bold."
    note = "Weighted: by precision. Effective: how many independent pairs they are worth, given the mean correlation r̄."
    return table("windows", caption, Table("", columns, tuple(rows), (note,)), grow=["form"], tones=tones)


def _pairs(pages: Pages) -> Block | None:
    """The headline window of every pair."""
    result = pages.result
    if len(result.pairs) == 1:
        return None
    columns = [
        Column("pair", "Pair"), Column("session", "Session", "date"),
        Column("car", "CAR", "percent"), Column("se", "s.e.", "share"), Column("interval", f"{_level(pages)} interval"),
        Column("p", "t p", "p"), Column("sq_p", "SQ p", "p"), Column("conformal_p", "conformal p", "p"),
        Column("placebo_p", "placebo p", "p"), Column("selection_p", "selection p", "p"),
    ]  # fmt: skip
    records = prose.in_window(result.car, result.headline)
    empty = [c.key for c in columns if c.key.endswith("_p") and not any(console.is_number(r[c.key]) for r in records)]
    kept = tuple(c for c in columns if c.key not in empty)
    rows = []
    for r, day, label in zip(records, result.pairs["session"].tolist(), prose.pair_labels(result)):
        known = {**r, "pair": label, "session": day, "interval": interval(r["ci_low"], r["ci_high"])}
        rows.append(tuple(known[c.key] for c in kept))
    caption = f"Cumulative abnormal return of each pair in the headline window {window(*result.headline)}."
    made = Table("", kept, tuple(rows))
    return table("pairs", caption, made, grow=["pair"], most=PAIRS_SHOWN, what="pair", file="car")


def _forest(pages: Pages) -> Block | None:
    result = pages.result
    if len(result.pairs) < 2 or not pages.draw("forest", result.plot.forest, ax=None, most=30):
        return None
    average = (
        ", the average beneath" if len({*map(str, result.pairs["session"])}) == 1 or len(result.pairs) >= 5 else ""
    )
    caption = f"Each pair in the headline window with its {_level(pages)} interval{average}."
    return figure("forest", caption, caption, 92)


# ------------------------------------------------------------------------------------------------ other choices


def _others(pages: Pages) -> Block | None:
    result = pages.result
    columns = (
        Column("what", "Specification"), Column("car", "Estimate", "percent"), Column("se", "s.e.", "share"),
        Column("interval", f"{_level(pages)} interval"), Column("p", "p", "p"), Column("test", "Test"),
        Column("n_est", "M", "count"), Column("same_sign", "Same sign", "flag"),
    )  # fmt: skip
    rows, tones = [], []
    for r in result.robustness.to_dict("records"):
        what = str(r["what"]).removeprefix("model:")
        if what == "as specified":
            what = f"as specified ({console.listed(list(dict.fromkeys(result.pairs['model'])))})"
        known = {
            **r,
            "what": what,
            "interval": interval(r.get("ci_low"), r.get("ci_high")),
            "test": console.said(r.get("test")),
        }
        if console.said(r.get("reason")):
            known["interval"] = console.said(r["reason"])
        rows.append(tuple(known[c.key] for c in columns))
        tones.append("strong" if r["what"] == "as specified" else "")
    head = window(*result.headline)
    caption = f"The headline window {head} by other models, estimation windows, benchmarks, and without contaminated sessions."
    return table("others", caption, Table("", columns, tuple(rows)), grow=["what"], tones=tones)


def _curve(pages: Pages) -> Block | None:
    result = pages.result
    curve = pages.extras.get("specs")
    if not pages.draw("specs", result.plot.specs, ax=None, frame=curve):
        return None
    caption = "The estimate by every specification, sorted, with intervals; filled where its p is below the level of the study."
    return figure("specs", caption, caption, 92)


# ------------------------------------------------------------------------------------------------ money


def money_chapter(pages: Pages) -> Chapter:
    """What the abnormal return is worth at the market value before it."""
    result = pages.result
    if "value" not in result.car or not result.car["value"].notna().any():
        return chapter("In money")
    columns = (
        Column("pair", "Pair"), Column("window", "Window"), Column("car", "CAR", "percent"), Column("value", "Value", "money"),
        *_more_money(result),
    )  # fmt: skip
    rows = []
    for r in result.car[result.car["value"].notna()].to_dict("records"):
        known = {**r, "window": window(r["window_start"], r["window_end"]), "pair": prose.label_of(result, r)}
        rows.append(tuple(known[c.key] for c in columns))
    caption = "Abnormal value by window: abnormal return times market value at the close before each session."
    notes = ("Low, High: ends of the interval of the CAR, in money.",) if len(columns) > 4 else ()
    made = table(
        "value",
        caption,
        Table("", columns, tuple(rows), notes),
        grow=["pair"],
        most=PAIRS_SHOWN,
        what="row",
        file="car",
    )
    return chapter("In money", para(prose.say("value")), made)


def _more_money(result: Any) -> list[Column]:
    """Standard error and interval of the value, where the result has them."""
    known = (("value_se", "s.e."), ("value_low", "Low"), ("value_high", "High"))
    return [Column(k, h, "money") for k, h in known if k in result.car and result.car[k].notna().any()]
