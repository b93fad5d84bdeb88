"""TBX, the exchange format of term bases (ISO 30042): versions 2 (`martif`) and 3 (`tbx`, both styles)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedkit.crawler.formats.concepts import xml
from embedkit.crawler.formats.concepts.concept import Name, TermConcept, content_of, language
from embedkit.crawler.formats.content import Content
from embedkit.data.entries import AliasKind
from embedkit.text import is_acronym

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOTS = ("mtf", "martif", "tbx", "TBX", "termEntry", "conceptEntry")
_LANGUAGES = ("langSet", "langSec", "languageGrp")
_TERMS = ("tig", "ntig", "termSec", "termGrp")
_SECOND = ("admitted", "deprecated", "superseded", "obsolete")
_SHORT = ("abbreviation", "acronym", "initialism", "shortform", "short form", "abbreviatedform")


def read(body: bytes, *, place: str) -> Content:
    """The entries of a term base, one for each language that has a definition."""
    root = xml.parse(body, place=place)
    titles = [xml.text(t) for t in xml.find_all(root, "title")]
    concepts = [_concept(entry) for entry in xml.find_all(root, "termEntry", "conceptEntry", "conceptGrp")]
    return content_of("TBX", concepts, title=titles[0] if titles else "")


def _concept(entry: Element) -> TermConcept:
    concept = TermConcept(anchor=entry.get("id") or "")
    concept.definitions += [("", text) for text in _definitions(entry, deep=False)]
    for section in xml.children(entry, *_LANGUAGES):
        own = xml.children(section, "language")  # MultiTerm's own XML
        lang = language(
            section.get(xml.XML_LANG) or section.get("lang") or (own[0].get("lang") if own else "")
        )
        concept.definitions += [(lang, text) for text in _definitions(section, deep=True)]
        for group in xml.children(section, *_TERMS) or [section]:
            concept.names += [_name(group, term, lang) for term in xml.find_all(group, "term")]
    return concept


def _definitions(node: Element, *, deep: bool) -> Iterator[str]:
    """The definitions of a level; those of a language stand at it or at its terms."""
    if deep:
        nodes = list(node.iter())
    else:
        nodes = [n for child in node if xml.local(child) not in _LANGUAGES for n in child.iter()]
    for n in nodes:
        kind = (n.get("type") or "").lower()
        if (xml.local(n) == "descrip" and kind in ("definition", "explanation")) or xml.local(
            n
        ) == "definition":
            yield xml.text(n)


def _name(group: Element, term: Element, lang: str) -> Name:
    marks = [
        xml.text(n).lower() for n in group.iter() if xml.local(n) not in ("term", "descrip", "definition")
    ]
    kind: AliasKind | None = None
    if any(m.startswith(_SECOND) or "admitted" in m or "deprecated" in m for m in marks if len(m) < 60):
        kind = "synonym"
    text = xml.text(term)
    if any(m in _SHORT for m in marks) or (kind and is_acronym(text)):
        kind = "abbreviation"
    elif "fullform" in marks:
        kind = kind and "full_form"
    return Name(text, lang, kind)
