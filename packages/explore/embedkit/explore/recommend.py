"""`embedkit recommend`: the glossary's terms nearest to a term, its own names left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.explore.concepts import GlossaryConcept, concept_vectors, concepts_of
from embedkit.explore.model import ModelOptions, open_corpus, open_encoder, print_result
from embedkit.models.readable import warn_if_unreadable
from embedkit.text import clean, fold, pad, shorten, width

_NAME_COLUMNS = 48
_TEXT_COLUMNS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A concept near the term: its head terms, its other names, a definition."""

    rank: int
    score: float
    terms: tuple[str, ...]
    names: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendResult:
    """What is near `term`. `known` says whether the glossary has it; `own_names` were left out."""

    term: str
    known: bool
    own_names: tuple[str, ...]
    model: str
    corpus: str
    recommendations: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendOptions(ModelOptions):
    """What `embedkit recommend` is asked for."""

    term: str
    corpus: Path | None = None
    top_k: int = 5


def recommend(options: RecommendOptions) -> RecommendResult:
    """Find the concepts nearest to the term; entries that are the same thing under another name are left out.

    A term that the glossary does not have is compared by its text alone.

    Raises:
        UserError: an empty term, or a model or corpus that is missing.
    """
    text = clean(options.term)
    if not text:
        raise UserError("the term is empty")
    encoder = open_encoder(options.model)
    corpus = open_corpus(options.corpus, encoder)
    warn_if_unreadable(encoder.source, (text,))
    concepts = concepts_of(corpus.items)
    own = [place for place, concept in enumerate(concepts) if fold(text) in concept.keys]
    if not own:
        say("{term} is not in {corpus}: only its text is compared", term=text, corpus=corpus.name)
    vectors = concept_vectors(concepts, encoder)
    query = vectors[own].sum(axis=0) if own else encoder.encode([text])[0]
    cosines = vectors @ (query / (np.linalg.norm(query) or 1))
    cosines[own] = -np.inf
    result = RecommendResult(
        term=text,
        known=bool(own),
        own_names=tuple(
            dict.fromkeys(n for place in own for n in _names(concepts[place]) if fold(n) != fold(text))
        ),
        model=encoder.source.requested,
        corpus=corpus.name,
        recommendations=tuple(_nearest(concepts, cosines, min(options.top_k, len(concepts) - len(own)))),
    )
    print_result(result, _recommendation_lines(result.recommendations), options)
    return result


def _names(concept: GlossaryConcept) -> tuple[str, ...]:
    return (*concept.terms, *concept.other_names)


def _nearest(
    concepts: Sequence[GlossaryConcept], cosines: NDArray[np.float32], top_k: int
) -> Iterator[Recommendation]:
    for rank, place in enumerate(np.argsort(-cosines, kind="stable")[:top_k].tolist(), start=1):
        concept = concepts[place]
        yield Recommendation(
            rank=rank,
            score=round(float(cosines[place]), 6),
            terms=concept.terms,
            names=concept.other_names,
            text=concept.items[0].definition,
        )


def _recommendation_lines(found: Sequence[Recommendation]) -> Iterator[str]:
    names = [shorten(" · ".join((*one.terms, *one.names)), _NAME_COLUMNS) for one in found]
    widest = max(map(width, names), default=0)
    for one, name in zip(found, names, strict=True):
        yield f"{one.rank:>2}  {one.score:.3f}  {pad(name, widest)}  {shorten(clean(one.text), _TEXT_COLUMNS)}"
