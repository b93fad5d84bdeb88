"""Pairs as a test of search: both models and BM25 rank every query over the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from embedkit.evaluation.measure.compare import PerQuery, compare_all
from embedkit.evaluation.measure.contrast import contrast_metrics
from embedkit.evaluation.measure.slices import particle_slices, query_slices, slice_result
from embedkit.evaluation.measure.statistics import Resampling, mcnemar
from embedkit.evaluation.measure.systems import (
    ModelPair,
    SystemTriple,
    changes,
    query_results,
    run_bm25,
    run_encoder,
)
from embedkit.evaluation.measure.terms import term_view
from embedkit.evaluation.records import Findings
from embedkit.ranking.queries import TestSet

SHOWN_CHANGES = 10


def search_findings(tests: TestSet, models: ModelPair, resampling: Resampling) -> Findings:
    """Rank the queries over the corpus, and compare what the systems found."""
    before, cosines_before = run_encoder(models.before, tests, system="before", seed=resampling.seed)
    after, cosines_after = run_encoder(models.after, tests, system="after", seed=resampling.seed)
    systems = SystemTriple(before=before, after=after, bm25=run_bm25(tests))
    values = _per_query(tests, systems)
    parts = [*query_slices(tests.queries, values), *particle_slices(tests, values, systems)]
    overall, *of_parts = compare_all([values, *(part.values for part in parts)], resampling)
    return Findings(
        task="retrieval",
        queries=len(tests.queries),
        concepts=values.concept_count,
        largest_concept=int(np.bincount(values.concepts).max()),
        metrics=overall,
        dimensions_before=before.dimensions,
        dimensions_after=after.dimensions,
        corpus_texts=len(tests.corpus),
        corpus=tests.corpus_name,
        dropped=tests.dropped,
        slices=tuple(map(slice_result, parts, of_parts)),
        mcnemar=mcnemar(before.hit, after.hit),
        similarities=(*cosines_before, *cosines_after),
        fixed=tuple(islice(changes(tests, before, after, fixed=True), SHOWN_CHANGES)),
        broken=tuple(islice(changes(tests, before, after, fixed=False), SHOWN_CHANGES)),
        asked=tuple(query_results(tests, before, after)),
        hard_negatives=tuple(contrast_metrics(tests, values.concepts, systems.contrasts, resampling)),
        negatives_from=tuple(_miners(tests, models)),
        terms=term_view(tests.rows, models),
    )


def _per_query(tests: TestSet, systems: SystemTriple) -> PerQuery:
    _, codes = np.unique([query.concept for query in tests.queries], return_inverse=True)
    return PerQuery(
        before=systems.before.metrics,
        after=systems.after.metrics,
        bm25=systems.bm25.metrics,
        concepts=codes.astype(np.int64),
    )


def _miners(tests: TestSet, models: ModelPair) -> Iterator[str]:
    """The models that mined the test rows' hard negatives: they rank those below the right text by construction."""
    mined = {receipt.weights for row in tests.rows for receipt in row.mining}
    encoders = (models.before, models.after)
    yield from dict.fromkeys(encoder.source.requested for encoder in encoders if encoder.hash in mined)
