"""`train.epochs: auto`: known recall decides when a run ends and which weights it keeps; a time limit; resuming."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trainer.conftest import TOPICS, write_rows
from tests.trainer.test_train import metrics, run, same, weights

from embedkit.shipped_data import data_path
from embedkit.text import language_of
from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.rows.store import read_rows
from embedkit.trainer.run import prepare
from embedkit.trainer.run.train import plan_training
from embedkit.trainer.step.loop import TrainingLoop
from embedkit.trainer.watch import dev_metrics
from embedkit.trainer.watch.dev_evaluation import DevEvaluation, DevResult, best_result
from embedkit.trainer.watch.dev_metrics import DevEvaluator, DevMetrics
from embedkit.trainer.watch.ending import DESCRIBED, EVERYDAY, UNSEEN, keeping, reason_to_end
from embedkit.trainer.watch.everyday import everyday_pairs, everyday_spearman, texts_of_pairs

Values = Callable[..., dict[str, Any]]
AUTO = {"epochs": "auto", "max_epochs": 20, "batch_size": 8}


MANY = dict.fromkeys((UNSEEN, DESCRIBED, EVERYDAY), 10**6)


def results(
    known: Sequence[float], guarded: Sequence[float] | None = None, metric: str = UNSEEN
) -> list[DevResult]:
    """Evaluations after each epoch from the base model on."""
    return [
        DevResult(step=step, epoch=step, metrics=DevMetrics(known_recall_at_1=value, **{metric: found}))
        for step, (value, found) in enumerate(zip(known, guarded or [0.5] * len(known), strict=True))
    ]


@pytest.fixture
def known(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workplace with questions for the topics that are trained on.

    Everyday language is not watched: a model of a few random weights has none to lose.
    """
    monkeypatch.setattr(prepare, "everyday_pairs", lambda _: ())
    rows = [
        {
            "anchor": f"what is a {english}?" if kind == "question" else f"{english}s",
            "positive": definition,
            "group": english,
            "kind": kind,
            "lang": "en",
        }
        for english, _, definition in TOPICS[:6]
        for kind in ("question", "keyword")
    ]
    write_rows(workplace / "pairs.known.dev.jsonl", rows)
    return workplace


def scripted(monkeypatch: pytest.MonkeyPatch, known: Sequence[float]) -> None:
    """Dev rows that give these values of known recall one after another, the best when it is read back."""
    answers = iter([*known, max(known[1:])])
    monkeypatch.setattr(
        DevEvaluator, "measure", lambda _: DevMetrics(ndcg_at_10=0.5, known_recall_at_1=next(answers))
    )


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ([0.1, 0.5, 0.6], None),
        ([0.1, 0.7, 0.7, 0.7, 0.7, 0.7], None),
        ([0.1, 0.7, 0.7, 0.7, 0.7, 0.703, 0.69], "flat"),
        ([0.1, 0.5, 0.6, 0.7, 0.7, 0.68, 0.69], None),
        ([0.1, 0.5, 0.6, 0.7, 0.7, 0.69, 0.7, 0.69], None),
        ([0.1, 0.5, 0.6, 0.7, 0.7, 0.69, 0.7, 0.69, 0.7], "flat"),
    ],
)
def test_a_run_ends_when_known_recall_is_flat(known: list[float], reason: str | None) -> None:
    assert reason_to_end(results(known), MANY) == reason


@pytest.mark.parametrize(
    ("metric", "reason"), [(UNSEEN, "unseen"), (DESCRIBED, "described"), (EVERYDAY, "everyday")]
)
def test_a_run_ends_when_what_the_base_can_do_is_lost(metric: str, reason: str) -> None:
    def found(*guarded: float) -> str | None:
        return reason_to_end(results([0.1, 0.5, 0.6, 0.7, 0.8], guarded, metric), MANY)

    assert found(0.5, 0.49, 0.49, 0.47, 0.47) == reason
    assert found(0.5, 0.47, 0.47, 0.47, 0.49) is None
    assert found(*[float("nan")] * 5) is None


def test_the_best_of_those_that_no_guard_stops() -> None:
    found = results([0.1, 0.5, 0.9, 0.7], [0.5, 0.5, 0.4, 0.49])
    assert best_result(keeping(found, MANY), "known_recall_at_1") is found[3]
    few = keeping(found, {UNSEEN: 16})
    assert best_result(few, "known_recall_at_1") is found[2]  # of 16 concepts nobody can tell


def test_everyday_language_is_watched_in_the_languages_of_the_known_rows(known: Path) -> None:
    rows = read_rows("pairs.known.dev.jsonl", DataSection(), check=False)
    pairs = everyday_pairs(rows)
    assert {language_of(pair.sentence1) for pair in pairs} == {"en"}
    texts = texts_of_pairs(pairs)
    graded = np.array([[1.0, 0.0]] * len(pairs) + [[pair.score, 0.0] for pair in pairs], dtype=np.float32)
    assert len(texts) == len(graded)
    assert everyday_spearman(pairs, graded) == pytest.approx(1)
    assert everyday_spearman(pairs, np.ones((len(texts), 2), dtype=np.float32)) == 0


def test_the_watched_pairs_are_not_those_of_the_verdict() -> None:
    def sentences(name: str) -> set[str]:
        rows = (json.loads(line) for line in data_path(name).read_text(encoding="utf-8").splitlines())
        return {row[part] for row in rows for part in ("sentence1", "sentence2")}

    assert not sentences("similarity.dev.jsonl") & sentences("similarity.jsonl")


def test_everyday_language_is_measured_before_and_after(
    known: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "everyday_pairs", everyday_pairs)
    done = run(config_values(train={**AUTO, "max_epochs": 1}))
    before, after = (found.everyday_spearman for _, found in done.dev)
    assert before is not None
    assert after is not None
    assert before != after


def test_descriptions_are_watched_beside_all_known_rows(known: Path, config_values: Values) -> None:
    rows = [json.loads(line) for line in Path("pairs.known.dev.jsonl").read_text().splitlines()]
    write_rows(Path("pairs.known.dev.jsonl"), [row | {"kind": "described"} for row in rows[:3]] + rows[3:])
    done = run(config_values(train={**AUTO, "max_epochs": 1}))
    thirds = [pytest.approx(n / 3) for n in range(4)]
    assert all(found.known_described_recall_at_1 in thirds for _, found in done.dev)


def test_a_flat_run_falls_to_rest_and_keeps_the_best(
    known: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, [0.1, 0.5, 0.6, *[0.8] * 7, 0.9])
    done = run(config_values(train=AUTO))
    told = capsys.readouterr().err
    each = done.steps // 10
    assert done.ending == "flat"
    assert [epoch for epoch, _ in done.dev] == list(range(11))
    assert f"stopped rising: the learning rate falls to 0 in {2 * each} more steps" in told
    assert "the model is that of epoch 10: known recall@1 0.9000" in told
    assert "known dev rows: 12" in told
    rates = [row["learning_rate"] for row in metrics(done.run) if "learning_rate" in row]
    full = max(rates)
    assert rates[2 * each : 8 * each + 1] == [full] * (6 * each + 1)
    assert rates[-1] == pytest.approx(full / (2 * each))
    card = (done.run / "README.md").read_text()
    assert f"| epochs, steps | 10, {done.steps} steps (until known recall stopped rising) |" in card


def test_a_run_that_goes_on_rising_ends_at_the_cap(
    known: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [n / 10 for n in range(8)])
    done = run(config_values(train={**AUTO, "max_epochs": 7}))
    assert done.ending is None
    assert done.kept is not None
    assert (done.dev[-1][0], done.kept.epoch) == (7, 7)


def test_real_known_rows_are_found_better(known: Path, config_values: Values) -> None:
    done = run(config_values(train={**AUTO, "max_epochs": 8}))
    recalls = [metrics.known_recall_at_1 for _, metrics in done.dev]
    assert None not in recalls
    assert done.kept is not None
    assert done.kept.metrics.known_recall_at_1 == max(recalls[1:])  # type: ignore[type-var]
    assert all(metrics.ndcg_at_10 is not None for _, metrics in done.dev)


def test_known_rows_alone_are_enough(known: Path, config_values: Values) -> None:
    (known / "pairs.dev.jsonl").unlink()
    done = run(config_values(train={**AUTO, "max_epochs": 2}))
    assert {name for _, found in done.dev for name in found.measured()} == {"known_recall_at_1"}


def test_every_slice_is_asked(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_metrics, "KNOWN_ROWS", 4)
    made = dev_metrics.make_known_set(read_rows("pairs.known.dev.jsonl", DataSection(), check=False), seed=1)
    assert sorted(query.kind for query in made.queries) == ["keyword"] * 2 + ["question"] * 2
    assert len(made.corpus) == 6


@pytest.mark.parametrize(("rows_a_concept", "epochs"), [(3, 10), (1, 4)])
def test_without_known_rows_auto_is_a_number(
    rows_a_concept: int, epochs: int, workplace: Path, config_values: Values
) -> None:
    write_rows(
        workplace / "pairs.jsonl",
        [
            {"anchor": f"{english} {n}", "positive": definition, "group": english}
            for english, _, definition in TOPICS[:6]
            for n in range(rows_a_concept)
        ],
    )
    plan = plan_training(RunConfig.model_validate(config_values(train=AUTO)))
    assert (plan.epochs, plan.ends_when_flat) == (epochs, False)


def test_a_time_limit_lets_the_rate_fall(
    known: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(TrainingLoop, "seconds", property(lambda loop: 10.0 * loop.step))
    done = run(config_values(train={"epochs": 50, "max_minutes": 2, "batch_size": 8}))
    assert (done.ending, done.steps) == ("time", 13)
    assert "four fifths of train.max_minutes are over: the learning rate falls to 0 in 3 more steps" in (
        capsys.readouterr().err
    )
    rates = [row["learning_rate"] for row in metrics(done.run) if "learning_rate" in row]
    assert 0 < rates[-1] < rates[-2] < rates[-3]


@pytest.mark.parametrize("after", [1, 4, 5, 6])
def test_a_resumed_run_ends_where_it_would_have(
    after: int, known: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def values(name: str) -> dict[str, Any]:
        output = {"checkpoint_keep": 99, "save_name": name}
        return config_values(train={**AUTO, "rows_per_visit": 2, "max_epochs": 8}, output=output)

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    whole = run(values("whole"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(DevEvaluation, "take_best", interrupt)
        run(values("cut"))
    each = whole.steps // int(whole.dev[-1][0])
    for folder in Path("runs/cut/checkpoints").glob("checkpoint-*"):
        if int(folder.name.rpartition("-")[2]) > after * each:
            shutil.rmtree(folder)
    resumed = run(values("cut"), resume=True)
    assert 0 < resumed.resumed_from_step <= after * each
    assert (resumed.dev, resumed.steps, resumed.ending) == (whole.dev, whole.steps, whole.ending)
    assert same(weights(whole.run), weights(resumed.run))
    assert json.loads((resumed.run / "config.json").read_text())["train"]["epochs"] == "auto"
