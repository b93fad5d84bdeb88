"""A model made ready to train: tokenizer, length, pooling, prompts, frozen parts, LoRA; and saved as a
plain folder after.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import atomic_folder, write_text
from embedkit.models.kinds import broken_weight, is_router, positions_of, require_embedder, require_encoder
from embedkit.models.resolve import LoadOptions, ModelSource, load_cross_encoder, load_model, resolve_model
from embedkit.models.run_folder import CARD
from embedkit.trainer.config import LoraSection, RunConfig, TrainSection
from embedkit.trainer.model.vocabulary import (
    VocabularySource,
    can_extend,
    extend_vocabulary,
    extension_of,
    merge_vocabulary,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def find_model(config: RunConfig) -> ModelSource:
    """Where the base model is; `UserError` when nowhere, or when it is of a kind that is not trained here."""
    source = resolve_model(
        config.model_id, revision=config.hf.revision or "", network=not config.hf.local_files_only
    )
    if config.train.model == "cross_encoder":
        require_encoder(source)
        return source
    require_embedder(source, own_tokenizer=config.tokenizer_id is None)
    if is_router(source):
        raise UserError(
            "queries and documents take different ways through this model (Router): only one would be trained",
            place=config.model_id,
            hint="take a model with one encoder for both; search, evaluate and serve use this one as it is",
        )
    return source


def load_options(config: RunConfig, *, device: str, revision: str = "") -> LoadOptions:
    """How the config wants models loaded: what it allows, and from where."""
    return LoadOptions(
        device=device,
        revision=revision,
        trust_remote_code=config.hf.trust_remote_code,
        allow_pickle=config.hf.allow_pickle,
        local_files_only=config.hf.local_files_only,
        own_tokenizer=config.tokenizer_id is None,
    )


def prepare_model(
    config: RunConfig, source: ModelSource, *, device: str, vocabulary: VocabularySource | None = None
) -> SentenceTransformer:
    """Load the base model in float32, whatever it was saved in, and apply everything in the config that changes it:
    steps as small as training's are lost in shorter numbers. `vocabulary` chooses the new tokens.

    Raises:
        UserError: it cannot be loaded, or the config asks for what it does not have.
    """
    load = load_cross_encoder if config.train.model == "cross_encoder" else load_model
    model = load(source, load_options(config, device=device, revision=config.hf.revision or "")).float()
    if broken := broken_weight(model):
        raise UserError(
            "the base model's weights hold NaN or infinity: {name}", place=config.model_id, name=broken
        )
    if config.tokenizer_id is not None:
        _replace_tokenizer(model, config)
    if vocabulary is not None:
        _extend(model, config.train, vocabulary)
    _set_length(model, config.train)
    _set_pooling(model, config.train)
    _set_prompts(model, config.train)
    if config.lora is not None:
        _add_lora(model, config.lora, head=config.train.model == "cross_encoder")
    _freeze(model, config.train)
    if (table := extension_of(model)) is not None:  # LoRA froze all that it did not add
        table.new_rows.requires_grad_(True)
    if config.train.grad_checkpointing:
        encoder = _encoder(model)
        # The method's name since transformers 5; the older name warns there.
        enable = (
            getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})
    return model


def prompts_of(model: SentenceTransformer) -> tuple[str, str]:
    """The prompts that `encode_query` and `encode_document` put before a text: training uses the same."""
    return model.prompts.get("query") or "", model.prompts.get("document") or ""


def whole_width(model: SentenceTransformer) -> int:
    """How many numbers a vector has while training: a saved `truncate_dim` cuts only what `encode` gives."""
    with model.truncate_embeddings(None):
        return model.get_embedding_dimension() or 0


def save_model(model: SentenceTransformer, folder: Path, *, card: str) -> None:
    """Write a plain SentenceTransformer or CrossEncoder folder with its card, whole or not at all; LoRA and new tokens
    are merged into the weights (in place).
    """
    _merge_lora(model)
    merge_vocabulary(model)
    with atomic_folder(folder) as new:
        model.save_pretrained(str(new), create_model_card=False)
        write_text(new / CARD, card)


def _replace_tokenizer(model: SentenceTransformer, config: RunConfig) -> None:
    name = str(config.tokenizer_id)
    path = name if Path(name).is_dir() else resolve_model(name, network=not config.hf.local_files_only).path
    transformers = require("transformers", extra="train")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            path, trust_remote_code=config.hf.trust_remote_code, local_files_only=config.hf.local_files_only
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError("no tokenizer could be loaded: {first}", place=name, first=first) from error
    rows = _encoder(model).get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise UserError(
            "the tokenizer has {tokens} tokens, the model knows {rows}",
            place=name,
            hint="choose a tokenizer that was made for the model",
            tokens=len(tokenizer),
            rows=rows,
        )
    tokenizer.model_max_length = min(tokenizer.model_max_length, model.max_seq_length or 512)
    model[0].processor = tokenizer


def _extend(model: SentenceTransformer, train: TrainSection, vocabulary: VocabularySource) -> None:
    if can_extend(model):
        extend_vocabulary(model, vocabulary)
    elif isinstance(train.extend_vocabulary, int):
        raise UserError(
            "the model has no tokenizer that can be extended", hint="set train.extend_vocabulary to off"
        )


def _set_length(model: SentenceTransformer, train: TrainSection) -> None:
    """What the config asks for has to be possible; the default, written out or not, is taken as far as the model
    reads: the config.json of a run holds it.
    """
    max_length = train.max_length
    asked = max_length != TrainSection.model_fields["max_length"].default
    if max_length is None:
        return
    limit = positions_of(model)
    if limit is not None and max_length > limit and not asked:
        max_length = limit
    if limit is not None and max_length > limit:
        raise UserError(
            "train.max_length is {max_length}, but the model reads {limit} tokens at most",
            hint="set train.max_length to {limit} or less",
            max_length=max_length,
            limit=limit,
        )
    try:
        model.max_seq_length = max_length
    except AttributeError:
        if not asked:
            return
        raise UserError(
            "the model reads texts of any length", hint="remove train.max_length from the config"
        ) from None


def _set_pooling(model: SentenceTransformer, train: TrainSection) -> None:
    if train.pooling is None:
        return
    from sentence_transformers.sentence_transformer.modules import Pooling

    for name, module in model.named_children():
        if isinstance(module, Pooling):
            model._modules[name] = Pooling(module.embedding_dimension, pooling_mode=train.pooling)
            return
    raise UserError("the model has no pooling to change", hint="remove train.pooling from the config")


def _set_prompts(model: SentenceTransformer, train: TrainSection) -> None:
    given = {"query": train.query_prompt, "document": train.document_prompt}
    model.prompts.update({name: prompt for name, prompt in given.items() if prompt is not None})


def _encoder(model: SentenceTransformer) -> Any:
    """The Hugging Face model inside; `UserError` where there is none."""
    encoder = model.transformers_model
    if encoder is None:
        raise UserError("the model has no transformer inside, so this setting has nothing to act on")
    return encoder


def _freeze(model: SentenceTransformer, train: TrainSection) -> None:
    if train.freeze_embeddings:
        _encoder(model).get_input_embeddings().requires_grad_(False)
    if train.freeze_layers:
        _encoder(model)  # says so where there is none
        layers = layers_of(model)
        if train.freeze_layers > len(layers):
            raise UserError(
                "train.freeze_layers is {wanted}, but the model has {layers} layers",
                wanted=train.freeze_layers,
                layers=len(layers),
            )
        for layer in layers[: train.freeze_layers]:
            layer.requires_grad_(False)


def layers_of(model: SentenceTransformer) -> list[Any]:
    """The blocks of the transformer inside, if there is one: the longest list of modules in it."""
    from torch import nn

    encoder = model.transformers_model
    modules = () if encoder is None else encoder.modules()
    lists = [module for module in modules if isinstance(module, nn.ModuleList)]
    return list(max(lists, key=len, default=[]))


def _add_lora(model: SentenceTransformer, lora: LoraSection, *, head: bool) -> None:
    """Freeze all but the added matrices; a `head` over the encoder is trained whole."""
    peft = require("peft", extra="train")
    settings = peft.LoraConfig(
        task_type="SEQ_CLS" if head else "FEATURE_EXTRACTION",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
    )
    try:
        model[0].model = peft.get_peft_model(_encoder(model), settings)
    except (ValueError, AttributeError) as error:
        raise UserError(
            "LoRA does not fit this model: {error}",
            hint="check lora.target_modules",
            error=str(error).splitlines()[0],
        ) from None


def _merge_lora(model: SentenceTransformer) -> None:
    inner: Any = getattr(model[0], "model", None)
    if hasattr(inner, "merge_and_unload"):
        model[0].model = inner.merge_and_unload()
