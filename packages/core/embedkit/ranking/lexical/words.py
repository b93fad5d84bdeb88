"""How alike texts are by their letters, and how much of a name stands in a question. No model, no torch.

Texts are compared by the cosines of tf-idf weights of character n-grams.

`capacitors` and `capacitor`, 저항기는 and 저항기 share most of their n-grams: endings, particles and slips of the
fingers cost little. Some 200 µs a text to index, which `stored` keeps where there are many; 100,000 entries are
compared with a query in some 15 ms.

Which names stand whole in a question, `names` finds.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LEAST, MOST = 2, 4
NAME_MOST = 5
SCRIPT_WORD = re.compile(r"[가-힣]+|[^\W가-힣]+")
_HANGUL_SPACE = re.compile(r"(?<=[가-힣])\s+(?=[가-힣])")
_WORD = re.compile(r"\w+")
# Up to so many queries are compared one by one: only the rows of their n-grams are read then.
_FEW_QUERIES = 4
State = dict[str, NDArray[Any]]


def ngrams(text: str) -> Iterator[str]:
    """The n-grams of each word, which is taken with a space on either side: ` adc ` gives ` a`, `ad`, …, `adc `."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        padded = f" {word} "
        for size in range(LEAST, MOST + 1):
            for start in range(max(1, len(padded) - size + 1)):
                yield padded[start : start + size]


class NgramIndex:
    """Texts to be found by their n-grams. Those of a query that no text has count in the query's length.

    `state` is all that it knows, as arrays; `restored` makes it of them again.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._place: dict[str, int] = {}
        counts = _counts((Counter(ngrams(text)) for text in texts), self._place, grow=True)
        known = np.bincount(counts.indices, minlength=len(self._place))
        self._idf = np.log((1 + len(texts)) / (1 + known)) + 1
        self._unknown_idf = float(np.log(1 + len(texts)) + 1)
        weights = _weights(counts, self._idf)
        self._texts = (sparse.diags_array(1 / _lengths(weights)) @ weights).T.tocsr()

    def state(self) -> State:
        """See above."""
        return {
            "place": packed(self._place),
            "idf": self._idf,
            "unknown": np.array(self._unknown_idf),
            **_parts(self._texts),
        }

    @classmethod
    def restored(cls, state: State) -> NgramIndex:
        """See above."""
        made = cls.__new__(cls)
        made._place = unpacked(state["place"])
        made._idf, made._unknown_idf = np.asarray(state["idf"]), float(state["unknown"])
        made._texts = _matrix(state)
        return made

    def similarities(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Cosines `(queries, texts)`, 0 to 1."""
        found = [Counter(ngrams(query)) for query in queries]
        weights = _weights(_counts(found, self._place, grow=False), self._idf)
        unknown = np.array([self._unknown(counts) for counts in found])
        lengths = np.sqrt(_lengths(weights) ** 2 + unknown)
        return dense_product(sparse.csr_array(sparse.diags_array(1 / lengths) @ weights), self._texts)

    def _unknown(self, counts: Counter[str]) -> float:
        """The squared length of what no text has."""
        return sum(
            ((1 + math.log(count)) * self._unknown_idf) ** 2
            for gram, count in counts.items()
            if gram not in self._place
        )


def _counts(found: Iterable[Counter[str]], place: dict[str, int], *, grow: bool) -> sparse.csr_array:
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


def name_ngrams(text: str) -> Iterator[str]:
    """The n-grams by which a name is looked for in a question, however Hangul is spaced and whatever follows it.

    Hangul runs through its spaces and has no end: 펄스 폭 변조가 holds all of 펄스폭변조. Other words have both ends.
    """
    folded = _HANGUL_SPACE.sub("", unicodedata.normalize("NFKC", text).casefold())
    for word in SCRIPT_WORD.findall(folded):
        hangul = "가" <= word[0] <= "힣"
        if hangul and len(word) == 1:
            yield word
            continue
        run = word if hangul else f" {word} "
        for size in range(LEAST, MOST + 1) if hangul else range(LEAST + 1, NAME_MOST + 1):
            starts = len(run) - size + 1
            yield from (run[start : start + size] for start in range(starts if hangul else max(1, starts)))


class NameFinder:
    """Names to be found in questions, their n-grams weighed by how rare they are in the definitions."""

    def __init__(self, names: Sequence[str], definitions: Sequence[str]) -> None:
        self._place: dict[str, int] = {}
        held = _counts((Counter(set(name_ngrams(name))) for name in names), self._place, grow=True)
        found = _counts((Counter(set(name_ngrams(text))) for text in definitions), self._place, grow=False)
        known = np.bincount(found.indices, minlength=len(self._place))
        held.data = (np.log((1 + len(definitions)) / (1 + known)) + 0.1)[held.indices].astype(np.float32)
        self._total = np.maximum(np.asarray(held.sum(axis=1)).ravel(), 1e-6).astype(np.float32)
        self._names = held.T.tocsr()

    def state(self) -> State:
        """All that it knows, as arrays."""
        return {"place": packed(self._place), "total": self._total, **_parts(self._names)}

    @classmethod
    def restored(cls, state: State) -> NameFinder:
        """What `state` was taken of."""
        made = cls.__new__(cls)
        made._place, made._total, made._names = (
            unpacked(state["place"]),
            np.asarray(state["total"]),
            _matrix(state),
        )
        return made

    def find(self, queries: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The share of each name's n-grams that each query has, and what those weigh, both `(queries, names)`."""
        asked = _counts((Counter(set(name_ngrams(query))) for query in queries), self._place, grow=False)
        weight = dense_product(asked, self._names)
        return weight / self._total, weight


def dense_product(left: sparse.csr_array, right: sparse.csr_array) -> NDArray[np.float32]:
    """`left @ right`, dense; of few rows on the left only what they meet is read."""
    if left.shape[0] > _FEW_QUERIES:
        return np.asarray((left @ right).toarray(), dtype=np.float32)
    found = np.zeros((left.shape[0], right.shape[1]), dtype=np.float32)
    for row, start, stop in zip(found, left.indptr, left.indptr[1:], strict=False):
        row[:] = right[left.indices[start:stop]].T @ left.data[start:stop].astype(np.float32)
    return found


def packed(strings: Iterable[str]) -> NDArray[np.uint8]:
    """Strings without line breaks as bytes."""
    return np.frombuffer("\n".join(strings).encode(), dtype=np.uint8)


def unpacked(packed: NDArray[np.uint8]) -> dict[str, int]:
    """The strings and their places."""
    text = packed.tobytes().decode()
    return {string: place for place, string in enumerate(text.split("\n"))} if text else {}


def _parts(matrix: sparse.csr_array) -> State:
    return {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": np.array(matrix.shape),
    }


def _matrix(state: State) -> sparse.csr_array:
    rows, columns = state["shape"].tolist()
    return sparse.csr_array((state["data"], state["indices"], state["indptr"]), shape=(rows, columns))
