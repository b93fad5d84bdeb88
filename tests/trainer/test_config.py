"""cfg.json: strict, all problems at once with their places, origins, and `embedkit config`."""

from __future__ import annotations

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
from embedkit.trainer.config import RunConfig
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
    sections = [
        info.annotation
        for info in RunConfig.model_fields.values()
        if hasattr(info.annotation, "model_fields")
    ]
    bare += [
        name for section in sections for name, info in section.model_fields.items() if not info.description
    ]
    assert bare == []


def test_init_writes_a_config_that_is_right(workplace: Path) -> None:
    (workplace / "pairs.jsonl").unlink()
    config_init(output=Path("cfg.json"))
    config_validate(Path("cfg.json"))
    assert json.loads(Path("cfg.json").read_text()) == starter_config()


@pytest.mark.parametrize(("rows_a_concept", "batch_size", "lr"), [(2, 64, 2e-4), (3, 128, 1e-4)])
def test_init_suits_the_rows(
    rows_a_concept: int, batch_size: int, lr: float, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = [f"{concept}" for concept in range(5) for _ in range(rows_a_concept)]
    rows = [{"anchor": f"a{n}", "positive": f"p{n}", "group": group} for n, group in enumerate(groups)]
    write_rows(workplace / "own.jsonl", rows)
    config_init(output=Path("cfg.json"), pairs=Path("own.jsonl"))
    config = json.loads(Path("cfg.json").read_text())
    assert (config["train"]["batch_size"], config["optim"]["lr"]) == (batch_size, lr)
    assert config["data"]["pairs_path"] == "own.jsonl"
    assert f"own.jsonl: {len(rows)} rows of 5 concepts: batches of {batch_size}," in capsys.readouterr().err


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
}
FIELDS = [(section, field) for section, fields in SECTIONS.items() for field in fields]
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
    wrong=st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6, unique_by=lambda item: item[1]),
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
