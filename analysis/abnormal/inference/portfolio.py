"""One common date: the equal-weighted portfolio of the firms, tested as one share (all correlation absorbed)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..domain import AbnormalReturns, PairResult, TestOptions, TestResult, Window
from ..registry import TESTS
from ._cross import cars, chosen, too_few
from .single_t import t_car
from .sq import REFERENCE as SQ_REFERENCE
from .sq import sq

T_FORMS = ("full", "fec_none")
SQ_FORMS = ("abs_studentized", "two_min", "overlap", "blocks", "studentized")
PairTest = Callable[[AbnormalReturns, Window, TestOptions], PairResult]


def _on_portfolio(
    name: str, test: PairTest, forms: tuple[str, ...], ar: AbnormalReturns, window: Window, opt: TestOptions
) -> TestResult:
    form = chosen(name, opt, forms)
    n = cars(ar, window)[1].size
    if n < 2:
        return too_few(name, ar, window, n, 2, form)
    if opt.portfolio is None:
        return TestResult.none(name, window, f"{name} needs several firms on one common event date", form)
    answer = test(opt.portfolio, window, replace(opt, variant=form)).one(0)
    if not np.isfinite(answer.statistic) and not answer.reason:
        return TestResult.none(name, window, "the portfolio has no return in the window", form)
    return replace(answer, test=name, variant=form, extra={**answer.extra, "firms": n})


@TESTS.add(
    "portfolio_t",
    reference="doi:10.1016/0304-405X(80)90002-1",
    scope="cross",
    min_pairs=2,
    one_date=True,
    variants=T_FORMS,
    formula="t = CAR_p / (s_p sqrt(c)) ~ t(M - k) for R_p = mean_i R_i",
    assumes={"normal, independent portfolio errors", "no event-induced variance"},
    robust_to={"cross-correlation"},
    others="identical to the multivariate-regression test that the mean effect is zero",
    check="public check value: 0.3146650432 (six complete firms), window [-1, +3]",
)
def portfolio_t(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """t test of the firms' equal-weighted portfolio: whatever they share is in its variance.

    CAR of R_p = mean_i R_i over s_p sqrt(c) ~ t(M - k), rows complete for all firms. n is M, the portfolio's rows.
    """
    return _on_portfolio("portfolio_t", t_car, T_FORMS, ar, window, opt)


@TESTS.add(
    "portfolio_sq",
    reference=SQ_REFERENCE,
    scope="cross",
    min_pairs=2,
    one_date=True,
    variants=SQ_FORMS,
    formula="SQ on R_p = mean_i R_i: p = (1 + #{|z_q| >= |z_0|}) / (m + 1)",
    assumes={"event day exchangeable with the estimation days", "no event-induced variance"},
    robust_to={"cross-correlation", "fat tails"},
    others="none of the packages read has it",
    check="public check value: p 0.7383966245 (six complete firms), window [-1, +3]",
)
def portfolio_sq(ar: AbnormalReturns, window: Window, opt: TestOptions) -> TestResult:
    """Where does the firms' joint move rank among all comparable windows before it?

    The test `sq` on the equal-weighted portfolio; n is the number of windows compared with, `extra["min_p"]` the smallest
    p it could have given.
    """
    return _on_portfolio("portfolio_sq", sq, SQ_FORMS, ar, window, opt)
