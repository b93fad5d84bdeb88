"""Terms and definitions marked as such: schema.org DefinedTerm, and classes like term and definition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborNode

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.noise import attribute
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.tree import Page, text_of, within
from embedkit.data.entries import Alias

_OWN = r"(?:gloss(?:ary)?|term|dictionary|lexicon|vocab(?:ulary)?)(?:[-_]*(?:item|entry|card|list))?[-_]*"
_TERM = re.compile(
    rf"^(?:{_OWN}(?:term|title|name|word|heading|label)|term|headword|lemma|word)$", re.IGNORECASE
)
_DEFINITION = re.compile(
    rf"^(?:{_OWN}(?:definition|description|desc|def|text|content|meaning|body|explanation)|item_?desc|definition|def|defn|meaning)$",
    re.IGNORECASE,
)


_MARKED = (
    ", ".join(
        f"[class*={word} i]"
        for word in ("term", "word", "lemma", "gloss", "dict", "lexicon", "vocab", "defin", "meaning")
    )
    + ", [itemprop], [property], [role=term], [role=definition], .def"
)


# RDFa's properties of a SKOS concept or a DefinedTerm, without their prefix.
_PROPERTIES = {
    "prefLabel": "term", "name": "term", "label": "term", "altLabel": "alias", "alternateName": "alias",
    "definition": "definition", "description": "definition", "comment": "definition", "scopeNote": "definition",
}  # fmt: skip


def marked_pairs(page: Page) -> Group | None:
    """Each element marked as a term with the definitions marked after it; None for fewer than two."""
    found = tuple(f for f in _pairs(page) if f.senses)
    stated = page.body.css_first("[property], [role=term], [itemprop]") is not None
    return Group(structure="marked pair", found=found, marked=stated) if len(found) >= 2 else None


def _pairs(page: Page) -> Iterator[RawEntry]:
    open_entry = _OpenPair()
    for node in page.body.css(_MARKED):
        role = _role(node)
        if role and within(node, ("dl", "table")):
            continue
        text = text_of(node) if role else ""
        if role == "term" and text:
            if open_entry.head:
                yield open_entry.entry()
            open_entry = _OpenPair(labels.label(text.replace("\n", " ")), attribute(node, "id"))
        elif role == "alias" and text and open_entry.head:
            open_entry.aliases.append(Alias(text, labels.alias_kind(text, open_entry.head)))
        elif role == "definition" and open_entry.head and text and text not in open_entry.senses:
            open_entry.senses.append(text)
    if open_entry.head:
        yield open_entry.entry()


@dataclass(slots=True)
class _OpenPair:
    """A marked term while what is marked after it is read."""

    head: str = ""
    anchor: str = ""
    senses: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)

    def entry(self) -> RawEntry:
        anchors = (self.anchor,) if self.anchor else ()
        return RawEntry(
            heads=(self.head,), senses=tuple(self.senses), aliases=tuple(self.aliases), anchors=anchors
        )


def _role(node: LexborNode) -> str:
    if attribute(node, "role") in ("term", "definition"):
        return attribute(node, "role")
    if attribute(node, "property"):
        return (
            _PROPERTIES.get(attribute(node, "property").rsplit(":", 1)[-1], "") if _is_concept(node) else ""
        )
    prop = attribute(node, "itemprop")
    if prop in ("name", "termCode", "description") and _is_defined_term(node):
        return {"name": "term", "description": "definition"}.get(prop, "")
    tokens = attribute(node, "class").split()
    if any(_TERM.match(t) for t in tokens):
        return "term"
    return "definition" if any(_DEFINITION.match(t) for t in tokens) else ""


def _is_concept(node: LexborNode) -> bool:
    """Whether an element lies in an RDFa description of a SKOS concept or a DefinedTerm."""
    parent = node.parent
    while parent is not None:
        if attribute(parent, "typeof"):
            return bool(re.search(r"(?:Concept|DefinedTerm)$", attribute(parent, "typeof")))
        parent = parent.parent
    return False


def _is_defined_term(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        kind = attribute(parent, "itemtype").rstrip("/")
        if kind and not kind.endswith("DefinedTermSet"):
            return kind.endswith("DefinedTerm")
        parent = parent.parent
    return False
