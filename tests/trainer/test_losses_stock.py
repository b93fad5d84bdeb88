"""Our form of a loss against sentence-transformers' own, where both can be computed; and the labelled sampler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses as stock
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_losses import distinct_rows, value
from tests.trainer.test_recipes import labelled_rows, scored_rows, triplet_rows

from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.losses.build import build_loss
from embedkit.trainer.losses.second_model import SecondModel
from embedkit.trainer.rows.sampling import label_order
from embedkit.trainer.rows.sources import Source, TrainingRows
from embedkit.trainer.rows.store import Rows, read_rows
from embedkit.trainer.step.batch import PairCollator, features_of, make_collator
from embedkit.trainer.watch.dev_metrics import label_accuracy

Row = dict[str, Any]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> SentenceTransformer:
    loaded = SentenceTransformer(str(tiny_model), device="cpu")
    loaded.eval()
    return loaded


def read(tmp_path: Path, rows: list[Row], loss: str) -> Rows:
    section = DataSection(max_hard_negatives=None)
    return read_rows(str(write_rows(tmp_path / "rows.jsonl", rows)), section, loss=loss)


def ours(model: SentenceTransformer, rows: Rows, *, name: str, **settings: Any) -> float:
    config = RunConfig.model_validate({"loss": {"name": name, **settings}})
    training = TrainingRows([Source(rows=rows, loss=name, weight=1.0)])
    loss = build_loss(model, config, training).eval()
    groups, plan = features_of(make_collator(model, rows, prompts=("", ""))(range(len(rows))))
    with torch.no_grad():
        return float(loss(groups, plan))


def theirs(loss: Any, columns: list[list[str]], labels: torch.Tensor | None) -> float:
    loss.eval()
    with torch.no_grad():
        return float(loss([loss_model(loss).preprocess(column) for column in columns], labels))


def loss_model(loss: Any) -> SentenceTransformer:
    found: SentenceTransformer = getattr(loss, "model", None) or loss.sentence_embedder
    return found


def pair_columns(rows: list[Row], negatives: int) -> list[list[str]]:
    columns = [[row["anchor"] for row in rows], [row["positive"] for row in rows]]
    return columns + [[row["hard_negatives"][i] for row in rows] for i in range(negatives)]


@pytest.mark.parametrize("mode", ["in_batch_negatives", "hard_negatives", "all_negatives"])
def test_hardness_is_the_stock_one(mode: Any, model: SentenceTransformer, tmp_path: Path) -> None:
    rows = distinct_rows()
    made = stock.MultipleNegativesRankingLoss(model, scale=10.0, hardness_mode=mode, hardness_strength=5.0)
    found = value(
        model,
        read(tmp_path, rows, "mnrl"),
        loss="mnrl",
        temperature=0.1,
        hardness=mode,
        hardness_strength=5.0,
    )
    assert found == pytest.approx(theirs(made, pair_columns(rows, 2), None), abs=1e-5)


def test_gist_is_the_stock_one(model: SentenceTransformer, tiny_model: Path, tmp_path: Path) -> None:
    rows = [{**row, "hard_negatives": row["hard_negatives"][:1]} for row in distinct_rows()]
    guide = SentenceTransformer(str(tiny_model), device="cpu")
    made = stock.GISTEmbedLoss(model, guide, temperature=0.1)
    options = {"name": "gist", "temperature": 0.1, "guide_model": str(tiny_model)}
    assert ours(model, read(tmp_path, rows, "gist"), **options) == pytest.approx(
        theirs(made, pair_columns(rows, 1), None), abs=1e-5
    )


@pytest.mark.parametrize("objective", ["margin_mse", "kl"])
def test_distill_is_the_stock_one(objective: str, model: SentenceTransformer, tmp_path: Path) -> None:
    scores = [[3.0, 1.0, -1.0], [2.0, 0.5, 0.0], [4.0, 0.0, 1.0]] * 3
    rows = [{**row, "scores": own} for row, own in zip(distinct_rows(), scores, strict=True)]
    made: Any = stock.MarginMSELoss(model)
    if objective == "kl":
        made = stock.DistillKLDivLoss(model, student_temperature=0.5, teacher_temperature=1.0)
    options = {"name": "distill", "objective": objective, "temperature": 0.5}
    options |= {"teacher_temperature": 1.0} if objective == "kl" else {}
    found = ours(model, read(tmp_path, rows, "distill"), **options)
    assert found == pytest.approx(theirs(made, pair_columns(rows, 2), torch.tensor(scores)), rel=1e-4)


def test_a_second_model_remembers_nothing(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = read_rows(str(write_rows(tmp_path / "pairs.jsonl", topic_rows())), DataSection())
    collator = make_collator(model, rows, prompts=("", ""))
    first, second = (features_of(collator(numbers))[1] for numbers in ([0, 1, 2], [2, 3, 9, 14, 20]))
    used, fresh = SecondModel(model), SecondModel(model)
    used.vectors(first, model.device)
    for one, other in zip(
        used.vectors(second, model.device), fresh.vectors(second, model.device), strict=True
    ):
        assert torch.equal(one, other)


def test_a_teacher_that_is_the_model_has_nothing_to_teach(
    model: SentenceTransformer, tiny_model: Path, tmp_path: Path
) -> None:
    unit = SentenceTransformer(modules=[*model, stock_normalize()], device="cpu").eval()
    rows = read(tmp_path, distinct_rows(), "distill")
    assert ours(unit, rows, name="distill", teacher_model=str(tiny_model)) == pytest.approx(0, abs=1e-6)


def stock_normalize() -> Any:
    from sentence_transformers.sentence_transformer.modules import Normalize

    return Normalize()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", ["batch_all_triplet", "batch_hard_triplet", "batch_semi_hard_triplet"])
def test_losses_over_labels_are_the_stock_ones(
    name: str, distance: str, model: SentenceTransformer, tmp_path: Path
) -> None:
    rows = labelled_rows()
    kind = {
        "batch_all_triplet": stock.BatchAllTripletLoss,
        "batch_hard_triplet": stock.BatchHardTripletLoss,
        "batch_semi_hard_triplet": stock.BatchSemiHardTripletLoss,
    }[name]
    distances = stock.BatchHardTripletLossDistanceFunction
    metric = distances.cosine_distance if distance == "cosine" else distances.euclidean_distance
    names = sorted({row["label"] for row in rows})
    labels = torch.tensor([names.index(row["label"]) for row in rows])
    made = kind(model, distance_metric=metric, margin=0.3)
    found = ours(model, read(tmp_path, rows, name), name=name, distance=distance, margin=0.3)
    assert found == pytest.approx(theirs(made, [[row["text"] for row in rows]], labels), abs=1e-4)


@pytest.mark.parametrize("name", ["cosine", "cosent", "angle"])
def test_losses_over_scores_are_the_stock_ones(name: str, model: SentenceTransformer, tmp_path: Path) -> None:
    rows = scored_rows()
    kinds = {"cosine": stock.CosineSimilarityLoss, "cosent": stock.CoSENTLoss, "angle": stock.AnglELoss}
    columns = [[row["sentence1"] for row in rows], [row["sentence2"] for row in rows]]
    scores = torch.tensor([float(row["score"]) for row in rows])
    found = ours(model, read(tmp_path, rows, name), name=name)
    assert found == pytest.approx(theirs(kinds[name](model), columns, scores), rel=1e-4)


def test_triplet_is_the_stock_one(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = triplet_rows()
    columns = [[row[name] for row in rows] for name in ("anchor", "positive", "negative")]
    found = ours(model, read(tmp_path, rows, "triplet"), name="triplet")
    assert found == pytest.approx(theirs(stock.TripletLoss(model), columns, None), abs=1e-4)


def test_matryoshka_is_the_stock_one(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = distinct_rows()
    inner = stock.MultipleNegativesRankingLoss(model, scale=10.0)
    made = stock.MatryoshkaLoss(model, inner, matryoshka_dims=[32, 16, 8])
    found = ours(
        model,
        read(tmp_path, rows, "mnrl"),
        name="mnrl",
        temperature=0.1,
        symmetric=False,
        matryoshka_dims=[8, 16],
    )
    with torch.no_grad():
        wanted = float(made([model.preprocess(column) for column in pair_columns(rows, 2)], None))
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_rows_own_candidates_are_marked(model: SentenceTransformer, tmp_path: Path) -> None:
    rows = read(tmp_path, distinct_rows(), "mnrl")
    plan = PairCollator(model, rows, prompts=("", ""))(range(3))["label"]
    assert plan.own.sum(dim=1).tolist() == [3, 3, 3]


@given(
    counts=st.lists(st.integers(1, 30), min_size=3, max_size=6),
    batch=st.integers(4, 40),
    lap=st.integers(0, 3),
)
def test_the_labelled_order_is_a_whole_shuffle(counts: list[int], batch: int, lap: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    order = label_order(labels, batch_size=batch, seed=1)
    assert sorted(order(lap).tolist()) == list(range(len(labels)))
    assert order(lap).tolist() == order(lap).tolist()


@pytest.mark.parametrize(("labels", "rows", "batch"), [(3, 24, 24), (3, 100, 16), (20, 12, 32), (5, 9, 8)])
def test_a_batch_holds_several_labels_and_several_rows_of_each(labels: int, rows: int, batch: int) -> None:
    of_row = np.repeat(np.arange(labels), rows)
    order = label_order(of_row, batch_size=batch, seed=0)(0)
    for start in range(0, len(order) - batch + 1, batch):
        counts = np.bincount(of_row[order[start : start + batch]], minlength=labels)
        assert (counts > 0).sum() >= 2
        assert counts.max() >= 2


def test_label_accuracy_counts_the_comparisons_that_are_right() -> None:
    unit = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    assert label_accuracy(unit, np.array([0, 0, 1], dtype=np.float32)) == pytest.approx(1.0)
    assert label_accuracy(unit, np.array([0, 1, 0], dtype=np.float32)) == pytest.approx(0.0)
