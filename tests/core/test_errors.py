"""Errors are templates: filled in, in the person's language, and never broken by what fills them."""

import ast
import errno
import pickle
import string
from pathlib import Path
from typing import Any

import pytest

from embedkit import cli
from embedkit.errors import UserError
from embedkit.files import atomic

PACKAGES = Path(__file__).resolve().parents[2] / "packages"
OWN = {"place", "hint", "there"}


def test_fields_fill_in_problem_and_hint() -> None:
    error = UserError("no {what!r} in {count} rows", place="a.csv:3", hint="add {what}", what="{x}", count=2)
    assert str(error) == "a.csv:3: no '{x}' in 2 rows\n  add {x}"
    assert (error.problem, error.hint) == ("no '{x}' in 2 rows", "add {x}")


def test_without_fields_braces_are_text() -> None:
    assert str(UserError('expected {"a": 1}', hint="{}")) == 'expected {"a": 1}\n  {}'


def test_it_speaks_korean_with_the_right_particles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    error = UserError("no model {name!r} was found", place="cfg.json", name="PWM")
    assert str(error) == "cfg.json: 모델 'PWM'을 찾지 못했습니다"


def test_it_survives_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(UserError("no {what}", place="p", hint="h {what}", what="x")))  # noqa: S301 (our own bytes)
    assert str(error) == "p: no x\n  h x"


def raised() -> list[tuple[str, ast.Call]]:
    found = []
    for path in sorted(PACKAGES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("UserError", "AnswerNoError"):
                found.append((f"{path.name}:{node.lineno}", node))
    return found


def names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize(("place", "call"), raised())
def test_a_template_has_a_field_for_each_of_its_names(place: str, call: ast.Call) -> None:
    fields = {keyword.arg for keyword in call.keywords} - OWN
    if not fields:
        return
    texts = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "hint")]
    wanted: set[str] = set()
    for text in texts:
        assert not isinstance(text, ast.JoinedStr), f"{place}: an f-string beside fields is filled in twice"
        wanted |= names_in(text.value) if isinstance(text, ast.Constant) else set()
    literal = all(isinstance(text, ast.Constant) for text in texts)
    assert wanted <= fields, place
    assert fields <= wanted or not literal, f"{place}: {fields - wanted} is never shown"


@pytest.mark.parametrize(
    ("fields", "near"),
    [
        ({"format": "cvs", "formats": "csv, jsonl, pairs"}, "csv"),
        ({"name": "onnxint8", "backends": "torch, onnx, onnx-int8"}, "onnx-int8"),
        (
            {"name": "electronic.en.csv", "there": ["terms.en.txt", "electronics.en.csv"]},
            "electronics.en.csv",
        ),
        ({"name": "a.csv", "there": ["b.csv", "c.csv"]}, None),
        ({"name": "csv", "formats": "csv, jsonl"}, None),
        ({"name": "zzz", "formats": "csv, jsonl"}, None),
        ({"name": "csv"}, None),
    ],
)
def test_an_error_that_lists_what_there_is_knows_what_was_meant(
    fields: dict[str, Any], near: str | None
) -> None:
    assert UserError("no {name!r}", **fields).near() == near
    assert UserError("no {name!r}", hint="did you mean {near!r}?", **fields).near() is None


@pytest.mark.parametrize(
    "how", [OSError(errno.ENOSPC, "No space left"), RuntimeError("I/O error: File too large (os error 27)")]
)
def test_a_full_disk_is_a_message_whatever_wrote(
    how: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        raise how

    monkeypatch.setattr(cli, "app", write)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert "there is no room to write" in capsys.readouterr().err
    monkeypatch.setattr(cli, "app", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_a_write_that_fails_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no room to write") as told, atomic(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left")
    assert str(tmp_path / "a.txt") in str(told.value)
    assert not list(tmp_path.iterdir())
