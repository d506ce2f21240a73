"""The bundled lock-up regression: two pairs offline, and the answer says what would bring the rest."""

import json

import pytest

import abnormal as ab
from abnormal.inputs.studyfile import load_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("ABNORMAL_STORE", str(tmp_path_factory.mktemp("store")))
    yield ab.run("lockup_regression_2026")
    patch.undo()


def test_offline_it_has_two_pairs_and_names_the_fetch_line(study):
    assert study.pairs["ticker"].tolist() == ["2513.HK", "0100.HK"]
    gone = study.excluded[study.excluded["stage"] == "prices"]
    assert set(gone["ticker"]) == {"0020.HK"}
    assert gone["remedy"].unique().tolist() == ["abnormal fetch 0020.HK 0700.HK 9988.HK 9888.HK"]


def test_two_pairs_are_too_few_for_two_coefficients(study):
    own = load_study("lockup_regression_2026").spec.regression
    assert own.formula == "car ~ unlock_pct"
    got = study.regress(own.formula, window=own.window, cov=own.cov)
    assert got.status == "not_applicable"
    assert "2 coefficients need more than 2 pairs" in got.reason
    assert "abnormal fetch 0020.HK 0700.HK 9988.HK 9888.HK" in repr(got)
    json.dumps(got.to_dict(), allow_nan=False)


def test_through_the_origin_two_pairs_are_enough(study):
    got = study.regress("car ~ 0 + unlock_pct", window=(0, 1))
    car = study.car[(study.car["window_start"] == 0) & (study.car["window_end"] == 1)]["car"].to_numpy()
    pct = [5.76, 48.9]
    assert got.coef[0] == pytest.approx((pct[0] * car[0] + pct[1] * car[1]) / (pct[0] ** 2 + pct[1] ** 2), rel=1e-9)


def test_once_the_prices_are_there_the_pair_is_studied(study, tmp_path):
    """A frame that holds the third share as well: nothing is left out for want of prices."""
    import numpy as np
    import pandas as pd

    days = pd.bdate_range("2021-12-30", "2026-08-31")
    rng = np.random.default_rng(0)
    names = ["2513.HK", "0100.HK", "0020.HK", "0700.HK", "9988.HK", "9888.HK"]
    frame = pd.DataFrame(0.02 * rng.standard_normal((days.size, 6)), index=days, columns=names)
    got = ab.run("lockup_regression_2026", ab.Returns(frame))
    assert len(got.pairs) == 4
    slope = got.regress("car ~ unlock_pct", window=(0, 1))
    assert slope.n == 3 and slope.status == "ok"
    assert [x.reason for x in slope.excluded] == ["no value of unlock_pct"]


def test_by_and_regress_hang_on_a_result(study):
    frame = study.by("ticker")
    assert "0100.HK - 2513.HK" in set(frame["group"])
    assert study.regress("car ~ beta").status == "not_applicable"


def test_pairs_named_in_a_study_still_fail_loudly_without_prices(tmp_path, monkeypatch):
    from abnormal.errors import NotInStore

    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path))
    file = tmp_path / "named.toml"
    file.write_text(
        'schema = 1\ntitle = "t"\nquestion = "q"\n[events]\npairs = [["zhipu-lockup-2026", "2513.HK"], '
        '["sensetime-lockup-6m-2022-06-30", "0020.HK"]]\n[benchmark]\ntickers = ["0700.HK"]\n[model]\nname = "market"\n'
    )
    with pytest.raises(NotInStore, match=r"0020\.HK"):
        ab.run(str(file))
