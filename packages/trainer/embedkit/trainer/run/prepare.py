"""Everything before the first byte is written: config, rows and model checked, loaded and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import set_seed

from embedkit.errors import UserError
from embedkit.models.resolve import ModelSource, weights_hash
from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.losses.build import build_loss, require_settings
from embedkit.trainer.losses.sections import LossSection, PairScoreSection
from embedkit.trainer.model.load import find_model, layers_of, prepare_model, prompts_of
from embedkit.trainer.model.precision import DTypeName, Precision, autocast, choose_device, choose_precision
from embedkit.trainer.model.translations import translated_texts
from embedkit.trainer.model.vocabulary import (
    NewVocabulary,
    VocabularySource,
    Wanted,
    choose_vocabulary,
    described,
    extension_of,
    has_hangul,
    texts_to_learn_from,
)
from embedkit.trainer.model.weight_average import WeightAverage
from embedkit.trainer.rows.fit import losses_for
from embedkit.trainer.rows.parallel import PARALLEL_LOSSES, everyday_sentences
from embedkit.trainer.rows.paths import find_dev, find_known_dev, find_sources
from embedkit.trainer.rows.sampling import is_by_concept
from embedkit.trainer.rows.sources import TrainingRows, read_training_rows
from embedkit.trainer.rows.store import Rows, read_rows
from embedkit.trainer.run import resume as runs
from embedkit.trainer.run.environment import require_same_start, saved_tokens
from embedkit.trainer.run.plan import (
    Negatives,
    TrainPlan,
    count_negatives,
    learns_own_scores,
    make_plan,
    run_path,
)
from embedkit.trainer.step import distributed, processes, sharding
from embedkit.trainer.step.batch import (
    Features,
    MixedCollator,
    Plan,
    RowCollator,
    StepInputs,
    features_of,
    make_collator,
    on_device,
    texts_in,
)
from embedkit.trainer.step.cross_batch import CrossCollator
from embedkit.trainer.step.forward import encode_batch
from embedkit.trainer.step.loop import USUAL_EPOCHS
from embedkit.trainer.step.memory import fitting
from embedkit.trainer.step.optimiser import NEEDS_BITSANDBYTES
from embedkit.trainer.watch.cross_metrics import CrossEvaluator, make_reranking, make_search
from embedkit.trainer.watch.dev_evaluation import Evaluator
from embedkit.trainer.watch.dev_metrics import DevEvaluator, make_dev_set, make_known_set
from embedkit.trainer.watch.everyday import everyday_pairs

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Epochs that are passes over all rows, where nothing tells when to stop.
USUAL_PASSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun:
    """A run loaded and checked. `config` has its automatic values filled in; `base_weights` is their hash."""

    config: RunConfig
    folder: Path
    plan: TrainPlan
    inputs: StepInputs
    average: WeightAverage
    dev: Evaluator | None
    base_weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the config names: `dev_source` is the number of the source whose loss the dev rows are measured with."""

    config: RunConfig
    source: ModelSource
    rows: TrainingRows
    dev_rows: Rows | None
    dev_source: int | None
    known_rows: Rows | None


def prepare(config: RunConfig, *, resume: bool, force: bool) -> PreparedRun:
    """Check and load a run; nothing is written.

    Raises:
        UserError: whatever is wrong, the cheapest to find first.
    """
    folder = run_path(config)
    runs.require_free(folder, resume=resume, force=force)
    found = _find_inputs(config)
    run = _load(found, folder, tokens=saved_tokens(folder) if resume else ())
    if resume:
        runs.require_same_config(folder, run.config)
        require_same_start(folder, run.config, rows=found.rows.summary, base_weights=run.base_weights)
    return run


def _find_inputs(config: RunConfig) -> _Found:
    _require_packages(config)
    device = choose_device(config.device)
    distributed.join(device)
    source = find_model(config)
    rows = read_training_rows(config)
    require_settings(config, rows)
    pairs_path = None if config.data.sources else find_sources(config)[0][0]
    dev_path = find_dev(config.data, pairs_path)
    embeds = config.train.model == "embedding"
    known_path = find_known_dev(config.data, pairs_path) if embeds else None
    _require_dev_rows(config, dev_path or known_path)
    dev_rows, dev_source = _read_dev(config, dev_path, rows) if dev_path else (None, None)
    known_rows = read_rows(known_path, _whole(config), check=False) if known_path else None
    config = _with_end(config, rows, known=known_rows is not None)
    data = config.data.model_copy(update={"pairs_path": pairs_path, "dev_path": dev_path})
    return _Found(
        config=config.model_copy(update={"data": data, "device": device}),
        source=source,
        rows=rows,
        dev_rows=dev_rows,
        dev_source=dev_source,
        known_rows=known_rows,
    )


def _with_end(config: RunConfig, rows: TrainingRows, *, known: bool) -> RunConfig:
    """The config with a number of epochs where no known dev rows tell when to stop, and its scheduler by its name."""
    train, optim = config.train, config.optim
    if train.epochs == "auto" and not known:
        visits = all(is_by_concept(source.rows, train, source.loss) for source in rows.sources)
        train = train.model_copy(update={"epochs": USUAL_EPOCHS if visits else USUAL_PASSES})
    if optim.scheduler == "auto":
        named = "warmup_stable_decay" if train.epochs == "auto" else "linear"
        optim = optim.model_copy(update={"scheduler": named})
    return config.model_copy(update={"train": train, "optim": optim})


def _whole(config: RunConfig) -> DataSection:
    return config.data.model_copy(update={"stream": False, "max_rows": None})


def _require_packages(config: RunConfig) -> None:
    """Raise `UserError` when a tracker or an optimiser that the config names is not installed."""
    wanted: dict[str, str] = {name: f"output.report_to {name}" for name in config.output.report_to}
    if config.optim.name in NEEDS_BITSANDBYTES:
        wanted["bitsandbytes"] = f"optim.name {config.optim.name}"
    for package, setting in wanted.items():
        if find_spec(package) is None:
            raise UserError(
                "{setting} needs the package {package!r}, which is not installed",
                hint="pip install {package}, or change {key}",
                setting=setting,
                package=package,
                key=setting.split()[0],
            )


def _require_dev_rows(config: RunConfig, dev_path: str | None) -> None:
    for name in ("best_metric", "early_stopping_patience", "eval_steps"):
        if dev_path is None and getattr(config.train, name) is not None:
            raise UserError(
                "train.{name} needs dev rows, and there are none",
                hint="embedkit compose --split writes pairs.dev.jsonl; or set data.dev_path",
                name=name,
            )


def _read_dev(config: RunConfig, path: str, rows: TrainingRows) -> tuple[Rows, int | None]:
    """The dev rows as the first loss that fits them wants them, and the number of its source."""
    whole = _whole(config)
    shape = read_rows(path, whole.model_copy(update={"max_rows": 1}), check=False).shape
    fitting = (n for n, source in enumerate(rows.sources) if source.loss in losses_for(shape))
    number = next(fitting, None)
    if number is None:
        return read_rows(path, whole, check=False), None
    source = rows.sources[number]
    read = read_rows(path, whole, loss=source.loss, check=False)
    if strange := sorted(map(str, set(read.labels) - set(source.rows.labels))):
        raise UserError("labels that no training row has: {labels}", place=path, labels=", ".join(strange))
    if learns_own_scores(config, number) or shape == "texts":
        return read, None
    return read, number


def _load(found: _Found, folder: Path, *, tokens: Sequence[str]) -> PreparedRun:
    config, rows = found.config, found.rows
    set_seed(config.seed)
    vocabulary = VocabularySource(
        partial(_vocabulary, rows, wanted=_wanted_tokens(config), tokens=tokens),
        partial(translated_texts, rows),
    )
    model = prepare_model(config, found.source, device=config.device, vocabulary=vocabulary)
    rows = _beside_parallel(rows, model, config)
    loss: BatchLoss = build_loss(model, config, rows).to(model.device)
    distributed.same_weights(loss.parameters())
    inputs = StepInputs(rows=rows, collator=_collator(config, rows, loss), loss=loss)
    devices = processes.world_size()
    numbers = next(iter(found.rows.batches(config.train, seed=config.seed, devices=devices)))
    groups, first = features_of(on_device(inputs.collator(numbers), model.device))
    fitting(loss, texts_in(groups), lambda: _require_gradients(loss, groups, first))
    probe = partial(_loss_in, loss, groups, first)
    precision = fitting(
        loss, texts_in(groups), lambda: choose_precision(config.dtype, device=config.device, first_loss=probe)
    )
    if sharding.wanted():
        _split(loss, config.device, precision)
    config = config.model_copy(update={"dtype": precision.dtype})
    alone = features_of(inputs.collator(numbers[: config.train.batch_size]))[1]
    average = WeightAverage(model, config.train.base_share)
    plan = make_plan(
        config,
        inputs,
        model=str(found.source),
        precision=precision,
        negatives=Negatives(
            together=count_negatives(first, config, inputs), alone=count_negatives(alone, config, inputs)
        ),
        dev_rows=(len(found.dev_rows or ()), len(found.known_rows or ())),
    )
    return PreparedRun(
        config=config,
        folder=folder,
        plan=plan,
        inputs=inputs,
        average=average,
        dev=_dev(found, config, loss, average),
        base_weights=weights_hash(found.source.path),
    )


def _beside_parallel(rows: TrainingRows, model: SentenceTransformer, config: RunConfig) -> TrainingRows:
    """The rows and the everyday sentences of the language that the model has new tokens for, where the loss fits."""
    share, extension = config.train.parallel_share, extension_of(model)
    if not share or extension is None or config.losses[0].name not in PARALLEL_LOSSES:
        return rows
    sentences = everyday_sentences("ko") if has_hangul(extension.vocabulary.tokens) else None
    return rows.with_parallel(sentences, share=share) if sentences else rows


def _wanted_tokens(config: RunConfig) -> Wanted:
    """New tokens that the config asks for: none by itself under tsdae, whose decoder has the base model's."""
    wanted = config.train.extend_vocabulary
    return "off" if wanted == "auto" and any(loss.name == "tsdae" for loss in config.losses) else wanted


def _vocabulary(
    rows: TrainingRows, tokenizer: Any, *, wanted: Wanted, tokens: Sequence[str]
) -> NewVocabulary | None:
    """The run's new tokens: those that it began with, else those that its rows deserve."""
    texts = list(texts_to_learn_from(rows)) if wanted != "off" else []
    return described(tokenizer, tokens, texts) if tokens else choose_vocabulary(tokenizer, texts, wanted)


def _collator(config: RunConfig, rows: TrainingRows, loss: BatchLoss) -> MixedCollator:
    options = {**_options(config, loss), "share": (processes.rank(), processes.world_size())}
    parts = [
        _made_collator(settings, loss, source.rows, **options)
        for settings, source in zip(rows.settings(config), rows.sources, strict=True)
    ]
    return MixedCollator(rows, parts)


def _made_collator(settings: LossSection, loss: BatchLoss, rows: Rows, **options: Any) -> RowCollator:
    """The collator of the rows of a source, or of dev rows that are measured with its loss."""
    if isinstance(settings, PairScoreSection):
        own = {"in_batch_negatives": settings.in_batch_negatives}
        return CrossCollator(loss.model, rows, **own, **options)
    return make_collator(loss.model, rows, **options)


def _options(config: RunConfig, loss: BatchLoss) -> dict[str, Any]:
    return {"prompts": prompts_of(loss.model), "pad_to_multiple_of": config.train.pad_to_multiple_of}


def _loss_in(loss: BatchLoss, groups: list[Features], plan: Plan, dtype: DTypeName) -> float:
    """The loss of a batch when the forward pass is computed in `dtype`."""
    was_training = loss.training
    loss.eval()
    with torch.no_grad(), autocast(loss.model.device.type, dtype):
        value = float(loss([dict(group) for group in groups], plan))
    loss.train(was_training)
    return value


def _dev(found: _Found, config: RunConfig, loss: BatchLoss, average: WeightAverage) -> Evaluator | None:
    dev, known, number = found.dev_rows, found.known_rows, found.dev_source
    rows = dev or known
    if rows is None or rows.shape == "texts":  # nothing says what they are like
        return None
    options = _options(config, loss)
    if config.train.model == "cross_encoder":
        return _cross_dev(found, config, loss, average)
    if rows.labels and number is not None:  # the classes keep the numbers that they have in training
        options["labels"] = found.rows.sources[number].rows.labels
    return DevEvaluator(
        dev=make_dev_set(dev, found.rows, source=number, seed=config.seed) if dev else None,
        known=make_known_set(known, seed=config.seed) if known else None,
        everyday=everyday_pairs(known) if known else (),
        collator=make_collator(loss.model, rows, **options),
        loss=loss,
        average=average,
        batch_size=config.train.batch_size,
        dtype=config.dtype,
    )


def _cross_dev(
    found: _Found, config: RunConfig, loss: BatchLoss, average: WeightAverage
) -> CrossEvaluator | None:
    rows, number = found.dev_rows, found.dev_source
    if rows is None or rows.shape not in ("pairs", "scored_pairs"):
        return None
    dev = make_dev_set(rows, found.rows, source=number, seed=config.seed)
    return CrossEvaluator(
        dev=dev,
        texts=make_reranking(dev) if rows.shape == "pairs" else None,
        search=make_search(make_known_set(found.known_rows, seed=config.seed) if found.known_rows else dev)
        if rows.shape == "pairs"
        else None,
        collator=_made_collator(config.losses[number or 0], loss, rows, **_options(config, loss)),
        loss=loss,
        average=average,
        batch_size=config.train.batch_size,
        dtype=config.dtype,
    )


def _split(loss: BatchLoss, device: str, precision: Precision) -> None:
    if precision.dtype == "float16":
        raise UserError(
            "float16 is not trained with split weights (FSDP)", hint="set dtype to float32 or bfloat16"
        )
    sharding.split(loss, layers_of(loss.model), device)


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
