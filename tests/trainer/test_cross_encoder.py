"""A cross-encoder is trained on the rows that embedding models are trained on, and is a plain CrossEncoder folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import losses as stock
from tests.trainer.conftest import topic_rows, write_rows
from tests.trainer.test_recipes import classed_rows, pair_rows, scored_rows, triplet_rows
from tests.trainer.test_resume import cut_off
from tests.trainer.test_train import metrics, same, weights

from embedkit.errors import UserError
from embedkit.models.cross_encoder import Orders, find_cross_encoder, write_orders
from embedkit.models.resolve import DEFAULT_MODEL, newest_run
from embedkit.trainer.config import RunConfig
from embedkit.trainer.rows.label import LabelOptions, label
from embedkit.trainer.run.prepare import PreparedRun, prepare
from embedkit.trainer.run.train import TrainResult, run_training
from embedkit.trainer.step.batch import features_of
from embedkit.trainer.step.cross_batch import CrossPlan

Values = Callable[..., dict[str, Any]]


@pytest.fixture
def cross_values(config_values: Values) -> Values:
    """A quick config of a cross-encoder."""

    def make(*, loss: str = "bce", **sections: Any) -> dict[str, Any]:
        train = {"model": "cross_encoder", "batch_size": 8, **sections.pop("train", {})}
        loss_section = {"name": loss, **sections.pop("loss_settings", {})}
        return config_values(train=train, loss=loss_section, **sections)

    return make


def run(values: dict[str, Any], **options: Any) -> TrainResult:
    return run_training(RunConfig.model_validate(values), **options)


def prepared(values: dict[str, Any]) -> PreparedRun:
    return prepare(RunConfig.model_validate(values), resume=False, force=False)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ("bce", pair_rows),
        ("lce", pair_rows),
        ("bce", scored_rows),
        ("lce", triplet_rows),
        ("bce", classed_rows),
    ],
)
def test_the_loss_falls_and_the_folder_is_a_cross_encoder(
    loss: str, rows: Callable[[], list[dict[str, Any]]], workplace: Path, cross_values: Values
) -> None:
    write_rows(workplace / "pairs.jsonl", rows())
    train = {"epochs": 32, "steps_per_epoch": 3}
    done = run(cross_values(loss=loss, train=train, optim={"lr": 0.005}, data={"use_dev": False}))
    told = [row["loss"] for row in metrics(done.run) if "loss" in row]
    count = len(told) // 4
    assert np.mean(told[-count:]) < 0.97 * np.mean(told[:count])
    scores = CrossEncoder(str(done.model), device="cpu").predict([("diode", "저항"), ("noise", "filter")])
    assert scores.shape == (2,)
    assert ((scores > 0) & (scores < 1)).all()
    assert "CrossEncoder" in (done.model / "README.md").read_text()


def test_it_grades_pairs_and_is_no_default_of_searches(workplace: Path, cross_values: Values) -> None:
    done = run(cross_values(train={"epochs": 1}))
    graded = label(
        LabelOptions(input=Path("pairs.jsonl"), teacher=str(done.run), output=Path("graded.jsonl"))
    )
    assert graded.pairs > 0
    assert newest_run() == DEFAULT_MODEL


def test_dev_rows_are_ranked_again(workplace: Path, cross_values: Values) -> None:
    done = run(cross_values(train={"epochs": 2, "best_metric": "mrr_at_10"}))
    assert [epoch for epoch, _ in done.dev] == [0, 1, 2]
    assert set(done.dev[0][1].measured()) == {"loss", "ndcg_at_10", "mrr_at_10", "recall_at_1"}
    assert done.kept is not None
    orders = json.loads((done.run / "reranking.json").read_text())
    assert set(orders) == {"queries", "given", "reranked"}
    assert orders["queries"] > 0


def test_one_that_loses_against_the_order_that_it_is_given_is_told(
    cross_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(cross_encoder, tmp_path / "run" / "model")
    for reranked, warned in ((0.31, True), (0.5, False)):
        write_orders(tmp_path / "run", Orders(queries=20, given=0.4, reranked=reranked))
        assert ("search without it" in capsys.readouterr().err) is warned
        find_cross_encoder(str(tmp_path / "run"))
        assert ("worse than they do: nDCG@10 0.310, theirs 0.400" in capsys.readouterr().err) is warned


def test_graded_dev_rows_are_correlated(workplace: Path, cross_values: Values) -> None:
    write_rows(workplace / "pairs.dev.jsonl", scored_rows())
    done = run(cross_values(train={"epochs": 1}))
    assert set(done.dev[-1][1].measured()) == {"loss", "pearson", "spearman"}


@pytest.mark.parametrize("changes", [{}, {"lora": {"r": 2}}, {"train": {"micro_batch_size": 3}}])
def test_a_run_cut_off_ends_with_the_same_weights(
    changes: dict[str, Any], workplace: Path, cross_values: Values
) -> None:
    def values(name: str) -> dict[str, Any]:
        output = {"save_name": name, "checkpoint_steps": 1, "checkpoint_keep": 99}
        return cross_values(**changes, output=output)

    whole = run(values("whole"))
    cut_off(whole.run, after=2, copy=Path("runs/cut"))
    config = json.loads(Path("runs/cut/config.json").read_text())
    config["output"]["save_name"] = "cut"
    Path("runs/cut/config.json").write_text(json.dumps(config))
    resumed = run(config, resume=True)
    assert resumed.resumed_from_step == 2
    assert same(weights(resumed.run), weights(whole.run))


def test_texts_of_one_concept_are_no_negatives(workplace: Path, cross_values: Values) -> None:
    ready = prepared(cross_values(loss_settings={"in_batch_negatives": 3}, data={"max_hard_negatives": 0}))
    numbers = list(range(18))
    collator = ready.inputs.collator
    groups, plan = features_of(collator(numbers))
    assert isinstance(plan, CrossPlan)
    assert plan.counted.sum(dim=1).tolist() == [4] * 18
    assert plan.labels[:, 0].tolist() == [1] * 18
    assert plan.labels[:, 1:].sum() == 0
    rows = [ready.inputs.rows.store[number] for number in numbers]
    keys = collator._parts[0].distinct(numbers)
    concept = {text: row.group for row in rows for text in (row.anchor, row.positive)}
    same_concept = [key for key in keys if concept[key[0]] == concept[key[1]]]
    assert sorted(same_concept) == sorted((row.anchor, row.positive) for row in rows)
    assert sum(len(group["input_ids"]) for group in groups) == len(keys)


def test_the_losses_are_those_of_sentence_transformers(workplace: Path, cross_values: Values) -> None:
    write_rows(
        workplace / "pairs.jsonl", [row | {"hard_negatives": ["x y", "z"]} for row in topic_rows(stop=6)]
    )
    own = {"loss_settings": {"in_batch_negatives": 0}}
    ready = prepared(cross_values(loss="lce", **own))
    loss, model = ready.inputs.loss.eval(), ready.inputs.loss.model
    theirs = stock.MultipleNegativesRankingLoss(model, scale=1.0, activation_fn=torch.nn.Identity())
    for number in (0, 5):
        row = ready.inputs.rows.store[number]
        texts = [[row.anchor], [row.positive], *([text] for text in row.hard_negatives)]
        found = loss(*features_of(ready.inputs.collator([number])))
        assert found.item() == pytest.approx(theirs(texts, torch.ones(1)).item(), abs=1e-5)
    ready = prepared(cross_values(loss="bce", **own, output={"save_name": "other"}))
    loss, model = ready.inputs.loss.eval(), ready.inputs.loss.model
    rows = [ready.inputs.rows.store[number] for number in range(6)]
    pairs = [(row.anchor, text) for row in rows for text in (row.positive, *row.hard_negatives)]
    labels = torch.tensor([1.0, 0.0, 0.0] * 6)
    wanted = stock.BinaryCrossEntropyLoss(model)([list(one) for one in zip(*pairs, strict=True)], labels)
    found = loss(*features_of(ready.inputs.collator(range(6))))
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)


def test_defaults_are_those_of_a_cross_encoder() -> None:
    config = RunConfig.model_validate({"train": {"model": "cross_encoder"}, "optim": {"lr": 1e-4}})
    assert (config.loss.name, config.train.batch_size) == ("bce", 32)
    assert (config.data.max_hard_negatives, config.optim.lr) == (4, 1e-4)
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"loss": "bce"}, "set train.model to cross_encoder"),
        ({"loss": "mnrl", "train": {"model": "cross_encoder"}}, "takes the losses bce and lce"),
        ({"train": {"model": "cross_encoder", "pooling": "cls"}}, "prompts and pooling have no meaning"),
    ],
)
def test_what_does_not_go_together_is_told(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RunConfig.model_validate(values)


def test_models_of_other_kinds_are_refused(workplace: Path, cross_values: Values, tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = SentenceTransformer(str(tiny_model), device="cpu").tokenizer.backend_tokenizer
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    static.save_pretrained("static", create_model_card=False)
    with pytest.raises(UserError, match="no cross-encoder can be made of it"):
        run(cross_values(model_id="static"))
    write_rows(workplace / "pairs.jsonl", scored_rows())
    with pytest.raises(UserError, match="cannot train on") as caught:
        run(cross_values(loss="lce"))
    assert "bce" in caught.value.hint


def test_a_trained_cross_encoder_is_trained_on(workplace: Path, cross_values: Values) -> None:
    first = run(cross_values(train={"epochs": 1}))
    shutil.copytree(first.model, "own")
    again = run(cross_values(model_id="own", train={"epochs": 1}, output={"save_name": "second"}))
    assert again.dev[0][1].loss == pytest.approx(first.dev[-1][1].loss, abs=1e-4)
