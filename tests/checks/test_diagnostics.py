"""Residual diagnostics: every statistic against statsmodels, every check on returns with a planted flaw."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

import build
from abnormal.domain import CheckInput, CheckResult
from abnormal.kernel import diagnostics as diag
from abnormal.registry import CHECKS

NAMES = ("durbin_watson", "ljung_box", "arch_lm", "breusch_pagan", "jarque_bera", "stability", "largest_day")


def given(study: build.Study, window: tuple[int, int] = (-1, 3)) -> CheckInput:
    """The part of a check's input that diagnostics read."""
    e = study.ar.size
    labels = tuple(f"{t} at {i}" for t, i in zip(study.ar.ticker, study.ar.event_id))
    return CheckInput(
        ar=study.ar, portfolio=study.portfolio, headline=window, windows=(window,), level=0.05, labels=labels,
        flags=((),) * e, drift=np.zeros(e), contaminated=np.zeros(e, np.int64), volatility=np.ones(e), thin=np.zeros(e),
        confounders=((),) * e, bases={}, benchmark=(), benchmark_named=(), design=None, rerun=lambda **_: None,
    )  # fmt: skip


def made(residual: Any, seed: int = 0, firms: int = 1, **options: Any) -> build.Study:
    """Firms with a beta of one and residuals `residual(rng, market)` (T,)."""
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_normal(300)
    ret = np.stack([market + residual(rng, market) for _ in range(firms)])
    return build.study(ret, market, 270, **options)


def plain(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    return 0.02 * rng.standard_normal(market.size)


def check(name: str, study: build.Study) -> CheckResult:
    return CHECKS.get(name)(given(study))


# ------------------------------------------------------------------------------------------------ against statsmodels


@pytest.fixture(scope="module")
def fits() -> list[Any]:
    """statsmodels fits of the eight public firms on their own estimation rows (two of them with gaps)."""
    import statsmodels.api as sm

    study = build.clustered()
    out = []
    for i in range(8):
        use = study.ar.est[i]
        out.append(sm.OLS(study.ar.raw[i, use], sm.add_constant(study.ar.market[i, use])).fit())
    return out


@pytest.fixture(scope="module")
def packed() -> diag.Packed:
    ar = build.clustered().ar
    return diag.pack(np.where(ar.est, ar.ar, np.nan), ar.x)


def same(ours: diag.Stat, theirs: list[tuple[float, float]]) -> None:
    assert ours.value == pytest.approx([t[0] for t in theirs], rel=1e-10)
    assert ours.p == pytest.approx([t[1] for t in theirs], rel=1e-9, abs=1e-300)


def test_durbin_watson(packed: diag.Packed, fits: list[Any]) -> None:
    from statsmodels.stats.stattools import durbin_watson

    assert diag.durbin_watson(packed).value == pytest.approx([durbin_watson(f.resid) for f in fits], rel=1e-10)


def test_ljung_box(packed: diag.Packed, fits: list[Any]) -> None:
    from statsmodels.stats.diagnostic import acorr_ljungbox

    same(diag.ljung_box(packed), [tuple(acorr_ljungbox(f.resid, lags=[5]).iloc[0]) for f in fits])


@pytest.mark.filterwarnings("ignore:acorr_lm")
def test_arch_lm(packed: diag.Packed, fits: list[Any]) -> None:
    from statsmodels.stats.diagnostic import het_arch

    same(diag.arch_lm(packed), [tuple(het_arch(f.resid, nlags=5))[:2] for f in fits])


def test_breusch_pagan(packed: diag.Packed, fits: list[Any]) -> None:
    from statsmodels.stats.diagnostic import het_breuschpagan

    same(diag.breusch_pagan(packed), [het_breuschpagan(f.resid, f.model.exog)[:2] for f in fits])


def test_jarque_bera(packed: diag.Packed, fits: list[Any]) -> None:
    from statsmodels.stats.stattools import jarque_bera

    same(diag.jarque_bera(packed), [jarque_bera(f.resid)[:2] for f in fits])


def test_cusum(packed: diag.Packed, fits: list[Any]) -> None:
    from statsmodels.stats.diagnostic import breaks_cusumolsresid

    same(diag.cusum(packed), [breaks_cusumolsresid(f.resid, ddof=2)[:2] for f in fits])


def test_chow_is_the_f_test_of_split_coefficients(packed: diag.Packed, fits: list[Any]) -> None:
    import statsmodels.api as sm

    theirs = []
    for f in fits:
        late = (np.arange(f.nobs) >= f.nobs // 2).astype(float)[:, None]
        split = sm.OLS(f.model.endog, np.hstack([f.model.exog, f.model.exog * late])).fit()
        test = split.f_test(np.eye(4)[2:])
        theirs.append((float(test.fvalue), float(test.pvalue)))
    same(diag.chow(packed), theirs)


def test_leverage_and_what_the_day_does(packed: diag.Packed, fits: list[Any]) -> None:
    found = diag.largest_leverage(packed)
    for i, f in enumerate(fits):
        influence = f.get_influence()
        at = int(influence.hat_matrix_diag.argmax())
        assert at == found.at[i]
        assert found.h[i] == pytest.approx(influence.hat_matrix_diag[at], rel=1e-10)
        assert found.shift[i] == pytest.approx(influence.dfbeta[at], rel=1e-8)
        assert found.spread[i] == pytest.approx(f.bse, rel=1e-10)


# ------------------------------------------------------------------------------------------------ checks


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """Values of statsmodels, kept in tests/golden."""
    golden = json.loads((build.GOLDEN / name / "case.json").read_text())
    table = check(name, build.clustered()).table
    assert len(table) == len(golden["expect"]) == 8
    for ours, expected in zip(table, golden["expect"]):
        for key, value in expected.items():
            assert ours[key] == pytest.approx(value, rel=golden["tolerance"]), key


@pytest.mark.parametrize("name", NAMES)
def test_ordinary_returns_pass(name: str) -> None:
    answer = check(name, made(plain, seed=3))
    assert answer.passed is True
    assert answer.sentence.endswith(".")


def ar1(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    e = plain(rng, market)
    for t in range(1, e.size):
        e[t] += 0.4 * e[t - 1]
    return e


def storms(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    e, h = np.zeros(market.size), 4e-4
    for t in range(e.size):
        e[t] = np.sqrt(h) * rng.standard_normal()
        h = 1e-4 + 0.7 * e[t] ** 2
    return e


def market_driven(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    return plain(rng, market) * np.exp(60 * market)


def fat(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    return 0.02 * rng.standard_t(3, market.size)


def broken(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    late = np.arange(market.size) > market.size // 2
    return plain(rng, market) + np.where(late, 1.5 * market + 0.01, -0.01)


def one_day(rng: np.random.Generator, market: np.ndarray) -> np.ndarray:
    e = plain(rng, market)
    market[100] = 0.15
    e[100] = -0.10
    return e


@pytest.mark.parametrize(
    ("name", "residual", "instead"),
    [
        ("durbin_watson", ar1, "dimson"),
        ("ljung_box", ar1, "placebo_time"),
        ("arch_lm", storms, "sq_vol"),
        ("breusch_pagan", market_driven, "garch"),
        ("jarque_bera", fat, "rank tests"),
        ("stability", broken, "rolling"),
        ("largest_day", one_day, "huber"),
    ],
)
def test_a_planted_flaw_fails_and_the_sentence_says_what_instead(name: str, residual: Any, instead: str) -> None:
    rng = np.random.default_rng(5)
    market = 0.01 * rng.standard_normal(300)
    e = residual(rng, market)
    answer = check(name, build.study((market + e)[None], market, 270))
    assert answer.passed is False
    assert instead in answer.sentence


def test_the_pair_with_the_flaw_is_named_and_holm_counts_all_pairs() -> None:
    rng = np.random.default_rng(1)
    market = 0.01 * rng.standard_normal(300)
    ret = market + np.stack([plain(rng, market), ar1(rng, market), plain(rng, market)])
    study = build.study(ret, market, 270)
    answer = check("ljung_box", study)
    assert answer.passed is False
    assert "F1 at e270" in answer.sentence
    assert "Holm over 3 pairs" in answer.sentence
    alone = CHECKS.get("ljung_box")(given(build.study(ret[1:2], market, 270)))
    assert answer.table[1]["p"] == alone.table[0]["p"]


def test_sign_scale_and_order_of_pairs_change_nothing() -> None:
    base = build.clustered()
    for name in NAMES:
        table = check(name, base).table
        flipped = build.study(-build.matrix(build.public()["clustered"]["data"]["ret"])[::-1] * 3.0,
                              np.array(build.public()["clustered"]["data"]["mkt"]), 270)  # fmt: skip
        other = check(name, flipped).table
        for key in (k for k in table[0] if k not in ("pair", "date")):
            ours = [r[key] for r in table]
            theirs = [r[key] for r in other]
            assert sorted(ours) == pytest.approx(sorted(theirs), rel=1e-9), (name, key)


@pytest.mark.parametrize("model", ["mean", "market_adjusted", "market_zero_alpha", "auto"])
def test_models_without_slopes_or_intercept_are_answered(model: str) -> None:
    study = build.study(
        build.matrix(build.public()["clustered"]["data"]["ret"]), np.array(build.public()["clustered"]["data"]["mkt"]), 270,
        model=model,
    )  # fmt: skip
    answers = {name: check(name, study) for name in NAMES}
    if model in ("mean", "market_adjusted"):
        assert answers["breusch_pagan"].passed is None
        assert answers["largest_day"].passed is None
    assert answers["jarque_bera"].passed is not None
    assert all(a.sentence.endswith(".") for a in answers.values())


def test_a_short_history_informs_only() -> None:
    study = made(plain, seed=2, estimation=(-16, -7), min_obs=5)
    assert check("ljung_box", study).passed is None
    assert "too few" in check("ljung_box", study).sentence


def test_false_alarms_stay_near_the_level() -> None:
    """Over 200 ordinary firms taken one at a time each check fails in 1 to 12 of 100 (stability: two asymptotic tests)."""
    rng = np.random.default_rng(11)
    market = 0.01 * rng.standard_normal(300)
    study = build.study(market + 0.02 * rng.standard_normal((200, 300)), market, 270)
    every = given(study)
    p = {
        "durbin_watson": [r["p"] for r in CHECKS.get("durbin_watson")(every).table],
        "ljung_box": [r["p"] for r in CHECKS.get("ljung_box")(every).table],
        "arch_lm": [r["p"] for r in CHECKS.get("arch_lm")(every).table],
        "breusch_pagan": [r["p"] for r in CHECKS.get("breusch_pagan")(every).table],
        "jarque_bera": [r["p"] for r in CHECKS.get("jarque_bera")(every).table],
        "chow": [r["chow_p"] for r in CHECKS.get("stability")(every).table],
        "cusum": [r["cusum_p"] for r in CHECKS.get("stability")(every).table],
    }
    for name, values in p.items():
        share = np.mean(np.array(values) < 0.05)
        assert 0.01 <= share <= 0.12, (name, share)
