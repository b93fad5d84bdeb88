"""The other pages of a glossary that is split by letters or numbers: its links to the same folder and pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from embedkit.crawler.extract import words
from embedkit.crawler.sources.documents import Document, PageSource
from embedkit.crawler.sources.files import file_sources
from embedkit.crawler.sources.sites import url_sources
from embedkit.text import clean

MAX_PAGES = 100
_PAGE = re.compile(
    r"^(?:\d{1,3}|(?:page|seite) \d{1,3}|[A-Z](?:\s?(?:[-–—~…]|to|bis|à)\s?[A-Z])|[ㄱ-ㅎ]|[가-하]\s?[-~]\s?[가-하]"
    r"|next(?: page)?|다음(?: 페이지)?"
    r"|weiter|suivant|siguiente|下一页|次へ|[›»→>])\W*$",
    re.IGNORECASE,
)


def further_pages(document: Document) -> tuple[PageSource, ...]:
    """The pages that a page links to as parts of itself; none for a wiki's page, a dump, or an archive's member."""
    source = document.source
    if source.kind not in ("file", "custom_urls") or not document.html or source.name != _name(source):
        return ()
    if source.kind == "file":
        paths = [Path(p) for p in _files(document.html, Path(source.request))]
        return tuple(replace(s, optional=True) for s in file_sources(paths[:MAX_PAGES]))
    return tuple(replace(s, optional=True) for s in url_sources(_addresses(document)[:MAX_PAGES]))


def _name(source: PageSource) -> str:
    """The name that a page has if it was named by itself, or that a page of a folder has."""
    alone = source.kind != "file" or Path(source.request).is_file()
    return source.name if alone else ""


def _links(html: str) -> Iterator[str]:
    """The targets of links whose text is a letter, a range of letters, a number, or "Next"."""
    for node in LexborHTMLParser(html).css("a[href]"):
        text = clean(node.text())
        rel = (node.attributes.get("rel") or "").lower().split()
        if "next" in rel or _PAGE.match(text) or (len(text) < 9 and words.LETTER.match(text.upper())):
            yield node.attributes.get("href") or ""


def _files(html: str, path: Path) -> list[str]:
    found: dict[str, None] = {}
    for href in _links(html):
        name = unquote(urlsplit(href).path)
        other = path.parent / name
        beside = bool(name) and "/" not in name.removeprefix("./") and other.is_file()
        same_kind = other.suffix.lower() == path.suffix.lower() and _alike(path.stem, other.stem)
        if beside and same_kind and other.resolve() != path.resolve():
            found[str(other)] = None
    return list(found)


def _addresses(document: Document) -> list[str]:
    base = document.url or document.source.request
    here = urlsplit(base)
    found: dict[str, None] = {}
    for href in _links(document.html):
        try:
            address = urldefrag(urljoin(base, href))[0]
            there = urlsplit(address)
        except ValueError:
            continue
        same_host = (there.scheme, there.netloc) == (here.scheme, here.netloc)
        pattern = _same_pattern(here.path, here.query, there.path, there.query)
        if same_host and pattern and address != urldefrag(base)[0]:
            found[address] = None
    return list(found)


def _same_pattern(path: str, query: str, other: str, other_query: str) -> bool:
    """Whether two addresses differ in a letter or a number only: in one parameter, or in the last part of the path."""
    if path == other:
        ours, theirs = dict(parse_qsl(query)), dict(parse_qsl(other_query))
        changed = [k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)]
        return len(changed) == 1 and len(theirs.get(changed[0], "")) <= 6
    folder, _, name = path.rstrip("/").rpartition("/")
    other_folder, _, other_name = other.rstrip("/").rpartition("/")
    if folder == other_folder:
        return _alike(_stem(name), _stem(other_name))
    # /glossary/ and /glossary/a/
    return other_folder == path.rstrip("/") and len(other_name) <= 6


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _alike(name: str, other: str) -> bool:
    """Whether names differ by a letter, a range or a number only: `terms-a` and `terms-m-z`, `index` and `b`."""

    def base(text: str) -> str:
        return re.sub(
            r"(?:^|[-_.]?)(?:[a-z0]|\d{1,3})(?:[-_]?(?:to[-_]?)?[a-z9])?$", "", unquote(text).lower()
        )

    ours, theirs = base(name), base(other)
    return ours == theirs or ours in ("index", "default") or name.lower() == theirs or not theirs
