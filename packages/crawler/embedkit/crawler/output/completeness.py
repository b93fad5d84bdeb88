"""Whether all terms were extracted, by the page's own records: Sphinx's `objects.inv`, Parsoid's template calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.sources.documents import Document
from embedkit.crawler.sources.inventory import INVENTORY, inventory_terms
from embedkit.text import fold

_TEMPLATES = frozenset(("term", "glossary term"))
_LINK = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]*)\]\]")


@dataclass(frozen=True, slots=True)
class Completeness:
    """How many terms the page's records name, and which of them were not extracted."""

    kind: str
    expected: int
    missing: tuple[str, ...]

    @property
    def found(self) -> int:
        """Terms of the records that were extracted."""
        return self.expected - len(self.missing)

    def to_object(self) -> dict[str, Any]:
        """The JSON form."""
        missing = list(self.missing)
        return {"by": self.kind, "expected": self.expected, "found": self.found, "missing": missing}


def check_completeness(document: Document, found: Extraction) -> Completeness | None:
    """Compare the entries with the page's records; None for a page without records."""
    if document.inventory:
        kind, names = INVENTORY, list(inventory_terms(document))
    elif "data-mw" in document.html:
        kind, names = "data-mw", list(_template_terms(document.html))
    else:
        return None
    known = {fold(h) for h in found.heads}
    known |= {fold(n) for t in found.entries for n in (t.term, *(a.text for a in t.aliases))}
    missing = tuple(n for n in names if fold(n) not in known)
    return Completeness(kind, len(names), missing) if names else None


def _template_terms(html: str) -> Iterator[str]:
    """The arguments of `{{term}}` calls, in the order of the page."""
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
