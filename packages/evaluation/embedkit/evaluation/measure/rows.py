"""Test rows that are no pairs: graded and labelled sentence pairs, triplets, labelled texts.

Each row is a paired unit of the bootstrap (triplets of one anchor, equal texts: one unit), so the intervals say what
other rows of the same sort would show. Out-of-fold probe answers and neighbours are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import ClassedPair, Labelled, ScoredPair, Triplet
from embedkit.evaluation.measure.compare import PerQuery, compare, measured, unpaired
from embedkit.evaluation.measure.contrast import MEANS
from embedkit.evaluation.measure.labels import ACCURACIES, label_findings
from embedkit.evaluation.measure.statistics import Resampling, mcnemar
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.measure.weighted import (
    auc_of,
    average_precision_of,
    best_f1_of,
    best_threshold,
    pearson_of,
    spearman_of,
)
from embedkit.evaluation.records import Findings, MetricResult, Task
from embedkit.evaluation.sets.row_tests import RowTests, means_the_same
from embedkit.models.vectors import Encoder
from embedkit.ranking.bm25 import word_cosines
from embedkit.ranking.metrics import METRICS, Values
from embedkit.ranking.sts import SIMILARITIES, Vectors, similarities
from embedkit.text import fold

BINARY = ("average_precision", "best_f1", "f1_threshold", "auc")
TASK_METRICS: Mapping[Task, tuple[str, ...]] = {
    "retrieval": METRICS,
    "graded": tuple(f"{kind}_{name}" for name in SIMILARITIES for kind in ("spearman", "pearson")),
    "binary": BINARY,
    "triplet": (*MEANS, "auc"),
    "labelled": (*ACCURACIES, "v_measure"),
}


def row_findings(tests: RowTests, models: ModelPair, resampling: Resampling) -> Findings:
    """Measure both models on the rows."""
    if tests.task == "labelled":
        labelled = [row for row in tests.rows if isinstance(row, Labelled)]
        return label_findings(labelled, models, resampling, file=str(tests.file))
    if tests.task == "triplet":
        return _triplets([row for row in tests.rows if isinstance(row, Triplet)], models, resampling)
    pairs = [row for row in tests.rows if isinstance(row, ScoredPair | ClassedPair)]
    sides = [row.sentence1 for row in pairs], [row.sentence2 for row in pairs]
    words = word_cosines(*sides)
    vectors = [[_raw(encoder, side) for side in sides] for encoder in (models.before, models.after)]
    if tests.task == "graded":
        gold = np.array([row.score for row in pairs if isinstance(row, ScoredPair)])
        metrics = tuple(_graded(vectors, words, gold, resampling))
    else:
        right = np.array([means_the_same(row) for row in pairs])
        metrics = tuple(_binary(vectors, words, right, resampling))
    return Findings(
        task=tests.task,
        queries=len(pairs),
        concepts=len(pairs),
        metrics=metrics,
        dimensions_before=vectors[0][0].shape[1],
        dimensions_after=vectors[1][0].shape[1],
    )


def _graded(
    vectors: Sequence[Sequence[Vectors]], words: Values, gold: Values, resampling: Resampling
) -> Iterator[MetricResult]:
    groups = np.arange(len(gold))
    for by in SIMILARITIES:
        before, after = (similarities(left, right, by=by) for left, right in vectors)
        for kind, of in (("spearman", spearman_of), ("pearson", pearson_of)):
            bm25 = of(words, gold) if by == "cosine" else None
            yield measured(f"{kind}_{by}", of(before, gold), of(after, gold), groups, resampling, bm25=bm25)


def _binary(
    vectors: Sequence[Sequence[Vectors]], words: Values, right: NDArray[np.bool_], resampling: Resampling
) -> Iterator[MetricResult]:
    """By cosine. The threshold is a setting and no merit: it has no interval."""
    before, after = (similarities(left, other) for left, other in vectors)
    makers = {"average_precision": average_precision_of, "best_f1": best_f1_of, "auc": auc_of}
    for name in BINARY:
        if name == "f1_threshold":
            yield unpaired(name, *(best_threshold(scores, right) for scores in (before, after, words)))
            continue
        first, second, third = (makers[name](scores, right) for scores in (before, after, words))
        yield measured(name, first, second, np.arange(len(right)), resampling, bm25=third)


def _triplets(rows: Sequence[Triplet], models: ModelPair, resampling: Resampling) -> Findings:
    sides = [r.anchor for r in rows], [r.positive for r in rows], [r.negative for r in rows]
    vectors = [
        (encoder.encode(sides[0], role="query"), encoder.encode(sides[1]), encoder.encode(sides[2]))
        for encoder in (models.before, models.after)
    ]
    scores = [(similarities(a, p), similarities(a, n)) for a, p, n in vectors]
    scores.append((word_cosines(sides[0], sides[1]), word_cosines(sides[0], sides[2])))
    columns = [np.column_stack([p > n, p, n, p - n]).astype(np.float64) for p, n in scores]
    _, codes = np.unique([fold(anchor) for anchor in sides[0]], return_inverse=True)
    values = PerQuery(before=columns[0], after=columns[1], bm25=columns[2], concepts=codes.astype(np.int64))
    is_right = np.arange(2 * len(rows)) < len(rows)
    first, second, words = (auc_of(np.concatenate(pair), is_right) for pair in scores)
    auc = measured("auc", first, second, np.tile(codes, 2), resampling, bm25=words)
    return Findings(
        task="triplet",
        queries=len(rows),
        concepts=values.concept_count,
        largest_concept=int(np.bincount(values.concepts).max()),
        metrics=(*compare(values, resampling, names=MEANS), auc),
        dimensions_before=vectors[0][0].shape[1],
        dimensions_after=vectors[1][0].shape[1],
        mcnemar=mcnemar(columns[0][:, 0] > 0, columns[1][:, 0] > 0),
    )


def _raw(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors as the model gives them, not made unit: dot, Euclidean and Manhattan differ on those alone."""
    distinct = list(dict.fromkeys(texts))
    place = {text: at for at, text in enumerate(distinct)}
    vectors = encoder.raw(distinct, role="query", batch_size=32)
    return vectors[[place[text] for text in texts]]
