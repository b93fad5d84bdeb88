"""schema.org's DefinedTerm in JSON-LD: what a page says about itself beside its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.data.entries import Alias

_SCRIPT = re.compile(
    r"<script[^>]*application/ld\+json[^>]*>(?P<json>.*?)</script>", re.IGNORECASE | re.DOTALL
)
_TAG = re.compile(r"<[^<>]{1,300}>")
_MAX_DEPTH = 12


def linked_data(html: str) -> Group | None:
    """The DefinedTerm objects of a page that have a name and a description; None for fewer than two."""
    if "DefinedTerm" not in html:
        return None
    found: dict[str, RawEntry] = {}
    for match in _SCRIPT.finditer(html):
        try:
            value = json.loads(match["json"])
        except (ValueError, RecursionError):
            continue
        for entry in _terms(value, 0):
            found.setdefault(entry.heads[0], entry)
    return Group(structure="JSON-LD", found=tuple(found.values()), marked=True) if len(found) >= 2 else None


def _terms(value: object, depth: int) -> Iterator[RawEntry]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _terms(item, depth + 1)
    elif isinstance(value, dict):
        kinds = value.get("@type")
        if any(
            str(k).rsplit("/", 1)[-1] == "DefinedTerm"
            for k in (kinds if isinstance(kinds, list) else [kinds])
        ):
            name, text = _text(value.get("name")), _text(value.get("description"))
            if name and text:
                yield _entry(value, labels.label(name), text)
        for inner in value.values():
            if isinstance(inner, dict | list):
                yield from _terms(inner, depth + 1)


def _entry(value: dict[str, object], name: str, text: str) -> RawEntry:
    others = value.get("alternateName")
    names = [
        n for other in (others if isinstance(others, list) else [others]) if (n := _text(other)) and n != name
    ]
    anchor = str(value.get("@id") or value.get("url") or "").partition("#")[2]
    return RawEntry(
        heads=(name,),
        senses=(text,),
        aliases=tuple(Alias(n, labels.alias_kind(n, name)) for n in names),
        anchors=(anchor,) if anchor else (),
    )


def _text(value: object) -> str:
    """A text, or the value of a tagged one, without markup."""
    if isinstance(value, dict):
        value = value.get("@value")
    if isinstance(value, list):
        value = next((v for v in value if v), "")
    return _TAG.sub(" ", value).strip() if isinstance(value, str) else ""
