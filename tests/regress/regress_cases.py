"""Cases on the public check data for the regression tests."""

import pandas as pd

from abnormal import Returns, StudySpec
from abnormal.case import build as build_case
from abnormal.request import settle

CHARACTERISTIC = [-1.0, -0.116, 0.192, 0.308, 0.616, 1.5]
CLUSTERS = [0, 0, 1, 1, 2, 2]


def case_of(ret, market, events, **spec):
    """A case from returns (T, S) on business days, a market (T,) and a table of events with row numbers in `row`."""
    days = pd.bdate_range("2020-01-01", periods=len(ret))
    frame = pd.DataFrame(ret, index=days, columns=[f"F{i}" for i in range(ret.shape[1])])
    frame.index.name = "date"
    table = pd.DataFrame(events)
    table["date"] = days[table.pop("row").to_numpy(int)]
    chosen = StudySpec(**({"model": "market", "estimation": (-250, -11), "windows": [(-1, 3), (0, 0)]} | spec))
    benchmark = None if market is None else pd.Series(market, index=days)
    return build_case(settle(table, Returns(frame), chosen, benchmark=benchmark, catalogue=False))


def clustered_events(firms=range(6), row=270, event_id="e", **columns):
    names = [f"F{i}" for i in firms]
    given = {"size": CHARACTERISTIC, "industry": CLUSTERS} if len(names) == 6 else {}
    return pd.DataFrame({"event_id": event_id, "ticker": names, "row": row} | given | columns)
