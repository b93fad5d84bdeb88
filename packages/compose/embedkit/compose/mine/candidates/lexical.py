"""Candidates by shared words: BM25 as a sparse product, n-grams where words are not enough. No torch.

What a question costs does not grow with the pool. Of a feature that stands in more than `MAX_POSTINGS` texts the index
keeps the texts where it weighs most, and a question looks at its rarest features until `BUDGET` postings are used up:
in pools up to some thousand texts that is all of them, beyond it the ranking is of good candidates rather than exact.
What of the positive stands in no other text finds the positive alone, which is no candidate: it is not looked at.
The answer depends on neither blocks nor threads.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from embedkit.compose.mine.candidates.base import SLACK, Candidates, Question, best_first
from embedkit.compose.mine.candidates.tokens import Words, plain_words
from embedkit.ranking.bm25 import count, rows_of_ones, weigh

ABOUT_WEIGHT = 0.5  # of the definitions of names beside the names themselves
QUERY_FEATURES = 24  # the rarest features of a question decide; the common ones cost most and tell least
MAX_POSTINGS = 2048
BUDGET = 4096
BLOCK_CELLS = 1 << 20
DECIMALS = 4
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")


def features(text: str, *, spelled: bool, words: Words = plain_words) -> list[str]:
    """Words; of CJK words also character pairs, which see through particles; of names also trigrams."""
    found: list[str] = []
    for word in words(text):
        found.append(word)
        if _CJK.search(word):
            found += [f"{word[i : i + 2]}\x1f" for i in range(len(word) - 1)]
        elif spelled and len(word) > 3:
            found += [f"{word[i : i + 3]}\x1f" for i in range(len(word) - 2)]
    return found


class LexicalMiner:
    """BM25 over one pool of texts.

    A pool of names is `spelled`: parts of words tell neighbours. Where names say little, `about` (the
    definition of each, or an empty text) says more.
    """

    name = "lexical"
    weights = ""

    def __init__(
        self,
        pool: Sequence[str],
        *,
        spelled: bool,
        about: Iterable[str] = (),
        words: Words = plain_words,
    ) -> None:
        self._size = len(pool)
        self._texts = _FeatureIndex(pool, spelled=spelled, words=words)
        explained = _FeatureIndex(about, spelled=False, words=words)
        self._about = explained if explained.features else None

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Candidates]:
        """Yield one ranking a question; only texts that share a feature with it are candidates."""
        blocked = np.zeros(self._size, dtype=np.bool_)
        block = max(1, BLOCK_CELLS // BUDGET)
        for start in range(0, len(questions), block):
            part = questions[start : start + block]
            scores = self._texts.scores([(q.positive, q.anchor) for q in part])
            if self._about is not None:
                scores = scores + ABOUT_WEIGHT * self._about.scores([(q.about, "") for q in part])
            for number, question in enumerate(part):
                yield _ranked(scores, number, question, limit, blocked)


def _ranked(
    scores: sparse.csr_array, number: int, question: Question, limit: int, blocked: NDArray[np.bool_]
) -> Candidates:
    """`blocked` is scratch of the pool's size, all false before and after: cheaper than a search per row."""
    span = slice(scores.indptr[number], scores.indptr[number + 1])
    indices, values = scores.indices[span], np.round(scores.data[span].astype(np.float64), DECIMALS)
    blocked[question.blocked] = True
    keep = ~blocked[indices] & (values > 0)
    blocked[question.blocked] = False
    return best_first(indices[keep].astype(np.int64), values[keep], limit + SLACK)


class _FeatureIndex:
    """The BM25 weights of some texts, features by texts, in single precision."""

    def __init__(self, texts: Iterable[str], *, spelled: bool, words: Words) -> None:
        self._features = partial(features, spelled=spelled, words=words)
        self._vocabulary: dict[str, int] = {}
        counts = count(texts, self._vocabulary, features=self._features)
        frequency = np.bincount(counts.indices, minlength=self.features)
        self._weights = _heaviest(weigh(counts).T.tocsr())
        self._sizes = np.diff(self._weights.indptr)
        self._shared = frequency > 1
        self._rarity = np.argsort(np.argsort(frequency, kind="stable"), kind="stable")

    @property
    def features(self) -> int:
        """How many different features there are."""
        return len(self._vocabulary)

    def scores(self, questions: Sequence[tuple[str, str]]) -> sparse.csr_array:
        """The score of indexed texts for each question, one of them and another text; unrelated ones have no cell."""
        columns, ends = array("i"), array("i", [0])
        for own, other in questions:
            columns.extend(self._rarest(own, other))
            ends.append(len(columns))
        return (rows_of_ones(columns, ends, self.features) @ self._weights).tocsr()

    def _rarest(self, own: str, other: str) -> list[int]:
        """The rarest features of both texts that the budget allows, one at least."""
        shared = self._known(own)
        columns = np.union1d(shared[self._shared[shared]], self._known(other))
        if not len(columns):
            return []
        rarest = columns[np.argsort(self._rarity[columns])][:QUERY_FEATURES]
        affordable = int((np.cumsum(self._sizes[rarest]) <= BUDGET).sum())
        return sorted(rarest[: max(1, affordable)].tolist())

    def _known(self, text: str) -> NDArray[np.int32]:
        known = {self._vocabulary.get(feature, -1) for feature in self._features(text)} - {-1}
        return np.fromiter(known, dtype=np.int32, count=len(known))


def _heaviest(weights: sparse.csr_array) -> sparse.csr_array:
    """At most `MAX_POSTINGS` texts a feature, those where it weighs most, the earlier of equal ones."""
    keep = np.ones(len(weights.data), dtype=np.bool_)
    for row in np.flatnonzero(np.diff(weights.indptr) > MAX_POSTINGS).tolist():
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        keep[span][np.argsort(-weights.data[span], kind="stable")[MAX_POSTINGS:]] = False
    ends = np.concatenate(([0], np.cumsum(keep)))[weights.indptr].astype(np.int32)
    return sparse.csr_array((weights.data[keep], weights.indices[keep], ends), shape=weights.shape)
