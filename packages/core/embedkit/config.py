"""Strict JSON configuration: every problem at once, each with file:line:col, and where each value came from.

Flags beat `EMBEDKIT_*`, which beat the file, which beats the defaults.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from rapidfuzz import fuzz, process

from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.messages import tr

M = TypeVar("M", bound=BaseModel)
Keys = tuple[str | int, ...]
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)')
_HALF = re.compile(r"[\ud800-\udfff]")
_ENV_PREFIX = "EMBEDKIT_"
_NEAR = 60  # of 100: from there on two names are taken for a typo of each other
_NEAR_ALONE = 85  # more where the variable may be somebody else's


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """A checked configuration and, for each dotted key, the layer that won: default, file, environment or flag."""

    config: M
    origins: Mapping[str, str]


# pydantic's own words for what is most often wrong, as templates that can be translated.
_MESSAGES = {
    "missing": "Field required",
    "int_type": "Input should be a valid integer",
    "float_type": "Input should be a valid number",
    "string_type": "Input should be a valid string",
    "bool_type": "Input should be a valid boolean",
    "greater_than": "Input should be greater than {gt}",
    "greater_than_equal": "Input should be greater than or equal to {ge}",
    "less_than": "Input should be less than {lt}",
    "less_than_equal": "Input should be less than or equal to {le}",
    "literal_error": "Input should be one of {choices}",
}


class ConfigError(UserError):
    """All the problems of one configuration, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load_config(model: type[M], path: Path | str | None, *, sets: Sequence[str] = ()) -> Loaded[M]:
    """Read `path` (None: defaults only) under the environment and `--set a.b=c` flags, strictly.

    Raises:
        ConfigError: bad JSON, unknown keys, wrong types or values: all of them, in the file's order.
    """
    text = "{}" if path is None else _decode(path)
    places = {keys: _line_column(text, offset) for keys, offset in _positions(text)}
    values = _parse(text, str(path))
    origins: dict[str, str] = {_dotted(keys): "file" for keys in _leaves(values)}
    for keys, value in _environment(model):
        _put(values, keys, value)
        origins[_dotted(keys)] = f"environment {_env_name(keys)}"
    for keys, value in _flags(model, sets):
        _put(values, keys, value)
        origins[_dotted(keys)] = "flag --set"
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        raise ConfigError([_problem(e, model, str(path), places, origins) for e in error.errors()]) from None
    for keys in _leaves(config.model_dump(mode="json")):
        origins.setdefault(_dotted(keys), "default")
    return Loaded(config, origins)


def _decode(path: Path | str) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=str(path), hint="save the file as UTF-8") from None


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        place, problem = f"{path}:{error.lineno}:{error.colno}", tr("not JSON: {reason}", reason=error.msg)
        raise ConfigError([f"{place}: {problem}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path}:1:1: {tr(str(error))}"]) from None
    if not isinstance(values, dict):
        raise ConfigError([f"{path}:1:1: {tr('expected an object {...}')}"])
    problems = [f"{path}:{_line_column(text, offset)}: {told}" for told, offset in _odd(text)]
    if problems:
        raise ConfigError(problems)
    return values


def _odd(text: str) -> Iterator[tuple[str, int]]:
    """What JSON allows and nobody means: keys that stand twice, halves of characters; each with its offset."""
    for match in _TOKEN.finditer(text):
        token = match.group(1)
        if token.startswith('"') and _HALF.search(json.loads(token)):
            yield tr("half a character in {token}", token=token), match.start(1)
    seen: set[Keys] = set()
    for keys, offset in _positions(text):
        if keys in seen:
            yield tr("the key {key!r} stands twice in one object", key=keys[-1]), offset
        seen.add(keys)


def _positions(text: str) -> Iterator[tuple[Keys, int]]:
    """Yield `(path, offset)` of every key and list item of JSON text; stops silently where the text is broken."""
    stack: list[list[Any]] = []  # per level: [is_object, current key or index, a key is expected]
    for match in _TOKEN.finditer(text):
        token, offset = match.group(1), match.start(1)
        if token in "}]":
            if stack:
                stack.pop()
            continue
        if token == ":":
            continue
        if token == ",":
            if stack and stack[-1][0]:
                stack[-1][2] = True
            elif stack:
                stack[-1][1] += 1
            continue
        if stack and stack[-1][0] and stack[-1][2]:
            try:
                stack[-1][1] = json.loads(token)
            except ValueError:
                return
            stack[-1][2] = False
            yield tuple(level[1] for level in stack), offset
            continue
        if stack and not stack[-1][0]:
            yield tuple(level[1] for level in stack), offset
        if token == "{":
            stack.append([True, "", True])
        elif token == "[":
            stack.append([False, 0, False])


def _leaves(values: Any, keys: Keys = ()) -> Iterator[Keys]:
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from _leaves(value, (*keys, key))
    elif keys:
        yield keys


def _fields(model: type[BaseModel], keys: Keys = ()) -> Iterator[Keys]:
    for name, info in model.model_fields.items():
        inner = _submodel(info.annotation)
        if inner:
            yield from _fields(inner, (*keys, name))
        else:
            yield (*keys, name)


def _env_name(keys: Keys) -> str:
    return _ENV_PREFIX + "__".join(str(key).upper() for key in keys)


def _environment(model: type[BaseModel]) -> Iterator[tuple[Keys, Any]]:
    """What the environment sets; what it seems to mean and `model` does not have is left for the check to name.

    `EMBEDKIT_A__B` always means a config with sections; a name without a section may be another part's setting, and
    counts only when it is nearly that of a field.
    """
    known = {_env_name(keys): keys for keys in _fields(model)}
    sections = {keys[0] for keys in known.values() if len(keys) > 1}
    alone = [str(keys[0]) for keys in known.values() if len(keys) == 1]
    for name in sorted(name for name in os.environ if name.startswith(_ENV_PREFIX)):
        words = name.removeprefix(_ENV_PREFIX).lower()
        keys = known.get(name)
        if keys is None and (sections if "__" in words else _near(words, alone, score=_NEAR_ALONE)):
            keys = tuple(words.split("__"))
        if keys is not None:
            yield keys, _scalar(os.environ[name], _annotation(model, keys))


def _flags(model: type[BaseModel], sets: Sequence[str]) -> Iterator[tuple[Keys, Any]]:
    for item in sets:
        name, sign, text = item.partition("=")
        if not sign or not name:
            raise UserError(
                "--set {item!r} is not KEY=VALUE", hint="for example --set train.epochs=2", item=item
            )
        keys = tuple(name.strip().split("."))
        yield keys, _scalar(text, _annotation(model, keys))


def _scalar(text: str, annotation: Any) -> Any:
    """The JSON value of `text`, or `text` itself where it is none; a number or truth is a text to a field of texts."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, int | float) and _takes_text(annotation) else value


def _takes_text(annotation: Any) -> bool:
    return annotation is str or any(_takes_text(kind) for kind in get_args(annotation))


def _annotation(model: type[BaseModel], keys: Keys) -> Any:
    """What the field may hold; None where there is no such field."""
    current: type[BaseModel] | None = model
    annotation: Any = None
    for key in keys:
        info = current.model_fields.get(str(key)) if current else None
        annotation = info.annotation if info else None
        current = _submodel(annotation)
    return annotation


def _put(values: dict[str, Any], keys: Keys, value: Any) -> None:
    for key in keys[:-1]:
        inner = values.get(str(key))
        if not isinstance(inner, dict):
            inner = values[str(key)] = {}
        values = inner
    values[str(keys[-1])] = value


def _dotted(keys: Keys) -> str:
    return ".".join(str(key) for key in keys)


def _problem(
    error: Any, model: type[BaseModel], path: str, places: dict[Keys, str], origins: dict[str, str]
) -> str:
    keys: Keys = tuple(error["loc"])
    place = _place(keys, path, places, origins)
    if error["type"] == "extra_forbidden":
        known = _siblings(model, keys)
        hint = _near(str(keys[-1]), known) or tr("known here: {keys}", keys=", ".join(known))
        return tr("{place}: unknown key {key!r}; {hint}", place=place, key=_dotted(keys), hint=hint)
    choices = re.findall(r"'([^']+)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else []
    own = _MESSAGES.get(error["type"])
    fields = error.get("ctx", {}) | {"choices": " | ".join(choices)}
    message = tr(own, **fields) if own else tr(re.sub(r"^Value error, ", "", error["msg"]))
    found = json.dumps(error["input"], ensure_ascii=False, default=str)
    shown = "" if len(found) > 60 or error["type"] == "missing" else tr(", found {found}", found=found)
    near = _near(str(error["input"]), choices)
    return f"{place}: {_dotted(keys) or 'config'}: {message}{shown}{'; ' if near else ''}{near}"


def _near(word: str, known: Sequence[str], *, score: int = _NEAR) -> str:
    """The question whether a name was meant that is nearly `word`; empty where there is none."""
    guess = process.extractOne(word, known, scorer=fuzz.ratio, score_cutoff=score)
    return tr("did you mean {guess!r}?", guess=guess[0]) if guess else ""


def _place(keys: Keys, path: str, places: dict[Keys, str], origins: dict[str, str]) -> str:
    above = [keys[:n] for n in range(len(keys), 0, -1)]
    dotted = _dotted(keys)
    laid_over = [origins.get(_dotted(part), "file") for part in above]
    laid_over += [origin for key, origin in origins.items() if key.startswith(f"{dotted}.")]
    origin = next((origin for origin in laid_over if origin != "file"), None)
    if origin is not None:
        return origin
    return f"{path}:{next((places[part] for part in above if part in places), '1:1')}"


def _line_column(text: str, offset: int) -> str:
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"


def _submodel(annotation: Any) -> type[BaseModel] | None:
    """The config class in an annotation such as `Lora` or `Lora | None`."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _siblings(model: type[BaseModel], keys: Keys) -> list[str]:
    current: type[BaseModel] | None = model
    for key in keys[:-1]:
        if isinstance(key, int):  # an item of a list: its class was found with the list
            continue
        info = current.model_fields.get(key) if current else None
        current = _submodel(info.annotation) or _itemmodel(info.annotation) if info else None
    return list(current.model_fields) if current else []


def _itemmodel(annotation: Any) -> type[BaseModel] | None:
    """The config class in an annotation such as `list[Source] | None`."""
    inner = (item for kind in (annotation, *get_args(annotation)) for item in get_args(kind))
    return next((model for item in inner if (model := _submodel(item))), None)
