"""Losses of texts alone, for a bare encoder or a subject without pairs: SimCSE and TSDAE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.sentence_transformer import losses
from torch import Tensor, nn
from torch.nn import functional as F

from embedkit.errors import UserError
from embedkit.trainer.losses.base import BatchLoss, LossContext
from embedkit.trainer.losses.sections import DenoisingSection, TemperatureSection
from embedkit.trainer.model.vocabulary import extension_of
from embedkit.trainer.step.batch import ColumnPlan, Features
from embedkit.trainer.step.forward import encode_batch
from embedkit.trainer.step.processes import world_size

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class SimCseLoss(BatchLoss):
    """Unsupervised SimCSE (Gao, Yao and Chen 2021): each text is encoded twice, and only dropout tells both vectors
    apart. A text that stands twice in the batch counts once.
    """

    def __init__(self, settings: TemperatureSection, context: LossContext) -> None:
        super().__init__(context.model)
        self.temperature = settings.temperature
        if not any(isinstance(part, nn.Dropout) and part.p > 0 for part in context.model.modules()):
            raise UserError(
                "simcse needs dropout, and the model has none: both vectors of a text would be the same",
                place=context.config.model_id,
                hint="set the dropout in the model's config.json, or take the loss tsdae",
            )

    def forward(self, sentence_features: Sequence[Features], labels: ColumnPlan) -> Tensor:  # type: ignore[override]
        """The mean loss of the batch's texts."""
        twice = [
            encode_batch(self.model, sentence_features, labels, at_once=self.texts_at_once) for _ in range(2)
        ]
        return self.of_vectors(torch.cat(twice), labels)

    def score(self, vectors: Tensor, plan: ColumnPlan) -> Tensor:  # type: ignore[override]
        """InfoNCE of the first half of the vectors `(2 U, D)` against the second."""
        texts = plan.columns[0].unique()
        first, second = (F.normalize(half[texts], dim=-1) for half in vectors.chunk(2))
        own = torch.arange(len(texts), device=vectors.device)
        return F.cross_entropy(first @ second.T / self.temperature, own)


class DenoisingLoss(BatchLoss):
    """TSDAE (Wang, Reimers and Gurevych 2021) by sentence-transformers' DenoisingAutoEncoderLoss: a decoder with the
    encoder's weights, which sees one vector, writes the text; it is thrown away afterwards.

    Tokens are deleted, not words, so that any language is damaged alike.
    """

    def __init__(self, settings: DenoisingSection, context: LossContext) -> None:
        super().__init__(context.model)
        self.deleted = settings.deleted
        _require_plain(context)
        try:
            self.stock = losses.DenoisingAutoEncoderLoss(context.model, tie_encoder_decoder=True)
        except (ValueError, AttributeError, KeyError, AssertionError, TypeError, OSError) as error:
            raise UserError(
                "tsdae needs a model that has a decoder of the same kind (BERT, RoBERTa, XLM-RoBERTa, ELECTRA)",
                place=context.config.model_id,
                hint="take the loss simcse",
            ) from error

    def forward(self, sentence_features: Sequence[Features], labels: ColumnPlan) -> Tensor:  # type: ignore[override]
        """The mean loss of the tokens of the batch's texts."""
        total, tokens = torch.zeros((), device=self.model.device), 0
        # What is not training (the choice of the number format) is to see the same damage twice.
        random = None if self.training else torch.Generator().manual_seed(0)
        for group in sentence_features:
            count = int(group["attention_mask"][:, 1:].sum())
            damaged = damage(group, self.model.tokenizer, deleted=self.deleted, random=random)
            total = total + count * self.stock([damaged, dict(group)], None).float()
            tokens += count
        return total / max(tokens, 1)


def damage(
    group: Features, tokenizer: PreTrainedTokenizerBase, *, deleted: float, random: torch.Generator | None
) -> Features:
    """The texts of a length group without a share of their tokens: special tokens stay, and one token at least."""
    ids, mask = group["input_ids"].cpu(), group["attention_mask"].cpu().bool()
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    chance = torch.rand(ids.shape, generator=random).masked_fill(special | ~mask, 2.0)
    kept = mask & (special | (chance >= deleted) | (chance == chance.amin(dim=1, keepdim=True)))
    width = int(kept.sum(dim=1).max())
    order = torch.argsort(~kept, dim=1, stable=True)[:, :width]
    there = kept.gather(1, order)
    pad: Any = tokenizer.pad_token_id
    device = group["input_ids"].device
    made = {**group, "input_ids": ids.gather(1, order).masked_fill(~there, pad).to(device)}
    made["attention_mask"] = there.long().to(device)
    if "token_type_ids" in group:
        made["token_type_ids"] = torch.zeros_like(made["input_ids"])
    return made


def _require_plain(context: LossContext) -> None:
    """Raise `UserError` where encoder and decoder could not share all of their weights."""
    config = context.config
    if config.lora is not None or extension_of(context.model) is not None:
        raise UserError(
            "tsdae trains the model's own weights, which its decoder shares",
            hint="remove lora, and set train.extend_vocabulary to off",
        )
    if world_size() > 1:
        raise UserError("tsdae trains in one process", hint="start one, or take the loss simcse")
