"""What `cfg.json` may hold: every field with its default, unit and limits; the docs are made from it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from embedkit.models.resolve import DEFAULT_MODEL

# From so many rows of a concept, on average, encoding its texts once is worth more than shuffled neighbours.
ROWS_OF_A_CONCEPT = 3
Text = Annotated[str, Field(min_length=1)]
LossName = Literal[
    "masked_mnrl",
    "mnrl",
    "cached_mnrl",
    "gist",
    "cached_gist",
    "distill",
    "batch_all_triplet",
    "batch_hard_triplet",
    "batch_semi_hard_triplet",
    "triplet",
    "softmax",
    "cosine",
    "cosent",
    "angle",
]


MetricName = Literal[
    "loss", "ndcg_at_10", "mrr_at_10", "recall_at_1", "recall_at_10", "pearson", "spearman", "accuracy"
]


class _Section(BaseModel):
    """Strict and unchangeable: no unknown keys, no text where a number belongs, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TrainSection(_Section):
    """The loss and how the rows are fed to it."""

    loss: LossName = Field(
        default="masked_mnrl",
        description="Loss. Pairs, mnrl: InfoNCE over the positives and hard negatives of the batch. "
        "masked_mnrl: the same without the false negatives, that is texts of the anchor's own concept and "
        "those that false_negative_margin finds. gist: without those that guide_model finds. cached_mnrl, "
        "cached_gist: the same in little memory, see micro_batch_size. distill: as a teacher scores. Labelled "
        "sentences: batch_all_triplet, batch_hard_triplet, batch_semi_hard_triplet. Triplets: triplet. "
        "Sentence pairs with a class: softmax; with a score: cosine, cosent, angle. Inference classes "
        "(entailment, neutral, contradiction) also fit the losses for pairs, triplets and scores.",
    )
    batch_size: int = Field(
        default=32,
        ge=1,
        le=65536,
        description="Rows per step and device. The other rows' texts are the in-batch negatives.",
    )
    batching: Literal["auto", "concept", "random"] = Field(
        default="auto",
        description="concept: the rows of a concept stand together, beside those of the concepts its hard "
        "negatives come from: a step encodes few texts for many rows, and its in-batch negatives are hard. "
        "random: shuffled rows. auto: concept with masked_mnrl where concepts have three rows and more on "
        "average, else random; to mnrl texts of one concept would be false negatives.",
    )
    epochs: int = Field(default=1, ge=1, description="Passes over the rows.")
    max_length: int | None = Field(
        default=None,
        ge=4,
        description="Tokens per text; longer texts are cut. It is saved as the model's max_seq_length. "
        "null: the model's own.",
    )
    grad_accum_steps: int = Field(
        default=1,
        ge=1,
        description="Batches whose gradients are added up before one optimiser step. It saves memory; it "
        "does not give an anchor more negatives.",
    )
    micro_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Texts that a device encodes at once; those of a larger batch take turns, and are encoded "
        "again in the backward pass (GradCache). Loss, negatives and gradients stay those of the whole batch, "
        "memory falls, a step takes about a third longer. null: the whole batch, halved where memory runs out; "
        "32 with cached_mnrl and cached_gist.",
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
    temperature: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="Cosine similarities are divided by this before the softmax; lower is sharper.",
    )
    symmetric: bool = Field(
        default=False,
        description="mnrl, cached_mnrl, masked_mnrl: also tell each positive's anchor from the batch's other "
        "anchors, and average both losses.",
    )
    same_concept: Literal["mask", "positive"] = Field(
        default="mask",
        description="masked_mnrl: what the batch's other texts of an anchor's concept are: left out, or "
        "more positives.",
    )
    false_negative_margin: float | None = Field(
        default=None,
        ge=-2,
        le=2,
        description="masked_mnrl: leave out a negative whose cosine similarity is above the positive's by"
        " more than this. null: leave none out for its score.",
    )
    eval_steps: int | None = Field(
        default=None,
        ge=1,
        description="Optimiser steps between two looks at the dev rows. null: a look after each epoch.",
    )
    best_metric: MetricName | None = Field(
        default=None,
        description="Keep the weights of the look at the dev rows with the best value of this instead of the "
        "last ones. null: the last; ndcg_at_10 where early_stopping_patience is set.",
    )
    early_stopping_patience: int | None = Field(
        default=None,
        ge=1,
        description="Stop when so many looks at the dev rows in a row were no better than the best one.",
    )
    hardness: Literal["none", "in_batch_negatives", "hard_negatives", "all_negatives"] = Field(
        default="none",
        description="mnrl, cached_mnrl, masked_mnrl: which negatives weigh more in the softmax the nearer "
        "they are.",
    )
    hardness_strength: float = Field(
        default=5.0, ge=0, le=100, description="How much: times the cosine similarity, added to the logit."
    )
    guide_model: Text | None = Field(
        default=None,
        description="gist, cached_gist: model that finds false negatives: texts that it puts nearer to the "
        "anchor than the positive.",
    )
    guide_margin: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="gist, cached_gist: how much nearer than the positive less this a text must be to the "
        "anchor to be left out.",
    )
    teacher_model: Text | None = Field(
        default=None,
        description="distill: model whose similarities are learnt. null: the rows' own scores are, a list "
        "with one for the positive and one for each hard negative.",
    )
    distill: Literal["margin_mse", "kl"] = Field(
        default="margin_mse",
        description="distill: margin_mse: the difference between positive and negative is to be the "
        "teacher's. kl: the softmax over the texts is to be the teacher's, both at train.temperature.",
    )
    teacher_temperature: float | None = Field(
        default=None,
        gt=0,
        description="distill with kl: temperature of the teacher's softmax; about 1 for a cross-encoder's "
        "scores. null: train.temperature.",
    )
    triplet_distance: Literal["euclidean", "cosine"] = Field(
        default="euclidean", description="Triplet losses: distance between vectors."
    )
    triplet_margin: float | None = Field(
        default=None,
        gt=0,
        description="Triplet losses: how much nearer the alike are to be than the others. null: 5, and 0.5 "
        "with the cosine distance.",
    )
    score_scale: float = Field(
        default=20.0, gt=0, le=1000, description="cosent, angle: similarities are multiplied by this."
    )
    matryoshka_dims: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None,
        description="Train the first so many numbers of a vector to be a good vector too, beside the whole: "
        "[256, 128, 64]. Any loss but softmax. null: the whole only.",
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
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the base model in the weights that are saved, and measured on the dev rows: "
        "between the two models often lies a better one that forgets less. 0: the trained weights.",
    )
    freeze_embeddings: bool = Field(
        default=False,
        description="Leave the token embeddings as they are: much faster where the vocabulary is large.",
    )
    freeze_layers: int = Field(
        default=0, ge=0, description="Number of lowest encoder layers to leave as they are."
    )


class OptimSection(_Section):
    """The optimiser and its learning rate."""

    name: Literal[
        "adamw", "adamw_8bit", "paged_adamw_8bit", "lion_8bit", "adafactor", "sgd", "rmsprop", "adagrad"
    ] = Field(
        default="adamw", description="Optimiser. The 8-bit ones need the package bitsandbytes and a GPU."
    )
    lr: float = Field(default=1e-4, gt=0, le=10, description="Highest learning rate.")
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
        "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt", "constant"
    ] = Field(default="linear", description="How the learning rate falls after the warm-up.")
    max_grad_norm: float = Field(
        default=1.0, ge=0, description="Longer gradients are cut to this norm. 0: never."
    )


class SourceSection(_Section):
    """One of several files to train on."""

    path: Text = Field(description="File of rows.")
    loss: LossName | None = Field(default=None, description="Loss of its rows. null: train.loss.")
    weight: float = Field(default=1.0, gt=0, le=1000, description="Its loss is multiplied by this.")


class DataSection(_Section):
    """The rows."""

    pairs_path: Text | None = Field(
        default=None,
        description="pairs.jsonl to train on, - for stdin. null: data/pairs.jsonl, then pairs.jsonl.",
    )
    sources: Annotated[list[SourceSection], Field(min_length=1)] | None = Field(
        default=None,
        description="Several files with a loss each, in place of pairs_path: "
        '[{"path": "nli.jsonl", "loss": "softmax"}, …]. Every batch is of one of them, and an epoch is all rows '
        "of all.",
    )
    stream: bool = Field(
        default=False,
        description="Leave the rows on disk and read each when needed (about 50 bytes of memory per row): "
        "the same order and the same result as without.",
    )
    dev_path: Text | None = Field(
        default=None,
        description="Rows that are measured each epoch. null: the .dev.jsonl beside pairs_path, where "
        "there is one.",
    )
    use_dev: bool = Field(default=True, description="Measure the dev rows each epoch. false: train without.")
    max_rows: int | None = Field(
        default=None, ge=1, description="Use the first rows of each file only. null: all."
    )
    max_hard_negatives: int | None = Field(
        default=None, ge=0, description="Use the first hard negatives of each row only. null: all."
    )

    @model_validator(mode="after")
    def _one_way_to_name_files(self) -> Self:
        if self.sources is not None and self.pairs_path is not None:
            raise ValueError("pairs_path and sources exclude one another")
        return self


class OutputSection(_Section):
    """Where the run lies and what is kept of it."""

    save_dir: Text = Field(default="runs", description="Folder that holds the runs.")
    save_name: str = Field(
        default="",
        pattern=r"^(\.*[^./\\][^/\\]*)?$",
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
        default_factory=list, description="Trackers that get the same numbers; each must be installed."
    )


class HfSection(_Section):
    """How the model is fetched from the hub."""

    trust_remote_code: bool = Field(default=False, description="Run Python code that comes with the model.")
    allow_pickle: bool = Field(
        default=False, description="Read weights that are not safetensors (pytorch_model.bin)."
    )
    local_files_only: bool = Field(default=False, description="Never reach for the network.")
    revision: Text | None = Field(
        default=None, description="Branch, tag or commit of the model. null: the newest."
    )


class LoraSection(_Section):
    """Train small added matrices instead of all weights; they are merged into the saved model."""

    r: int = Field(default=16, ge=1, le=4096, description="Rank of the added matrices.")
    alpha: float = Field(default=32, gt=0, description="The added matrices are scaled by alpha / r.")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the inputs of the added matrices dropped in training."
    )
    target_modules: Text | list[Text] = Field(
        default="all-linear", description="Names of the layers that get them: a list, or all-linear."
    )


class RunConfig(_Section):
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
    train: TrainSection = Field(default_factory=TrainSection, description=str(TrainSection.__doc__))
    optim: OptimSection = Field(default_factory=OptimSection, description=str(OptimSection.__doc__))
    data: DataSection = Field(default_factory=DataSection, description=str(DataSection.__doc__))
    output: OutputSection = Field(default_factory=OutputSection, description=str(OutputSection.__doc__))
    hf: HfSection = Field(default_factory=HfSection, description=str(HfSection.__doc__))
    lora: LoraSection | None = Field(default=None, description=str(LoraSection.__doc__))
