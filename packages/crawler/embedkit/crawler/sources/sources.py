"""Pages of any site and files: how each is read, and told to be HTML, Markdown or a MediaWiki answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from embedkit.crawler.extract.decode import decode
from embedkit.crawler.extract.markdown import markdown_to_html
from embedkit.crawler.fetch import cache, robots, urls
from embedkit.crawler.fetch.cache import Answer
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.fetch.config import WIKIPEDIA
from embedkit.crawler.output.proof import INVENTORY, inventory_root
from embedkit.crawler.sources import dump, mediawiki
from embedkit.crawler.sources.documents import CC_BY_SA, Document, Source, licence_of, sha256
from embedkit.crawler.sources.mediawiki import pace_s, parse_answer
from embedkit.errors import UserError
from embedkit.files import read_bytes

HTML_SUFFIXES = frozenset((".html", ".htm", ".xhtml"))
MARKDOWN_SUFFIXES = frozenset((".md", ".markdown", ".mdx", ".mkd", ".txt"))
PAGE_SUFFIXES = HTML_SUFFIXES | MARKDOWN_SUFFIXES | {".json"}
_MAGIC = {
    b"%PDF-": "a PDF file", b"PK\x03\x04": "a ZIP file", b"\x89PNG": "a picture", b"GIF8": "a picture",
    b"\xff\xd8\xff": "a picture", b"\x1f\x8b": "a gzip file", b"\x7fELF": "a program",
    b"\xd0\xcf\x11\xe0": "an Office file",
}  # fmt: skip
_TAG = re.compile(
    rb"<(?:!doctype|\?xml|html|head|body|div|p|dl|table|h[1-6]|ul|ol|section|article|span|a|b)\b",
    re.IGNORECASE,
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def url_sources(addresses: Sequence[str]) -> Iterator[Source]:
    """Pages of any site."""
    for address in addresses:
        licence = CC_BY_SA if urls.is_wikimedia(address) else ""
        yield Source(
            kind="custom_urls",
            name=address,
            title=address,
            request=address,
            page_url=address,
            license=licence,
        )


def file_sources(paths: Sequence[Path]) -> Iterator[Source]:
    """Files, and the pages of folders in the order of their names."""
    for path in paths:
        if path.is_dir():
            inner = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in PAGE_SUFFIXES)
            if not inner:
                raise UserError("no .html, .md or .json file in this folder", place=str(path))
            for file in inner:
                name = file.relative_to(path).as_posix()
                yield Source(kind="file", name=name, title=name, request=str(file), optional=True)
        else:
            yield Source(kind="file", name=path.name, title=path.name, request=str(path))


def load(source: Source, fetcher: Fetcher) -> Iterator[Document]:
    """Read or fetch a page; a dump has many. Raises `UserError` when it cannot be had or is no page."""
    if source.kind == "dump":
        yield from dump.documents(source)
    elif source.kind == "file":
        yield _from_file(source)
    elif source.kind == WIKIPEDIA:
        yield mediawiki.load(source, fetcher)
    else:
        yield _from_site(source, fetcher)


def cached(source: Source) -> Document | None:
    """The document as the last fetch left it, for a dry run; None where there is none."""
    if source.kind == "file":
        return _from_file(source)
    if source.kind == "dump":
        return next(dump.documents(source), None)
    answer = cache.lookup(source.request)
    if answer is None or answer.status >= 400 or source.kind == "wiki_category":
        return None
    return mediawiki.document(source, answer) if source.kind == WIKIPEDIA else _site_document(source, answer)


def _from_file(source: Source) -> Document:
    body = read_bytes(source.request)
    html, title = to_html(body, place=source.request, suffix=Path(source.request).suffix.lower())
    root = inventory_root(html)
    inventory = Path(source.request).parent / (root or "") / INVENTORY
    return Document(
        source=source,
        html=html,
        title=title,
        sha256=sha256(body),
        license=licence_of(html),
        inventory=inventory.read_bytes() if root is not None and inventory.is_file() else b"",
    )


def _from_site(source: Source, fetcher: Fetcher) -> Document:
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
    document = _site_document(source, answer)
    return replace(document, inventory=_inventory(document, fetcher, pace))


def _inventory(document: Document, fetcher: Fetcher, pace_s: float) -> bytes:
    """A Sphinx page's list of all terms, for the proof; none where the site does not give it."""
    root = inventory_root(document.html)
    address = urljoin(urljoin(document.url, root or ""), INVENTORY)
    if root is None or urls.host_of(address) != urls.host_of(document.url):
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
        return "it may want to know who asks: --contact you@example.org"
    return "check the address in a browser"


def _unvalidated(source: Source) -> bool:
    """Whether the cached answer has no ETag and no date to ask about, so that only its age can be judged."""
    known = cache.lookup(source.request)
    return known is not None and not known.headers.get("etag") and not known.headers.get("last-modified")


def _site_document(source: Source, answer: Answer) -> Document:
    kind = answer.headers.get("content-type", "")
    charset = _CHARSET.search(kind)
    suffix = Path(urlsplit(answer.final_url).path).suffix.lower()
    html, title = to_html(
        answer.body, place=source.request, suffix=suffix, kind=kind, charset=charset[1] if charset else ""
    )
    return Document(
        source=source,
        html=html,
        title=title,
        sha256=sha256(answer.body),
        url=answer.final_url,
        license=source.license or licence_of(html),
        lang=answer.headers.get("content-language", "").split(",")[0].split("-")[0].strip().lower(),
        retrieved_at=answer.fetched_at,
        from_cache=answer.from_cache,
    )


def to_html(
    body: bytes, *, place: str, suffix: str = "", kind: str = "", charset: str = ""
) -> tuple[str, str]:
    """`(html, title)` of HTML, Markdown or a MediaWiki answer, told apart by bytes and then by name."""
    if not body.strip():
        raise UserError("empty", place=place)
    for magic, what in _MAGIC.items():
        if body.startswith(magic):
            raise UserError(
                "{what}, not a page",
                place=place,
                hint="HTML, Markdown and MediaWiki JSON are read",
                what=what,
            )
    if body.lstrip()[:1] == b"{" and (suffix == ".json" or "json" in kind or not _TAG.search(body[:2000])):
        parsed = parse_answer(body, place=place)
        return parsed["text"], str(parsed.get("title") or "")
    text = decode(body, charset=charset)
    if (
        suffix in MARKDOWN_SUFFIXES
        or "markdown" in kind
        or not _TAG.search(body[: 256 * 1024].replace(b"\x00", b""))
    ):
        return markdown_to_html(text), ""
    return text, ""
