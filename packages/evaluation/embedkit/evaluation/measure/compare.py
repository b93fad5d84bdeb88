"""Before and after as numbers: metrics, intervals and slices from the two models' per-query values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.evaluation.measure.statistics import (
    FEWEST_CONCEPTS,
    LEVEL,
    GroupedValues,
    Resampling,
    intervals,
    paired,
    permutation_p,
)
from embedkit.evaluation.measure.weighted import Statistic, once
from embedkit.evaluation.records import Interval, MetricResult, Word
from embedkit.ranking.metrics import METRICS, Values


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
    values: PerQuery, resampling: Resampling, *, names: Sequence[str] = METRICS
) -> tuple[MetricResult, ...]:
    """Every metric with its intervals; the columns of before, after and difference share their resamples."""
    return compare_all([values], resampling, names=names)[0]


def compare_all(
    several: Sequence[PerQuery], resampling: Resampling, *, names: Sequence[str] = METRICS
) -> list[tuple[MetricResult, ...]]:
    """The same for several sets of queries, which share their resamples too: one pass for all."""
    differences = [GroupedValues(values.after - values.before, values.concepts) for values in several]
    stacked = [
        GroupedValues(np.hstack([values.before, values.after, difference.values]), values.concepts)
        for values, difference in zip(several, differences, strict=True)
    ]
    found = intervals(stacked, resampling)
    p_values = permutation_p(differences, resampling)
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
    resampling: Resampling,
    *,
    bm25: Statistic | None,
) -> MetricResult:
    """A metric that is no mean over units (a correlation, an AUC) with its paired intervals."""
    found = paired(before, after, groups, resampling)
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
    """The first metric decides: its interval above zero SHIP, below DO NOT SHIP; neither where the sign-flip test does
    not agree, or with few concepts.
    """
    if concepts < FEWEST_CONCEPTS or not signs_agree(metrics[0]):
        return "NO DIFFERENCE"
    return word_of(metrics[0].difference_interval)


def signs_agree(metric: MetricResult) -> bool:
    """Whether the sign-flip test calls a metric's difference real too; always where there is none (a correlation)."""
    return metric.permutation_p is None or metric.permutation_p <= LEVEL


def word_of(interval: Interval | None) -> Word:
    """The verdict that an interval of the difference allows."""
    if interval is None:
        return "NO DIFFERENCE"
    if interval.low > 0:
        return "SHIP"
    return "DO NOT SHIP" if interval.high < 0 else "NO DIFFERENCE"
