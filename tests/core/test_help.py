"""The command line as people expect it: grouped help on 80 columns, examples that parse, a next step."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.commands.help import GROUPS, meant_value
from embedkit.commands.here import look, next_steps, print_next_steps
from embedkit.text import width

GROUP = typer.main.get_command(app)
ENTRIES = {name: entry for group in GROUPS.values() for name, entry in group.items()}
MESSAGES = Path(__file__).resolve().parents[2] / "data" / "messages"
KOREAN = json.loads((MESSAGES / "core.ko.json").read_text(encoding="utf-8"))
CATALOGUE = KOREAN | json.loads((MESSAGES / "help.ko.json").read_text(encoding="utf-8"))


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), prog_name="embedkit", terminal_width=80)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_help_is_grouped_and_fits_80_columns(monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", lang)
    text = run("-h")
    assert text == run("--help")
    assert max(map(width, text.splitlines())) <= 80
    assert "..." not in text.replace("[ARGS]...", "").replace("[인자]...", "")
    titles = [title if lang == "en" else KOREAN[title] for title in GROUPS]
    assert [line[:-1] for line in text.splitlines() if line.endswith(":") and line[:-1] in titles] == titles
    for name in GROUP.commands:  # type: ignore[attr-defined]
        assert sum(line.split()[:1] == [name] for line in text.splitlines()) == 1, name


def test_every_command_is_in_a_group() -> None:
    assert "More:" not in run("-h"), (
        "a line in GROUPS of embedkit/commands/help.py gives its group and summary"
    )


def test_summaries_are_translated() -> None:
    texts = [*GROUPS, *(entry.summary for entry in ENTRIES.values() if entry.summary)]
    assert [text for text in texts if text not in KOREAN] == []


@pytest.mark.parametrize("name", ["compose", "search", "config", "config init"])
def test_help_of_a_command_has_korean_headings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    done = CliRunner().invoke(app, [*name.split(), "-h"], prog_name="embedkit")
    assert done.output.startswith("사용법: embedkit")
    assert "\n옵션:\n" in done.output
    assert "Usage:" not in done.output
    command = commands()[name]
    assert CATALOGUE[command.help or ""] in " ".join(done.output.split())


def commands() -> dict[str, typer.core.TyperCommand]:
    """Every command and every command in it, by what a person types."""
    found = {"": GROUP}
    for name, command in GROUP.commands.items():  # type: ignore[attr-defined]
        found[name] = command
        found |= {f"{name} {inner}": one for inner, one in getattr(command, "commands", {}).items()}
    return found


def test_every_text_of_help_is_translated() -> None:
    texts = {
        f"{name} {parameter.opts[0]}": parameter.help  # type: ignore[attr-defined]
        for name, command in commands().items()
        for parameter in command.params
        if getattr(parameter, "help", None)
    }
    texts |= {name: command.help for name, command in commands().items()}
    missing = {place: text for place, text in texts.items() if text not in CATALOGUE}
    assert missing == {}, "data/messages/help.ko.json"


def command_names() -> list[str]:
    nested = [
        f"{name} {inner}"
        for name, command in GROUP.commands.items()  # type: ignore[attr-defined]
        for inner in getattr(command, "commands", ())
    ]
    return [*GROUP.commands, *nested]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", command_names())
def test_help_in_korean_fits_80_columns_and_leaves_no_english_text(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    english = run(*name.split(), "-h")
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    text = run(*name.split(), "-h")
    assert max(width(line) for line in text.splitlines() if re.search("[가-힣]", line)) <= 80
    for word in ("Usage", "Options", "Commands", "Arguments", "[default", "[required"):
        assert word not in text
    monkeypatch.setenv("EMBEDKIT_LANG", "en")
    assert run(*name.split(), "-h") == english


@pytest.mark.parametrize("name", command_names())
def test_a_command_has_two_examples_that_it_understands(name: str) -> None:
    examples = ENTRIES[name].examples
    assert len(examples) == 2
    text = run(*name.split(), "-h")
    for line in examples:
        assert f"embedkit {line}\n" in text
        assert width(line) + len("    embedkit ") <= 80
        assert line.startswith(name) or " " not in name
        words = [word for word in shlex.split(line) if word != ">" and not word.endswith(".schema.json")]
        command, context = GROUP, typer.Context(GROUP)  # type: ignore[arg-type]
        while hasattr(command, "commands"):
            first, *words = words
            command = command.commands[first]
            context = command.make_context(first, [], parent=context, resilient_parsing=True)
        command.make_context(first, words, parent=context.parent)


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("'lexcal' is not one of 'auto', 'lexical', 'dense'.", "lexical"),
        ("'Lexical' is not one of 'auto', 'lexical', 'dense'.", "lexical"),
        ("'onnxint8' is not one of 'onnx', 'onnx-int8', 'openvino'.", "onnx-int8"),
        ("'xyz' is not one of 'auto', 'lexical'.", None),
        ("'x' is not a valid integer.", None),
    ],
)
def test_a_wrong_value_is_told_which_was_meant(message: str, meant: str | None) -> None:
    assert meant_value(message) == meant


def test_the_suggestion_reaches_the_person() -> None:
    done = CliRunner().invoke(app, ["search", "PWM", "--ranker", "hybri"])
    assert done.exit_code == 2
    assert "Did you mean 'hybrid'?" in done.output
    done = CliRunner().invoke(app, ["cache", "clear", "vektors"])
    assert "Did you mean 'vectors'?" in done.output


WRONG = {
    "compose --miner lexcal -i x": "'lexical'을 쓰려던 것인가요?",
    "trian": "'trian' 명령은 없습니다. 'train'을 쓰려던 것인가요?",
    "compose": "'--input' / '-i' 옵션이 빠졌습니다.",
    "search": "'query' 인자가 빠졌습니다.",
    "search a b": "인자가 더 있습니다(b)",
    "search --model": "'--model' 옵션에는 값이 있어야 합니다.",
    "search a --top-k x": "올바른 값(정수)이 아닙니다.",
    "search a --top-k 0": "범위 x>=1을 벗어납니다.",
    "compose -i x --hard 3": "--hard 옵션은 없습니다(비슷한 옵션: --hard-k)",
    "--versio": "--versio 옵션은 없습니다(비슷한 옵션: --version)",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_use_is_told_in_korean(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    done = CliRunner().invoke(app, line.split(), prog_name="embedkit")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith(WRONG[line])
    assert "Usage" not in done.stderr


def commands_here() -> list[str]:
    return [command for command, _ in next_steps(look())]


def test_the_next_step_follows_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands_here()[0] == "embedkit demo"
    (tmp_path / "my terms.csv").write_text('term,definition\nPWM,"pulses,\nof width"\n', encoding="utf-8")
    assert commands_here()[-1] == 'embedkit compose --input "my terms.csv"'
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pairs.jsonl").write_text('{"anchor":"a","positive":"b"}\n', encoding="utf-8")
    assert commands_here()[-1] == "embedkit train"
    folder = tmp_path / "runs" / "cfg"
    (folder / "checkpoints" / "1").mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert commands_here() == ["embedkit train --config runs/cfg/config.json --resume"]
    (folder / "model").mkdir()
    (folder / "README.md").touch()
    assert commands_here() == ["embedkit evaluate --model runs/cfg"]
    (folder / "metrics.json").write_text('{"word": "NOT YET"}', encoding="utf-8")
    assert commands_here()[0].startswith("embedkit report runs/cfg")
    (folder / "metrics.json").write_text('{"word": "SHIP"}', encoding="utf-8")
    assert commands_here()[0] == "embedkit finalize runs/cfg"
    (folder / "final" / "model").mkdir(parents=True)
    assert commands_here()[0] == "embedkit search QUESTION --model runs/cfg"


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_is_here_fits_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lang: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_LANG", lang)
    print_next_steps()
    (tmp_path / "glossary.csv").write_text("term,definition\nPWM,pulses\n", encoding="utf-8")
    (tmp_path / "pairs.jsonl").write_text('{"anchor":"a","positive":"b"}\n' * 12, encoding="utf-8")
    print_next_steps()
    shown = capsys.readouterr().out
    assert max(map(width, shown.splitlines())) <= 80
    assert "12" in shown
    if lang == "ko":
        assert "Next" not in shown


def test_embedkit_alone_exits_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "embedkit demo" in run()
    assert list(tmp_path.iterdir()) == []
