"""Every loss on a real, tiny transformer: it falls, the folder loads anywhere, a misfit is told before loading."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tests.trainer.conftest import TOPICS, topic_rows, write_rows
from tests.trainer.test_resume import cut_off
from tests.trainer.test_train import metrics, run, same, weights

from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.registry import LOSSES
from embedkit.trainer.run.prepare import prepare
from embedkit.trainer.run.train import plan_training, run_training
from embedkit.trainer.step.batch import features_of

Row = dict[str, Any]
Values = Callable[..., dict[str, Any]]


def pair_rows() -> list[Row]:
    return [
        row
        | {"hard_negatives": row["hard_negatives"] or ["nothing of this"], "scores": [0.9, 0.2, 0.1][: n + 1]}
        for row in topic_rows(stop=6)
        for n in [max(1, len(row["hard_negatives"]))]
    ]


def labelled_rows() -> list[Row]:
    return [
        {"text": f"{text} {n}", "label": english}
        for english, korean, definition in TOPICS[:4]
        for text in (english, korean, definition)
        for n in range(2)
    ]


def triplet_rows() -> list[Row]:
    others = [*TOPICS[1:], TOPICS[0]]
    return [
        {"anchor": english, "positive": definition, "negative": other[2]}
        for (english, _, definition), other in zip(TOPICS, others, strict=True)
    ]


def classed_rows() -> list[Row]:
    others = [*TOPICS[1:], TOPICS[0]]
    rows = []
    for (english, korean, definition), other in zip(TOPICS, others, strict=True):
        rows += [
            {"sentence1": english, "sentence2": definition, "label": "entailment"},
            {"sentence1": english, "sentence2": korean, "label": "neutral"},
            {"sentence1": english, "sentence2": other[2], "label": "contradiction"},
        ]
    return rows


def scored_rows() -> list[Row]:
    score = {"entailment": 1.0, "neutral": 0.6, "contradiction": 0}
    return [
        {"sentence1": row["sentence1"], "sentence2": row["sentence2"], "score": score[row["label"]]}
        for row in classed_rows()
    ]


def text_rows() -> list[Row]:
    return [{"text": text} for topic in TOPICS for text in topic]


ROWS: dict[str, Callable[[], list[Row]]] = {
    "pairs": pair_rows,
    "labelled": labelled_rows,
    "triplets": triplet_rows,
    "classed_pairs": classed_rows,
    "scored_pairs": scored_rows,
    "texts": text_rows,
}
ALONE = {"data": {"use_dev": False}}


def recipe(loss: str, tiny_model: Path, **train: Any) -> dict[str, Any]:
    """What a loss is tried with."""
    model = LOSSES[loss].model
    return {
        "loss": section(loss, tiny_model),
        "train": {"model": model, "batch_size": 8, "epochs": 12, **train},
    }


def section(loss: str, tiny_model: Path) -> dict[str, Any]:
    """The loss with what it needs."""
    known = LOSSES[loss].settings.model_fields
    wanted = {"temperature": 0.1, "symmetric": False, "guide_model": str(tiny_model)}
    return {"name": loss} | {key: value for key, value in wanted.items() if key in known}


EMBEDDING_LOSSES = [name for name, loss in LOSSES.items() if loss.model == "embedding"]


@pytest.mark.parametrize("loss", EMBEDDING_LOSSES)
def test_the_loss_falls_and_the_folder_loads_anywhere(
    loss: str, workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    write_rows(workplace / "pairs.jsonl", ROWS[LOSSES[loss].rows]())
    result = run(config_values(**recipe(loss, tiny_model), **ALONE))
    losses = [row["loss"] for row in metrics(result.run) if "loss" in row]
    per_epoch = len(losses) // 12
    assert np.mean(losses[-per_epoch:]) < 0.97 * np.mean(losses[:per_epoch])
    stock = SentenceTransformer(str(result.model), device="cpu")
    again = SentenceTransformer(str(result.model), device="cpu")
    assert np.array_equal(stock.encode(["저항", "diode"]), again.encode(["저항", "diode"]))
    assert (
        load_file(result.model / "model.safetensors").keys()
        == load_file(tiny_model / "model.safetensors").keys()
    )


def test_the_saved_folder_gives_the_vectors_of_the_trained_model(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedkit.trainer.model import load as encoder

    seen: list[Any] = []
    save = encoder.save_model

    def watched(model: SentenceTransformer, folder: Path, *, card: str) -> None:
        seen.append(model.eval().encode(["저항", "diode"]))
        save(model, folder, card=card)

    monkeypatch.setattr(encoder, "save_model", watched)
    write_rows(workplace / "pairs.jsonl", classed_rows())
    result = run(config_values(train={"loss": "softmax"}, **ALONE))
    plain = SentenceTransformer(str(result.model), device="cpu")
    np.testing.assert_allclose(plain.encode(["저항", "diode"]), seen[0], atol=1e-6)


MISFITS = [
    ("labelled", "mnrl", "batch_all_triplet"),
    ("pairs", "softmax", "masked_mnrl"),
    ("pairs", "batch_hard_triplet", "gist"),
    ("scored_pairs", "softmax", "cosent, cosine, angle"),
    ("scored_pairs", "mnrl", "cosent, cosine, angle"),
    ("triplets", "cosine", "triplet"),
    ("classed_pairs", "batch_all_triplet", "softmax"),
]


@pytest.mark.parametrize(("shape", "loss", "fits"), MISFITS)
def test_a_misfit_is_told_before_the_model_loads(
    shape: str, loss: str, fits: str, workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedkit.trainer.run import prepare as preparation

    monkeypatch.setattr(preparation, "prepare_model", lambda *_, **__: pytest.fail("the model was loaded"))
    write_rows(workplace / "pairs.jsonl", ROWS[shape]())
    with pytest.raises(UserError, match=f"{loss} cannot train on") as caught:
        run(config_values(train={"loss": loss}, **ALONE))
    assert fits in caught.value.hint
    assert len(str(caught.value).splitlines()) <= 3


BAD_ROWS: list[tuple[str, list[Row], str]] = [
    ("batch_all_triplet", labelled_rows()[:12], "2 labels"),
    ("batch_all_triplet", [{"text": t, "label": t} for t in "abcd"], "no label has two rows"),
    ("softmax", [row | {"label": "one"} for row in classed_rows()], "one class"),
    ("cosine", [row | {"label": 0} for row in classed_rows()], "no inference class"),
    ("cosine", [{"sentence1": "a", "sentence2": "b", "score": 5.2}], "from 0 to 1"),
    ("cosine", [{"sentence1": "a", "sentence2": "b", "score": True}], "'score'"),
    ("cosine", [*scored_rows(), {"text": "a", "label": "b"}], "'sentence1'"),
    ("mnrl", [{"sentence1": "a", "sentence2": "b", "label": "neutral"}], "no row is left"),
    ("triplet", [{"anchor": "a", "positive": "b"}], "no row is left"),
    ("mnrl", [{"frage": "a", "antwort": "b"}], "no training row that is known"),
    ("distill", list(topic_rows(stop=6)), "no teacher's scores"),
    ("distill", [{"anchor": "a", "positive": "b", "scores": [1, 2]}], "'scores' has to hold"),
]


@pytest.mark.parametrize(
    ("loss", "rows", "told"), BAD_ROWS, ids=[f"{loss} {told}" for loss, _, told in BAD_ROWS]
)
def test_rows_that_cannot_be_learnt_from_are_told(
    loss: str, rows: list[Row], told: str, workplace: Path, config_values: Values
) -> None:
    write_rows(workplace / "pairs.jsonl", rows)
    with pytest.raises(UserError) as caught:
        run(config_values(train={"loss": loss}, **ALONE))
    assert told in str(caught.value)
    assert not Path("runs").exists()


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"name": "mnrl", "matryoshka_dims": [64]}, "have 32 numbers"),
    ({"name": "gist", "guide_model": "nobody/nothing"}, "no model 'nobody/nothing'"),
]


@pytest.mark.parametrize(("loss", "told"), BAD_SETTINGS)
def test_settings_that_do_not_fit_the_loss_are_told(
    loss: dict[str, Any], told: str, workplace: Path, config_values: Values
) -> None:
    write_rows(workplace / "pairs.jsonl", classed_rows())
    with pytest.raises(UserError) as caught:
        run(config_values(loss=loss, **ALONE))
    assert told in str(caught.value)


@pytest.mark.parametrize("loss", ["batch_hard_triplet", "softmax", "cached_mnrl", "simcse", "tsdae"])
def test_a_recipe_cut_off_ends_with_the_same_weights(
    loss: str, workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    write_rows(workplace / "pairs.jsonl", ROWS[LOSSES[loss].rows]())
    micro = {"micro_batch_size": 3} if "cached" in loss else {}

    def values(name: str) -> dict[str, Any]:
        output = {"save_name": name, "checkpoint_steps": 1, "checkpoint_keep": 99}
        return config_values(**recipe(loss, tiny_model, epochs=2, **micro), output=output, **ALONE)

    whole = run(values("whole"))
    for after in (1, whole.steps - 1):
        name = f"cut{after}"
        cut_off(whole.run, after=after, copy=Path("runs") / name)
        config = json.loads((Path("runs") / name / "config.json").read_text())
        config["output"]["save_name"] = name
        (Path("runs") / name / "config.json").write_text(json.dumps(config))
        assert same(weights(run(values(name), resume=True).run), weights(whole.run))


def test_the_cached_form_has_the_gradients_of_the_loss_itself(
    workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    write_rows(workplace / "pairs.jsonl", pair_rows())
    config = config_values(**recipe("cached_gist", tiny_model), **ALONE)
    prepared = prepare(RunConfig.model_validate(config), resume=False, force=False)
    assert prepared.inputs.loss.texts_at_once == 32
    groups, plan = features_of(prepared.inputs.collator(range(8)))
    found = []
    for at_once in (None, 2):
        prepared.inputs.loss.eval().zero_grad()
        prepared.inputs.loss.texts_at_once = at_once
        prepared.inputs.loss([dict(group) for group in groups], plan).backward()
        found.append([p.grad.clone() for p in prepared.inputs.loss.model.parameters() if p.grad is not None])
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*found, strict=True))


def test_several_files_train_with_a_loss_each(workplace: Path, config_values: Values) -> None:
    write_rows(workplace / "nli.jsonl", classed_rows())
    write_rows(workplace / "sts.jsonl", scored_rows())
    sources = [
        {"path": "nli.jsonl", "loss": "softmax"},
        {"path": "sts.jsonl", "loss": "cosent", "weight": 0.5},
        {"path": "pairs.jsonl"},
    ]
    values = config_values(train={"batch_size": 8, "epochs": 8}, data={"sources": sources})
    plan = plan_training(RunConfig.model_validate(values))
    assert plan.loss == "softmax, cosent, masked_mnrl"
    assert (plan.rows, plan.steps_per_epoch) == (24 + 24 + 18, 3 + 3 + 3)
    result = run(values)
    losses = [row["loss"] for row in metrics(result.run) if "loss" in row]
    assert np.mean(losses[-9:]) < np.mean(losses[:9])


def test_one_file_and_several_exclude_one_another() -> None:
    with pytest.raises(ValueError, match="exclude one another"):
        RunConfig.model_validate({"data": {"pairs_path": "a", "sources": [{"path": "b"}]}})


@pytest.mark.parametrize(
    ("shape", "loss", "names"),
    [
        ("labelled", "batch_all_triplet", {"loss", "accuracy"}),
        ("triplets", "triplet", {"loss", "accuracy"}),
        ("scored_pairs", "cosine", {"loss", "pearson", "spearman"}),
        ("classed_pairs", "softmax", {"loss", "pearson", "spearman"}),
        ("scored_pairs", "softmax", {"pearson", "spearman"}),
    ],
)
def test_dev_rows_are_measured_by_what_they_are(
    shape: str, loss: str, names: set[str], workplace: Path, config_values: Values
) -> None:
    write_rows(workplace / "pairs.jsonl", ROWS[LOSSES[loss].rows]())
    write_rows(workplace / "pairs.dev.jsonl", ROWS[shape]())
    result = run(config_values(train={"loss": loss, "batch_size": 8, "epochs": 1}))
    assert [set(look.measured()) for _, look in result.dev] == [names, names]
    assert f"| {' | '.join(result.dev[0][1].measured())} |" in (result.run / "README.md").read_text()


def test_a_wrapper_under_no_grad_is_told(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedkit.trainer.model import load as encoder
    from embedkit.trainer.run import prepare as preparation

    def wrapped(*args: Any, **kwargs: Any) -> SentenceTransformer:
        model = encoder.prepare_model(*args, **kwargs)
        forward = model[0].forward
        model[0].forward = torch.no_grad()(forward)
        return model

    monkeypatch.setattr(preparation, "prepare_model", wrapped)
    with pytest.raises(UserError, match="the gradient reaches 0 of") as caught:
        run(config_values())
    assert "no_grad" in caught.value.hint


def test_a_saved_truncate_dim_cuts_what_is_measured_and_not_what_is_trained(
    workplace: Path, config_values: Callable[..., dict[str, Any]], tiny_model: Path
) -> None:
    shutil.copytree(tiny_model, "cut")
    settings = Path("cut/config_sentence_transformers.json")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "truncate_dim": 16}))
    write_rows(workplace / "pairs.jsonl", classed_rows())
    write_rows(workplace / "pairs.dev.jsonl", classed_rows())
    config = RunConfig.model_validate(config_values(model_id="cut", train={"loss": "softmax"}))
    done = run_training(config)
    assert done.dev[-1][1].loss is not None
    assert SentenceTransformer(str(done.model), device="cpu").encode("a").shape == (16,)
