"""BM25 over words and Hangul syllable pairs: the row that tells whether an embedding is needed at all."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from embedkit.ranking.retrieval import Floats
from embedkit.text import clean

_WORD = re.compile(r"[가-힣]+|[^\W_가-힣]+")
_K1 = 1.2
_B = 0.75


def tokens(text: str) -> list[str]:
    """Words in lower case; a Hangul word gives its syllable pairs, so that particles do not hide it."""
    found: list[str] = []
    for word in _WORD.findall(clean(text).casefold()):
        hangul = "가" <= word[0] <= "힣" and len(word) > 1
        found += [word[i : i + 2] for i in range(len(word) - 1)] if hangul else [word]
    return found


@dataclass(slots=True)
class Bm25Scorer:
    """Robertson & Zaragoza 2009 with k1 = 1.2, b = 0.75; the sparse matrices hold only what occurs."""

    queries: Sequence[str]
    corpus: Sequence[str]
    _query_matrix: sparse.csr_array = field(init=False)
    _corpus_matrix: sparse.csr_array = field(init=False)
    _at: slice = field(init=False, default_factory=lambda: slice(0, 0))
    _turned: sparse.csr_array = field(init=False)

    def __post_init__(self) -> None:
        vocabulary: dict[str, int] = {}
        counts = _count(self.corpus, vocabulary, grow=True)
        self._corpus_matrix = _weigh(counts)
        self._query_matrix = _count(self.queries, vocabulary, grow=False)

    @property
    def shape(self) -> tuple[int, int]:
        """`(queries, corpus texts)`."""
        return len(self.queries), len(self.corpus)

    def block(self, queries: slice, corpus: slice) -> Floats:
        """One sparse product; the block of the corpus is turned once for all queries."""
        if corpus != self._at:
            self._at, self._turned = corpus, self._corpus_matrix[corpus].T.tocsr()
        return np.asarray((self._query_matrix[queries] @ self._turned).toarray(), dtype=np.float32)


def word_vectors(texts: Sequence[str]) -> sparse.csr_array:
    """Unit rows of BM25 weights `(N, V)`: what stands in for a model where texts are compared and not searched."""
    weighted = _weigh(_count(texts, {}, grow=True))
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    scale = sparse.diags_array(1 / np.where(norms > 0, norms, 1))
    return sparse.csr_array(scale @ weighted)


def word_cosines(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float64]:
    """Cosine of the word vectors of each text of `left` with its neighbour in `right`."""
    vectors = word_vectors([*left, *right])
    cosines: NDArray[np.float64] = np.asarray(vectors[: len(left)].multiply(vectors[len(left) :]).sum(axis=1))
    return cosines.ravel()


def _count(texts: Sequence[str], vocabulary: dict[str, int], *, grow: bool) -> sparse.csr_array:
    """How often each text holds each token, in four bytes an occurrence: a million texts fit beside a model."""
    columns, ends = array("i"), array("i", [0])
    for text in texts:
        for token in tokens(text):
            column = vocabulary.setdefault(token, len(vocabulary)) if grow else vocabulary.get(token, -1)
            if column >= 0:
                columns.append(column)
        ends.append(len(columns))
    indices, indptr = np.array(columns, dtype=np.int32), np.array(ends, dtype=np.int32)
    ones = np.ones(len(indices), dtype=np.float32)
    counts = sparse.csr_array((ones, indices, indptr), shape=(len(texts), len(vocabulary)))
    counts.sum_duplicates()
    return counts


def _weigh(counts: sparse.csr_array) -> sparse.csr_array:
    """BM25 weights in the place of the counts."""
    total, _ = counts.shape
    lengths = np.asarray(counts.sum(axis=1), dtype=np.float32).ravel()
    found_in = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log1p((total - found_in + 0.5) / (found_in + 0.5)).astype(np.float32)
    norm = _K1 * (1 - _B + _B * lengths / max(float(lengths.mean()), 1e-9))
    found = counts.data
    found *= (_K1 + 1) / (found + np.repeat(norm, np.diff(counts.indptr)))
    found *= idf[counts.indices]
    return counts
