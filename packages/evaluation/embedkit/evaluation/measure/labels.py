"""Labelled texts: are texts of one label neighbours, can a line part the labels, do clusters find them again?

kNN is leave-one-out with five neighbours; the linear probe is a logistic regression whose answer for a text comes from
the folds that do not hold it; k-means gets as many clusters as there are labels. All from scikit-learn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import Labelled
from embedkit.errors import UserError
from embedkit.evaluation.measure.compare import PerQuery, compare, unpaired
from embedkit.evaluation.measure.statistics import Resampling, mcnemar
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.records import Findings, LabelSimilarity
from embedkit.extras import require
from embedkit.ranking.bm25 import word_vectors
from embedkit.text import fold

ACCURACIES = ("knn_accuracy", "probe_accuracy")
NEIGHBOURS = 5
FOLDS = 5
LONELY = "the only text of its label"
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """Whether each text's label was found `(N, 2)` by the columns of `ACCURACIES`, and the clusters' V-measure."""

    correct: NDArray[np.float64]
    v_measure: float


def label_findings(
    rows: Sequence[Labelled], models: ModelPair, resampling: Resampling, *, file: str
) -> Findings:
    """Measure both models. Texts whose label no other text has are left out and counted.

    Raises:
        UserError: fewer than two labels with two texts each, or scikit-learn is missing.
    """
    counts = Counter(str(row.label) for row in rows)
    kept = [row for row in rows if counts[str(row.label)] > 1]
    names, labels = np.unique([str(row.label) for row in kept], return_inverse=True)
    if len(names) < 2:
        raise UserError("at least two labels with two texts each are needed", place=file)
    require("sklearn", extra="train")
    texts = [row.text for row in kept]
    vectors = [encoder.encode(texts, role="query") for encoder in (models.before, models.after)]
    first, second, words = (
        label_scores(v, labels, seed=resampling.seed) for v in (*vectors, word_vectors(texts))
    )
    _, codes = np.unique([fold(text) for text in texts], return_inverse=True)
    values = PerQuery(
        before=first.correct, after=second.correct, bm25=words.correct, concepts=codes.astype(np.int64)
    )
    clusters = unpaired("v_measure", *(scores.v_measure for scores in (first, second, words)))
    return Findings(
        task="labelled",
        queries=len(texts),
        concepts=values.concept_count,
        metrics=(*compare(values, resampling, names=ACCURACIES), clusters),
        dimensions_before=vectors[0].shape[1],
        dimensions_after=vectors[1].shape[1],
        dropped={LONELY: len(rows) - len(kept)} if len(kept) < len(rows) else {},
        mcnemar=mcnemar(first.correct[:, 0] > 0, second.correct[:, 0] > 0),
        labels=LabelSimilarity(
            labels=tuple(str(name) for name in names),
            before=_label_matrix(vectors[0], labels),
            after=_label_matrix(vectors[1], labels),
        ),
    )


def label_scores(vectors: Any, labels: Labels, *, seed: int) -> LabelScores:
    """The three measures of unit vectors `(N, D)`, dense or sparse."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import v_measure_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(min(FOLDS, int(np.bincount(labels).min())), shuffle=True, random_state=seed)
    probe = cross_val_predict(LogisticRegression(max_iter=1000), vectors, labels, cv=folds)
    clusters = KMeans(int(labels.max()) + 1, n_init=10, random_state=seed).fit_predict(vectors)
    correct = np.column_stack([_neighbour_labels(vectors, labels) == labels, probe == labels])
    return LabelScores(correct=correct.astype(np.float64), v_measure=float(v_measure_score(labels, clusters)))


def _neighbour_labels(vectors: Any, labels: Labels) -> Labels:
    """The label that most of a text's neighbours have, itself left out; of equals the one whose text is nearest."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(labels) - 1), metric="cosine", algorithm="brute")
    around = labels[near.fit(vectors).kneighbors(return_distance=False)]
    votes = (around[:, :, None] == around[:, None, :]).sum(axis=2)
    answer: Labels = around[np.arange(len(labels)), votes.argmax(axis=1)]
    return answer


def _label_matrix(vectors: NDArray[np.float32], labels: Labels) -> tuple[tuple[float, ...], ...]:
    """Mean cosines between labels, from the sums of their vectors."""
    member = np.eye(int(labels.max()) + 1)[labels]
    sums, counts = member.T @ vectors, member.sum(axis=0)
    own = member.T @ np.einsum("nd,nd->n", vectors, vectors)
    totals = sums @ sums.T - np.diag(own)
    pairs = np.outer(counts, counts) - np.diag(counts)
    return tuple(tuple(float(v) for v in row) for row in totals / pairs)
