"""What every miner answers: for each question, the candidates that the guards leave, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Scores = NDArray[np.float64]
SLACK = 32  # candidates kept beyond the number asked for, so that a later guard rarely needs the whole row


@dataclass(frozen=True, slots=True)
class Question:
    """One row to mine for: `blocked` numbers the texts that are none, `about` defines the positive."""

    anchor: str
    positive: str
    blocked: Indices
    about: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates of one question: numbers in the pool and scores, best first, ties in the pool's order.

    `complete` says that there are no further candidates.
    """

    indices: Indices
    scores: Scores
    complete: bool


class Miner(Protocol):
    """Ranks one pool of texts. The guards are applied to the whole row before the best are taken."""

    name: str

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Ranked]:
        """Yield one ranking a question, at least `limit` long where there are so many candidates."""


def best_first(indices: Indices, scores: Scores, limit: int) -> Ranked:
    """The `limit` best (more when the last ones tie), ordered by score and then by place in the pool."""
    complete = len(indices) <= limit
    if not complete:
        bar = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        keep = scores >= bar
        indices, scores = indices[keep], scores[keep]
    order = np.lexsort((indices, -scores))
    return Ranked(indices[order], scores[order], complete)
