"""The quick look at the dev rows: their loss, and how well their anchors find their positives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedkit.trainer.batch import BatchPlan, Features, PairCollator, TextKey
from embedkit.trainer.data import Rows, sample_rows
from embedkit.trainer.evaluation.metrics import DEPTH, METRICS, query_metrics
from embedkit.trainer.evaluation.retrieval import CosineScorer, rank
from embedkit.trainer.evaluation.testset import Query, queries_over
from embedkit.trainer.losses import BatchLoss

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Train rows whose positives stand in the corpus too, so that finding the right one is not trivially easy.
TRAIN_ROWS = 500


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
    """The dev rows, their queries, and the corpus that these search."""

    rows: Rows
    queries: Sequence[Query]
    corpus: Sequence[str]


def make_dev_set(dev: Rows, train: Rows, *, seed: int) -> DevSet:
    """Queries as `embedkit evaluate` makes them, over the positives of all dev and some train rows."""
    pairs = [dev.store[number] for number in range(len(dev))]
    known = [*pairs, *sample_rows(train, limit=TRAIN_ROWS, seed=seed)]
    queries, corpus, _ = queries_over(pairs, known)
    return DevSet(rows=dev, queries=queries, corpus=corpus)


def evaluate_dev(
    model: SentenceTransformer, loss: BatchLoss, collator: PairCollator, dev: DevSet, *, batch_size: int
) -> DevMetrics:
    """Measure the model as it is, each distinct text encoded once.

    Nothing random is drawn, so training goes on as if nobody had looked.
    """
    query, document = collator.prompts
    keys = [
        *collator.distinct(range(len(dev.rows))),
        *((query, asked.text) for asked in dev.queries),
        *((document, text) for text in dev.corpus),
    ]
    was_training = loss.training
    loss.eval()
    place, vectors = _encode(model, dict.fromkeys(keys), batch_size=batch_size)
    mean_loss = _mean_loss(loss, collator, place, vectors, rows=len(dev.rows), batch_size=batch_size)
    loss.train(was_training)
    unit = vectors.cpu().numpy()
    scorer = CosineScorer(
        unit[[place[query, asked.text] for asked in dev.queries]],
        unit[[place[document, text] for text in dev.corpus]],
    )
    places = rank(
        scorer,
        top_k=DEPTH,
        excluded=[asked.excluded for asked in dev.queries],
        windows=np.array([asked.window for asked in dev.queries]),
    ).places
    relevant = [asked.relevant for asked in dev.queries]
    means = dict(zip(METRICS, query_metrics(places, relevant).mean(axis=0).tolist(), strict=True))
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


def _encode(
    model: SentenceTransformer, keys: Iterable[TextKey], *, batch_size: int
) -> tuple[dict[TextKey, int], torch.Tensor]:
    """Unit vectors `(N, D)` of texts under their prompts, and where each stands among them."""
    place: dict[TextKey, int] = {}
    parts = []
    by_prompt: dict[str, list[str]] = {}
    for prompt, text in keys:
        by_prompt.setdefault(prompt, []).append(text)
    for prompt, texts in by_prompt.items():
        place |= {(prompt, text): len(place) + i for i, text in enumerate(texts)}
        options = {"batch_size": batch_size, "show_progress_bar": False, "convert_to_tensor": True}
        parts.append(model.encode(texts, prompt=prompt, normalize_embeddings=True, **options).float())
    return place, torch.cat(parts)


def _mean_loss(
    loss: BatchLoss,
    collator: PairCollator,
    place: Mapping[TextKey, int],
    vectors: torch.Tensor,
    *,
    rows: int,
    batch_size: int,
) -> float:
    total = 0.0
    for start in range(0, rows, batch_size):
        numbers = range(start, min(start + batch_size, rows))
        plan = collator.plan(numbers, place).to(vectors.device)
        with torch.inference_mode():
            total += float(loss.score(vectors, plan)) * len(numbers)
    return total / rows
