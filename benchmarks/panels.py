"""Invented markets of fixed seed: the same events, returns and stress cases in every run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SECURITIES, SESSIONS = 1_000, 2_520
ESTIMATION, WINDOW = (-260, -11), (-10, 10)
FIRST, LAST = 260, SESSIONS - WINDOW[1] - 1
ROW = WINDOW[1] - ESTIMATION[0] + 1  # sessions of one event: 250 to estimate on, 21 to test


class Panel(NamedTuple):
    """Returns (S, T), security-major, market (T,), five factors (5, T) of which the first is the market."""

    returns: Array
    market: Array
    factors: Array


class Events(NamedTuple):
    """Security and day 0 of every event, (E,); no event is given twice."""

    security: Index
    position: Index


def panel(securities: int = SECURITIES, sessions: int = SESSIONS, seed: int = 1) -> Panel:
    """A market model with betas of 0.5 to 1.5, sigmas of 1% to 3%, t(5) errors; four further factors of small weight."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(0, 0.01, (5, sessions)) * np.array([1.0, 0.6, 0.5, 0.4, 0.4])[:, None]
    sigma = rng.uniform(0.01, 0.03, (securities, 1)) * np.sqrt(3 / 5)
    weights = np.column_stack([rng.uniform(0.5, 1.5, securities), rng.normal(0, 0.1, (securities, 4))])
    returns = weights @ factors + sigma * rng.standard_t(5, (securities, sessions))
    return Panel(returns, factors[0].copy(), factors)


def events(count: int, securities: int = SECURITIES, first: int = FIRST, last: int = LAST, seed: int = 2) -> Events:
    """Distinct (security, session) pairs at random."""
    rng = np.random.default_rng(seed)
    cell = rng.choice(securities * (last - first + 1), count, replace=False)
    return Events(cell // (last - first + 1), first + cell % (last - first + 1))


def one_date(count: int, position: int = 1_500, seed: int = 3) -> Events:
    """`count` securities on one session."""
    security = np.random.default_rng(seed).choice(SECURITIES, count, replace=False)
    return Events(security, np.full(count, position))


# ------------------------------------------------------------------------------------------------ stress


class Case(NamedTuple):
    """One series and its market with day 0 at `position` and the estimation window it is fitted on."""

    name: str
    returns: Array
    market: Array
    position: int
    estimation: tuple[int, int]


def stress_cases(seed: int = 4, count: int = 20) -> list[Case]:
    """Series on which sums of squares lose digits; `count` of each kind, the long one once."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        out += [
            _clean(rng),
            _nearly_exact(rng, 1e-2),
            _nearly_exact(rng, 1e-5),
            _jump(rng),
            _bad_print(rng),
            _level(rng),
        ]
    return [*out, _minutes(rng)]


def _line(rng: np.random.Generator, sessions: int = 600, noise: float = 0.02) -> tuple[Array, Array]:
    market = rng.normal(0.0005, 0.01, sessions)
    return 0.0003 + 1.1 * market + noise * rng.standard_t(5, sessions), market


def _clean(rng: np.random.Generator) -> Case:
    return Case("clean", *_line(rng), 500, ESTIMATION)


def _nearly_exact(rng: np.random.Generator, noise: float) -> Case:
    """R2 = 1 - noise^2 about: 0.9999 with 1e-2, 1 - 1e-10 with 1e-5."""
    market = rng.normal(0.0005, 0.01, 600)
    returns = 0.0003 + 1.1 * market + 0.011 * noise * rng.normal(size=600)
    return Case("R2 = 0.9999" if noise > 1e-4 else "R2 = 1 - 1e-10", returns, market, 500, ESTIMATION)


def _jump(rng: np.random.Generator) -> Case:
    """A day of +5000% inside the estimation window."""
    returns, market = _line(rng)
    returns[300] = 50.0
    return Case("a day of +5000% earlier", returns, market, 500, ESTIMATION)


def _bad_print(rng: np.random.Generator) -> Case:
    """A print 1e4 too high before the estimation window: up, and down again."""
    returns, market = _line(rng)
    returns[100], returns[101] = 1e4, -0.9999
    return Case("a 1e4 bad print earlier", returns, market, 500, ESTIMATION)


def _level(rng: np.random.Generator) -> Case:
    """A level (log turnover, log price) instead of a return: mean 15, deviation 0.02, on a market of level 15."""
    returns, market = _line(rng)
    return Case("a level of 15", 15.0 + returns, 15.0 + market, 500, ESTIMATION)


def _minutes(rng: np.random.Generator) -> Case:
    """400,000 minute bars to estimate on."""
    returns, market = _line(rng, 400_100, 0.002)
    return Case("400,000 minute bars", returns, 0.1 * market, 400_050, (-400_000, -1))
