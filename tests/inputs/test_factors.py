"""Factor files: the shapes of Kenneth French's library, and what people make of them."""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest

from abnormal.errors import BadData, UnknownName
from abnormal.inputs.factors import canonical, factor_frame, read_french

DAILY = """This file was made up for a test and holds no real data.
It imitates the layout of the library.

,Mkt-RF,SMB,HML,RF
20260609,    0.52,   -0.14,    0.33,   0.014
20260610,   -1.20,    0.40, -99.99,   0.014
20260611,    0.75,  -999,      0.10,   0.014

Copyright line
"""
MOMENTUM = "made up\n\n,Mom   \n20260610,  0.90\n20260611, -0.30\n20260612,  0.20\n"
MONTHLY = """made up

,Mkt-RF,SMB,RF
202601,  2.10,  -0.50, 0.30
202602, -3.40,   1.00, 0.31

 Annual Factors: January-December
,Mkt-RF,SMB,RF
  2025, 12.0, 1.0, 4.0
"""


def test_daily_file_with_preamble_percent_and_missing_codes():
    table = read_french(DAILY)
    assert table.names == ("MKT", "SMB", "HML")
    assert table.dates.astype(str).tolist() == ["2026-06-09", "2026-06-10", "2026-06-11"]
    np.testing.assert_allclose(table.column("Mkt-RF"), [0.0052, -0.012, 0.0075])
    assert np.isnan(table.column("HML")[1]) and np.isnan(table.column("SMB")[2])
    np.testing.assert_allclose(table.rf, 0.00014)
    told = " ".join(table.notes)
    assert "percent" in told and "2 values of -99.99 or -999 are missing" in told and "above the column names" in told


def test_monthly_file_ends_before_the_annual_block():
    table = read_french(MONTHLY)
    assert table.dates.astype(str).tolist() == ["2026-01-31", "2026-02-28"]
    np.testing.assert_allclose(table.column("MKT"), [0.021, -0.034])
    assert any("annual" in n for n in table.notes)


def test_momentum_is_put_beside_on_the_union_of_dates(tmp_path):
    first, second = tmp_path / "five.csv", tmp_path / "mom.csv"
    first.write_text(DAILY)
    second.write_text(MOMENTUM)
    table = read_french(first, second)
    assert table.names == ("MKT", "SMB", "HML", "MOM") and len(table) == 4
    np.testing.assert_allclose(table.column("UMD"), [np.nan, 0.009, -0.003, 0.002])
    assert np.isnan(table.column("MKT")[3]) and np.isnan(table.rf[3])
    assert "mom.csv: no rows on 1 dates of the other files" in table.notes


def test_zip_and_windows_line_ends(tmp_path):
    path = tmp_path / "factors_CSV.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("factors.csv", DAILY.replace("\n", "\r\n"))
    np.testing.assert_array_equal(read_french(path).values, read_french(DAILY).values)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_plain_csv_in_decimal_or_percent(tmp_path, scale, delimiter):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(0, 0.01, (50, 3)) * scale, columns=["mkt_rf", "SMB", "WML"])
    frame.insert(0, "date", pd.bdate_range("2026-01-01", periods=50).strftime("%Y-%m-%d"))
    frame.to_csv(tmp_path / "f.csv", index=False, sep=delimiter)
    table = read_french(tmp_path / "f.csv")
    assert table.names == ("MKT", "SMB", "MOM") and table.rf is None
    np.testing.assert_allclose(table.values, frame.iloc[:, 1:] / scale)
    assert any("percent" in n for n in table.notes) == (scale == 100.0)


def test_frame_of_decimal_returns():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        rng.normal(0, 0.01, (20, 2)), columns=["Mkt-RF", "RF"], index=pd.bdate_range("2026-01-01", periods=20)[::-1]
    )
    table = factor_frame(frame)
    assert table.names == ("MKT",) and table.dates[0] < table.dates[-1]
    np.testing.assert_array_equal(table.rf, frame["RF"].to_numpy()[::-1])
    with pytest.raises(BadData, match="percent"):
        factor_frame(frame * 100)


def test_a_size_between_percent_and_decimal_must_be_said():
    text = ",Mkt-RF\n20260609,0.10\n20260610,-0.10\n"
    with pytest.raises(BadData, match="percent=True or False"):
        read_french(text)
    assert read_french(text, percent=True).values[0, 0] == pytest.approx(0.001)
    assert read_french(text, percent=False).values[0, 0] == 0.10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (",Mkt-RF\n20260609,0.5\n20261310,0.5\n", "factors:3: date '20261310'"),
        (",Mkt-RF\n20260609,0.5\n20260609,0.5\n", "factors:3: .*does not come after"),
        (",Mkt-RF\n20260609,0.5\n202606,0.5\n", "factors:3: date '202606' among"),
        (",Mkt-RF\n20260609,abc\n", "factors:2: .*abc"),
        (",Mkt-RF\n20260609,0.5,0.6\n", "factors:2: no line of 3 column names"),
        (",Mkt-RF,SMB\n20260609,0.5,0.6\n20260610,0.5\n", "factors:3: 2 columns where 3 are named"),
        (",Mkt-RF,MKT\n20260609,0.5,0.6\n", "two mean MKT"),
        (",RF\n20260609,0.5\n", "no factor beside"),
        ("words\nand words\n", "no rows of the kind"),
    ],
)
def test_what_cannot_be_read_names_the_line(text, words):
    with pytest.raises(BadData, match=words):
        read_french(text)


def test_missing_file_double_factor_and_unknown_column(tmp_path):
    (tmp_path / "five.csv").write_text(DAILY)
    with pytest.raises(BadData, match=r"no such file.*five\.csv"):
        read_french(tmp_path / "fiv.csv")
    with pytest.raises(BadData, match="MKT is in two"):
        read_french(tmp_path / "five.csv", tmp_path / "five.csv")
    with pytest.raises(UnknownName, match="holds MKT, SMB, HML"):
        read_french(DAILY).column("CMA")
    with pytest.raises(BadData, match="damaged zip"):
        (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04broken")
        read_french(tmp_path / "bad.zip")


def test_digest_follows_the_values():
    table = read_french(DAILY)
    assert table.digest == read_french(DAILY).digest != read_french(DAILY.replace("0.52", "0.53")).digest


def test_names():
    assert [canonical(n) for n in ("Mkt-RF", "MKT", "mkt_rf", "UMD", "WML", "Mom   ", "RF", "Agg")] == [
        "MKT", "MKT", "MKT", "MOM", "MOM", "MOM", "RF", "Agg",
    ]  # fmt: skip
