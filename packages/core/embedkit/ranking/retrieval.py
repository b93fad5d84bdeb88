"""Exact top-k of many queries by any scorer, the corpus block after block: each is encoded, scored and forgotten.

Memory is one block and the best of each query so far, whatever the corpus holds: 1,000 queries take 5 MB, and a
block of 8,192 texts at 384 dimensions 13 MB beside 5 MB of scores.

Where a bar above limits the scores, and ties must not depend on threads, see `nearest`.

A score and its corpus place are packed into one 64-bit key, so that equal scores always rank by place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
QUERY_BLOCK = 64
CORPUS_BLOCK = 8_192
_SIGN = np.uint32(0x8000_0000)
_LOW = np.uint64(0xFFFF_FFFF)


class Scorer(Protocol):
    """Whatever can score a block of queries against a block of the corpus (higher is nearer).

    Blocks of the corpus are asked for in order, each for all queries before the next.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """`(queries, corpus texts)`."""

    def block(self, queries: slice, corpus: slice) -> Floats:
        """Scores `(queries, corpus texts)` of one block."""


@dataclass(frozen=True, slots=True)
class CosineScorer:
    """Cosine of unit vectors: `queries` `(Q, D)`, `corpus` `(N, D)`."""

    queries: Floats
    corpus: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """`(Q, N)`."""
        return len(self.queries), len(self.corpus)

    def block(self, queries: slice, corpus: slice) -> Floats:
        """One matrix product."""
        return self.queries[queries] @ self.corpus[corpus].T


class StreamScorer:
    """Cosine of unit vectors `(Q, D)` with texts that are encoded when their block is due.

    `kept` holds the vectors of the places in `keep` (sorted, distinct) once the whole corpus was scored.
    """

    def __init__(
        self,
        queries: Floats,
        texts: Sequence[str],
        encode: Callable[[Sequence[str]], Floats],
        *,
        keep: Places,
    ) -> None:
        self.queries = queries
        self.kept = np.zeros((len(keep), queries.shape[1]), dtype=np.float32)
        self._texts = texts
        self._encode = encode
        self._keep = keep
        self._at = slice(0, 0)
        self._vectors = self.kept[:0]

    @property
    def shape(self) -> tuple[int, int]:
        """`(Q, N)`."""
        return len(self.queries), len(self._texts)

    def block(self, queries: slice, corpus: slice) -> Floats:
        """One matrix product, after the block's texts are encoded."""
        if corpus != self._at:
            self._vectors = self.kept[:0]  # let the old block go before the new one comes
            self._vectors = self._encode(self._texts[corpus])
            self._at = corpus
            wanted = (self._keep >= corpus.start) & (self._keep < corpus.stop)
            self.kept[wanted] = self._vectors[self._keep[wanted] - corpus.start]
        return self.queries[queries] @ self._vectors.T


@dataclass(frozen=True, slots=True)
class Ranking:
    """`places` and `scores`, both `(Q, k)`, best first; place -1 where the corpus had no more to offer."""

    places: Places
    scores: Floats


def rank(
    scorer: Scorer,
    *,
    top_k: int,
    excluded: Sequence[Places] | None = None,
    windows: NDArray[np.int64] | None = None,
) -> Ranking:
    """The `top_k` best corpus places of every query.

    Query q's ranking leaves out `excluded[q]` and, with `windows` `(Q, 2)`, all places outside
    `windows[q, 0] <= place < windows[q, 1]`.
    """
    query_count, corpus_count = scorer.shape
    keep = min(top_k, corpus_count)
    blocks = list(_slices(query_count, QUERY_BLOCK))
    best = [np.zeros((queries.stop - queries.start, 0), dtype=np.uint64) for queries in blocks]
    for corpus in _slices(corpus_count, CORPUS_BLOCK):
        for number, queries in enumerate(blocks):
            block = np.ascontiguousarray(scorer.block(queries, corpus), dtype=np.float32)
            if excluded is not None:
                _mask(block, excluded[queries], corpus)
            if windows is not None:
                _mask_outside(block, windows[queries], corpus)
            found = _candidates(block, corpus.start, best[number], keep)
            best[number] = _best(np.hstack([best[number], found]), keep)
    keys = np.vstack(best) if best else np.zeros((0, keep), dtype=np.uint64)
    scores, places = _unpack(np.sort(keys, axis=1)[:, ::-1])
    places[np.isneginf(scores)] = -1
    return Ranking(places, scores)


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _mask(block: Floats, excluded: Sequence[Places], corpus: slice) -> None:
    for row, places in enumerate(excluded):
        inside = places[(places >= corpus.start) & (places < corpus.stop)]
        block[row, inside - corpus.start] = -np.inf


def _mask_outside(block: Floats, windows: NDArray[np.int64], corpus: slice) -> None:
    if (windows[:, 0] <= corpus.start).all() and (windows[:, 1] >= corpus.stop).all():
        return
    places = np.arange(corpus.start, corpus.stop)
    block[(places < windows[:, :1]) | (places >= windows[:, 1:])] = -np.inf


def sortable_bits(scores: Floats) -> NDArray[np.uint32]:
    """Whole numbers that are ordered as the scores are."""
    bits = scores.view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def scores_of_bits(bits: NDArray[np.uint32]) -> Floats:
    """The scores that `sortable_bits` came from."""
    return np.where(bits & _SIGN, bits ^ _SIGN, ~bits).view(np.float32)


def _pack(scores: Floats, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Order-preserving keys: above, the float's bits made monotone; below, the place counted down."""
    ordered = sortable_bits(scores + np.float32(0)).astype(np.uint64)  # + 0 turns -0.0 into 0.0: one score
    keys: NDArray[np.uint64] = (ordered << np.uint64(32)) | (_LOW - places)
    return keys


def _candidates(block: Floats, start: int, best: NDArray[np.uint64], keep: int) -> NDArray[np.uint64]:
    """Keys of what can still enter the best, a row for each query, short rows padded with 0.

    A score that only equals the worst of a full best cannot: its place is a later one.
    """
    if best.shape[1] == keep:
        worst, _ = _unpack(best.min(axis=1, keepdims=True))
        rows, columns = np.nonzero(block > worst)
    elif block.shape[1] > keep:
        rows, columns = np.nonzero(_first_best(block, keep))
    else:
        rows, columns = np.nonzero(np.ones_like(block, dtype=np.bool_))
    counts = np.bincount(rows, minlength=len(block))
    padded = np.zeros((len(block), int(counts.max(initial=0))), dtype=np.uint64)
    firsts = np.cumsum(counts) - counts
    places = (columns + start).astype(np.uint64)
    padded[rows, np.arange(len(rows)) - firsts[rows]] = _pack(block[rows, columns], places)
    return padded


def _first_best(block: Floats, keep: int) -> NDArray[np.bool_]:
    """The `keep` best places of each row; of equal scores the first."""
    least = np.partition(block, -keep, axis=1)[:, -keep, None]
    above = block > least
    equal = block == least
    equal &= np.cumsum(equal, axis=1, dtype=np.int32) <= keep - above.sum(axis=1, keepdims=True)
    chosen: NDArray[np.bool_] = above | equal
    return chosen


def _best(keys: NDArray[np.uint64], keep: int) -> NDArray[np.uint64]:
    if keys.shape[1] <= keep:
        return keys
    return np.partition(keys, keys.shape[1] - keep, axis=1)[:, -keep:]


def _unpack(keys: NDArray[np.uint64]) -> tuple[Floats, Places]:
    ordered = (keys >> np.uint64(32)).astype(np.uint32)
    return scores_of_bits(ordered), (_LOW - (keys & _LOW)).astype(np.int64)
