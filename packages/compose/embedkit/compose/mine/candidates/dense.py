"""Candidates by meaning: the exact nearest texts by cosine, with the guards applied to the whole row.

Costs the matrix product of the questions with the pool and about a tenth more. Memory beyond the vectors is one
block of questions, `BUDGET_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.mine.candidates.ann import IvfIndex
from embedkit.compose.mine.candidates.base import (
    REFUSED,
    Bar,
    Candidates,
    Indices,
    Question,
    Refused,
    Scores,
)
from embedkit.console import say, warn
from embedkit.extras import DISTRIBUTION
from embedkit.models.vectors import Encoder
from embedkit.ranking.nearest import DECIMALS, NearestQuery, NearestRow, exact_scores, nearest

BUDGET_BYTES = 64 << 20
MOST_FROM_INDEX = 512  # whoever asks for more goes far down the ranking, where an index is no help
SPARE = 16  # candidates beyond the number asked for: a hub cap passes over some
STATED_ABOVE = 10_000
PART = 4096  # questions whose vectors are in memory at a time
Vectors = NDArray[np.float32]


class DenseMiner:
    """Cosine over one pool. No candidate over the bar that the positive's own score sets is a negative."""

    name = "dense"

    def __init__(
        self,
        pool: Sequence[str],
        encoder: Encoder,
        *,
        bar: Bar,
        budget_bytes: int = BUDGET_BYTES,
        ann_above: int = 0,
        ann_recall: float = 0.95,
    ) -> None:
        self._encoder = encoder
        self._places = {text: place for place, text in enumerate(pool)}
        self._pool = encoder.encode(pool)
        self._bar = bar
        self._budget_bytes = budget_bytes
        self._anchors: dict[str, Vectors] = {}
        self._index = self._indexed(ann_above, ann_recall)
        if len(pool) >= STATED_ABOVE:
            say(
                "dense: {texts} texts, {vectors} MB of vectors, searched in blocks of at most {budget} MB",
                texts=len(pool),
                vectors=round(self._pool.nbytes / 1e6),
                budget=round(budget_bytes / 1e6),
            )
        self.weights = encoder.hash

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Candidates]:
        """Yield one ranking a question, made of texts under the bar only."""
        for start in range(0, len(questions), PART):
            part = questions[start : start + PART]
            anchors = self._encoder.encode([q.anchor for q in part], role="query")
            self._anchors = {q.anchor: vector for q, vector in zip(part, anchors, strict=True)}
            own = self._own(part, anchors)
            bars = self._bar.under(own)
            found = self._search(part, anchors, bars, limit + SPARE)
            for row, score, bar in zip(found, own.tolist(), bars.tolist(), strict=True):
                refused = Refused(row.over, row.over_scores, score, bar)
                yield Candidates(row.under, row.under_scores, row.complete, refused)

    def _indexed(self, above: int, recall: float) -> IvfIndex | None:
        """The index of a large pool; without FAISS the search stays exact, which is said."""
        if not above or len(self._pool) <= above:
            return None
        if find_spec("faiss") is None:
            warn(
                "{texts} texts are searched exactly: FAISS is not installed (pip install '{package}')",
                texts=len(self._pool),
                package=f"{DISTRIBUTION}[ann]",
            )
            return None
        return IvfIndex(self._pool, least_recall=recall, budget_bytes=self._budget_bytes)

    def _search(
        self, questions: Sequence[Question], anchors: Vectors, bars: Scores, limit: int
    ) -> Iterator[NearestRow]:
        blocked = [question.blocked for question in questions]
        query = NearestQuery(anchors=anchors, bars=bars, blocked=blocked, limit=limit, over=REFUSED)
        if self._index is not None and limit <= MOST_FROM_INDEX:
            return self._index.search(query)
        return nearest(query, self._pool, budget_bytes=self._budget_bytes)

    def admits(self, question: Question, indices: Indices) -> NDArray[np.bool_]:
        """Which of the pool's texts `indices` stay under the question's bar."""
        known = self._anchors.get(question.anchor)
        anchors = self._encoder.encode([question.anchor], role="query") if known is None else known[None]
        bar = self._bar.under(self._own([question], anchors))[0]
        admitted: NDArray[np.bool_] = (
            exact_scores(anchors, self._pool, np.zeros(len(indices), dtype=np.int64), indices) <= bar
        )
        return admitted

    def _own(self, questions: Sequence[Question], anchors: Vectors) -> Scores:
        """The score of each question's own positive, which is nearly always one of the pool."""
        positives = self._vectors([question.positive for question in questions])
        own = np.einsum("ij,ij->i", anchors.astype(np.float64), positives.astype(np.float64))
        rounded: Scores = np.round(own, DECIMALS)
        return rounded

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        places = [self._places.get(text, -1) for text in texts]
        return self._encoder.encode(texts) if -1 in places else self._pool[places]
