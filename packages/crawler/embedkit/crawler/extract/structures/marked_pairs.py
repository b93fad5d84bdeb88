"""Terms and definitions marked as such: schema.org DefinedTerm, and classes like term and definition."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from embedkit.crawler.extract import labels
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.tree import Page, attribute, text_of, within

_OWN = r"(?:gloss(?:ary)?|term|dictionary|lexicon|vocab(?:ulary)?)(?:[-_]*(?:item|entry|card|list))?[-_]*"
_TERM = re.compile(
    rf"^(?:{_OWN}(?:term|title|name|word|heading|label)|term|headword|lemma|word)$", re.IGNORECASE
)
_DEFINITION = re.compile(
    rf"^(?:{_OWN}(?:definition|description|desc|def|text|content|meaning|body|explanation)|definition|meaning)$",
    re.IGNORECASE,
)


_MARKED = (
    ", ".join(
        f"[class*={word} i]"
        for word in ("term", "word", "lemma", "gloss", "dict", "lexicon", "vocab", "defin", "meaning")
    )
    + ", [itemprop]"
)


def marked_pairs(page: Page) -> Group | None:
    """Each element marked as a term with the definitions marked after it; None for fewer than two."""
    found = tuple(f for f in _pairs(page) if f.senses)
    return Group(structure="marked pair", found=found) if len(found) >= 2 else None


def _pairs(page: Page) -> Iterator[RawEntry]:
    head, senses, anchors = "", list[str](), tuple[str, ...]()
    for node in page.body.css(_MARKED):
        role = _role(node)
        if role and within(node, ("dl", "table")):
            continue
        if role == "term":
            if head:
                yield RawEntry(heads=(head,), senses=tuple(senses), anchors=anchors)
            head, senses = labels.label(text_of(node).replace("\n", " ")), []
            anchors = tuple(a for a in (attribute(node, "id"),) if a)
        elif role == "definition" and head:
            text = text_of(node)
            if text and text not in senses:
                senses.append(text)
    if head:
        yield RawEntry(heads=(head,), senses=tuple(senses), anchors=anchors)


def _role(node: LexborNode) -> str:
    prop = attribute(node, "itemprop")
    if prop in ("name", "termCode", "description") and _is_defined_term(node):
        return {"name": "term", "description": "definition"}.get(prop, "")
    tokens = attribute(node, "class").split()
    if any(_TERM.match(t) for t in tokens):
        return "term"
    return "definition" if any(_DEFINITION.match(t) for t in tokens) else ""


def _is_defined_term(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        if attribute(parent, "itemtype"):
            return attribute(parent, "itemtype").rstrip("/").endswith("DefinedTerm")
        parent = parent.parent
    return False
