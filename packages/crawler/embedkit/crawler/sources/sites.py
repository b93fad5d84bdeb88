"""Pages of any site, by address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from embedkit.crawler.fetch import cache, robots, urls
from embedkit.crawler.fetch.cache import HttpAnswer
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.sources.documents import CC_BY_SA, Document, PageSource, licence_of, sha256
from embedkit.crawler.sources.inventory import INVENTORY, inventory_root
from embedkit.crawler.sources.markup import read_content
from embedkit.crawler.sources.mediawiki import pace_s
from embedkit.errors import UserError

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def url_sources(addresses: Sequence[str]) -> Iterator[PageSource]:
    """Pages of any site."""
    for address in addresses:
        licence = CC_BY_SA if urls.is_wikimedia(address) else ""
        yield PageSource(
            kind="custom_urls",
            name=address,
            title=address,
            request=address,
            page_url=address,
            license=licence,
        )


def load(source: PageSource, fetcher: Fetcher) -> Iterator[Document]:
    """Fetch a page. Raises `UserError` when robots.txt forbids it, or the server gives none."""
    verdict = robots.ask(source.request, fetcher)
    if not verdict.allowed:
        raise UserError(
            "robots.txt asks programs not to fetch this page",
            place=source.request,
            hint="save it in a browser and use --from-file",
        )
    pace = max(pace_s(source.request, fetcher), verdict.delay_s)
    answer = fetcher.get(
        source.request, pace_s=pace, fresh_s=fetcher.settings.fresh_s if _unvalidated(source) else 0.0
    )
    if answer.status >= 400:
        raise UserError(
            "the server answers {status}",
            place=source.request,
            hint=_why_refused(answer.status, fetcher),
            status=answer.status,
        )
    page = document(source, answer)
    yield replace(page, inventory=_inventory(page, fetcher, pace))


def sample(source: PageSource) -> Document | None:
    """The page as it was last fetched, for a dry run; None where it never was."""
    answer = cache.lookup(source.request)
    return document(source, answer) if answer is not None and answer.status < 400 else None


def _inventory(page: Document, fetcher: Fetcher, pace_s: float) -> bytes:
    """The `objects.inv` of a Sphinx page, for the check for completeness; empty if the site has none."""
    root = inventory_root(page.html)
    address = urljoin(urljoin(page.url, root or ""), INVENTORY)
    if root is None or urls.host_of(address) != urls.host_of(page.url):
        return b""
    verdict = robots.known(address)
    if verdict is not None and not verdict.allowed:
        return b""
    try:
        answer = fetcher.get(address, pace_s=pace_s, fresh_s=robots.FRESH_S)
    except UserError:
        return b""
    return answer.body if answer.status == 200 else b""


def _why_refused(status: int, fetcher: Fetcher) -> str:
    if status == 403 and not fetcher.settings.contact:
        return "the site may require a contact: --contact you@example.org"
    return "check the address in a browser"


def _unvalidated(source: PageSource) -> bool:
    """Whether the cached answer has neither ETag nor date to revalidate, so that only its age counts."""
    known = cache.lookup(source.request)
    return known is not None and not known.headers.get("etag") and not known.headers.get("last-modified")


def document(source: PageSource, answer: HttpAnswer) -> Document:
    """The page in an answer of any site."""
    kind = answer.headers.get("content-type", "")
    charset = _CHARSET.search(kind)
    suffix = Path(urlsplit(answer.final_url).path).suffix.lower()
    content = read_content(
        answer.body, place=source.request, suffix=suffix, kind=kind, charset=charset[1] if charset else ""
    )
    return Document(
        source=source,
        html=content.html,
        groups=content.groups,
        title=content.title,
        sha256=sha256(answer.body),
        url=answer.final_url,
        license=source.license or licence_of(content.html),
        lang=content.lang
        or answer.headers.get("content-language", "").split(",")[0].split("-")[0].strip().lower(),
        retrieved_at=answer.fetched_at,
        from_cache=answer.from_cache,
    )
