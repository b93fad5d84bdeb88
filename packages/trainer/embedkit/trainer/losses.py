"""The losses, by name: modules over length groups of features and a `BatchPlan`; a text is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedkit.trainer.batch import BatchPlan, Features
from embedkit.trainer.config import TrainSection
from embedkit.trainer.passes import encode_batch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Stands for minus infinity without its NaN gradients where a row has no negative left.
EXCLUDED = -1e4


class BatchLoss(nn.Module):  # type: ignore[misc]
    """Base: encodes the batch once and hands unit vectors `(U, D)` in float32 to `score`.

    `texts_at_once`: how many texts are in memory together (`encode_batch`). None: all.
    """

    texts_at_once: int | None = None

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, sentence_features: Sequence[Features], labels: BatchPlan) -> Tensor:
        """The mean loss of the batch's rows."""
        embeddings = encode_batch(self.model, sentence_features, labels, at_once=self.texts_at_once)
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.score(F.normalize(embeddings.float(), dim=-1), labels)

    def score(self, embeddings: Tensor, plan: BatchPlan) -> Tensor:
        """The loss of unit vectors `(U, D)`."""
        raise NotImplementedError


class InBatchRankingLoss(BatchLoss):
    """InfoNCE (van den Oord et al. 2018): each anchor must tell its positive from the batch's candidates.

    Candidates are the distinct positives and hard negatives of all rows, however many a row brings. With no
    text twice in the batch this is sentence-transformers' MultipleNegativesRankingLoss; a text that stands
    twice counts once here.

    With `masked`, candidates of the anchor's own concept are not negatives: they are left out, or are
    positives too (`same_concept="positive"`: the mean over the positives, each against the negatives alone,
    as SupCon's L_out, Khosla et al. 2020). With `margin`, a negative that scores above the positive by more
    than it is left out as well.

    Requirements: rows of anchor, positive and any number of hard negatives. Relations: no duplicate-free
    sampler is needed.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        temperature: float,
        symmetric: bool = False,
        masked: bool = False,
        extra_positives: bool = False,
        margin: float | None = None,
    ) -> None:
        super().__init__(model)
        self.temperature = temperature
        self.symmetric = symmetric
        self.masked = masked
        self.extra_positives = extra_positives
        self.margin = margin

    def score(self, embeddings: Tensor, plan: BatchPlan) -> Tensor:
        """The loss from anchors to candidates; if symmetric, its mean with that from positives to anchors."""
        anchors = embeddings[plan.anchors]
        loss = self._rank(anchors @ embeddings[plan.candidates].T, plan.targets, plan.same_concept)
        if not self.symmetric:
            return loss
        back = embeddings[plan.positives] @ anchors.T
        own = torch.arange(len(back), device=back.device)
        return (loss + self._rank(back, own, plan.same_row_concept)) / 2

    def _rank(self, cosines: Tensor, targets: Tensor, same: Tensor) -> Tensor:
        """`cosines` and `same` are `(B, C)`, `targets` `(B,)`."""
        logits = cosines / self.temperature
        if not self.masked:
            return F.cross_entropy(logits, targets)
        own = F.one_hot(targets, cosines.shape[1]).bool()
        positives = same | own if self.extra_positives else own
        excluded = same | own
        if self.margin is not None:
            bar = cosines.detach().gather(1, targets[:, None]) + self.margin
            excluded = excluded | (cosines.detach() > bar)
        against = torch.logsumexp(logits.masked_fill(excluded, EXCLUDED), dim=1, keepdim=True)
        per_positive = F.softplus(against - logits) * positives
        return (per_positive.sum(dim=1) / positives.sum(dim=1)).mean()


def _mnrl(model: SentenceTransformer, train: TrainSection) -> BatchLoss:
    return InBatchRankingLoss(model, temperature=train.temperature, symmetric=train.symmetric)


def _masked_mnrl(model: SentenceTransformer, train: TrainSection) -> BatchLoss:
    return InBatchRankingLoss(
        model,
        temperature=train.temperature,
        symmetric=train.symmetric,
        masked=True,
        extra_positives=train.same_concept == "positive",
        margin=train.false_negative_margin,
    )


LOSSES: Mapping[str, Callable[[SentenceTransformer, TrainSection], BatchLoss]] = {
    "masked_mnrl": _masked_mnrl,
    "mnrl": _mnrl,
}


def build_loss(model: SentenceTransformer, train: TrainSection) -> BatchLoss:
    """The loss that the config names."""
    loss = LOSSES[train.loss](model, train)
    loss.texts_at_once = train.micro_batch_size
    return loss
