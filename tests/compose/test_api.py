"""The Python API of the room: every name is there, loads nothing before its first use, and flags are fields."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields

import pytest

import embedkit.compose
from embedkit.compose import ComposeOptions, ConvertOptions, EmbedOptions, SynthOptions
from embedkit.compose import commands as compose_commands
from embedkit.compose.encode import commands as embed_commands
from embedkit.compose.export import commands as convert_commands
from embedkit.compose.templates import commands as synth_commands


@pytest.mark.parametrize("name", [name for names in embedkit.compose.API.values() for name in names])
def test_every_name_of_the_api_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(embedkit.compose, name))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'decompose'"):
        _ = embedkit.compose.decompose


def test_importing_the_room_loads_none_of_it() -> None:
    code = (
        "import sys, embedkit.compose; print([m for m in sys.modules if m.startswith('embedkit.compose.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (compose_commands.compose, ComposeOptions),
        (convert_commands.convert, ConvertOptions),
        (embed_commands.embed, EmbedOptions),
        (synth_commands.synth, SynthOptions),
    ],
)
def test_every_flag_has_a_field_with_its_default(command: Callable[..., None], options: type) -> None:
    renamed = {"input_": "inputs", "map_": "mapping", "json_": "as_json"}
    flags = {
        renamed.get(name, name): parameter.default
        for name, parameter in inspect.signature(command).parameters.items()
    }
    if options is EmbedOptions:
        flags["input"] = flags.pop("inputs")
        del flags["ray"]  # a switch beside `ray_workers`
    made = {field.name: field.default for field in fields(options)}
    assert set(flags) == set(made)
    special = {"mapping", "inputs", "explain", "questions", "train_questions", "synonyms"}
    special |= {"shard_index", "ray_workers"}
    for name in set(made) - special:
        assert getattr(flags[name], "value", flags[name]) in (made[name], inspect.Parameter.empty), name
