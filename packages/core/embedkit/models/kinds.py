"""Which kind of model a folder holds: one that makes embeddings, another whose head would be lost without a word, or
an adapter, which is merged into its base.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import atomic_folder
from embedkit.messages import tr

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from embedkit.models.resolve import ModelSource

# Other models of sentence-transformers, by the name they write, and by their modules.
_OTHER_TYPES = ("CrossEncoder", "SparseEncoder")
_SPARSE_MODULES = ("SpladePooling", "SparseStaticEmbedding", "SparseAutoEncoder", "MLMTransformer")
# Heads of transformers that were trained for an answer of their own.
_OTHER_HEADS = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "ForImageClassification",
)
ADAPTER = "adapter_config.json"
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", "tekken*", "merges.txt", "*.py")
# What an adapter was trained for, and the class that its base is loaded as.
_AUTO_CLASSES = {
    "": "AutoModel",
    "FEATURE_EXTRACTION": "AutoModel",
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
}
_ENDLESS = 10**9  # transformers writes 10**30 for "not known"


def require_embedder(source: ModelSource, *, own_tokenizer: bool = True) -> None:
    """Raise `UserError` where the files of a model say that it makes no embeddings, naming what it is, and where it
    lacks the tokenizer that it has to bring.
    """
    folder = Path(source.path)
    if not folder.is_dir():
        return
    kind = _other_kind(folder)
    if kind:
        raise UserError(
            "is a {kind}, which gives no vector of a text",
            place=source.requested,
            hint="name an embedding model (SentenceTransformer) or a bare encoder",
            kind=kind,
        )
    if own_tokenizer:
        _require_tokenizer(source)


def _require_tokenizer(source: ModelSource) -> None:
    """transformers makes an empty tokenizer where there is none: every text would be the same."""
    types = _modules(Path(source.path))
    folder = Path(source.path) / _transformer_part(Path(source.path))
    if (types and not types[0].endswith("Transformer")) or any(
        found for pattern in _TOKENIZER_FILES for found in folder.glob(pattern)
    ):
        return
    raise UserError(
        "holds no tokenizer, so it reads no texts",
        place=source.requested,
        hint="save the tokenizer that it was trained with beside the weights (tokenizer.save_pretrained)",
    )


def find_adapter(folder: Path) -> Path | None:
    """The folder of the LoRA adapter that a model folder holds in place of weights, itself or one in it."""
    return next((one for one in sorted((folder, *folder.glob("*_*"))) if (one / ADAPTER).is_file()), None)


def base_of_adapter(adapter: Path) -> tuple[str, str]:
    """The name and the revision of the model that an adapter was trained on."""
    config = _read(adapter / ADAPTER)
    return str(config.get("base_model_name_or_path") or "?"), str(config.get("revision") or "")


def refuse_adapter(source: ModelSource, base: str, why: str) -> UserError:
    """Why an adapter cannot be merged, and what to do."""
    return UserError(
        "adapter of {base}: {why}",
        place=source.requested,
        hint="merge it into its base with peft (merge_and_unload, save_pretrained), then name that folder",
        base=base,
        why=tr(why),
    )


def merge_adapter(source: ModelSource, adapter: Path, base: ModelSource, target: Path) -> None:
    """Write the model of `source`, its adapter merged into `base`, to the folder `target`, whole or not at all.

    Modules, prompts and tokenizer are those of the adapter's folder, where it has any, else those of the base.

    Raises:
        UserError: it is no adapter that can be merged, or none of this base.
    """
    peft, transformers = require("peft", extra="train"), require("transformers", extra="train")
    root = Path(source.path) if (Path(source.path) / "modules.json").is_file() else Path(base.path)
    module = _transformer_part(root)
    start = Path(base.path) / _transformer_part(Path(base.path)) if Path(base.path).is_dir() else base.path
    config = peft.PeftConfig.from_pretrained(str(adapter))
    kind = _AUTO_CLASSES.get(str(config.task_type or ""))
    if kind is None or config.is_prompt_learning or not (adapter / "adapter_model.safetensors").is_file():
        raise refuse_adapter(source, base.requested, "it is of a kind that is not merged here")
    config.inference_mode = False
    model = getattr(transformers, kind).from_pretrained(str(start), use_safetensors=True)
    with_adapter = peft.get_peft_model(model, config)
    try:
        loaded = peft.set_peft_model_state_dict(
            with_adapter, peft.load_peft_weights(str(adapter), device="cpu")
        )
    except (RuntimeError, ValueError) as error:
        raise refuse_adapter(
            source, base.requested, "its weights have other sizes than the base's"
        ) from error
    if loaded.unexpected_keys or any("lora_" in key for key in loaded.missing_keys):
        raise refuse_adapter(source, base.requested, "its weights fit no layer of the base")
    merged = with_adapter.merge_and_unload()
    tokenizer = next((one for one in (adapter, root) if (one / "tokenizer_config.json").is_file()), start)
    with atomic_folder(target) as new:
        if (root / "modules.json").is_file():
            shutil.copytree(
                root, new, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors", "adapter_*")
            )
            for part in root.glob("[1-9]*_*"):  # layers over the transformer have weights of their own
                shutil.copytree(part, new / part.name, dirs_exist_ok=True)
        (new / module).mkdir(parents=True, exist_ok=True)
        (merged if kind.endswith("Classification") else merged.base_model).save_pretrained(str(new / module))
        transformers.AutoTokenizer.from_pretrained(str(tokenizer)).save_pretrained(str(new / module))


def require_encoder(source: ModelSource) -> None:
    """Raise `UserError` where a model's files say that no cross-encoder can be made of it."""
    folder = Path(source.path)
    if not folder.is_dir():
        return
    kind = "Router" if is_router(source) else _other_kind(folder)
    static = any(name.endswith(("StaticEmbedding", "BoW", "WordEmbeddings")) for name in _modules(folder))
    if kind.startswith("Sparse") or kind == "Router" or static:
        raise UserError(
            "no cross-encoder can be made of it: it has no transformer that reads two texts at once",
            place=source.requested,
            hint="name a cross-encoder, or an embedding model or bare encoder with one transformer",
        )
    _require_tokenizer(source)
    labels = len(_read(folder / "config.json").get("id2label") or {})
    if scores_pairs(folder) and labels > 1:
        raise UserError("gives {scores} scores a pair; one is needed", place=source.requested, scores=labels)


def is_router(source: ModelSource) -> bool:
    """Whether queries and documents take different ways through the model (asymmetric)."""
    return any("Router" in name for name in _modules(Path(source.path)))


def is_cross_encoder(source: ModelSource) -> bool:
    """Whether a model scores pairs of texts: it has a head that was trained for one answer about both."""
    return scores_pairs(Path(source.path))


def scores_pairs(folder: Path) -> bool:
    """Whether a folder holds a cross-encoder: a model with a head for one answer about a pair of texts."""
    if _read(folder / "config_sentence_transformers.json").get("model_type") == "CrossEncoder":
        return True
    heads = _read(folder / "config.json").get("architectures") or ()
    return any(str(head).endswith("ForSequenceClassification") for head in heads)


def _other_kind(folder: Path) -> str:
    """The class of a model that makes no embeddings; empty for one that does."""
    settings = _read(folder / "config_sentence_transformers.json")
    modules = _modules(folder)
    if settings.get("model_type") in _OTHER_TYPES:
        return str(settings["model_type"])
    if any(name.rpartition(".")[2] in _SPARSE_MODULES for name in modules):
        return "SparseEncoder"
    config = _read(folder / "config.json")
    heads = [str(name) for name in config.get("architectures") or () if str(name).endswith(_OTHER_HEADS)]
    if modules or not heads:
        return ""
    return f"CrossEncoder ({heads[0]})" if "sentence_transformers" in config else heads[0]


def _modules(folder: Path) -> list[str]:
    return [str(module.get("type", "")) for module in _read_list(folder / "modules.json")]


def _transformer_part(folder: Path) -> str:
    """Where in a model's folder its transformer lies; empty where it is the folder itself."""
    parts = _read_list(folder / "modules.json")
    return str(parts[0].get("path", "")) if parts else ""


def _read_list(path: Path) -> list[Mapping[str, Any]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    except ValueError as error:
        raise UserError("not JSON: {reason}", place=str(path), reason=error) from None
    return [module for module in value if isinstance(module, dict)]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def make_usable(model: SentenceTransformer, name: str, *, own_tokenizer: bool = True) -> None:
    """Pad with the end token where there is no other, and cut texts where the model's positions end; both are said.

    Raises:
        UserError: the tokenizer has nothing to pad with.
    """
    tokenizer: Any = getattr(model, "tokenizer", None)
    if hasattr(tokenizer, "pad_token") and tokenizer.pad_token is None:
        token = tokenizer.eos_token or tokenizer.unk_token
        if token is None:
            raise UserError(
                "the tokenizer has no token to pad with", place=name, hint="set its pad_token and save it"
            )
        tokenizer.pad_token = token
        say("{model}: no pad token, so {token} pads", model=name, token=token)
    if own_tokenizer:
        _require_known_tokens(model, tokenizer, name)
    limit, length = positions_of(model), _length_of(model)
    if limit is not None and (length is None or length > limit):
        try:
            model.max_seq_length = limit
        except AttributeError:  # a Router: each of its ways cuts by itself
            return
        say(
            "{model}: texts are cut at {limit} tokens, for which it has positions (max_seq_length: {told})",
            model=name,
            limit=limit,
            told="-" if length is None or length > _ENDLESS else length,
        )


def _require_known_tokens(model: SentenceTransformer, tokenizer: Any, name: str) -> None:
    """Raise `UserError` where the tokenizer is another model's: it gives numbers that the embeddings do not have."""
    table = getattr(model.transformers_model, "get_input_embeddings", lambda: None)()
    rows, tokens = getattr(table, "num_embeddings", None), getattr(tokenizer, "vocab_size", 0)
    if rows is not None and tokens > rows:
        raise UserError(
            "the tokenizer has {tokens} tokens, the model knows {rows}",
            place=name,
            hint="choose a tokenizer that was made for the model",
            tokens=tokens,
            rows=rows,
        )


def positions_of(model: SentenceTransformer) -> int | None:
    """How many tokens the model can tell the places of; RoBERTa and its kin begin to count after the padding."""
    encoder: Any = model.transformers_model
    encoder = getattr(encoder, "base_model", encoder)  # without the head of a cross-encoder
    count = getattr(getattr(encoder, "config", None), "max_position_embeddings", None)
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return count if count is None or padding is None else count - padding - 1


def _length_of(model: SentenceTransformer) -> int | None:
    """Where the model cuts texts now; None where it does not."""
    length: float | None = model.max_seq_length
    return None if length is None or length == math.inf else int(length)


def broken_weight(model: SentenceTransformer) -> str:
    """The name of the first weight that holds NaN or infinity; empty where all are finite."""
    return next((name for name, weight in model.named_parameters() if not bool(weight.isfinite().all())), "")
