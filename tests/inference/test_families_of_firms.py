"""Adjusted p-values: statsmodels, hand calculation, and Romano-Wolf in slow motion."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

import build
from abnormal.inference._window import window_stats
from abnormal.kernel import multiple
from abnormal.registry import TESTS

RNG = np.random.default_rng
WINDOW = (-1, 3)
METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("m", [1, 2, 9, 60])
def test_adjustments_equal_statsmodels(name, m):
    p = RNG(m).random(m) ** 3
    p[: m // 3] = p[0]
    np.testing.assert_allclose(getattr(multiple, name)(p), multipletests(p, method=METHODS[name])[1], atol=1e-14)


@pytest.mark.parametrize("name", METHODS)
def test_missing_p_values_are_no_members(name):
    adjust = getattr(multiple, name)
    p = np.array([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(adjust(p)[[0, 2, 3]], adjust(p[[0, 2, 3]]))
    assert np.isnan(adjust(p)[1]) and np.isnan(adjust(np.array([np.nan]))).all()


def test_holm_by_hand():
    assert multiple.holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def slow_romano_wolf(t, null):
    order = sorted(range(len(t)), key=lambda i: -t[i])
    out, running = np.empty(len(t)), 0.0
    for j, i in enumerate(order):
        hits = sum(max(row[k] for k in order[j:]) >= t[i] - 1e-12 for row in null)
        running = max(running, (1 + hits) / (len(null) + 1))
        out[i] = running
    return out


def test_step_down_in_slow_motion():
    t, null = abs(2 * RNG(1).standard_normal(7)), abs(RNG(2).standard_normal((99, 7)))
    np.testing.assert_allclose(multiple.romano_wolf(t, null), slow_romano_wolf(t, null), atol=1e-15)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("form", ["studentized", "raw"])
def test_romano_wolf_on_shared_windows_with_gaps(form, alternative):
    """Firm 6 has four event rows: its null runs are of four sessions, at the same starts as the others'."""
    study = build.clustered()
    ar, w = study.ar, window_stats(study.ar, WINDOW)
    null = []
    for s in range(ar.first_event_column - 4):
        row = []
        for i in range(8):
            run = slice(s, s + int(w.n[i]))
            if not ar.est[i, run].all():
                break
            u, total = ar.x[i, run].sum(axis=0), ar.ar[i, run].sum()
            spread = w.se[i] if form == "raw" else ar.sigma[i] * np.sqrt(w.n[i] - u @ ar.g[i] @ u)
            row.append(total / spread)
        if len(row) == 8:
            null.append(row)
    size = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
    expected = slow_romano_wolf(size(w.scar), size(np.array(null)))
    result = study.run("romano_wolf", WINDOW, form, alternative=alternative)
    np.testing.assert_allclose(result.extra["adjusted"], expected, atol=1e-14)
    assert result.extra["m"] == len(null) and result.p == expected.min()


@pytest.mark.parametrize("base", ["t_car", "sq"])
@pytest.mark.parametrize("name", METHODS)
def test_family_is_made_of_the_single_firm_tests(name, base):
    study = build.clustered()
    single = study.run(base, WINDOW)
    result = study.run(name, WINDOW, base)
    np.testing.assert_allclose(result.extra["adjusted"], getattr(multiple, name)(single.p), atol=1e-15)
    assert result.statistic == result.p == np.nanmin(result.extra["adjusted"])


def test_families_need_two_members_and_romano_wolf_one_date():
    for name in (*METHODS, "romano_wolf"):
        assert "family of 2" in build.clustered(firms=(0,)).run(name, WINDOW).reason
    assert "one common event date" in build.dispersed().run("romano_wolf", (-1, 1)).reason
    assert TESTS.get("romano_wolf").one_date
