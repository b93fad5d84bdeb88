"""`embedkit search`: the right entry first, and the corpus that a run remembers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from embedkit.data.entries import Alias, Entry, write_glossary
from embedkit.data.manifest import Manifest, hashes, manifest_path, write_manifest
from embedkit.errors import UserError
from embedkit.explore.search import SearchOptions, SearchResult
from embedkit.explore.search import search as search_all
from embedkit.ranking.hybrid.shares import LanguageShare, LearntShares, write_shares
from embedkit.text import width

ENTRIES = (
    Entry(term="PWM", definition="pulse width modulation", lang="en"),
    Entry(term="필터", definition="주파수를 골라 내는 회로", lang="ko"),
    Entry(term="noise", definition="zzzz qqqq xxxx", lang="en"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    write_glossary("g.csv", ENTRIES)


def search(query: str, *, model: str, **options: Any) -> SearchResult:
    """The result of a single query."""
    (result,) = search_all(SearchOptions(query=query, model=model, **options))
    return result


def _run(model: Path, pairs: str) -> str:
    shutil.copytree(model, "runs/r/model")
    Path("runs/r/config.json").write_text(json.dumps({"data": {"pairs_path": pairs}}))
    return "runs/r"


@pytest.mark.parametrize(
    ("query", "term"), [("pulse width modulation", "PWM"), ("주파수를 골라 내는", "필터")]
)
def test_the_nearest_entry_comes_first(tiny_model: Path, query: str, term: str) -> None:
    result = search(query, model=str(tiny_model), corpus=Path("g.csv"))
    assert result.hits[0].term == term
    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert result.hits[0].score >= result.hits[1].score


def test_a_cross_encoder_orders_the_first_entries_anew(tiny_model: Path, cross_encoder: Path) -> None:
    from sentence_transformers import CrossEncoder

    asked = {"model": str(tiny_model), "corpus": Path("g.csv"), "cross_encoder": str(cross_encoder)}
    result = search("잡음 noise", **asked)
    texts = [f"{entry.term}: {entry.definition}" for entry in ENTRIES]
    pairs = [("잡음 noise", text) for text in texts]
    wanted = CrossEncoder(str(cross_encoder), device="cpu").predict(pairs, show_progress_bar=False)
    assert {hit.term: hit.score for hit in result.hits} == pytest.approx(
        {entry.term: float(score) for entry, score in zip(ENTRIES, wanted, strict=True)}, abs=1e-5
    )
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)
    plain = search("잡음 noise", model=str(tiny_model), corpus=Path("g.csv"))
    (only,) = search("잡음 noise", **asked, candidates=1, top_k=1).hits
    assert only.term == plain.hits[0].term


def test_an_embedding_model_orders_nothing_anew(tiny_model: Path) -> None:
    with pytest.raises(UserError, match="is not a cross-encoder"):
        search("a", model=str(tiny_model), corpus=Path("g.csv"), cross_encoder=str(tiny_model))


def test_an_entry_is_found_by_any_of_its_names(tiny_model: Path) -> None:
    named = Entry(term="noise", definition="zzzz qqqq xxxx", aliases=(Alias("잡음", "translation", "ko"),))
    write_glossary("g.csv", [*ENTRIES[:2], named])
    (first, *_) = search("잡음", model=str(tiny_model), corpus=Path("g.csv"), ranker="dense").hits
    assert (first.term, first.text) == ("noise", "zzzz qqqq xxxx")
    assert first.score == pytest.approx(1)


@pytest.mark.parametrize("ranker", ["hybrid", "lexical"])
def test_words_find_a_name_in_a_question(tiny_model: Path, ranker: str) -> None:
    entries = [Entry(term=f"part {n}", definition=f"text of number {n}") for n in range(9)]
    write_glossary("g.csv", [*entries, Entry(term="펄스 폭 변조", definition="qqqq zzzz")])
    (first, *_) = search(
        "펄스폭변조가 뭐예요?", model=str(tiny_model), corpus=Path("g.csv"), ranker=ranker
    ).hits
    assert first.term == "펄스 폭 변조"
    assert 0 < first.score <= 1


def test_top_k_limits_the_hits(tiny_model: Path) -> None:
    assert len(search("x", model=str(tiny_model), corpus=Path("g.csv"), top_k=2).hits) == 2


def test_lines_fit_the_terminal(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    write_glossary("g.csv", [Entry(term="필터", definition="주파수를 골라 내는 회로 " * 20)])
    search("필터", model=str(tiny_model), corpus=Path("g.csv"))
    (line,) = capsys.readouterr().out.splitlines()
    assert width(line) <= 60
    assert line.endswith("…")


def test_a_run_ranks_as_its_dev_questions_taught(tiny_model: Path) -> None:
    Path("pairs.jsonl").write_text('{"anchor": "PWM", "positive": "pulse width modulation"}\n')
    run = _run(tiny_model, "pairs.jsonl")
    learnt = LanguageShare(lang="ko", share=0, hybrid=0.5, definitions=0, questions=60, recall=(1, 1, 0))
    write_shares(Path(run) / "ranker.json", LearntShares((learnt,)))

    def found(query: str, **options: Any) -> tuple[str, float]:
        result = search(query, model=run, corpus=Path("g.csv"), **options)
        return result.ranker, result.meaning

    assert found("펄스 폭") == ("lexical", 0)
    assert found("펄스 폭", ranker="hybrid") == ("hybrid", 0.5)
    assert found("pulse width") == ("hybrid", 0.225)
    assert found("펄스 폭", ranker="dense") == ("dense", 1)


def test_json_is_one_object(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search("PWM", model=str(tiny_model), corpus=Path("g.csv"), as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"query", "model", "ranker", "meaning", "corpus", "entries", "hits"}


def test_a_run_remembers_the_glossary_its_pairs_came_from(tiny_model: Path) -> None:
    Path("pairs.jsonl").write_text('{"anchor": "a", "positive": "b"}\n')
    manifest = Manifest(
        step="compose", inputs=hashes([Path("g.csv")]), outputs={}, settings={}, counts={}, versions={}
    )
    write_manifest(manifest_path(Path("pairs.jsonl")), manifest)
    assert search("x", model=_run(tiny_model, "pairs.jsonl")).corpus == "g.csv"


def test_a_run_without_its_glossary_searches_the_definitions_of_its_pairs(tiny_model: Path) -> None:
    rows = [
        {"anchor": "PWM", "positive": "pulse width modulation", "kind": "term-definition"},
        {"anchor": "PWM", "positive": "펄스 폭 변조", "kind": "translation"},
    ]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = search("x", model=_run(tiny_model, "pairs.jsonl"))
    assert [(hit.term, hit.text) for hit in result.hits] == [("PWM", "pulse width modulation")]


@pytest.mark.parametrize(
    ("name", "text", "encoding", "mapping"),
    [
        ("g.tsv", "용어\t정의\t동의어\n저항\t전류를 막는 소자\t저항기\n", "utf-8", {}),
        ("g2.csv", "용어;정의;동의어\n저항;전류를 막는 소자;저항기\n", "cp949", {}),
        ("g3.csv", "이름,정의,동의어\n저항,전류를 막는 소자,저항기\n", "utf-16", {"term": "이름"}),
    ],
)
def test_a_run_finds_a_glossary_of_any_dialect_again_with_its_aliases(
    tiny_model: Path, name: str, text: str, encoding: str, mapping: dict[str, str]
) -> None:
    Path(name).write_text(text, encoding=encoding)
    Path("pairs.jsonl").write_text('{"anchor": "a", "positive": "b"}\n')
    inputs = hashes([Path(name)])
    manifest = Manifest(
        step="compose", inputs=inputs, outputs={}, settings={"map": mapping}, counts={}, versions={}
    )
    write_manifest(manifest_path(Path("pairs.jsonl")), manifest)
    result = search("저항기", model=_run(tiny_model, "pairs.jsonl"), ranker="dense")
    assert (result.corpus, result.hits[0].term) == (name, "저항")
    assert result.hits[0].score == pytest.approx(1)


def test_a_glossary_that_is_gone_is_said(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pairs.jsonl").write_text('{"anchor": "a", "positive": "b"}\n')
    manifest = Manifest(
        step="compose", inputs={"gone.csv": "0"}, outputs={}, settings={}, counts={}, versions={}
    )
    run = _run(tiny_model, "pairs.jsonl")
    search("x", model=run)
    assert "has no manifest that names a glossary" in capsys.readouterr().err
    write_manifest(manifest_path(Path("pairs.jsonl")), manifest)
    assert search("x", model=run).corpus == "pairs.jsonl"
    assert "gone.csv: gone, changed or no glossary" in capsys.readouterr().err


def test_a_plain_model_needs_a_corpus(tiny_model: Path) -> None:
    with pytest.raises(UserError, match="no corpus is known"):
        search("x", model=str(tiny_model))


def test_an_empty_query_is_refused(tiny_model: Path) -> None:
    with pytest.raises(UserError, match="the query is empty"):
        search("  ", model=str(tiny_model), corpus=Path("g.csv"))


def test_a_missing_corpus_is_named(tiny_model: Path) -> None:
    with pytest.raises(UserError, match=r"nope\.csv: there is no such file"):
        search("x", model=str(tiny_model), corpus=Path("nope.csv"))


def test_a_term_is_found_by_what_its_brackets_hold(tiny_model: Path) -> None:
    entries = [Entry(term=f"part {n}", definition=f"text of number {n}") for n in range(9)]
    write_glossary("g.csv", [*entries, Entry(term="blood pressure (BP)", definition="qqqq zzzz")])
    for query in ("is a high BP bad", "blood pressure?"):
        assert search(query, model=str(tiny_model), corpus=Path("g.csv"), ranker="lexical").hits[0].term == (
            "blood pressure (BP)"
        )
