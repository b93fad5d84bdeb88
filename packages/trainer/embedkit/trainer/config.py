"""What `cfg.json` may hold: every field with its default, unit and limits; the docs are made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, Union

from pydantic import ConfigDict, Field, model_validator

from embedkit.config import ConfigSection, Text, rename_keys
from embedkit.errors import UserError
from embedkit.models.resolve import DEFAULT_MODEL
from embedkit.trainer.losses.registry import LOSSES, SECTIONS, ModelKind
from embedkit.trainer.losses.sections import LossSection

# From so many rows of a concept, on average, encoding its texts once is worth more than shuffled neighbours.
ROWS_OF_A_CONCEPT = 3
DEFAULT_LOSS = next(iter(LOSSES))


def _name_alone_is_enough(schema: dict[str, Any]) -> None:
    schema.pop("discriminator")
    schema["anyOf"] = [*schema.pop("oneOf"), {"enum": list(LOSSES)}]


if TYPE_CHECKING:
    AnyLoss = LossSection
else:
    AnyLoss = Annotated[
        Union[tuple(SECTIONS.values())],  # noqa: UP007 (made at run time)
        Field(discriminator="name", json_schema_extra=_name_alone_is_enough),
    ]
MetricName = Literal[
    "loss",
    "ndcg_at_10",
    "mrr_at_10",
    "recall_at_1",
    "recall_at_10",
    "known_recall_at_1",
    "known_described_recall_at_1",
    "everyday_spearman",
    "pearson",
    "spearman",
    "accuracy",
]


def _with_short_form(schema: dict[str, Any]) -> None:
    short: dict[str, Any] = {"enum": list(LOSSES), "description": "Short form of loss.name."}
    schema["properties"] = {"loss": short, **schema["properties"]}


class TrainSection(ConfigSection):
    """How the rows are fed to the loss, how long training goes on, and what of the model is trained."""

    model_config = ConfigDict(json_schema_extra=_with_short_form)

    model: ModelKind = Field(
        default="embedding",
        description="What is trained. cross_encoder: a model that reads two texts together and scores them, for "
        "--cross-encoder and label --teacher; it takes the losses bce (by default) and lce, and where nothing is said "
        "batches of 32 rows, four hard negatives of each and a learning rate of 5e-5.",
    )
    batch_size: int = Field(
        default=256,
        ge=1,
        le=65536,
        description="Rows per step and device. The other rows' texts are the in-batch negatives.",
    )
    batching: Literal["auto", "concept", "random"] = Field(
        default="auto",
        description="Which rows share a batch. random: any, and an epoch is every row. concept: some rows of a "
        "concept (rows_per_visit) beside those of the concepts that its hard negatives come from, and an epoch is "
        "one visit of every concept. auto: concept with masked_mnrl where concepts have three rows or more on average, "
        "else random: the other losses would take texts of one concept for negatives.",
    )
    rows_per_visit: int | None = Field(
        default=4,
        ge=1,
        description="Rows of a concept in an epoch, where batches are by concept: the next ones of its shuffled rows, "
        "as many of each way of asking (names, question forms, slips, descriptions), languages spread evenly. A "
        "concept of nine rows is visited as often as one of four. null: all.",
    )
    epochs: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto",
        description="With batches by concept visits of each concept, else passes over the rows. auto: until recall@1 "
        "on the known dev rows (pairs.known.dev.jsonl) stops rising, or until concepts outside the training rows (the "
        "dev rows), descriptions or everyday language are clearly worse than with the base model; the best weights "
        "by known recall@1 are kept. "
        "Without known dev rows auto is 10 with batches by concept, else 4.",
    )
    max_epochs: int = Field(default=24, ge=1, description="The most epochs where epochs is auto.")
    max_minutes: float | None = Field(
        default=None,
        gt=0,
        description="About so many minutes of training: after four fifths of them the learning rate falls to 0. null: "
        "any.",
    )
    max_length: int | None = Field(
        default=128,
        ge=4,
        description="Tokens per text; longer texts are cut. It is saved as the model's max_seq_length. By default "
        "no more than the model reads. null: the model's own.",
    )
    grad_accum_steps: int = Field(
        default=1,
        ge=1,
        description="Batches whose gradients are added up before one optimiser step. An anchor's negatives are those "
        "of its own batch only.",
    )
    micro_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Texts that a device encodes at once; those of a larger batch take turns, and are encoded "
        "again in the backward pass (GradCache). Loss, negatives and gradients stay those of the whole batch; a "
        "step needs less memory and takes about a third longer. null: the whole batch, halved where memory runs "
        "out; 32 with cached_mnrl and cached_gist.",
    )
    steps_per_epoch: int | None = Field(
        default=None,
        ge=1,
        description="Optimiser steps per epoch. Each epoch goes on where the last one stopped in the "
        "shuffled rows. null: as many as all rows need.",
    )
    grad_checkpointing: bool = Field(
        default=False,
        description="Recompute activations in the backward pass: less memory, about a third slower.",
    )
    num_workers: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Processes that tokenise batches ahead. 0: in the training process.",
    )
    pad_to_multiple_of: int | None = Field(
        default=None,
        ge=1,
        description="Pad token lengths up to a multiple of this; 8 suits tensor cores. null: no more than"
        " needed.",
    )
    eval_steps: int | None = Field(
        default=None,
        ge=1,
        description="Optimiser steps between two dev evaluations. null: one after each epoch.",
    )
    best_metric: MetricName | None = Field(
        default=None,
        description="Dev metric whose best value decides which weights are kept. null: the last weights are; "
        "known_recall_at_1 where epochs is auto and there are known dev rows; ndcg_at_10 where "
        "early_stopping_patience is set.",
    )
    early_stopping_patience: int | None = Field(
        default=None,
        ge=1,
        description="Stop after so many dev evaluations in a row without a better value. null: train to the end.",
    )
    query_prompt: str | None = Field(
        default=None,
        description='Text put before each anchor, such as "query: ". null: the model\'s own. Saved with '
        "the model.",
    )
    document_prompt: str | None = Field(
        default=None,
        description='Text put before each positive and negative, such as "passage: ". null: the model\'s '
        "own. Saved with the model.",
    )
    pooling: Literal["mean", "cls", "max", "lasttoken"] | None = Field(
        default=None,
        description="How token vectors become one. null: the model's own; mean for a bare encoder.",
    )
    base_share: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Weight averaging (WiSE-FT): share of the base model's weights in those that are saved and "
        "evaluated. The mean understands descriptions better and forgets less than the trained weights alone, which "
        "0 gives.",
    )
    extend_vocabulary: Literal["auto", "off"] | Annotated[int, Field(ge=1, le=100_000)] = Field(
        default="auto",
        description="New tokens for words that the model's tokenizer cannot read, learnt from the training rows: 금속 "
        "피막 저항기 is 18 pieces to all-MiniLM-L6-v2, and three with them. Of the token embeddings only theirs are "
        "trained then. auto: where more than 5 % of the pieces of the training texts mean nothing. A number: so many "
        "at most.",
    )
    parallel_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Where new tokens are Korean: everyday Korean sentences with their English that ship are trained "
        "beside the rows, an epoch this share as many as rows, with the losses masked_mnrl and mnrl. They keep what "
        "questions say around a term understood. 0: none.",
    )
    freeze_embeddings: bool = Field(
        default=False,
        description="Leave the token embeddings as they are: much faster where the vocabulary is large. Those of new "
        "tokens (extend_vocabulary) are trained.",
    )
    freeze_layers: int = Field(
        default=0, ge=0, description="Number of lowest encoder layers to leave as they are."
    )


class OptimSection(ConfigSection):
    """The optimiser and its learning rate."""

    name: Literal[
        "adamw", "adamw_8bit", "paged_adamw_8bit", "lion_8bit", "adafactor", "sgd", "rmsprop", "adagrad"
    ] = Field(
        default="adamw", description="Optimiser. The 8-bit ones need the package bitsandbytes and a GPU."
    )
    lr: float = Field(default=4e-4, gt=0, le=10, description="Highest learning rate.")
    weight_decay: float = Field(
        default=0.01, ge=0, le=10, description="Weight decay; biases and normalisation weights have none."
    )
    warmup_ratio: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of all steps in which the learning rate rises from 0 to lr.",
    )
    scheduler: Literal[
        "auto",
        "linear",
        "warmup_stable_decay",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "inverse_sqrt",
        "constant",
    ] = Field(
        default="auto",
        description="How the learning rate falls after the warm-up. warmup_stable_decay: it stays, then falls "
        "linearly to 0 in the last fifth of the steps. auto: that where training ends when known recall stops rising "
        "(train.epochs), else linear.",
    )
    max_grad_norm: float = Field(
        default=1.0, ge=0, description="Longer gradients are cut to this norm. 0: never."
    )


class SourceSection(ConfigSection):
    """One of several files to train on."""

    path: Text = Field(description="File of training rows.")
    loss: AnyLoss | None = Field(
        default=None,
        description="Loss of its rows: a section like `loss`, or a name alone for that loss with the settings that it "
        "shares with section loss. null: section loss.",
    )
    weight: float = Field(default=1.0, gt=0, le=1000, description="Its loss is multiplied by this.")


class DataSection(ConfigSection):
    """The rows."""

    pairs_path: Text | None = Field(
        default=None,
        description="pairs.jsonl to train on, - for stdin. null: data/pairs.jsonl, then pairs.jsonl.",
    )
    sources: Annotated[list[SourceSection], Field(min_length=1)] | None = Field(
        default=None,
        description="Several files with a loss each, in place of pairs_path: "
        '[{"path": "nli.jsonl", "loss": "softmax"}, …]. A batch holds rows of one file; an epoch is all rows of all '
        "files.",
    )
    stream: bool = Field(
        default=False,
        description="Leave the rows on disk and read each when needed: about 50 bytes of memory per row, the same "
        "order and the same result.",
    )
    dev_path: Text | None = Field(
        default=None,
        description="Rows of the dev evaluations. null: the .dev.jsonl beside pairs_path, where there is one.",
    )
    use_dev: bool = Field(default=True, description="Evaluate dev rows during training.")
    max_rows: int | None = Field(
        default=None, ge=1, description="Use the first rows of each file only. null: all."
    )
    max_hard_negatives: int | None = Field(
        default=0,
        ge=0,
        description="Hard negatives of each row to encode, the first. 0: none; they still decide which concepts share "
        "a batch (train.batching), which measured best at equal time. null: all.",
    )

    @model_validator(mode="after")
    def _one_way_to_name_files(self) -> Self:
        if self.sources is not None and self.pairs_path is not None:
            raise ValueError("pairs_path and sources exclude one another")
        return self


class OutputSection(ConfigSection):
    """Where the run lies and what is kept of it."""

    save_dir: Text = Field(default="runs", description="Folder that holds the runs.")
    save_name: str = Field(
        default="",
        pattern=r"^(\.*[^./\\][^/\\]*)?$",
        max_length=80,
        description="The run's name. Empty: the config file's name without its ending.",
    )
    save_metrics: bool = Field(
        default=True, description="Write metrics.jsonl: loss, learning rate, speed, dev metrics."
    )
    log_steps: int = Field(default=10, ge=1, description="Steps between two lines of metrics.jsonl.")
    checkpoint_steps: int | None = Field(
        default=200,
        ge=1,
        description="Steps between two checkpoints; one is also written after each epoch but the last. "
        "null: after epochs only.",
    )
    checkpoint_keep: int = Field(default=1, ge=1, description="Checkpoints to keep, the newest.")
    report_to: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = Field(
        default_factory=list,
        description="Trackers that get the same numbers; each must be installed. mlflow also gets settings, files "
        "and the model.",
    )


class HfSection(ConfigSection):
    """How the model is fetched from the hub."""

    trust_remote_code: bool = Field(default=False, description="Run Python code that comes with the model.")
    allow_pickle: bool = Field(
        default=False, description="Read weights that are not safetensors (pytorch_model.bin)."
    )
    local_files_only: bool = Field(default=False, description="Never reach for the network.")
    revision: Text | None = Field(
        default=None, description="Branch, tag or commit of the model. null: the newest."
    )


class LoraSection(ConfigSection):
    """Train small added matrices instead of all weights; they are merged into the saved model."""

    r: int = Field(default=16, ge=1, le=4096, description="Rank of the added matrices.")
    alpha: float = Field(default=32, gt=0, description="The added matrices are scaled by alpha / r.")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the inputs of the added matrices dropped in training."
    )
    target_modules: Text | list[Text] = Field(
        default="all-linear", description="Names of the layers that get them: a list, or all-linear."
    )


# What a cross-encoder is trained with where nothing is said: each row costs as many passes as it has texts.
_CROSS_ENCODER: Mapping[str, dict[str, Any]] = {
    "train": {"batch_size": 32},
    "optim": {"lr": 5e-5},
    "data": {"max_hard_negatives": 4},
}
# Settings that have no meaning for it.
_OF_EMBEDDINGS = ("pooling", "query_prompt", "document_prompt")

# Settings of section train until release 0.1, and what each is called in section loss.
_OLD_SETTINGS = {
    "temperature": "temperature",
    "symmetric": "symmetric",
    "same_concept": "same_concept",
    "false_negative_margin": "false_negative_margin",
    "hardness": "hardness",
    "hardness_strength": "hardness_strength",
    "guide_model": "guide_model",
    "guide_margin": "guide_margin",
    "teacher_model": "teacher_model",
    "distill": "objective",
    "teacher_temperature": "teacher_temperature",
    "triplet_distance": "distance",
    "triplet_margin": "margin",
    "score_scale": "scale",
    "matryoshka_dims": "matryoshka_dims",
}

# What other tools call a setting, and a value, in small letters.
_OTHER_NAMES = {
    **dict.fromkeys(("learning_rate", "base_lr", "max_lr"), "optim.lr"),
    **dict.fromkeys(("wd", "weight_decay_rate", "l2"), "optim.weight_decay"),
    **dict.fromkeys(("per_device_train_batch_size", "train_batch_size", "bs"), "train.batch_size"),
    **dict.fromkeys(("num_train_epochs", "num_epochs", "n_epochs"), "train.epochs"),
    **dict.fromkeys(("fp16", "bf16", "torch_dtype", "precision", "mixed_precision", "use_amp"), "dtype"),
    **dict.fromkeys(("optimizer", "optimiser", "optim_name", "optimizer_name"), "optim.name"),
    **dict.fromkeys(("lr_scheduler", "lr_scheduler_type", "schedule"), "optim.scheduler"),
    **dict.fromkeys(("warmup", "warmup_steps", "warmup_proportion"), "optim.warmup_ratio"),
    **dict.fromkeys(("clip_grad_norm", "gradient_clip_val", "max_norm"), "optim.max_grad_norm"),
    **dict.fromkeys(
        ("gradient_accumulation_steps", "gradient_accumulation", "accumulate_grad_batches"),
        "train.grad_accum_steps",
    ),
    "gradient_checkpointing": "train.grad_checkpointing",
    **dict.fromkeys(("mini_batch_size", "chunk_size"), "train.micro_batch_size"),
    **dict.fromkeys(("max_seq_length", "max_seq_len", "max_len", "model_max_length"), "train.max_length"),
    **dict.fromkeys(("dataloader_num_workers", "workers"), "train.num_workers"),
    **dict.fromkeys(
        ("metric_for_best_model", "best_model_metric", "load_best_model_at_end", "save_best_model"),
        "train.best_metric",
    ),
    **dict.fromkeys(
        ("evaluation_steps", "eval_every", "eval_strategy", "evaluation_strategy"), "train.eval_steps"
    ),
    "max_steps": "train.steps_per_epoch",
    "batch_sampler": "train.batching",
    "prompts": "train.query_prompt",
    **dict.fromkeys(("early_stopping", "patience"), "train.early_stopping_patience"),
    **dict.fromkeys(("pooling_mode", "pooler"), "train.pooling"),
    **dict.fromkeys(
        ("model", "model_name", "model_name_or_path", "base_model", "pretrained_model"), "model_id"
    ),
    **dict.fromkeys(("tokenizer", "tokenizer_name"), "tokenizer_id"),
    **dict.fromkeys(("random_seed", "random_state"), "seed"),
    **dict.fromkeys(("output_dir", "output_path", "out_dir"), "output.save_dir"),
    **dict.fromkeys(("run_name", "experiment_name"), "output.save_name"),
    **dict.fromkeys(("logging_steps", "log_every"), "output.log_steps"),
    **dict.fromkeys(("save_steps", "save_strategy", "checkpoint_save_steps"), "output.checkpoint_steps"),
    **dict.fromkeys(("save_total_limit", "checkpoint_save_total_limit"), "output.checkpoint_keep"),
    **dict.fromkeys(("train_file", "train_path", "train_data", "dataset", "dataset_name"), "data.pairs_path"),
    **dict.fromkeys(("eval_file", "validation_file", "dev_file"), "data.dev_path"),
    **dict.fromkeys(("max_train_samples", "max_samples"), "data.max_rows"),
    **dict.fromkeys(("num_negatives", "train_group_size"), "data.max_hard_negatives"),
    **dict.fromkeys(("tau", "temp"), "loss.temperature"),
    **dict.fromkeys(("loss_name", "loss_fn", "criterion"), "loss.name"),
    **dict.fromkeys(("matryoshka", "matryoshka_loss"), "loss.matryoshka_dims"),
    **dict.fromkeys(("lora_r", "lora_rank", "rank"), "lora.r"),
    **dict.fromkeys(("use_lora", "peft", "peft_config"), "lora"),
    **dict.fromkeys(("no_cuda", "use_cpu", "accelerator"), "device"),
    "resume_from_checkpoint": "embedkit train --resume",
    "overwrite_output_dir": "embedkit train --force",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
}
_OTHER_VALUES = {
    **dict.fromkeys(("fp32", "float", "single", "32"), "float32"),
    **dict.fromkeys(("fp16", "half", "16", "16-mixed"), "float16"),
    **dict.fromkeys(("bf16", "bf16-mixed"), "bfloat16"),
    **dict.fromkeys(("gpu", "cuda:0"), "cuda"),
    **dict.fromkeys(("multiplenegativesrankingloss", "infonce", "info_nce", "mnr"), "mnrl"),
    "cachedmultiplenegativesrankingloss": "cached_mnrl",
    "gistembedloss": "gist",
    "cachedgistembedloss": "cached_gist",
    "batchalltripletloss": "batch_all_triplet",
    "batchhardtripletloss": "batch_hard_triplet",
    "batchsemihardtripletloss": "batch_semi_hard_triplet",
    "tripletloss": "triplet",
    "softmaxloss": "softmax",
    "cosentloss": "cosent",
    "cosinesimilarityloss": "cosine",
    "angleloss": "angle",
    **dict.fromkeys(("multiplenegativessymmetricrankingloss", "nt-xent", "ntxent", "ntxentloss"), "mnrl"),
    "cachedmultiplenegativessymmetricrankingloss": "cached_mnrl",
    **dict.fromkeys(("marginmseloss", "distillkldivloss"), "distill"),
    "denoisingautoencoderloss": "tsdae",
    **dict.fromkeys(("binarycrossentropyloss", "bceloss", "bcewithlogitsloss"), "bce"),
    **dict.fromkeys(("matryoshkaloss", "adaptivelayerloss", "matryoshka2dloss"), "loss.matryoshka_dims"),
    **dict.fromkeys(
        ("adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw_apex_fused", "fusedadam"), "adamw"
    ),
    "adamw_bnb_8bit": "adamw_8bit",
    **dict.fromkeys(("warmuplinear", "linear_with_warmup"), "linear"),
    **dict.fromkeys(("warmupconstant", "constant_with_warmup", "constantlr"), "constant"),
    **dict.fromkeys(("warmupcosine", "cosine_with_warmup"), "cosine"),
    **dict.fromkeys(("avg", "average", "mean_pooling", "pooling_mode_mean_tokens"), "mean"),
    **dict.fromkeys(("last", "last_token", "eos"), "lasttoken"),
    **dict.fromkeys(("reranker", "cross"), "cross_encoder"),
    **dict.fromkeys(("bi_encoder", "bi-encoder", "biencoder", "sentence_transformer"), "embedding"),
}


def shared_settings(settings: Mapping[str, Any], loss: str) -> dict[str, Any]:
    """A loss by its name alone: `settings` of another loss, as far as this one has them."""
    known = SECTIONS[loss].model_fields if loss in SECTIONS else {}
    return {key: value for key, value in settings.items() if key in known} | {"name": loss}


class RunConfig(ConfigSection):
    """A whole training run."""

    model_id: Text = Field(
        default=DEFAULT_MODEL,
        description="Model to start from: a folder, a run, or a Hugging Face id (owner/name).",
    )
    tokenizer_id: Text | None = Field(
        default=None,
        description="Tokenizer in place of the model's own: a folder or a Hugging Face id. null: the "
        "model's own.",
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        default="auto", description="Device. auto: cuda, then mps, then cpu, whichever is there."
    )
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto",
        description="Number format of the forward and backward pass (weights stay float32). auto: "
        "bfloat16 where the hardware has it and the loss of the first batch agrees with "
        "float32.",
    )
    seed: int = Field(
        default=42, ge=0, le=2**31, description="Seed of the row order, dropout and new weights."
    )
    loss: AnyLoss = Field(
        default_factory=SECTIONS[DEFAULT_LOSS],
        description='The loss and its settings: {"name": "mnrl", "temperature": 0.05}. A setting that the loss '
        "does not have is an error.",
    )
    train: TrainSection = Field(default_factory=TrainSection, description=str(TrainSection.__doc__))
    optim: OptimSection = Field(default_factory=OptimSection, description=str(OptimSection.__doc__))
    data: DataSection = Field(default_factory=DataSection, description=str(DataSection.__doc__))
    output: OutputSection = Field(default_factory=OutputSection, description=str(OutputSection.__doc__))
    hf: HfSection = Field(default_factory=HfSection, description=str(HfSection.__doc__))
    lora: LoraSection | None = Field(default=None, description=str(LoraSection.__doc__))

    SHORT_FORMS: ClassVar[Mapping[str, str]] = {"loss": "loss.name", "train.loss": "loss.name"}
    OLD_KEYS: ClassVar[Mapping[str, str]] = {
        f"train.{old}": f"loss.{new}" for old, new in _OLD_SETTINGS.items()
    }
    IGNORED_KEYS: ClassVar[Sequence[str]] = ("hf.default_task", "hf.loader")
    OTHER_NAMES: ClassVar[Mapping[str, str]] = _OTHER_NAMES
    OTHER_VALUES: ClassVar[Mapping[str, str]] = _OTHER_VALUES
    USUAL: ClassVar[Mapping[str, tuple[float, float]]] = {
        "optim.lr": (1e-6, 1e-3),
        "train.epochs": (1, 50),
        "train.batch_size": (8, 4096),
        "loss.temperature": (0.005, 0.5),
        "loss.scale": (5, 100),
        "optim.weight_decay": (0, 0.3),
        "optim.warmup_ratio": (0, 0.3),
    }

    @model_validator(mode="before")
    @classmethod
    def _write_out_losses(cls, values: Any) -> Any:
        """Every loss as a section with its name, wherever a name alone or none stands."""
        if not isinstance(values, dict):
            return values
        values = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
        rename_keys(values, cls)
        default = DEFAULT_LOSS
        train = values.get("train")
        if isinstance(train, dict) and train.get("model") == "cross_encoder":
            default = next(loss.name for loss in LOSSES.values() if loss.model == "cross_encoder")
            for section, settings in _CROSS_ENCODER.items():
                own = values.get(section, {})
                values[section] = {**settings, **own} if isinstance(own, dict) else own
        loss = values.get("loss", {})
        if isinstance(loss, dict):
            loss = values["loss"] = {"name": default, **loss}
        else:
            loss = loss.model_dump(exclude_unset=True) if isinstance(loss, LossSection) else {}
        data = values.get("data")
        if isinstance(data, dict) and isinstance(data.get("sources"), list):
            data["sources"] = [
                {**source, "loss": shared_settings(loss, source["loss"])}
                if isinstance(source, dict) and isinstance(source.get("loss"), str)
                else source
                for source in data["sources"]
            ]
        return values

    @model_validator(mode="after")
    def _no_setting_of_an_unused_loss(self) -> Self:
        own = [source.loss for source in self.data.sources or () if source.loss is not None]
        if not own or len(own) < len(self.data.sources or ()):
            return self
        changed = self.loss.model_dump(exclude_defaults=True)  # config.json of a run holds every default
        for key in changed.keys() - {"name"}:
            if not any(getattr(loss, key, None) == getattr(self.loss, key) for loss in own):
                raise ValueError(
                    "each of data.sources has a loss of its own, so a setting of section loss is ignored"
                )
        return self

    @model_validator(mode="after")
    def _one_kind_of_model(self) -> Self:
        cross = self.train.model == "cross_encoder"
        if any(LOSSES[loss.name].model != self.train.model for loss in self.losses):
            raise ValueError(
                "train.model cross_encoder takes the losses bce and lce"
                if cross
                else "bce and lce train a cross-encoder: set train.model to cross_encoder"
            )
        if cross and any(getattr(self.train, name) is not None for name in _OF_EMBEDDINGS):
            raise ValueError("prompts and pooling have no meaning where train.model is cross_encoder")
        return self

    @property
    def losses(self) -> tuple[LossSection, ...]:
        """The loss of each file that is trained on."""
        return tuple(source.loss or self.loss for source in self.data.sources or ()) or (self.loss,)

    def with_loss(self, name: str) -> Self:
        """The same run under another loss, with the settings that the two share.

        Raises:
            UserError: the other loss needs a setting that is not there.
        """
        if LOSSES[name].model != self.train.model:
            raise UserError(
                "the loss {loss} does not train what train.model says, {kind}",
                hint="losses that do: {fitting}",
                loss=name,
                kind=self.train.model,
                fitting=", ".join(loss for loss, one in LOSSES.items() if one.model == self.train.model),
            )
        settings = shared_settings(self.loss.model_dump(exclude_unset=True), name)
        for key, info in SECTIONS[name].model_fields.items():
            if info.is_required() and key not in settings:
                raise UserError(
                    "the loss {loss} needs loss.{key}",
                    hint="set loss.name to {loss} and loss.{key}; the other losses share its settings",
                    loss=name,
                    key=key,
                )
        return self.model_copy(update={"loss": SECTIONS[name].model_validate(settings)})
