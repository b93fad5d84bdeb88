"""Correlations with graded pairs: by hand and against sentence-transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit.ranking.sts import correlations, similarities

SENTENCES = [
    ("ab", "ac"),
    ("pulse", "filter"),
    ("저항", "전압"),
    ("circuit a", "circuit b"),
    ("x", "noise 잡음"),
]
GOLD = np.array([0.8, 0.2, 0.4, 1.0, 0.2])


def test_correlations_agree_with_sentence_transformers(tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    model = SentenceTransformer(str(tiny_model), device="cpu")
    left, right = zip(*SENTENCES, strict=True)
    names = ["cosine", "dot", "euclidean", "manhattan"]
    theirs = EmbeddingSimilarityEvaluator(
        list(left), list(right), GOLD.tolist(), similarity_fn_names=names, write_csv=False
    )(model)
    ours = correlations(model.encode(list(left)), model.encode(list(right)), GOLD)
    for found in ours:
        assert found.pearson == pytest.approx(theirs[f"pearson_{found.similarity}"], abs=1e-6)
        assert found.spearman == pytest.approx(theirs[f"spearman_{found.similarity}"], abs=1e-6)


def test_a_distance_is_a_negative_similarity() -> None:
    left, right = np.array([[3.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 4.0], [1.0, 1.0]])
    assert similarities(left, right, by="euclidean").tolist() == [-5, 0]
    assert similarities(left, right, by="manhattan").tolist() == [-7, 0]
    assert similarities(left, right, by="dot").tolist() == [0, 2]
    assert similarities(left, right).tolist() == pytest.approx([0, 1])


def test_a_constant_side_correlates_with_nothing() -> None:
    same = np.ones((3, 2))
    assert [c.spearman for c in correlations(same, same, np.array([0.1, 0.5, 0.9]))] == [0, 0, 0, 0]
