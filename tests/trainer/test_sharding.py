"""Two processes that hold a part of the weights each (FSDP) train what one process trains, and write it whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_distributed import launched, losses, values
from tests.trainer.test_resume import cut_off
from tests.trainer.test_train import same
from tests.trainer.two_ranks import write_gradients

from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.run.train import run_training, train
from embedkit.trainer.step import sharding
from embedkit.trainer.step.memory import fitting

ACCELERATE = """\
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
num_machines: 1
num_processes: 2
use_cpu: true
fsdp_config:
  fsdp_version: 2
  fsdp_reshard_after_forward: true
"""
# Turns that come out uneven between the processes, the best look's weights kept, a share of the base's left in.
TRAIN = {"epochs": 2, "grad_accum_steps": 2, "best_metric": "ndcg_at_10", "base_share": 0.2}


@pytest.fixture(scope="module")
def place(still_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows, a model without dropout, and accelerate's config."""
    folder = tmp_path_factory.mktemp("split")
    write_rows(folder / "pairs.jsonl", topic_rows(stop=6))
    write_rows(folder / "pairs.dev.jsonl", topic_rows(start=6))
    (folder / "base").symlink_to(still_model)
    (folder / "fsdp.yaml").write_text(ACCELERATE)
    return folder


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test's environment asked for is asked anew in the next one."""
    sharding.asked.cache_clear()
    yield
    sharding.asked.cache_clear()


def accelerated(place: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`accelerate launch --config_file fsdp.yaml -m embedkit train` in two processes of one thread."""
    config = values(place, name=name, batch_size=2)
    config["train"] = {**TRAIN, "batch_size": 2, "micro_batch_size": 3}
    (place / f"{name}.json").write_text(json.dumps(config))
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(place / "fsdp.yaml")]
    command = ["--main_process_port", "0", "-m", "embedkit", "train", "--config", str(place / f"{name}.json")]
    return subprocess.run(
        [sys.executable, *launcher, *command, "--json", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "EMBEDKIT_LANG": "en"},
        timeout=200,
    )


@pytest.fixture(scope="module")
def split(place: Path) -> subprocess.CompletedProcess[str]:
    return accelerated(place, "split")


def test_split_weights_train_what_whole_ones_do(place: Path, split: subprocess.CompletedProcess[str]) -> None:
    assert split.returncode == 0, split.stderr
    config = values(place, name="one", batch_size=4) | {"train": {**TRAIN, "batch_size": 4}}
    one = run_training(RunConfig.model_validate(config))
    assert losses(place / "runs/split") == pytest.approx(losses(one.run), abs=1e-4)
    kept = json.loads(split.stdout)["kept"]
    assert one.kept is not None
    assert kept["metrics"]["ndcg_at_10"] == pytest.approx(one.kept.metrics.ndcg_at_10)
    alone = load_file(one.model / "model.safetensors")
    shared = load_file(place / "runs/split/model/model.safetensors")
    assert alone.keys() == shared.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(shared[name], tensor, atol=1e-4, rtol=1e-3)
    assert SentenceTransformer(str(place / "runs/split/model"), device="cpu").encode(["diode"]).any()


def test_a_split_run_says_so_once(split: subprocess.CompletedProcess[str]) -> None:
    assert split.stderr.count("batch: 2 rows (8 a step)") == 1
    assert split.stderr.count("weights: each process holds a part of them (FSDP)") == 1


def test_a_split_run_that_was_cut_off_ends_with_the_same_weights(
    place: Path, split: subprocess.CompletedProcess[str]
) -> None:
    cut_off(place / "runs/split", after=2, copy=place / "runs/cut")
    done = accelerated(place, "cut", "--resume")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resumed_from_step"] == 2
    whole, resumed = (load_file(place / f"runs/{name}/model/model.safetensors") for name in ("split", "cut"))
    assert same(whole, resumed)


VARIANTS: dict[str, dict[str, Any]] = {
    "turns": {"train": {"loss": "cached_mnrl", "micro_batch_size": 2}},
    "computed-again": {"train": {"grad_checkpointing": True}},
    "lora": {"lora": {"r": 4, "target_modules": "all-linear"}},
    "frozen": {"train": {"freeze_embeddings": True, "freeze_layers": 1}},
    "classifier": {"train": {"loss": "softmax"}},
}


def variant(place: Path, name: str, *, batch_size: int) -> Path:
    """A config whose first batch of all processes is that of one with as many rows."""
    folder = place / f"of-{batch_size}"
    folder.mkdir(exist_ok=True)
    config = values(place, name=name, batch_size=batch_size)
    config |= {key: value for key, value in VARIANTS[name].items() if key != "train"}
    config["train"] = {"batch_size": batch_size, **VARIANTS[name].get("train", {})}
    if name == "classifier":
        rows = [
            {"sentence1": f"{n} is a part", "sentence2": f"part {n % 5}", "label": "abc"[n % 3]}
            for n in range(18)
        ]
        config["data"] = {"pairs_path": str(write_rows(place / "classed.jsonl", rows)), "use_dev": False}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def gradients_of_two(place: Path) -> Path:
    """Where two processes with split weights wrote their common loss and gradients, whole."""
    out = place / "gradients"
    out.mkdir()
    configs = [str(variant(place, name, batch_size=3)) for name in VARIANTS]
    asking = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}
    done = launched([str(Path(__file__).with_name("two_ranks.py")), str(out), *configs], **asking)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_of_split_weights_are_those_of_whole_ones(
    name: str, place: Path, gradients_of_two: Path, tmp_path: Path
) -> None:
    write_gradients(variant(place, name, batch_size=6), tmp_path)
    one = load_file(tmp_path / f"{name}.safetensors")
    two = load_file(gradients_of_two / f"{name}.safetensors")
    assert one.keys() == two.keys()
    assert float(one["loss"]) > 0.1
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "fsdp_version: 2"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"},
            "fsdp_offload_params: false",
        ),
        (
            {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": "cpu"},
            "offload_param_device: none",
        ),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_not_done_is_refused_before_anything_is_written(
    environment: dict[str, str],
    says: str,
    dry_run: bool,
    workplace: Path,
    config_values: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Path("cfg.json").write_text(json.dumps(config_values()))
    with pytest.raises(UserError) as caught:
        train(config=None, dry_run=dry_run)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("zero", "reshard"),
    [
        ({"stage": 0}, None),
        ({"stage": 1}, False),
        ({"stage": 2, "offload_optimizer": {"device": "none"}}, False),
        ({"stage": 3}, True),
    ],
)
def test_zero_is_the_same_splitting(
    zero: dict[str, Any], reshard: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ds.json").write_text(json.dumps({"zero_optimization": zero}))
    for variables in (
        {"ACCELERATE_DEEPSPEED_ZERO_STAGE": str(zero["stage"])},
        {"ACCELERATE_DEEPSPEED_CONFIG_FILE": str(tmp_path / "ds.json")},
    ):
        for name, value in ({"ACCELERATE_USE_DEEPSPEED": "true"} | variables).items():
            monkeypatch.setenv(name, value)
        sharding.asked.cache_clear()
        assert sharding.asked() == (None if reshard is None else sharding.Asked(reshard))
        assert os.environ["ACCELERATE_USE_DEEPSPEED"] == "false"


@pytest.mark.parametrize("text", ["{", "[]", '{"zero_optimization": {"stage": "three"}}'])
def test_a_damaged_deepspeed_config_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ds.json").write_text(text)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", str(tmp_path / "ds.json"))
    with pytest.raises(UserError, match=r"ds\.json: is no DeepSpeed config"):
        sharding.asked()


def test_one_process_has_nothing_to_split(
    workplace: Path, config_values: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    config = RunConfig.model_validate(config_values())
    assert (run_training(config).model / "model.safetensors").is_file()


def test_split_weights_that_do_not_fit_are_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out() -> None:
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr("embedkit.trainer.step.memory.is_split", lambda _: True)
    with pytest.raises(UserError, match=r"train\.micro_batch_size"):
        fitting(BatchLoss(SentenceTransformer(modules=[torch.nn.Identity()], device="cpu")), 4, run_out)
