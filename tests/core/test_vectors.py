"""The cache of vectors: what it is keyed by, that a killed run loses little, and that other engines agree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import UserError
from embedkit.models import backends
from embedkit.models.resolve import Role, resolve_model
from embedkit.models.shards import ShardRow, Shards, shard_path, write_shard
from embedkit.models.vectors import Encoder

TEXTS = [f"diode number {n} of a long list {'x' * (n % 7)}" for n in range(40)]
# Encodes with a pause after each chunk, so that the test can kill it between two.
SLOW = """
import sys, time
from embedkit.models import vectors
from embedkit.models.resolve import resolve_model
from embedkit.models.vectors import Encoder
vectors.CHUNK = 8
fresh = Encoder._fresh
def slow(self, *args):
    print("chunk", flush=True)
    time.sleep(float(sys.argv[2]))
    return fresh(self, *args)
Encoder._fresh = slow
encoder = Encoder(resolve_model(sys.argv[1]))
encoder.encode([f"diode number {n} of a long list {'x' * (n % 7)}" for n in range(40)])
print("encoded", encoder.encoded)
"""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def with_prompts(model: Path, folder: Path, **prompts: str) -> str:
    shutil.copytree(model, folder)
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompts": prompts}))
    return str(folder)


def test_a_killed_run_resumes_with_what_it_has_encoded(tiny_model: Path, own_cache: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(tiny_model)]
    with subprocess.Popen([*command, "0.5"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):  # the third chunk begins when the second has been kept
            assert process.stdout.readline() == "chunk\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    done = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "encoded 24"
    again = Encoder(resolve_model(str(tiny_model)))
    np.testing.assert_allclose(
        again.encode(TEXTS), Encoder(resolve_model(str(tiny_model)), cached=False).encode(TEXTS), atol=1e-6
    )
    assert again.encoded == 0


def test_the_prompt_is_part_of_the_key(tiny_model: Path, tmp_path: Path, own_cache: Path) -> None:
    name = with_prompts(tiny_model, tmp_path / "prompted", query="query: ", document="passage: ")
    encoder = Encoder(resolve_model(name))
    assert encoder.prompts_differ
    query, document = encoder.encode(["diode"], role="query"), encoder.encode(["diode"])
    assert encoder.encoded == 2
    plain = Encoder(resolve_model(str(tiny_model)))
    np.testing.assert_allclose(plain.encode(["query: diode"]), query, atol=1e-6)
    np.testing.assert_allclose(plain.encode(["passage: diode"]), document, atol=1e-6)


def test_a_passage_prompt_stands_before_documents(tiny_model: Path, tmp_path: Path, own_cache: Path) -> None:
    """As E5 names it; sentence-transformers itself hides it behind an empty one named document."""
    plain = Encoder(resolve_model(str(tiny_model))).encode(["passage: diode"])
    for number, prompts in enumerate(({"passage": "passage: "}, {"passage": "passage: ", "document": ""})):
        encoder = Encoder(resolve_model(with_prompts(tiny_model, tmp_path / str(number), **prompts)))
        np.testing.assert_allclose(encoder.encode(["diode"]), plain, atol=1e-6)
        assert encoder.prompts_differ


def test_prompts_are_lent_to_a_model_that_has_none(tiny_model: Path, tmp_path: Path, own_cache: Path) -> None:
    lent: dict[Role, str] = {"query": "ask: ", "document": "text: "}
    bare = resolve_model(str(tiny_model))
    plain = Encoder(bare)
    lender = Encoder(bare, prompts=lent)
    np.testing.assert_allclose(lender.encode(["diode"]), plain.encode(["text: diode"]), atol=1e-6)
    np.testing.assert_allclose(
        lender.encode(["diode"], role="query"), plain.encode(["ask: diode"]), atol=1e-6
    )
    own = resolve_model(with_prompts(tiny_model, tmp_path / "own", query="query: "))
    kept = Encoder(own, prompts=lent).encode(["diode"], role="query")
    np.testing.assert_allclose(kept, plain.encode(["query: diode"]), atol=1e-6)


def test_without_prompts_one_vector_serves_both_roles(tiny_model: Path, own_cache: Path) -> None:
    encoder = Encoder(resolve_model(str(tiny_model)))
    np.testing.assert_array_equal(encoder.encode(["diode"]), encoder.encode(["diode"], role="query"))
    assert (encoder.encoded, encoder.prompts_differ) == (1, False)


def test_a_model_that_may_look_at_the_role_keeps_roles_apart(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(with_prompts(tiny_model, tmp_path / "custom"))
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {"type": "custom.Adapter"}]))
    assert Encoder(resolve_model(str(folder))).prompts_differ


def test_a_damaged_cache_is_one_message(tiny_model: Path, own_cache: Path) -> None:
    encoder = Encoder(resolve_model(str(tiny_model)))
    encoder.encode(["diode"])
    (own_cache / "vectors" / f"{encoder.hash}.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="cache cannot be used"):
        encoder.encode(["triode"])


def test_vectors_that_are_not_finite_are_refused_and_not_kept(
    tiny_model: Path, tmp_path: Path, own_cache: Path
) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    weights = load_file(broken / "model.safetensors")
    save_file(
        {name: value * float("nan") for name, value in weights.items()},
        broken / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(UserError, match="not finite"):
        Encoder(resolve_model(str(broken))).encode(["diode"])
    (path,) = (own_cache / "vectors").glob("*.sqlite")
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM vectors").fetchone() == (0,)
    db.close()


def shard(folder: Path, encoder: Encoder, texts: list[str], *, backend: str = "torch") -> Path:
    array = shard_path(folder, 0, 1)
    rows = [
        ShardRow(str(n), "document", text, encoder.key(text, "document").hex())
        for n, text in enumerate(texts)
    ]
    settings = {"weights": encoder.hash, "backend": backend, "model": "tiny"}
    write_shard(array, encoder.encode(texts), rows, inputs={}, settings=settings)
    return array


def test_texts_in_shards_are_not_encoded(tiny_model: Path, tmp_path: Path, own_cache: Path) -> None:
    source = resolve_model(str(tiny_model))
    plain = Encoder(source, cached=False)
    shard(tmp_path / "shards", plain, TEXTS)
    encoder = Encoder(source, shards=Shards.open(tmp_path / "shards"), cached=False)
    mixed = [TEXTS[7], "new text", TEXTS[0]]
    np.testing.assert_allclose(encoder.encode(mixed), plain.encode(mixed), atol=1e-6)
    assert encoder.encoded == 1


def test_shards_of_another_model_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    source = resolve_model(str(tiny_model))
    shard(tmp_path / "shards", Encoder(source), ["a"], backend="onnx-int8")
    with pytest.raises(UserError, match="another model: backend onnx-int8, not torch"):
        Encoder(source, shards=Shards.open(tmp_path / "shards"))


def test_a_shard_that_is_cut_short_is_one_message(tiny_model: Path, tmp_path: Path) -> None:
    array = shard(tmp_path / "shards", Encoder(resolve_model(str(tiny_model))), TEXTS)
    os.truncate(array, 500)
    with pytest.raises(UserError, match="damaged"):
        Shards.open(tmp_path / "shards")


def test_an_unknown_backend_is_one_message() -> None:
    with pytest.raises(UserError, match="is not one of torch, onnx"):
        backends.check_backend("jax")


@pytest.mark.parametrize("name", ["onnx", "onnx-int8", "openvino"])
def test_a_backend_agrees_with_torch_and_has_a_cache_of_its_own(
    name: backends.Backend, tiny_model: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in {"onnx": ("onnx", "onnxruntime"), "open": ("openvino",)}[name[:4]]:
        pytest.importorskip(module, reason=f"the extra of --backend {name} is not installed")
    source = resolve_model(str(tiny_model))
    torch = Encoder(source).encode(TEXTS)
    encoder = Encoder(source, backend=backends.check_backend(name))
    found = encoder.encode(TEXTS)
    assert encoder.encoded == len(TEXTS)
    assert np.einsum("ij,ij->i", torch, found).min() > backends.LEAST_COSINE[name]
    assert f"{name}: cosine with torch's vectors mean" in capsys.readouterr().err
    again = Encoder(source, backend=name)
    np.testing.assert_array_equal(again.encode(TEXTS), found)
    assert again.encoded == 0


def test_a_backend_that_disagrees_is_refused(
    tiny_model: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    monkeypatch.setattr(backends, "LEAST_COSINE", {"onnx-int8": 1.01})
    with pytest.raises(UserError, match="does not agree with torch"):
        Encoder(resolve_model(str(tiny_model)), backend="onnx-int8").encode(TEXTS)
