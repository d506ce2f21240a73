"""Fills the tables of docs/why/their-numbers.md: `python docs/make_numbers.py`.

Every figure comes from the public check data (`tests/golden/golden_public.json`) through `ab.run`: our convention, the
variants and `compat` settings, and, where another package does something we do not offer, its arithmetic on a result's frames.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import abnormal as ab
from abnormal.kernel import dist

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "why" / "their-numbers.md"
DATA = DOCS.parent / "tests" / "golden" / "golden_public.json"
DAYS = pd.bdate_range("2020-01-01", periods=600)
LONG, DAY = (-1, 3), (1, 1)
AVERAGES = ("patell", "bmp", "cda", "corrado_zivney", "gen_sign")
MARKS = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)

Lines = list[tuple[float | str, str, str]]  # number, convention, whose


# ------------------------------------------------------------------------------------------------ studies


@cache
def _data(name: str) -> tuple[pd.DataFrame, pd.Series, list[int]]:
    """Returns, market and event rows of a public set."""
    data = json.loads(DATA.read_text(encoding="utf-8"))[name]["data"]
    ret = np.array(data["ret"], float)
    days = DAYS[: len(ret)]
    firms = [f"F{i:02d}" for i in range(ret.shape[1])]
    rows = list(data["pos"]) if "pos" in data else [270] * len(firms)
    return pd.DataFrame(ret, index=days, columns=firms), pd.Series(np.array(data["mkt"], float), index=days), rows


def _run(name: str, firms: int, spec: ab.StudySpec) -> ab.StudyResult:
    ret, market, rows = _data(name)
    pairs = [(f"e{r}", t, DAYS[r].date().isoformat()) for t, r in zip(ret.columns[:firms], rows)]
    events = pd.DataFrame(pairs, columns=["event_id", "ticker", "date"])
    return ab.run(events, ab.Returns(ret), spec, benchmark=market, catalogue=False)


@cache
def clustered(compat: str | None = None, tests: tuple[str, ...] = AVERAGES, firms: int = 8) -> ab.StudyResult:
    """Eight firms on one date, estimation -250 to -11; one has gaps, one a short history."""
    spec = ab.StudySpec(model="market", estimation=(-250, -11), windows=[LONG, (0, 0), DAY], draws=99)
    return _run("clustered", firms, spec.but(compat=compat, tests=tests))


@cache
def dispersed(compat: str | None = None) -> ab.StudyResult:
    """Twenty firms on twenty dates, estimation -220 to -21."""
    spec = ab.StudySpec(model="market", estimation=(-220, -21), windows=[(-1, 1)], draws=99)
    tests = ("bmp", "kp_bmp", "kp_patell")
    return _run("dispersed", 20, spec.but(compat=compat, tests=tests))


def answer(study: ab.StudyResult, test: str, window: tuple[int, int], field: str = "statistic") -> float:
    """One figure of the tests frame."""
    t = study.tests
    row = t[(t.test == test) & (t.window_start == window[0]) & (t.window_end == window[1])]
    assert len(row) == 1, (test, window)
    return float(row.iloc[0][field])


def _window(study: ab.StudyResult, frame: str, window: tuple[int, int]) -> pd.DataFrame:
    f = study.to_frame(frame)
    return f[(f.window_start == window[0]) & (f.window_end == window[1])]


# ------------------------------------------------------------------------------------------------ tables


def one_firm() -> Lines:
    study = clustered(tests=("t_car",), firms=1)
    car, pair = _window(study, "car", LONG).iloc[0], study.pairs.iloc[0]
    population = pair.sigma * np.sqrt(pair.df / pair.n_est)
    return [
        (car.t, "s sqrt(c), forecast error of the whole window; t(M - k)", "ours; Eventus (from memory)"),
        (
            answer(clustered(tests=("t_car:fec_none",), firms=1), "t_car", LONG),
            "s sqrt(L), no forecast error",
            "R EventStudy",
        ),
        (
            car.car / (population * np.sqrt(car.n_obs)),
            "the same with s divided by M instead of M - k",
            "LemaireJB eventstudy",
        ),
    ]


def patell() -> Lines:
    return [
        (answer(clustered(), "patell", LONG), "CAR over its own forecast error", "ours (`full`)"),
        (
            answer(clustered("est"), "patell", LONG),
            "daily SARs summed, over sqrt(L)",
            "R EventStudy, EventStudyTools (`patell_sum`)",
        ),
        (
            answer(clustered("wrds"), "patell", LONG),
            "CAR / (s sqrt(L)), variance 1",
            "the port of the WRDS macro (`wrds`)",
        ),
        (
            answer(clustered("estudy2"), "patell", LONG),
            "daily SARs, s with divisor M - 1",
            "estudy2, summed over the window",
        ),
    ]


def bmp() -> Lines:
    study = clustered()
    car = _window(study, "car", LONG)
    zero = car.car.to_numpy() / (study.pairs.sigma.to_numpy() * np.sqrt(LONG[1] - LONG[0] + 1))
    return [
        (answer(study, "bmp", LONG), "CAR over its own forecast error", "ours (`full`), StatsPAI"),
        (answer(clustered("r_eventstudy"), "bmp", LONG), "s sqrt(L), L the returns that exist", "`fec_none`"),
        (
            zero.mean() / (zero.std(ddof=1) / np.sqrt(zero.size)),
            "s sqrt(L), a missing return counted as zero",
            "R EventStudy",
        ),
        (answer(clustered("est"), "bmp", LONG), "daily SARs summed", "`patell_sum`"),
    ]


def bmp_p() -> Lines:
    study = clustered()
    t, m = answer(study, "bmp", DAY), float(study.pairs.n_est.max())
    return [
        (answer(study, "bmp", DAY, "p"), f"t = {t:.4f} on t(N - 1), N = {len(study.pairs)}", "ours, estudy2"),
        (
            float(dist.student_p(t, m - 2)),
            f"the same t on t(T - 2), T = {m:.0f} estimation days",
            "eventstudy2 (Stata) 3.0",
        ),
        (answer(clustered(tests=("bmp:normal",)), "bmp", DAY, "p"), "the same t on N(0, 1)", "StatsPAI"),
    ]


def alignment() -> Lines:
    ours, theirs = dispersed(), dispersed("r_eventstudy")
    return [
        (answer(ours, "kp_bmp", (-1, 1)), "correlation of the same calendar days, by overlap of windows", "ours"),
        (
            answer(theirs, "kp_bmp", (-1, 1)),
            "correlation of the same days before each event",
            "R EventStudy, eventstudy2, estudy",
        ),
        (answer(ours, "bmp", (-1, 1)), "no adjustment: the windows hardly overlap", "BMP"),
    ]


def caar() -> Lines:
    study = clustered()
    days = study.abnormal_returns
    inside = days[(days.offset >= LONG[0]) & (days.offset <= LONG[1])]
    logs = inside.assign(e=np.exp(inside.ar)).groupby("offset").e.mean().pipe(np.log).sum()
    return [
        (float(_window(study, "caar", LONG).caar.iloc[0]), "mean of the CARs", "ours"),
        (
            float(_window(clustered("r_eventstudy"), "caar", LONG).caar.iloc[0]),
            "sum of the daily averages",
            "R EventStudy",
        ),
        (float(logs), "sum of log(mean(exp(AR)))", "estudy (Stata), as others found"),
    ]


def cda() -> Lines:
    return [
        (answer(clustered(), "cda", LONG), "divisor M - 1, t(M - 1)", "ours"),
        (answer(clustered("est"), "cda", LONG), "divisor M - 2", "EventStudyTools (from its documentation)"),
        (answer(clustered("estudy2"), "cda", LONG), "Lamb's variance, N(0, 1)", "estudy2"),
    ]


def ranks_and_signs() -> Lines:
    r, e2 = clustered("r_eventstudy"), clustered("estudy2")
    return [
        (answer(clustered(), "corrado_zivney", LONG), "ranks over finite rows + 1, root mean square", "ours, estudy2"),
        (answer(r, "corrado_zivney", LONG), "centred, divisor T - 1", "R EventStudy"),
        (
            answer(clustered(), "gen_sign", LONG),
            "share of positive days by event, then averaged",
            "ours, the WRDS port",
        ),
        (answer(e2, "gen_sign", LONG), "share over all cells", "estudy2"),
    ]


def harmonic() -> Lines:
    def size(days: int) -> float:
        return float(dist.normal_p(dist.normal_quantile(0.975) / np.sqrt(sum(1 / s for s in range(1, days + 1)))))

    text = "true size of a nominal 5% when a sum of V_s / sqrt(s) is read as N(0, 1)"
    return [(f"{100 * size(n):.1f}%", f"{n} day{'s'[: n > 1]}", text) for n in (1, 3, 5, 11, 21)]


TABLES: dict[str, tuple[tuple[str, str, str], Callable[[], Lines]]] = {
    "one_firm": (("t", "standard error", "whose"), one_firm),
    "patell": (("Z", "standardisation", "whose"), patell),
    "bmp": (("t", "standardisation", "whose"), bmp),
    "bmp_p": (("p", "null distribution", "whose"), bmp_p),
    "alignment": (("t", "correlation of abnormal returns", "whose"), alignment),
    "caar": (("CAAR", "average", "whose"), caar),
    "cda": (("t", "variance", "whose"), cda),
    "ranks_and_signs": (("z", "convention", "whose"), ranks_and_signs),
    "harmonic": (("size", "window", "of what"), harmonic),
}


def table(name: str) -> str:
    """One table in Markdown."""
    head, lines = TABLES[name]
    rows = [f"| {x if isinstance(x, str) else f'{x:.6g}'} | {what} | {who} |" for x, what, who in lines()]
    return "\n".join(["| " + " | ".join(head) + " |", "|---|---|---|", *rows]) + "\n"


def with_tables(text: str) -> str:
    """The page with its tables as they are now."""
    return MARKS.sub(lambda m: m[1] + "\n" + table(m[2]) + "\n" + m[4], text)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
