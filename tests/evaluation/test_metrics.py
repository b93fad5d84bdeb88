"""Ranking and metrics: by hand, against a brute-force sort, and against sentence-transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.ranking import retrieval
from embedkit.ranking.bm25 import Bm25Scorer, tokens
from embedkit.ranking.metrics import METRICS, first_rank, query_metrics
from embedkit.ranking.retrieval import CosineScorer, rank


def _places(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def _metrics(ranking: list[int], relevant: list[int]) -> dict[str, float]:
    values = query_metrics(np.array([ranking], dtype=np.int64), [_places(*relevant)])
    return dict(zip(METRICS, values[0], strict=True))


def test_one_right_text_at_rank_three() -> None:
    found = _metrics([7, 8, 1, 9], [1])
    assert found == {
        "ndcg@10": pytest.approx(1 / np.log2(4)),
        "mrr@10": pytest.approx(1 / 3),
        "recall@1": 0,
        "recall@5": 1,
        "recall@10": 1,
        "map@100": pytest.approx(1 / 3),
    }


def test_two_right_texts_at_ranks_one_and_three() -> None:
    found = _metrics([1, 8, 2], [1, 2])
    ideal = 1 + 1 / np.log2(3)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / np.log2(4)) / ideal)
    assert found["recall@1"] == 0.5
    assert found["map@100"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_right_text_at_rank_eleven_counts_for_map_alone() -> None:
    found = _metrics([*range(100, 110), 1], [1])
    assert found["map@100"] == pytest.approx(1 / 11)
    assert sum(found.values()) == pytest.approx(1 / 11)


def test_unfilled_places_are_never_right() -> None:
    assert sum(_metrics([-1, -1], [0]).values()) == 0


def test_the_rank_of_the_first_right_text_is_zero_when_there_is_none() -> None:
    places = np.array([[4, 5, 6], [4, 5, 6]], dtype=np.int64)
    assert first_rank(places, [_places(6), _places(1)]).tolist() == [3, 0]


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=1, max_size=6),
    excluded=st.sets(st.integers(0, 6), max_size=4),
    top_k=st.integers(1, 9),
    block=st.integers(1, 8),
)
def test_blocked_ranking_equals_a_stable_sort(
    scores: list[list[int]], excluded: set[int], top_k: int, block: int
) -> None:
    matrix = np.array(scores, dtype=np.float32)
    scorer = CosineScorer(matrix, np.eye(7, dtype=np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "CORPUS_BLOCK", block)
        patch.setattr(retrieval, "QUERY_BLOCK", 2)
        found = rank(scorer, top_k=top_k, excluded=[_places(*sorted(excluded))] * len(matrix))
    for row, places in zip(matrix, found.places, strict=True):
        allowed = [place for place in np.argsort(-row, kind="stable") if place not in excluded]
        expected = allowed[:top_k]
        assert places[: len(expected)].tolist() == expected
        assert (places[len(expected) :] == -1).all()


def test_metrics_agree_with_sentence_transformers(tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    rng = np.random.default_rng(3)
    letters = list("abcdefghijklmnopqrstuvwxyz ")
    texts = ["".join(rng.choice(letters, 12)) for _ in range(150)]
    queries, corpus = texts[:20], texts[20:]
    relevant = [np.sort(rng.choice(len(corpus), rng.integers(1, 4), replace=False)) for _ in queries]
    model = SentenceTransformer(str(tiny_model), device="cpu")
    theirs = InformationRetrievalEvaluator(
        {str(i): text for i, text in enumerate(queries)},
        {str(i): text for i, text in enumerate(corpus)},
        {str(i): {str(place) for place in places} for i, places in enumerate(relevant)},
        precision_recall_at_k=[1, 5, 10],
        write_csv=False,
    )(model)
    vectors = [
        np.asarray(model.encode(t, normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)
        for t in (queries, corpus)
    ]
    ours = query_metrics(rank(CosineScorer(*vectors), top_k=100).places, relevant).mean(axis=0)
    for name, value in zip(METRICS, ours, strict=True):
        assert value == pytest.approx(theirs[f"cosine_{name}"], abs=1e-6), name


def test_metrics_agree_with_trec_eval() -> None:
    trec = pytest.importorskip("pytrec_eval", reason="pytrec_eval comes with the extra mteb")
    rng = np.random.default_rng(5)
    scores = rng.permutation(30 * 400).reshape(30, 400).astype(np.float32)
    relevant = [np.sort(rng.choice(400, rng.integers(1, 15), replace=False)) for _ in scores]
    wanted = {str(q): {str(place): 1 for place in places} for q, places in enumerate(relevant)}
    run = {
        str(q): {str(place): float(score) for place, score in enumerate(row)} for q, row in enumerate(scores)
    }
    cuts = {"ndcg_cut.10", "recall.1,5,10", "map_cut.100", "recip_rank"}
    theirs = trec.RelevanceEvaluator(wanted, cuts).evaluate(run)
    ours = query_metrics(
        rank(CosineScorer(scores, np.eye(400, dtype=np.float32)), top_k=100).places, relevant
    )
    for q, row in enumerate(ours):
        found = dict(zip(METRICS, row, strict=True))
        expected = theirs[str(q)]
        for name, cut in (("ndcg@10", "ndcg_cut_10"), ("map@100", "map_cut_100"), ("recall@10", "recall_10")):
            assert found[name] == pytest.approx(expected[cut], abs=1e-6), name
        assert [found["recall@1"], found["recall@5"]] == pytest.approx(
            [expected["recall_1"], expected["recall_5"]], abs=1e-6
        )
        first = (
            expected["recip_rank"] if expected["recip_rank"] >= 0.1 else 0
        )  # theirs looks beyond the tenth
        assert found["mrr@10"] == pytest.approx(first, abs=1e-6)


def test_bm25_reads_words_and_hangul_pairs() -> None:
    assert tokens("PWM이 뭐야?") == ["pwm", "이", "뭐야"]
    assert tokens("펄스 폭 변조") == ["펄스", "폭", "변조"]
    assert tokens("반도체는") == ["반도", "도체", "체는"]


def test_bm25_prefers_the_rarer_word() -> None:
    corpus = ["the filter passes", "the diode conducts", "the filter stops", "the noise"]
    found = rank(Bm25Scorer(["the diode"], corpus), top_k=1)
    assert found.places.tolist() == [[1]]


def test_bm25_survives_queries_and_texts_without_words() -> None:
    assert rank(Bm25Scorer(["?"], ["!", "..."]), top_k=2).scores.tolist() == [[0, 0]]
