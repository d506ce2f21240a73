"""The range event test: was the day wider than the share's days usually are?"""

from __future__ import annotations

from functools import partial

from ..domain import AbnormalReturns, PairResult, TestOptions, TestResult, Window
from ..kernel import ohlc
from ..registry import TESTS
from ._bars import DayActivity, each, given

NEEDS_RANGE = "needs daily high and low prices"


@TESTS.add(
    "range_variance",
    reference="doi:10.1086/296071",
    scope="activity",
    variants=("parkinson",),
    formula="z = (ln PK_0 - mean) / (sd sqrt(1 + 1/m)) ~ t(m - 1), PK = (ln H/L)^2 / (4 ln 2)",
    assumes={"a log range that is near normal", "no volatility clusters"},
    others="none of the packages read; Alizadeh, Brandt and Diebold (2002) for the normality of the log range",
    check="public check value: jump day z 4.211550913",
)
def range_variance(ar: AbnormalReturns, window: Window, opt: TestOptions) -> PairResult:
    """Was the range of the event session wider than usual?

    The logarithm of the Parkinson variance of one session against those of the estimation sessions; the rank p stands
    beside it (`p_rank`). The overnight move is not in a range. A wide range has no direction: it votes for the side on
    which the session closed.
    """
    return each(
        "range_variance", ar, window, "parkinson", given(opt, "activity"), NEEDS_RANGE, partial(_answer, window, opt)
    )


def _answer(window: Window, opt: TestOptions, day: DayActivity) -> TestResult:
    if not day.bars and window[0] != window[1]:
        return TestResult.none(
            "range_variance", window, "a range is that of one session: give a window such as (0, 0)", "parkinson"
        )
    row = day.event + (0 if day.bars else window[0])
    if not 0 <= row < day.high.size:
        return TestResult.none("range_variance", window, "no such session", "parkinson")
    variance = ohlc.parkinson(day.high, day.low)
    found = ohlc.range_test(variance[row], variance[day.est], opt.alternative)  # type: ignore[arg-type]
    if str(found.reason):
        return TestResult.none("range_variance", window, str(found.reason), "parkinson")
    extra = {"p_rank": float(found.p_rank), "min_p": float(found.smallest_p), "sign": float(day.direction)}
    return TestResult(
        "range_variance",
        window,
        float(found.z),
        float(found.p),
        float(found.df),
        float(found.m),
        "parkinson",
        extra=extra,
    )
