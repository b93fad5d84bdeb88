"""JSON and YAML: lists of objects with a term and a definition, and maps from terms to definitions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, ClassVar

from selectolax.lexbor import LexborHTMLParser

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.tree import text_of
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import Alias, aliases_from_json
from embedkit.data.table.headers import role_of
from embedkit.errors import UserError
from embedkit.text import clean

MAX_BYTES = 50 * 1024 * 1024
_MAX_DEPTH = 6
_MIN_WORDS = 2
_SETTINGS = re.compile(
    r"^(?:version|title|name|description|lang(?:uage)?|id|date|author|license|source|url|\$?schema|@\w+|count|total)$",
    re.I,
)
_TERMS = (
    "term",
    "title",
    "label",
    "word",
    "headword",
    "name",
    "key",
    "lemma",
    "preflabel",
    "acronym",
    "abbreviation",
    "abbr",
)
_TEXTS = (
    "definition",
    "def",
    "description",
    "meaning",
    "desc",
    "gloss",
    "explanation",
    "text",
    "body",
    "value",
    "content",
    "summary",
)


def read_json(body: bytes, *, place: str) -> Content:
    """The entries of a JSON document. Raises `UserError` where it is none, or holds no terms."""
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError("not UTF-8, as JSON has to be", place=place) from None
    except (ValueError, RecursionError) as error:
        raise UserError("not JSON: {error}", place=place, error=error) from None
    return _content(value, place=place, structure="JSON")


def read_yaml(body: bytes, *, place: str) -> Content:
    """The entries of a YAML document; words like `on` and `no`, dates and numbers stay text."""
    import yaml

    class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
        """Texts only: `NO: Norway` has the key "NO"."""

        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            """Refuse aliases, with which a small file can grow without end."""
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not expanded")
            return super().compose_node(parent, index)

    try:
        value = yaml.load(body.decode("utf-8-sig"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError("not YAML: {error}", place=place, error=" ".join(str(error).split())[:150]) from None
    return _content(value, place=place, structure="YAML")


def _content(value: Any, *, place: str, structure: str) -> Content:
    found = list(_entries(value, 0))
    sizes = [len(s.split()) if s.isascii() else len(s) / 3 for f in found for s in f.senses]
    if not found or median(sizes) < _MIN_WORDS:
        raise UserError(
            "holds no terms with definitions",
            place=place,
            hint="a list of objects with term and definition is read, and a map from terms to definitions",
        )
    title = value.get("title") if isinstance(value, dict) else ""
    return Content(
        groups=(Group(structure=structure, found=tuple(found), marked=True, certain=True),),
        title=title if isinstance(title, str) else "",
    )


def _entries(value: Any, depth: int) -> Iterator[RawEntry]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                entry = _entry(item)
                nested = len(item) == 1 or any(isinstance(v, list | dict) for v in item.values())
                yield from [entry] if entry else _entries(item, depth + 1) if nested else ()
            elif isinstance(item, list):
                yield from _pair(item)
    elif isinstance(value, dict):
        own = _entry(value) if depth else None
        if own is not None:
            yield own
            return
        for key, inner in value.items():
            yield from _named(str(key), inner, depth)


def _named(key: str, inner: Any, depth: int) -> Iterator[RawEntry]:
    """`term: definition`, `term: {definition: …}`, `term: [sense, sense]`, or a list further down."""
    if isinstance(inner, str):
        if not _SETTINGS.match(key) and labels.is_label(key) and _is_text(inner):
            yield RawEntry(heads=(clean(key),), senses=(inner,))
    elif isinstance(inner, dict):
        entry = _entry({"term": key, **inner}) if _text_of(inner) else None
        yield from [entry] if entry else _entries(inner, depth + 1)
    elif isinstance(inner, list) and inner and all(isinstance(i, str) for i in inner):
        if not _SETTINGS.match(key) and labels.is_label(key) and all(map(_is_text, inner)):
            yield RawEntry(heads=(clean(key),), senses=tuple(inner))
    elif isinstance(inner, list):
        yield from _entries(inner, depth + 1)


def _is_text(text: str) -> bool:
    return bool(text.strip()) and not re.fullmatch(
        r"\S*(?:[/\\]\S*)+|https?:\S+|[\d.,:\s-]+|true|false|null", text.strip()
    )


def _pair(item: Sequence[Any]) -> Iterator[RawEntry]:
    if len(item) == 2 and all(isinstance(i, str) for i in item) and labels.is_label(item[0]):
        yield RawEntry(heads=(clean(item[0]),), senses=(item[1],))


def _entry(item: Mapping[str, Any]) -> RawEntry | None:
    """An object with a term and a definition under one of their usual names, in many languages."""
    lower = {str(k).strip().lower(): v for k, v in item.items()}
    term = next((lower[k] for k in _TERMS if isinstance(lower.get(k), str) and lower[k].strip()), "")
    term = term or next((v for k, v in lower.items() if isinstance(v, str) and role_of(k) == "term"), "")
    text = _text_of(item)
    if not term or not text or not labels.is_label(clean(term)):
        return None
    lang = lower.get("lang") or lower.get("language")
    return RawEntry(
        heads=(clean(term),),
        senses=tuple(text),
        aliases=tuple(_aliases(lower)),
        lang=lang.split("-")[0].lower()
        if isinstance(lang, str) and 2 <= len(lang.split("-")[0]) <= 3
        else "",
        anchors=tuple(str(lower[k]) for k in ("anchor", "slug") if isinstance(lower.get(k), str)),
        evidence="file",
    )


def _text_of(item: Mapping[str, Any]) -> list[str]:
    lower = {str(k).strip().lower(): v for k, v in item.items()}
    wanted = [lower[k] for k in (*_TEXTS, "definitions", "senses", "meanings") if lower.get(k)]
    wanted = wanted or [v for k, v in lower.items() if v and role_of(k) == "definition"]
    value = wanted[0] if wanted else ""
    parts = value if isinstance(value, list) else [value]
    return [p for part in parts if (p := _flat(part))]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[k] for k in ("definition", "text", "value", "@value") if k in value), "")
    if isinstance(value, str) and "<" in value and (body := LexborHTMLParser(value).body) is not None:
        value = text_of(body)
    return value.strip() if isinstance(value, str) else ""


def _aliases(lower: Mapping[str, Any]) -> Iterator[Alias]:
    for key, value in lower.items():
        role = role_of(key) or (
            "aliases" if key in ("aka", "also", "other_names", "altlabel", "alternatename") else ""
        )
        if role not in ("aliases", "abbreviation", "translation"):
            continue
        if isinstance(value, list) and all(isinstance(v, dict) for v in value):
            try:
                yield from aliases_from_json(json.dumps(value))
            except ValueError:
                continue
            continue
        texts = (
            value
            if isinstance(value, list)
            else re.split(r"\s*[;|,]\s*", value)
            if isinstance(value, str)
            else []
        )
        for text in texts:
            if isinstance(text, str) and (name := clean(text)):
                kind = labels.alias_kind(name) if role == "aliases" else role
                yield Alias(name, kind)  # type: ignore[arg-type]
