"""Test files that hold no pairs: graded or labelled sentence pairs, triplets, labelled texts.

Each row is a paired unit of the bootstrap (triplets of one anchor, equal texts: one unit), so the intervals say what
other rows of the same sort would show. Out-of-fold probe answers and neighbours are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import ClassedPair, Labelled, Row, ScoredPair, Triplet, texts_of
from embedkit.errors import UserError
from embedkit.evaluation.measure.compare import PerQuery, compare, measured, unpaired
from embedkit.evaluation.measure.contrast import MEANS
from embedkit.evaluation.measure.findings import Findings
from embedkit.evaluation.measure.statistics import mcnemar
from embedkit.evaluation.measure.weighted import (
    auc_of,
    average_precision_of,
    best_f1_of,
    best_threshold,
    pearson_of,
    spearman_of,
)
from embedkit.evaluation.records import MetricResult, Task
from embedkit.evaluation.sets.labelled import ACCURACIES, label_findings
from embedkit.evaluation.sets.test_rows import file_shape, read_test_rows, require_grades
from embedkit.files import sha256_file
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
# Classes that say two sentences mean the same; the other classes of a file say that they do not.
_ALIKE = {"1", "true", "yes", "entailment", "duplicate", "paraphrase", "equivalent", "similar", "same"}
_UNLIKE = {
    "0", "-1", "false", "no", "neutral", "contradiction", "not_entailment", "not_duplicate", "unrelated", "different",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTests:
    """The rows of a test file and what can be asked of them."""

    task: Task
    rows: tuple[Row, ...]
    file: Path

    @property
    def hash(self) -> str:
        """Of the file."""
        return sha256_file(self.file)[:16]


def read_row_tests(path: Path) -> RowTests | None:
    """The rows of a test file that holds no pairs; None for pairs. Raises `UserError`."""
    shape = file_shape(path)
    if shape == "pairs":
        return None
    rows = read_test_rows(path)
    if shape == "scored_pairs":
        scored = [row for row in rows if isinstance(row, ScoredPair)]
        require_grades(scored, path)
        task: Task = "binary" if {row.score for row in scored} == {0, 1} else "graded"
    elif shape == "classed_pairs":
        _require_classes([row for row in rows if isinstance(row, ClassedPair)], path)
        task = "binary"
    else:
        task = "triplet" if shape == "triplets" else "labelled"
    return RowTests(task=task, rows=tuple(rows), file=path)


def tested_texts(row: Row) -> tuple[str, ...]:
    """The texts that a row asks about; a triplet's negative may have been trained on."""
    return (row.anchor, row.positive) if isinstance(row, Triplet) else texts_of(row)


def row_findings(tests: RowTests, before: Encoder, after: Encoder, *, resamples: int, seed: int) -> Findings:
    """Measure both models on the rows."""
    if tests.task == "labelled":
        labelled = [row for row in tests.rows if isinstance(row, Labelled)]
        return label_findings(labelled, before, after, file=str(tests.file), resamples=resamples, seed=seed)
    if tests.task == "triplet":
        triplets = [row for row in tests.rows if isinstance(row, Triplet)]
        return _triplets(triplets, before, after, resamples=resamples, seed=seed)
    pairs = [row for row in tests.rows if isinstance(row, ScoredPair | ClassedPair)]
    sides = [row.sentence1 for row in pairs], [row.sentence2 for row in pairs]
    words = word_cosines(*sides)
    models = [[_raw(encoder, side) for side in sides] for encoder in (before, after)]
    if tests.task == "graded":
        gold = np.array([row.score for row in pairs if isinstance(row, ScoredPair)])
        metrics = tuple(_graded(models, words, gold, resamples=resamples, seed=seed))
    else:
        right = np.array([_is_alike(row) for row in pairs])
        metrics = tuple(_binary(models, words, right, resamples=resamples, seed=seed))
    return Findings(
        task=tests.task,
        queries=len(pairs),
        concepts=len(pairs),
        metrics=metrics,
        dimensions_before=models[0][0].shape[1],
        dimensions_after=models[1][0].shape[1],
    )


def _graded(
    models: Sequence[Sequence[Vectors]], words: Values, gold: Values, *, resamples: int, seed: int
) -> Iterator[MetricResult]:
    groups = np.arange(len(gold))
    for by in SIMILARITIES:
        before, after = (similarities(left, right, by=by) for left, right in models)
        for kind, of in (("spearman", spearman_of), ("pearson", pearson_of)):
            yield measured(
                f"{kind}_{by}",
                of(before, gold),
                of(after, gold),
                groups,
                bm25=of(words, gold) if by == "cosine" else None,
                resamples=resamples,
                seed=seed,
            )


def _binary(
    models: Sequence[Sequence[Vectors]],
    words: Values,
    right: NDArray[np.bool_],
    *,
    resamples: int,
    seed: int,
) -> Iterator[MetricResult]:
    """By cosine. The threshold is a setting and no merit: it has no interval."""
    before, after = (similarities(left, other) for left, other in models)
    makers = {"average_precision": average_precision_of, "best_f1": best_f1_of, "auc": auc_of}
    for name in BINARY:
        if name == "f1_threshold":
            yield unpaired(name, *(best_threshold(scores, right) for scores in (before, after, words)))
            continue
        first, second, third = (makers[name](scores, right) for scores in (before, after, words))
        groups = np.arange(len(right))
        yield measured(name, first, second, groups, bm25=third, resamples=resamples, seed=seed)


def _triplets(
    rows: Sequence[Triplet], before: Encoder, after: Encoder, *, resamples: int, seed: int
) -> Findings:
    sides = [r.anchor for r in rows], [r.positive for r in rows], [r.negative for r in rows]
    vectors = [
        (encoder.encode(sides[0], role="query"), encoder.encode(sides[1]), encoder.encode(sides[2]))
        for encoder in (before, after)
    ]
    scores = [(similarities(a, p), similarities(a, n)) for a, p, n in vectors]
    scores.append((word_cosines(sides[0], sides[1]), word_cosines(sides[0], sides[2])))
    columns = [np.column_stack([p > n, p, n, p - n]).astype(np.float64) for p, n in scores]
    _, codes = np.unique([fold(anchor) for anchor in sides[0]], return_inverse=True)
    values = PerQuery(before=columns[0], after=columns[1], bm25=columns[2], concepts=codes.astype(np.int64))
    is_right = np.arange(2 * len(rows)) < len(rows)
    aucs = [auc_of(np.concatenate(pair), is_right) for pair in scores]
    auc = measured("auc", aucs[0], aucs[1], np.tile(codes, 2), bm25=aucs[2], resamples=resamples, seed=seed)
    return Findings(
        task="triplet",
        queries=len(rows),
        concepts=values.concept_count,
        metrics=(*compare(values, names=MEANS, resamples=resamples, seed=seed), auc),
        dimensions_before=vectors[0][0].shape[1],
        dimensions_after=vectors[1][0].shape[1],
        mcnemar=mcnemar(columns[0][:, 0] > 0, columns[1][:, 0] > 0),
    )


def _raw(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors as the model gives them, not made unit: dot, Euclidean and Manhattan differ on those alone."""
    distinct = list(dict.fromkeys(texts))
    place = {text: at for at, text in enumerate(distinct)}
    encode: Any = encoder.model.encode_query
    vectors = np.asarray(encode(distinct, show_progress_bar=False), dtype=np.float32)
    return vectors[[place[text] for text in texts]]


def _require_classes(rows: Sequence[ClassedPair], path: Path) -> None:
    labels = {_class_of(row) for row in rows}
    unknown = sorted(labels - _ALIKE - _UNLIKE)
    if unknown:
        raise UserError(
            "the label {unknown_key!r} does not say whether two sentences mean the same",
            place=str(path),
            hint="use 1 and 0, or entailment, neutral, contradiction",
            unknown_key=unknown[0],
        )
    if not labels & _ALIKE or not labels & _UNLIKE:
        raise UserError("all pairs have the same class", place=str(path), hint="add pairs of the other class")


def _class_of(row: ClassedPair) -> str:
    return str(row.label).strip().lower()


def _is_alike(row: ScoredPair | ClassedPair) -> bool:
    return row.score == 1 if isinstance(row, ScoredPair) else _class_of(row) in _ALIKE
