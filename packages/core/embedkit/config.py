"""Strict JSON configuration: every problem at once, each with file:line:col, and where each value came from.

Flags beat `EMBEDKIT_*`, which beat the file, which beats the defaults. A section may be one of several classes: its key
`name` says which (`"loss": {"name": "mnrl", …}`), and a setting of another class is a problem.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapidfuzz import fuzz, process

from embedkit.console import say, warn
from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.messages import tr

M = TypeVar("M", bound=BaseModel)
Keys = tuple[str | int, ...]
Text = Annotated[str, Field(min_length=1)]
# What pydantic calls the branches of a field that holds a word or a number.
_BRANCH = re.compile(r"literal\[.*\]|constrained-(int|float)")
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)')
_HALF = re.compile(r"[\ud800-\udfff]")
_ENV_PREFIX = "EMBEDKIT_"
_NEAR = 60  # of 100: from there on two names are taken for a typo of each other
TAG = "name"  # the key that says which class a section is of, where it may be one of several
_NEAR_ELSEWHERE = 80  # more in sections where it does not stand
_NEAR_ALONE = 85  # more where the variable may be somebody else's


class ConfigSection(BaseModel):
    """Strict and unchangeable: no unknown keys, no text where a number belongs, no NaN.

    `SHORT_FORMS` and `OLD_KEYS` name keys that are read as another one, dotted: `{"train.loss": "loss.name"}`. An old
    key is read with a note that names the new one. `IGNORED_KEYS` are read and ignored, which is said. `OTHER_NAMES`
    and `OTHER_VALUES` are what other tools call a key or a choice: the answer names ours. `USUAL` are the ranges that
    people set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    SHORT_FORMS: ClassVar[Mapping[str, str]] = {}
    OLD_KEYS: ClassVar[Mapping[str, str]] = {}
    IGNORED_KEYS: ClassVar[Sequence[str]] = ()
    OTHER_NAMES: ClassVar[Mapping[str, str]] = {}
    OTHER_VALUES: ClassVar[Mapping[str, str]] = {}
    USUAL: ClassVar[Mapping[str, tuple[float, float]]] = {}


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
    "string_pattern_mismatch": "Input should be a name without / and \\",
    "string_too_long": "Input should have at most {max_length} characters",
    "string_too_short": "Input should not be empty",
    "too_short": "Input should not be empty",
    "list_type": "Input should be a list, such as [256, 128]",
    "model_type": "Input should be an object {{...}}",
}


_TRUTHS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_NOTHING = ("none", "null", "nil", "~")


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
    renamed = rename_keys(values, model)
    for old, new in renamed:
        places |= {(*new, *keys[len(old) :]): at for keys, at in places.items() if keys[: len(old)] == old}
    origins: dict[str, str] = {_dotted(keys): "file" for keys in _leaves(values)}
    for keys, value, origin in (*_environment(model), *_flags(model, sets)):
        layer: dict[str, Any] = {}
        _put(layer, keys, value)
        renames = rename_keys(layer, model)
        renamed += renames
        for target in (*(new for _, new in renames), *([] if keys in dict(renames) else [keys])):
            _put(values, target, _at(layer, target))
            origins[_dotted(target)] = origin
    _report_old_keys(renamed, values, model)
    _drop_ignored(values, model)
    try:
        config = _validated(model, values)
    except ValidationError as error:
        report = _Report(model, str(path), places, origins, {new: old for old, new in renamed})
        raise ConfigError([report.problem(one) for one in error.errors() if _is_of_its_branch(one)]) from None
    for keys in _leaves(config.model_dump(mode="json")):
        origins.setdefault(_dotted(keys), "default")
    _warn_of_the_unusual(config)
    return Loaded(config, origins)


def _validated(model: type[M], values: dict[str, Any]) -> M:
    """The checked values. What leaves no doubt is taken as meant: a choice in other letters (`AdamW`, `cross-encoder`),
    a word for a truth (`no`) or for nothing (`none`), one word or several with commas for a list.

    Raises:
        ValidationError: anything else is wrong.
    """
    for _ in range(2):  # a list is taken first, then what stands in it
        try:
            return model.model_validate(values)
        except ValidationError as error:
            taken = [_take(values, one, model) for one in error.errors()]
            if not any(taken):
                raise
    return model.model_validate(values)


def _take(values: dict[str, Any], error: Any, model: type[BaseModel]) -> bool:
    """Put right what an error is about, where no doubt is left; whether it was."""
    (keys, _), found, kind = _resolved(model, error["loc"]), error["input"], error["type"]
    listed = error.get("ctx", {}).get("expected", "")
    if kind == "union_tag_invalid":
        keys, found = (*keys, TAG), _at(found, (TAG,))
        kind, listed = "literal_error", error["ctx"]["expected_tags"]
    if not isinstance(found, str) or _at(values, keys) not in (found, None):
        return False
    word, right = found.strip().casefold(), list[Any]()  # what is meant, where that is clear
    if kind == "literal_error" and word not in _NOTHING:
        right = [choice for choice in re.findall(r"'([^']+)'", listed) if _bare(choice) == _bare(word)]
    elif kind == "bool_type" and word in _TRUTHS:
        right = [_TRUTHS[word]]
    elif word in _NOTHING and type(None) in get_args(_annotation(model, keys)):
        right = [None]
    elif kind == "list_type":
        right = [[] if word in _NOTHING else [_scalar(part.strip(), None) for part in found.split(",")]]
    if right:
        _put(values, keys, right[0])
    return bool(right)


def _bare(word: str) -> str:
    """The letters and digits of a name: `cross-encoder` and `CrossEncoder` are cross_encoder, `ndcg@10` ndcg_at_10."""
    return "".join(filter(str.isalnum, word.casefold().replace("@", "at")))


def _drop_ignored(values: dict[str, Any], model: type[BaseModel]) -> None:
    dropped = []
    for name in model.IGNORED_KEYS if issubclass(model, ConfigSection) else ():
        *section, key = name.split(".")
        holder = _at(values, tuple(section))
        if isinstance(holder, dict) and holder.pop(key, None) is not None:
            dropped.append(name)
    if dropped:
        say("settings of an earlier project, ignored: {names}", names=", ".join(dropped))


def _warn_of_the_unusual(config: BaseModel) -> None:
    values = config.model_dump()
    for name, (least, most) in config.USUAL.items() if isinstance(config, ConfigSection) else ():
        value = _at(values, tuple(name.split(".")))
        if isinstance(value, int | float) and not least <= value <= most:
            warn(
                "{name} is {value:g}; usual is {least:g} to {most:g}",
                name=name,
                value=value,
                least=least,
                most=most,
            )


def rename_keys(values: dict[str, Any], model: type[BaseModel]) -> list[tuple[Keys, Keys]]:
    """Put what stands under short forms and old keys where it belongs; what stands in both places is left alone.

    Returns:
        The keys that were found, and where their values stand now.
    """
    renamed = []
    for old, new in _renames(model).items():
        holder, key = _at(values, old[:-1]), str(old[-1])
        if (
            not isinstance(holder, dict)
            or isinstance(holder.get(key, {}), dict)
            or _at(values, new) is not None
        ):
            continue
        _put(values, new, holder.pop(key))
        renamed.append((old, new))
    return renamed


def _renames(model: type[BaseModel]) -> dict[Keys, Keys]:
    if not issubclass(model, ConfigSection):
        return {}
    both = {**model.SHORT_FORMS, **model.OLD_KEYS}
    return {tuple(old.split(".")): tuple(new.split(".")) for old, new in both.items()}


def _report_old_keys(
    renamed: list[tuple[Keys, Keys]], values: dict[str, Any], model: type[BaseModel]
) -> None:
    """Say the new names of the old keys that were read; one that says nothing is dropped.

    A run's config.json holds every setting: those of other losses, at their defaults, are no mistake there.
    """
    if not issubclass(model, ConfigSection):
        return
    old_keys = [(old, new) for old, new in renamed if _dotted(old) in model.OLD_KEYS]
    for _, new in old_keys:
        section = _at(values, new[:-1])
        classes = _classes_at(model, new[:-1])
        having = [kind for kind in classes if new[-1] in kind.model_fields]
        chosen = section.get(TAG, _tag(classes[0]))
        if (
            chosen not in map(_tag, having)
            and section[new[-1]] == having[0].model_fields[str(new[-1])].default
        ):
            del section[new[-1]]
    if old_keys:
        names = ", ".join(f"{_dotted(old)} → {_dotted(new)}" for old, new in dict(old_keys).items())
        say("old names of settings, read in this release only: {names}", names=names)


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
        inner = _classes(info.annotation)
        if inner:
            yield from dict.fromkeys(found for kind in inner for found in _fields(kind, (*keys, name)))
        else:
            yield (*keys, name)


def _env_name(keys: Keys) -> str:
    return _ENV_PREFIX + "__".join(str(key).upper() for key in keys)


def _environment(model: type[BaseModel]) -> Iterator[tuple[Keys, Any, str]]:
    """What the environment sets; what it seems to mean and `model` does not have is left for the check to name.

    `EMBEDKIT_A__B` always means a config with sections; a name without a section may be another part's setting, and
    counts only when it is nearly that of a field.
    """
    known = {_env_name(keys): keys for keys in (*_fields(model), *_renames(model))}
    sections = {keys[0] for keys in known.values() if len(keys) > 1}
    alone = [str(keys[0]) for keys in known.values() if len(keys) == 1]
    for name in sorted(name for name in os.environ if name.startswith(_ENV_PREFIX)):
        words = name.removeprefix(_ENV_PREFIX).lower()
        keys = known.get(name)
        if keys is None and (sections if "__" in words else _near(words, alone, score=_NEAR_ALONE)):
            keys = tuple(words.split("__"))
        if keys is not None:
            yield keys, _scalar(os.environ[name], _annotation(model, keys)), f"environment {name}"


def _flags(model: type[BaseModel], sets: Sequence[str]) -> Iterator[tuple[Keys, Any, str]]:
    for item in sets:
        name, sign, text = item.partition("=")
        if not sign or not name:
            raise UserError(
                "--set {item!r} is not KEY=VALUE", hint="for example --set train.epochs=2", item=item
            )
        keys = tuple(name.strip().split("."))
        yield keys, _scalar(text, _annotation(model, keys)), "flag --set"


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
    keys = _renames(model).get(keys, keys)
    classes = _classes_at(model, keys[:-1])
    return next(
        (kind.model_fields[str(keys[-1])].annotation for kind in classes if keys[-1] in kind.model_fields),
        None,
    )


def _classes_at(model: type[BaseModel], keys: Keys) -> tuple[type[BaseModel], ...]:
    """The classes that the section under `keys` may be of; none where there is no such section."""
    classes: tuple[type[BaseModel], ...] = (model,)
    for key in keys:
        classes = _inner(classes, key)
    return classes


def _inner(
    classes: Sequence[type[BaseModel]], key: str | int, *, items: bool = False
) -> tuple[type[BaseModel], ...]:
    infos = [kind.model_fields[str(key)] for kind in classes if key in kind.model_fields]
    return _classes(infos[0].annotation, items=items) if infos else ()


def _classes(annotation: Any, *, items: bool = False) -> tuple[type[BaseModel], ...]:
    """The config classes in an annotation such as `Lora | None`; with `items` also in `list[Source] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    if get_origin(annotation) is list and not items:
        return ()
    return tuple(kind for part in get_args(annotation) for kind in _classes(part, items=items))


def _tag(kind: type[BaseModel]) -> Any:
    """The name by which a section says that it is of this class."""
    return kind.model_fields[TAG].default if TAG in kind.model_fields else None


def _at(values: Any, keys: Keys) -> Any:
    """What stands under `keys`; None where nothing does."""
    for key in keys:
        listed = isinstance(values, list) and isinstance(key, int)
        values = values[key] if listed else values.get(key) if isinstance(values, dict) else None
    return values


def _put(values: dict[str, Any], keys: Keys, value: Any) -> None:
    for key in keys[:-1]:
        inner = _at(values, (key,))
        if not isinstance(inner, dict | list):
            inner = values[str(key)] = {}
        values = inner
    values[keys[-1]] = value  # type: ignore[index]


def _dotted(keys: Keys) -> str:
    return ".".join(str(key) for key in keys)


@dataclass(frozen=True, slots=True)
class _Report:
    """Words for pydantic's errors; `old` tells how the person named a key that was renamed."""

    model: type[BaseModel]
    path: str
    places: Mapping[Keys, str]
    origins: Mapping[str, str]
    old: Mapping[Keys, Keys]

    def problem(self, error: Any) -> str:
        """One line: where, which key, what is wrong, and what may be meant."""
        keys, kinds = _resolved(self.model, error["loc"])
        value, context = error["input"], error.get("ctx", {})
        kind, listed = error["type"], context.get("expected", "")
        if kind == "union_tag_invalid":
            keys, value = (*keys, TAG), _at(value, (TAG,))
            kind, listed = "literal_error", context["expected_tags"]
        name = _dotted(self.old.get(keys, keys))
        if kind == "extra_forbidden":
            return self._unknown(keys, kinds, moved=not isinstance(value, dict))
        choices = re.findall(r"'([^']+)'", listed) if kind == "literal_error" else []
        own = _MESSAGES.get(kind)
        if choices and any(_BRANCH.fullmatch(str(part)) for part in error["loc"]):
            own = "Input should be {choices} or a number"
        fields = context | {"choices": " | ".join(choices)}
        message = tr(own, **fields) if own else tr(re.sub(r"^Value error, ", "", error["msg"]))
        found = json.dumps(value, ensure_ascii=False, default=str)
        shown = "" if len(found) > 60 or kind == "missing" else tr(", found {found}", found=found)
        ours = self._meant_value(str(value)) if choices else ""
        if ours:
            text = "{place}: {key}: unknown value {found}; {hint}"
            return tr(text, place=self._place(keys), key=name, found=found, hint=ours)
        near = _near(str(value), choices) or _unquoted(value) or self._usual(name)
        return f"{self._place(keys)}: {name or 'config'}: {message}{shown}{'; ' if near else ''}{near}"

    def _unknown(self, keys: Keys, kinds: tuple[type[BaseModel], ...], *, moved: bool) -> str:
        word, shown = str(keys[-1]), _dotted(self.old.get(keys, keys))
        place = self._place(keys)
        new = _renames(self.model).get(keys)
        if new is not None and moved:
            return tr(
                "{place}: {key!r} and {new!r} are one setting; remove one of them",
                place=place,
                key=shown,
                new=_dotted(new),
            )
        if others := [str(_tag(kind)) for kind in kinds if word in kind.model_fields]:
            text = "{place}: {key!r} is ignored by {name}; it is a setting of {others}"
            return tr(text, place=place, key=shown, name=_tag(kinds[0]), others=", ".join(others))
        known = list(kinds[0].model_fields) if kinds else []
        hint = self._guess(word, known) or tr("known here: {keys}", keys=", ".join(known))
        return tr("{place}: unknown key {key!r}; {hint}", place=place, key=shown, hint=hint)

    def _meant(self, word: str) -> str:
        """Our name for what other tools call a key so."""
        names = self.model.OTHER_NAMES if issubclass(self.model, ConfigSection) else {}
        ours = names.get(_snake(word))
        return tr("here it is {name!r}", name=ours) if ours else ""

    def _meant_value(self, word: str) -> str:
        word = word.casefold().removeprefix("torch.")
        ours = self.model.OTHER_VALUES.get(word) if issubclass(self.model, ConfigSection) else None
        return tr("here it is {name!r}", name=ours) if ours else ""

    def _usual(self, name: str) -> str:
        usual = self.model.USUAL.get(name) if issubclass(self.model, ConfigSection) else None
        return tr("usual is {least:g} to {most:g}", least=usual[0], most=usual[1]) if usual else ""

    def _guess(self, word: str, known: Sequence[str]) -> str:
        """A key of this section or, by its full name, of another; first of all what other tools call so."""
        if meant := self._meant(word):
            return meant
        elsewhere = {str(keys[-1]): _dotted(keys) for keys in reversed(list(_fields(self.model)))}
        if _snake(word) in elsewhere:
            return tr("did you mean {guess!r}?", guess=elsewhere[_snake(word)])
        return _near(word, known) or self._nearly_elsewhere(_snake(word), elsewhere)

    def _nearly_elsewhere(self, word: str, elsewhere: Mapping[str, str]) -> str:
        """A key of another section, or another tool's name for one, that is nearly `word`."""
        others = self.model.OTHER_NAMES if issubclass(self.model, ConfigSection) else {}
        names = {**others, **elsewhere}
        guess = process.extractOne(word, list(names), score_cutoff=_NEAR_ELSEWHERE)
        return tr("did you mean {guess!r}?", guess=names[guess[0]]) if guess else ""

    def _place(self, keys: Keys) -> str:
        above = [keys[:n] for n in range(len(keys), 0, -1)]
        dotted = _dotted(keys)
        laid_over = [self.origins.get(_dotted(part), "file") for part in above]
        laid_over += [origin for key, origin in self.origins.items() if key.startswith(f"{dotted}.")]
        origin = next((origin for origin in laid_over if origin != "file"), None)
        if origin is not None:
            return origin
        return f"{self.path}:{next((self.places[part] for part in above if part in self.places), '1:1')}"


def _resolved(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[Keys, tuple[type[BaseModel], ...]]:
    """The keys of an error, without the names by which pydantic tells the classes of a section apart, and the
    classes that the object with the last key may be of, the one it is of first.
    """
    keys: Keys = ()
    holders: tuple[type[BaseModel], ...] = (model,)
    inner = holders
    for part in loc:
        if _BRANCH.fullmatch(str(part)):
            continue
        if isinstance(part, int):
            keys = (*keys, part)
        elif len(inner) > 1 and part in map(_tag, inner):
            inner = tuple(sorted(inner, key=lambda kind: _tag(kind) != part))
            continue
        else:
            keys, holders = (*keys, part), inner
            inner = _inner(inner, part, items=True)
    return keys, holders


def _is_of_its_branch(error: Any) -> bool:
    """Where a word or a number may stand, a wrong word is told as a word and a wrong number as a number."""
    branch = str(error["loc"][-1]) if error["loc"] else ""
    return not _BRANCH.fullmatch(branch) or isinstance(error["input"], str) == branch.startswith("literal")


def _near(word: str, known: Sequence[str], *, score: int = _NEAR) -> str:
    """The question whether a name was meant that is nearly `word`; empty where there is none."""
    guess = process.extractOne(word, known, scorer=fuzz.ratio, processor=str.casefold, score_cutoff=score)
    return tr("did you mean {guess!r}?", guess=guess[0]) if guess else ""


def _snake(word: str) -> str:
    """`learningRate` and `learning-rate` as `learning_rate`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).casefold().replace("-", "_")


def _unquoted(value: Any) -> str:
    """What to write in place of a number that stands in quotes."""
    try:
        number = json.loads(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return ""
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return tr("write it without quotes: {number}", number=value.strip()) if is_number else ""


def _line_column(text: str, offset: int) -> str:
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"
