"""Before and after as numbers: metrics, intervals and slices from the two models' per-query values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embedkit.trainer.evaluation.metrics import METRICS, PRIMARY, Values
from embedkit.trainer.evaluation.records import MetricResult, Slice, Word
from embedkit.trainer.evaluation.statistics import FEWEST_CONCEPTS, Interval, intervals, permutation_p
from embedkit.trainer.evaluation.testset import Query

DIMENSIONS = (("lang",), ("kind",), ("kind", "lang"))


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


def compare(values: PerQuery, *, resamples: int, seed: int) -> tuple[MetricResult, ...]:
    """Every metric with its intervals; the columns of before, after and difference share their resamples."""
    difference = values.after - values.before
    stacked = np.hstack([values.before, values.after, difference])
    found = intervals(stacked, values.concepts, resamples=resamples, seed=seed)
    p_values = permutation_p(difference, values.concepts, resamples=resamples, seed=seed)
    size = len(METRICS)
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
        for i, name in enumerate(METRICS)
    )


def judge(metrics: Sequence[MetricResult], *, concepts: int) -> Word:
    """nDCG@10's interval decides: above zero SHIP, below DO NOT SHIP, else or with few concepts neither."""
    interval = next(m.difference_interval for m in metrics if m.name == PRIMARY)
    if concepts < FEWEST_CONCEPTS:
        return "NO DIFFERENCE"
    return word_of(interval)


def word_of(interval: Interval) -> Word:
    """The verdict that an interval of the difference allows."""
    if interval.low > 0:
        return "SHIP"
    return "DO NOT SHIP" if interval.high < 0 else "NO DIFFERENCE"


def slices(queries: Sequence[Query], values: PerQuery, *, resamples: int, seed: int) -> Iterator[Slice]:
    """By language, by kind, and by both where that tells anything new; every slice has its own intervals."""
    frame = pd.DataFrame({"kind": [q.kind for q in queries], "lang": [q.lang for q in queries]})
    seen: set[bytes] = set()
    for names in DIMENSIONS:
        for key, indices in frame.groupby(list(names), sort=True).indices.items():
            places = np.asarray(indices, dtype=np.int64)
            if len(names) > 1 and places.tobytes() in seen:
                continue
            seen.add(places.tobytes())
            part = values.only(places)
            metrics = compare(part, resamples=resamples, seed=seed)
            yield Slice(
                dimension=", ".join(names),
                value=", ".join(key) if isinstance(key, tuple) else str(key),
                queries=len(places),
                concepts=part.concept_count,
                word=judge(metrics, concepts=part.concept_count),
                metrics=metrics,
            )
