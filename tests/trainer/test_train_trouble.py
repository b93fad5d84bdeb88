"""What happens when a run meets trouble: lost numbers, no memory, no disk."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_train import metrics, run, same, weights
from transformers.models.bert.modeling_bert import BertModel

from embedkit.errors import UserError
from embedkit.trainer.run import environment
from embedkit.trainer.step import forward
from embedkit.trainer.step.batch import Features, Plan

Values = Callable[..., dict[str, Any]]
RANK = "embedkit.trainer.losses.ranking.InBatchRankingLoss._rank"


def test_a_lost_loss_names_the_rows_and_the_fix_that_applies(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RANK, lambda self, cosines, *_: cosines.sum() * torch.nan)
    rows = [row | {"id": f"r{number}"} for number, row in enumerate(topic_rows(stop=2))]
    write_rows(workplace / "pairs.jsonl", rows)
    with pytest.raises(UserError, match=r"the loss is nan at step 1, in the batch of r\d '") as caught:
        run(config_values())
    assert "temperature" in caught.value.hint
    with pytest.raises(UserError) as caught:
        run(config_values(dtype="bfloat16"))
    assert "set dtype to float32" in caught.value.hint
    assert not Path("runs/run").exists()


def test_weights_that_a_step_broke_are_told_from_rows_that_do(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RANK, lambda self, cosines, *_: (cosines.sum() * 0).abs().sqrt())
    with pytest.raises(UserError, match="the loss is nan at step 2, in the batch of row ") as caught:
        run(config_values(data={"use_dev": False}))
    assert "optim.lr (now 0.003)" in caught.value.hint


def small_memory(monkeypatch: pytest.MonkeyPatch, *, room: int, calm: int = 0) -> list[int]:
    """A device that has room for `room` texts after `calm` passes; the list fills with what it was given."""
    forward, seen = BertModel.forward, list[int]()

    def guarded(self: Any, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if len(input_ids) > room and len(seen) >= calm:
            raise torch.OutOfMemoryError("injected: out of memory")
        seen.append(len(input_ids))
        return forward(self, input_ids, *args, **kwargs)

    monkeypatch.setattr(BertModel, "forward", guarded)
    return seen


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in metrics(folder) if "loss" in row]


@pytest.mark.parametrize("calm", [0, 5, 6], ids=["at once", "later", "in the middle of a step"])
def test_out_of_memory_halves_the_texts_at_once_and_keeps_the_loss(
    calm: int,
    workplace: Path,
    config_values: Values,
    still_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {
        "model_id": str(still_model),
        "train": {"grad_accum_steps": 2, "loss": "mnrl"},
        "data": {"use_dev": calm == 0},
    }
    roomy = run(config_values(**options, output={"save_name": "roomy"}))
    seen = small_memory(monkeypatch, room=2, calm=calm)
    narrow = run(config_values(**options, output={"save_name": "narrow"}))
    assert max(seen[calm:]) <= 2
    assert calm == 0 or max(seen[:calm]) > 2
    told = capsys.readouterr().err
    assert "at once from here on" in told
    assert "its negatives and its loss stay the same" in told
    assert losses(narrow.run) == pytest.approx(losses(roomy.run), abs=1e-4)
    for name, tensor in weights(roomy.run).items():
        torch.testing.assert_close(weights(narrow.run)[name], tensor, atol=1e-4, rtol=1e-3)


def test_every_process_hears_of_any_kind_of_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    monkeypatch.setattr(forward, "any_of", lambda failed: told.append(failed) or failed)

    def encoder(features: Features) -> Features:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(RuntimeError, match="can't allocate"):
        forward.encode_batch(encoder, [{"input_ids": torch.ones(1, 2)}], Plan(rows=(0,)))
    assert told == [True]


def test_memory_for_no_text_at_all_is_an_error(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_memory(monkeypatch, room=0)
    with pytest.raises(UserError, match="out of memory with one text at a time"):
        run(config_values(data={"use_dev": False}, dtype="bfloat16"))


@pytest.mark.parametrize("recipe", [{}, {"lora": {"r": 2}}, {"train": {"grad_checkpointing": True}}])
def test_a_micro_batch_gives_the_gradients_of_the_batch(
    recipe: dict[str, Any], workplace: Path, config_values: Values, still_model: Path
) -> None:
    options = {"model_id": str(still_model), "data": {"use_dev": False}}
    whole = run(config_values(**options, **recipe))
    train = {**recipe.get("train", {}), "micro_batch_size": 3}
    parts = run(config_values(**options, **{**recipe, "train": train}, output={"save_name": "parts"}))
    for name, tensor in weights(whole.run).items():
        torch.testing.assert_close(weights(parts.run)[name], tensor, atol=1e-4, rtol=1e-3)


def test_a_resumed_run_remembers_how_many_texts_fit(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_memory(monkeypatch, room=2)
    values = config_values(output={"checkpoint_steps": 3, "checkpoint_keep": 9}, data={"use_dev": False})
    whole = run(values)
    wanted = weights(whole.run)
    shutil.rmtree(whole.model)
    assert same(weights(run(values, resume=True).run), wanted)


def full_disk(monkeypatch: pytest.MonkeyPatch, *, after: int, how: BaseException) -> None:
    """From the save after `after` whole ones on, weights cannot be written."""
    save, count = safetensors.torch.save_file, [0]

    def failing(tensors: Any, path: Path, **options: Any) -> None:
        count[0] += 1
        if count[0] > after:
            path.write_bytes(b"half")
            raise how
        save(tensors, path, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", failing)


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("Error while serializing: I/O error: File too large (os error 27)"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 89536 vs 89428"),
]


@pytest.mark.parametrize("how", FULL, ids=["safetensors", "limit", "torch"])
def test_a_full_disk_keeps_the_last_whole_checkpoint(
    how: BaseException, workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = weights(run(config_values(output={"save_name": "whole", "checkpoint_steps": 2})).run)
    values = config_values(output={"checkpoint_steps": 2})
    with monkeypatch.context() as patch:
        full_disk(patch, after=1, how=how)
        with pytest.raises(
            UserError, match=r"the disk is full, .*; the checkpoint at step 2 is whole"
        ) as caught:
            run(values)
    assert caught.value.exit_code == 2
    assert [path.name for path in Path("runs/run/checkpoints").iterdir()] == ["checkpoint-2"]
    assert same(weights(run(values, resume=True).run), wanted)


def test_a_disk_full_from_the_start_leaves_nothing(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch, after=0, how=FULL[0])
    with pytest.raises(UserError, match="the disk is full") as caught:
        run(config_values(output={"checkpoint_steps": 2}))
    assert "start again" in caught.value.hint
    assert not Path("runs/run").exists()


def test_a_disk_too_full_to_open_the_run_leaves_nothing(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(environment, "write_environment", full)
    with pytest.raises(UserError, match="the disk is full"):
        run(config_values())
    assert not Path("runs/run").exists()


def test_metrics_are_lost_to_a_full_disk_with_a_message(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, row: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("embedkit.trainer.watch.metrics_log.MetricsLog.write", full)
    with pytest.raises(UserError, match="the disk is full"):
        run(config_values())
