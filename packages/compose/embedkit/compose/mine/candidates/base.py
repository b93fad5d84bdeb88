"""What every miner answers: for each question, the candidates that the guards leave, best first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Scores = NDArray[np.float64]
SLACK = 32  # candidates kept beyond the number asked for, so that a later guard rarely needs the whole row
REFUSED = 16  # the nearest of those that the bar refuses are remembered
BAR_DECIMALS = 6
NO_INDICES: Indices = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Question:
    """One row to mine for: `blocked` numbers the texts that are none, `about` defines the positive."""

    anchor: str
    positive: str
    blocked: Indices
    about: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """How high a negative may score beside its positive; the lowest of the three limits counts."""

    max_relative: float = 0.95
    margin: float = 0.0
    max_score: float | None = None

    def under(self, own: Scores) -> Scores:
        """The highest score allowed for each of the positives' own scores."""
        if math.isinf(self.max_relative):
            return np.full_like(own, np.inf)
        bars = own - np.maximum((1 - self.max_relative) * np.abs(own), self.margin)
        if self.max_score is not None:
            bars = np.minimum(bars, self.max_score)
        return np.round(bars, BAR_DECIMALS)


OPEN_BAR = Bar(max_relative=math.inf)  # refuses nothing: the bar is another step's


@dataclass(frozen=True, slots=True)
class Refused:
    """The nearest candidates over the bar, best first, and the two scores that decided it."""

    indices: Indices
    scores: Scores
    own: float
    bar: float

    @classmethod
    def of(cls, indices: Indices, scores: Scores, *, own: float, bar: float, most: int = REFUSED) -> Refused:
        """Sort out what lies over the bar."""
        over = scores > bar
        best = best_first(indices[over], scores[over], most)
        return cls(best.indices[:most], best.scores[:most], own, bar)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of one question: numbers in the pool and scores, best first, ties in the pool's order.

    `complete` says that there are no further candidates; a miner without a bar refuses nothing.
    """

    indices: Indices
    scores: Scores
    complete: bool
    refused: Refused | None = None


class Window(NamedTuple):
    """The first and the last rank that negatives are taken from, counted from 1."""

    first: int = 1
    last: int | None = None

    def admits(self, rank: int) -> bool:
        """Whether a rank lies in it."""
        return rank >= self.first and (self.last is None or rank <= self.last)


class Miner(Protocol):
    """Ranks one pool of texts. The guards are applied to the whole row before the best are taken."""

    name: str
    weights: str  # hash of the model that gave the scores, empty without one

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Candidates]:
        """Yield one ranking a question, at least `limit` long where there are so many candidates."""


def best_first(indices: Indices, scores: Scores, limit: int) -> Candidates:
    """The `limit` best (more when the last ones tie), ordered by score and then by place in the pool."""
    complete = len(indices) <= limit
    if not complete:
        bar = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        keep = scores >= bar
        indices, scores = indices[keep], scores[keep]
    order = np.lexsort((indices, -scores))
    return Candidates(indices[order], scores[order], complete)
