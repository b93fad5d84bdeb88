"""`embedkit compare` on a tiny transformer: one table, nothing trained twice, mistakes told before the first run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.trainer.conftest import write_rows
from tests.trainer.test_recipes import classed_rows, scored_rows
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.errors import UserError
from embedkit.trainer.run.compare import compare

Values = Callable[..., dict[str, Any]]


@pytest.fixture
def nli(workplace: Path, config_values: Values) -> Path:
    """Inference rows, graded pairs and a config in the folder one stands in."""
    write_rows(workplace / "pairs.jsonl", classed_rows())
    (workplace / "pairs.dev.jsonl").unlink()
    write_rows(workplace / "sts.jsonl", scored_rows())
    values = config_values(train={"epochs": 1, "batch_size": 8}, output={"save_name": "nli"})
    (workplace / "cfg.json").write_text(json.dumps(values))
    return workplace


def test_one_line_a_loss_under_four_similarities(nli: Path) -> None:
    result = CliRunner().invoke(app, ["compare", "--losses", "softmax,cosine,mnrl", "--sts", "sts.jsonl"])
    assert result.exit_code == 0, result.stderr
    head, *lines = result.stdout.splitlines()[1:]
    assert head.split() == ["loss", "cosine", "dot", "euclidean", "manhattan", "steps", "seconds"]
    assert [line.split()[0] for line in lines] == ["base", "softmax", "cosine", "mnrl"]
    assert all(line.count(" / ") == 4 for line in lines)


def test_what_is_done_is_not_trained_again(nli: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(config=None, losses="cosine", sts=Path("sts.jsonl"))
    first = (nli / "runs/nli-compare/cosine/model/model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    both = compare(config=None, losses="cosine,softmax", sts=Path("sts.jsonl"))
    assert "cosine: done already" in capsys.readouterr().err
    assert (nli / "runs/nli-compare/cosine/model/model.safetensors").stat().st_mtime_ns == first
    assert [result.loss for result in both] == ["base", "cosine", "softmax"]


def test_other_settings_are_no_answer_to_this_question(nli: Path) -> None:
    compare(config=None, losses="cosine", sts=Path("sts.jsonl"))
    with pytest.raises(UserError, match="other settings or rows") as caught:
        compare(config=None, losses="cosine", sts=Path("sts.jsonl"), sets=["seed=7"])
    assert "--force" in caught.value.hint
    again = compare(config=None, losses="cosine", sts=Path("sts.jsonl"), sets=["seed=7"], force=True)
    assert again[1].steps == 3


def test_a_run_that_was_cut_off_goes_on(nli: Path) -> None:
    compare(config=None, losses="cosine", sts=Path("sts.jsonl"))
    (nli / "runs/nli-compare/cosine/compared.json").unlink()
    assert compare(config=None, losses="cosine", sts=Path("sts.jsonl"))[1].steps == 3


def test_all_are_measured_with_the_query_prompt(nli: Path) -> None:
    (base, trained) = compare(
        config=None,
        losses="cosine",
        sts=Path("sts.jsonl"),
        sets=["train.query_prompt=compare: ", "optim.lr=1e-9"],
    )
    (bare, _) = compare(config=None, losses="cosine", sts=Path("sts.jsonl"), sets=["output.save_name=bare"])
    assert base.metrics == pytest.approx(trained.metrics, abs=1e-3)
    assert base.metrics["cosine_pearson"] != pytest.approx(bare.metrics["cosine_pearson"], abs=1e-3)


def test_pairs_are_measured_by_their_dev_rows(workplace: Path, config_values: Values) -> None:
    (workplace / "cfg.json").write_text(json.dumps(config_values(train={"epochs": 1})))
    result = CliRunner().invoke(app, ["compare", "--losses", "mnrl,masked_mnrl", "--json"])
    value = json.loads(result.stdout)
    assert [one["loss"] for one in value["losses"]] == ["mnrl", "masked_mnrl"]
    assert all(0 <= one["metrics"]["ndcg_at_10"] <= 1 for one in value["losses"])


@pytest.mark.parametrize(
    ("losses", "sts", "told"),
    [
        ("cosin", "sts.jsonl", "did you mean 'cosine'"),
        (" , ", "sts.jsonl", "names no loss"),
        ("cosine,batch_all_triplet", "sts.jsonl", "cannot train on sentence pairs with a class"),
        ("cosine,gist", "sts.jsonl", "loss.guide_model"),
        ("cosine", "pairs.jsonl", "no graded sentence pairs"),
        ("cosine", None, "nothing to measure with"),
    ],
)
def test_mistakes_are_told_before_the_first_run(losses: str, sts: str | None, told: str, nli: Path) -> None:
    with pytest.raises(UserError) as caught:
        compare(config=None, losses=losses, sts=Path(sts) if sts else None)
    assert told in str(caught.value)
    assert not (nli / "runs").exists()
