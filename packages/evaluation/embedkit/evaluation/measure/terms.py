"""How two models see the names of held-out concepts: cosines of twenty of them, and a map of their texts.

Concepts are drawn by their hash, not by what a model makes of them. Costs what encoding some 250 short texts costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import QUESTION_KINDS, Pair
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.records import MapPoint, TermView
from embedkit.models.vectors import Encoder
from embedkit.ranking.queries import concept_of
from embedkit.text import clean, fold, language_of, width

MOST_NAMES = 20
MOST_CONCEPTS = 40
NAMES_A_CONCEPT = 4
LONGEST_NAME = 40
FEWEST_POINTS = 4
Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedConcept:
    """The names of a concept, the first of each language first, and its definitions."""

    names: tuple[str, ...]
    definitions: tuple[str, ...]


def term_view(rows: Iterable[Pair], models: ModelPair) -> TermView | None:
    """Look at the names in `rows` with both models; None where there are fewer than two."""
    concepts = sorted(named_concepts(rows), key=lambda concept: len(concept.names) < 2)
    names = tuple(_pairs_of_names(concepts))
    if len(names) < 2:
        return None
    texts = [
        (text, place, role)
        for place, concept in enumerate(concepts[:MOST_CONCEPTS])
        for role, texts in (("name", concept.names), ("definition", concept.definitions))
        for text in texts
    ]
    old, new = (
        _vectors(encoder, [text for text, _, _ in texts]) for encoder in (models.before, models.after)
    )
    (flat_before, share_before), (flat_after, share_after) = _plane(old), _plane(new)
    turned = _turned(flat_after, onto=flat_before)
    return TermView(
        names=tuple(name for name, _ in names),
        concepts=tuple(place for _, place in names),
        before=_cosines(models.before, names),
        after=_cosines(models.after, names),
        points=tuple(
            MapPoint(
                text=text,
                lang=language_of(text),
                concept=place,
                is_name=role == "name",
                before=_pair(first),
                after=_pair(second),
            )
            for (text, place, role), first, second in zip(texts, flat_before, turned, strict=True)
        )
        if len(texts) >= FEWEST_POINTS
        else (),
        variance_before=share_before,
        variance_after=share_after,
    )


def named_concepts(rows: Iterable[Pair]) -> Iterator[NamedConcept]:
    """The concepts of pairs, in the order of their hashes: anchors are names, and so are positives of named kinds."""
    names: dict[str, dict[str, str]] = {}
    definitions: dict[str, dict[str, str]] = {}
    for pair in rows:
        if pair.kind in QUESTION_KINDS:
            continue
        concept = concept_of(pair)
        texts = [pair.anchor]
        if pair.kind and not pair.kind.endswith("-definition"):
            texts.append(pair.positive)
        elif pair.kind:
            definitions.setdefault(concept, {}).setdefault(language_of(pair.positive), pair.positive)
        for text in filter(lambda text: width(text) <= LONGEST_NAME, map(clean, texts)):
            names.setdefault(concept, {}).setdefault(fold(text), text)
    for concept in sorted(names, key=lambda concept: sha256(concept.encode()).digest()):
        found = tuple(_by_language(tuple(names[concept].values())))
        yield NamedConcept(names=found, definitions=tuple(definitions.get(concept, {}).values()))


def _by_language(names: Sequence[str]) -> Iterator[str]:
    first = {language_of(name): name for name in reversed(names)}
    leading = [name for name in names if name in first.values()]
    yield from (*leading, *(name for name in names if name not in leading))[:NAMES_A_CONCEPT]


def _pairs_of_names(concepts: Sequence[NamedConcept]) -> list[tuple[str, int]]:
    """Up to `MOST_NAMES` names with their concept's place, two of each concept."""
    return [(name, place) for place, concept in enumerate(concepts) for name in concept.names[:2]][
        :MOST_NAMES
    ]


def _vectors(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    return encoder.encode(texts).astype(np.float64)


def _cosines(encoder: Encoder, names: Sequence[tuple[str, int]]) -> tuple[tuple[float, ...], ...]:
    vectors = _vectors(encoder, [name for name, _ in names])
    return tuple(tuple(row) for row in np.clip(vectors @ vectors.T, -1, 1).round(3).tolist())


def _plane(vectors: Vectors) -> tuple[Vectors, float]:
    """The first two principal components `(n, 2)` and the share of the variance that they show."""
    from sklearn.decomposition import PCA

    if len(vectors) < FEWEST_POINTS or float(np.ptp(vectors, axis=0).max()) == 0:
        return np.zeros((len(vectors), 2)), 0.0
    pca = PCA(n_components=2, svd_solver="full")
    flat: Vectors = pca.fit_transform(vectors)
    return flat, round(float(pca.explained_variance_ratio_.sum()), 4)


def _turned(flat: Vectors, *, onto: Vectors) -> Vectors:
    """Turned and mirrored, never stretched, to lie as near to `onto` as it can (orthogonal Procrustes)."""
    from scipy.linalg import orthogonal_procrustes

    rotation, _ = orthogonal_procrustes(flat, onto)
    turned: Vectors = flat @ rotation
    return turned


def _pair(point: Vectors) -> tuple[float, float]:
    x, y = point.round(3).tolist()
    return x, y
