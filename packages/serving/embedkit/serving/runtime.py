"""The model behind the service: loaded once, by torch or as a graph, and which of them by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from embedkit.console import say
from embedkit.data.jsonl import read_objects
from embedkit.errors import UserError
from embedkit.models.backends import Backend, check_backend
from embedkit.models.resolve import LoadOptions, ModelSource
from embedkit.models.vectors import Encoder, Vectors
from embedkit.serving.encoder import CountingEncoder
from embedkit.serving.exported import ExportedEncoder, is_export
from embedkit.shipped_data import data_path

AUTO = "auto"
_GRAPHS: tuple[Backend, ...] = ("onnx-int8", "onnx")
_WARM_UP_TEXTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRuntime:
    """What encodes requests, and what gives the vectors of a corpus before there are any."""

    source: ModelSource
    hash: str
    backend: Backend
    encode: CountingEncoder | ExportedEncoder
    corpus_vectors: Callable[[Sequence[str]], Vectors]


def check_choice(name: str) -> None:
    """Raise `UserError` where `name` is no backend or its packages are missing."""
    if name == AUTO or (name in _GRAPHS and find_spec("onnxruntime") and not find_spec("onnx")):
        return  # an export needs no converter; of another model `open_runtime` says what is missing
    check_backend(name)


def open_runtime(source: ModelSource, name: str, *, batch_size: int, device: str = "auto") -> ServiceRuntime:
    """Load the model. `auto` is onnx-int8 on a processor, where its packages are there and it agrees with torch.

    Raises:
        UserError: the model cannot be loaded, or the backend that was named does not agree with torch.
    """
    if name == AUTO:
        found = next((graph for graph in _GRAPHS if _has_graph(source, graph)), None)
        if found:
            return _exported(source, found)
        if device == "auto" and _may_quantise():
            try:
                return _converted(source, "onnx-int8", batch_size, "cpu")
            except UserError as error:
                say("torch runs the model: {error}", error=error)
        return _converted(source, "torch", batch_size, device)
    graph = next((graph for graph in _GRAPHS if graph == name), None)
    if graph is not None and is_export(source, graph):
        return _exported(source, graph)
    backend = check_backend(name)
    return _converted(source, backend, batch_size, device)


def _has_graph(source: ModelSource, backend: Backend) -> bool:
    from embedkit.models.backends import GRAPHS

    return is_export(source, backend) and (Path(source.path) / GRAPHS[backend]).is_file()


def _may_quantise() -> bool:
    if find_spec("onnxruntime") is None or find_spec("onnx") is None or find_spec("torch") is None:
        return False
    import torch

    return not torch.cuda.is_available()


def _exported(source: ModelSource, backend: Backend) -> ServiceRuntime:
    encode = ExportedEncoder(source, backend)
    return ServiceRuntime(
        source=source,
        hash=encode.hash,
        backend=backend,
        encode=encode,
        corpus_vectors=lambda texts: encode(texts, "document").vectors,
    )


def _converted(source: ModelSource, backend: Backend, batch_size: int, device: str) -> ServiceRuntime:
    """The first texts load the model, convert it for the backend and compare it with torch."""
    encoder = Encoder(source, options=LoadOptions(device=device), cached=False, backend=backend)
    rows = islice(read_objects(data_path("similarity.jsonl")), _WARM_UP_TEXTS)
    encoder.encode([str(row["sentence1"]) for _, row in rows])
    return ServiceRuntime(
        source=encoder.source,
        hash=encoder.hash,
        backend=backend,
        encode=CountingEncoder(encoder, batch_size=batch_size),
        corpus_vectors=encoder.with_cache().encode,
    )
