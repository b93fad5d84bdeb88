"""DocBook's `glossentry`, and its variable lists under a title that says glossary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedkit.crawler.extract import labels, words
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.formats.concepts import xml
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import Alias

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOTS = (
    *("glossary", "book", "article", "chapter", "appendix", "section", "glossdiv", "glosslist", "glossentry"),
    *("part", "set", "preface", "sect1"),
)


def read(body: bytes, *, place: str) -> Content:
    """The glossary entries of a DocBook document."""
    root = xml.parse(body, place=place)
    titles = [xml.text(t) for t in xml.find_all(root, "title")]
    title = titles[0] if titles else ""
    found = [e for node in xml.find_all(root, "glossentry") if (e := _entry(node))]
    if not found and words.GLOSSARY.search(title):
        found = [e for node in xml.find_all(root, "varlistentry") if (e := _list_entry(node))]
    lang = root.get(xml.XML_LANG) or root.get("lang") or ""
    group = Group(structure="DocBook", found=tuple(found), marked=True, certain=True)
    return Content(groups=(group,), title=title, lang=lang.replace("_", "-").split("-")[0].lower())


def _entry(node: Element) -> RawEntry | None:
    heads = tuple(h for n in xml.children(node, "glossterm") if (h := labels.label(xml.text(n))))
    if not heads:
        return None
    short = [xml.text(n) for n in xml.children(node, "acronym", "abbrev")]
    senses = [xml.text(n, without=("glossseealso",)) for n in xml.children(node, "glossdef")]
    return RawEntry(
        heads=heads,
        senses=(*(s for s in senses if s), *_pointers(node)),
        aliases=tuple(Alias(text, "abbreviation") for text in short if text),
        anchors=tuple(a for a in (node.get("id") or node.get(xml.XML_LANG.replace("lang", "id")),) if a),
        evidence="file",
    )


def _pointers(node: Element) -> Iterator[str]:
    for see in xml.children(node, "glosssee"):
        yield f"See {xml.text(see) or (see.get('otherterm') or '').replace('_', ' ')}."


def _list_entry(node: Element) -> RawEntry | None:
    heads = tuple(h for n in xml.children(node, "term") if (h := labels.label(xml.text(n))))
    senses = tuple(s for n in xml.children(node, "listitem") if (s := xml.text(n)))
    return RawEntry(heads=heads, senses=senses) if heads else None
