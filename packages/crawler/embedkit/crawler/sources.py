"""What is crawled: MediaWiki pages by `action=parse`, pages of any site, files; each becomes a document."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from embedkit.crawler import cache, robots, urls
from embedkit.crawler.cache import Answer
from embedkit.crawler.config import WIKIPEDIA
from embedkit.crawler.extract.decode import decode
from embedkit.crawler.extract.markdown import markdown_to_html
from embedkit.crawler.fetch import Fetcher
from embedkit.errors import UserError
from embedkit.files import read_bytes

Kind = Literal["wikipedia_glossary", "custom_urls", "file"]
CC_BY_SA = "CC BY-SA 4.0"
HTML_SUFFIXES = frozenset((".html", ".htm", ".xhtml"))
MARKDOWN_SUFFIXES = frozenset((".md", ".markdown", ".mdx", ".mkd", ".txt"))
PAGE_SUFFIXES = HTML_SUFFIXES | MARKDOWN_SUFFIXES | {".json"}
MAX_TITLE_CHARS = 255
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
_LICENCES = (
    (re.compile(r"creativecommons\.org/publicdomain/zero", re.IGNORECASE), "CC0 1.0"),
    (re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)", re.IGNORECASE), ""),
)
_LICENCE_LINK = re.compile(r"<(?:a|link)\b[^>]*\brel=[\"']?[^\"'>]*licen[sc]e[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One page to come: entry ids are made from `name`; `request` is the address or path that is read."""

    kind: Kind
    name: str
    title: str
    request: str
    page_url: str = ""
    lang: str = ""
    license: str = ""
    optional: bool = False  # one of a folder's files: passed over, and said, when it is no glossary


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A page's HTML and where, when and under which licence it was had."""

    source: Source
    html: str
    sha256: str
    title: str = ""
    url: str = ""
    permalink: str = ""
    revision: str = ""
    license: str = ""
    lang: str = ""
    retrieved_at: str = ""
    from_cache: bool = False


def mediawiki_sources(titles: Sequence[str], *, lang: str, api: str) -> Iterator[Source]:
    """Pages of Wikipedia in `lang`, or of the wiki whose `api.php` is at `api`."""
    endpoint = urls.checked(api, place="--api") if api else f"https://{lang}.wikipedia.org/w/api.php"
    for title in dict.fromkeys(t.strip().replace("_", " ") for t in titles):
        if not title or len(title.encode()) > MAX_TITLE_CHARS or re.search(r"[\[\]{}|<>\n]", title):
            raise UserError("not a title that a wiki page can have", place=f"--title {title!r}")
        yield Source(
            kind="wikipedia_glossary",
            name=f"{urls.host_of(endpoint)}:{title}" if api else f"{lang}.wikipedia.org:{title}",
            title=title,
            request=parse_request(endpoint, title),
            page_url=page_url(endpoint, title),
            lang=lang,
            license=CC_BY_SA if urls.is_wikimedia(endpoint) else "",
        )


def parse_request(endpoint: str, title: str) -> str:
    """The address of `action=parse` for one page, redirects followed."""
    query = {
        "action": "parse", "format": "json", "formatversion": "2", "redirects": "1",
        "disableeditsection": "1", "disablelimitreport": "1", "prop": "text|revid", "page": title,
    }  # fmt: skip
    return f"{endpoint}?{urlencode(query)}"


def page_url(endpoint: str, title: str) -> str:
    """Where people read the page."""
    path = quote(title.replace(" ", "_"), safe="/:()',!*@;~-._")
    if urls.is_wikimedia(endpoint):
        return f"https://{urls.host_of(endpoint)}/wiki/{path}"
    return f"{_index(endpoint)}?title={path}"


def _index(endpoint: str) -> str:
    return re.sub(r"api\.php$", "index.php", endpoint)


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


def load(source: Source, fetcher: Fetcher) -> Document:
    """Read or fetch one page. Raises `UserError` when it cannot be had or is no page."""
    if source.kind == "file":
        return _from_file(source)
    if source.kind == WIKIPEDIA:
        return _from_wiki(source, fetcher)
    return _from_site(source, fetcher)


def cached(source: Source) -> Document | None:
    """The document as the last fetch left it, for a dry run; None where there is none."""
    if source.kind == "file":
        return _from_file(source)
    answer = cache.lookup(source.request)
    if answer is None or answer.status >= 400:
        return None
    return _wiki_document(source, answer) if source.kind == WIKIPEDIA else _site_document(source, answer)


def pace_s(source: Source, fetcher: Fetcher) -> float:
    """Seconds between requests to the source's host: Wikimedia's rate for who we say we are, else our own."""
    if urls.is_wikimedia(source.request):
        return 60.0 / fetcher.settings.wikimedia_per_minute
    return fetcher.settings.pace_s


def _from_file(source: Source) -> Document:
    body = read_bytes(source.request)
    html, title = to_html(body, place=source.request, suffix=Path(source.request).suffix.lower())
    return Document(source=source, html=html, title=title, sha256=_sha256(body), license=licence_of(html))


def _from_wiki(source: Source, fetcher: Fetcher) -> Document:
    pace, fresh = pace_s(source, fetcher), fetcher.settings.fresh_s
    try:
        answer = fetcher.get(source.request, pace_s=pace, fresh_s=fresh)
    except UserError as error:
        raise UserError(error.problem, place=source.page_url, hint=error.hint) from None
    try:
        return _wiki_document(source, answer)
    except UserError:
        cache.forget(source.request)
        raise


def _wiki_document(source: Source, answer: Answer) -> Document:
    parsed = parse_answer(answer.body, place=source.page_url, status=answer.status)
    title = str(parsed.get("title") or source.title)
    revision = str(parsed.get("revid") or "")
    endpoint = source.request.partition("?")[0]
    return Document(
        source=source,
        html=parsed["text"],
        title=title,
        sha256=_sha256(answer.body),
        url=page_url(endpoint, title),
        permalink=f"{_index(endpoint)}?oldid={revision}" if revision else "",
        revision=revision,
        license=source.license,
        lang=source.lang,
        retrieved_at=answer.fetched_at,
        from_cache=answer.from_cache,
    )


def parse_answer(body: bytes, *, place: str, status: int = 200) -> dict[str, Any]:
    """The `parse` object of an `action=parse` answer with `text` a string, in either format version.

    Raises:
        UserError: the API's own error (a missing page is HTTP 200 with one), or an answer that is none.
    """
    try:
        value = json.loads(body)
    except ValueError:
        raise UserError(
            f"the API answers {status} with something that is not JSON",
            place=place,
            hint="is --api the address of an api.php?",
        ) from None
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        raise UserError(
            f"{error.get('info') or error.get('code')}", place=place, hint="check --title, --lang and --api"
        )
    parsed = value.get("parse") if isinstance(value, dict) else None
    text = parsed.get("text") if isinstance(parsed, dict) else None
    if isinstance(text, dict):
        text = text.get("*")
    if not isinstance(parsed, dict) or not isinstance(text, str):
        raise UserError(
            "JSON without a parsed page (parse.text)", place=place, hint="is it an answer of action=parse?"
        )
    return {**parsed, "text": text}


def _from_site(source: Source, fetcher: Fetcher) -> Document:
    verdict = robots.ask(source.request, fetcher)
    if not verdict.allowed:
        raise UserError(
            "robots.txt asks programs not to fetch this page",
            place=source.request,
            hint="save it in a browser and use --from-file",
        )
    pace = max(pace_s(source, fetcher), verdict.delay_s)
    answer = fetcher.get(
        source.request, pace_s=pace, fresh_s=fetcher.settings.fresh_s if _unvalidated(source) else 0.0
    )
    if answer.status >= 400:
        raise UserError(
            f"the server answers {answer.status}", place=source.request, hint="check the address in a browser"
        )
    return _site_document(source, answer)


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
        sha256=_sha256(answer.body),
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
                f"{what}, not a page", place=place, hint="HTML, Markdown and MediaWiki JSON are read"
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


def licence_of(html: str) -> str:
    """The licence that a page's own `rel=license` link names; empty where there is none that we know."""
    for link in _LICENCE_LINK.finditer(html):
        for pattern, name in _LICENCES:
            match = pattern.search(link.group())
            if match:
                return name or f"CC {match[1].upper()} {match[2]}"
    return ""


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
