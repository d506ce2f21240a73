"""The day's peak against other days' peaks: the intraday-extreme statistic from daily high, low and close."""

from __future__ import annotations

import numpy as np

from ..domain import AbnormalReturns, PairResult, TestOptions, Window
from ..registry import TESTS


@TESTS.add(
    "intraday_extreme",
    reference="doi:10.1214/aoms/1177729589",
    scope="pair",
    variants=("rank",),
    formula="p = (1 + #{x_d >= x_0}) / (m + 1), x_d = ln(H_d / C_{d-1}) (falls: L_d) over the estimation sessions",
    assumes={"event day exchangeable with the estimation days"},
    robust_to={"fat tails"},
    others="none of the packages read; comparing a peak with a close-to-close sd is wrong",
)
def intraday_extreme(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Is the day's peak far even for a peak?

    The extreme of day 0 is ranked among the extremes of the estimation sessions in the direction the day closed. Only for
    the window (0, 0) and prices with high and low.
    """
    rows = opt.study.get("jump", {})
    e = ar.size
    p, n, sign, stat = (np.full(e, np.nan) for _ in range(4))
    reason = []
    for i in range(e):
        day = rows.get(i)
        if window != (0, 0):
            reason.append("the peak of a day belongs to the window (0, 0)")
        elif day is None or not np.isfinite(day["rank_p"]):
            reason.append("needs daily high and low prices" if day is None else day["reason"] or "no rank")
        else:
            p[i], n[i], sign[i], stat[i] = day["rank_p"], day["rank_n"], day["direction"], day["robust_z"]
            reason.append("")
    extra = {"min_p": 1.0 / (n + 1), "sign": sign}
    return PairResult("intraday_extreme", window, stat, p, np.full(e, np.nan), n, "rank", tuple(reason), extra)
