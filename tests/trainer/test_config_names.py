"""Settings by the names of other tools: the answer names ours, and what leaves no doubt is taken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedkit.config import ConfigError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.rows.paths import find_sources
from embedkit.trainer.settings import load_run_config


@pytest.mark.parametrize(
    ("setting", "answer"),
    [
        ("learning_rate=1e-4", "here it is 'optim.lr'"),
        ("train.learning_rate=1e-4", "here it is 'optim.lr'"),
        ("batch_size=8", "did you mean 'train.batch_size'?"),
        ("fp16=true", "here it is 'dtype'"),
        ("num_train_epochs=3", "here it is 'train.epochs'"),
        ("train.per_device_train_batch_size=3", "here it is 'train.batch_size'"),
        ("max_seq_length=3", "here it is 'train.max_length'"),
        ("output.save_total_limit=3", "here it is 'output.checkpoint_keep'"),
        ("model_name_or_path=x", "here it is 'model_id'"),
        ("loss=MultipleNegativesRankingLoss", "here it is 'mnrl'"),
        ("loss.name=CosineSimilarityLoss", "here it is 'cosine'"),
        ("dtype=bf16", "here it is 'bfloat16'"),
        ("learningRate=1e-4", "here it is 'optim.lr'"),
        ("weight_decay_ratio=0.1", "did you mean 'optim.weight_decay'?"),
        ("train.gradient_accumulation=2", "here it is 'train.grad_accum_steps'"),
        ("overwrite_output_dir=true", "here it is 'embedkit train --force'"),
        ("optim.name=AdamW_torch", "unknown value \"AdamW_torch\"; here it is 'adamw'"),
        ("dtype=torch.bfloat16", "did you mean 'bfloat16'?"),
        ("train.epochs=2 epochs", 'Input should be auto or a number, found "2 epochs"; usual is 1 to 50'),
        ('optim.lr="1e-4"', "write it without quotes: 1e-4"),
        ("lora=true", "lora: Input should be an object {...}, found true"),
        ("train.epochs=0", "usual is 1 to 50"),
        ("loss.temperature=20", "usual is 0.005 to 0.5"),
    ],
)
def test_the_answer_names_the_setting_in_full(setting: str, answer: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_run_config(None, sets=[setting])
    assert answer in str(caught.value)


def test_other_letters_and_words_for_a_truth_are_taken() -> None:
    sets = ["optim.name=AdamW", "data.use_dev=no", "hf.local_files_only=True", "loss=MNRL"]
    config = load_run_config(None, sets=sets).config
    assert (config.optim.name, config.data.use_dev, config.hf.local_files_only, config.loss.name) == (
        "adamw",
        False,
        True,
        "mnrl",
    )


def test_other_spellings_words_for_nothing_and_bare_words_for_lists_are_taken() -> None:
    sets = ["loss.symmetric=False", "data.sources=none", "train.max_minutes=None", "optim.name=AdamW8bit"]
    sets += ["output.report_to=wandb, TensorBoard", "loss.matryoshka_dims=64,32", "train.best_metric=nDCG@10"]
    config = load_run_config(None, sets=sets).config
    assert config.loss.model_dump()["symmetric"] is False
    assert config.loss.model_dump()["matryoshka_dims"] == [64, 32]
    assert config.output.report_to == ["wandb", "tensorboard"]
    assert (config.train.max_minutes, config.train.best_metric) == (None, "ndcg_at_10")
    assert load_run_config(None, sets=["output.report_to=none"]).config.output.report_to == []


@pytest.mark.parametrize(
    "setting", ["optim.lr=5", "train.batch_size=2", "loss.temperature=5", "train.epochs=900"]
)
def test_an_unusual_value_is_a_warning_with_the_usual_range(
    setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load_run_config(None, sets=[setting])
    assert f"warning: {setting.partition('=')[0]} is " in capsys.readouterr().err


def test_the_defaults_are_usual(capsys: pytest.CaptureFixture[str]) -> None:
    load_run_config(None)
    assert capsys.readouterr().err == ""


def test_every_name_that_is_answered_with_is_one() -> None:
    known = {
        "model_id",
        "tokenizer_id",
        "device",
        "dtype",
        "seed",
        "lora",
        "lora.r",
        "lora.alpha",
        "lora.dropout",
    }
    known |= {"embedkit train --resume", "embedkit train --force"}
    sections = RunConfig().model_dump()
    known |= {
        f"{name}.{key}" for name, values in sections.items() if isinstance(values, dict) for key in values
    }
    assert set(RunConfig.OTHER_NAMES.values()) <= known
    assert set(RunConfig.USUAL) <= known | {"loss.scale"}


def test_the_forerunners_config_is_read_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/pairs.jsonl").write_text('{"anchor":"a","positive":"b"}\n')
    old = {
        "hf": {"default_task": "feature-extraction", "loader": "auto"},
        "data": {"pairs_path": "tools/data/pairs.jsonl"},
    }
    Path("cfg.json").write_text(json.dumps(old))
    config = load_run_config(None).config
    assert find_sources(config)[0][0] == str(Path("data/pairs.jsonl"))
    said = capsys.readouterr().err
    assert "settings of an earlier project, ignored: hf.default_task, hf.loader" in said
    assert "tools/data/pairs.jsonl is not there: data/pairs.jsonl is read" in said


def test_without_pairs_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['embedkit', 'train'];\n"
        "from embedkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert left.code == 2\n"
        "assert not {'torch', 'transformers', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no pairs to train on" in done.stderr


def test_options_may_be_written_with_underscores() -> None:
    command = [sys.executable, "-m", "embedkit", "evaluate", "--model=x", "--sample_size=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "--sample-size" in done.stderr
    assert done.returncode == 2
