"""What a fine-tune costs elsewhere: Spearman on graded pairs of everyday language, before and after.

Each language is ranked by itself and the mean counts: cosines of two languages lie at levels of their own, and a model
that learns to read the second language moves these without forgetting anything. 2,400 short sentences are encoded with
each model: some seconds the first time, nothing from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import ScoredPair
from embedkit.evaluation.measure.compare import measured, word_of
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.measure.weighted import Statistic, Weights, spearman_of
from embedkit.evaluation.records import Forgetting, Interval, Kept, MetricResult, Slice
from embedkit.evaluation.sets.test_rows import read_graded
from embedkit.models.vectors import Encoder
from embedkit.ranking.bm25 import word_cosines
from embedkit.ranking.metrics import Values
from embedkit.text import language_of

METRIC = "spearman_cosine"
TOLERANCE = 0.02


def measure_forgetting(file: Path, models: ModelPair, resampling: Resampling) -> Forgetting:
    """Compare both models on the graded pairs of a file.

    The 95 % interval of the difference decides (`kept_word`): pairs are resampled, each with both models' scores.

    Raises:
        UserError: the file is missing, bad or holds fewer than two grades.
    """
    rows = read_graded(file)
    gold = np.array([row.score for row in rows])
    scores = [_cosines(encoder, rows) for encoder in (models.before, models.after)]
    scores.append(word_cosines([row.sentence1 for row in rows], [row.sentence2 for row in rows]))
    languages = [(lang, places) for lang, places in _by_language(rows) if _has_grades(gold[places])]
    parts = [places for _, places in languages] or [list(range(len(rows)))]
    metric = everyday_metric(scores, gold, parts, resampling)
    return Forgetting(
        file=file.name,
        pairs=len(rows),
        tolerance=TOLERANCE,
        word=kept_word(metric.difference_interval),
        metric=metric,
        languages=tuple(
            _slice(lang, places, everyday_metric(scores, gold, [places], resampling))
            for lang, places in languages
        ),
    )


def everyday_metric(
    scores: Sequence[Values], gold: Values, parts: Sequence[Sequence[int]], resampling: Resampling
) -> MetricResult:
    """Spearman of `scores` (before, after and by words alone) with the grades: the mean of the `parts` (languages)."""
    places = [np.asarray(part, dtype=np.int64) for part in parts]
    first, second, words = (_mean_spearman(found, gold, places) for found in scores)
    return measured(METRIC, first, second, np.arange(sum(map(len, parts))), resampling, bm25=words)


def _mean_spearman(scores: Values, gold: Values, parts: Sequence[NDArray[np.int64]]) -> Statistic:
    """Spearman of each part, weighted by its size; the units are those of the parts, one part after the other."""
    ends = np.cumsum([len(part) for part in parts])
    of_parts = [spearman_of(scores[part], gold[part]) for part in parts]

    def statistic(weights: Weights) -> Values:
        columns = np.split(weights, ends[:-1], axis=1)
        weighted = [len(p) * of(w) for p, of, w in zip(parts, of_parts, columns, strict=True)]
        found: Values = np.sum(weighted, axis=0) / ends[-1]
        return found

    return statistic


def _has_grades(gold: Values) -> bool:
    return len(set(gold.tolist())) > 1


def kept_word(interval: Interval | None) -> Kept:
    """Kept or forgotten where the whole interval lies above or below -`TOLERANCE`."""
    if interval is None or interval.low <= -TOLERANCE <= interval.high:
        return "cannot tell"
    return "kept" if interval.low > -TOLERANCE else "forgotten"


def fell(interval: Interval | None) -> bool:
    """Whether everyday language is worse for certain, by however little."""
    return interval is not None and interval.high < 0


def _cosines(encoder: Encoder, rows: Sequence[ScoredPair]) -> Values:
    left = encoder.encode([row.sentence1 for row in rows], role="query")
    right = encoder.encode([row.sentence2 for row in rows], role="query")
    cosines: Values = np.einsum("nd,nd->n", left, right).astype(np.float64)
    return cosines


def _by_language(rows: Sequence[ScoredPair]) -> Iterator[tuple[str, list[int]]]:
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(language_of(row.sentence1), []).append(place)
    return iter(sorted(places.items()))


def _slice(lang: str, places: Sequence[int], metric: MetricResult) -> Slice:
    return Slice(
        dimension="lang",
        value=lang,
        queries=len(places),
        concepts=len(places),
        word=word_of(metric.difference_interval),
        metrics=(metric,),
    )
