"""Before and after as numbers: metrics, intervals and slices from the two models' per-query values."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embedkit.text import is_acronym
from embedkit.trainer.evaluation.metrics import METRICS, Values
from embedkit.trainer.evaluation.records import MetricResult, Slice, Word
from embedkit.trainer.evaluation.statistics import FEWEST_CONCEPTS, Interval, intervals, paired, permutation_p
from embedkit.trainer.evaluation.testset import Query
from embedkit.trainer.evaluation.weighted import Statistic

DIMENSIONS = (("lang",), ("kind",), ("kind", "lang"), ("words",), ("abbreviation",))
_BANDS = ((1, "1 word"), (3, "2-3 words"), (7, "4-7 words"), (sys.maxsize, "8 words and more"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PerQuery:
    """Metrics of every query, each `(Q, M)`, and the code of its concept `(Q,)`."""

    before: Values
    after: Values
    bm25: Values
    concepts: NDArray[np.int64]

    def only(self, places: NDArray[np.int64]) -> PerQuery:
        """The queries at `places`."""
        return PerQuery(
            before=self.before[places],
            after=self.after[places],
            bm25=self.bm25[places],
            concepts=self.concepts[places],
        )

    @property
    def concept_count(self) -> int:
        """How many concepts the queries belong to."""
        return len(np.unique(self.concepts))


def compare(
    values: PerQuery, *, names: Sequence[str] = METRICS, resamples: int, seed: int
) -> tuple[MetricResult, ...]:
    """Every metric with its intervals; the columns of before, after and difference share their resamples."""
    difference = values.after - values.before
    stacked = np.hstack([values.before, values.after, difference])
    found = intervals(stacked, values.concepts, resamples=resamples, seed=seed)
    p_values = permutation_p(difference, values.concepts, resamples=resamples, seed=seed)
    size = len(names)
    return tuple(
        MetricResult(
            name=name,
            before=float(values.before[:, i].mean()),
            after=float(values.after[:, i].mean()),
            difference=float(difference[:, i].mean()),
            before_interval=found[i],
            after_interval=found[size + i],
            difference_interval=found[2 * size + i],
            permutation_p=float(p_values[i]),
            bm25=float(values.bm25[:, i].mean()),
        )
        for i, name in enumerate(names)
    )


def measured(
    name: str,
    before: Statistic,
    after: Statistic,
    groups: NDArray[np.int64],
    *,
    bm25: Statistic | None,
    resamples: int,
    seed: int,
) -> MetricResult:
    """A metric that is no mean over units (a correlation, an AUC) with its paired intervals."""
    found = paired(before, after, groups, resamples=resamples, seed=seed)
    return MetricResult(
        name=name,
        before=found.before,
        after=found.after,
        difference=found.after - found.before,
        before_interval=found.before_interval,
        after_interval=found.after_interval,
        difference_interval=found.difference_interval,
        permutation_p=None,
        bm25=float(bm25(np.ones((1, len(groups))))[0]) if bm25 else None,
    )


def unpaired(name: str, before: float, after: float, bm25: float | None) -> MetricResult:
    """A number that no unit of the data has a share in: no interval, no p."""
    return MetricResult(
        name=name,
        before=before,
        after=after,
        difference=after - before,
        before_interval=None,
        after_interval=None,
        difference_interval=None,
        permutation_p=None,
        bm25=bm25,
    )


def judge(metrics: Sequence[MetricResult], *, concepts: int) -> Word:
    """The first metric's interval decides: above zero SHIP, below DO NOT SHIP, else or with few concepts neither."""
    interval = metrics[0].difference_interval
    if concepts < FEWEST_CONCEPTS:
        return "NO DIFFERENCE"
    return word_of(interval)


def word_of(interval: Interval | None) -> Word:
    """The verdict that an interval of the difference allows."""
    if interval is None:
        return "NO DIFFERENCE"
    if interval.low > 0:
        return "SHIP"
    return "DO NOT SHIP" if interval.high < 0 else "NO DIFFERENCE"


def slices(queries: Sequence[Query], values: PerQuery, *, resamples: int, seed: int) -> Iterator[Slice]:
    """By language, kind, both, length and abbreviation, where that tells anything new; each with own intervals."""
    frame = pd.DataFrame(
        {
            "kind": [q.kind for q in queries],
            "lang": [q.lang for q in queries],
            "words": [_words(q.text) for q in queries],
            "abbreviation": ["abbreviation" if is_acronym(q.text) else "no abbreviation" for q in queries],
        }
    )
    seen: set[bytes] = set()
    for names in DIMENSIONS:
        for key, indices in frame.groupby(list(names), sort=True).indices.items():
            places = np.asarray(indices, dtype=np.int64)
            if names not in (("lang",), ("kind",)) and (
                places.tobytes() in seen or len(places) == len(queries)
            ):
                continue
            seen.add(places.tobytes())
            value = ", ".join(key) if isinstance(key, tuple) else str(key)
            yield slice_of(", ".join(names), value, values.only(places), resamples=resamples, seed=seed)


def slice_of(dimension: str, value: str, part: PerQuery, *, resamples: int, seed: int) -> Slice:
    """The metrics of some of the queries."""
    metrics = compare(part, resamples=resamples, seed=seed)
    return Slice(
        dimension=dimension,
        value=value,
        queries=len(part.concepts),
        concepts=part.concept_count,
        word=judge(metrics, concepts=part.concept_count),
        metrics=metrics,
    )


def _words(text: str) -> str:
    count = len(text.split())
    return next(band for most, band in _BANDS if count <= most)
