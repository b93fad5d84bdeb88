"""Before and after as numbers: metrics, intervals and slices from the two models' per-query values."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embedkit.evaluation.measure.statistics import (
    FEWEST_CONCEPTS,
    Interval,
    Table,
    intervals,
    paired,
    permutation_p,
)
from embedkit.evaluation.measure.weighted import Statistic, once
from embedkit.evaluation.records import MetricResult, Slice, Word
from embedkit.ranking.metrics import METRICS, Values
from embedkit.ranking.queries import Query
from embedkit.text import is_acronym

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the queries, and what they share."""

    dimension: str
    value: str
    values: PerQuery


def compare(
    values: PerQuery, *, names: Sequence[str] = METRICS, resamples: int, seed: int
) -> tuple[MetricResult, ...]:
    """Every metric with its intervals; the columns of before, after and difference share their resamples."""
    return compare_all([values], names=names, resamples=resamples, seed=seed)[0]


def compare_all(
    several: Sequence[PerQuery], *, names: Sequence[str] = METRICS, resamples: int, seed: int
) -> list[tuple[MetricResult, ...]]:
    """The same for several sets of queries, which share their resamples too: one pass for all."""
    differences = [Table(values.after - values.before, values.concepts) for values in several]
    stacked = [
        Table(np.hstack([values.before, values.after, difference.values]), values.concepts)
        for values, difference in zip(several, differences, strict=True)
    ]
    found = intervals(stacked, resamples=resamples, seed=seed)
    p_values = permutation_p(differences, resamples=resamples, seed=seed)
    return [
        tuple(_results(names, *rows))
        for rows in zip(several, (table.values for table in differences), found, p_values, strict=True)
    ]


def _results(
    names: Sequence[str], values: PerQuery, difference: Values, found: Sequence[Interval], p_values: Values
) -> Iterator[MetricResult]:
    size = len(names)
    for i, name in enumerate(names):
        yield MetricResult(
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
        bm25=float(bm25(once(len(groups)))[0]) if bm25 else None,
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


def parts_of(queries: Sequence[Query], values: PerQuery) -> Iterator[Part]:
    """By language, kind, both, length and abbreviation, where that tells anything new."""
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
            yield Part(dimension=", ".join(names), value=value, values=values.only(places))


def slice_of(part: Part, metrics: tuple[MetricResult, ...]) -> Slice:
    """A part with what was found for it."""
    concepts = part.values.concept_count
    return Slice(
        dimension=part.dimension,
        value=part.value,
        queries=len(part.values.concepts),
        concepts=concepts,
        word=judge(metrics, concepts=concepts),
        metrics=metrics,
    )


def _words(text: str) -> str:
    count = len(text.split())
    return next(band for most, band in _BANDS if count <= most)
