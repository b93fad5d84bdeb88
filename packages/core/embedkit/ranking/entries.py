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
from numpy.typing import NDArray

from embedkit.data.entries import Entry
from embedkit.models.vectors import Encoder
from embedkit.ranking.hybrid.shares import DENSE, LEXICAL, LearntShares, Ranker
from embedkit.ranking.lexical.stored import WordIndex, word_index
from embedkit.ranking.retrieval import QUERY_BLOCK, Floats, Places
from embedkit.text import language_of

# What the definition's and the nearest text's cosine weigh, by meaning and by words. Words of a definition are rarely
# met by chance; a short name is near many questions.
MEANING, WORDS = (0.5, 1.0), (3.0, 1.0)
# A name that stands whole in the question and in no definition.
WHOLE_NAME = 0.8
# A name counts by the eighth power of the share that is there: one of which a quarter is missing counts a tenth.
# N-grams that weigh 480 together count 1, and no name counts more.
FULL_WEIGHT, MOST_WEIGHT = 480.0, 0.375
# What an entry's words count where its script is another than the question's: "ADC 값이 튀어요" asks for the entry in
# Korean, though the one in English has the same name.
OTHER_SCRIPT = 0.9
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
        own = [entry.texts if names else (entry.definition,) for entry in entries]
        self.texts = [text for texts in own for text in texts]
        sizes = list(map(len, own))
        self.starts = np.cumsum([0, *sizes[:-1]])
        self.has_names = names
        self._names = np.array(sizes) - 1
        self._vectors: dict[str, Floats] = {}

    def vectors(self, encoder: Encoder) -> Floats:
        """The vectors of the texts `(T, D)`, kept for the next questions."""
        if encoder.hash not in self._vectors:
            self._vectors[encoder.hash] = encoder.encode(self.texts)
        return self._vectors[encoder.hash]

    @cached_property
    def words(self) -> WordIndex:
        """The texts by their n-grams, and the names to be found."""
        definitions = [entry.definition for entry in self.entries]
        is_name = np.ones(len(self.texts), dtype=np.bool_)
        is_name[self.starts] = False
        names = [self.texts[place] for place in np.flatnonzero(is_name).tolist()]
        return word_index(self.texts, names, definitions)

    @cached_property
    def _languages(self) -> NDArray[np.str_]:
        return np.array([language_of(entry.definition) for entry in self.entries])

    def in_other_script(self, queries: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each entry is in another script than each query `(Q, E)`."""
        found: NDArray[np.bool_] = np.array(list(map(language_of, queries)))[:, None] != self._languages
        return found

    def nearness(self, cosines: Floats) -> Nearness:
        """From cosines with every text `(Q, T)`."""
        definitions = cosines[:, self.starts]
        nearest = (
            self._raised(definitions.copy(), cosines, self.starts + 1) if self.has_names else definitions
        )
        return Nearness(definitions, nearest)

    def _raised(self, first: Floats, values: Floats, starts: Places) -> Floats:
        """`first` `(Q, E)`, raised to each entry's largest value of those of its names, which begin at `starts`.

        One name of all entries after the other: many times as fast as `reduceat`, which goes from entry to entry.
        """
        for number in range(int(self._names.max(initial=0))):
            places = np.flatnonzero(self._names > number)
            more = values[:, starts[places] + number]
            first[:, places] = np.maximum(first[:, places], more)
        return first

    def named(self, queries: Sequence[str]) -> Floats:
        """How surely each query names each entry `(Q, E)`, 0 to `MOST_WEIGHT` and `WHOLE_NAME` together."""
        if not self.has_names:
            return np.zeros((len(queries), len(self.entries)), dtype=np.float32)
        share, weight = self.words.finder.find(queries)
        fourth = np.square(np.square(share))  # of numpy's own powers this is twenty times as fast
        found = fourth * fourth * np.minimum(weight / FULL_WEIGHT, MOST_WEIGHT)
        found += WHOLE_NAME * self.words.dictionary.find(queries)
        first_names = self.starts - np.arange(len(self.starts))  # where they stand among the names
        return self._raised(found[:, first_names], found, first_names)


def meaning(index: EntryIndex, encoder: Encoder, queries: Sequence[str]) -> Nearness:
    """By the model's vectors."""
    return index.nearness(encoder.encode(queries, role="query") @ index.vectors(encoder).T)


def words(index: EntryIndex, queries: Sequence[str]) -> Floats:
    """By words alone: scores `(Q, E)`, 0 to 1. No model."""
    alike = index.nearness(index.words.ngrams.similarities(queries))
    scores: Floats = (alike.weighed(WORDS) + index.named(queries)) * _WORDS_SCALE
    scores[index.in_other_script(queries)] *= OTHER_SCRIPT
    return scores


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
