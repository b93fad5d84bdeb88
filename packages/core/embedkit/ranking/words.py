"""How alike texts are by their letters: cosines of tf-idf weights of character n-grams. No model, no torch.

`capacitors` and `capacitor`, 저항기는 and 저항기 share most of their n-grams: endings, particles and slips of the
fingers cost little. Some 30 µs a text to index; 10,000 texts are compared with a query in a millisecond.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LEAST, MOST = 2, 4
_WORD = re.compile(r"\w+")


def ngrams(text: str) -> Iterator[str]:
    """The n-grams of each word, which is taken with a space on either side: ` adc ` gives ` a`, `ad`, …, `adc `."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        padded = f" {word} "
        for size in range(LEAST, MOST + 1):
            for start in range(max(1, len(padded) - size + 1)):
                yield padded[start : start + size]


class NgramIndex:
    """Texts to be found by their n-grams. Those of a query that no text has count in the query's length."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._place: dict[str, int] = {}
        counts = counts_of((Counter(ngrams(text)) for text in texts), self._place, grow=True)
        known = np.bincount(counts.indices, minlength=len(self._place))
        self._idf = np.log((1 + len(texts)) / (1 + known)) + 1
        self._unknown_idf = float(np.log(1 + len(texts)) + 1)
        weights = _weights(counts, self._idf)
        self._texts = (sparse.diags_array(1 / _lengths(weights)) @ weights).T.tocsr()

    def similarities(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Cosines `(queries, texts)`, 0 to 1."""
        found = [Counter(ngrams(query)) for query in queries]
        weights = _weights(counts_of(found, self._place, grow=False), self._idf)
        unknown = np.array([self._unknown(counts) for counts in found])
        lengths = np.sqrt(_lengths(weights) ** 2 + unknown)
        return np.asarray(
            (sparse.diags_array(1 / lengths) @ weights @ self._texts).toarray(), dtype=np.float32
        )

    def _unknown(self, counts: Counter[str]) -> float:
        """The squared length of what no text has."""
        return sum(
            ((1 + math.log(count)) * self._unknown_idf) ** 2
            for gram, count in counts.items()
            if gram not in self._place
        )


def counts_of(found: Iterable[Counter[str]], place: dict[str, int], *, grow: bool) -> sparse.csr_array:
    """The counts `(texts, n-grams)`; `grow` gives each new n-gram a place."""
    data, columns, starts = array("f"), array("i"), array("q", [0])
    for counts in found:
        for gram, count in counts.items():
            column = place.setdefault(gram, len(place)) if grow else place.get(gram, -1)
            if column >= 0:
                columns.append(column)
                data.append(count)
        starts.append(len(data))
    shape = (len(starts) - 1, len(place))
    return sparse.csr_array((np.array(data), np.array(columns), np.array(starts)), shape=shape)


def _weights(counts: sparse.csr_array, idf: NDArray[np.float64]) -> sparse.csr_array:
    weights = counts.astype(np.float32)
    weights.data = ((1 + np.log(weights.data)) * idf[weights.indices]).astype(np.float32)
    return weights


def _lengths(weights: sparse.csr_array) -> NDArray[np.float64]:
    """Euclidean lengths of the rows; 1 for an empty one, which is like nothing."""
    lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1), dtype=np.float64).ravel())
    return np.where(lengths > 0, lengths, 1.0)
