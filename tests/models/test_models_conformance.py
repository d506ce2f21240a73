"""What every daily model owes the rest of the program, whatever it estimates."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from model_cases import EST_COLUMNS, EVENT_COLUMNS, run, sample_of

from abnormal.domain import AbnormalReturns, Sample
from abnormal.registry import MODELS

FACTORS = ("MKT", "SMB", "HML", "RMW", "CMA", "MOM")
NAMES = ("market", "industry", *FACTORS)
OPTIONS: dict[str, dict] = {"beta_prior": {}, "gsynth": {"event_window": (-1, 3)}}
DAILY = (
    "mean market_adjusted market market_zero_alpha capm capm_zero ff3 carhart4 ff5 ff6 factors industry market_industry "
    "huber theil_sen lad scholes_williams dimson garch gjr egarch rolling trade_to_trade beta_prior peers_ew peers_reg "
    "peers_ridge synthetic_control gsynth auto"
).split()
GARCH = ("garch", "gjr", "egarch")
PEERS = ("peers_ew", "peers_reg", "peers_ridge", "synthetic_control", "gsynth")
NO_REFIT = ("scholes_williams", *GARCH, "peers_ridge")
pytestmark = pytest.mark.filterwarnings("error")  # a model says what is wrong by its reasons
every = pytest.mark.parametrize("model", DAILY)


def world() -> dict[str, np.ndarray]:
    """Fresh copies of the same simulated returns, regressors, riskless rate and control shares."""
    return {k: v.copy() for k, v in _world().items()}


@functools.cache
def _world() -> dict[str, np.ndarray]:
    """Returns with moderate volatility clusters, six factors, an index, a riskless rate and control shares."""
    rng = np.random.default_rng(21)
    f = 0.01 * rng.standard_normal((300, 6))
    market = 0.9 * f[:, 0] + 0.004 * rng.standard_normal(300)
    industry = 0.7 * market + 0.008 * rng.standard_normal(300)

    def draw(n: int) -> np.ndarray:
        e, h = np.empty((300, n)), np.full(n, 4e-4)
        for t in range(300):
            e[t] = np.sqrt(h) * rng.standard_normal(n)
            h = 4e-5 + 0.15 * e[t] ** 2 + 0.75 * h
        return np.outer(market, 0.6 + rng.random(n)) + np.outer(industry, rng.random(n)) + e

    return dict(ret=draw(3), x=np.column_stack([market, industry, f]), peers=draw(6), rf=np.full(300, 0.0001))


def cut(data: dict[str, np.ndarray], **more) -> Sample:
    return sample_of(data["ret"], data["x"], NAMES, rf=data["rf"], peers=data["peers"], **more)


def fit(model: str, sample: Sample, **more) -> AbnormalReturns:
    return run(model, sample, **(OPTIONS.get(model, {}) | more))


@functools.cache
def usual(model: str) -> AbnormalReturns:
    """The model on the world as it is."""
    return fit(model, cut(world()))


def numbers(ar: AbnormalReturns) -> list[np.ndarray]:
    return [ar.ar, ar.expected, ar.noise, ar.x, ar.g, ar.sigma, ar.df, ar.coef, ar.r2]


def assert_an_answer_or_a_reason(ar: AbnormalReturns) -> None:
    """A pair has finite estimates and no reason, or nothing and a reason; infinite never."""
    for a in numbers(ar):
        assert not np.isinf(a).any()
    for i, why in enumerate(ar.reason):
        if why:
            assert np.isnan(ar.ar[i]).all() and np.isnan(ar.sigma[i])
        else:
            assert ar.sigma[i] > 0 and ar.df[i] > 0 and np.isfinite(ar.g[i]).all()
            assert np.isfinite(ar.ar[i]).any() and (ar.noise[i] > 0).all()
            assert ar.m[i] == ar.est[i].sum() >= 3
            assert np.isfinite(ar.ar[i][ar.est[i]]).all()


@every
def test_the_waist_is_filled(model: str) -> None:
    sample = cut(world())
    ar = usual(model)
    assert_an_answer_or_a_reason(ar)
    assert ar.reason == ("", "", "")
    e, w, k = ar.x.shape
    assert (e, w) == sample.y.shape == ar.ar.shape == ar.noise.shape == ar.expected.shape and ar.g.shape == (e, k, k)
    assert ar.coef.shape == (e, len(ar.coef_names)) and (ar.k <= max(k, 1)).all()
    assert set(ar.model) <= ({"market", "market_zero_alpha"} if model == "auto" else {model})
    assert not (ar.est & ~sample.est).any() and not ar.est[:, 240:].any()
    before = sample.offsets <= sample.estimation[1]
    assert np.isnan(ar.ar[:, before][~ar.est[:, before]]).all()
    assert np.isfinite(ar.ar[:, 240:]).all() and (ar.df <= ar.m).all()
    np.testing.assert_allclose((ar.raw - ar.expected)[:, 240:], ar.ar[:, 240:], atol=1e-16)


@every
def test_pairs_do_not_touch_each_other(model: str) -> None:
    """Order and company of the pairs change nothing."""
    sample = cut(world())
    ar = usual(model)
    turned = fit(model, sample.take([2, 0, 1]))
    alone = fit(model, sample.take([1]))
    for a, b, c in zip(numbers(ar), numbers(turned), numbers(alone)):
        np.testing.assert_allclose(b, a[[2, 0, 1]], rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(c, a[[1]], rtol=1e-9, atol=1e-14)
    assert turned.ticker == ("F2", "F0", "F1")


@every
def test_no_look_ahead_at_the_share(model: str) -> None:
    """Whatever the share does after the estimation window, the fit and its forecasts stand."""
    data = world()
    other = data | {"ret": data["ret"].copy()}
    other["ret"][260:] = 0.2 - other["ret"][260:]
    one, two = usual(model), fit(model, cut(other))
    for name in ("coef", "sigma", "g", "df", "expected", "x"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.ar[:, EST_COLUMNS], two.ar[:, EST_COLUMNS])


@every
def test_no_look_ahead_at_market_and_peers(model: str) -> None:
    """Nor does what the regressors do after it, but for Dimson's leads and the donor factors, which say so."""
    data = world()
    other = data | {"x": data["x"].copy(), "peers": data["peers"].copy()}
    other["x"][260:] *= 3.0
    other["peers"][260:] *= 3.0
    one, two = usual(model), fit(model, cut(other))
    same = np.array_equal(one.coef, two.coef) and np.array_equal(one.sigma, two.sigma)
    assert same is (model not in ("dimson", "gsynth"))
    if not same:
        assert "event" in one.notes[model]


@every
def test_gap_rows_change_nothing(model: str) -> None:
    data = world()
    other = data | {k: data[k].copy() for k in ("ret", "peers")}
    other["ret"][261:268] += 0.1
    other["peers"][261:268] += 0.1
    one, two = usual(model), fit(model, cut(other))
    np.testing.assert_array_equal(one.ar[:, EVENT_COLUMNS], two.ar[:, EVENT_COLUMNS])
    np.testing.assert_array_equal(one.sigma, two.sigma)


@every
def test_missing_returns_inside_the_windows(model: str) -> None:
    data = world()
    holes = data | {"ret": data["ret"].copy()}
    holes["ret"][[30, 31, 200], 0] = np.nan
    holes["ret"][271, 0] = np.nan
    whole, ar = usual(model), fit(model, cut(holes))
    assert_an_answer_or_a_reason(ar)
    assert ar.reason == ("", "", "")
    missing = np.isnan(ar.ar[0, 240:])
    assert list(np.flatnonzero(missing) + 240) == [251]
    assert ar.m[0] < whole.m[0] and np.isnan(ar.ar[0, [10, 11, 180]]).all()
    for a, b in zip(numbers(ar), numbers(whole)):
        np.testing.assert_allclose(a[1:], b[1:], rtol=1e-9, atol=1e-14)


@every
def test_a_history_of_31_returns(model: str) -> None:
    data = world()
    data["ret"][: 260 - 31] = np.nan
    ar = fit(model, cut(data))
    assert_an_answer_or_a_reason(ar)
    if model in GARCH:
        assert all("needs 200" in r for r in ar.reason)
    elif model in ("scholes_williams",):
        assert all(r.startswith("29 returns") for r in ar.reason)
    else:
        assert ar.reason == ("", "", "")
        assert set(ar.m) == ({30} if model == "trade_to_trade" else {31})


@every
@pytest.mark.parametrize("ill", ["equal", "constant", "zero", "absent", "flat market"])
def test_degenerate_shares_have_a_reason(model: str, ill: str) -> None:
    """A share equal to its benchmark and its peers, one that never moves or never trades, a market that never moves."""
    data = world()
    market = data["x"][:, 0].copy()
    if ill == "equal":
        data["x"][:] = market[:, None]
        data["x"][:, 2:] -= data["rf"][:, None]
        data["peers"][:] = market[:, None]
        data["ret"][:, 0] = market
    elif ill == "flat market":
        data["x"][:] = 0.001
        data["peers"][:] = 0.001
    else:
        data["ret"][:, 0] = {"constant": 0.001, "zero": 0.0, "absent": np.nan}[ill]
    ar = fit(model, cut(data))
    assert_an_answer_or_a_reason(ar)
    parameter_free = ("mean", "market_adjusted", "peers_ew", "synthetic_control")
    if ill == "equal":
        assert bool(ar.reason[0]) or model == "mean"
    elif ill == "flat market":
        assert ar.reason[0] or model in parameter_free or model in ("capm_zero", "peers_ridge")
    elif ill == "absent":
        assert ar.reason[0].startswith("0 returns") or "no lags" in ar.reason[0]
    else:
        assert ar.reason[0] or model in (
            "market_adjusted",
            "peers_ew",
            "synthetic_control",
            "market_zero_alpha",
            "capm_zero",
        )
    if ill != "flat market" and ill != "equal":
        assert ar.reason[1:] == ("", "")


@pytest.mark.parametrize("model", PEERS)
def test_no_peers_and_one_peer(model: str) -> None:
    data = world()
    none = run(model, sample_of(data["ret"], data["x"], NAMES))
    assert all('options={"peers"' in r for r in none.reason)
    one = fit(model, sample_of(data["ret"], data["x"], NAMES, peers=data["peers"][:, :1]))
    assert_an_answer_or_a_reason(one)
    if model == "gsynth":
        assert all("two donors or more" in r for r in one.reason)
    else:
        assert one.reason == ("", "", "")
    if model == "synthetic_control":
        np.testing.assert_array_equal(one.coef[:, 1], 1.0)


@pytest.mark.parametrize("model", [m for m in DAILY if m != "auto"])
def test_no_pairs_at_all(model: str) -> None:
    ar = fit(model, cut(world()).take([]))
    assert ar.size == 0 and ar.reason == ()


@every
def test_refit_on_the_estimation_rows_gives_the_residuals(model: str) -> None:
    """Called as the conformal test calls it: the first k columns of x, and the difference where nothing is estimated."""
    ar = usual(model)
    assert (set(ar.refit) == set()) is (model in NO_REFIT) or model == "beta_prior"
    for i in range(ar.size):
        if ar.model[i] in ar.refit:
            rows = np.flatnonzero(ar.est[i])
            k = int(ar.k[i])
            y = ar.raw[i, rows] - (ar.expected[i, rows] if k == 0 else 0.0)
            again = ar.refit[ar.model[i]](y[None], ar.x[i : i + 1, rows][:, :, :k], np.ones((1, rows.size), bool))
            np.testing.assert_allclose(again[0], ar.ar[i, rows], atol=1e-12)


EQUIVARIANT = (
    (
        "mean market capm_shift industry market_industry factors huber theil_sen lad scholes_williams dimson rolling "
        "trade_to_trade peers_reg peers_ridge gsynth"
    )
    .replace("capm_shift ", "")
    .split()
)


@pytest.mark.parametrize("model", EQUIVARIANT)
def test_adding_a_constant_and_scaling(model: str) -> None:
    """An intercept takes a constant up; a share twice as wild has twice the abnormal returns and twice the sigma."""
    data = world()
    base = usual(model)
    shifted = fit(model, cut(data | {"ret": data["ret"] + 0.01}))
    doubled = fit(model, cut(data | {"ret": 2.0 * data["ret"], "rf": 2.0 * data["rf"]}))
    np.testing.assert_allclose(shifted.ar, base.ar, atol=1e-10)
    np.testing.assert_allclose(doubled.ar, 2.0 * base.ar, atol=1e-10)
    np.testing.assert_allclose(doubled.sigma, 2.0 * base.sigma, rtol=1e-8)


@every
def test_in_sample_residuals_are_known_as_such(model: str) -> None:
    """`fitted` says whether a sum over estimation rows varies by less than its rows do."""
    ar = usual(model)
    outside = (
        "market_adjusted",
        "market_zero_alpha",
        "peers_ew",
        "peers_ridge",
        "synthetic_control",
        "beta_prior",
        *GARCH,
    )
    assert ar.fitted.all() == (model not in outside)
    if ar.fitted.all():
        rows = ar.x[:, EST_COLUMNS]
        leverage = np.einsum("erk,ekl,erl->er", rows, ar.g, rows)[ar.est[:, EST_COLUMNS]]
        assert (leverage > 0).all() and (leverage < 1).all()


@every
def test_the_register_describes_the_model(model: str) -> None:
    method = MODELS.get(model)
    assert method.reference.startswith("doi:10.") and method.formula
    assert len(method.doc.splitlines()[0]) <= 110 and method.summary.endswith(".")
    assert len(set(method.variants)) == len(method.variants)


@every
def test_longer_windows_change_no_fit(model: str) -> None:
    """The same estimation with rows cut further out."""
    data = world()
    narrow, wide = usual(model), fit(model, replace(cut(data, span=(-1, 10)), event_from=-1))
    if model == "gsynth":
        return  # factors are drawn from the event rows as well
    np.testing.assert_array_equal(narrow.coef, wide.coef)
    np.testing.assert_array_equal(narrow.ar, wide.ar[:, : narrow.offsets.size])
