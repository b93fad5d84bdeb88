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
from dataclasses import asdict, dataclass
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
# Where other runtimes look for each in a model's folder; the cache has them under the same names.
GRAPHS: Mapping[Backend, str] = {
    "onnx": "onnx/model.onnx",
    "onnx-int8": "onnx/model_quantized.onnx",
    "openvino": "openvino/openvino_model.xml",
}
SAMPLE_TEXTS = 64
_OUTPUT = "last_hidden_state"
GraphRunner = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]


def unit_rows(vectors: Any) -> NDArray[np.float64]:
    """Rows `(N, D)` of length one, in double precision; a zero row stays zero."""
    values = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float64] = values / np.where(norms > 0, norms, 1)
    return unit


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
    expected = model.encode(sample, show_progress_bar=False)
    graph = make_graph(model, backend, weights=weights)
    return run_graph(model, backend, graph, sample=sample, expected=expected)


def make_graph(model: SentenceTransformer, backend: Backend, *, weights: str) -> Path:
    """The model's transformer as a file that `backend` reads, kept in the cache under the weights' hash.

    It takes the tokenizer's arrays by their names, each `(batch, length)`, and gives `last_hidden_state`. Files
    beside it whose names start as its own does up to the dot belong to it. The model moves to the CPU and to float32.

    Raises:
        UserError: there is no transformer in the model, or it cannot be converted.
    """
    original = _transformer(model).model
    model.to("cpu").float()
    path = cache_dir("models") / f"{weights}.graphs" / Path(GRAPHS[backend]).name
    if path.is_file():
        return path
    example = _example(model)
    if backend == "onnx-int8":
        precise = make_graph(model, "onnx", weights=weights)
    with atomic_path(path) as part, _converting():
        if backend == "openvino":
            _write_openvino(original, example, part)
        elif backend == "onnx-int8":
            _write_int8(precise, part)
        else:
            _write_onnx(original, example, part)
    return path


def run_graph(
    model: SentenceTransformer, backend: Backend, graph: Path, *, sample: Sequence[str], expected: Any
) -> Agreement:
    """Let `graph` run the model's transformer from now on, and hold its vectors of `sample` against `expected`.

    Raises:
        UserError: they do not agree.
    """
    transformer = _transformer(model)
    transformer.model = _engine(transformer.model.config, backend, graph, tuple(_example(model)))
    found = model.encode(list(sample), show_progress_bar=False)
    cosines = np.einsum("ij,ij->i", unit_rows(expected), unit_rows(found))
    agreement = Agreement(float(cosines.mean()), float(cosines.min()), len(sample))
    say(
        "{backend}: cosine with torch's vectors mean {mean:.5f}, least {least:.5f}, on {texts} texts",
        backend=backend,
        **asdict(agreement),
    )
    if not agreement.least >= LEAST_COSINE[backend]:
        raise UserError(
            "{backend} does not agree with torch: least cosine {least:.4f}, wanted {wanted}",
            hint="use torch, or onnx without int8",
            backend=backend,
            least=agreement.least,
            wanted=LEAST_COSINE[backend],
        )
    return agreement


def _transformer(model: SentenceTransformer) -> Any:
    transformer: Any = model[0]
    if not hasattr(transformer, "model") or not hasattr(transformer, "module_output_name"):
        raise UserError("this model has no transformer, so nothing but torch can run it")
    return transformer


def _example(model: SentenceTransformer) -> dict[str, Any]:
    """Two texts of different length as the tokenizer gives them."""
    encoded = model.tokenizer(
        ["a short text", "one more text, a little longer"], padding=True, return_tensors="pt"
    )
    return {name: encoded[name] for name in encoded}


def _engine(config: Any, backend: Backend, graph: Path, names: tuple[str, ...]) -> Any:
    """A module that answers as the transformer does: `last_hidden_state` for token numbers."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    run = _openvino(graph) if backend == "openvino" else _onnx(graph)

    class Engine(torch.nn.Module):  # type: ignore[misc]
        device = torch.device("cpu")

        def forward(self, **features: Any) -> Any:
            arrays = {name: features[name].cpu().numpy() for name in names}
            return BaseModelOutput(last_hidden_state=torch.from_numpy(run(arrays)))

    Engine.config = config
    return Engine()


def _write_onnx(original: Any, example: dict[str, Any], path: Path) -> None:
    _trace(original, example, path)
    tensors = [file for file in path.parent.iterdir() if file != path]
    if tensors:  # above 2 GB a graph cannot hold its weights, and torch writes each into a file of its own
        import onnx

        graph = onnx.load(str(path))
        for file in tensors:
            file.unlink()
        onnx.save_model(graph, str(path), save_as_external_data=True, location=f"{path.name}_data")


def _trace(original: Any, example: dict[str, Any], path: Path) -> None:
    import torch

    dynamic = {name: {0: "batch", 1: "length"} for name in (*example, _OUTPUT)}
    torch.onnx.export(
        _hidden_state_only(original, tuple(example)),
        tuple(example.values()),
        str(path),
        input_names=list(example),
        output_names=[_OUTPUT],
        dynamic_axes=dynamic,
        opset_version=17,
        dynamo=False,
    )


def _write_int8(precise: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(precise), str(path), per_channel=True, weight_type=QuantType.QInt8)


def _write_openvino(original: Any, example: dict[str, Any], path: Path) -> None:
    import openvino

    graph = openvino.convert_model(
        _hidden_state_only(original, tuple(example)), example_input=tuple(example.values())
    )
    for given, name in zip(
        graph.inputs, example, strict=False
    ):  # the tracer leaves out what goes unused at the end
        given.get_tensor().set_names({name})
    graph.outputs[0].get_tensor().set_names({_OUTPUT})
    openvino.save_model(graph, path, compress_to_fp16=False)


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


def _onnx(path: Path) -> GraphRunner:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    used = [given.name for given in session.get_inputs()]

    def run(arrays: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        hidden: NDArray[np.float32] = session.run([_OUTPUT], {name: arrays[name] for name in used})[0]
        return hidden

    return run


def _openvino(path: Path) -> GraphRunner:
    import openvino
    import torch

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    used = [given.any_name for given in compiled.inputs]

    def run(arrays: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        return np.array(compiled({name: arrays[name] for name in used})[_OUTPUT], dtype=np.float32)

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
            hint="torch needs no conversion; EMBEDKIT_DEBUG=1 shows the whole error",
            first=first,
        ) from error
    finally:
        noisy.setLevel(level)
