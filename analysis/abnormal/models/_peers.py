"""Control shares as a model needs them: on the rows of the share, and with the reasons where they are not there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..domain import BoolArray, FloatArray, Sample
from ._linear import estimation_columns, merged, short_reasons
from ._options import keyed
from ._spans import compounded

NO_PEERS = 'peers; give options={"peers": [...]}'
NO_DONOR = "no control share has a return in the estimation window"


class Donors(NamedTuple):
    """r (E, W, J): returns over the sessions of each row, 0 where a control share is left out; live (E, J): those kept.

    use (E, W): estimation rows on which the share and all kept control shares have a return.
    """

    r: FloatArray
    live: BoolArray
    use: BoolArray


def has_peers(sample: Sample) -> bool:
    return sample.peers is not None and sample.peers.shape[2] > 0


def donors_of(sample: Sample) -> Donors:
    """Control shares with at least one return in the estimation window, and the rows all of them have."""
    assert sample.peers is not None
    r = compounded(sample, sample.peers)
    live = np.any(np.isfinite(r[:, estimation_columns(sample)]), axis=1)
    r = np.where(live[:, None, :], r, 0.0)
    use = sample.est & np.isfinite(sample.y) & np.isfinite(r).all(axis=2) & np.any(live, axis=1)[:, None]
    return Donors(r, live, use)


def donor_names(sample: Sample, i: int) -> tuple[str, ...]:
    """Names of pair i's control shares, or donor1, donor2, ... where the sample does not know them."""
    assert sample.peers is not None
    count = sample.peers.shape[2]
    if sample.peer_of is not None:
        return tuple(sample.peer_names[j] for j in sample.peer_of[i])
    return sample.peer_names if len(sample.peer_names) == count else tuple(f"donor{j + 1}" for j in range(count))


def common_names(sample: Sample) -> tuple[str, ...]:
    """Names of the control shares where all pairs have the same ones, else w1, w2, ..."""
    assert sample.peers is not None
    names = {donor_names(sample, i) for i in range(sample.size)}
    return names.pop() if len(names) == 1 else tuple(f"w{j + 1}" for j in range(sample.peers.shape[2]))


def donor_reasons(sample: Sample, donors: Donors, model: str, k: int = 0) -> list[str]:
    """Too few complete sessions, naming the control share with the fewest returns; "" for a pair that can go on."""
    reason = short_reasons(sample, sample.est.sum(axis=1), k, model)
    reason = merged(reason, ~np.any(donors.live, axis=1), NO_DONOR)
    for i, text in enumerate(short_reasons(sample, donors.use.sum(axis=1), k, model)):
        if text and not reason[i]:
            counts = np.isfinite(donors.r[i, sample.est[i]]).sum(axis=0)
            worst = int(np.argmin(counts))
            reason[i] = f"{text} that all its peers share; {donor_names(sample, i)[worst]} has {int(counts[worst])}"
    return reason


def left_out(sample: Sample, donors: Donors) -> dict[tuple[str, str], str]:
    """Which control shares had no return in the estimation window, by pair."""
    gone = {}
    for i in np.flatnonzero(~donors.live.all(axis=1)):
        names = donor_names(sample, int(i))
        missing = [n for n, k in zip(names, donors.live[i]) if not k]
        gone[int(i)] = "no return in the estimation window: " + ", ".join(missing)
    return keyed(sample, gone)
