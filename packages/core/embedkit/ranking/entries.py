"""Rank the entries of a glossary for a question: by meaning, by words, or by both fused. Search ranks with this, and
evaluation measures it.

An entry's texts are its definition and its names. By meaning it is as near as the nearest of them; by words it counts
how alike the n-grams are, and whether a name stands in the question. The weights of words were chosen on questions that
no test asks; how much meaning counts beside them is learnt per language (`hybrid.shares`). 64 questions over 2,000
texts take some 20 ms beside what encoding them costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embedkit.data.entries import Entry
from embedkit.models.vectors import Encoder
from embedkit.ranking.hybrid.shares import DENSE, LEXICAL, LearntShares, Ranker
from embedkit.ranking.retrieval import QUERY_BLOCK, Floats
from embedkit.ranking.words import NameDictionary, NameFinder, NgramIndex

# What the definition's and the nearest text's cosine weigh, by meaning and by words. Words of a definition are rarely
# met by chance; a short name is near many questions.
MEANING, WORDS = (0.5, 1.0), (3.0, 1.0)
# A name that stands whole in the question and in no definition.
WHOLE_NAME = 0.8
# A name of which a quarter is missing counts a tenth; n-grams that weigh 480 together count 1, and no name counts more.
SHARE_POWER, FULL_WEIGHT, MOST_WEIGHT = 8, 480.0, 0.375
_WORDS_SCALE = np.float32(1 / (sum(WORDS) + MOST_WEIGHT + WHOLE_NAME))
_MEANING_SCALE = np.float32(1 / sum(MEANING))


@dataclass(frozen=True, slots=True)
class Nearness:
    """Cosines of queries with entries, each `(Q, E)`: with the definition, and with the nearest of all texts."""

    definition: Floats
    nearest: Floats

    def weighed(self, weights: tuple[float, float]) -> Floats:
        """Both in one score."""
        score: Floats = weights[0] * self.definition + weights[1] * self.nearest
        return score


class EntryIndex:
    """The texts of at least one entry, ready to be ranked; without `names` its definitions alone."""

    def __init__(self, entries: Sequence[Entry], *, names: bool = True) -> None:
        self.entries = tuple(entries)
        self.texts = [text for entry in entries for text in (entry.texts if names else (entry.definition,))]
        sizes = [len(entry.texts) if names else 1 for entry in entries]
        self.starts = np.cumsum([0, *sizes[:-1]])
        self.has_names = names
        self._vectors: dict[str, Floats] = {}

    def vectors(self, encoder: Encoder) -> Floats:
        """The vectors of the texts `(T, D)`, kept for the next questions."""
        if encoder.hash not in self._vectors:
            self._vectors[encoder.hash] = encoder.encode(self.texts)
        return self._vectors[encoder.hash]

    @cached_property
    def ngrams(self) -> NgramIndex:
        """The texts by their n-grams."""
        return NgramIndex(self.texts)

    @cached_property
    def _names(self) -> tuple[NameDictionary, NameFinder]:
        definitions = [entry.definition for entry in self.entries]
        names = [name for entry in self.entries for name in entry.texts[1:]]
        return NameDictionary(names, definitions), NameFinder(names, definitions)

    def nearness(self, cosines: Floats) -> Nearness:
        """From cosines with every text `(Q, T)`."""
        return Nearness(cosines[:, self.starts], np.maximum.reduceat(cosines, self.starts, axis=1))

    def named(self, queries: Sequence[str]) -> Floats:
        """How surely each query names each entry `(Q, E)`, 0 to `MOST_WEIGHT` and `WHOLE_NAME` together."""
        if not self.has_names:
            return np.zeros((len(queries), len(self.entries)), dtype=np.float32)
        dictionary, finder = self._names
        share, weight = finder.find(queries)
        found = share**SHARE_POWER * np.minimum(weight / FULL_WEIGHT, MOST_WEIGHT)
        found += WHOLE_NAME * dictionary.find(queries)
        first_names = self.starts - np.arange(len(self.starts))  # where they stand among the names
        best: Floats = np.maximum.reduceat(found, first_names, axis=1)
        return best


def meaning(index: EntryIndex, encoder: Encoder, queries: Sequence[str]) -> Nearness:
    """By the model's vectors."""
    return index.nearness(encoder.encode(queries, role="query") @ index.vectors(encoder).T)


def words(index: EntryIndex, queries: Sequence[str]) -> Floats:
    """By words alone: scores `(Q, E)`, 0 to 1. No model."""
    alike = index.nearness(index.ngrams.similarities(queries))
    return (alike.weighed(WORDS) + index.named(queries)) * _WORDS_SCALE


def combine(by_meaning: Nearness, by_words: Floats, shares: Floats) -> Floats:
    """Both together, in the shares of meaning `(Q,)`: scores `(Q, E)`, at most 1.

    By meaning alone they are cosines with the nearest text.
    """
    share = shares[:, None]
    both: Floats = by_meaning.weighed(MEANING) * _MEANING_SCALE * share + by_words * (1 - share)
    dense = shares == DENSE
    both[dense] = by_meaning.nearest[dense]
    return both


def scored(
    index: EntryIndex,
    encoder: Encoder,
    queries: Sequence[str],
    *,
    ranker: Ranker = "auto",
    learnt: LearntShares | None = None,
) -> Iterator[Floats]:
    """The scores of each query `(E,)` in turn."""
    shares = (learnt or LearntShares()).shares(queries, ranker, names=index.has_names)
    for start in range(0, len(queries), QUERY_BLOCK):
        block = slice(start, start + QUERY_BLOCK)
        yield from _scores(index, encoder, queries[block], shares[block])


def _scores(index: EntryIndex, encoder: Encoder, queries: Sequence[str], shares: Floats) -> Floats:
    """The scores `(Q, E)`; what no query asks for is not worked out."""
    if (shares == LEXICAL).all():
        return words(index, queries)
    near = meaning(index, encoder, queries)
    return near.nearest if (shares == DENSE).all() else combine(near, words(index, queries), shares)
