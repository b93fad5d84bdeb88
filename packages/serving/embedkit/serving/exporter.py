"""`embedkit export`: a model as a folder that other runtimes load: its plain files, and its transformer as a graph.

The graph ends at `last_hidden_state`; pooling and normalisation are the runtime's work, as runtimes that read such
folders expect. The folder's configs describe that work, and so does `export.json`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.console import out, out_json, say, warn
from embedkit.data.jsonl import read_objects
from embedkit.data.manifest import versions
from embedkit.errors import UserError
from embedkit.files import atomic_folder, refuse_inputs, require_writable, sha256_file, write_text
from embedkit.models.backends import GRAPHS, SAMPLE_TEXTS, Backend, check_backend, make_graph, run_graph
from embedkit.models.resolve import LoadOptions, newest_run, quiet_loading, resolve_model
from embedkit.models.vectors import Encoder
from embedkit.ranking.hybrid.shares import keep_shares, shares_of
from embedkit.serving.server import name_of
from embedkit.shipped_data import data_path

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EXPORTS = "exports"
RECORD = "export.json"
_PAPERS = ("README*", "LICEN[CS]E*", "NOTICE*")
_LIBRARIES = ("onnx", "onnxruntime", "openvino")
# In the older form of the configs each way of pooling has a switch of its own; several are put together in this order.
_POOLING = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
_LONG_TEXT = 20  # sentences
_TURNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """The options of `embedkit export`; its help describes each. Without `model`, the newest run in `runs/`."""

    model: str | None = None
    to: Sequence[str] = ("onnx",)
    output: Path | None = None
    force: bool = False
    as_json: bool = False


def export(options: ExportOptions) -> Path:
    """Write the folder, whole or not at all, and return its path.

    Raises:
        UserError: there is no such model, it cannot be converted, a graph disagrees with torch, or the folder
            exists and may not be replaced.
    """
    backends = tuple(dict.fromkeys(check_backend(name) for name in options.to))
    source = resolve_model(options.model or newest_run())
    target = options.output or Path(EXPORTS) / Path(name_of(source)).name
    refuse_inputs([target], [source.path])
    _refuse_others(target, force=options.force)
    require_writable(target.parent)
    encoder = Encoder(source, options=LoadOptions(device="cpu"), cached=False)
    with atomic_folder(target) as folder:
        _save(encoder.model, Path(encoder.source.path), folder)
        record = {
            "model": name_of(source),
            "weights": encoder.hash,
            **_recipe(encoder.model),
            **_write_graphs(encoder.model, backends, folder, weights=encoder.hash),
            "versions": versions(*_LIBRARIES),
        }
        write_text(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=2) + "\n")
        keep_shares(shares_of(encoder.source), folder)
    if options.as_json:
        out_json({"output": str(target), **record})
    else:
        out(str(target))
    return target


def _refuse_others(target: Path, *, force: bool) -> None:
    """Only an export is replaced, and only with `--force`: another folder may hold anything."""
    if not target.exists():
        return
    if not (target / RECORD).is_file():
        raise UserError(
            "already exists and is not an export, so it is kept",
            place=str(target),
            hint="--output names another folder",
        )
    if not force:
        raise UserError("already exists and is kept", place=str(target), hint="--force replaces it")


def _save(model: SentenceTransformer, source: Path, folder: Path) -> None:
    """The plain model with its card and licence."""
    # Encoding sets the cut and the padding that tokenizer.json is saved with: at the model's own length.
    model.encode(["a"], show_progress_bar=False)
    getattr(model.tokenizer, "init_kwargs", {}).pop(
        "max_length", None
    )  # a leftover that fastembed would cut at
    with quiet_loading():
        model.save_pretrained(str(folder), create_model_card=False)
    for pattern in _PAPERS:
        for paper in source.glob(pattern):
            shutil.copyfile(paper, folder / paper.name)
    _write_older_configs(model, folder)


def _write_older_configs(model: SentenceTransformer, folder: Path) -> None:
    """The configs in their older form: text-embeddings-inference and sentence-transformers 5.1 know no other."""
    modules = _read(folder / "modules.json")
    for module in modules:
        package, _, name = module["type"].rpartition(".")
        if package.startswith("sentence_transformers."):
            module["type"] = f"sentence_transformers.models.{name}"
        if name == "Pooling":
            path = folder / module["path"] / "config.json"
            _write(path, _older_pooling(_read(path)))
    _write(folder / "modules.json", modules)
    path = folder / "tokenizer_config.json"
    tokenizer = _read(path) if path.is_file() else {}
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":  # transformers 4 has another name for it
        _write(path, tokenizer | {"tokenizer_class": "PreTrainedTokenizerFast"})
    lower = bool(getattr(model[0], "do_lower_case", False))
    _write(
        folder / "sentence_bert_config.json", {"max_seq_length": model.max_seq_length, "do_lower_case": lower}
    )


def _older_pooling(config: dict[str, Any]) -> dict[str, Any]:
    if "pooling_mode" not in config:
        return config
    given = config["pooling_mode"]
    modes = [given] if isinstance(given, str) else list(given)
    if modes != [mode for mode in _POOLING if mode in modes]:
        return config
    return {
        "word_embedding_dimension": config["embedding_dimension"],
        **{switch: mode in modes for mode, switch in _POOLING.items()},
        "include_prompt": config["include_prompt"],
    }


def _recipe(model: SentenceTransformer) -> dict[str, Any]:
    """What a runtime does around the graph. Warns of modules that many runtimes do not support."""
    names = [type(module).__name__ for module in model]
    unusual = [name for name in names[1:] if name not in ("Pooling", "Normalize")]
    if unusual:
        warn("the model also has {modules}, which some runtimes do not support", modules=", ".join(unusual))
    pooling = next((module.pooling_mode for module in model if hasattr(module, "pooling_mode")), None)
    return {
        "dimensions": model.get_embedding_dimension(),
        "max_tokens": model.max_seq_length,
        "modules": names,
        "pooling": pooling,
        "normalize": "Normalize" in names,
        "prompts": {name: text for name, text in model.prompts.items() if text},
    }


def _write_graphs(
    model: SentenceTransformer, backends: Sequence[Backend], folder: Path, *, weights: str
) -> dict[str, Any]:
    """Write each graph into the folder, compare it with torch, and time all of them in turns."""
    cached = {backend: make_graph(model, backend, weights=weights) for backend in backends}
    sample = _sample()
    expected = model.encode(sample, show_progress_bar=False)
    transformer: Any = model[0]
    engines: dict[str, Any] = {"torch": transformer.model}
    graphs: dict[str, dict[str, Any]] = {}
    for backend, graph in cached.items():
        path = folder / GRAPHS[backend]
        path.parent.mkdir(exist_ok=True)
        files = []
        for part in sorted(file for file in graph.parent.glob(f"{graph.stem}.*") if file.is_file()):
            files.append(shutil.copyfile(part, path.with_name(part.name)))
        agreement = run_graph(model, backend, path, sample=sample, expected=expected)
        engines[backend] = transformer.model
        graphs[backend] = {
            "file": GRAPHS[backend],
            "bytes": sum(file.stat().st_size for file in files),
            "sha256": {str(file.relative_to(folder)): sha256_file(file) for file in files},
            "cosine_mean": round(agreement.mean, 6),
            "cosine_least": round(agreement.least, 6),
        }
    speeds = _texts_per_s(model, engines, sample[:-1])
    for name, found in graphs.items():
        found["texts_per_s"] = speeds[name]
        say(
            "{backend}: {mb:.1f} MB, {speed:.0f} texts/s; torch: {torch:.0f} texts/s (best of {turns} turns)",
            backend=name,
            mb=found["bytes"] / 1e6,
            speed=speeds[name],
            torch=speeds["torch"],
            turns=_TURNS,
        )
    return {"graphs": graphs, "sample_texts": len(sample), "torch_texts_per_s": speeds["torch"]}


def _sample() -> list[str]:
    """Shipped sentences in English and Korean, and a long text: a graph must work for any length."""
    rows = [row for _, row in read_objects(data_path("similarity.jsonl"))]
    sentences = [str(row["sentence1"]) for row in rows[: SAMPLE_TEXTS - 1]]
    return [*sentences, " ".join(sentences[:_LONG_TEXT])]


def _texts_per_s(
    model: SentenceTransformer, engines: dict[str, Any], texts: Sequence[str]
) -> dict[str, float]:
    """Each engine's best of several turns, one after the other: a busy moment does not stay with one of them."""
    transformer: Any = model[0]
    best = dict.fromkeys(engines, 0.0)
    for _ in range(_TURNS):
        for name, engine in engines.items():
            transformer.model = engine
            start = time.perf_counter()
            model.encode(list(texts), show_progress_bar=False)
            best[name] = max(best[name], len(texts) / (time.perf_counter() - start))
    return {name: round(speed, 1) for name, speed in best.items()}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
