"""The quick look at the dev rows after each epoch: their loss, and how well their anchors find their positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedkit.trainer.batch import BatchPlan, Features, PairCollator
from embedkit.trainer.data import Rows, distinct_texts
from embedkit.trainer.evaluation.metrics import DEPTH, METRICS, query_metrics
from embedkit.trainer.evaluation.retrieval import CosineScorer, Places, rank
from embedkit.trainer.losses import BatchLoss

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Train positives that stand in the corpus beside those of the dev rows, so that finding is not trivially easy.
TRAIN_TEXTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DevMetrics:
    """Means over the dev rows (loss) and over the distinct dev anchors (the others)."""

    loss: float
    ndcg_at_10: float
    mrr_at_10: float
    recall_at_1: float
    recall_at_10: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DevSet:
    """Dev anchors, the corpus they search, and for each anchor the places of its concept's positives in it."""

    rows: Rows
    queries: Sequence[str]
    corpus: Sequence[str]
    relevant: Sequence[Places]


def make_dev_set(dev: Rows, train: Rows, *, seed: int) -> DevSet:
    """Pair every distinct dev anchor with a corpus of all dev positives and a sample of train positives."""
    pairs = [dev.store[i] for i in range(len(dev))]
    positives = dict.fromkeys(pair.positive for pair in pairs)
    corpus = list(positives | dict.fromkeys(distinct_texts(train, limit=TRAIN_TEXTS, seed=seed)))
    place = {text: i for i, text in enumerate(corpus)}
    right: dict[str, set[int]] = {}
    for pair in pairs:
        right.setdefault(pair.anchor, set()).add(place[pair.positive])
    return DevSet(
        rows=dev, queries=list(right), corpus=corpus, relevant=[np.array(sorted(found)) for found in right.values()]
    )


def evaluate_dev(
    model: SentenceTransformer, loss: BatchLoss, collator: PairCollator, dev: DevSet, *, batch_size: int
) -> DevMetrics:
    """Measure the model as it is. Nothing random is drawn, so training goes on as if it had not been looked at."""
    was_training = loss.training
    loss.eval()
    with torch.inference_mode():
        mean_loss = _mean_loss(loss, collator, rows=len(dev.rows), batch_size=batch_size)
        options = {"batch_size": batch_size, "show_progress_bar": False, "normalize_embeddings": True}
        queries = model.encode_query(list(dev.queries), **options)
        corpus = model.encode_document(list(dev.corpus), **options)
    loss.train(was_training)
    places = rank(CosineScorer(queries, corpus), top_k=DEPTH).places
    means = dict(zip(METRICS, query_metrics(places, dev.relevant).mean(axis=0).tolist(), strict=True))
    return DevMetrics(
        loss=mean_loss,
        ndcg_at_10=means["ndcg@10"],
        mrr_at_10=means["mrr@10"],
        recall_at_1=means["recall@1"],
        recall_at_10=means["recall@10"],
    )


def features_of(batch: Features) -> tuple[list[Features], BatchPlan]:
    """The groups and the plan of a collated batch."""
    count = len({key.partition("_")[0] for key in batch if key != "label"})
    groups = [
        {key[len(head) :]: value for key, value in batch.items() if key.startswith(head)}
        for head in (f"g{i}_" for i in range(count))
    ]
    plan: BatchPlan = batch["label"]
    return groups, plan


def on_device(batch: Features, device: torch.device) -> Features:
    """The batch with its tensors moved."""
    return {key: value.to(device) if hasattr(value, "to") else value for key, value in batch.items()}


def _mean_loss(loss: BatchLoss, collator: PairCollator, *, rows: int, batch_size: int) -> float:
    total = 0.0
    device = next(loss.parameters()).device
    for start in range(0, rows, batch_size):
        numbers = range(start, min(start + batch_size, rows))
        groups, plan = features_of(on_device(collator(numbers), device))
        total += float(loss(groups, plan)) * len(numbers)
    return total / rows
