"""The ranked systems (baseline, model, BM25) and what their rankings and cosines show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.evaluation.measure.contrast import Contrast, Flat, flat, hard_rows, right_places, word_contrast
from embedkit.evaluation.measure.weighted import auc_of, once
from embedkit.evaluation.records import Change, QueryResult, RankedAnswer, Similarities
from embedkit.models.vectors import Encoder
from embedkit.ranking.bm25 import Bm25Scorer
from embedkit.ranking.metrics import DEPTH, Values, first_rank, query_metrics
from embedkit.ranking.queries import JudgedQuery, TestSet
from embedkit.ranking.retrieval import Floats, Ranking, Scorer, StreamScorer, rank

BINS = np.linspace(-1, 1, 41)
SHOWN_ANSWERS = 3
_RANDOM_PER_QUERY = 10
System = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The baseline and the model that is held against it."""

    before: Encoder
    after: Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedSystem:
    """A system's ranking, its metrics `(Q, M)`, the rank of each first right answer `(Q,)`.

    `variants` are the metrics of the test set's variants `(V, M)`, `contrast` the scores of right and hard texts.
    """

    ranking: Ranking
    metrics: Values
    first_ranks: NDArray[np.int64]
    variants: Values
    contrast: Contrast
    dimensions: int

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Whether the first answer is right."""
        first: NDArray[np.bool_] = self.first_ranks == 1
        return first


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTriple:
    """The baseline, the model, and BM25."""

    before: RankedSystem
    after: RankedSystem
    bm25: RankedSystem

    @property
    def contrasts(self) -> tuple[Contrast, Contrast, Contrast]:
        """The contrast of each."""
        return self.before.contrast, self.after.contrast, self.bm25.contrast


def run_encoder(
    encoder: Encoder, tests: TestSet, *, system: System, seed: int
) -> tuple[RankedSystem, list[Similarities]]:
    """Encode the test set, rank it, and measure the cosines of right and wrong texts."""
    queries = encoder.encode(tests.asked, role="query")
    right, random = right_places(tests), _random_places(tests.queries, seed)
    keep = np.unique(np.concatenate([right.places, random.places]))
    scorer = StreamScorer(queries, tests.corpus, encoder.encode, keep=keep)
    ranking = _rank(scorer, tests)
    hard = encoder.encode([text for query in tests.queries for text in query.hard_negatives])
    kept = scorer.kept
    hard_queries = hard_rows(tests)
    contrast = Contrast(
        positives=_cosines(queries[right.queries], kept[np.searchsorted(keep, right.places)]),
        negatives=_cosines(queries[hard_queries], hard) if len(hard) else np.zeros(0),
    )
    others = _cosines(queries[random.queries], kept[np.searchsorted(keep, random.places)])
    similarities = _similarities(contrast, others, system=system)
    return _ranked_system(ranking, tests, contrast, dimensions=queries.shape[1]), list(similarities)


def run_bm25(tests: TestSet) -> RankedSystem:
    """Rank the same test set without any model."""
    ranking = _rank(Bm25Scorer(tests.asked, tests.corpus), tests)
    return _ranked_system(ranking, tests, word_contrast(tests), dimensions=0)


def _rank(scorer: Scorer, tests: TestSet) -> Ranking:
    """Every query and every variant, in one pass over the corpus."""
    queries = [*tests.queries, *(tests.queries[variant.query] for variant in tests.variants)]
    return rank(
        scorer,
        top_k=DEPTH,
        excluded=[query.excluded for query in queries],
        windows=np.array([query.window for query in queries]),
    )


def _ranked_system(ranking: Ranking, tests: TestSet, contrast: Contrast, *, dimensions: int) -> RankedSystem:
    count = len(tests.queries)
    relevant = [query.relevant for query in tests.queries]
    of_variants = [relevant[variant.query] for variant in tests.variants]
    own = Ranking(ranking.places[:count], ranking.scores[:count])
    return RankedSystem(
        ranking=own,
        metrics=query_metrics(own.places, relevant),
        first_ranks=first_rank(own.places, relevant),
        variants=query_metrics(ranking.places[count:], of_variants),
        contrast=contrast,
        dimensions=dimensions,
    )


def changes(tests: TestSet, before: RankedSystem, after: RankedSystem, *, fixed: bool) -> Iterator[Change]:
    """Queries whose first answer became right (`fixed`) or wrong, the farthest moves first."""
    flipped = ~before.hit & after.hit if fixed else before.hit & ~after.hit
    far = np.where(before.first_ranks == 0, DEPTH + 1, before.first_ranks) - np.where(
        after.first_ranks == 0, DEPTH + 1, after.first_ranks
    )
    for index in sorted(np.flatnonzero(flipped).tolist(), key=lambda i: (-abs(int(far[i])), i)):
        query = tests.queries[index]
        yield Change(
            query=query.text,
            kind=query.kind,
            lang=query.lang,
            expected=tuple(tests.corpus[place] for place in query.relevant),
            rank_before=int(before.first_ranks[index]),
            rank_after=int(after.first_ranks[index]),
            before=_answers(tests, before.ranking, index),
            after=_answers(tests, after.ranking, index),
        )


def query_results(tests: TestSet, before: RankedSystem, after: RankedSystem) -> Iterator[QueryResult]:
    """Every query with its values under both models."""
    for index, query in enumerate(tests.queries):
        yield QueryResult(
            query=query.text,
            kind=query.kind,
            lang=query.lang,
            concept=query.concept,
            rank_before=int(before.first_ranks[index]),
            rank_after=int(after.first_ranks[index]),
            before=tuple(before.metrics[index].tolist()),
            after=tuple(after.metrics[index].tolist()),
        )


def _answers(tests: TestSet, ranking: Ranking, index: int) -> tuple[RankedAnswer, ...]:
    relevant = set(tests.queries[index].relevant.tolist())
    best = zip(ranking.places[index, :SHOWN_ANSWERS], ranking.scores[index, :SHOWN_ANSWERS], strict=True)
    return tuple(
        RankedAnswer(text=tests.corpus[place], score=float(score), relevant=int(place) in relevant)
        for place, score in best
        if place >= 0
    )


def _similarities(contrast: Contrast, others: Values, *, system: System) -> Iterator[Similarities]:
    positives = contrast.positives
    yield _summary(positives, positives, system=system, against="positive")
    if len(contrast.negatives):
        yield _summary(contrast.negatives, positives, system=system, against="hard negative")
    if len(others):
        yield _summary(others, positives, system=system, against="random text")


def _random_places(queries: Sequence[JudgedQuery], seed: int) -> Flat:
    """Texts of other concepts that the query searches, drawn at random: the same ones for every model."""
    starts, stops = np.array([query.window for query in queries]).T[:, :, None]
    drawn = np.random.default_rng(seed).integers(starts, stops, (len(queries), _RANDOM_PER_QUERY))
    return flat(
        [
            np.setdiff1d(row, np.concatenate([query.relevant, query.excluded]))
            for row, query in zip(drawn, queries, strict=True)
        ]
    )


def _cosines(left: Floats, right: Floats) -> Values:
    cosines: Values = np.einsum("nd,nd->n", left, right).astype(np.float64)
    return cosines


def _summary(
    cosines: Values,
    positives: Values,
    *,
    system: System,
    against: Literal["positive", "hard negative", "random text"],
) -> Similarities:
    counts, _ = np.histogram(np.clip(cosines, -1, 1), BINS)
    return Similarities(
        system=system,
        against=against,
        counts=tuple(int(c) for c in counts),
        mean=float(cosines.mean()),
        auc=_auc(positives, cosines),
    )


def _auc(positives: Values, others: Values) -> float:
    right = np.arange(len(positives) + len(others)) < len(positives)
    scores = np.concatenate([positives, others])
    return float(auc_of(scores, right)(once(len(scores)))[0])
