"""Translations from language versions: by equal anchors of two pages, or by Wikipedia's language links."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations
from pathlib import Path

from embedkit.crawler.extract.records import Extraction, Term
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.fetch.config import WIKIPEDIA
from embedkit.crawler.fetch.urls import with_anchor
from embedkit.crawler.output.rows import CrawledPage
from embedkit.crawler.sources import mediawiki
from embedkit.data.entries import Alias, Entry, entry_id
from embedkit.files import atomic
from embedkit.text import fold

MIN_SHARED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A row of `translations.csv`: two names of one concept, and the evidence (anchor or langlink)."""

    term: str
    lang: str
    translation: str
    translation_lang: str
    evidence: str
    source_url: str
    translation_url: str = ""
    entry_id: str = ""
    translation_entry_id: str = ""


def align(pages: Sequence[CrawledPage], fetcher: Fetcher, *, to: Sequence[str]) -> list[Translation]:
    """The translations among the crawled pages. `to`: the languages of the Wikipedia links to follow."""
    found = [t for a, b in combinations(pages, 2) for t in by_anchor(a, b)]
    found += [
        t for page in pages if page.document.source.kind == WIKIPEDIA for t in _by_links(page, fetcher, to)
    ]
    return list(dict.fromkeys(found))


def by_anchor(first: CrawledPage, second: CrawledPage) -> Iterator[Translation]:
    """Pair entries of two pages in different languages when half of the anchors of one are on the other."""
    left, right = first.extraction, second.extraction
    if left.lang == right.lang:
        return
    ours, theirs = _anchored(left), _anchored(right)
    shared = [a for a in ours if a in theirs]
    if len(shared) < MIN_SHARED or len(shared) * 2 < min(len(ours), len(theirs)):
        return
    for anchor in shared:
        a, b = ours[anchor], theirs[anchor]
        yield Translation(
            term=a.term,
            lang=left.lang,
            translation=b.term,
            translation_lang=right.lang,
            evidence="anchor",
            source_url=with_anchor(first.document.url, anchor),
            translation_url=with_anchor(second.document.url, anchor),
            entry_id=entry_id(first.name, a.term),
            translation_entry_id=entry_id(second.name, b.term),
        )


def _anchored(extraction: Extraction) -> Mapping[str, Term]:
    return {t.anchor: t for t in extraction.entries if t.anchor}


def _by_links(page: CrawledPage, fetcher: Fetcher, to: Sequence[str]) -> Iterator[Translation]:
    """The titles in other languages of the articles that terms link to."""
    document, found = page.document, page.extraction
    linked = {t.link: t for t in found.entries if t.link}
    endpoint = document.source.request.partition("?")[0]
    for lang in to or (("en",) if found.lang == "ko" else ("ko",)):
        if lang == found.lang or not linked:
            continue
        for title, translated in mediawiki.translations(endpoint, list(linked), lang, fetcher):
            name = translated.partition(" (")[0]
            if fold(name) != fold(linked[title].term):
                yield Translation(
                    term=linked[title].term,
                    lang=found.lang,
                    translation=name,
                    translation_lang=lang,
                    evidence="langlink",
                    source_url=with_anchor(document.url, linked[title].anchor),
                    entry_id=entry_id(document.source.name, linked[title].term),
                )


def with_translations(entries: Sequence[Entry], found: Sequence[Translation]) -> tuple[Entry, ...]:
    """The rows with their translations added to their other names."""
    names: dict[str, list[Alias]] = {}
    for t in found:
        names.setdefault(t.entry_id, []).append(Alias(t.translation, "translation", t.translation_lang))
        if t.translation_entry_id:
            names.setdefault(t.translation_entry_id, []).append(Alias(t.term, "translation", t.lang))
    return tuple(_named(e, names.get(entry_id(e.source, e.term), [])) for e in entries)


def _named(entry: Entry, names: Sequence[Alias]) -> Entry:
    known = {fold(entry.term)} | {fold(a.text) for a in entry.aliases}
    new = {fold(a.text): a for a in names if fold(a.text) not in known}
    return replace(entry, aliases=(*entry.aliases, *new.values())) if new else entry


def write_translations(path: Path, found: Sequence[Translation]) -> None:
    """Write the table of translations."""
    with atomic(path, newline="") as handle:
        writer = csv.DictWriter(handle, [f.name for f in fields(Translation)])
        writer.writeheader()
        writer.writerows(asdict(t) for t in found)
