"""Bytes of a page or a file to its content; the content decides the format, then the name."""

from __future__ import annotations

import json
import re

from embedkit.crawler.extract.decode import decode
from embedkit.crawler.formats import unread
from embedkit.crawler.formats.concepts import xml
from embedkit.crawler.formats.content import Content
from embedkit.crawler.formats.kinds import HTML_SUFFIXES, SUFFIXES, SourceFile, format_of
from embedkit.crawler.formats.markup import markdown, plain_text
from embedkit.crawler.sources.mediawiki import parse_answer
from embedkit.errors import UserError

PAGE_SUFFIXES = HTML_SUFFIXES | SUFFIXES
_KINDS = {
    "markdown": ".md", "json": ".json", "ld+json": ".jsonld", "yaml": ".yaml", "csv": ".csv",
    "tab-separated-values": ".tsv", "turtle": ".ttl", "rdf+xml": ".rdf", "plain": ".txt", "pdf": ".pdf",
}  # fmt: skip
_TAG = re.compile(
    rb"<(?:!doctype|\?xml|html|head|body|div|p|dl|table|h[1-6]|ul|ol|section|article|span|a|b)\b",
    re.IGNORECASE,
)
# In XML a tag can close itself; a browser that reads HTML leaves `<script/>` open to the end of the page.
_CLOSED = re.compile(
    r"<((?!(?:br|hr|img|input|meta|link|wbr|area|base|col|embed|source|track|param)\b)[a-z][\w:-]*)((?:\s[^<>]*?)?)/>",
    re.IGNORECASE,
)


def read_content(body: bytes, *, place: str, suffix: str = "", kind: str = "", charset: str = "") -> Content:
    """The content of a page. `suffix`: of its file name; `kind`: its content type; `charset`: of its header.

    Raises:
        UserError: an empty file, one of a kind that holds no glossary, or one that its format's reader cannot read.
    """
    if not body.strip():
        raise UserError("empty", place=place)
    if suffix not in PAGE_SUFFIXES:
        suffix = _KINDS.get(kind.partition(";")[0].strip().lower().rsplit("/", 1)[-1], suffix)
    root = xml.root_name(body)
    unread.refuse(body, place=place, suffix=suffix, root=root)
    if body.startswith(b"PK\x03\x04") and suffix not in (".xlsx", ".ods"):
        raise UserError("a ZIP file", place=place, hint="save it and use --from-file FILE.zip")
    wiki = _wiki_answer(body, suffix, place)
    if wiki is not None:
        return wiki
    file = SourceFile(body=body, place=place, suffix=suffix, charset=charset)
    form = format_of(file, root)
    if form is not None and not (suffix in (".txt", ".text") and _TAG.match(body.lstrip())):
        return form.read(file)
    text = file.text
    if _is_markup(body):
        return Content(html=_as_html(text) if _is_xhtml(text, suffix, kind) else text)
    return markdown.read(text) if suffix in HTML_SUFFIXES else plain_or_markdown(text)


def plain_or_markdown(text: str) -> Content:
    """A text without tags: a list of terms where it reads like one, else Markdown."""
    plain = plain_text.read(text)
    return plain if "<dl>" in plain.html else markdown.read(text)


def to_html(
    body: bytes, *, place: str, suffix: str = "", kind: str = "", charset: str = ""
) -> tuple[str, str]:
    """`(html, title)` of a page in a format that becomes HTML."""
    content = read_content(body, place=place, suffix=suffix, kind=kind, charset=charset)
    return content.html, content.title


def _is_markup(body: bytes) -> bool:
    return bool(_TAG.search(body[: 256 * 1024].replace(b"\x00", b"")))


def _wiki_answer(body: bytes, suffix: str, place: str) -> Content | None:
    """The page in an answer of MediaWiki's API; None where the JSON is none of its."""
    if body.lstrip()[:1] != b"{" or suffix in (".jsonl", ".ndjson", ".jsonld"):
        return None
    try:
        value = json.loads(decode(body))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not (value.keys() & {"parse", "error"}):
        return None
    parsed = parse_answer(body, place=place)
    return Content(html=parsed["text"], title=str(parsed.get("title") or ""))


def _is_xhtml(text: str, suffix: str, kind: str) -> bool:
    start = text.lstrip("\ufeff \t\r\n")[:1000]
    return (
        suffix in (".xhtml", ".xht")
        or "xhtml+xml" in kind
        or (start.startswith("<?xml") and "http://www.w3.org/1999/xhtml" in start)
    )


def _as_html(text: str) -> str:
    """XHTML as HTML: tags that close themselves get an end tag, the name space's prefix is dropped."""
    prefix = re.search(r"xmlns:(\w+)=[\"']http://www\.w3\.org/1999/xhtml", text)
    if prefix:
        text = re.sub(rf"(</?){prefix[1]}:", r"\1", text)
    text = re.sub(r"<!\[CDATA\[(.*?)\]\]>", lambda m: m[1].replace("<", "&lt;"), text, flags=re.DOTALL)
    return _CLOSED.sub(r"<\1\2></\1>", text)
