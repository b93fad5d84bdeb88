"""An export folder as a service: its tokenizer, its graph in ONNX Runtime, its pooling, an answer. No torch.

MiniLM on one CPU core: about 10 ms a sentence, in int8 about 4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.models.resolve import Role, document_prompt
from embedkit.serving.score.answers import Encoded, embeddings_answer, unit
from embedkit.serving.score.requests import Limits, check_dimensions, check_model, parse_request
from embedkit.serving.score.tokens import TextTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

RECORD = "export.json"
_KEYS = ("model", "dimensions", "max_tokens", "modules", "pooling", "prompts", "graphs")
# Texts that run together. Alone in int8: such a graph scales its numbers by all that it is given, so a text's vector
# would depend on the texts beside it, and one text at a time is as fast.
GROUP_SIZES: Mapping[str, int] = {"onnx": 8, "onnx-int8": 1, "openvino": 8}
GRAPH_OVERHEAD = 4  # what a run costs beside its tokens, in tokens
_RUNNABLE = ("onnx", "onnx-int8")
_MODULES = ("Transformer", "Pooling", "Normalize")
Run = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]
Hidden = NDArray[np.float32]  # (B, L, D), or (B, D) once pooled
Mask = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ExportScorer:
    """A loaded export. `answer` may be called by one thread at a time."""

    name: str
    dimensions: int
    max_tokens: int | None
    graph: str
    limits: Limits
    _tokenizer: TextTokenizer
    _run: Run
    _pool: Callable[[Hidden, Mask], Hidden]
    _prompt_counts: bool
    pooling: str = ""
    _on_tokens: Callable[[Sequence[Sequence[int]]], Sequence[str]] | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, which cuts nothing."""
        return self._tokenizer.whole

    def answer(self, body: object) -> dict[str, Any]:
        """The answer to a parsed JSON body, ready for `json.dumps`. Raises `RequestError`."""
        asked = parse_request(body, limits=self.limits, decode=self._on_tokens)
        check_model(asked.model, (self.name,))
        check_dimensions(asked, self.dimensions)
        answer = embeddings_answer(self.encode(asked.texts, asked.input_type), asked, self.name)
        for row in answer["data"]:
            if not isinstance(row["embedding"], str):
                row["embedding"] = row["embedding"].tolist()
        return answer

    def encode(self, texts: Sequence[str], role: Role = "document") -> Encoded:
        """Unit vectors of the texts, and what was read of each."""
        tokenized = self._tokenizer(texts, role)
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        skipped = 0 if self._prompt_counts else self._tokenizer.prompt_length(role)
        for group in self._tokenizer.groups(tokenized, size=GROUP_SIZES[self.graph], overhead=GRAPH_OVERHEAD):
            mask = group.arrays["attention_mask"].astype(np.float32)
            mask[:, :skipped] = 0
            vectors[list(group.places)] = self._pool(self._run(group.arrays), mask)
        return Encoded(unit(vectors), [len(each.ids) for each in tokenized], [each.cut for each in tokenized])


def load(
    folder: Path | str, *, graph: str = "", limits: Limits | None = None, threads: int | None = None
) -> ExportScorer:
    """Load what `embedkit export` wrote. Without `graph`, `onnx` where the folder has it, else `onnx-int8`.

    `threads` is how many the graph uses; by default OMP_NUM_THREADS, else one a core.

    Raises:
        UserError: the folder is no export, or the graph is missing, damaged or not one for ONNX Runtime.
    """
    folder = Path(folder)
    record = _read(folder / RECORD)
    name = graph or next((name for name in _RUNNABLE if name in record["graphs"]), "")
    if name not in _RUNNABLE or name not in record["graphs"]:
        raise UserError(
            "has no graph {name!r}; it has {found}",
            place=str(folder),
            hint="embedkit export --to onnx or --to onnx-int8 writes one",
            name=name or "onnx",
            found=", ".join(record["graphs"]) or "-",
        )
    unknown = [module for module in record["modules"] if module not in _MODULES]
    if unknown:
        raise UserError(
            "needs {modules}, which only torch runs here",
            place=str(folder),
            hint="serve the model itself: embedkit serve --model",
            modules=", ".join(unknown),
        )
    tokenizer = _tokenizer(folder)
    prompts = record["prompts"]
    roles: dict[Role, str] = {"query": prompts.get("query", ""), "document": document_prompt(prompts)}
    return ExportScorer(
        name=record["model"],
        dimensions=int(record["dimensions"]),
        max_tokens=record["max_tokens"],
        graph=name,
        limits=limits or Limits(),
        _tokenizer=TextTokenizer(tokenizer, max_tokens=record["max_tokens"], prompts=roles),
        _run=_session(folder / record["graphs"][name]["file"], threads),
        _pool=partial(_pooled, modes=_modes(record["pooling"])),
        pooling=",".join(_modes(record["pooling"])),
        _prompt_counts=_optional(folder / "1_Pooling" / "config.json").get("include_prompt", True),
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        record: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key in _KEYS:
            record[key]
        return record
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            "is no export: {record} is missing or damaged",
            place=str(path.parent),
            hint="embedkit export --model runs/NAME writes one",
            record=RECORD,
        ) from error


def _optional(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _tokenizer(folder: Path) -> Any:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError("has no tokenizer.json, so only torch runs this model", place=str(folder))
    return require("tokenizers", extra="onnx").Tokenizer.from_file(str(path))


def _session(path: Path, threads: int | None) -> Run:
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = threads or (int(wanted) if wanted.isdigit() else 0)
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise UserError("cannot be loaded: it is missing or damaged", place=str(path)) from error
    used = [given.name for given in session.get_inputs()]

    def run(arrays: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        hidden: NDArray[np.float32] = session.run(
            ["last_hidden_state"], {name: arrays[name] for name in used}
        )[0]
        return hidden

    return run


def _modes(pooling: object) -> tuple[str, ...]:
    modes = (pooling,) if isinstance(pooling, str) else tuple(pooling or ("mean",))  # type: ignore[arg-type]
    return tuple(str(mode) for mode in modes)


def _pooled(hidden: Hidden, mask: Mask, modes: Sequence[str]) -> Hidden:
    """One vector a text `(B, D)` from `(B, L, D)`; several ways of pooling stand side by side."""
    return np.concatenate([_POOLING[mode](hidden, mask) for mode in modes], axis=1).astype(np.float32)


def _mean(hidden: Hidden, weights: Mask, power: float = 1.0) -> Hidden:
    total: Hidden = np.einsum("bld,bl->bd", hidden, weights)
    means: Hidden = total / np.maximum(weights.sum(1, keepdims=True), 1e-9) ** power
    return means


def _last(hidden: Hidden, mask: Mask) -> Hidden:
    places = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)
    last: Hidden = hidden[np.arange(len(hidden)), places]
    return last


_POOLING: Mapping[str, Callable[[Hidden, Mask], Hidden]] = {
    "cls": lambda hidden, mask: hidden[np.arange(len(hidden)), np.argmax(mask, axis=1)],
    "max": lambda hidden, mask: np.where(mask[..., None] > 0, hidden, -1e9).max(1),
    "mean": _mean,
    "mean_sqrt_len_tokens": partial(_mean, power=0.5),
    "weightedmean": lambda hidden, mask: _mean(
        hidden, mask * np.arange(1, mask.shape[1] + 1, dtype=np.float32)
    ),
    "lasttoken": _last,
}
