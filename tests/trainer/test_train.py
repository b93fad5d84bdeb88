"""`embedkit train` on a real, tiny transformer: it learns, its folder loads anywhere, and every field
does what it says.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tests.trainer.conftest import topic_rows, write_rows
from transformers import AutoTokenizer, RobertaConfig, RobertaModel
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.errors import UserError
from embedkit.trainer.config import OptimSection, RunConfig
from embedkit.trainer.losses.base import BatchLoss
from embedkit.trainer.run import prepare
from embedkit.trainer.run.train import TrainResult, plan_training, run_training, train
from embedkit.trainer.step.optimiser import make_optimiser

Values = Callable[..., dict[str, Any]]
TEXTS = ["resistor", "저항", "stores charge between two plates"]


def run(values: dict[str, Any], **options: Any) -> TrainResult:
    return run_training(RunConfig.model_validate(values), **options)


def weights(run_folder: Path) -> dict[str, torch.Tensor]:
    return load_file(run_folder / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def metrics(run_folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One run that several tests look at."""
    place = tmp_path_factory.mktemp("trained")
    pairs = write_rows(place / "pairs.jsonl", topic_rows(stop=6))
    write_rows(place / "pairs.dev.jsonl", topic_rows(start=6))
    values = {
        "model_id": str(tiny_model),
        "device": "cpu",
        "dtype": "float32",
        "train": {"batch_size": 6, "epochs": 8, "max_length": 24},
        "optim": {"lr": 0.003},
        "data": {"pairs_path": str(pairs), "max_hard_negatives": None},
        "output": {"save_dir": str(place / "runs"), "save_name": "first", "log_steps": 1},
    }
    return run_training(RunConfig.model_validate(values))


def test_the_loss_falls(trained: TrainResult) -> None:
    losses = [row["loss"] for row in metrics(trained.run) if "loss" in row]
    assert len(losses) == trained.steps == 24
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


def test_the_folder_loads_in_plain_sentence_transformers(trained: TrainResult) -> None:
    once, again = (SentenceTransformer(str(trained.model), device="cpu") for _ in range(2))
    assert np.array_equal(once.encode(TEXTS), again.encode(TEXTS))
    assert once.encode(TEXTS).shape == (3, 32)


def test_weights_are_safetensors(trained: TrainResult) -> None:
    assert (trained.model / "model.safetensors").is_file()
    assert not [*trained.model.rglob("*.bin"), *trained.model.rglob("*.pt")]


def test_max_length_is_saved(trained: TrainResult) -> None:
    assert SentenceTransformer(str(trained.model), device="cpu").max_seq_length == 24


def test_the_run_holds_what_the_design_names(trained: TrainResult) -> None:
    names = {path.name for path in trained.run.iterdir()}
    assert {"model", "checkpoints", "config.json", "metrics.jsonl", "environment.json", "README.md"} <= names


def test_the_resolved_config_is_a_right_config(trained: TrainResult) -> None:
    values = json.loads((trained.run / "config.json").read_text())
    config = RunConfig.model_validate(values)
    assert config.data.pairs_path
    assert config.dtype == "float32"


def test_dev_rows_are_measured_before_and_after_each_epoch(trained: TrainResult) -> None:
    rows = [row for row in metrics(trained.run) if "dev_loss" in row]
    assert [row["epoch"] for row in rows] == list(range(9))
    assert all(0 <= row["dev_ndcg_at_10"] <= 1 for row in rows)
    assert [epoch for epoch, _ in trained.dev] == list(range(9))


def test_the_environment_names_the_data_by_hash(trained: TrainResult) -> None:
    environment = json.loads((trained.run / "environment.json").read_text())
    assert len(environment["data"]["sha256"]) == 64
    assert environment["versions"]["torch"]


def test_the_card_is_ours_and_names_data_and_base(trained: TrainResult, tiny_model: Path) -> None:
    card = (trained.run / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: sentence-transformers")
    assert tiny_model.name in card
    assert "pairs.jsonl" in card
    assert (trained.model / "README.md").is_file()


def test_two_runs_end_with_the_same_weights(workplace: Path, config_values: Values) -> None:
    one = run(config_values(output={"save_name": "one"}))
    other = run(config_values(output={"save_name": "other"}))
    assert same(weights(one.run), weights(other.run))


def test_streamed_rows_train_the_same_weights(workplace: Path, config_values: Values) -> None:
    kept = run(config_values(output={"save_name": "kept"}))
    streamed = run(config_values(output={"save_name": "streamed"}, data={"stream": True}))
    assert same(weights(kept.run), weights(streamed.run))


def test_worker_processes_train_the_same_weights(workplace: Path, config_values: Values) -> None:
    alone = run(config_values(output={"save_name": "alone"}, train={"epochs": 1}))
    helped = run(config_values(output={"save_name": "helped"}, train={"epochs": 1, "num_workers": 1}))
    assert same(weights(alone.run), weights(helped.run))


CHANGES: list[dict[str, Any]] = [
    {"seed": 1},
    {"train": {"loss": "mnrl"}},
    {"train": {"batch_size": 5}},
    {"train": {"epochs": 2}},
    {"train": {"max_length": 6}},
    {"train": {"grad_accum_steps": 2}},
    {"train": {"steps_per_epoch": 2}},
    {"loss": {"temperature": 0.2}},
    {"loss": {"symmetric": False}},
    {"loss": {"same_concept": "positive"}},
    {"loss": {"false_negative_margin": -0.5}},
    {"train": {"query_prompt": "q: "}},
    {"train": {"document_prompt": "d: "}},
    {"train": {"pooling": "cls"}},
    {"train": {"freeze_embeddings": True}},
    {"train": {"freeze_layers": 1}},
    {"train": {"pad_to_multiple_of": 64}},
    {"optim": {"name": "adafactor"}},
    {"optim": {"name": "sgd"}},
    {"optim": {"name": "rmsprop"}},
    {"optim": {"name": "adagrad"}},
    {"optim": {"lr": 0.001}},
    {"optim": {"weight_decay": 0.5}},
    {"optim": {"warmup_ratio": 0.5}},
    {"optim": {"scheduler": "cosine"}},
    {"optim": {"scheduler": "constant"}},
    {"optim": {"scheduler": "polynomial"}},
    {"optim": {"scheduler": "inverse_sqrt"}},
    {"optim": {"scheduler": "cosine_with_restarts"}},
    {"optim": {"max_grad_norm": 0.01}},
    {"data": {"max_rows": 9}},
    {"data": {"max_hard_negatives": 0}},
    {"lora": {"r": 2}},
    {"dtype": "bfloat16"},
]


@pytest.fixture(scope="module")
def plain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """The run of `config_values(train={"epochs": 1})` without a change."""
    place = tmp_path_factory.mktemp("plain")
    pairs = write_rows(place / "pairs.jsonl", topic_rows(stop=6))
    values = {
        "model_id": str(tiny_model),
        "device": "cpu",
        "dtype": "float32",
        "train": {"batch_size": 4, "epochs": 1},
        "optim": {"lr": 0.003},
        "data": {"pairs_path": str(pairs), "max_hard_negatives": None},
        "output": {"save_dir": str(place), "save_name": "run"},
    }
    return run_training(RunConfig.model_validate(values))


@pytest.mark.parametrize("change", CHANGES, ids=json.dumps)
def test_every_setting_changes_the_weights(
    change: dict[str, Any], workplace: Path, config_values: Values, plain: TrainResult
) -> None:
    sections = {**change, "train": {"epochs": 1, **change.get("train", {})}}
    result = run(
        config_values(**sections, output={"save_metrics": False})
        | {"data": {"use_dev": False, "max_hard_negatives": None, **change.get("data", {})}}
    )
    assert not same(weights(result.run), weights(plain.run))


def layer_calls(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[int, TrainResult]:
    """How often an attention layer is run in a training run, and the run."""
    from transformers.models.bert.modeling_bert import BertAttention

    calls: list[int] = []
    forward = BertAttention.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return forward(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(BertAttention, "forward", counted)
        result = run(values)
    return len(calls), result


def test_grad_checkpointing_runs_layers_again_and_changes_nothing_else(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"train": {"epochs": 1}, "data": {"use_dev": False}}
    once, plain = layer_calls(config_values(**options), monkeypatch)
    options["train"] = {"epochs": 1, "grad_checkpointing": True}
    twice, again = layer_calls(config_values(**options, output={"save_name": "again"}), monkeypatch)
    assert twice > 1.5 * once
    assert again.loss == pytest.approx(plain.loss, abs=1e-3)


def test_frozen_parts_stay_as_they_were(workplace: Path, config_values: Values, tiny_model: Path) -> None:
    result = run(config_values(train={"freeze_embeddings": True, "freeze_layers": 1}))
    before, after = load_file(tiny_model / "model.safetensors"), weights(result.run)
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert any("word_embeddings" in name for name in still)
    assert any("layer.0." in name for name in still)
    assert not any("layer.1." in name for name in still)


def test_lora_is_merged_into_a_plain_folder(workplace: Path, config_values: Values, tiny_model: Path) -> None:
    result = run(config_values(lora={"r": 2, "dropout": 0.1}))
    assert weights(result.run).keys() == load_file(tiny_model / "model.safetensors").keys()
    assert not same(weights(result.run), load_file(tiny_model / "model.safetensors"))
    assert SentenceTransformer(str(result.model), device="cpu").encode("저항").shape == (32,)


def test_frozen_layers_stay_as_they_were_under_lora(
    workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    result = run(config_values(train={"freeze_layers": 1}, lora={"r": 2}))
    before, after = load_file(tiny_model / "model.safetensors"), weights(result.run)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("layer.1." in name for name in changed)
    assert not any("layer.0." in name for name in changed)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_base_in_short_numbers_is_trained_in_float32(
    dtype: torch.dtype, workplace: Path, config_values: Values, tiny_model: Path
) -> None:
    SentenceTransformer(str(tiny_model), device="cpu").to(dtype).save_pretrained("short")
    result = run(config_values(model_id="short", optim={"lr": 1e-6}))
    before, after = load_file("short/model.safetensors"), weights(result.run)
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    name = "encoder.layer.1.output.dense.weight"
    assert (after[name] != before[name].float()).float().mean() > 0.9


def test_roberta_begins_to_count_after_the_padding(
    workplace: Path, config_values: Values, tiny_encoder: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings = RobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=24, pad_token_id=tokenizer.pad_token_id, **sizes
    )
    RobertaModel(settings, add_pooling_layer=False).save_pretrained("roberta")
    tokenizer.save_pretrained("roberta")
    write_rows(workplace / "pairs.jsonl", [r | {"positive": r["positive"] * 3} for r in topic_rows()])
    with pytest.raises(UserError, match="reads 23 tokens at most"):
        run(config_values(model_id="roberta", train={"max_length": 24}))
    assert run(config_values(model_id="roberta", train={"max_length": 23})).steps > 0


def test_a_model_that_reads_any_length_says_so(
    workplace: Path, config_values: Values, tiny_encoder: Path
) -> None:
    table = StaticEmbedding(AutoTokenizer.from_pretrained(tiny_encoder), embedding_dim=16)
    SentenceTransformer(modules=[table], device="cpu").save_pretrained("static")
    with pytest.raises(UserError, match="reads texts of any length") as caught:
        run(config_values(model_id="static", train={"max_length": 16}))
    assert "train.max_length" in caught.value.hint
    assert "It turns a text of any length into 16 numbers" in (
        run(config_values(model_id="static")).run / "README.md"
    ).read_text(encoding="utf-8")


def test_a_bare_encoder_gets_mean_pooling(workplace: Path, config_values: Values, tiny_encoder: Path) -> None:
    result = run(config_values(model_id=str(tiny_encoder)))
    assert SentenceTransformer(str(result.model), device="cpu")[1].pooling_mode == "mean"


def test_prompts_are_saved_with_the_model(workplace: Path, config_values: Values) -> None:
    result = run(config_values(train={"query_prompt": "query: ", "document_prompt": "passage: "}))
    model = SentenceTransformer(str(result.model), device="cpu")
    assert model.prompts["query"] == "query: "
    assert model.prompts["document"] == "passage: "


def test_another_tokenizer_is_saved_with_the_model(
    workplace: Path, config_values: Values, tiny_encoder: Path
) -> None:
    other = workplace / "tokenizer"
    other.mkdir()
    for path in tiny_encoder.glob("tokenizer*"):
        (other / path.name).write_text(
            path.read_text(encoding="utf-8").replace('"Lowercase"', '"NFD"'), encoding="utf-8"
        )
    result = run(config_values(tokenizer_id=str(other)))
    assert '"NFD"' in (result.model / "tokenizer.json").read_text(encoding="utf-8")


def test_bfloat16_trains(workplace: Path, config_values: Values) -> None:
    result = run(config_values(dtype="bfloat16", train={"epochs": 10}))
    losses = [row["loss"] for row in metrics(result.run) if "loss" in row]
    assert losses[-1] < losses[0]
    assert {tensor.dtype for tensor in weights(result.run).values()} == {torch.float32}


def test_no_metrics_when_not_wanted(workplace: Path, config_values: Values) -> None:
    result = run(config_values(output={"save_metrics": False}))
    assert not (result.run / "metrics.jsonl").exists()


def test_rows_from_stdin(workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    values = config_values(data={"pairs_path": "-"}, train={"epochs": 1})
    (workplace / "cfg.json").write_text(json.dumps(values))
    text = (workplace / "pairs.jsonl").read_text(encoding="utf-8")
    result = CliRunner().invoke(app, ["train", "--json"], input=text)
    assert json.loads(result.stdout)["steps"] == 5


def test_the_dry_run_writes_nothing_and_counts_right(workplace: Path, config_values: Values) -> None:
    before = sorted(workplace.rglob("*"))
    plan = plan_training(RunConfig.model_validate(config_values(train={"grad_accum_steps": 2})))
    assert sorted(workplace.rglob("*")) == before
    assert (plan.rows, plan.concepts, plan.dev_rows) == (18, 6, 6)
    assert (plan.steps_per_epoch, plan.steps, plan.effective_batch_size) == (3, 6, 8)


def test_the_dry_run_counts_the_steps_that_are_done(workplace: Path, config_values: Values) -> None:
    values = config_values(train={"grad_accum_steps": 2})
    assert run(values).steps == plan_training(RunConfig.model_validate(values), force=True).steps


def test_samples_are_counted_and_not_full_batches(workplace: Path, config_values: Values) -> None:
    rows = {"epoch": {"batch_size": 512}, "walk": {"steps_per_epoch": 3}, "parts": {"grad_accum_steps": 3}}
    plans = [plan_training(RunConfig.model_validate(config_values(train=train))) for train in rows.values()]
    assert [plan.rows_per_step for plan in plans] == [18, 4, 9]


def test_the_run_is_named_after_the_config_file(workplace: Path, config_values: Values) -> None:
    Path("electronics.json").write_text(json.dumps(config_values(output={"save_name": ""})))
    result = train(config=Path("electronics.json"), sets=["train.epochs=1"])
    assert isinstance(result, TrainResult)
    assert result.run == Path("runs/electronics")


def test_nothing_goes_to_stdout_without_json(
    workplace: Path, config_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cfg.json").write_text(json.dumps(config_values()))
    train(config=None)
    told = capsys.readouterr()
    assert told.out == ""
    assert "dev after epoch 2" in told.err
    assert "{'" not in told.err


class Tracker:
    """Stands for one of accelerate's trackers."""

    def __init__(self, name: str, logging_dir: Path, *, purge_step: int | None) -> None:
        self.place = logging_dir / name
        self.purged, self.settings = purge_step, dict[str, str]()
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.state = "new"
        Tracker.last = self

    last: Tracker

    def start(self) -> None:
        self.state = "started"

    def store_init_configuration(self, values: dict[str, str]) -> None:
        self.settings = values

    def log(self, values: dict[str, float], step: int) -> None:
        self.lines.append((step, values))

    def finish(self) -> None:
        self.state = "finished"


def test_a_tracker_gets_the_numbers_of_metrics_jsonl(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "find_spec", lambda _: True)
    monkeypatch.setattr("accelerate.tracking.LOGGER_TYPE_TO_CLASS", {"tensorboard": Tracker})
    done = run(config_values(train={"epochs": 1}, output={"report_to": ["tensorboard"]}))
    assert (Tracker.last.state, Tracker.last.purged) == ("finished", None)
    assert Tracker.last.settings["optim.lr"] == "0.003"
    assert Tracker.last.place == done.run / "checkpoints" / "tensorboard"
    rows = metrics(done.run)
    assert [step for step, _ in Tracker.last.lines] == [row["step"] for row in rows]
    for row, (_, values) in zip(rows, Tracker.last.lines, strict=True):
        head, name = ("eval", "dev_loss") if "dev_loss" in row else ("train", "loss")
        assert values[f"{head}/loss"] == row[name]
    assert Tracker.last.lines[1][1].keys() == {
        "train/loss",
        "train/learning_rate",
        "train/grad_norm",
        "train/epoch",
    }


def test_biases_and_normalisation_are_not_decayed(tiny_model: Path) -> None:
    loss = BatchLoss(SentenceTransformer(str(tiny_model), device="cpu"))
    optimiser = make_optimiser(loss, OptimSection(weight_decay=0.1))
    decays = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    for name, parameter in loss.named_parameters():
        plain = name.endswith("bias") or "LayerNorm" in name
        assert decays[id(parameter)] == (0.0 if plain else 0.1), name


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("adamw_8bit", "AdamW", {"optim_bits": 8}),
        ("paged_adamw_8bit", "AdamW", {"optim_bits": 8, "is_paged": True}),
        ("lion_8bit", "Lion", {"optim_bits": 8, "betas": (0.9, 0.999)}),
    ],
)
def test_an_8_bit_optimiser_keeps_embeddings_exact(
    name: Any, kind: str, options: dict[str, Any], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bitsandbytes needs a GPU: a stand-in notes what it is asked for."""
    package = mock.MagicMock()
    monkeypatch.setitem(sys.modules, "bitsandbytes", package)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", package.optim)
    loss = BatchLoss(SentenceTransformer(str(tiny_model), device="cpu"))
    make_optimiser(loss, OptimSection(name=name))
    asked = getattr(package.optim, kind).call_args.kwargs
    assert asked == {"lr": OptimSection().lr, **options}
    exact = package.optim.GlobalOptimManager.get_instance.return_value.register_module_override
    embeddings = [module for module in loss.modules() if isinstance(module, torch.nn.Embedding)]
    assert [call.args[0] for call in exact.call_args_list] == embeddings


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model_id": "nobody/nothing"}, "no model 'nobody/nothing' was found"),
    ({"model_id": "."}, "holds no model"),
    ({"data": {"pairs_path": "missing.jsonl"}}, "no such file"),
    ({"data": {"dev_path": "missing.jsonl"}}, "no such file"),
    ({"output": {"save_dir": "pairs.jsonl"}}, "is a file, not a folder"),
    ({"train": {"max_length": 65}}, "reads 64 tokens at most"),
    ({"train": {"freeze_layers": 3}}, "has 2 layers"),
    ({"optim": {"name": "adamw_8bit"}}, "bitsandbytes"),
    ({"output": {"report_to": ["trackio"]}}, "trackio"),
    ({"dtype": "float16"}, "float16 cannot train on cpu"),
    ({"lora": {"target_modules": ["nope"]}}, "LoRA does not fit"),
    ({"tokenizer_id": "nobody/nothing"}, "no model 'nobody/nothing' was found"),
]
if not torch.cuda.is_available():
    BAD.append(({"device": "cuda"}, "device 'cuda' is not there"))


@pytest.mark.parametrize(("change", "told"), BAD, ids=[told for _, told in BAD])
def test_a_persons_mistake_is_told_before_anything_is_written(
    change: dict[str, Any], told: str, workplace: Path, config_values: Values
) -> None:
    before = sorted(workplace.rglob("*"))
    with pytest.raises(UserError) as caught:
        run(config_values(**change))
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert sorted(workplace.rglob("*")) == before


def test_a_model_without_a_weight_that_may_change_is_told(
    workplace: Path, config_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedkit.trainer.model import load as encoder
    from embedkit.trainer.run import prepare as preparation

    def frozen(*args: Any, **kwargs: Any) -> SentenceTransformer:
        return encoder.prepare_model(*args, **kwargs).requires_grad_(False)

    monkeypatch.setattr(preparation, "prepare_model", frozen)
    with pytest.raises(UserError, match="nothing would be trained"):
        run(config_values())
    assert not Path("runs").exists()


def test_a_run_that_is_there_is_kept(workplace: Path, config_values: Values) -> None:
    run(config_values(train={"epochs": 1}))
    with pytest.raises(UserError, match="there is a run here already") as caught:
        run(config_values(train={"epochs": 1}))
    assert "--resume" in caught.value.hint
    assert "--force" in caught.value.hint


def test_force_replaces_a_run_and_leaves_strange_files(workplace: Path, config_values: Values) -> None:
    result = run(config_values(train={"epochs": 1}))
    before = weights(result.run)
    (result.run / "notes.txt").write_text("mine")
    run(config_values(train={"epochs": 1}, seed=3), force=True)
    assert not same(weights(result.run), before)
    assert (result.run / "notes.txt").read_text() == "mine"


def test_a_batch_without_negatives_is_warned_about(
    workplace: Path, config_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(
        workplace / "pairs.jsonl", [{"anchor": "a", "positive": "b"}, {"anchor": "c", "positive": "d"}]
    )
    run(config_values(train={"batch_size": 1}))
    assert "no negatives" in capsys.readouterr().err


def test_a_run_shorter_than_a_log_interval_is_logged(workplace: Path, config_values: Values) -> None:
    result = run(config_values(train={"epochs": 1}, output={"log_steps": 100}))
    assert [row["step"] for row in metrics(result.run) if "loss" in row] == [5]


def test_more_workers_than_cores_are_the_persons_choice(
    workplace: Path, config_values: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        run(config_values(train={"num_workers": 2, "epochs": 1}))
    assert not [w for w in leaked if "DataLoader" in str(w.message)]
