"""Retrieval metrics of each query from its ranking, with binary relevance: recall@k, MRR, nDCG, MAP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedkit.ranking.retrieval import Places

DEPTH = 100
METRICS = ("ndcg@10", "mrr@10", "recall@1", "recall@5", "recall@10", "map@100")
PRIMARY = "ndcg@10"
TITLES = {
    "ndcg@10": "nDCG@10",
    "mrr@10": "MRR@10",
    "recall@1": "recall@1",
    "recall@5": "recall@5",
    "recall@10": "recall@10",
    "map@100": "MAP@100",
    "triplet_accuracy": "triplet accuracy",
    "positive_score": "mean positive score",
    "negative_score": "mean negative score",
    "score_gap": "positive - negative",
    "auc": "AUC",
    "spearman_cosine": "Spearman, cosine",
    "spearman_dot": "Spearman, dot",
    "spearman_euclidean": "Spearman, Euclidean",
    "spearman_manhattan": "Spearman, Manhattan",
    "pearson_cosine": "Pearson, cosine",
    "pearson_dot": "Pearson, dot",
    "pearson_euclidean": "Pearson, Euclidean",
    "pearson_manhattan": "Pearson, Manhattan",
    "average_precision": "average precision",
    "best_f1": "best F1",
    "f1_threshold": "threshold of the best F1",
    "knn_accuracy": "kNN accuracy",
    "probe_accuracy": "linear probe accuracy",
    "v_measure": "V-measure of clusters",
}
Values = NDArray[np.float64]


def relevance(places: Places, relevant: Sequence[Places]) -> NDArray[np.bool_]:
    """Whether each ranked place `(Q, k)` is one of its query's relevant places."""
    if not len(places):
        return np.zeros(places.shape, dtype=bool)
    wanted = np.concatenate(relevant)
    rows = np.repeat(np.arange(len(places)), [len(found) for found in relevant])
    stride = max(int(places.max(initial=0)), int(wanted.max(initial=0))) + 1
    keys = np.arange(len(places))[:, None] * stride + places
    hits: NDArray[np.bool_] = np.isin(keys, rows * stride + wanted) & (places >= 0)
    return hits


def query_metrics(places: Places, relevant: Sequence[Places]) -> Values:
    """Every metric of every query: `(Q, len(METRICS))`, in the order of `METRICS`.

    recall@k divides by the number of relevant texts; nDCG's ideal has min(relevant, 10) hits (Järvelin &
    Kekäläinen 2002); MAP@100 divides by min(relevant, 100), as sentence-transformers does.
    """
    hits = relevance(places[:, :DEPTH], relevant)
    counts = np.array([len(wanted) for wanted in relevant], dtype=np.float64)
    columns = {
        "ndcg@10": _ndcg(hits, counts, 10),
        "mrr@10": _reciprocal_rank(hits[:, :10]),
        "map@100": _average_precision(hits, counts),
    } | {f"recall@{k}": hits[:, :k].sum(axis=1) / counts for k in (1, 5, 10)}
    return np.column_stack([columns[name] for name in METRICS])


def first_rank(places: Places, relevant: Sequence[Places]) -> NDArray[np.int64]:
    """The rank from 1 of each query's first relevant text; 0 where the ranking holds none."""
    hits = relevance(places, relevant)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)


def _ndcg(hits: NDArray[np.bool_], counts: Values, k: int) -> Values:
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained = hits[:, :k] @ discounts[: hits[:, :k].shape[1]]
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(counts, k).astype(int)]
    result: Values = gained / ideal
    return result


def _reciprocal_rank(hits: NDArray[np.bool_]) -> Values:
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)


def _average_precision(hits: NDArray[np.bool_], counts: Values) -> Values:
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    result: Values = (precision * hits).sum(axis=1) / np.minimum(counts, DEPTH)
    return result
