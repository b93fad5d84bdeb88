"""Extraction against real pages: every glossary's terms exactly, every other page none."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from embedkit.crawler.extract.page import extract
from embedkit.crawler.sources.markup import to_html
from embedkit.shipped_data import data_path

INDEX = Path(__file__).resolve().parents[3] / "shared/samples/glossaries/INDEX.tsv"


def _cases() -> list[tuple[str, int]]:
    if not INDEX.is_file():
        return []
    with INDEX.open(encoding="utf-8") as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        return [(r["file"], int(r["expected_terms"])) for r in rows if r["expected_terms"] != "-"]


def _read(path: Path) -> tuple[str, str]:
    return to_html(path.read_bytes(), place=path.name, suffix=path.suffix)


@pytest.mark.skipif(not INDEX.is_file(), reason="shared/ does not lie beside the checkout")
@pytest.mark.parametrize(("name", "expected"), _cases())
def test_sample_page_gives_exactly_its_terms(name: str, expected: int) -> None:
    html, title = _read(INDEX.parent / name)
    assert extract(html, title=title).terms == expected


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("page", "terms"), [("components", 200), ("circuits", 220), ("digital", 221)])
def test_shipped_page_gives_every_entry(page: str, terms: int, lang: str) -> None:
    html, _ = _read(data_path(f"pages/{page}.{lang}.html"))
    found = extract(html)
    assert len(found.entries) == terms
    assert found.dropped == {}


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_shipped_pages_say_what_the_shipped_glossary_says(lang: str) -> None:
    with data_path(f"electronics.{lang}.csv").open(encoding="utf-8", newline="") as handle:
        expected = {(r["term"], r["definition"]) for r in csv.DictReader(handle)}
    pages = [
        extract(_read(data_path(f"pages/{p}.{lang}.html"))[0]) for p in ("components", "circuits", "digital")
    ]
    assert {(t.term, s) for p in pages for t in p.entries for s in t.senses} == expected


def test_sample_wiki_page_has_its_redirect_and_names(shared: Path) -> None:
    html, title = _read(shared / "samples/glossaries/mediawiki/synth_en.parse.json")
    found = extract(html, title=title)
    names = {(a.text, a.kind) for t in found.entries for a in t.aliases}
    assert {
        ("α-test", "synonym"),
        ("assertion", "synonym"),
        ("bug", "redirect"),
        ("TO", "abbreviation"),
        ("data", "plural"),
    } <= names
    assert found.redirects == 1


def test_sample_korean_definitions_are_told_from_english_ones(shared: Path) -> None:
    from embedkit.text import language_of

    html, _ = _read(shared / "samples/glossaries/python311_ko_sphinx_rebuilt.html")
    korean = sum(language_of(t.senses[0]) == "ko" for t in extract(html).entries)
    assert 85 <= korean <= 102
