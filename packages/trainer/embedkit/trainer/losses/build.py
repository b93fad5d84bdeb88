"""The loss of a run: of its one file, or of several."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.base import BatchLoss, LossContext, WeightedLosses
from embedkit.trainer.losses.registry import LOSSES
from embedkit.trainer.losses.sections import CutSection, DistillSection, LossSection
from embedkit.trainer.model.load import whole_width
from embedkit.trainer.rows.sources import Source, TrainingRows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CACHED_MICRO_BATCH = 32


def require_settings(config: RunConfig, training: TrainingRows) -> None:
    """Raise `UserError` when rows lack what their loss needs, before any model is loaded."""
    for source, settings in zip(training.sources, config.losses, strict=True):
        if isinstance(settings, DistillSection) and settings.teacher_model is None:
            _require_scores(source, config.data.max_hard_negatives)


def _require_scores(source: Source, max_hard_negatives: int | None) -> None:
    rows = source.rows
    lacking = next((n for n in range(len(rows)) if len(rows.store[n].scores) < 2), None)
    if lacking is None:
        return
    raise UserError(
        "row {number} has no teacher's scores of a positive and a hard negative",
        place=rows.summary.paths[0],
        hint="distill needs hard negatives: set data.max_hard_negatives to null"
        if max_hard_negatives == 0
        else 'distill needs them ("scores": [positive, negative, …]), or set loss.teacher_model',
        number=lacking + 1,
    )


def build_loss(model: SentenceTransformer, config: RunConfig, training: TrainingRows) -> BatchLoss:
    """The loss of a run; that of several files is the weighted loss of the file that a batch is of."""
    chosen = list(zip(training.sources, training.settings(config), strict=True))
    parts = [_build(settings, model, config, len(source.rows.labels)) for source, settings in chosen]
    weights = [source.weight for source in training.sources]
    loss = parts[0] if weights == [1.0] else WeightedLosses(model, parts, weights=weights)
    in_turns = any(LOSSES[source.loss].in_turns for source in training.sources)
    loss.texts_at_once = config.train.micro_batch_size or (CACHED_MICRO_BATCH if in_turns else None)
    return loss


def _build(settings: LossSection, model: SentenceTransformer, config: RunConfig, classes: int) -> BatchLoss:
    made = made_by_builder(settings, LossContext(model=model, config=config, classes=classes))
    if isinstance(settings, CutSection):
        made.widths = _widths(settings, model)
    return made


def made_by_builder(settings: LossSection, context: LossContext) -> BatchLoss:
    """What the builder of the loss's line in the registry makes."""
    module, _, function = LOSSES[settings.name].builder.partition(".")
    builder = getattr(importlib.import_module(f"{__package__}.{module}"), function)
    made: BatchLoss = builder(settings, context)
    return made


def _widths(settings: CutSection, model: SentenceTransformer) -> tuple[int, ...]:
    whole = whole_width(model)
    widths = tuple(sorted(set(settings.matryoshka_dims or ()), reverse=True))
    if widths and widths[0] > whole:
        raise UserError(
            "loss.matryoshka_dims holds {width}, but the model's vectors have {whole} numbers",
            width=widths[0],
            whole=whole,
        )
    return tuple(width for width in widths if width < whole)
