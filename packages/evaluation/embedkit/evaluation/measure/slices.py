"""Slices of the queries: by language, kind, length, abbreviation and particle. pandas groups them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from embedkit.evaluation.measure.compare import PerQuery, judge
from embedkit.evaluation.measure.systems import SystemTriple
from embedkit.evaluation.records import MetricResult, Slice
from embedkit.ranking.queries import JudgedQuery, TestSet
from embedkit.text import is_acronym

DIMENSIONS = (("lang",), ("kind",), ("kind", "lang"), ("words",), ("abbreviation",))
WITHOUT_PARTICLE = "without a particle"
_BANDS = ((1, "1 word"), (3, "2-3 words"), (7, "4-7 words"), (sys.maxsize, "8 words and more"))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySlice:
    """Some of the queries with their metrics, and what they share."""

    dimension: str
    value: str
    values: PerQuery


def query_slices(queries: Sequence[JudgedQuery], values: PerQuery) -> Iterator[QuerySlice]:
    """By language, kind, both, length and abbreviation, each where it says something new."""
    frame = pd.DataFrame(
        {
            "kind": [query.kind for query in queries],
            "lang": [query.lang for query in queries],
            "words": [_band(query.text) for query in queries],
            "abbreviation": [
                "abbreviation" if is_acronym(query.text) else "no abbreviation" for query in queries
            ],
        }
    )
    seen: set[bytes] = set()
    for names in DIMENSIONS:
        for key, indices in frame.groupby(list(names), sort=True).indices.items():
            places = np.asarray(indices, dtype=np.int64)
            known = places.tobytes() in seen or len(places) == len(queries)
            if names not in (("lang",), ("kind",)) and known:
                continue
            seen.add(places.tobytes())
            value = ", ".join(key) if isinstance(key, tuple) else str(key)
            yield QuerySlice(dimension=", ".join(names), value=value, values=values.only(places))


def particle_slices(tests: TestSet, values: PerQuery, systems: SystemTriple) -> Iterator[QuerySlice]:
    """The Korean names among the queries as they are, and with each particle attached."""
    kinds = list(dict.fromkeys(variant.particle for variant in tests.variants))
    for kind in kinds:
        rows = np.array([i for i, variant in enumerate(tests.variants) if variant.particle == kind])
        asked = np.array([tests.variants[i].query for i in rows])
        if kind == kinds[0]:
            yield QuerySlice(dimension="particle", value=WITHOUT_PARTICLE, values=values.only(asked))
        with_particle = PerQuery(
            before=systems.before.variants[rows],
            after=systems.after.variants[rows],
            bm25=systems.bm25.variants[rows],
            concepts=values.concepts[asked],
        )
        yield QuerySlice(dimension="particle", value=kind, values=with_particle)


def slice_result(part: QuerySlice, metrics: tuple[MetricResult, ...]) -> Slice:
    """A slice with its compared metrics."""
    concepts = part.values.concept_count
    return Slice(
        dimension=part.dimension,
        value=part.value,
        queries=len(part.values.concepts),
        concepts=concepts,
        word=judge(metrics, concepts=concepts),
        metrics=metrics,
    )


def _band(text: str) -> str:
    count = len(text.split())
    return next(band for most, band in _BANDS if count <= most)
