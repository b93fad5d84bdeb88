"""Template packs: TOML files that say how questions and passages about a domain's terms are worded."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from embedkit.compose.synth.template import Template, parse_template
from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.shipped import data_path

FOLDER = "synth"
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
    """A checked pack. Without `negatives`, negatives are worded like positives, which gives nothing away."""

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
    near = get_close_matches(name, shipped_packs(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(
        f"no pack {name!r} ships and there is no such file",
        hint=f"{hint}packs: {', '.join(shipped_packs())}, or the path of a TOML file",
    )


def load_pack(path: Path) -> Pack:
    """Read and check a pack. Raises `UserError` naming the line of a TOML error, or the bad template."""
    try:
        value = tomllib.loads(read_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError("not UTF-8", place=str(path), hint="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"not TOML: {error}", place=str(path)) from None
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


def _check_keys(value: dict[str, Any], path: Path) -> None:
    known = (*_NAMES, *_LISTS)
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"keys: {', '.join(known)}"
            raise UserError(f"unknown key {key!r}", place=str(path), hint=hint)
    for key in _NAMES:
        if not isinstance(value.get(key, ""), str) or (key in _REQUIRED and not value.get(key)):
            raise UserError(f"{key!r} is missing or is not a text", place=str(path))


def _templates(value: dict[str, Any], name: str, path: Path) -> tuple[Template, ...]:
    items = value.get(name, [])
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise UserError(f"{name!r} is not a list of texts", place=str(path))
    return tuple(
        _template(item, f"{path}: {name}[{number}]", _LISTS[name]) for number, item in enumerate(items)
    )


def _template(text: str, place: str, allowed: frozenset[str]) -> Template:
    try:
        template = parse_template(text)
    except ValueError as error:
        raise UserError(f"{error} in {text!r}", place=place) from None
    foreign = sorted(template.slots - allowed)
    if foreign:
        raise UserError(f"{{{foreign[0]}}} cannot be used here, in {text!r}", place=place)
    return template


def _check_pairs(pack: Pack) -> None:
    for left, right in (("queries", "passages"), ("acronym_questions", "answers")):
        if bool(getattr(pack, left)) != bool(getattr(pack, right)):
            raise UserError(f"{left} and {right} need each other; one is empty", place=str(pack.path))
    if not pack.queries and not pack.acronym_questions:
        raise UserError("the pack has no templates", place=str(pack.path), hint="add queries and passages")
