"""`embedkit train --dry-run` tells cost and mistakes before anything is spent, and says no when it cannot fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.trainer.conftest import topic_rows, write_rows
from transformers.models.bert.modeling_bert import BertModel

from embedkit.errors import AnswerNoError, UserError
from embedkit.trainer.model.lengths import length_histogram
from embedkit.trainer.run import preflight, probe
from embedkit.trainer.run.dry_run import DryRun
from embedkit.trainer.run.train import train

Values = Callable[..., dict[str, Any]]


def dry(values: dict[str, Any], **options: Any) -> DryRun:
    Path("cfg.json").write_text(json.dumps(values))
    done = train(config=None, dry_run=True, **options)
    assert isinstance(done, DryRun)
    return done


def levels(done: DryRun) -> dict[str, str]:
    return {check.name: check.level for check in done.checks}


def test_cost_is_measured_and_nothing_is_written(
    workplace: Path, config_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    done = dry(config_values(train={"best_metric": "recall_at_1"}), as_json=True)
    assert sorted(path.name for path in workplace.iterdir()) == ["cfg.json", "pairs.dev.jsonl", "pairs.jsonl"]
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert answer["fits"] is True
    assert answer["cost"]["steps"] == 5
    assert answer["cost"]["seconds"] > answer["cost"]["seconds_per_step"] > 0
    assert answer["cost"]["memory_bytes"] > 1e8
    assert answer["steps"] == 10
    assert sum(share for _, share in answer["lengths"]["histogram"]) == pytest.approx(1)
    assert set(levels(done).values()) == {"ok"}
    assert {"negatives", "recomputing", "rhythm", "processes", "metric", "leak"} == set(levels(done))
    assert "ok: processes: 1. Tested: two CPU processes (gloo)" in told.err
    assert "Refused: offloading" in told.err
    assert "memory: about" in told.err
    assert "ok: none of 6 dev rows is trained on" in told.err


def test_each_trap_is_named(workplace: Path, config_values: Values) -> None:
    write_rows(workplace / "pairs.dev.jsonl", [*topic_rows(start=6), *topic_rows(stop=1)])
    train = {
        "batch_size": 1,
        "grad_accum_steps": 4,
        "eval_steps": 1000,
        "micro_batch_size": 1,
        "grad_checkpointing": True,
    }
    done = dry(config_values(train=train, data={"max_hard_negatives": 0}))
    warned = {name for name, level in levels(done).items() if level == "warning"}
    assert warned == {"negatives", "recomputing", "rhythm", "leak"}
    assert levels(done)["accumulation"] == "note"
    leak = next(check for check in done.checks if check.name == "leak")
    assert leak.text.startswith("3 of 9 dev rows are trained on")


def test_a_vocabulary_that_is_most_of_the_model_is_told(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "VOCABULARY_SHARE", 0.1)  # the tiny model has a vocabulary to match
    told = next(check for check in dry(config_values()).checks if check.name == "vocabulary")
    assert (told.level, told.text.split(" % ")[0].isdigit()) == ("note", True)
    assert "vocabulary" not in levels(dry(config_values(train={"freeze_embeddings": True})))


def test_distilled_rows_have_no_negatives_but_their_own(workplace: Path, config_values: Values) -> None:
    rows = [
        {"anchor": row["anchor"], "positive": row["positive"], "hard_negatives": ["no"], "scores": [0.9, 0.1]}
        for row in topic_rows(stop=6)
    ]
    write_rows(workplace / "pairs.jsonl", rows)
    assert dry(config_values(train={"loss": "distill"})).plan.negatives_per_anchor == 1


@pytest.mark.parametrize(("batch_size", "level"), [(2, "warning"), (9, "ok")])
def test_a_batch_of_one_label_has_nothing_to_tell_apart(
    batch_size: int, level: str, workplace: Path, config_values: Values
) -> None:
    rows = [{"text": f"{label} {n}", "label": label} for label in "abc" for n in range(6)]
    write_rows(workplace / "pairs.jsonl", rows)
    train = {"loss": "batch_all_triplet", "batch_size": batch_size}
    assert levels(dry(config_values(train=train, data={"use_dev": False})))["negatives"] == level


@pytest.mark.parametrize("loss", ["cached_mnrl", "masked_mnrl"])
@pytest.mark.parametrize("checkpointing", [True, False])
def test_a_cached_loss_computes_texts_again_already(
    loss: str, checkpointing: bool, workplace: Path, config_values: Values
) -> None:
    done = dry(config_values(train={"loss": loss, "grad_checkpointing": checkpointing}))
    stepped_into = loss == "cached_mnrl" and checkpointing
    assert levels(done)["recomputing"] == ("warning" if stepped_into else "ok")
    assert done.fits


def test_evaluations_and_checkpoints_need_not_fall_on_the_same_step(
    workplace: Path, config_values: Values
) -> None:
    train = {"eval_steps": 3, "best_metric": "loss"}
    done = dry(config_values(train=train, output={"checkpoint_steps": 4}))
    assert levels(done)["rhythm"] == "ok"


def test_a_metric_that_the_rows_do_not_give_is_no_run(
    workplace: Path, config_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        AnswerNoError, match=r"train\.best_metric is spearman, which these dev rows do not give"
    ):
        dry(config_values(train={"best_metric": "spearman"}), as_json=True)
    assert json.loads(capsys.readouterr().out)["fits"] is False
    with pytest.raises(UserError, match=r"train\.best_metric is spearman") as caught:
        train(config=None)
    assert caught.value.exit_code == 2
    assert not Path("runs/run").exists()


def test_too_little_memory_is_told_without_trying(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "free_memory", lambda _: 10**6)
    with pytest.raises(
        AnswerNoError, match=r"does not fit into memory: .* GB needed, 1\.0 MB can be had"
    ) as caught:
        dry(config_values())
    assert caught.value.exit_code == 1
    assert "micro_batch_size" in caught.value.hint


def test_too_little_disk_is_told(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "free_disk", lambda _: 1000)
    with pytest.raises(AnswerNoError, match="does not fit onto the disk"):
        dry(config_values())


def test_a_batch_that_memory_does_not_hold_is_tried_in_turns(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = BertModel.forward

    def guarded(self: Any, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.training and len(input_ids) > 3:
            raise torch.OutOfMemoryError("injected")
        return forward(self, input_ids, *args, **kwargs)

    monkeypatch.setattr(BertModel, "forward", guarded)
    done = dry(config_values())
    assert done.cost.texts_at_once in (1, 2, 3)
    assert done.fits


def test_the_disk_a_run_takes_is_what_was_said(workplace: Path, config_values: Values) -> None:
    values = config_values(output={"checkpoint_keep": 1, "checkpoint_steps": 2})
    said = dry(values).cost.disk_bytes
    run = train(config=None)
    assert not isinstance(run, DryRun)
    files = [path for path in run.run.rglob("*") if path.suffix in (".safetensors", ".pt")]
    # One checkpoint fewer than at the moment of the save that comes before the deletion of the older one.
    taken = sum(path.stat().st_size for path in files)
    assert 0.5 * said < taken < 1.3 * said


def test_lengths_fall_between_powers_of_two() -> None:
    found = dict(length_histogram(np.array([1, 8, 9, 16, 17, 40])))
    assert found == pytest.approx({8: 2 / 6, 16: 2 / 6, 32: 1 / 6, 64: 1 / 6})
