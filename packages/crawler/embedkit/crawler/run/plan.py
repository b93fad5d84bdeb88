"""From options to a plan: the pages to read, and the settings to fetch them by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from embedkit.crawler.fetch.config import CUSTOM_URLS, SOURCES, WIKIPEDIA, FetchSettings
from embedkit.crawler.fetch.network import allowed
from embedkit.crawler.fetch.urls import read_urls
from embedkit.crawler.run.options import CrawlOptions
from embedkit.crawler.sources.documents import PageSource
from embedkit.crawler.sources.dump import dump_source
from embedkit.crawler.sources.files import file_sources
from embedkit.crawler.sources.mediawiki import category_sources, page_sources
from embedkit.crawler.sources.sites import url_sources
from embedkit.errors import UserError
from embedkit.messages import tr
from embedkit.text import clean


def planned_sources(options: CrawlOptions) -> tuple[PageSource, ...]:
    """The pages to read, each once, in the order of the options. Raises `UserError` when there is none."""
    found = tuple({source.request: source for source in _sources(options)}.values())
    if not found:
        raise UserError(
            "nothing to crawl", hint="--sources wikipedia_glossary, --url ADDRESS or --from-file PATH"
        )
    return found


def _sources(options: CrawlOptions) -> Iterator[PageSource]:
    """The pages of every kind; `--title` and `--url` imply their sources."""
    named, lang = _named_sources(options), options.lang or "en"
    yield from (dump_source(Path(path), tuple(options.titles)) for path in options.from_dump)
    wiki = WIKIPEDIA in named or bool(options.api) or bool(options.titles and not options.from_dump)
    if wiki and (options.titles or not options.categories):
        yield from page_sources(options.titles, lang=lang, api=options.api)
    yield from category_sources(options.categories, lang=lang, api=options.api)
    if CUSTOM_URLS in named and not options.urls:
        raise UserError(
            "custom_urls needs an address",
            hint="--url https://example.org/glossary, a file of addresses, or -",
        )
    yield from url_sources(read_urls(options.urls))
    yield from file_sources([Path(path) for path in options.from_file])


def _named_sources(options: CrawlOptions) -> list[str]:
    """The names in `--sources a,b`."""
    names = [n.strip() for value in options.sources for n in value.split(",") if n.strip()]
    for name in names:
        if name not in SOURCES:
            raise UserError(
                "{name!r} is no source",
                place="--sources",
                hint="there are {sources}; files go to --from-file",
                name=name,
                sources=tr(" and ").join(SOURCES),
            )
    return names


def fetch_settings(options: CrawlOptions) -> FetchSettings:
    """The limits and manners of `--config`, or the defaults; an option beats them."""
    settings = _config_settings(options.config)
    return replace(
        settings,
        contact=_checked_contact(options.contact or settings.contact),
        permitted=settings.permitted | allowed(options.allow_private),
        offline=options.offline,
        use_proxy=options.use_proxy or settings.use_proxy,
    )


def _config_settings(path: Path | str | None) -> FetchSettings:
    if path is None:
        return FetchSettings()
    # pydantic takes 100 ms, and most crawls have no file
    from embedkit.crawler.run.settings import read_settings

    return read_settings(path)


def _checked_contact(contact: str) -> str:
    text = clean(contact)
    if any(c in text for c in "()\r\n") or not text.isprintable() or not text.isascii():
        raise UserError("has to be an e-mail address or a web address", place="contact")
    return text
