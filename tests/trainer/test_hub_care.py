"""What comes from strangers: code runs and pickles are read only when asked for, revisions are kept, no network."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_train import run, same, weights

from embedkit.errors import UserError
from embedkit.evaluation.plan import EvaluateOptions, plan_evaluation
from embedkit.models.resolve import load_model, resolve_model
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model.load import find_model, prepare_model

Values = Callable[..., dict[str, Any]]
ALONE = {"data": {"use_dev": False}, "train": {"epochs": 1}}
WRAPPER = """
from pathlib import Path
import torch
from sentence_transformers.sentence_transformer.modules import Transformer
Path(__file__).with_name("ran").touch()
class NoGrad(Transformer):
    def forward(self, features, **options):
        with torch.no_grad():
            return super().forward(features, **options)
class Frozen(Transformer):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.requires_grad_(False)
"""


def copied(model: Path, folder: Path) -> Path:
    shutil.copytree(model, folder)
    return folder


@pytest.fixture
def pickled(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model with the weights as older models carry them."""
    folder = copied(tiny_model, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_pickled_weights_are_not_read(pickled: Path, workplace: Path, config_values: Values) -> None:
    with pytest.raises(UserError, match=r"these weights are pickled: pytorch_model\.bin") as caught:
        run(config_values(model_id=str(pickled), **ALONE))
    assert "hf.allow_pickle" in caught.value.hint
    with pytest.raises(UserError, match="pickled"):
        run(config_values(loss={"name": "gist", "guide_model": str(pickled)}, data={"use_dev": False}))
    assert not Path("runs").exists()


def test_pickled_weights_are_read_when_allowed_and_saved_as_safetensors(
    pickled: Path, workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    allowed = run(config_values(model_id=str(pickled), hf={"allow_pickle": True}, **ALONE))
    plain = run(config_values(**ALONE, output={"save_name": "plain"}))
    assert same(weights(allowed.run), weights(plain.run))
    assert not list(allowed.model.rglob("*.bin"))


def test_pickled_weights_of_a_later_module_are_not_read(tiny_model: Path, tmp_path: Path) -> None:
    folder = copied(tiny_model, tmp_path / "dense")
    (folder / "2_Dense").mkdir()
    torch.save({}, folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled: 2_Dense"):
        load_model(resolve_model(str(folder)))


def test_the_environment_allows_it_to_every_command(
    pickled: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDKIT_HF__ALLOW_PICKLE", "true")
    assert load_model(resolve_model(str(pickled))).encode("저항").shape == (32,)


@pytest.fixture(scope="module")
def own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Code that comes with a model is copied here, not into the person's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("modules"))
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", folder)
        patch.setattr(sys, "path", [*sys.path, folder])
        (Path(folder) / "__init__.py").touch()
        yield


def wrapped(model: Path, folder: Path, name: str) -> Path:
    """A model whose encoder is a class of its own."""
    copied(model, folder)
    (folder / f"wrapper_{name.lower()}.py").write_text(WRAPPER)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = f"wrapper_{name.lower()}.{name}"
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


@pytest.mark.usefixtures("own_modules")
def test_a_models_own_code_does_not_run(workplace: Path, config_values: Values, tiny_model: Path) -> None:
    folder = wrapped(tiny_model, workplace / "wrapped", "NoGrad")
    with pytest.raises(UserError, match="could not be loaded") as caught:
        run(config_values(model_id=str(folder)))
    assert "hf.trust_remote_code" in caught.value.hint
    assert not list(workplace.rglob("ran"))


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize(
    ("name", "told"),
    [("NoGrad", "the gradient reaches 0 of"), ("Frozen", "every weight of the model is frozen")],
)
def test_a_models_own_code_that_keeps_it_from_learning_is_told(
    name: str, told: str, workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    folder = wrapped(tiny_model, workplace / "wrapped", name)
    for dry in (False, True):
        with pytest.raises(UserError, match=told):
            run(config_values(model_id=str(folder), hf={"trust_remote_code": True}), force=dry)
    assert not Path("runs").exists()


@pytest.fixture
def hub_cache(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache with two revisions of one model; `main` is the newer."""
    repo = tmp_path / "hub" / "models--lab--small"
    for number, revision in enumerate(("a" * 40, "b" * 40)):
        folder = copied(tiny_model, repo / "snapshots" / revision)
        tensors = {name: tensor + number for name, tensor in load_file(folder / "model.safetensors").items()}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("b" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return repo


def test_a_pinned_revision_is_the_one_that_is_trained_and_compared_with(
    hub_cache: Path, workplace: Path, config_values: Values
) -> None:
    def first(values: dict[str, Any]) -> torch.Tensor:
        config = RunConfig.model_validate(values)
        return next(prepare_model(config, find_model(config), device="cpu").parameters()).detach()

    pinned = config_values(model_id="lab/small", hf={"revision": "a" * 40}, **ALONE)
    newest = config_values(model_id="lab/small")
    torch.testing.assert_close(first(newest) - first(pinned), torch.ones_like(first(pinned)))
    result = run(pinned)
    test = write_rows(workplace / "test.jsonl", topic_rows(start=6))
    of_run = plan_evaluation(EvaluateOptions(model=str(result.run), test=test))
    named = plan_evaluation(EvaluateOptions(model=str(result.run), baseline="lab/small", test=test))
    assert (Path(of_run.baseline.path).name, Path(named.baseline.path).name) == ("a" * 40, "b" * 40)
    assert "a" * 40 in (result.run / "README.md").read_text(encoding="utf-8")


def test_a_revision_that_is_not_there_is_told(hub_cache: Path, config_values: Values) -> None:
    config = RunConfig.model_validate(config_values(model_id="lab/small", hf={"revision": "c" * 40}))
    with pytest.raises(UserError, match="no model 'lab/small' was found"):
        find_model(config)


def test_local_files_only_reaches_for_no_network(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("the network was reached for")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    names = ({"model_id": "nobody/nothing"}, {"tokenizer_id": "nobody/nothing"})
    guided = {"loss": {"name": "gist", "guide_model": "nobody/nothing"}}
    for change in (*names, guided):
        with pytest.raises(UserError, match="no model 'nobody/nothing' was found"):
            run(config_values(**change, hf={"local_files_only": True}))
