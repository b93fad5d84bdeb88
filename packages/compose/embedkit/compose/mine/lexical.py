"""Candidates by shared words: BM25 as a sparse product, n-grams where words are not enough. No torch.

BM25: Robertson & Zaragoza, "The Probabilistic Relevance Framework" (2009), k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from embedkit.compose.mine.base import SLACK, Question, Ranked, best_first

K1 = 1.2
B = 0.75
ABOUT_WEIGHT = 0.5  # of the definitions of names beside the names themselves
QUERY_FEATURES = 24  # the rarest features of a question decide; the common ones cost most and tell least
BLOCK_CELLS = 8_000_000
DECIMALS = 4
_WORD = re.compile(r"\w+")
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")


def features(text: str, *, spelled: bool) -> list[str]:
    """Words; of CJK words also character pairs, which see through particles; of names also trigrams."""
    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
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

    def __init__(self, pool: Sequence[str], *, spelled: bool, about: Sequence[str] = ()) -> None:
        self._size = len(pool)
        self._texts = _Index(pool, spelled=spelled)
        self._about = _Index(about, spelled=False) if any(about) else None

    def rank(self, questions: Sequence[Question], limit: int) -> Iterator[Ranked]:
        """Yield one ranking a question; only texts that share a feature with it are candidates."""
        blocked = np.zeros(self._size, dtype=np.bool_)
        block = max(1, BLOCK_CELLS // max(1, self._size))
        for start in range(0, len(questions), block):
            part = questions[start : start + block]
            scores = self._texts.scores([f"{q.anchor} {q.positive}" for q in part])
            if self._about is not None:
                scores = scores + ABOUT_WEIGHT * self._about.scores([q.about for q in part])
            for number, question in enumerate(part):
                yield _ranked(scores, number, question, limit, blocked)


def _ranked(
    scores: sparse.csr_matrix, number: int, question: Question, limit: int, blocked: NDArray[np.bool_]
) -> Ranked:
    """`blocked` is scratch of the pool's size, all false before and after: cheaper than a search per row."""
    span = slice(scores.indptr[number], scores.indptr[number + 1])
    indices = scores.indices[span].astype(np.int64)
    values = np.round(scores.data[span], DECIMALS)
    blocked[question.blocked] = True
    keep = ~blocked[indices] & (values > 0)
    blocked[question.blocked] = False
    return best_first(indices[keep], values[keep], limit + SLACK)


class _Index:
    """The BM25 weights of some texts, features by texts."""

    def __init__(self, texts: Sequence[str], *, spelled: bool) -> None:
        self._spelled = spelled
        self._vocabulary: dict[str, int] = {}
        counts = self._counts(texts)
        frequency = np.diff(counts.tocsc().indptr)
        self._idf = np.log1p((len(texts) - frequency + 0.5) / (frequency + 0.5))
        self._weights = _bm25(counts, self._idf).T.tocsr()

    def scores(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """The score of every indexed text for each question text; unrelated ones have no cell."""
        columns, ends = array("q"), array("q", [0])
        for text in texts:
            columns.extend(self._rarest(text))
            ends.append(len(columns))
        ones = array("q", [1]) * len(columns)
        return (_csr(ones, columns, ends, (len(texts), len(self._vocabulary))) @ self._weights).tocsr()

    def _counts(self, texts: Iterable[str]) -> sparse.csr_matrix:
        """How often each feature stands in each text; the vocabulary is filled on the way."""
        columns, data, ends = array("q"), array("q"), array("q", [0])
        vocabulary = self._vocabulary
        for text in texts:
            for feature, count in Counter(features(text, spelled=self._spelled)).items():
                columns.append(vocabulary.setdefault(feature, len(vocabulary)))
                data.append(count)
            ends.append(len(columns))
        return _csr(data, columns, ends, (len(ends) - 1, len(vocabulary)))

    def _rarest(self, text: str) -> list[int]:
        found = {self._vocabulary.get(feature, -1) for feature in features(text, spelled=self._spelled)}
        found.discard(-1)
        return sorted(sorted(found, key=lambda column: (-self._idf[column], column))[:QUERY_FEATURES])


def _csr(
    data: array[int], columns: array[int], ends: array[int], shape: tuple[int, int]
) -> sparse.csr_matrix:
    return sparse.csr_matrix(
        (np.array(data, dtype=np.float64), np.array(columns), np.array(ends)), shape=shape
    )


def _bm25(counts: sparse.csr_matrix, idf: NDArray[np.float64]) -> sparse.csr_matrix:
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9)) if len(lengths) else lengths
    weighted = counts.copy()
    of_row = np.repeat(norm, np.diff(counts.indptr))
    weighted.data = idf[counts.indices] * counts.data * (K1 + 1) / (counts.data + of_row)
    return weighted
