"""The model card: what was trained on and how, whose weights were kept and why, and what evaluation found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_recipes import classed_rows, scored_rows
from tests.trainer.test_train import run
from tests.trainer.test_train_best import scripted

from embedkit.evaluation.evaluate import evaluate
from embedkit.evaluation.plan import EvaluateOptions
from embedkit.trainer.run.train import TrainResult

Values = Callable[..., dict[str, Any]]


def card(result: TrainResult) -> str:
    return (result.run / "README.md").read_text(encoding="utf-8")


def test_the_kept_evaluation_and_the_early_stop_are_told(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.1, 0.5, 0.4, 0.3])
    done = run(config_values(train={"epochs": 9, "early_stopping_patience": 2}))
    assert done.stopped_early
    assert done.kept is not None
    assert (done.kept.epoch, done.kept.step, done.steps) == (1, 5, 15)
    told = card(done)
    assert "The model is that of epoch 1 (step 5), the best by nDCG@10" in told
    assert "Training stopped early, at step 15: 2 evaluations had been no better." in told
    assert "| 1 (kept) | 0.5000 |" in told
    assert told.count("(kept)") == 1
    assert "| epochs, steps | 9, 15 of 45 |" in told
    assert (done.model / "README.md").read_text(encoding="utf-8").count("(kept)") == 1


def test_a_best_evaluation_below_the_base_model_is_told(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.6, 0.5, 0.4])
    told = card(run(config_values(train={"epochs": 2, "best_metric": "ndcg_at_10"})))
    assert "None was better than the base model." in told
    assert "stopped early" not in told


def test_without_a_metric_the_last_step_is_kept(workplace: Path, config_values: Values) -> None:
    done = run(config_values())
    assert (done.kept, done.stopped_early) == (None, False)
    assert "The model is that after the last step, 10." in card(done)
    assert "| 2 (kept) |" in card(done)


def test_licences_stand_in_it_and_rows_without_one_are_counted(
    workplace: Path, config_values: Values
) -> None:
    rows = topic_rows(stop=6)
    licensed = [row | {"license": "CC-BY-SA-4.0", "source": "a book"} for row in rows[:12]]
    write_rows(workplace / "pairs.jsonl", [*licensed, *rows[12:]])
    told = card(run(config_values(train={"epochs": 1})))
    assert "- Licences: CC-BY-SA-4.0 (12)" in told
    assert "- Sources: a book (12)" in told
    assert "6 of the rows name no licence" in told


def test_who_wrote_questions_among_the_rows_stands_in_it(workplace: Path, config_values: Values) -> None:
    manifest = {"step": "compose", "settings": {"questions_written_by": {"gemma-3": "its terms"}}}
    rest = {"inputs": {}, "outputs": {}, "counts": {}, "versions": {}}
    (workplace / "pairs.manifest.json").write_text(json.dumps(manifest | rest), encoding="utf-8")
    told = card(run(config_values(train={"epochs": 1})))
    assert "- Questions among them written by the language model gemma-3. its terms" in told


def test_every_loss_of_several_files_is_named(workplace: Path, config_values: Values) -> None:
    write_rows(workplace / "nli.jsonl", classed_rows())
    write_rows(workplace / "sts.jsonl", scored_rows())
    sources = [{"path": "nli.jsonl", "loss": "softmax"}, {"path": "sts.jsonl", "loss": "cosent"}]
    told = card(run(config_values(train={"epochs": 1}, data={"sources": sources, "use_dev": False})))
    assert "| loss | softmax, cosent |" in told
    assert "`nli.jsonl`, `sts.jsonl`" in told


def test_a_folder_of_this_machine_is_no_base_model_of_the_hub(
    workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    told = card(run(config_values(train={"epochs": 1})))
    assert "base_model:" not in told
    assert str(tiny_model) not in told
    assert f"A sentence embedding model: {tiny_model.name}, tuned" in told


def test_evaluate_fills_in_before_and_after_once(workplace: Path, config_values: Values) -> None:
    done = run(config_values(train={"epochs": 1}))
    write_rows(workplace / "pairs.test.jsonl", topic_rows(start=6))
    copies = (done.run / "README.md", done.model / "README.md")
    assert all("Not measured yet" in path.read_text(encoding="utf-8") for path in copies)
    evaluate(EvaluateOptions(model=str(done.run), output=workplace / "elsewhere", resamples=100))
    assert "Not measured yet" in card(done)
    for seed in (0, 1):
        found = evaluate(EvaluateOptions(model=str(done.run), resamples=100, seed=seed))
    primary = json.loads((done.run / "metrics.json").read_text(encoding="utf-8"))["metrics"][0]
    for path in copies:
        text = path.read_text(encoding="utf-8")
        assert "Not measured yet" not in text
        assert text.count("## Before and after") == 1
        assert f"| {primary['before']:.3f} | {primary['after']:.3f} |" in text
        assert found.sentence in text
        assert "file `pairs.test.jsonl`" in text
        assert text.index("## Before and after") < text.index("## Use")


def test_a_comma_in_a_files_name_is_part_of_it(workplace: Path, config_values: Values) -> None:
    names = ["rock, paper.jsonl", "scissors.jsonl"]
    for name in names:
        write_rows(workplace / name, topic_rows(stop=4))
    done = run(config_values(data={"sources": [{"path": name} for name in names]}))
    assert "- File: `rock, paper.jsonl`, `scissors.jsonl`, SHA-256" in card(done)
    assert json.loads((done.run / "environment.json").read_text())["data"]["paths"] == names
