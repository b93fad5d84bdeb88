"""How well a model's similarities follow graded pairs: Pearson and Spearman under four similarities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embedkit.ranking.metrics import Values

SimilarityName = Literal["cosine", "dot", "euclidean", "manhattan"]
SIMILARITIES: tuple[SimilarityName, ...] = get_args(SimilarityName)
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """The correlations of gold scores with one similarity; 0 where either side is constant."""

    similarity: SimilarityName
    pearson: float
    spearman: float


def similarities(left: Vectors, right: Vectors, *, by: SimilarityName = "cosine") -> Values:
    """The similarity of each row of `left` `(N, D)` with the same row of `right`: a distance counts negative."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    if by == "euclidean":
        euclidean: Values = -np.linalg.norm(a - b, axis=1)
        return euclidean
    if by == "manhattan":
        manhattan: Values = -np.abs(a - b).sum(axis=1)
        return manhattan
    dots: Values = np.einsum("nd,nd->n", a, b)
    if by == "dot":
        return dots
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return dots / np.where(norms > 0, norms, 1)


def correlations(left: Vectors, right: Vectors, gold: Values) -> tuple[Correlation, ...]:
    """Pearson and Spearman of `gold` `(N,)` with each similarity of the vectors `(N, D)` as the model gives them.

    On unit vectors dot is cosine and Euclidean ranks as cosine does: give vectors that are not normalised to see more.
    """
    from scipy.stats import rankdata

    gold_ranks = rankdata(gold)
    found = []
    for name in SIMILARITIES:
        scores = similarities(left, right, by=name)
        spearman = pearson(rankdata(scores), gold_ranks)
        found.append(Correlation(similarity=name, pearson=pearson(scores, gold), spearman=spearman))
    return tuple(found)


def pearson(x: Values, y: Values) -> float:
    """Pearson's correlation; 0 where either side is constant or there are fewer than two values."""
    if len(x) < 2:
        return 0.0
    a, b = x - x.mean(), y - y.mean()
    spread = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / spread if spread > 1e-12 else 0.0
