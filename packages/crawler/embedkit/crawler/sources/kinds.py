"""The kinds of sources: to add one, write a module with `load` and `sample`, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.sources import dump, files, mediawiki, sites
from embedkit.crawler.sources.documents import Document, Kind, PageSource


@dataclass(frozen=True, slots=True)
class SourceKind:
    """How a kind is read.

    `load` reads or fetches the pages of a source and raises `UserError` when it cannot; `sample` gives a page for a dry
    run, without network; `local` sources are on this machine.
    """

    load: Callable[[PageSource, Fetcher], Iterator[Document]]
    sample: Callable[[PageSource], Document | None]
    local: bool = False


_KINDS: Mapping[Kind, SourceKind] = {
    "file": SourceKind(files.load, files.sample, local=True),
    "dump": SourceKind(dump.load, dump.sample, local=True),
    "custom_urls": SourceKind(sites.load, sites.sample),
    "wikipedia_glossary": SourceKind(mediawiki.load, mediawiki.sample),
    # Its pages are listed when the crawl starts.
    "wiki_category": SourceKind(mediawiki.load, lambda _: None),
}


def kind_of(source: PageSource) -> SourceKind:
    """How a source is read."""
    return _KINDS[source.kind]
