"""Terms of a page as rows of the glossary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from embedkit.crawler.extract.records import Term
from embedkit.crawler.fetch.urls import with_anchor
from embedkit.crawler.output.pages import CrawledPage
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
        lang=language_of(definition, fallback=page.extraction.lang or document.lang or "en"),
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
