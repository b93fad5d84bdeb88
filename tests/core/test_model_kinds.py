"""Models that people bring: other kinds are refused by name; padding and length are filled in where they lack."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import UserError
from embedkit.files import atomic_folder
from embedkit.models.resolve import load_model, quiet_loading, resolve_model
from embedkit.models.vectors import Encoder

Change = Callable[[Path], None]


def _edit(path: Path, **values: Any) -> None:
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(old | values), encoding="utf-8")


def _cross_encoder(folder: Path) -> None:
    _edit(folder / "config_sentence_transformers.json", model_type="CrossEncoder")


def _sparse(folder: Path) -> None:
    _edit(folder / "config_sentence_transformers.json", model_type="SparseEncoder")


def _splade(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.sparse_encoder.models.SpladePooling"
    (folder / "modules.json").write_text(json.dumps(modules))


def _classifier(folder: Path) -> None:
    (folder / "modules.json").unlink()
    (folder / "config_sentence_transformers.json").unlink()
    _edit(folder / "config.json", architectures=["BertForSequenceClassification"])


def _tagger(folder: Path) -> None:
    _classifier(folder)
    _edit(folder / "config.json", architectures=["BertForTokenClassification"])


def _adapter(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()
    _edit(folder / "adapter_config.json", base_model_name_or_path="me/base")


def _inner_adapter(folder: Path) -> None:
    (folder / "0_Transformer").mkdir()
    _edit(folder / "0_Transformer" / "adapter_config.json", base_model_name_or_path="me/base")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_cross_encoder, "is a CrossEncoder, which gives no vector"),
        (_sparse, "is a SparseEncoder, which gives no vector"),
        (_splade, "is a SparseEncoder, which gives no vector"),
        (_classifier, "is a BertForSequenceClassification, which gives no vector"),
        (_tagger, "is a BertForTokenClassification, which gives no vector"),
        (_adapter, "adapter of me/base: its base model is not here"),
        (_inner_adapter, "adapter of me/base: its base model is not here"),
    ],
)
def test_a_model_of_another_kind_is_refused_by_its_name(
    tiny_model: Path, tmp_path: Path, change: Change, said: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "other")
    change(folder)
    with pytest.raises(UserError, match=said):
        load_model(resolve_model(str(folder)))


def _cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:3000])


def _lfs_pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def _without_tokenizer(folder: Path) -> None:
    for pattern in ("tokenizer*", "vocab*", "special_tokens_map.json"):
        for path in folder.glob(pattern):
            path.unlink()


def _weights_alone(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()


def _broken_list(folder: Path) -> None:
    (folder / "modules.json").write_text("[")


def _without_pooling_config(folder: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")


def _longer_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"] |= {f"word{n}": len(tokenizer["model"]["vocab"]) + n for n in range(50)}
    path.write_text(json.dumps(tokenizer), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut_off, "the model could not be loaded: Error while deserializing header"),
        (_lfs_pointer, "is a pointer of Git LFS"),
        (_without_tokenizer, "holds no tokenizer, so it reads no texts"),
        (_weights_alone, "holds model.safetensors, but no config.json beside it"),
        (_broken_list, r"modules.json: not JSON"),
        (_without_pooling_config, "the model could not be loaded: Pooling"),
        (_longer_tokenizer, r"the tokenizer has \d+ tokens, the model knows \d+"),
    ],
)
def test_a_damaged_model_is_told_as_what_it_is(
    tiny_model: Path, tmp_path: Path, damage: Change, said: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(UserError, match=said):
        load_model(resolve_model(str(folder)))


@pytest.mark.parametrize(
    ("name", "hint"), [("m.gguf", "is one of llama.cpp"), ("m.safetensors", "name the folder")]
)
def test_a_file_is_no_model(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(UserError, match="is a file; a model is a folder") as caught:
        resolve_model(str(tmp_path / name))
    assert hint in str(caught.value)


def _trained_adapter(base: Path, folder: Path, *, inside: bool) -> Path:
    """A LoRA adapter whose matrices are no zeros: bare, or in a sentence-transformers folder."""
    peft = pytest.importorskip("peft", reason="adapters need peft")
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(base), device="cpu")
    settings = peft.LoraConfig(task_type="FEATURE_EXTRACTION", r=2, target_modules=["query", "value"])
    if inside:
        model.add_adapter(settings)
        encoder: Any = model.transformers_model
    else:
        with quiet_loading():
            encoder = peft.get_peft_model(model.transformers_model, settings)
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    (model if inside else encoder).save_pretrained(str(folder))
    _edit(folder / "adapter_config.json", base_model_name_or_path=str(base))
    return folder


@pytest.mark.parametrize("inside", [True, False])
def test_an_adapter_is_merged_into_its_base_and_said(
    tiny_model: Path, tmp_path: Path, inside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _trained_adapter(tiny_model, tmp_path / "adapter", inside=inside)
    source = resolve_model(str(folder))
    assert "the adapter is merged into its base" in capsys.readouterr().err
    found = Encoder(source, cached=False).encode(["a resistor"])
    base = Encoder(resolve_model(str(tiny_model)), cached=False).encode(["a resistor"])
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-4)
    assert np.abs(found - base).max() > 1e-3
    assert resolve_model(str(folder)).path == source.path
    assert capsys.readouterr().err == ""


def test_an_adapter_of_another_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = _trained_adapter(tiny_model, tmp_path / "adapter", inside=False)
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "adapter_model.safetensors")
    renamed = {name.replace("layer.0", "layer.7"): weight for name, weight in weights.items()}
    save_file(renamed, folder / "adapter_model.safetensors")
    with pytest.raises(UserError, match="its weights fit no layer of the base"):
        resolve_model(str(folder))
    _edit(folder / "adapter_config.json", task_type="TOKEN_CLS")
    with pytest.raises(UserError, match="it is of a kind that is not merged here"):
        resolve_model(str(folder))


def test_a_tokenizer_without_padding_pads_with_its_end(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "no-pad")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.pop("pad_token")
    settings["eos_token"] = "[SEP]"
    path.write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    vectors = Encoder(resolve_model(str(folder)), cached=False).encode(["a", "a longer text than that"])
    assert np.isfinite(vectors).all()
    assert "no pad token, so [SEP] pads" in capsys.readouterr().err


@pytest.mark.parametrize("length", [512, None])
def test_texts_are_cut_where_the_positions_end(
    tiny_model: Path, tmp_path: Path, length: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "long")
    _edit(folder / "sentence_bert_config.json", max_seq_length=length)
    _edit(folder / "tokenizer_config.json", model_max_length=length or int(1e30))
    encoder = Encoder(resolve_model(str(folder)), cached=False)
    assert np.isfinite(encoder.encode(["a b " * 300])).all()
    assert encoder.model.max_seq_length == 64
    assert ("texts are cut at 64 tokens" in capsys.readouterr().err) is (length is not None)


def test_nan_in_the_weights_is_named_by_every_way_to_vectors(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model, tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    name = next(key for key in weights if "layer.0.output.dense.weight" in key)
    weights[name][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = Encoder(resolve_model(str(folder)), cached=False)
    for ask in (encoder.encode, encoder.raw):
        with pytest.raises(UserError, match=r"not finite") as caught:
            ask(["text"])
        assert "its weights hold NaN or infinity: 0.model.encoder.layer.0.output" in str(caught.value)


def test_a_run_that_was_cut_off_has_no_model_yet(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"model_id": "x", "train": {}, "output": {}}))
    with pytest.raises(UserError, match="the run has no model yet") as caught:
        resolve_model(str(run))
    assert "--resume" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sentence-transformer/all-MiniLM-L6-v2", "did you mean 'sentence-transformers/all-MiniLM-L6-v2'?"),
        ("intfloat/multilingual-e5-smal", "did you mean 'intfloat/multilingual-e5-small'?"),
        ("bge-m3", "did you mean 'BAAI/bge-m3'?"),
        ("someone/never-heard-of", "HF_HUB_OFFLINE is set"),
        ("BAAI/bge-m3", "HF_HUB_OFFLINE is set"),
        ("runs/nowhere", "name a local folder"),
        ("./nowhere/x", "name a local folder"),
        ("/nowhere/at/all", "name a local folder"),
        ("models/mine/v2", "name a local folder"),
        ("here/mine", "name a local folder"),
    ],
)
def test_an_id_gets_a_suggestion_and_a_path_no_word_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError) as caught:
        resolve_model(name)
    assert hint in str(caught.value)


def test_what_is_written_has_the_mode_that_umask_says(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "weights").write_bytes(b"x")
        (folder / "weights").chmod(0o600)
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert stat.S_IMODE((tmp_path / "model" / "weights").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
