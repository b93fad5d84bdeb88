"""Entries of one thing are one concept: a term and the rows whose terms it names as its aliases, in any language.

An entry's vector is the sum of its term's and its definition's, made a unit vector: names and meaning count alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.data.entries import Entry
from embedkit.disjoint_sets import DisjointSets
from embedkit.models.vectors import Encoder
from embedkit.text import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class GlossaryConcept:
    """Entries that name one another. `terms` are their head terms, `names` all their names."""

    items: tuple[Entry, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """Head terms, each spelling once."""
        return tuple({fold(item.term): item.term for item in reversed(self.items)}.values())[::-1]

    def terms_in(self, lang: str) -> tuple[str, ...]:
        """Head terms, those of one language first."""
        own = {item.term for item in self.items if item.lang == lang}
        return tuple(sorted(self.terms, key=lambda term: term not in own))

    @property
    def other_names(self) -> tuple[str, ...]:
        """Aliases that are no head term, each spelling once."""
        heads = set(map(fold, self.terms))
        names = {fold(name): name for item in reversed(self.items) for name in reversed(item.names)}
        return tuple(name for key, name in reversed(names.items()) if key not in heads)

    @property
    def keys(self) -> frozenset[str]:
        """All names, folded."""
        return frozenset(fold(name) for item in self.items for name in (item.term, *item.names))


def concepts_of(items: Sequence[Entry]) -> tuple[GlossaryConcept, ...]:
    """Group entries: those with one head term, and those of which one names the other's head term as an alias.

    An alias that two concepts share (an ambiguous abbreviation) joins nothing.
    """
    by_term: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        by_term.setdefault(fold(item.term), []).append(place)
    sets = DisjointSets(len(items))
    for place, item in enumerate(items):
        for name in (item.term, *item.names):
            sets.union((place, *by_term.get(fold(name), ())[:1]))
    return tuple(GlossaryConcept(items=tuple(items[place] for place in group)) for group in sets.groups())


def concept_vectors(concepts: Sequence[GlossaryConcept], encoder: Encoder) -> NDArray[np.float32]:
    """Unit vectors `(len(concepts), D)`: the sum over the entries' terms and definitions."""
    texts = [text for concept in concepts for item in concept.items for text in (item.term, item.definition)]
    starts = np.cumsum([0, *(2 * len(concept.items) for concept in concepts[:-1])])
    sums = np.add.reduceat(encoder.encode(texts), starts, axis=0)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (sums / np.where(norms > 0, norms, 1)).astype(np.float32)
    return unit
