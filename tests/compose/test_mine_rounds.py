"""`compose --rounds`: a tiny model is really tuned on the mined pairs and really mines again; a cut-off goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embedkit.compose import ComposeOptions, compose
from embedkit.compose.mine.rounds import RoundError
from embedkit.errors import UserError
from embedkit.models.resolve import weights_hash

from .conftest import Run, made_glossary, rows_of


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> Path:
    values = {
        "model_id": str(tiny_model),
        "device": "cpu",
        "dtype": "float32",
        "train": {"batch_size": 8, "epochs": 1, "steps_per_epoch": 3},
        "optim": {"lr": 0.003},
    }
    path = tmp_path / "cfg.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_the_last_round_is_mined_by_the_tuned_model(
    run: Run, tmp_path: Path, config: Path, tiny_model: Path
) -> None:
    made_glossary(tmp_path / "g.csv", terms=24)
    flags = ("--input", "g.csv", "--miner", "lexical", "--rounds", "2", "--round-config", "cfg.json")
    done = run("compose", "--json", *flags)
    assert done.returncode == 0, done.stderr
    work = tmp_path / "data" / "pairs.rounds" / "1"
    tuned = weights_hash(str(work / "run" / "model"))
    assert tuned != weights_hash(str(tiny_model))
    rows = rows_of(tmp_path / "data" / "pairs.jsonl")
    assert {m["weights"] for row in rows for m in row["mining"] if m["miner"] == "dense"} == {tuned}
    assert {m["miner"] for row in rows_of(work / "pairs.jsonl") for m in row["mining"]} <= {"lexical", "draw"}
    held_out = {row["anchor"] for row in rows_of(tmp_path / "data" / "pairs.test.jsonl")}
    assert not held_out & {row["anchor"] for row in rows_of(work / "pairs.jsonl")}
    rounds = json.loads(done.stdout)["mining"]["rounds"]
    assert [(r["round"], r["miner"]) for r in rounds] == [(1, "lexical"), (2, "dense")]
    assert rounds[1]["weights"] == tuned
    manifest = json.loads((tmp_path / "data" / "pairs.manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["mining"]["rounds"] == rounds

    first = (tmp_path / "data" / "pairs.jsonl").read_bytes()
    again = run("compose", *flags, "--force")
    assert again.returncode == 0, again.stderr
    assert "already fine-tuned" in again.stderr
    assert "embedkit train" not in again.stderr
    assert (tmp_path / "data" / "pairs.jsonl").read_bytes() == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"round_config": "bad.json"}, "--round-config without --rounds"),
        ({"rounds": 2, "output": "-"}, "the output cannot be standard output"),
        ({"rounds": 2, "hard_k": 0}, "--rounds needs --hard-k"),
        ({"rounds": 2, "model": "./no-model"}, "no model './no-model' was found"),
    ],
)
def test_rounds_that_cannot_be_made_are_refused_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    made_glossary(tmp_path / "g.csv", terms=6)
    with pytest.raises(UserError, match=message):
        compose(ComposeOptions(inputs=["g.csv"], miner="lexical", **settings))
    assert [path.name for path in tmp_path.iterdir()] == ["g.csv"]


def test_a_config_that_the_trainer_refuses_is_refused_first(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv", terms=6)
    (tmp_path / "bad.json").write_text('{"trian": {}}', encoding="utf-8")
    flags = ("--miner", "lexical", "--rounds", "2", "--round-config", "bad.json")
    done = run("compose", "--input", "g.csv", *flags)
    assert done.returncode == 2
    assert "unknown key 'trian'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_training_that_fails_stops_the_work_and_writes_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("embedkit.compose.mine.rounds.run_embedkit", lambda arguments: 3)
    made_glossary(tmp_path / "g.csv", terms=24)
    with pytest.raises(RoundError, match="training of round 1 stopped") as caught:
        compose(ComposeOptions(inputs=["g.csv"], miner="lexical", model=str(tiny_model), rounds=2))
    assert caught.value.exit_code == 3
    assert not (tmp_path / "data" / "pairs.jsonl").exists()
    assert (
        json.loads((tmp_path / "data/pairs.rounds/1/round.json").read_text(encoding="utf-8"))["done"] is False
    )


def test_a_dry_run_of_rounds_trains_nothing(run: Run, tmp_path: Path, config: Path) -> None:
    made_glossary(tmp_path / "g.csv", terms=24)
    flags = ("--miner", "lexical", "--rounds", "3", "--round-config", "cfg.json", "--dry-run")
    done = run("compose", "--input", "g.csv", *flags)
    assert done.returncode == 0, done.stderr
    assert "would fine-tune 2 times" in done.stderr
    assert not (tmp_path / "data").exists()
