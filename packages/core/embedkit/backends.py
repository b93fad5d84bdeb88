"""Other engines than torch for a model's transformer: ONNX Runtime (also in int8) and OpenVINO, on the CPU.

Only the transformer is exchanged: prompts, tokenizer, pooling and normalisation stay the model folder's own. The
converted graph is kept in the cache under the weights' hash. A backend is taken only after its vectors agreed with
torch's on a sample of the texts.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.cache import cache_dir
from embedkit.console import say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import atomic_path

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Backend = Literal["torch", "onnx", "onnx-int8", "openvino"]
BACKENDS: tuple[Backend, ...] = ("torch", "onnx", "onnx-int8", "openvino")
LEAST_COSINE: Mapping[Backend, float] = {"onnx": 0.9999, "openvino": 0.9999, "onnx-int8": 0.95}
SAMPLE_TEXTS = 64
Run = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a backend's vectors are to torch's, by cosine over a sample of texts."""

    mean: float
    least: float
    texts: int


def check_backend(name: str) -> Backend:
    """`name` as a backend whose packages are installed.

    Raises:
        UserError: it is not one, or its extra is missing.
    """
    for backend in BACKENDS:
        if name == backend:
            if backend.startswith("onnx"):
                require("onnx", extra="onnx")
                require("onnxruntime", extra="onnx")
            elif backend == "openvino":
                require("openvino", extra="openvino")
            return backend
    raise UserError("--backend {name!r} is not one of {backends}", name=name, backends=", ".join(BACKENDS))


def exchange(
    model: SentenceTransformer, backend: Backend, *, weights: str, texts: Sequence[str]
) -> Agreement:
    """Let `backend` run the model's transformer from now on; `weights` is the hash that the graph is kept under.

    Raises:
        UserError: the model cannot be converted, or the vectors of `texts` do not agree with torch's.
    """
    sample = [texts[i] for i in np.linspace(0, len(texts) - 1, min(SAMPLE_TEXTS, len(texts))).astype(int)]
    before = _unit(model.encode(sample, show_progress_bar=False))
    model.to("cpu")
    transformer: Any = model[0]
    if not hasattr(transformer, "model") or not hasattr(transformer, "module_output_name"):
        raise UserError(
            "this model has no transformer that {backend} could run", hint="--backend torch", backend=backend
        )
    transformer.model = _engine(transformer.model, backend, _example(model), weights=weights)
    after = _unit(model.encode(sample, show_progress_bar=False))
    cosines = np.einsum("ij,ij->i", before, after)
    agreement = Agreement(float(cosines.mean()), float(cosines.min()), len(sample))
    say(
        "{backend}: cosine with torch's vectors mean {mean:.5f}, least {least:.5f}, on {texts} texts",
        backend=backend,
        mean=agreement.mean,
        least=agreement.least,
        texts=agreement.texts,
    )
    if not agreement.least >= LEAST_COSINE[backend]:
        raise UserError(
            "{backend} does not agree with torch: least cosine {least:.4f}, wanted {wanted}",
            hint="--backend torch, or onnx without int8",
            backend=backend,
            least=agreement.least,
            wanted=LEAST_COSINE[backend],
        )
    return agreement


def _unit(vectors: Any) -> NDArray[np.float64]:
    values = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float64] = values / np.where(norms > 0, norms, 1)
    return unit


def _example(model: SentenceTransformer) -> dict[str, Any]:
    """Two texts of different length as the tokenizer gives them."""
    encoded = model.tokenizer(
        ["a short text", "one more text, a little longer"], padding=True, return_tensors="pt"
    )
    return {name: encoded[name] for name in encoded}


def _engine(original: Any, backend: Backend, example: dict[str, Any], *, weights: str) -> Any:
    """A module that answers as `original` does: `last_hidden_state` for token numbers."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    names = tuple(example)
    folder = cache_dir("models")
    if backend == "openvino":
        run = _openvino(_openvino_graph(original, example, folder / f"{weights}.xml"), names)
    else:
        run = _onnx(_onnx_graph(original, example, folder, weights, int8=backend == "onnx-int8"), names)

    class Engine(torch.nn.Module):  # type: ignore[misc]
        config = original.config
        device = torch.device("cpu")

        def forward(self, **features: Any) -> Any:
            arrays = {name: features[name].cpu().numpy() for name in names}
            return BaseModelOutput(last_hidden_state=torch.from_numpy(run(arrays)))

    return Engine()


def _onnx_graph(original: Any, example: dict[str, Any], folder: Path, weights: str, *, int8: bool) -> Path:
    path = folder / f"{weights}.onnx"
    if not path.is_file():
        with atomic_path(path) as part, _converting():
            import torch

            dynamic = {name: {0: "batch", 1: "length"} for name in (*example, "last_hidden_state")}
            torch.onnx.export(
                _hidden_state_only(original, tuple(example)),
                tuple(example.values()),
                str(part),
                input_names=list(example),
                output_names=["last_hidden_state"],
                dynamic_axes=dynamic,
                opset_version=17,
                dynamo=False,
            )
    if not int8:
        return path
    small = folder / f"{weights}.int8.onnx"
    if not small.is_file():
        with atomic_path(small) as part, _converting():
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(str(path), str(part), per_channel=True, weight_type=QuantType.QInt8)
    return small


def _hidden_state_only(original: Any, names: Sequence[str]) -> Any:
    """The tracer wants positions and one tensor out."""
    import torch

    class Traced(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.original = original

        def forward(self, *tensors: Any) -> Any:
            named = dict(zip(names, tensors, strict=True))
            return self.original(**named, return_dict=True).last_hidden_state

    return Traced().eval()


def _openvino_graph(original: Any, example: dict[str, Any], path: Path) -> Path:
    if not path.is_file():
        import openvino

        with atomic_path(path) as part, _converting():
            graph = openvino.convert_model(
                _hidden_state_only(original, tuple(example)), example_input=tuple(example.values())
            )
            openvino.save_model(graph, part, compress_to_fp16=False)
    return path


def _onnx(path: Path, names: Sequence[str]) -> Run:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    used = {given.name for given in session.get_inputs()}

    def run(arrays: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        given = {name: arrays[name] for name in names if name in used}
        hidden: NDArray[np.float32] = session.run(["last_hidden_state"], given)[0]
        return hidden

    return run


def _openvino(path: Path, names: Sequence[str]) -> Run:
    import openvino
    import torch

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    count = len(compiled.inputs)

    def run(arrays: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        answer = compiled([arrays[name] for name in names][:count])
        return np.array(answer[0], dtype=np.float32)

    return run


@contextlib.contextmanager
def _converting() -> Iterator[None]:
    """Silence the converters, and make one message of what they raise."""
    noisy = logging.getLogger()
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, ValueError, TypeError, NotImplementedError, OSError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            "the model could not be converted: {first}",
            hint="--backend torch, or EMBEDKIT_DEBUG=1 for the whole error",
            first=first,
        ) from error
    finally:
        noisy.setLevel(level)
