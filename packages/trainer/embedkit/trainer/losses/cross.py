"""The losses of a cross-encoder, which reads two texts together and gives them one score."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from embedkit.trainer.losses.base import EXCLUDED, BatchLoss, LossContext
from embedkit.trainer.losses.sections import PairScoreSection
from embedkit.trainer.step.cross_batch import CrossPlan


class BinaryCrossEntropyLoss(BatchLoss):
    """Each score through the logistic function is to be its label: sentence-transformers' loss of this name."""

    def __init__(self, settings: PairScoreSection, context: LossContext) -> None:
        super().__init__(context.model)

    def score(self, vectors: Tensor, plan: CrossPlan) -> Tensor:  # type: ignore[override]
        """The mean over the pairs of texts that count, of scores `(U, 1)`."""
        found, wanted = vectors[:, 0][plan.places], plan.labels
        return F.binary_cross_entropy_with_logits(found[plan.counted], wanted[plan.counted])


class LocalContrastiveLoss(BatchLoss):
    """LCE (Gao, Dai and Callan 2021): softmax over an anchor's positive and its negatives.

    sentence-transformers' MultipleNegativesRankingLoss of cross-encoders with a scale of 1 and no activation.
    """

    def __init__(self, settings: PairScoreSection, context: LossContext) -> None:
        super().__init__(context.model)

    def score(self, vectors: Tensor, plan: CrossPlan) -> Tensor:  # type: ignore[override]
        """The mean over the rows of the cross-entropy of the positive, which stands first; scores are `(U, 1)`."""
        found = vectors[:, 0][plan.places].masked_fill(~plan.counted, EXCLUDED)
        return F.cross_entropy(found, torch.zeros(len(found), dtype=torch.long, device=found.device))
