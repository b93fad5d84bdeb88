"""Sphinx's `objects.inv`: where it is, and which terms of a page it lists."""

from __future__ import annotations

import posixpath
import re
import zlib
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from embedkit.crawler.sources.documents import Document

MAX_INVENTORY_BYTES = 20 * 1024 * 1024
INVENTORY = "objects.inv"
_ROOT = re.compile(
    r"data-(?:content|url)_root=[\"']([^\"']{0,200})[\"']|URL_ROOT:\s*[\"']([^\"']{0,200})[\"']"
)
_SPHINX = re.compile(
    r"documentation_options|Created using <a [^>]{0,100}sphinx|<dl class=[\"'][^\"']*\bglossary\b",
    re.IGNORECASE,
)
_INVENTORY_LINE = re.compile(r"^(?P<name>.+?)\s+std:term\s+-?\d+\s+(?P<uri>\S*)\s+(?P<shown>.*)$")


def inventory_root(html: str) -> str | None:
    """The folder of a Sphinx page's `objects.inv`, relative to the page; None for a page not made by Sphinx."""
    if not _SPHINX.search(html):
        return None
    match = _ROOT.search(html)
    return (match[1] or match[2] or "./") if match else "./"


def inventory_terms(document: Document) -> Iterator[str]:
    """The `std:term` names of this page in an inventory of version 2."""
    head, _, packed = document.inventory.partition(b"zlib.\n")
    if b"version 2" not in head:
        return
    engine = zlib.decompressobj()
    try:
        text = engine.decompress(packed, MAX_INVENTORY_BYTES).decode("utf-8", errors="replace")
    except zlib.error:
        return
    page = unquote(urlsplit(document.url).path if document.url else document.source.request)
    for line in text.splitlines():
        match = _INVENTORY_LINE.match(line)
        if match and _ends_with(page, match["uri"].partition("#")[0]):
            yield match["name"] if match["shown"] in ("-", "") else match["shown"]


def _ends_with(page: str, name: str) -> bool:
    return posixpath.join("/", page.replace("\\", "/")).endswith(posixpath.join("/", name))
