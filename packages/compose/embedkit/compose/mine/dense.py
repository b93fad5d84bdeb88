"""Candidates by meaning: an exact, blocked matrix product, with the guards applied to the whole row.

Memory beyond the vectors is one block of scores, `BUDGET_BYTES`. The scores written are recomputed in double
precision, so they do not depend on the block size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.compose.mine.base import (
    REFUSED,
    SLACK,
    Bar,
    Indices,
    Question,
    Ranked,
    Refused,
    Scores,
    best_first,
)
from embedkit.models import ModelSource
from embedkit.vectors import Encoder, Role

BUDGET_BYTES = 128 << 20
NOISE = 1e-5  # above the error of a single-precision product of unit vectors
DECIMALS = 6
Vectors = NDArray[np.float32]


class DenseMiner:
    """Cosine over one pool. No candidate over the bar that the positive's own score sets is a negative."""

    name = "dense"

    def __init__(
        self, pool: Sequence[str], encoder: Encoder, *, bar: Bar, budget_bytes: int = BUDGET_BYTES
    ) -> None:
        self._encoder = encoder
        self._query: Role = query_role(encoder.source)
        self._pool = encoder.encode(pool)
        self._bar = bar
        self.weights = encoder.hash
        self._block = max(1, budget_bytes // (4 * max(1, len(pool)) * 2))

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Ranked]:
        """Yield one ranking a question, made of texts under the bar only."""
        for start in range(0, len(questions), self._block):
            part = questions[start : start + self._block]
            anchors = self._encoder.encode([q.anchor for q in part], role=self._query)
            own = self._own(part, anchors)
            bars = self._bar.under(own)
            scores = anchors @ self._pool.T
            for number, question in enumerate(part):
                row, anchor, bar = scores[number], anchors[number], float(bars[number])
                row[question.blocked] = -np.inf
                refused = self._refused(row, anchor, float(own[number]), bar)
                row[row > bar + NOISE] = -np.inf
                yield self._ranked(row, anchor, bar, limit, refused)

    def admits(self, question: Question, indices: Indices) -> NDArray[np.bool_]:
        """Which of the pool's texts `indices` stay under the question's bar."""
        anchors = self._encoder.encode([question.anchor], role=self._query)
        bar = self._bar.under(self._own([question], anchors))[0]
        admitted: NDArray[np.bool_] = _exact(anchors[0], self._pool[indices]) <= bar
        return admitted

    def _own(self, questions: Sequence[Question], anchors: Vectors) -> Scores:
        positives = self._encoder.encode([q.positive for q in questions])
        own = np.einsum("ij,ij->i", anchors.astype(np.float64), positives.astype(np.float64))
        rounded: Scores = np.round(own, DECIMALS)
        return rounded

    def _refused(self, row: Vectors, anchor: Vectors, own: float, bar: float) -> Refused:
        over = np.flatnonzero(row > bar - NOISE)
        if len(over) > 2 * REFUSED:
            over = over[np.argpartition(-row[over], 2 * REFUSED - 1)[: 2 * REFUSED]]
        return Refused.of(over.astype(np.int64), _exact(anchor, self._pool[over]), own=own, bar=bar)

    def _ranked(self, row: Vectors, anchor: Vectors, bar: float, limit: int, refused: Refused) -> Ranked:
        size = min(len(row), limit + SLACK)
        taken = np.argpartition(-row, size - 1)[:size] if size < len(row) else np.arange(len(row))
        floor = row[taken].min() + NOISE if size < len(row) else -np.inf
        taken = taken[(row[taken] > floor) & np.isfinite(row[taken])]
        complete = size == len(row) or not np.isfinite(floor)
        if len(taken) < limit and not complete:
            taken, complete = np.flatnonzero(np.isfinite(row)), True
        scores = _exact(anchor, self._pool[taken])
        keep = scores <= bar
        ranked = best_first(taken[keep].astype(np.int64), scores[keep], len(taken))
        return Ranked(ranked.indices, ranked.scores, complete, refused)


def query_role(source: ModelSource) -> Role:
    """`query` for a model with a prompt for queries; without one, one vector serves a text in both roles."""
    config = Path(source.path) / "config_sentence_transformers.json"
    if source.origin == "hub" or not config.is_file():
        return "query"
    prompts = json.loads(config.read_text(encoding="utf-8")).get("prompts") or {}
    return "query" if any(prompts.values()) else "document"


def _exact(anchor: Vectors, candidates: Vectors) -> Scores:
    products = candidates.astype(np.float64) @ anchor.astype(np.float64)
    return np.round(products, DECIMALS)
