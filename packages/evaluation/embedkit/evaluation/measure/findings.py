"""What one kind of test found about two models, before the verdict is spoken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from embedkit.evaluation.measure.compare import Part, PerQuery, compare_all, parts_of, slice_of
from embedkit.evaluation.measure.contrast import contrast_metrics
from embedkit.evaluation.measure.statistics import McNemar, mcnemar
from embedkit.evaluation.measure.systems import Outcome, changes, query_results, run_bm25, run_encoder
from embedkit.evaluation.records import (
    Change,
    LabelSimilarity,
    MetricResult,
    QueryResult,
    Similarities,
    Slice,
    Task,
)
from embedkit.models.vectors import Encoder
from embedkit.ranking.queries import TestSet

SHOWN_CHANGES = 10
PLAIN = "without a particle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The part of an `Evaluation` that depends on what was tested; `metrics[0]` decides.

    `queries` counts queries or rows, `concepts` what the bootstrap resampled.
    """

    task: Task
    queries: int
    concepts: int
    metrics: tuple[MetricResult, ...]
    dimensions_before: int
    dimensions_after: int
    corpus_texts: int = 0
    corpus: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    mcnemar: McNemar | None = None
    similarities: tuple[Similarities, ...] = ()
    fixed: tuple[Change, ...] = ()
    broken: tuple[Change, ...] = ()
    hard_negatives: tuple[MetricResult, ...] = ()
    labels: LabelSimilarity | None = None
    asked: tuple[QueryResult, ...] = ()


def search_findings(
    tests: TestSet, before: Encoder, after: Encoder, *, resamples: int, seed: int
) -> Findings:
    """Rank the queries over the corpus with both models and BM25."""
    first, cosines_before = run_encoder(before, tests, system="before", seed=seed)
    second, cosines_after = run_encoder(after, tests, system="after", seed=seed)
    words = run_bm25(tests)
    values = _values(tests, first, second, words)
    parts = [*parts_of(tests.queries, values), *particle_parts(tests, values, first, second, words)]
    overall, *of_parts = compare_all([values, *(p.values for p in parts)], resamples=resamples, seed=seed)
    return Findings(
        task="retrieval",
        queries=len(tests.queries),
        concepts=values.concept_count,
        metrics=overall,
        dimensions_before=first.dimensions,
        dimensions_after=second.dimensions,
        corpus_texts=len(tests.corpus),
        corpus=tests.corpus_name,
        dropped=tests.dropped,
        slices=tuple(map(slice_of, parts, of_parts)),
        mcnemar=mcnemar(first.hit, second.hit),
        similarities=(*cosines_before, *cosines_after),
        fixed=tuple(islice(changes(tests, first, second, fixed=True), SHOWN_CHANGES)),
        asked=tuple(query_results(tests, first, second)),
        broken=tuple(islice(changes(tests, first, second, fixed=False), SHOWN_CHANGES)),
        hard_negatives=tuple(
            contrast_metrics(
                tests,
                values.concepts,
                before=first.contrast,
                after=second.contrast,
                bm25=words.contrast,
                resamples=resamples,
                seed=seed,
            )
        ),
    )


def particle_parts(
    tests: TestSet, values: PerQuery, before: Outcome, after: Outcome, bm25: Outcome
) -> Iterator[Part]:
    """The Korean names among the queries as they are, and with each particle attached."""
    kinds = list(dict.fromkeys(variant.particle for variant in tests.variants))
    for kind in kinds:
        rows = np.array([i for i, variant in enumerate(tests.variants) if variant.particle == kind])
        asked = np.array([tests.variants[i].query for i in rows])
        if kind == kinds[0]:
            yield Part(dimension="particle", value=PLAIN, values=values.only(asked))
        spoken = PerQuery(
            before=before.variants[rows],
            after=after.variants[rows],
            bm25=bm25.variants[rows],
            concepts=values.concepts[asked],
        )
        yield Part(dimension="particle", value=kind, values=spoken)


def _values(tests: TestSet, before: Outcome, after: Outcome, bm25: Outcome) -> PerQuery:
    _, codes = np.unique([query.concept for query in tests.queries], return_inverse=True)
    return PerQuery(
        before=before.metrics, after=after.metrics, bm25=bm25.metrics, concepts=codes.astype(np.int64)
    )
