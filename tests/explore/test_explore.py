"""The tasks: similarity, odd-one-out, clusters, recommendations and answers, with a real tiny model."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer, util

from embedkit.data.entries import Alias, Entry, write_glossary
from embedkit.errors import UserError
from embedkit.explore.cluster import ClusterOptions, cluster
from embedkit.explore.concepts import concepts_of
from embedkit.explore.faq import FaqOptions, faq
from embedkit.explore.recommend import RecommendOptions, recommend
from embedkit.explore.similarity import (
    FUNCTIONS,
    OddOneOutOptions,
    SimilarityOptions,
    odd_one_out,
    similarity,
)

WORDS = ("전압", "전류", "다이오드", "noise")
PWM = Entry(
    term="pulse-width modulation",
    definition="a signal whose pulses vary in width",
    aliases=(Alias("PWM", "abbreviation"), Alias("펄스 폭 변조", "translation", "ko")),
    lang="en",
)
PWM_KO = Entry(
    term="펄스 폭 변조",
    definition="펄스의 폭을 바꾸는 변조",
    aliases=(Alias("pulse-width modulation", "translation", "en"),),
    lang="ko",
)
OTHERS = (
    Entry(term="diode", definition="lets current pass one way only", lang="en"),
    Entry(term="필터", definition="주파수를 고르는 회로", lang="ko"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_glossary("g.csv", [PWM, PWM_KO, *OTHERS])


# similarity


def test_the_four_functions_agree_with_sentence_transformers(tiny_model: Path) -> None:
    result = similarity(SimilarityOptions(texts=WORDS, model=str(tiny_model), functions=FUNCTIONS))
    vectors = SentenceTransformer(str(tiny_model), device="cpu").encode(list(WORDS))
    theirs = {
        "cosine": util.cos_sim(vectors, vectors),
        "dot": util.dot_score(vectors, vectors),
        "euclidean": -util.euclidean_sim(vectors, vectors),
        "manhattan": -util.manhattan_sim(vectors, vectors),
    }
    for matrix in result.matrices:
        # sentence-transformers' own float32 distance of a text to itself is off by up to 1e-3
        np.testing.assert_allclose(matrix.values, theirs[matrix.function].numpy(), atol=2e-3)


def test_two_texts_are_compared_by_all_four_functions(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    similarity(SimilarityOptions(texts=WORDS[:2], model=str(tiny_model)))
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("  ")[-1] for line in lines]
    assert names == ["cosine", "dot product", "Euclidean distance", "Manhattan distance"]


def test_a_matrix_has_a_row_for_each_text(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    similarity(SimilarityOptions(texts=WORDS, model=str(tiny_model)))
    title, head, *rows = capsys.readouterr().out.splitlines()
    assert (title, head.split()) == ("cosine", ["1", "2", "3", "4"])
    assert [row.split()[-1] for row in rows] == list(WORDS)


def test_texts_come_from_a_file_too(tiny_model: Path) -> None:
    Path("t.csv").write_text('id,문장\n1,"가, 나"\n2,다\n', encoding="cp949")
    assert similarity(SimilarityOptions(texts=(), file="t.csv", model=str(tiny_model))).texts == (
        "가, 나",
        "다",
    )


def test_a_korean_reader_gets_korean_names(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    similarity(SimilarityOptions(texts=WORDS[:2], model=str(tiny_model)))
    assert "유클리드 거리" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("texts", "file", "problem"),
    [
        (("a",), None, "2 to 2000 texts"),
        ((), None, "name texts, or a file"),
        (("a", "b"), "t.txt", "name texts, or a file"),
        (("a", " "), None, "a text is empty"),
        ((), "nope.txt", "there is no such file"),
        ((), "t.xlsx", r"expected \.txt, \.csv"),
        ((), "t.csv", "no column text or sentence"),
        ((), "empty.txt", "holds no texts"),
    ],
)
def test_wrong_inputs_are_named(
    tiny_model: Path, texts: tuple[str, ...], file: str | None, problem: str
) -> None:
    Path("t.csv").write_text("a,b\n1,2\n")
    Path("empty.txt").write_text("\n\n")
    with pytest.raises(UserError, match=problem):
        similarity(SimilarityOptions(texts=texts, file=file, model=str(tiny_model)))


def test_stdin_is_a_dash(tiny_model: Path) -> None:
    command = [sys.executable, "-m", "embedkit", "similarity", "-", "--model", str(tiny_model), "--json"]
    done = subprocess.run(
        command, input="전압\n전류\n", capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert json.loads(done.stdout)["texts"] == ["전압", "전류"]


# odd-one-out


def test_the_word_farthest_from_the_others_is_odd(tiny_model: Path) -> None:
    words = ("전압", "전압기", "전압계", "zzz qqq")
    result = odd_one_out(OddOneOutOptions(texts=words, model=str(tiny_model)))
    assert result.odd == "zzz qqq"
    vectors = SentenceTransformer(str(tiny_model), device="cpu").encode(
        list(words), normalize_embeddings=True
    )
    expected = 1 - (vectors[3] @ vectors[:3].T).mean()
    assert result.members[0].distance == pytest.approx(float(expected), abs=1e-5)
    assert result.margin == pytest.approx(result.members[0].distance - result.members[1].distance, abs=1e-5)


def test_repeated_words_count_once(tiny_model: Path) -> None:
    with pytest.raises(UserError, match="3 different words"):
        odd_one_out(OddOneOutOptions(texts=("PWM", "pwm", "AM"), model=str(tiny_model)))


def test_the_newest_run_is_taken_where_no_model_is_named(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/model").symlink_to(tiny_model)
    odd_one_out(OddOneOutOptions(texts=WORDS))
    assert "runs/x" in capsys.readouterr().err


# cluster


def _texts(path: str = "t.txt") -> str:
    groups = ("전압", "다이오드", "noise")
    Path(path).write_text("\n".join(f"{word} {number}" for word in groups for number in range(4)) + "\n")
    return path


def test_k_means_finds_the_groups(tiny_model: Path) -> None:
    result = cluster(ClusterOptions(input=_texts(), k=3, model=str(tiny_model)))
    assert [sorted(set(result.labels[i : i + 4])) for i in (0, 4, 8)] == [[0], [1], [2]]
    assert all(group.representative in group.texts for group in result.clusters)
    assert result.silhouette is not None


def test_a_threshold_of_one_joins_equal_texts_only(tiny_model: Path) -> None:
    Path("t.txt").write_text("가\n나\n가\n")
    result = cluster(ClusterOptions(input="t.txt", threshold=0.9999, model=str(tiny_model)))
    assert result.labels == (0, 1, 0)


def test_a_low_threshold_joins_all(tiny_model: Path) -> None:
    assert len(cluster(ClusterOptions(input=_texts(), threshold=-1, model=str(tiny_model))).clusters) == 1


def test_joined_groups_keep_the_mean_cosine(tiny_model: Path) -> None:
    result = cluster(ClusterOptions(input=_texts(), threshold=0.8, model=str(tiny_model)))
    model = SentenceTransformer(str(tiny_model), device="cpu")
    for group in result.clusters:
        vectors = model.encode(list(group.texts), normalize_embeddings=True)
        cosines = vectors @ vectors.T
        assert cosines.mean() >= 0.8


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_labels_are_written_in_the_order_read(tiny_model: Path, name: str) -> None:
    result = cluster(ClusterOptions(input=_texts(), k=3, model=str(tiny_model), output=Path(name)))
    text = Path(name).read_text()
    rows = list(csv.DictReader(text.splitlines())) if name.endswith("csv") else [
        json.loads(line) for line in text.splitlines()
    ]  # fmt: skip
    assert [int(row["cluster"]) for row in rows] == list(result.labels)
    with pytest.raises(UserError, match="already exists"):
        cluster(ClusterOptions(input="t.txt", k=3, model=str(tiny_model), output=Path(name)))


@pytest.mark.parametrize(
    ("k", "threshold", "problem"),
    [(None, None, "either --k"), (2, 0.5, "either --k"), (99, None, "more than there are different texts")],
)
def test_impossible_groups_are_refused(
    tiny_model: Path, k: int | None, threshold: float | None, problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        cluster(ClusterOptions(input=_texts(), k=k, threshold=threshold, model=str(tiny_model)))


# recommend


def test_a_term_and_its_translation_are_one_concept() -> None:
    found = concepts_of([PWM, PWM_KO, *OTHERS])
    assert [concept.terms for concept in found] == [(PWM.term, PWM_KO.term), ("diode",), ("필터",)]
    assert found[0].other_names == ("PWM",)


def test_a_shared_abbreviation_joins_nothing() -> None:
    items = [Entry(term=term, definition="x", aliases=(Alias("PLL", "abbreviation"),)) for term in ("a", "b")]
    assert len(concepts_of(items)) == 2


@pytest.mark.parametrize("term", ["PWM", "pwm", "펄스폭변조", "pulse width modulation"])
def test_its_own_names_are_left_out(tiny_model: Path, term: str) -> None:
    result = recommend(RecommendOptions(term=term, corpus=Path("g.csv"), model=str(tiny_model)))
    assert result.known
    assert {one.terms[0] for one in result.recommendations} == {"diode", "필터"}


def test_an_unknown_term_is_compared_by_its_text(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = recommend(
        RecommendOptions(term="zener diode", corpus=Path("g.csv"), model=str(tiny_model), top_k=2)
    )
    assert not result.known
    assert len(result.recommendations) == 2
    assert "is not in g.csv" in capsys.readouterr().err


# faq


def _faq_files() -> tuple[str, Path]:
    Path("q.csv").write_text("질문\n전압이 무엇입니까\nnoise?\n", encoding="utf-8")
    answers = "question,answer\n,전압이 무엇인지는 이렇습니다\nnoise?,zzz\n,\n"
    Path("a.csv").write_text(answers, encoding="utf-8")
    return "q.csv", Path("a.csv")


def test_each_question_gets_its_answer(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions, answers = _faq_files()
    result = faq(FaqOptions(questions=questions, answers=answers, model=str(tiny_model)))
    assert [(match.answer_line, match.rank) for match in result.matches] == [(1, 1), (2, 1)]
    assert result.matches[1].score == pytest.approx(1, abs=1e-5)
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["answer_line"] for row in rows] == ["1", "2"]


def test_too_far_an_answer_is_none(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions, answers = _faq_files()
    result = faq(
        FaqOptions(questions=questions, answers=answers, model=str(tiny_model), min_similarity=0.9999)
    )
    assert [match.answer for match in result.matches] == ["", "zzz"]
    assert result.unanswered == 1
    assert "1 questions have no answer" in capsys.readouterr().err


def test_several_answers_are_ranked_and_written_as_json_lines(tiny_model: Path) -> None:
    questions, answers = _faq_files()
    faq(
        FaqOptions(
            questions=questions, answers=answers, model=str(tiny_model), top_k=2, output=Path("out.jsonl")
        )
    )
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["rank"] for row in rows] == [1, 2, 1, 2]
    assert rows[0]["score"] >= rows[1]["score"]


@pytest.mark.parametrize("ranker", ["auto", "hybrid", "dense", "lexical"])
def test_answers_are_ranked_by_words_and_meaning(tiny_model: Path, ranker: Any) -> None:
    Path("q.txt").write_text("전압이 무엇입니까\n", encoding="utf-8")
    answers = "answer\n전압이 무엇인지는 이렇습니다\n전혀 다른 이야기\n"
    Path("a.csv").write_text(answers, encoding="utf-8")
    options = FaqOptions(questions="q.txt", answers=Path("a.csv"), model=str(tiny_model), ranker=ranker)
    (match,) = faq(options).matches
    assert match.answer_line == 1
    assert 0 < match.score < 1


def test_a_column_that_is_missing_is_named(tiny_model: Path) -> None:
    questions, answers = _faq_files()
    with pytest.raises(UserError, match="no column 'reply'") as caught:
        faq(FaqOptions(questions=questions, answers=answers, answer_column="reply", model=str(tiny_model)))
    assert "question, answer" in caught.value.hint
