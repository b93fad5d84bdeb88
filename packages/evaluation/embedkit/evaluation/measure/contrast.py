"""Right texts against the hard negatives of the test rows: triplet accuracy, mean scores, their gap, AUC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.evaluation.measure.compare import PerQuery, compare, measured
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.measure.weighted import auc_of
from embedkit.evaluation.records import MetricResult
from embedkit.ranking.bm25 import word_cosines
from embedkit.ranking.metrics import Values
from embedkit.ranking.queries import TestSet
from embedkit.ranking.retrieval import Places

MEANS = ("triplet_accuracy", "positive_score", "negative_score", "score_gap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Scores of every query with its right texts and with its hard negatives, query after query."""

    positives: Values
    negatives: Values


@dataclass(frozen=True, slots=True)
class Flat:
    """Pairs of a query and a place of the corpus, query after query."""

    queries: Places
    places: Places


def flat(places: Sequence[Places]) -> Flat:
    """Each query's places as pairs."""
    return Flat(np.repeat(np.arange(len(places)), [len(p) for p in places]), np.concatenate(places))


def right_places(tests: TestSet) -> Flat:
    """Every query with every right place."""
    return flat([query.relevant for query in tests.queries])


def hard_rows(tests: TestSet) -> Places:
    """The query of each hard negative."""
    return np.repeat(np.arange(len(tests.queries)), [len(query.hard_negatives) for query in tests.queries])


def word_contrast(tests: TestSet) -> Contrast:
    """The same scores from words alone."""
    right = right_places(tests)
    texts = [query.text for query in tests.queries]
    wrong = [text for query in tests.queries for text in query.hard_negatives]
    left = [texts[place] for place in (*right.queries, *hard_rows(tests))]
    cosines = word_cosines(left, [*(tests.corpus[place] for place in right.places), *wrong])
    return Contrast(positives=cosines[: len(right.places)], negatives=cosines[len(right.places) :])


def contrast_metrics(
    tests: TestSet, concepts: NDArray[np.int64], contrasts: Sequence[Contrast], resampling: Resampling
) -> Iterator[MetricResult]:
    """Means over the queries that have hard negatives, and the AUC over all their texts; nothing without any.

    `contrasts` are those of the baseline, the model and BM25. A triplet counts when its right text scores higher, not
    when both score the same.
    """
    right, wrong = right_places(tests).queries, hard_rows(tests)
    having = np.unique(wrong)
    if not len(having):
        return
    before, after, bm25 = (_means(contrast, right, wrong, having) for contrast in contrasts)
    values = PerQuery(before=before, after=after, bm25=bm25, concepts=concepts[having])
    yield from compare(values, resampling, names=MEANS)
    used = np.isin(right, having)
    is_right = np.arange(used.sum() + len(wrong)) < used.sum()
    first, second, words = (
        auc_of(np.concatenate([contrast.positives[used], contrast.negatives]), is_right)
        for contrast in contrasts
    )
    groups = concepts[np.concatenate([right[used], wrong])]
    yield measured("auc", first, second, groups, resampling, bm25=words)


def _means(scores: Contrast, right: Places, wrong: Places, having: Places) -> Values:
    """The columns of `MEANS` for each query of `having`."""
    rows = []
    for query in having:
        positives = scores.positives[slice(*np.searchsorted(right, [query, query + 1]))]
        negatives = scores.negatives[slice(*np.searchsorted(wrong, [query, query + 1]))]
        nearer = (positives[:, None] > negatives).mean()
        rows.append((nearer, positives.mean(), negatives.mean(), positives.mean() - negatives.mean()))
    return np.array(rows, dtype=np.float64)
