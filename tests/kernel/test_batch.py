"""The batched kernel against the waist: the same numbers pair by pair, whatever the blocks, threads or order of events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from abnormal.inference._correlation import correlation_of
from abnormal.inference._window import window_stats
from abnormal.inputs.sample import cut
from abnormal.kernel import batch_comove, ranks
from abnormal.kernel.batch import Batch, Wanted, mean_correlation, residual_rows, run_batch
from abnormal.kernel.batch_dates import Model, layout, stretches, tables
from abnormal.kernel.batch_ranks import RankTally
from abnormal.kernel.batch_run import stable_order
from abnormal.registry import MODELS
from build import Study, study, tape_of

ESTIMATION, WINDOWS = (-130, -11), [(-10, 10), (0, 1), (-1, -1)]
SECURITIES, SESSIONS = 24, 320


def panel(seed: int = 3, gaps: bool = False, securities: int = SECURITIES) -> tuple[np.ndarray, np.ndarray]:
    """Returns (S, T) with a common factor and fat tails, and their market (T,)."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0, 0.01, SESSIONS)
    common = rng.normal(0, 0.01, SESSIONS)
    returns = (
        market * rng.uniform(0.5, 1.5, (securities, 1)) + common + 0.02 * rng.standard_t(4, (securities, SESSIONS))
    )
    if gaps:
        returns[3, 150:170] = np.nan  # a halt
        returns[7, ::41] = np.nan  # thin trading
        returns[5, :200] = np.nan  # listed late
        returns[9, 290:] = np.nan  # delisted
        returns[11] = 1.3 * market  # an exact fit
        returns[12, 120] = 50.0  # a day of +5000%
        returns[13, 60] = np.inf
    return returns, market


def events(seed: int, count: int, first: int = 140, last: int = 309, securities: int = SECURITIES) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, securities, count), rng.integers(first, last + 1, count)


def kernel_model(name: str, market: np.ndarray) -> Model:
    none = np.empty((0, market.size))
    return {
        "market": Model(market[None]),
        "market_zero_alpha": Model(market[None], carried=False),
        "mean": Model(none),
        "market_adjusted": Model(none, market, intercept=False, centred=True),
    }[name]


def batch_of(returns: np.ndarray, model: Model, security: Any, position: Any, **options: Any) -> Batch:
    wanted = Wanted(days=True, abnormal_returns=True)
    return run_batch(
        returns,
        model,
        security,
        position,
        **({"estimation": ESTIMATION, "windows": WINDOWS, "wanted": wanted} | options),
    )


def waist(returns: np.ndarray, market: np.ndarray, security: Any, position: Any, name: str) -> Study:
    return study(
        returns, market, position, estimation=ESTIMATION, span=(-10, 10), unit=security, model=name, min_obs=30
    )


MODELS_HERE = ("market", "market_zero_alpha", "mean", "market_adjusted")


@pytest.mark.parametrize("name", MODELS_HERE)
@pytest.mark.parametrize(("count", "last"), [(1, 309), (40, 309), (600, 200)], ids=["one", "sparse", "dense"])
def test_estimates_equal_the_waist(name: str, count: int, last: int) -> None:
    returns, market = panel(gaps=True)
    security, position = events(count + 1, count, last=last)
    found = batch_of(returns, kernel_model(name, market), security, position)
    rows = np.flatnonzero(found.clean)
    assert rows.size > 0.6 * count
    ar = waist(returns, market, security[rows], position[rows], name).ar
    assert all(not why for why in ar.reason)
    np.testing.assert_allclose(found.sigma[rows], ar.sigma, rtol=1e-12)
    assert found.coef is not None and found.r2 is not None and found.ar is not None and found.up is not None
    np.testing.assert_allclose(found.coef[rows][:, : ar.coef.shape[1]], ar.coef, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(found.r2[rows], ar.r2, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        found.ar[rows], ar.ar[:, ar.columns((-10, 10))], rtol=0, atol=1e-12 * np.nanmax(np.abs(ar.ar))
    )
    residuals = ar.ar[:, : ar.first_event_column]
    np.testing.assert_array_equal(found.up[rows], (residuals > 0).sum(axis=1))
    assert (ar.m == found.m).all() and (ar.df == found.df).all()
    for j, window in enumerate(WINDOWS):
        w = window_stats(ar, window)
        np.testing.assert_allclose(found.se[rows, j], w.se, rtol=1e-12)
        np.testing.assert_allclose(found.car[rows, j] / w.se, w.scar, rtol=0, atol=1e-12)


@pytest.mark.parametrize("gaps", [False, True])
def test_what_is_not_complete_is_left_to_the_other_path(gaps: bool) -> None:
    """Clean means: rows inside the series, all finite, and no exact fit; the waist agrees on what that is."""
    returns, market = panel(gaps=gaps)
    security, position = events(5, 900, first=100, last=319)
    found = batch_of(returns, kernel_model("market", market), security, position)
    sample = cut(
        tape_of(returns, market[:, None]), security, position, ESTIMATION, (-10, 10), -10, ("e",) * security.size
    )
    ar = MODELS.get("market")(sample, {})
    whole = np.isfinite(sample.y[:, sample.offsets <= -11]).all(axis=1) & np.isfinite(
        ar.ar[:, ar.columns((-10, 10))]
    ).all(axis=1)
    exact = np.array(["zero residual variance" in why for why in ar.reason])
    np.testing.assert_array_equal(found.clean, whole & ~exact)
    assert found.clean.all() == (not gaps and bool((position - 130 >= 0).all() and (position + 10 < SESSIONS).all()))
    assert np.isnan(found.car[~found.clean]).all() and np.isnan(found.sigma[~found.clean]).all()


@pytest.mark.parametrize("name", ["market", "market_adjusted"])
@pytest.mark.parametrize(
    ("seed", "count", "first", "last"),
    [(1, 24, 200, 200), (2, 60, 140, 309), (3, 500, 140, 190), (4, 200, 200, 203), (5, 300, 150, 290)],
    ids=["one date", "sparse", "dense", "four dates", "mixed"],
)
def test_correlations_and_tests_equal_the_registered_ones(
    name: str, seed: int, count: int, first: int, last: int
) -> None:
    """Same firms again, overlapping windows, gaps: rbar_w, rank and sign statistics to 1e-12."""
    returns, market = panel(gaps=True)
    security, position = events(seed, count, first, last)
    if first == last:
        security = np.arange(count)
    found = batch_of(returns, kernel_model(name, market), security, position)
    rows = np.flatnonzero(found.clean)
    known = waist(returns, market, security[rows], position[rows], name)
    assert found.comoving is not None and found.up is not None
    for j, window in enumerate(WINDOWS):
        length = window[1] - window[0] + 1
        expected = correlation_of(known.ar, window)
        assert mean_correlation(found.comoving, length, rows.size) == pytest.approx(expected.value, rel=0, abs=1e-13)
        tally = found.ranks[j]
        assert tally.n == rows.size
        d = (tally.sums / (1.0 + tally.sums.size) - tally.n / 2.0) / np.sqrt(tally.n)
        z = d[-length:].sum() / (np.sqrt(np.mean(d * d)) * np.sqrt(length))
        assert z == pytest.approx(known.run("corrado_zivney", window).statistic, rel=1e-11, abs=1e-12)
        assert np.mean(found.up[rows] / found.m) == pytest.approx(
            known.run("gen_sign", window).extra["phat"], rel=1e-13
        )


def test_pairs_with_few_common_sessions_count_nothing() -> None:
    returns, market = panel()
    security, position = events(8, 200, 100, 130)
    options = {"estimation": (-45, -11), "windows": [(-10, 10)]}
    found = batch_of(returns, kernel_model("market", market), security, position, **options)
    sample = cut(tape_of(returns, market[:, None]), security, position, (-45, -11), (-10, 10), -10, ("e",) * 200)
    expected = correlation_of(MODELS.get("market")(sample, {}), (-10, 10))
    assert found.comoving is not None
    assert mean_correlation(found.comoving, 21, 200) == pytest.approx(expected.value, abs=1e-13)
    assert found.comoving.flagged.sum() == expected.flagged > 0


def test_factor_models_share_one_basis_a_date() -> None:
    rng = np.random.default_rng(11)
    factors = rng.normal(0, 0.01, (SESSIONS, 5))
    factors[:, 1] += 0.8 * factors[:, 0]
    riskless = rng.uniform(0, 1e-4, SESSIONS)
    returns = (factors @ rng.normal(0.5, 0.5, (5, SECURITIES))).T + 0.02 * rng.standard_t(4, (SECURITIES, SESSIONS))
    tape = replace(tape_of(returns, factors, ("A", "B", "C", "D", "E")), rf=riskless)
    for count, last in ((30, 309), (500, 180)):
        security, position = events(count, count, last=last)
        found = batch_of(returns, Model(np.ascontiguousarray(factors.T), riskless), security, position)
        sample = cut(tape, security, position, ESTIMATION, (-10, 10), -10, ("e",) * count)
        ar = MODELS.get("factors")(sample, {})
        assert found.clean.all() and found.df == ar.df[0]
        np.testing.assert_allclose(found.sigma, ar.sigma, rtol=1e-12)
        np.testing.assert_allclose(found.coef, ar.coef, rtol=0, atol=1e-12)
        for j, window in enumerate(WINDOWS):
            w = window_stats(ar, window)
            np.testing.assert_allclose(found.se[:, j], w.se, rtol=1e-12)
            np.testing.assert_allclose(found.car[:, j] / w.se, w.scar, rtol=0, atol=1e-12)


def test_collinear_or_missing_regressors_are_not_clean() -> None:
    returns, market = panel()
    security, position = events(2, 200)
    twice = Model(np.stack([market, 2.0 * market]))
    assert not batch_of(returns, twice, security, position).clean.any()
    flat = Model(np.full((1, SESSIONS), 0.001))
    assert not batch_of(returns, flat, security, position).clean.any()
    holed = market.copy()
    holed[200] = np.nan
    found = batch_of(returns, Model(holed[None]), security, position)
    np.testing.assert_array_equal(found.clean, (position + 10 < 200) | (position - 130 > 200))


# ------------------------------------------------------------------------------------------------ invariance


def identical(a: Batch, b: Batch, order: np.ndarray | None = None) -> None:
    """Every number of two runs is the same to the last bit; `order` says where the events of b stand in a."""
    o = slice(None) if order is None else order
    for name in ("clean", "sigma", "car", "se", "up", "coef", "r2", "ar"):
        np.testing.assert_array_equal(getattr(a, name)[o], getattr(b, name), err_msg=name)
    for x, y in zip(a.ranks, b.ranks, strict=True):
        assert x.n == y.n
        np.testing.assert_array_equal(x.sums, y.sums)
    assert a.comoving is not None and b.comoving is not None and a.days is not None and b.days is not None
    for u, v in ((a.comoving, b.comoving), (a.days, b.days)):
        for name in u._fields:
            np.testing.assert_array_equal(getattr(u, name), getattr(v, name), err_msg=name)


@pytest.mark.parametrize("name", ["market", "market_zero_alpha", "market_adjusted"])
@pytest.mark.parametrize(("count", "first", "last"), [(200, 140, 309), (600, 140, 200), (500, 200, 201)])
def test_blocks_workers_and_order_change_nothing(
    name: str, count: int, first: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abnormal.kernel.batch_run.WORTH_A_WORKER", 1)
    returns, market = panel(gaps=True)
    security, position = events(count, count, first, last)  # 500 events on two dates: many are given more than once
    model = kernel_model(name, market)
    known = batch_of(returns, model, security, position)
    for chunk, threads in ((1, 1), (37, 1), (100_000, 1), (64, 2), (384, 3)):
        identical(known, batch_of(returns, model, security, position, chunk=chunk, threads=threads))
    monkeypatch.setattr("abnormal.kernel.batch_share.forks", lambda: False)  # threads of this process
    identical(known, batch_of(returns, model, security, position, chunk=64, threads=2))
    order = np.random.default_rng(1).permutation(count)
    identical(known, batch_of(returns, model, security[order], position[order]), order)


def test_column_major_returns_give_the_same() -> None:
    returns, market = panel()
    security, position = events(4, 50)
    model = kernel_model("market", market)
    identical(
        batch_of(returns, model, security, position), batch_of(np.asfortranarray(returns), model, security, position)
    )


def test_no_event_fits_and_no_event_at_all() -> None:
    returns, market = panel()
    model = kernel_model("market", market)
    for security, position in (([1, 2], [3, 319]), ([], [])):
        found = batch_of(returns, model, np.array(security, int), np.array(position, int))
        assert found.clean.sum() == 0 and found.car.shape == (len(security), 3) and found.order.size == 0
        assert all(t.n == 0 for t in found.ranks) and found.comoving is not None and found.comoving.rho.sum() == 0


def test_windows_must_follow_the_estimation_window() -> None:
    returns, market = panel()
    with pytest.raises(ValueError, match="must follow"):
        batch_of(returns, kernel_model("market", market), [1], [200], windows=[(-11, 1)])


# ------------------------------------------------------------------------------------------------ by-products


def test_day_sums_are_those_of_the_abnormal_returns() -> None:
    returns, market = panel(gaps=True)
    security, position = events(9, 400)
    windows = [(-1, 1), (-10, 10)]
    found = batch_of(returns, kernel_model("market", market), security, position, windows=windows)
    assert found.ar is not None and found.days is not None
    ar = found.ar[found.clean]
    path = np.cumsum(ar, axis=1) - np.cumsum(ar, axis=1)[:, 8:9]  # zero at offset -2, before the first window
    for got, want in zip(found.days, (ar, ar**2, path, path**2), strict=True):
        np.testing.assert_allclose(got, want.sum(axis=0), rtol=1e-11, atol=1e-13)


def test_residual_rows_are_those_of_the_waist() -> None:
    returns, market = panel()
    security, position = events(10, 30)
    for name in MODELS_HERE:
        rows = residual_rows(returns, kernel_model(name, market), security, position, ESTIMATION, WINDOWS)
        ar = waist(returns, market, security, position, name).ar
        np.testing.assert_allclose(rows, ar.ar[:, : ar.first_event_column], rtol=0, atol=1e-15)


def test_rank_sums_average_ties_exactly() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(300, 57))
    values[:100] = np.round(values[:100], 1)  # many ties
    values[100:120] = 0.0
    values[120, :10] = -0.0
    values[120, 10:20] = 0.0
    values[130, 1] = np.nextafter(values[130, 0], np.inf)  # nearly a tie
    values[140] *= 1e-310  # below the smallest normal number
    tally = RankTally(40, slice(45, 57))
    tally.add(values[:200])
    tally.add(values[200:])
    used = np.concatenate([values[:, :40], values[:, 45:]], axis=1)
    np.testing.assert_array_equal(tally.sums, ranks.midranks(used)[0].sum(axis=0))
    assert tally.n == 300


def test_both_ways_to_correlate_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    returns, market = panel(gaps=True)
    security, position = events(12, 600)
    model = kernel_model("market_zero_alpha", market)
    found = []
    for by_pair in (True, False):
        monkeypatch.setattr("abnormal.kernel.batch_run.cheaper_by_pair", lambda *_, answer=by_pair: answer)
        batch = batch_of(returns, model, security, position, chunk=50)
        assert batch.comoving is not None
        found.append(batch.comoving)
    np.testing.assert_allclose(found[0].rho, found[1].rho, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(found[0].pairs, found[1].pairs)


def test_an_outlier_cut_off_does_not_spoil_the_rest() -> None:
    """The sum of squares without a huge first residual is summed afresh, not got by subtraction."""
    rng = np.random.default_rng(4)
    est = rng.normal(0, 0.01, (5, 60))
    est[2, 3] = 1e6
    est[4, -2] = -1e6
    est -= est.mean(axis=1, keepdims=True)
    inverse, _ = batch_comove.trims(est, np.sum(est**2, axis=1), np.zeros(5), 8, fitted=False)
    for d in range(9):
        for side, part in ((0, est[:, d:]), (1, est[:, : 60 - d])):
            spread = np.sqrt(np.sum((part - part.mean(axis=1, keepdims=True)) ** 2, axis=1))
            np.testing.assert_allclose(1.0 / inverse[side, d], spread, rtol=1e-9)


def test_order_by_packed_keys_is_that_of_a_stable_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    key = np.random.default_rng(6).integers(-3, 40, 500)  # many are equal
    want = np.argsort(key, kind="stable")
    for few, limit in ((0, 40), (1_000, 40), (0, 1 << 62)):  # packed; few; too large to pack
        monkeypatch.setattr("abnormal.kernel.batch_run.FEW", few)
        np.testing.assert_array_equal(stable_order(key, limit), want)


def test_stretches_and_multipliers() -> None:
    series = np.arange(12.0).reshape(2, 6)
    np.testing.assert_array_equal(stretches(series, 4)[1], [[6, 7, 8, 9], [7, 8, 9, 10], [8, 9, 10, 11]])
    assert stretches(series, 7).shape == (2, 0, 7)
    plan = layout((-250, -11), ((-1, 3),))
    none = np.empty((0, 400))
    assert tables(Model(none), plan, np.array([300])).c[0, 0] == pytest.approx(5 + 25 / 240)
    adjusted = Model(none, np.zeros(400), intercept=False, centred=True)
    assert tables(adjusted, plan, np.array([300])).c[0, 0] == 5.0
