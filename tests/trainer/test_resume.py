"""A run that is cut off, wherever and however, ends with the weights it would have had."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_train import metrics, same, weights

from embedkit.errors import TerminatedError, UserError
from embedkit.models.quiet import quiet_libraries
from embedkit.trainer.config import RunConfig
from embedkit.trainer.run.prepare import prepare
from embedkit.trainer.run.train import TrainResult, run_training, train
from embedkit.trainer.step.checkpoint import checkpoint_step, last_checkpoint
from embedkit.trainer.watch.dev_metrics import DevEvaluator, DevMetrics

Values = Callable[..., dict[str, Any]]
SOURCES = [
    {"path": "nli.jsonl", "loss": "softmax"},
    {"path": "sts.jsonl", "loss": "cosent", "weight": 0.5},
    {"path": "pairs.jsonl", "loss": "masked_mnrl"},
]
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulated": {"train": {"grad_accum_steps": 2, "epochs": 3}},
    "walking": {"train": {"steps_per_epoch": 3, "epochs": 3}},
    "lora": {"lora": {"r": 2, "dropout": 0.2}},
    "averaged": {"train": {"base_share": 0.3}},
    "bfloat16": {"dtype": "bfloat16"},
    "streamed": {"data": {"stream": True}},
    "several files": {"data": {"sources": SOURCES, "use_dev": False}},
    "in turns": {"train": {"loss": "cached_mnrl", "micro_batch_size": 3, "grad_checkpointing": True}},
    "all of it": {
        "train": {"grad_accum_steps": 2, "steps_per_epoch": 3, "epochs": 2, "num_workers": 1},
        "data": {"sources": SOURCES, "stream": True, "use_dev": False},
        "lora": {"r": 2, "dropout": 0.2},
        "optim": {"scheduler": "cosine", "name": "adafactor"},
    },
}


def run(values: dict[str, Any], **options: Any) -> TrainResult:
    return run_training(RunConfig.model_validate(values), **options)


def write_sources(folder: Path) -> None:
    """The files of SOURCES that are not there yet."""
    from tests.trainer.test_recipes import classed_rows, scored_rows

    write_rows(folder / "nli.jsonl", classed_rows())
    write_rows(folder / "sts.jsonl", scored_rows())


def cut_off(finished: Path, *, after: int, copy: Path) -> None:
    """What the folder looked like when the process died some time after the checkpoint at step `after`."""
    shutil.copytree(finished, copy)
    shutil.rmtree(copy / "model")
    (copy / "README.md").unlink()
    for path in (copy / "checkpoints").iterdir():
        if checkpoint_step(path) > after:
            shutil.rmtree(path)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_checkpoint_leads_to_the_same_weights(
    recipe: str, workplace: Path, config_values: Values
) -> None:
    write_sources(workplace)

    def values(name: str) -> dict[str, Any]:
        output = {"save_name": name, "checkpoint_steps": 1, "checkpoint_keep": 99}
        return config_values(**RECIPES[recipe], output=output)

    whole = run(values("whole"))
    steps = sorted(checkpoint_step(path) for path in (whole.run / "checkpoints").iterdir())
    assert len(steps) >= 5
    for step in (1, 4, 5, 8) if recipe == "plain" else (steps[0], steps[-1]):
        cut_off(whole.run, after=step, copy=Path(f"runs/cut{step}"))
        resumed = run(values(f"cut{step}"), resume=True)
        assert resumed.resumed_from_step == step
        assert same(weights(resumed.run), weights(whole.run)), step


def test_metrics_are_those_of_an_uninterrupted_run(workplace: Path, config_values: Values) -> None:
    values = config_values(output={"checkpoint_steps": 3, "checkpoint_keep": 99})
    whole = run(values)
    wanted = [{k: v for k, v in row.items() if k != "samples_per_second"} for row in metrics(whole.run)]
    cut_off(whole.run, after=3, copy=Path("runs/cut"))
    with Path("runs/cut/metrics.jsonl").open("a") as handle:
        handle.write('{"step": 9, "lo')
    resumed = run(config_values(output={"checkpoint_steps": 3, "save_name": "cut"}), resume=True)
    told = [{k: v for k, v in row.items() if k != "samples_per_second"} for row in metrics(resumed.run)]
    assert told == wanted
    assert resumed.dev == whole.dev


def test_an_unmarked_checkpoint_does_not_count(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(output={"checkpoint_steps": 2, "checkpoint_keep": 99}))
    newest = last_checkpoint(whole.run)
    assert newest is not None
    (newest / "complete").unlink()
    older = last_checkpoint(whole.run)
    assert older is not None
    assert checkpoint_step(older) < checkpoint_step(newest)


def test_only_the_newest_checkpoints_are_kept(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(output={"checkpoint_steps": 1, "checkpoint_keep": 2}))
    steps = sorted(checkpoint_step(path) for path in (whole.run / "checkpoints").iterdir())
    assert steps == [8, 9]


def test_resume_without_a_run_starts_one(workplace: Path, config_values: Values) -> None:
    assert run(config_values(train={"epochs": 1}), resume=True).resumed_from_step == 0


def test_a_complete_run_is_not_resumed(workplace: Path, config_values: Values) -> None:
    run(config_values(train={"epochs": 1}))
    with pytest.raises(UserError, match="complete already"):
        run(config_values(train={"epochs": 1}), resume=True)


def test_another_config_is_refused_with_its_fields(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(output={"checkpoint_steps": 1}))
    shutil.rmtree(whole.model)
    with pytest.raises(UserError, match=r"optim.lr was 0.003, is 0.1; train.epochs was 2, is 3"):
        run(config_values(train={"epochs": 3}, optim={"lr": 0.1}), resume=True)


def test_settings_that_leave_the_weights_alone_may_change(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(output={"checkpoint_steps": 1}))
    wanted = weights(whole.run)
    shutil.rmtree(whole.model)
    values = config_values(output={"checkpoint_steps": 5, "log_steps": 2}, data={"stream": True})
    assert same(weights(run(values, resume=True).run), wanted)


def test_another_base_model_is_refused(workplace: Path, config_values: Values, tiny_model: Path) -> None:
    base = shutil.copytree(tiny_model, workplace / "base")
    values = config_values(model_id=str(base), output={"checkpoint_steps": 1})
    shutil.rmtree(run(values).model)
    changed = load_file(base / "model.safetensors")
    save_file({name: value + 0.1 for name, value in changed.items()}, base / "model.safetensors")
    with pytest.raises(UserError, match="base model has changed"):
        run(values, resume=True)


def test_other_rows_are_refused(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(output={"checkpoint_steps": 1}))
    shutil.rmtree(whole.model)
    with (workplace / "pairs.jsonl").open("a") as handle:
        handle.write('{"anchor": "new", "positive": "row"}\n')
    with pytest.raises(UserError, match="rows have changed"):
        run(config_values(output={"checkpoint_steps": 1}), resume=True)


def test_resume_and_force_exclude_each_other(workplace: Path, config_values: Values) -> None:
    with pytest.raises(UserError, match="--resume goes on"):
        run(config_values(), resume=True, force=True)


def wait_for_checkpoint(run_folder: Path, *, after: int = 0, seconds: float = 60) -> None:
    """Wait until there is a whole checkpoint beyond step `after`."""
    end = time.monotonic() + seconds
    while (found := last_checkpoint(run_folder)) is None or checkpoint_step(found) <= after:
        assert time.monotonic() < end, "no checkpoint came"
        time.sleep(0.005)


def send_after_checkpoint(run_folder: Path, number: signal.Signals) -> threading.Thread:
    def send() -> None:
        wait_for_checkpoint(run_folder)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def long_values(config_values: Values, name: str) -> dict[str, Any]:
    """80 steps, a checkpoint at the 4th: long enough to be cut off, short enough to be ended."""
    output = {"checkpoint_steps": 4, "checkpoint_keep": 1, "save_name": name}
    return config_values(train={"steps_per_epoch": 80, "epochs": 1}, output=output)


@pytest.fixture(scope="module")
def long_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of the long run when nobody cuts it off."""
    place = tmp_path_factory.mktemp("long")
    pairs = write_rows(place / "pairs.jsonl", topic_rows(stop=6))
    values = {
        "model_id": str(tiny_model),
        "device": "cpu",
        "dtype": "float32",
        "train": {"batch_size": 4, "epochs": 1, "steps_per_epoch": 80, "max_length": None},
        "optim": {"lr": 0.003},
        "data": {"pairs_path": str(pairs), "max_hard_negatives": None},
        "output": {"save_dir": str(place), "save_name": "whole"},
    }
    return weights(run(values).run)


def test_sigterm_writes_a_checkpoint_and_resume_ends_the_same(
    workplace: Path, config_values: Values, long_run: dict[str, torch.Tensor]
) -> None:
    thread = send_after_checkpoint(Path("runs/cut"), signal.SIGTERM)
    with pytest.raises(TerminatedError) as caught:
        run(long_values(config_values, "cut"))
    thread.join()
    assert caught.value.exit_code == 143
    assert "--resume" in str(caught.value)
    assert not Path("runs/cut/model").exists()
    assert same(weights(run(long_values(config_values, "cut"), resume=True).run), long_run)


def test_sigterm_after_the_last_step_lets_the_run_end(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, seen = DevEvaluator.measure, list[DevEvaluator]()

    def measure(evaluator: DevEvaluator) -> DevMetrics:
        seen.append(evaluator)
        if len(seen) == 2:  # the base model was measured before the first step
            os.kill(os.getpid(), signal.SIGTERM)
        return measured(evaluator)

    monkeypatch.setattr(DevEvaluator, "measure", measure)
    done = run(config_values(train={"epochs": 1}))
    assert done.steps == 5
    assert (done.model / "model.safetensors").is_file()


def start(config: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "embedkit", "train", "--config", str(config), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("options", [{"resume": True}, {"force": True}])
def test_a_run_that_is_still_going_on_is_left_alone(
    options: dict[str, bool], workplace: Path, config_values: Values
) -> None:
    Path("cut.json").write_text(json.dumps(long_values(config_values, "cut")))
    process = start(Path("cut.json"))
    try:
        wait_for_checkpoint(Path("runs/cut"))
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(UserError, match="another process is training this run"):
            run(long_values(config_values, "cut"), **options)
    finally:
        process.kill()
        process.communicate()
    run(long_values(config_values, "cut"), **options)


def test_kill_9_loses_nothing(
    workplace: Path, config_values: Values, long_run: dict[str, torch.Tensor]
) -> None:
    Path("cut.json").write_text(json.dumps(long_values(config_values, "cut")))
    process = start(Path("cut.json"))
    wait_for_checkpoint(Path("runs/cut"))
    process.kill()
    process.communicate()
    assert not Path("runs/cut/model").exists()
    assert same(weights(run(long_values(config_values, "cut"), resume=True).run), long_run)


def test_kill_9_again_and_again_loses_nothing(workplace: Path, config_values: Values) -> None:
    write_sources(workplace)

    def values(name: str) -> dict[str, Any]:
        train = {"steps_per_epoch": 40, "epochs": 1, "grad_accum_steps": 2}
        output = {"checkpoint_steps": 3, "checkpoint_keep": 2, "save_name": name}
        return config_values(
            train=train, output=output, lora={"r": 2, "dropout": 0.2}, data=RECIPES["all of it"]["data"]
        )

    Path("cut.json").write_text(json.dumps(values("cut")))
    done = [0]
    for _ in range(2):
        process = start(Path("cut.json"), "--resume")
        wait_for_checkpoint(Path("runs/cut"), after=done[-1])
        process.kill()
        process.communicate()
        checkpoint = last_checkpoint(Path("runs/cut"))
        assert checkpoint is not None
        done.append(checkpoint_step(checkpoint))
    assert not Path("runs/cut/model").exists()
    resumed = run(values("cut"), resume=True)
    assert 0 < done[1] < done[2] <= resumed.resumed_from_step
    assert same(weights(resumed.run), weights(run(values("whole")).run))


def test_ctrl_c_exits_130_keeps_the_checkpoint_and_names_resume(
    workplace: Path, config_values: Values
) -> None:
    Path("cut.json").write_text(json.dumps(long_values(config_values, "cut")))
    process = start(Path("cut.json"))
    wait_for_checkpoint(Path("runs/cut"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("runs/cut: stopped; --resume goes on from the checkpoint at step ")
    assert last_checkpoint(Path("runs/cut")) is not None


def test_a_run_stopped_before_its_first_checkpoint_leaves_nothing(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedkit.trainer.watch.dev_evaluation.DevEvaluation._evaluate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(config_values())
    assert not Path("runs/run").exists()


def test_a_model_that_is_saved_is_kept_whatever_comes_after(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedkit.trainer.watch.dev_evaluation.DevEvaluation.forget_best", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(config_values(train={"epochs": 1}))
    assert Path("runs/run/model/model.safetensors").is_file()
    assert Path("runs/run/model/README.md").is_file()


def test_resume_gives_a_run_killed_after_its_model_the_ranker_that_it_lacks(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, asked = run(config_values()), list[Path]()
    monkeypatch.setattr("embedkit.ranking.hybrid.learning.learn_for_run", asked.append)
    with pytest.raises(UserError, match="complete already"):
        run(config_values(), resume=True)
    assert asked == [done.run]
    (done.run / "ranker.json").write_text("{}")
    with pytest.raises(UserError, match="complete already"):
        run(config_values(), resume=True)
    assert asked == [done.run]


def test_other_dev_rows_may_not_choose_the_weights(workplace: Path, config_values: Values) -> None:
    write_rows(workplace / "other.jsonl", topic_rows(start=6))
    for metric, refused in (("loss", True), (None, False)):
        values = config_values(
            train={"best_metric": metric}, output={"save_name": str(metric), "checkpoint_steps": 3}
        )
        whole = run(values)
        shutil.rmtree(whole.model)
        values["data"]["dev_path"] = "other.jsonl"
        if refused:
            with pytest.raises(UserError, match=r"data.dev_path was 'pairs.dev.jsonl', is 'other.jsonl'"):
                run(values, resume=True)
        else:
            assert run(values, resume=True).resumed_from_step > 0


def test_checkpoint_weights_hold_only_what_is_trained(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(lora={"r": 2}, output={"checkpoint_steps": 1}))
    newest = last_checkpoint(whole.run)
    assert newest is not None
    assert all("lora_" in name for name in load_file(newest / "weights.safetensors"))


def test_a_checkpoint_of_another_version_is_refused(workplace: Path, config_values: Values) -> None:
    values = config_values(output={"checkpoint_steps": 1})
    whole = run(values)
    shutil.rmtree(whole.model)
    newest = last_checkpoint(whole.run)
    assert newest is not None
    (newest / "training.pt").unlink()
    with pytest.raises(UserError, match="another version of embedkit wrote this checkpoint"):
        run(values, resume=True)


FORKED = """
import os, sys
from pathlib import Path
from embedkit.files import sole_use
alive, tell = os.pipe()
hold, end = os.pipe()
with sole_use(Path(sys.argv[1])) as alone:
    assert alone
    worker = os.fork()
    if not worker:  # outlives the lock of its parent, as a worker that tokenises does for some seconds
        os.close(end)
        os.write(tell, b"1")
        os.read(hold, 1)
        os._exit(0)
    os.read(alive, 1)
with sole_use(Path(sys.argv[1])) as alone:
    print(alone)
os.close(end)
os.waitpid(worker, 0)
"""


def test_a_worker_of_a_killed_run_does_not_hold_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True\n", done.stderr


RESOLVED: dict[str, dict[str, Any]] = {
    "default length of a short model": {"train": {"max_length": 128}},
    "automatic end": {"train": {"epochs": "auto"}},
    "own losses": {"data": {"sources": SOURCES, "use_dev": False}},
    "distilled": {"loss": {"name": "distill", "objective": "kl", "teacher_temperature": 1.0}},
    "adapters": {"lora": {"r": 2}, "train": {"freeze_layers": 1, "extend_vocabulary": 3}},
}


@pytest.mark.parametrize("changes", RESOLVED.values(), ids=RESOLVED.keys())
def test_the_config_of_a_run_is_accepted_as_it_stands(
    workplace: Path, config_values: Values, changes: dict[str, Any]
) -> None:
    write_sources(workplace)
    pairs = [
        row | {"scores": [1.0, 0.1, 0.2]} for row in topic_rows(stop=6) if len(row["hard_negatives"]) == 2
    ]
    if "loss" in changes:
        write_rows(workplace / "pairs.jsonl", pairs)
    with quiet_libraries():
        first = prepare(RunConfig.model_validate(config_values(**changes)), resume=False, force=False).config
        again = RunConfig.model_validate(json.loads(json.dumps(first.model_dump(mode="json"))))
        second = prepare(again, resume=False, force=False).config
    assert second.model_dump() == first.model_dump()


def test_a_run_goes_on_by_its_own_config(workplace: Path, config_values: Values) -> None:
    whole = run(config_values(train={"max_length": 128}, output={"checkpoint_steps": 4}))
    before = weights(whole.run)
    shutil.rmtree(whole.model)
    resumed = train(config=whole.run / "config.json", resume=True)
    assert isinstance(resumed, TrainResult)
    assert resumed.resumed_from_step > 0
    assert same(weights(resumed.run), before)
