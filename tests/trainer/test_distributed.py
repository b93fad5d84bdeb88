"""Two processes over gloo train what one process with twice the batch trains, and one of them speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_resume import cut_off
from tests.trainer.test_train import same
from tests.trainer.two_ranks import write_gradients

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.run.train import run_training
from embedkit.trainer.step.batch import deal
from embedkit.trainer.step.processes import one_voice

Text = tuple[str, str]
CHECKPOINTS = {"checkpoint_steps": 2, "checkpoint_keep": 9}


@pytest.fixture(scope="module")
def place(still_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows and a model without dropout, which each process would draw differently."""
    folder = tmp_path_factory.mktemp("two")
    write_rows(folder / "pairs.jsonl", topic_rows(stop=6))
    write_rows(folder / "pairs.dev.jsonl", topic_rows(start=6))
    (folder / "base").symlink_to(still_model)
    return folder


def values(place: Path, *, name: str, batch_size: int) -> dict[str, Any]:
    return {
        "model_id": str(place / "base"),
        "device": "cpu",
        "dtype": "float32",
        "train": {"batch_size": batch_size, "epochs": 2, "grad_accum_steps": 2},
        "optim": {"lr": 0.003},
        "data": {"max_hard_negatives": None, "pairs_path": str(place / "pairs.jsonl")},
        "output": {"save_dir": str(place / "runs"), "save_name": name, "log_steps": 1, **CHECKPOINTS},
    }


def together(place: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`torchrun --nproc-per-node 2 -m embedkit train` in two processes of one thread."""
    config = place / f"{name}.json"
    config.write_text(json.dumps(values(place, name=name, batch_size=2)))
    return launched(["-m", "embedkit", "train", "--config", str(config), "--json", *options])


def launched(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in two processes that torchrun starts."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *launcher, *command],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "EMBEDKIT_LANG": "en", **environment},
        timeout=200,
    )


@pytest.fixture(scope="module")
def two(place: Path) -> subprocess.CompletedProcess[str]:
    return together(place, "two")


SETTINGS: dict[str, dict[str, Any]] = {
    "cached": {"symmetric": False},
    "masked": {"symmetric": False},
    "masked-positives": {"symmetric": False, "same_concept": "positive"},
}
CACHED: dict[str, dict[str, Any]] = {
    "cached": {"loss": "cached_mnrl", "micro_batch_size": 3},
    "cached-as-configured": {"loss": "cached_mnrl"},
    "masked": {"loss": "masked_mnrl", "micro_batch_size": 2},
    "masked-positives": {"micro_batch_size": 1},
}


def gradient_config(place: Path, name: str, *, batch_size: int, micro: bool) -> Path:
    folder = place / f"of-{batch_size}"
    folder.mkdir(exist_ok=True)
    config = values(place, name=name, batch_size=batch_size)
    config["train"] = {"batch_size": batch_size, **CACHED[name]}
    config["loss"] = SETTINGS.get(name, {})
    if not micro:
        config["train"]["micro_batch_size"] = 999
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def gradients_of_two(place: Path) -> Path:
    """Where two processes, each with micro-batches of its own, wrote their common loss and gradients."""
    out = place / "gradients-of-two"
    out.mkdir()
    configs = [str(gradient_config(place, name, batch_size=3, micro=True)) for name in CACHED]
    done = launched([str(Path(__file__).with_name("two_ranks.py")), str(out), *configs])
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("name", CACHED)
def test_cached_losses_of_two_processes_are_those_of_one(
    name: str, place: Path, gradients_of_two: Path, tmp_path: Path
) -> None:
    write_gradients(gradient_config(place, name, batch_size=6, micro=False), tmp_path)
    one = load_file(tmp_path / f"{name}.safetensors")
    two = load_file(gradients_of_two / f"{name}.safetensors")
    assert one.keys() == two.keys()
    assert float(one["loss"]) > 0.1
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, atol=1e-5, rtol=1e-4)


def losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def test_two_processes_train_what_one_trains(place: Path, two: subprocess.CompletedProcess[str]) -> None:
    assert two.returncode == 0, two.stderr
    one = run_training(RunConfig.model_validate(values(place, name="one", batch_size=4)))
    assert losses(place / "runs/two") == pytest.approx(losses(one.run), abs=1e-4)
    alone = load_file(one.model / "model.safetensors")
    shared = load_file(place / "runs/two/model/model.safetensors")
    for name, tensor in alone.items():
        torch.testing.assert_close(shared[name], tensor, atol=1e-4, rtol=1e-3)


def test_two_processes_that_were_cut_off_end_with_the_same_weights(
    place: Path, two: subprocess.CompletedProcess[str]
) -> None:
    cut_off(place / "runs/two", after=2, copy=place / "runs/cut")
    done = together(place, "cut", "--resume")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resumed_from_step"] == 2
    whole, resumed = (load_file(place / f"runs/{name}/model/model.safetensors") for name in ("two", "cut"))
    assert same(whole, resumed)


def test_a_run_of_two_processes_is_not_gone_on_with_by_one(
    place: Path, two: subprocess.CompletedProcess[str]
) -> None:
    cut_off(place / "runs/two", after=2, copy=place / "runs/alone")
    config = RunConfig.model_validate(values(place, name="alone", batch_size=2))
    with pytest.raises(UserError, match="began with 2 processes, and these are 1"):
        run_training(config, resume=True)


def test_one_process_speaks_and_names_the_effective_batch(two: subprocess.CompletedProcess[str]) -> None:
    assert json.loads(two.stdout)["steps"] == 6
    assert two.stderr.count("batch: 2 rows (8 a step)") == 1
    assert "processes: 2, each with 2 rows" in two.stderr
    assert two.stderr.count("next: embedkit evaluate") == 1


def test_an_error_of_another_process_is_said_late_and_with_its_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("embedkit.trainer.step.processes.time.sleep", waited.append)
    with pytest.raises(UserError, match=r"process 1: cfg\.json: wrong"), one_voice():
        say("not heard")
        raise UserError("wrong", place="cfg.json")
    say("heard")
    assert capsys.readouterr().err == "heard\n"
    assert waited == [15.0]


def test_texts_are_dealt_evenly_and_none_is_lost() -> None:
    keys: list[Text] = [("", "x" * length) for length in (9, 1, 5, 3, 7)]
    shares = deal(keys, 2)
    assert sorted(key for share in shares for key in share) == sorted(keys)
    assert [len(share) for share in shares] == [3, 2]
    lengths = [sum(len(text) for _, text in share) for share in shares]
    assert abs(lengths[0] - lengths[1]) <= 5
