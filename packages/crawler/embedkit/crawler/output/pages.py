"""A crawled page: what was read, what was extracted from it, and whether that is everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.output.completeness import Completeness
from embedkit.crawler.sources.documents import Document


@dataclass(frozen=True, slots=True)
class CrawledPage:
    """A page with its terms. `completeness` is None for a page without records of its terms."""

    document: Document
    extraction: Extraction
    completeness: Completeness | None = None

    @property
    def name(self) -> str:
        """The name of its source."""
        return self.document.source.name

    @property
    def title(self) -> str:
        """The title that its source gives, else the one on the page."""
        return self.document.title or self.extraction.title

    def to_object(self) -> dict[str, Any]:
        """The JSON form in the manifest. `senses` are rows of the CSV; `alias_evidence` counts names by origin."""
        found, proof = self.extraction, self.completeness
        return {
            "name": self.name,
            "title": self.title,
            "url": self.document.url,
            "terms": found.terms,
            "entries": len(found.entries),
            "redirects": found.redirects,
            "aliases": found.aliases,
            "senses": found.senses,
            "dropped": dict(found.dropped),
            "alias_evidence": dict(found.evidence),
            "reason": found.verdict.reason,
            "revision": self.document.revision,
            "license": self.document.license,
            "proof": proof and proof.to_object(),
        }
