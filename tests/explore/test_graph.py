"""`embedkit graph`: the links are those of the vectors, the GraphML reads back, the page loads nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import networkx as nx
import pytest

from embedkit.data.entries import Alias, Entry, write_glossary
from embedkit.errors import UserError
from embedkit.explore.concepts import concept_vectors, concepts_of
from embedkit.explore.graph import GraphOptions, graph
from embedkit.models.corpus import load_corpus
from embedkit.models.resolve import resolve_model
from embedkit.models.vectors import Encoder

ATTACK = "</script><script>alert('필터')</script>"
ENTRIES = (
    Entry(term="diode", definition="lets current pass one way only", lang="en"),
    Entry(term="zener diode", definition="lets current pass both ways", lang="en"),
    Entry(term="photo diode", definition="lets current pass where light falls", lang="en"),
    Entry(term="필터", definition=ATTACK, aliases=(Alias("filter", "translation", "en"),), lang="ko"),
    Entry(term="filter", definition="passes some frequencies", lang="en"),
    Entry(term="잡음", definition="\x07신호가 아닌 것", lang="ko"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_glossary("g.csv", ENTRIES)


def test_links_are_the_pairs_that_are_near_enough(tiny_model: Path) -> None:
    result = graph(
        GraphOptions(
            corpus=Path("g.csv"), model=str(tiny_model), min_similarity=0.9, output=Path("o.graphml")
        )
    )
    concepts = concepts_of(load_corpus(Path("g.csv")))
    vectors = concept_vectors(concepts, Encoder(resolve_model(str(tiny_model))))
    cosines = vectors @ vectors.T
    count = len(concepts)
    near = {(i, j) for i in range(count) for j in range(i + 1, count) if cosines[i, j] >= 0.9}
    read = nx.read_graphml("o.graphml")
    assert {tuple(sorted(map(int, edge))) for edge in read.edges} == near
    assert result.links == len(near)
    assert result.concepts == count == 5


def test_the_graphml_names_both_languages(tiny_model: Path) -> None:
    graph(GraphOptions(corpus=Path("g.csv"), model=str(tiny_model), output=Path("o.graphml")))
    labels = [label for _, label in nx.read_graphml("o.graphml").nodes(data="label")]
    assert "filter · 필터" in labels


def test_two_links_a_concept_are_the_default(tiny_model: Path) -> None:
    many = [Entry(term=f"word {n}", definition=f"defined {n * n}") for n in range(40)]
    write_glossary("g.csv", many)
    result = graph(GraphOptions(corpus=Path("g.csv"), model=str(tiny_model), output=Path("o.graphml")))
    assert 80 <= result.links <= 90


def test_the_page_loads_nothing_and_escapes_all(tiny_model: Path) -> None:
    result = graph(GraphOptions(corpus=Path("g.csv"), model=str(tiny_model), min_similarity=-1))
    assert result.files == ("graph.html", "graph.graphml")
    page = Path("graph.html").read_text()
    markup = re.sub(r"(<script[^>]*>).*?(</script>)", r"\1\2", page, flags=re.DOTALL)
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=", markup)
    assert "<script>alert(" not in page
    found = re.search(r'<script type="application/json" id="concepts">(.*?)</script>', page, re.DOTALL)
    assert found
    details = json.loads(found.group(1))
    assert {one["id"] for one in details} == set(range(5))
    assert all(len(one["near"]) == 4 for one in details)
    assert len(page.encode()) < 3_000_000


def test_files_that_are_there_are_kept(tiny_model: Path) -> None:
    Path("graph.graphml").write_text("mine")
    with pytest.raises(UserError, match=r"graph\.graphml: already exists"):
        graph(GraphOptions(corpus=Path("g.csv"), model=str(tiny_model)))


@pytest.mark.parametrize(
    ("least", "output", "problem"),
    [(1.0, "o.html", "no two concepts have a cosine of"), (0.5, "o.png", r"ends in \.html or \.graphml")],
)
def test_what_cannot_be_drawn_is_said(tiny_model: Path, least: float, output: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        graph(
            GraphOptions(
                corpus=Path("g.csv"), model=str(tiny_model), min_similarity=least, output=Path(output)
            )
        )
    assert not Path(output).exists()
