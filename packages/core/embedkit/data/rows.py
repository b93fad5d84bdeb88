"""The other training rows: labelled sentences, sentence pairs with a class or a score, triplets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A text and the name of its class."""

    text: str
    label: str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassedPair:
    """Two sentences and an inference class: entailment, neutral, contradiction."""

    sentence1: str
    sentence2: str
    label: str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPair:
    """Two sentences and how alike they are, 0 to 1."""

    sentence1: str
    sentence2: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Triplet:
    """An anchor, a text like it, and one that is not."""

    anchor: str
    positive: str
    negative: str
