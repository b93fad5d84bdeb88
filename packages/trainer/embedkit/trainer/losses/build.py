"""The losses by their names in cfg.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig, TrainSection
from embedkit.trainer.losses.base import BatchLoss, WeightedLosses
from embedkit.trainer.losses.distill import DistillLoss
from embedkit.trainer.losses.ranking import GuidedRankingLoss, InBatchRankingLoss
from embedkit.trainer.losses.second_model import SecondModel, load_second
from embedkit.trainer.losses.stock import SoftmaxLoss, make_stock
from embedkit.trainer.model.load import whole_width
from embedkit.trainer.rows.fit import EATS
from embedkit.trainer.rows.sources import Mixture

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CACHED_MICRO_BATCH = 32
_GUIDED = ("gist", "cached_gist")
_CACHED = ("cached_mnrl", "cached_gist")


def require_settings(config: RunConfig, mixture: Mixture) -> None:
    """Raise `UserError` when a loss lacks what it needs, before any model is loaded."""
    train, names = config.train, [source.loss for source in mixture.sources]
    for name in names:
        if name in _GUIDED and train.guide_model is None:
            raise UserError("the loss {loss} needs a guide", hint="set train.guide_model", loss=name)
    if train.matryoshka_dims and "softmax" in names:
        raise UserError("softmax has no matryoshka form", hint="remove train.matryoshka_dims")
    if "distill" in names and train.teacher_model is None:
        _require_scores(mixture)


def _require_scores(mixture: Mixture) -> None:
    for source in mixture.sources:
        rows = source.rows
        lacking = source.loss == "distill" and next(
            (n for n in range(len(rows)) if len(rows.store[n].scores) < 2), None
        )
        if lacking is not False and lacking is not None:
            raise UserError(
                "row {number} has no teacher's scores of a positive and a hard negative",
                place=rows.summary.paths[0],
                hint='distill needs them ("scores": [positive, negative, …]), or set train.teacher_model',
                number=lacking + 1,
            )


def build_loss(model: SentenceTransformer, config: RunConfig, mixture: Mixture) -> BatchLoss:
    """The loss of a run: of its one file, or of several."""
    names = [source.loss for source in mixture.sources]
    parts = [_one(source.loss, model, config, len(source.rows.labels)) for source in mixture.sources]
    weights = [source.weight for source in mixture.sources]
    loss = parts[0] if weights == [1.0] else WeightedLosses(model, parts, weights=weights)
    cached = any(name in _CACHED for name in names)
    loss.texts_at_once = config.train.micro_batch_size or (CACHED_MICRO_BATCH if cached else None)
    loss.widths = _widths(config.train, model)
    return loss


def _one(name: str, model: SentenceTransformer, config: RunConfig, classes: int) -> BatchLoss:
    train = config.train
    if name in _GUIDED:
        guide = load_second(str(train.guide_model), config, device=str(model.device))
        return GuidedRankingLoss(model, guide, temperature=train.temperature, margin=train.guide_margin)
    if name == "distill":
        return DistillLoss(
            model,
            _teacher(config, str(model.device)),
            objective=train.distill,
            temperature=train.temperature,
            teacher_temperature=train.teacher_temperature or train.temperature,
        )
    if name == "softmax":
        return SoftmaxLoss(model, classes=classes)
    if EATS[name] == "pairs":
        return ranking_loss(model, train, masked=name == "masked_mnrl")
    return make_stock(name, model, train)


def ranking_loss(model: SentenceTransformer, train: TrainSection, *, masked: bool) -> InBatchRankingLoss:
    """InfoNCE as the config has it; what is for masked_mnrl only counts if `masked`."""
    return InBatchRankingLoss(
        model,
        temperature=train.temperature,
        symmetric=train.symmetric,
        masked=masked,
        extra_positives=train.same_concept == "positive",
        margin=train.false_negative_margin if masked else None,
        hardness=train.hardness,
        hardness_strength=train.hardness_strength,
    )


def _teacher(config: RunConfig, device: str) -> SecondModel | None:
    name = config.train.teacher_model
    return load_second(name, config, device=device) if name else None


def _widths(train: TrainSection, model: SentenceTransformer) -> tuple[int, ...]:
    whole = whole_width(model)
    widths = tuple(sorted(set(train.matryoshka_dims or ()), reverse=True))
    if widths and widths[0] > whole:
        raise UserError(
            "train.matryoshka_dims holds {width}, but the model's vectors have {whole} numbers",
            width=widths[0],
            whole=whole,
        )
    return tuple(width for width in widths if width < whole)
