"""Exact nearest neighbours under a bar: a matrix product in tiles whose scores never leave the processor's cache.

Of each tile only the scores over a row's running threshold are kept, so nearly every tile costs its product and a
comparison. What is kept is scored again in double precision in a fixed order, with a margin wide enough for the
error of single precision: neither the tiles nor the number of threads shows in the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedkit.ranking.retrieval import scores_of_bits, sortable_bits

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]
Scores = NDArray[np.float64]
# A vector's last bits depend on the texts that it was encoded beside; what ties has to go on doing so.
DECIMALS = 4
NOISE = 1e-4  # above the error of a single-precision product of unit vectors, and above the rounding
TILE = 2048
STRIP = 256
FIRST = 256
MOST_ROWS = 1024
UFUNC_BUFFER = 1024  # above a row's length numpy compares through a buffer, at half the speed
BYTES_PER_CELL = 7  # one score and three masks
BYTES_PER_HIT = 120  # kept, and copied a few times while it is sorted
BLOCKED_BYTES = 24
RESCORE_CELLS = 1 << 16


@dataclass(frozen=True, slots=True)
class NearestRow:
    """One row's neighbours, best first, ties by index: `under` the bar and, where asked for, `over` it.

    `complete` says that no further index is under the bar.
    """

    under: Indices
    under_scores: Scores
    over: Indices
    over_scores: Scores
    complete: bool


@dataclass(frozen=True, slots=True)
class Hits:
    """Cells that may count: row, column and single-precision score, one entry each."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: Vectors

    @classmethod
    def joined(cls, parts: Sequence[Hits]) -> Hits:
        """All of `parts`."""
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.columns for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )

    def where(self, keep: NDArray[np.bool_]) -> Hits:
        """Those that `keep` marks."""
        return Hits(self.rows[keep], self.columns[keep], self.scores[keep])


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestQuery:
    """Rows that ask for their nearest: anchors `(B, D)`, each with its bar `(B,)` and the indices it never finds.

    Each asks for the `limit` nearest up to its bar, and for the `over` nearest above it.
    """

    anchors: Vectors
    bars: Scores
    blocked: Sequence[Indices]
    limit: int
    over: int

    def rows(self, rows: slice | Sequence[int]) -> NearestQuery:
        """Some of the rows."""
        chosen = range(len(self.bars))[rows] if isinstance(rows, slice) else rows
        blocked = [self.blocked[row] for row in chosen]
        return replace(self, anchors=self.anchors[rows], bars=self.bars[rows], blocked=blocked)


def nearest(query: NearestQuery, pool: Vectors, *, budget_bytes: int) -> Iterator[NearestRow]:
    """Yield for each row its nearest in the pool `(N, D)`.

    Memory beyond the arguments stays within `budget_bytes`, or what one row takes.
    """
    for block in _blocks(query, budget_bytes):
        part = query.rows(block)
        yield from settle(_Block(part).search(pool), part, pool)


def _blocks(query: NearestQuery, budget_bytes: int) -> Iterator[slice]:
    """Runs of rows whose tile, hits and blocked cells fit the budget together."""
    each = TILE * BYTES_PER_CELL + (query.limit + query.over) * BYTES_PER_HIT
    start, spent = 0, 0
    for row, numbers in enumerate(query.blocked):
        cost = each + len(numbers) * BLOCKED_BYTES
        if row > start and (spent + cost > budget_bytes or row - start == MOST_ROWS):
            yield slice(start, row)
            start, spent = row, 0
        spent += cost
    if start < len(query.blocked):
        yield slice(start, len(query.blocked))


class _Block:
    """Some rows on their way through the pool, with the thresholds that rise as better columns are seen.

    A cell counts when `low < score <= high` (under the bar) or `score > over_low` (over it).
    """

    def __init__(self, query: NearestQuery) -> None:
        bars, blocked, over = query.bars, query.blocked, query.over
        self._anchors = query.anchors
        self._limit, self._over = query.limit + 1, over  # one more than asked for tells whether there is more
        self._sure = (bars - NOISE).astype(np.float32)
        self._low = np.full(len(bars), -np.inf, dtype=np.float32)
        self._high = (bars + NOISE).astype(np.float32)
        self._over_low = self._sure.copy() if over else np.full(len(bars), np.inf, dtype=np.float32)
        rows = np.repeat(np.arange(len(bars)), [len(numbers) for numbers in blocked])
        columns = np.concatenate([np.empty(0, dtype=np.int64), *blocked])
        order = np.argsort(columns, kind="stable")
        self._blocked = rows[order], columns[order]
        self._mask = np.empty((STRIP, TILE), dtype=np.bool_)

    def search(self, pool: Vectors) -> Hits:
        """Every cell that may be among the best."""
        with np.errstate():
            np.setbufsize(UFUNC_BUFFER)
            return self._search(pool)

    def _search(self, pool: Vectors) -> Hits:
        anchors = self._anchors
        tile = np.empty((len(anchors), min(TILE, len(pool))), dtype=np.float32)
        kept = Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        pending: list[Hits] = [kept]
        waiting, most = 0, 2 * len(anchors) * (self._limit + self._over)
        for number, start in enumerate(range(0, len(pool), TILE)):
            scores = tile[:, : min(TILE, len(pool) - start)]
            np.matmul(anchors, pool[start : start + TILE].T, out=scores)
            self._block_out(scores, start)
            if number == 0:
                self._first_thresholds(scores)
            for hits in self._counting(scores, start):
                pending.append(hits)
                waiting += len(hits.rows)
            # The thresholds rise at the second, fourth, eighth … tile: half of what was seen is new by then.
            if waiting > most or number & (number - 1) == 0:
                kept = self._raised(Hits.joined(pending))
                pending, waiting = [kept], 0
        return self._raised(Hits.joined(pending))

    def _block_out(self, scores: Vectors, start: int) -> None:
        rows, columns = self._blocked
        first, last = np.searchsorted(columns, (start, start + scores.shape[1]))
        scores[rows[first:last], columns[first:last] - start] = -np.inf

    def _first_thresholds(self, scores: Vectors) -> None:
        """The thresholds that the first columns alone give: without them the whole first tile would be kept."""
        scores = scores[:, : max(FIRST, 2 * self._limit)]
        if scores.shape[1] <= self._limit:
            return
        sure = np.where(scores <= self._sure[:, None], scores, np.float32(-np.inf))
        best = np.partition(sure, scores.shape[1] - self._limit, axis=1)[:, scores.shape[1] - self._limit]
        self._low = best - np.float32(2 * NOISE)

    def _counting(self, scores: Vectors, start: int) -> Iterator[Hits]:
        """The cells that count, some rows at a time, so that the scores are read from the cache once."""
        crowded = np.flatnonzero(self._over_low > self._high)
        for first in range(0, len(scores), STRIP):
            rows = slice(first, first + STRIP)
            strip = scores[rows]
            mask = np.greater(strip, self._low[rows, None], out=self._mask[: len(strip), : strip.shape[1]])
            # Only rows with many scores over their bar need to have the middle left out.
            full = crowded[slice(*np.searchsorted(crowded, (first, first + STRIP)))]
            if len(full):
                theirs = strip[full - first]
                between = (theirs > self._high[full, None]) & (theirs <= self._over_low[full, None])
                mask[full - first] &= ~between
            found, columns = np.divmod(np.flatnonzero(mask), strip.shape[1])
            yield Hits(found + first, columns + start, strip[found, columns])

    def _raised(self, hits: Hits) -> Hits:
        """Raise both thresholds to what is known now, and keep the cells that still count."""
        under = hits.scores <= self._sure[hits.rows]
        _raise(self._low, hits.where(under), self._limit)
        keep = (hits.scores > self._low[hits.rows]) & (hits.scores <= self._high[hits.rows])
        if self._over:
            surely = hits.scores > self._high[hits.rows]
            _raise(self._over_low, hits.where(surely), self._over)
            keep |= hits.scores > self._over_low[hits.rows]
        return hits.where(keep)


def _raise(thresholds: Vectors, hits: Hits, limit: int) -> None:
    """Where a row has `limit` hits, its threshold becomes the last of the best less the margin."""
    keys = np.sort((hits.rows.astype(np.uint64) << np.uint64(32)) | sortable_bits(-hits.scores))
    starts = np.searchsorted(keys, np.arange(len(thresholds) + 1, dtype=np.uint64) << np.uint64(32))
    full = np.flatnonzero(np.diff(starts) >= limit)
    last = (keys[starts[full] + limit - 1] & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    thresholds[full] = np.maximum(thresholds[full], -scores_of_bits(last) - np.float32(2 * NOISE))


def settle(hits: Hits, query: NearestQuery, pool: Vectors) -> Iterator[NearestRow]:
    """Score the hits in double precision, order them, and cut each row to what was asked for."""
    bars, limit, over = query.bars, query.limit, query.over
    exact = exact_scores(query.anchors, pool, hits.rows, hits.columns)
    order = np.lexsort((hits.columns, -exact, hits.rows))
    rows, columns, exact = hits.rows[order], hits.columns[order], exact[order]
    above = exact > bars[rows]
    numbers = np.arange(len(bars) + 1)
    starts = np.searchsorted(rows, numbers)
    firsts = starts[:-1] + np.add.reduceat(np.append(above, False), starts[:-1]) * (np.diff(starts) > 0)
    for start, first, end in zip(starts[:-1].tolist(), firsts.tolist(), starts[1:].tolist(), strict=True):
        under, told = slice(first, min(end, first + limit)), slice(start, min(first, start + over))
        yield NearestRow(columns[under], exact[under], columns[told], exact[told], end - first <= limit)


def exact_scores(
    anchors: Vectors, pool: Vectors, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Scores:
    """The product of each anchor row with each pool column, in double precision and a fixed order, rounded."""
    scores = np.empty(len(rows), dtype=np.float64)
    step = max(1, RESCORE_CELLS // max(1, pool.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        left = anchors[rows[part]].astype(np.float64)
        left *= pool[columns[part]]
        left.sum(axis=1, out=scores[part])
    return np.round(scores, DECIMALS) + 0.0  # no negative zero
