"""Which concept a row is of, which concepts a text belongs to, and which concepts stand near one another."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from embedkit.text import fold

NEAR = 3


class ConceptIndex:
    """Which concept a row is of, and which concepts a text belongs to.

    A row's `group` is its concept. Rows without one are of the same concept when they share a text,
    directly or through other such rows; texts are the same when they fold to the same key.
    """

    def __init__(self, keys: array[int], texts: array[int]) -> None:
        """`keys` and `texts` hold two hashes a row: what ties it to others, and its anchor and positive."""
        self.row_concepts = _components(np.frombuffer(keys, dtype=np.int64).reshape(-1, 2))
        hashes = np.frombuffer(texts, dtype=np.int64)
        concepts = np.repeat(self.row_concepts, 2)
        order = np.lexsort((concepts, hashes))
        self._hashes, self._concepts = hashes[order], concepts[order]

    @property
    def count(self) -> int:
        """How many concepts the rows have."""
        return int(self.row_concepts.max()) + 1 if len(self.row_concepts) else 0

    def concepts_of(self, text: str) -> frozenset[int]:
        """The concepts that `text` is an anchor or positive of, in any row."""
        key = text_hash(fold(text))
        start, stop = np.searchsorted(self._hashes, [key, key + 1])
        return frozenset(self._concepts[start:stop].tolist())

    def first_concept_of(self, hashes: NDArray[np.int64]) -> NDArray[np.int64]:
        """One concept of each folded text's hash, -1 where no row has the text as anchor or positive."""
        place = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[place] == hashes, self._concepts[place], -1)


def near_concepts(
    index: ConceptIndex, negative_rows: array[int], negative_texts: array[int]
) -> list[NDArray[np.int64]]:
    """The `NEAR` commonest concepts among each concept's hard negatives; ties by number."""
    none = np.zeros(0, dtype=np.int64)
    near = [none] * index.count
    if not negative_texts:
        return near
    own = index.row_concepts[np.frombuffer(negative_rows, dtype=np.int64)]
    other = index.first_concept_of(np.frombuffer(negative_texts, dtype=np.int64))
    links = np.stack([own, other])[:, (other >= 0) & (other != own)]
    if not links.size:
        return near
    (own, other), counts = np.unique(links, axis=1, return_counts=True)
    order = np.lexsort((other, -counts, own))
    own, other = own[order], other[order]
    starts = np.flatnonzero(np.r_[True, np.diff(own) != 0])
    for start, stop in zip(starts, [*starts[1:], len(own)], strict=True):
        near[int(own[start])] = other[start : min(stop, start + NEAR)]
    return near


def _components(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the connected groups of rows that share a key. `keys` is `(rows, 2)`; the answer `(rows,)`."""
    rows = len(keys)
    names, columns = np.unique(keys, return_inverse=True)
    row_numbers = np.repeat(np.arange(rows), 2)
    size = rows + len(names)
    links = coo_array(
        (np.ones(2 * rows, dtype=np.int8), (row_numbers, rows + columns.ravel())), shape=(size, size)
    )
    _, labels = connected_components(links, directed=False)
    _, numbers = np.unique(labels[:rows], return_inverse=True)
    return numbers.astype(np.int64)


def text_hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) >> 1
