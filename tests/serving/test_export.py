"""An export is loaded here as other runtimes do: by its files alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.errors import UserError
from embedkit.models import backends
from embedkit.models.resolve import resolve_model
from embedkit.ranking.hybrid.shares import LanguageShare, LearntShares, keep_shares, shares_of
from embedkit.serving import ExportOptions, export

TEXTS = ["a diode", "다이오드", "pulse width modulation of a motor " * 30, "op"]
Load = Callable[[Path], Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]]


def onnx(path: Path) -> Any:
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    return lambda arrays: session.run(["last_hidden_state"], arrays)[0]


def openvino(path: Path) -> Any:
    compiled = pytest.importorskip("openvino").compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda arrays: compiled(arrays)["last_hidden_state"]


def need(*modules: str) -> None:
    for module in modules:
        pytest.importorskip(module, reason="the extra of this target is not installed")


def pooled(folder: Path, graph: str, load: Load) -> NDArray[np.float32]:
    """Mean pooling over what the graph gives for the tokens of tokenizer.json, cut and padded as that file says."""
    from tokenizers import Tokenizer

    encoded = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(TEXTS)
    ids = np.array([each.ids for each in encoded], dtype=np.int64)
    mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
    hidden = load(folder / graph)({"input_ids": ids, "attention_mask": mask})
    means: NDArray[np.float32] = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return means


@pytest.mark.parametrize(
    ("target", "modules", "graph", "load", "atol"),
    [
        ("onnx", ("onnx", "onnxruntime"), "onnx/model.onnx", onnx, 1e-5),
        ("onnx-int8", ("onnx", "onnxruntime"), "onnx/model_quantized.onnx", onnx, 0.2),
        ("openvino", ("openvino",), "openvino/openvino_model.xml", openvino, 1e-5),
    ],
)
def test_the_graph_gives_the_models_vectors_without_us(
    target: str,
    modules: tuple[str, ...],
    graph: str,
    load: Load,
    atol: float,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    from sentence_transformers import SentenceTransformer

    need(*modules)
    folder = export(ExportOptions(model=str(tiny_model), to=[target], output=tmp_path / "out"))
    wanted = SentenceTransformer(str(tiny_model), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(pooled(folder, graph, load), wanted, atol=atol)
    again = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_array_equal(again, wanted)
    record = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert list(record["graphs"]) == [target]
    assert record["graphs"][target]["file"] == graph
    assert backends.LEAST_COSINE[backends.check_backend(target)] <= record["graphs"][target]["cosine_least"]
    assert (record["pooling"], record["normalize"], record["max_tokens"]) == ("mean", False, 64)
    assert str(tmp_path) not in json.dumps(record)


def test_the_configs_are_those_that_other_runtimes_parse(tiny_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    need("onnx", "onnxruntime")
    model = SentenceTransformer(str(tiny_model), device="cpu", prompts={"query": "q: ", "document": "d: "})
    model = SentenceTransformer(
        modules=[model[0], Pooling(32, "cls"), Normalize()], prompts=model.prompts, device="cpu"
    )
    model.max_seq_length = 16
    model.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    (tmp_path / "model" / "LICENSE.txt").write_text("mine", encoding="utf-8")
    folder = export(ExportOptions(model=str(tmp_path / "model"), to=["onnx"], output=tmp_path / "out"))

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    pooling = read("1_Pooling/config.json")
    assert [name for name, on in pooling.items() if on is True] == [
        "pooling_mode_cls_token",
        "include_prompt",
    ]
    assert pooling["word_embedding_dimension"] == 32
    assert read("sentence_bert_config.json")["max_seq_length"] == 16
    assert read("tokenizer_config.json")["model_max_length"] == 16
    assert read("tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert read("tokenizer.json")["truncation"]["max_length"] == 16
    assert read("tokenizer.json")["padding"]["strategy"] == "BatchLongest"
    assert [m["type"].rpartition(".")[0] for m in read("modules.json")] == [
        "sentence_transformers.models"
    ] * 3
    assert read("export.json")["prompts"] == {"query": "q: ", "document": "d: "}
    assert (folder / "LICENSE.txt").read_text(encoding="utf-8") == "mine"
    again = SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_array_equal(again.encode_query(TEXTS), model.encode_query(TEXTS))


def test_what_the_search_learnt_goes_along(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need("onnx", "onnxruntime")
    learnt = LanguageShare(
        lang="ko", share=0, hybrid=0.1, definitions=0.5, questions=60, recall=(0.9, 0.9, 0)
    )
    shutil.copytree(tiny_model, tmp_path / "run" / "model")
    keep_shares(LearntShares((learnt,)), tmp_path / "run" / "model")
    folder = export(ExportOptions(model=str(tmp_path / "run"), to=["onnx-int8"], output=tmp_path / "out"))
    assert shares_of(resolve_model(str(folder))).languages == (learnt,)
    assert "other weights" not in capsys.readouterr().err


def test_a_graph_that_does_not_agree_leaves_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("onnx", "onnxruntime")
    monkeypatch.setattr(backends, "LEAST_COSINE", {"onnx": 0.9, "onnx-int8": 1.01})
    with pytest.raises(UserError, match="onnx-int8 does not agree with torch"):
        export(ExportOptions(model=str(tiny_model), to=["onnx", "onnx-int8"], output=tmp_path / "a" / "out"))
    assert not list((tmp_path / "a").iterdir())


def test_an_export_is_replaced_only_when_asked_and_nothing_else_ever(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need("onnx", "onnxruntime")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, tmp_path / "runs" / "mine" / "model")
    folder = export(ExportOptions(to=["onnx"]))
    assert folder == Path("exports/mine")
    assert capsys.readouterr().out == f"{folder}\n"
    with pytest.raises(UserError, match="already exists and is kept"):
        export(ExportOptions(to=["onnx"]))
    (folder / "onnx" / "old").touch()
    export(ExportOptions(to=["onnx"], force=True, as_json=True))
    assert not (folder / "onnx" / "old").exists()
    assert json.loads(capsys.readouterr().out)["output"] == str(folder)
    with pytest.raises(UserError, match="is not an export, so it is kept"):
        export(ExportOptions(to=["onnx"], output=tmp_path / "runs", force=True))
    with pytest.raises(UserError, match="is an input"):
        export(ExportOptions(model=str(folder), to=["onnx"], output=folder, force=True))


def test_a_model_without_a_transformer_is_refused(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models

    need("onnx", "onnxruntime")
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=4)], device="cpu")
    static.save_pretrained(str(tmp_path / "static"), create_model_card=False)
    with pytest.raises(UserError, match="no transformer"):
        export(ExportOptions(model=str(tmp_path / "static"), to=["onnx"], output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_graph_too_large_for_one_file_comes_with_its_weights(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above 2 GB torch writes the weights beside the graph; here it is made to."""
    need("onnx", "onnxruntime")
    import onnx as library

    def spread(original: Any, example: dict[str, Any], path: Path, *, write: Any = backends._trace) -> None:
        write(original, example, path)
        graph = library.load(str(path))
        library.save_model(
            graph, str(path), save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0
        )

    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backends, "_trace", spread)
    folder = export(ExportOptions(model=str(tiny_model), to=["onnx"], output=tmp_path / "out"))
    assert {path.name for path in (folder / "onnx").iterdir()} == {"model.onnx", "model.onnx_data"}
    assert pooled(folder, "onnx/model.onnx", onnx).shape == (4, 32)
