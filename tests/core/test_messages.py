"""What a person reads is a template that can be translated, also where it takes a way round to them."""

import ast
import copy
import json
import pickle
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedkit.messages import Phrase, tr

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE: dict[str, str] = {
    english: korean
    for path in (ROOT / "data" / "messages").glob("*.ko.json")
    for english, korean in json.loads(path.read_text(encoding="utf-8")).items()
}
MODULES = {
    str(path.relative_to(ROOT / "packages")): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "packages").rglob("*.py"))
}


def test_a_phrase_is_english_and_can_still_be_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    phrase = Phrase("{key!r} is missing or is not a text", key="anchor")
    told = str(ValueError(phrase))
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    assert json.dumps(told) == "\"'anchor' is missing or is not a text\""
    assert tr(told) == "'anchor'가 없거나 문자열이 아닙니다"
    assert tr("{place}: {reason}", place="a", reason=phrase) == "a: 'anchor'가 없거나 문자열이 아닙니다"


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda phrase: pickle.loads(pickle.dumps(phrase))])  # noqa: S301 (our own bytes)
def test_a_phrase_travels(travel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    phrase = travel(Phrase("no column {names}", names="{x}"))
    assert (phrase, tr(phrase)) == ("no column {x}", "열이 없습니다: {x}")


def error_classes() -> set[str]:
    """The names of our exceptions, and `ValueError`, whose words readers hand on."""
    bases = {
        node.name: {getattr(base, "id", "") for base in node.bases}
        for module in MODULES.values()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    }
    found, size = {"Exception", "ValueError"}, 0
    while len(found) > size:
        size = len(found)
        found |= {name for name, parents in bases.items() if parents & found}
    return found


TELLING = error_classes() | {"say", "warn", "tr", "Phrase"}


def sources(text: ast.expr, scopes: list[ast.AST]) -> Iterator[ast.expr]:
    """The expressions that a message is made of: both sides of a choice, what a name or helper stands for."""
    match text:
        case ast.IfExp(body=body, orelse=orelse):
            parts = [body, orelse]
        case ast.BoolOp(values=parts) | ast.List(elts=parts):
            pass
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part):
            parts = [part]
        case ast.Subscript(value=part) | ast.Call(func=ast.Attribute(attr="format", value=part)):
            parts = [part]
        case ast.Call(func=ast.Attribute(attr="join"), args=parts):
            pass
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            parts = [
                node.value
                for helper in ast.walk(scopes[0])
                if isinstance(helper, ast.FunctionDef) and helper.name == name
                for node in ast.walk(helper)
                if isinstance(node, ast.Return) and node.value
            ]
        case ast.Name(id=name):
            parts = next(filter(None, (assigned(name, scope) for scope in reversed(scopes))), [])
        case _:
            yield text
            return
    for part in parts:
        if part is not text:
            yield from sources(part, scopes)


def assigned(name: str, scope: ast.AST) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets)
    ]


def calls(node: ast.AST, scopes: list[ast.AST]) -> Iterator[tuple[ast.Call, list[ast.AST]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, scopes
        yield from calls(child, [*scopes, child] if isinstance(child, ast.FunctionDef) else scopes)


def telling(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute) and call.func.attr == "__init__":
        return True
    return getattr(call.func, "id", getattr(call.func, "attr", "")) in TELLING


def messages() -> Iterator[tuple[str, ast.expr]]:
    """Every piece of every message or hint, with its place."""
    for path, module in MODULES.items():
        for call, scopes in calls(module, [module]):
            if telling(call):
                for text in [*call.args[:1], *(k.value for k in call.keywords if k.arg == "hint")]:
                    for source in sources(text, scopes):
                        yield f"{path}:{call.lineno}", source


def has_words(text: str) -> bool:
    return any(any(map(str.isalpha, plain)) for plain, *_ in string.Formatter().parse(text))


def test_no_message_is_an_f_string() -> None:
    found = [
        f"{place}: {ast.unparse(text)}"
        for place, text in messages()
        if isinstance(text, ast.JoinedStr)
        and any(isinstance(part, ast.Constant) and has_words(str(part.value)) for part in text.values)
    ]
    assert found == [], "give a template and fields, so that it can be translated"


def test_every_message_is_translated() -> None:
    texts = {
        text.value: place
        for place, text in messages()
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    }
    found = [f"{place}: {text}" for text, place in texts.items() if has_words(text) and text not in CATALOGUE]
    assert found == [], "data/messages/ROOM.ko.json"


FINAL_SOUND = {"과": True, "와": False, "을": True, "를": False, "으로": True}
PARTICLE = re.compile(r"([가-힣])(과|와|을|를|으로)(?=[ ,.:;)]|$)")


def test_a_particle_behind_a_korean_word_fits_its_last_sound() -> None:
    wrong = []
    for korean in CATALOGUE.values():
        for found in PARTICLE.finditer(korean):
            final = (ord(found[1]) - 0xAC00) % 28
            has_final = final > 0 and not (found[2] == "으로" and final == 8)  # ㄹ takes 로
            if has_final != FINAL_SOUND[found[2]]:
                wrong.append(korean)
    assert not wrong
