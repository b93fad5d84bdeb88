"""Records of crawling: a source is a page to read, a document is its HTML with its origin."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from embedkit.crawler.extract.records import Group

Kind = Literal["wikipedia_glossary", "wiki_category", "custom_urls", "file", "dump"]
CC_BY_SA = "CC BY-SA 4.0"
_LICENCES = (
    (re.compile(r"creativecommons\.org/publicdomain/zero", re.IGNORECASE), "CC0 1.0"),
    (re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)", re.IGNORECASE), ""),
)
_LICENCE_LINK = re.compile(
    r"<(?:a|link)\b[^>]{0,500}\brel=[\"']?[^\"'>]{0,100}licen[sc]e[^>]{0,500}>", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSource:
    """One page to read. `name` is part of its entry ids; `request` is the address or path that is read."""

    kind: Kind
    name: str
    title: str
    request: str
    page_url: str = ""
    lang: str = ""
    license: str = ""
    revision: str = ""  # the newest one, if the wiki gave it
    titles: tuple[str, ...] = ()  # pages of a dump; empty: all that look like glossaries
    optional: bool = False  # one of many: skipped with a warning when it is not a glossary


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The HTML of a page, and its address, revision, licence and time."""

    source: PageSource
    html: str
    sha256: str
    groups: tuple[Group, ...] = ()  # what a format states by itself; its `html` is empty
    title: str = ""
    url: str = ""
    permalink: str = ""
    revision: str = ""
    license: str = ""
    lang: str = ""
    retrieved_at: str = ""
    from_cache: bool = False
    inventory: bytes = b""  # Sphinx's objects.inv, if the page has one


def licence_of(html: str) -> str:
    """The licence of a page's `rel=license` link; empty without a link or for an unknown licence."""
    for link in _LICENCE_LINK.finditer(html):
        for pattern, name in _LICENCES:
            match = pattern.search(link.group())
            if match:
                return name or f"CC {match[1].upper()} {match[2]}"
    return ""


def sha256(body: bytes) -> str:
    """Hex SHA-256 of a page's bytes."""
    return hashlib.sha256(body).hexdigest()
