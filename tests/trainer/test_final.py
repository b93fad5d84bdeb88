"""A measured run's recipe trained on everything: its rows, its epochs, resuming, the card, and who uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.trainer.conftest import TOPICS, topic_rows, write_rows
from tests.trainer.test_train import run, same, weights
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.errors import UserError
from embedkit.evaluation.plan import EvaluateOptions, plan_evaluation
from embedkit.models.resolve import resolve_model
from embedkit.models.run_folder import evaluation_section, run_of, with_section
from embedkit.ranking.hybrid.shares import LanguageShare, LearntShares, keep_shares, shares_of
from embedkit.trainer.run.final import finalize, finalize_config

Values = Callable[..., dict[str, Any]]
RUN = Path("runs/run")
LEARNT = LearntShares(
    (LanguageShare(lang="ko", share=0, hybrid=0.1, definitions=0.5, questions=60, recall=(0.9, 0.9, 0.1)),)
)


@pytest.fixture
def measured(workplace: Path, config_values: Values) -> Path:
    """A run of three epochs whose second was the best, beside rows that it has not seen."""
    write_rows(workplace / "pairs.test.jsonl", topic_rows(start=6)[:2])
    known = {"positive": TOPICS[0][2], "group": "resistor", "kind": "question", "lang": "en"}
    write_rows(workplace / "pairs.known.jsonl", [{"anchor": "what limits a current?", **known}])
    run(config_values(train={"epochs": 3, "best_metric": "ndcg_at_10"}))
    path = RUN / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kept_epoch": 2.0}))
    card = RUN / "README.md"
    card.write_text(with_section(card.read_text(), evaluation_section("Finds 9 of 10.")))
    (RUN / "metrics.json").write_text("{}")
    keep_shares(LEARNT, RUN / "model")
    return workplace


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def rows_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_trains_on_every_row_for_the_kept_epochs(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = finalize(RUN)
    names = ("pairs.jsonl", "pairs.dev.jsonl", "pairs.test.jsonl", "pairs.known.jsonl")
    wanted = [row for name in names for row in rows_in(measured / name)]
    assert rows_in(RUN / "final" / "pairs.jsonl") == wanted
    config = json.loads((RUN / "final" / "config.json").read_text())
    assert (config["train"]["epochs"], config["train"]["best_metric"], config["data"]["use_dev"]) == (
        2,
        None,
        False,
    )
    assert (done.run, done.dev, done.kept) == (RUN / "final", (), None)
    told = capsys.readouterr().err
    assert f"final/pairs.jsonl: {len(wanted)} rows of pairs.jsonl, pairs.dev.jsonl, pairs.test.jsonl" in told
    assert "not measured yet" not in told
    assert "search, serve and export of runs/run use this model now" in told


def test_its_search_weighs_as_that_of_the_measured_model(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finalize(RUN)
    capsys.readouterr()
    final, run = (shares_of(resolve_model(str(RUN), final=final)) for final in (True, False))
    assert final.languages == run.languages == LEARNT.languages
    assert final.weights != run.weights
    assert "other weights" not in capsys.readouterr().err


def test_the_card_says_what_measured_it(measured: Path) -> None:
    finalize(RUN)
    for card in (RUN / "final" / "README.md", RUN / "final" / "model" / "README.md"):
        text = card.read_text()
        assert "This model has also seen the held-out rows" in text
        assert "Finds 9 of 10." in text
    assert "held-out rows (dev" not in (RUN / "README.md").read_text()


def test_a_cut_off_final_goes_on_to_the_same_weights(measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finalize(RUN)
    wanted = weights(whole.run)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("embedkit.trainer.model.load.save_model", interrupt)
        finalize(RUN, force=True)
    with pytest.raises(UserError, match="there is a run here already"):
        finalize(RUN)
    resumed = finalize(RUN, resume=True)
    assert resumed.resumed_from_step > 0
    assert same(wanted, weights(resumed.run))


def test_train_final_is_the_same(measured: Path, config_values: Values) -> None:
    wanted = weights(finalize(RUN).run)
    Path("run.json").write_text(json.dumps(config_values()))
    again = CliRunner().invoke(app, ["train", "--config", "run.json", "--final", "--force"])
    assert again.exit_code == 0, again.output
    assert same(wanted, weights(RUN / "final"))
    with pytest.raises(UserError, match="--dry-run says nothing of --final"):
        finalize_config(config=Path("run.json"), dry_run=True)


def test_a_run_is_used_through_its_final_model_and_measured_without(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finalize(RUN)
    capsys.readouterr()
    used = resolve_model(str(RUN))
    assert used.path == str(RUN / "final" / "model")
    assert capsys.readouterr().err == "runs/run: the final model, trained on everything\n"
    found = run_of(used)
    assert found is not None
    assert found.trained_on == (Path("pairs.jsonl"),)
    assert resolve_model(str(RUN), final=False).path == str(RUN / "model")
    assert resolve_model(str(RUN / "model")).path == str(RUN / "model")
    assert plan_evaluation(EvaluateOptions(model=str(RUN))).model.path == str(RUN / "model")
    for name in (RUN / "final", RUN / "final" / "model"):
        with pytest.raises(UserError, match="trained on everything, the test rows too"):
            plan_evaluation(EvaluateOptions(model=str(name)))


def test_training_anew_takes_the_final_model_away(measured: Path, config_values: Values) -> None:
    finalize(RUN)
    run(config_values(train={"epochs": 1}), force=True)
    assert not (RUN / "final").exists()


def test_what_cannot_be_finalized(measured: Path) -> None:
    with pytest.raises(UserError, match="is no trained run"):
        finalize(Path("runs/none"))
    finalize(RUN)
    with pytest.raises(UserError, match="is trained on everything already"):
        finalize(RUN / "final")
    (measured / "pairs.jsonl").unlink()
    with pytest.raises(UserError, match="the rows that the run was trained on are not there"):
        finalize(RUN, force=True)


def test_rows_of_several_files_stay_apart(workplace: Path, config_values: Values) -> None:
    scored = [{"sentence1": "a b", "sentence2": "a c", "score": 0.5}] * 4
    write_rows(workplace / "sts.jsonl", scored)
    sources = [{"path": "pairs.jsonl"}, {"path": "sts.jsonl", "loss": "cosent"}]
    run(config_values(data={"sources": sources}, train={"epochs": 1}))
    finalize(RUN)
    config = json.loads((RUN / "final" / "config.json").read_text())
    paths = [source["path"] for source in config["data"]["sources"]]
    assert paths == ["runs/run/final/rows-1.jsonl", "runs/run/final/rows-2.jsonl"]
    assert [len(rows_in(Path(path))) for path in paths] == [24, 4]
