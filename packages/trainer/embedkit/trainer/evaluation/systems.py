"""The ranked systems (baseline, model, BM25) and what their rankings and cosines show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.trainer.evaluation.bm25 import Bm25Scorer
from embedkit.trainer.evaluation.metrics import DEPTH, Values, first_rank, query_metrics
from embedkit.trainer.evaluation.records import Change, Ranked, Similarities
from embedkit.trainer.evaluation.retrieval import CosineScorer, Floats, Places, Ranking, Scorer, rank
from embedkit.trainer.evaluation.testset import Query, TestSet
from embedkit.vectors import Encoder

BINS = np.linspace(-1, 1, 41)
SHOWN_ANSWERS = 3
_RANDOM_PER_QUERY = 10
System = Literal["before", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A system's ranking, its metrics `(Q, M)` and the rank of each first right answer `(Q,)`."""

    ranking: Ranking
    metrics: Values
    first_ranks: NDArray[np.int64]
    dimensions: int

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Whether the first answer is right."""
        first: NDArray[np.bool_] = self.first_ranks == 1
        return first


def run_encoder(
    encoder: Encoder, tests: TestSet, *, system: System, seed: int
) -> tuple[Outcome, list[Similarities]]:
    """Encode the test set, rank it, and measure the cosines of right and wrong texts."""
    queries = encoder.encode([query.text for query in tests.queries], role="query")
    corpus = encoder.encode(tests.corpus)
    outcome = _outcome(CosineScorer(queries, corpus), tests)
    hard = encoder.encode([text for query in tests.queries for text in query.hard_negatives])
    return outcome, list(_similarities(queries, corpus, hard, tests, system=system, seed=seed))


def run_bm25(tests: TestSet) -> Outcome:
    """Rank the same test set without any model."""
    return _outcome(Bm25Scorer([query.text for query in tests.queries], tests.corpus), tests)


def _outcome(scorer: Scorer, tests: TestSet) -> Outcome:
    relevant = [query.relevant for query in tests.queries]
    ranking = rank(
        scorer,
        top_k=DEPTH,
        excluded=[query.excluded for query in tests.queries],
        windows=np.array([query.window for query in tests.queries]),
    )
    return Outcome(
        ranking=ranking,
        metrics=query_metrics(ranking.places, relevant),
        first_ranks=first_rank(ranking.places, relevant),
        dimensions=scorer.corpus.shape[1] if isinstance(scorer, CosineScorer) else 0,
    )


def changes(tests: TestSet, before: Outcome, after: Outcome, *, fixed: bool) -> Iterator[Change]:
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


def _answers(tests: TestSet, ranking: Ranking, index: int) -> tuple[Ranked, ...]:
    relevant = set(tests.queries[index].relevant.tolist())
    best = zip(ranking.places[index, :SHOWN_ANSWERS], ranking.scores[index, :SHOWN_ANSWERS], strict=True)
    return tuple(
        Ranked(text=tests.corpus[place], score=float(score), relevant=int(place) in relevant)
        for place, score in best
        if place >= 0
    )


def _similarities(
    queries: Floats, corpus: Floats, hard: Floats, tests: TestSet, *, system: System, seed: int
) -> Iterator[Similarities]:
    rows, places = _flat([query.relevant for query in tests.queries])
    positives = _cosines(queries[rows], corpus[places])
    yield _summary(positives, positives, system=system, against="positive")
    if len(hard):
        counts = [len(query.hard_negatives) for query in tests.queries]
        cosines = _cosines(queries[np.repeat(np.arange(len(queries)), counts)], hard)
        yield _summary(cosines, positives, system=system, against="hard negative")
    rows, places = _random_places(tests.queries, seed)
    if len(rows):
        cosines = _cosines(queries[rows], corpus[places])
        yield _summary(cosines, positives, system=system, against="random text")


def _flat(places: Sequence[Places]) -> tuple[Places, Places]:
    rows = np.repeat(np.arange(len(places)), [len(p) for p in places])
    return rows, np.concatenate(places)


def _random_places(queries: Sequence[Query], seed: int) -> tuple[Places, Places]:
    """Texts of other concepts that the query searches, drawn at random: the same ones for every model."""
    starts, stops = np.array([query.window for query in queries]).T[:, :, None]
    drawn = np.random.default_rng(seed).integers(starts, stops, (len(queries), _RANDOM_PER_QUERY))
    return _flat(
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
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positives, others]))[: len(positives)]
    above = ranks.sum() - len(positives) * (len(positives) + 1) / 2
    return float(above / (len(positives) * len(others)))
