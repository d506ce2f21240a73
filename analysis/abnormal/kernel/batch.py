"""The event study of very many events: residuals, CARs and what the tests need of them, streamed in blocks.

    order    events by date, then security: whatever order they came in, they are worked on in this one
    dates    what the events of a date share: basis of the design, variance multiplier        batch_dates.py
    blocks   gather rows, take the model off, sums                                            batch_fit.py
    ranks    column sums of ranks                                                             batch_ranks.py
    pairs    correlation sums over all pairs whose windows meet                               batch_comove.py

A block of a few hundred events fits the second-level cache; numpy lets go of the interpreter in every step, so threads
take stretches of dates. No number depends on blocks, threads or the order of the events: rows are computed one by one or
in products whose shape the data fix, rank sums are exact, everything else is summed date by date in one order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .batch_comove import MIN_COMMON, ByDate, ByPair, Comovement, apart, cheaper_by_pair
from .batch_dates import Layout, Model, Window, coefficients, layout
from .batch_fit import DENSE, Atom, Block, Fitter, Workspace, fitter
from .batch_ranks import rank_sums

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

CHUNK = 192  # events held at once: their rows and as many scratch rows stay in a second-level cache of 1 MB
ATOM = 256  # events of one date taken together, whatever the chunk
TABLE_CELLS = 300_000  # cells of the tables of dates held at once


@dataclass(frozen=True, slots=True, eq=False)
class RankSums:
    """Sums of ranks over `n` complete events, by column: estimation sessions, then event sessions (M + L,)."""

    sums: Array
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Comoving:
    """rho[d]: sum of residual correlations over pairs of events d sessions apart; pairs[d]: how many pairs there are.

    Pairs with fewer than 30 common sessions count 0; `flagged` says how many of each distance did.
    """

    rho: Array
    pairs: Array
    flagged: Array


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What became of E events, in the order they were given; NaN where `clean` is False.

    clean (E,): inside the series, complete, not an exact fit; the others are for the pair-by-pair path. sigma, r2 (E,),
    coef (E, 1 + q), car, se (E, windows), up (E,): positive residuals, m estimation rows, df degrees of freedom. order
    (n,): the clean events by date and security, the order in which sums over events are taken.
    """

    clean: Mask
    order: Index
    m: int
    df: int
    sigma: Array
    car: Array
    se: Array
    up: Index
    coef: Array | None
    r2: Array | None
    ar: Array | None
    ranks: tuple[RankSums, ...]
    comoving: Comoving | None

    @property
    def scar(self) -> Array:
        """(E, windows) CAR over its forecast error."""
        return self.car / self.se


@dataclass(frozen=True, slots=True)
class Wanted:
    """By-products worth their time only where a test or a table asks for them."""

    ranks: bool = True
    signs: bool = True
    comovement: bool = True
    coefficients: bool = True
    abnormal_returns: bool = False


def run_batch(
    returns: Array,
    model: Model,
    security: Index,
    position: Index,
    *,
    estimation: Window,
    windows: Sequence[Window],
    wanted: Wanted | None = None,
    threads: int = 1,
    chunk: int = CHUNK,
) -> Batch:
    """Estimate and sum up many events on complete rows.

    Parameters
    ----------
    returns : (S, T) decimal returns, security-major; NaN where there is none.
    model : regressors common to all securities, and what the forecast carries.
    security, position : (E,) row of `returns` and column of day 0.
    estimation, windows : offsets in sessions, both ends included; windows follow the estimation window.
    wanted : by-products; all but single abnormal returns by default.
    threads, chunk : how the work is cut; no number depends on them.

    Returns
    -------
    Batch

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> market = rng.normal(0, 0.01, 300)
    >>> returns = market + rng.normal(0, 0.02, (5, 300))
    >>> batch = run_batch(returns, Model(market[None]), np.arange(5), np.full(5, 280), estimation=(-250, -11),
    ...                   windows=[(-1, 1)])
    >>> batch.car.shape, batch.m, batch.df
    ((5, 1), 240, 238)
    """
    plan = layout(estimation, tuple(windows))
    return _Run.over(returns, model, plan, security, position, wanted or Wanted(), chunk).carried_out(threads)


# ------------------------------------------------------------------------------------------------ one run


@dataclass(slots=True, eq=False)
class _Run:
    """Events sorted by date (`order` gives their places as they came), and the arrays their numbers go into."""

    fit: Fitter
    wanted: Wanted
    chunk: int
    size: int
    order: Index
    security: Index
    position: Index
    dates: Index  # distinct sessions, ascending
    edges: Index  # sorted events edges[d]..edges[d + 1] belong to date d
    reach: int  # dates at most so far apart are correlated
    sparse: bool
    out: dict[str, NDArray] = field(default_factory=dict)

    @classmethod
    def over(cls, fit: Fitter, security: Index, position: Index, wanted: Wanted, chunk: int) -> _Run:
        plan, (s, t) = fit.plan, fit.returns.shape
        first = position + plan.low
        order = np.flatnonzero((first >= 0) & (first + plan.width <= t))
        order = order[np.argsort(position[order] * s + security[order], kind="stable")]
        dates, starts = np.unique(position[order], return_index=True)
        edges = np.append(starts, order.size)
        reach = max(min(plan.reach, plan.m - MIN_COMMON), 0)
        sparse = wanted.comovement and cheaper_by_pair(dates, np.diff(edges), reach)
        return cls(fit, wanted, chunk, position.size, order, security[order], position[order], dates, edges, reach, sparse)

    def carried_out(self, threads: int) -> Batch:
        self._allocate()
        stretches = self._stretches(threads)
        if len(stretches) == 1:
            parts = [self._stretch(*stretches[0])]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(lambda s: self._stretch(*s), stretches))
        return self._collected(parts)

    def _allocate(self) -> None:
        e, plan, want = self.size, self.fit.plan, self.wanted
        w = len(plan.events)
        columns: dict[str, tuple[int, ...]] = {"sigma": (e,), "car": (e, w), "se": (e, w)}
        if want.coefficients:
            columns |= {"coef": (e, self.fit.coefficients), "r2": (e,)}
        if want.abnormal_returns:
            columns["ar"] = (e, plan.width - plan.m)
        self.out = {name: np.full(shape, np.nan) for name, shape in columns.items()}
        self.out["up"] = np.zeros(e if want.signs else 0, np.int32)
        self.out["clean"] = np.zeros(e, bool)

    def _stretches(self, threads: int) -> list[tuple[int, int]]:
        """Ranges of dates of about equal size: one for one thread, else three a thread."""
        pieces = 1 if threads <= 1 else 3 * threads
        cuts = np.searchsorted(self.edges, np.linspace(0, self.order.size, pieces + 1)[1:-1])
        ends = np.unique(np.concatenate([[0], cuts, [self.dates.size]])).tolist()
        return list(zip(ends[:-1], ends[1:])) or [(0, 0)]

    def _stretch(self, first: int, stop: int) -> _Part:
        """Work off dates first..stop; before them the dates their pairs reach back to, for residuals only."""
        plan, want = self.fit.plan, self.wanted
        warm = first
        if want.comovement and stop > first:
            warm = int(np.searchsorted(self.dates, self.dates[first] - self.reach))
        rows = self.chunk + ATOM
        space = Workspace(rows, plan.width)
        tallies = [RankTally(plan.m, columns, rows) for columns in plan.events] if want.ranks else []
        kind: type[Comovement] = ByPair if self.sparse else ByDate
        pairs = kind(self.dates[warm:stop], plan.m, self.reach) if want.comovement else None
        for low, high in self._tables(warm, first, stop):
            shared = self.fit.tables(self.dates[low:high])
            for start, atoms in self._blocks(low, high):
                events = slice(start, start + atoms[-1].stop)
                block = self.fit.block(self.security[events], self.position[events], atoms, shared, space)
                place = self.order[events]
                if not block.clean.all():
                    block, atoms, keep = cleaned(block, atoms)
                    place = place[keep]
                if pairs is not None:
                    pairs.add(block, atoms, low - warm)
                if low >= first:
                    self._keep(place, block, atoms, shared)
                    for tally in tallies:
                        tally.add(block.e)
        sums = None if pairs is None else pairs.corrected()[first - warm :]
        return _Part([RankSums(t.sums, t.n) for t in tallies], sums, 0 if pairs is None else pairs.counts[first - warm :])

    def _tables(self, warm: int, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Ranges of dates whose tables are held at once."""
        plan = self.fit.plan
        step = max(1, TABLE_CELLS // (max(self.fit.model.k, 1) * plan.width))
        for a, b in ((warm, first), (first, stop)):
            for low in range(a, b, step):
                yield low, min(low + step, b)

    def _blocks(self, low: int, high: int) -> Iterator[tuple[int, list[Atom]]]:
        """First event and atoms of each block: whole atoms, together about `chunk` events. Starts count from the block."""
        base, atoms = int(self.edges[low]), []
        for d in range(low, high):
            start, stop = int(self.edges[d]), int(self.edges[d + 1])
            for a in range(start, stop, ATOM):
                b = min(a + ATOM, stop)
                atoms.append(Atom(a - base, b - base, d - low, b == stop))
                if b - base >= self.chunk:
                    yield base, atoms
                    base, atoms = b, []
        if atoms:
            yield base, atoms

    def _keep(self, place: Index, block: Block, atoms: list[Atom], shared: Tables) -> None:
        """Write what the block came to at the places of its events."""
        out, want, plan, model = self.out, self.wanted, self.fit.plan, self.fit.model
        date = dates_of(atoms)
        rss = block.rss - block.total**2 / plan.m if model.centred else block.rss
        sigma = np.sqrt(rss / (plan.m - model.df_lost))
        out["clean"][place] = True
        out["sigma"][place] = sigma
        out["car"][place] = block.car
        out["se"][place] = sigma[:, None] * np.sqrt(shared.c[date])
        if want.signs:
            out["up"][place] = np.count_nonzero(block.e[:, : plan.m] > 0.0, axis=1)
        if want.abnormal_returns:
            out["ar"][place] = block.e[:, plan.m :]
        if want.coefficients:
            out["coef"][place] = coefficients(model, plan, block, shared, date)
            out["r2"][place] = explained(model, block)
