"""What a run would do, in numbers: printed before it starts, and by the dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedkit.data.records import texts_of
from embedkit.models.readable import read
from embedkit.text import language_of
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.sections import DistillSection
from embedkit.trainer.model.lengths import Lengths, measure_lengths
from embedkit.trainer.model.precision import Precision
from embedkit.trainer.model.vocabulary import NewVocabulary, extension_of
from embedkit.trainer.rows.sources import TrainingRows
from embedkit.trainer.step import processes, sharding
from embedkit.trainer.step.batch import BatchPlan, ColumnPlan, Plan, StepInputs
from embedkit.trainer.step.cross_batch import CrossPlan

# Rows whose texts tell whether the tokenizer can read them.
SAMPLED_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Negatives:
    """Mean number of negatives of an anchor: among the texts of all processes, and of one alone. None: the loss
    compares no anchor with a batch.
    """

    together: float | None
    alone: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """What a run would do. `rows_per_step` is a mean: the last batch may be a part of one. `epochs` and `steps` are the
    most where `ends_when_flat`: known recall that stops rising ends the run. `unreadable_share` of the rows' pieces
    means nothing to the tokenizer, its new tokens counted in; `languages` are those of the rows, which the
    `parallel_sentences` are trained beside.
    """

    run: str
    model: str
    device: str
    dtype: str
    dtype_reason: str
    losses: tuple[str, ...]
    rows: int
    concepts: int
    hard_negatives: int
    dev_rows: int
    known_dev_rows: int
    processes: int
    split_weights: bool
    dropped: Mapping[str, int]
    batch_size: int
    effective_batch_size: int
    rows_per_step: float
    negatives_per_anchor: float | None
    negatives_per_anchor_on_device: float | None
    epochs: int
    ends_when_flat: bool
    steps_per_epoch: int
    steps: int
    parameters: int
    trained_parameters: int
    lengths: Lengths | None
    vocabulary: NewVocabulary | None
    parallel_sentences: int
    unreadable_share: float
    languages: tuple[str, ...]

    @property
    def loss(self) -> str:
        """The losses as a person reads them."""
        return ", ".join(self.losses)

    def to_object(self) -> dict[str, Any]:
        """The JSON form."""
        values: dict[str, Any] = {
            ("loss" if k == "losses" else k): self.loss if k == "losses" else v
            for k, v in asdict(self).items()
        }
        if self.vocabulary is not None:
            values["vocabulary"]["tokens"] = len(self.vocabulary.tokens)
        return values


def run_path(config: RunConfig) -> Path:
    """Where the run lies."""
    return Path(config.output.save_dir) / config.output.save_name


def make_plan(
    config: RunConfig,
    inputs: StepInputs,
    *,
    model: str,
    precision: Precision,
    negatives: Negatives,
    dev_rows: tuple[int, int],
) -> TrainPlan:
    """Count what the run of `config` would do; `model` is where the base model is, `dev_rows` are counts of the dev
    rows and of the known dev rows.
    """
    train, summary, network = config.train, inputs.rows.summary, inputs.loss.model
    devices = processes.world_size()
    batches = inputs.rows.batches(train, seed=config.seed, devices=devices)
    steps = -(-len(batches) // train.grad_accum_steps)
    epochs = train.max_epochs if train.epochs == "auto" else train.epochs
    weights, texts = list(network.parameters()), _sampled_texts(inputs.rows.own)
    return TrainPlan(
        run=str(run_path(config)),
        model=model,
        device=config.device,
        dtype=precision.dtype,
        dtype_reason=precision.reason,
        losses=tuple(dict.fromkeys(source.loss for source in inputs.rows.sources)),
        rows=summary.rows,
        concepts=summary.concepts,
        hard_negatives=summary.hard_negatives,
        dev_rows=dev_rows[0],
        known_dev_rows=dev_rows[1],
        processes=devices,
        split_weights=sharding.is_split(network),
        dropped=summary.dropped,
        batch_size=train.batch_size,
        effective_batch_size=train.batch_size * devices * train.grad_accum_steps,
        rows_per_step=batches.rows / steps,
        negatives_per_anchor=negatives.together,
        negatives_per_anchor_on_device=negatives.alone,
        epochs=epochs,
        ends_when_flat=train.epochs == "auto",
        steps_per_epoch=steps,
        steps=steps * epochs,
        parameters=sum(p.numel() for p in weights),
        trained_parameters=sum(p.numel() for p in weights if p.requires_grad),
        lengths=measure_lengths(network, inputs.rows.own, seed=config.seed),
        vocabulary=table.vocabulary if (table := extension_of(network)) else None,
        parallel_sentences=len(inputs.rows.parallel.rows) if inputs.rows.parallel else 0,
        unreadable_share=_unreadable_share(inputs, texts),
        languages=tuple(sorted(set(map(language_of, texts)))),
    )


def _sampled_texts(rows: TrainingRows) -> list[str]:
    """The texts of some rows, evenly spaced."""
    every = max(1, len(rows) // SAMPLED_ROWS)
    return [text for number in range(0, len(rows), every) for text in texts_of(rows.store[number])]


def _unreadable_share(inputs: StepInputs, texts: Sequence[str]) -> float:
    """The share of the texts' pieces that mean nothing to the tokenizer with its new tokens; 0 where it is slow."""
    tokenizer = getattr(inputs.loss.model.tokenizer, "backend_tokenizer", None)
    return read(tokenizer, texts).share if tokenizer is not None else 0.0


def count_negatives(plan: Plan, config: RunConfig, inputs: StepInputs) -> float | None:
    """Mean number of texts of other concepts, or labels, that are negatives of an anchor of the batch; None where
    the loss compares no anchor with a batch.
    """
    source = inputs.rows.sources[plan.source]
    if isinstance(plan, BatchPlan):
        apart = ~plan.same_concept
        if learns_own_scores(config, plan.source):
            apart = apart & plan.own
    elif isinstance(plan, CrossPlan) and source.rows.shape == "pairs":
        apart = plan.counted & (plan.labels == 0)
    elif isinstance(plan, ColumnPlan) and source.rows.shape == "labelled":
        apart = plan.labels[:, None] != plan.labels[None, :]
    else:
        return None
    return float(apart.sum(dim=1).float().mean())


def learns_own_scores(config: RunConfig, source: int) -> bool:
    """Whether the loss of a source learns the scores that stand in its rows."""
    settings = config.losses[source]
    return isinstance(settings, DistillSection) and settings.teacher_model is None
