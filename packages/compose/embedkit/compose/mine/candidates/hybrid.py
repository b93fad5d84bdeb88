"""Words and meaning together: reciprocal rank fusion of both rankings, under the dense bar.

Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion outperforms Condorcet" (2009), with their constant 60.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from embedkit.compose.mine.candidates.base import Candidates, Question, best_first
from embedkit.compose.mine.candidates.dense import DenseMiner
from embedkit.compose.mine.candidates.lexical import LexicalMiner

FUSION = 60
MEANING = 2  # a text that only shares words is no nearer than the sixtieth by meaning
DECIMALS = 6


class HybridMiner:
    """Fuses two rankings of one pool."""

    name = "hybrid"

    def __init__(self, lexical: LexicalMiner, dense: DenseMiner) -> None:
        self._lexical = lexical
        self._dense = dense
        self.weights = dense.weights

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Candidates]:
        """Yield one fused ranking a question."""
        words, meanings = self._lexical.rank(questions, limit), self._dense.rank(questions, limit)
        for question, by_words, by_meaning in zip(questions, words, meanings, strict=True):
            admitted = by_words.indices[self._dense.admits(question, by_words.indices)]
            fused: defaultdict[int, float] = defaultdict(float)
            for indices, weight in ((admitted, 1), (by_meaning.indices, MEANING)):
                for rank, index in enumerate(indices.tolist(), start=1):
                    fused[index] += weight / (FUSION + rank)
            scores = np.array([round(score, DECIMALS) for score in fused.values()], dtype=np.float64)
            ranked = best_first(np.array(list(fused), dtype=np.int64), scores, len(fused))
            complete = by_words.complete and by_meaning.complete
            yield Candidates(ranked.indices, ranked.scores, complete, by_meaning.refused)
