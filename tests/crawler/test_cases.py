"""The cases of `../shared/cases/crawl`: every file gives exactly the terms of its INDEX.tsv, or the named reason."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from embedkit.crawler import CrawlOptions, crawl
from embedkit.data.reading import read_glossary
from embedkit.errors import AnswerNoError

CASES = Path(__file__).resolve().parents[3] / "shared/cases/crawl"
REASONS = {"frameset.html": "frame", "spa_shell.html": "script", "fp_about_glossary.html": "glossar"}
FIRST_DEFINITIONS = {
    "cards_h5.html": "Paying off a debt with regular instalments over a fixed period.",
    "dl_colon_dd.html": "Paying off a debt with regular instalments over a fixed period.",
    "ko_en_span.html": "어떤 현상을 설명하려고 임시로 세운 주장이다.",
    "ko_dl_dtbtn.html": "어떤 현상을 설명하려고 임시로 세운 주장이다.",
}


def _cases() -> list[tuple[str, str]]:
    if not CASES.is_dir():
        return []
    with (CASES / "INDEX.tsv").open(encoding="utf-8") as handle:
        return [(r["file"], r["expected terms"]) for r in csv.DictReader(handle, delimiter="\t")]


@pytest.mark.skipif(not CASES.is_dir(), reason="shared/ does not lie beside the checkout")
@pytest.mark.parametrize(("name", "expected"), _cases())
def test_case_gives_its_terms(name: str, expected: str, tmp_path: Path) -> None:
    options = CrawlOptions(from_file=[CASES / name], output=tmp_path / "glossary.csv")
    if expected.startswith("("):
        with pytest.raises(AnswerNoError) as refused:
            crawl(options)
        assert REASONS[name] in str(refused.value).lower()
        return
    crawl(options)
    rows = list(read_glossary(tmp_path / "glossary.csv"))
    terms = re.sub(r" with lang \w+$| \(\d+ senses\)", "", expected).split("; ")
    if name == "one_term_marked.html":
        assert rows[0].term == terms[0]
        return
    if name.startswith("p_blockquote"):
        terms = [re.sub(r" \(.*", "", t) for t in terms]
    assert list(dict.fromkeys(row.term for row in rows)) == terms
    assert {row.lang for row in rows} <= {"en", "ko", "de"}
    if name in FIRST_DEFINITIONS:
        assert rows[0].definition == FIRST_DEFINITIONS[name]
