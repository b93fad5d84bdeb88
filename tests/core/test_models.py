"""Where a model is found, and vectors that are never another model's."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import UserError
from embedkit.models.resolve import DEFAULT_MODEL, load_model, resolve_model, weights_hash
from embedkit.models.vectors import Encoder


def test_a_run_means_its_model(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "run" / "model")
    source = resolve_model(str(tmp_path / "run"))
    assert (source.origin, source.path) == ("run", str(tmp_path / "run" / "model"))


def test_a_folder_means_itself(tiny_model: Path) -> None:
    assert resolve_model(str(tiny_model)).origin == "folder"


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no model"):
        resolve_model(str(tmp_path))


def test_the_default_model_is_found_in_the_installed_wheel() -> None:
    assert resolve_model(DEFAULT_MODEL, network=False).origin in ("wheel", "hub cache")
    assert resolve_model("all-MiniLM-L6-v2", network=False).path == resolve_model(DEFAULT_MODEL).path


def test_an_unknown_model_is_one_message() -> None:
    with pytest.raises(UserError, match="no model 'nobody/nothing' was found"):
        resolve_model("nobody/nothing", network=False)


def test_a_hub_id_is_left_to_the_hub_only_when_nothing_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert resolve_model("nobody/nothing").origin == "hub"


def test_damaged_files_are_one_message(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_model, folder)
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="could not be loaded"):
        load_model(resolve_model(str(folder)))


def test_a_bare_encoder_gets_mean_pooling(tiny_encoder: Path, tiny_model: Path) -> None:
    bare = load_model(resolve_model(str(tiny_encoder)))
    pooled = load_model(resolve_model(str(tiny_model)))
    np.testing.assert_allclose(bare.encode(["diode"]), pooled.encode(["diode"]), atol=1e-6)


def test_each_distinct_text_is_encoded_once_and_then_comes_from_the_cache(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path))
    source = resolve_model(str(tiny_model))
    first = Encoder(source)
    vectors = first.encode(["diode", "저항", "diode"])
    again = Encoder(source)
    assert first.encoded == 2
    np.testing.assert_array_equal(again.encode(["저항", "diode"]), vectors[[1, 0]])
    assert again.encoded == 0
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_tuned_model_never_gets_its_bases_vectors(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tuned = tmp_path / "tuned"
    shutil.copytree(tiny_model, tuned)
    weights = load_file(tuned / "model.safetensors")
    save_file(
        {name: value * 1.5 for name, value in weights.items()}, tuned / "model.safetensors", {"format": "pt"}
    )
    assert weights_hash(str(tuned)) != weights_hash(str(tiny_model))
    before, after = (Encoder(resolve_model(str(path))).encode(["diode"]) for path in (tiny_model, tuned))
    assert not np.allclose(before, after)


@pytest.mark.parametrize("name", ["cfgg", "runs/cfgg", "cfg"])
def test_a_typo_in_a_runs_name_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "cfg" / "model").mkdir(parents=True)
    with pytest.raises(UserError, match="did you mean 'runs/cfg'"):
        resolve_model(name)
    with pytest.raises(UserError) as far:
        resolve_model("quite-another")
    assert "did you mean" not in str(far.value)
