"""The public check file and its three data sets as arrays (null = NaN)."""

import functools
import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden" / "golden_public.json"


@functools.lru_cache(maxsize=1)
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def clustered():
    """ret (300 x 8), mkt, smb, hml, rf (300 each); est and ev row numbers; event row 270."""
    part = golden()["clustered"]
    data = {key: np.array(part["data"][key], dtype=float) for key in ("ret", "mkt", "smb", "hml")}
    first, last = part["est_rows"]
    a, b = part["event_window"]
    row = part["event_row"]
    rows = dict(est=list(range(first, last + 1)), ev=list(range(row + a, row + b + 1)), event_row=row)
    return data | rows | dict(rf=np.full(len(data["mkt"]), part["data"]["rf"]))


def dispersed():
    """ret (600 x 20), mkt, pos; est and ev row numbers of each firm."""
    part = golden()["dispersed"]
    data = {key: np.array(part["data"][key], dtype=float) for key in ("ret", "mkt")}
    pos, (first, last), (a, b) = part["data"]["pos"], part["est"], part["window"]
    est = [list(range(p + first, p + last + 1)) for p in pos]
    return data | dict(pos=pos, est=est, ev=[list(range(p + a, p + b + 1)) for p in pos])


def intraday():
    """r (30 x 66) bar log returns, overnight (30), jump_day, jump_bar."""
    data = golden()["intraday"]["data"]
    return data | {key: np.array(data[key], dtype=float) for key in ("r", "overnight")}
