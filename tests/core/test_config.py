"""Strict configuration: all problems at once, each with its place, and the layer that won."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from embedkit.config import ConfigError, ConfigSection, load_config
from embedkit.errors import UserError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    epochs: int = Field(1, ge=1)
    rates: tuple[float, ...] = ()


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seed: int = 42
    train: Inner = Inner()
    extra: Inner | None = None


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cfg.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_problems_are_named_at_once_with_their_places(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{\n  "sed": 1,\n  "train": {"epochs": 0,\n    "rates": [0.1, "x"]},\n\t"extra": {"epoch": 1}\n}',
    )
    with pytest.raises(ConfigError) as caught:
        load_config(Config, path)
    assert [problem.removeprefix(str(path)) for problem in caught.value.problems] == [
        ":3:13: train.epochs: Input should be greater than or equal to 1, found 0",
        ':4:20: train.rates.1: Input should be a valid number, unable to parse string as a number, found "x"',
        ":5:12: unknown key 'extra.epoch'; did you mean 'epochs'?",
        ":2:3: unknown key 'sed'; did you mean 'seed'?",
    ]


def test_flags_beat_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, '{"seed": 1, "train": {"epochs": 2}}')
    monkeypatch.setenv("EMBEDKIT_SEED", "2")
    monkeypatch.setenv("EMBEDKIT_TRAIN__EPOCHS", "3")
    loaded = load_config(Config, path, sets=["train.epochs=4"])
    assert (loaded.config.seed, loaded.config.train.epochs) == (2, 4)
    assert loaded.origins["seed"] == "environment EMBEDKIT_SEED"
    assert loaded.origins["train.epochs"] == "flag --set"
    assert loaded.origins["train.rates"] == "default"


def test_a_problem_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_SEED", "many")
    with pytest.raises(ConfigError, match="environment EMBEDKIT_SEED: seed"):
        load_config(Config, None)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "EMBEDKIT_TRAIN__EPOCH",
            "environment EMBEDKIT_TRAIN__EPOCH: unknown key 'train.epoch'; did you mean 'epochs'",
        ),
        (
            "EMBEDKIT_TRIAN__EPOCHS",
            "environment EMBEDKIT_TRIAN__EPOCHS: unknown key 'trian'; did you mean 'train'",
        ),
        ("EMBEDKIT_SEEED", "environment EMBEDKIT_SEEED: unknown key 'seeed'; did you mean 'seed'"),
    ],
)
def test_a_typo_in_a_variables_name_is_told(monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    monkeypatch.setenv(name, "2")
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_config(Config, None)


def test_variables_that_are_no_configs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMBEDKIT_CACHE", "EMBEDKIT_DEBUG", "EMBEDKIT_PACE_S", "EMBEDKIT_LANG"):
        monkeypatch.setenv(name, "x")
    assert load_config(Config, None).config == Config()
    monkeypatch.setenv("EMBEDKIT_TRAIN__EPOCHS", "2")
    assert load_config(Inner, None).config == Inner()


def test_a_typo_in_one_of_several_words_is_told() -> None:
    class Chosen(BaseModel):
        device: Literal["auto", "cuda", "cpu"] = "auto"

    with pytest.raises(ConfigError, match="found \"cdua\"; did you mean 'cuda'"):
        load_config(Chosen, None, sets=["device=cdua"])
    with pytest.raises(ConfigError) as far:
        load_config(Chosen, None, sets=["device=99"])
    assert "did you mean" not in str(far.value)


def test_a_key_of_another_section_is_told_by_its_full_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'epochs'; did you mean 'train\.epochs'"):
        load_config(Config, None, sets=["epochs=2"])


class Circle(ConfigSection):
    name: Literal["circle"] = "circle"
    radius: float = 1.0


class Square(ConfigSection):
    name: Literal["square"] = "square"
    side: float = 2.0


class Drawing(ConfigSection):
    SHORT_FORMS: ClassVar[Mapping[str, str]] = {"figure": "figure.name"}
    OLD_KEYS: ClassVar[Mapping[str, str]] = {"size.radius": "figure.radius", "size.edge": "figure.side"}
    figure: Annotated[Circle | Square, Field(discriminator="name")] = Circle()
    size: dict[str, float] = Field(default_factory=dict)


def test_a_section_is_of_the_class_that_its_name_says(tmp_path: Path) -> None:
    found = load_config(Drawing, write(tmp_path, '{"figure": "square"}'), sets=["figure.side=3"])
    assert found.config.figure == Square(side=3)
    assert found.origins == {"figure.name": "file", "figure.side": "flag --set", "size": "default"}


def test_a_setting_of_another_class_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Drawing, write(tmp_path, '{"figure": {"name": "square",\n "radius": 2, "sidde": 1}}'))
    assert [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems] == [
        "cfg.json:2:2: 'figure.radius' is ignored by square; it is a setting of circle",
        "cfg.json:2:15: unknown key 'figure.sidde'; did you mean 'side'?",
    ]


def test_an_old_key_is_read_with_a_note_and_is_dropped_where_it_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, '{"size": {"radius": 1.0, "edge": 4}, "figure": "square"}')
    assert load_config(Drawing, path).config.figure == Square(side=4)
    assert "size.radius → figure.radius, size.edge → figure.side" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"seed": 1,}', '{"seed": 1, "seed": 2}', '{"seed": NaN}'])
def test_what_is_not_a_json_object_has_a_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"cfg\.json:\d+:\d+: "):
        load_config(Config, write(tmp_path, text))


def test_a_flag_without_a_value_is_refused() -> None:
    with pytest.raises(UserError, match="KEY=VALUE"):
        load_config(Config, None, sets=["seed"])


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["seed", "train", "x"]) | st.text(), inner)
    ),
)


@given(value=json_values, indent=st.sampled_from([None, 2, "\t"]))
def test_any_json_gives_a_config_or_named_problems(
    tmp_path_factory: pytest.TempPathFactory, value: object, indent: int | str | None
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "cfg.json"
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    try:
        load_config(Config, path)
    except ConfigError as error:
        assert all(problem.startswith(f"{path}:") for problem in error.problems)
