"""What every loss has in common: the distinct texts of a batch are encoded once, in groups of like length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from embedkit.trainer.step.batch import Features, Plan
from embedkit.trainer.step.forward import encode_batch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from embedkit.trainer.config import RunConfig

# Stands for minus infinity without its NaN gradients where a row has no negative left.
EXCLUDED = -1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class LossContext:
    """What a loss is built with beside its settings; `classes` counts the labels or classes of its rows."""

    model: SentenceTransformer
    config: RunConfig
    classes: int = 0


class BatchLoss(nn.Module):  # type: ignore[misc]
    """Base: encodes the batch once and hands vectors `(U, D)` in float32 to `score`.

    `texts_at_once`: how many texts are in memory together (`encode_batch`). None: all. `widths`: the loss is
    also that of so many first numbers of each vector.
    """

    texts_at_once: int | None = None
    widths: tuple[int, ...] = ()

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, sentence_features: Sequence[Features], labels: Plan) -> Tensor:
        """The mean loss of the batch's rows."""
        vectors = encode_batch(self.model, sentence_features, labels, at_once=self.texts_at_once)
        return self.of_vectors(vectors, labels)

    def of_vectors(self, vectors: Tensor, plan: Plan) -> Tensor:
        """The loss of vectors `(U, D)`, without autocast; with `widths` as matryoshka (Kusupati et al. 2022)."""
        with torch.autocast(vectors.device.type, enabled=False):
            return self.score_widths(vectors.float(), plan)

    def score_widths(self, vectors: Tensor, plan: Plan) -> Tensor:
        """The loss of vectors `(U, D)` in float32, plus that of the first numbers of each that `widths` asks for."""
        loss = self.score(vectors, plan)
        for width in self.widths:
            loss = loss + self.score(vectors[:, :width], plan)
        return loss

    def score(self, vectors: Tensor, plan: Plan) -> Tensor:
        """The loss of vectors `(U, D)` of any length."""
        raise NotImplementedError


class WeightedLosses(BatchLoss):
    """The losses of several sources; each batch is of one, whose loss is multiplied by its weight."""

    def __init__(
        self, model: SentenceTransformer, parts: Sequence[BatchLoss], *, weights: Sequence[float]
    ) -> None:
        super().__init__(model)
        self.parts = nn.ModuleList(parts)
        self.weights = tuple(weights)

    def score(self, vectors: Tensor, plan: Plan) -> Tensor:
        """The loss of the batch's source."""
        part: BatchLoss = self.parts[plan.source]
        return self.weights[plan.source] * part.score_widths(vectors, plan)
