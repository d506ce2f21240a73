"""One run of the batched event study: events in order, stretches of dates, blocks, and what is written down of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import batch_share
from .batch_comove import MIN_COMMON, ByDate, ByPair, Comovement, cheaper_by_pair, numbers_of_pairs
from .batch_dates import Tables, coefficients, explained
from .batch_fit import ATOM, DENSE, Block, Fitter, Pieces, cleaned, count_type
from .batch_found import Batch, Comoving, DaySums, RankSums, Wanted
from .batch_ranks import RankTally

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]

CHUNK = 800  # events held at once: their rows stay in a second-level cache of 2 MB, steps are few
TABLE_CELLS = 120_000  # cells of the tables of dates held at once
FEW = 3_000  # keys that are sorted by index as fast
HEAD_START = 0.06  # how much more the first worker takes
WORTH_A_WORKER = 5_000  # events below which another worker costs more than it takes over


class Part(NamedTuple):
    """What a stretch of dates came to: rank sums by window, correlation sums and numbers of clean events by date."""

    ranks: list[RankSums]
    rho: Array | None
    counts: Index | None


@dataclass(slots=True, eq=False)
class Run:
    """Events sorted by date (`order` gives their places as they came), and the arrays their numbers go into."""

    fit: Fitter
    wanted: Wanted
    chunk: int
    size: int
    order: Index
    security: Index
    first: Index  # first row of every event
    date: Index  # place of its session in `dates`
    dates: Index  # distinct sessions, ascending
    edges: Index  # sorted events edges[d]..edges[d + 1] belong to date d
    cuts: Index  # where pieces of dates begin, the end included
    whose: Index  # the date of each piece
    last: Mask  # no other piece of that date follows
    reach: int  # dates at most so far apart are correlated
    dense: bool
    sparse: bool
    sorted: bool  # the events came in this order, and all of them fit
    again: Index | None  # the row that answers for each event, where events are given twice
    out: dict[str, NDArray] = field(default_factory=dict)  # by event, at the places the events came in
    days: Array | None = None  # sums by date

    @classmethod
    def over(cls, fit: Fitter, security: Index, position: Index, wanted: Wanted, chunk: int) -> Run:
        plan = fit.plan
        s, t = fit.rows.shape[:2]
        # Index and sessions as four bytes each: with a million events these arrays are most of what is held.
        order = ((position >= -plan.low) & (position < t - plan.low)).nonzero()[0].astype(np.int32)
        key = position[order].astype(np.int64) * s + security[order]
        ascending = not (key[1:] < key[:-1]).any()
        if not ascending:
            order = order[stable_order(key, s * (t + plan.width))]
        del key
        first = (position[order] + plan.low).astype(np.int32)
        dates, edges = _runs(first)
        # Dates further apart than the longest window share no event session; where none are nearer, none need be kept.
        reach = max(min(plan.reach, plan.m - MIN_COMMON), 0)
        reach = reach if dates.size > 1 and (dates[1:] - dates[:-1]).min() <= reach else 0
        count, security = edges[1:] - edges[:-1], security[order].astype(np.int32)
        each = np.arange(dates.size, dtype=np.int32)
        date = np.repeat(each, count)
        cuts, whose, last = _cut(date, edges, each)
        apart = numbers_of_pairs(dates, count, reach) if wanted.comovement else None
        return cls(
            fit, wanted, chunk, position.size, order, security, first, date, dates.astype(np.int64) - plan.low, edges, cuts,
            whose, last, reach, order.size >= DENSE * dates.size,
            reach > 0 and apart is not None and cheaper_by_pair(float(apart.sum()), dates.size, order.size),
            ascending and order.size == position.size, _first_of_equals(security, first),
        )  # fmt: skip

    def carried_out(self, threads: int) -> Batch:
        workers = min(threads, self.order.size // WORTH_A_WORKER, self.dates.size)
        stretches = self._stretches(workers)
        self._allocate(shared=len(stretches) > 1 and batch_share.forks())
        return self._collected(batch_share.carried_out(self._stretch, stretches))

    def _allocate(self, shared: bool) -> None:
        """Room for the numbers of every event, at the places the events came in, and for sums by date."""
        plan, named = self.fit.plan, self.fit.model.named
        w, length = len(plan.events), plan.span.stop - plan.span.start
        shapes: dict[str, tuple[int, ...]] = {"sigma": (), "car": (w,), "se": (w,)}
        if self.wanted.coefficients:
            shapes |= {"coef": (named,), "r2": ()}
        if self.wanted.abnormal_returns:
            shapes["ar"] = (length,)
        for name, shape in shapes.items():
            self.out[name] = batch_share.zeros((self.size, *shape), float, shared)
        self.out["clean"] = batch_share.zeros((self.size,), bool, shared)
        if self.wanted.signs:
            self.out["up"] = batch_share.zeros((self.size,), count_type(plan.m), shared)
        if self.wanted.days:
            self.days = batch_share.zeros((self.dates.size, 4, length), float, shared)

    def _stretches(self, workers: int) -> list[tuple[int, int]]:
        """Ranges of dates with about as many events each, one a worker; the first, who has no run-up, takes a little more."""
        if workers <= 1:
            return [(0, self.dates.size)]
        share = (np.arange(1, workers) + HEAD_START) / (workers + HEAD_START)
        cuts = np.searchsorted(self.edges, self.order.size * share)
        ends = np.unique(np.concatenate([[0], cuts, [self.dates.size]])).tolist()
        return list(pairwise(ends))

    def _stretch(self, first: int, stop: int) -> Part:
        """Work off dates first..stop; before them the dates their pairs reach back to, for residuals only."""
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # missing rows are found by what they give
            return self._worked_off(first, stop)

    def _worked_off(self, first: int, stop: int) -> Part:
        plan, want = self.fit.plan, self.wanted
        warm = first
        if want.comovement and stop > first:
            warm = int(self.dates.searchsorted(self.dates[first] - self.reach))
        rows = min(max(self.chunk, ATOM), max(int(self.edges[stop] - self.edges[warm]), 1))
        tallies = [RankTally(plan.m, columns, rows) for columns in plan.events] if want.ranks else []
        pairs: Comovement | None = None
        if want.comovement:
            about = self.dates[warm:stop], plan.m, self.reach, self.fit.model.fitted
            pairs = ByPair(*about) if self.sparse else ByDate(*about)
        work = np.empty((rows, plan.width))
        for low, high in self._tables(warm, first, stop):
            shared = self.fit.tables(self.dates[low:high], self.dense)
            root = np.sqrt(shared.c)
            for events, pieces in self._blocks(low, high):
                date = self.date[events] - low
                block = self.fit.block(
                    self.security[events], self.first[events], date, pieces if self.dense else None, shared, work
                )
                place: slice | Index = events if self.sorted else self.order[events]
                if not block.clean.all():
                    block, pieces, keep = cleaned(block, pieces)
                    place, date = self.order[keep + events.start], date[keep]
                if low >= first and block.rss.size:
                    self._keep(place, block, date, shared, root)
                    if want.days:
                        self._add_days(block, pieces, low)
                    for tally in tallies:
                        tally.add(block.e)
                if pairs is not None:
                    pairs.add(block, pieces, low - warm)
                del block  # so that the next block goes to the same memory, which is in the cache
        ranks = [RankSums(t.sums, t.n) for t in tallies]
        if pairs is None:
            return Part(ranks, None, None)
        return Part(ranks, pairs.corrected()[first - warm :], pairs.counts[first - warm :])

    def _tables(self, warm: int, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Ranges of dates whose tables are held at once."""
        step = max(1, TABLE_CELLS // (max(self.fit.model.k - (not self.dense), 1) * self.fit.plan.width))
        for a, b in ((warm, first), (first, stop)):
            for low in range(a, b, step):
                yield low, min(low + step, b)

    def _blocks(self, low: int, high: int) -> Iterator[tuple[slice, Pieces]]:
        """Events and pieces of each block of dates low..high: whole pieces, together at most `chunk` events (or one piece)."""
        start, stop = int(self.edges[low]), int(self.edges[high])
        first, last = int(self.cuts.searchsorted(start)), int(self.cuts.searchsorted(stop))
        cuts = self.cuts
        while first < last:
            to = max(min(int(cuts.searchsorted(cuts[first] + self.chunk, side="right")) - 1, last), first + 1)
            edges = cuts[first : to + 1]
            pieces = Pieces(edges - edges[0], self.whose[first:to] - low, self.last[first:to])
            yield slice(int(edges[0]), int(edges[-1])), pieces
            first = to

    def _keep(self, place: slice | Index, block: Block, date: Index, shared: Tables, root: Array) -> None:
        """Write down what the block came to; `root` are the square roots of the variance multipliers of the dates."""
        out, want, model, m = self.out, self.wanted, self.fit.model, self.fit.plan.m
        around = block.rss - block.total**2 / m if model.centred else block.rss
        sigma = np.sqrt(around / (m - model.lost))
        out["clean"][place], out["sigma"][place], out["car"][place] = True, sigma, block.car
        out["se"][place] = root[date] * sigma[:, None]
        if want.signs:
            out["up"][place] = block.up
        if want.abnormal_returns:
            out["ar"][place] = block.e[:, self.fit.plan.span]
        if want.coefficients:
            out["coef"][place] = coefficients(model, m, block.a, block.total, shared.mean[date], shared.slope[date])
            out["r2"][place] = explained(model, m, block.a, block.rss, block.total)

    def _add_days(self, block: Block, pieces: Pieces, low: int) -> None:
        """Add abnormal returns, cumulative ones and their squares to the sums of their dates."""
        plan = self.fit.plan
        ar = block.e[:, plan.span]
        starts, dates = pieces.filled()
        total = np.add.reduceat(ar, starts, axis=0)
        before = plan.events[0].start - plan.span.start
        if self.dense:
            squares = _squares_by_piece(ar, starts, before)
        else:
            path = np.cumsum(ar, axis=1)
            path -= path[:, before - 1 : before].copy() if before else 0.0
            squares = np.stack([np.add.reduceat(v * v, starts, axis=0) for v in (ar, path)], axis=1)
        along = np.cumsum(total, axis=1)
        along -= along[:, before - 1 : before].copy() if before else 0.0
        sums = np.stack([total, squares[:, 0], along, squares[:, 1]], axis=1)
        np.add.at(self.days, dates + low, sums)  # type: ignore[arg-type]  # there where days are wanted

    def _collected(self, parts: Sequence[Part]) -> Batch:
        out, plan = self.out, self.fit.plan
        by_window = zip(*(p.ranks for p in parts))
        ranks = tuple(RankSums(sum(r.sums for r in found), sum(r.n for r in found)) for found in by_window)
        if self.again is not None:
            # An event that is given twice has one answer, that of its first row: a matrix product may round its rows apart.
            for values in out.values():
                values[self.order] = values[self.order[self.again]]
        if not out["clean"].all():
            for values in out.values():
                if values.dtype.kind == "f":
                    values[~out["clean"]] = np.nan
        return Batch(
            clean=out["clean"], order=self.order[out["clean"][self.order]], m=plan.m, df=plan.m - self.fit.model.lost,
            sigma=out["sigma"], car=out["car"], se=out["se"], up=out.get("up"), coef=out.get("coef"), r2=out.get("r2"),
            ar=out.get("ar"), days=None if self.days is None else DaySums(*self.days.sum(axis=0)), ranks=ranks,
            comoving=self._comoving(parts),
        )  # fmt: skip

    def _comoving(self, parts: Sequence[Part]) -> Comoving | None:
        """Sums over dates, in their order, of what the stretches found; distances without common sessions count 0."""
        if not self.wanted.comovement:
            return None
        plan = self.fit.plan
        found = np.concatenate([p.rho for p in parts if p.rho is not None])
        counts = np.concatenate([p.counts for p in parts if p.counts is not None])
        rho, pairs = np.zeros(plan.reach + 1), np.zeros(plan.reach + 1)
        rho[: self.reach + 1] = found.sum(axis=0)
        apart = plan.reach if self.dates.size > 1 else 0
        pairs[: apart + 1] = numbers_of_pairs(self.dates, counts, apart)
        few = max(plan.m - MIN_COMMON + 1, 0)  # from this distance on
        rho[few:], flagged = 0.0, pairs.copy()
        flagged[:few] = 0.0
        return Comoving(rho, pairs, flagged)


def _squares_by_piece(ar: Array, starts: Index, before: int) -> Array:
    """(pieces, 2, L): sums of squares of abnormal returns (n, L) and of their cumulative sums, zero at column before - 1.

    Both are read off the sums of products of any two columns, one small matrix product a piece.
    """
    length = ar.shape[1]
    products = np.empty((starts.size, length, length))
    ends = np.append(starts[1:], ar.shape[0]).tolist()
    for k, (start, stop) in enumerate(zip(starts.tolist(), ends)):
        np.matmul(ar[start:stop].T, ar[start:stop], out=products[k])
    steps = np.tril(np.ones((length, length)))  # row t of the path is the sum of columns from `before` to t
    steps -= steps[before - 1] if before else 0.0
    path = np.vecdot(steps @ products, steps)
    return np.stack([np.einsum("kll->kl", products), path], axis=1)


def _cut(date: Index, edges: Index, each: Index) -> tuple[Index, Index, Mask]:
    """Where pieces of at most `ATOM` events of one date begin (the end included), their dates, and which end a date."""
    if not each.size or (edges[1:] - edges[:-1]).max() <= ATOM:
        return edges, each, np.ones(each.size, bool)
    within = np.arange(date.size, dtype=np.int32) - edges[date].astype(np.int32)
    starts = (within % ATOM == 0).nonzero()[0]
    whose = date[starts]
    return np.append(starts, date.size), whose, np.append(whose[1:] != whose[:-1], True)


def stable_order(key: Index, limit: int) -> Index:
    """Places of keys 0 <= key < limit in ascending order, equal ones as they came.

    With its place in the lowest bits a key is a number to be sorted as it is, which is several times faster.
    """
    bits = key.size.bit_length()
    if key.size < FEW or limit << bits > np.iinfo(np.int64).max:
        return np.argsort(key, kind="stable")
    packed = key << bits
    packed |= np.arange(key.size)
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def _first_of_equals(security: Index, first: Index) -> Index | None:
    """Of sorted events, the place of the first that is the same event; None where all differ."""
    same = (first[1:] == first[:-1]) & (security[1:] == security[:-1])
    if not same.any():
        return None
    own = np.arange(first.size, dtype=np.int32)
    own[1:][same] = 0
    return np.maximum.accumulate(own)


def _runs(values: Index) -> tuple[Index, Index]:
    """Distinct values of an ascending array, and where each begins, the end included."""
    new = np.ones(values.size + 1, bool)
    np.not_equal(values[1:], values[:-1], out=new[1 : values.size])
    edges = new.nonzero()[0] if values.size else np.zeros(1, np.int64)
    return values[edges[:-1]], edges
