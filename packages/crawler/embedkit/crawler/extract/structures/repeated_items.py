"""Terms and definitions that only their layout pairs: cards, accordions of `div`s, a line and the block below it.

Read on pages that call themselves glossaries, from elements that look alike: either each of them holds a short line and
a text, or two kinds of neighbours alternate, the one short and the other a text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from selectolax.lexbor import LexborNode

from embedkit.crawler.extract import labels, words
from embedkit.crawler.extract.noise import attribute
from embedkit.crawler.extract.records import Group, RawEntry
from embedkit.crawler.extract.tree import Page, lines, text_of, within

_PARENTS = "main, article, section, div, ul, ol, td, fieldset, span, center, form"
_MIN_ITEMS = 3
_MAX_LINES = 40
_MAX_TEXT = 20_000
_NUMBER = re.compile(r"^[\W\d]*(?:\d+(?:\.\d+)*|[A-Z])?[\W\d]*$")
_Key = tuple[str, ...]


def repeated_items(page: Page) -> Group | None:
    """The terms of the kind of element that gives the most; None where no kind gives three that can be terms."""
    items: dict[_Key, list[RawEntry | None]] = defaultdict(list)
    pairs: dict[_Key, list[RawEntry]] = defaultdict(list)
    seen: dict[_Key, int] = defaultdict(int)
    order = 0
    for parent in {n.mem_id: n for n in (page.body, *page.body.css(_PARENTS))}.values():
        children = [c for c in _children(parent) if c.tag not in ("dl", "table", "script", "dt", "dd")]
        if len(children) >= _MIN_ITEMS and not within(parent, ("dl", "table")):
            paired = list(_alternating(children))
            for key, entry in paired:
                order += 1
                pairs[key].append(_placed(entry, order))
            for key in {key for key, _ in paired}:
                seen[key] += sum(_kind(c) == key[0] for c in children)
        for child in children:
            if child.tag == "li" or attribute(child, "class") or len(children) >= _MIN_ITEMS:
                order += 1
                card = _item(child)
                items[(_kind(child),)].append(_placed(card, order) if card else None)
    candidates = [_sound([e for e in found if e], len(found)) for found in items.values()]
    candidates += [_sound(found, seen[key]) for key, found in pairs.items()]
    best = max(candidates, key=len, default=())
    return Group(structure="repeated item", found=best) if best else None


def _placed(entry: RawEntry, line: int) -> RawEntry:
    return RawEntry(
        heads=entry.heads, senses=entry.senses, aliases=entry.aliases, anchors=entry.anchors, line=line
    )


def _children(node: LexborNode) -> list[LexborNode]:
    child, found = node.child, []
    while child is not None:
        if child.is_element_node:
            found.append(child)
        child = child.next
    return found


def _kind(node: LexborNode) -> str:
    """An element's name and classes; states and numbers that differ among neighbours are left out."""
    names = [
        n
        for n in attribute(node, "class").split()
        if not re.search(r"\d|^(?:active|open|show|first|last|odd|even|current|collapsed|is-\w+)$", n)
    ]
    return ".".join((node.tag or "", *sorted(names)))


def _item(node: LexborNode) -> RawEntry | None:
    """An element that holds a short line and then a text."""
    if len(node.inner_html or "") > _MAX_TEXT or node.css_first("h1, h2, h3, h4, dl, table") is not None:
        return None
    found = [line for line in lines(node) if line.kind != "group"][:_MAX_LINES]
    while found and _NUMBER.match(found[0].text):
        found = found[1:]
    if len(found) == 1 and (spans := _spans(node)):
        return spans
    if len(found) < 2:
        return None
    first = found[0]
    head, rest = (first.lead, first.rest) if first.mark in ("b", "dfn") and first.lead else (first.text, "")
    if not _can_be_term(head):
        return None
    name = labels.label(head)
    alias = labels.name_in_parenthesis(name, rest.strip(" ()[]")) if rest and labels.is_label(rest) else None
    senses = "\n".join(line.text for line in found[1:])
    return RawEntry(
        heads=(name,), senses=(senses,), aliases=(alias,) if alias else (), anchors=_anchors(node)
    )


def _spans(node: LexborNode) -> RawEntry | None:
    """A term and a definition in two inline elements of a line, without a text beside them."""
    parts = _children(node)
    texts = [text for part in parts if (text := text_of(part))]
    whole = "".join(text_of(node).split())
    if len(texts) != 2 or "".join("".join(texts).split()) != whole or not _can_be_term(texts[0]):
        return None
    return RawEntry(heads=(labels.label(texts[0]),), senses=(texts[1],), anchors=_anchors(node))


def _alternating(children: Sequence[LexborNode]) -> Iterator[tuple[_Key, RawEntry]]:
    """Each child that is a short line, with the neighbours of another kind after it."""
    kinds = [_kind(c) for c in children]
    for at, (child, kind) in enumerate(zip(children, kinds, strict=True)):
        if (
            at + 1 == len(children)
            or kinds[at + 1] == kind
            or _is_heading(child)
            or _is_heading(children[at + 1])
        ):
            continue
        head = text_of(child)
        if "\n" in head or not _can_be_term(head):
            continue
        end = at + 1
        while end < len(children) and kinds[end] == kinds[at + 1]:
            end += 1
        texts = [text for c in children[at + 1 : end] if (text := text_of(c))]
        if texts and len(texts[0]) < _MAX_TEXT:
            name = labels.label(head)
            yield (
                (kind, kinds[at + 1]),
                RawEntry(heads=(name,), senses=("\n".join(texts),), anchors=_anchors(child)),
            )


def _is_heading(node: LexborNode) -> bool:
    return (node.tag or "") in ("h1", "h2", "h3", "h4", "h5", "h6", "summary", "hr", "br")


def _can_be_term(text: str) -> bool:
    name = labels.trim(text)
    return (
        labels.is_label(name)
        and len(name.split()) <= 8
        and bool(re.search(r"[^\W\d_]", name))
        and not text.rstrip().endswith(("?", "？", "!", "…", "."))
        and not words.LETTER.match(name)
    )


def _anchors(node: LexborNode) -> tuple[str, ...]:
    inner = node.css_first("[id]")
    return tuple(a for a in (attribute(node, "id") or (attribute(inner, "id") if inner else ""),) if a)


def _titles_columns(entry: RawEntry) -> bool:
    """Whether the first of the pairs names what they are: "Term", "Definition"."""
    terms = any(p.match(entry.heads[0]) for p in words.TERM_HEADERS[:1])
    return terms and bool(words.DEFINITION_HEADERS[0].match(labels.trim(entry.senses[0])))


def _sound(found: Sequence[RawEntry], count: int) -> tuple[RawEntry, ...]:
    """The entries if they read like a glossary: most elements of the kind, different heads, longer definitions."""
    if len(found) < _MIN_ITEMS or len(found) * 10 < count * 7:
        return ()
    if _titles_columns(found[0]):
        found = found[1:]
    heads = [f.heads[0] for f in found]
    texts = [f.senses[0] for f in found]
    prose = median(len(t.split()) if t.isascii() else len(t) / 3 for t in texts)
    if len(set(heads)) * 10 < len(heads) * 8 or median(len(h.split()) for h in heads) > 4 or prose < 4:
        return ()
    if (
        sum(map(labels.is_code, heads)) * 3 > len(heads)
        or median(map(len, heads)) * 2 > median(map(len, texts)) * 1.6
    ):
        return ()
    return tuple(found)
