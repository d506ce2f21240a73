"""References: every DOI a method names has an entry, and a study cites what it used and nothing else."""

import re

import pytest

from abnormal.present import citations
from abnormal.registry import CHECKS, MODELS, TESTS

EVERY = [*MODELS, *TESTS, *CHECKS]


@pytest.mark.parametrize("method", EVERY, ids=lambda m: f"{m.kind}-{m.name}")
def test_every_paper_of_the_registries_has_an_entry(method):
    assert method.reference, f"{method.kind} {method.name} names no paper"
    missing = [doi for doi in citations.dois_in(method.reference) if citations.reference_of(doi) is None]
    assert not missing, f"add {missing} to present/references.bib"
    assert citations.references_in(method.reference), f"add {method.reference!r} to present/references.bib"


def test_entries_are_whole_and_their_keys_unique():
    entries = citations.references()
    keys = [r.key for r in entries.values()]
    dois = [r.doi.lower() for r in entries.values() if r.doi]
    assert len(keys) == citations.FILE.read_text(encoding="utf-8").count("\n@") and keys == sorted(keys)
    assert len(set(dois)) == len(dois)
    for entry in entries.values():
        kind = re.match(r"@(\w+)", entry.text)[1]
        needed = {"article": ("journal", "volume"), "book": ("publisher",), "misc": ("howpublished",)}[kind]
        for field in ("author", "title", "year", *needed):
            assert re.search(rf"\b{field} = \{{.+?\}}", entry.text), f"{entry.key} has no {field}"
        assert entry.text.count("{") == entry.text.count("}")
        assert entry.key.rstrip("abc")[-4:] == re.search(r"year = \{(\d+)\}", entry.text)[1]


def test_a_typesetter_reads_the_whole_file(tmp_path):
    import typst

    (tmp_path / "all.bib").write_text(citations.FILE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "all.typ").write_text('#bibliography("all.bib", full: true, style: "apa")\n', encoding="utf-8")
    assert typst.compile(str(tmp_path / "all.typ"), root=str(tmp_path), ignore_system_fonts=True).startswith(b"%PDF")


def test_a_single_pair_cites_its_tests_and_no_cross_section(single):
    used = citations.used_methods(single)
    names = {m.name for m in used.tests}
    assert {"t_car", "sq", "placebo_time", "selection", "intraday_extreme"} <= names
    assert not names & {"patell", "bmp", "corrado", "portfolio_sq", "wild"}
    assert {m.name for m in used.models} == {"market_zero_alpha", "market", "market_adjusted", "mean"}
    keys = {r.key for r in citations.used_references(single)}
    assert {"gelbach2013", "romano2005", "fama1969"} <= keys and not keys & {"patell1976", "boehmer1991", "kolari2010"}


def test_two_firms_on_one_date_cite_the_tests_of_a_common_date(pair):
    keys = {r.key for r in citations.used_references(pair)}
    assert {"patell1976", "boehmer1991", "kolari2010", "gelbach2013"} <= keys


def test_every_test_with_a_number_is_cited_and_no_other(pair):
    computed = set(pair.tests.loc[pair.tests["p"].notna(), "test"])
    used = {m.name for m in citations.used_methods(pair).tests}
    assert computed <= used
    never = set(pair.tests["test"]) - computed
    assert not (never - {"intraday_extreme"}) & used


def test_cite_is_bibtex_in_the_order_of_its_keys(single):
    text = single.cite()
    keys = re.findall(r"^@\w+\{([^,]+),", text, re.M)
    assert keys == sorted(keys) == [r.key for r in citations.used_references(single)]
    assert text.endswith("}\n")


def test_a_doi_ends_where_the_sentence_goes_on():
    text = "Kolari and Pynnonen (2010), doi:10.1093/rfs/hhq072; (1974) doi:10.1016/0304-405X(74)90012-9."
    assert citations.dois_in(text) == ["10.1093/rfs/hhq072", "10.1016/0304-405X(74)90012-9"]
    assert citations.reference_of("10.9999/nothing") is None
    assert citations.reference_of("10.1093/RFS/HHQ072").key == "kolari2010"


def test_a_paper_without_doi_is_found_by_author_and_year():
    assert [r.key for r in citations.references_in("Rinaudo and Saha (2014), Journal of Financial Perspectives")] == [
        "rinaudo2014"
    ]
    assert citations.references_in("Rinaudo (2015)") == []
