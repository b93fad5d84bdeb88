"""Candidates scored again by a cross-encoder, which reads anchor and candidate together; its scores meet the bar.

Costs one pass of the cross-encoder over `DEPTH` candidates and the positive of each row, batched across rows and
sorted by length. A row that they do not fill is looked at once more, `DEEPER` candidates deep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from embedkit.compose.mine.candidates.base import (
    BAR_DECIMALS,
    Bar,
    Candidates,
    Miner,
    Question,
    Refused,
    Scores,
    best_first,
)
from embedkit.console import track
from embedkit.models.cross_encoder import TextPair, load_cross_encoder
from embedkit.models.resolve import ModelSource, weights_hash

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

DEPTH = 32
DEEPER = 64
SLICE = 2048  # pairs a progress step


class Rescorer:
    """A cross-encoder, loaded at the first pair."""

    def __init__(self, source: ModelSource) -> None:
        self._source = source
        self.weights = weights_hash(source.path)
        self._known: dict[TextPair, float] = {}

    @cached_property
    def _model(self) -> CrossEncoder:
        return load_cross_encoder(self._source)

    def scores(self, pairs: Sequence[TextPair]) -> Scores:
        """One score a pair, each distinct pair read once, those of the last large call remembered."""
        distinct = sorted(
            {pair for pair in pairs if pair not in self._known},
            key=lambda pair: (len(pair[0]) + len(pair[1]), pair),
        )
        slices = [distinct[start : start + SLICE] for start in range(0, len(distinct), SLICE)]
        found: list[float] = []
        for part in track(slices, label="rescore", total=len(slices)):
            found.extend(self._model.predict(part, batch_size=64, show_progress_bar=False).tolist())
        fresh = {pair: round(score, BAR_DECIMALS) for pair, score in zip(distinct, found, strict=True)}
        scores: Scores = np.array(
            [fresh[pair] if pair in fresh else self._known[pair] for pair in pairs], dtype=np.float64
        )
        if len(fresh) > DEEPER:
            self._known = fresh
        return scores


class RescoringMiner:
    """Ranks what another miner proposes by a cross-encoder's scores."""

    name = "cross-encoder"

    def __init__(self, proposing: Miner, pool: Sequence[str], rescorer: Rescorer, *, bar: Bar) -> None:
        self._proposing, self._pool, self._rescorer, self._bar = proposing, pool, rescorer, bar
        self.weights = rescorer.weights

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Candidates]:
        """Yield one ranking a question; beyond `DEEPER` there is none."""
        depth = DEPTH if limit <= DEPTH else DEEPER
        proposals = [
            (ranked.indices[:depth], ranked.complete and len(ranked.indices) <= depth)
            for ranked in self._proposing.rank(questions, depth)
        ]
        pairs = [(question.anchor, question.positive) for question in questions]
        for question, (indices, _) in zip(questions, proposals, strict=True):
            pairs += [(question.anchor, self._pool[index]) for index in indices.tolist()]
        scores = self._rescorer.scores(pairs)
        owns = scores[: len(questions)]
        start = len(questions)
        for (indices, complete), own, bar in zip(proposals, owns, self._bar.under(owns), strict=True):
            found = scores[start : start + len(indices)]
            start += len(indices)
            refused = Refused.of(indices, found, own=float(own), bar=float(bar), most=len(indices))
            under = found <= bar
            ranked = best_first(indices[under], found[under], len(indices))
            yield Candidates(ranked.indices, ranked.scores, complete or depth == DEEPER, refused)
