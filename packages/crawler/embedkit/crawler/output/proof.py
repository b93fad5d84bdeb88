"""Completeness proofs that pages carry: Sphinx's `objects.inv` beside them, Parsoid's template calls inside them."""

from __future__ import annotations

import json
import posixpath
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from selectolax.lexbor import LexborHTMLParser

from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.sources.documents import Document
from embedkit.text import fold

MAX_INVENTORY_BYTES = 20 * 1024 * 1024
INVENTORY = "objects.inv"
_ROOT = re.compile(
    r"data-(?:content|url)_root=[\"']([^\"']{0,200})[\"']|URL_ROOT:\s*[\"']([^\"']{0,200})[\"']"
)
_SPHINX = re.compile(
    r"documentation_options|Created using <a [^>]{0,100}sphinx|<dl class=[\"'][^\"']*\bglossary\b",
    re.IGNORECASE,
)
_INVENTORY_LINE = re.compile(r"^(?P<name>.+?)\s+std:term\s+-?\d+\s+(?P<uri>\S*)\s+(?P<shown>.*)$")
_TEMPLATES = frozenset(("term", "glossary term"))
_LINK = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]*)\]\]")


@dataclass(frozen=True, slots=True)
class Proof:
    """How many terms the page's own records name, and which of them were not extracted."""

    kind: str
    expected: int
    missing: tuple[str, ...]

    @property
    def found(self) -> int:
        """Terms of the records that were extracted."""
        return self.expected - len(self.missing)


def inventory_root(html: str) -> str | None:
    """Where a Sphinx page's `objects.inv` lies, relative to the page; None for another maker's page."""
    if not _SPHINX.search(html):
        return None
    match = _ROOT.search(html)
    return (match[1] or match[2] or "./") if match else "./"


def prove(document: Document, found: Extraction) -> Proof | None:
    """Hold the entries against the page's own records; None where it carries none."""
    if document.inventory:
        kind, names = INVENTORY, list(_inventory_terms(document))
    elif "data-mw" in document.html:
        kind, names = "data-mw", list(_template_terms(document.html))
    else:
        return None
    known = {fold(h) for h in found.heads}
    known |= {fold(n) for t in found.entries for n in (t.term, *(a.text for a in t.aliases))}
    missing = tuple(n for n in names if fold(n) not in known)
    return Proof(kind, len(names), missing) if names else None


def _inventory_terms(document: Document) -> Iterator[str]:
    """The `std:term` names of this page in an inventory of version 2."""
    head, _, packed = document.inventory.partition(b"zlib.\n")
    if b"version 2" not in head:
        return
    engine = zlib.decompressobj()
    try:
        text = engine.decompress(packed, MAX_INVENTORY_BYTES).decode("utf-8", errors="replace")
    except zlib.error:
        return
    page = unquote(urlsplit(document.url).path if document.url else document.source.request)
    for line in text.splitlines():
        match = _INVENTORY_LINE.match(line)
        if match and _ends_with(page, match["uri"].partition("#")[0]):
            yield match["name"] if match["shown"] in ("-", "") else match["shown"]


def _ends_with(page: str, name: str) -> bool:
    return posixpath.join("/", page.replace("\\", "/")).endswith(posixpath.join("/", name))


def _template_terms(html: str) -> Iterator[str]:
    """What `{{term}}` was called with, in the order of the page."""
    for node in LexborHTMLParser(html).css("[data-mw]"):
        try:
            value = json.loads(node.attributes.get("data-mw") or "")
        except ValueError:
            continue
        yield from _calls(value.get("parts") if isinstance(value, dict) else None)


def _calls(parts: object) -> Iterator[str]:
    for part in parts if isinstance(parts, Sequence) and not isinstance(parts, str) else ():
        template = part.get("template") if isinstance(part, dict) else None
        if not isinstance(template, dict):
            continue
        params = template.get("params") or {}
        if str((template.get("target") or {}).get("wt", "")).strip().lower() in _TEMPLATES:
            given = params.get("content") or params.get("term") or params.get("1") or {}
            name = _LINK.sub(r"\1", str(given.get("wt", ""))).replace("'''", "").replace("''", "").strip()
            if name and "{{" not in name and "<" not in name:
                yield name
