"""Everything before the first byte is written: config, rows and model checked, loaded and counted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from embedkit.data import run_folder
from embedkit.errors import UserError
from embedkit.models.resolve import ModelSource, weights_hash
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.losses.build import build_loss, require_settings
from embedkit.trainer.losses.sections import DistillSection
from embedkit.trainer.model.load import find_model, layers_of, prepare_model, prompts_of
from embedkit.trainer.model.precision import Precision, choose_device, choose_precision
from embedkit.trainer.model.weight_average import Blend
from embedkit.trainer.rows.fit import losses_for
from embedkit.trainer.rows.lengths import Lengths, measure_lengths
from embedkit.trainer.rows.sources import Mixture, find_sources, read_mixture
from embedkit.trainer.rows.store import Rows, find_dev, read_rows
from embedkit.trainer.run import resume as runs
from embedkit.trainer.run.card import start_of
from embedkit.trainer.step import distributed, processes, sharding
from embedkit.trainer.step.batch import (
    BatchPlan,
    ColumnPlan,
    Features,
    MixedCollator,
    Plan,
    RowCollator,
    make_collator,
)
from embedkit.trainer.step.forward import encode_batch
from embedkit.trainer.step.loop import require_packages
from embedkit.trainer.step.memory import fitting, texts_in
from embedkit.trainer.watch.dev_metrics import DevSet, features_of, make_dev_set, on_device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """What a run would do: what the dry run tells. `rows_per_step` is a mean: the last batch may be a part of one."""

    run: str
    model: str
    device: str
    dtype: str
    dtype_reason: str
    loss: str
    rows: int
    concepts: int
    hard_negatives: int
    dev_rows: int
    processes: int
    split_weights: bool
    dropped: Mapping[str, int]
    batch_size: int
    effective_batch_size: int
    rows_per_step: float
    negatives_per_anchor: float | None
    negatives_per_anchor_on_device: float | None
    epochs: int
    steps_per_epoch: int
    steps: int
    parameters: int
    trained_parameters: int
    lengths: Lengths | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A run loaded and checked. `config` has its automatic values filled in."""

    config: RunConfig
    folder: Path
    rows: Mixture
    dev: DevSet | None
    dev_collator: RowCollator | None
    model: SentenceTransformer
    loss: BatchLoss
    collator: MixedCollator
    precision: Precision
    plan: TrainPlan
    blend: Blend
    base_weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    config: RunConfig
    source: ModelSource
    rows: Mixture
    dev_rows: Rows | None
    dev_source: int | None


def run_path(config: RunConfig) -> Path:
    """Where the run lies."""
    return Path(config.output.save_dir) / config.output.save_name


def prepare(config: RunConfig, *, resume: bool, force: bool) -> Ready:
    """Check and load a run; nothing is written.

    Raises:
        UserError: whatever is wrong, the cheapest to find first.
    """
    folder = run_path(config)
    _require_free(folder, resume=resume, force=force)
    inputs = _find_inputs(config)
    ready = _load(inputs, folder)
    if resume:
        runs.require_same_config(folder, ready.config)
        _require_same_start(ready)
    return ready


def _require_free(folder: Path, *, resume: bool, force: bool) -> None:
    if resume and force:
        raise UserError("--resume goes on with a run, --force replaces it", hint="give one of them")
    if resume and (folder / run_folder.MODEL).is_dir():
        raise UserError("the run is complete already", place=str(folder), hint="--force starts it anew")
    if not (resume or force) and runs.exists(folder):
        raise UserError(
            "there is a run here already",
            place=str(folder),
            hint="--resume goes on with it, --force replaces it",
        )
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise UserError("cannot write here", place=str(folder), hint="choose another output.save_dir")
    runs.require_unheld(folder)


def _require_same_start(ready: Ready) -> None:
    before = start_of(ready.folder)
    if before.rows not in ("", ready.rows.summary.sha256):
        raise UserError(
            "the rows have changed since the run began",
            place=ready.rows.summary.path,
            hint="put the file back, or start anew with --force",
        )
    if before.base_weights not in ("", ready.base_weights):
        raise UserError(
            "the base model has changed since the run began",
            place=ready.config.model_id,
            hint="put it back, or start anew with --force",
        )
    if before.processes not in (0, processes.world_size()):
        raise UserError(
            "the run began with {before} processes, and these are {now}: its batches would be others",
            place=str(ready.folder),
            hint="start as many, or start anew with --force",
            before=before.processes,
            now=processes.world_size(),
        )


def _find_inputs(config: RunConfig) -> _Inputs:
    require_packages(config)
    device = choose_device(config.device)
    distributed.join(device)
    source = find_model(config)
    rows = read_mixture(config)
    require_settings(config, rows)
    pairs_path = None if config.data.sources else find_sources(config)[0][0]
    dev_path = find_dev(config.data, pairs_path)
    _require_dev_rows(config, dev_path)
    dev_rows, dev_source = _read_dev(config, dev_path, rows) if dev_path else (None, None)
    data = config.data.model_copy(update={"pairs_path": pairs_path, "dev_path": dev_path})
    return _Inputs(
        config=config.model_copy(update={"data": data, "device": device}),
        source=source,
        rows=rows,
        dev_rows=dev_rows,
        dev_source=dev_source,
    )


def _require_dev_rows(config: RunConfig, dev_path: str | None) -> None:
    for name in ("best_metric", "early_stopping_patience", "eval_steps"):
        if dev_path is None and getattr(config.train, name) is not None:
            raise UserError(
                "train.{name} needs dev rows, and there are none",
                hint="embedkit compose --split writes pairs.dev.jsonl; or set data.dev_path",
                name=name,
            )


def _read_dev(config: RunConfig, path: str, rows: Mixture) -> tuple[Rows, int | None]:
    """The dev rows as the first loss that fits them wants them, and the number of its source."""
    whole = config.data.model_copy(update={"stream": False, "max_rows": None})
    shape = read_rows(path, whole.model_copy(update={"max_rows": 1}), check=False).shape
    fitting = (n for n, source in enumerate(rows.sources) if source.loss in losses_for(shape))
    number = next(fitting, None)
    if number is None:
        return read_rows(path, whole, check=False), None
    source = rows.sources[number]
    read = read_rows(path, whole, loss=source.loss, check=False)
    if strange := sorted(map(str, set(read.labels) - set(source.rows.labels))):
        raise UserError("labels that no training row has: {labels}", place=path, labels=", ".join(strange))
    if _learns_own_scores(config, number):
        return read, None
    return read, number


def _learns_own_scores(config: RunConfig, number: int) -> bool:
    settings = config.losses[number]
    return isinstance(settings, DistillSection) and settings.teacher_model is None


def _load(inputs: _Inputs, folder: Path) -> Ready:
    from transformers import set_seed

    config, rows = inputs.config, inputs.rows
    set_seed(config.seed)
    model = prepare_model(config, inputs.source, device=config.device)
    loss = build_loss(model, config, rows).to(model.device)
    distributed.same_weights(loss.parameters())
    options = {"prompts": prompts_of(model), "pad_to_multiple_of": config.train.pad_to_multiple_of}
    share = (processes.rank(), processes.world_size())
    parts = [make_collator(model, source.rows, **options, share=share) for source in rows.sources]
    collator = MixedCollator(rows, parts)
    numbers = next(iter(rows.batches(config.train, seed=config.seed, devices=share[1])))
    groups, first = features_of(on_device(collator(numbers), model.device))
    fitting(loss, texts_in(groups), lambda: _require_gradients(loss, groups, first))
    precision = fitting(
        loss,
        texts_in(groups),
        lambda: choose_precision(config.dtype, device=config.device, loss=loss, features=groups, plan=first),
    )
    if sharding.wanted():
        _split(loss, config.device, precision)
    dev, dev_collator = _dev(inputs, model, options)
    config = config.model_copy(update={"dtype": precision.dtype})
    alone = features_of(collator(numbers[: config.train.batch_size]))[1]
    negatives = (_negatives(first, config, rows), _negatives(alone, config, rows))
    plan = _plan(config, folder, inputs, model, precision, negatives=negatives)
    return Ready(
        config=config,
        folder=folder,
        rows=rows,
        dev=dev,
        dev_collator=dev_collator,
        model=model,
        loss=loss,
        collator=collator,
        precision=precision,
        plan=plan,
        blend=Blend(model, config.train.base_share),
        base_weights=weights_hash(inputs.source.path),
    )


def _split(loss: BatchLoss, device: str, precision: Precision) -> None:
    if precision.dtype == "float16":
        raise UserError(
            "float16 is not trained with split weights (FSDP)", hint="set dtype to float32 or bfloat16"
        )
    sharding.split(loss, layers_of(loss.model), device)


def _negatives(plan: Plan, config: RunConfig, rows: Mixture) -> float | None:
    """Mean number of texts of other concepts, or labels, that an anchor of the batch is told apart from; None where
    the loss looks at each row alone.
    """
    source = rows.sources[plan.source]
    if isinstance(plan, BatchPlan):
        apart = ~plan.same_concept
        if _learns_own_scores(config, plan.source):
            apart = apart & plan.own
    elif isinstance(plan, ColumnPlan) and source.rows.shape == "labelled":
        apart = plan.labels[:, None] != plan.labels[None, :]
    else:
        return None
    return float(apart.sum(dim=1).float().mean())


def _dev(
    inputs: _Inputs, model: SentenceTransformer, options: dict[str, Any]
) -> tuple[DevSet | None, RowCollator | None]:
    if inputs.dev_rows is None:
        return None, None
    rows, number = inputs.dev_rows, inputs.dev_source
    if rows.labels and number is not None:  # the classes keep the numbers that they have in training
        options = {**options, "labels": inputs.rows.sources[number].rows.labels}
    dev = make_dev_set(rows, inputs.rows, source=number, seed=inputs.config.seed)
    return dev, make_collator(model, rows, **options)


def _require_gradients(loss: BatchLoss, groups: list[Features], plan: Plan) -> None:
    """A model that is frozen, or runs under no_grad, would train for hours and learn nothing."""
    trained = [parameter for parameter in loss.model.parameters() if parameter.requires_grad]
    if not trained:
        raise UserError(
            "nothing would be trained: every weight of the model is frozen",
            hint="check train.freeze_layers; or the model's own code freezes its weights",
        )
    loss.train()
    with torch.enable_grad():
        copies = [dict(group) for group in groups]
        vectors = encode_batch(loss.model, copies, plan, at_once=loss.texts_at_once)
        found = (
            torch.autograd.grad(vectors.float().sum(), trained, allow_unused=True)
            if vectors.requires_grad
            else [None] * len(trained)
        )
    reached = sum(p.numel() for p, gradient in zip(trained, found, strict=True) if gradient is not None)
    if 2 * reached < sum(p.numel() for p in trained):
        raise UserError(
            "the gradient reaches {reached} of {all} weights: the rest would never learn",
            hint="the model's own code runs its encoder under no_grad: take it without a wrapper; or lower "
            "train.freeze_layers",
            reached=f"{reached:,}",
            all=f"{sum(p.numel() for p in trained):,}",
        )


def _plan(
    config: RunConfig,
    folder: Path,
    inputs: _Inputs,
    model: SentenceTransformer,
    precision: Precision,
    *,
    negatives: tuple[float | None, float | None],
) -> TrainPlan:
    train, summary = config.train, inputs.rows.summary
    devices = processes.world_size()
    batches = inputs.rows.batches(train, seed=config.seed, devices=devices)
    steps = -(-len(batches) // train.grad_accum_steps)
    weights = list(model.parameters())
    return TrainPlan(
        run=str(folder),
        model=str(inputs.source),
        device=config.device,
        dtype=precision.dtype,
        dtype_reason=precision.reason,
        loss=", ".join(dict.fromkeys(source.loss for source in inputs.rows.sources)),
        rows=summary.rows,
        concepts=summary.concepts,
        hard_negatives=summary.hard_negatives,
        dev_rows=len(inputs.dev_rows) if inputs.dev_rows else 0,
        processes=devices,
        split_weights=sharding.is_split(model),
        dropped=summary.dropped,
        batch_size=train.batch_size,
        effective_batch_size=train.batch_size * devices * train.grad_accum_steps,
        rows_per_step=batches.rows / steps,
        negatives_per_anchor=negatives[0],
        negatives_per_anchor_on_device=negatives[1],
        epochs=train.epochs,
        steps_per_epoch=steps,
        steps=steps * train.epochs,
        parameters=sum(p.numel() for p in weights),
        trained_parameters=sum(p.numel() for p in weights if p.requires_grad),
        lengths=measure_lengths(model, inputs.rows, seed=config.seed),
    )
