"""The weights that are kept: those of the best dev evaluation, read back and proved; and when a run stops early."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer
from tests.trainer.test_train import metrics, run, same, weights

from embedkit.errors import UserError
from embedkit.ranking.fingerprints import TestRow, read_fingerprints
from embedkit.trainer.watch.dev_evaluation import DevEvaluation, DevResult, best_result
from embedkit.trainer.watch.dev_metrics import DevEvaluator, DevMetrics

Values = Callable[..., dict[str, Any]]


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Dev rows that give these values of nDCG@10 one after another, the best one again when it is read back."""
    answers = iter([*values, max(values[1:])])
    monkeypatch.setattr(DevEvaluator, "measure", lambda _: next_of(answers))


def next_of(answers: Iterator[float]) -> DevMetrics:
    value = next(answers)
    return DevMetrics(loss=1 - value, ndcg_at_10=value, mrr_at_10=0.0, recall_at_1=0.0, recall_at_10=0.0)


def test_the_best_evaluation_is_kept_not_the_last(
    workplace: Path,
    config_values: Values,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    steady = {"scheduler": "constant", "warmup_ratio": 0.0}
    wanted = run(config_values(train={"epochs": 1}, optim=steady, output={"save_name": "one"}))
    scripted(monkeypatch, [0.1, 0.4, 0.3, 0.2])
    best = run(config_values(train={"epochs": 3, "best_metric": "ndcg_at_10"}, optim=steady))
    assert same(weights(best.run), weights(wanted.run))
    assert "the model is that of epoch 1: nDCG@10 0.4000" in capsys.readouterr().err
    assert not (best.run / "checkpoints" / "best.safetensors").exists()
    seen, trained = (read_fingerprints(folder / "trained_on.npz") for folder in (best.run, wanted.run))
    assert {"rows", "dev"} == set(seen)
    assert {"rows"} == set(trained)
    assert seen["rows"].overlap(TestRow(("resistor",))) == "exact"
    assert seen["rows"].overlap(TestRow(("made up",), "resistor")) == "concept"
    assert seen["dev"].overlap(TestRow(("memory",))) == "exact"
    assert seen["rows"].overlap(TestRow(("memory",))) == ""


def test_patience_ends_the_run(
    workplace: Path,
    config_values: Values,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripted(monkeypatch, [0.5, 0.2, 0.4, 0.3, 0.4])
    done = run(config_values(train={"epochs": 9, "early_stopping_patience": 2}))
    told = capsys.readouterr().err
    assert [epoch for epoch, _ in done.dev] == [0, 1, 2, 3, 4]
    assert "stopped early: nDCG@10 has not been better than 0.4000 (epoch 2) in 2 evaluations" in told
    assert "no evaluation on the dev rows was better than the base model" in told


def test_a_resumed_run_knows_the_evaluations_before(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def values(name: str) -> dict[str, Any]:
        output = {"checkpoint_steps": 4, "checkpoint_keep": 9, "save_name": name}
        return config_values(train={"epochs": 4, "best_metric": "loss", "eval_steps": 3}, output=output)

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    whole = run(values("whole"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(DevEvaluation, "take_best", interrupt)
        run(values("cut"))
    for step in (16, 15, 12):
        shutil.rmtree(f"runs/cut/checkpoints/checkpoint-{step}", ignore_errors=True)
    resumed = run(values("cut"), resume=True)
    assert resumed.resumed_from_step == 10
    assert resumed.dev == whole.dev
    assert same(weights(resumed.run), weights(whole.run))


def interrupted_while_saving(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The run dies when the best weights are in the model and the model is not on the disk."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("embedkit.trainer.model.load.save_model", interrupt)
        run(values)


def test_a_run_that_dies_while_the_model_is_saved_has_its_best_weights_still(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def values(name: str) -> dict[str, Any]:
        output = {"checkpoint_steps": 4, "save_name": name}
        return config_values(train={"epochs": 2, "eval_steps": 3, "best_metric": "loss"}, output=output)

    whole = run(values("whole"))
    interrupted_while_saving(values("cut"), monkeypatch)
    resumed = run(values("cut"), resume=True)
    assert same(weights(resumed.run), weights(whole.run))
    assert resumed.kept == whole.kept


def test_a_run_that_stopped_early_and_died_stops_there_again(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def values(name: str) -> dict[str, Any]:
        return config_values(train={"epochs": 9, "early_stopping_patience": 1}, output={"save_name": name})

    scripted(monkeypatch, [0.1, 0.5, 0.3])
    whole = run(values("whole"))
    scripted(monkeypatch, [0.1, 0.5, 0.3])
    interrupted_while_saving(values("cut"), monkeypatch)
    # The second epoch again, and the best weights read back.
    answers = iter([0.3, 0.5])
    monkeypatch.setattr(DevEvaluator, "measure", lambda _: next_of(answers))
    resumed = run(values("cut"), resume=True)
    assert (resumed.steps, resumed.stopped_early, resumed.kept) == (whole.steps, True, whole.kept)
    assert same(weights(resumed.run), weights(whole.run))


def test_eval_steps_evaluate_between_epochs_and_at_the_end(workplace: Path, config_values: Values) -> None:
    done = run(config_values(train={"epochs": 1, "eval_steps": 2}))
    rows = [row for row in metrics(done.run) if "dev_loss" in row]
    assert [row["step"] for row in rows] == [0, 2, 4, 5]


def test_a_metric_that_is_not_there_is_an_error_before_training(
    workplace: Path, config_values: Values
) -> None:
    (workplace / "cfg.json").write_text(json.dumps(config_values(train={"best_metric": "ndcg@7"})))
    from embedkit.config import ConfigError
    from embedkit.trainer.run.train import train

    with pytest.raises(ConfigError, match=r"cfg\.json:1:\d+: train.best_metric"):
        train(config=None)
    (workplace / "pairs.dev.jsonl").unlink()
    for name, value in (("best_metric", "loss"), ("early_stopping_patience", 2), ("eval_steps", 3)):
        with pytest.raises(UserError, match=f"train.{name} needs dev rows"):
            run(config_values(train={name: value}))
    assert not Path("runs").exists()


def test_best_weights_that_do_not_measure_as_they_did_are_an_error(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0.1, 0.4, 0.3, 0.2])
    monkeypatch.setattr(
        DevEvaluator,
        "measure",
        lambda _: DevMetrics(loss=1, ndcg_at_10=next(told), mrr_at_10=0, recall_at_1=0, recall_at_10=0),
    )
    with pytest.raises(UserError, match="were not read back"):
        run(config_values(train={"epochs": 2, "best_metric": "ndcg_at_10"}))


def test_the_best_result_is_the_first_of_equals_and_a_number() -> None:
    def result(step: int, loss: float) -> DevResult:
        metrics = DevMetrics(loss=loss, ndcg_at_10=0, mrr_at_10=0, recall_at_1=0, recall_at_10=0)
        return DevResult(step=step, epoch=step, metrics=metrics)

    found = best_result([result(1, float("nan")), result(2, 0.5), result(3, 0.5), result(4, 0.9)], "loss")
    assert found is not None
    assert found.step == 2


def test_the_saved_folder_of_the_best_loads(workplace: Path, config_values: Values) -> None:
    done = run(config_values(train={"early_stopping_patience": 1}, lora={"r": 2}))
    assert SentenceTransformer(str(done.model), device="cpu").encode("저항").shape == (32,)
