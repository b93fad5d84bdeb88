"""The kinds of sources: to add one, write a module with `load` and `sample`, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.sources import dump, files, mediawiki, sites
from embedkit.crawler.sources.documents import Document, Kind, PageSource


@dataclass(frozen=True, slots=True)
class SourceKind:
    """How a kind is read: `load` gives its pages, `sample` one page for a dry run, without network."""

    load: Callable[[PageSource, Fetcher], Iterator[Document]]
    sample: Callable[[PageSource], Document | None]
    local: bool = False


_KINDS: Mapping[Kind, SourceKind] = {
    "file": SourceKind(files.load, files.sample, local=True),
    "dump": SourceKind(dump.load, dump.sample, local=True),
    "custom_urls": SourceKind(sites.load, sites.sample),
    "wikipedia_glossary": SourceKind(mediawiki.load, mediawiki.sample),
    "wiki_category": SourceKind(
        mediawiki.load, lambda _: None
    ),  # its pages are asked for when the crawl starts
}


def load(source: PageSource, fetcher: Fetcher) -> Iterator[Document]:
    """Read or fetch a page; a dump has many. Raises `UserError` when it cannot be had or is no page."""
    return _KINDS[source.kind].load(source, fetcher)


def sample(source: PageSource) -> Document | None:
    """A page of the source for a dry run, from this machine; None where there is none."""
    return _KINDS[source.kind].sample(source)


def is_local(source: PageSource) -> bool:
    """Whether a source is read from this machine."""
    return _KINDS[source.kind].local
