"""One-session series brought to the sessions a return covers."""

from __future__ import annotations

import numpy as np

from ..domain import FloatArray, Sample


def compounded(sample: Sample, values: FloatArray) -> FloatArray:
    """One-session values (E, W, ...) summed up over the sessions each return covers, where it covers more than one.

    A return whose first covered session lies before the sample gets NaN.
    """
    out = values
    for e, w in np.argwhere((sample.span > 1) & np.isfinite(sample.y)):
        if out is values:
            out = values.copy()
        start = int(w) - int(sample.span[e, w]) + 1
        block = values[e, max(start, 0) : w + 1]
        total = block.sum(axis=0) if sample.kind == "log" else np.prod(1.0 + block, axis=0) - 1.0
        out[e, w] = total if start >= 0 else np.nan
    return out
