"""The nearest other concepts by shared words and character n-grams: where hard negatives come from.

Cost: a sparse product in blocks of bounded memory, about 2 s for 10,000 terms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from embedkit.compose.templates.concepts import Concept

WINDOW = 48
NAME_WEIGHT, GRAM_WEIGHT, DEFINITION_WEIGHT = 2.0, 1.0, 0.5
COMMON = 2000  # a feature that more concepts share than this says nothing
BLOCK_CELLS = 10_000_000
_WORD = re.compile(r"\w+")
_HANGUL_PAIR = re.compile(r"(?=([가-힣]{2}))")  # 관상동맥이 and 관상동맥을 share three


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another concept's index and the cosine similarity of its words and n-grams, 0..1."""

    index: int
    score: float


def neighbours(concepts: Sequence[Concept]) -> list[tuple[Neighbour, ...]]:
    """For each concept the nearest others, but for its family and names that hold or are held by its own."""
    if not concepts:
        return []
    vectors = _vectors(concepts)
    return [_usable(concepts, index, found) for index, found in enumerate(_nearest(vectors))]


def _nearest(vectors: sparse.csr_matrix) -> Iterator[list[Neighbour]]:
    count = vectors.shape[0]
    rows = max(1, BLOCK_CELLS // count)
    turned = vectors.T.tocsr()
    for start in range(0, count, rows):
        block = (vectors[start : start + rows] @ turned).tocsr()
        for offset in range(block.shape[0]):
            span = slice(block.indptr[offset], block.indptr[offset + 1])
            yield _best(block.indices[span], block.data[span], own=start + offset)


def _best(indices: NDArray[np.int32], scores: NDArray[np.float64], *, own: int) -> list[Neighbour]:
    """The `WINDOW` highest scores, ties in order of appearance."""
    if len(scores) > WINDOW:
        kept = scores >= np.partition(scores, -WINDOW - 1)[-WINDOW - 1]
        indices, scores = indices[kept], scores[kept]
    order = np.lexsort((indices, -np.round(scores, 6)))
    found = [
        Neighbour(int(indices[i]), float(scores[i])) for i in order if indices[i] != own and scores[i] > 0
    ]
    return found[:WINDOW]


def _usable(concepts: Sequence[Concept], index: int, found: list[Neighbour]) -> tuple[Neighbour, ...]:
    own = concepts[index]
    return tuple(n for n in found if separate(own, concepts[n.index]))


def separate(left: Concept, right: Concept) -> bool:
    """Whether neither name is a part of the other: a text on buck converters half answers for converters."""
    if left.family == right.family:
        return False
    one, other = left.key, right.key
    return not _part_of(one, other) and not _part_of(other, one)


def _part_of(short: str, long: str) -> bool:
    return len(short) >= 2 and short in long


def _vectors(concepts: Sequence[Concept]) -> sparse.csr_matrix:
    features = [_features(concept) for concept in concepts]
    frequency = Counter(name for found in features for name in found)
    kept = {name: i for i, name in enumerate(sorted(n for n, c in frequency.items() if 1 < c <= COMMON))}
    indptr, indices, values = [0], list[int](), list[float]()
    for found in features:
        row = {kept[n]: w * np.log(1 + len(concepts) / frequency[n]) for n, w in found.items() if n in kept}
        length = float(np.sqrt(sum(value * value for value in row.values()))) or 1.0
        indices += row.keys()
        values += (value / length for value in row.values())
        indptr.append(len(indices))
    return sparse.csr_matrix((values, indices, indptr), shape=(len(concepts), max(1, len(kept))))


def _features(concept: Concept) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in concept.names:
        lowered = name.casefold()
        found |= {f"w:{word}": NAME_WEIGHT for word in _WORD.findall(lowered)}
        found |= {f"g:{gram}": GRAM_WEIGHT for gram in _grams(lowered)}
    for text in concept.definitions:
        lowered = text.casefold()
        found |= {f"d:{word}": DEFINITION_WEIGHT for word in _WORD.findall(lowered)}
        found |= {f"d:{pair}": DEFINITION_WEIGHT for pair in _HANGUL_PAIR.findall(lowered)}
    return found


def _grams(text: str) -> Iterator[str]:
    """Trigrams, and bigrams of Hangul, where two syllables are a word."""
    for size in (2, 3):
        for start in range(len(text) - size + 1):
            gram = text[start : start + size]
            if size == 3 or ("가" <= gram[0] <= "힣" and "가" <= gram[1] <= "힣"):
                yield gram
