"""Everything before the first byte is written: config, rows and model checked, loaded and counted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import UserError
from embedkit.models import ModelSource
from embedkit.trainer import distributed, processes
from embedkit.trainer import resume as runs
from embedkit.trainer.batch import BatchPlan, PairCollator
from embedkit.trainer.card import data_hash
from embedkit.trainer.config import RunConfig
from embedkit.trainer.data import Rows, epoch_batches, find_dev, find_pairs, read_rows, sample_rows
from embedkit.trainer.dev import DevSet, features_of, make_dev_set, on_device
from embedkit.trainer.encoder import find_model, prepare_model, prompts_of
from embedkit.trainer.loop import require_packages
from embedkit.trainer.losses import BatchLoss, build_loss
from embedkit.trainer.memory import fitting, texts_in
from embedkit.trainer.precision import Precision, choose_device, choose_precision

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LENGTH_SAMPLE_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens per text of a sample, before cutting; `cut_share` of them are longer than `limit`."""

    limit: int
    median: int
    p95: int
    longest: int
    cut_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """What a run would do: what the dry run tells."""

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
    batch_size: int
    effective_batch_size: int
    negatives_per_anchor: float
    negatives_per_anchor_on_device: float
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
    rows: Rows
    dev: DevSet | None
    dev_collator: PairCollator | None
    model: SentenceTransformer
    loss: BatchLoss
    collator: PairCollator
    precision: Precision
    plan: TrainPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    config: RunConfig
    source: ModelSource
    rows: Rows
    dev_rows: Rows | None


def run_folder(config: RunConfig) -> Path:
    """Where the run lies."""
    return Path(config.output.save_dir) / config.output.save_name


def prepare(config: RunConfig, *, resume: bool, force: bool) -> Ready:
    """Check and load a run; nothing is written.

    Raises:
        UserError: whatever is wrong, the cheapest to find first.
    """
    folder = run_folder(config)
    _require_free(folder, resume=resume, force=force)
    inputs = _find_inputs(config)
    ready = _load(inputs, folder)
    if resume:
        runs.require_same_config(folder, ready.config)
        _require_same_rows(folder, ready.rows)
    return ready


def _require_free(folder: Path, *, resume: bool, force: bool) -> None:
    if resume and force:
        raise UserError("--resume goes on with a run, --force replaces it", hint="give one of them")
    if resume and (folder / runs.MODEL).is_dir():
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


def _require_same_rows(folder: Path, rows: Rows) -> None:
    before = data_hash(folder)
    if before and before != rows.summary.sha256:
        raise UserError(
            "the rows have changed since the run began",
            place=rows.summary.path,
            hint="put the file back, or start anew with --force",
        )


def _find_inputs(config: RunConfig) -> _Inputs:
    require_packages(config)
    device = choose_device(config.device)
    distributed.join(device)
    source = find_model(config)
    pairs_path = find_pairs(config.data)
    dev_path = find_dev(config.data, pairs_path)
    _require_dev_rows(config, dev_path)
    rows = read_rows(pairs_path, config.data)
    whole = config.data.model_copy(update={"stream": False, "max_rows": None})
    data = config.data.model_copy(update={"pairs_path": pairs_path, "dev_path": dev_path})
    return _Inputs(
        config=config.model_copy(update={"data": data, "device": device}),
        source=source,
        rows=rows,
        dev_rows=read_rows(dev_path, whole) if dev_path else None,
    )


def _require_dev_rows(config: RunConfig, dev_path: str | None) -> None:
    for name in ("best_metric", "early_stopping_patience", "eval_steps"):
        if dev_path is None and getattr(config.train, name) is not None:
            raise UserError(
                f"train.{name} needs dev rows, and there are none",
                hint="embedkit compose --split writes pairs.dev.jsonl; or set data.dev_path",
            )


def _load(inputs: _Inputs, folder: Path) -> Ready:
    from transformers import set_seed

    config, rows = inputs.config, inputs.rows
    set_seed(config.seed)
    model = prepare_model(config, inputs.source, device=config.device)
    loss = build_loss(model, config.train).to(model.device)
    distributed.same_weights(loss.parameters())
    prompts, multiple = prompts_of(model), config.train.pad_to_multiple_of
    share = (processes.rank(), processes.world_size())
    collator = PairCollator(model, rows, prompts=prompts, pad_to_multiple_of=multiple, share=share)
    numbers = next(iter(epoch_batches(rows, config.train, seed=config.seed, devices=share[1])))
    groups, first = features_of(on_device(collator(numbers), model.device))
    fitting(loss, texts_in(groups), lambda: _require_gradients(loss, collator, rows))
    precision = fitting(
        loss,
        texts_in(groups),
        lambda: choose_precision(config.dtype, device=config.device, loss=loss, features=groups, plan=first),
    )
    dev = make_dev_set(inputs.dev_rows, rows, seed=config.seed) if inputs.dev_rows else None
    dev_collator = (
        PairCollator(model, dev.rows, prompts=prompts, pad_to_multiple_of=multiple) if dev else None
    )
    config = config.model_copy(update={"dtype": precision.dtype})
    alone = features_of(collator(numbers[: config.train.batch_size]))[1]
    negatives = (_negatives(first), _negatives(alone))
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
    )


def _negatives(plan: BatchPlan) -> float:
    """Mean number of texts of other concepts that an anchor of the batch is told apart from."""
    return float((~plan.same_concept).sum(dim=1).float().mean())


def _require_gradients(loss: BatchLoss, collator: PairCollator, rows: Rows) -> None:
    """A model that is frozen, or runs under no_grad, would train for hours and learn nothing."""
    loss.train()
    groups, plan = features_of(on_device(collator(range(min(2, len(rows)))), next(loss.parameters()).device))
    if not loss(groups, plan).requires_grad:
        raise UserError(
            "nothing would be trained: the loss reaches no weight that may change",
            hint="check train.freeze_layers; a model with code of its own may run under no_grad",
        )


def _plan(
    config: RunConfig,
    folder: Path,
    inputs: _Inputs,
    model: SentenceTransformer,
    precision: Precision,
    *,
    negatives: tuple[float, float],
) -> TrainPlan:
    train, summary = config.train, inputs.rows.summary
    devices = processes.world_size()
    batches = epoch_batches(inputs.rows, train, seed=config.seed, devices=devices)
    steps = -(-len(batches) // train.grad_accum_steps)
    weights = list(model.parameters())
    return TrainPlan(
        run=str(folder),
        model=str(inputs.source),
        device=config.device,
        dtype=precision.dtype,
        dtype_reason=precision.reason,
        loss=train.loss,
        rows=summary.rows,
        concepts=summary.concepts,
        hard_negatives=summary.hard_negatives,
        dev_rows=len(inputs.dev_rows) if inputs.dev_rows else 0,
        processes=devices,
        batch_size=train.batch_size,
        effective_batch_size=train.batch_size * devices * train.grad_accum_steps,
        negatives_per_anchor=negatives[0],
        negatives_per_anchor_on_device=negatives[1],
        epochs=train.epochs,
        steps_per_epoch=steps,
        steps=steps * train.epochs,
        parameters=sum(p.numel() for p in weights),
        trained_parameters=sum(p.numel() for p in weights if p.requires_grad),
        lengths=_lengths(model, inputs.rows, seed=config.seed),
    )


def _lengths(model: SentenceTransformer, rows: Rows, *, seed: int) -> Lengths | None:
    """None where the model has no Hugging Face tokenizer or reads texts of any length."""
    from transformers import PreTrainedTokenizerBase

    limit, tokenizer = model.max_seq_length, getattr(model, "tokenizer", None)
    if limit is None or not isinstance(tokenizer, PreTrainedTokenizerBase):
        return None
    query, document = prompts_of(model)
    texts: list[str] = []
    for pair in sample_rows(rows, limit=LENGTH_SAMPLE_ROWS, seed=seed):
        texts += [query + pair.anchor, *(document + text for text in (pair.positive, *pair.hard_negatives))]
    lengths = np.array(
        [len(ids) for ids in tokenizer(list(dict.fromkeys(texts)), truncation=False)["input_ids"]]
    )
    return Lengths(
        limit=limit,
        median=int(np.median(lengths)),
        p95=int(np.quantile(lengths, 0.95)),
        longest=int(lengths.max()),
        cut_share=float((lengths > limit).mean()),
    )
