"""DITA's `glossentry`, alone in its topic or in a `glossgroup`, and its definition lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.formats.concepts import xml
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import Alias, AliasKind

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOTS = ("glossgroup", "dita", "topic", "concept", "reference")
_OTHER: dict[str, AliasKind] = {
    "glossAcronym": "abbreviation",
    "glossAbbreviation": "abbreviation",
    "glossShortForm": "abbreviation",
    "glossSynonym": "synonym",
    "glossSurfaceForm": "full_form",
}


def read(body: bytes, *, place: str) -> Content:
    """The glossary entries of a DITA topic."""
    root = xml.parse(body, place=place)
    found = [e for node in xml.find_all(root, "glossentry") if (e := _entry(node))]
    if not found:
        found = list(_lists(root))
    titles = [xml.text(t) for t in xml.children(root, "title")]
    lang = (root.get(xml.XML_LANG) or "").replace("_", "-").split("-")[0].lower()
    group = Group(structure="DITA", found=tuple(found), marked=True, certain=True)
    return Content(groups=(group,), title=titles[0] if titles else "", lang=lang)


def _entry(node: Element) -> RawEntry | None:
    terms = [xml.text(n) for n in xml.children(node, "glossterm")]
    if not terms:
        return None
    senses = [xml.text(n) for n in xml.find_all(node, "glossdef")]
    names = [(xml.text(n), kind) for name, kind in _OTHER.items() for n in xml.find_all(node, name)]
    return RawEntry(
        heads=tuple(labels.label(t) for t in terms),
        senses=tuple(s for s in senses if s),
        aliases=tuple(Alias(text, kind) for text, kind in names if text),
        anchors=tuple(a for a in (node.get("id"),) if a),
        evidence="file",
    )


def _lists(root: Element) -> Iterator[RawEntry]:
    for node in xml.find_all(root, "dlentry"):
        heads = tuple(h for n in xml.children(node, "dt") if (h := labels.label(xml.text(n))))
        senses = tuple(s for n in xml.children(node, "dd") if (s := xml.text(n)))
        if heads:
            yield RawEntry(heads=heads, senses=senses)
