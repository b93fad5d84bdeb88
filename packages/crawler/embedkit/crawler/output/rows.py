"""A crawled page, its terms as rows of the glossary, and what changed between two crawls, term by term."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embedkit.crawler.extract.records import Extraction, Term
from embedkit.crawler.fetch.urls import with_anchor
from embedkit.crawler.output.completeness import Completeness
from embedkit.crawler.sources.documents import Document
from embedkit.data.entries import Entry, entry_id
from embedkit.text import clean, fold, language_of

_MAX_TITLE_CHARS = 200
_DOMAIN = (
    re.compile(
        r"^(?:a )?(?:glossary|list|dictionary|lexicon) of (?:common |basic |key )?(?P<domain>.+?)"
        r"(?: (?:terms?|terminology|topics|jargon|concepts|abbreviations|acronyms))*$",
        re.IGNORECASE,
    ),
    re.compile(r"^(?P<domain>.+?)(?: terms?)? (?:glossary|terminology|dictionary)$", re.IGNORECASE),
    re.compile(r"^(?P<domain>.+?)\s*(?:분야\s*)?(?:용어|약어)(?:\s*(?:목록|사전|집|정리|해설))*$"),
    re.compile(r"^(?P<domain>.+?)(?:に関する)?用語(?:集|一覧|辞典)?$"),
)  # fmt: skip
Key = tuple[str, str]


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


def rows(page: CrawledPage) -> Iterator[Entry]:
    """The rows of a page, one per sense, with ids that stay the same when the page is crawled again."""
    domain = domain_of(page.title)
    senses: Counter[str] = Counter()
    for term in page.extraction.entries:
        for definition in term.senses:
            key = fold(term.term)
            yield _row(page, term, definition, domain=domain, sense=senses[key])
            senses[key] += 1


def _row(page: CrawledPage, term: Term, definition: str, *, domain: str, sense: int) -> Entry:
    document = page.document
    return Entry(
        term=term.term,
        definition=definition,
        aliases=term.aliases,
        lang=term.lang or language_of(definition, fallback=page.extraction.lang or document.lang or "en"),
        domain=domain,
        source=page.name,
        source_url=with_anchor(document.url, term.anchor),
        permalink=document.permalink,
        revision=document.revision,
        license=document.license,
        retrieved_at=document.retrieved_at,
        entry_id=entry_id(page.name, term.term, sense),
    )


def domain_of(title: str) -> str:
    """The domain that a title names: "video game" of "Glossary of video game terms"; else empty."""
    text = clean(re.sub(r"<[^>]+>", "", title[:_MAX_TITLE_CHARS]))
    for pattern in _DOMAIN:
        match = pattern.match(text)
        if match and len(match["domain"].split()) <= 5:
            return match["domain"]
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Terms, in the order of their file."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def difference(old: Iterable[Entry], new: Iterable[Entry]) -> Difference:
    """Compare by language and folded term; a term is changed when its definitions or names differ."""
    before, after = _by_term(old), _by_term(new)
    return Difference(
        added=tuple(rows[0].term for key, rows in after.items() if key not in before),
        changed=tuple(
            rows[0].term
            for key, rows in after.items()
            if key in before and _content(rows) != _content(before[key])
        ),
        removed=tuple(rows[0].term for key, rows in before.items() if key not in after),
    )


def _by_term(entries: Iterable[Entry]) -> Mapping[Key, list[Entry]]:
    found: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.lang, fold(entry.term)].append(entry)
    return found


def _content(rows: Iterable[Entry]) -> frozenset[object]:
    return frozenset((e.term, e.definition, e.aliases) for e in rows)
