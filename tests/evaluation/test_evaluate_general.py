"""What evaluate sees beside the test queries: forgetting, particles, slices, hard negatives, a streamed corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.evaluation.evaluate import evaluate
from embedkit.evaluation.measure.compare import measured
from embedkit.evaluation.measure.everyday import kept_word, measure_forgetting
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.measure.weighted import spearman_of
from embedkit.evaluation.plan import EvaluateOptions
from embedkit.evaluation.records import Evaluation, Forgetting, Interval, MetricResult
from embedkit.evaluation.report.page import render_page
from embedkit.evaluation.report.verdict import mined_lines, verdict_sentence
from embedkit.evaluation.sets.row_tests import default_similarity_file
from embedkit.evaluation.sets.test_rows import read_graded
from embedkit.models.resolve import weights_hash
from embedkit.ranking import retrieval
from embedkit.ranking.particles import with_particles
from embedkit.ranking.retrieval import CosineScorer, StreamScorer, rank


class Graded:
    """A model that knows the grades: the cosine of a pair is its grade with some noise."""

    def __init__(self, noise: float) -> None:
        rows = read_graded(default_similarity_file())
        rng = np.random.default_rng(5)
        angles = np.arccos(np.clip([row.score + rng.normal(0, noise) for row in rows], -1, 1))
        self.angle = {row.sentence1: 0.0 for row in rows}
        self.angle |= {row.sentence2: float(angle) for row, angle in zip(rows, angles, strict=True)}

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        """Unit vectors in a plane."""
        angles = np.array([self.angle[text] for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def _forgetting(before: float, after: float) -> Forgetting:
    file = default_similarity_file()
    models: Any = (Graded(before), Graded(after))
    return measure_forgetting(file, ModelPair(*models), Resampling(500))


def test_the_shipped_pairs_are_six_hundred_in_each_of_two_languages() -> None:
    found = _forgetting(0.1, 0.1)
    assert [part.queries >= 600 for part in found.languages] == [True, True]
    assert [part.value for part in found.languages] == ["en", "ko"]
    assert found.word == "kept"


def test_a_clear_loss_is_forgetting_and_a_small_one_is_not() -> None:
    assert _forgetting(0.05, 0.6).word == "forgotten"
    assert _forgetting(0.05, 0.1).word != "forgotten"
    assert _forgetting(0.6, 0.05).word == "kept"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.01, 0.03, "kept"),
        (-0.019, -0.001, "kept"),
        (-0.06, -0.021, "forgotten"),
        (-0.05, -0.02, "cannot tell"),
        (-0.03, 0.01, "cannot tell"),
    ],
)
def test_an_interval_around_the_tolerance_cannot_tell(low: float, high: float, word: str) -> None:
    assert kept_word(Interval(low, high)) == word


def test_forgetting_leads_the_sentence_and_the_word(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    gold = rng.random(30)
    gain = measured(
        "ndcg@10",
        spearman_of(rng.random(30), gold),
        spearman_of(gold, gold),
        np.arange(30),
        Resampling(100),
        bm25=None,
    )
    said = verdict_sentence("SHIP", gain, queries=30, concepts=30, forgetting=_forgetting(0.05, 0.6))
    assert said.startswith(
        "DO NOT SHIP: the model forgets everyday language, Spearman, cosine on 1203 pairs falls"
    )
    assert "nDCG@10 goes from" in said


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("저항", ["저항은", "저항을"]),
        ("펄스 폭 변조", ["펄스 폭 변조는", "펄스 폭 변조를"]),
        ("PWM 회로", ["PWM 회로는", "PWM 회로를"]),
        ("resistor", []),
        ("저항이란 무엇인가?", []),
        ("저항은 전류를 막는 부품이다", []),
        ("전류를 막고 열을 내는 부품", []),
    ],
)
def test_particles_follow_korean_names_only(text: str, spoken: list[str]) -> None:
    assert [variant.text for variant in with_particles([text])] == spoken


@pytest.fixture
def result(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """An evaluation of twelve concepts with hard negatives, abbreviations and Korean names."""
    monkeypatch.chdir(tmp_path)
    receipt = {"score": 0.1, "rank": 1, "miner": "dense", "weights": weights_hash(str(tiny_model))}
    rows = [
        {
            "anchor": anchor,
            "mining": [receipt] if number % 2 else [],
            "positive": f"part {number} does a thing",
            "hard_negatives": [f"other {number}"] if number % 2 else [],
            "group": f"c{number}",
            "kind": "term-definition",
        }
        for number in range(12)
        for anchor in (
            f"PW{'MNOP'[number % 4]}",
            f"part{number}",
            f"a long name of part {number}",
            f"부품 {number}",
        )
    ]
    Path("pairs.test.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return evaluate(
        EvaluateOptions(model=str(tiny_model), baseline=str(tiny_model), resamples=100, allow_leak=True)
    )


def _names(metrics: Sequence[MetricResult]) -> list[str]:
    return [metric.name for metric in metrics]


def test_slices_show_length_abbreviations_and_particles(result: Evaluation) -> None:
    slices = {(part.dimension, part.value): part.queries for part in result.slices}
    assert slices["particle", "without a particle"] == slices["particle", "은/는"] == 12
    assert slices["words", "4-7 words"] == 12
    assert (slices["abbreviation", "abbreviation"], slices["abbreviation", "no abbreviation"]) == (4, 36)
    assert slices["words", "1 word"] == 16


def test_hard_negatives_are_measured_where_rows_have_them(result: Evaluation) -> None:
    assert _names(result.hard_negatives) == [
        "triplet_accuracy",
        "positive_score",
        "negative_score",
        "score_gap",
        "auc",
    ]
    gap = result.hard_negatives[3]
    positive, negative = result.hard_negatives[1:3]
    assert gap.after == pytest.approx(positive.after - negative.after)
    assert all(metric.difference == 0 for metric in result.hard_negatives)


def test_the_model_that_mined_the_hard_negatives_is_named(result: Evaluation) -> None:
    assert result.negatives_from == (result.model.name,)
    (line,) = mined_lines(result)
    assert line.startswith(f"{result.model.name} mined these hard negatives")
    assert line in render_page(result)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.integers(1, 23),
    block=st.integers(1, 9),
    keep=st.sets(st.integers(0, 22)),
    top_k=st.integers(1, 6),
)
def test_a_streamed_corpus_ranks_as_one_in_memory(texts: int, block: int, keep: set[int], top_k: int) -> None:
    rng = np.random.default_rng(texts)
    corpus = rng.integers(-2, 3, (texts, 3)).astype(np.float32)
    queries = rng.integers(-2, 3, (5, 3)).astype(np.float32)
    places = np.array(sorted(place for place in keep if place < texts), dtype=np.int64)
    blocks: list[int] = []

    def encode(some: Sequence[str]) -> np.ndarray:
        blocks.append(len(some))
        return corpus[[int(text) for text in some]]

    scorer = StreamScorer(queries, [str(i) for i in range(texts)], encode, keep=places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "CORPUS_BLOCK", block)
        patch.setattr(retrieval, "QUERY_BLOCK", 2)
        streamed = rank(scorer, top_k=top_k)
    whole = rank(CosineScorer(queries, corpus), top_k=top_k)
    assert streamed.places.tolist() == whole.places.tolist()
    assert scorer.kept.tolist() == corpus[places].tolist()
    assert sum(blocks) == texts
    assert max(blocks) <= block
