"""Candidates among very many texts: an inverted file (FAISS IVF), each candidate then scored exactly.

Takes as much memory again as the vectors. Its recall is measured against exact search on a sample of the questions;
more lists are probed until it reaches the floor. A question that the index has too few candidates for is answered
exactly. Training and search run in one order, from one seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.ranking.nearest import Hits, NearestQuery, NearestRow, Vectors, nearest, settle

SAMPLE_QUESTIONS = 256
TRAIN_POINTS_PER_LIST = 64
PROBES = (16, 32, 64, 128, 256)
SPARE = 2  # times as many candidates as wanted: the mask and the bar take some away
SEED = 1


class IvfIndex:
    """An inverted file over unit vectors, which answers as `nearest` does."""

    def __init__(self, pool: Vectors, *, least_recall: float, budget_bytes: int) -> None:
        faiss = require("faiss", extra="ann")
        self._pool, self._least_recall, self._budget_bytes = pool, least_recall, budget_bytes
        lists = max(1, int(math.sqrt(len(pool))))
        columns = pool.shape[1]
        self._quantizer = faiss.IndexFlatIP(columns)
        self._index = faiss.IndexIVFFlat(self._quantizer, columns, lists, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.seed = SEED
        self._index.cp.max_points_per_centroid = TRAIN_POINTS_PER_LIST
        self._index.cp.min_points_per_centroid = 1
        self._index.train(pool)
        self._index.add(pool)
        self.recall = math.nan

    def search(self, query: NearestQuery) -> Iterator[NearestRow]:
        """Yield one answer a row; the first call chooses how many lists are probed.

        Raises:
            UserError: the recall stays under the floor however many lists are probed.
        """
        if math.isnan(self.recall):
            self._tune(query)
        yield from self._answers(query)

    def _answers(self, query: NearestQuery) -> Iterator[NearestRow]:
        found = self._proposed(query)
        short = [row for row, answer in enumerate(found) if answer.complete]
        answers = dict(zip(short, self._exact(query.rows(short)), strict=True))
        yield from (answers.get(row, answer) for row, answer in enumerate(found))

    def _proposed(self, query: NearestQuery) -> list[NearestRow]:
        """What the index alone finds; an answer that may lack something says that it is complete."""
        wanted = min(len(self._pool), SPARE * (query.limit + query.over) + 1)
        scores, columns = self._index.search(query.anchors, wanted)
        rows = np.repeat(np.arange(len(query.anchors)), wanted)
        hits = Hits(rows, columns.ravel(), scores.ravel())
        cells = hits.rows * len(self._pool) + hits.columns
        forbidden = [row * len(self._pool) + numbers for row, numbers in enumerate(query.blocked)]
        hits = hits.where((hits.columns >= 0) & ~np.isin(cells, np.concatenate(forbidden)))
        return list(settle(hits, query, self._pool))

    def _exact(self, query: NearestQuery) -> list[NearestRow]:
        return list(nearest(query, self._pool, budget_bytes=self._budget_bytes))

    def _tune(self, query: NearestQuery) -> None:
        count = len(query.anchors)
        sample = query.rows(np.linspace(0, count - 1, min(SAMPLE_QUESTIONS, count)).astype(int).tolist())
        truth = self._exact(sample)
        for probes in PROBES:
            self._index.nprobe = min(probes, self._index.nlist)
            self.recall = _recall(truth, self._answers(sample))
            if self.recall >= self._least_recall or probes >= self._index.nlist:
                break
        say(
            "index: {lists} lists, {probes} probed, recall@{limit} {recall:.3f} on {questions} questions",
            lists=self._index.nlist,
            probes=self._index.nprobe,
            limit=query.limit,
            recall=self.recall,
            questions=len(sample.bars),
        )
        if self.recall < self._least_recall:
            raise UserError(
                "the index finds {recall:.3f} of the nearest texts, wanted {least:g}",
                hint="--ann-above 0 searches exactly; --ann-recall sets the floor",
                recall=self.recall,
                least=self._least_recall,
            )


def _recall(truth: Sequence[NearestRow], answers: Iterator[NearestRow]) -> float:
    wanted = found = 0
    for right, answer in zip(truth, answers, strict=True):
        wanted += len(right.under)
        found += len(np.intersect1d(right.under, answer.under))
    return found / wanted if wanted else 1.0
