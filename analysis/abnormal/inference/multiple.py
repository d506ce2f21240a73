"""One family, many firms: p-values adjusted for having looked at every firm of the study."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..domain import AbnormalReturns, FloatArray, TestOptions, TestResult, Window
from ..kernel import multiple
from ..registry import TESTS
from ._cross import chosen, first_reason, keep_complete, one_date_rows, usable_rows
from ._runs import joint_runs
from ._window import window_stats
from .single_t import t_car
from .sq import sq

MIN_WINDOWS = 19
BASE = ("t_car", "sq")
RW = ("studentized", "raw")


def _answer(
    test: str,
    ar: AbnormalReturns,
    window: Window,
    form: str,
    adjusted: FloatArray,
    single: FloatArray,
    sign: FloatArray,
) -> TestResult:
    """The family's smallest adjusted p, whose it is and in which direction; all adjusted p in `extra`.

    Where several firms share the smallest adjusted p, the one with the smallest p of its own is named.
    """
    best = int(
        np.lexsort((np.where(np.isfinite(single), single, np.inf), np.where(np.isfinite(adjusted), adjusted, np.inf)))[
            0
        ]
    )
    p = float(adjusted[best])
    extra = {"adjusted": adjusted, "firm": ar.ticker[best], "pair": best, "sign": int(np.sign(sign[best])), "p": single}
    return TestResult(test, window, p, p, np.nan, int(np.isfinite(adjusted).sum()), form, extra=extra)


def _family(
    test: str, adjust: Callable[[FloatArray], FloatArray], ar: AbnormalReturns, window: Window, opt: TestOptions
) -> TestResult:
    form = chosen(test, opt, BASE)
    single = (t_car if form == "t_car" else sq)(ar, window, TestOptions(alternative=opt.alternative))
    p = np.where(np.isfinite(single.statistic), single.p, np.nan)
    n = int(np.isfinite(p).sum())
    if n < 2:
        why = next((f" ({r})" for r in single.reason if r), "")
        return TestResult.none(
            test, window, f"{test} needs a family of 2 firms with a p-value, this study has {n}{why}", form
        )
    return _answer(test, ar, window, form, adjust(p), p, window_stats(ar, window).car)


@TESTS.add(
    "bonferroni",
    reference="doi:10.1080/01621459.1961.10482090",
    scope="adjust",
    min_pairs=2,
    variants=BASE,
    formula="adj p_i = min(1, m p_i) over the firms of the study",
    robust_to={"any dependence"},
    others="statsmodels multipletests(method='bonferroni')",
    check="equal to statsmodels in the tests",
)
def bonferroni(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """The smallest single-firm p, times the number of firms looked at.

    adj p_i = min(1, m p_i); p of t_car (default) or `sq`. `extra["adjusted"]` holds all firms.
    """
    return _family("bonferroni", multiple.bonferroni, ar, window, opt)


@TESTS.add(
    "holm",
    reference="doi:10.2307/4615733",
    scope="adjust",
    min_pairs=2,
    variants=BASE,
    formula="adj p_(j) = max_{l <= j} min(1, (m - l + 1) p_(l))",
    robust_to={"any dependence"},
    others="statsmodels multipletests(method='holm')",
    check="public check value: 0.2074462798 for the fifth firm of eight, window [-1, +3]",
)
def holm(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Bonferroni step by step: never weaker, still valid under any dependence.

    adj p_(j) = max_{l <= j} min(1, (m - l + 1) p_(l)); p of t_car (default) or `sq`.
    """
    return _family("holm", multiple.holm, ar, window, opt)


@TESTS.add(
    "bh",
    reference="doi:10.1111/j.2517-6161.1995.tb02031.x",
    scope="adjust",
    min_pairs=2,
    variants=BASE,
    formula="adj p_(j) = min_{l >= j} m p_(l) / l",
    assumes={"independent or positively dependent firms"},
    others="statsmodels multipletests(method='fdr_bh')",
    check="public check value: 0.2048397477 for the fifth firm of eight, window [-1, +3]",
)
def bh(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """False discovery rate: the share of named firms expected to be named wrongly (Benjamini and Hochberg).

    adj p_(j) = min_{l >= j} m p_(l) / l; p of t_car (default) or `sq`.
    """
    return _family("bh", multiple.bh, ar, window, opt)


@TESTS.add(
    "by",
    reference="doi:10.1214/aos/1013699998",
    scope="adjust",
    min_pairs=2,
    variants=BASE,
    formula="bh times 1 + 1/2 + ... + 1/m",
    robust_to={"any dependence"},
    others="statsmodels multipletests(method='fdr_by')",
    check="equal to statsmodels in the tests",
)
def by(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """False discovery rate under any dependence between the firms (Benjamini and Yekutieli).

    `bh` times 1 + 1/2 + ... + 1/m; p of t_car (default) or `sq`.
    """
    return _family("by", multiple.by, ar, window, opt)


@TESTS.add(
    "romano_wolf",
    reference="doi:10.1111/j.1468-0262.2005.00615.x",
    scope="adjust",
    min_pairs=2,
    one_date=True,
    variants=RW,
    formula="p_(j) = (1 + #{q: max_{l >= j} |z_lq| >= |z_(j)|}) / (m + 1), running maximum; z_q on the same pseudo window q",
    assumes={"event day exchangeable with the estimation days"},
    robust_to={"cross-correlation", "fat tails"},
    others="pyfixest rwolf is a bootstrap of regression coefficients",
    check="public check value: 0.1561181435 for the fifth of six complete firms, raw 0.135021097, window [-1, +3]",
)
def romano_wolf(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Which single firm moved, allowing for having looked at all of them and for their moving together?

    Step-down on maxima over firms of |z| on the same estimation windows: `studentized` sums of SQ (default), or `raw`
    residual sums over sd(CAR). `extra["adjusted"]` has every firm (NaN where left out), the answer is the smallest.
    """
    form = chosen("romano_wolf", opt, RW)
    usable = usable_rows(ar, window)
    if usable.size < 2:
        why = first_reason(window_stats(ar, window))
        text = f"romano_wolf needs a family of 2 firms, this study has {usable.size}{why}"
        return TestResult.none("romano_wolf", window, text, form)
    refusal = one_date_rows("romano_wolf", ar, window, usable, 2, form)
    if refusal is not None:
        return refusal
    rows, left_out = keep_complete(ar, usable, opt.min_obs)
    w = window_stats(ar, window)
    null = joint_runs(ar, rows, window, form == "studentized")
    if form == "raw":
        null = null / w.se[rows]
    if rows.size < 2 or null.shape[0] < MIN_WINDOWS:
        text = f"{null.shape[0]} windows complete for {rows.size} firms; romano_wolf needs {MIN_WINDOWS} and 2 firms"
        return TestResult.none("romano_wolf", window, text, form)
    size = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[opt.alternative]
    adjusted, single = np.full(ar.size, np.nan), np.full(ar.size, np.nan)
    observed, drawn = size(w.scar[rows]), size(null)
    adjusted[rows] = multiple.romano_wolf(observed, drawn)
    single[rows] = -observed  # the order of the step-down, to name one firm among ties
    answer = _answer("romano_wolf", ar, window, form, adjusted, single, w.car)
    extra = {k: v for k, v in answer.extra.items() if k != "p"}
    extra |= {"m": null.shape[0], "min_p": 1.0 / (null.shape[0] + 1), "left_out": left_out}
    return TestResult("romano_wolf", window, answer.statistic, answer.p, np.nan, answer.n, form, extra=extra)
