"""A result on disk: same bytes twice, whole files only, readable again."""

import csv
import json
from pathlib import Path

import pytest

import abnormal as ab
from abnormal.errors import RequestError
from abnormal.present.save import _svg, save_result, write_bytes
from abnormal.result import FRAMES


@pytest.fixture(scope="module")
def study():
    return ab.run("anthropic_export_order")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_folder_holds_what_is_promised(study, tmp_path):
    where = save_result(study, tmp_path / "out", figures=False)
    assert set(files_of(where)) == {"result.json", "manifest.json", *(f"tables/{n}.csv" for n in FRAMES)}


def test_second_run_writes_the_same_bytes(study, tmp_path):
    first = files_of(save_result(study, tmp_path / "a", figures=False))
    again = ab.run("anthropic_export_order")
    assert files_of(save_result(again, tmp_path / "b", figures=False)) == first


def test_saving_over_an_older_run_leaves_no_temporary_file(study, tmp_path):
    first = files_of(save_result(study, tmp_path, figures=False))
    assert files_of(save_result(study, tmp_path, figures=False)) == first


def test_result_json_is_the_result(study, tmp_path):
    save_result(study, tmp_path, figures=False)
    told = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert next(iter(told)) == "schema_version"
    assert told == json.loads(study.to_json())
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8")) == told["manifest"]


def test_tables_have_the_columns_of_the_frames(study, tmp_path):
    save_result(study, tmp_path, figures=False)
    for name in FRAMES:
        with (tmp_path / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[0] == list(getattr(study, name).columns)
        assert len(rows) == 1 + len(getattr(study, name))


def test_loaded_result_says_the_same(study, tmp_path):
    loaded = ab.load_result(study.save(tmp_path, figures=False))
    told, original = repr(loaded).splitlines(), repr(study).splitlines()
    # Only why the session was chosen is not in the tables.
    differing = [line for line in original if line not in told]
    assert told[:3] == original[:3] and len(differing) <= 3
    assert any("2026-06-15 (market closed)" in line for line in told)


def test_place_that_cannot_be_written_is_said(study, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError, match=r"cannot write .*result\.json"):
        save_result(study, tmp_path / "file", figures=False)


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    target = write_bytes(tmp_path / "x.txt", b"old")
    import os

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RequestError, match="No space left"):
        write_bytes(target, b"new")
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == {"x.txt": b"old"}


def test_figures_are_svg_without_a_clock(study, tmp_path, monkeypatch):
    monkeypatch.setattr("abnormal.present.save.FIGURES", ("car", "ar", "scatter"))
    stale = tmp_path / "figures" / "scatter.svg"  # of an older run; one pair has no cross-section
    write_bytes(stale, b"old")
    first = files_of(save_result(study, tmp_path) / "figures")
    assert set(first) == {"car.svg", "ar.svg"} and not stale.exists()
    assert all(b"<svg" in body and b"dc:date" not in body for body in first.values())
    assert _svg(study, "car") == first["car.svg"]
