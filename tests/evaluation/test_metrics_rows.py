"""Test files of other rows than pairs: shapes, numbers against sentence-transformers and scikit-learn, bad rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from embedkit.errors import UserError
from embedkit.evaluation.evaluate import evaluate
from embedkit.evaluation.measure.labels import label_scores
from embedkit.evaluation.measure.rows import row_findings
from embedkit.evaluation.measure.statistics import Resampling, paired
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.measure.weighted import (
    auc_of,
    average_precision_of,
    best_f1_of,
    best_threshold,
    once,
    pearson_of,
    spearman_of,
)
from embedkit.evaluation.plan import EvaluateOptions
from embedkit.evaluation.sets.row_tests import read_row_tests
from embedkit.models.resolve import resolve_model
from embedkit.models.vectors import Encoder

WORDS = ("resistor", "capacitor", "diode", "filter", "저항", "전압", "전류", "noise", "memory", "circuit")


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


def _pairs() -> list[tuple[str, str, float]]:
    """Each two words once: what is equal but for rounding would rank as rounding has it, there and here."""
    rng = np.random.default_rng(2)
    grades = (0.0, 0.2, 0.5, 0.8, 1.0)
    return [(a, b, float(rng.choice(grades))) for a, b in combinations(WORDS, 2)]


def _measured(path: Path, model: Path) -> dict[str, float]:
    tests = read_row_tests(path)
    assert tests is not None
    encoder = Encoder(resolve_model(str(model)))
    found = row_findings(tests, ModelPair(encoder, encoder), Resampling(100))
    assert all(metric.before == metric.after for metric in found.metrics)
    return {metric.name: metric.after for metric in found.metrics}


def test_graded_pairs_agree_with_sentence_transformers(tiny_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    left, right, grades = zip(*_pairs(), strict=True)
    rows = [{"sentence1": a, "sentence2": b, "score": s} for a, b, s in _pairs()]
    ours = _measured(_write(tmp_path / "g.jsonl", rows), tiny_model)
    names = ["cosine", "dot", "euclidean", "manhattan"]
    theirs = EmbeddingSimilarityEvaluator(
        list(left), list(right), list(grades), similarity_fn_names=names, write_csv=False
    )(SentenceTransformer(str(tiny_model), device="cpu"))
    assert len(ours) == 8
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], abs=1e-6), name


def test_labelled_pairs_agree_with_sentence_transformers(tiny_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import BinaryClassificationEvaluator

    left, right, grades = zip(*_pairs(), strict=True)
    labels = [int(grade > 0.4) for grade in grades]
    rows = [{"sentence1": a, "sentence2": b, "label": y} for a, b, y in zip(left, right, labels, strict=True)]
    ours = _measured(_write(tmp_path / "b.jsonl", rows), tiny_model)
    theirs = BinaryClassificationEvaluator(
        list(left), list(right), labels, similarity_fn_names=["cosine"], write_csv=False
    )(SentenceTransformer(str(tiny_model), device="cpu"))
    assert ours["average_precision"] == pytest.approx(theirs["cosine_ap"], abs=1e-6)
    assert ours["best_f1"] == pytest.approx(theirs["cosine_f1"], abs=1e-6)
    assert ours["f1_threshold"] == pytest.approx(theirs["cosine_f1_threshold"], abs=1e-6)


def test_triplets_agree_with_sentence_transformers(tiny_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import TripletEvaluator

    rng = np.random.default_rng(4)
    rows = [[str(word) for word in rng.choice(WORDS, 3, replace=False)] for _ in range(30)]
    keys = ("anchor", "positive", "negative")
    path = _write(tmp_path / "t.jsonl", [dict(zip(keys, row, strict=True)) for row in rows])
    sides = [list(side) for side in zip(*rows, strict=True)]
    theirs = TripletEvaluator(*sides, write_csv=False)(SentenceTransformer(str(tiny_model), device="cpu"))
    ours = _measured(path, tiny_model)
    assert ours["triplet_accuracy"] == pytest.approx(theirs["cosine_accuracy"], abs=1e-6)
    assert ours["score_gap"] == pytest.approx(ours["positive_score"] - ours["negative_score"])


def test_weighted_statistics_of_equal_weights_are_the_plain_ones() -> None:
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 9, 60) / 8, rng.random(60) > 0.6
    assert auc_of(scores, right)(once(60))[0] == pytest.approx(roc_auc_score(right, scores))
    assert average_precision_of(scores, right)(once(60))[0] == pytest.approx(
        average_precision_score(right, scores)
    )
    best = f1_score(right, scores >= best_threshold(scores, right))
    assert best_f1_of(scores, right)(once(60))[0] == pytest.approx(best)


def test_a_weight_of_two_is_a_unit_twice() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 30).astype(float), rng.integers(0, 5, 30).astype(float)
    right = rng.random(30) > 0.5
    times = rng.integers(0, 3, 30)
    drawn = np.repeat(np.arange(30), times)
    weights, plain = times[None], once(len(drawn))
    assert spearman_of(x, y)(weights)[0] == pytest.approx(spearmanr(x[drawn], y[drawn]).statistic)
    assert pearson_of(x, y)(weights)[0] == pytest.approx(np.corrcoef(x[drawn], y[drawn])[0, 1])
    for maker in (auc_of, average_precision_of, best_f1_of):
        assert maker(x, right)(weights)[0] == pytest.approx(maker(x[drawn], right[drawn])(plain)[0])


@pytest.mark.parametrize(("effect", "least", "most"), [(0.0, 0.0, 0.08), (1.2, 0.8, 1.0)])
def test_a_paired_spearman_is_called_different_when_it_is(effect: float, least: float, most: float) -> None:
    called = 0
    for run in range(100):
        rng = np.random.default_rng(run)
        gold = rng.normal(size=120)
        before, after = (gold + rng.normal(0, noise, 120) for noise in (2.0, 2.0 - effect))
        found = paired(
            spearman_of(before, gold), spearman_of(after, gold), np.arange(120), Resampling(300, run)
        ).difference_interval
        called += found.low > 0 or found.high < 0
    assert least <= called / 100 <= most


def test_labels_that_lie_apart_are_found_by_all_three_measures() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 8)
    vectors = np.eye(6)[labels] + rng.normal(0, 0.05, (24, 6))
    found = label_scores(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels, seed=0)
    assert found.correct.mean() == 1
    assert found.v_measure == pytest.approx(1)


def test_a_label_of_one_text_is_left_out_and_the_matrix_is_symmetric(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"{word} {i}", "label": word[0]} for word in ("resistor", "filter") for i in range(6)]
    path = _write(Path("l.jsonl"), [*rows, {"text": "alone", "label": "x"}])
    model = str(tiny_model)
    result = evaluate(EvaluateOptions(model=model, baseline=model, test=path, resamples=100))
    assert (result.task, result.queries, result.word) == ("labelled", 12, "NO DIFFERENCE")
    assert list(result.dropped.values()) == [1]
    assert result.labels is not None
    assert result.labels.labels == ("f", "r")
    assert np.allclose(result.labels.before, np.transpose(result.labels.before))
    assert "over 12 labelled texts" in capsys.readouterr().out
    assert Path("evaluation/report.html").is_file()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"sentence1": "a", "sentence2": "b", "score": 0.5}] * 3, "all pairs have the same score"),
        ([{"sentence1": "a", "sentence2": "b", "label": 1}] * 3, "all pairs have the same class"),
        ([{"sentence1": "a", "sentence2": "b", "label": "maybe"}], "'maybe' does not say"),
        ([{"sentence1": "a", "sentence2": 3, "score": 0.5}], "sentence2"),
        ([{"text": "a", "label": "x"}], "two labels with two texts"),
        ([{"anchor": "a", "positive": "b", "negative": None}], "negative"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[dict[str, Any]],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = _write(Path("rows.jsonl"), rows)
    with pytest.raises(UserError, match=message):
        evaluate(EvaluateOptions(model=str(tiny_model), baseline=str(tiny_model), test=path))


def test_a_bound_must_name_a_metric_of_the_rows(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"sentence1": a, "sentence2": b, "score": s} for a, b, s in _pairs()]
    path = _write(Path("g.jsonl"), rows)
    model = str(tiny_model)
    with pytest.raises(UserError, match=r"--fail-under 'ndcg@10=0\.6'"):
        evaluate(EvaluateOptions(model=model, baseline=model, test=path, fail_under=["ndcg@10=0.6"]))
    result = evaluate(
        EvaluateOptions(model=model, baseline=model, test=path, fail_under=["spearman=0"], resamples=100)
    )
    assert result.gates[0].name == "spearman_cosine"
