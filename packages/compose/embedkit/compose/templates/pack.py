"""Template packs: TOML or YAML files that say how questions and passages about a domain's terms are worded."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from embedkit.compose.templates.template import Template, parse_template
from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.messages import tr
from embedkit.shipped_data import data_path

FOLDER = "synth"
YAML = (".yaml", ".yml")
DEFAULT_DOMAIN = "electronics"
_NAMES = ("lang", "domain", "license", "terms", "acronyms", "glossary")
_REQUIRED = ("lang", "domain")
_LISTS = {
    "queries": frozenset({"term", "definition"}),
    "passages": frozenset({"term", "acronym", "definition"}),
    "acronym_questions": frozenset({"acronym", "full", "definition"}),
    "answers": frozenset({"acronym", "full", "definition"}),
    "negatives": frozenset({"term", "acronym", "definition"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A checked pack. Without `negatives`, negatives are worded like positives, so that wording tells nothing."""

    name: str
    path: Path
    lang: str
    domain: str
    license: str
    terms: str
    acronyms: str
    glossary: str
    queries: tuple[Template, ...]
    passages: tuple[Template, ...]
    acronym_questions: tuple[Template, ...]
    answers: tuple[Template, ...]
    negatives: tuple[Template, ...]


def shipped_packs() -> list[str]:
    """The names that `--pack` knows."""
    return sorted(path.stem for path in data_path(FOLDER).glob("*.toml"))


def find_pack(name: str) -> Path:
    """The file of a pack: a path, or the name of one that ships. Raises `UserError`."""
    if Path(name).is_file():
        return Path(name)
    if name in shipped_packs():
        return data_path(FOLDER) / f"{name}.toml"
    raise UserError(
        "no pack {name!r} ships and there is no such file",
        hint="packs: {packs}, or the path of a TOML or YAML file",
        name=name,
        packs=", ".join(shipped_packs()),
    )


def load_pack(path: Path) -> Pack:
    """Read and check a pack. Raises `UserError` naming the line of a TOML error, or the bad template."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=str(path), hint="save the file as UTF-8") from None
    value = _yaml(text, path) if path.suffix.lower() in YAML else _toml(text, path)
    _check_keys(value, path)
    lists = {name: _templates(value, name, path) for name in _LISTS}
    names = {name: str(value.get(name, "")) for name in _NAMES}
    pack = Pack(
        name=path.stem,
        path=path,
        lang=names["lang"],
        domain=names["domain"],
        license=names["license"],
        terms=names["terms"],
        acronyms=names["acronyms"],
        glossary=names["glossary"],
        queries=lists["queries"],
        passages=lists["passages"],
        acronym_questions=lists["acronym_questions"],
        answers=lists["answers"],
        negatives=lists["negatives"],
    )
    _check_pairs(pack)
    return pack


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError("not TOML: {error}", place=str(path), error=error) from None


def _yaml(text: str, path: Path) -> dict[str, Any]:
    """A mapping; unlike YAML itself, a key that stands twice is an error, for one of its lists would be lost."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise UserError(
            "not YAML: {reason}", place=place, reason=getattr(error, "problem", None) or str(error)
        ) from None
    if not isinstance(value, dict):
        raise UserError("expected keys with texts and lists of texts", place=str(path))
    keys = Counter(key.value for key, _ in root.value)
    if doubled := next((key for key, count in keys.items() if count > 1), None):
        raise UserError("the key {key!r} appears twice", place=str(path), key=doubled)
    return {str(key): item for key, item in value.items()}


def _check_keys(value: dict[str, Any], path: Path) -> None:
    known = (*_NAMES, *_LISTS)
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            guess, keys = "did you mean {near!r}?", "keys: {keys}"
            raise UserError(
                "unknown key {key!r}",
                place=str(path),
                hint=guess if near else keys,
                key=key,
                near="".join(near),
                keys=", ".join(known),
            )
    for key in _NAMES:
        if not isinstance(value.get(key, ""), str) or (key in _REQUIRED and not value.get(key)):
            raise UserError("{key!r} is missing or is not a text", place=str(path), key=key)


def _templates(value: dict[str, Any], name: str, path: Path) -> tuple[Template, ...]:
    items = value.get(name) or []
    if not isinstance(items, list):
        raise UserError("{name!r} is not a list of texts", place=str(path), name=name)
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise UserError(
                "{name}[{number}] is not a text",
                place=str(path),
                hint="in YAML, quote a text that begins with a brace or contains a colon",
                name=name,
                number=number,
            )
    return tuple(
        _template(item, f"{path}: {name}[{number}]", _LISTS[name]) for number, item in enumerate(items)
    )


def _template(text: str, place: str, allowed: frozenset[str]) -> Template:
    try:
        template = parse_template(text)
    except ValueError as error:
        raise UserError("{error} in {text!r}", place=place, error=tr(str(error)), text=text) from None
    foreign = sorted(template.slots - allowed)
    if foreign:
        raise UserError(
            "{{{slot}}} cannot be used here, in {text!r}", place=place, slot=foreign[0], text=text
        )
    return template


def _check_pairs(pack: Pack) -> None:
    for left, right in (("queries", "passages"), ("acronym_questions", "answers")):
        if bool(getattr(pack, left)) != bool(getattr(pack, right)):
            raise UserError(
                "{left} and {right} need each other; one is empty",
                place=str(pack.path),
                left=left,
                right=right,
            )
    if not pack.queries and not pack.acronym_questions:
        raise UserError("the pack has no templates", place=str(pack.path), hint="add queries and passages")
