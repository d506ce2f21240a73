"""Ranks and rank tests against slow readable loops and scipy."""

import itertools

import numpy as np
import pytest
from scipy import stats

import build
from abnormal.inference._window import window_stats
from abnormal.kernel.ranks import midranks, signed_rank_tails

RNG = np.random.default_rng
WINDOW = (-1, 3)


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_midranks_equal_scipy(decimals):
    values = np.round(RNG(1).standard_normal((6, 40)), decimals)
    values[RNG(2).random(values.shape) < 0.2] = np.nan
    values[4] = 1.0
    values[5] = np.nan
    ranks, n = midranks(values)
    for row, got, count in zip(values, ranks, n, strict=True):
        have = np.isfinite(row)
        np.testing.assert_array_equal(got[have], stats.rankdata(row[have]))
        assert np.isnan(got[~have]).all() and count == have.sum()


@pytest.mark.parametrize("ranks", [np.arange(1.0, 8.0), np.array([1.0, 2.5, 2.5, 4.0, 6.0, 6.0, 6.0])])
def test_signed_rank_distribution_by_enumeration(ranks):
    every = np.array([np.dot(ranks, s) for s in itertools.product((0, 1), repeat=ranks.size)])
    for w in np.unique(every):
        low, high = signed_rank_tails(ranks, float(w))
        assert (low, high) == pytest.approx((np.mean(every <= w), np.mean(every >= w)), abs=1e-15)


def rows_of(study, window):
    """(values per pair, event rows among them) in event time, rows nobody has left out, by loops."""
    ar, end = study.ar, study.ar.first_event_column
    table = []
    for i in range(ar.size):
        quiet = [v if use else np.nan for v, use in zip(ar.ar[i, :end], ar.est[i, :end], strict=True)]
        table.append(quiet + list(ar.ar[i, ar.columns(window)]))
    table = np.array(table)
    some = np.isfinite(table).any(axis=0)
    return table[:, some], int(some[end:].sum())


def daily(scaled, length, spread):
    d = np.array([np.sum(c[np.isfinite(c)]) / np.sqrt(np.isfinite(c).sum()) for c in scaled.T])
    return d[-length:].sum() / (spread(d) * np.sqrt(length))


SPREADS = {"finite_rows": lambda d: np.sqrt(np.mean(d**2)), "centred": lambda d: d.std(ddof=1)}


@pytest.mark.parametrize("variant", ["finite_rows", "centred", "all_rows"])
def test_corrado_zivney_with_gaps(variant):
    study = build.clustered()
    table, length = rows_of(study, WINDOW)
    scaled = np.full(table.shape, np.nan)
    for i, row in enumerate(table):
        have = np.isfinite(row)
        size = table.shape[1] if variant == "all_rows" else have.sum()
        scaled[i, have] = stats.rankdata(row[have]) / (1 + size) - 0.5
    expected = daily(scaled, length, SPREADS.get(variant, SPREADS["finite_rows"]))
    assert study.run("corrado_zivney", WINDOW, variant).statistic == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("window", [WINDOW, (2, 2)])
def test_cz_std_ranks_standardised_returns(window):
    study = build.clustered()
    ar = study.ar
    sar = window_stats(ar, window).sar
    table = []
    for i in range(8):
        if not np.isfinite(sar[i]).any():
            continue
        quiet = ar.ar[i, : ar.first_event_column][:240] / ar.sigma[i]
        day = [sar[i, t] / np.std(sar[np.isfinite(sar[:, t]), t], ddof=1) for t in range(sar.shape[1])]
        table.append(np.append(np.where(ar.est[i, :240], quiet, np.nan), day))
    scaled = np.full((len(table), len(table[0])), np.nan)
    for i, row in enumerate(table):
        have = np.isfinite(row)
        scaled[i, have] = stats.rankdata(row[have]) / (1 + have.sum()) - 0.5
    expected = daily(scaled, sar.shape[1], SPREADS["finite_rows"])
    assert study.run("corrado_zivney", window, "cz_std").statistic == pytest.approx(expected, abs=1e-12)


def test_corrado_equals_corrado_zivney_on_complete_data():
    study = build.clustered(firms=build.COMPLETE)
    for window in (WINDOW, (0, 0), (1, 1)):
        a, b, c = (study.run(n, window) for n in ("corrado", "corrado_multi", "corrado_zivney"))
        assert a.statistic == b.statistic == pytest.approx(c.statistic, abs=1e-12)
        centred = [study.run(n, window, "centred").statistic for n in ("corrado_multi", "corrado_zivney")]
        assert centred[0] == pytest.approx(centred[1], abs=1e-12)


def test_corrado_leaves_incomplete_firms_out_and_names_them():
    result = build.clustered().run("corrado", WINDOW)
    assert result.n == 6 and result.extra["left_out"] == ("F6", "F7")
    few = build.clustered(firms=(0, 6, 7)).run("corrado", WINDOW)
    assert few.status == "not_applicable" and "corrado_zivney allows them" in few.reason


def test_cumulated_ranks_with_gaps():
    study = build.clustered()
    table, length = rows_of(study, WINDOW)
    top = variance = 0.0
    for row in table:
        have = np.isfinite(row)
        n, tau = have.sum(), have[-length:].sum()
        u = stats.rankdata(row[have]) / (1 + n) - 0.5
        top += u[-tau:].sum()
        variance += tau * (n - tau) / (12 * (n + 1))
    assert study.run("cumrank_exact", WINDOW).statistic == pytest.approx(top / np.sqrt(variance), abs=1e-12)


def test_rank_sum_variance_is_exact():
    """Every way to choose 2 of 6 days: the variance used is the variance of the sum of scaled ranks."""
    u = np.arange(1, 7) / 7 - 0.5
    sums = [u[list(c)].sum() for c in itertools.combinations(range(6), 2)]
    assert np.var(sums) == pytest.approx(2 * 4 / (12 * 7))


@pytest.mark.parametrize(
    "name, studentised", [("grank_raw", False), ("grank_raw", True), ("grank_t", False), ("grank_t", True)]
)
def test_generalised_ranks_with_gaps(name, studentised):
    study = build.clustered()
    ar, w = study.ar, window_stats(study.ar, WINDOW)
    last = w.scar / (w.scar.std(ddof=1) if name == "grank_t" else 1.0)
    table = np.full((8, 241), np.nan)
    for i in range(8):
        for s in range(240):
            if ar.est[i, s]:
                h = ar.x[i, s] @ ar.g[i] @ ar.x[i, s] if studentised else 0.0
                table[i, s] = ar.ar[i, s] / (ar.sigma[i] * np.sqrt(1 - h))
        table[i, 240] = last[i]
    u = np.full(table.shape, np.nan)
    for i, row in enumerate(table):
        have = np.isfinite(row)
        u[i, have] = stats.rankdata(row[have]) / (1 + have.sum()) - 0.5
    mean, count = np.nanmean(u, axis=0), np.isfinite(u).sum(axis=0)
    z = mean[-1] / np.sqrt(np.mean(count / 8 * mean**2))
    t = z * np.sqrt((241 - 2) / (241 - 1 - z**2))
    result = study.run(name, WINDOW, "studentized" if studentised else "")
    assert (result.statistic, result.extra["Z"], result.df) == pytest.approx((t, z, 239), abs=1e-12)
    assert result.p == pytest.approx(2 * stats.t.sf(abs(t), 239), abs=1e-14)


def test_small_samples_are_cautioned_against_the_restandardised_form():
    assert "grank_raw" in build.clustered().run("grank_t", WINDOW).extra["caution"]
    assert "caution" not in build.dispersed().run("grank_t", (-1, 1)).extra
    assert "caution" not in build.clustered().run("grank_raw", WINDOW).extra


def test_identical_scars_cannot_be_restandardised():
    ret, market = build.shares(RNG(3), 1, 140)
    study = build.study(np.repeat(ret, 4, axis=0), market, 120, estimation=(-70, -6), span=(-1, 1))
    for name in ("grank_t", "grank_z", "bmp", "kp_bmp"):
        assert "do not differ" in study.run(name, (-1, 1)).reason


def with_cars(values):
    """A study whose CARs at offset 0 are the given values (market-adjusted, flat market)."""
    values = np.asarray(values, float)
    quiet = 0.01 * RNG(4).standard_normal((values.size, 40))
    ret = np.column_stack([quiet, values])
    return build.study(ret, np.zeros(41), 40, estimation=(-40, -1), span=(0, 0), model="market_adjusted")


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("n", [5, 12, 25, 26, 40])
def test_wilcoxon_equals_scipy(n, alternative):
    x = 0.3 + RNG(n).standard_normal(n)
    result = with_cars(x).run("wilcoxon", (0, 0), alternative=alternative)
    method = "exact" if n <= 25 else "approx"
    external = stats.wilcoxon(x, alternative=alternative, method=method, correction=False)
    assert result.extra["exact"] == (n <= 25)
    assert result.p == pytest.approx(external.pvalue, abs=1e-12)


def test_wilcoxon_with_ties_and_zeros():
    x = np.array([0.0, 0.02, 0.02, -0.02, 0.01, 0.03, 0.03, -0.01])
    result = with_cars(x).run("wilcoxon", (0, 0))
    ranks = stats.rankdata(np.abs(x[1:]))
    w = ranks[x[1:] > 0].sum()
    every = np.array([np.dot(ranks, s) for s in itertools.product((0, 1), repeat=7)])
    assert (result.statistic, result.n) == (w, 7)
    assert result.p == pytest.approx(min(1.0, 2 * min(np.mean(every <= w), np.mean(every >= w))), abs=1e-15)
    normal = stats.wilcoxon(x[1:], method="approx", correction=False, zero_method="wilcox")
    assert result.extra["p_normal"] == pytest.approx(normal.pvalue, abs=1e-12)
