"""BM25: texts as sparse rows of weighted features, and the scorer that tells whether an embedding is needed at all.

Robertson & Zaragoza, "The Probabilistic Relevance Framework" (2009), k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from embedkit.ranking.retrieval import Floats
from embedkit.text import clean

_WORD = re.compile(r"[가-힣]+|[^\W_가-힣]+")
K1 = 1.2
B = 0.75
Features = Callable[[str], Sequence[str]]


def tokens(text: str) -> list[str]:
    """Words in lower case; a Hangul word gives its syllable pairs, so that particles do not hide it."""
    found: list[str] = []
    for word in _WORD.findall(clean(text).casefold()):
        hangul = "가" <= word[0] <= "힣" and len(word) > 1
        found += [word[i : i + 2] for i in range(len(word) - 1)] if hangul else [word]
    return found


@dataclass(slots=True)
class Bm25Scorer:
    """BM25 of every query with every text of the corpus; the sparse matrices hold only what occurs."""

    queries: Sequence[str]
    corpus: Sequence[str]
    _query_matrix: sparse.csr_array = field(init=False)
    _corpus_matrix: sparse.csr_array = field(init=False)
    _at: slice = field(init=False, default_factory=lambda: slice(0, 0))
    _turned: sparse.csr_array = field(init=False)

    def __post_init__(self) -> None:
        vocabulary: dict[str, int] = {}
        self._corpus_matrix = weigh(count(self.corpus, vocabulary))
        self._query_matrix = count(self.queries, vocabulary, grow=False)

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
    weighted = weigh(count(texts, {}))
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    scale = sparse.diags_array(1 / np.where(norms > 0, norms, 1))
    return sparse.csr_array(scale @ weighted)


def word_cosines(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float64]:
    """Cosine of the word vectors of each text of `left` with its neighbour in `right`."""
    vectors = word_vectors([*left, *right])
    cosines: NDArray[np.float64] = np.asarray(vectors[: len(left)].multiply(vectors[len(left) :]).sum(axis=1))
    return cosines.ravel()


def count(
    texts: Iterable[str], vocabulary: dict[str, int], *, features: Features = tokens, grow: bool = True
) -> sparse.csr_array:
    """How often each feature stands in each text `(N, V)`, in four bytes an occurrence.

    `vocabulary` gets the features that are new to it; without `grow` those are left out.
    """
    columns, ends = array("i"), array("i", [0])
    for text in texts:
        found = features(text)
        if grow:
            columns.extend([vocabulary.setdefault(feature, len(vocabulary)) for feature in found])
        else:
            columns.extend([vocabulary[feature] for feature in found if feature in vocabulary])
        ends.append(len(columns))
    counts = rows_of_ones(columns, ends, len(vocabulary))
    counts.sum_duplicates()
    return counts


def rows_of_ones(columns: array[int], ends: array[int], width: int) -> sparse.csr_array:
    """A one for each column named, rows ending at `ends`."""
    indices, indptr = np.asarray(columns, dtype=np.int32), np.asarray(ends, dtype=np.int32)
    ones = np.ones(len(indices), dtype=np.float32)
    return sparse.csr_array((ones, indices, indptr), shape=(len(ends) - 1, width))


def weigh(counts: sparse.csr_array) -> sparse.csr_array:
    """`counts` turned into BM25 weights in place."""
    total, width = counts.shape
    found_in = np.bincount(counts.indices, minlength=width)
    idf = np.log1p((total - found_in + 0.5) / (found_in + 0.5)).astype(np.float32)
    lengths = np.asarray(counts.sum(axis=1), dtype=np.float32).ravel()
    norm = K1 * (1 - B + B * lengths / max(float(lengths.mean()), 1e-9)) if total else lengths
    below = np.repeat(norm.astype(np.float32), np.diff(counts.indptr))
    below += counts.data
    counts.data *= K1 + 1
    counts.data /= below
    counts.data *= idf[counts.indices]
    return counts
