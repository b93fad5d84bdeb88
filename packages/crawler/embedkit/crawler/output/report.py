"""The counts of one source, for the report and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embedkit.crawler.output.completeness import Completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """The counts of one source. `senses` are its rows in the CSV; `evidence` counts other names by their origin."""

    name: str
    title: str
    url: str
    terms: int
    entries: int
    redirects: int
    aliases: int
    senses: int
    dropped: Mapping[str, int]
    reason: str
    evidence: Mapping[str, int] = field(default_factory=dict)
    revision: str = ""
    license: str = ""
    retrieved_at: str = ""
    from_cache: bool = False
    proof: Completeness | None = None

    def to_object(self) -> dict[str, Any]:
        """The JSON form that `--json` prints and the manifest carries."""
        proof = self.proof and {
            "by": self.proof.kind,
            "expected": self.proof.expected,
            "found": self.proof.found,
            "missing": list(self.proof.missing),
        }
        return {
            "name": self.name, "title": self.title, "url": self.url, "terms": self.terms,
            "entries": self.entries, "redirects": self.redirects, "aliases": self.aliases,
            "senses": self.senses, "dropped": dict(self.dropped), "alias_evidence": dict(self.evidence),
            "reason": self.reason, "revision": self.revision, "license": self.license, "proof": proof,
        }  # fmt: skip
