"""InfoNCE over the candidates of the batch, with or without its false negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from embedkit.trainer.losses.base import EXCLUDED, BatchLoss, LossContext
from embedkit.trainer.losses.second_model import load_second
from embedkit.trainer.losses.sections import GuidedSection, MaskedSection, RankingSection
from embedkit.trainer.step.batch import BatchPlan


class InBatchRankingLoss(BatchLoss):
    """InfoNCE (van den Oord et al. 2018): each anchor must tell its positive from the batch's candidates.

    Candidates are the distinct positives and hard negatives of all rows, however many a row brings. With no
    text twice in the batch this is sentence-transformers' MultipleNegativesRankingLoss; a text that stands
    twice counts once here.

    With `MaskedSection`, candidates of the anchor's own concept are no negatives: they are left out, or are
    positives too (`same_concept="positive"`: the mean over the positives, each against the negatives alone,
    as SupCon's L_out, Khosla et al. 2020). With `false_negative_margin`, a negative that scores above the positive by
    more than it is left out as well. With `hardness`, the negatives that it names weigh more the more similar they are
    to the anchor (Lan et al. 2025, eq. 5).

    Requirements: rows of anchor, positive and any number of hard negatives. Relations: no duplicate-free
    sampler is needed.
    """

    def __init__(self, settings: RankingSection, context: LossContext) -> None:
        super().__init__(context.model)
        self.settings = settings
        self.masked = settings if isinstance(settings, MaskedSection) else None

    def score(self, vectors: Tensor, plan: BatchPlan) -> Tensor:  # type: ignore[override]
        """The loss from anchors to candidates; if symmetric, its mean with that from positives to anchors."""
        unit = F.normalize(vectors, dim=-1)
        anchors = unit[plan.anchors]
        cosines = anchors @ unit[plan.candidates].T
        loss = self._rank(cosines, plan.targets, plan.same_concept, self._penalty(cosines, plan))
        if not self.settings.symmetric:
            return loss
        back = unit[plan.positives] @ anchors.T
        own = torch.arange(len(back), device=back.device)
        return (loss + self._rank(back, own, plan.same_row_concept, 0.0)) / 2

    def _penalty(self, cosines: Tensor, plan: BatchPlan) -> Tensor | float:
        """`(B, C)`: what is added to the logits of the negatives that hardness names."""
        if self.settings.hardness == "none":
            return 0.0
        target = F.one_hot(plan.targets, cosines.shape[1]).bool()
        weighed = {
            "in_batch_negatives": ~plan.own,
            "hard_negatives": plan.own & ~target,
            "all_negatives": ~target,
        }[self.settings.hardness]
        return self.settings.hardness_strength * cosines.detach() * weighed

    def _rank(self, cosines: Tensor, targets: Tensor, same: Tensor, penalty: Tensor | float) -> Tensor:
        """`cosines`, `same` and `penalty` are `(B, C)`, `targets` `(B,)`."""
        logits = cosines / self.settings.temperature
        if self.masked is None:
            return F.cross_entropy(logits + penalty, targets)
        own = F.one_hot(targets, cosines.shape[1]).bool()
        positives = same | own if self.masked.same_concept == "positive" else own
        excluded = same | own
        if self.masked.false_negative_margin is not None:
            bar = cosines.detach().gather(1, targets[:, None]) + self.masked.false_negative_margin
            excluded = excluded | (cosines.detach() > bar)
        against = torch.logsumexp((logits + penalty).masked_fill(excluded, EXCLUDED), dim=1, keepdim=True)
        per_positive = F.softplus(against - logits) * positives
        return (per_positive.sum(dim=1) / positives.sum(dim=1)).mean()


class GuidedRankingLoss(BatchLoss):
    """GIST (Solatorio 2024): InfoNCE without the texts that a guide puts nearer to the anchor than the positive.

    Negatives are the batch's candidates, its other anchors, and for the positive the other positives. With no
    text twice in the batch this is sentence-transformers' GISTEmbedLoss, which takes one hard negative a row
    at most; here a row may bring any number.
    """

    def __init__(self, settings: GuidedSection, context: LossContext) -> None:
        super().__init__(context.model)
        self.settings = settings
        self.guide = load_second(settings.guide_model, context.config, device=str(context.model.device))

    def score(self, vectors: Tensor, plan: BatchPlan) -> Tensor:  # type: ignore[override]
        """The loss of vectors `(U, D)`."""
        unit = F.normalize(vectors, dim=-1)
        cosines = self._compared(unit[plan.anchors], unit[plan.candidates], plan)
        with torch.no_grad():
            guide = self._compared(*self.guide.vectors(plan, unit.device), plan)
            bar = guide.gather(1, plan.targets[:, None]) - self.settings.guide_margin
            nearer = guide > bar
            nearer.scatter_(1, plan.targets[:, None], False)
        logits = (cosines / self.settings.temperature).masked_fill(nearer, EXCLUDED)
        return F.cross_entropy(logits, plan.targets)

    @staticmethod
    def _compared(anchors: Tensor, candidates: Tensor, plan: BatchPlan) -> Tensor:
        """Cosines of each row `(B, C + A + P)`: anchor to candidates and anchors, positive to positives."""
        firsts = _first_places(plan.anchors)
        positives = torch.unique(plan.targets)
        return torch.cat(
            [
                anchors @ candidates.T,
                anchors @ anchors[firsts].T,
                candidates[plan.targets] @ candidates[positives].T,
            ],
            dim=1,
        )


def _first_places(values: Tensor) -> Tensor:
    """Where each distinct value stands first."""
    same = values[:, None] == values[None, :]
    return torch.nonzero(same.int().argmax(dim=1) == torch.arange(len(values), device=values.device))[:, 0]
