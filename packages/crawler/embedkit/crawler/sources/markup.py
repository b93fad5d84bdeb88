"""Bytes of HTML, Markdown or MediaWiki's JSON to HTML; content decides the format, then the name."""

from __future__ import annotations

import re

from embedkit.crawler.extract.decode import decode
from embedkit.crawler.extract.markdown import markdown_to_html
from embedkit.crawler.sources.mediawiki import parse_answer
from embedkit.errors import UserError

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


def to_html(
    body: bytes, *, place: str, suffix: str = "", kind: str = "", charset: str = ""
) -> tuple[str, str]:
    """`(html, title)` of a page. `suffix`: of its file name; `kind`: its content type; `charset`: of its header."""
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
